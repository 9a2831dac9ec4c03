// SPDX-License-Identifier: Apache-2.0
//
// Training, the registry, serving and profiles through the public API.
#include "shop.h"

#include "base/fs.h"
#include "base/mem.h"
#include "workspace/evaluations.h"
#include "workspace/models.h"
#include "workspace/settings.h"

static int setup(void **state) {
    shop *s = calloc(1, sizeof *s);
    shop_open(s);
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    must(shop_import(ws, s, 0, 3, NULL));
    heed_workspace_close(ws);
    *state = s;
    return 0;
}

static int teardown(void **state) {
    shop_close(*state);
    free(*state);
    return 0;
}

static json_t *train(heed_workspace *ws, const char *method) {
    heed_train_params params = heed_train_default();
    char *text = NULL;
    params.methods = &method;
    params.n_methods = method != NULL;
    must(heed_train(ws, &params, &text));
    return shop_json(text);
}

static const char *text_of(const json_t *json, const char *key) {
    return json_string_value(json_object_get(json, key));
}

static void test_trains_and_serves(void **state) {
    shop *s = *state;
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    json_t *result = train(ws, NULL);
    assert_string_equal(text_of(result, "version"), "000001");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(result, "data"), "events")),
                     42);
    assert_true(json_array_size(json_object_get(result, "validation")) >= 4);
    json_decref(result);

    heed_recommend_params params = heed_recommend_default();
    params.n = 3;
    heed_recommendations *list = NULL;
    must(heed_recommend(ws, "u4", &params, &list)); // has i1 and i2
    assert_int_equal(list->n, 3);
    assert_string_equal(list->items[0].id, "i3"); // what comes next for everybody
    assert_string_equal(list->version, "000001");
    for (size_t i = 0; i < list->n; i++) {
        assert_string_not_equal(list->items[i].id, "i1");
        assert_string_not_equal(list->items[i].id, "i2");
        assert_true(strlen(list->items[i].reason) > 0 && strlen(list->items[i].why) > 0);
    }
    heed_recommendations_free(list);
    heed_workspace_close(ws);
}

// Without tuning the methods are compared all the same: the better one is put in force.
static void test_untuned_is_compared(void **state) {
    shop *s = *state;
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    must(heed_workspace_set(ws, "train.tune", "false"));
    json_t *result = train(ws, NULL), *trial;
    size_t i;
    double best = -1;
    const char *winner = NULL;
    json_array_foreach(json_object_get(result, "validation"), i, trial) {
        double figure = json_number_value(json_object_get(trial, "ndcg@10"));
        assert_true(json_is_number(json_object_get(trial, "ndcg@10")));
        assert_int_equal(json_array_size(json_object_get(trial, "search")), 1);
        if (figure > best) winner = text_of(trial, "method");
        if (figure > best) best = figure;
    }
    assert_true(i >= 4 && best > 0);
    assert_string_equal(text_of(result, "method"), winner);
    json_decref(result);
    heed_workspace_close(ws);
}

// Nobody waits for a training, and only another training is kept out.
typedef struct beside {
    const shop *s;
    heed_workspace *writer;
    int asked;
} beside;

static void while_training(void *ctx, const char *const what[2], double share) {
    (void)what, (void)share;
    beside *b = ctx;
    heed_workspace *other = NULL;
    heed_train_params params = heed_train_default();
    char *text = NULL;
    if (b->asked++ > 0) return;
    must(heed_users_merge(b->writer, "quiet", "u1")); // the data may change
    other = shop_workspace(b->s, HEED_READ);
    assert_int_equal(heed_train(other, &params, &text), HEED_BUSY);
    assert_non_null(strstr(heed_error_message(HEED_EN), "heed train"));
    must(heed_model_activate(other, "markov", NULL)); // and so may the model in force
    must(heed_model_rollback(other));
    heed_workspace_close(other);
}

