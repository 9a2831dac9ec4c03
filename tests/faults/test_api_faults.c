// SPDX-License-Identifier: Apache-2.0
//
// Faults under the public API: init, migration, import and undo, training, publishing, backup and
// restore. After each, the workspace opens and is sound, what was acknowledged is whole, nothing
// half-done shows, and the work can be gone on with.
//
// What is whole is known by rehearsal: the same steps are done once without faults, and the state
// of the database after each is kept. HEED_NOW stands still, so that states can be compared.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "drive.h"
#include "privacy/keyring_care.h"
#include "shop.h"
#include "store/batch.h"
#include "store/open.h"
#include "workspace/workspace.h"

// ── What all share ──────────────────────────────────────────────────────────────────────────────

static heed_err init_shop(const char *dir) {
    char path[SHOP_PATH];
    shop_path(path, dir, "shop");
    return heed_workspace_init(path, HEED_EN);
}

static heed_err check_structure(const char *dir, bool *sound, hd_str *faults) {
    char path[SHOP_PATH];
    hd_store *store = NULL;
    shop_path(path, dir, "shop/heed.db");
    HD_TRY(hd_store_open(path, HD_STORE_WRITE, 1 << 20, NULL, &store));
    heed_err err = hd_store_check(store, sound, faults);
    hd_store_close(store);
    return err;
}

static bool database_sound(const char *dir, char *why, size_t size) {
    bool sound = false;
    hd_str faults = {0};
    heed_err err = check_structure(dir, &sound, &faults);
    if (err != HEED_OK) drive_failed(why, size, "can't be checked");
    if (err == HEED_OK && !sound) drive_wrong(why, size, "damaged: %s", hd_str_get(&faults));
    hd_str_clear(&faults);
    return sound;
}

// States of the rehearsal stand in "<dir>/states", SHOP_STATE bytes each.
static heed_err keep_states(const char *dir, const char *states, size_t n) {
    char path[SHOP_PATH];
    shop_path(path, dir, "states");
    return hd_fs_write(path, states, n * SHOP_STATE, 0600);
}

static bool read_states(const char *dir, hd_str *out) {
    char path[SHOP_PATH];
    shop_path(path, dir, "states");
    return hd_fs_read(path, 0, out) == HEED_OK;
}

// A workload of steps on an open workspace, each acknowledged by its return.
typedef heed_err (*step_fn)(heed_workspace *ws, const char *dir);
typedef heed_err (*state_fn)(heed_workspace *ws, const char *dir, char out[SHOP_STATE]);

static heed_err take_steps(const char *dir, const step_fn *steps, size_t from, size_t to,
                           tally *t) {
    heed_workspace *ws = NULL;
    HD_TRY(shop_open(dir, HEED_WRITE, &ws));
    heed_err err = HEED_OK;
    for (size_t i = from; i < to && err == HEED_OK; i++) {
        err = steps[i](ws, dir);
        if (err == HEED_OK && t) t->acked = (int64_t)i + 1;
    }
    heed_workspace_close(ws);
    return err;
}

static heed_err state_now(const char *dir, state_fn state, char out[SHOP_STATE]) {
    heed_workspace *ws = NULL;
    HD_TRY(shop_open(dir, HEED_WRITE, &ws));
    heed_err err = state(ws, dir, out);
    heed_workspace_close(ws);
    return err;
}

// Does the steps once, keeps the states, and leaves the workspace as `begin` makes it.
static heed_err rehearse(const char *dir, heed_err (*begin)(const char *dir), const step_fn *steps,
                         size_t n, state_fn state) {
    char states[8][SHOP_STATE] = {{0}}, path[SHOP_PATH];
    HD_TRY(shop_write_files(dir));
    HD_TRY(begin(dir));
    HD_TRY(state_now(dir, state, states[0]));
    for (size_t i = 0; i < n; i++) {
        HD_TRY(take_steps(dir, steps, i, i + 1, NULL));
        HD_TRY(state_now(dir, state, states[i + 1]));
    }
    HD_TRY(keep_states(dir, states[0], n + 1));
    shop_path(path, dir, "shop");
    HD_TRY(hd_fs_remove(path));
    return begin(dir);
}

