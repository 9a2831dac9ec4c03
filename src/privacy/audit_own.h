// SPDX-License-Identifier: Apache-2.0
//
// What the files of the audit log share. Not for others.
#ifndef HD_PRIVACY_AUDIT_OWN_H
#define HD_PRIVACY_AUDIT_OWN_H

#include "privacy/audit.h"
#include "privacy/audit_tree.h"

// ── audit_entry.c: the canonical bytes of an entry ──

// Longest texts, in bytes.
enum {
    HD_AUDIT_WORD = 32, // what, purpose, outcome
    HD_AUDIT_ACTOR = 64,
    HD_AUDIT_OBJECT = 255,
    HD_AUDIT_BYTES = 640 // more than any entry's bytes
};

// HEED_INTERNAL when a field is longer than it may be, or isn't text.
heed_err hd_audit_encode(const hd_audit_record *record, uint8_t out[HD_AUDIT_BYTES],
                         size_t *n) HEED_CHECK;
// Slices are borrowed from the bytes. HEED_CORRUPT for anything that hd_audit_encode doesn't write.
heed_err hd_audit_decode(const uint8_t *bytes, size_t n, hd_audit_record *out) HEED_CHECK;
// The leaf of an entry.
heed_err hd_audit_leaf(const hd_audit_record *record, uint8_t out[HD_HASH]) HEED_CHECK;

// ── audit_note.c: signed checkpoints ──

enum { HD_SIGN_PUBLIC = 32, HD_SIGN_SECRET = 64, HD_AUDIT_ORIGIN = 80, HD_CHECKPOINT_MAX = 1024 };

typedef struct hd_checkpoint {
    uint64_t size;
    hd_time time;
    uint8_t root[HD_HASH];
} hd_checkpoint;

// Appends the text.
heed_err hd_checkpoint_sign(const hd_checkpoint *checkpoint, const char *origin,
                            const uint8_t public_key[HD_SIGN_PUBLIC],
                            const uint8_t secret_key[HD_SIGN_SECRET], hd_str *out) HEED_CHECK;
// false: not the text of a checkpoint, of another log, or not signed by this key. *out holds what
// it says when its form is right (form_ok), whoever signed it.
bool hd_checkpoint_read(hd_slice text, const char *origin, const uint8_t public_key[HD_SIGN_PUBLIC],
                        hd_checkpoint *out, bool *form_ok);

// ── audit_check.c: one pass over checkpoints, then entries ──

typedef struct hd_checked_point {
    hd_checkpoint checkpoint;
    bool apart; // the one kept apart from the log
} hd_checked_point;

typedef struct hd_audit_checker {
    hd_audit_report *report;
    hd_tree tree;
    bool whole; // no entry was missing so far: the tree means something
    bool begun; // points are in order
    bool root_told;
    hd_checked_point *points;
    size_t n_points, cap, at;
    uint64_t next; // number of the entry expected
    uint64_t good; // size at the last checkpoint that agreed
} hd_audit_checker;

// report: filled from here on; origin and key are in it.
void hd_audit_checker_init(hd_audit_checker *checker, hd_audit_report *report);
void hd_audit_checker_clear(hd_audit_checker *checker);
// All checkpoints before the first entry, in any order. apart: the one kept apart from the log.
heed_err hd_audit_checker_point(hd_audit_checker *checker, hd_slice text, bool apart) HEED_CHECK;
void hd_audit_checker_entry(hd_audit_checker *checker, const hd_audit_record *record,
                            const uint8_t leaf[HD_HASH]);
void hd_audit_checker_end(hd_audit_checker *checker);
void hd_audit_fault_add(hd_audit_report *report, uint64_t from, uint64_t to, const char *en,
                        const char *zh, ...)
    __attribute__((format(printf, 4, 6), format(printf, 5, 6)));

// How entries say what was lost: "12..30, root <hex>", and then what is known of it.
heed_err hd_audit_lost_text(uint64_t from, uint64_t to, const uint8_t root[HD_HASH],
                            const char *source, hd_str *out) HEED_CHECK;
bool hd_audit_lost_read(hd_slice object, uint64_t *from, uint64_t *to);

// ── audit.c, for audit_verify.c ──

struct hd_audit {
    hd_store *store;
    hd_store_hook hook;
    bool can_sign;
    hd_audit_keys keys; // its secret is wiped: what follows was made of it
    uint8_t public_key[HD_SIGN_PUBLIC];
    uint8_t secret_key[HD_SIGN_SECRET];
    uint8_t subject_key[32];
    char origin[HD_AUDIT_ORIGIN];
    char actor[HD_AUDIT_ACTOR + 1];
    uint64_t checked; // the store's epoch when the log was last held against its checkpoint
    bool added;       // by this transaction
    bool lost;        // this transaction found entries missing
    hd_str sealed;    // the checkpoint of this transaction
    uint64_t sealed_size;
};

// Columns that hd_audit_row reads.
#define HD_AUDIT_COLUMNS "seq, time, what, actor, purpose, subject, object, count, outcome, leaf"
// Borrowed until the next step. leaf may be NULL; *leaf absent when it isn't one.
void hd_audit_row(hd_query *q, hd_audit_record *out, hd_slice *leaf);
// Appends the checkpoint kept apart; nothing when there is none.
heed_err hd_audit_apart(const hd_audit *audit, hd_str *out) HEED_CHECK;

#endif
