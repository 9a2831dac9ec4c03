// SPDX-License-Identifier: Apache-2.0
//
// Metrics of ranked lists: one row each in measure/ranking.c. Formulas, denominators and log bases
// stand at the rows and in docs/metrics.md; a name means one formula.
#ifndef HD_MEASURE_RANKING_H
#define HD_MEASURE_RANKING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/pool.h"
#include "base/sparse.h"

// What every list is measured against: the training data.
typedef struct hd_rank_context {
    const hd_sparse *train;      // (U, I) rows of users
    const hd_sparse *train_cols; // its transpose
    uint64_t seed;               // of the bootstrap
    size_t bootstrap;            // resamples; 0: no intervals
} hd_rank_context;

// One user's list: ranked items, best first and each once, and what was held out, each item once.
// A row may stand in one case only.
typedef struct hd_rank_case {
    uint32_t row;           // the user's row in train
    const uint32_t *ranked; // (n_ranked)
    size_t n_ranked;
    const uint32_t *relevant; // (n_relevant), at least 1
    size_t n_relevant;
} hd_rank_case;

typedef struct hd_metric_value {
    char name[32]; // "ndcg@10"
    double value;
    bool interval; // low and high hold a 95% percentile bootstrap over users; else they are value
    double low, high; // figures of all lists together (coverage, gini, entropy) have no interval
} hd_metric_value;

// Measures all rows at every k: the metrics of ks[0] in the order of the list, then those of ks[1].
// *out (n) belongs to the caller: hd_free. The same bits for any number of threads.
heed_err hd_rank_measure(const hd_rank_context *context, const hd_rank_case *cases, size_t n_cases,
                         const size_t *ks, size_t n_ks, hd_pool *pool, hd_metric_value **out,
                         size_t *n) HEED_CHECK;

// The mean of one metric over users, without an interval: for choosing parameters. Metrics that
// read no training data (accuracy) leave context->train_cols unread. Errors as hd_rank_compare.
heed_err hd_rank_mean(const hd_rank_context *context, const hd_rank_case *cases, size_t n_cases,
                      const char *metric, size_t k, hd_pool *pool, double *out) HEED_CHECK;

// The difference of a metric between two methods over the same users (a[i].row == b[i].row): mean
// of b − a with a 95% paired bootstrap interval. HEED_NOT_FOUND: no such metric; HEED_USAGE: it has
// no value per user.
heed_err hd_rank_compare(const hd_rank_context *context, const hd_rank_case *a,
                         const hd_rank_case *b, size_t n_cases, const char *metric, size_t k,
                         hd_pool *pool, hd_metric_value *out) HEED_CHECK;

// Names and docs of the rows, for help and the reference.
typedef struct hd_metric_info {
    const char *name;
    hd_text doc; // formula in words, range, better is higher or lower
    bool higher_is_better;
} hd_metric_info;
const hd_metric_info *hd_rank_metric_at(size_t i); // NULL past the end

#endif
