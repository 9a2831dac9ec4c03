// SPDX-License-Identifier: Apache-2.0
//
// What fit_network.c, fit_classic.c, members.c and blended.c ask of each other.
#ifndef HD_RECIPE_FIT_OWN_H
#define HD_RECIPE_FIT_OWN_H

#include "recipe/fit.h"

// *seconds: grows by what the rows took.
heed_err hd_run_classic(const hd_scorer *scorer, const hd_target *target, const hd_samples *samples,
                        size_t threads, float **out, double *seconds) HEED_CHECK;
heed_err hd_run_blended(const hd_scorer *scorer, const hd_target *target, const hd_samples *samples,
                        size_t threads, float **out, double *seconds) HEED_CHECK;
// One training; hd_fit_network makes as many as the recipe has members.
heed_err hd_fit_net(const hd_prepared *prepared, const hd_recipe_network *network,
                    const hd_fit_env *env, hd_fitted *out) HEED_CHECK;

#endif
