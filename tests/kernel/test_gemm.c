// SPDX-License-Identifier: Apache-2.0
//
// Products against a naive one in double, on every path this machine has; the same bits for any
// number of threads and for a row in any company.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "kernel/cpu.h"
#include "kernel/gemm.h"
#include "kernel/gemm_plan.h"

typedef struct matrix { // batch × rows × cols, padded so that strides differ from widths
    float *data;
    uint16_t *narrow; // the same as bf16, or NULL
    size_t row, col, batch, count;
} matrix;

static hd_rng rng;

static matrix matrix_new(size_t batch, size_t rows, size_t cols, bool across, bool narrow) {
    size_t pad = hd_rng_below(&rng, 3);
    matrix m = {.row = across ? 1 : cols + pad, .col = across ? rows + pad : 1};
    m.batch = (across ? cols * m.col : rows * m.row) + hd_rng_below(&rng, 5);
    m.count = batch * m.batch;
    m.data = hd_alloc_aligned(m.count + 1, sizeof(float));
    for (size_t i = 0; i < m.count; i++) m.data[i] = (float)(2 * hd_rng_uniform(&rng) - 1);
    if (!narrow) return m;
    m.narrow = hd_alloc_aligned(m.count + 1, sizeof(uint16_t));
    for (size_t i = 0; i < m.count; i++) {
        m.narrow[i] = hd_bf16_of_f32(m.data[i]);
        m.data[i] = hd_f32_of_bf16(m.narrow[i]);
    }
    return m;
}

static void matrix_free(matrix *m) {
    hd_free(m->data);
    hd_free(m->narrow);
}

static double act(double x, hd_act kind) {
    switch (kind) {
    case HD_ACT_RELU:
        return x > 0 ? x : 0;
    case HD_ACT_LEAKY_RELU:
        return x > 0 ? x : 0.01 * x;
    case HD_ACT_GELU:
        return 0.5 * x * (1 + erf(x * sqrt(0.5)));
    case HD_ACT_GELU_TANH:
        return 0.5 * x * (1 + tanh(sqrt(2 / 3.14159265358979) * (x + 0.044715 * x * x * x)));
    case HD_ACT_SILU:
        return x / (1 + exp(-x));
    case HD_ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    case HD_ACT_TANH:
        return tanh(x);
    default:
        return x;
    }
}

typedef struct problem {
    hd_gemm g;
    matrix a, b, c, residual, pre; // c, pre, residual: the same as bf16 where g says so
    float *bias, *before;          // before: C as it was
} problem;

// Values that are kept as bf16 from now on.
static uint16_t *narrowed(float *x, size_t n) {
    uint16_t *out = hd_alloc_aligned(n + 1, sizeof *out);
    for (size_t i = 0; i < n; i++) x[i] = hd_f32_of_bf16(out[i] = hd_bf16_of_f32(x[i]));
    return out;
}

static void *kept(matrix *m, hd_dtype type) {
    m->narrow = type == HD_BF16 ? narrowed(m->data, m->count) : NULL;
    return m->narrow ? (void *)m->narrow : m->data;
}

static bool coin(void) {
    return hd_rng_below(&rng, 2) == 0;
}

