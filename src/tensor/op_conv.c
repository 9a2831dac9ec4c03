// SPDX-License-Identifier: Apache-2.0
//
// Convolutions of images (n, h, w, c) over kernel/conv.h. `conv2d` and `conv_transpose2d` are each
// other's gradient by the image, `conv2d_dw` is the gradient of both by the filters: with them the
// backward of a convolution is three operators that are convolutions too. In one dimension an image
// has one row.
#include <string.h>

#include "kernel/conv.h"
#include "tensor/ops.h"
#include "tensor/own.h"

enum { X, W, B, RESIDUAL }; // conv2d_dw: X, DY
enum { DY = 1 };

typedef struct conv_attrs {
    size_t stride[2], pad[2], dilation[2], groups;
    size_t out[2]; // conv_transpose2d: the size of its result; conv2d_dw: of the filters
    bool relu;
} conv_attrs;

// The convolution a node is about, seen forwards: x is the larger image, y the smaller.
static hd_conv conv_of(const conv_attrs *a, const hd_tensor *x, const hd_tensor *w,
                       const hd_tensor *y) {
    return (hd_conv){.n = x->shape[0],
                     .h = x->shape[1],
                     .w = x->shape[2],
                     .c = x->shape[3],
                     .o = w->shape[0],
                     .kh = w->shape[1],
                     .kw = w->shape[2],
                     .stride_h = a->stride[0],
                     .stride_w = a->stride[1],
                     .pad_h = a->pad[0],
                     .pad_w = a->pad[1],
                     .dilation_h = a->dilation[0],
                     .dilation_w = a->dilation[1],
                     .groups = a->groups,
                     .out_h = y->shape[1],
                     .out_w = y->shape[2],
                     .precision = x->graph->opts.precision,
                     .x_type = x->dtype,
                     .y_type = y->dtype};
}

static heed_err images_check(const hd_node *node, int filters) {
    const conv_attrs *a = node->attrs;
    HD_TRY(hd_in_is(node, X, HD_F32, 4));
    HD_TRY(hd_in_is(node, 1, HD_F32, 4));
    for (int i = 0; i < 2; i++) {
        if (a->stride[i] == 0 || a->dilation[i] == 0 || a->groups == 0)
            return HD_FAIL(HEED_INPUT, "stride, dilation and groups are at least 1",
                           "步幅、膨胀率和分组数至少为 1");
    }
    if (filters < 0) return HEED_OK;
    const hd_tensor *w = node->in[filters];
    if (w->shape[0] % a->groups != 0 || w->count == 0)
        return HD_FAIL(HEED_INPUT, "filters of the shape %s can't be cut into %zu groups",
                       "形状为 %s 的卷积核无法分成 %zu 组", hd_tensor_shape(w).text, a->groups);
    return HEED_OK;
}

static heed_err fail_channels(const hd_node *node, size_t needed) {
    return HD_FAIL(HEED_INPUT,
                   "the filters %2$s need images of %3$zu channels, those given are %1$s",
                   "卷积核 %2$s 需要 %3$zu 个通道的图像，而给出的是 %1$s",
                   hd_tensor_shape(node->in[X]).text, hd_tensor_shape(node->in[W]).text, needed);
}

static heed_err bias_check(const hd_node *node, size_t channels) {
    const hd_tensor *b = node->in[B];
    if (!b) return HEED_OK;
    HD_TRY(hd_in_is(node, B, HD_F32, 1));
    if (b->count == channels) return HEED_OK;
    return HD_FAIL(HEED_INPUT, "the bias has the shape %s, the result %zu channels",
                   "偏置的形状为 %s，结果有 %zu 个通道", hd_tensor_shape(b).text, channels);
}

// ── conv2d ──

