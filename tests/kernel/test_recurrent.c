// SPDX-License-Identifier: Apache-2.0
//
// Recurrent layers against their formulas in double, gradients against central differences of
// those, on each path; lengths, first states, both directions; the same bits for any number of
// threads and beside any other sequences.
#include "kernel/recurrent.h"

#include "paths.h"

typedef struct shape {
    hd_cell cell;
    hd_act act;
    size_t batch, steps, inputs, hidden;
    bool reverse, lengths, first;
} shape;

static const shape shapes[] = {
    {HD_CELL_RNN, HD_ACT_TANH, 1, 1, 1, 1},
    {HD_CELL_RNN, HD_ACT_RELU, 3, 5, 2, 17, true, true, true},
    {HD_CELL_RNN, HD_ACT_SILU, 2, 3, 4, 3, .first = true},
    {HD_CELL_LSTM, HD_ACT_TANH, 1, 1, 1, 1},
    {HD_CELL_LSTM, HD_ACT_TANH, 11, 4, 3, 7, false, true, true},
    {HD_CELL_LSTM, HD_ACT_RELU, 2, 3, 5, 20, true, false, true},
    {HD_CELL_LSTM, HD_ACT_GELU_TANH, 2, 3, 2, 5, true, true, false},
    {HD_CELL_LSTM, HD_ACT_SIGMOID, 2, 2, 2, 2},
    {HD_CELL_GRU, HD_ACT_GELU, 2, 3, 2, 5},
    {HD_CELL_GRU, HD_ACT_TANH, 9, 4, 3, 18, false, true, true},
    {HD_CELL_GRU, HD_ACT_LEAKY_RELU, 2, 3, 5, 6, true, true, true},
    {HD_CELL_GRU, HD_ACT_NONE, 2, 2, 1, 3},
};

enum { X, W_IH, W_HH, B_IH, B_HH, H0, C0, INPUTS };
static const char *const names[] = {"x", "w_ih", "w_hh", "b_ih", "b_hh", "h0", "c0"};

typedef struct data {
    hd_recurrent r;
    hd_recurrent_grads g;
    size_t n[INPUTS], places, states;
    float *in[INPUTS], *grad[INPUTS], *out[5], *up[3]; // y h_last c_last gates c; dy dh dc
    int32_t *lengths;
} data;

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}
static double act_of(hd_act act, double x) {
    switch (act) {
    case HD_ACT_TANH:
        return tanh(x);
    case HD_ACT_RELU:
        return fmax(x, 0);
    case HD_ACT_LEAKY_RELU:
        return x > 0 ? x : 0.01 * x;
    case HD_ACT_SIGMOID:
        return sigmoid(x);
    case HD_ACT_SILU:
        return x * sigmoid(x);
    case HD_ACT_GELU:
        return 0.5 * x * erfc(-x / sqrt(2));
    case HD_ACT_GELU_TANH:
        return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    default:
        return x;
    }
}

// Of input i at its at-th value, with `by` added to one place.
typedef struct nudge {
    int i;
    size_t at;
    double by;
} nudge;
static double value(const data *x, const nudge *d, int i, size_t at) {
    return (double)x->in[i][at] + (d && d->i == i && d->at == at ? d->by : 0);
}

// The gate's part by x (hidden: by h) of sequence row at place, plus its bias.
static double part(const data *x, const nudge *d, bool hidden, size_t gate_unit, size_t place,
                   const double *h) {
    const size_t n = hidden ? x->r.hidden : x->r.inputs;
    double sum = value(x, d, hidden ? B_HH : B_IH, gate_unit);
    for (size_t j = 0; j < n; j++) {
        const double in = hidden ? h[j] : value(x, d, X, place * n + j);
        sum += in * value(x, d, hidden ? W_HH : W_IH, gate_unit * n + j);
    }
    return sum;
}

