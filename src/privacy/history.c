// SPDX-License-Identifier: Apache-2.0
//
// What recommending reads of a person at every request, from memory where it can be (histories.c).
//
// Kept are a person's rows of both tables (recent.c), which change in two ways only. New rows have
// keys above all that stood there, so they are read in the order of keys and put where they belong;
// removals are counted in the database (HD_SQL_EVENTS_REMOVED), and after one all is read anew. A
// row that moves from one table to the other keeps its key. All is looked at in the transaction
// that reads, so the answer is that of the database, whoever wrote.
//
// Rejected: telling the readers of a process what its writer changed (other processes write too),
// and a count of changes by person in the database (a page more for each event that is written).
#include <math.h>

#include "base/mem.h"
#include "privacy/own.h"

// A history has hundreds of events and is read at every request: only the columns that are needed,
// and the key (which costs as much as two others) only for who names the evidence. From the newest
// back, so that a limit ends the reading of a history that never ends (a robot's, a test's): the
// index is in that order. What came lately has an index of users alone, which gives the order of
// keys; asked for another, SQLite makes a table of its own for it at each request (a tenth of what
// a recommendation costs), where mostly there are few rows, and those in order already.
#define HISTORY_OF(from, who, key, order)                                         \
    "SELECT item_key, type, time, value" key " FROM " from " WHERE user_key " who \
    " AND item_key IS NOT NULL ORDER BY " order
#define HISTORIES_OF(from, order)                                                          \
    {                                                                                      \
        {HISTORY_OF(from, HD_ONE_ID, "", order), HISTORY_OF(from, HD_ALL_IDS, "", order)}, \
            {HISTORY_OF(from, HD_ONE_ID, ", key", order),                                  \
             HISTORY_OF(from, HD_ALL_IDS, ", key", order)},                                \
    }
static const char *const histories[2][2] = HISTORIES_OF("events", "time DESC, key DESC LIMIT ?2");
static const char *const recent[2][2] = HISTORIES_OF("events_recent", "key");

// The row's event, of a type whose name is known; at: the first of the columns above.
static hd_door_event read_row(hd_query *q, int at, bool with_key, const char *type) {
    return (hd_door_event){.key = with_key ? hd_query_i64(q, at + 4) : 0,
                           .item_key = hd_query_i64(q, at),
                           .type = type,
                           .value = hd_query_f64(q, at + 3),
                           .quantity = (double)NAN,
                           .time = hd_query_time(q, at + 2)};
}

static heed_err read_history(hd_door *door, hd_query *q, bool with_keys, hd_event_list *list) {
    bool row;
    int64_t last = 0; // most events are of one type
    const char *type = NULL;
    for (;;) {
        HD_TRY(hd_query_step(q, &row));
        if (!row) return HEED_OK;
        HD_TRY(hd_grow(&list->events, &list->cap, list->n + 1, sizeof *list->events));
        int64_t type_key = hd_query_i64(q, 1);
        if (!type || type_key != last) HD_TRY(hd_types_name(door, type_key, &type));
        last = type_key;
        list->events[list->n++] = read_row(q, 0, with_keys, type);
    }
}

// Appends what stands in `events`, in rising order.
static heed_err read_standing(hd_door *door, int64_t person, bool joined, hd_history_wish wish,
                              hd_event_list *list) {
    hd_query *q;
    size_t first = list->n;
    HD_TRY(hd_query_open(door->store, histories[wish.keys][joined], &q));
    hd_query_bind_i64(q, 1, person);
    hd_bind_limit(q, wish.limit);
    heed_err err = read_history(door, q, wish.keys, list);
    hd_query_close(q);
    hd_event_list_turn(list, first);
    return err;
}

// Appends what came lately, in rising order.
static heed_err read_recent(hd_door *door, int64_t person, bool joined, bool keys,
                            hd_event_list *list) {
    hd_query *q;
    size_t first = list->n;
    HD_TRY(hd_query_open(door->store, recent[keys][joined], &q));
    hd_query_bind_i64(q, 1, person);
    heed_err err = read_history(door, q, keys, list);
    hd_query_close(q);
    return err == HEED_OK ? hd_event_list_order(list, first) : err;
}

// Appends both, the list being empty: the last rows, in rising order.
static heed_err read_all(hd_door *door, int64_t person, bool joined, hd_history_wish wish,
                         hd_event_list *list) {
    HD_TRY(read_standing(door, person, joined, wish, list));
    size_t first = list->n;
    HD_TRY(read_recent(door, person, joined, wish.keys, list));
    HD_TRY(hd_event_list_merge(list, first));
    hd_event_list_last(list, wish.limit);
    return HEED_OK;
}

// ── Histories that are kept ──

static heed_err state_now(hd_door *door, hd_history_state *out) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(door->store,
                         "SELECT max(coalesce((SELECT max(key) FROM events), 0),"
                         " coalesce((SELECT max(key) FROM events_recent), 0)), removals "
                         "FROM events_mark",
                         &q));
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK) {
        out->newest = hd_query_i64(q, 0);
        out->removals = hd_query_i64(q, 1);
    }
    hd_query_close(q);
    return err;
}

// A row as it is kept; false: it can't be.
static bool to_row(const hd_door *door, const hd_door_event *e, hd_history_row *out) {
    bool exact = isnan(e->value) || (double)(float)e->value == e->value;
    uint64_t type;
    if (!exact || e->item_key < 0 || e->item_key > UINT32_MAX || e->key > UINT32_MAX) return false;
    if (!hd_map_get(&door->names, e->type, strlen(e->type), &type)) return false;
    *out = (hd_history_row){.time = e->time,
                            .item = (uint32_t)e->item_key,
                            .type = (uint32_t)type, // its number among the names met so far
                            .key = (uint32_t)e->key,
                            .value = (float)e->value};
    return true;
}

