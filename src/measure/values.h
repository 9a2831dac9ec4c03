// SPDX-License-Identifier: Apache-2.0
//
// The value of each metric for each user: what means, intervals and comparisons are made of.
#ifndef HD_MEASURE_VALUES_H
#define HD_MEASURE_VALUES_H

#include "measure/metric.h"

typedef struct hd_values_query {
    const hd_metric *const *rows; // (n_rows) metrics with a value per user
    size_t n_rows;
    const hd_rank_case *cases; // (n_cases)
    size_t n_cases;
    const size_t *ks; // (n_ks)
    size_t n_ks;
} hd_values_query;

// *out: (n_cases, n_ks, n_rows), release with hd_free. The same bits for any number of threads.
heed_err hd_user_values(const hd_rank_context *context, const hd_values_query *query, hd_pool *pool,
                        double **out) HEED_CHECK;

#endif
