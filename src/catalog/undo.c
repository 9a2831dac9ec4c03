// SPDX-License-Identifier: Apache-2.0
//
// Taking a batch back.
//
// 1. A row that a later batch overwrote refuses: an image in the undo table says so (was_batch).
// 2. What the batch overwrote returns from its images, with the batch that had written it.
// 3. Rows that still carry the batch were new with it: they go. An item that something refers to
//    stays as one that is only known by name (batch 0).
// 4. Items that only the batch's events had named go, unless something else refers to them.
//
// Rows are visited key by key, each with a query of its own, because deleting from a table that is
// being read has no defined outcome.

#include "catalog/rows.h"

typedef heed_err (*used_fn)(void *ctx, int64_t item_key, bool *out);

// ?1: the batch, throughout.
typedef struct undo_sql {
    const char *later;   // the last batch that overwrote what this one had written
    const char *restore; // from the images
    const char *forget;  // the images
} undo_sql;

static const undo_sql items_sql = {
    .later = "SELECT max(batch) FROM items_undo WHERE was_batch = ?1",
    .restore = "UPDATE items SET title = u.title, brand = u.brand, categories = u.categories,"
               " price = u.price, currency = u.currency, attributes = u.attributes,"
               " created = u.created, hidden = u.hidden, replenishable = u.replenishable,"
               " batch = u.was_batch FROM items_undo u WHERE u.batch = ?1 AND u.key = items.key",
    .forget = "DELETE FROM items_undo WHERE batch = ?1",
};

static const undo_sql documents_sql = {
    .later = "SELECT max(batch) FROM documents_undo WHERE was_batch = ?1",
    .restore = "UPDATE documents SET title = u.title, text = u.text, url = u.url, lang = u.lang,"
               " updated = u.updated, batch = u.was_batch FROM documents_undo u"
               " WHERE u.batch = ?1 AND u.key = documents.key",
    .forget = "DELETE FROM documents_undo WHERE batch = ?1",
};

// Runs a statement about a batch or a key and counts the rows that it changed.
static heed_err run_with(hd_catalog *catalog, const char *sql, int64_t value, int64_t *rows) {
    hd_query *q;
    HD_TRY(hd_query_open(catalog->store, sql, &q));
    hd_query_bind_i64(q, 1, value);
    heed_err err = hd_query_run(q);
    if (err == HEED_OK && rows) *rows += hd_store_changes(catalog->store);
    hd_query_close(q);
    return err;
}

static heed_err refuse_later(hd_catalog *catalog, const undo_sql *sql, int64_t batch) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(catalog->store, sql->later, &q));
    hd_query_bind_i64(q, 1, batch);
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK && row && !hd_query_is_null(q, 0)) {
        err = HD_FAIL(HEED_CONFLICT, "import %lld changed rows of import %lld: undo it first",
                      "导入 %lld 修改了导入 %lld 的行：请先撤销前者", (long long)hd_query_i64(q, 0),
                      (long long)batch);
    }
    hd_query_close(q);
    return err;
}

static heed_err restore(hd_catalog *catalog, const undo_sql *sql, int64_t batch, int64_t *rows) {
    HD_TRY(run_with(catalog, sql->restore, batch, rows));
    return run_with(catalog, sql->forget, batch, NULL);
}

// The next item after *key that `sql` (?1 batch, ?2 key) selects.
static heed_err next_item(hd_catalog *catalog, const char *sql, int64_t batch, int64_t *key,
                          bool *found) {
    hd_query *q;
    HD_TRY(hd_query_open(catalog->store, sql, &q));
    hd_query_bind_i64(q, 1, batch);
    hd_query_bind_i64(q, 2, *key);
    heed_err err = hd_query_step(q, found);
    if (err == HEED_OK && *found) *key = hd_query_i64(q, 0);
    hd_query_close(q);
    return err;
}

static heed_err remove_or_empty(hd_catalog *catalog, int64_t key, bool used) {
    return run_with(catalog,
                    used ? "UPDATE items SET title = NULL, brand = NULL, categories = NULL,"
                           " price = NULL, currency = NULL, attributes = NULL, created = NULL,"
                           " hidden = 0, replenishable = 0, batch = 0 WHERE key = ?1"
                         : "DELETE FROM items WHERE key = ?1",
                    key, NULL);
}

// Items that `sql` selects go, or stay as mere names; *rows counts those that changed.
static heed_err take_items(hd_catalog *catalog, const char *sql, int64_t batch, bool named_only,
                           used_fn used, void *ctx, int64_t *rows) {
    int64_t key = INT64_MIN;
    for (;;) {
        bool found, in_use = false;
        HD_TRY(next_item(catalog, sql, batch, &key, &found));
        if (!found) return HEED_OK;
        if (used) HD_TRY(used(ctx, key, &in_use));
        if (named_only && in_use) continue; // nothing was given to it
        HD_TRY(remove_or_empty(catalog, key, in_use));
        ++*rows;
    }
}

heed_err hd_catalog_undo(hd_catalog *catalog, int64_t batch, used_fn used, void *ctx,
                         int64_t *rows) {
    *rows = 0;
    HD_TRY(hd_catalog_move(catalog));
    HD_TRY(refuse_later(catalog, &items_sql, batch));
    HD_TRY(refuse_later(catalog, &documents_sql, batch));
    hd_map_clear(&catalog->keys); // some will point to nothing
    catalog->key_bytes = 0;
    HD_TRY(restore(catalog, &items_sql, batch, rows));
    HD_TRY(restore(catalog, &documents_sql, batch, rows));
    HD_TRY(run_with(catalog, "DELETE FROM documents WHERE batch = ?1", batch, rows));
    HD_TRY(take_items(catalog,
                      "SELECT key FROM items WHERE batch = ?1 AND key > ?2 ORDER BY key LIMIT 1",
                      batch, false, used, ctx, rows));
    return take_items(catalog,
                      "SELECT key FROM items WHERE batch = 0 AND born = ?1 AND key > ?2"
                      " ORDER BY key LIMIT 1",
                      batch, true, used, ctx, rows);
}
