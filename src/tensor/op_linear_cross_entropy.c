// SPDX-License-Identifier: Apache-2.0
//
// cross_entropy(linear(x, w, b), labels) without all logits at once: rows are taken in strips,
// whose logits live in the workspace. The gradient's node makes the logits anyway, so it computes
// the loss too, and a whole run does each product once (op->redoes): 6·N·V·D operations as when
// everything is kept, rather than 8.
//
// Strips of rows and not of classes: log Σ exp needs whole rows, and a strip of MOST_LOGITS is
// larger than the batch of most steps, so that w's gradient is written once or a few times.
#include <string.h>

#include "kernel/gemm.h"
#include "kernel/kernels.h"
#include "kernel/vec.h"
#include "tensor/loss.h"

enum { X, W, B, LABELS, WEIGHTS, UPSTREAM, KNOWN }; // KNOWN: the forward's loss
enum { LOSS };
enum { DX, DW, DB };
enum { MOST_LOGITS = 32 << 20, LEAST_ROWS = 64, ALIGN = 16 }; // floats

typedef struct chunked_attrs {
    hd_loss_attrs loss;
    size_t rows; // of a strip, 0: by the shape
} chunked_attrs;

typedef struct sizes {
    size_t n, v, d, rows;
} sizes;

static sizes sizes_of(const hd_node *node) {
    const chunked_attrs *attrs = node->attrs;
    const hd_tensor *w = node->in[W];
    sizes s = {.n = node->in[LABELS]->count, .v = w->shape[0], .d = w->shape[1]};
    s.rows = attrs->rows;
    if (s.rows == 0) s.rows = MOST_LOGITS / (s.v + 1) / LEAST_ROWS * LEAST_ROWS;
    if (s.rows == 0) s.rows = LEAST_ROWS;
    if (s.rows > s.n) s.rows = s.n;
    return s;
}

static heed_err chunked_shape(hd_node *node) {
    const chunked_attrs *attrs = node->attrs;
    const hd_tensor *x = node->in[X], *w = node->in[W], *b = node->in[B];
    HD_TRY(hd_in_is(node, X, HD_F32, -1));
    HD_TRY(hd_in_is(node, W, HD_F32, 2));
    HD_TRY(hd_in_is(node, LABELS, HD_I32, -1));
    if (x->n_dims < 1 || x->shape[x->n_dims - 1] != w->shape[1] ||
        (b && (b->n_dims != 1 || b->count != w->shape[0]))) {
        return HD_FAIL(HEED_INPUT,
                       "rows of the shape %s, a weight of %s and a bias of %s don't fit",
                       "形状为 %s 的行、%s 的权重与 %s 的偏置不匹配", hd_tensor_shape(x).text,
                       hd_tensor_shape(w).text, b ? hd_tensor_shape(b).text : "()");
    }
    HD_TRY(hd_loss_shape(&attrs->loss, x, node->in[LABELS], node->in[WEIGHTS], w->shape[0]));
    bool each = attrs->loss.reduction == HD_REDUCE_NONE;
    const hd_tensor *labels = node->in[LABELS];
    return hd_out_set(node, LOSS, HD_F32, each ? labels->n_dims : 0, labels->shape);
}

// ── Products of a strip of rows ──

static hd_gemm logits_gemm(const hd_node *node, size_t m, size_t v, size_t d) {
    return (hd_gemm){.m = m,
                     .n = v,
                     .k = d,
                     .a_row = d,
                     .a_col = 1,
                     .b = node->in[W]->data,
                     .b_row = 1,
                     .b_col = d,
                     .c_row = v,
                     .bias = hd_in_f32(node, B),
                     .precision = node->out[0]->graph->opts.precision};
}

// Products that round the logits' gradient anyway read it as bf16, half the bytes: each row stands
// in the first half of its place. (Not beside a bias, whose gradient sums it up.)
static bool is_narrow(const hd_node *node) {
    const bool rounds = node->out[0]->graph->opts.precision == HD_PRECISE_BF16;
    return rounds && !node->out[0]->graph->opts.wide && node->out[DB]->count == 0;
}
static hd_dtype grad_type(const hd_node *node) {
    return is_narrow(node) ? HD_BF16 : HD_F32;
}
static size_t grad_row(const hd_node *node, size_t v) {
    return is_narrow(node) ? 2 * v : v;
}

