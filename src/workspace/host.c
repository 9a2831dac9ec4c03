// SPDX-License-Identifier: Apache-2.0
//
// One mutex guards the queue; the writing thread takes the whole list at once and works without it.
//
// Rejected: a transaction per task (each pays a sync of the disk: some hundreds a second); a timer
// that waits for more tasks (a lone write would pay for company that never comes: while one group
// is being synced, the next gathers by itself).
//
// Failures of a task are kept beside it until the group is committed, because the thread's last
// error is one alone. Memory for that is taken only when a task fails, and its failure to come is
// a failure like any other.
#include "workspace/host.h"

#include <pthread.h>
#include <sodium.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sched.h"
#include "store/open.h"
#include "workspace/auditing.h"
#include "workspace/cache.h"
#include "workspace/erase.h"
#include "workspace/retain.h"

// Jobs hold the lock with their server; of one that was killed they end a moment later.
enum { PATIENCE_MS = 5000 };
enum { GROUP_MOST = 512 }; // tasks in one transaction: bounds how long the first waits
// What is to be looked after is looked at every ten minutes; after a failure in an hour.
enum { CARE_MS = 600000, AFTER_FAILURE_MS = 3600000 };

typedef struct place {
    heed_workspace *ws;
    hd_settings *settings;
    unsigned generation;
} place;

struct hd_host {
    char *folder;
    const char *name;
    hd_host_params params;
    place *places;         // (params.places)
    place writer;          // of the writing thread
    int lock_fd;           // of heed.lock; 0: not held yet
    hd_model_cache *cache; // what readers share
    atomic_uint generation;
    hd_guard *guard;
    hd_audit_counts *counts;
    hd_task tick;        // flushes the guard
    hd_time ticked;      // the time it is for
    atomic_bool ticking; // it waits or runs
    hd_task care;        // erasures, retention: a step of it
    atomic_bool caring;  // it waits or runs; the rest is its own meanwhile
    hd_time cared, care_at;
    hd_retaining retaining;
    bool walking; // retaining has begun
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t more;
    hd_task *first, *last; // guarded by lock, as are the next two
    size_t waiting;
    bool closing;
    _Atomic uint64_t tasks, groups, retried;
};

// ── Handles ──

static void place_close(place *at) {
    heed_workspace_close(at->ws);
    hd_settings_free(at->settings);
    *at = (place){0};
}

// The writer's lock is held from the first opening to the last closing: jobs hold it too, so it
// couldn't be taken again in between.
static int lend_lock(const hd_host *host, heed_mode mode) {
    if (mode == HEED_READ || host->lock_fd <= 0) return 0;
    return hd_fs_dup(host->lock_fd, 3);
}

static heed_err place_open(hd_host *host, place *at, heed_mode mode) {
    unsigned now = atomic_load(&host->generation);
    if (at->ws && at->generation == now) return HEED_OK;
    place_close(at);
    at->settings = host->params.settings(host->params.ctx, host->folder);
    if (!at->settings) return heed_error_code();
    const hd_workspace_params params = {.folder = host->folder,
                                        .mode = mode,
                                        .who = host->params.who,
                                        .patience_ms = PATIENCE_MS,
                                        .settings = at->settings,
                                        .passphrase = host->params.passphrase,
                                        .cache = host->cache,
                                        .lock_fd = lend_lock(host, mode)};
    heed_err err = hd_workspace_open(&params, &at->ws);
    if (err != HEED_OK) {
        hd_settings_free(at->settings);
        *at = (place){0};
        return err;
    }
    at->generation = now;
    if (mode == HEED_WRITE) hd_store_give_way(at->ws->store); // to the threads that answer
    return HEED_OK;
}

heed_err hd_host_reader(hd_host *host, size_t number, heed_workspace **out) {
    place *at = &host->places[number];
    HD_TRY(place_open(host, at, HEED_READ));
    *out = at->ws;
    return HEED_OK;
}

