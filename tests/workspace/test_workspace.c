// SPDX-License-Identifier: Apache-2.0
//
// Workspaces: made, found, opened, locked, brought up to date, copied.
#include "shop.h"

#include "workspace/care.h"
#include "workspace/workspace.h"

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

static void test_init(void **state) {
    shop *s = *state;
    assert_int_equal(heed_workspace_init(s->folder, HEED_EN), HEED_CONFLICT);
    assert_int_equal(heed_workspace_init(s->path[0], HEED_EN), HEED_NOT_FOUND); // a file
    heed_workspace *ws = NULL;
    assert_int_equal(heed_workspace_open(s->dir, HEED_READ, &ws), HEED_NOT_FOUND);
    assert_null(ws);
    assert_non_null(heed_version());
    heed_workspace_close(NULL);
    heed_text_free(NULL);
}

// The file that init writes says what holds without it; taking all its '#' away changes nothing.
static void test_template(void **state) {
    (void)state;
    for (int lang = 0; lang < 2; lang++) {
        hd_str text;
        hd_str_init(&text);
        must(hd_settings_template((heed_lang)lang, &text));
        hd_settings *plain = NULL;
        must(hd_settings_new(hd_settings_rows, hd_settings_n_rows, &plain));
        must(hd_settings_load_yaml(plain, hd_str_get(&text), text.len, "heed.yaml"));
        hd_str bare;
        hd_str_init(&bare);
        for (const char *line = hd_str_get(&text); *line;) {
            size_t n = strcspn(line, "\n");
            const char *body = line;
            size_t len = n;
            if (len && body[0] == '#') body++, len--;
            hd_slice trimmed = hd_slice_trim((hd_slice){body, len});
            bool comment = trimmed.n && trimmed.p[0] == '#';
            bool prose = n > 1 && line[0] == '#' && line[1] == ' ' && line[2] != ' ';
            if (!comment && !prose) {
                hd_str_addn(&bare, body, len);
                hd_str_addc(&bare, '\n');
            }
            line += n + (line[n] == '\n');
        }
        hd_settings *full = NULL;
        must(hd_settings_new(hd_settings_rows, hd_settings_n_rows, &full));
        must(hd_settings_load_yaml(full, hd_str_get(&bare), bare.len, "heed.yaml"));
        hd_str a = {0};
        hd_str b = {0};
        const hd_setting *row;
        hd_origin origin;
        const char *place;
        for (size_t i = 0; hd_settings_at(plain, i, &row, &a, &origin, &place); i++) {
            assert_int_equal(origin, HD_ORIGIN_DEFAULT);
            assert_true(hd_settings_at(full, i, &row, &b, &origin, &place));
            assert_int_equal(origin, HD_ORIGIN_FILE);
            assert_string_equal(hd_str_get(&a), hd_str_get(&b));
        }
        hd_str_clear(&a);
        hd_str_clear(&b);
        hd_str_clear(&bare);
        hd_str_clear(&text);
        hd_settings_free(plain);
        hd_settings_free(full);
    }
}

static void test_find(void **state) {
    shop *s = *state;
    char deep[160];
    snprintf(deep, sizeof deep, "%s/a/b", s->folder);
    must(hd_fs_mkdirs(deep, 0700));
    hd_arena arena;
    hd_arena_init(&arena);
    const char *found = NULL;
    must(hd_workspace_find(deep, &arena, &found));
    assert_string_equal(found, s->folder);
    must(hd_workspace_find(s->dir, &arena, &found));
    assert_null(found);
    must(hd_workspace_find("/", &arena, &found));
    assert_null(found);
    hd_arena_clear(&arena);
}

static void test_one_writer_many_readers(void **state) {
    shop *s = *state;
    heed_workspace *writer = shop_workspace(s, HEED_WRITE);
    heed_workspace *reader = shop_workspace(s, HEED_READ);
    heed_workspace *second = NULL;
    assert_int_equal(heed_workspace_open(s->folder, HEED_WRITE, &second), HEED_BUSY);
    assert_null(second);
    must(shop_import(writer, s, 0, 3, NULL));
    char *text = NULL;
    must(heed_profile(reader, "u1", HEED_EN, &text)); // committed: seen
    heed_text_free(text);
    assert_int_equal(heed_users_merge(reader, "u1", "u2"), HEED_USAGE);
    heed_workspace_close(writer);
    heed_workspace_close(reader);
    heed_workspace_close(shop_workspace(s, HEED_WRITE));
}

