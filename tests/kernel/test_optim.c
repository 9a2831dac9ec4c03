// SPDX-License-Identifier: Apache-2.0
//
// Optimiser steps against their formulas in double, and the same bits however the work is cut.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "kernel/cpu.h"
#include "kernel/kernels.h"
#include "kernel/optim.h"

enum { N = 203 };

typedef struct values {
    float w[N], g[N], m[N], v[N];
} values;

static values drawn(void) {
    values x;
    hd_rng rng = hd_rng_make(7, 0);
    for (int i = 0; i < N; i++) {
        x.w[i] = (float)hd_rng_normal(&rng);
        x.g[i] = (float)hd_rng_normal(&rng);
        x.m[i] = (float)hd_rng_normal(&rng) * 0.1F;
        x.v[i] = (float)hd_rng_uniform(&rng);
    }
    x.w[3] = 0;
    return x;
}

static const hd_optim_args args = {.rate = 0.01F,
                                   .decay = 0.1F,
                                   .l1 = 0.02F,
                                   .l2 = 0.03F,
                                   .scale = 0.5F,
                                   .clip = 0.4F,
                                   .momentum = 0.9F,
                                   .beta1 = 0.9F,
                                   .beta2 = 0.99F,
                                   .epsilon = 1e-8F,
                                   .c1 = 0.271F,
                                   .c2 = 0.0297F};

static double effective(const values *x, int i) {
    double g = (double)x->g[i] * 0.5, w = (double)x->w[i];
    g = g > 0.4 ? 0.4 : g < -0.4 ? -0.4 : g;
    return g + 0.03 * w + 0.02 * ((w > 0) - (w < 0));
}

typedef void (*reference)(double *w, double e, double *m, double *v);
static const double rate = 0.01, keep = 1 - 0.01 * 0.1;

static void ref_sgd(double *w, double e, double *m, double *v) {
    (void)m;
    (void)v;
    *w = *w * keep - rate * e;
}
static void ref_momentum(double *w, double e, double *m, double *v) {
    (void)v;
    *m = 0.9 * *m + e;
    *w = *w * keep - rate * *m;
}
static void ref_nesterov(double *w, double e, double *m, double *v) {
    (void)v;
    *m = 0.9 * *m + e;
    *w = *w * keep - rate * (e + 0.9 * *m);
}
static void ref_rmsprop(double *w, double e, double *m, double *v) {
    *v = 0.99 * *v + 0.01 * e * e;
    *m = 0.9 * *m + e / (sqrt(*v) + 1e-8);
    *w = *w * keep - rate * *m;
}
static void ref_adagrad(double *w, double e, double *m, double *v) {
    (void)m;
    *v += e * e;
    *w = *w * keep - rate * e / (sqrt(*v) + 1e-8);
}
static void ref_adam(double *w, double e, double *m, double *v) {
    *m = 0.9 * *m + 0.1 * e;
    *v = 0.99 * *v + 0.01 * e * e;
    *w = *w * keep - rate * (*m / 0.271) / (sqrt(*v / 0.0297) + 1e-8);
}

static void check(hd_optim_fn fn, reference ref) {
    values x = drawn(), cut = drawn();
    const values before = drawn();
    fn(N, x.w, x.g, x.m, x.v, &args);
    for (int i = 0; i < N; i++) {
        double w = (double)before.w[i], m = (double)before.m[i], v = (double)before.v[i];
        ref(&w, effective(&before, i), &m, &v);
        assert_true(fabs((double)x.w[i] - w) < 3e-6 * (1 + fabs(w)));
        assert_true(fabs((double)x.m[i] - m) < 2e-6 * (1 + fabs(m)));
        assert_true(fabs((double)x.v[i] - v) < 2e-6);
    }
    fn(17, cut.w, cut.g, cut.m, cut.v, &args);
    fn(N - 17, cut.w + 17, cut.g + 17, cut.m + 17, cut.v + 17, &args);
    assert_memory_equal(&x, &cut, sizeof x);
}

static void check_lamb(const hd_optim_kernels *k) {
    values x = drawn();
    const values before = drawn();
    k->lamb(N, x.w, x.g, x.m, x.v, &args);
    assert_memory_equal(x.w, before.w, sizeof x.w);
    for (int i = 0; i < N; i++) {
        double e = effective(&before, i), m = 0.9 * (double)before.m[i] + 0.1 * e;
        double v = 0.99 * (double)before.v[i] + 0.01 * e * e;
        double u = (m / 0.271) / (sqrt(v / 0.0297) + 1e-8) + 0.1 * (double)before.w[i];
        assert_true(fabs((double)x.g[i] - u) < 4e-6 * (1 + fabs(u)));
    }
    k->step(N, x.w, x.g, 0.25F);
    for (int i = 0; i < N; i++) assert_true(x.w[i] == before.w[i] - 0.25F * x.g[i]);
}

static void check_rest(const hd_optim_kernels *k) {
    values x = drawn();
    double sum = 0;
    for (int i = 0; i < N; i++) sum += (double)x.w[i] * (double)x.w[i];
    assert_true(fabs((double)k->squares(N, x.w) - sum) < 1e-5 * sum);
    assert_true(k->squares(0, x.w) == 0);
    k->average(N, x.m, x.w, 0.75F);
    const values before = drawn();
    for (int i = 0; i < N; i++) {
        assert_true(x.m[i] == before.m[i] + 0.25F * (x.w[i] - before.m[i]));
    }
    x.w[100] = NAN;
    assert_true(isnan(k->squares(N, x.w)));
    x.w[100] = INFINITY;
    assert_true(isinf(k->squares(N, x.w)));
}

static void test_every_path(void **state) {
    (void)state;
    values first;
    bool has_first = false;
    for (int isa = 0; isa < HD_ISAS; isa++) {
        if (!hd_isa_can((hd_isa)isa)) {
            print_message("skipped: %s can't be run here\n", hd_isa_name((hd_isa)isa));
            continue;
        }
        assert_int_equal(hd_isa_choose(hd_isa_name((hd_isa)isa)), HEED_OK);
        const hd_optim_kernels *k = hd_kernels_get()->optim;
        check(k->sgd, ref_sgd);
        check(k->momentum, ref_momentum);
        check(k->nesterov, ref_nesterov);
        check(k->rmsprop, ref_rmsprop);
        check(k->adagrad, ref_adagrad);
        check(k->adam, ref_adam);
        check_lamb(k);
        check_rest(k);
        values x = drawn(); // the same bits on every path
        k->adam(N, x.w, x.g, x.m, x.v, &args);
        x.m[0] = k->squares(N, x.g);
        if (!has_first) first = x;
        has_first = true;
        assert_memory_equal(&first, &x, sizeof x);
    }
    assert_int_equal(hd_isa_choose(NULL), HEED_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_path)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
