// SPDX-License-Identifier: Apache-2.0
//
// A group of rows of a recurrent layer through all its steps (kernel/recurrent.h).
//
// The rows are taken longest first, so that those still running are always the first ones: a step
// is one product of that many rows, then one pass over the gates. Whatever is needed by row and
// step is found by `at`; the group's own state is a few rows that stay in the first cache.
#include "kernel/recurrent.h"

#include "kernel/path/maths.h"
#include "kernel/tile.h"

#define TILE HD_PATH(hd_tile_kernels)

enum { MR = HD_TILE_MR_MAX };

// ── packed weights: panels of nr columns, each (k, nr), zeros behind the last column ──

static size_t packed(size_t k, size_t n) {
    return (n + TILE.nr - 1) / TILE.nr * TILE.nr * k;
}

static void pack(size_t k, size_t n, const float *w, bool transposed, float *out) {
    const size_t nr = TILE.nr, row = transposed ? 1 : n, col = transposed ? k : 1;
    for (size_t j0 = 0; j0 < n; j0 += nr) {
        const size_t some = n - j0 < nr ? n - j0 : nr;
        for (size_t p = 0; p < k; p++, out += nr) {
            const float *from = w + p * row + j0 * col;
            for (size_t j = 0; j < some; j++) out[j] = from[j * col];
            for (size_t j = some; j < nr; j++) out[j] = 0;
        }
    }
}

// c (m, n) = or += a (m, k) · b (k, n) for any m and n; a by rows; b packed. Runs of k are short
// enough for a panel's part to stay in the first cache for all rows.
static void product(size_t m, size_t n, size_t k, const float *const *a, const float *b, float *c,
                    size_t c_row, bool accumulate) {
    enum { RUN = 160 };
    const size_t mr = TILE.mr, nr = TILE.nr;
    const float *rows[HD_RECURRENT_ROWS + MR];
    for (size_t j = 0; j < n; j += nr) {
        const size_t wide = n - j < nr ? n - j : nr;
        for (size_t p = 0; p < k; p += RUN) {
            const size_t run = k - p < RUN ? k - p : RUN;
            for (size_t i = 0; i < m; i++) rows[i] = a[i] + p;
            for (size_t i = 0; i < m; i += mr) {
                TILE.rows(m - i < mr ? m - i : mr, wide, 1, run, rows + i, b, nr, c + i * c_row + j,
                          c_row, accumulate || p > 0);
            }
            b += run * nr;
        }
    }
}

// What a step will need is asked for before the product that comes first.
static void fetch(const float *row, size_t n) {
    for (size_t j = 0; j < n; j += 16) __builtin_prefetch(row + j);
}

// ── activations ──

static inline bool keeps_input(hd_act act) { // the slope needs what went in, not what came out
    return act == HD_ACT_GELU || act == HD_ACT_GELU_TANH || act == HD_ACT_SILU;
}

// A rational function of degree 13 by 6 (Eigen's), ±1 beyond 7.9; a few units in the last place.
// Half the work of maths.h's, and gates need no relative precision near 0.
HD_INLINE vf fast_tanh(vf x) {
    const vf y = vf_min(vf_set1(7.90531110F), vf_max(vf_set1(-7.90531110F), x)); // NaN stays
    const vf z = vf_mul(y, y);
    vf p = vf_fma(z, vf_set1(-2.76076847742355e-16F), vf_set1(2.00018790482477e-13F));
    p = vf_fma(p, z, vf_set1(-8.60467152213735e-11F));
    p = vf_fma(p, z, vf_set1(5.12229709037114e-08F));
    p = vf_fma(p, z, vf_set1(1.48572235717979e-05F));
    p = vf_fma(p, z, vf_set1(6.37261928875436e-04F));
    p = vf_fma(p, z, vf_set1(4.89352455891786e-03F));
    vf q = vf_fma(z, vf_set1(1.19825839466702e-06F), vf_set1(1.18534705686654e-04F));
    q = vf_fma(q, z, vf_set1(2.26843463243900e-03F));
    q = vf_fma(q, z, vf_set1(4.89352518554385e-03F));
    return vf_div(vf_mul(y, p), q);
}

