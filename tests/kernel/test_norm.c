// SPDX-License-Identifier: Apache-2.0
//
// Norms of columns whose rows are several pieces, against their formulas in double: far from zero,
// in place, and the same bits for any number of threads. (Small ones: tests/tensor/test_ops.c.)
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "kernel/cpu.h"
#include "kernel/norm.h"

#define ok(call) assert_int_equal((call), HEED_OK)

typedef struct run {
    size_t count, stats;
    float *x, *dy, *residual, *y, *dx, *through, *mean, *scale, *dgamma, *dbeta;
} run;

static float *draw(size_t n, uint64_t stream, float shift) {
    float *x = hd_alloc(n * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(hd_rng_at(3, stream, i) >> 40) * 0x1p-24F - 0.5F + shift;
    return x;
}

static void run_drop(run *r) {
    float *all[] = {r->x,    r->dy,      r->residual, r->y,      r->dx,
                    r->mean, r->through, r->scale,    r->dgamma, r->dbeta};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) hd_free(all[i]);
}

// Forward and backward; in place: y over residual, dx over x, through over dy.
static run run_make(const hd_norm *n, size_t threads, bool in_place) {
    run r = {.count = n->n * n->rows * n->c, .stats = n->n * n->groups};
    hd_pool *pool;
    ok(hd_pool_new(threads, &pool));
    void *room = hd_alloc_aligned(hd_norm_workspace(n), 1);
    assert_non_null(room);
    r.x = draw(r.count, 1, 40), r.dy = draw(r.count, 2, 0), r.residual = draw(r.count, 3, 0);
    r.y = draw(r.count, 4, 0), r.dx = draw(r.count, 4, 0), r.through = draw(r.count, 4, 0);
    r.mean = draw(r.stats, 4, 0), r.scale = draw(r.stats, 4, 0);
    r.dgamma = draw(n->c, 4, 0), r.dbeta = draw(n->c, 4, 0);
    if (in_place) memcpy(r.y, r.residual, r.count * sizeof *r.y);
    ok(hd_norm_forward(pool, n, r.x, NULL, NULL, in_place ? r.y : r.residual, r.y, r.mean, r.scale,
                       room));
    if (in_place) {
        memcpy(r.dx, r.x, r.count * sizeof *r.x);
        memcpy(r.through, r.dy, r.count * sizeof *r.dy);
    }
    const hd_norm_grads out = {r.dx, r.dgamma, r.dbeta, r.through};
    ok(hd_norm_backward(pool, n, false, in_place ? r.dx : r.x, NULL, NULL, r.y, r.mean, r.scale,
                        in_place ? r.through : r.dy, out, room));
    float *again = draw(r.count, 4, 0);
    ok(hd_norm_apply(pool, n, r.x, NULL, NULL, r.mean, r.scale, r.residual, again, room));
    assert_memory_equal(again, r.y, r.count * sizeof *again);
    hd_free(again);
    hd_free(room);
    hd_pool_free(pool);
    return r;
}

static void near(double a, double b, double tolerance) {
    if (!(fabs(a - b) <= tolerance)) fail_msg("%g is not %g", a, b);
}

// Channels of one group of an image.
static void check_group(const hd_norm *n, const run *r, size_t image, size_t group) {
    const size_t width = n->c / n->groups, all = n->rows * width, g = image * n->groups + group;
    double mean = 0, var = 0, m1 = 0, m2 = 0;
#define EACH                            \
    for (size_t k = 0, i; k < all; k++) \
        if (i = (image * n->rows + k / width) * n->c + group * width + k % width, true)
    EACH mean += (double)r->x[i] / (double)all;
    EACH var += ((double)r->x[i] - mean) * ((double)r->x[i] - mean) / (double)all;
    const double scale = 1 / sqrt(var + (double)n->eps);
    near((double)r->mean[g], mean, 1e-5);
    // (A float near 40 is as exact as 4e-6, and scale makes more of that.)
    const double close = 1e-5 * scale * scale;
    near((double)r->scale[g], scale, close);
    EACH {
        const double hat = ((double)r->x[i] - mean) * scale, y = hat + (double)r->residual[i];
        near((double)r->y[i], y > 0 ? y : 0, close);
        const double d = r->y[i] > 0 ? (double)r->dy[i] : 0;
        near((double)r->through[i], d, 0);
        m1 += d / (double)all, m2 += d * hat / (double)all;
    }
    EACH {
        const double hat = ((double)r->x[i] - mean) * scale;
        const double d = r->y[i] > 0 ? (double)r->dy[i] : 0;
        near((double)r->dx[i], scale * (d - m1 - hat * m2), close);
    }
#undef EACH
}

static void check_weights(const hd_norm *n, const run *r) {
    for (size_t k = 0; k < n->c; k++) {
        double g = 0, b = 0;
        for (size_t i = k; i < r->count; i += n->c) {
            const size_t at = i / (n->rows * n->c) * n->groups + k / (n->c / n->groups);
            const double d = r->y[i] > 0 ? (double)r->dy[i] : 0;
            b += d;
            g += d * ((double)r->x[i] - (double)r->mean[at]) * (double)r->scale[at];
        }
        near((double)r->dgamma[k], g, 2e-3);
        near((double)r->dbeta[k], b, 2e-3);
    }
}

