// SPDX-License-Identifier: Apache-2.0
//
// Histories of persons who asked lately, kept in memory within a bound: the thousand events of an
// avid customer would otherwise be a thousand steps of the database at each request. A door keeps
// its own; what makes them stale stands in history.c.
#ifndef HD_PRIVACY_HISTORIES_H
#define HD_PRIVACY_HISTORIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// An event's row, as small as nearly all are: keys of 32 bits, a value that a float holds.
typedef struct hd_history_row {
    int64_t time;
    uint32_t item, type, key;
    float value;
} hd_history_row;

typedef struct hd_kept_history {
    size_t n, cap;
    bool keys; // the rows' keys are known; else 0
    hd_history_row rows[];
} hd_kept_history;

typedef struct hd_histories_set hd_histories_set;
typedef struct hd_histories {
    size_t most;            // bytes that may be kept; 0: none are
    size_t bytes;           // that are kept
    size_t hand;            // the set that gives way next
    hd_histories_set *sets; // made at the first put
} hd_histories;

void hd_histories_init(hd_histories *all);
// Forgets all.
void hd_histories_clear(hd_histories *all);
void hd_histories_drop(hd_histories *all, int64_t person);
// What is kept of a person, or NULL. Borrowed until the next call.
const hd_kept_history *hd_histories_get(hd_histories *all, int64_t person);
// Room for n rows of a person, for the caller to fill, in place of what was kept; others give way.
// NULL: they aren't kept (no room, no memory, or so few that reading them again is cheap).
hd_kept_history *hd_histories_put(hd_histories *all, int64_t person, size_t n);

// Puts a row into what is kept of a person, by its time, behind those of the same time. Where that
// can't be, nothing is kept of them any more; who isn't kept is left alone.
void hd_histories_add(hd_histories *all, int64_t person, hd_history_row row);

#endif
