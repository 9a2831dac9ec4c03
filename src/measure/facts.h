// SPDX-License-Identifier: Apache-2.0
//
// What the training data says of each item: who had it, how popular it is, how often it is had
// together with another.
#ifndef HD_MEASURE_FACTS_H
#define HD_MEASURE_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sparse.h"

typedef struct hd_item_facts {
    const hd_sparse *train; // borrowed
    size_t n_items;
    size_t n_users;  // rows with at least one event
    size_t *start;   // (n_items + 1) into user
    uint32_t *user;  // the item's users, each once, rising
    size_t *events;  // (n_items) training events, repeats counted
    bool *tail;      // (n_items) outside the most popular items that hold 80% of the events
    bool *first;     // (train->n) the entry is its row's first of that item
    size_t *bits_at; // (n_items) the item's bit set in words, SIZE_MAX: it has none
    uint64_t *words; // a bit per row, for items that enough users have
    size_t n_words;  // of one bit set
} hd_item_facts;

// columns: the transpose of train. Takes time and memory in proportion to the events.
heed_err hd_item_facts_init(hd_item_facts *facts, const hd_sparse *train,
                            const hd_sparse *columns) HEED_CHECK;
void hd_item_facts_clear(hd_item_facts *facts);

static inline size_t hd_item_users(const hd_item_facts *facts, uint32_t item) {
    return facts->start[item + 1] - facts->start[item];
}

// Users who have both items.
size_t hd_item_both(const hd_item_facts *facts, uint32_t a, uint32_t b);
// Cosine of co-occurrence: both / sqrt(users of a × users of b); 0 when nobody has both.
double hd_item_cosine_of(const hd_item_facts *facts, uint32_t a, uint32_t b, size_t both);

#endif
