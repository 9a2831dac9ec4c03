// SPDX-License-Identifier: Apache-2.0
//
// Evaluation protocols: which events a method may learn from, and which items of each user are held
// out to be found. Named and versioned ("loo/1"): a change that moves any figure raises the
// version.
//
// What all have in common: an item is held out only for a user who doesn't have it in the training
// part, since what is ranked is what the user hasn't seen; each held-out item counts once however
// often it was met; a user without training events or without held-out items is no case.
#ifndef HD_RECOMMEND_PROTOCOLS_H
#define HD_RECOMMEND_PROTOCOLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sparse.h"

// Where an event goes.
typedef enum hd_split_part { HD_SPLIT_TRAIN, HD_SPLIT_HELD, HD_SPLIT_NEITHER } hd_split_part;

typedef struct hd_protocol {
    const char *name; // "loo"
    int version;
    hd_text doc;
    bool needs_time; // HEED_UNAVAILABLE on data without times (loo goes by order and doesn't)
    // Says where each event goes: part (events->n) comes in as HD_SPLIT_TRAIN throughout.
    heed_err (*assign)(const hd_sparse *events, uint64_t seed, uint8_t *part);
} hd_protocol;

extern const hd_protocol *const hd_protocols[]; // NULL-terminated
const hd_protocol *hd_protocol_find(const char *name);

typedef struct hd_split {
    hd_sparse train; // rows and columns as in the events
    size_t n_cases;
    uint32_t *row;          // (n_cases) users who have something held out, rising
    size_t *relevant_start; // (n_cases + 1)
    uint32_t *relevant;     // held-out items, rising for each user
    char hash[65];          // BLAKE2b-256 in hexadecimal; of what: docs/api/eval.md
} hd_split;

// n_cases may come out as 0: nothing to evaluate.
heed_err hd_split_make(const hd_sparse *events, const hd_protocol *protocol, uint64_t seed,
                       hd_split *out) HEED_CHECK;
void hd_split_clear(hd_split *split);

#endif
