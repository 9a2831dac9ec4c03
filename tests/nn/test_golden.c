// SPDX-License-Identifier: Apache-2.0
//
// The same weights and data in PyTorch and here: outputs and gradients agree to 1e-4 of the largest
// value. golden.txt holds PyTorch's results, tools/golden.py makes it anew; weights and data come
// from the counter-based generator on both sides.
#include "nets.h"

#include <stdio.h>

#include "base/arena.h"

enum { BASIC_PLACES = 16 };

typedef struct golden_case {
    const char *name;
    size_t batch;
    int n_dims;
    size_t shape[3], vocabulary, classes,
        labels; // vocabulary 0: real values; classes 0: a real target
    const char *loss, *layers;
} golden_case;

#define BASIC(out, stride) "- resnet_basic: {out: " #out ", stride: " #stride "}\n"

static const golden_case cases[] = {
    {"mlp_128",
     8,
     1,
     {784},
     0,
     10,
     1,
     "cross_entropy",
     "- linear: {out: 128, act: relu}\n- linear: 10\n"},
    {"resnet18",
     4,
     3,
     {3, 64, 64},
     0,
     10,
     1,
     "cross_entropy",
     "- conv2d: {out: 64, kernel: 7, stride: 2, pad: 3, bias: false}\n- batch_norm: {act: relu}\n"
     "- max_pool: {kernel: 3, stride: 2, pad: 1}\n" BASIC(64, 1) BASIC(64, 1) BASIC(128, 2)
         BASIC(128, 1) BASIC(256, 2) BASIC(256, 1) BASIC(512, 2)
             BASIC(512, 1) "- global_pool\n- linear: 10\n"},
    {"lstm",
     4,
     2,
     {30, 1},
     0,
     0,
     1,
     "mse",
     "- lstm: {out: 50, layers: 2}\n- sequence_pool: last\n- linear: 1\n"},
    {"gru",
     4,
     2,
     {30, 1},
     0,
     0,
     1,
     "mse",
     "- gru: {out: 50, layers: 2}\n- sequence_pool: last\n- linear: 1\n"},
    {"bert_mini",
     2,
     1,
     {16},
     1000,
     2,
     1,
     "cross_entropy",
     "- embedding: {count: 1000, dim: 256}\n- positions: {kind: learned, most: 16}\n- layer_norm\n"
     "- transformer_encoder: {layers: 4, heads: 4, act: gelu, post: true}\n- sequence_pool: mean\n- linear: 2\n"},
    {"gpt_mini",
     2,
     1,
     {16},
     65,
     65,
     16,
     "cross_entropy",
     "- embedding: {count: 65, dim: 128, name: tok}\n- positions: {kind: learned, most: 16}\n"
     "- transformer_encoder: {layers: 4, heads: 4, act: gelu_tanh, causal: true}\n"
     "- linear: {out: 65, bias: false, tie: tok}\n"},
};

static double uniform(uint64_t seed, uint64_t stream, uint64_t i) {
    return (double)(hd_rng_at(seed, stream, i) >> 11) * 0x1p-52 - 1;
}

static hd_data *data_of(const golden_case *c) {
    size_t per = 1;
    for (int i = 0; i < c->n_dims; i++) per *= c->shape[i];
    hd_data_column x = {.field = {.name = "x", .role = HD_ROLE_INPUT, .n_dims = c->n_dims},
                        .own = true};
    hd_data_column y = {.field = {.name = "target", .role = HD_ROLE_TARGET}, .own = true};
    memcpy(x.field.shape, c->shape, sizeof c->shape);
    x.dtype = x.field.dtype = c->vocabulary ? HD_I32 : HD_F32;
    y.dtype = y.field.dtype = c->classes ? HD_I32 : HD_F32;
    y.field.n_dims = c->labels > 1 || !c->classes;
    y.field.shape[0] = c->labels;
    int32_t *xs = hd_calloc(c->batch * per, sizeof *xs),
            *ys = hd_calloc(c->batch * c->labels, sizeof *ys);
    for (size_t i = 0; i < c->batch * per; i++) {
        float value = (float)uniform(1, 0, i);
        if (c->vocabulary)
            xs[i] = (int32_t)(hd_rng_at(1, 0, i) % c->vocabulary);
        else
            memcpy(&xs[i], &value, sizeof value);
    }
    for (size_t i = 0; i < c->batch * c->labels; i++) {
        float value = (float)uniform(1, 1, i);
        if (c->classes)
            ys[i] = (int32_t)(hd_rng_at(1, 1, i) % c->classes);
        else
            memcpy(&ys[i], &value, sizeof value);
    }
    x.data = xs;
    y.data = ys;
    hd_data *data;
    assert_ok(hd_data_memory(c->batch, 2, (hd_data_column[]){x, y}, &data));
    return data;
}

