// SPDX-License-Identifier: Apache-2.0
//
// Losses of values that are to be met: measures, parts of 1, shares.
#include "nn/loss_rows.h"

// ── mse, mae, huber ──

static hd_tensor *mse_build(const hd_loss_in *in) {
    return hd_tensor_mean_all(hd_tensor_square(hd_tensor_sub(in->out, in->target)));
}

static hd_tensor *mae_build(const hd_loss_in *in) {
    return hd_tensor_mean_all(hd_tensor_abs(hd_tensor_sub(in->out, in->target)));
}

ONE_NUMBER(huber_rows, "delta", 1, 1e-9, 1e9, "where squares turn into straight lines",
           "由平方转为直线的位置");

static hd_tensor *huber_build(const hd_loss_in *in) {
    float delta = (float)((const one_number *)in->options)->value;
    return hd_tensor_mean_all(hd_tensor_huber(hd_tensor_sub(in->out, in->target), delta));
}

const hd_loss_kind hd_loss_kind_mse = {
    .kind = {.name = "mse", .doc = HD_TEXT("mean of squared differences", "差的平方的均值")},
    .rule = HD_TARGET_VALUES,
    .build = mse_build};
const hd_loss_kind hd_loss_kind_mae = {
    .kind = {.name = "mae", .doc = HD_TEXT("mean of absolute differences", "差的绝对值的均值")},
    .rule = HD_TARGET_VALUES,
    .build = mae_build};
const hd_loss_kind hd_loss_kind_huber = {
    .kind = {.name = "huber",
             .size = sizeof(one_number),
             .options = huber_rows,
             .doc = HD_TEXT("half squares near 0, straight lines beyond",
                            "接近 0 时为平方的一半，之外为直线")},
    .rule = HD_TARGET_VALUES,
    .build = huber_build};

// ── bce, hinge, kl ──

ONE_NUMBER(bce_rows, "positive_weight", 1, 1e-9, 1e9, "what a 1 counts, beside a 0",
           "1 相对于 0 的权重");

// With targets y: bce · (1 + (weight − 1)·y).
static hd_tensor *bce_build(const hd_loss_in *in) {
    float weight = (float)((const one_number *)in->options)->value;
    hd_tensor *loss = hd_tensor_bce_logits(in->out, in->target);
    if (weight != 1) {
        loss = hd_tensor_mul(loss, hd_tensor_shift(hd_tensor_scale(in->target, weight - 1), 1));
    }
    return hd_tensor_mean_all(loss);
}

const hd_loss_kind hd_loss_kind_bce = {
    .kind = {.name = "bce",
             .size = sizeof(one_number),
             .options = bce_rows,
             .doc = HD_TEXT("of targets 0 … 1, from logits (no sigmoid before it)",
                            "目标在 0 到 1 之间的二元交叉熵，输入为 logits（前面不要加 sigmoid）")},
    .rule = HD_TARGET_VALUES,
    .build = bce_build};

ONE_NUMBER(margin_rows, "margin", 1, 0, 1e9, "distance that is wanted", "要求的间隔");

// Targets 0 and 1 stand for −1 and 1: max(0, margin − x·y).
static hd_tensor *hinge_build(const hd_loss_in *in) {
    float margin = (float)((const one_number *)in->options)->value;
    hd_tensor *sign = hd_tensor_shift(hd_tensor_scale(in->target, 2), -1);
    hd_tensor *miss = hd_tensor_shift(hd_tensor_neg(hd_tensor_mul(in->out, sign)), margin);
    return hd_tensor_mean_all(hd_tensor_relu(miss));
}

const hd_loss_kind hd_loss_kind_hinge = {
    .kind = {.name = "hinge",
             .size = sizeof(one_number),
             .options = margin_rows,
             .doc = HD_TEXT("of targets 0 and 1: what stays on the right side by a margin costs "
                            "nothing",
                            "目标为 0 和 1：在正确一侧超过间隔的不计损失")},
    .rule = HD_TARGET_VALUES,
    .build = hinge_build};

// Σ t·(log t − log softmax(x)) over classes, mean over rows.
static hd_tensor *kl_build(const hd_loss_in *in) {
    hd_tensor *log_target = hd_tensor_log(hd_tensor_clamp(in->target, 1e-30F, 1e30F));
    hd_tensor *apart = hd_tensor_sub(log_target, hd_tensor_log_softmax(in->out));
    float rows =
        (float)(in->out->count /
                (in->out->shape[in->out->n_dims - 1] ? in->out->shape[in->out->n_dims - 1] : 1));
    hd_tensor *sum = hd_tensor_sum_all(hd_tensor_mul(in->target, apart));
    return hd_tensor_scale(sum, rows > 0 ? 1 / rows : 1);
}

const hd_loss_kind hd_loss_kind_kl = {
    .kind = {.name = "kl",
             .doc = HD_TEXT("how far the softmax of the logits is from target shares",
                            "logits 的 softmax 与目标分布的 KL 散度")},
    .rule = HD_TARGET_VALUES,
    .build = kl_build};
