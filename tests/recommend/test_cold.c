// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "recommend/cold.h"
#include "rows.h"

static bool knows(const hd_attributes *a, const char *value) {
    return hd_map_get(&a->values, value, strlen(value), NULL);
}

static void test_attributes(void **state) {
    (void)state;
    hd_attributes a;
    hd_attributes_init(&a);
    assert_int_equal(
        hd_attributes_add(&a, "{\"city\": \"巴黎\", \"age\": 31, \"pro\": false, \"likes\": "
                              "[\"tea\", \"tea\", 7], \"height\": 1.75, \"note\": null, "
                              "\"empty\": \"\", \"deep\": {\"x\": 1}}"),
        HEED_OK);
    assert_int_equal(a.n_rows, 1);
    assert_int_equal(a.start[1], 5);
    assert_true(knows(&a, "city=巴黎") && knows(&a, "age=31") && knows(&a, "pro=false"));
    assert_true(knows(&a, "likes=tea") && knows(&a, "likes=7"));
    assert_int_equal(a.values.count, 5);
    assert_int_equal(hd_attributes_add(&a, NULL), HEED_OK);
    assert_int_equal(hd_attributes_add(&a, ""), HEED_OK);
    assert_int_equal(hd_attributes_add(&a, "{\"age\": 31}"), HEED_OK);
    assert_int_equal(a.n_rows, 4);
    assert_int_equal(a.start[3], 5);
    assert_int_equal(a.start[4], 6);
    assert_int_equal(a.values.count, 5);
    assert_int_equal(hd_attributes_add(&a, "[]"), HEED_INPUT);
    assert_int_equal(hd_attributes_add(&a, "{\"a\":"), HEED_INPUT);
    assert_int_equal(a.n_rows, 4);
    hd_attributes_clear(&a);
}

// Free text and endless lists are passed over.
static void test_attributes_are_bounded(void **state) {
    (void)state;
    char json[2048] = "{\"long\": \"";
    hd_attributes a;
    hd_attributes_init(&a);
    for (int i = 0; i < 65; i++) json[10 + i] = 'x';
    snprintf(json + 75, sizeof json - 75, "\"}");
    assert_int_equal(hd_attributes_add(&a, json), HEED_OK);
    assert_int_equal(a.values.count, 0);
    int at = snprintf(json, sizeof json, "{\"many\": [0");
    for (int i = 1; i < 50; i++) at += snprintf(json + at, sizeof json - (size_t)at, ", %d", i);
    snprintf(json + at, sizeof json - (size_t)at, "], \"late\": 1}");
    assert_int_equal(hd_attributes_add(&a, json), HEED_OK);
    assert_int_equal(a.values.count, 32);
    assert_false(knows(&a, "late=1"));
    hd_attributes_clear(&a);
}

// 40 users: the first 20 are "a", of them 12 have item 0 and 2 have item 1; 19 are "b"; the last
// one has no events. All but that one have item 2.
enum { USERS = 40 };
static hd_cold *fit(size_t min_users) {
    hd_sparse_entry entries[3 * USERS];
    hd_attributes a;
    hd_cold *cold = NULL;
    size_t n = 0;
    hd_attributes_init(&a);
    for (uint32_t u = 0; u < USERS; u++) {
        assert_int_equal(hd_attributes_add(&a, u < 20 ? "{\"k\": \"a\"}" : "{\"k\": \"b\"}"),
                         HEED_OK);
        if (u + 1 == USERS) continue;
        if (u < 12) entries[n++] = (hd_sparse_entry){u, 0, 1, HD_TIME_NONE, 0};
        if (u < 2) entries[n++] = (hd_sparse_entry){u, 1, 1, HD_TIME_NONE, 0};
        entries[n++] = (hd_sparse_entry){u, 2, 1, HD_TIME_NONE, 0};
    }
    hd_sparse rows = rows_build(entries, n, USERS, 4, false);
    assert_int_equal(hd_cold_fit(&rows, &a, min_users, &cold), HEED_OK);
    hd_sparse_clear(&rows);
    hd_attributes_clear(&a);
    return cold;
}

