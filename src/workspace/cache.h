// SPDX-License-Identifier: Apache-2.0
//
// What handles on several threads share: loaded models, the catalogue in memory. Each is made once,
// never changed afterwards, held by counting, and freed when the last who holds it lets go. A place
// ("slot") holds the newest; whoever asks while a newer one is being made gets the old one if that
// will do, else waits for it.
//
// Threads: all functions from any thread. An object per process (a server) or per handle; it
// outlives the handles that use it.
#ifndef HD_WORKSPACE_CACHE_H
#define HD_WORKSPACE_CACHE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

// First member of whatever is shared.
typedef struct hd_shared {
    atomic_size_t held;
    void (*free)(struct hd_shared *self);
} hd_shared;
void hd_shared_init(hd_shared *shared, void (*free)(hd_shared *self)); // held once
hd_shared *hd_shared_hold(hd_shared *shared);
void hd_shared_release(hd_shared *shared); // NULL is fine

typedef struct hd_model_cache hd_model_cache;
heed_err hd_model_cache_new(hd_model_cache **out) HEED_CHECK;
void hd_model_cache_free(hd_model_cache *cache); // NULL is fine

typedef enum hd_fitness {
    HD_FIT,  // as wanted
    HD_AGED, // will do until a newer one is there
    HD_UNFIT // must not be used
} hd_fitness;

typedef struct hd_cache_want {
    const char *folder, *name; // of the slot
    // What stands there, judged. Quick: others wait. now: never NULL.
    hd_fitness (*judge)(void *ctx, const hd_shared *now);
    // Makes a new one, held once; what stands there (may be NULL) may lend it parts.
    heed_err (*make)(void *ctx, hd_shared *now, hd_shared **out);
    void *ctx;
    // Of who mustn't wait, an event loop's thread: where a new one has to be made, or another
    // thread is at it and what stands won't do, *late becomes true and the call fails with
    // HEED_BUSY: the question is to be asked once more from a thread that may wait. Till that one
    // begins, others like it get what is aged. NULL: who asks makes or waits.
    bool *late;
} hd_cache_want;
// *out: held by the caller. One thread at a time makes; a failure is the maker's alone.
heed_err hd_cache_get(hd_model_cache *cache, const hd_cache_want *want, hd_shared **out) HEED_CHECK;
// Lets go of all that belongs to a folder (its settings changed, say); whoever holds some of it
// goes on. What is being made just then is its maker's alone.
void hd_model_cache_forget(hd_model_cache *cache, const char *folder);

#endif
