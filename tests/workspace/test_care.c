// SPDX-License-Identifier: Apache-2.0
//
// What a host looks after by the clock it is told: once a day what is past its time goes, in steps
// between which others write; a restart remembers the day; an erasure that was stopped is finished.
// What was posted is put in order while nobody writes.
#include "shop.h"

#include "privacy/erasures.h"
#include "workspace/auditing.h"
#include "workspace/erase.h"
#include "workspace/host.h"
#include "workspace/ingest.h"

#define NOON INT64_C(1800000000000) // after all of the shop's events
#define HOUR_MS INT64_C(3600000)

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

static hd_host *open_host(const shop *s) {
    hd_host *host = NULL;
    const hd_host_params params = {.folder = s->folder,
                                   .who = "test",
                                   .places = 1,
                                   .max_waiting = 9,
                                   .settings = make_settings};
    must(hd_host_open(&params, &host));
    return host;
}

static void fill(shop *s, const char *yaml) {
    char path[192];
    shop_open(s);
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    must(shop_import(ws, s, 0, 3, NULL));
    heed_workspace_close(ws);
    snprintf(path, sizeof path, "%s/heed.yaml", s->folder);
    must(hd_fs_write(path, yaml, strlen(yaml), 0644));
}

typedef struct state {
    hd_time done;
    hd_door_counts counts;
    hd_erasure_marks marks;
    uint64_t entries; // of the audit log, on retention
    bool by_server;
} state;

static heed_err add_entry(void *ctx, const hd_audit_record *record) {
    state *now = ctx;
    now->entries++;
    now->by_server = hd_slice_eq(record->actor, "server");
    return HEED_OK;
}

static heed_err look(void *ctx, heed_workspace *ws) {
    state *now = ctx;
    hd_audit_filter filter = hd_audit_filter_all();
    filter.what = "retention";
    *now = (state){0};
    HD_TRY(hd_retention_mark_get(ws->door, &now->done));
    HD_TRY(hd_door_count(ws->door, HD_PURPOSE_TRAIN, &now->counts));
    HD_TRY(hd_erasure_marks_get(ws->door, &now->marks));
    return hd_audit_each(ws->audit, &filter, add_entry, now);
}

// Ticks, and waits for what comes of it: behind each step stands what was submitted before it.
static state tick(hd_host *host, hd_time now) {
    state out;
    hd_host_tick(host, now);
    for (int i = 0; i < 30; i++) must(hd_host_do(host, HD_TASK_GROUP, look, &out));
    return out;
}

static heed_err set_back(void *ctx, heed_workspace *ws) {
    const hd_erasure_marks *marks = ctx;
    return hd_erasure_marks_set(ws->door, *marks);
}

static void test_daily(void **state_) {
    (void)state_;
    shop s;
    // u1's events are 115 days old by then, u12's 102.
    fill(&s, "retention: {events: 120}\n");
    hd_host *host = open_host(&s);
    state now = tick(host, NOON);
    int64_t all = now.counts.events;
    assert_true(now.done == NOON && all > 0 && now.entries == 0); // nothing is that old yet
    now = tick(host, NOON + 20 * HOUR_MS);
    assert_true(now.done == NOON); // not yet a day
    now = tick(host, NOON + 10 * 24 * HOUR_MS);
    assert_true(now.done == NOON + 10 * 24 * HOUR_MS);
    assert_true(now.counts.events > 0 && now.counts.events < all && now.entries == 1 &&
                now.by_server);
    hd_host_close(host);

    host = open_host(&s); // the day is remembered
    now = tick(host, NOON + (10 * 24 + 23) * HOUR_MS);
    assert_true(now.done == NOON + 10 * 24 * HOUR_MS);
    now = tick(host, NOON + (10 * 24 + 24) * HOUR_MS);
    assert_true(now.done == NOON + (10 * 24 + 24) * HOUR_MS);
    now = tick(host, NOON); // a clock that was set back
    assert_true(now.done == NOON);
    now = tick(host, NOON + 400 * 24 * HOUR_MS);
    assert_int_equal(now.counts.events, 0);
    hd_host_close(host);
    shop_close(&s);
}

