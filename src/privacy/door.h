// SPDX-License-Identifier: Apache-2.0
//
// The only door to personal rows. Every read states its purpose. Users have surrogate keys, which
// are never used again; ids of one person from several sources lead to one key. Models see the
// dense indexes of a snapshot.
//
// Threads: one door, one thread at a time (as its store).
#ifndef HD_PRIVACY_DOOR_H
#define HD_PRIVACY_DOOR_H

#include "base/arena.h"
#include "base/record.h"
#include "base/settings.h"
#include "base/sparse.h"
#include "privacy/keyring.h"
#include "store/store.h"

// X(NAME, "name", English, Chinese)
#define HD_PURPOSE_LIST(X)                                                   \
    X(RECOMMEND, "recommend", "recommending", "推荐")                        \
    X(PROFILE, "profile", "profiling", "画像")                               \
    X(NEED, "need", "finding needs", "需求分析")                             \
    X(ASSIST, "assist", "assisting", "智能客服")                             \
    X(TRAIN, "train", "training and evaluating models", "训练与评估模型")    \
    X(SUPPORT, "support", "support by people", "人工支持")                   \
    X(EXPERIMENT, "experiment", "experiments", "实验")                       \
    X(RIGHTS, "rights", "the rights of the persons concerned", "当事人权利") \
    X(CARE, "care", "counting and checking the data as a whole", "数据整体的统计与检查")

typedef enum hd_purpose {
#define HD_PURPOSE_ENUM(name, text, en, zh) HD_PURPOSE_##name,
    HD_PURPOSE_LIST(HD_PURPOSE_ENUM)
#undef HD_PURPOSE_ENUM
        HD_PURPOSES
} hd_purpose;
const char *hd_purpose_name(hd_purpose purpose);

// What a purpose may read; anything else is HEED_DENIED (the table stands in purpose.c):
//
//               external ids   attributes   one person's   texts of   the data as a whole
//                                           rows           reviews    (scan, snapshot)
//     recommend      x             x            x             -               x
//     profile        x             x            x             x               x
//     need           x             x            x             x               x
//     assist         x             x            x             x               -
//     train          -             x            -             x               x
//     support        x             x            x             x               -
//     experiment     x             -            x             -               x
//     rights         x             x            x             x               -
//     care           -             -            -             -               x
//
// Where texts may not be read, a review comes with its title and text NULL. Counts are open to all.

// The steps' ctx is an hd_privacy_keys: what older rows are sealed with. NULL will do for a
// database without rows.
extern const hd_migration hd_privacy_migrations[];
extern const size_t hd_privacy_n_migrations;
typedef struct hd_privacy_keys {
    hd_keyring *keyring;
    bool encrypt;
} hd_privacy_keys;

// Whose keys the database is sealed with; *bound false: nobody's yet. Any version.
heed_err hd_privacy_workspace(hd_store *store, uint8_t out[HD_WORKSPACE_ID_BYTES],
                              bool *bound) HEED_CHECK;
// Notes whose keys it is, once; within or outside a transaction. HEED_DENIED: another workspace's.
// encrypt: how the first rows are written.
heed_err hd_privacy_bind(hd_store *store, hd_keyring *keyring, bool encrypt) HEED_CHECK;
// Whether what stands is sealed, by what was noted; hd_privacy_note: it is written so from now on.
typedef enum hd_sealed_state { HD_SEALED_NONE, HD_SEALED_ALL, HD_SEALED_MIXED } hd_sealed_state;
heed_err hd_privacy_sealed(hd_store *store, hd_sealed_state *out) HEED_CHECK;
heed_err hd_privacy_note(hd_store *store, bool encrypt) HEED_CHECK;

typedef struct hd_door hd_door;
// store and keyring: borrowed. A keyring that is NULL or locked: what is sealed or looked up by id
// is HEED_UNAVAILABLE; counts, snapshots and events by key are as they are.
heed_err hd_door_open(hd_store *store, hd_keyring *keyring, hd_door **out) HEED_CHECK;
// Whether what is written from now on is sealed (as at the start) or plain.
void hd_door_encrypt(hd_door *door, bool on);
// Brings all that stands into that form, in many transactions; go_on (may be NULL) is asked before
// each, and its failure ends it. *changed: how many values.
heed_err hd_door_reseal(hd_door *door, heed_err (*go_on)(void *ctx), void *ctx,
                        int64_t *changed) HEED_CHECK;
