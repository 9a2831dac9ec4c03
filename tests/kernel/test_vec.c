// SPDX-License-Identifier: Apache-2.0
//
// Elementwise functions on every path: within 4 units in the last place of libm in double, over the
// whole range with its edges; programs with every way an input may be stretched; sums; dropout's
// share; softmax rows.
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "kernel/cpu.h"
#include "kernel/kernels.h"
#include "kernel/softmax.h"
#include "kernel/vec.h"

enum { N = 8191 };

static void ok(heed_err err) {
    if (err != HEED_OK) print_error("%s\n", heed_error_message(HEED_EN));
    assert_int_equal(err, HEED_OK);
}

static void on_each_path(void (*check)(void)) {
    for (int isa = 0; isa < HD_ISAS; isa++) {
        if (!hd_isa_can((hd_isa)isa)) continue;
        ok(hd_isa_choose(hd_isa_name((hd_isa)isa)));
        check();
    }
    ok(hd_isa_choose(NULL));
}

// The distance of got from want, in units of the last place of a float as large as want.
static double ulps(float got, double want) {
    if (isnan(want)) return isnan(got) ? 0 : (double)INFINITY;
    float near = (float)want;
    if (isinf(near)) return got == near || fabsf(got) > FLT_MAX / 2 ? 0 : (double)INFINITY;
    double unit = fmax(fabs(want) * 0x1p-23, 0x1p-149);
    return fabs((double)got - want) / unit;
}

typedef struct range {
    hd_vec_op op;
    float low, high, p, q;
    double most; // ulps
} range;

static float input_at(const range *r, size_t i) {
    static const float edges[] = {0,         -0.0F,     1,       -1,       FLT_MIN,  -FLT_MIN,
                                  0x1p-149F, 0x1p-130F, FLT_MAX, -FLT_MAX, INFINITY, -INFINITY,
                                  NAN,       0.625F,    -0.625F, 1e-8F,    -1e-8F,   88.7228F,
                                  -87.3365F, -103.9F,   -104.5F, 20,       -20};
    enum { EDGES = sizeof edges / sizeof edges[0] };
    if (i < EDGES) return edges[i];
    return r->low + (float)i / (float)N * (r->high - r->low);
}

static void check_range(const range *r) {
    static float x[N], d[N], y[N];
    const hd_vec_arg arg = {.p = r->p, .q = r->q};
    for (size_t i = 0; i < N; i++) {
        x[i] = input_at(r, i);
        d[i] = 1;
    }
    hd_kernels_get()->vec->op[r->op](N, x, d, y, &arg, 0);
    for (size_t i = 0; i < N; i++) {
        double want = hd_vec_reference(r->op, (double)x[i], 1, &arg, i);
        if (ulps(y[i], want) <= r->most) continue;
        // (A product with a factor that is denormal has that factor's places.)
        if (fabs((double)y[i] - want) <= 0x1p-149 * fabs((double)x[i])) continue;
        fail_msg("%s on %s: f(%.9g) is %.9g, not %.9g: %.1f ulp", hd_vec_name(r->op),
                 hd_isa_name(hd_isa_get()), (double)x[i], (double)y[i], want, ulps(y[i], want));
    }
}

static void check_ranges(void) {
    const range ranges[] = {
        {HD_VEC_EXP, -104, 89, 0, 0, 2},      {HD_VEC_LOG, 0, 30, 0, 0, 2},
        {HD_VEC_LOG, 0.9F, 1.1F, 0, 0, 2},    {HD_VEC_TANH, -10, 10, 0, 0, 4},
        {HD_VEC_SIGMOID, -100, 100, 0, 0, 4}, {HD_VEC_SOFTPLUS, -100, 100, 0, 0, 4},
        {HD_VEC_SILU, -80, 80, 0, 0, 4},      {HD_VEC_GELU, -12, 12, 0, 0, 4},
        {HD_VEC_SQRT, 0, 100, 0, 0, 1},       {HD_VEC_ABS, -9, 9, 0, 0, 0},
        {HD_VEC_RELU, -9, 9, 0, 0, 0},        {HD_VEC_LEAKY_RELU, -9, 9, 0.1F, 0, 1},
        {HD_VEC_CLAMP, -9, 9, -2, 3, 0},      {HD_VEC_SQUARE, -9, 9, 0, 0, 1},
        {HD_VEC_HUBER, -9, 9, 1.5F, 0, 2},    {HD_VEC_POW, 0, 9, 1.3F, 0, 2},
        {HD_VEC_POW, -9, 9, 2, 0, 1},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) check_range(&ranges[i]);
}

