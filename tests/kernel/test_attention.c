// SPDX-License-Identifier: Apache-2.0
//
// Attention against its formula in double, on each path: shapes that fill no block, more than one
// block, causal, lengths of 0 and all, shared key heads, biases; the same bits for any number of
// threads and beside any other sequences.
#include "kernel/attention.h"

#include "paths.h"

typedef struct shape {
    size_t batch, queries, keys, heads, kv_heads, d;
    bool causal;
    size_t first;
    bool lengths, distance, time;
} shape;

static const shape shapes[] = {
    {1, 1, 1, 1, 1, 1},
    {2, 7, 7, 2, 2, 5, true},
    {2, 64, 64, 2, 2, 32, true},
    {3, 33, 65, 4, 2, 16, .lengths = true},
    {1, 130, 130, 2, 1, 17, true, .distance = true},
    {3, 20, 37, 4, 1, 24, true, 17, .lengths = true, .time = true},
    {1, 300, 270, 1, 1, 8, .distance = true, .time = true},
    {1, 1, 200, 2, 2, 64, true, 199},
    {2, 5, 9, 3, 3, 48, .lengths = true, .distance = true},
};

typedef struct data {
    hd_attention a;
    hd_attention_grads g;
    float *qkv[3], *d_out, *out, *lse, *grad[5], *bias[2];
    double *ref_out, *ref_grad[5];
    int32_t *lengths, *times;
    size_t n_out, n[5];
} data;

static double bucket_bias(const hd_attention *a, size_t b, size_t h, size_t t, size_t s,
                          size_t *bucket) {
    *bucket = hd_attention_bucket(a->q_time[b * a->queries + t], a->k_time[b * a->keys + s],
                                  a->octave_bits, a->buckets);
    return (double)a->by_time[h * a->buckets + *bucket];
}

static size_t seen_of(const hd_attention *a, size_t b, size_t t) {
    size_t n = a->lengths ? (size_t)a->lengths[b] : a->keys;
    return a->causal && n > a->first + t + 1 ? a->first + t + 1 : n;
}

static size_t at_q(const hd_attention *a, size_t b, size_t t, size_t h) {
    return b * a->q_batch + t * a->q_row + h * a->head_dim;
}

// One query of one head: its output and its part of all gradients.
static void reference_row(data *x, size_t b, size_t h, size_t t, double *p, double *dp) {
    const hd_attention *a = &x->a;
    const size_t d = a->head_dim, kv = h / (a->heads / a->kv_heads), n = seen_of(a, b, t);
    const size_t line = a->queries + a->keys - 1;
    const float *q = x->qkv[0] + at_q(a, b, t, h), *d_out;
    double most = -INFINITY, sum = 0, *out;
    size_t bucket;
    out = x->ref_out + ((b * a->queries + t) * a->heads + h) * d;
    d_out = x->d_out + ((b * a->queries + t) * a->heads + h) * d;
    for (size_t s = 0; s < n; s++) {
        const float *k = x->qkv[1] + b * a->k_batch + s * a->k_row + kv * d;
        p[s] = 0;
        for (size_t j = 0; j < d; j++) p[s] += (double)q[j] * (double)k[j];
        p[s] *= (double)a->scale;
        if (a->by_distance) p[s] += (double)a->by_distance[h * line + s + a->queries - 1 - t];
        if (a->by_time) p[s] += bucket_bias(a, b, h, t, s, &bucket);
        most = fmax(most, p[s]);
    }
    for (size_t s = 0; s < n; s++) sum += p[s] = exp(p[s] - most);
    double delta = 0;
    for (size_t s = 0; s < n; s++) {
        const size_t at_v = b * a->v_batch + s * a->v_row + kv * d;
        p[s] /= sum;
        dp[s] = 0;
        for (size_t j = 0; j < d; j++) {
            out[j] += p[s] * (double)x->qkv[2][at_v + j];
            dp[s] += (double)d_out[j] * (double)x->qkv[2][at_v + j];
            x->ref_grad[2][at_v + j] += p[s] * (double)d_out[j];
        }
        delta += p[s] * dp[s];
    }
    for (size_t s = 0; s < n; s++) {
        const size_t at_k = b * a->k_batch + s * a->k_row + kv * d;
        const double ds = p[s] * (dp[s] - delta);
        for (size_t j = 0; j < d; j++) {
            x->ref_grad[0][at_q(a, b, t, h) + j] +=
                (double)a->scale * ds * (double)x->qkv[1][at_k + j];
            x->ref_grad[1][at_k + j] += (double)a->scale * ds * (double)q[j];
        }
        if (a->by_distance) x->ref_grad[3][h * line + s + a->queries - 1 - t] += ds;
        if (!a->by_time) continue;
        bucket_bias(a, b, h, t, s, &bucket);
        x->ref_grad[4][h * a->buckets + bucket] += ds;
    }
}

