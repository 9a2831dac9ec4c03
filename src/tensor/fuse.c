// SPDX-License-Identifier: Apache-2.0
//
// Fusion: elementwise nodes of one size that feed each other become one node, which runs them block
// by block (kernel/vec.h): what lies between is never written to memory. Groups may be any graph,
// not only chains: backward formulas are.
//
// A group stands where its last member stood. It may be so when nobody outside reads a member
// before that place; a node joins its producers' groups on that condition, in the order of the run,
// so that no search is needed. A node that stays alone becomes a group of one, whose program is
// thus made once and not at every run.
#include <string.h>

#include "base/mem.h"
#include "tensor/own.h"

enum { FAR = 512 }; // nodes between a group's first and last member

typedef struct group {
    size_t first, last; // places of its outermost members
    int n_members;
    int members[HD_VEC_STEPS]; // ascending
} group;

typedef struct fuser {
    hd_graph *graph;
    int *of; // group of each node, −1: none
    group *groups;
    int n_groups;
} fuser;

typedef struct fused {
    hd_vec_program program;
    hd_vec_in in[HD_VEC_INPUTS];
    const hd_node *random[HD_VEC_STEPS]; // of a step whose numbers change from run to run
    const char *names;
} fused;

// ── The fused operator ──

static heed_err fused_forward(const hd_node *node, const hd_run *run) {
    fused *f = node->attrs;
    void *out[HD_VEC_OUTPUTS];
    for (int i = 0; i < node->n_in; i++) {
        f->in[i].data = node->in[i]->data;
        f->in[i].type = node->in[i]->dtype;
    }
    for (int i = 0; i < node->n_out; i++) {
        out[i] = node->out[i]->data;
        f->program.out_type[i] = node->out[i]->dtype;
    }
    for (int i = 0; i < f->program.n_steps; i++)
        if (f->random[i]) f->program.step[i].arg = f->random[i]->op->vec_arg(f->random[i], run);
    return hd_vec_run(run->pool, &f->program, node->out[0]->count, f->in, out);
}

static double fused_flops(const hd_node *node) {
    const fused *f = node->attrs;
    return (double)f->program.n_steps * (double)node->out[0]->count;
}

const hd_operator hd_operator_fused = {
    .name = "fused",
    .attrs_size = sizeof(fused),
    .forward = fused_forward,
    .flops = fused_flops,
};

const char *hd_node_name(const hd_node *node) {
    if (node->op != &hd_operator_fused) return node->op->name;
    return ((const fused *)node->attrs)->names;
}

// ── Grouping ──

static bool fusable(const hd_node *node) {
    return node->op->vec != HD_VEC_NONE && !node->plan->dests && node->n_out == 1;
}

static bool is_member(const fuser *f, const hd_node *node, int a, int b) {
    int g = f->of[node->index];
    return g >= 0 && (g == a || g == b);
}

// Whether a node outside the groups a and b stands between first and last and reads a member.
static bool read_between(const fuser *f, int a, int b, size_t first, size_t last) {
    for (size_t i = first + 1; i < last; i++) {
        const hd_node *node = f->graph->nodes[i];
        if (is_member(f, node, a, b)) continue;
        for (int j = 0; j < node->n_in; j++)
            if (node->in[j] && node->in[j]->node && is_member(f, node->in[j]->node, a, b))
                return true;
    }
    return false;
}

typedef struct edges {
    int n_in, n_out;
    hd_tensor *in[HD_VEC_STEPS * 2];
    hd_tensor *out[HD_VEC_STEPS];
} edges;

static bool holds(hd_tensor *const *list, int n, const hd_tensor *t) {
    while (n > 0 && list[n - 1] != t) n--;
    return n > 0;
}

// Reads of t by the members.
static uint32_t inner_reads(const fuser *f, const int *members, int n, const hd_tensor *t) {
    uint32_t reads = 0;
    for (int i = 0; i < n; i++) {
        const hd_node *node = f->graph->nodes[members[i]];
        for (int j = 0; j < node->n_in; j++) reads += node->in[j] == t;
    }
    return reads;
}

// What the members read from outside, and what is read of theirs outside.
static void find_edges(const fuser *f, const int *members, int n, edges *e) {
    hd_tensor *made[HD_VEC_STEPS];
    for (int i = 0; i < n; i++) made[i] = f->graph->nodes[members[i]]->out[0];
    e->n_in = e->n_out = 0;
    for (int i = 0; i < n; i++) {
        const hd_node *node = f->graph->nodes[members[i]];
        for (int j = 0; j < node->n_in; j++)
            if (!holds(made, n, node->in[j]) && !holds(e->in, e->n_in, node->in[j]))
                e->in[e->n_in++] = node->in[j];
        if (made[i]->plan->keep || inner_reads(f, members, n, made[i]) < made[i]->plan->uses)
            e->out[e->n_out++] = made[i];
    }
}

