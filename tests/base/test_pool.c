// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/float.h"
#include "base/mem.h"
#include "base/pool.h"

enum { CHUNKS = 1000 };

typedef struct tally {
    atomic_int seen[CHUNKS];
    size_t fail_from; // chunks at or past it fail
    hd_pool *pool;    // for nested runs
    atomic_int nested;
} tally;

static heed_err count(void *ctx, size_t chunk) {
    tally *t = ctx;
    atomic_fetch_add(&t->seen[chunk], 1);
    if (chunk >= t->fail_from) return HD_FAIL(HEED_INPUT, "chunk %zu", "第 %zu 块", chunk);
    return HEED_OK;
}

static void test_every_chunk_once(void **state) {
    (void)state;
    for (size_t threads = 1; threads <= 5; threads++) {
        hd_pool *pool;
        assert_int_equal(hd_pool_new(threads, &pool), HEED_OK);
        assert_int_equal(hd_pool_threads(pool), threads);
        for (size_t n = 0; n <= CHUNKS; n = n * 3 + 1) {
            tally t = {.fail_from = SIZE_MAX};
            assert_int_equal(hd_pool_run(pool, n, count, &t), HEED_OK);
            for (size_t i = 0; i < CHUNKS; i++) assert_int_equal(t.seen[i], i < n);
        }
        hd_pool_free(pool);
    }
}

typedef struct slots {
    hd_pool *pool;
    atomic_int busy[8];
    atomic_int clashes;
} slots;

static heed_err slot_is_zero(void *ctx, size_t chunk) {
    (void)chunk;
    atomic_fetch_add(&((slots *)ctx)->clashes, hd_pool_slot() != 0);
    return HEED_OK;
}

static heed_err use_slot(void *ctx, size_t chunk) {
    slots *s = ctx;
    size_t slot = hd_pool_slot();
    atomic_fetch_add(&s->clashes, slot >= hd_pool_threads(s->pool));
    atomic_fetch_add(&s->clashes, atomic_fetch_add(&s->busy[slot], 1) != 0);
    if (chunk % 7 == 0) HD_TRY(hd_pool_run(s->pool, 3, slot_is_zero, s)); // nested: alone
    atomic_fetch_add(&s->clashes, hd_pool_slot() != slot);
    atomic_fetch_sub(&s->busy[slot], 1);
    return HEED_OK;
}

// Chunks that go on at the same time have slots of their own.
static void test_slots(void **state) {
    (void)state;
    for (size_t threads = 0; threads <= 4; threads++) {
        slots s = {.pool = NULL};
        if (threads > 0) assert_int_equal(hd_pool_new(threads, &s.pool), HEED_OK);
        assert_int_equal(hd_pool_run(s.pool, CHUNKS, use_slot, &s), HEED_OK);
        assert_int_equal(s.clashes, 0);
        hd_pool_free(s.pool);
    }
}

static void test_no_pool(void **state) {
    (void)state;
    assert_int_equal(hd_pool_threads(NULL), 1);
    tally t = {.fail_from = 5};
    assert_int_equal(hd_pool_run(NULL, CHUNKS, count, &t), HEED_INPUT);
    assert_int_equal(t.seen[5], 1);
    assert_int_equal(t.seen[6], 0);
    hd_pool_free(NULL);
}

// The lowest failing chunk's message reaches the caller, whatever the threads do.
static void test_lowest_failure(void **state) {
    (void)state;
    hd_pool *pool;
    assert_int_equal(hd_pool_new(4, &pool), HEED_OK);
    for (size_t from = 0; from < CHUNKS; from += 37) {
        tally t = {.fail_from = from};
        hd_error_reset();
        assert_int_equal(hd_pool_run(pool, CHUNKS, count, &t), HEED_INPUT);
        char want[32];
        (void)hd_error_prefix(HEED_INPUT, "x", "x");
        int n = snprintf(want, sizeof want, "x: chunk %zu", from);
        assert_true(n > 0);
        assert_string_equal(heed_error_message(HEED_EN), want);
        for (size_t i = 0; i <= from; i++) assert_int_equal(t.seen[i], 1);
    }
    tally t = {.fail_from = SIZE_MAX};
    assert_int_equal(hd_pool_run(pool, CHUNKS, count, &t), HEED_OK);
    hd_pool_free(pool);
}

static heed_err inner(void *ctx, size_t chunk) {
    tally *t = ctx;
    atomic_fetch_add(&t->nested, 1);
    return chunk == 9 && t->fail_from == 0 ? HD_FAIL(HEED_BUSY, "inner", "内") : HEED_OK;
}
static heed_err outer(void *ctx, size_t chunk) {
    tally *t = ctx;
    (void)chunk;
    return hd_pool_run(t->pool, 10, inner, t);
}

