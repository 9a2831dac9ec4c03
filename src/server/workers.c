// SPDX-License-Identifier: Apache-2.0
//
// One lock around a list. The pool in base/ cuts one job into chunks and waits for them; here many
// jobs that know nothing of each other come and go.
#include "server/workers.h"

#include <pthread.h>
#include <stdbool.h>

#include "base/mem.h"
#include "base/sched.h"

typedef struct worker {
    hd_workers *all;
    size_t number;
    pthread_t thread;
} worker;

struct hd_workers {
    pthread_mutex_t lock;
    pthread_cond_t more;
    hd_work *first, *last;
    size_t waiting, max_waiting;
    bool closing;
    size_t n; // that were started
    worker worker[];
};

static hd_work *take(hd_workers *all) {
    pthread_mutex_lock(&all->lock);
    while (!all->first && !all->closing) pthread_cond_wait(&all->more, &all->lock);
    hd_work *work = all->first;
    if (work) {
        all->first = work->next;
        if (!all->first) all->last = NULL;
        all->waiting--;
    }
    pthread_mutex_unlock(&all->lock);
    return work;
}

static void *work_on(void *arg) {
    worker *self = arg;
    hd_work *work;
    hd_sched_patient(); // what the loops answer at once comes first
    while ((work = take(self->all)) != NULL) work->run(work, self->number);
    return NULL;
}

heed_err hd_workers_add(hd_workers *all, hd_work *work) {
    work->next = NULL;
    pthread_mutex_lock(&all->lock);
    bool full = all->waiting >= all->max_waiting;
    if (!full) {
        if (all->last)
            all->last->next = work;
        else
            all->first = work;
        all->last = work;
        all->waiting++;
        pthread_cond_signal(&all->more);
    }
    pthread_mutex_unlock(&all->lock);
    if (!full) return HEED_OK;
    return HD_FAIL(HEED_BUSY, "too many requests wait; try again in a moment",
                   "等待处理的请求过多；请稍后再试");
}

size_t hd_workers_waiting(hd_workers *all) {
    pthread_mutex_lock(&all->lock);
    size_t n = all->waiting;
    pthread_mutex_unlock(&all->lock);
    return n;
}

heed_err hd_workers_new(size_t n_workers, size_t max_waiting, hd_workers **out) {
    size_t bytes = sizeof(hd_workers) + n_workers * sizeof(worker);
    hd_workers *all = hd_calloc(1, bytes);
    if (!all) return HD_FAIL_MEMORY(bytes);
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->more, NULL);
    all->max_waiting = max_waiting;
    for (; all->n < n_workers; all->n++) {
        worker *self = &all->worker[all->n];
        *self = (worker){.all = all, .number = all->n};
        int failed = pthread_create(&self->thread, NULL, work_on, self);
        if (!failed) continue;
        hd_workers_free(all);
        return HD_FAIL_ERRNO(failed, "can't start a thread", "无法启动线程", "worker");
    }
    *out = all;
    return HEED_OK;
}

void hd_workers_free(hd_workers *all) {
    if (!all) return;
    pthread_mutex_lock(&all->lock);
    all->closing = true;
    pthread_cond_broadcast(&all->more);
    pthread_mutex_unlock(&all->lock);
    for (size_t i = 0; i < all->n; i++) pthread_join(all->worker[i].thread, NULL);
    pthread_cond_destroy(&all->more);
    pthread_mutex_destroy(&all->lock);
    hd_free(all);
}
