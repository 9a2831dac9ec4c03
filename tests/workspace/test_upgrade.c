// SPDX-License-Identifier: Apache-2.0
//
// Databases of former versions, frozen as SQL, become the newest: the same schema as a new one, and
// all that they hold can be read, trained on and undone. A newer one is refused unchanged.
//
// Argument: the folder with the frozen databases, v1.sql and so on.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/fs.h"
#include "heed/heed.h"

enum { PATH = 512, VERSIONS = 1 };

static const char *frozen;
static char dir[64];

static void must(heed_err err) {
    if (err != HEED_OK) fail_msg("%s", heed_error_message(HEED_EN));
}

static int setup(void **state) {
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/heed-upgrade-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    return hd_fs_remove(dir) == HEED_OK ? 0 : -1;
}

static void sql_run(const char *folder, const char *sql) {
    char path[PATH];
    sqlite3 *db = NULL;
    snprintf(path, sizeof path, "%s/%s/heed.db", dir, folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

// A workspace "old" around the frozen database.
static void thaw(int version) {
    char path[PATH], folder[PATH / 2];
    hd_str sql = {0};
    snprintf(folder, sizeof folder, "%s/old", dir);
    must(heed_workspace_init(folder, HEED_EN));
    snprintf(path, sizeof path, "%s/heed.db", folder);
    must(hd_fs_remove(path));
    snprintf(path, sizeof path, "%s/v%d.sql", frozen, version);
    must(hd_fs_read(path, 0, &sql));
    sql_run("old", hd_str_get(&sql));
    hd_str_clear(&sql);
}

static heed_workspace *open_old(heed_mode mode) {
    char folder[PATH];
    heed_workspace *ws = NULL;
    snprintf(folder, sizeof folder, "%s/old", dir);
    must(heed_workspace_open(folder, mode, &ws));
    return ws;
}

static void schema_of(const char *folder, hd_str *out) {
    char path[PATH];
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    snprintf(path, sizeof path, "%s/%s/heed.db", dir, folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT type || ' ' || name || ': ' || coalesce(sql, '')"
                                        " FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%'"
                                        " ORDER BY type, name",
                                        -1, &stmt, NULL),
                     SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        hd_str_addf(out, "%s\n", (const char *)sqlite3_column_text(stmt, 0));
    }
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    must(hd_str_check(out));
}

static void the_schema_is_that_of_a_new_one(void **state) {
    (void)state;
    for (int version = 1; version <= VERSIONS; version++) {
        char folder[PATH];
        hd_str old = {0}, fresh = {0};
        thaw(version);
        heed_workspace_close(open_old(HEED_WRITE));
        snprintf(folder, sizeof folder, "%s/fresh", dir);
        must(heed_workspace_init(folder, HEED_EN));
        schema_of("old", &old);
        schema_of("fresh", &fresh);
        assert_string_equal(hd_str_get(&old), hd_str_get(&fresh));
        hd_str_clear(&old);
        hd_str_clear(&fresh);
        must(hd_fs_remove(folder));
        snprintf(folder, sizeof folder, "%s/old", dir);
        must(hd_fs_remove(folder));
    }
}

static void assert_says(char *json, const char *text) {
    if (!strstr(json, text)) fail_msg("no %s in %s", text, json);
    heed_text_free(json);
}

static void what_it_holds_can_be_used(void **state) {
    (void)state;
    for (int version = 1; version <= VERSIONS; version++) {
        char folder[PATH], *json = NULL;
        int64_t rows = 0;
        thaw(version);
        heed_workspace *ws = open_old(HEED_WRITE);
        must(heed_import_list(ws, &json));
        assert_says(json, "events.csv");
        must(heed_profile(ws, "u3", HEED_EN, &json)); // joined with u2
        assert_says(json, "\"orders\": 8");
        must(heed_import_undo(ws, 7, &rows)); // the prices
        assert_int_equal(rows, 1);
        must(heed_import_undo(ws, 4, &rows)); // the reviews
        assert_int_equal(rows, 2);
        const heed_train_params params = heed_train_default();
        must(heed_train(ws, &params, NULL));
        heed_recommendations *list = NULL;
        heed_recommend_params wanted = heed_recommend_default();
        wanted.exclude_seen = 0;
        must(heed_recommend(ws, "u1", &wanted, &list));
        assert_int_equal(list->n, 4);
        heed_recommendations_free(list);
        heed_workspace_close(ws);
        snprintf(folder, sizeof folder, "%s/old", dir);
        must(hd_fs_remove(folder));
    }
}

static void a_newer_one_is_refused_unchanged(void **state) {
    (void)state;
    char folder[PATH];
    heed_workspace *ws = NULL;
    hd_str before = {0}, after = {0};
    thaw(1);
    snprintf(folder, sizeof folder, "%s/old", dir);
    sql_run("old",
            "INSERT INTO migrations (component, version, applied) VALUES ('catalog', 99, 0)");
    schema_of("old", &before);
    assert_int_equal(heed_workspace_open(folder, HEED_WRITE, &ws), HEED_VERSION);
    assert_int_equal(heed_workspace_open(folder, HEED_READ, &ws), HEED_VERSION);
    assert_non_null(strstr(heed_error_message(HEED_EN), "'catalog' 99"));
    schema_of("old", &after);
    assert_string_equal(hd_str_get(&before), hd_str_get(&after));
    hd_str_clear(&before);
    hd_str_clear(&after);
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    frozen = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_schema_is_that_of_a_new_one, setup, teardown),
        cmocka_unit_test_setup_teardown(what_it_holds_can_be_used, setup, teardown),
        cmocka_unit_test_setup_teardown(a_newer_one_is_refused_unchanged, setup, teardown),
    };
    return cmocka_run_group_tests_name("workspace_upgrade", tests, NULL, NULL);
}
