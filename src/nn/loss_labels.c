// SPDX-License-Identifier: Apache-2.0
//
// Losses of labels: one for each row, or a row of them without places.
#include <math.h>

#include "base/mem.h"
#include "nn/loss_rows.h"

// ── cross_entropy ──

typedef struct entropy_options {
    double smoothing;
    int64_t ignore;
    const json_t *weights;
} entropy_options;
enum { NO_LABEL = -2147483647 };
static const hd_option entropy_rows[] = {
    {.name = "smoothing",
     .type = HD_OPTION_REAL,
     .at = offsetof(entropy_options, smoothing),
     .min = 0,
     .max = 0.999,
     .doc =
         HD_TEXT("the share of a label that is spread over all classes", "标签分摊给各类的比例")},
    {.name = "ignore",
     .type = HD_OPTION_INT,
     .at = offsetof(entropy_options, ignore),
     .initial = NO_LABEL,
     .min = NO_LABEL,
     .max = 2147483647,
     .doc = HD_TEXT("a label that counts for nothing", "不计入的标签")},
    {.name = "weights",
     .type = HD_OPTION_JSON,
     .at = offsetof(entropy_options, weights),
     .doc = HD_TEXT("a list: what a row of each class counts", "列表：各类样本的权重")},
    {.name = NULL}};

static bool entropy_ignored(const void *options, int32_t *label) {
    int64_t ignore = ((const entropy_options *)options)->ignore;
    *label = (int32_t)ignore;
    return ignore != NO_LABEL;
}

// A list of numbers as a constant (n).
static hd_tensor *numbers(hd_nn_scope *s, const json_t *list, size_t n, const char *key) {
    if (!json_is_array(list) || json_array_size(list) != n) {
        return hd_scope_fail(s, HD_FAIL(HEED_INPUT, "%s must be a list of %zu numbers, one a class",
                                        "%s 应为 %zu 个数的列表，每类一个", key, n));
    }
    float *values = hd_calloc(n, sizeof *values);
    if (!values) return hd_scope_fail(s, HD_FAIL_MEMORY(n * sizeof *values));
    for (size_t i = 0; i < n; i++) values[i] = (float)json_number_value(json_array_get(list, i));
    hd_tensor *out = hd_graph_const(s->graph, 1, &n, values);
    hd_free(values);
    return out;
}

// A training needs the loss of many classes alone: the last linear layer and its loss are then one
// operator, which never has all the logits in memory. (Below so many classes they are cheap.)
enum { MANY_CLASSES = 1024 };

static hd_tensor *entropy_of(hd_nn_scope *s, hd_tensor *out, hd_tensor *target,
                             const hd_cross_entropy_opts *opts) {
    hd_tensor *x, *w, *b;
    if (hd_graph_opts_get(s->graph)->training && out->shape[out->n_dims - 1] >= MANY_CLASSES &&
        hd_tensor_linear_parts(out, &x, &w, &b)) {
        s->fused_loss = true;
        return hd_tensor_linear_cross_entropy(x, w, b, target, opts);
    }
    return hd_tensor_cross_entropy(out, target, opts);
}

static hd_tensor *entropy_build(const hd_loss_in *in) {
    const entropy_options *o = in->options;
    hd_cross_entropy_opts opts = {.smoothing = (float)o->smoothing};
    opts.ignore = entropy_ignored(in->options, &opts.ignored);
    if (o->weights)
        opts.weights =
            numbers(in->scope, o->weights, in->out->shape[in->out->n_dims - 1], "weights");
    return entropy_of(in->scope, in->out, in->target, &opts);
}

const hd_loss_kind hd_loss_kind_cross_entropy = {
    .kind = {.name = "cross_entropy",
             .size = sizeof(entropy_options),
             .options = entropy_rows,
             .doc = HD_TEXT("of labels, from logits (no softmax before it)",
                            "类别标签的交叉熵，输入为 logits（前面不要加 softmax）")},
    .rule = HD_TARGET_LABELS,
    .build = entropy_build,
    .ignored = entropy_ignored};

// ── focal: Lin et al. 2017 ──

