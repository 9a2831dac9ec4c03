// SPDX-License-Identifier: Apache-2.0
//
// Sealed fields of the personal tables. A box in a column is
//
//     0, tag (16), bytes                                    privacy.encrypt: off
//     1, key version (1), subject (8 bytes), box (box.h)    on
//
// The box is sealed with the subject's key and bound to workspace, table, column, row and key
// version: moved anywhere else it doesn't open. It names its subject, so it can be read whoever the
// row belongs to by now. The tag of plain bytes is bound in the same way, so that a sealed value
// can't be passed off as a plain one. What was overwritten (*_before) and what waits
// (events_waiting) are the same fields of the same rows.
//
// Columns that are only compared hold a keyed hash of 16 bytes instead.
#ifndef HD_PRIVACY_SEAL_H
#define HD_PRIVACY_SEAL_H

#include "base/arena.h"
#include "base/map.h"
#include "privacy/keyring.h"

struct hd_door;

// X(NAME, "table", "column")
#define HD_FIELD_LIST(X)                  \
    X(USER_ID, "users", "id_box")         \
    X(ATTRIBUTES, "users", "attributes")  \
    X(SESSION, "events", "session")       \
    X(PROPERTIES, "events", "properties") \
    X(TITLE, "reviews", "title")          \
    X(REVIEW, "reviews", "text")          \
    X(TICKET_ID, "tickets", "id_box")     \
    X(SUBJECT, "tickets", "subject")      \
    X(MESSAGE, "messages", "text")
typedef enum hd_field {
#define HD_FIELD_ENUM(name, table, column) HD_FIELD_##name,
    HD_FIELD_LIST(HD_FIELD_ENUM)
#undef HD_FIELD_ENUM
        HD_FIELDS
} hd_field;

enum { HD_HASH_BYTES = 16, HD_NOBODY = 1 };

// Ids that are looked up by a keyed hash; the word keeps equal ids of different kinds apart.
#define HD_HASH_USER "users.id"
#define HD_HASH_EVENT "events.id"
#define HD_HASH_REVIEW "reviews.id"
#define HD_HASH_TICKET "tickets.id"
#define HD_HASH_MESSAGE "messages.id"

// Keys of the subjects met last, by user or by subject. Grows with use, up to 6 MB.
typedef struct hd_subject_slot hd_subject_slot;
typedef struct hd_subject_cache {
    hd_subject_slot *slots; // (n), NULL at first
    size_t n, used;
} hd_subject_cache;

typedef struct hd_seals {
    hd_keyring *keyring; // borrowed; NULL: locked
    bool plain;          // privacy.encrypt: off
    bool ready;          // index and nonce are set
    bool reserved;       // the keyring's numbers are above those in the tables
    uint8_t index[HD_KEY_BYTES];
    uint8_t nonce[24]; // 16 random bytes, then a count: no two are equal
    hd_subject_cache keys;
    struct {
        uint8_t *data;
        size_t cap;
    } scratch[HD_FIELDS];
    hd_store_hook hook;
} hd_seals;

void hd_seals_open(struct hd_door *door, hd_keyring *keyring);
void hd_seals_close(struct hd_door *door);
void hd_seals_forget(hd_seals *seals); // wipes the keys that are kept

// The keyed hash of an id.
heed_err hd_seal_hash(struct hd_door *door, const char *what, hd_slice id,
                      uint8_t out[HD_HASH_BYTES]) HEED_CHECK;
// Makes the subject of a user whose row is about to be written.
heed_err hd_seal_user(struct hd_door *door, int64_t user_key, int64_t *subject) HEED_CHECK;

// Seals for the user (0: nobody), and binds; an absent text binds NULL. The bytes live until the
// same field is sealed again.
heed_err hd_seal_bind(struct hd_door *door, hd_query *q, int i, hd_field field, int64_t user_key,
                      int64_t row, hd_slice text) HEED_CHECK;
// Opens a box into the arena, with a NUL behind; an absent one is absent.
heed_err hd_seal_open(struct hd_door *door, hd_field field, int64_t row, hd_slice box,
                      hd_arena *arena, hd_slice *out) HEED_CHECK;

#endif
