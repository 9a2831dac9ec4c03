// SPDX-License-Identifier: Apache-2.0
//
// What a path does for convolution (kernel/conv.h), f32: the register tiles. Inside kernel/ only.
#ifndef HD_KERNEL_CONV_PATH_H
#define HD_KERNEL_CONV_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A strip of windows against one panel of filters:
// out[i][j] = act(Σ over taps t, p < run: x[i][tap[t] + p] · w[t·run + p][j] + bias[j] +
// extra[i][j])
typedef struct hd_conv_strip {
    const float *const *x; // where each window starts
    size_t shift;          // added to all of them
    const size_t *tap;     // floats from there to each run
    size_t taps, run;
    const float *w; // (taps·run, columns rounded up to lanes)
    float *const *out;
    size_t columns;     // at most `panel`
    const float *bias;  // (columns) or NULL
    const float *extra; // added before act; lies as out does from `out_base`; NULL: nothing
    const float *out_base;
    bool relu;
    bool first, last; // part of a longer sum: out holds what came before; bias to relu come last
} hd_conv_strip;

// A block of a weight gradient, summed over places (e, r, q), e < images, r < rows, q < cols:
// out[i][j] (= or +=) Σ dy[e·dy_image + r·dy_row + q·dy_step + i] · x[e·x_image + … + j].
typedef struct hd_conv_block {
    const float *dy, *x;
    size_t images, rows, cols;
    size_t dy_image, dy_row, dy_step, x_image, x_row, x_step;
    float *out;
    size_t out_row;
    size_t m, n; // at most block_m, block_n
    bool accumulate;
} hd_conv_block;

typedef struct hd_conv_kernels {
    size_t lanes, panel; // columns of a panel of filters: a multiple of lanes
    size_t block_m, block_n;
    void (*strip)(const hd_conv_strip *strip, size_t m); // any m
    void (*block)(const hd_conv_block *block);
    // to[i] = from[i], rounded to bf16 when `narrow`.
    void (*copy)(size_t n, const float *from, float *to, bool narrow);
    // One row of places of a depthwise convolution, `n` channels:
    // out[q][c] = act(Σ over taps x[q·x_step + tap[t] + c] · w[t·n + c] + bias[c]).
    void (*depth)(size_t n, size_t cols, const float *x, size_t x_step, const size_t *tap,
                  size_t taps, const float *w, const float *bias, bool relu, float *out,
                  size_t out_step);
    // out[t·n + c] += Σ over cols of x[q·x_step + tap[t] + c] · dy[q·n + c].
    void (*depth_dw)(size_t n, size_t cols, const float *x, size_t x_step, const size_t *tap,
                     size_t taps, const float *dy, size_t dy_step, float *out);
} hd_conv_kernels;

// ── bf16 on AMX (path/conv_amx.c): between hd_engine_amx's begin and end ──

// Windows against 32 filters, in tiles of 16 that lie `step` values apart in a frame of bf16: w
// packed by the engine, a run filled up to whole steps of 32. Windows that don't count are read and
// not written.
typedef struct hd_conv_windows {
    const uint16_t *w;
    size_t step;
    const size_t *tap;
    size_t taps, run;
    size_t columns;    // at most 32
    const float *bias; // (columns) or NULL
    void *out;         // f32, or bf16
    const void *extra; // lies as out does, f32 or bf16; NULL: nothing
    bool out16, extra16;
    bool relu;
} hd_conv_windows;
enum { HD_CONV_NOWHERE = -1, HD_CONV_WINDOWS = 64 }; // of windows at once, in four tiles

// The gradient by m filters of n channels, 32 of each at most, over some places:
// out (m, n) at t · out_tap += Σ dy (m, places) · x[t] (places / 2, n, 2), for each tap t. Places
// are a multiple of 32, rows and columns of all three are there up to multiples of 16.
typedef struct hd_conv_grads {
    size_t m, n, places;
    const uint16_t *dy;
    size_t dy_row;
    const uint16_t *const *x;
    size_t taps, x_row;
    float *out;
    size_t out_tap, out_row;
} hd_conv_grads;

typedef struct hd_conv_half {
    void (*begin)(void); // on each thread, around its work
    void (*end)(void);
    // Up to 32 columns of filters, k values each: (k, n) by rows, or across by columns, in bf16 to
    // steps of 32 (1,024 values).
    void (*pack)(size_t k, size_t n, const float *from, size_t row, bool across, uint16_t *to);
    void (*narrow)(size_t n, const float *from, uint16_t *to);
    // x: where each tile begins, at most four of up to 16 columns and two of up to 32. to: where
    // each of their windows' results goes in out, or HD_CONV_NOWHERE.
    void (*windows)(const hd_conv_windows *s, size_t tiles, const uint16_t *const *x,
                    const ptrdiff_t *to);
    // to[c·to_row + q] = x[q·step + c], c < channels ≤ 16, q < n ≤ 32. x16: x is bf16.
    void (*turn)(bool x16, size_t channels, size_t n, const void *x, size_t step, uint16_t *to,
                 size_t to_row);
    // Two places side by side: to[2·c + i] = i == 0 ? even[c] : odd[c]; NULL: zeros. 32 channels
    // at most; what lies behind the last, up to 16 or 32, becomes 0.
    void (*pair)(size_t n, const uint16_t *even, const uint16_t *odd, uint16_t *to);
    // The same of places 0 and 1, 2 and 3, …, `step` values apart, 64 values each.
    void (*pairs)(size_t count, size_t n, const uint16_t *x, size_t step, uint16_t *to);
    void (*gradient)(const hd_conv_grads *g);
} hd_conv_half;
extern const hd_conv_half hd_conv_half_amx;
// NULL where the path has none.
const hd_conv_half *hd_conv_half_get(void);

extern const hd_conv_kernels hd_conv_kernels_ref;
extern const hd_conv_kernels hd_conv_kernels_avx2;
extern const hd_conv_kernels hd_conv_kernels_avx512;
extern const hd_conv_kernels hd_conv_kernels_neon;

#endif
