// SPDX-License-Identifier: Apache-2.0
//
// The personal tables.
//
// users: a row for every id ever given, also for one that only an event refers to. person: the key
// that this id is another id of; NULL, it is a person by itself. Rows that refer to a user keep the
// key of the id they came with: joining two ids moves nothing, so it can be taken back.
// batch: the import whose record the row shows; NULL in users: no record, only references.
// subject: whose key in keys/ seals what is known (seal.h). Unlike the key it isn't used again even
// when older data is restored.
//
// id_hash: a keyed hash of an id that came from outside; id_box: the id itself, sealed, where it is
// given out again. Columns of type BLOB beside these hold sealed texts.
//
// *_before: what a batch (by_batch) overwrote, and which batch had written that. It comes back on
// undo; and a batch that stands in somebody's `batch` column there can't be undone before that one.
//
// events_by_user holds all that reading a person's history needs: one range of one index, in order.
// events_waiting is empty outside of a load (load.c). events_recent holds the events that came
// last, until they are moved to `events` (recent.c).
//
// privacy: whose keys seal the database (workspace), and whether what is in it is sealed: 1, plain:
// 0, or some of both: NULL.
//
// Version 1 held texts and ids as they came; upgrade.c brings its rows over.
#include "privacy/own.h"

#define USER "REFERENCES users(key)"
#define BEFORE "by_batch INTEGER NOT NULL, key INTEGER NOT NULL, "
#define BEFORE_KEY ", PRIMARY KEY (by_batch, key)) STRICT, WITHOUT ROWID;"

// ── Version 1 ──

#define EVENT_FIELDS_1(user)                                                          \
    "user_key INTEGER " user ", item_key INTEGER, type INTEGER NOT NULL, "            \
    "time INTEGER, value REAL, quantity REAL, currency TEXT, batch INTEGER NOT NULL," \
    "event_id TEXT, session TEXT, properties TEXT"
#define REVIEW_FIELDS_1(user)                                                           \
    "user_key INTEGER " user ", item_key INTEGER, rating REAL, title TEXT, text TEXT, " \
    "time INTEGER, batch INTEGER NOT NULL"
#define TICKET_FIELDS_1(user) \
    "user_key INTEGER " user ", subject TEXT, status TEXT, batch INTEGER NOT NULL"
