// SPDX-License-Identifier: Apache-2.0
//
// The words of the made-up shop, in both languages: what it sells, who buys, what they write. All
// invented.
#ifndef HD_WORKSPACE_DEMO_WORDS_H
#define HD_WORKSPACE_DEMO_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { HD_DEMO_NOUNS = 6, HD_DEMO_GOES_WITH = 2 };

typedef struct hd_demo_category {
    hd_text department;
    hd_text name;
    hd_text nouns[HD_DEMO_NOUNS];
    double price;                     // median, in CNY
    int season_month;                 // 1 .. 12 of the peak
    double season;                    // 0: the same all year .. 1: hardly sold out of season
    bool replenishable;               // bought again and again
    int goes_with[HD_DEMO_GOES_WITH]; // categories bought along with it
} hd_demo_category;

extern const hd_demo_category hd_demo_categories[];
extern const size_t hd_demo_n_categories;

// Lists that end with {NULL, NULL}.
extern const hd_text hd_demo_brands[];
extern const hd_text hd_demo_styles[];
extern const hd_text hd_demo_cities[];
extern const hd_text hd_demo_family_names[];
extern const hd_text hd_demo_given_names[];
extern const hd_text hd_demo_age_bands[];
extern const hd_text hd_demo_praise[];    // sentences of good reviews
extern const hd_text hd_demo_mixed[];     // of middling ones
extern const hd_text hd_demo_complaint[]; // of bad ones

// A reason to write to support, and how the talk goes: user, agent, user, agent …; %s is the item's
// title, 2 .. 4 messages.
enum { HD_DEMO_TALK = 4 };
typedef struct hd_demo_topic {
    hd_text subject;
    hd_text talk[HD_DEMO_TALK];
    double weight;
} hd_demo_topic;
extern const hd_demo_topic hd_demo_topics[];
extern const size_t hd_demo_n_topics;

typedef struct hd_demo_faq {
    hd_text question;
    hd_text answer;
} hd_demo_faq;
extern const hd_demo_faq hd_demo_faqs[];
extern const size_t hd_demo_n_faqs;

size_t hd_demo_count(const hd_text *list); // entries before the end

#endif
