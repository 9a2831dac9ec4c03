// SPDX-License-Identifier: Apache-2.0
//
// One row per path that this build has. (An x86 build has no NEON, and the other way round.)
#include "kernel/kernels.h"

#include "kernel/attention.h"
#include "kernel/conv_path.h"
#include "kernel/cpu.h"
#include "kernel/norm_path.h"
#include "kernel/optim.h"
#include "kernel/pack.h"
#include "kernel/pooling_path.h"
#include "kernel/recurrent.h"
#include "kernel/softmax.h"
#include "kernel/tile.h"
#include "kernel/vec.h"

// The families of one path, by the names that HD_PATH gave them; half: of those that have bf16 in
// them, which may know instructions for it.
// clang-format off
#define FAMILIES(path, half) \
    { .attention = &hd_attention_kernels_##half, .conv = &hd_conv_kernels_##path, .norm = &hd_norm_kernels_##half, .optim = &hd_optim_kernels_##path, .pack = &hd_pack_kernels_##half, .pooling = &hd_pooling_kernels_##path, .recurrent = &hd_recurrent_kernels_##path, .softmax = &hd_softmax_kernels_##path, .tile = &hd_tile_kernels_##path, .vec = &hd_vec_kernels_##half }

static const hd_kernels tables[HD_ISAS] = {
    [HD_ISA_REF] = FAMILIES(ref, ref),
#if defined(__x86_64__)
    [HD_ISA_AVX2] = FAMILIES(avx2, avx2),
    [HD_ISA_AVX512] = FAMILIES(avx512, avx512),
    [HD_ISA_AMX] = FAMILIES(avx512, amx),
#elif defined(__aarch64__)
    [HD_ISA_NEON] = FAMILIES(neon, neon),
#endif
};

const hd_kernels *hd_kernels_get(void) {
    return &tables[hd_isa_get()];
}

const hd_half_products *hd_half_products_get(void) {
#if defined(__x86_64__)
    if (hd_isa_get() == HD_ISA_AMX) return &hd_half_products_amx;
#endif
    return NULL;
}
