// SPDX-License-Identifier: Apache-2.0
//
// Weights against brute force: no other point of a grid over the simplex (and, of classes, over
// how sharp) has a smaller loss.
#include "measure/blend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "heed/error.h"

enum { ROWS = 300, K = 3, MODELS = 3 };

typedef struct made {
    float scores[MODELS][ROWS * K], targets[ROWS * K];
    int32_t labels[ROWS];
    hd_predictions each[MODELS];
} made;

// The first model knows half of the classes, the second the other half, the third nothing.
static void make_classes(made *d) {
    hd_rng rng = hd_rng_make(7, 0);
    for (size_t i = 0; i < ROWS; i++) {
        d->labels[i] = (int32_t)(hd_rng_uniform(&rng) * K);
        for (size_t m = 0; m < MODELS; m++) {
            double sum = 0, p[K];
            bool knows = m < 2 && (i % 2 == m || hd_rng_uniform(&rng) < .3);
            for (size_t c = 0; c < K; c++) {
                double z =
                    2 * hd_rng_uniform(&rng) + (knows && (int32_t)c == d->labels[i] ? 1.5 : 0);
                sum += p[c] = exp(z);
            }
            for (size_t c = 0; c < K; c++) d->scores[m][i * K + c] = (float)(p[c] / sum);
        }
    }
    for (size_t m = 0; m < MODELS; m++)
        d->each[m] = (hd_predictions){.task = HD_TASK_CLASSES,
                                      .n = ROWS,
                                      .k = K,
                                      .scores = d->scores[m],
                                      .labels = d->labels};
}

static void make_values(made *d) {
    hd_rng rng = hd_rng_make(9, 0);
    for (size_t i = 0; i < ROWS * K; i++) {
        double y = 4 * hd_rng_uniform(&rng) - 2;
        d->targets[i] = (float)y;
        d->scores[0][i] = (float)(y + 2 * hd_rng_uniform(&rng) - 1);
        d->scores[1][i] = (float)(y + 3 * hd_rng_uniform(&rng) - 1.5);
        d->scores[2][i] = (float)(8 + 3 * hd_rng_uniform(&rng));
    }
    for (size_t m = 0; m < MODELS; m++)
        d->each[m] = (hd_predictions){.task = HD_TASK_VALUES,
                                      .n = ROWS,
                                      .k = K,
                                      .scores = d->scores[m],
                                      .targets = d->targets};
}

static double loss_of(const made *d, const hd_blend *b) {
    static float mixed[ROWS * K];
    const float *at[MODELS] = {d->scores[0], d->scores[1], d->scores[2]};
    double sum = 0;
    hd_blend_mix(b, at, ROWS, K, mixed);
    for (size_t i = 0; i < ROWS; i++) {
        if (b->task == HD_TASK_CLASSES) {
            sum -= log((double)mixed[i * K + (size_t)d->labels[i]]);
            continue;
        }
        for (size_t c = 0; c < K; c++) {
            double miss = (double)mixed[i * K + c] - (double)d->targets[i * K + c];
            sum += miss * miss;
        }
    }
    return sum / ROWS;
}

static void must_be_lowest(const made *d, const hd_blend *b) {
    enum { GRID = 20 };
    double found = loss_of(d, b);
    for (int i = 0; i <= GRID; i++) {
        for (int j = 0; i + j <= GRID; j++) {
            for (double sharp = .25; sharp < 4; sharp *= 1.25) {
                hd_blend other = {b->task,
                                  MODELS,
                                  b->task == HD_TASK_CLASSES ? sharp : 1,
                                  {(double)i / GRID, (double)j / GRID, 1 - (double)(i + j) / GRID}};
                assert_true(found <= loss_of(d, &other) + 1e-5);
            }
        }
    }
}

