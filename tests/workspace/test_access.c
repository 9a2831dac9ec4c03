// SPDX-License-Identifier: Apache-2.0
//
// API keys of a workspace: made under the workspace's own keys, shown once, checked by a guard.
#include "workspace/access.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "access/guard.h"
#include "base/mem.h"
#include "workspace/auditing.h"

typedef struct bench {
    char root[64], folder[80];
    heed_workspace *ws;
} bench;

static void must(heed_err err) {
    if (err != HEED_OK) fail_msg("%s", heed_error_message(HEED_EN));
}

static heed_workspace *open_shop(const bench *b, heed_mode mode) {
    heed_workspace *ws = NULL;
    must(heed_workspace_open(b->folder, mode, &ws));
    return ws;
}

static int setup(void **state) {
    bench *b = test_calloc(1, sizeof *b);
    snprintf(b->root, sizeof b->root, "%s/heed-keys-XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    assert_non_null(mkdtemp(b->root));
    snprintf(b->folder, sizeof b->folder, "%s/shop", b->root);
    must(heed_workspace_init(b->folder, HEED_EN));
    b->ws = open_shop(b, HEED_WRITE);
    *state = b;
    return 0;
}

static int teardown(void **state) {
    bench *b = *state;
    heed_workspace_close(b->ws);
    must(hd_fs_remove(b->root));
    test_free(b);
    return 0;
}

static const hd_key_params reader = {
    .name = "reader", .scopes = HD_ACCESS_READ, .expires = HD_TIME_NONE};

static hd_verdict try_key(heed_workspace *ws, const char *text, unsigned scope) {
    uint8_t secret[HD_API_SECRET];
    hd_guard *guard;
    hd_pass pass;
    static const hd_limits none;
    must(hd_keyring_secret(ws->keyring, "api", secret));
    must(hd_guard_open(ws->store, secret, 0, hd_time_now(), &guard));
    const hd_visit visit = {
        .key = hd_slice_of(text), .scope = scope, .now = hd_time_now(), .now_ms = 0};
    hd_verdict verdict = hd_guard_enter(guard, &none, &visit, &pass);
    hd_guard_close(guard);
    return verdict;
}

static void a_key_works_until_it_is_revoked(void **state) {
    bench *b = *state;
    hd_made_key made;
    must(hd_workspace_key_make(b->ws, &reader, &made));
    assert_int_equal(try_key(b->ws, made.text, HD_ACCESS_READ), HD_VERDICT_IN);
    assert_int_equal(try_key(b->ws, made.text, HD_ACCESS_WRITE), HD_VERDICT_SCOPE);
    // Another opening of the workspace knows it as well.
    heed_workspace *other = open_shop(b, HEED_READ);
    assert_int_equal(try_key(other, made.text, HD_ACCESS_READ), HD_VERDICT_IN);
    heed_workspace_close(other);
    must(hd_workspace_key_revoke(b->ws, made.id));
    assert_int_equal(try_key(b->ws, made.text, HD_ACCESS_READ), HD_VERDICT_REVOKED);
    assert_int_equal(hd_workspace_key_revoke(b->ws, "aaaaaaaa"), HEED_NOT_FOUND);
    hd_made_key_clear(&made);
    static const hd_made_key blank;
    assert_memory_equal(&made, &blank, sizeof made);
}

static void a_key_of_one_workspace_opens_no_other(void **state) {
    bench *b = *state;
    hd_made_key made;
    char folder[96];
    heed_workspace *other = NULL;
    snprintf(folder, sizeof folder, "%s/other", b->root);
    must(hd_workspace_key_make(b->ws, &reader, &made));
    must(heed_workspace_init(folder, HEED_EN));
    must(heed_workspace_open(folder, HEED_WRITE, &other));
    assert_int_equal(try_key(other, made.text, HD_ACCESS_READ), HD_VERDICT_WRONG_KEY);
    heed_workspace_close(other);
}

static void without_the_workspace_keys_none_is_made(void **state) {
    bench *b = *state;
    hd_made_key made;
    heed_workspace *reading = open_shop(b, HEED_READ);
    assert_int_equal(hd_workspace_key_make(reading, &reader, &made), HEED_USAGE);
    assert_int_equal(hd_workspace_key_revoke(reading, "aaaaaaaa"), HEED_USAGE);
    heed_workspace_close(reading);
    hd_keyring *keyring = b->ws->keyring;
    b->ws->keyring = NULL; // as where they are kept apart
    assert_int_equal(hd_workspace_key_make(b->ws, &reader, &made), HEED_UNAVAILABLE);
    b->ws->keyring = keyring;
    hd_key_params nameless = reader;
    nameless.name = "";
    assert_int_equal(hd_workspace_key_make(b->ws, &nameless, &made), HEED_USAGE);
    json_t *keys = NULL;
    must(hd_workspace_keys(b->ws, &keys));
    assert_int_equal(json_array_size(json_object_get(keys, "keys")), 0);
    json_decref(keys);
}

// Only ever once: revoking it is a decision that a restart doesn't undo.
static void the_first_start_makes_a_key_with_all_scopes(void **state) {
    bench *b = *state;
    hd_made_key made, none;
    bool was_made = false;
    must(hd_access_first(b->ws, &made, &was_made));
    assert_true(was_made);
    assert_int_equal(try_key(b->ws, made.text, HD_ACCESS_ALL), HD_VERDICT_IN);
    must(hd_access_first(b->ws, &none, &was_made));
    assert_false(was_made);
    must(hd_workspace_key_revoke(b->ws, made.id));
    must(hd_access_first(b->ws, &none, &was_made));
    assert_false(was_made);
}

static void json_has_all_but_the_text(void **state) {
    bench *b = *state;
    hd_made_key made;
    hd_key_params params = {.name = "网站", .scopes = HD_ACCESS_READ | HD_ACCESS_WRITE};
    params.expires = hd_time_now() + HD_DAY_MS;
    params.quota.events = 7;
    params.rate.per_second = 2.5;
    must(hd_workspace_key_make(b->ws, &params, &made));
    json_t *key = NULL;
    must(hd_workspace_key_json(b->ws, made.id, &key));
    assert_string_equal(json_string_value(json_object_get(key, "id")), made.id);
    assert_string_equal(json_string_value(json_object_get(key, "name")), "网站");
    assert_string_equal(json_string_value(json_object_get(key, "state")), "active");
    json_t *scopes = json_object_get(key, "scopes");
    assert_int_equal(json_array_size(scopes), 2);
    assert_string_equal(json_string_value(json_array_get(scopes, 1)), "write");
    assert_true(json_is_string(json_object_get(key, "expires")));
    assert_true(json_is_null(json_object_get(key, "revoked")));
    assert_true(json_is_null(json_object_get(key, "last_used")));
    assert_true(json_is_null(json_object_get(key, "quota_requests")));
    assert_int_equal(json_integer_value(json_object_get(key, "quota_events")), 7);
    assert_float_equal(json_number_value(json_object_get(key, "rate")), 2.5, 0);
    assert_null(json_object_get(key, "key"));
    assert_null(json_object_get(key, "hash"));
    json_decref(key);
}

static void usage_is_told_by_day_with_its_sums(void **state) {
    bench *b = *state;
    hd_usage *usage = NULL;
    hd_meter *meter = NULL;
    hd_time now = hd_time_now();
    must(hd_usage_new(&usage));
    must(hd_usage_meter(usage, "abcdefgh", &meter));
    hd_meter_add(meter, now, (hd_count){2, 30, 400, 5});
    hd_meter_add(meter, now - HD_DAY_MS, (hd_count){1, 1, 1, 1});
    must(hd_usage_meter(usage, "", &meter));
    hd_meter_add(meter, now, (hd_count){.refused = 4});
    must(hd_usage_flush(usage, b->ws->store));
    hd_usage_free(usage);
    json_t *told = NULL;
    must(hd_workspace_usage(b->ws, HD_TIME_NONE, NULL, &told));
    json_t *rows = json_object_get(told, "usage"), *total = json_object_get(told, "total");
    assert_int_equal(json_array_size(rows), 3);
    assert_true(json_is_null(json_object_get(json_array_get(rows, 1), "key")));
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 2), "key")),
                        "abcdefgh");
    assert_int_equal(strlen(json_string_value(json_object_get(json_array_get(rows, 0), "day"))),
                     10);
    assert_int_equal(json_integer_value(json_object_get(total, "requests")), 3);
    assert_int_equal(json_integer_value(json_object_get(total, "events")), 31);
    assert_int_equal(json_integer_value(json_object_get(total, "tokens")), 401);
    assert_int_equal(json_integer_value(json_object_get(total, "refused")), 10);
    json_decref(told);
}

