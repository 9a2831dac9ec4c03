// SPDX-License-Identifier: Apache-2.0
//
// Layers by their parameters and what comes out; textbook networks by their published counts.
#include "nets.h"

#include "nn/runner.h"

typedef struct book {
    const char *layers;
    int n_dims;
    size_t shape[3];
    size_t parameters, width; // 0: not asked
} book;

#define BASIC(out, stride) "- resnet_basic: {out: " #out ", stride: " #stride "}\n"
static const book books[] = {
    {"- linear: {out: 5, act: sigmoid}\n- linear: 3\n", 1, {4}, 43, 3},
    {"- linear: {out: 100, act: relu}\n- linear: 10\n", 1, {10}, 2110, 10},
    {"- flatten\n- linear: {out: 128, act: relu}\n- linear: 10\n", 3, {1, 28, 28}, 101770, 10},
    {"- conv2d: {out: 32, act: relu}\n- max_pool\n- flatten\n- linear: {in: 5408, out: 10}\n",
     3,
     {1, 28, 28},
     54410,
     10},
    {"- linear: {out: 64, act: relu}\n- linear: {out: 64, act: relu}\n- linear: 1\n",
     1,
     {2},
     4417,
     1},
    {"- conv2d: {out: 32, act: relu}\n- max_pool\n- conv2d: {out: 64, act: relu}\n- max_pool\n"
     "- flatten\n- linear: 1\n",
     3,
     {3, 128, 128},
     76993,
     1},
    // ResNet-20 for 32 × 32 (He et al. 2016), with convolutions in the shortcuts.
    {"- conv2d: {out: 16, same: true, bias: false}\n- batch_norm: {act: relu}\n" BASIC(16, 1)
         BASIC(16, 1) BASIC(16, 1) BASIC(32, 2) BASIC(32, 1) BASIC(32, 1) BASIC(64, 2) BASIC(64, 1)
             BASIC(64, 1) "- global_pool\n- linear: 10\n",
     3,
     {3, 32, 32},
     272474,
     10},
    // A depthwise and a pointwise convolution (MobileNet); a VGG block; an Inception block.
    {"- conv2d: {depthwise: true, same: true, bias: false}\n- batch_norm\n- relu\n"
     "- conv2d: {out: 20, kernel: 1, bias: false}\n- batch_norm\n- silu\n- global_pool: max\n",
     3,
     {12, 9, 7},
     12 * 9 + 24 + 240 + 40,
     20},
    {"- repeat:\n    times: 2\n    layers:\n      - conv2d: {out: 8, same: true, act: relu}\n"
     "      - conv2d: {out: 8, same: true, act: relu}\n      - max_pool\n- flatten\n",
     3,
     {3, 13, 11},
     (27 * 8 + 8) + 3 * (72 * 8 + 8),
     8 * 3 * 2},
    {"- branches:\n    branches:\n      - [conv2d: {out: 4, kernel: 1}]\n"
     "      - [conv2d: {out: 3, same: true}, relu]\n      - [avg_pool: {kernel: 3, stride: 1, pad: "
     "1}]\n- adaptive_pool: [2, 3]\n- flatten\n",
     3,
     {2, 6, 8},
     12 + 57,
     9 * 6},
    {"- resnet_bottleneck: {out: 4, stride: 2}\n- global_pool\n",
     3,
     {6, 8, 8},
     24 + 144 + 64 + 96 + 2 * (4 + 4 + 16 + 16),
     16},
    {"- conv_transpose2d: {out: 3, kernel: 4, stride: 2, pad: 1}\n- group_norm: 3\n- tanh\n"
     "- upsample: {by: 2, how: bilinear}\n- pixel_shuffle: 1\n- flatten\n",
     3,
     {5, 4, 4},
     5 * 16 * 3 + 3 + 6,
     3 * 16 * 16},
    {"- conv1d: {out: 6, kernel: 5, stride: 2, dilation: 2}\n- layer_norm\n- gelu\n- rms_norm\n"
     "- sequence_pool: max\n",
     2,
     {30, 3},
     (15 * 6 + 6) + 12 + 6,
     6},
    // A TextCNN: branches that pool the sequence away.
    {"- branches:\n    branches:\n      - [conv1d: {out: 4, kernel: 2}, sequence_pool: max]\n"
     "      - [conv1d: {out: 3, kernel: 3, same: true}, sequence_pool: max]\n      - "
     "[sequence_pool: mean]\n",
     2,
     {7, 5},
     (10 * 4 + 4) + (15 * 3 + 3),
     4 + 3 + 5},
    {"- positions\n- leaky_relu\n- sequence_pool\n- softmax\n", 2, {7, 5}, 35, 5},
    {"- first: 3\n- flatten\n", 2, {7, 5}, 0, 15},
    {"- last: 3\n- last: 20\n- flatten\n", 2, {7, 5}, 0, 15},
    {"- first: 9\n- flatten\n- first: {places: 4}\n", 2, {7, 5}, 0, 4},
    {"- positions: sinusoidal\n- residual:\n    layers: [linear: 5]\n    act: relu\n"
     "- sequence_pool: last\n- log_softmax\n",
     2,
     {7, 5},
     30,
     5},
    {"- keep: start\n- linear: 4\n- keep: four\n- sequential: [linear: 4, gelu_tanh]\n- add: four\n"
     "- concat: start\n- checkpoint: [linear: 6, sigmoid]\n- input: [6]\n- dropout: .1\n",
     1,
     {3},
     16 + 20 + 48,
     6},
    {"- residual: {layers: [linear: 4], shortcut: [linear: {out: 4, bias: false}]}\n"
     "- reshape: [1, 2, 2]\n- use: x\n- linear: 2\n",
     1,
     {3},
     16 + 12 + 8,
     2},
    {"- lstm: {out: 50, act: relu}\n- lstm: {out: 50, act: relu, last: true}\n- linear: 2\n",
     2,
     {9, 1},
     10600 + 20400 + 102,
     2},
    {"- gru: {out: 3, layers: 2, both: true, dropout: .1}\n- sequence_pool\n", 2, {7, 4}, 360, 6},
    {"- rnn: {out: 3, both: true, last: true, bias: false}\n", 2, {7, 4}, 2 * 21, 6},
    {"- transformer_encoder: {heads: 2, layers: 2, width: 16}\n- sequence_pool\n",
     2,
     {7, 8},
     1216,
     8},
    {"- transformer_encoder: {heads: 2, kv_heads: 1, places: rotary, norm: rms, bias: false, causal: "
     "true, act: silu}\n- sequence_pool: last\n",
     2,
     {7, 8},
     728,
     8},
    {"- keep: seen\n- transformer_decoder: {heads: 2, memory: seen, dropout: .1}\n"
     "- sequence_pool\n",
     2,
     {7, 8},
     1192,
     8},
    {"- attention: {heads: 2, places: distance}\n- transformer_encoder: {heads: 4, post: true}\n"
     "- sequence_pool\n",
     2,
     {7, 8},
     352 + 216 + 72 + 32 + 288 + 264,
     8},
};