static void reference(data *x) {
    const hd_attention *a = &x->a;
    double *p = hd_calloc(2 * a->keys, sizeof *p);
    assert_non_null(p);
    for (size_t b = 0; b < a->batch; b++) {
        for (size_t h = 0; h < a->heads; h++) {
            for (size_t t = 0; t < a->queries; t++) reference_row(x, b, h, t, p, p + a->keys);
        }
    }
    hd_free(p);
}

static double *zeros(size_t n) {
    double *x = hd_calloc(n + 1, sizeof *x);
    assert_non_null(x);
    return x;
}

// The strides leave gaps, as those of a packed projection do.
static void set_up(data *x, const shape *s) {
    hd_rng rng = hd_rng_make(7, s->queries * 131 + s->keys);
    const size_t gap = 3, heads[3] = {s->heads, s->kv_heads, s->kv_heads};
    size_t row[3], batch[3];
    memset(x, 0, sizeof *x);
    for (int i = 0; i < 3; i++) {
        row[i] = heads[i] * s->d + gap;
        batch[i] = (i == 0 ? s->queries : s->keys) * row[i] + gap;
        x->n[i] = s->batch * batch[i];
        x->qkv[i] = random_floats(&rng, x->n[i], 1);
    }
    x->n[3] = s->distance ? s->heads * (s->queries + s->keys - 1) : 0;
    x->n[4] = s->time ? s->heads * 12 : 0;
    for (int i = 0; i < 2; i++) x->bias[i] = random_floats(&rng, x->n[3 + i], 1);
    x->lengths = hd_calloc(s->batch, sizeof *x->lengths);
    x->times = hd_calloc(s->batch * (s->queries + s->keys), sizeof *x->times);
    assert_true(x->lengths && x->times);
    for (size_t b = 0; b < s->batch; b++)
        x->lengths[b] = (int32_t)(b == 0 ? 0 : b == 1 ? s->keys : hd_rng_below(&rng, s->keys));
    for (size_t i = 0; i < s->batch * (s->queries + s->keys); i++)
        x->times[i] = (int32_t)hd_rng_below(&rng, 1000) - 500;
    x->a = (hd_attention){.batch = s->batch,
                          .queries = s->queries,
                          .keys = s->keys,
                          .heads = s->heads,
                          .kv_heads = s->kv_heads,
                          .head_dim = s->d,
                          .q = x->qkv[0],
                          .k = x->qkv[1],
                          .v = x->qkv[2],
                          .q_batch = batch[0],
                          .q_row = row[0],
                          .k_batch = batch[1],
                          .k_row = row[1],
                          .v_batch = batch[2],
                          .v_row = row[2],
                          .scale = 0.5F,
                          .lengths = s->lengths ? x->lengths : NULL,
                          .causal = s->causal,
                          .first = s->first,
                          .by_distance = s->distance ? x->bias[0] : NULL,
                          .by_time = s->time ? x->bias[1] : NULL,
                          .buckets = 12,
                          .octave_bits = 1,
                          .q_time = x->times,
                          .k_time = x->times + s->batch * s->queries};
    x->n_out = s->batch * s->queries * s->heads * s->d;
    x->d_out = random_floats(&rng, x->n_out, 1);
    x->out = random_floats(&rng, x->n_out, 1);
    x->lse = random_floats(&rng, s->batch * s->heads * s->queries, 1);
    x->ref_out = zeros(x->n_out);
    for (int i = 0; i < 5; i++) x->grad[i] = random_floats(&rng, x->n[i], 0);
    for (int i = 0; i < 5; i++) x->ref_grad[i] = zeros(x->n[i]);
    x->g = (hd_attention_grads){.out = x->out,
                                .lse = x->lse,
                                .d_out = x->d_out,
                                .dq = x->grad[0],
                                .dk = x->grad[1],
                                .dv = x->grad[2],
                                .d_by_distance = s->distance ? x->grad[3] : NULL,
                                .d_by_time = s->time ? x->grad[4] : NULL};
}

