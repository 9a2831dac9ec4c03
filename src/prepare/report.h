// SPDX-License-Identifier: Apache-2.0
//
// The data report: what a company's data looks like as a whole, and what in it should be looked at
// before a figure is believed. Fed by a stream; holds counts and sketches, nothing personal.
//
//     HD_TRY(hd_data_report_new(now, zone, &report));
//     HD_TRY_OUT(hd_data_report_item(report, &item));     // each item
//     HD_TRY_OUT(hd_data_report_event(report, &event));   // each event, in any order
//     HD_TRY_OUT(hd_data_report_finish(report, &json));
//     HD_TRY_OUT(hd_data_report_text(json, lang, &text));
//
// Memory: 16 bytes an event, some 40 per user and item, some 25 kB per column.
#ifndef HD_PREPARE_REPORT_H
#define HD_PREPARE_REPORT_H

#include "base/json.h"
#include "base/time.h"

typedef struct hd_data_report hd_data_report;
// now: later times count as future (a day's grace); HD_TIME_NONE: none do. zone: of the days (NULL:
// UTC), borrowed.
heed_err hd_data_report_new(hd_time now, const hd_zone *zone, hd_data_report **out) HEED_CHECK;
void hd_data_report_free(hd_data_report *report);

// NULL or "" texts, NaN and HD_TIME_NONE are missing. Lent for the call.
typedef struct hd_report_item {
    int64_t key;
    const char *title;
    const char *brand;
    const char *category; // the broadest, or any
    double price;
    const char *currency;
    hd_time created;
} hd_report_item;
heed_err hd_data_report_item(hd_data_report *report, const hd_report_item *item) HEED_CHECK;

typedef struct hd_report_event {
    int64_t user_key; // 0: anonymous
    int64_t item_key; // 0: none
    const char *type;
    double value;
    double quantity;
    const char *currency;
    hd_time time;
} hd_report_event;
heed_err hd_data_report_event(hd_data_report *report, const hd_report_event *event) HEED_CHECK;

// Users known beside those who have events (imported without any): their number.
void hd_data_report_users(hd_data_report *report, uint64_t n_known);
// What an event cleaner reported (prepare/events.h): stands in the result as "cleaning". Takes the
// reference, also when it fails.
heed_err hd_data_report_cleaning(hd_data_report *report, json_t *cleaning) HEED_CHECK;

// {"events", "anonymous_events", "users", "users_without_events", "items", "items_without_events",
//  "unknown_items" (that events name but nobody fed), "density" (of the users and items that have
//  events), "events_per_user": {"mean", "median", "max"}, "events_per_item": {…},
//  "types": [{"type", "events"}], "span": {"first", "last", "days"} or null, "without_time",
//  "duplicates" (same user, item, type, time), "gaps": [{"from", "to", "days"}] (a week and more),
//  "days_without_events", "columns": [{"table", "column", "values", "missing", "distinct" (near),
//  "min"?, "max"?, "mean"?}], "findings": [{"code", "table", "column", "count", "share",
//  "text": {"en", "zh"}}], "cleaning"?}. Figures that don't exist are null. Once.
heed_err hd_data_report_finish(hd_data_report *report, json_t **out) HEED_CHECK;

// The report for a person's eyes, in lines.
heed_err hd_data_report_text(const json_t *report, heed_lang lang, hd_str *out) HEED_CHECK;

#endif
