// SPDX-License-Identifier: Apache-2.0
//
// Lists of items that are about no user: what is like an item, and what is trending. Both use of
// heed_recommend_params: n, categories, n_categories, filters, exclude, cap_per_category, method.
#ifndef HD_WORKSPACE_ANSWERS_H
#define HD_WORKSPACE_ANSWERS_H

#include "base/json.h"
#include "heed/recommend.h"
#include "workspace/workspace.h"

// {"item", "title", "version", "method", "asked", "items": [{"rank", "id", "title", "score",
// "method"}]}: by who has both (item_knn), else by what follows it (markov), the newest of that
// method, if there is one; what is then missing, by what is said of the items (content).
// params->method chooses one of the three. HEED_NOT_FOUND: there is no such item.
heed_err hd_similar(heed_workspace *ws, const char *item, const heed_recommend_params *params,
                    json_t **out) HEED_CHECK;

// Kept by the handle; brought up to date by each request. What was taken away since (an import
// undone, a user erased) leaves it within ten minutes, a user who objected at once.
typedef struct hd_trends hd_trends;
void hd_trends_free(hd_trends *trends); // NULL is fine

// {"asked", "half_life_days", "newest", "events", "items": [{"rank", "id", "title", "score"}]}.
// "newest": the time of the newest event, null when none has one.
heed_err hd_trending(heed_workspace *ws, const heed_recommend_params *params,
                     json_t **out) HEED_CHECK;

#endif
