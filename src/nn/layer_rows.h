// SPDX-License-Identifier: Apache-2.0
//
// The descriptors that layer_list.c lists, and what layers use of each other. For the layer_*.c
// files alone.
#ifndef HD_NN_LAYER_ROWS_H
#define HD_NN_LAYER_ROWS_H

#include "nn/layer.h"

#define HD_LAYER_ROWS(X)                                                                          \
    X(input)                                                                                      \
    X(linear) X(embedding) X(flatten) X(reshape) X(dropout) X(relu) X(leaky_relu) X(gelu)         \
        X(gelu_tanh) X(silu) X(sigmoid) X(tanh) X(softmax) X(log_softmax) X(sequential) X(repeat) \
            X(residual) X(branches) X(keep) X(use) X(add) X(concat) X(checkpoint) X(positions)    \
                X(sequence_pool)

#define HD_LAYER_DECLARE(id) extern const hd_layer_kind hd_layer_kind_##id;
HD_LAYER_ROWS(HD_LAYER_DECLARE)
#undef HD_LAYER_DECLARE

hd_tensor *hd_layer_flatten(hd_tensor *x);
// (batch, length) of 1 where the lengths say that a place counts, else 0. Only where there are
// some.
hd_tensor *hd_layer_mask(hd_nn_scope *scope, size_t batch, size_t length);

#endif
