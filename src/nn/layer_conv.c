// SPDX-License-Identifier: Apache-2.0
//
// Convolutions, pools, and changes of size. Images are (B, H, W, C), series (B, T, C); filters are
// held (O, KH, KW, I / groups) and stand in files as (O, I / groups, KH, KW).
#include "nn/layer_rows.h"

// (channels, height, width) of an image, or (channels, length) of a series, else a failure.
static bool is_map(hd_nn_scope *s, const hd_tensor *x, int n_dims) {
    if (x->n_dims == n_dims) return true;
    hd_shape_text shape = hd_scope_shape(x);
    hd_scope_fail(s, n_dims == 4
                         ? HD_FAIL(HEED_INPUT, "takes images (channels, height, width), not %s",
                                   "需要图像（通道, 高, 宽），而不是 %s", shape.text)
                         : HD_FAIL(HEED_INPUT, "takes series (length, channels), not %s",
                                   "需要序列（长度, 通道），而不是 %s", shape.text));
    return false;
}

// ── conv1d, conv2d, conv_transpose2d ──

typedef struct conv_options {
    int64_t out, groups;
    hd_ints kernel, stride, pad, dilation, out_pad;
    bool bias, same, depthwise;
    int act;
    const json_t *init;
} conv_options;

#define INTS_ROW(struct_name, field, start, low, high, need, en, zh)                \
    {                                                                               \
        .name = #field, .type = HD_OPTION_INTS, .at = offsetof(struct_name, field), \
        .initial = (start), .min = (low), .max = (high), .required = (need),        \
        .doc = HD_TEXT(en, zh)                                                      \
    }
#define CONV_ROWS                                                                                  \
    {.name = "out",                                                                                \
     .type = HD_OPTION_INT,                                                                        \
     .at = offsetof(conv_options, out),                                                            \
     .min = 0,                                                                                     \
     .max = 1e6,                                                                                   \
     .doc = HD_TEXT("channels that come out; 0: as many as go in", "输出通道数；0：与输入相同")},  \
        INTS_ROW(conv_options, kernel, 3, 1, 10000, false, "size of the filters", "卷积核大小"),   \
        INTS_ROW(conv_options, stride, 1, 1, 10000, false, "places between two windows",           \
                 "窗口移动的步长"),                                                                \
        INTS_ROW(conv_options, pad, 0, 0, 10000, false, "zeros around", "四周补零"),               \
        INTS_ROW(conv_options, dilation, 1, 1, 10000, false, "places between two taps",            \
                 "卷积核采样点的间隔"),                                                            \
        {.name = "groups",                                                                         \
         .type = HD_OPTION_INT,                                                                    \
         .at = offsetof(conv_options, groups),                                                     \
         .initial = 1,                                                                             \
         .min = 1,                                                                                 \
         .max = 1e6,                                                                               \
         .doc = HD_TEXT("parts of the channels that don't see each other", "互不相见的通道组数")}, \
        {.name = "bias",                                                                           \
         .type = HD_OPTION_BOOL,                                                                   \
         .at = offsetof(conv_options, bias),                                                       \
         .initial = 1,                                                                             \
         .doc = HD_TEXT("adds a bias", "是否加偏置")},                                             \
        HD_OPTION_ACT(conv_options, 0), {                                                          \
        .name = "init", .type = HD_OPTION_JSON, .at = offsetof(conv_options, init),                \
        .doc = HD_TEXT("initialiser of the filters", "卷积核的初始化方式")                         \
    }
#define SAME_ROWS                                                                              \
    {.name = "same",                                                                           \
     .type = HD_OPTION_BOOL,                                                                   \
     .at = offsetof(conv_options, same),                                                       \
     .doc = HD_TEXT("pads so that stride 1 keeps the size (odd kernels)",                      \
                    "补零使步长为 1 时尺寸不变（奇数卷积核）")},                               \
    {                                                                                          \
        .name = "depthwise", .type = HD_OPTION_BOOL, .at = offsetof(conv_options, depthwise),  \
        .doc = HD_TEXT("each channel by itself: groups = channels", "逐通道：groups = 通道数") \
    }
static const hd_option conv_rows[] = {CONV_ROWS, SAME_ROWS, {.name = NULL}};
static const hd_option transpose_rows[] = {CONV_ROWS,
                                           INTS_ROW(conv_options, out_pad, 0, 0, 10000, false,
                                                    "so much larger on one side",
                                                    "一侧额外增大的尺寸"),
                                           {.name = NULL}};