// The state is that after the acknowledged steps, or after one more; from there the rest can be
// done, and leads to the end of the rehearsal.
static bool verify_steps(const char *dir, const step_fn *steps, size_t n, state_fn state,
                         const tally *t, char *why, size_t size) {
    hd_str states = {0};
    char now[SHOP_STATE] = {0};
    size_t at = (size_t)t->acked;
    if (!database_sound(dir, why, size)) return false;
    if (!read_states(dir, &states)) return drive_failed(why, size, "states");
    if (state_now(dir, state, now) != HEED_OK) return drive_failed(why, size, "can't be read");
    if (strcmp(now, states.data + at * SHOP_STATE) != 0) at++;
    if (at > n || strcmp(now, states.data + at * SHOP_STATE) != 0) {
        return drive_wrong(why, size, "neither after step %lld nor the next: %s",
                           (long long)t->acked, now);
    }
    if (take_steps(dir, steps, at, n, NULL) != HEED_OK || state_now(dir, state, now) != HEED_OK) {
        return drive_failed(why, size, "can't be gone on with");
    }
    if (strcmp(now, states.data + n * SHOP_STATE) != 0) {
        return drive_wrong(why, size, "the rest leads elsewhere: %s", now);
    }
    hd_str_clear(&states);
    return true;
}

// ── Import ──────────────────────────────────────────────────────────────────────────────────────

static heed_err database_state(heed_workspace *ws, const char *dir, char out[SHOP_STATE]) {
    (void)ws;
    return shop_database(dir, out);
}

static heed_err import_base(heed_workspace *ws, const char *dir) {
    return shop_import(ws, dir, (const char *[]){"events.jsonl", "items.csv", "users.csv", NULL});
}
static heed_err import_more(heed_workspace *ws, const char *dir) {
    return shop_import(
        ws, dir,
        (const char *[]){"items2.csv", "reviews.csv", "tickets.jsonl", "documents.csv", NULL});
}
static heed_err undo_items(heed_workspace *ws, const char *dir) {
    (void)dir;
    int64_t rows;
    return heed_import_undo(ws, 4, &rows); // items2.csv: the first of the second import
}
static heed_err merge_users(heed_workspace *ws, const char *dir) {
    (void)dir;
    return heed_users_merge(ws, "u2", "u1");
}

static const step_fn import_steps[] = {import_base, import_more, undo_items, merge_users};
enum { IMPORT_STEPS = sizeof import_steps / sizeof *import_steps };

static heed_err prepare_import(const char *dir) {
    return rehearse(dir, init_shop, import_steps, IMPORT_STEPS, database_state);
}
static heed_err run_import(const char *dir, tally *t) {
    return take_steps(dir, import_steps, 0, IMPORT_STEPS, t);
}
static bool verify_import(const char *dir, const tally *t, char *why, size_t size) {
    return verify_steps(dir, import_steps, IMPORT_STEPS, database_state, t, why, size);
}

static void imports_come_through(void **state) {
    (void)state;
    const workload w = {"import", prepare_import, run_import, verify_import, API_SAMPLE};
    drive_all(&w);
}

// ── Training and publishing ─────────────────────────────────────────────────────────────────────

static heed_err begin_with_data(const char *dir) {
    HD_TRY(init_shop(dir));
    return take_steps(dir, (const step_fn[]){import_base}, 0, 1, NULL);
}

static heed_err model_state(heed_workspace *ws, const char *dir, char out[SHOP_STATE]) {
    (void)dir;
    return shop_model(ws, out);
}

