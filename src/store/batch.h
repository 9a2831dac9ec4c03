// SPDX-License-Identifier: Apache-2.0
//
// Import batches: who brought what in, when, from which bytes. Holds counts and hashes, nothing
// personal. The doors tag what they write with a batch, so that it can be undone.
#ifndef HD_STORE_BATCH_H
#define HD_STORE_BATCH_H

#include "base/arena.h"
#include "base/time.h"
#include "store/store.h"

extern const hd_migration hd_batch_migrations[];
extern const size_t hd_batch_n_migrations;

typedef struct hd_batch {
    int64_t id;
    const char *kind;   // "events"
    const char *source; // file name without its folder, or "-"
    const char *preset; // "" when none
    char hash[65];      // BLAKE2b-256 of the bytes as they came, hexadecimal
    hd_time started;
    int64_t rows_read, rows_new, rows_changed, rows_same, rows_rejected;
    bool undone;
} hd_batch;

// Within the caller's transaction. batch->id is set.
heed_err hd_batch_begin(hd_store *store, hd_batch *batch) HEED_CHECK;
heed_err hd_batch_finish(hd_store *store,
                         const hd_batch *batch) HEED_CHECK; // writes hash and counts
// Adds the counts to those that stand: for a batch that grows request by request.
heed_err hd_batch_add(hd_store *store, const hd_batch *batch) HEED_CHECK;
heed_err hd_batch_mark_undone(hd_store *store, int64_t id) HEED_CHECK;
// HEED_NOT_FOUND when there is none. Strings in the arena.
heed_err hd_batch_get(hd_store *store, int64_t id, hd_arena *arena, hd_batch *out) HEED_CHECK;
// The newest batch of that hash and kind that was not undone; *found false when there is none.
heed_err hd_batch_find_hash(hd_store *store, const char *hash, const char *kind, int64_t *id,
                            bool *found) HEED_CHECK;
heed_err hd_batch_list(hd_store *store, hd_arena *arena, hd_batch **out,
                       size_t *n) HEED_CHECK; // newest first

#endif
