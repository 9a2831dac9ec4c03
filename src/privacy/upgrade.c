// SPDX-License-Identifier: Apache-2.0
//
// From version 1 of the tables, which held ids and texts as they came, to version 2, which seals
// them. All in the transaction of the step: an old database stays as it was, or becomes new whole.
//
// Rows are first copied without what is sealed, by SQL; then each old row with ids or texts is read
// and what it holds is sealed into its new row. Keys of rows stay: events, reviews and joins refer
// to users by them. Every user gets a subject.
#include "base/mem.h"
#include "privacy/own.h"

// Copies that need no key. users get what is unique for the time being.
static const char copy_plain[] =
    "INSERT INTO sqlite_sequence(name, seq)"
    " SELECT substr(name, 1, length(name) - 2), seq FROM sqlite_sequence"
    " WHERE name IN ('users_1', 'reviews_1', 'tickets_1', 'messages_1');"
    "INSERT INTO users(key, subject, id_hash, id_box, created, batch)"
    " SELECT key, -key, randomblob(16), x'', created, batch FROM users_1;"
    "UPDATE users SET person = o.person FROM users_1 AS o"
    " WHERE o.key = users.key AND o.person IS NOT NULL;"
    "INSERT INTO users_before SELECT by_batch, key, NULL, created, batch FROM users_before_1;"
    "INSERT INTO user_links SELECT key, from_key, into_key, batch FROM user_links_1;"
    "INSERT INTO events SELECT key, user_key, item_key, type, time, value, quantity, currency,"
    " batch, NULL, NULL, NULL FROM events_1 ORDER BY key;"
    "INSERT INTO reviews SELECT key, NULL, user_key, item_key, rating, NULL, NULL, time, batch"
    " FROM reviews_1;"
    "INSERT INTO reviews_before SELECT by_batch, key, user_key, item_key, rating, NULL, NULL, time,"
    " batch FROM reviews_before_1;"
    "INSERT INTO tickets SELECT key, randomblob(16), x'', user_key, NULL, status, batch"
    " FROM tickets_1;"
    "INSERT INTO tickets_before SELECT by_batch, key, user_key, NULL, status, batch"
    " FROM tickets_before_1;"
    "INSERT INTO messages SELECT key, ticket_key, NULL, role, NULL, time, batch FROM messages_1;";

static const char drop_old[] =
    "DROP TABLE messages_1; DROP TABLE tickets_1; DROP TABLE tickets_before_1;"
    "DROP TABLE reviews_1; DROP TABLE reviews_before_1; DROP TABLE events_1;"
    "DROP TABLE user_links_1; DROP TABLE users_before_1; DROP TABLE users_1;";

// What of a table is sealed: rows are (key, by_batch or 0, user's key, id or NULL, texts …), the
// new ones are set with (?1 key, ?2 by_batch, ?3 hash of the id, ?4 … boxes).
enum { TEXTS = 2 };
typedef struct sealed_table {
    const char *select, *update, *hash;
    size_t n;
    hd_field fields[TEXTS];
} sealed_table;