static int merge_members(const group *a, const group *b, int *out) {
    int n = 0, i = 0, j = 0;
    while (i < a->n_members || j < b->n_members) {
        bool from_a = j == b->n_members || (i < a->n_members && a->members[i] < b->members[j]);
        out[n++] = from_a ? a->members[i++] : b->members[j++];
    }
    return n;
}

// Makes group a (a producer's) part of b (the newest node's), where that is sound and fits.
static void try_merge(fuser *f, int a, int b) {
    group *x = &f->groups[a], *y = &f->groups[b];
    int members[2 * HD_VEC_STEPS];
    if (a == b || x->n_members + y->n_members > HD_VEC_STEPS || y->last - x->first > FAR) return;
    size_t first = x->first < y->first ? x->first : y->first;
    if (read_between(f, a, b, first, y->last)) return;
    int n = merge_members(x, y, members);
    edges e;
    find_edges(f, members, n, &e);
    if (e.n_in > HD_VEC_INPUTS || e.n_out > HD_VEC_OUTPUTS) return;
    y->first = first;
    y->n_members = n;
    memcpy(y->members, members, (size_t)n * sizeof *members);
    for (int i = 0; i < x->n_members; i++) f->of[x->members[i]] = b;
    x->n_members = 0;
}

static void group_node(fuser *f, size_t at) {
    hd_node *node = f->graph->nodes[at];
    int g = f->n_groups++;
    f->groups[g] = (group){.first = at, .last = at, .n_members = 1, .members = {(int)at}};
    f->of[at] = g;
    for (int j = 0; j < node->n_in; j++) {
        const hd_node *from = node->in[j]->node;
        if (from && f->of[from->index] >= 0 && node->in[j]->count == node->out[0]->count &&
            from->plan->backward == node->plan->backward)
            try_merge(f, f->of[from->index], g);
    }
}

// ── Programs ──

// Gives every value of the group a slot. Scratch slots are given again once nobody reads them.
typedef struct slots {
    const edges *e;
    const hd_tensor *scratch[HD_VEC_SCRATCH];
    int n_scratch;
} slots;

static int slot_of(const slots *s, const hd_tensor *t) {
    for (int i = 0; i < s->e->n_in; i++)
        if (s->e->in[i] == t) return i;
    for (int i = 0; i < s->e->n_out; i++)
        if (s->e->out[i] == t) return s->e->n_in + i;
    for (int i = 0; i < s->n_scratch; i++)
        if (s->scratch[i] == t) return s->e->n_in + s->e->n_out + i;
    return -1;
}

static bool read_from(const fuser *f, const group *g, int step, const hd_tensor *t) {
    return inner_reads(f, g->members + step, g->n_members - step, t) > 0;
}

// A slot for what step makes; −1: there is none left.
static int slot_for(const fuser *f, const group *g, int step, slots *s, const hd_tensor *t) {
    int known = slot_of(s, t);
    if (known >= 0) return known;
    int i = 0;
    while (i < s->n_scratch && read_from(f, g, step, s->scratch[i])) i++;
    if (i == HD_VEC_SCRATCH) return -1;
    if (i == s->n_scratch) s->n_scratch++;
    s->scratch[i] = t;
    return s->e->n_in + s->e->n_out + i;
}

static bool make_program(const fuser *f, const group *g, const edges *e, fused *to) {
    slots s = {.e = e};
    to->program = (hd_vec_program){.n_in = e->n_in, .n_out = e->n_out, .n_steps = g->n_members};
    for (int i = 0; i < g->n_members; i++) {
        const hd_node *node = f->graph->nodes[g->members[i]];
        int a = slot_of(&s, node->in[0]), b = slot_of(&s, node->in[node->n_in - 1]);
        int out = slot_for(f, g, i, &s, node->out[0]);
        if (out < 0) return false;
        to->program.step[i] = (hd_vec_step){.op = (uint8_t)node->op->vec,
                                            .a = (uint8_t)a,
                                            .b = (uint8_t)b,
                                            .out = (uint8_t)out,
                                            .arg = node->op->vec_arg(node, NULL)};
        if (node->op->vec == HD_VEC_DROPOUT) to->random[i] = node;
    }
    to->program.n_scratch = s.n_scratch;
    return true;
}

