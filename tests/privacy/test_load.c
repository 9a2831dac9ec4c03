// SPDX-License-Identifier: Apache-2.0
//
// Loading many events: indexes that go and come back, repeats that are settled at the end, keys,
// the two bounded memories, and the snapshot's order and hash.
#include "privacy_test.h"

#include "privacy/idcache.h"
#include "privacy/seen.h"

enum { MANY = 3000 };

static int64_t indexes(fixture *f) {
    return ask(f, "SELECT count(*) FROM sqlite_schema WHERE name IN "
                  "('events_by_user', 'events_by_id')");
}

// n events "e<first>" .. by "u<i % 50>" at time i.
static void put_many(fixture *f, int64_t batch, int first, int n) {
    for (int i = first; i < first + n; i++) {
        char id[16], user[16];
        snprintf(id, sizeof id, "e%d", i);
        snprintf(user, sizeof user, "u%d", i % 50);
        put(f, batch, event_record(id, user, "view", i), 1 + i % 7);
    }
}

static void test_repeats_at_the_end(void **state) {
    fixture *f = *state;
    assert_ok(hd_store_begin(f->store));
    put_many(f, 1, 0, MANY);
    assert_int_equal(indexes(f), 0);
    put_many(f, 1, 100, 10);
    put(f, 1, event_record("e7", "stranger", "view", 1), 1); // a repeat: its user isn't made
    put(f, 1, event_record("new", "u1", "cart", HD_TIME_NONE), 1);
    assert_int_equal(end(f, 1), 11);
    assert_int_equal(indexes(f), 2);
    assert_int_equal(ask(f, "SELECT count(*) FROM events_waiting"), 0);
    hd_door_counts c = counts(f);
    assert_int_equal(c.events, MANY + 1);
    assert_int_equal(c.users, 50);

    // The id that was taken back is made anew when it comes again.
    assert_ok(hd_store_begin(f->store));
    put(f, 2, event_record("e-2", "stranger", "view", 1), 1);
    assert_int_equal(end(f, 2), 0);
    hd_door_event *e;
    assert_int_equal(events_of(f, "stranger", &e), 1);
}

static void test_a_few_on_many(void **state) {
    fixture *f = *state;
    assert_ok(hd_store_begin(f->store));
    put_many(f, 1, 0, 10 * MANY);
    end(f, 1);
    assert_ok(hd_store_begin(f->store));
    put_many(f, 2, 5, MANY); // repeats count for nothing
    assert_int_equal(indexes(f), 2);
    put_many(f, 2, 10 * MANY, MANY);
    assert_int_equal(indexes(f), 2);
    put_many(f, 2, 11 * MANY, 9 * MANY); // now the batch is large
    assert_int_equal(indexes(f), 0);
    put_many(f, 2, 20, 5);
    assert_int_equal(end(f, 2), 5);
    assert_int_equal(counts(f).events, 20 * MANY);
    assert_int_equal(undo(f, 2), 10 * MANY);
    assert_int_equal(indexes(f), 2);
    assert_int_equal(counts(f).events, 10 * MANY);
    undo(f, 1);
    assert_empty(f);
}

static void test_rollback_of_a_load(void **state) {
    fixture *f = *state;
    assert_ok(hd_store_begin(f->store));
    put_many(f, 1, 0, MANY);
    hd_store_rollback(f->store);
    assert_int_equal(indexes(f), 2);
    assert_empty(f);

    // A rollback inside the batch: what was before it stays, and the batch goes on.
    assert_ok(hd_store_begin(f->store));
    put_many(f, 1, 0, MANY);
    assert_ok(hd_store_begin(f->store));
    put_many(f, 1, MANY, 10);
    hd_store_rollback(f->store);
    put_many(f, 1, MANY - 5, 10);
    assert_int_equal(indexes(f), 0);
    assert_int_equal(end(f, 1), 5);
    assert_int_equal(indexes(f), 2);
    assert_int_equal(counts(f).events, MANY + 5);
}

