// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "classic/kmeans.h"

static void test_by_hand(void **state) {
    (void)state;
    // On a line: {0, 1} and {4, 6}. a = 1, 1, 2, 2; b = 5, 4, 3.5, 5.5.
    const double x[] = {0, 1, 4, 6};
    const uint32_t label[] = {0, 0, 1, 1};
    double s;
    assert_int_equal(hd_silhouette(x, 4, 1, label, 2, 0, 1, NULL, &s), HEED_OK);
    double want = (4.0 / 5 + 3.0 / 4 + 1.5 / 3.5 + 3.5 / 5.5) / 4;
    assert_true(fabs(s - want) < 1e-15);
    // A point alone counts 0.
    const uint32_t alone[] = {0, 0, 0, 1};
    assert_int_equal(hd_silhouette(x, 4, 1, alone, 2, 0, 1, NULL, &s), HEED_OK);
    want = ((6 - 2.5) / 6 + (5 - 2) / 5.0 + (2 - 3.5) / 3.5 + 0) / 4;
    assert_true(fabs(s - want) < 1e-15);
}

static void test_edges(void **state) {
    (void)state;
    const double x[] = {0, 0, 0, 0};
    const uint32_t one[] = {0, 0, 0, 0}, two[] = {0, 0, 1, 1};
    double s = 5;
    assert_int_equal(hd_silhouette(x, 4, 1, one, 1, 0, 1, NULL, &s), HEED_OK);
    assert_true(s == 0.0);
    assert_int_equal(hd_silhouette(x, 4, 1, two, 2, 0, 1, NULL, &s), HEED_OK);
    assert_true(s == 0.0); // all at one place
    assert_int_equal(hd_silhouette(x, 0, 1, one, 1, 0, 1, NULL, &s), HEED_OK);
    assert_true(s == 0.0);
}

enum { N = 400, D = 3, K = 4 };

static void make(double *x, uint32_t *label) {
    hd_rng rng = hd_rng_make(2, 0);
    for (size_t i = 0; i < N; i++) {
        label[i] = (uint32_t)hd_rng_below(&rng, K);
        for (size_t j = 0; j < D; j++) x[i * D + j] = hd_rng_normal(&rng) + label[i];
    }
}

// The definition, word by word.
static double plain(const double *x, const uint32_t *label) {
    double total = 0;
    for (size_t i = 0; i < N; i++) {
        double mean[K] = {0}, count[K] = {0};
        for (size_t j = 0; j < N; j++) {
            if (j == i) continue;
            double squared = 0;
            for (size_t t = 0; t < D; t++) squared += pow(x[i * D + t] - x[j * D + t], 2);
            mean[label[j]] += sqrt(squared);
            count[label[j]]++;
        }
        double a = mean[label[i]] / count[label[i]], b = INFINITY;
        for (size_t c = 0; c < K; c++) {
            if (c != label[i]) b = fmin(b, mean[c] / count[c]);
        }
        total += (b - a) / fmax(a, b);
    }
    return total / N;
}

static void test_against_definition(void **state) {
    (void)state;
    static double x[N * D];
    static uint32_t label[N];
    make(x, label);
    double whole, sampled, again, threaded;
    assert_int_equal(hd_silhouette(x, N, D, label, K, 0, 1, NULL, &whole), HEED_OK);
    assert_true(fabs(whole - plain(x, label)) < 1e-12);
    assert_int_equal(hd_silhouette(x, N, D, label, K, N + 5, 1, NULL, &again), HEED_OK);
    assert_true(again == whole);
    assert_int_equal(hd_silhouette(x, N, D, label, K, 200, 1, NULL, &sampled), HEED_OK);
    assert_true(sampled != whole && fabs(sampled - whole) < 0.05);
    assert_int_equal(hd_silhouette(x, N, D, label, K, 200, 1, NULL, &again), HEED_OK);
    assert_true(again == sampled);
    hd_pool *pool;
    assert_int_equal(hd_pool_new(3, &pool), HEED_OK);
    assert_int_equal(hd_silhouette(x, N, D, label, K, 0, 1, pool, &threaded), HEED_OK);
    assert_true(threaded == whole);
    hd_pool_free(pool);
}

static void test_out_of_memory(void **state) {
    (void)state;
    static double x[N * D];
    static uint32_t label[N];
    make(x, label);
    size_t before = hd_mem_used();
    heed_err err = HEED_MEMORY;
    double s;
    for (uint64_t n = 1; err != HEED_OK; n++) {
        hd_mem_fail_at(n, true);
        err = hd_silhouette(x, N, D, label, K, 50, 1, NULL, &s);
        hd_mem_fail_at(0, false);
        assert_true(err == HEED_OK || err == HEED_MEMORY);
        assert_int_equal(hd_mem_used(), before);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_against_definition),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