static heed_err conv2d_shape(hd_node *node) {
    const conv_attrs *a = node->attrs;
    HD_TRY(images_check(node, W));
    const hd_tensor *x = node->in[X], *w = node->in[W];
    if (x->shape[3] != w->shape[3] * a->groups) return fail_channels(node, w->shape[3] * a->groups);
    HD_TRY(bias_check(node, w->shape[0]));
    size_t shape[4] = {x->shape[0], 0, 0, w->shape[0]};
    for (int i = 0; i < 2; i++) {
        shape[1 + i] =
            hd_conv_out(x->shape[1 + i], w->shape[1 + i], a->stride[i], a->pad[i], a->dilation[i]);
        if (shape[1 + i] == 0)
            return HD_FAIL(HEED_INPUT, "filters %s don't fit into images %s",
                           "卷积核 %s 放不进图像 %s", hd_tensor_shape(w).text,
                           hd_tensor_shape(x).text);
    }
    return hd_out_set(node, 0, HD_F32, 4, shape);
}

static hd_conv conv2d_conv(const hd_node *node) {
    return conv_of(node->attrs, node->in[X], node->in[W], node->out[0]);
}

static bool conv2d_narrow(const hd_node *node) {
    const hd_conv c = conv2d_conv(node);
    return hd_conv_takes_bf16(&c);
}

static size_t conv2d_workspace(const hd_node *node, size_t threads) {
    const hd_conv c = conv2d_conv(node);
    return hd_conv_forward_workspace(&c, threads);
}

static heed_err conv2d_forward(const hd_node *node, const hd_run *run) {
    const conv_attrs *a = node->attrs;
    const hd_conv c = conv2d_conv(node);
    return hd_conv_forward(run->pool, &c, node->in[X]->data, hd_in_f32(node, W),
                           (hd_conv_end){.bias = hd_in_f32(node, B), .relu = a->relu},
                           node->out[0]->data, run->workspace);
}

// Calls `each` with the places of the values that meet. Padding counts as zeros: 0·NaN is NaN.
typedef struct meeting {
    const double *x, *w, *y;
    double *to;
} meeting;
static const size_t ZERO = SIZE_MAX;

static void each_meeting(const hd_conv *v, const meeting *m,
                         void (*each)(const meeting *m, size_t x, size_t w, size_t y)) {
    const size_t cg = v->c / v->groups, og = v->o / v->groups, depth = v->kh * v->kw * cg;
    const size_t ny = v->n * v->out_h * v->out_w * v->o;
    for (size_t i = 0; i < ny * depth; i++) {
        const size_t y = i / depth, t = i % depth, o = y % v->o;
        const size_t q = y / v->o % v->out_w, p = y / v->o / v->out_w % v->out_h;
        const size_t n = y / v->o / v->out_w / v->out_h;
        const size_t h = p * v->stride_h + t / cg / v->kw * v->dilation_h - v->pad_h;
        const size_t w = q * v->stride_w + t / cg % v->kw * v->dilation_w - v->pad_w;
        const bool inside = h < v->h && w < v->w; // (what is below 0 is large)
        const size_t x = ((n * v->h + h) * v->w + w) * v->c + o / og * cg + t % cg;
        each(m, inside ? x : ZERO, o * depth + t, y);
    }
}

static void meet_y(const meeting *m, size_t x, size_t w, size_t y) {
    m->to[y] += (x == ZERO ? 0 : m->x[x]) * m->w[w];
}
static void meet_x(const meeting *m, size_t x, size_t w, size_t y) {
    if (x != ZERO) m->to[x] += m->y[y] * m->w[w];
}
static void meet_w(const meeting *m, size_t x, size_t w, size_t y) {
    m->to[w] += m->y[y] * (x == ZERO ? 0 : m->x[x]);
}

