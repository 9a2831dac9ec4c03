// SPDX-License-Identifier: Apache-2.0
//
// Reading one person, and counting all. A person's rows are those of all its ids; the common case
// of a single id is one range of events_by_user, which holds every column asked for.
#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "privacy/own.h"

static heed_err copy_text(hd_slice text, const char *absent, hd_arena *arena, const char **out) {
    *out = absent;
    if (!text.p) return HEED_OK;
    *out = hd_arena_strndup(arena, text.p, text.n);
    return *out ? HEED_OK : HD_FAIL_MEMORY(text.n);
}

// ── A person's own row ──

// Adds what the object lacks: the person's main id speaks first, other ids fill gaps.
static heed_err add_attributes(json_t *all, hd_slice text) {
    if (!text.p) return HEED_OK;
    json_t *more;
    heed_err err = hd_json_parse(text.p, text.n, "attributes", &more);
    if (err == HEED_MEMORY) return err;
    if (err != HEED_OK) {
        return HD_FAIL(HEED_CORRUPT, "a user's stored attributes can't be read: run 'heed doctor'",
                       "无法读取某个用户的属性：请运行“heed doctor”");
    }
    int rc = json_object_update_missing(all, more);
    json_decref(more);
    return rc == 0 ? HEED_OK : HD_FAIL_MEMORY(text.n);
}

static heed_err read_ids(hd_door *door, hd_query *q, json_t *all, hd_arena *arena,
                         hd_door_user *out) {
    bool row;
    for (;;) {
        HD_TRY(hd_query_step(q, &row));
        if (!row) return HEED_OK;
        hd_slice id, attributes;
        int64_t key = hd_query_i64(q, 0);
        if (!out->id) {
            HD_TRY(hd_seal_open(door, HD_FIELD_USER_ID, key, hd_query_blob(q, 1), arena, &id));
            out->id = id.p;
        }
        HD_TRY(
            hd_seal_open(door, HD_FIELD_ATTRIBUTES, key, hd_query_blob(q, 2), arena, &attributes));
        HD_TRY(add_attributes(all, attributes));
        hd_time created = hd_query_time(q, 3);
        if (created == HD_TIME_NONE) continue;
        if (out->created == HD_TIME_NONE || created < out->created) out->created = created;
    }
}

static heed_err read_user(hd_door *door, int64_t person, json_t *all, hd_arena *arena,
                          hd_door_user *out) {
    hd_query *q;
    HD_TRY(hd_query_open(door->store,
                         "SELECT key, id_box, attributes, created FROM users "
                         "WHERE key = ?1 OR person = ?1 ORDER BY key <> ?1, key",
                         &q));
    hd_query_bind_i64(q, 1, person);
    heed_err err = read_ids(door, q, all, arena, out);
    hd_query_close(q);
    return err;
}

static heed_err get_user(hd_door *door, hd_purpose purpose, int64_t user_key, hd_arena *arena,
                         hd_door_user *out) {
    int64_t person;
    bool joined;
    HD_TRY(hd_users_person_for(door, purpose, user_key, &person, &joined));
    *out = (hd_door_user){.key = person, .created = HD_TIME_NONE};
    json_t *all = json_object();
    if (!all) return HD_FAIL_MEMORY(0);
    hd_str text;
    hd_str_init(&text);
    heed_err err;
    HD_TRY_OUT(read_user(door, person, all, arena, out));
    HD_TRY_OUT(hd_json_dump(all, false, &text));
    HD_TRY_OUT(copy_text((hd_slice){hd_str_get(&text), text.len}, "{}", arena, &out->attributes));
out:
    json_decref(all);
    hd_str_clear(&text);
    return err;
}

heed_err hd_door_user_get(hd_door *door, hd_purpose purpose, int64_t user_key, hd_arena *arena,
                          hd_door_user *out) {
    HD_TRY(hd_purpose_check(purpose, HD_MAY_PERSON));
    HD_TRY(hd_purpose_check(purpose, HD_MAY_ATTRIBUTES));
    return get_user(door, purpose, user_key, arena, out);
}

heed_err hd_door_attributes(hd_door *door, hd_purpose purpose, int64_t user_key, hd_arena *arena,
                            const char **out) {
    HD_TRY(hd_purpose_check(purpose, HD_MAY_ATTRIBUTES));
    hd_door_user user;
    HD_TRY(get_user(door, purpose, user_key, arena, &user));
    *out = user.attributes;
    return HEED_OK;
}

