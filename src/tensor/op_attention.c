// SPDX-License-Identifier: Apache-2.0
//
// Attention over kernel/attention.h. Queries, keys and values come in one packed tensor, as one
// projection makes them, or apart; their gradients go back the same way, so that nothing is ever
// permuted. Kept for the backward: the output, and the logarithm of each row's sum.
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "kernel/attention.h"
#include "kernel/vec.h"
#include "tensor/ops.h"
#include "tensor/own.h"

enum { Q, K, V, LENGTHS, DISTANCE, BY_TIME, Q_TIME, K_TIME, INPUTS };
enum { OUT, LSE };
enum { GRAD_OUT = INPUTS, GRAD_LSE, UPSTREAM, GRAD_INPUTS }; // more inputs of the gradient

typedef struct attention_attrs {
    size_t heads, kv_heads, first;
    float scale;
    bool causal;
    unsigned octave_bits;
    float dropout;
} attention_attrs;

// Sizes, strides and options; the pointers where they stand already.
static hd_attention describe(const hd_node *node) {
    const attention_attrs *attrs = node->attrs;
    const hd_tensor *q = node->in[Q], *k = node->in[K], *v = node->in[V];
    hd_attention a = {.batch = q->shape[0],
                      .queries = q->shape[1],
                      .keys = k ? k->shape[1] : q->shape[1],
                      .heads = attrs->heads,
                      .kv_heads = attrs->kv_heads,
                      .scale = attrs->scale,
                      .causal = attrs->causal,
                      .first = attrs->first,
                      .octave_bits = attrs->octave_bits,
                      .dropout = attrs->dropout,
                      .seed = q->graph->opts.seed,
                      .stream = node->id,
                      .precision = q->graph->opts.precision};
    a.head_dim = q->shape[2] / (k ? a.heads : a.heads + 2 * a.kv_heads);
    a.buckets = node->in[BY_TIME] ? node->in[BY_TIME]->shape[1] : 0;
    a.q_row = q->shape[2];
    a.k_row = k ? k->shape[2] : a.q_row;
    a.v_row = v ? v->shape[2] : a.k_row;
    a.q_batch = a.queries * a.q_row;
    a.k_batch = a.keys * a.k_row;
    a.v_batch = a.keys * a.v_row;
    a.lengths = hd_in_i32(node, LENGTHS);
    a.by_distance = hd_in_f32(node, DISTANCE);
    a.by_time = hd_in_f32(node, BY_TIME);
    a.q_time = hd_in_i32(node, Q_TIME);
    a.k_time = node->in[K_TIME] ? hd_in_i32(node, K_TIME) : a.q_time;
    return a;
}

// Where queries, keys and values begin: three tensors, two (keys and values packed), or one.
// t: they, or their gradients.
typedef struct places {
    void *at[3];
    hd_dtype type[3];
} places;
static places place(const hd_node *node, const hd_attention *a, hd_tensor *const t[3]) {
    const size_t kv = a->kv_heads * a->head_dim;
    const int of_k = node->in[K] ? 1 : 0, of_v = node->in[V] ? 2 : of_k;
    const size_t k = of_k ? 0 : a->heads * a->head_dim, v = of_v == 2 ? 0 : k + kv;
    places p = {.type = {t[0]->dtype, t[of_k]->dtype, t[of_v]->dtype}};
    p.at[0] = t[0]->data;
    p.at[1] = (char *)t[of_k]->data + k * hd_dtype_size(p.type[1]);
    p.at[2] = (char *)t[of_v]->data + v * hd_dtype_size(p.type[2]);
    return p;
}

static hd_attention describe_all(const hd_node *node, const hd_run *run) {
    const uint64_t odd = UINT64_C(0x9E3779B97F4A7C15); // spreads steps over streams
    hd_attention a = describe(node);
    a.seed = run->seed;
    a.stream += run->step * odd;
    const places p = place(node, &a, node->in);
    a.q = p.at[0], a.q_type = p.type[0];
    a.k = p.at[1], a.k_type = p.type[1];
    a.v = p.at[2], a.v_type = p.type[2];
    return a;
}