static void reference_step(const data *x, const nudge *d, size_t place, double *h, double *c) {
    const size_t n = x->r.hidden;
    double next[32], g[4];
    for (size_t u = 0; u < n; u++) {
        for (size_t k = 0; k < hd_recurrent_gates(x->r.cell); k++) {
            const bool apart = x->r.cell == HD_CELL_GRU && k == 2;
            g[k] = part(x, d, false, k * n + u, place, NULL) +
                   (apart ? 0 : part(x, d, true, k * n + u, 0, h));
        }
        if (x->r.cell == HD_CELL_RNN) {
            next[u] = act_of(x->r.act, g[0]);
        } else if (x->r.cell == HD_CELL_LSTM) {
            c[u] = sigmoid(g[1]) * c[u] + sigmoid(g[0]) * act_of(x->r.act, g[2]);
            next[u] = sigmoid(g[3]) * act_of(x->r.act, c[u]);
        } else {
            const double z = sigmoid(g[1]);
            const double in = g[2] + sigmoid(g[0]) * part(x, d, true, 2 * n + u, 0, h);
            next[u] = (1 - z) * act_of(x->r.act, in) + z * h[u];
        }
    }
    memcpy(h, next, n * sizeof *h);
}

// y, h_last, c_last in double; returns their sum weighted by dy, dh_last, dc_last.
static double reference(const data *x, const nudge *d, double *const *out) {
    const hd_recurrent *r = &x->r;
    const size_t n = r->hidden;
    double sum = 0;
    for (size_t b = 0; b < r->batch; b++) {
        const size_t length = r->lengths ? (size_t)r->lengths[b] : r->steps;
        double h[32] = {0}, c[32] = {0};
        for (size_t u = 0; u < n; u++) {
            if (r->h0) h[u] = value(x, d, H0, b * n + u);
            if (r->c0) c[u] = value(x, d, C0, b * n + u);
        }
        for (size_t s = 0; s < length; s++) {
            const size_t place = b * r->steps + (r->reverse ? length - 1 - s : s);
            reference_step(x, d, place, h, c);
            for (size_t u = 0; u < n; u++) {
                if (out) out[0][place * n + u] = h[u];
                sum += h[u] * (double)x->up[0][place * n + u];
            }
        }
        for (size_t u = 0; u < n; u++) {
            sum += h[u] * (double)x->up[1][b * n + u];
            if (r->cell == HD_CELL_LSTM) sum += c[u] * (double)x->up[2][b * n + u];
            if (out) out[1][b * n + u] = h[u], out[2][b * n + u] = c[u];
        }
    }
    return sum;
}

