// SPDX-License-Identifier: Apache-2.0
//
// Linear, embedding, shapes, dropout and activations.
//
// Inside a graph images are (B, H, W, C), the interface says (C, H, W): flatten and reshape go
// through the interface's order, so that weights agree with other libraries'.
#include "nn/layer_rows.h"

#include <string.h>

const char *const hd_act_words[] = {"none", "relu",    "leaky_relu", "gelu", "gelu_tanh",
                                    "silu", "sigmoid", "tanh",       NULL};

// ── input ──

typedef struct input_options {
    hd_ints shape;
} input_options;
static const hd_option input_rows[] = {
    {.name = "shape",
     .type = HD_OPTION_INTS,
     .at = offsetof(input_options, shape),
     .min = 1,
     .max = 1e9,
     .required = true,
     .doc = HD_TEXT("of one sample; images (channels, height, width)",
                    "单个样本的形状；图像为（通道, 高, 宽）")},
    {.name = NULL}};

static hd_shape_text ints_text(const hd_ints *ints) {
    hd_shape_text text;
    size_t at = 0;
    for (size_t i = 0; i < ints->n && at < sizeof text.text; i++) {
        at += (size_t)hd_snprintf(text.text + at, sizeof text.text - at, "%s%lld", i ? ", " : "(",
                                  (long long)ints->at[i]);
    }
    if (at < sizeof text.text) hd_snprintf(text.text + at, sizeof text.text - at, ")");
    return text;
}

static hd_tensor *input_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                              const hd_where *where) {
    const input_options *o = options;
    hd_shape_text is = hd_scope_shape(x), wanted = ints_text(&o->shape);
    (void)where;
    if (strcmp(is.text, wanted.text) == 0) return x;
    return hd_scope_fail(
        s, HD_FAIL(HEED_INPUT, "the data's samples are %s, the network's input says %s",
                   "数据的样本形状为 %s，而网络输入要求 %s", is.text, wanted.text));
}

const hd_layer_kind hd_layer_kind_input = {
    .kind = {.name = "input",
             .size = sizeof(input_options),
             .options = input_rows,
             .doc = HD_TEXT("states the shape that comes in", "声明输入的形状")},
    .build = input_build};

// ── linear ──

typedef struct linear_options {
    int64_t out, in;
    bool bias;
    int act;
    const json_t *init;
    const char *tie;
} linear_options;
static const hd_option linear_rows[] = {
    {.name = "out",
     .type = HD_OPTION_INT,
     .at = offsetof(linear_options, out),
     .min = 1,
     .max = 1e8,
     .required = true,
     .doc = HD_TEXT("values that come out", "输出值的个数")},
    {.name = "in",
     .type = HD_OPTION_INT,
     .at = offsetof(linear_options, in),
     .min = 0,
     .max = 1e8,
     .doc = HD_TEXT("values that go in; 0: as many as come", "输入值的个数；0：由输入决定")},
    {.name = "bias",
     .type = HD_OPTION_BOOL,
     .at = offsetof(linear_options, bias),
     .initial = 1,
     .doc = HD_TEXT("adds a bias", "是否加偏置")},
    HD_OPTION_ACT(linear_options, 0),
    {.name = "init",
     .type = HD_OPTION_JSON,
     .at = offsetof(linear_options, init),
     .doc = HD_TEXT("initialiser of the weight", "权重的初始化方式")},
    {.name = "tie",
     .type = HD_OPTION_TEXT,
     .at = offsetof(linear_options, tie),
     .doc = HD_TEXT("the layer whose weight (out, in) is used here too: an embedding's name",
                    "共用哪一层的权重（out, in）：如某个 embedding 层的名称")},
    {.name = NULL}};

// The last dimension of a sample; 0 and a failure when it is none.
static size_t width_of(hd_nn_scope *s, const hd_tensor *x) {
    if (x->n_dims >= 2) return x->shape[x->n_dims - 1];
    hd_scope_fail(s, HD_FAIL(HEED_INPUT, "needs a row of values, not one value a sample",
                             "需要一行数值，而不是每个样本一个数"));
    return 0;
}

