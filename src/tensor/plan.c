// SPDX-License-Identifier: Apache-2.0
//
// The memory plan: every value and workspace has a life, from the node that makes it to the last
// that needs it; two whose lives meet may not overlap. Largest first, each takes the lowest gap
// among those already placed whose lives meet its own ("greedy by size": Pisarchyk and Lee,
// "Efficient memory management for deep neural net inference", 2020). Before that, an output that
// may stand in the place of an input that dies there does so: they are one buffer.
//
// Rejected: a best-fit free list in the order of the run (what comes early decides for what comes
// later).
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/own.h"

enum { ALIGN = 64 };

typedef struct buffer {
    size_t bytes, first, last, offset;
} buffer;

typedef struct planner {
    hd_graph *graph;
    buffer *buffers;
    size_t n, cap;
} planner;

static bool in_arena(const hd_tensor *root) {
    if (root->plan->dest) return false;
    return root->node || (root->plan->leaf == HD_LEAF_INPUT && !root->plan->bound);
}

static heed_err buffer_new(planner *p, size_t bytes, size_t first, size_t last, long *out) {
    HD_TRY(hd_grow(&p->buffers, &p->cap, p->n + 1, sizeof *p->buffers));
    bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    p->buffers[p->n] = (buffer){bytes, first, last, 0};
    *out = (long)p->n++;
    return HEED_OK;
}

static void need(hd_tensor *t, size_t until) {
    hd_tensor *root = hd_tensor_root(t);
    if (root->plan->last < until) root->plan->last = until;
}

static void find_lives(hd_graph *graph) {
    for (size_t i = 0; i < graph->n_nodes; i++) {
        hd_node *node = graph->nodes[i];
        for (int j = 0; j < node->n_in; j++)
            if (node->in[j]) need(node->in[j], i);
        for (int j = 0; j < node->n_out; j++) need(node->out[j], i);
    }
    for (size_t i = 0; i < graph->n_tensors; i++) {
        hd_tensor *t = graph->tensors[i];
        if (t->plan->keep || t->plan->leaf == HD_LEAF_INPUT) need(t, graph->n_nodes);
    }
}

// Whether output i of the node may stand in the memory `in`, which is that of input j: nobody needs
// it any more.
static bool can_take(const planner *p, const hd_node *node, int i, const hd_tensor *in, int j) {
    if (in->plan->buffer < 0 || !in->node || node->in[j]->plan->root_at > 0) return false;
    for (int k = 0; k < node->n_in; k++)
        if (node->in[k] && hd_tensor_root(node->in[k]) == in && !(node->plan->takes[i] >> k & 1))
            return false;
    return in->plan->last == node->index &&
           p->buffers[in->plan->buffer].last == node->index && // not taken by another output
           in->dtype == node->out[i]->dtype && hd_tensor_bytes(in) == hd_tensor_bytes(node->out[i]);
}

static bool take(planner *p, hd_node *node, int i) {
    hd_tensor *out = node->out[i];
    for (int j = 0; j < node->n_in; j++) {
        if (!node->in[j] || !(node->plan->takes[i] >> j & 1)) continue;
        const hd_tensor *in = hd_tensor_root(node->in[j]);
        if (!can_take(p, node, i, in, j)) continue;
        out->plan->buffer = in->plan->buffer;
        // (A value nobody reads still keeps the place through this node.)
        p->buffers[out->plan->buffer].last =
            out->plan->last > node->index ? out->plan->last : node->index + 1;
        if (i == 0) node->plan->taken = (int8_t)j;
        return true;
    }
    return false;
}

static heed_err place_node(planner *p, hd_node *node) {
    for (int i = 0; i < node->n_out; i++) {
        hd_tensor *out = node->out[i];
        if (out->plan->root || !in_arena(out) || take(p, node, i)) continue;
        HD_TRY(
            buffer_new(p, hd_tensor_bytes(out), node->index, out->plan->last, &out->plan->buffer));
    }
    size_t bytes =
        node->op->workspace ? node->op->workspace(node, hd_pool_threads(p->graph->pool)) : 0;
    node->plan->workspace = bytes;
    if (bytes == 0) return HEED_OK;
    return buffer_new(p, bytes, node->index, node->index, &node->plan->buffer);
}

