// SPDX-License-Identifier: Apache-2.0
//
// Each row is summed in a dense array with a list of the places touched. Rows are dealt to a fixed
// number of chunks like cards (item i to chunk i mod C), because catalogues are often numbered by
// popularity and neighbours in number then cost alike. Rejected: hash tables per row (slower where
// rows are long), sorting all pairs (memory of the pairs, not of the links).
#include "recommend/links.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kernel/topk.h"
#include "recommend/model_file.h"

enum { CHUNKS = 64 };

// One chunk's rows, in order of item.
typedef struct block {
    uint32_t *to;
    float *value;
    size_t n, cap_to, cap_value;
} block;

typedef struct build {
    size_t n_items, cap, n_chunks;
    const hd_links_source *source;
    hd_links *out; // out->start[i + 1] holds the length of row i until the prefix sum
    block *blocks; // (n_chunks)
} build;

// What a thread needs while it sums rows.
typedef struct scratch {
    hd_links_sum row;
    float *value;     // (I)
    uint32_t *spare;  // (I)
    uint32_t *chosen; // (cap)
} scratch;

static void scratch_clear(scratch *s) {
    hd_free(s->row.sum);
    hd_free(s->row.touched);
    hd_free(s->value);
    hd_free(s->spare);
    hd_free(s->chosen);
}

static heed_err scratch_init(scratch *s, size_t n_items, size_t cap) {
    *s = (scratch){0};
    s->row.sum = hd_calloc(n_items, sizeof *s->row.sum);
    s->row.touched = hd_alloc(n_items * sizeof *s->row.touched);
    s->value = hd_alloc(n_items * sizeof *s->value);
    s->spare = hd_alloc(n_items * sizeof *s->spare);
    s->chosen = hd_alloc((cap + 1) * sizeof *s->chosen);
    if (s->row.sum && s->row.touched && s->value && s->spare && s->chosen) return HEED_OK;
    scratch_clear(s);
    return HD_FAIL_MEMORY(24 * n_items);
}

