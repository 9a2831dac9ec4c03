// SPDX-License-Identifier: Apache-2.0
//
// Who has what, and how strongly: timed rows reduced to one entry per user and item, its strength
// the greatest weight among the user's events at that item (a purchase outweighs the views before
// it, ten views are not ten purchases). Both directions. Immutable once built.
#ifndef HD_RECOMMEND_PRESENCE_H
#define HD_RECOMMEND_PRESENCE_H

#include "base/sparse.h"

typedef struct hd_presence {
    size_t n_users;     // U
    size_t n_items;     // I
    size_t n;           // entries
    size_t *item_start; // (I + 1)
    uint32_t *user;     // (n) users who have the item, rising
    float *item_x;      // (n) strength
    size_t *user_start; // (U + 1)
    uint32_t *item;     // (n) items of the user, rising
    float *user_x;      // (n)
    float *item_norm;   // (I) Euclidean length of the item's column
    float *user_norm;   // (U) of the user's row
} hd_presence;

// newest: of each row only so many of the last entries count (0: all), so that one endless history
// can't cost its length squared. 16 bytes an entry, and three times that while it is built.
heed_err hd_presence_build(const hd_sparse *rows, size_t newest, hd_presence *out) HEED_CHECK;
void hd_presence_clear(hd_presence *presence);

#endif
