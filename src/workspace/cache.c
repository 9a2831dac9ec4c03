// SPDX-License-Identifier: Apache-2.0
//
// One mutex over a short list of slots: a handful per workspace, asked for some thousand times a
// second, held for a comparison and a count. What takes time (loading) is done outside of it, by
// the one thread that marked the slot.
//
// Rejected: a pointer that is swapped atomically and read without a lock, which needs hazard
// pointers or epochs before the old one may be freed; and a read-write lock held for the whole of a
// request, under which a swap waits for the slowest reader.
#include "workspace/cache.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "base/time.h"

enum { PROMISE_MS = 1000 };

typedef struct slot {
    char *folder, *name;
    hd_shared *now; // NULL: nothing yet
    bool making;
    int64_t promised; // when somebody who could not wait sent it to another thread, ms; 0: nobody
    unsigned epoch;   // grows when what was made before is forgotten
} slot;

struct hd_model_cache {
    pthread_mutex_t mutex;
    pthread_cond_t made;
    slot **slots; // (n)
    size_t n, cap;
};

void hd_shared_init(hd_shared *shared, void (*free)(hd_shared *self)) {
    atomic_init(&shared->held, 1);
    shared->free = free;
}

hd_shared *hd_shared_hold(hd_shared *shared) {
    atomic_fetch_add_explicit(&shared->held, 1, memory_order_relaxed);
    return shared;
}

// Release and acquire: what others did with it is over before it is freed.
void hd_shared_release(hd_shared *shared) {
    if (shared && atomic_fetch_sub_explicit(&shared->held, 1, memory_order_acq_rel) == 1)
        shared->free(shared);
}

static void slot_free(slot *s) {
    assert(!s->making);
    hd_shared_release(s->now);
    hd_free(s->folder);
    hd_free(s->name);
    hd_free(s);
}

heed_err hd_model_cache_new(hd_model_cache **out) {
    hd_model_cache *cache = hd_calloc(1, sizeof *cache);
    if (!cache) return HD_FAIL_MEMORY(sizeof *cache);
    // Neither can fail on Linux with default attributes.
    (void)pthread_mutex_init(&cache->mutex, NULL);
    (void)pthread_cond_init(&cache->made, NULL);
    *out = cache;
    return HEED_OK;
}

void hd_model_cache_free(hd_model_cache *cache) {
    if (!cache) return;
    for (size_t i = 0; i < cache->n; i++) slot_free(cache->slots[i]);
    pthread_cond_destroy(&cache->made);
    pthread_mutex_destroy(&cache->mutex);
    hd_free(cache->slots);
    hd_free(cache);
}

// What is let go of is freed under the mutex: this is rare.
void hd_model_cache_forget(hd_model_cache *cache, const char *folder) {
    pthread_mutex_lock(&cache->mutex);
    for (size_t i = 0; i < cache->n; i++) {
        slot *s = cache->slots[i];
        if (strcmp(s->folder, folder) != 0) continue;
        hd_shared_release(s->now);
        s->now = NULL;
        s->epoch++;
    }
    pthread_mutex_unlock(&cache->mutex);
}

static heed_err find_slot(hd_model_cache *cache, const hd_cache_want *want, slot **out) {
    for (size_t i = 0; i < cache->n; i++) {
        *out = cache->slots[i];
        if (strcmp((*out)->name, want->name) == 0 && strcmp((*out)->folder, want->folder) == 0)
            return HEED_OK;
    }
    HD_TRY(hd_grow(&cache->slots, &cache->cap, cache->n + 1, sizeof(slot *)));
    slot *s = hd_calloc(1, sizeof *s);
    if (!s) return HD_FAIL_MEMORY(sizeof *s);
    s->folder = hd_strdup(want->folder);
    s->name = hd_strdup(want->name);
    if (!s->folder || !s->name) {
        slot_free(s);
        return HD_FAIL_MEMORY(0);
    }
    *out = cache->slots[cache->n++] = s;
    return HEED_OK;
}

// Makes a new one outside of the mutex, which is held when this is called and when it returns.
static heed_err make(hd_model_cache *cache, slot *s, const hd_cache_want *want, hd_shared **out) {
    hd_shared *before = s->now ? hd_shared_hold(s->now) : NULL;
    hd_shared *made = NULL;
    hd_shared *gone = NULL;
    unsigned epoch = s->epoch;
    s->making = true;
    s->promised = 0;
    pthread_mutex_unlock(&cache->mutex);
    heed_err err = want->make(want->ctx, before, &made);
    pthread_mutex_lock(&cache->mutex);
    s->making = false;
    if (err == HEED_OK) *out = made;
    if (err == HEED_OK && epoch == s->epoch) {
        gone = s->now;
        s->now = hd_shared_hold(made);
    }
    pthread_cond_broadcast(&cache->made);
    pthread_mutex_unlock(&cache->mutex);
    hd_shared_release(gone); // freeing takes time as well
    hd_shared_release(before);
    pthread_mutex_lock(&cache->mutex);
    return err;
}

// One asker goes to another thread and has it made there; until then, others take what is old. A
// promise that nobody kept (there was no room in a queue, say) is forgotten after a second.
static heed_err get_hurried(slot *s, const hd_cache_want *want, hd_fitness fitness,
                            hd_shared **out) {
    int64_t now = hd_time_monotonic();
    if (fitness == HD_AGED && s->promised != 0 && now - s->promised < PROMISE_MS) {
        *out = hd_shared_hold(s->now);
        return HEED_OK;
    }
    if (!s->making) s->promised = now;
    *want->late = true;
    return HD_FAIL(HEED_BUSY, "'%s' is being loaded", "正在加载“%s”", want->name);
}

static heed_err get(hd_model_cache *cache, const hd_cache_want *want, hd_shared **out) {
    slot *s = NULL;
    HD_TRY(find_slot(cache, want, &s));
    for (;;) {
        hd_fitness fitness = s->now ? want->judge(want->ctx, s->now) : HD_UNFIT;
        if (fitness == HD_FIT || (fitness == HD_AGED && s->making)) {
            *out = hd_shared_hold(s->now);
            return HEED_OK;
        }
        if (want->late) return get_hurried(s, want, fitness, out);
        if (!s->making) return make(cache, s, want, out);
        pthread_cond_wait(&cache->made, &cache->mutex);
    }
}

heed_err hd_cache_get(hd_model_cache *cache, const hd_cache_want *want, hd_shared **out) {
    pthread_mutex_lock(&cache->mutex);
    heed_err err = get(cache, want, out);
    pthread_mutex_unlock(&cache->mutex);
    return err;
}
