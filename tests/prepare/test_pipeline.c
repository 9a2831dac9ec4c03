// SPDX-License-Identifier: Apache-2.0
//
// Fitted once, applied the same way ever after; saved exactly; hostile files refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "prepare/pipeline.h"
#include "prepare/step/step.h"
#include "table.h"

// Every kind of step once.
static const char all_steps[] =
    "[{'step':'drop_missing','columns':['when']},"
    "{'step':'fill_mean','columns':['a']},{'step':'fill_median','columns':['b']},"
    "{'step':'fill_mode','columns':['city']},"
    "{'step':'fill_constant','columns':['brand'],'value':'none'},"
    "{'step':'outlier_forest','columns':['a','b','d'],'trees':20,'sample':64},"
    "{'step':'outlier_iqr','columns':['a'],'action':'flag'},"
    "{'step':'outlier_zscore','columns':['d'],'k':2,'action':'missing'},"
    "{'step':'part','columns':['label'],'characters':3},"
    "{'step':'cross','columns':['city','brand']},{'step':'cross','columns':['a','b']},"
    "{'step':'bin_quantile','columns':['d'],'bins':5},"
    "{'step':'scale_minmax','columns':['b']},{'step':'scale_robust','columns':['a']},"
    "{'step':'bin_width','columns':['e'],'bins':3},"
    "{'step':'select_variance','columns':['constant','b']},"
    "{'step':'select_information','target':'label','except':['e'],'keep':6},"
    "{'step':'one_hot','except':['label'],'max':5,'other':'yes'},"
    "{'step':'scale_zscore','except':['label']}]";

// A table of n rows; part: which numbers. Some of everything is missing.
static void make_table(hd_table *t, size_t n, uint64_t part) {
    static const char *const names[] = {"a", "b", "d", "e", "constant", "city", "brand", "label"};
    static const char *const cities[] = {"北京", "上海", "Berlin", "Oslo", "Lima", "Rome", "Bonn"};
    hd_column *column;
    hd_table_init(t);
    assert_int_equal(hd_table_add_rows(t, n), HEED_OK);
    for (size_t c = 0; c < 8; c++) {
        hd_column_type type = c >= 5 ? HD_COLUMN_CATEGORY : HD_COLUMN_F64;
        assert_int_equal(hd_table_add_column(t, names[c], type, &column), HEED_OK);
        hd_rng rng = hd_rng_make(part, c);
        for (size_t r = 0; r < n; r++) {
            double x = hd_rng_normal(&rng);
            bool missing = hd_rng_below(&rng, 10) == 0 && c != 4 && c != 7;
            if (missing) continue;
            if (type == HD_COLUMN_F64) {
                column->f64[r] = c == 4 ? 7 : exp(x * (double)(c + 1));
            } else {
                const char *text = c == 7 ? (r % 3 ? "yes" : "no") : cities[hd_rng_below(&rng, 7)];
                assert_int_equal(hd_column_set_category(column, r, hd_slice_of(text)), HEED_OK);
            }
        }
    }
    assert_int_equal(hd_table_add_column(t, "when", HD_COLUMN_TIME, &column), HEED_OK);
    for (size_t r = 0; r < n; r++) {
        if (r % 17 != 0) column->time[r] = (hd_time)r * HD_DAY_MS;
    }
}

static hd_pipeline *fit(const char *steps, hd_table *t) {
    hd_pipeline *p;
    json_t *spec = json_of(steps);
    if (hd_pipeline_fit(spec, 11, t, NULL, &p) != HEED_OK) {
        fail_msg("%s", heed_error_message(HEED_EN));
    }
    json_decref(spec);
    return p;
}

static char folder[] = "/tmp/heed_pipeline_XXXXXX";

static int setup(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : 1;
}

static int teardown(void **state) {
    (void)state;
    return hd_fs_remove(folder) == HEED_OK ? 0 : 1;
}

static void read_file(const char *path, hd_str *out) {
    hd_str_init(out);
    assert_int_equal(hd_fs_read(path, 0, out), HEED_OK);
}

