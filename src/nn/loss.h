// SPDX-License-Identifier: Apache-2.0
//
// Losses and metrics by name: `cross_entropy: {smoothing: .1}`, `accuracy`.
#ifndef HD_NN_LOSS_H
#define HD_NN_LOSS_H

#include "nn/data.h"
#include "nn/scope.h"

// What a loss wants beside the network's output.
typedef enum hd_target_rule {
    HD_TARGET_LABELS, // i32, one for each row of the output: 0 … last dimension − 1
    HD_TARGET_VALUES, // f32, as many as the output has
    HD_TARGET_NONE,   // nothing: the output holds all
    HD_TARGET_OWN     // the loss checks by itself
} hd_target_rule;

// What a loss is built of. target: NULL for HD_TARGET_NONE; of the output's shape for
// HD_TARGET_VALUES.
typedef struct hd_loss_in {
    hd_nn_scope *scope;
    hd_tensor *out, *target;
    const void *options;
} hd_loss_in;

typedef struct hd_loss_kind {
    hd_spec_kind kind;
    hd_target_rule rule;
    hd_tensor *(*build)(const hd_loss_in *in); // a scalar
    // Looks at a training's data before it begins, where the options ask for that; what it learns
    // stands in the options, in the arena's memory. NULL: nothing to learn.
    heed_err (*learn)(void *options, hd_data *data, hd_arena *arena);
    // The label that counts for nothing, when the options say so.
    bool (*ignored)(const void *options, int32_t *label);
} hd_loss_kind;
extern const hd_spec_kinds hd_loss_kinds;

typedef struct hd_loss {
    hd_choice choice;
} hd_loss;
heed_err hd_loss_read(const json_t *value, const hd_where *where, hd_arena *arena,
                      hd_loss *out) HEED_CHECK;
const hd_loss_kind *hd_loss_kind_of(const hd_loss *loss);
// Before the first build of a training: what the loss wants to know of its data.
heed_err hd_loss_learn(hd_loss *loss, hd_data *data, hd_arena *arena) HEED_CHECK;
// Failures stick in the scope, with their place.
hd_tensor *hd_loss_build(hd_nn_scope *scope, const hd_loss *loss, hd_tensor *out,
                         hd_tensor *target);

// ── Metrics: counted over batches on the network's output ──

typedef struct hd_score {
    double sum, sum2, count;
} hd_score;

typedef struct hd_batch_view {
    const float *out;   // (rows, width)
    const void *target; // (rows) i32 or (rows, width) f32
    size_t rows, width;
    double loss; // mean of the batch
    bool has_ignored;
    int32_t ignored;
} hd_batch_view;

typedef struct hd_metric_kind {
    hd_spec_kind kind;
    hd_target_rule rule; // what it can be counted on
    bool less_is_better;
    void (*add)(hd_score *score, const hd_batch_view *batch);
    double (*value)(const hd_score *score);
} hd_metric_kind;
extern const hd_spec_kinds hd_metric_kinds;

#endif
