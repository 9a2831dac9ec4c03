// SPDX-License-Identifier: Apache-2.0
//
// The weights of a network: an ordered set by path. Graphs borrow them; files hold them.
#ifndef HD_NN_WEIGHTS_H
#define HD_NN_WEIGHTS_H

#include "base/map.h"
#include "nn/initializer.h"
#include "tensor/safetensors.h"
#include "tensor/weight.h"

// How a weight's dimensions stand in files and at the interface: file dimension i is dimension
// order[i] of the weight as held. n_dims 0: as held. Held dimensions that aren't named have size 1.
typedef struct hd_layout {
    int n_dims;
    int order[HD_MAX_DIMS];
} hd_layout;

typedef struct hd_weight_item {
    hd_weight weight;
    bool state; // running statistics: kept and saved, not trained
    hd_layout layout;
} hd_weight_item;

typedef struct hd_weights {
    hd_weight_item **at; // (n) in order of making
    size_t n, cap;
    hd_map by_path; // path -> index
    uint64_t seed;
    // While set, new weights are read from here rather than filled; one that isn't there, or has
    // another shape, is HEED_CORRUPT before any memory is taken for it.
    const hd_safetensors *source;
} hd_weights;

void hd_weights_init(hd_weights *weights, uint64_t seed);
void hd_weights_clear(hd_weights *weights);

// What is asked for; shape is as held.
typedef struct hd_weight_want {
    const char *path;
    int n_dims;
    size_t shape[HD_MAX_DIMS];
    hd_layout layout;
    hd_initializer init;
    hd_fan fan; // in 0: of a matrix (shape[0], the rest)
    bool state;
} hd_weight_want;
// The weight of that path: made and filled when it is new. HEED_INPUT: one stands there with
// another shape.
heed_err hd_weights_get(hd_weights *weights, const hd_weight_want *want,
                        hd_weight **out) HEED_CHECK;
hd_weight_item *hd_weights_find(const hd_weights *weights, const char *path); // NULL: none

// Trained values in all (states aren't counted), and how many of them are frozen.
size_t hd_weights_count(const hd_weights *weights, size_t *frozen);

// The shape in files, and values between the two orders: (count).
int hd_weight_file_shape(const hd_weight_item *item, size_t shape[HD_MAX_DIMS]);
void hd_weight_to_file(const hd_weight_item *item, const float *held, float *file);
void hd_weight_from_file(const hd_weight_item *item, const float *file, float *held);

// Copies a file's tensor of that weight's file shape and of type F32, BF16 or F16; *fits: whether
// it was one.
heed_err hd_weight_read(hd_weight_item *item, const hd_tensor_view *view, bool *fits) HEED_CHECK;
// Whether a path matches a pattern: * stands for any run of characters.
bool hd_path_match(const char *pattern, const char *path);

#endif
