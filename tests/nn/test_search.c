// SPDX-License-Identifier: Apache-2.0
//
// Cross-validation on a small training; the search on functions whose best point is known.
#include "nets.h"

#include "nn/search.h"

static char folder[] = "/tmp/heed-search-XXXXXX";

static void test_folds(void **state) {
    (void)state;
    enum { N = 60, K = 3 };
    hd_data *data = rings(N, 1);
    int32_t labels[N];
    hd_evaluation each[K];
    hd_cross_report report;
    const hd_draw draw = {0, 0, false};
    for (size_t i = 0; i < N; i++) {
        float x[2];
        assert_ok(data->read(data, 1, &i, &draw, (void *[]){x, &labels[i]}));
    }
    const hd_train_opts opts = {
        .threads = 1, .epochs = 15, .optimizer = "adam: .03", .metrics = "accuracy"};
    const char layers[] = "- linear: {out: 16, act: relu}\n- linear: 2\n";
    assert_ok(hd_cross_validate(layers, 1, data, labels, K, &opts, each, &report));
    double mean = 0, spread = 0;
    for (int i = 0; i < K; i++) mean += each[i].metrics[0] / K;
    for (int i = 0; i < K; i++) spread += pow(each[i].metrics[0] - mean, 2) / (K - 1);
    assert_true(fabs(report.metrics[0].mean - mean) < 1e-12 && mean > 0.6);
    assert_true(fabs(report.metrics[0].deviation - sqrt(spread)) < 1e-9);
    assert_true(report.folds == K && report.n_metrics == 1);
    assert_says(hd_cross_validate(layers, 1, data, labels, 1, &opts, NULL, &report), HEED_INPUT,
                "2 folds at least", "至少 2 折");
    assert_says(hd_cross_validate("- linaer: 2\n", 1, data, labels, 2, &opts, NULL, &report),
                HEED_INPUT, "fold 1: layers.0", "第 1 折：layers.0");
    hd_data_free(data);
}

// ── Search ──

typedef struct seen {
    double spent, largest, least;
    size_t calls;
    bool fails;
} seen;

// Best at rate .01 and width 32; gelu is better than relu.
static heed_err bowl(void *ctx, const json_t *values, double budget, size_t trial, double *score) {
    seen *s = ctx;
    double rate = json_number_value(json_object_get(values, "rate"));
    json_int_t width = json_integer_value(json_object_get(values, "width"));
    const char *act = json_string_value(json_object_get(values, "act"));
    assert_true(rate >= 1e-4 && rate <= 1 && width >= 8 && width <= 128 && act);
    s->calls++;
    s->spent += budget;
    s->largest = fmax(s->largest, rate);
    s->least = s->least > 0 ? fmin(s->least, rate) : rate;
    if (trial == 7) return HEED_OK; // failed: stays NaN
    if (s->fails) return HD_FAIL(HEED_INPUT, "a trial is broken", "试验出错");
    *score = pow(log10(rate) + 2, 2) + pow(log2((double)width) - 5, 2) + (strcmp(act, "relu") == 0);
    return HEED_OK;
}

static const char space[] = "rate: {low: .0001, high: 1, log: true}\n"
                            "width: {low: 8, high: 128, log: true, whole: true}\n"
                            "act: {choices: [relu, gelu]}\n";

static double score_at(const json_t *board, size_t i) {
    return json_number_value(json_object_get(json_array_get(board, i), "score"));
}

static void test_random(void **state) {
    (void)state;
    seen s = {0};
    char path[64];
    json_t *board, *again;
    hd_snprintf(path, sizeof path, "%s/board.json", folder);
    hd_search_opts opts = {
        .space = space, .trials = 60, .seed = 3, .leaderboard = path, .trial = bowl, .ctx = &s};
    assert_ok(hd_search_run(&opts, &board));
    assert_int_equal(s.calls, 60);
    assert_int_equal(json_array_size(board), 60);
    assert_true(s.least < 1e-3 && s.largest > 0.1); // by ratio
    for (size_t i = 1; i < 59; i++) assert_true(score_at(board, i - 1) <= score_at(board, i));
    assert_true(json_is_null(json_object_get(json_array_get(board, 59), "score")));
    assert_true(score_at(board, 0) < 0.6);
    hd_str text;
    hd_str_init(&text);
    assert_ok(hd_fs_read(path, 0, &text));
    assert_non_null(strstr(text.data, "\"rank\": 60"));
    hd_str_clear(&text);
    opts.leaderboard = NULL;
    assert_ok(hd_search_run(&opts, &again));
    assert_true(json_equal(board, again));
    json_decref(again);
    opts.larger_is_better = true;
    assert_ok(hd_search_run(&opts, &again));
    assert_true(score_at(again, 0) > score_at(again, 1));
    json_decref(again);
    json_decref(board);
}

static void test_halving(void **state) {
    (void)state;
    seen s = {0};
    json_t *board;
    hd_search_opts opts = {
        .space = space, .trials = 27, .seed = 3, .halving = 3, .trial = bowl, .ctx = &s};
    assert_ok(hd_search_run(&opts, &board));
    assert_int_equal(s.calls, 27 + 9 + 3);
    assert_true(fabs(s.spent - 9) < 1e-9); // 27/9 + 9/3 + 3
    assert_int_equal(json_array_size(board), 27);
    const json_t *first = json_array_get(board, 0);
    assert_true(json_number_value(json_object_get(first, "budget")) == 1);
    for (size_t i = 1; i < 26; i++) assert_true(score_at(board, 0) <= score_at(board, i));
    json_decref(board);
}

static void test_bad(void **state) {
    (void)state;
    seen s = {.fails = true};
    json_t *board;
    hd_search_opts opts = {.space = space, .trial = bowl, .ctx = &s};
    assert_says(hd_search_run(&opts, &board), HEED_INPUT, "a trial is broken", "试验出错");
    const char *const spaces[] = {"{}",
                                  "rate: 3",
                                  "rate: {low: 3, high: 1}",
                                  "rate: {low: 0, high: 1, log: true}",
                                  "rate: {choices: []}",
                                  "rate: {low: 0, hgih: 1}",
                                  "a list"};
    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
        opts.space = spaces[i];
        assert_int_equal(hd_search_run(&opts, &board), HEED_INPUT);
        assert_non_null(strstr(heed_error_message(HEED_EN), "space"));
    }
    opts.space = space;
    s.fails = false;
    for (uint64_t n = 1;; n++) {
        hd_mem_fail_at(n, false);
        heed_err err = hd_search_run(&opts, &board);
        hd_mem_fail_at(0, false);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
    }
    json_decref(board);
}

static int setup(void **state) {
    (void)state;
    return mkdtemp(folder) && hd_mem_adopt_libraries() == HEED_OK ? 0 : 1;
}

static int teardown(void **state) {
    (void)state;
    return hd_fs_remove(folder) == HEED_OK ? 0 : 1;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_folds), cmocka_unit_test(test_random),
                                       cmocka_unit_test(test_halving), cmocka_unit_test(test_bad)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
