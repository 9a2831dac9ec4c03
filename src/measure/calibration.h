// SPDX-License-Identifier: Apache-2.0
//
// Probabilities that mean what they say: fitted on validation rows, applied to test rows and while
// serving.
//
//   temperature   p^(1/T), normalised: one number; the most probable class stays (Guo et al. 2017)
//   platt         a sigmoid of each class's logit, normalised (Platt 1999)
//   isotonic      a rising curve of each class's probability, normalised (Zadrozny, Elkan 2002);
//                 wants a thousand rows or more
//
// Threads: what is fitted is immutable.
#ifndef HD_MEASURE_CALIBRATION_H
#define HD_MEASURE_CALIBRATION_H

#include "base/json.h"
#include "measure/predictions.h"

typedef struct hd_calibration hd_calibration;

// Names, in that order; NULL past the end.
const char *hd_calibration_name(size_t i);

// HEED_NOT_FOUND: no such kind; HEED_INPUT: the predictions aren't of classes, or have faults.
heed_err hd_calibration_fit(const char *kind, const hd_predictions *validation,
                            hd_calibration **out) HEED_CHECK;
void hd_calibration_free(hd_calibration *calibration);

// scores: (n, k), changed in place. k: as it was fitted.
void hd_calibration_apply(const hd_calibration *calibration, float *scores, size_t n);
size_t hd_calibration_classes(const hd_calibration *calibration);

// {"kind": "platt", "k": 2, …}. The caller's, json_decref. _load refuses what _json can't have
// written.
heed_err hd_calibration_json(const hd_calibration *calibration, json_t **out) HEED_CHECK;
heed_err hd_calibration_load(const json_t *json, hd_calibration **out) HEED_CHECK;

#endif
