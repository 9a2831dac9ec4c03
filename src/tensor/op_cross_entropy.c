// SPDX-License-Identifier: Apache-2.0
//
// Softmax, logarithm and choice in one (loss.h). Of the forward only log Σ exp of each row is kept;
// the gradient is made of the logits, and may stand in their place.
#include <string.h>

#include "tensor/loss.h"

enum { LOGITS, LABELS, WEIGHTS };
enum { LOSS, LSE, SCALE }; // SCALE: what a row's loss is multiplied by

typedef struct loss_run {
    hd_loss loss;
    const float *x, *lse, *upstream;
    float *out, *losses, *lse_out;
    size_t per_chunk;
    float scale;
} loss_run;

static size_t classes(const hd_node *node) {
    const hd_tensor *x = node->in[LOGITS];
    return x->n_dims > 0 ? x->shape[x->n_dims - 1] : 0;
}

static heed_err loss_shape(hd_node *node) {
    const hd_loss_attrs *attrs = node->attrs;
    const hd_tensor *x = node->in[LOGITS], *labels = node->in[LABELS];
    HD_TRY(hd_in_is(node, LOGITS, HD_F32, -1));
    HD_TRY(hd_in_is(node, LABELS, HD_I32, -1));
    HD_TRY(hd_loss_shape(attrs, x, labels, node->in[WEIGHTS], classes(node)));
    bool each = attrs->reduction == HD_REDUCE_NONE;
    HD_TRY(hd_out_set(node, LOSS, HD_F32, each ? labels->n_dims : 0, labels->shape));
    HD_TRY(hd_out_set(node, LSE, HD_F32, labels->n_dims, labels->shape));
    return hd_out_set(node, SCALE, HD_F32, 0, NULL);
}

// ── Forward ──

static heed_err loss_chunk(void *ctx, size_t chunk) {
    const loss_run *r = ctx;
    size_t end = (chunk + 1) * r->per_chunk, v = r->loss.v;
    if (end > r->loss.n) end = r->loss.n;
    for (size_t i = chunk * r->per_chunk; i < end; i++) {
        r->lse_out[i] = r->loss.softmax->log_sum_exp(v, r->x + i * v);
        r->losses[i] = hd_loss_row(&r->loss, i, r->x + i * v, r->lse_out[i]);
    }
    return HEED_OK;
}

static loss_run run_of(const hd_node *node) {
    enum { WORK = 16384 };
    loss_run r = {.loss =
                      hd_loss_of(node->attrs, node->in[LABELS], node->in[WEIGHTS], classes(node)),
                  .x = hd_in_f32(node, LOGITS),
                  .per_chunk = WORK / (classes(node) + 1) + 1};
    return r;
}

static size_t chunks(const loss_run *r) {
    return (r->loss.n + r->per_chunk - 1) / r->per_chunk;
}

static size_t loss_workspace(const hd_node *node, size_t threads) {
    (void)threads;
    return node->in[LABELS]->count * sizeof(float);
}

static heed_err loss_forward(const hd_node *node, const hd_run *run) {
    loss_run r = run_of(node);
    HD_TRY(hd_loss_check(&r.loss));
    bool each = r.loss.attrs.reduction == HD_REDUCE_NONE;
    r.losses = each ? hd_out_f32(node, LOSS) : run->workspace;
    r.lse_out = hd_out_f32(node, LSE);
    HD_TRY(hd_pool_run(run->pool, chunks(&r), loss_chunk, &r));
    float scale = *hd_out_f32(node, SCALE) = hd_loss_scale(&r.loss);
    if (each) return HEED_OK;
    double sum = 0; // (rows in order: the same bits however they were cut)
    for (size_t i = 0; i < r.loss.n; i++) sum += (double)r.losses[i];
    *hd_out_f32(node, LOSS) = (float)(sum * (double)scale);
    return HEED_OK;
}

static void loss_reference(const hd_node *node, const double *const *in, double *const *out) {
    hd_loss_reference(node->attrs, node->in[LABELS]->count, classes(node), in[LOGITS], in[LABELS],
                      in[WEIGHTS], out);
}

// ── Gradient: inputs as the forward's, then lse, scale and the upstream ──

enum { GRAD_LSE = 3, GRAD_SCALE, GRAD_UPSTREAM };

static heed_err grad_shape(hd_node *node) {
    return hd_out_like(node, 0, node->in[LOGITS]);
}

static heed_err grad_chunk(void *ctx, size_t chunk) {
    const loss_run *r = ctx;
    size_t end = (chunk + 1) * r->per_chunk, v = r->loss.v;
    bool each = r->loss.attrs.reduction == HD_REDUCE_NONE;
    if (end > r->loss.n) end = r->loss.n;
    for (size_t i = chunk * r->per_chunk; i < end; i++)
        hd_loss_row_grad(&r->loss, i, r->x + i * v, r->lse[i], r->scale * r->upstream[each ? i : 0],
                         r->out + i * v);
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
    .n_in = 6,
    .n_out = 1,
    .attrs_size = sizeof(hd_loss_attrs),
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
        hd_loss_attrs attrs = {.reduction = (hd_reduction)reduction};
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
    hd_sample_add(samples, 3, deep, &(hd_loss_attrs){HD_REDUCE_MEAN}, 0);
    const hd_sample_in empty[] = {{.kind = HD_SAMPLE_DIFF, .n_dims = 2, .shape = {0, 3}},
                                  {.kind = HD_SAMPLE_INDEX, .n_dims = 1, .shape = {0}, .high = 3},
                                  none};
    hd_sample_add(samples, 3, empty, &(hd_loss_attrs){HD_REDUCE_MEAN}, 0);
}

const hd_operator hd_operator_cross_entropy = {
    .name = "cross_entropy",
    .n_in = 3,
    .n_out = 3,
    .attrs_size = sizeof(hd_loss_attrs),
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
    hd_loss_attrs attrs = hd_loss_attrs_of(opts);
    return hd_operator_apply(hd_graph_of(logits), &hd_operator_cross_entropy, 3,
                             (hd_tensor *[]){logits, labels, opts ? opts->weights : NULL}, &attrs);
}
