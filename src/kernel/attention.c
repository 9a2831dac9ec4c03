// SPDX-License-Identifier: Apache-2.0
//
// How attention is cut into work: forward by head and run of queries, backward by sequence and key
// head (what several query heads add to the same keys is then one thread's, in order). Small heads
// are taken several at a time, so that a chunk is worth handing out.
//
// Gradients of biases are kept by sequence and added up at the end, in order.
//
// Rejected: backward in two passes, one by queries for dq and one by keys for dk and dv, which cuts
// long sequences finer but computes the scores twice (7 products instead of 5).
#include "kernel/attention.h"

#include <string.h>

#include "kernel/kernels.h"

// Work worth a chunk, in multiply–adds: some 20 µs.
static const double worth = 1e6;

static size_t heads_at_once(double work_of_one, size_t n) {
    const size_t some = work_of_one > 0 ? (size_t)(worth / work_of_one) : n;
    return some < 1 ? 1 : some < n ? some : n > 0 ? n : 1;
}

static size_t in_lines(size_t floats) { // of the cache
    return (floats + 15) / 16 * 16;
}

static size_t distances(const hd_attention *a) {
    return a->queries + a->keys - 1;
}

typedef struct run {
    const hd_attention *a;
    const hd_attention_grads *g;
    void *out;
    float *lse;
    float *ws, *shares; // by thread; by sequence
    size_t slot_floats, share_floats;
    size_t units, at_once; // pieces of work, and how many a chunk takes
} run;

// ── forward: units are (sequence, head, run of queries) ──

static size_t query_runs(const hd_attention *a) {
    const size_t chunk = hd_kernels_get()->attention->chunk;
    return (a->queries + chunk - 1) / chunk;
}

static heed_err forward_chunk(void *ctx, size_t chunk) {
    const run *r = ctx;
    const hd_attention *a = r->a;
    const hd_attention_kernels *k = hd_kernels_get()->attention;
    const size_t runs = query_runs(a), end = (chunk + 1) * r->at_once;
    for (size_t i = chunk * r->at_once; i < end && i < r->units; i++) {
        const size_t t0 = i % runs * k->chunk, head = i / runs % a->heads, b = i / runs / a->heads;
        const size_t t1 = t0 + k->chunk < a->queries ? t0 + k->chunk : a->queries;
        k->forward(a, b, head, t0, t1, r->out, r->lse, r->ws + hd_pool_slot() * r->slot_floats);
    }
    return HEED_OK;
}

static double pairs_of(const hd_attention *a, size_t queries) {
    return (double)queries * (double)a->keys * (double)a->head_dim;
}

size_t hd_attention_workspace(const hd_attention *a, size_t threads) {
    return threads * in_lines(hd_kernels_get()->attention->forward_floats(a)) * sizeof(float);
}

heed_err hd_attention_forward(hd_pool *pool, const hd_attention *a, void *out, float *lse,
                              void *workspace) {
    const hd_attention_kernels *k = hd_kernels_get()->attention;
    run r = {.a = a, .out = out, .lse = lse, .ws = workspace};
    r.slot_floats = in_lines(k->forward_floats(a));
    r.units = a->batch * a->heads * query_runs(a);
    r.at_once =
        heads_at_once(2 * pairs_of(a, k->chunk < a->queries ? k->chunk : a->queries), r.units);
    return hd_pool_run(pool, (r.units + r.at_once - 1) / r.at_once, forward_chunk, &r);
}

// ── backward: units are (sequence, key head) ──

static heed_err backward_chunk(void *ctx, size_t chunk) {
    const run *r = ctx;
    const hd_attention *a = r->a;
    const size_t end = (chunk + 1) * r->at_once;
    for (size_t i = chunk * r->at_once; i < end && i < r->units; i++) {
        const size_t b = i / a->kv_heads;
        float *distance = r->shares + b * r->share_floats;
        float *time = distance + (r->g->d_by_distance ? a->heads * distances(a) : 0);
        hd_kernels_get()->attention->backward(
            a, r->g, b, i % a->kv_heads, r->g->d_by_distance ? distance : NULL,
            r->g->d_by_time ? time : NULL, r->ws + hd_pool_slot() * r->slot_floats);
    }
    return HEED_OK;
}

static size_t share_floats(const hd_attention *a, bool by_distance, bool by_time) {
    return (by_distance ? a->heads * distances(a) : 0) + (by_time ? a->heads * a->buckets : 0);
}

size_t hd_attention_backward_workspace(const hd_attention *a, size_t threads) {
    const size_t shares = in_lines(a->batch * share_floats(a, a->by_distance, a->by_time));
    const size_t slot = in_lines(hd_kernels_get()->attention->backward_floats(a));
    return (shares + threads * slot) * sizeof(float);
}

// out (n) = the sum over sequences of n floats of their shares, from `at` on.
static void add_shares(const run *r, size_t at, size_t n, float *out) {
    if (!out) return;
    memset(out, 0, n * sizeof(float));
    for (size_t b = 0; b < r->a->batch; b++) {
        const float *share = r->shares + b * r->share_floats + at;
        for (size_t i = 0; i < n; i++) out[i] += share[i];
    }
}

heed_err hd_attention_backward(hd_pool *pool, const hd_attention *a, const hd_attention_grads *g,
                               void *workspace) {
    run r = {.a = a, .g = g, .shares = workspace};
    r.share_floats = share_floats(a, g->d_by_distance, g->d_by_time);
    r.ws = r.shares + in_lines(a->batch * r.share_floats);
    r.slot_floats = in_lines(hd_kernels_get()->attention->backward_floats(a));
    r.units = a->batch * a->kv_heads;
    const double work = 5 * pairs_of(a, a->queries) * (double)(a->heads / a->kv_heads);
    r.at_once = heads_at_once(work, r.units);
    memset(r.shares, 0, a->batch * r.share_floats * sizeof(float));
    HD_TRY(hd_pool_run(pool, (r.units + r.at_once - 1) / r.at_once, backward_chunk, &r));
    const size_t of_distance = g->d_by_distance ? a->heads * distances(a) : 0;
    add_shares(&r, 0, of_distance, g->d_by_distance);
    add_shares(&r, of_distance, g->d_by_time ? a->heads * a->buckets : 0, g->d_by_time);
    return HEED_OK;
}
