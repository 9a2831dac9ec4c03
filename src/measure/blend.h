// SPDX-License-Identifier: Apache-2.0
//
// Several models' predictions as one: their mean, weighted by what did best on validation rows.
//
//     values    y = Σ wₘ·yₘ                     wₘ ≥ 0, Σ wₘ = 1
//     classes   ln p = β·Σ wₘ·ln pₘ + constant  the same, and how sharp: β > 0
//
// So few numbers are learned that a few hundred rows hold them.
#ifndef HD_MEASURE_BLEND_H
#define HD_MEASURE_BLEND_H

#include <stdbool.h>

#include "measure/predictions.h"

enum { HD_BLEND_MODELS = 64 };

typedef struct hd_blend {
    hd_task task;
    size_t m;
    double sharp; // β; 1 of values
    double weights[HD_BLEND_MODELS];
} hd_blend;

// each: (m ≥ 1) of the same validation rows, with their truth. Of classes the log loss is least, of
// values the squared error; but one part is all where the blend isn't better than the best of them
// by more than a standard error. Without rows all weigh the same. HEED_INPUT: the rows differ, or
// the task is another.
heed_err hd_blend_fit(const hd_predictions *each, size_t m, hd_blend *out) HEED_CHECK;
// Weights that a fit could have made.
bool hd_blend_sound(const hd_blend *blend);

// scores: m arrays of (n, k). out: (n, k).
void hd_blend_mix(const hd_blend *blend, const float *const *scores, size_t n, size_t k,
                  float *out);

#endif
