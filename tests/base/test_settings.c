// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/settings.h"

static const char *const langs[] = {"auto", "en", "zh", NULL};
static const hd_setting rows[] = {
    {"lang", HD_SETTING_CHOICE, "auto", 0, 0, langs, HD_TEXT("language", "语言")},
    {"memory.limit", HD_SETTING_SIZE, "0", 0, 0, NULL, HD_TEXT("memory", "内存")},
    {"import.max_line", HD_SETTING_SIZE, "16MB", 1024, 1073741824, NULL, HD_TEXT("line", "行")},
    {"import.allow", HD_SETTING_BOOL, "false", 0, 0, NULL, HD_TEXT("allow", "允许")},
    {"threads", HD_SETTING_INT, "0", 0, 256, NULL, HD_TEXT("threads", "线程")},
    {"train.decay", HD_SETTING_FLOAT, "0.8", 0, 1, NULL, HD_TEXT("decay", "衰减")},
    {"zone", HD_SETTING_TEXT, "UTC", 0, 0, NULL, HD_TEXT("zone", "时区")},
    {"signals", HD_SETTING_WEIGHTS, "view=1,cart=3", -10, 100, NULL, HD_TEXT("weights", "权重")},
};
enum { N_ROWS = sizeof rows / sizeof rows[0] };

static hd_settings *fresh(void) {
    hd_settings *settings = NULL;
    assert_int_equal(hd_settings_new(rows, N_ROWS, &settings), HEED_OK);
    return settings;
}

static heed_err load(hd_settings *settings, const char *text) {
    return hd_settings_load_yaml(settings, text, strlen(text), "heed.yaml");
}

static void expect_at(const hd_settings *settings, size_t i, const char *value, hd_origin origin,
                      const char *place) {
    const hd_setting *row;
    hd_str text;
    hd_origin got;
    const char *got_place;
    hd_str_init(&text);
    assert_true(hd_settings_at(settings, i, &row, &text, &got, &got_place));
    assert_ptr_equal(row, &rows[i]);
    assert_string_equal(hd_str_get(&text), value);
    assert_int_equal(got, origin);
    assert_string_equal(got_place, place);
    hd_str_clear(&text);
}

static void test_defaults(void **state) {
    (void)state;
    hd_settings *s = fresh();
    double w = 0;
    assert_string_equal(hd_settings_text(s, "lang"), "auto");
    assert_int_equal(hd_settings_int(s, "import.max_line"), 16 << 20);
    assert_false(hd_settings_bool(s, "import.allow"));
    assert_int_equal(hd_settings_int(s, "threads"), 0);
    assert_true(hd_settings_float(s, "train.decay") == 0.8);
    assert_string_equal(hd_settings_text(s, "zone"), "UTC");
    assert_true(hd_settings_weight(s, "signals", "cart", &w) && w == 3);
    assert_false(hd_settings_weight(s, "signals", "purchase", &w));
    expect_at(s, 2, "16MB", HD_ORIGIN_DEFAULT, "");
    expect_at(s, 5, "0.8", HD_ORIGIN_DEFAULT, "");
    expect_at(s, 7, "view=1,cart=3", HD_ORIGIN_DEFAULT, "");
    const hd_setting *row;
    hd_origin origin;
    const char *place;
    hd_str text;
    hd_str_init(&text);
    assert_false(hd_settings_at(s, N_ROWS, &row, &text, &origin, &place));
    hd_settings_free(s);
    hd_settings_free(NULL);
}

static void test_bad_default(void **state) {
    (void)state;
    const hd_setting bad[] = {{"ok", HD_SETTING_TEXT, "x", 0, 0, NULL, HD_TEXT("", "")},
                              {"x", HD_SETTING_INT, "ten", 0, 0, NULL, HD_TEXT("", "")}};
    hd_settings *s;
    assert_int_equal(hd_settings_new(bad, 2, &s), HEED_INTERNAL);
    assert_null(s);
}