static void test_trains_beside_a_writer(void **state) {
    shop *s = *state;
    beside b = {s, shop_workspace(s, HEED_WRITE), 0};
    json_decref(train(b.writer, NULL));
    must(heed_model_activate(b.writer, "popular", NULL));
    heed_workspace *reader = shop_workspace(s, HEED_READ);
    heed_workspace_on_progress(reader, while_training, &b);
    json_t *result = train(reader, NULL);
    assert_true(b.asked > 3);
    assert_string_equal(text_of(result, "version"), "000002");
    // of the state at its beginning or before: one and the same for all it learned from
    assert_int_equal(json_integer_value(json_object_get(json_object_get(result, "data"), "events")),
                     42);
    json_decref(result);
    heed_workspace_close(reader);
    heed_workspace_close(b.writer);
}

static void test_rules_and_sessions(void **state) {
    shop *s = *state;
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    json_decref(train(ws, NULL));
    heed_recommend_params params = heed_recommend_default();
    heed_recommendations *list = NULL;
    const char *category[] = {"drinks"};
    const char *exclude[] = {"i1"};
    const char *filter[] = {"price<=5"};
    const char *session[] = {"i1", "i2"};
    params.categories = category;
    params.n_categories = 1;
    must(heed_recommend(ws, "quiet", &params, &list));
    for (size_t i = 0; i < list->n; i++)
        assert_true(!strcmp(list->items[i].id, "i1") || !strcmp(list->items[i].id, "i6"));
    assert_int_equal(list->n, 2);
    heed_recommendations_free(list);
    params.n_categories = 0;
    params.exclude = exclude;
    params.n_exclude = 1;
    params.filters = filter;
    params.n_filters = 1;
    must(heed_recommend(ws, "quiet", &params, &list));
    assert_int_equal(list->n, 2); // i4, i6
    heed_recommendations_free(list);
    params = heed_recommend_default();
    params.session = session;
    params.n_session = 2;
    params.n = 1;
    must(heed_recommend(ws, NULL, &params, &list));
    assert_string_equal(list->items[0].id, "i3");
    heed_recommendations_free(list);
    params.exclude_seen = 0;
    params.method = "popular";
    must(heed_recommend(ws, NULL, &params, &list));
    assert_string_equal(list->items[0].id, "i1");
    heed_recommendations_free(list);
    params.method = "nosuch";
    assert_int_equal(heed_recommend(ws, NULL, &params, &list), HEED_INPUT);
    assert_null(list);
    assert_int_equal(heed_recommend(ws, NULL, &(heed_recommend_params){0}, &list), HEED_USAGE);
    assert_int_equal(heed_recommend(ws, "nobody", &(heed_recommend_params){0}, &list),
                     HEED_NOT_FOUND);
    heed_workspace_close(ws);
}

// Every method that was trained can be put in force and serves; a handle that is open notices.
static void test_every_method_serves(void **state) {
    shop *s = *state;
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    heed_workspace *reader = shop_workspace(s, HEED_READ);
    json_t *result = train(ws, NULL);
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(result, "validation"), i, row) {
        if (json_object_get(row, "not_applicable")) continue;
        must(heed_model_activate(ws, text_of(row, "method"), NULL));
        heed_recommendations *list = NULL;
        heed_recommend_params params = heed_recommend_default();
        must(heed_recommend(reader, "u1", &params, &list));
        assert_string_equal(list->method, text_of(row, "method"));
        assert_true(list->n > 0);
        heed_recommendations_free(list);
    }
    json_decref(result);
    heed_workspace_close(reader);
    heed_workspace_close(ws);
}

