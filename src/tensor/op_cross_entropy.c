// SPDX-License-Identifier: Apache-2.0
//
// Softmax, logarithm and choice in one. Of the forward only log Σ exp of each row is kept; the
// gradient is made of the logits, and may stand in their place.
//
// With smoothing s, weights w and the label c of a row:
//     loss = (1 − s)·w_c·(lse − x_c) + s/V·Σ_j w_j·(lse − x_j),
// and the mean is divided by Σ w_c over the rows that count (as in PyTorch). No row that counts: 0.
#include <math.h>
#include <string.h>

#include "kernel/kernels.h"
#include "kernel/softmax.h"
#include "tensor/ops.h"
#include "tensor/own.h"

enum { LOGITS, LABELS, WEIGHTS };
enum { LOSS, LSE, SCALE }; // SCALE: what a row's loss is multiplied by

typedef struct loss_attrs {
    hd_reduction reduction;
    float smoothing;
    bool ignore;
    int32_t ignored;
} loss_attrs;

static size_t classes(const hd_node *node) {
    const hd_tensor *x = node->in[LOGITS];
    return x->shape[x->n_dims - 1];
}

static heed_err loss_shape(hd_node *node) {
    HD_TRY(hd_in_is(node, LOGITS, HD_F32, -1));
    HD_TRY(hd_in_is(node, LABELS, HD_I32, -1));
    const loss_attrs *attrs = node->attrs;
    const hd_tensor *x = node->in[LOGITS], *labels = node->in[LABELS];
    bool fits = x->n_dims == labels->n_dims + 1;
    for (int i = 0; fits && i < labels->n_dims; i++) fits = x->shape[i] == labels->shape[i];
    if (!fits) {
        return HD_FAIL(HEED_INPUT,
                       "the logits have the shape %s, the labels %s: one label a row is needed",
                       "logits 的形状为 %s，标签为 %s：每行需要一个标签", hd_tensor_shape(x).text,
                       hd_tensor_shape(labels).text);
    }
    const hd_tensor *w = node->in[WEIGHTS];
    if (w && (w->n_dims != 1 || w->count != classes(node) || w->dtype != HD_F32)) {
        return HD_FAIL(HEED_INPUT, "there are %zu classes, but weights of the shape %s",
                       "共有 %zu 个类别，而类别权重的形状为 %s", classes(node),
                       hd_tensor_shape(w).text);
    }
    if (!(attrs->smoothing >= 0 && attrs->smoothing <= 1)) {
        return HD_FAIL(HEED_INPUT, "a label smoothing of %g doesn't lie in 0 to 1",
                       "标签平滑 %g 不在 0 到 1 之间", (double)attrs->smoothing);
    }
    bool each = attrs->reduction == HD_REDUCE_NONE;
    HD_TRY(hd_out_set(node, LOSS, HD_F32, each ? labels->n_dims : 0, labels->shape));
    HD_TRY(hd_out_set(node, LSE, HD_F32, labels->n_dims, labels->shape));
    return hd_out_set(node, SCALE, HD_F32, 0, NULL);
}

// ── Forward ──

typedef struct loss_run {
    const hd_node *node;
    const hd_softmax_kernels *softmax;
    const hd_vec_kernels *vec;
    const float *x, *w, *lse, *upstream;
    const int32_t *labels;
    float *out, *loss, *lse_out;
    size_t n, v, per_chunk;
    float scale;
    loss_attrs attrs;
} loss_run;

static bool counts(const loss_run *r, size_t row) {
    return !r->attrs.ignore || r->labels[row] != r->attrs.ignored;
}
static float weight_of(const loss_run *r, size_t row) {
    return r->w ? r->w[r->labels[row]] : 1;
}

heed_err hd_labels_check(const int32_t *labels, size_t n, size_t n_classes, bool ignore,
                         int32_t ignored) {
    for (size_t i = 0; i < n; i++) {
        if (ignore && labels[i] == ignored) continue;
        if (labels[i] >= 0 && (size_t)labels[i] < n_classes) continue;
        return HD_FAIL(HEED_INPUT, "label %d of row %zu is out of range: there are %zu classes",
                       "第 %2$zu 行的标签 %1$d 超出范围：共有 %3$zu 个类别", labels[i], i,
                       n_classes);
    }
    return HEED_OK;
}

static float row_loss(const loss_run *r, size_t row) {
    if (!counts(r, row)) return 0;
    const float *x = r->x + row * r->v;
    float lse = r->lse_out[row], s = r->attrs.smoothing;
    float loss = (1 - s) * weight_of(r, row) * (lse - x[r->labels[row]]);
    if (s == 0) return loss;
    float v = (float)r->v;
    if (!r->w) return loss + s * (lse - r->vec->sum(r->v, x) / v);
    return loss + s / v * (lse * r->vec->sum(r->v, r->w) - r->vec->dot(r->v, r->w, x));
}

