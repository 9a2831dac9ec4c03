// SPDX-License-Identifier: Apache-2.0
//
// Products of matrices, over kernel/gemm.h: `matmul` with transposes and leading dimensions, and
// `linear`, whose bias, residual and activation are done while the result is in the cache. All
// their gradients are products again.
#include <string.h>

#include "tensor/ops.h"
#include "tensor/own.h"

// ── matmul ──

typedef struct matmul_attrs {
    bool transpose_a, transpose_b;
} matmul_attrs;

typedef struct sizes {
    size_t m, n, k, batch, a_batch, b_batch; // batch strides, 0: the same matrix for all
} sizes;

static size_t leading(const hd_tensor *t) {
    size_t n = 1;
    for (int i = 0; i < t->n_dims - 2; i++) n *= t->shape[i];
    return n;
}

static sizes matmul_sizes(const hd_node *node) {
    const matmul_attrs *attrs = node->attrs;
    const hd_tensor *a = node->in[0], *b = node->in[1];
    const size_t *as = a->shape + a->n_dims - 2, *bs = b->shape + b->n_dims - 2;
    sizes s = {.m = as[attrs->transpose_a],
               .k = as[!attrs->transpose_a],
               .n = bs[!attrs->transpose_b],
               .batch = 1};
    if (b->n_dims == 2 && !attrs->transpose_a) { // all rows at once
        s.m *= leading(a);
        return s;
    }
    s.batch = a->n_dims > 2 ? leading(a) : leading(b);
    s.a_batch = a->n_dims > 2 ? as[0] * as[1] : 0;
    s.b_batch = b->n_dims > 2 ? bs[0] * bs[1] : 0;
    return s;
}

static heed_err fail_product(const hd_node *node, const char *what_en, const char *what_zh) {
    return HD_FAIL(HEED_INPUT, "%1$s: the shapes are %3$s and %4$s%2$.0s",
                   "%2$s：形状为 %3$s 和 %4$s%1$.0s", what_en, what_zh,
                   hd_tensor_shape(node->in[0]).text, hd_tensor_shape(node->in[1]).text);
}

static heed_err matmul_shape(hd_node *node) {
    const matmul_attrs *attrs = node->attrs;
    const hd_tensor *a = node->in[0], *b = node->in[1];
    HD_TRY(hd_in_is(node, 0, HD_F32, -1));
    HD_TRY(hd_in_is(node, 1, HD_F32, -1));
    if (a->n_dims < 2 || b->n_dims < 2)
        return fail_product(node, "a matrix is needed on both sides", "两侧都必须是矩阵");
    const hd_tensor *lead = a->n_dims > 2 ? a : b;
    size_t shape[HD_MAX_DIMS];
    memcpy(shape, lead->shape, sizeof shape);
    bool same = a->n_dims == 2 || b->n_dims == 2 || a->n_dims == b->n_dims;
    for (int i = 0; same && a->n_dims > 2 && b->n_dims > 2 && i < a->n_dims - 2; i++)
        same = a->shape[i] == b->shape[i];
    if (!same) return fail_product(node, "the leading dimensions differ", "前导维度不同");
    const size_t *as = a->shape + a->n_dims - 2, *bs = b->shape + b->n_dims - 2;
    if (as[!attrs->transpose_a] != bs[attrs->transpose_b])
        return fail_product(node, "the inner dimensions differ", "内侧维度不同");
    shape[lead->n_dims - 2] = as[attrs->transpose_a];
    shape[lead->n_dims - 1] = bs[!attrs->transpose_b];
    return hd_out_set(node, 0, HD_F32, lead->n_dims, shape);
}

