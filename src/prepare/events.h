// SPDX-License-Identifier: Apache-2.0
//
// Cleaning events before a model learns from them: exact repeats, robots, impossible times. Nothing
// is deleted: every event gets a verdict, and whoever holds the events leaves out what isn't kept.
//
//     hd_event_clean_params params = hd_event_clean_default(hd_time_now());
//     HD_TRY(hd_event_cleaner_new(&params, &cleaner));
//     each event, in any order:  hd_event_cleaner_add(cleaner, user_key, item_key, type, time)
//     HD_TRY_OUT(hd_event_cleaner_run(cleaner));
//     the same events again:     if (hd_event_cleaner_keeps(cleaner, i++)) …
//     HD_TRY_OUT(hd_event_cleaner_report(cleaner, &json));
//
// Memory: 24 bytes an event, 4 more while it runs, and some 40 per user and item.
#ifndef HD_PREPARE_EVENTS_H
#define HD_PREPARE_EVENTS_H

#include "base/json.h"
#include "base/time.h"

typedef struct hd_event_clean_params {
    bool duplicates;          // drop repeats of (user, item, type) …
    int64_t duplicate_window; // … at most this many ms after the one kept; 0: the same instant only
    bool robots;              // drop all events of users whose busiest hour is not human:
    double robot_per_hour;    // more events than this within an hour, and
    double robot_mads;        // more than median + this many MADs of all users' busiest hours
    bool times;               // drop events outside [earliest, latest]
    hd_time earliest, latest;
} hd_event_clean_params;
// Repeats within a second; robots above 600 events an hour and median + 10 MADs; times from 1990 to
// a day after now. Events without a time are never dropped for their time.
hd_event_clean_params hd_event_clean_default(hd_time now);

typedef enum hd_event_verdict {
    HD_EVENT_KEEP,
    HD_EVENT_DUPLICATE,
    HD_EVENT_ROBOT,
    HD_EVENT_TIME
} hd_event_verdict;

typedef struct hd_event_cleaner hd_event_cleaner;
heed_err hd_event_cleaner_new(const hd_event_clean_params *params,
                              hd_event_cleaner **out) HEED_CHECK;
void hd_event_cleaner_free(hd_event_cleaner *cleaner);
// user_key 0: anonymous (never a robot, never a repeat); item_key 0: no item; HD_TIME_NONE: no
// time.
heed_err hd_event_cleaner_add(hd_event_cleaner *cleaner, int64_t user_key, int64_t item_key,
                              const char *type, hd_time time) HEED_CHECK;
// Judges all that was added. Once; no more additions after it. O(n log n).
heed_err hd_event_cleaner_run(hd_event_cleaner *cleaner) HEED_CHECK;

size_t hd_event_cleaner_count(const hd_event_cleaner *cleaner);
// The i-th event in the order of addition.
hd_event_verdict hd_event_cleaner_verdict(const hd_event_cleaner *cleaner, size_t i);
static inline bool hd_event_cleaner_keeps(const hd_event_cleaner *cleaner, size_t i) {
    return hd_event_cleaner_verdict(cleaner, i) == HD_EVENT_KEEP;
}
// {"events", "kept", "duplicates", "robots": {"users", "events", "threshold_per_hour"}, "times":
// {"early", "late"}, "parameters": {…}}. Counts only, no ids.
heed_err hd_event_cleaner_report(const hd_event_cleaner *cleaner, json_t **out) HEED_CHECK;

#endif
