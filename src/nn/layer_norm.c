// SPDX-License-Identifier: Apache-2.0
//
// Normalisation, and the blocks of residual networks that are built on it (He et al. 2016), with
// torchvision's names of weights.
#include "nn/layer_rows.h"

typedef struct norm_options {
    double epsilon, momentum;
    int64_t groups;
    int act;
} norm_options;
#define EPSILON_ROW                                                                       \
    {                                                                                     \
        .name = "epsilon", .type = HD_OPTION_REAL, .at = offsetof(norm_options, epsilon), \
        .initial = 1e-5, .min = 1e-12, .max = 1,                                          \
        .doc = HD_TEXT("added to the variance", "加在方差上的小量")                       \
    }
static const hd_option batch_rows[] = {
    EPSILON_ROW,
    {.name = "momentum",
     .type = HD_OPTION_REAL,
     .at = offsetof(norm_options, momentum),
     .initial = 0.1,
     .min = 0,
     .max = 1,
     .doc = HD_TEXT("how far a batch moves the running statistics", "每批更新滑动统计量的比例")},
    HD_OPTION_ACT(norm_options, 0),
    {.name = NULL}};
static const hd_option row_rows[] = {EPSILON_ROW, {.name = NULL}};
static const hd_option group_rows[] = {{.name = "groups",
                                        .type = HD_OPTION_INT,
                                        .at = offsetof(norm_options, groups),
                                        .initial = 32,
                                        .min = 1,
                                        .max = 1e6,
                                        .doc = HD_TEXT("parts of the channels", "通道的组数")},
                                       EPSILON_ROW,
                                       {.name = NULL}};

static hd_tensor *vector(hd_nn_scope *s, const char *name, size_t n, hd_initializer init) {
    return hd_scope_weight(s, name, 1, &n, init);
}

static hd_tensor *state(hd_nn_scope *s, const char *name, size_t n, hd_initializer init) {
    hd_weight_want want = {.path = name, .n_dims = 1, .shape = {n}, .init = init, .state = true};
    return hd_scope_want(s, &want);
}

static size_t channels_of(const hd_tensor *x) {
    return x->n_dims > 0 ? x->shape[x->n_dims - 1] : 0;
}

static hd_tensor *batch_norm(hd_nn_scope *s, hd_tensor *x, const norm_options *o,
                             hd_tensor *residual, bool relu) {
    size_t c = channels_of(x);
    hd_tensor *gamma = vector(s, "weight", c, hd_init_ones);
    hd_tensor *beta = vector(s, "bias", c, hd_init_zeros);
    hd_tensor *mean = state(s, "running_mean", c, hd_init_zeros);
    hd_tensor *var = state(s, "running_var", c, hd_init_ones);
    return hd_tensor_batch_norm(x, gamma, beta, mean, var, (float)o->epsilon, (float)o->momentum,
                                residual, relu);
}

static hd_tensor *batch_norm_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                   const hd_where *where) {
    const norm_options *o = options;
    (void)where;
    bool relu = o->act == HD_ACT_RELU;
    x = batch_norm(s, x, o, NULL, relu);
    return relu || o->act == HD_ACT_NONE ? x : hd_tensor_act(x, (hd_act)o->act);
}

hd_tensor *hd_layer_norm_named(hd_nn_scope *s, const char *name, hd_tensor *x, bool rms) {
    const float epsilon = rms ? 1e-6F : 1e-5F;
    size_t c = channels_of(x);
    hd_scope_push(s, name);
    hd_tensor *gamma = vector(s, "weight", c, hd_init_ones);
    x = rms ? hd_tensor_rms_norm(x, gamma, epsilon)
            : hd_tensor_layer_norm(x, gamma, vector(s, "bias", c, hd_init_zeros), epsilon);
    hd_scope_pop(s);
    return x;
}

static hd_tensor *layer_norm_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                   const hd_where *where) {
    size_t c = channels_of(x);
    (void)where;
    hd_tensor *gamma = vector(s, "weight", c, hd_init_ones);
    hd_tensor *beta = vector(s, "bias", c, hd_init_zeros);
    return hd_tensor_layer_norm(x, gamma, beta, (float)((const norm_options *)options)->epsilon);
}

static hd_tensor *rms_norm_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                 const hd_where *where) {
    (void)where;
    return hd_tensor_rms_norm(x, vector(s, "weight", channels_of(x), hd_init_ones),
                              (float)((const norm_options *)options)->epsilon);
}

static hd_tensor *group_norm_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                   const hd_where *where) {
    const norm_options *o = options;
    size_t c = channels_of(x), groups = (size_t)o->groups;
    (void)where;
    if (c % groups != 0) {
        return hd_scope_fail(s, HD_FAIL(HEED_INPUT, "%zu channels can't be cut into %zu groups",
                                        "%zu 个通道无法分成 %zu 组", c, groups));
    }
    hd_tensor *gamma = vector(s, "weight", c, hd_init_ones);
    hd_tensor *beta = vector(s, "bias", c, hd_init_zeros);
    return hd_tensor_group_norm(x, groups, gamma, beta, (float)o->epsilon);
}

#define NORM_KIND(id, rows_of, en, zh)                                               \
    const hd_layer_kind hd_layer_kind_##id = {.kind = {.name = #id,                  \
                                                       .size = sizeof(norm_options), \
                                                       .options = (rows_of),         \
                                                       .doc = HD_TEXT(en, zh)},      \
                                              .build = id##_build}
