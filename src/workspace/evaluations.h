// SPDX-License-Identifier: Apache-2.0
//
// What evaluations found, kept as files runs/eval-<id>.json, the newest HD_EVALUATIONS_KEPT of
// them: {"id", "created", "results": [a row per method, as heed eval gives them]}. Figures alone,
// nothing of persons. Ids are milliseconds of their making; no two are alike.
#ifndef HD_WORKSPACE_EVALUATIONS_H
#define HD_WORKSPACE_EVALUATIONS_H

#include <jansson.h>

#include "heed/workspace.h"

enum { HD_EVALUATIONS_KEPT = 100 };

heed_err hd_evaluations_keep(const char *folder, const json_t *results) HEED_CHECK;
// HEED_NOT_FOUND: there is none of that id.
heed_err hd_evaluations_get(const char *folder, const char *id, json_t **out) HEED_CHECK;
// {"evaluations": [{"id", "created", "protocol", "seed", "users", "items", "data_hash",
// "split_hash", "methods": [{"method", "metrics"}]}], "next_cursor"}, newest first; metrics null
// where a method wasn't applicable. cursor: NULL for the newest, else what the page before gave
// (HEED_USAGE when it is none).
heed_err hd_evaluations_list(const char *folder, const char *cursor, size_t limit,
                             json_t **out) HEED_CHECK;

#endif