// The zeros around y that meet x through tap k of one axis.
static bool meets_zero(size_t x, size_t k, size_t stride, size_t pad, size_t dilation, size_t out) {
    const ptrdiff_t at = (ptrdiff_t)(x + pad) - (ptrdiff_t)(k * dilation);
    return at % (ptrdiff_t)stride == 0 && (at < 0 || at / (ptrdiff_t)stride >= (ptrdiff_t)out);
}
static bool meets(size_t x, size_t k, size_t stride, size_t pad, size_t dilation) {
    return ((ptrdiff_t)(x + pad) - (ptrdiff_t)(k * dilation)) % (ptrdiff_t)stride == 0;
}

static void each_zero_of_y(const hd_conv *v, const double *filters, double *to) {
    const size_t cg = v->c / v->groups, og = v->o / v->groups;
    for (size_t i = 0; i < v->n * v->h * v->w * v->c * v->kh * v->kw * og; i++) {
        const size_t o = i % og, t = i / og % (v->kh * v->kw), x = i / og / (v->kh * v->kw);
        const size_t c = x % v->c, w = x / v->c % v->w, h = x / v->c / v->w % v->h;
        const size_t kh = t / v->kw, kw = t % v->kw;
        if (!meets(h, kh, v->stride_h, v->pad_h, v->dilation_h) ||
            !meets(w, kw, v->stride_w, v->pad_w, v->dilation_w) ||
            (!meets_zero(h, kh, v->stride_h, v->pad_h, v->dilation_h, v->out_h) &&
             !meets_zero(w, kw, v->stride_w, v->pad_w, v->dilation_w, v->out_w)))
            continue;
        to[x] += 0 * filters[((c / cg * og + o) * v->kh * v->kw + t) * cg + c % cg];
    }
}

static void start_reference(const hd_node *node, const double *bias, double *out) {
    const size_t channels = node->out[0]->shape[3];
    for (size_t i = 0; i < node->out[0]->count; i++) out[i] = bias ? bias[i % channels] : 0;
}

static void end_reference(const hd_node *node, double *out) {
    const conv_attrs *a = node->attrs;
    for (size_t i = 0; a->relu && i < node->out[0]->count; i++)
        if (out[i] < 0) out[i] = 0;
}

static void conv2d_reference(const hd_node *node, const double *const *in, double *const *out) {
    const hd_conv c = conv2d_conv(node);
    start_reference(node, in[B], out[0]);
    each_meeting(&c, &(meeting){.x = in[X], .w = in[W], .to = out[0]}, meet_y);
    end_reference(node, out[0]);
}

extern const hd_operator hd_operator_conv2d, hd_operator_conv_transpose2d, hd_operator_conv2d_dw;

static hd_tensor *apply(const hd_operator *op, hd_tensor *a, hd_tensor *b, const conv_attrs *attrs,
                        const size_t *out) {
    conv_attrs with = *attrs;
    with.relu = false;
    with.out[0] = out[0], with.out[1] = out[1];
    return hd_operator_apply(hd_graph_of(a), op, op->n_in, (hd_tensor *[]){a, b, NULL, NULL},
                             &with);
}

static heed_err conv2d_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    const conv_attrs *a = node->attrs;
    hd_tensor *x = node->in[X], *w = node->in[W], *b = node->in[B];
    hd_tensor *d = grad_out[0];
    if (a->relu) d = hd_act_backward(HD_ACT_RELU, NULL, node->out[0], d);
    if (b && b->needs_grad) grad_in[B] = hd_grad_reduce(d, b);
    if (w->needs_grad) grad_in[W] = apply(&hd_operator_conv2d_dw, x, d, a, w->shape + 1);
    if (x->needs_grad) grad_in[X] = apply(&hd_operator_conv_transpose2d, d, w, a, x->shape + 1);
    return HEED_OK;
}

static double conv2d_flops(const hd_node *node) {
    const hd_conv c = conv2d_conv(node);
    return hd_conv_flops(&c);
}

#define DIFF(...) \
    { .kind = HD_SAMPLE_DIFF, __VA_ARGS__ }

