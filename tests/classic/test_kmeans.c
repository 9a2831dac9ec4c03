// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "classic/kmeans.h"

static hd_kmeans_params with_k(size_t k) {
    hd_kmeans_params params = hd_kmeans_params_default();
    params.k = k;
    return params;
}

static void test_two_heaps(void **state) {
    (void)state;
    const double x[] = {0, 0, 0, 2, 2, 0, 2, 2, 1, 1, 10, 10, 10, 12};
    hd_kmeans_params params = with_k(2);
    hd_kmeans model;
    assert_int_equal(hd_kmeans_fit(x, 7, 2, &params, NULL, &model), HEED_OK);
    const double centre[] = {1, 1, 10, 11}; // the larger heap first
    assert_memory_equal(model.centre, centre, sizeof centre);
    const uint32_t label[] = {0, 0, 0, 0, 0, 1, 1};
    assert_memory_equal(model.label, label, sizeof label);
    assert_int_equal(model.size[0], 5);
    assert_int_equal(model.size[1], 2);
    assert_true(model.inertia == 10.0);
    const double point[] = {9, 11};
    double distance;
    assert_int_equal(hd_kmeans_nearest(&model, point, &distance), 1);
    assert_true(distance == 1.0);
    hd_kmeans_clear(&model);
}

static double inertia_of(const double *x, size_t n, size_t d, const uint32_t *label, size_t k) {
    double total = 0;
    for (size_t c = 0; c < k; c++) {
        for (size_t j = 0; j < d; j++) {
            double sum = 0, squares = 0;
            size_t count = 0;
            for (size_t i = 0; i < n; i++) {
                if (label[i] != c) continue;
                sum += x[i * d + j];
                squares += x[i * d + j] * x[i * d + j];
                count++;
            }
            if (count > 0) total += squares - sum * sum / (double)count;
        }
    }
    return total;
}

// Against every way of labelling eight points.
static void test_best_of_all(void **state) {
    (void)state;
    enum { N = 8, D = 2, K = 3, WAYS = 6561 };
    for (uint64_t seed = 0; seed < 20; seed++) {
        hd_rng rng = hd_rng_make(seed, 5);
        double x[N * D];
        for (size_t i = 0; i < N * D; i++) x[i] = hd_rng_normal(&rng);
        double best = INFINITY;
        for (int way = 0; way < WAYS; way++) {
            uint32_t label[N];
            for (int i = 0, rest = way; i < N; i++, rest /= K) label[i] = (uint32_t)(rest % K);
            best = fmin(best, inertia_of(x, N, D, label, K));
        }
        hd_kmeans_params params = with_k(K);
        params.restarts = 60;
        hd_kmeans model;
        assert_int_equal(hd_kmeans_fit(x, N, D, &params, NULL, &model), HEED_OK);
        assert_true(fabs(model.inertia - best) < 1e-9);
        assert_true(fabs(inertia_of(x, N, D, model.label, K) - best) < 1e-9);
        hd_kmeans_clear(&model);
    }
}

enum { MANY = 3000, DIMS = 5 };

static void make_many(double *x, uint64_t seed) {
    hd_rng rng = hd_rng_make(seed, 1);
    for (size_t i = 0; i < MANY; i++) {
        for (size_t j = 0; j < DIMS; j++) {
            x[i * DIMS + j] = hd_rng_normal(&rng) + (double)(i % 4 * 3 * (j % 2));
        }
    }
}

// What makes a fit one: each point at its nearest centre, each centre the mean of its points.
static void check_fixed_point(const hd_kmeans *model, const double *x) {
    size_t size[16] = {0};
    double sum[16 * DIMS] = {0};
    for (size_t i = 0; i < MANY; i++) {
        uint32_t c = model->label[i];
        assert_int_equal(hd_kmeans_nearest(model, x + i * DIMS, NULL), c);
        size[c]++;
        for (size_t j = 0; j < DIMS; j++) sum[c * DIMS + j] += x[i * DIMS + j];
    }
    for (size_t c = 0; c < model->k; c++) {
        assert_int_equal(model->size[c], size[c]);
        assert_true(c == 0 || size[c] <= size[c - 1]);
        for (size_t j = 0; j < DIMS; j++) {
            assert_true(fabs(model->centre[c * DIMS + j] - sum[c * DIMS + j] / (double)size[c]) <
                        1e-9);
        }
    }
}

static void test_threads_and_seeds(void **state) {
    (void)state;
    static double x[MANY * DIMS];
    make_many(x, 1);
    hd_kmeans_params params = with_k(6);
    hd_kmeans one, same;
    assert_int_equal(hd_kmeans_fit(x, MANY, DIMS, &params, NULL, &one), HEED_OK);
    check_fixed_point(&one, x);
    for (size_t threads = 1; threads <= 3; threads++) {
        hd_pool *pool;
        assert_int_equal(hd_pool_new(threads, &pool), HEED_OK);
        assert_int_equal(hd_kmeans_fit(x, MANY, DIMS, &params, pool, &same), HEED_OK);
        assert_memory_equal(one.centre, same.centre, 6 * DIMS * sizeof *one.centre);
        assert_memory_equal(one.label, same.label, MANY * sizeof *one.label);
        assert_memory_equal(&one.inertia, &same.inertia, sizeof one.inertia);
        hd_kmeans_clear(&same);
        hd_pool_free(pool);
    }
    params.restarts = 1;
    assert_int_equal(hd_kmeans_fit(x, MANY, DIMS, &params, NULL, &same), HEED_OK);
    assert_true(same.inertia >= one.inertia);
    hd_kmeans_clear(&same);
    params.max_iterations = 1;
    assert_int_equal(hd_kmeans_fit(x, MANY, DIMS, &params, NULL, &same), HEED_OK);
    assert_int_equal(same.iterations, 1);
    hd_kmeans_clear(&same);
    hd_kmeans_clear(&one);
}

