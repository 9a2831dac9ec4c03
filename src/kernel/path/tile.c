// SPDX-License-Identifier: Apache-2.0
//
// The register tiles of kernel/tile.h. MR × NV vectors of sums stay in registers over all of k; per
// step NV vectors of B are loaded and MR values of A broadcast. The shape leaves registers for B
// and a broadcast (32 vector registers: 8 × 3 + 3 + 1; 16: 6 × 2 + 2 + 1), and each row of A costs
// one pointer register, which is why the tile is wide rather than tall.
//
// The body is written once with the sizes as constants; every size of a tail is an instance.
#include "kernel/tile.h"

#include "kernel/path/simd.h"

#if defined(HD_PATH_AVX2)
enum { MR = 6, NV = 2 };
#elif defined(HD_PATH_AVX512) || defined(HD_PATH_NEON)
enum { MR = 8, NV = 3 };
#else
enum { MR = 4, NV = 4 };
#endif
enum { NR = NV * VF };

#define UNROLL _Pragma("GCC unroll 8")

typedef struct dest {
    float *c;
    size_t c_row, n;
    bool accumulate;
} dest;

// The vectors of row i of C: nv − 1 whole ones, and the first `last` lanes of one more.
HD_INLINE void put(const dest *d, size_t i, const size_t nv, const vf *sum) {
    float *c = d->c + i * d->c_row;
    const size_t whole = nv - 1, last = d->n - whole * VF;
    UNROLL for (size_t v = 0; v < whole; v++) {
        vf_store(c + v * VF, d->accumulate ? vf_add(vf_load(c + v * VF), sum[v]) : sum[v]);
    }
    c += whole * VF;
    if (last == VF)
        vf_store(c, d->accumulate ? vf_add(vf_load(c), sum[whole]) : sum[whole]);
    else
        vf_store_n(c, d->accumulate ? vf_add(vf_load_n(c, last), sum[whole]) : sum[whole], last);
}

// One step along k.
HD_INLINE void step(const size_t mr, const size_t nv, const float *const *row, size_t p,
                    const float *b, vf (*sum)[NV]) {
    vf bv[NV];
    UNROLL for (size_t v = 0; v < nv; v++) bv[v] = vf_load(b + v * VF);
    UNROLL for (size_t i = 0; i < mr; i++) {
        vf av = vf_set1(row[i][p]);
        UNROLL for (size_t v = 0; v < nv; v++) sum[i][v] = vf_fma(av, bv[v], sum[i][v]);
    }
}

enum { AHEAD = 8, AHEAD_OF_FEW = 24 }; // fewer rows of A are done with a row of B sooner

HD_INLINE void fetch_row(const float *b, const size_t nv) {
    UNROLL for (size_t v = 0; v < nv; v++) __builtin_prefetch(b + v * VF);
}

// Four rows of a B that isn't packed, some steps before they are wanted: they lie so far apart that
// nobody else foresees them. (What lies behind the last is called for in vain.)
HD_INLINE void fetch_rows(const float *b, size_t b_row, const size_t nv) {
    UNROLL for (size_t q = 0; q < 4; q++, b += b_row) fetch_row(b, nv);
}

// Whole tiles take four steps at a time: fewer instructions that only count.
HD_INLINE void rows_body(const size_t mr, const size_t nv, size_t segments, size_t k,
                         const float *const *a, const float *b, size_t b_row, const dest *d) {
    vf sum[MR][NV];
    UNROLL for (size_t i = 0; i < mr; i++) {
        __builtin_prefetch(d->c + i * d->c_row, 1); // it is far away, and wanted at the end
        if (nv > 2) __builtin_prefetch(d->c + i * d->c_row + (nv - 1) * VF, 1);
        UNROLL for (size_t v = 0; v < nv; v++) sum[i][v] = vf_zero();
    }
    const bool far = b_row > NR;
    for (size_t s = 0; s < segments; s++, a += MR) {
        const float *row[MR];
        UNROLL for (size_t i = 0; i < mr; i++) row[i] = a[i];
        size_t p = 0;
        for (; mr == MR && p + 4 <= k; p += 4) {
            if (far) fetch_rows(b + AHEAD * b_row, b_row, nv);
            UNROLL for (size_t q = 0; q < 4; q++, b += b_row) step(mr, nv, row, p + q, b, sum);
        }
        for (; p < k; p++, b += b_row) {
            if (mr < MR && far) fetch_row(b + AHEAD_OF_FEW * b_row, nv);
            step(mr, nv, row, p, b, sum);
        }
    }
    UNROLL for (size_t i = 0; i < mr; i++) put(d, i, nv, sum[i]);
}

// The first mr of the MR rows of a block of A.
HD_INLINE void packed_body(const size_t mr, const size_t nv, size_t k, const float *a,
                           const float *b, size_t b_row, const dest *d) {
    vf sum[MR][NV];
    UNROLL for (size_t i = 0; i < mr; i++) {
        __builtin_prefetch(d->c + i * d->c_row, 1);
        UNROLL for (size_t v = 0; v < nv; v++) sum[i][v] = vf_zero();
    }
    const float *row[MR];
    UNROLL for (size_t i = 0; i < mr; i++) row[i] = a + i;
    for (size_t p = 0; p < k; p++, b += b_row) step(mr, nv, row, p * MR, b, sum);
    UNROLL for (size_t i = 0; i < mr; i++) put(d, i, nv, sum[i]);
}