static void conv2d_samples(hd_samples *samples) {
    const struct {
        size_t x[4], w[4];
        conv_attrs attrs;
        bool bias;
    } all[] = {
        {{2, 4, 3, 3}, {5, 3, 3, 3}, {{1, 1}, {1, 1}, {1, 1}, 1, {0}, false}, true},
        {{1, 6, 7, 2}, {3, 3, 2, 2}, {{2, 1}, {1, 0}, {1, 2}, 1, {0}, false}, false},
        {{2, 5, 5, 4}, {6, 3, 3, 2}, {{2, 2}, {1, 1}, {1, 1}, 2, {0}, true}, true},
        {{1, 4, 5, 3}, {3, 3, 3, 1}, {{1, 1}, {1, 1}, {1, 1}, 3, {0}, false}, true},
        {{2, 4, 5, 7}, {3, 1, 1, 7}, {{2, 2}, {0, 0}, {1, 1}, 1, {0}, false}, false},
        {{1, 1, 1, 1}, {1, 1, 1, 1}, {{1, 1}, {0, 0}, {1, 1}, 1, {0}, false}, true},
        {{0, 4, 4, 2}, {3, 3, 3, 2}, {{1, 1}, {1, 1}, {1, 1}, 1, {0}, false}, true},
        {{1, 3, 3, 3}, {35, 3, 3, 3}, {{1, 1}, {1, 1}, {1, 1}, 1, {0}, false}, false},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        hd_sample_in in[3] = {DIFF(.n_dims = 4), DIFF(.n_dims = 4),
                              DIFF(.n_dims = 1, .shape = {all[i].w[0]})};
        memcpy(in[X].shape, all[i].x, sizeof all[i].x);
        memcpy(in[W].shape, all[i].w, sizeof all[i].w);
        if (!all[i].bias) in[B].kind = HD_SAMPLE_NONE;
        hd_sample_add(samples, 3, in, &all[i].attrs, 0);
    }
}

const hd_operator hd_operator_conv2d = {
    .name = "conv2d",
    .n_in = 3,
    .n_out = 1,
    .attrs_size = sizeof(conv_attrs),
    .optional = 1U << B,
    .shape = conv2d_shape,
    .forward = conv2d_forward,
    .reference = conv2d_reference,
    .backward = conv2d_backward,
    .workspace = conv2d_workspace,
    .flops = conv2d_flops,
    .reads_bf16 = 1U << X,
    .writes_bf16 = 1,
    .narrow = conv2d_narrow,
    .samples = conv2d_samples,
};

// ── conv_transpose2d: x (n, h, w, o), w (o, kh, kw, c / groups) to images of c channels ──

static heed_err transpose_shape(hd_node *node) {
    const conv_attrs *a = node->attrs;
    HD_TRY(images_check(node, W));
    const hd_tensor *x = node->in[X], *w = node->in[W];
    if (x->shape[3] != w->shape[0]) return fail_channels(node, w->shape[0]);
    HD_TRY(bias_check(node, w->shape[3] * a->groups));
    for (int i = 0; i < 2; i++) {
        if (hd_conv_out(a->out[i], w->shape[1 + i], a->stride[i], a->pad[i], a->dilation[i]) !=
            x->shape[1 + i]) {
            return HD_FAIL(HEED_INPUT,
                           "filters %2$s don't take images %1$s to a size of (%3$zu, %4$zu)",
                           "卷积核 %2$s 无法把图像 %1$s 变为 (%3$zu, %4$zu) 的大小",
                           hd_tensor_shape(x).text, hd_tensor_shape(w).text, a->out[0], a->out[1]);
        }
    }
    const size_t shape[] = {x->shape[0], a->out[0], a->out[1], w->shape[3] * a->groups};
    return hd_out_set(node, 0, HD_F32, 4, shape);
}

