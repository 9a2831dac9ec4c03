// SPDX-License-Identifier: Apache-2.0
//
// Whether rows that are moments stand in order.
#ifndef HD_RECIPE_MOMENTS_H
#define HD_RECIPE_MOMENTS_H

#include "recipe/rows.h"

// HEED_INPUT: a time goes back by more than an hour (a local clock may be put back by one), more
// than one in a hundred come twice, or a cell is no time where the others are; the row is named.
// A column that isn't there, or whose first cells are no times, is in whatever order it comes.
// Cost: O(rows).
heed_err hd_moments_check(const hd_rows *rows, const char *column) HEED_CHECK;

#endif
