// SPDX-License-Identifier: Apache-2.0
//
// Writing reviews, tickets and messages. A review or a ticket that stands is updated by what the
// record names; what it leaves out stays. What is overwritten goes to *_before first, unless the
// same batch had written it. Messages are only ever added.
//
// Texts are sealed for the user whose review or ticket it is, and sealed anew when it turns out to
// be another's: whoever is erased takes along what was theirs. (What *_before keeps of it stays as
// it was sealed.)
//
// A review is known again by its id, else by its user, item and time; one without id and user is
// always new.
#include <math.h>

#include "base/mem.h"
#include "privacy/own.h"

// Runs a bound query that yields a key and a batch. *key is 0 when there is no row.
static heed_err find_row(hd_query *q, int64_t *key) {
    bool row;
    *key = 0;
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK && row) *key = hd_query_i64(q, 0);
    hd_query_close(q);
    return err;
}

// ── Reviews ──

static heed_err find_review(hd_door *door, const hd_review_record *review, int64_t user_key,
                            int64_t item_key, int64_t *key) {
    hd_query *q;
    uint8_t hash[HD_HASH_BYTES];
    *key = 0;
    if (review->id.p) {
        HD_TRY(hd_seal_hash(door, HD_HASH_REVIEW, review->id, hash));
        HD_TRY(hd_query_open(door->store, "SELECT key FROM reviews WHERE id_hash = ?1", &q));
        hd_query_bind_blob(q, 1, hash, sizeof hash);
        return find_row(q, key);
    }
    if (user_key == 0) return HEED_OK;
    HD_TRY(hd_query_open(door->store,
                         "SELECT key FROM reviews WHERE user_key = ?1 AND item_key IS ?2 "
                         "AND time IS ?3 AND id_hash IS NULL",
                         &q));
    hd_query_bind_i64(q, 1, user_key);
    hd_bind_key(q, 2, item_key);
    hd_query_bind_time(q, 3, review->time);
    return find_row(q, key);
}

typedef struct review_keys {
    int64_t key, user, item, batch;
} review_keys;

// Parameters shared by both statements: ?1 .. ?8. user: whose key seals the texts.
static heed_err bind_review(hd_door *door, hd_query *q, const hd_review_record *review,
                            const review_keys *keys, int64_t user) {
    hd_bind_key(q, 1, keys->key);
    hd_bind_key(q, 2, keys->user);
    hd_bind_key(q, 3, keys->item);
    hd_query_bind_f64(q, 4, review->rating);
    hd_query_bind_time(q, 7, review->time);
    hd_query_bind_i64(q, 8, keys->batch);
    HD_TRY(hd_seal_bind(door, q, 5, HD_FIELD_TITLE, user, keys->key, review->title));
    return hd_seal_bind(door, q, 6, HD_FIELD_REVIEW, user, keys->key, review->text);
}

