// SPDX-License-Identifier: Apache-2.0
//
// The opcodes of kernel/vec.h, written once for vectors of any length.
//
// Numbers for dropout:
// Philox, as in base/rng.h, sixteen counters at a time whatever the length of a vector.
#include "kernel/vec.h"

#include "kernel/path/maths.h"

// ── Opcodes ──

HD_INLINE vf vsign_of(vf x, vf d) {
    vf none = vf_mul(x, vf_zero()); // 0, or NaN
    none = vf_select(vf_lt(x, vf_zero()), vf_neg(d), none);
    return vf_select(vf_lt(vf_zero(), x), d, none);
}

HD_INLINE vf vabove(vf a, vf b) {
    vf below = vf_select(vf_eq(a, b), vf_set1(0.5F), vf_zero());
    return vf_select(vf_lt(b, a), vf_set1(1), below);
}

HD_INLINE vf vhuber(vf x, float delta) {
    vf ax = vf_abs(x), p = vf_set1(delta), half = vf_set1(0.5F);
    vf out = vf_mul(p, vf_fnma(half, p, ax));
    return vf_select(vf_le(ax, p), vf_mul(half, vf_mul(x, x)), out);
}

HD_INLINE vf vbce(vf x, vf y) {
    vf t = vexp(vf_neg(vf_abs(x)));
    return vf_add(vf_fnma(x, y, vf_max(vf_zero(), x)), vlog1p(t));
}

HD_INLINE vf vclamp_grad(vf x, vf d, const hd_vec_arg *arg) {
    d = vf_select(vf_lt(x, vf_set1(arg->p)), vf_zero(), d);
    return vf_select(vf_lt(vf_set1(arg->q), x), vf_zero(), d);
}

HD_INLINE vf vpow(vf x, float p) {
    if (p == 2) return vf_mul(x, x);
    if (p == 1) return x;
    if (p == 3) return vf_mul(vf_mul(x, x), x);
    if (p == -1) return vf_div(vf_set1(1), x);
    if (p == 0.5F) return vf_sqrt(x);
    if (p == -0.5F) return vf_div(vf_set1(1), vf_sqrt(x));
    float lane[VF];
    vf_store(lane, x);
    for (int i = 0; i < VF; i++) lane[i] = powf(lane[i], p);
    return vf_load(lane);
}

// Long chains of arithmetic leave a processor few loads under way: what comes some way on is asked
// for. (In blocks that stay near it costs an instruction.)
enum { AHEAD = 512 };
HD_INLINE void fetch(const void *at) {
    __builtin_prefetch(at);
}

#define OPCODE1(name, expression)                                               \
    static void op_##name(size_t n, const float *a, const float *b, float *out, \
                          const hd_vec_arg *arg, size_t first) {                \
        (void)b;                                                                \
        (void)first;                                                            \
        const float p = arg->p, q = arg->q;                                     \
        (void)p;                                                                \
        (void)q;                                                                \
        size_t i = 0;                                                           \
        for (; i + VF <= n; i += VF) {                                          \
            fetch(a + i + AHEAD);                                               \
            const vf x = vf_load(a + i);                                        \
            vf_store(out + i, (expression));                                    \
        }                                                                       \
        if (i == n) return;                                                     \
        const vf x = vf_load_n(a + i, n - i);                                   \
        vf_store_n(out + i, (expression), n - i);                               \
    }
#define OPCODE2(name, expression)                                               \
    static void op_##name(size_t n, const float *a, const float *b, float *out, \
                          const hd_vec_arg *arg, size_t first) {                \
        (void)first;                                                            \
        (void)arg;                                                              \
        size_t i = 0;                                                           \
        for (; i + VF <= n; i += VF) {                                          \
            fetch(a + i + AHEAD);                                               \
            fetch(b + i + AHEAD);                                               \
            const vf x = vf_load(a + i), y = vf_load(b + i);                    \
            vf_store(out + i, (expression));                                    \
        }                                                                       \
        if (i == n) return;                                                     \
        const vf x = vf_load_n(a + i, n - i), y = vf_load_n(b + i, n - i);      \
        vf_store_n(out + i, (expression), n - i);                               \
    }

