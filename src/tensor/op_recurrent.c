// SPDX-License-Identifier: Apache-2.0
//
// A recurrent layer in one direction over kernel/recurrent.h: RNN, LSTM or GRU, whole sequences at
// once. The gates of all steps are kept for the backward.
#include <math.h>
#include <string.h>

#include "kernel/recurrent.h"
#include "tensor/ops.h"
#include "tensor/own.h"

enum { X, W_IH, W_HH, B_IH, B_HH, H0, C0, LENGTHS, INPUTS };
enum { Y, H_LAST, C_LAST, GATES, CELLS, OUTPUTS };
enum { GRAD_Y = INPUTS, GRAD_GATES, GRAD_CELLS, D_Y, D_H, D_C, GRAD_INPUTS };

typedef struct recurrent_attrs {
    hd_cell cell;
    hd_act act;
    bool reverse;
} recurrent_attrs;

static hd_recurrent describe(const hd_node *node) {
    const recurrent_attrs *attrs = node->attrs;
    const hd_tensor *x = node->in[X];
    return (hd_recurrent){.cell = attrs->cell,
                          .act = attrs->act,
                          .reverse = attrs->reverse,
                          .precision = x->graph->opts.precision,
                          .batch = x->shape[0],
                          .steps = x->shape[1],
                          .inputs = x->shape[2],
                          .hidden = node->in[W_HH]->shape[1],
                          .lengths = hd_in_i32(node, LENGTHS),
                          .x = hd_in_f32(node, X),
                          .w_ih = hd_in_f32(node, W_IH),
                          .w_hh = hd_in_f32(node, W_HH),
                          .b_ih = hd_in_f32(node, B_IH),
                          .b_hh = hd_in_f32(node, B_HH),
                          .h0 = hd_in_f32(node, H0),
                          .c0 = hd_in_f32(node, C0)};
}

static heed_err one_shape(const hd_node *node, int i, hd_dtype dtype, int n, const size_t *want) {
    const hd_tensor *t = node->in[i];
    if (!t) return HEED_OK;
    HD_TRY(hd_in_is(node, i, dtype, n));
    if (memcmp(t->shape, want, (size_t)n * sizeof *want) == 0) return HEED_OK;
    hd_tensor wanted = {.n_dims = n};
    memcpy(wanted.shape, want, (size_t)n * sizeof *want);
    return HD_FAIL(HEED_INPUT, "input %d has the shape %s, %s is needed beside x %s",
                   "第 %d 个输入的形状为 %s，需要 %s（x 的形状为 %s）", i, hd_tensor_shape(t).text,
                   hd_tensor_shape(&wanted).text, hd_tensor_shape(node->in[X]).text);
}

static heed_err recurrent_shape(hd_node *node) {
    HD_TRY(hd_in_is(node, X, HD_F32, 3));
    HD_TRY(hd_in_is(node, W_IH, HD_F32, 2));
    HD_TRY(hd_in_is(node, W_HH, HD_F32, 2));
    const hd_recurrent r = describe(node);
    const size_t wide = hd_recurrent_gates(r.cell) * r.hidden;
    const size_t states[] = {r.batch, r.hidden}, places[] = {r.batch, r.steps, r.hidden};
    HD_TRY(one_shape(node, W_IH, HD_F32, 2, (size_t[]){wide, r.inputs}));
    HD_TRY(one_shape(node, W_HH, HD_F32, 2, (size_t[]){wide, r.hidden}));
    HD_TRY(one_shape(node, B_IH, HD_F32, 1, &wide));
    HD_TRY(one_shape(node, B_HH, HD_F32, 1, &wide));
    HD_TRY(one_shape(node, H0, HD_F32, 2, states));
    HD_TRY(one_shape(node, C0, HD_F32, 2, states));
    HD_TRY(one_shape(node, LENGTHS, HD_I32, 1, &r.batch));
    const bool lstm = r.cell == HD_CELL_LSTM;
    const size_t none[3] = {0};
    const size_t kept[] = {r.batch, r.steps, hd_recurrent_kept(r.cell) * r.hidden};
    HD_TRY(hd_out_set(node, Y, HD_F32, 3, places));
    HD_TRY(hd_out_set(node, H_LAST, HD_F32, 2, states));
    HD_TRY(hd_out_set(node, C_LAST, HD_F32, 2, lstm ? states : none));
    HD_TRY(hd_out_set(node, GATES, HD_F32, 3, kept));
    return hd_out_set(node, CELLS, HD_F32, 3, lstm ? places : none);
}