void hd_door_close(hd_door *door);

// ── Writing (import and, later, the API): inside the caller's transaction
// ────────────────────────────────────────

typedef enum hd_put {
    HD_PUT_NEW,
    HD_PUT_CHANGED,
    HD_PUT_SAME
} hd_put; // SAME: it stood there already

// Writes one record of a personal kind (users, events, reviews, tickets). Users not known yet are
// made. item_key: the catalogue's key of the record's item, 0 when it has none. What is overwritten
// is kept for undo. Fields not given keep what stood there. A repeated event_id or message_id
// changes nothing; a repeated review (its id, else user, item and time) updates. HEED_INPUT: the
// record was refused and has left nothing, the next one may follow; any other failure: roll back.
heed_err hd_door_put(hd_door *door, int64_t batch, const hd_record *record, int64_t item_key,
                     hd_put *what) HEED_CHECK;
// How the events of the batch to come are written. BULK, as without a call: with many of them the
// indexes are dropped and made anew at the end. STEADY: never, since others read meanwhile: what
// comes stands aside and is put in order by hd_door_tidy, or all at once when much has come
// together; otherwise ending a batch then costs nothing.
typedef enum hd_load_mode { HD_LOAD_BULK, HD_LOAD_STEADY } hd_load_mode;
void hd_door_put_begin(hd_door *door, hd_load_mode mode);
// Called once after the last put of a batch, before the commit: completes what bulk loading put off
// (indexes). *repeats: how many events that were reported as NEW turned out to repeat an event_id
// of the same data, and were left out. A batch that isn't ended must be rolled back.
heed_err hd_door_put_end(hd_door *door, int64_t batch, int64_t *repeats) HEED_CHECK;
// For a writer that has nothing else to do: puts a slice of what stands aside in order, in a
// transaction of its own that takes some ten milliseconds. While hd_door_is_tidy says no.
heed_err hd_door_tidy(hd_door *door) HEED_CHECK;
bool hd_door_is_tidy(const hd_door *door);
// Takes a batch back: its rows go, what it overwrote returns. HEED_CONFLICT names the later batch
// that changed the same rows and must be undone first. *rows: how many went or returned.
heed_err hd_door_undo(hd_door *door, int64_t batch, int64_t *rows) HEED_CHECK;
// Whether anything personal refers to the item (so that the catalogue's undo keeps it).
heed_err hd_door_item_used(hd_door *door, int64_t item_key, bool *used) HEED_CHECK;
// Makes `from` another id of the person `into`: rows of both stand under one key.
heed_err hd_door_merge(hd_door *door, hd_slice from, hd_slice into) HEED_CHECK;

// The subject whose key seals what is known of a user, and the user of a subject; 0: there is none.
// For the ledger of erasures.
heed_err hd_door_subject(hd_door *door, int64_t user_key, int64_t *subject) HEED_CHECK;
heed_err hd_door_subject_user(hd_door *door, int64_t subject, int64_t *user_key) HEED_CHECK;

// ── Reading. Whoever is out of the purpose (consent.h) is HEED_DENIED when asked for by name, and
// left out where all persons are read, as if their rows had never been there.
// ──────────────────────────────────────────────────────────────────────────────────────────────────────

// HEED_NOT_FOUND for an unknown id, without naming whether it ever existed.
heed_err hd_door_user_find(hd_door *door, hd_purpose purpose, hd_slice id,
                           int64_t *user_key) HEED_CHECK;

typedef struct hd_door_user {
    int64_t key;
    const char *id;
    const char *attributes; // a JSON object
    hd_time created;        // HD_TIME_NONE: unknown
} hd_door_user;
heed_err hd_door_user_get(hd_door *door, hd_purpose purpose, int64_t user_key, hd_arena *arena,
                          hd_door_user *out) HEED_CHECK;

// The attributes alone, for purposes that may not know who it is (training).
heed_err hd_door_attributes(hd_door *door, hd_purpose purpose, int64_t user_key, hd_arena *arena,
                            const char **out) HEED_CHECK;

