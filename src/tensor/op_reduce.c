// SPDX-License-Identifier: Apache-2.0
//
// Sums, means and maxima over a stretch of dimensions: seen as (a, r, c), r is what goes. Sums are
// trees cut by the shape alone (kernel/vec.h).
#include <math.h>
#include <string.h>

#include "kernel/vec.h"
#include "tensor/ops.h"
#include "tensor/own.h"

typedef struct reduce_attrs {
    int dim, n;
    bool keep_dims, mean;
} reduce_attrs;

typedef struct extents {
    size_t a, r, c;
} extents;

static extents extents_of(const hd_node *node) {
    const reduce_attrs *attrs = node->attrs;
    const hd_tensor *x = node->in[0];
    extents e = {1, 1, 1};
    for (int i = 0; i < x->n_dims; i++) {
        size_t *to = i < attrs->dim ? &e.a : i < attrs->dim + attrs->n ? &e.r : &e.c;
        *to *= x->shape[i];
    }
    return e;
}

static float scale_of(const hd_node *node) {
    const reduce_attrs *attrs = node->attrs;
    return attrs->mean ? (float)(1 / (double)extents_of(node).r) : 1;
}

static heed_err reduce_shape(hd_node *node) {
    reduce_attrs *attrs = node->attrs;
    const hd_tensor *x = node->in[0];
    HD_TRY(hd_in_is(node, 0, HD_F32, -1));
    int dim = attrs->dim < 0 ? attrs->dim + x->n_dims : attrs->dim;
    if (dim < 0 || attrs->n < 0 || dim + attrs->n > x->n_dims) {
        return HD_FAIL(HEED_INPUT, "there are no %d dimensions from %d on in the shape %s",
                       "形状 %3$s 中没有从第 %2$d 维起的 %1$d 个维度", attrs->n, attrs->dim,
                       hd_tensor_shape(x).text);
    }
    attrs->dim = dim;
    size_t shape[HD_MAX_DIMS];
    int n = 0;
    for (int i = 0; i < x->n_dims; i++) {
        bool gone = i >= dim && i < dim + attrs->n;
        if (!gone || attrs->keep_dims) shape[n++] = gone ? 1 : x->shape[i];
    }
    for (int i = 0; i < node->n_out; i++)
        HD_TRY(hd_out_set(node, i, i == 0 ? HD_F32 : HD_I32, n, shape));
    return HEED_OK;
}

// ── sum, mean ──

static size_t sum_workspace(const hd_node *node, size_t threads) {
    (void)threads;
    extents e = extents_of(node);
    return hd_vec_sum_workspace(e.a, e.r, e.c);
}

static heed_err sum_forward(const hd_node *node, const hd_run *run) {
    extents e = extents_of(node);
    return hd_vec_sum(run->pool, e.a, e.r, e.c, node->in[0]->data, node->in[0]->dtype,
                      scale_of(node), run->accumulate & 1, hd_out_f32(node, 0), run->workspace);
}

static void sum_reference(const hd_node *node, const double *const *in, double *const *out) {
    const reduce_attrs *attrs = node->attrs;
    extents e = extents_of(node);
    for (size_t i = 0; i < e.a; i++)
        for (size_t j = 0; j < e.c; j++) {
            double sum = 0;
            for (size_t k = 0; k < e.r; k++) sum += in[0][(i * e.r + k) * e.c + j];
            out[0][i * e.c + j] = attrs->mean && e.r > 0 ? sum / (double)e.r : sum;
        }
}

// d with a one in place of each dimension that went.
static hd_tensor *with_ones(const hd_node *node, hd_tensor *d) {
    const reduce_attrs *attrs = node->attrs;
    const hd_tensor *x = node->in[0];
    size_t shape[HD_MAX_DIMS];
    memcpy(shape, x->shape, sizeof shape);
    for (int i = 0; i < attrs->n; i++) shape[attrs->dim + i] = 1;
    return attrs->keep_dims ? d : hd_tensor_reshape(d, x->n_dims, shape);
}

static heed_err sum_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    const hd_tensor *x = node->in[0];
    hd_tensor *d = with_ones(node, grad_out[0]);
    float scale = scale_of(node);
    if (scale != 1) d = hd_tensor_scale(d, scale);
    grad_in[0] = hd_tensor_broadcast(d, x->n_dims, x->shape);
    return HEED_OK;
}