static heed_err loss_chunk(void *ctx, size_t chunk) {
    const loss_run *r = ctx;
    size_t end = (chunk + 1) * r->per_chunk;
    if (end > r->n) end = r->n;
    for (size_t i = chunk * r->per_chunk; i < end; i++) {
        r->lse_out[i] = r->softmax->log_sum_exp(r->v, r->x + i * r->v);
        r->loss[i] = row_loss(r, i);
    }
    return HEED_OK;
}

static loss_run run_of(const hd_node *node) {
    enum { WORK = 16384 };
    const hd_kernels *kernels = hd_kernels_get();
    loss_run r = {.node = node,
                  .softmax = kernels->softmax,
                  .vec = kernels->vec,
                  .x = hd_in_f32(node, LOGITS),
                  .w = hd_in_f32(node, WEIGHTS),
                  .labels = hd_in_i32(node, LABELS),
                  .n = node->in[LABELS]->count,
                  .v = classes(node),
                  .attrs = *(const loss_attrs *)node->attrs};
    r.per_chunk = WORK / (r.v + 1) + 1;
    return r;
}

static size_t chunks(const loss_run *r) {
    return (r->n + r->per_chunk - 1) / r->per_chunk;
}

static size_t loss_workspace(const hd_node *node, size_t threads) {
    (void)threads;
    return node->in[LABELS]->count * sizeof(float);
}

// Σ of the rows' weights.
static float total_weight(const loss_run *r) {
    double total = 0;
    for (size_t i = 0; i < r->n; i++)
        if (counts(r, i)) total += (double)weight_of(r, i);
    return (float)total;
}

static heed_err loss_forward(const hd_node *node, const hd_run *run) {
    loss_run r = run_of(node);
    HD_TRY(hd_labels_check(r.labels, r.n, r.v, r.attrs.ignore, r.attrs.ignored));
    bool each = r.attrs.reduction == HD_REDUCE_NONE;
    r.loss = each ? hd_out_f32(node, LOSS) : run->workspace;
    r.lse_out = hd_out_f32(node, LSE);
    HD_TRY(hd_pool_run(run->pool, chunks(&r), loss_chunk, &r));
    float total = r.attrs.reduction == HD_REDUCE_MEAN ? total_weight(&r) : 1;
    float scale = total > 0 ? 1 / total : 0;
    *hd_out_f32(node, SCALE) = scale;
    if (each) return HEED_OK;
    double sum = 0; // (rows in order: the same bits however they were cut)
    for (size_t i = 0; i < r.n; i++) sum += (double)r.loss[i];
    *hd_out_f32(node, LOSS) = (float)(sum * (double)scale);
    return HEED_OK;
}

static void loss_reference(const hd_node *node, const double *const *in, double *const *out) {
    const loss_attrs *attrs = node->attrs;
    const size_t n = node->in[LABELS]->count, v = classes(node);
    double sum = 0, total = 0, s = (double)attrs->smoothing;
    for (size_t i = 0; i < n; i++) {
        const double *x = in[LOGITS] + i * v, *w = in[WEIGHTS];
        double most = -INFINITY, exps = 0, loss = 0;
        for (size_t j = 0; j < v; j++) most = fmax(most, x[j]);
        for (size_t j = 0; j < v; j++) exps += exp(x[j] - most);
        double lse = most + log(exps);
        out[LSE][i] = lse;
        bool ignored = attrs->ignore && in[LABELS][i] == (double)attrs->ignored;
        size_t c = ignored ? 0 : (size_t)in[LABELS][i];
        for (size_t j = 0; j < v; j++) loss += s / (double)v * (w ? w[j] : 1) * (lse - x[j]);
        loss += (1 - s) * (w ? w[c] : 1) * (lse - x[c]);
        if (ignored) loss = 0;
        if (attrs->reduction == HD_REDUCE_NONE) out[LOSS][i] = loss;
        sum += loss;
        total += ignored ? 0 : w ? w[c] : 1;
    }
    double scale = attrs->reduction != HD_REDUCE_MEAN ? 1 : total > 0 ? 1 / total : 0;
    out[SCALE][0] = scale;
    if (attrs->reduction != HD_REDUCE_NONE) out[LOSS][0] = sum * scale;
}

// ── Gradient: inputs as the forward's, then lse, scale and the upstream ──

enum { GRAD_LSE = 3, GRAD_SCALE, GRAD_UPSTREAM };

static heed_err grad_shape(hd_node *node) {
    return hd_out_like(node, 0, node->in[LOGITS]);
}

static void row_grad(const loss_run *r, size_t row) {
    const float *x = r->x + row * r->v;
    float *out = r->out + row * r->v;
    if (!counts(r, row)) {
        memset(out, 0, r->v * sizeof *out);
        return;
    }
    bool each = r->attrs.reduction == HD_REDUCE_NONE;
    float g = r->scale * r->upstream[each ? row : 0], s = r->attrs.smoothing;
    float label = g * (1 - s) * weight_of(r, row), share = g * s / (float)r->v;
    float all = r->w && s > 0 ? r->vec->sum(r->v, r->w) : (float)r->v;
    r->softmax->cross_entropy_grad(r->v, x, r->lse[row], label + share * all, share, r->w, out);
    out[r->labels[row]] -= label;
}

