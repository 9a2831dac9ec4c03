// SPDX-License-Identifier: Apache-2.0
//
// Cross-entropy of one row of logits, for the operators that need it. For src/tensor alone.
//
// With smoothing s, weights w and the label c of a row:
//     loss = (1 − s)·w_c·(lse − x_c) + s/V·Σ_j w_j·(lse − x_j),
// and the mean is divided by Σ w_c over the rows that count (as in PyTorch). No row that counts: 0.
#ifndef HD_TENSOR_LOSS_H
#define HD_TENSOR_LOSS_H

#include "kernel/softmax.h"
#include "tensor/ops.h"
#include "tensor/own.h"

typedef struct hd_loss_attrs {
    hd_reduction reduction;
    float smoothing;
    bool ignore;
    int32_t ignored;
} hd_loss_attrs;

typedef struct hd_loss {
    hd_loss_attrs attrs;
    const hd_softmax_kernels *softmax;
    const hd_vec_kernels *vec;
    const float *w; // (v) of the classes, or NULL
    const int32_t *labels;
    size_t n, v;
    float all; // Σ w
} hd_loss;

hd_loss hd_loss_of(const hd_loss_attrs *attrs, const hd_tensor *labels, const hd_tensor *weights,
                   size_t v);
// Checks labels, weights and attrs against v classes and the rows' shape.
heed_err hd_loss_shape(const hd_loss_attrs *attrs, const hd_tensor *rows, const hd_tensor *labels,
                       const hd_tensor *weights, size_t v) HEED_CHECK;
heed_err hd_loss_check(const hd_loss *loss) HEED_CHECK; // labels are classes, or ignored
// What the sum of the rows' losses, or each of them, is multiplied by.
float hd_loss_scale(const hd_loss *loss);
float hd_loss_row(const hd_loss *loss, size_t row, const float *x, float lse);
// out = g · gradient of the row's loss; out may be x.
void hd_loss_row_grad(const hd_loss *loss, size_t row, const float *x, float lse, float g,
                      float *out);
// The reference: loss (n, or one), lse (n), scale (one).
void hd_loss_reference(const hd_loss_attrs *attrs, size_t n, size_t v, const double *x,
                       const double *labels, const double *w, double *const *out);

static inline hd_loss_attrs hd_loss_attrs_of(const hd_cross_entropy_opts *opts) {
    hd_loss_attrs attrs = {HD_REDUCE_MEAN, 0, false, 0};
    if (opts)
        attrs = (hd_loss_attrs){opts->reduction, opts->smoothing, opts->ignore, opts->ignored};
    return attrs;
}

#endif
