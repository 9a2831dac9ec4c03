// SPDX-License-Identifier: Apache-2.0
//
// Attention: out = softmax(scale · Q Kᵀ + bias) V per head, by blocks with a running maximum and
// sum, so that no matrix of all pairs is ever kept (Milakov & Gimelshein 2018; Dao et al. 2022).
// Forward keeps one number per row, the logarithm of the sum; backward computes the blocks again.
//
// B sequences, T queries, S keys, H heads of D values, Hkv heads of keys and values (H a multiple:
// query head h reads key head h / (H / Hkv)). Operands are read where they stand: element d of head
// h at place t of sequence b is q[b·q_batch + t·q_row + h·D + d], so that one packed projection
// (B, T, (H + 2·Hkv)·D) serves without being permuted.
//
// Work is cut by head and block of queries, sums run in fixed order: the same bits for any number
// of threads. A query that sees no key gets zeros.
#ifndef HD_KERNEL_ATTENTION_H
#define HD_KERNEL_ATTENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"
#include "kernel/dtype.h"

typedef struct hd_attention {
    size_t batch, queries, keys, heads, kv_heads, head_dim;
    const void *q, *k, *v;
    hd_dtype q_type, k_type, v_type, out_type; // HD_F32 or HD_BF16; scores and sums are f32
    size_t q_batch, q_row, k_batch, k_row, v_batch, v_row;
    float scale;            // of the products; 0: 1/√D
    const int32_t *lengths; // (B): only that many keys are seen; NULL: all
    bool causal;            // query t sees keys 0 .. first + t
    size_t first;
    // Added to the scaled products. By distance: (H, T + S − 1), element s − t + T − 1; NULL: none.
    const float *by_distance;
    // By time: (H, buckets), chosen by the bucket of |q_time − k_time| (hd_attention_bucket).
    const float *by_time;
    size_t buckets;
    unsigned octave_bits;           // buckets per doubling: 2^octave_bits, 0..3
    const int32_t *q_time, *k_time; // (B, T), (B, S)
    // Of the powers, in training: each is 0 with this probability, else made larger for it. Numbers
    // by seed, stream and place, so that the backward draws the same.
    float dropout;
    uint64_t seed, stream;
    hd_precision precision;
} hd_attention;
// The place of a pair among the random numbers: rows begin at whole groups of them.
static inline size_t hd_attention_place(const hd_attention *a, size_t b, size_t h, size_t t,
                                        size_t k) {
    return ((b * a->heads + h) * a->queries + t) * ((a->keys + 63) / 64 * 64) + k;
}

typedef struct hd_attention_grads {
    const void *out; // of forward, of its type
    const float *lse;
    const void *d_out;  // (B, T, H·D)
    void *dq, *dk, *dv; // written; strides of q, k, v. All or none
    hd_dtype d_out_type, dq_type, dk_type, dv_type;
    float *d_by_distance; // (H, T + S − 1) written, or NULL
    float *d_by_time;     // (H, buckets) written, or NULL
} hd_attention_grads;

// The bucket of a difference of times: logarithmic, 2^octave_bits to each doubling of 1 + |a − b|,
// the last bucket for all that is longer.
static inline size_t hd_attention_bucket(int32_t a, int32_t b, unsigned octave_bits,
                                         size_t buckets) {
    union { // (a value's exponent and first bits of its fraction, read together)
        float value;
        uint32_t bits;
    } u = {.value = (float)(int32_t)((uint32_t)a - (uint32_t)b)};
    u.value = (u.value < 0 ? -u.value : u.value) + 1;
    const uint32_t bucket = (u.bits >> (23 - octave_bits)) - (127U << octave_bits);
    return bucket < buckets ? bucket : buckets - 1;
}

size_t hd_attention_workspace(const hd_attention *a, size_t threads); // bytes, 64-byte aligned
size_t hd_attention_backward_workspace(const hd_attention *a, size_t threads);

// out: (B, T, H·D). lse: (B, H, T), −inf where a query sees nothing; NULL: not kept.
heed_err hd_attention_forward(hd_pool *pool, const hd_attention *a, void *out, float *lse,
                              void *workspace) HEED_CHECK;
heed_err hd_attention_backward(hd_pool *pool, const hd_attention *a, const hd_attention_grads *g,
                               void *workspace) HEED_CHECK;

// ── kernel/ only: what a path has to offer (path/attention.c) ──

typedef struct hd_attention_kernels {
    size_t chunk; // most queries of one call of forward
    size_t (*forward_floats)(const hd_attention *a);
    size_t (*backward_floats)(const hd_attention *a);
    // Queries t0 .. t1 − 1 of head h.
    void (*forward)(const hd_attention *a, size_t b, size_t h, size_t t0, size_t t1, void *out,
                    float *lse, float *ws);
    // All queries of the heads that read key head kv. d_by_distance, d_by_time: this sequence's
    // share, of all heads, zeroed before; or NULL.
    void (*backward)(const hd_attention *a, const hd_attention_grads *g, size_t b, size_t kv,
                     float *d_by_distance, float *d_by_time, float *ws);
    // Turns pairs of values of each head by the angles whose cosines and sines (half) are given:
    // values j and j + half of a head of d, or 2j and 2j + 1 when `adjacent`.
    void (*rotate)(size_t heads, size_t d, size_t half, bool adjacent, const float *cosine,
                   const float *sine, float sign, float *x);
} hd_attention_kernels;

extern const hd_attention_kernels hd_attention_kernels_ref;
extern const hd_attention_kernels hd_attention_kernels_avx2;
extern const hd_attention_kernels hd_attention_kernels_avx512;
extern const hd_attention_kernels hd_attention_kernels_amx;
extern const hd_attention_kernels hd_attention_kernels_neon;

#endif
