// SPDX-License-Identifier: Apache-2.0
//
// The graph itself: misuse and its messages, differentiation, accumulation, checkpoints, what is
// computed again, fusion, the memory plan, NaN named, allocations that fail.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "kernel/cpu.h"
#include "tensor/operator.h"
#include "tensor/ops.h"

#define SHAPE(...)                                                              \
    (int)(sizeof((size_t[]){__VA_ARGS__}) / sizeof(size_t)), (const size_t[]) { \
        __VA_ARGS__                                                             \
    }

static void ok(heed_err err) {
    if (err != HEED_OK) print_error("%s\n", heed_error_message(HEED_EN));
    assert_int_equal(err, HEED_OK);
}

static hd_graph *new_graph(void) {
    hd_graph *g;
    ok(hd_graph_new(&(hd_graph_opts){.training = true, .seed = 3}, &g));
    return g;
}

static void fill(float *x, size_t n, uint64_t stream) {
    for (size_t i = 0; i < n; i++) x[i] = (float)(hd_rng_at(5, stream, i) >> 40) * 0x1p-24F - 0.5F;
}

static void make_weight(hd_weight *w, const char *name, int n_dims, const size_t *shape) {
    ok(hd_weight_init(w, name, n_dims, shape));
    fill(w->data, w->count, (uint64_t)name[0] * 31 + (uint64_t)name[1]);
}

// ── Misuse: said once, with operator, layer and both shapes, in both languages ──

static void says(hd_graph *g, const char *en, const char *zh) {
    assert_int_equal(hd_graph_compile(g, NULL), HEED_INPUT);
    if (!strstr(heed_error_message(HEED_EN), en)) fail_msg("%s", heed_error_message(HEED_EN));
    if (!strstr(heed_error_message(HEED_ZH), zh)) fail_msg("%s", heed_error_message(HEED_ZH));
    hd_graph_free(g);
}

static void test_misuse(void **state) {
    (void)state;
    hd_graph *g = new_graph();
    hd_tensor *x = hd_graph_input(g, "x", HD_F32, SHAPE(64, 12544));
    hd_tensor *w = hd_graph_input(g, "w", HD_F32, SHAPE(10, 3136));
    hd_graph_scope_push(g, "head");
    hd_graph_scope_push(g, "0");
    hd_tensor *y = hd_tensor_linear(x, w, NULL, NULL, HD_ACT_NONE);
    hd_graph_scope_pop(g);
    hd_tensor_add(y, hd_graph_input(g, "z", HD_F32, SHAPE(2, 3))); // only the first is told
    says(g,
         "operator 'linear' in 'head.0': rows of 3136 values are needed, those given have 12544: "
         "the shape is (64, 12544), the weight's (10, 3136)",
         "“head.0”中的算子“linear”：每行需要 3136 个值，而给出的是 12544 个");

    g = new_graph();
    x = hd_graph_input(g, "x", HD_F32, SHAPE(1024));
    hd_tensor_reshape(x, SHAPE(64, 64, 3));
    says(
        g,
        "operator 'reshape': 1024 values of the shape (1024) don't make 12288 of the shape (64, 64, 3)",
        "1024 个值");

    g = new_graph();
    hd_tensor_add(hd_graph_input(g, "a", HD_F32, SHAPE(2, 3)),
                  hd_graph_input(g, "b", HD_F32, SHAPE(4, 3)));
    says(g, "operator 'add': the shapes (2, 3) and (4, 3) don't go together", "不能一起运算");

    g = new_graph();
    hd_tensor_matmul(hd_graph_input(g, "a", HD_F32, SHAPE(2, 3)),
                     hd_graph_input(g, "b", HD_F32, SHAPE(4, 5)), false, false);
    says(g, "the inner dimensions differ: the shapes are (2, 3) and (4, 5)", "内侧维度不同");

    g = new_graph();
    hd_tensor_exp(hd_graph_input(g, "a", HD_I32, SHAPE(2)));
    says(g, "operator 'exp': input 0 is of type I32, F32 is needed", "类型");

    g = new_graph();
    hd_tensor_dropout(hd_graph_input(g, "a", HD_F32, SHAPE(2)), 1);
    says(g, "dropout of 1: the rate must lie below 1", "丢弃率");

    g = new_graph();
    hd_graph_grad(hd_tensor_exp(hd_graph_input(g, "a", HD_F32, SHAPE(2))));
    says(g, "a gradient is taken of one value, not of the shape (2)", "单个值");

    g = new_graph();
    hd_graph_grad(hd_tensor_sum_all(hd_graph_input(g, "a", HD_F32, SHAPE(2))));
    says(g, "nothing that is trained leads to the loss", "可训练");

    g = new_graph();
    hd_graph_input(g, "huge", HD_F32, SHAPE(SIZE_MAX / 2, 3));
    says(g, "'huge': a result of shape", "“huge”");

    hd_graph *other = new_graph();
    g = new_graph();
    hd_tensor_add(hd_graph_input(g, "a", HD_F32, SHAPE(2)),
                  hd_graph_input(other, "b", HD_F32, SHAPE(2)));
    says(g, "input 1 belongs to another graph", "另一张图");
    hd_graph_free(other);

    g = new_graph();
    x = hd_graph_input(g, "x", HD_F32, SHAPE(3));
    assert_int_equal(hd_graph_run(g, 0), HEED_INPUT);
    ok(hd_graph_compile(g, NULL));
    hd_tensor_exp(x);
    assert_int_equal(hd_graph_error(g), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "the graph is compiled"));
    hd_graph_free(g);
    assert_null(hd_tensor_add(NULL, NULL));
}

