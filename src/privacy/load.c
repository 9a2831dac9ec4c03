// SPDX-License-Identifier: Apache-2.0
//
// Writing events. A few are inserted with their indexes, one by one. When a batch brings many
// compared with what stands, the indexes are dropped and made anew when the batch ends: sorting
// once costs a third of inserting at random places, and the sort spills to a file, so memory stays
// bounded. All of that is DDL inside the caller's transaction: a rollback brings the indexes back.
//
// When to switch is a question of ski rental: what was spent on single insertions so far against
// the price of sorting all. Switching when both are equal costs at most twice the best choice made
// with foreknowledge.
//
// A server keeps the indexes whatever comes (hd_door_put_begin): others read beside it, and the
// next batch may be its last. What it takes in stands aside at first (recent.c).
//
// Without the index on event_id, a repeat shows in a Bloom filter of the ids met: "surely new" goes
// straight in, "maybe known" waits in events_waiting with the key of its place, and is inserted
// when the index stands again, which tells the truth.
//
// Keys count up in order of input and are never used again: the next one is above every row's and
// above the mark that undoing leaves.
//
// Rejected: AUTOINCREMENT (a second row written for every event), finding repeats by sorting the
// ids (a second sort of all rows, where repeats are rare).
#include "privacy/own.h"

// Keeping an index costs a row about so many times what sorting costs it: 10 against 3.5 µs for
// both indexes together at a million events (bench/import.sh's data), 7 against 3 where all pages
// fit in the cache.
enum { INSERT_PER_SORT = 3, BULK_AT_LEAST = 1000 };

static heed_err one_i64(hd_door *door, const char *sql, int64_t *out) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(door->store, sql, &q));
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK) *out = row ? hd_query_i64(q, 0) : 0;
    hd_query_close(q);
    return err;
}

void hd_load_reset(hd_load *load) {
    hd_seen_clear(&load->seen);
    hd_seen seen = load->seen;
    *load = (hd_load){.seen = seen};
}

// ── Bulk loading ──

static heed_err unindex(hd_door *door) {
    return hd_store_exec(door->store, "DROP INDEX events_by_user; DROP INDEX events_by_id;");
}

// Fills the filter with what stands.
static heed_err see_standing(hd_door *door) {
    hd_query *q;
    bool row, maybe;
    HD_TRY(hd_query_open(door->store,
                         "SELECT id_hash FROM events WHERE id_hash IS NOT NULL UNION ALL "
                         "SELECT id_hash FROM events_waiting",
                         &q));
    heed_err err;
    for (;;) {
        HD_TRY_OUT(hd_query_step(q, &row));
        if (!row) break;
        HD_TRY_OUT(hd_seen_add(&door->load.seen, hd_query_blob(q, 0), &maybe));
    }
out:
    hd_query_close(q);
    return err;
}

// Finds out how things stand, at the first event of a batch or after a rollback within it.
static heed_err get_ready(hd_door *door) {
    hd_load *load = &door->load;
    int64_t indexes;
    if (!door->steady) HD_TRY(hd_recent_settle(door));
    HD_TRY(one_i64(door,
                   "SELECT 1 + max((SELECT key FROM events_mark),"
                   " coalesce((SELECT max(key) FROM events), 0),"
                   " coalesce((SELECT max(key) FROM events_recent), 0),"
                   " coalesce((SELECT max(key) FROM events_waiting), 0))",
                   &load->next_key));
    HD_TRY(one_i64(door, "SELECT count(*) FROM events_waiting", &load->n_waiting));
    HD_TRY(one_i64(door,
                   "SELECT count(*) FROM sqlite_schema "
                   "WHERE name IN ('events_by_user', 'events_by_id')",
                   &indexes));
    load->standing = load->next_key - 1;
    load->bulk = indexes < 2;
    if (load->bulk) HD_TRY(see_standing(door));
    load->ready = true;
    return HEED_OK;
}

static heed_err switch_when_due(hd_door *door) {
    hd_load *load = &door->load;
    if (load->bulk || door->steady || load->n_new < BULK_AT_LEAST ||
        load->n_new < (load->standing + load->n_new) / INSERT_PER_SORT) {
        return HEED_OK;
    }
    HD_TRY(see_standing(door));
    HD_TRY(unindex(door));
    load->bulk = true;
    return HEED_OK;
}

