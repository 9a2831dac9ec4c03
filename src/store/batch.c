// SPDX-License-Identifier: Apache-2.0
//
// Import batches: one table, a row per import. A row is never deleted, so an id is never used
// again: what an import did can be asked for long after it was undone.

#include "store/batch.h"

#include <stdio.h>

#include "base/mem.h"

const hd_migration hd_batch_migrations[] = {
    {.component = "batch",
     .version = 1,
     .sql = "CREATE TABLE import_batches ("
            "  id INTEGER PRIMARY KEY,"
            "  kind TEXT NOT NULL,"
            "  source TEXT NOT NULL," // file name without its folder
            "  preset TEXT NOT NULL,"
            "  hash TEXT NOT NULL,"
            "  started INTEGER NOT NULL,"
            "  rows_read INTEGER NOT NULL DEFAULT 0,"
            "  rows_new INTEGER NOT NULL DEFAULT 0,"
            "  rows_changed INTEGER NOT NULL DEFAULT 0,"
            "  rows_same INTEGER NOT NULL DEFAULT 0,"
            "  rows_rejected INTEGER NOT NULL DEFAULT 0,"
            "  undone INTEGER NOT NULL DEFAULT 0"
            ") STRICT;"
            "CREATE INDEX import_batches_hash ON import_batches (hash, kind);"},
};
const size_t hd_batch_n_migrations = sizeof hd_batch_migrations / sizeof *hd_batch_migrations;

heed_err hd_batch_begin(hd_store *store, hd_batch *batch) {
    hd_query *q;
    HD_TRY(hd_query_open(store,
                         "INSERT INTO import_batches (kind, source, preset, hash, started)"
                         " VALUES (?1, ?2, ?3, ?4, ?5)",
                         &q));
    hd_query_bind_text(q, 1, hd_slice_of(batch->kind));
    hd_query_bind_text(q, 2, hd_slice_of(batch->source));
    hd_query_bind_text(q, 3, hd_slice_of(batch->preset));
    hd_query_bind_text(q, 4, hd_slice_of(batch->hash));
    hd_query_bind_i64(q, 5, batch->started);
    heed_err err = hd_query_run(q);
    if (err == HEED_OK) batch->id = hd_store_last_key(store);
    hd_query_close(q);
    return err;
}

static heed_err not_found(int64_t id) {
    return HD_FAIL(HEED_NOT_FOUND, "there is no import %lld: 'heed import --list' names them",
                   "没有编号为 %lld 的导入：用“heed import --list”查看", (long long)id);
}

// Runs an UPDATE of one batch; none changed is HEED_NOT_FOUND. Closes the query.
static heed_err run_on(hd_store *store, hd_query *q, int64_t id) {
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    if (err == HEED_OK && hd_store_changes(store) == 0) return not_found(id);
    return err;
}

static void bind_counts(hd_query *q, const hd_batch *batch) {
    hd_query_bind_i64(q, 1, batch->id);
    hd_query_bind_i64(q, 2, batch->rows_read);
    hd_query_bind_i64(q, 3, batch->rows_new);
    hd_query_bind_i64(q, 4, batch->rows_changed);
    hd_query_bind_i64(q, 5, batch->rows_same);
    hd_query_bind_i64(q, 6, batch->rows_rejected);
}

heed_err hd_batch_finish(hd_store *store, const hd_batch *batch) {
    hd_query *q;
    HD_TRY(hd_query_open(store,
                         "UPDATE import_batches SET rows_read = ?2, rows_new = ?3,"
                         " rows_changed = ?4, rows_same = ?5, rows_rejected = ?6, hash = ?7"
                         " WHERE id = ?1",
                         &q));
    bind_counts(q, batch);
    hd_query_bind_text(q, 7, hd_slice_of(batch->hash));
    return run_on(store, q, batch->id);
}

heed_err hd_batch_add(hd_store *store, const hd_batch *batch) {
    hd_query *q;
    HD_TRY(hd_query_open(store,
                         "UPDATE import_batches SET rows_read = rows_read + ?2,"
                         " rows_new = rows_new + ?3, rows_changed = rows_changed + ?4,"
                         " rows_same = rows_same + ?5, rows_rejected = rows_rejected + ?6"
                         " WHERE id = ?1",
                         &q));
    bind_counts(q, batch);
    return run_on(store, q, batch->id);
}