static hd_gemm matmul_gemm(const hd_node *node) {
    const matmul_attrs *attrs = node->attrs;
    sizes s = matmul_sizes(node);
    hd_gemm g = {.m = s.m, .n = s.n, .k = s.k, .batch = s.batch};
    g.a = node->in[0]->data;
    g.a_type = node->in[0]->dtype;
    g.a_row = attrs->transpose_a ? 1 : s.k;
    g.a_col = attrs->transpose_a ? s.m : 1;
    g.a_batch = s.a_batch;
    g.b = node->in[1]->data;
    g.b_type = node->in[1]->dtype;
    g.b_row = attrs->transpose_b ? 1 : s.n;
    g.b_col = attrs->transpose_b ? s.k : 1;
    g.b_batch = s.b_batch;
    g.c = node->out[0]->data;
    g.c_type = node->out[0]->dtype;
    g.c_row = s.n;
    g.c_batch = s.m * s.n;
    g.precision = node->out[0]->graph->opts.precision;
    hd_weight *weight = hd_out_weight(node, 0);
    if (weight) g.squares = &weight->squares;
    return g;
}

static size_t matmul_workspace(const hd_node *node, size_t threads) {
    hd_gemm g = matmul_gemm(node);
    return hd_gemm_workspace(&g, threads);
}

static heed_err matmul_forward(const hd_node *node, const hd_run *run) {
    hd_gemm g = matmul_gemm(node);
    g.accumulate = run->accumulate & 1;
    if (g.accumulate) g.squares = NULL;
    if (node->out[0]->count == 0) return HEED_OK;
    HD_TRY(hd_gemm_run(run->pool, &g, run->workspace));
    if (g.squares) hd_out_weight(node, 0)->has_squares = true;
    return HEED_OK;
}

static double matmul_flops(const hd_node *node) {
    sizes s = matmul_sizes(node);
    return 2 * (double)s.m * (double)s.n * (double)s.k * (double)s.batch;
}

// C[i][j] of one product.
static double dot(const double *a, const double *b, const sizes *s, const matmul_attrs *attrs,
                  size_t i, size_t j) {
    double sum = 0;
    for (size_t p = 0; p < s->k; p++) {
        double x = attrs->transpose_a ? a[p * s->m + i] : a[i * s->k + p];
        double y = attrs->transpose_b ? b[j * s->k + p] : b[p * s->n + j];
        sum += x * y;
    }
    return sum;
}

static void matmul_reference(const hd_node *node, const double *const *in, double *const *out) {
    sizes s = matmul_sizes(node);
    double *to = out[0];
    for (size_t q = 0; q < s.batch; q++)
        for (size_t i = 0; i < s.m; i++)
            for (size_t j = 0; j < s.n; j++)
                *to++ = dot(in[0] + q * s.a_batch, in[1] + q * s.b_batch, &s, node->attrs, i, j);
}

static hd_tensor *rows_of(hd_tensor *t) { // (…, n) as (rows, n)
    if (t->n_dims == 2) return t;
    size_t n = t->n_dims > 0 ? t->shape[t->n_dims - 1] : 1, rows = 1;
    for (int i = 0; i < t->n_dims - 1; i++) rows *= t->shape[i];
    return hd_tensor_reshape(t, 2, (size_t[]){rows, n});
}

static heed_err matmul_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    const matmul_attrs *attrs = node->attrs;
    hd_tensor *a = node->in[0], *b = node->in[1], *d = grad_out[0];
    bool ta = attrs->transpose_a, tb = attrs->transpose_b;
    if (a->needs_grad) {
        hd_tensor *da = ta ? hd_tensor_matmul(b, d, tb, true) : hd_tensor_matmul(d, b, false, !tb);
        grad_in[0] = hd_grad_reduce(da, a);
    }
    if (!b->needs_grad) return HEED_OK;
    if (b->n_dims == 2 && !ta) { // the sum over the leading dimensions is part of the product
        a = rows_of(a);
        d = rows_of(d);
    }
    hd_tensor *db = tb ? hd_tensor_matmul(d, a, true, ta) : hd_tensor_matmul(a, d, !ta, false);
    grad_in[1] = hd_grad_reduce(db, b);
    return HEED_OK;
}

#define DIFF(...) \
    { .kind = HD_SAMPLE_DIFF, __VA_ARGS__ }