// ── Shapes ──

static heed_err heads_check(const attention_attrs *attrs, const hd_tensor *q, bool packed) {
    const size_t parts = packed ? attrs->heads + 2 * attrs->kv_heads : attrs->heads;
    if (attrs->heads == 0 || attrs->kv_heads == 0 || attrs->heads % attrs->kv_heads != 0) {
        return HD_FAIL(HEED_INPUT, "%zu heads can't share %zu heads of keys",
                       "%zu 个注意力头无法平分 %zu 个键头", attrs->heads, attrs->kv_heads);
    }
    if (q->shape[2] % parts != 0 || q->shape[2] == 0) {
        return HD_FAIL(HEED_INPUT, "the shape %s can't be cut into %zu heads",
                       "形状 %s 无法切分为 %zu 个头", hd_tensor_shape(q).text, parts);
    }
    return HEED_OK;
}

static heed_err one_shape(const hd_node *node, int i, hd_dtype dtype, int n, const size_t *want) {
    const hd_tensor *t = node->in[i];
    if (!t) return HEED_OK;
    HD_TRY(hd_in_is(node, i, dtype, n));
    if (memcmp(t->shape, want, (size_t)n * sizeof *want) == 0) return HEED_OK;
    hd_tensor wanted = {.n_dims = n};
    memcpy(wanted.shape, want, (size_t)n * sizeof *want);
    return HD_FAIL(HEED_INPUT, "input %d has the shape %s, %s is needed",
                   "第 %d 个输入的形状为 %s，需要 %s", i, hd_tensor_shape(t).text,
                   hd_tensor_shape(&wanted).text);
}

static heed_err biases_check(const hd_node *node, const hd_attention *a) {
    const hd_tensor *by_time = node->in[BY_TIME];
    const size_t apart = a->queries + a->keys > 0 ? a->queries + a->keys - 1 : 0;
    HD_TRY(one_shape(node, LENGTHS, HD_I32, 1, &a->batch));
    HD_TRY(one_shape(node, DISTANCE, HD_F32, 2, (size_t[]){a->heads, apart}));
    if (!by_time) return HEED_OK;
    HD_TRY(hd_in_is(node, BY_TIME, HD_F32, 2));
    if (!node->in[Q_TIME] || by_time->shape[0] != a->heads || by_time->shape[1] == 0) {
        return HD_FAIL(HEED_INPUT,
                       "a bias by time needs times and the shape (%zu, buckets), not %s",
                       "按时间的偏置需要时间输入，形状应为 (%zu, 桶数)，而不是 %s", a->heads,
                       hd_tensor_shape(by_time).text);
    }
    HD_TRY(one_shape(node, Q_TIME, HD_I32, 2, (size_t[]){a->batch, a->queries}));
    if (!node->in[K_TIME] && a->keys != a->queries) {
        return HD_FAIL(HEED_INPUT, "the times of the keys are missing", "缺少键的时间输入");
    }
    return one_shape(node, K_TIME, HD_I32, 2, (size_t[]){a->batch, a->keys});
}

static heed_err attention_shape(hd_node *node) {
    const attention_attrs *attrs = node->attrs;
    const hd_tensor *q = node->in[Q], *k = node->in[K], *v = node->in[V];
    HD_TRY(hd_in_is(node, Q, HD_F32, 3));
    HD_TRY(heads_check(attrs, q, !k));
    const hd_attention a = describe(node);
    if (k) {
        const size_t wide = a.kv_heads * a.head_dim * (v ? 1 : 2);
        HD_TRY(hd_in_is(node, K, HD_F32, 3));
        HD_TRY(one_shape(node, K, HD_F32, 3, (size_t[]){a.batch, a.keys, wide}));
        HD_TRY(one_shape(node, V, HD_F32, 3, (size_t[]){a.batch, a.keys, wide}));
    }
    HD_TRY(biases_check(node, &a));
    HD_TRY(hd_out_set(node, OUT, HD_F32, 3, (size_t[]){a.batch, a.queries, a.heads * a.head_dim}));
    return hd_out_set(node, LSE, HD_F32, 3, (size_t[]){a.batch, a.heads, a.queries});
}

