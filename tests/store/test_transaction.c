// SPDX-License-Identifier: Apache-2.0
//
// Transactions: nesting, isolation, two connections, interruption, and a transaction that the
// database itself gave up.

#include "store_test.h"

#include <pthread.h>

static hd_store *with_table(const scratch *s) {
    hd_store *store = open_db(s, HD_STORE_CREATE);
    assert_ok(hd_store_exec(store, "CREATE TABLE t (k INTEGER PRIMARY KEY, v INTEGER) STRICT"));
    return store;
}

static void add(hd_store *store, int v) {
    hd_query *q;
    assert_ok(hd_query_open(store, "INSERT INTO t (v) VALUES (?1)", &q));
    hd_query_bind_i64(q, 1, v);
    assert_ok(hd_query_run(q));
    hd_query_close(q);
}

static int64_t sum(hd_store *store) {
    return ask(store, "SELECT coalesce(sum(v), 0) FROM t");
}

static void inner_rollback_keeps_the_outer(void **state) {
    hd_store *store = with_table(*state);
    assert_ok(hd_store_begin(store));
    add(store, 1);
    assert_ok(hd_store_begin(store));
    add(store, 2);
    assert_ok(hd_store_begin(store));
    add(store, 4);
    assert_ok(hd_store_commit(store));
    uint64_t before = hd_store_epoch(store);
    hd_store_rollback(store); // takes 2, and 4 that was committed into it
    assert_true(hd_store_epoch(store) > before);
    assert_ok(hd_store_begin(store));
    add(store, 8);
    assert_ok(hd_store_commit(store));
    assert_int_equal(sum(store), 9);
    assert_ok(hd_store_commit(store));
    assert_int_equal(sum(store), 9);
    hd_store_rollback(store); // nothing begun: nothing done
    assert_int_equal(sum(store), 9);
    assert_fails(HEED_INTERNAL, hd_store_commit(store));
    hd_store_close(store);
}

// A savepoint sets megabytes aside, as the moves of many rows do: in whatever pieces they are kept,
// they come back, and what is done after that stands.
static void a_large_savepoint_comes_back(void **state) {
    enum { PAGES = 2000 };
    hd_store *store = with_table(*state);
    assert_ok(hd_store_exec(store,
                            "CREATE TABLE wide (k INTEGER PRIMARY KEY, t TEXT);"
                            "WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n LIMIT"
                            " 2000) INSERT INTO wide SELECT k, printf('%03000d', k) FROM n"));
    assert_ok(hd_store_begin(store));
    assert_ok(hd_store_begin(store));
    assert_ok(hd_store_exec(store, "UPDATE wide SET t = printf('%03000d', 7)"));
    hd_store_rollback(store);
    assert_int_equal(ask(store, "SELECT count(*) FROM wide WHERE t = printf('%03000d', k)"), PAGES);
    assert_ok(hd_store_begin(store));
    assert_ok(hd_store_exec(store, "UPDATE wide SET t = printf('%03000d', k + 1)"));
    assert_ok(hd_store_commit(store));
    assert_ok(hd_store_commit(store));
    assert_int_equal(ask(store, "SELECT count(*) FROM wide WHERE t = printf('%03000d', k + 1)"),
                     PAGES);
    hd_store_close(store);
}

static void close_rolls_back(void **state) {
    hd_store *store = with_table(*state);
    assert_ok(hd_store_begin(store));
    assert_ok(hd_store_begin(store));
    add(store, 1);
    hd_store_close(store);
    store = open_db(*state, HD_STORE_WRITE);
    assert_int_equal(sum(store), 0);
    hd_store_close(store);
    hd_store_close(NULL);
}

static void a_reader_sees_one_snapshot(void **state) {
    hd_store *writer = with_table(*state);
    add(writer, 1);
    hd_store *reader = open_db(*state, HD_STORE_READ);
    assert_ok(hd_store_begin_read(reader)); // the snapshot is of now, before its first query
    assert_ok(hd_store_begin(writer));
    add(writer, 2);
    assert_int_equal(sum(reader), 1);
    assert_ok(hd_store_commit(writer));
    assert_int_equal(sum(reader), 1);
    uint64_t before = hd_store_epoch(reader), writes = hd_store_writes(reader);
    assert_ok(hd_store_commit(reader));
    assert_int_equal(sum(reader), 3);
    assert_ok(hd_store_begin_read(reader));
    assert_true(hd_store_epoch(reader) > before);
    assert_true(hd_store_writes(reader) > writes);
    assert_fails(HEED_INTERNAL, hd_store_begin(reader)); // would write
    assert_ok(hd_store_begin_read(reader));
    assert_ok(hd_store_commit(reader));
    assert_ok(hd_store_commit(reader));
    hd_store_close(reader);
    hd_store_close(writer);
}

