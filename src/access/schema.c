// SPDX-License-Identifier: Apache-2.0
//
// The tables of keys and usage. A key's row is never deleted: what a revoked key did can be told
// long afterwards, and its id is never used again. Usage has no foreign key: it also counts those
// who came without one.
#include "access/access.h"

const hd_migration hd_access_migrations[] = {
    {.component = "access",
     .version = 1,
     .sql = "CREATE TABLE api_keys ("
            "  id TEXT PRIMARY KEY,"
            "  hash BLOB NOT NULL," // keyed; covers id, secret, scopes and expiry
            "  name TEXT NOT NULL,"
            "  scopes INTEGER NOT NULL,"
            "  created INTEGER NOT NULL,"
            "  expires INTEGER,"
            "  revoked INTEGER,"
            "  quota_requests INTEGER NOT NULL,"
            "  quota_events INTEGER NOT NULL,"
            "  quota_tokens INTEGER NOT NULL,"
            "  rate REAL NOT NULL,"
            "  burst REAL NOT NULL"
            ") STRICT, WITHOUT ROWID;"
            "CREATE TABLE api_usage ("
            "  key TEXT NOT NULL,"    // '': without a valid key
            "  day INTEGER NOT NULL," // since 1970-01-01
            "  requests INTEGER NOT NULL,"
            "  events INTEGER NOT NULL,"
            "  tokens INTEGER NOT NULL,"
            "  refused INTEGER NOT NULL,"
            "  PRIMARY KEY (key, day)"
            ") STRICT, WITHOUT ROWID;"},
};
const size_t hd_access_n_migrations = sizeof hd_access_migrations / sizeof *hd_access_migrations;
