// SPDX-License-Identifier: Apache-2.0
//
// Curves of probabilities: ROC, precision and recall, reliability.
#ifndef HD_MEASURE_CURVE_H
#define HD_MEASURE_CURVE_H

#include "base/json.h"
#include "measure/figure.h"

// Sets "roc" and "pr": a curve for each class that rows have and lack, for at most twelve classes
// (those of the least area, when there are more), of at most so many points each. Every point is
// one of the full curve.
heed_err hd_drawn_add_curves(const hd_drawn *drawn, size_t points, json_t *to) HEED_CHECK;

// Sets "calibration": bins of equal width, (low, high] but the first, which has its 0.
heed_err hd_reliability_add(const hd_outcome *outcome, size_t bins, json_t *to) HEED_CHECK;

// A class's name, or its number. New reference, NULL: out of memory.
json_t *hd_class_name(const hd_predictions *predictions, size_t class);

#endif
