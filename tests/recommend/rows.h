// SPDX-License-Identifier: Apache-2.0
//
// What tests of recommenders share: rows by hand, random rows, a fit with some parameters set.
#ifndef HD_TESTS_RECOMMEND_ROWS_H
#define HD_TESTS_RECOMMEND_ROWS_H

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "recommend/recommender.h"

enum { ROWS_MAX = 4096, ROWS_PARAMS = 8 };

static inline hd_sparse rows_build(const hd_sparse_entry *entries, size_t n, size_t n_users,
                                   size_t n_items, bool timed) {
    hd_sparse rows;
    heed_err err = hd_sparse_build(entries, n, n_users, n_items, timed, true, &rows);
    assert(err == HEED_OK);
    (void)err;
    return rows;
}

// Random histories with repeats, skewed items, weights and, when timed, times over some 100 days.
static inline hd_sparse rows_random(uint64_t seed, size_t n_users, size_t n_items, size_t n,
                                    bool timed) {
    static hd_sparse_entry entries[ROWS_MAX];
    static const float weights[] = {0.5F, 1, 2, 3};
    hd_rng rng = hd_rng_make(seed, 11);
    assert(n <= ROWS_MAX);
    for (size_t e = 0; e < n; e++) {
        uint64_t item = hd_rng_below(&rng, n_items);
        if (hd_rng_below(&rng, 2) == 0) item = hd_rng_below(&rng, item + 1);
        entries[e] = (hd_sparse_entry){
            .row = (uint32_t)hd_rng_below(&rng, n_users),
            .col = (uint32_t)item,
            .weight = weights[hd_rng_below(&rng, 4)],
            .time = timed ? (hd_time)hd_rng_below(&rng, 100 * HD_DAY_MS) : HD_TIME_NONE,
            .source = (int64_t)e + 1,
        };
        if (hd_rng_below(&rng, 50) == 0) entries[e].time = HD_TIME_NONE;
    }
    return rows_build(entries, n, n_users, n_items, timed);
}

// The initial values, with one set by name where `name` isn't NULL.
static inline void rows_values(const hd_method *method, const char *name, double value,
                               double out[ROWS_PARAMS]) {
    bool found = name == NULL;
    for (size_t p = 0; p < method->n_params; p++) {
        bool it = name && strcmp(method->params[p].name, name) == 0;
        out[p] = it ? value : method->params[p].initial;
        found = found || it;
    }
    assert(found);
    (void)found;
}

static inline hd_history rows_history(const hd_sparse *rows, size_t row) {
    size_t at = rows->start[row];
    return (hd_history){rows->col + at,
                        rows->weight + at,
                        rows->time ? rows->time + at : NULL,
                        rows->source ? rows->source + at : NULL,
                        hd_sparse_row_len(rows, row),
                        HD_TIME_NONE};
}

#endif
