// SPDX-License-Identifier: Apache-2.0
//
// Token buckets by the generic cell rate algorithm (ITU-T I.371, annex A; the "virtual scheduling"
// form). A bucket of `burst` tokens that regains one per T is one number, the time at which it will
// be full again:
//
//     level(now) = burst − max(0, full_at − now) / T
//     take c:      allowed when max(full_at, now) + c·T − now ≤ burst·T, and full_at moves there
//
// which is the classic bucket without its "last seen" and without a float that drifts. T is whole
// nanoseconds, rounded up, so nobody ever gets more than the rate.
//
// Memory is taken once: shards with a lock, a hash table of chains, and a list by last use each.
// A newcomer to a full shard takes over the entry unseen for longest, with its debt if it still has
// one: forgetting it would let a flood of addresses wash away what is held against one of them.
//
// Rejected: one table under one lock (64 connections meet there); lock-free tables (eviction by
// last use needs a list, and an uncontended lock costs 20 ns).
#include <math.h>
#include <pthread.h>
#include <sodium.h>

#include "access/limiter.h"
#include "base/mem.h"

enum { SHARDS = 16, SHARDED_FROM = 1024 };
static const double nanoseconds = 1e9;
static const int64_t ns_per_ms = 1000000;
static const double longest = 366.0 * 86400 * 1e9; // of a bucket to fill, ns
// A debt beyond a full bucket is a clock that went back or a rate that was raised, and forgiven; up
// to here it may be a thread that read its clock and then had to wait.
static const int64_t stale = INT64_C(60000000000);
static const int64_t far_ms = INT64_C(4000000000000); // clocks beyond are taken as this

typedef struct bucket {
    hd_who who;
    uint32_t chain;        // next of the same slot; indexes are 1-based, 0: none
    uint32_t newer, older; // by last use
    int64_t full_at;       // ns
} bucket;

typedef struct shard {
    pthread_mutex_t lock;
    bucket *buckets; // (cap), [0] is bucket 1
    uint32_t *slots; // (n_slots)
    uint32_t n_slots, cap, count;
    uint32_t newest, oldest;
} shard;

struct hd_limiter {
    uint8_t key[crypto_shorthash_KEYBYTES]; // nobody outside can aim at one slot
    uint32_t n_shards;
    shard shards[SHARDS];
};

// ── Life ──

static heed_err shard_init(shard *s, size_t capacity) {
    uint32_t slots = 8;
    while (slots < capacity) slots *= 2;
    s->cap = (uint32_t)capacity;
    s->n_slots = slots;
    s->buckets = hd_calloc(capacity, sizeof *s->buckets);
    s->slots = hd_calloc(slots, sizeof *s->slots);
    if (!s->buckets || !s->slots)
        return HD_FAIL_MEMORY(capacity * sizeof *s->buckets + slots * sizeof *s->slots);
    return HEED_OK;
}

heed_err hd_limiter_new(size_t capacity, hd_limiter **out) {
    *out = NULL;
    if (capacity < 1) capacity = 1;
    if (capacity > 1u << 30) capacity = 1u << 30;
    hd_limiter *limiter = hd_calloc(1, sizeof *limiter);
    if (!limiter) return HD_FAIL_MEMORY(sizeof *limiter);
    randombytes_buf(limiter->key, sizeof limiter->key);
    limiter->n_shards = capacity >= SHARDED_FROM ? SHARDS : 1;
    heed_err err = HEED_OK;
    for (uint32_t i = 0; i < limiter->n_shards; i++) {
        pthread_mutex_init(&limiter->shards[i].lock, NULL);
        if (err == HEED_OK) err = shard_init(&limiter->shards[i], capacity / limiter->n_shards);
    }
    if (err != HEED_OK) {
        hd_limiter_free(limiter);
        return err;
    }
    *out = limiter;
    return HEED_OK;
}

void hd_limiter_free(hd_limiter *limiter) {
    if (!limiter) return;
    for (uint32_t i = 0; i < limiter->n_shards; i++) {
        pthread_mutex_destroy(&limiter->shards[i].lock);
        hd_free(limiter->shards[i].buckets);
        hd_free(limiter->shards[i].slots);
    }
    hd_free(limiter);
}

