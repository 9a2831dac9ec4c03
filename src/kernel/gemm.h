// SPDX-License-Identifier: Apache-2.0
//
// Products of matrices. Any strides with one of each operand 1, so that transposes cost nothing to
// name; batches; and the work around a product done while its result is in the cache.
//
// Sums over k run in an order that depends on k alone, work is cut by the shape: the same bits for
// any number of threads, and for a row of C whatever other rows are computed with it.
#ifndef HD_KERNEL_GEMM_H
#define HD_KERNEL_GEMM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/pool.h"
#include "kernel/dtype.h"

typedef enum hd_act {
    HD_ACT_NONE,
    HD_ACT_RELU,
    HD_ACT_LEAKY_RELU, // slope 0.01
    HD_ACT_GELU,       // x·Φ(x)
    HD_ACT_GELU_TANH,  // its approximation by tanh
    HD_ACT_SILU,
    HD_ACT_SIGMOID,
    HD_ACT_TANH,
    HD_ACTS
} hd_act;

// C = act(alpha·A·B + bias + residual [+ C when accumulate]). C: (m, n); A: (m, k); B: (k, n).
// Strides count elements. k = 0: the sum is 0.
typedef struct hd_gemm {
    size_t m, n, k;
    size_t batch; // that many independent products; 0 is 1
    const void *a;
    hd_dtype a_type;              // HD_F32 or HD_BF16
    size_t a_row, a_col, a_batch; // a_row or a_col is 1
    const void *b;                // a weight (n, k) has b_row 1, b_col k
    hd_dtype b_type;              // HD_F32 or HD_BF16
    size_t b_row, b_col, b_batch; // b_row or b_col is 1; b_batch 0: the same for all
    void *c;                      // may not overlap A and B
    hd_dtype c_type;              // HD_F32 or HD_BF16: sums are rounded once, when all is done
    size_t c_row, c_batch;        // unit column stride
    float alpha;                  // 0 is 1
    bool accumulate;              // C in f32 alone
    const float *bias;            // (n), or NULL
    const void *residual;         // strides like c, or NULL; may be c
    hd_dtype residual_type;
    hd_act act;
    void *pre; // strides like c, or NULL: the value before act
    hd_dtype pre_type;
    hd_precision precision; // F32; BF16: A and B are rounded to bf16
    const void *packed;     // B, as hd_pack_b made it; or NULL
    double *squares;        // Σ C² comes here, or NULL; C in f32 and nothing but the sums of A·B
} hd_gemm;

// Bytes that a run on so many threads borrows; 64-byte aligned. Any that is enough for a shape is
// enough for it on fewer threads.
size_t hd_gemm_workspace(const hd_gemm *gemm, size_t threads);
heed_err hd_gemm_run(hd_pool *pool, const hd_gemm *gemm, void *workspace) HEED_CHECK;

// B packed once and used by many runs: weights between two updates, the steps of a sequence. It
// fits products of the same k, n, b_type and precision, of any m, on the path it was packed for,
// and gives the same bits as B itself. gemm: its b, and what it fits; batch is ignored (one B for
// all: b_batch is taken as 0). out: hd_pack_size bytes, 64-byte aligned.
size_t hd_pack_size(const hd_gemm *gemm);
heed_err hd_pack_b(hd_pool *pool, const hd_gemm *gemm, void *out) HEED_CHECK;

#endif
