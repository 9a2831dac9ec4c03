// SPDX-License-Identifier: Apache-2.0
//
// Attention of one head by blocks (kernel/attention.h): KEYS keys by QUERIES queries at a time.
//
// A block's operands are copied first: small dense buffers, scaled and (for bf16) rounded, where
// the tensors' rows lie a power of two apart and would fight for the same lines of the cache. All
// buffers are padded to whole vectors and to 8 rows, so that the products need no tails.
//
// Where the processor multiplies bf16 itself (hd_half_products) the copies are packed operands,
// made once per block of keys or queries, and the buffers padded to its blocks: `half` below.
//
// Scores are kept in base 2: queries are multiplied by scale · log2 e once, which saves a
// multiplication per pair. With y the scores, m the running maximum and l the running sum,
//
//     forward    p = 2^(y − m),  out = Σ p v / l,          lse = (m + log2 l) · ln 2
//     backward   p = 2^(y − lse · log2 e),  dv = pᵀ do,  ds = p (do vᵀ − Σ do·out),
//                dq = scale · ds k,  dk = scale · dsᵀ q = ln 2 · dsᵀ (q · scale · log2 e)
#include "kernel/attention.h"

#include <math.h>

#include "kernel/kernels.h"
#include "kernel/path/simd.h"
#include "kernel/tile.h"
#include "kernel/vec.h"

enum { KEYS = 128, QUERIES = 32, CHUNK = 256 };
#if defined(HD_PATH_AVX512) || defined(HD_PATH_NEON)
enum { MR = 8, NV = 3 };
#else
enum { MR = 4, NV = 3 };
#endif

static const float log2_e = 1.44269504F, ln_2 = 0.69314718F;

static inline size_t up_to(size_t n, size_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}
static inline size_t less(size_t a, size_t b) {
    return a < b ? a : b;
}

// Columns of a block as the buffers have them: whole vectors, and whole tiles of rows when the
// block is read transposed.
static inline size_t padded(size_t n) {
    return up_to(n, VF > 8 ? VF : 8);
}

// ── products of the padded buffers ──

#define UNROLL _Pragma("GCC unroll 8")

// C (MR, nv vectors) = or += Σ over p < k of a(i, p) · b(p, j). a(i, p) = a[i·a_row + p], or
// a[p·a_row + i] when `turned`.
HD_INLINE void tile(const size_t nv, const bool turned, size_t k, const float *a, size_t a_row,
                    const float *b, size_t b_row, float *c, size_t c_row, bool accumulate) {
    vf sum[MR][NV];
    UNROLL for (size_t i = 0; i < MR; i++) {
        UNROLL for (size_t v = 0; v < nv; v++) sum[i][v] = vf_zero();
    }
    for (size_t p = 0; p < k; p++, b += b_row) {
        vf bv[NV];
        UNROLL for (size_t v = 0; v < nv; v++) bv[v] = vf_load(b + v * VF);
        UNROLL for (size_t i = 0; i < MR; i++) {
            vf av = vf_set1(turned ? a[p * a_row + i] : a[i * a_row + p]);
            UNROLL for (size_t v = 0; v < nv; v++) sum[i][v] = vf_fma(av, bv[v], sum[i][v]);
        }
    }
    UNROLL for (size_t i = 0; i < MR; i++) {
        UNROLL for (size_t v = 0; v < nv; v++) {
            float *at = c + i * c_row + v * VF;
            vf_store(at, accumulate ? vf_add(vf_load(at), sum[i][v]) : sum[i][v]);
        }
    }
}

// C (m up to whole tiles, n up to whole vectors): all columns of a panel, then the next panel.
HD_INLINE void product(const bool turned, size_t m, size_t n, size_t k, const float *a,
                       size_t a_row, const float *b, size_t b_row, float *c, size_t c_row,
                       bool accumulate) {
    size_t left = (n + VF - 1) / VF;
    while (left > 0) {
        const size_t nv = left == 4 ? 2 : less(left, NV); // 4 as 2 + 2: no lonely vector
        for (size_t i = 0; i < m; i += MR) {
            const float *rows = a + i * (turned ? 1 : a_row);
            float *to = c + i * c_row;
            if (nv == 3)
                tile(3, turned, k, rows, a_row, b, b_row, to, c_row, accumulate);
            else if (nv == 2)
                tile(2, turned, k, rows, a_row, b, b_row, to, c_row, accumulate);
            else
                tile(1, turned, k, rows, a_row, b, b_row, to, c_row, accumulate);
        }
        b += nv * VF;
        c += nv * VF;
        left -= nv;
    }
}

// ── copies ──

HD_INLINE vf rounded(bool bf16, vf x) {
    if (!bf16) return x;
    uint16_t half[VF];
    vf_store_bf16(half, x);
    return vf_load_bf16(half);
}

// Places in arrays of either type.
static inline size_t size_of(hd_dtype type) {
    return type == HD_BF16 ? sizeof(uint16_t) : sizeof(float);
}
static inline const void *place(const void *data, hd_dtype type, size_t at) {
    return (const char *)data + at * size_of(type);
}
static inline void *place_to(void *data, hd_dtype type, size_t at) {
    return (char *)data + at * size_of(type);
}
HD_INLINE vf load_as(hd_dtype type, const void *p, size_t at, size_t n) {
    if (type == HD_BF16) {
        const uint16_t *half = (const uint16_t *)p + at;
        return n >= VF ? vf_load_bf16(half) : vf_load_bf16_n(half, n);
    }
    const float *f = (const float *)p + at;
    return n >= VF ? vf_load(f) : vf_load_n(f, n);
}
HD_INLINE void store_as(hd_dtype type, void *p, size_t at, vf x, size_t n) {
    if (type != HD_BF16)
        n >= VF ? vf_store((float *)p + at, x) : vf_store_n((float *)p + at, x, n);
    else if (n >= VF)
        vf_store_bf16((uint16_t *)p + at, x);
    else
        vf_store_bf16_n((uint16_t *)p + at, x, n);
}

