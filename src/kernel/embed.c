// SPDX-License-Identifier: Apache-2.0
//
// Indexes are sorted (by radix, so that equal ones keep their order); then each row of the table is
// one thread's, which adds its gradients in order. Rejected: a table of sums per thread (its result
// depends on who took what), and atomic additions (the same, and slow).
#include "kernel/embed.h"

#include <string.h>

#include "kernel/kernels.h"
#include "kernel/vec.h"

enum { CHUNK_VALUES = 16384, RADIX_BITS = 11, RADIX = 1 << RADIX_BITS };

typedef struct embed_run {
    size_t n, d, per_chunk;
    const unsigned char *table;
    const int32_t *index;
    unsigned char *out;
    const hd_embed_sorted *sorted;
    const float *grad;
    float *sums;
    const hd_vec_kernels *kernels;
} embed_run;

heed_err hd_embed_check(size_t n, size_t rows, const int32_t *index) {
    for (size_t i = 0; i < n; i++) {
        if (index[i] >= 0 && (size_t)index[i] < rows) continue;
        return HD_FAIL(HEED_INPUT,
                       "index %d at place %zu is out of range: there are %zu rows; an "
                       "embedding's count must be above every index (of texts: the vocabulary)",
                       "第 %2$zu 处的索引 %1$d 超出范围：共有 %3$zu 行；embedding 的 count "
                       "应大于所有索引（文本即词表大小）",
                       index[i], i, rows);
    }
    return HEED_OK;
}

static heed_err lookup_chunk(void *ctx, size_t chunk) {
    const embed_run *r = ctx;
    size_t end = (chunk + 1) * r->per_chunk, width = r->d * sizeof(float);
    if (end > r->n) end = r->n;
    for (size_t i = chunk * r->per_chunk; i < end; i++)
        memcpy(r->out + i * width, r->table + (size_t)r->index[i] * width, width);
    return HEED_OK;
}

heed_err hd_embed_lookup(hd_pool *pool, size_t n, size_t d, size_t rows, const void *table,
                         const int32_t *index, void *out) {
    HD_TRY(hd_embed_check(n, rows, index));
    if (n * d == 0) return HEED_OK;
    embed_run r = {.n = n, .d = d, .table = table, .index = index, .out = out};
    r.per_chunk = CHUNK_VALUES / d + 1;
    return hd_pool_run(pool, (n + r.per_chunk - 1) / r.per_chunk, lookup_chunk, &r);
}

size_t hd_embed_workspace(size_t n) {
    return 2 * n * sizeof(uint64_t) + (n + 1) * sizeof(uint32_t);
}

static void radix_pass(size_t n, const uint64_t *from, uint64_t *to, int shift) {
    uint32_t begin[RADIX] = {0};
    for (size_t i = 0; i < n; i++) begin[from[i] >> shift & (RADIX - 1)]++;
    uint32_t at = 0;
    for (int i = 0; i < RADIX; i++) {
        uint32_t count = begin[i];
        begin[i] = at;
        at += count;
    }
    for (size_t i = 0; i < n; i++) to[begin[from[i] >> shift & (RADIX - 1)]++] = from[i];
}

void hd_embed_sort(size_t n, const int32_t *index, void *workspace, hd_embed_sorted *out) {
    uint64_t *keys = workspace, *other = keys + n;
    uint32_t *first = (uint32_t *)(other + n), most = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t row = (uint32_t)index[i];
        keys[i] = (uint64_t)row << 32 | i;
        if (row > most) most = row;
    }
    for (int bits = 0; bits < 32 && most >> bits > 0; bits += RADIX_BITS) {
        radix_pass(n, keys, other, 32 + bits);
        uint64_t *swap = keys;
        keys = other;
        other = swap;
    }
    *out = (hd_embed_sorted){.keys = keys, .first = first};
    for (size_t i = 0; i < n; i++)
        if (i == 0 || keys[i] >> 32 != keys[i - 1] >> 32) first[out->n_rows++] = (uint32_t)i;
    first[out->n_rows] = (uint32_t)n;
}

static heed_err add_chunk(void *ctx, size_t chunk) {
    const embed_run *r = ctx;
    const hd_embed_sorted *s = r->sorted;
    size_t end = (chunk + 1) * r->per_chunk;
    if (end > s->n_rows) end = s->n_rows;
    for (size_t i = chunk * r->per_chunk; i < end; i++) {
        float *row = r->sums + (s->keys[s->first[i]] >> 32) * r->d;
        for (size_t j = s->first[i]; j < s->first[i + 1]; j++)
            r->kernels->add_rows(1, r->d, r->grad + (s->keys[j] & UINT32_MAX) * r->d, r->d, row);
    }
    return HEED_OK;
}

heed_err hd_embed_add(hd_pool *pool, const hd_embed_sorted *sorted, size_t d, const float *grad,
                      float *table) {
    if (sorted->n_rows * d == 0) return HEED_OK;
    embed_run r = {
        .d = d, .sorted = sorted, .grad = grad, .sums = table, .kernels = hd_kernels_get()->vec};
    r.per_chunk = CHUNK_VALUES / d + 1;
    return hd_pool_run(pool, (sorted->n_rows + r.per_chunk - 1) / r.per_chunk, add_chunk, &r);
}