// The other operators' rules, one misuse each.
static hd_tensor *misuse(hd_graph *g, int which) {
    hd_tensor *x = hd_graph_input(g, "x", HD_F32, SHAPE(2, 3));
    hd_tensor *y = hd_graph_input(g, "y", HD_F32, SHAPE(4, 5));
    hd_tensor *i = hd_graph_input(g, "i", HD_I32, SHAPE(3));
    hd_tensor *one = hd_graph_scalar(g, 1), *row = hd_graph_input(g, "row", HD_F32, SHAPE(7));
    hd_tensor *w = hd_graph_input(g, "w", HD_F32, SHAPE(5, 3));
    switch (which) {
    case 0:
        return hd_tensor_slice(x, 1, 2, 2);
    case 1:
        return hd_tensor_concat(2, (hd_tensor *[]){x, y}, 1);
    case 2:
        return hd_tensor_permute(x, (const int[]){0, 0});
    case 3:
        return hd_tensor_broadcast(x, SHAPE(2, 4));
    case 4:
        return hd_tensor_sum(x, 1, 2, false);
    case 5:
        return hd_tensor_max_over(hd_tensor_slice(x, 0, 0, 0), 0, 1, false);
    case 6:
        return hd_tensor_embedding(row, i);
    case 7:
        return hd_tensor_cross_entropy(x, i, NULL);
    case 8:
        return hd_tensor_cross_entropy(w, hd_graph_input(g, "l", HD_I32, SHAPE(5)),
                                       &(hd_cross_entropy_opts){.weights = row});
    case 9:
        return hd_tensor_cross_entropy(w, hd_graph_input(g, "l", HD_I32, SHAPE(5)),
                                       &(hd_cross_entropy_opts){.smoothing = 2});
    case 10:
        return hd_tensor_linear(x, w, row, NULL, HD_ACT_NONE);
    case 11:
        return hd_tensor_linear(x, w, NULL, row, HD_ACT_NONE);
    case 12:
        return hd_tensor_softmax(one);
    case 13:
        return hd_tensor_cast(x, HD_I8);
    case 14:
        return hd_tensor_linear_cross_entropy(y, w, NULL, i, NULL);
    case 15:
        return hd_tensor_matmul(row, w, false, false);
    default:
        return hd_tensor_gather(one, i);
    }
}

static void test_misuse_of_each(void **state) {
    (void)state;
    static const char *const said[] = {
        "2 from 2 on don't lie in dimension 1 of the shape (2, 3)",
        "the shapes (2, 3) and (4, 5) can't be joined along dimension 1",
        "the order names no permutation of the dimensions of (2, 3)",
        "the shape (2, 3) can't be stretched to (2, 4)",
        "there are no 2 dimensions from 1 on in the shape (2, 3)",
        "there is no largest of no values: the shape is (0, 3)",
        "input 0 has the shape (7), 2 dimensions are needed",
        "the rows have the shape (2, 3), the labels (3)",
        "there are 3 classes, but weights of the shape (7)",
        "a label smoothing of 2 doesn't lie in 0 to 1",
        "the bias has the shape (7), the weight (5, 3)",
        "the residual has the shape (7), the result (2, 5)",
        "a row is needed, not a single value",
        "values of type F32 can't become I8",
        "rows of the shape (4, 5), a weight of (5, 3)",
        "a matrix is needed on both sides: the shapes are (7) and (5, 3)",
        "rows of the shape () can't be taken by an index of the shape (3)",
    };
    for (int i = 0; i < (int)(sizeof said / sizeof said[0]); i++) {
        hd_graph *g = new_graph();
        misuse(g, i);
        says(g, said[i], "");
    }
}

static void test_bad_labels(void **state) {
    (void)state;
    hd_graph *g = new_graph();
    hd_tensor *x = hd_graph_input(g, "x", HD_F32, SHAPE(3, 4));
    hd_tensor *labels = hd_graph_input(g, "label", HD_I32, SHAPE(3));
    hd_tensor *loss = hd_tensor_cross_entropy(x, labels, NULL);
    hd_graph_output(loss);
    ok(hd_graph_compile(g, NULL));
    memset(x->data, 0, 12 * sizeof(float));
    memcpy(labels->data, (int32_t[]){0, 3, 1}, 3 * sizeof(int32_t));
    ok(hd_graph_run(g, 0));
    assert_float_equal(*(float *)loss->data, logf(4), 1e-6);
    ((int32_t *)labels->data)[1] = 4;
    assert_int_equal(hd_graph_run(g, 0), HEED_INPUT);
    assert_string_equal(heed_error_message(HEED_EN),
                        "operator 'cross_entropy': label 4 of row 1 is "
                        "out of range: there are 4 classes");
    ((int32_t *)labels->data)[1] = -1;
    assert_int_equal(hd_graph_run(g, 0), HEED_INPUT);
    hd_graph_free(g);
}

// ── A small network, built in several ways that must agree ──

enum { N = 12, D = 8, H = 16, C = 5 };

typedef struct net {
    hd_weight w1, b1, w2, b2, w3;
    hd_graph *graph;
    hd_tensor *x, *labels, *loss, *hidden;
} net;

typedef struct net_opts {
    bool checkpoint, finite, keep_hidden;
    hd_precision precision;
    size_t memory_limit;
    float dropout;
} net_opts;

