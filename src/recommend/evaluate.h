// SPDX-License-Identifier: Apache-2.0
//
// Evaluation: a protocol splits, methods fit on what is left, every unseen item is ranked, measure/
// counts. Protocols are named and versioned; a figure carries protocol, hash of the split, hash of
// the data, and seed. Parameters are chosen on a validation split of the training part alone, and
// each trial is logged.
#ifndef HD_RECOMMEND_EVALUATE_H
#define HD_RECOMMEND_EVALUATE_H

#include "measure/ranking.h"
#include "recommend/protocols.h"
#include "recommend/recommender.h"
#include "recommend/tune.h"

typedef struct hd_evaluate_params {
    const hd_protocol *protocol;
    const hd_method *const *methods; // (n_methods)
    size_t n_methods;
    bool tune; // choose parameters on validation; else each method's defaults
    uint64_t seed;
    const size_t *ks; // (n_ks), rising
    size_t n_ks;
    size_t bootstrap;
    hd_pool *pool;
    void (*progress)(void *ctx, const char *method, double share); // may be NULL
    void *progress_ctx;
} hd_evaluate_params;

// An array, an object per method: {"method", "protocol" ("loo/1"), "split_hash", "data_hash",
// "seed", "users", "items", "parameters", "fit_seconds", "score_seconds", "metrics": {"hr@10": …},
// "intervals": {"hr@10": [low, high]}, "search": [{"parameters", "ndcg@10"}, …], "versus_popular":
// {"ndcg@10": {"difference", "low", "high"}}}; a method that doesn't apply has "not_applicable":
// {"en", "zh"} instead of metrics.
heed_err hd_evaluate(const hd_sparse *events, const char *data_hash,
                     const hd_evaluate_params *params, json_t **out) HEED_CHECK;

#endif