NORM_KIND(batch_norm, batch_rows, "each channel to mean 0 and deviation 1 over the batch",
          "按批把每个通道归一到均值 0、标准差 1");
NORM_KIND(layer_norm, row_rows, "each row to mean 0 and deviation 1",
          "把每行归一到均值 0、标准差 1");
NORM_KIND(rms_norm, row_rows, "each row to a mean square of 1", "把每行归一到均方为 1");
NORM_KIND(group_norm, group_rows, "each image's groups of channels to mean 0 and deviation 1",
          "把每幅图像的通道组归一到均值 0、标准差 1");

// ── Blocks of residual networks ──

typedef struct block_options {
    int64_t out, stride, expansion;
} block_options;
#define BLOCK_ROWS                                                                      \
    {.name = "out",                                                                     \
     .type = HD_OPTION_INT,                                                             \
     .at = offsetof(block_options, out),                                                \
     .min = 1,                                                                          \
     .max = 1e6,                                                                        \
     .required = true,                                                                  \
     .doc = HD_TEXT("channels of the 3×3 convolutions", "3×3 卷积的通道数")},           \
    {                                                                                   \
        .name = "stride", .type = HD_OPTION_INT, .at = offsetof(block_options, stride), \
        .initial = 1, .min = 1, .max = 16, .doc = HD_TEXT("of the block", "块的步长")   \
    }
static const hd_option basic_rows[] = {BLOCK_ROWS, {.name = NULL}};
static const hd_option bottleneck_rows[] = {
    BLOCK_ROWS,
    {.name = "expansion",
     .type = HD_OPTION_INT,
     .at = offsetof(block_options, expansion),
     .initial = 4,
     .min = 1,
     .max = 64,
     .doc = HD_TEXT("so many times as many channels come out", "输出通道数的倍数")},
    {.name = NULL}};

static const norm_options plain_norm = {.epsilon = 1e-5, .momentum = 0.1};

static hd_tensor *norm_named(hd_nn_scope *s, const char *name, hd_tensor *x, hd_tensor *residual,
                             bool relu) {
    hd_scope_push(s, name);
    x = batch_norm(s, x, &plain_norm, residual, relu);
    hd_scope_pop(s);
    return x;
}

// What goes around: the input, or a 1×1 convolution where shapes differ.
static hd_tensor *shortcut(hd_nn_scope *s, hd_tensor *x, size_t out, size_t stride) {
    if (stride == 1 && channels_of(x) == out) return x;
    hd_scope_push(s, "downsample");
    x = norm_named(s, "1", hd_layer_conv(s, "0", x, out, 1, stride), NULL, false);
    hd_scope_pop(s);
    return x;
}

static bool is_image(hd_nn_scope *s, const hd_tensor *x) {
    if (x->n_dims == 4) return true;
    hd_shape_text shape = hd_scope_shape(x);
    hd_scope_fail(s, HD_FAIL(HEED_INPUT, "takes images (channels, height, width), not %s",
                             "需要图像（通道, 高, 宽），而不是 %s", shape.text));
    return false;
}

static hd_tensor *resnet_basic_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                     const hd_where *where) {
    const block_options *o = options;
    size_t out = (size_t)o->out, stride = (size_t)o->stride;
    (void)where;
    if (!is_image(s, x)) return x;
    hd_tensor *y = hd_layer_conv(s, "conv1", x, out, 3, stride);
    y = norm_named(s, "bn1", y, NULL, true);
    y = hd_layer_conv(s, "conv2", y, out, 3, 1);
    return norm_named(s, "bn2", y, shortcut(s, x, out, stride), true);
}

static hd_tensor *resnet_bottleneck_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                          const hd_where *where) {
    const block_options *o = options;
    size_t width = (size_t)o->out, out = width * (size_t)o->expansion, stride = (size_t)o->stride;
    (void)where;
    if (!is_image(s, x)) return x;
    hd_tensor *y = norm_named(s, "bn1", hd_layer_conv(s, "conv1", x, width, 1, 1), NULL, true);
    y = norm_named(s, "bn2", hd_layer_conv(s, "conv2", y, width, 3, stride), NULL, true);
    y = hd_layer_conv(s, "conv3", y, out, 1, 1);
    return norm_named(s, "bn3", y, shortcut(s, x, out, stride), true);
}

const hd_layer_kind hd_layer_kind_resnet_basic = {
    .kind = {.name = "resnet_basic",
             .size = sizeof(block_options),
             .options = basic_rows,
             .doc = HD_TEXT("two 3×3 convolutions with a shortcut (ResNet-18, -34)",
                            "两个 3×3 卷积加旁路（ResNet-18、-34）")},
    .build = resnet_basic_build};
const hd_layer_kind hd_layer_kind_resnet_bottleneck = {
    .kind = {.name = "resnet_bottleneck",
             .size = sizeof(block_options),
             .options = bottleneck_rows,
             .doc = HD_TEXT("1×1, 3×3 and 1×1 convolutions with a shortcut (ResNet-50)",
                            "1×1、3×3、1×1 卷积加旁路（ResNet-50）")},
    .build = resnet_bottleneck_build};