static void net_build(net *n, net_opts opts) {
    make_weight(&n->w1, "w1", SHAPE(H, D));
    make_weight(&n->b1, "b1", SHAPE(H));
    make_weight(&n->w2, "w2", SHAPE(H, H));
    make_weight(&n->b2, "b2", SHAPE(H));
    make_weight(&n->w3, "w3", SHAPE(C, H));
    ok(hd_graph_new(&(hd_graph_opts){.training = true,
                                     .seed = 3,
                                     .precision = opts.precision,
                                     .memory_limit = opts.memory_limit},
                    &n->graph));
    hd_graph *g = n->graph;
    n->x = hd_graph_input(g, "x", HD_F32, SHAPE(N, D));
    n->labels = hd_graph_input(g, "label", HD_I32, SHAPE(N));
    hd_tensor *h = hd_tensor_linear(n->x, hd_graph_weight(g, &n->w1), hd_graph_weight(g, &n->b1),
                                    NULL, HD_ACT_GELU);
    if (opts.checkpoint) hd_graph_checkpoint_begin(g);
    for (int i = 0; i < 2; i++) { // the same weights twice
        hd_tensor *f = hd_tensor_linear(h, hd_graph_weight(g, &n->w2), hd_graph_weight(g, &n->b2),
                                        NULL, HD_ACT_NONE);
        h = hd_tensor_add(h, hd_tensor_dropout(hd_tensor_gelu(f), opts.dropout));
    }
    if (opts.checkpoint) hd_graph_checkpoint_end(g);
    n->hidden = h;
    if (opts.keep_hidden) hd_graph_output(h);
    hd_tensor *logits = hd_tensor_linear(h, hd_graph_weight(g, &n->w3), NULL, NULL, HD_ACT_NONE);
    n->loss = hd_tensor_cross_entropy(logits, n->labels, NULL);
    hd_graph_output(n->loss);
    hd_graph_grad(n->loss);
    hd_graph_check_finite(g, opts.finite);
}

static void net_run(net *n) {
    fill(n->x->data, N * D, 77);
    for (int i = 0; i < N; i++) ((int32_t *)n->labels->data)[i] = i % C;
    ok(hd_graph_run(n->graph, 4));
}

static void net_drop(net *n) {
    hd_graph_free(n->graph);
    hd_weight *all[] = {&n->w1, &n->b1, &n->w2, &n->b2, &n->w3};
    for (int i = 0; i < 5; i++) hd_weight_clear(all[i]);
}

static void same_grads(const net *a, const net *b, float times, float tolerance) {
    const hd_weight *x[] = {&a->w1, &a->b1, &a->w2, &a->b2, &a->w3};
    const hd_weight *y[] = {&b->w1, &b->b1, &b->w2, &b->b2, &b->w3};
    for (int i = 0; i < 5; i++)
        for (size_t j = 0; j < x[i]->count; j++)
            assert_float_equal(x[i]->grad[j] * times, y[i]->grad[j], tolerance);
}

static void test_ways_agree(void **state) {
    (void)state;
    net plain = {0}, other = {0};
    net_build(&plain, (net_opts){.dropout = 0.3F});
    ok(hd_graph_compile(plain.graph, NULL));
    net_run(&plain);
    const net_opts ways[] = {
        {.dropout = 0.3F, .checkpoint = true},
        {.dropout = 0.3F, .finite = true}, // nothing fused
        {.dropout = 0.3F, .keep_hidden = true},
        {.dropout = 0.3F, .checkpoint = true, .finite = true},
    };
    for (int i = 0; i < 4; i++) {
        net_build(&other, ways[i]);
        ok(hd_graph_compile(other.graph, NULL));
        net_run(&other);
        assert_float_equal(*(float *)plain.loss->data, *(float *)other.loss->data, 0);
        same_grads(&plain, &other, 1, 1e-7F);
        net_drop(&other);
    }
    net_drop(&plain);
}

static void test_bf16_is_near(void **state) {
    (void)state;
    net exact = {0}, rounded = {0};
    net_build(&exact, (net_opts){0});
    net_build(&rounded, (net_opts){.precision = HD_PRECISE_BF16});
    ok(hd_graph_compile(exact.graph, NULL));
    ok(hd_graph_compile(rounded.graph, NULL));
    net_run(&exact);
    net_run(&rounded);
    assert_float_equal(*(float *)exact.loss->data, *(float *)rounded.loss->data, 1e-2);
    assert_true(*(float *)exact.loss->data != *(float *)rounded.loss->data);
    same_grads(&exact, &rounded, 1, 5e-3F);
    net_drop(&exact);
    net_drop(&rounded);
}

// ── What is kept for the backward ──

enum { DEEP = 8, ROWS = 64, WIDE = 32 };

