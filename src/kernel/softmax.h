// SPDX-License-Identifier: Apache-2.0
//
// Rows of softmax and what is fused with it. exp is taken of x − max: nothing overflows. A row with
// a NaN gives NaN.
#ifndef HD_KERNEL_SOFTMAX_H
#define HD_KERNEL_SOFTMAX_H

#include <stddef.h>

typedef struct hd_softmax_kernels {
    void (*softmax)(size_t n, const float *x, float *out); // out may be x
    void (*log_softmax)(size_t n, const float *x, float *out);
    float (*log_sum_exp)(size_t n, const float *x); // n = 0: −∞
    // y: the forward's result, d: upstream; out may be d.
    void (*softmax_grad)(size_t n, const float *y, const float *d, float *out);
    void (*log_softmax_grad)(size_t n, const float *y, const float *d, float *out);
    // out_j = mass·e^(x_j − lse) − smooth·w_j; w NULL: ones. out may be x.
    void (*cross_entropy_grad)(size_t n, const float *x, float lse, float mass, float smooth,
                               const float *w, float *out);
} hd_softmax_kernels;

extern const hd_softmax_kernels hd_softmax_kernels_ref;
extern const hd_softmax_kernels hd_softmax_kernels_avx2;
extern const hd_softmax_kernels hd_softmax_kernels_avx512;
extern const hd_softmax_kernels hd_softmax_kernels_neon;

#endif