static void must_be_sound(const hd_blend *b) {
    double sum = 0;
    for (size_t m = 0; m < b->m; m++) {
        assert_true(b->weights[m] >= 0);
        sum += b->weights[m];
    }
    assert_true(fabs(sum - 1) < 1e-12);
    assert_true(hd_blend_sound(b));
}

static void no_other_weights_are_better(void **state) {
    (void)state;
    static made d;
    hd_blend b;
    make_classes(&d);
    assert_int_equal(hd_blend_fit(d.each, MODELS, &b), HEED_OK);
    must_be_sound(&b);
    must_be_lowest(&d, &b);
    assert_true(b.weights[0] > .2 && b.weights[1] > .2 && b.weights[2] < .05);
    make_values(&d);
    assert_int_equal(hd_blend_fit(d.each, MODELS, &b), HEED_OK);
    must_be_sound(&b);
    must_be_lowest(&d, &b);
    assert_true(b.weights[2] < .02 && b.sharp >= 1 && b.sharp <= 1);
}

// A part that always says nothing, two that say the same, one alone, one that is sure and wrong.
static void odd_parts_are_borne(void **state) {
    (void)state;
    static made d;
    hd_blend b;
    make_classes(&d);
    for (size_t i = 0; i < ROWS * K; i++) d.scores[2][i] = 1 / (float)K;
    d.each[1].scores = d.scores[0];
    assert_int_equal(hd_blend_fit(d.each, MODELS, &b), HEED_OK);
    must_be_sound(&b);
    assert_int_equal(hd_blend_fit(d.each, 1, &b), HEED_OK);
    assert_true(b.weights[0] >= 1 && b.m == 1);
    for (size_t i = 0; i < ROWS * K; i++)
        d.scores[2][i] = (int32_t)(i % K) == (d.labels[i / K] + 1) % K;
    assert_int_equal(hd_blend_fit(d.each, MODELS, &b), HEED_OK);
    must_be_sound(&b);
    assert_true(b.weights[2] <= 0);
    // All are wrong: nothing is worth saying, and that is said.
    assert_int_equal(hd_blend_fit(&d.each[2], 1, &b), HEED_OK);
    must_be_sound(&b);
}

// The first part says what the labels are drawn by; the others say it blurred, so they know nothing
// that it doesn't, and any weight of theirs is chance.
static void draw_no_use(uint64_t seed, made *d) {
    hd_rng rng = hd_rng_make(seed, 0);
    make_classes(d);
    for (size_t i = 0; i < ROWS; i++) {
        double z[MODELS][K], left = hd_rng_uniform(&rng);
        for (size_t c = 0; c < K; c++) {
            z[0][c] = 4 * hd_rng_uniform(&rng);
            for (size_t m = 1; m < MODELS; m++) z[m][c] = z[0][c] + 3 * hd_rng_uniform(&rng);
        }
        for (size_t m = 0; m < MODELS; m++) {
            double sum = 0;
            for (size_t c = 0; c < K; c++) sum += z[m][c] = exp(z[m][c]);
            for (size_t c = 0; c < K; c++) d->scores[m][i * K + c] = (float)(z[m][c] / sum);
        }
        d->labels[i] = K - 1;
        for (int32_t c = K - 1; c >= 0; c--) {
            if (left >= 0) d->labels[i] = c;
            left -= (double)d->scores[0][i * K + (size_t)c];
        }
    }
}

// Values: the first part's own error is all there is, the others add some to it.
static void draw_no_use_of_values(uint64_t seed, made *d) {
    hd_rng rng = hd_rng_make(seed, 1);
    make_values(d);
    for (size_t i = 0; i < ROWS * K; i++) {
        for (size_t m = 1; m < MODELS; m++)
            d->scores[m][i] = d->scores[0][i] + (float)hd_rng_uniform(&rng) - .5F;
    }
}