// Rows lie far apart: the cache is told of those to come.
enum { AHEAD = 8, LINE = 64 };
HD_INLINE void fetch_row(const void *row, hd_dtype type, size_t d) {
    for (size_t j = 0; j < d * size_of(type); j += LINE) __builtin_prefetch((const char *)row + j);
}
HD_INLINE void fetch_to(void *row, hd_dtype type, size_t d) { // to be written
    for (size_t j = 0; j < d * size_of(type); j += LINE) __builtin_prefetch((char *)row + j, 1, 2);
}

HD_INLINE void copy_body(const bool bf16, const hd_dtype type, size_t n, size_t d,
                         const hd_pack_from *from, float *to, size_t wide) {
    const vf factor = vf_set1(from->scale);
    for (size_t i = 0; i < n; i++, to += wide) {
        const void *row = place(from->data, type, i * from->row);
        if (i + AHEAD < n) fetch_row(place(row, type, AHEAD * from->row), type, d);
        for (size_t j = 0; j < d; j += VF)
            vf_store(to + j, rounded(bf16, vf_mul(load_as(type, row, j, d - j), factor)));
    }
    memset(to, 0, (up_to(n, 8) - n) * wide * sizeof(float));
}

// n rows of d values to rows of `wide`, zeros behind and in the rows up to a whole tile.
static void copy_rows(size_t n, size_t d, hd_pack_from from, bool bf16, float *to, size_t wide) {
    if (from.type == HD_BF16)
        copy_body(true, HD_BF16, n, d, &from, to, wide);
    else if (bf16)
        copy_body(true, HD_F32, n, d, &from, to, wide);
    else
        copy_body(false, HD_F32, n, d, &from, to, wide);
}

// Rows i .. of n, as far as there are VF of them, d values: VF columns of (d, KEYS).
HD_INLINE void turn_square(const bool bf16, const hd_dtype type, size_t n, size_t d,
                           const void *from, size_t row, float *to) {
    vf x[VF];
    for (size_t j = 0; j < d; j += VF) {
        const size_t some = less(VF, d - j);
        for (size_t r = 0; r < VF; r++) {
            x[r] = r >= n ? vf_zero() : load_as(type, from, r * row + j, some);
            x[r] = rounded(bf16, x[r]);
        }
        vf_transpose(x);
        for (size_t c = 0; c < some; c++) vf_store(to + (j + c) * KEYS, x[c]);
    }
}

// n rows of d values turned: (d, KEYS), zeros in the columns behind n up to `padded`.
static void turn_rows(size_t n, size_t d, hd_pack_from from, bool bf16, float *to) {
    const size_t row = from.row;
    for (size_t i = 0; i < padded(n); i += VF) {
        const size_t some = i < n ? less(VF, n - i) : 0;
        const void *at = place(from.data, from.type, i * row);
        for (size_t r = VF; r < 2 * VF && i + r < n; r++)
            fetch_row(place(at, from.type, r * row), from.type, d);
        if (from.type == HD_BF16)
            turn_square(false, HD_BF16, some, d, at, row, to + i);
        else if (bf16)
            turn_square(true, HD_F32, some, d, at, row, to + i);
        else if (some == VF)
            turn_square(false, HD_F32, VF, d, at, row, to + i);
        else
            turn_square(false, HD_F32, some, d, at, row, to + i);
    }
}

// ── rows of scores ──

// 2^y for y ≤ 0 (a little above is fine), 2^−126 below that; NaN stays.
HD_INLINE vf power_of_2(vf y) {
    y = vf_max(vf_set1(-126), y);
    vf n = vf_round(y), f = vf_sub(y, n);
    vf p = vf_fma(f, vf_set1(1.5403530e-4F), vf_set1(1.3333558e-3F));
    p = vf_fma(p, f, vf_set1(9.6181291e-3F));
    p = vf_fma(p, f, vf_set1(5.5504109e-2F));
    p = vf_fma(p, f, vf_set1(2.4022651e-1F));
    p = vf_fma(p, f, vf_set1(6.9314718e-1F));
    p = vf_fma(p, f, vf_set1(1));
    return vf_mul(p, vf_of_bits(vi_shl(vi_add(vi_of_vf(n), vi_set1(127)), 23)));
}

HD_INLINE vi bucket_of(unsigned octave_bits, vf time) {
    const vi bits = vf_bits(vf_add(vf_abs(time), vf_set1(1)));
    switch (octave_bits) {
    case 0:
        return vi_sub(vi_shr(bits, 23), vi_set1(127));
    case 1:
        return vi_sub(vi_shr(bits, 22), vi_set1(127 * 2));
    case 2:
        return vi_sub(vi_shr(bits, 21), vi_set1(127 * 4));
    default:
        return vi_sub(vi_shr(bits, 20), vi_set1(127 * 8));
    }
}

// What is fixed for one head of one sequence.
typedef struct head {
    const hd_attention *a;
    size_t b, h, d, wide; // wide: d up to whole vectors; with `half` up to its blocks
    size_t seen;          // keys within the length
    float scale;
    bool bf16;                    // operands are rounded here …
    const hd_half_products *half; // … or by these, or (NULL) not at all
} head;