static const sealed_table tables[] = {
    {"SELECT key, by_batch, key, NULL, attributes FROM users_before_1 WHERE attributes IS NOT NULL",
     "UPDATE users_before SET attributes = ?4 WHERE key = ?1 AND by_batch = ?2",
     NULL,
     1,
     {HD_FIELD_ATTRIBUTES}},
    {"SELECT key, 0, user_key, event_id, session, properties FROM events_1"
     " WHERE event_id IS NOT NULL OR session IS NOT NULL OR properties IS NOT NULL",
     "UPDATE events SET id_hash = ?3, session = ?4, properties = ?5 WHERE key = ?1",
     HD_HASH_EVENT,
     2,
     {HD_FIELD_SESSION, HD_FIELD_PROPERTIES}},
    {"SELECT key, 0, user_key, review_id, title, text FROM reviews_1",
     "UPDATE reviews SET id_hash = ?3, title = ?4, text = ?5 WHERE key = ?1",
     HD_HASH_REVIEW,
     2,
     {HD_FIELD_TITLE, HD_FIELD_REVIEW}},
    {"SELECT key, by_batch, user_key, NULL, title, text FROM reviews_before_1",
     "UPDATE reviews_before SET title = ?4, text = ?5 WHERE key = ?1 AND by_batch = ?2",
     NULL,
     2,
     {HD_FIELD_TITLE, HD_FIELD_REVIEW}},
    {"SELECT key, 0, user_key, ticket_id, ticket_id, subject FROM tickets_1",
     "UPDATE tickets SET id_hash = ?3, id_box = ?4, subject = ?5 WHERE key = ?1",
     HD_HASH_TICKET,
     2,
     {HD_FIELD_TICKET_ID, HD_FIELD_SUBJECT}},
    {"SELECT key, by_batch, user_key, NULL, subject FROM tickets_before_1",
     "UPDATE tickets_before SET subject = ?4 WHERE key = ?1 AND by_batch = ?2",
     NULL,
     1,
     {HD_FIELD_SUBJECT}},
    {"SELECT m.key, 0, t.user_key, m.message_id, m.text FROM messages_1 AS m"
     " JOIN tickets_1 AS t ON t.key = m.ticket_key",
     "UPDATE messages SET id_hash = ?3, text = ?4 WHERE key = ?1",
     HD_HASH_MESSAGE,
     1,
     {HD_FIELD_MESSAGE}},
};

static heed_err seal_row(hd_door *door, const sealed_table *table, hd_query *from, hd_query *to) {
    uint8_t hash[HD_HASH_BYTES];
    int64_t key = hd_query_i64(from, 0), user = hd_query_i64(from, 2);
    hd_slice id = hd_query_text(from, 3);
    hd_query_bind_i64(to, 1, key);
    hd_query_bind_i64(to, 2, hd_query_i64(from, 1));
    hd_query_bind_null(to, 3);
    if (id.p) {
        HD_TRY(hd_seal_hash(door, table->hash, id, hash));
        hd_query_bind_blob(to, 3, hash, sizeof hash);
    }
    for (size_t i = 0; i < table->n; i++) {
        HD_TRY(hd_seal_bind(door, to, 4 + (int)i, table->fields[i], user, key,
                            hd_query_text(from, 4 + (int)i)));
    }
    return hd_query_run(to);
}

static heed_err seal_table(hd_door *door, const sealed_table *table) {
    hd_query *from = NULL, *to = NULL;
    bool row;
    heed_err err;
    HD_TRY_OUT(hd_query_open(door->store, table->select, &from));
    HD_TRY_OUT(hd_query_open(door->store, table->update, &to));
    for (;;) {
        HD_TRY_OUT(hd_query_step(from, &row));
        if (!row) break;
        HD_TRY_OUT(seal_row(door, table, from, to));
    }
out:
    hd_query_close(from);
    hd_query_close(to);
    return err;
}

// The row's subject must stand before anything is sealed for the user.
static heed_err seal_user(hd_door *door, hd_query *from, hd_query *subject, hd_query *to) {
    uint8_t hash[HD_HASH_BYTES];
    int64_t key = hd_query_i64(from, 0), number;
    HD_TRY(hd_seal_user(door, key, &number));
    hd_query_bind_i64(subject, 1, key);
    hd_query_bind_i64(subject, 2, number);
    HD_TRY(hd_query_run(subject));
    HD_TRY(hd_seal_hash(door, HD_HASH_USER, hd_query_text(from, 1), hash));
    hd_query_bind_i64(to, 1, key);
    hd_query_bind_blob(to, 2, hash, sizeof hash);
    HD_TRY(hd_seal_bind(door, to, 3, HD_FIELD_USER_ID, key, key, hd_query_text(from, 1)));
    HD_TRY(hd_seal_bind(door, to, 4, HD_FIELD_ATTRIBUTES, key, key, hd_query_text(from, 2)));
    return hd_query_run(to);
}

