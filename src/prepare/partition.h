// SPDX-License-Identifier: Apache-2.0
//
// Splits of a table's rows into training and test, or into folds: one descriptor per kind, one row
// in prepare/partition.c. The same seed gives the same split. (Splits of users' histories for
// recommenders are protocols: recommend/evaluate.h.)
#ifndef HD_PREPARE_PARTITION_H
#define HD_PREPARE_PARTITION_H

#include <stdint.h>

#include "base/error.h"
#include "base/time.h"

typedef struct hd_partition_input {
    size_t n_rows;
    double share; // of the rows that are tested, 0 … 1
    size_t folds; // 2 …, for k-fold
    uint64_t seed;
    const uint32_t *label; // (n_rows) class; UINT32_MAX: missing, a class of its own
    const uint32_t *group; // (n_rows) whose row it is
    const hd_time *time;   // (n_rows)
} hd_partition_input;

typedef struct hd_partition_kind {
    const char *name;
    hd_text doc;
    bool needs_label, needs_group, needs_time; // HEED_INPUT without them
    bool folds; // parts are folds 0 … folds − 1, else 0 train, 1 test
    heed_err (*split)(const hd_partition_input *input, uint32_t *part);
} hd_partition_kind;

extern const hd_partition_kind *const hd_partition_kinds[]; // NULL-terminated
const hd_partition_kind *hd_partition_find(const char *name);

// Checks the input and splits. part: (n_rows), written.
heed_err hd_partition(const hd_partition_kind *kind, const hd_partition_input *input,
                      uint32_t *part) HEED_CHECK;

#endif