static void product_of(bool turned, size_t m, size_t n, size_t k, const float *a, size_t a_row,
                       const float *b, size_t b_row, float *c, size_t c_row, bool accumulate) {
    if (turned)
        product(true, m, n, k, a, a_row, b, b_row, c, c_row, accumulate);
    else
        product(false, m, n, k, a, a_row, b, b_row, c, c_row, accumulate);
}

// Rows of this head from query t or key k0 on.
static hd_pack_from rows_at(const void *data, hd_dtype type, size_t at, size_t row) {
    return (hd_pack_from){.data = place(data, type, at), .type = type, .row = row, .scale = 1};
}
static hd_pack_from q_rows(const head *h, size_t t) {
    const hd_attention *a = h->a;
    hd_pack_from from =
        rows_at(a->q, a->q_type, h->b * a->q_batch + t * a->q_row + h->h * h->d, a->q_row);
    from.scale = h->scale * log2_e;
    return from;
}
static hd_pack_from k_rows(const head *h, size_t k0, size_t kv) {
    const hd_attention *a = h->a;
    return rows_at(a->k, a->k_type, h->b * a->k_batch + k0 * a->k_row + kv * h->d, a->k_row);
}
static hd_pack_from v_rows(const head *h, size_t k0, size_t kv) {
    const hd_attention *a = h->a;
    return rows_at(a->v, a->v_type, h->b * a->v_batch + k0 * a->v_row + kv * h->d, a->v_row);
}
static hd_pack_from own_rows(const float *data, size_t row) {
    return (hd_pack_from){.data = data, .type = HD_F32, .row = row, .scale = 1};
}
// Packed operands stand in buffers of floats.
static uint16_t *packed(float *at) {
    return (uint16_t *)(void *)at;
}

static size_t wide_of(const hd_attention *a, const hd_half_products *half) {
    return up_to(a->head_dim, half ? (size_t)HD_HALF : (size_t)VF);
}
static const hd_half_products *half_of(const hd_attention *a) {
    return a->precision == HD_PRECISE_BF16 ? hd_half_products_get() : NULL;
}

// Around the work on a head.
static void begin_products(const head *h) {
    if (h->half) h->half->begin();
}
static void end_products(const head *h) {
    if (h->half) h->half->end();
}

static head head_of(const hd_attention *a, size_t b, size_t h) {
    const int32_t length = a->lengths ? a->lengths[b] : 0;
    const size_t seen = !a->lengths ? a->keys : length > 0 ? less((size_t)length, a->keys) : 0;
    const bool narrow = a->precision == HD_PRECISE_BF16;
    const hd_half_products *half = half_of(a);
    return (head){.a = a,
                  .b = b,
                  .h = h,
                  .d = a->head_dim,
                  .wide = wide_of(a, half),
                  .seen = seen,
                  .scale = a->scale != 0 ? a->scale : 1 / sqrtf((float)a->head_dim),
                  .bf16 = narrow && !half,
                  .half = half};
}

// How many keys query t sees.
static inline size_t seen_by(const head *h, size_t t) {
    return h->a->causal ? less(h->seen, h->a->first + t + 1) : h->seen;
}

// Adds the biases of query t and keys k0 .. to n scores.
static void add_bias(const head *h, size_t t, size_t k0, size_t n, float *y) {
    const hd_attention *a = h->a;
    const vf to_base_2 = vf_set1(log2_e);
    if (a->by_distance) {
        const float *bias =
            a->by_distance + h->h * (a->queries + a->keys - 1) + (k0 + a->queries - 1 - t);
        for (size_t j = 0; j < n; j += VF) {
            vf x = vf_load_n(bias + j, less(VF, n - j));
            vf_store(y + j, vf_fma(x, to_base_2, vf_load(y + j)));
        }
    }
    if (!a->by_time) return;
    const float *bias = a->by_time + h->h * a->buckets;
    const int32_t *times = a->k_time + h->b * a->keys + k0;
    const vi now = vi_set1(a->q_time[h->b * a->queries + t]);
    const vi last = vi_set1((int32_t)a->buckets - 1);
    for (size_t j = 0; j < n; j += VF) {
        vi apart = vi_sub(now, vi_load_n(times + j, less(VF, n - j)));
        vi bucket = bucket_of(a->octave_bits, vf_of_vi(apart));
        vf x = vf_gather(bias, vi_select(vi_gt(bucket, last), last, bucket));
        vf_store(y + j, vf_fma(x, to_base_2, vf_load(y + j)));
    }
}

HD_INLINE vf some_of(size_t n, vf x, float other) { // lanes behind n become `other`
    return vf_select(vm_first(n), x, vf_set1(other));
}

static float most_of(const float *y, size_t n, float floor) {
    vf most = vf_set1(floor);
    size_t j = 0;
    for (; j + VF <= n; j += VF) most = vf_max(most, vf_load(y + j));
    if (j < n) most = vf_max(most, some_of(n - j, vf_load(y + j), floor));
    return vf_max_of(most); // (a NaN that is lost here comes back with its power)
}

static void zero_to(float *y, size_t j, size_t wide) {
    for (; j < wide; j += VF) vf_store(y + j, vf_zero());
}

