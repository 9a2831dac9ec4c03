// SPDX-License-Identifier: Apache-2.0
//
// What each key used per day (UTC): counted in memory by many threads, written from time to time as
// absolute numbers, read back at start, so that a quota outlives a restart. A crash forgets what
// was counted since the last flush.
//
// Threads: hd_usage_meter and all of a meter: any. Load and flush: the store's thread.
#ifndef HD_ACCESS_USAGE_H
#define HD_ACCESS_USAGE_H

#include "access/access.h"

typedef struct hd_usage hd_usage;
typedef struct hd_meter hd_meter; // of one key; lives as long as the usage

typedef struct hd_count {
    int64_t requests; // let in
    int64_t events;   // posted
    int64_t tokens;   // of language models
    int64_t refused;  // turned away: rate, quota, scope
} hd_count;

heed_err hd_usage_new(hd_usage **out) HEED_CHECK;
void hd_usage_free(hd_usage *usage);
// Reads today's and yesterday's numbers back. Before any counting.
heed_err hd_usage_load(hd_usage *usage, hd_store *store, hd_time now) HEED_CHECK;
// The meter of a key, made when it is new; "" counts those who came without a valid key.
heed_err hd_usage_meter(hd_usage *usage, const char *id, hd_meter **out) HEED_CHECK;
// Writes what changed, in one transaction of its own (not within another). When it fails, the next
// one writes it.
heed_err hd_usage_flush(hd_usage *usage, hd_store *store) HEED_CHECK;

// Adds to today.
void hd_meter_add(hd_meter *meter, hd_time now, hd_count amount);
// The same if today's sums stay within the quotas of what is taken; else false, nothing is added
// but one refusal, and *what (may be NULL) names the quota: "requests", "events" or "tokens". Exact
// under any number of threads.
bool hd_meter_take(hd_meter *meter, hd_time now, hd_count amount, const hd_quota *quota,
                   const char **what);
// Whether that much would still be within the quotas; counts nothing.
bool hd_meter_would(hd_meter *meter, hd_time now, hd_count amount, const hd_quota *quota,
                    const char **what);
hd_count hd_meter_today(hd_meter *meter, hd_time now);
// Milliseconds until quotas begin anew.
int64_t hd_usage_until_midnight(hd_time now);

// ── Reports ──

typedef struct hd_usage_row {
    char id[HD_KEY_ID + 1]; // "": without a valid key
    hd_time day;            // midnight UTC
    hd_count count;
} hd_usage_row;
// Rows of days from `since` on (HD_TIME_NONE: all), of one key (NULL: all), oldest first, then by
// key. In the arena: (n).
heed_err hd_usage_list(hd_store *store, hd_time since, const char *id, hd_arena *arena,
                       hd_usage_row **out, size_t *n) HEED_CHECK;

#endif
