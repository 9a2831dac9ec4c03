// SPDX-License-Identifier: Apache-2.0
//
// Convolution on every path against the sum written out in double: strides, padding, dilation,
// groups, odd sizes; the same bits for 1, 2 and 3 threads and for an image in another batch. Values
// kept as bf16: what the same values in f32 give, rounded.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "kernel/conv.h"
#include "kernel/cpu.h"

static const hd_conv cases[] = {
    // n, h, w, c, o, kh, kw, stride, pad, dilation, groups
    {2, 6, 5, 3, 7, 3, 3, 1, 1, 1, 1, 1, 1, 1},
    {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1},
    {2, 9, 7, 16, 33, 3, 3, 2, 2, 1, 1, 1, 1, 1},
    {2, 8, 8, 20, 16, 1, 1, 1, 1, 0, 0, 1, 1, 1},
    {2, 8, 9, 6, 50, 1, 1, 2, 2, 0, 0, 1, 1, 1},
    {2, 47, 45, 9, 5, 1, 1, 1, 1, 0, 0, 1, 1, 1}, // many places for a small gradient
    {3, 41, 37, 5, 18, 1, 1, 1, 1, 0, 0, 1, 1, 1},
    {1, 23, 19, 3, 17, 7, 7, 2, 2, 3, 3, 1, 1, 1},
    {2, 11, 12, 4, 5, 3, 2, 1, 2, 2, 0, 2, 3, 1},
    {2, 10, 7, 8, 12, 3, 3, 2, 1, 1, 1, 1, 1, 4},
    {2, 5, 5, 4, 6, 3, 3, 2, 2, 1, 1, 1, 1, 2},
    {2, 7, 9, 21, 21, 3, 3, 1, 1, 1, 1, 1, 1, 21},
    {2, 8, 8, 5, 5, 3, 3, 2, 2, 1, 1, 1, 1, 5},
    {3, 1, 40, 6, 9, 1, 5, 1, 1, 0, 2, 1, 1, 1},
    {2, 1, 17, 3, 4, 1, 3, 1, 3, 0, 1, 1, 2, 1},
    {26, 2, 2, 12, 40, 3, 3, 1, 1, 1, 1, 1, 1, 1},
    {1, 30, 30, 100, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1}, // bands
    {2, 4, 4, 2, 6, 4, 4, 4, 4, 0, 0, 1, 1, 2},
    {1, 5, 5, 2, 3, 2, 2, 3, 3, 0, 0, 1, 1, 1},     // places no window meets
    {2, 3, 4, 150, 200, 3, 3, 1, 2, 1, 1, 1, 1, 1}, // many filters, few places
    {9, 2, 2, 4000, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1},  // … and windows written in two runs
    {1, 2, 1, 1000, 60, 3, 3, 1, 1, 1, 1, 1, 1, 1}, // … in f32 too
    {3, 5, 16, 16, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1},  // bf16: 15 tiles of windows, four at a time
    {2, 3, 32, 16, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1},
    {1, 1, 40, 16, 13, 1, 3, 1, 1, 0, 1, 1, 1, 1}, // three of them, and fewer columns
    {2, 9, 11, 16, 16, 5, 5, 1, 1, 2, 2, 1, 1, 1}, // 25 taps
    {2, 8, 16, 16, 48, 3, 3, 2, 2, 1, 1, 1, 1, 1}, // a panel of 32 and one of 16
};

typedef struct fixture {
    hd_conv v;
    size_t nx, nw, ny;
    float *x, *w, *y, *bias, *extra;
    double *ref[3]; // y, dx, dw
    float *out[3];
} fixture;

static float *random_floats(size_t n, uint64_t seed) {
    float *p = hd_alloc_aligned(n, sizeof *p);
    assert_non_null(p);
    hd_rng rng = hd_rng_make(seed, 0);
    for (size_t i = 0; i < n; i++) p[i] = (float)(3.4 * hd_rng_uniform(&rng) - 1.7);
    return p;
}

static float rounded(const fixture *f, float a) {
    return f->v.precision == HD_PRECISE_BF16 ? hd_f32_of_bf16(hd_bf16_of_f32(a)) : a;
}