// DEEP layers of gelu on sequences (so that names of other shapes lie between), each in its own
// checkpoint or none.
static size_t deep_bytes(hd_graph_opts opts, bool checkpoint, float *grad) {
    hd_weight w[DEEP];
    hd_graph *g;
    opts.training = true;
    ok(hd_graph_new(&opts, &g));
    hd_tensor *x = hd_graph_input(g, "x", HD_F32, SHAPE(4, ROWS / 4, WIDE)), *h = x;
    for (int i = 0; i < DEEP; i++) {
        make_weight(&w[i], (char[]){(char)('a' + i), 0}, SHAPE(WIDE, WIDE));
        if (checkpoint && i % 4 == 0) hd_graph_checkpoint_begin(g);
        h = hd_tensor_linear(h, hd_graph_weight(g, &w[i]), NULL, NULL, HD_ACT_GELU);
        if (checkpoint && i % 4 == 3) hd_graph_checkpoint_end(g);
    }
    hd_graph_grad(hd_tensor_mean_all(hd_tensor_square(h)));
    ok(hd_graph_compile(g, NULL));
    fill(x->data, ROWS * WIDE, 6);
    ok(hd_graph_run(g, 0));
    memcpy(grad, w[0].grad, WIDE * sizeof *grad);
    size_t bytes = hd_graph_bytes(g);
    hd_graph_free(g);
    for (int i = 0; i < DEEP; i++) hd_weight_clear(&w[i]);
    return bytes;
}

static void test_memory_for_work(void **state) {
    (void)state;
    float kept_grad[WIDE], made_grad[WIDE], checked_grad[WIDE];
    size_t kept = deep_bytes((hd_graph_opts){.keep_cheap = true}, false, kept_grad);
    size_t made = deep_bytes((hd_graph_opts){0}, false, made_grad);
    size_t checked = deep_bytes((hd_graph_opts){.keep_cheap = true}, true, checked_grad);
    const size_t one = ROWS * WIDE * sizeof(float);
    assert_true(made + (DEEP - 3) * one <= kept);    // gelu's results aren't kept
    assert_true(checked + (DEEP / 2) * one <= kept); // a segment's values are kept at a time
    // Both together: no more than either. (How much less is up to the path: its workspace stands
    // beside.)
    const size_t both = deep_bytes((hd_graph_opts){0}, true, made_grad);
    assert_true(both <= made && both <= checked);
    assert_memory_equal(kept_grad, made_grad, sizeof kept_grad);
    assert_memory_equal(kept_grad, checked_grad, sizeof kept_grad);
}

// Values kept as bf16: half the memory of what the backward reads, gradients near those of f32.
static void test_kept_as_bf16(void **state) {
    (void)state;
    float wide_grad[WIDE], narrow_grad[WIDE], most = 0;
    const hd_graph_opts wide = {.precision = HD_PRECISE_BF16, .wide = true};
    const hd_graph_opts narrow = {.precision = HD_PRECISE_BF16};
    const size_t f32 = deep_bytes(wide, false, wide_grad), one = ROWS * WIDE * sizeof(float);
    const size_t bf16 = deep_bytes(narrow, false, narrow_grad);
    assert_true(bf16 + (DEEP - 3) * one / 2 <= f32);
    assert_true(deep_bytes(narrow, true, narrow_grad) <= deep_bytes(wide, true, wide_grad));
    for (int i = 0; i < WIDE; i++) most = fmaxf(most, fabsf(wide_grad[i]));
    for (int i = 0; i < WIDE; i++) assert_float_equal(narrow_grad[i], wide_grad[i], most * 3e-2F);
}

// The plan says which values are kept so; what is read outside is not, and nothing where NaN is
// looked for.
static void test_plan_tells_types(void **state) {
    (void)state;
    net n = {0};
    hd_str text;
    for (int i = 0; i < 3; i++) {
        net_build(&n, (net_opts){.precision = i > 0 ? HD_PRECISE_BF16 : HD_PRECISE_F32,
                                 .finite = i == 2,
                                 .keep_hidden = true});
        ok(hd_graph_compile(n.graph, NULL));
        assert_int_equal(n.hidden->dtype, HD_F32);
        assert_int_equal(n.loss->dtype, HD_F32);
        hd_str_init(&text);
        hd_graph_print(n.graph, &text);
        assert_int_equal(strstr(hd_str_get(&text), ":bf16") != NULL, i == 1);
        hd_str_clear(&text);
        net_run(&n);
        net_drop(&n);
    }
}

// ── Squares of gradients, counted when they are made ──

typedef struct tied {
    hd_weight table, w, b;
    hd_graph *graph;
    hd_tensor *index, *labels;
} tied;

// A table that is looked up and multiplied by; a linear layer between.
static void tied_new(tied *t) {
    enum { V = 11, WIDTH = 8, ROWS_IN = 6 };
    make_weight(&t->table, "tt", SHAPE(V, WIDTH));
    make_weight(&t->w, "ww", SHAPE(WIDTH, WIDTH));
    make_weight(&t->b, "bb", SHAPE(WIDTH));
    t->graph = new_graph();
    t->index = hd_graph_input(t->graph, "index", HD_I32, SHAPE(ROWS_IN));
    t->labels = hd_graph_input(t->graph, "labels", HD_I32, SHAPE(ROWS_IN));
    hd_tensor *table = hd_graph_weight(t->graph, &t->table);
    hd_tensor *h =
        hd_tensor_linear(hd_tensor_embedding(table, t->index), hd_graph_weight(t->graph, &t->w),
                         hd_graph_weight(t->graph, &t->b), NULL, HD_ACT_RELU);
    hd_graph_grad(hd_tensor_linear_cross_entropy(h, table, NULL, t->labels, NULL));
    ok(hd_graph_compile(t->graph, NULL));
    memcpy(t->index->data, (int32_t[]){3, 10, 3, 0, 7, 3}, ROWS_IN * sizeof(int32_t));
    memcpy(t->labels->data, (int32_t[]){1, 2, 3, 4, 5, 10}, ROWS_IN * sizeof(int32_t));
}

