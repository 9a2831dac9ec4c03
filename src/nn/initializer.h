// SPDX-License-Identifier: Apache-2.0
//
// Starting values of weights. Each value depends on the seed, the weight's path and its place in
// the file's order (tensor interface: linear (out, in), convolution (out, in, height, width)) and
// on nothing else: adding a layer changes no other layer's start.
#ifndef HD_NN_INITIALIZER_H
#define HD_NN_INITIALIZER_H

#include "base/option.h"

// What an initialiser sees of a weight.
typedef struct hd_fan {
    size_t in, out;    // values that one output reads, outputs that one input reaches
    size_t rows, cols; // as a matrix: rows × cols values
} hd_fan;

typedef struct hd_initializer_kind {
    hd_spec_kind kind;
    // Fills rows × cols values. seed, stream: of hd_rng_at, index = place.
    heed_err (*fill)(const void *options, const hd_fan *fan, uint64_t seed, uint64_t stream,
                     float *out);
} hd_initializer_kind;
extern const hd_spec_kinds hd_initializer_kinds;

// A chosen initialiser: a row with its options, or one of the two below.
typedef struct hd_initializer {
    const hd_initializer_kind *kind;
    const void *options;
} hd_initializer;
extern const hd_initializer hd_init_default; // uniform within ±1/√fan.in, as PyTorch's layers
extern const hd_initializer hd_init_zeros;
extern const hd_initializer hd_init_ones;
extern const hd_initializer hd_init_unit_normal;  // mean 0, deviation 1: embeddings
extern const hd_initializer hd_init_small_normal; // mean 0, deviation 0.02: Transformers

// value NULL: `otherwise`.
heed_err hd_initializer_read(const json_t *value, const hd_where *where, hd_arena *arena,
                             hd_initializer otherwise, hd_initializer *out) HEED_CHECK;
// The stream of a path's random numbers (FNV-1a, 64 bits).
uint64_t hd_path_stream(const char *path);

#endif
