// SPDX-License-Identifier: Apache-2.0
//
// Copies and transposes of blocks on their way into register tiles. A transpose goes by squares of
// VF × VF in registers: loads and stores are whole vectors on both sides.
#include "kernel/pack.h"

#include "kernel/gemm.h"
#include "kernel/path/maths.h"
#include "kernel/path/simd.h"

HD_INLINE vf load(const hd_pack_from *from, const bool bf16, size_t at, size_t n) {
    if (bf16) {
        const uint16_t *p = (const uint16_t *)from->data + at;
        return n == VF ? vf_load_bf16(p) : vf_load_bf16_n(p, n);
    }
    const float *p = (const float *)from->data + at;
    return n == VF ? vf_load(p) : vf_load_n(p, n);
}

HD_INLINE vf changed(vf a, const hd_pack_from *from) {
    if (from->scale != 1) a = vf_mul(a, vf_set1(from->scale));
    return from->round ? vf_round_bf16(a) : a;
}

HD_INLINE void store(float *p, vf a, size_t n) {
    if (n == VF)
        vf_store(p, a);
    else
        vf_store_n(p, a, n);
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

HD_INLINE void copy_body(size_t rows, size_t cols, const hd_pack_from *from, const bool bf16,
                         const bool plain, float *out, size_t out_row, size_t wide) {
    for (size_t i = 0; i < rows; i++, out += out_row) {
        size_t j = 0;
        for (; j + VF <= cols; j += VF) {
            vf a = load(from, bf16, i * from->row + j, VF);
            vf_store(out + j, plain ? a : changed(a, from));
        }
        for (; j < wide; j += VF) {
            vf a = load(from, bf16, i * from->row + j, j < cols ? cols - j : 0);
            store(out + j, plain ? a : changed(a, from), least(VF, wide - j));
        }
    }
}

static void copy(size_t rows, size_t cols, const hd_pack_from *from, float *out, size_t out_row,
                 size_t wide) {
    const bool plain = from->scale == 1 && !from->round;
    if (from->type == HD_BF16)
        copy_body(rows, cols, from, true, false, out, out_row, wide);
    else if (plain)
        copy_body(rows, cols, from, false, true, out, out_row, wide);
    else
        copy_body(rows, cols, from, false, false, out, out_row, wide);
}

// Rows i to i + n − 1 and columns j to j + c − 1 of `from`, to out (c, wide): one square.
HD_INLINE void square(const hd_pack_from *from, const bool bf16, const bool plain, size_t i,
                      size_t n, size_t j, size_t c, float *out, size_t out_row, size_t wide) {
    vf r[VF];
    for (size_t x = 0; x < VF; x++)
        r[x] = x < n ? load(from, bf16, (i + x) * from->row + j, c) : vf_zero();
    vf_transpose(r);
    for (size_t x = 0; x < VF; x++) {
        if (x >= c) break;
        store(out + x * out_row, plain ? r[x] : changed(r[x], from), wide);
    }
}

// Along the rows of `from`, VF of them at a time: what is far away is read in order.
HD_INLINE void transpose_body(size_t rows, size_t cols, const hd_pack_from *from, const bool bf16,
                              const bool plain, float *out, size_t out_row, size_t wide) {
    for (size_t i = 0; i < wide; i += VF) {
        const size_t n = i < rows ? least(VF, rows - i) : 0, w = least(VF, wide - i);
        size_t j = 0;
        for (; n == VF && j + VF <= cols; j += VF)
            square(from, bf16, plain, i, VF, j, VF, out + j * out_row + i, out_row, VF);
        for (; j < cols; j += VF)
            square(from, bf16, plain, i, n, j, least(VF, cols - j), out + j * out_row + i, out_row,
                   w);
    }
}

static void transpose(size_t rows, size_t cols, const hd_pack_from *from, float *out,
                      size_t out_row, size_t wide) {
    const bool plain = from->scale == 1 && !from->round;
    if (from->type == HD_BF16)
        transpose_body(rows, cols, from, true, false, out, out_row, wide);
    else if (plain)
        transpose_body(rows, cols, from, false, true, out, out_row, wide);
    else
        transpose_body(rows, cols, from, false, false, out, out_row, wide);
}

// So many rows of `from` at a time, all blocks of them: memory is read in its order, and the rows
// behind them are called for.
enum { DEEP = 32 };

HD_INLINE void block_rows(const hd_pack_from *from, const bool bf16, const bool plain,
                          const size_t tall, size_t i, size_t end, size_t col, const size_t n,
                          float *out) {
    const size_t part = tall < VF ? tall : VF, element = bf16 ? sizeof(uint16_t) : sizeof(float);
    const char *ahead = (const char *)from->data + ((i + DEEP) * from->row + col) * element;
    for (; i < end; i++, ahead += from->row * element) {
        __builtin_prefetch(ahead);
        for (size_t q = 0; q < tall; q += part, out += part) {
            vf a = load(from, bf16, i * from->row + col + q, q < n ? least(part, n - q) : 0);
            store(out, plain ? a : changed(a, from), part);
        }
    }
}

HD_INLINE void blocks_body(size_t rows, size_t cols, const hd_pack_from *from, const bool bf16,
                           const bool plain, const size_t tall, float *out, size_t rows_pad) {
    for (size_t i = 0; i < rows; i += DEEP) {
        const size_t end = least(rows, i + DEEP);
        float *to = out + i * tall;
        size_t j = 0;
        for (; j + tall <= cols; j += tall, to += rows_pad * tall)
            block_rows(from, bf16, plain, tall, i, end, j, tall, to);
        if (j < cols) block_rows(from, bf16, plain, tall, i, end, j, cols - j, to);
    }
}

static void blocks(size_t rows, size_t cols, const hd_pack_from *from, size_t tall, float *out,
                   size_t rows_pad) {
    const bool plain = from->scale == 1 && !from->round && from->type == HD_F32;
    if (plain && tall == 8)
        blocks_body(rows, cols, from, false, true, 8, out, rows_pad);
    else if (plain)
        blocks_body(rows, cols, from, false, true, tall, out, rows_pad);
    else if (from->type == HD_F32)
        blocks_body(rows, cols, from, false, false, tall, out, rows_pad);
    else
        blocks_body(rows, cols, from, true, false, tall, out, rows_pad);
}

#define UNROLL _Pragma("GCC unroll 4")

HD_INLINE vf get(const float *p, size_t n) {
    return n == VF ? vf_load(p) : vf_load_n(p, n);
}

HD_INLINE vf act_of(vf c, const hd_act act, const bool near) {
    if (near && act == HD_ACT_GELU) return near_gelu(c);
    if (near && act == HD_ACT_GELU_TANH) return near_gelu_tanh(c);
    switch (act) {
    case HD_ACT_RELU:
        return vf_select(vf_le(c, vf_zero()), vf_zero(), c); // NaN stays
    case HD_ACT_LEAKY_RELU:
        return vf_select(vf_lt(c, vf_zero()), vf_mul(c, vf_set1(0.01F)), c);
    case HD_ACT_GELU:
        return vgelu(c);
    case HD_ACT_GELU_TANH:
        return vf_mul(c, gelu_gate(c));
    case HD_ACT_SILU:
        return vf_mul(c, vsigmoid(c));
    case HD_ACT_SIGMOID:
        return vsigmoid(c);
    case HD_ACT_TANH:
        return vtanh(c);
    default:
        return c;
    }
}

HD_INLINE void give(float *p, vf a, size_t n, const bool stream) {
    if (stream && n == VF)
        vf_stream(p, a);
    else
        store(p, a, n);
}

// How results leave: all in f32, past the caches or not; or some of them in bf16, C among them or
// not.
typedef enum leaving { PLAIN, STREAMED, NARROW, NARROW_C } leaving;

HD_INLINE vf get_at(const void *p, hd_dtype type, const leaving how, size_t at, size_t n) {
    if (how < NARROW || type == HD_F32) return get((const float *)p + at, n);
    const uint16_t *half = (const uint16_t *)p + at;
    return n == VF ? vf_load_bf16(half) : vf_load_bf16_n(half, n);
}

HD_INLINE void give_at(void *p, hd_dtype type, const leaving how, size_t at, vf a, size_t n) {
    if (how < NARROW || type == HD_F32)
        give((float *)p + at, a, n, how == STREAMED);
    else if (n == VF)
        vf_store_bf16((uint16_t *)p + at, a);
    else
        vf_store_bf16_n((uint16_t *)p + at, a, n);
}

// Nothing but sums on their way to C, with a bias or without: what most products end with, and fast
// to find out once for a tile where its sums run over little of k.
HD_INLINE bool is_bare(const hd_finish *f) {
    return f->sum && !f->add && f->alpha == 1 && !f->residual && !f->pre;
}

HD_INLINE void give_two(uint16_t *c, vf a, vf b, bool stream) {
    stream ? vf_stream_bf16(c, a, b) : vf_store_two_bf16(c, a, b);
}

// What stands beside the sums of a whole tile: of the type of C.
typedef enum beside { NOTHING, RESIDUAL, PRE } beside;

// Rows of two vectors, a whole tile's; what doesn't differ from row to row is found out once. The
// panel to the right is wanted next.
HD_INLINE void finish_tile(const hd_finish *f, const hd_act act, const bool biased,
                           const beside more) {
    const vf low = biased ? vf_load(f->bias) : vf_zero();
    const vf high = biased ? vf_load(f->bias + VF) : vf_zero();
    const size_t sum_row = f->sum_row, row = f->row;
    const uint16_t *residual = f->residual;
    const float *sum = f->sum;
    const bool stream = f->stream;
    uint16_t *c = f->c, *pre = f->pre;
    for (size_t i = f->m; i > 0; i--, sum += sum_row, c += row) {
        vf a = vf_load(sum), b = vf_load(sum + VF);
        if (!stream) __builtin_prefetch(c + 2 * VF, 1);
        if (biased) a = vf_add(a, low), b = vf_add(b, high);
        if (more == RESIDUAL) {
            a = vf_add(a, vf_load_bf16(residual)), b = vf_add(b, vf_load_bf16(residual + VF));
            residual += row;
        }
        if (more == PRE) {
            give_two(pre, a, b, stream);
            pre += row;
        }
        give_two(c, act_of(a, act, true), act_of(b, act, true), stream);
    }
}

HD_INLINE void finish_bare(const hd_finish *f, const hd_act act, const bool biased) {
    const float *sum = f->sum;
    uint16_t *c = f->c;
    if (f->n == 2 * VF) {
        finish_tile(f, act, biased, NOTHING);
        return;
    }
    for (size_t i = 0; i < f->m; i++, sum += f->sum_row, c += f->row) {
        size_t j = 0;
        for (; j + 2 * VF <= f->n; j += 2 * VF) {
            vf a = vf_load(sum + j), b = vf_load(sum + j + VF);
            if (biased) a = vf_add(a, vf_load(f->bias + j));
            if (biased) b = vf_add(b, vf_load(f->bias + j + VF));
            give_two(c + j, act_of(a, act, true), act_of(b, act, true), f->stream);
        }
        for (size_t n; j < f->n; j += n) {
            n = least(VF, f->n - j);
            vf a = get(sum + j, n);
            if (biased) a = vf_add(a, get(f->bias + j, n));
            vf_store_bf16_n(c + j, act_of(a, act, true), n);
        }
    }
}

// The value before act.
HD_INLINE vf summed(const hd_finish *f, const leaving how, size_t i, size_t j, size_t n) {
    const size_t at = i * f->row + j;
    vf c = f->sum ? get(f->sum + i * f->sum_row + j, n) : get_at(f->c, f->c_type, how, at, n);
    if (f->add) c = vf_add(get_at(f->c, f->c_type, how, at, n), c);
    if (f->alpha != 1) c = vf_mul(c, vf_set1(f->alpha));
    if (f->bias) c = vf_add(c, get(f->bias + j, n));
    if (f->residual) c = vf_add(c, get_at(f->residual, f->residual_type, how, at, n));
    return c;
}

HD_INLINE void finish_vector(const hd_finish *f, const hd_act act, const leaving how, size_t i,
                             size_t j, size_t n) {
    const vf c = summed(f, how, i, j, n);
    if (f->pre) give_at(f->pre, f->pre_type, how, i * f->row + j, c, n);
    give_at(f->c, f->c_type, how, i * f->row + j, act_of(c, act, how == NARROW_C), n);
}

HD_INLINE void stream_two(void *p, hd_dtype type, size_t at, vf a, vf b) {
    if (type == HD_BF16) {
        vf_stream_bf16((uint16_t *)p + at, a, b);
        return;
    }
    vf_stream((float *)p + at, a);
    vf_stream((float *)p + at + VF, b);
}

// Two vectors at a time past the caches.
HD_INLINE size_t finish_pairs(const hd_finish *f, const hd_act act, const leaving how, size_t i) {
    const bool near = how == NARROW_C;
    size_t j = 0;
    for (; j + 2 * VF <= f->n; j += 2 * VF) {
        const vf a = summed(f, how, i, j, VF), b = summed(f, how, i, j + VF, VF);
        if (f->pre) stream_two(f->pre, f->pre_type, i * f->row + j, a, b);
        stream_two(f->c, f->c_type, i * f->row + j, act_of(a, act, near), act_of(b, act, near));
    }
    return j;
}

HD_INLINE void finish_rows(const hd_finish *f, const hd_act act, const leaving how) {
    for (size_t i = 0; i < f->m; i++) {
        size_t j = how >= NARROW && f->stream ? finish_pairs(f, act, how, i) : 0;
        for (; j + VF <= f->n; j += VF) finish_vector(f, act, how, i, j, VF);
        if (j < f->n) finish_vector(f, act, how, i, j, f->n - j);
    }
}

// Sums with a bias and a residual, or a value before act, of a whole tile; false: they are others.
HD_INLINE bool finish_beside(const hd_finish *f, const hd_act act) {
    if (!f->sum || f->add || f->alpha != 1 || f->n != 2 * VF || !f->bias) return false;
    if (f->residual && f->residual_type == HD_BF16 && !f->pre)
        finish_tile(f, act, true, RESIDUAL);
    else if (f->pre && f->pre_type == HD_BF16 && !f->residual)
        finish_tile(f, act, true, PRE);
    else
        return false;
    return true;
}

// The same in f32, of `nv` vectors: the sums stand in C or on their way to it.
HD_INLINE void finish_wide(const hd_finish *f, const hd_act act, const size_t nv,
                           const beside more) {
    enum { MOST = 3 };
    const size_t row = f->row, sum_row = f->sum ? f->sum_row : row;
    const float *residual = f->residual, *sum = f->sum ? f->sum : f->c;
    const bool stream = f->stream;
    float *c = f->c, *pre = f->pre;
    vf bias[MOST];
    UNROLL for (size_t v = 0; v < nv; v++) bias[v] = vf_load(f->bias + v * VF);
    for (size_t i = f->m; i > 0; i--, sum += sum_row, c += row) {
        UNROLL for (size_t v = 0; v < nv; v++) {
            vf a = vf_add(vf_load(sum + v * VF), bias[v]);
            if (more == RESIDUAL) a = vf_add(a, vf_load(residual + v * VF));
            if (more == PRE) give(pre + v * VF, a, VF, stream);
            give(c + v * VF, act_of(a, act, false), VF, stream);
        }
        if (more == RESIDUAL) residual += row;
        if (more == PRE) pre += row;
    }
}

HD_INLINE void finish_vectors(const hd_finish *f, const hd_act act, const size_t nv) {
    if (f->residual)
        finish_wide(f, act, nv, RESIDUAL);
    else if (f->pre)
        finish_wide(f, act, nv, PRE);
    else
        finish_wide(f, act, nv, NOTHING);
}

// Whole vectors in f32 with a bias and one thing more at most; false: they are others.
HD_INLINE bool finish_whole(const hd_finish *f, const hd_act act) {
    if (f->add || f->alpha != 1 || !f->bias || (f->residual && f->pre)) return false;
    if (f->n == (size_t)3 * VF)
        finish_vectors(f, act, 3);
    else if (f->n == (size_t)2 * VF)
        finish_vectors(f, act, 2);
    else
        return false;
    return true;
}

HD_INLINE void finish_body(const hd_finish *f, const hd_act act) {
    const bool narrow =
        (f->residual && f->residual_type != HD_F32) || (f->pre && f->pre_type != HD_F32);
    if (f->c_type != HD_F32 && is_bare(f) && f->bias)
        finish_bare(f, act, true);
    else if (f->c_type != HD_F32 && is_bare(f))
        finish_bare(f, act, false);
    else if (f->c_type != HD_F32 && finish_beside(f, act))
        return;
    else if (f->c_type != HD_F32)
        finish_rows(f, act, NARROW_C);
    else if (narrow)
        finish_rows(f, act, NARROW);
    else if (finish_whole(f, act))
        return;
    else if (f->stream)
        finish_rows(f, act, STREAMED);
    else
        finish_rows(f, act, PLAIN);
}

static void finish(const hd_finish *f) {
    switch (f->act) {
#define ACT_CASE(act)        \
    case act:                \
        finish_body(f, act); \
        break;
        ACT_CASE(HD_ACT_NONE)
        ACT_CASE(HD_ACT_RELU)
        ACT_CASE(HD_ACT_LEAKY_RELU)
        ACT_CASE(HD_ACT_GELU)
        ACT_CASE(HD_ACT_GELU_TANH)
        ACT_CASE(HD_ACT_SILU)
        ACT_CASE(HD_ACT_SIGMOID)
        ACT_CASE(HD_ACT_TANH)
    default:
        break;
    }
}

static void settle(void) {
    vf_stream_end();
}

HD_INLINE vf add_square(vf sum, const float *x, size_t n) {
    const vf a = get(x, n);
    return vf_fma(a, a, sum);
}

// Two rows of two vectors at a time, in a sum each; what is over in a row or a column joins them.
static float squares(size_t m, size_t n, const float *x, size_t row) {
    const size_t pairs = n / (2 * VF) * 2 * VF;
    vf a = vf_zero(), b = a, c = a, d = a;
    for (size_t i = 0; i < m; i += 2, x += 2 * row) {
        const bool two = i + 1 < m;
        size_t j = 0;
        for (; j < pairs; j += 2 * VF) {
            a = add_square(a, x + j, VF);
            b = add_square(b, x + j + VF, VF);
            if (!two) continue;
            c = add_square(c, x + row + j, VF);
            d = add_square(d, x + row + j + VF, VF);
        }
        for (size_t rest; j < n; j += rest) {
            rest = least(VF, n - j);
            a = add_square(a, x + j, rest);
            if (two) c = add_square(c, x + row + j, rest);
        }
    }
    return vf_sum(vf_add(vf_add(a, b), vf_add(c, d)));
}

const hd_pack_kernels HD_PATH(hd_pack_kernels) = {.copy = copy,
                                                  .transpose = transpose,
                                                  .blocks = blocks,
                                                  .finish = finish,
                                                  .settle = settle,
                                                  .squares = squares};
