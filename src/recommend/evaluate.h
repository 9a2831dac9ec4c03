// SPDX-License-Identifier: Apache-2.0
//
// Evaluation: a protocol splits, methods fit on what is left, every unseen item is ranked, measure/
// counts. Protocols are named and versioned; a figure carries protocol, hash of the split, hash of
// the data, and seed. Parameters are chosen on a validation split of the training part alone, and
// each trial is logged.
#ifndef HD_RECOMMEND_EVALUATE_H
#define HD_RECOMMEND_EVALUATE_H

#include "measure/ranking.h"
#include "recommend/recommender.h"

typedef struct hd_split {
    hd_sparse train;
    size_t n_cases;
    uint32_t *row;          // (n_cases) users who have something held out
    size_t *relevant_start; // (n_cases + 1)
    uint32_t *relevant;     // held-out items, those the user has in train left out
    char hash[65];          // BLAKE2b-256 over the case rows and their held-out items
} hd_split;

// One descriptor each in recommend/protocols.c.
typedef struct hd_protocol {
    const char *name; // "loo"
    int version;
    hd_text doc;
    bool needs_time; // HEED_UNAVAILABLE on data without times (loo goes by order and doesn't)
    heed_err (*split)(const hd_sparse *events, uint64_t seed, hd_split *out);
} hd_protocol;
extern const hd_protocol *const hd_protocols[]; // NULL-terminated
const hd_protocol *hd_protocol_find(const char *name);
void hd_split_clear(hd_split *split);

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

// Chooses a method's parameters on a leave-last-out validation split of `train` by NDCG@10. values:
// (n_params), written. The log: an array as "search" above.
heed_err hd_tune(const hd_sparse *train, const hd_method *method, uint64_t seed, hd_pool *pool,
                 double *values, json_t **log) HEED_CHECK;

#endif
