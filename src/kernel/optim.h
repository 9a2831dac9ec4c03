// SPDX-License-Identifier: Apache-2.0
//
// Steps of optimisers, each one pass over weights, gradients and moments: the weights are read and
// written once a step, which is all the memory allows. Every function works element by element, so
// that work can be cut anywhere and gives the same bits.
//
// clang-format off
// Formulas, with g the gradient after g·scale, clipped to ±clip, + l2·w + l1·sign(w):
//   sgd       w −= rate·g                                   (w is first shrunk by rate·decay)
//   momentum  m = momentum·m + g;  w −= rate·m
//   nesterov  m as momentum's;  w −= rate·(g + momentum·m)
//   rmsprop   v = β2·v + (1 − β2)·g²;  u = g/(√v + ε);  m = momentum·m + u;  w −= rate·m
//   adagrad   v += g²;  w −= rate·g/(√v + ε)
//   adam      m = β1·m + (1 − β1)·g;  v = β2·v + (1 − β2)·g²;  w −= rate·(m/c1)/(√(v/c2) + ε)
//   lamb      m, v as adam's;  g becomes (m/c1)/(√(v/c2) + ε) + decay·w: the caller scales it by norms
// clang-format on
#ifndef HD_KERNEL_OPTIM_H
#define HD_KERNEL_OPTIM_H

#include <stddef.h>

typedef struct hd_optim_args {
    float rate;
    float decay; // decoupled: w −= rate·decay·w
    float l1, l2;
    float scale; // of the gradient: clipping by norm, an average over micro-batches
    float clip;  // by value; 0: none
    float momentum;
    float beta1, beta2, epsilon;
    float c1, c2; // adam's corrections, 1 − β^t
} hd_optim_args;

// w, g, m, v: (n). Moments a method doesn't have may be NULL.
typedef void (*hd_optim_fn)(size_t n, float *w, float *g, float *m, float *v,
                            const hd_optim_args *args);

typedef struct hd_optim_kernels {
    hd_optim_fn sgd, momentum, nesterov, rmsprop, adagrad, adam, lamb;
    // average += (1 − keep)·(w − average)
    void (*average)(size_t n, float *average, const float *w, float keep);
    // w −= rate·u
    void (*step)(size_t n, float *w, const float *u, float rate);
    // Σ x², in 32 lanes and then a fixed tree: its bits depend on x and n alone. n ≤ 65,536 a call;
    // not finite when any x isn't.
    float (*squares)(size_t n, const float *x);
} hd_optim_kernels;

extern const hd_optim_kernels hd_optim_kernels_ref;
extern const hd_optim_kernels hd_optim_kernels_avx2;
extern const hd_optim_kernels hd_optim_kernels_avx512;
extern const hd_optim_kernels hd_optim_kernels_neon;

#endif
