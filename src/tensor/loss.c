// SPDX-License-Identifier: Apache-2.0
//
// Rows of cross-entropy (loss.h has the formula). The sum of exponentials is known when a row comes
// here, so a loss is a few values and a gradient one pass.
#include "tensor/loss.h"

#include <math.h>
#include <string.h>

#include "kernel/kernels.h"

heed_err hd_loss_shape(const hd_loss_attrs *attrs, const hd_tensor *rows, const hd_tensor *labels,
                       const hd_tensor *weights, size_t v) {
    bool fits = rows->n_dims == labels->n_dims + 1;
    for (int i = 0; fits && i < labels->n_dims; i++) fits = rows->shape[i] == labels->shape[i];
    if (!fits) {
        return HD_FAIL(HEED_INPUT,
                       "the rows have the shape %s, the labels %s: one label a row is needed",
                       "行的形状为 %s，标签为 %s：每行需要一个标签", hd_tensor_shape(rows).text,
                       hd_tensor_shape(labels).text);
    }
    if (weights && (weights->n_dims != 1 || weights->count != v || weights->dtype != HD_F32)) {
        return HD_FAIL(HEED_INPUT, "there are %zu classes, but weights of the shape %s",
                       "共有 %zu 个类别，而类别权重的形状为 %s", v, hd_tensor_shape(weights).text);
    }
    if (!(attrs->smoothing >= 0 && attrs->smoothing <= 1)) {
        return HD_FAIL(HEED_INPUT, "a label smoothing of %g doesn't lie in 0 to 1",
                       "标签平滑 %g 不在 0 到 1 之间", (double)attrs->smoothing);
    }
    return HEED_OK;
}

hd_loss hd_loss_of(const hd_loss_attrs *attrs, const hd_tensor *labels, const hd_tensor *weights,
                   size_t v) {
    const hd_kernels *kernels = hd_kernels_get();
    hd_loss loss = {.attrs = *attrs,
                    .softmax = kernels->softmax,
                    .vec = kernels->vec,
                    .w = weights ? weights->data : NULL,
                    .labels = labels->data,
                    .n = labels->count,
                    .v = v};
    loss.all = loss.w ? loss.vec->sum(v, loss.w) : (float)v;
    return loss;
}

static bool counts(const hd_loss *loss, size_t row) {
    return !loss->attrs.ignore || loss->labels[row] != loss->attrs.ignored;
}
static float weight_of(const hd_loss *loss, size_t row) {
    return loss->w ? loss->w[loss->labels[row]] : 1;
}

heed_err hd_loss_check(const hd_loss *loss) {
    for (size_t i = 0; i < loss->n; i++) {
        if (!counts(loss, i)) continue;
        if (loss->labels[i] >= 0 && (size_t)loss->labels[i] < loss->v) continue;
        return HD_FAIL(HEED_INPUT, "label %d of row %zu is out of range: there are %zu classes",
                       "第 %2$zu 行的标签 %1$d 超出范围：共有 %3$zu 个类别", loss->labels[i], i,
                       loss->v);
    }
    return HEED_OK;
}

float hd_loss_scale(const hd_loss *loss) {
    if (loss->attrs.reduction != HD_REDUCE_MEAN) return 1;
    double total = 0;
    for (size_t i = 0; i < loss->n; i++)
        if (counts(loss, i)) total += (double)weight_of(loss, i);
    return total > 0 ? (float)(1 / total) : 0;
}

float hd_loss_row(const hd_loss *loss, size_t row, const float *x, float lse) {
    if (!counts(loss, row)) return 0;
    float s = loss->attrs.smoothing;
    float value = (1 - s) * weight_of(loss, row) * (lse - x[loss->labels[row]]);
    if (s == 0) return value;
    float v = (float)loss->v;
    if (!loss->w) return value + s * (lse - loss->vec->sum(loss->v, x) / v);
    return value + s / v * (lse * loss->all - loss->vec->dot(loss->v, loss->w, x));
}

void hd_loss_row_grad(const hd_loss *loss, size_t row, const float *x, float lse, float g,
                      float *out) {
    if (!counts(loss, row)) {
        memset(out, 0, loss->v * sizeof *out);
        return;
    }
    float s = loss->attrs.smoothing;
    float label = g * (1 - s) * weight_of(loss, row), share = g * s / (float)loss->v;
    loss->softmax->cross_entropy_grad(loss->v, x, lse, label + share * loss->all, share, loss->w,
                                      out);
    out[loss->labels[row]] -= label;
}

void hd_loss_reference(const hd_loss_attrs *attrs, size_t n, size_t v, const double *x,
                       const double *labels, const double *w, double *const *out) {
    double sum = 0, total = 0, s = (double)attrs->smoothing;
    for (size_t i = 0; i < n; i++, x += v) {
        double most = -INFINITY, exps = 0, loss = 0;
        for (size_t j = 0; j < v; j++) most = fmax(most, x[j]);
        for (size_t j = 0; j < v; j++) exps += exp(x[j] - most);
        double lse = most + log(exps);
        out[1][i] = lse;
        bool ignored = attrs->ignore && labels[i] == (double)attrs->ignored;
        size_t c = ignored ? 0 : (size_t)labels[i];
        for (size_t j = 0; j < v; j++) loss += s / (double)v * (w ? w[j] : 1) * (lse - x[j]);
        loss += (1 - s) * (w ? w[c] : 1) * (lse - x[c]);
        if (ignored) loss = 0;
        if (attrs->reduction == HD_REDUCE_NONE) out[0][i] = loss;
        sum += loss;
        total += ignored ? 0 : w ? w[c] : 1;
    }
    double scale = attrs->reduction != HD_REDUCE_MEAN ? 1 : total > 0 ? 1 / total : 0;
    out[2][0] = scale;
    if (attrs->reduction != HD_REDUCE_NONE) out[0][0] = sum * scale;
}
