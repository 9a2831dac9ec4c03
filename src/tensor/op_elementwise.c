// SPDX-License-Identifier: Apache-2.0
//
// Elementwise operators: each is an opcode of kernel/vec.h, a builder and a backward made of other
// elementwise operators, so that chains of them fuse, backward ones too. A node that stays alone
// runs as a program of one step.
//
// Binary ones broadcast as NumPy does; their gradients are summed back.
#include <string.h>

#include "tensor/ops.h"
#include "tensor/own.h"

typedef struct vec_attrs {
    float p, q;
} vec_attrs;

// ── Shape ──

static heed_err fail_shapes(const hd_node *node) {
    return HD_FAIL(HEED_INPUT, "the shapes %s and %s don't go together",
                   "形状 %s 与 %s 不能一起运算", hd_tensor_shape(node->in[0]).text,
                   hd_tensor_shape(node->in[1]).text);
}

static heed_err elementwise_shape(hd_node *node) {
    HD_TRY(hd_in_is(node, 0, HD_F32, -1));
    const hd_tensor *a = node->in[0];
    if (node->n_in == 1) return hd_out_like(node, 0, a);
    HD_TRY(hd_in_is(node, 1, HD_F32, -1));
    const hd_tensor *b = node->in[1];
    size_t shape[HD_MAX_DIMS];
    int n = a->n_dims > b->n_dims ? a->n_dims : b->n_dims;
    for (int i = 0; i < n; i++) {
        int ia = a->n_dims - 1 - i, ib = b->n_dims - 1 - i;
        size_t x = ia < 0 ? 1 : a->shape[ia], y = ib < 0 ? 1 : b->shape[ib];
        if (x != y && x != 1 && y != 1) return fail_shapes(node);
        shape[n - 1 - i] = x == 1 ? y : x;
    }
    return hd_out_set(node, 0, HD_F32, n, shape);
}

// ── Forward ──

// The stretch [from, end) of out's dimensions that `in` varies over, others being stretched; false:
// it isn't one stretch.
static bool one_stretch(const hd_tensor *in, const hd_tensor *out, int *from, int *end) {
    int lead = out->n_dims - in->n_dims;
    *from = out->n_dims;
    *end = 0;
    for (int i = 0; i < out->n_dims; i++) {
        bool varies = i >= lead && in->shape[i - lead] != 1;
        if (!varies) continue;
        if (i < *from) *from = i;
        *end = i + 1;
    }
    for (int i = *from; i < *end; i++)
        if (in->shape[i - lead] == 1 && out->shape[i] != 1) return false;
    return true;
}

static size_t product(const hd_tensor *t, int from, int end) {
    size_t n = 1;
    for (int i = from; i < end; i++) n *= t->shape[i];
    return n;
}

void hd_vec_in_of(const hd_tensor *in, const hd_tensor *out, hd_vec_in *vec) {
    *vec = (hd_vec_in){.mode = HD_VEC_STRIDED, .period = 1, .n_dims = out->n_dims};
    memcpy(vec->shape, out->shape, sizeof vec->shape);
    int lead = out->n_dims - in->n_dims, from, end;
    size_t step = 1;
    for (int i = out->n_dims; i-- > lead;) {
        vec->stride[i] = in->shape[i - lead] == 1 ? 0 : step;
        step *= in->shape[i - lead];
    }
    if (in->count == out->count) {
        vec->mode = HD_VEC_WHOLE;
    } else if (in->count == 1) {
        vec->mode = HD_VEC_SCALAR;
    } else if (one_stretch(in, out, &from, &end)) {
        size_t inner = product(out, end, out->n_dims), outer = product(out, 0, from);
        if (inner == 1) {
            vec->mode = HD_VEC_ROW;
            vec->period = in->count;
        } else if (outer == 1) {
            vec->mode = HD_VEC_COLUMN;
            vec->period = inner;
        }
    }
}

heed_err hd_elementwise_forward(const hd_node *node, const hd_run *run) {
    const hd_vec_program program = {
        .n_in = node->n_in,
        .n_out = 1,
        .n_steps = 1,
        .out_type = {node->out[0]->dtype},
        .step = {{.op = (uint8_t)node->op->vec,
                  .a = 0,
                  .b = (uint8_t)(node->n_in - 1),
                  .out = (uint8_t)node->n_in,
                  .arg = node->op->vec_arg(node, run)}},
    };
    hd_vec_in in[2];
    for (int i = 0; i < node->n_in; i++) {
        hd_vec_in_of(node->in[i], node->out[0], &in[i]);
        in[i].data = node->in[i]->data;
        in[i].type = node->in[i]->dtype;
    }
    return hd_vec_run(run->pool, &program, node->out[0]->count, in, &node->out[0]->data);
}

