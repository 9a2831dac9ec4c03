// SPDX-License-Identifier: Apache-2.0
//
// Attention and Transformers. One linear layer makes queries, keys and values side by side ("qkv");
// adding what went around is part of the linear layer behind it, where no dropout stands between.
// Padding behind a sequence's length isn't seen.
//
// An encoder with `causal` is a language model's body. A decoder that names a `memory` looks at it
// too: encoder, `keep: memory`, `use: target`, …, decoder.
#include "nn/layer_rows.h"

typedef struct block_options {
    int64_t layers, heads, kv_heads, width;
    int places;
    double base;
    double dropout, attention_dropout;
    bool causal, post, bias;
    int act, norm;
    const char *memory, *times;
} block_options;

static const char *const norm_words[] = {"layer", "rms", NULL};
static const char *const place_words[] = {"none", "rotary", "distance", NULL};
enum { PLACES_NONE, PLACES_ROTARY, PLACES_DISTANCE, BUCKETS = 32 };
// Differences of times: two buckets to each doubling, which reaches over all of an i32.
enum { TIME_BUCKETS = 64, TIME_OCTAVE_BITS = 1 };

#define INT_ROW(field, start, low, high, need, en, zh)                               \
    {                                                                                \
        .name = #field, .type = HD_OPTION_INT, .at = offsetof(block_options, field), \
        .initial = (start), .min = (low), .max = (high), .required = (need),         \
        .doc = HD_TEXT(en, zh)                                                       \
    }
#define ATTENTION_ROWS                                                                             \
    INT_ROW(heads, 0, 1, 4096, true, "heads", "头数"),                                             \
        INT_ROW(kv_heads, 0, 0, 4096, false,                                                       \
                "heads of keys and values, shared by the others; 0: as many",                      \
                "键和值的头数，由多个查询头共用；0：与头数相同"),                                  \
        {.name = "places",                                                                         \
         .type = HD_OPTION_WORD,                                                                   \
         .at = offsetof(block_options, places),                                                    \
         .words = place_words,                                                                     \
         .doc =                                                                                    \
             HD_TEXT("how places are told apart here: none, rotary, or distance (a trained bias)", \
                     "此处如何区分位置：none、rotary 或 distance（训练得到的偏置）")},             \
        {.name = "base",                                                                           \
         .type = HD_OPTION_REAL,                                                                   \
         .at = offsetof(block_options, base),                                                      \
         .initial = 10000,                                                                         \
         .min = 1,                                                                                 \
         .max = 1e9,                                                                               \
         .doc = HD_TEXT("longest wave of rotary places", "rotary 的最长波长")},                    \
        {.name = "times",                                                                          \
         .type = HD_OPTION_TEXT,                                                                   \
         .at = offsetof(block_options, times),                                                     \
         .doc = HD_TEXT("an input of whole numbers, a time for each place: adds a trained bias "   \
                        "by how far two are apart",                                                \
                        "一个整数输入，每个位置一个时间：按两者相隔多久加上训练得到的偏置")},      \
        {.name = "dropout",                                                                        \
         .type = HD_OPTION_REAL,                                                                   \
         .at = offsetof(block_options, dropout),                                                   \
         .max = 0.999,                                                                             \
         .doc = HD_TEXT("behind each part", "每个部分之后的 dropout")},                            \
        {.name = "attention_dropout",                                                              \
         .type = HD_OPTION_REAL,                                                                   \
         .at = offsetof(block_options, attention_dropout),                                         \
         .max = 0.999,                                                                             \
         .doc =                                                                                    \
             HD_TEXT("of the weights by which a place looks at others", "注意力权重的 dropout")},  \
    {                                                                                              \
        .name = "bias", .type = HD_OPTION_BOOL, .at = offsetof(block_options, bias), .initial = 1, \
        .doc = HD_TEXT("of the linear layers", "线性层是否加偏置")                                 \
    }
#define CAUSAL_ROW                                                                       \
    {                                                                                    \
        .name = "causal", .type = HD_OPTION_BOOL, .at = offsetof(block_options, causal), \
        .doc = HD_TEXT("a place sees none behind it", "每个位置看不到其后的内容")        \
    }
#define TRANSFORMER_ROWS                                                                   \
    INT_ROW(layers, 1, 1, 1000, false, "blocks", "块数"),                                  \
        INT_ROW(width, 0, 0, 1e6, false, "of the layer between; 0: four times the values", \
                "中间层宽度；0：四倍"),                                                    \
        {.name = "act",                                                                    \
         .type = HD_OPTION_WORD,                                                           \
         .at = offsetof(block_options, act),                                               \
         .words = hd_act_words,                                                            \
         .initial = HD_ACT_GELU,                                                           \
         .doc = HD_TEXT("of the layer between", "中间层的激活函数")},                      \
        {.name = "norm",                                                                   \
         .type = HD_OPTION_WORD,                                                           \
         .at = offsetof(block_options, norm),                                              \
         .words = norm_words,                                                              \
         .doc = HD_TEXT("layer or rms", "layer 或 rms")},                                  \
    {                                                                                      \
        .name = "post", .type = HD_OPTION_BOOL, .at = offsetof(block_options, post),       \
        .doc = HD_TEXT("norms behind the parts (2017), not before them",                   \
                       "归一化放在各部分之后（2017 年原版），而不是之前")                  \
    }