static void tied_clear(tied *t) {
    hd_graph_free(t->graph);
    hd_weight_clear(&t->table);
    hd_weight_clear(&t->w);
    hd_weight_clear(&t->b);
}

static void has_squares(const hd_weight *w) {
    double sum = 0;
    for (size_t i = 0; i < w->count; i++) sum += (double)w->grad[i] * (double)w->grad[i];
    assert_true(w->has_squares);
    assert_true(sum > 0 && fabs(w->squares - sum) <= 1e-5 * sum);
}

static void test_squares(void **state) {
    (void)state;
    tied t;
    tied_new(&t);
    ok(hd_graph_run(t.graph, 0));
    has_squares(&t.table); // the product's, and what the rows looked up add
    has_squares(&t.w);
    assert_false(t.b.has_squares);
    hd_graph_accumulate(t.graph, true); // added to: nobody counts
    ok(hd_graph_run(t.graph, 1));
    assert_false(t.table.has_squares || t.w.has_squares);
    hd_graph_accumulate(t.graph, false);
    ok(hd_graph_run(t.graph, 2));
    has_squares(&t.table);
    has_squares(&t.w);
    hd_weight_zero_grad(&t.w);
    assert_false(t.w.has_squares);
    t.table.data[3 * 8] = NAN; // what isn't a number isn't hidden
    ok(hd_graph_run(t.graph, 3));
    assert_true(t.table.has_squares && isnan(t.table.squares));
    tied_clear(&t);
}

// The loss over a layer of `classes`, in bf16; `bias`: with one. The gradients of weight and rows.
static void loss_grads(bool wide, bool bias, size_t classes, float *out) {
    enum { SOME = 5, WIDTH = 8 };
    hd_weight w, b, x;
    hd_graph *g;
    make_weight(&w, "ww", SHAPE(classes, WIDTH));
    make_weight(&b, "bb", SHAPE(classes));
    make_weight(&x, "xx", SHAPE(SOME, WIDTH));
    ok(hd_graph_new(&(hd_graph_opts){.training = true, .precision = HD_PRECISE_BF16, .wide = wide},
                    &g));
    hd_tensor *labels = hd_graph_input(g, "labels", HD_I32, SHAPE(SOME));
    hd_graph_grad(hd_tensor_linear_cross_entropy(hd_graph_weight(g, &x), hd_graph_weight(g, &w),
                                                 bias ? hd_graph_weight(g, &b) : NULL, labels,
                                                 NULL));
    ok(hd_graph_compile(g, NULL));
    memcpy(labels->data, (int32_t[]){1, 0, (int32_t)classes - 1, 4, 2}, SOME * sizeof(int32_t));
    ok(hd_graph_run(g, 0));
    memcpy(out, w.grad, w.count * sizeof *out);
    memcpy(out + w.count, x.grad, x.count * sizeof *out);
    hd_graph_free(g);
    hd_weight_clear(&w);
    hd_weight_clear(&b);
    hd_weight_clear(&x);
}

// Logits' gradients are rounded when they are written or when they are read: the same bits.
static void test_narrow_logits(void **state) {
    (void)state;
    static float wide[1203 * 8 + 5 * 8], narrow[1203 * 8 + 5 * 8];
    for (int i = 0; i < 4; i++) {
        const size_t classes = i % 2 ? 1203 : 7, n = (classes + 5) * 8;
        loss_grads(true, i > 1, classes, wide);
        loss_grads(false, i > 1, classes, narrow);
        assert_memory_equal(wide, narrow, n * sizeof *wide);
        double sum = 0;
        for (size_t j = 0; j < n; j++) sum += fabs((double)narrow[j]);
        assert_true(sum > 0 && isfinite(sum));
    }
}

// DEEP residual blocks: linear, norm, ReLU, linear, norm, the sum and ReLU. Returns the plan's
// bytes; `out`: the first weight's gradient and the last running mean.
static size_t blocks_bytes(bool keep_cheap, float out[2 * WIDE]) {
    hd_weight w[2 * DEEP], mean[2 * DEEP], var[2 * DEEP];
    hd_graph *g;
    ok(hd_graph_new(&(hd_graph_opts){.training = true, .keep_cheap = keep_cheap}, &g));
    hd_tensor *x = hd_graph_input(g, "x", HD_F32, SHAPE(ROWS, WIDE)), *h = x, *around = x;
    for (int i = 0; i < 2 * DEEP; i++) {
        make_weight(&w[i], (char[]){(char)('a' + i), 'w', 0}, SHAPE(WIDE, WIDE));
        make_weight(&mean[i], (char[]){(char)('a' + i), 'm', 0}, SHAPE(WIDE));
        make_weight(&var[i], (char[]){(char)('a' + i), 'v', 0}, SHAPE(WIDE));
        h = hd_tensor_linear(h, hd_graph_weight(g, &w[i]), NULL, NULL, HD_ACT_NONE);
        h = hd_tensor_batch_norm(h, NULL, NULL, hd_graph_state(g, &mean[i]),
                                 hd_graph_state(g, &var[i]), 1e-3F, 0.1F, i % 2 ? around : NULL,
                                 true);
        if (i % 2) around = h;
    }
    hd_graph_grad(hd_tensor_mean_all(hd_tensor_square(h)));
    ok(hd_graph_compile(g, NULL));
    fill(x->data, ROWS * WIDE, 6);
    ok(hd_graph_run(g, 0));
    memcpy(out, w[0].grad, WIDE * sizeof *out);
    memcpy(out + WIDE, mean[2 * DEEP - 1].data, WIDE * sizeof *out);
    size_t bytes = hd_graph_bytes(g);
    hd_graph_free(g);
    for (int i = 0; i < 2 * DEEP; i++) {
        hd_weight_clear(&w[i]);
        hd_weight_clear(&mean[i]);
        hd_weight_clear(&var[i]);
    }
    return bytes;
}

