// SPDX-License-Identifier: Apache-2.0
//
// What is past its time. The age of a row is that of what it tells: the event's time, the review's,
// the ticket's newest message; where no time is known, the time of the import that brought it. A
// person's age is that of the newest thing known of them, their record included.
//
// What is counted beforehand is what goes: both ask the same condition. All walk through their
// tables once; this runs by day, not by request.
#include "base/mem.h"
#include "privacy/own.h"
#include "privacy/rights.h"

#define STARTED(batch) "(SELECT started FROM import_batches WHERE id = " batch ")"
#define OLD_ROW "coalesce(time, " STARTED("batch") ") < ?1"
#define OLD_TICKET                                    \
    "coalesce((SELECT max(coalesce(m.time, " STARTED( \
        "m.batch") ")) FROM messages"                 \
                   " AS m WHERE m.ticket_key = tickets.key), " STARTED("tickets.batch") ") < ?1"
#define OLD_TICKETS "(SELECT key FROM tickets WHERE " OLD_TICKET ")"

typedef struct step {
    size_t before;     // offset in hd_retention of the instant
    size_t counts;     // offset in hd_expired; SIZE_MAX: nothing is counted
    const char *count; // ?1: the instant; NULL: there is nothing to count
    const char *remove;
} step;

#define OF(field) offsetof(hd_retention, field), offsetof(hd_expired, field)
#define WITH(field) offsetof(hd_retention, field), SIZE_MAX

static const step steps[] = {
    {WITH(events), NULL,
     "UPDATE events_mark SET key = max(key, coalesce((SELECT max(key) FROM events), 0), 0 * ?1)"},
    {OF(events), "SELECT count(*) FROM events WHERE " OLD_ROW, "DELETE FROM events WHERE " OLD_ROW},
    {WITH(reviews), NULL, "DELETE FROM reviews_before WHERE " OLD_ROW},
    {OF(reviews), "SELECT count(*) FROM reviews WHERE " OLD_ROW,
     "DELETE FROM reviews WHERE " OLD_ROW},
    {WITH(tickets), NULL, "DELETE FROM tickets_before WHERE key IN " OLD_TICKETS},
    // How tickets go: remove_tickets.
    {offsetof(hd_retention, tickets), offsetof(hd_expired, tickets),
     "SELECT count(*) FROM tickets WHERE " OLD_TICKET, NULL},
    {offsetof(hd_retention, tickets), offsetof(hd_expired, messages),
     "SELECT count(*) FROM messages WHERE ticket_key IN " OLD_TICKETS, NULL},
};
enum { STEPS = sizeof steps / sizeof *steps };

static hd_time instant(const hd_retention *before, const step *s) {
    return *(const hd_time *)(const void *)((const char *)before + s->before);
}

static void count_as(hd_expired *out, const step *s, int64_t n) {
    if (s->counts != SIZE_MAX) *(int64_t *)(void *)((char *)out + s->counts) = n;
}

static heed_err one(hd_door *door, const char *sql, int64_t arg, int64_t *out) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(door->store, sql, &q));
    hd_query_bind_i64(q, 1, arg);
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK) *out = row ? hd_query_i64(q, 0) : 0;
    hd_query_close(q);
    return err;
}

// ── Persons ──

#define SEEN                                                                                                                                                      \
    "WITH seen(u, t) AS (SELECT user_key, coalesce(time, " STARTED(                                                                                               \
        "batch") ") FROM events"                                                                                                                                  \
                 "  WHERE user_key IS NOT NULL UNION ALL"                                                                                                         \
                 " SELECT user_key, coalesce(time, " STARTED(                                                                                                     \
                     "batch") ") FROM reviews"                                                                                                                    \
                              "  WHERE user_key IS NOT NULL UNION ALL"                                                                                            \
                              " SELECT t.user_key, coalesce(m.time, " STARTED(                                                                                    \
                                  "m.batch") ") FROM messages AS m"                                                                                               \
                                             "  JOIN tickets AS t ON t.key = m.ticket_key WHERE t.user_key IS NOT NULL UNION ALL"                                 \
                                             " SELECT user_key, " STARTED(                                                                                        \
                                                 "batch") " FROM tickets WHERE user_key IS NOT NULL UNION ALL"                                                    \
                                                          " SELECT key, created FROM users UNION ALL"                                                             \
                                                          " SELECT key, " STARTED(                                                                                \
                                                              "batch") " FROM users WHERE batch IS NOT NULL),"                                                    \
                                                                       " idle(p) AS (SELECT coalesce(u.person, u.key) AS p FROM users AS u JOIN seen ON seen.u =" \
                                                                       "  u.key GROUP BY p HAVING max(t) < ?1)"

static const char count_idle[] = SEEN "SELECT count(*) FROM idle";
static const char list_idle[] = SEEN
    ", some(p) AS (SELECT p FROM idle ORDER BY p LIMIT ?2)"
    " SELECT key, person IS NULL FROM users WHERE coalesce(person, key) IN (SELECT p FROM some) ORDER BY key";

