// SPDX-License-Identifier: Apache-2.0
//
// Where a value stands in a sequence: rotary positions (Su et al. 2021), which turn pairs of values
// of queries and keys in place; the sinusoids of the first Transformer; and a learned bias of
// attention by distance, in buckets that widen with it (Raffel et al. 2020, T5).
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "kernel/kernels.h"
#include "kernel/attention.h"
#include "tensor/ops.h"
#include "tensor/own.h"

// ── rotary: x (B, T, W), a table (P, 2·half) of cosines and sines, places (B, T) or NULL ──

enum { X, TABLE, PLACES, ROTARY_INPUTS };

typedef struct rotary_attrs {
    size_t heads, d, first;
    bool adjacent, back;
} rotary_attrs;

static heed_err rotary_shape(hd_node *node) {
    const rotary_attrs *attrs = node->attrs;
    const hd_tensor *x = node->in[X], *table = node->in[TABLE], *places = node->in[PLACES];
    HD_TRY(hd_in_is(node, X, HD_F32, 3));
    HD_TRY(hd_in_is(node, TABLE, HD_F32, 2));
    if (attrs->heads * attrs->d > x->shape[2] || table->shape[1] > attrs->d) {
        return HD_FAIL(HEED_INPUT, "%zu heads of %zu values don't fit into the shape %s",
                       "%zu 个各含 %zu 个值的头放不进形状 %s", attrs->heads, attrs->d,
                       hd_tensor_shape(x).text);
    }
    if (!places && attrs->first + x->shape[1] > table->shape[0]) {
        return HD_FAIL(HEED_INPUT, "the sequence ends at place %zu, the table has %zu",
                       "序列结束于位置 %zu，而位置表只有 %zu 个", attrs->first + x->shape[1],
                       table->shape[0]);
    }
    if (places) HD_TRY(hd_in_is(node, PLACES, HD_I32, 2));
    if (places && (places->shape[0] != x->shape[0] || places->shape[1] != x->shape[1])) {
        return HD_FAIL(HEED_INPUT, "places of the shape %s don't fit to values of the shape %s",
                       "位置的形状 %s 与数值的形状 %s 不相符", hd_tensor_shape(places).text,
                       hd_tensor_shape(x).text);
    }
    return hd_out_like(node, 0, x);
}

static size_t place_of(const hd_node *node, size_t token) {
    const rotary_attrs *attrs = node->attrs;
    const int32_t *places = hd_in_i32(node, PLACES);
    return places ? (size_t)places[token] : attrs->first + token % node->in[X]->shape[1];
}

enum { TOKENS = 64 }; // of a chunk

static heed_err rotary_chunk(void *ctx, size_t chunk) {
    const hd_node *node = ctx;
    const rotary_attrs *attrs = node->attrs;
    const hd_tensor *x = node->in[X];
    const size_t width = x->shape[2], tokens = x->shape[0] * x->shape[1];
    const size_t half = node->in[TABLE]->shape[1] / 2, end = (chunk + 1) * TOKENS;
    for (size_t i = chunk * TOKENS; i < end && i < tokens; i++) {
        const float *from = hd_in_f32(node, X) + i * width;
        const float *table = hd_in_f32(node, TABLE) + place_of(node, i) * 2 * half;
        float *to = hd_out_f32(node, 0) + i * width;
        if (to != from) memcpy(to, from, width * sizeof *to);
        hd_kernels_get()->attention->rotate(attrs->heads, attrs->d, half, attrs->adjacent, table,
                                            table + half, attrs->back ? -1 : 1, to);
    }
    return HEED_OK;
}

static heed_err rotary_forward(const hd_node *node, const hd_run *run) {
    const hd_tensor *x = node->in[X];
    const size_t tokens = x->shape[0] * x->shape[1], n = node->in[TABLE]->shape[0];
    const int32_t *places = hd_in_i32(node, PLACES);
    for (size_t i = 0; places && i < tokens; i++) {
        if (places[i] >= 0 && (size_t)places[i] < n) continue;
        return HD_FAIL(HEED_INPUT, "place %d of token %zu is out of range: there are %zu",
                       "第 %2$zu 个词元的位置 %1$d 超出范围：共有 %3$zu 个位置", places[i], i, n);
    }
    return hd_pool_run(run->pool, (tokens + TOKENS - 1) / TOKENS, rotary_chunk,
                       (void *)(uintptr_t)node);
}

static void rotary_reference(const hd_node *node, const double *const *in, double *const *out) {
    const rotary_attrs *attrs = node->attrs;
    const hd_tensor *x = node->in[X];
    const size_t half = node->in[TABLE]->shape[1] / 2;
    memcpy(out[0], in[X], x->count * sizeof **out);
    for (size_t i = 0; i < x->shape[0] * x->shape[1]; i++) {
        const size_t place = in[PLACES] ? (size_t)in[PLACES][i] : attrs->first + i % x->shape[1];
        const double *table = in[TABLE] + place * 2 * half;
        for (size_t h = 0; h < attrs->heads; h++) {
            double *to = out[0] + i * x->shape[2] + h * attrs->d;
            for (size_t j = 0; j < half; j++) {
                double *a = to + (attrs->adjacent ? 2 * j : j),
                       *b = a + (attrs->adjacent ? 1 : half);
                const double sine = attrs->back ? -table[half + j] : table[half + j];
                const double turned = *a * table[j] - *b * sine;
                *b = *a * sine + *b * table[j];
                *a = turned;
            }
        }
    }
}

