// SPDX-License-Identifier: Apache-2.0
//
// Token buckets: against a simulation that follows the definition, under threads, under floods.
#include "access_test.h"

#include <pthread.h>

#include "base/rng.h"

static hd_limiter *new_limiter(size_t capacity) {
    hd_limiter *limiter;
    assert_ok(hd_limiter_new(capacity, &limiter));
    return limiter;
}

static hd_who number(uint32_t i) {
    char text[32];
    snprintf(text, sizeof text, "%u.%u.%u.%u", i >> 24, i >> 16 & 255, i >> 8 & 255, i & 255);
    return hd_who_address(text);
}

// ── Who is who ──

static bool one(const char *a, const char *b) {
    hd_who x = hd_who_address(a), y = hd_who_address(b);
    return memcmp(&x, &y, sizeof x) == 0;
}

static void addresses_that_are_one_client(void **state) {
    (void)state;
    assert_true(one("192.0.2.7", "192.0.2.7"));
    assert_false(one("192.0.2.7", "192.0.2.8"));
    assert_true(one("192.0.2.7", "::ffff:192.0.2.7"));
    assert_true(one("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
    assert_false(one("2001:db8:1:2::1", "2001:db8:1:3::1"));
    assert_false(one("::", "0.0.0.0"));
    assert_true(one(NULL, ""));
    assert_true(one(NULL, "a socket"));
    assert_false(one(NULL, "0.0.0.0"));
    hd_who key = hd_who_key(0, "aaaaaaaa"), same = hd_who_key(0, "aaaaaaaa");
    hd_who tenant = hd_who_key(1, "aaaaaaaa"), other = hd_who_key(0, "aaaaaaab");
    assert_memory_equal(&key, &same, sizeof key);
    assert_memory_not_equal(&key, &tenant, sizeof key);
    assert_memory_not_equal(&key, &other, sizeof key);
}

// ── One bucket ──

static void a_burst_then_the_rate(void **state) {
    (void)state;
    hd_limiter *limiter = new_limiter(10);
    hd_who who = number(1);
    const hd_rate rate = {2, 5};
    int64_t wait = -1;
    for (int i = 0; i < 5; i++) {
        assert_true(hd_limiter_take(limiter, &who, rate, 1000, 1, &wait));
        assert_int_equal(wait, 0);
    }
    assert_false(hd_limiter_take(limiter, &who, rate, 1000, 1, &wait));
    assert_int_equal(wait, 500);
    assert_false(hd_limiter_take(limiter, &who, rate, 1499, 1, &wait));
    assert_int_equal(wait, 1);
    assert_true(hd_limiter_take(limiter, &who, rate, 1500, 1, &wait));
    assert_false(hd_limiter_take(limiter, &who, rate, 1500, 2, &wait));
    assert_int_equal(wait, 1000);
    hd_who other = number(2);
    assert_true(hd_limiter_take(limiter, &other, rate, 1500, 5, NULL));
    hd_limiter_free(limiter);
}

// What the fields' zeros mean, and what can't be asked for is a full bucket.
static void rates_at_their_edges(void **state) {
    (void)state;
    hd_limiter *limiter = new_limiter(10);
    hd_who who = number(1);
    int64_t wait;
    for (int i = 0; i < 1000; i++)
        assert_true(hd_limiter_take(limiter, &who, (hd_rate){0, 1}, 0, 1, NULL));
    assert_int_equal(hd_limiter_count(limiter), 0);
    // No burst given: a second's worth.
    for (int i = 0; i < 3; i++)
        assert_true(hd_limiter_take(limiter, &who, (hd_rate){3, 0}, 0, 1, NULL));
    assert_false(hd_limiter_take(limiter, &who, (hd_rate){3, 0}, 0, 1, &wait));
    assert_int_equal(wait, 334);
    // Less than one a second: one at once.
    who = number(2);
    assert_true(hd_limiter_take(limiter, &who, (hd_rate){0.1, 0}, 0, 1, NULL));
    assert_false(hd_limiter_take(limiter, &who, (hd_rate){0.1, 0}, 9999, 1, &wait));
    assert_int_equal(wait, 1);
    // More than a bucket holds is the whole bucket: it can be had at last.
    who = number(3);
    assert_true(hd_limiter_take(limiter, &who, (hd_rate){1, 4}, 0, 100, NULL));
    assert_false(hd_limiter_take(limiter, &who, (hd_rate){1, 4}, 3999, 100, &wait));
    assert_int_equal(wait, 1);
    // So rare that the bucket's time would not fit: a year and a day is the longest.
    who = number(4);
    assert_true(hd_limiter_take(limiter, &who, (hd_rate){1e-12, 1e9}, 0, 1, NULL));
    assert_false(hd_limiter_take(limiter, &who, (hd_rate){1e-12, 1e9}, 0, 1, &wait));
    assert_true(wait > 0 && wait <= INT64_C(366) * HD_DAY_MS);
    // Clocks at their ends.
    who = number(5);
    assert_true(hd_limiter_take(limiter, &who, (hd_rate){1, 1}, INT64_MAX, 1, NULL));
    who = number(6);
    assert_true(hd_limiter_take(limiter, &who, (hd_rate){1, 1}, INT64_MIN, 1, NULL));
    hd_limiter_free(limiter);
}

static void a_clock_set_back_locks_nobody_out(void **state) {
    (void)state;
    hd_limiter *limiter = new_limiter(10);
    hd_who who = number(1);
    const hd_rate rate = {1, 3};
    int64_t wait;
    while (hd_limiter_take(limiter, &who, rate, HD_DAY_MS, 1, NULL)) {
    }
    assert_false(hd_limiter_take(limiter, &who, rate, 1000, 1, &wait));
    assert_int_equal(wait, 1000);
    assert_false(hd_limiter_take(limiter, &who, rate, 1999, 1, &wait));
    assert_true(hd_limiter_take(limiter, &who, rate, 2000, 1, NULL));
    hd_limiter_free(limiter);
}

// The definition: a bucket of integer parts of a token, `unit` to a token, that gains `gain` parts
// a millisecond and never holds more than `burst` tokens.
typedef struct plain_bucket {
    int64_t level, last;
} plain_bucket;

static void buckets_follow_their_definition(void **state) {
    (void)state;
    static const int rates[] = {1, 2, 5, 8, 10, 25, 100, 250, 1000, 4000};
    hd_rng rng = hd_rng_make(11, 0);
    for (int round = 0; round < 300; round++) {
        hd_limiter *limiter = new_limiter(16);
        enum { CLIENTS = 5 };
        int per_second = rates[hd_rng_below(&rng, 10)];
        int64_t burst = 1 + (int64_t)hd_rng_below(&rng, 20), unit = 1000;
        plain_bucket plain[CLIENTS];
        for (int i = 0; i < CLIENTS; i++) plain[i] = (plain_bucket){burst * unit, 0};
        int64_t now = (int64_t)hd_rng_below(&rng, 100000);
        int64_t pace = 1 + (int64_t)hd_rng_below(&rng, (uint64_t)(3000 / per_second + 2));
        for (int i = 0; i < CLIENTS; i++) plain[i].last = now;
        for (int step = 0; step < 300; step++) {
            now += (int64_t)hd_rng_below(&rng, (uint64_t)pace + 1);
            uint32_t i = (uint32_t)hd_rng_below(&rng, CLIENTS);
            int64_t cost = 1 + (int64_t)hd_rng_below(&rng, 3);
            if (cost > burst) cost = burst;
            plain_bucket *p = &plain[i];
            p->level += (now - p->last) * per_second;
            if (p->level > burst * unit) p->level = burst * unit;
            p->last = now;
            bool expected = p->level >= cost * unit;
            if (expected) p->level -= cost * unit;
            hd_who who = number(i);
            int64_t wait;
            bool got = hd_limiter_take(limiter, &who, (hd_rate){per_second, (double)burst}, now,
                                       (double)cost, &wait);
            assert_int_equal(got, expected);
            int64_t missing = cost * unit - p->level;
            if (!got) assert_int_equal(wait, (missing + per_second - 1) / per_second);
        }
        hd_limiter_free(limiter);
    }
}

// For any rate: what is let in within any window is at most burst + rate × window, and waiting as
// told always works, waiting a millisecond less never.
static void the_time_to_retry_is_exact(void **state) {
    (void)state;
    hd_rng rng = hd_rng_make(12, 0);
    for (int round = 0; round < 500; round++) {
        hd_limiter *limiter = new_limiter(4);
        const hd_rate rate = {0.01 + 300 * hd_rng_uniform(&rng),
                              1 + (double)hd_rng_below(&rng, 30)};
        hd_who who = number(7);
        int64_t start = 5000, now = start, wait, taken = 0;
        for (int step = 0; step < 200; step++) {
            if (hd_limiter_take(limiter, &who, rate, now, 1, &wait)) {
                taken++;
                assert_true((double)taken <=
                            rate.burst + rate.per_second * (double)(now - start) / 1000 + 1e-6);
                continue;
            }
            assert_true(wait >= 1);
            assert_false(hd_limiter_take(limiter, &who, rate, now + wait - 1, 1, NULL));
            now += wait;
            assert_true(hd_limiter_take(limiter, &who, rate, now, 1, NULL));
            taken++;
        }
        hd_limiter_free(limiter);
    }
}

// ── Threads ──

enum { THREADS = 8, TAKES = 12500 };

typedef struct crowd {
    hd_limiter *limiter;
    hd_rate rate;
    int64_t taken[THREADS];
    int next;
    pthread_mutex_t lock;
} crowd;

static void *take_many(void *arg) {
    crowd *c = arg;
    pthread_mutex_lock(&c->lock);
    int me = c->next++;
    pthread_mutex_unlock(&c->lock);
    hd_who who = number(1);
    for (int i = 0; i < TAKES; i++) {
        c->taken[me] += hd_limiter_take(c->limiter, &who, c->rate, 1000 + i / 100, 1, NULL);
        hd_who other = number((uint32_t)(me * TAKES + i) + 2); // others come and go beside
        if (i % 8 == 0) (void)!hd_limiter_take(c->limiter, &other, c->rate, 1000, 1, NULL);
    }
    return NULL;
}

static void a_hundred_thousand_takes_never_exceed_the_bucket(void **state) {
    (void)state;
    crowd c = {.limiter = new_limiter(1 << 15), .rate = {8000, 500}};
    pthread_mutex_init(&c.lock, NULL);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, &c), 0);
    // All of them before any count is read: a thread's number isn't its place in `threads`.
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    int64_t sum = 0;
    for (int i = 0; i < THREADS; i++) sum += c.taken[i];
    // 500 at once, and 8 a millisecond for 124 of them; fewer only by what a slow thread's older
    // clock could not take.
    assert_true(sum <= 500 + 8 * 124);
    assert_true(sum >= 500);
    pthread_mutex_destroy(&c.lock);
    hd_limiter_free(c.limiter);
}