static void test_norms_made_again(void **state) {
    (void)state;
    float kept_values[2 * WIDE], made_values[2 * WIDE];
    size_t kept = blocks_bytes(true, kept_values), made = blocks_bytes(false, made_values);
    const size_t one = ROWS * WIDE * sizeof(float);
    // Not kept: what comes out of each inner norm, and of every second block.
    assert_true(made + (DEEP + DEEP / 2 - 3) * one <= kept);
    assert_memory_equal(kept_values, made_values, sizeof kept_values);
}

// Convolutions with norms: what the backward reads is half as large where the path multiplies bf16
// by tiles; elsewhere all is as it was.
static size_t images_bytes(bool wide, float grad[9 * 16]) {
    enum { LAYERS = 4 };
    hd_weight w[LAYERS];
    hd_graph *g;
    ok(hd_graph_new(
        &(hd_graph_opts){
            .training = true, .keep_cheap = true, .precision = HD_PRECISE_BF16, .wide = wide},
        &g));
    hd_tensor *x = hd_graph_input(g, "x", HD_F32, SHAPE(2, 8, 9, 16)), *h = x;
    for (int i = 0; i < LAYERS; i++) {
        make_weight(&w[i], (char[]){(char)('a' + i), 0}, SHAPE(16, 3, 3, 16));
        hd_tensor *y =
            hd_tensor_conv2d(h, hd_graph_weight(g, &w[i]), NULL, &(hd_conv_opts){.pad = {1, 1}});
        h = hd_tensor_batch_norm(y, NULL, NULL, NULL, NULL, 1e-3F, 0.1F, i > 0 ? h : NULL, true);
    }
    hd_graph_grad(hd_tensor_mean_all(hd_tensor_square(h)));
    ok(hd_graph_compile(g, NULL));
    fill(x->data, x->count, 6);
    ok(hd_graph_run(g, 0));
    memcpy(grad, w[0].grad, 9 * 16 * sizeof *grad);
    const size_t bytes = hd_graph_bytes(g);
    hd_graph_free(g);
    for (int i = 0; i < LAYERS; i++) hd_weight_clear(&w[i]);
    return bytes;
}

static void test_images_kept_as_bf16(void **state) {
    (void)state;
    float wide[9 * 16], narrow[9 * 16], most = 0;
    const size_t f32 = images_bytes(true, wide), bf16 = images_bytes(false, narrow);
    const size_t one = 2 * 8 * 9 * 16 * sizeof(float);
    assert_true(bf16 <= f32);
    if (hd_isa_get() == HD_ISA_AMX) assert_true(bf16 + 3 * one <= f32);
    for (int i = 0; i < 9 * 16; i++) most = fmaxf(most, fabsf(wide[i]));
    for (int i = 0; i < 9 * 16; i++) assert_float_equal(narrow[i], wide[i], most * 5e-2F);
}

static void test_accumulation(void **state) {
    (void)state;
    net once = {0}, twice = {0};
    net_build(&once, (net_opts){0});
    net_build(&twice, (net_opts){0});
    ok(hd_graph_compile(once.graph, NULL));
    ok(hd_graph_compile(twice.graph, NULL));
    net_run(&once);
    net_run(&once); // replaces
    net_run(&twice);
    hd_graph_accumulate(twice.graph, true);
    net_run(&twice);
    same_grads(&once, &twice, 2, 1e-6F);
    net_drop(&once);
    net_drop(&twice);
}

static void test_forward_alone(void **state) {
    (void)state;
    net n = {0};
    net_build(&n, (net_opts){0});
    ok(hd_graph_compile(n.graph, NULL));
    net_run(&n);
    float loss = *(float *)n.loss->data;
    memset(n.w3.grad, 0, n.w3.count * sizeof(float));
    ok(hd_graph_run_forward(n.graph));
    assert_float_equal(*(float *)n.loss->data, loss, 0);
    for (size_t i = 0; i < n.w3.count; i++) assert_float_equal(n.w3.grad[i], 0, 0);
    net_drop(&n);
}

static void test_frozen(void **state) {
    (void)state;
    hd_weight w;
    make_weight(&w, "w", SHAPE(4, 3));
    w.frozen = true;
    hd_graph *g = new_graph();
    hd_tensor *x = hd_graph_input(g, "x", HD_F32, SHAPE(2, 3));
    hd_graph_want_grad(x);
    hd_tensor *y = hd_tensor_linear(x, hd_graph_weight(g, &w), NULL, NULL, HD_ACT_NONE);
    hd_graph_grad(hd_tensor_sum_all(y));
    ok(hd_graph_compile(g, NULL));
    fill(x->data, 6, 1);
    ok(hd_graph_run(g, 0));
    assert_null(w.grad);
    for (size_t i = 0; i < 6; i++) {
        float want = 0;
        for (size_t j = 0; j < 4; j++) want += w.data[j * 3 + i % 3];
        assert_float_equal(((float *)x->grad->data)[i], want, 1e-6);
    }
    hd_graph_free(g);
    hd_weight_clear(&w);
}