// A sum of gradients along a shortcut: `other` is added while the result is in registers.
static bool transpose_takes_sum(hd_node *node, hd_tensor *other) {
    const conv_attrs *a = node->attrs;
    if (node->in[RESIDUAL] || node->in[B] || a->relu || a->groups > 1) return false;
    node->in[RESIDUAL] = other;
    return true;
}

static hd_conv transpose_conv(const hd_node *node) {
    return conv_of(node->attrs, node->out[0], node->in[W], node->in[X]);
}

static bool transpose_narrow(const hd_node *node) {
    const hd_conv c = transpose_conv(node);
    return hd_conv_takes_bf16(&c);
}

static size_t transpose_workspace(const hd_node *node, size_t threads) {
    const hd_conv c = transpose_conv(node);
    return hd_conv_dx_workspace(&c, threads);
}

static heed_err transpose_forward(const hd_node *node, const hd_run *run) {
    const conv_attrs *a = node->attrs;
    const hd_conv c = transpose_conv(node);
    const hd_tensor *residual = node->in[RESIDUAL];
    return hd_conv_dx(run->pool, &c, node->in[X]->data, hd_in_f32(node, W),
                      (hd_conv_end){.bias = hd_in_f32(node, B),
                                    .residual = residual ? residual->data : NULL,
                                    .residual_type = residual ? residual->dtype : HD_F32,
                                    .relu = a->relu},
                      node->out[0]->data, run->workspace);
}

static void transpose_reference(const hd_node *node, const double *const *in, double *const *out) {
    const hd_conv c = transpose_conv(node);
    start_reference(node, in[B], out[0]);
    each_meeting(&c, &(meeting){.y = in[X], .w = in[W], .to = out[0]}, meet_x);
    each_zero_of_y(&c, in[W], out[0]);
    for (size_t i = 0; in[RESIDUAL] && i < node->out[0]->count; i++) out[0][i] += in[RESIDUAL][i];
    end_reference(node, out[0]);
}

static heed_err transpose_backward(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in) {
    const conv_attrs *a = node->attrs;
    hd_tensor *x = node->in[X], *w = node->in[W], *b = node->in[B];
    hd_tensor *d = grad_out[0];
    if (a->relu) d = hd_act_backward(HD_ACT_RELU, NULL, node->out[0], d);
    hd_tensor *residual = node->in[RESIDUAL];
    if (residual && residual->needs_grad) grad_in[RESIDUAL] = d;
    if (b && b->needs_grad) grad_in[B] = hd_grad_reduce(d, b);
    if (w->needs_grad) grad_in[W] = apply(&hd_operator_conv2d_dw, d, x, a, w->shape + 1);
    if (x->needs_grad) grad_in[X] = apply(&hd_operator_conv2d, d, w, a, (size_t[]){0, 0});
    return HEED_OK;
}

static double transpose_flops(const hd_node *node) {
    const hd_conv c = transpose_conv(node);
    return hd_conv_flops(&c);
}

static void transpose_samples(hd_samples *samples) {
    const struct {
        size_t x[4], w[4];
        conv_attrs attrs;
        bool bias;
    } all[] = {
        {{1, 3, 4, 5}, {5, 3, 3, 2}, {{1, 1}, {1, 1}, {1, 1}, 1, {3, 4}, false}, true},
        {{1, 3, 2, 4}, {4, 4, 4, 3}, {{2, 2}, {1, 1}, {1, 1}, 1, {6, 4}, true}, true},
        {{1, 3, 3, 4}, {4, 3, 3, 3}, {{2, 2}, {1, 1}, {1, 1}, 2, {6, 5}, false}, false},
        {{1, 2, 2, 3}, {3, 1, 1, 2}, {{3, 2}, {0, 0}, {1, 1}, 1, {4, 4}, false}, true},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        hd_sample_in in[4] = {
            DIFF(.n_dims = 4), DIFF(.n_dims = 4),
            DIFF(.n_dims = 1, .shape = {all[i].w[3] * all[i].attrs.groups}),
            DIFF(.n_dims = 4, .shape = {all[i].x[0], all[i].attrs.out[0], all[i].attrs.out[1],
                                        all[i].w[3] * all[i].attrs.groups})};
        memcpy(in[X].shape, all[i].x, sizeof all[i].x);
        memcpy(in[W].shape, all[i].w, sizeof all[i].w);
        if (!all[i].bias) in[B].kind = HD_SAMPLE_NONE;
        if (i % 2 == 0) in[RESIDUAL].kind = HD_SAMPLE_NONE;
        hd_sample_add(samples, 4, in, &all[i].attrs, 0);
    }
}

