// SPDX-License-Identifier: Apache-2.0
//
// Pools and resizing of images (n, h, w, c) over kernel/pooling.h, and changes of their layout,
// which are permutations.
#include <math.h>
#include <string.h>

#include "kernel/pooling.h"
#include "tensor/ops.h"
#include "tensor/own.h"

enum { X, ARG }; // of a backward: dy, arg

typedef struct pool_attrs {
    size_t k[2], stride[2], pad[2];
    size_t out[2]; // adaptive: of the result
    size_t in[2];  // of a backward: of the image
    bool adaptive, count_pad;
} pool_attrs;

static heed_err pool_shape_of(hd_node *node, size_t shape[4]) {
    const pool_attrs *a = node->attrs;
    const hd_tensor *x = node->in[X];
    HD_TRY(hd_in_is(node, X, HD_F32, 4));
    memcpy(shape, x->shape, 4 * sizeof *shape);
    for (int i = 0; i < 2; i++) {
        const size_t in = x->shape[1 + i], k = a->k[i];
        if (a->adaptive) {
            shape[1 + i] = in > 0 ? a->out[i] : 0;
            continue;
        }
        if (k == 0 || a->stride[i] == 0 || a->pad[i] * 2 > k || in + 2 * a->pad[i] < k)
            return HD_FAIL(HEED_INPUT,
                           "windows of (%2$zu, %3$zu) with padding (%4$zu, %5$zu) don't fit into "
                           "images %1$s",
                           "窗口 (%2$zu, %3$zu)（填充 (%4$zu, %5$zu)）放不进图像 %1$s",
                           hd_tensor_shape(x).text, a->k[0], a->k[1], a->pad[0], a->pad[1]);
        shape[1 + i] = (in + 2 * a->pad[i] - k) / a->stride[i] + 1;
    }
    return HEED_OK;
}

static heed_err max_shape(hd_node *node) {
    size_t shape[4];
    HD_TRY(pool_shape_of(node, shape));
    HD_TRY(hd_out_set(node, 0, HD_F32, 4, shape));
    return hd_out_set(node, 1, HD_I32, 4, shape);
}

static heed_err avg_shape(hd_node *node) {
    size_t shape[4];
    HD_TRY(pool_shape_of(node, shape));
    return hd_out_set(node, 0, HD_F32, 4, shape);
}

static hd_pooling pooling_of(const pool_attrs *a, const hd_tensor *x, const hd_tensor *y) {
    return (hd_pooling){.n = x->shape[0],
                        .h = x->shape[1],
                        .w = x->shape[2],
                        .c = x->shape[3],
                        .out_h = y->shape[1],
                        .out_w = y->shape[2],
                        .kh = a->k[0],
                        .kw = a->k[1],
                        .stride_h = a->stride[0],
                        .stride_w = a->stride[1],
                        .pad_h = a->pad[0],
                        .pad_w = a->pad[1],
                        .adaptive = a->adaptive,
                        .count_pad = a->count_pad};
}

static hd_pooling forward_pooling(const hd_node *node) {
    return pooling_of(node->attrs, node->in[X], node->out[0]);
}
static hd_pooling back_pooling(const hd_node *node) {
    return pooling_of(node->attrs, node->out[0], node->in[X]);
}

static size_t forward_workspace(const hd_node *node, size_t threads) {
    (void)threads;
    const hd_pooling p = forward_pooling(node);
    return hd_pooling_workspace(&p);
}
static size_t back_workspace(const hd_node *node, size_t threads) {
    (void)threads;
    const hd_pooling p = back_pooling(node);
    return hd_pooling_workspace(&p);
}

static heed_err max_forward(const hd_node *node, const hd_run *run) {
    const hd_pooling p = forward_pooling(node);
    return hd_max_pool(run->pool, &p, hd_in_f32(node, X), hd_out_f32(node, 0), node->out[1]->data,
                       run->workspace);
}
static heed_err avg_forward(const hd_node *node, const hd_run *run) {
    const hd_pooling p = forward_pooling(node);
    return hd_avg_pool(run->pool, &p, hd_in_f32(node, X), hd_out_f32(node, 0), run->workspace);
}
static heed_err max_back_forward(const hd_node *node, const hd_run *run) {
    const hd_pooling p = back_pooling(node);
    return hd_max_pool_back(run->pool, &p, hd_in_f32(node, X), hd_in_i32(node, ARG),
                            hd_out_f32(node, 0), run->workspace);
}
static heed_err avg_back_forward(const hd_node *node, const hd_run *run) {
    const hd_pooling p = back_pooling(node);
    return hd_avg_pool_back(run->pool, &p, hd_in_f32(node, X), hd_out_f32(node, 0), run->workspace);
}

