// SPDX-License-Identifier: Apache-2.0
//
// One trial: a method is fitted on a split's training part and ranks, for each case, every item of
// the index that the user doesn't have there.
#ifndef HD_RECOMMEND_TRIAL_H
#define HD_RECOMMEND_TRIAL_H

#include "measure/ranking.h"
#include "recommend/protocols.h"
#include "recommend/recommender.h"

typedef struct hd_trial {
    hd_rank_case *cases; // (n_cases) in the split's order; relevant is borrowed from the split
    size_t n_cases;
    uint32_t *ranked; // (n_cases, k) what cases[i].ranked points to
    double fit_seconds;
    double score_seconds;
} hd_trial;

// values: the method's parameters. k: the longest list wanted. Forwards HEED_UNAVAILABLE of a
// method that doesn't apply.
heed_err hd_trial_run(const hd_split *split, const hd_method *method, const double *values,
                      uint64_t seed, size_t k, hd_pool *pool, hd_trial *out) HEED_CHECK;
void hd_trial_clear(hd_trial *trial);

// {"decay": 0.8, …}; whole numbers for integer parameters.
heed_err hd_trial_parameters(const hd_method *method, const double *values,
                             json_t **out) HEED_CHECK;

#endif