static hd_vec_arg plain_arg(const hd_node *node, const hd_run *run) {
    (void)run;
    const vec_attrs *attrs = node->attrs;
    return (hd_vec_arg){.p = attrs->p, .q = attrs->q};
}

static hd_vec_arg dropout_arg(const hd_node *node, const hd_run *run) {
    const vec_attrs *attrs = node->attrs;
    const uint64_t odd = UINT64_C(0x9E3779B97F4A7C15); // spreads steps over streams
    return (hd_vec_arg){.p = attrs->p,
                        .seed = run ? run->seed : node->out[0]->graph->opts.seed,
                        .stream = node->id + (run ? run->step : 0) * odd};
}

// ── Reference ──

static void elementwise_reference(const hd_node *node, const double *const *in,
                                  double *const *out) {
    const hd_tensor *y = node->out[0];
    const hd_vec_arg arg = node->op->vec_arg(node, NULL);
    hd_vec_in vec[2];
    for (int i = 0; i < node->n_in; i++) hd_vec_in_of(node->in[i], y, &vec[i]);
    for (size_t at = 0; at < y->count; at++) {
        double value[2] = {0, 0};
        for (int i = 0; i < node->n_in; i++) {
            size_t from = 0, left = at;
            for (int d = y->n_dims; d-- > 0; left /= y->shape[d])
                from += left % y->shape[d] * vec[i].stride[d];
            value[i] = in[i][from];
        }
        out[0][at] = hd_vec_reference(node->op->vec, value[0], value[1], &arg, at);
    }
}

static double elementwise_flops(const hd_node *node) {
    return (double)node->out[0]->count;
}

// ── Gradients of which only the forward exists ──

// reads: inputs that may be kept as bf16. Not the y of y(1 − y) and 1 − y²: little is left of what
// 1 − y says when y near 1 has been rounded.
#define GRADIENT(id, opcode, reads)            \
    static const hd_operator operator_##id = { \
        .name = #id,                           \
        .n_in = 2,                             \
        .n_out = 1,                            \
        .attrs_size = sizeof(vec_attrs),       \
        .shape = elementwise_shape,            \
        .forward = hd_elementwise_forward,     \
        .reference = elementwise_reference,    \
        .flops = elementwise_flops,            \
        .in_place = 3,                         \
        .reads_bf16 = (reads),                 \
        .writes_bf16 = 1,                      \
        .vec = HD_VEC_##opcode,                \
        .vec_arg = plain_arg,                  \
    }
GRADIENT(above, ABOVE, 3);
GRADIENT(mul_by, MULP, 3);
GRADIENT(sqrt_grad, SQRT_GRAD, 3);
GRADIENT(abs_grad, ABS_GRAD, 3);
GRADIENT(pow_grad, POW_GRAD, 3);
GRADIENT(clamp_grad, CLAMP_GRAD, 3);
GRADIENT(relu_grad, RELU_GRAD, 3);
GRADIENT(leaky_relu_grad, LEAKY_RELU_GRAD, 3);
GRADIENT(gelu_grad, GELU_GRAD, 3);
GRADIENT(gelu_tanh_grad, GELU_TANH_GRAD, 3);
GRADIENT(silu_grad, SILU_GRAD, 3);
GRADIENT(sigmoid_grad, SIGMOID_GRAD, 2);
GRADIENT(tanh_grad, TANH_GRAD, 2);
GRADIENT(softplus_grad, SOFTPLUS_GRAD, 3);

static hd_tensor *apply2(const hd_operator *op, hd_tensor *a, hd_tensor *b, float p, float q) {
    if (!a || !b) return NULL;
    return hd_operator_apply(a->graph, op, 2, (hd_tensor *[]){a, b}, &(vec_attrs){p, q});
}
static hd_tensor *apply1(const hd_operator *op, hd_tensor *a, float p, float q) {
    return hd_operator_apply(hd_graph_of(a), op, 1, &a, &(vec_attrs){p, q});
}