HD_INLINE void outer_body(const size_t mr, const size_t nv, const bool whole, size_t from, size_t k,
                          const float *const *a, const float *const *b, const dest *d) {
    const size_t last = whole ? (size_t)VF : d->n - (nv - 1) * VF;
    vf sum[MR][NV];
    UNROLL for (size_t i = 0; i < mr; i++) {
        UNROLL for (size_t v = 0; v < nv; v++) sum[i][v] = vf_zero();
    }
    for (size_t p = 0; p < k; p++) {
        const float *ap = a[p] + from, *bp = b[p];
        vf bv[NV];
        UNROLL for (size_t v = 0; v + 1 < nv; v++) bv[v] = vf_load(bp + v * VF);
        const float *tail = bp + (nv - 1) * VF;
        bv[nv - 1] = whole ? vf_load(tail) : vf_load_n(tail, last);
        UNROLL for (size_t i = 0; i < mr; i++) {
            vf av = vf_set1(ap[i]);
            UNROLL for (size_t v = 0; v < nv; v++) sum[i][v] = vf_fma(av, bv[v], sum[i][v]);
        }
    }
    UNROLL for (size_t i = 0; i < mr; i++) put(d, i, nv, sum[i]);
}

// CASES(X): one instance per number of rows and of vectors, X(rows, vectors).
#if defined(HD_PATH_AVX2)
#define CASES_OF(X, mr) X(mr, 1) X(mr, 2)
#define CASES(X) CASES_OF(X, 3) CASES_OF(X, 5) CASES_OUTER(X)
#define CASES_OUTER(X) CASES_OF(X, 1) CASES_OF(X, 2) CASES_OF(X, 4) CASES_OF(X, 6)
#elif defined(HD_PATH_AVX512) || defined(HD_PATH_NEON)
#define CASES_OF(X, mr) X(mr, 1) X(mr, 2) X(mr, 3)
#define CASES(X) CASES_OF(X, 3) CASES_OF(X, 5) CASES_OF(X, 6) CASES_OF(X, 7) CASES_OUTER(X)
#define CASES_OUTER(X) CASES_OF(X, 1) CASES_OF(X, 2) CASES_OF(X, 4) CASES_OF(X, 8)
#else
#define CASES_OF(X, mr) X(mr, 1) X(mr, 2) X(mr, 3) X(mr, 4)
#define CASES(X) CASES_OF(X, 3) CASES_OUTER(X)
#define CASES_OUTER(X) CASES_OF(X, 1) CASES_OF(X, 2) CASES_OF(X, 4)
#endif

static void rows(size_t m, size_t n, size_t segments, size_t k, const float *const *a,
                 const float *b, size_t b_row, float *c, size_t c_row, bool accumulate) {
    const dest d = {c, c_row, n, accumulate};
    switch (m * 8 + (n + VF - 1) / VF) {
#define ROWS_CASE(mr, nv)                                \
    case mr * 8 + nv:                                    \
        rows_body(mr, nv, segments, k, a, b, b_row, &d); \
        break;
        CASES(ROWS_CASE)
    default:
        break;
    }
}

static void packed(size_t m, size_t n, size_t k, const float *a, const float *b, size_t b_row,
                   float *c, size_t c_row, bool accumulate) {
    const dest d = {c, c_row, n, accumulate};
    switch (m * 8 + (n + VF - 1) / VF) {
#define PACKED_CASE(mr, nv)                      \
    case (mr)*8 + (nv):                          \
        packed_body(mr, nv, k, a, b, b_row, &d); \
        break;
        CASES(PACKED_CASE)
    default:
        break;
    }
}

// Rows `from` to from + m − 1, m one of MR, 4, 2, 1: fewer instances than `rows` has.
static void outer_part(size_t from, size_t m, size_t k, const float *const *a,
                       const float *const *b, dest d) {
    d.c += from * d.c_row;
    switch (m * 8 + (d.n + VF - 1) / VF) {
#define OUTER_CASE(mr, nv)                                \
    case (mr)*8 + (nv):                                   \
        if (d.n % VF == 0)                                \
            outer_body(mr, nv, true, from, k, a, b, &d);  \
        else                                              \
            outer_body(mr, nv, false, from, k, a, b, &d); \
        break;
        CASES_OUTER(OUTER_CASE)
    default:
        break;
    }
}

static void outer(size_t m, size_t n, size_t k, const float *const *a, const float *const *b,
                  float *c, size_t c_row, bool accumulate) {
    const dest d = {c, c_row, n, accumulate};
    for (size_t i = 0, part; i < m; i += part) {
        part = m - i >= MR ? (size_t)MR : m - i >= 4 ? 4 : m - i >= 2 ? 2 : 1;
        outer_part(i, part, k, a, b, d);
    }
}

const hd_tile_kernels HD_PATH(hd_tile_kernels) = {
    .mr = MR, .nr = NR, .lanes = VF, .rows = rows, .packed = packed, .outer = outer};