static problem problem_new(size_t g_batch, size_t m, size_t n, size_t k) {
    problem p = {.g = {.m = m, .n = n, .k = k, .batch = g_batch}};
    const size_t batch = g_batch ? g_batch : 1;
    bool shared = coin();
    p.a = matrix_new(batch, m, k, coin(), hd_rng_below(&rng, 4) == 0);
    p.b = matrix_new(shared ? 1 : batch, k, n, coin(), hd_rng_below(&rng, 4) == 0);
    p.c = matrix_new(batch, m, n, false, false);
    p.residual = p.c; // strides
    p.pre = p.c;
    p.before = hd_alloc_aligned(p.c.count + 1, sizeof(float));
    p.residual.data = hd_alloc_aligned(p.c.count + 1, sizeof(float));
    p.pre.data = hd_calloc(p.c.count + 1, sizeof(float));
    p.bias = hd_alloc_aligned(n + 1, sizeof(float));
    for (size_t j = 0; j < n; j++) p.bias[j] = (float)(2 * hd_rng_uniform(&rng) - 1);
    for (size_t j = 0; j < p.c.count; j++)
        p.residual.data[j] = (float)(2 * hd_rng_uniform(&rng) - 1);
    hd_gemm *g = &p.g;
    g->a = p.a.narrow ? (void *)p.a.narrow : p.a.data;
    g->a_type = p.a.narrow ? HD_BF16 : HD_F32;
    g->a_row = p.a.row, g->a_col = p.a.col, g->a_batch = p.a.batch;
    g->b = p.b.narrow ? (void *)p.b.narrow : p.b.data;
    g->b_type = p.b.narrow ? HD_BF16 : HD_F32;
    g->b_row = p.b.row, g->b_col = p.b.col, g->b_batch = shared ? 0 : p.b.batch;
    g->c_row = p.c.row, g->c_batch = p.c.batch;
    g->c_type = hd_rng_below(&rng, 3) ? HD_F32 : HD_BF16;
    g->pre_type = hd_rng_below(&rng, 3) ? HD_F32 : HD_BF16;
    g->residual_type = hd_rng_below(&rng, 3) ? HD_F32 : HD_BF16;
    g->c = kept(&p.c, g->c_type);
    memcpy(p.before, p.c.data, p.c.count * sizeof(float));
    g->alpha = coin() ? 1 : 0.5F;
    g->accumulate = coin() && g->c_type == HD_F32;
    g->bias = coin() ? p.bias : NULL;
    void *residual = kept(&p.residual, g->residual_type), *pre = kept(&p.pre, g->pre_type);
    g->residual = coin() ? residual : NULL;
    g->pre = coin() ? pre : NULL;
    g->act = coin() ? HD_ACT_NONE : (hd_act)hd_rng_below(&rng, HD_ACTS);
    return p;
}

// C and what goes with it in f32.
static void in_f32(problem *p) {
    matrix *const made[] = {&p->c, &p->pre};
    for (int i = 0; i < 2; i++) {
        hd_free(made[i]->narrow);
        made[i]->narrow = NULL;
    }
    p->g.c = p->c.data;
    p->g.c_type = p->g.pre_type = HD_F32;
    if (p->g.pre) p->g.pre = p->pre.data;
}

static void problem_free(problem *p) {
    matrix_free(&p->a);
    matrix_free(&p->b);
    matrix_free(&p->c);
    matrix_free(&p->residual);
    matrix_free(&p->pre);
    hd_free(p->bias);
    hd_free(p->before);
}

static void run(problem *p, hd_pool *pool) {
    size_t threads = hd_pool_threads(pool), bytes = hd_gemm_workspace(&p->g, threads);
    unsigned char *workspace = hd_alloc_aligned(bytes + 64, 1);
    memset(workspace, 0xff, bytes + 64); // NaN: what isn't written isn't used
    memcpy(p->c.data, p->before, p->c.count * sizeof(float));
    memset(p->pre.data, 0, p->c.count * sizeof(float));
    for (size_t i = 0; p->c.narrow && i < p->c.count; i++)
        p->c.narrow[i] = hd_bf16_of_f32(p->before[i]);
    assert_int_equal(hd_gemm_run(pool, &p->g, workspace), HEED_OK);
    matrix *const made[] = {&p->c, &p->pre};
    for (int i = 0; i < 2; i++)
        for (size_t j = 0; made[i]->narrow && j < p->c.count; j++)
            made[i]->data[j] = hd_f32_of_bf16(made[i]->narrow[j]);
    for (size_t i = 0; i < 64; i++) assert_int_equal(workspace[bytes + i], 0xff);
    hd_free(workspace);
}