static int rising(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

// One pass of a radix sort, by the byte at `shift`.
static void sort_pass(const uint32_t *from, uint32_t *to, size_t n, int shift) {
    size_t start[257] = {0};
    for (size_t t = 0; t < n; t++) start[(from[t] >> shift & 255) + 1]++;
    for (int b = 0; b < 256; b++) start[b + 1] += start[b];
    for (size_t t = 0; t < n; t++) to[start[from[t] >> shift & 255]++] = from[t];
}

// Puts the touched places in rising order: by looking at every place where many were touched, by
// comparing where few were, else byte by byte.
static void sort_touched(scratch *s, size_t n_items) {
    hd_links_sum *row = &s->row;
    if (row->n_touched >= n_items / 16) {
        size_t n = 0;
        for (size_t j = 0; j < n_items; j++) {
            if (row->sum[j] != 0) row->touched[n++] = (uint32_t)j;
        }
    } else if (row->n_touched < 512) {
        qsort(row->touched, row->n_touched, sizeof *row->touched, rising);
    } else {
        for (int shift = 0; shift < 32 && n_items > (size_t)1 << shift; shift += 16) {
            sort_pass(row->touched, s->spare, row->n_touched, shift);
            sort_pass(s->spare, row->touched, row->n_touched, shift + 8);
        }
    }
}

// Sums to values; what has none is dropped, the sums are zeroed for the next row. Returns the
// count.
static size_t take_values(const build *b, uint32_t item, scratch *s) {
    hd_links_sum *row = &s->row;
    double total = 0;
    size_t n = 0;
    for (size_t t = 0; t < row->n_touched; t++) {
        uint32_t to = row->touched[t];
        double sum = row->sum[to];
        row->sum[to] = 0;
        total += sum;
        double value = b->source->value ? b->source->value(b->source->ctx, item, to, sum) : sum;
        float kept = (float)value;
        if (!(kept > 0) || !isfinite(kept)) continue;
        row->touched[n] = to;
        s->value[n++] = kept;
    }
    row->n_touched = 0;
    if (b->source->total) b->source->total[item] = total;
    return n;
}

static size_t cut(const build *b, scratch *s, size_t n) {
    if (b->cap == 0 || n <= b->cap) return n;
    size_t kept = hd_topk(s->value, NULL, n, b->cap, s->chosen);
    qsort(s->chosen, kept, sizeof *s->chosen, rising);
    for (size_t c = 0; c < kept; c++) { // chosen[c] ≥ c: nothing is overwritten before it is read
        s->row.touched[c] = s->row.touched[s->chosen[c]];
        s->value[c] = s->value[s->chosen[c]];
    }
    return kept;
}

static heed_err append(block *to, const scratch *s, size_t n) {
    HD_TRY(hd_grow(&to->to, &to->cap_to, to->n + n, sizeof *to->to));
    HD_TRY(hd_grow(&to->value, &to->cap_value, to->n + n, sizeof *to->value));
    if (n > 0) {
        memcpy(to->to + to->n, s->row.touched, n * sizeof *to->to);
        memcpy(to->value + to->n, s->value, n * sizeof *to->value);
    }
    to->n += n;
    return HEED_OK;
}

static heed_err sum_chunk(void *ctx, size_t chunk) {
    const build *b = ctx;
    scratch s;
    heed_err err = HEED_OK;
    HD_TRY(scratch_init(&s, b->n_items, b->cap));
    for (size_t i = chunk; i < b->n_items; i += b->n_chunks) {
        b->source->row(b->source->ctx, (uint32_t)i, &s.row);
        sort_touched(&s, b->n_items);
        size_t n = cut(b, &s, take_values(b, (uint32_t)i, &s));
        HD_TRY_OUT(append(&b->blocks[chunk], &s, n));
        b->out->start[i + 1] = n;
    }
out:
    scratch_clear(&s);
    return err;
}

static void block_clear(block *b) {
    hd_free(b->to);
    hd_free(b->value);
    *b = (block){0};
}

static heed_err place_chunk(void *ctx, size_t chunk) {
    const build *b = ctx;
    block *from = &b->blocks[chunk];
    size_t at = 0;
    for (size_t i = chunk; i < b->n_items; i += b->n_chunks) {
        uint64_t start = b->out->start[i];
        size_t n = (size_t)(b->out->start[i + 1] - start);
        if (n == 0) continue;
        memcpy(b->out->to + start, from->to + at, n * sizeof *from->to);
        memcpy(b->out->value + start, from->value + at, n * sizeof *from->value);
        at += n;
    }
    block_clear(from);
    return HEED_OK;
}

heed_err hd_links_build(size_t n_items, size_t cap, const hd_links_source *source, hd_pool *pool,
                        hd_links *out) {
    *out = (hd_links){.n_items = n_items};
    if (cap > n_items) cap = n_items;
    build b = {n_items, cap, n_items < CHUNKS ? n_items : CHUNKS, source, out, NULL};
    heed_err err = HEED_OK;
    out->start = hd_calloc(n_items + 1, sizeof *out->start);
    b.blocks = hd_calloc(CHUNKS, sizeof *b.blocks);
    if (!out->start || !b.blocks) {
        err = HD_FAIL_MEMORY(n_items * sizeof *out->start);
        goto out;
    }
    HD_TRY_OUT(hd_pool_run(pool, b.n_chunks, sum_chunk, &b));
    for (size_t i = 0; i < n_items; i++) out->start[i + 1] += out->start[i];
    out->to = hd_alloc((out->start[n_items] + 1) * sizeof *out->to);
    out->value = hd_alloc((out->start[n_items] + 1) * sizeof *out->value);
    if (!out->to || !out->value) {
        err = HD_FAIL_MEMORY(out->start[n_items] * 8);
        goto out;
    }
    HD_TRY_OUT(hd_pool_run(pool, b.n_chunks, place_chunk, &b));
out:
    for (size_t c = 0; b.blocks && c < CHUNKS; c++) block_clear(&b.blocks[c]);
    hd_free(b.blocks);
    if (err != HEED_OK) hd_links_clear(out);
    return err;
}

float hd_links_get(const hd_links *links, uint32_t from, uint32_t to) {
    uint64_t low = links->start[from], high = links->start[from + 1];
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        if (links->to[mid] == to) return links->value[mid];
        if (links->to[mid] < to) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return 0;
}

void hd_links_clear(hd_links *links) {
    hd_free(links->start);
    hd_free(links->to);
    hd_free(links->value);
    *links = (hd_links){0};
}

heed_err hd_links_save(const hd_links *links, hd_safetensors_writer *out) {
    size_t n_start = links->n_items + 1;
    size_t n = (size_t)links->start[links->n_items];
    HD_TRY(hd_safetensors_add(out, "start", HD_U64, 1, &n_start, links->start));
    HD_TRY(hd_safetensors_add(out, "to", HD_U32, 1, &n, links->to));
    return hd_safetensors_add(out, "value", HD_F32, 1, &n, links->value);
}

static heed_err check(const hd_links *links, size_t n) {
    if (links->start[0] != 0 || links->start[links->n_items] != n) {
        return HD_FAIL(HEED_CORRUPT, "the model's links don't span its rows: train it again",
                       "模型的链接与行数不符：请重新训练");
    }
    for (size_t i = 0; i < links->n_items; i++) {
        uint64_t first = links->start[i], end = links->start[i + 1];
        if (end < first || end > n) {
            return HD_FAIL(HEED_CORRUPT, "row %zu of the model's links is damaged: train it again",
                           "模型链接的第 %zu 行已损坏：请重新训练", i);
        }
        for (uint64_t e = first; e < end; e++) {
            bool rises = e == first || links->to[e] > links->to[e - 1];
            bool sane = links->value[e] > 0 && isfinite(links->value[e]);
            if (rises && sane && links->to[e] < links->n_items) continue;
            return HD_FAIL(HEED_CORRUPT, "row %zu of the model's links is damaged: train it again",
                           "模型链接的第 %zu 行已损坏：请重新训练", i);
        }
    }
    return HEED_OK;
}

heed_err hd_links_load(const hd_safetensors *in, hd_links *out) {
    *out = (hd_links){0};
    heed_err err = HEED_OK;
    void *start = NULL, *to = NULL, *value = NULL;
    size_t n_start = SIZE_MAX, n = SIZE_MAX;
    HD_TRY_OUT(hd_model_tensor(in, "start", HD_U64, &n_start, &start));
    HD_TRY_OUT(hd_model_tensor(in, "to", HD_U32, &n, &to));
    HD_TRY_OUT(hd_model_tensor(in, "value", HD_F32, &n, &value));
    if (n_start == 0 || n_start - 1 > UINT32_MAX) {
        err = HD_FAIL(HEED_CORRUPT, "the model's links have no rows: train it again",
                      "模型没有链接：请重新训练");
        goto out;
    }
    *out = (hd_links){n_start - 1, start, to, value};
    start = to = value = NULL;
    HD_TRY_OUT(check(out, n));
out:
    hd_free(start);
    hd_free(to);
    hd_free(value);
    if (err != HEED_OK) hd_links_clear(out);
    return err;
}
