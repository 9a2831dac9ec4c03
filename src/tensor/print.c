// SPDX-License-Identifier: Apache-2.0
//
// The plan as text: one line per node.
#include "tensor/own.h"

static double mb(size_t bytes) {
    return (double)bytes / 1048576;
}

static const char *kept_as(const hd_tensor *t) {
    return t->dtype == HD_BF16 ? ":bf16" : "";
}

static void print_shapes(const hd_node *node, hd_str *out) {
    for (int i = 0; i < node->n_in; i++) {
        const hd_tensor *t = node->in[i];
        if (!t) continue;
        hd_str_addf(out, i > 0 ? " %s%s" : "%s%s", hd_tensor_shape(t).text, kept_as(t));
    }
    hd_str_add(out, " ->");
    for (int i = 0; i < node->n_out; i++)
        hd_str_addf(out, " %s%s", hd_tensor_shape(node->out[i]).text, kept_as(node->out[i]));
}

static void print_node(const hd_node *node, hd_str *out) {
    size_t made = 0;
    for (int i = 0; i < node->n_out; i++)
        if (!node->out[i]->plan->root && !node->out[i]->plan->dest && node->plan->taken != i)
            made += hd_tensor_bytes(node->out[i]);
    hd_str_addf(out, "%4zu %c %-24s ", node->index, node->plan->backward ? 'b' : 'f',
                hd_node_name(node));
    print_shapes(node, out);
    double flops = node->op->flops ? node->op->flops(node) : 0;
    if (flops > 0) hd_str_addf(out, "  %.3f MFLOP", flops / 1e6);
    const double took = node->plan->seconds;
    if (took > 0) hd_str_addf(out, "  %.3f ms", took * 1e3);
    if (took > 0 && flops > 0) hd_str_addf(out, "  %.1f GFLOP/s", flops / took / 1e9);
    hd_str_addf(out, "  %.3f MB", mb(made));
    if (node->plan->taken >= 0) hd_str_addf(out, " in place of input %d", node->plan->taken);
    if (node->plan->workspace > 0) hd_str_addf(out, " +%.3f MB", mb(node->plan->workspace));
    hd_tensor *first = node->out[0];
    if (first->plan->dest)
        hd_str_addf(out, "  gradient of %s", first->plan->dest->name);
    else
        hd_str_addf(out, "  until %zu", hd_tensor_root(first)->plan->last);
    if (*node->scope) hd_str_addf(out, "  # %s", node->scope);
    hd_str_addc(out, '\n');
}

void hd_graph_print(const hd_graph *graph, hd_str *out) {
    for (size_t i = 0; i < graph->n_nodes; i++) print_node(graph->nodes[i], out);
    hd_str_addf(out, "%zu nodes, %.3f MFLOP, %.3f MB at the peak\n", graph->n_nodes,
                graph->flops / 1e6, mb(graph->bytes));
}
