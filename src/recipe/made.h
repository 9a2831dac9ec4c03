// SPDX-License-Identifier: Apache-2.0
//
// Rows that are made rather than read: for recipes that can be tried without a file, and for
// tests. A generator is a descriptor and a row in made.c. The same seed makes the same rows.
#ifndef HD_RECIPE_MADE_H
#define HD_RECIPE_MADE_H

#include "base/rng.h"
#include "recipe/rows.h"

typedef struct hd_made_kind {
    const char *name;
    hd_text doc;
    size_t rows; // unless it is said how many
    // Adds the columns, then fills row i of n. noise: 0 … 1, as far as the generator knows it.
    heed_err (*columns)(hd_rows *rows);
    heed_err (*fill)(hd_rows *rows, size_t row, double noise, hd_rng *rng);
} hd_made_kind;

extern const hd_made_kind *const hd_made_kinds[]; // NULL-terminated
const hd_made_kind *hd_made_find(const char *name);
// n 0: the kind's own number.
heed_err hd_made_rows(const hd_made_kind *kind, size_t n, double noise, uint64_t seed,
                      hd_rows *out) HEED_CHECK;

#endif
