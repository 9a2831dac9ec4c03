// SPDX-License-Identifier: Apache-2.0
//
// The loops of kernel/norm_path.h. By columns: four rows at a time from end to end, as memory gives
// them, into sums that stay in the first cache (a vector of columns down all rows waits for each
// line). By rows: four vectors of sums, added up in one order.
#include "kernel/norm_path.h"

#include <string.h>

#include "kernel/path/simd.h"

#define UNROLL _Pragma("GCC unroll 4")
enum { W = 4 };

HD_INLINE vf load(const float *p, size_t left) {
    return left >= VF ? vf_load(p) : vf_load_n(p, left);
}
HD_INLINE void store(float *p, vf a, size_t left) {
    if (left >= VF)
        vf_store(p, a);
    else
        vf_store_n(p, a, left);
}
// `left` values (or a vector of them) of an array that may be bf16.
HD_INLINE vf load_as(const bool half, const void *p, size_t at, size_t left) {
    if (!half) return load((const float *)p + at, left);
    const uint16_t *from = (const uint16_t *)p + at;
    return left >= VF ? vf_load_bf16(from) : vf_load_bf16_n(from, left);
}
HD_INLINE void store_as(const bool half, void *p, size_t at, vf a, size_t left) {
    if (!half)
        store((float *)p + at, a, left);
    else if (left >= VF)
        vf_store_bf16((uint16_t *)p + at, a);
    else
        vf_store_bf16_n((uint16_t *)p + at, a, left);
}

// The same of a long array that is read from end to end: what comes some way on is asked for.
HD_INLINE vf load_next(const bool half, const void *p, size_t at, size_t left) {
    enum { AHEAD = 2048 }; // bytes
    const size_t element = half ? sizeof(uint16_t) : sizeof(float);
    __builtin_prefetch((const char *)p + at * element + AHEAD);
    return load_as(half, p, at, left);
}

static inline size_t lanes_left(size_t c, size_t at) {
    return c - at < VF ? c - at : (size_t)VF;
}

// ── by columns ──
//
// Each pass is made for arrays that are all f32, for those that are all bf16, and once for any.
#define BY_TYPES(narrow, all, call)               \
    do {                                          \
        const unsigned types_ = (narrow) & (all); \
        if (types_ == 0)                          \
            call(0U);                             \
        else if (types_ == (all))                 \
            call((all));                          \
        else                                      \
            call(types_);                         \
    } while (0)

// Up to four rows of one vector of columns; s1 and s2 are added to.
HD_INLINE void sums_at(const unsigned t, size_t rows, size_t c, size_t left, const void *x,
                       size_t at, vf first, float *s1, float *s2) {
    vf a[W], b[W];
    UNROLL for (size_t v = 0; v < W; v++) {
        if (v >= rows) {
            a[v] = b[v] = vf_zero();
            continue;
        }
        a[v] = vf_sub(load_next(t, x, at + v * c, left), first);
        b[v] = vf_mul(a[v], a[v]);
    }
    store(s1, vf_add(load(s1, left), vf_add(vf_add(a[0], a[1]), vf_add(a[2], a[3]))), left);
    store(s2, vf_add(load(s2, left), vf_add(vf_add(b[0], b[1]), vf_add(b[2], b[3]))), left);
}

// Rows from value `at` of x on; its first row is what all are taken from.
HD_INLINE void sums_rows(const unsigned t, size_t rows, size_t c, const void *x, size_t at,
                         float *s1, float *s2) {
    size_t i = 0;
    for (; i + VF <= c; i += VF)
        sums_at(t, rows, c, VF, x, at + i, load_as(t, x, i, VF), s1 + i, s2 + i);
    if (i < c) sums_at(t, rows, c, c - i, x, at + i, load_as(t, x, i, c - i), s1 + i, s2 + i);
}

HD_INLINE void sums_body(const unsigned t, size_t rows, size_t c, const void *x, float *s1,
                         float *s2) {
    size_t r = 0;
    for (; r + W <= rows; r += W) sums_rows(t, W, c, x, r * c, s1, s2);
    if (r < rows) sums_rows(t, rows - r, c, x, r * c, s1, s2);
}

static void sums(unsigned narrow, size_t rows, size_t c, const void *x, float *s1, float *s2) {
    memset(s1, 0, c * sizeof *s1);
    memset(s2, 0, c * sizeof *s2);
    if (narrow & HD_NORM_X16)
        sums_body(1, rows, c, x, s1, s2);
    else
        sums_body(0, rows, c, x, s1, s2);
}

