// SPDX-License-Identifier: Apache-2.0
//
// A graph of operators on tensors: built once for its shapes, checked, differentiated, fused, its
// memory planned, and run many times.
//
//     hd_graph *g;
//     HD_TRY(hd_graph_new(&(hd_graph_opts){.training = true}, &g));
//     hd_tensor *x = hd_graph_input(g, "x", HD_F32, 2, (size_t[]){64, 784});
//     hd_tensor *y = hd_graph_input(g, "label", HD_I32, 1, (size_t[]){64});
//     hd_tensor *out = hd_tensor_linear(x, hd_graph_weight(g, &w), hd_graph_weight(g, &b),
//     HD_ACT_NONE); hd_tensor *loss = hd_tensor_cross_entropy(out, y, NULL); hd_graph_output(loss);
//     hd_graph_grad(loss);
//     HD_TRY(hd_graph_compile(g, pool));   // the first misuse comes out here
//     … fill x->data and y->data …
//     HD_TRY(hd_graph_run(g, step));       // loss->data, w.grad, b.grad
//
// Errors stick: after the first misuse every operator returns a harmless tensor, and compile (or
// hd_graph_error) tells what it was, with operator, layer and both shapes.
//
// Threads: one graph, one thread at a time; a run uses its pool.
#ifndef HD_TENSOR_GRAPH_H
#define HD_TENSOR_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/pool.h"
#include "base/str.h"
#include "kernel/dtype.h"
#include "tensor/weight.h"

enum { HD_MAX_INPUTS = 16, HD_MAX_OUTPUTS = 8 };

typedef struct hd_graph hd_graph;
typedef struct hd_node hd_node;
typedef struct hd_operator hd_operator; // tensor/operator.h
typedef struct hd_tensor hd_tensor;

struct hd_tensor {
    hd_graph *graph;
    hd_node *node;  // that makes it; NULL: a leaf
    int output;     // which of its outputs
    hd_dtype dtype; // after compile, HD_BF16 where an f32 value is kept so (tensor/narrow.c)
    int n_dims;
    size_t shape[HD_MAX_DIMS]; // outermost first, row-major; n_dims 0 is a scalar
    size_t count;
    const char *name;  // of a leaf
    hd_weight *weight; // of a weight or state, else NULL
    bool needs_grad;
    hd_tensor *grad; // after hd_graph_grad; NULL for weights (whose gradient is weight->grad)
    void *data;      // after compile; of an input also when bound
    struct hd_tensor_plan *plan;
};

struct hd_node {
    const hd_operator *op;
    int n_in, n_out;
    hd_tensor *in[HD_MAX_INPUTS]; // NULL where an optional one is absent
    hd_tensor *out[HD_MAX_OUTPUTS];
    void *attrs;       // (op->attrs_size)
    const char *scope; // layer path, "" at the top
    uint64_t id;       // of random numbers: a node computed again has the same
    bool again;        // a forward node computed again for the backward: state isn't written twice
    size_t index;      // place in the order of the run
    struct hd_node_plan *plan;
};

typedef struct hd_graph_opts {
    bool training;          // dropout drops, batch statistics are of the batch
    hd_precision precision; // HD_PRECISE_BF16: products round their operands, and values that
                            // operators can keep as bf16 are kept so
    bool wide;              // … not: all values stay f32
    uint64_t seed;          // of dropout
    bool keep_cheap;        // keeps values that are cheap to make again: more memory, less work
    size_t memory_limit;    // bytes of values and workspace; 0: none but memory.limit. Above it,
                            // values are made again in the backward, dear ones too (repeat.c)
} hd_graph_opts;

heed_err hd_graph_new(const hd_graph_opts *opts, hd_graph **out) HEED_CHECK; // NULL: all zero
void hd_graph_free(hd_graph *graph);
const hd_graph_opts *hd_graph_opts_get(const hd_graph *graph);

// ── Leaves ──
// An input's data is filled by the caller before each run, or bound to the caller's own memory
// (aligned to its type; before or after compile; bound before, none is allocated).
hd_tensor *hd_graph_input(hd_graph *graph, const char *name, hd_dtype dtype, int n_dims,
                          const size_t *shape);
void hd_graph_bind(hd_tensor *input, void *data);
// The same weight twice is the same tensor. weight: borrowed until the graph is freed.
hd_tensor *hd_graph_weight(hd_graph *graph, hd_weight *weight);
// Values kept from run to run: no gradient; operators may write them in training.
hd_tensor *hd_graph_state(hd_graph *graph, hd_weight *weight);
hd_tensor *hd_graph_const(hd_graph *graph, int n_dims, const size_t *shape,
                          const float *data); // copied
hd_tensor *hd_graph_scalar(hd_graph *graph, float value);
// Makes an input or constant differentiable: after hd_graph_grad its ->grad stands.
void hd_graph_want_grad(hd_tensor *leaf);

// ── Building ──
// Names of layers, for messages and the plan: "encoder.0.attention".
void hd_graph_scope_push(hd_graph *graph, const char *name);
void hd_graph_scope_pop(hd_graph *graph);
// Puts a failure of the builder into the graph (the first one stays) and returns a harmless tensor.
//     return hd_graph_fail(g, HD_FAIL(HEED_INPUT, …));
hd_tensor *hd_graph_fail(hd_graph *graph, heed_err err);
heed_err hd_graph_error(const hd_graph *graph) HEED_CHECK; // the first misuse
// Another output of the operator that made t (op's order); t itself when there is none such.
hd_tensor *hd_tensor_output(hd_tensor *t, int i);
void hd_graph_output(hd_tensor *t); // keeps it readable after a run
// Between these, values needed by the backward are computed again rather than kept: memory for a
// third more work. Not nested.
void hd_graph_checkpoint_begin(hd_graph *graph);
void hd_graph_checkpoint_end(hd_graph *graph);
// Appends the backward of a scalar. Weights' gradients are added up in weight->grad. Returns the
// loss. A second call adds its gradients to the first's (two losses in one graph).
hd_tensor *hd_graph_grad(hd_tensor *loss);

// ── Running ──
// Checks, fuses, plans memory and allocates it once. After it nothing can be added.
heed_err hd_graph_compile(hd_graph *graph, hd_pool *pool) HEED_CHECK; // pool: borrowed, may be NULL
// true: runs add to weight->grad; false (at first): they replace it.
void hd_graph_accumulate(hd_graph *graph, bool on);
// step: counter of dropout's random numbers.
heed_err hd_graph_run(hd_graph *graph, uint64_t step) HEED_CHECK;
heed_err hd_graph_run_forward(hd_graph *graph) HEED_CHECK; // up to the first backward node
// After each node, the first NaN or infinity is an error that names operator, layer and place.
// Set before compile, operators aren't fused, so that the name is exact.
void hd_graph_check_finite(hd_graph *graph, bool on);
// Takes each node's processor time of the calling thread (so: without a pool); the plan shows the
// least of all runs since.
void hd_graph_profile(hd_graph *graph, bool on);

// ── Looking ──
void hd_graph_print(const hd_graph *graph, hd_str *out); // the plan
size_t hd_graph_bytes(const hd_graph *graph); // values and workspace at their peak; after compile
double hd_graph_flops(const hd_graph *graph); // of a run, but what remake.c makes again
size_t hd_graph_nodes(const hd_graph *graph); // that run
const hd_node *hd_graph_node_at(const hd_graph *graph, size_t i);

// "(128, 784)".
typedef struct hd_shape_text {
    char text[160];
} hd_shape_text;
hd_shape_text hd_tensor_shape(const hd_tensor *t);

#endif