static heed_err insert_review(hd_door *door, const hd_review_record *review, review_keys *keys) {
    hd_query *q;
    uint8_t hash[HD_HASH_BYTES];
    HD_TRY(hd_next_key(door, "reviews", &keys->key));
    if (review->id.p) HD_TRY(hd_seal_hash(door, HD_HASH_REVIEW, review->id, hash));
    HD_TRY(hd_query_open(door->store,
                         "INSERT INTO reviews(key, user_key, item_key, rating, title, text, time,"
                         " batch, id_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                         &q));
    hd_query_bind_blob(q, 9, review->id.p ? hash : NULL, sizeof hash);
    heed_err err = bind_review(door, q, review, keys, keys->user);
    if (err == HEED_OK) err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

// A review as it stands, its texts opened into an arena.
typedef struct standing_review {
    int64_t user, item;
    double rating;
    hd_time time;
    hd_slice title, text;
} standing_review;

static heed_err read_review(hd_door *door, int64_t key, hd_arena *arena, standing_review *out) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(door->store,
                         "SELECT user_key, item_key, rating, time, title, text FROM reviews"
                         " WHERE key = ?1",
                         &q));
    hd_query_bind_i64(q, 1, key);
    heed_err err;
    HD_TRY_OUT(hd_query_step(q, &row));
    *out = (standing_review){.user = hd_query_i64(q, 0),
                             .item = hd_query_i64(q, 1),
                             .rating = hd_query_f64(q, 2),
                             .time = hd_query_time(q, 3)};
    HD_TRY_OUT(hd_seal_open(door, HD_FIELD_TITLE, key, hd_query_blob(q, 4), arena, &out->title));
    HD_TRY_OUT(hd_seal_open(door, HD_FIELD_REVIEW, key, hd_query_blob(q, 5), arena, &out->text));
out:
    hd_query_close(q);
    return err;
}

// Whether a text is given and isn't the one that stands.
static bool differs(hd_slice given, hd_slice stands) {
    if (!given.p) return false;
    return !stands.p || given.n != stands.n || memcmp(given.p, stands.p, given.n) != 0;
}

// Whether the record says anything else than the row does.
static bool review_differs(const hd_review_record *review, const review_keys *keys,
                           const standing_review *now) {
    return (keys->user != 0 && keys->user != now->user) ||
           (keys->item != 0 && keys->item != now->item) ||
           (!isnan(review->rating) && !(review->rating == now->rating)) ||
           (review->time != HD_TIME_NONE && review->time != now->time) ||
           differs(review->title, now->title) || differs(review->text, now->text);
}

// Texts that stand are sealed anew when the review turns out to be somebody else's.
static heed_err update_review(hd_door *door, const hd_review_record *given, const review_keys *keys,
                              const standing_review *now) {
    HD_TRY(HD_RUN(door,
                  "INSERT INTO reviews_before(by_batch, key, user_key, item_key, rating, title,"
                  " text, time, batch) SELECT ?2, key, user_key, item_key, rating, title, text,"
                  " time, batch FROM reviews WHERE key = ?1 AND batch <> ?2",
                  keys->key, keys->batch));
    hd_review_record review = *given;
    bool moved = keys->user != 0 && keys->user != now->user;
    if (moved && !review.title.p) review.title = now->title;
    if (moved && !review.text.p) review.text = now->text;
    hd_query *q;
    HD_TRY(hd_query_open(
        door->store,
        "UPDATE reviews SET user_key = coalesce(?2, user_key), item_key = coalesce(?3, item_key),"
        " rating = coalesce(?4, rating), title = coalesce(?5, title), text = coalesce(?6, text),"
        " time = coalesce(?7, time), batch = ?8 WHERE key = ?1",
        &q));
    heed_err err = bind_review(door, q, &review, keys, keys->user ? keys->user : now->user);
    if (err == HEED_OK) err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

static heed_err put_over_review(hd_door *door, const hd_review_record *review,
                                const review_keys *keys, hd_put *what) {
    hd_arena arena;
    standing_review now;
    hd_arena_init(&arena);
    heed_err err = read_review(door, keys->key, &arena, &now);
    if (err == HEED_OK) {
        *what = review_differs(review, keys, &now) ? HD_PUT_CHANGED : HD_PUT_SAME;
        if (*what == HD_PUT_CHANGED) err = update_review(door, review, keys, &now);
    }
    hd_arena_clear(&arena);
    return err;
}

heed_err hd_reviews_put(hd_door *door, int64_t batch, const hd_record *record, int64_t item_key,
                        hd_put *what) {
    const hd_review_record *review = &record->review;
    review_keys keys = {.item = item_key, .batch = batch};
    HD_TRY(hd_id_check(review->id, "the review's id", "评论 id "));
    HD_TRY(hd_id_check(review->user, "the review's user", "评论的用户 id "));
    HD_TRY(hd_users_make(door, review->user, &keys.user, NULL));
    HD_TRY(find_review(door, review, keys.user, item_key, &keys.key));
    if (keys.key != 0) return put_over_review(door, review, &keys, what);
    *what = HD_PUT_NEW;
    return insert_review(door, review, &keys);
}

// ── Tickets ──

static heed_err find_ticket(hd_door *door, const uint8_t hash[HD_HASH_BYTES], int64_t *key) {
    hd_query *q;
    HD_TRY(hd_query_open(door->store, "SELECT key FROM tickets WHERE id_hash = ?1", &q));
    hd_query_bind_blob(q, 1, hash, HD_HASH_BYTES);
    return find_row(q, key);
}

typedef struct ticket_keys {
    int64_t key, user, batch;
} ticket_keys;

static heed_err bind_ticket(hd_door *door, hd_query *q, const hd_ticket_record *ticket,
                            const ticket_keys *keys, int64_t user) {
    hd_bind_key(q, 1, keys->key);
    hd_bind_key(q, 2, keys->user);
    hd_query_bind_text(q, 4, ticket->status);
    hd_query_bind_i64(q, 5, keys->batch);
    return hd_seal_bind(door, q, 3, HD_FIELD_SUBJECT, user, keys->key, ticket->subject);
}

static heed_err insert_ticket(hd_door *door, const hd_ticket_record *ticket,
                              const uint8_t hash[HD_HASH_BYTES], ticket_keys *keys) {
    hd_query *q;
    HD_TRY(hd_next_key(door, "tickets", &keys->key));
    HD_TRY(hd_query_open(door->store,
                         "INSERT INTO tickets(key, user_key, subject, status, batch, id_hash,"
                         " id_box) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                         &q));
    hd_query_bind_blob(q, 6, hash, HD_HASH_BYTES);
    heed_err err = bind_ticket(door, q, ticket, keys, keys->user);
    if (err == HEED_OK) {
        err = hd_seal_bind(door, q, 7, HD_FIELD_TICKET_ID, keys->user, keys->key, ticket->id);
    }
    if (err == HEED_OK) err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

typedef struct standing_ticket {
    int64_t user;
    hd_slice subject, status, id;
} standing_ticket;

static heed_err read_ticket(hd_door *door, int64_t key, hd_arena *arena, standing_ticket *out) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(
        door->store, "SELECT user_key, status, subject, id_box FROM tickets WHERE key = ?1", &q));
    hd_query_bind_i64(q, 1, key);
    heed_err err;
    *out = (standing_ticket){0};
    HD_TRY_OUT(hd_query_step(q, &row));
    out->user = hd_query_i64(q, 0);
    hd_slice status = hd_query_text(q, 1);
    if (status.p) {
        out->status = (hd_slice){hd_arena_strndup(arena, status.p, status.n), status.n};
        if (!out->status.p) err = HD_FAIL_MEMORY(status.n);
    }
    HD_TRY_OUT(err);
    HD_TRY_OUT(
        hd_seal_open(door, HD_FIELD_SUBJECT, key, hd_query_blob(q, 2), arena, &out->subject));
    HD_TRY_OUT(hd_seal_open(door, HD_FIELD_TICKET_ID, key, hd_query_blob(q, 3), arena, &out->id));
out:
    hd_query_close(q);
    return err;
}

static bool ticket_differs(const hd_ticket_record *ticket, const ticket_keys *keys,
                           const standing_ticket *now) {
    return (keys->user != 0 && keys->user != now->user) || differs(ticket->subject, now->subject) ||
           differs(ticket->status, now->status);
}

// Seals a field of a row anew, for another user.
static heed_err seal_anew(hd_door *door, const char *sql, hd_field field, int64_t user, int64_t key,
                          hd_slice text) {
    hd_query *q;
    HD_TRY(hd_query_open(door->store, sql, &q));
    hd_query_bind_i64(q, 1, key);
    heed_err err = hd_seal_bind(door, q, 2, field, user, key, text);
    if (err == HEED_OK) err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

// The conversation goes along when a ticket turns out to be somebody else's. One message after the
// other, by key: rows aren't changed under a query that reads them.
static heed_err move_messages(hd_door *door, const ticket_keys *keys) {
    int64_t after = 0;
    for (;;) {
        hd_query *q;
        hd_arena arena;
        hd_slice text = {0};
        bool row;
        HD_TRY(hd_query_open(door->store,
                             "SELECT key, text FROM messages WHERE ticket_key = ?1 AND key > ?2"
                             " ORDER BY key LIMIT 1",
                             &q));
        hd_query_bind_i64(q, 1, keys->key);
        hd_query_bind_i64(q, 2, after);
        hd_arena_init(&arena);
        heed_err err = hd_query_step(q, &row);
        if (err == HEED_OK && row) {
            after = hd_query_i64(q, 0);
            err = hd_seal_open(door, HD_FIELD_MESSAGE, after, hd_query_blob(q, 1), &arena, &text);
        }
        hd_query_close(q);
        if (err == HEED_OK && text.p) {
            err = seal_anew(door, "UPDATE messages SET text = ?2 WHERE key = ?1", HD_FIELD_MESSAGE,
                            keys->user, after, text);
        }
        hd_arena_clear(&arena);
        if (err != HEED_OK || !row) return err;
    }
}

static heed_err move_ticket(hd_door *door, const ticket_keys *keys, const standing_ticket *now) {
    HD_TRY(seal_anew(door, "UPDATE tickets SET id_box = ?2 WHERE key = ?1", HD_FIELD_TICKET_ID,
                     keys->user, keys->key, now->id));
    return move_messages(door, keys);
}

static heed_err update_ticket(hd_door *door, const hd_ticket_record *given, const ticket_keys *keys,
                              const standing_ticket *now) {
    HD_TRY(HD_RUN(door,
                  "INSERT INTO tickets_before(by_batch, key, user_key, subject, status, batch)"
                  " SELECT ?2, key, user_key, subject, status, batch FROM tickets"
                  " WHERE key = ?1 AND batch <> ?2",
                  keys->key, keys->batch));
    hd_ticket_record ticket = *given;
    bool moved = keys->user != 0 && keys->user != now->user;
    if (moved) HD_TRY(move_ticket(door, keys, now));
    if (moved && !ticket.subject.p) ticket.subject = now->subject;
    hd_query *q;
    HD_TRY(hd_query_open(door->store,
                         "UPDATE tickets SET user_key = coalesce(?2, user_key),"
                         " subject = coalesce(?3, subject), status = coalesce(?4, status),"
                         " batch = ?5 WHERE key = ?1",
                         &q));
    heed_err err = bind_ticket(door, q, &ticket, keys, keys->user ? keys->user : now->user);
    if (err == HEED_OK) err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

// *owner: whose ticket it is when that is done.
static heed_err put_over_ticket(hd_door *door, const hd_ticket_record *ticket,
                                const ticket_keys *keys, hd_put *what, int64_t *owner) {
    hd_arena arena;
    standing_ticket now;
    hd_arena_init(&arena);
    heed_err err = read_ticket(door, keys->key, &arena, &now);
    if (err == HEED_OK) {
        *owner = keys->user ? keys->user : now.user;
        *what = ticket_differs(ticket, keys, &now) ? HD_PUT_CHANGED : HD_PUT_SAME;
        if (*what == HD_PUT_CHANGED) err = update_ticket(door, ticket, keys, &now);
    }
    hd_arena_clear(&arena);
    return err;
}

static heed_err put_ticket(hd_door *door, const hd_ticket_record *ticket, ticket_keys *keys,
                           hd_put *what, int64_t *owner) {
    uint8_t hash[HD_HASH_BYTES];
    HD_TRY(hd_seal_hash(door, HD_HASH_TICKET, ticket->id, hash));
    HD_TRY(find_ticket(door, hash, &keys->key));
    if (keys->key != 0) return put_over_ticket(door, ticket, keys, what, owner);
    *what = HD_PUT_NEW;
    *owner = keys->user;
    return insert_ticket(door, ticket, hash, keys);
}

// *added: it wasn't there yet.
static heed_err put_message(hd_door *door, const hd_ticket_record *ticket, const ticket_keys *keys,
                            int64_t owner, bool *added) {
    hd_query *q;
    uint8_t hash[HD_HASH_BYTES];
    int64_t key;
    HD_TRY(hd_next_key(door, "messages", &key));
    if (ticket->message_id.p) {
        HD_TRY(hd_seal_hash(door, HD_HASH_MESSAGE, ticket->message_id, hash));
    }
    HD_TRY(hd_query_open(door->store,
                         "INSERT INTO messages(key, ticket_key, id_hash, role, text, time, batch)"
                         " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
                         " ON CONFLICT (ticket_key, id_hash) DO NOTHING",
                         &q));
    hd_query_bind_i64(q, 1, key);
    hd_query_bind_i64(q, 2, keys->key);
    hd_query_bind_blob(q, 3, ticket->message_id.p ? hash : NULL, sizeof hash);
    hd_query_bind_text(q, 4, ticket->role);
    hd_query_bind_time(q, 6, ticket->time);
    hd_query_bind_i64(q, 7, keys->batch);
    heed_err err = hd_seal_bind(door, q, 5, HD_FIELD_MESSAGE, owner, key, ticket->text);
    if (err == HEED_OK) err = hd_query_run(q);
    hd_query_close(q);
    if (err == HEED_OK) *added = hd_store_changes(door->store) > 0;
    return err;
}

heed_err hd_tickets_put(hd_door *door, int64_t batch, const hd_record *record, int64_t item_key,
                        hd_put *what) {
    (void)item_key;
    const hd_ticket_record *ticket = &record->ticket;
    ticket_keys keys = {.batch = batch};
    int64_t owner = 0;
    bool added = false;
    if (!ticket->id.p) return HD_FAIL(HEED_INPUT, "a ticket without an id", "工单没有 id");
    HD_TRY(hd_id_check(ticket->id, "the ticket's id", "工单 id "));
    HD_TRY(hd_id_check(ticket->user, "the ticket's user", "工单的用户 id "));
    HD_TRY(hd_id_check(ticket->message_id, "the message's id", "消息 id "));
    HD_TRY(hd_users_make(door, ticket->user, &keys.user, NULL));
    HD_TRY(put_ticket(door, ticket, &keys, what, &owner));
    if (ticket->text.p || ticket->message_id.p) {
        HD_TRY(put_message(door, ticket, &keys, owner, &added));
        if (added && *what == HD_PUT_SAME) *what = HD_PUT_NEW;
    }
    return HEED_OK;
}