HD_INLINE void affine_at(const unsigned t, size_t at, size_t left, const void *x, const float *a,
                         const float *b, const void *residual, bool relu, void *y) {
    vf sum = vf_fma(load_next(t & HD_NORM_X16, x, at, left), load(a, left), load(b, left));
    if (residual) sum = vf_add(sum, load_next(t & HD_NORM_ADDED16, residual, at, left));
    if (relu) sum = vf_max(vf_zero(), sum);
    store_as(t & HD_NORM_Y16, y, at, sum, left);
}

HD_INLINE void affine_body(const unsigned t, size_t rows, size_t c, const void *x, const float *a,
                           const float *b, const void *residual, const bool more, const bool relu,
                           void *y) {
    const void *add = more ? residual : NULL;
    for (size_t r = 0, at = 0; r < rows; r++) {
        size_t i = 0;
        for (; i + VF <= c; i += VF, at += VF) affine_at(t, at, VF, x, a + i, b + i, add, relu, y);
        if (i < c) affine_at(t, at, c - i, x, a + i, b + i, add, relu, y);
        at += c - i;
    }
}

HD_INLINE void affine_of(const unsigned t, size_t rows, size_t c, const void *x, const float *a,
                         const float *b, const void *residual, bool relu, void *y) {
    if (residual && relu)
        affine_body(t, rows, c, x, a, b, residual, true, true, y);
    else if (residual)
        affine_body(t, rows, c, x, a, b, residual, true, false, y);
    else if (relu)
        affine_body(t, rows, c, x, a, b, NULL, false, true, y);
    else
        affine_body(t, rows, c, x, a, b, NULL, false, false, y);
}

static void affine(unsigned narrow, size_t rows, size_t c, const void *x, const float *a,
                   const float *b, const void *residual, bool relu, void *y) {
#define AFFINE(t) affine_of(t, rows, c, x, a, b, residual, relu, y)
    BY_TYPES(narrow, HD_NORM_X16 | HD_NORM_Y16 | HD_NORM_ADDED16, AFFINE);
}

enum { ALL, BY_Y, BY_X };

HD_INLINE vf passing(const unsigned t, const int kind, const hd_norm_mask *mask, size_t row_at,
                     size_t column, vf x, vf dy, size_t left) {
    if (kind == ALL) return dy;
    vf y = kind == BY_Y ? load_next(t & HD_NORM_MASK16, mask->y, row_at + column, left)
                        : vf_fma(x, load(mask->a + column, left), load(mask->b + column, left));
    return vf_select(vf_le(y, vf_zero()), vf_zero(), dy); // (NaN passes)
}

// Up to four rows of one vector of columns; s1 and s2 are added to.
HD_INLINE void back_sums_at(const unsigned t, const int kind, size_t rows, size_t row, size_t c,
                            size_t at, size_t left, const void *x, const void *dy,
                            const hd_norm_mask *mask, const float *mean, float *s1, float *s2) {
    const vf m = load(mean + at, left);
    vf a[W], b[W];
    UNROLL for (size_t v = 0; v < W; v++, row += c) {
        if (v >= rows) {
            a[v] = b[v] = vf_zero();
            continue;
        }
        vf xv = load_next(t & HD_NORM_X16, x, row + at, left);
        vf dv = load_next(t & HD_NORM_Y16, dy, row + at, left);
        a[v] = passing(t, kind, mask, row, at, xv, dv, left);
        b[v] = vf_mul(a[v], vf_sub(xv, m));
    }
    s1 += at, s2 += at;
    store(s1, vf_add(load(s1, left), vf_add(vf_add(a[0], a[1]), vf_add(a[2], a[3]))), left);
    store(s2, vf_add(load(s2, left), vf_add(vf_add(b[0], b[1]), vf_add(b[2], b[3]))), left);
}

HD_INLINE void back_sums_rows(const unsigned t, const int kind, size_t rows, size_t row, size_t c,
                              const void *x, const void *dy, const hd_norm_mask *mask,
                              const float *mean, float *s1, float *s2) {
    size_t at = 0;
    for (; at + VF <= c; at += VF)
        back_sums_at(t, kind, rows, row, c, at, VF, x, dy, mask, mean, s1, s2);
    if (at < c) back_sums_at(t, kind, rows, row, c, at, c - at, x, dy, mask, mean, s1, s2);
}

HD_INLINE void back_sums_body(const unsigned t, const int kind, size_t rows, size_t c,
                              const void *x, const void *dy, const hd_norm_mask *mask,
                              const float *mean, float *s1, float *s2) {
    size_t r = 0;
    for (; r + W <= rows; r += W) back_sums_rows(t, kind, W, r * c, c, x, dy, mask, mean, s1, s2);
    if (r < rows) back_sums_rows(t, kind, rows - r, r * c, c, x, dy, mask, mean, s1, s2);
}