// y += x·w, dx += dy·w, dw += dy·x over every place, tap and channel.
static void reference(fixture *f) {
    const hd_conv *v = &f->v;
    const size_t cg = v->c / v->groups, og = v->o / v->groups;
    for (size_t i = 0; i < f->ny; i++) {
        const size_t o = i % v->o, q = i / v->o % v->out_w, p = i / v->o / v->out_w % v->out_h;
        const size_t n = i / v->o / v->out_w / v->out_h;
        for (size_t t = 0; t < v->kh * v->kw * cg; t++) {
            const size_t c = t % cg, kw = t / cg % v->kw, kh = t / cg / v->kw;
            const size_t h = p * v->stride_h + kh * v->dilation_h - v->pad_h;
            const size_t w = q * v->stride_w + kw * v->dilation_w - v->pad_w;
            if (h >= v->h || w >= v->w) continue; // (below 0 is large)
            const size_t xi = ((n * v->h + h) * v->w + w) * v->c + o / og * cg + c;
            const size_t wi = ((o * v->kh + kh) * v->kw + kw) * cg + c;
            const double x = rounded(f, f->x[xi]), y = rounded(f, f->y[i]),
                         u = rounded(f, f->w[wi]);
            f->ref[0][i] += x * u;
            f->ref[1][xi] += y * u;
            f->ref[2][wi] += y * x;
        }
    }
}

static void fixture_init(fixture *f, hd_conv v) {
    v.out_h = hd_conv_out(v.h, v.kh, v.stride_h, v.pad_h, v.dilation_h);
    v.out_w = hd_conv_out(v.w, v.kw, v.stride_w, v.pad_w, v.dilation_w);
    *f = (fixture){.v = v};
    f->nx = v.n * v.h * v.w * v.c;
    f->nw = v.o * v.kh * v.kw * (v.c / v.groups);
    f->ny = v.n * v.out_h * v.out_w * v.o;
    f->x = random_floats(f->nx, 1), f->w = random_floats(f->nw, 2), f->y = random_floats(f->ny, 3);
    f->bias = random_floats(v.o, 4), f->extra = random_floats(f->ny, 5);
    const size_t sizes[] = {f->ny, f->nx, f->nw};
    for (int i = 0; i < 3; i++) {
        f->ref[i] = hd_calloc(sizes[i] + 1, sizeof(double));
        f->out[i] = random_floats(sizes[i], 6);
        assert_non_null(f->ref[i]);
    }
}

static void fixture_clear(fixture *f) {
    hd_free(f->x), hd_free(f->w), hd_free(f->y), hd_free(f->bias), hd_free(f->extra);
    for (int i = 0; i < 3; i++) hd_free(f->ref[i]), hd_free(f->out[i]);
}

static void run(fixture *f, hd_pool *pool, float *const out[3]) {
    const size_t threads = hd_pool_threads(pool);
    const hd_conv_end none = {0};
    size_t bytes[] = {hd_conv_forward_workspace(&f->v, threads),
                      hd_conv_dx_workspace(&f->v, threads), hd_conv_dw_workspace(&f->v, threads)};
    for (int i = 0; i < 3; i++) {
        void *space = hd_alloc_aligned(bytes[i] + 1, 1);
        assert_non_null(space);
        memset(space, 0xff, bytes[i]); // NaN where something isn't written
        heed_err err = i == 0   ? hd_conv_forward(pool, &f->v, f->x, f->w, none, out[0], space)
                       : i == 1 ? hd_conv_dx(pool, &f->v, f->y, f->w, none, out[1], space)
                                : hd_conv_dw(pool, &f->v, f->x, f->y, out[2], false, space);
        assert_int_equal(err, HEED_OK);
        hd_free(space);
    }
}

static void compare(const char *what, size_t at, const double *ref, const float *out, size_t n,
                    double depth) {
    const double bound = 2e-6 * sqrt(depth) + 1e-6;
    double worst = 0, largest = 0;
    size_t where = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs(ref[i] - (double)out[i]);
        if (!(d <= worst)) worst = d, where = i;
        if (fabs(ref[i]) > largest) largest = fabs(ref[i]);
    }
    if (!(worst <= bound * (1 + sqrt(depth))))
        fail_msg("%s, case %zu, %s: %g is %g away at %zu", what, at, hd_isa_name(hd_isa_get()),
                 ref[where], worst, where);
}