heed_err hd_door_user_id(hd_door *door, hd_purpose purpose, int64_t user_key, hd_arena *arena,
                         char **out) {
    HD_TRY(hd_purpose_check(purpose, HD_MAY_IDS));
    int64_t person;
    bool joined;
    hd_slice id;
    HD_TRY(hd_users_person_for(door, purpose, user_key, &person, &joined));
    HD_TRY(hd_users_id(door, person, arena, &id));
    *out = (char *)(uintptr_t)id.p;
    return HEED_OK;
}

// ── Events ──

heed_err hd_event_read(hd_door *door, hd_query *q, int at, hd_door_event *out) {
    *out = (hd_door_event){.key = hd_query_i64(q, at), .item_key = hd_query_i64(q, at + 1)};
    HD_TRY(hd_types_name(door, hd_query_i64(q, at + 2), &out->type));
    out->value = hd_query_f64(q, at + 3);
    out->quantity = hd_query_f64(q, at + 4);
    out->time = hd_query_time(q, at + 5);
    hd_slice currency = hd_query_text(q, at + 6);
    if (currency.n == 3) memcpy(out->currency, currency.p, 3);
    return HEED_OK;
}

// In falling order; ?2: how many. What came lately is read by itself, a compound query costs more.
#define EVENTS_OF(from, who)                                        \
    "SELECT " HD_EVENT_COLUMNS " FROM " from " WHERE user_key " who \
    " ORDER BY time DESC, key DESC LIMIT ?2"
static const char *const events_of[2][2] = {
    {EVENTS_OF("events", HD_ONE_ID), EVENTS_OF("events", HD_ALL_IDS)},
    {EVENTS_OF("events_recent", HD_ONE_ID), EVENTS_OF("events_recent", HD_ALL_IDS)}};

// The list's first n events and the others, both in order of time, become one; of the same time,
// the first are before: their keys are lower.
heed_err hd_event_list_merge(hd_event_list *list, size_t n) {
    size_t more = list->n - n, to = list->n;
    if (more == 0 || n == 0) return HEED_OK;
    HD_TRY(hd_grow(&list->events, &list->cap, list->n + more, sizeof *list->events));
    hd_door_event *e = list->events, *aside = e + list->n;
    memcpy(aside, e + n, more * sizeof *aside);
    while (more > 0) {
        bool later = n > 0 && e[n - 1].time > aside[more - 1].time;
        e[--to] = later ? e[--n] : aside[--more];
    }
    return HEED_OK;
}

static heed_err read_events(hd_door *door, hd_query *q, hd_event_list *list) {
    bool row;
    for (;;) {
        HD_TRY(hd_query_step(q, &row));
        if (!row) return HEED_OK;
        HD_TRY(hd_grow(&list->events, &list->cap, list->n + 1, sizeof *list->events));
        HD_TRY(hd_event_read(door, q, 0, &list->events[list->n]));
        list->n++;
    }
}

// What is bound as ?2, the number of rows.
void hd_bind_limit(hd_query *q, size_t limit) {
    hd_query_bind_i64(q, 2, limit > 0 && limit < INT64_MAX ? (int64_t)limit : -1);
}

// Turns the events from the n-th on round.
void hd_event_list_turn(hd_event_list *list, size_t n) {
    for (size_t i = n, j = list->n; i + 1 < j; i++) {
        hd_door_event swap = list->events[i];
        list->events[i] = list->events[--j];
        list->events[j] = swap;
    }
}

// By merging halves (von Neumann), which leaves events of the same time as they are; in order
// already, as they mostly are, only neighbours are compared. aside: room for half of them.
static void order_part(hd_door_event *events, size_t n, hd_door_event *aside) {
    if (n < 2) return;
    size_t half = n / 2;
    order_part(events, half, aside);
    order_part(events + half, n - half, aside);
    if (events[half - 1].time <= events[half].time) return;
    memcpy(aside, events, half * sizeof *aside);
    size_t a = 0, b = half, to = 0;
    while (a < half)
        events[to++] = b < n && events[b].time < aside[a].time ? events[b++] : aside[a++];
}

heed_err hd_event_list_order(hd_event_list *list, size_t n) {
    size_t more = list->n - n;
    if (more < 2) return HEED_OK;
    HD_TRY(hd_grow(&list->events, &list->cap, list->n + more / 2, sizeof *list->events));
    order_part(list->events + n, more, list->events + list->n);
    return HEED_OK;
}

void hd_event_list_last(hd_event_list *list, size_t limit) {
    if (limit == 0 || list->n <= limit) return;
    memmove(list->events, list->events + list->n - limit, limit * sizeof *list->events);
    list->n = limit;
}