static void test_functions(void **state) {
    (void)state;
    on_each_path(check_ranges);
}

// What cancels, or lies deep in a tail, is held to the size of the values around it.
static void check_absolute(void) {
    static const hd_vec_op ops[] = {HD_VEC_GELU_TANH, HD_VEC_GELU_TANH_GRAD, HD_VEC_GELU_GRAD,
                                    HD_VEC_SILU_GRAD, HD_VEC_SIGMOID_GRAD,   HD_VEC_SOFTPLUS_GRAD,
                                    HD_VEC_TANH_GRAD, HD_VEC_BCE_LOGITS};
    static float x[N], d[N], y[N];
    const hd_vec_arg arg = {0};
    for (size_t i = 0; i < N; i++) {
        x[i] = (float)i / N * 30 - 15;
        d[i] = 1;
    }
    for (size_t k = 0; k < sizeof ops / sizeof ops[0]; k++) {
        hd_kernels_get()->vec->op[ops[k]](N, x, d, y, &arg, 0);
        for (size_t i = 0; i < N; i++) {
            double want = hd_vec_reference(ops[k], (double)x[i], 1, &arg, i);
            if (fabs((double)y[i] - want) > 5e-7 * fmax(1, fabs(want)))
                fail_msg("%s: f(%.9g) is %.9g, not %.9g", hd_vec_name(ops[k]), (double)x[i],
                         (double)y[i], want);
        }
    }
}

static void test_gradients(void **state) {
    (void)state;
    on_each_path(check_absolute);
}

// Every length, so that every tail is met; nothing is written past the end.
static void check_tails(void) {
    float x[70], y[71];
    for (size_t i = 0; i < 70; i++) x[i] = (float)i - 30;
    for (size_t n = 0; n <= 70; n++)
        for (int op = 1; op < HD_VEC_OPS; op++) {
            const hd_vec_arg arg = {.p = 0.5F, .q = 1};
            y[n] = 1234;
            hd_kernels_get()->vec->op[op](n, x, x, y, &arg, 0);
            assert_true(y[n] == 1234);
        }
}

static void test_tails(void **state) {
    (void)state;
    on_each_path(check_tails);
}

// ── Programs ──

// The same with all inputs and the output in bf16, which holds the values exactly but the results:
// those are rounded.
static void check_narrow(const hd_vec_program *plain, const hd_vec_in *wide, size_t count,
                         const float *want) {
    static uint16_t kept[5][8192], y[8192];
    static const size_t counts[5] = {6300, 300, 21, 1, 900};
    hd_vec_program program = *plain;
    hd_vec_in in[5];
    void *out = y;
    assert_true(count <= 8192);
    program.out_type[0] = HD_BF16;
    for (int i = 0; i < 5; i++) {
        in[i] = wide[i];
        for (size_t j = 0; j < counts[i]; j++)
            kept[i][j] = hd_bf16_of_f32(((const float *)wide[i].data)[j]);
        in[i].data = kept[i];
        in[i].type = HD_BF16;
    }
    ok(hd_vec_run(NULL, &program, count, in, &out));
    for (size_t i = 0; i < count; i++)
        assert_float_equal(hd_f32_of_bf16(y[i]), want[i], fabsf(want[i]) / 256 + 4);
}

