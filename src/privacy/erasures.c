// SPDX-License-Identifier: Apache-2.0
//
// Receipts name nobody: they hold a pseudonym and counts. They stay in the database, so that one
// that got lost on its way can be given again.
#include "privacy/erasures.h"

#include "privacy/own.h"

static const char schema_1[] =
    "CREATE TABLE erasures("
    "  key INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, receipt TEXT NOT NULL) STRICT;"
    "CREATE TABLE erasure_mark(one INTEGER PRIMARY KEY CHECK (one = 1),"
    "  rows INTEGER NOT NULL, finished INTEGER NOT NULL) STRICT;"
    "INSERT INTO erasure_mark VALUES (1, 0, 0);";

// When what is past its time was last removed, all of it.
static const char schema_2[] =
    "CREATE TABLE retention_mark(one INTEGER PRIMARY KEY CHECK (one = 1), time INTEGER) STRICT;"
    "INSERT INTO retention_mark VALUES (1, NULL);";

const hd_migration hd_erasures_migrations[] = {
    {.component = "erasures", .version = 1, .sql = schema_1},
    {.component = "erasures", .version = 2, .sql = schema_2},
};
const size_t hd_erasures_n_migrations =
    sizeof hd_erasures_migrations / sizeof *hd_erasures_migrations;

// ── Marks ──

heed_err hd_erasure_marks_get(hd_door *door, hd_erasure_marks *out) {
    hd_query *q;
    bool row;
    *out = (hd_erasure_marks){0};
    HD_TRY(hd_query_open(door->store, "SELECT rows, finished FROM erasure_mark", &q));
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK && row) *out = (hd_erasure_marks){hd_query_i64(q, 0), hd_query_i64(q, 1)};
    hd_query_close(q);
    return err;
}

heed_err hd_erasure_marks_set(hd_door *door, hd_erasure_marks marks) {
    return HD_RUN(door, "UPDATE erasure_mark SET rows = ?1, finished = ?2", marks.rows,
                  marks.finished);
}

heed_err hd_retention_mark_get(hd_door *door, hd_time *out) {
    hd_query *q;
    bool row;
    *out = HD_TIME_NONE;
    HD_TRY(
        hd_query_open(door->store, "SELECT time FROM retention_mark WHERE time IS NOT NULL", &q));
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK && row) *out = hd_query_i64(q, 0);
    hd_query_close(q);
    return err;
}

heed_err hd_retention_mark_set(hd_door *door, hd_time time) {
    return HD_RUN(door, "UPDATE retention_mark SET time = ?1", time);
}

// ── Receipts ──

heed_err hd_erasures_keep(hd_door *door, hd_time time, hd_slice receipt) {
    hd_query *q;
    HD_TRY(hd_query_open(door->store, "INSERT INTO erasures(time, receipt) VALUES (?1, ?2)", &q));
    hd_query_bind_time(q, 1, time);
    hd_query_bind_text(q, 2, receipt);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

static heed_err read_receipts(hd_query *q, size_t limit, hd_arena *arena, char **out, size_t *n) {
    bool row;
    while (*n < limit) {
        HD_TRY(hd_query_step(q, &row));
        if (!row) break;
        hd_slice text = hd_query_text(q, 0);
        out[*n] = hd_arena_strndup(arena, text.p, text.n);
        if (!out[*n]) return HD_FAIL_MEMORY(text.n);
        ++*n;
    }
    return HEED_OK;
}

heed_err hd_erasures_receipts(hd_door *door, size_t limit, hd_arena *arena, char ***out,
                              size_t *n) {
    hd_query *q;
    *n = 0;
    *out = hd_arena_alloc(arena, (limit + 1) * sizeof **out);
    if (!*out) return HD_FAIL_MEMORY(limit * sizeof **out);
    HD_TRY(
        hd_query_open(door->store, "SELECT receipt FROM erasures ORDER BY key DESC LIMIT ?1", &q));
    hd_query_bind_i64(q, 1, (int64_t)limit);
    heed_err err = read_receipts(q, limit, arena, *out, n);
    hd_query_close(q);
    return err;
}

// ── Subjects ──

static heed_err one(hd_door *door, const char *sql, int64_t arg, int64_t *out) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(door->store, sql, &q));
    hd_query_bind_i64(q, 1, arg);
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK) *out = row ? hd_query_i64(q, 0) : 0;
    hd_query_close(q);
    return err;
}

heed_err hd_erasures_subjects(hd_door *door, const int64_t *keys, size_t n, hd_arena *arena,
                              int64_t **out) {
    *out = hd_arena_alloc(arena, (n + 1) * sizeof **out);
    if (!*out) return HD_FAIL_MEMORY(n * sizeof **out);
    for (size_t i = 0; i < n; i++)
        HD_TRY(one(door, "SELECT subject FROM users WHERE key = ?1", keys[i], &(*out)[i]));
    return HEED_OK;
}

heed_err hd_erasures_key(hd_door *door, int64_t subject, int64_t *key) {
    return one(door, "SELECT key FROM users WHERE subject = ?1", subject, key);
}

// ── Unsealed rows ──

#define PLAIN(column) "substr(" column ", 1, 1) = x'00'"

static const char any_plain[] = "SELECT EXISTS (SELECT 1 FROM users WHERE key = ?1 AND (" PLAIN("id_box") " OR " PLAIN(
    "attributes") "))"
                  " OR EXISTS (SELECT 1 FROM users_before WHERE key = ?1 AND " PLAIN(
                      "attributes") ")"
                                    " OR EXISTS (SELECT 1 FROM " HD_EVENTS("session, properties", "user_key = ?1") " WHERE " PLAIN("session") " OR " PLAIN(
                                        "properties") ")"
                                                      " OR EXISTS (SELECT 1 FROM reviews WHERE user_key = ?1 AND (" PLAIN("title") " OR " PLAIN(
                                                          "text") "))"
                                                                  " OR EXISTS (SELECT 1 FROM reviews_before WHERE user_key = ?1 AND (" PLAIN("title") " OR " PLAIN(
                                                                      "text") "))"
                                                                              " OR EXISTS (SELECT 1 FROM tickets_before WHERE user_key = ?1 AND " PLAIN(
                                                                                  "subject") ")"
                                                                                             " OR EXISTS (SELECT 1 FROM tickets AS t LEFT JOIN messages AS m ON m.ticket_key = t.key"
                                                                                             " WHERE t.user_key = ?1 AND (" PLAIN("t.id_box") " OR " PLAIN(
                                                                                                 "t.subject") " OR " PLAIN("m.text") "))";

heed_err hd_erasures_plain(hd_door *door, const int64_t *keys, size_t n, bool *plain) {
    *plain = false;
    for (size_t i = 0; i < n && !*plain; i++) {
        int64_t found;
        HD_TRY(one(door, any_plain, keys[i], &found));
        *plain = found != 0;
    }
    return HEED_OK;
}