// Adds the row at hand (user_key and the columns above), if something is kept of its person.
static heed_err add_row(hd_door *door, hd_query *q, size_t limit) {
    hd_histories *all = &door->histories;
    int64_t person = hd_query_i64(q, 0);
    const hd_kept_history *kept = hd_histories_get(all, person);
    if (!kept) return HEED_OK;
    const char *type;
    HD_TRY(hd_types_name(door, hd_query_i64(q, 2), &type));
    hd_history_row row;
    const hd_door_event event = read_row(q, 1, kept->keys, type);
    if (to_row(door, &event, &row) && (limit == 0 || kept->n < limit))
        hd_histories_add(all, person, row);
    else
        hd_histories_drop(all, person);
    return HEED_OK;
}

#define NEW_ROWS_OF(table)                                                                        \
    "SELECT user_key, item_key, type, time, value, key FROM " table " NOT INDEXED WHERE key > ?1" \
    " AND user_key IS NOT NULL AND item_key IS NOT NULL ORDER BY key"

static heed_err add_from(hd_door *door, const char *sql, int64_t after, size_t limit) {
    hd_query *q;
    bool row;
    heed_err err;
    HD_TRY(hd_query_open(door->store, sql, &q));
    hd_query_bind_i64(q, 1, after);
    for (;;) {
        HD_TRY_OUT(hd_query_step(q, &row));
        if (!row) break;
        HD_TRY_OUT(add_row(door, q, limit));
    }
out:
    hd_query_close(q);
    return err;
}

// Adds the rows with keys above `after` to the histories they belong to, in the order of the keys.
static heed_err add_new(hd_door *door, int64_t after, size_t limit) {
    HD_TRY(add_from(door, NEW_ROWS_OF("events"), after, limit));
    return add_from(door, NEW_ROWS_OF("events_recent"), after, limit);
}

// More new rows than this are an import: reading what is asked for anew costs less.
enum { NEW_MOST = 1 << 13 };

// Brings what is kept to the state of the transaction that reads.
static heed_err sync_histories(hd_door *door, size_t limit) {
    hd_history_state *before = &door->history_state;
    hd_history_state now = {.writes = hd_store_writes(door->store), .limit = limit};
    if (now.writes == before->writes && limit == before->limit) return HEED_OK;
    HD_TRY(state_now(door, &now));
    heed_err err = HEED_OK;
    if (now.removals != before->removals || limit != before->limit || now.newest < before->newest ||
        now.newest - before->newest > NEW_MOST)
        hd_histories_clear(&door->histories);
    else if (now.newest > before->newest && door->histories.bytes > 0)
        err = add_new(door, before->newest, limit);
    if (err != HEED_OK) hd_histories_clear(&door->histories);
    *before = now;
    return err;
}

static heed_err give_kept(hd_door *door, const hd_kept_history *kept, bool with_keys,
                          hd_event_list *list) {
    HD_TRY(hd_grow(&list->events, &list->cap, list->n + kept->n, sizeof *list->events));
    for (size_t i = 0; i < kept->n; i++) {
        const hd_history_row *row = &kept->rows[i];
        list->events[list->n++] = (hd_door_event){.key = with_keys ? row->key : 0,
                                                  .item_key = row->item,
                                                  .type = door->names.entries[row->type].key,
                                                  .value = (double)row->value,
                                                  .quantity = (double)NAN,
                                                  .time = row->time};
    }
    return HEED_OK;
}

static void keep_history(hd_door *door, int64_t person, bool keys, const hd_door_event *events,
                         size_t n) {
    hd_kept_history *kept = hd_histories_put(&door->histories, person, n);
    if (!kept) return;
    kept->keys = keys;
    for (size_t i = 0; i < n; i++) {
        if (to_row(door, &events[i], &kept->rows[i])) continue;
        hd_histories_drop(&door->histories, person);
        return;
    }
}

static heed_err collect_history(hd_door *door, int64_t person, bool joined, hd_history_wish wish,
                                hd_event_list *list) {
    bool keeps = door->histories.most > 0 && !joined && hd_store_is_reading(door->store);
    if (!keeps) return read_all(door, person, joined, wish, list);
    HD_TRY(sync_histories(door, wish.limit));
    const hd_kept_history *kept = hd_histories_get(&door->histories, person);
    if (kept && (kept->keys || !wish.keys)) return give_kept(door, kept, wish.keys, list);
    HD_TRY(read_all(door, person, joined, wish, list));
    keep_history(door, person, wish.keys, list->events, list->n);
    return HEED_OK;
}

enum { SPARE_MOST = 8192 }; // events that the list may have room for between two requests

heed_err hd_door_history(hd_door *door, hd_purpose purpose, hd_slice id, hd_history_wish wish,
                         hd_arena *arena, int64_t *user_key, hd_door_event **out, size_t *n) {
    HD_TRY(hd_purpose_check(purpose, HD_MAY_PERSON));
    hd_door_sync(door);
    bool joined;
    HD_TRY(hd_users_find_for(door, purpose, id, user_key, &joined));
    hd_event_list *list = &door->history;
    list->n = 0;
    heed_err err = collect_history(door, *user_key, joined, wish, list);
    if (err == HEED_OK) err = hd_event_list_give(list, arena, out, n);
    if (list->cap > SPARE_MOST) { // a robot's
        hd_free(list->events);
        *list = (hd_event_list){0};
    }
    return err;
}
