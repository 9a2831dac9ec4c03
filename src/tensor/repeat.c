// SPDX-License-Identifier: Apache-2.0
//
// Dear values made again: where a graph takes much memory, products and attention whose results the
// backward needs are computed once more just before it does, those that give back most bytes for
// their work first. So long as the graph takes more than ENOUGH, a SHARE of its work is spent;
// while it takes more than its limit, whatever it costs. (The idea is that of Chen et al.,
// "Training deep nets with sublinear memory cost", 2016, and of Jain et al., "Checkmate", 2020,
// node by node and greedily.) What it would take is told by the lives of values, before they are
// placed.
//
// A value made again may be made of one that is itself made again, but no further (DEPTH): else the
// first to be asked for would call up a whole net, and all would live at once.
#include <stdlib.h>

#include "base/mem.h"
#include "tensor/own.h"

enum { SHARE = 18, DEPTH = 2, ALIGN = 64 };
static const size_t enough = (size_t)256 << 20;

typedef struct candidate {
    hd_node *node;
    double flops, dear; // work, and work per byte
} candidate;

typedef struct chooser {
    hd_graph *graph;
    long long *curve; // what begins to be taken at a node, less what ended before it
    candidate *at;
    size_t n;
    double flops; // of the graph
} chooser;

// ── Lives ──

static void touch(hd_tensor *t, size_t at, bool backward) {
    struct hd_tensor_plan *plan = hd_tensor_root(t)->plan;
    if (!backward) {
        if (at > plan->forward_last) plan->forward_last = at;
        return;
    }
    if (at < plan->backward_first) plan->backward_first = at;
    if (at > plan->backward_last) plan->backward_last = at;
}

// What a cheap copy reads may be a copy too: that of which tensor.
static hd_tensor *original(hd_tensor *t) {
    return t->node && t->node->plan->of ? t->node->plan->of->out[t->output] : t;
}

static bool made_again(const hd_node *node) {
    return !node->plan->backward && (node->plan->repeat || node->plan->twin);
}

// What the node is made of in the backward.
static const hd_node *maker(const hd_node *node) {
    return node->plan->repeat ? node : node->plan->twin;
}

static void find_lives(hd_graph *graph) {
    for (size_t i = 0; i < graph->n_tensors; i++) {
        struct hd_tensor_plan *plan = graph->tensors[i]->plan;
        plan->forward_last = plan->backward_last = 0;
        plan->backward_first = SIZE_MAX;
    }
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const hd_node *node = graph->nodes[i];
        for (int j = 0; j < node->n_in; j++)
            if (node->in[j]) touch(node->in[j], i, node->plan->backward);
        for (int j = 0; j < node->n_out; j++) touch(node->out[j], i, node->plan->backward);
    }
    for (size_t i = graph->n_nodes; i-- > 0;) {
        const hd_node *node = graph->nodes[i];
        size_t first = SIZE_MAX;
        if (!made_again(node) || node->op->alias) continue;
        for (int j = 0; j < node->n_out; j++)
            if (node->out[j]->plan->backward_first < first)
                first = node->out[j]->plan->backward_first;
        const hd_node *by = maker(node);
        for (int j = 0; j < by->n_in && first < SIZE_MAX; j++)
            if (by->in[j]) touch(original(by->in[j]), first, true);
    }
}

static size_t bytes_of(const hd_tensor *t) {
    const hd_graph_opts *opts = &t->graph->opts;
    const bool narrow = opts->precision == HD_PRECISE_BF16 && !opts->wide && t->node;
    const size_t bytes = hd_tensor_bytes(t) / (narrow && t->dtype == HD_F32 ? 2 : 1);
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static bool in_memory(const hd_tensor *t) {
    if (t->plan->root || t->plan->dest) return false;
    return t->node || (t->plan->leaf == HD_LEAF_INPUT && !t->plan->bound);
}

static size_t end_of(const hd_tensor *t) {
    const struct hd_tensor_plan *plan = t->plan;
    if (!t->node || plan->keep) return t->graph->n_nodes - 1;
    return plan->forward_last > plan->backward_last ? plan->forward_last : plan->backward_last;
}

static void take(chooser *c, size_t bytes, size_t first, size_t last) {
    c->curve[first] += (long long)bytes;
    c->curve[last + 1] -= (long long)bytes;
}

static void take_tensor(chooser *c, const hd_tensor *t) {
    const size_t first = t->node ? t->node->index : 0, bytes = bytes_of(t);
    const bool twice = t->node && made_again(t->node) && (t->plan->twin || t->node->plan->repeat);
    if (twice && !t->plan->keep) {
        take(c, bytes, first, t->plan->forward_last);
        if (t->plan->backward_first < SIZE_MAX)
            take(c, bytes, t->plan->backward_first, t->plan->backward_last);
    } else {
        take(c, bytes, first, end_of(t));
    }
}

// An output that will stand in an input's place is counted from the next node on.
static void take_place(chooser *c, const hd_node *node) {
    for (int j = 0; j < node->n_in; j++) {
        if (!node->in[j] || !(node->op->in_place >> j & 1)) continue;
        const hd_tensor *in = hd_tensor_root(node->in[j]);
        if (!in->node || !in_memory(node->out[0]) || end_of(in) != node->index ||
            hd_tensor_bytes(in) != hd_tensor_bytes(node->out[0]))
            continue;
        c->curve[node->index] -= (long long)bytes_of(in);
        c->curve[node->index + 1] += (long long)bytes_of(in);
        return;
    }
}

// Values and workspace at their peak, about.
static size_t find_peak(chooser *c) {
    hd_graph *graph = c->graph;
    long long now = 0, most = 0;
    find_lives(graph);
    for (size_t i = 0; i <= graph->n_nodes; i++) c->curve[i] = 0;
    for (size_t i = 0; i < graph->n_tensors; i++) {
        const hd_tensor *t = graph->tensors[i];
        if (in_memory(t) && !(t->node && (t->node->plan->of || !t->node->plan->live)))
            take_tensor(c, t);
    }
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const hd_node *node = graph->nodes[i];
        take(c, node->plan->workspace, i, i);
        take_place(c, node);
    }
    for (size_t i = 0; i < graph->n_nodes; i++) {
        now += c->curve[i];
        if (now > most) most = now;
    }
    return (size_t)most;
}

