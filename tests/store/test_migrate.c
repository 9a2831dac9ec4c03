// SPDX-License-Identifier: Apache-2.0
//
// Migrations: a database of any former version becomes the newest, a newer one is refused, and a
// failing step leaves the version before it.

#include "store_test.h"

static heed_err fill_names(hd_store *store, void *ctx) {
    (void)ctx;
    return hd_store_exec(store, "UPDATE shop SET name = 'shop ' || k");
}

// The step's ctx reaches it.
static int runs;
static heed_err count_and_fill(hd_store *store, void *ctx) {
    ++*(int *)ctx;
    return fill_names(store, NULL);
}

static heed_err break_down(hd_store *store, void *ctx) {
    (void)ctx;
    HD_TRY(hd_store_exec(store, "UPDATE shop SET name = 'half done'"));
    return HD_FAIL(HEED_INPUT, "this step fails", "这一步失败");
}

static const hd_migration steps[] = {
    {.component = "shop", .version = 1, .sql = "CREATE TABLE shop (k INTEGER PRIMARY KEY) STRICT"},
    {.component = "other", .version = 1, .sql = "CREATE TABLE other (k INTEGER) STRICT"},
    {.component = "shop",
     .version = 2,
     .sql = "ALTER TABLE shop ADD COLUMN name TEXT; CREATE INDEX shop_name ON shop (name)",
     .run = count_and_fill,
     .ctx = &runs},
    {.component = "shop", .version = 3, .run = fill_names},
};
enum { N_STEPS = sizeof steps / sizeof *steps };

static void a_new_database_becomes_the_newest(void **state) {
    hd_store *store = open_db(*state, HD_STORE_CREATE);
    size_t pending;
    assert_ok(hd_store_migrations_pending(store, steps, N_STEPS, &pending));
    assert_int_equal(pending, N_STEPS);
    assert_ok(hd_store_migrate(store, steps, N_STEPS));
    assert_ok(hd_store_migrations_pending(store, steps, N_STEPS, &pending));
    assert_int_equal(pending, 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM migrations"), N_STEPS);
    assert_int_equal(runs, 1);
    assert_ok(hd_store_migrate(store, steps, N_STEPS)); // again: nothing to do
    assert_int_equal(runs, 1);
    assert_int_equal(ask(store, "SELECT count(*) FROM migrations"), N_STEPS);
    hd_store_close(store);
}

static void rows_survive_an_upgrade(void **state) {
    hd_store *store = open_db(*state, HD_STORE_CREATE);
    assert_ok(hd_store_migrate(store, steps, 1));
    assert_ok(hd_store_exec(store, "INSERT INTO shop (k) VALUES (7)"));
    hd_store_close(store);

    store = open_db(*state, HD_STORE_READ); // the check needs no right to write
    size_t pending;
    assert_ok(hd_store_migrations_pending(store, steps, N_STEPS, &pending));
    assert_int_equal(pending, 3);
    assert_fails(HEED_DENIED, hd_store_migrate(store, steps, N_STEPS));
    hd_store_close(store);

    store = open_db(*state, HD_STORE_WRITE);
    assert_ok(hd_store_migrate(store, steps, N_STEPS));
    assert_int_equal(ask(store, "SELECT k FROM shop WHERE name = 'shop 7'"), 7);
    hd_store_close(store);
}

static void a_newer_database_is_refused_unchanged(void **state) {
    hd_store *store = open_db(*state, HD_STORE_CREATE);
    assert_ok(hd_store_migrate(store, steps, N_STEPS));
    size_t pending;
    const hd_migration older[] = {
        steps[0], steps[1], {.component = "third", .version = 1, .sql = "CREATE TABLE x (k)"}};
    assert_fails(HEED_VERSION, hd_store_migrations_pending(store, older, 3, &pending));
    assert_non_null(strstr(heed_error_message(HEED_EN), "'shop' 3, this one knows 1"));
    assert_fails(HEED_VERSION, hd_store_migrate(store, older, 3));
    assert_int_equal(ask(store, "SELECT count(*) FROM sqlite_schema WHERE name = 'x'"), 0);
    hd_store_close(store);
}

static void a_failing_step_leaves_the_version_before(void **state) {
    hd_store *store = open_db(*state, HD_STORE_CREATE);
    hd_migration broken[] = {steps[0],
                             {.component = "shop",
                              .version = 2,
                              .sql = "ALTER TABLE shop ADD COLUMN name TEXT;"
                                     "INSERT INTO shop (k) VALUES (1)",
                              .run = break_down},
                             steps[1]};
    assert_fails(HEED_INPUT, hd_store_migrate(store, broken, 3));
    assert_non_null(strstr(heed_error_message(HEED_EN), "'shop' 2"));
    assert_non_null(strstr(heed_error_message(HEED_EN), "this step fails"));
    assert_int_equal(ask(store, "SELECT max(version) FROM migrations"), 1);
    assert_int_equal(ask(store, "SELECT count(*) FROM shop"), 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM pragma_table_info('shop')"), 1);
    broken[1].sql = "CREATE TABLE nonsense (";
    assert_fails(HEED_INTERNAL, hd_store_migrate(store, broken, 3));
    assert_int_equal(ask(store, "SELECT max(version) FROM migrations"), 1);
    assert_ok(hd_store_migrate(store, steps, N_STEPS));
    hd_store_close(store);
}

static void a_gap_is_refused(void **state) {
    hd_store *store = open_db(*state, HD_STORE_CREATE);
    const hd_migration gap[] = {steps[0], steps[3]};
    assert_fails(HEED_INTERNAL, hd_store_migrate(store, gap, 2));
    hd_store_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(a_new_database_becomes_the_newest),
        SCRATCH_TEST(rows_survive_an_upgrade),
        SCRATCH_TEST(a_newer_database_is_refused_unchanged),
        SCRATCH_TEST(a_failing_step_leaves_the_version_before),
        SCRATCH_TEST(a_gap_is_refused),
    };
    return cmocka_run_group_tests_name("store_migrate", tests, NULL, NULL);
}
