// SPDX-License-Identifier: Apache-2.0
//
// What the files of catalog/ share: the handle, and how a row is compared and joined with what a
// record gives.
#ifndef HD_CATALOG_ROWS_H
#define HD_CATALOG_ROWS_H

#include "catalog/catalog.h"

enum { HD_ROW_NEW, HD_ROW_CHANGED, HD_ROW_SAME };

struct hd_catalog {
    hd_store *store;
    hd_map keys;                // item id -> key, while the two counts are the store's
    size_t key_bytes;           // length of the ids in `keys`
    uint64_t others, rollbacks; // of the store, when `keys` was begun
    bool moved;                 // the version was raised in the transaction of `moved_epoch`
    uint64_t moved_epoch;       // of the store
    hd_str categories;          // the record's, as written
    hd_str attributes;          // the record's, joined with what stood there
};

heed_err hd_catalog_put_item(hd_catalog *catalog, int64_t batch, const hd_item_record *given,
                             int *changed) HEED_CHECK;
heed_err hd_catalog_put_document(hd_catalog *catalog, int64_t batch,
                                 const hd_document_record *given, int *changed) HEED_CHECK;

// Raises the catalogue's version, once a transaction. Called by whatever changes a row.
heed_err hd_catalog_move(hd_catalog *catalog) HEED_CHECK;

// Replaces *field by what is given, if it is, and notes whether that changes it.
void hd_row_take_text(hd_slice *field, hd_slice given, bool *changed);
void hd_row_take_f64(double *field, double given, bool *changed);
void hd_row_take_time(hd_time *field, hd_time given, bool *changed);
void hd_row_take_flag(int64_t *field, int given, bool *changed); // -1: not given

// Reads the item row that stands ready: columns in the order of HD_ITEM_COLUMNS. Texts in the
// arena.
#define HD_ITEM_COLUMNS                                                                \
    "key, id, title, brand, categories, price, currency, attributes, created, hidden," \
    " replenishable"
heed_err hd_item_read(hd_query *q, hd_arena *arena, hd_item *out) HEED_CHECK;
// The strings of a JSON array, in the arena. out: (n).
heed_err hd_item_categories(hd_slice json, hd_arena *arena, const char ***out,
                            size_t *n) HEED_CHECK;

#endif