// ── Backwards ──

// grad_in[i] = grad, summed back to the input's shape; only where it is wanted.
#define WANTED(i) (node->in[i]->needs_grad)
#define GIVE(i, grad) (grad_in[i] = hd_grad_reduce((grad), node->in[i]))

typedef hd_tensor *const *grads;

static heed_err add_backward(hd_node *node, grads d, hd_tensor **grad_in) {
    for (int i = 0; i < 2; i++)
        if (WANTED(i)) GIVE(i, d[0]);
    return HEED_OK;
}

static heed_err sub_backward(hd_node *node, grads d, hd_tensor **grad_in) {
    if (WANTED(0)) GIVE(0, d[0]);
    if (WANTED(1)) GIVE(1, hd_tensor_neg(d[0]));
    return HEED_OK;
}

static heed_err mul_backward(hd_node *node, grads d, hd_tensor **grad_in) {
    for (int i = 0; i < 2; i++)
        if (WANTED(i)) GIVE(i, hd_tensor_mul(d[0], node->in[1 - i]));
    return HEED_OK;
}

static heed_err div_backward(hd_node *node, grads d, hd_tensor **grad_in) {
    hd_tensor *over = hd_tensor_div(d[0], node->in[1]); // d / b
    if (WANTED(0)) GIVE(0, over);
    if (WANTED(1)) { // −(d / b)·(a / b)
        hd_tensor *ratio = hd_tensor_div(node->in[0], node->in[1]);
        GIVE(1, apply2(&operator_mul_by, over, ratio, -1, 0));
    }
    return HEED_OK;
}

static heed_err max_backward(hd_node *node, grads d, hd_tensor **grad_in) {
    for (int i = 0; i < 2; i++) {
        hd_tensor *share = apply2(&operator_above, node->in[i], node->in[1 - i], 0, 0);
        if (WANTED(i)) GIVE(i, hd_tensor_mul(share, d[0]));
    }
    return HEED_OK;
}

static heed_err min_backward(hd_node *node, grads d, hd_tensor **grad_in) {
    for (int i = 0; i < 2; i++) {
        hd_tensor *share = apply2(&operator_above, node->in[1 - i], node->in[i], 0, 0);
        if (WANTED(i)) GIVE(i, hd_tensor_mul(share, d[0]));
    }
    return HEED_OK;
}

static heed_err scale_backward(hd_node *node, grads d, hd_tensor **grad_in) {
    grad_in[0] = hd_tensor_scale(d[0], ((const vec_attrs *)node->attrs)->p);
    return HEED_OK;
}
static heed_err shift_backward(hd_node *node, grads d, hd_tensor **grad_in) {
    (void)node;
    grad_in[0] = d[0];
    return HEED_OK;
}
static heed_err exp_backward(hd_node *node, grads d, hd_tensor **grad_in) {
    grad_in[0] = hd_tensor_mul(node->out[0], d[0]);
    return HEED_OK;
}
static heed_err log_backward(hd_node *node, grads d, hd_tensor **grad_in) {
    grad_in[0] = hd_tensor_div(d[0], node->in[0]);
    return HEED_OK;
}
static heed_err square_backward(hd_node *node, grads d, hd_tensor **grad_in) {
    grad_in[0] = apply2(&operator_mul_by, node->in[0], d[0], 2, 0);
    return HEED_OK;
}
static heed_err huber_backward(hd_node *node, grads d, hd_tensor **grad_in) {
    float delta = ((const vec_attrs *)node->attrs)->p;
    grad_in[0] = hd_tensor_mul(hd_tensor_clamp(node->in[0], -delta, delta), d[0]);
    return HEED_OK;
}
static heed_err bce_backward(hd_node *node, grads d, hd_tensor **grad_in) {
    hd_tensor *x = node->in[0], *y = node->in[1];
    if (WANTED(0)) GIVE(0, hd_tensor_mul(hd_tensor_sub(hd_tensor_sigmoid(x), y), d[0]));
    if (WANTED(1)) GIVE(1, apply2(&operator_mul_by, x, d[0], -1, 0));
    return HEED_OK;
}

