// SPDX-License-Identifier: Apache-2.0
//
// include/heed/net.h as a program of its own would use it; and that docs/networks.md names every
// kind and option, in both languages.
#include "nets.h"

#include "base/json.h"
#include "heed/net.h"

static char folder[] = "/tmp/heed-public-XXXXXX";
static char path[64];

static int calls;
static int count_calls(void *ctx, const heed_fit_progress *p) {
    assert_ptr_equal(ctx, &calls);
    assert_non_null(strstr(p->line, "损失"));
    return ++calls < 1000 ? 0 : 1;
}

static void test_life(void **state) {
    (void)state;
    enum { N = 40 };
    static float x[2 * N];
    static int32_t labels[N];
    for (int i = 0; i < N; i++) {
        x[2 * i] = (float)(i % 7) / 7;
        x[2 * i + 1] = (float)(i % 5) / 5;
        labels[i] = x[2 * i] > x[2 * i + 1];
    }
    heed_data *data, *first, *rest;
    heed_net *net, *again;
    heed_fit_params fit = heed_fit_default();
    heed_fit_report report;
    assert_ok(heed_data_rows(x, N, (size_t[]){2}, 1, labels, &data));
    assert_ok(heed_data_part(data, 0, 0.75, 3, &first));
    assert_ok(heed_data_part(data, 0.75, 1, 3, &rest));
    assert_int_equal(heed_data_count(first), 30);
    assert_ok(heed_net_new("- linear: {out: 8, act: tanh}\n- linear: 2\n", 1, &net));
    assert_int_equal(heed_net_parameters(net), 0);
    fit.epochs = 40;
    fit.optimizer = "adam: .05";
    fit.metrics = "accuracy";
    fit.validation = rest;
    fit.precision = "bf16";
    fit.threads = 1;
    fit.progress = count_calls;
    fit.ctx = &calls;
    fit.lang = HEED_ZH;
    assert_ok(heed_net_fit(net, first, &fit, &report));
    assert_true(calls >= 40 && report.metrics[0] >= 0.9 && report.parameters == 42);
    fit.precision = "f16";
    assert_says(heed_net_fit(net, first, &fit, NULL), HEED_INPUT, "f32 or bf16", "未知的精度“f16”");
    assert_ok(heed_net_save(net, path));
    assert_ok(heed_net_open(path, &again));
    heed_score score, same;
    assert_ok(heed_net_evaluate(net, rest, NULL, "accuracy", &score));
    assert_ok(heed_net_evaluate(again, rest, NULL, "accuracy", &same));
    assert_true(score.loss == same.loss && score.metrics[0] == same.metrics[0]);
    float *out;
    size_t width;
    assert_ok(heed_net_predict(again, rest, &out, &width));
    assert_int_equal(width, 2);
    heed_values_free(out);
    char *text;
    assert_ok(heed_net_load(net, path, NULL, NULL, &text));
    assert_non_null(strstr(text, "0.weight"));
    heed_text_free(text);
    assert_ok(heed_net_describe(net, data, 16, &text));
    assert_non_null(strstr(text, "42 parameters"));
    heed_text_free(text);
    heed_net_free(again);
    heed_net_free(net);
    heed_data_free(rest);
    heed_data_free(first);
    heed_data_free(data);
}

static heed_data *points(size_t n) {
    static float x[2 * 256];
    static int32_t labels[256];
    heed_data *data;
    for (size_t i = 0; i < n; i++) {
        x[2 * i] = (float)(i % 7) / 7;
        x[2 * i + 1] = (float)(i % 5) / 5;
        labels[i] = x[2 * i] > x[2 * i + 1];
    }
    assert_ok(heed_data_rows(x, n, (size_t[]){2}, 1, labels, &data));
    return data;
}

static void test_cross(void **state) {
    (void)state;
    heed_data *data = points(60);
    heed_fit_params fit = heed_fit_default();
    heed_cross_report report;
    heed_score scores[3];
    fit.epochs = 10;
    fit.optimizer = "adam: .05";
    fit.metrics = "accuracy";
    fit.threads = 1;
    assert_ok(heed_net_cross_validate("- linear: 2\n", 1, data, 3, &fit, scores, &report));
    double mean = 0;
    for (int i = 0; i < 3; i++) mean += scores[i].metrics[0] / 3;
    assert_true(fabs(report.metrics[0].mean - mean) < 1e-12 && mean > 0.8);
    assert_true(report.loss.mean > 0 && report.loss.deviation >= 0);
    assert_says(heed_net_cross_validate("- linear: 2\n", 1, data, 61, &fit, NULL, NULL), HEED_INPUT,
                "no more than samples", "不多于样本数");
    heed_data_free(data);
}