static void matmul_samples(hd_samples *samples) {
    const hd_sample_in in[][2] = {
        {DIFF(.n_dims = 2, .shape = {3, 5}), DIFF(.n_dims = 2, .shape = {5, 7})},
        {DIFF(.n_dims = 3, .shape = {2, 3, 5}), DIFF(.n_dims = 3, .shape = {2, 5, 7})},
        {DIFF(.n_dims = 4, .shape = {2, 1, 3, 5}), DIFF(.n_dims = 2, .shape = {5, 1})},
        {DIFF(.n_dims = 2, .shape = {17, 33}), DIFF(.n_dims = 2, .shape = {33, 19})},
    };
    for (int i = 0; i < 4; i++) hd_sample_add(samples, 2, in[i], &(matmul_attrs){false, false}, 0);
    const hd_sample_in t[][2] = {
        {DIFF(.n_dims = 3, .shape = {2, 5, 3}), DIFF(.n_dims = 3, .shape = {2, 5, 7})},
        {DIFF(.n_dims = 3, .shape = {2, 3, 5}), DIFF(.n_dims = 2, .shape = {7, 5})},
        {DIFF(.n_dims = 3, .shape = {2, 5, 3}), DIFF(.n_dims = 2, .shape = {7, 5})},
    };
    hd_sample_add(samples, 2, t[0], &(matmul_attrs){true, false}, 0);
    hd_sample_add(samples, 2, t[1], &(matmul_attrs){false, true}, 0);
    hd_sample_add(samples, 2, t[2], &(matmul_attrs){true, true}, 0);
}

const hd_operator hd_operator_matmul = {
    .name = "matmul",
    .n_in = 2,
    .n_out = 1,
    .attrs_size = sizeof(matmul_attrs),
    .shape = matmul_shape,
    .forward = matmul_forward,
    .reference = matmul_reference,
    .backward = matmul_backward,
    .workspace = matmul_workspace,
    .flops = matmul_flops,
    .accumulates = 1,
    .reads_bf16 = 3,
    .writes_bf16 = 1,
    .repeats = true,
    .samples = matmul_samples,
};

hd_tensor *hd_tensor_matmul(hd_tensor *a, hd_tensor *b, bool transpose_a, bool transpose_b) {
    return hd_operator_apply(hd_graph_of(a), &hd_operator_matmul, 2, (hd_tensor *[]){a, b},
                             &(matmul_attrs){transpose_a, transpose_b});
}

// ── linear ──

enum { X, W, B, RESIDUAL };

typedef struct linear_attrs {
    hd_act act;
} linear_attrs;

static heed_err linear_shape(hd_node *node) {
    for (int i = 0; i < node->n_in; i++)
        if (node->in[i]) HD_TRY(hd_in_is(node, i, HD_F32, -1));
    const hd_tensor *x = node->in[X], *w = node->in[W];
    HD_TRY(hd_in_is(node, W, HD_F32, 2));
    if (x->n_dims < 1 || x->shape[x->n_dims - 1] != w->shape[1]) {
        return HD_FAIL(HEED_INPUT,
                       "rows of %3$zu values are needed, those given have %2$zu: the shape is "
                       "%1$s, the weight's %4$s",
                       "每行需要 %3$zu 个值，而给出的是 %2$zu 个：形状为 %1$s，权重为 %4$s",
                       hd_tensor_shape(x).text, x->n_dims > 0 ? x->shape[x->n_dims - 1] : 1,
                       w->shape[1], hd_tensor_shape(w).text);
    }
    size_t shape[HD_MAX_DIMS];
    memcpy(shape, x->shape, sizeof shape);
    shape[x->n_dims - 1] = w->shape[0];
    bool wants_grad = false;
    for (int i = 0; i < node->n_in; i++) wants_grad |= node->in[i] && node->in[i]->needs_grad;
    const linear_attrs *attrs = node->attrs;
    node->n_out = wants_grad && hd_act_needs_pre(attrs->act) ? 2 : 1;
    for (int i = 0; i < node->n_out; i++) HD_TRY(hd_out_set(node, i, HD_F32, x->n_dims, shape));
    if (node->in[B] && (node->in[B]->n_dims != 1 || node->in[B]->count != w->shape[0])) {
        return HD_FAIL(HEED_INPUT, "the bias has the shape %s, the weight %s",
                       "偏置的形状为 %s，权重为 %s", hd_tensor_shape(node->in[B]).text,
                       hd_tensor_shape(w).text);
    }
    if (node->in[RESIDUAL] && node->in[RESIDUAL]->count != node->out[0]->count) {
        return HD_FAIL(HEED_INPUT, "the residual has the shape %s, the result %s",
                       "残差的形状为 %s，结果为 %s", hd_tensor_shape(node->in[RESIDUAL]).text,
                       hd_tensor_shape(node->out[0]).text);
    }
    return HEED_OK;
}

