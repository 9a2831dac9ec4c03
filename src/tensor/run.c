// SPDX-License-Identifier: Apache-2.0
//
// Running: the nodes in their order. Around a node nothing happens but setting three fields of what
// it is lent, so that a graph of small operators costs little more than its kernels.
#include <math.h>

#include "base/float.h"
#include "base/time.h"
#include "kernel/kernels.h"
#include "tensor/own.h"

// The place of a flat index: "(3, 17)".
static hd_shape_text place_text(const hd_tensor *t, size_t at) {
    hd_tensor place = {.n_dims = t->n_dims};
    for (int i = t->n_dims; i-- > 0;) {
        place.shape[i] = at % t->shape[i];
        at /= t->shape[i];
    }
    return hd_tensor_shape(&place);
}

static heed_err check_tensor(const hd_tensor *t, const hd_node *node) {
    if (t->dtype != HD_F32 || !t->data) return HEED_OK;
    const float *x = t->data;
    if (hd_kernels_get()->vec->finite(t->count, x)) return HEED_OK;
    size_t at = 0;
    while (isfinite(x[at])) at++;
    hd_shape_text place = place_text(t, at), shape = hd_tensor_shape(t);
    const char *kind_en = isnan(x[at]) ? "NaN" : "infinity",
               *kind_zh = isnan(x[at]) ? "NaN" : "无穷大";
    if (!node) {
        return HD_FAIL(HEED_INPUT, "'%1$s' holds %2$s at %4$s of %5$s%3$.0s",
                       "“%1$s”在 %5$s 的 %4$s 处含有%3$s%2$.0s", t->name, kind_en, kind_zh,
                       place.text, shape.text);
    }
    return HD_FAIL(
        HEED_INPUT,
        "operator '%1$s' in '%2$s' made %3$s at %5$s of %6$s%4$.0s: lower the learning "
        "rate, or look at its inputs",
        "“%2$s”中的算子“%1$s”在 %6$s 的 %5$s 处产生了%4$s%3$.0s：请降低学习率，或检查其输入",
        hd_node_name(node), node->scope, kind_en, kind_zh, place.text, shape.text);
}

static heed_err check_leaves(const hd_graph *graph) {
    for (size_t i = 0; i < graph->n_tensors; i++)
        if (!graph->tensors[i]->node) HD_TRY(check_tensor(graph->tensors[i], NULL));
    return HEED_OK;
}

static heed_err check_node(const hd_node *node) {
    for (int i = 0; i < node->n_out; i++) HD_TRY(check_tensor(node->out[i], node));
    return HEED_OK;
}

// Who writes a gradient that isn't embeddings' alone makes it dense, and may count its squares.
static void before_gradients(const hd_graph *graph, const hd_node *node, hd_run *run) {
    run->accumulate = graph->accumulate ? node->plan->dests : node->plan->adds;
    if (node->op->sparse) return;
    for (int i = 0; i < node->n_out; i++) {
        hd_weight *weight = hd_out_weight(node, i);
        if (weight) weight->sparse = weight->has_squares = false;
    }
}

static heed_err failed(const hd_node *node, heed_err err) {
    if (!*node->scope) return hd_error_prefix(err, "operator '%s'", "算子“%s”", hd_node_name(node));
    return __extension__ hd_error_prefix(err, "operator '%1$s' in '%2$s'", "“%2$s”中的算子“%1$s”",
                                         hd_node_name(node), node->scope);
}

static heed_err run_timed(const hd_node *node, const hd_run *run) {
    const double begun = hd_time_thread();
    heed_err err = node->op->forward(node, run);
    const double took = hd_time_thread() - begun;
    if (node->plan->seconds == 0 || took < node->plan->seconds) node->plan->seconds = took;
    return err;
}

static heed_err run_nodes(hd_graph *graph, uint64_t step, bool backward) {
    hd_run run = {.pool = graph->pool,
                  .step = step,
                  .seed = graph->opts.seed,
                  .training = graph->opts.training,
                  .precision = graph->opts.precision};
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const hd_node *node = graph->nodes[i];
        if (node->op->alias || (backward ? node->plan->late : node->plan->backward)) continue;
        run.workspace = node->plan->memory;
        run.accumulate = 0;
        if (node->plan->dests) before_gradients(graph, node, &run);
        heed_err err = graph->profile ? run_timed(node, &run) : node->op->forward(node, &run);
        if (err != HEED_OK) return failed(node, err);
        if (graph->check_finite) HD_TRY(check_node(node));
    }
    return HEED_OK;
}

static heed_err run_graph(hd_graph *graph, uint64_t step, bool backward) {
    HD_TRY(hd_graph_error(graph));
    if (!graph->compiled) return HD_FAIL(HEED_INPUT, "the graph isn't compiled yet", "图尚未编译");
    if (graph->check_finite) HD_TRY(check_leaves(graph));
    hd_float_mode before = hd_float_flush();
    heed_err err = run_nodes(graph, step, backward);
    hd_float_set(before);
    return err;
}

heed_err hd_graph_run(hd_graph *graph, uint64_t step) {
    return run_graph(graph, step, true);
}

heed_err hd_graph_run_forward(hd_graph *graph) {
    return run_graph(graph, 0, false);
}