static double reduce_flops(const hd_node *node) {
    return (double)node->in[0]->count;
}

#define DIFF(...) \
    { .kind = HD_SAMPLE_DIFF, __VA_ARGS__ }

static void samples_of(hd_samples *samples, bool mean) {
    const hd_sample_in in[] = {
        DIFF(.n_dims = 3, .shape = {3, 5, 7}),
        DIFF(.n_dims = 2, .shape = {131, 3}),
        DIFF(.n_dims = 2, .shape = {3, 0}),
        DIFF(.n_dims = 0),
    };
    for (int i = 0; i < 3; i++)
        hd_sample_add(samples, 1, &in[0], &(reduce_attrs){i, 1, i % 2, mean}, 0);
    hd_sample_add(samples, 1, &in[0], &(reduce_attrs){-2, 2, true, mean}, 0);
    hd_sample_add(samples, 1, &in[0], &(reduce_attrs){0, 3, false, mean}, 0);
    hd_sample_add(samples, 1, &in[1], &(reduce_attrs){0, 1, false, mean}, 0);
    hd_sample_add(samples, 1, &in[2], &(reduce_attrs){0, 1, false, mean}, 0);
    hd_sample_add(samples, 1, &in[3], &(reduce_attrs){0, 0, false, mean}, 0);
}
static void sum_samples(hd_samples *samples) {
    samples_of(samples, false);
}
static void mean_samples(hd_samples *samples) {
    samples_of(samples, true);
}

#define SUM_OPERATOR(id)                    \
    const hd_operator hd_operator_##id = {  \
        .name = #id,                        \
        .n_in = 1,                          \
        .n_out = 1,                         \
        .attrs_size = sizeof(reduce_attrs), \
        .shape = reduce_shape,              \
        .forward = sum_forward,             \
        .reads_bf16 = 1,                    \
        .reference = sum_reference,         \
        .backward = sum_backward,           \
        .workspace = sum_workspace,         \
        .flops = reduce_flops,              \
        .accumulates = 1,                   \
        .samples = id##_samples,            \
    }
SUM_OPERATOR(sum);
SUM_OPERATOR(mean);

static hd_tensor *reduce(const hd_operator *op, hd_tensor *x, int dim, int n, bool keep_dims,
                         bool mean) {
    return hd_operator_apply(hd_graph_of(x), op, 1, &x, &(reduce_attrs){dim, n, keep_dims, mean});
}

hd_tensor *hd_tensor_sum(hd_tensor *x, int dim, int n, bool keep_dims) {
    return reduce(&hd_operator_sum, x, dim, n, keep_dims, false);
}
hd_tensor *hd_tensor_mean(hd_tensor *x, int dim, int n, bool keep_dims) {
    return reduce(&hd_operator_mean, x, dim, n, keep_dims, true);
}
hd_tensor *hd_tensor_sum_all(hd_tensor *x) {
    return x ? hd_tensor_sum(x, 0, x->n_dims, false) : NULL;
}
hd_tensor *hd_tensor_mean_all(hd_tensor *x) {
    return x ? hd_tensor_mean(x, 0, x->n_dims, false) : NULL;
}

hd_tensor *hd_grad_reduce(hd_tensor *grad, const hd_tensor *like) {
    if (!grad || grad->graph->failed) return grad;
    int lead = grad->n_dims - like->n_dims;
    if (lead > 0) grad = hd_tensor_sum(grad, 0, lead, false);
    for (int i = 0; !grad->graph->failed && i < like->n_dims;) {
        int end = i;
        while (end < like->n_dims && like->shape[end] == 1 && grad->shape[end] != 1) end++;
        if (end > i) grad = hd_tensor_sum(grad, i, end - i, true);
        i = end > i ? end : i + 1;
    }
    return grad;
}

// ── max ──

// The first largest of r values, NaN counting as larger than all.
static size_t largest(const float *x, size_t r, size_t step) {
    size_t best = 0;
    for (size_t k = 1; k < r && !isnan(x[best * step]); k++)
        if (x[k * step] > x[best * step] || isnan(x[k * step])) best = k;
    return best;
}