static hd_gemm dx_gemm(const hd_node *node, size_t m, size_t v, size_t d) {
    return (hd_gemm){.m = m,
                     .n = d,
                     .k = v,
                     .a_type = grad_type(node),
                     .a_row = grad_row(node, v),
                     .a_col = 1,
                     .b = node->in[W]->data,
                     .b_row = d,
                     .b_col = 1,
                     .c_row = d,
                     .precision = node->out[0]->graph->opts.precision};
}
static hd_gemm dw_gemm(const hd_node *node, size_t m, size_t v, size_t d) {
    hd_weight *weight = hd_out_weight(node, DW);
    return (hd_gemm){.squares = weight ? &weight->squares : NULL,
                     .m = v,
                     .n = d,
                     .k = m,
                     .a_type = grad_type(node),
                     .a_row = 1,
                     .a_col = grad_row(node, v),
                     .b_row = d,
                     .b_col = 1,
                     .c = node->out[DW]->data,
                     .c_row = d,
                     .precision = node->out[0]->graph->opts.precision};
}

// The workspace: logits of a strip, losses and log Σ exp of all rows, then the kernels' own.
static size_t logits_floats(const sizes *s) {
    return (s->rows * s->v + ALIGN - 1) / ALIGN * ALIGN;
}
static size_t rows_floats(const sizes *s) {
    return (2 * s->n + ALIGN - 1) / ALIGN * ALIGN;
}

static size_t chunked_workspace(const hd_node *node, size_t threads) {
    sizes s = sizes_of(node);
    hd_gemm g = logits_gemm(node, s.rows, s.v, s.d);
    return (logits_floats(&s) + rows_floats(&s)) * sizeof(float) + hd_gemm_workspace(&g, threads);
}

typedef struct strip {
    hd_loss loss;
    sizes s;
    size_t first, n; // rows
    float *logits, *losses, *lse;
    void *workspace;
    const float *upstream; // NULL: only the loss
    float scale;
    bool narrow; // the logits' gradient becomes bf16
    size_t per_chunk;
} strip;

static strip strip_of(const hd_node *node, const hd_run *run) {
    enum { WORK = 16384 };
    const chunked_attrs *attrs = node->attrs;
    strip t = {.s = sizes_of(node)};
    t.loss = hd_loss_of(&attrs->loss, node->in[LABELS], node->in[WEIGHTS], t.s.v);
    t.logits = run->workspace;
    t.losses = t.logits + logits_floats(&t.s);
    t.lse = t.losses + t.s.n;
    t.workspace = t.logits + logits_floats(&t.s) + rows_floats(&t.s);
    t.scale = hd_loss_scale(&t.loss);
    t.per_chunk = WORK / (t.s.v + 1) + 1;
    return t;
}

// In its own place, from the front: what is written has been read.
static void narrow_row(float *x, size_t n) {
    enum { PART = 512 };
    uint16_t part[PART];
    for (size_t i = 0, m; i < n; i += m) {
        m = n - i < PART ? n - i : PART;
        hd_kernels_get()->vec->narrow(m, x + i, part);
        memcpy((uint16_t *)(void *)x + i, part, m * sizeof *part);
    }
}

static heed_err rows_chunk(void *ctx, size_t chunk) {
    const strip *t = ctx;
    size_t end = (chunk + 1) * t->per_chunk;
    bool each = t->loss.attrs.reduction == HD_REDUCE_NONE;
    if (end > t->n) end = t->n;
    for (size_t i = chunk * t->per_chunk; i < end; i++) {
        size_t row = t->first + i;
        float *x = t->logits + i * t->s.v, lse = t->loss.softmax->log_sum_exp(t->s.v, x);
        t->losses[row] = hd_loss_row(&t->loss, row, x, lse);
        if (t->upstream)
            hd_loss_row_grad(&t->loss, row, x, lse, t->scale * t->upstream[each ? row : 0], x);
        if (t->narrow) narrow_row(x, t->s.v);
    }
    return HEED_OK;
}

// The strip's logits, its rows' losses and, with an upstream, the logits' gradient in their place.
static heed_err run_strip(const hd_node *node, const hd_run *run, strip *t) {
    hd_gemm g = logits_gemm(node, t->n, t->s.v, t->s.d);
    g.a = hd_in_f32(node, X) + t->first * t->s.d;
    g.c = t->logits;
    HD_TRY(hd_gemm_run(run->pool, &g, t->workspace));
    return hd_pool_run(run->pool, (t->n + t->per_chunk - 1) / t->per_chunk, rows_chunk, t);
}

static bool next_strip(strip *t) {
    t->first += t->n;
    t->n = t->s.n - t->first < t->s.rows ? t->s.n - t->first : t->s.rows;
    return t->n > 0;
}

