// SPDX-License-Identifier: Apache-2.0
//
// What the files of privacy/ share. Not for other rooms.
#ifndef HD_PRIVACY_OWN_H
#define HD_PRIVACY_OWN_H

#include "base/map.h"
#include "privacy/consent.h"
#include "privacy/door.h"
#include "privacy/histories.h"
#include "privacy/idcache.h"
#include "privacy/seal.h"
#include "privacy/seen.h"

// What can be read, as bits: see the table in door.h.
typedef enum hd_may {
    HD_MAY_IDS = 1,
    HD_MAY_ATTRIBUTES = 2,
    HD_MAY_PERSON = 4,
    HD_MAY_TEXTS = 8,
    HD_MAY_WHOLE = 16
} hd_may;
bool hd_purpose_may(hd_purpose purpose, hd_may what);
heed_err hd_purpose_check(hd_purpose purpose, hd_may what) HEED_CHECK; // else HEED_DENIED

// The indexes of events, made and remade: see load.c.
#define HD_SQL_EVENTS_BY_USER                                                            \
    "CREATE INDEX events_by_user ON events(user_key, time, key, item_key, type, value, " \
    "quantity, currency) WHERE user_key IS NOT NULL;"
#define HD_SQL_EVENTS_BY_ID \
    "CREATE UNIQUE INDEX events_by_id ON events(id_hash) WHERE id_hash IS NOT NULL;"

// For whoever removes rows of `events`: the keys up to newest (an expression) aren't used again,
// and histories that are kept are read anew.
#define HD_SQL_EVENTS_REMOVED(newest) \
    "UPDATE events_mark SET removals = removals + 1, key = max(key, " newest ")"

// Both places where events stand, as a table expression of these columns (a list) and rows (a
// condition): see recent.c.
#define HD_EVENTS(columns, where)                                                        \
    "(SELECT " columns " FROM events WHERE " where " UNION ALL SELECT " columns " FROM " \
    "events_recent WHERE " where ")"

// What is known of events_recent while the door writes (recent.c).
typedef struct hd_recent {
    hd_map ids; // hashed event_id -> key of the row, which may have been rolled back
    int64_t n;  // rows there, at most
    bool known; // ids and n are complete
    bool moved; // what was there has been moved since the last commit
} hd_recent;

// How the events of the batch at hand are written (load.c).
typedef struct hd_load {
    bool ready;       // the rest is known
    bool bulk;        // the events' indexes are gone until the batch ends
    int64_t next_key; // of the next event
    int64_t standing; // events there at most, before the batch
    int64_t n_new;    // written by the batch
    int64_t n_waiting;
    hd_seen seen;
} hd_load;

// What stood there of events when the histories that are kept were read, or looked at last: rows up
// to a key, after so many removals. Keys only grow and rows don't change, so that tells all
// (history.c).
typedef struct hd_history_state {
    uint64_t writes; // the store's
    int64_t newest, removals;
    size_t limit; // how many rows of a person were read
} hd_history_state;

// A growing list.
typedef struct hd_event_list {
    hd_door_event *events;
    size_t n, cap;
} hd_event_list;

struct hd_door {
    hd_store *store; // borrowed
    uint64_t epoch;  // the store's, when the caches below were begun
    uint64_t others, rollbacks;
    hd_seals seals;
    hd_idcache users;   // external id -> key of that id
    hd_map names;       // every type's name met so far: keeps the bytes for the door's life
    hd_map types;       // name -> key
    hd_imap type_names; // key -> its name (a pointer into `names`)
    int64_t n_types;    // in the table; -1: not counted yet
    hd_load load;
    hd_recent recent;
    hd_histories histories;
    hd_history_state history_state;
    hd_event_list history; // where the last one was put together
    bool steady;           // the batch at hand keeps the events' indexes
    hd_imap used_items;    // items that something refers to
    bool used_known;
    hd_basis basis[HD_PURPOSES];
};

// Forgets what is cached when the store says that it may not stand any more. Called by whatever
// uses a cache.
void hd_door_sync(hd_door *door);
void hd_door_forget(hd_door *door);