static hd_conv_opts conv_opts(const conv_options *o, size_t groups) {
    hd_conv_opts c = {.groups = groups, .act = (hd_act)o->act};
    for (size_t i = 0; i < 2; i++) {
        c.stride[i] = (size_t)hd_ints_at(&o->stride, i);
        c.dilation[i] = (size_t)hd_ints_at(&o->dilation, i);
        c.pad[i] = o->same ? (size_t)((hd_ints_at(&o->kernel, i) - 1) / 2) * c.dilation[i]
                           : (size_t)hd_ints_at(&o->pad, i);
        c.out_pad[i] = (size_t)hd_ints_at(&o->out_pad, i);
    }
    return c;
}

static hd_tensor *conv_bias(hd_nn_scope *s, size_t out, size_t fan_in, hd_initializer init) {
    hd_weight_want want = {.path = "bias",
                           .n_dims = 1,
                           .shape = {out},
                           .init = init.kind == hd_init_default.kind ? init : hd_init_zeros,
                           .fan = {.in = fan_in, .out = out}};
    return hd_scope_want(s, &want);
}

// Filters of an image (dims 2) or a series (dims 1).
static hd_tensor *filters(hd_nn_scope *s, size_t out, size_t in, const hd_ints *kernel, int dims,
                          hd_initializer init, size_t *fan_in) {
    size_t area = (size_t)hd_ints_at(kernel, 0) * (dims == 2 ? (size_t)hd_ints_at(kernel, 1) : 1);
    hd_weight_want want = {.path = "weight", .n_dims = dims + 2, .init = init};
    want.shape[0] = out;
    for (int i = 0; i < dims; i++) want.shape[1 + i] = (size_t)hd_ints_at(kernel, (size_t)i);
    want.shape[1 + dims] = in;
    want.layout = dims == 2 ? (hd_layout){4, {0, 3, 1, 2}} : (hd_layout){3, {0, 2, 1}};
    want.fan = (hd_fan){.in = area * in, .out = area * out};
    *fan_in = want.fan.in;
    return hd_scope_want(s, &want);
}

static bool groups_fit(hd_nn_scope *s, size_t in, size_t out, size_t groups) {
    if (groups > 0 && in % groups == 0 && out % groups == 0) return true;
    hd_scope_fail(s, HD_FAIL(HEED_INPUT,
                             "%zu channels in and %zu out can't be cut into %zu groups: both must "
                             "be multiples",
                             "输入 %zu 通道、输出 %zu 通道无法分成 %zu 组：两者都须是其倍数", in,
                             out, groups));
    return false;
}

typedef struct conv_plan {
    size_t in, out, groups;
    hd_initializer init;
} conv_plan;

// False: x isn't such a map, or its channels don't fit, which sticks in the scope.
static bool conv_read(hd_nn_scope *s, const hd_tensor *x, const conv_options *o,
                      const hd_where *where, int dims, conv_plan *c) {
    if (!is_map(s, x, dims + 2)) return false;
    c->in = x->shape[dims + 1];
    c->out = o->out > 0 ? (size_t)o->out : c->in;
    c->groups = o->depthwise ? c->in : (size_t)o->groups;
    heed_err err = hd_initializer_read(o->init, where, s->arena, hd_init_default, &c->init);
    if (err != HEED_OK) hd_scope_fail(s, err);
    return err == HEED_OK && groups_fit(s, c->in, c->out, c->groups);
}

static hd_tensor *conv_build(hd_nn_scope *s, hd_tensor *x, const conv_options *o,
                             const hd_where *where, int dims) {
    conv_plan c;
    size_t fan_in;
    if (!conv_read(s, x, o, where, dims, &c)) return x;
    hd_tensor *w = filters(s, c.out, c.in / c.groups, &o->kernel, dims, c.init, &fan_in);
    hd_tensor *b = o->bias ? conv_bias(s, c.out, fan_in, c.init) : NULL;
    hd_conv_opts opts = conv_opts(o, c.groups);
    return dims == 2 ? hd_tensor_conv2d(x, w, b, &opts) : hd_tensor_conv1d(x, w, b, &opts);
}

static hd_tensor *conv2d_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                               const hd_where *where) {
    return conv_build(s, x, options, where, 2);
}

static hd_tensor *conv1d_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                               const hd_where *where) {
    return conv_build(s, x, options, where, 1);
}

const hd_layer_kind hd_layer_kind_conv2d = {
    .kind = {.name = "conv2d",
             .size = sizeof(conv_options),
             .options = conv_rows,
             .doc = HD_TEXT("filters over an image", "在图像上卷积")},
    .build = conv2d_build};
