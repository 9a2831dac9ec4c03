// SPDX-License-Identifier: Apache-2.0
//
// Recurrent cells over whole sequences: plain RNN, LSTM, GRU, one direction, forward and backward.
//
// B sequences, T steps, In inputs, H hidden units, G gates (1, 4, 3). Gates stand in the order of
// PyTorch: LSTM i f g o, GRU r z n (with the n gate's hidden part reset after its product, that is
// "linear before reset"), weights (G·H, In) and (G·H, H):
//
//     RNN   h = act(Wx + b + Uh' + b')
//     LSTM  c = f·c' + i·g,  h = o·act(c)      i, f, o = σ(…), g = act(…)
//     GRU   h = (1 − z)·n + z·h'               r, z = σ(…),    n = act(Wx + b + r·(Uh' + b'))
//
// The inputs' part is one product over all steps; the hidden part of each step is a product by
// weights packed once, with the gates in one pass behind it. Sequences are cut into groups of rows
// by shape alone and each group runs all its steps on one thread: no barrier per step, and a row's
// result depends on no other row.
//
// Rows with a length stop there: outputs behind it are 0, the last state is that of its last step.
// In reverse a row starts at its last step.
#ifndef HD_KERNEL_RECURRENT_H
#define HD_KERNEL_RECURRENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"
#include "kernel/gemm.h"

typedef enum hd_cell { HD_CELL_RNN, HD_CELL_LSTM, HD_CELL_GRU, HD_CELLS } hd_cell;

typedef struct hd_recurrent {
    hd_cell cell;
    hd_act act; // of RNN's output, LSTM's candidate and output, GRU's candidate: tanh as a rule
    bool reverse;
    hd_precision precision; // of the products over all steps
    size_t batch, steps, inputs, hidden;
    const int32_t *lengths; // (B), 0..T; NULL: all T
    const float *x;         // (B, T, In)
    const float *w_ih;      // (G·H, In)
    const float *w_hh;      // (G·H, H)
    const float *b_ih;      // (G·H) or NULL
    const float *b_hh;      // (G·H) or NULL
    const float *h0, *c0;   // (B, H) or NULL: 0. c: LSTM only
    // What forward writes and backward reads.
    float *y;      // (B, T, H)
    float *h_last; // (B, H) or NULL
    float *c_last; // (B, H) or NULL
    float *gates;  // (B, T, hd_recurrent_kept · H)
    float *c;      // (B, T, H): LSTM only
} hd_recurrent;

typedef struct hd_recurrent_grads {
    const float *dy;                // (B, T, H) or NULL
    const float *dh_last, *dc_last; // (B, H) or NULL
    // Written, NULL: not wanted.
    float *dx, *dw_ih, *dw_hh, *db_ih, *db_hh, *dh0, *dc0;
    float *dgates; // (B, T, kept · H), always written; may be `gates`, which are then lost
} hd_recurrent_grads;

size_t hd_recurrent_gates(hd_cell cell); // G
size_t hd_recurrent_kept(hd_cell cell);  // values kept per unit and step for backward: 1, 4, 4

// Bytes of workspace, aligned to 64.
size_t hd_recurrent_workspace(const hd_recurrent *r, size_t threads);
size_t hd_recurrent_backward_workspace(const hd_recurrent *r, size_t threads);

heed_err hd_recurrent_forward(hd_pool *pool, const hd_recurrent *r, void *workspace) HEED_CHECK;
heed_err hd_recurrent_backward(hd_pool *pool, const hd_recurrent *r, const hd_recurrent_grads *g,
                               void *workspace) HEED_CHECK;

// ── kernel/ only: what a path has to offer (path/recurrent.c) ──

enum { HD_RECURRENT_ROWS = 64 }; // most rows of a group

typedef struct hd_recurrent_kernels {
    // Floats of a packed matrix (k, n), and the packing of w (n, k) transposed or of w (k, n).
    size_t (*packed)(size_t k, size_t n);
    void (*pack)(size_t k, size_t n, const float *w, bool transposed, float *out);
    // Rows b0 .. b1 − 1 through all steps. u: packed. ws: (1 + rows)·G·H + 2·rows·H floats.
    void (*forward)(const hd_recurrent *r, const float *u, size_t b0, size_t b1, float *ws);
    // dgates: (B, T, kept · H), the products' gradients (GRU: r, z, n of x, n of h).
    void (*backward)(const hd_recurrent *r, const hd_recurrent_grads *g, const float *u,
                     float *dgates, size_t b0, size_t b1, float *ws);
    void (*sums)(size_t rows, size_t n, const float *in, float *out); // of each column, in order
} hd_recurrent_kernels;

extern const hd_recurrent_kernels hd_recurrent_kernels_ref;
extern const hd_recurrent_kernels hd_recurrent_kernels_avx2;
extern const hd_recurrent_kernels hd_recurrent_kernels_avx512;
extern const hd_recurrent_kernels hd_recurrent_kernels_neon;

#endif