const hd_operator hd_operator_conv_transpose2d = {
    .name = "conv_transpose2d",
    .n_in = 4,
    .n_out = 1,
    .attrs_size = sizeof(conv_attrs),
    .optional = 1U << B | 1U << RESIDUAL,
    .shape = transpose_shape,
    .forward = transpose_forward,
    .reference = transpose_reference,
    .backward = transpose_backward,
    .workspace = transpose_workspace,
    .flops = transpose_flops,
    .in_place = 1U << RESIDUAL,
    .reads_bf16 = 1U << X | 1U << RESIDUAL,
    .writes_bf16 = 1,
    .narrow = transpose_narrow,
    .takes_sum = transpose_takes_sum,
    .samples = transpose_samples,
};

// ── conv2d_dw ──

static heed_err dw_shape(hd_node *node) {
    const conv_attrs *a = node->attrs;
    HD_TRY(images_check(node, -1));
    const hd_tensor *x = node->in[X], *dy = node->in[DY];
    return hd_out_set(node, 0, HD_F32, 4,
                      (size_t[]){dy->shape[3], a->out[0], a->out[1], x->shape[3] / a->groups});
}

static hd_conv dw_conv(const hd_node *node) {
    return conv_of(node->attrs, node->in[X], node->out[0], node->in[DY]);
}

static bool dw_narrow(const hd_node *node) {
    const hd_conv c = dw_conv(node);
    return hd_conv_takes_bf16(&c);
}

static size_t dw_workspace(const hd_node *node, size_t threads) {
    const hd_conv c = dw_conv(node);
    return hd_conv_dw_workspace(&c, threads);
}

static heed_err dw_forward(const hd_node *node, const hd_run *run) {
    const hd_conv c = dw_conv(node);
    return hd_conv_dw(run->pool, &c, node->in[X]->data, node->in[DY]->data, hd_out_f32(node, 0),
                      run->accumulate & 1, run->workspace);
}

static void dw_reference(const hd_node *node, const double *const *in, double *const *out) {
    const hd_conv c = dw_conv(node);
    memset(out[0], 0, node->out[0]->count * sizeof *out[0]);
    each_meeting(&c, &(meeting){.x = in[X], .y = in[DY], .to = out[0]}, meet_w);
}

static double dw_flops(const hd_node *node) {
    const hd_conv c = dw_conv(node);
    return hd_conv_flops(&c);
}

static void dw_samples(hd_samples *samples) {
    const hd_sample_in in[] = {{.kind = HD_SAMPLE_FIXED, .n_dims = 4, .shape = {3, 7, 5, 4}},
                               {.kind = HD_SAMPLE_FIXED, .n_dims = 4, .shape = {3, 4, 3, 6}}};
    hd_sample_add(samples, 2, in, &(conv_attrs){{2, 2}, {1, 1}, {1, 1}, 2, {3, 3}, false}, 0);
}

const hd_operator hd_operator_conv2d_dw = {
    .name = "conv2d_dw",
    .n_in = 2,
    .n_out = 1,
    .attrs_size = sizeof(conv_attrs),
    .shape = dw_shape,
    .forward = dw_forward,
    .reference = dw_reference,
    .workspace = dw_workspace,
    .flops = dw_flops,
    .accumulates = 1,
    .reads_bf16 = 1U << X | 1U << DY,
    .narrow = dw_narrow,
    .samples = dw_samples,
};

