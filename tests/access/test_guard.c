// SPDX-License-Identifier: Apache-2.0
//
// The guard: who is let in, who isn't and why, and what is counted of it.
#include "access_test.h"

#include <pthread.h>
#include <stdatomic.h>

static const hd_limits no_limits;

static hd_guard *open_guard(bench *b) {
    hd_guard *guard;
    assert_ok(hd_guard_open(b->store, api_secret, 0, noon, &guard));
    return guard;
}

static hd_visit visit_of(const char *text, unsigned scope) {
    return (hd_visit){.key = hd_slice_of(text),
                      .address = "192.0.2.7",
                      .scope = scope,
                      .now = noon,
                      .now_ms = 1000};
}

static hd_verdict enter(hd_guard *guard, const char *text, unsigned scope, hd_pass *pass) {
    hd_visit visit = visit_of(text, scope);
    return hd_guard_enter(guard, &no_limits, &visit, pass);
}

// The key with one character of its secret changed.
static made forged(const made *m) {
    made f = *m;
    f.text[20] = f.text[20] == 'a' ? 'b' : 'a';
    return f;
}

static void genuine_keys_are_let_in(void **state) {
    bench *b = *state;
    made m = make_key(b, HD_ACCESS_READ | HD_ACCESS_WRITE), other = make_key(b, HD_ACCESS_READ);
    hd_guard *guard = open_guard(b);
    hd_pass pass;
    assert_int_equal(enter(guard, m.text, HD_ACCESS_WRITE, &pass), HD_VERDICT_IN);
    assert_string_equal(pass.id, m.id);
    assert_int_equal(pass.scopes, HD_ACCESS_READ | HD_ACCESS_WRITE);
    assert_int_equal(hd_meter_today(pass.meter, noon).requests, 1);
    assert_int_equal(enter(guard, other.text, HD_ACCESS_READ, &pass), HD_VERDICT_IN);
    assert_string_equal(pass.id, other.id);
    assert_true(hd_guard_knows(guard, hd_slice_of(m.text)));
    hd_guard_close(guard);
    hd_guard_close(NULL);
}

static void nobody_else_is(void **state) {
    bench *b = *state;
    made m = make_key(b, HD_ACCESS_ALL), other = make_key(b, HD_ACCESS_ALL);
    made wrong = forged(&m), swapped = m;
    memcpy(swapped.text + 5, other.id, HD_KEY_ID); // another's id with this one's secret
    hd_guard *guard = open_guard(b);
    hd_pass pass;
    assert_int_equal(enter(guard, NULL, HD_ACCESS_READ, &pass), HD_VERDICT_NO_KEY);
    assert_int_equal(enter(guard, "", HD_ACCESS_READ, &pass), HD_VERDICT_WRONG_KEY);
    assert_int_equal(enter(guard, "heed_", HD_ACCESS_READ, &pass), HD_VERDICT_WRONG_KEY);
    assert_int_equal(enter(guard, wrong.text, HD_ACCESS_READ, &pass), HD_VERDICT_WRONG_KEY);
    assert_string_equal(pass.id, "");
    assert_int_equal(pass.scopes, 0);
    assert_int_equal(enter(guard, swapped.text, HD_ACCESS_READ, &pass), HD_VERDICT_WRONG_KEY);
    assert_int_equal(hd_meter_today(pass.meter, noon).refused, 5);
    assert_true(hd_guard_knows(guard, hd_slice_of(wrong.text))); // the id alone
    swapped.text[5] = swapped.text[5] == 'a' ? 'b' : 'a';
    assert_false(hd_guard_knows(guard, hd_slice_of(swapped.text)));
    assert_false(hd_guard_knows(guard, hd_slice_of("heed_")));
    hd_guard_close(guard);
}

static void scopes_hold(void **state) {
    bench *b = *state;
    hd_pass pass;
    for (unsigned scopes = 1; scopes <= HD_ACCESS_ALL; scopes++) {
        made m = make_key(b, scopes);
        hd_guard *guard = open_guard(b);
        for (unsigned needed = 0; needed <= HD_ACCESS_ALL; needed++) {
            bool may = (needed & ~scopes) == 0;
            assert_int_equal(enter(guard, m.text, needed, &pass),
                             may ? HD_VERDICT_IN : HD_VERDICT_SCOPE);
            assert_string_equal(pass.id, m.id);
        }
        hd_guard_close(guard);
    }
}