void hd_host_refresh(hd_host *host) {
    atomic_fetch_add(&host->generation, 1);
    hd_model_cache_forget(host->cache, host->folder);
}

// ── Tasks ──

static void keep_failure(hd_task *task) {
    if (task->err == HEED_OK) return;
    if (!task->failure) task->failure = hd_alloc(sizeof *task->failure);
    if (task->failure) hd_error_get(task->failure);
}

static void report(hd_task *task) {
    hd_error *failure = task->failure;
    heed_err err = task->err;
    if (failure && err != HEED_OK) (void)hd_error_restore(failure);
    if (!failure && err != HEED_OK) err = HD_FAIL_MEMORY(sizeof *failure);
    hd_free(failure);
    task->failure = NULL;
    task->done(task, err);
}

static void run_alone(hd_host *host, hd_task *task) {
    task->err = task->run(task, host->writer.ws);
    keep_failure(task);
    report(task);
}

// Whether a failure is the database's and not the task's: then the group can't be committed.
static bool is_deep(heed_err err) {
    return err == HEED_FULL || err == HEED_IO || err == HEED_MEMORY || err == HEED_CORRUPT ||
           err == HEED_BUSY || err == HEED_INTERRUPTED || err == HEED_INTERNAL;
}

static heed_err run_together(hd_host *host, hd_task *list) {
    hd_store *store = host->writer.ws->store;
    HD_TRY(hd_store_begin(store));
    for (hd_task *task = list; task; task = task->next) {
        task->err = task->run(task, host->writer.ws);
        keep_failure(task);
        if (!is_deep(task->err)) continue;
        hd_store_rollback(store);
        return task->err;
    }
    return hd_store_commit(store);
}

// list: tasks of kind GROUP, one at least.
static void run_group(hd_host *host, hd_task *list) {
    atomic_fetch_add(&host->groups, 1);
    bool lone = !list->next;
    heed_err err = run_together(host, list);
    if (err != HEED_OK && lone) { // a commit may have failed behind a task that didn't
        list->err = err;
        keep_failure(list);
    }
    for (hd_task *next, *task = list; task; task = next) {
        next = task->next;
        task->next = NULL;
        if (err == HEED_OK || lone) {
            report(task);
            continue;
        }
        atomic_fetch_add(&host->retried, 1);
        run_group(host, task);
    }
}

static void run_list(hd_host *host, hd_task *list) {
    while (list) {
        hd_task *first = list;
        if (first->kind == HD_TASK_ALONE) {
            list = first->next;
            first->next = NULL;
            run_alone(host, first);
            continue;
        }
        hd_task *last = first;
        for (size_t n = 1; n < GROUP_MOST && last->next && last->next->kind == HD_TASK_GROUP; n++)
            last = last->next;
        list = last->next;
        last->next = NULL;
        run_group(host, first);
    }
}

static void fail_list(hd_task *list) {
    for (hd_task *next, *task = list; task; task = next) {
        next = task->next;
        task->err = heed_error_code();
        keep_failure(task);
        report(task);
    }
}

// The tasks that wait, all of them; NULL: there is none now (patient: the host closes, too).
static hd_task *take(hd_host *host, bool patient, bool *closing) {
    pthread_mutex_lock(&host->lock);
    while (patient && !host->first && !host->closing) pthread_cond_wait(&host->more, &host->lock);
    hd_task *list = host->first;
    host->first = host->last = NULL;
    host->waiting = 0;
    *closing = host->closing;
    pthread_mutex_unlock(&host->lock);
    return list;
}

// A slice of what was posted is put in its place. What fails here fails again for whoever writes
// next, and is told then; so it is tried again after that one.
static bool tidy(hd_host *host) {
    const heed_workspace *ws = host->writer.ws;
    return ws && !hd_door_is_tidy(ws->door) && hd_door_tidy(ws->door) == HEED_OK;
}

