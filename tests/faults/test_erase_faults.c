// SPDX-License-Identifier: Apache-2.0
//
// Faults while persons are erased. After each, a person is there as they were, or, once the
// workspace was opened to write again, gone from every file; whoever was acknowledged as erased is
// gone; others are whole. Fields stand unsealed here, so that what is left can be looked for.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "drive.h"
#include "shop.h"

enum { ERASED = 3 }; // u1, u2, u3: each wrote "It is number <n>" and nobody else did

static heed_err prepare(const char *dir) {
    char path[SHOP_PATH];
    heed_workspace *ws = NULL;
    HD_TRY(shop_write_files(dir));
    shop_path(path, dir, "shop");
    HD_TRY(heed_workspace_init(path, HEED_EN));
    HD_TRY(shop_open(dir, HEED_WRITE, &ws));
    heed_err err = shop_import(ws, dir,
                               (const char *[]){"events.jsonl", "items.csv", "users.csv",
                                                "reviews.csv", "tickets.jsonl", NULL});
    if (err == HEED_OK) err = heed_users_merge(ws, "u11", "u2"); // two ids of one person
    if (err == HEED_OK) err = shop_train(ws, 1);
    heed_workspace_close(ws);
    return err;
}

static heed_err erase(heed_workspace *ws, int user) {
    char id[16], *receipt = NULL;
    snprintf(id, sizeof id, "u%d", user);
    HD_TRY(heed_users_erase(ws, id, &receipt));
    heed_text_free(receipt);
    return HEED_OK;
}

static heed_err run(const char *dir, tally *t) {
    heed_workspace *ws = NULL;
    HD_TRY(shop_open(dir, HEED_WRITE, &ws));
    heed_err err = HEED_OK;
    for (int u = 1; u <= ERASED && err == HEED_OK; u++) {
        err = erase(ws, u);
        if (err == HEED_OK) t->acked = u;
    }
    heed_workspace_close(ws);
    return err;
}

// ── Looking ──

static bool in_file(const char *dir, const char *name, const char *text) {
    char path[SHOP_PATH];
    hd_str data = {0};
    bool found = false;
    shop_path(path, dir, name);
    if (!hd_fs_exists(path) || hd_fs_read(path, 0, &data) != HEED_OK) return false;
    for (size_t at = 0; at + strlen(text) <= data.len && !found; at++)
        found = memcmp(data.data + at, text, strlen(text)) == 0;
    hd_str_clear(&data);
    return found;
}

static bool anywhere(const char *dir, int user) {
    char text[32];
    snprintf(text, sizeof text, "It is number %d", user);
    return in_file(dir, "shop/heed.db", text) || in_file(dir, "shop/heed.db-wal", text) ||
           in_file(dir, "shop/heed.db-journal", text);
}

// 1 as they were, 0 gone, -1 neither.
static int stands(heed_workspace *ws, int user) {
    char id[16], *json = NULL;
    snprintf(id, sizeof id, "u%d", user);
    heed_err err = heed_users_show(ws, id, &json);
    if (err == HEED_NOT_FOUND) return 0;
    if (err != HEED_OK) return -1;
    // 150 events of 12 users: 13 of the first six, 12 of the others; u2 is u11 too.
    const char *events = user == 2 ? "\"events\": 25" : "\"events\": 13";
    bool whole = strstr(json, events) != NULL && strstr(json, "\"reviews\": 1") != NULL;
    heed_text_free(json);
    return whole ? 1 : -1;
}

static bool look(heed_workspace *ws, const char *dir, const tally *t, char *why, size_t size) {
    for (int u = 1; u <= ERASED + 1; u++) {
        int now = stands(ws, u);
        if (now < 0) return drive_wrong(why, size, "u%d is neither whole nor gone", u);
        if (now == 1 && u <= t->acked) return drive_wrong(why, size, "u%d is back", u);
        if (now == 0 && u > t->acked + 1) return drive_wrong(why, size, "u%d is gone", u);
        if (now == 0 && anywhere(dir, u)) return drive_wrong(why, size, "traces of u%d", u);
    }
    return true;
}

static bool verify(const char *dir, const tally *t, char *why, size_t size) {
    heed_workspace *ws = NULL;
    heed_err err = shop_open(dir, HEED_READ, &ws);
    heed_workspace_close(ws);
    ws = NULL;
    if (err != HEED_OK && err != HEED_UNAVAILABLE) return drive_failed(why, size, "reading");
    if (shop_open(dir, HEED_WRITE, &ws) != HEED_OK) return drive_failed(why, size, "opening");
    bool good = look(ws, dir, t, why, size);
    for (int u = 1; good && u <= ERASED; u++) {
        err = stands(ws, u) == 1 ? erase(ws, u) : HEED_OK;
        if (err != HEED_OK) good = drive_failed(why, size, "can't be gone on with");
    }
    const tally all = {.acked = ERASED};
    good = good && look(ws, dir, &all, why, size);
    if (good && shop_train(ws, 2) != HEED_OK) good = drive_failed(why, size, "training");
    heed_workspace_close(ws);
    return good;
}

static void erasing_comes_through(void **state) {
    (void)state;
    const workload w = {"erase", prepare, run, verify, 2 * API_SAMPLE};
    drive_all(&w);
}

int main(void) {
    if (hd_mem_adopt_libraries() != HEED_OK || setenv("HEED_NOW", "2026-03-01T00:00:00Z", 1) ||
        setenv("HEED_PRIVACY_ENCRYPT", "off", 1)) {
        return 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(erasing_comes_through)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
