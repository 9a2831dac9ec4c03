// SPDX-License-Identifier: Apache-2.0
//
// All keys of a workspace as one immutable table, so that a request is let in without the database:
// found by id in constant time, checked by one keyed hash. When keys change, a new table is loaded
// and takes the old one's place (access/guard.h).
//
// Threads: any may read.
#ifndef HD_ACCESS_KEYSET_H
#define HD_ACCESS_KEYSET_H

#include "access/usage.h"

typedef struct hd_keyset hd_keyset;

typedef struct hd_keyset_entry {
    char id[HD_KEY_ID + 1];
    unsigned scopes;
    hd_time expires, revoked;
    hd_quota quota;
    hd_rate rate;
    hd_meter *meter; // borrowed from the usage
    uint8_t hash[HD_KEY_HASH];
} hd_keyset_entry;

// usage: must outlive the keyset.
heed_err hd_keyset_load(hd_store *store, const uint8_t secret[HD_API_SECRET], hd_usage *usage,
                        hd_keyset **out) HEED_CHECK;
void hd_keyset_free(hd_keyset *keyset);
size_t hd_keyset_size(const hd_keyset *keyset);
// By id alone: says which workspace a key may belong to, not that it is genuine. NULL: none.
const hd_keyset_entry *hd_keyset_find(const hd_keyset *keyset, const char *id);
// The genuine key's entry, whether it is in force or not; NULL: no such key, or a wrong secret.
// Both take the same time.
const hd_keyset_entry *hd_keyset_verify(const hd_keyset *keyset, const hd_presented *presented);

#endif