// Fitting prepares the training table; the pipeline, and the pipeline saved and loaded, do the same
// to a copy of it, bit by bit, and the same to other data.
static void test_fit_save_load_apply(void **state) {
    (void)state;
    hd_table trained, copy, later, later2;
    make_table(&trained, 300, 1);
    assert_int_equal(hd_table_dup(&trained, &copy), HEED_OK);
    make_table(&later, 50, 2);
    assert_int_equal(hd_table_dup(&later, &later2), HEED_OK);
    hd_pipeline *p = fit(all_steps, &trained), *loaded;
    char first[64], second[64];
    hd_snprintf(first, sizeof first, "%s/first.json", folder);
    hd_snprintf(second, sizeof second, "%s/second.json", folder);
    assert_int_equal(hd_pipeline_save(p, first), HEED_OK);
    assert_int_equal(hd_pipeline_load(first, &loaded), HEED_OK);
    assert_int_equal(hd_pipeline_count(loaded), hd_pipeline_count(p));
    assert_int_equal(hd_pipeline_save(loaded, second), HEED_OK);
    hd_str a, b;
    read_file(first, &a);
    read_file(second, &b);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(hd_str_get(&a), hd_str_get(&b), a.len);
    assert_int_equal(hd_pipeline_apply(loaded, &copy, false, NULL), HEED_OK);
    expect_same_table(&trained, &copy);
    assert_int_equal(hd_pipeline_apply(p, &later, false, NULL), HEED_OK);
    assert_int_equal(hd_pipeline_apply(loaded, &later2, false, NULL), HEED_OK);
    expect_same_table(&later, &later2);
    assert_int_equal(later.n_cols, trained.n_cols);
    hd_str_clear(&a);
    hd_str_clear(&b);
    hd_pipeline_free(p);
    hd_pipeline_free(loaded);
    hd_pipeline_free(NULL);
    hd_table_clear(&trained);
    hd_table_clear(&copy);
    hd_table_clear(&later);
    hd_table_clear(&later2);
}

// The same seed gives the same pipeline, another one another forest.
static void test_seed(void **state) {
    (void)state;
    json_t *json[3], *spec = json_of(all_steps);
    for (int i = 0; i < 3; i++) {
        hd_table t;
        hd_pipeline *p;
        make_table(&t, 200, 1);
        assert_int_equal(hd_pipeline_fit(spec, i < 2 ? 5 : 6, &t, NULL, &p), HEED_OK);
        assert_int_equal(hd_pipeline_json(p, &json[i]), HEED_OK);
        hd_pipeline_free(p);
        hd_table_clear(&t);
    }
    assert_true(json_equal(json[0], json[1]));
    assert_false(json_equal(json[0], json[2]));
    for (int i = 0; i < 3; i++) json_decref(json[i]);
    json_decref(spec);
}

static void test_later_tables(void **state) {
    (void)state;
    hd_table t, later;
    hd_table_init(&t);
    add_numbers(&t, "x", (const double[]){0, 10, NAN, 10}, 4);
    add_categories(&t, "c", (const char *const[]){"a", "b", "b", "a"}, 4);
    hd_pipeline *p =
        fit("[{'step':'drop_missing'},{'step':'scale_minmax'},{'step':'one_hot'}]", &t);
    // Outside the range, an unknown category, a missing value in a row that is kept.
    hd_table_init(&later);
    add_numbers(&later, "x", (const double[]){20, NAN}, 2);
    add_categories(&later, "c", (const char *const[]){"z", "b"}, 2);
    json_t *report = json_array();
    assert_int_equal(hd_pipeline_apply(p, &later, true, report), HEED_OK);
    expect_numbers(&later, "x", (const double[]){2, NAN}, 2);
    expect_numbers(&later, "c=a", (const double[]){0, 0}, 2);
    expect_numbers(&later, "c=b", (const double[]){0, 1}, 2);
    json_t *first = json_array_get(report, 0);
    assert_int_equal(json_integer_value(json_object_get(first, "rows_kept")), 1);
    json_decref(report);
    hd_table_clear(&later);
    // A column that isn't there, and one of another type.
    hd_table_init(&later);
    add_numbers(&later, "x", (const double[]){1}, 1);
    assert_int_equal(hd_pipeline_apply(p, &later, true, NULL), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "column 'c' is missing"));
    hd_table_clear(&later);
    hd_table_init(&later);
    add_categories(&later, "x", (const char *const[]){"1"}, 1);
    add_categories(&later, "c", (const char *const[]){"a"}, 1);
    assert_int_equal(hd_pipeline_apply(p, &later, true, NULL), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "another type"));
    hd_table_clear(&later);
    // No rows at all.
    hd_table_init(&later);
    add_numbers(&later, "x", NULL, 0);
    add_categories(&later, "c", NULL, 0);
    assert_int_equal(hd_pipeline_apply(p, &later, false, NULL), HEED_OK);
    assert_int_equal(later.n_cols, 3);
    hd_table_clear(&later);
    hd_pipeline_free(p);
    hd_table_clear(&t);
}

