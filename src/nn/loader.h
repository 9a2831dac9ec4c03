// SPDX-License-Identifier: Apache-2.0
//
// Batches, put together ahead of the training by a thread of its own (a bounded queue). The order
// is a shuffle by seed and epoch, so that a training resumed in mid-epoch meets the same batches.
#ifndef HD_NN_LOADER_H
#define HD_NN_LOADER_H

#include "nn/data.h"

typedef struct hd_loader hd_loader;

typedef struct hd_minibatch {
    size_t n;                // samples
    void *fields[HD_FIELDS]; // 64-byte aligned
    size_t length;           // places of its sequences; 0: as the source has them
    size_t *index;           // (n) which samples of the source they are
} hd_minibatch;

typedef struct hd_loader_opts {
    uint64_t seed;
    bool shuffle;
    bool training;  // draws are made
    size_t buckets; // of sequences by length (nn/bucket.h); 0: none
    bool drop_last; // an incomplete last batch is left out
    int ahead; // batches read ahead: 0: none, by the caller's thread; −1: 2, or 0 where cheap
} hd_loader_opts;

heed_err hd_loader_new(hd_data *data, const hd_loader_opts *opts, hd_loader **out) HEED_CHECK;
void hd_loader_free(hd_loader *loader);
// Begins an epoch, or goes on in it behind `done` samples.
heed_err hd_loader_begin(hd_loader *loader, uint64_t epoch, size_t batch, size_t done) HEED_CHECK;
// The next batch, borrowed until the next call; n 0: the epoch is over.
heed_err hd_loader_next(hd_loader *loader, hd_minibatch *out) HEED_CHECK;
// Samples that an epoch delivers with that batch size.
size_t hd_loader_samples(const hd_loader *loader, size_t batch);

#endif
