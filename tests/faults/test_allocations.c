// SPDX-License-Identifier: Apache-2.0
//
// Each allocation under the public API fails in turn: ours, SQLite's and jansson's. The call then
// returns HEED_MEMORY and has changed nothing, or succeeds in spite of it (what is kept only to be
// fast may be dropped); either way nothing leaks, and the workspace goes on.
//
// Allocations are failed once each, and in a second pass from one on, as when memory is really out.
// HEED_ALLOCATIONS in the environment: how many of them, spread over the call, or "all".

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "drive.h"
#include "shop.h"

enum { SAMPLE = 12, MOST_SHOWN = 10, STATE = 3 * SHOP_STATE };

typedef struct operation {
    const char *name;
    heed_err (*prepare)(const char *dir);
    heed_err (*run)(const char *dir);    // opens what it needs and closes it
    heed_err (*settle)(const char *dir); // after a failure, before looking; may be NULL
} operation;

typedef struct rig {
    const operation *op;
    char root[64], template[SHOP_PATH], dir[SHOP_PATH];
    char before[STATE], after[STATE];
} rig;

// ── Operations ──────────────────────────────────────────────────────────────────────────────────

static heed_err make_empty(const char *dir) {
    return shop_write_files(dir);
}

static heed_err run_init(const char *dir) {
    char path[SHOP_PATH];
    shop_path(path, dir, "shop");
    return heed_workspace_init(path, HEED_ZH);
}

static heed_err make_shop(const char *dir) {
    HD_TRY(shop_write_files(dir));
    return run_init(dir);
}

// Opens, runs, closes.
static heed_err with_shop(const char *dir, heed_mode mode,
                          heed_err (*run)(heed_workspace *ws, const char *dir)) {
    heed_workspace *ws = NULL;
    HD_TRY(shop_open(dir, mode, &ws));
    heed_err err = run(ws, dir);
    heed_workspace_close(ws);
    return err;
}

static heed_err do_import(heed_workspace *ws, const char *dir) {
    return shop_import(ws, dir,
                       (const char *[]){"users.csv", "items.csv", "events.jsonl", "reviews.csv",
                                        "tickets.jsonl", "documents.csv", NULL});
}
static heed_err run_import(const char *dir) {
    return with_shop(dir, HEED_WRITE, do_import);
}

static heed_err make_full(const char *dir) {
    HD_TRY(make_shop(dir));
    return run_import(dir);
}

static heed_err do_import_again(heed_workspace *ws, const char *dir) {
    return shop_import(ws, dir, (const char *[]){"items2.csv", NULL});
}
static heed_err run_import_again(const char *dir) {
    return with_shop(dir, HEED_WRITE, do_import_again);
}

static heed_err do_undo(heed_workspace *ws, const char *dir) {
    (void)dir;
    int64_t rows;
    return heed_import_undo(ws, 3, &rows); // the events
}
static heed_err run_undo(const char *dir) {
    return with_shop(dir, HEED_WRITE, do_undo);
}

static heed_err do_merge(heed_workspace *ws, const char *dir) {
    (void)dir;
    return heed_users_merge(ws, "u2", "u1");
}
static heed_err run_merge(const char *dir) {
    return with_shop(dir, HEED_WRITE, do_merge);
}

static heed_err do_train(heed_workspace *ws, const char *dir) {
    (void)dir;
    char *json = NULL;
    const heed_train_params params = heed_train_default();
    HD_TRY(heed_train(ws, &params, &json));
    heed_text_free(json);
    return HEED_OK;
}
static heed_err run_train(const char *dir) {
    return with_shop(dir, HEED_WRITE, do_train);
}

static heed_err do_rejects(heed_workspace *ws, const char *dir) {
    heed_err err = shop_import(ws, dir, (const char *[]){"bad.csv", NULL});
    return err == HEED_INPUT ? HEED_OK : err; // refused, as it should be
}
static heed_err run_rejects(const char *dir) {
    return with_shop(dir, HEED_WRITE, do_rejects);
}

static heed_err do_activate(heed_workspace *ws, const char *dir) {
    (void)dir;
    HD_TRY(heed_model_activate(ws, "markov", NULL));
    return HEED_OK;
}
static heed_err run_activate(const char *dir) {
    return with_shop(dir, HEED_WRITE, do_activate);
}

static heed_err make_trained(const char *dir) {
    HD_TRY(make_full(dir));
    return run_train(dir);
}

