// SPDX-License-Identifier: Apache-2.0
//
// The handle: keys of items, and what goes where.
//
// An import asks for an item's key once per event, millions of times. Keys are therefore kept in a
// map; when it holds CACHE_KEYS ids or CACHE_BYTES of them it is emptied and begun anew, which
// costs a lookup per id and keeps memory bounded whatever the file. It is used only while a batch
// is written, since outside a transaction another process could take rows away unseen, and goes on
// from batch to batch until others wrote, something was rolled back, or items were removed.

#include "catalog/rows.h"

#include "base/mem.h"

enum { CACHE_KEYS = 1 << 17, CACHE_BYTES = 8 << 20 };

heed_err hd_catalog_open(hd_store *store, hd_catalog **out) {
    *out = hd_calloc(1, sizeof **out);
    if (!*out) return HD_FAIL_MEMORY(sizeof **out);
    (*out)->store = store;
    hd_map_init(&(*out)->keys);
    return HEED_OK;
}

void hd_catalog_close(hd_catalog *catalog) {
    if (!catalog) return;
    hd_map_clear(&catalog->keys);
    hd_str_clear(&catalog->categories);
    hd_str_clear(&catalog->attributes);
    hd_free(catalog);
}

// ── Keys ────────────────────────────────────────────────────────────────────────────────────────

static void empty_cache(hd_catalog *catalog) {
    hd_map_clear(&catalog->keys);
    catalog->key_bytes = 0;
    catalog->others = hd_store_others(catalog->store);
    catalog->rollbacks = hd_store_rollbacks(catalog->store);
}

static void sync_cache(hd_catalog *catalog) {
    if (catalog->others != hd_store_others(catalog->store) ||
        catalog->rollbacks != hd_store_rollbacks(catalog->store))
        empty_cache(catalog);
}

// A key that can't be remembered for want of memory is looked up again.
static void remember(hd_catalog *catalog, hd_slice id, int64_t key) {
    if (catalog->keys.count >= CACHE_KEYS || catalog->key_bytes + id.n > CACHE_BYTES) {
        empty_cache(catalog);
    }
    if (hd_map_put(&catalog->keys, id.p, id.n, (uint64_t)key) == HEED_OK) {
        catalog->key_bytes += id.n;
    } else {
        empty_cache(catalog);
    }
}

static heed_err find_key(hd_catalog *catalog, hd_slice id, int64_t *key, bool *found) {
    hd_query *q;
    HD_TRY(hd_query_open(catalog->store, "SELECT key FROM items WHERE id = ?1", &q));
    hd_query_bind_text(q, 1, id);
    heed_err err = hd_query_step(q, found);
    if (err == HEED_OK && *found) *key = hd_query_i64(q, 0);
    hd_query_close(q);
    return err;
}

static heed_err make_stub(hd_catalog *catalog, hd_slice id, int64_t batch, int64_t *key) {
    hd_query *q;
    HD_TRY(hd_query_open(catalog->store, "INSERT INTO items (id, born, batch) VALUES (?1, ?2, 0)",
                         &q));
    hd_query_bind_text(q, 1, id);
    hd_query_bind_i64(q, 2, batch);
    heed_err err = hd_query_run(q);
    if (err == HEED_OK) *key = hd_store_last_key(catalog->store);
    hd_query_close(q);
    return err;
}

heed_err hd_catalog_item_key(hd_catalog *catalog, hd_slice id, int64_t batch, int64_t *key) {
    uint64_t cached;
    bool found = false;
    if (!id.p || id.n == 0) {
        return HD_FAIL(HEED_INPUT, "an item without an id: give each item one",
                       "商品缺少编号：请为每个商品填写编号");
    }
    if (batch > 0) {
        sync_cache(catalog);
        if (hd_map_get(&catalog->keys, id.p, id.n, &cached)) {
            *key = (int64_t)cached;
            return HEED_OK;
        }
    }
    HD_TRY(find_key(catalog, id, key, &found));
    if (!found && batch == 0) {
        return HD_FAIL(HEED_NOT_FOUND, "there is no item '%.*s'", "没有商品“%.*s”", (int)id.n,
                       id.p);
    }
    if (!found) HD_TRY(make_stub(catalog, id, batch, key));
    if (batch > 0) remember(catalog, id, *key);
    return HEED_OK;
}