static void tear_down(data *x) {
    for (int i = 0; i < 3; i++) hd_free(x->qkv[i]);
    for (int i = 0; i < 5; i++) hd_free(x->grad[i]), hd_free(x->ref_grad[i]);
    hd_free(x->bias[0]);
    hd_free(x->bias[1]);
    hd_free(x->lengths);
    hd_free(x->times);
    hd_free(x->d_out);
    hd_free(x->out);
    hd_free(x->lse);
    hd_free(x->ref_out);
}

static void run(data *x, size_t threads) {
    hd_pool *pool = NULL;
    if (threads > 1) assert_int_equal(hd_pool_new(threads, &pool), HEED_OK);
    const size_t forward = hd_attention_workspace(&x->a, threads);
    const size_t backward = hd_attention_backward_workspace(&x->a, threads);
    void *ws = hd_alloc_aligned(forward > backward ? forward : backward, 1);
    assert_non_null(ws);
    assert_int_equal(hd_attention_forward(pool, &x->a, x->out, x->lse, ws), HEED_OK);
    assert_int_equal(hd_attention_backward(pool, &x->a, &x->g, ws), HEED_OK);
    hd_free(ws);
    hd_pool_free(pool);
}

static uint16_t *narrow_of(const float *x, size_t n) {
    uint16_t *out = hd_calloc(n + 1, sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; x && i < n; i++) out[i] = hd_bf16_of_f32(x[i]);
    return out;
}
static void widen(uint16_t *from, size_t n, float *to) {
    for (size_t i = 0; i < n; i++) to[i] = hd_f32_of_bf16(from[i]);
    hd_free(from);
}

// All values kept as bf16.
static void run_narrow(data *x, size_t threads) {
    const hd_attention a = x->a;
    const hd_attention_grads g = x->g;
    float *const out = x->out;
    uint16_t *in[4], *grad[3], *result = narrow_of(NULL, x->n_out);
    for (int i = 0; i < 3; i++) in[i] = narrow_of(x->qkv[i], x->n[i]);
    for (int i = 0; i < 3; i++) grad[i] = narrow_of(NULL, x->n[i]);
    in[3] = narrow_of(x->d_out, x->n_out);
    x->a.q = in[0], x->a.k = in[1], x->a.v = in[2], x->g.d_out = in[3];
    x->a.q_type = x->a.k_type = x->a.v_type = x->a.out_type = x->g.d_out_type = HD_BF16;
    x->g.dq_type = x->g.dk_type = x->g.dv_type = HD_BF16;
    x->g.dq = grad[0], x->g.dk = grad[1], x->g.dv = grad[2];
    x->g.out = result;
    x->out = (float *)(void *)result;
    run(x, threads);
    x->a = a, x->g = g, x->out = out;
    widen(result, x->n_out, x->out);
    for (int i = 0; i < 3; i++) widen(grad[i], x->n[i], x->grad[i]);
    for (int i = 0; i < 4; i++) hd_free(in[i]);
}

