// SPDX-License-Identifier: Apache-2.0
//
// Rows by index: lookup, and adding rows of a gradient up by index. Sums run by ascending place,
// so they are the same for any number of threads.
#ifndef HD_KERNEL_EMBED_H
#define HD_KERNEL_EMBED_H

#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"

// HEED_INPUT, naming place and value, when an index is no row.
heed_err hd_embed_check(size_t n, size_t rows, const int32_t *index) HEED_CHECK;

// out (n, d) = table[index[i]], table (rows, d); values of 4 bytes. Checks.
heed_err hd_embed_lookup(hd_pool *pool, size_t n, size_t d, size_t rows, const void *table,
                         const int32_t *index, void *out) HEED_CHECK;

// The places 0 … n − 1 sorted by index, then place, and where each distinct row's places begin.
typedef struct hd_embed_sorted {
    const uint64_t *keys;  // (n): row << 32 | place
    const uint32_t *first; // (n_rows + 1): into keys
    size_t n_rows;         // distinct
} hd_embed_sorted;
size_t hd_embed_workspace(size_t n); // bytes
// index: checked.
void hd_embed_sort(size_t n, const int32_t *index, void *workspace, hd_embed_sorted *out);

// table[row] += Σ grad[place] over its places. table (…, d), grad (n, d).
heed_err hd_embed_add(hd_pool *pool, const hd_embed_sorted *sorted, size_t d, const float *grad,
                      float *table) HEED_CHECK;

#endif