static const char schema_1[] =
    "CREATE TABLE users("
    "  key INTEGER PRIMARY KEY AUTOINCREMENT, external_id TEXT NOT NULL UNIQUE,"
    "  person INTEGER REFERENCES users(key), attributes TEXT, created INTEGER, batch INTEGER"
    ") STRICT;"
    "CREATE INDEX users_by_person ON users(person) WHERE person IS NOT NULL;"
    "CREATE TABLE users_before(" BEFORE "attributes TEXT, created INTEGER, batch INTEGER" BEFORE_KEY
    // Ids that were joined, in order; batch NULL: by hand.
    "CREATE TABLE user_links("
    "  key INTEGER PRIMARY KEY, from_key INTEGER NOT NULL REFERENCES users(key),"
    "  into_key INTEGER NOT NULL REFERENCES users(key), batch INTEGER, UNIQUE (from_key, into_key)"
    ") STRICT;"
    "CREATE INDEX user_links_into ON user_links(into_key);"

    "CREATE TABLE event_types(key INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE)"
    " STRICT;"
    "CREATE TABLE events(key INTEGER PRIMARY KEY, " EVENT_FIELDS_1(
        USER) ") STRICT;" HD_SQL_EVENTS_BY_USER
              "CREATE UNIQUE INDEX events_by_id ON events(event_id) WHERE event_id IS NOT NULL;"
              "CREATE TABLE events_waiting(key INTEGER PRIMARY KEY, " EVENT_FIELDS_1(
                  "") ") STRICT;"
                      // The highest event key that was given to a row since removed: keys aren't
                      // used again.
                      "CREATE TABLE events_mark(one INTEGER PRIMARY KEY CHECK (one = 1), key INTEGER NOT NULL)"
                      " STRICT;"
                      "INSERT INTO events_mark VALUES (1, 0);"

                      "CREATE TABLE reviews("
                      "  key INTEGER PRIMARY KEY AUTOINCREMENT, review_id TEXT, " REVIEW_FIELDS_1(
                          USER) ") STRICT;"
                                "CREATE UNIQUE INDEX reviews_by_id ON reviews(review_id) WHERE review_id IS NOT NULL;"
                                "CREATE INDEX reviews_by_user ON reviews(user_key, item_key, time) WHERE user_key IS NOT NULL;"
                                "CREATE TABLE reviews_before(" BEFORE REVIEW_FIELDS_1("") BEFORE_KEY

    "CREATE TABLE tickets("
    "  key INTEGER PRIMARY KEY AUTOINCREMENT, ticket_id TEXT NOT NULL UNIQUE, " TICKET_FIELDS_1(
        USER) ") STRICT;"
              "CREATE INDEX tickets_by_user ON tickets(user_key) WHERE user_key IS NOT NULL;"
              "CREATE TABLE tickets_before(" BEFORE TICKET_FIELDS_1("") BEFORE_KEY
    "CREATE TABLE messages("
    "  key INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  ticket_key INTEGER NOT NULL REFERENCES tickets(key), message_id TEXT, role TEXT, text TEXT,"
    "  time INTEGER, batch INTEGER NOT NULL, UNIQUE (ticket_key, message_id)) STRICT;";

// ── Version 2 ──

#define EVENT_FIELDS(user)                                                            \
    "user_key INTEGER " user ", item_key INTEGER, type INTEGER NOT NULL, "            \
    "time INTEGER, value REAL, quantity REAL, currency TEXT, batch INTEGER NOT NULL," \
    "id_hash BLOB, session BLOB, properties BLOB"
#define REVIEW_FIELDS(user)                                                             \
    "user_key INTEGER " user ", item_key INTEGER, rating REAL, title BLOB, text BLOB, " \
    "time INTEGER, batch INTEGER NOT NULL"
#define TICKET_FIELDS(user) \
    "user_key INTEGER " user ", subject BLOB, status TEXT, batch INTEGER NOT NULL"

// Out of the way; whatever refers to a renamed table follows it.
static const char schema_2_aside[] =
    "DROP INDEX users_by_person; DROP INDEX user_links_into; DROP INDEX events_by_user;"
    "DROP INDEX events_by_id; DROP INDEX reviews_by_id; DROP INDEX reviews_by_user;"
    "DROP INDEX tickets_by_user;"
    "ALTER TABLE users RENAME TO users_1; ALTER TABLE users_before RENAME TO users_before_1;"
    "ALTER TABLE user_links RENAME TO user_links_1; ALTER TABLE events RENAME TO events_1;"
    "DROP TABLE events_waiting; ALTER TABLE reviews RENAME TO reviews_1;"
    "ALTER TABLE reviews_before RENAME TO reviews_before_1;"
    "ALTER TABLE tickets RENAME TO tickets_1;"
    "ALTER TABLE tickets_before RENAME TO tickets_before_1;"
    "ALTER TABLE messages RENAME TO messages_1;";

