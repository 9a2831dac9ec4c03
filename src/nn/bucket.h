// SPDX-License-Identifier: Apache-2.0
//
// Batches of sequences of about one length. Samples are put into buckets by their lengths; a batch
// is of one bucket and is cut behind its longest sequence's bucket, so that little is computed for
// padding. Graphs are built for a shape: a few buckets are a few programs.
#ifndef HD_NN_BUCKET_H
#define HD_NN_BUCKET_H

#include "nn/data.h"

enum { HD_BUCKETS = 6 };

typedef struct hd_buckets {
    size_t n;                 // 0: none, batches have sequences as the source has them
    size_t bound[HD_BUCKETS]; // places; ascending
    unsigned char *of;        // (samples)
    size_t *scratch;          // (samples)
} hd_buckets;

// wanted: up to HD_BUCKETS, of about as many samples each; 0 and 1: none. HEED_INPUT when the data
// has no lengths.
heed_err hd_buckets_make(hd_data *data, size_t wanted, hd_buckets *out) HEED_CHECK;
void hd_buckets_clear(hd_buckets *buckets);
// Orders an epoch's samples (n, already shuffled) so that each `batch` of them is of one bucket, or
// of two neighbours where one ends; whole batches are shuffled by seed and epoch.
void hd_buckets_arrange(const hd_buckets *buckets, uint64_t seed, uint64_t epoch, size_t batch,
                        size_t *order, size_t n);
// The places of a batch of these samples.
size_t hd_buckets_length(const hd_buckets *buckets, const size_t *index, size_t n);

// The fields of batches that are cut to `length` places; 0: as they are.
void hd_fields_cut(const hd_data *data, size_t length, hd_data_field *out);
// Moves what is kept of n samples together.
void hd_batch_cut(const hd_data *data, size_t length, size_t n, void *const *fields);

#endif
