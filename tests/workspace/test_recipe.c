// SPDX-License-Identifier: Apache-2.0
//
// Recipes' models in a workspace: registered, listed, put in force, gone back from, loaded once and
// replaced; nothing is lost or half done when memory ends.
#include "shop.h"

#include "base/fs.h"
#include "base/mem.h"
#include "workspace/recipe.h"

static const char page[] =
    "name: flowers\ntask: classes\ndata:\n  table: {made: flowers, rows: 45, target: species}\n"
    "network: [{linear: 3}]\ntrain: {epochs: 2, optimizer: {adam: {rate: .05}}}\n"
    "compare: [majority]\n";

static int setup(void **state) {
    shop *s = calloc(1, sizeof *s);
    must(hd_mem_adopt_libraries());
    shop_open(s);
    heed_workspace_close(shop_workspace(s, HEED_WRITE));
    *state = s;
    return 0;
}

static int teardown(void **state) {
    shop_close(*state);
    free(*state);
    return 0;
}

static heed_err make(heed_workspace *ws, const char *change, json_t **report) {
    hd_recipe *recipe = NULL;
    const hd_recipe_opts opts = {.seed = -1, .threads = 1};
    HD_TRY(hd_recipe_read(page, strlen(page), "flowers.yaml", &change, change ? 1 : 0, &recipe));
    heed_err err = hd_recipe_register(ws, recipe, &opts, report);
    hd_recipe_free(recipe);
    return err;
}

static const char *text_of(const json_t *json, const char *key) {
    return json_string_value(json_object_get(json, key));
}

static size_t count_models(const heed_workspace *ws) {
    json_t *list = json_array();
    must(hd_recipe_models(ws, list));
    size_t n = json_array_size(list);
    json_decref(list);
    return n;
}

static void test_versions(void **state) {
    heed_workspace *ws = shop_workspace(*state, HEED_READ);
    json_t *report, *out;
    assert_false(hd_recipe_known(ws, "flowers"));
    assert_int_equal(count_models(ws), 0);
    assert_int_equal(hd_recipe_show(ws, "flowers", NULL, &out), HEED_NOT_FOUND);
    must(make(ws, NULL, &report));
    assert_string_equal(text_of(report, "version"), "000001");
    assert_true(hd_fs_exists(text_of(report, "folder")));
    json_decref(report);
    must(make(ws, "main=majority", &report)); // another kind of model, the next number
    assert_string_equal(text_of(report, "version"), "000002");
    json_decref(report);
    assert_true(hd_recipe_known(ws, "flowers"));
    assert_int_equal(count_models(ws), 2);
    must(hd_recipe_show(ws, "flowers", NULL, &out));
    assert_string_equal(text_of(out, "model"), "majority");
    assert_true(json_is_true(json_object_get(out, "active")));
    assert_non_null(json_object_get(out, "report"));
    json_decref(out);
    must(hd_recipe_switch(ws, "flowers", NULL, true, &out));
    assert_string_equal(text_of(out, "version"), "000001");
    json_decref(out);
    must(hd_recipe_switch(ws, "flowers", "000002", false, &out));
    json_decref(out);
    assert_int_equal(hd_recipe_switch(ws, "flowers", "000009", false, &out), HEED_NOT_FOUND);
    assert_int_equal(hd_recipe_switch(ws, "../x", NULL, false, &out), HEED_NOT_FOUND);
    // Old ones go: `train.keep` is 3.
    for (int i = 0; i < 3; i++) {
        must(make(ws, NULL, &report));
        json_decref(report);
    }
    assert_true(count_models(ws) <= 4); // and the one before
    heed_workspace_close(ws);
}

static void test_loaded(void **state) {
    heed_workspace *ws = shop_workspace(*state, HEED_READ);
    hd_loaded_model *one, *same, *other;
    json_t *report;
    must(make(ws, NULL, &report));
    json_decref(report);
    must(hd_loaded_model_get(ws, "flowers", &one));
    must(hd_loaded_model_get(ws, "flowers", &same));
    assert_ptr_equal(one, same);
    must(make(ws, NULL, &report));
    must(hd_loaded_model_get(ws, "flowers", &other));
    assert_ptr_not_equal(one, other);
    assert_string_equal(other->version, text_of(report, "version"));
    json_decref(report);
    // Who holds the old one goes on with it.
    hd_rows rows;
    hd_answer answer;
    json_t *asked = json_loads("[{\"sepal_length\": 5, \"sepal_width\": 3, \"petal_length\": 1, "
                               "\"petal_width\": 0.2}]",
                               0, NULL);
    must(hd_rows_json(asked, "rows", &rows));
    must(hd_predictor_run(one->model, &rows, 1, &answer));
    hd_answer_clear(&answer);
    hd_rows_clear(&rows);
    json_decref(asked);
    hd_shared_release(&one->shared);
    hd_shared_release(&same->shared);
    hd_shared_release(&other->shared);
    assert_int_equal(hd_loaded_model_get(ws, "nothing", &one), HEED_NOT_FOUND);
    heed_workspace_close(ws);
}

static void test_a_run_keeps_others_out(void **state) {
    shop *s = *state;
    heed_workspace *ws = shop_workspace(s, HEED_READ);
    hd_lock *lock;
    json_t *report;
    hd_arena arena;
    char *path;
    hd_arena_init(&arena);
    must(hd_workspace_path(ws, &arena, "recipe.lock", &path));
    must(hd_lock_take(path, "heed recipe run", &lock));
    assert_int_equal(make(ws, NULL, &report), HEED_BUSY);
    hd_lock_release(lock);
    hd_arena_clear(&arena);
    heed_workspace_close(ws);
}

static void test_memory(void **state) {
    heed_workspace *ws = shop_workspace(*state, HEED_READ);
    json_t *report;
    must(make(ws, NULL, &report));
    json_decref(report);
    (void)hd_mem_calls();
    must(make(ws, NULL, &report));
    json_decref(report);
    uint64_t calls = hd_mem_calls(), step = calls / 60 + 1;
    for (uint64_t n = 1; n < calls; n += step) {
        hd_loaded_model *loaded = NULL;
        hd_mem_fail_at(n, true);
        heed_err err = make(ws, NULL, &report);
        hd_mem_fail_at(0, false);
        if (err == HEED_OK)
            json_decref(report);
        else
            assert_int_equal(err, HEED_MEMORY);
        // Whatever happened, a whole model is in force.
        must(hd_loaded_model_get(ws, "flowers", &loaded));
        hd_shared_release(&loaded->shared);
    }
    heed_workspace_close(ws);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_loaded),
        cmocka_unit_test(test_a_run_keeps_others_out),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
