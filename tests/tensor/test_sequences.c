// SPDX-License-Identifier: Apache-2.0
//
// Builders made of several operators, against their formulas: rotary positions, sinusoids, sampled
// softmax, BPR; and what misuse of attention and recurrent layers says.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tensor/ops.h"

static hd_graph *graph_new(void) {
    hd_graph *graph;
    assert_int_equal(hd_graph_new(&(hd_graph_opts){.training = true}, &graph), HEED_OK);
    return graph;
}

static void run(hd_graph *graph, hd_tensor *out) {
    hd_graph_output(out);
    assert_int_equal(hd_graph_compile(graph, NULL), HEED_OK);
    assert_int_equal(hd_graph_run(graph, 0), HEED_OK);
}

static hd_tensor *floats(hd_graph *graph, size_t n, size_t m, const float *data) {
    return hd_graph_const(graph, 2, (size_t[]){n, m}, data);
}

static hd_tensor *indexes(hd_graph *graph, size_t n, int32_t *data) {
    hd_tensor *t = hd_graph_input(graph, "index", HD_I32, 1, &n);
    hd_graph_bind(t, data);
    return t;
}

static void assert_close(double got, double want) {
    if (fabs(got - want) > 1e-5 * (1 + fabs(want))) fail_msg("%.9g, not %.9g", got, want);
}

// A turn keeps lengths, and the product of two values depends on how far they stand apart.
static void test_rotary(void **state) {
    (void)state;
    for (int adjacent = 0; adjacent < 2; adjacent++) {
        hd_graph *graph = graph_new();
        float data[5 * 6];
        for (int i = 0; i < 30; i++) data[i] = (float)(i % 6) - 2; // the same at each place
        hd_tensor *x = hd_graph_const(graph, 3, (size_t[]){1, 5, 6}, data);
        hd_tensor *y = hd_tensor_rotary(
            x, &(hd_rotary_opts){.heads = 1, .head_dim = 6, .adjacent = adjacent, .first = 3});
        run(graph, y);
        const float *v = y->data;
        double dots[5] = {0}, far[4] = {0};
        for (int t = 0; t < 5; t++) {
            for (int j = 0; j < 6; j++) {
                dots[t] += (double)v[t * 6 + j] * (double)v[t * 6 + j];
                if (t < 4) far[t] += (double)v[t * 6 + j] * (double)v[t * 6 + 6 + j];
            }
        }
        for (int t = 0; t < 5; t++) assert_close(dots[t], 4 + 1 + 0 + 1 + 4 + 9);
        for (int t = 1; t < 4; t++) assert_close(far[t], far[0]);
        const double a = (double)data[0], b = (double)data[adjacent ? 1 : 3];
        assert_close((double)v[0], a * cos(3) - b * sin(3)); // the first pair turns by the place
        hd_graph_free(graph);
    }
}

static void test_sinusoids(void **state) {
    (void)state;
    hd_graph *graph = graph_new();
    hd_tensor *t = hd_graph_sinusoids(graph, 2, 3, 4);
    run(graph, t);
    const float *v = t->data;
    assert_close((double)v[0], sin(2));
    assert_close((double)v[1], cos(2));
    assert_close((double)v[4 + 2], sin(3 / 100.0));
    assert_close((double)v[4 + 3], cos(3 / 100.0));
    hd_graph_free(graph);
}

