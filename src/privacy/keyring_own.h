// SPDX-License-Identifier: Apache-2.0
//
// What the files of the keyring share. Not for other files.
#ifndef HD_PRIVACY_KEYRING_OWN_H
#define HD_PRIVACY_KEYRING_OWN_H

#include "privacy/box.h"
#include "privacy/keyring.h"

enum {
    HD_KEYS_MAX = 2, // versions of the workspace key that stand at once: two while rotating
    HD_SECRETS_MAX = 16,
    HD_SECRET_NAME = 16,
    HD_KEY_BOX = HD_KEY_BYTES + HD_BOX_EXTRA,
    HD_SALT_BYTES = 16,
    HD_CHECK_BYTES = 8,
    HD_SEAL_BYTES = 32,
};

// How a passphrase becomes a key: Argon2id (RFC 9106).
typedef struct hd_kdf {
    uint8_t salt[HD_SALT_BYTES];
    uint64_t ops;    // passes
    uint64_t memory; // bytes
} hd_kdf;
// Three passes over 64 MiB, as RFC 9106 recommends where memory is short, and a random salt.
hd_kdf hd_kdf_fresh(void);
// HEED_MEMORY; HEED_CORRUPT for costs out of bounds.
heed_err hd_kdf_run(const hd_kdf *kdf, const hd_str *passphrase,
                    uint8_t out[HD_KEY_BYTES]) HEED_CHECK;

// ── keyring.json ──

typedef struct hd_keyfile {
    uint8_t workspace[HD_WORKSPACE_ID_BYTES];
    uint8_t check[HD_CHECK_BYTES]; // tells a wrong key from a changed file
    bool passphrase;               // else a key file
    hd_kdf kdf;                    // with a passphrase
    size_t n_keys;
    struct {
        uint32_t version;
        uint8_t box[HD_KEY_BOX];
    } keys[HD_KEYS_MAX]; // the last one is in use
    size_t n_secrets;
    struct {
        char name[HD_SECRET_NAME];
        uint8_t box[HD_KEY_BOX];
    } secrets[HD_SECRETS_MAX];
    uint8_t seal[HD_SEAL_BYTES]; // over all before it
} hd_keyfile;

// What it keeps secret, in guarded memory (sodium_malloc).
typedef struct hd_secrets {
    uint8_t workspace[HD_WORKSPACE_ID_BYTES];
    uint8_t master[HD_KEY_BYTES];
    bool passphrase;
    hd_kdf kdf;
    size_t n_keys;
    struct {
        uint32_t version;
        uint8_t key[HD_KEY_BYTES];
    } keys[HD_KEYS_MAX];
    size_t n_secrets;
    struct {
        char name[HD_SECRET_NAME];
        uint8_t key[HD_KEY_BYTES];
    } secrets[HD_SECRETS_MAX];
} hd_secrets;

heed_err hd_secrets_new(hd_secrets **out) HEED_CHECK;
void hd_secrets_free(hd_secrets *secrets); // NULL is fine

// Reads the text of a keyring.json; what isn't exactly as it is written is HEED_CORRUPT.
heed_err hd_keyfile_parse(const char *text, size_t n, const char *name, hd_keyfile *out) HEED_CHECK;
// HEED_DENIED: not this master key. HEED_CORRUPT: changed since it was sealed.
heed_err hd_keyfile_open(const hd_keyfile *file, const char *name,
                         const uint8_t master[HD_KEY_BYTES], hd_secrets *out) HEED_CHECK;
heed_err hd_keyfile_seal(const hd_secrets *secrets, hd_keyfile *out) HEED_CHECK;
heed_err hd_keyfile_text(const hd_keyfile *file, hd_str *out) HEED_CHECK;

// ── master.key ──

// 64 hexadecimal digits and a line end; anything else is HEED_CORRUPT.
heed_err hd_master_parse(const char *text, size_t n, const char *name,
                         uint8_t out[HD_KEY_BYTES]) HEED_CHECK;