// The higher rank wins in whatever order the layers come.
static void test_precedence(void **state) {
    (void)state;
    char *environ_list[] = {"HEED_THREADS=3",      "HEED_LANG=zh", "HEED_TRAIN_DECAY=",
                            "HEED_NOW=2026-01-01", "THREADS=9",    NULL};
    for (int order = 0; order < 2; order++) {
        hd_settings *s = fresh();
        if (order == 0) assert_int_equal(hd_settings_set_flag(s, "threads", "4"), HEED_OK);
        if (order == 0) assert_int_equal(hd_settings_load_env(s, environ_list), HEED_OK);
        assert_int_equal(load(s, "lang: en\nthreads: 2\nimport:\n  max_line: 1KB\n"), HEED_OK);
        if (order == 1) assert_int_equal(hd_settings_load_env(s, environ_list), HEED_OK);
        if (order == 1) assert_int_equal(hd_settings_set_flag(s, "threads", "4"), HEED_OK);
        expect_at(s, 0, "zh", HD_ORIGIN_ENV, "HEED_LANG");
        expect_at(s, 2, "1KB", HD_ORIGIN_FILE, "heed.yaml:4");
        expect_at(s, 4, "4", HD_ORIGIN_FLAG, "--threads");
        expect_at(s, 5, "0.8", HD_ORIGIN_DEFAULT, "");
        hd_settings_free(s);
    }
}

static void test_file_forms(void **state) {
    (void)state;
    hd_settings *s = fresh();
    double w;
    assert_int_equal(load(s, "memory.limit: 1.5GB\nimport: {allow: true}\ntrain:\n  decay: 1\n"
                             "zone: Asia/Shanghai\nsignals:\n  view: 0.5\n  wish list: -2\n"),
                     HEED_OK);
    assert_int_equal(hd_settings_int(s, "memory.limit"), INT64_C(1610612736));
    assert_true(hd_settings_bool(s, "import.allow"));
    assert_true(hd_settings_float(s, "train.decay") == 1);
    assert_true(hd_settings_weight(s, "signals", "wish list", &w) && w == -2);
    assert_false(hd_settings_weight(s, "signals", "cart", &w)); // the file's mapping stands alone
    expect_at(s, 1, "1536MB", HD_ORIGIN_FILE, "heed.yaml:1");
    expect_at(s, 7, "view=0.5,wish list=-2", HD_ORIGIN_FILE, "heed.yaml:6");
    hd_settings_free(s);
    s = fresh();
    assert_int_equal(load(s, "signals: {}\n"), HEED_OK);
    assert_false(hd_settings_weight(s, "signals", "view", &w));
    hd_settings_free(s);
}

static void test_file_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"lang: en\nthread: 2\n", "heed.yaml:2: unknown setting 'thread': did you mean 'threads'?"},
        {"import:\n  max_lines: 2\n", "did you mean 'import.max_line'"},
        {"memroy:\n  limit: 2\n", "heed.yaml:2: unknown setting 'memroy.limit': did you mean"},
        {"qqqqqqqqqqqqqqqqqqqqqq: 1\n", "config show"},
        {"memory: {}\n", "unknown setting 'memory'"},
        {"lang: fr\n", "heed.yaml:1: lang: 'fr' is not a choice: use one of auto, en, zh"},
        {"threads: 2.5\n", "not a whole number"},
        {"threads: 257\n", "from 0 to 256"},
        {"train: {decay: -0.1}\n", "from 0 to 1"},
        {"train: {decay: high}\n", "'high' is not a number"},
        {"import: {allow: yes}\n", "neither true nor false"},
        {"import: {max_line: 16 XB}\n", "not a size"},
        {"import: {max_line: -1}\n", "not a size"},
        {"import: {max_line: 1}\n", "out of bounds"},
        {"memory: {limit: 9999999TB}\n", "not a size"},
        {"zone: 8\n", "put it in quotes"},
        {"threads:\n", "has no value"},
        {"threads: [1]\n", "single value"},
        {"threads: {a: 1}\n", "single value"},
        {"signals: {view: x}\n", "must have a number"},
        {"signals: {'a=b': 1}\n", "must have a number"},
        {"signals: {view: 101}\n", "out of bounds"},
        {"signals: 5\n", "name=number"},
        {"memory.limit: 1\nmemory:\n  limit: 2\n",
         "heed.yaml:3: setting 'memory.limit' stands twice"},
        {"a: [\n", "not valid YAML"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hd_settings *s = fresh();
        assert_int_equal(load(s, cases[i].text), HEED_INPUT);
        if (!strstr(heed_error_message(HEED_EN), cases[i].part)) {
            fail_msg("%s: %s", cases[i].text, heed_error_message(HEED_EN));
        }
        assert_non_null(strstr(heed_error_message(HEED_ZH), "heed.yaml"));
        hd_settings_free(s);
    }
}

