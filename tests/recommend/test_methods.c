// SPDX-License-Identifier: Apache-2.0
//
// Each formula on cases small enough to compute by hand.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rows.h"

#define DAY HD_DAY_MS

static hd_model *fit(const char *name, const hd_sparse *rows, const char *param, double value) {
    const hd_method *method = hd_method_find(name);
    assert_non_null(method);
    double values[ROWS_PARAMS];
    hd_model *model = NULL;
    rows_values(method, param, value, values);
    assert_int_equal(method->fit(rows, values, 1, NULL, &model), HEED_OK);
    if (method->needs_rows) assert_int_equal(method->attach(model, rows), HEED_OK);
    assert_int_equal(method->n_items(model), rows->n_cols);
    return model;
}

static void score(const char *name, const hd_model *model, const uint32_t *items, size_t n,
                  hd_time now, float *out) {
    static const float ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    hd_history history = {items, ones, NULL, NULL, n, now};
    assert_int_equal(hd_method_find(name)->score(model, &history, out), HEED_OK);
}

static void assert_scores(const float *got, const double *want, size_t n) {
    for (size_t j = 0; j < n; j++) {
        if (got[j] != (float)want[j]) fail_msg("item %zu: %.9g, not %.9g", j, got[j], want[j]);
    }
}

// u0: 0 1 1 2    u1: 1 2    u2: 2 0    u3: nothing
static const hd_sparse_entry small[] = {
    {0, 0, 1, 1 * DAY, 1},  {0, 1, 1, 2 * DAY, 2},  {0, 1, 3, 9 * DAY, 3}, {0, 2, 2, 10 * DAY, 4},
    {1, 1, 1, 10 * DAY, 5}, {1, 2, 1, 11 * DAY, 6}, {2, 2, 1, 3 * DAY, 7}, {2, 0, 1, 12 * DAY, 8},
};
enum { N_SMALL = sizeof small / sizeof *small };

static hd_sparse small_rows(bool timed) {
    return rows_build(small, N_SMALL, 4, 4, timed);
}

static void test_list(void **state) {
    (void)state;
    assert_string_equal(hd_methods[0]->name, "popular");
    assert_null(hd_method_find("nonsense"));
    for (size_t m = 0; hd_methods[m]; m++) {
        const hd_method *method = hd_methods[m];
        assert_ptr_equal(hd_method_find(method->name), method);
        assert_true(method->doc.en && method->doc.zh && method->brief.en && method->brief.zh);
        assert_true((method->attach != NULL) == method->needs_rows);
        for (size_t p = 0; p < method->n_params; p++) {
            const hd_method_param *param = &method->params[p];
            assert_true(param->min <= param->initial && param->initial <= param->max);
            assert_true(param->doc.en && param->doc.zh);
            for (size_t g = 0; g < param->n_grid; g++) {
                assert_true(param->grid[g] >= param->min && param->grid[g] <= param->max);
            }
        }
    }
}

static void test_popular(void **state) {
    (void)state;
    hd_sparse rows = small_rows(false);
    float got[4];
    hd_model *model = fit("popular", &rows, NULL, 0);
    score("popular", model, NULL, 0, HD_TIME_NONE, got);
    assert_scores(got, (double[]){2, 2, 3, 0}, 4);
    hd_reason reason;
    size_t n = 9;
    hd_history none = {0};
    assert_int_equal(hd_method_find("popular")->reasons(model, &none, 0, &reason, 1, &n), HEED_OK);
    assert_int_equal(n, 0);
    hd_method_find("popular")->free(model);
    model = fit("popular", &rows, "weighted", 1); // greatest weight per user: u0 at item 1 has 3
    score("popular", model, NULL, 0, HD_TIME_NONE, got);
    assert_scores(got, (double[]){2, 4, 4, 0}, 4);
    hd_method_find("popular")->free(model);
    hd_sparse_clear(&rows);
}

