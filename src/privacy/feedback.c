// SPDX-License-Identifier: Apache-2.0
//
// Writing reviews, tickets and messages. A review or a ticket that stands is updated by what the
// record names; what it leaves out stays. What is overwritten goes to *_before first, unless the
// same batch had written it. Messages are only ever added.
//
// A review is known again by its id, else by its user, item and time; one without id and user is
// always new.
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
    *key = 0;
    if (review->id.p) {
        HD_TRY(hd_query_open(door->store, "SELECT key FROM reviews WHERE review_id = ?1", &q));
        hd_query_bind_text(q, 1, review->id);
        return find_row(q, key);
    }
    if (user_key == 0) return HEED_OK;
    HD_TRY(hd_query_open(door->store,
                         "SELECT key FROM reviews WHERE user_key = ?1 AND item_key IS ?2 "
                         "AND time IS ?3 AND review_id IS NULL",
                         &q));
    hd_query_bind_i64(q, 1, user_key);
    hd_bind_key(q, 2, item_key);
    hd_query_bind_time(q, 3, review->time);
    return find_row(q, key);
}

typedef struct review_keys {
    int64_t key, user, item, batch;
} review_keys;

// Parameters shared by both statements: ?1 .. ?8.
static void bind_review(hd_query *q, const hd_review_record *review, const review_keys *keys) {
    hd_bind_key(q, 1, keys->key);
    hd_bind_key(q, 2, keys->user);
    hd_bind_key(q, 3, keys->item);
    hd_query_bind_f64(q, 4, review->rating);
    hd_query_bind_text(q, 5, review->title);
    hd_query_bind_text(q, 6, review->text);
    hd_query_bind_time(q, 7, review->time);
    hd_query_bind_i64(q, 8, keys->batch);
}

