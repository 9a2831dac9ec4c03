// SPDX-License-Identifier: Apache-2.0
//
// Over the last dimension: softmax, its logarithm, and division by the Euclidean length. Rows are
// independent; a chunk of them is a thread's.
#include <math.h>

#include "kernel/kernels.h"
#include "kernel/softmax.h"
#include "tensor/ops.h"
#include "tensor/own.h"

enum { CHUNK_VALUES = 8192 };

typedef struct norm_attrs {
    float eps;
} norm_attrs;

// ── Rows ──

typedef struct rows_run {
    size_t rows, n, per_chunk;
    const float *a, *b; // b: the upstream, for gradients
    float *out;
    float eps;
    const hd_kernels *kernels;
    void (*row)(const struct rows_run *run, size_t row);
} rows_run;

static heed_err rows_chunk(void *ctx, size_t chunk) {
    const rows_run *r = ctx;
    size_t end = (chunk + 1) * r->per_chunk;
    if (end > r->rows) end = r->rows;
    for (size_t i = chunk * r->per_chunk; i < end; i++) r->row(r, i);
    return HEED_OK;
}

static heed_err run_rows(const hd_node *node, const hd_run *run,
                         void (*row)(const rows_run *run, size_t row)) {
    const hd_tensor *t = node->in[0];
    rows_run r = {.n = t->shape[t->n_dims - 1],
                  .a = hd_in_f32(node, 0),
                  .b = node->n_in > 1 ? hd_in_f32(node, 1) : NULL,
                  .out = hd_out_f32(node, 0),
                  .eps = ((const norm_attrs *)node->attrs)->eps,
                  .kernels = hd_kernels_get(),
                  .row = row};
    if (t->count == 0) return HEED_OK;
    r.rows = t->count / r.n;
    r.per_chunk = CHUNK_VALUES / r.n + 1;
    return hd_pool_run(run->pool, (r.rows + r.per_chunk - 1) / r.per_chunk, rows_chunk, &r);
}

static void softmax_row(const rows_run *r, size_t i) {
    r->kernels->softmax->softmax(r->n, r->a + i * r->n, r->out + i * r->n);
}
static void log_softmax_row(const rows_run *r, size_t i) {
    r->kernels->softmax->log_softmax(r->n, r->a + i * r->n, r->out + i * r->n);
}
static void softmax_grad_row(const rows_run *r, size_t i) {
    size_t at = i * r->n;
    r->kernels->softmax->softmax_grad(r->n, r->a + at, r->b + at, r->out + at);
}
static void log_softmax_grad_row(const rows_run *r, size_t i) {
    size_t at = i * r->n;
    r->kernels->softmax->log_softmax_grad(r->n, r->a + at, r->b + at, r->out + at);
}

// The length, and whether eps stands for it.
static float length_of(const rows_run *r, const float *x, bool *small) {
    float length = sqrtf(r->kernels->vec->sum_squares(r->n, x));
    *small = length < r->eps;
    return *small ? r->eps : length;
}

static void normalize_row(const rows_run *r, size_t i) {
    bool small;
    const float *x = r->a + i * r->n;
    const hd_vec_arg by = {.p = 1 / length_of(r, x, &small)};
    r->kernels->vec->op[HD_VEC_SCALE](r->n, x, x, r->out + i * r->n, &by, 0);
}

// dx = (d − y·(y·d)) / length, or d / eps.
static void normalize_grad_row(const rows_run *r, size_t i) {
    bool small;
    const float *x = r->a + i * r->n, *d = r->b + i * r->n;
    float *out = r->out + i * r->n, over = 1 / length_of(r, x, &small);
    float dot = small ? 0 : r->kernels->vec->dot(r->n, x, d) * over * over;
    for (size_t j = 0; j < r->n; j++) out[j] = (d[j] - x[j] * dot) * over;
}

#define ROWS_FORWARD(id)                                                   \
    static heed_err id##_forward(const hd_node *node, const hd_run *run) { \
        return run_rows(node, run, id##_row);                              \
    }
ROWS_FORWARD(softmax)
ROWS_FORWARD(log_softmax)
ROWS_FORWARD(softmax_grad)
ROWS_FORWARD(log_softmax_grad)
ROWS_FORWARD(normalize)
ROWS_FORWARD(normalize_grad)

// ── Shape and reference ──

static heed_err rows_shape(hd_node *node) {
    HD_TRY(hd_in_is(node, 0, HD_F32, -1));
    if (node->in[0]->n_dims == 0)
        return HD_FAIL(HEED_INPUT, "a row is needed, not a single value", "需要一行，而不是单个值");
    return hd_out_like(node, 0, node->in[0]);
}

static double rows_flops(const hd_node *node) {
    return 4 * (double)node->out[0]->count;
}

static void softmax_reference_row(const double *x, size_t n, bool logarithm, double *out) {
    double most = -INFINITY, sum = 0;
    for (size_t j = 0; j < n; j++) most = x[j] > most || isnan(x[j]) ? x[j] : most;
    for (size_t j = 0; j < n; j++) sum += exp(x[j] - most);
    for (size_t j = 0; j < n; j++)
        out[j] = logarithm ? x[j] - most - log(sum) : exp(x[j] - most) / sum;
}