static void test_books(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof books / sizeof books[0]; i++) {
        const book *b = &books[i];
        hd_data *data = blank(5, b->n_dims, b->shape, 0);
        hd_net *net = net_of(b->layers, 1);
        float *out;
        size_t width;
        heed_err err = hd_net_predict(net, data, 3, 1, &out, &width);
        if (err != HEED_OK) fail_msg("%s%s", b->layers, heed_error_message(HEED_EN));
        size_t parameters = hd_weights_count(&net->weights, NULL);
        if (parameters != b->parameters || width != b->width) {
            fail_msg("%s%zu parameters, %zu wide", b->layers, parameters, width);
        }
        hd_free(out);
        if (hd_weights_count(&net->weights, NULL) > 0 && width > 1) {
            const hd_train_opts opts = {.steps = 2, .batch = 3, .threads = 1, .optimizer = "sgd"};
            assert_ok(hd_net_train(net, data, &opts, NULL));
        }
        hd_net_free(net);
        hd_data_free(data);
    }
}

// ── Lengths: what stands behind them counts for nothing ──

enum { LENGTH = 6 };

static hd_data *sequences(int32_t padding) {
    static int32_t x[3][LENGTH], lengths[3] = {2, 6, 1};
    hd_data *data;
    for (int32_t r = 0; r < 3; r++) {
        for (int32_t t = 0; t < LENGTH; t++) {
            x[r][t] = t < lengths[r] ? (r * 7 + t * 3) % 9 : padding;
        }
    }
    const hd_data_column columns[] = {
        {.field = {"x", HD_ROLE_INPUT, HD_I32, 1, {LENGTH}}, .dtype = HD_I32, .data = x},
        {.field = {"length", HD_ROLE_LENGTH, HD_I32, 0, {0}}, .dtype = HD_I32, .data = lengths}};
    assert_ok(hd_data_memory(3, 2, columns, &data));
    return data;
}

