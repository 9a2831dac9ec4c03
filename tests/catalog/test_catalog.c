// SPDX-License-Identifier: Apache-2.0
//
// Items and documents: keys, joining what is given with what stood there, loading all.

#include "catalog_test.h"

enum { NEW, CHANGED, SAME };

static void keys_are_made_once_and_found(void **state) {
    fixture *f = *state;
    int64_t key;
    assert_fails(HEED_NOT_FOUND, hd_catalog_item_key(f->catalog, hd_slice_of("a"), 0, &key));
    assert_non_null(strstr(heed_error_message(HEED_EN), "'a'"));
    int64_t a = key_of(f, "a", 1), b = key_of(f, "b", 1);
    assert_true(a != b);
    assert_int_equal(key_of(f, "a", 2), a);
    assert_int_equal(key_of(f, "b", 0), b);
    assert_fails(HEED_INPUT, hd_catalog_item_key(f->catalog, hd_slice_of(""), 1, &key));
    assert_fails(HEED_INPUT, hd_catalog_item_key(f->catalog, (hd_slice){NULL, 0}, 1, &key));
    assert_int_equal(ask(f->store, "SELECT count(*) FROM items"), 2);
}

// The cache must not remember what a rollback took, and no key is ever used again.
static void a_rollback_takes_its_keys(void **state) {
    fixture *f = *state;
    assert_ok(hd_store_begin(f->store));
    int64_t kept = key_of(f, "kept", 1);
    assert_ok(hd_store_begin(f->store));
    key_of(f, "gone", 1);
    hd_store_rollback(f->store);
    int64_t other = key_of(f, "other", 1);
    int64_t again = key_of(f, "gone", 1);
    assert_true(again != other);
    assert_int_equal(key_of(f, "kept", 1), kept);
    assert_ok(hd_store_commit(f->store));
    assert_int_equal(ask(f->store, "SELECT count(*) FROM items WHERE id = 'gone'"), 1);
    assert_int_equal(key_of(f, "gone", 0), again);
}

// More ids than the cache holds, asked for twice in different orders.
static void a_full_cache_begins_anew(void **state) {
    fixture *f = *state;
    enum { IDS = 140000 };
    char id[64];
    assert_ok(hd_store_begin(f->store));
    int64_t *keys = test_calloc(IDS, sizeof *keys);
    for (int i = 0; i < IDS; i++) {
        snprintf(id, sizeof id, "item-%d", i);
        keys[i] = key_of(f, id, 1);
    }
    size_t used = hd_mem_used();
    for (int i = IDS - 1; i >= 0; i -= 7) {
        snprintf(id, sizeof id, "item-%d", i);
        assert_int_equal(key_of(f, id, 1), keys[i]);
    }
    assert_true(hd_mem_used() < used + (32 << 20));
    assert_ok(hd_store_commit(f->store));
    assert_int_equal(ask(f->store, "SELECT count(*) FROM items"), IDS);
    test_free(keys);
}

static hd_record full_item(void) {
    hd_record r = item_of("tea");
    r.item.title = hd_slice_of("绿茶 Tea");
    r.item.brand = hd_slice_of("Leaf");
    r.item.categories = hd_slice_of(" [ \"Food\" , \"Drinks\" ] ");
    r.item.price = 12.5;
    r.item.currency = hd_slice_of("CNY");
    r.item.attributes = hd_slice_of("{\"colour\": \"green\", \"grams\": 250}");
    r.item.created = 1700000000000;
    r.item.hidden = 1;
    r.item.replenishable = 1;
    return r;
}

static void an_item_comes_back_whole(void **state) {
    fixture *f = *state;
    hd_record r = full_item();
    assert_int_equal(put(f, 1, &r), NEW);
    hd_arena arena;
    hd_arena_init(&arena);
    hd_item item;
    assert_ok(hd_catalog_item_get(f->catalog, key_of(f, "tea", 0), &arena, &item));
    assert_string_equal(item.id, "tea");
    assert_string_equal(item.title, "绿茶 Tea");
    assert_string_equal(item.brand, "Leaf");
    assert_int_equal(item.n_categories, 2);
    assert_string_equal(item.categories[0], "Food");
    assert_string_equal(item.categories[1], "Drinks");
    assert_true(item.price == 12.5);
    assert_string_equal(item.currency, "CNY");
    assert_string_equal(item.attributes, "{\"colour\":\"green\",\"grams\":250}");
    assert_true(item.created == 1700000000000);
    assert_true(item.hidden);
    assert_true(item.replenishable);
    assert_fails(HEED_NOT_FOUND, hd_catalog_item_get(f->catalog, 999, &arena, &item));
    hd_arena_clear(&arena);
}