static void softmax_reference_of(const hd_node *node, const double *in, bool logarithm,
                                 double *out) {
    const hd_tensor *t = node->in[0];
    size_t n = t->shape[t->n_dims - 1];
    for (size_t at = 0; at < t->count; at += n)
        softmax_reference_row(in + at, n, logarithm, out + at);
}
static void softmax_reference(const hd_node *node, const double *const *in, double *const *out) {
    softmax_reference_of(node, in[0], false, out[0]);
}
static void log_softmax_reference(const hd_node *node, const double *const *in,
                                  double *const *out) {
    softmax_reference_of(node, in[0], true, out[0]);
}

static void l2_normalize_reference(const hd_node *node, const double *const *in,
                                   double *const *out) {
    const hd_tensor *t = node->in[0];
    const double eps = (double)((const norm_attrs *)node->attrs)->eps;
    size_t n = t->shape[t->n_dims - 1];
    for (size_t at = 0; at < t->count; at += n) {
        double sum = 0;
        for (size_t j = 0; j < n; j++) sum += in[0][at + j] * in[0][at + j];
        double length = sqrt(sum) < eps ? eps : sqrt(sum);
        for (size_t j = 0; j < n; j++) out[0][at + j] = in[0][at + j] / length;
    }
}

// ── Gradients ──

#define ROWS_GRADIENT(id, kernel, places)                                                         \
    static const hd_operator operator_##id = {                                                    \
        .name = #id,                                                                              \
        .n_in = 2,                                                                                \
        .n_out = 1,                                                                               \
        .attrs_size = sizeof(norm_attrs),                                                         \
        .shape = rows_shape,                                                                      \
        .forward = kernel##_forward,                                                              \
        .flops = rows_flops,                                                                      \
        .in_place = (places),                                                                     \
    };                                                                                            \
    static heed_err id##_apply(hd_node *node, hd_tensor *of, hd_tensor *d, hd_tensor **out) {     \
        *out =                                                                                    \
            hd_operator_apply(of->graph, &operator_##id, 2, (hd_tensor *[]){of, d}, node->attrs); \
        return HEED_OK;                                                                           \
    }
ROWS_GRADIENT(softmax_grad, softmax_grad, 2)
ROWS_GRADIENT(log_softmax_grad, log_softmax_grad, 2)
ROWS_GRADIENT(l2_normalize_grad, normalize_grad, 2)

static heed_err softmax_backward(hd_node *node, hd_tensor *const *d, hd_tensor **grad_in) {
    return softmax_grad_apply(node, node->out[0], d[0], &grad_in[0]);
}
static heed_err log_softmax_backward(hd_node *node, hd_tensor *const *d, hd_tensor **grad_in) {
    return log_softmax_grad_apply(node, node->out[0], d[0], &grad_in[0]);
}
static heed_err l2_normalize_backward(hd_node *node, hd_tensor *const *d, hd_tensor **grad_in) {
    return l2_normalize_grad_apply(node, node->in[0], d[0], &grad_in[0]);
}

static void rows_samples(hd_samples *samples) {
    const hd_sample_in in[] = {
        {.kind = HD_SAMPLE_DIFF, .n_dims = 2, .shape = {3, 37}, .low = -4, .high = 4},
        {.kind = HD_SAMPLE_DIFF, .n_dims = 3, .shape = {2, 3, 1}},
        {.kind = HD_SAMPLE_DIFF, .n_dims = 1, .shape = {131}},
        {.kind = HD_SAMPLE_DIFF, .n_dims = 2, .shape = {0, 3}},
    };
    for (int i = 0; i < 4; i++) hd_sample_add(samples, 1, &in[i], &(norm_attrs){1e-6F}, 0);
}

#define ROWS_OPERATOR(id, kernel)          \
    const hd_operator hd_operator_##id = { \
        .name = #id,                       \
        .n_in = 1,                         \
        .n_out = 1,                        \
        .attrs_size = sizeof(norm_attrs),  \
        .shape = rows_shape,               \
        .forward = kernel##_forward,       \
        .reference = id##_reference,       \
        .backward = id##_backward,         \
        .flops = rows_flops,               \
        .in_place = 1,                     \
        .samples = rows_samples,           \
    }
ROWS_OPERATOR(softmax, softmax);
ROWS_OPERATOR(log_softmax, log_softmax);
ROWS_OPERATOR(l2_normalize, normalize);

hd_tensor *hd_tensor_softmax(hd_tensor *x) {
    return hd_operator_apply(hd_graph_of(x), &hd_operator_softmax, 1, &x, NULL);
}
hd_tensor *hd_tensor_log_softmax(hd_tensor *x) {
    return hd_operator_apply(hd_graph_of(x), &hd_operator_log_softmax, 1, &x, NULL);
}
hd_tensor *hd_tensor_l2_normalize(hd_tensor *x, float eps) {
    return hd_operator_apply(hd_graph_of(x), &hd_operator_l2_normalize, 1, &x, &(norm_attrs){eps});
}
