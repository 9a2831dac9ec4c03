// SPDX-License-Identifier: Apache-2.0
//
// 64-bit ARM's NEON under the names of simd.h.
#ifndef HD_KERNEL_PATH_SIMD_NEON_H
#define HD_KERNEL_PATH_SIMD_NEON_H

#include <arm_neon.h>

enum { VF = 4 };
typedef float32x4_t vf;
typedef int32x4_t vi;
typedef uint32x4_t vm; // all bits of a lane, or none

HD_INLINE vm vm_first(size_t n) {
    static const uint32_t lane[VF] = {0, 1, 2, 3};
    return vcltq_u32(vld1q_u32(lane), vdupq_n_u32((uint32_t)n));
}

HD_INLINE vf vf_set1(float x) {
    return vdupq_n_f32(x);
}
HD_INLINE vf vf_load(const float *p) {
    return vld1q_f32(p);
}
HD_INLINE void vf_store(float *p, vf a) {
    vst1q_f32(p, a);
}
HD_INLINE void vf_stream(float *p, vf a) { // past the caches; p aligned to a vector
    vf_store(p, a);
}
HD_INLINE void vf_stream_end(void) {}
HD_INLINE vf vf_load_n(const float *p, size_t n) {
    float all[VF] = {0};
    memcpy(all, p, n * sizeof *p);
    return vld1q_f32(all);
}
HD_INLINE void vf_store_n(float *p, vf a, size_t n) {
    float all[VF];
    vst1q_f32(all, a);
    memcpy(p, all, n * sizeof *p);
}
HD_INLINE vf vf_add(vf a, vf b) {
    return vaddq_f32(a, b);
}
HD_INLINE vf vf_sub(vf a, vf b) {
    return vsubq_f32(a, b);
}
HD_INLINE vf vf_mul(vf a, vf b) {
    return vmulq_f32(a, b);
}
HD_INLINE vf vf_div(vf a, vf b) {
    return vdivq_f32(a, b);
}
HD_INLINE vf vf_sqrt(vf a) {
    return vsqrtq_f32(a);
}
HD_INLINE vf vf_fma(vf a, vf b, vf c) { // a·b + c
    return vfmaq_f32(c, a, b);
}
HD_INLINE vf vf_fnma(vf a, vf b, vf c) { // c − a·b
    return vfmsq_f32(c, a, b);
}
HD_INLINE vf vf_max(vf a, vf b) { // (vmaxq gives NaN when either is)
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}
HD_INLINE vf vf_min(vf a, vf b) {
    return vbslq_f32(vcltq_f32(a, b), a, b);
}
HD_INLINE vf vf_round(vf a) { // to the nearest whole number, ties to even
    return vrndnq_f32(a);
}
HD_INLINE vm vf_lt(vf a, vf b) { // false where one is NaN
    return vcltq_f32(a, b);
}
HD_INLINE vm vf_le(vf a, vf b) {
    return vcleq_f32(a, b);
}
HD_INLINE vm vf_eq(vf a, vf b) {
    return vceqq_f32(a, b);
}
HD_INLINE vm vf_is_nan(vf a) {
    return vmvnq_u32(vceqq_f32(a, a));
}
HD_INLINE vf vf_select(vm m, vf a, vf b) { // m ? a : b
    return vbslq_f32(m, a, b);
}
HD_INLINE bool vm_any(vm m) {
    return vmaxvq_u32(m) != 0;
}

