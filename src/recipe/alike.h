// SPDX-License-Identifier: Apache-2.0
//
// Rows whose texts say almost the same.
#ifndef HD_RECIPE_ALIKE_H
#define HD_RECIPE_ALIKE_H

#include "recipe/rows.h"

// (n) of a column of texts: rows have the same number where their texts share at least half of all
// words and pairs of neighbouring words that either has, or where a chain of such texts leads from
// one to the other. *groups: how many there are. *out: for hd_free.
heed_err hd_alike(const hd_rows *rows, const char *column, uint32_t **out,
                  size_t *groups) HEED_CHECK;

#endif
