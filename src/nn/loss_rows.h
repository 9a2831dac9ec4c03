// SPDX-License-Identifier: Apache-2.0
//
// The descriptors that loss.c lists. For the loss*.c files alone.
#ifndef HD_NN_LOSS_ROWS_H
#define HD_NN_LOSS_ROWS_H

#include "nn/loss.h"

// One row a loss.
#define HD_LOSS_ROWS(X) \
    X(mse)              \
    X(mae)              \
    X(huber)            \
    X(cross_entropy)    \
    X(focal)            \
    X(bce)              \
    X(hinge)            \
    X(kl)               \
    X(triplet)          \
    X(contrastive)      \
    X(bpr)              \
    X(ctc)              \
    X(sampled_softmax)

#define HD_LOSS_DECLARE(id) extern const hd_loss_kind hd_loss_kind_##id;
HD_LOSS_ROWS(HD_LOSS_DECLARE)
#undef HD_LOSS_DECLARE

// A loss whose options are one number.
typedef struct one_number {
    double value;
} one_number;
#define ONE_NUMBER(id, key, start, low, high, en, zh)                  \
    static const hd_option id[] = {{.name = (key),                     \
                                    .type = HD_OPTION_REAL,            \
                                    .at = offsetof(one_number, value), \
                                    .initial = (start),                \
                                    .min = (low),                      \
                                    .max = (high),                     \
                                    .doc = HD_TEXT(en, zh)},           \
                                   {.name = NULL}}

#endif
