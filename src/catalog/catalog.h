// SPDX-License-Identifier: Apache-2.0
//
// What is not personal: items with their categories, and documents. Threads: as the store beneath.
#ifndef HD_CATALOG_CATALOG_H
#define HD_CATALOG_CATALOG_H

#include "base/map.h"
#include "base/record.h"
#include "store/store.h"

extern const hd_migration hd_catalog_migrations[];
extern const size_t hd_catalog_n_migrations;

typedef struct hd_catalog hd_catalog;
heed_err hd_catalog_open(hd_store *store, hd_catalog **out) HEED_CHECK; // store: borrowed
void hd_catalog_close(hd_catalog *catalog);

// The key of an item. batch > 0: made (without a title) when it is new, inside the caller's
// transaction; called once per imported event, so keys are kept in a bounded cache. batch 0:
// HEED_NOT_FOUND when there is none.
heed_err hd_catalog_item_key(hd_catalog *catalog, hd_slice id, int64_t batch,
                             int64_t *key) HEED_CHECK;
// Writes an item or a document, inside the caller's transaction. Fields not given keep what stood
// there; attributes are joined name by name. A document without an id goes by its URL, else by its
// text. *changed: 0 new, 1 changed, 2 the same. After a failure nothing of the record has been
// written, and the caller may go on with the next.
heed_err hd_catalog_put(hd_catalog *catalog, int64_t batch, const hd_record *record,
                        int *changed) HEED_CHECK;
// Takes back what a batch brought: what it overwrote returns, what it made goes. HEED_CONFLICT
// names the later batch that changed the same rows and must be undone first. An item that `used`
// says something refers to stays, without what the batch gave it (used NULL: none is). *rows: how
// many went or returned.
heed_err hd_catalog_undo(hd_catalog *catalog, int64_t batch,
                         heed_err (*used)(void *ctx, int64_t item_key, bool *out), void *ctx,
                         int64_t *rows) HEED_CHECK;

// A number that moves whenever a committed transaction changed the catalogue: what was loaded under
// another one is old. Costs microseconds.
heed_err hd_catalog_version(hd_catalog *catalog, int64_t *version) HEED_CHECK;

// One item. categories: (n_categories), the broadest first.
typedef struct hd_item {
    int64_t key;
    const char *id;
    const char *title; // "" when unknown
    const char *brand; // "" when unknown
    const char **categories;
    size_t n_categories;
    double price;           // NaN: unknown
    char currency[4];       // "" when unknown
    const char *attributes; // a JSON object
    hd_time created;
    bool hidden;
    bool replenishable;
} hd_item;
// The item of an id; HEED_NOT_FOUND also when it was removed.
heed_err hd_catalog_item_find(hd_catalog *catalog, hd_slice id, hd_arena *arena,
                              hd_item *out) HEED_CHECK;
// Up to `limit` items whose keys come after `after`, in key order; category NULL: any. Strings and
// the array in the arena.
heed_err hd_catalog_page(hd_catalog *catalog, int64_t after, const char *category, size_t limit,
                         hd_arena *arena, hd_item **out, size_t *n) HEED_CHECK;
// Takes an item out: its description goes, it is never recommended again, what refers to it stays.
// Putting it again brings it back. Once removed, nothing is done; HEED_NOT_FOUND for an unknown id.
heed_err hd_catalog_item_remove(hd_catalog *catalog, hd_slice id, int64_t batch) HEED_CHECK;
heed_err hd_catalog_item_get(hd_catalog *catalog, int64_t key, hd_arena *arena,
                             hd_item *out) HEED_CHECK;

// A document; "" where nothing is known.
typedef struct hd_document {
    int64_t key;
    const char *id, *title, *text, *url, *lang;
    hd_time updated;
} hd_document;
// The document of an id; HEED_NOT_FOUND also when it was removed. Strings in the arena.
heed_err hd_catalog_document_find(hd_catalog *catalog, hd_slice id, hd_arena *arena,
                                  hd_document *out) HEED_CHECK;
// Up to `limit` documents whose keys come after `after`, in key order; the array in the arena too.
heed_err hd_catalog_documents_page(hd_catalog *catalog, int64_t after, size_t limit,
                                   hd_arena *arena, hd_document **out, size_t *n) HEED_CHECK;
// Takes a document out; putting it again brings it back. Once removed, nothing is done;
// HEED_NOT_FOUND for an unknown id.
heed_err hd_catalog_document_remove(hd_catalog *catalog, hd_slice id, int64_t batch) HEED_CHECK;

// The whole catalogue in memory, in key order: what ranking, rules and profiles look items up in.
// Immutable.
typedef struct hd_items {
    hd_item *items; // (n)
    size_t n;
    hd_imap by_key;    // key -> index
    hd_map by_id;      // external id -> index
    hd_map categories; // category -> code, in order of first sight
    hd_map brands;
    hd_arena arena;
} hd_items;
heed_err hd_catalog_load(hd_catalog *catalog, hd_items *out) HEED_CHECK;
void hd_items_clear(hd_items *items);

typedef struct hd_catalog_counts {
    int64_t items, items_without_title, hidden, documents;
} hd_catalog_counts;
heed_err hd_catalog_count(hd_catalog *catalog, hd_catalog_counts *out) HEED_CHECK;

#endif