heed_err hd_master_write(const char *path, const uint8_t master[HD_KEY_BYTES]) HEED_CHECK;
// The master key that opens the file: a key file's or a passphrase's. *out unset, HEED_NOT_FOUND:
// there is no key file, or nobody to be asked. The file's secrets are opened with it.
heed_err hd_master_open(const hd_keyring_params *params, const hd_keyfile *file,
                        hd_secrets *out) HEED_CHECK;
// Removes key files that no longer open anything: the one aside, with a passphrase both.
heed_err hd_master_tidy(const char *folder, bool passphrase) HEED_CHECK;
// Asks for a passphrase to be used from now on; too short ones are refused (HEED_INPUT).
heed_err hd_master_ask_fresh(const hd_passphrase *passphrase, hd_str *out) HEED_CHECK;
void hd_secret_text_clear(hd_str *text); // wipes and clears

// ── The keyring ──

typedef enum hd_lock_reason { HD_LOCK_OPEN, HD_LOCK_ABSENT, HD_LOCK_UNASKED } hd_lock_reason;

struct hd_keyring {
    char *folder;
    char *credential;   // NULL: none
    hd_store *subjects; // borrowed; NULL: none
    bool write;
    bool pending; // a transaction on subjects.db is open
    int64_t next; // id of the next subject, while pending; 0: not known
    hd_lock_reason reason;
    hd_secrets *secrets; // NULL: locked
};

// "<folder>/<name>", in the arena.
heed_err hd_keyring_path(const char *folder, const char *name, hd_arena *arena,
                         char **out) HEED_CHECK;
// Seals and writes keyring.json.
heed_err hd_keyring_save(const hd_keyring *keyring, const hd_secrets *secrets) HEED_CHECK;
// The workspace key of a version; HEED_CORRUPT when there is none.
heed_err hd_keyring_key(hd_keyring *keyring, uint32_t version, const uint8_t **out) HEED_CHECK;
uint32_t hd_keyring_version(const hd_keyring *keyring); // in use
// Begins the pending transaction, if none is.
heed_err hd_keyring_begin(hd_keyring *keyring) HEED_CHECK;
heed_err hd_keyring_need_write(const hd_keyring *keyring) HEED_CHECK;

// Ends a rotation that was begun; none: nothing done.
heed_err hd_keyring_finish_rotation(hd_keyring *keyring) HEED_CHECK;

// ── subjects.db ──

extern const hd_migration hd_subjects_migrations[];
extern const size_t hd_subjects_n_migrations;

heed_err hd_subjects_create(hd_keyring *keyring) HEED_CHECK;
// Checks that the database belongs to the keyring.
heed_err hd_subjects_check(hd_keyring *keyring) HEED_CHECK;
// As hd_subject_make, with its key.
heed_err hd_subject_make_key(hd_keyring *keyring, int64_t *subject,
                             uint8_t key[HD_KEY_BYTES]) HEED_CHECK;
heed_err hd_subject_missing(void) HEED_CHECK; // HEED_NOT_FOUND
// Forgets one that was made in the pending transaction.
heed_err hd_subject_unmake(hd_keyring *keyring, int64_t subject) HEED_CHECK;
// Seals every subject's key with the workspace key in use, in one transaction, and leaves no trace
// of what it was sealed with before.
heed_err hd_subjects_rewrap(hd_keyring *keyring) HEED_CHECK;
// Seals one subject's key: (HD_KEY_BOX) bytes.
heed_err hd_subject_wrap(hd_keyring *keyring, int64_t subject, const uint8_t key[HD_KEY_BYTES],
                         uint8_t box[HD_KEY_BOX]) HEED_CHECK;
// The tag of what stands in the ledger and the marks: keyed by the secret "ledger".
heed_err hd_ledger_tag(hd_keyring *keyring, const hd_str *text,
                       uint8_t out[HD_SEAL_BYTES]) HEED_CHECK;
// Moves the log of subjects.db into it and empties it, so that nothing destroyed is left there.
heed_err hd_subjects_flush(hd_keyring *keyring) HEED_CHECK;

#endif