// A door opened in the middle of another's load, on the same store, ends it properly.
static void test_end_by_another_door(void **state) {
    fixture *f = *state;
    assert_ok(hd_store_begin(f->store));
    put_many(f, 1, 0, MANY);
    put_many(f, 1, 0, 1);
    hd_door_close(f->door);
    assert_ok(hd_door_open(f->store, f->keys.keyring, &f->door));
    assert_int_equal(end(f, 1), 1);
    assert_int_equal(indexes(f), 2);
    assert_int_equal(counts(f).events, MANY);
}

// ── Snapshot ──

static double all(void *ctx, const char *type, double value) {
    (void)ctx, (void)value;
    return strcmp(type, "view") == 0 ? 1 : 2;
}

static hd_snapshot snapshot(fixture *f) {
    static const int64_t items[] = {1, 2, 3};
    hd_snapshot s;
    assert_ok(hd_door_snapshot(f->door, HD_PURPOSE_TRAIN, items, 3, (hd_signals){all, NULL}, &s));
    return s;
}

static void put_three(fixture *f, int64_t batch, bool timed) {
    assert_ok(hd_store_begin(f->store));
    put(f, batch, event_record(NULL, "zoe", "view", timed ? 9 : HD_TIME_NONE), 3);
    put(f, batch, event_record(NULL, "ann", "cart", timed ? 5 : HD_TIME_NONE), 2);
    put(f, batch, event_record(NULL, "zoe", "view", timed ? 4 : HD_TIME_NONE), 1);
    put(f, batch, event_record(NULL, NULL, "view", timed ? 4 : HD_TIME_NONE), 1);
    put(f, batch, event_record(NULL, "zoe", "view", timed ? 4 : HD_TIME_NONE), 2);
    put(f, batch, event_record(NULL, "bob", "view", timed ? 4 : HD_TIME_NONE), 99);
    end(f, batch);
}

static void test_snapshot(void **state) {
    fixture *f = *state;
    hd_snapshot s = snapshot(f);
    assert_int_equal(s.events.n_rows, 0);
    assert_int_equal(s.events.start[0], 0);
    hd_snapshot_clear(&s);

    put_three(f, 1, true);
    s = snapshot(f);
    assert_int_equal(s.events.n_rows, 2); // bob has no entry of these items
    assert_int_equal(s.events.n, 4);
    const uint32_t timed[] = {0, 1, 2, 1}; // zoe: by time, ties as they came; then ann
    assert_memory_equal(s.events.col, timed, sizeof timed);
    assert_true(s.events.weight[3] == 2 && s.events.weight[0] == 1);
    assert_int_equal(s.events.time[2], 9);
    assert_int_equal(s.events.start[1], 3);
    assert_int_equal(s.user_key[0], key_of(f, "zoe"));
    assert_int_equal(s.item_key[2], 3);
    hd_door_event *e;
    events_of(f, "zoe", &e);
    assert_int_equal(s.events.source[2], e[2].key);
    char hash[65];
    memcpy(hash, s.hash, sizeof hash);
    assert_int_equal(strlen(hash), 64);
    hd_snapshot_clear(&s);

    // The same data under other keys has the same hash; other times have another.
    undo(f, 1);
    put_three(f, 2, true);
    s = snapshot(f);
    assert_string_equal(s.hash, hash);
    hd_snapshot_clear(&s);
    undo(f, 2);
    put_three(f, 3, false);
    s = snapshot(f);
    assert_string_not_equal(s.hash, hash);
    assert_null(s.events.time);
    const uint32_t as_input[] = {2, 0, 1, 1};
    assert_memory_equal(s.events.col, as_input, sizeof as_input);
    hd_snapshot_clear(&s);
}