// A heed.yaml alone is a workspace whose first writer makes the database.
static void test_settings_alone(void **state) {
    shop *s = *state;
    char folder[128];
    char yaml[160];
    snprintf(folder, sizeof folder, "%s/bare", s->dir);
    snprintf(yaml, sizeof yaml, "%s/heed.yaml", folder);
    must(hd_fs_mkdirs(folder, 0700));
    must(hd_fs_write(yaml, "", 0, 0600));
    heed_workspace *ws = NULL;
    assert_int_equal(heed_workspace_open(folder, HEED_READ, &ws), HEED_NOT_FOUND);
    must(heed_workspace_open(folder, HEED_WRITE, &ws));
    heed_workspace_close(ws);
    must(heed_workspace_open(folder, HEED_READ, &ws));
    heed_workspace_close(ws);
    must(hd_fs_write(yaml, "threads: many\n", 14, 0600));
    assert_int_equal(heed_workspace_open(folder, HEED_READ, &ws), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "heed.yaml:1"));
    must(hd_fs_write(yaml, "time:\n  zone: Nowhere/Else\n", 27, 0600));
    assert_int_not_equal(heed_workspace_open(folder, HEED_READ, &ws), HEED_OK);
}

static void test_newer_and_older(void **state) {
    shop *s = *state;
    heed_workspace *ws = NULL;
    const hd_workspace_params params = {.folder = s->folder, .mode = HEED_WRITE, .who = "test"};
    size_t steps = 7;
    must(hd_workspace_migrate(&params, &steps));
    assert_int_equal(steps, 0);
    static const hd_migration newer[] = {{.component = "batch", .version = 99, .sql = "SELECT 1"}};
    char path[128];
    hd_store *store = NULL;
    snprintf(path, sizeof path, "%s/heed.db", s->folder);
    must(hd_store_open(path, HD_STORE_WRITE, 0, NULL, &store));
    heed_err made = hd_store_migrate(store, newer, 1);
    hd_store_close(store);
    if (made != HEED_OK) return; // versions without gaps alone: nothing newer can be made
    assert_int_equal(heed_workspace_open(s->folder, HEED_WRITE, &ws), HEED_VERSION);
    assert_int_equal(heed_workspace_open(s->folder, HEED_READ, &ws), HEED_VERSION);
    assert_null(ws);
}

static void test_backup_restore(void **state) {
    shop *s = *state;
    char copy[128];
    char back[128];
    snprintf(copy, sizeof copy, "%s/copy/", s->dir); // with a slash at the end
    snprintf(back, sizeof back, "%s/back", s->dir);
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    must(shop_import(ws, s, 0, 3, NULL));
    must(heed_train(ws, &(heed_train_params){.seed = 1}, NULL));
    must(heed_workspace_backup(ws, copy));
    assert_int_equal(heed_workspace_backup(ws, copy), HEED_CONFLICT);
    assert_int_equal(heed_workspace_backup(ws, s->path[0]), HEED_CONFLICT);
    heed_workspace_close(ws);
    char keys[160];
    snprintf(keys, sizeof keys, "%skeys", copy);
    assert_false(hd_fs_exists(keys));
    must(heed_workspace_restore(copy, back));
    must(heed_workspace_open(back, HEED_READ, &ws)); // without keys: who is u4?
    heed_recommendations *list = NULL;
    heed_recommend_params params = heed_recommend_default();
    assert_int_equal(heed_recommend(ws, "u4", &params, &list), HEED_UNAVAILABLE);
    assert_non_null(strstr(heed_error_message(HEED_EN), "heed key import"));
    const char *session[] = {"i1"};
    heed_recommend_params asked = params;
    asked.session = session;
    asked.n_session = 1;
    must(heed_recommend(ws, NULL, &asked, &list));
    heed_recommendations_free(list);
    heed_workspace_close(ws);
    char own[160];
    snprintf(own, sizeof own, "%s/keys", s->folder);
    snprintf(keys, sizeof keys, "%s/keys", back);
    must(hd_fs_remove(keys));
    must(hd_fs_rename(own, keys));
    must(heed_workspace_open(back, HEED_READ, &ws));
    must(heed_recommend(ws, "u4", &params, &list));
    assert_string_equal(list->items[0].id, "i3");
    heed_recommendations_free(list);
    heed_workspace_close(ws);
    assert_int_equal(heed_workspace_restore(copy, back), HEED_CONFLICT);
    assert_int_equal(heed_workspace_restore(s->dir, "elsewhere"), HEED_NOT_FOUND);
}