static double rounded(double x, hd_precision precision) {
    return precision == HD_PRECISE_BF16 ? (double)hd_f32_of_bf16(hd_bf16_of_f32((float)x)) : x;
}

static void check(const problem *p) {
    const hd_gemm *g = &p->g;
    size_t batch = g->batch ? g->batch : 1;
    // Nothing beside C is written.
    size_t wrong = 0;
    for (size_t t = 0; t < batch; t++) {
        const size_t every = g->m * g->n * g->k > 30000000 ? 41 : 1; // rows looked at
        for (size_t i = 0; i < g->m; i += every) {
            size_t row = t * g->c_batch + i * g->c_row;
            for (size_t j = g->n; j < g->c_row && i + 1 < g->m; j++)
                wrong += p->c.data[row + j] != p->before[row + j];
            for (size_t j = 0; j < g->n; j++) {
                double sum = 0, size = 0;
                for (size_t q = 0; q < g->k; q++) {
                    double a = p->a.data[t * g->a_batch + i * g->a_row + q * g->a_col];
                    double b = p->b.data[t * g->b_batch + q * g->b_row + j * g->b_col];
                    if (g->accumulate) a = (float)a * g->alpha;
                    a = rounded(a, g->precision), b = rounded(b, g->precision);
                    sum += a * b;
                    size += fabs(a * b);
                }
                size_t at = row + j;
                if (!g->accumulate) sum *= (double)g->alpha;
                if (g->bias) sum += (double)g->bias[j];
                if (g->residual) sum += (double)p->residual.data[at];
                if (g->accumulate) sum += (double)p->before[at];
                double bound = 2e-6 + 1.2e-7 * (sqrt((double)g->k) + 4) * (size + 2);
                double want = act(sum, g->act), got = (double)p->c.data[at];
                double round = g->c_type == HD_BF16 ? fabs(want) / 256 + 1e-4 : 0; // (gelu: near)
                if (!(fabs(got - want) <= 1.2 * bound + round)) {
                    if (wrong++ == 0)
                        fprintf(stderr, "%s m %zu n %zu k %zu: (%zu, %zu, %zu) is %.9g, not %.9g\n",
                                hd_isa_name(hd_isa_get()), g->m, g->n, g->k, t, i, j, got, want);
                }
                round = g->pre_type == HD_BF16 ? fabs(sum) / 256 : 0;
                if (g->pre) wrong += !(fabs((double)p->pre.data[at] - sum) <= bound + round);
            }
        }
    }
    assert_int_equal(wrong, 0);
}

static const char *path_name(int i) { // HEED_ISA: that one alone
    const char *only = getenv("HEED_ISA"), *name = hd_isa_name((hd_isa)i);
    return hd_isa_can((hd_isa)i) && (!only || strcmp(only, name) == 0) ? name : NULL;
}

#define EACH_PATH                                 \
    for (int path_ = 0; path_ < HD_ISAS; path_++) \
        if (path_name(path_) && hd_isa_choose(path_name(path_)) == HEED_OK)

static size_t some_size(void) {
    static const size_t sizes[] = {0, 1, 2, 3, 7, 8, 9, 16, 17, 31, 48, 49, 64, 97};
    return sizes[hd_rng_below(&rng, sizeof sizes / sizeof sizes[0])];
}

static void test_random_shapes(void **state) {
    (void)state;
    hd_pool *pool;
    assert_int_equal(hd_pool_new(2, &pool), HEED_OK);
    EACH_PATH {
        rng = hd_rng_make(11, 0);
        for (int round = 0; round < 70; round++) {
            problem p = problem_new(hd_rng_below(&rng, 4), some_size(), some_size(), some_size());
            p.g.precision = hd_rng_below(&rng, 3) ? HD_PRECISE_F32 : HD_PRECISE_BF16;
            run(&p, coin() ? pool : NULL);
            check(&p);
            problem_free(&p);
        }
    }
    hd_pool_free(pool);
}

