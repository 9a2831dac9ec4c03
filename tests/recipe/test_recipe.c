// SPDX-License-Identifier: Apache-2.0
//
// Reading recipes: what a page says, changes put over it, and what is refused and how.
#include "recipe/recipe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "heed/error.h"

#define HEAD "name: m\ntask: classes\ndata:\n  table: {train: t.csv, target: y}\n"
#define NETWORK "network:\n  - linear: 2\n"

static heed_err read_with(const char *text, const char *change, hd_recipe **out) {
    const char *const changes[] = {change};
    return hd_recipe_read(text, strlen(text), "m.yaml", changes, change ? 1 : 0, out);
}

static hd_recipe *sound(const char *text, const char *change) {
    hd_recipe *r = NULL;
    if (read_with(text, change, &r) != HEED_OK) fail_msg("%s", heed_error_message(HEED_EN));
    return r;
}

static void test_read(void **state) {
    (void)state;
    hd_recipe *r = sound(HEAD "  split: {validation: .1, by: random, folds: 3}\n" NETWORK
                              "train: {epochs: 7, optimizer: {sgd: {rate: .1}}}\n"
                              "variants:\n  wide:\n    network: [{linear: 9}]\n"
                              "    train: {epochs: 2}\n    label: {en: Wide, zh: 宽}\n"
                              "compare: [majority, {svm: {C: 1}}]\nmain: wide\n"
                              "expect: {parameters: 12}\nseeds: 5\ntitle: Hello\n",
                         NULL);
    assert_string_equal(r->name, "m");
    assert_int_equal(r->n_networks, 2);
    assert_int_equal(r->networks[0].train.epochs, 7);
    assert_int_equal(r->networks[0].train.batch, 32);
    assert_string_equal(r->networks[1].name, "wide");
    assert_int_equal(r->networks[1].train.epochs, 2); // its own
    assert_non_null(r->networks[1].train.optimizer);  // the recipe's
    assert_string_equal(hd_recipe_words(r->networks[1].label, HEED_ZH), "宽");
    assert_int_equal(r->n_classics, 2);
    assert_string_equal(r->classics[1].name, "svm");
    assert_int_equal(r->split.folds, 3);
    assert_int_equal(r->split.by, HD_SPLIT_RANDOM);
    assert_true(r->split.validation == .1 && r->split.test == .2);
    assert_int_equal(r->parameters, 12);
    assert_int_equal(r->seeds, 5);
    assert_string_equal(hd_recipe_words(r->title, HEED_ZH), "Hello");
    hd_recipe_free(r);
}

static void test_named(void **state) {
    (void)state;
    hd_recipe *r = sound(HEAD NETWORK "compare: [svm, {wide: {svm: {C: 9}}}]\n"
                                      "blend: [wide, network]\nmain: blend\n",
                         NULL);
    assert_string_equal(r->classics[1].name, "wide");
    assert_non_null(json_object_get(r->classics[1].value, "svm"));
    assert_int_equal(r->blend.n, 2);
    assert_string_equal(r->blend.names[0], "wide");
    assert_string_equal(r->main, "blend");
    hd_recipe_free(r);
}

static void test_changes(void **state) {
    (void)state;
    hd_recipe *r = sound(HEAD NETWORK "train: {epochs: 7}\n", "train.epochs=3");
    assert_int_equal(r->networks[0].train.epochs, 3);
    hd_recipe_free(r);
    r = sound(HEAD NETWORK, "train.optimizer={adam: {rate: .01}}"); // made on the way
    assert_true(json_is_object(r->networks[0].train.optimizer));
    hd_recipe_free(r);
    r = sound(HEAD "network:\n  - linear: {out: 4, act: relu}\n  - linear: 2\n",
              "network.0.linear.out=8");
    const json_t *first = json_array_get(r->networks[0].layers, 0);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(first, "linear"), "out")),
                     8);
    hd_recipe_free(r);
    r = sound(HEAD "network:\n  - linear: {out: 4, act: relu}\n  - linear: 2\n",
              "network.1=dropout");
    assert_string_equal(json_string_value(json_array_get(r->networks[0].layers, 1)), "dropout");
    hd_recipe_free(r);
    r = sound(HEAD NETWORK, "data.table.rows=10");
    assert_int_equal(((const hd_input_common *)r->input.common)->rows, 10);
    hd_recipe_free(r);
}

