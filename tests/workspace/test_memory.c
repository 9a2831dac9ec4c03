// SPDX-License-Identifier: Apache-2.0
//
// Each n-th allocation failing under the public API, heed's own as well as SQLite's and jansson's:
// the call returns HEED_MEMORY or succeeds all the same, nothing leaks (under the sanitizers), and
// the workspace is as it was. HEED_ALLOCATIONS=all tries every one, else a sample of each call.
#include "shop.h"

enum { SAMPLE = 60 };

static shop the_shop;

static heed_err do_init(void) {
    char folder[128];
    snprintf(folder, sizeof folder, "%s/new", the_shop.dir);
    heed_err err = heed_workspace_init(folder, HEED_ZH);
    hd_mem_fail_at(0, true);
    must(hd_fs_remove(folder));
    return err;
}

static heed_err do_import(void) {
    heed_workspace *ws = NULL;
    heed_import_result *result = NULL;
    const char *paths[3] = {the_shop.path[0], the_shop.path[1], the_shop.path[2]};
    heed_import_params params = heed_import_default();
    params.paths = paths;
    params.n_paths = 3;
    params.again = true;
    heed_err err = heed_workspace_open(the_shop.folder, HEED_WRITE, &ws);
    if (err == HEED_OK) err = heed_import(ws, &params, &result);
    heed_import_result_free(result);
    heed_workspace_close(ws);
    return err;
}

static heed_err do_rejects(void) {
    heed_workspace *ws = NULL;
    heed_import_result *result = NULL;
    const char *paths[1] = {the_shop.path[3]};
    heed_import_params params = heed_import_default();
    params.paths = paths;
    params.n_paths = 1;
    heed_err err = heed_workspace_open(the_shop.folder, HEED_WRITE, &ws);
    if (err == HEED_OK) err = heed_import(ws, &params, &result);
    heed_import_result_free(result);
    heed_workspace_close(ws);
    return err == HEED_INPUT ? HEED_OK : err;
}

static heed_err do_undo(void) {
    heed_workspace *ws = NULL;
    int64_t rows;
    heed_err err = heed_workspace_open(the_shop.folder, HEED_WRITE, &ws);
    if (err == HEED_OK) err = heed_import_undo(ws, 1, &rows);
    heed_workspace_close(ws);
    return err == HEED_CONFLICT ? HEED_OK : err; // undone before
}

static heed_err do_train(void) {
    heed_workspace *ws = NULL;
    char *text = NULL;
    heed_train_params params = heed_train_default();
    const char *methods[] = {"markov"};
    params.methods = methods;
    params.n_methods = 1;
    heed_err err = heed_workspace_open(the_shop.folder, HEED_WRITE, &ws);
    if (err == HEED_OK) err = heed_workspace_set(ws, "train.tune", "false");
    if (err == HEED_OK) err = heed_train(ws, &params, &text);
    heed_text_free(text);
    heed_workspace_close(ws);
    return err;
}

static heed_err do_recommend(void) {
    heed_workspace *ws = NULL;
    heed_recommendations *list = NULL;
    heed_recommend_params params = heed_recommend_default();
    heed_err err = heed_workspace_open(the_shop.folder, HEED_READ, &ws);
    if (err == HEED_OK) err = heed_recommend(ws, "u1", &params, &list);
    heed_recommendations_free(list);
    heed_workspace_close(ws);
    return err;
}

static heed_err do_profile(void) {
    heed_workspace *ws = NULL;
    char *text = NULL;
    heed_err err = heed_workspace_open(the_shop.folder, HEED_READ, &ws);
    if (err == HEED_OK) err = heed_profile(ws, "u1", HEED_EN, &text);
    heed_text_free(text);
    heed_workspace_close(ws);
    return err;
}

