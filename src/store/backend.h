// SPDX-License-Identifier: Apache-2.0
//
// What a database must do to stand behind store.h: one table of functions. store.c keeps what every
// back end shares (nesting, what a lost transaction means, migrations); a back end embeds hd_store
// and hd_query as the first member of its own structs.
#ifndef HD_STORE_BACKEND_H
#define HD_STORE_BACKEND_H

#include "store/open.h"

typedef struct hd_backend {
    const char *name;

    void (*close)(hd_store *store);
    void (*interrupt)(hd_store *store);
    void (*give_way)(hd_store *store);
    heed_err (*backup)(hd_store *store, const char *to_path);
    heed_err (*check)(hd_store *store, bool *sound, hd_str *faults);
    heed_err (*checkpoint)(hd_store *store);

    // Outermost transactions: what is read is that of the first call, which is `version`.
    // in_transaction is false when the database ended one by itself.
    heed_err (*begin)(hd_store *store, bool write);
    bool (*in_transaction)(const hd_store *store);
    // A number that changes when other connections commit, as the transaction that is open sees it.
    heed_err (*version)(hd_store *store, int64_t *out);
    // Both leave the message of the failure that led here alone.
    heed_err (*rollback)(hd_store *store); // of the outermost
    heed_err (*exec_quietly)(hd_store *store, const char *sql);
    heed_err (*exec)(hd_store *store, const char *sql);
    heed_err (*has_table)(hd_store *store, const char *table, bool *out);
    int64_t (*changes)(const hd_store *store);
    int64_t (*last_key)(const hd_store *store);

    heed_err (*query_open)(hd_store *store, const char *sql, hd_query **out);
    void (*query_close)(hd_query *q);
    void (*bind_i64)(hd_query *q, int i, int64_t value);
    void (*bind_f64)(hd_query *q, int i, double value);
    void (*bind_text)(hd_query *q, int i, hd_slice text);
    void (*bind_blob)(hd_query *q, int i, const void *data, size_t n);
    void (*bind_null)(hd_query *q, int i);
    heed_err (*step)(hd_query *q, bool *row);
    void (*reset)(hd_query *q);
    bool (*is_null)(hd_query *q, int col);
    int64_t (*get_i64)(hd_query *q, int col);
    double (*get_f64)(hd_query *q, int col);
    hd_slice (*get_bytes)(hd_query *q, int col); // text or blob
} hd_backend;

struct hd_store {
    const hd_backend *backend;
    int depth;      // nested transactions that are open
    bool writing;   // the outermost one may write
    heed_err lost;  // the failure upon which the database rolled the transaction back; 0: none
    bool stuck;     // a rollback failed (memory): tried again before anything else is done
    uint64_t epoch; // see hd_store_epoch
    uint64_t others, rollbacks; // see hd_store_others
    uint64_t writes;            // see hd_store_writes
    int64_t version;            // the database's, when the last transaction began
    hd_store_hook *hooks;       // in the order of addition
};

struct hd_query {
    hd_store *store;
};

// SQLite, the only back end so far (store/sqlite.c).
heed_err hd_sqlite_open(const char *path, hd_store_mode mode, size_t cache_bytes, const char *vfs,
                        const char *spill, hd_store **out) HEED_CHECK;

#endif
