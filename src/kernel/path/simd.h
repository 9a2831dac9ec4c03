// SPDX-License-Identifier: Apache-2.0
//
// Vectors of one instruction set, under the same names on all: kernels in this folder are written
// once against them and compiled once per path, with HD_PATH_AVX512 or the like defined by
// src/kernel/meson.build.
//
// vf: VF floats; vi: VF 32-bit integers; vm: a truth value per lane. "_n": only the first n lanes
// are touched in memory (0 ≤ n ≤ VF; a load gives 0 in the others): nothing is read past an array.
// vf_stream stores what nobody reads soon without fetching its line first; others see it after
// vf_stream_end.
// a·b + c is fused but on `ref`. vf_max(a, b) is a > b ? a : b and vf_min a < b ? a : b: when one
// is NaN, it is b. Sums over lanes are trees, the same for a path.
#ifndef HD_KERNEL_PATH_SIMD_H
#define HD_KERNEL_PATH_SIMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HD_PASTE_(a, b) a##_##b
#define HD_PASTE(a, b) HD_PASTE_(a, b)
#define HD_PATH(name) HD_PASTE(name, HD_PATH_NAME) // hd_vec_kernels_avx512
#define HD_INLINE static inline __attribute__((always_inline, unused))

#if defined(HD_PATH_AMX) // what has bf16 in it; the rest of that path is AVX-512's
#define HD_PATH_NAME amx
#include "kernel/path/simd_avx512.h"
#elif defined(HD_PATH_AVX512)
#define HD_PATH_NAME avx512
#include "kernel/path/simd_avx512.h"
#elif defined(HD_PATH_AVX2)
#define HD_PATH_NAME avx2
#include "kernel/path/simd_avx2.h"
#elif defined(HD_PATH_NEON)
#define HD_PATH_NAME neon
#include "kernel/path/simd_neon.h"
#else
#define HD_PATH_NAME ref
#include "kernel/path/simd_ref.h"
#endif

HD_INLINE vf vf_zero(void) {
    return vf_set1(0);
}
HD_INLINE vf vf_neg(vf a) {
    return vf_of_bits(vi_xor(vf_bits(a), vi_set1(INT32_MIN)));
}
HD_INLINE vf vf_abs(vf a) {
    return vf_of_bits(vi_and(vf_bits(a), vi_set1(INT32_MAX)));
}

// To bf16 and back: what a product in bf16 makes of its operands.
HD_INLINE vf vf_round_bf16(vf a) {
#if defined(HD_PATH_AMX)
    return vf_of_bf16_(vf_bf16_(a));
#else
    vi bits = vf_bits(a), even = vi_and(vi_shr(bits, 16), vi_set1(1));
    vi up = vi_add(bits, vi_add(even, vi_set1(0x7fff)));
    vi quiet = vi_or(bits, vi_set1(0x400000));
    return vf_of_bits(vi_and(vi_select(vf_is_nan(a), quiet, up), vi_set1((int32_t)0xffff0000)));
#endif
}

#endif
