// SPDX-License-Identifier: Apache-2.0
//
// AVX2 with FMA under the names of simd.h.
#ifndef HD_KERNEL_PATH_SIMD_AVX2_H
#define HD_KERNEL_PATH_SIMD_AVX2_H

#include <immintrin.h>

enum { VF = 8 };
typedef __m256 vf;
typedef __m256i vi;
typedef __m256 vm; // all bits of a lane, or none

HD_INLINE __m256i vm_first_(size_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
HD_INLINE vm vm_first(size_t n) {
    return _mm256_castsi256_ps(vm_first_(n));
}

HD_INLINE vf vf_set1(float x) {
    return _mm256_set1_ps(x);
}
HD_INLINE vf vf_load(const float *p) {
    return _mm256_loadu_ps(p);
}
HD_INLINE void vf_store(float *p, vf a) {
    _mm256_storeu_ps(p, a);
}
HD_INLINE void vf_stream(float *p, vf a) { // past the caches; p aligned to a vector
    _mm256_stream_ps(p, a);
}
HD_INLINE void vf_stream_end(void) {
    _mm_sfence();
}
HD_INLINE vf vf_load_n(const float *p, size_t n) {
    return _mm256_maskload_ps(p, vm_first_(n));
}
HD_INLINE void vf_store_n(float *p, vf a, size_t n) {
    _mm256_maskstore_ps(p, vm_first_(n), a);
}
HD_INLINE vf vf_add(vf a, vf b) {
    return _mm256_add_ps(a, b);
}
HD_INLINE vf vf_sub(vf a, vf b) {
    return _mm256_sub_ps(a, b);
}
HD_INLINE vf vf_mul(vf a, vf b) {
    return _mm256_mul_ps(a, b);
}
HD_INLINE vf vf_div(vf a, vf b) {
    return _mm256_div_ps(a, b);
}
HD_INLINE vf vf_sqrt(vf a) {
    return _mm256_sqrt_ps(a);
}
HD_INLINE vf vf_fma(vf a, vf b, vf c) { // a·b + c
    return _mm256_fmadd_ps(a, b, c);
}
HD_INLINE vf vf_fnma(vf a, vf b, vf c) { // c − a·b
    return _mm256_fnmadd_ps(a, b, c);
}
HD_INLINE vf vf_max(vf a, vf b) {
    return _mm256_max_ps(a, b);
}
HD_INLINE vf vf_min(vf a, vf b) {
    return _mm256_min_ps(a, b);
}
HD_INLINE vf vf_round(vf a) { // to the nearest whole number, ties to even
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
HD_INLINE vm vf_lt(vf a, vf b) { // false where one is NaN
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}
HD_INLINE vm vf_le(vf a, vf b) {
    return _mm256_cmp_ps(a, b, _CMP_LE_OQ);
}
HD_INLINE vm vf_eq(vf a, vf b) {
    return _mm256_cmp_ps(a, b, _CMP_EQ_OQ);
}
HD_INLINE vm vf_is_nan(vf a) {
    return _mm256_cmp_ps(a, a, _CMP_UNORD_Q);
}
HD_INLINE vf vf_select(vm m, vf a, vf b) { // m ? a : b
    return _mm256_blendv_ps(b, a, m);
}
HD_INLINE bool vm_any(vm m) {
    return _mm256_movemask_ps(m) != 0;
}

HD_INLINE vi vi_set1(int32_t x) {
    return _mm256_set1_epi32(x);
}
HD_INLINE vi vi_load(const int32_t *p) {
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}
HD_INLINE void vi_store(int32_t *p, vi a) {
    _mm256_storeu_si256((__m256i *)(void *)p, a);
}
HD_INLINE vi vi_load_n(const int32_t *p, size_t n) {
    return _mm256_maskload_epi32(p, vm_first_(n));
}
HD_INLINE void vi_store_n(int32_t *p, vi a, size_t n) {
    _mm256_maskstore_epi32(p, vm_first_(n), a);
}
HD_INLINE vi vi_add(vi a, vi b) {
    return _mm256_add_epi32(a, b);
}
HD_INLINE vi vi_sub(vi a, vi b) {
    return _mm256_sub_epi32(a, b);
}
HD_INLINE vi vi_mul(vi a, vi b) { // the low 32 bits
    return _mm256_mullo_epi32(a, b);
}
HD_INLINE vi vi_mul_high(vi a, vi b) { // the high 32 bits of unsigned products
    vi even = _mm256_srli_epi64(_mm256_mul_epu32(a, b), 32);
    vi odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32));
    return _mm256_blend_epi32(even, odd, 0xaa);
}
HD_INLINE vi vi_and(vi a, vi b) {
    return _mm256_and_si256(a, b);
}
HD_INLINE vi vi_or(vi a, vi b) {
    return _mm256_or_si256(a, b);
}
HD_INLINE vi vi_xor(vi a, vi b) {
    return _mm256_xor_si256(a, b);
}
#define vi_shl(a, bits) _mm256_slli_epi32((a), (bits)) // bits: a constant
#define vi_shr(a, bits) _mm256_srli_epi32((a), (bits)) // zeros come in
HD_INLINE vm vi_eq(vi a, vi b) {
    return _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b));
}
HD_INLINE vm vi_gt(vi a, vi b) {
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(a, b));
}
HD_INLINE vi vi_select(vm m, vi a, vi b) {
    return _mm256_blendv_epi8(b, a, _mm256_castps_si256(m));
}
HD_INLINE vi vi_of_vf(vf a) { // nearest, ties to even
    return _mm256_cvtps_epi32(a);
}
HD_INLINE vf vf_of_vi(vi a) {
    return _mm256_cvtepi32_ps(a);
}
HD_INLINE vi vf_bits(vf a) {
    return _mm256_castps_si256(a);
}
HD_INLINE vf vf_of_bits(vi a) {
    return _mm256_castsi256_ps(a);
}
HD_INLINE vf vf_gather(const float *base, vi index) {
    return _mm256_i32gather_ps(base, index, 4);
}

