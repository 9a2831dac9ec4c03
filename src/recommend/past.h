// SPDX-License-Identifier: Apache-2.0
//
// A history as methods read it: newest first, without repeats.
#ifndef HD_RECOMMEND_PAST_H
#define HD_RECOMMEND_PAST_H

#include "recommend/recommender.h"

typedef struct hd_past {
    uint32_t item;
    float weight; // the greatest among the entries merged here
    size_t entry; // index into the history, of the newest entry merged here
} hd_past;

// A decayed weight below this adds nothing to a float sum of weights up to 1: such items are left
// out, which also keeps long histories from costing time in subnormal numbers.
#define HD_PAST_FADED 0x1p-24

// Each item once, at its newest entry; items the model doesn't know (≥ n_items) are left out.
// *out (*n): hd_free.
heed_err hd_past_items(const hd_history *history, size_t n_items, hd_past **out,
                       size_t *n) HEED_CHECK;

// At most max steps, in out: entries of one item that follow each other are one step (a view, a
// cart and a purchase of the same thing), an item may come again later.
size_t hd_past_steps(const hd_history *history, size_t n_items, hd_past *out, size_t max);

// One entry's part of a score; sorted and cut into reasons below.
typedef struct hd_part {
    size_t entry;
    double value; // ≥ 0
} hd_part;
// The parts that are greatest, at most max, as shares of the sum of all; equal parts: newer first.
// Sorts parts. Nothing when the sum is 0.
void hd_reasons_from(hd_part *parts, size_t n, hd_reason *out, size_t max, size_t *n_out);

// For methods without personal reasons: none.
heed_err hd_no_reasons(const hd_model *model, const hd_history *history, uint32_t item,
                       hd_reason *out, size_t max, size_t *n) HEED_CHECK;

#endif
