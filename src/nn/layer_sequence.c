// SPDX-License-Identifier: Apache-2.0
//
// Positions of sequences, their first places, and one row of values from a sequence. Where the data
// has lengths, what stands behind them counts for nothing.
#include "nn/layer_rows.h"

#include <math.h>

#include "base/mem.h"

// ── positions ──

typedef struct positions_options {
    int kind;
    int64_t most;
    const json_t *init;
} positions_options;
static const char *const position_words[] = {"learned", "sinusoidal", NULL};
enum { POSITION_LEARNED, POSITION_SINUSOIDAL };
static const hd_option positions_rows[] = {
    {.name = "kind",
     .type = HD_OPTION_WORD,
     .at = offsetof(positions_options, kind),
     .words = position_words,
     .doc = HD_TEXT("trained rows, or sines of many wave lengths", "训练得到，或不同波长的正弦")},
    {.name = "most",
     .type = HD_OPTION_INT,
     .at = offsetof(positions_options, most),
     .min = 0,
     .max = 1e7,
     .doc = HD_TEXT("longest sequence that may come; 0: what comes first",
                    "允许的最长序列；0：以首次输入为准")},
    {.name = "init",
     .type = HD_OPTION_JSON,
     .at = offsetof(positions_options, init),
     .doc = HD_TEXT("initialiser; default: normal of deviation 0.02",
                    "初始化方式；默认为标准差 0.02 的正态分布")},
    {.name = NULL}};

// Vaswani et al. 2017: sin and cos of position / 10000^(2i/D), beside each other.
static hd_tensor *sinusoidal(hd_nn_scope *s, size_t length, size_t width) {
    float *table = hd_calloc(length * width + 1, sizeof *table);
    if (!table) return hd_scope_fail(s, HD_FAIL_MEMORY(length * width * sizeof *table));
    for (size_t t = 0; t < length; t++) {
        for (size_t i = 0; i < width; i++) {
            double angle = (double)t / pow(10000, (double)(i / 2 * 2) / (double)width);
            table[t * width + i] = (float)(i % 2 ? cos(angle) : sin(angle));
        }
    }
    hd_tensor *out = hd_graph_const(s->graph, 2, (size_t[]){length, width}, table);
    hd_free(table);
    return out;
}

// What came first: a table that is there already, or this length.
static size_t known_places(const hd_nn_scope *s, size_t length) {
    char path[HD_SCOPE_PATH + 8];
    hd_snprintf(path, sizeof path, "%s.weight", s->path);
    const hd_weight_item *item = hd_weights_find(s->weights, path);
    return item ? item->weight.shape[0] : length;
}

static hd_tensor *learned(hd_nn_scope *s, const positions_options *o, const hd_where *where,
                          size_t length, size_t width) {
    hd_initializer init;
    heed_err err = hd_initializer_read(o->init, where, s->arena, hd_init_small_normal, &init);
    if (err != HEED_OK) return hd_scope_fail(s, err);
    size_t most = o->most > 0 ? (size_t)o->most : known_places(s, length);
    if (length > most) {
        return hd_scope_fail(s, HD_FAIL(HEED_INPUT,
                                        "a sequence of %zu comes in, positions go up to %zu: raise "
                                        "most, or cut the sequences",
                                        "输入序列长 %zu，而位置只到 %zu：请调大 most，或截短序列",
                                        length, most));
    }
    hd_tensor *table = hd_scope_weight(s, "weight", 2, (size_t[]){most, width}, init);
    return length == most ? table : hd_tensor_slice(table, 0, 0, length);
}

static hd_tensor *positions_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                  const hd_where *where) {
    const positions_options *o = options;
    if (x->n_dims != 3) {
        hd_shape_text shape = hd_scope_shape(x);
        return hd_scope_fail(s, HD_FAIL(HEED_INPUT, "takes sequences (length, width), not %s",
                                        "需要序列（长度, 宽度），而不是 %s", shape.text));
    }
    hd_tensor *table = o->kind == POSITION_SINUSOIDAL
                           ? sinusoidal(s, x->shape[1], x->shape[2])
                           : learned(s, o, where, x->shape[1], x->shape[2]);
    return hd_tensor_add(x, table);
}

const hd_layer_kind hd_layer_kind_positions = {
    .kind = {.name = "positions",
             .size = sizeof(positions_options),
             .options = positions_rows,
             .doc = HD_TEXT("adds to each place of a sequence what tells it from others",
                            "给序列的每个位置加上可区分的数值")},
    .build = positions_build};

// ── first, last ──

typedef struct end_options {
    int64_t places;
} end_options;
static const hd_option end_rows[] = {{.name = "places",
                                      .type = HD_OPTION_INT,
                                      .at = offsetof(end_options, places),
                                      .required = true,
                                      .min = 1,
                                      .max = 1e7,
                                      .doc = HD_TEXT("how many", "保留的位置数")},
                                     {.name = NULL}};

// Lengths stay as they are: whoever reads them takes no more places than come in.
static hd_tensor *end_build(hd_nn_scope *s, hd_tensor *x, const void *options, bool last) {
    size_t places = (size_t)((const end_options *)options)->places;
    if (x->n_dims != 2 && x->n_dims != 3) {
        hd_shape_text shape = hd_scope_shape(x);
        return hd_scope_fail(
            s, HD_FAIL(HEED_INPUT, "takes sequences, not %s", "需要序列，而不是 %s", shape.text));
    }
    if (places >= x->shape[1]) return x;
    return hd_tensor_slice(x, 1, last ? x->shape[1] - places : 0, places);
}

