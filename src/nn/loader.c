// SPDX-License-Identifier: Apache-2.0
//
// Slots go round between two threads: the reader fills free ones in order, the training takes
// filled ones in order and gives each back when it asks for the next. A slot holds one batch, and
// graphs read straight from it. An epoch is begun by telling the reader where to start; what it had
// read ahead of that is dropped.
#include "nn/loader.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "nn/bucket.h"

enum { SLOTS = 3 };

typedef struct slot {
    hd_minibatch batch;
    heed_err err;
    hd_error failure;
} slot;

struct hd_loader {
    hd_data *data;
    hd_loader_opts opts;
    size_t *order; // (n)
    hd_buckets buckets;
    size_t batch, cap; // size of batches, and what the slots hold
    size_t next;       // sample of the order to read next
    size_t end;
    uint64_t epoch;
    slot slots[SLOTS];
    size_t n_slots;
    bool held; // the training holds the slot at `out`
    // Of the thread:
    bool threaded, started, stop, paused, idle;
    size_t in, out, filled; // slots: next to fill, next to hand out, how many are filled
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
};

// ── Order ──

static void set_order(hd_loader *l) {
    for (size_t i = 0; i < l->data->n; i++) l->order[i] = i;
    if (!l->opts.shuffle) return;
    hd_rng rng = hd_rng_make(l->opts.seed, UINT64_C(0x6F7264657200) + l->epoch);
    hd_rng_shuffle(&rng, l->order, l->data->n, sizeof *l->order);
    if (l->buckets.n == 0) return;
    hd_buckets_arrange(&l->buckets, l->opts.seed, l->epoch, l->batch, l->order, l->data->n);
}

size_t hd_loader_samples(const hd_loader *l, size_t batch) {
    return l->opts.drop_last && l->data->n >= batch ? l->data->n / batch * batch : l->data->n;
}

// ── Filling ──

static void fill(hd_loader *l, slot *s, size_t from, size_t n) {
    hd_draw draw = {l->opts.seed, l->epoch, l->opts.training};
    s->batch.n = n;
    memcpy(s->batch.index, l->order + from, n * sizeof *l->order);
    s->err = n > 0 ? l->data->read(l->data, n, s->batch.index, &draw, s->batch.fields) : HEED_OK;
    s->batch.length = hd_buckets_length(&l->buckets, s->batch.index, n);
    if (s->err == HEED_OK) hd_batch_cut(l->data, s->batch.length, n, s->batch.fields);
    if (s->err != HEED_OK) {
        hd_error_get(&s->failure);
        s->failure.code = s->err;
    }
}

static size_t next_size(const hd_loader *l) {
    size_t left = l->end - l->next;
    return left < l->batch ? left : l->batch;
}

