// SPDX-License-Identifier: Apache-2.0
//
// The keys of a workspace: what stands in its folder keys/, apart from the data.
//
//     master.key     32 random bytes in hexadecimal, or absent: a passphrase stands for it
//     keyring.json   the workspace key (a version each) and named secrets, sealed by the master key
//     subjects.db    a key for every person (a "subject"), sealed by the workspace key; the ledger
//                    of erasures; marks of others that must not be in the database they are about
//
// Destroying a subject's key makes all that was sealed with it unreadable, in every copy. Subject
// 1 stands for nobody in particular: what is anonymous is sealed with its key.
//
// A keyring may be *locked*: its files aren't here, or nobody gave the passphrase. What needs a key
// then fails with HEED_UNAVAILABLE and says what to do; a keyring that is NULL behaves the same. A
// wrong key never opens anything: HEED_DENIED. What doesn't stand as it was written is
// HEED_CORRUPT.
//
// Threads: one keyring, one thread at a time.
#ifndef HD_PRIVACY_KEYRING_H
#define HD_PRIVACY_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "base/time.h"
#include "store/store.h"

enum { HD_KEY_BYTES = 32, HD_WORKSPACE_ID_BYTES = 16 };

typedef struct hd_keyring hd_keyring;

// Where a passphrase comes from. *out: NUL-terminated text, wiped and released by the caller of the
// function. HEED_NOT_FOUND: nobody can be asked. fresh: it is being chosen, so ask for it twice.
typedef struct hd_passphrase {
    heed_err (*ask)(void *ctx, bool fresh, hd_str *out);
    void *ctx;
} hd_passphrase;

typedef struct hd_keyring_params {
    const char *folder;       // keys/
    const char *credential;   // a file that holds the master key when it exists; NULL: none
    const uint8_t *workspace; // (16) whose keys they must be; NULL: anybody's
    hd_passphrase passphrase; // .ask NULL: nobody can be asked
    hd_store *subjects;       // subjects.db, borrowed; NULL: there is none, no subject is known
    bool write;               // finishes a rotation that was interrupted; subjects may be made
} hd_keyring_params;

// Whether keyring.json stands in the folder.
bool hd_keyring_exists(const char *folder);
// Makes the files of a new workspace: a random id, master.key, keyring.json; subjects must be an
// empty database. HEED_CONFLICT when keyring.json stands there.
heed_err hd_keyring_create(const hd_keyring_params *params, hd_keyring **out) HEED_CHECK;
// Opens them; a folder without them, or without anybody to give the passphrase: a locked keyring.
// HEED_DENIED: files that others may read, a wrong key, keys of another workspace.
heed_err hd_keyring_open(const hd_keyring_params *params, hd_keyring **out) HEED_CHECK;
void hd_keyring_close(hd_keyring *keyring); // wipes what it holds; NULL is fine

bool hd_keyring_locked(const hd_keyring *keyring);
// HEED_UNAVAILABLE with what to do when it is locked.
heed_err hd_keyring_need(const hd_keyring *keyring) HEED_CHECK;
const uint8_t *hd_keyring_workspace(const hd_keyring *keyring); // (16), NULL when locked

// A secret that stays the same for the workspace's life, whatever is rotated: "index" (keyed
// hashes), "audit" (seed of the Ed25519 key), "api" (keyed hashes of API keys), "token" (tokens of
// redacted values), "ledger". Wipe it after use.
heed_err hd_keyring_secret(hd_keyring *keyring, const char *name,
                           uint8_t out[HD_KEY_BYTES]) HEED_CHECK;

// ── Subjects ──

// Makes a subject with a random key. It is durable after hd_keyring_commit, which the store that
// refers to it calls before its own commit (hd_store_hook). Ids grow and are never used again.
heed_err hd_subject_make(hd_keyring *keyring, int64_t *subject) HEED_CHECK;
// Ids made from now on are above `subject`: called with the highest one that the data refers to.
heed_err hd_subject_reserve(hd_keyring *keyring, int64_t subject) HEED_CHECK;
// HEED_NOT_FOUND: destroyed, or never made. Wipe the key after use.
heed_err hd_subject_key(hd_keyring *keyring, int64_t subject, uint8_t out[HD_KEY_BYTES]) HEED_CHECK;
heed_err hd_subject_exists(hd_keyring *keyring, int64_t subject, bool *exists) HEED_CHECK;
// Destroys the keys of n subjects: when it returns, no file of keys/ holds them any more. Not while
// subjects are being made (after the commit, not before). Subject 1 is refused. One that is gone
// already is fine.
heed_err hd_subject_destroy(hd_keyring *keyring, const int64_t *subjects, size_t n) HEED_CHECK;

heed_err hd_keyring_commit(hd_keyring *keyring) HEED_CHECK; // nothing pending: nothing done
void hd_keyring_rollback(hd_keyring *keyring);

// ── The ledger of erasures: outlives every backup of the data ──

enum { HD_RECEIPT_BYTES = 32 };
typedef struct hd_erasure {
    int64_t key; // set by hd_erasure_add; grows
    int64_t subject;
    hd_time time;
    uint8_t receipt[HD_RECEIPT_BYTES]; // hash of the receipt
    bool finished;                     // the subject's key is gone (set by hd_erasure_list)
} hd_erasure;

// Durable as subjects are: before the commit of the data's own transaction.
heed_err hd_erasure_add(hd_keyring *keyring, hd_erasure *erasure) HEED_CHECK;
// Those above `after` in the order of addition, in the arena. HEED_CORRUPT: a row was changed or
// taken out.
heed_err hd_erasure_list(hd_keyring *keyring, int64_t after, hd_arena *arena, hd_erasure **out,
                         size_t *n) HEED_CHECK;

// ── Marks: small values that must stand outside of the database they are about ──

// Whether a value takes the place of what stands there now, of whatever connection or process that
// is. before: empty if nothing does.
typedef bool hd_mark_replaces(void *ctx, hd_slice before);

// Notes a value (up to 4,096 bytes) under a name ("audit") and counts that it did, when replaces
// says so (NULL: always), with nothing written to the marks between that answer and the noting.
// Durable when it returns, or with hd_keyring_commit if something is pending.
heed_err hd_keyring_mark_set(hd_keyring *keyring, const char *name, hd_slice value,
                             hd_mark_replaces *replaces, void *ctx) HEED_CHECK;
// *found false: there is none. value is replaced. count: how often it was noted.
heed_err hd_keyring_mark_get(hd_keyring *keyring, const char *name, uint64_t *count, hd_str *value,
                             bool *found) HEED_CHECK;

#endif
