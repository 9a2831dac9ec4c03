// SPDX-License-Identifier: Apache-2.0
//
// Metrics that are counted while a network is validated. What reports need beyond them stands in
// measure/.
#include <math.h>

#include "nn/loss.h"

static size_t largest(const float *row, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++) best = row[i] > row[best] ? i : best;
    return best;
}

static double mean_value(const hd_score *score) {
    return score->count > 0 ? score->sum / score->count : NAN;
}

// ── Of labels ──

static void accuracy_add(hd_score *score, const hd_batch_view *b) {
    const int32_t *label = b->target;
    for (size_t r = 0; r < b->rows; r++) {
        if (b->has_ignored && label[r] == b->ignored) continue;
        score->sum += largest(b->out + r * b->width, b->width) == (size_t)label[r];
        score->count++;
    }
}

static void top5_add(hd_score *score, const hd_batch_view *b) {
    enum { FIRST = 5 };
    const int32_t *label = b->target;
    for (size_t r = 0; r < b->rows; r++) {
        const float *row = b->out + r * b->width;
        if (b->has_ignored && label[r] == b->ignored) continue;
        size_t above = 0;
        for (size_t i = 0; i < b->width; i++) above += row[i] > row[label[r]];
        score->sum += above < FIRST;
        score->count++;
    }
}

static void perplexity_add(hd_score *score, const hd_batch_view *b) {
    const int32_t *label = b->target;
    double rows = (double)b->rows;
    for (size_t r = 0; b->has_ignored && r < b->rows; r++) rows -= label[r] == b->ignored;
    score->sum += rows > 0 ? b->loss * rows : 0;
    score->count += rows;
}

static double perplexity_value(const hd_score *score) {
    return exp(mean_value(score));
}

// ── Of values ──

static void binary_add(hd_score *score, const hd_batch_view *b) {
    const float *target = b->target;
    for (size_t i = 0; i < b->rows * b->width; i++) {
        score->sum += (b->out[i] > 0) == (target[i] > 0.5F);
        score->count++;
    }
}

static void mae_add(hd_score *score, const hd_batch_view *b) {
    const float *target = b->target;
    for (size_t i = 0; i < b->rows * b->width; i++) {
        score->sum += fabs((double)b->out[i] - (double)target[i]);
        score->count++;
    }
}

static void mse_add(hd_score *score, const hd_batch_view *b) {
    const float *target = b->target;
    for (size_t i = 0; i < b->rows * b->width; i++) {
        double miss = (double)b->out[i] - (double)target[i];
        score->sum += miss * miss;
        score->count++;
    }
}

static double root_value(const hd_score *score) {
    return sqrt(mean_value(score));
}

#define METRIC(id, text, target_rule, less, add_fn, value_fn, en, zh)                   \
    static const hd_metric_kind id = {.kind = {.name = (text), .doc = HD_TEXT(en, zh)}, \
                                      .rule = (target_rule),                            \
                                      .less_is_better = (less),                         \
                                      .add = (add_fn),                                  \
                                      .value = (value_fn)}
METRIC(accuracy, "accuracy", HD_TARGET_LABELS, false, accuracy_add, mean_value,
       "part of the labels that are met", "判对的比例");
METRIC(top5, "top5", HD_TARGET_LABELS, false, top5_add, mean_value,
       "part of the labels among the five most likely", "标签位于前五的比例");
METRIC(perplexity, "perplexity", HD_TARGET_LABELS, true, perplexity_add, perplexity_value,
       "e to the loss", "e 的损失次方");
METRIC(binary_accuracy, "binary_accuracy", HD_TARGET_VALUES, false, binary_add, mean_value,
       "part of the 0s and 1s that are met by logits", "由 logits 判对 0 与 1 的比例");
METRIC(mae, "mae", HD_TARGET_VALUES, true, mae_add, mean_value, "mean absolute difference",
       "平均绝对误差");
METRIC(mse, "mse", HD_TARGET_VALUES, true, mse_add, mean_value, "mean squared difference",
       "均方误差");
METRIC(rmse, "rmse", HD_TARGET_VALUES, true, mse_add, root_value, "root of the mse", "均方根误差");

static const hd_spec_kind *const rows[] = {
    &accuracy.kind, &top5.kind, &perplexity.kind, &binary_accuracy.kind,
    &mae.kind,      &mse.kind,  &rmse.kind,
};
const hd_spec_kinds hd_metric_kinds = {
    .what = HD_TEXT("metric", "指标"), .rows = rows, .n = sizeof rows / sizeof rows[0]};