// ── Memory ──

static void a_flood_of_addresses_takes_no_memory(void **state) {
    (void)state;
    for (size_t capacity = 1; capacity <= 4096; capacity *= 16) {
        hd_limiter *limiter = new_limiter(capacity);
        size_t before = hd_mem_used();
        (void)hd_mem_calls();
        for (uint32_t i = 0; i < 100000; i++) {
            hd_who who = number(i * 2654435761u);
            (void)!hd_limiter_take(limiter, &who, (hd_rate){10, 5}, i / 10, 1, NULL);
            if (i % 1000 == 0) assert_true(hd_limiter_count(limiter) <= capacity);
        }
        assert_int_equal(hd_mem_used(), before);
        assert_int_equal(hd_mem_calls(), 0);
        assert_true(hd_limiter_count(limiter) <= capacity);
        assert_true(hd_limiter_count(limiter) > capacity / 2);
        hd_limiter_free(limiter);
    }
}

// The table never mixes clients up, whatever leaves and comes: each client's bucket follows the
// definition as long as it isn't forgotten (all of them fit).
static void many_clients_are_told_apart(void **state) {
    (void)state;
    enum { CLIENTS = 3000 };
    hd_limiter *limiter = new_limiter(65536);
    uint8_t left[CLIENTS];
    memset(left, 3, sizeof left);
    hd_rng rng = hd_rng_make(13, 0);
    for (int step = 0; step < 20000; step++) {
        uint32_t i = (uint32_t)hd_rng_below(&rng, CLIENTS);
        hd_who who = number(i * 7919u);
        bool got = hd_limiter_take(limiter, &who, (hd_rate){0.001, 3}, 0, 1, NULL);
        assert_int_equal(got, left[i] > 0);
        if (got) left[i]--;
    }
    hd_limiter_free(limiter);
}

