// SPDX-License-Identifier: Apache-2.0
//
// Usage and quotas: exact under threads, over midnight, over a restart, over failing writes.
#include "access_test.h"

#include <pthread.h>

static const hd_quota no_quota;

static hd_usage *new_usage(void) {
    hd_usage *usage;
    assert_ok(hd_usage_new(&usage));
    return usage;
}

static hd_meter *meter_of(hd_usage *usage, const char *id) {
    hd_meter *meter;
    assert_ok(hd_usage_meter(usage, id, &meter));
    return meter;
}

static void assert_count(hd_count got, int64_t requests, int64_t events, int64_t tokens,
                         int64_t refused) {
    assert_int_equal(got.requests, requests);
    assert_int_equal(got.events, events);
    assert_int_equal(got.tokens, tokens);
    assert_int_equal(got.refused, refused);
}

// The row of a key and day as it is written; all -1: none.
static hd_count written(bench *b, const char *id, hd_time day) {
    hd_usage_row *rows;
    size_t n;
    assert_ok(hd_usage_list(b->store, HD_TIME_NONE, id, &b->arena, &rows, &n));
    for (size_t i = 0; i < n; i++)
        if (rows[i].day / HD_DAY_MS == day / HD_DAY_MS) return rows[i].count;
    return (hd_count){-1, -1, -1, -1};
}

// ── Meters ──

static void a_meter_is_one_per_key(void **state) {
    (void)state;
    hd_usage *usage = new_usage();
    hd_meter *a = meter_of(usage, "aaaaaaaa");
    assert_ptr_equal(meter_of(usage, "aaaaaaaa"), a);
    assert_ptr_not_equal(meter_of(usage, "aaaaaaab"), a);
    assert_ptr_equal(meter_of(usage, ""), meter_of(usage, ""));
    hd_meter *none = NULL;
    assert_fails(HEED_INTERNAL, hd_usage_meter(usage, "aaaaaaaaa", &none));
    assert_count(hd_meter_today(a, noon), 0, 0, 0, 0);
    hd_usage_free(usage);
    hd_usage_free(NULL);
}

static void quotas_are_exact(void **state) {
    (void)state;
    hd_usage *usage = new_usage();
    hd_meter *meter = meter_of(usage, "aaaaaaaa");
    const hd_quota quota = {.requests = 3, .events = 100, .tokens = 50};
    const char *what = "unset";
    for (int i = 0; i < 3; i++)
        assert_true(hd_meter_take(meter, noon, (hd_count){.requests = 1}, &quota, &what));
    assert_null(what);
    assert_false(hd_meter_take(meter, noon, (hd_count){.requests = 1}, &quota, &what));
    assert_string_equal(what, "requests");
    // What isn't taken isn't asked for.
    assert_true(hd_meter_take(meter, noon, (hd_count){.events = 100}, &quota, &what));
    assert_false(hd_meter_take(meter, noon, (hd_count){.events = 1}, &quota, &what));
    assert_string_equal(what, "events");
    assert_false(hd_meter_take(meter, noon, (hd_count){.tokens = 51}, &quota, NULL));
    // Spending may go beyond it; taking then may not.
    hd_meter_add(meter, noon, (hd_count){.tokens = 60});
    assert_false(hd_meter_take(meter, noon, (hd_count){.tokens = 1}, &quota, &what));
    assert_string_equal(what, "tokens");
    assert_count(hd_meter_today(meter, noon), 3, 100, 60, 4);
    // 0 is no quota, and sums don't wrap around.
    for (int i = 0; i < 3; i++)
        assert_true(hd_meter_take(meter, noon, (hd_count){.events = INT64_MAX}, &no_quota, &what));
    assert_int_equal(hd_meter_today(meter, noon).events, INT64_MAX);
    assert_false(hd_meter_take(meter, noon, (hd_count){.events = INT64_MAX}, &quota, &what));
    hd_usage_free(usage);
}

