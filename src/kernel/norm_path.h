// SPDX-License-Identifier: Apache-2.0
//
// What a path does for normalisation (kernel/norm.h). Inside kernel/ only.
#ifndef HD_KERNEL_NORM_PATH_H
#define HD_KERNEL_NORM_PATH_H

#include <stdbool.h>
#include <stddef.h>

// Which values of dy pass the ReLU after the norm: those whose y > 0; or, y NULL, those where
// a·x + b > 0 (the same y, computed again: cheaper than read). a and y NULL: all.
typedef struct hd_norm_mask {
    const void *y;
    const float *a, *b;
} hd_norm_mask;

// Which arrays are bf16. Y16: y, of a backward dy; ADDED16: the residual, of a backward what passes
// to it; MASK16: the mask's y.
enum {
    HD_NORM_X16 = 1,
    HD_NORM_Y16 = 2,
    HD_NORM_DX16 = 4,
    HD_NORM_ADDED16 = 8,
    HD_NORM_MASK16 = 16
};

typedef struct hd_norm_kernels {
    // Of each of c columns: s1 = Σ (x − x[0]), s2 = Σ (x − x[0])².
    void (*sums)(unsigned narrow, size_t rows, size_t c, const void *x, float *s1, float *s2);
    // y = a·x + b + residual, at least 0 when relu. residual may be NULL.
    void (*affine)(unsigned narrow, size_t rows, size_t c, const void *x, const float *a,
                   const float *b, const void *residual, bool relu, void *y);
    // Of each column, with dz the dy that pass: s1 = Σ dz, s2 = Σ dz·(x − mean).
    void (*back_sums)(unsigned narrow, size_t rows, size_t c, const void *x, const void *dy,
                      hd_norm_mask mask, const float *mean, float *s1, float *s2);
    // dx = a·dz − q·(x − mean) + k; through (or NULL) = dz.
    void (*back)(unsigned narrow, size_t rows, size_t c, const void *x, const void *dy,
                 hd_norm_mask mask, const float *const p[4], void *dx,
                 void *through); // p: a, q, mean, k
    // Rows of d, one behind the other: y = (x − mean)·scale·gamma + beta; beta, gamma may be NULL.
    // rms: mean is 0. mean, scale: of each row.
    void (*rows)(unsigned narrow, size_t rows, size_t d, const void *x, const float *gamma,
                 const float *beta, float eps, bool rms, void *y, float *mean, float *scale);
    // Their gradient; adds to dgamma and dbeta (or NULL). mean NULL: 0. dx may be NULL.
    void (*rows_back)(unsigned narrow, size_t rows, size_t d, const void *x, const void *dy,
                      const float *gamma, const float *mean, const float *scale, bool rms, void *dx,
                      float *dgamma, float *dbeta);
} hd_norm_kernels;

extern const hd_norm_kernels hd_norm_kernels_ref;
extern const hd_norm_kernels hd_norm_kernels_avx2;
extern const hd_norm_kernels hd_norm_kernels_avx512;
extern const hd_norm_kernels hd_norm_kernels_amx;
extern const hd_norm_kernels hd_norm_kernels_neon;

#endif