static size_t recurrent_workspace(const hd_node *node, size_t threads) {
    const hd_recurrent r = describe(node);
    return hd_recurrent_workspace(&r, threads);
}

static heed_err recurrent_forward(const hd_node *node, const hd_run *run) {
    hd_recurrent r = describe(node);
    r.y = hd_out_f32(node, Y);
    r.h_last = hd_out_f32(node, H_LAST);
    r.c_last = hd_out_f32(node, C_LAST);
    r.gates = hd_out_f32(node, GATES);
    r.c = hd_out_f32(node, CELLS);
    return hd_recurrent_forward(run->pool, &r, run->workspace);
}

static double recurrent_flops(const hd_node *node) {
    const hd_recurrent r = describe(node);
    return 2 * (double)(r.batch * r.steps) * (double)(hd_recurrent_gates(r.cell) * r.hidden) *
           (double)(r.inputs + r.hidden);
}

// ── Reference ──

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

static double act_of(hd_act act, double x) {
    switch (act) {
    case HD_ACT_TANH:
        return tanh(x);
    case HD_ACT_RELU:
        return x < 0 ? 0 : x;
    case HD_ACT_LEAKY_RELU:
        return x < 0 ? 0.01 * x : x;
    case HD_ACT_SIGMOID:
        return sigmoid(x);
    case HD_ACT_SILU:
        return x * sigmoid(x);
    case HD_ACT_GELU:
        return x * erfc(-x / sqrt(2)) / 2;
    case HD_ACT_GELU_TANH:
        return x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))) / 2;
    default:
        return x;
    }
}

static double dot(size_t n, const double *a, const double *b) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

typedef struct step {
    const hd_recurrent *r;
    const double *const *in;
    const double *x, *h_before, *c_before; // the befores NULL: 0
    double *h, *c, *kept;
} step;

static void reference_unit(const step *s, size_t u) {
    const hd_recurrent *r = s->r;
    const size_t n = r->hidden;
    const bool keeps_input =
        r->act == HD_ACT_GELU || r->act == HD_ACT_GELU_TANH || r->act == HD_ACT_SILU;
    const bool cells = r->cell == HD_CELL_LSTM && s->c_before; // (the others have none to read)
    double x[4], h[4], c = cells ? s->c_before[u] : 0;
    for (size_t k = 0; k < hd_recurrent_gates(r->cell); k++) {
        const size_t at = k * n + u;
        x[k] = dot(r->inputs, s->in[W_IH] + at * r->inputs, s->x);
        const double *w = s->in[W_HH] + at * n;
        h[k] = s->h_before ? dot(n, w, s->h_before) : 0 * dot(n, w, w); // (a NaN stays one)
        if (s->in[B_IH]) x[k] += s->in[B_IH][at];
        if (s->in[B_HH]) h[k] += s->in[B_HH][at];
    }
    if (r->cell == HD_CELL_RNN) {
        s->h[u] = act_of(r->act, x[0] + h[0]);
        s->kept[u] = keeps_input ? x[0] + h[0] : s->h[u];
    } else if (r->cell == HD_CELL_LSTM) {
        const double i = sigmoid(x[0] + h[0]), f = sigmoid(x[1] + h[1]), o = sigmoid(x[3] + h[3]);
        const double g = act_of(r->act, x[2] + h[2]);
        s->c[u] = f * c + i * g;
        s->h[u] = o * act_of(r->act, s->c[u]);
        const double kept[] = {i, f, keeps_input ? x[2] + h[2] : g, o};
        for (size_t k = 0; k < 4; k++) s->kept[k * n + u] = kept[k];
    } else {
        const double gate = sigmoid(x[0] + h[0]), z = sigmoid(x[1] + h[1]);
        const double in = x[2] + gate * h[2], out = act_of(r->act, in);
        s->h[u] = (1 - z) * out + (s->h_before ? z * s->h_before[u] : 0);
        const double kept[] = {gate, z, keeps_input ? in : out, h[2]};
        for (size_t k = 0; k < 4; k++) s->kept[k * n + u] = kept[k];
    }
}

