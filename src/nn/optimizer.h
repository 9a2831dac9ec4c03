// SPDX-License-Identifier: Apache-2.0
//
// Optimisers: from gradients to better weights. A kind with options:
//
//     adam: {rate: .001, weight_decay: .01, groups: [{match: "*.bias", weight_decay: 0}]}
//
// One step is one pass over all weights, cut by their sizes alone: the same bits for any number of
// threads.
#ifndef HD_NN_OPTIMIZER_H
#define HD_NN_OPTIMIZER_H

#include "base/pool.h"
#include "kernel/optim.h"
#include "nn/weights.h"

typedef struct hd_optimizer_kind {
    hd_spec_kind kind;
    bool has_m, has_v; // the moments it keeps
    // Sets what the step needs beyond the common fields. t: the step's number, from 1.
    void (*prepare)(const void *options, uint64_t t, hd_optim_args *args);
    hd_optim_fn (*step)(const void *options, const hd_optim_kernels *kernels);
    bool by_norm; // the step's result is scaled by |w| / |u| (LAMB)
} hd_optimizer_kind;
extern const hd_spec_kinds hd_optimizer_kinds;

// One weight's part.
typedef struct hd_moments {
    hd_weight *weight;
    float *m, *v; // (count), NULL where the kind has none
    float rate_factor, decay, l1, l2;
} hd_moments;

typedef struct hd_optimizer {
    hd_choice choice;
    double rate;    // before any schedule
    uint64_t t;     // steps done
    hd_moments *at; // (n) of the trained weights, in their order
    size_t n;
    struct hd_piece *pieces; // (n_pieces) of weights, and runs of pieces that make one chunk
    size_t n_pieces, pieces_cap;
    size_t *chunks; // (n_chunks + 1)
    size_t n_chunks, chunks_cap;
    double *partial; // (n_pieces)
    size_t total;    // values
} hd_optimizer;

// where: of the choice. The arena holds the options and must outlive the optimiser.
heed_err hd_optimizer_read(const json_t *value, const hd_where *where, hd_arena *arena,
                           hd_optimizer *out) HEED_CHECK;
// Freezes what a group says is frozen: before graphs are built.
heed_err hd_optimizer_freeze(const hd_optimizer *optimizer, hd_weights *weights) HEED_CHECK;
// Makes moments for all weights that are trained. HEED_INPUT when none is.
heed_err hd_optimizer_bind(hd_optimizer *optimizer, hd_weights *weights) HEED_CHECK;
void hd_optimizer_clear(hd_optimizer *optimizer);

// The norm of all gradients times `scale`; not finite when one isn't.
heed_err hd_optimizer_norm(hd_optimizer *optimizer, hd_pool *pool, float scale,
                           double *out) HEED_CHECK;
// rate: of this step. scale: of the gradients. clip: by value, 0: none.
heed_err hd_optimizer_step(hd_optimizer *optimizer, hd_pool *pool, double rate, double scale,
                           double clip) HEED_CHECK;
// averages[i] (count) of at[i] go towards the weights.
heed_err hd_optimizer_average(hd_optimizer *optimizer, hd_pool *pool, float *const *averages,
                              double keep) HEED_CHECK;
size_t hd_optimizer_bytes(const hd_optimizer *optimizer);

#endif