// The window of value i of y, in an image whose first value of the same channel is returned.
static size_t window_of(const hd_pooling *p, size_t i, hd_window *h, hd_window *w) {
    const size_t q = i / p->c % p->out_w, r = i / p->c / p->out_w % p->out_h;
    const size_t n = i / p->c / p->out_w / p->out_h;
    *h = hd_pooling_window(p->h, p->out_h, p->kh, p->stride_h, p->pad_h, p->adaptive, r);
    *w = hd_pooling_window(p->w, p->out_w, p->kw, p->stride_w, p->pad_w, p->adaptive, q);
    return n * p->h * p->w * p->c + i % p->c;
}

static double share_of(const hd_pooling *p, const hd_window *h, const hd_window *w) {
    const size_t count = p->count_pad ? h->all * w->all : (h->to - h->from) * (w->to - w->from);
    return count > 0 ? 1 / (double)count : 0;
}

static void max_reference(const hd_node *node, const double *const *in, double *const *out) {
    const hd_pooling p = forward_pooling(node);
    for (size_t i = 0; i < node->out[0]->count; i++) {
        hd_window h, w;
        const double *x = in[X] + window_of(&p, i, &h, &w);
        out[0][i] = -INFINITY, out[1][i] = -1;
        for (size_t y = h.from; y < h.to; y++) {
            for (size_t z = w.from; z < w.to; z++) {
                const double v = x[(y * p.w + z) * p.c];
                if (v > out[0][i] || isnan(v) || out[1][i] < 0)
                    out[0][i] = v, out[1][i] = (double)(y * p.w + z);
            }
        }
    }
}

static void avg_reference(const hd_node *node, const double *const *in, double *const *out) {
    const hd_pooling p = forward_pooling(node);
    for (size_t i = 0; i < node->out[0]->count; i++) {
        hd_window h, w;
        const double *x = in[X] + window_of(&p, i, &h, &w);
        out[0][i] = 0;
        for (size_t y = h.from; y < h.to; y++)
            for (size_t z = w.from; z < w.to; z++) out[0][i] += x[(y * p.w + z) * p.c];
        out[0][i] *= share_of(&p, &h, &w);
    }
}

static void max_back_reference(const hd_node *node, const double *const *in, double *const *out) {
    const hd_pooling p = back_pooling(node);
    memset(out[0], 0, node->out[0]->count * sizeof(double));
    for (size_t i = 0; i < node->in[X]->count; i++) {
        hd_window h, w;
        double *x = out[0] + window_of(&p, i, &h, &w);
        for (size_t y = h.from; y < h.to; y++)
            for (size_t z = w.from; z < w.to; z++)
                if (in[ARG][i] == (double)(y * p.w + z)) x[(y * p.w + z) * p.c] += in[X][i];
    }
}

static void avg_back_reference(const hd_node *node, const double *const *in, double *const *out) {
    const hd_pooling p = back_pooling(node);
    memset(out[0], 0, node->out[0]->count * sizeof(double));
    for (size_t i = 0; i < node->in[X]->count; i++) {
        hd_window h, w;
        double *x = out[0] + window_of(&p, i, &h, &w);
        for (size_t y = h.from; y < h.to; y++)
            for (size_t z = w.from; z < w.to; z++)
                x[(y * p.w + z) * p.c] += in[X][i] * share_of(&p, &h, &w);
    }
}

extern const hd_operator hd_operator_max_pool_back, hd_operator_avg_pool_back;

static pool_attrs back_attrs(const hd_node *node) {
    pool_attrs a = *(const pool_attrs *)node->attrs;
    memcpy(a.in, node->in[X]->shape + 1, sizeof a.in);
    return a;
}

static heed_err max_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    const pool_attrs a = back_attrs(node);
    if (!grad_out[0]) return HEED_OK;
    grad_in[X] = hd_operator_apply(node->in[X]->graph, &hd_operator_max_pool_back, 2,
                                   (hd_tensor *[]){grad_out[0], node->out[1]}, &a);
    return HEED_OK;
}

static heed_err avg_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    const pool_attrs a = back_attrs(node);
    grad_in[X] = hd_operator_apply(node->in[X]->graph, &hd_operator_avg_pool_back, 1, grad_out, &a);
    return HEED_OK;
}

