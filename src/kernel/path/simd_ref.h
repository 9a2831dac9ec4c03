// SPDX-License-Identifier: Apache-2.0
//
// One value at a time, in portable C, under the names of simd.h: what an unknown processor runs.
// (a·b + c isn't fused: fmaf without an instruction is a slow call.)
#ifndef HD_KERNEL_PATH_SIMD_REF_H
#define HD_KERNEL_PATH_SIMD_REF_H

#include <math.h>

#include "kernel/dtype.h"

enum { VF = 1 };
typedef float vf;
typedef int32_t vi;
typedef bool vm;

HD_INLINE vm vm_first(size_t n) {
    return n > 0;
}

HD_INLINE vf vf_set1(float x) {
    return x;
}
HD_INLINE vf vf_load(const float *p) {
    return *p;
}
HD_INLINE void vf_store(float *p, vf a) {
    *p = a;
}
HD_INLINE void vf_stream(float *p, vf a) { // past the caches; p aligned to a vector
    vf_store(p, a);
}
HD_INLINE void vf_stream_end(void) {}
HD_INLINE vf vf_load_n(const float *p, size_t n) {
    return n > 0 ? *p : 0;
}
HD_INLINE void vf_store_n(float *p, vf a, size_t n) {
    if (n > 0) *p = a;
}
HD_INLINE vf vf_add(vf a, vf b) {
    return a + b;
}
HD_INLINE vf vf_sub(vf a, vf b) {
    return a - b;
}
HD_INLINE vf vf_mul(vf a, vf b) {
    return a * b;
}
HD_INLINE vf vf_div(vf a, vf b) {
    return a / b;
}
HD_INLINE vf vf_sqrt(vf a) {
    return sqrtf(a);
}
HD_INLINE vf vf_fma(vf a, vf b, vf c) { // a·b + c
    return a * b + c;
}
HD_INLINE vf vf_fnma(vf a, vf b, vf c) { // c − a·b
    return c - a * b;
}
HD_INLINE vf vf_max(vf a, vf b) {
    return a > b ? a : b;
}
HD_INLINE vf vf_min(vf a, vf b) {
    return a < b ? a : b;
}
HD_INLINE vf vf_round(vf a) { // to the nearest whole number, ties to even
    return rintf(a);
}
HD_INLINE vm vf_lt(vf a, vf b) { // false where one is NaN
    return a < b;
}
HD_INLINE vm vf_le(vf a, vf b) {
    return a <= b;
}
HD_INLINE vm vf_eq(vf a, vf b) {
    return a == b;
}
HD_INLINE vm vf_is_nan(vf a) {
    return a != a;
}
HD_INLINE vf vf_select(vm m, vf a, vf b) { // m ? a : b
    return m ? a : b;
}
HD_INLINE bool vm_any(vm m) {
    return m;
}

HD_INLINE vi vi_set1(int32_t x) {
    return x;
}
HD_INLINE vi vi_load(const int32_t *p) {
    return *p;
}
HD_INLINE void vi_store(int32_t *p, vi a) {
    *p = a;
}
HD_INLINE vi vi_load_n(const int32_t *p, size_t n) {
    return n > 0 ? *p : 0;
}
HD_INLINE void vi_store_n(int32_t *p, vi a, size_t n) {
    if (n > 0) *p = a;
}
HD_INLINE vi vi_add(vi a, vi b) { // (unsigned: integers wrap)
    return (vi)((uint32_t)a + (uint32_t)b);
}
HD_INLINE vi vi_sub(vi a, vi b) {
    return (vi)((uint32_t)a - (uint32_t)b);
}
HD_INLINE vi vi_mul(vi a, vi b) { // the low 32 bits
    return (vi)((uint32_t)a * (uint32_t)b);
}
HD_INLINE vi vi_mul_high(vi a, vi b) { // the high 32 bits of unsigned products
    return (vi)(uint32_t)((uint64_t)(uint32_t)a * (uint32_t)b >> 32);
}
HD_INLINE vi vi_and(vi a, vi b) {
    return a & b;
}
HD_INLINE vi vi_or(vi a, vi b) {
    return a | b;
}
HD_INLINE vi vi_xor(vi a, vi b) {
    return a ^ b;
}
#define vi_shl(a, bits) ((vi)((uint32_t)(a) << (bits))) // bits: a constant
#define vi_shr(a, bits) ((vi)((uint32_t)(a) >> (bits))) // zeros come in
HD_INLINE vm vi_eq(vi a, vi b) {
    return a == b;
}
HD_INLINE vm vi_gt(vi a, vi b) {
    return a > b;
}
HD_INLINE vi vi_select(vm m, vi a, vi b) {
    return m ? a : b;
}
HD_INLINE vi vi_of_vf(vf a) { // nearest, ties to even; as x86 does where it doesn't fit
    return a >= -0x1p31F && a < 0x1p31F ? (vi)lrintf(a) : INT32_MIN;
}
HD_INLINE vf vf_of_vi(vi a) {
    return (vf)a;
}
HD_INLINE vi vf_bits(vf a) {
    vi bits;
    memcpy(&bits, &a, sizeof bits);
    return bits;
}
HD_INLINE vf vf_of_bits(vi a) {
    vf f;
    memcpy(&f, &a, sizeof f);
    return f;
}
HD_INLINE vf vf_gather(const float *base, vi index) {
    return base[index];
}

HD_INLINE float vf_sum(vf a) {
    return a;
}
HD_INLINE float vf_max_of(vf a) {
    return a;
}

HD_INLINE void vf_transpose(vf r[VF]) { // a square of 1 × 1
    (void)r;
}

// ── bf16: 16 bits per lane in memory ──

HD_INLINE vf vf_load_bf16(const uint16_t *p) {
    return hd_f32_of_bf16(*p);
}
HD_INLINE void vf_store_bf16(uint16_t *p, vf a) {
    *p = hd_bf16_of_f32(a);
}
HD_INLINE vf vf_load_bf16_n(const uint16_t *p, size_t n) {
    return n > 0 ? hd_f32_of_bf16(*p) : 0;
}
HD_INLINE void vf_store_bf16_n(uint16_t *p, vf a, size_t n) {
    if (n > 0) *p = hd_bf16_of_f32(a);
}

HD_INLINE void vf_store_two_bf16(uint16_t *p, vf a, vf b) {
    vf_store_bf16(p, a);
    vf_store_bf16(p + VF, b);
}
HD_INLINE void vf_stream_bf16(uint16_t *p, vf a, vf b) {
    vf_store_two_bf16(p, a, b);
}

#endif