// y becomes 2^(y − m) where seen, 0 up to `wide`; the sum.
HD_INLINE float powers_body(const bool bf16, float *y, size_t n, size_t wide, float m) {
    const vf most = vf_set1(m);
    vf sum = vf_zero();
    size_t j = 0;
    for (; j + VF <= n; j += VF) {
        vf p = power_of_2(vf_sub(vf_load(y + j), most));
        sum = vf_add(sum, p);
        vf_store(y + j, rounded(bf16, p));
    }
    if (j < n) {
        vf p = some_of(n - j, power_of_2(vf_sub(vf_load(y + j), most)), 0);
        sum = vf_add(sum, p);
        vf_store(y + j, rounded(bf16, p));
        j += VF;
    }
    zero_to(y, j, wide);
    return vf_sum(sum);
}

static float powers(float *y, size_t n, size_t wide, float m, bool bf16) {
    return bf16 ? powers_body(true, y, n, wide, m) : powers_body(false, y, n, wide, m);
}

static void round_rows(float *x, size_t n) {
    for (size_t j = 0; j < n; j += VF) vf_store(x + j, rounded(true, vf_load(x + j)));
}

// Drops some of n values of a row of pairs, from key k0 on.
static void drop(const head *h, size_t t, size_t k0, size_t n, float *y) {
    const hd_attention *a = h->a;
    const hd_vec_arg arg = {.p = a->dropout, .seed = a->seed, .stream = a->stream};
    hd_kernels_get()->vec->op[HD_VEC_DROPOUT](n, y, NULL, y, &arg,
                                              hd_attention_place(a, h->b, h->h, t, k0));
}

// Powers, `wide` of them there, which products read rounded where that is asked for.
static void drop_powers(const head *h, size_t t, size_t k0, size_t n, size_t wide, float *y) {
    drop(h, t, k0, n, y);
    if (h->bf16) round_rows(y, wide);
}

static void scale_row(float *row, size_t n, float by) {
    for (size_t j = 0; j < n; j += VF) vf_store(row + j, vf_mul(vf_load(row + j), vf_set1(by)));
}

// The next head stands beside this one: a row of what it will read is asked for while this one's
// scores keep the core busy, and so is the row this one will write.
static void fetch_next(const head *h, size_t t, void *own, hd_dtype type) {
    const hd_attention *a = h->a;
    const size_t d = h->d, group = a->heads / a->kv_heads;
    fetch_to(own, type, d);
    if (h->h + 1 == a->heads) return;
    fetch_row(place(q_rows(h, t).data, a->q_type, d), a->q_type, d);
    if (t >= a->keys || (h->h + 1) % group != 0) return;
    const size_t kv = (h->h + 1) / group;
    fetch_row(k_rows(h, t, kv).data, a->k_type, d);
    fetch_row(v_rows(h, t, kv).data, a->v_type, d);
}

// ── forward ──

typedef struct forward_buffers {
    float *kt, *v, *q, *y, *sum; // (d, KEYS), (KEYS, wide), (CHUNK, wide), (QUERIES, KEYS), like q
    float *m, *l;                // (CHUNK)
    float *p;                    // half: y packed
} forward_buffers;

static forward_buffers forward_lay_out(size_t wide, float *ws, size_t *floats) {
    const size_t sizes[] = {KEYS * wide,  KEYS * wide, CHUNK * wide, QUERIES * KEYS,
                            CHUNK * wide, CHUNK,       CHUNK,        QUERIES * KEYS / 2};
    float *at[8], *next = ws;
    for (size_t i = 0; i < 8; i++) {
        at[i] = next;
        next = ws ? next + sizes[i] : NULL;
        *floats += sizes[i];
    }
    return (forward_buffers){at[0], at[1], at[2], at[3], at[4], at[5], at[6], at[7]};
}

static size_t forward_floats(const hd_attention *a) {
    size_t floats = 0;
    forward_lay_out(wide_of(a, half_of(a)), NULL, &floats);
    return floats;
}

// y = the scores of `rows` queries from the chunk's i0-th on against n keys.
static void forward_scores(const head *h, const forward_buffers *w, size_t i0, size_t rows,
                           size_t n) {
    const size_t wide = h->wide;
    if (h->half)
        h->half->multiply(rows, n, h->d, packed(w->q) + i0 * wide, wide, packed(w->kt), wide, w->y,
                          KEYS, false);
    else
        product_of(false, rows, n, h->d, w->q + i0 * wide, wide, w->kt, KEYS, w->y, KEYS, false);
}

// Adds their powers y times the values of the block (of `some` keys) to their sums.
static void forward_values(const head *h, const forward_buffers *w, size_t i0, size_t rows,
                           size_t n, size_t some, bool add) {
    float *sum = w->sum + i0 * h->wide;
    if (!h->half) {
        product_of(false, rows, h->d, n, w->y, KEYS, w->v, h->wide, sum, h->wide, add);
        return;
    }
    const hd_pack_from y = own_rows(w->y, KEYS);
    h->half->pack_a(false, rows, n, &y, packed(w->p));
    h->half->multiply(rows, h->d, n, packed(w->p), n, packed(w->v), some, sum, h->wide, add);
}

