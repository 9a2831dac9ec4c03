// SPDX-License-Identifier: Apache-2.0
//
// How good a model's predictions are, as a document. Names and definitions are scikit-learn's:
//
//   classes   {task, n, classes[], accuracy, balanced_accuracy, precision, recall, f1 (of two
//              classes), f1_macro, mcc, kappa, log_loss, brier, auc, average_precision,
//              per_class[{class, precision, recall, f1, support, auc, average_precision}],
//              averages{macro, weighted, micro}, confusion[][] (rows: truth; up to 512 classes),
//              confused[{truth, predicted, count}], roc[{class, fpr[], tpr[], threshold[]}],
//              pr[{class, precision[], recall[], threshold[]}],
//              calibration{ece, mce, bins[{low, high, n, confidence, accuracy}]}, intervals{}}
//   values    {task, n, mae, mse, rmse, r2, mape, smape, median_ae, max_error, outputs[{name, …}],
//              residuals{low, high, counts[]}, points[[truth, predicted]], intervals{}}
//   language  {task, n, log_loss (nats a token), perplexity, bits, intervals{}}
//
// `intervals` maps a figure to [low, high]: 95%, percentile bootstrap over rows. A figure that
// isn't defined (the AUC of a class that no row has) is null. Of several classes, auc and
// average_precision are means over classes, each against the rest; `brier` is halved for two
// classes. Calibration is that of the positive class for two classes, else of the predicted one's
// probability. smape is the mean of 2|y − ŷ| / (|y| + |ŷ|). Figures of several outputs are means
// over outputs.
#ifndef HD_MEASURE_EVALUATION_H
#define HD_MEASURE_EVALUATION_H

#include "base/json.h"
#include "base/pool.h"
#include "measure/predictions.h"

typedef struct hd_evaluation_opts {
    uint64_t seed;
    size_t bootstrap;    // resamples; 0: no intervals; default 1,000
    size_t block;        // rows that are drawn together: of overlapping windows; 0, 1: each alone
    size_t bins;         // of the calibration; default 15
    size_t curve_points; // of a curve, at most; default 200
    hd_pool *pool;       // borrowed, may be NULL; changes no bit
} hd_evaluation_opts;
hd_evaluation_opts hd_evaluation_opts_default(void);

// *out: the caller's, json_decref.
heed_err hd_evaluation_json(const hd_predictions *predictions, const hd_evaluation_opts *opts,
                            json_t **out) HEED_CHECK;

// The figure by which models of a task are ranked when nobody names one: "accuracy" | "mse" |
// "log_loss"; and whether more of a figure is better. NULL, HEED_NOT_FOUND: no such figure.
const char *hd_evaluation_main(hd_task task);
heed_err hd_evaluation_higher(hd_task task, const char *figure, bool *out) HEED_CHECK;

// One figure alone, without intervals.
heed_err hd_evaluation_figure(const hd_predictions *predictions, const char *figure,
                              double *out) HEED_CHECK;

#endif
