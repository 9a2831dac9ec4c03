// SPDX-License-Identifier: Apache-2.0
//
// What a path does for pools and resizing (kernel/pooling.h): one row of outputs. Inside kernel/
// only.
#ifndef HD_KERNEL_POOLING_PATH_H
#define HD_KERNEL_POOLING_PATH_H

#include "kernel/pooling.h"

typedef struct hd_pooling_row {
    size_t c, width;      // channels; places in a source row
    size_t outs;          // outputs
    hd_window h;          // the rows of all of them
    const hd_window *w;   // (outs)
    const float *inverse; // (outs): an average's factor
    const float *x;       // an image; of a backward, dx
    float *to;            // a row of y, or dx's image
    const float *dy;      // a row
    int32_t *arg;         // a row
} hd_pooling_row;

typedef struct hd_resize_row {
    size_t c, outs;
    float t; // between the two rows
    const hd_blend *w;
    const float *x[2];
    float *to[2]; // backward: rows of dx
    float *y;
    const float *dy;
} hd_resize_row;

typedef struct hd_pooling_kernels {
    void (*max)(const hd_pooling_row *row);
    void (*max_back)(const hd_pooling_row *row);
    void (*avg)(const hd_pooling_row *row);
    void (*avg_back)(const hd_pooling_row *row);
    void (*blend)(const hd_resize_row *row);
    void (*blend_back)(const hd_resize_row *row);
} hd_pooling_kernels;

extern const hd_pooling_kernels hd_pooling_kernels_ref;
extern const hd_pooling_kernels hd_pooling_kernels_avx2;
extern const hd_pooling_kernels hd_pooling_kernels_avx512;
extern const hd_pooling_kernels hd_pooling_kernels_neon;

#endif