static heed_err insert_review(hd_door *door, const hd_review_record *review,
                              const review_keys *keys) {
    hd_query *q;
    HD_TRY(hd_query_open(door->store,
                         "INSERT INTO reviews(key, user_key, item_key, rating, title, text, time,"
                         " batch, review_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                         &q));
    bind_review(q, review, keys);
    hd_query_bind_text(q, 9, review->id);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

// Whether the record says anything else than the row does.
static heed_err review_differs(hd_door *door, const hd_review_record *review,
                               const review_keys *keys, bool *differs) {
    hd_query *q;
    HD_TRY(hd_query_open(
        door->store,
        "SELECT user_key IS NOT coalesce(?2, user_key) OR item_key IS NOT coalesce(?3, item_key)"
        " OR rating IS NOT coalesce(?4, rating) OR title IS NOT coalesce(?5, title)"
        " OR text IS NOT coalesce(?6, text) OR time IS NOT coalesce(?7, time)"
        " OR ?8 < 0 FROM reviews WHERE key = ?1",
        &q));
    bind_review(q, review, keys);
    bool row;
    heed_err err = hd_query_step(q, &row);
    *differs = err == HEED_OK && row && hd_query_i64(q, 0) != 0;
    hd_query_close(q);
    return err;
}

static heed_err update_review(hd_door *door, const hd_review_record *review,
                              const review_keys *keys) {
    HD_TRY(HD_RUN(door,
                  "INSERT INTO reviews_before(by_batch, key, user_key, item_key, rating, title,"
                  " text, time, batch) SELECT ?2, key, user_key, item_key, rating, title, text,"
                  " time, batch FROM reviews WHERE key = ?1 AND batch <> ?2",
                  keys->key, keys->batch));
    hd_query *q;
    HD_TRY(hd_query_open(
        door->store,
        "UPDATE reviews SET user_key = coalesce(?2, user_key), item_key = coalesce(?3, item_key),"
        " rating = coalesce(?4, rating), title = coalesce(?5, title), text = coalesce(?6, text),"
        " time = coalesce(?7, time), batch = ?8 WHERE key = ?1",
        &q));
    bind_review(q, review, keys);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

heed_err hd_reviews_put(hd_door *door, int64_t batch, const hd_record *record, int64_t item_key,
                        hd_put *what) {
    const hd_review_record *review = &record->review;
    review_keys keys = {.item = item_key, .batch = batch};
    bool differs;
    HD_TRY(hd_id_check(review->id, "the review's id", "评论 id "));
    HD_TRY(hd_id_check(review->user, "the review's user", "评论的用户 id "));
    HD_TRY(hd_users_make(door, review->user, &keys.user, NULL));
    HD_TRY(find_review(door, review, keys.user, item_key, &keys.key));
    if (keys.key == 0) {
        *what = HD_PUT_NEW;
        return insert_review(door, review, &keys);
    }
    HD_TRY(review_differs(door, review, &keys, &differs));
    *what = differs ? HD_PUT_CHANGED : HD_PUT_SAME;
    return differs ? update_review(door, review, &keys) : HEED_OK;
}

// ── Tickets ──

static heed_err find_ticket(hd_door *door, hd_slice id, int64_t *key) {
    hd_query *q;
    HD_TRY(hd_query_open(door->store, "SELECT key FROM tickets WHERE ticket_id = ?1", &q));
    hd_query_bind_text(q, 1, id);
    return find_row(q, key);
}

typedef struct ticket_keys {
    int64_t key, user, batch;
} ticket_keys;

static void bind_ticket(hd_query *q, const hd_ticket_record *ticket, const ticket_keys *keys) {
    hd_bind_key(q, 1, keys->key);
    hd_bind_key(q, 2, keys->user);
    hd_query_bind_text(q, 3, ticket->subject);
    hd_query_bind_text(q, 4, ticket->status);
    hd_query_bind_i64(q, 5, keys->batch);
}

static heed_err insert_ticket(hd_door *door, const hd_ticket_record *ticket, ticket_keys *keys) {
    hd_query *q;
    HD_TRY(hd_query_open(door->store,
                         "INSERT INTO tickets(key, user_key, subject, status, batch, ticket_id) "
                         "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                         &q));
    bind_ticket(q, ticket, keys);
    hd_query_bind_text(q, 6, ticket->id);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    if (err == HEED_OK) keys->key = hd_store_last_key(door->store);
    return err;
}

static heed_err ticket_differs(hd_door *door, const hd_ticket_record *ticket,
                               const ticket_keys *keys, bool *differs) {
    hd_query *q;
    HD_TRY(hd_query_open(
        door->store,
        "SELECT user_key IS NOT coalesce(?2, user_key) OR subject IS NOT coalesce(?3, subject)"
        " OR status IS NOT coalesce(?4, status) OR ?5 < 0 FROM tickets WHERE key = ?1",
        &q));
    bind_ticket(q, ticket, keys);
    bool row;
    heed_err err = hd_query_step(q, &row);
    *differs = err == HEED_OK && row && hd_query_i64(q, 0) != 0;
    hd_query_close(q);
    return err;
}

static heed_err update_ticket(hd_door *door, const hd_ticket_record *ticket,
                              const ticket_keys *keys) {
    HD_TRY(HD_RUN(door,
                  "INSERT INTO tickets_before(by_batch, key, user_key, subject, status, batch)"
                  " SELECT ?2, key, user_key, subject, status, batch FROM tickets"
                  " WHERE key = ?1 AND batch <> ?2",
                  keys->key, keys->batch));
    hd_query *q;
    HD_TRY(hd_query_open(door->store,
                         "UPDATE tickets SET user_key = coalesce(?2, user_key),"
                         " subject = coalesce(?3, subject), status = coalesce(?4, status),"
                         " batch = ?5 WHERE key = ?1",
                         &q));
    bind_ticket(q, ticket, keys);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

static heed_err put_ticket(hd_door *door, const hd_ticket_record *ticket, ticket_keys *keys,
                           hd_put *what) {
    bool differs;
    HD_TRY(find_ticket(door, ticket->id, &keys->key));
    if (keys->key == 0) {
        *what = HD_PUT_NEW;
        return insert_ticket(door, ticket, keys);
    }
    HD_TRY(ticket_differs(door, ticket, keys, &differs));
    *what = differs ? HD_PUT_CHANGED : HD_PUT_SAME;
    return differs ? update_ticket(door, ticket, keys) : HEED_OK;
}

// *added: it wasn't there yet.
static heed_err put_message(hd_door *door, const hd_ticket_record *ticket, const ticket_keys *keys,
                            bool *added) {
    hd_query *q;
    HD_TRY(hd_query_open(door->store,
                         "INSERT INTO messages(ticket_key, message_id, role, text, time, batch)"
                         " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
                         " ON CONFLICT (ticket_key, message_id) DO NOTHING",
                         &q));
    hd_query_bind_i64(q, 1, keys->key);
    hd_query_bind_text(q, 2, ticket->message_id);
    hd_query_bind_text(q, 3, ticket->role);
    hd_query_bind_text(q, 4, ticket->text);
    hd_query_bind_time(q, 5, ticket->time);
    hd_query_bind_i64(q, 6, keys->batch);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    if (err == HEED_OK) *added = hd_store_changes(door->store) > 0;
    return err;
}

heed_err hd_tickets_put(hd_door *door, int64_t batch, const hd_record *record, int64_t item_key,
                        hd_put *what) {
    (void)item_key;
    const hd_ticket_record *ticket = &record->ticket;
    ticket_keys keys = {.batch = batch};
    bool added = false;
    if (!ticket->id.p) return HD_FAIL(HEED_INPUT, "a ticket without an id", "工单没有 id");
    HD_TRY(hd_id_check(ticket->id, "the ticket's id", "工单 id "));
    HD_TRY(hd_id_check(ticket->user, "the ticket's user", "工单的用户 id "));
    HD_TRY(hd_id_check(ticket->message_id, "the message's id", "消息 id "));
    HD_TRY(hd_users_make(door, ticket->user, &keys.user, NULL));
    HD_TRY(put_ticket(door, ticket, &keys, what));
    if (ticket->text.p || ticket->message_id.p) {
        HD_TRY(put_message(door, ticket, &keys, &added));
        if (added && *what == HD_PUT_SAME) *what = HD_PUT_NEW;
    }
    return HEED_OK;
}
