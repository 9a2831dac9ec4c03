// SPDX-License-Identifier: Apache-2.0
#include "kernel/gemm.h"

#include <math.h>

#include "kernel/cpu.h"

size_t hd_gemm_workspace(const hd_gemm *gemm, size_t threads) {
    (void)gemm, (void)threads;
    return 0;
}

static float at(const void *data, hd_dtype type, size_t i) {
    return type == HD_BF16 ? hd_f32_of_bf16(((const uint16_t *)data)[i]) : ((const float *)data)[i];
}

static float rounded(float x, hd_precision precision) {
    return precision == HD_PRECISE_BF16 ? hd_f32_of_bf16(hd_bf16_of_f32(x)) : x;
}

static float act(float x, hd_act kind) {
    switch (kind) {
    case HD_ACT_RELU:
        return x <= 0 ? 0 : x; // (NaN stays)
    case HD_ACT_LEAKY_RELU:
        return x > 0 ? x : 0.01F * x;
    case HD_ACT_GELU:
        return 0.5F * x * (1 + erff(x * 0.70710678F));
    case HD_ACT_GELU_TANH:
        return 0.5F * x * (1 + tanhf(0.79788456F * (x + 0.044715F * x * x * x)));
    case HD_ACT_SILU:
        return x / (1 + expf(-x));
    case HD_ACT_SIGMOID:
        return 1 / (1 + expf(-x));
    case HD_ACT_TANH:
        return tanhf(x);
    default:
        return x;
    }
}

static void one(const hd_gemm *g, size_t t, size_t i, size_t j) {
    float sum = 0;
    for (size_t p = 0; p < g->k; p++) {
        float a = at(g->a, g->a_type, t * g->a_batch + i * g->a_row + p * g->a_col);
        float b = at(g->b, g->b_type, t * g->b_batch + p * g->b_row + j * g->b_col);
        sum += rounded(a, g->precision) * rounded(b, g->precision);
    }
    size_t to = t * g->c_batch + i * g->c_row + j;
    float value = (g->alpha == 0 ? 1 : g->alpha) * sum;
    if (g->bias) value += g->bias[j];
    if (g->residual) value += g->residual[to];
    if (g->accumulate) value += g->c[to];
    if (g->pre) g->pre[to] = value;
    g->c[to] = act(value, g->act);
}

heed_err hd_gemm_run(hd_pool *pool, const hd_gemm *g, void *workspace) {
    (void)pool, (void)workspace;
    HD_TRY(hd_isa_ready());
    for (size_t t = 0; t < (g->batch ? g->batch : 1); t++)
        for (size_t i = 0; i < g->m; i++)
            for (size_t j = 0; j < g->n; j++) one(g, t, i, j);
    return HEED_OK;
}
