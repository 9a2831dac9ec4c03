// SPDX-License-Identifier: Apache-2.0
//
// Rows by index: `embedding` of a table (V, D), `gather` of anything along its first dimension. The
// gradient adds rows up. Where it is a weight's gradient and no other operator's, only the rows
// that were asked for are written, and weight->rows names them: the optimiser need look at no
// others, and the next run clears no others.
#include <string.h>

#include "base/mem.h"
#include "kernel/embed.h"
#include "kernel/kernels.h"
#include "kernel/optim.h"
#include "tensor/ops.h"
#include "tensor/own.h"

enum { TABLE, INDEX };

typedef struct table_attrs { // of the gradient: the table's shape
    int n_dims;
    size_t shape[HD_MAX_DIMS];
} table_attrs;

static size_t row_length(const hd_tensor *table) {
    size_t d = 1;
    for (int i = 1; i < table->n_dims; i++) d *= table->shape[i];
    return d;
}

static heed_err gather_shape(hd_node *node) {
    const hd_tensor *table = node->in[TABLE], *index = node->in[INDEX];
    HD_TRY(hd_in_is(node, TABLE, HD_F32, -1));
    HD_TRY(hd_in_is(node, INDEX, HD_I32, -1));
    int n = index->n_dims + table->n_dims - 1;
    if (table->n_dims < 1 || n > HD_MAX_DIMS) {
        return HD_FAIL(HEED_INPUT,
                       "rows of the shape %s can't be taken by an index of the shape %s",
                       "无法用形状为 %2$s 的索引从形状为 %1$s 的张量中取行",
                       hd_tensor_shape(table).text, hd_tensor_shape(index).text);
    }
    size_t shape[HD_MAX_DIMS];
    for (int i = 0; i < n; i++)
        shape[i] = i < index->n_dims ? index->shape[i] : table->shape[i - index->n_dims + 1];
    return hd_out_set(node, 0, HD_F32, n, shape);
}

static heed_err embedding_shape(hd_node *node) {
    HD_TRY(hd_in_is(node, TABLE, HD_F32, 2));
    return gather_shape(node);
}

static heed_err gather_forward(const hd_node *node, const hd_run *run) {
    const hd_tensor *table = node->in[TABLE];
    return hd_embed_lookup(run->pool, node->in[INDEX]->count, row_length(table), table->shape[0],
                           table->data, node->in[INDEX]->data, node->out[0]->data);
}

static void gather_reference(const hd_node *node, const double *const *in, double *const *out) {
    size_t d = row_length(node->in[TABLE]);
    for (size_t i = 0; i < node->out[0]->count; i++)
        out[0][i] = in[TABLE][(size_t)in[INDEX][i / d] * d + i % d];
}

// ── Gradient: upstream (…, D) and index (…) to the table's shape ──

static heed_err grad_shape(hd_node *node) {
    const table_attrs *attrs = node->attrs;
    return hd_out_set(node, 0, HD_F32, attrs->n_dims, attrs->shape);
}

static size_t grad_workspace(const hd_node *node, size_t threads) {
    (void)threads;
    return hd_embed_workspace(node->in[INDEX]->count);
}

// weight->rows becomes its union with the sorted rows.
static heed_err add_rows(hd_weight *weight, const hd_embed_sorted *sorted) {
    size_t old = weight->n_rows, most = old + sorted->n_rows;
    if (sorted->n_rows == 0) return HEED_OK;
    HD_TRY(hd_grow(&weight->rows, &weight->rows_cap, most, sizeof *weight->rows));
    uint32_t *rows = weight->rows;
    // Merged from the end, so that nothing is overwritten before it is read.
    size_t i = old, j = sorted->n_rows, at = most;
    while (i > 0 || j > 0) {
        uint32_t b = j > 0 ? (uint32_t)(sorted->keys[sorted->first[j - 1]] >> 32) : 0;
        bool take_new = i == 0 || (j > 0 && b >= rows[i - 1]);
        if (take_new && i > 0 && rows[i - 1] == b) i--; // in both
        rows[--at] = take_new ? b : rows[i - 1];
        if (take_new)
            j--;
        else
            i--;
    }
    memmove(rows, rows + at, (most - at) * sizeof *rows);
    weight->n_rows = most - at;
    return HEED_OK;
}

// Of the rows that are touched.
static double squares_of(const hd_embed_sorted *sorted, size_t d, const float *table) {
    enum { AT_ONCE = 32768 };
    double sum = 0;
    for (size_t i = 0; i < sorted->n_rows; i++) {
        const float *row = table + (sorted->keys[sorted->first[i]] >> 32) * d;
        for (size_t j = 0; j < d; j += AT_ONCE) {
            const size_t n = d - j < AT_ONCE ? d - j : AT_ONCE;
            sum += (double)hd_kernels_get()->optim->squares(n, row + j);
        }
    }
    return sum;
}

