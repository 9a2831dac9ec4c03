// SPDX-License-Identifier: Apache-2.0
//
// The graph as it is built: tensors and nodes in one arena, nodes in the order of the run, and the
// first misuse kept. Nothing is looked up while building: a tensor is a pointer, its node another.
//
// Rejected: operators that return an error each (expressions of tensors read badly, and the first
// failure is the one that matters), and computing while building (nothing could be fused, and no
// memory planned).
#include "tensor/graph.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/own.h"

heed_err hd_graph_new(const hd_graph_opts *opts, hd_graph **out) {
    hd_graph *graph = hd_calloc(1, sizeof *graph);
    if (!graph) return HD_FAIL_MEMORY(sizeof *graph);
    if (opts) graph->opts = *opts;
    hd_arena_init(&graph->arena);
    static float harmless;
    graph->dud = (hd_tensor){
        .graph = graph, .count = 1, .name = "", .data = &harmless, .plan = &graph->dud_plan};
    *out = graph;
    return HEED_OK;
}

void hd_graph_free(hd_graph *graph) {
    if (!graph) return;
    hd_arena_clear(&graph->arena);
    hd_free(graph->nodes);
    hd_free(graph->tensors);
    hd_free(graph->memory);
    hd_free(graph);
}

const hd_graph_opts *hd_graph_opts_get(const hd_graph *graph) {
    return &graph->opts;
}

hd_tensor *hd_graph_fail(hd_graph *graph, heed_err err) {
    if (!graph->failed) {
        graph->failed = true;
        hd_error_get(&graph->error);
        graph->error.code = err;
    }
    return &graph->dud;
}

heed_err hd_graph_error(const hd_graph *graph) {
    return graph->failed ? hd_error_restore(&graph->error) : HEED_OK;
}

hd_shape_text hd_tensor_shape(const hd_tensor *t) {
    hd_shape_text out;
    size_t at = 0;
    out.text[at++] = '(';
    for (int i = 0; i < t->n_dims; i++) {
        at += (size_t)hd_snprintf(out.text + at, sizeof out.text - at, i > 0 ? ", %zu" : "%zu",
                                  t->shape[i]);
    }
    out.text[at++] = ')';
    out.text[at] = '\0';
    return out;
}

// ── Tensors and nodes ──

hd_tensor *hd_tensor_new(hd_graph *graph) {
    hd_tensor *t = hd_arena_calloc(&graph->arena, 1, sizeof *t);
    struct hd_tensor_plan *plan = hd_arena_calloc(&graph->arena, 1, sizeof *plan);
    if (!t || !plan ||
        hd_grow(&graph->tensors, &graph->tensors_cap, graph->n_tensors + 1, sizeof(hd_tensor *)) !=
            HEED_OK) {
        hd_graph_fail(graph, HD_FAIL_MEMORY(sizeof *t));
        return NULL;
    }
    *t = (hd_tensor){.graph = graph, .count = 1, .name = "", .plan = plan};
    plan->buffer = HD_NONE_INDEX;
    graph->tensors[graph->n_tensors++] = t;
    return t;
}

// The scope's text, copied once for all nodes made in it.
static const char *scope_text(hd_graph *graph) {
    if (!graph->scope_kept) {
        graph->scope_kept = hd_arena_strndup(&graph->arena, graph->scope,
                                             graph->depth ? graph->scope_end[graph->depth - 1] : 0);
    }
    return graph->scope_kept;
}

hd_node *hd_node_new(hd_graph *graph, const hd_operator *op, int n_in, hd_tensor *const *in,
                     const void *attrs) {
    hd_node *node = hd_arena_calloc(&graph->arena, 1, sizeof *node);
    struct hd_node_plan *plan = hd_arena_calloc(&graph->arena, 1, sizeof *plan);
    void *copy = hd_arena_calloc(&graph->arena, 1, op->attrs_size + 1);
    const char *scope = scope_text(graph);
    if (!node || !plan || !copy || !scope) {
        hd_graph_fail(graph, HD_FAIL_MEMORY(sizeof *node));
        return NULL;
    }
    if (attrs) memcpy(copy, attrs, op->attrs_size);
    *node = (hd_node){.op = op,
                      .n_in = n_in,
                      .n_out = op->n_out,
                      .attrs = copy,
                      .scope = scope,
                      .id = graph->next_id++,
                      .plan = plan};
    plan->backward = graph->in_backward;
    plan->segment = graph->in_backward ? 0 : graph->segment;
    plan->taken = -1;
    plan->buffer = HD_NONE_INDEX;
    for (int i = 0; i < n_in; i++) node->in[i] = in[i];
    for (int i = 0; i < op->n_out; i++) {
        node->out[i] = hd_tensor_new(graph);
        if (!node->out[i]) return NULL;
        node->out[i]->node = node;
        node->out[i]->output = i;
    }
    return node;
}