// ── Choosing ──

// How many nodes in a row are made again for the deepest.
static int depth(hd_graph *graph) {
    int most = 0;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        hd_node *node = graph->nodes[i];
        const hd_node *by = made_again(node) ? maker(node) : node;
        node->plan->depth = 0;
        if (!made_again(node) && !node->op->alias) continue;
        for (int j = 0; j < by->n_in; j++) {
            const hd_node *from = by->in[j] ? original(by->in[j])->node : NULL;
            if (from && from->plan->depth > node->plan->depth)
                node->plan->depth = from->plan->depth;
        }
        if (node->plan->repeat) node->plan->depth++;
        if (node->plan->depth > most) most = node->plan->depth;
    }
    return most;
}

static size_t saved_by(const hd_node *node) {
    size_t bytes = 0;
    if (!node->op->repeats || node->plan->backward || !node->op->flops) return 0;
    for (int i = 0; i < node->n_in; i++) {
        const hd_tensor *in = node->in[i], *root = in ? hd_tensor_root(node->in[i]) : NULL;
        if (in && root->node && !root->plan->held && !in->plan->twin) return 0;
    }
    for (int i = 0; i < node->n_out; i++) {
        const hd_tensor *out = node->out[i];
        if (out->plan->keep) return 0;
        if (out->plan->held && !out->plan->twin) bytes += bytes_of(out);
    }
    return bytes;
}

static int by_dear(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    if (x->dear != y->dear) return x->dear < y->dear ? -1 : 1;
    return x->node->index < y->node->index ? -1 : 1;
}

static void find_candidates(chooser *c) {
    for (size_t i = 0; i < c->graph->n_nodes; i++) {
        hd_node *node = c->graph->nodes[i];
        const double flops = node->op->flops ? node->op->flops(node) : 0;
        const size_t bytes = saved_by(node);
        c->flops += flops;
        node->plan->workspace =
            node->op->workspace ? node->op->workspace(node, hd_pool_threads(c->graph->pool)) : 0;
        if (bytes > 0) c->at[c->n++] = (candidate){node, flops, flops / (double)bytes};
    }
    if (c->n > 1) qsort(c->at, c->n, sizeof *c->at, by_dear);
}

static void choose(chooser *c) {
    size_t limit = c->graph->opts.memory_limit;
    limit -= limit / 64; // (places leave gaps)
    double left = c->flops / SHARE;
    size_t peak = find_peak(c);
    for (size_t i = 0; i < c->n; i++) {
        const candidate *it = &c->at[i];
        const bool over = limit > 0 && peak > limit;
        if (!over && peak <= enough) return;
        if (!over && it->flops > left) continue;
        it->node->plan->repeat = true;
        const size_t then = depth(c->graph) <= DEPTH ? find_peak(c) : peak;
        it->node->plan->repeat = then < peak;
        if (then >= peak) continue;
        peak = then;
        left -= it->flops;
    }
}

heed_err hd_repeat_choose(hd_graph *graph) {
    chooser c = {.graph = graph};
    const size_t n = graph->n_nodes;
    heed_err err = HEED_OK;
    c.curve = hd_alloc((n + 2) * sizeof *c.curve);
    c.at = hd_alloc((n + 1) * sizeof *c.at);
    if (c.curve && c.at) {
        find_candidates(&c);
        choose(&c);
    } else {
        err = HD_FAIL_MEMORY((n + 2) * sizeof *c.curve);
    }
    hd_free(c.curve);
    hd_free(c.at);
    return err;
}