OPCODE1(NONE, x)
OPCODE2(ADD, vf_add(x, y))
OPCODE2(SUB, vf_sub(x, y))
OPCODE2(MUL, vf_mul(x, y))
OPCODE2(DIV, vf_div(x, y))
OPCODE2(MIN, vminimum(x, y))
OPCODE2(MAX, vmaximum(x, y))
OPCODE2(ABOVE, vabove(x, y))
OPCODE1(SCALE, vf_mul(vf_set1(p), x))
OPCODE1(SHIFT, vf_add(x, vf_set1(p)))
OPCODE2(MULP, vf_mul(vf_mul(vf_set1(arg->p), x), y))
OPCODE1(EXP, vexp(x))
OPCODE1(LOG, vlog(x))
OPCODE1(SQRT, vf_sqrt(x))
OPCODE2(SQRT_GRAD, vf_div(vf_mul(vf_set1(0.5F), y), x))
OPCODE1(SQUARE, vf_mul(x, x))
OPCODE1(ABS, vf_abs(x))
OPCODE2(ABS_GRAD, vsign_of(x, y))
OPCODE1(POW, vpow(x, p))
OPCODE2(POW_GRAD, vf_mul(vf_mul(vf_set1(arg->p), vpow(x, arg->p - 1)), y))
OPCODE1(CLAMP, vf_min(vf_set1(q), vf_max(vf_set1(p), x)))
OPCODE2(CLAMP_GRAD, vclamp_grad(x, y, arg))
OPCODE1(RELU, vf_max(vf_zero(), x))
OPCODE2(RELU_GRAD, vf_select(vf_le(x, vf_zero()), vf_zero(), y))
OPCODE1(LEAKY_RELU, vf_select(vf_le(x, vf_zero()), vf_mul(vf_set1(p), x), x))
OPCODE2(LEAKY_RELU_GRAD, vf_select(vf_le(x, vf_zero()), vf_mul(vf_set1(arg->p), y), y))
OPCODE1(GELU, vgelu(x))
OPCODE2(GELU_GRAD, vf_mul(vgelu_grad(x), y))
OPCODE1(GELU_TANH, vf_mul(x, gelu_gate(x)))
OPCODE2(GELU_TANH_GRAD, vf_mul(vgelu_tanh_grad(x), y))
OPCODE1(SILU, vf_mul(x, vsigmoid(x)))
OPCODE2(SILU_GRAD, vf_mul(vsilu_grad(x), y))
OPCODE1(SIGMOID, vsigmoid(x))
OPCODE2(SIGMOID_GRAD, vf_mul(vf_mul(y, x), vf_sub(vf_set1(1), x)))
OPCODE1(TANH, vtanh(x))
OPCODE2(TANH_GRAD, vf_mul(y, vf_fnma(x, x, vf_set1(1))))
OPCODE1(SOFTPLUS, vsoftplus(x))
OPCODE2(SOFTPLUS_GRAD, vf_mul(y, vsigmoid(x)))
OPCODE1(HUBER, vhuber(x, p))
OPCODE2(BCE_LOGITS, vbce(x, y))

// ── The same of bf16, for those that stand alone in nets ──

#define HALF(name, expression)                                                               \
    static void half_##name(size_t n, const uint16_t *a, const uint16_t *b, uint16_t *out) { \
        size_t i = 0;                                                                        \
        for (; i + VF <= n; i += VF) {                                                       \
            fetch(a + i + AHEAD);                                                            \
            fetch(b + i + AHEAD);                                                            \
            const vf x = vf_load_bf16(a + i), y = vf_load_bf16(b + i);                       \
            (void)y;                                                                         \
            vf_store_bf16(out + i, (expression));                                            \
        }                                                                                    \
        if (i == n) return;                                                                  \
        const vf x = vf_load_bf16_n(a + i, n - i), y = vf_load_bf16_n(b + i, n - i);         \
        (void)y;                                                                             \
        vf_store_bf16_n(out + i, (expression), n - i);                                       \
    }
HALF(ADD, vf_add(x, y))
HALF(RELU, vf_max(vf_zero(), x))
HALF(RELU_GRAD, vf_select(vf_le(x, vf_zero()), vf_zero(), y))
HALF(GELU, near_gelu(x))
HALF(GELU_GRAD, vf_mul(near_gelu_grad(x), y))
HALF(GELU_TANH, near_gelu_tanh(x))
HALF(GELU_TANH_GRAD, vf_mul(near_gelu_tanh_grad(x), y))