HD_INLINE vf fast_sigmoid(vf x) {
    const vf half = vf_set1(0.5F);
    return vf_fma(half, fast_tanh(vf_mul(x, half)), half);
}

HD_INLINE vf activate(hd_act act, vf x) {
    switch (act) {
    case HD_ACT_TANH:
        return fast_tanh(x);
    case HD_ACT_RELU:
        return vf_max(vf_zero(), x);
    case HD_ACT_LEAKY_RELU:
        return vf_max(vf_mul(x, vf_set1(0.01F)), x);
    case HD_ACT_SIGMOID:
        return fast_sigmoid(x);
    case HD_ACT_SILU:
        return vf_mul(x, fast_sigmoid(x));
    case HD_ACT_GELU:
        return vgelu(x);
    case HD_ACT_GELU_TANH:
        return vf_mul(x, gelu_gate(x));
    default:
        return x;
    }
}

// The slope, from the value that came out, or from what went in where keeps_input says so.
HD_INLINE vf slope(hd_act act, vf s) {
    const vf one = vf_set1(1);
    switch (act) {
    case HD_ACT_TANH:
        return vf_fnma(s, s, one);
    case HD_ACT_RELU:
        return vf_select(vf_lt(vf_zero(), s), one, vf_zero());
    case HD_ACT_LEAKY_RELU:
        return vf_select(vf_lt(vf_zero(), s), one, vf_set1(0.01F));
    case HD_ACT_SIGMOID:
        return vf_mul(s, vf_sub(one, s));
    case HD_ACT_SILU:
        return vsilu_grad(s);
    case HD_ACT_GELU:
        return vgelu_grad(s);
    case HD_ACT_GELU_TANH:
        return vgelu_tanh_grad(s);
    default:
        return one;
    }
}

// ── a group of rows ──

typedef struct group {
    const hd_recurrent *r;
    size_t n;                         // rows
    size_t row[HD_RECURRENT_ROWS];    // which, the longest first
    size_t length[HD_RECURRENT_ROWS]; // of each, descending
    size_t wide;                      // floats of a row of a product: G·H
    float *zero;                      // (G·H)
    float *out;                       // (rows, G·H): the step's product
    float *dh, *dc;                   // (rows, H), backward
} group;

static size_t length_of(const hd_recurrent *r, size_t row) {
    if (!r->lengths) return r->steps;
    int32_t length = r->lengths[row];
    return length <= 0 ? 0 : (size_t)length < r->steps ? (size_t)length : r->steps;
}

static void open_group(group *g, const hd_recurrent *r, size_t b0, size_t b1, float *ws) {
    g->r = r;
    g->n = b1 - b0;
    for (size_t i = 0; i < g->n; i++) {
        const size_t length = length_of(r, b0 + i);
        size_t at = i;
        for (; at > 0 && g->length[at - 1] < length; at--) {
            g->length[at] = g->length[at - 1];
            g->row[at] = g->row[at - 1];
        }
        g->length[at] = length;
        g->row[at] = b0 + i;
    }
    g->wide = hd_recurrent_gates(r->cell) * r->hidden;
    g->zero = ws;
    g->out = g->zero + g->wide;
    g->dh = g->out + g->n * g->wide;
    g->dc = g->dh + g->n * r->hidden;
    memset(g->zero, 0, g->wide * sizeof(float));
}

// How many rows run at the step: the first ones.
static size_t running(const group *g, size_t step) {
    size_t n = g->n;
    while (n > 0 && g->length[n - 1] <= step) n--;
    return n;
}

// The place of the i-th row's step in a (B, T, …) array; `none` for the one before its first.
static const size_t none = SIZE_MAX;
static size_t at(const group *g, size_t i, size_t step) {
    const size_t t = g->r->reverse ? g->length[i] - 1 - step : step;
    return g->row[i] * g->r->steps + t;
}
static size_t at_before(const group *g, size_t i, size_t step) {
    return step == 0 ? none : at(g, i, step - 1);
}

// A row of state at a place, or the first state.
static const float *state(const group *g, const float *all, const float *first, size_t place,
                          size_t i) {
    if (place != none) return all + place * g->r->hidden;
    return first ? first + g->row[i] * g->r->hidden : g->zero;
}

