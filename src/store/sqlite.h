// SPDX-License-Identifier: Apache-2.0
//
// What the files of the SQLite back end share: sqlite.c (connection), sqlite_query.c (statements),
// sqlite_copy.c (backup, checks), sqlite_error.c (codes).
#ifndef HD_STORE_SQLITE_H
#define HD_STORE_SQLITE_H

#include <sqlite3.h>

#include "store/backend.h"

// The cache of prepared statements: CACHE_SETS × CACHE_WAYS, the oldest of a set makes room.
enum { HD_SQLITE_CACHE_SETS = 64, HD_SQLITE_CACHE_WAYS = 4 };

typedef struct hd_sqlite_query {
    hd_query base; // first
    sqlite3_stmt *stmt;
    const char *sql; // the caller's literal: compared by its address, then by its bytes
    int bind_rc;     // the first failed binding, returned by the next step
    uint64_t used;   // when it was last taken from the cache
    bool open;       // lent to a caller
    bool cached;     // else finalised when closed
    bool done;       // no more rows: a further step must not run it again
} hd_sqlite_query;

// Gives temporary files a folder, NULL: where SQLite likes (sqlite_spill.c).
typedef struct hd_sqlite_spill hd_sqlite_spill;
heed_err hd_sqlite_spill_new(const char *folder, const char *vfs, hd_sqlite_spill **out) HEED_CHECK;
const char *hd_sqlite_spill_name(const hd_sqlite_spill *spill);
void hd_sqlite_spill_free(hd_sqlite_spill *spill); // after its connection was closed

typedef struct hd_sqlite {
    hd_store base; // first
    sqlite3 *db;
    sqlite3_stmt *rollback; // ends each transaction that reads
    char *path;
    char *vfs;              // name, NULL: the default
    hd_sqlite_spill *spill; // the VFS that it is opened with, over that one
    uint64_t clock;
    hd_sqlite_query *cache[HD_SQLITE_CACHE_SETS][HD_SQLITE_CACHE_WAYS];
} hd_sqlite;

static inline hd_sqlite *hd_sqlite_of(const hd_store *store) {
    return (hd_sqlite *)(uintptr_t)store;
}

// Maps a code of SQLite's (with the connection's message and errno; db may be NULL) to an error
// that names the database. SQLITE_OK, ROW and DONE are HEED_OK.
heed_err hd_sqlite_fail(sqlite3 *db, int rc, const char *path) HEED_CHECK;

// The code alone; the thread's message stays.
heed_err hd_sqlite_code(sqlite3 *db, int rc) HEED_CHECK;

heed_err hd_sqlite_exec(hd_store *store, const char *sql) HEED_CHECK;

heed_err hd_sqlite_query_open(hd_store *store, const char *sql, hd_query **out) HEED_CHECK;
void hd_sqlite_query_close(hd_query *q);
void hd_sqlite_query_forget(hd_sqlite *s); // finalises the cache
void hd_sqlite_bind_i64(hd_query *q, int i, int64_t value);
void hd_sqlite_bind_f64(hd_query *q, int i, double value);
void hd_sqlite_bind_text(hd_query *q, int i, hd_slice text);
void hd_sqlite_bind_blob(hd_query *q, int i, const void *data, size_t n);
void hd_sqlite_bind_null(hd_query *q, int i);
heed_err hd_sqlite_step(hd_query *q, bool *row) HEED_CHECK;
void hd_sqlite_reset(hd_query *q);
bool hd_sqlite_is_null(hd_query *q, int col);
int64_t hd_sqlite_i64(hd_query *q, int col);
double hd_sqlite_f64(hd_query *q, int col);
hd_slice hd_sqlite_bytes(hd_query *q, int col);

heed_err hd_sqlite_backup(hd_store *store, const char *to_path) HEED_CHECK;
heed_err hd_sqlite_check(hd_store *store, bool *sound, hd_str *faults) HEED_CHECK;

#endif
