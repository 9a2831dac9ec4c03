// SPDX-License-Identifier: Apache-2.0
//
// The pool. Workers sleep on a condition variable until a run is posted, take chunks from one
// atomic counter, and go back to sleep; the caller takes chunks too and then waits for the workers
// that joined. A worker joins a run under the mutex, so a run is over when its last member has
// left, and the job may stand on the caller's stack.
//
// Which failure wins: chunks are taken in ascending order, and a failure only stops the taking of
// later ones. Every chunk below a failing one has thus been taken and will report, so the lowest
// failing chunk of all is always found, whatever the timing.
//
// Runs follow each other closely (a training step is hundreds of them), and a sleep and a wake-up
// cost more than a small run: so before they sleep, a worker watches for the next job and the
// caller for the last worker for some 20 µs. Not when there are more threads than processors, and
// not for a while after the watcher found that it had been taken off its processor: on a busy
// machine it would only stand in the way of those who work.
//
// Rejected: a queue per worker with stealing (our chunks are few and of one kind), and OpenMP (its
// threads spin, and other libraries bring their own).
#include "base/pool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "base/float.h"
#include "base/mem.h"

typedef struct pool_job {
    hd_pool_fn fn;
    void *ctx;
    size_t n_chunks;
    hd_float_mode mode;    // the caller's: chunks come out the same whoever takes them
    atomic_size_t next;    // the chunk to take next
    size_t failed_chunk;   // the lowest failing one so far, SIZE_MAX: none; under the pool's mutex
    hd_error *failure;     // what it said
    atomic_size_t members; // workers inside; changed under the pool's mutex
} pool_job;

struct hd_pool {
    size_t n_threads;
    struct worker *workers; // (n_threads - 1)
    size_t n_started;
    pthread_mutex_t turn; // held by the caller whose run it is
    pthread_mutex_t mutex;
    pthread_cond_t posted;    // a job stands, or stop
    pthread_cond_t left;      // the last member left
    pool_job *job;            // NULL: nothing to do
    atomic_ullong generation; // of the job: a worker joins each once; changed under the mutex
    atomic_bool stop;         // changed under the mutex
    bool watches;             // before it sleeps
    atomic_bool *cancel;      // the user's, NULL: none
};

// Inside a chunk: a run started here is nested, and done by this thread alone.
static _Thread_local bool inside;
static _Thread_local size_t slot;

// ── Watching before sleeping ──

enum { WATCH_NS = 20000, TAKEN_OFF_NS = 10 * WATCH_NS, HOLD = 64, PAUSES = 16 };

