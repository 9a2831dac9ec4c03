// SPDX-License-Identifier: Apache-2.0
//
// Where a layer is built: the graph it goes into, the set its weights come from, and its path. A
// layer's function takes a scope and a tensor and returns a tensor; the first failure sticks in the
// graph, with the place in the specification in front of its message.
//
// Inside a graph the batch is the first dimension; sequences are (B, T, D), images (B, H, W, C).
// Messages show shapes as the interface has them: without the batch, images as (C, H, W).
#ifndef HD_NN_SCOPE_H
#define HD_NN_SCOPE_H

#include "nn/weights.h"
#include "tensor/graph.h"
#include "tensor/ops.h"

enum { HD_SCOPE_KEPT = 64, HD_SCOPE_PATH = 240, HD_SCOPE_DEPTH = 32, HD_SCOPE_LAYERS = 20000 };

typedef struct hd_kept {
    const char *name; // borrowed
    hd_tensor *tensor;
} hd_kept;

typedef struct hd_nn_scope {
    hd_graph *graph;
    hd_weights *weights;
    hd_arena *arena; // of the building
    char path[HD_SCOPE_PATH];
    int depth;
    size_t n_layers;             // built so far: a page of nested repetitions is refused
    bool frozen;                 // weights made here aren't trained
    hd_tensor *lengths;          // (B) i32: how much of each sequence counts; NULL: all of it
    hd_kept kept[HD_SCOPE_KEPT]; // inputs and what layers kept, by name
    size_t n_kept;
    bool fused_loss;  // the loss was built from the last layer's inputs: its output isn't needed
    hd_error failure; // the first one, with its place
    bool failed;
} hd_nn_scope;

void hd_scope_init(hd_nn_scope *scope, hd_graph *graph, hd_weights *weights, hd_arena *arena);
void hd_scope_push(hd_nn_scope *scope, const char *name);
void hd_scope_pop(hd_nn_scope *scope);

// A weight of the scope's path: "<path>.<name>". Shape as held.
hd_tensor *hd_scope_weight(hd_nn_scope *scope, const char *name, int n_dims, const size_t *shape,
                           hd_initializer init);
// The same with all that can be said of one; want.path is the last name alone.
hd_tensor *hd_scope_want(hd_nn_scope *scope, const hd_weight_want *want);

hd_tensor *hd_scope_fail(hd_nn_scope *scope, heed_err err);
// Puts the place in front of the graph's failure when it is a new one.
void hd_scope_check(hd_nn_scope *scope, const hd_where *where);
heed_err hd_scope_error(hd_nn_scope *scope) HEED_CHECK;

hd_tensor *hd_scope_find(const hd_nn_scope *scope, const char *name); // NULL: none
heed_err hd_scope_keep(hd_nn_scope *scope, const char *name, hd_tensor *tensor) HEED_CHECK;

// "(64, 14, 14)": a tensor's shape as the interface has it.
hd_shape_text hd_scope_shape(const hd_tensor *x);
// The values of one sample.
size_t hd_scope_values(const hd_tensor *x);

#endif