static heed_err back_shape(hd_node *node) {
    const pool_attrs *a = node->attrs;
    const hd_tensor *dy = node->in[X];
    return hd_out_set(node, 0, HD_F32, 4,
                      (size_t[]){dy->shape[0], a->in[0], a->in[1], dy->shape[3]});
}

static const pool_attrs samples_attrs[] = {
    {{2, 2}, {2, 2}, {0, 0}, {0, 0}, {0, 0}, false, true},
    {{3, 3}, {2, 2}, {1, 1}, {0, 0}, {0, 0}, false, true},
    {{3, 2}, {1, 2}, {1, 0}, {0, 0}, {0, 0}, false, false},
    {{0, 0}, {0, 0}, {0, 0}, {3, 2}, {0, 0}, true, false},
    {{0, 0}, {0, 0}, {0, 0}, {1, 1}, {0, 0}, true, false},
};
enum { SAMPLES = sizeof samples_attrs / sizeof *samples_attrs };

static void pool_samples(hd_samples *samples) {
    static const size_t shapes[][4] = {{2, 6, 5, 3}, {1, 7, 5, 18}, {3, 4, 4, 1}};
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < SAMPLES; k++) {
            hd_sample_in in = {.kind = HD_SAMPLE_DIFF, .n_dims = 4};
            memcpy(in.shape, shapes[i], sizeof shapes[i]);
            hd_sample_add(samples, 1, &in, &samples_attrs[k], 0);
        }
    }
    const hd_sample_in none = {.kind = HD_SAMPLE_DIFF, .n_dims = 4, .shape = {0, 4, 4, 2}};
    hd_sample_add(samples, 1, &none, &samples_attrs[0], 0);
}

static void back_samples(hd_samples *samples) {
    pool_attrs a = samples_attrs[1];
    a.in[0] = 7, a.in[1] = 5;
    const hd_sample_in in[] = {
        {.kind = HD_SAMPLE_FIXED, .n_dims = 4, .shape = {2, 4, 3, 5}},
        {.kind = HD_SAMPLE_INDEX, .n_dims = 4, .shape = {2, 4, 3, 5}, .low = 0, .high = 35}};
    hd_sample_add(samples, samples->op->n_in, in, &a, 0);
}

static double pool_flops(const hd_node *node) {
    const hd_tensor *x = node->in[X], *y = node->out[0];
    return (double)(x->count > y->count ? x->count : y->count);
}

#define POOL_OPERATOR(id, outs, rule)                  \
    const hd_operator hd_operator_##id##_pool = {      \
        .name = #id "_pool",                           \
        .n_in = 1,                                     \
        .n_out = outs,                                 \
        .attrs_size = sizeof(pool_attrs),              \
        .shape = rule,                                 \
        .forward = id##_forward,                       \
        .reference = id##_reference,                   \
        .backward = id##_backward,                     \
        .workspace = forward_workspace,                \
        .flops = pool_flops,                           \
        .no_grad = 2,                                  \
        .samples = pool_samples,                       \
    };                                                 \
    const hd_operator hd_operator_##id##_pool_back = { \
        .name = #id "_pool_back",                      \
        .n_in = outs,                                  \
        .n_out = 1,                                    \
        .attrs_size = sizeof(pool_attrs),              \
        .shape = back_shape,                           \
        .forward = id##_back_forward,                  \
        .reference = id##_back_reference,              \
        .workspace = back_workspace,                   \
        .flops = pool_flops,                           \
        .samples = back_samples,                       \
    }
POOL_OPERATOR(max, 2, max_shape);
POOL_OPERATOR(avg, 1, avg_shape);

static hd_tensor *pooled(const hd_operator *op, hd_tensor *x, const hd_pool_opts *opts) {
    pool_attrs a = {.count_pad = !opts->skip_pad};
    for (int i = 0; i < 2; i++) {
        a.k[i] = opts->k[i];
        a.stride[i] = opts->stride[i] > 0 ? opts->stride[i] : opts->k[i];
        a.pad[i] = opts->pad[i];
    }
    return hd_operator_apply(hd_graph_of(x), op, 1, &x, &a);
}

hd_tensor *hd_tensor_max_pool(hd_tensor *x, const hd_pool_opts *opts) {
    return pooled(&hd_operator_max_pool, x, opts);
}

