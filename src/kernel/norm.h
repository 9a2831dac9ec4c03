// SPDX-License-Identifier: Apache-2.0
//
// Normalisation, forward and backward: of columns over all rows (batch), of each row (layer, RMS),
// of each image's groups of channels (group). Images lie (n, h, w, c): rows are places.
//
// Batch and group norms may end with "+ residual" and ReLU in the same pass; their backward then
// takes dy as it comes. Sums are taken by pieces cut by shape (each shifted by its first row) and
// put together in double, in order: the same bits for any number of threads.
#ifndef HD_KERNEL_NORM_H
#define HD_KERNEL_NORM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/pool.h"
#include "kernel/dtype.h"

typedef struct hd_norm {
    size_t n;      // images (batch norm: 1)
    size_t rows;   // places per image
    size_t c;      // channels
    size_t groups; // of channels that are normalised together; batch norm: c, with n = 1
    float eps;
    bool relu;
    // HD_F32 or HD_BF16; all between is f32. residual_type: of dresidual too
    hd_dtype x_type, y_type, residual_type, dy_type, dx_type;
} hd_norm;

// Bytes (64-byte aligned) that the calls below borrow.
size_t hd_norm_workspace(const hd_norm *norm);

// y = act(gamma·(x − mean)·scale + beta + residual) with the mean and scale = 1/√(var + eps) of
// each (image, group), which are written. gamma, beta (c), residual: may be NULL.
heed_err hd_norm_forward(hd_pool *pool, const hd_norm *norm, const void *x, const float *gamma,
                         const float *beta, const void *residual, void *y, float *mean,
                         float *scale, void *workspace) HEED_CHECK;
// The same with mean and scale given: those of another run, or batch norm's when not training.
// y may be x or residual, here and above.
heed_err hd_norm_apply(hd_pool *pool, const hd_norm *norm, const void *x, const float *gamma,
                       const float *beta, const float *mean, const float *scale,
                       const void *residual, void *y, void *workspace) HEED_CHECK;
// known: mean and scale don't depend on x. y: needed with relu and a residual, else may be NULL.
// dx, dgamma, dbeta, dresidual: NULL when not wanted. dx may be x, dy or y, dresidual dy.
typedef struct hd_norm_grads {
    void *dx;
    float *dgamma, *dbeta;
    void *dresidual;
} hd_norm_grads;
heed_err hd_norm_backward(hd_pool *pool, const hd_norm *norm, bool known, const void *x,
                          const float *gamma, const float *beta, const void *y, const float *mean,
                          const float *scale, const void *dy, hd_norm_grads out,
                          void *workspace) HEED_CHECK;

// Rows of d: y = gamma·(x − mean)·scale + beta; rms: mean is 0. mean, scale (rows) are written.
typedef struct hd_row_norm {
    size_t rows, d;
    float eps;
    bool rms;
    hd_dtype x_type, y_type, dy_type, dx_type; // HD_F32 or HD_BF16; all between is f32
} hd_row_norm;
size_t hd_row_norm_workspace(const hd_row_norm *norm); // of the backward
heed_err hd_row_norm_forward(hd_pool *pool, const hd_row_norm *norm, const void *x,
                             const float *gamma, const float *beta, void *y, float *mean,
                             float *scale) HEED_CHECK;
heed_err hd_row_norm_backward(hd_pool *pool, const hd_row_norm *norm, const void *x,
                              const float *gamma, const float *mean, const float *scale,
                              const void *dy, hd_norm_grads out, void *workspace) HEED_CHECK;

#endif