typedef struct focal_options {
    double gamma;
    const json_t *weights;
} focal_options;
static const hd_option focal_rows[] = {
    {.name = "gamma",
     .type = HD_OPTION_REAL,
     .at = offsetof(focal_options, gamma),
     .initial = 2,
     .min = 0,
     .max = 20,
     .doc = HD_TEXT("how little what is right already counts", "已判对的样本被压低的程度")},
    {.name = "weights",
     .type = HD_OPTION_JSON,
     .at = offsetof(focal_options, weights),
     .doc = HD_TEXT("a list: what a row of each class counts", "列表：各类样本的权重")},
    {.name = NULL}};

// (1 − p)^γ · −log p, with p the share of the right class.
static hd_tensor *focal_build(const hd_loss_in *in) {
    const focal_options *o = in->options;
    hd_cross_entropy_opts opts = {.reduction = HD_REDUCE_NONE};
    hd_tensor *entropy = hd_tensor_cross_entropy(in->out, in->target, &opts);
    hd_tensor *wrong = hd_tensor_shift(hd_tensor_neg(hd_tensor_exp(hd_tensor_neg(entropy))), 1);
    hd_tensor *loss =
        hd_tensor_mul(hd_tensor_pow(hd_tensor_clamp(wrong, 1e-7F, 1), (float)o->gamma), entropy);
    if (o->weights) {
        size_t classes = in->out->shape[in->out->n_dims - 1];
        hd_tensor *table = numbers(in->scope, o->weights, classes, "weights");
        loss = hd_tensor_mul(loss, hd_tensor_gather(table, in->target));
    }
    return hd_tensor_mean_all(loss);
}

const hd_loss_kind hd_loss_kind_focal = {
    .kind = {.name = "focal",
             .size = sizeof(focal_options),
             .options = focal_rows,
             .doc = HD_TEXT("cross-entropy in which what is right already counts little",
                            "降低已判对样本影响的交叉熵")},
    .rule = HD_TARGET_LABELS,
    .build = focal_build};

// ── ctc: Graves et al. 2006 ──

static const hd_option ctc_rows[] = {{.name = "blank",
                                      .type = HD_OPTION_INT,
                                      .at = offsetof(entropy_options, ignore),
                                      .min = 0,
                                      .max = 1e9,
                                      .doc = HD_TEXT("class of the blank", "空白的类别")},
                                     {.name = NULL}};

// Targets are padded by −1; how many steps count, the data's lengths say.
static hd_tensor *ctc_build(const hd_loss_in *in) {
    if (in->out->n_dims != 3 || !in->target || in->target->dtype != HD_I32 ||
        in->target->n_dims != 2) {
        hd_shape_text shape = hd_scope_shape(in->out);
        return hd_scope_fail(
            in->scope,
            HD_FAIL(HEED_INPUT,
                    "takes logits (steps, classes) and a row of labels a sample, padded by -1; "
                    "the network gives %s",
                    "需要 logits（步数, 类别）以及每个样本一行以 -1 填充的标签；网络输出为 %s",
                    shape.text));
    }
    hd_tensor *labels = hd_tensor_cast(in->target, HD_F32);
    hd_tensor *counts =
        hd_tensor_sum(hd_tensor_clamp(hd_tensor_shift(labels, 1), 0, 1), 1, 1, false);
    hd_tensor *sound = hd_tensor_cast(hd_tensor_clamp(labels, 0, 1e7F), HD_I32);
    const hd_ctc_opts opts = {.blank = (int32_t)((const entropy_options *)in->options)->ignore,
                              .zero_infinity = true,
                              .steps = in->scope->lengths,
                              .lengths = hd_tensor_cast(counts, HD_I32)};
    return hd_tensor_mean_all(hd_tensor_ctc(in->out, sound, &opts));
}

const hd_loss_kind hd_loss_kind_ctc = {
    .kind = {.name = "ctc",
             .size = sizeof(entropy_options),
             .options = ctc_rows,
             .doc = HD_TEXT("of a row of labels without places, from logits at each step",
                            "由每步 logits 对无位置标签序列的损失")},
    .rule = HD_TARGET_OWN,
    .build = ctc_build};