static heed_err rotary_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    rotary_attrs attrs = *(const rotary_attrs *)node->attrs;
    attrs.back = !attrs.back;
    hd_tensor *const in[] = {grad_out[0], node->in[TABLE], node->in[PLACES]};
    grad_in[X] = hd_operator_apply(in[0]->graph, node->op, ROTARY_INPUTS, in, &attrs);
    return HEED_OK;
}

static void rotary_samples(hd_samples *samples) {
    const hd_sample_in table = {.kind = HD_SAMPLE_FIXED, .n_dims = 2, .shape = {9, 6}};
    const hd_sample_in places = {.kind = HD_SAMPLE_INDEX, .n_dims = 2, .shape = {2, 5}, .high = 9};
    const hd_sample_in x = {.kind = HD_SAMPLE_DIFF, .n_dims = 3, .shape = {2, 5, 21}};
    const hd_sample_in empty = {.kind = HD_SAMPLE_DIFF, .n_dims = 3, .shape = {0, 5, 21}};
    const hd_sample_in none = {0};
    for (int adjacent = 0; adjacent < 2; adjacent++) {
        const rotary_attrs attrs = {.heads = 2, .d = 7, .first = 4, .adjacent = adjacent};
        hd_sample_add(samples, 3, (hd_sample_in[]){x, table, none}, &attrs, 0);
        hd_sample_add(samples, 3, (hd_sample_in[]){x, table, places}, &attrs, 0);
        hd_sample_add(samples, 3, (hd_sample_in[]){empty, table, none}, &attrs, 0);
    }
}

const hd_operator hd_operator_rotary = {
    .name = "rotary",
    .n_in = ROTARY_INPUTS,
    .n_out = 1,
    .attrs_size = sizeof(rotary_attrs),
    .optional = 1U << PLACES,
    .shape = rotary_shape,
    .forward = rotary_forward,
    .reference = rotary_reference,
    .backward = rotary_backward,
    .in_place = 1U << X,
    .samples = rotary_samples,
};

// Angle of pair j at a place: place / base^(2j / width).
static double angle(size_t place, size_t j, size_t width, double base) {
    return (double)place * pow(base, -2 * (double)j / (double)width);
}

hd_tensor *hd_tensor_rotary(hd_tensor *x, const hd_rotary_opts *opts) {
    hd_graph *graph = hd_graph_of(x);
    if (!graph || x->n_dims != 3) return hd_operator_apply(graph, &hd_operator_rotary, 1, &x, NULL);
    const size_t width = opts->rotated ? opts->rotated : opts->head_dim, half = width / 2;
    const size_t n = opts->places ? opts->n_places : opts->first + x->shape[1];
    const double base = opts->base > 0 ? (double)opts->base : 10000;
    float *table = hd_calloc(n * half * 2 + 1, sizeof *table);
    if (!table) return hd_graph_fail(graph, HD_FAIL_MEMORY(n * half * 2 * sizeof *table));
    for (size_t i = 0; i < n * half; i++) {
        float *row = table + i / half * 2 * half;
        row[i % half] = (float)cos(angle(i / half, i % half, width, base));
        row[half + i % half] = (float)sin(angle(i / half, i % half, width, base));
    }
    hd_tensor *const in[] = {x, hd_graph_const(graph, 2, (size_t[]){n, 2 * half}, table),
                             opts->places};
    hd_free(table);
    return hd_operator_apply(graph, &hd_operator_rotary, ROTARY_INPUTS, in,
                             &(rotary_attrs){.heads = opts->heads,
                                             .d = opts->head_dim,
                                             .first = opts->first,
                                             .adjacent = opts->adjacent});
}

hd_tensor *hd_graph_sinusoids(hd_graph *graph, size_t first, size_t n, size_t width) {
    float *table = hd_calloc(n * width + 1, sizeof *table);
    if (!table) return hd_graph_fail(graph, HD_FAIL_MEMORY(n * width * sizeof *table));
    for (size_t i = 0; i < n * width; i++) {
        const double at = angle(first + i / width, i % width / 2, width, 10000);
        table[i] = (float)(i % width % 2 ? cos(at) : sin(at));
    }
    hd_tensor *out = hd_graph_const(graph, 2, (size_t[]){n, width}, table);
    hd_free(table);
    return out;
}

// ── distance_bias: a table (H, buckets) to (H, T + S − 1), by s − t + T − 1 ──

typedef struct distance_attrs {
    size_t queries, keys, first, far;
    bool both;
} distance_attrs;