// On the path chosen: right, the same bits for 2 and 3 threads, and for the last image alone.
static void case_on_path(size_t i, fixture *f, fixture *one, hd_pool *const pools[2]) {
    const hd_conv *v = &f->v;
    run(f, NULL, f->out);
    compare("forward", i, f->ref[0], f->out[0], f->ny, (double)(v->kh * v->kw * v->c));
    compare("dx", i, f->ref[1], f->out[1], f->nx, (double)(v->kh * v->kw * v->o));
    compare("dw", i, f->ref[2], f->out[2], f->nw, (double)f->ny / (double)v->o);
    for (int p = 0; p < 2; p++) {
        float *again[3] = {random_floats(f->ny, 7), random_floats(f->nx, 8),
                           random_floats(f->nw, 9)};
        run(f, pools[p], again);
        assert_memory_equal(again[0], f->out[0], f->ny * sizeof(float));
        assert_memory_equal(again[1], f->out[1], f->nx * sizeof(float));
        assert_memory_equal(again[2], f->out[2], f->nw * sizeof(float));
        for (int j = 0; j < 3; j++) hd_free(again[j]);
    }
    run(one, NULL, one->out);
    assert_memory_equal(one->out[0], f->out[0] + f->ny - one->ny, one->ny * sizeof(float));
    assert_memory_equal(one->out[1], f->out[1] + f->nx - one->nx, one->nx * sizeof(float));
}

static void near_sum(const float *out, const float *plain, const float *added, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const double sum = (double)plain[i] + (double)added[i];
        assert_true(fabs((double)out[i] - sum) <= 1e-4 * (1 + fabs(sum)));
    }
}

// Gradients that are added: by x to a residual apart and in place, by the filters to what stands.
static void added_on_path(fixture *f, hd_pool *pool) {
    const hd_conv *v = &f->v;
    const size_t a = hd_conv_dx_workspace(v, 2), b = hd_conv_dw_workspace(v, 2);
    void *space = hd_alloc_aligned((a > b ? a : b) + 1, 1);
    float *dx = random_floats(f->nx, 11), *to = random_floats(f->nx, 12);
    float *dw = random_floats(f->nw, 13), *before = random_floats(f->nw, 13);
    assert_non_null(space);
    if (v->groups == 1) {
        hd_conv_end end = {.residual = dx};
        assert_int_equal(hd_conv_dx(pool, v, f->y, f->w, end, to, space), HEED_OK);
        near_sum(to, f->out[1], dx, f->nx);
        assert_int_equal(hd_conv_dx(pool, v, f->y, f->w, end, dx, space), HEED_OK);
        for (size_t i = 0; i < f->nx; i++)
            assert_true(fabsf(dx[i] - to[i]) <= 1e-4F * (1 + fabsf(to[i])));
    }
    assert_int_equal(hd_conv_dw(pool, v, f->x, f->y, dw, true, space), HEED_OK);
    near_sum(dw, f->out[2], before, f->nw);
    hd_free(space), hd_free(dx), hd_free(to), hd_free(dw), hd_free(before);
}

static void test_sums(void **state) {
    (void)state;
    hd_pool *pools[2];
    assert_int_equal(hd_pool_new(2, &pools[0]), HEED_OK);
    assert_int_equal(hd_pool_new(3, &pools[1]), HEED_OK);
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        fixture f, one;
        hd_conv v = cases[i / 2];
        v.precision = i % 2 == 0 ? HD_PRECISE_F32 : HD_PRECISE_BF16;
        fixture_init(&f, v);
        reference(&f);
        v.n = 1;
        fixture_init(&one, v);
        memcpy(one.x, f.x + f.nx - one.nx, one.nx * sizeof(float));
        memcpy(one.y, f.y + f.ny - one.ny, one.ny * sizeof(float));
        for (int isa = 0; isa < HD_ISAS; isa++) {
            if (!hd_isa_can((hd_isa)isa)) continue;
            assert_int_equal(hd_isa_choose(hd_isa_name((hd_isa)isa)), HEED_OK);
            case_on_path(i, &f, &one, pools);
            added_on_path(&f, pools[0]);
        }
        fixture_clear(&f), fixture_clear(&one);
    }
    assert_int_equal(hd_isa_choose(NULL), HEED_OK);
    hd_pool_free(pools[0]), hd_pool_free(pools[1]);
}