static heed_err make_buffers(planner *p) {
    hd_graph *graph = p->graph;
    for (size_t i = 0; i < graph->n_tensors; i++) {
        hd_tensor *t = graph->tensors[i];
        if (t->node || !in_arena(t)) continue;
        HD_TRY(buffer_new(p, hd_tensor_bytes(t), 0, graph->n_nodes, &t->plan->buffer));
    }
    for (size_t i = 0; i < graph->n_nodes; i++) {
        hd_node *node = graph->nodes[i];
        if (!node->plan->fused) {
            memcpy(node->plan->takes, node->op->takes, sizeof node->plan->takes);
            node->plan->takes[0] |= node->op->in_place;
        }
        HD_TRY(place_node(p, node));
    }
    return HEED_OK;
}

static int by_size(const void *a, const void *b) {
    const buffer *x = *(buffer *const *)a, *y = *(buffer *const *)b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x < y ? -1 : 1;
}

// placed: by offset. Returns where the buffer goes: the lowest gap that is large enough.
static size_t lowest_gap(buffer *const *placed, size_t n, const buffer *b) {
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const buffer *other = placed[i];
        if (other->last < b->first || b->last < other->first) continue;
        if (other->offset >= at && other->offset - at >= b->bytes) break;
        if (other->offset + other->bytes > at) at = other->offset + other->bytes;
    }
    return at;
}

static heed_err place_all(planner *p) {
    buffer **order = hd_alloc((p->n + 1) * 2 * sizeof *order);
    if (!order) return HD_FAIL_MEMORY((p->n + 1) * 2 * sizeof *order);
    buffer **placed = order + p->n;
    size_t n_placed = 0, total = 0;
    for (size_t i = 0; i < p->n; i++) order[i] = &p->buffers[i];
    qsort(order, p->n, sizeof *order, by_size);
    for (size_t i = 0; i < p->n; i++) {
        buffer *b = order[i];
        if (b->bytes == 0) continue;
        b->offset = lowest_gap(placed, n_placed, b);
        size_t at = n_placed++;
        for (; at > 0 && placed[at - 1]->offset > b->offset; at--) placed[at] = placed[at - 1];
        placed[at] = b;
        if (b->offset + b->bytes > total) total = b->offset + b->bytes;
    }
    hd_free(order);
    p->graph->bytes = total;
    return HEED_OK;
}

static heed_err check_limit(const hd_graph *graph) {
    size_t limit = graph->opts.memory_limit;
    if (limit == 0 || graph->bytes <= limit) return HEED_OK;
    const double mb = 1048576;
    return HD_FAIL(HEED_MEMORY,
                   "the graph needs %.1f MB for values and workspace, %.1f MB are allowed: take a "
                   "smaller batch, checkpoint layers, or raise the limit",
                   "该图的数值和工作区需要 %.1f MB，而上限为 %.1f MB：请减小批量、启用激活重算，"
                   "或提高上限",
                   (double)graph->bytes / mb, (double)limit / mb);
}

static void set_data(const planner *p) {
    hd_graph *graph = p->graph;
    unsigned char *memory = graph->memory;
    for (size_t i = 0; i < graph->n_tensors; i++) {
        hd_tensor *t = graph->tensors[i];
        if (t->plan->dest)
            t->data = t->plan->dest->weight->grad;
        else if (t->plan->buffer >= 0)
            t->data = memory + p->buffers[t->plan->buffer].offset;
    }
    for (size_t i = 0; i < graph->n_tensors; i++) {
        hd_tensor *t = graph->tensors[i];
        if (t->plan->root && t->plan->root->data)
            t->data = (unsigned char *)t->plan->root->data + t->plan->root_at;
    }
    for (size_t i = 0; i < graph->n_nodes; i++) {
        struct hd_node_plan *plan = graph->nodes[i]->plan;
        if (plan->buffer >= 0) plan->memory = memory + p->buffers[plan->buffer].offset;
    }
}

static heed_err need_grads(hd_graph *graph) {
    for (size_t i = 0; i < graph->n_tensors; i++) {
        const hd_tensor *t = graph->tensors[i];
        if (t->plan->dest) HD_TRY(hd_weight_need_grad(t->plan->dest->weight));
    }
    return HEED_OK;
}

heed_err hd_pass_plan(hd_graph *graph) {
    planner p = {.graph = graph};
    heed_err err;
    find_lives(graph);
    HD_TRY_OUT(make_buffers(&p));
    HD_TRY_OUT(place_all(&p));
    HD_TRY_OUT(check_limit(graph));
    HD_TRY_OUT(need_grads(graph));
    graph->memory = hd_alloc_aligned(graph->bytes + ALIGN, 1);
    if (!graph->memory) {
        err = HD_FAIL_MEMORY(graph->bytes);
        goto out;
    }
    set_data(&p);
out:
    hd_free(p.buffers);
    return err;
}
