// SPDX-License-Identifier: Apache-2.0
//
// Items that are alike by what is said of them: categories, brand, attributes. Needs nobody's
// history, so it speaks for an item that came a moment ago.
//
// Threads: immutable once made.
#ifndef HD_RECOMMEND_ALIKE_H
#define HD_RECOMMEND_ALIKE_H

#include "catalog/catalog.h"
#include "recommend/recommender.h"

// A model of hd_method_content; its columns are the catalogue's items in their order. The items may
// go afterwards.
heed_err hd_alike_new(const hd_items *items, hd_model **out) HEED_CHECK;

// Serves as a method does, but isn't one of hd_methods: there is nothing to fit or to keep.
extern const hd_method hd_method_content;

#endif