// ── Dropout ──

enum { GROUP = 64, COUNTERS = 16, ROUNDS = 10 };

// The 64 numbers of a group of places: counters 16·group … + 15, first words first.
HD_INLINE void random_group(uint64_t group, const hd_vec_arg *arg, int32_t out[GROUP]) {
    static const int32_t lanes[COUNTERS] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    uint64_t base = group * COUNTERS;
    for (int at = 0; at < COUNTERS; at += VF) {
        uint32_t k0 = (uint32_t)arg->seed, k1 = (uint32_t)(arg->seed >> 32);
        vi c0 = vi_add(vi_set1((int32_t)(uint32_t)base), vi_load(lanes + at));
        vi c1 = vi_set1((int32_t)(uint32_t)(base >> 32));
        vi c2 = vi_set1((int32_t)(uint32_t)arg->stream);
        vi c3 = vi_set1((int32_t)(uint32_t)(arg->stream >> 32));
        const vi m0 = vi_set1((int32_t)UINT32_C(0xD2511F53));
        const vi m1 = vi_set1((int32_t)UINT32_C(0xCD9E8D57));
        for (int round = 0; round < ROUNDS; round++) {
            vi high0 = vi_mul_high(m0, c0), low0 = vi_mul(m0, c0);
            vi high1 = vi_mul_high(m1, c2), low1 = vi_mul(m1, c2);
            c0 = vi_xor(vi_xor(high1, c1), vi_set1((int32_t)k0));
            c1 = low1;
            c2 = vi_xor(vi_xor(high0, c3), vi_set1((int32_t)k1));
            c3 = low0;
            k0 += UINT32_C(0x9E3779B9);
            k1 += UINT32_C(0xBB67AE85);
        }
        vi_store(out + at, c0);
        vi_store(out + COUNTERS + at, c1);
        vi_store(out + 2 * COUNTERS + at, c2);
        vi_store(out + 3 * COUNTERS + at, c3);
    }
}

static void op_DROPOUT(size_t n, const float *a, const float *b, float *out, const hd_vec_arg *arg,
                       size_t first) {
    (void)b;
    // Unsigned r < p·2³² drops; compared as signed with the top bit turned.
    const uint32_t below = (uint32_t)((double)arg->p * 0x1p32);
    const vi limit = vi_set1((int32_t)(below ^ UINT32_C(0x80000000))), turn = vi_set1(INT32_MIN);
    const vf scale = vf_set1(1 / (1 - arg->p));
    int32_t r[GROUP + COUNTERS] = {0}; // (read by whole vectors)
    for (size_t i = 0; i < n;) {
        size_t in_group = (first + i) % GROUP, end = i + GROUP - in_group;
        random_group((first + i) / GROUP, arg, r);
        if (end > n) end = n;
        for (const int32_t *at = r + in_group; i < end; i += VF, at += VF) {
            size_t k = end - i < VF ? end - i : VF;
            vm drop = vi_gt(limit, vi_xor(vi_load(at), turn));
            vf x = vf_mul(vf_load_n(a + i, k), scale);
            vf_store_n(out + i, vf_select(drop, vf_zero(), x), k);
        }
        i = end;
    }
}

// ── Reductions: four sums side by side, added as a tree ──

#define SUM_KERNEL(name, arguments, whole, part)                       \
    static float name arguments {                                      \
        vf s[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};        \
        size_t i = 0;                                                  \
        for (; i + 4 * VF <= n; i += 4 * VF)                           \
            for (size_t j = 0; j < 4; j++) {                           \
                const size_t at = i + j * VF;                          \
                s[j] = (whole);                                        \
            }                                                          \
        for (size_t j = 0; i < n; i += VF, j++) {                      \
            const size_t at = i, left = n - i < VF ? n - i : VF;       \
            s[j] = (part);                                             \
        }                                                              \
        return vf_sum(vf_add(vf_add(s[0], s[1]), vf_add(s[2], s[3]))); \
    }
#define A_ALL vf_load(a + at)
#define A_PART vf_load_n(a + at, left)
SUM_KERNEL(sum, (size_t n, const float *a), vf_add(s[j], A_ALL), vf_add(s[j], A_PART))
SUM_KERNEL(sum_squares, (size_t n, const float *a), vf_fma(A_ALL, A_ALL, s[j]),
           vf_fma(A_PART, A_PART, s[j]))