static void reference_sequence(const hd_recurrent *r, const double *const *in, size_t b,
                               double *const *out) {
    const size_t n = r->hidden, wide = hd_recurrent_kept(r->cell) * n;
    const size_t length =
        in[LENGTHS] ? (size_t)fmin(fmax(in[LENGTHS][b], 0), (double)r->steps) : r->steps;
    const double *h = in[H0] ? in[H0] + b * n : NULL, *c = in[C0] ? in[C0] + b * n : NULL;
    memset(out[Y] + b * r->steps * n, 0, r->steps * n * sizeof **out);
    if (r->cell == HD_CELL_LSTM)
        memset(out[CELLS] + b * r->steps * n, 0, r->steps * n * sizeof **out);
    for (size_t t = length; t < r->steps; t++) // (as the kernel leaves them: not a number to read)
        for (size_t j = 0; j < wide; j++) out[GATES][(b * r->steps + t) * wide + j] = INFINITY;
    for (size_t i = 0; i < length; i++) {
        const size_t at = b * r->steps + (r->reverse ? length - 1 - i : i);
        const step s = {r,
                        in,
                        in[X] + at * r->inputs,
                        h,
                        c,
                        out[Y] + at * n,
                        out[CELLS] + at * n,
                        out[GATES] + at * wide};
        for (size_t u = 0; u < n; u++) reference_unit(&s, u);
        h = s.h;
        c = r->cell == HD_CELL_LSTM ? s.c : NULL;
    }
    for (size_t u = 0; u < n; u++) out[H_LAST][b * n + u] = h ? h[u] : 0;
    for (size_t u = 0; u < n && r->cell == HD_CELL_LSTM; u++) out[C_LAST][b * n + u] = c ? c[u] : 0;
}

static void recurrent_reference(const hd_node *node, const double *const *in, double *const *out) {
    const hd_recurrent r = describe(node);
    for (size_t b = 0; b < r.batch; b++) reference_sequence(&r, in, b, out);
}

// ── Gradient: one output per input but the lengths; the gates' gradients on the way ──

enum { D_GATES = C0 + 1 };

static heed_err grad_shape(hd_node *node) {
    for (int i = X; i <= C0; i++) {
        const hd_tensor *t = node->in[i];
        HD_TRY(t ? hd_out_like(node, i, t) : hd_out_set(node, i, HD_F32, 1, (size_t[]){0}));
    }
    return hd_out_like(node, D_GATES, node->in[GRAD_GATES]);
}

static size_t grad_workspace(const hd_node *node, size_t threads) {
    const hd_recurrent r = describe(node);
    return hd_recurrent_backward_workspace(&r, threads);
}

static float *out_if(const hd_node *node, int i) {
    return node->in[i] ? hd_out_f32(node, i) : NULL;
}

static heed_err grad_forward(const hd_node *node, const hd_run *run) {
    hd_recurrent r = describe(node);
    r.y = node->in[GRAD_Y]->data;
    r.gates = node->in[GRAD_GATES]->data;
    r.c = node->in[GRAD_CELLS]->data;
    const hd_recurrent_grads g = {.dy = hd_in_f32(node, D_Y),
                                  .dh_last = hd_in_f32(node, D_H),
                                  .dc_last = hd_in_f32(node, D_C),
                                  .dx = out_if(node, X),
                                  .dw_ih = out_if(node, W_IH),
                                  .dw_hh = out_if(node, W_HH),
                                  .db_ih = out_if(node, B_IH),
                                  .db_hh = out_if(node, B_HH),
                                  .dh0 = out_if(node, H0),
                                  .dc0 = out_if(node, C0),
                                  .dgates = hd_out_f32(node, D_GATES)};
    return hd_recurrent_backward(run->pool, &r, &g, run->workspace);
}

static double grad_flops(const hd_node *node) {
    return 2 * recurrent_flops(node);
}

#define OPTIONAL (1U << B_IH | 1U << B_HH | 1U << H0 | 1U << C0 | 1U << LENGTHS)

static const hd_operator operator_recurrent_grad = {
    .name = "recurrent_grad",
    .n_in = GRAD_INPUTS,
    .n_out = D_GATES + 1,
    .attrs_size = sizeof(recurrent_attrs),
    .takes = {[D_GATES] = 1U << GRAD_GATES},
    .optional = OPTIONAL | 1U << D_Y | 1U << D_H | 1U << D_C,
    .shape = grad_shape,
    .forward = grad_forward,
    .workspace = grad_workspace,
    .flops = grad_flops,
};

