// SPDX-License-Identifier: Apache-2.0
//
// A made-up shop, for a first look without data of one's own: a year of a small shop's life, as the
// files a company would have. Figures on it prove nothing but the plumbing.
//
// What it holds, so that each part of heed has something to find: users whose tastes drift,
// seasons, items that are launched on the way, things that go together (a case after a phone),
// browse - cart - buy funnels with returns, reviews, support conversations, an FAQ.
#ifndef HD_WORKSPACE_DEMO_H
#define HD_WORKSPACE_DEMO_H

#include "base/error.h"
#include "base/time.h"

typedef struct hd_demo_params {
    heed_lang lang;
    uint64_t seed;
    size_t users; // 1 .. 1,000,000; 0: 1,500
    size_t items; // 60 .. 20,000; 0: 600
    size_t days;  // 30 .. 3,650; 0: 365
    hd_time end;  // the last day's midnight; HD_TIME_NONE: today's
} hd_demo_params;

typedef struct hd_demo_counts {
    size_t users, items, events, reviews, tickets, messages, documents;
} hd_demo_counts;

// Writes users.csv, items.csv, events.jsonl.gz, reviews.csv, tickets.jsonl and faq.csv into a
// folder (made when missing; files of that name are replaced). The same parameters give the same
// bytes. Memory: bounded by users and items, not by days.
heed_err hd_demo_write(const char *folder, const hd_demo_params *params,
                       hd_demo_counts *counts) HEED_CHECK;

#endif
