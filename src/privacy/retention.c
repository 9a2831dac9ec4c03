// SPDX-License-Identifier: Apache-2.0
//
// What is past its time. The age of a row is that of what it tells: the event's time, the review's,
// the ticket's newest message; where no time is known, the time of the import that brought it. A
// person's age is that of the newest thing known of them, their record included.
//
// Removing walks through each table in the order of its keys, a bounded range at a time, so that a
// server writes what is posted between two ranges. Counting beforehand asks the same conditions of
// whole tables.
//
// Rejected: an index on time, to find what is old at once. Every event would pay for it when it is
// written; a walk pays once a day.
#include "base/mem.h"
#include "privacy/own.h"
#include "privacy/rights.h"

#define STARTED(batch) "(SELECT started FROM import_batches WHERE id = " batch ")"
#define OLD_ROW "coalesce(time, " STARTED("batch") ") < ?1"
#define OLD_TICKET                                    \
    "coalesce((SELECT max(coalesce(m.time, " STARTED( \
        "m.batch") ")) FROM messages"                 \
                   " AS m WHERE m.ticket_key = tickets.key), " STARTED("tickets.batch") ") < ?1"
#define IN_RANGE " AND key > ?2 AND key <= ?3"

typedef struct key_list {
    hd_arena *arena;
    int64_t *keys; // (n)
    size_t n, cap;
} key_list;

static heed_err add_key(key_list *list, int64_t key) {
    if (list->n == list->cap) {
        size_t cap = 2 * list->cap + 16;
        int64_t *more = hd_arena_alloc(list->arena, cap * sizeof *more);
        if (!more) return HD_FAIL_MEMORY(cap * sizeof *more);
        if (list->n > 0) memcpy(more, list->keys, list->n * sizeof *more);
        list->keys = more;
        list->cap = cap;
    }
    list->keys[list->n++] = key;
    return HEED_OK;
}

// Adds what a statement gives for ?1, ?2, ?3.
static heed_err list_keys(hd_door *door, const char *sql, const int64_t *args, int n_args,
                          key_list *list) {
    hd_query *q;
    bool row = true;
    HD_TRY(hd_query_open(door->store, sql, &q));
    for (int i = 0; i < n_args; i++) hd_query_bind_i64(q, i + 1, args[i]);
    heed_err err = hd_query_step(q, &row);
    while (err == HEED_OK && row) {
        err = add_key(list, hd_query_i64(q, 0));
        if (err == HEED_OK) err = hd_query_step(q, &row);
    }
    hd_query_close(q);
    return err;
}

static heed_err count_rows(hd_door *door, const char *sql, hd_time before, int64_t *out) {
    hd_query *q;
    bool row;
    if (before == HD_TIME_NONE) return HEED_OK;
    HD_TRY(hd_query_open(door->store, sql, &q));
    hd_query_bind_i64(q, 1, before);
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK && row) *out = hd_query_i64(q, 0);
    hd_query_close(q);
    return err;
}

// The last of the next `most` keys after `low`; INT64_MAX when there are no more than these.
static heed_err find_end(hd_door *door, const char *sql, int64_t low, size_t most, int64_t *high) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(door->store, sql, &q));
    hd_query_bind_i64(q, 1, low);
    hd_query_bind_i64(q, 2, (int64_t)most);
    heed_err err = hd_query_step(q, &row);
    bool full = err == HEED_OK && row && hd_query_i64(q, 1) == (int64_t)most;
    *high = full ? hd_query_i64(q, 0) : INT64_MAX;
    hd_query_close(q);
    return err;
}

#define END_OF(rows)                                                                       \
    "SELECT max(key), count(*) FROM (SELECT key FROM " rows " key > ?1 ORDER BY key LIMIT" \
    " ?2)"

// ── Persons ──

// The newest thing known of the id u; where nothing is, the smallest number.
// SQL, laid out by hand:
// clang-format off
#define OR_NEVER(select) "coalesce((SELECT " select "), -9223372036854775807)"
#define NEWEST_OF_ID                                                                              \
    "max("                                                                                        \
    OR_NEVER("max(time) FROM events WHERE user_key = u.key") ", "                                 \
    OR_NEVER("max(" STARTED("batch") ") FROM events WHERE user_key = u.key AND time IS NULL") ", " \
    OR_NEVER("max(coalesce(time, " STARTED("batch") ")) FROM events_recent WHERE user_key ="     \
             " u.key") ", "                                                                       \
    OR_NEVER("max(coalesce(time, " STARTED("batch") ")) FROM reviews WHERE user_key = u.key") ", " \
    OR_NEVER("max(coalesce(m.time, " STARTED("m.batch") ")) FROM tickets AS k CROSS JOIN"         \
             " messages AS m ON m.ticket_key = k.key WHERE k.user_key = u.key") ", "              \
    OR_NEVER("max(" STARTED("batch") ") FROM tickets WHERE user_key = u.key") ", "                \
    OR_NEVER("u.created") ", "                                                                    \
    OR_NEVER(STARTED("u.batch")) ")"
