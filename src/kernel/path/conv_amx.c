// SPDX-License-Identifier: Apache-2.0
//
// Convolution of bf16 on AMX (kernel/conv_path.h). The rows of an A tile are 16 windows a fixed
// step apart in a bf16 frame, loaded as they lie: nothing is packed but the filters. Two tiles of
// windows by two of filters, as in path/amx.c.
//
// For the gradient by the filters the places are the sum, so that dy is turned: filters × places.
// Frames lie in pairs of places × channels; a tap of the filter is a shift along the places.
#include <immintrin.h>

#include "kernel/conv_path.h"
#include "kernel/gemm_plan.h"
#include "kernel/path/amx.h"

enum { SIDE = 16, STEP = 32, BLOCK = 32, TILE = SIDE * STEP };

static void begin(void) {
    hd_engine_amx.begin();
}

static void end(void) {
    hd_engine_amx.end();
}

static void pack(size_t k, size_t n, const float *from, size_t row, bool across, uint16_t *to) {
    const hd_pack_from f = {.data = from, .type = HD_F32, .row = row, .scale = 1};
    hd_engine_amx.pack_b(k, n, &f, across, to);
}

HD_INLINE __m512i to_bf16(__m512 low, __m512 high) {
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

static void narrow(size_t n, const float *from, uint16_t *to) {
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        __m512i both = to_bf16(vf_load(from + i), vf_load(from + i + 16));
        _mm512_storeu_si512(to + i, both);
    }
    if (i == n) return;
    const size_t left = n - i, low = left < 16 ? left : 16;
    __m512i both = to_bf16(vf_load_n(from + i, low), vf_load_n(from + i + low, left - low));
    _mm512_mask_storeu_epi16(to + i, (__mmask32)((1U << left) - 1), both);
}

// Sums of one or two tiles of windows × 32 filters, to `out` (32, 32). Tiles 0–3: sums; 4, 5: A; 6,
// 7: B.
HD_INLINE void sums(const hd_conv_windows *s, const uint16_t *const *x, const bool high,
                    const bool wide, float *out) {
    const size_t stride = s->step * sizeof(uint16_t), bytes = BLOCK * sizeof *out;
    const uint16_t *b = s->w;
    _tile_zero(0);
    if (wide) _tile_zero(1);
    if (high) _tile_zero(2);
    if (high && wide) _tile_zero(3);
    __asm__ volatile("" ::: "memory");
    for (size_t t = 0; t < s->taps; t++) {
        const uint16_t *a = x[0] + s->tap[t], *low = high ? x[1] + s->tap[t] : NULL;
        for (size_t k = 0; k < s->run; k += STEP, b += 2 * TILE) {
            _tile_loadd(6, b, STEP * 2);
            _tile_loadd(4, a + k, stride);
            if (wide) _tile_loadd(7, b + TILE, STEP * 2);
            if (high) _tile_loadd(5, low + k, stride);
            step_products(high, wide);
        }
    }
    _tile_stored(0, out, bytes);
    if (wide) _tile_stored(1, out + SIDE, bytes);
    if (high) _tile_stored(2, out + SIDE * BLOCK, bytes);
    if (high && wide) _tile_stored(3, out + SIDE * BLOCK + SIDE, bytes);
    __asm__ volatile("" ::: "memory");
}