static void *reader_main(void *arg) {
    hd_loader *l = arg;
    pthread_mutex_lock(&l->mutex);
    while (!l->stop) {
        // (While it is paused the rest belongs to who begins an epoch: paused is looked at first.)
        if (l->paused || next_size(l) == 0 || l->filled == l->n_slots) {
            l->idle = true;
            pthread_cond_broadcast(&l->changed);
            pthread_cond_wait(&l->changed, &l->mutex);
            continue;
        }
        l->idle = false;
        slot *s = &l->slots[l->in];
        size_t from = l->next, n = next_size(l);
        pthread_mutex_unlock(&l->mutex);
        fill(l, s, from, n);
        pthread_mutex_lock(&l->mutex);
        l->next += n;
        l->in = (l->in + 1) % l->n_slots;
        l->filled++;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

static heed_err start(hd_loader *l) {
    sigset_t all, before; // signals are the main thread's
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int reason = pthread_create(&l->thread, NULL, reader_main, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    l->started = reason == 0;
    if (reason == 0) return HEED_OK;
    return HD_FAIL(HEED_UNAVAILABLE, "the system refused a thread (errno %d); raise ulimit -u",
                   "系统拒绝创建线程（errno %d）；请调高 ulimit -u", reason);
}

// ── Life ──

heed_err hd_loader_new(hd_data *data, const hd_loader_opts *opts, hd_loader **out) {
    hd_loader *l = hd_calloc(1, sizeof *l);
    if (!l) return HD_FAIL_MEMORY(sizeof *l);
    l->data = data;
    l->opts = *opts;
    l->paused = true;
    l->threaded = opts->ahead > 0 || (opts->ahead < 0 && !data->cheap);
    l->n_slots = l->threaded ? SLOTS : 1;
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->changed, NULL);
    l->order = hd_calloc(data->n + 1, sizeof *l->order);
    heed_err err = l->order ? hd_buckets_make(data, opts->buckets, &l->buckets)
                            : HD_FAIL_MEMORY(data->n * sizeof *l->order);
    if (err != HEED_OK) {
        hd_loader_free(l);
        return err;
    }
    *out = l;
    return HEED_OK;
}

static void clear_slots(hd_loader *l) {
    for (size_t i = 0; i < SLOTS; i++) {
        for (int f = 0; f < HD_FIELDS; f++) hd_free(l->slots[i].batch.fields[f]);
        hd_free(l->slots[i].batch.index);
        memset(&l->slots[i].batch, 0, sizeof l->slots[i].batch);
    }
    l->cap = 0;
}

void hd_loader_free(hd_loader *l) {
    if (!l) return;
    if (l->started) {
        pthread_mutex_lock(&l->mutex);
        l->stop = true;
        pthread_cond_broadcast(&l->changed);
        pthread_mutex_unlock(&l->mutex);
        pthread_join(l->thread, NULL);
    }
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->mutex);
    clear_slots(l);
    hd_buckets_clear(&l->buckets);
    hd_free(l->order);
    hd_free(l);
}

static heed_err make_slots(hd_loader *l, size_t batch) {
    if (batch <= l->cap) return HEED_OK;
    clear_slots(l);
    for (size_t i = 0; i < l->n_slots; i++) {
        hd_minibatch *b = &l->slots[i].batch;
        for (int f = 0; f < l->data->n_fields; f++) {
            size_t bytes = hd_field_bytes(&l->data->fields[f]);
            b->fields[f] = hd_alloc_aligned(batch, bytes > 0 ? bytes : 1);
            if (!b->fields[f]) return HD_FAIL_MEMORY(batch * bytes);
        }
        b->index = hd_calloc(batch, sizeof *b->index);
        if (!b->index) return HD_FAIL_MEMORY(batch * sizeof *b->index);
    }
    l->cap = batch;
    return HEED_OK;
}

heed_err hd_loader_begin(hd_loader *l, uint64_t epoch, size_t batch, size_t done) {
    if (batch == 0) return HD_FAIL(HEED_INPUT, "a batch must hold a sample", "批量至少为 1");
    if (batch > l->data->n && l->data->n > 0) batch = l->data->n;
    if (l->started) {
        pthread_mutex_lock(&l->mutex);
        l->paused = true;
        while (!l->idle) pthread_cond_wait(&l->changed, &l->mutex);
        pthread_mutex_unlock(&l->mutex);
    }
    HD_TRY(make_slots(l, batch));
    l->epoch = epoch;
    l->batch = batch;
    l->end = hd_loader_samples(l, batch);
    l->next = done < l->end ? done : l->end;
    l->in = l->out = l->filled = 0;
    l->held = false;
    set_order(l);
    if (!l->threaded) return HEED_OK;
    pthread_mutex_lock(&l->mutex);
    l->paused = false;
    l->idle = false; // by its own word only: who pauses it before it has woken waits until it
                     // sleeps again
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mutex);
    return l->started ? HEED_OK : start(l);
}

// ── Batches ──

static slot *take_filled(hd_loader *l) {
    pthread_mutex_lock(&l->mutex);
    if (l->held) {
        l->out = (l->out + 1) % l->n_slots;
        l->filled--;
        l->held = false;
        pthread_cond_broadcast(&l->changed);
    }
    // (Nothing filled and nothing left to read: the epoch is over.)
    while (l->filled == 0 && (next_size(l) > 0)) pthread_cond_wait(&l->changed, &l->mutex);
    slot *s = l->filled > 0 ? &l->slots[l->out] : NULL;
    l->held = s != NULL;
    pthread_mutex_unlock(&l->mutex);
    return s;
}

heed_err hd_loader_next(hd_loader *l, hd_minibatch *out) {
    slot *s = &l->slots[0];
    if (l->threaded) {
        s = take_filled(l);
    } else {
        size_t n = next_size(l);
        fill(l, s, l->next, n);
        l->next += n;
        if (n == 0) s = NULL;
    }
    *out = (hd_minibatch){.n = 0};
    if (!s) return HEED_OK;
    if (s->err != HEED_OK) return hd_error_restore(&s->failure);
    *out = s->batch;
    return HEED_OK;
}