hd_tensor *hd_tensor_avg_pool(hd_tensor *x, const hd_pool_opts *opts) {
    return pooled(&hd_operator_avg_pool, x, opts);
}

hd_tensor *hd_tensor_adaptive_pool(hd_tensor *x, size_t out_h, size_t out_w, bool largest) {
    const pool_attrs a = {.out = {out_h, out_w}, .adaptive = true};
    return hd_operator_apply(hd_graph_of(x),
                             largest ? &hd_operator_max_pool : &hd_operator_avg_pool, 1, &x, &a);
}

hd_tensor *hd_tensor_global_pool(hd_tensor *x, bool largest) {
    hd_tensor *y = hd_tensor_adaptive_pool(x, 1, 1, largest);
    if (!y || y->n_dims != 4) return y;
    return hd_tensor_reshape(y, 2, (size_t[]){y->shape[0], y->shape[3]});
}

// ── upsample ──

typedef struct resize_attrs {
    size_t size[2]; // of the result
    bool bilinear;
} resize_attrs;

static hd_resize resize_of(const resize_attrs *a, const hd_tensor *x, const hd_tensor *y) {
    return (hd_resize){.n = x->shape[0],
                       .h = x->shape[1],
                       .w = x->shape[2],
                       .c = x->shape[3],
                       .out_h = y->shape[1],
                       .out_w = y->shape[2],
                       .bilinear = a->bilinear};
}

static heed_err resize_shape(hd_node *node) {
    const resize_attrs *a = node->attrs;
    HD_TRY(hd_in_is(node, X, HD_F32, 4));
    const hd_tensor *x = node->in[X];
    return hd_out_set(node, 0, HD_F32, 4,
                      (size_t[]){x->shape[0], a->size[0], a->size[1], x->shape[3]});
}

static size_t upsample_workspace(const hd_node *node, size_t threads) {
    (void)threads;
    const hd_resize r = resize_of(node->attrs, node->in[X], node->out[0]);
    return hd_resize_workspace(&r);
}
static size_t upsample_back_workspace(const hd_node *node, size_t threads) {
    (void)threads;
    const hd_resize r = resize_of(node->attrs, node->out[0], node->in[X]);
    return hd_resize_workspace(&r);
}

static heed_err upsample_forward(const hd_node *node, const hd_run *run) {
    const hd_resize r = resize_of(node->attrs, node->in[X], node->out[0]);
    return hd_resize_forward(run->pool, &r, hd_in_f32(node, X), hd_out_f32(node, 0),
                             run->workspace);
}
static heed_err upsample_back_forward(const hd_node *node, const hd_run *run) {
    const hd_resize r = resize_of(node->attrs, node->out[0], node->in[X]);
    return hd_resize_back(run->pool, &r, hd_in_f32(node, X), hd_out_f32(node, 0), run->workspace);
}

// Value i of y is Σ over k < 4 of share[k] · x[at[k]].
static void blend_of(const hd_resize *r, size_t i, size_t at[4], double share[4]) {
    const size_t n = i / r->c / r->out_w / r->out_h;
    const hd_blend h = hd_resize_blend(r->h, r->out_h, r->bilinear, i / r->c / r->out_w % r->out_h);
    const hd_blend w = hd_resize_blend(r->w, r->out_w, r->bilinear, i / r->c % r->out_w);
    for (int k = 0; k < 4; k++) {
        at[k] = ((n * r->h + h.at[k / 2]) * r->w + w.at[k % 2]) * r->c + i % r->c;
        share[k] =
            (k / 2 ? (double)h.t : 1 - (double)h.t) * (k % 2 ? (double)w.t : 1 - (double)w.t);
    }
}

static void upsample_reference(const hd_node *node, const double *const *in, double *const *out) {
    const hd_resize r = resize_of(node->attrs, node->in[X], node->out[0]);
    for (size_t i = 0; i < node->out[0]->count; i++) {
        size_t at[4];
        double share[4];
        blend_of(&r, i, at, share);
        out[0][i] = 0;
        for (int k = 0; k < 4; k++)
            if (share[k] != 0) out[0][i] += share[k] * in[X][at[k]];
    }
}

static void upsample_back_reference(const hd_node *node, const double *const *in,
                                    double *const *out) {
    const hd_resize r = resize_of(node->attrs, node->out[0], node->in[X]);
    memset(out[0], 0, node->out[0]->count * sizeof(double));
    for (size_t i = 0; i < node->in[X]->count; i++) {
        size_t at[4];
        double share[4];
        blend_of(&r, i, at, share);
        for (int k = 0; k < 4; k++) out[0][at[k]] += share[k] * in[X][i];
    }
}