// *n_marked: how many have a 1 in the second column.
static heed_err read_keys(hd_query *q, hd_arena *arena, int64_t **keys, size_t *n,
                          size_t *n_marked) {
    bool row;
    size_t cap = 0;
    for (;;) {
        HD_TRY(hd_query_step(q, &row));
        if (!row) return HEED_OK;
        if (*n == cap) {
            cap = 2 * cap + 16;
            int64_t *more = hd_arena_alloc(arena, cap * sizeof *more);
            if (!more) return HD_FAIL_MEMORY(cap * sizeof *more);
            if (*n > 0) memcpy(more, *keys, *n * sizeof *more);
            *keys = more;
        }
        (*keys)[(*n)++] = hd_query_i64(q, 0);
        *n_marked += hd_query_i64(q, 1) != 0;
    }
}

heed_err hd_rights_idle(hd_door *door, hd_time before, size_t limit, hd_arena *arena,
                        int64_t **keys, size_t *n, size_t *n_persons) {
    hd_query *q;
    *keys = NULL;
    *n = *n_persons = 0;
    if (before == HD_TIME_NONE) return HEED_OK;
    HD_TRY(hd_query_open(door->store, list_idle, &q));
    hd_query_bind_i64(q, 1, before);
    hd_query_bind_i64(q, 2, (int64_t)limit);
    heed_err err = read_keys(q, arena, keys, n, n_persons);
    hd_query_close(q);
    return err;
}

// ── Counting and removing ──

static heed_err count(hd_door *door, const hd_retention *before, hd_expired *out) {
    for (int i = 0; i < STEPS; i++) {
        int64_t n;
        hd_time t = instant(before, &steps[i]);
        if (t == HD_TIME_NONE || !steps[i].count) continue;
        HD_TRY(one(door, steps[i].count, t, &n));
        count_as(out, &steps[i], n);
    }
    if (before->users == HD_TIME_NONE) return HEED_OK;
    return one(door, count_idle, before->users, &out->users);
}

heed_err hd_rights_expired(hd_door *door, const hd_retention *before, hd_expired *out) {
    *out = (hd_expired){0};
    HD_TRY(hd_store_begin_read(door->store));
    heed_err err = count(door, before, out);
    if (err == HEED_OK) return hd_store_commit(door->store);
    hd_store_rollback(door->store);
    return err;
}

// A ticket's age is that of its messages, so which ones go is found out before either does.
static heed_err remove_tickets(hd_door *door, hd_time before, hd_expired *out) {
    hd_arena arena;
    hd_query *q = NULL;
    int64_t *keys = NULL;
    size_t n = 0, marked = 0;
    hd_arena_init(&arena);
    heed_err err = hd_query_open(door->store, "SELECT key, 1 FROM tickets WHERE " OLD_TICKET, &q);
    if (err == HEED_OK) {
        hd_query_bind_i64(q, 1, before);
        err = read_keys(q, &arena, &keys, &n, &marked);
    }
    hd_query_close(q);
    for (size_t i = 0; err == HEED_OK && i < n; i++) {
        err = HD_RUN(door, "DELETE FROM messages WHERE ticket_key = ?1", keys[i]);
        if (err == HEED_OK) out->messages += hd_store_changes(door->store);
        if (err == HEED_OK) err = HD_RUN(door, "DELETE FROM tickets WHERE key = ?1", keys[i]);
    }
    out->tickets = (int64_t)n;
    hd_arena_clear(&arena);
    return err;
}

static heed_err expire(hd_door *door, const hd_retention *before, hd_expired *out) {
    for (int i = 0; i < STEPS; i++) {
        hd_time t = instant(before, &steps[i]);
        if (t == HD_TIME_NONE || !steps[i].remove) continue;
        HD_TRY(HD_RUN(door, steps[i].remove, t));
        count_as(out, &steps[i], hd_store_changes(door->store));
    }
    if (before->tickets != HD_TIME_NONE) HD_TRY(remove_tickets(door, before->tickets, out));
    if (out->events > 0)
        HD_TRY(hd_store_exec(door->store, "DELETE FROM event_types"
                                          " WHERE key NOT IN (SELECT type FROM events)"));
    if (out->events + out->reviews + out->tickets == 0) return HEED_OK;
    HD_TRY(hd_users_sweep(door));
    return hd_consent_mark_raise(door);
}

heed_err hd_rights_expire(hd_door *door, const hd_retention *before, hd_expired *out) {
    *out = (hd_expired){0};
    HD_TRY(hd_store_begin(door->store));
    hd_door_sync(door);
    heed_err err = expire(door, before, out);
    hd_door_forget(door);
    if (err == HEED_OK) return hd_store_commit(door->store);
    hd_store_rollback(door->store);
    return err;
}