static heed_err do_evaluate(heed_workspace *ws, const char *dir) {
    (void)dir;
    char *json = NULL;
    heed_evaluate_params params = heed_evaluate_default();
    params.methods = (const char *[]){"popular", "markov"};
    params.n_methods = 2;
    params.defaults = true;
    params.bootstrap = 5;
    HD_TRY(heed_evaluate(ws, &params, &json));
    heed_text_free(json);
    return HEED_OK;
}
static heed_err run_evaluate(const char *dir) {
    return with_shop(dir, HEED_READ, do_evaluate);
}

static heed_err do_recommend(heed_workspace *ws, const char *dir) {
    (void)dir;
    heed_recommendations *list = NULL;
    heed_recommend_params params = heed_recommend_default();
    params.n = 3;
    HD_TRY(heed_recommend(ws, "u1", &params, &list));
    heed_recommendations_free(list);
    list = NULL;
    params.session = (const char *[]){"i1", "i2"}; // a visitor
    params.n_session = 2;
    HD_TRY(heed_recommend(ws, NULL, &params, &list));
    heed_recommendations_free(list);
    return HEED_OK;
}
static heed_err run_recommend(const char *dir) {
    return with_shop(dir, HEED_READ, do_recommend);
}

static heed_err do_profile(heed_workspace *ws, const char *dir) {
    (void)dir;
    char *json = NULL;
    HD_TRY(heed_profile(ws, "u1", HEED_EN, &json));
    heed_text_free(json);
    json = NULL;
    HD_TRY(heed_segments(ws, HEED_ZH, &json));
    heed_text_free(json);
    return HEED_OK;
}
static heed_err run_profile(const char *dir) {
    return with_shop(dir, HEED_READ, do_profile);
}

static heed_err do_lists(heed_workspace *ws, const char *dir) {
    (void)dir;
    char *json = NULL;
    HD_TRY(heed_import_list(ws, &json));
    heed_text_free(json);
    json = NULL;
    HD_TRY(heed_models(ws, &json));
    heed_text_free(json);
    return HEED_OK;
}
static heed_err run_lists(const char *dir) {
    return with_shop(dir, HEED_READ, do_lists);
}

static heed_err do_backup(heed_workspace *ws, const char *dir) {
    char path[SHOP_PATH];
    shop_path(path, dir, "backup");
    return heed_workspace_backup(ws, path);
}
static heed_err run_backup(const char *dir) {
    return with_shop(dir, HEED_READ, do_backup);
}

static heed_err make_backup(const char *dir) {
    HD_TRY(make_trained(dir));
    return run_backup(dir);
}

static heed_err run_restore(const char *dir) {
    char backup[SHOP_PATH], path[SHOP_PATH];
    shop_path(backup, dir, "backup");
    shop_path(path, dir, "restored");
    return heed_workspace_restore(backup, path);
}

// Init may leave a part of a workspace, which the tests of faults show to be usable.
static heed_err remove_shop(const char *dir) {
    char path[SHOP_PATH];
    shop_path(path, dir, "shop");
    return hd_fs_remove(path);
}

static const operation operations[] = {
    {"init", make_empty, run_init, remove_shop},
    {"import", make_shop, run_import, NULL},
    {"import over it", make_full, run_import_again, NULL},
    {"import with bad rows", make_full, run_rejects, NULL},
    {"undo", make_full, run_undo, NULL},
    {"merge", make_full, run_merge, NULL},
    {"train", make_full, run_train, NULL},
    {"activate", make_trained, run_activate, NULL},
    {"evaluate", make_full, run_evaluate, NULL},
    {"recommend", make_trained, run_recommend, NULL},
    {"profile", make_trained, run_profile, NULL},
    {"lists", make_trained, run_lists, NULL},
    {"backup", make_trained, run_backup, NULL},
    {"restore", make_backup, run_restore, NULL},
};

// ── The rig ─────────────────────────────────────────────────────────────────────────────────────

// The database, the model in force, and which folders stand.
static void look(const rig *r, char out[STATE]) {
    char database[SHOP_STATE], model[SHOP_STATE] = "none", path[SHOP_PATH];
    heed_workspace *ws = NULL;
    assert_int_equal(shop_database(r->dir, database), HEED_OK);
    if (strcmp(database, "absent") != 0 && shop_open(r->dir, HEED_WRITE, &ws) == HEED_OK) {
        assert_int_equal(shop_model(ws, model), HEED_OK);
        heed_workspace_close(ws);
    }
    int n = snprintf(out, STATE, "%s, %s", database, model);
    static const char *const folders[] = {"shop", "backup", "restored"};
    for (int i = 0; i < 3; i++) {
        shop_path(path, r->dir, folders[i]);
        if (hd_fs_exists(path)) n += snprintf(out + n, STATE - (size_t)n, ", %s", folders[i]);
    }
}

