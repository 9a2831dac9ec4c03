// SPDX-License-Identifier: Apache-2.0
//
// All persons, one after another, with their events and reviews. Three cursors run in step in the
// order of user keys: users, events (along events_by_user, which is in the order wanted and holds
// all columns), reviews. Whoever has several ids is read by the single-person queries when the main
// id's turn comes; the cursors pass over those rows. Memory is one person's rows.
//
// Texts stay sealed: nobody who reads all persons needs what they wrote, and opening it would cost
// more than all else.
//
// Rejected: a query per person (a million of them), and joining persons in SQL (sorts all events).
#include "base/mem.h"
#include "privacy/own.h"

typedef struct scan {
    hd_door *door;
    hd_purpose purpose;
    hd_gate gate;
    hd_query *users, *events, *reviews;
    int64_t event_user;  // of the row at hand; 0: none is left
    int64_t review_user; // the same
    hd_event_list event_list;
    hd_review_list review_list;
    hd_arena arena; // the reviews' texts
} scan;

static heed_err next(hd_query *q, int64_t *user) {
    bool row;
    HD_TRY(hd_query_step(q, &row));
    *user = row ? hd_query_i64(q, 0) : 0;
    return HEED_OK;
}

// Moves both cursors over the rows of `user`, reading them when `keep`. Users without a row of
// their own can't be: a foreign key holds.
static heed_err take_rows(scan *s, int64_t user, bool keep) {
    s->event_list.n = s->review_list.n = 0;
    while (s->event_user != 0 && s->event_user <= user) {
        if (keep) {
            hd_event_list *list = &s->event_list;
            HD_TRY(hd_grow(&list->events, &list->cap, list->n + 1, sizeof *list->events));
            HD_TRY(hd_event_read(s->door, s->events, 1, &list->events[list->n]));
            list->n++;
        }
        HD_TRY(next(s->events, &s->event_user));
    }
    while (s->review_user != 0 && s->review_user <= user) {
        if (keep) {
            hd_review_list *list = &s->review_list;
            HD_TRY(hd_grow(&list->reviews, &list->cap, list->n + 1, sizeof *list->reviews));
            HD_TRY(hd_review_read(s->door, s->reviews, 1, &s->arena, &list->reviews[list->n]));
            list->n++;
        }
        HD_TRY(next(s->reviews, &s->review_user));
    }
    hd_reviews_sort(s->review_list.reviews, s->review_list.n);
    return HEED_OK;
}

// The rows of the user at hand. *skip: another id of a person, whose turn is elsewhere; or a person
// who is out of the purpose.
static heed_err read_rows(scan *s, int64_t user, bool *skip) {
    *skip = hd_query_i64(s->users, 1) != 0 || !hd_gate_lets(&s->gate, user);
    bool joined = hd_query_i64(s->users, 2) != 0;
    hd_arena_reset(&s->arena);
    HD_TRY(take_rows(s, user, !*skip && !joined));
    if (*skip || !joined) return HEED_OK;
    HD_TRY(hd_events_collect(s->door, user, true, 0, &s->event_list));
    return hd_reviews_collect(s->door, false, user, &s->arena, &s->review_list);
}

static heed_err run(scan *s, bool with_empty, hd_door_user_fn fn, void *ctx) {
    int64_t user;
    bool skip;
    HD_TRY(next(s->events, &s->event_user));
    HD_TRY(next(s->reviews, &s->review_user));
    for (;;) {
        HD_TRY(next(s->users, &user));
        if (user == 0) return HEED_OK;
        HD_TRY(read_rows(s, user, &skip));
        if (skip || (s->event_list.n == 0 && !with_empty)) continue;
        HD_TRY(fn(ctx, user, s->event_list.events, s->event_list.n, s->review_list.reviews,
                  s->review_list.n));
    }
}

static heed_err open_cursors(scan *s) {
    hd_store *store = s->door->store;
    HD_TRY(hd_query_open(store,
                         "SELECT key, person IS NOT NULL, EXISTS (SELECT 1 FROM users AS other"
                         " WHERE other.person = users.key) FROM users NOT INDEXED ORDER BY key",
                         &s->users));
    HD_TRY(hd_query_open(store,
                         "SELECT user_key, " HD_EVENT_COLUMNS
                         " FROM events WHERE user_key IS NOT NULL"
                         " UNION ALL SELECT user_key, " HD_EVENT_COLUMNS " FROM events_recent"
                         " WHERE user_key IS NOT NULL ORDER BY user_key, time, key",
                         &s->events));
    HD_TRY(hd_query_open(store,
                         "SELECT user_key, " HD_REVIEW_COLUMNS " FROM reviews"
                         " WHERE user_key IS NOT NULL AND ?1 = 0 ORDER BY user_key",
                         &s->reviews));
    hd_query_bind_i64(s->reviews, 1, 0);
    hd_query_bind_i64(s->reviews, 2, false);
    return HEED_OK;
}

static heed_err scan_all(scan *s, bool with_empty, hd_door_user_fn fn, void *ctx) {
    HD_TRY(hd_gate_open(s->door, s->purpose, &s->gate));
    heed_err err = open_cursors(s);
    if (err == HEED_OK) err = run(s, with_empty, fn, ctx);
    hd_query_close(s->users);
    hd_query_close(s->events);
    hd_query_close(s->reviews);
    hd_gate_close(&s->gate);
    hd_free(s->event_list.events);
    hd_free(s->review_list.reviews);
    hd_arena_clear(&s->arena);
    return err;
}

heed_err hd_door_scan(hd_door *door, hd_purpose purpose, bool with_empty, hd_door_user_fn fn,
                      void *ctx) {
    HD_TRY(hd_purpose_check(purpose, HD_MAY_WHOLE));
    scan s = {.door = door, .purpose = purpose};
    hd_arena_init(&s.arena);
    HD_TRY(hd_store_begin_read(door->store)); // the cursors see one state
    hd_door_sync(door);
    heed_err err = scan_all(&s, with_empty, fn, ctx);
    if (err == HEED_OK) return hd_store_commit(door->store);
    hd_store_rollback(door->store);
    return err;
}