static const hd_option attention_rows[] = {ATTENTION_ROWS, CAUSAL_ROW, {.name = NULL}};
static const hd_option encoder_rows[] = {
    ATTENTION_ROWS, CAUSAL_ROW, TRANSFORMER_ROWS, {.name = NULL}};
static const hd_option decoder_rows[] = {
    ATTENTION_ROWS,
    TRANSFORMER_ROWS,
    {.name = "memory",
     .type = HD_OPTION_TEXT,
     .at = offsetof(block_options, memory),
     .doc = HD_TEXT("a kept result that every block looks at", "每个块都会查看的已保留结果")},
    {.name = NULL}};

static bool check(hd_nn_scope *s, const hd_tensor *x, const block_options *o) {
    hd_shape_text shape = hd_scope_shape(x);
    if (x->n_dims != 3) {
        hd_scope_fail(s, HD_FAIL(HEED_INPUT, "takes sequences (length, width), not %s",
                                 "需要序列（长度, 宽度），而不是 %s", shape.text));
        return false;
    }
    size_t heads = (size_t)o->heads, kv = o->kv_heads ? (size_t)o->kv_heads : heads;
    if (x->shape[2] % heads == 0 && heads % kv == 0) return true;
    hd_scope_fail(s, HD_FAIL(HEED_INPUT,
                             "%s comes in: its width must be a multiple of %zu heads, and those of "
                             "%zu kv_heads",
                             "输入为 %s：宽度须是 %zu 个头的倍数，头数须是 %zu 个 kv_heads 的倍数",
                             shape.text, heads, kv));
    return false;
}

static hd_tensor *dropped(hd_tensor *x, double p) {
    return p > 0 ? hd_tensor_dropout(x, (float)p) : x;
}

// linear(x) + residual, with dropout between where there is some.
static hd_tensor *joined(hd_nn_scope *s, const char *name, hd_tensor *x, size_t out,
                         const block_options *o, hd_tensor *residual) {
    bool fused = residual && o->dropout == 0;
    x = hd_layer_linear_named(s, name, x, out, o->bias, HD_ACT_NONE, fused ? residual : NULL,
                              hd_init_default);
    if (!residual || fused) return x;
    return hd_tensor_add(dropped(x, o->dropout), residual);
}

// A bias by the times of the places. False: there is no such input, which sticks in the scope.
static bool time_bias(hd_nn_scope *s, const hd_tensor *x, const block_options *o,
                      hd_attention_opts *opts) {
    hd_tensor *times = hd_scope_find(s, o->times);
    if (!times || times->dtype != HD_I32 || times->n_dims != 2 || times->shape[1] != x->shape[1]) {
        hd_shape_text shape = hd_scope_shape(x);
        hd_scope_fail(
            s, HD_FAIL(HEED_INPUT,
                       "times: '%s' must be an input of whole numbers, one for each place "
                       "of the sequence %s",
                       "times：“%s”应为整数输入，序列 %s 的每个位置一个", o->times, shape.text));
        return false;
    }
    opts->by_time =
        hd_scope_weight(s, "time", 2, (size_t[]){opts->heads, TIME_BUCKETS}, hd_init_small_normal);
    opts->q_time = times;
    opts->octave_bits = TIME_OCTAVE_BITS;
    return true;
}

// Of x to itself, or to memory.
static hd_tensor *attend(hd_nn_scope *s, hd_tensor *x, hd_tensor *memory, const block_options *o,
                         bool causal, hd_tensor *residual) {
    size_t width = x->shape[2], heads = (size_t)o->heads, head = width / heads;
    size_t kv = o->kv_heads ? (size_t)o->kv_heads : heads;
    hd_attention_opts opts = {
        .heads = heads, .kv_heads = kv, .causal = causal, .dropout = (float)o->attention_dropout};
    // (A causal model never looks at padding, which stands behind.)
    if (!causal) opts.lengths = s->lengths;
    if (o->places == PLACES_DISTANCE && !memory) {
        const hd_distance_opts by = {.queries = x->shape[1], .keys = x->shape[1], .both = !causal};
        hd_tensor *table =
            hd_scope_weight(s, "distance", 2, (size_t[]){heads, BUCKETS}, hd_init_small_normal);
        opts.by_distance = hd_tensor_distance_bias(table, &by);
    }
    if (o->times && !memory && !time_bias(s, x, o, &opts)) return x;
    hd_tensor *y;
    if (memory) {
        hd_tensor *q =
            hd_layer_linear_named(s, "q", x, width, o->bias, HD_ACT_NONE, NULL, hd_init_default);
        hd_tensor *both = hd_layer_linear_named(s, "kv", memory, 2 * kv * head, o->bias,
                                                HD_ACT_NONE, NULL, hd_init_default);
        y = hd_tensor_attention(q, both, NULL, &opts);
    } else {
        y = hd_layer_linear_named(s, "qkv", x, (heads + 2 * kv) * head, o->bias, HD_ACT_NONE, NULL,
                                  hd_init_default);
        if (o->places == PLACES_ROTARY) {
            const hd_rotary_opts turn = {
                .heads = heads + kv, .head_dim = head, .base = (float)o->base};
            y = hd_tensor_rotary(y, &turn);
        }
        y = hd_tensor_attention(y, NULL, NULL, &opts);
    }
    return joined(s, "out", y, width, o, residual);
}