// ── NaN, memory ──

static void test_finite(void **state) {
    (void)state;
    net n = {0};
    net_build(&n, (net_opts){.finite = true});
    ok(hd_graph_compile(n.graph, NULL));
    net_run(&n);
    for (int i = 0; i < D; i++) n.w1.data[i] = 1e30F;
    n.w2.data[0] = 1e30F;
    assert_int_equal(hd_graph_run(n.graph, 0), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "operator 'linear'"));
    assert_non_null(strstr(heed_error_message(HEED_EN), "of (12, 16)"));
    ((float *)n.x->data)[2 * D + 5] = NAN;
    assert_int_equal(hd_graph_run(n.graph, 0), HEED_INPUT);
    assert_string_equal(heed_error_message(HEED_EN), "'x' holds NaN at (2, 5) of (12, 8)");
    net_drop(&n);
}

static void test_memory_limit(void **state) {
    (void)state;
    net n = {0};
    net_build(&n, (net_opts){.memory_limit = 1000});
    assert_int_equal(hd_graph_compile(n.graph, NULL), HEED_MEMORY);
    assert_non_null(strstr(heed_error_message(HEED_EN), "take a smaller batch"));
    net_drop(&n);
    net_build(&n, (net_opts){.memory_limit = 1 << 20});
    ok(hd_graph_compile(n.graph, NULL));
    assert_in_range(hd_graph_bytes(n.graph), N * H * 4, 1 << 20);
    assert_true(hd_graph_flops(n.graph) > 2.0 * N * H * H * 6);
    hd_str text;
    hd_str_init(&text);
    hd_graph_print(n.graph, &text);
    assert_non_null(strstr(hd_str_get(&text), "gradient of w2"));
    assert_non_null(strstr(hd_str_get(&text), "MB at the peak"));
    hd_str_clear(&text);
    net_drop(&n);
}

static void test_plan_tells_times(void **state) {
    (void)state;
    net n = {0};
    hd_str text;
    net_build(&n, (net_opts){.dropout = 0});
    ok(hd_graph_compile(n.graph, NULL));
    ok(hd_graph_run(n.graph, 0));
    hd_str_init(&text);
    hd_graph_print(n.graph, &text);
    assert_null(strstr(hd_str_get(&text), " ms"));
    hd_str_clear(&text);
    hd_graph_profile(n.graph, true);
    ok(hd_graph_run(n.graph, 1));
    hd_str_init(&text);
    hd_graph_print(n.graph, &text);
    assert_non_null(strstr(hd_str_get(&text), " ms"));
    assert_non_null(strstr(hd_str_get(&text), " GFLOP/s"));
    hd_str_clear(&text);
    net_drop(&n);
}

// No value may overlap another that is alive with it: every result is what it is when all memory is
// kept apart, which keeping everything does.
static void test_plan_is_sound(void **state) {
    (void)state;
    net tight = {0}, loose = {0};
    net_build(&tight, (net_opts){.dropout = 0.2F});
    net_build(&loose, (net_opts){.dropout = 0.2F});
    ok(hd_graph_compile(tight.graph, NULL));
    for (size_t i = 0; i < hd_graph_nodes(loose.graph); i++) {
        const hd_node *node = hd_graph_node_at(loose.graph, i);
        for (int j = 0; j < node->n_out; j++) hd_graph_output(node->out[j]);
    }
    ok(hd_graph_compile(loose.graph, NULL));
    assert_true(hd_graph_bytes(tight.graph) < hd_graph_bytes(loose.graph));
    net_run(&tight);
    net_run(&loose);
    same_grads(&tight, &loose, 1, 1e-7F);
    net_drop(&tight);
    net_drop(&loose);
}

static void test_fusion(void **state) {
    (void)state;
    hd_graph *g = new_graph();
    hd_tensor *x = hd_graph_input(g, "x", HD_F32, SHAPE(5, 1000));
    hd_tensor *row = hd_graph_input(g, "row", HD_F32, SHAPE(1000));
    hd_tensor *column = hd_graph_input(g, "column", HD_F32, SHAPE(5, 1));
    hd_tensor *mid = hd_tensor_mul(hd_tensor_add(x, row), column);
    hd_tensor *y = hd_tensor_sub(hd_tensor_gelu(mid), hd_tensor_square(mid));
    hd_tensor *z = hd_tensor_add(y, hd_tensor_exp(x));
    hd_graph_output(mid);
    hd_graph_output(z);
    ok(hd_graph_compile(g, NULL));
    assert_int_equal(hd_graph_nodes(g), 1);
    fill(x->data, 5000, 1);
    fill(row->data, 1000, 2);
    fill(column->data, 5, 3);
    ok(hd_graph_run(g, 0));
    for (size_t i = 0; i < 5000; i++) {
        float a = ((float *)x->data)[i], b = ((float *)row->data)[i % 1000];
        float m = (a + b) * ((float *)column->data)[i / 1000];
        float want = m * 0.5F * erfcf(-m * 0.70710678F) - m * m + expf(a);
        assert_float_equal(((float *)mid->data)[i], m, 0);
        assert_float_equal(((float *)z->data)[i], want, 2e-6);
    }
    hd_graph_free(g);
}