// Nothing is learned at a rate of 0: those trials are behind all others.
static void test_search(void **state) {
    (void)state;
    heed_data *data = points(200);
    heed_fit_params fit = heed_fit_default();
    const char layers[] = "- linear: {out: $width, act: $act}\n- linear: 2\n";
    heed_search_params search = {.space = "rate: {choices: [0, .03]}\n"
                                          "width: {low: 2, high: 9, whole: true}\n"
                                          "batch: {choices: [8, 16]}\n"
                                          "act: {choices: [relu, tanh]}\n",
                                 .trials = 9,
                                 .halving = 3,
                                 .seed = 5};
    char *text, *again;
    json_t *board;
    fit.epochs = 20;
    fit.optimizer = "adam: {rate: $rate}";
    fit.metrics = "accuracy";
    fit.monitor = "accuracy";
    fit.threads = 1;
    assert_ok(heed_net_search(layers, 1, data, &fit, &search, &text));
    assert_ok(hd_json_parse(text, strlen(text), "board", &board));
    assert_int_equal(json_array_size(board), 9);
    const json_t *first = json_array_get(board, 0), *values = json_object_get(first, "values");
    assert_true(json_number_value(json_object_get(values, "rate")) > 0.02);
    assert_true(json_number_value(json_object_get(first, "score")) > 0.9);
    assert_true(json_number_value(json_object_get(first, "budget")) == 1);
    json_decref(board);
    assert_ok(heed_net_search(layers, 1, data, &fit, &search, &again));
    assert_string_equal(text, again);
    heed_text_free(again);
    heed_text_free(text);
    assert_says(heed_net_search("- linear: $size\n", 1, data, &fit, &search, &text), HEED_INPUT,
                "no trial succeeded: '$size' stands for nothing", "“$size”没有对应的值");
    fit.validation = data;
    fit.monitor = NULL;
    fit.steps = 3;
    fit.loss = "cross_entropy: $smoothing";
    search.space =
        "smoothing: {low: 0, high: .5}\nrate: {low: .01, high: .02}\non: {choices: [true]}";
    search.trials = 2;
    search.halving = 0;
    assert_ok(heed_net_search("- linear: {out: 2, bias: $on}\n", 1, data, &fit, &search, &text));
    heed_text_free(text);
    for (uint64_t n = 1;; n += 1 + n / 20) {
        hd_mem_fail_at(n, false);
        heed_err err = heed_net_search("- linear: 2\n", 1, data, &fit, &search, &text);
        hd_mem_fail_at(0, false);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
    }
    heed_text_free(text);
    heed_data_free(data);
}

static void test_data(void **state) {
    (void)state;
    static const float x[4] = {1, 2, 3, 4};
    static const int32_t ids[] = {1, 2, 0, 1, 1, 0}, lengths[] = {2, 1}, labels[] = {0, 1};
    heed_data *data, *part;
    assert_ok(heed_data_values(x, 2, (size_t[]){1}, 1, x, 2, &data));
    assert_says(heed_data_part(data, 0.5, 0.2, 0, &part), HEED_INPUT, "a part from 0.5 to 0.2",
                "无法取 0.5 到 0.2 的部分");
    heed_data_free(data);
    assert_ok(heed_data_sequences(ids, 2, 3, lengths, labels, &data));
    heed_net *net;
    heed_fit_params fit = heed_fit_default();
    assert_ok(
        heed_net_new("- embedding: {count: 3, dim: 4}\n- sequence_pool\n- linear: 2\n", 1, &net));
    assert_ok(heed_net_fit(net, data, &fit, NULL));
    heed_net_free(net);
    heed_data_free(data);
    assert_ok(heed_data_windows(ids, 6, 2, 1, &data));
    assert_int_equal(heed_data_count(data), 4);
    heed_data_free(data);
    assert_says(heed_data_rows(x, 1, (size_t[]){1}, 9, NULL, &data), HEED_INPUT,
                "samples of 9 dimensions", "样本维数为 9");
    assert_int_equal(heed_data_idx("/none", "/none", &data), HEED_NOT_FOUND);
    heed_data_free(NULL);
    heed_net_free(NULL);
}

static void assert_named(const char *page, const char *name) {
    char quoted[80];
    hd_snprintf(quoted, sizeof quoted, "`%s`", name);
    if (!strstr(page, quoted)) fail_msg("docs/networks.md doesn't name %s", quoted);
}

static void check_page(const json_t *kinds, const char *page) {
    const char *family;
    json_t *value, *row, *option;
    size_t i, j;
    json_object_foreach((json_t *)(uintptr_t)kinds, family, value) {
        json_array_foreach(json_object_get(value, "kinds"), i, row) {
            assert_named(page, json_string_value(json_object_get(row, "name")));
            json_array_foreach(json_object_get(row, "options"), j, option) {
                assert_named(page, json_string_value(json_object_get(option, "name")));
                assert_true(strlen(json_string_value(json_object_get(option, "doc"))) > 0);
                assert_true(strlen(json_string_value(json_object_get(option, "doc_zh"))) > 0);
            }
        }
    }
}

static void test_kinds(void **state) {
    (void)state;
    char *text;
    json_t *kinds;
    assert_ok(heed_net_kinds(&text));
    assert_ok(hd_json_parse(text, strlen(text), "kinds", &kinds));
    heed_text_free(text);
    const char *const pages[] = {DOCS "/networks.md", DOCS "/zh/networks.md"};
    for (int i = 0; i < 2; i++) {
        hd_str page;
        hd_str_init(&page);
        assert_ok(hd_fs_read(pages[i], 0, &page));
        check_page(kinds, page.data);
        hd_str_clear(&page);
    }
    json_decref(kinds);
    for (uint64_t n = 1;; n += 1 + n / 30) {
        hd_mem_fail_at(n, false);
        heed_err err = heed_net_kinds(&text);
        hd_mem_fail_at(0, false);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
    }
    heed_text_free(text);
}

static int setup(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return 1;
    hd_snprintf(path, sizeof path, "%s/net.safetensors", folder);
    return hd_mem_adopt_libraries() == HEED_OK ? 0 : 1;
}

static int teardown(void **state) {
    (void)state;
    return hd_fs_remove(folder) == HEED_OK ? 0 : 1;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_life), cmocka_unit_test(test_cross),
                                       cmocka_unit_test(test_search), cmocka_unit_test(test_data),
                                       cmocka_unit_test(test_kinds)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