// ── Values kept as bf16 ──

static uint16_t *halves(const float *from, size_t n) {
    uint16_t *to = hd_alloc_aligned(n + 1, sizeof *to);
    assert_non_null(to);
    for (size_t i = 0; i < n; i++) to[i] = hd_bf16_of_f32(from[i]);
    return to;
}

static void same_rounded(const uint16_t *got, const float *want, size_t n) {
    for (size_t i = 0; i < n; i++) assert_int_equal(got[i], hd_bf16_of_f32(want[i]));
}

typedef struct kept {
    uint16_t *x, *y, *extra[2], *out[2];
    float *wide[2], *dw[2];
    void *space;
} kept;

// Both ways of all three runs, with a bias and a residual; dx also in the residual's place.
static void kept_run(const fixture *f, kept *k, hd_pool *pool) {
    hd_conv v = f->v;
    const size_t sizes[] = {f->ny, f->nx};
    float *extra[2], *bias = random_floats(v.o > v.c ? v.o : v.c, 21);
    for (int i = 0; i < 2; i++) {
        k->extra[i] = halves(f->out[i], sizes[i]);
        extra[i] = random_floats(sizes[i], 22);
        for (size_t j = 0; j < sizes[i]; j++) extra[i][j] = hd_f32_of_bf16(k->extra[i][j]);
    }
    for (int narrow = 0; narrow < 2; narrow++) {
        v.x_type = v.y_type = narrow ? HD_BF16 : HD_F32;
        const void *x = narrow ? (void *)k->x : f->x, *y = narrow ? (void *)k->y : f->y;
        void *out[2];
        hd_conv_end end[2];
        for (int i = 0; i < 2; i++) {
            out[i] = narrow ? (void *)k->out[i] : k->wide[i];
            end[i] = (hd_conv_end){.residual = narrow ? (void *)k->extra[i] : extra[i],
                                   .residual_type = v.x_type};
        }
        end[0].bias = bias, end[0].relu = true;
        assert_int_equal(hd_conv_forward(pool, &v, x, f->w, end[0], out[0], k->space), HEED_OK);
        assert_int_equal(hd_conv_dx(pool, &v, y, f->w, end[1], out[1], k->space), HEED_OK);
        assert_int_equal(hd_conv_dw(pool, &v, x, y, k->dw[narrow], false, k->space), HEED_OK);
        if (!narrow) continue;
        end[1].residual = k->extra[1];
        assert_int_equal(hd_conv_dx(pool, &v, y, f->w, end[1], k->extra[1], k->space), HEED_OK);
        assert_memory_equal(k->extra[1], k->out[1], f->nx * sizeof(uint16_t));
    }
    for (int i = 0; i < 2; i++) {
        same_rounded(k->out[i], k->wide[i], sizes[i]);
        hd_free(k->extra[i]), hd_free(extra[i]);
    }
    assert_memory_equal(k->dw[1], k->dw[0], f->nw * sizeof(float));
    hd_free(bias);
}

static size_t most_workspace(hd_conv v) {
    size_t most = 1;
    for (int i = 0; i < 6; i++) {
        v.x_type = v.y_type = i < 3 ? HD_F32 : HD_BF16;
        const size_t bytes = i % 3 == 0   ? hd_conv_forward_workspace(&v, 3)
                             : i % 3 == 1 ? hd_conv_dx_workspace(&v, 3)
                                          : hd_conv_dw_workspace(&v, 3);
        if (bytes > most) most = bytes;
    }
    return most;
}

