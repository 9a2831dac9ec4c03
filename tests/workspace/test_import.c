// SPDX-License-Identifier: Apache-2.0
//
// Import through the public API: what is told, what is kept, what comes back.
#include "shop.h"

static int setup(void **state) {
    shop *s = calloc(1, sizeof *s);
    shop_open(s);
    *state = s;
    return 0;
}

static int teardown(void **state) {
    shop_close(*state);
    free(*state);
    return 0;
}

static void test_tells_what_it_took(void **state) {
    shop *s = *state;
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    heed_import_result *result = NULL;
    must(shop_import(ws, s, 0, 3, &result));
    assert_true(result->kept);
    assert_int_equal(result->n_files, 3);
    const heed_import_file *events = &result->files[2];
    assert_string_equal(events->kind, "events");
    assert_string_equal(events->format, "csv");
    assert_string_equal(events->time_format, "unix_s");
    assert_int_equal(events->rows, 42);
    assert_int_equal(events->added, 42);
    assert_int_equal(events->rejected, 0);
    assert_string_equal(events->reject_file, "");
    assert_int_equal(events->n_columns, 6);
    assert_string_equal(events->columns[1].field, "user");
    assert_int_equal(result->files[0].batch, 1);
    assert_int_equal(events->batch, 3);
    heed_import_result_free(result);
    heed_workspace_close(ws);
}

static void test_order_of_kinds(void **state) {
    shop *s = *state;
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    const char *paths[] = {s->path[2], s->path[1], s->path[0]};
    heed_import_params params = heed_import_default();
    params.paths = paths;
    params.n_paths = 3;
    heed_import_result *result = NULL;
    must(heed_import(ws, &params, &result));
    assert_string_equal(result->files[0].kind, "users");
    assert_string_equal(result->files[1].kind, "items");
    assert_string_equal(result->files[2].kind, "events");
    heed_import_result_free(result);
    heed_workspace_close(ws);
}