// Who used up a bucket can't get a new one by having others push the old one out.
static void a_flood_washes_no_debt_away(void **state) {
    (void)state;
    enum { CAPACITY = 8 };
    hd_limiter *limiter = new_limiter(CAPACITY);
    const hd_rate rate = {1.0 / 6, 10}; // ten a minute
    int64_t taken = 0;
    for (uint32_t i = 0; i < 10000; i++) {
        hd_who who = number(i);
        taken += hd_limiter_take(limiter, &who, rate, 1000, 1, NULL);
    }
    assert_int_equal(taken, CAPACITY * 10);
    // Once their time is over, newcomers begin with a full bucket again.
    taken = 0;
    hd_who who = number(77777);
    while (hd_limiter_take(limiter, &who, rate, 1000 + 60000, 1, NULL)) taken++;
    assert_int_equal(taken, 10);
    hd_limiter_free(limiter);
}

static void failing_allocations_make_no_limiter(void **state) {
    (void)state;
    for (size_t capacity = 1; capacity <= 4096; capacity *= 4096) {
        for (uint64_t n = 1;; n++) {
            hd_limiter *limiter = NULL;
            size_t before = hd_mem_used();
            hd_mem_fail_at(n, true);
            heed_err err = hd_limiter_new(capacity, &limiter);
            hd_mem_fail_at(0, false);
            if (err == HEED_OK) {
                hd_limiter_free(limiter);
                assert_true(n > 3);
                break;
            }
            assert_int_equal(err, HEED_MEMORY);
            assert_null(limiter);
            assert_int_equal(hd_mem_used(), before);
        }
    }
    hd_limiter_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_that_are_one_client),
        cmocka_unit_test(a_burst_then_the_rate),
        cmocka_unit_test(rates_at_their_edges),
        cmocka_unit_test(a_clock_set_back_locks_nobody_out),
        cmocka_unit_test(buckets_follow_their_definition),
        cmocka_unit_test(the_time_to_retry_is_exact),
        cmocka_unit_test(a_hundred_thousand_takes_never_exceed_the_bucket),
        cmocka_unit_test(a_flood_of_addresses_takes_no_memory),
        cmocka_unit_test(many_clients_are_told_apart),
        cmocka_unit_test(a_flood_washes_no_debt_away),
        cmocka_unit_test(failing_allocations_make_no_limiter),
    };
    return cmocka_run_group_tests_name("access_limiter", tests, NULL, NULL);
}