// Making and revoking are recorded by the key's id, what was refused isn't.
static void changes_are_recorded(void **state) {
    bench *b = *state;
    hd_made_key made;
    json_t *log = NULL;
    must(hd_workspace_key_make(b->ws, &reader, &made));
    must(hd_workspace_key_revoke(b->ws, made.id));
    assert_int_equal(hd_workspace_key_revoke(b->ws, "aaaaaaaa"), HEED_NOT_FOUND);
    hd_audit_query query = {.since = HD_TIME_NONE, .until = HD_TIME_NONE, .limit = 10};
    static const char *const whats[] = {"api_key_new", "api_key_revoke"};
    for (int i = 0; i < 2; i++) {
        query.what = whats[i];
        must(hd_audit_list(b->ws, &query, &log));
        json_t *entries = json_object_get(log, "entries");
        assert_int_equal(json_array_size(entries), 1);
        char *text = json_dumps(entries, 0);
        assert_non_null(text);
        assert_non_null(strstr(text, made.id));
        assert_null(strstr(text, made.text + 14)); // the secret
        hd_free(text);
        json_decref(log);
    }
}

// ── Memory ──

static heed_err all_of_it(heed_workspace *ws) {
    hd_made_key made;
    json_t *keys = NULL, *key = NULL, *usage = NULL;
    heed_err err;
    HD_TRY_OUT(hd_workspace_key_make(ws, &reader, &made));
    HD_TRY_OUT(hd_workspace_key_json(ws, made.id, &key));
    HD_TRY_OUT(hd_workspace_key_revoke(ws, made.id));
    HD_TRY_OUT(hd_workspace_keys(ws, &keys));
    HD_TRY_OUT(hd_workspace_usage(ws, HD_TIME_NONE, NULL, &usage));
out:
    json_decref(key);
    json_decref(keys);
    json_decref(usage);
    return err;
}