// Runs a statement with integer parameters.
heed_err hd_run_keys(hd_door *door, const char *sql, const int64_t *keys, size_t n) HEED_CHECK;
#define HD_RUN(door, sql, ...)                                 \
    hd_run_keys((door), (sql), (const int64_t[]){__VA_ARGS__}, \
                sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))
// The key that the table's next row will have: it is bound into what the row seals.
heed_err hd_next_key(hd_door *door, const char *table, int64_t *key) HEED_CHECK;
// Binds 0 as NULL.
void hd_bind_key(hd_query *q, int i, int64_t key);

// ── users.c: ids and persons ──

// Refuses an empty id and one with a zero byte, which no C string could hold.
heed_err hd_id_check(hd_slice id, const char *field_en, const char *field_zh) HEED_CHECK;
// The key of an id, made when it is new; an absent id has key 0. *made may be NULL.
heed_err hd_users_make(hd_door *door, hd_slice id, int64_t *key, bool *made) HEED_CHECK;
// Takes back an id that was just made.
heed_err hd_users_unmake(hd_door *door, hd_slice id, int64_t key) HEED_CHECK;
heed_err hd_users_put(hd_door *door, int64_t batch, const hd_record *record, int64_t item_key,
                      hd_put *what) HEED_CHECK;
// The person behind a key, and whether other ids lead to it. HEED_NOT_FOUND: no such key.
heed_err hd_users_person(hd_door *door, int64_t key, int64_t *person, bool *joined) HEED_CHECK;
// The id of a key, in the arena.
heed_err hd_users_id(hd_door *door, int64_t key, hd_arena *arena, hd_slice *out) HEED_CHECK;
// The person behind an id, if they are in the purpose. HEED_NOT_FOUND: no such id.
heed_err hd_users_find_for(hd_door *door, hd_purpose purpose, hd_slice id, int64_t *person,
                           bool *joined) HEED_CHECK;
// Takes back the joins of a batch. *n is raised by how many.
heed_err hd_users_unlink(hd_door *door, int64_t batch, int64_t *n) HEED_CHECK;
// Joins the ids of what was one person anew, by the pairs that are left.
heed_err hd_users_rejoin(hd_door *door, int64_t person) HEED_CHECK;
// Removes ids without a record that nothing refers to, among those with keys above `after` and not
// above `last`.
heed_err hd_users_sweep(hd_door *door, int64_t after, int64_t last) HEED_CHECK;

// ── consent.c: who is in ──

// HEED_DENIED when the person is out of the purpose.
heed_err hd_consent_check(hd_door *door, hd_purpose purpose, int64_t person,
                          bool joined) HEED_CHECK;
// hd_users_person and the check of it: what every read of one person begins with.
heed_err hd_users_person_for(hd_door *door, hd_purpose purpose, int64_t key, int64_t *person,
                             bool *joined) HEED_CHECK;
// The verdicts on all persons, as they stand in the transaction that is open.
typedef struct hd_gate {
    hd_imap verdicts; // person -> 0 out, 1 in
    bool otherwise;   // who isn't named there is in
} hd_gate;
heed_err hd_gate_open(hd_door *door, hd_purpose purpose, hd_gate *gate) HEED_CHECK;
bool hd_gate_lets(const hd_gate *gate, int64_t person); // 0: nobody's rows, always in
bool hd_gate_lets_all(const hd_gate *gate);
void hd_gate_close(hd_gate *gate);
// Raises hd_door_consent_mark.
heed_err hd_consent_mark_raise(hd_door *door) HEED_CHECK;
// The same, if somebody said anything: ids were joined or parted, and words with them.
heed_err hd_consent_joined(hd_door *door) HEED_CHECK;

// ── types.c ──

heed_err hd_types_key(hd_door *door, hd_slice name, int64_t *key) HEED_CHECK; // made when new
heed_err hd_types_name(hd_door *door, int64_t key, const char **name) HEED_CHECK;

// ── upgrade.c, reseal.c ──

// Brings the rows of version 1 over, within the step that made the tables; ctx: hd_privacy_keys.
heed_err hd_upgrade_run(hd_store *store, void *ctx) HEED_CHECK;

// ── load.c, feedback.c: writing ──