HD_INLINE void back_sums_of(const unsigned t, size_t rows, size_t c, const void *x, const void *dy,
                            const hd_norm_mask *mask, const float *mean, float *s1, float *s2) {
    if (mask->y)
        back_sums_body(t, BY_Y, rows, c, x, dy, mask, mean, s1, s2);
    else if (mask->a)
        back_sums_body(t, BY_X, rows, c, x, dy, mask, mean, s1, s2);
    else
        back_sums_body(t, ALL, rows, c, x, dy, mask, mean, s1, s2);
}

static void back_sums(unsigned narrow, size_t rows, size_t c, const void *x, const void *dy,
                      hd_norm_mask mask, const float *mean, float *s1, float *s2) {
    memset(s1, 0, c * sizeof *s1);
    memset(s2, 0, c * sizeof *s2);
#define BACK_SUMS(t) back_sums_of(t, rows, c, x, dy, &mask, mean, s1, s2)
    BY_TYPES(narrow, HD_NORM_X16 | HD_NORM_Y16 | HD_NORM_MASK16, BACK_SUMS);
}

HD_INLINE void back_at(const unsigned t, const int kind, size_t row, size_t i, size_t left,
                       const void *x, const void *dy, const hd_norm_mask *mask,
                       const float *const p[4], void *dx, void *through) {
    vf xv = load_next(t & HD_NORM_X16, x, row + i, left);
    vf dv = load_next(t & HD_NORM_Y16, dy, row + i, left);
    vf d = passing(t, kind, mask, row, i, xv, dv, left);
    if (through) store_as(t & HD_NORM_ADDED16, through, row + i, d, left);
    vf sum = vf_fma(d, load(p[0] + i, left), load(p[3] + i, left));
    sum = vf_fnma(load(p[1] + i, left), vf_sub(xv, load(p[2] + i, left)), sum);
    store_as(t & HD_NORM_DX16, dx, row + i, sum, left);
}

HD_INLINE void back_body(const unsigned t, const int kind, size_t rows, size_t c, const void *x,
                         const void *dy, const hd_norm_mask *mask, const float *const p[4],
                         void *dx, void *through) {
    for (size_t r = 0; r < rows; r++) {
        size_t i = 0;
        for (; i + VF <= c; i += VF) back_at(t, kind, r * c, i, VF, x, dy, mask, p, dx, through);
        if (i < c) back_at(t, kind, r * c, i, c - i, x, dy, mask, p, dx, through);
    }
}

HD_INLINE void back_of(const unsigned t, size_t rows, size_t c, const void *x, const void *dy,
                       const hd_norm_mask *mask, const float *const p[4], void *dx, void *through) {
    if (mask->y)
        back_body(t, BY_Y, rows, c, x, dy, mask, p, dx, through);
    else if (mask->a)
        back_body(t, BY_X, rows, c, x, dy, mask, p, dx, through);
    else
        back_body(t, ALL, rows, c, x, dy, mask, p, dx, through);
}

static void back(unsigned narrow, size_t rows, size_t c, const void *x, const void *dy,
                 hd_norm_mask mask, const float *const p[4], void *dx, void *through) {
#define BACK(t) back_of(t, rows, c, x, dy, &mask, p, dx, through)
    BY_TYPES(narrow, HD_NORM_X16 | HD_NORM_Y16 | HD_NORM_DX16 | HD_NORM_ADDED16 | HD_NORM_MASK16,
             BACK);
}

// ── by rows ──

HD_INLINE float total(const vf *a) {
    return vf_sum(vf_add(vf_add(a[0], a[1]), vf_add(a[2], a[3])));
}

// Σ (x − mean)^power of a row, power 1 or 2.
HD_INLINE float moment(const bool half, size_t d, const void *x, float mean, const bool square) {
    const vf m = vf_set1(mean);
    vf a[W];
    UNROLL for (size_t v = 0; v < W; v++) a[v] = vf_zero();
    size_t i = 0;
    for (; i + W * VF <= d; i += W * VF) {
        UNROLL for (size_t v = 0; v < W; v++) {
            vf t = vf_sub(load_as(half, x, i + v * VF, VF), m);
            a[v] = square ? vf_fma(t, t, a[v]) : vf_add(a[v], t);
        }
    }
    for (; i + VF <= d; i += VF) {
        vf t = vf_sub(load_as(half, x, i, VF), m);
        a[0] = square ? vf_fma(t, t, a[0]) : vf_add(a[0], t);
    }
    if (i < d) { // (lanes past the end would count as −mean)
        float rest[VF];
        vf_store(rest, vf_sub(load_as(half, x, i, d - i), m));
        vf t = vf_load_n(rest, d - i);
        a[1] = square ? vf_fma(t, t, a[1]) : vf_add(a[1], t);
    }
    return total(a);
}