// One step of one row: where its values stand.
typedef struct cell_row {
    size_t hidden;
    hd_act act;
    const float *u, *b; // the hidden part's product, and its bias
    float *kept;        // in: the inputs' part
    const float *h_before, *c_before;
    float *y, *c;
} cell_row;

HD_INLINE vf get(const float *p, size_t n) {
    return n == VF ? vf_load(p) : vf_load_n(p, n);
}
HD_INLINE void set(float *p, vf a, size_t n) {
    if (n == VF)
        vf_store(p, a);
    else
        vf_store_n(p, a, n);
}

// x's part + h's part + bias of gate k at unit j.
HD_INLINE vf before_act(const cell_row *c, size_t k, size_t j, size_t n) {
    const size_t at_gate = k * c->hidden + j;
    return vf_add(get(c->kept + at_gate, n),
                  vf_add(get(c->u + at_gate, n), get(c->b + at_gate, n)));
}

#define UNITS(c, j, n) \
    for (size_t j = 0, n; n = (c)->hidden - j < VF ? (c)->hidden - j : VF, j < (c)->hidden; j += VF)

static void step_rnn(const cell_row *c) {
    UNITS(c, j, n) {
        vf in = before_act(c, 0, j, n), out = activate(c->act, in);
        set(c->kept + j, keeps_input(c->act) ? in : out, n);
        set(c->y + j, out, n);
    }
}

static void step_lstm(const cell_row *c) {
    const size_t h = c->hidden;
    UNITS(c, j, n) {
        vf i = fast_sigmoid(before_act(c, 0, j, n));
        vf f = fast_sigmoid(before_act(c, 1, j, n));
        vf in = before_act(c, 2, j, n), g = activate(c->act, in);
        vf o = fast_sigmoid(before_act(c, 3, j, n));
        vf now = vf_fma(f, get(c->c_before + j, n), vf_mul(i, g));
        set(c->kept + j, i, n);
        set(c->kept + h + j, f, n);
        set(c->kept + 2 * h + j, keeps_input(c->act) ? in : g, n);
        set(c->kept + 3 * h + j, o, n);
        set(c->c + j, now, n);
        set(c->y + j, vf_mul(o, activate(c->act, now)), n);
    }
}

static void step_gru(const cell_row *c) {
    const size_t h = c->hidden;
    UNITS(c, j, n) {
        vf r = fast_sigmoid(before_act(c, 0, j, n));
        vf z = fast_sigmoid(before_act(c, 1, j, n));
        vf hidden = vf_add(get(c->u + 2 * h + j, n), get(c->b + 2 * h + j, n));
        vf in = vf_fma(r, hidden, get(c->kept + 2 * h + j, n)), out = activate(c->act, in);
        set(c->kept + j, r, n);
        set(c->kept + h + j, z, n);
        set(c->kept + 2 * h + j, keeps_input(c->act) ? in : out, n);
        set(c->kept + 3 * h + j, hidden, n);
        set(c->y + j, vf_fma(z, vf_sub(get(c->h_before + j, n), out), out), n);
    }
}

static void (*const steps[HD_CELLS])(const cell_row *) = {
    [HD_CELL_RNN] = step_rnn, [HD_CELL_LSTM] = step_lstm, [HD_CELL_GRU] = step_gru};

static void forward_step(const group *g, const float *u, size_t step, size_t n) {
    const hd_recurrent *r = g->r;
    const size_t h = r->hidden, kept = hd_recurrent_kept(r->cell) * h;
    const float *before[HD_RECURRENT_ROWS];
    for (size_t i = 0; i < n; i++) {
        before[i] = state(g, r->y, r->h0, at_before(g, i, step), i);
        fetch(r->gates + at(g, i, step) * kept, g->wide);
    }
    product(n, g->wide, h, before, u, g->out, g->wide, false);
    for (size_t i = 0; i < n; i++) {
        const size_t now = at(g, i, step);
        const cell_row row = {.hidden = h,
                              .act = r->act,
                              .u = g->out + i * g->wide,
                              .b = r->b_hh ? r->b_hh : g->zero,
                              .kept = r->gates + now * kept,
                              .h_before = before[i],
                              .c_before = state(g, r->c, r->c0, at_before(g, i, step), i),
                              .y = r->y + now * h,
                              .c = r->c + now * h};
        steps[r->cell](&row);
    }
}