static void test_recent(void **state) {
    (void)state;
    hd_sparse rows = small_rows(true);
    float got[4];
    hd_model *model = fit("recent", &rows, "days", 3); // end: day 12; days 0, 1, 2 = (9, 12]
    score("recent", model, NULL, 0, HD_TIME_NONE, got);
    assert_scores(got, (double[]){1, 1, 2, 0}, 4);
    score("recent", model, NULL, 0, 12 * DAY + 5, got); // same day
    assert_scores(got, (double[]){1, 1, 2, 0}, 4);
    score("recent", model, NULL, 0, 13 * DAY, got); // days 0 and 1 of the data are left
    assert_scores(got, (double[]){1, 0, 1, 0}, 4);
    score("recent", model, NULL, 0, 99 * DAY, got);
    assert_scores(got, (double[]){0, 0, 0, 0}, 4);
    score("recent", model, NULL, 0, 10 * DAY, got); // (7, 10]: nothing after 10 is seen
    assert_scores(got, (double[]){0, 2, 1, 0}, 4);
    score("recent", model, NULL, 0, 10 * DAY - 1, got); // whole days only: (6, 9]
    assert_scores(got, (double[]){0, 1, 0, 0}, 4);
    score("recent", model, NULL, 0, -500 * DAY, got);
    assert_scores(got, (double[]){0, 0, 0, 0}, 4);
    hd_method_find("recent")->free(model);
    hd_sparse_clear(&rows);
}

// A user counts once a day at an item, whatever the number of events.
static void test_recent_counts_users(void **state) {
    (void)state;
    const hd_sparse_entry entries[] = {
        {0, 0, 1, 5 * DAY, 1}, {0, 0, 1, 5 * DAY - 9, 2}, {0, 1, 1, 5 * DAY - 7, 3},
        {0, 0, 1, 4 * DAY, 4}, {1, 0, 1, 5 * DAY, 5},     {1, 1, 1, HD_TIME_NONE, 6},
    };
    hd_sparse rows = rows_build(entries, 6, 2, 2, true);
    float got[2];
    hd_model *model = fit("recent", &rows, "days", 1);
    score("recent", model, NULL, 0, HD_TIME_NONE, got);
    assert_scores(got, (double[]){2, 1}, 2);
    hd_method_find("recent")->free(model);
    model = fit("recent", &rows, "days", 2);
    score("recent", model, NULL, 0, HD_TIME_NONE, got);
    assert_scores(got, (double[]){3, 1}, 2);
    hd_method_find("recent")->free(model);
    hd_sparse_clear(&rows);
}

static void test_recent_without_times(void **state) {
    (void)state;
    const hd_method *recent = hd_method_find("recent");
    hd_sparse rows = small_rows(false);
    double days = 30;
    hd_model *model = NULL;
    assert_int_equal(recent->fit(&rows, &days, 1, NULL, &model), HEED_UNAVAILABLE);
    assert_non_null(strstr(heed_error_message(HEED_EN), "times"));
    assert_null(model);
    hd_sparse_clear(&rows);
}

// Strengths: u0 (1, 3, 2), u1 (·, 1, 1), u2 (1, ·, 1); columns: 0: (1, 0, 1), 1: (3, 1, 0),
// 2: (2, 1, 1). Norms: √2, √10, √6. Products: 0·1 = 3, 0·2 = 3, 1·2 = 7.
static void test_item_knn(void **state) {
    (void)state;
    const hd_method *knn = hd_method_find("item_knn");
    hd_sparse rows = small_rows(false);
    hd_model *model = fit("item_knn", &rows, "shrink", 0);
    float got[4];
    float s2 = sqrtf(2), s10 = sqrtf(10), s6 = sqrtf(6);
    double s01 = 3 / ((double)s2 * s10), s02 = 3 / ((double)s2 * s6), s12 = 7 / ((double)s10 * s6);
    score("item_knn", model, (uint32_t[]){0}, 1, HD_TIME_NONE, got);
    assert_scores(got, (double[]){0, s01, s02, 0}, 4);
    score("item_knn", model, (uint32_t[]){1, 0, 1}, 3, HD_TIME_NONE, got); // 1 counts once
    assert_scores(got, (double[]){(float)s01, (float)s01, (float)s02 + (float)s12, 0}, 4);

    hd_history history = {(uint32_t[]){1, 0, 1}, (float[]){1, 1, 1}, NULL, NULL, 3, HD_TIME_NONE};
    hd_reason reasons[4];
    size_t n = 0;
    assert_int_equal(knn->reasons(model, &history, 2, reasons, 4, &n), HEED_OK);
    assert_int_equal(n, 2);
    assert_int_equal(reasons[0].entry, 2); // the newer entry at item 1: 12 > 02
    assert_int_equal(reasons[1].entry, 1);
    double sum = (double)(float)s12 + (float)s02;
    assert_float_equal(reasons[0].share, (float)s12 / sum, 1e-12);
    assert_float_equal(reasons[0].share + reasons[1].share, 1, 1e-12);
    assert_int_equal(knn->reasons(model, &history, 3, reasons, 4, &n), HEED_OK);
    assert_int_equal(n, 0);
    knn->free(model);

    model = fit("item_knn", &rows, "shrink", 10);
    score("item_knn", model, (uint32_t[]){0}, 1, HD_TIME_NONE, got);
    assert_scores(got, (double[]){0, 3 / ((double)s2 * s10 + 10), 3 / ((double)s2 * s6 + 10), 0},
                  4);
    knn->free(model);
    hd_sparse_clear(&rows);
}