static void test_env_and_flags_refused(void **state) {
    (void)state;
    hd_settings *s = fresh();
    char *environ_list[] = {"HEED_THREADS=many", NULL};
    assert_int_equal(hd_settings_load_env(s, environ_list), HEED_INPUT);
    assert_string_equal(heed_error_message(HEED_EN), "HEED_THREADS: 'many' is not a whole number");
    assert_int_equal(hd_settings_set_flag(s, "threads", "x"), HEED_USAGE);
    assert_int_equal(heed_error_code(), HEED_USAGE);
    assert_string_equal(heed_error_message(HEED_EN), "--threads: 'x' is not a whole number");
    assert_int_equal(hd_settings_set_flag(s, "thread", "1"), HEED_USAGE);
    assert_int_equal(hd_settings_set_flag(s, "signals", "view=1,view=2"), HEED_USAGE);
    assert_int_equal(hd_settings_set_flag(s, "signals", "view"), HEED_USAGE);
    assert_int_equal(hd_settings_set_flag(s, "signals", "=1"), HEED_USAGE);
    assert_int_equal(hd_settings_set_flag(s, "signals", " a = 1"), HEED_USAGE);
    assert_int_equal(hd_settings_int(s, "threads"), 0); // what was there stays
    assert_int_equal(hd_settings_set_flag(s, "signals", "buy=5, view=1"), HEED_OK);
    expect_at(s, 7, "buy=5,view=1", HD_ORIGIN_FLAG, "--signals");
    assert_int_equal(hd_settings_set_flag(s, "signals", ""), HEED_OK);
    expect_at(s, 7, "", HD_ORIGIN_FLAG, "--signals");
    hd_settings_free(s);
}

static void test_sizes(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
        const char *shown;
    } cases[] = {
        {"512", 512, "512"},
        {"64KB", 65536, "64KB"},
        {"64 kb", 65536, "64KB"},
        {"0.5MB", 524288, "512KB"},
        {"2GB", INT64_C(2) << 30, "2GB"},
        {"1TB", INT64_C(1) << 40, "1TB"},
        {"1025B", 1025, "1025"},
        {"0", 0, "0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hd_settings *s = fresh();
        assert_int_equal(hd_settings_set_flag(s, "memory.limit", cases[i].text), HEED_OK);
        assert_int_equal(hd_settings_int(s, "memory.limit"), cases[i].bytes);
        expect_at(s, 1, cases[i].shown, HD_ORIGIN_FLAG, "--memory.limit");
        hd_settings_free(s);
    }
}

static void test_load_file(void **state) {
    (void)state;
    char folder[] = "/tmp/heed_settings_XXXXXX";
    assert_non_null(mkdtemp(folder));
    char path[64];
    hd_snprintf(path, sizeof path, "%s/heed.yaml", folder);
    hd_settings *s = fresh();
    assert_int_equal(hd_settings_load_file(s, path), HEED_OK); // no file: defaults
    assert_int_equal(hd_fs_write(path, "threads: 7\n", 11, 0600), HEED_OK);
    assert_int_equal(hd_settings_load_file(s, path), HEED_OK);
    assert_int_equal(hd_settings_int(s, "threads"), 7);
    assert_int_not_equal(hd_settings_load_file(s, folder), HEED_OK); // a folder
    hd_settings_free(s);
    assert_int_equal(hd_fs_remove(folder), HEED_OK);
}

static void test_origin_names(void **state) {
    (void)state;
    assert_string_equal(hd_origin_name(HD_ORIGIN_DEFAULT), "default");
    assert_string_equal(hd_origin_name(HD_ORIGIN_FLAG), "flag");
}

static void test_allocation_failures(void **state) {
    (void)state;
    size_t before = hd_mem_used();
    char *environ_list[] = {"HEED_ZONE=UTC", NULL};
    for (uint64_t n = 1;; n++) {
        assert_true(n < 1000);
        hd_settings *s = NULL;
        hd_mem_fail_at(n, true);
        heed_err err = hd_settings_new(rows, N_ROWS, &s);
        if (err == HEED_OK) err = load(s, "import: {allow: true}\nsignals: {a: 1, b: 2}\n");
        if (err == HEED_OK) err = hd_settings_load_env(s, environ_list);
        if (err == HEED_OK) err = hd_settings_set_flag(s, "lang", "zh");
        hd_mem_fail_at(0, false);
        hd_settings_free(s);
        assert_int_equal(hd_mem_used(), before);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
    }
}

int main(void) {
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),     cmocka_unit_test(test_bad_default),
        cmocka_unit_test(test_precedence),   cmocka_unit_test(test_file_forms),
        cmocka_unit_test(test_file_refused), cmocka_unit_test(test_env_and_flags_refused),
        cmocka_unit_test(test_sizes),        cmocka_unit_test(test_load_file),
        cmocka_unit_test(test_origin_names), cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
