// SPDX-License-Identifier: Apache-2.0
//
// Removing a person's rows. It works id by id and not person by person: what is noted as erased are
// ids, and a restored backup may have joined them with others, who must stay.
//
// First the joins go and what is left of each person is joined anew; then, for each id, the rows of
// every table, in an order that foreign keys allow (`steps`); last the types of events that nobody
// else had, since a name can say much. Numbers that rows had are never given again.
//
// What stands in other persons' rows (a name in somebody else's review) isn't found here.
#include "base/mem.h"
#include "privacy/own.h"
#include "privacy/rights.h"

typedef struct step {
    const char *sql; // ?1: the id's key
    size_t counts;   // offset in hd_rights_counts of what it removes
} step;

#define NOT_COUNTED SIZE_MAX
#define COUNTED(field) offsetof(hd_rights_counts, field)

static const step steps[] = {
    {HD_SQL_EVENTS_REMOVED("coalesce((SELECT max(key) FROM events WHERE user_key = ?1), 0)"),
     NOT_COUNTED},
    {"DELETE FROM events WHERE user_key = ?1", COUNTED(events)},
    {"DELETE FROM events_waiting WHERE user_key = ?1", NOT_COUNTED},
    {"DELETE FROM events_recent WHERE user_key = ?1", NOT_COUNTED},
    {"DELETE FROM reviews_before WHERE user_key = ?1"
     " OR key IN (SELECT key FROM reviews WHERE user_key = ?1)",
     NOT_COUNTED},
    {"DELETE FROM reviews WHERE user_key = ?1", COUNTED(reviews)},
    {"DELETE FROM messages WHERE ticket_key IN (SELECT key FROM tickets WHERE user_key = ?1)",
     COUNTED(messages)},
    {"DELETE FROM tickets_before WHERE user_key = ?1"
     " OR key IN (SELECT key FROM tickets WHERE user_key = ?1)",
     NOT_COUNTED},
    {"DELETE FROM tickets WHERE user_key = ?1", COUNTED(tickets)},
    {"DELETE FROM consents WHERE user_key = ?1", NOT_COUNTED},
    {"DELETE FROM consent_history WHERE user_key = ?1", NOT_COUNTED},
    {"DELETE FROM users_before WHERE key = ?1", NOT_COUNTED},
    {"DELETE FROM users WHERE key = ?1", COUNTED(ids)},
};
enum { STEPS = sizeof steps / sizeof *steps };

typedef struct key_list {
    int64_t *keys;
    size_t n, cap;
} key_list;

static heed_err add_key(key_list *list, int64_t key) {
    for (size_t i = 0; i < list->n; i++)
        if (list->keys[i] == key) return HEED_OK;
    HD_TRY(hd_grow(&list->keys, &list->cap, list->n + 1, sizeof *list->keys));
    list->keys[list->n++] = key;
    return HEED_OK;
}

// Adds the first column of all rows, each once.
static heed_err add_keys(hd_door *door, const char *sql, int64_t arg, key_list *list) {
    hd_query *q;
    bool row;
    heed_err err;
    HD_TRY(hd_query_open(door->store, sql, &q));
    hd_query_bind_i64(q, 1, arg);
    for (;;) {
        HD_TRY_OUT(hd_query_step(q, &row));
        if (!row) break;
        HD_TRY_OUT(add_key(list, hd_query_i64(q, 0)));
    }
out:
    hd_query_close(q);
    return err;
}

heed_err hd_rights_keys(hd_door *door, int64_t person, hd_arena *arena, int64_t **keys, size_t *n) {
    key_list list = {0};
    heed_err err = add_keys(door,
                            "SELECT key FROM users WHERE key = ?1 OR person = ?1"
                            " ORDER BY key <> ?1, key",
                            person, &list);
    if (err == HEED_OK) {
        *n = list.n;
        *keys = hd_arena_alloc(arena, (list.n + 1) * sizeof **keys);
        if (!*keys)
            err = HD_FAIL_MEMORY(list.n * sizeof **keys);
        else if (list.n > 0)
            memcpy(*keys, list.keys, list.n * sizeof **keys);
    }
    hd_free(list.keys);
    return err;
}

// ── Joins ──

static heed_err part(hd_door *door, const int64_t *keys, size_t n, key_list *persons) {
    for (size_t i = 0; i < n; i++) {
        HD_TRY(add_keys(door, "SELECT coalesce(person, key) FROM users WHERE key = ?1", keys[i],
                        persons));
        HD_TRY(
            HD_RUN(door, "DELETE FROM user_links WHERE from_key = ?1 OR into_key = ?1", keys[i]));
    }
    for (size_t i = 0; i < persons->n; i++) HD_TRY(hd_users_rejoin(door, persons->keys[i]));
    return HEED_OK;
}

// ── Rows ──

static heed_err remove_rows(hd_door *door, int64_t key, hd_rights_counts *out) {
    for (int i = 0; i < STEPS; i++) {
        HD_TRY(HD_RUN(door, steps[i].sql, key));
        if (steps[i].counts == NOT_COUNTED) continue;
        *(int64_t *)(void *)((char *)out + steps[i].counts) += hd_store_changes(door->store);
    }
    return HEED_OK;
}

static heed_err remove_types(hd_door *door, const key_list *types) {
    for (size_t i = 0; i < types->n; i++)
        HD_TRY(HD_RUN(door,
                      "DELETE FROM event_types WHERE key = ?1"
                      " AND NOT EXISTS (SELECT 1 FROM events WHERE type = ?1)",
                      types->keys[i]));
    return HEED_OK;
}

static heed_err erase(hd_door *door, const int64_t *keys, size_t n, key_list *persons,
                      key_list *types, hd_rights_counts *out) {
    HD_TRY(hd_recent_settle(door));
    HD_TRY(part(door, keys, n, persons));
    for (size_t i = 0; i < n; i++) {
        HD_TRY(
            add_keys(door, "SELECT DISTINCT type FROM events WHERE user_key = ?1", keys[i], types));
        HD_TRY(remove_rows(door, keys[i], out));
    }
    HD_TRY(remove_types(door, types));
    return hd_consent_mark_raise(door); // whoever holds rows of all persons reads them anew
}

heed_err hd_rights_erase(hd_door *door, const int64_t *keys, size_t n, hd_rights_counts *out) {
    hd_rights_counts counts = {.first = HD_TIME_NONE, .last = HD_TIME_NONE};
    key_list persons = {0}, types = {0};
    HD_TRY(hd_store_begin(door->store));
    hd_door_sync(door);
    heed_err err = erase(door, keys, n, &persons, &types, &counts);
    hd_door_forget(door);
    hd_free(persons.keys);
    hd_free(types.keys);
    if (out) *out = counts;
    if (err == HEED_OK) return hd_store_commit(door->store);
    hd_store_rollback(door->store);
    return err;
}
