// SPDX-License-Identifier: Apache-2.0
//
// AVX-512 (F, BW, DQ, VL) under the names of simd.h.
#ifndef HD_KERNEL_PATH_SIMD_AVX512_H
#define HD_KERNEL_PATH_SIMD_AVX512_H

#include <immintrin.h>

enum { VF = 16 };
typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;

HD_INLINE vm vm_first(size_t n) {
    return (vm)((1U << n) - 1);
}

HD_INLINE vf vf_set1(float x) {
    return _mm512_set1_ps(x);
}
HD_INLINE vf vf_load(const float *p) {
    return _mm512_loadu_ps(p);
}
HD_INLINE void vf_store(float *p, vf a) {
    _mm512_storeu_ps(p, a);
}
HD_INLINE void vf_stream(float *p, vf a) { // past the caches; p aligned to a vector
    _mm512_stream_ps(p, a);
}
HD_INLINE void vf_stream_end(void) {
    _mm_sfence();
}
HD_INLINE vf vf_load_n(const float *p, size_t n) {
    return _mm512_maskz_loadu_ps(vm_first(n), p);
}
HD_INLINE void vf_store_n(float *p, vf a, size_t n) {
    _mm512_mask_storeu_ps(p, vm_first(n), a);
}
HD_INLINE vf vf_add(vf a, vf b) {
    return _mm512_add_ps(a, b);
}
HD_INLINE vf vf_sub(vf a, vf b) {
    return _mm512_sub_ps(a, b);
}
HD_INLINE vf vf_mul(vf a, vf b) {
    return _mm512_mul_ps(a, b);
}
HD_INLINE vf vf_div(vf a, vf b) {
    return _mm512_div_ps(a, b);
}
HD_INLINE vf vf_sqrt(vf a) {
    return _mm512_sqrt_ps(a);
}
HD_INLINE vf vf_fma(vf a, vf b, vf c) { // a·b + c
    return _mm512_fmadd_ps(a, b, c);
}
HD_INLINE vf vf_fnma(vf a, vf b, vf c) { // c − a·b
    return _mm512_fnmadd_ps(a, b, c);
}
HD_INLINE vf vf_max(vf a, vf b) {
    return _mm512_max_ps(a, b);
}
HD_INLINE vf vf_min(vf a, vf b) {
    return _mm512_min_ps(a, b);
}
HD_INLINE vf vf_round(vf a) { // to the nearest whole number, ties to even
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
HD_INLINE vm vf_lt(vf a, vf b) { // false where one is NaN
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
HD_INLINE vm vf_le(vf a, vf b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ);
}
HD_INLINE vm vf_eq(vf a, vf b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}
HD_INLINE vm vf_is_nan(vf a) {
    return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
}
HD_INLINE vf vf_select(vm m, vf a, vf b) { // m ? a : b
    return _mm512_mask_blend_ps(m, b, a);
}
HD_INLINE bool vm_any(vm m) {
    return m != 0;
}

HD_INLINE vi vi_set1(int32_t x) {
    return _mm512_set1_epi32(x);
}
HD_INLINE vi vi_load(const int32_t *p) {
    return _mm512_loadu_si512(p);
}
HD_INLINE void vi_store(int32_t *p, vi a) {
    _mm512_storeu_si512(p, a);
}
HD_INLINE vi vi_load_n(const int32_t *p, size_t n) {
    return _mm512_maskz_loadu_epi32(vm_first(n), p);
}
HD_INLINE void vi_store_n(int32_t *p, vi a, size_t n) {
    _mm512_mask_storeu_epi32(p, vm_first(n), a);
}
HD_INLINE vi vi_add(vi a, vi b) {
    return _mm512_add_epi32(a, b);
}
HD_INLINE vi vi_sub(vi a, vi b) {
    return _mm512_sub_epi32(a, b);
}
HD_INLINE vi vi_mul(vi a, vi b) { // the low 32 bits
    return _mm512_mullo_epi32(a, b);
}
HD_INLINE vi vi_mul_high(vi a, vi b) { // the high 32 bits of unsigned products
    vi even = _mm512_srli_epi64(_mm512_mul_epu32(a, b), 32);
    vi odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), _mm512_srli_epi64(b, 32));
    return _mm512_mask_blend_epi32(0xaaaa, even, odd);
}
HD_INLINE vi vi_and(vi a, vi b) {
    return _mm512_and_si512(a, b);
}
HD_INLINE vi vi_or(vi a, vi b) {
    return _mm512_or_si512(a, b);
}
HD_INLINE vi vi_xor(vi a, vi b) {
    return _mm512_xor_si512(a, b);
}
#define vi_shl(a, bits) _mm512_slli_epi32((a), (bits)) // bits: a constant
#define vi_shr(a, bits) _mm512_srli_epi32((a), (bits)) // zeros come in
HD_INLINE vm vi_eq(vi a, vi b) {
    return _mm512_cmpeq_epi32_mask(a, b);
}
HD_INLINE vm vi_gt(vi a, vi b) {
    return _mm512_cmpgt_epi32_mask(a, b);
}
HD_INLINE vi vi_select(vm m, vi a, vi b) {
    return _mm512_mask_blend_epi32(m, b, a);
}
HD_INLINE vi vi_of_vf(vf a) { // nearest, ties to even
    return _mm512_cvtps_epi32(a);
}
HD_INLINE vf vf_of_vi(vi a) {
    return _mm512_cvtepi32_ps(a);
}
HD_INLINE vi vf_bits(vf a) {
    return _mm512_castps_si512(a);
}
HD_INLINE vf vf_of_bits(vi a) {
    return _mm512_castsi512_ps(a);
}
HD_INLINE vf vf_gather(const float *base, vi index) {
    return _mm512_i32gather_ps(index, base, 4);
}

