// SPDX-License-Identifier: Apache-2.0
//
// Statements of the SQLite back end.
//
// Preparing costs some 10 µs, running a lookup 2, so statements are kept. SQL is a literal: its
// address finds the statement (a small set-associative table, no hashing of text), and comparing
// the bytes makes a reused address harmless. A statement that is lent out while the same SQL is
// opened again is prepared a second time, outside the cache.
//
// Text is read with sqlite3_column_blob, which never needs memory for text stored as UTF-8, so that
// a read value can't get lost to a failing allocation.

#include "store/sqlite.h"

#include "base/mem.h"

static hd_sqlite_query *query_of(hd_query *q) {
    return (hd_sqlite_query *)q;
}

static hd_sqlite_query **set_of(hd_sqlite *s, const char *sql) {
    uint64_t hash = (uint64_t)(uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15); // Fibonacci hashing
    return s->cache[hash >> 58];
}
_Static_assert(HD_SQLITE_CACHE_SETS == 64, "the top 6 bits choose the set");

static void finalise(hd_sqlite_query *q) {
    if (!q) return;
    sqlite3_finalize(q->stmt);
    hd_free(q);
}

void hd_sqlite_query_forget(hd_sqlite *s) {
    for (int set = 0; set < HD_SQLITE_CACHE_SETS; set++) {
        for (int way = 0; way < HD_SQLITE_CACHE_WAYS; way++) {
            finalise(s->cache[set][way]);
            s->cache[set][way] = NULL;
        }
    }
}

static heed_err prepare(hd_sqlite *s, const char *sql, hd_sqlite_query **out) {
    hd_sqlite_query *q = hd_calloc(1, sizeof *q);
    if (!q) return HD_FAIL_MEMORY(sizeof *q);
    int rc = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &q->stmt, NULL);
    if (rc != SQLITE_OK) {
        hd_free(q);
        return hd_sqlite_fail(s->db, rc, s->path);
    }
    q->base.store = &s->base;
    q->sql = sql;
    *out = q;
    return HEED_OK;
}

// The place in a set for a new statement: free, or that of the longest unused idle one. NULL when
// all are lent out.
static hd_sqlite_query **place_in(hd_sqlite_query **set) {
    hd_sqlite_query **best = NULL;
    for (int way = 0; way < HD_SQLITE_CACHE_WAYS; way++) {
        if (!set[way]) return &set[way];
        if (!set[way]->open && (!best || set[way]->used < (*best)->used)) best = &set[way];
    }
    return best;
}

static hd_sqlite_query *find_in(hd_sqlite_query **set, const char *sql) {
    for (int way = 0; way < HD_SQLITE_CACHE_WAYS; way++) {
        hd_sqlite_query *q = set[way];
        if (q && q->sql == sql && !q->open && strcmp(sqlite3_sql(q->stmt), sql) == 0) return q;
    }
    return NULL;
}

heed_err hd_sqlite_query_open(hd_store *store, const char *sql, hd_query **out) {
    hd_sqlite *s = hd_sqlite_of(store);
    hd_sqlite_query **set = set_of(s, sql);
    hd_sqlite_query *q = find_in(set, sql);
    if (!q) {
        HD_TRY(prepare(s, sql, &q));
        hd_sqlite_query **place = place_in(set);
        if (place) {
            finalise(*place);
            *place = q;
            q->cached = true;
        }
    }
    q->open = true;
    q->used = ++s->clock;
    *out = &q->base;
    return HEED_OK;
}

void hd_sqlite_query_close(hd_query *base) {
    hd_sqlite_query *q = query_of(base);
    if (!q->cached) {
        finalise(q);
        return;
    }
    hd_sqlite_reset(base);
    q->open = false;
}

void hd_sqlite_reset(hd_query *base) {
    hd_sqlite_query *q = query_of(base);
    sqlite3_reset(q->stmt); // repeats the last step's code, which was already returned
    sqlite3_clear_bindings(q->stmt);
    q->bind_rc = SQLITE_OK;
    q->done = false;
}

static void note_bind(hd_query *base, int rc) {
    hd_sqlite_query *q = query_of(base);
    if (q->bind_rc == SQLITE_OK) q->bind_rc = rc;
}

void hd_sqlite_bind_i64(hd_query *q, int i, int64_t value) {
    note_bind(q, sqlite3_bind_int64(query_of(q)->stmt, i, value));
}

void hd_sqlite_bind_f64(hd_query *q, int i, double value) {
    note_bind(q, sqlite3_bind_double(query_of(q)->stmt, i, value));
}

void hd_sqlite_bind_text(hd_query *q, int i, hd_slice text) {
    note_bind(
        q, sqlite3_bind_text64(query_of(q)->stmt, i, text.p, text.n, SQLITE_STATIC, SQLITE_UTF8));
}

void hd_sqlite_bind_blob(hd_query *q, int i, const void *data, size_t n) {
    note_bind(q, sqlite3_bind_blob64(query_of(q)->stmt, i, data, n, SQLITE_STATIC));
}

void hd_sqlite_bind_null(hd_query *q, int i) {
    note_bind(q, sqlite3_bind_null(query_of(q)->stmt, i));
}

heed_err hd_sqlite_step(hd_query *base, bool *row) {
    hd_sqlite_query *q = query_of(base);
    hd_sqlite *s = hd_sqlite_of(base->store);
    if (q->bind_rc != SQLITE_OK) return hd_sqlite_fail(s->db, q->bind_rc, s->path);
    if (q->done) return HEED_OK;
    int rc = sqlite3_step(q->stmt);
    *row = rc == SQLITE_ROW;
    q->done = rc == SQLITE_DONE;
    return hd_sqlite_fail(s->db, rc, s->path);
}

bool hd_sqlite_is_null(hd_query *q, int col) {
    return sqlite3_column_type(query_of(q)->stmt, col) == SQLITE_NULL;
}

int64_t hd_sqlite_i64(hd_query *q, int col) {
    return sqlite3_column_int64(query_of(q)->stmt, col);
}

double hd_sqlite_f64(hd_query *q, int col) {
    return sqlite3_column_double(query_of(q)->stmt, col);
}

hd_slice hd_sqlite_bytes(hd_query *q, int col) {
    sqlite3_stmt *stmt = query_of(q)->stmt;
    if (sqlite3_column_type(stmt, col) == SQLITE_NULL) return (hd_slice){NULL, 0};
    const char *p = sqlite3_column_blob(stmt, col);
    if (!p) return (hd_slice){"", 0}; // SQLite gives NULL for no bytes
    return (hd_slice){p, (size_t)sqlite3_column_bytes(stmt, col)};
}