// QUERIES queries from the chunk's i0-th on by the block of `some` keys from k0 on.
static void forward_block(const head *h, const forward_buffers *w, size_t t0, size_t i0,
                          size_t rows, size_t k0, size_t some, void *out) {
    const size_t n = less(some, seen_by(h, t0 + i0 + rows - 1) - k0); // what its last query sees
    const hd_dtype type = h->a->out_type;
    forward_scores(h, w, i0, rows, n);
    for (size_t i = i0; i < i0 + rows; i++) {
        float *y = w->y + (i - i0) * KEYS, *sum = w->sum + i * h->wide;
        const size_t t = t0 + i, seen = seen_by(h, t), mine = seen > k0 ? less(n, seen - k0) : 0;
        if (k0 == 0) fetch_next(h, t, place_to(out, type, i * h->a->heads * h->d), type);
        if (mine > 0) add_bias(h, t, k0, mine, y);
        const float before = w->m[i], now = most_of(y, mine, before);
        const float p = powers(y, mine, up_to(n, VF), now == -INFINITY ? 0 : now, h->bf16);
        if (h->a->dropout > 0) drop_powers(h, t, k0, mine, up_to(n, VF), y);
        if (k0 == 0) {
            w->l[i] = p;
        } else {
            const float shrink = now == before ? 1 : exp2f(before - now);
            w->l[i] = w->l[i] * shrink + p;
            if (shrink != 1) scale_row(sum, h->wide, shrink);
        }
        w->m[i] = now;
    }
    forward_values(h, w, i0, rows, n, some, k0 > 0);
}

static void finish_row(const head *h, const float *sum, float l, void *out) {
    const vf by = vf_set1(l == 0 ? 0 : 1 / l);
    for (size_t j = 0; j < h->d; j += VF)
        store_as(h->a->out_type, out, j, vf_mul(vf_load(sum + j), by), h->d - j);
}

static void forward_queries(const head *h, const forward_buffers *w, size_t t0, size_t n) {
    const hd_pack_from from = q_rows(h, t0);
    if (h->half)
        h->half->pack_a(false, n, h->d, &from, packed(w->q));
    else
        copy_rows(n, h->d, from, h->bf16, w->q, h->wide);
}

static void forward_keys(const head *h, const forward_buffers *w, size_t k0, size_t n, size_t kv) {
    const hd_pack_from k = k_rows(h, k0, kv), v = v_rows(h, k0, kv);
    if (h->half) {
        h->half->pack_b(true, h->d, n, &k, packed(w->kt));
        h->half->pack_b(false, n, h->d, &v, packed(w->v));
    } else {
        turn_rows(n, h->d, k, h->bf16, w->kt);
        copy_rows(n, h->d, v, h->bf16, w->v, h->wide);
    }
}

static void forward(const hd_attention *a, size_t b, size_t head_at, size_t t0, size_t t1,
                    void *out, float *lse, float *ws) {
    const head h = head_of(a, b, head_at);
    const size_t n = t1 - t0, kv = head_at / (a->heads / a->kv_heads);
    size_t floats = 0;
    const forward_buffers w = forward_lay_out(h.wide, ws, &floats);
    void *to = place_to(out, a->out_type, ((b * a->queries + t0) * a->heads + head_at) * h.d);
    forward_queries(&h, &w, t0, n);
    for (size_t i = 0; i < n; i++) w.m[i] = -INFINITY, w.l[i] = 0;
    const size_t end = seen_by(&h, t1 - 1);
    begin_products(&h);
    if (end == 0) memset(w.sum, 0, n * h.wide * sizeof(float));
    for (size_t k0 = 0; k0 < end; k0 += KEYS) {
        const size_t some = less(KEYS, end - k0);
        forward_keys(&h, &w, k0, some, kv);
        for (size_t i = 0; i < n; i += QUERIES) {
            const size_t rows = less(QUERIES, n - i);
            if (seen_by(&h, t0 + i + rows - 1) > k0)
                forward_block(&h, &w, t0, i, rows, k0, some, to);
        }
    }
    end_products(&h);
    for (size_t i = 0; i < n; i++) {
        const size_t t = t0 + i;
        finish_row(&h, w.sum + i * h.wide, w.l[i], place_to(to, a->out_type, i * a->heads * h.d));
        if (lse) {
            lse[(b * a->heads + head_at) * a->queries + t] =
                w.l[i] == 0 ? -INFINITY : w.m[i] * ln_2 + logf(w.l[i]);
        }
    }
}

// ── backward ──

typedef struct backward_buffers {
    float *kt, *vt;        // (d, KEYS)
    float *k, *dk, *dv;    // (KEYS, wide)
    float *q, *d_out, *dq; // (QUERIES, wide)
    float *p, *ds;         // (QUERIES, KEYS)
    float *pt, *dst, *dsp; // half: p and ds turned and packed, ds packed
    float *delta;          // (group, T): Σ do·out
    float *dq_sum;         // (group, T, wide): where dq is narrow and adds up over blocks of keys
} backward_buffers;

// Whether gradients of queries add up in f32 before they are rounded.
static bool sums_dq(const hd_attention *a) {
    return a->precision == HD_PRECISE_BF16 && a->keys > KEYS;
}

static backward_buffers backward_lay_out(const hd_attention *a, float *ws, size_t *floats) {
    enum { N = 15 };
    const size_t wide = wide_of(a, half_of(a)), block = KEYS * wide, rows = QUERIES * wide;
    const size_t queries = a->heads / a->kv_heads * a->queries, narrow = QUERIES * KEYS / 2;
    const size_t sizes[N] = {block,
                             block,
                             block,
                             block,
                             block,
                             rows,
                             rows,
                             rows,
                             QUERIES * KEYS,
                             QUERIES * KEYS,
                             narrow,
                             narrow,
                             narrow,
                             up_to(queries, 16),
                             sums_dq(a) ? queries * wide : 0};
    float *at[N], *next = ws;
    for (size_t i = 0; i < N; i++) {
        at[i] = next;
        next = ws ? next + sizes[i] : NULL;
        *floats += sizes[i];
    }
    return (backward_buffers){at[0], at[1], at[2],  at[3],  at[4],  at[5],  at[6], at[7],
                              at[8], at[9], at[10], at[11], at[12], at[13], at[14]};
}