static heed_err grad_forward(const hd_node *node, const hd_run *run) {
    const hd_tensor *table = node->out[0];
    hd_weight *weight = hd_out_weight(node, 0);
    hd_embed_sorted sorted;
    size_t d = row_length(table);
    HD_TRY(hd_embed_check(node->in[INDEX]->count, table->shape[0], node->in[INDEX]->data));
    hd_embed_sort(node->in[INDEX]->count, node->in[INDEX]->data, run->workspace, &sorted);
    bool add = run->accumulate & 1;
    if (!add && weight) {
        hd_weight_zero_grad(weight);
        weight->sparse = true;
    } else if (!add && table->count > 0) {
        memset(table->data, 0, table->count * sizeof(float));
    }
    if (weight && weight->sparse) HD_TRY(add_rows(weight, &sorted));
    const bool counted = weight && weight->has_squares;
    if (counted) weight->squares -= squares_of(&sorted, d, table->data);
    HD_TRY(hd_embed_add(run->pool, &sorted, d, node->in[0]->data, table->data));
    if (!counted) return HEED_OK;
    weight->squares += squares_of(&sorted, d, table->data);
    if (weight->squares < 0) weight->squares = 0; // by rounding; what isn't a number stays
    return HEED_OK;
}

static double grad_flops(const hd_node *node) {
    return (double)node->in[0]->count;
}

static const hd_operator operator_embedding_grad = {
    .name = "embedding_grad",
    .n_in = 2,
    .n_out = 1,
    .attrs_size = sizeof(table_attrs),
    .shape = grad_shape,
    .forward = grad_forward,
    .workspace = grad_workspace,
    .flops = grad_flops,
    .accumulates = 1,
    .sparse = true,
};

static heed_err gather_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    const hd_tensor *table = node->in[TABLE];
    table_attrs attrs = {.n_dims = table->n_dims};
    memcpy(attrs.shape, table->shape, sizeof attrs.shape);
    grad_in[TABLE] = hd_operator_apply(table->graph, &operator_embedding_grad, 2,
                                       (hd_tensor *[]){grad_out[0], node->in[INDEX]}, &attrs);
    return HEED_OK;
}

static void embedding_samples(hd_samples *samples) {
    const hd_sample_in in[][2] = {
        {{.kind = HD_SAMPLE_DIFF, .n_dims = 2, .shape = {5, 7}},
         {.kind = HD_SAMPLE_INDEX, .n_dims = 2, .shape = {3, 11}, .high = 5}},
        {{.kind = HD_SAMPLE_DIFF, .n_dims = 2, .shape = {2999, 3}},
         {.kind = HD_SAMPLE_INDEX, .n_dims = 1, .shape = {17}, .high = 2999}},
        {{.kind = HD_SAMPLE_DIFF, .n_dims = 2, .shape = {1, 1}},
         {.kind = HD_SAMPLE_INDEX, .n_dims = 1, .shape = {0}, .high = 1}},
    };
    for (int i = 0; i < 3; i++) hd_sample_add(samples, 2, in[i], NULL, 0);
}

static void gather_samples(hd_samples *samples) {
    const hd_sample_in in[][2] = {
        {{.kind = HD_SAMPLE_DIFF, .n_dims = 3, .shape = {5, 2, 3}},
         {.kind = HD_SAMPLE_INDEX, .n_dims = 1, .shape = {13}, .high = 5}},
        {{.kind = HD_SAMPLE_DIFF, .n_dims = 1, .shape = {9}},
         {.kind = HD_SAMPLE_INDEX, .n_dims = 2, .shape = {2, 3}, .high = 9}},
    };
    for (int i = 0; i < 2; i++) hd_sample_add(samples, 2, in[i], NULL, 0);
}

#define GATHER_OPERATOR(id)                \
    const hd_operator hd_operator_##id = { \
        .name = #id,                       \
        .n_in = 2,                         \
        .n_out = 1,                        \
        .shape = id##_shape,               \
        .forward = gather_forward,         \
        .reference = gather_reference,     \
        .backward = gather_backward,       \
        .samples = id##_samples,           \
    }
GATHER_OPERATOR(embedding);
GATHER_OPERATOR(gather);

hd_tensor *hd_tensor_embedding(hd_tensor *table, hd_tensor *index) {
    return hd_operator_apply(hd_graph_of(table), &hd_operator_embedding, 2,
                             (hd_tensor *[]){table, index}, NULL);
}
hd_tensor *hd_tensor_gather(hd_tensor *x, hd_tensor *index) {
    return hd_operator_apply(hd_graph_of(x), &hd_operator_gather, 2, (hd_tensor *[]){x, index},
                             NULL);
}