heed_err hd_batch_mark_undone(hd_store *store, int64_t id) {
    hd_query *q;
    HD_TRY(hd_query_open(store, "UPDATE import_batches SET undone = 1 WHERE id = ?1", &q));
    hd_query_bind_i64(q, 1, id);
    return run_on(store, q, id);
}

#define BATCH_COLUMNS                                                                        \
    "id, kind, source, preset, hash, started, rows_read, rows_new, rows_changed, rows_same," \
    " rows_rejected, undone"

static heed_err dup_text(hd_arena *arena, hd_slice text, const char **out) {
    *out = hd_arena_strndup(arena, text.p ? text.p : "", text.n);
    return *out ? HEED_OK : HD_FAIL_MEMORY(text.n);
}

static heed_err read_batch(hd_query *q, hd_arena *arena, hd_batch *out) {
    *out = (hd_batch){.id = hd_query_i64(q, 0)};
    HD_TRY(dup_text(arena, hd_query_text(q, 1), &out->kind));
    HD_TRY(dup_text(arena, hd_query_text(q, 2), &out->source));
    HD_TRY(dup_text(arena, hd_query_text(q, 3), &out->preset));
    hd_slice hash = hd_query_text(q, 4);
    snprintf(out->hash, sizeof out->hash, "%.*s", (int)hash.n, hash.p ? hash.p : "");
    out->started = hd_query_time(q, 5);
    out->rows_read = hd_query_i64(q, 6);
    out->rows_new = hd_query_i64(q, 7);
    out->rows_changed = hd_query_i64(q, 8);
    out->rows_same = hd_query_i64(q, 9);
    out->rows_rejected = hd_query_i64(q, 10);
    out->undone = hd_query_i64(q, 11) != 0;
    return HEED_OK;
}

heed_err hd_batch_get(hd_store *store, int64_t id, hd_arena *arena, hd_batch *out) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(store, "SELECT " BATCH_COLUMNS " FROM import_batches WHERE id = ?1", &q));
    hd_query_bind_i64(q, 1, id);
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK) err = row ? read_batch(q, arena, out) : not_found(id);
    hd_query_close(q);
    return err;
}

heed_err hd_batch_find_hash(hd_store *store, const char *hash, const char *kind, int64_t *id,
                            bool *found) {
    hd_query *q;
    HD_TRY(hd_query_open(store,
                         "SELECT id FROM import_batches WHERE hash = ?1 AND kind = ?2"
                         " AND undone = 0 ORDER BY id DESC LIMIT 1",
                         &q));
    hd_query_bind_text(q, 1, hd_slice_of(hash));
    hd_query_bind_text(q, 2, hd_slice_of(kind));
    heed_err err = hd_query_step(q, found);
    if (err == HEED_OK && *found) *id = hd_query_i64(q, 0);
    hd_query_close(q);
    return err;
}

// Copies the collected batches into the arena. out: (n).
static heed_err move_to_arena(const hd_batch *batches, size_t n, hd_arena *arena, hd_batch **out) {
    *out = hd_arena_calloc(arena, n ? n : 1, sizeof **out);
    if (!*out) return HD_FAIL_MEMORY(n * sizeof **out);
    if (n > 0) memcpy(*out, batches, n * sizeof **out);
    return HEED_OK;
}

heed_err hd_batch_list(hd_store *store, hd_arena *arena, hd_batch **out, size_t *n) {
    hd_query *q = NULL;
    hd_batch *batches = NULL;
    size_t count = 0, cap = 0;
    bool row;
    heed_err err;
    HD_TRY_OUT(
        hd_query_open(store, "SELECT " BATCH_COLUMNS " FROM import_batches ORDER BY id DESC", &q));
    for (;;) {
        HD_TRY_OUT(hd_query_step(q, &row));
        if (!row) break;
        HD_TRY_OUT(hd_grow(&batches, &cap, count + 1, sizeof *batches));
        HD_TRY_OUT(read_batch(q, arena, &batches[count++]));
    }
    HD_TRY_OUT(move_to_arena(batches, count, arena, out));
    *n = count;
out:
    hd_query_close(q);
    hd_free(batches);
    return err;
}
