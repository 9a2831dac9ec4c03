// SPDX-License-Identifier: Apache-2.0
//
// Building: the fields become leaves of the graph, the first input goes through the list of layers,
// the loss stands on the result. Building without compiling takes no memory for values: it is how
// weights are made before the first batch is known.
#include "nn/net.h"

#include <string.h>

#include "base/mem.h"

static heed_err new_net(uint64_t seed, hd_net **out) {
    hd_net *net = hd_calloc(1, sizeof *net);
    if (!net) return HD_FAIL_MEMORY(sizeof *net);
    hd_weights_init(&net->weights, seed);
    hd_map_init(&net->spec.lines);
    net->meta = json_object();
    *out = net;
    return net->meta ? HEED_OK : HD_FAIL_MEMORY(0);
}

static heed_err check_list(const hd_net *net, const char *name) {
    if (json_is_array(hd_spec_get(&net->spec, "layers"))) return HEED_OK;
    return HD_FAIL(HEED_INPUT, "%s: a network is a list of layers, one '- ' line each",
                   "%s：网络应为层的列表，每层一行，以“- ”开头", name[0] ? name : "layers");
}

heed_err hd_net_new(const char *layers, const char *name, uint64_t seed, hd_net **out) {
    hd_net *net = NULL;
    heed_err err = new_net(seed, &net);
    if (err == HEED_OK) err = hd_spec_parse(layers, "layers", name, &net->spec);
    if (err == HEED_OK) err = check_list(net, name);
    if (err != HEED_OK) {
        hd_net_free(net);
        return err;
    }
    *out = net;
    return HEED_OK;
}

// The lines of all that stands below `where`, as lines of "layers".
static heed_err copy_lines(const hd_where *where, hd_spec *spec) {
    size_t n = strlen(where->path);
    hd_snprintf(spec->name, sizeof spec->name, "%s", where->spec->name);
    spec->before = where->spec->before;
    for (size_t i = 0; i < where->spec->lines.count; i++) {
        const hd_map_entry *line = &where->spec->lines.entries[i];
        char path[HD_WHERE_MAX * 2];
        if (strncmp(line->key, where->path, n) != 0) continue;
        if (line->key[n] != '.' && line->key[n] != '\0') continue;
        int len = hd_snprintf(path, sizeof path, "layers%s", line->key + n);
        if (len < 0 || (size_t)len >= sizeof path) continue; // too deep for any message
        HD_TRY(hd_map_put(&spec->lines, path, (size_t)len, line->value));
    }
    return HEED_OK;
}

heed_err hd_net_from_list(const json_t *layers, const hd_where *where, uint64_t seed,
                          hd_net **out) {
    hd_net *net = NULL;
    heed_err err = new_net(seed, &net);
    if (err == HEED_OK && where->spec) err = copy_lines(where, &net->spec);
    if (err == HEED_OK && !(net->spec.root = json_object())) err = HD_FAIL_MEMORY(0);
    if (err == HEED_OK) err = hd_json_set(net->spec.root, "layers", json_deep_copy(layers));
    if (err == HEED_OK) err = check_list(net, hd_where_text(where).text);
    if (err != HEED_OK) {
        hd_net_free(net);
        return err;
    }
    *out = net;
    return HEED_OK;
}

void hd_net_free(hd_net *net) {
    if (!net) return;
    hd_weights_clear(&net->weights);
    hd_spec_clear(&net->spec);
    json_decref(net->meta);
    hd_free(net);
}

// ── Building ──

// (batch, …) as the graph has it: images with the channels last.
static hd_tensor *leaf(hd_graph *graph, const hd_data_field *field, size_t batch) {
    size_t shape[HD_MAX_DIMS] = {batch};
    for (int i = 0; i < field->n_dims; i++) shape[i + 1] = field->shape[i];
    if (field->n_dims == 3) {
        shape[1] = field->shape[1];
        shape[2] = field->shape[2];
        shape[3] = field->shape[0];
    }
    return hd_graph_input(graph, field->name, field->dtype, field->n_dims + 1, shape);
}

typedef struct building {
    hd_tensor *fields[HD_FIELDS];
    hd_tensor *target;
} building;

static heed_err make_leaves(hd_nn_scope *s, const hd_data_field *fields, int n, size_t batch,
                            building *b) {
    hd_tensor *first = NULL;
    for (int i = 0; i < n; i++) {
        b->fields[i] = leaf(s->graph, &fields[i], batch);
        if (fields[i].role == HD_ROLE_TARGET) {
            if (!b->target) b->target = b->fields[i];
            continue;
        }
        if (fields[i].role == HD_ROLE_LENGTH) s->lengths = b->fields[i];
        if (fields[i].role == HD_ROLE_INPUT && !first) first = b->fields[i];
        HD_TRY(hd_scope_keep(s, fields[i].name, b->fields[i]));
    }
    return first ? HEED_OK : HD_FAIL(HEED_INPUT, "the data has no input field", "数据没有输入字段");
}