heed_err hd_node_append(hd_graph *graph, hd_node *node) {
    HD_TRY(hd_grow(&graph->nodes, &graph->nodes_cap, graph->n_nodes + 1, sizeof(hd_node *)));
    node->index = graph->n_nodes;
    graph->nodes[graph->n_nodes++] = node;
    for (int i = 0; i < node->n_in; i++)
        if (node->in[i]) node->in[i]->plan->uses++;
    return HEED_OK;
}

void hd_graph_renumber(hd_graph *graph) {
    for (size_t i = 0; i < graph->n_tensors; i++) graph->tensors[i]->plan->uses = 0;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        hd_node *node = graph->nodes[i];
        node->index = i;
        for (int j = 0; j < node->n_in; j++)
            if (node->in[j]) node->in[j]->plan->uses++;
    }
}

static heed_err check_inputs(const hd_graph *graph, const hd_operator *op, int n_in,
                             hd_tensor *const *in) {
    int least = op->n_in > 0 ? op->n_in : 1, most = op->n_in > 0 ? op->n_in : HD_MAX_INPUTS;
    if (n_in < least || n_in > most) {
        return HD_FAIL(HEED_INPUT, "%d inputs given, %d to %d are taken",
                       "给了 %d 个输入，应为 %d 到 %d 个", n_in, least, most);
    }
    for (int i = 0; i < n_in; i++) {
        if (!in[i] && !(op->optional >> i & 1))
            return HD_FAIL(HEED_INPUT, "input %d is missing", "缺少第 %d 个输入", i);
        if (in[i] && in[i]->graph != graph)
            return HD_FAIL(HEED_INPUT, "input %d belongs to another graph",
                           "第 %d 个输入属于另一张图", i);
    }
    if (graph->compiled)
        return HD_FAIL(HEED_INPUT, "the graph is compiled: nothing can be added any more",
                       "图已编译：不能再添加算子");
    return HEED_OK;
}

static heed_err prefixed(heed_err err, const hd_operator *op, const char *scope) {
    if (!scope || !*scope) return hd_error_prefix(err, "operator '%s'", "算子“%s”", op->name);
    return __extension__ hd_error_prefix(err, "operator '%1$s' in '%2$s'", "“%2$s”中的算子“%1$s”",
                                         op->name, scope);
}

static void mark_needs_grad(hd_node *node) {
    bool needed = false;
    for (int i = 0; i < node->n_in; i++) needed |= node->in[i] && node->in[i]->needs_grad;
    needed = needed && node->op->backward;
    for (int i = 0; i < node->n_out; i++)
        node->out[i]->needs_grad = needed && !(node->op->no_grad >> i & 1);
}

hd_tensor *hd_operator_apply(hd_graph *graph, const hd_operator *op, int n_in, hd_tensor *const *in,
                             const void *attrs) {
    if (!graph) return NULL;
    if (graph->failed) return &graph->dud;
    heed_err err = check_inputs(graph, op, n_in, in);
    if (err != HEED_OK) {
        return hd_graph_fail(graph, prefixed(err, op, scope_text(graph)));
    }
    hd_node *node = hd_node_new(graph, op, n_in, in, attrs);
    if (!node) return &graph->dud;
    err = op->shape(node);
    if (err != HEED_OK) {
        return hd_graph_fail(graph, prefixed(err, op, node->scope));
    }
    if (op->alias && !node->out[0]->plan->root) hd_out_alias(node, 0);
    mark_needs_grad(node);
    err = hd_node_append(graph, node);
    return err == HEED_OK ? node->out[0] : hd_graph_fail(graph, err);
}