static heed_err train_first(heed_workspace *ws, const char *dir) {
    (void)dir;
    return shop_train(ws, 1);
}
static const step_fn train_steps[] = {train_first};

static heed_err prepare_training(const char *dir) {
    return rehearse(dir, begin_with_data, train_steps, 1, model_state);
}
static heed_err run_training(const char *dir, tally *t) {
    return take_steps(dir, train_steps, 0, 1, t);
}

// Every version that shows can serve, before and after going on.
static bool models_whole(const char *dir, char *why, size_t size) {
    heed_workspace *ws = NULL;
    heed_err err = shop_open(dir, HEED_WRITE, &ws);
    if (err == HEED_OK) err = shop_try_models(ws);
    heed_workspace_close(ws);
    return err == HEED_OK || drive_failed(why, size, "a model that shows can't serve");
}

// A version number that a broken training has used may be passed over: going on need not lead to
// the rehearsal's number, only to a model in force.
static bool verify_models(const char *dir, size_t n, const tally *t, char *why, size_t size) {
    hd_str states = {0};
    char now[SHOP_STATE] = {0};
    size_t at = (size_t)t->acked;
    if (!database_sound(dir, why, size)) return false;
    if (!read_states(dir, &states)) return drive_failed(why, size, "states");
    if (state_now(dir, model_state, now) != HEED_OK) return drive_failed(why, size, "models");
    bool known = strcmp(now, states.data + at * SHOP_STATE) == 0 ||
                 (at < n && strcmp(now, states.data + (at + 1) * SHOP_STATE) == 0);
    hd_str_clear(&states);
    if (!known) return drive_wrong(why, size, "after %lld steps: %s", (long long)t->acked, now);
    if (!models_whole(dir, why, size)) return false;
    if (take_steps(dir, train_steps, 0, 1, NULL) != HEED_OK) {
        return drive_failed(why, size, "can't be trained any more");
    }
    return models_whole(dir, why, size);
}

static bool verify_training(const char *dir, const tally *t, char *why, size_t size) {
    return verify_models(dir, 1, t, why, size);
}

static void trainings_come_through(void **state) {
    (void)state;
    const workload w = {"training", prepare_training, run_training, verify_training, API_SAMPLE};
    drive_all(&w);
}

static heed_err begin_with_model(const char *dir) {
    HD_TRY(begin_with_data(dir));
    return take_steps(dir, train_steps, 0, 1, NULL);
}

static heed_err train_again(heed_workspace *ws, const char *dir) {
    (void)dir;
    return shop_train(ws, 2);
}
static heed_err roll_back(heed_workspace *ws, const char *dir) {
    (void)dir;
    return heed_model_rollback(ws);
}
static heed_err activate(heed_workspace *ws, const char *dir) {
    (void)dir;
    return heed_model_activate(ws, "popular", "000002");
}
static const step_fn publish_steps[] = {train_again, roll_back, activate};
enum { PUBLISH_STEPS = sizeof publish_steps / sizeof *publish_steps };

static heed_err prepare_publishing(const char *dir) {
    return rehearse(dir, begin_with_model, publish_steps, PUBLISH_STEPS, model_state);
}
static heed_err run_publishing(const char *dir, tally *t) {
    return take_steps(dir, publish_steps, 0, PUBLISH_STEPS, t);
}
static bool verify_publishing(const char *dir, const tally *t, char *why, size_t size) {
    return verify_models(dir, PUBLISH_STEPS, t, why, size);
}

static void publishing_comes_through(void **state) {
    (void)state;
    const workload w = {"publishing", prepare_publishing, run_publishing, verify_publishing,
                        API_SAMPLE};
    drive_all(&w);
}

// ── Init and migration ──────────────────────────────────────────────────────────────────────────

static heed_err prepare_init(const char *dir) {
    return shop_write_files(dir);
}

static heed_err run_init(const char *dir, tally *t) {
    HD_TRY(init_shop(dir));
    t->acked = 1;
    return HEED_OK;
}