static void check_program(void) {
    enum { R = 7, C = 300, COUNT = R * C * 3 };
    static float x[COUNT], y[COUNT];
    float row[C], column[COUNT / C], some[3 * C], one = 2;
    for (size_t i = 0; i < COUNT; i++) x[i] = (float)(i % 97);
    for (size_t i = 0; i < C; i++) row[i] = (float)i;
    for (size_t i = 0; i < COUNT / C; i++) column[i] = (float)i * 3;
    for (size_t i = 0; i < 3 * C; i++) some[i] = (float)(i % 11);
    const hd_vec_program program = {.n_in = 5,
                                    .n_out = 1,
                                    .n_scratch = 2,
                                    .n_steps = 4,
                                    .step = {{.op = HD_VEC_ADD, .a = 0, .b = 1, .out = 6},
                                             {.op = HD_VEC_ADD, .a = 6, .b = 2, .out = 7},
                                             {.op = HD_VEC_MUL, .a = 7, .b = 3, .out = 6},
                                             {.op = HD_VEC_SUB, .a = 6, .b = 4, .out = 5}}};
    // x (3, R, C), row (C), column (3, R, 1), one (), some (3, 1, C)
    const hd_vec_in in[] = {{.data = x, .mode = HD_VEC_WHOLE},
                            {.data = row,
                             .mode = HD_VEC_ROW,
                             .period = C,
                             .n_dims = 2,
                             .shape = {3 * R, C},
                             .stride = {0, 1}},
                            {.data = column, .mode = HD_VEC_COLUMN, .period = C},
                            {.data = &one, .mode = HD_VEC_SCALAR},
                            {.data = some,
                             .mode = HD_VEC_STRIDED,
                             .n_dims = 3,
                             .shape = {3, R, C},
                             .stride = {C, 0, 1}}};
    void *out = y;
    ok(hd_vec_run(NULL, &program, COUNT, in, &out));
    for (size_t i = 0; i < COUNT; i++) {
        float want = (x[i] + row[i % C] + column[i / C]) * 2 - some[i / (R * C) * C + i % C];
        assert_true(y[i] == want);
    }
    check_narrow(&program, in, COUNT, y);
}

static void test_programs(void **state) {
    (void)state;
    on_each_path(check_program);
}

// Functions of bf16 are near enough for it; NaN stays.
static void check_halves(void) {
    enum { PLACES = 1603 };
    static uint16_t a[PLACES], b[PLACES], out[PLACES];
    const hd_vec_kernels *kernels = hd_kernels_get()->vec;
    for (size_t i = 0; i < PLACES; i++) a[i] = hd_bf16_of_f32((float)i / 100 - 8);
    for (size_t i = 0; i < PLACES; i++) b[i] = hd_bf16_of_f32((float)(i % 7) / 4 - 0.7F);
    a[17] = hd_bf16_of_f32(NAN);
    for (int op = 0; op < HD_VEC_OPS; op++) {
        if (!kernels->half[op]) continue;
        kernels->half[op](PLACES, a, hd_vec_arity((hd_vec_op)op) > 1 ? b : a, out);
        for (size_t i = 0; i < PLACES; i++) {
            const double want = hd_vec_reference((hd_vec_op)op, (double)hd_f32_of_bf16(a[i]),
                                                 (double)hd_f32_of_bf16(b[i]), &(hd_vec_arg){0}, i);
            const double got = (double)hd_f32_of_bf16(out[i]);
            if (isnan(want)) assert_true(isnan(got));
            if (!isnan(want)) assert_true(fabs(got - want) <= fabs(want) / 256 + 4e-4);
        }
    }
}

static void test_halves(void **state) {
    (void)state;
    on_each_path(check_halves);
}

// ── Sums ──

static void check_sums(void) {
    static const size_t shapes[][3] = {{1, 10000, 1}, {3, 1, 5}, {2, 1000, 33},
                                       {1, 0, 4},     {0, 3, 3}, {5, 4097, 1}};
    static float x[100000];
    static uint16_t half[100000];
    float out[128];
    for (size_t i = 0; i < 100000; i++) x[i] = (float)(hd_rng_at(1, 2, i) >> 40) * 0x1p-24F;
    for (size_t i = 0; i < 100000; i++) half[i] = hd_bf16_of_f32(x[i]);
    for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++) {
        size_t a = shapes[k][0], r = shapes[k][1], c = shapes[k][2];
        void *workspace = malloc(hd_vec_sum_workspace(a, r, c) + 1);
        for (size_t i = 0; i < a * c; i++) out[i] = 10;
        ok(hd_vec_sum(NULL, a, r, c, x, HD_F32, 0.5F, true, out, workspace));
        for (size_t i = 0; i < a * c; i++) {
            double want = 0;
            for (size_t j = 0; j < r; j++) want += (double)x[(i / c * r + j) * c + i % c];
            assert_float_equal(out[i], 10 + want / 2, 1e-6 * (10 + want));
        }
        ok(hd_vec_sum(NULL, a, r, c, half, HD_BF16, 1, false, out, workspace));
        for (size_t i = 0; i < a * c; i++) {
            double want = 0;
            for (size_t j = 0; j < r; j++)
                want += (double)hd_f32_of_bf16(half[(i / c * r + j) * c + i % c]);
            assert_float_equal(out[i], want, 1e-6 * (10 + want));
        }
        free(workspace);
    }
}