// BLAKE2b-256 of 24 bytes (no rows, three columns, no entries), computed by Python's hashlib.
static void test_hash_of_nothing(void **state) {
    hd_snapshot s = snapshot(*state);
    assert_string_equal(s.hash, "2ec128797a7c92c000d80fc92406c8db0f51152d3bb83885c6f56b45af86b61f");
    hd_snapshot_clear(&s);
}

// A failing callback ends the scan with its own failure.
static heed_err refuse(void *ctx, int64_t user_key, const hd_door_event *events, size_t n_events,
                       const hd_door_review *reviews, size_t n_reviews) {
    (void)user_key, (void)events, (void)n_events, (void)reviews, (void)n_reviews;
    ++*(int *)ctx;
    return HD_FAIL(HEED_UNAVAILABLE, "enough", "够了");
}

static void test_scan_ends(void **state) {
    fixture *f = *state;
    int calls = 0;
    put_three(f, 1, true);
    assert_int_equal(hd_door_scan(f->door, HD_PURPOSE_TRAIN, true, refuse, &calls),
                     HEED_UNAVAILABLE);
    assert_int_equal(calls, 1);
    hd_snapshot s = snapshot(f); // the transaction is closed
    hd_snapshot_clear(&s);
}

// ── The bounded memories ──

static void test_idcache(void **state) {
    (void)state;
    enum { N = 200000 };
    hd_idcache cache;
    char id[24];
    int64_t key;
    int known = 0;
    hd_idcache_init(&cache);
    assert_false(hd_idcache_get(&cache, hd_slice_of("x"), &key));
    for (int i = 1; i <= N; i++) {
        size_t n = (size_t)snprintf(id, sizeof id, "id %d", i);
        assert_ok(hd_idcache_put(&cache, (hd_slice){id, n}, i));
    }
    for (int i = 1; i <= N; i++) {
        size_t n = (size_t)snprintf(id, sizeof id, "id %d", i);
        if (!hd_idcache_get(&cache, (hd_slice){id, n}, &key)) continue;
        assert_int_equal(key, i); // never a wrong one
        known++;
    }
    assert_true(known > N * 99 / 100); // a fifth full: few sets hold more than four
    assert_ok(hd_idcache_put(&cache, hd_slice_of("id 5"), 77)); // replaces
    assert_true(hd_idcache_get(&cache, hd_slice_of("id 5"), &key) && key == 77);
    assert_ok(hd_idcache_put(&cache, hd_slice_of("id 5"), 0)); // forgets
    assert_false(hd_idcache_get(&cache, hd_slice_of("id 5"), &key));
    hd_idcache_forget(&cache);
    assert_false(hd_idcache_get(&cache, hd_slice_of("id 6"), &key));
    hd_idcache_clear(&cache);
}

static void test_seen(void **state) {
    (void)state;
    enum { N = 200000 };
    hd_seen seen;
    char id[24];
    bool maybe;
    int wrong = 0;
    hd_seen_init(&seen);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++) {
            size_t n = (size_t)snprintf(id, sizeof id, "id %d", i);
            assert_ok(hd_seen_add(&seen, (hd_slice){id, n}, &maybe));
            if (round == 0) wrong += maybe;
            if (round == 1) assert_true(maybe); // what was added is never denied
        }
    }
    assert_true(wrong < N / 1000);
    hd_seen_clear(&seen);
    assert_ok(hd_seen_add(&seen, hd_slice_of("id 1"), &maybe));
    assert_false(maybe);
    hd_seen_clear(&seen);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DOOR_TEST(test_repeats_at_the_end), DOOR_TEST(test_a_few_on_many),
        DOOR_TEST(test_rollback_of_a_load), DOOR_TEST(test_end_by_another_door),
        DOOR_TEST(test_snapshot),           DOOR_TEST(test_hash_of_nothing),
        DOOR_TEST(test_scan_ends),          cmocka_unit_test(test_idcache),
        cmocka_unit_test(test_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