// Whoever keeps rows beyond a transaction goes by it.
static void writes_are_counted(void **state) {
    hd_store *writer = with_table(*state);
    hd_store *reader = open_db(*state, HD_STORE_READ);
    uint64_t first = hd_store_writes(reader);
    assert_true(first > 0);
    assert_ok(hd_store_begin_read(reader));
    hd_store_rollback(reader);
    first = hd_store_writes(reader);
    assert_ok(hd_store_begin_read(reader));
    assert_true(hd_store_writes(reader) == first);
    hd_store_rollback(reader);
    uint64_t own = hd_store_writes(writer);
    assert_ok(hd_store_begin(writer));
    add(writer, 1);
    assert_ok(hd_store_commit(writer));
    assert_ok(hd_store_begin_read(writer));
    assert_true(hd_store_writes(writer) > own);
    hd_store_rollback(writer);
    assert_ok(hd_store_begin_read(reader));
    assert_true(hd_store_writes(reader) > first);
    hd_store_rollback(reader);
    hd_store_close(reader);
    hd_store_close(writer);
}

static void a_second_writer_is_told(void **state) {
    hd_store *a = with_table(*state);
    hd_store *b = open_db(*state, HD_STORE_WRITE);
    assert_ok(hd_store_exec(b, "PRAGMA busy_timeout = 1")); // else five seconds
    assert_ok(hd_store_begin(a));
    assert_fails(HEED_BUSY, hd_store_begin(b));
    assert_non_null(strstr(heed_error_message(HEED_EN), "heed.db"));
    hd_store_rollback(b); // nothing was begun
    add(a, 1);
    assert_ok(hd_store_commit(a));
    assert_ok(hd_store_begin(b));
    assert_ok(hd_store_commit(b));
    hd_store_close(b);
    hd_store_close(a);
}

// After a failure that ends the transaction in the database, nothing may slip in on its own.
static void a_lost_transaction_refuses_all(void **state) {
    hd_store *store = with_table(*state);
    add(store, 1);
    assert_ok(hd_store_begin(store));
    assert_ok(hd_store_begin(store));
    add(store, 2);
    assert_fails(HEED_CONFLICT,
                 hd_store_exec(store, "INSERT OR ROLLBACK INTO t (k, v) VALUES (1, 4)"));
    hd_query *q;
    assert_fails(HEED_CONFLICT, hd_store_exec(store, "INSERT INTO t (v) VALUES (8)"));
    assert_fails(HEED_CONFLICT, hd_query_open(store, "SELECT 1", &q));
    assert_fails(HEED_CONFLICT, hd_store_begin(store));
    assert_fails(HEED_CONFLICT, hd_store_commit(store));
    assert_fails(HEED_CONFLICT, hd_store_exec(store, "INSERT INTO t (v) VALUES (8)"));
    assert_fails(HEED_CONFLICT, hd_store_commit(store));
    assert_int_equal(sum(store), 1);
    assert_ok(hd_store_begin(store));
    add(store, 16);
    assert_ok(hd_store_commit(store));
    assert_int_equal(sum(store), 17);
    hd_store_close(store);
}

// The database runs full in the middle of a transaction: HEED_FULL, and what was before stands.
static void a_full_database_loses_nothing(void **state) {
    hd_store *store = with_table(*state);
    add(store, 1);
    assert_ok(hd_store_exec(store, "PRAGMA max_page_count = 20"));
    assert_ok(hd_store_begin(store));
    heed_err err = HEED_OK;
    for (int i = 0; i < 1000 && err == HEED_OK; i++) {
        err = hd_store_exec(store, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                                   " WHERE i < 1000) INSERT INTO t (v) SELECT i FROM n");
    }
    assert_fails(HEED_FULL, err);
    hd_store_rollback(store);
    assert_int_equal(heed_error_code(), HEED_FULL); // the rollback keeps the message
    assert_int_equal(sum(store), 1);
    hd_store_close(store);
}

static void *interrupt_soon(void *store) {
    for (int i = 0; i < 200; i++) {
        hd_store_interrupt(store);
        usleep(1000);
    }
    return NULL;
}

static void check_interruption(hd_store *store) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, interrupt_soon, store), 0);
    // Without the interruption this would run for days.
    heed_err err = hd_store_exec(store, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1"
                                        " FROM n) SELECT count(*) FROM n");
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_fails(HEED_INTERRUPTED, err);
}

static void a_long_statement_is_interrupted(void **state) {
    hd_store *store = with_table(*state);
    check_interruption(store);
    add(store, 1);
    hd_store_close(store);
}