const hd_layer_kind hd_layer_kind_conv1d = {
    .kind = {.name = "conv1d",
             .size = sizeof(conv_options),
             .options = conv_rows,
             .doc = HD_TEXT("filters over a series", "在序列上卷积")},
    .build = conv1d_build};

hd_tensor *hd_layer_conv(hd_nn_scope *s, const char *name, hd_tensor *x, size_t out, size_t kernel,
                         size_t stride) {
    size_t fan_in, pad = (kernel - 1) / 2;
    const hd_ints size = {1, {(int64_t)kernel}};
    const hd_conv_opts opts = {.stride = {stride, stride}, .pad = {pad, pad}};
    hd_scope_push(s, name);
    hd_tensor *w = filters(s, out, x->shape[x->n_dims - 1], &size, 2, hd_init_default, &fan_in);
    x = hd_tensor_conv2d(x, w, NULL, &opts);
    hd_scope_pop(s);
    return x;
}

static hd_tensor *conv_transpose2d_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                         const hd_where *where) {
    const conv_options *o = options;
    conv_plan c;
    if (!conv_read(s, x, o, where, 2, &c)) return x;
    size_t kh = (size_t)hd_ints_at(&o->kernel, 0), kw = (size_t)hd_ints_at(&o->kernel, 1);
    hd_weight_want want = {.path = "weight",
                           .n_dims = 4,
                           .shape = {c.in, kh, kw, c.out / c.groups},
                           .layout = {4, {0, 3, 1, 2}},
                           .init = c.init,
                           .fan = {.in = kh * kw * c.out / c.groups, .out = kh * kw * c.in}};
    hd_tensor *w = hd_scope_want(s, &want);
    hd_tensor *b = o->bias ? conv_bias(s, c.out, want.fan.in, c.init) : NULL;
    hd_conv_opts opts = conv_opts(o, c.groups);
    return hd_tensor_conv_transpose2d(x, w, b, &opts);
}

const hd_layer_kind hd_layer_kind_conv_transpose2d = {
    .kind = {.name = "conv_transpose2d",
             .size = sizeof(conv_options),
             .options = transpose_rows,
             .doc = HD_TEXT("a convolution turned round: from small maps to large ones",
                            "转置卷积：由小图到大图")},
    .build = conv_transpose2d_build};

// ── Pools ──

typedef struct pool_options {
    hd_ints kernel, stride, pad;
    bool skip_pad;
} pool_options;
#define POOL_ROWS                                                                         \
    INTS_ROW(pool_options, kernel, 2, 1, 10000, false, "size of the window", "窗口大小"), \
        INTS_ROW(pool_options, stride, 0, 0, 10000, false,                                \
                 "places between two windows; 0: as large as the window",                 \
                 "窗口移动的步长；0：与窗口相同"),                                        \
        INTS_ROW(pool_options, pad, 0, 0, 10000, false, "places around", "四周补的位置")
static const hd_option max_pool_rows[] = {POOL_ROWS, {.name = NULL}};
static const hd_option avg_pool_rows[] = {
    POOL_ROWS,
    {.name = "skip_pad",
     .type = HD_OPTION_BOOL,
     .at = offsetof(pool_options, skip_pad),
     .doc = HD_TEXT("divides by the values there are, not by the window",
                    "除以实际的值数，而不是窗口大小")},
    {.name = NULL}};

static hd_tensor *window_pool(hd_nn_scope *s, hd_tensor *x, const pool_options *o, bool largest) {
    hd_pool_opts p = {.skip_pad = o->skip_pad};
    if (!is_map(s, x, 4)) return x;
    for (size_t i = 0; i < 2; i++) {
        p.k[i] = (size_t)hd_ints_at(&o->kernel, i);
        p.stride[i] = (size_t)hd_ints_at(&o->stride, i);
        p.pad[i] = (size_t)hd_ints_at(&o->pad, i);
    }
    return largest ? hd_tensor_max_pool(x, &p) : hd_tensor_avg_pool(x, &p);
}

static hd_tensor *max_pool_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                 const hd_where *where) {
    (void)where;
    return window_pool(s, x, options, true);
}

static hd_tensor *avg_pool_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                 const hd_where *where) {
    (void)where;
    return window_pool(s, x, options, false);
}

const hd_layer_kind hd_layer_kind_max_pool = {
    .kind = {.name = "max_pool",
             .size = sizeof(pool_options),
             .options = max_pool_rows,
             .doc = HD_TEXT("the largest of each window", "每个窗口取最大值")},
    .build = max_pool_build};
const hd_layer_kind hd_layer_kind_avg_pool = {
    .kind = {.name = "avg_pool",
             .size = sizeof(pool_options),
             .options = avg_pool_rows,
             .doc = HD_TEXT("the mean of each window", "每个窗口取平均值")},
    .build = avg_pool_build};