// While nobody waits to write, what was posted is put in order.
static void *work(void *arg) {
    hd_host *host = arg;
    hd_sched_patient();
    for (bool idle = false;;) {
        bool closing;
        hd_task *list = take(host, !idle, &closing);
        if (!list && closing) return NULL; // and none comes any more
        idle = list || tidy(host);
        if (!list) continue;
        if (place_open(host, &host->writer, HEED_WRITE) == HEED_OK)
            run_list(host, list);
        else
            fail_list(list);
    }
}

heed_err hd_host_submit(hd_host *host, hd_task *task) {
    task->next = NULL;
    task->failure = NULL;
    pthread_mutex_lock(&host->lock);
    bool closing = host->closing;
    bool full = host->waiting >= host->params.max_waiting;
    if (!closing && !full) {
        if (host->last)
            host->last->next = task;
        else
            host->first = task;
        host->last = task;
        host->waiting++;
        pthread_cond_signal(&host->more);
    }
    pthread_mutex_unlock(&host->lock);
    if (closing) return HD_FAIL(HEED_UNAVAILABLE, "the server is ending", "服务器正在关闭");
    if (full)
        return HD_FAIL(HEED_BUSY, "too many writes wait for the disk; try again in a moment",
                       "等待写入磁盘的请求过多；请稍后再试");
    atomic_fetch_add(&host->tasks, 1);
    return HEED_OK;
}

size_t hd_host_waiting(const hd_host *host) {
    hd_host *own = (hd_host *)(uintptr_t)host;
    pthread_mutex_lock(&own->lock);
    size_t n = own->waiting;
    pthread_mutex_unlock(&own->lock);
    return n;
}

hd_host_counts hd_host_count(hd_host *host) {
    return (hd_host_counts){atomic_load(&host->tasks), atomic_load(&host->groups),
                            atomic_load(&host->retried)};
}

// ── Waiting for a task ──

typedef struct errand {
    hd_task task;
    heed_err (*fn)(void *ctx, heed_workspace *ws);
    void *ctx;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
    heed_err err;
    hd_error failure;
} errand;

static heed_err errand_run(hd_task *task, heed_workspace *ws) {
    errand *e = (errand *)task;
    return e->fn(e->ctx, ws);
}