static const char schema_2_users[] =
    "CREATE TABLE privacy(one INTEGER PRIMARY KEY CHECK (one = 1), workspace BLOB, sealed INTEGER)"
    " STRICT;"
    "INSERT INTO privacy VALUES (1, NULL, NULL);"
    "CREATE TABLE users("
    "  key INTEGER PRIMARY KEY AUTOINCREMENT, subject INTEGER NOT NULL UNIQUE,"
    "  id_hash BLOB NOT NULL UNIQUE, id_box BLOB NOT NULL,"
    "  person INTEGER REFERENCES users(key), attributes BLOB, created INTEGER, batch INTEGER"
    ") STRICT;"
    "CREATE INDEX users_by_person ON users(person) WHERE person IS NOT NULL;"
    "CREATE TABLE users_before(" BEFORE "attributes BLOB, created INTEGER, batch INTEGER" BEFORE_KEY
    // Ids that were joined, in order; batch NULL: by hand.
    "CREATE TABLE user_links("
    "  key INTEGER PRIMARY KEY, from_key INTEGER NOT NULL REFERENCES users(key),"
    "  into_key INTEGER NOT NULL REFERENCES users(key), batch INTEGER, UNIQUE (from_key, into_key)"
    ") STRICT;"
    "CREATE INDEX user_links_into ON user_links(into_key);";

static const char schema_2_rows[] = "CREATE TABLE events(key INTEGER PRIMARY KEY, " EVENT_FIELDS(
    USER) ") STRICT;"
          "CREATE TABLE events_waiting(key INTEGER PRIMARY KEY, " EVENT_FIELDS(
              "") ") STRICT;"
                  "CREATE TABLE reviews("
                  "  key INTEGER PRIMARY KEY AUTOINCREMENT, id_hash BLOB, " REVIEW_FIELDS(
                      USER) ") STRICT;"
                            "CREATE UNIQUE INDEX reviews_by_id ON reviews(id_hash) WHERE id_hash IS NOT NULL;"
                            "CREATE INDEX reviews_by_user ON reviews(user_key, item_key, time) WHERE user_key IS NOT NULL;"
                            "CREATE TABLE reviews_before(" BEFORE REVIEW_FIELDS("") BEFORE_KEY
    "CREATE TABLE tickets("
    "  key INTEGER PRIMARY KEY AUTOINCREMENT, id_hash BLOB NOT NULL UNIQUE, id_box BLOB NOT NULL, " TICKET_FIELDS(
        USER) ") STRICT;"
              "CREATE INDEX tickets_by_user ON tickets(user_key) WHERE user_key IS NOT NULL;"
              "CREATE TABLE tickets_before(" BEFORE TICKET_FIELDS("") BEFORE_KEY
    "CREATE TABLE messages("
    "  key INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  ticket_key INTEGER NOT NULL REFERENCES tickets(key), id_hash BLOB, role TEXT, text BLOB,"
    "  time INTEGER, batch INTEGER NOT NULL, UNIQUE (ticket_key, id_hash)) STRICT;";

// ── Version 3 ──

// Events that came lately (recent.c): of one form with `events`.
static const char schema_3[] = "CREATE TABLE events_recent(key INTEGER PRIMARY KEY, " EVENT_FIELDS(
    USER) ") STRICT;"
          "CREATE INDEX events_recent_by_user ON events_recent(user_key)"
          " WHERE user_key IS NOT NULL;";

// ── Version 4 ──

// How often rows of `events` were removed: who keeps histories in memory looks (history.c).
static const char schema_4[] =
    "ALTER TABLE events_mark ADD COLUMN removals INTEGER NOT NULL DEFAULT 0;";

static heed_err to_version_2(hd_store *store, void *ctx) {
    HD_TRY(hd_store_exec(store, schema_2_aside));
    HD_TRY(hd_store_exec(store, schema_2_users));
    HD_TRY(hd_store_exec(store, schema_2_rows));
    return hd_upgrade_run(store, ctx);
}

const hd_migration hd_privacy_migrations[] = {
    {.component = "privacy", .version = 1, .sql = schema_1},
    {.component = "privacy", .version = 2, .run = to_version_2},
    {.component = "privacy", .version = 3, .sql = schema_3},
    {.component = "privacy", .version = 4, .sql = schema_4},
};
const size_t hd_privacy_n_migrations = sizeof hd_privacy_migrations / sizeof *hd_privacy_migrations;
