// SPDX-License-Identifier: Apache-2.0
//
// Statements: bindings and columns of every type, their cache, and what a failure leaves.

#include "store_test.h"

#include <math.h>

#include "base/time.h"

static hd_store *with_table(const scratch *s) {
    hd_store *store = open_db(s, HD_STORE_CREATE);
    assert_ok(hd_store_exec(store, "CREATE TABLE t (k INTEGER PRIMARY KEY, i INTEGER, f REAL,"
                                   " s TEXT UNIQUE, b BLOB) STRICT"));
    return store;
}

static const char insert_sql[] = "INSERT INTO t (i, f, s, b) VALUES (?1, ?2, ?3, ?4)";

static void every_type_comes_back(void **state) {
    hd_store *store = with_table(*state);
    hd_query *q;
    assert_ok(hd_query_open(store, insert_sql, &q));
    hd_query_bind_i64(q, 1, INT64_MIN + 1);
    hd_query_bind_f64(q, 2, 0.1);
    hd_query_bind_text(q, 3, (hd_slice){"a\0好", 5});
    hd_query_bind_blob(q, 4, "\xff\x00", 2);
    assert_ok(hd_query_run(q));
    assert_int_equal(hd_store_changes(store), 1);
    assert_int_equal(hd_store_last_key(store), 1);
    hd_query_close(q);

    bool row;
    assert_ok(hd_query_open(store, "SELECT i, f, s, b FROM t", &q));
    assert_ok(hd_query_step(q, &row));
    assert_true(row);
    assert_true(hd_query_i64(q, 0) == INT64_MIN + 1);
    assert_true(hd_query_f64(q, 1) == 0.1);
    hd_slice text = hd_query_text(q, 2);
    assert_int_equal(text.n, 5);
    assert_memory_equal(text.p, "a\0好", 5);
    hd_slice blob = hd_query_blob(q, 3);
    assert_int_equal(blob.n, 2);
    assert_memory_equal(blob.p, "\xff\x00", 2);
    assert_ok(hd_query_step(q, &row));
    assert_false(row);
    assert_ok(hd_query_step(q, &row)); // must not start over
    assert_false(row);
    hd_query_close(q);
    hd_store_close(store);
}

static void missing_is_null_both_ways(void **state) {
    hd_store *store = with_table(*state);
    hd_query *q;
    bool row;
    assert_ok(hd_query_open(store, insert_sql, &q));
    hd_query_bind_time(q, 1, HD_TIME_NONE);
    hd_query_bind_f64(q, 2, NAN);
    hd_query_bind_text(q, 3, (hd_slice){NULL, 0});
    hd_query_bind_blob(q, 4, NULL, 0);
    assert_ok(hd_query_run(q));
    hd_query_bind_null(q, 1); // the reset has emptied the others
    hd_query_bind_text(q, 3, (hd_slice){"", 0});
    assert_ok(hd_query_run(q));
    hd_query_close(q);

    assert_ok(hd_query_open(store, "SELECT i, f, s, b FROM t ORDER BY k", &q));
    assert_ok(hd_query_step(q, &row));
    for (int col = 0; col < 4; col++) assert_true(hd_query_is_null(q, col));
    assert_int_equal(hd_query_i64(q, 0), 0);
    assert_true(hd_query_time(q, 0) == HD_TIME_NONE);
    assert_true(isnan(hd_query_f64(q, 1)));
    assert_null(hd_query_text(q, 2).p);
    assert_null(hd_query_blob(q, 3).p);
    assert_ok(hd_query_step(q, &row));
    assert_true(row);
    assert_non_null(hd_query_text(q, 2).p); // empty is not absent
    assert_int_equal(hd_query_text(q, 2).n, 0);
    hd_query_close(q);
    hd_store_close(store);
}

static void failures_have_their_codes(void **state) {
    hd_store *store = with_table(*state);
    assert_ok(hd_store_exec(store, "INSERT INTO t (s) VALUES ('once')"));
    assert_fails(HEED_CONFLICT, hd_store_exec(store, "INSERT INTO t (s) VALUES ('once')"));
    assert_non_null(strstr(heed_error_message(HEED_EN), "t.s"));
    assert_non_null(strstr(heed_error_message(HEED_ZH), "t.s"));
    assert_fails(HEED_CONFLICT, hd_store_exec(store, "INSERT INTO t (i) VALUES ('text')"));
    hd_query *q;
    assert_fails(HEED_INTERNAL, hd_query_open(store, "SELECT nonsense FROM t", &q));
    assert_null(q);
    hd_query_close(q);
    // A double-quoted word is a column, never a text by mistake.
    assert_fails(HEED_INTERNAL, hd_store_exec(store, "SELECT * FROM t WHERE s = \"once\""));
    bool row;
    assert_ok(hd_query_open(store, "SELECT 1 WHERE ?1", &q));
    hd_query_bind_i64(q, 7, 1); // no such parameter: sticks until the step
    hd_query_bind_i64(q, 1, 1);
    assert_fails(HEED_INTERNAL, hd_query_step(q, &row));
    assert_false(row);
    hd_query_reset(q);
    hd_query_bind_i64(q, 1, 1);
    assert_ok(hd_query_step(q, &row));
    assert_true(row);
    hd_query_close(q);
    hd_store_close(store);
}

// The same SQL opened while it runs, many statements at once, and a buffer that changes its text.
static void the_cache_never_mixes_statements(void **state) {
    hd_store *store = with_table(*state);
    static const char sql[] = "SELECT value FROM (SELECT 1 AS value UNION ALL SELECT 2)";
    hd_query *a, *b;
    bool row;
    assert_ok(hd_query_open(store, sql, &a));
    assert_ok(hd_query_step(a, &row));
    assert_ok(hd_query_open(store, sql, &b));
    assert_ptr_not_equal(a, b);
    assert_ok(hd_query_step(b, &row));
    assert_int_equal(hd_query_i64(b, 0), 1);
    assert_ok(hd_query_step(a, &row));
    assert_int_equal(hd_query_i64(a, 0), 2);
    hd_query_close(b);
    hd_query_close(a);
    hd_query *again;
    assert_ok(hd_query_open(store, sql, &again));
    assert_ok(hd_query_step(again, &row)); // starts anew, whichever statement it is
    assert_int_equal(hd_query_i64(again, 0), 1);
    hd_query_close(again);

    enum { MANY = 1000 };
    static char texts[MANY][16];
    hd_query *open[MANY];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++) {
            snprintf(texts[i], sizeof texts[i], "SELECT %d", i + round * MANY);
            assert_ok(hd_query_open(store, texts[i], &open[i]));
        }
        for (int i = 0; i < MANY; i++) {
            assert_ok(hd_query_step(open[i], &row));
            assert_int_equal(hd_query_i64(open[i], 0), i + round * MANY);
            hd_query_close(open[i]);
        }
    }
    hd_store_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(every_type_comes_back),
        SCRATCH_TEST(missing_is_null_both_ways),
        SCRATCH_TEST(failures_have_their_codes),
        SCRATCH_TEST(the_cache_never_mixes_statements),
    };
    return cmocka_run_group_tests_name("store_query", tests, NULL, NULL);
}
