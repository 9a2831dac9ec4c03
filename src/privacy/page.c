// SPDX-License-Identifier: Apache-2.0
//
// Pages go by key (events: by time, then key), so that what comes in meanwhile moves nothing: a
// page never shows a row twice and never leaves one out. Whether a person is out is asked for each
// row of a page, a few index look-ups; the verdicts on everybody (hd_gate) would cost more than the
// page.
#include "privacy/page.h"

#include "base/mem.h"
#include "base/unicode.h"
#include "privacy/own.h"

const hd_migration hd_page_migrations[] = {
    {.component = "page",
     .version = 1,
     .sql = "CREATE INDEX IF NOT EXISTS reviews_by_item ON reviews(item_key)"
            " WHERE item_key IS NOT NULL;"},
};
const size_t hd_page_n_migrations = sizeof hd_page_migrations / sizeof hd_page_migrations[0];

static heed_err copy_text(hd_slice text, hd_arena *arena, const char **out) {
    *out = NULL;
    if (!text.p) return HEED_OK;
    *out = hd_arena_strndup(arena, text.p, text.n);
    return *out ? HEED_OK : HD_FAIL_MEMORY(text.n);
}

static heed_err room_for(hd_arena *arena, size_t n, size_t size, void *out) {
    void *room = hd_arena_calloc(arena, n + 1, size);
    memcpy(out, &room, sizeof room);
    return room ? HEED_OK : HD_FAIL_MEMORY(n * size);
}

// ── Users ──

heed_err hd_door_users_page(hd_door *door, hd_purpose purpose, int64_t after, size_t limit,
                            hd_arena *arena, int64_t **keys, size_t *n) {
    HD_TRY(hd_purpose_check(purpose, HD_MAY_PERSON));
    HD_TRY(room_for(arena, limit, sizeof **keys, keys));
    hd_query *q;
    bool row = true;
    *n = 0;
    HD_TRY(hd_query_open(door->store,
                         "SELECT key FROM users WHERE key > ?1 AND person IS NULL "
                         "ORDER BY key LIMIT ?2",
                         &q));
    hd_query_bind_i64(q, 1, after);
    hd_query_bind_i64(q, 2, (int64_t)limit);
    heed_err err = HEED_OK;
    while (err == HEED_OK && row && *n < limit) {
        err = hd_query_step(q, &row);
        if (err == HEED_OK && row) (*keys)[(*n)++] = hd_query_i64(q, 0);
    }
    hd_query_close(q);
    return err;
}

// The id of whose row it is, in the arena; NULL where it is nobody's. *lets: they aren't out.
static heed_err read_owner(hd_door *door, hd_purpose purpose, int64_t user_key, hd_arena *arena,
                           bool *lets, const char **id) {
    *lets = true;
    *id = NULL;
    if (user_key == 0) return HEED_OK;
    char *found = NULL;
    heed_err err = hd_door_user_id(door, purpose, user_key, arena, &found);
    *lets = err != HEED_DENIED;
    *id = found;
    return err == HEED_DENIED ? HEED_OK : err;
}

// ── Events ──

// An event without a time is the oldest.
#define BEHIND                                                                     \
    " AND (?4 = 0 OR (coalesce(time, -9223372036854775808), key) < (coalesce(?3, " \
    "-9223372036854775808), ?4))"
#define EVENTS_OF(who)                                                                     \
    "SELECT " HD_EVENT_COLUMNS " FROM events WHERE user_key " who BEHIND                   \
    " UNION ALL SELECT " HD_EVENT_COLUMNS " FROM events_recent WHERE user_key " who BEHIND \
    " ORDER BY time DESC, key DESC LIMIT ?2"
static const char events_of_id[] = EVENTS_OF("= ?1");
static const char events_of_ids[] =
    EVENTS_OF("IN (SELECT ?1 UNION ALL SELECT key FROM users WHERE person = ?1)");

heed_err hd_door_events_page(hd_door *door, hd_purpose purpose, int64_t user_key,
                             hd_door_place behind, size_t limit, hd_arena *arena,
                             hd_door_event **out, size_t *n) {
    int64_t person;
    bool joined, row = true;
    hd_query *q;
    HD_TRY(hd_purpose_check(purpose, HD_MAY_PERSON));
    hd_door_sync(door);
    *n = 0;
    HD_TRY(room_for(arena, limit, sizeof **out, out));
    HD_TRY(hd_users_person_for(door, purpose, user_key, &person, &joined));
    HD_TRY(hd_query_open(door->store, joined ? events_of_ids : events_of_id, &q));
    hd_query_bind_i64(q, 1, person);
    hd_query_bind_i64(q, 2, (int64_t)limit);
    hd_query_bind_time(q, 3, behind.time);
    hd_query_bind_i64(q, 4, behind.key);
    heed_err err = HEED_OK;
    while (err == HEED_OK && row && *n < limit) {
        err = hd_query_step(q, &row);
        if (err == HEED_OK && row) err = hd_event_read(door, q, 0, &(*out)[*n]);
        *n += err == HEED_OK && row;
    }
    hd_query_close(q);
    return err;
}