// A bad row in the last file keeps the good first file out as well.
static void test_all_or_nothing(void **state) {
    shop *s = *state;
    shop_write(s, 3, "bad.csv",
               "user_id,item_id,type,time\nu1,i1,view,never\nu1,i1,view,1790000000\n");
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    const char *paths[] = {s->path[0], s->path[3]};
    heed_import_params params = heed_import_default();
    params.paths = paths;
    params.n_paths = 2;
    params.time_format = "unix_s";
    heed_import_result *result = NULL;
    assert_int_equal(heed_import(ws, &params, &result), HEED_INPUT);
    assert_false(result->kept);
    assert_int_equal(result->files[1].rejected, 1);
    assert_int_equal(result->files[1].rejects[0].line, 2);
    assert_non_null(strstr(result->files[1].rejects[0].reason[HEED_EN], "never"));
    assert_non_null(strstr(result->files[1].rejects[0].reason[HEED_ZH], "never"));
    struct stat st;
    assert_int_equal(stat(result->files[1].reject_file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    heed_import_result_free(result);
    char *list = NULL;
    must(heed_import_list(ws, &list));
    assert_string_equal(list, "[]");
    heed_text_free(list);

    params.allow_rejects = true;
    assert_int_equal(heed_import(ws, &params, &result), HEED_PARTIAL);
    assert_true(result->kept);
    assert_int_equal(result->files[1].added, 1);
    heed_import_result_free(result);
    heed_workspace_close(ws);
}

static void test_dry_run_keeps_nothing(void **state) {
    shop *s = *state;
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    const char *paths[] = {s->path[0]};
    heed_import_params params = heed_import_default();
    params.paths = paths;
    params.n_paths = 1;
    params.dry_run = true;
    heed_import_result *result = NULL;
    must(heed_import(ws, &params, &result));
    assert_false(result->kept);
    assert_int_equal(result->files[0].added, 3);
    assert_int_equal(result->files[0].batch, 0);
    heed_import_result_free(result);
    must(shop_import(ws, s, 0, 1, NULL)); // not known as imported
    heed_workspace_close(ws);
}

static void test_again_and_undo(void **state) {
    shop *s = *state;
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    must(shop_import(ws, s, 0, 3, NULL));
    heed_import_result *result = NULL;
    assert_int_equal(shop_import(ws, s, 2, 1, &result), HEED_CONFLICT);
    assert_null(result);
    int64_t rows = 0;
    must(heed_import_undo(ws, 3, &rows));
    assert_int_equal(rows, 42);
    assert_int_equal(heed_import_undo(ws, 3, &rows), HEED_CONFLICT);
    assert_int_equal(heed_import_undo(ws, 9, &rows), HEED_NOT_FOUND);
    must(shop_import(ws, s, 2, 1, &result)); // the hash of an undone batch doesn't count
    assert_int_equal(result->files[0].added, 42);
    heed_import_result_free(result);
    heed_workspace_close(ws);
}

// A batch that changed what another brought gives back what stood there.
static void test_undo_brings_back(void **state) {
    shop *s = *state;
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    must(shop_import(ws, s, 0, 3, NULL));
    must(heed_train(ws, &(heed_train_params){.seed = 1}, NULL));
    shop_write(s, 3, "items2.csv", "item_id,title\ni1,Better tea\n");
    must(shop_import(ws, s, 3, 1, NULL));
    heed_recommend_params params = heed_recommend_default();
    params.method = "popular";
    heed_recommendations *list = NULL;
    must(heed_recommend(ws, "quiet", &params, &list));
    assert_string_equal(list->items[0].title, "Better tea");
    heed_recommendations_free(list);
    int64_t rows;
    must(heed_import_undo(ws, 4, &rows));
    must(heed_recommend(ws, "quiet", &params, &list));
    assert_string_equal(list->items[0].title, "Tea");
    heed_recommendations_free(list);
    heed_workspace_close(ws);
}

static void test_refuses(void **state) {
    shop *s = *state;
    heed_workspace *ws = shop_workspace(s, HEED_READ);
    assert_int_equal(shop_import(ws, s, 0, 1, NULL), HEED_USAGE); // opened to read
    int64_t rows;
    assert_int_equal(heed_import_undo(ws, 1, &rows), HEED_USAGE);
    heed_workspace_close(ws);

    ws = shop_workspace(s, HEED_WRITE);
    const char *paths[] = {s->path[0]};
    const char *maps[] = {"=user"};
    heed_import_params params = heed_import_default();
    params.paths = paths;
    params.n_paths = 1;
    params.maps = maps;
    params.n_maps = 1;
    assert_int_equal(heed_import(ws, &params, NULL), HEED_USAGE);
    params.n_maps = 0;
    params.kind = "things";
    assert_int_equal(heed_import(ws, &params, NULL), HEED_USAGE);
    params.kind = NULL;
    params.preset = "nosuch";
    assert_int_not_equal(heed_import(ws, &params, NULL), HEED_OK);
    heed_workspace_close(ws);
}

static void test_stop(void **state) {
    shop *s = *state;
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    heed_workspace_stop(ws);
    assert_int_equal(shop_import(ws, s, 0, 3, NULL), HEED_INTERRUPTED);
    assert_int_equal(heed_train(ws, &(heed_train_params){.seed = 1}, NULL), HEED_INTERRUPTED);
    heed_workspace_close(ws);
    ws = shop_workspace(s, HEED_READ);
    char *list = NULL;
    must(heed_import_list(ws, &list));
    assert_string_equal(list, "[]");
    heed_text_free(list);
    heed_workspace_close(ws);
}

static void test_rejects_expire(void **state) {
    shop *s = *state;
    char folder[128];
    char old[160];
    snprintf(folder, sizeof folder, "%s/rejects", s->folder);
    snprintf(old, sizeof old, "%s/1.jsonl", folder);
    must(hd_fs_mkdirs(folder, 0700));
    must(hd_fs_write(old, "{}", 2, 0600));
    setenv("HEED_NOW", "2100-01-01T00:00:00Z", 1); // the file is long past its days
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    must(heed_workspace_set(ws, "import.keep_rejects_days", "0"));
    must(shop_import(ws, s, 0, 1, NULL));
    assert_true(hd_fs_exists(old));
    must(heed_workspace_set(ws, "import.keep_rejects_days", "30"));
    must(shop_import(ws, s, 1, 1, NULL));
    assert_false(hd_fs_exists(old));
    heed_workspace_close(ws);
    unsetenv("HEED_NOW");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tells_what_it_took, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order_of_kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_or_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dry_run_keeps_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_again_and_undo, setup, teardown),
        cmocka_unit_test_setup_teardown(test_undo_brings_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rejects_expire, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
