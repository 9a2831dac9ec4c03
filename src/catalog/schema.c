// SPDX-License-Identifier: Apache-2.0
//
// The tables of the catalogue, version by version.
//
// `batch` is the import that last gave a row its content, 0 for an item that is only known because
// an event named it; `born` is the import that made such an item. A `_undo` table keeps what a
// batch overwrote, once per row and batch, as the row stood before: `was_batch` is the batch that
// had written that.
//
// Categories stand as a JSON array in the item's row: they are only ever read together with it, and
// one row to restore makes undo simple. Rejected: a table of categories and one of pairs.

#include "catalog/catalog.h"

const hd_migration hd_catalog_migrations[] = {
    {.component = "catalog",
     .version = 1,
     .sql = "CREATE TABLE items ("
            "  key INTEGER PRIMARY KEY AUTOINCREMENT," // saved models hold keys: none is used again
            "  id TEXT NOT NULL UNIQUE,"
            "  title TEXT,"
            "  brand TEXT,"
            "  categories TEXT," // a JSON array, the broadest first
            "  price REAL,"
            "  currency TEXT,"
            "  attributes TEXT," // a JSON object
            "  created INTEGER," // milliseconds since 1970, UTC
            "  hidden INTEGER NOT NULL DEFAULT 0,"
            "  replenishable INTEGER NOT NULL DEFAULT 0,"
            "  born INTEGER NOT NULL,"
            "  batch INTEGER NOT NULL"
            ") STRICT;"
            "CREATE TABLE items_undo ("
            "  batch INTEGER NOT NULL,"
            "  key INTEGER NOT NULL,"
            "  was_batch INTEGER NOT NULL,"
            "  title TEXT,"
            "  brand TEXT,"
            "  categories TEXT,"
            "  price REAL,"
            "  currency TEXT,"
            "  attributes TEXT,"
            "  created INTEGER,"
            "  hidden INTEGER NOT NULL,"
            "  replenishable INTEGER NOT NULL,"
            "  PRIMARY KEY (batch, key)"
            ") STRICT, WITHOUT ROWID;"
            "CREATE INDEX items_undo_was ON items_undo (was_batch);"
            "CREATE TABLE documents ("
            "  key INTEGER PRIMARY KEY AUTOINCREMENT,"
            "  id TEXT NOT NULL UNIQUE,"
            "  title TEXT,"
            "  text TEXT,"
            "  url TEXT,"
            "  lang TEXT,"
            "  updated INTEGER,"
            "  batch INTEGER NOT NULL"
            ") STRICT;"
            "CREATE TABLE documents_undo ("
            "  batch INTEGER NOT NULL,"
            "  key INTEGER NOT NULL,"
            "  was_batch INTEGER NOT NULL,"
            "  title TEXT,"
            "  text TEXT,"
            "  url TEXT,"
            "  lang TEXT,"
            "  updated INTEGER,"
            "  PRIMARY KEY (batch, key)"
            ") STRICT, WITHOUT ROWID;"
            "CREATE INDEX documents_undo_was ON documents_undo (was_batch);"},
    // Who holds the catalogue in memory looks here whether it is still that one.
    {.component = "catalog",
     .version = 2,
     .sql = "CREATE TABLE catalog_version ("
            "  one INTEGER PRIMARY KEY CHECK (one = 1),"
            "  version INTEGER NOT NULL"
            ") STRICT;"
            "INSERT INTO catalog_version VALUES (1, 1);"},
};
const size_t hd_catalog_n_migrations = sizeof hd_catalog_migrations / sizeof *hd_catalog_migrations;
