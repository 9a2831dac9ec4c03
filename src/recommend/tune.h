// SPDX-License-Identifier: Apache-2.0
//
// The choice of a method's parameters on validation data.
#ifndef HD_RECOMMEND_TUNE_H
#define HD_RECOMMEND_TUNE_H

#include "recommend/protocols.h"
#include "recommend/recommender.h"

// Chooses a method's parameters by NDCG@10 on a validation split of `train`, made by `protocol`:
// what is measured at the end should be split as what chose. One parameter after the other through
// its grid, the others held at the best so far. values: (n_params), written; where nobody has two
// items to validate on, the method's initial ones. The log: an array of {"parameters", "ndcg@10"},
// a trial each, in order; empty where there was nothing to choose. Cost: 1 + (sum of grid sizes)
// fits, and at most 10,000 users ranked at each.
heed_err hd_tune(const hd_sparse *train, const hd_protocol *protocol, const hd_method *method,
                 uint64_t seed, hd_pool *pool, double *values, json_t **log) HEED_CHECK;

// The same with the method's initial values alone: one trial, so that methods which aren't tuned
// can be compared. Cost: one fit.
heed_err hd_tune_not(const hd_sparse *train, const hd_protocol *protocol, const hd_method *method,
                     uint64_t seed, hd_pool *pool, double *values, json_t **log) HEED_CHECK;

#endif