static void revoked_and_expired_keys_are_out(void **state) {
    bench *b = *state;
    made m = make_key(b, HD_ACCESS_READ);
    hd_key_params params = key_params(HD_ACCESS_READ);
    params.expires = noon + 1;
    made short_lived = make(b, &params);
    hd_guard *guard = open_guard(b);
    hd_pass pass;
    hd_visit visit = visit_of(short_lived.text, HD_ACCESS_READ);
    assert_int_equal(hd_guard_enter(guard, &no_limits, &visit, &pass), HD_VERDICT_IN);
    visit.now = noon + 1;
    assert_int_equal(hd_guard_enter(guard, &no_limits, &visit, &pass), HD_VERDICT_EXPIRED);
    assert_string_equal(pass.id, short_lived.id);
    assert_int_equal(pass.scopes, 0);
    // Revoked: out from the next reload on, in a guard opened later too.
    assert_ok(hd_access_revoke(b->store, m.id, noon));
    assert_int_equal(enter(guard, m.text, HD_ACCESS_READ, &pass), HD_VERDICT_IN);
    assert_ok(hd_guard_reload(guard, b->store));
    assert_int_equal(enter(guard, m.text, HD_ACCESS_READ, &pass), HD_VERDICT_REVOKED);
    assert_int_equal(hd_meter_today(pass.meter, noon).requests, 1); // counted on over the reload
    hd_guard_close(guard);
    guard = open_guard(b);
    assert_int_equal(enter(guard, m.text, HD_ACCESS_READ, &pass), HD_VERDICT_REVOKED);
    // Who has no such key isn't told that it was revoked.
    made wrong = forged(&m);
    assert_int_equal(enter(guard, wrong.text, HD_ACCESS_READ, &pass), HD_VERDICT_WRONG_KEY);
    hd_guard_close(guard);
}

// Edited rows open nothing: more scopes, a later expiry, another row's hash.
static void edited_rows_let_nobody_in(void **state) {
    static const char *const edits[] = {
        "UPDATE api_keys SET scopes = 15",
        "UPDATE api_keys SET expires = NULL",
        "UPDATE api_keys SET expires = expires + 1",
        "UPDATE api_keys SET hash = zeroblob(32)",
    };
    bench *b = *state;
    hd_key_params params = key_params(HD_ACCESS_READ);
    params.expires = noon + 5;
    made m = make(b, &params);
    hd_pass pass;
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        assert_ok(hd_store_begin(b->store));
        assert_ok(hd_store_exec(b->store, edits[i]));
        hd_guard *guard = open_guard(b);
        assert_int_equal(enter(guard, m.text, HD_ACCESS_READ, &pass), HD_VERDICT_WRONG_KEY);
        hd_guard_close(guard);
        hd_store_rollback(b->store);
    }
    hd_guard *guard = open_guard(b);
    assert_int_equal(enter(guard, m.text, HD_ACCESS_READ, &pass), HD_VERDICT_IN);
    hd_guard_close(guard);
    // Another workspace's secret opens nothing either.
    static const uint8_t other_secret[HD_API_SECRET] = {1};
    assert_ok(hd_guard_open(b->store, other_secret, 0, noon, &guard));
    assert_int_equal(enter(guard, m.text, HD_ACCESS_READ, &pass), HD_VERDICT_WRONG_KEY);
    hd_guard_close(guard);
    // A row that isn't one is damage, and said so; a guard that stands goes on with what it has.
    guard = open_guard(b);
    assert_ok(hd_store_exec(b->store, "UPDATE api_keys SET hash = zeroblob(31)"));
    assert_fails(HEED_CORRUPT, hd_guard_reload(guard, b->store));
    assert_int_equal(enter(guard, m.text, HD_ACCESS_READ, &pass), HD_VERDICT_IN);
    hd_guard_close(guard);
}