hd_tensor *hd_layer_linear(hd_nn_scope *s, hd_tensor *x, size_t out, bool bias, hd_act act,
                           hd_initializer init) {
    size_t in = width_of(s, x);
    if (in == 0) return x;
    hd_tensor *w = hd_scope_weight(s, "weight", 2, (size_t[]){out, in}, init);
    hd_tensor *b = NULL;
    if (bias) {
        // The bias of PyTorch's default is drawn within the same bound as the weight.
        hd_weight_want want = {.path = "bias",
                               .n_dims = 1,
                               .shape = {out},
                               .init = init.kind == hd_init_default.kind ? init : hd_init_zeros,
                               .fan = {.in = in, .out = out}};
        b = hd_scope_want(s, &want);
    }
    return hd_tensor_linear(x, w, b, NULL, act);
}

hd_tensor *hd_layer_linear_named(hd_nn_scope *s, const char *name, hd_tensor *x, size_t out,
                                 bool bias, hd_act act, hd_tensor *residual, hd_initializer init) {
    hd_scope_push(s, name);
    size_t in = width_of(s, x);
    if (in > 0) {
        hd_tensor *w = hd_scope_weight(s, "weight", 2, (size_t[]){out, in}, init);
        hd_initializer bias_init = init.kind == hd_init_default.kind ? init : hd_init_zeros;
        hd_weight_want want = {.path = "bias",
                               .n_dims = 1,
                               .shape = {out},
                               .init = bias_init,
                               .fan = {.in = in, .out = out}};
        x = hd_tensor_linear(x, w, bias ? hd_scope_want(s, &want) : NULL, residual, act);
    }
    hd_scope_pop(s);
    return x;
}

static hd_tensor *tied(hd_nn_scope *s, hd_tensor *x, const linear_options *o) {
    char path[HD_SCOPE_PATH];
    hd_snprintf(path, sizeof path, "%s.weight", o->tie);
    hd_weight_item *item = hd_weights_find(s->weights, path);
    if (!item) {
        return hd_scope_fail(s,
                             HD_FAIL(HEED_INPUT, "tie: no layer before this one has a weight '%s'",
                                     "tie：此层之前没有权重“%s”", path));
    }
    size_t out = (size_t)o->out;
    hd_tensor *b = o->bias ? hd_scope_weight(s, "bias", 1, &out, hd_init_zeros) : NULL;
    return hd_tensor_linear(x, hd_graph_weight(s->graph, &item->weight), b, NULL, (hd_act)o->act);
}

static hd_tensor *linear_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                               const hd_where *where) {
    const linear_options *o = options;
    hd_initializer init;
    size_t in = hd_scope_values(x);
    if (x->n_dims == 4 ||
        (o->in > 0 && (x->n_dims < 2 || (size_t)o->in != x->shape[x->n_dims - 1]))) {
        hd_shape_text shape = hd_scope_shape(x);
        if (o->in > 0 && (size_t)o->in != in) {
            return hd_scope_fail(
                s,
                HD_FAIL(HEED_INPUT,
                        "in is %lld, but %s comes in, which is %zu values: say in: %zu (or leave "
                        "it out) and put flatten before it",
                        "in 为 %lld，但输入形状为 %s，共 %zu 个值：请写 in: %zu（或省略），"
                        "并在前面加 flatten",
                        (long long)o->in, shape.text, in, in));
        }
        return hd_scope_fail(
            s, HD_FAIL(HEED_INPUT, "%s comes in, which is a map: put flatten (or a pool) before it",
                       "输入形状为 %s，是特征图：请在前面加 flatten（或池化）", shape.text));
    }
    heed_err err = hd_initializer_read(o->init, where, s->arena, hd_init_default, &init);
    if (err != HEED_OK) return hd_scope_fail(s, err);
    if (o->tie) return tied(s, x, o);
    return hd_layer_linear(s, x, (size_t)o->out, o->bias, (hd_act)o->act, init);
}

const hd_layer_kind hd_layer_kind_linear = {
    .kind = {.name = "linear",
             .size = sizeof(linear_options),
             .options = linear_rows,
             .doc =
                 HD_TEXT("every value out is a weighted sum of all values in (the last dimension)",
                         "每个输出值是所有输入值（最后一维）的加权和")},
    .build = linear_build};