static void a_blend_that_cannot_help_is_its_best_part(void **state) {
    (void)state;
    enum { DRAWS = 20 };
    static made d;
    for (int task = 0; task < 2; task++) {
        size_t kept = 0;
        for (uint64_t seed = 0; seed < DRAWS; seed++) {
            hd_blend b;
            if (task == 0)
                draw_no_use(seed, &d);
            else
                draw_no_use_of_values(seed, &d);
            assert_int_equal(hd_blend_fit(d.each, MODELS, &b), HEED_OK);
            must_be_sound(&b);
            kept += b.weights[0] >= 1;
        }
        // One standard error: it is one of six by chance.
        assert_true(kept >= DRAWS * 3 / 4);
    }
}

static void what_is_mixed_by_hand(void **state) {
    (void)state;
    const float a[2] = {.8F, .2F}, c[2] = {.5F, .5F}, *const at[] = {a, c};
    float out[2];
    hd_blend b = {HD_TASK_CLASSES, 2, 2, {.5, .5}}; // p ∝ a·c
    hd_blend_mix(&b, at, 1, 2, out);
    assert_true(fabs((double)out[0] - .8) < 1e-6 && fabs((double)out[1] - .2) < 1e-6);
    b = (hd_blend){HD_TASK_VALUES, 2, 1, {.25, .75}};
    hd_blend_mix(&b, at, 1, 2, out);
    assert_true(fabs((double)out[0] - .575) < 1e-6 && fabs((double)out[1] - .425) < 1e-6);
    // A part without weight isn't looked at.
    const float *const one[] = {a, NULL};
    b = (hd_blend){HD_TASK_CLASSES, 2, 1, {1, 0}};
    hd_blend_mix(&b, one, 1, 2, out);
    assert_true(fabs((double)out[0] - .8) < 1e-6);
}

static void what_cannot_be_blended_is_refused(void **state) {
    (void)state;
    static made d, other;
    hd_blend b;
    make_classes(&d);
    other = d;
    other.labels[5] = (other.labels[5] + 1) % K;
    d.each[1].labels = other.labels;
    assert_int_equal(hd_blend_fit(d.each, MODELS, &b), HEED_INPUT);
    make_classes(&d);
    for (size_t m = 0; m < MODELS; m++) d.each[m].n = 0; // no rows: all weigh the same
    assert_int_equal(hd_blend_fit(d.each, MODELS, &b), HEED_OK);
    must_be_sound(&b);
    assert_true(b.weights[0] >= b.weights[2] && b.weights[0] <= b.weights[2]);
    static const hd_blend bad[] = {
        {HD_TASK_CLASSES, 2, 1, {.5, .6}},         {HD_TASK_CLASSES, 2, 1, {-.5, 1.5}},
        {HD_TASK_CLASSES, 2, 0, {.5, .5}},         {HD_TASK_CLASSES, 2, (double)NAN, {.5, .5}},
        {HD_TASK_CLASSES, 2, 1, {(double)NAN, 1}}, {HD_TASK_CLASSES, 0, 1, {0}}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(hd_blend_sound(&bad[i]));
}

static void memory_that_fails_is_said(void **state) {
    (void)state;
    static made d;
    hd_blend b;
    for (int task = 0; task < 2; task++) {
        if (task == 0)
            make_classes(&d);
        else
            make_values(&d);
        // Of classes each part has a fit of its own.
        uint64_t last = task == 0 ? 4 + 2 * MODELS : 3;
        for (uint64_t n = 1; n <= last + 1; n++) {
            hd_mem_fail_at(n, true);
            heed_err err = hd_blend_fit(d.each, MODELS, &b);
            hd_mem_fail_at(0, false);
            assert_int_equal(err, n > last ? HEED_OK : HEED_MEMORY);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_other_weights_are_better),
        cmocka_unit_test(odd_parts_are_borne),
        cmocka_unit_test(a_blend_that_cannot_help_is_its_best_part),
        cmocka_unit_test(what_is_mixed_by_hand),
        cmocka_unit_test(what_cannot_be_blended_is_refused),
        cmocka_unit_test(memory_that_fails_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
