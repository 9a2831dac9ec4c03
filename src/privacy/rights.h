// SPDX-License-Identifier: Apache-2.0
//
// The rights of persons, as far as rows go: what is stored of somebody, correcting it, erasing it,
// and removing what is past its time. Purpose of all of it: HD_PURPOSE_RIGHTS, which is never
// gated. What stands outside of the database (models, files, keys) is the business of workspace/.
//
// All functions work in the caller's transaction, or in one of their own where nothing is written.
#ifndef HD_PRIVACY_RIGHTS_H
#define HD_PRIVACY_RIGHTS_H

#include <jansson.h>

#include "privacy/door.h"

// The person of an id, HEED_NOT_FOUND without naming whether it ever existed.
heed_err hd_rights_find(hd_door *door, hd_slice id, int64_t *person) HEED_CHECK;

typedef struct hd_rights_counts {
    int64_t ids, events, reviews, tickets, messages;
    hd_time first, last; // of the events
} hd_rights_counts;
heed_err hd_rights_count(hd_door *door, int64_t person, hd_rights_counts *out) HEED_CHECK;

// The ids of a person, the main one first; in the arena.
heed_err hd_rights_ids(hd_door *door, int64_t person, hd_arena *arena, char ***ids,
                       size_t *n) HEED_CHECK;

// ── Export ──

// The id of an item, "" when it is gone; borrowed until the next call.
typedef struct hd_item_names {
    heed_err (*id)(void *ctx, int64_t item_key, const char **out);
    void *ctx;
} hd_item_names;
// Adds everything that is stored of the person to the object, an array of rows each: ids, joined,
// events, reviews, tickets, messages, overwritten_* (what an import replaced and undoing it would
// bring back), consents, consent_history.
heed_err hd_rights_export(hd_door *door, int64_t person, hd_item_names items,
                          json_t *out) HEED_CHECK;
// Whether the person had rows that a model might have learned from, if it was fitted at `time` for
// the purpose: some were there by then, and nothing that was said kept the person out at that time.
heed_err hd_rights_held(hd_door *door, int64_t person, hd_purpose purpose, hd_time time,
                        bool *held) HEED_CHECK;

// ── Correction ──

typedef struct hd_correction {
    json_t *attributes;    // an object: a value sets the attribute, null removes it; may be NULL
    const int64_t *events; // (n_events) numbers of events that are wrong
    size_t n_events;
    const int64_t *reviews; // (n_reviews)
    size_t n_reviews;
} hd_correction;
// HEED_NOT_FOUND: one of the rows isn't the person's; nothing was changed then.
heed_err hd_rights_correct(hd_door *door, int64_t person, const hd_correction *what) HEED_CHECK;

// ── Erasure ──

// The keys of all ids of a person, the main one first; in the arena.
heed_err hd_rights_keys(hd_door *door, int64_t person, hd_arena *arena, int64_t **keys,
                        size_t *n) HEED_CHECK;
// Removes these ids with all their rows, in the caller's transaction; ids that were joined with
// them and aren't named stay, joined by what still joins them. Keys that are not there are passed
// over. *out (may be NULL): what went.
heed_err hd_rights_erase(hd_door *door, const int64_t *keys, size_t n,
                         hd_rights_counts *out) HEED_CHECK;

// ── Retention ──

// Instants before which what stands is past its time; HD_TIME_NONE: it is kept.
typedef struct hd_retention {
    hd_time events, reviews, tickets, users;
} hd_retention;
typedef struct hd_expired {
    int64_t events, reviews, tickets, messages, users;
} hd_expired;
// How much is past its time (users: persons of whom nothing newer is known).
heed_err hd_rights_expired(hd_door *door, const hd_retention *before, hd_expired *out) HEED_CHECK;

// How far removing has come; all zeros: it begins.
typedef struct hd_expiring {
    size_t pass;
    int64_t key;
    bool any; // something went
} hd_expiring;
// Removes what is past its time among the next `most` rows, in one transaction: events, reviews,
// tickets, then ids that nothing refers to any more; what imports overwrote goes with it. *gone:
// what this step removed. A failure leaves all as it was. Persons are for the caller to erase.
heed_err hd_rights_expire(hd_door *door, const hd_retention *before, size_t most, hd_expiring *at,
                          hd_expired *gone) HEED_CHECK;
bool hd_rights_expired_all(const hd_expiring *at);
// Those of the next `most` persons after *after of whom nothing newer is known: the keys of their
// ids (n), of n_persons. *after: the last that was looked at, INT64_MAX at the end.
heed_err hd_rights_idle(hd_door *door, hd_time before, size_t most, int64_t *after, hd_arena *arena,
                        int64_t **keys, size_t *n, size_t *n_persons) HEED_CHECK;

#endif
