// SPDX-License-Identifier: Apache-2.0
//
// What a training looked like, in plain words.
#ifndef HD_RECIPE_DIAGNOSE_H
#define HD_RECIPE_DIAGNOSE_H

#include "base/json.h"

typedef struct hd_training {
    const char *model;
    const json_t *curves;     // {train_loss[], validation_loss[], gradient_norm[], rate[]}
    const json_t *gradients;  // as nn/watch.h says; NULL: none
    const json_t *evaluation; // as measure/evaluation.h says, of rows it didn't see; NULL: none
    const json_t *behind;     // a comparison that it lost, as measure/paired.h says; NULL: none
    bool by_steps;            // its length is told in steps, not in epochs
    bool best_kept;           // the weights of its best validation were taken
    bool clipped;             // its gradients' norm was held below a bound
} hd_training;

// Appends findings to `out`: [{level: ok | note | warn, model, what{en, zh}, why{en, zh},
// try{en, zh}}].
heed_err hd_diagnose(const hd_training *training, json_t *out) HEED_CHECK;

#endif
