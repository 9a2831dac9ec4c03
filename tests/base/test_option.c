// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "base/option.h"

typedef struct cake {
    int64_t layers;
    double sugar;
    bool cream;
    int size;
    const char *name;
    hd_ints shape;
    const json_t *rest;
} cake;
typedef struct table {
    int64_t seats;
} table;

static const char *const sizes[] = {"small", "large", NULL};
static const hd_option cake_rows[] = {
    {.name = "layers",
     .type = HD_OPTION_INT,
     .at = offsetof(cake, layers),
     .min = 1,
     .max = 9,
     .required = true},
    {.name = "sugar",
     .type = HD_OPTION_REAL,
     .at = offsetof(cake, sugar),
     .initial = 0.5,
     .min = 0,
     .max = 1},
    {.name = "cream", .type = HD_OPTION_BOOL, .at = offsetof(cake, cream), .initial = 1},
    {.name = "size", .type = HD_OPTION_WORD, .at = offsetof(cake, size), .words = sizes},
    {.name = "name", .type = HD_OPTION_TEXT, .at = offsetof(cake, name)},
    {.name = "shape",
     .type = HD_OPTION_INTS,
     .at = offsetof(cake, shape),
     .initial = 3,
     .min = 1,
     .max = 100},
    {.name = "rest", .type = HD_OPTION_JSON, .at = offsetof(cake, rest)},
    {.name = NULL}};
static const hd_option table_rows[] = {
    {.name = "seats", .type = HD_OPTION_INT, .at = offsetof(table, seats), .initial = 4},
    {.name = NULL}};
static const hd_spec_kind cake_kind = {.name = "cake", .size = sizeof(cake), .options = cake_rows};
static const hd_spec_kind tea_kind = {.name = "tea"};
static const hd_spec_kind *const rows[] = {&cake_kind, &tea_kind};
static const hd_spec_kinds kinds = {.what = HD_TEXT("dish", "菜"),
                                    .rows = rows,
                                    .n = 2,
                                    .common = table_rows,
                                    .common_size = sizeof(table)};

static hd_spec spec;
static hd_arena arena;

static heed_err read_first(const char *text, hd_choice *out) {
    hd_spec_clear(&spec);
    heed_err err = hd_spec_parse(text, "menu", "menu.yaml", &spec);
    if (err != HEED_OK) return err;
    hd_where where = hd_where_of(&spec, "menu"), at = hd_where_at(&where, 0);
    return hd_spec_read(&kinds, json_array_get(hd_spec_get(&spec, "menu"), 0), &at, &arena, out);
}

static void test_three_ways(void **state) {
    (void)state;
    hd_choice c;
    assert_int_equal(read_first("- tea", &c), HEED_OK);
    assert_ptr_equal(c.kind, &tea_kind);
    assert_int_equal(((table *)c.common)->seats, 4);
    assert_int_equal(read_first("- cake: 3", &c), HEED_OK);
    const cake *o = c.options;
    assert_int_equal(o->layers, 3);
    assert_true(o->sugar == 0.5 && o->cream && o->size == 0 && !o->name && !o->rest);
    assert_int_equal(o->shape.n, 1);
    assert_int_equal(hd_ints_at(&o->shape, 1), 3);
    assert_int_equal(read_first("- cake:\n    layers: 2\n    sugar: .25\n    cream: false\n"
                                "    size: large\n    name: torte\n    shape: [4, 5]\n"
                                "    rest: {a: 1}\n    seats: 9\n",
                                &c),
                     HEED_OK);
    o = c.options;
    assert_int_equal(o->layers, 2);
    assert_true(o->sugar == 0.25 && !o->cream && o->size == 1);
    assert_string_equal(o->name, "torte");
    assert_int_equal(hd_ints_at(&o->shape, 0), 4);
    assert_int_equal(hd_ints_at(&o->shape, 1), 5);
    assert_true(json_is_object(o->rest));
    assert_int_equal(((table *)c.common)->seats, 9);
}