// Those whose gradient is an opcode of the input (or of the result) and of d.
#define OPCODE_BACKWARD(id, of)                                                     \
    static heed_err id##_backward(hd_node *node, grads d, hd_tensor **grad_in) {    \
        const vec_attrs *attrs = node->attrs;                                       \
        grad_in[0] = apply2(&operator_##id##_grad, (of), d[0], attrs->p, attrs->q); \
        return HEED_OK;                                                             \
    }
OPCODE_BACKWARD(sqrt, node->out[0])
OPCODE_BACKWARD(abs, node->in[0])
OPCODE_BACKWARD(pow, node->in[0])
OPCODE_BACKWARD(clamp, node->in[0])
OPCODE_BACKWARD(relu, node->out[0])
OPCODE_BACKWARD(leaky_relu, node->in[0])
OPCODE_BACKWARD(gelu, node->in[0])
OPCODE_BACKWARD(gelu_tanh, node->in[0])
OPCODE_BACKWARD(silu, node->in[0])
OPCODE_BACKWARD(sigmoid, node->out[0])
OPCODE_BACKWARD(tanh, node->out[0])
OPCODE_BACKWARD(softplus, node->in[0])

// The mask is drawn again rather than kept: the same id and step give the same numbers.
static heed_err dropout_backward(hd_node *node, grads d, hd_tensor **grad_in) {
    hd_tensor *grad = apply1(node->op, d[0], ((const vec_attrs *)node->attrs)->p, 0);
    if (grad && grad->node) grad->node->id = node->id;
    grad_in[0] = grad;
    return HEED_OK;
}

// ── Samples ──

#define DIFF(...) \
    { .kind = HD_SAMPLE_DIFF, __VA_ARGS__ }

static void sample_unary(hd_samples *samples, double low, double high, float p, float q) {
    const hd_sample_in in[] = {
        DIFF(.n_dims = 2, .shape = {3, 37}, .low = low, .high = high),
        DIFF(.n_dims = 0, .low = low, .high = high),
        DIFF(.n_dims = 3, .shape = {2, 0, 5}),
    };
    for (int i = 0; i < 3; i++) hd_sample_add(samples, 1, &in[i], &(vec_attrs){p, q}, 0);
}

static void sample_binary(hd_samples *samples, double low, double high) {
    const hd_sample_in in[][2] = {
        {DIFF(.n_dims = 2, .shape = {5, 7}, .low = low, .high = high),
         DIFF(.n_dims = 2, .shape = {5, 7}, .low = low, .high = high)},
        {DIFF(.n_dims = 3, .shape = {2, 3, 17}, .low = low, .high = high),
         DIFF(.n_dims = 1, .shape = {17}, .low = low, .high = high)},
        {DIFF(.n_dims = 0, .low = low, .high = high),
         DIFF(.n_dims = 2, .shape = {3, 5}, .low = low, .high = high)},
        {DIFF(.n_dims = 3, .shape = {2, 3, 5}, .low = low, .high = high),
         DIFF(.n_dims = 3, .shape = {2, 3, 1}, .low = low, .high = high)},
        {DIFF(.n_dims = 3, .shape = {2, 1, 5}, .low = low, .high = high),
         DIFF(.n_dims = 3, .shape = {2, 3, 1}, .low = low, .high = high)},
        {DIFF(.n_dims = 2, .shape = {0, 3}), DIFF(.n_dims = 1, .shape = {3})},
    };
    for (int i = 0; i < 6; i++) hd_sample_add(samples, 2, in[i], NULL, 0);
}

#define UNARY_SAMPLES(id, low, high, p, q)              \
    static void id##_samples(hd_samples *samples) {     \
        sample_unary(samples, (low), (high), (p), (q)); \
    }
#define BINARY_SAMPLES(id, low, high)               \
    static void id##_samples(hd_samples *samples) { \
        sample_binary(samples, (low), (high));      \
    }