// T5's bucket: one for each distance in the near half, logarithmic up to `far` in the other; keys
// behind the query have buckets of their own when `both`, else they count as distance 0.
static size_t bucket_of(const distance_attrs *attrs, size_t buckets, size_t i) {
    const ptrdiff_t apart =
        (ptrdiff_t)i - (ptrdiff_t)(attrs->queries - 1) - (ptrdiff_t)attrs->first;
    const size_t n = attrs->both ? buckets / 2 : buckets, near = n / 2;
    const size_t base = attrs->both && apart > 0 ? n : 0;
    const size_t distance = apart <= 0 ? (size_t)-apart : attrs->both ? (size_t)apart : 0;
    if (distance < near || n < 2) return base + (distance < n ? distance : n - 1);
    const double over = log((double)distance / (double)near) /
                        log((double)attrs->far / (double)near) * (double)(n - near);
    const size_t bucket = near + (over > 0 ? (size_t)over : 0);
    return base + (bucket < n ? bucket : n - 1);
}

static size_t distances(const hd_node *node) {
    const distance_attrs *attrs = node->attrs;
    return attrs->queries + attrs->keys - 1;
}

static heed_err distance_shape(hd_node *node) {
    const distance_attrs *attrs = node->attrs;
    HD_TRY(hd_in_is(node, 0, HD_F32, 2));
    const hd_tensor *table = node->in[0];
    if (attrs->queries == 0 || attrs->keys == 0 || table->shape[1] < (attrs->both ? 2 : 1) ||
        attrs->far <= table->shape[1]) {
        return HD_FAIL(HEED_INPUT,
                       "a bias by distance up to %zu needs fewer buckets than that, and tokens: "
                       "the table has the shape %s",
                       "最远距离为 %zu 的偏置需要更少的桶，且序列不能为空：偏置表的形状为 %s",
                       attrs->far, hd_tensor_shape(table).text);
    }
    return hd_out_set(node, 0, HD_F32, 2, (size_t[]){table->shape[0], distances(node)});
}

static heed_err distance_forward(const hd_node *node, const hd_run *run) {
    (void)run;
    const size_t n = distances(node), buckets = node->in[0]->shape[1];
    for (size_t h = 0; h < node->in[0]->shape[0]; h++) {
        for (size_t i = 0; i < n; i++)
            hd_out_f32(node, 0)[h * n + i] =
                hd_in_f32(node, 0)[h * buckets + bucket_of(node->attrs, buckets, i)];
    }
    return HEED_OK;
}

static void distance_reference(const hd_node *node, const double *const *in, double *const *out) {
    const size_t n = distances(node), buckets = node->in[0]->shape[1];
    for (size_t i = 0; i < node->in[0]->shape[0] * n; i++)
        out[0][i] = in[0][i / n * buckets + bucket_of(node->attrs, buckets, i % n)];
}

static heed_err distance_grad_shape(hd_node *node) { // upstream, and the table for its shape
    return hd_out_like(node, 0, node->in[1]);
}

static heed_err distance_grad_forward(const hd_node *node, const hd_run *run) {
    (void)run;
    const size_t n = distances(node), buckets = node->in[1]->shape[1];
    float *out = hd_out_f32(node, 0);
    memset(out, 0, node->out[0]->count * sizeof *out);
    for (size_t i = 0; i < node->in[1]->shape[0] * n; i++)
        out[i / n * buckets + bucket_of(node->attrs, buckets, i % n)] += hd_in_f32(node, 0)[i];
    return HEED_OK;
}

static const hd_operator operator_distance_bias_grad = {
    .name = "distance_bias_grad",
    .n_in = 2,
    .n_out = 1,
    .attrs_size = sizeof(distance_attrs),
    .shape = distance_grad_shape,
    .forward = distance_grad_forward,
};

static heed_err distance_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    hd_tensor *const in[] = {grad_out[0], node->in[0]};
    grad_in[0] = hd_operator_apply(in[0]->graph, &operator_distance_bias_grad, 2, in, node->attrs);
    return HEED_OK;
}

static void distance_samples(hd_samples *samples) {
    const hd_sample_in table = {.kind = HD_SAMPLE_DIFF, .n_dims = 2, .shape = {3, 8}};
    for (int both = 0; both < 2; both++) {
        const distance_attrs attrs = {5, 17, 6, 20, both}, one = {1, 1, 0, 20, both};
        hd_sample_add(samples, 1, &table, &attrs, 0);
        hd_sample_add(samples, 1, &table, &one, 0);
    }
}

const hd_operator hd_operator_distance_bias = {
    .name = "distance_bias",
    .n_in = 1,
    .n_out = 1,
    .attrs_size = sizeof(distance_attrs),
    .shape = distance_shape,
    .forward = distance_forward,
    .reference = distance_reference,
    .backward = distance_backward,
    .samples = distance_samples,
};

hd_tensor *hd_tensor_distance_bias(hd_tensor *table, const hd_distance_opts *opts) {
    return hd_operator_apply(hd_graph_of(table), &hd_operator_distance_bias, 1, &table,
                             &(distance_attrs){.queries = opts->queries,
                                               .keys = opts->keys,
                                               .first = opts->first,
                                               .far = opts->far ? opts->far : 128,
                                               .both = opts->both});
}