static void test_nested(void **state) {
    (void)state;
    hd_pool *pool;
    assert_int_equal(hd_pool_new(3, &pool), HEED_OK);
    tally t = {.fail_from = SIZE_MAX, .pool = pool};
    assert_int_equal(hd_pool_run(pool, 50, outer, &t), HEED_OK);
    assert_int_equal(t.nested, 500);
    t.fail_from = 0;
    assert_int_equal(hd_pool_run(pool, 50, outer, &t), HEED_BUSY);
    assert_string_equal(heed_error_message(HEED_EN), "inner");
    hd_pool_free(pool);
}

static void *run_many(void *arg) {
    hd_pool *pool = arg;
    for (int i = 0; i < 50; i++) {
        tally t = {.fail_from = SIZE_MAX};
        if (hd_pool_run(pool, 100, count, &t) != HEED_OK) return arg;
        for (size_t c = 0; c < 100; c++) {
            if (t.seen[c] != 1) return arg;
        }
    }
    return NULL;
}

static void test_two_callers(void **state) {
    (void)state;
    hd_pool *pool;
    assert_int_equal(hd_pool_new(2, &pool), HEED_OK);
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, run_many, pool), 0);
    assert_null(run_many(pool));
    void *result;
    assert_int_equal(pthread_join(other, &result), 0);
    assert_null(result);
    hd_pool_free(pool);
}

static void test_new_fails(void **state) {
    (void)state;
    hd_pool *pool;
    assert_int_equal(hd_pool_new(100000, &pool), HEED_INPUT);
    for (uint64_t n = 1; n <= 2; n++) {
        size_t before = hd_mem_used();
        hd_mem_fail_at(n, true);
        assert_int_equal(hd_pool_new(2, &pool), HEED_MEMORY);
        hd_mem_fail_at(0, false);
        assert_int_equal(hd_mem_used(), before);
    }
    assert_int_equal(hd_pool_new(0, &pool), HEED_OK);
    assert_true(hd_pool_threads(pool) >= 1);
    hd_pool_free(pool);
}

static heed_err cancel_at_7(void *ctx, size_t chunk) {
    if (chunk == 7) atomic_store((atomic_bool *)ctx, true);
    return HEED_OK;
}

// Chunks that were not taken when the flag rose are not run, in this run and the next.
static void test_cancel(void **state) {
    (void)state;
    for (size_t threads = 1; threads <= 3; threads++) {
        atomic_bool flag = false;
        hd_pool *pool;
        assert_int_equal(hd_pool_new(threads, &pool), HEED_OK);
        hd_pool_cancel_by(pool, &flag);
        assert_int_equal(hd_pool_run(pool, 5, cancel_at_7, &flag), HEED_OK);
        assert_int_equal(hd_pool_run(pool, CHUNKS, cancel_at_7, &flag), HEED_INTERRUPTED);
        tally t = {.fail_from = SIZE_MAX};
        assert_int_equal(hd_pool_run(pool, CHUNKS, count, &t), HEED_INTERRUPTED);
        for (size_t i = 0; i < CHUNKS; i++) assert_int_equal(t.seen[i], 0);
        hd_pool_cancel_by(pool, NULL);
        assert_int_equal(hd_pool_run(pool, CHUNKS, count, &t), HEED_OK);
        hd_pool_free(pool);
    }
}

// What is left of a number below the smallest normal one, by chunk.
typedef struct halves {
    volatile float normal; // volatile: halved when the chunk runs, not by the compiler
    float left[CHUNKS];
} halves;

static heed_err halve(void *ctx, size_t chunk) {
    halves *h = ctx;
    h->left[chunk] = h->normal * .5F;
    return HEED_OK;
}

static void test_float_mode(void **state) {
    (void)state;
    hd_float_mode before = hd_float_get();
    hd_float_mode same = hd_float_flush(), flushed = hd_float_get();
    assert_true(same.bits == before.bits);
    hd_float_set(before);
    if (flushed.bits == before.bits) skip(); // a processor without the mode
    hd_pool *pool;
    assert_int_equal(hd_pool_new(4, &pool), HEED_OK);
    static halves h = {.normal = FLT_MIN};
    for (int round = 0; round < 6; round++) {
        hd_float_set(round % 2 ? flushed : before);
        heed_err err = hd_pool_run(pool, CHUNKS, halve, &h);
        hd_float_set(before);
        assert_int_equal(err, HEED_OK);
        for (size_t i = 0; i < CHUNKS; i++) assert_int_equal(h.left[i] > 0, round % 2 == 0);
    }
    hd_pool_free(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_chunk_once), cmocka_unit_test(test_no_pool),
        cmocka_unit_test(test_lowest_failure),   cmocka_unit_test(test_nested),
        cmocka_unit_test(test_two_callers),      cmocka_unit_test(test_new_fails),
        cmocka_unit_test(test_cancel),           cmocka_unit_test(test_slots),
        cmocka_unit_test(test_float_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