static void quotas_begin_anew_at_midnight(void **state) {
    (void)state;
    hd_usage *usage = new_usage();
    hd_meter *meter = meter_of(usage, "aaaaaaaa");
    const hd_quota quota = {.requests = 1};
    const hd_time midnight = noon + HD_DAY_MS / 2;
    const hd_count one = {.requests = 1};
    assert_true(hd_meter_take(meter, noon, one, &quota, NULL));
    assert_false(hd_meter_take(meter, midnight - 1, one, &quota, NULL));
    assert_true(hd_meter_take(meter, midnight, one, &quota, NULL));
    assert_false(hd_meter_take(meter, midnight, one, &quota, NULL));
    assert_count(hd_meter_today(meter, midnight - 1), 1, 0, 0, 1);
    assert_count(hd_meter_today(meter, midnight), 1, 0, 0, 1);
    assert_int_equal(hd_usage_until_midnight(noon), HD_DAY_MS / 2);
    assert_int_equal(hd_usage_until_midnight(midnight - 1), 1);
    assert_int_equal(hd_usage_until_midnight(midnight), HD_DAY_MS);
    assert_int_equal(hd_usage_until_midnight(-1), 1);
    hd_usage_free(usage);
}

// ── Writing and reading back ──

static void what_is_flushed_is_read_back(void **state) {
    bench *b = *state;
    hd_usage *usage = new_usage();
    hd_meter *a = meter_of(usage, "aaaaaaaa"), *nobody = meter_of(usage, "");
    assert_ok(hd_usage_flush(usage, b->store)); // nothing: nothing is written
    assert_int_equal(written(b, "aaaaaaaa", noon).requests, -1);
    hd_meter_add(a, noon, (hd_count){1, 20, 300, 4000});
    hd_meter_add(nobody, noon, (hd_count){.refused = 5});
    assert_ok(hd_usage_flush(usage, b->store));
    hd_meter_add(a, noon, (hd_count){1, 1, 1, 1});
    assert_ok(hd_usage_flush(usage, b->store));
    assert_ok(hd_usage_flush(usage, b->store));
    assert_count(written(b, "aaaaaaaa", noon), 2, 21, 301, 4001);
    assert_count(written(b, "", noon), 0, 0, 0, 5);
    hd_usage_free(usage);

    usage = new_usage();
    assert_ok(hd_usage_load(usage, b->store, noon));
    a = meter_of(usage, "aaaaaaaa");
    assert_count(hd_meter_today(a, noon), 2, 21, 301, 4001);
    assert_ok(hd_usage_flush(usage, b->store)); // read is written already
    assert_count(written(b, "aaaaaaaa", noon), 2, 21, 301, 4001);
    const hd_quota quota = {.requests = 2};
    assert_false(hd_meter_take(a, noon, (hd_count){.requests = 1}, &quota, NULL));
    assert_ok(hd_usage_flush(usage, b->store));
    assert_count(written(b, "aaaaaaaa", noon), 2, 21, 301, 4002);
    hd_usage_free(usage);
}

static void days_stand_apart(void **state) {
    bench *b = *state;
    hd_usage *usage = new_usage();
    hd_meter *meter = meter_of(usage, "aaaaaaaa");
    for (int day = 0; day < 10; day++) {
        for (int i = 0; i <= day; i++)
            hd_meter_add(meter, noon + day * HD_DAY_MS, (hd_count){.requests = 1});
        if (day % 3 == 2) assert_ok(hd_usage_flush(usage, b->store));
    }
    assert_ok(hd_usage_flush(usage, b->store));
    for (int day = 0; day < 10; day++)
        assert_int_equal(written(b, "aaaaaaaa", noon + day * HD_DAY_MS).requests, day + 1);
    hd_usage_free(usage);
    // Only yesterday's and today's are read back.
    usage = new_usage();
    assert_ok(hd_usage_load(usage, b->store, noon + 9 * HD_DAY_MS));
    meter = meter_of(usage, "aaaaaaaa");
    assert_int_equal(hd_meter_today(meter, noon + 9 * HD_DAY_MS).requests, 10);
    assert_int_equal(hd_meter_today(meter, noon + 8 * HD_DAY_MS).requests, 9);
    hd_usage_free(usage);
}

