// SPDX-License-Identifier: Apache-2.0
#include "recipe/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "heed/error.h"
#include "recipe/predictor.h"

static char folder[64];

static const char *path_of(const char *name) {
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    hd_snprintf(path, 128, "%s/%s", folder, name);
    return path;
}

static int set_up(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/heed-recipe-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    return hd_fs_remove(folder);
}

static void must(heed_err err) {
    if (err != HEED_OK) fail_msg("%s", heed_error_message(HEED_EN));
}

static json_t *run(const char *recipe, const char *const *changes, size_t n, const char *out) {
    hd_recipe *r;
    json_t *report;
    must(hd_recipe_open(recipe, changes, n, &r));
    const hd_recipe_opts opts = {.out = out, .seed = -1, .threads = 1};
    must(hd_recipe_run(r, &opts, &report));
    hd_recipe_free(r);
    return report;
}

static const json_t *model_of(const json_t *report, const char *name) {
    size_t i;
    json_t *model;
    json_array_foreach(json_object_get(report, "models"), i, model) {
        if (strcmp(json_string_value(json_object_get(model, "name")), name) == 0) return model;
    }
    return NULL;
}

static double figure(const json_t *report, const char *name, const char *what) {
    return json_number_value(
        json_object_get(json_object_get(model_of(report, name), "evaluation"), what));
}

static void test_iris(void **state) {
    (void)state;
    const char *out = path_of("iris");
    json_t *report = run(RECIPES "/iris_mlp.yaml", NULL, 0, out);
    assert_true(figure(report, "network", "accuracy") > .85);
    assert_true(figure(report, "majority", "accuracy") < .5);
    assert_int_equal(json_integer_value(json_object_get(model_of(report, "network"), "parameters")),
                     43);
    json_decref(report);
    hd_predictor *model;
    hd_rows rows;
    hd_answer answer;
    json_t *asked =
        json_loads("[{\"sepal_length\": 5.0, \"sepal_width\": 3.4, \"petal_length\": "
                   "1.4, \"petal_width\": 0.2}, {\"sepal_length\": 6.9, "
                   "\"sepal_width\": 3.0, \"petal_length\": 5.8, \"petal_width\": 2.2}]",
                   0, NULL);
    must(hd_predictor_open(out, &model));
    must(hd_rows_json(asked, "rows", &rows));
    must(hd_predictor_run(model, &rows, 1, &answer));
    json_t *said;
    must(hd_answer_json(model, &answer, 0, &said));
    assert_string_equal(json_string_value(json_object_get(json_array_get(said, 0), "class")),
                        "setosa");
    assert_string_equal(json_string_value(json_object_get(json_array_get(said, 1), "class")),
                        "virginica");
    json_decref(said);
    json_decref(asked);
    hd_answer_clear(&answer);
    hd_rows_clear(&rows);
    hd_predictor_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_iris),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
