// SPDX-License-Identifier: Apache-2.0
//
// Attention of one head by blocks (kernel/attention.h): KEYS keys by QUERIES queries at a time.
//
// A block's operands are copied first: small dense buffers, scaled and (for bf16) rounded, where
// the tensors' rows lie a power of two apart and would fight for the same lines of the cache. All
// buffers are padded to whole vectors and to 8 rows, so that the products need no tails.
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

// Rows lie far apart: the cache is told of those to come.
enum { AHEAD = 8 };
HD_INLINE void fetch_row(const float *row, size_t d) {
    for (size_t j = 0; j < d; j += 16) __builtin_prefetch(row + j);
}

HD_INLINE void copy_body(const bool bf16, size_t n, size_t d, const float *from, size_t row,
                         float by, float *to, size_t wide) {
    const vf factor = vf_set1(by);
    for (size_t i = 0; i < n; i++, from += row, to += wide) {
        if (i + AHEAD < n) fetch_row(from + AHEAD * row, d);
        size_t j = 0;
        for (; j + VF <= d; j += VF)
            vf_store(to + j, rounded(bf16, vf_mul(vf_load(from + j), factor)));
        if (j < d) vf_store(to + j, rounded(bf16, vf_mul(vf_load_n(from + j, d - j), factor)));
    }
    memset(to, 0, (up_to(n, 8) - n) * wide * sizeof(float));
}

// n rows of d values to rows of `wide`, zeros behind and in the rows up to a whole tile.
static void copy_rows(size_t n, size_t d, const float *from, size_t row, float by, bool bf16,
                      float *to, size_t wide) {
    if (bf16)
        copy_body(true, n, d, from, row, by, to, wide);
    else
        copy_body(false, n, d, from, row, by, to, wide);
}

// Rows i .. of n, as far as there are VF of them, d values: VF columns of (d, KEYS).
HD_INLINE void turn_square(const bool bf16, size_t n, size_t d, const float *from, size_t row,
                           float *to) {
    vf x[VF];
    for (size_t j = 0; j < d; j += VF) {
        const size_t some = less(VF, d - j);
        for (size_t r = 0; r < VF; r++) {
            const float *at = from + r * row + j;
            x[r] = r >= n ? vf_zero() : some == VF ? vf_load(at) : vf_load_n(at, some);
            x[r] = rounded(bf16, x[r]);
        }
        vf_transpose(x);
        for (size_t c = 0; c < some; c++) vf_store(to + (j + c) * KEYS, x[c]);
    }
}