typedef struct hd_door_event {
    int64_t key;      // evidence
    int64_t item_key; // 0: none
    const char *type; // borrowed from the door, interned
    double value;
    double quantity;
    hd_time time;
    char currency[4]; // "" when unknown
} hd_door_event;
// A user's events in time order (ties in input order), the last `limit` of them (0: all), in the
// arena.
heed_err hd_door_events(hd_door *door, hd_purpose purpose, int64_t user_key, size_t limit,
                        hd_arena *arena, hd_door_event **out, size_t *n) HEED_CHECK;

// What recommending reads at every request, in one: the user behind an id (HEED_NOT_FOUND as
// above), and their events at items in time order, with item_key, type, value and time alone.
typedef struct hd_history_wish {
    bool keys;    // of the events too, for who names the evidence
    size_t limit; // the newest so many; 0: all
} hd_history_wish;
heed_err hd_door_history(hd_door *door, hd_purpose purpose, hd_slice id, hd_history_wish wish,
                         hd_arena *arena, int64_t *user_key, hd_door_event **out,
                         size_t *n) HEED_CHECK;
// Keeps what such reads found in memory, at most so many bytes (0, as at the start: nothing), and
// reads anew what changed since. Used within transactions that only read.
void hd_door_keep_histories(hd_door *door, size_t bytes);

typedef struct hd_door_review {
    int64_t key;
    int64_t item_key;
    double rating;
    const char *title;
    const char *text;
    hd_time time;
} hd_door_review;
heed_err hd_door_reviews(hd_door *door, hd_purpose purpose, int64_t user_key, hd_arena *arena,
                         hd_door_review **out, size_t *n) HEED_CHECK;

// Calls fn for every user who has events (all users when with_empty), in key order, with the events
// in time order; reviews come without their texts. The arrays are lent for the call. A failing fn
// ends the scan.
typedef heed_err (*hd_door_user_fn)(void *ctx, int64_t user_key, const hd_door_event *events,
                                    size_t n_events, const hd_door_review *reviews,
                                    size_t n_reviews);
heed_err hd_door_scan(hd_door *door, hd_purpose purpose, bool with_empty, hd_door_user_fn fn,
                      void *ctx) HEED_CHECK;
// Events in input order, all of them, anonymous ones too (user_key 0): for the data report.
typedef heed_err (*hd_door_event_fn)(void *ctx, int64_t user_key, const hd_door_event *event);
heed_err hd_door_scan_events(hd_door *door, hd_purpose purpose, hd_door_event_fn fn,
                             void *ctx) HEED_CHECK;
// Only those with a key above `after`: what came since a scan before. What was taken away since
// isn't told.
heed_err hd_door_scan_events_after(hd_door *door, hd_purpose purpose, int64_t after,
                                   hd_door_event_fn fn, void *ctx) HEED_CHECK;

// What the models see: rows are users in key order, columns the given items.
typedef struct hd_snapshot {
    hd_sparse events;
    int64_t *user_key; // (U)
    int64_t *item_key; // (I)
    char hash[65]; // BLAKE2b-256 over (user, item, weight, time) of all entries: names the data a
                   // figure is about
} hd_snapshot;

// Weight of an event type as a signal; ≤ 0 leaves the event out.
typedef struct hd_signals {
    double (*weight)(void *ctx, const char *type, double value);
    void *ctx;
} hd_signals;
heed_err hd_door_snapshot(hd_door *door, hd_purpose purpose, const int64_t *item_keys,
                          size_t n_items, hd_signals signals, hd_snapshot *out) HEED_CHECK;
void hd_snapshot_clear(hd_snapshot *snapshot);

typedef struct hd_door_counts {
    int64_t users, events, anonymous_events, reviews, tickets, messages;
    hd_time first, last; // of the events
} hd_door_counts;
heed_err hd_door_count(hd_door *door, hd_purpose purpose, hd_door_counts *out) HEED_CHECK;
// The external id behind an index of a snapshot: for the answer to the company that asked.
heed_err hd_door_user_id(hd_door *door, hd_purpose purpose, int64_t user_key, hd_arena *arena,
                         char **out) HEED_CHECK;
// Ids of up to `limit` users with most events (demo, completion, docs).
heed_err hd_door_busiest(hd_door *door, hd_purpose purpose, size_t limit, hd_arena *arena,
                         char ***ids, size_t *n) HEED_CHECK;

#endif