HD_INLINE float vf_sum(vf a) {
    return _mm512_reduce_add_ps(a);
}
HD_INLINE float vf_max_of(vf a) {
    return _mm512_reduce_max_ps(a);
}

// ── A square of VF × VF: rows become columns ──

HD_INLINE void vf_transpose(vf r[VF]) {
    vf t[VF];
    for (int i = 0; i < VF; i += 2) { // pairs of rows, lane by lane
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < VF; i += 4) { // four rows: a column of four in each 128-bit lane
        r[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) { // lanes 0, 2 and 1, 3 of rows i and i + 4, of i + 8 and i + 12
        t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
    }
    for (int i = 0; i < 8; i++) {
        r[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd);
    }
}

// ── bf16: 16 bits per lane in memory ──

HD_INLINE vf vf_of_bf16_(__m256i h) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}
#if defined(HD_PATH_AMX) // with instructions for it, to which what is below 2⁻¹²⁶ is zero
HD_INLINE __m256i vf_bf16_(vf a) {
    return (__m256i)_mm512_cvtneps_pbh(a);
}
HD_INLINE __m512i vf_two_bf16_(vf a, vf b) {
    return (__m512i)_mm512_cvtne2ps_pbh(b, a);
}
#else
HD_INLINE __m256i vf_bf16_(vf a) {
    __m512i bits = _mm512_castps_si512(a);
    __m512i even = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(even, _mm512_set1_epi32(0x7fff)));
    up = _mm512_mask_or_epi32(up, vf_is_nan(a), bits, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(up, 16));
}
HD_INLINE __m512i vf_two_bf16_(vf a, vf b) {
    return _mm512_inserti64x4(_mm512_castsi256_si512(vf_bf16_(a)), vf_bf16_(b), 1);
}
#endif
HD_INLINE vf vf_load_bf16(const uint16_t *p) {
    return vf_of_bf16_(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
HD_INLINE vf vf_load_bf16_n(const uint16_t *p, size_t n) {
    return vf_of_bf16_(_mm256_maskz_loadu_epi16(vm_first(n), p));
}
HD_INLINE void vf_store_bf16(uint16_t *p, vf a) {
    _mm256_storeu_si256((__m256i *)(void *)p, vf_bf16_(a));
}
HD_INLINE void vf_store_bf16_n(uint16_t *p, vf a, size_t n) {
    _mm256_mask_storeu_epi16(p, vm_first(n), vf_bf16_(a));
}

// Two vectors: a line of the cache.
HD_INLINE void vf_store_two_bf16(uint16_t *p, vf a, vf b) {
    _mm512_storeu_si512(p, vf_two_bf16_(a, b));
}
HD_INLINE void vf_stream_bf16(uint16_t *p, vf a, vf b) {
    _mm512_stream_si512((__m512i *)(void *)p, vf_two_bf16_(a, b));
}

#endif
