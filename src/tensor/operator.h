// SPDX-License-Identifier: Apache-2.0
//
// What an operator is: one file holds its shape rule, forward, reference, backward, samples and a
// builder; a row in operator_list.c makes it known to the tests. A gradient's operator is one like
// any other, but needs no backward of its own.
#ifndef HD_TENSOR_OPERATOR_H
#define HD_TENSOR_OPERATOR_H

#include "kernel/vec.h"
#include "tensor/graph.h"

// What a run lends an operator.
typedef struct hd_run {
    hd_pool *pool;
    void *workspace; // as op->workspace asked, 64-byte aligned
    uint64_t step, seed;
    bool training;
    hd_precision precision;
    uint32_t accumulate; // bit i: add to output i instead of writing it (op->accumulates)
} hd_run;

typedef struct hd_samples hd_samples;

struct hd_operator {
    const char *name;
    int n_in; // 0: from 1 to HD_MAX_INPUTS
    int n_out;
    size_t attrs_size;
    uint32_t optional; // bit i: input i may be NULL
    // Sets the outputs' dtype and shape (hd_out_set), or HD_FAILs with the shapes; operator and
    // layer are put before the message. A fixed n_out may be lowered: node->n_out.
    heed_err (*shape)(hd_node *node);
    heed_err (*forward)(const hd_node *node, const hd_run *run);
    // The plain formula in double, integers as doubles too. in[i] NULL where absent.
    void (*reference)(const hd_node *node, const double *const *in, double *const *out);
    // Appends the nodes of the backward (hd_operator_apply, builders). grad_out[i] is NULL where
    // nothing depends on output i; grad_in[i] stays NULL where there is none, and need not be set
    // where !in[i]->needs_grad. Misuse sticks in the graph.
    heed_err (*backward)(hd_node *node, hd_tensor *const *grad_out, hd_tensor **grad_in);
    size_t (*workspace)(const hd_node *node, size_t threads); // bytes
    double (*flops)(const hd_node *node);
    uint32_t in_place;              // bit i: output 0 may stand in input i's memory (same bytes)
    uint32_t takes[HD_MAX_OUTPUTS]; // the same of the other outputs
    uint32_t accumulates;           // bit i: forward honours run->accumulate for output i
    uint32_t no_grad;               // bit i: output i isn't differentiable (indexes, statistics)
    uint32_t reads_bf16;            // bit i: input i, a f32 value, may be kept as bf16 (its dtype)
    uint32_t writes_bf16;           // bit i: so may output i
    bool (*narrow)(const hd_node *node); // false: not this node, on the path chosen; NULL: any
    bool alias;  // output 0 is input 0's memory (from byte node_alias_offset on)
    bool effect; // writes state: stays though nobody reads its outputs
    bool sparse; // keeps weight->sparse and ->rows itself
    int redoes;  // 1 + an input whose maker's work this node does again (0: none): where nobody
                 // reads that in between, a whole run leaves it to this node
    // Makes a node, not yet appended, that computes output 0 for little from what the node keeps
    // anyway, and sets output 0's twin; NULL: it can't. (cheap: the node itself once more.)
    hd_node *(*remake)(hd_node *node);
    // Makes `other`, made before the node and of output 0's shape, a part of output 0's sum; false:
    // it can't.
    bool (*takes_sum)(hd_node *node, hd_tensor *other);
    bool repeats; // may be computed again where memory is short: its work is its flops
    bool cheap;   // little work for what it saves: computed again rather than kept
    // Of an elementwise operator: its opcode (0: none), and what it needs of attrs.
    hd_vec_op vec;
    hd_vec_arg (*vec_arg)(const hd_node *node, const hd_run *run); // run NULL: before any
    void (*samples)(hd_samples *samples);
};

extern const hd_operator *const hd_operators[]; // NULL-terminated: operator_list.c

// Appends a node. Returns its first output; a harmless tensor after a misuse. attrs: copied.
hd_tensor *hd_operator_apply(hd_graph *graph, const hd_operator *op, int n_in, hd_tensor *const *in,
                             const void *attrs);

// ── For shape rules ──
heed_err hd_out_set(hd_node *node, int i, hd_dtype dtype, int n_dims,
                    const size_t *shape) HEED_CHECK; // checks the product for overflow
heed_err hd_out_like(hd_node *node, int i, const hd_tensor *t) HEED_CHECK;
// HEED_INPUT with the shape when it isn't so. what: HD_TEXT-like pair naming the input.
heed_err hd_in_is(const hd_node *node, int i, hd_dtype dtype, int n_dims) HEED_CHECK; // -1: any
// Output 0 of an aliasing operator begins here in input 0.
void hd_out_alias(hd_node *node, size_t byte_offset);

// ── For backwards ──
// Sums grad down to the shape of `like`, undoing a broadcast; grad itself where they agree.
hd_tensor *hd_grad_reduce(hd_tensor *grad, const hd_tensor *like);

// ── For forwards ──
static inline const float *hd_in_f32(const hd_node *node, int i) {
    return node->in[i] ? (const float *)node->in[i]->data : NULL;
}
static inline const int32_t *hd_in_i32(const hd_node *node, int i) {
    return node->in[i] ? (const int32_t *)node->in[i]->data : NULL;
}
static inline float *hd_out_f32(const hd_node *node, int i) {
    return (float *)node->out[i]->data;
}
// The weight whose gradient output i is written to, or NULL.
hd_weight *hd_out_weight(const hd_node *node, int i);

// ── Samples for the generic tests: one application of the operator each ──
typedef enum hd_sample_kind {
    HD_SAMPLE_NONE,  // absent (optional input)
    HD_SAMPLE_DIFF,  // f32, differentiated
    HD_SAMPLE_FIXED, // f32, not differentiated
    HD_SAMPLE_INDEX, // i32 in [low, high)
    HD_SAMPLE_STATE  // f32, a state the operator may write
} hd_sample_kind;
typedef struct hd_sample_in {
    hd_sample_kind kind;
    int n_dims;
    size_t shape[HD_MAX_DIMS];
    double low, high; // of the values; both 0: −1.5 … 1.5
} hd_sample_in;
typedef struct hd_sample {
    int n_in;
    hd_sample_in in[HD_MAX_INPUTS];
    void *attrs;
    double tolerance;
} hd_sample;
struct hd_samples {
    const hd_operator *op;
    hd_sample *at;
    size_t n, cap;
    bool failed; // memory ran out
};
// The samples of op; clear them when done. HEED_MEMORY.
heed_err hd_samples_init(hd_samples *samples, const hd_operator *op) HEED_CHECK;
void hd_samples_clear(hd_samples *samples);
// attrs: copied. tolerance: of the f32 result against the reference, in units of the largest
// absolute value (0: 2e-6).
void hd_sample_add(hd_samples *samples, int n_in, const hd_sample_in *in, const void *attrs,
                   double tolerance);

#endif