// ── Reviews ──

static const char reviews_of_item[] =
    "SELECT user_key, " HD_REVIEW_COLUMNS " FROM reviews WHERE item_key = ?1 AND key < ?3 "
    "ORDER BY key DESC";
static const char reviews_of_user[] =
    "SELECT user_key, " HD_REVIEW_COLUMNS " FROM reviews WHERE user_key IN "
    "(SELECT ?1 UNION ALL SELECT key FROM users WHERE person = ?1) AND key < ?3 ORDER BY key DESC";

static heed_err read_reviews(hd_door *door, hd_purpose purpose, hd_query *q, size_t limit,
                             hd_arena *arena, hd_door_written *out, size_t *n) {
    bool row, lets;
    while (*n < limit) {
        HD_TRY(hd_query_step(q, &row));
        if (!row) return HEED_OK;
        HD_TRY(read_owner(door, purpose, hd_query_i64(q, 0), arena, &lets, &out[*n].user));
        if (!lets) continue;
        HD_TRY(hd_review_read(door, q, 1, arena, &out[*n].review));
        ++*n;
    }
    return HEED_OK;
}

heed_err hd_door_reviews_page(hd_door *door, hd_purpose purpose, int64_t user_key, int64_t item_key,
                              int64_t behind, size_t limit, hd_arena *arena, hd_door_written **out,
                              size_t *n) {
    int64_t of = item_key;
    bool joined;
    hd_query *q;
    *n = 0;
    HD_TRY(hd_purpose_check(purpose, HD_MAY_PERSON));
    HD_TRY(room_for(arena, limit, sizeof **out, out));
    if (user_key != 0) HD_TRY(hd_users_person_for(door, purpose, user_key, &of, &joined));
    HD_TRY(hd_query_open(door->store, user_key != 0 ? reviews_of_user : reviews_of_item, &q));
    hd_query_bind_i64(q, 1, of);
    hd_query_bind_i64(q, 2, hd_purpose_may(purpose, HD_MAY_TEXTS));
    hd_query_bind_i64(q, 3, behind > 0 ? behind : INT64_MAX);
    heed_err err = read_reviews(door, purpose, q, limit, arena, *out, n);
    hd_query_close(q);
    return err;
}

// ── Tickets ──

// ?2: whether texts may be read.
#define TICKET_COLUMNS                                                  \
    "SELECT key, user_key, id_box, iif(?2, subject, NULL), status,"     \
    " (SELECT count(*) FROM messages WHERE ticket_key = tickets.key),"  \
    " (SELECT min(time) FROM messages WHERE ticket_key = tickets.key)," \
    " (SELECT max(time) FROM messages WHERE ticket_key = tickets.key) FROM tickets WHERE "
static const char all_tickets[] = TICKET_COLUMNS "key < ?1 ORDER BY key DESC";
static const char tickets_of_user[] =
    TICKET_COLUMNS "key < ?1 AND user_key IN (SELECT ?3 UNION ALL SELECT key FROM users "
                   "WHERE person = ?3) ORDER BY key DESC";
static const char ticket_of_id[] = TICKET_COLUMNS "id_hash = ?1";

static heed_err read_ticket(hd_door *door, hd_purpose purpose, hd_query *q, hd_arena *arena,
                            bool *lets, hd_door_ticket *out) {
    *out = (hd_door_ticket){.key = hd_query_i64(q, 0),
                            .n_messages = hd_query_i64(q, 5),
                            .first = hd_query_time(q, 6),
                            .last = hd_query_time(q, 7)};
    HD_TRY(read_owner(door, purpose, hd_query_i64(q, 1), arena, lets, &out->user));
    hd_slice id, subject;
    HD_TRY(hd_seal_open(door, HD_FIELD_TICKET_ID, out->key, hd_query_blob(q, 2), arena, &id));
    HD_TRY(hd_seal_open(door, HD_FIELD_SUBJECT, out->key, hd_query_blob(q, 3), arena, &subject));
    out->id = id.p;
    out->subject = subject.p;
    return copy_text(hd_query_text(q, 4), arena, &out->status);
}