static void test_score(void **state) {
    (void)state;
    hd_cold *cold = fit(0);
    const char *names[4];
    size_t n = 9;
    float got[4];
    assert_int_equal(hd_cold_n_items(cold), 4);
    assert_int_equal(hd_cold_n_values(cold), 1); // 19 users with events are too few for "b"
    assert_int_equal(hd_cold_match(cold, "{\"k\": [\"b\", \"a\", \"a\"]}", names, 4, &n), HEED_OK);
    assert_int_equal(n, 1);
    assert_string_equal(names[0], "k=a");
    hd_cold_score(cold, names, n, got);
    // (c + 20 p) / (20 + 20), p = 12/39, 2/39 (the count of 2 is not kept), 39/39, 0
    assert_float_equal(got[0], (12 + 20 * 12. / 39) / 40, 1e-7);
    assert_float_equal(got[1], (0 + 20 * 2. / 39) / 40, 1e-7);
    assert_float_equal(got[2], (20 + 20) / 40., 1e-7);
    assert_true(got[3] == 0);
    hd_cold_score(cold, names, 0, got);
    for (int j = 0; j < 4; j++) assert_true(got[j] == 0);
    const char *stranger = "k=b";
    hd_cold_score(cold, &stranger, 1, got);
    for (int j = 0; j < 4; j++) assert_true(got[j] == 0);
    assert_int_equal(hd_cold_match(cold, NULL, names, 4, &n), HEED_OK);
    assert_int_equal(n, 0);
    assert_int_equal(hd_cold_match(cold, "{\"k\": \"a\"}", names, 0, &n), HEED_OK);
    assert_int_equal(n, 0);
    hd_cold_free(cold);
    hd_cold_free(NULL);
}

// Fewer than 20 can't be asked for; more can.
static void test_support(void **state) {
    (void)state;
    hd_cold *cold = fit(1);
    assert_int_equal(hd_cold_n_values(cold), 1);
    hd_cold_free(cold);
    cold = fit(21);
    assert_int_equal(hd_cold_n_values(cold), 0);
    hd_cold_free(cold);
}

static void test_rows_must_match(void **state) {
    (void)state;
    hd_sparse rows = rows_build(NULL, 0, 3, 2, false);
    hd_attributes a;
    hd_cold *cold = NULL;
    hd_attributes_init(&a);
    assert_int_equal(hd_attributes_add(&a, "{}"), HEED_OK);
    assert_int_equal(hd_cold_fit(&rows, &a, 0, &cold), HEED_INPUT);
    assert_null(cold);
    hd_attributes_clear(&a);
    hd_sparse_clear(&rows);
}

static void test_failing_allocations(void **state) {
    (void)state;
    hd_sparse rows = rows_random(3, 50, 20, 500, false);
    heed_err err = HEED_MEMORY;
    for (uint64_t n = 1; err != HEED_OK; n++) {
        hd_attributes a;
        hd_cold *cold = NULL;
        size_t used = hd_mem_used();
        hd_attributes_init(&a);
        hd_mem_fail_at(n, true);
        err = HEED_OK;
        for (int u = 0; u < 50 && err == HEED_OK; u++) {
            err = hd_attributes_add(&a, u % 2 ? "{\"x\": 1}" : "{\"y\": [2, 3]}");
        }
        if (err == HEED_OK) err = hd_cold_fit(&rows, &a, 0, &cold);
        hd_mem_fail_at(0, true);
        assert_true(err == HEED_OK || err == HEED_MEMORY);
        hd_cold_free(cold);
        hd_attributes_clear(&a);
        assert_int_equal(hd_mem_used(), used);
        assert_true(n < 1000);
    }
    hd_sparse_clear(&rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attributes),      cmocka_unit_test(test_attributes_are_bounded),
        cmocka_unit_test(test_score),           cmocka_unit_test(test_support),
        cmocka_unit_test(test_rows_must_match), cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
