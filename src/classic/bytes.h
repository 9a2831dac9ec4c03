// SPDX-License-Identifier: Apache-2.0
//
// Numbers in a row of bytes, little-endian: how classical models are saved. Reading never passes
// the end: the first failure sticks, later reads give zeros.
#ifndef HD_CLASSIC_BYTES_H
#define HD_CLASSIC_BYTES_H

#include <stdbool.h>

#include "base/str.h"

void hd_bytes_u32(hd_str *out, uint32_t value);
void hd_bytes_u64(hd_str *out, uint64_t value);
void hd_bytes_f32s(hd_str *out, const float *values, size_t n); // their number isn't written
void hd_bytes_u32s(hd_str *out, const uint32_t *values, size_t n);

typedef struct hd_bytes {
    const unsigned char *p;
    size_t n;    // left
    bool failed; // cut off, or a number that can't be
} hd_bytes;

uint32_t hd_bytes_get_u32(hd_bytes *in);
uint64_t hd_bytes_get_u64(hd_bytes *in);
// A number of things, of which each takes at least so many of the bytes left.
size_t hd_bytes_get_count(hd_bytes *in, size_t bytes_each);
// New arrays (hd_free) of n numbers; floats must be finite. NULL: failed, or out of memory
// (HEED_MEMORY then).
heed_err hd_bytes_get_f32s(hd_bytes *in, size_t n, float **out) HEED_CHECK;
heed_err hd_bytes_get_u32s(hd_bytes *in, size_t n, uint32_t **out) HEED_CHECK;
heed_err hd_bytes_damaged(void) HEED_CHECK; // HEED_CORRUPT

#endif
