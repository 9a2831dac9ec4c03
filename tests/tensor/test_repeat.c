// SPDX-License-Identifier: Apache-2.0
//
// Dear values made again where memory is short: the plan gets smaller, results keep their bits, the
// work told stays that of the net; too little memory is still refused; allocations that fail.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "tensor/operator.h"
#include "tensor/ops.h"

enum { LAYERS = 6, PARTS = 4, WEIGHTS = LAYERS * PARTS };

typedef struct sizes {
    size_t batch, tokens, heads, head;
    float dropout;
    bool causal, checkpoint;
    hd_precision precision;
} sizes;

// A Transformer of LAYERS blocks, norms first or last by turns.
typedef struct net {
    hd_graph *graph;
    hd_tensor *x;
    hd_weight w[WEIGHTS];
} net;

static void ok(heed_err err) {
    if (err != HEED_OK) print_error("%s\n", heed_error_message(HEED_EN));
    assert_int_equal(err, HEED_OK);
}

static void fill(float *x, size_t n, uint64_t stream) {
    for (size_t i = 0; i < n; i++) x[i] = (float)(hd_rng_at(5, stream, i) >> 40) * 0x1p-24F - 0.5F;
}

static void make_weights(net *n, size_t wide) {
    const size_t shape[PARTS][2] = {
        {3 * wide, wide}, {wide, wide}, {2 * wide, wide}, {wide, 2 * wide}};
    for (int i = 0; i < WEIGHTS; i++) {
        ok(hd_weight_init(&n->w[i], "w", 2, shape[i % PARTS]));
        fill(n->w[i].data, n->w[i].count, (uint64_t)i);
    }
}

static hd_tensor *block(net *n, int layer, hd_tensor *x, const sizes *s) {
    hd_tensor *w[PARTS];
    for (int i = 0; i < PARTS; i++) w[i] = hd_graph_weight(n->graph, &n->w[layer * PARTS + i]);
    const bool before = layer % 2;
    if (s->checkpoint && layer < 2) hd_graph_checkpoint_begin(n->graph);
    hd_tensor *h = before ? hd_tensor_layer_norm(x, NULL, NULL, 1e-5F) : x;
    h = hd_tensor_linear(h, w[0], NULL, NULL, HD_ACT_NONE);
    h = hd_tensor_attention(
        h, NULL, NULL,
        &(hd_attention_opts){.heads = s->heads, .causal = s->causal, .dropout = s->dropout});
    h = hd_tensor_linear(h, w[1], NULL, s->dropout > 0 ? NULL : x, HD_ACT_NONE);
    if (s->dropout > 0) h = hd_tensor_add(hd_tensor_dropout(h, s->dropout), x);
    x = hd_tensor_layer_norm(h, NULL, NULL, 1e-5F);
    hd_tensor *y = hd_tensor_linear(x, w[2], NULL, NULL, HD_ACT_GELU);
    if (s->dropout > 0) y = hd_tensor_dropout(y, s->dropout);
    x = hd_tensor_linear(y, w[3], NULL, before ? h : x, HD_ACT_NONE);
    if (!before) x = hd_tensor_layer_norm(x, NULL, NULL, 1e-5F);
    if (s->checkpoint && layer < 2) hd_graph_checkpoint_end(n->graph);
    return x;
}

static heed_err build(net *n, const sizes *s, hd_graph_opts opts) {
    const size_t wide = s->heads * s->head;
    opts.training = true;
    opts.seed = 3;
    opts.precision = s->precision;
    HD_TRY(hd_graph_new(&opts, &n->graph));
    n->x = hd_graph_input(n->graph, "x", HD_F32, 3, (size_t[]){s->batch, s->tokens, wide});
    hd_tensor *h = n->x;
    for (int i = 0; i < LAYERS; i++) h = block(n, i, h, s);
    hd_graph_grad(hd_tensor_mean_all(hd_tensor_square(h)));
    return hd_graph_compile(n->graph, NULL);
}

static void drop(net *n) {
    hd_graph_free(n->graph);
    n->graph = NULL;
}

static void run(net *n) {
    fill(n->x->data, n->x->count, 99);
    ok(hd_graph_run(n->graph, 7));
}

static void forget(net *n) {
    for (int i = 0; i < WEIGHTS; i++) hd_weight_clear(&n->w[i]);
}

static void same_grads(const net *a, const net *b) {
    for (int i = 0; i < WEIGHTS; i++)
        assert_memory_equal(a->w[i].grad, b->w[i].grad, a->w[i].count * sizeof(float));
}

