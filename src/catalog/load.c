// SPDX-License-Identifier: Apache-2.0
//
// The whole catalogue in memory. Items that share their categories share one array: a shop has
// thousands of category paths, not millions, so each is parsed once.

#include "base/mem.h"
#include "catalog/rows.h"

typedef struct path {
    const char **names;
    size_t n;
} path;

// What is needed while loading only.
typedef struct loader {
    hd_items *out;
    size_t cap;
    hd_map seen; // categories as JSON text -> index into paths
    path *paths;
    size_t n_paths, cap_paths;
} loader;

// The code of a name, given at first sight.
static heed_err code_of(hd_map *codes, const char *name) {
    uint64_t *code;
    return hd_map_slot(codes, name, strlen(name), codes->count, &code, NULL);
}

static heed_err add_path(loader *l, hd_slice text) {
    HD_TRY(hd_grow(&l->paths, &l->cap_paths, l->n_paths + 1, sizeof *l->paths));
    path *p = &l->paths[l->n_paths];
    HD_TRY(hd_item_categories(text, &l->out->arena, &p->names, &p->n));
    for (size_t i = 0; i < p->n; i++) HD_TRY(code_of(&l->out->categories, p->names[i]));
    l->n_paths++;
    return HEED_OK;
}

static heed_err set_categories(loader *l, hd_slice text, hd_item *item) {
    uint64_t *at;
    bool added;
    if (!text.p) return HEED_OK;
    HD_TRY(hd_map_slot(&l->seen, text.p, text.n, l->n_paths, &at, &added));
    uint64_t index = *at;
    if (added) HD_TRY(add_path(l, text));
    item->categories = l->paths[index].names;
    item->n_categories = l->paths[index].n;
    return HEED_OK;
}

static heed_err add_item(loader *l, hd_query *q) {
    hd_items *out = l->out;
    HD_TRY(hd_grow(&out->items, &l->cap, out->n + 1, sizeof *out->items));
    hd_item *item = &out->items[out->n];
    HD_TRY(hd_item_read(q, &out->arena, item));
    HD_TRY(set_categories(l, hd_query_text(q, 4), item));
    if (item->brand[0]) HD_TRY(code_of(&out->brands, item->brand));
    HD_TRY(hd_imap_put(&out->by_key, (uint64_t)item->key, out->n));
    HD_TRY(hd_map_put(&out->by_id, item->id, strlen(item->id), out->n));
    out->n++;
    return HEED_OK;
}

static heed_err add_all(loader *l, hd_store *store) {
    hd_query *q;
    bool row = true;
    HD_TRY(hd_query_open(store, "SELECT " HD_ITEM_COLUMNS " FROM items ORDER BY key", &q));
    heed_err err = HEED_OK;
    while (err == HEED_OK && row) {
        err = hd_query_step(q, &row);
        if (err == HEED_OK && row) err = add_item(l, q);
    }
    hd_query_close(q);
    return err;
}

heed_err hd_catalog_load(hd_catalog *catalog, hd_items *out) {
    *out = (hd_items){0};
    hd_imap_init(&out->by_key);
    hd_map_init(&out->by_id);
    hd_map_init(&out->categories);
    hd_map_init(&out->brands);
    hd_arena_init(&out->arena);
    loader l = {.out = out};
    hd_map_init(&l.seen);
    heed_err err = add_all(&l, catalog->store);
    hd_map_clear(&l.seen);
    hd_free(l.paths);
    if (err != HEED_OK) hd_items_clear(out);
    return err;
}

void hd_items_clear(hd_items *items) {
    hd_free(items->items);
    hd_imap_clear(&items->by_key);
    hd_map_clear(&items->by_id);
    hd_map_clear(&items->categories);
    hd_map_clear(&items->brands);
    hd_arena_clear(&items->arena);
    *items = (hd_items){0};
}
