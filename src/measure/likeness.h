// SPDX-License-Identifier: Apache-2.0
//
// How alike the items of lists are: to each other, and hits to what their user had.
#ifndef HD_MEASURE_LIKENESS_H
#define HD_MEASURE_LIKENESS_H

#include "base/pool.h"
#include "measure/facts.h"
#include "measure/ranking.h"

// A block of lists cut at `width`; list c's place p (from 0) stands at c * width + p.
typedef struct hd_lists {
    const hd_rank_case *cases; // (n)
    size_t n;
    size_t width;
    const bool *hit; // (n, width)
} hd_lists;

typedef struct hd_likeness {
    double *above; // (n, width) sum of the place's cosines to the places above it
    double
        *history; // (n, width) for hits: mean cosine to the user's different items, 0 without any
} hd_likeness;

// The same bits for any number of threads. hd_likeness_clear also after a failure.
heed_err hd_likeness_measure(const hd_item_facts *facts, const hd_lists *lists, hd_pool *pool,
                             hd_likeness *out) HEED_CHECK;
void hd_likeness_clear(hd_likeness *likeness);

#endif