// Shapes that are cut in several blocks of rows, of columns, of k.
static void test_large_shapes(void **state) {
    (void)state;
    static const size_t shapes[][4] = {
        {1, 300, 100, 20}, {1, 20, 500, 70},   {1, 5, 40, 600},      {1, 530, 10, 33},
        {3, 270, 20, 40},  {1, 65, 65, 2100},  {40, 9, 17, 5},       {1, 1, 700, 300},
        {2, 33, 500, 64},  {1, 260, 20, 1100}, {1, 257, 1100, 1030}, {1, 40, 130, 1100}};
    hd_pool *pool;
    assert_int_equal(hd_pool_new(3, &pool), HEED_OK);
    EACH_PATH {
        rng = hd_rng_make(13, 0);
        for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
            for (int precision = HD_PRECISE_F32; precision <= HD_PRECISE_BF16; precision++) {
                problem p = problem_new(shapes[s][0], shapes[s][1], shapes[s][2], shapes[s][3]);
                p.g.precision = (hd_precision)precision;
                run(&p, pool);
                check(&p);
                problem_free(&p);
            }
        }
    }
    hd_pool_free(pool);
}

// A across, from where on a result goes past the caches on any machine.
static void lay_across(problem *p) {
    matrix_free(&p->a);
    p->a = matrix_new(1, p->g.m, p->g.k, true, false);
    p->g.a = p->a.data, p->g.a_type = HD_F32;
    p->g.a_row = p->a.row, p->g.a_col = p->a.col, p->g.a_batch = p->a.batch;
}

// A result that goes past the caches: what it should be, and the bits of one that doesn't.
static void check_streamed(bool narrow, hd_pool *pool) {
    EACH_PATH {
        rng = hd_rng_make(31, 0);
        const size_t m = 1100, n = 960, few = 100;
        problem p = problem_new(1, m, n, 5);
        in_f32(&p);
        lay_across(&p);
        p.g.c_row = p.c.row = n; // rows that begin with lines
        p.g.pre = p.pre.data;
        p.g.accumulate = false;
        if (narrow) {
            p.g.c_type = p.g.pre_type = HD_BF16;
            p.g.c = kept(&p.c, HD_BF16), p.g.pre = kept(&p.pre, HD_BF16);
            memcpy(p.before, p.c.data, p.c.count * sizeof(float));
        }
        p.g.act = HD_ACT_RELU;
        p.g.precision = path_ == HD_ISA_AMX ? HD_PRECISE_BF16 : HD_PRECISE_F32;
        run(&p, pool);
        check(&p);
        float *all = hd_alloc_aligned(few * n, sizeof(float));
        memcpy(all, p.c.data, few * n * sizeof(float));
        p.g.m = few;
        run(&p, NULL);
        assert_memory_equal(all, p.c.data, few * n * sizeof(float));
        hd_free(all);
        problem_free(&p);
    }
}

static void test_streamed(void **state) {
    (void)state;
    hd_pool *pool;
    assert_int_equal(hd_pool_new(2, &pool), HEED_OK);
    check_streamed(false, pool);
    check_streamed(true, pool);
    hd_pool_free(pool);
}

// Everything that stands beside sums on their way to C, in whole tiles (of two vectors and of
// three) and in tails.
static void check_beside(hd_dtype type, bool narrow, size_t n, size_t i) {
    problem p = problem_new(1, 70, n, 40);
    in_f32(&p);
    hd_free(p.residual.narrow);
    p.g.c_type = p.g.pre_type = p.g.residual_type = type;
    p.g.c = kept(&p.c, type);
    memcpy(p.before, p.c.data, p.c.count * sizeof(float));
    void *pre = kept(&p.pre, type), *residual = kept(&p.residual, type);
    p.g.alpha = 1, p.g.accumulate = false;
    p.g.residual = i % 3 == 1 ? residual : NULL;
    p.g.pre = i % 3 == 2 ? pre : NULL;
    p.g.bias = i / 3 % 2 ? p.bias : NULL;
    p.g.act = (hd_act)(i / 6);
    p.g.precision = narrow ? HD_PRECISE_BF16 : HD_PRECISE_F32;
    run(&p, NULL);
    check(&p);
    problem_free(&p);
}

