// SPDX-License-Identifier: Apache-2.0
//
// The personal tables.
//
// users: a row for every id ever given, also for one that only an event refers to. person: the key
// that this id is another id of; NULL, it is a person by itself. Rows that refer to a user keep the
// key of the id they came with: joining two ids moves nothing, so it can be taken back.
// batch: the import whose record the row shows; NULL in users: no record, only references.
//
// *_before: what a batch (by_batch) overwrote, and which batch had written that. It comes back on
// undo; and a batch that stands in somebody's `batch` column there can't be undone before that one.
//
// events_by_user holds all that reading a person's history needs: one range of one index, in order.
// events_waiting is empty outside of a load (load.c).
#include "privacy/own.h"

#define EVENT_FIELDS(user)                                                            \
    "user_key INTEGER " user ", item_key INTEGER, type INTEGER NOT NULL, "            \
    "time INTEGER, value REAL, quantity REAL, currency TEXT, batch INTEGER NOT NULL," \
    "event_id TEXT, session TEXT, properties TEXT"
#define REVIEW_FIELDS(user)                                                             \
    "user_key INTEGER " user ", item_key INTEGER, rating REAL, title TEXT, text TEXT, " \
    "time INTEGER, batch INTEGER NOT NULL"
#define TICKET_FIELDS(user) \
    "user_key INTEGER " user ", subject TEXT, status TEXT, batch INTEGER NOT NULL"
#define USER "REFERENCES users(key)"
#define BEFORE "by_batch INTEGER NOT NULL, key INTEGER NOT NULL, "
#define BEFORE_KEY ", PRIMARY KEY (by_batch, key)) STRICT, WITHOUT ROWID;"

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
    "CREATE TABLE events(key INTEGER PRIMARY KEY, " EVENT_FIELDS(
        USER) ") STRICT;" HD_SQL_EVENTS_BY_USER
        HD_SQL_EVENTS_BY_ID "CREATE TABLE events_waiting(key INTEGER PRIMARY KEY, " EVENT_FIELDS(
            "") ") STRICT;"
                // The highest event key that was given to a row since removed: keys aren't used
                // again.
                "CREATE TABLE events_mark(one INTEGER PRIMARY KEY CHECK (one = 1), key INTEGER NOT NULL)"
                " STRICT;"
                "INSERT INTO events_mark VALUES (1, 0);"

                "CREATE TABLE reviews("
                "  key INTEGER PRIMARY KEY AUTOINCREMENT, review_id TEXT, " REVIEW_FIELDS(
                    USER) ") STRICT;"
                          "CREATE UNIQUE INDEX reviews_by_id ON reviews(review_id) WHERE review_id IS NOT NULL;"
                          "CREATE INDEX reviews_by_user ON reviews(user_key, item_key, time) WHERE user_key IS NOT NULL;"
                          "CREATE TABLE reviews_before(" BEFORE REVIEW_FIELDS("") BEFORE_KEY

    "CREATE TABLE tickets("
    "  key INTEGER PRIMARY KEY AUTOINCREMENT, ticket_id TEXT NOT NULL UNIQUE, " TICKET_FIELDS(
        USER) ") STRICT;"
              "CREATE INDEX tickets_by_user ON tickets(user_key) WHERE user_key IS NOT NULL;"
              "CREATE TABLE tickets_before(" BEFORE TICKET_FIELDS("") BEFORE_KEY
    "CREATE TABLE messages("
    "  key INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  ticket_key INTEGER NOT NULL REFERENCES tickets(key), message_id TEXT, role TEXT, text TEXT,"
    "  time INTEGER, batch INTEGER NOT NULL, UNIQUE (ticket_key, message_id)) STRICT;";

const hd_migration hd_privacy_migrations[] = {
    {.component = "privacy", .version = 1, .sql = schema_1},
};
const size_t hd_privacy_n_migrations = sizeof hd_privacy_migrations / sizeof *hd_privacy_migrations;
