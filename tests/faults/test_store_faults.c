// SPDX-License-Identifier: Apache-2.0
//
// Faults under the store: transactions, migrations, backup, batches of the catalogue. After each,
// the database opens and is sound, what was acknowledged is whole, and nothing half-done shows.

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "catalog/catalog.h"
#include "drive.h"
#include "store/batch.h"
#include "store/open.h"

enum { CACHE = 64 << 10, PATH = 256 };

// ── What all share ──────────────────────────────────────────────────────────────────────────────

static heed_err open_in(const char *dir, const char *name, hd_store_mode mode, hd_store **out) {
    char path[PATH];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return hd_store_open(path, mode, CACHE, NULL, out);
}

static heed_err ask(hd_store *store, const char *sql, int64_t *out) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(store, sql, &q));
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK) *out = row ? hd_query_i64(q, 0) : -1;
    hd_query_close(q);
    return err;
}

// Opens what a fault left, and checks its structure. The caller closes *out.
static bool open_sound(const char *dir, const char *name, hd_store **out, char *why, size_t size) {
    bool sound = false;
    hd_str faults = {0};
    if (open_in(dir, name, HD_STORE_WRITE, out) != HEED_OK) {
        return drive_failed(why, size, "doesn't open");
    }
    heed_err err = hd_store_check(*out, &sound, &faults);
    if (err != HEED_OK) drive_failed(why, size, "can't be checked");
    if (err == HEED_OK && !sound) drive_wrong(why, size, "damaged: %s", hd_str_get(&faults));
    hd_str_clear(&faults);
    if (!sound) hd_store_close(*out);
    return sound;
}

// ── Transactions ────────────────────────────────────────────────────────────────────────────────
//
// Groups of ten large rows, a group per transaction, some of it in a savepoint that is taken back.
// A group whose transaction fails is tried once more: the connection must have come through.

enum { GROUPS = 12, ROWS = 10, TAKEN_BACK = -1 };

static heed_err make_groups(const char *dir) {
    hd_store *store;
    HD_TRY(open_in(dir, "t.db", HD_STORE_CREATE, &store));
    heed_err err =
        hd_store_exec(store, "CREATE TABLE t (k INTEGER PRIMARY KEY, g INTEGER, pad BLOB)"
                             " STRICT; CREATE INDEX t_g ON t (g)");
    hd_store_close(store);
    return err;
}

