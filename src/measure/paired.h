// SPDX-License-Identifier: Apache-2.0
//
// Is one model better than another? Both predicted the same rows, so what counts is the difference
// row by row, which varies far less than either figure.
#ifndef HD_MEASURE_PAIRED_H
#define HD_MEASURE_PAIRED_H

#include "measure/evaluation.h"

typedef struct hd_paired {
    double difference; // of the figure: model − baseline
    double low, high;  // 95%, percentile bootstrap over rows, both drawn alike
    double p;          // of accuracy: McNemar's exact test, two-sided; else by the bootstrap
} hd_paired;

// Both have the same rows, in the same order, and the same truth: else HEED_INPUT. opts->bootstrap
// ≥ 1. HEED_NOT_FOUND: no such figure; HEED_USAGE: it can't be resampled (a median, a maximum).
heed_err hd_paired_compare(const hd_predictions *model, const hd_predictions *baseline,
                           const char *figure, const hd_evaluation_opts *opts,
                           hd_paired *out) HEED_CHECK;

// {baseline, metric, difference, low, high, p}. The caller's, json_decref.
heed_err hd_paired_json(const hd_paired *paired, const char *baseline, const char *figure,
                        json_t **out) HEED_CHECK;

// Two-sided exact p of McNemar's test: rows that only the one, and only the other, got right.
double hd_mcnemar(size_t only_one, size_t only_other);

#endif