// Output i may stand in the place of a whole input that no later step reads.
static void find_takes(const fused *from, hd_node *node) {
    const hd_vec_program *p = &from->program;
    for (int i = 0; i < p->n_out; i++) {
        int written = 0;
        while (p->step[written].out != p->n_in + i) written++;
        for (int j = 0; j < p->n_in; j++) {
            bool later = from->in[j].mode != HD_VEC_WHOLE;
            for (int k = written + 1; k < p->n_steps; k++)
                later |= p->step[k].a == j || p->step[k].b == j;
            if (!later) node->plan->takes[i] |= 1U << j;
        }
    }
}

// What the members can read and write as bf16.
static void find_types(const fuser *f, const group *g, const edges *e, hd_node *node) {
    struct hd_node_plan *plan = node->plan;
    plan->reads_bf16 = UINT32_MAX;
    for (int m = 0; m < g->n_members; m++) {
        const hd_node *member = f->graph->nodes[g->members[m]];
        for (int i = 0; i < e->n_in; i++)
            for (int j = 0; j < member->n_in; j++)
                if (member->in[j] == e->in[i] && !(member->op->reads_bf16 >> j & 1))
                    plan->reads_bf16 &= ~(1U << i);
        for (int i = 0; i < e->n_out; i++)
            if (member->out[0] == e->out[i])
                plan->writes_bf16 |= (member->op->writes_bf16 & 1) << i;
    }
}

static const char *make_names(hd_graph *graph, const int *members, int n) {
    hd_str names;
    hd_str_init(&names);
    for (int i = 0; i < n; i++) {
        if (i > 0) hd_str_addc(&names, '+');
        hd_str_add(&names, graph->nodes[members[i]]->op->name);
    }
    const char *copy = hd_arena_strdup(&graph->arena, hd_str_get(&names));
    copy = hd_str_check(&names) == HEED_OK ? copy : NULL;
    hd_str_clear(&names);
    return copy;
}

// The group's node in place of its last member, its outputs being the members' own tensors.
static heed_err replace(fuser *f, const group *g) {
    hd_graph *graph = f->graph;
    edges e;
    find_edges(f, g->members, g->n_members, &e);
    const hd_node *last = graph->nodes[g->last];
    fused to = {.names = make_names(graph, g->members, g->n_members)};
    if (!to.names) return HD_FAIL_MEMORY(64);
    if (!make_program(f, g, &e, &to)) return HEED_OK; // (stays as it was)
    for (int i = 0; i < e.n_in; i++) hd_vec_in_of(e.in[i], last->out[0], &to.in[i]);
    hd_node *node = hd_node_new(graph, &hd_operator_fused, e.n_in, e.in, &to);
    if (!node) return hd_graph_error(graph);
    node->scope = last->scope;
    node->plan->backward = last->plan->backward;
    node->plan->live = node->plan->fused = true;
    node->n_out = e.n_out;
    find_types(f, g, &e, node);
    for (int i = 0; i < g->n_members; i++) graph->nodes[g->members[i]]->plan->live = false;
    for (int i = 0; i < e.n_out; i++) {
        node->out[i] = e.out[i];
        e.out[i]->node = node;
        e.out[i]->output = i;
    }
    find_takes(&to, node);
    graph->nodes[g->last] = node;
    node->index = g->last;
    return HEED_OK;
}

static void close_gaps(hd_graph *graph) {
    size_t n = 0;
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (graph->nodes[i]->plan->live) graph->nodes[n++] = graph->nodes[i];
    graph->n_nodes = n;
    hd_graph_renumber(graph);
}

heed_err hd_pass_fuse(hd_graph *graph) {
    size_t n = graph->n_nodes;
    fuser f = {.graph = graph};
    heed_err err = HEED_OK;
    f.of = hd_alloc((n + 1) * sizeof *f.of);
    f.groups = hd_alloc((n + 1) * sizeof *f.groups);
    if (!f.of || !f.groups) {
        err = HD_FAIL_MEMORY((n + 1) * sizeof *f.groups);
        goto out;
    }
    for (size_t i = 0; i < n; i++) f.of[i] = -1;
    for (size_t i = 0; i < n; i++)
        if (fusable(graph->nodes[i])) group_node(&f, i);
    for (int g = 0; g < f.n_groups; g++)
        if (f.groups[g].n_members > 0) HD_TRY_OUT(replace(&f, &f.groups[g]));
    close_gaps(graph);
out:
    hd_free(f.of);
    hd_free(f.groups);
    return err;
}
