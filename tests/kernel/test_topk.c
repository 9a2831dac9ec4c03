// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "kernel/topk.h"

enum { MAX_N = 200 };

// The definition: choose the best that is left, k times.
static size_t reference(const float *scores, const bool *allow, size_t n, size_t k, uint32_t *out) {
    bool taken[MAX_N] = {false};
    size_t kept = 0;
    for (; kept < k; kept++) {
        size_t best = n;
        for (size_t i = 0; i < n; i++) {
            if (taken[i] || (allow && !allow[i]) || isnan(scores[i])) continue;
            if (best == n || scores[i] > scores[best]) best = i;
        }
        if (best == n) break;
        taken[best] = true;
        out[kept] = (uint32_t)best;
    }
    return kept;
}

static void test_by_hand(void **state) {
    (void)state;
    const float scores[] = {1, 3, NAN, 3, -INFINITY, 0, -0.0F, INFINITY};
    uint32_t out[8];
    assert_int_equal(hd_topk(scores, NULL, 8, 4, out), 4);
    const uint32_t want[] = {7, 1, 3, 0};
    assert_memory_equal(out, want, sizeof want);
    assert_int_equal(hd_topk(scores, NULL, 8, 100, (uint32_t[100]){0}), 7);
    assert_int_equal(hd_topk(scores, NULL, 8, 8, out), 7);
    const uint32_t all[] = {7, 1, 3, 0, 5, 6, 4}; // 0 and -0 tie, by index
    assert_memory_equal(out, all, sizeof all);
}

static void test_edges(void **state) {
    (void)state;
    const float scores[] = {1, 2};
    const bool none[] = {false, false}, second[] = {false, true};
    uint32_t out[2] = {9, 9};
    assert_int_equal(hd_topk(scores, NULL, 2, 0, out), 0);
    assert_int_equal(hd_topk(scores, NULL, 0, 2, out), 0);
    assert_int_equal(hd_topk(scores, none, 2, 2, out), 0);
    assert_int_equal(out[0], 9);
    assert_int_equal(hd_topk(scores, second, 2, 2, out), 1);
    assert_int_equal(out[0], 1);
    const float nan[] = {NAN, NAN};
    assert_int_equal(hd_topk(nan, NULL, 2, 1, out), 0);
}

// Random rows with many ties, masks and NaN agree with the definition for every k.
static void test_against_definition(void **state) {
    (void)state;
    hd_rng rng = hd_rng_make(7, 1);
    for (int round = 0; round < 300; round++) {
        size_t n = 1 + hd_rng_below(&rng, MAX_N);
        float scores[MAX_N];
        bool allow[MAX_N];
        for (size_t i = 0; i < n; i++) {
            scores[i] = (float)hd_rng_below(&rng, 20) - 5;
            if (hd_rng_below(&rng, 20) == 0) scores[i] = NAN;
            allow[i] = hd_rng_below(&rng, 3) > 0;
        }
        const bool *mask = round % 2 ? allow : NULL;
        size_t k = hd_rng_below(&rng, n + 5);
        uint32_t got[MAX_N + 5], want[MAX_N + 5];
        size_t n_got = hd_topk(scores, mask, n, k, got);
        assert_int_equal(n_got, reference(scores, mask, n, k, want));
        assert_memory_equal(got, want, n_got * sizeof *got);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_against_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