static void quotas_and_rates_hold(void **state) {
    bench *b = *state;
    hd_key_params params = key_params(HD_ACCESS_READ | HD_ACCESS_WRITE);
    params.quota = (hd_quota){.requests = 3, .events = 10};
    made counted = make(b, &params), posting = make(b, &params);
    params.quota = (hd_quota){0};
    params.rate = (hd_rate){1, 2};
    made slow = make(b, &params), plain = make_key(b, HD_ACCESS_READ);
    hd_limits limits = {.key = {5, 4}};
    assert_ok(hd_limiter_new(100, &limits.keys));
    hd_guard *guard = open_guard(b);
    hd_pass pass;
    hd_visit visit = visit_of(counted.text, HD_ACCESS_READ);
    for (int i = 0; i < 3; i++)
        assert_int_equal(hd_guard_enter(guard, &limits, &visit, &pass), HD_VERDICT_IN);
    assert_true(hd_guard_take(&pass, noon, 10, 0));
    assert_false(hd_guard_take(&pass, noon, 1, 0));
    assert_string_equal(pass.what, "events");
    hd_guard_spend(&pass, noon, 5, 7);
    assert_int_equal(hd_guard_enter(guard, &limits, &visit, &pass), HD_VERDICT_QUOTA);
    assert_string_equal(pass.what, "requests");
    assert_int_equal(pass.retry_ms, HD_DAY_MS / 2);
    hd_count today = hd_meter_today(pass.meter, noon);
    assert_int_equal(today.requests, 3);
    assert_int_equal(today.events, 15);
    assert_int_equal(today.tokens, 7);
    assert_int_equal(today.refused, 2);
    // What it will spend at least is asked for, and not counted.
    visit = visit_of(posting.text, HD_ACCESS_READ);
    visit.wants.events = 7;
    assert_int_equal(hd_guard_enter(guard, &limits, &visit, &pass), HD_VERDICT_IN);
    hd_guard_spend(&pass, noon, 7, 0);
    assert_int_equal(hd_guard_enter(guard, &limits, &visit, &pass), HD_VERDICT_QUOTA);
    assert_string_equal(pass.what, "events");
    visit.wants.events = 0;
    assert_int_equal(hd_guard_enter(guard, &limits, &visit, &pass), HD_VERDICT_IN);
    today = hd_meter_today(pass.meter, noon);
    assert_int_equal(today.requests, 2);
    assert_int_equal(today.events, 7);
    assert_int_equal(today.refused, 1);
    // The key's own rate, and the server's for keys without.
    visit = visit_of(slow.text, HD_ACCESS_READ);
    for (int i = 0; i < 2; i++)
        assert_int_equal(hd_guard_enter(guard, &limits, &visit, &pass), HD_VERDICT_IN);
    assert_int_equal(hd_guard_enter(guard, &limits, &visit, &pass), HD_VERDICT_RATE);
    assert_int_equal(pass.retry_ms, 1000);
    assert_int_equal(hd_meter_today(pass.meter, noon).refused, 1);
    visit = visit_of(plain.text, HD_ACCESS_READ);
    visit.cost = 4;
    assert_int_equal(hd_guard_enter(guard, &limits, &visit, &pass), HD_VERDICT_IN);
    assert_int_equal(hd_guard_enter(guard, &limits, &visit, &pass), HD_VERDICT_RATE);
    assert_int_equal(pass.retry_ms, 800);
    hd_guard_close(guard);
    hd_limiter_free(limits.keys);
}

static void addresses_have_a_rate(void **state) {
    bench *b = *state;
    made m = make_key(b, HD_ACCESS_READ);
    hd_limits limits = {.address = {10, 3}};
    assert_ok(hd_limiter_new(100, &limits.addresses));
    hd_guard *guard = open_guard(b);
    hd_pass pass;
    hd_visit visit = visit_of(m.text, HD_ACCESS_READ);
    for (int i = 0; i < 3; i++)
        assert_int_equal(hd_guard_enter(guard, &limits, &visit, &pass), HD_VERDICT_IN);
    assert_int_equal(hd_guard_enter(guard, &limits, &visit, &pass), HD_VERDICT_RATE);
    assert_int_equal(pass.retry_ms, 100);
    visit.address = "192.0.2.8";
    assert_int_equal(hd_guard_enter(guard, &limits, &visit, &pass), HD_VERDICT_IN);
    hd_guard_close(guard);
    hd_limiter_free(limits.addresses);
}