extern const hd_operator hd_operator_upsample_back;

static heed_err upsample_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    resize_attrs a = *(const resize_attrs *)node->attrs;
    memcpy(a.size, node->in[X]->shape + 1, sizeof a.size);
    grad_in[X] = hd_operator_apply(node->in[X]->graph, &hd_operator_upsample_back, 1, grad_out, &a);
    return HEED_OK;
}

static void upsample_samples(hd_samples *samples) {
    const hd_sample_in in = {.kind = HD_SAMPLE_DIFF, .n_dims = 4, .shape = {2, 3, 4, 5}};
    const hd_sample_in wide = {.kind = HD_SAMPLE_DIFF, .n_dims = 4, .shape = {1, 2, 1, 18}};
    hd_sample_add(samples, 1, &in, &(resize_attrs){{6, 8}, false}, 0);
    hd_sample_add(samples, 1, &in, &(resize_attrs){{6, 8}, true}, 0);
    hd_sample_add(samples, 1, &in, &(resize_attrs){{7, 5}, false}, 0);
    hd_sample_add(samples, 1, &in, &(resize_attrs){{7, 5}, true}, 0);
    hd_sample_add(samples, 1, &wide, &(resize_attrs){{5, 3}, true}, 0);
}

static void upsample_back_samples(hd_samples *samples) {
    const hd_sample_in in = {.kind = HD_SAMPLE_FIXED, .n_dims = 4, .shape = {2, 5, 6, 3}};
    hd_sample_add(samples, 1, &in, &(resize_attrs){{3, 2}, true}, 0);
}

#define RESIZE_OPERATOR(id)                                                                        \
    .name = #id, .n_in = 1, .n_out = 1, .attrs_size = sizeof(resize_attrs), .shape = resize_shape, \
    .forward = id##_forward, .reference = id##_reference, .workspace = id##_workspace,             \
    .flops = pool_flops, .samples = id##_samples

const hd_operator hd_operator_upsample = {RESIZE_OPERATOR(upsample), .backward = upsample_backward};
const hd_operator hd_operator_upsample_back = {RESIZE_OPERATOR(upsample_back)};

hd_tensor *hd_tensor_upsample(hd_tensor *x, size_t out_h, size_t out_w, bool bilinear) {
    return hd_operator_apply(hd_graph_of(x), &hd_operator_upsample, 1, &x,
                             &(resize_attrs){{out_h, out_w}, bilinear});
}

// ── layouts ──

static hd_tensor *not_images(hd_tensor *x, const char *what) {
    return hd_graph_fail(hd_graph_of(x),
                         HD_FAIL(HEED_INPUT, "%s takes images of four dimensions, not %s",
                                 "%s 需要四维图像，而不是 %s", what, hd_tensor_shape(x).text));
}

hd_tensor *hd_tensor_channels_last(hd_tensor *x) {
    if (x && x->n_dims != 4) return not_images(x, "channels_last");
    return hd_tensor_permute(x, (int[]){0, 2, 3, 1});
}

hd_tensor *hd_tensor_channels_first(hd_tensor *x) {
    if (x && x->n_dims != 4) return not_images(x, "channels_first");
    return hd_tensor_permute(x, (int[]){0, 3, 1, 2});
}

hd_tensor *hd_tensor_pixel_shuffle(hd_tensor *x, size_t by) {
    if (!x) return NULL;
    if (x->n_dims != 4) return not_images(x, "pixel_shuffle");
    const size_t n = x->shape[0], h = x->shape[1], w = x->shape[2], c = x->shape[3];
    if (by == 0 || c % (by * by) != 0)
        return hd_graph_fail(
            hd_graph_of(x),
            HD_FAIL(HEED_INPUT,
                    "pixel_shuffle by %2$zu needs a multiple of %3$zu channels, the "
                    "images are %1$s",
                    "放大 %2$zu 倍的 pixel_shuffle 需要 %3$zu 的倍数个通道，图像为 %1$s",
                    hd_tensor_shape(x).text, by, by * by));
    const size_t left = c / by / by;
    x = hd_tensor_reshape(x, 6, (size_t[]){n, h, w, left, by, by});
    x = hd_tensor_permute(x, (int[]){0, 1, 4, 2, 5, 3});
    return hd_tensor_reshape(x, 4, (size_t[]){n, h * by, w * by, left});
}
