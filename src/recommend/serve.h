// SPDX-License-Identifier: Apache-2.0
//
// From fitted models to a list for one user: history in, rules applied, gaps filled, and for each
// item the method that served it, why that one, and what in the history speaks for it.
//
//     hd_serving *serving = NULL;
//     hd_serving_new(&items, snapshot.item_key, n_items, &serving);
//     hd_serving_add(serving, markov, markov_model);    // the chosen method first,
//     hd_serving_add(serving, popular, popular_model);  // then what fills in
//     hd_serve_rules rules = hd_serve_rules_default();
//     hd_serve(serving, &request, &rules, &list);
//
// Stages, in order, each taking what is left of the n: the first method; popular by attribute,
// where a table was given and knows the user's attributes; the other methods; the rest of the
// catalogue, newest first. A stage gives items with a score above 0 only, highest first, ties by
// item index.
//
// Threads: a serving is immutable once its parts were added; many threads may serve from it.
#ifndef HD_RECOMMEND_SERVE_H
#define HD_RECOMMEND_SERVE_H

#include "base/arena.h"
#include "catalog/catalog.h"
#include "recommend/cold.h"
#include "recommend/filter.h"
#include "recommend/recommender.h"

typedef struct hd_serving hd_serving;

// Memory of the catalogue's size that requests use one after the other, so that none has to ask for
// it. One thread at a time; grows with the servings it is used for.
typedef struct hd_serve_room hd_serve_room;
heed_err hd_serve_room_new(hd_serve_room **out) HEED_CHECK;
void hd_serve_room_free(hd_serve_room *room); // NULL is fine

// items: borrowed, must outlive the serving. item_key: (n_cols) the key behind each column of the
// models; keys that are no longer in the catalogue are never served.
heed_err hd_serving_new(const hd_items *items, const int64_t *item_key, size_t n_cols,
                        hd_serving **out) HEED_CHECK;
// The same with a column for each item, and one method.
heed_err hd_serving_new_of_all(const hd_items *items, const hd_method *method,
                               const hd_model *model, hd_serving **out) HEED_CHECK;
void hd_serving_free(hd_serving *serving);
// model, cold: borrowed. HEED_CONFLICT unless it has n_cols items.
heed_err hd_serving_add(hd_serving *serving, const hd_method *method,
                        const hd_model *model) HEED_CHECK;
heed_err hd_serving_cold(hd_serving *serving, const hd_cold *cold) HEED_CHECK;

// One event of the user, oldest first in the request. weight ≤ 0: no signal (the event is passed
// over). source: the event's key, the evidence.
typedef struct hd_serve_event {
    int64_t item_key;
    const char *type; // "purchase"; for the wording, may be NULL
    float weight;
    hd_time time; // HD_TIME_NONE: unknown
    int64_t source;
} hd_serve_event;

typedef struct hd_serve_request {
    const hd_serve_event *events; // (n_events), lent until the list is cleared
    size_t n_events;
    const char *attributes; // of the user, a JSON object; NULL: nothing known
    hd_time now;            // HD_TIME_NONE: the end of the training data
    bool left_out; // the user is out of this: the list says so (and has neither of the above)
    // Gives the attributes when they are first needed, which is seldom. NULL: those above are all.
    heed_err (*ask_attributes)(void *ctx, const char **out);
    void *ctx;
    hd_serve_room *room; // lent; NULL: the request brings its own
} hd_serve_request;

// No more than `max` items of a category (any of the item's categories counts).
typedef struct hd_category_cap {
    const char *category;
    size_t max;
} hd_category_cap;

enum { HD_SERVE_MAX = 1000 };
typedef struct hd_serve_rules {
    size_t n;                      // items wanted, 1 .. HD_SERVE_MAX
    bool exclude_seen;             // what the user has; replenishable items stay allowed
    const char *const *categories; // (n_categories) an item must have one of; none: all pass
    size_t n_categories;
    const hd_filter *filters; // (n_filters) all must hold
    size_t n_filters;
    const char *const *exclude; // (n_exclude) item ids left out
    size_t n_exclude;
    size_t category_cap;         // items of one (narrowest) category at most; 0: any number
    const hd_category_cap *caps; // (n_caps)
    size_t n_caps;
    size_t reasons;  // at most so many an item; 0: none
    bool first_only; // nothing fills up what the first method leaves: the list may be short, or
                     // empty
} hd_serve_rules;
hd_serve_rules hd_serve_rules_default(void); // 10 items, seen excluded, 3 reasons

// Why a stage served an item. X(NAME, "name", English, Chinese); %s: the first method's name.
#define HD_WHY_LIST(X)                                                                   \
    X(CHOSEN, "chosen", "'%s' is the method in use", "“%s”是正在使用的方法")             \
    X(NO_HISTORY, "no_history", "nothing the user did is known to '%s' yet",             \
      "“%s”尚不了解该用户的任何行为")                                                    \
    X(NO_SIGNAL, "no_signal", "'%s' finds nothing to go by", "“%s”找不到依据")           \
    X(FILLED, "filled", "the rules left '%s' too few items", "规则过滤后“%s”的商品不足") \
    X(LEFT_OUT, "left_out",                                                              \
      "the user takes no part in recommending: nothing known of them was used%.0s",      \
      "该用户不参与推荐：未使用其任何数据%.0s")

typedef enum hd_why {
#define HD_WHY_ENUM(name, text, en, zh) HD_WHY_##name,
    HD_WHY_LIST(HD_WHY_ENUM)
#undef HD_WHY_ENUM
        HD_WHYS
} hd_why;
const char *hd_why_name(hd_why why);

// What speaks for an item: an entry of the user's history.
typedef struct hd_served_reason {
    size_t item;      // index in hd_items
    const char *type; // of the event, as in the request
    hd_time time;
    int64_t source; // event key
    double share;   // of the score, 0 .. 1; entries at one item are joined under the newest
} hd_served_reason;

typedef struct hd_served {
    size_t item; // index in hd_items
    double score;
    const char *method; // a method's name, "popular_by_attribute", or "catalogue"
    hd_why why;
    const hd_served_reason *reasons; // (n_reasons) by falling share
    size_t n_reasons;
} hd_served;

typedef struct hd_served_list {
    hd_served *item; // (n)
    size_t n;
    size_t asked;            // n of the rules: the list is shorter when nothing is left
    const char *first;       // the first method's name
    const char **attributes; // (n_attributes) the user's values that popular_by_attribute knew
    size_t n_attributes;
    hd_arena own;    // holds all of it, unless the request brought a room:
    hd_arena *arena; // then the room does, until it is used again
} hd_served_list;

// Unknown categories, ids to exclude, and rules out of range are HEED_INPUT and name the field.
heed_err hd_serve(const hd_serving *serving, const hd_serve_request *request,
                  const hd_serve_rules *rules, hd_served_list *out) HEED_CHECK;
void hd_served_clear(hd_served_list *list);

#endif
