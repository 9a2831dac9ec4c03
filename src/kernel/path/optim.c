// SPDX-License-Identifier: Apache-2.0
//
// Optimiser steps. Plain loops that the compiler turns into vectors of the path's width: they are
// bound by memory. Up to seven streams are more than processors fetch ahead by themselves, so the
// lines some way on are asked for (a third faster). Without contraction to fused multiply-adds (the
// project's flag) each path gives the same bits.
#include "kernel/optim.h"

#include <math.h>

#include "kernel/path/simd.h"

enum { SOME = 64, AHEAD = 512 }; // values: a step at a time, and how far ahead of it

// Arrays that a kind doesn't have are NULL.
HD_INLINE void fetch_some(const float *at) {
    enum { LINE = 16 };
    for (size_t i = 0; at && i < SOME; i += LINE) __builtin_prefetch(at + AHEAD + i);
}

// The gradient as the step sees it.
static inline float effective(float g, float w, const hd_optim_args *a) {
    g *= a->scale;
    if (a->clip > 0) g = g > a->clip ? a->clip : g < -a->clip ? -a->clip : g;
    float sign = (float)(w > 0) - (float)(w < 0);
    return g + a->l2 * w + a->l1 * sign;
}

HD_INLINE void sgd_some(size_t n, float *restrict w, float *restrict g, float *restrict m,
                        float *restrict v, const hd_optim_args *args) {
    const hd_optim_args a = *args;
    const float keep = 1.0F - a.rate * a.decay;
    (void)m;
    (void)v;
    for (size_t i = 0; i < n; i++) w[i] = w[i] * keep - a.rate * effective(g[i], w[i], &a);
}

HD_INLINE void momentum_some(size_t n, float *restrict w, float *restrict g, float *restrict m,
                             float *restrict v, const hd_optim_args *args) {
    const hd_optim_args a = *args;
    const float keep = 1.0F - a.rate * a.decay;
    (void)v;
    for (size_t i = 0; i < n; i++) {
        m[i] = a.momentum * m[i] + effective(g[i], w[i], &a);
        w[i] = w[i] * keep - a.rate * m[i];
    }
}

HD_INLINE void nesterov_some(size_t n, float *restrict w, float *restrict g, float *restrict m,
                             float *restrict v, const hd_optim_args *args) {
    const hd_optim_args a = *args;
    const float keep = 1.0F - a.rate * a.decay;
    (void)v;
    for (size_t i = 0; i < n; i++) {
        float e = effective(g[i], w[i], &a);
        m[i] = a.momentum * m[i] + e;
        w[i] = w[i] * keep - a.rate * (e + a.momentum * m[i]);
    }
}

HD_INLINE void rmsprop_some(size_t n, float *restrict w, float *restrict g, float *restrict m,
                            float *restrict v, const hd_optim_args *args) {
    const hd_optim_args a = *args;
    const float keep = 1.0F - a.rate * a.decay, rest = 1.0F - a.beta2;
    for (size_t i = 0; i < n; i++) {
        float e = effective(g[i], w[i], &a);
        v[i] = a.beta2 * v[i] + rest * e * e;
        m[i] = a.momentum * m[i] + e / (sqrtf(v[i]) + a.epsilon);
        w[i] = w[i] * keep - a.rate * m[i];
    }
}

HD_INLINE void adagrad_some(size_t n, float *restrict w, float *restrict g, float *restrict m,
                            float *restrict v, const hd_optim_args *args) {
    const hd_optim_args a = *args;
    const float keep = 1.0F - a.rate * a.decay;
    (void)m;
    for (size_t i = 0; i < n; i++) {
        float e = effective(g[i], w[i], &a);
        v[i] += e * e;
        w[i] = w[i] * keep - a.rate * (e / (sqrtf(v[i]) + a.epsilon));
    }
}