// Appends those of one place, in rising order.
static heed_err collect_from(hd_door *door, const char *sql, int64_t person, size_t limit,
                             hd_event_list *list) {
    hd_query *q;
    size_t first = list->n;
    HD_TRY(hd_query_open(door->store, sql, &q));
    hd_query_bind_i64(q, 1, person);
    hd_bind_limit(q, limit);
    heed_err err = read_events(door, q, list);
    hd_query_close(q);
    hd_event_list_turn(list, first);
    return err;
}

heed_err hd_events_collect(hd_door *door, int64_t person, bool joined, size_t limit,
                           hd_event_list *list) {
    list->n = 0;
    HD_TRY(collect_from(door, events_of[0][joined], person, limit, list));
    size_t first = list->n;
    HD_TRY(collect_from(door, events_of[1][joined], person, limit, list));
    HD_TRY(hd_event_list_merge(list, first));
    hd_event_list_last(list, limit);
    return HEED_OK;
}

heed_err hd_event_list_give(const hd_event_list *list, hd_arena *arena, hd_door_event **out,
                            size_t *n) {
    *out = hd_arena_alloc(arena, (list->n ? list->n : 1) * sizeof **out);
    if (!*out) return HD_FAIL_MEMORY(list->n * sizeof **out);
    if (list->n > 0) memcpy(*out, list->events, list->n * sizeof **out);
    *n = list->n;
    return HEED_OK;
}

heed_err hd_door_events(hd_door *door, hd_purpose purpose, int64_t user_key, size_t limit,
                        hd_arena *arena, hd_door_event **out, size_t *n) {
    HD_TRY(hd_purpose_check(purpose, HD_MAY_PERSON));
    hd_door_sync(door);
    int64_t person;
    bool joined;
    hd_event_list list = {0};
    heed_err err;
    HD_TRY_OUT(hd_users_person_for(door, purpose, user_key, &person, &joined));
    HD_TRY_OUT(hd_events_collect(door, person, joined, limit, &list));
    err = hd_event_list_give(&list, arena, out, n);
out:
    hd_free(list.events);
    return err;
}

#define ALL_EVENTS(user)                                                                      \
    "SELECT " user ", " HD_EVENT_COLUMNS " FROM events NOT INDEXED WHERE key > ?1 UNION ALL " \
    "SELECT " user ", " HD_EVENT_COLUMNS " FROM events_recent NOT INDEXED WHERE key > ?1 "    \
    "ORDER BY key"
static const char all_events[] = ALL_EVENTS("user_key");
static const char all_events_joined[] =
    ALL_EVENTS("coalesce((SELECT person FROM users WHERE users.key = user_key), user_key)");

// Whether anybody has several ids: if not, nobody's person need be looked up.
static heed_err any_joined(hd_door *door, bool *joined) {
    hd_query *q;
    HD_TRY(hd_query_open(door->store, "SELECT 1 FROM users WHERE person IS NOT NULL LIMIT 1", &q));
    heed_err err = hd_query_step(q, joined);
    hd_query_close(q);
    return err;
}

static heed_err scan_events(hd_door *door, const hd_gate *gate, int64_t after, hd_door_event_fn fn,
                            void *ctx) {
    hd_query *q;
    bool joined, row;
    hd_door_event event;
    HD_TRY(any_joined(door, &joined));
    HD_TRY(hd_query_open(door->store, joined ? all_events_joined : all_events, &q));
    hd_query_bind_i64(q, 1, after);
    heed_err err;
    for (;;) {
        HD_TRY_OUT(hd_query_step(q, &row));
        if (!row) break;
        if (!hd_gate_lets(gate, hd_query_i64(q, 0))) continue;
        HD_TRY_OUT(hd_event_read(door, q, 1, &event));
        HD_TRY_OUT(fn(ctx, hd_query_i64(q, 0), &event));
    }
out:
    hd_query_close(q);
    return err;
}

heed_err hd_door_scan_events(hd_door *door, hd_purpose purpose, hd_door_event_fn fn, void *ctx) {
    return hd_door_scan_events_after(door, purpose, 0, fn, ctx);
}

heed_err hd_door_scan_events_after(hd_door *door, hd_purpose purpose, int64_t after,
                                   hd_door_event_fn fn, void *ctx) {
    HD_TRY(hd_purpose_check(purpose, HD_MAY_WHOLE));
    HD_TRY(hd_store_begin_read(door->store)); // verdicts and events are of one state
    hd_door_sync(door);
    hd_gate gate;
    heed_err err = hd_gate_open(door, purpose, &gate);
    if (err == HEED_OK) {
        err = scan_events(door, &gate, after, fn, ctx);
        hd_gate_close(&gate);
    }
    if (err == HEED_OK) return hd_store_commit(door->store);
    hd_store_rollback(door->store);
    return err;
}