static void test_lengths(void **state) {
    (void)state;
    const char *const pools[] = {"mean", "max", "sum", "last"};
    for (size_t p = 0; p < 4; p++) {
        char layers[128];
        float *out[2];
        size_t width;
        hd_snprintf(layers, sizeof layers, "- embedding: {count: 9, dim: 4}\n- sequence_pool: %s\n",
                    pools[p]);
        for (int i = 0; i < 2; i++) {
            hd_data *data = sequences(i ? 8 : 0);
            hd_net *net = net_of(layers, 1);
            assert_ok(hd_net_predict(net, data, 3, 1, &out[i], &width));
            const float *table = net->weights.at[0]->weight.data;
            for (size_t d = 0; d < 4; d++) { // the last row has one word, 14 mod 9
                assert_true(fabsf(out[i][8 + d] - table[5 * 4 + d]) < 1e-6F);
            }
            hd_net_free(net);
            hd_data_free(data);
        }
        assert_memory_equal(out[0], out[1], 3 * 4 * sizeof(float));
        hd_free(out[0]);
        hd_free(out[1]);
    }
}

static void test_padding(void **state) {
    (void)state;
    const char *const bodies[] = {"- lstm: {out: 4, last: true, both: true}\n",
                                  "- gru: {out: 4, layers: 2}\n- sequence_pool\n",
                                  "- transformer_encoder: {heads: 2}\n- sequence_pool\n",
                                  "- attention: {heads: 2, causal: true}\n- sequence_pool: last\n"};
    for (size_t b = 0; b < sizeof bodies / sizeof bodies[0]; b++) {
        char layers[160];
        float *out[2];
        size_t width;
        hd_snprintf(layers, sizeof layers, "- embedding: {count: 9, dim: 4}\n%s", bodies[b]);
        for (int i = 0; i < 2; i++) {
            hd_data *data = sequences(i ? 8 : 0);
            hd_net *net = net_of(layers, 1);
            assert_ok(hd_net_predict(net, data, 3, 1, &out[i], &width));
            hd_net_free(net);
            hd_data_free(data);
        }
        for (size_t i = 0; i < 3 * width; i++) assert_true(fabsf(out[0][i] - out[1][i]) < 1e-6F);
        hd_free(out[0]);
        hd_free(out[1]);
    }
}

// Behind `first` a network says what it would of data that were cut before.
static void test_first(void **state) {
    (void)state;
    enum { KEPT = 4, ROWS = 3 };
    const char *const bodies[] = {"- sequence_pool: mean\n", "- sequence_pool: max\n",
                                  "- sequence_pool: last\n",
                                  "- lstm: {out: 4, last: true, both: true}\n",
                                  "- transformer_encoder: {heads: 2}\n- sequence_pool\n"};
    static int32_t x[ROWS][KEPT], lengths[ROWS] = {2, KEPT, 1};
    for (int32_t i = 0; i < ROWS * KEPT; i++) {
        int32_t r = i / KEPT, t = i % KEPT;
        x[r][t] = t < lengths[r] ? (r * 7 + t * 3) % 9 : 0;
    }
    const hd_data_column columns[] = {
        {.field = {"x", HD_ROLE_INPUT, HD_I32, 1, {KEPT}}, .dtype = HD_I32, .data = x},
        {.field = {"length", HD_ROLE_LENGTH, HD_I32, 0, {0}}, .dtype = HD_I32, .data = lengths}};
    for (size_t b = 0; b < sizeof bodies / sizeof bodies[0]; b++) {
        float *out[2];
        size_t width;
        for (int i = 0; i < 2; i++) {
            char layers[160];
            hd_data *data = sequences(0);
            if (i) {
                hd_data_free(data);
                assert_ok(hd_data_memory(ROWS, 2, columns, &data));
            }
            hd_snprintf(layers, sizeof layers,
                        "- {first: {places: %d, name: a}}\n- embedding: {count: 9, dim: 4}\n%s",
                        i ? LENGTH : KEPT, bodies[b]);
            hd_net *net = net_of(layers, 1);
            assert_ok(hd_net_predict(net, data, ROWS, 1, &out[i], &width));
            hd_net_free(net);
            hd_data_free(data);
        }
        assert_memory_equal(out[0], out[1], ROWS * width * sizeof(float));
        hd_free(out[0]);
        hd_free(out[1]);
    }
}

