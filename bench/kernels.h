// SPDX-License-Identifier: Apache-2.0
//
// What bench/kernels.c and its peers share: a case is something of ours to run, perhaps a peer's
// way to the same, and the work it does.
#ifndef HD_BENCH_KERNELS_H
#define HD_BENCH_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/gemm.h"

// The same product by oneDNN; NULL where it isn't there or can't. Operands in f32 that are to be
// rounded are converted in every run, as ours are.
typedef struct peer peer;
peer *peer_gemm_new(const hd_gemm *gemm);
void peer_gemm_run(peer *p);
void peer_free(peer *p);
bool peer_there(void);

// What isn't one product: made once (NULL: no memory), run often. work: operations of a run.
typedef struct bench_case {
    const char *name; // NULL: the end
    const void *shape;
    void *(*make)(const void *shape, hd_precision precision, double *work);
    heed_err (*run)(void *made);
    void (*drop)(void *made);
} bench_case;
extern const bench_case sequence_cases[];    // sequences.c
extern const bench_case convolution_cases[]; // convolutions.c

// Operations per second of a tight loop on registers, once.
double peak_f32(void);
double peak_amx_bf16(void);
double peak_amx_int8(void);

#endif