static void same(const run *a, const run *b, const hd_norm *n) {
    assert_memory_equal(a->y, b->y, a->count * sizeof *a->y);
    assert_memory_equal(a->dx, b->dx, a->count * sizeof *a->y);
    assert_memory_equal(a->through, b->through, a->count * sizeof *a->y);
    assert_memory_equal(a->mean, b->mean, a->stats * sizeof *a->y);
    assert_memory_equal(a->scale, b->scale, a->stats * sizeof *a->y);
    assert_memory_equal(a->dgamma, b->dgamma, n->c * sizeof *a->y);
    assert_memory_equal(a->dbeta, b->dbeta, n->c * sizeof *a->y);
}

static void check(const hd_norm *n) {
    run one = run_make(n, 1, false), three = run_make(n, 3, false), over = run_make(n, 1, true);
    for (size_t i = 0; i < n->n; i++)
        for (size_t g = 0; g < n->groups; g++) check_group(n, &one, i, g);
    check_weights(n, &one);
    same(&one, &three, n);
    same(&one, &over, n);
    run_drop(&one);
    run_drop(&three);
    run_drop(&over);
}

static void test_pieces(void **state) {
    (void)state;
    for (int isa = 0; isa < HD_ISAS; isa++) {
        if (!hd_isa_can((hd_isa)isa)) continue;
        ok(hd_isa_choose(hd_isa_name((hd_isa)isa)));
        check(&(hd_norm){1, 1201, 35, 35, 1e-5F, true}); // three pieces, not a whole vector
        check(&(hd_norm){1, 600, 64, 64, 1e-5F, true});
        check(&(hd_norm){1, 19001, 1, 1, 1e-5F, true});
        check(&(hd_norm){2, 451, 48, 3, 1e-5F, true}); // groups of images
        check(&(hd_norm){1, 9, 20000, 20000, 1e-2F, true});
    }
    ok(hd_isa_choose(NULL));
}

// Every choice of arrays kept as bf16, against the same values in f32.
static void check_types(const hd_norm *norm, unsigned narrow) {
    enum { ARRAYS = 6, X = 0, RESIDUAL, DY, Y, DX, THROUGH };
    hd_norm n = *norm;
    hd_dtype *types[] = {&n.x_type, &n.residual_type, &n.dy_type, &n.y_type, &n.dx_type};
    const size_t count = n.rows * n.c;
    float *wide[ARRAYS], *got = draw(count, 9, 0), *stats[4];
    void *room = hd_alloc_aligned(hd_norm_workspace(&n), 1), *at[ARRAYS];
    uint16_t *half[ARRAYS];
    for (int i = 0; i < 4; i++) stats[i] = draw(n.c, 9, 0);
    for (int i = 0; i < ARRAYS; i++) {
        wide[i] = draw(count, (uint64_t)i, i == X ? 4 : 0);
        half[i] = hd_alloc(count * sizeof **half);
        assert_non_null(half[i]);
        for (size_t j = 0; j < count; j++) {
            half[i][j] = hd_bf16_of_f32(wide[i][j]);
            wide[i][j] = hd_f32_of_bf16(half[i][j]);
        }
    }
    for (int pass = 0; pass < 2; pass++) {
        const unsigned bits = pass ? narrow : 0;
        for (int i = 0; i < 5; i++) *types[i] = bits >> i & 1 ? HD_BF16 : HD_F32;
        for (int i = 0; i < ARRAYS; i++)
            at[i] = bits >> (i == THROUGH ? RESIDUAL : i) & 1 ? (void *)half[i] : wide[i];
        ok(hd_norm_forward(NULL, &n, at[X], NULL, NULL, at[RESIDUAL], at[Y], stats[0], stats[1],
                           room));
        const hd_norm_grads out = {at[DX], stats[2], stats[3], at[THROUGH]};
        ok(hd_norm_backward(NULL, &n, false, at[X], NULL, NULL, at[Y], stats[0], stats[1], at[DY],
                            out, room));
        if (pass == 0) memcpy(got, wide[DX], count * sizeof *got);
    }
    const float *dx = narrow >> DX & 1 ? NULL : wide[DX];
    for (size_t j = 0; j < count; j++)
        near((double)(dx ? dx[j] : hd_f32_of_bf16(half[DX][j])), (double)got[j], 2e-2);
    for (size_t j = 0; j < count && narrow >> Y & 1; j++)
        assert_int_equal(half[Y][j], hd_bf16_of_f32(wide[Y][j]));
    for (int i = 0; i < ARRAYS; i++) hd_free(wide[i]), hd_free(half[i]);
    for (int i = 0; i < 4; i++) hd_free(stats[i]);
    hd_free(got), hd_free(room);
}

static void test_types(void **state) {
    (void)state;
    for (int isa = 0; isa < HD_ISAS; isa++) {
        if (!hd_isa_can((hd_isa)isa)) continue;
        ok(hd_isa_choose(hd_isa_name((hd_isa)isa)));
        for (unsigned narrow = 1; narrow < 32; narrow++)
            check_types(
                &(hd_norm){.n = 1, .rows = 29, .c = 35, .groups = 35, .eps = 1e-3F, .relu = true},
                narrow);
    }
    ok(hd_isa_choose(NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pieces), cmocka_unit_test(test_types)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