static void test_kept(void **state) {
    (void)state;
    hd_pool *pool;
    size_t taken = 0;
    assert_int_equal(hd_pool_new(3, &pool), HEED_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture f;
        hd_conv v = cases[i];
        assert_false(hd_conv_takes_bf16(&v)); // products of f32
        v.precision = HD_PRECISE_BF16;
        if (!hd_conv_takes_bf16(&v)) continue;
        taken++;
        fixture_init(&f, v);
        kept k = {.x = halves(f.x, f.nx), .y = halves(f.y, f.ny)};
        for (size_t j = 0; j < f.nx; j++) f.x[j] = hd_f32_of_bf16(k.x[j]);
        for (size_t j = 0; j < f.ny; j++) f.y[j] = hd_f32_of_bf16(k.y[j]);
        for (int j = 0; j < 2; j++) {
            k.out[j] = halves(f.out[j], j ? f.nx : f.ny);
            k.wide[j] = random_floats(j ? f.nx : f.ny, 23), k.dw[j] = random_floats(f.nw, 24);
        }
        k.space = hd_alloc_aligned(most_workspace(f.v), 1);
        assert_non_null(k.space);
        kept_run(&f, &k, pool);
        for (int j = 0; j < 2; j++) hd_free(k.out[j]), hd_free(k.wide[j]), hd_free(k.dw[j]);
        hd_free(k.x), hd_free(k.y), hd_free(k.space);
        fixture_clear(&f);
    }
    assert_true(taken >= 8 || hd_isa_get() != HD_ISA_AMX);
    hd_pool_free(pool);
}

static void end_on_path(void) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture f;
        fixture_init(&f, cases[i]);
        reference(&f);
        if (cases[i].groups == cases[i].c && cases[i].groups > 1) memset(f.extra, 0, f.ny * 4);
        void *space = hd_alloc_aligned(hd_conv_forward_workspace(&f.v, 1) + 1, 1);
        assert_non_null(space);
        const bool depthwise = cases[i].groups == cases[i].c && cases[i].groups > 1;
        hd_conv_end end = {.bias = f.bias, .residual = depthwise ? NULL : f.extra, .relu = true};
        assert_int_equal(hd_conv_forward(NULL, &f.v, f.x, f.w, end, f.out[0], space), HEED_OK);
        for (size_t j = 0; j < f.ny; j++) {
            double y = f.ref[0][j] + (double)f.bias[j % f.v.o] + (double)f.extra[j];
            assert_true(fabs((double)f.out[0][j] - (y > 0 ? y : 0)) <
                        1e-4 + 1e-5 * sqrt((double)(f.nw / f.v.o)));
        }
        hd_free(space);
        fixture_clear(&f);
    }
}

static void test_end(void **state) {
    (void)state;
    for (int isa = 0; isa < HD_ISAS; isa++) {
        if (!hd_isa_can((hd_isa)isa)) continue;
        assert_int_equal(hd_isa_choose(hd_isa_name((hd_isa)isa)), HEED_OK);
        end_on_path();
    }
    assert_int_equal(hd_isa_choose(NULL), HEED_OK);
}

static void test_none(void **state) {
    (void)state;
    hd_conv v = cases[0];
    float dw[7 * 27], nothing = 0;
    char space[1 << 16] __attribute__((aligned(64)));
    v.n = 0, v.out_h = 6, v.out_w = 5;
    const hd_conv_end none = {0};
    assert_true(hd_conv_forward_workspace(&v, 1) <= sizeof space);
    assert_int_equal(hd_conv_forward(NULL, &v, &nothing, dw, none, &nothing, space), HEED_OK);
    assert_int_equal(hd_conv_dx(NULL, &v, &nothing, dw, none, &nothing, space), HEED_OK);
    memset(dw, 1, sizeof dw);
    assert_int_equal(hd_conv_dw(NULL, &v, &nothing, &nothing, dw, false, space), HEED_OK);
    for (size_t i = 0; i < sizeof dw / sizeof *dw; i++) assert_true(dw[i] == 0);
    assert_int_equal(hd_conv_out(3, 5, 1, 0, 1), 0);
    assert_int_equal(hd_conv_out(3, 5, 1, 1, 1), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sums), cmocka_unit_test(test_end),
                                       cmocka_unit_test(test_kept), cmocka_unit_test(test_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
