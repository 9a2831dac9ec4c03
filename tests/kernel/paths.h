// SPDX-License-Identifier: Apache-2.0
//
// For tests of kernels: every path this machine can run, random values, the largest difference.
#ifndef HD_TESTS_KERNEL_PATHS_H
#define HD_TESTS_KERNEL_PATHS_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "kernel/cpu.h"

// Runs fn(ctx) on each path that can be; with HEED_ISA set, on that one alone.
static inline void on_each_path(void (*fn)(const void *ctx), const void *ctx) {
    for (hd_isa isa = HD_ISA_REF; isa < HD_ISAS; isa++) {
        const char *only = getenv("HEED_ISA");
        if (!hd_isa_can(isa) || (only && strcmp(only, hd_isa_name(isa)) != 0)) continue;
        assert_int_equal(hd_isa_choose(hd_isa_name(isa)), HEED_OK);
        fn(ctx);
    }
    assert_int_equal(hd_isa_choose(NULL), HEED_OK);
}

// n values of −by … by; the caller frees.
static inline float *random_floats(hd_rng *rng, size_t n, double by) {
    float *x = hd_alloc_aligned(n + 1, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = (float)(by * (2 * hd_rng_uniform(rng) - 1));
    return x;
}

// |a − b| of all, at most tolerance · (1 + the largest |b|); says where not.
static inline void assert_near(const char *what, const float *a, const double *b, size_t n,
                               double tolerance) {
    double most = 1;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs(b[i]));
    for (size_t i = 0; i < n; i++) {
        if (fabs(a[i] - b[i]) <= tolerance * most || (isinf(b[i]) && a[i] == b[i])) continue;
        fail_msg("%s on %s: [%zu] is %.9g, not %.9g", what, hd_isa_name(hd_isa_get()), i,
                 (double)a[i], b[i]);
    }
}

#endif