// How many times this thread goes to sleep at once, having been taken off its processor.
static _Thread_local unsigned hold;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline void rest(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

// Until done(ctx) or for WATCH_NS.
static void watch(const hd_pool *pool, bool (*done)(const void *ctx), const void *ctx) {
    if (!pool->watches || done(ctx)) return;
    if (hold > 0) {
        hold--;
        return;
    }
    int64_t start = now_ns(), passed = 0;
    while (passed < WATCH_NS) {
        for (int i = 0; i < PAUSES; i++) {
            if (done(ctx)) return;
            rest();
        }
        passed = now_ns() - start;
    }
    if (passed > TAKEN_OFF_NS) hold = HOLD;
}

static void report(hd_pool *pool, pool_job *job, size_t chunk, heed_err err) {
    atomic_store(&job->next, job->n_chunks);
    pthread_mutex_lock(&pool->mutex);
    if (chunk < job->failed_chunk) {
        job->failed_chunk = chunk;
        hd_error_get(job->failure);
        job->failure->code = err;
    }
    pthread_mutex_unlock(&pool->mutex);
}

// The next chunk, or n_chunks. Never counts past the end, so that a stop isn't undone.
static size_t take_chunk(pool_job *job) {
    size_t chunk = atomic_load(&job->next);
    while (chunk < job->n_chunks && !atomic_compare_exchange_weak(&job->next, &chunk, chunk + 1)) {
    }
    return chunk;
}

static heed_err run_chunk(hd_pool *pool, hd_pool_fn fn, void *ctx, size_t chunk) {
    if (!pool || !pool->cancel || !atomic_load_explicit(pool->cancel, memory_order_relaxed))
        return fn(ctx, chunk);
    return HD_FAIL(HEED_INTERRUPTED, "interrupted", "已中断");
}

static void work(hd_pool *pool, pool_job *job) {
    inside = true;
    for (size_t chunk = take_chunk(job); chunk < job->n_chunks; chunk = take_chunk(job)) {
        heed_err err = run_chunk(pool, job->fn, job->ctx, chunk);
        if (err != HEED_OK) report(pool, job, chunk, err);
    }
    inside = false;
}

typedef struct worker {
    hd_pool *pool;
    pthread_t thread;
    size_t slot;
} worker;

typedef struct next_job {
    const hd_pool *pool;
    uint64_t seen;
} next_job;

static bool job_posted(const void *ctx) {
    const next_job *next = ctx;
    return atomic_load_explicit(&next->pool->generation, memory_order_acquire) != next->seen ||
           atomic_load_explicit(&next->pool->stop, memory_order_relaxed);
}

static bool all_left(const void *ctx) {
    return atomic_load_explicit(&((const pool_job *)ctx)->members, memory_order_acquire) == 0;
}

static void *worker_main(void *arg) {
    hd_pool *pool = ((worker *)arg)->pool;
    slot = ((worker *)arg)->slot;
    uint64_t seen = 0;
    pthread_mutex_lock(&pool->mutex);
    while (!pool->stop) {
        if (!pool->job || pool->generation == seen) {
            pthread_cond_wait(&pool->posted, &pool->mutex);
            continue;
        }
        pool_job *job = pool->job;
        seen = pool->generation;
        job->members++;
        pthread_mutex_unlock(&pool->mutex);
        hd_float_set(job->mode);
        work(pool, job);
        pthread_mutex_lock(&pool->mutex);
        // (With the last one gone the job may be, too.)
        if (atomic_fetch_sub(&job->members, 1) == 1) pthread_cond_signal(&pool->left);
        pthread_mutex_unlock(&pool->mutex);
        watch(pool, job_posted, &(next_job){pool, seen});
        pthread_mutex_lock(&pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

static size_t processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return (size_t)CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (size_t)online : 1;
}

static int start_workers(hd_pool *pool) {
    sigset_t all, before; // signals are the main thread's
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int reason = 0;
    while (reason == 0 && pool->n_started + 1 < pool->n_threads) {
        worker *w = &pool->workers[pool->n_started];
        *w = (worker){.pool = pool, .slot = pool->n_started + 1};
        reason = pthread_create(&w->thread, NULL, worker_main, w);
        pool->n_started += reason == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return reason;
}

heed_err hd_pool_new(size_t n_threads, hd_pool **out) {
    enum { MOST = 4096 };
    if (n_threads == 0) n_threads = processors();
    if (n_threads > MOST) {
        return HD_FAIL(HEED_INPUT, "%zu threads are too many: at most %d",
                       "线程数 %zu 过多：最多 %d 个", n_threads, MOST);
    }
    hd_pool *pool = hd_calloc(1, sizeof *pool);
    if (!pool) return HD_FAIL_MEMORY(sizeof *pool);
    pool->n_threads = n_threads;
    pool->watches = n_threads <= processors();
    pthread_mutex_init(&pool->turn, NULL);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->posted, NULL);
    pthread_cond_init(&pool->left, NULL);
    pool->workers = hd_calloc(n_threads, sizeof *pool->workers);
    if (!pool->workers) {
        hd_pool_free(pool);
        return HD_FAIL_MEMORY(n_threads * sizeof *pool->workers);
    }
    int reason = start_workers(pool);
    if (reason != 0) {
        hd_pool_free(pool);
        return HD_FAIL(HEED_UNAVAILABLE,
                       "the system refused a thread (errno %d); lower `threads` or raise ulimit -u",
                       "系统拒绝创建线程（errno %d）；请减少 threads，或调高 ulimit -u", reason);
    }
    *out = pool;
    return HEED_OK;
}

void hd_pool_free(hd_pool *pool) {
    if (!pool) return;
    pthread_mutex_lock(&pool->mutex);
    pool->stop = true;
    pthread_cond_broadcast(&pool->posted);
    pthread_mutex_unlock(&pool->mutex);
    for (size_t i = 0; i < pool->n_started; i++) pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->left);
    pthread_cond_destroy(&pool->posted);
    pthread_mutex_destroy(&pool->mutex);
    pthread_mutex_destroy(&pool->turn);
    hd_free(pool->workers);
    hd_free(pool);
}

size_t hd_pool_threads(const hd_pool *pool) {
    return pool ? pool->n_threads : 1;
}

void hd_pool_cancel_by(hd_pool *pool, atomic_bool *flag) {
    pool->cancel = flag;
}

static heed_err run_here(hd_pool *pool, size_t n_chunks, hd_pool_fn fn, void *ctx) {
    size_t outer = slot;
    slot = 0;
    heed_err err = HEED_OK;
    for (size_t chunk = 0; chunk < n_chunks && err == HEED_OK; chunk++)
        err = run_chunk(pool, fn, ctx, chunk);
    slot = outer;
    return err;
}

size_t hd_pool_slot(void) {
    return slot;
}

static void post(hd_pool *pool, pool_job *job) {
    pthread_mutex_lock(&pool->mutex);
    pool->job = job;
    pool->generation++;
    pthread_cond_broadcast(&pool->posted);
    pthread_mutex_unlock(&pool->mutex);
}

// Takes the job back and waits for those still inside.
static void withdraw(hd_pool *pool, pool_job *job) {
    pthread_mutex_lock(&pool->mutex);
    pool->job = NULL;
    pthread_mutex_unlock(&pool->mutex);
    watch(pool, all_left, job);
    pthread_mutex_lock(&pool->mutex);
    while (job->members > 0) pthread_cond_wait(&pool->left, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
}

heed_err hd_pool_run(hd_pool *pool, size_t n_chunks, hd_pool_fn fn, void *ctx) {
    if (!pool || pool->n_threads == 1 || n_chunks <= 1 || inside) {
        return run_here(pool, n_chunks, fn, ctx);
    }
    hd_error failure;
    pool_job job = {.fn = fn,
                    .ctx = ctx,
                    .n_chunks = n_chunks,
                    .mode = hd_float_get(),
                    .failed_chunk = SIZE_MAX,
                    .failure = &failure};
    atomic_init(&job.next, 0);
    atomic_init(&job.members, 0);
    pthread_mutex_lock(&pool->turn);
    post(pool, &job);
    work(pool, &job);
    withdraw(pool, &job);
    pthread_mutex_unlock(&pool->turn);
    return job.failed_chunk == SIZE_MAX ? HEED_OK : hd_error_restore(&failure);
}