static heed_err max_over_shape(hd_node *node) {
    HD_TRY(reduce_shape(node));
    if (extents_of(node).r == 0)
        return HD_FAIL(HEED_INPUT, "there is no largest of no values: the shape is %s",
                       "没有值可取最大：形状为 %s", hd_tensor_shape(node->in[0]).text);
    return HEED_OK;
}

static heed_err max_over_forward(const hd_node *node, const hd_run *run) {
    (void)run;
    extents e = extents_of(node);
    const float *x = hd_in_f32(node, 0);
    float *out = hd_out_f32(node, 0);
    int32_t *place = node->out[1]->data;
    for (size_t i = 0; i < e.a; i++)
        for (size_t j = 0; j < e.c; j++) {
            const float *from = x + i * e.r * e.c + j;
            size_t best = largest(from, e.r, e.c);
            out[i * e.c + j] = from[best * e.c];
            place[i * e.c + j] = (int32_t)best;
        }
    return HEED_OK;
}

static void max_over_reference(const hd_node *node, const double *const *in, double *const *out) {
    extents e = extents_of(node);
    for (size_t i = 0; i < e.a * e.c; i++) {
        const double *from = in[0] + i / e.c * e.r * e.c + i % e.c;
        size_t best = 0;
        for (size_t k = 1; k < e.r && !isnan(from[best * e.c]); k++)
            if (from[k * e.c] > from[best * e.c] || isnan(from[k * e.c])) best = k;
        out[0][i] = from[best * e.c];
        out[1][i] = (double)best;
    }
}

// The gradient goes to the place of the largest: d (a, c), place (a, c) to (a, r, c), the shape of
// the forward's input, which needn't be kept for it.
typedef struct place_attrs {
    extents e;
    int n_dims;
    size_t shape[HD_MAX_DIMS];
} place_attrs;

static heed_err place_shape(hd_node *node) {
    const place_attrs *attrs = node->attrs;
    return hd_out_set(node, 0, HD_F32, attrs->n_dims, attrs->shape);
}

static heed_err place_forward(const hd_node *node, const hd_run *run) {
    (void)run;
    const extents e = ((const place_attrs *)node->attrs)->e;
    const float *d = hd_in_f32(node, 0);
    const int32_t *place = hd_in_i32(node, 1);
    float *out = hd_out_f32(node, 0);
    if (node->out[0]->count > 0) memset(out, 0, node->out[0]->count * sizeof *out);
    for (size_t i = 0; i < e.a * e.c; i++)
        out[(i / e.c * e.r + (size_t)place[i]) * e.c + i % e.c] = d[i];
    return HEED_OK;
}

static const hd_operator operator_max_over_grad = {
    .name = "max_over_grad",
    .n_in = 2,
    .n_out = 1,
    .attrs_size = sizeof(place_attrs),
    .shape = place_shape,
    .forward = place_forward,
};

static heed_err max_over_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    const hd_tensor *x = node->in[0];
    place_attrs attrs = {.e = extents_of(node), .n_dims = x->n_dims};
    memcpy(attrs.shape, x->shape, sizeof attrs.shape);
    grad_in[0] = hd_operator_apply(x->graph, &operator_max_over_grad, 2,
                                   (hd_tensor *[]){grad_out[0], node->out[1]}, &attrs);
    return HEED_OK;
}

static void max_over_samples(hd_samples *samples) {
    const hd_sample_in in = DIFF(.n_dims = 3, .shape = {3, 5, 7});
    for (int i = 0; i < 3; i++)
        hd_sample_add(samples, 1, &in, &(reduce_attrs){i, 1, i % 2, false}, 0);
    hd_sample_add(samples, 1, &in, &(reduce_attrs){1, 2, false, false}, 0);
}

const hd_operator hd_operator_max_over = {
    .name = "max_over",
    .n_in = 1,
    .n_out = 2, // the values, and where in the stretch they stood
    .attrs_size = sizeof(reduce_attrs),
    .shape = max_over_shape,
    .forward = max_over_forward,
    .reference = max_over_reference,
    .backward = max_over_backward,
    .flops = reduce_flops,
    .no_grad = 2,
    .samples = max_over_samples,
};

hd_tensor *hd_tensor_max_over(hd_tensor *x, int dim, int n, bool keep_dims) {
    return reduce(&hd_operator_max_over, x, dim, n, keep_dims, false);
}