static void test_versions(void **state) {
    shop *s = *state;
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    assert_int_equal(heed_model_rollback(ws), HEED_NOT_FOUND);
    json_decref(train(ws, "popular"));
    assert_int_equal(heed_model_rollback(ws), HEED_NOT_FOUND); // nothing before the first
    json_decref(train(ws, "popular"));
    must(heed_model_rollback(ws));
    hd_arena arena;
    hd_arena_init(&arena);
    hd_model_ref now;
    hd_model_ref before;
    must(hd_models_active(ws, "recommend", &arena, &now, &before));
    assert_string_equal(now.version, "000001");
    assert_string_equal(before.version, "000002");
    for (int i = 0; i < 4; i++) json_decref(train(ws, "popular"));
    assert_false(hd_models_has(ws, "recommend", (hd_model_ref){"popular", "000002"}));
    assert_true(hd_models_has(ws, "recommend", (hd_model_ref){"popular", "000006"}));
    assert_int_equal(heed_model_activate(ws, "popular", "000002"), HEED_NOT_FOUND);
    assert_int_equal(heed_model_activate(ws, "../x", NULL), HEED_NOT_FOUND);
    assert_int_equal(heed_model_activate(ws, "popular", "../../1"), HEED_NOT_FOUND);
    hd_arena_clear(&arena);
    char *text = NULL;
    must(heed_models(ws, &text));
    json_t *list = shop_json(text);
    assert_int_equal(json_array_size(list), 6); // three versions of each of two tasks
    json_decref(list);
    heed_workspace_close(ws);
}

typedef struct stopper {
    heed_workspace *ws;
    int left; // reports until it stops
} stopper;

static void stop_later(void *ctx, const char *const what[2], double share) {
    (void)what, (void)share;
    stopper *s = ctx;
    if (s->left-- == 0) heed_workspace_stop(s->ws);
}

// Wherever training is stopped, what was in force stays.
static void test_stopped_training(void **state) {
    shop *s = *state;
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    json_decref(train(ws, "popular"));
    heed_workspace_close(ws);
    int stopped = 0;
    for (int n = 0;; n++) {
        ws = shop_workspace(s, HEED_WRITE);
        stopper later = {ws, n};
        heed_train_params params = heed_train_default();
        heed_workspace_on_progress(ws, stop_later, &later);
        heed_err err = heed_train(ws, &params, NULL);
        heed_workspace_close(ws);
        if (later.left >= 0) break;   // it ended before
        if (err == HEED_OK) continue; // asked too late to be noticed
        assert_int_equal(err, HEED_INTERRUPTED);
        stopped++;
        ws = shop_workspace(s, HEED_READ);
        heed_recommendations *list = NULL;
        heed_recommend_params ask = heed_recommend_default();
        must(heed_recommend(ws, "u1", &ask, &list));
        assert_string_equal(list->method, "popular");
        assert_string_equal(list->version, "000001");
        heed_recommendations_free(list);
        heed_workspace_close(ws);
    }
    assert_true(stopped >= 5);
}

static void read_file(const char *folder, const char *name, hd_str *out) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    must(hd_fs_read(path, 0, out));
}

// The same data and seed give the same bytes, for any number of threads.
static void test_deterministic(void **state) {
    shop *s = *state;
    static const char *const names[] = {"markov", "item_knn", "user_knn", "popular"};
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    json_decref(train(ws, NULL));
    heed_workspace_close(ws);
    ws = shop_workspace(s, HEED_WRITE);
    must(heed_workspace_set(ws, "threads", "1"));
    json_decref(train(ws, NULL));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        hd_str a = {0};
        hd_str b = {0};
        char name[128];
        snprintf(name, sizeof name, "models/recommend/%s/000001/model.safetensors", names[i]);
        read_file(s->folder, name, &a);
        snprintf(name, sizeof name, "models/recommend/%s/000002/model.safetensors", names[i]);
        read_file(s->folder, name, &b);
        assert_int_equal(a.len, b.len);
        assert_memory_equal(a.data, b.data, a.len);
        hd_str_clear(&a);
        hd_str_clear(&b);
    }
    heed_workspace_close(ws);
}