static heed_err read_tickets(hd_door *door, hd_purpose purpose, hd_query *q, size_t limit,
                             hd_arena *arena, hd_door_ticket *out, size_t *n) {
    bool row, lets;
    while (*n < limit) {
        HD_TRY(hd_query_step(q, &row));
        if (!row) return HEED_OK;
        HD_TRY(read_ticket(door, purpose, q, arena, &lets, &out[*n]));
        *n += lets;
    }
    return HEED_OK;
}

heed_err hd_door_tickets_page(hd_door *door, hd_purpose purpose, int64_t user_key, int64_t behind,
                              size_t limit, hd_arena *arena, hd_door_ticket **out, size_t *n) {
    int64_t person = 0;
    bool joined;
    hd_query *q;
    *n = 0;
    HD_TRY(hd_purpose_check(purpose, HD_MAY_PERSON));
    HD_TRY(room_for(arena, limit, sizeof **out, out));
    if (user_key != 0) HD_TRY(hd_users_person_for(door, purpose, user_key, &person, &joined));
    HD_TRY(hd_query_open(door->store, user_key != 0 ? tickets_of_user : all_tickets, &q));
    hd_query_bind_i64(q, 1, behind > 0 ? behind : INT64_MAX);
    hd_query_bind_i64(q, 2, hd_purpose_may(purpose, HD_MAY_TEXTS));
    if (user_key != 0) hd_query_bind_i64(q, 3, person);
    heed_err err = read_tickets(door, purpose, q, limit, arena, *out, n);
    hd_query_close(q);
    return err;
}

// ── One conversation ──

static heed_err unknown_ticket(hd_slice id) {
    return HD_FAIL(HEED_NOT_FOUND, "no ticket '%.*s': check the id", "没有工单“%.*s”：请检查 id",
                   (int)hd_utf8_cut(id.p, id.n, id.n < 100 ? id.n : 100), id.p);
}

static heed_err find_ticket(hd_door *door, hd_purpose purpose, hd_slice id, hd_arena *arena,
                            hd_door_ticket *out) {
    hd_query *q;
    bool row, lets = true;
    uint8_t hash[HD_HASH_BYTES];
    HD_TRY(hd_seal_hash(door, HD_HASH_TICKET, id, hash));
    HD_TRY(hd_query_open(door->store, ticket_of_id, &q));
    hd_query_bind_blob(q, 1, hash, sizeof hash);
    hd_query_bind_i64(q, 2, hd_purpose_may(purpose, HD_MAY_TEXTS));
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK && !row) err = unknown_ticket(id);
    if (err == HEED_OK) {
        int64_t owner = hd_query_i64(q, 1);
        err = read_ticket(door, purpose, q, arena, &lets, out);
        // Once more, for the message that says why.
        char *refused;
        if (err == HEED_OK && !lets) err = hd_door_user_id(door, purpose, owner, arena, &refused);
    }
    hd_query_close(q);
    return err;
}

static heed_err read_messages(hd_door *door, hd_query *q, hd_arena *arena, hd_door_message *out,
                              size_t cap, size_t *n) {
    bool row;
    while (*n < cap) {
        HD_TRY(hd_query_step(q, &row));
        if (!row) return HEED_OK;
        hd_door_message *message = &out[*n];
        hd_slice text;
        message->key = hd_query_i64(q, 0);
        message->time = hd_query_time(q, 3);
        HD_TRY(copy_text(hd_query_text(q, 1), arena, &message->role));
        HD_TRY(
            hd_seal_open(door, HD_FIELD_MESSAGE, message->key, hd_query_blob(q, 2), arena, &text));
        message->text = text.p;
        ++*n;
    }
    return HEED_OK;
}

heed_err hd_door_ticket_get(hd_door *door, hd_purpose purpose, hd_slice id, size_t limit,
                            hd_arena *arena, hd_door_ticket *out, hd_door_message **messages,
                            size_t *n) {
    hd_query *q;
    *n = 0;
    HD_TRY(hd_purpose_check(purpose, HD_MAY_PERSON));
    HD_TRY(find_ticket(door, purpose, id, arena, out));
    size_t cap = (size_t)out->n_messages;
    if (limit > 0 && limit < cap) cap = limit;
    HD_TRY(room_for(arena, cap, sizeof **messages, messages));
    HD_TRY(hd_query_open(door->store,
                         "SELECT * FROM (SELECT key, role, iif(?2, text, NULL), time FROM messages "
                         "WHERE ticket_key = ?1 ORDER BY time DESC, key DESC LIMIT ?3) "
                         "ORDER BY time, key",
                         &q));
    hd_query_bind_i64(q, 1, out->key);
    hd_query_bind_i64(q, 2, hd_purpose_may(purpose, HD_MAY_TEXTS));
    hd_query_bind_i64(q, 3, (int64_t)cap);
    heed_err err = read_messages(door, q, arena, *messages, cap, n);
    hd_query_close(q);
    return err;
}
