// SPDX-License-Identifier: Apache-2.0
//
// Blocks of operands brought into the layout and type that register tiles read, and the work on a
// block of results. Inside kernel/ only.
#ifndef HD_KERNEL_PACK_H
#define HD_KERNEL_PACK_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/gemm.h"

typedef struct hd_pack_from {
    const void *data;
    hd_dtype type; // HD_F32 or HD_BF16
    size_t row;    // stride of a row; columns are contiguous
    bool round;    // to bf16
    float scale;   // 1: as they are
} hd_pack_from;

// Rows of C from column j0 on, all with the stride of C.
typedef struct hd_finish {
    size_t m, n;
    void *c;
    hd_dtype c_type;  // HD_F32 or HD_BF16, as the other types
    const float *sum; // rows of sum_row floats: the sums, not yet in C; NULL: C holds them
    size_t sum_row;
    bool add;             // the sums are added to C
    bool stream;          // c and pre are large, and aligned to 64 bytes in every row
    const void *residual; // or NULL
    hd_dtype residual_type;
    void *pre; // or NULL
    hd_dtype pre_type;
    size_t row;
    const float *bias; // (n), or NULL
    float alpha;
    hd_act act;
} hd_finish;

typedef struct hd_pack_kernels {
    // out[i·out_row + j] = from (i, j), (rows, cols); columns from cols to wide become 0.
    void (*copy)(size_t rows, size_t cols, const hd_pack_from *from, float *out, size_t out_row,
                 size_t wide);
    // out[j·out_row + i] = from (i, j), (rows, cols); columns of out from rows to wide become 0.
    void (*transpose)(size_t rows, size_t cols, const hd_pack_from *from, float *out,
                      size_t out_row, size_t wide);
    // Blocks of `tall` columns of `from` (rows, cols): out[j/tall·rows_pad·tall + i·tall + j%tall].
    // Columns that aren't there become 0.
    void (*blocks)(size_t rows, size_t cols, const hd_pack_from *from, size_t tall, float *out,
                   size_t rows_pad);
    // c = act(alpha·c + bias + residual), the value before act to pre. What was streamed is seen
    // by others after `settle`.
    void (*finish)(const hd_finish *f);
    void (*settle)(void);
    // Σ x² of (m, n), rows `row` apart: a tile's. Its bits depend on x, m and n alone.
    float (*squares)(size_t m, size_t n, const float *x, size_t row);
} hd_pack_kernels;

extern const hd_pack_kernels hd_pack_kernels_ref;
extern const hd_pack_kernels hd_pack_kernels_avx2;
extern const hd_pack_kernels hd_pack_kernels_avx512;
extern const hd_pack_kernels hd_pack_kernels_amx;
extern const hd_pack_kernels hd_pack_kernels_neon;

#endif