static void put_loss(const strip *t, float *out) {
    if (t->loss.attrs.reduction == HD_REDUCE_NONE) {
        if (t->s.n > 0) memcpy(out, t->losses, t->s.n * sizeof *out);
        return;
    }
    double sum = 0;
    for (size_t i = 0; i < t->s.n; i++) sum += (double)t->losses[i];
    *out = (float)(sum * (double)t->scale);
}

static heed_err chunked_forward(const hd_node *node, const hd_run *run) {
    strip t = strip_of(node, run);
    HD_TRY(hd_loss_check(&t.loss));
    while (next_strip(&t)) HD_TRY(run_strip(node, run, &t));
    put_loss(&t, hd_out_f32(node, LOSS));
    return HEED_OK;
}

static double chunked_flops(const hd_node *node) {
    sizes s = sizes_of(node);
    return 2 * (double)s.n * (double)s.v * (double)s.d;
}

static void chunked_reference(const hd_node *node, const double *const *in, double *const *out) {
    const chunked_attrs *attrs = node->attrs;
    sizes s = sizes_of(node);
    enum { MOST = 4096 }; // of a sample's logits
    double logits[MOST], lse[MOST], scale;
    for (size_t i = 0; i < s.n * s.v && i < MOST; i++) {
        const double *x = in[X] + i / s.v * s.d, *w = in[W] + i % s.v * s.d;
        logits[i] = in[B] ? in[B][i % s.v] : 0;
        for (size_t k = 0; k < s.d; k++) logits[i] += x[k] * w[k];
    }
    hd_loss_reference(&attrs->loss, s.n, s.v, logits, in[LABELS], in[WEIGHTS],
                      (double *const[]){out[LOSS], lse, &scale});
}

// ── Gradient ──

static heed_err grad_shape(hd_node *node) {
    for (int i = 0; i < 3; i++) { // what isn't wanted is empty
        const hd_tensor *in = node->in[i];
        if (in && in->needs_grad)
            HD_TRY(hd_out_like(node, i, in));
        else
            HD_TRY(hd_out_set(node, i, HD_F32, 1, (size_t[]){0}));
    }
    return HEED_OK;
}

static size_t grad_workspace(const hd_node *node, size_t threads) {
    sizes s = sizes_of(node);
    const hd_gemm g[] = {logits_gemm(node, s.rows, s.v, s.d), dx_gemm(node, s.rows, s.v, s.d),
                         dw_gemm(node, s.rows, s.v, s.d)};
    size_t most = hd_vec_sum_workspace(1, s.rows, s.v);
    for (int i = 0; i < 3; i++) {
        size_t bytes = hd_gemm_workspace(&g[i], threads);
        if (bytes > most) most = bytes;
    }
    return (logits_floats(&s) + rows_floats(&s)) * sizeof(float) + most;
}

// Squares are counted where one strip is all of it.
static heed_err run_dw(const hd_node *node, const hd_run *run, const strip *t, hd_gemm *g) {
    if (g->accumulate || t->n < t->s.n) g->squares = NULL;
    HD_TRY(hd_gemm_run(run->pool, g, t->workspace));
    if (g->squares) hd_out_weight(node, DW)->has_squares = true;
    return HEED_OK;
}

static heed_err strip_grads(const hd_node *node, const hd_run *run, const strip *t) {
    const sizes *s = &t->s;
    uint32_t add = t->first > 0 ? 1U << DW | 1U << DB : run->accumulate;
    if (node->out[DX]->count > 0) {
        hd_gemm g = dx_gemm(node, t->n, s->v, s->d);
        g.a = t->logits;
        g.c = hd_out_f32(node, DX) + t->first * s->d;
        HD_TRY(hd_gemm_run(run->pool, &g, t->workspace));
    }
    if (node->out[DW]->count > 0) {
        hd_gemm g = dw_gemm(node, t->n, s->v, s->d);
        g.a = t->logits;
        g.b = hd_in_f32(node, X) + t->first * s->d;
        g.accumulate = add >> DW & 1;
        HD_TRY(run_dw(node, run, t, &g));
    }
    if (node->out[DB]->count == 0) return HEED_OK;
    return hd_vec_sum(run->pool, 1, t->n, s->v, t->logits, HD_F32, 1, add >> DB & 1,
                      hd_out_f32(node, DB), t->workspace);
}

