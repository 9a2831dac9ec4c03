// SPDX-License-Identifier: Apache-2.0
//
// Products in f32, and in bf16 where the processor has no instruction for it: operands are then
// rounded while they are packed, and multiplied as f32, which gives every product of two bf16
// exactly.
#include "kernel/gemm_plan.h"
#include "kernel/kernels.h"
#include "kernel/tile.h"

static void tile(size_t m, size_t n, size_t k, const void *a, size_t a_row, const void *b,
                 size_t b_row, float *c, size_t c_row, bool accumulate) {
    if (a_row == HD_PACKED) {
        hd_kernels_get()->tile->packed(m, n, k, a, b, b_row, c, c_row, accumulate);
        return;
    }
    const float *rows[HD_TILE_MR_MAX];
    for (size_t i = 0; i < m; i++) rows[i] = (const float *)a + i * a_row;
    hd_kernels_get()->tile->rows(m, n, 1, k, rows, b, b_row, c, c_row, accumulate);
}

static void pack_a(size_t m, size_t k, const hd_pack_from *from, bool across, void *out,
                   size_t out_k) {
    const hd_kernels *kernels = hd_kernels_get();
    const size_t mr = kernels->tile->mr;
    if (across) {
        kernels->pack->blocks(k, m, from, mr, out, out_k);
        return;
    }
    float *to = out;
    for (size_t i = 0; i < m; i += mr, to += out_k * mr) {
        hd_pack_from rows = *from;
        rows.data = (const char *)from->data + i * from->row * hd_dtype_size(from->type);
        kernels->pack->transpose(m - i < mr ? m - i : mr, k, &rows, to, mr, mr);
    }
}

static void pack_b(size_t k, size_t n, const hd_pack_from *from, bool across, void *out) {
    const hd_kernels *kernels = hd_kernels_get();
    size_t nr = kernels->tile->nr, lanes = kernels->tile->lanes;
    size_t wide = (n + lanes - 1) / lanes * lanes;
    if (across)
        kernels->pack->transpose(n, k, from, out, nr, wide);
    else
        kernels->pack->copy(k, n, from, out, nr, wide);
}

const hd_engine hd_engine_f32 = {
    .kc = 1024,
    .k_unit = 1,
    .k_across = 1024,
    .few = 256,
    .ahead = 1 << 20,
    .group = 32,
    .a_element = sizeof(float),
    .b_element = sizeof(float),
    .tile = tile,
    .pack_a = pack_a,
    .pack_b = pack_b,
};