static heed_err seal_users(hd_door *door) {
    hd_query *from = NULL, *subject = NULL, *to = NULL;
    bool row;
    heed_err err;
    HD_TRY_OUT(
        hd_query_open(door->store, "SELECT key, external_id, attributes FROM users_1", &from));
    HD_TRY_OUT(
        hd_query_open(door->store, "UPDATE users SET subject = ?2 WHERE key = ?1", &subject));
    HD_TRY_OUT(hd_query_open(door->store,
                             "UPDATE users SET id_hash = ?2, id_box = ?3, attributes = ?4"
                             " WHERE key = ?1",
                             &to));
    for (;;) {
        HD_TRY_OUT(hd_query_step(from, &row));
        if (!row) break;
        HD_TRY_OUT(seal_user(door, from, subject, to));
    }
out:
    hd_query_close(from);
    hd_query_close(subject);
    hd_query_close(to);
    return err;
}

static heed_err bring_over(hd_store *store, const hd_privacy_keys *keys) {
    hd_door *door;
    HD_TRY(hd_door_open(store, keys ? keys->keyring : NULL, &door));
    if (keys) hd_door_encrypt(door, keys->encrypt);
    heed_err err;
    HD_TRY_OUT(hd_store_exec(store, copy_plain));
    HD_TRY_OUT(seal_users(door));
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        HD_TRY_OUT(seal_table(door, &tables[i]));
    }
    HD_TRY_OUT(hd_store_exec(store, drop_old));
    HD_TRY_OUT(hd_store_exec(store, HD_SQL_EVENTS_BY_USER HD_SQL_EVENTS_BY_ID));
    if (keys && !hd_keyring_locked(keys->keyring))
        HD_TRY_OUT(hd_privacy_bind(store, keys->keyring, keys->encrypt));
    if (keys) HD_TRY_OUT(hd_keyring_commit(keys->keyring)); // before the rows that need them
out:
    if (err != HEED_OK && keys) hd_keyring_rollback(keys->keyring);
    hd_door_close(door);
    return err;
}

heed_err hd_upgrade_run(hd_store *store, void *ctx) {
    return bring_over(store, ctx);
}

// ── Whose keys ──

heed_err hd_privacy_workspace(hd_store *store, uint8_t out[HD_WORKSPACE_ID_BYTES], bool *bound) {
    hd_query *q;
    bool row, exists;
    *bound = false;
    HD_TRY(hd_query_open(store, "SELECT 1 FROM sqlite_schema WHERE name = 'privacy'", &q));
    heed_err err = hd_query_step(q, &exists);
    hd_query_close(q);
    if (err != HEED_OK || !exists) return err;
    HD_TRY(hd_query_open(store, "SELECT workspace FROM privacy", &q));
    err = hd_query_step(q, &row);
    hd_slice id = err == HEED_OK && row ? hd_query_blob(q, 0) : (hd_slice){0};
    if (id.p && id.n != HD_WORKSPACE_ID_BYTES) {
        err = HD_FAIL(HEED_CORRUPT, "the database's note of its keys is damaged: restore a backup",
                      "数据库中关于密钥的记录已损坏：请恢复备份");
    } else if (id.p) {
        memcpy(out, id.p, HD_WORKSPACE_ID_BYTES);
        *bound = true;
    }
    hd_query_close(q);
    return err;
}

heed_err hd_privacy_bind(hd_store *store, hd_keyring *keyring, bool encrypt) {
    uint8_t id[HD_WORKSPACE_ID_BYTES];
    bool bound;
    HD_TRY(hd_keyring_need(keyring));
    HD_TRY(hd_privacy_workspace(store, id, &bound));
    if (bound && memcmp(id, hd_keyring_workspace(keyring), sizeof id) == 0) return HEED_OK;
    if (bound) {
        return HD_FAIL(HEED_DENIED, "the keys are not those that this database was sealed with",
                       "这些密钥不是加密此数据库时所用的密钥");
    }
    hd_query *q;
    HD_TRY(hd_query_open(store, "UPDATE privacy SET workspace = ?1, sealed = ?2", &q));
    hd_query_bind_blob(q, 1, hd_keyring_workspace(keyring), HD_WORKSPACE_ID_BYTES);
    hd_query_bind_i64(q, 2, encrypt);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}