// The last states, and zeros behind the ends.
static void forward_ends(const group *g) {
    const hd_recurrent *r = g->r;
    const size_t h = r->hidden, bytes = h * sizeof(float);
    for (size_t i = 0; i < g->n; i++) {
        const size_t length = g->length[i], row = g->row[i];
        const size_t place = at_before(g, i, length);
        if (r->h_last) memcpy(r->h_last + row * h, state(g, r->y, r->h0, place, i), bytes);
        if (r->cell == HD_CELL_LSTM && r->c_last)
            memcpy(r->c_last + row * h, state(g, r->c, r->c0, place, i), bytes);
        for (size_t t = length; t < r->steps; t++) {
            memset(r->y + (row * r->steps + t) * h, 0, bytes);
            if (r->cell == HD_CELL_LSTM) memset(r->c + (row * r->steps + t) * h, 0, bytes);
        }
    }
}

static void forward(const hd_recurrent *r, const float *u, size_t b0, size_t b1, float *ws) {
    group g;
    open_group(&g, r, b0, b1, ws);
    for (size_t step = 0; step < r->steps; step++) {
        const size_t n = running(&g, step);
        if (n == 0) break;
        forward_step(&g, u, step, n);
    }
    forward_ends(&g);
}

// ── backward ──

typedef struct back_row {
    size_t hidden;
    hd_act act;
    const float *kept, *h_before, *c_before, *c;
    const float *dy; // or a row of zeros
    float *dh, *dc;  // in: what comes from the step behind; out: GRU's direct part of dh; dc before
    float *d;        // the gates' gradients
} back_row;

static void back_rnn(const back_row *b) {
    UNITS(b, j, n) {
        vf dh = vf_add(get(b->dh + j, n), get(b->dy + j, n));
        set(b->d + j, vf_mul(dh, slope(b->act, get(b->kept + j, n))), n);
        set(b->dh + j, vf_zero(), n);
    }
}

HD_INLINE vf sigmoid_slope(vf s) {
    return vf_fnma(s, s, s);
}

static void back_lstm(const back_row *b) {
    const size_t h = b->hidden;
    UNITS(b, j, n) {
        vf i = get(b->kept + j, n), f = get(b->kept + h + j, n);
        vf s = get(b->kept + 2 * h + j, n), o = get(b->kept + 3 * h + j, n);
        vf g = keeps_input(b->act) ? activate(b->act, s) : s;
        vf c = get(b->c + j, n), a = activate(b->act, c);
        vf dh = vf_add(get(b->dh + j, n), get(b->dy + j, n));
        vf da = slope(b->act, keeps_input(b->act) ? c : a);
        vf dc = vf_fma(vf_mul(dh, o), da, get(b->dc + j, n));
        set(b->d + j, vf_mul(vf_mul(dc, g), sigmoid_slope(i)), n);
        set(b->d + h + j, vf_mul(vf_mul(dc, get(b->c_before + j, n)), sigmoid_slope(f)), n);
        set(b->d + 2 * h + j, vf_mul(vf_mul(dc, i), slope(b->act, s)), n);
        set(b->d + 3 * h + j, vf_mul(vf_mul(dh, a), sigmoid_slope(o)), n);
        set(b->dc + j, vf_mul(dc, f), n);
        set(b->dh + j, vf_zero(), n);
    }
}

static void back_gru(const back_row *b) {
    const size_t h = b->hidden;
    UNITS(b, j, n) {
        vf r = get(b->kept + j, n), z = get(b->kept + h + j, n);
        vf s = get(b->kept + 2 * h + j, n), hidden = get(b->kept + 3 * h + j, n);
        vf out = keeps_input(b->act) ? activate(b->act, s) : s;
        vf dh = vf_add(get(b->dh + j, n), get(b->dy + j, n));
        vf dn = vf_mul(vf_fnma(dh, z, dh), slope(b->act, s));
        vf dz = vf_mul(dh, vf_sub(get(b->h_before + j, n), out));
        set(b->d + j, vf_mul(vf_mul(dn, hidden), sigmoid_slope(r)), n);
        set(b->d + h + j, vf_mul(dz, sigmoid_slope(z)), n);
        set(b->d + 2 * h + j, dn, n);
        set(b->d + 3 * h + j, vf_mul(dn, r), n);
        set(b->dh + j, vf_mul(dh, z), n);
    }
}

