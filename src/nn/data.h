// SPDX-License-Identifier: Apache-2.0
//
// Where samples come from. A source has a number of samples and a few fields of each: inputs first,
// then (where it has them) a length and a target. It is asked for rows by index, in any order, by
// one thread at a time.
//
// Fields as the interface has them: an image (C, H, W), a sequence (T, D) or, of indexes, (T). What
// a read delivers is what graphs take: images (H, W, C).
#ifndef HD_NN_DATA_H
#define HD_NN_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "kernel/dtype.h"

enum { HD_FIELDS = 6, HD_FIELD_DIMS = 5 };

typedef enum hd_data_role { HD_ROLE_INPUT, HD_ROLE_LENGTH, HD_ROLE_TARGET } hd_data_role;

typedef struct hd_data_field {
    char name[32]; // "x", "length", "target"
    hd_data_role role;
    hd_dtype dtype; // HD_F32 or HD_I32, as delivered
    int n_dims;     // of one sample; 0: one value
    size_t shape[HD_FIELD_DIMS];
} hd_data_field;

// Of a random change made on the way (augmentation): seed and epoch; with them a sample's index
// decides what is drawn.
typedef struct hd_draw {
    uint64_t seed, epoch;
    bool training; // false: nothing is changed
} hd_draw;

typedef struct hd_data hd_data;
struct hd_data {
    size_t n; // samples
    int n_fields;
    hd_data_field fields[HD_FIELDS];
    bool cheap; // reading is a copy: no thread is worth it
    // Writes sample index[i] of field f at out[f] + i · (bytes of the field).
    heed_err (*read)(hd_data *data, size_t n, const size_t *index, const hd_draw *draw,
                     void *const *out);
    void (*free)(hd_data *data);
};
void hd_data_free(hd_data *data); // NULL is fine

size_t hd_field_count(const hd_data_field *field); // values of a sample
static inline size_t hd_field_bytes(const hd_data_field *field) {
    return hd_field_count(field) * sizeof(float); // f32 and i32 alike
}
int hd_data_find(const hd_data *data, hd_data_role role); // the first field of that role; -1: none

// ── In memory ──

// What stands in memory for one field: values of a type, turned into x·scale + shift. layout: as
// the interface has it. data: (n, …), borrowed; or owned when `own` is set, then freed with it.
typedef struct hd_data_column {
    hd_data_field field;
    hd_dtype dtype; // HD_U8, HD_F32, HD_I32
    const void *data;
    float scale, shift; // of f32; 0 scale is 1
    bool own;
} hd_data_column;
heed_err hd_data_memory(size_t n, int n_columns, const hd_data_column *columns,
                        hd_data **out) HEED_CHECK; // takes what it owns, also when it fails

// Windows of a long row of indexes: x is places i·stride … + length, the target one place on.
heed_err hd_data_windows(const int32_t *ids, size_t n, size_t length, size_t stride,
                         hd_data **out) HEED_CHECK; // ids: copied

// ── Parts ──

// The samples of these indexes, in this order. data: borrowed, must outlive it. index: copied.
heed_err hd_data_subset(hd_data *data, const size_t *index, size_t n, hd_data **out) HEED_CHECK;
// The part [from, to) (0 … 1) of the samples, after a shuffle by seed; seed 0: in order.
heed_err hd_data_part(hd_data *data, double from, double to, uint64_t seed,
                      hd_data **out) HEED_CHECK;
// Each sample's label where the data has one: (n), for hd_free; NULL where it has none, or more.
heed_err hd_data_labels(hd_data *data, int32_t **out) HEED_CHECK;
// Each sample's length, the same way.
heed_err hd_data_lengths(hd_data *data, int32_t **out) HEED_CHECK;
// How often each label from 0 on stands in the data's target, of whatever shape; none: n is 0.
typedef struct hd_label_counts {
    uint64_t *of; // (n)
    size_t n;
    uint64_t sum;
} hd_label_counts;
heed_err hd_data_count_labels(hd_data *data, hd_label_counts *out) HEED_CHECK;
void hd_label_counts_clear(hd_label_counts *counts);
// Fold `fold` of k, after shuffling by seed: `train` and `test` are indexes, (n) and (n / k + 1),
// allocated here, for hd_free. labels: (n), or NULL; with them each fold has every label's share.
typedef struct hd_fold {
    size_t *train, *test;
    size_t n_train, n_test;
} hd_fold;
heed_err hd_fold_make(size_t n, size_t k, size_t fold, uint64_t seed, const int32_t *labels,
                      hd_fold *out) HEED_CHECK;
void hd_fold_clear(hd_fold *fold);

// ── Files ──

// MNIST's format (http://yann.lecun.com/exdb/mnist), plain or gzip'd: images as (1, H, W) in 0 … 1
// and labels. HEED_CORRUPT when it isn't that.
heed_err hd_data_idx(const char *images, const char *labels, hd_data **out) HEED_CHECK;

#endif
