// SPDX-License-Identifier: Apache-2.0
//
// A weight: named values that training changes, or that an operator keeps from run to run (running
// statistics). It outlives the graphs built on it, and may stand in several.
#ifndef HD_TENSOR_WEIGHT_H
#define HD_TENSOR_WEIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "kernel/dtype.h"

typedef struct hd_weight {
    char *name; // path, "encoder.0.attention.qkv.weight"; its own
    int n_dims;
    size_t shape[HD_MAX_DIMS];
    size_t count;
    float *data;
    float *grad; // NULL until a graph that trains it is compiled
    bool frozen; // no gradient
    // Σ grad², where who wrote the gradient counted it on the way.
    bool has_squares;
    double squares;
    // Where the gradient came from embeddings alone: grad is 0 but in these rows (of shape[0]),
    // ascending. Otherwise sparse is false and all of grad counts.
    bool sparse;
    uint32_t *rows;
    size_t n_rows, rows_cap;
} hd_weight;

// All zeros, without a gradient. After a failure there is nothing to clear.
heed_err hd_weight_init(hd_weight *weight, const char *name, int n_dims,
                        const size_t *shape) HEED_CHECK;
void hd_weight_clear(hd_weight *weight);
// Makes `grad` stand, zeroed when it is new.
heed_err hd_weight_need_grad(hd_weight *weight) HEED_CHECK;
// grad = 0. Cheap where few rows were touched.
void hd_weight_zero_grad(hd_weight *weight);

#endif
