// SPDX-License-Identifier: Apache-2.0
//
// Layers by name. A network is a list of kinds with options (base/option.h):
//
//     - conv2d: {out: 32, kernel: 3, act: relu}
//     - max_pool
//     - flatten
//     - linear: 10
//
// A kind is one descriptor beside its code and one row in layer_list.c. Every layer also takes
// `name` (else its place in the list, "0", "1", …), which leads the paths of its weights, and
// `frozen` (its weights aren't trained).
#ifndef HD_NN_LAYER_H
#define HD_NN_LAYER_H

#include "nn/scope.h"

typedef struct hd_layer_kind {
    hd_spec_kind kind;
    // where: for nested lists of layers.
    hd_tensor *(*build)(hd_nn_scope *scope, hd_tensor *x, const void *options,
                        const hd_where *where);
} hd_layer_kind;
extern const hd_spec_kinds hd_layer_kinds;

// Builds a list of layers, one behind the other. The first failure sticks (hd_scope_error).
hd_tensor *hd_layers_build(hd_nn_scope *scope, const json_t *list, const hd_where *where,
                           hd_tensor *x);

// ── For layers made of layers ──
// "none", "relu", …: the names of hd_act, for an option of type WORD.
extern const char *const hd_act_words[];
#define HD_OPTION_ACT(struct_name, initial_act)                                  \
    {                                                                            \
        .name = "act", .type = HD_OPTION_WORD, .at = offsetof(struct_name, act), \
        .words = hd_act_words, .initial = (initial_act),                         \
        .doc = HD_TEXT("activation behind it", "其后的激活函数")                 \
    }

// act(x·wᵀ + b) of the scope's "weight" and "bias".
hd_tensor *hd_layer_linear(hd_nn_scope *scope, hd_tensor *x, size_t out, bool bias, hd_act act,
                           hd_initializer init);
// The same in a scope of its own, with act(x·wᵀ + b + residual).
hd_tensor *hd_layer_linear_named(hd_nn_scope *scope, const char *name, hd_tensor *x, size_t out,
                                 bool bias, hd_act act, hd_tensor *residual, hd_initializer init);

#endif