// Rows at a time: a sum over a row is a chain of steps that wait for each other, and those of the
// next rows fill the wait.
enum { ROWS = 4 };

// While rows leave, those two turns behind them are asked for.
HD_INLINE void fetch_next(const bool half, const void *p, size_t at, size_t d) {
    __builtin_prefetch((const char *)p +
                       (at + 2 * ROWS * d) * (half ? sizeof(uint16_t) : sizeof(float)));
}

HD_INLINE const void *row_at(const bool half, const void *p, size_t at) {
    return (const char *)p + at * (half ? sizeof(uint16_t) : sizeof(float));
}

// 1 / √(variance + eps) of up to ROWS rows, to scale.
static void scales(size_t rows, const float *var, float eps, float *scale) {
    for (size_t r = 0; r < rows; r += VF) {
        const size_t left = lanes_left(rows, r);
        const vf v = vf_add(load(var + r, left), vf_set1(eps));
        store(scale + r, vf_div(vf_set1(1), vf_sqrt(v)), left);
    }
}

HD_INLINE void row_put(const bool x16, const bool y16, size_t d, const void *x, const float *gamma,
                       const float *beta, float mean, float scale, void *y, size_t at) {
    const vf mv = vf_set1(mean), sv = vf_set1(scale);
    for (size_t i = 0; i < d; i += VF) {
        const size_t left = lanes_left(d, i);
        fetch_next(x16, x, at + i, d);
        vf t = vf_mul(vf_sub(load_as(x16, x, at + i, left), mv), sv);
        if (gamma) t = vf_mul(t, load(gamma + i, left));
        if (beta) t = vf_add(t, load(beta + i, left));
        store_as(y16, y, at + i, t, left);
    }
}

HD_INLINE void rows_body(const bool x16, const bool y16, size_t rows, size_t d, const void *x,
                         const float *gamma, const float *beta, float eps, bool rms, void *y,
                         float *mean, float *scale) {
    for (size_t from = 0, n; from < rows; from += n, mean += n, scale += n) {
        float var[ROWS] = {0};
        n = rows - from < ROWS ? rows - from : ROWS;
        for (size_t r = 0; r < n; r++) {
            const void *at = row_at(x16, x, (from + r) * d);
            mean[r] = rms ? 0 : moment(x16, d, at, 0, false) / (float)d;
        }
        for (size_t r = 0; r < n; r++)
            var[r] = moment(x16, d, row_at(x16, x, (from + r) * d), mean[r], true) / (float)d;
        scales(n, var, eps, scale);
        for (size_t r = 0; r < n; r++)
            row_put(x16, y16, d, x, gamma, beta, mean[r], scale[r], y, (from + r) * d);
    }
}

static void rows(unsigned narrow, size_t rows, size_t d, const void *x, const float *gamma,
                 const float *beta, float eps, bool rms, void *y, float *mean, float *scale) {
    switch (narrow) {
#define ROWS_CASE(bits, x16, y16)                                               \
    case bits:                                                                  \
        rows_body(x16, y16, rows, d, x, gamma, beta, eps, rms, y, mean, scale); \
        break;
        ROWS_CASE(0, false, false)
        ROWS_CASE(HD_NORM_X16, true, false)
        ROWS_CASE(HD_NORM_Y16, false, true)
    default:
        rows_body(true, true, rows, d, x, gamma, beta, eps, rms, y, mean, scale);
    }
}

typedef struct row_sums {
    float g, hat; // Σ g and Σ g·x̂ over d, divided by d
} row_sums;

// A gradient by rows: what is read, and of which types.
typedef struct rows_in {
    bool x16, dy16;
    size_t d;
    const void *x, *dy;
    const float *gamma, *mean, *scale; // mean NULL: 0
} rows_in;

HD_INLINE void row_values(const rows_in *in, size_t r, size_t i, size_t left, vf *g, vf *hat) {
    const vf m = vf_set1(in->mean ? in->mean[r] : 0), s = vf_set1(in->scale[r]);
    *g = load_as(in->dy16, in->dy, r * in->d + i, left);
    *hat = vf_mul(vf_sub(load_as(in->x16, in->x, r * in->d + i, left), m), s);
}

