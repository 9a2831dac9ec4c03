// SPDX-License-Identifier: Apache-2.0
//
// What the passes over a graph know of it. For src/tensor alone.
#ifndef HD_TENSOR_OWN_H
#define HD_TENSOR_OWN_H

#include "base/arena.h"
#include "kernel/gemm.h"
#include "tensor/operator.h"

enum { HD_NONE_INDEX = -1, HD_SCOPE_MAX = 512, HD_SCOPE_DEPTH = 64 };

typedef enum hd_leaf {
    HD_LEAF_NOT,
    HD_LEAF_INPUT,
    HD_LEAF_WEIGHT,
    HD_LEAF_STATE,
    HD_LEAF_CONST
} hd_leaf;

struct hd_tensor_plan {
    hd_leaf leaf;
    hd_tensor *root; // whose memory it is, NULL: its own
    size_t root_at;  // from this byte on
    hd_tensor *twin; // while nodes are copied: the copy
    hd_tensor *dest; // the weight whose gradient it is, NULL: none
    bool keep;       // readable after a run
    bool bound;
    bool held;        // the backward reads it
    bool narrow;      // a root: kept as bf16
    uint32_t uses;    // nodes that read it
    uint32_t n_grads; // of a weight: how many nodes write its gradient
    long buffer;      // of the memory plan
    size_t last;      // place of the last node that needs the memory (of a root)
    // Of a root, before the plan (repeat.c): places of nodes that need it.
    size_t forward_last, backward_first, backward_last;
};

struct hd_node_plan {
    bool backward;
    bool live;
    bool late;        // only run_forward runs it: its gradient's node does its work too
    bool waiting;     // a copy not yet in the order
    hd_node *twin;    // its copy in the backward
    hd_node *of;      // of a copy: whose
    bool repeat;      // dear, but made again (repeat.c)
    int depth;        // there: how many such nodes in a row
    uint8_t segment;  // of checkpointing, 0: none
    uint32_t adds;    // bit i: output i adds to a gradient even when runs replace
    uint32_t dests;   // bit i: output i is a weight's gradient
    size_t alias_at;  // of an aliasing operator: where in input 0 its output begins
    size_t workspace; // bytes
    long buffer;      // of the workspace
    void *memory;     // the same, after compile
    int8_t taken;     // input whose memory output 0 stands in, −1
    uint32_t takes[HD_MAX_OUTPUTS];   // inputs whose memory output i may take
    bool fused;                       // takes is set, and:
    uint32_t reads_bf16, writes_bf16; // as an operator's
    double seconds;                   // the least that a run of it took, 0: not looked at
};

struct hd_graph {
    hd_graph_opts opts;
    hd_arena arena;
    bool failed, compiled, accumulate, check_finite, profile;
    hd_error error; // what stuck
    hd_tensor dud;  // what operators return after a misuse
    struct hd_tensor_plan dud_plan;
    hd_node **nodes; // in the order of the run
    size_t n_nodes, nodes_cap;
    hd_tensor **tensors;
    size_t n_tensors, tensors_cap;
    uint64_t next_id;
    bool in_backward;
    uint8_t segment, n_segments;
    char scope[HD_SCOPE_MAX];
    size_t scope_end[HD_SCOPE_DEPTH];
    int depth;
    const char *scope_kept; // the copy of `scope` that nodes point to, NULL: changed since
    hd_pool *pool;
    unsigned char *memory;
    size_t bytes;
    double flops;
};

static inline hd_graph *hd_graph_of(const hd_tensor *t) {
    return t ? t->graph : NULL;
}
static inline hd_tensor *hd_tensor_root(hd_tensor *t) {
    return t->plan->root ? t->plan->root : t;
}
static inline size_t hd_tensor_bytes(const hd_tensor *t) {
    return t->count * hd_dtype_size(t->dtype);
}

// graph.c. A tensor or node that belongs to the graph; NULL: the failure stuck.
hd_tensor *hd_tensor_new(hd_graph *graph);
hd_node *hd_node_new(hd_graph *graph, const hd_operator *op, int n_in, hd_tensor *const *in,
                     const void *attrs); // not yet in the order
heed_err hd_node_append(hd_graph *graph, hd_node *node) HEED_CHECK;
// A copy that computes the node once more; inputs that have a twin become it, outputs get one.
hd_node *hd_node_again(hd_graph *graph, const hd_node *node);
void hd_graph_renumber(hd_graph *graph);

// The passes of compile, in this order.
heed_err hd_pass_remake(hd_graph *graph) HEED_CHECK;   // remake.c: cheap values computed again
heed_err hd_repeat_choose(hd_graph *graph) HEED_CHECK; // repeat.c: which dear ones, part of it
heed_err hd_pass_live(hd_graph *graph) HEED_CHECK;     // compile.c: drops what nobody reads
heed_err hd_pass_fuse(hd_graph *graph) HEED_CHECK;     // fuse.c
heed_err hd_pass_narrow(hd_graph *graph) HEED_CHECK;   // narrow.c: values kept as bf16
heed_err hd_pass_plan(hd_graph *graph) HEED_CHECK;     // plan.c: offsets and bytes
// fuse.c
extern const hd_operator hd_operator_fused;
const char *hd_node_name(const hd_node *node); // of a fused one: its members'
// op_elementwise.c: one step of it as a program.
heed_err hd_elementwise_forward(const hd_node *node, const hd_run *run) HEED_CHECK;
void hd_vec_in_of(const hd_tensor *in, const hd_tensor *out, hd_vec_in *vec); // all but data

// The gradient d of act's result, through act. pre: its input, y: its result; which of them is read
// is act's matter (hd_act_needs_pre).
hd_tensor *hd_act_backward(hd_act act, hd_tensor *pre, hd_tensor *y, hd_tensor *d);
// A node that computes y = act(pre) once more, not yet appended; y's twin is its result.
hd_node *hd_act_again(hd_act act, hd_tensor *pre, hd_tensor *y);
static inline bool hd_act_needs_pre(hd_act act) {
    return act == HD_ACT_GELU || act == HD_ACT_GELU_TANH || act == HD_ACT_SILU;
}

#endif