// A clock that is set back counts on, and never makes a written row smaller.
static void a_clock_set_back_loses_no_count(void **state) {
    bench *b = *state;
    hd_usage *usage = new_usage();
    hd_meter *meter = meter_of(usage, "aaaaaaaa");
    hd_meter_add(meter, noon, (hd_count){.requests = 5});
    assert_ok(hd_usage_flush(usage, b->store));
    for (int day = 1; day <= 4; day++)
        hd_meter_add(meter, noon + day * HD_DAY_MS, (hd_count){.requests = 1});
    assert_ok(hd_usage_flush(usage, b->store));
    hd_meter_add(meter, noon + 3 * HD_DAY_MS, (hd_count){.requests = 1});
    hd_meter_add(meter, noon, (hd_count){.requests = 1}); // its place is taken: counted there
    assert_ok(hd_usage_flush(usage, b->store));
    assert_int_equal(written(b, "aaaaaaaa", noon).requests, 5);
    assert_int_equal(written(b, "aaaaaaaa", noon + 3 * HD_DAY_MS).requests, 2);
    assert_int_equal(written(b, "aaaaaaaa", noon + 4 * HD_DAY_MS).requests, 2);
    hd_usage_free(usage);
    // A usage that began without the rows adds to them.
    usage = new_usage();
    hd_meter_add(meter_of(usage, "aaaaaaaa"), noon, (hd_count){.requests = 2});
    assert_ok(hd_usage_flush(usage, b->store));
    assert_int_equal(written(b, "aaaaaaaa", noon).requests, 7);
    hd_usage_free(usage);
}

static void what_could_not_be_written_is_written_later(void **state) {
    bench *b = *state;
    hd_usage *usage = new_usage();
    hd_meter *meter = meter_of(usage, "aaaaaaaa");
    hd_meter_add(meter, noon, (hd_count){.requests = 3});
    assert_ok(hd_store_exec(b->store, "ALTER TABLE api_usage RENAME TO gone"));
    assert_int_not_equal(hd_usage_flush(usage, b->store), HEED_OK);
    hd_meter_add(meter, noon, (hd_count){.requests = 4});
    assert_ok(hd_store_exec(b->store, "ALTER TABLE gone RENAME TO api_usage"));
    assert_ok(hd_usage_flush(usage, b->store));
    assert_int_equal(written(b, "aaaaaaaa", noon).requests, 7);
    hd_usage_free(usage);
}

static void reports_are_by_day_and_key(void **state) {
    bench *b = *state;
    hd_usage *usage = new_usage();
    for (int day = 0; day < 3; day++) {
        hd_meter_add(meter_of(usage, "bbbbbbbb"), noon + day * HD_DAY_MS, (hd_count){1, 0, 0, 0});
        hd_meter_add(meter_of(usage, "aaaaaaaa"), noon + day * HD_DAY_MS, (hd_count){2, 0, 0, 0});
    }
    assert_ok(hd_usage_flush(usage, b->store));
    hd_usage_free(usage);
    hd_usage_row *rows;
    size_t n;
    assert_ok(hd_usage_list(b->store, HD_TIME_NONE, NULL, &b->arena, &rows, &n));
    assert_int_equal(n, 6);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(rows[i].id, i % 2 ? "bbbbbbbb" : "aaaaaaaa");
        assert_int_equal(rows[i].day, noon - HD_DAY_MS / 2 + (int64_t)(i / 2) * HD_DAY_MS);
        assert_int_equal(rows[i].count.requests, i % 2 ? 1 : 2);
    }
    // A day that began before `since` but reaches into it is in.
    assert_ok(hd_usage_list(b->store, noon + HD_DAY_MS, NULL, &b->arena, &rows, &n));
    assert_int_equal(n, 4);
    assert_ok(hd_usage_list(b->store, noon + HD_DAY_MS, "bbbbbbbb", &b->arena, &rows, &n));
    assert_int_equal(n, 2);
    assert_ok(hd_usage_list(b->store, noon + 9 * HD_DAY_MS, NULL, &b->arena, &rows, &n));
    assert_int_equal(n, 0);
}

static void keys_know_their_last_day(void **state) {
    bench *b = *state;
    made m = make_key(b, HD_ACCESS_READ);
    hd_usage *usage = new_usage();
    hd_meter_add(meter_of(usage, m.id), noon, (hd_count){.requests = 1});
    hd_meter_add(meter_of(usage, m.id), noon + HD_DAY_MS, (hd_count){.refused = 1}); // no use
    assert_ok(hd_usage_flush(usage, b->store));
    hd_usage_free(usage);
    hd_key key;
    assert_ok(hd_access_find(b->store, m.id, &b->arena, &key));
    assert_int_equal(key.last_used, noon - HD_DAY_MS / 2);
}

// ── Threads ──

enum { THREADS = 8, KEYS = 3, ADDS = 20000 };

typedef struct crowd {
    hd_usage *usage;
    hd_quota quota;
    int64_t in[THREADS];
    int next;
    pthread_mutex_t lock;
} crowd;

static const char *const ids[KEYS] = {"aaaaaaaa", "bbbbbbbb", "cccccccc"};