// Sums of four tiles of windows × 16 filters, to `out` (64, 32): a product waits for the one before
// it in its sum three times as long as it takes, so four sums grow at a time. Tiles 0–3: sums; 4,
// 5, 7: A; 6: B.
static void tall_sums(const hd_conv_windows *s, const uint16_t *const *x, float *out) {
    const size_t stride = s->step * sizeof(uint16_t), bytes = BLOCK * sizeof *out;
    const uint16_t *b = s->w;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    __asm__ volatile("" ::: "memory");
    for (size_t t = 0; t < s->taps; t++) {
        const size_t tap = s->tap[t];
        for (size_t k = tap; k < tap + s->run; k += STEP, b += 2 * TILE) {
            _tile_loadd(6, b, STEP * 2);
            _tile_loadd(4, x[0] + k, stride);
            _tile_loadd(5, x[1] + k, stride);
            _tile_loadd(7, x[2] + k, stride);
            _tile_dpbf16ps(0, 4, 6);
            _tile_loadd(4, x[3] + k, stride);
            keep_distance();
            _tile_dpbf16ps(1, 5, 6);
            keep_distance();
            _tile_dpbf16ps(2, 7, 6);
            keep_distance();
            _tile_dpbf16ps(3, 4, 6);
            keep_distance();
        }
    }
    _tile_stored(0, out, bytes);
    _tile_stored(1, out + SIDE * BLOCK, bytes);
    _tile_stored(2, out + 2 * SIDE * BLOCK, bytes);
    _tile_stored(3, out + 3 * SIDE * BLOCK, bytes);
    __asm__ volatile("" ::: "memory");
}

// What a sum goes through on its way out.
typedef struct ending {
    const float *bias; // or NULL
    void *out;
    const void *extra; // or NULL
    bool relu;
} ending;

// What becomes of columns [at, at + n) of a sum that goes to `to`.
HD_INLINE vf ended(const ending *e, const bool extra16, const float *sum, ptrdiff_t to, size_t at,
                   const size_t n) {
    vf a = n == SIDE ? vf_load(sum + at) : vf_load_n(sum + at, n);
    if (e->bias) a = vf_add(a, n == SIDE ? vf_load(e->bias + at) : vf_load_n(e->bias + at, n));
    if (e->extra && extra16) {
        const uint16_t *extra = (const uint16_t *)e->extra + to + at;
        a = vf_add(a, n == SIDE ? vf_load_bf16(extra) : vf_load_bf16_n(extra, n));
    } else if (e->extra) {
        a = vf_add(a, vf_load_n((const float *)e->extra + to + at, n));
    }
    return e->relu ? vf_max(vf_zero(), a) : a;
}

// (No store is wider than what it writes: a load of `extra` behind it would have to wait for the
// part of it that is masked away.)
HD_INLINE void put_half(uint16_t *to, vf a, vf b, const size_t columns) {
    if (columns == BLOCK)
        _mm512_storeu_si512(to, to_bf16(a, b));
    else if (columns == SIDE)
        _mm256_storeu_si256((__m256i *)(void *)to, (__m256i)_mm512_cvtneps_pbh(a));
    else if (columns < SIDE)
        _mm256_mask_storeu_epi16(to, vm_first(columns), (__m256i)_mm512_cvtneps_pbh(a));
    else
        _mm512_mask_storeu_epi16(to, (1U << columns) - 1, to_bf16(a, b));
}

HD_INLINE void put(const ending *e, const bool out16, const bool extra16, const float *sum,
                   ptrdiff_t to, const size_t columns) {
    const size_t low = columns < SIDE ? columns : SIDE, high = columns - low;
    const vf a = ended(e, extra16, sum, to, 0, low);
    const vf b = high > 0 ? ended(e, extra16, sum, to, SIDE, high) : vf_zero();
    if (out16) {
        put_half((uint16_t *)e->out + to, a, b, columns);
        return;
    }
    vf_store_n((float *)e->out + to, a, low);
    if (high > 0) vf_store_n((float *)e->out + to + SIDE, b, high);
}

HD_INLINE void put_all(const hd_conv_windows *s, const bool out16, const bool extra16,
                       const float *block, size_t m, const ptrdiff_t *to, const size_t columns) {
    const ending e = {.bias = s->bias, .out = s->out, .extra = s->extra, .relu = s->relu};
    for (size_t i = 0; i < m; i++, block += BLOCK) {
        if (to[i] != HD_CONV_NOWHERE) put(&e, out16, extra16, block, to[i], columns);
    }
}