static void test_merge(void **state) {
    shop *s = *state;
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    must(shop_import(ws, s, 0, 3, NULL));
    must(heed_users_merge(ws, "u1", "u2"));
    char *text = NULL;
    must(heed_profile(ws, "u1", HEED_EN, &text));
    json_t *profile = shop_json(text);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(profile, "frequency"), "events")),
        3 + 4);
    json_decref(profile);
    assert_int_equal(heed_users_merge(ws, "u1", "nobody"), HEED_NOT_FOUND);
    heed_workspace_close(ws);
}

static void count_progress(void *ctx, const char *const what[2], double share) {
    assert_non_null(what[HEED_EN]);
    assert_non_null(what[HEED_ZH]);
    assert_true(share <= 1);
    ++*(int *)ctx;
}

static void test_progress_and_settings(void **state) {
    shop *s = *state;
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    int told = 0;
    heed_workspace_on_progress(ws, count_progress, &told);
    must(shop_import(ws, s, 0, 3, NULL));
    assert_true(told >= 3);
    assert_int_equal(heed_workspace_set(ws, "recommend.n", "0"), HEED_USAGE);
    assert_int_equal(heed_workspace_set(ws, "recommend.m", "1"), HEED_USAGE);
    must(heed_workspace_set(ws, "recommend.n", "2"));
    must(heed_train(ws, &(heed_train_params){.seed = 1}, NULL));
    heed_recommendations *list = NULL;
    heed_recommend_params params = heed_recommend_default();
    must(heed_recommend(ws, "u1", &params, &list));
    assert_int_equal(list->n, 2);
    heed_recommendations_free(list);
    heed_workspace_close(ws);
}

static const char *state_of(const json_t *result, const char *name) {
    size_t i;
    json_t *check;
    json_array_foreach(json_object_get(result, "checks"), i, check) {
        if (strcmp(json_string_value(json_object_get(check, "name")), name) == 0)
            return json_string_value(json_object_get(check, "state"));
    }
    return "none";
}

static void test_doctor(void **state) {
    shop *s = *state;
    hd_settings *settings = NULL;
    json_t *result = NULL;
    must(hd_settings_new(hd_settings_rows, hd_settings_n_rows, &settings));
    must(hd_doctor(NULL, settings, NULL, &result));
    assert_int_equal(json_integer_value(json_object_get(result, "faults")), 0);
    json_decref(result);
    must(hd_doctor(s->folder, settings, NULL, &result));
    assert_string_equal(state_of(result, "integrity"), "ok");
    assert_string_equal(state_of(result, "data"), "warning");
    json_decref(result);
    heed_workspace *ws = shop_workspace(s, HEED_WRITE); // somebody writes meanwhile
    must(hd_doctor(s->folder, settings, NULL, &result));
    assert_string_equal(state_of(result, "writer"), "warning");
    json_decref(result);
    heed_workspace_close(ws);
    char path[128];
    snprintf(path, sizeof path, "%s/heed.db", s->folder);
    must(hd_fs_write(path, "this is no database, but it is long enough to be read as one", 60,
                     0600));
    must(hd_doctor(s->folder, settings, NULL, &result));
    assert_true(json_integer_value(json_object_get(result, "faults")) > 0);
    json_decref(result);
    hd_settings_free(settings);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_init, setup, teardown),
        cmocka_unit_test(test_template),
        cmocka_unit_test_setup_teardown(test_find, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_writer_many_readers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_settings_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_newer_and_older, setup, teardown),
        cmocka_unit_test_setup_teardown(test_backup_restore, setup, teardown),
        cmocka_unit_test_setup_teardown(test_merge, setup, teardown),
        cmocka_unit_test_setup_teardown(test_progress_and_settings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_doctor, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