static hd_tensor *first_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                              const hd_where *where) {
    (void)where;
    return end_build(s, x, options, false);
}

static hd_tensor *last_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                             const hd_where *where) {
    (void)where;
    return end_build(s, x, options, true);
}

const hd_layer_kind hd_layer_kind_first = {
    .kind = {.name = "first",
             .size = sizeof(end_options),
             .options = end_rows,
             .doc = HD_TEXT("the first places of a sequence; a shorter one stays as it is",
                            "序列开头的若干位置；更短的序列保持不变")},
    .build = first_build};

const hd_layer_kind hd_layer_kind_last = {
    .kind = {.name = "last",
             .size = sizeof(end_options),
             .options = end_rows,
             .doc = HD_TEXT("the last places of a sequence; a shorter one stays as it is",
                            "序列末尾的若干位置；更短的序列保持不变")},
    .build = last_build};

// ── masks ──

// 0, 1, 2, … as (1, n).
static hd_tensor *counting(hd_nn_scope *s, size_t n, float by) {
    float *values = hd_calloc(n + 1, sizeof *values);
    if (!values) return hd_scope_fail(s, HD_FAIL_MEMORY(n * sizeof *values));
    for (size_t i = 0; i < n; i++) values[i] = (float)i * by;
    hd_tensor *out = hd_graph_const(s->graph, 1, &n, values);
    hd_free(values);
    return out;
}

static hd_tensor *lengths_f32(hd_nn_scope *s, size_t batch) {
    hd_tensor *f = hd_tensor_cast(s->lengths, HD_F32);
    return hd_tensor_reshape(f, 2, (size_t[]){batch, 1});
}

hd_tensor *hd_layer_mask(hd_nn_scope *s, size_t batch, size_t length) {
    // length − place is at least 1 where the place counts, else at most 0.
    hd_tensor *left = hd_tensor_sub(lengths_f32(s, batch), counting(s, length, 1));
    return hd_tensor_clamp(left, 0, 1);
}

// ── sequence_pool ──

typedef struct pool_options {
    int how;
} pool_options;
static const char *const pool_words[] = {"mean", "max", "last", "sum", NULL};
enum { POOL_MEAN, POOL_MAX, POOL_LAST, POOL_SUM };
static const hd_option pool_rows[] = {
    {.name = "how",
     .type = HD_OPTION_WORD,
     .at = offsetof(pool_options, how),
     .words = pool_words,
     .doc = HD_TEXT("mean, max, sum or last", "平均、最大、求和或最后一个")},
    {.name = NULL}};

static hd_tensor *last_of(hd_nn_scope *s, hd_tensor *x) {
    size_t batch = x->shape[0], length = x->shape[1], width = x->shape[2];
    if (!s->lengths) {
        return hd_tensor_reshape(hd_tensor_slice(x, 1, length - 1, 1), 2, (size_t[]){batch, width});
    }
    hd_tensor *at = hd_tensor_shift(hd_tensor_cast(s->lengths, HD_F32), -1);
    at = hd_tensor_clamp(at, 0, (float)(length - 1));
    at = hd_tensor_add(at, counting(s, batch, (float)length));
    hd_tensor *rows = hd_tensor_reshape(x, 2, (size_t[]){batch * length, width});
    return hd_tensor_gather(rows, hd_tensor_cast(at, HD_I32));
}

static hd_tensor *masked_pool(hd_nn_scope *s, hd_tensor *x, int how) {
    size_t batch = x->shape[0], length = x->shape[1];
    hd_tensor *mask = hd_layer_mask(s, batch, length);
    mask = hd_tensor_reshape(mask, 3, (size_t[]){batch, length, 1});
    if (how == POOL_MAX) { // far below what could be the greatest
        hd_tensor *low = hd_tensor_scale(hd_tensor_shift(mask, -1), 1e30F);
        return hd_tensor_max_over(hd_tensor_add(x, low), 1, 1, false);
    }
    x = hd_tensor_sum(hd_tensor_mul(x, mask), 1, 1, false);
    if (how == POOL_SUM) return x;
    return hd_tensor_div(x, hd_tensor_clamp(lengths_f32(s, batch), 1, (float)length));
}

static hd_tensor *sequence_pool_build(hd_nn_scope *s, hd_tensor *x, const void *options,
                                      const hd_where *where) {
    int how = ((const pool_options *)options)->how;
    (void)where;
    if (x->n_dims != 3) {
        hd_shape_text shape = hd_scope_shape(x);
        return hd_scope_fail(s, HD_FAIL(HEED_INPUT, "takes sequences (length, width), not %s",
                                        "需要序列（长度, 宽度），而不是 %s", shape.text));
    }
    if (how == POOL_LAST) return last_of(s, x);
    if (s->lengths) return masked_pool(s, x, how);
    return how == POOL_MEAN  ? hd_tensor_mean(x, 1, 1, false)
           : how == POOL_MAX ? hd_tensor_max_over(x, 1, 1, false)
                             : hd_tensor_sum(x, 1, 1, false);
}

const hd_layer_kind hd_layer_kind_sequence_pool = {
    .kind = {.name = "sequence_pool",
             .size = sizeof(pool_options),
             .options = pool_rows,
             .doc = HD_TEXT("one row of values from a sequence, by its lengths where the data has "
                            "them",
                            "由序列得到一行数值；数据带长度时按长度计算")},
    .build = sequence_pool_build};