static bool verify_init(const char *dir, const tally *t, char *why, size_t size) {
    heed_err err = t->acked ? HEED_OK : init_shop(dir);
    if (err != HEED_OK && err != HEED_CONFLICT) return drive_failed(why, size, "can't be made");
    if (take_steps(dir, import_steps, 0, 1, NULL) != HEED_OK) {
        return drive_failed(why, size, "can't be used");
    }
    return database_sound(dir, why, size);
}

static void init_comes_through(void **state) {
    (void)state;
    const workload w = {"init", prepare_init, run_init, verify_init, API_SAMPLE};
    drive_all(&w);
}

// ── New keys: whatever breaks, what is sealed can be read by the next one who opens it ──

static heed_err replace_keys(const char *dir, tally *t) {
    heed_workspace *ws = NULL;
    HD_TRY(shop_open(dir, HEED_WRITE, &ws));
    heed_err err = hd_keyring_rotate(ws->keyring);
    if (err == HEED_OK) t->acked = 1;
    if (err == HEED_OK) err = hd_keyring_use_key_file(ws->keyring);
    if (err == HEED_OK) t->acked = 2;
    heed_workspace_close(ws);
    return err;
}

static heed_err prepare_keys(const char *dir) {
    HD_TRY(shop_write_files(dir));
    HD_TRY(init_shop(dir));
    return take_steps(dir, import_steps, 0, 2, NULL);
}

// Twice: as a reader finds it, and after a writer set it right.
static bool verify_keys(const char *dir, const tally *t, char *why, size_t size) {
    (void)t;
    for (int i = 0; i < 2; i++) {
        heed_workspace *ws = NULL;
        char *all = NULL;
        if (shop_open(dir, i == 0 ? HEED_READ : HEED_WRITE, &ws) != HEED_OK)
            return drive_failed(why, size, "the keys don't open");
        heed_err err = heed_users_export(ws, "u1", HEED_EN, &all);
        bool there = err == HEED_OK && strstr(all, "city 1") && strstr(all, "It is number 1");
        heed_text_free(all);
        heed_workspace_close(ws);
        if (err != HEED_OK) return drive_failed(why, size, "what is sealed doesn't open");
        if (!there) return drive_wrong(why, size, "what was sealed is gone");
    }
    return true;
}

static void keys_come_through(void **state) {
    (void)state;
    const workload w = {"keys", prepare_keys, replace_keys, verify_keys, API_SAMPLE};
    drive_all(&w);
}

// A workspace whose database knows only imports, as a version before the other rooms.
static heed_err prepare_migration(const char *dir) {
    char path[SHOP_PATH];
    hd_store *store = NULL;
    HD_TRY(prepare_init(dir));
    HD_TRY(init_shop(dir));
    shop_path(path, dir, "shop/heed.db");
    HD_TRY(hd_fs_remove(path));
    HD_TRY(hd_store_open(path, HD_STORE_CREATE, 1 << 20, NULL, &store));
    heed_err err = hd_store_migrate(store, hd_batch_migrations, hd_batch_n_migrations);
    hd_batch b = {.kind = "items", .source = "kept.csv", .preset = ""};
    if (err == HEED_OK) err = hd_batch_begin(store, &b);
    hd_store_close(store);
    return err;
}

static heed_err run_migration(const char *dir, tally *t) {
    heed_workspace *ws = NULL;
    HD_TRY(shop_open(dir, HEED_WRITE, &ws));
    t->acked = 1;
    heed_workspace_close(ws);
    return HEED_OK;
}

