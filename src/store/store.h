// SPDX-License-Identifier: Apache-2.0
//
// A connection to the database: statements, transactions, migrations. This is all that the rooms
// above may use, so that a second back end can stand behind it. Opening stands in store/open.h, for
// workspace/ alone.
//
//     hd_query *q;
//     HD_TRY(hd_query_open(store, "SELECT key FROM users WHERE external_id = ?1", &q));
//     hd_query_bind_text(q, 1, id);
//     bool row;
//     HD_TRY_OUT(hd_query_step(q, &row));
//     if (row) key = hd_query_i64(q, 0);
//     out: hd_query_close(q);
//
// Threads: one connection, one thread at a time. Readers open their own.
#ifndef HD_STORE_STORE_H
#define HD_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

typedef struct hd_store hd_store;
typedef struct hd_query hd_query;

// Prepares, or takes from the connection's cache of prepared statements. SQL text must be a
// literal.
heed_err hd_query_open(hd_store *store, const char *sql, hd_query **out) HEED_CHECK;
// Resets it and gives it back. NULL is fine.
void hd_query_close(hd_query *q);

// Parameters are 1-based. A failed binding sticks and is returned by the next step. Text and blobs
// must live until the query is closed or reset. A slice with p == NULL binds NULL, as do NaN and
// HD_TIME_NONE for f64 and time.
void hd_query_bind_i64(hd_query *q, int i, int64_t value);
void hd_query_bind_f64(hd_query *q, int i, double value);
void hd_query_bind_time(hd_query *q, int i, int64_t time);
void hd_query_bind_text(hd_query *q, int i, hd_slice text);
void hd_query_bind_blob(hd_query *q, int i, const void *data, size_t n);
void hd_query_bind_null(hd_query *q, int i);

// *row: whether a row stands ready. HEED_FULL, HEED_BUSY, HEED_CORRUPT, HEED_IO by cause;
// HEED_CONFLICT for a broken constraint.
heed_err hd_query_step(hd_query *q, bool *row) HEED_CHECK;
// One statement without rows: step, then reset for the next bindings.
heed_err hd_query_run(hd_query *q) HEED_CHECK;
void hd_query_reset(hd_query *q);

// Columns are 0-based; text is borrowed until the next step. NULL reads as 0, NaN, HD_TIME_NONE,
// and an absent slice.
bool hd_query_is_null(hd_query *q, int col);
int64_t hd_query_i64(hd_query *q, int col);
double hd_query_f64(hd_query *q, int col);
int64_t hd_query_time(hd_query *q, int col);
hd_slice hd_query_text(hd_query *q, int col);
hd_slice hd_query_blob(hd_query *q, int col);

heed_err hd_store_exec(hd_store *store,
                       const char *sql) HEED_CHECK; // one or more statements without parameters
int64_t hd_store_changes(const hd_store *store);    // rows changed by the last statement
int64_t hd_store_last_key(const hd_store *store);   // key of the last inserted row

// Transactions nest: an inner begin is a savepoint. A read transaction sees one snapshot. When the
// database itself rolls back after a failure (disk full, memory), every statement fails with that
// code until the outermost transaction is rolled back.
heed_err hd_store_begin_read(hd_store *store) HEED_CHECK;
heed_err hd_store_begin(hd_store *store) HEED_CHECK;
heed_err
hd_store_commit(hd_store *store) HEED_CHECK; // durable when it returns; on failure rolled back
void hd_store_rollback(hd_store *store);     // nothing begun: nothing done
// Whether a transaction that only reads is open: what it sees is committed and stays as it is.
bool hd_store_is_reading(const hd_store *store);
// A number that grows whenever rows read before may no longer stand as they were read: an outermost
// transaction began, or one of any depth was rolled back (savepoints and failed commits too). A
// cache of rows is good for as long as it stays the same and a transaction is open.
uint64_t hd_store_epoch(const hd_store *store);
// A number that grows when an outermost transaction begins and another connection has written since
// the last one began: within a transaction, what was kept of rows is good while this and
// hd_store_rollbacks stay the same, if who keeps it also hears of what this connection changes.
uint64_t hd_store_others(const hd_store *store);
uint64_t hd_store_rollbacks(const hd_store *store); // how often anything was taken back
// A number that grows when an outermost transaction begins and any connection, this one too, may
// have written since the last one began: while it stays the same, transactions that only read see
// the same rows. Never 0.
uint64_t hd_store_writes(const hd_store *store);

// Called around each outermost transaction that may write, in the order of addition, so that who
// commits needn't know what must stand first. before_commit may still write; its failure rolls the
// transaction back and is what the commit returns. after_commit: all is durable. after_rollback:
// nothing is. Neither may use transactions of this store. Any may be NULL. The struct is the
// caller's and lives until it is removed or the store is closed.
typedef struct hd_store_hook {
    heed_err (*before_commit)(void *ctx);
    void (*after_commit)(void *ctx);
    void (*after_rollback)(void *ctx);
    void *ctx;
    struct hd_store_hook *next; // the store's
} hd_store_hook;
void hd_store_hook_add(hd_store *store, hd_store_hook *hook);
void hd_store_hook_remove(hd_store *store, hd_store_hook *hook); // not there: nothing done

// Migrations. Each room owns a component ("privacy") with versions 1, 2, …; a step is SQL, or a
// function.
typedef struct hd_migration {
    const char *component;
    int version;
    const char *sql;                             // may be NULL
    heed_err (*run)(hd_store *store, void *ctx); // after sql; may be NULL
    void *ctx;                                   // what run is given
} hd_migration;

// Brings the database up to the rows' versions, each step in a transaction of its own, in the rows'
// order. A component newer than the rows know is HEED_VERSION: nothing is changed.
heed_err hd_store_migrate(hd_store *store, const hd_migration *rows, size_t n) HEED_CHECK;
// The same check without changes: HEED_VERSION when newer, *pending steps when older.
heed_err hd_store_migrations_pending(hd_store *store, const hd_migration *rows, size_t n,
                                     size_t *pending) HEED_CHECK;

#endif
