// SPDX-License-Identifier: Apache-2.0
//
// The types a tensor's values may have, in files and in memory, and conversions of the narrow
// floats. To a narrower type: nearest, ties to even; NaN stays NaN, what is too large becomes ∞.
#ifndef HD_KERNEL_DTYPE_H
#define HD_KERNEL_DTYPE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef enum hd_dtype {
    HD_F32,
    HD_F64,
    HD_BF16,
    HD_F16,
    HD_I8,
    HD_U8,
    HD_I32,
    HD_U32,
    HD_I64,
    HD_U64,
    HD_BOOL,
    HD_DTYPES
} hd_dtype;
size_t hd_dtype_size(hd_dtype dtype);
const char *hd_dtype_name(hd_dtype dtype); // as in a safetensors file: "F32"

enum { HD_MAX_DIMS = 6 };

// What a product rounds its operands to. Sums are always f32 (INT8: i32).
typedef enum hd_precision { HD_PRECISE_F32, HD_PRECISE_BF16, HD_PRECISE_INT8 } hd_precision;

static inline float hd_f32_of_bf16(uint16_t h) {
    uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint16_t hd_bf16_of_f32(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40); // quiet NaN
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float hd_f32_of_f16(uint16_t h);
uint16_t hd_f16_of_f32(float f);

#endif
