// SPDX-License-Identifier: Apache-2.0
//
// Rows whose texts are parts of each other.
#ifndef HD_RECIPE_CONTAINED_H
#define HD_RECIPE_CONTAINED_H

#include "recipe/rows.h"

// (n) of a column of texts: rows have the same number where the text of one is a run of words of
// the other's, or both are of a third one's. *groups: how many there are. *out: for hd_free.
heed_err hd_contained(const hd_rows *rows, const char *column, uint32_t **out,
                      size_t *groups) HEED_CHECK;

#endif