static size_t backward_floats(const hd_attention *a) {
    size_t floats = 0;
    backward_lay_out(a, NULL, &floats);
    return floats;
}

static float dot(hd_dtype a_type, const void *a, hd_dtype b_type, const void *b, size_t n) {
    vf sum = vf_zero();
    for (size_t j = 0; j < n; j += VF) {
        const size_t some = less(VF, n - j);
        sum = vf_fma(load_as(a_type, a, j, some), load_as(b_type, b, j, some), sum);
    }
    return vf_sum(sum);
}

typedef struct back {
    head h; // of the query head at work
    const hd_attention_grads *g;
    backward_buffers w;
    float *d_by_distance, *d_by_time;
} back;

HD_INLINE void back_powers(const bool bf16, size_t n, size_t wide, float lse, float delta, float *p,
                           float *ds) {
    const vf m = vf_set1(lse), less_by = vf_set1(delta);
    size_t j = 0;
    for (; j + VF <= n; j += VF) {
        vf x = power_of_2(vf_sub(vf_load(p + j), m));
        vf_store(ds + j, vf_mul(x, vf_sub(vf_load(ds + j), less_by)));
        vf_store(p + j, rounded(bf16, x));
    }
    if (j < n) {
        vf x = some_of(n - j, power_of_2(vf_sub(vf_load(p + j), m)), 0);
        vf d = vf_mul(x, vf_sub(vf_load(ds + j), less_by));
        vf_store(ds + j, some_of(n - j, d, 0));
        vf_store(p + j, rounded(bf16, x));
        j += VF;
    }
    zero_to(p, j, wide);
    zero_to(ds, j, wide);
}

// Scores to p, and the products with V to ds.
static void back_row(const back *b, size_t t, size_t k0, size_t n, size_t wide, float delta,
                     float *p, float *ds) {
    const head *h = &b->h;
    const size_t seen = seen_by(h, t), mine = seen > k0 ? less(n, seen - k0) : 0;
    const float lse = b->g->lse[(h->b * h->a->heads + h->h) * h->a->queries + t];
    const bool drops = h->a->dropout > 0;
    if (mine > 0) add_bias(h, t, k0, mine, p);
    if (drops) drop(h, t, k0, mine, ds);
    if (h->bf16)
        back_powers(true, mine, wide, lse * log2_e, delta, p, ds);
    else
        back_powers(false, mine, wide, lse * log2_e, delta, p, ds);
    if (drops) drop_powers(h, t, k0, mine, wide, p);
}

static void back_bias(const back *b, size_t t, size_t k0, size_t n, const float *ds) {
    const hd_attention *a = b->h.a;
    if (b->d_by_distance) {
        float *to =
            b->d_by_distance + b->h.h * (a->queries + a->keys - 1) + (k0 + a->queries - 1 - t);
        for (size_t j = 0; j < n; j++) to[j] += ds[j];
    }
    if (!b->d_by_time) return;
    float *to = b->d_by_time + b->h.h * a->buckets;
    const int32_t *times = a->k_time + b->h.b * a->keys + k0;
    const int32_t now = a->q_time[b->h.b * a->queries + t];
    for (size_t j = 0; j < n; j++)
        to[hd_attention_bucket(now, times[j], a->octave_bits, a->buckets)] += ds[j];
}

// Rows of d_out and of the result, of this head from query t on.
static hd_pack_from d_out_rows(const back *b, size_t t) {
    const size_t row = b->h.a->heads * b->h.d;
    return rows_at(b->g->d_out, b->g->d_out_type,
                   (b->h.b * b->h.a->queries + t) * row + b->h.h * b->h.d, row);
}
static const void *out_row(const back *b, size_t t) {
    const hd_attention *a = b->h.a;
    return place(b->g->out, a->out_type, ((b->h.b * a->queries + t) * a->heads + b->h.h) * b->h.d);
}
static void *dq_row(const back *b, size_t t) {
    const hd_attention *a = b->h.a;
    return place_to(b->g->dq, b->g->dq_type, b->h.b * a->q_batch + t * a->q_row + b->h.h * b->h.d);
}

// Adds scale · rows to dq, or sets it on the first block.
static void put_dq(const back *b, size_t h0, size_t t0, size_t rows, bool first) {
    const hd_attention *a = b->h.a;
    const bool own = sums_dq(a);
    const float *from = b->w.dq;
    const vf scale = vf_set1(b->h.scale);
    for (size_t i = 0; i < rows; i++, from += b->h.wide) {
        void *to = own ? b->w.dq_sum + ((b->h.h - h0) * a->queries + t0 + i) * b->h.wide
                       : dq_row(b, t0 + i);
        const hd_dtype type = own ? HD_F32 : b->g->dq_type;
        for (size_t j = 0; j < b->h.d; j += VF) {
            vf x = first ? vf_zero() : load_as(type, to, j, b->h.d - j);
            store_as(type, to, j, vf_fma(scale, vf_load(from + j), x), b->h.d - j);
        }
    }
}

// n rows of sums, times `by`, to where they belong.
static void put_rows(size_t n, size_t d, size_t wide, float by, const float *from, void *to,
                     hd_dtype type, size_t row) {
    for (size_t i = 0; i < n; i++, from += wide) {
        for (size_t j = 0; j < d; j += VF)
            store_as(type, to, i * row + j, vf_mul(vf_set1(by), vf_load(from + j)), d - j);
    }
}

