// SPDX-License-Identifier: Apache-2.0
//
// In a graph whose products round their operands to bf16, values are kept as bf16 where the node
// that makes them can write it and all that read them can read it: half the bytes, and no
// conversion where a product reads them again. What is read outside, weights, their gradients and
// statistics stay f32, and so does whatever an operator works on in between.
//
// An operator says what it can (reads_bf16, writes_bf16); one that says nothing stands between f32
// values as ever. Names of one memory (reshape, part) are of one type.
//
// Rejected: nodes that convert where one side can't (each is a pass over memory, and what they
// would serve is small).
#include "tensor/own.h"

static bool can(const hd_node *node) {
    return !node->op->narrow || node->op->narrow(node);
}
static uint32_t reads(const hd_node *node) {
    if (!can(node)) return 0;
    return node->plan->fused ? node->plan->reads_bf16 : node->op->reads_bf16;
}
static uint32_t writes(const hd_node *node) {
    if (!can(node)) return 0;
    return node->plan->fused ? node->plan->writes_bf16 : node->op->writes_bf16;
}

static bool could_be(const hd_tensor *t) {
    return t->node && t->dtype == HD_F32 && !t->plan->keep && !t->plan->dest;
}

static void find_makers(hd_graph *graph) {
    for (size_t i = 0; i < graph->n_tensors; i++) {
        hd_tensor *t = graph->tensors[i];
        if (t->plan->root || !could_be(t)) continue;
        t->plan->narrow = writes(t->node) >> t->output & 1;
    }
}

static void ask_readers(hd_graph *graph) {
    for (size_t i = 0; i < graph->n_tensors; i++) {
        const hd_tensor *t = graph->tensors[i];
        if (t->plan->root && !could_be(t)) t->plan->root->plan->narrow = false;
    }
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const hd_node *node = graph->nodes[i];
        for (int j = 0; j < node->n_in && !node->op->alias; j++)
            if (node->in[j] && !(reads(node) >> j & 1))
                hd_tensor_root(node->in[j])->plan->narrow = false;
    }
}

heed_err hd_pass_narrow(hd_graph *graph) {
    if (graph->opts.precision != HD_PRECISE_BF16 || graph->opts.wide) return HEED_OK;
    find_makers(graph);
    ask_readers(graph);
    for (size_t i = 0; i < graph->n_tensors; i++) {
        hd_tensor *t = graph->tensors[i];
        if (!hd_tensor_root(t)->plan->narrow) continue;
        t->dtype = HD_BF16;
        t->plan->root_at = t->plan->root_at / sizeof(float) * sizeof(uint16_t);
    }
    return HEED_OK;
}
