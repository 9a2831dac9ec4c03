// SPDX-License-Identifier: Apache-2.0
//
// Losses, built from operators. All are means over the rows that count.
#include "nn/loss.h"

#include <math.h>

#include "base/mem.h"

// ── mse, mae, huber ──

static hd_tensor *mse_build(hd_nn_scope *s, hd_tensor *out, hd_tensor *target, const void *options,
                            const hd_where *where) {
    (void)s;
    (void)options;
    (void)where;
    return hd_tensor_mean_all(hd_tensor_square(hd_tensor_sub(out, target)));
}

static hd_tensor *mae_build(hd_nn_scope *s, hd_tensor *out, hd_tensor *target, const void *options,
                            const hd_where *where) {
    (void)s;
    (void)options;
    (void)where;
    return hd_tensor_mean_all(hd_tensor_abs(hd_tensor_sub(out, target)));
}

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

ONE_NUMBER(huber_rows, "delta", 1, 1e-9, 1e9, "where squares turn into straight lines",
           "由平方转为直线的位置");

static hd_tensor *huber_build(hd_nn_scope *s, hd_tensor *out, hd_tensor *target,
                              const void *options, const hd_where *where) {
    (void)s;
    (void)where;
    float delta = (float)((const one_number *)options)->value;
    return hd_tensor_mean_all(hd_tensor_huber(hd_tensor_sub(out, target), delta));
}

static const hd_loss_kind mse = {
    .kind = {.name = "mse", .doc = HD_TEXT("mean of squared differences", "差的平方的均值")},
    .rule = HD_TARGET_VALUES,
    .build = mse_build};
static const hd_loss_kind mae = {
    .kind = {.name = "mae", .doc = HD_TEXT("mean of absolute differences", "差的绝对值的均值")},
    .rule = HD_TARGET_VALUES,
    .build = mae_build};
static const hd_loss_kind huber = {
    .kind = {.name = "huber",
             .size = sizeof(one_number),
             .options = huber_rows,
             .doc = HD_TEXT("half squares near 0, straight lines beyond",
                            "接近 0 时为平方的一半，之外为直线")},
    .rule = HD_TARGET_VALUES,
    .build = huber_build};

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

static hd_tensor *entropy_build(hd_nn_scope *s, hd_tensor *out, hd_tensor *target,
                                const void *options, const hd_where *where) {
    const entropy_options *o = options;
    hd_cross_entropy_opts opts = {.smoothing = (float)o->smoothing};
    (void)where;
    opts.ignore = entropy_ignored(options, &opts.ignored);
    if (o->weights) opts.weights = numbers(s, o->weights, out->shape[out->n_dims - 1], "weights");
    return entropy_of(s, out, target, &opts);
}

