// SPDX-License-Identifier: Apache-2.0
//
// What every database shares: calls go to the back end's table; transactions nest here.
//
// Nesting: the outermost begin opens a transaction, an inner one a savepoint named after its depth.
// SQLite ends a whole transaction by itself after some failures (disk full, input/output error, out
// of memory). Whatever ran after that would be committed on its own, row by row, so the store
// remembers the loss: until the outermost begin is answered by its rollback or commit, every
// statement fails with the code of the first failure, and the commit does too.
//
// Rejected: one flag per savepoint with partial recovery. No caller can use half a transaction.

#include "store/backend.h"

#include <math.h>
#include <stdio.h>

#include "base/time.h"

enum { SAVEPOINT_SQL = 64 };

heed_err hd_store_open(const char *path, hd_store_mode mode, size_t cache_bytes, const char *vfs,
                       hd_store **out) {
    return hd_sqlite_open(path, mode, cache_bytes, vfs, NULL, out);
}

heed_err hd_store_open_spilling(const char *path, hd_store_mode mode, size_t cache_bytes,
                                const char *spill, hd_store **out) {
    return hd_sqlite_open(path, mode, cache_bytes, NULL, spill, out);
}

void hd_store_close(hd_store *store) {
    if (!store) return;
    while (store->depth > 0) hd_store_rollback(store);
    store->backend->close(store);
}

void hd_store_interrupt(hd_store *store) {
    store->backend->interrupt(store);
}

void hd_store_give_way(hd_store *store) {
    store->backend->give_way(store);
}

heed_err hd_store_backup(hd_store *from, const char *to_path) {
    return from->backend->backup(from, to_path);
}

heed_err hd_store_check(hd_store *store, bool *sound, hd_str *faults) {
    return store->backend->check(store, sound, faults);
}

heed_err hd_store_checkpoint(hd_store *store) {
    return store->backend->checkpoint(store);
}

heed_err hd_store_scrub(hd_store *store) {
    HD_TRY(hd_store_exec(store, "VACUUM"));
    return hd_store_checkpoint(store);
}

bool hd_store_is_reading(const hd_store *store) {
    return store->depth > 0 && !store->writing;
}

uint64_t hd_store_epoch(const hd_store *store) {
    return store->epoch;
}

uint64_t hd_store_others(const hd_store *store) {
    return store->others;
}

uint64_t hd_store_rollbacks(const hd_store *store) {
    return store->rollbacks;
}

uint64_t hd_store_writes(const hd_store *store) {
    return 1 + store->others + store->writes; // 0 is before the first transaction
}

// ── Transactions ────────────────────────────────────────────────────────────────────────────────

// Rolls the outermost transaction back; a failure is tried again before the next statement.
static void roll_back_all(hd_store *store) {
    store->stuck =
        store->backend->in_transaction(store) && store->backend->rollback(store) != HEED_OK;
}

// Fails with the code of the failure that lost the transaction, if one did.
static heed_err refuse_lost(hd_store *store) {
    if (store->stuck) roll_back_all(store);
    if (store->stuck) {
        return HD_FAIL(HEED_MEMORY, "the last transaction could not be rolled back yet: try again",
                       "上一个事务尚未回滚：请重试");
    }
    if (store->lost == HEED_OK) return HEED_OK;
    return HD_FAIL(store->lost,
                   "the transaction was rolled back after an earlier failure (%s): begin it again",
                   "事务已因先前的错误（%s）回滚：请重新开始", heed_err_name(store->lost));
}

// Notes whether a failing statement took the transaction with it. Returns err.
static heed_err note_loss(hd_store *store, heed_err err) {
    if (err != HEED_OK && store->depth > 0 && store->lost == HEED_OK &&
        !store->backend->in_transaction(store)) {
        store->lost = err;
        store->epoch++;
        store->rollbacks++;
    }
    return err;
}

static heed_err open_outermost(hd_store *store, bool write) {
    int64_t version = 0;
    HD_TRY(store->backend->begin(store, write));
    heed_err err = store->backend->version(store, &version);
    if (err != HEED_OK) {
        roll_back_all(store);
        return err;
    }
    if (version != store->version) store->others++;
    store->version = version;
    return HEED_OK;
}

static heed_err begin(hd_store *store, bool write) {
    HD_TRY(refuse_lost(store));
    if (store->depth == 0) {
        HD_TRY(open_outermost(store, write));
        store->writing = write;
        store->epoch++;
        if (write) store->writes++;
    } else if (write && !store->writing) {
        return HD_FAIL(HEED_INTERNAL, "a transaction that only reads can't begin to write",
                       "只读事务不能转为写事务");
    } else {
        char sql[SAVEPOINT_SQL];
        snprintf(sql, sizeof sql, "SAVEPOINT heed_%d", store->depth);
        HD_TRY(note_loss(store, store->backend->exec(store, sql)));
    }
    store->depth++;
    return HEED_OK;
}

heed_err hd_store_begin_read(hd_store *store) {
    return begin(store, false);
}

heed_err hd_store_begin(hd_store *store) {
    return begin(store, true);
}

// ── Hooks ───────────────────────────────────────────────────────────────────────────────────────

void hd_store_hook_add(hd_store *store, hd_store_hook *hook) {
    hd_store_hook **at = &store->hooks;
    while (*at) at = &(*at)->next;
    hook->next = NULL;
    *at = hook;
}