static hd_gemm linear_gemm(const hd_node *node) {
    const linear_attrs *attrs = node->attrs;
    const hd_tensor *w = node->in[W];
    hd_gemm g = {.n = w->shape[0], .k = w->shape[1], .act = attrs->act};
    g.m = g.n > 0 ? node->out[0]->count / g.n : 0;
    g.a = node->in[X]->data;
    g.a_type = node->in[X]->dtype;
    g.a_row = g.k;
    g.a_col = 1;
    g.b = w->data;
    g.b_type = w->dtype;
    g.b_row = 1;
    g.b_col = g.k;
    g.c = node->out[0]->data;
    g.c_type = node->out[0]->dtype;
    g.c_row = g.n;
    g.bias = hd_in_f32(node, B);
    if (node->in[RESIDUAL]) {
        g.residual = node->in[RESIDUAL]->data;
        g.residual_type = node->in[RESIDUAL]->dtype;
    }
    if (node->n_out > 1) {
        g.pre = node->out[1]->data;
        g.pre_type = node->out[1]->dtype;
    }
    g.precision = node->out[0]->graph->opts.precision;
    return g;
}

static size_t linear_workspace(const hd_node *node, size_t threads) {
    hd_gemm g = linear_gemm(node);
    return hd_gemm_workspace(&g, threads);
}

static heed_err linear_forward(const hd_node *node, const hd_run *run) {
    hd_gemm g = linear_gemm(node);
    if (node->out[0]->count == 0) return HEED_OK;
    return hd_gemm_run(run->pool, &g, run->workspace);
}

static double linear_flops(const hd_node *node) {
    return 2 * (double)node->out[0]->count * (double)node->in[W]->shape[1];
}

static double act_reference(hd_act act, double x) {
    static const hd_vec_op ops[HD_ACTS] = {
        [HD_ACT_NONE] = HD_VEC_NONE,
        [HD_ACT_RELU] = HD_VEC_RELU,
        [HD_ACT_LEAKY_RELU] = HD_VEC_LEAKY_RELU,
        [HD_ACT_GELU] = HD_VEC_GELU,
        [HD_ACT_GELU_TANH] = HD_VEC_GELU_TANH,
        [HD_ACT_SILU] = HD_VEC_SILU,
        [HD_ACT_SIGMOID] = HD_VEC_SIGMOID,
        [HD_ACT_TANH] = HD_VEC_TANH,
    };
    return hd_vec_reference(ops[act], x, 0, &(hd_vec_arg){.p = 0.01F}, 0);
}

static void linear_reference(const hd_node *node, const double *const *in, double *const *out) {
    const linear_attrs *attrs = node->attrs;
    const size_t n = node->in[W]->shape[0], k = node->in[W]->shape[1];
    for (size_t at = 0; at < node->out[0]->count; at++) {
        const double *x = in[X] + at / n * k, *w = in[W] + at % n * k;
        double sum = in[B] ? in[B][at % n] : 0;
        for (size_t p = 0; p < k; p++) sum += x[p] * w[p];
        if (in[RESIDUAL]) sum += in[RESIDUAL][at];
        out[0][at] = act_reference(attrs->act, sum);
        if (node->n_out > 1) out[1][at] = sum;
    }
}

