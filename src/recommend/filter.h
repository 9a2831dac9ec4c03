// SPDX-License-Identifier: Apache-2.0
//
// Conditions on what is known of an item: "brand=Sony", "price<=100", "price<=100 CNY",
// "colour!=red".
#ifndef HD_RECOMMEND_FILTER_H
#define HD_RECOMMEND_FILTER_H

#include "catalog/catalog.h"

typedef enum hd_filter_op {
    HD_FILTER_EQ, // =
    HD_FILTER_NE, // !=
    HD_FILTER_LE, // <=
    HD_FILTER_GE, // >=
    HD_FILTER_LT, // <
    HD_FILTER_GT  // >
} hd_filter_op;

// field: "id", "title", "brand", "category" (any of the item's), "price", "currency", "hidden",
// "replenishable", or a name in the item's attributes.
typedef struct hd_filter {
    const char *field;
    hd_filter_op op;
    const char *text; // what stands after the operator
    double number;    // the same as a number, NaN when it isn't one
    char currency[4]; // after the number, for "price": then only items in that currency pass; or ""
} hd_filter;

// HEED_INPUT when there is no operator, no field, or an order (<=, …) without a number. Strings in
// the arena.
heed_err hd_filter_parse(hd_slice text, hd_arena *arena, hd_filter *out) HEED_CHECK;

// Whether an item meets all filters. What isn't known of an item equals nothing and is in no order:
// only != lets it pass. An attribute that is an array equals what any of its elements equals.
heed_err hd_filters_match(const hd_filter *filters, size_t n, const hd_item *item,
                          bool *out) HEED_CHECK;

#endif
