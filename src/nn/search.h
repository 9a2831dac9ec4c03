// SPDX-License-Identifier: Apache-2.0
//
// What to choose: cross-validation over folds, and a search over options, by random draws or by
// successive halving (many short trainings, of which the better part goes on longer).
#ifndef HD_NN_SEARCH_H
#define HD_NN_SEARCH_H

#include "nn/train.h"

// ── Cross-validation ──

typedef struct hd_spread {
    double mean, deviation; // over folds
} hd_spread;
typedef struct hd_cross_report {
    size_t folds, n_metrics;
    hd_spread loss, metrics[HD_METRICS];
} hd_cross_report;
// Trains a fresh network on each k − 1 of k parts and scores it on the other. layers, seed: as for
// hd_net_new. labels: (data->n), for folds with equal shares of each; or NULL. opts.validation,
// checkpoint and run are ignored. each: (k) of the folds' scores, may be NULL.
heed_err hd_cross_validate(const char *layers, uint64_t seed, hd_data *data, const int32_t *labels,
                           size_t k, const hd_train_opts *opts, hd_evaluation *each,
                           hd_cross_report *out) HEED_CHECK;

// ── Search ──

// One trial: trains with these values (an object of the space's names) for a part of the whole
// budget, 0 < budget ≤ 1, and gives a score. NaN: the trial failed, and is last.
typedef heed_err (*hd_trial_fn)(void *ctx, const json_t *values, double budget, size_t trial,
                                double *score);

typedef struct hd_search_opts {
    // YAML: a name to each of {low, high, log, whole} or {choices: […]}:
    //     rate: {low: .0001, high: .1, log: true}
    //     width: {low: 16, high: 256, log: true, whole: true}
    //     act: {choices: [relu, gelu]}
    const char *space;
    size_t trials; // 16
    uint64_t seed;
    size_t halving; // 0: every trial has the whole budget; else one in so many goes on (3)
    double least;   // budget of the first round when halving: 1/9
    bool larger_is_better;
    const char *leaderboard; // file, written anew after each trial; NULL: none
    hd_trial_fn trial;
    void *ctx;
} hd_search_opts;

// *out: the leaderboard, best first: [{rank, trial, score, budget, values}], for json_decref.
// Scores of a larger budget stand before those of a smaller one.
heed_err hd_search_run(const hd_search_opts *opts, json_t **out) HEED_CHECK;

// Trials of networks: $name in the layers' text, and in opts' loss, optimizer and schedules, stands
// for a value; one named `batch` is the size of a batch. A budget is a part of the training's
// steps. Scores are opts.monitor's on opts.validation, or on a tenth of the data held out;
// search.trial, ctx and larger_is_better are set here. HEED_INPUT when all trials failed: why the
// last one did.
heed_err hd_net_search(const char *layers, uint64_t seed, hd_data *data, const hd_train_opts *opts,
                       const hd_search_opts *search, json_t **out) HEED_CHECK;

#endif