// Few different points, many times over: no cluster stays empty.
static void test_no_empty_cluster(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 30; seed++) {
        hd_rng rng = hd_rng_make(seed, 3);
        double x[60];
        for (size_t i = 0; i < 60; i++) x[i] = (double)hd_rng_below(&rng, 100) * (i % 10 == 0);
        for (size_t i = 0; i < 10; i++) x[i] = (double)i * 0.001;
        hd_kmeans_params params = with_k(10);
        params.seed = seed;
        params.restarts = 3;
        for (params.max_iterations = 1; params.max_iterations < 5; params.max_iterations++) {
            hd_kmeans model;
            assert_int_equal(hd_kmeans_fit(x, 60, 1, &params, NULL, &model), HEED_OK);
            size_t total = 0;
            for (size_t c = 0; c < 10; c++) {
                assert_true(model.size[c] > 0);
                total += model.size[c];
            }
            assert_int_equal(total, 60);
            hd_kmeans_clear(&model);
        }
    }
}

// One of the rare starts from which a cluster loses all of its points on the way.
static void test_cluster_runs_empty(void **state) {
    (void)state;
    enum { POINTS = 24 };
    double x[2 * POINTS];
    hd_rng rng = hd_rng_make(2319, 32);
    for (size_t i = 0; i < 2 * POINTS; i++) {
        x[i] = hd_rng_exponential(&rng);
        x[i] *= hd_rng_exponential(&rng);
    }
    hd_kmeans_params params = with_k(8);
    params.restarts = 1;
    hd_kmeans model;
    for (params.max_iterations = 1; params.max_iterations < 20; params.max_iterations++) {
        assert_int_equal(hd_kmeans_fit(x, POINTS, 2, &params, NULL, &model), HEED_OK);
        for (size_t c = 0; c < 8; c++) assert_true(model.size[c] > 0);
        if (model.iterations < params.max_iterations) {
            for (size_t i = 0; i < POINTS; i++) {
                assert_int_equal(hd_kmeans_nearest(&model, x + 2 * i, NULL), model.label[i]);
            }
        }
        hd_kmeans_clear(&model);
    }
}

static void test_one_each(void **state) {
    (void)state;
    const double x[] = {5, 1, 3};
    hd_kmeans_params params = with_k(3);
    hd_kmeans model;
    assert_int_equal(hd_kmeans_fit(x, 3, 1, &params, NULL, &model), HEED_OK);
    assert_true(model.inertia == 0.0);
    assert_true(model.centre[0] == 1 && model.centre[1] == 3 && model.centre[2] == 5);
    hd_kmeans_clear(&model);
    params.k = 1;
    assert_int_equal(hd_kmeans_fit(x, 3, 1, &params, NULL, &model), HEED_OK);
    assert_true(model.centre[0] == 3.0 && model.inertia == 8.0);
    hd_kmeans_clear(&model);
}

static void test_refuses(void **state) {
    (void)state;
    double x[] = {1, 1, 1, 1, 2};
    hd_kmeans_params params = with_k(3);
    hd_kmeans model;
    assert_int_equal(hd_kmeans_fit(x, 5, 1, &params, NULL, &model), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "there are 2"));
    params.k = 6;
    assert_int_equal(hd_kmeans_fit(x, 5, 1, &params, NULL, &model), HEED_INPUT);
    params.k = 0;
    assert_int_equal(hd_kmeans_fit(x, 5, 1, &params, NULL, &model), HEED_INPUT);
    params.k = 2;
    params.restarts = 0;
    assert_int_equal(hd_kmeans_fit(x, 5, 1, &params, NULL, &model), HEED_INPUT);
    params.restarts = 1;
    const double bad[] = {NAN, INFINITY, -INFINITY, 1e300};
    for (size_t i = 0; i < 4; i++) {
        x[3] = bad[i];
        assert_int_equal(hd_kmeans_fit(x, 5, 1, &params, NULL, &model), HEED_INPUT);
        assert_non_null(strstr(heed_error_message(HEED_EN), "point 3"));
    }
    hd_kmeans_clear(&(hd_kmeans){0});
}

static void test_out_of_memory(void **state) {
    (void)state;
    const double x[] = {0, 1, 2, 10, 11, 12};
    hd_kmeans_params params = with_k(2);
    size_t before = hd_mem_used();
    heed_err err = HEED_MEMORY;
    for (uint64_t n = 1; err != HEED_OK; n++) {
        hd_kmeans model = {0};
        hd_mem_fail_at(n, true);
        err = hd_kmeans_fit(x, 6, 1, &params, NULL, &model);
        hd_mem_fail_at(0, false);
        assert_true(err == HEED_OK || err == HEED_MEMORY);
        hd_kmeans_clear(&model);
        assert_int_equal(hd_mem_used(), before);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_heaps),
        cmocka_unit_test(test_best_of_all),
        cmocka_unit_test(test_threads_and_seeds),
        cmocka_unit_test(test_no_empty_cluster),
        cmocka_unit_test(test_cluster_runs_empty),
        cmocka_unit_test(test_one_each),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