static void zero_rows(size_t n, size_t d, void *to, hd_dtype type, size_t row) {
    for (size_t i = 0; i < n; i++) memset(place_to(to, type, i * row), 0, d * size_of(type));
}

static void *key_grad(const back *b, void *to, hd_dtype type, size_t batch, size_t row, size_t k0,
                      size_t kv) {
    return place_to(to, type, b->h.b * batch + k0 * row + kv * b->h.d);
}
static void *dk_rows(const back *b, size_t k0, size_t kv) {
    return key_grad(b, b->g->dk, b->g->dk_type, b->h.a->k_batch, b->h.a->k_row, k0, kv);
}
static void *dv_rows(const back *b, size_t k0, size_t kv) {
    return key_grad(b, b->g->dv, b->g->dv_type, b->h.a->v_batch, b->h.a->v_row, k0, kv);
}

// As fetch_next: what the next head will read and this one will write.
static void fetch_back(const back *b, size_t t) {
    const head *h = &b->h;
    const hd_attention *a = h->a;
    fetch_next(h, t, dq_row(b, t), b->g->dq_type);
    if (h->h + 1 < a->heads) {
        fetch_row(place(d_out_rows(b, t).data, b->g->d_out_type, h->d), b->g->d_out_type, h->d);
        fetch_row(place(out_row(b, t), a->out_type, h->d), a->out_type, h->d);
    }
    if (t >= a->keys) return;
    const size_t kv = h->h / (a->heads / a->kv_heads);
    fetch_to(dk_rows(b, t, kv), b->g->dk_type, h->d);
    fetch_to(dv_rows(b, t, kv), b->g->dv_type, h->d);
}

// p = the scores of `rows` queries from t0 on against n keys, ds = d_out · V.
static void backward_scores(const back *b, size_t t0, size_t rows, size_t n) {
    const head *h = &b->h;
    const backward_buffers *w = &b->w;
    const hd_pack_from q = q_rows(h, t0), d_out = d_out_rows(b, t0);
    if (h->half) { // (of q and d_out, halves of the buffers: by rows, and by columns)
        uint16_t *q_by_rows = packed(w->q), *d_by_rows = packed(w->d_out);
        h->half->pack_a(false, rows, h->d, &q, q_by_rows);
        h->half->pack_b(false, rows, h->d, &q, q_by_rows + QUERIES * h->wide);
        h->half->pack_a(false, rows, h->d, &d_out, d_by_rows);
        h->half->pack_b(false, rows, h->d, &d_out, d_by_rows + QUERIES * h->wide);
        h->half->multiply(rows, n, h->d, q_by_rows, h->wide, packed(w->kt), h->wide, w->p, KEYS,
                          false);
        h->half->multiply(rows, n, h->d, d_by_rows, h->wide, packed(w->vt), h->wide, w->ds, KEYS,
                          false);
        return;
    }
    copy_rows(rows, h->d, q, h->bf16, w->q, h->wide);
    copy_rows(rows, h->d, d_out, h->bf16, w->d_out, h->wide);
    product_of(false, rows, padded(n), h->d, w->q, h->wide, w->kt, KEYS, w->p, KEYS, false);
    product_of(false, rows, padded(n), h->d, w->d_out, h->wide, w->vt, KEYS, w->ds, KEYS, false);
}

// What p and ds give to the sums of dv, dk and, of the block of `some` keys, to dq.
static void backward_products(const back *b, size_t rows, size_t n, size_t some) {
    const head *h = &b->h;
    const backward_buffers *w = &b->w;
    const size_t wide = h->wide, d = h->d;
    if (h->half) {
        const hd_pack_from p = own_rows(w->p, KEYS), ds = own_rows(w->ds, KEYS);
        h->half->pack_a(true, n, rows, &p, packed(w->pt));
        h->half->pack_a(true, n, rows, &ds, packed(w->dst));
        h->half->pack_a(false, rows, n, &ds, packed(w->dsp));
        h->half->multiply(n, d, rows, packed(w->pt), rows, packed(w->d_out) + QUERIES * wide, rows,
                          w->dv, wide, true);
        h->half->multiply(n, d, rows, packed(w->dst), rows, packed(w->q) + QUERIES * wide, rows,
                          w->dk, wide, true);
        h->half->multiply(rows, d, n, packed(w->dsp), n, packed(w->k), some, w->dq, wide, false);
        return;
    }
    product_of(true, n, d, rows, w->p, KEYS, w->d_out, wide, w->dv, wide, true);
    product_of(true, n, d, rows, w->ds, KEYS, w->q, wide, w->dk, wide, true);
    product_of(false, rows, d, n, w->ds, KEYS, w->k, wide, w->dq, wide, false);
}

// `rows` queries of one head from t0 on by the block of `some` keys from k0 on.
static void backward_block(const back *b, size_t h0, size_t t0, size_t rows, size_t k0, size_t some,
                           const float *delta) {
    const head *h = &b->h;
    const backward_buffers *w = &b->w;
    const size_t n = less(some, seen_by(h, t0 + rows - 1) - k0), wide = padded(n);
    backward_scores(b, t0, rows, n);
    for (size_t i = 0; i < rows; i++) {
        float *p = w->p + i * KEYS, *ds = w->ds + i * KEYS;
        back_row(b, t0 + i, k0, n, wide, delta[t0 + i], p, ds);
        if (b->d_by_distance || b->d_by_time) back_bias(b, t0 + i, k0, n, ds);
        if (k0 == 0) fetch_back(b, t0 + i);
        if (h->bf16) round_rows(ds, wide);
    }
    backward_products(b, rows, n, some);
    put_dq(b, h0, t0, rows, k0 == 0);
}