static heed_err do_evaluate(void) {
    heed_workspace *ws = NULL;
    char *text = NULL;
    heed_evaluate_params params = heed_evaluate_default();
    params.bootstrap = 10;
    params.defaults = true;
    heed_err err = heed_workspace_open(the_shop.folder, HEED_READ, &ws);
    if (err == HEED_OK) err = heed_evaluate(ws, &params, &text);
    heed_text_free(text);
    heed_workspace_close(ws);
    return err;
}

static heed_err do_lists(void) {
    heed_workspace *ws = NULL;
    char *text = NULL;
    heed_err err = heed_workspace_open(the_shop.folder, HEED_READ, &ws);
    if (err == HEED_OK) err = heed_import_list(ws, &text);
    heed_text_free(text);
    text = NULL;
    if (err == HEED_OK) err = heed_models(ws, &text);
    heed_text_free(text);
    text = NULL;
    if (err == HEED_OK) err = heed_segments(ws, HEED_EN, &text);
    heed_text_free(text);
    heed_workspace_close(ws);
    return err;
}

static heed_err do_backup(void) {
    heed_workspace *ws = NULL;
    char folder[128];
    char again[128];
    snprintf(folder, sizeof folder, "%s/copy", the_shop.dir);
    snprintf(again, sizeof again, "%s/again", the_shop.dir);
    heed_err err = heed_workspace_open(the_shop.folder, HEED_READ, &ws);
    if (err == HEED_OK) err = heed_workspace_backup(ws, folder);
    heed_workspace_close(ws);
    if (err == HEED_OK) err = heed_workspace_restore(folder, again);
    hd_mem_fail_at(0, true);
    must(hd_fs_remove(folder));
    must(hd_fs_remove(again));
    return err;
}

static heed_err do_merge(void) {
    heed_workspace *ws = NULL;
    heed_err err = heed_workspace_open(the_shop.folder, HEED_WRITE, &ws);
    if (err == HEED_OK) err = heed_users_merge(ws, "u3", "u4");
    heed_workspace_close(ws);
    return err;
}

static const struct {
    const char *name;
    heed_err (*run)(void);
} calls[] = {
    {"init", do_init},         {"import", do_import},       {"rejects", do_rejects},
    {"train", do_train},       {"recommend", do_recommend}, {"profile", do_profile},
    {"evaluate", do_evaluate}, {"lists", do_lists},         {"backup", do_backup},
    {"merge", do_merge},       {"undo", do_undo},
};

// How many allocations a call makes when none fails.
static uint64_t count(heed_err (*run)(void)) {
    (void)hd_mem_calls();
    must(run());
    return hd_mem_calls();
}

static void starve(const char *name, heed_err (*run)(void), uint64_t n, bool once) {
    hd_mem_fail_at(n, once);
    heed_err err = run();
    hd_mem_fail_at(0, true);
    if (err != HEED_OK && err != HEED_MEMORY)
        fail_msg("%s, allocation %llu%s: %s: %s", name, (unsigned long long)n,
                 once ? "" : " and all after", heed_err_name(err), heed_error_message(HEED_EN));
}

static void test_allocations(void **state) {
    (void)state;
    const char *all = getenv("HEED_ALLOCATIONS");
    for (size_t c = 0; c < sizeof calls / sizeof calls[0]; c++) {
        uint64_t total = count(calls[c].run);
        uint64_t step = all && strcmp(all, "all") == 0 ? 1 : total / SAMPLE + 1;
        for (uint64_t n = 1; n <= total; n += step) {
            starve(calls[c].name, calls[c].run, n, true);
            starve(calls[c].name, calls[c].run, n, false);
        }
        must(calls[c].run()); // what is left works
    }
}

static int setup(void **state) {
    (void)state;
    must(hd_mem_adopt_libraries());
    shop_open(&the_shop);
    shop_write(&the_shop, 3, "bad.csv",
               "user_id,item_id,type,time\nu1,i1,view,2026-01-01\nu1,i1,view,soon\n");
    return 0;
}

static int teardown(void **state) {
    (void)state;
    shop_close(&the_shop);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_allocations, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