// ── Forward ──

static size_t attention_workspace(const hd_node *node, size_t threads) {
    const hd_attention a = describe(node);
    return hd_attention_workspace(&a, threads);
}

static heed_err attention_forward(const hd_node *node, const hd_run *run) {
    hd_attention a = describe_all(node, run);
    a.out_type = node->out[OUT]->dtype;
    return hd_attention_forward(run->pool, &a, node->out[OUT]->data, hd_out_f32(node, LSE),
                                run->workspace);
}

static double attention_flops(const hd_node *node) {
    const hd_attention a = describe(node);
    return 4 * (double)(a.batch * a.heads * a.head_dim) * (double)a.queries * (double)a.keys /
           (a.causal ? 2 : 1);
}

// ── Reference ──

typedef struct scores {
    const hd_attention *a;
    const double *q, *k; // of this head
    const double *const *in;
    size_t b, h, t;
} scores;

static double score(const scores *s, size_t key) {
    const hd_attention *a = s->a;
    double sum = 0;
    for (size_t j = 0; j < a->head_dim; j++) sum += s->q[j] * s->k[key * a->k_row + j];
    sum *= a->scale != 0 ? (double)a->scale : 1 / sqrt((double)a->head_dim);
    if (s->in[DISTANCE]) {
        const size_t line = a->queries + a->keys - 1;
        sum += s->in[DISTANCE][s->h * line + key + a->queries - 1 - s->t];
    }
    if (!s->in[BY_TIME]) return sum;
    const double *times = s->in[K_TIME] ? s->in[K_TIME] : s->in[Q_TIME];
    return sum +
           s->in[BY_TIME][s->h * a->buckets +
                          hd_attention_bucket((int32_t)s->in[Q_TIME][s->b * a->queries + s->t],
                                              (int32_t)times[s->b * a->keys + key], a->octave_bits,
                                              a->buckets)];
}

static double reference_drop(const scores *s, size_t key, double p) {
    const hd_vec_arg arg = {.p = s->a->dropout, .seed = s->a->seed, .stream = s->a->stream};
    return hd_vec_reference(HD_VEC_DROPOUT, p, 0, &arg,
                            hd_attention_place(s->a, s->b, s->h, s->t, key));
}

static double reference_row(const scores *s, const double *v, double *out) {
    const hd_attention *a = s->a;
    size_t n = a->keys;
    if (s->in[LENGTHS]) n = (size_t)fmin(fmax(s->in[LENGTHS][s->b], 0), (double)n);
    if (a->causal && n > a->first + s->t + 1) n = a->first + s->t + 1;
    double most = -INFINITY, sum = 0;
    for (size_t key = 0; key < n; key++) most = fmax(most, score(s, key));
    for (size_t j = 0; j < a->head_dim; j++) out[j] = 0;
    for (size_t key = 0; key < n; key++) {
        double p = exp(score(s, key) - most);
        sum += p;
        if (a->dropout > 0) p = reference_drop(s, key, p);
        for (size_t j = 0; j < a->head_dim; j++) out[j] += p * v[key * a->v_row + j];
    }
    for (size_t j = 0; j < a->head_dim && n > 0; j++) out[j] /= sum;
    return most + log(sum);
}

static void attention_reference(const hd_node *node, const double *const *in, double *const *out) {
    const hd_attention a = describe(node);
    const size_t d = a.head_dim;
    const double *k = in[K] ? in[K] : in[Q] + a.heads * d;
    const double *v = in[V] ? in[V] : k + a.kv_heads * d;
    for (size_t b = 0; b < a.batch; b++) {
        for (size_t h = 0; h < a.heads; h++) {
            const size_t kv = h / (a.heads / a.kv_heads);
            for (size_t t = 0; t < a.queries; t++) {
                const scores s = {&a,
                                  in[Q] + b * a.q_batch + t * a.q_row + h * d,
                                  k + b * a.k_batch + kv * d,
                                  in,
                                  b,
                                  h,
                                  t};
                out[LSE][(b * a.heads + h) * a.queries + t] =
                    reference_row(&s, v + b * a.v_batch + kv * d,
                                  out[OUT] + ((b * a.queries + t) * a.heads + h) * d);
            }
        }
    }
}