// ── Reviews ──

heed_err hd_review_read(hd_door *door, hd_query *q, int at, hd_arena *arena, hd_door_review *out) {
    *out = (hd_door_review){.key = hd_query_i64(q, at),
                            .item_key = hd_query_i64(q, at + 1),
                            .rating = hd_query_f64(q, at + 2),
                            .time = hd_query_time(q, at + 3)};
    hd_slice title, text;
    HD_TRY(hd_seal_open(door, HD_FIELD_TITLE, out->key, hd_query_blob(q, at + 4), arena, &title));
    HD_TRY(hd_seal_open(door, HD_FIELD_REVIEW, out->key, hd_query_blob(q, at + 5), arena, &text));
    out->title = title.p;
    out->text = text.p;
    return HEED_OK;
}

static int by_time(const void *a, const void *b) {
    const hd_door_review *x = a, *y = b;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    return (x->key > y->key) - (x->key < y->key);
}

void hd_reviews_sort(hd_door_review *reviews, size_t n) {
    if (n > 1) qsort(reviews, n, sizeof *reviews, by_time);
}

heed_err hd_reviews_collect(hd_door *door, bool texts, int64_t person, hd_arena *arena,
                            hd_review_list *list) {
    hd_query *q;
    bool row;
    heed_err err;
    list->n = 0;
    HD_TRY(hd_query_open(door->store,
                         "SELECT " HD_REVIEW_COLUMNS " FROM reviews WHERE user_key IN "
                         "(SELECT ?1 UNION ALL SELECT key FROM users WHERE person = ?1)",
                         &q));
    hd_query_bind_i64(q, 1, person);
    hd_query_bind_i64(q, 2, texts);
    for (;;) {
        HD_TRY_OUT(hd_query_step(q, &row));
        if (!row) break;
        HD_TRY_OUT(hd_grow(&list->reviews, &list->cap, list->n + 1, sizeof *list->reviews));
        HD_TRY_OUT(hd_review_read(door, q, 0, arena, &list->reviews[list->n]));
        list->n++;
    }
    hd_reviews_sort(list->reviews, list->n);
out:
    hd_query_close(q);
    return err;
}

heed_err hd_door_reviews(hd_door *door, hd_purpose purpose, int64_t user_key, hd_arena *arena,
                         hd_door_review **out, size_t *n) {
    HD_TRY(hd_purpose_check(purpose, HD_MAY_PERSON));
    int64_t person;
    bool joined;
    hd_review_list list = {0};
    heed_err err;
    HD_TRY_OUT(hd_users_person_for(door, purpose, user_key, &person, &joined));
    HD_TRY_OUT(
        hd_reviews_collect(door, hd_purpose_may(purpose, HD_MAY_TEXTS), person, arena, &list));
    *out = hd_arena_alloc(arena, (list.n ? list.n : 1) * sizeof **out);
    if (!*out) {
        err = HD_FAIL_MEMORY(list.n * sizeof **out);
        goto out;
    }
    if (list.n > 0) memcpy(*out, list.reviews, list.n * sizeof **out);
    *n = list.n;
out:
    hd_free(list.reviews);
    return err;
}

// ── All ──

static const char count_all[] =
    "SELECT (SELECT count(*) FROM users WHERE person IS NULL), count(*),"
    " count(*) - count(user_key), min(time), max(time),"
    " (SELECT count(*) FROM reviews), (SELECT count(*) FROM tickets),"
    " (SELECT count(*) FROM messages) FROM " HD_EVENTS("user_key, time", "true");

// The same without the rows of who is out of ?1. ?2: who said nothing is in.
static const char count_some[] =
    "WITH word(person, state) AS MATERIALIZED (SELECT coalesce(u.person, u.key) AS p, min(c.state)"
    "  FROM consents AS c JOIN users AS u ON u.key = c.user_key"
    "  WHERE c.purpose IN (?1, '*') GROUP BY p),"
    " let(key) AS MATERIALIZED (SELECT u.key FROM users AS u LEFT JOIN word AS w"
    "  ON w.person = coalesce(u.person, u.key) WHERE coalesce(w.state, ?2)),"
    " ticket(key) AS MATERIALIZED (SELECT key FROM tickets"
    "  WHERE user_key IS NULL OR user_key IN (SELECT key FROM let))"
    "SELECT (SELECT count(*) FROM users WHERE person IS NULL AND key IN (SELECT key FROM let)),"
    " count(*), count(*) - count(user_key), min(time), max(time),"
    " (SELECT count(*) FROM reviews WHERE user_key IS NULL OR user_key IN (SELECT key FROM let)),"
    " (SELECT count(*) FROM ticket),"
    " (SELECT count(*) FROM messages WHERE ticket_key IN (SELECT key FROM ticket))"
    " FROM " HD_EVENTS("user_key, time",
                       "true") " WHERE user_key IS NULL OR user_key IN (SELECT key FROM let)";

