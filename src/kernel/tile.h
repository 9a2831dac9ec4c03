// SPDX-License-Identifier: Apache-2.0
//
// Register tiles of matrix products, for the kernels built on them: gemm, convolution, attention,
// recurrent cells. A tile has at most mr rows and nr columns (of the chosen path). Sums over k run
// in ascending order, one accumulator per element: a row's result depends on nothing but that row,
// B and k.
#ifndef HD_KERNEL_TILE_H
#define HD_KERNEL_TILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/pack.h"

enum { HD_TILE_MR_MAX = 8, HD_TILE_NR_MAX = 48 }; // of any path

typedef struct hd_tile_kernels {
    size_t mr, nr; // rows and columns of a whole tile
    size_t lanes;  // nr is a multiple of it

    // C (m, n) = or += Σ over s < segments, p < k: a[s·mr + i][p] · B[s·k + p][j]. m ≤ mr, n ≤ nr.
    // A by row pointers, contiguous in k: rows may lie anywhere (a convolution's window has one
    // segment per place of the window). B: rows of b_row floats of which those up to n rounded up
    // to `lanes` can be read: packed (pack_b), or a matrix's own rows.
    void (*rows)(size_t m, size_t n, size_t segments, size_t k, const float *const *a,
                 const float *b, size_t b_row, float *c, size_t c_row, bool accumulate);

    // The same of one segment, A packed: mr values for each step of k, a[p·mr + i].
    void (*packed)(size_t m, size_t n, size_t k, const float *a, const float *b, size_t b_row,
                   float *c, size_t c_row, bool accumulate);

    // C (m, n) = or += Σ over p < k: a[p][i] · b[p][j]. m ≤ mr, n ≤ nr: outer products, A and B by
    // k pointers, contiguous in m and in n, nothing read past them.
    void (*outer)(size_t m, size_t n, size_t k, const float *const *a, const float *const *b,
                  float *c, size_t c_row, bool accumulate);
} hd_tile_kernels;

// Small products in bf16, where the processor has instructions for them: operands are packed once
// and used as often as one likes. All sizes count in blocks of HD_HALF: a packed operand of m × k
// values has m and k rounded up to it, zeros in what isn't there.
enum { HD_HALF = 32 };
typedef struct hd_half_products {
    void (*begin)(void); // on each thread, around products
    void (*end)(void);
    // A (m, k), rows of `from`; when `turned`, its columns. out: 64-byte aligned.
    void (*pack_a)(bool turned, size_t m, size_t k, const hd_pack_from *from, uint16_t *out);
    // B (k, n), rows of `from`; when `turned`, its columns (so that `from` is n rows of k).
    void (*pack_b)(bool turned, size_t k, size_t n, const hd_pack_from *from, uint16_t *out);
    // C (m, n) = or += A·B in whole blocks, k of both. a_k, b_k: what A and B were packed with.
    void (*multiply)(size_t m, size_t n, size_t k, const uint16_t *a, size_t a_k, const uint16_t *b,
                     size_t b_k, float *c, size_t c_row, bool accumulate);
} hd_half_products;
extern const hd_half_products hd_half_products_amx; // x86 builds only
const hd_half_products *hd_half_products_get(void); // NULL where the path has none

extern const hd_tile_kernels hd_tile_kernels_ref;
extern const hd_tile_kernels hd_tile_kernels_avx2;
extern const hd_tile_kernels hd_tile_kernels_avx512;
extern const hd_tile_kernels hd_tile_kernels_neon;

#endif
