// SPDX-License-Identifier: Apache-2.0
//
// Elementwise maths: opcodes, and programs of them that run block by block in the first cache, so
// that a chain of operators reads its inputs and writes its outputs once. Functions are within 4
// units in the last place, take and give NaN, infinities and denormal numbers as libm does.
//
// A result depends on nothing but the values at its place (dropout: and the place).
#ifndef HD_KERNEL_VEC_H
#define HD_KERNEL_VEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"
#include "kernel/dtype.h"

// X(name, arity): out = f(a, b; p, q). x: the forward's input, y: its result, d: upstream gradient.
#define HD_VEC_LIST(X)                                                    \
    X(NONE, 1)            /* a */                                         \
    X(ADD, 2)             /* a + b */                                     \
    X(SUB, 2)             /* a − b */                                   \
    X(MUL, 2)             /* a·b */                                      \
    X(DIV, 2)             /* a / b */                                     \
    X(MIN, 2)             /* NaN when either is */                        \
    X(MAX, 2)             /* NaN when either is */                        \
    X(ABOVE, 2)           /* a > b: 1, a = b: ½, else 0 */               \
    X(SCALE, 1)           /* p·a */                                      \
    X(SHIFT, 1)           /* a + p */                                     \
    X(MULP, 2)            /* p·a·b */                                   \
    X(EXP, 1)             /* eᵃ */                                      \
    X(LOG, 1)             /* ln a */                                      \
    X(SQRT, 1)            /* √a */                                      \
    X(SQRT_GRAD, 2)       /* a = y, b = d: d / 2y */                      \
    X(SQUARE, 1)          /* a² */                                       \
    X(ABS, 1)             /* |a| */                                       \
    X(ABS_GRAD, 2)        /* a = x: d·sign x */                          \
    X(POW, 1)             /* aᵖ */                                      \
    X(POW_GRAD, 2)        /* a = x: d·p·xᵖ⁻¹ */                    \
    X(CLAMP, 1)           /* p … q */                                   \
    X(CLAMP_GRAD, 2)      /* a = x: d where p ≤ x ≤ q, else 0 */      \
    X(RELU, 1)            /* max(a, 0) */                                 \
    X(RELU_GRAD, 2)       /* a = y or x: d where a > 0 */                 \
    X(LEAKY_RELU, 1)      /* a > 0 ? a : p·a */                          \
    X(LEAKY_RELU_GRAD, 2) /* a = x (or y, p > 0) */                       \
    X(GELU, 1)            /* a·Φ(a) */                                  \
    X(GELU_GRAD, 2)       /* a = x: d·(Φ(x) + x·φ(x)) */              \
    X(GELU_TANH, 1)       /* ½a(1 + tanh(√(2/π)(a + 0.044715a³))) */ \
    X(GELU_TANH_GRAD, 2)  /* a = x */                                     \
    X(SILU, 1)            /* a·σ(a) */                                  \
    X(SILU_GRAD, 2)       /* a = x */                                     \
    X(SIGMOID, 1)         /* σ(a) */                                     \
    X(SIGMOID_GRAD, 2)    /* a = y: d·y(1 − y) */                      \
    X(TANH, 1)            /* tanh a */                                    \
    X(TANH_GRAD, 2)       /* a = y: d·(1 − y²) */                     \
    X(SOFTPLUS, 1)        /* ln(1 + eᵃ) */                              \
    X(SOFTPLUS_GRAD, 2)   /* a = x: d·σ(x) */                           \
    X(HUBER, 1)           /* |a| ≤ p: a²/2, else p(|a| − p/2) */     \
    X(BCE_LOGITS, 2)      /* max(a, 0) − a·b + ln(1 + e^−|a|) */     \
    X(DROPOUT, 1)         /* 0 with probability p, else a / (1 − p) */

typedef enum hd_vec_op {
#define HD_VEC_ENUM(name, arity) HD_VEC_##name,
    HD_VEC_LIST(HD_VEC_ENUM)
#undef HD_VEC_ENUM
        HD_VEC_OPS
} hd_vec_op;

typedef struct hd_vec_arg {
    float p, q;
    uint64_t seed, stream; // of dropout
} hd_vec_arg;

// first: place of a[0] in the whole array (dropout).
typedef void (*hd_vec_fn)(size_t n, const float *a, const float *b, float *out,
                          const hd_vec_arg *arg, size_t first);

