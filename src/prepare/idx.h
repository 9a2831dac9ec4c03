// SPDX-License-Identifier: Apache-2.0
//
// MNIST's format (http://yann.lecun.com/exdb/mnist): unsigned bytes in up to three dimensions,
// plain, gzip or zstd.
#ifndef HD_PREPARE_IDX_H
#define HD_PREPARE_IDX_H

#include <stddef.h>

#include "base/error.h"

typedef struct hd_idx {
    int n_dims;
    size_t dim[3];         // 1 where there are fewer
    size_t count;          // their product
    unsigned char *block;  // owned; hd_free
    unsigned char *values; // (count), within the block
} hd_idx;

// HEED_CORRUPT when it isn't that: nothing in a file is believed.
heed_err hd_idx_read(const char *path, hd_idx *out) HEED_CHECK;
heed_err hd_idx_parse(const char *name, const void *bytes, size_t n, hd_idx *out) HEED_CHECK;
void hd_idx_clear(hd_idx *idx);

#endif