// ── The version ─────────────────────────────────────────────────────────────────────────────────
//
// An item that only an event named doesn't raise it: nothing can be shown of it, and a shop whose
// events run ahead of its catalogue would have everybody load that again all day.

heed_err hd_catalog_version(hd_catalog *catalog, int64_t *version) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(catalog->store, "SELECT version FROM catalog_version", &q));
    heed_err err = hd_query_step(q, &row);
    *version = err == HEED_OK && row ? hd_query_i64(q, 0) : 0;
    hd_query_close(q);
    return err;
}

heed_err hd_catalog_move(hd_catalog *catalog) {
    hd_query *q;
    uint64_t epoch = hd_store_epoch(catalog->store);
    if (catalog->moved && catalog->moved_epoch == epoch) return HEED_OK;
    HD_TRY(hd_query_open(catalog->store, "UPDATE catalog_version SET version = version + 1", &q));
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    catalog->moved = err == HEED_OK;
    catalog->moved_epoch = epoch;
    return err;
}

// ── Records ─────────────────────────────────────────────────────────────────────────────────────

heed_err hd_catalog_put(hd_catalog *catalog, int64_t batch, const hd_record *record, int *changed) {
    if (batch <= 0) return HD_FAIL(HEED_INTERNAL, "a row needs a batch", "写入行需要批次");
    if (record->kind == HD_KIND_ITEMS) {
        HD_TRY(hd_catalog_put_item(catalog, batch, &record->item, changed));
        return *changed != HD_ROW_SAME ? hd_catalog_move(catalog) : HEED_OK;
    }
    if (record->kind == HD_KIND_DOCUMENTS) {
        return hd_catalog_put_document(catalog, batch, &record->document, changed);
    }
    return HD_FAIL(HEED_INTERNAL, "'%s' don't stand in the catalogue", "“%s”不属于商品目录",
                   hd_kind_name(record->kind));
}

static void set_changed(bool differs, bool *changed) {
    if (differs) *changed = true;
}

void hd_row_take_text(hd_slice *field, hd_slice given, bool *changed) {
    if (!given.p) return;
    set_changed(!field->p || field->n != given.n || memcmp(field->p, given.p, given.n) != 0,
                changed);
    *field = given;
}

void hd_row_take_f64(double *field, double given, bool *changed) {
    if (given != given) return; // NaN: not given
    set_changed(!(*field == given), changed);
    *field = given;
}

void hd_row_take_time(hd_time *field, hd_time given, bool *changed) {
    if (given == HD_TIME_NONE) return;
    set_changed(*field != given, changed);
    *field = given;
}

void hd_row_take_flag(int64_t *field, int given, bool *changed) {
    if (given < 0) return;
    set_changed(*field != (given != 0), changed);
    *field = given != 0;
}

heed_err hd_catalog_count(hd_catalog *catalog, hd_catalog_counts *out) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(catalog->store,
                         "SELECT count(*), count(*) FILTER (WHERE coalesce(title, '') = ''),"
                         " count(*) FILTER (WHERE hidden <> 0),"
                         " (SELECT count(*) FROM documents WHERE batch <> 0) FROM items",
                         &q));
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK) {
        *out = (hd_catalog_counts){.items = hd_query_i64(q, 0),
                                   .items_without_title = hd_query_i64(q, 1),
                                   .hidden = hd_query_i64(q, 2),
                                   .documents = hd_query_i64(q, 3)};
    }
    hd_query_close(q);
    return err;
}
