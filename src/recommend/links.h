// SPDX-License-Identifier: Apache-2.0
//
// Item-to-item rows: for each item the items it leads to, with a value, in one sparse matrix. Built
// row by row in parallel; each row is summed by one thread in a fixed order, so the bits are the
// same for any number of threads.
//
// Memory: 8 bytes a link, at most n_items × cap links and never more than the pairs counted; twice
// that while the blocks are put together, and 24 bytes × n_items for each thread at work.
#ifndef HD_RECOMMEND_LINKS_H
#define HD_RECOMMEND_LINKS_H

#include "base/pool.h"
#include "tensor/safetensors.h"

typedef struct hd_links {
    size_t n_items;  // I
    uint64_t *start; // (I + 1)
    uint32_t *to;    // (start[I]) rising within a row
    float *value;    // (start[I]) > 0
} hd_links;

// A row while it is summed.
typedef struct hd_links_sum {
    double *sum;       // (I) zero where nothing was added
    uint32_t *touched; // (I)
    size_t n_touched;
} hd_links_sum;

// x > 0.
static inline void hd_links_add(hd_links_sum *row, uint32_t to, double x) {
    if (row->sum[to] == 0) row->touched[row->n_touched++] = to;
    row->sum[to] += x;
}

typedef struct hd_links_source {
    // Adds up the row of an item.
    void (*row)(const void *ctx, uint32_t item, hd_links_sum *row);
    // The value kept for a sum, > 0 (0: drop it). NULL: the sum itself.
    double (*value)(const void *ctx, uint32_t from, uint32_t to, double sum);
    double *total; // (I) or NULL: set to the sum of each row's sums, before anything is dropped
    const void *ctx;
} hd_links_source;

// cap: links kept per item, those of greatest value, ties by lower item (0: all).
heed_err hd_links_build(size_t n_items, size_t cap, const hd_links_source *source, hd_pool *pool,
                        hd_links *out) HEED_CHECK;
// The value of one link, 0 when there is none.
float hd_links_get(const hd_links *links, uint32_t from, uint32_t to);
void hd_links_clear(hd_links *links);

// As tensors "start", "to", "value". Loading refuses what building can't have made.
heed_err hd_links_save(const hd_links *links, hd_safetensors_writer *out) HEED_CHECK;
heed_err hd_links_load(const hd_safetensors *in, hd_links *out) HEED_CHECK;

#endif
