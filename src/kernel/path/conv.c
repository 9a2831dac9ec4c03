// SPDX-License-Identifier: Apache-2.0
//
// The register tiles of kernel/conv_path.h.
//
// strip: MR windows × NV vectors of filters stay in registers over the whole sum. A window is given
// by a pointer; its runs (for a filter of 3×3 over C channels, three runs of 3·C contiguous floats)
// lie at the same offsets from it for all windows, because the image was copied into a frame of
// zeros: nothing is gathered or packed (im2col writes every value nine times). One vector of
// filters per step serves MR windows: 12 × 2 sums + 2 + 1 of 32 registers; of 16: 6 × 2 + 2 + 1.
//
// block: the same with places as the sum: values of dy are broadcast, the runs of x are the
// vectors, so that the result lies as the weights do.
#include "kernel/conv_path.h"

#include "kernel/path/simd.h"

#if defined(HD_PATH_AVX512) || defined(HD_PATH_NEON)
enum { MR = 12, NV = 2, BM = 8, BV = 3 };
#elif defined(HD_PATH_AVX2)
enum { MR = 6, NV = 2, BM = 4, BV = 3 };
#else
enum { MR = 4, NV = 4, BM = 4, BV = 4 };
#endif

#define UNROLL _Pragma("GCC unroll 16")

// What a sum starts from.
HD_INLINE void strip_start(const hd_conv_strip *s, const float *out, const size_t nv, vf *sum) {
    UNROLL for (size_t v = 0; v < nv; v++) {
        const size_t left = s->columns - v * VF;
        if (s->first)
            sum[v] = vf_zero();
        else
            sum[v] = left >= VF ? vf_load(out + v * VF) : vf_load_n(out + v * VF, left);
    }
}

HD_INLINE void strip_keep(const hd_conv_strip *s, float *out, const size_t nv, const vf *sum) {
    UNROLL for (size_t v = 0; v < nv; v++) {
        const size_t left = s->columns - v * VF;
        if (left >= VF)
            vf_store(out + v * VF, sum[v]);
        else
            vf_store_n(out + v * VF, sum[v], left);
    }
}

HD_INLINE void strip_put(const hd_conv_strip *s, float *out, const size_t nv, const vf *sum) {
    const float *extra = s->extra ? s->extra + (out - s->out_base) : NULL;
    UNROLL for (size_t v = 0; v < nv; v++) {
        size_t left = s->columns - v * VF;
        vf a = sum[v];
        if (left >= VF) {
            if (s->bias) a = vf_add(a, vf_load(s->bias + v * VF));
            if (extra) a = vf_add(a, vf_load(extra + v * VF));
            if (s->relu) a = vf_max(vf_zero(), a);
            vf_store(out + v * VF, a);
        } else {
            if (s->bias) a = vf_add(a, vf_load_n(s->bias + v * VF, left));
            if (extra) a = vf_add(a, vf_load_n(extra + v * VF, left));
            if (s->relu) a = vf_max(vf_zero(), a);
            vf_store_n(out + v * VF, a, left);
        }
    }
}

HD_INLINE void strip_body(const hd_conv_strip *s, size_t from, const size_t mr, const size_t nv) {
    const float *w = s->w;
    vf sum[MR][NV];
    UNROLL for (size_t i = 0; i < mr; i++) strip_start(s, s->out[from + i], nv, sum[i]);
    for (size_t t = 0; t < s->taps; t++) {
        const float *row[MR];
        const size_t offset = s->shift + s->tap[t] + s->run;
        UNROLL for (size_t i = 0; i < mr; i++) row[i] = s->x[from + i] + offset;
        for (ptrdiff_t p = -(ptrdiff_t)s->run; p != 0; p++, w += nv * VF) { // (from the end: p is
            // the only counter, and a register is left for each row)
            vf wv[NV];
            UNROLL for (size_t v = 0; v < nv; v++) wv[v] = vf_load(w + v * VF);
            UNROLL for (size_t i = 0; i < mr; i++) {
                vf xv = vf_set1(row[i][p]);
                UNROLL for (size_t v = 0; v < nv; v++) sum[i][v] = vf_fma(xv, wv[v], sum[i][v]);
            }
        }
    }
    if (s->last && (s->bias || s->extra || s->relu)) {
        UNROLL for (size_t i = 0; i < mr; i++) strip_put(s, s->out[from + i], nv, sum[i]);
    } else {
        UNROLL for (size_t i = 0; i < mr; i++) strip_keep(s, s->out[from + i], nv, sum[i]);
    }
}