// ── Gradient: outputs as the first five inputs but the lengths; what is absent has no values ──

static const int wanted[] = {Q, K, V, DISTANCE, BY_TIME};

static heed_err grad_shape(hd_node *node) {
    for (int i = 0; i < 5; i++) {
        const hd_tensor *t = node->in[wanted[i]];
        HD_TRY(t ? hd_out_like(node, i, t) : hd_out_set(node, i, HD_F32, 1, (size_t[]){0}));
    }
    return HEED_OK;
}

static size_t grad_workspace(const hd_node *node, size_t threads) {
    static const float here;
    hd_attention a = describe(node);
    a.by_distance = node->in[DISTANCE] ? &here : NULL;
    a.by_time = node->in[BY_TIME] ? &here : NULL;
    return hd_attention_backward_workspace(&a, threads);
}

static heed_err grad_forward(const hd_node *node, const hd_run *run) {
    hd_attention a = describe_all(node, run);
    a.out_type = node->in[GRAD_OUT]->dtype;
    const places p = place(node, &a, node->out);
    const hd_attention_grads g = {.out = node->in[GRAD_OUT]->data,
                                  .lse = hd_in_f32(node, GRAD_LSE),
                                  .d_out = node->in[UPSTREAM]->data,
                                  .d_out_type = node->in[UPSTREAM]->dtype,
                                  .dq = p.at[0],
                                  .dq_type = p.type[0],
                                  .dk = p.at[1],
                                  .dk_type = p.type[1],
                                  .dv = p.at[2],
                                  .dv_type = p.type[2],
                                  .d_by_distance = node->in[DISTANCE] ? hd_out_f32(node, 3) : NULL,
                                  .d_by_time = node->in[BY_TIME] ? hd_out_f32(node, 4) : NULL};
    return hd_attention_backward(run->pool, &a, &g, run->workspace);
}

static double grad_flops(const hd_node *node) {
    return 2.5 * attention_flops(node);
}

#define OPTIONAL                                                                         \
    (1U << K | 1U << V | 1U << LENGTHS | 1U << DISTANCE | 1U << BY_TIME | 1U << Q_TIME | \
     1U << K_TIME)

static const hd_operator operator_attention_grad = {
    .name = "attention_grad",
    .n_in = GRAD_INPUTS,
    .n_out = 5,
    .attrs_size = sizeof(attention_attrs),
    .optional = OPTIONAL,
    .shape = grad_shape,
    .forward = grad_forward,
    .workspace = grad_workspace,
    .flops = grad_flops,
    .reads_bf16 = 1U << Q | 1U << K | 1U << V | 1U << GRAD_OUT | 1U << UPSTREAM,
    .writes_bf16 = 7,
};

static heed_err attention_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    hd_tensor *in[GRAD_INPUTS];
    memcpy(in, node->in, INPUTS * sizeof *in);
    in[GRAD_OUT] = node->out[OUT];
    in[GRAD_LSE] = node->out[LSE];
    in[UPSTREAM] = grad_out[OUT];
    hd_tensor *grad =
        hd_operator_apply(in[Q]->graph, &operator_attention_grad, GRAD_INPUTS, in, node->attrs);
    if (grad->node) grad->node->id = node->id; // the same numbers are drawn
    for (int i = 0; i < 5; i++)
        if (node->in[wanted[i]]) grad_in[wanted[i]] = hd_tensor_output(grad, i);
    return HEED_OK;
}

// ── Samples ──

static hd_sample_in floats(size_t a, size_t b, size_t c) {
    return (hd_sample_in){.kind = HD_SAMPLE_DIFF, .n_dims = 3, .shape = {a, b, c}};
}