static void renew(const rig *r) {
    assert_int_equal(hd_fs_remove(r->dir), HEED_OK);
    drive_copy(r->template, r->dir);
}

static void set_up(rig *r, const operation *op) {
    *r = (rig){.op = op};
    snprintf(r->root, sizeof r->root, "%s/heed-memory-XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    assert_non_null(mkdtemp(r->root));
    shop_path(r->template, r->root, "template");
    shop_path(r->dir, r->root, "work");
    assert_int_equal(mkdir(r->template, 0700), 0);
    if (op->prepare(r->template) != HEED_OK) {
        fail_msg("%s: %s", op->name, heed_error_message(HEED_EN));
    }
    renew(r);
    look(r, r->before);
}

// Runs with the n-th allocation failing; 0: none. *calls: how many there were; *leaked: bytes.
static heed_err run_at(const rig *r, uint64_t n, bool once, uint64_t *calls, int64_t *leaked) {
    size_t used = hd_mem_used();
    hd_error_reset();
    (void)hd_mem_calls();
    hd_mem_fail_at(n, once);
    heed_err err = r->op->run(r->dir);
    hd_mem_fail_at(0, false);
    *calls = hd_mem_calls();
    *leaked = (int64_t)(hd_mem_used() - used);
    return err;
}

// Whether the n-th failing was met as promised; prints how it wasn't.
static bool meet(rig *r, uint64_t n, bool once) {
    char now[STATE];
    uint64_t calls;
    int64_t leaked;
    bool sound = true;
    heed_err err = run_at(r, n, once, &calls, &leaked);
    if (err != HEED_OK && err != HEED_MEMORY) {
        sound = false;
        print_error("returned %s: %s\n", heed_err_name(err), heed_error_message(HEED_EN));
    }
    if (leaked != 0) {
        sound = false;
        print_error("%lld bytes leaked\n", (long long)leaked);
    }
    if (err != HEED_OK && r->op->settle) assert_int_equal(r->op->settle(r->dir), HEED_OK);
    look(r, now);
    const char *expected = err == HEED_OK ? r->after : r->before;
    if (strcmp(now, expected) != 0) {
        sound = false;
        print_error("returned %s and left\n  %s\nnot\n  %s\n", heed_err_name(err), now, expected);
    }
    if (!sound) {
        print_error("%s: allocation %llu%s\n", r->op->name, (unsigned long long)n,
                    once ? "" : " and all later");
    }
    if (strcmp(r->before, r->after) != 0) renew(r); // a failed training leaves a version behind
    return sound;
}

static uint64_t meet_all(rig *r, uint64_t calls, uint64_t step) {
    uint64_t wrong = 0;
    for (uint64_t n = 1; n <= calls && wrong < MOST_SHOWN; n += step) wrong += !meet(r, n, true);
    for (uint64_t n = 1 + step / 2; n <= calls && wrong < MOST_SHOWN; n += 5 * step) {
        wrong += !meet(r, n, false);
    }
    return wrong + !meet(r, calls, true);
}

static void each_allocation(const operation *op) {
    rig r;
    uint64_t calls;
    int64_t leaked;
    const char *text = getenv("HEED_ALLOCATIONS");
    bool all = text && strcmp(text, "all") == 0;
    set_up(&r, op);
    if (run_at(&r, 0, true, &calls, &leaked) != HEED_OK) {
        fail_msg("%s: %s", op->name, heed_error_message(HEED_EN));
    }
    look(&r, r.after);
    renew(&r);
    uint64_t sample = text && !all ? strtoull(text, NULL, 10) : SAMPLE;
    uint64_t step = all || calls <= sample || sample == 0 ? 1 : calls / sample;
    uint64_t wrong = meet_all(&r, calls, step);
    print_message("%s: %llu allocations, one in %llu failed\n", op->name, (unsigned long long)calls,
                  (unsigned long long)step);
    assert_int_equal(hd_fs_remove(r.root), HEED_OK);
    assert_int_equal(wrong, 0);
}

static void failing_allocations_are_told(void **state) {
    each_allocation(*state);
}

int main(void) {
    enum { N = sizeof operations / sizeof *operations };
    struct CMUnitTest tests[N];
    if (hd_mem_adopt_libraries() != HEED_OK || setenv("HEED_NOW", "2026-03-01T00:00:00Z", 1)) {
        return 1;
    }
    for (size_t i = 0; i < N; i++) {
        tests[i] = (struct CMUnitTest){.name = operations[i].name,
                                       .test_func = failing_allocations_are_told,
                                       .initial_state = (void *)(uintptr_t)&operations[i]};
    }
    return cmocka_run_group_tests_name("allocations", tests, NULL, NULL);
}