// ── builders ──

static conv_attrs attrs_of(const hd_conv_opts *opts) {
    static const hd_conv_opts none = {.groups = 1};
    if (!opts) opts = &none;
    conv_attrs a = {.groups = opts->groups > 0 ? opts->groups : 1,
                    .relu = opts->act == HD_ACT_RELU};
    for (int i = 0; i < 2; i++) {
        a.stride[i] = opts->stride[i] > 0 ? opts->stride[i] : 1;
        a.dilation[i] = opts->dilation[i] > 0 ? opts->dilation[i] : 1;
        a.pad[i] = opts->pad[i];
    }
    return a;
}

static hd_tensor *acted(hd_tensor *y, const hd_conv_opts *opts) {
    if (!opts || opts->act == HD_ACT_NONE || opts->act == HD_ACT_RELU) return y;
    return hd_tensor_act(y, opts->act);
}

hd_tensor *hd_tensor_conv2d(hd_tensor *x, hd_tensor *w, hd_tensor *b, const hd_conv_opts *opts) {
    const conv_attrs a = attrs_of(opts);
    hd_tensor *in[] = {x, w, b};
    return acted(hd_operator_apply(hd_graph_of(x), &hd_operator_conv2d, 3, in, &a), opts);
}

hd_tensor *hd_tensor_conv1d(hd_tensor *x, hd_tensor *w, hd_tensor *b, const hd_conv_opts *opts) {
    hd_graph *g = hd_graph_of(x);
    if (!x || !w || x->n_dims != 3 || w->n_dims != 3) {
        if (!x || !w) return x ? hd_graph_fail(g, hd_graph_error(g)) : NULL;
        return hd_graph_fail(
            g, HD_FAIL(HEED_INPUT,
                       "conv1d takes series (n, length, c) and filters (o, k, c), not %s and %s",
                       "conv1d 需要序列 (n, 长度, c) 和卷积核 (o, k, c)，而不是 %s 和 %s",
                       hd_tensor_shape(x).text, hd_tensor_shape(w).text));
    }
    hd_conv_opts rows = opts ? *opts : (hd_conv_opts){0};
    rows.stride[1] = rows.stride[0], rows.stride[0] = 1;
    rows.dilation[1] = rows.dilation[0], rows.dilation[0] = 1;
    rows.pad[1] = rows.pad[0], rows.pad[0] = 0;
    x = hd_tensor_reshape(x, 4, (size_t[]){x->shape[0], 1, x->shape[1], x->shape[2]});
    w = hd_tensor_reshape(w, 4, (size_t[]){w->shape[0], 1, w->shape[1], w->shape[2]});
    hd_tensor *y = hd_tensor_conv2d(x, w, b, &rows);
    if (!y || y->n_dims != 4) return y;
    return hd_tensor_reshape(y, 3, (size_t[]){y->shape[0], y->shape[2], y->shape[3]});
}

hd_tensor *hd_tensor_conv_transpose2d(hd_tensor *x, hd_tensor *w, hd_tensor *b,
                                      const hd_conv_opts *opts) {
    conv_attrs a = attrs_of(opts);
    for (int i = 0; x && w && x->n_dims == 4 && w->n_dims == 4 && i < 2; i++) {
        const size_t span = (w->shape[1 + i] - 1) * a.dilation[i] + 1;
        const size_t all =
            (x->shape[1 + i] - 1) * a.stride[i] + span + (opts ? opts->out_pad[i] : 0);
        a.out[i] = x->shape[1 + i] > 0 && all > 2 * a.pad[i] ? all - 2 * a.pad[i] : 0;
    }
    hd_tensor *in[] = {x, w, b, NULL};
    return acted(hd_operator_apply(hd_graph_of(x), &hd_operator_conv_transpose2d, 4, in, &a), opts);
}