BINARY_SAMPLES(add, 0, 0)
BINARY_SAMPLES(sub, 0, 0)
BINARY_SAMPLES(mul, 0, 0)
BINARY_SAMPLES(div, 0.5, 2)
BINARY_SAMPLES(min, 0, 0)
BINARY_SAMPLES(max, 0, 0)
BINARY_SAMPLES(bce_logits, 0, 0)
UNARY_SAMPLES(scale, 0, 0, -1.7F, 0)
UNARY_SAMPLES(shift, 0, 0, 0.3F, 0)
UNARY_SAMPLES(exp, -3, 3, 0, 0)
UNARY_SAMPLES(log, 0.1, 4, 0, 0)
UNARY_SAMPLES(sqrt, 0.1, 4, 0, 0)
UNARY_SAMPLES(square, 0, 0, 0, 0)
UNARY_SAMPLES(abs, 0, 0, 0, 0)
UNARY_SAMPLES(pow, 0.2, 2, 1.7F, 0)
UNARY_SAMPLES(clamp, 0, 0, -0.5F, 0.7F)
UNARY_SAMPLES(relu, 0, 0, 0, 0)
UNARY_SAMPLES(leaky_relu, 0, 0, 0.1F, 0)
UNARY_SAMPLES(gelu, -6, 6, 0, 0)
UNARY_SAMPLES(gelu_tanh, -6, 6, 0, 0)
UNARY_SAMPLES(silu, -6, 6, 0, 0)
UNARY_SAMPLES(sigmoid, -6, 6, 0, 0)
UNARY_SAMPLES(tanh, -3, 3, 0, 0)
UNARY_SAMPLES(softplus, -6, 6, 0, 0)
UNARY_SAMPLES(huber, -3, 3, 0.8F, 0)
UNARY_SAMPLES(dropout, 0, 0, 0.4F, 0)

// ── Rows ──

#define OPERATOR(id, opcode, inputs, places, arg) \
    const hd_operator hd_operator_##id = {        \
        .name = #id,                              \
        .n_in = inputs,                           \
        .n_out = 1,                               \
        .attrs_size = sizeof(vec_attrs),          \
        .shape = elementwise_shape,               \
        .forward = hd_elementwise_forward,        \
        .reference = elementwise_reference,       \
        .backward = id##_backward,                \
        .flops = elementwise_flops,               \
        .in_place = (places),                     \
        .reads_bf16 = 3,                          \
        .writes_bf16 = 1,                         \
        .cheap = true,                            \
        .vec = HD_VEC_##opcode,                   \
        .vec_arg = (arg),                         \
        .samples = id##_samples,                  \
    }
OPERATOR(add, ADD, 2, 3, plain_arg);
OPERATOR(sub, SUB, 2, 3, plain_arg);
OPERATOR(mul, MUL, 2, 3, plain_arg);
OPERATOR(div, DIV, 2, 3, plain_arg);
OPERATOR(min, MIN, 2, 3, plain_arg);
OPERATOR(max, MAX, 2, 3, plain_arg);
OPERATOR(scale, SCALE, 1, 1, plain_arg);
OPERATOR(shift, SHIFT, 1, 1, plain_arg);
OPERATOR(exp, EXP, 1, 1, plain_arg);
OPERATOR(log, LOG, 1, 1, plain_arg);
OPERATOR(sqrt, SQRT, 1, 1, plain_arg);
OPERATOR(square, SQUARE, 1, 1, plain_arg);
OPERATOR(abs, ABS, 1, 1, plain_arg);
OPERATOR(pow, POW, 1, 1, plain_arg);
OPERATOR(clamp, CLAMP, 1, 1, plain_arg);
OPERATOR(relu, RELU, 1, 1, plain_arg);
OPERATOR(leaky_relu, LEAKY_RELU, 1, 1, plain_arg);
OPERATOR(gelu, GELU, 1, 1, plain_arg);
OPERATOR(gelu_tanh, GELU_TANH, 1, 1, plain_arg);
OPERATOR(silu, SILU, 1, 1, plain_arg);
OPERATOR(sigmoid, SIGMOID, 1, 1, plain_arg);
OPERATOR(tanh, TANH, 1, 1, plain_arg);
OPERATOR(softplus, SOFTPLUS, 1, 1, plain_arg);
OPERATOR(huber, HUBER, 1, 1, plain_arg);
#define bce_logits_backward bce_backward
OPERATOR(bce_logits, BCE_LOGITS, 2, 3, plain_arg);
OPERATOR(dropout, DROPOUT, 1, 1, dropout_arg);

// ── Builders ──

#define BUILD2(id)                                          \
    hd_tensor *hd_tensor_##id(hd_tensor *a, hd_tensor *b) { \
        return apply2(&hd_operator_##id, a, b, 0, 0);       \
    }
