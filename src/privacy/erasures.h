// SPDX-License-Identifier: Apache-2.0
//
// What a database knows of erasures: the receipts that were given, and how far it has followed the
// ledger of the keys (keyring.h), which outlives every backup. A database that was restored from an
// older backup has followed it less far; what is missing is done again before anything is read.
#ifndef HD_PRIVACY_ERASURES_H
#define HD_PRIVACY_ERASURES_H

#include "privacy/door.h"

extern const hd_migration hd_erasures_migrations[];
extern const size_t hd_erasures_n_migrations;

// Up to which entry of the ledger rows are gone, and up to which all else is done as well.
typedef struct hd_erasure_marks {
    int64_t rows, finished;
} hd_erasure_marks;
heed_err hd_erasure_marks_get(hd_door *door, hd_erasure_marks *out) HEED_CHECK;
heed_err hd_erasure_marks_set(hd_door *door, hd_erasure_marks marks) HEED_CHECK;

// When all that was past its time was last removed; HD_TIME_NONE: never.
heed_err hd_retention_mark_get(hd_door *door, hd_time *out) HEED_CHECK;
heed_err hd_retention_mark_set(hd_door *door, hd_time time) HEED_CHECK;

heed_err hd_erasures_keep(hd_door *door, hd_time time, hd_slice receipt) HEED_CHECK;
// The newest `limit` receipts, newest first; in the arena.
heed_err hd_erasures_receipts(hd_door *door, size_t limit, hd_arena *arena, char ***out,
                              size_t *n) HEED_CHECK;

// The subjects of ids: (n), in the arena.
heed_err hd_erasures_subjects(hd_door *door, const int64_t *keys, size_t n, hd_arena *arena,
                              int64_t **out) HEED_CHECK;
// The id of a subject; *key 0: it has no row.
heed_err hd_erasures_key(hd_door *door, int64_t subject, int64_t *key) HEED_CHECK;
// Whether something of these ids stands unsealed in the database.
heed_err hd_erasures_plain(hd_door *door, const int64_t *keys, size_t n, bool *plain) HEED_CHECK;

#endif
