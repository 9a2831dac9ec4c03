// SPDX-License-Identifier: Apache-2.0
//
// Every allocation of ours and of SQLite's fails once in turn, over a life of the door: importing
// (with repeats, a bulk load, joins), reading, undoing. Each time the failure is reported as such,
// what was acknowledged stands, and nothing leaks.
#include "privacy_test.h"

typedef struct life {
    key_files keys;
    const char *path;
    hd_store *store;
    hd_door *door;
    bool imported; // acknowledged
} life;

static heed_err put_record(life *l, hd_record r, int64_t item) {
    hd_put what;
    return hd_door_put(l->door, 1, &r, item, &what);
}

static heed_err import(life *l, int n) {
    int64_t repeats;
    HD_TRY(put_record(l, user_record("ann", "cookie", "{\"city\":\"Wuhan\"}"), 0));
    HD_TRY(put_record(l, user_record("ann", NULL, "{\"vip\":1}"), 0));
    HD_TRY(put_record(l, review_record("r", "ann", 1, "bad", 1), 1));
    HD_TRY(put_record(l, review_record("r", "ann", 2, "good", 1), 1));
    HD_TRY(put_record(l, ticket_record("t", "bob", "open", "m", "help"), 0));
    for (int i = 0; i < n; i++) {
        char id[16];
        snprintf(id, sizeof id, "e%d", i % (n - 1));
        HD_TRY(put_record(l, event_record(id, i % 3 ? "cookie" : "bob", "view", i), 1));
    }
    return hd_door_put_end(l->door, 1, &repeats);
}

static heed_err import_whole(life *l, int n) {
    HD_TRY(hd_store_begin(l->store));
    heed_err err = import(l, n);
    if (err == HEED_OK)
        err = hd_store_commit(l->store);
    else
        hd_store_rollback(l->store);
    l->imported = err == HEED_OK;
    return err;
}

static heed_err ignore(void *ctx, int64_t user_key, const hd_door_event *events, size_t n_events,
                       const hd_door_review *reviews, size_t n_reviews) {
    (void)ctx, (void)user_key, (void)events, (void)n_events, (void)reviews, (void)n_reviews;
    return HEED_OK;
}
static heed_err ignore_event(void *ctx, int64_t user_key, const hd_door_event *event) {
    (void)ctx, (void)user_key, (void)event;
    return HEED_OK;
}
static double one(void *ctx, const char *type, double value) {
    (void)ctx, (void)type, (void)value;
    return 1;
}

static heed_err read_all(life *l, hd_arena *arena) {
    int64_t key, item = 1;
    hd_door_user user;
    hd_door_event *events;
    hd_door_review *reviews;
    hd_snapshot snapshot;
    hd_door_counts c;
    char **ids, *id;
    size_t n;
    bool used;
    HD_TRY(hd_door_user_find(l->door, HD_PURPOSE_NEED, hd_slice_of("cookie"), &key));
    HD_TRY(hd_door_user_get(l->door, HD_PURPOSE_NEED, key, arena, &user));
    HD_TRY(hd_door_user_id(l->door, HD_PURPOSE_NEED, key, arena, &id));
    HD_TRY(hd_door_events(l->door, HD_PURPOSE_NEED, key, 0, arena, &events, &n));
    HD_TRY(hd_door_reviews(l->door, HD_PURPOSE_NEED, key, arena, &reviews, &n));
    HD_TRY(hd_door_busiest(l->door, HD_PURPOSE_NEED, 2, arena, &ids, &n));
    HD_TRY(hd_door_count(l->door, HD_PURPOSE_NEED, &c));
    HD_TRY(hd_door_item_used(l->door, 1, &used));
    HD_TRY(hd_door_scan(l->door, HD_PURPOSE_NEED, true, ignore, NULL));
    HD_TRY(hd_door_scan_events(l->door, HD_PURPOSE_NEED, ignore_event, NULL));
    HD_TRY(
        hd_door_snapshot(l->door, HD_PURPOSE_NEED, &item, 1, (hd_signals){one, NULL}, &snapshot));
    hd_snapshot_clear(&snapshot);
    return HEED_OK;
}

static heed_err live(life *l, int n) {
    int64_t rows;
    HD_TRY(hd_store_open(l->path, HD_STORE_WRITE, 1 << 20, NULL, &l->store));
    HD_TRY(hd_store_open(l->keys.subjects, HD_STORE_WRITE, 1 << 20, NULL, &l->keys.store));
    const hd_keyring_params params = {
        .folder = l->keys.folder, .subjects = l->keys.store, .write = true};
    HD_TRY(hd_keyring_open(&params, &l->keys.keyring));
    HD_TRY(hd_door_open(l->store, l->keys.keyring, &l->door));
    HD_TRY(import_whole(l, n));
    hd_arena arena;
    hd_arena_init(&arena);
    heed_err err = read_all(l, &arena);
    hd_arena_clear(&arena);
    HD_TRY(err);
    HD_TRY(hd_door_merge(l->door, hd_slice_of("bob"), hd_slice_of("ann")));
    return hd_door_undo(l->door, 1, &rows);
}

// The fixture's own connection would share memory with the one under test.
static void leave(fixture *f) {
    hd_door_close(f->door);
    hd_store_close(f->store);
    keys_close(&f->keys);
    f->door = NULL;
    f->store = NULL;
}
static void enter(fixture *f) {
    assert_ok(hd_store_open(f->path, HD_STORE_WRITE, 1 << 20, NULL, &f->store));
    assert_ok(keys_open(&f->keys, true, NULL));
    assert_ok(hd_door_open(f->store, f->keys.keyring, &f->door));
}

// What stands afterwards.
static void check(fixture *f, bool imported, heed_err err) {
    int64_t events = counts(f).events;
    if (err == HEED_OK || !imported) {
        assert_int_equal(events, 0);
    } else {
        assert_true(events > 0);
    }
    assert_int_equal(ask(f, "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'events\\_by%' "
                            "ESCAPE '\\'"),
                     2);
    assert_int_equal(ask(f, "SELECT count(*) FROM events_waiting"), 0);
}

static void clean(fixture *f) {
    assert_ok(hd_store_exec(f->store, "DELETE FROM user_links; DELETE FROM events;"
                                      "DELETE FROM reviews; DELETE FROM messages;"
                                      "DELETE FROM tickets; DELETE FROM users;"
                                      "DELETE FROM reviews_before; DELETE FROM event_types"));
}

// `step` thins the failures out where a life is long.
static void fail_each(fixture *f, int n, uint64_t step) {
    for (uint64_t at = 1;; at += step) {
        leave(f);
        life l = {.path = f->path, .keys = f->keys};
        size_t before = hd_mem_used();
        hd_mem_fail_at(at, true);
        heed_err err = live(&l, n);
        hd_mem_fail_at(0, true);
        hd_door_close(l.door);
        hd_store_close(l.store);
        keys_close(&l.keys);
        if (hd_mem_used() != before) fail_msg("allocation %d leaves memory behind", (int)at);
        if (err != HEED_OK && err != HEED_MEMORY) {
            fail_msg("allocation %d: %s", (int)at, heed_error_message(HEED_EN));
        }
        enter(f);
        check(f, l.imported, err);
        clean(f);
        if (err == HEED_OK && at > 1000) return; // past the last one
    }
}

static void test_small(void **state) {
    fail_each(*state, 5, 1);
}
static void test_bulk(void **state) {
    fail_each(*state, 1500, 97);
}

int main(void) {
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    const struct CMUnitTest tests[] = {
        DOOR_TEST(test_small),
        DOOR_TEST(test_bulk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