// ── Values ──

// Convolutions of the interface: a filter in file order, an image in (C, H, W).
static void test_orders(void **state) {
    (void)state;
    static const float x[] = {1, 2, 3, 4, 5, 6, 7, 8}; // (2, 2, 2)
    const hd_data_column column = {
        .field = {"x", HD_ROLE_INPUT, HD_F32, 3, {2, 2, 2}}, .dtype = HD_F32, .data = x};
    hd_data *data;
    hd_net *net = net_of("- conv2d: {out: 1, kernel: 2, bias: false}\n", 1);
    float *out;
    size_t width;
    assert_ok(hd_data_memory(1, 1, &column, &data));
    assert_ok(hd_net_prepare(net, data->fields, data->n_fields));
    hd_weight_item *item = net->weights.at[0];
    static const float w[] = {1, 10, 100, 1000, 2, 20, 200, 2000}; // (1, 2, 2, 2)
    size_t shape[HD_MAX_DIMS];
    assert_int_equal(hd_weight_file_shape(item, shape), 4);
    assert_true(shape[1] == 2 && shape[2] == 2);
    hd_weight_from_file(item, w, item->weight.data);
    float back[8];
    hd_weight_to_file(item, item->weight.data, back);
    assert_memory_equal(back, w, sizeof w);
    assert_ok(hd_net_predict(net, data, 1, 1, &out, &width));
    assert_true(out[0] == 1 + 20 + 300 + 4000 + 10 + 120 + 1400 + 16000);
    hd_free(out);
    hd_net_free(net);
    // flatten gives the interface's order back.
    net = net_of("- flatten\n- reshape: [2, 2, 2]\n- flatten\n", 1);
    assert_ok(hd_net_predict(net, data, 1, 1, &out, &width));
    assert_memory_equal(out, x, sizeof x);
    hd_free(out);
    hd_net_free(net);
    net = net_of("- relu\n", 1); // images leave as they came
    assert_ok(hd_net_predict(net, data, 1, 1, &out, &width));
    assert_memory_equal(out, x, sizeof x);
    hd_free(out);
    hd_net_free(net);
    hd_data_free(data);
}

// Attention of one head over three places of two values, biased by the times between them.
enum { PLACES = 3, WIDE = 2 };

static const float *values_of(const hd_net *net, const char *path) {
    const hd_weight_item *item = hd_weights_find(&net->weights, path);
    assert_non_null(item);
    return item->weight.data;
}

static double row_of(const hd_net *net, const char *layer, int row, const double *x) {
    char weight[32], bias[32];
    hd_snprintf(weight, sizeof weight, "0.%s.weight", layer);
    hd_snprintf(bias, sizeof bias, "0.%s.bias", layer);
    double sum = (double)values_of(net, bias)[row];
    for (int d = 0; d < WIDE; d++) sum += (double)values_of(net, weight)[row * WIDE + d] * x[d];
    return sum;
}

static void attended(const hd_net *net, const float *x, const size_t bucket[PLACES][PLACES],
                     double out[PLACES][WIDE]) {
    double qkv[PLACES][3 * WIDE];
    for (int t = 0; t < PLACES; t++) {
        const double in[WIDE] = {(double)x[t * WIDE], (double)x[t * WIDE + 1]};
        for (int r = 0; r < 3 * WIDE; r++) qkv[t][r] = row_of(net, "qkv", r, in);
    }
    for (int t = 0; t < PLACES; t++) {
        double sum = 0, mixed[WIDE] = {0, 0};
        for (int k = 0; k < PLACES; k++) {
            double score = (double)values_of(net, "0.time")[bucket[t][k]];
            for (int d = 0; d < WIDE; d++) score += qkv[t][d] * qkv[k][WIDE + d] / sqrt(WIDE);
            sum += exp(score);
            for (int d = 0; d < WIDE; d++) mixed[d] += exp(score) * qkv[k][2 * WIDE + d];
        }
        for (int d = 0; d < WIDE; d++) mixed[d] /= sum;
        for (int d = 0; d < WIDE; d++) out[t][d] = row_of(net, "out", d, mixed);
    }
}