static heed_err grad_chunk(void *ctx, size_t chunk) {
    const loss_run *r = ctx;
    size_t end = (chunk + 1) * r->per_chunk;
    if (end > r->n) end = r->n;
    for (size_t i = chunk * r->per_chunk; i < end; i++) row_grad(r, i);
    return HEED_OK;
}

static heed_err grad_forward(const hd_node *node, const hd_run *run) {
    loss_run r = run_of(node);
    r.lse = hd_in_f32(node, GRAD_LSE);
    r.scale = *hd_in_f32(node, GRAD_SCALE);
    r.upstream = hd_in_f32(node, GRAD_UPSTREAM);
    r.out = hd_out_f32(node, 0);
    return hd_pool_run(run->pool, chunks(&r), grad_chunk, &r);
}

static double loss_flops(const hd_node *node) {
    return 4 * (double)node->in[LOGITS]->count;
}

static const hd_operator operator_cross_entropy_grad = {
    .name = "cross_entropy_grad",
    .min_in = 6,
    .max_in = 6,
    .n_out = 1,
    .attrs_size = sizeof(loss_attrs),
    .optional = 1U << WEIGHTS,
    .shape = grad_shape,
    .forward = grad_forward,
    .flops = loss_flops,
    .in_place = 1U << LOGITS,
};

static heed_err loss_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    hd_tensor *const in[] = {node->in[LOGITS], node->in[LABELS], node->in[WEIGHTS],
                             node->out[LSE],   node->out[SCALE], grad_out[LOSS]};
    grad_in[LOGITS] =
        hd_operator_apply(in[0]->graph, &operator_cross_entropy_grad, 6, in, node->attrs);
    return HEED_OK;
}

static void loss_samples(hd_samples *samples) {
    const hd_sample_in logits = {.kind = HD_SAMPLE_DIFF, .n_dims = 2, .shape = {7, 11}};
    const hd_sample_in labels = {
        .kind = HD_SAMPLE_INDEX, .n_dims = 1, .shape = {7}, .low = 0, .high = 11};
    const hd_sample_in weights = {
        .kind = HD_SAMPLE_FIXED, .n_dims = 1, .shape = {11}, .low = 0.2, .high = 2};
    const hd_sample_in none = {0};
    const hd_sample_in plain[] = {logits, labels, none}, weighted[] = {logits, labels, weights};
    for (int reduction = 0; reduction < 3; reduction++) {
        loss_attrs attrs = {.reduction = (hd_reduction)reduction};
        hd_sample_add(samples, 3, plain, &attrs, 0);
        attrs.ignore = true;
        attrs.ignored = 3;
        attrs.smoothing = 0.1F;
        hd_sample_add(samples, 3, plain, &attrs, 0);
        hd_sample_add(samples, 3, weighted, &attrs, 0);
    }
    const hd_sample_in deep[] = {{.kind = HD_SAMPLE_DIFF, .n_dims = 3, .shape = {2, 3, 1}},
                                 {.kind = HD_SAMPLE_INDEX, .n_dims = 2, .shape = {2, 3}, .high = 1},
                                 none};
    hd_sample_add(samples, 3, deep, &(loss_attrs){HD_REDUCE_MEAN}, 0);
    const hd_sample_in empty[] = {{.kind = HD_SAMPLE_DIFF, .n_dims = 2, .shape = {0, 3}},
                                  {.kind = HD_SAMPLE_INDEX, .n_dims = 1, .shape = {0}, .high = 3},
                                  none};
    hd_sample_add(samples, 3, empty, &(loss_attrs){HD_REDUCE_MEAN}, 0);
}

const hd_operator hd_operator_cross_entropy = {
    .name = "cross_entropy",
    .min_in = 3,
    .max_in = 3,
    .n_out = 3,
    .attrs_size = sizeof(loss_attrs),
    .optional = 1U << WEIGHTS,
    .shape = loss_shape,
    .forward = loss_forward,
    .reference = loss_reference,
    .backward = loss_backward,
    .workspace = loss_workspace,
    .flops = loss_flops,
    .no_grad = 1U << LSE | 1U << SCALE,
    .samples = loss_samples,
};

hd_tensor *hd_tensor_cross_entropy(hd_tensor *logits, hd_tensor *labels,
                                   const hd_cross_entropy_opts *opts) {
    const hd_cross_entropy_opts plain = {0};
    if (!opts) opts = &plain;
    return hd_operator_apply(
        hd_graph_of(logits), &hd_operator_cross_entropy, 3,
        (hd_tensor *[]){logits, labels, opts->weights},
        &(loss_attrs){opts->reduction, opts->smoothing, opts->ignore, opts->ignored});
}
