// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "text/ngram_lm.h"
#include "text.h"

static const int32_t some[] = {0, 1, 2, 0, 1, 3, 0, 1, 2, 2, 0};

static hd_ngram_lm *fitted(size_t order) {
    hd_ngram_lm *lm;
    assert_int_equal(hd_ngram_lm_fit(some, COUNT(some), 5, order, &lm), HEED_OK);
    return lm;
}

// By hand. Order 2: the first id counts as an n-gram of one; then pairs 01 12 20 01 13 30 01 12 22
// 20: 01 three times, 12 and 20 twice, 13 30 22 once; D = 3 / (3 + 2·2) = 3/7. Order 1 counts
// different predecessors: 0 has the beginning, 2 and 3; 1 has 0; 2 has 1 and 2; 3 has 1: of 3 + 1 +
// 2 + 1 = 7; two once, one twice: D = 2 / (2 + 2·1) = 1/2.
static void test_by_hand(void **state) {
    (void)state;
    hd_ngram_lm *lm = fitted(2);
    double one[5], below = 0.5 * 4 / 7 / 5; // D · N / c · 1/V
    static const double counts[5] = {3, 1, 2, 1, 0};
    for (int w = 0; w < 5; w++) {
        one[w] = fmax(counts[w] - 0.5, 0) / 7 + below;
        assert_true(fabs(hd_ngram_lm_probability(lm, NULL, 0, w) - one[w]) < 1e-12);
    }
    const int32_t h = 1; // followed by 2 twice, by 3 once
    double d = 3.0 / 7;
    assert_true(fabs(hd_ngram_lm_probability(lm, &h, 1, 2) - ((2 - d) + d * 2 * one[2]) / 3) <
                1e-12);
    assert_true(fabs(hd_ngram_lm_probability(lm, &h, 1, 3) - ((1 - d) + d * 2 * one[3]) / 3) <
                1e-12);
    assert_true(fabs(hd_ngram_lm_probability(lm, &h, 1, 4) - d * 2 * one[4] / 3) < 1e-12);
    const int32_t never = 4;
    assert_true(fabs(hd_ngram_lm_probability(lm, &never, 1, 2) - one[2]) < 1e-12);
    hd_ngram_lm_free(lm);
}

// Behind whatever came before, probabilities are all above 0 and make 1.
static void test_sums(void **state) {
    (void)state;
    for (size_t order = 1; order <= 5; order++) {
        hd_ngram_lm *lm = fitted(order);
        for (size_t at = 0; at <= COUNT(some); at++) {
            double sum = 0;
            for (int32_t w = 0; w < 5; w++) {
                double p = hd_ngram_lm_probability(lm, some, at, w);
                assert_true(p > 0);
                sum += p;
            }
            assert_true(fabs(sum - 1) < 1e-12);
        }
        hd_ngram_lm_free(lm);
    }
}

// A text that repeats itself: a longer look back knows it better, and what is drawn goes on like
// it.
static void test_learns(void **state) {
    (void)state;
    enum { N = 2000 };
    int32_t ids[N];
    double losses[5], room[5];
    for (int i = 0; i < N; i++) ids[i] = "012013014"[i % 9] - '0';
    for (size_t order = 1; order <= 4; order++) {
        hd_ngram_lm *lm;
        assert_int_equal(hd_ngram_lm_fit(ids, N - 200, 5, order, &lm), HEED_OK);
        losses[order] = hd_ngram_lm_loss(lm, ids, N - 200, N);
        if (order == 4) {
            hd_rng rng = hd_rng_make(1, 2);
            size_t wrong = 0;
            for (size_t i = 100; i < 300; i++)
                wrong += hd_ngram_lm_sample(lm, ids, i, &rng, room) != ids[i];
            assert_true(wrong < 10);
            assert_true(hd_ngram_lm_count(lm) > 20);
            assert_true(hd_ngram_lm_bytes(lm) > 1000);
        }
        hd_ngram_lm_free(lm);
    }
    assert_true(losses[1] > 1.2 && losses[2] < 0.6 && losses[4] < 0.05);
    assert_true(losses[4] < losses[3] && losses[3] <= losses[2]);
}

static void test_edges(void **state) {
    (void)state;
    hd_ngram_lm *lm;
    assert_int_equal(hd_ngram_lm_fit(NULL, 0, 0, 99, &lm), HEED_OK);
    assert_true(hd_ngram_lm_probability(lm, NULL, 0, 0) == 1);
    assert_true(hd_ngram_lm_loss(lm, NULL, 0, 0) == 0);
    hd_ngram_lm_free(lm);
    hd_ngram_lm_free(NULL);
    for (uint64_t n = 1;; n++) {
        hd_mem_fail_at(n, true);
        heed_err err = hd_ngram_lm_fit(some, COUNT(some), 5, 3, &lm);
        hd_mem_fail_at(0, false);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
        assert_null(lm);
    }
    hd_ngram_lm_free(lm);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