static void check_shape(const void *ctx) {
    static const char *const names[] = {"dq", "dk", "dv", "distances", "times"};
    data x;
    set_up(&x, ctx);
    reference(&x);
    run(&x, 1);
    assert_near("out", x.out, x.ref_out, x.n_out, 2e-6);
    for (int i = 0; i < 5; i++) assert_near(names[i], x.grad[i], x.ref_grad[i], x.n[i], 5e-6);
    x.a.precision = HD_PRECISE_BF16;
    run(&x, 1);
    assert_near("bf16 out", x.out, x.ref_out, x.n_out, 1.6e-2);
    for (int i = 0; i < 5; i++) assert_near(names[i], x.grad[i], x.ref_grad[i], x.n[i], 3e-2);
    run_narrow(&x, 1);
    assert_near("out in bf16", x.out, x.ref_out, x.n_out, 2e-2);
    for (int i = 0; i < 5; i++) assert_near(names[i], x.grad[i], x.ref_grad[i], x.n[i], 3e-2);
    tear_down(&x);
}

static void test_shapes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        on_each_path(check_shape, &shapes[i]);
}

static float *copy_of(const float *x, size_t n) {
    float *copy = hd_alloc(n * sizeof *x + 1);
    assert_non_null(copy);
    memcpy(copy, x, n * sizeof *x);
    return copy;
}

static void check_threads(const void *ctx) {
    data x;
    set_up(&x, ctx);
    run(&x, 1);
    float *out = copy_of(x.out, x.n_out), *grad[5];
    for (int i = 0; i < 5; i++) grad[i] = copy_of(x.grad[i], x.n[i]);
    run(&x, 3);
    assert_memory_equal(out, x.out, x.n_out * sizeof *out);
    for (int i = 0; i < 5; i++) {
        assert_memory_equal(grad[i], x.grad[i], x.n[i] * sizeof *out);
        hd_free(grad[i]);
    }
    // The last sequence alone.
    const size_t skip = x.a.batch - 1, kept = x.n_out / x.a.batch;
    x.a.q = x.qkv[0] + skip * x.a.q_batch;
    x.a.k = x.qkv[1] + skip * x.a.k_batch;
    x.a.v = x.qkv[2] + skip * x.a.v_batch;
    if (x.a.lengths) x.a.lengths += skip;
    x.a.q_time += skip * x.a.queries;
    x.a.k_time += skip * x.a.keys;
    x.a.batch = 1;
    run(&x, 1);
    assert_memory_equal(out + skip * kept, x.out, kept * sizeof *out);
    hd_free(out);
    tear_down(&x);
}

static void check_narrow_threads(const void *ctx) {
    data x;
    set_up(&x, ctx);
    x.a.precision = HD_PRECISE_BF16;
    run_narrow(&x, 1);
    float *out = copy_of(x.out, x.n_out), *dq = copy_of(x.grad[0], x.n[0]);
    run_narrow(&x, 3);
    assert_memory_equal(out, x.out, x.n_out * sizeof *out);
    assert_memory_equal(dq, x.grad[0], x.n[0] * sizeof *dq);
    hd_free(out);
    hd_free(dq);
    tear_down(&x);
}

static void test_same_bits(void **state) {
    (void)state;
    const shape s = {4, 65, 140, 4, 2, 20, true, 75, true, true, true};
    on_each_path(check_threads, &s);
    on_each_path(check_narrow_threads, &s);
}

static void test_buckets(void **state) {
    (void)state;
    assert_int_equal(hd_attention_bucket(5, 5, 0, 9), 0);
    assert_int_equal(hd_attention_bucket(5, 6, 0, 9), 1);
    assert_int_equal(hd_attention_bucket(6, 5, 0, 9), 1);
    assert_int_equal(hd_attention_bucket(0, 7, 0, 9), 3);
    assert_int_equal(hd_attention_bucket(0, 2, 1, 9), 3); // 3 = 2 · 1.5
    assert_int_equal(hd_attention_bucket(INT32_MAX, 0, 0, 9), 8);
    assert_int_equal(hd_attention_bucket(INT32_MAX, 0, 0, 99), 31);
    assert_int_equal(hd_attention_bucket(INT32_MIN, INT32_MAX, 2, 99), 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