heed_err hd_load_put(hd_door *door, int64_t batch, const hd_record *record, int64_t item_key,
                     hd_put *what) HEED_CHECK;
heed_err hd_load_end(hd_door *door, int64_t *repeats) HEED_CHECK;
void hd_load_reset(hd_load *load); // forgets the batch at hand
// Takes the events of a batch back.
heed_err hd_load_undo(hd_door *door, int64_t batch, int64_t *n) HEED_CHECK;
heed_err hd_reviews_put(hd_door *door, int64_t batch, const hd_record *record, int64_t item_key,
                        hd_put *what) HEED_CHECK;
heed_err hd_tickets_put(hd_door *door, int64_t batch, const hd_record *record, int64_t item_key,
                        hd_put *what) HEED_CHECK;

// ── recent.c: what came lately ──

void hd_recent_init(hd_recent *recent);
void hd_recent_clear(hd_recent *recent);
// Another transaction began or one was rolled back; others: another process wrote between.
void hd_recent_sync(hd_recent *recent, bool others, bool rolled_back);
// Moves all that came lately to `events`. Called by whatever changes or removes events.
heed_err hd_recent_settle(hd_door *door) HEED_CHECK;
// How many may stand there beside so many in all, before they are moved.
int64_t hd_recent_most(int64_t standing);
// Moves the oldest `rows` of at least as many; within a transaction.
heed_err hd_recent_slice(hd_door *door, int64_t rows) HEED_CHECK;
heed_err hd_recent_settle_when_due(hd_door *door) HEED_CHECK; // at the end of a batch
// Whether an event with that id stands anywhere.
heed_err hd_recent_has(hd_door *door, const uint8_t hash[HD_HASH_BYTES], bool *out) HEED_CHECK;
// A row was written there; hash may be NULL.
heed_err hd_recent_added(hd_door *door, const uint8_t *hash, int64_t key) HEED_CHECK;

// ── read.c ──

// The columns that hd_event_read reads, from `at` on.
#define HD_EVENT_COLUMNS "key, item_key, type, value, quantity, time, currency"
heed_err hd_event_read(hd_door *door, hd_query *q, int at, hd_door_event *out) HEED_CHECK;
// The columns that hd_review_read reads. ?2: whether texts are wanted.
#define HD_REVIEW_COLUMNS "key, item_key, rating, time, iif(?2, title, NULL), iif(?2, text, NULL)"
heed_err hd_review_read(hd_door *door, hd_query *q, int at, hd_arena *arena,
                        hd_door_review *out) HEED_CHECK;
// By time, then key; without a time first.
void hd_reviews_sort(hd_door_review *reviews, size_t n);

// Whose rows, in conditions on user_key; ?1: the person.
#define HD_ONE_ID "= ?1"
#define HD_ALL_IDS "IN (SELECT ?1 UNION ALL SELECT key FROM users WHERE person = ?1)"
// The number of rows, as ?2; 0: all.
void hd_bind_limit(hd_query *q, size_t limit);
// Turns the events from the n-th on round.
void hd_event_list_turn(hd_event_list *list, size_t n);
// Brings the events from the n-th on, whose keys rise, in order of time; of the same time, by key.
heed_err hd_event_list_order(hd_event_list *list, size_t n) HEED_CHECK;
// The first n and the others, both in order of time, become one; of the same time, the first are
// before.
heed_err hd_event_list_merge(hd_event_list *list, size_t n) HEED_CHECK;
// Leaves the last `limit` (0: all).
void hd_event_list_last(hd_event_list *list, size_t limit);
// A copy in the arena.
heed_err hd_event_list_give(const hd_event_list *list, hd_arena *arena, hd_door_event **out,
                            size_t *n) HEED_CHECK;
// Replaces the list by a person's events, ids joined, in time order: the last `limit` (0: all).
heed_err hd_events_collect(hd_door *door, int64_t person, bool joined, size_t limit,
                           hd_event_list *list) HEED_CHECK;
typedef struct hd_review_list {
    hd_door_review *reviews;
    size_t n, cap;
} hd_review_list;
heed_err hd_reviews_collect(hd_door *door, bool texts, int64_t person, hd_arena *arena,
                            hd_review_list *list) HEED_CHECK;

#endif