static void test_item_knn_options(void **state) {
    (void)state;
    const hd_method *knn = hd_method_find("item_knn");
    hd_sparse rows = small_rows(false);
    float got[4], one[4];
    hd_model *model = fit("item_knn", &rows, "decay", 0.5);
    score("item_knn", model, (uint32_t[]){0}, 1, HD_TIME_NONE, one);
    score("item_knn", model, (uint32_t[]){0, 3}, 2, HD_TIME_NONE, got); // one item before the last
    for (size_t j = 0; j < 4; j++) assert_true(got[j] == one[j] / 2);
    knn->free(model);
    model = fit("item_knn", &rows, "neighbours", 1); // of 0: item 2 beats item 1 with shrink 10
    score("item_knn", model, (uint32_t[]){0}, 1, HD_TIME_NONE, got);
    assert_true(got[1] == 0 || got[2] == 0);
    assert_true(got[1] + got[2] > 0);
    knn->free(model);
    model = fit("item_knn", &rows, "history", 1); // one entry a user: nothing co-occurs
    score("item_knn", model, (uint32_t[]){0}, 1, HD_TIME_NONE, got);
    assert_scores(got, (double[]){0, 0, 0, 0}, 4);
    knn->free(model);
    hd_sparse_clear(&rows);
}

// History {0}: cos with u0 = 1·1 / (1 · √(1+9+4)), with u2 = 1 / √2, with u1 0.
static void test_user_knn(void **state) {
    (void)state;
    const hd_method *knn = hd_method_find("user_knn");
    hd_sparse rows = small_rows(false);
    hd_model *model = fit("user_knn", &rows, NULL, 0);
    float got[4], c0 = (float)(1 / (double)sqrtf(14)), c2 = (float)(1 / (double)sqrtf(2));
    score("user_knn", model, (uint32_t[]){0}, 1, HD_TIME_NONE, got);
    assert_scores(got, (double[]){c2 + c0, 3 * c0, c2 + 2 * c0, 0}, 4);
    score("user_knn", model, (uint32_t[]){3}, 1, HD_TIME_NONE, got);
    assert_scores(got, (double[]){0, 0, 0, 0}, 4);
    score("user_knn", model, (uint32_t[]){77}, 1, HD_TIME_NONE, got); // not an item of the model
    assert_scores(got, (double[]){0, 0, 0, 0}, 4);

    // Item 2 for {0, 1}: u0 = (1+3)/(√2 √14) gives 2, u1 1/(√2 √2) gives 1, u2 1/(√2 √2) gives 1.
    hd_history history = {(uint32_t[]){0, 1}, (float[]){1, 1}, NULL, NULL, 2, HD_TIME_NONE};
    hd_reason reasons[2];
    size_t n = 0;
    assert_int_equal(knn->reasons(model, &history, 2, reasons, 2, &n), HEED_OK);
    assert_int_equal(n, 2);
    double by0 = 2 / sqrt(28) + 0.5, by1 = 6 / sqrt(28) + 0.5;
    assert_int_equal(reasons[0].entry, 1);
    assert_float_equal(reasons[0].share, by1 / (by0 + by1), 1e-6);
    assert_float_equal(reasons[1].share, by0 / (by0 + by1), 1e-6);
    knn->free(model);

    model = fit("user_knn", &rows, "neighbours", 1); // u2 is nearest
    score("user_knn", model, (uint32_t[]){0}, 1, HD_TIME_NONE, got);
    assert_scores(got, (double[]){c2, 0, c2, 0}, 4);
    knn->free(model);
    hd_sparse_clear(&rows);
}