static hd_tensor *build_net(hd_net *net, hd_nn_scope *s) {
    hd_where where = hd_where_of(&net->spec, "layers");
    return hd_layers_build(s, hd_spec_get(&net->spec, "layers"), &where, s->kept[0].tensor);
}

// The first input is what goes through the layers: a length may stand before it.
static void first_input_first(hd_nn_scope *s) {
    for (size_t i = 1; i < s->n_kept && s->kept[0].tensor == s->lengths; i++) {
        hd_kept aside = s->kept[0];
        s->kept[0] = s->kept[i];
        s->kept[i] = aside;
    }
}

heed_err hd_net_prepare(hd_net *net, const hd_data_field *fields, int n_fields) {
    hd_graph *graph = NULL;
    hd_arena arena;
    building b = {.target = NULL};
    hd_nn_scope scope;
    HD_TRY(hd_graph_new(NULL, &graph));
    hd_arena_init(&arena);
    hd_scope_init(&scope, graph, &net->weights, &arena);
    heed_err err = make_leaves(&scope, fields, n_fields, 2, &b);
    if (err == HEED_OK) {
        first_input_first(&scope);
        build_net(net, &scope);
        err = hd_scope_error(&scope);
    }
    hd_graph_free(graph);
    hd_arena_clear(&arena);
    if (err != HEED_OK) return err;
    net->n_inputs = 0;
    for (int i = 0; i < n_fields; i++) {
        if (fields[i].role != HD_ROLE_TARGET) net->inputs[net->n_inputs++] = fields[i];
    }
    return HEED_OK;
}

static heed_err build(hd_net *net, const hd_data_field *fields, int n_fields,
                      const hd_program_opts *opts, hd_arena *arena, hd_program *p) {
    building b = {.target = NULL};
    hd_nn_scope scope;
    hd_scope_init(&scope, p->graph, &net->weights, arena);
    HD_TRY(make_leaves(&scope, fields, n_fields, opts->batch, &b));
    first_input_first(&scope);
    p->out = build_net(net, &scope);
    HD_TRY(hd_scope_error(&scope));
    if (!opts->loss && p->out->n_dims == 4) { // images leave as the interface has them
        p->out = hd_tensor_permute(p->out, (int[]){0, 3, 1, 2});
    }
    memcpy(p->fields, b.fields, sizeof b.fields);
    if (!opts->loss) {
        hd_graph_output(p->out);
        return HEED_OK;
    }
    p->loss = hd_loss_build(&scope, opts->loss, p->out, b.target);
    HD_TRY(hd_scope_error(&scope));
    if (!scope.fused_loss) hd_graph_output(p->out);
    hd_graph_output(p->loss);
    if (opts->training) hd_graph_grad(p->loss);
    return hd_graph_error(p->graph);
}

heed_err hd_program_new(hd_net *net, const hd_data_field *fields, int n_fields,
                        const hd_program_opts *opts, hd_pool *pool, hd_program **out) {
    hd_arena arena;
    hd_program *p = hd_calloc(1, sizeof *p);
    if (!p) return HD_FAIL_MEMORY(sizeof *p);
    hd_arena_init(&arena);
    p->batch = opts->batch;
    const hd_graph_opts graph_opts = {.training = opts->training,
                                      .precision = opts->precision,
                                      .seed = opts->seed,
                                      .memory_limit = opts->memory_limit};
    heed_err err = hd_graph_new(&graph_opts, &p->graph);
    if (err == HEED_OK) {
        hd_graph_check_finite(p->graph, opts->check_finite);
        hd_graph_profile(p->graph, opts->profile);
        err = build(net, fields, n_fields, opts, &arena, p);
    }
    if (err == HEED_OK) err = hd_graph_compile(p->graph, pool);
    hd_arena_clear(&arena);
    if (err != HEED_OK) {
        hd_program_free(p);
        return err;
    }
    *out = p;
    return HEED_OK;
}

void hd_program_free(hd_program *p) {
    if (!p) return;
    hd_graph_free(p->graph);
    hd_free(p);
}

void hd_program_bind(hd_program *p, int n_fields, void *const *fields) {
    for (int i = 0; i < n_fields; i++) {
        if (p->fields[i]) hd_graph_bind(p->fields[i], fields[i]);
    }
}

// ── Words ──

void hd_net_describe(const hd_net *net, hd_str *out) {
    size_t frozen, count = hd_weights_count(&net->weights, &frozen);
    for (size_t i = 0; i < net->weights.n; i++) {
        const hd_weight_item *item = net->weights.at[i];
        size_t shape[HD_MAX_DIMS];
        int n = hd_weight_file_shape(item, shape);
        hd_str_addf(out, "%-40s (", item->weight.name);
        for (int d = 0; d < n; d++) hd_str_addf(out, "%s%zu", d ? ", " : "", shape[d]);
        hd_str_addf(out, ")%s\n", item->state ? " state" : item->weight.frozen ? " frozen" : "");
    }
    hd_str_addf(out, "%zu parameters", count);
    if (frozen > 0) hd_str_addf(out, ", %zu of them frozen", frozen);
    hd_str_addc(out, '\n');
}