// ── embedding ──

typedef struct embedding_options {
    int64_t count, dim;
    const json_t *init;
    double scale;
} embedding_options;
static const hd_option embedding_rows[] = {
    {.name = "count",
     .type = HD_OPTION_INT,
     .at = offsetof(embedding_options, count),
     .min = 1,
     .max = 1e9,
     .required = true,
     .doc = HD_TEXT("different words (or items)", "不同词（或条目）的个数")},
    {.name = "dim",
     .type = HD_OPTION_INT,
     .at = offsetof(embedding_options, dim),
     .min = 1,
     .max = 1e6,
     .required = true,
     .doc = HD_TEXT("values for each", "每个的维数")},
    {.name = "init",
     .type = HD_OPTION_JSON,
     .at = offsetof(embedding_options, init),
     .doc = HD_TEXT("initialiser; default: normal", "初始化方式；默认正态分布")},
    {.name = "scale",
     .type = HD_OPTION_REAL,
     .at = offsetof(embedding_options, scale),
     .initial = 1,
     .min = 1e-9,
     .max = 1e9,
     .doc = HD_TEXT("what the values are multiplied by", "输出乘以的数")},
    {.name = NULL}};

static hd_tensor *embedding_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                  const hd_where *where) {
    const embedding_options *o = options;
    hd_initializer init;
    heed_err err = hd_initializer_read(o->init, where, s->arena, hd_init_unit_normal, &init);
    if (err != HEED_OK) return hd_scope_fail(s, err);
    if (x->dtype != HD_I32) {
        return hd_scope_fail(s, HD_FAIL(HEED_INPUT, "takes whole numbers (indexes), not measures",
                                        "输入须为整数（索引），而不是数值"));
    }
    const size_t shape[] = {(size_t)o->count, (size_t)o->dim};
    hd_tensor *out = hd_tensor_embedding(hd_scope_weight(s, "weight", 2, shape, init), x);
    return o->scale == 1 ? out : hd_tensor_scale(out, (float)o->scale);
}

const hd_layer_kind hd_layer_kind_embedding = {
    .kind = {.name = "embedding",
             .size = sizeof(embedding_options),
             .options = embedding_rows,
             .doc = HD_TEXT("a trained row of values for each index", "为每个索引训练一行数值")},
    .build = embedding_build};

// ── flatten, reshape ──

// (B, H, W, C) as (B, C, H, W).
static hd_tensor *to_interface(hd_tensor *x) {
    if (x->n_dims != 4 || x->shape[3] == 1 || x->shape[1] * x->shape[2] == 1) return x;
    return hd_tensor_permute(x, (int[]){0, 3, 1, 2});
}

hd_tensor *hd_layer_flatten(hd_tensor *x) {
    size_t values = hd_scope_values(x);
    return hd_tensor_reshape(to_interface(x), 2, (size_t[]){x->shape[0], values});
}

static hd_tensor *flatten_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                const hd_where *where) {
    (void)s;
    (void)options;
    (void)where;
    return hd_layer_flatten(x);
}

const hd_layer_kind hd_layer_kind_flatten = {
    .kind = {.name = "flatten",
             .doc = HD_TEXT("all values of a sample in one row, images by channel, row, column",
                            "把样本的所有值排成一行，图像按通道、行、列")},
    .build = flatten_build};

static hd_tensor *reshape_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                const hd_where *where) {
    const hd_ints *shape = &((const input_options *)options)->shape;
    size_t full[HD_MAX_DIMS] = {x->shape[0]}, count = 1;
    (void)where;
    for (size_t i = 0; i < shape->n; i++) {
        if (i + 1 < HD_MAX_DIMS) full[i + 1] = (size_t)shape->at[i];
        bool over = __builtin_mul_overflow(count, (size_t)shape->at[i], &count);
        if (over) count = 0;
    }
    if (count != hd_scope_values(x) || shape->n + 1 > HD_MAX_DIMS) {
        hd_shape_text is = hd_scope_shape(x), wanted = ints_text(shape);
        return hd_scope_fail(s, HD_FAIL(HEED_INPUT,
                                        "%s is %zu values a sample, %s would be %zu: the products "
                                        "must be equal",
                                        "%s 每个样本有 %zu 个值，而 %s 需要 %zu 个：乘积必须相等",
                                        is.text, hd_scope_values(x), wanted.text, count));
    }
    x = hd_tensor_reshape(to_interface(x), (int)shape->n + 1, full);
    return x->n_dims == 4 ? hd_tensor_permute(x, (int[]){0, 2, 3, 1}) : x;
}