static void test_beside(void **state) {
    (void)state;
    EACH_PATH {
        rng = hd_rng_make(37, 0);
        for (size_t i = 0; i < (size_t)3 * 2 * HD_ACTS; i++) {
            check_beside(HD_BF16, path_ == HD_ISA_AMX, 97, i);
            check_beside(HD_F32, false, 97, i);
            check_beside(HD_F32, false, 80, i);
        }
    }
}

// One to four threads: the same bits.
static void test_threads(void **state) {
    (void)state;
    EACH_PATH {
        rng = hd_rng_make(17, 0);
        for (int round = 0; round < 6; round++) {
            problem p = problem_new(1, 100 + 300 * (round % 2), 200, 70);
            p.g.precision = round < 3 ? HD_PRECISE_F32 : HD_PRECISE_BF16;
            run(&p, NULL);
            float *first = hd_alloc_aligned(p.c.count, sizeof(float));
            memcpy(first, p.c.data, p.c.count * sizeof(float));
            for (size_t threads = 2; threads <= 4; threads++) {
                hd_pool *pool;
                assert_int_equal(hd_pool_new(threads, &pool), HEED_OK);
                run(&p, pool);
                assert_memory_equal(first, p.c.data, p.c.count * sizeof(float));
                hd_pool_free(pool);
            }
            hd_free(first);
            problem_free(&p);
        }
    }
}

// The first rows alone are the first rows of all.
static void test_rows_in_any_company(void **state) {
    (void)state;
    static const size_t alone[] = {1, 2, 5, 8, 17, 64, 200};
    EACH_PATH {
        rng = hd_rng_make(19, 0);
        for (int round = 0; round < 8; round++) {
            problem p = problem_new(1, 300, 60, 270);
            p.g.precision = round % 2 ? HD_PRECISE_F32 : HD_PRECISE_BF16;
            run(&p, NULL);
            float *all = hd_alloc_aligned(p.c.count, sizeof(float));
            memcpy(all, p.c.data, p.c.count * sizeof(float));
            for (size_t s = 0; s < sizeof alone / sizeof alone[0]; s++) {
                p.g.m = alone[s];
                run(&p, NULL);
                for (size_t i = 0; i < alone[s]; i++) {
                    size_t at = i * p.g.c_row;
                    assert_memory_equal(all + at, p.c.data + at, p.g.n * sizeof(float));
                }
            }
            hd_free(all);
            problem_free(&p);
        }
    }
}

// B packed before gives the same bits, whatever m; also one that a run takes in parts of its
// columns and of k.
static void test_packed(void **state) {
    (void)state;
    hd_pool *pool;
    assert_int_equal(hd_pool_new(2, &pool), HEED_OK);
    EACH_PATH {
        rng = hd_rng_make(29, 0);
        for (int round = 0; round < 14; round++) {
            problem p = round < 12 ? problem_new(1, round % 3 ? 7 : 300, 110, 290)
                                   : problem_new(1, 257, 600, 2100);
            p.g.precision = round % 2 ? HD_PRECISE_F32 : HD_PRECISE_BF16;
            run(&p, NULL);
            float *plain = hd_alloc_aligned(p.c.count, sizeof(float));
            memcpy(plain, p.c.data, p.c.count * sizeof(float));
            void *packed = hd_alloc_aligned(hd_pack_size(&p.g), 1);
            assert_int_equal(hd_pack_b(pool, &p.g, packed), HEED_OK);
            p.g.packed = packed;
            p.g.b = NULL;
            run(&p, pool);
            assert_memory_equal(plain, p.c.data, p.c.count * sizeof(float));
            hd_free(packed);
            hd_free(plain);
            problem_free(&p);
        }
    }
    hd_pool_free(pool);
}