// Who gives way gets to the end all the same, and can be interrupted as before.
static void giving_way_changes_nothing(void **state) {
    hd_store *store = with_table(*state);
    hd_store_give_way(store);
    assert_int_equal(ask(store, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                                " WHERE i < 50000) SELECT sum(i) FROM n"),
                     1250025000);
    add(store, 1);
    assert_int_equal(sum(store), 1);
    check_interruption(store);
    hd_store_close(store);
}

// 100 is added and taken back in a savepoint, whatever becomes of it; 1 is committed.
static heed_err one_and_a_savepoint(hd_store *store) {
    HD_TRY(hd_store_begin(store));
    heed_err err = hd_store_exec(store, "INSERT INTO t (v) VALUES (1)");
    if (err == HEED_OK && hd_store_begin(store) == HEED_OK) {
        (void)!hd_store_exec(store, "INSERT INTO t (v) VALUES (100)");
        hd_store_rollback(store);
    }
    if (err == HEED_OK) return hd_store_commit(store);
    hd_store_rollback(store);
    return err;
}

static void failing_allocations_leave_all_or_nothing(void **state) {
    hd_store *store = with_table(*state);
    for (int once = 0; once < 2; once++) {
        int64_t expected = sum(store);
        bool finished = false;
        for (uint64_t n = 1; !finished; n++) {
            (void)hd_mem_calls();
            hd_mem_fail_at(n, once);
            heed_err err = one_and_a_savepoint(store);
            hd_mem_fail_at(0, false);
            finished = hd_mem_calls() < n;
            assert_true(err == HEED_OK || err == HEED_MEMORY);
            if (err == HEED_OK) expected++;
            assert_int_equal(sum(store), expected);
        }
        assert_true(expected > 0);
    }
    hd_store_close(store);
}

// ── Hooks ──

typedef struct watcher {
    hd_store *store;
    int asked, committed, rolled_back;
    bool refuse;
} watcher;

static heed_err watch_before(void *ctx) {
    watcher *w = ctx;
    w->asked++;
    if (w->refuse) return HD_FAIL(HEED_UNAVAILABLE, "not now", "现在不行");
    add(w->store, 100); // within the transaction
    return HEED_OK;
}

static void watch_commit(void *ctx) {
    ((watcher *)ctx)->committed++;
}

static void watch_rollback(void *ctx) {
    ((watcher *)ctx)->rolled_back++;
}

static void hooks_see_each_outermost_transaction(void **state) {
    hd_store *store = with_table(*state);
    watcher w = {.store = store};
    hd_store_hook hook = {watch_before, watch_commit, watch_rollback, &w, NULL};
    hd_store_hook silent = {0};
    hd_store_hook_add(store, &silent);
    hd_store_hook_add(store, &hook);

    assert_ok(hd_store_begin(store));
    assert_ok(hd_store_begin(store));
    add(store, 1);
    assert_ok(hd_store_commit(store)); // a savepoint's end is none
    assert_int_equal(w.asked, 0);
    assert_ok(hd_store_commit(store));
    assert_int_equal(sum(store), 101);

    w.refuse = true; // the commit fails as the hook did, and nothing stands
    assert_ok(hd_store_begin(store));
    add(store, 2);
    assert_fails(HEED_UNAVAILABLE, hd_store_commit(store));
    assert_int_equal(sum(store), 101);
    assert_ok(hd_store_begin(store));
    hd_store_rollback(store);

    assert_ok(hd_store_begin_read(store)); // reading concerns nobody
    assert_ok(hd_store_commit(store));
    assert_int_equal(w.asked, 2);
    assert_int_equal(w.committed, 1);
    assert_int_equal(w.rolled_back, 2);

    hd_store_hook_remove(store, &silent);
    hd_store_hook_remove(store, &hook);
    hd_store_hook_remove(store, &hook);
    assert_ok(hd_store_begin(store));
    assert_ok(hd_store_commit(store));
    assert_int_equal(w.asked, 2);
    hd_store_close(store);
}

int main(void) {
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(inner_rollback_keeps_the_outer),
        SCRATCH_TEST(a_large_savepoint_comes_back),
        SCRATCH_TEST(close_rolls_back),
        SCRATCH_TEST(a_reader_sees_one_snapshot),
        SCRATCH_TEST(writes_are_counted),
        SCRATCH_TEST(a_second_writer_is_told),
        SCRATCH_TEST(a_lost_transaction_refuses_all),
        SCRATCH_TEST(a_full_database_loses_nothing),
        SCRATCH_TEST(a_long_statement_is_interrupted),
        SCRATCH_TEST(giving_way_changes_nothing),
        SCRATCH_TEST(failing_allocations_leave_all_or_nothing),
        SCRATCH_TEST(hooks_see_each_outermost_transaction),
    };
    return cmocka_run_group_tests_name("store_transaction", tests, NULL, NULL);
}