static void test_user_knn_needs_rows(void **state) {
    (void)state;
    const hd_method *knn = hd_method_find("user_knn");
    hd_sparse rows = small_rows(false), other = rows_build(small, 1, 1, 9, false);
    double values[ROWS_PARAMS];
    rows_values(knn, NULL, 0, values);
    hd_model *model = NULL;
    float got[4];
    hd_history none = {0};
    assert_int_equal(knn->fit(&rows, values, 1, NULL, &model), HEED_OK);
    assert_int_equal(knn->score(model, &none, got), HEED_UNAVAILABLE);
    assert_int_equal(knn->attach(model, &other), HEED_CONFLICT);
    assert_int_equal(knn->attach(model, &rows), HEED_OK);
    assert_int_equal(knn->attach(model, &rows), HEED_OK); // again: replaces
    assert_int_equal(knn->score(model, &none, got), HEED_OK);
    knn->free(model);
    hd_sparse_clear(&rows);
    hd_sparse_clear(&other);
}

// Steps: u0 0 1 2 (the run at 1 is one), u1 1 2, u2 2 0. With decay .8:
// n(0→1) = 1, n(0→2) = .8, n(1→2) = 2, n(2→0) = 1; n(0→·) = 1.8; steps 0: 2, 1: 2, 2: 3.
static void test_markov(void **state) {
    (void)state;
    const hd_method *markov = hd_method_find("markov");
    hd_sparse rows = small_rows(false);
    hd_model *model = fit("markov", &rows, "b", 0.25);
    float got[4], p2 = (float)pow(2, -.25), p3 = (float)pow(3, -.25);
    score("markov", model, (uint32_t[]){0}, 1, HD_TIME_NONE, got);
    float g0 = (float)(1 / 1.8);
    assert_scores(got, (double[]){0, g0 * 1 * p2, g0 * .8F * p3, 0}, 4);
    // 1 is the newest, 0 stands one further back: .8 / 1.8.
    score("markov", model, (uint32_t[]){0, 1}, 2, HD_TIME_NONE, got);
    float back = (float)(.8 / 1.8);
    assert_scores(got, (double[]){0, back * p2, (1 + back * .8F) * p3, 0}, 4);
    // A run at the end is one step; what the model doesn't know is none.
    float again[4];
    score("markov", model, (uint32_t[]){0, 1, 1, 77, 1}, 5, HD_TIME_NONE, again);
    assert_memory_equal(got, again, sizeof got);
    score("markov", model, (uint32_t[]){3}, 1, HD_TIME_NONE, got);
    assert_scores(got, (double[]){0, 0, 0, 0}, 4);

    hd_history history = {(uint32_t[]){0, 1}, (float[]){1, 1}, NULL, NULL, 2, HD_TIME_NONE};
    hd_reason reasons[3];
    size_t n = 0;
    assert_int_equal(markov->reasons(model, &history, 2, reasons, 3, &n), HEED_OK);
    assert_int_equal(n, 2);
    assert_int_equal(reasons[0].entry, 1);
    double older = .8 / 1.8 * .8;
    assert_float_equal(reasons[0].share, 1 / (1 + older), 1e-7);
    assert_int_equal(reasons[1].entry, 0);
    assert_float_equal(reasons[1].share, older / (1 + older), 1e-7);
    assert_int_equal(markov->reasons(model, &history, 2, reasons, 1, &n), HEED_OK);
    assert_int_equal(n, 1);
    assert_float_equal(reasons[0].share, 1 / (1 + older), 1e-7);
    assert_int_equal(markov->reasons(model, &history, 3, reasons, 3, &n), HEED_OK);
    assert_int_equal(n, 0);
    markov->free(model);
    hd_sparse_clear(&rows);
}