static void a_bare_item_reads_as_unknown(void **state) {
    fixture *f = *state;
    int64_t key = key_of(f, "bare", 1);
    hd_arena arena;
    hd_arena_init(&arena);
    hd_item item;
    assert_ok(hd_catalog_item_get(f->catalog, key, &arena, &item));
    assert_string_equal(item.title, "");
    assert_string_equal(item.brand, "");
    assert_int_equal(item.n_categories, 0);
    assert_true(isnan(item.price));
    assert_string_equal(item.currency, "");
    assert_string_equal(item.attributes, "{}");
    assert_true(item.created == HD_TIME_NONE);
    assert_false(item.hidden);
    assert_false(item.replenishable);
    hd_arena_clear(&arena);
}

static void what_is_not_given_stays(void **state) {
    fixture *f = *state;
    hd_record r = full_item();
    put(f, 1, &r);
    assert_int_equal(put(f, 2, &r), SAME);
    hd_record bare = item_of("tea");
    assert_int_equal(put(f, 2, &bare), SAME);
    hd_record some = item_of("tea");
    some.item.price = 13;
    some.item.hidden = 0;
    some.item.attributes = hd_slice_of("{\"grams\":500,\"origin\":\"Fujian\"}");
    assert_int_equal(put(f, 2, &some), CHANGED);
    assert_int_equal(put(f, 2, &some), SAME);
    assert_int_equal(ask(f->store,
                         "SELECT count(*) FROM items WHERE id = 'tea' AND title = '绿茶 Tea' AND"
                         " price = 13 AND hidden = 0 AND replenishable = 1 AND attributes ="
                         " '{\"colour\":\"green\",\"grams\":500,\"origin\":\"Fujian\"}'"),
                     1);
    // An event named it first: the first record that describes it makes it new.
    key_of(f, "cup", 2);
    hd_record cup = item_of("cup");
    assert_int_equal(put(f, 3, &cup), NEW);
    assert_int_equal(put(f, 3, &cup), SAME);
}

static void bad_fields_are_named_and_write_nothing(void **state) {
    fixture *f = *state;
    static const struct {
        const char *categories, *attributes, *currency, *field;
        double price;
    } bad[] = {
        {.categories = "{}", .field = "categories", .price = NAN},
        {.categories = "[1]", .field = "categories", .price = NAN},
        {.categories = "[\"a\"", .field = "categories", .price = NAN},
        {.attributes = "[]", .field = "attributes", .price = NAN},
        {.attributes = "{\"a\":}", .field = "attributes", .price = NAN},
        {.currency = "yuan", .field = "currency", .price = NAN},
        {.field = "price", .price = INFINITY},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        hd_record r = item_of("x");
        int changed;
        r.item.title = hd_slice_of("X");
        r.item.categories = hd_slice_of(bad[i].categories);
        r.item.attributes = hd_slice_of(bad[i].attributes);
        r.item.currency = hd_slice_of(bad[i].currency);
        r.item.price = bad[i].price;
        assert_fails(HEED_INPUT, hd_catalog_put(f->catalog, 1, &r, &changed));
        assert_non_null(strstr(heed_error_message(HEED_EN), bad[i].field));
    }
    hd_record nameless = item_of(""), user = {.kind = HD_KIND_USERS}, x = item_of("x");
    int changed;
    assert_fails(HEED_INPUT, hd_catalog_put(f->catalog, 1, &nameless, &changed));
    assert_fails(HEED_INTERNAL, hd_catalog_put(f->catalog, 1, &user, &changed));
    assert_fails(HEED_INTERNAL, hd_catalog_put(f->catalog, 0, &x, &changed));
    assert_int_equal(ask(f->store, "SELECT count(*) FROM items"), 0);
}

static void documents_are_named_by_what_they_have(void **state) {
    fixture *f = *state;
    hd_record a = document_of("faq-1");
    a.document.title = hd_slice_of("Returns");
    a.document.text = hd_slice_of("Within 7 days.");
    a.document.updated = 5;
    assert_int_equal(put(f, 1, &a), NEW);
    assert_int_equal(put(f, 2, &a), SAME);
    hd_record b = document_of("faq-1");
    b.document.text = hd_slice_of("Within 14 days.");
    b.document.lang = hd_slice_of("en");
    assert_int_equal(put(f, 2, &b), CHANGED);
    assert_int_equal(ask(f->store, "SELECT updated FROM documents WHERE title = 'Returns' AND"
                                   " text = 'Within 14 days.' AND lang = 'en'"),
                     5);
    hd_record by_url = document_of(NULL);
    by_url.document.url = hd_slice_of("https://shop.example/faq");
    assert_int_equal(put(f, 2, &by_url), NEW);
    assert_int_equal(put(f, 2, &by_url), SAME);
    hd_record by_text = document_of(NULL), by_title = document_of(NULL);
    by_text.document.text = hd_slice_of("Open from 9 to 5");
    by_title.document.title = hd_slice_of("Open from 9 to 5");
    assert_int_equal(put(f, 2, &by_text), NEW);
    assert_int_equal(put(f, 2, &by_text), SAME);
    assert_int_equal(put(f, 2, &by_title), NEW); // the same words, but another document
    hd_record nothing = document_of("");
    int changed;
    assert_fails(HEED_INPUT, hd_catalog_put(f->catalog, 2, &nothing, &changed));
    assert_int_equal(ask(f->store, "SELECT count(*) FROM documents"), 4);
}

