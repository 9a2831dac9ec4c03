// SPDX-License-Identifier: Apache-2.0
//
// The hinge's minimum: no step from it leads lower, whatever the rows are; the same each time; what
// happens without memory. Against scikit-learn: test_classifier.c.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "classic/hinge.h"

enum { ROWS = 60, M = 7 };

typedef struct made {
    struct feature_node nodes[ROWS * (M + 1)], *row[ROWS];
    double y[ROWS];
    hd_hinge hinge;
} made;

// Rows of which some values, and with `bare` some rows, are missing; a label by a line, one in
// eight turned round.
static void make(made *d, uint64_t seed, double cost, bool bare) {
    hd_rng rng = hd_rng_make(seed, 0);
    memset(d, 0, sizeof *d);
    for (size_t i = 0; i < ROWS; i++) {
        struct feature_node *at = d->row[i] = d->nodes + i * (M + 1);
        double line = 0;
        for (int j = 0; j < M && !(bare && i % 5 == 0); j++) {
            const double value = hd_rng_normal(&rng);
            if (hd_rng_below(&rng, 3) == 0) continue;
            *at++ = (struct feature_node){j + 1, value};
            line += value * (j - 3);
        }
        at->index = -1;
        d->y[i] = (line > 0) == (hd_rng_below(&rng, 8) > 0) ? 1 : -1;
    }
    d->hinge = (hd_hinge){
        .n = ROWS, .row = d->row, .y = d->y, .cost = {cost, 2 * cost}, .tolerance = 1e-6};
}

static double objective(const hd_hinge *h, const double *w) {
    double sum = 0;
    for (size_t j = 0; j < M; j++) sum += w[j] * w[j] / 2;
    for (size_t i = 0; i < h->n; i++) {
        double value = 0;
        for (const struct feature_node *at = h->row[i]; at->index != -1; at++)
            value += at->value * w[at->index - 1];
        sum += h->cost[h->y[i] > 0] * fmax(0, 1 - h->y[i] * value);
    }
    return sum;
}

// (What is convex and can't be lowered by a small step can't be lowered at all.)
static void no_step_leads_lower(void **state) {
    (void)state;
    static made d;
    hd_rng rng = hd_rng_make(9, 9);
    for (uint64_t seed = 1; seed <= 12; seed++) {
        double w[M] = {0}, away[M];
        make(&d, seed, seed % 3 == 0 ? .5 : seed % 3 == 1 ? .1 : .01, seed % 2 == 0);
        assert_int_equal(hd_hinge_fit(&d.hinge, w), HEED_OK);
        const double least = objective(&d.hinge, w);
        assert_true(least < objective(&d.hinge, (double[M]){0}));
        for (size_t i = 0; i < 4000; i++) {
            const double far = pow(10, -1 - (double)(i % 4));
            for (size_t j = 0; j < M; j++) away[j] = w[j] + far * hd_rng_normal(&rng);
            assert_true(objective(&d.hinge, away) > least - 1e-5 * (1 + least));
        }
    }
}

static void the_same_each_time(void **state) {
    (void)state;
    static made d;
    double w[M] = {0}, again[M] = {0};
    make(&d, 4, 1, false);
    assert_int_equal(hd_hinge_fit(&d.hinge, w), HEED_OK);
    assert_int_equal(hd_hinge_fit(&d.hinge, again), HEED_OK);
    assert_memory_equal(w, again, sizeof w);
}

// Two points at 1 and −1: half the margin each, so that w is 1; with little weight 2·C.
static void two_points(void **state) {
    (void)state;
    struct feature_node one[] = {{1, 1}, {-1, 0}}, other[] = {{1, -1}, {-1, 0}};
    struct feature_node *const row[] = {one, other};
    const double y[] = {1, -1};
    hd_hinge h = {.n = 2, .row = row, .y = y, .cost = {5, 5}, .tolerance = 1e-9};
    double w = 0;
    assert_int_equal(hd_hinge_fit(&h, &w), HEED_OK);
    assert_true(fabs(w - 1) < 1e-9);
    h.cost[0] = h.cost[1] = .1, w = 0;
    assert_int_equal(hd_hinge_fit(&h, &w), HEED_OK);
    assert_true(fabs(w - .2) < 1e-9);
}

static void memory_that_runs_out_is_told(void **state) {
    (void)state;
    static made d;
    make(&d, 4, 1, false);
    for (uint64_t n = 1; n <= 3; n++) {
        double w[M] = {0};
        hd_mem_fail_at(n, false);
        heed_err err = hd_hinge_fit(&d.hinge, w);
        hd_mem_fail_at(0, false);
        assert_int_equal(err, HEED_MEMORY);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_step_leads_lower),
        cmocka_unit_test(the_same_each_time),
        cmocka_unit_test(two_points),
        cmocka_unit_test(memory_that_runs_out_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
