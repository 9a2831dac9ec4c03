// SPDX-License-Identifier: Apache-2.0
//
// Import batches: what is written comes back, a hash finds its batch until it is undone.

#include "store_test.h"

#include "store/batch.h"

static hd_store *migrated(const scratch *s) {
    hd_store *store = open_db(s, HD_STORE_CREATE);
    assert_ok(hd_store_migrate(store, hd_batch_migrations, hd_batch_n_migrations));
    return store;
}

static hd_batch batch_of(const char *kind, const char *hash) {
    hd_batch b = {.kind = kind, .source = "events.csv", .preset = "", .started = 1234567};
    snprintf(b.hash, sizeof b.hash, "%s", hash);
    return b;
}

static void a_batch_comes_back_whole(void **state) {
    hd_store *store = migrated(*state);
    hd_arena arena;
    hd_arena_init(&arena);
    hd_batch b = batch_of("events", ""); // from stdin: the hash is known at the end
    assert_ok(hd_batch_begin(store, &b));
    assert_true(b.id > 0);
    memset(b.hash, 'a', 64);
    b.rows_read = 15, b.rows_new = 1, b.rows_changed = 2, b.rows_same = 4, b.rows_rejected = 8;
    assert_ok(hd_batch_finish(store, &b));

    hd_batch got;
    assert_ok(hd_batch_get(store, b.id, &arena, &got));
    assert_int_equal(got.id, b.id);
    assert_string_equal(got.kind, "events");
    assert_string_equal(got.source, "events.csv");
    assert_string_equal(got.preset, "");
    assert_string_equal(got.hash, b.hash);
    assert_int_equal(got.started, 1234567);
    assert_int_equal(got.rows_read, 15);
    assert_int_equal(got.rows_new, 1);
    assert_int_equal(got.rows_changed, 2);
    assert_int_equal(got.rows_same, 4);
    assert_int_equal(got.rows_rejected, 8);
    assert_false(got.undone);

    b.id = 99;
    assert_fails(HEED_NOT_FOUND, hd_batch_get(store, 99, &arena, &got));
    assert_fails(HEED_NOT_FOUND, hd_batch_finish(store, &b));
    assert_fails(HEED_NOT_FOUND, hd_batch_mark_undone(store, 99));
    hd_arena_clear(&arena);
    hd_store_close(store);
}

static void a_hash_finds_its_newest_batch_until_undone(void **state) {
    hd_store *store = migrated(*state);
    hd_batch first = batch_of("events", "h1"), second = batch_of("events", "h1");
    hd_batch other = batch_of("users", "h1");
    assert_ok(hd_batch_begin(store, &first));
    assert_ok(hd_batch_begin(store, &second));
    assert_ok(hd_batch_begin(store, &other));
    int64_t id = 0;
    bool found;
    assert_ok(hd_batch_find_hash(store, "h1", "events", &id, &found));
    assert_true(found);
    assert_int_equal(id, second.id);
    assert_ok(hd_batch_mark_undone(store, second.id));
    assert_ok(hd_batch_find_hash(store, "h1", "events", &id, &found));
    assert_int_equal(id, first.id);
    assert_ok(hd_batch_mark_undone(store, first.id));
    assert_ok(hd_batch_find_hash(store, "h1", "events", &id, &found));
    assert_false(found);
    assert_ok(hd_batch_find_hash(store, "h2", "users", &id, &found));
    assert_false(found);
    hd_store_close(store);
}

static void the_list_is_newest_first(void **state) {
    hd_store *store = migrated(*state);
    hd_arena arena;
    hd_arena_init(&arena);
    hd_batch *list;
    size_t n;
    assert_ok(hd_batch_list(store, &arena, &list, &n));
    assert_int_equal(n, 0);
    for (int i = 0; i < 20; i++) {
        hd_batch b = batch_of("items", "h");
        assert_ok(hd_batch_begin(store, &b));
    }
    assert_ok(hd_batch_list(store, &arena, &list, &n));
    assert_int_equal(n, 20);
    for (size_t i = 1; i < n; i++) assert_true(list[i].id < list[i - 1].id);
    assert_string_equal(list[19].kind, "items");
    hd_arena_clear(&arena);
    hd_store_close(store);
}

static void a_failing_allocation_is_told(void **state) {
    hd_store *store = migrated(*state);
    hd_batch b = batch_of("items", "h");
    assert_ok(hd_batch_begin(store, &b));
    bool finished = false;
    for (uint64_t n = 1; !finished; n++) {
        hd_arena arena;
        hd_arena_init(&arena);
        hd_batch *list = NULL;
        size_t count = 0;
        (void)hd_mem_calls();
        hd_mem_fail_at(n, true);
        heed_err err = hd_batch_list(store, &arena, &list, &count);
        hd_mem_fail_at(0, true);
        finished = hd_mem_calls() < n;
        assert_int_equal(err, finished ? HEED_OK : HEED_MEMORY);
        hd_arena_clear(&arena);
    }
    hd_store_close(store);
}

int main(void) {
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(a_batch_comes_back_whole),
        SCRATCH_TEST(a_hash_finds_its_newest_batch_until_undone),
        SCRATCH_TEST(the_list_is_newest_first),
        SCRATCH_TEST(a_failing_allocation_is_told),
    };
    return cmocka_run_group_tests_name("store_batch", tests, NULL, NULL);
}
