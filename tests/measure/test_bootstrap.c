// SPDX-License-Identifier: Apache-2.0
//
// Intervals: what they must be for values whose answer is known, that threads don't change them,
// and the paired difference of two methods.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "measure/bootstrap.h"
#include "measure/ranking.h"

enum { N = 2000, M = 3 };

// Columns: normal, constant, twice the first plus one.
static void fill(double *values, size_t n) {
    hd_rng rng = hd_rng_make(7, 7);
    for (size_t i = 0; i < n; i++) {
        values[i * M] = hd_rng_normal(&rng);
        values[i * M + 1] = .25;
        values[i * M + 2] = 2 * values[i * M] + 1;
    }
}

static void as_theory_says(void **state) {
    (void)state;
    static double values[N * M];
    double low[M], high[M], mean = 0, square = 0;
    fill(values, N);
    for (size_t i = 0; i < N; i++) mean += values[i * M] / N;
    for (size_t i = 0; i < N; i++) square += pow(values[i * M] - mean, 2) / N;
    assert_int_equal(hd_bootstrap_means(values, N, M, 4000, 1, NULL, low, high), HEED_OK);
    double half = 1.96 * sqrt(square / N);
    assert_true(fabs(low[0] - (mean - half)) < .08 * half);
    assert_true(fabs(high[0] - (mean + half)) < .08 * half);
    assert_true(low[1] == .25 && high[1] == .25);
    // All columns see the same draws.
    assert_true(fabs(low[2] - (2 * low[0] + 1)) < 1e-12);
    assert_true(fabs(high[2] - (2 * high[0] + 1)) < 1e-12);
}

static void threads_change_nothing(void **state) {
    (void)state;
    static double values[N * M];
    double low[4][M], high[4][M];
    fill(values, N);
    for (size_t threads = 1; threads <= 3; threads++) {
        hd_pool *pool = NULL;
        assert_int_equal(hd_pool_new(threads, &pool), HEED_OK);
        assert_int_equal(
            hd_bootstrap_means(values, N, M, 333, 5, pool, low[threads], high[threads]), HEED_OK);
        hd_pool_free(pool);
    }
    assert_memory_equal(low[1], low[2], sizeof low[1]);
    assert_memory_equal(low[1], low[3], sizeof low[1]);
    assert_memory_equal(high[1], high[3], sizeof high[1]);
    assert_int_equal(hd_bootstrap_means(values, N, M, 333, 6, NULL, low[0], high[0]), HEED_OK);
    assert_true(low[0][0] != low[1][0]); // another seed, other draws
}

static void smallest(void **state) {
    (void)state;
    const double one[] = {3, 4};
    double low[2], high[2];
    assert_int_equal(hd_bootstrap_means(one, 1, 2, 1, 1, NULL, low, high), HEED_OK);
    assert_true(low[0] == 3 && high[0] == 3 && low[1] == 4 && high[1] == 4);
    // Of two users with 0 and 1, a resample has mean 0, 1/2 or 1.
    const double two[] = {0, 1};
    assert_int_equal(hd_bootstrap_means(two, 2, 1, 1000, 1, NULL, low, high), HEED_OK);
    assert_true(low[0] == 0 && high[0] == 1);
}

// A world of 60 users and 20 items in which nobody has anything but item 0.
typedef struct lists {
    hd_sparse train, columns;
    uint32_t relevant[60];
    uint32_t good[60][3], poor[60][3];
    hd_rank_case a[60], b[60];
    hd_rank_context context;
} lists;

static int setup(void **state) {
    static lists l;
    static hd_sparse_entry entries[60];
    for (uint32_t u = 0; u < 60; u++) entries[u] = (hd_sparse_entry){u, 0, 1, 0, 0};
    assert_int_equal(hd_sparse_build(entries, 60, 60, 20, false, false, &l.train), HEED_OK);
    assert_int_equal(hd_sparse_transpose(&l.train, &l.columns), HEED_OK);
    for (uint32_t u = 0; u < 60; u++) {
        l.relevant[u] = 1 + u % 10;
        uint32_t good[] = {u % 3 ? 15 : l.relevant[u], l.relevant[u], 12};
        if (u % 3 == 0) good[1] = 15;
        uint32_t poor[] = {13, u % 4 ? 14 : l.relevant[u], 11};
        memcpy(l.good[u], good, sizeof good);
        memcpy(l.poor[u], poor, sizeof poor);
        l.a[u] = (hd_rank_case){u, l.poor[u], 3, &l.relevant[u], 1};
        l.b[u] = (hd_rank_case){u, l.good[u], 3, &l.relevant[u], 1};
    }
    l.context = (hd_rank_context){&l.train, &l.columns, 3, 500};
    *state = &l;
    return 0;
}

