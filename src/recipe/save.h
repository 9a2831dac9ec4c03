// SPDX-License-Identifier: Apache-2.0
//
// One model's file: a network or a classical model.
#ifndef HD_RECIPE_SAVE_H
#define HD_RECIPE_SAVE_H

#include "recipe/fit.h"

heed_err hd_scorer_write(const hd_scorer *scorer, const char *path) HEED_CHECK;
// Fills out->net or out->classic. HEED_CORRUPT.
heed_err hd_scorer_read(const char *path, bool net, hd_scorer *out) HEED_CHECK;

#endif