#define IDLE                                                                                 \
    "(SELECT max(" NEWEST_OF_ID ") FROM users AS u WHERE u.key = p.key OR u.person = p.key)" \
    " BETWEEN -9223372036854775806 AND ?1 - 1"
// clang-format on

static const char count_idle[] = "SELECT count(*) FROM users AS p WHERE p.person IS NULL AND " IDLE;
static const char list_idle[] = "SELECT p.key FROM users AS p WHERE p.person IS NULL AND p.key > ?2"
                                " AND p.key <= ?3 AND " IDLE " ORDER BY p.key";
static const char list_ids[] = "SELECT key FROM users WHERE key = ?1 OR person = ?1 ORDER BY key";

heed_err hd_rights_idle(hd_door *door, hd_time before, size_t most, int64_t *after, hd_arena *arena,
                        int64_t **keys, size_t *n, size_t *n_persons) {
    key_list persons = {.arena = arena}, ids = {.arena = arena};
    int64_t high = INT64_MAX;
    *keys = NULL;
    *n = *n_persons = 0;
    if (before != HD_TIME_NONE) {
        HD_TRY(find_end(door, END_OF("users WHERE person IS NULL AND"), *after, most, &high));
        HD_TRY(list_keys(door, list_idle, (const int64_t[]){before, *after, high}, 3, &persons));
    }
    for (size_t i = 0; i < persons.n; i++)
        HD_TRY(list_keys(door, list_ids, &persons.keys[i], 1, &ids));
    *after = high;
    *keys = ids.keys;
    *n = ids.n;
    *n_persons = persons.n;
    return HEED_OK;
}

// ── Counting ──

static heed_err count(hd_door *door, const hd_retention *before, hd_expired *out) {
    HD_TRY(count_rows(door, "SELECT count(*) FROM " HD_EVENTS("1", OLD_ROW), before->events,
                      &out->events));
    HD_TRY(count_rows(door, "SELECT count(*) FROM reviews WHERE " OLD_ROW, before->reviews,
                      &out->reviews));
    HD_TRY(count_rows(door, "SELECT count(*) FROM tickets WHERE " OLD_TICKET, before->tickets,
                      &out->tickets));
    HD_TRY(count_rows(door,
                      "SELECT count(*) FROM messages WHERE ticket_key IN"
                      " (SELECT key FROM tickets WHERE " OLD_TICKET ")",
                      before->tickets, &out->messages));
    return count_rows(door, count_idle, before->users, &out->users);
}

heed_err hd_rights_expired(hd_door *door, const hd_retention *before, hd_expired *out) {
    *out = (hd_expired){0};
    HD_TRY(hd_store_begin_read(door->store));
    heed_err err = count(door, before, out);
    if (err == HEED_OK) return hd_store_commit(door->store);
    hd_store_rollback(door->store);
    return err;
}

// ── Removing ──

// Rows whose key is above `low` and not above `high`.
typedef struct range {
    hd_time before;
    int64_t low, high;
} range;

static heed_err run_range(hd_door *door, const char *sql, range r, int64_t *removed) {
    HD_TRY(HD_RUN(door, sql, r.before, r.low, r.high));
    if (removed) *removed += hd_store_changes(door->store);
    return HEED_OK;
}

// Keys of events aren't used again. Nothing is written where nothing goes: most ranges cost no
// sync.
static heed_err expire_events(hd_door *door, range r, hd_expired *out) {
    int64_t newest = 0;
    if (r.low == 0) HD_TRY(hd_recent_settle(door)); // what comes while it walks is for the next day
    HD_TRY(count_rows(door, "SELECT key, ?1 FROM events ORDER BY key DESC LIMIT 1", r.before,
                      &newest));
    HD_TRY(run_range(door, "DELETE FROM events WHERE " OLD_ROW IN_RANGE, r, &out->events));
    if (out->events == 0) return HEED_OK;
    return HD_RUN(door, HD_SQL_EVENTS_REMOVED("?1"), newest);
}

// What an import overwrote goes with the row that it overwrote.
static heed_err expire_reviews(hd_door *door, range r, hd_expired *out) {
    HD_TRY(run_range(door, "DELETE FROM reviews_before WHERE " OLD_ROW IN_RANGE, r, NULL));
    return run_range(door, "DELETE FROM reviews WHERE " OLD_ROW IN_RANGE, r, &out->reviews);
}