// Of bf16, all of them; functions are near enough for it.
typedef void (*hd_vec_half_fn)(size_t n, const uint16_t *a, const uint16_t *b, uint16_t *out);

typedef struct hd_vec_kernels {
    hd_vec_fn op[HD_VEC_OPS];
    hd_vec_half_fn half[HD_VEC_OPS];                        // NULL: there is none
    float (*sum)(size_t n, const float *a);                 // a fixed tree
    float (*sum_squares)(size_t n, const float *a);         // "
    float (*dot)(size_t n, const float *a, const float *b); // "
    float (*max)(size_t n, const float *a);                 // NaN when one is; n = 0: −∞
    void (*add_rows)(size_t rows, size_t n, const float *a, size_t stride,
                     float *out); // out[j] += Σ a[i][j], i ascending
    void (*add_rows_bf16)(size_t rows, size_t n, const uint16_t *a, size_t stride, float *out);
    bool (*finite)(size_t n, const float *a);                // neither NaN nor infinity in it
    void (*widen)(size_t n, const uint16_t *a, float *out);  // from bf16 …
    void (*narrow)(size_t n, const float *a, uint16_t *out); // … and to it
} hd_vec_kernels;

extern const hd_vec_kernels hd_vec_kernels_ref;
extern const hd_vec_kernels hd_vec_kernels_avx2;
extern const hd_vec_kernels hd_vec_kernels_avx512;
extern const hd_vec_kernels hd_vec_kernels_amx;
extern const hd_vec_kernels hd_vec_kernels_neon;

const char *hd_vec_name(hd_vec_op op); // "GELU"
int hd_vec_arity(hd_vec_op op);
// The same in double, plainly: what the fast ones are tested against.
double hd_vec_reference(hd_vec_op op, double a, double b, const hd_vec_arg *arg, size_t at);
// Whether dropout keeps the value at a place.
bool hd_vec_keeps(const hd_vec_arg *arg, size_t at);

// ── Programs ──
// Slots: inputs 0 … n_in − 1, then outputs, then scratch. A step reads slots a and b, writes `out`
// (never an input).
enum { HD_VEC_INPUTS = 8, HD_VEC_OUTPUTS = 6, HD_VEC_SCRATCH = 8, HD_VEC_STEPS = 24 };
enum { HD_VEC_SLOTS = HD_VEC_INPUTS + HD_VEC_OUTPUTS + HD_VEC_SCRATCH };

typedef struct hd_vec_step {
    uint8_t op; // hd_vec_op
    uint8_t a, b, out;
    hd_vec_arg arg;
} hd_vec_step;

// How an input lies against the outputs, of `count` values.
typedef enum hd_vec_mode {
    HD_VEC_WHOLE,  // value by value
    HD_VEC_SCALAR, // one value for all
    HD_VEC_ROW,    // `period` values, over and over
    HD_VEC_COLUMN, // each value `period` times
    HD_VEC_STRIDED // by shape and stride
} hd_vec_mode;
typedef struct hd_vec_in {
    const void *data;
    hd_dtype type; // HD_F32 or HD_BF16
    hd_vec_mode mode;
    size_t period;
    int n_dims;
    size_t shape[HD_MAX_DIMS],
        stride[HD_MAX_DIMS]; // of the outputs; strides of this input, 0: ones
} hd_vec_in;

typedef struct hd_vec_program {
    int n_in, n_out, n_steps, n_scratch;
    hd_dtype out_type[HD_VEC_OUTPUTS]; // HD_F32 or HD_BF16
    hd_vec_step step[HD_VEC_STEPS];
} hd_vec_program;

// out[i]: (count); may be the memory of a WHOLE input, of its type, that no step reads after the
// one that writes it.
heed_err hd_vec_run(hd_pool *pool, const hd_vec_program *program, size_t count, const hd_vec_in *in,
                    void *const *out) HEED_CHECK;

// ── Sums over a dimension: x (a, r, c), f32 or bf16, to out (a, c); add: out += ──
// Partial sums over fixed runs of r are added up as a tree: workspace floats.
size_t hd_vec_sum_workspace(size_t a, size_t r, size_t c); // bytes
heed_err hd_vec_sum(hd_pool *pool, size_t a, size_t r, size_t c, const void *x, hd_dtype type,
                    float scale, bool add, float *out, void *workspace) HEED_CHECK;
// y += x, over a whole array.
heed_err hd_vec_add_to(hd_pool *pool, size_t n, const float *x, float *y) HEED_CHECK;

#endif
