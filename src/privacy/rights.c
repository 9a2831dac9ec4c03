// SPDX-License-Identifier: Apache-2.0
//
// Looking a person up for their rights, and correcting what is stored.
//
// A corrected attribute is set on the person's main id and taken from the other ids, so that the
// main one's word stands alone. What imports overwrote is corrected as well: undoing an import must
// not bring back what the person had put right.
#include "privacy/rights.h"

#include "base/json.h"
#include "base/mem.h"
#include "privacy/own.h"

#define HIS "(SELECT ?1 UNION ALL SELECT key FROM users WHERE person = ?1)"

heed_err hd_rights_find(hd_door *door, hd_slice id, int64_t *person) {
    return hd_door_user_find(door, HD_PURPOSE_RIGHTS, id, person);
}

heed_err hd_rights_count(hd_door *door, int64_t person, hd_rights_counts *out) {
    hd_query *q;
    bool row;
    HD_TRY(
        hd_query_open(door->store,
                      "SELECT (SELECT count(*) FROM users WHERE key IN " HIS "),"
                      " (SELECT count(*) FROM reviews WHERE user_key IN " HIS "),"
                      " (SELECT count(*) FROM tickets WHERE user_key IN " HIS "),"
                      " (SELECT count(*) FROM messages WHERE ticket_key IN"
                      "   (SELECT key FROM tickets WHERE user_key IN " HIS ")),"
                      " count(*), min(time), max(time) FROM " HD_EVENTS("time", "user_key IN " HIS),
                      &q));
    hd_query_bind_i64(q, 1, person);
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK) {
        *out = (hd_rights_counts){.ids = hd_query_i64(q, 0),
                                  .reviews = hd_query_i64(q, 1),
                                  .tickets = hd_query_i64(q, 2),
                                  .messages = hd_query_i64(q, 3),
                                  .events = hd_query_i64(q, 4),
                                  .first = hd_query_time(q, 5),
                                  .last = hd_query_time(q, 6)};
    }
    hd_query_close(q);
    return err;
}

static heed_err add_id(hd_arena *arena, hd_slice id, char ***ids, size_t *n, size_t *cap) {
    if (*n == *cap) {
        *cap = 2 * *cap + 4;
        char **more = hd_arena_alloc(arena, *cap * sizeof *more);
        if (!more) return HD_FAIL_MEMORY(*cap * sizeof *more);
        if (*n > 0) memcpy(more, *ids, *n * sizeof *more);
        *ids = more;
    }
    (*ids)[(*n)++] = (char *)(uintptr_t)id.p;
    return HEED_OK;
}

heed_err hd_rights_ids(hd_door *door, int64_t person, hd_arena *arena, char ***ids, size_t *n) {
    hd_query *q;
    bool row;
    size_t cap = 0;
    heed_err err;
    *ids = NULL;
    *n = 0;
    HD_TRY(hd_query_open(door->store,
                         "SELECT key, id_box FROM users WHERE key = ?1 OR person = ?1"
                         " ORDER BY key <> ?1, key",
                         &q));
    hd_query_bind_i64(q, 1, person);
    for (;;) {
        HD_TRY_OUT(hd_query_step(q, &row));
        if (!row) break;
        hd_slice id;
        HD_TRY_OUT(hd_seal_open(door, HD_FIELD_USER_ID, hd_query_i64(q, 0), hd_query_blob(q, 1),
                                arena, &id));
        HD_TRY_OUT(add_id(arena, id, ids, n, &cap));
    }
out:
    hd_query_close(q);
    return err;
}

// ── Models ──

// By falling time: what was said last before it; the basis decides where nothing was.
static heed_err was_in(hd_door *door, int64_t person, hd_purpose purpose, hd_time time, bool *in) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(door->store,
                         "SELECT min(state) FROM (SELECT purpose, state, max(key) FROM"
                         " consent_history WHERE user_key IN " HIS " AND purpose IN (?2, '*')"
                         " AND time <= ?3 GROUP BY purpose) WHERE purpose <> '*'"
                         " OR state = 0",
                         &q));
    hd_query_bind_i64(q, 1, person);
    hd_query_bind_text(q, 2, hd_slice_of(hd_purpose_name(purpose)));
    hd_query_bind_time(q, 3, time);
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK) {
        *in = hd_query_is_null(q, 0) ? door->basis[purpose] == HD_BASIS_INTEREST
                                     : hd_query_i64(q, 0) != 0;
    }
    hd_query_close(q);
    return err;
}