static heed_err grad_forward(const hd_node *node, const hd_run *run) {
    strip t = strip_of(node, run);
    t.upstream = hd_in_f32(node, UPSTREAM);
    t.narrow = is_narrow(node);
    HD_TRY(hd_loss_check(&t.loss));
    if (t.s.n == 0) { // no rows: the gradients of w and b are 0
        for (int i = DW; i <= DB; i++)
            if (!(run->accumulate >> i & 1) && node->out[i]->count > 0)
                memset(node->out[i]->data, 0, node->out[i]->count * sizeof(float));
    }
    while (next_strip(&t)) {
        HD_TRY(run_strip(node, run, &t));
        HD_TRY(strip_grads(node, run, &t));
    }
    put_loss(&t, node->in[KNOWN]->data);
    return HEED_OK;
}

static double grad_flops(const hd_node *node) {
    return 3 * chunked_flops(node);
}

static const hd_operator operator_linear_cross_entropy_grad = {
    .name = "linear_cross_entropy_grad",
    .n_in = 7,
    .n_out = 3,
    .attrs_size = sizeof(chunked_attrs),
    .optional = 1U << B | 1U << WEIGHTS,
    .shape = grad_shape,
    .forward = grad_forward,
    .workspace = grad_workspace,
    .flops = grad_flops,
    .accumulates = 1U << DW | 1U << DB,
    .redoes = 1 + KNOWN,
};

static heed_err chunked_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    hd_tensor *const in[] = {node->in[X],       node->in[W],    node->in[B],    node->in[LABELS],
                             node->in[WEIGHTS], grad_out[LOSS], node->out[LOSS]};
    hd_tensor *first =
        hd_operator_apply(in[0]->graph, &operator_linear_cross_entropy_grad, 7, in, node->attrs);
    if (!first->node) return HEED_OK; // (a failure that stuck)
    for (int i = 0; i < 3; i++)
        if (node->in[i] && node->in[i]->needs_grad) grad_in[i] = first->node->out[i];
    return HEED_OK;
}

static void chunked_samples(hd_samples *samples) {
    const hd_sample_in x = {.kind = HD_SAMPLE_DIFF, .n_dims = 2, .shape = {13, 5}};
    const hd_sample_in w = {.kind = HD_SAMPLE_DIFF, .n_dims = 2, .shape = {11, 5}};
    const hd_sample_in b = {.kind = HD_SAMPLE_DIFF, .n_dims = 1, .shape = {11}};
    const hd_sample_in labels = {
        .kind = HD_SAMPLE_INDEX, .n_dims = 1, .shape = {13}, .low = 0, .high = 11};
    const hd_sample_in weights = {
        .kind = HD_SAMPLE_FIXED, .n_dims = 1, .shape = {11}, .low = 0.2, .high = 2};
    const hd_sample_in none = {0};
    const hd_sample_in plain[] = {x, w, none, labels, none}, full[] = {x, w, b, labels, weights};
    for (int reduction = 0; reduction < 3; reduction++)
        for (size_t rows = 0; rows < 10; rows += 5) {
            chunked_attrs attrs = {{(hd_reduction)reduction, 0, false, 0}, rows};
            hd_sample_add(samples, 5, plain, &attrs, 0);
            attrs.loss = (hd_loss_attrs){(hd_reduction)reduction, 0.1F, true, 3};
            hd_sample_add(samples, 5, full, &attrs, 0);
        }
    const hd_sample_in empty[] = {{.kind = HD_SAMPLE_DIFF, .n_dims = 2, .shape = {0, 5}},
                                  w,
                                  b,
                                  {.kind = HD_SAMPLE_INDEX, .n_dims = 1, .shape = {0}, .high = 1},
                                  none};
    hd_sample_add(samples, 5, empty, &(chunked_attrs){0}, 0);
}

const hd_operator hd_operator_linear_cross_entropy = {
    .name = "linear_cross_entropy",
    .n_in = 5,
    .n_out = 1,
    .attrs_size = sizeof(chunked_attrs),
    .optional = 1U << B | 1U << WEIGHTS,
    .shape = chunked_shape,
    .forward = chunked_forward,
    .reference = chunked_reference,
    .backward = chunked_backward,
    .workspace = chunked_workspace,
    .flops = chunked_flops,
    .samples = chunked_samples,
};

hd_tensor *hd_tensor_linear_cross_entropy(hd_tensor *x, hd_tensor *w, hd_tensor *b,
                                          hd_tensor *labels, const hd_cross_entropy_opts *opts) {
    const chunked_attrs attrs = {.loss = hd_loss_attrs_of(opts)};
    return hd_operator_apply(hd_graph_of(x), &hd_operator_linear_cross_entropy, 5,
                             (hd_tensor *[]){x, w, b, labels, opts ? opts->weights : NULL}, &attrs);
}
