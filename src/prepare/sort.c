// SPDX-License-Identifier: Apache-2.0
//
// American flag sort: count the bytes, then swap each value into its bucket, then sort the buckets
// by the next byte. At most eight levels deep.
#include "prepare/sort.h"

#include <string.h>

enum { SMALL = 32, BUCKETS = 256 };

static void insertion_sort(uint64_t *values, size_t n) {
    for (size_t i = 1; i < n; i++) {
        uint64_t value = values[i];
        size_t j = i;
        for (; j > 0 && values[j - 1] > value; j--) values[j] = values[j - 1];
        values[j] = value;
    }
}

static void sort_by_byte(uint64_t *values, size_t n, int shift) {
    if (n <= SMALL) {
        insertion_sort(values, n);
        return;
    }
    size_t next[BUCKETS] = {0}, end[BUCKETS], sum = 0;
    for (size_t i = 0; i < n; i++) next[values[i] >> shift & 0xFF]++;
    for (size_t b = 0; b < BUCKETS; b++) {
        size_t count = next[b];
        next[b] = sum;
        end[b] = sum += count;
    }
    for (size_t b = 0; b < BUCKETS; b++) {
        while (next[b] < end[b]) {
            uint64_t value = values[next[b]];
            size_t home = value >> shift & 0xFF;
            values[next[b]] = values[next[home]]; // when home is b, a no-op
            values[next[home]++] = value;
        }
    }
    for (size_t b = 0; shift > 0 && b < BUCKETS; b++) {
        size_t begin = b == 0 ? 0 : end[b - 1];
        if (end[b] - begin > 1) sort_by_byte(values + begin, end[b] - begin, shift - 8);
    }
}

void hd_sort_u64(uint64_t *values, size_t n) {
    if (n > 1) sort_by_byte(values, n, 56);
}

// Doubles sort as integers once the sign bit of positive ones is set and negative ones are inverted
// (IEEE 754 puts exponent before mantissa).
void hd_sort_f64(double *values, size_t n) {
    const uint64_t sign = UINT64_C(1) << 63;
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        bits = bits & sign ? ~bits : bits | sign;
        memcpy(&values[i], &bits, sizeof bits);
    }
    hd_sort_u64((uint64_t *)(void *)values, n);
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        bits = bits & sign ? bits ^ sign : ~bits;
        memcpy(&values[i], &bits, sizeof bits);
    }
}

size_t hd_distinct_u64(const uint64_t *values, size_t n) {
    size_t distinct = n > 0;
    for (size_t i = 1; i < n; i++) distinct += values[i] != values[i - 1];
    return distinct;
}
