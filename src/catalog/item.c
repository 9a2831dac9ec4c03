// SPDX-License-Identifier: Apache-2.0
//
// Items: a record joined with what stands there, and one item read.
//
// A record says only what its file knows: a price list has no titles. Fields that it doesn't give
// stay, and attributes are joined name by name. Categories and attributes are parsed and written
// anew, so that what is stored is always sound JSON in one form and can be compared as text.

#include "catalog/rows.h"

#include <math.h>

#include "base/json.h"

typedef struct item_row {
    int64_t key, batch;
    hd_slice title, brand, categories;
    double price;
    hd_slice currency, attributes;
    hd_time created;
    int64_t hidden, replenishable;
} item_row;

static const item_row no_row = {.price = NAN, .created = HD_TIME_NONE};

// ── Checking what is given ──────────────────────────────────────────────────────────────────────

static heed_err check_plain(const hd_item_record *given) {
    if (!given->id.p || given->id.n == 0) {
        return HD_FAIL(HEED_INPUT, "an item without an id: give each item one",
                       "商品缺少编号：请为每个商品填写编号");
    }
    if (isinf(given->price)) {
        return HD_FAIL(HEED_INPUT, "field 'price': not a finite number",
                       "字段“price”：不是有限的数");
    }
    if (given->currency.p && given->currency.n != 3) {
        return HD_FAIL(HEED_INPUT, "field 'currency': '%.*s' is not a code of three letters (CNY)",
                       "字段“currency”：“%.*s”不是三字母代码（如 CNY）", (int)given->currency.n,
                       given->currency.p);
    }
    return HEED_OK;
}

static bool all_strings(const json_t *array) {
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (!json_is_string(json_array_get(array, i))) return false;
    }
    return json_is_array(array);
}

// The given categories in their one form, in catalog->categories.
static heed_err write_categories(hd_catalog *catalog, hd_slice given) {
    json_t *json = NULL;
    HD_TRY(hd_json_parse(given.p, given.n, "categories", &json));
    hd_str_reset(&catalog->categories);
    heed_err err = HEED_OK;
    if (!all_strings(json)) {
        err = HD_FAIL(HEED_INPUT, "field 'categories': an array of texts is needed, [\"Food\", …]",
                      "字段“categories”：应为文本数组，如 [\"食品\", …]");
    }
    if (err == HEED_OK) err = hd_json_dump(json, false, &catalog->categories);
    json_decref(json);
    return err;
}

static heed_err parse_object(hd_slice text, json_t **out) {
    HD_TRY(hd_json_parse(text.p, text.n, "attributes", out));
    if (json_is_object(*out)) return HEED_OK;
    json_decref(*out);
    *out = NULL;
    return HD_FAIL(HEED_INPUT, "field 'attributes': an object is needed, {\"colour\": \"red\", …}",
                   "字段“attributes”：应为对象，如 {\"颜色\": \"红\", …}");
}

// The given attributes over those that stood there, in catalog->attributes.
static heed_err write_attributes(hd_catalog *catalog, hd_slice given, hd_slice before) {
    json_t *json = NULL, *joined = NULL;
    heed_err err;
    HD_TRY_OUT(parse_object(given, &json));
    HD_TRY_OUT(parse_object(before.p ? before : hd_slice_of("{}"), &joined));
    if (json_object_update(joined, json) != 0) {
        err = HD_FAIL_MEMORY(given.n);
        goto out;
    }
    hd_str_reset(&catalog->attributes);
    err = hd_json_dump(joined, false, &catalog->attributes);
out:
    json_decref(json);
    json_decref(joined);
    return err;
}

static hd_slice text_of(const hd_str *s) {
    return (hd_slice){hd_str_get(s), s->len};
}

// ── Writing ─────────────────────────────────────────────────────────────────────────────────────

// The stored row; its texts live until q is stepped or closed.
static item_row read_row(hd_query *q) {
    return (item_row){
        .key = hd_query_i64(q, 0),
        .batch = hd_query_i64(q, 1),
        .title = hd_query_text(q, 2),
        .brand = hd_query_text(q, 3),
        .categories = hd_query_text(q, 4),
        .price = hd_query_f64(q, 5),
        .currency = hd_query_text(q, 6),
        .attributes = hd_query_text(q, 7),
        .created = hd_query_time(q, 8),
        .hidden = hd_query_i64(q, 9),
        .replenishable = hd_query_i64(q, 10),
    };
}