#if defined(HD_PATH_AVX512) || defined(HD_PATH_NEON)
#define HEIGHTS(X) X(12) X(8) X(6) X(4) X(3) X(2) X(1)
#define WIDTHS(X, m) X(m, 1) X(m, 2)
#define BLOCK_HEIGHTS(X) X(8) X(4) X(2) X(1)
#define BLOCK_WIDTHS(X, m) X(m, 1) X(m, 2) X(m, 3)
#elif defined(HD_PATH_AVX2)
#define HEIGHTS(X) X(6) X(4) X(3) X(2) X(1)
#define WIDTHS(X, m) X(m, 1) X(m, 2)
#define BLOCK_HEIGHTS(X) X(4) X(2) X(1)
#define BLOCK_WIDTHS(X, m) X(m, 1) X(m, 2) X(m, 3)
#else
#define HEIGHTS(X) X(4) X(1)
#define WIDTHS(X, m) X(m, 1) X(m, 2) X(m, 3) X(m, 4)
#define BLOCK_HEIGHTS(X) X(4) X(1)
#define BLOCK_WIDTHS(X, m) X(m, 1) X(m, 2) X(m, 3) X(m, 4)
#endif

static size_t height_for(const uint8_t *heights, size_t left) {
    while (*heights > left) heights++;
    return *heights;
}

static void strip(const hd_conv_strip *s, size_t m) {
#define ONE(h) h,
    static const uint8_t heights[] = {HEIGHTS(ONE)};
    const size_t nv = (s->columns + VF - 1) / VF;
    for (size_t from = 0, h; from < m; from += h) {
        h = height_for(heights, m - from);
        switch (h * 8 + nv) {
#define STRIP_CASE(h, nv)           \
    case (h)*8 + (nv):              \
        strip_body(s, from, h, nv); \
        break;
#define STRIP_CASES(h) WIDTHS(STRIP_CASE, h)
            HEIGHTS(STRIP_CASES)
        default:
            break;
        }
    }
}

HD_INLINE void block_put(float *out, const size_t nv, size_t n, const vf *sum, bool accumulate) {
    UNROLL for (size_t v = 0; v < nv; v++) {
        size_t left = n - v * VF;
        vf a = sum[v];
        if (left >= VF) {
            if (accumulate) a = vf_add(vf_load(out + v * VF), a);
            vf_store(out + v * VF, a);
        } else {
            if (accumulate) a = vf_add(vf_load_n(out + v * VF, left), a);
            vf_store_n(out + v * VF, a, left);
        }
    }
}

HD_INLINE void block_body(const hd_conv_block *b, size_t from, const size_t bm, const size_t bv,
                          const bool whole) {
    const size_t last = whole ? (size_t)VF : b->n - (bv - 1) * VF;
    const size_t dy_step = b->dy_step, x_step = b->x_step;
    vf sum[BM][BV];
    UNROLL for (size_t i = 0; i < bm; i++) {
        UNROLL for (size_t v = 0; v < bv; v++) sum[i][v] = vf_zero();
    }
    for (size_t r = 0, e = 0; e < b->images; r + 1 < b->rows ? r++ : (r = 0, e++)) {
        const float *dy = b->dy + e * b->dy_image + r * b->dy_row + from;
        const float *x = b->x + e * b->x_image + r * b->x_row;
        for (size_t q = b->cols; q > 0; q--, dy += dy_step, x += x_step) {
            vf xv[BV];
            UNROLL for (size_t v = 0; v + 1 < bv; v++) xv[v] = vf_load(x + v * VF);
            xv[bv - 1] = whole ? vf_load(x + (bv - 1) * VF) : vf_load_n(x + (bv - 1) * VF, last);
            UNROLL for (size_t i = 0; i < bm; i++) {
                vf dv = vf_set1(dy[i]);
                UNROLL for (size_t v = 0; v < bv; v++) sum[i][v] = vf_fma(dv, xv[v], sum[i][v]);
            }
        }
    }
    UNROLL for (size_t i = 0; i < bm; i++) {
        block_put(b->out + (from + i) * b->out_row, bv, b->n, sum[i], b->accumulate);
    }
}