heed_err hd_rights_held(hd_door *door, int64_t person, hd_purpose purpose, hd_time time,
                        bool *held) {
    hd_query *q;
    bool row;
    *held = false;
    HD_TRY(hd_query_open(
        door->store,
        "SELECT EXISTS (SELECT 1 FROM " HD_EVENTS(
            "batch",
            "user_key IN " HIS) " AS e JOIN import_batches AS b ON b.id = e.batch WHERE b.started <= ?2)",
        &q));
    hd_query_bind_i64(q, 1, person);
    hd_query_bind_time(q, 2, time);
    heed_err err = hd_query_step(q, &row);
    bool there = err == HEED_OK && hd_query_i64(q, 0) != 0;
    hd_query_close(q);
    if (err != HEED_OK || !there) return err;
    return was_in(door, person, purpose, time, held);
}

// ── Correcting attributes ──

// How a change meets an object: the main id is told, other ids lose what it says, and of what was
// overwritten only what stands there is put right.
typedef enum place { MAIN, OTHER, BEFORE } place;

static heed_err apply(json_t *object, json_t *change, place at, bool *changed) {
    const char *name;
    json_t *value;
    json_object_foreach(change, name, value) {
        const json_t *now = json_object_get(object, name);
        if (!now && (at != MAIN || json_is_null(value))) continue;
        if (json_is_null(value) || at == OTHER) {
            *changed = true;
            (void)json_object_del(object, name);
        } else if (!now || !json_equal(now, value)) {
            *changed = true;
            HD_TRY(hd_json_set(object, name, json_incref(value)));
        }
    }
    return HEED_OK;
}

static heed_err write_attributes(hd_door *door, const char *sql, int64_t key, int64_t by,
                                 const json_t *object) {
    hd_str text;
    hd_str_init(&text);
    hd_query *q = NULL;
    heed_err err = hd_json_dump(object, false, &text);
    if (err == HEED_OK) err = hd_str_check(&text);
    if (err == HEED_OK) err = hd_query_open(door->store, sql, &q);
    if (err == HEED_OK) {
        hd_query_bind_i64(q, 1, key);
        hd_query_bind_i64(q, 2, by);
        err = hd_seal_bind(door, q, 3, HD_FIELD_ATTRIBUTES, key, key,
                           (hd_slice){hd_str_get(&text), text.len});
    }
    if (err == HEED_OK) err = hd_query_run(q);
    hd_query_close(q);
    hd_str_clear(&text);
    return err;
}

// A row with attributes: of users (by 0) or users_before.
typedef struct standing {
    int64_t key, by;
    place place;
    json_t *attributes;
} standing;

static heed_err correct_row(hd_door *door, const standing *row, json_t *change) {
    bool changed = false;
    HD_TRY(apply(row->attributes, change, row->place, &changed));
    if (!changed) return HEED_OK;
    return write_attributes(door,
                            row->place == BEFORE
                                ? "UPDATE users_before SET attributes = ?3"
                                  " WHERE key = ?1 AND by_batch = ?2"
                                : "UPDATE users SET attributes = ?3 WHERE key = ?1 + 0 * ?2",
                            row->key, row->by, row->attributes);
}

typedef struct standing_list {
    standing *rows;
    size_t n, cap;
} standing_list;

static heed_err add_standing(hd_door *door, standing_list *list, hd_query *q, int64_t person,
                             hd_arena *arena) {
    HD_TRY(hd_grow(&list->rows, &list->cap, list->n + 1, sizeof *list->rows));
    standing *row = &list->rows[list->n];
    *row = (standing){.key = hd_query_i64(q, 0), .by = hd_query_i64(q, 1)};
    row->place = row->by != 0 ? BEFORE : row->key == person ? MAIN : OTHER;
    hd_slice text;
    HD_TRY(hd_seal_open(door, HD_FIELD_ATTRIBUTES, row->key, hd_query_blob(q, 2), arena, &text));
    if (!text.p) text = hd_slice_of("{}");
    heed_err err = hd_json_parse(text.p, text.n, "attributes", &row->attributes);
    if (err == HEED_OK) list->n++;
    if (err == HEED_OK || err == HEED_MEMORY) return err;
    return HD_FAIL(HEED_CORRUPT, "a user's stored attributes can't be read: run 'heed doctor'",
                   "无法读取某个用户的属性：请运行“heed doctor”");
}

