// SPDX-License-Identifier: Apache-2.0
//
// What a model said of rows whose truth is known: what reports, intervals, comparisons and
// calibration are made of. All arrays are borrowed.
#ifndef HD_MEASURE_PREDICTIONS_H
#define HD_MEASURE_PREDICTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef enum hd_task {
    HD_TASK_CLASSES, // one of k classes; two classes are k = 2, and class 1 is the positive one
    HD_TASK_VALUES,  // k numbers
    HD_TASK_LANGUAGE // the next token; k = 1
} hd_task;

typedef struct hd_predictions {
    hd_task task;
    size_t n, k;           // rows, classes or outputs
    const float *scores;   // (n, k) probabilities | predicted values | −ln p of the true token
    const int32_t *labels; // (n) of classes
    const float *targets;  // (n, k) of values
    const char *const *classes; // (k) names of classes or outputs; NULL: their numbers
} hd_predictions;

// HEED_INPUT, with the row, when there is no row, a label is not 0 … k − 1, a number isn't finite,
// or a probability is not within 0 … 1.
heed_err hd_predictions_check(const hd_predictions *predictions) HEED_CHECK;

#endif
