// SPDX-License-Identifier: Apache-2.0
//
// Each kind of step on cases counted by hand.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "prepare/pipeline.h"
#include "prepare/sort.h"
#include "prepare/step/step.h"
#include "table.h"

#define N(...) ((const double[]){__VA_ARGS__}), (sizeof((const double[]){__VA_ARGS__}) / 8)
#define C(...)                            \
    ((const char *const[]){__VA_ARGS__}), \
        (sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

// Fits and applies steps; returns the report.
static json_t *run(const char *steps, hd_table *table) {
    json_t *spec = json_of(steps), *report = json_array();
    hd_pipeline *p;
    if (hd_pipeline_fit(spec, 1, table, report, &p) != HEED_OK) {
        fail_msg("%s: %s", steps, heed_error_message(HEED_EN));
    }
    hd_pipeline_free(p);
    json_decref(spec);
    return report;
}

static void run_quiet(const char *steps, hd_table *table) {
    json_decref(run(steps, table));
}

static double figure(const json_t *report, size_t step, const char *key) {
    json_t *value = json_object_get(json_array_get(report, step), key);
    if (!json_is_number(value)) fail_msg("no figure %s", key);
    return json_number_value(value);
}

static void test_drop_missing(void **state) {
    (void)state;
    hd_table t;
    hd_table_init(&t);
    add_numbers(&t, "a", N(1, NAN, 3, 4));
    add_categories(&t, "b", C("x", "y", NULL, "z"));
    json_t *report = run("[{'step':'drop_missing'}]", &t);
    expect_numbers(&t, "a", N(1, 4));
    assert_true(figure(report, 0, "rows_dropped") == 2);
    json_decref(report);
    hd_table_clear(&t);
}

static void test_fill(void **state) {
    (void)state;
    hd_table t;
    hd_table_init(&t);
    add_numbers(&t, "mean", N(1, NAN, 3, 8));
    add_numbers(&t, "median", N(1, NAN, 3, 8));
    add_numbers(&t, "mode", N(5, 2, NAN, 2));
    add_numbers(&t, "tie", N(5, 2, NAN, 7));
    add_numbers(&t, "constant", N(NAN, 2, NAN, 2));
    add_categories(&t, "c", C("x", NULL, "y", "y"));
    add_categories(&t, "d", C("b", NULL, "a", NULL));
    add_categories(&t, "e", C("b", NULL, "a", NULL));
    json_t *report = run("[{'step':'fill_mean','columns':['mean']},"
                         "{'step':'fill_median','columns':['median']},"
                         "{'step':'fill_mode','columns':['mode','tie','c','d']},"
                         "{'step':'fill_constant','columns':['constant'],'value':-1},"
                         "{'step':'fill_constant','columns':['e'],'value':'none'}]",
                         &t);
    expect_numbers(&t, "mean", N(1, 4, 3, 8));
    expect_numbers(&t, "median", N(1, 3, 3, 8));
    expect_numbers(&t, "mode", N(5, 2, 2, 2));
    expect_numbers(&t, "tie", N(5, 2, 2, 7));
    expect_numbers(&t, "constant", N(-1, 2, -1, 2));
    expect_categories(&t, "c", C("x", "y", "y", "y"));
    expect_categories(&t, "d", C("b", "a", "a", "a"));
    expect_categories(&t, "e", C("b", "none", "a", "none"));
    assert_int_equal(json_array_size(report), 8);
    assert_true(figure(report, 0, "filled") == 1 && figure(report, 0, "value") == 4);
    assert_true(figure(report, 6, "filled") == 2);
    json_decref(report);
    hd_table_clear(&t);
}

// 1 … 9 and 100: Q1 = 3.25, Q3 = 7.75, so fences at -3.5 and 14.5.
static void test_outlier_iqr(void **state) {
    (void)state;
    static const char *const actions[] = {"clip", "drop", "missing", "flag"};
    for (int i = 0; i < 4; i++) {
        hd_table t;
        hd_table_init(&t);
        add_numbers(&t, "a", N(1, 2, 3, 4, 5, 6, 7, 8, 9, 100, NAN));
        char steps[128];
        hd_snprintf(steps, sizeof steps, "[{'step':'outlier_iqr','action':'%s'}]", actions[i]);
        json_t *report = run(steps, &t);
        assert_true(figure(report, 0, "outliers") == 1);
        assert_true(figure(report, 0, "low") == -3.5 && figure(report, 0, "high") == 14.5);
        json_decref(report);
        if (i == 0) expect_numbers(&t, "a", N(1, 2, 3, 4, 5, 6, 7, 8, 9, 14.5, NAN));
        if (i == 1) expect_numbers(&t, "a", N(1, 2, 3, 4, 5, 6, 7, 8, 9, NAN));
        if (i == 2) expect_numbers(&t, "a", N(1, 2, 3, 4, 5, 6, 7, 8, 9, NAN, NAN));
        if (i == 3) expect_numbers(&t, "a:outlier", N(0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0));
        hd_table_clear(&t);
    }
}

// 0, 0, 0, 0, 10: mean 2, sd 4.
static void test_outlier_zscore(void **state) {
    (void)state;
    hd_table t;
    hd_table_init(&t);
    add_numbers(&t, "a", N(0, 0, 0, 0, 10));
    add_numbers(&t, "empty", N(NAN, NAN, NAN, NAN, NAN));
    run_quiet("[{'step':'outlier_zscore','k':1}]", &t);
    expect_numbers(&t, "a", N(0, 0, 0, 0, 6));
    expect_numbers(&t, "empty", N(NAN, NAN, NAN, NAN, NAN));
    hd_table_clear(&t);
}

static void test_scale(void **state) {
    (void)state;
    hd_table t;
    hd_table_init(&t);
    add_numbers(&t, "minmax", N(10, 20, NAN, 15));
    add_numbers(&t, "zscore", N(1, 3, 1, 3));
    add_numbers(&t, "robust", N(1, 2, 3, 6)); // median 2.5, Q1 1.75, Q3 3.75
    add_numbers(&t, "constant", N(7, 7, 7, 7));
    json_t *report = run("[{'step':'scale_minmax','columns':['minmax','constant']},"
                         "{'step':'scale_zscore','columns':['zscore']},"
                         "{'step':'scale_robust','columns':['robust']}]",
                         &t);
    expect_numbers(&t, "minmax", N(0, 1, NAN, 0.5));
    expect_numbers(&t, "constant", N(0, 0, 0, 0));
    expect_numbers(&t, "zscore", N(-1, 1, -1, 1));
    expect_numbers(&t, "robust", N(-0.75, -0.25, 0.25, 1.75));
    assert_true(figure(report, 0, "centre") == 10 && figure(report, 0, "scale") == 10);
    json_decref(report);
    hd_table_clear(&t);
}

static void test_one_hot(void **state) {
    (void)state;
    hd_table t;
    hd_table_init(&t);
    add_categories(&t, "c", C("x", "y", NULL, "y", "z"));
    add_categories(&t, "d", C("x", "y", NULL, "y", "z"));
    json_t *report = run("[{'step':'one_hot','columns':['c']},"
                         "{'step':'one_hot','columns':['d'],'max':1,'other':'yes'}]",
                         &t);
    assert_null(hd_table_find(&t, "c"));
    assert_string_equal(t.cols[0].name, "c=y"); // the most frequent first, then by name
    assert_string_equal(t.cols[1].name, "c=x");
    assert_string_equal(t.cols[2].name, "c=z");
    expect_numbers(&t, "c=y", N(0, 1, 0, 1, 0));
    expect_numbers(&t, "c=z", N(0, 0, 0, 0, 1));
    expect_numbers(&t, "d=y", N(0, 1, 0, 1, 0));
    expect_numbers(&t, "d=…", N(1, 0, 0, 0, 1));
    assert_int_equal(t.n_cols, 5);
    assert_true(figure(report, 1, "unknown") == 2 && figure(report, 0, "columns") == 3);
    json_decref(report);
    hd_table_clear(&t);
}

static void test_bins(void **state) {
    (void)state;
    hd_table t;
    hd_table_init(&t);
    add_numbers(&t, "w", N(0, 2.5, 2.6, 5, 10, NAN));
    add_numbers(&t, "q", N(1, 2, 3, 4, 100, NAN));
    add_numbers(&t, "same", N(1, 1, 1, 1, 1, 9));
    add_numbers(&t, "empty", N(NAN, NAN, NAN, NAN, NAN, NAN));
    run_quiet("[{'step':'bin_width','columns':['w','empty'],'bins':4},"
              "{'step':'bin_quantile','columns':['q'],'bins':2},"
              "{'step':'bin_quantile','columns':['same'],'bins':4}]",
              &t);
    expect_categories(&t, "w", C("1", "1", "2", "2", "4", NULL));   // edges 2.5, 5, 7.5
    expect_categories(&t, "q", C("1", "1", "1", "2", "2", NULL));   // edge 3
    expect_categories(&t, "same", C("1", "1", "1", "1", "1", "2")); // one edge, three times
    expect_categories(&t, "empty", C(NULL, NULL, NULL, NULL, NULL, NULL));
    hd_table_clear(&t);
}

static void test_cross(void **state) {
    (void)state;
    hd_table t;
    hd_table_init(&t);
    add_categories(&t, "a", C("x", "x|", "x\\", NULL));
    add_categories(&t, "b", C("|y", "y", "y", "y"));
    add_numbers(&t, "p", N(2, 3, NAN, 5));
    add_numbers(&t, "q", N(10, 10, 10, 0.5));
    run_quiet("[{'step':'cross','columns':['a','b']},{'step':'cross','columns':['p','q']}]", &t);
    expect_categories(&t, "a×b", C("x|\\|y", "x\\||y", "x\\\\|y", NULL));
    expect_numbers(&t, "p×q", N(20, 30, NAN, 2.5));
    assert_int_equal(t.n_cols, 6);
    hd_table_clear(&t);
}

static void test_part(void **state) {
    (void)state;
    hd_table t;
    hd_table_init(&t);
    add_categories(&t, "name", C("Allen, Miss. A. B", "Wu, Mr", "Li", "Oh, . C", NULL));
    add_categories(&t, "cabin", C("C22 C26", "甲1", "乙", "C", NULL));
    add_categories(&t, "path", C("a/b", "/b", "b", "//", NULL));
    json_t *report = run("[{'step':'part','columns':['name'],'after':', ','before':'.'},"
                         "{'step':'part','columns':['cabin'],'characters':1},"
                         "{'step':'part','columns':['path'],'before':'/'}]",
                         &t);
    expect_categories(&t, "name", C("Miss", NULL, NULL, NULL, NULL));
    expect_categories(&t, "cabin", C("C", "甲", "乙", "C", NULL));
    expect_categories(&t, "path", C("a", NULL, NULL, NULL, NULL));
    const json_t *without = json_object_get(json_array_get(report, 0), "without");
    assert_int_equal(json_integer_value(without), 3);
    json_decref(report);
    hd_table_clear(&t);
}

static void test_select_variance(void **state) {
    (void)state;
    hd_table t;
    hd_table_init(&t);
    add_numbers(&t, "same", N(3, 3, NAN, 3));
    add_numbers(&t, "some", N(0, 1, 0, 1)); // 0.25
    add_numbers(&t, "more", N(0, 9, 0, 9));
    json_t *report = run("[{'step':'select_variance'}]", &t);
    assert_null(hd_table_find(&t, "same"));
    assert_non_null(hd_table_find(&t, "some"));
    assert_int_equal(json_array_size(json_object_get(json_array_get(report, 0), "dropped")), 1);
    json_decref(report);
    run_quiet("[{'step':'select_variance','threshold':0.25}]", &t);
    assert_int_equal(t.n_cols, 1);
    assert_string_equal(t.cols[0].name, "more");
    hd_table_clear(&t);
}

// 2,000 rows: one column repeats the target, one repeats it in half of the rows, one is noise, one
// is an id. The id tells all in sample, and nothing once corrected.
static void test_select_information(void **state) {
    (void)state;
    enum { ROWS = 2000 };
    for (int keep = 1; keep <= 3; keep++) {
        hd_table t;
        hd_table_init(&t);
        assert_int_equal(hd_table_add_rows(&t, ROWS), HEED_OK);
        static const char *const names[] = {"noise", "half", "id", "full", "label"};
        for (size_t c = 0; c < 5; c++) {
            hd_column *column;
            bool category = c == 2 || c == 4;
            hd_column_type type = category ? HD_COLUMN_CATEGORY : HD_COLUMN_F64;
            assert_int_equal(hd_table_add_column(&t, names[c], type, &column), HEED_OK);
            for (size_t r = 0; r < ROWS; r++) {
                uint64_t label = hd_rng_at(1, 0, r) & 1, noise = hd_rng_at(1, 1 + c, r) & 1;
                char text[16];
                hd_snprintf(text, sizeof text, "%d", c == 2 ? (int)r : (int)label);
                if (category) {
                    assert_int_equal(hd_column_set_category(column, r, hd_slice_of(text)), HEED_OK);
                } else {
                    bool told = c == 3 || (c == 1 && r % 2 == 0);
                    column->f64[r] = told ? (double)label : (double)noise;
                }
            }
        }
        char steps[128];
        hd_snprintf(steps, sizeof steps,
                    "[{'step':'select_information','target':'label','keep':%d,'least':0.05}]",
                    keep);
        run_quiet(steps, &t);
        assert_non_null(hd_table_find(&t, "label"));
        assert_non_null(hd_table_find(&t, "full"));
        assert_true((hd_table_find(&t, "half") != NULL) == (keep >= 2));
        assert_null(hd_table_find(&t, "noise"));
        assert_null(hd_table_find(&t, "id"));
        hd_table_clear(&t);
    }
}

// A cloud of 500 points and five far from it; half of the strays lie within each column's range,
// but not where the columns go together.
static void fill_cloud(hd_table *t, size_t n_far) {
    hd_table_init(t);
    hd_column *x, *y;
    assert_int_equal(hd_table_add_rows(t, 500 + n_far), HEED_OK);
    assert_int_equal(hd_table_add_column(t, "x", HD_COLUMN_F64, &x), HEED_OK);
    assert_int_equal(hd_table_add_column(t, "y", HD_COLUMN_F64, &y), HEED_OK);
    x = hd_table_find(t, "x");
    hd_rng rng = hd_rng_make(3, 3);
    for (size_t r = 0; r < 500; r++) {
        x->f64[r] = hd_rng_normal(&rng);
        y->f64[r] = x->f64[r] + 0.1 * hd_rng_normal(&rng);
    }
    for (size_t r = 500; r < 500 + n_far; r++) {
        x->f64[r] = r % 2 == 0 ? 8 + (double)(r - 500) : -7 - (double)(r - 500);
        y->f64[r] = r % 3 == 0 ? 9 : -9;
    }
}

static void test_forest(void **state) {
    (void)state;
    hd_table t, again;
    fill_cloud(&t, 5);
    assert_int_equal(hd_table_dup(&t, &again), HEED_OK);
    json_t *report = run("[{'step':'outlier_forest'}]", &t);
    assert_true(figure(report, 0, "outliers") == 5); // 1% of 505
    json_decref(report);
    const hd_column *flag = hd_table_find(&t, "outlier");
    for (size_t r = 0; r < 505; r++) {
        if ((flag->f64[r] == 1) != (r >= 500)) fail_msg("row %zu", r);
    }
    // The same seed finds the same rows.
    run_quiet("[{'step':'outlier_forest'}]", &again);
    expect_same_table(&t, &again);
    hd_table_clear(&again);
    hd_table_clear(&t);
    fill_cloud(&t, 5);
    run_quiet("[{'step':'outlier_forest','action':'drop','trees':50,'sample':128}]", &t);
    assert_int_equal(t.n_rows, 500);
    hd_table_clear(&t);
    // All rows the same: nothing is odd, whatever the share.
    hd_table_init(&t);
    add_numbers(&t, "x", N(1, 1, 1, NAN));
    run_quiet("[{'step':'outlier_forest','share':0.5}]", &t);
    expect_numbers(&t, "outlier", N(0, 0, 0, 0));
    hd_table_clear(&t);
}

static void test_statistics(void **state) {
    (void)state;
    static const double sorted[] = {1, 2, 4, 8};
    assert_true(hd_quantile(sorted, 4, 0) == 1 && hd_quantile(sorted, 4, 1) == 8);
    assert_true(hd_quantile(sorted, 4, 0.5) == 3 && hd_quantile(sorted, 1, 0.7) == 1);
    assert_true(fabs(hd_quantile(sorted, 4, 0.9) - 6.8) < 1e-12);
    assert_true(hd_mean(sorted, 4) == 3.75 && hd_mean(sorted, 0) == 0);
    assert_true(hd_variance(sorted, 4, 3.75) == 7.1875);
    double values[] = {3, -0.0, -1e300, 0, 5e-324, -2, INFINITY, -INFINITY};
    hd_sort_f64(values, 8);
    for (size_t i = 1; i < 8; i++) assert_true(values[i - 1] <= values[i]);
    assert_true(signbit(values[3]) && !signbit(values[4]) && values[4] == 0);
}

static void test_kinds(void **state) {
    (void)state;
    for (size_t i = 0; hd_step_kinds[i]; i++) {
        const hd_step_kind *kind = hd_step_kinds[i];
        assert_ptr_equal(hd_step_kind_find(kind->name), kind);
        assert_true(kind->doc.en[0] && kind->doc.zh[0] && kind->n_params <= HD_STEP_PARAMS);
        assert_true(kind->types != 0 && kind->apply);
    }
    assert_null(hd_step_kind_find("nothing"));
}

static void expect_refused(const char *steps, const char *part) {
    hd_table t;
    hd_pipeline *p;
    hd_table_init(&t);
    add_numbers(&t, "a", N(1, 2, NAN));
    add_numbers(&t, "none", N(NAN, NAN, NAN));
    add_categories(&t, "c", C("x", "y", "z"));
    json_t *spec = json_of(steps);
    assert_int_equal(hd_pipeline_fit(spec, 1, &t, NULL, &p), HEED_INPUT);
    assert_null(p);
    if (!strstr(heed_error_message(HEED_EN), part)) {
        fail_msg("%s: %s", steps, heed_error_message(HEED_EN));
    }
    assert_true(heed_error_message(HEED_ZH)[0] != '\0');
    json_decref(spec);
    hd_table_clear(&t);
}

static void test_refused(void **state) {
    (void)state;
    expect_refused("{}", "are a list");
    expect_refused("[7]", "must name its kind");
    expect_refused("[{'step':'fill_meen'}]", "unknown step 'fill_meen' (fill_mean?)");
    expect_refused("[{'step':'outlier_iqr','aktion':'clip'}]", "no parameter 'aktion' (action?)");
    expect_refused("[{'step':'outlier_iqr','action':'burn'}]", "use one of clip, drop");
    expect_refused("[{'step':'outlier_iqr','k':-1}]", "'k' can't be '-1'");
    expect_refused("[{'step':'bin_width','bins':2.5}]", "whole number");
    expect_refused("[{'step':'bin_width','bins':'many'}]", "'bins' can't be 'many'");
    expect_refused("[{'step':'fill_constant'}]", "needs 'value'");
    expect_refused("[{'step':'fill_constant','columns':['a'],'value':'x'}]", "holds numbers");
    expect_refused("[{'step':'fill_mean','columns':['c']}]", "another type");
    expect_refused("[{'step':'fill_mean','columns':['zz']}]", "no column 'zz'");
    expect_refused("[{'step':'fill_mean','columns':['a','a']}]", "twice");
    expect_refused("[{'step':'fill_mean','columns':'a'}]", "lists of names");
    expect_refused("[{'step':'fill_mean','columns':['none']}]", "no value at all");
    expect_refused("[{'step':'cross','columns':['a']}]", "takes two columns");
    expect_refused("[{'step':'cross','columns':['a','c']}]", "takes two columns");
    expect_refused("[{'step':'part','columns':['a']}]", "another type");
    expect_refused("[{'step':'part','columns':['c'],'characters':-1}]", "'characters' can't be");
    expect_refused("[{'step':'select_information','target':'zz'}]", "no target column 'zz'");
    expect_refused("[{'step':'outlier_forest','columns':[]}]", "two rows and a column");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drop_missing),
        cmocka_unit_test(test_fill),
        cmocka_unit_test(test_outlier_iqr),
        cmocka_unit_test(test_outlier_zscore),
        cmocka_unit_test(test_scale),
        cmocka_unit_test(test_one_hot),
        cmocka_unit_test(test_bins),
        cmocka_unit_test(test_cross),
        cmocka_unit_test(test_part),
        cmocka_unit_test(test_select_variance),
        cmocka_unit_test(test_select_information),
        cmocka_unit_test(test_forest),
        cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