// Each weight from the stream of its path (FNV-1a).
static void fill(hd_weight_item *item) {
    size_t shape[HD_MAX_DIMS], n = item->weight.count;
    int n_dims = hd_weight_file_shape(item, shape);
    uint64_t stream = UINT64_C(0xCBF29CE484222325);
    for (const char *p = item->weight.name; *p; p++)
        stream = (stream ^ (unsigned char)*p) * UINT64_C(0x100000001B3);
    size_t length = strlen(item->weight.name);
    double gain = length >= 6 && strcmp(item->weight.name + length - 6, "weight") == 0;
    double by = n_dims == 1 ? 0.1 : 1 / sqrt((double)n / (double)shape[0]);
    float *values = hd_calloc(n, sizeof *values);
    for (size_t i = 0; i < n; i++)
        values[i] = (float)((double)(float)uniform(7, stream, i) * by + (n_dims == 1 ? gain : 0));
    hd_weight_from_file(item, values, item->weight.data);
    hd_free(values);
}

static void assert_near(const char *what, double is, double wanted, double scale) {
    if (!(fabs(is - wanted) <= 1e-4 * scale)) fail_msg("%s: %.9g, not %.9g", what, is, wanted);
}

static void check_out(const hd_program *p, const char *text) {
    const float *out = p->out->data;
    char *end;
    double largest = 0;
    for (size_t i = 0; i < p->out->count; i++) largest = fmax(largest, fabs((double)out[i]));
    for (size_t i = 0; i < BASIC_PLACES && i < p->out->count; i++, text = end)
        assert_near("output", (double)out[i], strtod(text, &end), largest);
}

static void check_all(const hd_program *p, const char *text) {
    const float *out = p->out->data;
    char *end;
    double sum = 0, squares = 0, largest = 0;
    for (size_t i = 0; i < p->out->count; i++) {
        sum += (double)out[i];
        squares += (double)out[i] * (double)out[i];
        largest = fmax(largest, fabs((double)out[i]));
    }
    assert_near("sum", sum, strtod(text, &end), largest * sqrt((double)p->out->count));
    assert_near("norm", sqrt(squares), strtod(end, &end), sqrt(squares));
    assert_near("largest", largest, strtod(end, &end), largest);
}

static void check_grad(const hd_net *net, const char *text) {
    char path[128];
    int used = 0;
    assert_int_equal(sscanf(text, " %127s%n", path, &used), 1);
    hd_weight_item *item = hd_weights_find(&net->weights, path);
    if (!item || !item->weight.grad) fail_msg("no gradient of %s", path);
    size_t n = item->weight.count;
    float *g = hd_calloc(n, sizeof *g);
    hd_weight_to_file(item, item->weight.grad, g);
    double squares = 0, largest = 0;
    for (size_t i = 0; i < n; i++) {
        squares += (double)g[i] * (double)g[i];
        largest = fmax(largest, fabs((double)g[i]));
    }
    char *end;
    assert_near(path, sqrt(squares), strtod(text + used, &end), sqrt(squares) + 1e-6);
    assert_near(path, (double)g[0], strtod(end, &end), largest + 1e-6);
    assert_near(path, (double)g[n - 1], strtod(end, &end), largest + 1e-6);
    hd_free(g);
}

static hd_program *run(const golden_case *c, hd_net *net, hd_data *data, void *fields[2]) {
    hd_spec spec;
    hd_arena arena;
    hd_loss loss;
    hd_arena_init(&arena);
    assert_ok(hd_spec_parse(c->loss, "loss", "", &spec));
    hd_where where = hd_where_of(&spec, "loss");
    assert_ok(hd_loss_read(hd_spec_get(&spec, "loss"), &where, &arena, &loss));
    hd_program *program;
    size_t index[BASIC_PLACES];
    for (size_t i = 0; i < c->batch; i++) index[i] = i;
    for (int f = 0; f < 2; f++)
        fields[f] = hd_alloc_aligned(c->batch, hd_field_bytes(&data->fields[f]));
    assert_ok(data->read(data, c->batch, index, &(hd_draw){0}, fields));
    hd_program_opts opts = {.batch = c->batch, .loss = &loss, .training = true};
    assert_ok(hd_program_new(net, data->fields, 2, &opts, NULL, &program));
    hd_program_bind(program, 2, fields);
    assert_ok(hd_graph_run(program->graph, 0));
    hd_spec_clear(&spec);
    hd_arena_clear(&arena);
    return program;
}

static void check_case(const golden_case *c) {
    hd_net *net = net_of(c->layers, 1);
    hd_data *data = data_of(c);
    void *fields[2];
    assert_ok(hd_net_prepare(net, data->fields, data->n_fields));
    for (size_t i = 0; i < net->weights.n; i++)
        if (!net->weights.at[i]->state) fill(net->weights.at[i]);
    hd_program *program = run(c, net, data, fields);
    FILE *golden = fopen(GOLDEN, "r");
    assert_non_null(golden);
    char line[1024], name[64], what[16];
    int used = 0, met = 0;
    while (fgets(line, sizeof line, golden)) {
        if (sscanf(line, "%63s %15s%n", name, what, &used) != 2 || strcmp(name, c->name) != 0)
            continue;
        if (strcmp(what, "out") == 0)
            check_out(program, line + used);
        else if (strcmp(what, "all") == 0)
            check_all(program, line + used);
        else
            check_grad(net, line + used);
        met++;
    }
    assert_true(met > 4);
    fclose(golden);
    hd_program_free(program);
    for (int f = 0; f < 2; f++) hd_free(fields[f]);
    hd_data_free(data);
    hd_net_free(net);
}

static void test_as_pytorch(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_case(&cases[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_pytorch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