static hd_tensor *attention_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                  const hd_where *where) {
    const block_options *o = options;
    (void)where;
    return check(s, x, o) ? attend(s, x, NULL, o, o->causal, NULL) : x;
}

const hd_layer_kind hd_layer_kind_attention = {
    .kind = {.name = "attention",
             .size = sizeof(block_options),
             .options = attention_rows,
             .doc = HD_TEXT("every place of a sequence looks at the others",
                            "序列的每个位置查看其他位置")},
    .build = attention_build};

// ── Blocks ──

static hd_tensor *norm(hd_nn_scope *s, const char *name, hd_tensor *x, const block_options *o) {
    return hd_layer_norm_named(s, name, x, o->norm == 1);
}

static hd_tensor *attention_part(hd_nn_scope *s, hd_tensor *x, hd_tensor *memory,
                                 const block_options *o, bool causal) {
    const char *name = memory ? "cross" : "attention", *norm_name = memory ? "norm_cross" : "norm1";
    hd_tensor *in = o->post ? x : norm(s, norm_name, x, o);
    hd_scope_push(s, name);
    x = attend(s, in, memory, o, causal, x);
    hd_scope_pop(s);
    return o->post ? norm(s, norm_name, x, o) : x;
}

static hd_tensor *between_part(hd_nn_scope *s, hd_tensor *x, const block_options *o) {
    size_t values = x->shape[2], width = o->width ? (size_t)o->width : 4 * values;
    hd_tensor *in = o->post ? x : norm(s, "norm2", x, o);
    hd_tensor *y = hd_layer_linear_named(s, "linear1", in, width, o->bias, (hd_act)o->act, NULL,
                                         hd_init_default);
    x = joined(s, "linear2", dropped(y, o->dropout), values, o, x);
    return o->post ? norm(s, "norm2", x, o) : x;
}

static hd_tensor *blocks(hd_nn_scope *s, hd_tensor *x, hd_tensor *memory, const block_options *o,
                         bool causal) {
    if (!check(s, x, o)) return x;
    for (int64_t i = 0; i < o->layers && hd_graph_error(s->graph) == HEED_OK; i++) {
        char name[24];
        hd_snprintf(name, sizeof name, "%lld", (long long)i);
        hd_scope_push(s, name);
        x = attention_part(s, x, NULL, o, causal);
        if (memory) x = attention_part(s, x, memory, o, false);
        x = between_part(s, x, o);
        hd_scope_pop(s);
    }
    return o->post || hd_graph_error(s->graph) != HEED_OK ? x : norm(s, "norm", x, o);
}

static hd_tensor *transformer_encoder_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                            const hd_where *where) {
    const block_options *o = options;
    (void)where;
    return blocks(s, x, NULL, o, o->causal);
}

static hd_tensor *transformer_decoder_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                            const hd_where *where) {
    const block_options *o = options;
    hd_tensor *memory = o->memory ? hd_scope_find(s, o->memory) : NULL;
    (void)where;
    if (o->memory && !memory) {
        return hd_scope_fail(s, HD_FAIL(HEED_INPUT, "memory: nothing is named '%s' here",
                                        "memory：此处没有名为“%s”的结果", o->memory));
    }
    return blocks(s, x, memory, o, true);
}

const hd_layer_kind hd_layer_kind_transformer_encoder = {
    .kind = {.name = "transformer_encoder",
             .size = sizeof(block_options),
             .options = encoder_rows,
             .doc = HD_TEXT("blocks of attention and a layer between; causal: a language model",
                            "由注意力与中间层组成的块；causal 即语言模型")},
    .build = transformer_encoder_build};
const hd_layer_kind hd_layer_kind_transformer_decoder = {
    .kind = {.name = "transformer_decoder",
             .size = sizeof(block_options),
             .options = decoder_rows,
             .doc =
                 HD_TEXT("causal blocks that also look at a memory", "还会查看 memory 的因果块")},
    .build = transformer_decoder_build};
