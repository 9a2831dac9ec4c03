// SPDX-License-Identifier: Apache-2.0
//
// Losses of what belongs together: rows of a batch that are alike or not, items and their ranks.
#include <math.h>

#include "base/mem.h"
#include "nn/loss_rows.h"

ONE_NUMBER(margin_rows, "margin", 1, 0, 1e9, "distance that is wanted", "要求的间隔");

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

static hd_tensor *triplet_build(const hd_loss_in *in) {
    float margin = (float)((const one_number *)in->options)->value;
    hd_tensor *groups = grouped(in->scope, in->out, 3);
    if (!groups) return in->out;
    hd_tensor *near = distance(member(groups, 0), member(groups, 1));
    hd_tensor *far = distance(member(groups, 0), member(groups, 2));
    return hd_tensor_mean_all(hd_tensor_relu(hd_tensor_shift(hd_tensor_sub(near, far), margin)));
}

const hd_loss_kind hd_loss_kind_triplet = {
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
static hd_tensor *contrastive_build(const hd_loss_in *in) {
    float margin = (float)((const one_number *)in->options)->value;
    hd_tensor *groups = grouped(in->scope, in->out, 2);
    if (!groups || !in->target || in->target->count != in->out->shape[0]) {
        return groups ? hd_scope_fail(in->scope,
                                      HD_FAIL(HEED_INPUT, "takes one in->target a row, 0 or 1",
                                              "每行需要一个目标值 0 或 1"))
                      : in->out;
    }
    size_t pairs = groups->shape[0];
    hd_tensor *like =
        hd_tensor_slice(hd_tensor_reshape(in->target, 2, (size_t[]){pairs, 2}), 1, 0, 1);
    like = hd_tensor_reshape(like, 1, &pairs);
    hd_tensor *d = distance(member(groups, 0), member(groups, 1));
    hd_tensor *miss = hd_tensor_square(hd_tensor_relu(hd_tensor_shift(hd_tensor_neg(d), margin)));
    hd_tensor *unlike = hd_tensor_shift(hd_tensor_neg(like), 1);
    return hd_tensor_mean_all(
        hd_tensor_add(hd_tensor_mul(like, hd_tensor_square(d)), hd_tensor_mul(unlike, miss)));
}

const hd_loss_kind hd_loss_kind_contrastive = {
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
static hd_tensor *bpr_build(const hd_loss_in *in) {
    if (in->out->n_dims != 2 || in->out->shape[1] < 2) {
        hd_shape_text shape = hd_tensor_shape(in->out);
        return hd_scope_fail(
            in->scope,
            HD_FAIL(HEED_INPUT,
                    "takes scores of one wanted thing and others, (B, 2) or more, not %s",
                    "需要一个正例与若干负例的分数，形状 (B, 2) 或更宽，而不是 %s", shape.text));
    }
    hd_tensor *wanted = hd_tensor_slice(in->out, 1, 0, 1);
    hd_tensor *others = hd_tensor_slice(in->out, 1, 1, in->out->shape[1] - 1);
    return hd_tensor_mean_all(hd_tensor_softplus(hd_tensor_sub(others, wanted)));
}

const hd_loss_kind hd_loss_kind_bpr = {
    .kind = {.name = "bpr",
             .doc = HD_TEXT("of scores whose first one should be above the others",
                            "第一个分数应高于其余分数")},
    .rule = HD_TARGET_NONE,
    .build = bpr_build};

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
static hd_tensor *sampled_build(const hd_loss_in *in) {
    const sampled_options *o = in->options;
    char path[HD_SCOPE_PATH];
    hd_snprintf(path, sizeof path, "%s.weight", o->items);
    const hd_weight_item *table = hd_weights_find(in->scope->weights, path);
    size_t width = in->out->n_dims > 1 ? in->out->shape[in->out->n_dims - 1] : 1;
    size_t rows = in->out->count / (width ? width : 1);
    if (!table || !in->target || in->target->dtype != HD_I32 || in->target->count != rows) {
        return hd_scope_fail(
            in->scope,
            HD_FAIL(HEED_INPUT, "needs an embedding '%s', and one label for each row of the output",
                    "需要 embedding 层“%s”，以及输出每一行一个标签", o->items));
    }
    hd_tensor *items = hd_graph_weight(in->scope->graph, (hd_weight *)(uintptr_t)&table->weight);
    hd_tensor *labels = hd_tensor_reshape(in->target, 1, &rows);
    hd_sampled_opts opts = {.scale = (float)o->scale};
    if (o->share) opts.log_q = opts.log_q_own = log_shares(in->scope, o, items->shape[0], labels);
    return hd_tensor_sampled_softmax(hd_tensor_reshape(in->out, 2, (size_t[]){rows, width}), items,
                                     labels, labels, &opts);
}

const hd_loss_kind hd_loss_kind_sampled_softmax = {
    .kind = {.name = "sampled_softmax",
             .size = sizeof(sampled_options),
             .options = sampled_rows,
             .doc = HD_TEXT("cross-entropy of items against those of the batch's other rows",
                            "与同批其他行的条目相比的交叉熵")},
    .rule = HD_TARGET_OWN,
    .learn = sampled_learn,
    .build = sampled_build};
