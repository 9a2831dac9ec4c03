// SPDX-License-Identifier: Apache-2.0
//
// Losses of ranking. Sampled softmax: a row's own item against items drawn for the whole batch,
// instead of all there are (Jean et al. 2015; HSTU trains so). Made of products, concatenation and
// the fused cross-entropy; the one operator of its own strikes out drawn items that happen to be
// the row's own. Rows of the item table come by `embedding`, so their gradient stays sparse.
//
// BPR (Rendle et al. 2009): −log σ(better − worse).
#include <math.h>
#include <string.h>

#include "tensor/ops.h"
#include "tensor/own.h"

enum { X, ROWS, COLS, INPUTS };

typedef struct mask_attrs {
    float value; // that goes where the items are equal
} mask_attrs;

static heed_err mask_shape(hd_node *node) {
    const hd_tensor *x = node->in[X], *rows = node->in[ROWS], *cols = node->in[COLS];
    HD_TRY(hd_in_is(node, X, HD_F32, 2));
    HD_TRY(hd_in_is(node, ROWS, HD_I32, 1));
    HD_TRY(hd_in_is(node, COLS, HD_I32, 1));
    if (rows->count != x->shape[0] || cols->count != x->shape[1]) {
        return HD_FAIL(
            HEED_INPUT, "values of the shape %s need an item a row and a column, not %s and %s",
            "形状为 %s 的数值需要每行、每列各一个物品，而不是 %s 和 %s", hd_tensor_shape(x).text,
            hd_tensor_shape(rows).text, hd_tensor_shape(cols).text);
    }
    return hd_out_like(node, 0, x);
}

static heed_err fill_equal(const hd_node *node, float value) {
    const size_t n = node->in[X]->shape[0], m = node->in[X]->shape[1];
    const int32_t *rows = hd_in_i32(node, ROWS), *cols = hd_in_i32(node, COLS);
    const float *x = hd_in_f32(node, X);
    float *out = hd_out_f32(node, 0);
    for (size_t i = 0; i < n; i++, x += m, out += m) {
        for (size_t j = 0; j < m; j++) out[j] = rows[i] == cols[j] ? value : x[j];
    }
    return HEED_OK;
}

static heed_err mask_forward(const hd_node *node, const hd_run *run) {
    (void)run;
    return fill_equal(node, ((const mask_attrs *)node->attrs)->value);
}

static void mask_reference(const hd_node *node, const double *const *in, double *const *out) {
    const size_t m = node->in[X]->shape[1];
    const double value = (double)((const mask_attrs *)node->attrs)->value;
    for (size_t i = 0; i < node->in[X]->count; i++)
        out[0][i] = in[ROWS][i / m] == in[COLS][i % m] ? value : in[X][i];
}

static heed_err mask_grad_forward(const hd_node *node, const hd_run *run) {
    (void)run;
    return fill_equal(node, 0);
}

static const hd_operator operator_mask_equal_grad = {
    .name = "mask_equal_grad",
    .n_in = INPUTS,
    .n_out = 1,
    .shape = mask_shape,
    .forward = mask_grad_forward,
    .in_place = 1U << X,
};

static heed_err mask_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    hd_tensor *const in[] = {grad_out[0], node->in[ROWS], node->in[COLS]};
    grad_in[X] = hd_operator_apply(in[0]->graph, &operator_mask_equal_grad, INPUTS, in, NULL);
    return HEED_OK;
}

static void mask_samples(hd_samples *samples) {
    static const size_t sizes[][2] = {{1, 1}, {5, 7}, {0, 3}, {3, 0}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const size_t n = sizes[i][0], m = sizes[i][1];
        const hd_sample_in in[] = {
            {.kind = HD_SAMPLE_DIFF, .n_dims = 2, .shape = {n, m}},
            {.kind = HD_SAMPLE_INDEX, .n_dims = 1, .shape = {n}, .low = 3, .high = 6},
            {.kind = HD_SAMPLE_INDEX, .n_dims = 1, .shape = {m}, .high = 9}};
        hd_sample_add(samples, INPUTS, in, &(mask_attrs){-3}, 0);
    }
}

const hd_operator hd_operator_mask_equal = {
    .name = "mask_equal",
    .n_in = INPUTS,
    .n_out = 1,
    .attrs_size = sizeof(mask_attrs),
    .shape = mask_shape,
    .forward = mask_forward,
    .reference = mask_reference,
    .backward = mask_backward,
    .in_place = 1U << X,
    .samples = mask_samples,
};

hd_tensor *hd_tensor_mask_equal(hd_tensor *x, hd_tensor *rows, hd_tensor *cols) {
    return hd_operator_apply(hd_graph_of(x), &hd_operator_mask_equal, INPUTS,
                             (hd_tensor *[]){x, rows, cols},
                             &(mask_attrs){-1e30F}); // (its power is 0, and sums stay finite)
}

hd_tensor *hd_tensor_sampled_softmax(hd_tensor *x, hd_tensor *items, hd_tensor *labels,
                                     hd_tensor *drawn, const hd_sampled_opts *opts) {
    hd_tensor *own = hd_tensor_embedding(items, labels),
              *others = hd_tensor_embedding(items, drawn);
    hd_tensor *right = hd_tensor_sum(hd_tensor_mul(x, own), -1, 1, true);
    hd_tensor *wrong = hd_tensor_matmul(x, others, false, true);
    if (opts->scale != 0) {
        right = hd_tensor_scale(right, opts->scale);
        wrong = hd_tensor_scale(wrong, opts->scale);
    }
    if (opts->log_q) wrong = hd_tensor_sub(wrong, opts->log_q);
    if (opts->log_q_own) {
        hd_tensor *q = opts->log_q_own;
        right = hd_tensor_sub(right, hd_tensor_reshape(q, 2, (size_t[]){q->count, 1}));
    }
    wrong = hd_tensor_mask_equal(wrong, labels, drawn);
    hd_tensor *logits = hd_tensor_concat(2, (hd_tensor *[]){right, wrong}, 1);
    hd_tensor *first =
        hd_tensor_sub(hd_tensor_cast(labels, HD_F32), hd_tensor_cast(labels, HD_F32));
    return hd_tensor_cross_entropy(logits, hd_tensor_cast(first, HD_I32),
                                   &(hd_cross_entropy_opts){.reduction = opts->reduction});
}

hd_tensor *hd_tensor_bpr(hd_tensor *better, hd_tensor *worse) {
    return hd_tensor_mean_all(hd_tensor_softplus(hd_tensor_sub(worse, better)));
}