// n rows of d values turned: (d, KEYS), zeros in the columns behind n up to `padded`.
static void turn_rows(size_t n, size_t d, const float *from, size_t row, bool bf16, float *to) {
    for (size_t i = 0; i < padded(n); i += VF) {
        const size_t some = i < n ? less(VF, n - i) : 0;
        for (size_t r = VF; r < 2 * VF && i + r < n; r++) fetch_row(from + (i + r) * row, d);
        if (bf16)
            turn_square(true, some, d, from + i * row, row, to + i);
        else if (some == VF)
            turn_square(false, VF, d, from + i * row, row, to + i);
        else
            turn_square(false, some, d, from + i * row, row, to + i);
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
    size_t b, h, d, wide; // wide: d up to whole vectors
    size_t seen;          // keys within the length
    float scale;
    bool bf16;                    // operands are rounded here …
    const hd_half_products *half; // … or by these, or (NULL) not at all
} head;

static void product_of(const head *h, bool turned, size_t m, size_t n, size_t k, const float *a,
                       size_t a_row, const float *b, size_t b_row, float *c, size_t c_row,
                       bool accumulate) {
    if (h->half)
        h->half->product(turned, up_to(m, 8), up_to(n, VF), k, a, a_row, b, b_row, c, c_row,
                         accumulate);
    else if (turned)
        product(true, m, n, k, a, a_row, b, b_row, c, c_row, accumulate);
    else
        product(false, m, n, k, a, a_row, b, b_row, c, c_row, accumulate);
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
    const hd_half_products *half = narrow ? hd_half_products_get() : NULL;
    return (head){.a = a,
                  .b = b,
                  .h = h,
                  .d = a->head_dim,
                  .wide = up_to(a->head_dim, VF),
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
static void fetch_next(const head *h, size_t t, const float *own) {
    const hd_attention *a = h->a;
    const size_t d = h->d, group = a->heads / a->kv_heads;
    for (size_t j = 0; j < d; j += 16) __builtin_prefetch(own + j, 1, 2);
    if (h->h + 1 == a->heads) return;
    fetch_row(a->q + h->b * a->q_batch + t * a->q_row + (h->h + 1) * d, d);
    if (t >= a->keys || (h->h + 1) % group != 0) return;
    const size_t kv = (h->h + 1) / group;
    fetch_row(a->k + h->b * a->k_batch + t * a->k_row + kv * d, d);
    fetch_row(a->v + h->b * a->v_batch + t * a->v_row + kv * d, d);
}

// ── forward ──

typedef struct forward_buffers {
    float *kt, *v, *q, *y, *sum; // (d, KEYS), (KEYS, wide), (CHUNK, wide), (QUERIES, KEYS), like q
    float *m, *l;                // (CHUNK)
} forward_buffers;

static forward_buffers forward_lay_out(size_t wide, float *ws, size_t *floats) {
    const size_t sizes[] = {KEYS * wide,  KEYS * wide, CHUNK * wide, QUERIES * KEYS,
                            CHUNK * wide, CHUNK,       CHUNK};
    float *at[7], *next = ws;
    for (size_t i = 0; i < 7; i++) {
        at[i] = next;
        next = ws ? next + sizes[i] : NULL;
        *floats += sizes[i];
    }
    return (forward_buffers){at[0], at[1], at[2], at[3], at[4], at[5], at[6]};
}

static size_t forward_floats(const hd_attention *a) {
    size_t floats = 0;
    forward_lay_out(up_to(a->head_dim, VF), NULL, &floats);
    return floats;
}

// QUERIES queries from the chunk's i0-th on by the block of n keys from k0 on.
static void forward_block(const head *h, const forward_buffers *w, size_t t0, size_t i0,
                          size_t rows, size_t k0, size_t n, const float *out) {
    n = less(n, seen_by(h, t0 + i0 + rows - 1) - k0); // what its last query sees
    product_of(h, false, rows, n, h->d, w->q + i0 * h->wide, h->wide, w->kt, KEYS, w->y, KEYS,
               false);
    for (size_t i = i0; i < i0 + rows; i++) {
        float *y = w->y + (i - i0) * KEYS, *sum = w->sum + i * h->wide;
        const size_t t = t0 + i, seen = seen_by(h, t), mine = seen > k0 ? less(n, seen - k0) : 0;
        if (k0 == 0) fetch_next(h, t, out + i * h->a->heads * h->d);
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
    product_of(h, false, rows, h->d, n, w->y, KEYS, w->v, h->wide, w->sum + i0 * h->wide, h->wide,
               k0 > 0);
}

static void finish_row(const head *h, const float *sum, float l, float *out) {
    const vf by = vf_set1(l == 0 ? 0 : 1 / l);
    for (size_t j = 0; j < h->d; j += VF) {
        vf x = vf_mul(vf_load(sum + j), by);
        if (j + VF <= h->d)
            vf_store(out + j, x);
        else
            vf_store_n(out + j, x, h->d - j);
    }
}

static void forward(const hd_attention *a, size_t b, size_t head_at, size_t t0, size_t t1,
                    float *out, float *lse, float *ws) {
    const head h = head_of(a, b, head_at);
    const size_t n = t1 - t0, kv = head_at / (a->heads / a->kv_heads);
    size_t floats = 0;
    const forward_buffers w = forward_lay_out(h.wide, ws, &floats);
    float *to = out + ((b * a->queries + t0) * a->heads + head_at) * h.d;
    copy_rows(n, h.d, a->q + b * a->q_batch + t0 * a->q_row + head_at * h.d, a->q_row,
              h.scale * log2_e, h.bf16, w.q, h.wide);
    for (size_t i = 0; i < n; i++) w.m[i] = -INFINITY, w.l[i] = 0;
    const size_t end = seen_by(&h, t1 - 1);
    begin_products(&h);
    if (end == 0) memset(w.sum, 0, n * h.wide * sizeof(float));
    for (size_t k0 = 0; k0 < end; k0 += KEYS) {
        const size_t some = less(KEYS, end - k0);
        turn_rows(some, h.d, a->k + b * a->k_batch + k0 * a->k_row + kv * h.d, a->k_row, h.bf16,
                  w.kt);
        copy_rows(some, h.d, a->v + b * a->v_batch + k0 * a->v_row + kv * h.d, a->v_row, 1, h.bf16,
                  w.v, h.wide);
        for (size_t i = 0; i < n; i += QUERIES) {
            const size_t rows = less(QUERIES, n - i);
            if (seen_by(&h, t0 + i + rows - 1) > k0)
                forward_block(&h, &w, t0, i, rows, k0, some, to);
        }
    }
    end_products(&h);
    for (size_t i = 0; i < n; i++) {
        const size_t t = t0 + i;
        finish_row(&h, w.sum + i * h.wide, w.l[i], to + i * a->heads * h.d);
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
    float *delta;          // (group, T): Σ do·out
} backward_buffers;

static backward_buffers backward_lay_out(const hd_attention *a, float *ws, size_t *floats) {
    const size_t wide = up_to(a->head_dim, VF), block = KEYS * wide, rows = QUERIES * wide;
    const size_t sizes[] = {block,
                            block,
                            block,
                            block,
                            block,
                            rows,
                            rows,
                            rows,
                            QUERIES * KEYS,
                            QUERIES * KEYS,
                            up_to(a->heads / a->kv_heads * a->queries, 16)};
    float *at[11], *next = ws;
    for (size_t i = 0; i < 11; i++) {
        at[i] = next;
        next = ws ? next + sizes[i] : NULL;
        *floats += sizes[i];
    }
    return (backward_buffers){at[0], at[1], at[2], at[3], at[4], at[5],
                              at[6], at[7], at[8], at[9], at[10]};
}

static size_t backward_floats(const hd_attention *a) {
    size_t floats = 0;
    backward_lay_out(a, NULL, &floats);
    return floats;
}

static float dot(const float *a, const float *b, size_t n) {
    vf sum = vf_zero();
    for (size_t j = 0; j < n; j += VF) {
        const size_t some = less(VF, n - j);
        sum = vf_fma(vf_load_n(a + j, some), vf_load_n(b + j, some), sum);
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

// Adds scale · rows to dq, or sets it on the first block.
static void put_dq(const back *b, size_t t0, size_t rows, bool first) {
    const hd_attention *a = b->h.a;
    float *to = b->g->dq + b->h.b * a->q_batch + t0 * a->q_row + b->h.h * b->h.d;
    const float *from = b->w.dq;
    const vf scale = vf_set1(b->h.scale);
    for (size_t i = 0; i < rows; i++, to += a->q_row, from += b->h.wide) {
        for (size_t j = 0; j < b->h.d; j += VF) {
            const size_t some = less(VF, b->h.d - j);
            vf x = first ? vf_zero() : vf_load_n(to + j, some);
            vf_store_n(to + j, vf_fma(scale, vf_load(from + j), x), some);
        }
    }
}

// As fetch_next: what the next head will read and this one will write.
static void fetch_back(const back *b, size_t t) {
    const head *h = &b->h;
    const hd_attention *a = h->a;
    const size_t at = ((h->b * a->queries + t) * a->heads + h->h + 1) * h->d;
    fetch_next(h, t, b->g->dq + h->b * a->q_batch + t * a->q_row + h->h * h->d);
    if (h->h + 1 < a->heads) {
        fetch_row(b->g->d_out + at, h->d);
        fetch_row(b->g->out + at, h->d);
    }
    if (t >= a->keys) return;
    const size_t kv = h->h / (a->heads / a->kv_heads);
    for (size_t j = 0; j < h->d; j += 16) {
        __builtin_prefetch(b->g->dk + h->b * a->k_batch + t * a->k_row + kv * h->d + j, 1, 2);
        __builtin_prefetch(b->g->dv + h->b * a->v_batch + t * a->v_row + kv * h->d + j, 1, 2);
    }
}

// `rows` queries of one head from t0 on by the block of n keys from k0 on.
static void backward_block(const back *b, size_t t0, size_t rows, size_t k0, size_t n,
                           const float *delta) {
    const head *h = &b->h;
    const hd_attention *a = h->a;
    const backward_buffers *w = &b->w;
    n = less(n, seen_by(h, t0 + rows - 1) - k0);
    const size_t wide = padded(n), out_row = a->heads * h->d;
    copy_rows(rows, h->d, a->q + h->b * a->q_batch + t0 * a->q_row + h->h * h->d, a->q_row,
              h->scale * log2_e, h->bf16, w->q, h->wide);
    copy_rows(rows, h->d, b->g->d_out + (h->b * a->queries + t0) * out_row + h->h * h->d, out_row,
              1, h->bf16, w->d_out, h->wide);
    product_of(h, false, rows, wide, h->d, w->q, h->wide, w->kt, KEYS, w->p, KEYS, false);
    product_of(h, false, rows, wide, h->d, w->d_out, h->wide, w->vt, KEYS, w->ds, KEYS, false);
    for (size_t i = 0; i < rows; i++) {
        float *p = w->p + i * KEYS, *ds = w->ds + i * KEYS;
        back_row(b, t0 + i, k0, n, wide, delta[t0 + i], p, ds);
        if (b->d_by_distance || b->d_by_time) back_bias(b, t0 + i, k0, n, ds);
        if (k0 == 0) fetch_back(b, t0 + i);
        if (h->bf16) round_rows(ds, wide);
    }
    product_of(h, true, n, h->d, rows, w->p, KEYS, w->d_out, h->wide, w->dv, h->wide, true);
    product_of(h, true, n, h->d, rows, w->ds, KEYS, w->q, h->wide, w->dk, h->wide, true);
    product_of(h, false, rows, h->d, n, w->ds, KEYS, w->k, h->wide, w->dq, h->wide, false);
    put_dq(b, t0, rows, k0 == 0);
}

static void put_rows(size_t n, size_t d, size_t wide, float by, const float *from, float *to,
                     size_t row) {
    for (size_t i = 0; i < n; i++, from += wide, to += row) {
        for (size_t j = 0; j < d; j += VF)
            vf_store_n(to + j, vf_mul(vf_set1(by), vf_load(from + j)), less(VF, d - j));
    }
}

static void zero_rows(size_t n, size_t d, float *to, size_t row) {
    for (size_t i = 0; i < n; i++, to += row) memset(to, 0, d * sizeof(float));
}

static void backward_keys(back *b, size_t h0, size_t kv, size_t k0, size_t n) {
    const hd_attention *a = b->h.a;
    const size_t d = b->h.d, wide = b->h.wide, bytes = up_to(n, 8) * wide * sizeof(float);
    const size_t at_k = b->h.b * a->k_batch + k0 * a->k_row + kv * d;
    const size_t at_v = b->h.b * a->v_batch + k0 * a->v_row + kv * d;
    const backward_buffers *w = &b->w;
    turn_rows(n, d, a->k + at_k, a->k_row, b->h.bf16, w->kt);
    turn_rows(n, d, a->v + at_v, a->v_row, b->h.bf16, w->vt);
    copy_rows(n, d, a->k + at_k, a->k_row, 1, b->h.bf16, w->k, wide);
    memset(w->dk, 0, bytes);
    memset(w->dv, 0, bytes);
    for (size_t i = 0; i < a->heads / a->kv_heads; i++) {
        b->h.h = h0 + i;
        for (size_t t = 0; t < a->queries; t += QUERIES) {
            const size_t rows = less(QUERIES, a->queries - t);
            if (seen_by(&b->h, t + rows - 1) > k0)
                backward_block(b, t, rows, k0, n, w->delta + i * a->queries);
        }
    }
    put_rows(n, d, wide, ln_2, w->dk, b->g->dk + at_k, a->k_row);
    put_rows(n, d, wide, 1, w->dv, b->g->dv + at_v, a->v_row);
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
        for (size_t t = 0; t < a->queries; t++) {
            const size_t at = ((at_b * a->queries + t) * a->heads + h0 + i) * d;
            b.w.delta[i * a->queries + t] = dot(g->d_out + at, g->out + at, d);
        }
    }
    const size_t end = a->queries > 0 ? seen_by(&b.h, a->queries - 1) : 0;
    if (end == 0) zero_rows(a->queries, group * d, g->dq + at_b * a->q_batch + h0 * d, a->q_row);
    begin_products(&b.h);
    for (size_t k0 = 0; k0 < end; k0 += KEYS) backward_keys(&b, h0, kv, k0, less(KEYS, end - k0));
    end_products(&b.h);
    zero_rows(a->keys - end, d, g->dk + at_b * a->k_batch + end * a->k_row + kv * d, a->k_row);
    zero_rows(a->keys - end, d, g->dv + at_b * a->v_batch + end * a->v_row + kv * d, a->v_row);
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
