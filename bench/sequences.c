// SPDX-License-Identifier: Apache-2.0
//
// Attention and recurrent layers on the shapes of real nets: forward, and forward with backward.
#include <string.h>

#include "base/mem.h"
#include "kernel/attention.h"
#include "kernel/recurrent.h"
#include "kernels.h"

typedef struct shape {
    size_t batch, steps, heads, head_dim; // or
    size_t inputs, hidden;
    bool causal, backward;
    hd_cell cell;
} shape;

typedef struct job {
    const shape *s;
    hd_attention a;
    hd_attention_grads ag;
    hd_recurrent r;
    hd_recurrent_grads rg;
    float *memory;
    void *workspace;
} job;

// Parts of one block; counted first, with `memory` NULL.
static float *part(job *j, size_t *used, size_t n) {
    float *at = j->memory ? j->memory + *used : NULL;
    *used += (n + 15) / 16 * 16;
    return at;
}

static size_t lay_attention(job *j) {
    const shape *s = j->s;
    const size_t width = s->heads * s->head_dim, n = s->batch * s->steps * width;
    size_t used = 0;
    float *qkv = part(j, &used, 3 * n), *d_qkv = part(j, &used, 3 * n);
    float *out = part(j, &used, n), *d_out = part(j, &used, n);
    float *lse = part(j, &used, s->batch * s->heads * s->steps);
    if (!j->memory) return used;
    j->a.q = qkv;
    j->a.k = qkv + width;
    j->a.v = qkv + 2 * width;
    j->ag = (hd_attention_grads){.out = out,
                                 .lse = lse,
                                 .d_out = d_out,
                                 .dq = d_qkv,
                                 .dk = d_qkv + width,
                                 .dv = d_qkv + 2 * width};
    return used;
}

static size_t lay_recurrent(job *j) {
    const shape *s = j->s;
    const size_t n = s->batch * s->steps, h = s->hidden, wide = hd_recurrent_gates(s->cell) * h;
    size_t used = 0;
    j->r.x = part(j, &used, n * s->inputs);
    j->r.w_ih = part(j, &used, wide * s->inputs);
    j->r.w_hh = part(j, &used, wide * h);
    j->r.b_ih = part(j, &used, wide);
    j->r.b_hh = part(j, &used, wide);
    j->r.y = part(j, &used, n * h);
    j->r.gates = part(j, &used, n * hd_recurrent_kept(s->cell) * h);
    j->r.c = part(j, &used, n * h);
    j->rg.dgates = j->r.gates; // (each run writes them anew)
    j->rg.dy = part(j, &used, n * h);
    j->rg.dx = part(j, &used, n * s->inputs);
    j->rg.dw_ih = part(j, &used, wide * s->inputs);
    j->rg.dw_hh = part(j, &used, wide * h);
    j->rg.db_ih = part(j, &used, wide);
    j->rg.db_hh = part(j, &used, wide);
    return used;
}

static size_t describe(job *j, const shape *s, hd_precision precision, double *work) {
    const size_t row = 3 * s->heads * s->head_dim, tokens = s->batch * s->steps;
    const double share = s->causal ? 0.5 : 1;
    j->s = s;
    j->a = (hd_attention){.batch = s->batch,
                          .queries = s->steps,
                          .keys = s->steps,
                          .heads = s->heads,
                          .kv_heads = s->heads,
                          .head_dim = s->head_dim,
                          .q_row = row,
                          .k_row = row,
                          .v_row = row,
                          .q_batch = s->steps * row,
                          .k_batch = s->steps * row,
                          .v_batch = s->steps * row,
                          .causal = s->causal,
                          .precision = precision};
    j->r = (hd_recurrent){.cell = s->cell,
                          .act = HD_ACT_TANH,
                          .batch = s->batch,
                          .steps = s->steps,
                          .inputs = s->inputs,
                          .hidden = s->hidden,
                          .precision = precision};
    const size_t wide = hd_recurrent_gates(s->cell) * s->hidden;
    if (s->heads > 0) {
        *work = (s->backward ? 14 : 4) * share * (double)(tokens * s->steps * row / 3);
        return lay_attention(j);
    }
    *work = (s->backward ? 6 : 2) * (double)(tokens * wide) * (double)(s->inputs + s->hidden);
    return lay_recurrent(j);
}

