// SPDX-License-Identifier: Apache-2.0
//
// A served list in words and as JSON.
#ifndef HD_RECOMMEND_WORDING_H
#define HD_RECOMMEND_WORDING_H

#include "recommend/serve.h"

// One sentence for one item, appended: "because you bought “Tea” on 2026-11-02 and viewed “Cup”",
// or what it is otherwise based on: "popular among users with city=Berlin". zone: of the dates.
void hd_served_reason_text(const hd_served_list *list, const hd_served *item, const hd_items *items,
                           heed_lang lang, const hd_zone *zone, hd_str *out);
// One sentence on which method served the item and why that one.
void hd_served_why_text(const hd_served_list *list, const hd_served *item, heed_lang lang,
                        hd_str *out);

// How a list is put: in which language, dates in which zone, and with the reasons or without.
typedef struct hd_wording {
    heed_lang lang;
    const hd_zone *zone;
    bool explain;
} hd_wording;

// {"asked": 10, "method": "markov", "items": [{"rank", "id", "title", "score", "method", "why"}]}
// and, explained, for each item also "why_text", "reason", "evidence": [{"event", "item", "title",
// "type", "time", "share"}]. "method": the first in line. "time" is absent when unknown, "type"
// when the request had none.
heed_err hd_served_json(const hd_served_list *list, const hd_items *items, hd_wording wording,
                        json_t **out) HEED_CHECK;

#endif