static void test_markov_window_and_powers(void **state) {
    (void)state;
    const hd_method *markov = hd_method_find("markov");
    hd_sparse rows = small_rows(false);
    float got[4];
    double values[ROWS_PARAMS] = {.5, 0, 0, 1, 100}; // decay, a, b, window, neighbours
    hd_model *model = NULL;
    assert_int_equal(markov->fit(&rows, values, 1, NULL, &model), HEED_OK);
    score("markov", model, (uint32_t[]){2, 0}, 2, HD_TIME_NONE, got); // plain counts, the last item
    assert_scores(got, (double[]){0, 1, 0, 0}, 4);
    markov->free(model);
    values[3] = 2;
    assert_int_equal(markov->fit(&rows, values, 1, NULL, &model), HEED_OK);
    score("markov", model, (uint32_t[]){2, 0}, 2, HD_TIME_NONE, got);
    assert_scores(got, (double[]){.5 * 1, 1, .5, 0}, 4);
    markov->free(model);
    values[4] = 1; // of 0 only the greatest transition is kept; n(0→·) stays whole
    values[1] = 1;
    assert_int_equal(markov->fit(&rows, values, 1, NULL, &model), HEED_OK);
    score("markov", model, (uint32_t[]){0}, 1, HD_TIME_NONE, got);
    assert_scores(got, (double[]){0, (float)(1 / 1.5), 0, 0}, 4);
    markov->free(model);
    hd_sparse_clear(&rows);
}

static void test_bad_parameters(void **state) {
    (void)state;
    hd_sparse rows = small_rows(true);
    for (size_t m = 0; hd_methods[m]; m++) {
        const hd_method *method = hd_methods[m];
        for (size_t p = 0; p < method->n_params; p++) {
            const hd_method_param *param = &method->params[p];
            const double bad[] = {param->min - 1, param->max + 1, NAN, INFINITY,
                                  param->integer ? param->min + 0.5 : NAN};
            for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
                double values[ROWS_PARAMS];
                hd_model *model = NULL;
                rows_values(method, param->name, bad[b], values);
                assert_int_equal(method->fit(&rows, values, 1, NULL, &model), HEED_INPUT);
                assert_non_null(strstr(heed_error_message(HEED_EN), param->name));
                assert_non_null(strstr(heed_error_message(HEED_ZH), param->name));
                assert_null(model);
            }
        }
    }
    hd_sparse_clear(&rows);
}

// No users, no items, no events: a model that says nothing.
static void test_empty(void **state) {
    (void)state;
    const size_t shapes[][2] = {{0, 0}, {3, 0}, {0, 3}, {3, 3}};
    for (size_t s = 0; s < 4; s++) {
        hd_sparse rows = rows_build(small, 0, shapes[s][0], shapes[s][1], false);
        for (size_t m = 0; hd_methods[m]; m++) {
            if (hd_methods[m]->needs_time) continue;
            hd_model *model = fit(hd_methods[m]->name, &rows, NULL, 0);
            float got[4] = {7, 7, 7, 7};
            score(hd_methods[m]->name, model, (uint32_t[]){0, 1}, 2, HD_TIME_NONE, got);
            for (size_t j = 0; j < shapes[s][1]; j++) assert_true(got[j] == 0);
            assert_true(got[3] == 7);
            hd_methods[m]->free(model);
        }
        hd_sparse_clear(&rows);
    }
    for (size_t m = 0; hd_methods[m]; m++) hd_methods[m]->free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_popular),
        cmocka_unit_test(test_recent),
        cmocka_unit_test(test_recent_counts_users),
        cmocka_unit_test(test_recent_without_times),
        cmocka_unit_test(test_item_knn),
        cmocka_unit_test(test_item_knn_options),
        cmocka_unit_test(test_user_knn),
        cmocka_unit_test(test_user_knn_needs_rows),
        cmocka_unit_test(test_markov),
        cmocka_unit_test(test_markov_window_and_powers),
        cmocka_unit_test(test_bad_parameters),
        cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