// Joins the record into the row.
static heed_err join(hd_catalog *catalog, const hd_item_record *given, item_row *row,
                     bool *changed) {
    hd_slice none = {NULL, 0};
    if (given->categories.p) HD_TRY(write_categories(catalog, given->categories));
    if (given->attributes.p) HD_TRY(write_attributes(catalog, given->attributes, row->attributes));
    hd_row_take_text(&row->title, given->title, changed);
    hd_row_take_text(&row->brand, given->brand, changed);
    hd_row_take_text(&row->categories, given->categories.p ? text_of(&catalog->categories) : none,
                     changed);
    hd_row_take_f64(&row->price, given->price, changed);
    hd_row_take_text(&row->currency, given->currency, changed);
    hd_row_take_text(&row->attributes, given->attributes.p ? text_of(&catalog->attributes) : none,
                     changed);
    hd_row_take_time(&row->created, given->created, changed);
    hd_row_take_flag(&row->hidden, given->hidden, changed);
    hd_row_take_flag(&row->replenishable, given->replenishable, changed);
    return HEED_OK;
}

// Binds ?2 … ?11 and runs; ?1 is bound already. Closes the query.
static heed_err run_with_row(hd_query *q, const item_row *row, int64_t batch) {
    hd_query_bind_text(q, 2, row->title);
    hd_query_bind_text(q, 3, row->brand);
    hd_query_bind_text(q, 4, row->categories);
    hd_query_bind_f64(q, 5, row->price);
    hd_query_bind_text(q, 6, row->currency);
    hd_query_bind_text(q, 7, row->attributes);
    hd_query_bind_time(q, 8, row->created);
    hd_query_bind_i64(q, 9, row->hidden);
    hd_query_bind_i64(q, 10, row->replenishable);
    hd_query_bind_i64(q, 11, batch);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

static heed_err insert_row(hd_catalog *catalog, hd_slice id, const item_row *row, int64_t batch) {
    hd_query *q;
    HD_TRY(hd_query_open(catalog->store,
                         "INSERT INTO items (id, title, brand, categories, price, currency,"
                         " attributes, created, hidden, replenishable, born, batch)"
                         " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11)",
                         &q));
    hd_query_bind_text(q, 1, id);
    return run_with_row(q, row, batch);
}

static heed_err keep_for_undo(hd_catalog *catalog, int64_t key, int64_t batch) {
    hd_query *q;
    HD_TRY(hd_query_open(catalog->store,
                         "INSERT INTO items_undo (batch, key, was_batch, title, brand, categories,"
                         " price, currency, attributes, created, hidden, replenishable)"
                         " SELECT ?2, key, batch, title, brand, categories, price, currency,"
                         " attributes, created, hidden, replenishable FROM items WHERE key = ?1"
                         " ON CONFLICT DO NOTHING",
                         &q));
    hd_query_bind_i64(q, 1, key);
    hd_query_bind_i64(q, 2, batch);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

#define UPDATE_ROW                                                                     \
    "UPDATE items SET title = ?2, brand = ?3, categories = ?4, price = ?5,"            \
    " currency = ?6, attributes = ?7, created = ?8, hidden = ?9, replenishable = ?10," \
    " batch = ?11 WHERE key = ?1"

static heed_err update_row(hd_catalog *catalog, const item_row *row, int64_t batch) {
    if (row->batch != 0 && row->batch != batch) HD_TRY(keep_for_undo(catalog, row->key, batch));
    hd_query *q;
    HD_TRY(hd_query_open(catalog->store, UPDATE_ROW, &q));
    hd_query_bind_i64(q, 1, row->key);
    return run_with_row(q, row, batch);
}

// An item that only events had named (batch 0) is new when a record first describes it.
static heed_err write_joined(hd_catalog *catalog, int64_t batch, const hd_item_record *given,
                             hd_query *q, int *changed) {
    bool exists, differs = false;
    HD_TRY(hd_query_step(q, &exists));
    item_row row = exists ? read_row(q) : no_row;
    if (row.batch == 0) row.hidden = 0; // a removed item that is described again is back
    HD_TRY(join(catalog, given, &row, &differs));
    *changed = row.batch == 0 ? HD_ROW_NEW : differs ? HD_ROW_CHANGED : HD_ROW_SAME;
    if (!exists) return insert_row(catalog, given->id, &row, batch);
    return *changed == HD_ROW_SAME ? HEED_OK : update_row(catalog, &row, batch);
}

heed_err hd_catalog_put_item(hd_catalog *catalog, int64_t batch, const hd_item_record *given,
                             int *changed) {
    hd_query *q;
    HD_TRY(check_plain(given));
    HD_TRY(hd_query_open(catalog->store,
                         "SELECT key, batch, title, brand, categories, price, currency,"
                         " attributes, created, hidden, replenishable FROM items WHERE id = ?1",
                         &q));
    hd_query_bind_text(q, 1, given->id);
    heed_err err = write_joined(catalog, batch, given, q, changed);
    hd_query_close(q);
    return err;
}

// ── Removing ────────────────────────────────────────────────────────────────────────────────────
//
// A removed item keeps its row, since events name it and saved models hold its key: without a
// description (batch 0), and hidden, which tells it from an item that only events have named.

static heed_err find_standing(hd_catalog *catalog, hd_slice id, item_row *row, bool *exists) {
    hd_query *q;
    HD_TRY(hd_query_open(catalog->store, "SELECT key, batch, hidden FROM items WHERE id = ?1", &q));
    hd_query_bind_text(q, 1, id);
    heed_err err = hd_query_step(q, exists);
    if (err == HEED_OK && *exists) {
        row->key = hd_query_i64(q, 0);
        row->batch = hd_query_i64(q, 1);
        row->hidden = hd_query_i64(q, 2);
    }
    hd_query_close(q);
    return err;
}

static heed_err unknown_item(hd_slice id) {
    return HD_FAIL(HEED_NOT_FOUND, "there is no item '%.*s'", "没有商品“%.*s”", (int)id.n, id.p);
}

heed_err hd_catalog_item_remove(hd_catalog *catalog, hd_slice id, int64_t batch) {
    item_row row = no_row;
    bool exists;
    HD_TRY(find_standing(catalog, id, &row, &exists));
    if (!exists) return unknown_item(id);
    if (row.batch == 0 && row.hidden) return HEED_OK;
    if (row.batch != 0 && row.batch != batch) HD_TRY(keep_for_undo(catalog, row.key, batch));
    row = (item_row){.key = row.key, .price = NAN, .created = HD_TIME_NONE, .hidden = 1};
    hd_query *q;
    HD_TRY(hd_query_open(catalog->store, UPDATE_ROW, &q));
    hd_query_bind_i64(q, 1, row.key);
    HD_TRY(run_with_row(q, &row, 0));
    return hd_catalog_move(catalog);
}

// ── Reading ─────────────────────────────────────────────────────────────────────────────────────

static heed_err dup_or(hd_arena *arena, hd_slice text, const char *absent, const char **out) {
    *out = text.p ? hd_arena_strndup(arena, text.p, text.n) : absent;
    return *out ? HEED_OK : HD_FAIL_MEMORY(text.n);
}

static heed_err dup_array(const json_t *array, hd_arena *arena, const char ***out) {
    size_t n = json_array_size(array);
    *out = hd_arena_calloc(arena, n ? n : 1, sizeof **out);
    if (!*out) return HD_FAIL_MEMORY(n * sizeof **out);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(array, i);
        (*out)[i] = hd_arena_strndup(arena, json_string_value(one), json_string_length(one));
        if (!(*out)[i]) return HD_FAIL_MEMORY(json_string_length(one));
    }
    return HEED_OK;
}

heed_err hd_item_categories(hd_slice text, hd_arena *arena, const char ***out, size_t *n) {
    json_t *json = NULL;
    *out = NULL;
    *n = 0;
    if (!text.p) return HEED_OK;
    HD_TRY(hd_json_parse(text.p, text.n, "categories", &json));
    heed_err err = HEED_OK;
    if (!all_strings(json)) {
        err = HD_FAIL(HEED_CORRUPT, "an item's categories are not an array of texts",
                      "某商品的类别不是文本数组");
    }
    if (err == HEED_OK) err = dup_array(json, arena, out);
    if (err == HEED_OK) *n = json_array_size(json);
    json_decref(json);
    return err;
}

heed_err hd_item_read(hd_query *q, hd_arena *arena, hd_item *out) {
    *out = (hd_item){.key = hd_query_i64(q, 0)};
    HD_TRY(dup_or(arena, hd_query_text(q, 1), "", &out->id));
    HD_TRY(dup_or(arena, hd_query_text(q, 2), "", &out->title));
    HD_TRY(dup_or(arena, hd_query_text(q, 3), "", &out->brand));
    out->price = hd_query_f64(q, 5);
    hd_slice currency = hd_query_text(q, 6);
    if (currency.p && currency.n < sizeof out->currency) {
        memcpy(out->currency, currency.p, currency.n);
    }
    HD_TRY(dup_or(arena, hd_query_text(q, 7), "{}", &out->attributes));
    out->created = hd_query_time(q, 8);
    out->hidden = hd_query_i64(q, 9) != 0;
    out->replenishable = hd_query_i64(q, 10) != 0;
    return HEED_OK;
}

heed_err hd_catalog_item_find(hd_catalog *catalog, hd_slice id, hd_arena *arena, hd_item *out) {
    item_row row = no_row;
    bool exists;
    HD_TRY(find_standing(catalog, id, &row, &exists));
    if (!exists || (row.batch == 0 && row.hidden)) return unknown_item(id);
    return hd_catalog_item_get(catalog, row.key, arena, out);
}

static heed_err read_page(hd_query *q, size_t limit, hd_arena *arena, hd_item **out, size_t *n) {
    bool row;
    *n = 0;
    *out = hd_arena_calloc(arena, limit + 1, sizeof **out);
    if (!*out) return HD_FAIL_MEMORY(limit * sizeof **out);
    while (*n < limit) {
        HD_TRY(hd_query_step(q, &row));
        if (!row) return HEED_OK;
        hd_item *item = &(*out)[*n];
        HD_TRY(hd_item_read(q, arena, item));
        HD_TRY(
            hd_item_categories(hd_query_text(q, 4), arena, &item->categories, &item->n_categories));
        ++*n;
    }
    return HEED_OK;
}

heed_err hd_catalog_page(hd_catalog *catalog, int64_t after, const char *category, size_t limit,
                         hd_arena *arena, hd_item **out, size_t *n) {
    hd_query *q;
    HD_TRY(hd_query_open(catalog->store,
                         "SELECT " HD_ITEM_COLUMNS " FROM items WHERE key > ?1"
                         " AND NOT (batch = 0 AND hidden <> 0) AND (?2 IS NULL OR EXISTS"
                         " (SELECT 1 FROM json_each(categories) WHERE value = ?2))"
                         " ORDER BY key LIMIT ?3",
                         &q));
    hd_query_bind_i64(q, 1, after);
    hd_query_bind_text(q, 2, category ? hd_slice_of(category) : (hd_slice){0});
    hd_query_bind_i64(q, 3, (int64_t)limit);
    heed_err err = read_page(q, limit, arena, out, n);
    hd_query_close(q);
    return err;
}

heed_err hd_catalog_item_get(hd_catalog *catalog, int64_t key, hd_arena *arena, hd_item *out) {
    hd_query *q;
    bool row;
    HD_TRY(
        hd_query_open(catalog->store, "SELECT " HD_ITEM_COLUMNS " FROM items WHERE key = ?1", &q));
    hd_query_bind_i64(q, 1, key);
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK && !row) {
        err = HD_FAIL(HEED_NOT_FOUND, "there is no item with key %lld", "没有键为 %lld 的商品",
                      (long long)key);
    }
    if (err == HEED_OK) err = hd_item_read(q, arena, out);
    if (err == HEED_OK) {
        err = hd_item_categories(hd_query_text(q, 4), arena, &out->categories, &out->n_categories);
    }
    hd_query_close(q);
    return err;
}
