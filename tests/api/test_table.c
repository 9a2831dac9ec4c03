// SPDX-License-Identifier: Apache-2.0
//
// What every row of the operation table must keep: both languages, names that parse, defaults that
// pass their own checks, routes without doubles. A new row is held to it without a new test.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <string.h>

#include "api/op.h"
#include "api/params.h"
#include "api/start.h"

static void check_text(const char *where, hd_text text, bool sentence) {
    if (!text.en || !text.zh || !text.en[0] || !text.zh[0])
        fail_msg("%s: a language is missing", where);
    if (sentence && isupper((unsigned char)text.en[0]) && !isupper((unsigned char)text.en[1]))
        fail_msg("%s: docs begin in lower case", where);
    if (sentence && text.en[strlen(text.en) - 1] == '.')
        fail_msg("%s: docs have no full stop", where);
    bool chinese = false;
    for (const char *p = text.zh; *p; p++) chinese |= (unsigned char)*p >= 0xE4;
    if (!chinese) fail_msg("%s: the Chinese text has no Chinese in it", where);
}

static void check_name(const char *name, bool blanks) {
    assert_true(name && islower((unsigned char)name[0]));
    for (const char *p = name; *p; p++)
        if (!islower((unsigned char)*p) && *p != '_' && !isdigit((unsigned char)*p) &&
            !(blanks && *p == ' '))
            fail_msg("name '%s' isn't snake_case", name);
}

static void check_param(const hd_op *op, const hd_param *param) {
    check_name(param->name, false);
    check_text(param->name, param->doc, true);
    if (param->positional && param->type == HD_PARAM_BOOL)
        fail_msg("%s: a positional bool", op->name);
    if (!param->initial) return;
    json_t *params = json_object();
    if (hd_params_add(params, param, param->initial) != HEED_OK)
        fail_msg("%s --%s: the default '%s' doesn't pass", op->name, param->name, param->initial);
    json_decref(params);
}

static void test_rows(void **state) {
    (void)state;
    for (size_t i = 0; hd_ops[i]; i++) {
        const hd_op *op = hd_ops[i];
        check_name(op->name, true);
        check_text(op->name, op->doc, true);
        if (op->detail.en || op->detail.zh) check_text(op->name, op->detail, false);
        assert_non_null(op->run);
        if (op->only != HD_ONLY_HTTP) assert_non_null(op->text);
        assert_non_null(op->result_doc);
        assert_ptr_equal(hd_op_find(op->name), op);
        assert_int_equal(op->method != NULL, op->path != NULL);
        for (size_t p = 0; p < op->n_params; p++) check_param(op, &op->params[p]);
        for (size_t e = 0; op->examples && op->examples[e]; e++)
            assert_memory_equal(op->examples[e], "heed ", 5);
    }
    assert_null(hd_op_find("nosuch"));
}

static void test_names_and_routes_are_single(void **state) {
    (void)state;
    for (size_t i = 0; hd_ops[i]; i++) {
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(hd_ops[i]->name, hd_ops[k]->name);
            if (hd_ops[i]->path && hd_ops[k]->path && !strcmp(hd_ops[i]->path, hd_ops[k]->path))
                assert_string_not_equal(hd_ops[i]->method, hd_ops[k]->method);
        }
    }
}

// Only the last positional may take many, and required ones come first.
static void test_positionals(void **state) {
    (void)state;
    for (size_t i = 0; hd_ops[i]; i++) {
        const hd_param *before = NULL;
        for (size_t p = 0; p < hd_ops[i]->n_params; p++) {
            const hd_param *param = &hd_ops[i]->params[p];
            if (!param->positional) continue;
            assert_true(!before || (!before->many && before->required >= param->required));
            before = param;
        }
    }
}

static void test_settings(void **state) {
    (void)state;
    const hd_setting *setting;
    hd_settings *settings = NULL;
    for (size_t i = 0; (setting = hd_start_setting_at(i)) != NULL; i++)
        check_text(setting->name, setting->doc, true);
    assert_int_equal(hd_start_settings(&settings), HEED_OK); // all defaults pass
    hd_settings_free(settings);
    for (hd_chapter c = 0; c < HD_CHAPTERS; c++) check_text("chapter", hd_chapter_text(c), false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_names_and_routes_are_single),
        cmocka_unit_test(test_positionals),
        cmocka_unit_test(test_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