void hd_store_hook_remove(hd_store *store, hd_store_hook *hook) {
    hd_store_hook **at = &store->hooks;
    while (*at && *at != hook) at = &(*at)->next;
    if (*at) *at = hook->next;
}

static heed_err tell_before_commit(const hd_store *store) {
    for (hd_store_hook *h = store->hooks; h; h = h->next)
        if (h->before_commit) HD_TRY(h->before_commit(h->ctx));
    return HEED_OK;
}

static void tell_after(const hd_store *store, bool committed) {
    for (hd_store_hook *h = store->hooks; h; h = h->next) {
        void (*tell)(void *ctx) = committed ? h->after_commit : h->after_rollback;
        if (tell) tell(h->ctx);
    }
}

// ── The ends of a transaction ───────────────────────────────────────────────────────────────────

heed_err hd_store_commit(hd_store *store) {
    if (store->depth == 0) {
        return HD_FAIL(HEED_INTERNAL, "there is no transaction to commit", "没有可提交的事务");
    }
    char sql[SAVEPOINT_SQL] = "COMMIT";
    if (store->depth > 1) snprintf(sql, sizeof sql, "RELEASE heed_%d", store->depth - 1);
    bool outermost = store->depth == 1 && store->writing;
    heed_err err = refuse_lost(store);
    if (err == HEED_OK && outermost) err = tell_before_commit(store);
    if (err == HEED_OK) err = note_loss(store, store->backend->exec(store, sql));
    if (err != HEED_OK) {
        hd_store_rollback(store);
        return err;
    }
    store->depth--;
    if (outermost) tell_after(store, true);
    return HEED_OK;
}

void hd_store_rollback(hd_store *store) {
    if (store->depth == 0) return;
    store->depth--;
    if (store->writing) {
        store->epoch++;
        store->rollbacks++;
    }
    if (store->depth == 0) {
        roll_back_all(store);
        store->lost = HEED_OK;
        if (store->writing) tell_after(store, false);
    } else if (store->lost == HEED_OK) {
        char sql[2 * SAVEPOINT_SQL];
        snprintf(sql, sizeof sql, "ROLLBACK TO heed_%d; RELEASE heed_%d", store->depth,
                 store->depth);
        heed_err err = store->backend->exec_quietly(store, sql);
        if (err != HEED_OK) {
            roll_back_all(store);
            store->lost = err;
        }
    }
}

heed_err hd_store_exec(hd_store *store, const char *sql) {
    HD_TRY(refuse_lost(store));
    return note_loss(store, store->backend->exec(store, sql));
}

int64_t hd_store_changes(const hd_store *store) {
    return store->backend->changes(store);
}

int64_t hd_store_last_key(const hd_store *store) {
    return store->backend->last_key(store);
}

// ── Queries ─────────────────────────────────────────────────────────────────────────────────────

heed_err hd_query_open(hd_store *store, const char *sql, hd_query **out) {
    *out = NULL;
    HD_TRY(refuse_lost(store));
    return note_loss(store, store->backend->query_open(store, sql, out));
}

void hd_query_close(hd_query *q) {
    if (q) q->store->backend->query_close(q);
}

void hd_query_bind_i64(hd_query *q, int i, int64_t value) {
    q->store->backend->bind_i64(q, i, value);
}

void hd_query_bind_f64(hd_query *q, int i, double value) {
    if (isnan(value)) {
        q->store->backend->bind_null(q, i);
    } else {
        q->store->backend->bind_f64(q, i, value);
    }
}

void hd_query_bind_time(hd_query *q, int i, int64_t time) {
    if (time == HD_TIME_NONE) {
        q->store->backend->bind_null(q, i);
    } else {
        q->store->backend->bind_i64(q, i, time);
    }
}

void hd_query_bind_text(hd_query *q, int i, hd_slice text) {
    if (text.p) {
        q->store->backend->bind_text(q, i, text);
    } else {
        q->store->backend->bind_null(q, i);
    }
}

void hd_query_bind_blob(hd_query *q, int i, const void *data, size_t n) {
    if (data) {
        q->store->backend->bind_blob(q, i, data, n);
    } else {
        q->store->backend->bind_null(q, i);
    }
}

void hd_query_bind_null(hd_query *q, int i) {
    q->store->backend->bind_null(q, i);
}

heed_err hd_query_step(hd_query *q, bool *row) {
    *row = false;
    HD_TRY(refuse_lost(q->store));
    return note_loss(q->store, q->store->backend->step(q, row));
}

heed_err hd_query_run(hd_query *q) {
    bool row;
    heed_err err = hd_query_step(q, &row);
    hd_query_reset(q);
    return err;
}

void hd_query_reset(hd_query *q) {
    q->store->backend->reset(q);
}

bool hd_query_is_null(hd_query *q, int col) {
    return q->store->backend->is_null(q, col);
}

int64_t hd_query_i64(hd_query *q, int col) {
    return q->store->backend->get_i64(q, col);
}

double hd_query_f64(hd_query *q, int col) {
    return hd_query_is_null(q, col) ? (double)NAN : q->store->backend->get_f64(q, col);
}

int64_t hd_query_time(hd_query *q, int col) {
    return hd_query_is_null(q, col) ? HD_TIME_NONE : q->store->backend->get_i64(q, col);
}

hd_slice hd_query_text(hd_query *q, int col) {
    return q->store->backend->get_bytes(q, col);
}

hd_slice hd_query_blob(hd_query *q, int col) {
    return q->store->backend->get_bytes(q, col);
}