static void test_bad(void **state) {
    (void)state;
    static const struct {
        const char *text, *change, *en, *zh;
    } cases[] = {
        {HEAD NETWORK, "network.7.linear=2", "'7' stands in a list of ", "请用从 0 起的序号"},
        {HEAD NETWORK, "network.linear=2", "'linear' stands in a list of ", "请用从 0 起的序号"},
        {HEAD NETWORK "trian: {}\n", NULL,
         "m.yaml:7: there is no option 'trian'; did you mean 'train'", "没有选项“trian”"},
        {HEAD NETWORK "train:\n  epoch: 3\n", NULL,
         "m.yaml:8: train: there is no option 'epoch'; did you mean 'epochs'", "是不是“epochs”"},
        {HEAD NETWORK "train: {epochs: many}\n", NULL,
         "m.yaml:7: train.epochs: must be a whole number", "必须是整数"},
        {HEAD NETWORK "train: {members: 0}\n", NULL, "m.yaml:7: train.members: 0 is out of range",
         "超出范围"},
        {HEAD NETWORK "train:\n  epochs: 2\n  members: 33\n", NULL,
         "m.yaml:9: train.members: 33 is out", "超出范围"},
        {HEAD NETWORK "train: {members: 2}\n", "task=language",
         "m.yaml:7: train.members: a model of language is one network", "只能是一个网络"},
        {HEAD NETWORK "refit: 7\n", NULL, "m.yaml:7: refit: must be", "refit"},
        {HEAD NETWORK "refit: true\n", "task=language",
         "m.yaml:7: refit: is of classes and of values", "仅用于分类和数值任务"},
        {HEAD NETWORK "train: 3\n", NULL, "m.yaml:7: train: must be keys with values",
         "应为键和值"},
        {HEAD, NULL, "there is nothing to train", "没有要训练的模型"},
        {"task: classes\n", NULL, "option 'name' is missing", "缺少选项“name”"},
        {"name: a/b\ntask: classes\ndata: {table: {}}\n" NETWORK, NULL,
         "m.yaml:1: name: a name is up to", "名称应为"},
        {"name: m\ntask: class\ndata: {table: {}}\n" NETWORK, NULL,
         "m.yaml:2: task: 'class' is not one of classes, values, language; nearest: classes",
         "不在可选值之内"},
        {"name: m\ntask: classes\ndata: {tabel: {}}\n" NETWORK, NULL,
         "there is no input 'tabel'; did you mean 'table'", "没有输入类型“tabel”"},
        {"name: m\ntask: classes\ndata: {split: {}}\n" NETWORK, NULL, "names one kind of input",
         "应指明一种输入类型"},
        {"name: m\ntask: classes\ndata: {table: {trian: x}}\n" NETWORK, NULL,
         "m.yaml:3: data.table: there is no option 'trian'; did you mean 'train'", "没有选项"},
        {HEAD "  split: {validation: 2}\n" NETWORK, NULL,
         "m.yaml:5: data.split.validation: 2 is out of range", "超出范围"},
        {HEAD NETWORK "main: nework\n", NULL,
         "m.yaml:7: main: the recipe has no model 'nework' (network?)", "没有模型“nework”"},
        {HEAD NETWORK "compare: [svm, majority]\nbaseline: majorty\n", NULL,
         "m.yaml:8: baseline: the recipe has no model 'majorty' (majority?)", "没有模型“majorty”"},
        {HEAD NETWORK "figure: recall\n", NULL,
         "m.yaml:7: figure: models are judged by one of accuracy, balanced_accuracy, f1_macro, auc, "
         "log_loss, not 'recall'",
         "而不是“recall”"},
        {HEAD NETWORK "blend: [network, svn]\ncompare: [svm]\n", NULL,
         "m.yaml:7: blend.1: the recipe has no model 'svn' (svm?)", "没有模型“svn”"},
        {HEAD NETWORK "blend: [network]\n", NULL, "m.yaml:7: blend: must be a list of two or more",
         "两个或更多"},
        {HEAD NETWORK "compare: [svm]\nblend: [svm, network, svm]\n", NULL,
         "m.yaml:8: blend.2: 'svm' stands there twice", "出现了两次"},
        {HEAD NETWORK "compare: [{blend: {svm: {C: 1}}}]\nblend: [network, network]\n", NULL,
         "another model has this name", "已用此名称"},
        {HEAD NETWORK "blend: [network, {svm: 1}]\n", NULL, "must be the name of a model",
         "应为模型名称"},
        {HEAD NETWORK "main: blend\n", NULL, "the recipe has no model 'blend'", "没有模型“blend”"},
        {HEAD NETWORK "compare: [{\"a/b\": {svm: {C: 1}}}]\n", NULL, "a name is up to", "名称应为"},
        {HEAD NETWORK "compare: [svm, svm]\n", NULL, "'svm' stands there twice", "出现了两次"},
        {HEAD NETWORK "compare: svm\n", NULL, "m.yaml:7: compare: must be a list", "应为列表"},
        {HEAD NETWORK "variants: {a: {train: {}}}\n", NULL,
         "variants.a: option 'network' is missing", "缺少选项“network”"},
        {HEAD NETWORK "variants: {a: 3}\n", NULL, "variants.a: a variant has 'network:'",
         "变体应有"},
        {HEAD NETWORK "variants: {'a b': {network: []}}\n", NULL, "a name is up to", "名称应为"},
        {HEAD NETWORK "title: {fr: x}\n", NULL, "m.yaml:7: title: must be a text", "应为文本"},
        {HEAD NETWORK, "train.epochs", "a change is written key=value", "改动应写作"},
        {HEAD NETWORK, "train.epoch=3", "train: there is no option 'epoch'", "没有选项“epoch”"},
        {HEAD NETWORK "x: *a\n", NULL, "m.yaml:7", "m.yaml:7"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hd_recipe *r = NULL;
        heed_err err = read_with(cases[i].text, cases[i].change, &r);
        if (err == HEED_OK) fail_msg("case %zu passes", i);
        if (!strstr(heed_error_message(HEED_EN), cases[i].en))
            fail_msg("case %zu: '%s' isn't in '%s'", i, cases[i].en, heed_error_message(HEED_EN));
        if (!strstr(heed_error_message(HEED_ZH), cases[i].zh))
            fail_msg("case %zu: '%s' isn't in '%s'", i, cases[i].zh, heed_error_message(HEED_ZH));
    }
}

static void test_memory(void **state) {
    (void)state;
    for (uint64_t n = 1; n < 5000; n++) {
        hd_recipe *r = NULL;
        hd_mem_fail_at(n, true);
        heed_err err = read_with(HEAD NETWORK "variants: {a: {network: [relu]}}\ncompare: [svm]\n",
                                 "train.epochs=2", &r);
        hd_mem_fail_at(0, false);
        hd_recipe_free(r);
        if (err == HEED_OK) return;
        assert_int_equal(err, HEED_MEMORY);
    }
    fail();
}

static int adopt(void **state) {
    (void)state;
    return hd_mem_adopt_libraries();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read), cmocka_unit_test(test_named),  cmocka_unit_test(test_changes),
        cmocka_unit_test(test_bad),  cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, adopt, NULL);
}