static void set_up(data *x, const shape *s) {
    hd_rng rng = hd_rng_make(11, s->hidden * 100 + s->steps);
    const size_t wide = hd_recurrent_gates(s->cell) * s->hidden;
    const bool lstm = s->cell == HD_CELL_LSTM;
    memset(x, 0, sizeof *x);
    x->places = s->batch * s->steps;
    x->states = s->batch * s->hidden;
    const size_t n[] = {x->places * s->inputs,
                        wide * s->inputs,
                        wide * s->hidden,
                        wide,
                        wide,
                        x->states,
                        x->states};
    memcpy(x->n, n, sizeof n);
    for (int i = 0; i < INPUTS; i++) {
        x->in[i] = random_floats(&rng, n[i], 0.8);
        x->grad[i] = random_floats(&rng, n[i], 1);
    }
    const size_t outs[] = {x->places * s->hidden, x->states, x->states,
                           x->places * s->hidden * hd_recurrent_kept(s->cell),
                           x->places * s->hidden};
    for (int i = 0; i < 5; i++) x->out[i] = random_floats(&rng, outs[i], 1);
    for (int i = 0; i < 3; i++) x->up[i] = random_floats(&rng, outs[i], 1);
    x->lengths = hd_calloc(s->batch, sizeof *x->lengths);
    assert_non_null(x->lengths);
    for (size_t b = 0; b < s->batch; b++)
        x->lengths[b] = (int32_t)(b == 0 ? s->steps : b == 1 ? 0 : hd_rng_below(&rng, s->steps));
    x->r = (hd_recurrent){.cell = s->cell,
                          .act = s->act,
                          .reverse = s->reverse,
                          .batch = s->batch,
                          .steps = s->steps,
                          .inputs = s->inputs,
                          .hidden = s->hidden,
                          .lengths = s->lengths ? x->lengths : NULL,
                          .x = x->in[X],
                          .w_ih = x->in[W_IH],
                          .w_hh = x->in[W_HH],
                          .b_ih = x->in[B_IH],
                          .b_hh = x->in[B_HH],
                          .h0 = s->first ? x->in[H0] : NULL,
                          .c0 = s->first && lstm ? x->in[C0] : NULL,
                          .y = x->out[0],
                          .h_last = x->out[1],
                          .c_last = lstm ? x->out[2] : NULL,
                          .gates = x->out[3],
                          .c = lstm ? x->out[4] : NULL};
    x->g = (hd_recurrent_grads){.dy = x->up[0],
                                .dh_last = x->up[1],
                                .dc_last = lstm ? x->up[2] : NULL,
                                .dx = x->grad[X],
                                .dw_ih = x->grad[W_IH],
                                .dw_hh = x->grad[W_HH],
                                .db_ih = x->grad[B_IH],
                                .db_hh = x->grad[B_HH],
                                .dh0 = s->first ? x->grad[H0] : NULL,
                                .dc0 = s->first && lstm ? x->grad[C0] : NULL,
                                .dgates = x->out[3]};
    if (!s->first) x->n[H0] = 0;
    if (!s->first || !lstm) x->n[C0] = 0;
}

static void tear_down(data *x) {
    for (int i = 0; i < INPUTS; i++) hd_free(x->in[i]), hd_free(x->grad[i]);
    for (int i = 0; i < 5; i++) hd_free(x->out[i]);
    for (int i = 0; i < 3; i++) hd_free(x->up[i]);
    hd_free(x->lengths);
}

enum { GUARD = 256 }; // bytes behind the workspace that nobody may write

static void run(data *x, size_t threads) {
    hd_pool *pool = NULL;
    if (threads > 1) assert_int_equal(hd_pool_new(threads, &pool), HEED_OK);
    const size_t forward = hd_recurrent_workspace(&x->r, threads);
    const size_t backward = hd_recurrent_backward_workspace(&x->r, threads);
    const size_t bytes = forward > backward ? forward : backward;
    unsigned char *ws = hd_alloc_aligned(bytes + GUARD, 1);
    assert_non_null(ws);
    memset(ws + bytes, 0x5a, GUARD);
    assert_int_equal(hd_recurrent_forward(pool, &x->r, ws), HEED_OK);
    assert_int_equal(hd_recurrent_backward(pool, &x->r, &x->g, ws), HEED_OK);
    for (size_t i = 0; i < GUARD; i++) assert_int_equal(ws[bytes + i], 0x5a);
    hd_free(ws);
    hd_pool_free(pool);
}

static double *zeros(size_t n) {
    double *x = hd_calloc(n + 1, sizeof *x);
    assert_non_null(x);
    return x;
}

static void check_forward(const void *ctx) {
    data x;
    set_up(&x, ctx);
    const size_t n[] = {x.places * x.r.hidden, x.states, x.states};
    double *out[3];
    for (int i = 0; i < 3; i++) out[i] = zeros(n[i]);
    reference(&x, NULL, out);
    run(&x, 1);
    assert_near("y", x.out[0], out[0], n[0], 2e-6);
    assert_near("h_last", x.out[1], out[1], n[1], 2e-6);
    if (x.r.c_last) assert_near("c_last", x.out[2], out[2], n[2], 2e-6);
    for (int i = 0; i < 3; i++) hd_free(out[i]);
    tear_down(&x);
}