static void block(const hd_conv_block *b) {
    static const uint8_t heights[] = {BLOCK_HEIGHTS(ONE)};
    const size_t bv = (b->n + VF - 1) / VF;
    const bool whole = b->n % VF == 0;
    for (size_t from = 0, h; from < b->m; from += h) {
        h = height_for(heights, b->m - from);
        switch (h * 8 + bv) {
#define BLOCK_CASE(h, nv)                      \
    case (h)*8 + (nv):                         \
        if (whole)                             \
            block_body(b, from, h, nv, true);  \
        else                                   \
            block_body(b, from, h, nv, false); \
        break;
#define BLOCK_CASES(h) BLOCK_WIDTHS(BLOCK_CASE, h)
            BLOCK_HEIGHTS(BLOCK_CASES)
        default:
            break;
        }
    }
}

HD_INLINE vf narrowed(vf a) {
    uint16_t half[VF];
    vf_store_bf16(half, a);
    return vf_load_bf16(half);
}

static void copy(size_t n, const float *from, float *to, bool narrow) {
    if (!narrow) {
        memcpy(to, from, n * sizeof *to);
        return;
    }
    size_t i = 0;
    for (; i + VF <= n; i += VF) vf_store(to + i, narrowed(vf_load(from + i)));
    if (i < n) vf_store_n(to + i, narrowed(vf_load_n(from + i, n - i)), n - i);
}

// ── depthwise ──

static void depth(size_t n, size_t cols, const float *x, size_t x_step, const size_t *tap,
                  size_t taps, const float *w, const float *bias, bool relu, float *out,
                  size_t out_step) {
    for (size_t c = 0; c < n; c += VF) {
        const size_t left = n - c < VF ? n - c : (size_t)VF;
        const vf start = bias ? vf_load_n(bias + c, left) : vf_zero();
        size_t q = 0;
        for (; q + 4 <= cols; q += 4) {
            const float *px = x + q * x_step + c;
            vf sum[4] = {start, start, start, start};
            for (size_t t = 0; t < taps; t++) {
                const vf wv = vf_load_n(w + t * n + c, left);
                UNROLL for (size_t i = 0; i < 4; i++) {
                    sum[i] = vf_fma(vf_load_n(px + i * x_step + tap[t], left), wv, sum[i]);
                }
            }
            UNROLL for (size_t i = 0; i < 4; i++) {
                vf a = relu ? vf_max(vf_zero(), sum[i]) : sum[i];
                vf_store_n(out + (q + i) * out_step + c, a, left);
            }
        }
        for (; q < cols; q++) {
            vf sum = start;
            for (size_t t = 0; t < taps; t++) {
                vf xv = vf_load_n(x + q * x_step + c + tap[t], left);
                sum = vf_fma(xv, vf_load_n(w + t * n + c, left), sum);
            }
            if (relu) sum = vf_max(vf_zero(), sum);
            vf_store_n(out + q * out_step + c, sum, left);
        }
    }
}

static void depth_dw(size_t n, size_t cols, const float *x, size_t x_step, const size_t *tap,
                     size_t taps, const float *dy, size_t dy_step, float *out) {
    for (size_t c = 0; c < n; c += VF) {
        const size_t left = n - c < VF ? n - c : (size_t)VF;
        for (size_t t = 0; t < taps; t++) {
            const float *px = x + tap[t] + c, *pd = dy + c;
            vf sum = vf_load_n(out + t * n + c, left);
            for (size_t q = 0; q < cols; q++, px += x_step, pd += dy_step) {
                sum = vf_fma(vf_load_n(px, left), vf_load_n(pd, left), sum);
            }
            vf_store_n(out + t * n + c, sum, left);
        }
    }
}

const hd_conv_kernels HD_PATH(hd_conv_kernels) = {.lanes = VF,
                                                  .panel = NV * VF,
                                                  .block_m = BM,
                                                  .block_n = BV * VF,
                                                  .strip = strip,
                                                  .block = block,
                                                  .copy = copy,
                                                  .depth = depth,
                                                  .depth_dw = depth_dw};