static void test_persons(void **state_) {
    (void)state_;
    shop s;
    fill(&s, "retention: {users: 30}\n");
    hd_host *host = open_host(&s);
    // A record that was imported today is known since today; of the others events alone are known.
    state now = tick(host, hd_time_now() + 29 * 24 * HOUR_MS);
    assert_true(now.counts.users == 3 && now.entries == 1);
    now = tick(host, hd_time_now() + 31 * 24 * HOUR_MS);
    assert_true(now.counts.users == 0 && now.counts.events == 0 && now.entries == 2);
    assert_true(now.marks.rows > 0 && now.marks.finished == now.marks.rows);
    hd_host_close(host);
    shop_close(&s);
}

static void test_everything_is_kept(void **state_) {
    (void)state_;
    shop s;
    fill(&s, "");
    hd_host *host = open_host(&s);
    state now = tick(host, NOON + 4000 * 24 * HOUR_MS);
    assert_true(now.done == HD_TIME_NONE && now.counts.events > 0);
    hd_host_close(host);
    shop_close(&s);
}

static heed_err erase(void *ctx, heed_workspace *ws) {
    json_t *out = NULL;
    HD_TRY(hd_users_erase(ws, ctx, &out));
    json_decref(out);
    return HEED_OK;
}

// As after an erasure whose last steps failed: they are done by the next look.
static void test_erasures_are_finished(void **state_) {
    (void)state_;
    static char u2[] = "u2";
    shop s;
    fill(&s, "");
    hd_host *host = open_host(&s);
    state now = tick(host, NOON);
    must(hd_host_do(host, HD_TASK_ALONE, erase, u2));
    must(hd_host_do(host, HD_TASK_GROUP, look, &now));
    const hd_erasure_marks done = now.marks;
    hd_erasure_marks before = {done.rows, 0};
    assert_true(done.finished > 0);
    must(hd_host_do(host, HD_TASK_GROUP, set_back, &before));
    now = tick(host, NOON + 60000);
    assert_int_equal(now.marks.finished, 0); // looked at a minute ago
    now = tick(host, NOON + 600000);
    assert_int_equal(now.marks.finished, done.finished);
    hd_host_close(host);
    shop_close(&s);
}

static heed_err post_many(void *ctx, heed_workspace *ws) {
    int *posted = ctx;
    json_t *records = json_array(), *result = NULL;
    for (int k = 0; k < 1000; k++) {
        char id[16];
        snprintf(id, sizeof id, "p%d", (*posted)++);
        json_array_append_new(records, json_pack("{s:s, s:s, s:s, s:s}", "event_id", id, "user",
                                                 "u1", "item", "i1", "type", "view"));
    }
    const hd_ingest_params params = {.kind = HD_KIND_EVENTS, .records = records, .pointer = ""};
    heed_err err = hd_ingest(ws, &params, &result);
    json_decref(result);
    json_decref(records);
    return err;
}

static heed_err count_aside(void *ctx, heed_workspace *ws) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(ws->store, "SELECT count(*) FROM events_recent", &q));
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK) *(int64_t *)ctx = hd_query_i64(q, 0);
    hd_query_close(q);
    return err;
}

// What was posted stands aside until nobody writes; then most of it goes to its place, slice by
// slice, and what stays is known.
static void test_tidies(void **state_) {
    (void)state_;
    shop s;
    state now;
    int posted = 0;
    int64_t aside = -1;
    fill(&s, "");
    hd_host *host = open_host(&s);
    must(hd_host_do(host, HD_TASK_GROUP, look, &now));
    int64_t before = now.counts.events;
    for (int i = 0; i < 5; i++) must(hd_host_do(host, HD_TASK_GROUP, post_many, &posted));
    // Between two questions a slice may be moved, or none yet; each that is asked comes first.
    for (int i = 0; i < 100000 && (aside < 0 || aside >= 2048); i++)
        must(hd_host_do(host, HD_TASK_GROUP, count_aside, &aside));
    assert_in_range(aside, 1, 2047);
    posted -= 500;
    must(hd_host_do(host, HD_TASK_GROUP, post_many, &posted)); // a half of them came before
    must(hd_host_do(host, HD_TASK_GROUP, look, &now));
    assert_int_equal(now.counts.events, before + 5500);
    hd_host_close(host);
    shop_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_daily),
        cmocka_unit_test(test_persons),
        cmocka_unit_test(test_everything_is_kept),
        cmocka_unit_test(test_erasures_are_finished),
        cmocka_unit_test(test_tidies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
