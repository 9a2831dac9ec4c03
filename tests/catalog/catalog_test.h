// SPDX-License-Identifier: Apache-2.0
//
// What the tests of catalog/ share: a catalogue in a scratch folder, and short ways to make
// records.
#ifndef CATALOG_TEST_H
#define CATALOG_TEST_H

#include <math.h>

#include "../store/store_test.h"
#include "catalog/catalog.h"

typedef struct fixture {
    scratch *s;
    hd_store *store;
    hd_catalog *catalog;
} fixture;

static inline int catalog_setup(void **state) {
    fixture *f = test_calloc(1, sizeof *f);
    scratch_setup((void **)&f->s);
    f->store = open_db(f->s, HD_STORE_CREATE);
    assert_ok(hd_store_migrate(f->store, hd_catalog_migrations, hd_catalog_n_migrations));
    assert_ok(hd_catalog_open(f->store, &f->catalog));
    *state = f;
    return 0;
}

static inline int catalog_teardown(void **state) {
    fixture *f = *state;
    hd_catalog_close(f->catalog);
    hd_store_close(f->store);
    scratch_teardown((void **)&f->s);
    test_free(f);
    return 0;
}

#define CATALOG_TEST(f) cmocka_unit_test_setup_teardown(f, catalog_setup, catalog_teardown)

// Nothing given but the id.
static inline hd_record item_of(const char *id) {
    return (hd_record){.kind = HD_KIND_ITEMS,
                       .item = {.id = hd_slice_of(id),
                                .price = NAN,
                                .created = HD_TIME_NONE,
                                .hidden = -1,
                                .replenishable = -1}};
}

static inline hd_record document_of(const char *id) {
    return (hd_record){.kind = HD_KIND_DOCUMENTS,
                       .document = {.id = hd_slice_of(id), .updated = HD_TIME_NONE}};
}

static inline int put(fixture *f, int64_t batch, const hd_record *record) {
    int changed = -1;
    assert_ok(hd_catalog_put(f->catalog, batch, record, &changed));
    return changed;
}

static inline int64_t key_of(fixture *f, const char *id, int64_t batch) {
    int64_t key = 0;
    assert_ok(hd_catalog_item_key(f->catalog, hd_slice_of(id), batch, &key));
    return key;
}

#endif
