// SPDX-License-Identifier: Apache-2.0
//
// Is one model better than another? Both predicted the same rows, so what counts is the difference
// row by row, which varies far less than either figure.
#ifndef HD_MEASURE_PAIRED_H
#define HD_MEASURE_PAIRED_H

#include "measure/evaluation.h"

typedef struct hd_paired {
    double difference; // of the figure: model − baseline, the mean over trainings of the model
    double low, high;  // 95%, percentile bootstrap over rows, both drawn alike, and over trainings
    double p;          // accuracy of one training: McNemar's exact test, two-sided; else bootstrap
    size_t trainings;
} hd_paired;

// Both have the same rows, in the same order, and the same truth: else HEED_INPUT. opts->bootstrap
// ≥ 1. HEED_NOT_FOUND: no such figure; HEED_USAGE: it can't be resampled (a median, a maximum).
heed_err hd_paired_compare(const hd_predictions *model, const hd_predictions *baseline,
                           const char *figure, const hd_evaluation_opts *opts,
                           hd_paired *out) HEED_CHECK;

// The same model trained n ≥ 1 times: models (n). What is compared is the mean of its figure over
// trainings,  d = 1/n Σ f(modelₛ) − f(baseline),  that is, what a training is worth and not one of
// them. A resample draws rows and, independently, n trainings with replacement (Owen 2007, "The
// pigeonhole bootstrap"), so that the interval holds both for other rows and for other seeds; on
// the whole it is somewhat too wide. n = 1: as above.
heed_err hd_paired_compare_trained(const hd_predictions *models, size_t n,
                                   const hd_predictions *baseline, const char *figure,
                                   const hd_evaluation_opts *opts, hd_paired *out) HEED_CHECK;

// {baseline, metric, difference, low, high, p}, and {trainings} if they are more than one.
// The caller's, json_decref.
heed_err hd_paired_json(const hd_paired *paired, const char *baseline, const char *figure,
                        json_t **out) HEED_CHECK;

// Two-sided exact p of McNemar's test: rows that only the one, and only the other, got right.
double hd_mcnemar(size_t only_one, size_t only_other);

#endif