static void test_evaluates(void **state) {
    shop *s = *state;
    heed_workspace *ws = shop_workspace(s, HEED_READ);
    heed_evaluate_params params = heed_evaluate_default();
    const size_t ks[] = {1, 3};
    const size_t wrong[] = {3, 1};
    params.ks = ks;
    params.n_ks = 2;
    params.bootstrap = 50;
    char *text = NULL;
    must(heed_evaluate(ws, &params, &text));
    json_t *list = shop_json(text);
    const json_t *first = json_array_get(list, 0);
    assert_string_equal(text_of(first, "method"), "popular");
    assert_non_null(json_object_get(json_object_get(first, "metrics"), "hr@3"));
    assert_string_equal(text_of(first, "protocol"), "loo/1");
    assert_int_equal(strlen(text_of(first, "data_hash")), 64);
    json_decref(list);
    params.ks = wrong;
    assert_int_equal(heed_evaluate(ws, &params, &text), HEED_INPUT);
    params.ks = ks;
    params.protocol = "guess";
    assert_int_equal(heed_evaluate(ws, &params, &text), HEED_INPUT);
    heed_workspace_close(ws);
}

static json_t *kept(const shop *s, const char *cursor, size_t limit, size_t n) {
    json_t *page = NULL;
    must(hd_evaluations_list(s->folder, cursor, limit, &page));
    assert_int_equal(json_array_size(json_object_get(page, "evaluations")), n);
    return page;
}

// The newest are kept, each whole, in order; a spoilt one is passed over.
static void test_keeps_evaluations(void **state) {
    shop *s = *state;
    char path[600];
    json_t *rows = NULL, *page, *one = NULL;
    json_decref(kept(s, NULL, 5, 0));
    must(hd_json_pack(&rows, "[{s:s, s:s, s:{s:f}}, {s:s, s:{}}]", "method", "markov", "protocol",
                      "loo/1", "metrics", "ndcg@10", 0.5, "method", "recent", "not_applicable"));
    for (int i = 0; i < HD_EVALUATIONS_KEPT + 3; i++) must(hd_evaluations_keep(s->folder, rows));
    json_decref(kept(s, NULL, 1000, HD_EVALUATIONS_KEPT));
    page = kept(s, NULL, 60, 60);
    const json_t *list = json_object_get(page, "evaluations");
    for (size_t i = 1; i < 60; i++)
        assert_true(strcmp(text_of(json_array_get(list, i - 1), "id"),
                           text_of(json_array_get(list, i), "id")) > 0);
    char newest[64];
    snprintf(newest, sizeof newest, "%s", text_of(json_array_get(list, 0), "id"));
    must(hd_evaluations_get(s->folder, newest, &one));
    assert_true(json_equal(json_object_get(one, "results"), rows));
    json_decref(one);
    const json_t *methods = json_object_get(json_array_get(list, 0), "methods");
    assert_true(json_is_null(json_object_get(json_array_get(methods, 1), "metrics")));
    snprintf(path, sizeof path, "%s/runs/eval-%s.json", s->folder, newest);
    must(hd_fs_write(path, "{", 1, 0600));
    assert_int_equal(hd_evaluations_get(s->folder, newest, &one), HEED_CORRUPT);
    assert_null(one);
    json_t *rest = kept(s, text_of(page, "next_cursor"), 60, HD_EVALUATIONS_KEPT - 60);
    assert_true(json_is_null(json_object_get(rest, "next_cursor")));
    json_decref(rest);
    json_decref(kept(s, NULL, 1000, HD_EVALUATIONS_KEPT - 1));
    assert_int_equal(hd_evaluations_get(s->folder, "../../x", &one), HEED_NOT_FOUND);
    assert_int_equal(hd_evaluations_list(s->folder, "x", 1, &one), HEED_USAGE);
    json_decref(page);
    // Out of memory: nothing half-written, nothing lost.
    for (uint64_t n = 1;; n++) {
        hd_mem_fail_at(n, true);
        heed_err err = hd_evaluations_keep(s->folder, rows);
        page = NULL;
        if (err == HEED_OK) err = hd_evaluations_list(s->folder, NULL, 1, &page);
        if (err == HEED_OK) err = hd_evaluations_get(s->folder, newest, &one);
        hd_mem_fail_at(0, true);
        json_decref(page);
        if (err != HEED_MEMORY) break;
    }
    assert_int_equal(heed_error_code(), HEED_CORRUPT); // all went well up to the damaged one
    json_decref(rows);
}

