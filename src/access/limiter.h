// SPDX-License-Identifier: Apache-2.0
//
// Token buckets for many clients in bounded memory: who asks too fast is told when to come back.
// A client is a key or a network address (IPv6 by its /64, as one customer holds one). When the
// table is full, the client unseen for longest makes room; should its bucket not be full again yet,
// the newcomer goes on with it, so that a flood of addresses never buys more than (capacity ×
// burst) and what all refills give.
//
// Time is given, so a test can be exact. Threads: any.
#ifndef HD_ACCESS_LIMITER_H
#define HD_ACCESS_LIMITER_H

#include "access/access.h"

typedef struct hd_limiter hd_limiter;

// capacity: clients remembered, about 56 bytes each; ≥ 1. All memory is taken here.
heed_err hd_limiter_new(size_t capacity, hd_limiter **out) HEED_CHECK;
void hd_limiter_free(hd_limiter *limiter);
size_t hd_limiter_count(hd_limiter *limiter); // clients remembered now

typedef struct hd_who {
    uint8_t bytes[17]; // kind, then what tells them apart
} hd_who;
// tenant: a number of the caller's that keeps workspaces apart.
hd_who hd_who_key(uint32_t tenant, const char id[HD_KEY_ID + 1]);
// "192.0.2.7", "2001:db8::1", "::ffff:192.0.2.7" (as IPv4). NULL, "" and what is no address (a Unix
// socket) are one client.
hd_who hd_who_address(const char *address);

// Takes `cost` tokens (≥ 1; more than the burst counts as the whole burst). false: not now, and
// nothing is taken; *retry_ms (may be NULL) is when it would do. A rate of 0 is no limit. now_ms: a
// monotonic clock; a step backwards never locks anybody out for longer than a full bucket and a
// minute take.
bool hd_limiter_take(hd_limiter *limiter, const hd_who *who, hd_rate rate, int64_t now_ms,
                     double cost, int64_t *retry_ms);

#endif