static void attention_samples(hd_samples *samples) {
    const hd_sample_in lengths = {.kind = HD_SAMPLE_INDEX, .n_dims = 1, .shape = {3}, .high = 6};
    const hd_sample_in by_time = {.kind = HD_SAMPLE_DIFF, .n_dims = 2, .shape = {4, 7}};
    const hd_sample_in apart = {.kind = HD_SAMPLE_DIFF, .n_dims = 2, .shape = {2, 9}};
    const hd_sample_in times = {
        .kind = HD_SAMPLE_INDEX, .n_dims = 2, .shape = {3, 5}, .low = -90, .high = 90};
    const attention_attrs one = {.heads = 1, .kv_heads = 1};
    hd_sample_add(samples, INPUTS, (hd_sample_in[INPUTS]){floats(1, 1, 3)}, &one, 0);
    hd_sample_add(samples, INPUTS, (hd_sample_in[INPUTS]){floats(0, 4, 3)}, &one, 0);
    hd_sample_add(samples, INPUTS, (hd_sample_in[INPUTS]){floats(2, 5, 18)},
                  &(attention_attrs){.heads = 2, .kv_heads = 2, .causal = true}, 4e-6);
    hd_sample_add(samples, INPUTS,
                  (hd_sample_in[INPUTS]){
                      floats(3, 5, 24), [LENGTHS] = lengths, [BY_TIME] = by_time, [Q_TIME] = times},
                  &(attention_attrs){.heads = 4, .kv_heads = 2, .octave_bits = 1}, 4e-6);
    hd_sample_add(samples, INPUTS,
                  (hd_sample_in[INPUTS]){floats(2, 3, 8), floats(2, 7, 8), [DISTANCE] = apart},
                  &(attention_attrs){.heads = 2, .kv_heads = 1, .scale = 0.7F}, 4e-6);
    hd_sample_add(samples, INPUTS,
                  (hd_sample_in[INPUTS]){floats(2, 3, 10), floats(2, 7, 10),
                                         floats(2, 7, 10), [DISTANCE] = apart},
                  &(attention_attrs){2, 2, .first = 4, .causal = true}, 4e-6);
    hd_sample_add(samples, INPUTS, (hd_sample_in[INPUTS]){floats(2, 7, 12)},
                  &(attention_attrs){.heads = 2, .kv_heads = 1, .causal = true, .dropout = 0.4F},
                  4e-6);
    hd_sample_add(samples, INPUTS, (hd_sample_in[INPUTS]){floats(1, 2, 6), floats(1, 150, 6)},
                  &(attention_attrs){.heads = 2, .kv_heads = 1, .dropout = 0.3F}, 4e-6);
}

const hd_operator hd_operator_attention = {
    .name = "attention",
    .n_in = INPUTS,
    .n_out = 2,
    .attrs_size = sizeof(attention_attrs),
    .optional = OPTIONAL,
    .shape = attention_shape,
    .forward = attention_forward,
    .reference = attention_reference,
    .backward = attention_backward,
    .workspace = attention_workspace,
    .flops = attention_flops,
    .no_grad = 1U << LSE,
    .reads_bf16 = 1U << Q | 1U << K | 1U << V,
    .repeats = true,
    .writes_bf16 = 1U << OUT,
    .samples = attention_samples,
};

hd_tensor *hd_tensor_attention(hd_tensor *q, hd_tensor *k, hd_tensor *v,
                               const hd_attention_opts *opts) {
    const attention_attrs attrs = {.heads = opts->heads,
                                   .kv_heads = opts->kv_heads ? opts->kv_heads : opts->heads,
                                   .first = opts->first,
                                   .scale = opts->scale,
                                   .causal = opts->causal,
                                   .octave_bits = opts->octave_bits > 3 ? 3 : opts->octave_bits,
                                   .dropout = q && q->graph->opts.training ? opts->dropout : 0};
    hd_tensor *const in[INPUTS] = {
        q, k, v, opts->lengths, opts->by_distance, opts->by_time, opts->q_time, opts->k_time};
    return hd_operator_apply(hd_graph_of(q), &hd_operator_attention, INPUTS, in, &attrs);
}