static heed_err add_row(hd_store *store, int64_t group) {
    hd_query *q;
    HD_TRY(hd_query_open(store, "INSERT INTO t (g, pad) VALUES (?1, randomblob(3000))", &q));
    hd_query_bind_i64(q, 1, group);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

static heed_err fill_group(hd_store *store, int64_t group) {
    for (int i = 0; i < ROWS; i++) {
        HD_TRY(add_row(store, group));
        if (i != ROWS / 2) continue;
        HD_TRY(hd_store_begin(store));
        heed_err err = add_row(store, TAKEN_BACK);
        hd_store_rollback(store);
        HD_TRY(err);
    }
    return HEED_OK;
}

static heed_err add_group(hd_store *store, int64_t group) {
    HD_TRY(hd_store_begin(store));
    heed_err err = fill_group(store, group);
    if (err == HEED_OK) return hd_store_commit(store);
    hd_store_rollback(store);
    return err;
}

static heed_err add_groups(hd_store *store, tally *t) {
    for (int64_t g = 1; g <= GROUPS; g++) {
        heed_err err = add_group(store, g);
        if (err != HEED_OK) {
            int64_t there = -1; // a commit that failed after it was durable
            HD_TRY(ask(store, "SELECT coalesce(max(g), 0) FROM t", &there));
            if (there < g) HD_TRY(add_group(store, g));
        }
        t->acked = g;
        if (g % 5 == 0) HD_TRY(hd_store_checkpoint(store));
    }
    return HEED_OK;
}

static heed_err run_groups(const char *dir, tally *t) {
    hd_store *store;
    HD_TRY(open_in(dir, "t.db", HD_STORE_WRITE, &store));
    heed_err err = add_groups(store, t);
    hd_store_close(store);
    return err;
}

static bool groups_whole(hd_store *store, const tally *t, char *why, size_t size) {
    int64_t last, rows, halves;
    if (ask(store, "SELECT coalesce(max(g), 0) FROM t", &last) != HEED_OK ||
        ask(store, "SELECT count(*) FROM t", &rows) != HEED_OK ||
        ask(store, "SELECT count(*) FROM (SELECT 1 FROM t GROUP BY g HAVING count(*) <> 10)",
            &halves) != HEED_OK) {
        return drive_failed(why, size, "can't be read");
    }
    if (last != t->acked && last != t->acked + 1) {
        return drive_wrong(why, size, "%lld groups acknowledged, %lld there", (long long)t->acked,
                           (long long)last);
    }
    if (rows != last * ROWS || halves != 0) {
        return drive_wrong(why, size, "%lld rows in %lld groups, %lld of them not whole",
                           (long long)rows, (long long)last, (long long)halves);
    }
    return true;
}

static bool verify_groups(const char *dir, const tally *t, char *why, size_t size) {
    hd_store *store;
    if (!open_sound(dir, "t.db", &store, why, size)) return false;
    bool whole = groups_whole(store, t, why, size);
    hd_store_close(store);
    return whole;
}

static const workload transactions = {"transactions", make_groups, run_groups, verify_groups,
                                      STORE_SAMPLE};

static void transactions_come_through(void **state) {
    (void)state;
    drive_all(&transactions);
}

// The test of the test: a store that doesn't sync must be found out.
static heed_err run_unsynced(const char *dir, tally *t) {
    hd_store *store;
    HD_TRY(open_in(dir, "t.db", HD_STORE_WRITE, &store));
    heed_err err = hd_store_exec(store, "PRAGMA synchronous = OFF");
    if (err == HEED_OK) err = add_groups(store, t);
    hd_store_close(store);
    return err;
}

static void a_store_that_does_not_sync_is_found_out(void **state) {
    (void)state;
    const workload unsynced = {"unsynced", make_groups, run_unsynced, verify_groups, STORE_SAMPLE};
    assert_true(drive_crashes_found(&unsynced, 40) >= 5);
}

// ── Migrations ──────────────────────────────────────────────────────────────────────────────────

static heed_err double_values(hd_store *store, void *ctx) {
    (void)ctx;
    return hd_store_exec(store, "UPDATE m SET v = 2 * v");
}

static const hd_migration steps[] = {
    {.component = "m",
     .version = 1,
     .sql = "CREATE TABLE m (k INTEGER PRIMARY KEY, v INTEGER NOT NULL) STRICT;"
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
            " INSERT INTO m (v) SELECT 1 FROM n"},
    {.component = "m", .version = 2, .run = double_values},
    {.component = "m",
     .version = 3,
     .sql = "ALTER TABLE m ADD COLUMN name TEXT; CREATE INDEX m_v ON m (v)",
     .run = double_values},
    {.component = "m",
     .version = 4,
     .sql = "CREATE TABLE m2 (k INTEGER PRIMARY KEY, v INTEGER NOT NULL, name TEXT) STRICT;"
            "INSERT INTO m2 SELECT k, v, name FROM m; DROP TABLE m; ALTER TABLE m2 RENAME TO m",
     .run = double_values},
};
enum { STEPS = sizeof steps / sizeof *steps, M_ROWS = 1000 };

static heed_err make_old(const char *dir) {
    hd_store *store;
    HD_TRY(open_in(dir, "t.db", HD_STORE_CREATE, &store));
    heed_err err = hd_store_migrate(store, steps, 1);
    hd_store_close(store);
    return err;
}

static heed_err run_upgrade(const char *dir, tally *t) {
    hd_store *store;
    HD_TRY(open_in(dir, "t.db", HD_STORE_WRITE, &store));
    heed_err err = hd_store_migrate(store, steps, STEPS);
    if (err == HEED_OK) t->acked = STEPS;
    hd_store_close(store);
    return err;
}

// A database at version n holds 2ⁿ⁻¹ in each row: each step doubles once.
static bool at_one_version(hd_store *store, const tally *t, char *why, size_t size) {
    int64_t version, wrong, rows;
    if (ask(store, "SELECT max(version) FROM migrations", &version) != HEED_OK ||
        ask(store,
            "SELECT count(*) FROM m WHERE v <> 1 << ((SELECT max(version) FROM migrations) - 1)",
            &wrong) != HEED_OK ||
        ask(store, "SELECT count(*) FROM m", &rows) != HEED_OK) {
        return drive_failed(why, size, "can't be read");
    }
    if (version < t->acked || wrong != 0 || rows != M_ROWS) {
        return drive_wrong(why, size, "version %lld (acknowledged %lld), %lld rows, %lld wrong",
                           (long long)version, (long long)t->acked, (long long)rows,
                           (long long)wrong);
    }
    return true;
}

static bool verify_upgrade(const char *dir, const tally *t, char *why, size_t size) {
    hd_store *store;
    const tally all = {.acked = STEPS};
    if (!open_sound(dir, "t.db", &store, why, size)) return false;
    bool sound = at_one_version(store, t, why, size);
    if (sound && hd_store_migrate(store, steps, STEPS) != HEED_OK) {
        sound = drive_failed(why, size, "can't be upgraded any more");
    }
    if (sound) sound = at_one_version(store, &all, why, size);
    hd_store_close(store);
    return sound;
}

static void migrations_come_through(void **state) {
    (void)state;
    const workload w = {"migrations", make_old, run_upgrade, verify_upgrade, STORE_SAMPLE};
    drive_all(&w);
}

static heed_err run_create(const char *dir, tally *t) {
    hd_store *store;
    HD_TRY(open_in(dir, "t.db", HD_STORE_CREATE, &store));
    heed_err err = hd_store_migrate(store, steps, STEPS);
    if (err == HEED_OK) t->acked = STEPS;
    hd_store_close(store);
    return err;
}

// What a fault leaves of a new database is none, or one that the same call makes whole.
static bool verify_create(const char *dir, const tally *t, char *why, size_t size) {
    tally again = {0};
    if (t->acked == 0 && run_create(dir, &again) != HEED_OK) {
        return drive_failed(why, size, "can't be made any more");
    }
    const tally all = {.acked = STEPS};
    return verify_upgrade(dir, &all, why, size);
}

static void creation_comes_through(void **state) {
    (void)state;
    const workload w = {"creation", NULL, run_create, verify_create, STORE_SAMPLE};
    drive_all(&w);
}

// ── Backup ──────────────────────────────────────────────────────────────────────────────────────

static heed_err make_two(const char *dir) {
    hd_store *store;
    tally t;
    HD_TRY(make_groups(dir));
    HD_TRY(open_in(dir, "t.db", HD_STORE_WRITE, &store));
    heed_err err = add_group(store, 1);
    char path[PATH];
    snprintf(path, sizeof path, "%s/copy.db", dir);
    if (err == HEED_OK) err = hd_store_backup(store, path);
    hd_store_close(store);
    return err == HEED_OK ? run_groups(dir, &t) : err;
}

static heed_err run_backup(const char *dir, tally *t) {
    hd_store *store;
    char path[PATH];
    snprintf(path, sizeof path, "%s/copy.db", dir);
    HD_TRY(open_in(dir, "t.db", HD_STORE_READ, &store));
    heed_err err = hd_store_backup(store, path);
    if (err == HEED_OK) t->acked = 1;
    hd_store_close(store);
    return err;
}

// The copy is the former one or the new one, whole; the original is what it was.
static bool verify_backup(const char *dir, const tally *t, char *why, size_t size) {
    hd_store *store;
    int64_t rows = -1;
    if (!open_sound(dir, "t.db", &store, why, size)) return false;
    heed_err err = ask(store, "SELECT count(*) FROM t", &rows);
    hd_store_close(store);
    if (err != HEED_OK || rows != (GROUPS + 1) * ROWS) return drive_wrong(why, size, "harmed");
    if (!open_sound(dir, "copy.db", &store, why, size)) return false;
    err = ask(store, "SELECT count(*) FROM t", &rows);
    hd_store_close(store);
    if (err != HEED_OK) return drive_failed(why, size, "the copy can't be read");
    if (rows != (GROUPS + 1) * ROWS && !(rows == ROWS && t->acked == 0)) {
        return drive_wrong(why, size, "%lld rows in the copy, acknowledged: %lld", (long long)rows,
                           (long long)t->acked);
    }
    return true;
}

static void backups_come_through(void **state) {
    (void)state;
    const workload w = {"backup", make_two, run_backup, verify_backup, STORE_SAMPLE};
    drive_all(&w);
}

// ── Batches ─────────────────────────────────────────────────────────────────────────────────────
//
// Five steps, each a transaction: batches 1 to 3 write the same items, then 3 and 2 are undone.

enum { ITEMS = 60, STEPS_OF_BATCHES = 5 };
static const int title_after[STEPS_OF_BATCHES + 1] = {0, 1, 2, 3, 2, 1};

static heed_err migrate_catalog(hd_store *store) {
    HD_TRY(hd_store_migrate(store, hd_batch_migrations, hd_batch_n_migrations));
    return hd_store_migrate(store, hd_catalog_migrations, hd_catalog_n_migrations);
}

static heed_err make_catalog(const char *dir) {
    hd_store *store;
    HD_TRY(open_in(dir, "t.db", HD_STORE_CREATE, &store));
    heed_err err = migrate_catalog(store);
    hd_store_close(store);
    return err;
}

static heed_err put_items(hd_catalog *catalog, int64_t batch) {
    for (int i = 0; i < ITEMS; i++) {
        char id[16], title[200];
        int changed;
        snprintf(id, sizeof id, "item-%d", i);
        snprintf(title, sizeof title, "%lld, then words to fill a page: %0150d", (long long)batch,
                 i);
        hd_record r = {.kind = HD_KIND_ITEMS,
                       .item = {.id = hd_slice_of(id),
                                .title = hd_slice_of(title),
                                .price = NAN,
                                .created = HD_TIME_NONE,
                                .hidden = -1,
                                .replenishable = -1}};
        HD_TRY(hd_catalog_put(catalog, batch, &r, &changed));
    }
    return HEED_OK;
}

static heed_err import_batch(hd_store *store, hd_catalog *catalog) {
    hd_batch b = {.kind = "items", .source = "items.csv", .preset = "", .rows_new = ITEMS};
    HD_TRY(hd_batch_begin(store, &b));
    HD_TRY(put_items(catalog, b.id));
    return hd_batch_finish(store, &b);
}

static heed_err undo_batch(hd_store *store, hd_catalog *catalog, int64_t batch) {
    int64_t rows;
    HD_TRY(hd_catalog_undo(catalog, batch, NULL, NULL, &rows));
    return hd_batch_mark_undone(store, batch);
}

static heed_err batch_step(hd_store *store, hd_catalog *catalog, int step) {
    HD_TRY(hd_store_begin(store));
    heed_err err = step <= 3 ? import_batch(store, catalog) : undo_batch(store, catalog, 7 - step);
    if (err == HEED_OK) return hd_store_commit(store);
    hd_store_rollback(store);
    return err;
}

static heed_err run_batches(const char *dir, tally *t) {
    hd_store *store = NULL;
    hd_catalog *catalog = NULL;
    heed_err err;
    HD_TRY_OUT(open_in(dir, "t.db", HD_STORE_WRITE, &store));
    HD_TRY_OUT(hd_catalog_open(store, &catalog));
    for (int step = 1; step <= STEPS_OF_BATCHES; step++) {
        HD_TRY_OUT(batch_step(store, catalog, step));
        t->acked = step;
    }
out:
    hd_catalog_close(catalog);
    hd_store_close(store);
    return err;
}

static bool batches_whole(hd_store *store, const tally *t, char *why, size_t size) {
    int64_t items, title, kinds, undone, begun;
    if (ask(store, "SELECT count(*) FROM items", &items) != HEED_OK ||
        ask(store, "SELECT coalesce(max(CAST(substr(title, 1, 1) AS INTEGER)), 0) FROM items",
            &title) != HEED_OK ||
        ask(store, "SELECT count(DISTINCT substr(title, 1, 1)) FROM items", &kinds) != HEED_OK ||
        ask(store, "SELECT count(*) FROM import_batches WHERE undone", &undone) != HEED_OK ||
        ask(store, "SELECT count(*) FROM import_batches", &begun) != HEED_OK) {
        return drive_failed(why, size, "can't be read");
    }
    int64_t step = begun + undone;
    if (step != t->acked && step != t->acked + 1) {
        return drive_wrong(why, size, "%lld steps acknowledged, %lld there", (long long)t->acked,
                           (long long)step);
    }
    if (title != title_after[step] || kinds != (step > 0) || items != (step > 0 ? ITEMS : 0)) {
        return drive_wrong(why, size, "after step %lld: %lld items, %lld titles, of batch %lld",
                           (long long)step, (long long)items, (long long)kinds, (long long)title);
    }
    return true;
}

static bool verify_batches(const char *dir, const tally *t, char *why, size_t size) {
    hd_store *store;
    if (!open_sound(dir, "t.db", &store, why, size)) return false;
    bool whole = batches_whole(store, t, why, size);
    hd_store_close(store);
    return whole;
}

static void batches_come_through(void **state) {
    (void)state;
    const workload w = {"batches", make_catalog, run_batches, verify_batches, STORE_SAMPLE};
    drive_all(&w);
}

int main(void) {
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transactions_come_through),
        cmocka_unit_test(a_store_that_does_not_sync_is_found_out),
        cmocka_unit_test(migrations_come_through),
        cmocka_unit_test(creation_comes_through),
        cmocka_unit_test(backups_come_through),
        cmocka_unit_test(batches_come_through),
    };
    return cmocka_run_group_tests_name("store_faults", tests, NULL, NULL);
}
