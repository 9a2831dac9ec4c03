// SPDX-License-Identifier: Apache-2.0
//
// A fact: one thing known of a user, with the events behind it. Each is a descriptor beside its
// code (activity.c, money.c, taste.c, opinion.c) and a row in facts.c. What a fact knows stands in
// its own part of hd_profile; its dimensions are its share of the profile's vector.
#ifndef HD_PROFILE_FACT_H
#define HD_PROFILE_FACT_H

#include "profile/profile.h"

// A signal loses half of its weight in this time: a taste of last year says less than one of today.
#define HD_PROFILE_HALF_LIFE_MS (90 * HD_DAY_MS)
// A longer pause ends a session.
#define HD_PROFILE_SESSION_GAP_MS INT64_C(1800000)

// ── What profiles share ──

typedef struct hd_price {
    char currency[4];
    double price;
} hd_price;

struct hd_profiler {
    hd_profile_input input;
    hd_price *prices; // (n_prices) of the catalogue, by currency, then price
    size_t n_prices;
    double *quantile; // (n items) of each item's price, NaN: no price
    char currency[4]; // of most prices; "" when no item has a price in a currency
};
// The share of the catalogue's prices in this currency that lie below, those equal counted half:
// 0 .. 1. NaN when the catalogue has no price in it.
double hd_profiler_quantile(const hd_profiler *profiler, const char *currency, double price);

// ── What facts are computed from ──

typedef enum hd_role { HD_ROLE_OTHER, HD_ROLE_PURCHASE, HD_ROLE_RETURN, HD_ROLE_RATING } hd_role;
hd_role hd_role_of(const char *event_type);

// One event with what is looked up once.
typedef struct hd_act {
    const hd_door_event *event;
    const hd_item *item; // NULL: none, or not in the catalogue
    hd_role role;
    double weight;  // of the signal, 0 when it says nothing
    double decayed; // weight × 2^(−age / half-life); without a time: weight
} hd_act;

typedef struct hd_fact_input {
    const hd_profiler *profiler;
    const hd_act *acts; // (n_acts) in time order, none later than now
    size_t n_acts;
    const hd_door_review *reviews; // (n_reviews) in time order, none later than now
    size_t n_reviews;
    hd_time now;
    bool clock; // the times tell hours too, not days alone
} hd_fact_input;

// ── What is known ──

// The keys that weigh most, heaviest first.
typedef struct hd_evidence {
    int64_t key[HD_PROFILE_EVIDENCE];
    double weight[HD_PROFILE_EVIDENCE];
    size_t n;
} hd_evidence;
void hd_evidence_add(hd_evidence *evidence, int64_t key, double weight);
heed_err hd_evidence_set(json_t *object, const char *key, const hd_evidence *evidence) HEED_CHECK;

typedef struct hd_recency {
    hd_time last; // HD_TIME_NONE: unknown
    double days;
    hd_evidence evidence;
} hd_recency;

typedef struct hd_frequency {
    size_t events, orders, active_days;
    double days_between_orders; // NaN below two timed orders
    hd_evidence evidence;
} hd_frequency;

enum { HD_DAY_PARTS = 4 }; // night, morning, afternoon, evening: six hours each from midnight
typedef struct hd_hours {
    size_t n; // events; 0: unknown
    size_t count[24];
    int peak;
    double part[HD_DAY_PARTS]; // shares
    double weekend;            // share
    hd_evidence evidence;      // in the peak hour
} hd_hours;

typedef struct hd_browsing {
    size_t sessions; // 0: unknown
    double minutes;
    hd_evidence evidence; // of the longest session
} hd_browsing;

typedef struct hd_money {
    char currency[4];
    double bought, returned;
    size_t purchases, orders, returns;
    hd_evidence evidence; // the largest amounts
} hd_money;

typedef struct hd_monetary {
    hd_money *sums; // (n), by currency
    size_t n;
    size_t without_amount; // purchases and returns that say no amount
    const hd_money *main;  // in the catalogue's currency, NULL: nothing in it
} hd_monetary;

typedef struct hd_price_band {
    size_t n; // events; 0: unknown
    char currency[4];
    double level;             // mean quantile in the catalogue, 0 .. 1
    double low, median, high; // prices: quartiles
    hd_evidence evidence;
} hd_price_band;

typedef struct hd_liking {
    const char *name;
    double weight, share;
    hd_evidence evidence;
} hd_liking;

typedef struct hd_likings {
    hd_liking *top; // (n), heaviest first, at most HD_PROFILE_TOP
    size_t n;
    size_t different; // names in all
    double spread;    // entropy of the shares in bits; NaN: nothing known
} hd_likings;

typedef struct hd_change {
    const char *name;
    double before, now; // shares
} hd_change;

typedef struct hd_drift {
    double divergence; // Jensen–Shannon, bits, 0 .. 1; NaN: too little is known
    hd_time since;     // recent means from here on; HD_TIME_NONE: the last quarter of the events
    size_t recent, before; // events
    hd_change *risen, *fallen;
    size_t n_risen, n_fallen;
    hd_evidence evidence; // recent events in what has risen
} hd_drift;

typedef struct hd_ratings {
    size_t n; // items rated
    size_t reviews;
    double mean; // NaN: none
    hd_evidence events;
    hd_evidence review_keys;
} hd_ratings;

struct hd_profile {
    hd_arena arena; // lists and names
    hd_time now;
    hd_recency recency;
    hd_frequency frequency;
    hd_hours hours;
    hd_browsing browsing;
    hd_monetary monetary;
    hd_price_band price_band;
    hd_likings categories;
    hd_likings brands;
    hd_drift drift;
    hd_ratings ratings;
};

// ── Descriptors ──

// One dimension of the vector. more, less: what users far above or below the mean are called.
typedef struct hd_dimension {
    const char *name;
    hd_text more, less;
    bool skewed; // spans orders of magnitude: segments see sign(x) · log(1 + |x|)
    double (*get)(const hd_profile *profile); // NaN: not known
} hd_dimension;

typedef struct hd_fact {
    const char *name; // its key in JSON
    heed_err (*compute)(const hd_fact_input *in, hd_profile *out);
    bool (*known)(const hd_profile *profile);                    // false: null in JSON
    heed_err (*json)(const hd_profile *profile, json_t *object); // fills an empty object
    const hd_dimension *dimensions;
    size_t n_dimensions;
} hd_fact;

extern const hd_fact hd_fact_recency, hd_fact_frequency, hd_fact_hours, hd_fact_browsing,
    hd_fact_monetary, hd_fact_price_band, hd_fact_categories, hd_fact_brands, hd_fact_drift,
    hd_fact_ratings;
extern const hd_fact *const hd_facts[];
extern const size_t hd_n_facts;
const hd_dimension *hd_dimension_at(size_t i); // NULL past the end
const hd_fact *hd_dimension_fact(size_t i);    // the fact it belongs to, NULL past the end
// 1 / √(dimensions of its fact): what makes each fact count the same in a distance, however many
// numbers it takes to tell it.
double hd_dimension_weight(size_t i);

#endif
