// SPDX-License-Identifier: Apache-2.0
//
// Recommendations: what a user may want next, best first, with the reasons and the evidence. The
// user's events are read when asked: what was imported a moment ago counts, without training anew.
// A user without a history gets what is popular, by what is known of them; the answer says which
// method served each item and why that one.
//
//     heed_recommend_params params = heed_recommend_default();
//     params.n = 5;
//     heed_recommendations *list = NULL;
//     if (heed_recommend(ws, "u42", &params, &list) == HEED_OK)
//         for (size_t i = 0; i < list->n; i++)
//             printf("%s: %s\n", list->items[i].title, list->items[i].reason);
//     heed_recommendations_free(list);
//
// Caveats: `heed_train` must have run. Scores order items within one list; they are no
// probabilities, and two methods' scores don't compare.
#ifndef HEED_RECOMMEND_H
#define HEED_RECOMMEND_H

#include <stddef.h>
#include <stdint.h>

#include "heed/workspace.h"

#ifdef __cplusplus
extern "C" {
#endif

// Borrowed for the call. NULL, 0 and -1 mean the setting of that name, or no condition.
typedef struct heed_recommend_params {
    size_t n;                   // items wanted, up to 1,000; 0: recommend.n
    const char *method;         // NULL: recommend.method
    const char *const *session; // (n_session) ids of items just looked at, oldest first
    size_t n_session;
    const char *const *categories; // (n_categories) an item must have one of
    size_t n_categories;
    const char *const *filters; // (n_filters) all must hold: "brand=Sony", "price<=100"
    size_t n_filters;
    const char *const *exclude; // (n_exclude) item ids left out
    size_t n_exclude;
    int exclude_seen;     // 1, 0, or -1: recommend.exclude_seen
    int cap_per_category; // -1: recommend.cap_per_category; 0: no cap
    size_t reasons;       // at most so many events an item as evidence
    heed_lang lang;       // of the sentences
} heed_recommend_params;
HEED_API heed_recommend_params
heed_recommend_default(void); // 3 reasons, English, settings for the rest

// An event of the user that speaks for an item.
typedef struct heed_evidence {
    int64_t event;    // the event's number
    const char *item; // id of the item it was about
    const char *type; // "purchase"
    double share;     // of the score, 0 .. 1
} heed_evidence;

typedef struct heed_recommended {
    const char *id;
    const char *title;             // "" when unknown
    double score;                  // within this list only
    const char *method;            // that served it
    const char *why;               // a sentence: why that method
    const char *reason;            // a sentence: why this item
    const heed_evidence *evidence; // (n_evidence) by falling share
    size_t n_evidence;
} heed_recommended;

typedef struct heed_recommendations {
    heed_recommended *items; // (n)
    size_t n;                // fewer than asked for when nothing else is left
    const char *method;      // in use
    const char *version;     // of the model
} heed_recommendations;

// user: the company's id, or NULL for a visitor known by params->session alone. HEED_NOT_FOUND: the
// user is unknown, or nothing was trained yet. HEED_INPUT names a category, item or filter that
// can't be. *out: freed by heed_recommendations_free.
HEED_API heed_err heed_recommend(heed_workspace *ws, const char *user,
                                 const heed_recommend_params *params,
                                 heed_recommendations **out) HEED_CHECK;
HEED_API void heed_recommendations_free(heed_recommendations *list); // NULL is fine

// Items that are like an item, and what most happens at of late: JSON texts, the same that `heed
// similar --json` and `heed trending --json` print (docs/api has the shapes), freed by
// heed_text_free. Of params: n, categories, filters, exclude, cap_per_category; similar also
// method: "item_knn", "markov" or "content". HEED_NOT_FOUND: there is no such item.
HEED_API heed_err heed_similar(heed_workspace *ws, const char *item,
                               const heed_recommend_params *params, char **json) HEED_CHECK;
HEED_API heed_err heed_trending(heed_workspace *ws, const heed_recommend_params *params,
                                char **json) HEED_CHECK;

#ifdef __cplusplus
}
#endif
#endif