// At most some 40 places of each input.
static void check_gradients(const void *ctx) {
    const double eps = 1e-6;
    data x;
    set_up(&x, ctx);
    run(&x, 1);
    for (int i = 0; i < INPUTS; i++) {
        for (size_t at = 0; at < x.n[i]; at += 1 + x.n[i] / 40) {
            nudge d = {i, at, eps};
            double slope = reference(&x, &d, NULL);
            d.by = -eps;
            slope = (slope - reference(&x, &d, NULL)) / (2 * eps);
            if (fabs((double)x.grad[i][at] - slope) > 1e-4 * (1 + fabs(slope)))
                fail_msg("%s on %s: [%zu] is %g, not %g", names[i], hd_isa_name(hd_isa_get()), at,
                         (double)x.grad[i][at], slope);
        }
    }
    tear_down(&x);
}

static void test_forward(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        on_each_path(check_forward, &shapes[i]);
}

static void test_gradients(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        on_each_path(check_gradients, &shapes[i]);
}

static void check_threads(const void *ctx) {
    data x;
    set_up(&x, ctx);
    run(&x, 1);
    const size_t one = x.r.steps * x.r.hidden, n = x.places * x.r.hidden;
    float *y = random_floats(&(hd_rng){0}, n, 0), *grad[INPUTS];
    memcpy(y, x.out[0], n * sizeof *y);
    for (int i = 0; i < INPUTS; i++) {
        grad[i] = random_floats(&(hd_rng){0}, x.n[i], 0);
        memcpy(grad[i], x.grad[i], x.n[i] * sizeof *y);
    }
    run(&x, 3);
    assert_memory_equal(y, x.out[0], n * sizeof *y);
    for (int i = 0; i < INPUTS; i++) {
        assert_memory_equal(grad[i], x.grad[i], x.n[i] * sizeof *y);
        hd_free(grad[i]);
    }
    const size_t last = x.r.batch - 1; // alone
    x.r.x += last * x.r.steps * x.r.inputs;
    x.r.lengths += last;
    x.r.h0 += last * x.r.hidden;
    if (x.r.c0) x.r.c0 += last * x.r.hidden;
    x.r.batch = 1;
    run(&x, 1);
    assert_memory_equal(y + last * one, x.out[0], one * sizeof *y);
    hd_free(y);
    tear_down(&x);
}

static void test_same_bits(void **state) {
    (void)state;
    for (hd_cell cell = 0; cell < HD_CELLS; cell++) {
        on_each_path(check_threads, &(shape){cell, HD_ACT_TANH, 37, 9, 6, 31, false, true, true});
    }
}

// Weights' gradients of so many places that they are taken in parts, the last shorter and cut
// otherwise: those of all rows are those of some and of the others together.
static void check_parts(const void *ctx) {
    data x;
    set_up(&x, ctx);
    run(&x, 1);
    float *all[INPUTS] = {0}, *some[INPUTS] = {0};
    for (int i = W_IH; i <= W_HH; i++) {
        all[i] = random_floats(&(hd_rng){0}, x.n[i], 0);
        some[i] = random_floats(&(hd_rng){0}, x.n[i], 0);
        memcpy(all[i], x.grad[i], x.n[i] * sizeof **all);
    }
    const size_t rows = x.r.batch, half = rows / 2, h = x.r.hidden;
    x.r.batch = half;
    run(&x, 1);
    for (int i = W_IH; i <= W_HH; i++) memcpy(some[i], x.grad[i], x.n[i] * sizeof **some);
    x.r.batch = rows - half;
    x.r.x += half * x.r.inputs, x.r.h0 += half * h;
    x.g.dy += half * h, x.g.dh_last += half * h;
    run(&x, 1);
    for (int i = W_IH; i <= W_HH; i++) {
        for (size_t j = 0; j < x.n[i]; j++)
            assert_float_equal(all[i][j], some[i][j] + x.grad[i][j], 1e-3F);
        hd_free(all[i]);
        hd_free(some[i]);
    }
    tear_down(&x);
}

static void test_parts(void **state) {
    (void)state;
    on_each_path(check_parts, &(shape){HD_CELL_RNN, HD_ACT_TANH, 911, 1, 576, 136, .first = true});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