static void windows(const hd_conv_windows *s, size_t tiles, const uint16_t *const *x,
                    const ptrdiff_t *to) {
    _Alignas(64) float block[HD_CONV_WINDOWS * BLOCK];
    const bool wide = s->columns > SIDE, half = s->out16 && (!s->extra || s->extra16);
    if (tiles > 2)
        tall_sums(s, x, block);
    else if (tiles == 2 && wide)
        sums(s, x, true, true, block);
    else if (tiles == 2)
        sums(s, x, true, false, block);
    else if (wide)
        sums(s, x, false, true, block);
    else
        sums(s, x, false, false, block);
    const size_t m = tiles * SIDE;
    if (half && s->columns == BLOCK)
        put_all(s, true, true, block, m, to, BLOCK);
    else if (half && s->columns == SIDE)
        put_all(s, true, true, block, m, to, SIDE);
    else
        put_all(s, s->out16, s->extra16, block, m, to, s->columns);
}

// ── gradient by the filters ──

// Channels of place q, as the low halves of 32 bits each; zeros past the last.
HD_INLINE __m512i place(const bool x16, __mmask16 there, size_t q, size_t n, const void *x,
                        size_t step) {
    if (q >= n) return _mm512_setzero_si512();
    if (x16)
        return _mm512_cvtepu16_epi32(
            _mm256_maskz_loadu_epi16(there, (const uint16_t *)x + q * step));
    const __m512 a = _mm512_maskz_loadu_ps(there, (const float *)x + q * step);
    return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(a));
}

// Two places side by side are one of 32 bits: a square of those is turned.
HD_INLINE void turn_body(const bool x16, size_t channels, size_t n, const void *x, size_t step,
                         uint16_t *to, size_t to_row) {
    const __mmask16 there = vm_first(channels);
    vf both[SIDE];
    for (size_t i = 0; i < SIDE; i++) {
        const __m512i even = place(x16, there, 2 * i, n, x, step);
        const __m512i odd = place(x16, there, 2 * i + 1, n, x, step);
        both[i] = _mm512_castsi512_ps(_mm512_or_si512(even, _mm512_slli_epi32(odd, 16)));
    }
    vf_transpose(both);
    const __mmask32 mask = n >= 32 ? 0xffffffffU : (1U << n) - 1;
    for (size_t c = 0; c < channels; c++)
        _mm512_mask_storeu_epi16(to + c * to_row, mask, _mm512_castps_si512(both[c]));
}

static void turn(bool x16, size_t channels, size_t n, const void *x, size_t step, uint16_t *to,
                 size_t to_row) {
    if (x16)
        turn_body(true, channels, n, x, step, to, to_row);
    else
        turn_body(false, channels, n, x, step, to, to_row);
}

// Of 16 channels and of the next 16: even, odd, even, odd, …
HD_INLINE __m512i mixed(__m512i even, __m512i odd, const short from) {
    const __m512i low = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40,
                                         8, 39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    return _mm512_permutex2var_epi16(even, _mm512_add_epi16(low, _mm512_set1_epi16(from)), odd);
}

static void pairs(size_t count, size_t n, const uint16_t *x, size_t step, uint16_t *to) {
    const __mmask32 there = n >= 32 ? 0xffffffffU : (1U << n) - 1;
    for (size_t i = 0; i < count; i++, x += 2 * step, to += 64) {
        __m512i a = _mm512_maskz_loadu_epi16(there, x);
        __m512i b = _mm512_maskz_loadu_epi16(there, x + step);
        _mm512_storeu_si512(to, mixed(a, b, 0));
        if (n > SIDE) _mm512_storeu_si512(to + STEP, mixed(a, b, SIDE));
    }
}

static void pair(size_t n, const uint16_t *even, const uint16_t *odd, uint16_t *to) {
    const __mmask32 there = n >= 32 ? 0xffffffffU : (1U << n) - 1;
    __m512i a = even ? _mm512_maskz_loadu_epi16(there, even) : _mm512_setzero_si512();
    __m512i b = odd ? _mm512_maskz_loadu_epi16(there, odd) : _mm512_setzero_si512();
    _mm512_storeu_si512(to, mixed(a, b, 0));
    if (n > SIDE) _mm512_storeu_si512(to + STEP, mixed(a, b, SIDE));
}

