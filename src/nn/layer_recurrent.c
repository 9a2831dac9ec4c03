// SPDX-License-Identifier: Apache-2.0
//
// RNN, LSTM and GRU, stacked and in both directions, with PyTorch's names and gate orders
// ("weight_ih_l0_reverse"). Where the data has lengths, rows end there.
#include "kernel/recurrent.h"
#include "nn/layer_rows.h"

#include <string.h>

typedef struct recurrent_options {
    int64_t out, layers;
    bool both, last, bias;
    int act;
    double dropout;
} recurrent_options;
static const hd_option recurrent_rows[] = {
    {.name = "out",
     .type = HD_OPTION_INT,
     .at = offsetof(recurrent_options, out),
     .min = 1,
     .max = 1e6,
     .required = true,
     .doc = HD_TEXT("values of the state, in each direction", "每个方向状态的维数")},
    {.name = "layers",
     .type = HD_OPTION_INT,
     .at = offsetof(recurrent_options, layers),
     .initial = 1,
     .min = 1,
     .max = 100,
     .doc = HD_TEXT("stacked", "堆叠层数")},
    {.name = "both",
     .type = HD_OPTION_BOOL,
     .at = offsetof(recurrent_options, both),
     .doc = HD_TEXT("also from the end to the beginning; the two are joined",
                    "双向：另有从尾到头的一路，两者拼接")},
    {.name = "last",
     .type = HD_OPTION_BOOL,
     .at = offsetof(recurrent_options, last),
     .doc = HD_TEXT("gives the last state alone, not one for each place",
                    "只输出最后的状态，而不是每个位置一个")},
    {.name = "bias",
     .type = HD_OPTION_BOOL,
     .at = offsetof(recurrent_options, bias),
     .initial = 1,
     .doc = HD_TEXT("adds biases", "是否加偏置")},
    {.name = "act",
     .type = HD_OPTION_WORD,
     .at = offsetof(recurrent_options, act),
     .words = hd_act_words,
     .initial = HD_ACT_TANH,
     .doc = HD_TEXT("activation of the state", "状态的激活函数")},
    {.name = "dropout",
     .type = HD_OPTION_REAL,
     .at = offsetof(recurrent_options, dropout),
     .max = 0.999,
     .doc = HD_TEXT("between layers", "层间的 dropout")},
    {.name = NULL}};

static hd_tensor *weight(hd_nn_scope *s, const char *what, int64_t layer, bool reverse, int n_dims,
                         const size_t *shape, size_t out) {
    char name[64];
    hd_weight_want want = {.path = name, .n_dims = n_dims, .init = hd_init_default};
    hd_snprintf(name, sizeof name, "%s_l%lld%s", what, (long long)layer, reverse ? "_reverse" : "");
    memcpy(want.shape, shape, (size_t)n_dims * sizeof *shape);
    want.fan = (hd_fan){.in = out, .out = out}; // ±1/√out for all
    return hd_scope_want(s, &want);
}

// One direction of one layer; *final: its last state.
static hd_tensor *direction(hd_nn_scope *s, hd_tensor *x, const recurrent_options *o, hd_cell cell,
                            int64_t layer, bool reverse, hd_tensor **final) {
    static const size_t gates[HD_CELLS] = {
        [HD_CELL_RNN] = 1, [HD_CELL_LSTM] = 4, [HD_CELL_GRU] = 3};
    size_t out = (size_t)o->out, rows = gates[cell] * out, in = x->shape[2];
    hd_recurrent_weights w = {
        .w_ih = weight(s, "weight_ih", layer, reverse, 2, (size_t[]){rows, in}, out),
        .w_hh = weight(s, "weight_hh", layer, reverse, 2, (size_t[]){rows, out}, out)};
    if (o->bias) {
        w.b_ih = weight(s, "bias_ih", layer, reverse, 1, &rows, out);
        w.b_hh = weight(s, "bias_hh", layer, reverse, 1, &rows, out);
    }
    const hd_recurrent_opts opts = {
        .cell = cell, .act = (hd_act)o->act, .reverse = reverse, .lengths = s->lengths};
    x = hd_tensor_recurrent(x, &w, &opts);
    *final = hd_tensor_output(x, 1);
    return x;
}

static hd_tensor *recurrent_build(hd_nn_scope *s, hd_tensor *x, const recurrent_options *o,
                                  hd_cell cell) {
    hd_tensor *last[2] = {x, x};
    if (x->n_dims != 3) {
        hd_shape_text shape = hd_scope_shape(x);
        return hd_scope_fail(s, HD_FAIL(HEED_INPUT, "takes sequences (length, width), not %s",
                                        "需要序列（长度, 宽度），而不是 %s", shape.text));
    }
    for (int64_t layer = 0; layer < o->layers; layer++) {
        if (layer > 0 && o->dropout > 0) x = hd_tensor_dropout(x, (float)o->dropout);
        hd_tensor *ways[2];
        ways[0] = direction(s, x, o, cell, layer, false, &last[0]);
        if (o->both) ways[1] = direction(s, x, o, cell, layer, true, &last[1]);
        if (hd_graph_error(s->graph) != HEED_OK) return x;
        x = o->both ? hd_tensor_concat(2, ways, 2) : ways[0];
    }
    if (!o->last) return x;
    return o->both ? hd_tensor_concat(2, last, 1) : last[0];
}

#define RECURRENT_KIND(id, cell, en, zh)                                                  \
    static hd_tensor *id##_build(hd_nn_scope *s, hd_tensor *x, const void *options,       \
                                 const hd_where *where) {                                 \
        (void)where;                                                                      \
        return recurrent_build(s, x, options, cell);                                      \
    }                                                                                     \
    const hd_layer_kind hd_layer_kind_##id = {.kind = {.name = #id,                       \
                                                       .size = sizeof(recurrent_options), \
                                                       .options = recurrent_rows,         \
                                                       .doc = HD_TEXT(en, zh)},           \
                                              .build = id##_build}
RECURRENT_KIND(rnn, HD_CELL_RNN, "a plain recurrent layer", "简单循环层");
RECURRENT_KIND(lstm, HD_CELL_LSTM, "long short-term memory", "长短期记忆（LSTM）");
RECURRENT_KIND(gru, HD_CELL_GRU, "gated recurrent unit", "门控循环单元（GRU）");