static void test_sparse_rows(void **state) {
    (void)state;
    hd_weight table;
    make_weight(&table, "table", SHAPE(100, 3));
    hd_graph *g = new_graph();
    hd_tensor *index = hd_graph_input(g, "index", HD_I32, SHAPE(4));
    hd_graph_grad(hd_tensor_sum_all(hd_tensor_embedding(hd_graph_weight(g, &table), index)));
    ok(hd_graph_compile(g, NULL));
    memcpy(index->data, (int32_t[]){70, 5, 70, 9}, 4 * sizeof(int32_t));
    ok(hd_graph_run(g, 0));
    assert_true(table.sparse);
    assert_int_equal(table.n_rows, 3);
    assert_memory_equal(table.rows, ((uint32_t[]){5, 9, 70}), 12);
    assert_float_equal(table.grad[70 * 3], 2, 0);
    hd_graph_accumulate(g, true);
    memcpy(index->data, (int32_t[]){5, 1, 99, 1}, 4 * sizeof(int32_t));
    ok(hd_graph_run(g, 1));
    assert_int_equal(table.n_rows, 5);
    assert_memory_equal(table.rows, ((uint32_t[]){1, 5, 9, 70, 99}), 20);
    assert_float_equal(table.grad[5 * 3], 2, 0);
    hd_graph_accumulate(g, false);
    ok(hd_graph_run(g, 2));
    assert_int_equal(table.n_rows, 3);
    float sum = 0;
    for (size_t i = 0; i < table.count; i++) sum += table.grad[i];
    assert_float_equal(sum, 12, 0);
    ((int32_t *)index->data)[2] = 100;
    assert_int_equal(hd_graph_run(g, 3), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "index 100 at place 2 is out of range"));
    hd_graph_free(g);
    hd_weight_clear(&table);
}

// A row's result is the same bits whatever other rows stand in the batch.
static void batch_rows(size_t rows, float *out) {
    hd_weight w, b;
    make_weight(&w, "w", SHAPE(37, 65));
    make_weight(&b, "b", SHAPE(37));
    hd_graph *g = new_graph();
    hd_tensor *x = hd_graph_input(g, "x", HD_F32, SHAPE(rows, 65));
    hd_tensor *y =
        hd_tensor_linear(x, hd_graph_weight(g, &w), hd_graph_weight(g, &b), NULL, HD_ACT_GELU);
    y = hd_tensor_softmax(hd_tensor_l2_normalize(hd_tensor_tanh(y), 1e-6F));
    hd_graph_output(y);
    ok(hd_graph_compile(g, NULL));
    fill(x->data, rows * 65, 8);
    ok(hd_graph_run(g, 0));
    memcpy(out, y->data, 37 * sizeof *out);
    hd_graph_free(g);
    hd_weight_clear(&w);
    hd_weight_clear(&b);
}

static void test_rows_stand_alone(void **state) {
    (void)state;
    for (int isa = 0; isa < HD_ISAS; isa++) {
        if (!hd_isa_can((hd_isa)isa)) continue;
        ok(hd_isa_choose(hd_isa_name((hd_isa)isa)));
        float one[37], many[37];
        batch_rows(1, one);
        for (size_t rows = 2; rows < 300; rows = rows * 3 + 1) {
            batch_rows(rows, many);
            assert_memory_equal(one, many, sizeof one);
        }
    }
    ok(hd_isa_choose(NULL));
}

static void test_allocations_fail(void **state) {
    (void)state;
    for (uint64_t n = 1; n < 400; n++) {
        hd_weight w = {0};
        hd_graph *g = NULL;
        make_weight(&w, "w", SHAPE(4, 3));
        hd_mem_fail_at(n, false);
        heed_err err = hd_graph_new(&(hd_graph_opts){.training = true}, &g);
        if (err == HEED_OK) {
            hd_tensor *x = hd_graph_input(g, "x", HD_F32, SHAPE(2, 3));
            hd_graph_scope_push(g, "layer");
            hd_tensor *y = hd_tensor_linear(x, hd_graph_weight(g, &w), NULL, NULL, HD_ACT_GELU);
            y = hd_tensor_mul(hd_tensor_exp(y), hd_graph_scalar(g, 2));
            hd_graph_grad(hd_tensor_sum_all(y));
            err = hd_graph_compile(g, NULL);
        }
        hd_mem_fail_at(0, false);
        hd_graph_free(g);
        hd_weight_clear(&w);
        if (err == HEED_OK) return;
        assert_int_equal(err, HEED_MEMORY);
    }
    fail_msg("never succeeded");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_misuse),           cmocka_unit_test(test_misuse_of_each),
        cmocka_unit_test(test_bad_labels),       cmocka_unit_test(test_ways_agree),
        cmocka_unit_test(test_bf16_is_near),     cmocka_unit_test(test_memory_for_work),
        cmocka_unit_test(test_kept_as_bf16),     cmocka_unit_test(test_images_kept_as_bf16),
        cmocka_unit_test(test_plan_tells_types), cmocka_unit_test(test_norms_made_again),
        cmocka_unit_test(test_accumulation),     cmocka_unit_test(test_forward_alone),
        cmocka_unit_test(test_frozen),           cmocka_unit_test(test_finite),
        cmocka_unit_test(test_squares),          cmocka_unit_test(test_narrow_logits),
        cmocka_unit_test(test_memory_limit),     cmocka_unit_test(test_plan_tells_times),
        cmocka_unit_test(test_plan_is_sound),    cmocka_unit_test(test_fusion),
        cmocka_unit_test(test_sparse_rows),      cmocka_unit_test(test_rows_stand_alone),
        cmocka_unit_test(test_allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