// Values that overflow are said so, not saved.
static void test_too_large(void **state) {
    (void)state;
    hd_table t;
    hd_pipeline *p;
    hd_table_init(&t);
    add_numbers(&t, "x", (const double[]){-1.7e308, 1.7e308}, 2);
    json_t *spec = json_of("[{'step':'scale_zscore'}]");
    assert_int_equal(hd_pipeline_fit(spec, 1, &t, NULL, &p), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "too large"));
    json_decref(spec);
    hd_table_clear(&t);
}

static heed_err load_text(const char *text) {
    json_t *json = json_of(text);
    hd_pipeline *p;
    heed_err err = hd_pipeline_from_json(json, "p.json", &p);
    hd_pipeline_free(p);
    json_decref(json);
    return err;
}

// One step in its envelope.
static heed_err load_step(const char *step) {
    char text[900];
    hd_snprintf(text, sizeof text, "{'format':'heed-pipeline','version':1,'steps':[%s]}", step);
    return load_text(text);
}

#define STEP(kind, columns, parameters, values, texts)                                           \
    "{'step':'" kind "','columns':[" columns "],'parameters':{" parameters "},'values':[" values \
    "],'texts':[" texts "]}"
#define NUMBER "{'name':'x','type':'number'}"
#define CATEGORY "{'name':'c','type':'category'}"
#define PART "'after':', ','before':'.','characters':'0'"
#define FOREST "'trees':'1','sample':'2','share':'0','action':'flag'"