static void test_sampled_softmax(void **state) {
    (void)state;
    static const float items[] = {0.1F, 0.5F, -0.3F, 0.2F, 0.8F, -0.7F, 0.4F, 0.9F};
    static const float x[] = {1, 2, -1, 0.5F}, q[] = {-1, -2, -0.5F}, own_q[] = {-0.3F, -0.6F};
    int32_t labels[] = {1, 3}, drawn[] = {3, 0, 2};
    const double scale = 2;
    hd_graph *graph = graph_new();
    hd_weight table;
    assert_int_equal(hd_weight_init(&table, "items", 2, (size_t[]){4, 2}), HEED_OK);
    memcpy(table.data, items, sizeof items);
    hd_tensor *loss = hd_tensor_sampled_softmax(
        floats(graph, 2, 2, x), hd_graph_weight(graph, &table), indexes(graph, 2, labels),
        indexes(graph, 3, drawn),
        &(hd_sampled_opts){.scale = (float)scale,
                           .log_q = hd_graph_const(graph, 1, (size_t[]){3}, q),
                           .log_q_own = hd_graph_const(graph, 1, (size_t[]){2}, own_q)});
    hd_graph_grad(loss);
    run(graph, loss);
    double want = 0;
    for (int i = 0; i < 2; i++) {
        const float *own = items + 2 * labels[i];
        const double right = scale * (double)(x[2 * i] * own[0] + x[2 * i + 1] * own[1]);
        double sum = exp(right - (double)own_q[i]);
        want += log(sum);
        for (int j = 0; j < 3; j++) {
            const float *item = items + 2 * drawn[j];
            const double wrong = scale * (double)(x[2 * i] * item[0] + x[2 * i + 1] * item[1]);
            if (drawn[j] != labels[i]) sum += exp(wrong - (double)q[j]);
        }
        want -= log(sum);
    }
    assert_close((double)*(float *)loss->data, -want / 2);
    for (size_t i = 0; i < table.count; i++) assert_true(isfinite(table.grad[i]));
    hd_graph_free(graph);
    hd_weight_clear(&table);
}

static void test_bpr(void **state) {
    (void)state;
    static const float better[] = {1, 0}, worse[] = {0, 3};
    hd_graph *graph = graph_new();
    hd_tensor *loss = hd_tensor_bpr(floats(graph, 1, 2, better), floats(graph, 1, 2, worse));
    run(graph, loss);
    assert_close((double)*(float *)loss->data, (log(1 + exp(-1)) + log(1 + exp(3))) / 2);
    hd_graph_free(graph);
}

static hd_tensor *input(hd_graph *graph, size_t a, size_t b, size_t c) {
    return hd_graph_input(graph, "x", HD_F32, 3, (size_t[]){a, b, c});
}

static void assert_fails(hd_graph *graph, const char *part) {
    assert_int_equal(hd_graph_error(graph), HEED_INPUT);
    if (!strstr(heed_error_message(HEED_EN), part))
        fail_msg("'%s' isn't in: %s", part, heed_error_message(HEED_EN));
    hd_graph_free(graph);
}

static void test_misuse(void **state) {
    (void)state;
    hd_graph *graph = graph_new();
    hd_tensor_attention(input(graph, 2, 5, 10), NULL, NULL, &(hd_attention_opts){.heads = 2});
    assert_fails(graph, "(2, 5, 10) can't be cut into 6 heads");
    graph = graph_new();
    hd_tensor_attention(input(graph, 2, 5, 30), NULL, NULL,
                        &(hd_attention_opts){.heads = 3, .kv_heads = 2});
    assert_fails(graph, "3 heads can't share 2");
    graph = graph_new();
    hd_tensor_attention(input(graph, 2, 5, 8), input(graph, 2, 7, 8), input(graph, 2, 6, 8),
                        &(hd_attention_opts){.heads = 2});
    assert_fails(graph, "(2, 6, 8), (2, 7, 8) is needed");
    graph = graph_new();
    const hd_recurrent_weights w = {
        .w_ih = hd_graph_input(graph, "w", HD_F32, 2, (size_t[]){12, 4}),
        .w_hh = hd_graph_input(graph, "u", HD_F32, 2, (size_t[]){12, 3})};
    hd_tensor_recurrent(input(graph, 2, 5, 6), &w, &(hd_recurrent_opts){.cell = HD_CELL_LSTM});
    assert_fails(graph, "(12, 4), (12, 6) is needed beside x (2, 5, 6)");
    graph = graph_new();
    hd_tensor_rotary(input(graph, 2, 5, 6), &(hd_rotary_opts){.heads = 2, .head_dim = 4});
    assert_fails(graph, "2 heads of 4 values");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rotary),          cmocka_unit_test(test_sinusoids),
        cmocka_unit_test(test_sampled_softmax), cmocka_unit_test(test_bpr),
        cmocka_unit_test(test_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