hd_node *hd_node_again(hd_graph *graph, const hd_node *node) {
    hd_node *copy = hd_node_new(graph, node->op, node->n_in, node->in, node->attrs);
    if (!copy) return NULL;
    copy->id = node->id;
    copy->scope = node->scope;
    copy->again = true;
    copy->n_out = node->n_out;
    for (int i = 0; i < node->n_in; i++)
        if (node->in[i] && node->in[i]->plan->twin) copy->in[i] = node->in[i]->plan->twin;
    for (int i = 0; i < node->n_out; i++) {
        hd_tensor *t = copy->out[i];
        const hd_tensor *of = node->out[i];
        t->dtype = of->dtype;
        t->n_dims = of->n_dims;
        t->count = of->count;
        t->needs_grad = of->needs_grad;
        memcpy(t->shape, of->shape, sizeof t->shape);
        node->out[i]->plan->twin = t;
    }
    if (node->op->alias) hd_out_alias(copy, node->plan->alias_at);
    return copy;
}

// ── For shape rules ──

heed_err hd_out_set(hd_node *node, int i, hd_dtype dtype, int n_dims, const size_t *shape) {
    hd_tensor *t = node->out[i];
    if (n_dims > HD_MAX_DIMS) {
        return HD_FAIL(HEED_INPUT, "the result would have %d dimensions: at most %d",
                       "结果会有 %d 维：最多 %d 维", n_dims, HD_MAX_DIMS);
    }
    t->dtype = dtype;
    t->n_dims = n_dims;
    t->count = 1;
    size_t bytes = hd_dtype_size(dtype);
    for (int d = 0; d < n_dims; d++) t->shape[d] = shape[d];
    for (int d = 0; d < n_dims; d++) {
        if (__builtin_mul_overflow(t->count, shape[d], &t->count) ||
            __builtin_mul_overflow(t->count, bytes, &(size_t){0})) {
            return HD_FAIL(HEED_INPUT, "a result of shape %s is larger than any memory",
                           "形状为 %s 的结果超出任何内存", hd_tensor_shape(t).text);
        }
    }
    return HEED_OK;
}

heed_err hd_out_like(hd_node *node, int i, const hd_tensor *t) {
    return hd_out_set(node, i, t->dtype, t->n_dims, t->shape);
}

heed_err hd_in_is(const hd_node *node, int i, hd_dtype dtype, int n_dims) {
    const hd_tensor *t = node->in[i];
    if (t->dtype != dtype) {
        return HD_FAIL(HEED_INPUT, "input %d is of type %s, %s is needed (its shape is %s)",
                       "第 %d 个输入的类型是 %s，需要 %s（形状为 %s）", i, hd_dtype_name(t->dtype),
                       hd_dtype_name(dtype), hd_tensor_shape(t).text);
    }
    if (n_dims >= 0 && t->n_dims != n_dims) {
        return HD_FAIL(HEED_INPUT, "input %d has the shape %s, %d dimensions are needed",
                       "第 %d 个输入的形状为 %s，需要 %d 维", i, hd_tensor_shape(t).text, n_dims);
    }
    return HEED_OK;
}

void hd_out_alias(hd_node *node, size_t byte_offset) {
    hd_tensor *in = node->in[0];
    struct hd_tensor_plan *plan = node->out[0]->plan;
    node->plan->alias_at = byte_offset;
    plan->root = hd_tensor_root(in);
    plan->root_at = in->plan->root_at + byte_offset;
}

hd_weight *hd_out_weight(const hd_node *node, int i) {
    const hd_tensor *dest = node->out[i]->plan->dest;
    return dest ? dest->weight : NULL;
}

// ── Leaves ──

static hd_tensor *leaf(hd_graph *graph, hd_leaf kind, const char *name, hd_dtype dtype, int n_dims,
                       const size_t *shape) {
    if (graph->failed) return NULL;
    if (graph->compiled) {
        hd_graph_fail(graph, HD_FAIL(HEED_INPUT, "the graph is compiled: '%s' can't be added",
                                     "图已编译：不能再添加“%s”", name));
        return NULL;
    }
    hd_tensor *t = hd_tensor_new(graph);
    if (!t) return NULL;
    t->name = hd_arena_strdup(&graph->arena, name);
    if (!t->name) {
        hd_graph_fail(graph, HD_FAIL_MEMORY(strlen(name)));
        return NULL;
    }
    t->plan->leaf = kind;
    hd_node holder = {.n_out = 1, .out = {t}};
    heed_err err = hd_out_set(&holder, 0, dtype, n_dims, shape);
    if (err == HEED_OK) return t;
    hd_graph_fail(graph, hd_error_prefix(err, "'%s'", "“%s”", name));
    return NULL;
}

hd_tensor *hd_graph_input(hd_graph *graph, const char *name, hd_dtype dtype, int n_dims,
                          const size_t *shape) {
    hd_tensor *t = leaf(graph, HD_LEAF_INPUT, name, dtype, n_dims, shape);
    return t ? t : &graph->dud;
}