// A of bf16 whose tiles can be read as they lie gives the bits of one that must be packed.
static void test_rows_as_they_lie(void **state) {
    (void)state;
    enum { M = 112, K = 1088, N = 60 };
    static const size_t ms[] = {16, 48, M}, ks[] = {32, 320, 544, K}, ns[] = {5, N};
    EACH_PATH {
        rng = hd_rng_make(31, 0);
        size_t direct = 0;
        for (size_t s = 0; s < 24; s++) {
            const size_t m = ms[s % 3], k = ks[s / 3 % 4], n = ns[s / 12];
            problem p = problem_new(1, m, n, k);
            uint16_t *as[2];
            float *cs = hd_alloc_aligned(2 * m * n, sizeof *cs);
            for (size_t pad = 0; pad < 2; pad++) {
                as[pad] = hd_alloc_aligned(m * (k + pad), sizeof(uint16_t));
                for (size_t i = 0; i < m * k; i++)
                    as[pad][i / k * (k + pad) + i % k] = hd_bf16_of_f32((float)(i % 127) - 61.5F);
                p.g = (hd_gemm){.m = m,
                                .n = n,
                                .k = k,
                                .a = as[pad],
                                .a_type = HD_BF16,
                                .a_row = k + pad,
                                .a_col = 1,
                                .b = p.b.data,
                                .b_row = p.b.row,
                                .b_col = p.b.col,
                                .c = cs + pad * m * n,
                                .c_row = n,
                                .precision = HD_PRECISE_BF16};
                hd_gemm_plan plan;
                hd_gemm_plan_make(&p.g, &plan);
                direct += !plan.pack_a;
                if (pad) assert_true(plan.pack_a);
                void *workspace = hd_alloc_aligned(hd_gemm_workspace(&p.g, 1) + 1, 1);
                assert_int_equal(hd_gemm_run(NULL, &p.g, workspace), HEED_OK);
                hd_free(workspace);
            }
            assert_memory_equal(cs, cs + m * n, m * n * sizeof *cs);
            hd_free(cs), hd_free(as[0]), hd_free(as[1]);
            problem_free(&p);
        }
        assert_int_equal(direct, hd_isa_get() == HD_ISA_AMX ? 24 : 0);
    }
}

// Sums in rounds over a long k, on their way to a narrow C: those of a wide one, rounded once.
static void test_long_sums(void **state) {
    (void)state;
    enum { M = 37, N = 61, K = 8500 };
    float *a = hd_alloc_aligned(M * K, sizeof *a), *b = hd_alloc_aligned(K * N, sizeof *b);
    rng = hd_rng_make(37, 0);
    for (size_t i = 0; i < M * K; i++) a[i] = (float)(2 * hd_rng_uniform(&rng) - 1);
    for (size_t i = 0; i < K * N; i++) b[i] = (float)(2 * hd_rng_uniform(&rng) - 1);
    static float wide[M * N], bias[N] = {0.5F, -3};
    static uint16_t narrow[M * N];
    EACH_PATH {
        for (int precision = HD_PRECISE_F32; precision <= HD_PRECISE_BF16; precision++) {
            hd_gemm g = {.m = M, .n = N, .k = K, .a = a, .a_row = K, .a_col = 1, .b = b};
            g.b_row = N, g.b_col = 1, g.c = wide, g.c_row = N, g.bias = bias;
            g.precision = (hd_precision)precision;
            hd_gemm h = g;
            h.c = narrow, h.c_type = HD_BF16;
            hd_gemm_plan plan;
            hd_gemm_plan_make(&h, &plan);
            assert_true(plan.k_super < K && plan.c_bytes > 0);
            void *workspace = hd_alloc_aligned(hd_gemm_workspace(&h, 1), 1);
            assert_int_equal(hd_gemm_run(NULL, &h, workspace), HEED_OK);
            assert_int_equal(hd_gemm_run(NULL, &g, workspace), HEED_OK);
            hd_free(workspace);
            for (size_t i = 0; i < M * N; i++) assert_int_equal(narrow[i], hd_bf16_of_f32(wide[i]));
        }
    }
    hd_free(a), hd_free(b);
}