static void backward_operands(const back *b, size_t k0, size_t n, size_t kv) {
    const head *h = &b->h;
    const backward_buffers *w = &b->w;
    const hd_pack_from k = k_rows(h, k0, kv), v = v_rows(h, k0, kv);
    const size_t bytes = up_to(n, h->half ? (size_t)HD_HALF : 8) * h->wide * sizeof(float);
    if (h->half) {
        h->half->pack_b(true, h->d, n, &k, packed(w->kt));
        h->half->pack_b(true, h->d, n, &v, packed(w->vt));
        h->half->pack_b(false, n, h->d, &k, packed(w->k));
    } else {
        turn_rows(n, h->d, k, h->bf16, w->kt);
        turn_rows(n, h->d, v, h->bf16, w->vt);
        copy_rows(n, h->d, k, h->bf16, w->k, h->wide);
    }
    memset(w->dk, 0, bytes);
    memset(w->dv, 0, bytes);
}

static void backward_keys(back *b, size_t h0, size_t kv, size_t k0, size_t n) {
    const hd_attention *a = b->h.a;
    const size_t d = b->h.d, wide = b->h.wide;
    const backward_buffers *w = &b->w;
    backward_operands(b, k0, n, kv);
    for (size_t i = 0; i < a->heads / a->kv_heads; i++) {
        b->h.h = h0 + i;
        for (size_t t = 0; t < a->queries; t += QUERIES) {
            const size_t rows = less(QUERIES, a->queries - t);
            if (seen_by(&b->h, t + rows - 1) > k0)
                backward_block(b, h0, t, rows, k0, n, w->delta + i * a->queries);
        }
    }
    put_rows(n, d, wide, ln_2, w->dk, dk_rows(b, k0, kv), b->g->dk_type, a->k_row);
    put_rows(n, d, wide, 1, w->dv, dv_rows(b, k0, kv), b->g->dv_type, a->v_row);
}

static void backward(const hd_attention *a, const hd_attention_grads *g, size_t at_b, size_t kv,
                     float *d_by_distance, float *d_by_time, float *ws) {
    const size_t group = a->heads / a->kv_heads, h0 = kv * group, d = a->head_dim;
    size_t floats = 0;
    back b = {.h = head_of(a, at_b, h0),
              .g = g,
              .w = backward_lay_out(a, ws, &floats),
              .d_by_distance = d_by_distance,
              .d_by_time = d_by_time};
    for (size_t i = 0; i < group; i++) {
        b.h.h = h0 + i;
        for (size_t t = 0; t < a->queries; t++)
            b.w.delta[i * a->queries + t] =
                dot(g->d_out_type, d_out_rows(&b, t).data, a->out_type, out_row(&b, t), d);
    }
    b.h.h = h0;
    const size_t end = a->queries > 0 ? seen_by(&b.h, a->queries - 1) : 0;
    if (end == 0) zero_rows(a->queries, group * d, dq_row(&b, 0), g->dq_type, a->q_row);
    begin_products(&b.h);
    for (size_t k0 = 0; k0 < end; k0 += KEYS) backward_keys(&b, h0, kv, k0, less(KEYS, end - k0));
    end_products(&b.h);
    for (size_t i = 0; sums_dq(a) && end > 0 && i < group; i++) {
        b.h.h = h0 + i;
        put_rows(a->queries, d, b.h.wide, 1, b.w.dq_sum + i * a->queries * b.h.wide, dq_row(&b, 0),
                 g->dq_type, a->q_row);
    }
    zero_rows(a->keys - end, d, dk_rows(&b, end, kv), g->dk_type, a->k_row);
    zero_rows(a->keys - end, d, dv_rows(&b, end, kv), g->dv_type, a->v_row);
}

// ── rotary positions ──

static void rotate_halves(size_t half, const float *cosine, const float *sine, float sign,
                          float *x) {
    for (size_t j = 0; j < half; j += VF) {
        const size_t n = less(VF, half - j);
        const vf a = vf_load_n(x + j, n), b = vf_load_n(x + half + j, n);
        const vf c = vf_load_n(cosine + j, n), s = vf_mul(vf_set1(sign), vf_load_n(sine + j, n));
        vf_store_n(x + j, vf_fnma(b, s, vf_mul(a, c)), n);
        vf_store_n(x + half + j, vf_fma(a, s, vf_mul(b, c)), n);
    }
}

static void rotate(size_t heads, size_t d, size_t half, bool adjacent, const float *cosine,
                   const float *sine, float sign, float *x) {
    for (size_t h = 0; h < heads; h++, x += d) {
        if (!adjacent) {
            rotate_halves(half, cosine, sine, sign, x);
            continue;
        }
        for (size_t j = 0; j < half; j++) {
            const float a = x[2 * j], b = x[2 * j + 1], s = sign * sine[j];
            x[2 * j] = a * cosine[j] - b * s;
            x[2 * j + 1] = a * s + b * cosine[j];
        }
    }
}

const hd_attention_kernels HD_PATH(hd_attention_kernels) = {.chunk = CHUNK,
                                                            .forward_floats = forward_floats,
                                                            .backward_floats = backward_floats,
                                                            .forward = forward,
                                                            .backward = backward,
                                                            .rotate = rotate};
