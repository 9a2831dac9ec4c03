// SPDX-License-Identifier: Apache-2.0
//
// What a training looked like, in plain words.
#ifndef HD_RECIPE_DIAGNOSE_H
#define HD_RECIPE_DIAGNOSE_H

#include "base/json.h"

// Appends findings to `out`: [{level: ok | note | warn, model, what{en, zh}, why{en, zh},
// try{en, zh}}]. curves: {train_loss[], validation_loss[], gradient_norm[]}; gradients: as
// nn/watch.h says, or NULL.
heed_err hd_diagnose(const char *model, const json_t *curves, const json_t *gradients,
                     json_t *out) HEED_CHECK;

#endif