static void test_profiles(void **state) {
    shop *s = *state;
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    char *text = NULL;
    assert_int_equal(heed_segments(ws, HEED_EN, &text), HEED_NOT_FOUND);
    must(heed_profile(ws, "u1", HEED_EN, &text));
    json_t *profile = shop_json(text);
    assert_string_equal(text_of(profile, "user"), "u1");
    assert_true(json_is_null(json_object_get(profile, "segment")));
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(profile, "frequency"), "events")), 3);
    json_decref(profile);
    json_decref(train(ws, "popular"));
    must(heed_profile(ws, "u1", HEED_ZH, &text));
    profile = shop_json(text);
    assert_true(json_is_object(json_object_get(profile, "segment")));
    json_decref(profile);
    must(heed_segments(ws, HEED_EN, &text));
    json_decref(shop_json(text));
    assert_int_equal(heed_profile(ws, "nobody", HEED_EN, &text), HEED_NOT_FOUND);
    heed_workspace_close(ws);
}

// What cleaning drops is not learned from, and the data has another name then.
static void test_cleaning(void **state) {
    shop *s = *state;
    shop_write(
        s, 3, "twice.csv",
        "event_id,user_id,item_id,type,time\nx1,u1,i6,view,1795000000\nx2,u1,i6,view,1795000000\n");
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    must(shop_import(ws, s, 3, 1, NULL));
    json_t *cleaned = train(ws, "popular");
    must(heed_workspace_set(ws, "clean.duplicates", "false"));
    json_t *all = train(ws, "popular");
    const json_t *a = json_object_get(cleaned, "data");
    const json_t *b = json_object_get(all, "data");
    assert_int_equal(json_integer_value(json_object_get(a, "events")), 43);
    assert_int_equal(json_integer_value(json_object_get(b, "events")), 44);
    assert_string_not_equal(text_of(a, "hash"), text_of(b, "hash"));
    json_decref(cleaned);
    json_decref(all);
    heed_workspace_close(ws);
}

static void test_signals(void **state) {
    (void)state;
    hd_settings *settings = NULL;
    must(hd_settings_new(hd_settings_rows, hd_settings_n_rows, &settings));
    must(hd_settings_set_flag(settings, "recommend.min_rating", "3"));
    hd_signal_rules rules;
    hd_signal_rules_init(&rules, settings);
    hd_signals signals = hd_signal_rules_get(&rules);
    assert_true(signals.weight(signals.ctx, "purchase", 1) >
                signals.weight(signals.ctx, "view", 1));
    assert_true(signals.weight(signals.ctx, "return", 1) <= 0);
    assert_true(signals.weight(signals.ctx, "rating", 2) <= 0);
    assert_true(signals.weight(signals.ctx, "rating", 3) > 0);
    assert_true(signals.weight(signals.ctx, "never-heard-of", 1) > 0);
    char type[16];
    for (int i = 0; i < 40; i++) { // more types than are remembered
        snprintf(type, sizeof type, "type%d", i);
        assert_true(signals.weight(signals.ctx, type, 1) == 1);
    }
    hd_settings_free(settings);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_trains_and_serves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_untuned_is_compared, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trains_beside_a_writer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rules_and_sessions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_method_serves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_versions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stopped_training, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deterministic, setup, teardown),
        cmocka_unit_test_setup_teardown(test_evaluates, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keeps_evaluations, setup, teardown),
        cmocka_unit_test_setup_teardown(test_profiles, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cleaning, setup, teardown),
        cmocka_unit_test(test_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
