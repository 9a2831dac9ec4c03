// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/table.h"

static heed_err fill(hd_table *t) {
    hd_column *price, *city, *when;
    HD_TRY(hd_table_add_rows(t, 2));
    HD_TRY(hd_table_add_column(t, "price", HD_COLUMN_F64, &price));
    price->f64[0] = 1.5;
    memcpy(price->unit, "CNY", 4);
    HD_TRY(hd_table_add_column(t, "city", HD_COLUMN_CATEGORY, &city));
    HD_TRY(hd_column_set_category(city, 0, hd_slice_of("上海")));
    HD_TRY(hd_column_set_category(city, 1, hd_slice_of("Berlin")));
    HD_TRY(hd_table_add_rows(t, 98));
    HD_TRY(hd_table_add_column(t, "when", HD_COLUMN_TIME, &when));
    for (size_t r = 50; r < 100; r++) {
        when->time[r] = (hd_time)r;
        city = hd_table_find(t, "city");
        HD_TRY(hd_column_set_category(city, r, hd_slice_of(r % 2 ? "上海" : "Paris")));
    }
    return HEED_OK;
}

static void check(const hd_table *t) {
    assert_int_equal(t->n_rows, 100);
    assert_int_equal(t->n_cols, 3);
    const hd_column *price = hd_table_find(t, "price");
    const hd_column *city = hd_table_find(t, "city");
    const hd_column *when = hd_table_find(t, "when");
    assert_true(price->f64[0] == 1.5);
    assert_string_equal(price->unit, "CNY");
    assert_false(hd_column_missing(price, 0));
    assert_true(hd_column_missing(price, 99));
    assert_true(hd_column_missing(city, 2));
    assert_null(hd_column_category(city, 2));
    assert_string_equal(hd_column_category(city, 1), "Berlin");
    assert_string_equal(hd_column_category(city, 51), "上海");
    assert_int_equal(city->code[51], 0);
    assert_int_equal(city->dict.count, 3);
    assert_true(hd_column_missing(when, 49));
    assert_int_equal(when->time[99], 99);
}

static void test_columns(void **state) {
    (void)state;
    hd_table t;
    hd_table_init(&t);
    assert_int_equal(fill(&t), HEED_OK);
    check(&t);
    assert_int_equal(hd_table_add_column(&t, "city", HD_COLUMN_F64, NULL), HEED_CONFLICT);
    assert_null(hd_table_find(&t, "nothing"));
    assert_int_equal(hd_table_drop_column(&t, "nothing"), HEED_NOT_FOUND);
    hd_column *city = hd_table_find(&t, "city");
    assert_int_equal(hd_column_set_category(city, 1, (hd_slice){0}), HEED_OK);
    assert_true(hd_column_missing(city, 1));
    assert_int_equal(hd_column_set_category(city, 1, hd_slice_of("")), HEED_OK);
    assert_string_equal(hd_column_category(city, 1), "");
    assert_int_equal(hd_table_add_rows(&t, SIZE_MAX), HEED_MEMORY);
    assert_int_equal(hd_table_drop_column(&t, "price"), HEED_OK);
    assert_int_equal(t.n_cols, 2);
    assert_int_equal(hd_table_find(&t, "when")->time[99], 99);
    hd_table_clear(&t);
}

static void test_filter_and_dup(void **state) {
    (void)state;
    hd_table t, copy;
    hd_table_init(&t);
    assert_int_equal(fill(&t), HEED_OK);
    assert_int_equal(hd_table_dup(&t, &copy), HEED_OK);
    bool keep[100];
    for (size_t r = 0; r < 100; r++) keep[r] = r % 10 == 1;
    assert_int_equal(hd_table_filter(&t, keep), HEED_OK);
    assert_int_equal(t.n_rows, 10);
    assert_string_equal(hd_column_category(hd_table_find(&t, "city"), 0), "Berlin");
    for (size_t r = 5; r < 10; r++) {
        assert_int_equal(hd_table_find(&t, "when")->time[r], 10 * r + 1);
    }
    hd_table_clear(&t);
    check(&copy);
    assert_int_equal(hd_table_add_rows(&copy, 1), HEED_OK);
    assert_true(hd_column_missing(hd_table_find(&copy, "city"), 100));
    hd_table_clear(&copy);
    // An empty table copies too, and grows after.
    hd_table_init(&t);
    assert_int_equal(hd_table_add_column(&t, "x", HD_COLUMN_TIME, NULL), HEED_OK);
    assert_int_equal(hd_table_dup(&t, &copy), HEED_OK);
    assert_int_equal(hd_table_add_rows(&copy, 3), HEED_OK);
    assert_true(hd_column_missing(hd_table_find(&copy, "x"), 2));
    hd_table_clear(&t);
    hd_table_clear(&copy);
}

static void test_out_of_memory(void **state) {
    (void)state;
    size_t before = hd_mem_used();
    heed_err err = HEED_MEMORY;
    for (uint64_t n = 1; err != HEED_OK; n++) {
        hd_table t, copy;
        hd_table_init(&t);
        hd_table_init(&copy);
        hd_mem_fail_at(n, true);
        err = fill(&t);
        if (err == HEED_OK) err = hd_table_dup(&t, &copy);
        hd_mem_fail_at(0, false);
        assert_true(err == HEED_OK || err == HEED_MEMORY);
        if (err == HEED_OK) check(&copy);
        hd_table_clear(&t);
        hd_table_clear(&copy);
        assert_int_equal(hd_mem_used(), before);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_filter_and_dup),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
