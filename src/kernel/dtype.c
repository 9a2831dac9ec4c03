// SPDX-License-Identifier: Apache-2.0
//
// IEEE 754 binary16 by integer arithmetic on the bits of binary32: the same on every processor.
// (Kernels convert many at once by instructions of their path; these are for one value.)
#include "kernel/dtype.h"

typedef struct dtype_row {
    const char *name;
    size_t size;
} dtype_row;

static const dtype_row dtypes[HD_DTYPES] = {
    [HD_F32] = {"F32", 4}, [HD_F64] = {"F64", 8}, [HD_BF16] = {"BF16", 2}, [HD_F16] = {"F16", 2},
    [HD_I8] = {"I8", 1},   [HD_U8] = {"U8", 1},   [HD_I32] = {"I32", 4},   [HD_U32] = {"U32", 4},
    [HD_I64] = {"I64", 8}, [HD_U64] = {"U64", 8}, [HD_BOOL] = {"BOOL", 1},
};

size_t hd_dtype_size(hd_dtype dtype) {
    return dtypes[dtype].size;
}

const char *hd_dtype_name(hd_dtype dtype) {
    return dtypes[dtype].name;
}

static float float_of(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

float hd_f32_of_f16(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ff;
    if (exponent == 31) {
        return float_of(sign | 0x7f800000 | fraction << 13 | (fraction ? 0x400000U : 0));
    }
    if (exponent > 0) return float_of(sign | (exponent + 112) << 23 | fraction << 13);
    float small = (float)fraction * 0x1p-24F; // subnormal or zero: exact
    return sign ? -small : small;
}

uint16_t hd_f16_of_f32(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    if (size > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (size >> 13 & 0x3ff));
    if (size >= 0x477ff000) return (uint16_t)(sign | 0x7c00); // rounds to 65,520 or more
    if (size >= 0x38800000) {                                 // normal
        uint32_t even = size >> 13 & 1;
        return (uint16_t)(sign | (size - 0x38000000 + 0xfff + even) >> 13);
    }
    if (size < 0x33000000) return (uint16_t)sign; // below half the least
    uint32_t exponent = size >> 23, fraction = (size & 0x7fffff) | 0x800000, drop = 126 - exponent;
    uint32_t kept = fraction >> drop, rest = fraction & ((1U << drop) - 1), half = 1U << (drop - 1);
    return (uint16_t)(sign | (kept + (rest > half || (rest == half && (kept & 1)))));
}