// In PyTorch's order of operations: √v/√c2 + ε below, rate/c1 in front.
HD_INLINE void adam_some(size_t n, float *restrict w, float *restrict g, float *restrict m,
                         float *restrict v, const hd_optim_args *args) {
    const hd_optim_args a = *args;
    const float keep = 1.0F - a.rate * a.decay, rest1 = 1.0F - a.beta1, rest2 = 1.0F - a.beta2;
    const float front = a.rate / a.c1, below = 1.0F / sqrtf(a.c2);
    for (size_t i = 0; i < n; i++) {
        float e = effective(g[i], w[i], &a);
        m[i] = a.beta1 * m[i] + rest1 * e;
        v[i] = a.beta2 * v[i] + rest2 * e * e;
        w[i] = w[i] * keep - front * m[i] / (sqrtf(v[i]) * below + a.epsilon);
    }
}

HD_INLINE void lamb_some(size_t n, float *restrict w, float *restrict g, float *restrict m,
                         float *restrict v, const hd_optim_args *args) {
    const hd_optim_args a = *args;
    const float rest1 = 1.0F - a.beta1, rest2 = 1.0F - a.beta2;
    const float front = 1.0F / a.c1, below = 1.0F / sqrtf(a.c2);
    for (size_t i = 0; i < n; i++) {
        float e = effective(g[i], w[i], &a);
        m[i] = a.beta1 * m[i] + rest1 * e;
        v[i] = a.beta2 * v[i] + rest2 * e * e;
        g[i] = front * m[i] / (sqrtf(v[i]) * below + a.epsilon) + a.decay * w[i];
    }
}

// A kind's step over all values.
#define STEPS(kind, has_m, has_v)                                                           \
    static void kind(size_t n, float *restrict w, float *restrict g, float *restrict m,     \
                     float *restrict v, const hd_optim_args *args) {                        \
        size_t i = 0;                                                                       \
        for (; i + SOME <= n; i += SOME) {                                                  \
            float *m_at = has_m ? m + i : NULL, *v_at = has_v ? v + i : NULL;               \
            fetch_some(w + i);                                                              \
            fetch_some(g + i);                                                              \
            fetch_some(m_at);                                                               \
            fetch_some(v_at);                                                               \
            kind##_some(SOME, w + i, g + i, m_at, v_at, args);                              \
        }                                                                                   \
        kind##_some(n - i, w + i, g + i, has_m ? m + i : NULL, has_v ? v + i : NULL, args); \
    }

STEPS(sgd, false, false)
STEPS(momentum, true, false)
STEPS(nesterov, true, false)
STEPS(rmsprop, true, true)
STEPS(adagrad, false, true)
STEPS(adam, true, true)
STEPS(lamb, true, true)

static void average(size_t n, float *restrict out, const float *restrict w, float keep) {
    const float rest = 1.0F - keep;
    for (size_t i = 0; i < n; i++) out[i] += rest * (w[i] - out[i]);
}

static void step(size_t n, float *restrict w, const float *restrict u, float rate) {
    for (size_t i = 0; i < n; i++) w[i] -= rate * u[i];
}

enum { LANES = 32 };

static float squares(size_t n, const float *x) {
    float lane[LANES] = {0};
    size_t whole = n / LANES * LANES;
    for (size_t i = 0; i < whole; i += LANES) {
        __builtin_prefetch(x + i + AHEAD);
        __builtin_prefetch(x + i + AHEAD + LANES / 2);
        for (size_t l = 0; l < LANES; l++) lane[l] += x[i + l] * x[i + l];
    }
    for (size_t i = whole; i < n; i++) lane[i - whole] += x[i] * x[i];
    for (size_t half = LANES / 2; half > 0; half /= 2) {
        for (size_t l = 0; l < half; l++) lane[l] += lane[l + half];
    }
    return lane[0];
}

const hd_optim_kernels HD_PATH(hd_optim_kernels) = {
    .sgd = sgd,
    .momentum = momentum,
    .nesterov = nesterov,
    .rmsprop = rmsprop,
    .adagrad = adagrad,
    .adam = adam,
    .lamb = lamb,
    .average = average,
    .step = step,
    .squares = squares,
};
