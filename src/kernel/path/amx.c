// SPDX-License-Identifier: Apache-2.0
//
// Products of bf16 on AMX: tiles of 16 rows of 64 bytes. C is held in 2 × 2 tiles (32 × 32 sums),
// so that each tile of A and B loaded is used twice; per step of 32 along k, four loads stand
// against four products of 16 cycles.
//
// A is packed into tiles of 16 rows × 32 k; B into tiles of 16 pairs along k × 16 columns, a pair
// side by side as the instruction wants it. Both are kibibytes in a row, in the order of use. Four
// ways lead there: operands lie along k or across it, and the tile wants k along its rows (A) or
// down its columns (B); a transpose of 16 × 16 pairs in registers turns one into the other.
//
// Tiles are always whole, padded with zeros: a row's sum is the same in any company. Products of
// bf16 are exact in f32 and two are added before they join the sum; numbers below 2⁻¹²⁶ count as
// zero.
#include <immintrin.h>

#include "kernel/gemm_plan.h"
#include "kernel/path/amx.h"
#include "kernel/path/simd.h"
#include "kernel/tile.h"

enum { SIDE = 16, STEP = 32, BLOCK = 32, TILE = SIDE * STEP }; // TILE: elements

typedef struct source {
    const hd_pack_from *from;
    size_t row, col;   // the first
    size_t rows, cols; // that are there, at most
} source;

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static __mmask32 first(size_t n) {
    return n >= 32 ? 0xffffffffU : (1U << n) - 1;
}

// Up to 16 floats of a row, the rest 0.
HD_INLINE __m512 floats(const source *s, size_t row, size_t col) {
    if (row >= s->rows || col >= s->cols) return _mm512_setzero_ps();
    const size_t at = (s->row + row) * s->from->row + s->col + col, n = least(SIDE, s->cols - col);
    __m512 x = s->from->type == HD_BF16 ? vf_load_bf16_n((const uint16_t *)s->from->data + at, n)
                                        : vf_load_n((const float *)s->from->data + at, n);
    return s->from->scale == 1 ? x : _mm512_mul_ps(x, _mm512_set1_ps(s->from->scale));
}

// Up to 32 bf16 of a row, the rest 0.
HD_INLINE __m512i narrow(const source *s, size_t row, size_t col) {
    if (row >= s->rows || col >= s->cols) return _mm512_setzero_si512();
    const uint16_t *p =
        (const uint16_t *)s->from->data + (s->row + row) * s->from->row + s->col + col;
    return _mm512_maskz_loadu_epi16(first(s->cols - col), p);
}

HD_INLINE __m512i to_bf16(__m512 low, __m512 high) {
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

HD_INLINE __m512i mixed(__m512i both) { // 16 values, 16 more: side by side
    const __m512i mix = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24,
                                         8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(mix, both);
}

// Row `row`, 32 values along: 16 pairs.
HD_INLINE __m512i along(const source *s, const bool bf16, size_t row) {
    if (bf16) return narrow(s, row, 0);
    return to_bf16(floats(s, row, 0), floats(s, row, SIDE));
}

// Rows 2·pair and 2·pair + 1, side by side: 16 pairs.
HD_INLINE __m512i across(const source *s, const bool bf16, size_t pair) {
    __m512i both;
    if (bf16) {
        __m256i low = _mm512_castsi512_si256(narrow(s, 2 * pair, 0));
        __m256i high = _mm512_castsi512_si256(narrow(s, 2 * pair + 1, 0));
        both = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    } else {
        both = to_bf16(floats(s, 2 * pair, 0), floats(s, 2 * pair + 1, 0));
    }
    return mixed(both);
}

// Pairs i of a whole tile as they are: no lane is missing.
HD_INLINE __m512i plain_pairs(const float *at, size_t row, const bool by_pairs, size_t i) {
    if (!by_pairs) return to_bf16(vf_load(at + i * row), vf_load(at + i * row + SIDE));
    return mixed(to_bf16(vf_load(at + 2 * i * row), vf_load(at + (2 * i + 1) * row)));
}
// The same of bf16 that are scaled.
HD_INLINE __m512i scaled_halves(const uint16_t *at, size_t row, const bool by_pairs, size_t i,
                                __m512 scale) {
    const uint16_t *low = by_pairs ? at + 2 * i * row : at + i * row;
    const uint16_t *high = by_pairs ? low + row : low + SIDE;
    const __m512i both =
        to_bf16(_mm512_mul_ps(vf_load_bf16(low), scale), _mm512_mul_ps(vf_load_bf16(high), scale));
    return by_pairs ? mixed(both) : both;
}
HD_INLINE __m512i plain_halves(const uint16_t *at, size_t row, const bool by_pairs, size_t i) {
    if (!by_pairs) return _mm512_loadu_si512(at + i * row);
    const __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)(at + 2 * i * row));
    const uint16_t *next = at + (2 * i + 1) * row;
    return mixed(_mm512_inserti64x4(_mm512_castsi256_si512(low),
                                    _mm256_loadu_si256((const __m256i *)(const void *)next), 1));
}