typedef struct bad {
    const char *text, *en, *zh;
} bad;
static const bad bads[] = {
    {"- cak: 3", "menu.yaml:1: menu.0: there is no dish 'cak'; did you mean 'cake'?",
     "没有菜“cak”；是不是“cake”？"},
    {"- whisky", "there is no dish 'whisky'; there are: cake, tea", "可用的有：cake, tea"},
    {"- cake: {layers: 3, suggar: 1}",
     "menu.0.cake: there is no option 'suggar'; did you mean "
     "'sugar'?",
     "没有选项“suggar”；是不是“sugar”？"},
    {"- cake: {layers: 3, blueberries: 1}", "there is no option 'blueberries'; there are: layers, ",
     "可用的有：layers, sugar"},
    {"- tea\n- x\n- cake: {sugar: 1}", NULL, NULL},
    {"- cake", "menu.0.cake: option 'layers' is missing", "缺少选项“layers”"},
    {"- cake: {sugar: 1}", "option 'layers' is missing", "缺少选项“layers”"},
    {"- cake: 10", "10 is out of range: from 1 to 9", "10 超出范围：应在 1 到 9 之间"},
    {"- cake: {layers: 3,\n         sugar: 1.5}", "menu.yaml:2: menu.0.cake.sugar: 1.5 is out",
     "1.5 超出范围"},
    {"- cake: {layers: 2.5}", "must be a whole number", "必须是整数"},
    {"- cake: {layers: 2, cream: 1}", "must be true or false", "必须是 true 或 false"},
    {"- cake: {layers: 2, sugar: much}", "must be a number", "必须是数字"},
    {"- cake: {layers: 2, name: 1}", "must be a text", "必须是文本"},
    {"- cake: {layers: 2, size: larg}", "'larg' is not one of small, large; nearest: large",
     "“larg”不在可选值之内：small, large"},
    {"- cake: {layers: 2, size: 3}", "must be a word", "必须是一个词"},
    {"- cake: {layers: 2, shape: []}", "must be a list of one to six whole numbers",
     "一至六个整数"},
    {"- cake: {layers: 2, shape: [1, 0]}", "menu.0.cake.shape.1: 0 is out of range", "0 超出范围"},
    {"- tea: 3", "takes no options", "不接受选项"},
    {"- [1]", "a dish is written as a name, or as one 'name: options'", "菜应写成一个名称"},
    {"- {cake: 1, tea: 2}", "a dish is written as a name", "应写成一个名称"},
};

static void test_messages(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        hd_choice c;
        heed_err err = read_first(bads[i].text, &c);
        if (!bads[i].en) {
            assert_int_equal(err, HEED_OK);
            continue;
        }
        assert_int_equal(err, HEED_INPUT);
        if (!strstr(heed_error_message(HEED_EN), bads[i].en)) {
            fail_msg("'%s' says: %s", bads[i].text, heed_error_message(HEED_EN));
        }
        if (!strstr(heed_error_message(HEED_ZH), bads[i].zh)) {
            fail_msg("'%s' says: %s", bads[i].text, heed_error_message(HEED_ZH));
        }
    }
}

static void test_bad_yaml(void **state) {
    (void)state;
    hd_choice c;
    assert_int_equal(read_first("- cake: {layers: 3", &c), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "menu.yaml"));
}

static void test_json(void **state) {
    (void)state;
    hd_spec_clear(&spec);
    assert_int_equal(hd_spec_parse_json("[{\"cake\": 4}]", "menu", "m", &spec), HEED_OK);
    hd_where where = hd_where_of(&spec, "menu");
    hd_choice c;
    assert_int_equal(
        hd_spec_read(&kinds, json_array_get(hd_spec_get(&spec, "menu"), 0), &where, &arena, &c),
        HEED_OK);
    assert_int_equal(((cake *)c.options)->layers, 4);
    hd_spec_clear(&spec);
    assert_int_equal(hd_spec_parse_json("[", "menu", "m", &spec), HEED_INPUT);
}

static void test_memory(void **state) {
    (void)state;
    for (uint64_t n = 1;; n++) {
        hd_choice c;
        hd_mem_fail_at(n, false);
        heed_err err = read_first("- cake: {layers: 3, name: a}", &c);
        hd_mem_fail_at(0, false);
        hd_arena_clear(&arena);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
        assert_true(n < 200);
    }
}

static int setup(void **state) {
    (void)state;
    hd_arena_init(&arena);
    hd_map_init(&spec.lines);
    return hd_mem_adopt_libraries() == HEED_OK ? 0 : 1;
}

static int teardown(void **state) {
    (void)state;
    hd_spec_clear(&spec);
    hd_arena_clear(&arena);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_ways), cmocka_unit_test(test_messages),
        cmocka_unit_test(test_bad_yaml),   cmocka_unit_test(test_json),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
