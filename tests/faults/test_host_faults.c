// SPDX-License-Identifier: Apache-2.0
//
// Faults under a workspace that a server keeps open: many small posts, written in groups by one
// thread. What was acknowledged is there after the restart, a post is there whole or not at all,
// the audit log verifies, and posting goes on.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "drive.h"
#include "privacy/audit.h"
#include "privacy/own.h"
#include "shop.h"
#include "workspace/host.h"
#include "workspace/ingest.h"

enum { POSTS = 24, EVENTS = 3 };

typedef struct post {
    hd_task task;
    int number;
    tally *t;
} post;

static hd_settings *make_settings(void *ctx, const char *folder) {
    (void)ctx;
    (void)folder;
    hd_settings *settings = NULL;
    if (hd_settings_new(hd_settings_rows, hd_settings_n_rows, &settings) != HEED_OK) return NULL;
    if (hd_settings_set_flag(settings, "threads", "1") == HEED_OK &&
        hd_settings_set_flag(settings, "store.cache", "1MB") == HEED_OK)
        return settings;
    hd_settings_free(settings);
    return NULL;
}

static heed_err open_host(const char *dir, hd_host **out) {
    static char folder[SHOP_PATH];
    shop_path(folder, dir, "shop");
    const hd_host_params params = {.folder = folder,
                                   .who = "test",
                                   .places = 1,
                                   .max_waiting = POSTS,
                                   .settings = make_settings};
    return hd_host_open(&params, out);
}

static heed_err post_run(hd_task *task, heed_workspace *ws) {
    const post *p = (const post *)task;
    json_t *records = json_array();
    json_t *result = NULL;
    heed_err err = records ? HEED_OK : HD_FAIL_MEMORY(0);
    for (int k = 0; err == HEED_OK && k < EVENTS; k++) {
        char id[32], user[32];
        json_t *record = NULL;
        snprintf(id, sizeof id, "p%d-%d", p->number, k);
        snprintf(user, sizeof user, "u%d", p->number);
        err = hd_json_pack(&record, "{s:s, s:s, s:s, s:s}", "event_id", id, "user", user, "item",
                           "i1", "type", "view");
        if (err == HEED_OK) err = hd_json_append(records, record);
    }
    const hd_ingest_params params = {.kind = HD_KIND_EVENTS, .records = records, .pointer = ""};
    if (err == HEED_OK) err = hd_ingest(ws, &params, &result);
    // As when many have come together: what came lately is moved, all or a slice.
    if (err == HEED_OK && p->number % 5 == 4) err = hd_recent_settle(ws->door);
    if (err == HEED_OK && p->number % 5 == 2) err = hd_recent_slice(ws->door, 2 * EVENTS);
    json_decref(result);
    json_decref(records);
    return err;
}

static void post_done(hd_task *task, heed_err err) {
    post *p = (post *)task;
    if (err == HEED_OK) {
        p->t->more[0] |= (int64_t)1 << p->number;
        p->t->acked++;
    } else if (p->t->more[1] == HEED_OK) {
        p->t->more[1] = err;
        snprintf(p->t->message, sizeof p->t->message, "%s", heed_error_message(HEED_EN));
    }
}

static heed_err post_all(const char *dir, tally *t) {
    static post posts[POSTS];
    hd_host *host = NULL;
    HD_TRY(open_host(dir, &host));
    heed_err err = HEED_OK;
    for (int i = 0; err == HEED_OK && i < POSTS; i++) {
        posts[i] = (post){.task = {.kind = HD_TASK_GROUP, .run = post_run, .done = post_done},
                          .number = i,
                          .t = t};
        err = hd_host_submit(host, &posts[i].task);
    }
    hd_host_close(host); // runs what waits
    if (err == HEED_OK && t->more[1] != HEED_OK)
        err = HD_FAIL((heed_err)t->more[1], "%s", "%s", t->message);
    return err;
}

static heed_err prepare(const char *dir) {
    char path[SHOP_PATH];
    shop_path(path, dir, "shop");
    return heed_workspace_init(path, HEED_EN);
}

// How many events a user has; 0: none, or nobody.
static heed_err count_events(heed_workspace *ws, int number, size_t *n) {
    char user[32];
    int64_t key;
    hd_door_event *events;
    hd_arena arena;
    *n = 0;
    snprintf(user, sizeof user, "u%d", number);
    heed_err err = hd_door_user_find(ws->door, HD_PURPOSE_RIGHTS, hd_slice_of(user), &key);
    if (err == HEED_NOT_FOUND) return HEED_OK;
    HD_TRY(err);
    hd_arena_init(&arena);
    err = hd_door_events(ws->door, HD_PURPOSE_RIGHTS, key, 0, &arena, &events, n);
    hd_arena_clear(&arena);
    return err;
}

static bool posts_whole(heed_workspace *ws, const tally *t, char *why, size_t size) {
    for (int i = 0; i < POSTS; i++) {
        size_t n;
        if (count_events(ws, i, &n) != HEED_OK) return drive_failed(why, size, "reading");
        bool acked = (t->more[0] >> i) & 1;
        if (n != 0 && n != EVENTS) return drive_wrong(why, size, "post %d: %zu events", i, n);
        if (acked && n == 0)
            return drive_wrong(why, size, "post %d was acknowledged and is gone", i);
    }
    return true;
}

static bool log_sound(heed_workspace *ws, char *why, size_t size) {
    hd_audit_report *report = hd_alloc(sizeof *report);
    if (!report || hd_audit_verify(ws->audit, report) != HEED_OK) {
        hd_free(report);
        return drive_failed(why, size, "the audit log can't be verified");
    }
    bool sound = report->sound;
    if (!sound) drive_wrong(why, size, "audit log: %s", report->faults[0].text[HEED_EN]);
    hd_free(report);
    return sound;
}

static bool verify(const char *dir, const tally *t, char *why, size_t size) {
    heed_workspace *ws = NULL;
    tally again = {0};
    if (shop_open(dir, HEED_WRITE, &ws) != HEED_OK) return drive_failed(why, size, "opening");
    bool good = posts_whole(ws, t, why, size) && log_sound(ws, why, size);
    heed_workspace_close(ws);
    if (!good) return false;
    if (post_all(dir, &again) != HEED_OK) return drive_failed(why, size, "posting again");
    if (again.acked != POSTS)
        return drive_wrong(why, size, "%lld posted again", (long long)again.acked);
    if (shop_open(dir, HEED_READ, &ws) != HEED_OK) return drive_failed(why, size, "opening again");
    good = posts_whole(ws, &again, why, size);
    heed_workspace_close(ws);
    return good;
}

static void posts_survive(void **state) {
    (void)state;
    const workload w = {.name = "posting in groups",
                        .prepare = prepare,
                        .run = post_all,
                        .verify = verify,
                        .sample = API_SAMPLE};
    drive_all(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(posts_survive)};
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