static bool verify_migration(const char *dir, const tally *t, char *why, size_t size) {
    heed_workspace *ws = NULL;
    char *list = NULL;
    if (!database_sound(dir, why, size)) return false;
    if (t->acked && shop_open(dir, HEED_READ, &ws) != HEED_OK) { // a reader can't migrate
        return drive_failed(why, size, "was not migrated");
    }
    heed_workspace_close(ws);
    if (take_steps(dir, import_steps, 0, 1, NULL) != HEED_OK ||
        shop_open(dir, HEED_READ, &ws) != HEED_OK || heed_import_list(ws, &list) != HEED_OK) {
        return drive_failed(why, size, "can't be used");
    }
    bool kept = strstr(list, "kept.csv") != NULL;
    heed_text_free(list);
    heed_workspace_close(ws);
    return kept || drive_wrong(why, size, "the import before it is gone");
}

static void migrations_come_through(void **state) {
    (void)state;
    const workload w = {"migration", prepare_migration, run_migration, verify_migration,
                        API_SAMPLE};
    drive_all(&w);
}

// ── Backup and restore ──────────────────────────────────────────────────────────────────────────

static heed_err back_up(const char *dir) {
    heed_workspace *ws = NULL;
    char path[SHOP_PATH];
    shop_path(path, dir, "backup");
    HD_TRY(shop_open(dir, HEED_READ, &ws));
    heed_err err = heed_workspace_backup(ws, path);
    heed_workspace_close(ws);
    return err;
}

static heed_err restore(const char *dir) {
    char backup[SHOP_PATH], copy[SHOP_PATH];
    shop_path(backup, dir, "backup");
    shop_path(copy, dir, "restored/shop");
    return heed_workspace_restore(backup, copy);
}

static heed_err prepare_backup(const char *dir) {
    char path[SHOP_PATH];
    HD_TRY(shop_write_files(dir));
    HD_TRY(begin_with_model(dir));
    shop_path(path, dir, "restored");
    return hd_fs_mkdirs(path, 0700);
}

static heed_err run_backup(const char *dir, tally *t) {
    HD_TRY(back_up(dir));
    t->acked = 1;
    HD_TRY(restore(dir));
    t->acked = 2;
    return HEED_OK;
}

// What was not acknowledged is done now: its folder is absent, or whole already (HEED_CONFLICT).
static bool verify_backup(const char *dir, const tally *t, char *why, size_t size) {
    char was[SHOP_STATE], is[SHOP_STATE], copy[SHOP_PATH];
    shop_path(copy, dir, "restored");
    heed_err err = t->acked >= 1 ? HEED_OK : back_up(dir);
    if (err != HEED_OK && err != HEED_CONFLICT) return drive_failed(why, size, "backup");
    err = t->acked >= 2 ? HEED_OK : restore(dir);
    if (err != HEED_OK && err != HEED_CONFLICT) return drive_failed(why, size, "restore");
    if (shop_database(dir, was) != HEED_OK || shop_database(copy, is) != HEED_OK) {
        return drive_failed(why, size, "can't be read");
    }
    if (strcmp(was, is) != 0) return drive_wrong(why, size, "the copy differs");
    return database_sound(copy, why, size) && models_whole(copy, why, size) &&
           models_whole(dir, why, size);
}

static void backups_come_through(void **state) {
    (void)state;
    const workload w = {"backup and restore", prepare_backup, run_backup, verify_backup,
                        API_SAMPLE};
    drive_all(&w);
}

int main(void) {
    if (hd_mem_adopt_libraries() != HEED_OK || setenv("HEED_NOW", "2026-03-01T00:00:00Z", 1)) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(init_comes_through),     cmocka_unit_test(migrations_come_through),
        cmocka_unit_test(keys_come_through),      cmocka_unit_test(imports_come_through),
        cmocka_unit_test(trainings_come_through), cmocka_unit_test(publishing_comes_through),
        cmocka_unit_test(backups_come_through),
    };
    cmocka_set_test_filter(getenv("HEED_FAULTS_OF")); // one of them, "publishing*"
    return cmocka_run_group_tests_name("api_faults", tests, NULL, NULL);
}