static void guessing_is_slowed_down(void **state) {
    bench *b = *state;
    made m = make_key(b, HD_ACCESS_READ), wrong = forged(&m);
    hd_limits limits = {.failure = {10.0 / 60, 10}};
    assert_ok(hd_limiter_new(100, &limits.failures));
    hd_guard *guard = open_guard(b);
    hd_pass pass;
    hd_visit bad = visit_of(wrong.text, HD_ACCESS_READ), good = visit_of(m.text, HD_ACCESS_READ);
    hd_visit none = visit_of(NULL, HD_ACCESS_READ);
    for (int i = 0; i < 10; i++)
        assert_int_equal(hd_guard_enter(guard, &limits, &bad, &pass), HD_VERDICT_WRONG_KEY);
    for (int i = 0; i < 100; i++)
        assert_int_equal(hd_guard_enter(guard, &limits, &bad, &pass), HD_VERDICT_GUESSING);
    assert_int_equal(pass.retry_ms, 6000);
    // Who has a key isn't kept out by a neighbour, who shows none isn't guessing.
    assert_int_equal(hd_guard_enter(guard, &limits, &good, &pass), HD_VERDICT_IN);
    assert_int_equal(hd_guard_enter(guard, &limits, &none, &pass), HD_VERDICT_NO_KEY);
    bad.now_ms += 6000;
    assert_int_equal(hd_guard_enter(guard, &limits, &bad, &pass), HD_VERDICT_WRONG_KEY);
    assert_int_equal(hd_guard_enter(guard, &limits, &bad, &pass), HD_VERDICT_GUESSING);
    hd_guard_close(guard);
    hd_limiter_free(limits.failures);
}

static void usage_outlives_the_guard(void **state) {
    bench *b = *state;
    hd_key_params params = key_params(HD_ACCESS_READ);
    params.quota.requests = 5;
    made m = make(b, &params);
    hd_pass pass;
    for (int round = 0; round < 5; round++) {
        hd_guard *guard = open_guard(b);
        assert_int_equal(enter(guard, m.text, HD_ACCESS_READ, &pass), HD_VERDICT_IN);
        assert_ok(hd_guard_flush(guard, b->store));
        hd_guard_close(guard);
    }
    hd_guard *guard = open_guard(b);
    assert_int_equal(enter(guard, m.text, HD_ACCESS_READ, &pass), HD_VERDICT_QUOTA);
    hd_guard_close(guard);
}

static void verdicts_say_what_to_do(void **state) {
    (void)state;
    for (hd_verdict v = 0; v < HD_VERDICTS; v++) {
        int http = hd_verdict_http(v);
        assert_true(v == HD_VERDICT_IN ? http == 200 : http == 401 || http == 403 || http == 429);
        assert_true(strlen(hd_verdict_code(v)) > 0);
        assert_true(strlen(hd_verdict_text(v).en) > 0 && strlen(hd_verdict_text(v).zh) > 0);
        for (hd_verdict w = 0; w < v; w++)
            assert_string_not_equal(hd_verdict_code(v), hd_verdict_code(w));
    }
}

// ── The keyset ──

static void keysets_find_and_verify(void **state) {
    bench *b = *state;
    enum { KEYS = 300 };
    made *keys = test_calloc(KEYS, sizeof *keys);
    for (int i = 0; i < KEYS; i++) keys[i] = make_key(b, HD_ACCESS_READ);
    hd_usage *usage;
    hd_keyset *set;
    assert_ok(hd_usage_new(&usage));
    assert_ok(hd_keyset_load(b->store, api_secret, usage, &set));
    assert_int_equal(hd_keyset_size(set), KEYS);
    for (int i = 0; i < KEYS; i++) {
        hd_presented right, wrong;
        made f = forged(&keys[i]);
        assert_true(hd_key_parse(hd_slice_of(keys[i].text), &right));
        assert_true(hd_key_parse(hd_slice_of(f.text), &wrong));
        const hd_keyset_entry *entry = hd_keyset_find(set, keys[i].id);
        assert_non_null(entry);
        assert_ptr_equal(hd_keyset_verify(set, &right), entry);
        assert_null(hd_keyset_verify(set, &wrong));
    }
    assert_null(hd_keyset_find(set, ""));
    assert_null(hd_keyset_find(set, "heed"));
    hd_keyset_free(set);
    hd_keyset_free(NULL);
    hd_usage_free(usage);
    test_free(keys);
}

// ── Threads ──

typedef struct crowd {
    hd_guard *guard;
    const made *keys; // (2): one stays, one comes and goes
    atomic_bool stop;
    atomic_int wrong;
    atomic_llong in;
} crowd;

