// SPDX-License-Identifier: Apache-2.0
//
// Pools and resizing of images (n, h, w, c): what looks at each channel for itself. Forward work is
// cut by rows, backward by images: the same bits for any number of threads and in any batch.
#ifndef HD_KERNEL_POOLING_H
#define HD_KERNEL_POOLING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"

typedef struct hd_pooling {
    size_t n, h, w, c, out_h, out_w;
    // Windows. adaptive: windows of even share, from ⌊i·h / out_h⌋ to ⌈(i + 1)·h / out_h⌉.
    size_t kh, kw, stride_h, stride_w, pad_h, pad_w;
    bool adaptive;
    bool count_pad; // an average counts padding as zeros; else it divides by the values there are
} hd_pooling;

typedef struct hd_resize {
    size_t n, h, w, c, out_h, out_w;
    bool
        bilinear; // centres of pixels are at halves (PyTorch's align_corners = false); else nearest
} hd_resize;

// Bytes (64-byte aligned) that a run borrows.
size_t hd_pooling_workspace(const hd_pooling *p);
size_t hd_resize_workspace(const hd_resize *r);

// arg (as y): where in its image's plane each largest value lies (the first one; NaN is largest);
// −1 in a window of padding alone, whose value is −∞.
heed_err hd_max_pool(hd_pool *pool, const hd_pooling *p, const float *x, float *y, int32_t *arg,
                     void *workspace) HEED_CHECK;
heed_err hd_max_pool_back(hd_pool *pool, const hd_pooling *p, const float *dy, const int32_t *arg,
                          float *dx, void *workspace) HEED_CHECK;
heed_err hd_avg_pool(hd_pool *pool, const hd_pooling *p, const float *x, float *y,
                     void *workspace) HEED_CHECK;
heed_err hd_avg_pool_back(hd_pool *pool, const hd_pooling *p, const float *dy, float *dx,
                          void *workspace) HEED_CHECK;
heed_err hd_resize_forward(hd_pool *pool, const hd_resize *r, const float *x, float *y,
                           void *workspace) HEED_CHECK;
heed_err hd_resize_back(hd_pool *pool, const hd_resize *r, const float *dy, float *dx,
                        void *workspace) HEED_CHECK;

// The window of output i along an axis: values [from, to), and `all` with its padding.
typedef struct hd_window {
    size_t from, to, all;
} hd_window;
hd_window hd_pooling_window(size_t in, size_t out, size_t k, size_t stride, size_t pad,
                            bool adaptive, size_t i);
// Output i of a resized axis: value[0]·(1 − t) + value[1]·t.
typedef struct hd_blend {
    size_t at[2];
    float t;
} hd_blend;
hd_blend hd_resize_blend(size_t in, size_t out, bool bilinear, size_t i);

#endif
