// SPDX-License-Identifier: Apache-2.0
//
// The descriptors that layer_list.c lists, and what layers use of each other. For the layer_*.c
// files alone.
#ifndef HD_NN_LAYER_ROWS_H
#define HD_NN_LAYER_ROWS_H

#include "nn/layer.h"

// One row a layer.
#define HD_LAYER_ROWS(X)   \
    X(input)               \
    X(linear)              \
    X(embedding)           \
    X(flatten)             \
    X(reshape)             \
    X(dropout)             \
    X(relu)                \
    X(leaky_relu)          \
    X(gelu)                \
    X(gelu_tanh)           \
    X(silu)                \
    X(sigmoid)             \
    X(tanh)                \
    X(softmax)             \
    X(log_softmax)         \
    X(conv1d)              \
    X(conv2d)              \
    X(conv_transpose2d)    \
    X(max_pool)            \
    X(avg_pool)            \
    X(adaptive_pool)       \
    X(global_pool)         \
    X(upsample)            \
    X(pixel_shuffle)       \
    X(batch_norm)          \
    X(layer_norm)          \
    X(group_norm)          \
    X(rms_norm)            \
    X(resnet_basic)        \
    X(resnet_bottleneck)   \
    X(rnn)                 \
    X(lstm)                \
    X(gru)                 \
    X(attention)           \
    X(transformer_encoder) \
    X(transformer_decoder) \
    X(positions)           \
    X(first)               \
    X(last)                \
    X(sequence_pool)       \
    X(sequential)          \
    X(repeat)              \
    X(residual)            \
    X(branches)            \
    X(checkpoint)          \
    X(keep)                \
    X(use)                 \
    X(add)                 \
    X(concat)

#define HD_LAYER_DECLARE(id) extern const hd_layer_kind hd_layer_kind_##id;
HD_LAYER_ROWS(HD_LAYER_DECLARE)
#undef HD_LAYER_DECLARE

hd_tensor *hd_layer_flatten(hd_tensor *x);
// A square convolution without a bias that keeps the size at stride 1; a norm: both named.
hd_tensor *hd_layer_conv(hd_nn_scope *scope, const char *name, hd_tensor *x, size_t out,
                         size_t kernel, size_t stride);
hd_tensor *hd_layer_norm_named(hd_nn_scope *scope, const char *name, hd_tensor *x, bool rms);
// (batch, length) of 1 where the lengths say that a place counts, else 0. Only where there are
// some.
hd_tensor *hd_layer_mask(hd_nn_scope *scope, size_t batch, size_t length);

#endif