HD_INLINE vi vi_set1(int32_t x) {
    return vdupq_n_s32(x);
}
HD_INLINE vi vi_load(const int32_t *p) {
    return vld1q_s32(p);
}
HD_INLINE void vi_store(int32_t *p, vi a) {
    vst1q_s32(p, a);
}
HD_INLINE vi vi_load_n(const int32_t *p, size_t n) {
    int32_t all[VF] = {0};
    memcpy(all, p, n * sizeof *p);
    return vld1q_s32(all);
}
HD_INLINE void vi_store_n(int32_t *p, vi a, size_t n) {
    int32_t all[VF];
    vst1q_s32(all, a);
    memcpy(p, all, n * sizeof *p);
}
HD_INLINE vi vi_add(vi a, vi b) {
    return vaddq_s32(a, b);
}
HD_INLINE vi vi_sub(vi a, vi b) {
    return vsubq_s32(a, b);
}
HD_INLINE vi vi_mul(vi a, vi b) { // the low 32 bits
    return vmulq_s32(a, b);
}
HD_INLINE vi vi_mul_high(vi a, vi b) { // the high 32 bits of unsigned products
    uint32x4_t ua = vreinterpretq_u32_s32(a), ub = vreinterpretq_u32_s32(b);
    uint32x2_t low = vshrn_n_u64(vmull_u32(vget_low_u32(ua), vget_low_u32(ub)), 32);
    uint32x2_t high = vshrn_n_u64(vmull_u32(vget_high_u32(ua), vget_high_u32(ub)), 32);
    return vreinterpretq_s32_u32(vcombine_u32(low, high));
}
HD_INLINE vi vi_and(vi a, vi b) {
    return vandq_s32(a, b);
}
HD_INLINE vi vi_or(vi a, vi b) {
    return vorrq_s32(a, b);
}
HD_INLINE vi vi_xor(vi a, vi b) {
    return veorq_s32(a, b);
}
#define vi_shl(a, bits) vshlq_n_s32((a), (bits)) // bits: a constant
#define vi_shr(a, bits) \
    vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(a), (bits))) // zeros come in
HD_INLINE vm vi_eq(vi a, vi b) {
    return vceqq_s32(a, b);
}
HD_INLINE vm vi_gt(vi a, vi b) {
    return vcgtq_s32(a, b);
}
HD_INLINE vi vi_select(vm m, vi a, vi b) {
    return vbslq_s32(m, a, b);
}
HD_INLINE vi vi_of_vf(vf a) { // nearest, ties to even
    return vcvtnq_s32_f32(a);
}
HD_INLINE vf vf_of_vi(vi a) {
    return vcvtq_f32_s32(a);
}
HD_INLINE vi vf_bits(vf a) {
    return vreinterpretq_s32_f32(a);
}
HD_INLINE vf vf_of_bits(vi a) {
    return vreinterpretq_f32_s32(a);
}
HD_INLINE vf vf_gather(const float *base, vi index) {
    int32_t at[VF];
    vst1q_s32(at, index);
    const float all[VF] = {base[at[0]], base[at[1]], base[at[2]], base[at[3]]};
    return vld1q_f32(all);
}

HD_INLINE float vf_sum(vf a) {
    return vaddvq_f32(a);
}
HD_INLINE float vf_max_of(vf a) {
    return vmaxvq_f32(a);
}

// ── A square of VF × VF: rows become columns ──

HD_INLINE void vf_transpose(vf r[VF]) {
    float32x4x2_t even = vtrnq_f32(r[0], r[1]), odd = vtrnq_f32(r[2], r[3]);
    r[0] = vcombine_f32(vget_low_f32(even.val[0]), vget_low_f32(odd.val[0]));
    r[1] = vcombine_f32(vget_low_f32(even.val[1]), vget_low_f32(odd.val[1]));
    r[2] = vcombine_f32(vget_high_f32(even.val[0]), vget_high_f32(odd.val[0]));
    r[3] = vcombine_f32(vget_high_f32(even.val[1]), vget_high_f32(odd.val[1]));
}

// ── bf16: 16 bits per lane in memory ──

HD_INLINE vf vf_load_bf16(const uint16_t *p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}
HD_INLINE void vf_store_bf16(uint16_t *p, vf a) {
    uint32x4_t bits = vreinterpretq_u32_f32(a);
    uint32x4_t even = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    uint32x4_t up = vaddq_u32(bits, vaddq_u32(even, vdupq_n_u32(0x7fff)));
    uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
    vst1_u16(p, vshrn_n_u32(vbslq_u32(vf_is_nan(a), quiet, up), 16));
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
