// SPDX-License-Identifier: Apache-2.0
//
// Convolution of images (n, h, w, c) by filters (o, kh, kw, c / groups), forward and both
// gradients. Stride, zero padding, dilation, groups (groups = c = o: depthwise). In one dimension
// h and kh are 1. A transposed convolution is the gradient by x of the convolution that goes the
// other way.
//
// Work is cut by shape and sums run in a fixed order: the same bits for any number of threads, and
// for an image whatever others stand in the batch (hd_conv_dw sums over the batch).
#ifndef HD_KERNEL_CONV_H
#define HD_KERNEL_CONV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/pool.h"
#include "kernel/dtype.h"

typedef struct hd_conv {
    size_t n, h, w, c; // x
    size_t o, kh, kw;  // filters
    size_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
    size_t groups;           // divides c and o
    size_t out_h, out_w;     // y (n, out_h, out_w, o): hd_conv_out
    hd_precision precision;  // F32; BF16: operands are rounded to bf16, sums are f32
    hd_dtype x_type, y_type; // as x and y, dx and dy are kept: HD_F32, or where hd_conv_takes_bf16
                             // says so HD_BF16
} hd_conv;

// Whether the path multiplies bf16 by tiles, and this shape so in all three runs.
bool hd_conv_takes_bf16(const hd_conv *conv);

// Places of a window of k with this step in `in` values and 2·pad zeros; 0 when it doesn't fit.
size_t hd_conv_out(size_t in, size_t k, size_t stride, size_t pad, size_t dilation);

// What is done while the result is in registers: out = relu(sum + bias + residual).
typedef struct hd_conv_end {
    const float *bias;    // one per channel of the result, or NULL
    const void *residual; // as the result, or NULL; may be the result (not of depthwise ones)
    hd_dtype residual_type;
    bool relu;
} hd_conv_end;

// Bytes (64-byte aligned) that the run of that kind borrows with up to so many threads.
size_t hd_conv_forward_workspace(const hd_conv *conv, size_t threads);
size_t hd_conv_dx_workspace(const hd_conv *conv, size_t threads);
size_t hd_conv_dw_workspace(const hd_conv *conv, size_t threads);

heed_err hd_conv_forward(hd_pool *pool, const hd_conv *conv, const void *x, const float *w,
                         hd_conv_end end, void *y, void *workspace) HEED_CHECK;
// dx = Σ dy·w; `end` is for the transposed convolution's forward.
heed_err hd_conv_dx(hd_pool *pool, const hd_conv *conv, const void *dy, const float *w,
                    hd_conv_end end, void *dx, void *workspace) HEED_CHECK;
// dw, as w lies; add: to what stands there.
heed_err hd_conv_dw(hd_pool *pool, const hd_conv *conv, const void *x, const void *dy, float *dw,
                    bool add, void *workspace) HEED_CHECK;

// Multiply-adds of one forward run, twice: what each of the three costs.
double hd_conv_flops(const hd_conv *conv);

#endif