static void test_times(void **state) {
    (void)state;
    static const float x[PLACES * WIDE] = {1, -0.5F, 0.25F, 2, -1, 0.5F};
    static const int32_t times[PLACES] = {100, 101, 107};
    // 1 + |a − b|: 1 is bucket 0, 2 is 2, 7 is 5 (between 6 and 8), 8 is 6.
    static const size_t buckets[PLACES][PLACES] = {{0, 2, 6}, {2, 0, 5}, {6, 5, 0}};
    const hd_data_column columns[] = {
        {.field = {"x", HD_ROLE_INPUT, HD_F32, 2, {PLACES, WIDE}}, .dtype = HD_F32, .data = x},
        {.field = {"when", HD_ROLE_INPUT, HD_I32, 1, {PLACES}}, .dtype = HD_I32, .data = times}};
    hd_data *data;
    float *out;
    size_t width;
    double wanted[PLACES][WIDE];
    assert_ok(hd_data_memory(1, 2, columns, &data));
    hd_net *net = net_of("- attention: {heads: 1, times: when}\n", 1);
    assert_ok(hd_net_prepare(net, data->fields, data->n_fields));
    hd_weight *table = &hd_weights_find(&net->weights, "0.time")->weight;
    for (size_t i = 0; i < table->count; i++) table->data[i] = (float)(i % 7) - 3;
    assert_ok(hd_net_predict(net, data, 1, 1, &out, &width));
    attended(net, x, buckets, wanted);
    for (int i = 0; i < PLACES * WIDE; i++) {
        assert_true(fabs((double)out[i] - wanted[i / WIDE][i % WIDE]) < 1e-5);
    }
    hd_free(out);
    hd_net_free(net);
    net = net_of("- attention: {heads: 1, times: x}\n", 1);
    assert_says(hd_net_prepare(net, data->fields, data->n_fields), HEED_INPUT,
                "times: 'x' must be an input of whole numbers, one for each place of the sequence "
                "(3, 2)",
                "times：“x”应为整数输入");
    hd_net_free(net);
    hd_data_free(data);
}

// Only a training drops: its loss is another one, an evaluation's is the same.
static void test_attention_dropout(void **state) {
    (void)state;
    hd_data *data = sequences(0);
    const char *const options[] = {"", ", attention_dropout: .5"};
    hd_train_report report[2];
    hd_evaluation e[2];
    for (int i = 0; i < 2; i++) {
        char layers[160];
        hd_snprintf(layers, sizeof layers,
                    "- embedding: {count: 9, dim: 4}\n- transformer_encoder: {heads: 2%s}\n"
                    "- sequence_pool\n",
                    options[i]);
        hd_net *net = net_of(layers, 1);
        const hd_train_opts opts = {.optimizer = "sgd: 0", .loss = "bpr", .threads = 1};
        assert_ok(hd_net_train(net, data, &opts, &report[i]));
        assert_ok(hd_net_evaluate(net, data, "bpr", NULL, 3, 1, &e[i]));
        hd_net_free(net);
    }
    assert_true(e[0].loss == e[1].loss && report[0].loss != report[1].loss);
    hd_data_free(data);
}

static void test_tie(void **state) {
    (void)state;
    hd_data *data = sequences(0);
    hd_net *net =
        net_of("- embedding: {count: 9, dim: 4, name: words}\n- linear: {out: 9, tie: words,"
               " bias: false}\n",
               1);
    float *out;
    size_t width;
    assert_ok(hd_net_predict(net, data, 3, 1, &out, &width));
    assert_int_equal(hd_weights_count(&net->weights, NULL), 36);
    const float *table = net->weights.at[0]->weight.data; // row 0 begins with word 0
    double dot = 0;
    for (size_t d = 0; d < 4; d++) dot += (double)table[d] * (double)table[3 * 4 + d];
    assert_true(fabs((double)out[3] - dot) < 1e-5);
    hd_free(out);
    hd_net_free(net);
    hd_data_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_books),   cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_padding), cmocka_unit_test(test_first),
        cmocka_unit_test(test_first),   cmocka_unit_test(test_orders),
        cmocka_unit_test(test_times),   cmocka_unit_test(test_attention_dropout),
        cmocka_unit_test(test_tie)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