HD_INLINE float vf_sum(vf a) {
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
HD_INLINE float vf_max_of(vf a) {
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

// ── A square of VF × VF: rows become columns ──

HD_INLINE void vf_transpose(vf r[VF]) {
    vf t[VF];
    for (int i = 0; i < VF; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < VF; i += 4) {
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        vf low = r[i], high = r[i + 4];
        r[i] = _mm256_permute2f128_ps(low, high, 0x20);
        r[i + 4] = _mm256_permute2f128_ps(low, high, 0x31);
    }
}

// ── bf16: 16 bits per lane in memory ──

HD_INLINE vf vf_load_bf16(const uint16_t *p) {
    __m128i h = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}
HD_INLINE void vf_store_bf16(uint16_t *p, vf a) {
    __m256i bits = _mm256_castps_si256(a);
    __m256i even = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i up = _mm256_add_epi32(bits, _mm256_add_epi32(even, _mm256_set1_epi32(0x7fff)));
    __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    up = _mm256_srli_epi32(vi_select(vf_is_nan(a), quiet, up), 16);
    __m256i pairs = _mm256_packus_epi32(up, up); // lanes 0-3 0-3 4-7 4-7
    __m256i packed = _mm256_permute4x64_epi64(pairs, 0x08);
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_castsi256_si128(packed));
}
HD_INLINE vf vf_load_bf16_n(const uint16_t *p, size_t n) {
    uint16_t all[VF] = {0};
    memcpy(all, p, n * sizeof *p);
    return vf_load_bf16(all);
}
HD_INLINE void vf_store_bf16_n(uint16_t *p, vf a, size_t n) {
    uint16_t all[VF];
    vf_store_bf16(all, a);
    memcpy(p, all, n * sizeof *p);
}

HD_INLINE void vf_store_two_bf16(uint16_t *p, vf a, vf b) {
    vf_store_bf16(p, a);
    vf_store_bf16(p + VF, b);
}
HD_INLINE void vf_stream_bf16(uint16_t *p, vf a, vf b) {
    vf_store_two_bf16(p, a, b);
}

#endif
