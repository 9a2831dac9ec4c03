// SPDX-License-Identifier: Apache-2.0
//
// Recommendations as the rooms above see them, beside heed/recommend.h.
#ifndef HD_WORKSPACE_RECOMMEND_H
#define HD_WORKSPACE_RECOMMEND_H

#include "heed/recommend.h"
#include "recommend/serve.h"
#include "workspace/models.h"

// Parameters over settings, as rules; filters in the arena.
heed_err hd_recommend_rules(const heed_workspace *ws, const heed_recommend_params *params,
                            hd_arena *arena, hd_serve_rules *rules) HEED_CHECK;

// The list as recommend/wording.h gives it, with "user" and "version"; explained unless
// params->reasons is 0.
heed_err hd_recommend(heed_workspace *ws, const char *user, const heed_recommend_params *params,
                      json_t **out) HEED_CHECK;

#endif