HD_INLINE void put_tile(const vf *row, uint16_t *out) {
    for (size_t i = 0; i < SIDE; i++) _mm512_store_ps(out + i * STEP, row[i]);
}

HD_INLINE void make_plain_tile(const source *s, const bool bf16, const bool by_pairs,
                               const bool turn, uint16_t *out) {
    const size_t step = s->from->row, at = s->row * step + s->col;
    vf row[SIDE];
#pragma GCC unroll 16
    for (size_t i = 0; i < SIDE; i++)
        row[i] = _mm512_castsi512_ps(
            bf16 ? plain_halves((const uint16_t *)s->from->data + at, step, by_pairs, i)
                 : plain_pairs((const float *)s->from->data + at, step, by_pairs, i));
    if (turn) vf_transpose(row);
    put_tile(row, out);
}

HD_INLINE void make_scaled_tile(const source *s, const bool by_pairs, const bool turn,
                                uint16_t *out) {
    const size_t step = s->from->row;
    const uint16_t *at = (const uint16_t *)s->from->data + s->row * step + s->col;
    const __m512 scale = _mm512_set1_ps(s->from->scale);
    vf row[SIDE];
    for (size_t i = 0; i < SIDE; i++)
        row[i] = _mm512_castsi512_ps(scaled_halves(at, step, by_pairs, i, scale));
    if (turn) vf_transpose(row);
    put_tile(row, out);
}

HD_INLINE void make_tile(const source *s, const bool bf16, const bool by_pairs, const bool turn,
                         uint16_t *out) {
    const bool whole = s->rows == (by_pairs ? (size_t)STEP : (size_t)SIDE) &&
                       s->cols == (by_pairs ? (size_t)SIDE : (size_t)STEP);
    if (whole && s->from->scale == 1 && bf16 == (s->from->type == HD_BF16)) {
        make_plain_tile(s, bf16, by_pairs, turn, out);
        return;
    }
    if (whole && !bf16 && s->from->type == HD_BF16) {
        make_scaled_tile(s, by_pairs, turn, out);
        return;
    }
    vf row[SIDE];
    for (size_t i = 0; i < SIDE; i++)
        row[i] = _mm512_castsi512_ps(by_pairs ? across(s, bf16, i) : along(s, bf16, i));
    if (turn) vf_transpose(row);
    put_tile(row, out);
}

// One tile: 16 of the side (rows of A, columns of B) from `side` on, 32 of k from `k` on. lines:
// the operand's rows run along k.
HD_INLINE void one_tile(const hd_pack_from *from, const bool bf16, const bool lines,
                        const bool turn, size_t side, size_t sides, size_t k, size_t ks,
                        uint16_t *out) {
    size_t n_side = side < sides ? least(SIDE, sides - side) : 0, n_k = least(STEP, ks - k);
    const source s =
        lines ? (source){from, side, k, n_side, n_k} : (source){from, k, side, n_k, n_side};
    make_tile(&s, bf16, !lines, turn, out);
}

// The rows of memory to be read next.
HD_INLINE void fetch(const hd_pack_from *from, const bool bf16, size_t row, size_t n, size_t col) {
    const size_t element = bf16 ? sizeof(uint16_t) : sizeof(float);
    const char *at = (const char *)from->data + (row * from->row + col) * element;
    for (size_t i = 0; i < n; i++, at += from->row * element) {
        __builtin_prefetch(at);
        if (!bf16) __builtin_prefetch(at + 64);
    }
}

// Blocks of 32 of the side, each with all of k; made in the order in which memory lies.
HD_INLINE void pack(const hd_pack_from *from, const bool bf16, const bool lines, const bool turn,
                    size_t sides, size_t ks, uint16_t *out, size_t out_k) {
    const size_t outer = lines ? sides : ks, inner = lines ? ks : sides;
    for (size_t i = 0; i < outer; i += BLOCK) {
        for (size_t j = 0; j < inner; j += BLOCK) {
            size_t side = lines ? i : j, k = lines ? j : i;
            if (!lines && i + BLOCK < outer)
                fetch(from, bf16, i + BLOCK, least(BLOCK, outer - i - BLOCK), j);
            uint16_t *to = out + side * out_k + k * BLOCK;
            one_tile(from, bf16, lines, turn, side, sides, k, ks, to);
            one_tile(from, bf16, lines, turn, side + SIDE, sides, k, ks, to + TILE);
        }
    }
}

