// SPDX-License-Identifier: Apache-2.0
//
// What fit_network.c asks of fit_classic.c and blended.c.
#ifndef HD_RECIPE_FIT_OWN_H
#define HD_RECIPE_FIT_OWN_H

#include "recipe/fit.h"

// *seconds: grows by what the rows took.
heed_err hd_run_classic(const hd_scorer *scorer, const hd_target *target, const hd_samples *samples,
                        size_t threads, float **out, double *seconds) HEED_CHECK;
heed_err hd_run_blended(const hd_scorer *scorer, const hd_target *target, const hd_samples *samples,
                        size_t threads, float **out, double *seconds) HEED_CHECK;

#endif