static heed_err recurrent_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    hd_tensor *in[GRAD_INPUTS];
    memcpy(in, node->in, INPUTS * sizeof *in);
    in[GRAD_Y] = node->out[Y];
    in[GRAD_GATES] = node->out[GATES];
    in[GRAD_CELLS] = node->out[CELLS];
    in[D_Y] = grad_out[Y];
    in[D_H] = grad_out[H_LAST];
    in[D_C] =
        ((const recurrent_attrs *)node->attrs)->cell == HD_CELL_LSTM ? grad_out[C_LAST] : NULL;
    hd_tensor *grad =
        hd_operator_apply(in[X]->graph, &operator_recurrent_grad, GRAD_INPUTS, in, node->attrs);
    for (int i = X; i <= C0; i++)
        if (node->in[i]) grad_in[i] = hd_tensor_output(grad, i);
    return HEED_OK;
}

// ── Samples ──

// All inputs of a layer; full: with biases, first states and lengths.
static void sample(hd_samples *samples, recurrent_attrs attrs, size_t b, size_t t, size_t n,
                   size_t h, bool full) {
    const size_t wide = hd_recurrent_gates(attrs.cell) * h;
    const hd_sample_in bias = {.kind = HD_SAMPLE_DIFF, .n_dims = 1, .shape = {wide}};
    const hd_sample_in first = {.kind = HD_SAMPLE_DIFF, .n_dims = 2, .shape = {b, h}};
    hd_sample_in in[INPUTS] = {
        [X] = {.kind = HD_SAMPLE_DIFF, .n_dims = 3, .shape = {b, t, n}},
        [W_IH] = {.kind = HD_SAMPLE_DIFF, .n_dims = 2, .shape = {wide, n}, .low = -1, .high = 1},
        [W_HH] = {.kind = HD_SAMPLE_DIFF, .n_dims = 2, .shape = {wide, h}, .low = -1, .high = 1}};
    if (full) {
        in[B_IH] = in[B_HH] = bias;
        in[H0] = first;
        if (attrs.cell == HD_CELL_LSTM) in[C0] = first;
        in[LENGTHS] = (hd_sample_in){
            .kind = HD_SAMPLE_INDEX, .n_dims = 1, .shape = {b}, .high = (double)t + 1};
    }
    hd_sample_add(samples, INPUTS, in, &attrs, 5e-6);
}

static void recurrent_samples(hd_samples *samples) {
    for (hd_cell cell = 0; cell < HD_CELLS; cell++) {
        sample(samples, (recurrent_attrs){cell, HD_ACT_TANH, false}, 1, 1, 1, 1, false);
        sample(samples, (recurrent_attrs){cell, HD_ACT_TANH, false}, 0, 2, 3, 2, false);
        sample(samples, (recurrent_attrs){cell, HD_ACT_TANH, true}, 5, 4, 3, 7, true);
        sample(samples, (recurrent_attrs){cell, HD_ACT_GELU, false}, 2, 3, 2, 3, true);
    }
}

const hd_operator hd_operator_recurrent = {
    .name = "recurrent",
    .n_in = INPUTS,
    .n_out = OUTPUTS,
    .attrs_size = sizeof(recurrent_attrs),
    .optional = OPTIONAL,
    .shape = recurrent_shape,
    .forward = recurrent_forward,
    .reference = recurrent_reference,
    .backward = recurrent_backward,
    .workspace = recurrent_workspace,
    .flops = recurrent_flops,
    .no_grad = 1U << GATES | 1U << CELLS,
    .samples = recurrent_samples,
};

hd_tensor *hd_tensor_recurrent(hd_tensor *x, const hd_recurrent_weights *w,
                               const hd_recurrent_opts *opts) {
    hd_tensor *const in[INPUTS] = {x,       w->w_ih, w->w_hh, w->b_ih,
                                   w->b_hh, w->h0,   w->c0,   opts->lengths};
    return hd_operator_apply(hd_graph_of(x), &hd_operator_recurrent, INPUTS, in,
                             &(recurrent_attrs){opts->cell, opts->act, opts->reverse});
}