size_t hd_limiter_count(hd_limiter *limiter) {
    size_t n = 0;
    for (uint32_t i = 0; i < limiter->n_shards; i++) {
        pthread_mutex_lock(&limiter->shards[i].lock);
        n += limiter->shards[i].count;
        pthread_mutex_unlock(&limiter->shards[i].lock);
    }
    return n;
}

// ── The table ──

static bucket *at(shard *s, uint32_t i) {
    return &s->buckets[i - 1];
}

static void list_remove(shard *s, uint32_t i) {
    bucket *b = at(s, i);
    *(b->newer ? &at(s, b->newer)->older : &s->newest) = b->older;
    *(b->older ? &at(s, b->older)->newer : &s->oldest) = b->newer;
}

static void list_push(shard *s, uint32_t i) {
    bucket *b = at(s, i);
    b->newer = 0;
    b->older = s->newest;
    *(s->newest ? &at(s, s->newest)->newer : &s->oldest) = i;
    s->newest = i;
}

static void chain_remove(shard *s, uint32_t slot, uint32_t i) {
    uint32_t *link = &s->slots[slot];
    while (*link != i) link = &at(s, *link)->chain;
    *link = at(s, i)->chain;
}

static uint64_t hash_of(const hd_limiter *limiter, const hd_who *who) {
    uint64_t hash;
    uint8_t bytes[crypto_shorthash_BYTES];
    crypto_shorthash(bytes, who->bytes, sizeof who->bytes, limiter->key);
    memcpy(&hash, bytes, sizeof hash);
    return hash;
}

// An entry for a newcomer: a free one, or the one unseen for longest, whose debt stays in it.
static uint32_t make_room(const hd_limiter *limiter, shard *s) {
    if (s->count < s->cap) return ++s->count;
    uint32_t i = s->oldest;
    uint32_t slot = (uint32_t)(hash_of(limiter, &at(s, i)->who) >> 32) & (s->n_slots - 1);
    chain_remove(s, slot, i);
    list_remove(s, i);
    return i;
}

static bucket *find(const hd_limiter *limiter, shard *s, uint64_t hash, const hd_who *who) {
    uint32_t slot = (uint32_t)(hash >> 32) & (s->n_slots - 1);
    uint32_t i = s->slots[slot];
    while (i && memcmp(at(s, i)->who.bytes, who->bytes, sizeof who->bytes) != 0)
        i = at(s, i)->chain;
    if (i) {
        list_remove(s, i);
    } else {
        i = make_room(limiter, s);
        at(s, i)->who = *who;
        at(s, i)->chain = s->slots[slot];
        s->slots[slot] = i;
    }
    list_push(s, i);
    return at(s, i);
}

// ── Buckets ──

typedef struct flow {
    int64_t step;  // ns that the cost is worth
    int64_t depth; // ns that a full bucket is worth
} flow;

static flow flow_of(hd_rate rate, double cost) {
    double burst = rate.burst > 0 ? rate.burst : rate.per_second;
    if (!(burst >= 1)) burst = 1;
    double each = ceil(nanoseconds / rate.per_second);
    double depth = fmin(floor(burst * each), longest);
    double step = fmin(ceil(fmax(cost, 1) * each), depth);
    return (flow){.step = (int64_t)step, .depth = (int64_t)depth};
}

static bool take(bucket *b, flow f, int64_t now, int64_t *wait) {
    int64_t from = b->full_at;
    if (from < now) from = now;
    if (from > now + f.depth + stale) from = now + f.depth;
    *wait = from + f.step - f.depth - now;
    b->full_at = *wait > 0 ? from : from + f.step;
    return *wait <= 0;
}

bool hd_limiter_take(hd_limiter *limiter, const hd_who *who, hd_rate rate, int64_t now_ms,
                     double cost, int64_t *retry_ms) {
    if (retry_ms) *retry_ms = 0;
    if (!(rate.per_second > 0)) return true;
    if (now_ms > far_ms) now_ms = far_ms;
    if (now_ms < 0) now_ms = 0;
    int64_t wait;
    uint64_t hash = hash_of(limiter, who);
    shard *s = &limiter->shards[hash & (limiter->n_shards - 1)];
    pthread_mutex_lock(&s->lock);
    bool taken = take(find(limiter, s, hash, who), flow_of(rate, cost), now_ms * ns_per_ms, &wait);
    pthread_mutex_unlock(&s->lock);
    if (!taken && retry_ms) *retry_ms = (wait + ns_per_ms - 1) / ns_per_ms;
    return taken;
}