static heed_err read_counts(hd_query *q, hd_door_counts *out) {
    bool row;
    HD_TRY(hd_query_step(q, &row));
    *out = (hd_door_counts){
        .users = hd_query_i64(q, 0),
        .events = hd_query_i64(q, 1),
        .anonymous_events = hd_query_i64(q, 2),
        .first = hd_query_time(q, 3),
        .last = hd_query_time(q, 4),
        .reviews = hd_query_i64(q, 5),
        .tickets = hd_query_i64(q, 6),
        .messages = hd_query_i64(q, 7),
    };
    return HEED_OK;
}

heed_err hd_door_count(hd_door *door, hd_purpose purpose, hd_door_counts *out) {
    hd_query *q;
    hd_gate gate;
    *out = (hd_door_counts){.first = HD_TIME_NONE, .last = HD_TIME_NONE};
    HD_TRY(hd_gate_open(door, purpose, &gate)); // counts are open to all purposes, not of all
    bool all = hd_gate_lets_all(&gate), otherwise = gate.otherwise;
    hd_gate_close(&gate);
    HD_TRY(hd_query_open(door->store, all ? count_all : count_some, &q));
    if (!all) {
        hd_query_bind_text(q, 1, hd_slice_of(hd_purpose_name(purpose)));
        hd_query_bind_i64(q, 2, otherwise);
    }
    heed_err err = read_counts(q, out);
    hd_query_close(q);
    return err;
}

static const char busiest_first[] =
    "SELECT p FROM"
    " (SELECT coalesce(u.person, u.key) AS p, sum(c) AS total FROM"
    "   (SELECT user_key, count(*) AS c FROM events WHERE user_key IS NOT NULL"
    "    GROUP BY user_key UNION ALL SELECT user_key, count(*) FROM events_recent"
    "    WHERE user_key IS NOT NULL GROUP BY user_key) AS e JOIN users AS u ON u.key = e.user_key"
    "  GROUP BY p ORDER BY total DESC, p LIMIT ?1)";

static heed_err take_busiest(hd_door *door, hd_query *q, const hd_gate *gate, size_t limit,
                             hd_arena *arena, char **ids, size_t *n) {
    bool row;
    while (*n < limit) {
        HD_TRY(hd_query_step(q, &row));
        if (!row) break;
        hd_slice id;
        if (!hd_gate_lets(gate, hd_query_i64(q, 0))) continue;
        HD_TRY(hd_users_id(door, hd_query_i64(q, 0), arena, &id));
        ids[(*n)++] = (char *)(uintptr_t)id.p;
    }
    return HEED_OK;
}

static heed_err busiest(hd_door *door, hd_purpose purpose, size_t limit, hd_arena *arena,
                        char **ids, size_t *n) {
    hd_gate gate;
    hd_query *q = NULL;
    HD_TRY(hd_gate_open(door, purpose, &gate));
    heed_err err = hd_query_open(door->store, busiest_first, &q);
    if (err == HEED_OK) {
        bool few = hd_gate_lets_all(&gate) && limit < INT64_MAX;
        hd_query_bind_i64(q, 1, few ? (int64_t)limit : -1);
        err = take_busiest(door, q, &gate, limit, arena, ids, n);
    }
    hd_query_close(q);
    hd_gate_close(&gate);
    return err;
}

heed_err hd_door_busiest(hd_door *door, hd_purpose purpose, size_t limit, hd_arena *arena,
                         char ***ids, size_t *n) {
    HD_TRY(hd_purpose_check(purpose, HD_MAY_IDS));
    HD_TRY(hd_purpose_check(purpose, HD_MAY_WHOLE));
    *n = 0;
    *ids = hd_arena_calloc(arena, limit ? limit : 1, sizeof **ids);
    if (!*ids) return HD_FAIL_MEMORY(limit * sizeof **ids);
    HD_TRY(hd_store_begin_read(door->store));
    heed_err err = busiest(door, purpose, limit, arena, *ids, n);
    if (err == HEED_OK) return hd_store_commit(door->store);
    hd_store_rollback(door->store);
    return err;
}
