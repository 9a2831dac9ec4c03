// SPDX-License-Identifier: Apache-2.0
//
// Parameters: text to checked values by their rows.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "api/params.h"
#include "base/mem.h"

static const char *const fruit[] = {"apple", "pear", NULL};
static const hd_param rows[] = {
    {"who", HD_PARAM_TEXT, .positional = true, .required = true},
    {"n", HD_PARAM_INT, .min = 1, .max = 10, .initial = "3"},
    {"rate", HD_PARAM_FLOAT},
    {"really", HD_PARAM_BOOL},
    {"fruit", HD_PARAM_CHOICE, .many = true, .choices = fruit},
    {"tag_name", HD_PARAM_TEXT, .many = true},
    {"path", HD_PARAM_TEXT, .file = true},
};
enum { N = sizeof rows / sizeof rows[0] };

static const hd_param *row(const char *name) {
    const hd_param *param = hd_param_find(rows, N, name);
    assert_non_null(param);
    return param;
}

static void test_values(void **state) {
    (void)state;
    json_t *params = json_object();
    assert_int_equal(hd_params_add(params, row("who"), "u,1"), HEED_OK);
    assert_int_equal(hd_params_add(params, row("n"), "10"), HEED_OK);
    assert_int_equal(hd_params_add(params, row("rate"), "-1.5"), HEED_OK);
    assert_int_equal(hd_params_add(params, row("really"), "true"), HEED_OK);
    assert_int_equal(hd_params_add(params, row("fruit"), "apple,pear,"), HEED_OK);
    assert_int_equal(hd_params_add(params, row("tag_name"), "a,b"), HEED_OK);
    assert_int_equal(hd_params_add(params, row("tag_name"), "c"), HEED_OK);
    assert_int_equal(hd_params_finish(params, rows, N, "test"), HEED_OK);
    const hd_call call = {.params = params};
    assert_string_equal(hd_call_text(&call, "who"), "u,1");
    assert_int_equal(hd_call_int(&call, "n", 0), 10);
    assert_true(hd_call_bool(&call, "really"));
    assert_false(hd_call_has(&call, "path"));
    assert_null(hd_call_text(&call, "path"));
    assert_int_equal(hd_call_int(&call, "path", -7), -7);
    hd_arena arena;
    hd_arena_init(&arena);
    const char **list;
    size_t n;
    assert_int_equal(hd_call_list(&call, "fruit", &arena, &list, &n), HEED_OK);
    assert_int_equal(n, 2);
    assert_string_equal(list[1], "pear");
    assert_null(list[2]);
    assert_int_equal(hd_call_list(&call, "tag_name", &arena, &list, &n), HEED_OK);
    assert_int_equal(n, 2); // a text's commas are its own
    assert_string_equal(list[0], "a,b");
    assert_int_equal(hd_call_list(&call, "path", &arena, &list, &n), HEED_OK);
    assert_int_equal(n, 0);
    hd_arena_clear(&arena);
    json_decref(params);
}

static void test_defaults_and_required(void **state) {
    (void)state;
    json_t *params = json_object();
    assert_int_equal(hd_params_finish(params, rows, N, "test"), HEED_USAGE);
    assert_non_null(strstr(heed_error_message(HEED_EN), "WHO"));
    assert_int_equal(hd_params_add(params, row("who"), "u1"), HEED_OK);
    assert_int_equal(hd_params_finish(params, rows, N, "test"), HEED_OK);
    const hd_call call = {.params = params};
    assert_int_equal(hd_call_int(&call, "n", 0), 3);
    json_decref(params);
}

static void test_wrong_values(void **state) {
    (void)state;
    static const struct {
        const char *name, *text, *says;
    } wrong[] = {
        {"n", "0", "out of range"},         {"n", "11", "out of range"},
        {"n", "3.5", "whole number"},       {"n", "", "whole number"},
        {"rate", "fast", "number"},         {"rate", "nan", "number"},
        {"really", "yes", "neither"},       {"fruit", "aple", "'apple'"},
        {"fruit", "zzzzzzz", "one of"},     {"who", "\xff\xfe", "UTF-8"},
        {"tag_name", "\xc3", "--tag-name"},
    };
    json_t *params = json_object();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(hd_params_add(params, row(wrong[i].name), wrong[i].text), HEED_USAGE);
        assert_non_null(strstr(heed_error_message(HEED_EN), wrong[i].says));
        assert_true(strlen(heed_error_message(HEED_ZH)) > 0);
    }
    assert_int_equal(json_object_size(params), 0);
    assert_int_equal(hd_params_add(params, row("path"), "odd-\xff"), HEED_OK); // a name is bytes
    json_decref(params);
}

static void test_shown(void **state) {
    (void)state;
    char buf[64];
    assert_string_equal(hd_param_shown(row("tag_name"), buf), "--tag-name");
    assert_string_equal(hd_param_shown(row("who"), buf), "WHO");
    assert_string_equal(hd_param_metavar(row("fruit"), buf), "apple|pear");
    assert_string_equal(hd_param_metavar(row("n"), buf), "N");
    assert_string_equal(hd_param_metavar(row("really"), buf), "");
    assert_null(hd_param_choice(row("fruit"), 2));
    assert_null(hd_param_choice(row("fruit"), 9));
    assert_null(hd_param_choice(row("n"), 0));
    assert_null(hd_param_find(rows, N, "nosuch"));
}

static void test_memory(void **state) {
    (void)state;
    assert_int_equal(hd_mem_adopt_libraries(), HEED_OK);
    for (uint64_t n = 1; n < 30; n++) {
        json_t *params = json_object();
        hd_mem_fail_at(n, true);
        heed_err err = hd_params_add(params, row("fruit"), "apple,pear");
        if (err == HEED_OK) err = hd_params_add(params, row("who"), "u1");
        if (err == HEED_OK) err = hd_params_finish(params, rows, N, "test");
        hd_mem_fail_at(0, true);
        assert_true(err == HEED_OK || err == HEED_MEMORY);
        json_decref(params);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory), // first: nothing of jansson's may be in use before
        cmocka_unit_test(test_values),       cmocka_unit_test(test_defaults_and_required),
        cmocka_unit_test(test_wrong_values), cmocka_unit_test(test_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