static void (*const backs[HD_CELLS])(const back_row *) = {
    [HD_CELL_RNN] = back_rnn, [HD_CELL_LSTM] = back_lstm, [HD_CELL_GRU] = back_gru};

static void backward_step(const group *g, const hd_recurrent_grads *grads, const float *u,
                          float *dgates, size_t step, size_t n) {
    const hd_recurrent *r = g->r;
    const size_t h = r->hidden, kept = hd_recurrent_kept(r->cell) * h;
    const float *d[HD_RECURRENT_ROWS];
    for (size_t i = 0; i < n; i++) {
        const size_t now = at(g, i, step), before = at_before(g, i, step);
        d[i] = dgates + now * kept;
        const back_row row = {.hidden = h,
                              .act = r->act,
                              .kept = r->gates + now * kept,
                              .h_before = state(g, r->y, r->h0, before, i),
                              .c_before = state(g, r->c, r->c0, before, i),
                              .c = r->c + now * h,
                              .dy = grads->dy ? grads->dy + now * h : g->zero,
                              .dh = g->dh + i * h,
                              .dc = g->dc + i * h,
                              .d = dgates + now * kept};
        backs[r->cell](&row);
    }
    for (size_t i = 0; i < n && step > 0; i++) {
        const size_t next = at_before(g, i, step);
        fetch(r->gates + next * kept, kept);
        if (grads->dy) fetch(grads->dy + next * h, h);
    }
    if (r->cell != HD_CELL_GRU) {
        product(n, h, g->wide, d, u, g->dh, h, true);
        return;
    }
    product(n, h, 2 * h, d, u, g->dh, h, true); // r and z, then the hidden part of n
    for (size_t i = 0; i < n; i++) d[i] += 3 * h;
    product(n, h, h, d, u + packed(2 * h, h), g->dh, h, true);
}

static void load_last(const group *g, const float *last, float *rows) {
    const size_t h = g->r->hidden;
    for (size_t i = 0; i < g->n; i++) {
        const float *from = last ? last + g->row[i] * h : g->zero;
        memcpy(rows + i * h, from, h * sizeof(float));
    }
}

static void store_first(const group *g, const float *rows, float *first) {
    const size_t h = g->r->hidden;
    for (size_t i = 0; first && i < g->n; i++)
        memcpy(first + g->row[i] * h, rows + i * h, h * sizeof(float));
}

static void backward(const hd_recurrent *r, const hd_recurrent_grads *grads, const float *u,
                     float *dgates, size_t b0, size_t b1, float *ws) {
    const size_t kept = hd_recurrent_kept(r->cell) * r->hidden;
    group g;
    open_group(&g, r, b0, b1, ws);
    load_last(&g, grads->dh_last, g.dh);
    load_last(&g, grads->dc_last, g.dc);
    for (size_t step = r->steps; step-- > 0;) {
        const size_t n = running(&g, step);
        if (n > 0) backward_step(&g, grads, u, dgates, step, n);
    }
    for (size_t i = 0; i < g.n; i++) {
        const size_t behind = g.row[i] * r->steps + g.length[i];
        memset(dgates + behind * kept, 0, (r->steps - g.length[i]) * kept * sizeof(float));
    }
    store_first(&g, g.dh, grads->dh0);
    store_first(&g, g.dc, grads->dc0);
}

static void sums(size_t rows, size_t n, const float *in, float *out) {
    memset(out, 0, n * sizeof(float));
    for (size_t i = 0; i < rows; i++, in += n) {
        size_t j = 0;
        for (; j + VF <= n; j += VF) vf_store(out + j, vf_add(vf_load(out + j), vf_load(in + j)));
        for (; j < n; j++) out[j] += in[j];
    }
}

const hd_recurrent_kernels HD_PATH(hd_recurrent_kernels) = {
    .packed = packed, .pack = pack, .forward = forward, .backward = backward, .sums = sums};