static void pack_a(size_t m, size_t k, const hd_pack_from *from, bool turned, void *out,
                   size_t out_k) {
    const bool as_is = from->type == HD_BF16 && from->scale == 1;
    if (as_is && turned)
        pack(from, true, false, true, m, k, out, out_k);
    else if (as_is)
        pack(from, true, true, false, m, k, out, out_k);
    else if (turned)
        pack(from, false, false, true, m, k, out, out_k);
    else
        pack(from, false, true, false, m, k, out, out_k);
}

// Panels of 32 columns, out_k of k apart.
static void pack_panels(size_t k, size_t n, const hd_pack_from *from, bool turned, uint16_t *out,
                        size_t out_k) {
    const bool as_is = from->type == HD_BF16 && from->scale == 1;
    if (as_is && turned)
        pack(from, true, true, true, n, k, out, out_k);
    else if (as_is)
        pack(from, true, false, false, n, k, out, out_k);
    else if (turned)
        pack(from, false, true, true, n, k, out, out_k);
    else
        pack(from, false, false, false, n, k, out, out_k);
}

static void pack_b(size_t k, size_t n, const hd_pack_from *from, bool turned, void *out) {
    pack_panels(k, n, from, turned, out, 0);
}

// ── Tiles ──

#define EIGHT(x) \
    { x, x, x, x, x, x, x, x }
static const struct {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16]; // of a row, by tile
    uint8_t rows[16];
} config = {.palette = 1, .bytes = EIGHT(STEP * sizeof(uint16_t)), .rows = EIGHT(SIDE)};

static void begin(void) {
    _tile_loadconfig(&config);
}

static void end(void) {
    _tile_release();
}

// gcc's intrinsics don't say that a tile is loaded from memory: what was written must be there.
HD_INLINE void settle(void) {
    __asm__ volatile("" ::: "memory");
}

// Where tiles of A lie: packed, or in A itself.
typedef struct rows {
    const uint16_t *at; // elements
    size_t stride;      // bytes between rows
    size_t low;         // elements to the next 16 rows
    size_t next;        // elements to the next step along k
} rows;

static rows rows_at(const void *a, size_t a_row) {
    if (a_row == HD_PACKED) return (rows){a, STEP * sizeof(uint16_t), TILE, (size_t)2 * TILE};
    return (rows){a, a_row * sizeof(uint16_t), SIDE * a_row, STEP};
}