// Tighter and tighter limits down to `least` parts of 100.
static void squeeze(const sizes *s, size_t least) {
    net plain = {0}, tight = {0};
    make_weights(&plain, s->heads * s->head);
    make_weights(&tight, s->heads * s->head);
    ok(build(&plain, s, (hd_graph_opts){0}));
    run(&plain);
    const size_t bytes = hd_graph_bytes(plain.graph);
    for (size_t part = 98; part >= least; part -= 3) {
        const size_t limit = bytes * part / 100;
        ok(build(&tight, s, (hd_graph_opts){.memory_limit = limit}));
        assert_true(hd_graph_bytes(tight.graph) <= limit);
        assert_true(hd_graph_nodes(tight.graph) > hd_graph_nodes(plain.graph));
        assert_float_equal(hd_graph_flops(tight.graph), hd_graph_flops(plain.graph),
                           hd_graph_flops(plain.graph) * 1e-3);
        run(&tight);
        same_grads(&plain, &tight);
        drop(&tight);
    }
    assert_int_equal(build(&tight, s, (hd_graph_opts){.memory_limit = bytes / 5}), HEED_MEMORY);
    drop(&tight);
    drop(&plain);
    forget(&plain);
    forget(&tight);
}

static void test_fits_into_less(void **state) {
    (void)state;
    squeeze(&(sizes){2, 16, 4, 8, .causal = true}, 70);
    squeeze(&(sizes){3, 17, 3, 7}, 70);
    squeeze(&(sizes){2, 37, 1, 13, .dropout = 0.3F}, 80);
    squeeze(&(sizes){2, 16, 2, 8, .dropout = 0.2F, .checkpoint = true}, 80);
}

// Without a limit a small graph is left as it is, and so it is where there is room.
static void test_small_is_left_alone(void **state) {
    (void)state;
    const sizes s = {2, 16, 4, 8};
    net plain = {0}, roomy = {0};
    make_weights(&plain, 32);
    make_weights(&roomy, 32);
    ok(build(&plain, &s, (hd_graph_opts){0}));
    ok(build(&roomy, &s, (hd_graph_opts){.memory_limit = 2 * hd_graph_bytes(plain.graph)}));
    assert_int_equal(hd_graph_bytes(plain.graph), hd_graph_bytes(roomy.graph));
    assert_int_equal(hd_graph_nodes(plain.graph), hd_graph_nodes(roomy.graph));
    drop(&plain);
    drop(&roomy);
    forget(&plain);
    forget(&roomy);
}

// A large one (only planned, never run) gives up a sixth of its bytes and more for a twentieth of
// its work.
static void test_large_gives_up_some(void **state) {
    (void)state;
    const sizes s = {24, 128, 8, 64};
    net kept = {0}, made = {0};
    make_weights(&kept, 512);
    make_weights(&made, 512);
    ok(build(&kept, &s, (hd_graph_opts){.keep_cheap = true}));
    const size_t all = hd_graph_bytes(kept.graph);
    drop(&kept);
    ok(build(&made, &s, (hd_graph_opts){0}));
    const size_t less = hd_graph_bytes(made.graph);
    size_t again = 0;
    for (size_t i = 0; i < hd_graph_nodes(made.graph); i++) {
        const hd_node *node = hd_graph_node_at(made.graph, i);
        again += node->again && strcmp(node->op->name, "attention") == 0;
    }
    assert_true(less < all * 5 / 6);
    assert_int_equal(again, LAYERS);
    drop(&made);
    forget(&kept);
    forget(&made);
}

static void test_allocations_fail(void **state) {
    (void)state;
    const sizes s = {1, 32, 1, 8};
    net n = {0};
    make_weights(&n, 8);
    ok(build(&n, &s, (hd_graph_opts){0}));
    const size_t limit = hd_graph_bytes(n.graph) * 9 / 10;
    drop(&n);
    for (uint64_t at = 1; at < 4000; at++) {
        hd_mem_fail_at(at, false);
        const heed_err err = build(&n, &s, (hd_graph_opts){.memory_limit = limit});
        hd_mem_fail_at(0, false);
        drop(&n);
        if (err == HEED_OK) {
            forget(&n);
            return;
        }
        assert_int_equal(err, HEED_MEMORY);
    }
    fail_msg("never succeeded");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fits_into_less),
        cmocka_unit_test(test_small_is_left_alone),
        cmocka_unit_test(test_large_gives_up_some),
        cmocka_unit_test(test_allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
