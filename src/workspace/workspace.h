// SPDX-License-Identifier: Apache-2.0
//
// An open workspace, as the files of this room see it: the handle of heed/workspace.h with its
// parts. Parts that not every command needs are made when first asked for.
#ifndef HD_WORKSPACE_WORKSPACE_H
#define HD_WORKSPACE_WORKSPACE_H

#include "base/arena.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/pool.h"
#include "catalog/catalog.h"
#include "heed/workspace.h"
#include "privacy/door.h"
#include "privacy/keyring.h"
#include "store/open.h"
#include "workspace/settings.h"
#include "workspace/stop.h"

struct heed_workspace {
    char *folder;
    heed_mode mode;
    hd_lock *lock; // NULL when reading
    hd_settings *settings;
    bool own_settings;
    hd_stop *stop; // own_stop, or the caller's
    hd_stop own_stop;
    hd_store *store;
    hd_store *subjects;  // subjects.db of the keys; NULL: there is none
    hd_keyring *keyring; // never NULL; locked where the keys are not here
    struct hd_audit *audit;
    hd_catalog *catalog;
    hd_door *door;
    hd_zone *zone; // of `time.zone`
    hd_signal_rules signal_rules;
    hd_signals signals;
    heed_progress progress;
    void *progress_ctx;
    hd_pool *pool;                // made when first asked for
    struct hd_model_cache *cache; // own_cache, or the caller's
    struct hd_model_cache *own_cache;
    struct hd_shared_items *items; // held when first asked for; let go when an import changes them
    struct hd_intake *intake;      // what taking records in keeps from call to call (ingest.c)
    struct hd_serve_room *room;    // what requests work in, one after the other
    hd_arena scratch;              // the same, of the question itself
    struct hd_trends *trends;      // what is trending (trending.c); made when first asked for
    bool hurried; // whose thread mustn't wait: what would have to be loaded (cache.h) fails,
    bool late;    // and is noted here
};

// For hd_cache_want.
static inline bool *hd_workspace_late(heed_workspace *ws) {
    return ws->hurried ? &ws->late : NULL;
}

typedef struct hd_workspace_params {
    const char *folder;
    heed_mode mode;
    const char *who;       // what the lock tells a second writer: "heed import"
    int64_t patience_ms;   // with another writer, before HEED_BUSY; 0: none
    hd_settings *settings; // borrowed, every layer in; NULL: the workspace's own
    hd_stop *stop;         // borrowed; NULL: the workspace's own
    // What is loaded is shared with other handles that read (workspace/cache.h); borrowed. NULL:
    // the workspace's own. A handle that writes has its own in any case: it sees what isn't
    // committed.
    struct hd_model_cache *cache;
    // A descriptor of heed.lock that holds the lock already: lent by the parent process (runner.h),
    // or of the handle before. Taken over, also when opening fails. 0: the lock is taken anew.
    int lock_fd;
    hd_passphrase passphrase; // asks a person for it; .ask NULL: nobody can be asked
} hd_workspace_params;
heed_err hd_workspace_open(const hd_workspace_params *params, heed_workspace **out) HEED_CHECK;

// The nearest folder at or above `from` with a heed.yaml or heed.db in it; *out NULL: none. In the
// arena.
heed_err hd_workspace_find(const char *from, hd_arena *arena, const char **out) HEED_CHECK;

// Brings an older workspace up to date. *steps: how many migrations ran. HEED_BUSY as for writers.
heed_err hd_workspace_migrate(const hd_workspace_params *params, size_t *steps) HEED_CHECK;

// A document as a text for a caller of the public functions; takes the reference in any case.
heed_err hd_workspace_text(json_t *json, char **out) HEED_CHECK;
// HEED_USAGE on a handle that was opened to read.
heed_err hd_workspace_need_write(const heed_workspace *ws) HEED_CHECK;
// "<folder>/<name>", in the arena.
heed_err hd_workspace_path(const heed_workspace *ws, hd_arena *arena, const char *name,
                           char **out) HEED_CHECK;
// The legal basis of a purpose as its setting names it.
const char *hd_workspace_basis(const heed_workspace *ws, hd_purpose purpose);
heed_err hd_workspace_pool(heed_workspace *ws, hd_pool **out) HEED_CHECK;
heed_err hd_workspace_items(heed_workspace *ws, const hd_items **out) HEED_CHECK;
// The items as they stand now: another one than before if the catalogue changed, which ends all
// pointers into them. For the begin of an operation.
heed_err hd_workspace_items_now(heed_workspace *ws, const hd_items **out) HEED_CHECK;
// The same, held by the caller beyond that (hd_shared_release).
heed_err hd_workspace_items_hold(heed_workspace *ws, struct hd_shared_items **out) HEED_CHECK;
void hd_workspace_items_drop(heed_workspace *ws); // what stands in memory is no longer the truth
// Whether the catalogue has changed since the items were loaded (false: nothing is loaded): one
// look at the database, some microseconds. Who has it changes nothing: drop it between two
// operations, since within one its pointers are in use.
heed_err hd_workspace_items_stale(heed_workspace *ws, bool *stale) HEED_CHECK;
// Ids of the users with most events, for examples.
heed_err hd_workspace_busiest(heed_workspace *ws, size_t limit, hd_arena *arena, char ***ids,
                              size_t *n) HEED_CHECK;
void hd_workspace_tell(heed_workspace *ws, hd_text what, double share); // progress

#endif