// 32 × 32 of C. Tiles 0–3: sums, from what C holds when `add`; 4, 5: A; 6, 7: B. A's rows are used
// by panel after panel and should stay in the first cache, B goes by: its loads say so.
static void four(size_t steps, const rows *from, const uint16_t *b, float *c, size_t c_row,
                 bool add) {
    const size_t stride = c_row * sizeof *c, a_stride = from->stride, next = from->next;
    const uint16_t *a = from->at, *a_low = a + from->low;
    float *low = c + SIDE * c_row;
    settle();
    if (add) {
        _tile_loadd(0, c, stride);
        _tile_loadd(1, c + SIDE, stride);
        _tile_loadd(2, low, stride);
        _tile_loadd(3, low + SIDE, stride);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (size_t s = 0; s < steps; s++, a += next, a_low += next, b += 2 * TILE) {
        _tile_stream_loadd(6, b, STEP * 2);
        _tile_loadd(4, a, a_stride);
        _tile_stream_loadd(7, b + TILE, STEP * 2);
        _tile_loadd(5, a_low, a_stride);
        step_products(true, true);
    }
    _tile_stored(0, c, stride);
    _tile_stored(1, c + SIDE, stride);
    _tile_stored(2, low, stride);
    _tile_stored(3, low + SIDE, stride);
}

// 16 × 32 of C.
static void two(size_t steps, const rows *from, const uint16_t *b, float *c, size_t c_row,
                bool add) {
    const size_t stride = c_row * sizeof *c, a_stride = from->stride, next = from->next;
    const uint16_t *a = from->at;
    settle();
    if (add) {
        _tile_loadd(0, c, stride);
        _tile_loadd(1, c + SIDE, stride);
    } else {
        _tile_zero(0);
        _tile_zero(1);
    }
    for (size_t s = 0; s < steps; s++, a += next, b += 2 * TILE) {
        _tile_loadd(4, a, a_stride);
        _tile_stream_loadd(6, b, STEP * 2);
        _tile_stream_loadd(7, b + TILE, STEP * 2);
        step_products(false, true);
    }
    _tile_stored(0, c, stride);
    _tile_stored(1, c + SIDE, stride);
}

// m rows, n columns of one to the other.
static void move_rows(size_t m, size_t n, const float *from, size_t from_row, float *to,
                      size_t to_row) {
    for (size_t i = 0; i < m; i++, from += from_row, to += to_row) {
        vf_store_n(to, vf_load_n(from, least(n, VF)), least(n, VF));
        if (n > VF) vf_store_n(to + VF, vf_load_n(from + VF, n - VF), n - VF);
    }
}

static void tile(size_t m, size_t n, size_t k, const void *a, size_t a_row, const void *b,
                 size_t b_row, float *c, size_t c_row, bool accumulate) {
    (void)b_row;
    const size_t steps = (k + STEP - 1) / STEP;
    const rows from = rows_at(a, a_row);
    void (*compute)(size_t, const rows *, const uint16_t *, float *, size_t, bool) =
        m > SIDE ? four : two;
    for (size_t i = 0; i < m && c_row > BLOCK; i++) {
        __builtin_prefetch(c + i * c_row, 1); // wanted at the end
        if (n > VF) __builtin_prefetch(c + i * c_row + VF, 1);
    }
    if (n == BLOCK && (m == BLOCK || m == SIDE)) {
        compute(steps, &from, b, c, c_row, accumulate);
        return;
    }
    // (What isn't there is whatever it is, and nobody reads its sums.)
    _Alignas(64) float whole[BLOCK * BLOCK];
    if (accumulate) move_rows(m, n, c, c_row, whole, BLOCK);
    compute(steps, &from, b, whole, BLOCK, accumulate);
    settle();
    move_rows(m, n, whole, BLOCK, c, c_row);
}

// ── Small products ──

static size_t up(size_t n) {
    return (n + BLOCK - 1) / BLOCK * BLOCK;
}

static void pack_half_a(bool turned, size_t m, size_t k, const hd_pack_from *from, uint16_t *out) {
    pack_a(m, k, from, turned, out, up(k));
}

static void pack_half_b(bool turned, size_t k, size_t n, const hd_pack_from *from, uint16_t *out) {
    pack_panels(k, n, from, turned, out, up(k));
}

static void multiply(size_t m, size_t n, size_t k, const uint16_t *a, size_t a_k, const uint16_t *b,
                     size_t b_k, float *c, size_t c_row, bool accumulate) {
    for (size_t j = 0; j < n; j += BLOCK) {
        for (size_t i = 0; i < m; i += BLOCK) {
            const rows from = rows_at(a + i * up(a_k), HD_PACKED);
            four(up(k) / STEP, &from, b + j * up(b_k), c + i * c_row + j, c_row, accumulate);
        }
    }
    settle();
}

const hd_half_products hd_half_products_amx = {
    .begin = begin, .end = end, .pack_a = pack_half_a, .pack_b = pack_half_b, .multiply = multiply};

// Rows of A as they lie serve where tiles are whole, lines too, and 32 rows of a step along k don't
// crowd into few sets of the first cache (12 ways of 64 lines; 8 at most, so that the rest goes
// by).
static bool takes_a(const hd_gemm *g, size_t k_step) {
    enum { LINE = 32, SETS = 64, WAYS = 8 }; // LINE: elements
    if (g->a_type != HD_BF16 || g->a_col != 1 || (g->accumulate && g->alpha != 1)) return false;
    if (g->m % SIDE || g->k % STEP || g->a_row % LINE || g->a_batch % LINE) return false;
    if (k_step % STEP) return false;
    const size_t lines = g->a_row / LINE, wide = k_step / LINE;
    size_t apart = 1; // of the rows' first sets
    while (apart < SETS && lines % (2 * apart) == 0) apart *= 2;
    const size_t sets = SETS / apart * least(wide, apart);
    return BLOCK * wide <= WAYS * sets;
}

const hd_engine hd_engine_amx = {
    .mr = BLOCK,
    .nr = BLOCK,
    .kc = 512, // 32 rows of A stay in the first cache
    .k_across = 1024,
    .few = 128,       // rows of A, read again for each panel, would come too slowly
    .ahead = 1 << 20, // half a second cache: rows of A go by there, not panels of B
    .group = BLOCK,
    .groups = true,
    .k_unit = STEP,
    .a_element = sizeof(uint16_t),
    .b_element = sizeof(uint16_t),
    .packs_a = true,
    .takes_a = takes_a,
    .begin = begin,
    .end = end,
    .tile = tile,
    .pack_a = pack_a,
    .pack_b = pack_b,
};