// Lets those in that waited. *repeats: how many were known after all.
static heed_err admit_waiting(hd_door *door, int64_t *repeats) {
    HD_TRY(hd_store_exec(door->store, "INSERT INTO events SELECT * FROM events_waiting WHERE true "
                                      "ORDER BY key ON CONFLICT (id_hash) "
                                      "WHERE id_hash IS NOT NULL DO NOTHING"));
    *repeats = door->load.n_waiting - hd_store_changes(door->store);
    return HEED_OK;
}

// Users that were made for events which turned out to be repeats.
static heed_err sweep_waiting(hd_door *door) {
    return hd_store_exec(
        door->store,
        "DELETE FROM users WHERE batch IS NULL AND key IN (SELECT user_key FROM events_waiting)"
        " AND NOT EXISTS (SELECT 1 FROM events WHERE user_key = users.key)"
        " AND NOT EXISTS (SELECT 1 FROM reviews WHERE user_key = users.key)"
        " AND NOT EXISTS (SELECT 1 FROM tickets WHERE user_key = users.key)"
        " AND NOT EXISTS (SELECT 1 FROM user_links WHERE from_key = users.key)"
        " AND NOT EXISTS (SELECT 1 FROM user_links WHERE into_key = users.key)"
        " AND NOT EXISTS (SELECT 1 FROM consents WHERE user_key = users.key)"
        " AND NOT EXISTS (SELECT 1 FROM consent_history WHERE user_key = users.key)");
}

heed_err hd_load_end(hd_door *door, int64_t *repeats) {
    hd_load *load = &door->load;
    if (!load->ready) HD_TRY(get_ready(door));
    if (!load->bulk) return HEED_OK;
    hd_seen_clear(&load->seen); // before the sort needs memory
    HD_TRY(hd_store_exec(door->store, HD_SQL_EVENTS_BY_ID));
    if (load->n_waiting > 0) HD_TRY(admit_waiting(door, repeats));
    HD_TRY(hd_store_exec(door->store, HD_SQL_EVENTS_BY_USER));
    if (load->n_waiting == 0) return HEED_OK;
    if (*repeats > 0) {
        HD_TRY(sweep_waiting(door));
        hd_idcache_forget(&door->users);
    }
    return hd_store_exec(door->store, "DELETE FROM events_waiting");
}

// ── One event ──

#define INTO                                                                            \
    "(key, user_key, item_key, type, time, value, quantity, currency, batch, id_hash, " \
    "session, properties) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"

static const char insert_single[] =
    "INSERT INTO events" INTO " ON CONFLICT (id_hash) WHERE id_hash IS NOT NULL DO NOTHING";
static const char insert_bulk[] = "INSERT INTO events" INTO;
static const char insert_waiting[] = "INSERT INTO events_waiting" INTO;
static const char insert_recent[] = "INSERT INTO events_recent" INTO;

typedef struct event_keys {
    int64_t key, user, item, type, batch;
    uint8_t hash[HD_HASH_BYTES]; // of the event_id, if there is one
} event_keys;

static heed_err bind_sealed(hd_door *door, hd_query *q, const hd_event_record *event,
                            const event_keys *keys) {
    HD_TRY(hd_seal_bind(door, q, 11, HD_FIELD_SESSION, keys->user, keys->key, event->session));
    return hd_seal_bind(door, q, 12, HD_FIELD_PROPERTIES, keys->user, keys->key, event->properties);
}