static size_t most(size_t a, size_t b) {
    return a > b ? a : b;
}

static void sequence_free(void *ctx) {
    job *j = ctx;
    if (!j) return;
    hd_free(j->memory);
    hd_free(j->workspace);
    hd_free(j);
}

static void *sequence_new(const void *ctx, hd_precision precision, double *work) {
    const shape *s = ctx;
    job *j = hd_calloc(1, sizeof *j);
    if (!j) return NULL;
    const size_t n = describe(j, s, precision, work);
    const size_t bytes =
        s->heads > 0
            ? most(hd_attention_workspace(&j->a, 1), hd_attention_backward_workspace(&j->a, 1))
            : most(hd_recurrent_workspace(&j->r, 1), hd_recurrent_backward_workspace(&j->r, 1));
    j->memory = hd_alloc_aligned(n, sizeof *j->memory);
    j->workspace = hd_alloc_aligned(bytes, 1);
    if (!j->memory || !j->workspace) {
        sequence_free(j);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) j->memory[i] = (float)(i % 13) / 64 - 0.09F;
    describe(j, s, precision, work);
    return j;
}

static heed_err sequence_run(void *ctx) {
    job *j = ctx;
    if (j->s->heads == 0) {
        HD_TRY(hd_recurrent_forward(NULL, &j->r, j->workspace));
        return j->s->backward ? hd_recurrent_backward(NULL, &j->r, &j->rg, j->workspace) : HEED_OK;
    }
    float *out = (float *)(uintptr_t)j->ag.out, *lse = (float *)(uintptr_t)j->ag.lse;
    HD_TRY(hd_attention_forward(NULL, &j->a, out, lse, j->workspace));
    return j->s->backward ? hd_attention_backward(NULL, &j->a, &j->ag, j->workspace) : HEED_OK;
}

#define BOTH(title, ...)                                                                        \
    {"attention " title " y", &(const shape){__VA_ARGS__}, sequence_new, sequence_run,          \
     sequence_free},                                                                            \
    {                                                                                           \
        "attention " title " y+d", &(const shape){__VA_ARGS__, .backward = true}, sequence_new, \
            sequence_run, sequence_free                                                         \
    }
#define CELLS(title, of, ...)                                                                    \
    {title " y", &(const shape){.cell = (of), __VA_ARGS__}, sequence_new, sequence_run,          \
     sequence_free},                                                                             \
    {                                                                                            \
        title " y+d", &(const shape){.cell = (of), __VA_ARGS__, .backward = true}, sequence_new, \
            sequence_run, sequence_free                                                          \
    }

const bench_case sequence_cases[] = {
    BOTH("encoder 32×128", .batch = 32, .steps = 128, .heads = 8, .head_dim = 32),
    BOTH("gpt mini 12×64", .batch = 12, .steps = 64, .heads = 4, .head_dim = 32, .causal = true),
    BOTH("gpt2 4×64", .batch = 4, .steps = 64, .heads = 12, .head_dim = 64, .causal = true),
    BOTH("bert 8×128", .batch = 8, .steps = 128, .heads = 12, .head_dim = 64),
    BOTH("gpt2 1×1024", .batch = 1, .steps = 1024, .heads = 12, .head_dim = 64, .causal = true),
    CELLS("lstm 8-50 32×30", HD_CELL_LSTM, .batch = 32, .steps = 30, .inputs = 8, .hidden = 50),
    CELLS("lstm 50-50 32×30", HD_CELL_LSTM, .batch = 32, .steps = 30, .inputs = 50, .hidden = 50),
    CELLS("lstm 128 32×100", HD_CELL_LSTM, .batch = 32, .steps = 100, .inputs = 128, .hidden = 128),
    CELLS("gru 50-50 32×30", HD_CELL_GRU, .batch = 32, .steps = 30, .inputs = 50, .hidden = 50),
    {0},
};