// out (32 filters, 32 channels) += Σ over places. dy: turned; x: pairs of places.
HD_INLINE void grads(const hd_conv_grads *g, size_t tap, const bool high, const bool wide) {
    const size_t bytes = g->out_row * sizeof(float);
    const uint16_t *x = g->x[tap];
    float *out = g->out + tap * g->out_tap, *low = out + SIDE * g->out_row;
    __asm__ volatile("" ::: "memory");
    _tile_loadd(0, out, bytes);
    if (wide) _tile_loadd(1, out + SIDE, bytes);
    if (high) _tile_loadd(2, low, bytes);
    if (high && wide) _tile_loadd(3, low + SIDE, bytes);
    for (size_t q = 0; q < g->places; q += STEP, x += SIDE * g->x_row) {
        _tile_loadd(6, x, g->x_row * 2);
        _tile_loadd(4, g->dy + q, g->dy_row * 2);
        if (wide) _tile_loadd(7, x + STEP, g->x_row * 2);
        if (high) _tile_loadd(5, g->dy + SIDE * g->dy_row + q, g->dy_row * 2);
        step_products(high, wide);
    }
    _tile_stored(0, out, bytes);
    if (wide) _tile_stored(1, out + SIDE, bytes);
    if (high) _tile_stored(2, low, bytes);
    if (high && wide) _tile_stored(3, low + SIDE, bytes);
    __asm__ volatile("" ::: "memory");
}

// The same of 16 filters, 16 channels and three taps: three sums grow at a time, for one tile of
// dy. Tiles 0–2: sums; 3: dy; 4–6: x.
static void three_grads(const hd_conv_grads *g, size_t tap) {
    const size_t bytes = g->out_row * sizeof(float), x_bytes = g->x_row * 2;
    const uint16_t *const *x = g->x + tap;
    float *out = g->out + tap * g->out_tap;
    __asm__ volatile("" ::: "memory");
    _tile_loadd(0, out, bytes);
    _tile_loadd(1, out + g->out_tap, bytes);
    _tile_loadd(2, out + 2 * g->out_tap, bytes);
    for (size_t q = 0, at = 0; q < g->places; q += STEP, at += SIDE * g->x_row) {
        _tile_loadd(3, g->dy + q, g->dy_row * 2);
        _tile_loadd(4, x[0] + at, x_bytes);
        _tile_loadd(5, x[1] + at, x_bytes);
        _tile_loadd(6, x[2] + at, x_bytes);
        _tile_dpbf16ps(0, 3, 4);
        keep_distance();
        _tile_dpbf16ps(1, 3, 5);
        keep_distance();
        _tile_dpbf16ps(2, 3, 6);
        keep_distance();
    }
    _tile_stored(0, out, bytes);
    _tile_stored(1, out + g->out_tap, bytes);
    _tile_stored(2, out + 2 * g->out_tap, bytes);
    __asm__ volatile("" ::: "memory");
}

static void gradient(const hd_conv_grads *g) {
    const bool high = g->m > SIDE, wide = g->n > SIDE;
    size_t tap = 0;
    for (; !high && !wide && tap + 3 <= g->taps; tap += 3) three_grads(g, tap);
    for (; tap < g->taps; tap++) {
        if (high && wide)
            grads(g, tap, true, true);
        else if (high)
            grads(g, tap, true, false);
        else if (wide)
            grads(g, tap, false, true);
        else
            grads(g, tap, false, false);
    }
}

const hd_conv_half hd_conv_half_amx = {.begin = begin,
                                       .end = end,
                                       .pack = pack,
                                       .narrow = narrow,
                                       .windows = windows,
                                       .turn = turn,
                                       .pair = pair,
                                       .pairs = pairs,
                                       .gradient = gradient};
