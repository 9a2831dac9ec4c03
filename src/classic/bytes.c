// SPDX-License-Identifier: Apache-2.0
//
// Little-endian numbers, written byte by byte: a model made on one machine is read on any other.
// Counts are held against the bytes that are left before anything is allocated for them.
#include "classic/bytes.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { WORD = 4 };

void hd_bytes_u32(hd_str *out, uint32_t value) {
    char bytes[WORD];
    for (int i = 0; i < WORD; i++) bytes[i] = (char)(value >> (8 * i));
    hd_str_addn(out, bytes, WORD);
}

void hd_bytes_u64(hd_str *out, uint64_t value) {
    hd_bytes_u32(out, (uint32_t)value);
    hd_bytes_u32(out, (uint32_t)(value >> 32));
}

void hd_bytes_u32s(hd_str *out, const uint32_t *values, size_t n) {
    for (size_t i = 0; i < n; i++) hd_bytes_u32(out, values[i]);
}

void hd_bytes_f32s(hd_str *out, const float *values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        hd_bytes_u32(out, bits);
    }
}

uint32_t hd_bytes_get_u32(hd_bytes *in) {
    uint32_t value = 0;
    if (in->failed || in->n < WORD) {
        in->failed = true;
        return 0;
    }
    for (int i = 0; i < WORD; i++) value |= (uint32_t)in->p[i] << (8 * i);
    in->p += WORD;
    in->n -= WORD;
    return value;
}

uint64_t hd_bytes_get_u64(hd_bytes *in) {
    uint64_t low = hd_bytes_get_u32(in);
    return low | (uint64_t)hd_bytes_get_u32(in) << 32;
}

size_t hd_bytes_get_count(hd_bytes *in, size_t bytes_each) {
    uint64_t count = hd_bytes_get_u64(in);
    if (!in->failed && (bytes_each == 0 || count <= in->n / bytes_each)) return (size_t)count;
    in->failed = true;
    return 0;
}

heed_err hd_bytes_damaged(void) {
    return HD_FAIL(HEED_CORRUPT, "the saved model is damaged; train again",
                   "保存的模型已损坏；请重新训练");
}

heed_err hd_bytes_get_u32s(hd_bytes *in, size_t n, uint32_t **out) {
    *out = NULL;
    if (in->failed || n > in->n / WORD) {
        in->failed = true;
        return hd_bytes_damaged();
    }
    *out = hd_calloc(n, sizeof **out);
    if (!*out) return HD_FAIL_MEMORY(n * sizeof **out);
    for (size_t i = 0; i < n; i++) (*out)[i] = hd_bytes_get_u32(in);
    return HEED_OK;
}

heed_err hd_bytes_get_f32s(hd_bytes *in, size_t n, float **out) {
    uint32_t *bits;
    *out = NULL;
    HD_TRY(hd_bytes_get_u32s(in, n, &bits));
    float *values = hd_calloc(n, sizeof *values);
    if (!values) {
        hd_free(bits);
        return HD_FAIL_MEMORY(n * sizeof *values);
    }
    bool finite = true;
    for (size_t i = 0; i < n; i++) {
        memcpy(&values[i], &bits[i], sizeof values[i]);
        finite = finite && isfinite(values[i]);
    }
    hd_free(bits);
    if (!finite) {
        hd_free(values);
        in->failed = true;
        return hd_bytes_damaged();
    }
    *out = values;
    return HEED_OK;
}
