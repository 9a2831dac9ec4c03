// SPDX-License-Identifier: Apache-2.0
//
// What is trending: events at each item, each counting half of what it did a half-life before. Kept
// as one number per item, so that events are added as they come and none is looked at twice.
//
// Threads: adding, one at a time; scoring, many.
#ifndef HD_RECOMMEND_TREND_H
#define HD_RECOMMEND_TREND_H

#include "catalog/catalog.h"
#include "recommend/recommender.h"

typedef struct hd_trend hd_trend;
heed_err hd_trend_new(double half_life_days, hd_trend **out) HEED_CHECK;
void hd_trend_free(hd_trend *trend); // NULL is fine
// weight ≤ 0: passed over. now: what claims to be newer counts as new as that. HD_TIME_NONE as
// time: unknown; such events speak only while no other does.
heed_err hd_trend_add(hd_trend *trend, int64_t item_key, double weight, hd_time time,
                      hd_time now) HEED_CHECK;
size_t hd_trend_events(const hd_trend *trend);  // that counted
hd_time hd_trend_newest(const hd_trend *trend); // HD_TIME_NONE: no event has a time

// The trend as a model of hd_method_trending; its columns are the items in their order. Both are
// borrowed.
typedef struct hd_trend_model {
    const hd_trend *trend;
    const hd_items *items;
} hd_trend_model;
extern const hd_method hd_method_trending; // serves, but isn't one of hd_methods

#endif