#define BUILD1(id)                                 \
    hd_tensor *hd_tensor_##id(hd_tensor *x) {      \
        return apply1(&hd_operator_##id, x, 0, 0); \
    }
#define BUILD1P(id)                                    \
    hd_tensor *hd_tensor_##id(hd_tensor *x, float p) { \
        return apply1(&hd_operator_##id, x, p, 0);     \
    }
BUILD2(add)
BUILD2(sub)
BUILD2(mul)
BUILD2(div)
BUILD2(min)
BUILD2(max)
BUILD2(bce_logits)
BUILD1(exp)
BUILD1(log)
BUILD1(sqrt)
BUILD1(square)
BUILD1(abs)
BUILD1(relu)
BUILD1(gelu)
BUILD1(gelu_tanh)
BUILD1(silu)
BUILD1(sigmoid)
BUILD1(tanh)
BUILD1(softplus)
BUILD1P(scale)
BUILD1P(shift)
BUILD1P(pow)
BUILD1P(leaky_relu)
BUILD1P(huber)

hd_tensor *hd_tensor_neg(hd_tensor *x) {
    return hd_tensor_scale(x, -1);
}

hd_tensor *hd_tensor_clamp(hd_tensor *x, float low, float high) {
    return apply1(&hd_operator_clamp, x, low, high);
}

hd_tensor *hd_tensor_dropout(hd_tensor *x, float p) {
    hd_graph *graph = hd_graph_of(x);
    if (!graph || graph->failed || !graph->opts.training || p <= 0) return x;
    if (p < 1) return apply1(&hd_operator_dropout, x, p, 0);
    return hd_graph_fail(graph, HD_FAIL(HEED_INPUT, "dropout of %g: the rate must lie below 1",
                                        "丢弃率为 %g：必须小于 1", (double)p));
}

hd_tensor *hd_tensor_act(hd_tensor *x, hd_act act) {
    static hd_tensor *(*const build[HD_ACTS])(hd_tensor *) = {
        [HD_ACT_RELU] = hd_tensor_relu,           [HD_ACT_GELU] = hd_tensor_gelu,
        [HD_ACT_GELU_TANH] = hd_tensor_gelu_tanh, [HD_ACT_SILU] = hd_tensor_silu,
        [HD_ACT_SIGMOID] = hd_tensor_sigmoid,     [HD_ACT_TANH] = hd_tensor_tanh,
    };
    if (act == HD_ACT_LEAKY_RELU) return hd_tensor_leaky_relu(x, 0.01F);
    return act == HD_ACT_NONE ? x : build[act](x);
}

hd_tensor *hd_act_backward(hd_act act, hd_tensor *pre, hd_tensor *y, hd_tensor *d) {
    switch (act) {
    case HD_ACT_NONE:
        return d;
    case HD_ACT_RELU:
        return apply2(&operator_relu_grad, y, d, 0, 0);
    case HD_ACT_LEAKY_RELU:
        return apply2(&operator_leaky_relu_grad, y, d, 0.01F, 0);
    case HD_ACT_GELU:
        return apply2(&operator_gelu_grad, pre, d, 0, 0);
    case HD_ACT_GELU_TANH:
        return apply2(&operator_gelu_tanh_grad, pre, d, 0, 0);
    case HD_ACT_SILU:
        return apply2(&operator_silu_grad, pre, d, 0, 0);
    case HD_ACT_SIGMOID:
        return apply2(&operator_sigmoid_grad, y, d, 0, 0);
    default:
        return apply2(&operator_tanh_grad, y, d, 0, 0);
    }
}

hd_node *hd_act_again(hd_act act, hd_tensor *pre, hd_tensor *y) {
    static const hd_operator *const ops[HD_ACTS] = {
        [HD_ACT_GELU] = &hd_operator_gelu,
        [HD_ACT_GELU_TANH] = &hd_operator_gelu_tanh,
        [HD_ACT_SILU] = &hd_operator_silu,
    };
    if (!ops[act]) return NULL;
    hd_node *node = hd_node_new(y->graph, ops[act], 1, &pre, NULL);
    if (!node) return NULL;
    hd_tensor *t = node->out[0];
    t->dtype = y->dtype;
    t->n_dims = y->n_dims;
    t->count = y->count;
    memcpy(t->shape, y->shape, sizeof t->shape);
    node->scope = y->node->scope;
    y->plan->twin = t;
    return node;
}
