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

// Sums of up to 32 windows × 32 filters, to `out` (32, 32). Tiles 0–3: sums; 4, 5: A; 6, 7: B.
HD_INLINE void sums(const hd_conv_windows *s, const bool high, const bool wide, float *out) {
    const size_t stride = s->step * sizeof(uint16_t), bytes = BLOCK * sizeof *out;
    const uint16_t *b = s->w;
    _tile_zero(0);
    if (wide) _tile_zero(1);
    if (high) _tile_zero(2);
    if (high && wide) _tile_zero(3);
    __asm__ volatile("" ::: "memory");
    for (size_t t = 0; t < s->taps; t++) {
        const uint16_t *a = s->x + s->tap[t], *low = a + SIDE * s->step;
        for (size_t k = 0; k < s->run; k += STEP, a += STEP, low += STEP, b += 2 * TILE) {
            _tile_loadd(6, b, STEP * 2);
            _tile_loadd(4, a, stride);
            if (wide) _tile_loadd(7, b + TILE, STEP * 2);
            if (high) _tile_loadd(5, low, stride);
            step_products(high, wide);
        }
    }
    _tile_stored(0, out, bytes);
    if (wide) _tile_stored(1, out + SIDE, bytes);
    if (high) _tile_stored(2, out + SIDE * BLOCK, bytes);
    if (high && wide) _tile_stored(3, out + SIDE * BLOCK + SIDE, bytes);
    __asm__ volatile("" ::: "memory");
}

// What becomes of columns [at, at + n) of a sum that goes to `to`.
HD_INLINE vf ended(const hd_conv_windows *s, const float *sum, ptrdiff_t to, size_t at, size_t n) {
    vf a = vf_load_n(sum + at, n);
    if (s->bias) a = vf_add(a, vf_load_n(s->bias + at, n));
    if (s->extra && s->extra16)
        a = vf_add(a, vf_load_bf16_n((const uint16_t *)s->extra + to + at, n));
    else if (s->extra)
        a = vf_add(a, vf_load_n((const float *)s->extra + to + at, n));
    if (s->relu) a = vf_max(vf_zero(), a);
    return a;
}

HD_INLINE void put(const hd_conv_windows *s, const float *sum, ptrdiff_t to, size_t columns) {
    const size_t low = columns < SIDE ? columns : SIDE, high = columns - low;
    const vf a = ended(s, sum, to, 0, low);
    const vf b = high > 0 ? ended(s, sum, to, SIDE, high) : vf_zero();
    if (s->out16) {
        const __mmask32 there = columns >= BLOCK ? 0xffffffffU : (1U << columns) - 1;
        _mm512_mask_storeu_epi16((uint16_t *)s->out + to, there, to_bf16(a, b));
        return;
    }
    vf_store_n((float *)s->out + to, a, low);
    if (high > 0) vf_store_n((float *)s->out + to + SIDE, b, high);
}

static void windows(const hd_conv_windows *s, size_t m, const ptrdiff_t *to) {
    _Alignas(64) float block[BLOCK * BLOCK];
    const bool wide = s->columns > SIDE;
    if (m > SIDE && wide)
        sums(s, true, true, block);
    else if (m > SIDE)
        sums(s, true, false, block);
    else if (wide)
        sums(s, false, true, block);
    else
        sums(s, false, false, block);
    for (size_t i = 0; i < m; i++) {
        if (to[i] != HD_CONV_NOWHERE) put(s, block + i * BLOCK, to[i], s->columns);
    }
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
HD_INLINE void grads(size_t places, const uint16_t *dy, size_t dy_row, const uint16_t *x,
                     size_t x_row, float *out, size_t out_row, const bool high, const bool wide) {
    const size_t bytes = out_row * sizeof *out;
    float *low = out + SIDE * out_row;
    __asm__ volatile("" ::: "memory");
    _tile_loadd(0, out, bytes);
    if (wide) _tile_loadd(1, out + SIDE, bytes);
    if (high) _tile_loadd(2, low, bytes);
    if (high && wide) _tile_loadd(3, low + SIDE, bytes);
    for (size_t q = 0; q < places; q += STEP, x += SIDE * x_row) {
        _tile_loadd(6, x, x_row * 2);
        _tile_loadd(4, dy + q, dy_row * 2);
        if (wide) _tile_loadd(7, x + STEP, x_row * 2);
        if (high) _tile_loadd(5, dy + SIDE * dy_row + q, dy_row * 2);
        step_products(high, wide);
    }
    _tile_stored(0, out, bytes);
    if (wide) _tile_stored(1, out + SIDE, bytes);
    if (high) _tile_stored(2, low, bytes);
    if (high && wide) _tile_stored(3, low + SIDE, bytes);
    __asm__ volatile("" ::: "memory");
}

static void gradient(size_t m, size_t n, size_t places, const uint16_t *dy, size_t dy_row,
                     const uint16_t *x, size_t x_row, float *out, size_t out_row) {
    if (m > SIDE && n > SIDE)
        grads(places, dy, dy_row, x, x_row, out, out_row, true, true);
    else if (m > SIDE)
        grads(places, dy, dy_row, x, x_row, out, out_row, true, false);
    else if (n > SIDE)
        grads(places, dy, dy_row, x, x_row, out, out_row, false, true);
    else
        grads(places, dy, dy_row, x, x_row, out, out_row, false, false);
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