const hd_layer_kind hd_layer_kind_reshape = {
    .kind = {.name = "reshape",
             .size = sizeof(input_options),
             .options = input_rows,
             .doc = HD_TEXT("the same values in another shape; three numbers make an image",
                            "相同的值换一种形状；三个数表示图像")},
    .build = reshape_build};

// ── dropout ──

typedef struct dropout_options {
    double p;
} dropout_options;
static const hd_option dropout_rows[] = {
    {.name = "p",
     .type = HD_OPTION_REAL,
     .at = offsetof(dropout_options, p),
     .initial = 0.5,
     .min = 0,
     .max = 0.999,
     .doc = HD_TEXT("the part that is set to 0", "置 0 的比例")},
    {.name = NULL}};

static hd_tensor *dropout_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                const hd_where *where) {
    double p = ((const dropout_options *)options)->p;
    (void)s;
    (void)where;
    return p > 0 ? hd_tensor_dropout(x, (float)p) : x;
}

const hd_layer_kind hd_layer_kind_dropout = {
    .kind = {.name = "dropout",
             .size = sizeof(dropout_options),
             .options = dropout_rows,
             .doc = HD_TEXT("in training, sets a random part of the values to 0",
                            "训练时随机把一部分值置 0")},
    .build = dropout_build};

// ── activations ──

typedef struct leaky_options {
    double slope;
} leaky_options;
static const hd_option leaky_rows[] = {{.name = "slope",
                                        .type = HD_OPTION_REAL,
                                        .at = offsetof(leaky_options, slope),
                                        .initial = 0.01,
                                        .min = -100,
                                        .max = 100,
                                        .doc = HD_TEXT("below 0", "小于 0 时的斜率")},
                                       {.name = NULL}};

static hd_tensor *leaky_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                              const hd_where *where) {
    (void)s;
    (void)where;
    return hd_tensor_leaky_relu(x, (float)((const leaky_options *)options)->slope);
}

const hd_layer_kind hd_layer_kind_leaky_relu = {
    .kind = {.name = "leaky_relu",
             .size = sizeof(leaky_options),
             .options = leaky_rows,
             .doc = HD_TEXT("x above 0, slope·x below", "大于 0 取 x，小于 0 取 slope·x")},
    .build = leaky_build};

#define ACTIVATION(id, en, zh)                                                               \
    static hd_tensor *id##_build(hd_nn_scope *s, hd_tensor *x, const void *options,          \
                                 const hd_where *where) {                                    \
        (void)s;                                                                             \
        (void)options;                                                                       \
        (void)where;                                                                         \
        return hd_tensor_##id(x);                                                            \
    }                                                                                        \
    const hd_layer_kind hd_layer_kind_##id = {.kind = {.name = #id, .doc = HD_TEXT(en, zh)}, \
                                              .build = id##_build}

ACTIVATION(relu, "max(x, 0)", "max(x, 0)");
ACTIVATION(gelu, "x times the normal distribution's share below x",
           "x 乘以正态分布在 x 以下的比例");
ACTIVATION(gelu_tanh, "gelu, by tanh", "用 tanh 近似的 gelu");
ACTIVATION(silu, "x·sigmoid(x)", "x·sigmoid(x)");
ACTIVATION(sigmoid, "1 / (1 + e⁻ˣ): between 0 and 1", "1 / (1 + e⁻ˣ)：介于 0 与 1");
ACTIVATION(tanh, "between −1 and 1", "介于 −1 与 1");
ACTIVATION(softmax, "positive values that sum to 1", "和为 1 的正数");
ACTIVATION(log_softmax, "the logarithm of softmax", "softmax 的对数");