static const hd_loss_kind cross_entropy = {
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
static hd_tensor *focal_build(hd_nn_scope *s, hd_tensor *out, hd_tensor *target,
                              const void *options, const hd_where *where) {
    const focal_options *o = options;
    hd_cross_entropy_opts opts = {.reduction = HD_REDUCE_NONE};
    (void)where;
    hd_tensor *entropy = hd_tensor_cross_entropy(out, target, &opts);
    hd_tensor *wrong = hd_tensor_shift(hd_tensor_neg(hd_tensor_exp(hd_tensor_neg(entropy))), 1);
    hd_tensor *loss =
        hd_tensor_mul(hd_tensor_pow(hd_tensor_clamp(wrong, 1e-7F, 1), (float)o->gamma), entropy);
    if (o->weights) {
        size_t classes = out->shape[out->n_dims - 1];
        hd_tensor *table = numbers(s, o->weights, classes, "weights");
        loss = hd_tensor_mul(loss, hd_tensor_gather(table, target));
    }
    return hd_tensor_mean_all(loss);
}

static const hd_loss_kind focal = {
    .kind = {.name = "focal",
             .size = sizeof(focal_options),
             .options = focal_rows,
             .doc = HD_TEXT("cross-entropy in which what is right already counts little",
                            "降低已判对样本影响的交叉熵")},
    .rule = HD_TARGET_LABELS,
    .build = focal_build};

// ── bce, hinge, kl ──

ONE_NUMBER(bce_rows, "positive_weight", 1, 1e-9, 1e9, "what a 1 counts, beside a 0",
           "1 相对于 0 的权重");

// With targets y: bce · (1 + (weight − 1)·y).
static hd_tensor *bce_build(hd_nn_scope *s, hd_tensor *out, hd_tensor *target, const void *options,
                            const hd_where *where) {
    float weight = (float)((const one_number *)options)->value;
    (void)s;
    (void)where;
    hd_tensor *loss = hd_tensor_bce_logits(out, target);
    if (weight != 1) {
        loss = hd_tensor_mul(loss, hd_tensor_shift(hd_tensor_scale(target, weight - 1), 1));
    }
    return hd_tensor_mean_all(loss);
}

static const hd_loss_kind bce = {
    .kind = {.name = "bce",
             .size = sizeof(one_number),
             .options = bce_rows,
             .doc = HD_TEXT("of targets 0 … 1, from logits (no sigmoid before it)",
                            "目标在 0 到 1 之间的二元交叉熵，输入为 logits（前面不要加 sigmoid）")},
    .rule = HD_TARGET_VALUES,
    .build = bce_build};

ONE_NUMBER(margin_rows, "margin", 1, 0, 1e9, "distance that is wanted", "要求的间隔");

// Targets 0 and 1 stand for −1 and 1: max(0, margin − x·y).
static hd_tensor *hinge_build(hd_nn_scope *s, hd_tensor *out, hd_tensor *target,
                              const void *options, const hd_where *where) {
    float margin = (float)((const one_number *)options)->value;
    (void)s;
    (void)where;
    hd_tensor *sign = hd_tensor_shift(hd_tensor_scale(target, 2), -1);
    hd_tensor *miss = hd_tensor_shift(hd_tensor_neg(hd_tensor_mul(out, sign)), margin);
    return hd_tensor_mean_all(hd_tensor_relu(miss));
}

static const hd_loss_kind hinge = {
    .kind = {.name = "hinge",
             .size = sizeof(one_number),
             .options = margin_rows,
             .doc = HD_TEXT("of targets 0 and 1: what stays on the right side by a margin costs "
                            "nothing",
                            "目标为 0 和 1：在正确一侧超过间隔的不计损失")},
    .rule = HD_TARGET_VALUES,
    .build = hinge_build};

// Σ t·(log t − log softmax(x)) over classes, mean over rows.
static hd_tensor *kl_build(hd_nn_scope *s, hd_tensor *out, hd_tensor *target, const void *options,
                           const hd_where *where) {
    (void)s;
    (void)options;
    (void)where;
    hd_tensor *log_target = hd_tensor_log(hd_tensor_clamp(target, 1e-30F, 1e30F));
    hd_tensor *apart = hd_tensor_sub(log_target, hd_tensor_log_softmax(out));
    float rows =
        (float)(out->count / (out->shape[out->n_dims - 1] ? out->shape[out->n_dims - 1] : 1));
    hd_tensor *sum = hd_tensor_sum_all(hd_tensor_mul(target, apart));
    return hd_tensor_scale(sum, rows > 0 ? 1 / rows : 1);
}

static const hd_loss_kind kl = {
    .kind = {.name = "kl",
             .doc = HD_TEXT("how far the softmax of the logits is from target shares",
                            "logits 的 softmax 与目标分布的 KL 散度")},
    .rule = HD_TARGET_VALUES,
    .build = kl_build};

// ── triplet, contrastive: rows that belong together stand behind each other ──

// (B, D) as (B / group, group, D); NULL and a failure when that can't be.
static hd_tensor *grouped(hd_nn_scope *s, hd_tensor *out, size_t group) {
    if (out->n_dims == 2 && out->shape[0] % group == 0) {
        return hd_tensor_reshape(out, 3, (size_t[]){out->shape[0] / group, group, out->shape[1]});
    }
    hd_shape_text shape = hd_tensor_shape(out);
    hd_scope_fail(
        s, HD_FAIL(HEED_INPUT, "takes rows in groups of %zu (a batch that %zu divides), not %s",
                   "需要每 %zu 行一组（批量能被 %zu 整除），而不是 %s", group, group, shape.text));
    return NULL;
}

static hd_tensor *member(hd_tensor *groups, size_t i) {
    hd_tensor *part = hd_tensor_slice(groups, 1, i, 1);
    return hd_tensor_reshape(part, 2, (size_t[]){groups->shape[0], groups->shape[2]});
}

static hd_tensor *distance(hd_tensor *a, hd_tensor *b) {
    hd_tensor *squares = hd_tensor_sum(hd_tensor_square(hd_tensor_sub(a, b)), -1, 1, false);
    return hd_tensor_sqrt(hd_tensor_shift(squares, 1e-12F));
}

static hd_tensor *triplet_build(hd_nn_scope *s, hd_tensor *out, hd_tensor *target,
                                const void *options, const hd_where *where) {
    float margin = (float)((const one_number *)options)->value;
    (void)target;
    (void)where;
    hd_tensor *groups = grouped(s, out, 3);
    if (!groups) return out;
    hd_tensor *near = distance(member(groups, 0), member(groups, 1));
    hd_tensor *far = distance(member(groups, 0), member(groups, 2));
    return hd_tensor_mean_all(hd_tensor_relu(hd_tensor_shift(hd_tensor_sub(near, far), margin)));
}

static const hd_loss_kind triplet = {
    .kind = {.name = "triplet",
             .size = sizeof(one_number),
             .options = margin_rows,
             .doc = HD_TEXT("rows come as anchor, like it, unlike it: the like one must be nearer "
                            "by a margin",
                            "每三行为锚点、相似、不相似：相似者须更近，且超过间隔")},
    .rule = HD_TARGET_NONE,
    .build = triplet_build};

// Hadsell et al. 2006: d² of likes, max(0, margin − d)² of others; the first row's target says
// which, 1 for likes.
static hd_tensor *contrastive_build(hd_nn_scope *s, hd_tensor *out, hd_tensor *target,
                                    const void *options, const hd_where *where) {
    float margin = (float)((const one_number *)options)->value;
    (void)where;
    hd_tensor *groups = grouped(s, out, 2);
    if (!groups || !target || target->count != out->shape[0]) {
        return groups ? hd_scope_fail(s, HD_FAIL(HEED_INPUT, "takes one target a row, 0 or 1",
                                                 "每行需要一个目标值 0 或 1"))
                      : out;
    }
    size_t pairs = groups->shape[0];
    hd_tensor *like = hd_tensor_slice(hd_tensor_reshape(target, 2, (size_t[]){pairs, 2}), 1, 0, 1);
    like = hd_tensor_reshape(like, 1, &pairs);
    hd_tensor *d = distance(member(groups, 0), member(groups, 1));
    hd_tensor *miss = hd_tensor_square(hd_tensor_relu(hd_tensor_shift(hd_tensor_neg(d), margin)));
    hd_tensor *unlike = hd_tensor_shift(hd_tensor_neg(like), 1);
    return hd_tensor_mean_all(
        hd_tensor_add(hd_tensor_mul(like, hd_tensor_square(d)), hd_tensor_mul(unlike, miss)));
}

static const hd_loss_kind contrastive = {
    .kind = {.name = "contrastive",
             .size = sizeof(one_number),
             .options = margin_rows,
             .doc = HD_TEXT("rows come in pairs: likes (target 1) shall be near, others apart by a "
                            "margin",
                            "每两行一对：相似的（目标为 1）应靠近，其余应相隔一个间隔")},
    .rule = HD_TARGET_OWN,
    .build = contrastive_build};

// ── bpr: Rendle et al. 2009 ──

// −log σ(first − other), mean over the others.
static hd_tensor *bpr_build(hd_nn_scope *s, hd_tensor *out, hd_tensor *target, const void *options,
                            const hd_where *where) {
    (void)target;
    (void)options;
    (void)where;
    if (out->n_dims != 2 || out->shape[1] < 2) {
        hd_shape_text shape = hd_tensor_shape(out);
        return hd_scope_fail(
            s, HD_FAIL(HEED_INPUT,
                       "takes scores of one wanted thing and others, (B, 2) or more, not %s",
                       "需要一个正例与若干负例的分数，形状 (B, 2) 或更宽，而不是 %s", shape.text));
    }
    hd_tensor *wanted = hd_tensor_slice(out, 1, 0, 1);
    hd_tensor *others = hd_tensor_slice(out, 1, 1, out->shape[1] - 1);
    return hd_tensor_mean_all(hd_tensor_softplus(hd_tensor_sub(others, wanted)));
}

static const hd_loss_kind bpr = {
    .kind = {.name = "bpr",
             .doc = HD_TEXT("of scores whose first one should be above the others",
                            "第一个分数应高于其余分数")},
    .rule = HD_TARGET_NONE,
    .build = bpr_build};

// ── ctc: Graves et al. 2006 ──

static const hd_option ctc_rows[] = {{.name = "blank",
                                      .type = HD_OPTION_INT,
                                      .at = offsetof(entropy_options, ignore),
                                      .min = 0,
                                      .max = 1e9,
                                      .doc = HD_TEXT("class of the blank", "空白的类别")},
                                     {.name = NULL}};

// Targets are padded by −1; how many steps count, the data's lengths say.
static hd_tensor *ctc_build(hd_nn_scope *s, hd_tensor *out, hd_tensor *target, const void *options,
                            const hd_where *where) {
    (void)where;
    if (out->n_dims != 3 || !target || target->dtype != HD_I32 || target->n_dims != 2) {
        hd_shape_text shape = hd_scope_shape(out);
        return hd_scope_fail(
            s, HD_FAIL(HEED_INPUT,
                       "takes logits (steps, classes) and a row of labels a sample, padded by -1; "
                       "the network gives %s",
                       "需要 logits（步数, 类别）以及每个样本一行以 -1 填充的标签；网络输出为 %s",
                       shape.text));
    }
    hd_tensor *labels = hd_tensor_cast(target, HD_F32);
    hd_tensor *counts =
        hd_tensor_sum(hd_tensor_clamp(hd_tensor_shift(labels, 1), 0, 1), 1, 1, false);
    hd_tensor *sound = hd_tensor_cast(hd_tensor_clamp(labels, 0, 1e7F), HD_I32);
    const hd_ctc_opts opts = {.blank = (int32_t)((const entropy_options *)options)->ignore,
                              .zero_infinity = true,
                              .steps = s->lengths,
                              .lengths = hd_tensor_cast(counts, HD_I32)};
    return hd_tensor_mean_all(hd_tensor_ctc(out, sound, &opts));
}

static const hd_loss_kind ctc = {
    .kind = {.name = "ctc",
             .size = sizeof(entropy_options),
             .options = ctc_rows,
             .doc = HD_TEXT("of a row of labels without places, from logits at each step",
                            "由每步 logits 对无位置标签序列的损失")},
    .rule = HD_TARGET_OWN,
    .build = ctc_build};

// ── sampled_softmax ──

typedef struct sampled_options {
    const char *items;
    double scale;
    bool log_q;
    // Learnt: log of the share that each item has of the data's labels, and of one that has none.
    float *share, rare;
    size_t n;
} sampled_options;
static const hd_option sampled_rows[] = {
    {.name = "items",
     .type = HD_OPTION_TEXT,
     .at = offsetof(sampled_options, items),
     .required = true,
     .doc = HD_TEXT("the embedding layer whose rows are chosen from",
                    "从哪个 embedding 层的行中选择")},
    {.name = "scale",
     .type = HD_OPTION_REAL,
     .at = offsetof(sampled_options, scale),
     .initial = 1,
     .min = 1e-6,
     .max = 1e6,
     .doc = HD_TEXT("of the products (1 / temperature)", "内积的倍数（1 / 温度）")},
    {.name = "log_q",
     .type = HD_OPTION_BOOL,
     .at = offsetof(sampled_options, log_q),
     .doc = HD_TEXT("takes off, in a training, the logarithm of how often its data has an item: "
                    "frequent ones stand in more batches",
                    "训练时减去条目在数据中出现频率的对数：常见条目会出现在更多批次中")},
    {.name = NULL}};

// Yi et al. 2019, with the shares counted beforehand and not estimated on the way: an item is met
// in a batch as often as the data has it.
static heed_err sampled_learn(void *options, hd_data *data, hd_arena *arena) {
    sampled_options *o = options;
    hd_label_counts counts;
    if (!o->log_q) return HEED_OK;
    HD_TRY(hd_data_count_labels(data, &counts));
    double sum = (double)(counts.sum > 0 ? counts.sum : 1);
    o->share = hd_arena_alloc(arena, (counts.n + 1) * sizeof *o->share);
    o->n = counts.n;
    o->rare = (float)-log(sum + 1);
    for (size_t i = 0; o->share && i < counts.n; i++) {
        o->share[i] = counts.of[i] > 0 ? (float)log((double)counts.of[i] / sum) : o->rare;
    }
    hd_label_counts_clear(&counts);
    return o->share ? HEED_OK : HD_FAIL_MEMORY(0);
}

// (rows) of the labels' logarithms.
static hd_tensor *log_shares(hd_nn_scope *s, const sampled_options *o, size_t items,
                             hd_tensor *labels) {
    float *values = hd_calloc(items + 1, sizeof *values);
    if (!values) return hd_scope_fail(s, HD_FAIL_MEMORY(items * sizeof *values));
    for (size_t i = 0; i < items; i++) values[i] = i < o->n ? o->share[i] : o->rare;
    hd_tensor *table = hd_graph_const(s->graph, 1, &items, values);
    hd_free(values);
    return hd_tensor_gather(table, labels);
}

// The items of the batch's other rows stand for all others.
static hd_tensor *sampled_build(hd_nn_scope *s, hd_tensor *out, hd_tensor *target,
                                const void *options, const hd_where *where) {
    const sampled_options *o = options;
    char path[HD_SCOPE_PATH];
    hd_snprintf(path, sizeof path, "%s.weight", o->items);
    const hd_weight_item *table = hd_weights_find(s->weights, path);
    (void)where;
    size_t width = out->n_dims > 1 ? out->shape[out->n_dims - 1] : 1;
    size_t rows = out->count / (width ? width : 1);
    if (!table || !target || target->dtype != HD_I32 || target->count != rows) {
        return hd_scope_fail(
            s,
            HD_FAIL(HEED_INPUT, "needs an embedding '%s', and one label for each row of the output",
                    "需要 embedding 层“%s”，以及输出每一行一个标签", o->items));
    }
    hd_tensor *items = hd_graph_weight(s->graph, (hd_weight *)(uintptr_t)&table->weight);
    hd_tensor *labels = hd_tensor_reshape(target, 1, &rows);
    hd_sampled_opts opts = {.scale = (float)o->scale};
    if (o->share) opts.log_q = opts.log_q_own = log_shares(s, o, items->shape[0], labels);
    return hd_tensor_sampled_softmax(hd_tensor_reshape(out, 2, (size_t[]){rows, width}), items,
                                     labels, labels, &opts);
}

static const hd_loss_kind sampled_softmax = {
    .kind = {.name = "sampled_softmax",
             .size = sizeof(sampled_options),
             .options = sampled_rows,
             .doc = HD_TEXT("cross-entropy of items against those of the batch's other rows",
                            "与同批其他行的条目相比的交叉熵")},
    .rule = HD_TARGET_OWN,
    .learn = sampled_learn,
    .build = sampled_build};

// ── The list ──

static const hd_spec_kind *const rows[] = {
    &mse.kind,
    &mae.kind,
    &huber.kind,
    &cross_entropy.kind,
    &focal.kind,
    &bce.kind,
    &hinge.kind,
    &kl.kind,
    &triplet.kind,
    &contrastive.kind,
    &bpr.kind,
    &ctc.kind,
    &sampled_softmax.kind,
};
const hd_spec_kinds hd_loss_kinds = {
    .what = HD_TEXT("loss", "损失函数"), .rows = rows, .n = sizeof rows / sizeof rows[0]};

heed_err hd_loss_read(const json_t *value, const hd_where *where, hd_arena *arena, hd_loss *out) {
    return hd_spec_read(&hd_loss_kinds, value, where, arena, &out->choice);
}

const hd_loss_kind *hd_loss_kind_of(const hd_loss *loss) {
    return (const hd_loss_kind *)(const void *)loss->choice.kind;
}

heed_err hd_loss_learn(hd_loss *loss, hd_data *data, hd_arena *arena) {
    const hd_loss_kind *kind = hd_loss_kind_of(loss);
    return kind->learn ? kind->learn(loss->choice.options, data, arena) : HEED_OK;
}

// Targets in the form the loss wants, or a failure that shows both shapes.
static hd_tensor *fit_target(hd_nn_scope *s, const hd_loss_kind *kind, hd_tensor *out,
                             hd_tensor *target) {
    if (kind->rule == HD_TARGET_NONE || kind->rule == HD_TARGET_OWN) return target;
    bool labels = kind->rule == HD_TARGET_LABELS;
    size_t width = out->n_dims > 1 ? out->shape[out->n_dims - 1] : 1;
    size_t wanted = labels ? out->count / (width ? width : 1) : out->count;
    if (target && target->dtype == (labels ? HD_I32 : HD_F32) && target->count == wanted) {
        return labels ? hd_tensor_reshape(target, out->n_dims - 1, out->shape)
                      : hd_tensor_reshape(target, out->n_dims, out->shape);
    }
    hd_shape_text is = hd_scope_shape(out), has = {"nothing"};
    if (target) has = hd_scope_shape(target);
    return hd_scope_fail(
        s,
        HD_FAIL(HEED_INPUT,
                "the network gives %1$s a sample, the data's targets are %2$s: it needs %3$s%4$.0s",
                "网络对每个样本输出 %1$s，而数据的目标为 %2$s：需要%3$.0s%4$s", is.text, has.text,
                labels ? "one whole-number label for each row of its output"
                       : "as many measured values as it gives",
                labels ? "为输出的每一行给出一个整数标签" : "与输出一样多的数值"));
}

hd_tensor *hd_loss_build(hd_nn_scope *s, const hd_loss *loss, hd_tensor *out, hd_tensor *target) {
    const hd_loss_kind *kind = hd_loss_kind_of(loss);
    hd_graph_scope_push(s->graph, "loss");
    hd_tensor *fitted = fit_target(s, kind, out, target);
    if (hd_graph_error(s->graph) == HEED_OK) {
        out = kind->build(s, out, fitted, loss->choice.options, &loss->choice.where);
    }
    hd_graph_scope_pop(s->graph);
    hd_scope_check(s, &loss->choice.where);
    return out;
}