static void test_sums(void **state) {
    (void)state;
    on_each_path(check_sums);
}

static void check_small_kernels(void) {
    const hd_vec_kernels *vec = hd_kernels_get()->vec;
    float x[67];
    for (size_t n = 0; n <= 67; n++) {
        double sum = 0, squares = 0;
        float most = -INFINITY;
        for (size_t i = 0; i < n; i++) {
            x[i] = (float)((i * 37) % 19) - 9.5F;
            sum += (double)x[i];
            squares += (double)x[i] * (double)x[i];
            most = fmaxf(most, x[i]);
        }
        assert_float_equal(vec->sum(n, x), sum, 1e-4);
        assert_float_equal(vec->sum_squares(n, x), squares, 1e-3);
        assert_float_equal(vec->dot(n, x, x), squares, 1e-3);
        assert_true(vec->max(n, x) == most);
        assert_true(vec->finite(n, x));
        for (size_t i = 0; i < n; i++) {
            float before = x[i];
            x[i] = i % 2 ? NAN : -INFINITY;
            assert_false(vec->finite(n, x));
            if (i % 2) assert_true(isnan(vec->max(n, x)));
            x[i] = before;
        }
    }
}

static void test_small_kernels(void **state) {
    (void)state;
    on_each_path(check_small_kernels);
}

// ── Dropout: the same places on every path, however the array is cut ──

static void check_dropout(void) {
    static float x[N], y[N];
    const hd_vec_arg arg = {.p = 0.3F, .seed = 9, .stream = UINT64_C(1) << 40};
    size_t dropped = 0;
    for (size_t i = 0; i < N; i++) x[i] = 1;
    hd_kernels_get()->vec->op[HD_VEC_DROPOUT](1000, x, x, y, &arg, 0);
    hd_kernels_get()->vec->op[HD_VEC_DROPOUT](N - 1000, x, x, y + 1000, &arg, 1000);
    for (size_t i = 0; i < N; i++) {
        assert_true((y[i] != 0) == hd_vec_keeps(&arg, i));
        if (y[i] != 0) assert_float_equal(y[i], 1 / 0.7, 1e-6);
        dropped += y[i] == 0;
    }
    assert_in_range(dropped, (size_t)(0.28 * N), (size_t)(0.32 * N));
}

static void test_dropout(void **state) {
    (void)state;
    on_each_path(check_dropout);
}

// ── Softmax ──

static void check_softmax(void) {
    const hd_softmax_kernels *k = hd_kernels_get()->softmax;
    float x[67], y[67], z[67];
    for (size_t n = 1; n <= 67; n++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) {
            x[i] = (float)((i * 37) % 19) * 9 - 80;
            sum += exp((double)x[i]);
        }
        assert_float_equal(k->log_sum_exp(n, x), log(sum), 1e-5);
        k->softmax(n, x, y);
        k->log_softmax(n, x, z);
        for (size_t i = 0; i < n; i++) {
            assert_float_equal(y[i], exp((double)x[i]) / sum, 1e-6);
            assert_float_equal(z[i], (double)x[i] - log(sum), 2e-5);
        }
        x[n - 1] = NAN;
        assert_true(isnan(k->log_sum_exp(n, x)));
        for (size_t i = 0; i < n; i++) x[i] = -INFINITY; // a row that is masked whole
        assert_true(k->log_sum_exp(n, x) == -INFINITY);
        for (size_t i = 0; i < n; i++) x[i] = i == n / 2 ? 0 : -INFINITY;
        k->softmax(n, x, x); // in place
        for (size_t i = 0; i < n; i++) assert_true(x[i] == (i == n / 2 ? 1 : 0));
    }
}

static void test_softmax(void **state) {
    (void)state;
    on_each_path(check_softmax);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions),     cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_tails),         cmocka_unit_test(test_programs),
        cmocka_unit_test(test_halves),        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_small_kernels), cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_softmax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
