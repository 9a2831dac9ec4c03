// SPDX-License-Identifier: Apache-2.0
//
// Sorting many 64-bit numbers in place: byte by byte from the highest (McIlroy, Bostic, McIlroy,
// "Engineering radix sort", 1993: American flag sort), small runs by insertion. No memory beside
// the array, which qsort would take, uncounted.
#ifndef HD_PREPARE_SORT_H
#define HD_PREPARE_SORT_H

#include <stddef.h>
#include <stdint.h>

void hd_sort_u64(uint64_t *values, size_t n);
void hd_sort_f64(double *values, size_t n); // without NaN; -0 before +0
// How many different values a sorted array holds.
size_t hd_distinct_u64(const uint64_t *values, size_t n);

#endif
