// SPDX-License-Identifier: Apache-2.0
//
// Compiling: the passes in their order, and the first of them, which drops what nobody reads.
#include <string.h>

#include "kernel/cpu.h"
#include "tensor/own.h"

static bool is_root(const hd_node *node) {
    if (node->plan->dests || (node->op->effect && !node->again)) return true;
    for (int i = 0; i < node->n_out; i++)
        if (node->out[i]->plan->keep) return true;
    return false;
}

// A node lives when it writes something that lasts, or a living node reads it. Nodes read only what
// earlier ones made, so one walk from the end finds them all.
heed_err hd_pass_live(hd_graph *graph) {
    for (size_t i = graph->n_nodes; i-- > 0;) {
        hd_node *node = graph->nodes[i];
        node->plan->live |= is_root(node);
        if (!node->plan->live) continue;
        for (int j = 0; j < node->n_in; j++)
            if (node->in[j] && node->in[j]->node) node->in[j]->node->plan->live = true;
    }
    size_t n = 0;
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (graph->nodes[i]->plan->live) graph->nodes[n++] = graph->nodes[i];
    graph->n_nodes = n;
    hd_graph_renumber(graph);
    return HEED_OK;
}

static void keep_wanted_grads(hd_graph *graph) {
    for (size_t i = 0; i < graph->n_tensors; i++) {
        const hd_tensor *t = graph->tensors[i];
        if (!t->node && !t->weight && t->needs_grad && t->grad) t->grad->plan->keep = true;
    }
}

// Forward nodes whose results nobody reads before a later node makes them anyway.
static void find_late(hd_graph *graph) {
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const hd_node *node = graph->nodes[i];
        if (!node->op->redoes) continue;
        hd_node *forward = node->in[node->op->redoes - 1]->node;
        bool read = forward->plan->backward; // (a copy, of a checkpoint)
        for (size_t k = forward->index + 1; k < i; k++)
            for (int j = 0; j < graph->nodes[k]->n_in; j++)
                read |= graph->nodes[k]->in[j] && graph->nodes[k]->in[j]->node == forward;
        forward->plan->late = !read;
    }
}

static void count_flops(hd_graph *graph) {
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const hd_node *node = graph->nodes[i];
        if (node->op->flops && !node->plan->late && !node->plan->of)
            graph->flops += node->op->flops(node);
    }
}

heed_err hd_graph_compile(hd_graph *graph, hd_pool *pool) {
    HD_TRY(hd_graph_error(graph));
    if (graph->compiled)
        return HD_FAIL(HEED_INPUT, "the graph is compiled already", "图已经编译过了");
    HD_TRY(hd_isa_ready());
    graph->pool = pool;
    keep_wanted_grads(graph);
    HD_TRY(hd_pass_live(graph));
    HD_TRY(hd_pass_remake(graph));
    find_late(graph);
    count_flops(graph);
    if (!graph->check_finite) HD_TRY(hd_pass_fuse(graph));
    if (!graph->check_finite) HD_TRY(hd_pass_narrow(graph));
    HD_TRY(hd_pass_plan(graph));
    graph->compiled = true;
    return HEED_OK;
}