static void *visit_on(void *arg) {
    crowd *c = arg;
    hd_pass pass;
    while (!atomic_load(&c->stop)) {
        if (enter(c->guard, c->keys[0].text, HD_ACCESS_READ, &pass) != HD_VERDICT_IN)
            atomic_fetch_add(&c->wrong, 1);
        atomic_fetch_add(&c->in, 1);
        hd_verdict verdict = enter(c->guard, c->keys[1].text, HD_ACCESS_READ, &pass);
        if (verdict != HD_VERDICT_IN && verdict != HD_VERDICT_REVOKED)
            atomic_fetch_add(&c->wrong, 1);
        made f = forged(&c->keys[0]);
        if (enter(c->guard, f.text, HD_ACCESS_READ, &pass) != HD_VERDICT_WRONG_KEY)
            atomic_fetch_add(&c->wrong, 1);
    }
    return NULL;
}

static void keys_are_swapped_under_way(void **state) {
    bench *b = *state;
    made keys[2] = {make_key(b, HD_ACCESS_READ), make_key(b, HD_ACCESS_READ)};
    crowd c = {.guard = open_guard(b), .keys = keys};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, visit_on, &c), 0);
    for (int round = 0; round < 60; round++) {
        if (round == 30) assert_ok(hd_access_revoke(b->store, keys[1].id, noon));
        if (round % 10 == 0) make_key(b, HD_ACCESS_READ);
        assert_ok(hd_guard_reload(c.guard, b->store));
        assert_ok(hd_guard_flush(c.guard, b->store));
    }
    hd_pass pass;
    assert_int_equal(enter(c.guard, keys[1].text, HD_ACCESS_READ, &pass), HD_VERDICT_REVOKED);
    atomic_store(&c.stop, true);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&c.wrong), 0);
    assert_int_equal(enter(c.guard, keys[0].text, HD_ACCESS_READ, &pass), HD_VERDICT_IN);
    assert_int_equal(hd_meter_today(pass.meter, noon).requests, atomic_load(&c.in) + 1);
    hd_guard_close(c.guard);
}

// ── Memory ──

static void each_failing_allocation_is_survived(void **state) {
    bench *b = *state;
    made m = make_key(b, HD_ACCESS_READ);
    hd_pass pass;
    hd_guard *standing = open_guard(b);
    for (uint64_t n = 1;; n++) {
        assert_true(n < 1000);
        size_t before = hd_mem_used();
        hd_guard *guard = NULL;
        (void)hd_mem_calls();
        hd_mem_fail_at(n, true);
        heed_err err = hd_guard_open(b->store, api_secret, 0, noon, &guard);
        heed_err again = hd_guard_reload(standing, b->store);
        hd_mem_fail_at(0, false);
        bool done = hd_mem_calls() < n;
        assert_int_equal(enter(standing, m.text, HD_ACCESS_READ, &pass), HD_VERDICT_IN);
        assert_true(err == HEED_OK || (err == HEED_MEMORY && !guard));
        assert_true(again == HEED_OK || again == HEED_MEMORY);
        if (guard) assert_int_equal(enter(guard, m.text, HD_ACCESS_READ, &pass), HD_VERDICT_IN);
        hd_guard_close(guard);
        if (n > 50) assert_true(hd_mem_used() <= before); // the cache of statements stands by then
        if (done) break;
    }
    hd_guard_close(standing);
}

int main(void) {
    assert_int_equal(hd_mem_adopt_libraries(), HEED_OK);
    const struct CMUnitTest tests[] = {
        BENCH_TEST(genuine_keys_are_let_in),
        BENCH_TEST(nobody_else_is),
        BENCH_TEST(scopes_hold),
        BENCH_TEST(revoked_and_expired_keys_are_out),
        BENCH_TEST(edited_rows_let_nobody_in),
        BENCH_TEST(quotas_and_rates_hold),
        BENCH_TEST(addresses_have_a_rate),
        BENCH_TEST(guessing_is_slowed_down),
        BENCH_TEST(usage_outlives_the_guard),
        cmocka_unit_test(verdicts_say_what_to_do),
        BENCH_TEST(keysets_find_and_verify),
        BENCH_TEST(keys_are_swapped_under_way),
        BENCH_TEST(each_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("access_guard", tests, NULL, NULL);
}