typedef struct adaptive_options {
    hd_ints out;
    int how;
} adaptive_options;
static const char *const how_words[] = {"mean", "max", NULL};
#define HOW_ROW                                                                       \
    {                                                                                 \
        .name = "how", .type = HD_OPTION_WORD, .at = offsetof(adaptive_options, how), \
        .words = how_words, .doc = HD_TEXT("mean or max", "平均或最大")               \
    }
static const hd_option adaptive_rows[] = {INTS_ROW(adaptive_options, out, 0, 1, 10000, true,
                                                   "height and width that come out",
                                                   "输出的高与宽"),
                                          HOW_ROW,
                                          {.name = NULL}};
static const hd_option global_rows[] = {HOW_ROW, {.name = NULL}};

static hd_tensor *adaptive_pool_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                      const hd_where *where) {
    const adaptive_options *o = options;
    (void)where;
    if (!is_map(s, x, 4)) return x;
    return hd_tensor_adaptive_pool(x, (size_t)hd_ints_at(&o->out, 0),
                                   (size_t)hd_ints_at(&o->out, 1), o->how == 1);
}

static hd_tensor *global_pool_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                    const hd_where *where) {
    (void)where;
    if (!is_map(s, x, 4)) return x;
    return hd_tensor_global_pool(x, ((const adaptive_options *)options)->how == 1);
}

const hd_layer_kind hd_layer_kind_adaptive_pool = {
    .kind = {.name = "adaptive_pool",
             .size = sizeof(adaptive_options),
             .options = adaptive_rows,
             .doc = HD_TEXT("as many windows as are wanted", "输出指定的大小")},
    .build = adaptive_pool_build};
const hd_layer_kind hd_layer_kind_global_pool = {
    .kind = {.name = "global_pool",
             .size = sizeof(adaptive_options),
             .options = global_rows,
             .doc = HD_TEXT("one value a channel", "每个通道一个值")},
    .build = global_pool_build};

// ── Sizes ──

typedef struct upsample_options {
    int64_t by;
    int how;
} upsample_options;
static const char *const upsample_words[] = {"nearest", "bilinear", NULL};
#define BY_ROW                                                                                   \
    {                                                                                            \
        .name = "by", .type = HD_OPTION_INT, .at = offsetof(upsample_options, by), .initial = 2, \
        .min = 1, .max = 1000,                                                                   \
        .doc = HD_TEXT("so many times as high and wide", "高与宽放大的倍数")                     \
    }
static const hd_option shuffle_rows[] = {BY_ROW, {.name = NULL}};
static const hd_option upsample_rows[] = {BY_ROW,
                                          {.name = "how",
                                           .type = HD_OPTION_WORD,
                                           .at = offsetof(upsample_options, how),
                                           .words = upsample_words,
                                           .doc = HD_TEXT("nearest or bilinear", "最近邻或双线性")},
                                          {.name = NULL}};

static hd_tensor *upsample_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                 const hd_where *where) {
    const upsample_options *o = options;
    size_t by = (size_t)o->by;
    (void)where;
    if (!is_map(s, x, 4)) return x;
    return hd_tensor_upsample(x, x->shape[1] * by, x->shape[2] * by, o->how == 1);
}

static hd_tensor *pixel_shuffle_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                      const hd_where *where) {
    size_t by = (size_t)((const upsample_options *)options)->by;
    (void)where;
    if (!is_map(s, x, 4)) return x;
    if (x->shape[3] % (by * by) == 0) return hd_tensor_pixel_shuffle(x, by);
    return hd_scope_fail(s, HD_FAIL(HEED_INPUT,
                                    "%zu channels come in: a shuffle by %zu needs a multiple of "
                                    "%zu",
                                    "输入为 %zu 通道：放大 %zu 倍需要 %zu 的倍数", x->shape[3], by,
                                    by * by));
}

const hd_layer_kind hd_layer_kind_upsample = {
    .kind = {.name = "upsample",
             .size = sizeof(upsample_options),
             .options = upsample_rows,
             .doc = HD_TEXT("larger images from the values that are there", "放大图像")},
    .build = upsample_build};
const hd_layer_kind hd_layer_kind_pixel_shuffle = {
    .kind = {.name = "pixel_shuffle",
             .size = sizeof(upsample_options),
             .options = shuffle_rows,
             .doc = HD_TEXT("channels become places: by² fewer, by times as high and wide",
                            "把通道变为空间：通道减为 1/by²，高宽放大 by 倍")},
    .build = pixel_shuffle_build};