void hd_graph_bind(hd_tensor *input, void *data) {
    hd_graph *graph = input->graph;
    if (graph->failed) return;
    assert(input->plan->leaf == HD_LEAF_INPUT);
    input->data = data;
    input->plan->bound = true;
    if (!graph->compiled) return;
    for (size_t i = 0; i < graph->n_tensors; i++) {
        hd_tensor *t = graph->tensors[i];
        if (t->plan->root == input) t->data = (unsigned char *)data + t->plan->root_at;
    }
}

static hd_tensor *weight_leaf(hd_graph *graph, hd_leaf kind, hd_weight *weight) {
    for (size_t i = 0; i < graph->n_tensors; i++)
        if (graph->tensors[i]->weight == weight) return graph->tensors[i];
    hd_tensor *t = leaf(graph, kind, weight->name, HD_F32, weight->n_dims, weight->shape);
    if (!t) return &graph->dud;
    t->weight = weight;
    t->data = weight->data;
    t->needs_grad = kind == HD_LEAF_WEIGHT && !weight->frozen;
    return t;
}

hd_tensor *hd_graph_weight(hd_graph *graph, hd_weight *weight) {
    return weight_leaf(graph, HD_LEAF_WEIGHT, weight);
}
hd_tensor *hd_graph_state(hd_graph *graph, hd_weight *weight) {
    return weight_leaf(graph, HD_LEAF_STATE, weight);
}

hd_tensor *hd_graph_const(hd_graph *graph, int n_dims, const size_t *shape, const float *data) {
    hd_tensor *t = leaf(graph, HD_LEAF_CONST, "constant", HD_F32, n_dims, shape);
    if (!t) return &graph->dud;
    t->data = hd_arena_alloc(&graph->arena, t->count * sizeof *data + 1);
    if (!t->data) return hd_graph_fail(graph, HD_FAIL_MEMORY(t->count * sizeof *data));
    if (t->count > 0) memcpy(t->data, data, t->count * sizeof *data);
    return t;
}

hd_tensor *hd_graph_scalar(hd_graph *graph, float value) {
    return hd_graph_const(graph, 0, NULL, &value);
}

void hd_graph_want_grad(hd_tensor *t) {
    t->needs_grad = !t->graph->failed;
}

// ── Building ──

void hd_graph_scope_push(hd_graph *graph, const char *name) {
    assert(graph->depth < HD_SCOPE_DEPTH);
    size_t at = graph->depth > 0 ? graph->scope_end[graph->depth - 1] : 0;
    size_t room = sizeof graph->scope - at;
    int n = hd_snprintf(graph->scope + at, room, at > 0 && *name ? ".%s" : "%s", name);
    size_t added = n < 0 ? 0 : (size_t)n >= room ? room - 1 : (size_t)n;
    graph->scope_end[graph->depth++] = at + added;
    graph->scope_kept = NULL;
}

void hd_graph_scope_pop(hd_graph *graph) {
    assert(graph->depth > 0);
    graph->depth--;
    graph->scope_kept = NULL;
}

hd_tensor *hd_tensor_output(hd_tensor *t, int i) {
    if (!t || t->graph->failed || !t->node || i < 0 || i >= t->node->n_out) return t;
    return t->node->out[i];
}

void hd_graph_output(hd_tensor *t) {
    t->plan->keep = true;
}

void hd_graph_checkpoint_begin(hd_graph *graph) {
    assert(graph->segment == 0);
    if (graph->n_segments < UINT8_MAX) graph->segment = ++graph->n_segments;
}
void hd_graph_checkpoint_end(hd_graph *graph) {
    graph->segment = 0;
}

void hd_graph_accumulate(hd_graph *graph, bool on) {
    graph->accumulate = on;
}
void hd_graph_check_finite(hd_graph *graph, bool on) {
    graph->check_finite = on;
}
void hd_graph_profile(hd_graph *graph, bool on) {
    graph->profile = on;
}
size_t hd_graph_bytes(const hd_graph *graph) {
    return graph->bytes;
}
double hd_graph_flops(const hd_graph *graph) {
    return graph->flops;
}
size_t hd_graph_nodes(const hd_graph *graph) {
    return graph->n_nodes;
}
const hd_node *hd_graph_node_at(const hd_graph *graph, size_t i) {
    return graph->nodes[i];
}