static heed_err insert(hd_door *door, const char *sql, const hd_event_record *event,
                       const event_keys *keys) {
    hd_query *q;
    HD_TRY(hd_query_open(door->store, sql, &q));
    hd_query_bind_i64(q, 1, keys->key);
    hd_bind_key(q, 2, keys->user);
    hd_bind_key(q, 3, keys->item);
    hd_query_bind_i64(q, 4, keys->type);
    hd_query_bind_time(q, 5, event->time);
    hd_query_bind_f64(q, 6, event->value);
    hd_query_bind_f64(q, 7, event->quantity);
    hd_query_bind_text(q, 8, event->currency);
    hd_query_bind_i64(q, 9, keys->batch);
    hd_query_bind_blob(q, 10, event->event_id.p ? keys->hash : NULL, HD_HASH_BYTES);
    heed_err err = bind_sealed(door, q, event, keys);
    if (err == HEED_OK) err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

static heed_err check(const hd_event_record *event) {
    if (!event->type.p) return HD_FAIL(HEED_INPUT, "an event without a type", "事件没有类型");
    HD_TRY(hd_id_check(event->type, "the event's type", "事件类型"));
    HD_TRY(hd_id_check(event->event_id, "the event's id", "事件 id "));
    HD_TRY(hd_id_check(event->user, "the event's user", "事件的用户 id "));
    if (event->currency.p && event->currency.n != 3) {
        return HD_FAIL(HEED_INPUT,
                       "a currency is three letters, such as USD (ISO 4217): correct it or leave "
                       "it out",
                       "币种应为三个字母，如 CNY（ISO 4217）：请更正或省略");
    }
    return HEED_OK;
}

// How to write it: in bulk, an id that may be known waits.
static heed_err choose(hd_door *door, const uint8_t *hash, const char **sql) {
    bool maybe = false;
    *sql = door->steady ? insert_recent : insert_single;
    if (!door->load.bulk) return HEED_OK;
    hd_slice id = {(const char *)hash, HD_HASH_BYTES};
    if (hash) HD_TRY(hd_seen_add(&door->load.seen, id, &maybe));
    *sql = maybe ? insert_waiting : insert_bulk;
    if (maybe) door->load.n_waiting++;
    return HEED_OK;
}

heed_err hd_load_put(hd_door *door, int64_t batch, const hd_record *record, int64_t item_key,
                     hd_put *what) {
    const hd_event_record *event = &record->event;
    hd_load *load = &door->load;
    event_keys keys = {.item = item_key, .batch = batch};
    const uint8_t *hash = event->event_id.p ? keys.hash : NULL;
    const char *sql;
    bool made, known = false;
    HD_TRY(check(event));
    if (!load->ready) HD_TRY(get_ready(door));
    if (hash) HD_TRY(hd_seal_hash(door, HD_HASH_EVENT, event->event_id, keys.hash));
    HD_TRY(choose(door, hash, &sql));
    if (hash && sql == insert_recent) HD_TRY(hd_recent_has(door, hash, &known));
    *what = HD_PUT_SAME;
    if (known) return HEED_OK;
    HD_TRY(hd_types_key(door, event->type, &keys.type));
    HD_TRY(hd_users_make(door, event->user, &keys.user, &made));
    keys.key = load->next_key;
    HD_TRY(insert(door, sql, event, &keys));
    if (sql == insert_single && hd_store_changes(door->store) == 0)
        return made ? hd_users_unmake(door, event->user, keys.user) : HEED_OK;
    if (sql == insert_recent) HD_TRY(hd_recent_added(door, hash, keys.key));
    *what = HD_PUT_NEW;
    load->next_key++;
    load->n_new++;
    return switch_when_due(door);
}

// ── Taking back ──

static heed_err remove_batch(hd_door *door, int64_t batch, int64_t *n) {
    HD_TRY(hd_store_exec(door->store,
                         HD_SQL_EVENTS_REMOVED("coalesce((SELECT max(key) FROM events), 0)")));
    HD_TRY(HD_RUN(door, "DELETE FROM events WHERE batch = ?1", batch));
    int64_t removed = hd_store_changes(door->store);
    *n += removed;
    if (removed == 0) return HEED_OK;
    // A mistaken column can bring thousands of types: they go with it.
    return hd_store_exec(door->store,
                         "DELETE FROM event_types WHERE key NOT IN (SELECT type FROM events)");
}

static heed_err count_batch(hd_door *door, int64_t batch, int64_t *n, int64_t *all) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(door->store, "SELECT sum(batch = ?1), count(*) FROM events", &q));
    hd_query_bind_i64(q, 1, batch);
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK) {
        *n = hd_query_i64(q, 0);
        *all = hd_query_i64(q, 1);
    }
    hd_query_close(q);
    return err;
}

heed_err hd_load_undo(hd_door *door, int64_t batch, int64_t *n) {
    int64_t count, all;
    HD_TRY(count_batch(door, batch, &count, &all));
    if (count < BULK_AT_LEAST || count < all / INSERT_PER_SORT) {
        return remove_batch(door, batch, n);
    }
    HD_TRY(unindex(door));
    HD_TRY(remove_batch(door, batch, n));
    return hd_store_exec(door->store, HD_SQL_EVENTS_BY_ID HD_SQL_EVENTS_BY_USER);
}
