// SPDX-License-Identifier: Apache-2.0
//
// Reverse differentiation by building: an operator's backward appends nodes to the same graph, so
// that gradients are fused, planned and run like everything else. Nodes are walked from the loss
// back; what reaches a tensor from several readers is added up.
//
// A weight's gradient is written where it is made: when the node that makes it can add to its
// output, that output is weight->grad itself, the first node replacing and the others adding. Else
// a copying node stands between.
//
// Checkpointed segments: when the walk enters one, its nodes are appended once more and the
// backward is built on the copies; the first computation's inner values die in the forward.
#include <assert.h>
#include <string.h>

#include "kernel/vec.h"
#include "tensor/ops.h"
#include "tensor/own.h"

// ── A copy into a weight's gradient ──

static heed_err store_shape(hd_node *node) {
    return hd_out_like(node, 0, node->in[0]);
}

static heed_err store_forward(const hd_node *node, const hd_run *run) {
    const float *x = hd_in_f32(node, 0);
    float *out = hd_out_f32(node, 0);
    size_t n = node->out[0]->count;
    if (run->accumulate & 1) return hd_vec_add_to(run->pool, n, x, out);
    if (n > 0) memcpy(out, x, n * sizeof *x);
    return HEED_OK;
}

static const hd_operator operator_store = {
    .name = "store_gradient",
    .n_in = 1,
    .n_out = 1,
    .shape = store_shape,
    .forward = store_forward,
    .accumulates = 1,
};

// ── Gradients that arrive ──

static bool can_be_dest(const hd_tensor *grad, size_t fresh) {
    const hd_node *node = grad->node;
    return node && node->index >= fresh && grad->plan->uses == 0 && !grad->plan->dest &&
           !grad->plan->root && (node->op->accumulates >> grad->output & 1);
}

static void give_weight(hd_tensor *weight, hd_tensor *grad, size_t fresh) {
    hd_graph *graph = weight->graph;
    if (!can_be_dest(grad, fresh)) grad = hd_operator_apply(graph, &operator_store, 1, &grad, NULL);
    if (graph->failed) return;
    struct hd_node_plan *plan = grad->node->plan;
    grad->plan->dest = weight;
    plan->dests |= 1U << grad->output;
    if (weight->plan->n_grads++ > 0) plan->adds |= 1U << grad->output;
}

// What reached t before and what does now: one sum, by the node that makes the latter if it can.
static hd_tensor *sum_of(hd_tensor *before, hd_tensor *grad, size_t fresh) {
    hd_node *node = grad->node;
    const bool alone = node && node->index >= fresh && grad->plan->uses == 0 && grad->output == 0;
    if (!alone || !node->op->takes_sum || !node->op->takes_sum(node, before))
        return hd_tensor_add(before, grad);
    before->plan->uses++;
    return grad;
}

static void give(hd_tensor *t, hd_tensor *grad, size_t fresh) {
    if (!t || !grad || !t->needs_grad || t->graph->failed) return;
    assert(grad->count == t->count);
    if (t->weight)
        give_weight(t, grad, fresh);
    else
        t->grad = t->grad ? sum_of(t->grad, grad, fresh) : grad;
}

static heed_err walk_node(hd_graph *graph, hd_node *node) {
    hd_tensor *grad_out[HD_MAX_OUTPUTS] = {0}, *grad_in[HD_MAX_INPUTS] = {0};
    bool any = false, needed = false;
    for (int i = 0; i < node->n_out; i++) {
        grad_out[i] = node->out[i]->grad;
        any |= grad_out[i] != NULL;
        needed |= node->out[i]->needs_grad;
    }
    if (!any || !needed) return HEED_OK;
    size_t fresh = graph->n_nodes;
    hd_graph_scope_push(graph, node->scope);
    heed_err err = node->op->backward(node, grad_out, grad_in);
    if (err != HEED_OK) hd_graph_fail(graph, err);
    for (int i = 0; i < node->n_in; i++) give(node->in[i], grad_in[i], fresh);
    hd_graph_scope_pop(graph);
    return hd_graph_error(graph);
}

// ── Segments computed again ──

static void move_grads(hd_node *from, hd_node *to) {
    for (int i = 0; i < from->n_out; i++) to->out[i]->grad = from->out[i]->grad;
}

static void forget_twins(hd_graph *graph, size_t first, size_t end) {
    for (size_t i = first; i < end; i++)
        for (int j = 0; j < graph->nodes[i]->n_out; j++) graph->nodes[i]->out[j]->plan->twin = NULL;
}

// Walks the segment that ends before node `end`; *end becomes its first node.
static heed_err walk_segment(hd_graph *graph, size_t *end) {
    size_t first = *end, copies = graph->n_nodes;
    uint8_t segment = graph->nodes[first - 1]->plan->segment;
    while (first > 0 && graph->nodes[first - 1]->plan->segment == segment) first--;
    for (size_t i = first; i < *end; i++) {
        hd_node *copy = hd_node_again(graph, graph->nodes[i]);
        if (!copy) return hd_graph_error(graph);
        HD_TRY(hd_node_append(graph, copy));
        move_grads(graph->nodes[i], copy);
    }
    forget_twins(graph, first, *end);
    heed_err err = HEED_OK;
    for (size_t i = copies + (*end - first); err == HEED_OK && i-- > copies;)
        err = walk_node(graph, graph->nodes[i]);
    *end = first;
    return err;
}

static heed_err walk(hd_graph *graph, hd_node *last) {
    size_t end = last->index + 1;
    while (end > 0) {
        hd_node *node = graph->nodes[end - 1];
        if (node->plan->segment > 0) {
            HD_TRY(walk_segment(graph, &end));
            continue;
        }
        if (!node->plan->backward) HD_TRY(walk_node(graph, node));
        end--;
    }
    return HEED_OK;
}

static heed_err check_loss(const hd_tensor *loss) {
    if (loss->count != 1) {
        return HD_FAIL(
            HEED_INPUT,
            "a gradient is taken of one value, not of the shape %s: take the mean or sum",
            "只能对单个值求梯度，而这里的形状是 %s：请先取均值或总和", hd_tensor_shape(loss).text);
    }
    if (!loss->node || !loss->needs_grad) {
        return HD_FAIL(HEED_INPUT, "nothing that is trained leads to the loss",
                       "没有任何可训练的参数通向该损失");
    }
    return HEED_OK;
}

hd_tensor *hd_graph_grad(hd_tensor *loss) {
    hd_graph *graph = hd_graph_of(loss);
    if (!graph || graph->failed) return loss;
    heed_err err = check_loss(loss);
    if (err != HEED_OK) return hd_graph_fail(graph, err);
    for (size_t i = 0; i < graph->n_tensors; i++)
        if (graph->tensors[i]->node) graph->tensors[i]->grad = NULL;
    graph->in_backward = true;
    const float one = 1;
    loss->grad = hd_graph_const(graph, loss->n_dims, loss->shape, &one);
    err = graph->failed ? HEED_OK : walk(graph, loss->node);
    graph->in_backward = false;
    if (err != HEED_OK) hd_graph_fail(graph, err);
    return loss;
}