static void errand_done(hd_task *task, heed_err err) {
    errand *e = (errand *)task;
    pthread_mutex_lock(&e->lock);
    e->err = err;
    if (err != HEED_OK) hd_error_get(&e->failure);
    e->done = true;
    pthread_cond_signal(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

heed_err hd_host_do(hd_host *host, hd_task_kind kind, heed_err (*fn)(void *ctx, heed_workspace *ws),
                    void *ctx) {
    errand e = {
        .task = {.kind = kind, .run = errand_run, .done = errand_done}, .fn = fn, .ctx = ctx};
    pthread_mutex_init(&e.lock, NULL);
    pthread_cond_init(&e.changed, NULL);
    heed_err err = hd_host_submit(host, &e.task);
    if (err == HEED_OK) {
        pthread_mutex_lock(&e.lock);
        while (!e.done) pthread_cond_wait(&e.changed, &e.lock);
        pthread_mutex_unlock(&e.lock);
        err = e.err == HEED_OK ? HEED_OK : hd_error_restore(&e.failure);
    }
    pthread_cond_destroy(&e.changed);
    pthread_mutex_destroy(&e.lock);
    return err;
}

// ── Keys and meters ──

static heed_err guard_open(hd_host *host) {
    uint8_t secret[HD_API_SECRET];
    heed_workspace *ws = host->writer.ws;
    heed_err err = hd_keyring_secret(ws->keyring, "api", secret);
    if (err == HEED_DENIED) return HEED_OK; // locked: served to its owner alone
    if (err == HEED_OK)
        err = hd_guard_open(ws->store, secret, host->params.number, hd_time_now(), &host->guard);
    sodium_memzero(secret, sizeof secret);
    return err;
}

hd_guard *hd_host_guard(const hd_host *host) {
    return host->guard;
}

heed_err hd_host_keys_changed(hd_host *host, heed_workspace *ws) {
    return host->guard ? hd_guard_reload(host->guard, ws->store) : HEED_OK;
}

hd_audit_counts *hd_host_counts_of_reads(const hd_host *host) {
    return host->counts;
}

static heed_err tick_run(hd_task *task, heed_workspace *ws) {
    hd_host *host = (hd_host *)((char *)task - offsetof(hd_host, tick));
    if (hd_audit_can_add(ws->audit) && hd_audit_counts_due(host->counts, host->ticked))
        HD_TRY(hd_audit_counts_flush(host->counts, ws->audit, host->ticked));
    return host->guard ? hd_guard_flush(host->guard, ws->store) : HEED_OK;
}

// At the end all is written, the minute that isn't over too.
static void flush_counts(hd_host *host) {
    heed_workspace *ws = host->writer.ws;
    if (!ws || !host->counts || !hd_audit_can_add(ws->audit)) return;
    if (hd_audit_counts_flush(host->counts, ws->audit, HD_TIME_NONE) != HEED_OK)
        HD_LOG(HD_LOG_WARN, "host", "counts", HD_KV_STR("reason", heed_error_message(HEED_EN)));
}

static void tick_done(hd_task *task, heed_err err) {
    hd_host *host = (hd_host *)((char *)task - offsetof(hd_host, tick));
    if (err != HEED_OK)
        HD_LOG(HD_LOG_WARN, "host", "tick", HD_KV_STR("reason", heed_error_message(HEED_EN)));
    atomic_store(&host->ticking, false);
}

static void submit_tick(hd_host *host, hd_time now) {
    if (atomic_exchange(&host->ticking, true)) return;
    host->ticked = now;
    host->tick = (hd_task){.kind = HD_TASK_ALONE, .run = tick_run, .done = tick_done};
    if (hd_host_submit(host, &host->tick) != HEED_OK) atomic_store(&host->ticking, false);
}

// ── Care ──
// Each step goes to the end of the queue, so what was posted meanwhile is written before the next.

static heed_err care_step(hd_host *host, heed_workspace *ws) {
    bool due = false, more = true;
    if (!host->walking) {
        HD_TRY(hd_erasures_resume(ws));
        HD_TRY(hd_retain_due(ws, host->cared, &due));
        if (!due) return HEED_OK;
        host->retaining = (hd_retaining){.now = host->cared};
        host->walking = true;
    }
    HD_TRY(hd_retain_step(ws, &host->retaining, &more));
    host->walking = more;
    return HEED_OK;
}

static heed_err care_run(hd_task *task, heed_workspace *ws) {
    hd_host *host = (hd_host *)((char *)task - offsetof(hd_host, care));
    hd_audit_actor_set(ws->audit, "server");
    return care_step(host, ws);
}

static void log_walk(const hd_expired *gone) {
    HD_LOG(HD_LOG_INFO, "host", "retained", HD_KV_INT("events", gone->events),
           HD_KV_INT("reviews", gone->reviews), HD_KV_INT("tickets", gone->tickets),
           HD_KV_INT("users", gone->users));
}

static void care_done(hd_task *task, heed_err err) {
    hd_host *host = (hd_host *)((char *)task - offsetof(hd_host, care));
    bool began = host->retaining.begun;
    if (err != HEED_OK) {
        HD_LOG(HD_LOG_WARN, "host", "care", HD_KV_STR("reason", heed_error_message(HEED_EN)));
        host->care_at = host->cared + AFTER_FAILURE_MS;
        host->walking = false;
    } else if (host->walking && hd_host_submit(host, &host->care) == HEED_OK) {
        return;
    } else if (began && !host->walking) {
        log_walk(&host->retaining.gone);
    }
    host->retaining = (hd_retaining){0};
    host->walking = false;
    atomic_store(&host->caring, false);
}

static void submit_care(hd_host *host, hd_time now) {
    if (atomic_exchange(&host->caring, true)) return;
    bool set_back = now < host->cared;
    if (!set_back && now < host->care_at) {
        atomic_store(&host->caring, false);
        return;
    }
    host->cared = now;
    host->care_at = now + CARE_MS;
    host->care = (hd_task){.kind = HD_TASK_ALONE, .run = care_run, .done = care_done};
    if (hd_host_submit(host, &host->care) != HEED_OK) atomic_store(&host->caring, false);
}

void hd_host_tick(hd_host *host, hd_time now) {
    submit_tick(host, now);
    submit_care(host, now);
}

// ── Life ──

const char *hd_host_folder(const hd_host *host) {
    return host->folder;
}

const char *hd_host_name(const hd_host *host) {
    return host->name;
}

static const char *last_part(char *folder) {
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/') folder[--n] = '\0';
    const char *slash = strrchr(folder, '/');
    return slash && slash[1] ? slash + 1 : folder;
}

static heed_err start(hd_host *host) {
    host->folder = hd_strdup(host->params.folder);
    host->places = hd_calloc(host->params.places + 1, sizeof *host->places);
    if (!host->folder || !host->places) return HD_FAIL_MEMORY(0);
    host->name = last_part(host->folder);
    HD_TRY(hd_model_cache_new(&host->cache));
    HD_TRY(hd_audit_counts_new(&host->counts));
    HD_TRY(place_open(host, &host->writer, HEED_WRITE));
    host->lock_fd = hd_fs_dup(hd_lock_fd(host->writer.ws->lock), 3);
    HD_TRY(guard_open(host));
    int failed = pthread_create(&host->thread, NULL, work, host);
    if (failed) return HD_FAIL_ERRNO(failed, "can't start a thread", "无法启动线程", host->name);
    host->started = true;
    return HEED_OK;
}

heed_err hd_host_open(const hd_host_params *params, hd_host **out) {
    hd_host *host = hd_calloc(1, sizeof *host);
    if (!host) return HD_FAIL_MEMORY(sizeof *host);
    host->params = *params;
    pthread_mutex_init(&host->lock, NULL);
    pthread_cond_init(&host->more, NULL);
    heed_err err = start(host);
    if (err != HEED_OK) {
        hd_host_close(host);
        return err;
    }
    *out = host;
    return HEED_OK;
}

static void end_thread(hd_host *host) {
    if (!host->started) return;
    pthread_mutex_lock(&host->lock);
    host->closing = true;
    pthread_cond_signal(&host->more);
    pthread_mutex_unlock(&host->lock);
    pthread_join(host->thread, NULL);
}

void hd_host_close(hd_host *host) {
    if (!host) return;
    end_thread(host);
    for (size_t i = 0; host->places && i < host->params.places; i++) place_close(&host->places[i]);
    if (host->guard && hd_guard_flush(host->guard, host->writer.ws->store) != HEED_OK)
        HD_LOG(HD_LOG_WARN, "host", "usage", HD_KV_STR("reason", heed_error_message(HEED_EN)));
    hd_guard_close(host->guard);
    flush_counts(host);
    hd_audit_counts_free(host->counts);
    if (host->writer.ws && hd_store_checkpoint(host->writer.ws->store) != HEED_OK)
        HD_LOG(HD_LOG_WARN, "host", "checkpoint", HD_KV_STR("reason", heed_error_message(HEED_EN)));
    place_close(&host->writer);
    if (host->lock_fd > 0) hd_fs_dup_close(host->lock_fd);
    hd_model_cache_free(host->cache);
    pthread_cond_destroy(&host->more);
    pthread_mutex_destroy(&host->lock);
    hd_free(host->places);
    hd_free(host->folder);
    hd_free(host);
}
