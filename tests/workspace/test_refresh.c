// SPDX-License-Identifier: Apache-2.0
//
// A host whose settings change: handles are opened anew, the lock stays, what was shared is loaded
// anew, and a heed.yaml that is wrong takes nobody down for good.
#include "shop.h"

#include "workspace/host.h"

extern char **environ;

static hd_settings *make_settings(void *ctx, const char *folder) {
    char path[192];
    hd_settings *settings = NULL;
    (void)ctx;
    snprintf(path, sizeof path, "%s/heed.yaml", folder);
    if (hd_settings_new(hd_settings_rows, hd_settings_n_rows, &settings) != HEED_OK) return NULL;
    if (hd_settings_load_file(settings, path) == HEED_OK) return settings;
    hd_settings_free(settings);
    return NULL;
}

static void write_yaml(const shop *s, const char *text) {
    char path[192];
    snprintf(path, sizeof path, "%s/heed.yaml", s->folder);
    must(hd_fs_write(path, text, strlen(text), 0644));
}

static size_t list_length(hd_host *host) {
    heed_workspace *ws = NULL;
    heed_recommendations *list = NULL;
    heed_recommend_params params = heed_recommend_default();
    must(hd_host_reader(host, 0, &ws));
    must(heed_recommend(ws, "u4", &params, &list));
    size_t n = list->n;
    heed_recommendations_free(list);
    return n;
}

// A loop's thread: true when it would have had to wait, and failed instead.
static bool late_at(hd_host *host, size_t place) {
    heed_workspace *ws = NULL;
    heed_recommendations *list = NULL;
    heed_recommend_params params = heed_recommend_default();
    must(hd_host_reader(host, place, &ws));
    ws->hurried = true;
    ws->late = false;
    heed_err err = heed_recommend(ws, "u4", &params, &list);
    assert_int_equal(err, ws->late ? HEED_BUSY : HEED_OK);
    heed_recommendations_free(list);
    return ws->late;
}

static heed_err merge(void *ctx, heed_workspace *ws) {
    return heed_users_merge(ws, ctx, "u1");
}

static heed_err add_to_runner(void *ctx, heed_workspace *ws) {
    return hd_runner_add(ctx, ws);
}

static void test_refresh(void **state) {
    (void)state;
    static char quiet[] = "quiet";
    static char u2[] = "u2";
    shop s;
    hd_host *host = NULL;
    hd_runner *runner = NULL;
    heed_workspace *ws = NULL;
    shop_open(&s);
    ws = shop_workspace(&s, HEED_WRITE);
    must(shop_import(ws, &s, 0, 3, NULL));
    must(heed_train(ws, &(heed_train_params){.seed = 1, .no_segments = true}, NULL));
    heed_workspace_close(ws);
    const hd_host_params params = {.folder = s.folder,
                                   .who = "test",
                                   .places = 2,
                                   .max_waiting = 9,
                                   .settings = make_settings};
    must(hd_host_open(&params, &host));
    must(hd_runner_open(&(hd_runner_params){.program = "/bin/false"}, &runner));
    must(hd_host_do(host, HD_TASK_ALONE, add_to_runner, runner));
    assert_true(late_at(host, 1)); // nothing is loaded yet
    assert_int_equal(list_length(host), 4);
    assert_false(late_at(host, 1));

    write_yaml(&s, "recommend:\n  n: 2\n");
    assert_int_equal(list_length(host), 4); // until it is told
    hd_host_refresh(host);
    assert_true(late_at(host, 1));
    assert_int_equal(list_length(host), 2);
    assert_false(late_at(host, 1));
    must(hd_host_do(host, HD_TASK_GROUP, merge, quiet)); // the writer too: the lock is still ours
    assert_int_equal(heed_workspace_open(s.folder, HEED_WRITE, &ws), HEED_BUSY);

    write_yaml(&s, "recommend: {n: many}\n");
    hd_host_refresh(host);
    assert_int_equal(hd_host_do(host, HD_TASK_GROUP, merge, u2), HEED_INPUT);
    assert_int_equal(heed_workspace_open(s.folder, HEED_WRITE, &ws), HEED_BUSY);
    write_yaml(&s, "");
    must(hd_host_do(host, HD_TASK_GROUP, merge, u2));
    hd_host_refresh(host);
    assert_int_equal(list_length(host), 4);

    hd_runner_close(runner);
    hd_host_close(host);
    ws = shop_workspace(&s, HEED_WRITE); // and now it is free
    heed_workspace_close(ws);
    shop_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_refresh)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