SUM_KERNEL(dot, (size_t n, const float *a, const float *b), vf_fma(A_ALL, vf_load(b + at), s[j]),
           vf_fma(A_PART, vf_load_n(b + at, left), s[j]))

static float max_of(size_t n, const float *a) {
    vf m = vf_set1(-INFINITY);
    size_t i = 0;
    for (; i + VF <= n; i += VF) m = vmaximum(m, vf_load(a + i));
    float lane[VF], most = -INFINITY;
    vf_store(lane, m);
    for (int j = 0; j < VF; j++) most = lane[j] > most || isnan(lane[j]) ? lane[j] : most;
    for (; i < n; i++) most = a[i] > most || isnan(a[i]) ? a[i] : most;
    return most;
}

// `some` rows, each from end to end side by side: memory is read in its order.
#define ADD_ROWS(name, type, load, load_n)                                                  \
    HD_INLINE void some_##name(const size_t some, size_t n, const type *a, size_t stride,   \
                               float *out) {                                                \
        size_t j = 0;                                                                       \
        for (; j + VF <= n; j += VF) {                                                      \
            vf s = vf_load(out + j);                                                        \
            for (size_t i = 0; i < some; i++) s = vf_add(s, load(a + i * stride + j));      \
            vf_store(out + j, s);                                                           \
        }                                                                                   \
        if (j == n) return;                                                                 \
        vf s = vf_load_n(out + j, n - j);                                                   \
        for (size_t i = 0; i < some; i++) s = vf_add(s, load_n(a + i * stride + j, n - j)); \
        vf_store_n(out + j, s, n - j);                                                      \
    }                                                                                       \
    static void name(size_t rows, size_t n, const type *a, size_t stride, float *out) {     \
        enum { SIDE_BY_SIDE = 8 };                                                          \
        for (; rows >= SIDE_BY_SIDE; rows -= SIDE_BY_SIDE, a += SIDE_BY_SIDE * stride)      \
            some_##name(SIDE_BY_SIDE, n, a, stride, out);                                   \
        for (; rows > 0; rows--, a += stride) some_##name(1, n, a, stride, out);            \
    }
ADD_ROWS(add_rows, float, vf_load, vf_load_n)
ADD_ROWS(add_rows_bf16, uint16_t, vf_load_bf16, vf_load_bf16_n)

static void widen(size_t n, const uint16_t *a, float *out) {
    size_t i = 0;
    for (; i + VF <= n; i += VF) vf_store(out + i, vf_load_bf16(a + i));
    if (i < n) vf_store_n(out + i, vf_load_bf16_n(a + i, n - i), n - i);
}

static void narrow(size_t n, const float *a, uint16_t *out) {
    size_t i = 0;
    for (; i + VF <= n; i += VF) vf_store_bf16(out + i, vf_load(a + i));
    if (i < n) vf_store_bf16_n(out + i, vf_load_n(a + i, n - i), n - i);
}

static bool finite_all(size_t n, const float *a) {
    vf s = vf_zero(); // x − x is 0, or NaN
    for (size_t i = 0; i < n; i += VF) {
        vf x = n - i < VF ? vf_load_n(a + i, n - i) : vf_load(a + i);
        s = vf_add(s, vf_sub(x, x));
    }
    return !vm_any(vf_is_nan(s));
}

const hd_vec_kernels HD_PATH(hd_vec_kernels) = {
    .op =
        {
#define ROW(name, arity) [HD_VEC_##name] = op_##name,
            HD_VEC_LIST(ROW)
#undef ROW
        },
    .half = {[HD_VEC_ADD] = half_ADD,
             [HD_VEC_RELU] = half_RELU,
             [HD_VEC_RELU_GRAD] = half_RELU_GRAD,
             [HD_VEC_GELU] = half_GELU,
             [HD_VEC_GELU_GRAD] = half_GELU_GRAD,
             [HD_VEC_GELU_TANH] = half_GELU_TANH,
             [HD_VEC_GELU_TANH_GRAD] = half_GELU_TANH_GRAD},
    .sum = sum,
    .sum_squares = sum_squares,
    .dot = dot,
    .max = max_of,
    .add_rows = add_rows,
    .add_rows_bf16 = add_rows_bf16,
    .finite = finite_all,
    .widen = widen,
    .narrow = narrow,
};