static int teardown(void **state) {
    lists *l = *state;
    hd_sparse_clear(&l->train);
    hd_sparse_clear(&l->columns);
    return 0;
}

static void paired_difference(void **state) {
    const lists *l = *state;
    hd_metric_value v;
    // Good hits all 60 users, poor every fourth.
    assert_int_equal(hd_rank_compare(&l->context, l->a, l->b, 60, "hr", 3, NULL, &v), HEED_OK);
    assert_string_equal(v.name, "hr@3");
    assert_true(v.interval && v.value == .75 && v.low > .5 && v.low < .75 && v.high > .75);
    // A third of good's hits are first, the others second: 1/3 − 0.
    assert_int_equal(hd_rank_compare(&l->context, l->a, l->b, 60, "mrr", 1, NULL, &v), HEED_OK);
    assert_true(fabs(v.value - 1. / 3) < 1e-15);
    assert_int_equal(hd_rank_compare(&l->context, l->a, l->a, 60, "ndcg", 3, NULL, &v), HEED_OK);
    assert_true(v.value == 0 && v.low == 0 && v.high == 0);
    hd_metric_value back;
    assert_int_equal(hd_rank_compare(&l->context, l->a, l->b, 60, "ndcg", 3, NULL, &v), HEED_OK);
    assert_int_equal(hd_rank_compare(&l->context, l->b, l->a, 60, "ndcg", 3, NULL, &back), HEED_OK);
    assert_true(v.value == -back.value && fabs(v.low + back.high) < 1e-15);
}

static void mean_is_the_measured_one(void **state) {
    const lists *l = *state;
    const size_t k = 3;
    hd_metric_value *got = NULL;
    size_t n = 0;
    assert_int_equal(hd_rank_measure(&l->context, l->b, 60, &k, 1, NULL, &got, &n), HEED_OK);
    for (size_t i = 0; i < n; i++) {
        const char *name = hd_rank_metric_at(i)->name;
        double mean;
        if (got[i].interval) {
            assert_int_equal(hd_rank_mean(&l->context, l->b, 60, name, 3, NULL, &mean), HEED_OK);
            assert_true(mean == got[i].value);
            // Constant columns come within rounding of their mean.
            assert_true(got[i].low <= mean + 1e-12 && mean <= got[i].high + 1e-12);
        } else {
            assert_int_equal(hd_rank_mean(&l->context, l->b, 60, name, 3, NULL, &mean), HEED_USAGE);
        }
    }
    hd_free(got);
}

static void wrong_names(void **state) {
    const lists *l = *state;
    hd_metric_value v;
    assert_int_equal(hd_rank_compare(&l->context, l->a, l->b, 60, "ndgc", 3, NULL, &v),
                     HEED_NOT_FOUND);
    assert_non_null(strstr(heed_error_message(HEED_EN), "'ndgc'"));
    assert_int_equal(hd_rank_compare(&l->context, l->a, l->b, 60, "gini", 3, NULL, &v), HEED_USAGE);
    assert_non_null(strstr(heed_error_message(HEED_ZH), "gini"));
}

static void memory_runs_out(void **state) {
    const lists *l = *state;
    size_t used = hd_mem_used();
    heed_err err = HEED_MEMORY;
    uint64_t nth = 1;
    for (; err == HEED_MEMORY; nth++) {
        hd_metric_value v;
        hd_mem_fail_at(nth, true);
        err = hd_rank_compare(&l->context, l->a, l->b, 60, "novelty", 3, NULL, &v);
        hd_mem_fail_at(0, true);
        assert_int_equal(hd_mem_used(), used);
    }
    assert_int_equal(err, HEED_OK);
    assert_true(nth > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_theory_says),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(smallest),
        cmocka_unit_test(paired_difference),
        cmocka_unit_test(mean_is_the_measured_one),
        cmocka_unit_test(wrong_names),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