static void each_failing_allocation_is_survived(void **state) {
    bench *b = *state;
    for (uint64_t n = 1;; n++) {
        assert_true(n < 5000);
        must(hd_store_exec(b->ws->store, "DELETE FROM api_keys"));
        (void)hd_mem_calls();
        hd_mem_fail_at(n, true);
        heed_err err = all_of_it(b->ws);
        hd_mem_fail_at(0, false);
        if (err != HEED_OK) assert_int_equal(err, HEED_MEMORY);
        if (hd_mem_calls() < n) break;
    }
    must(all_of_it(b->ws));
}

#define BENCH_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    assert_int_equal(hd_mem_adopt_libraries(), HEED_OK);
    const struct CMUnitTest tests[] = {
        BENCH_TEST(a_key_works_until_it_is_revoked),
        BENCH_TEST(a_key_of_one_workspace_opens_no_other),
        BENCH_TEST(without_the_workspace_keys_none_is_made),
        BENCH_TEST(the_first_start_makes_a_key_with_all_scopes),
        BENCH_TEST(json_has_all_but_the_text),
        BENCH_TEST(usage_is_told_by_day_with_its_sums),
        BENCH_TEST(changes_are_recorded),
        BENCH_TEST(each_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("workspace_access", tests, NULL, NULL);
}