static void all_of_it_loads_in_key_order(void **state) {
    fixture *f = *state;
    key_of(f, "stub", 1);
    hd_record tea = full_item();
    put(f, 1, &tea);
    hd_record cup = item_of("cup");
    cup.item.brand = hd_slice_of("Leaf");
    cup.item.categories = hd_slice_of("[\"Food\",\"Drinks\"]");
    put(f, 1, &cup);
    hd_record pot = item_of("pot");
    pot.item.brand = hd_slice_of("Clay");
    pot.item.categories = hd_slice_of("[\"Home\",\"Drinks\"]");
    put(f, 1, &pot);

    hd_items items;
    assert_ok(hd_catalog_load(f->catalog, &items));
    assert_int_equal(items.n, 4);
    static const char *const ids[] = {"stub", "tea", "cup", "pot"};
    for (size_t i = 0; i < 4; i++) {
        uint64_t at = 99;
        assert_string_equal(items.items[i].id, ids[i]);
        assert_true(hd_map_get(&items.by_id, ids[i], strlen(ids[i]), &at));
        assert_int_equal(at, i);
        assert_true(hd_imap_get(&items.by_key, (uint64_t)items.items[i].key, &at));
        assert_int_equal(at, i);
    }
    assert_int_equal(items.items[0].n_categories, 0);
    assert_int_equal(items.items[1].n_categories, 2);
    assert_ptr_equal(items.items[1].categories, items.items[2].categories); // parsed once
    assert_string_equal(items.items[3].categories[0], "Home");
    static const char *const categories[] = {"Food", "Drinks", "Home"};
    assert_int_equal(items.categories.count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(items.categories.entries[i].key, categories[i]);
        assert_int_equal(items.categories.entries[i].value, i);
    }
    assert_int_equal(items.brands.count, 2);
    hd_items_clear(&items);

    hd_catalog_counts counts;
    assert_ok(hd_catalog_count(f->catalog, &counts));
    assert_int_equal(counts.items, 4);
    assert_int_equal(counts.items_without_title, 3);
    assert_int_equal(counts.hidden, 1);
    assert_int_equal(counts.documents, 0);
}

static void an_empty_catalogue_loads(void **state) {
    fixture *f = *state;
    hd_items items;
    assert_ok(hd_catalog_load(f->catalog, &items));
    assert_int_equal(items.n, 0);
    hd_items_clear(&items);
}

static heed_err put_and_load(fixture *f, const hd_record *record) {
    int changed;
    int64_t key;
    hd_items items;
    HD_TRY(hd_store_begin(f->store));
    heed_err err = hd_catalog_put(f->catalog, 1, record, &changed);
    if (err == HEED_OK) err = hd_catalog_item_key(f->catalog, hd_slice_of("other"), 1, &key);
    if (err == HEED_OK) err = hd_catalog_load(f->catalog, &items);
    if (err == HEED_OK) {
        assert_int_equal(items.n, 2);
        hd_items_clear(&items);
    }
    hd_store_rollback(f->store);
    return err;
}

static void failing_allocations_are_told(void **state) {
    fixture *f = *state;
    hd_record tea = full_item();
    bool finished = false;
    for (uint64_t n = 1; !finished; n++) {
        (void)hd_mem_calls();
        hd_mem_fail_at(n, true);
        heed_err err = put_and_load(f, &tea);
        hd_mem_fail_at(0, true);
        finished = hd_mem_calls() < n;
        assert_true(err == HEED_OK || err == HEED_MEMORY);
        assert_int_equal(ask(f->store, "SELECT count(*) FROM items"), 0);
    }
}

int main(void) {
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    const struct CMUnitTest tests[] = {
        CATALOG_TEST(keys_are_made_once_and_found),
        CATALOG_TEST(a_rollback_takes_its_keys),
        CATALOG_TEST(a_full_cache_begins_anew),
        CATALOG_TEST(an_item_comes_back_whole),
        CATALOG_TEST(a_bare_item_reads_as_unknown),
        CATALOG_TEST(what_is_not_given_stays),
        CATALOG_TEST(bad_fields_are_named_and_write_nothing),
        CATALOG_TEST(documents_are_named_by_what_they_have),
        CATALOG_TEST(all_of_it_loads_in_key_order),
        CATALOG_TEST(an_empty_catalogue_loads),
        CATALOG_TEST(failing_allocations_are_told),
    };
    return cmocka_run_group_tests_name("catalog", tests, NULL, NULL);
}