// A NaN or an infinity in A stays in its row.
static void test_nan_stays_in_its_row(void **state) {
    (void)state;
    EACH_PATH {
        rng = hd_rng_make(23, 0);
        for (int round = 0; round < 4; round++) {
            problem p = problem_new(1, 20, 30, 40);
            p.g.precision = round % 2 ? HD_PRECISE_F32 : HD_PRECISE_BF16;
            p.g.a_type = HD_F32, p.g.a = p.a.data;
            p.g.act = HD_ACT_RELU;
            p.a.data[3 * p.g.a_row + 5 * p.g.a_col] = NAN;
            p.a.data[4 * p.g.a_row + 39 * p.g.a_col] = INFINITY;
            run(&p, NULL);
            for (size_t i = 0; i < p.g.m; i++) {
                for (size_t j = 0; j < p.g.n; j++) {
                    float c = p.c.data[i * p.g.c_row + j];
                    if (i == 3) assert_true(isnan(c));
                    if (i != 3 && i != 4) assert_true(isfinite(c));
                }
            }
            problem_free(&p);
        }
    }
}

// ── Σ C², counted on the way ──

static void bare(problem *p) {
    in_f32(p);
    p->g.alpha = 1, p->g.accumulate = false;
    p->g.bias = NULL, p->g.residual = NULL, p->g.pre = NULL, p->g.act = HD_ACT_NONE;
}

static double squares_of(const problem *p) {
    double sum = 0;
    for (size_t i = 0; i < p->g.m; i++)
        for (size_t j = 0; j < p->g.n; j++) {
            const double c = p->c.data[i * p->g.c_row + j];
            sum += c * c;
        }
    return sum;
}

static void check_squares(problem *p, hd_pool *pool) {
    double alone = -1, together = -1;
    p->g.squares = &alone;
    run(p, NULL);
    check(p);
    const double want = squares_of(p);
    if (!(fabs(alone - want) <= 1e-5 * want))
        fail_msg("m %zu n %zu k %zu: %.9g, not %.9g", p->g.m, p->g.n, p->g.k, alone, want);
    p->g.squares = &together;
    run(p, pool);
    assert_memory_equal(&alone, &together, sizeof alone);
}

// Tiles that are whole and not, rounds over k and over columns, C past the caches; nothing.
static void test_squares(void **state) {
    (void)state;
    static const size_t shapes[][3] = {{70, 97, 40},   {1, 1, 1},      {300, 100, 20},
                                       {65, 65, 2100}, {530, 10, 33},  {257, 1100, 1030},
                                       {20, 500, 70},  {1100, 960, 5}, {40, 3000, 1100},
                                       {0, 5, 5},      {5, 0, 5},      {5, 7, 0}};
    hd_pool *pool;
    assert_int_equal(hd_pool_new(3, &pool), HEED_OK);
    EACH_PATH {
        rng = hd_rng_make(41, 0);
        for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
            problem p = problem_new(1, shapes[s][0], shapes[s][1], shapes[s][2]);
            bare(&p);
            if (s % 2) lay_across(&p);
            if (s % 3 == 1) p.g.c_row = p.c.row = p.g.n; // (a batch of one: so it may be)
            p.g.precision = s % 4 < 2 ? HD_PRECISE_F32 : HD_PRECISE_BF16;
            check_squares(&p, pool);
            problem_free(&p);
        }
    }
    hd_pool_free(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_shapes),
        cmocka_unit_test(test_large_shapes),
        cmocka_unit_test(test_streamed),
        cmocka_unit_test(test_beside),
        cmocka_unit_test(test_squares),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_rows_in_any_company),
        cmocka_unit_test(test_nan_stays_in_its_row),
        cmocka_unit_test(test_packed),
        cmocka_unit_test(test_rows_as_they_lie),
        cmocka_unit_test(test_long_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