static heed_err list_standing(hd_door *door, int64_t person, standing_list *list) {
    hd_query *q;
    bool row;
    heed_err err;
    HD_TRY(hd_query_open(door->store,
                         "SELECT key, 0, attributes FROM users WHERE key IN " HIS
                         " UNION ALL SELECT key, by_batch, attributes FROM users_before"
                         " WHERE attributes IS NOT NULL AND key IN " HIS,
                         &q));
    hd_arena arena;
    hd_arena_init(&arena);
    hd_query_bind_i64(q, 1, person);
    for (;;) {
        HD_TRY_OUT(hd_query_step(q, &row));
        if (!row) break;
        HD_TRY_OUT(add_standing(door, list, q, person, &arena));
    }
out:
    hd_arena_clear(&arena);
    hd_query_close(q);
    return err;
}

static heed_err correct_attributes(hd_door *door, int64_t person, json_t *change) {
    standing_list list = {0};
    if (!json_is_object(change)) {
        return HD_FAIL(HEED_INPUT, "the attributes to correct are not a JSON object",
                       "要更正的属性不是 JSON 对象");
    }
    heed_err err = list_standing(door, person, &list);
    for (size_t i = 0; err == HEED_OK && i < list.n; i++)
        err = correct_row(door, &list.rows[i], change);
    for (size_t i = 0; i < list.n; i++) json_decref(list.rows[i].attributes);
    hd_free(list.rows);
    return err;
}

// ── Removing single rows ──

static heed_err remove_event(hd_door *door, int64_t person, int64_t event) {
    HD_TRY(HD_RUN(door, "DELETE FROM events WHERE key = ?2 AND user_key IN " HIS, person, event));
    if (hd_store_changes(door->store) == 0) {
        return HD_FAIL(
            HEED_NOT_FOUND, "event %lld is not one of this user's; 'heed users export' lists them",
            "事件 %lld 不属于该用户；“heed users export”会列出其全部事件", (long long)event);
    }
    return HD_RUN(door, HD_SQL_EVENTS_REMOVED("?1"), event);
}

static heed_err remove_review(hd_door *door, int64_t person, int64_t review) {
    HD_TRY(HD_RUN(door, "DELETE FROM reviews WHERE key = ?2 AND user_key IN " HIS, person, review));
    if (hd_store_changes(door->store) == 0) {
        return HD_FAIL(
            HEED_NOT_FOUND, "review %lld is not one of this user's; 'heed users export' lists them",
            "评论 %lld 不属于该用户；“heed users export”会列出其全部评论", (long long)review);
    }
    return HD_RUN(door, "DELETE FROM reviews_before WHERE key = ?1", review);
}

static heed_err correct(hd_door *door, int64_t person, const hd_correction *what) {
    if (what->n_events > 0) HD_TRY(hd_recent_settle(door));
    if (what->attributes) HD_TRY(correct_attributes(door, person, what->attributes));
    for (size_t i = 0; i < what->n_events; i++) HD_TRY(remove_event(door, person, what->events[i]));
    for (size_t i = 0; i < what->n_reviews; i++)
        HD_TRY(remove_review(door, person, what->reviews[i]));
    return hd_consent_mark_raise(door); // what was read of all persons before is no longer so
}

heed_err hd_rights_correct(hd_door *door, int64_t person, const hd_correction *what) {
    HD_TRY(hd_store_begin(door->store));
    hd_door_sync(door);
    heed_err err = correct(door, person, what);
    hd_door_forget(door);
    if (err == HEED_OK) return hd_store_commit(door->store);
    hd_store_rollback(door->store);
    return err;
}