static void test_hostile(void **state) {
    (void)state;
    static const char *const sound[] = {
        STEP("fill_mean", NUMBER, "", "1.5", ""),
        STEP("fill_mode", CATEGORY, "", "", "'a'"),
        STEP("scale_minmax", NUMBER, "", "0, 2", ""),
        STEP("outlier_iqr", NUMBER, "'k':'1.5','action':'clip'", "0, 2", ""),
        STEP("bin_width", NUMBER, "'bins':'3'", "1, 2", ""),
        STEP("one_hot", CATEGORY, "'max':'2','other':'no'", "", "'a','b'"),
        STEP("drop_missing", NUMBER "," CATEGORY, "", "", ""),
        STEP("part", CATEGORY, PART, "", ""),
        STEP("select_variance", NUMBER, "'threshold':'0'", "", "'x'"),
        // threshold, c, trees; median; start; a node and its two leaves
        STEP("outlier_forest", NUMBER, FOREST, "0.5,1,1, 0, 5, 0,3.5,11, -1,1,0, -1,1,0", ""),
    };
    static const char *const bad[] = {
        "7",
        "{}",
        STEP("fill_meen", NUMBER, "", "1", ""),
        STEP("fill_mean", "", "", "1", ""),
        STEP("part", CATEGORY, PART, "1", ""),
        STEP("part", CATEGORY, PART, "", "'a'"),
        STEP("part", NUMBER, PART, "", ""),
        STEP("part", CATEGORY, "'after':''", "", ""),
        STEP("fill_mean", NUMBER "," NUMBER, "", "1", ""),
        STEP("fill_mean", CATEGORY, "", "1", ""),
        STEP("fill_mean", "{'name':'x','type':'text'}", "", "1", ""),
        STEP("fill_mean", "{'type':'number'}", "", "1", ""),
        STEP("fill_mean", "7", "", "1", ""),
        STEP("fill_mean", NUMBER, "", "", ""),
        STEP("fill_mean", NUMBER, "", "1,2", ""),
        STEP("fill_mean", NUMBER, "", "'1'", ""),
        STEP("fill_mean", NUMBER, "", "null", ""),
        STEP("fill_mean", NUMBER, "", "1", "'a'"),
        STEP("fill_mean", NUMBER, "'k':'1'", "1", ""),
        STEP("fill_mode", CATEGORY, "", "1", ""),
        STEP("fill_mode", CATEGORY, "", "", "1"),
        STEP("scale_minmax", NUMBER, "", "0", ""),
        STEP("scale_minmax", NUMBER, "", "0,0", ""),
        STEP("scale_minmax", NUMBER, "", "0,-1", ""),
        STEP("outlier_iqr", NUMBER, "", "0,2", ""),
        STEP("outlier_iqr", NUMBER, "'k':'1.5','action':'burn'", "0,2", ""),
        STEP("outlier_iqr", NUMBER, "'k':1.5,'action':'clip'", "0,2", ""),
        STEP("outlier_iqr", NUMBER, "'k':'1.5','action':'clip'", "2,0", ""),
        STEP("outlier_iqr", NUMBER, "'k':'1.5','action':'clip'", "2", ""),
        STEP("bin_width", NUMBER, "'bins':'3'", "2,1", ""),
        STEP("bin_width", NUMBER, "'bins':'3'", "1,2,3", ""),
        STEP("one_hot", CATEGORY, "'max':'2','other':'no'", "", "'a','a'"),
        STEP("one_hot", CATEGORY, "'max':'1','other':'no'", "", "'a','b'"),
        STEP("drop_missing", NUMBER, "", "1", ""),
        STEP("cross", NUMBER "," CATEGORY, "", "", ""),
        STEP("cross", NUMBER, "", "", ""),
        STEP("select_variance", NUMBER, "'threshold':'0'", "", "'y'"),
        STEP("select_variance", NUMBER, "'threshold':'0'", "", "'x','x'"),
        // Forests: none of its parts; a start behind the end, or within a node; a column that isn't
        // there; a child behind the end, before its parent, or within a node; trees that aren't.
        STEP("outlier_forest", NUMBER, FOREST, "", ""),
        STEP("outlier_forest", NUMBER, FOREST, "0.5,0,1, 0, 5, -1,1,0", ""),
        STEP("outlier_forest", NUMBER, FOREST, "0.5,1,2, 0, 5, -1,1,0", ""),
        STEP("outlier_forest", NUMBER, FOREST, "0.5,1,1, 0, 5", ""),
        STEP("outlier_forest", NUMBER, FOREST, "0.5,1,1, 0, 5, -1,1", ""),
        STEP("outlier_forest", NUMBER, FOREST, "0.5,1,1, 0, 8, -1,1,0", ""),
        STEP("outlier_forest", NUMBER, FOREST, "0.5,1,1, 0, 6, -1,1,0, -1,1,0", ""),
        STEP("outlier_forest", NUMBER, FOREST, "0.5,1,1, 0, -5, -1,1,0", ""),
        STEP("outlier_forest", NUMBER, FOREST, "0.5,1,1, 0, 5, 1,3.5,11, -1,1,0, -1,1,0", ""),
        STEP("outlier_forest", NUMBER, FOREST, "0.5,1,1, 0, 5, -2,3.5,11, -1,1,0, -1,1,0", ""),
        STEP("outlier_forest", NUMBER, FOREST, "0.5,1,1, 0, 5, 0.5,3.5,11, -1,1,0, -1,1,0", ""),
        STEP("outlier_forest", NUMBER, FOREST, "0.5,1,1, 0, 5, 0,3.5,14, -1,1,0, -1,1,0", ""),
        STEP("outlier_forest", NUMBER, FOREST, "0.5,1,1, 0, 5, 0,3.5,5, -1,1,0, -1,1,0", ""),
        STEP("outlier_forest", NUMBER, FOREST, "0.5,1,1, 0, 5, 0,3.5,12, -1,1,0, -1,1,0", ""),
        STEP("outlier_forest", NUMBER, FOREST, "0.5,1,1, 0, 5, 0,3.5,8", ""),
        STEP("outlier_forest", NUMBER, FOREST, "0.5,1,1, 0, 5, -1,-1,0", ""),
    };
    for (size_t i = 0; i < sizeof sound / sizeof sound[0]; i++) {
        if (load_step(sound[i]) != HEED_OK) {
            fail_msg("%s: %s", sound[i], heed_error_message(HEED_EN));
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (load_step(bad[i]) != HEED_CORRUPT) fail_msg("%s", bad[i]);
        assert_non_null(strstr(heed_error_message(HEED_EN), "p.json: step 1"));
    }
    assert_int_equal(load_text("{'format':'x','version':1,'steps':[]}"), HEED_CORRUPT);
    assert_int_equal(load_text("{'format':'heed-pipeline','version':'1','steps':[]}"),
                     HEED_CORRUPT);
    assert_int_equal(load_text("{'format':'heed-pipeline','version':1}"), HEED_CORRUPT);
    assert_int_equal(load_text("[]"), HEED_CORRUPT);
    assert_int_equal(load_text("{'format':'heed-pipeline','version':2,'steps':[]}"), HEED_VERSION);
    assert_int_equal(load_text("{'format':'heed-pipeline','version':1,'steps':[]}"), HEED_OK);
}

static void test_bad_files(void **state) {
    (void)state;
    char path[64];
    hd_pipeline *p;
    hd_snprintf(path, sizeof path, "%s/bad.json", folder);
    assert_int_equal(hd_pipeline_load(path, &p), HEED_NOT_FOUND);
    assert_int_equal(hd_fs_write(path, "{\"format\":", 10, 0600), HEED_OK);
    assert_int_equal(hd_pipeline_load(path, &p), HEED_CORRUPT);
    assert_null(p);
}

static heed_err whole_run(const json_t *spec, const hd_table *source) {
    hd_table t, later;
    hd_pipeline *p = NULL, *loaded = NULL;
    json_t *json = NULL, *report = NULL;
    hd_table_init(&t);
    hd_table_init(&later);
    heed_err err = hd_table_dup(source, &t);
    if (err == HEED_OK) err = hd_table_dup(source, &later);
    if (err == HEED_OK) err = (report = json_array()) ? HEED_OK : HEED_MEMORY;
    if (err == HEED_OK) err = hd_pipeline_fit(spec, 1, &t, report, &p);
    if (err == HEED_OK) err = hd_pipeline_json(p, &json);
    if (err == HEED_OK) err = hd_pipeline_from_json(json, "x", &loaded);
    if (err == HEED_OK) err = hd_pipeline_apply(loaded, &later, false, NULL);
    hd_pipeline_free(p);
    hd_pipeline_free(loaded);
    json_decref(json);
    json_decref(report);
    hd_table_clear(&t);
    hd_table_clear(&later);
    return err;
}

static void test_allocation_failures(void **state) {
    (void)state;
    hd_table t;
    make_table(&t, 20, 3);
    json_t *spec = json_of(all_steps);
    json_object_set_new(json_array_get(spec, 5), "trees", json_integer(2));
    size_t before = hd_mem_used();
    for (uint64_t n = 1;; n += n < 300 ? 1 : 7) {
        assert_true(n < 20000);
        hd_mem_fail_at(n, true);
        heed_err err = whole_run(spec, &t);
        hd_mem_fail_at(0, false);
        assert_int_equal(hd_mem_used(), before);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
    }
    json_decref(spec);
    hd_table_clear(&t);
}

int main(void) {
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit_save_load_apply),
        cmocka_unit_test(test_seed),
        cmocka_unit_test(test_later_tables),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
