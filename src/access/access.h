// SPDX-License-Identifier: Apache-2.0
//
// API keys of a workspace: who may ask what, how much, and until when. This header is what stands
// in the database; access/guard.h is what a server asks at each request.
//
// A key is a text that is shown once: "heed_<id>_<secret>", id 8 and secret 52 characters of
// lower-case base32 (RFC 4648), the secret being 256 random bits. Stored is
//     BLAKE2b-256(key: the workspace's "api" secret; id, secret, scopes, expiry)
// so a copy of heed.db lets nobody in, and a row whose scopes or expiry were edited lets nobody in
// either.
//
// Terms: a *scope* is a bit of what a key may do; a *quota* is what it may use up in a day (UTC); a
// *rate* is how fast. Keys are named in logs and audit by their id, never by more of the text.
//
// Threads: as store/store.h: one connection, one thread at a time.
#ifndef HD_ACCESS_ACCESS_H
#define HD_ACCESS_ACCESS_H

#include "base/arena.h"
#include "base/time.h"
#include "store/store.h"

extern const hd_migration hd_access_migrations[];
extern const size_t hd_access_n_migrations;

enum {
    HD_KEY_ID = 8,      // characters
    HD_KEY_SECRET = 52, // characters
    HD_KEY_TEXT = 5 + HD_KEY_ID + 1 + HD_KEY_SECRET,
    HD_KEY_HASH = 32, // bytes
    HD_API_SECRET = 32
};

// ── Scopes ──

// In the order of hd_scope in api/op.h: bit = 1u << scope. X(NAME, bit, text)
#define HD_ACCESS_SCOPE_LIST(X) \
    X(READ, 0, "read")          \
    X(WRITE, 1, "write")        \
    X(ADMIN, 2, "admin")        \
    X(PERSONAL, 3, "personal")
enum {
#define HD_ACCESS_SCOPE_BIT(name, bit, text) HD_ACCESS_##name = 1u << (bit),
    HD_ACCESS_SCOPE_LIST(HD_ACCESS_SCOPE_BIT)
#undef HD_ACCESS_SCOPE_BIT
        HD_ACCESS_ALL = 15
};
// "read,write", in any order, blanks allowed, no repeats needed; "all" is every scope. HEED_USAGE
// names what isn't one, or says that there is none.
heed_err hd_scopes_parse(const char *text, unsigned *out) HEED_CHECK;
enum { HD_SCOPES_TEXT = 32 };
const char *hd_scopes_text(unsigned scopes, char buf[HD_SCOPES_TEXT]); // "read,write"
const char *hd_scope_name(unsigned bit); // of a single bit; NULL: none

// ── Limits ──

typedef struct hd_rate {
    double per_second; // 0: no limit
    double burst;      // at once, ≥ 1; 0: what per_second allows in a second, 1 at least
} hd_rate;

typedef struct hd_quota { // per day (UTC); 0: none
    int64_t requests;
    int64_t events;
    int64_t tokens;
} hd_quota;

// ── Keys as they are stored ──

typedef struct hd_key {
    char id[HD_KEY_ID + 1];
    const char *name; // for people
    unsigned scopes;
    hd_quota quota;
    hd_rate rate; // 0: the server's own
    hd_time created;
    hd_time expires;   // HD_TIME_NONE: never
    hd_time revoked;   // HD_TIME_NONE: in force
    hd_time last_used; // the day (midnight UTC) of the last request; HD_TIME_NONE: never
} hd_key;

typedef struct hd_key_params {
    const char *name; // 1 to HD_KEY_NAME_MAX bytes of UTF-8
    unsigned scopes;  // at least one
    hd_time expires;  // HD_TIME_NONE: never
    hd_quota quota;
    hd_rate rate;
} hd_key_params;
enum { HD_KEY_NAME_MAX = 128 };

// Makes a key. text: the key, shown once, then wiped by the caller (sodium_memzero). id: its id.
// HEED_USAGE names what can't be so. In a transaction of its own, or in the caller's.
heed_err hd_access_make(hd_store *store, const uint8_t secret[HD_API_SECRET],
                        const hd_key_params *params, hd_time now, char text[HD_KEY_TEXT + 1],
                        char id[HD_KEY_ID + 1]) HEED_CHECK;
// All keys, oldest first. Strings and the array in the arena: (n).
heed_err hd_access_list(hd_store *store, hd_arena *arena, hd_key **out, size_t *n) HEED_CHECK;
// HEED_NOT_FOUND when there is none of that id.
heed_err hd_access_find(hd_store *store, const char *id, hd_arena *arena, hd_key *out) HEED_CHECK;
// For good. HEED_NOT_FOUND: no such key; revoking twice is fine and keeps the first time.
heed_err hd_access_revoke(hd_store *store, const char *id, hd_time now) HEED_CHECK;
// How many keys with all of `scopes` are in force.
heed_err hd_access_count(hd_store *store, unsigned scopes, hd_time now, size_t *n) HEED_CHECK;

// ── A presented key ──

typedef struct hd_presented {
    char id[HD_KEY_ID + 1];
    char secret[HD_KEY_SECRET + 1]; // wipe with hd_presented_clear
} hd_presented;
// Strict: exactly one spelling of a key is taken. false: not a key at all. Its time depends on the
// length alone.
bool hd_key_parse(hd_slice text, hd_presented *out);
void hd_presented_clear(hd_presented *presented);
// What is stored of a presented key that has these scopes and expiry.
void hd_key_hash(const uint8_t secret[HD_API_SECRET], const hd_presented *presented,
                 unsigned scopes, hd_time expires, uint8_t out[HD_KEY_HASH]);

#endif