static void *count_many(void *arg) {
    crowd *c = arg;
    pthread_mutex_lock(&c->lock);
    int me = c->next++;
    pthread_mutex_unlock(&c->lock);
    for (int i = 0; i < ADDS; i++) {
        hd_meter *meter = NULL;
        if (hd_usage_meter(c->usage, ids[i % KEYS], &meter) != HEED_OK) return NULL;
        hd_time now = noon + (i >= ADDS / 2 ? HD_DAY_MS : 0);
        hd_meter_add(meter, now, (hd_count){.events = i, .tokens = me});
        c->in[me] += hd_meter_take(meter, now, (hd_count){.requests = 1}, &c->quota, NULL);
    }
    return NULL;
}

// While eight threads count over midnight and another writes, nothing is lost or counted twice, and
// a quota is never exceeded nor left.
static void counts_are_exact_under_threads(void **state) {
    bench *b = *state;
    crowd c = {.usage = new_usage(), .quota = {.requests = 10000}};
    pthread_mutex_init(&c.lock, NULL);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_many, &c), 0);
    for (int i = 0; i < 20; i++) assert_ok(hd_usage_flush(c.usage, b->store));
    int64_t in = 0, events = 0, tokens = 0;
    // All of them before any count is read: a thread's number isn't its place in `threads`.
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        in += c.in[i];
        tokens += (int64_t)i * ADDS;
        events += (int64_t)ADDS * (ADDS - 1) / 2;
    }
    assert_ok(hd_usage_flush(c.usage, b->store));
    hd_count sum = {0};
    for (int k = 0; k < KEYS; k++) {
        for (int day = 0; day < 2; day++) {
            hd_count count = written(b, ids[k], noon + day * HD_DAY_MS);
            assert_int_equal(count.requests, 10000); // 26,667 tried
            sum.requests += count.requests;
            sum.refused += count.refused;
            sum.events += count.events;
            sum.tokens += count.tokens;
        }
    }
    assert_count(sum, in, events, tokens, (int64_t)THREADS * ADDS - in);
    pthread_mutex_destroy(&c.lock);
    hd_usage_free(c.usage);
}

// ── Memory ──

static heed_err all_of_it(bench *b) {
    hd_usage *usage = NULL;
    hd_meter *meter;
    hd_usage_row *rows;
    size_t n;
    heed_err err;
    hd_arena_reset(&b->arena);
    HD_TRY_OUT(hd_usage_new(&usage));
    HD_TRY_OUT(hd_usage_load(usage, b->store, noon));
    HD_TRY_OUT(hd_usage_meter(usage, "aaaaaaaa", &meter));
    hd_meter_add(meter, noon, (hd_count){.requests = 1});
    HD_TRY_OUT(hd_usage_flush(usage, b->store));
    HD_TRY_OUT(hd_usage_list(b->store, noon, NULL, &b->arena, &rows, &n));
out:
    hd_usage_free(usage);
    return err;
}

static void each_failing_allocation_is_survived(void **state) {
    bench *b = *state;
    for (uint64_t n = 1;; n++) {
        assert_true(n < 2000);
        hd_count before = written(b, "aaaaaaaa", noon);
        (void)hd_mem_calls();
        hd_mem_fail_at(n, true);
        heed_err err = all_of_it(b);
        hd_mem_fail_at(0, false);
        uint64_t calls = hd_mem_calls();
        hd_count after = written(b, "aaaaaaaa", noon);
        if (err == HEED_OK) {
            assert_int_equal(after.requests, before.requests < 0 ? 1 : before.requests + 1);
            if (calls < n) break;
        } else {
            assert_int_equal(err, HEED_MEMORY);
        }
    }
}

int main(void) {
    assert_int_equal(hd_mem_adopt_libraries(), HEED_OK);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_meter_is_one_per_key),
        cmocka_unit_test(quotas_are_exact),
        cmocka_unit_test(quotas_begin_anew_at_midnight),
        BENCH_TEST(what_is_flushed_is_read_back),
        BENCH_TEST(days_stand_apart),
        BENCH_TEST(a_clock_set_back_loses_no_count),
        BENCH_TEST(what_could_not_be_written_is_written_later),
        BENCH_TEST(reports_are_by_day_and_key),
        BENCH_TEST(keys_know_their_last_day),
        BENCH_TEST(counts_are_exact_under_threads),
        BENCH_TEST(each_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("access_usage", tests, NULL, NULL);
}