// A ticket's age is that of its messages, so which ones go is found out before either does.
static heed_err remove_tickets(hd_door *door, const key_list *list, hd_expired *out) {
    for (size_t i = 0; i < list->n; i++) {
        HD_TRY(HD_RUN(door, "DELETE FROM messages WHERE ticket_key = ?1", list->keys[i]));
        out->messages += hd_store_changes(door->store);
        HD_TRY(HD_RUN(door, "DELETE FROM tickets WHERE key = ?1", list->keys[i]));
    }
    out->tickets += (int64_t)list->n;
    return HEED_OK;
}

static heed_err expire_tickets(hd_door *door, range r, hd_expired *out) {
    hd_arena arena;
    hd_arena_init(&arena);
    key_list old = {.arena = &arena};
    heed_err err = list_keys(door, "SELECT key FROM tickets WHERE " OLD_TICKET IN_RANGE,
                             (const int64_t[]){r.before, r.low, r.high}, 3, &old);
    if (err == HEED_OK)
        err = run_range(door,
                        "DELETE FROM tickets_before WHERE key IN"
                        " (SELECT key FROM tickets WHERE " OLD_TICKET IN_RANGE ")",
                        r, NULL);
    if (err == HEED_OK) err = remove_tickets(door, &old, out);
    hd_arena_clear(&arena);
    return err;
}

// Ids that nothing refers to any more; after the last of them, names of types.
static heed_err sweep(hd_door *door, range r, hd_expired *out) {
    (void)out;
    HD_TRY(hd_users_sweep(door, r.low, r.high));
    if (r.high < INT64_MAX) return HEED_OK;
    return hd_store_exec(door->store,
                         "DELETE FROM event_types WHERE (SELECT key FROM events WHERE type ="
                         " event_types.key ORDER BY key DESC LIMIT 1) IS NULL"
                         " AND key NOT IN (SELECT type FROM events_recent)");
}

typedef struct pass {
    size_t before;   // offset in hd_retention of the instant; SIZE_MAX: when something went
    const char *end; // gives the end of a range
    heed_err (*remove)(hd_door *door, range r, hd_expired *out);
} pass;

static const pass passes[] = {
    {offsetof(hd_retention, events), END_OF("events WHERE"), expire_events},
    {offsetof(hd_retention, reviews), END_OF("reviews WHERE"), expire_reviews},
    {offsetof(hd_retention, tickets), END_OF("tickets WHERE"), expire_tickets},
    {SIZE_MAX, END_OF("users WHERE batch IS NULL AND"), sweep},
};
static const size_t n_passes = sizeof passes / sizeof *passes;

static bool is_due(const pass *p, const hd_retention *before, const hd_expiring *at, hd_time *t) {
    *t = HD_TIME_NONE;
    if (p->before == SIZE_MAX) return at->any;
    *t = *(const hd_time *)(const void *)((const char *)before + p->before);
    return *t != HD_TIME_NONE;
}

static int64_t total(const hd_expired *gone) {
    return gone->events + gone->reviews + gone->tickets + gone->messages;
}

static heed_err expire_range(hd_door *door, const pass *p, range r, hd_expired *gone) {
    HD_TRY(p->remove(door, r, gone));
    return total(gone) > 0 ? hd_consent_mark_raise(door) : HEED_OK;
}

static heed_err expire_next(hd_door *door, const hd_retention *before, size_t most, hd_expiring *at,
                            hd_expired *gone) {
    range r = {.low = at->key};
    while (at->pass < n_passes && !is_due(&passes[at->pass], before, at, &r.before)) at->pass++;
    if (at->pass == n_passes) return HEED_OK;
    const pass *p = &passes[at->pass];
    HD_TRY(find_end(door, p->end, r.low, most, &r.high));
    HD_TRY(expire_range(door, p, r, gone));
    at->any |= total(gone) > 0;
    at->key = r.high < INT64_MAX ? r.high : 0;
    at->pass += r.high == INT64_MAX;
    return HEED_OK;
}

heed_err hd_rights_expire(hd_door *door, const hd_retention *before, size_t most, hd_expiring *at,
                          hd_expired *gone) {
    hd_expiring next = *at;
    *gone = (hd_expired){0};
    HD_TRY(hd_store_begin(door->store));
    hd_door_sync(door);
    heed_err err = expire_next(door, before, most, &next, gone);
    if (err != HEED_OK || next.any) hd_door_forget(door);
    if (err != HEED_OK) {
        hd_store_rollback(door->store);
        return err;
    }
    HD_TRY(hd_store_commit(door->store));
    *at = next;
    return HEED_OK;
}

bool hd_rights_expired_all(const hd_expiring *at) {
    return at->pass >= n_passes;
}