// Of `count` rows from row `from` on; dgamma and dbeta are added to row by row.
HD_INLINE void row_back_sums(const rows_in *in, const size_t count, size_t from, float *dgamma,
                             float *dbeta, row_sums *out) {
    vf a[W][2], b[W][2];
    UNROLL for (size_t r = 0; r < count; r++) a[r][0] = a[r][1] = b[r][0] = b[r][1] = vf_zero();
    for (size_t i = 0; i < in->d; i += 2 * VF) {
        UNROLL for (size_t odd = 0; odd < 2; odd++) {
            const size_t at = i + odd * VF;
            if (at >= in->d) break;
            const size_t left = lanes_left(in->d, at);
            vf dg = dgamma ? load(dgamma + at, left) : vf_zero();
            vf db = dbeta ? load(dbeta + at, left) : vf_zero();
            const vf gm = in->gamma ? load(in->gamma + at, left) : vf_set1(1);
            UNROLL for (size_t r = 0; r < count; r++) {
                vf g, hat;
                row_values(in, from + r, at, left, &g, &hat);
                dg = vf_fma(g, hat, dg);
                db = vf_add(g, db);
                if (in->gamma) g = vf_mul(g, gm);
                a[r][odd] = vf_add(a[r][odd], g);
                b[r][odd] = vf_fma(g, hat, b[r][odd]); // (lanes past the end: g is 0)
            }
            if (dgamma) store(dgamma + at, dg, left);
            if (dbeta) store(dbeta + at, db, left);
        }
    }
    UNROLL for (size_t r = 0; r < count; r++) {
        out[r].g = vf_sum(vf_add(a[r][0], a[r][1])) / (float)in->d;
        out[r].hat = vf_sum(vf_add(b[r][0], b[r][1])) / (float)in->d;
    }
}

HD_INLINE void row_back_put(const rows_in *in, const bool dx16, size_t r, row_sums sums, void *dx) {
    const vf c1 = vf_set1(sums.g), c2 = vf_set1(sums.hat), s = vf_set1(in->scale[r]);
    for (size_t i = 0; i < in->d; i += VF) {
        const size_t left = lanes_left(in->d, i);
        vf g, hat;
        fetch_next(in->x16, in->x, r * in->d + i, in->d);
        fetch_next(in->dy16, in->dy, r * in->d + i, in->d);
        row_values(in, r, i, left, &g, &hat);
        if (in->gamma) g = vf_mul(g, load(in->gamma + i, left));
        g = vf_mul(s, vf_sub(vf_sub(g, c1), vf_mul(hat, c2)));
        store_as(dx16, dx, r * in->d + i, g, left);
    }
}

HD_INLINE void rows_back_body(const rows_in *in, const bool dx16, size_t rows, bool rms, void *dx,
                              float *dgamma, float *dbeta) {
    for (size_t from = 0, n; from < rows; from += n) {
        row_sums sums[ROWS];
        size_t r = 0;
        n = rows - from < ROWS ? rows - from : ROWS;
        for (; r + W <= n; r += W) row_back_sums(in, W, from + r, dgamma, dbeta, sums + r);
        for (; r < n; r++) row_back_sums(in, 1, from + r, dgamma, dbeta, sums + r);
        for (r = 0; r < n && dx; r++) {
            if (rms) sums[r].g = 0;
            row_back_put(in, dx16, from + r, sums[r], dx);
        }
    }
}

static void rows_back(unsigned narrow, size_t rows, size_t d, const void *x, const void *dy,
                      const float *gamma, const float *mean, const float *scale, bool rms, void *dx,
                      float *dgamma, float *dbeta) {
    switch (narrow) {
#define BACK_CASE(bits)                                                                            \
    case bits: {                                                                                   \
        const rows_in in = {(bits)&HD_NORM_X16, (bits)&HD_NORM_Y16, d, x, dy, gamma, mean, scale}; \
        rows_back_body(&in, (bits)&HD_NORM_DX16, rows, rms, dx, dgamma, dbeta);                    \
        break;                                                                                     \
    }
        BACK_CASE(0)
        BACK_CASE(1)
        BACK_CASE(2)
        BACK_CASE(3)
        BACK_CASE(4)
        BACK_CASE(5)
        BACK_CASE(6)
        BACK_CASE(7)
    default:
        break;
    }
}

const hd_norm_kernels HD_PATH(hd_norm_kernels) = {.sums = sums,
                                                  .affine = affine,
                                                  .back_sums = back_sums,
                                                  .back = back,
                                                  .rows = rows,
                                                  .rows_back = rows_back};
