// SPDX-License-Identifier: Apache-2.0
//
// Cheap values computed again: a value made by little work that the backward needs is dropped after
// its last reader of the forward and made anew before its first reader of the backward, when what
// it is made of stands anyway (gelu of a kept product, a dropped-out sum, a norm's output).
#include "base/mem.h"
#include "tensor/own.h"

// Whether a value can be had in the backward for little: a leaf, something the backward reads, or
// something made again.
static bool stands(hd_tensor *t) {
    const hd_tensor *root = hd_tensor_root(t);
    return !root->node || root->plan->held || t->plan->twin;
}

static bool can_remake(const hd_node *node) {
    if (node->plan->backward) return false;
    if (node->op->alias) return node->in[0]->plan->twin != NULL;
    for (int i = 0; i < node->n_out; i++)
        if (node->out[i]->plan->keep) return false;
    if (node->op->remake) return true;
    if (!node->op->cheap || node->op->effect) return false;
    for (int i = 0; i < node->n_in; i++)
        if (node->in[i] && !stands(node->in[i])) return false;
    return true;
}

// Marks what the backward reads, straight or through other names of the same memory.
static void mark_held(hd_graph *graph) {
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const hd_node *node = graph->nodes[i];
        if (!node->plan->backward) continue;
        for (int j = 0; j < node->n_in; j++)
            if (node->in[j]) hd_tensor_root(node->in[j])->plan->held = true;
    }
}

// The dear ones that were chosen, and other names of them.
static bool must_remake(const hd_node *node) {
    if (node->plan->backward) return false;
    return node->plan->repeat || (node->op->alias && !node->plan->twin && node->in[0]->plan->twin);
}

// Makes the copies, in forward order so that one may stand on another. Those nobody asks for never
// come into the order.
static heed_err make_twins(hd_graph *graph, bool dear, size_t *made) {
    for (size_t i = 0; i < graph->n_nodes; i++) {
        hd_node *node = graph->nodes[i];
        if (dear ? !must_remake(node) : !can_remake(node)) continue;
        hd_node *copy =
            !dear && node->op->remake ? node->op->remake(node) : hd_node_again(graph, node);
        HD_TRY(hd_graph_error(graph));
        if (!copy) continue;
        copy->plan->backward = copy->plan->live = copy->plan->waiting = true;
        copy->plan->of = node;
        node->plan->twin = copy;
        (*made)++;
    }
    return HEED_OK;
}

// Puts node behind the nodes of out, its missing twins before it.
static void put(hd_node **out, size_t *n, hd_node *node) {
    for (int i = 0; i < node->n_in; i++) {
        hd_tensor *in = node->in[i];
        if (in && in->plan->twin && node->plan->backward) in = node->in[i] = in->plan->twin;
        if (in && in->node && in->node->plan->waiting) {
            in->node->plan->waiting = false;
            put(out, n, in->node);
        }
    }
    if (node->op->alias && node->plan->backward) hd_out_alias(node, node->plan->alias_at);
    out[(*n)++] = node;
}

heed_err hd_pass_remake(hd_graph *graph) {
    size_t made = 0;
    if (graph->opts.keep_cheap) return HEED_OK;
    mark_held(graph);
    HD_TRY(make_twins(graph, false, &made));
    HD_TRY(hd_repeat_choose(graph));
    HD_TRY(make_twins(graph, true, &made));
    if (made == 0) return HEED_OK;
    size_t cap = graph->n_nodes + made, n = 0;
    hd_node **order = hd_alloc(cap * sizeof *order);
    if (!order) return HD_FAIL_MEMORY(cap * sizeof *order);
    for (size_t i = 0; i < graph->n_nodes; i++) put(order, &n, graph->nodes[i]);
    hd_free(graph->nodes);
    graph->nodes = order;
    graph->nodes_cap = cap;
    graph->n_nodes = n;
    return hd_pass_live(graph);
}
