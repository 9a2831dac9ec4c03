// SPDX-License-Identifier: Apache-2.0
//
// A set-associative cache, as processors have: 128 bits of SipHash (Aumasson, Bernstein 2012; keyed
// at random, so that input can't be made to collide) choose a set of four places, one cache line,
// and tell its ids apart by 64 further bits. A set is kept in the order of use and its last place
// is given up. A wrong answer needs two ids that agree in all 82 bits: 10^7 look-ups err with
// probability 2·10^-12.
//
// Forgetting draws a new key: what was stored under the old one can't be found any more.
//
// Rejected: a hash map of the ids (100 bytes for each of 10^7 users), and clearing 16 MB whenever a
// transaction begins.
#include "privacy/idcache.h"

#include <sodium.h>
#include <string.h>

#include "base/mem.h"

struct hd_idcache_set {
    uint64_t tag[HD_IDCACHE_WAYS];
    int64_t key[HD_IDCACHE_WAYS]; // 0: free
};

typedef struct place {
    hd_idcache_set *set;
    uint64_t tag;
} place;

static place place_of(const hd_idcache *cache, hd_slice id) {
    uint64_t hash[2];
    unsigned char out[crypto_shorthash_siphashx24_BYTES];
    crypto_shorthash_siphashx24(out, (const unsigned char *)id.p, id.n, cache->key);
    memcpy(hash, out, sizeof hash);
    return (place){&cache->sets[hash[0] % HD_IDCACHE_SETS], hash[1]};
}

// Moves places 0 .. last-1 one back and puts the pair in front.
static void to_front(hd_idcache_set *set, int last, uint64_t tag, int64_t key) {
    for (int i = last; i > 0; i--) {
        set->tag[i] = set->tag[i - 1];
        set->key[i] = set->key[i - 1];
    }
    set->tag[0] = tag;
    set->key[0] = key;
}

void hd_idcache_init(hd_idcache *cache) {
    *cache = (hd_idcache){0};
    hd_idcache_forget(cache);
}

void hd_idcache_clear(hd_idcache *cache) {
    hd_free(cache->sets);
    cache->sets = NULL;
}

void hd_idcache_forget(hd_idcache *cache) {
    randombytes_buf(cache->key, sizeof cache->key);
}

bool hd_idcache_get(hd_idcache *cache, hd_slice id, int64_t *key) {
    if (!cache->sets) return false;
    place at = place_of(cache, id);
    for (int i = 0; i < HD_IDCACHE_WAYS; i++) {
        if (at.set->tag[i] != at.tag || at.set->key[i] == 0) continue;
        *key = at.set->key[i];
        if (i > 0) to_front(at.set, i, at.tag, *key);
        return true;
    }
    return false;
}

heed_err hd_idcache_put(hd_idcache *cache, hd_slice id, int64_t key) {
    if (!cache->sets) {
        cache->sets = hd_calloc(HD_IDCACHE_SETS, sizeof *cache->sets);
        if (!cache->sets) return HD_FAIL_MEMORY(HD_IDCACHE_SETS * sizeof *cache->sets);
    }
    place at = place_of(cache, id);
    int i = 0; // the id's own place, else the last one
    while (i < HD_IDCACHE_WAYS - 1 && at.set->tag[i] != at.tag) i++;
    to_front(at.set, i, at.tag, key);
    return HEED_OK;
}