static heed_err linear_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    const linear_attrs *attrs = node->attrs;
    hd_tensor *x = node->in[X], *w = node->in[W], *b = node->in[B], *r = node->in[RESIDUAL];
    hd_tensor *pre = node->n_out > 1 ? node->out[1] : NULL;
    hd_tensor *d = hd_act_backward(attrs->act, pre, node->out[0], grad_out[0]);
    if (r && r->needs_grad) grad_in[RESIDUAL] = d;
    if (b && b->needs_grad) grad_in[B] = hd_grad_reduce(d, b);
    if (w->needs_grad) grad_in[W] = hd_tensor_matmul(rows_of(d), rows_of(x), true, false);
    if (x->needs_grad) grad_in[X] = hd_tensor_matmul(d, w, false, false);
    if (x->needs_grad && x->n_dims == 1) // (matmul takes matrices)
        grad_in[X] = hd_tensor_reshape(grad_in[X], x->n_dims, x->shape);
    return HEED_OK;
}

// The result is act of what is kept for act's gradient.
static hd_node *linear_remake(hd_node *node) {
    if (node->n_out < 2 || !node->out[1]->plan->held) return NULL;
    return hd_act_again(((const linear_attrs *)node->attrs)->act, node->out[1], node->out[0]);
}

static void linear_samples(hd_samples *samples) {
    for (int act = 0; act < HD_ACTS; act++) {
        const hd_sample_in in[] = {
            DIFF(.n_dims = 3, .shape = {2, 3, 11}),
            DIFF(.n_dims = 2, .shape = {7, 11}),
            DIFF(.n_dims = 1, .shape = {7}),
            {.kind = act % 2 ? HD_SAMPLE_DIFF : HD_SAMPLE_NONE, .n_dims = 3, .shape = {2, 3, 7}}};
        hd_sample_add(samples, 4, in, &(linear_attrs){(hd_act)act}, 0);
    }
    const hd_sample_in odd[][4] = {
        {DIFF(.n_dims = 2, .shape = {1, 1}), DIFF(.n_dims = 2, .shape = {1, 1}), {0}, {0}},
        {DIFF(.n_dims = 2, .shape = {0, 3}), DIFF(.n_dims = 2, .shape = {5, 3}), {0}, {0}},
        {DIFF(.n_dims = 2, .shape = {37, 65}), DIFF(.n_dims = 2, .shape = {53, 65}), {0}, {0}},
    };
    for (int i = 0; i < 3; i++) hd_sample_add(samples, 4, odd[i], &(linear_attrs){HD_ACT_NONE}, 0);
}

const hd_operator hd_operator_linear = {
    .name = "linear",
    .n_in = 4,
    .n_out = 2, // the result; what act was taken of, where act's gradient needs it
    .attrs_size = sizeof(linear_attrs),
    .optional = 1U << B | 1U << RESIDUAL,
    .shape = linear_shape,
    .forward = linear_forward,
    .reference = linear_reference,
    .backward = linear_backward,
    .workspace = linear_workspace,
    .flops = linear_flops,
    .in_place = 1U << RESIDUAL,
    .no_grad = 2,
    .reads_bf16 = 1U << X | 1U << RESIDUAL,
    .writes_bf16 = 3,
    .repeats = true,
    .remake = linear_remake,
    .samples = linear_samples,
};

hd_tensor *hd_tensor_linear(hd_tensor *x, hd_tensor *w, hd_tensor *b, hd_tensor *residual,
                            hd_act act) {
    return hd_operator_apply(hd_graph_of(x), &hd_operator_linear, 4,
                             (hd_tensor *[]){x, w, b, residual}, &(linear_attrs){act});
}

bool hd_tensor_linear_parts(const hd_tensor *t, hd_tensor **x, hd_tensor **w, hd_tensor **b) {
    const hd_node *node = t->node;
    if (!node || node->op != &hd_operator_linear || node->out[0] != t || node->in[RESIDUAL] ||
        ((const linear_attrs *)node->attrs)->act != HD_ACT_NONE) {
        return false;
    }
    *x = node->in[X];
    *w = node->in[W];
    *b = node->in[B];
    return true;
}
