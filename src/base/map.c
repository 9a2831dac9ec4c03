// SPDX-License-Identifier: Apache-2.0
//
// Hash maps: entries in order of insertion in one array, and a table of 32-bit indexes into it with
// linear probing, at most two thirds full. Iteration is a walk over the array; a rehash moves
// indexes only. SipHash-2-4 (Aumasson, Bernstein 2012) comes from libsodium.
//
// Rejected: entries in the table itself (iteration would follow the random key, and results with
// it).
#include "base/map.h"

#include <pthread.h>
#include <sodium.h>
#include <string.h>

#include "base/mem.h"

static unsigned char hash_key[crypto_shorthash_KEYBYTES];

static void make_hash_key(void) {
    randombytes_buf(hash_key, sizeof hash_key);
}

static uint64_t hash_bytes(const void *key, size_t len) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_hash_key);
    unsigned char out[crypto_shorthash_BYTES];
    crypto_shorthash(out, key, len, hash_key);
    uint64_t hash;
    memcpy(&hash, out, sizeof hash);
    return hash;
}

static void place(uint32_t *slots, size_t n_slots, uint64_t hash, size_t entry) {
    size_t i = (size_t)hash & (n_slots - 1);
    while (slots[i] != 0) i = (i + 1) & (n_slots - 1);
    slots[i] = (uint32_t)(entry + 1);
}

// The size of table for one entry more, or what it is now when that is enough. 0: too many entries.
static size_t slots_wanted(size_t count, size_t n_slots) {
    if (count >= UINT32_MAX - 1) return 0;
    if (n_slots == 0) return 16;
    return (count + 1) * 3 > n_slots * 2 ? n_slots * 2 : n_slots;
}

static heed_err too_many(void) {
    return HD_FAIL(HEED_FULL, "too many different keys: a map holds at most %u",
                   "不同的键过多：一个映射最多容纳 %u 个", UINT32_MAX - 1);
}

// ── Byte keys ──

void hd_map_init(hd_map *map) {
    *map = (hd_map){0};
    hd_arena_init(&map->keys);
}

void hd_map_clear(hd_map *map) {
    hd_free(map->entries);
    hd_free(map->slots);
    hd_arena_clear(&map->keys);
    hd_map_init(map);
}

static hd_map_entry *map_find(const hd_map *map, const char *key, size_t len, uint64_t hash) {
    if (map->n_slots == 0) return NULL;
    for (size_t i = (size_t)hash & (map->n_slots - 1); map->slots[i] != 0;
         i = (i + 1) & (map->n_slots - 1)) {
        hd_map_entry *entry = &map->entries[map->slots[i] - 1];
        if (entry->hash == hash && entry->len == len &&
            (len == 0 || memcmp(entry->key, key, len) == 0)) {
            return entry;
        }
    }
    return NULL;
}

bool hd_map_get(const hd_map *map, const char *key, size_t len, uint64_t *value) {
    const hd_map_entry *entry = map_find(map, key, len, hash_bytes(key, len));
    if (entry && value) *value = entry->value;
    return entry != NULL;
}

static heed_err map_make_room(hd_map *map) {
    HD_TRY(hd_grow(&map->entries, &map->cap, map->count + 1, sizeof *map->entries));
    size_t n_slots = slots_wanted(map->count, map->n_slots);
    if (n_slots == 0) return too_many();
    if (n_slots == map->n_slots) return HEED_OK;
    uint32_t *slots = hd_calloc(n_slots, sizeof *slots);
    if (!slots) return HD_FAIL_MEMORY(n_slots * sizeof *slots);
    for (size_t e = 0; e < map->count; e++) place(slots, n_slots, map->entries[e].hash, e);
    hd_free(map->slots);
    map->slots = slots;
    map->n_slots = n_slots;
    return HEED_OK;
}

heed_err hd_map_slot(hd_map *map, const char *key, size_t len, uint64_t initial, uint64_t **value,
                     bool *added) {
    uint64_t hash = hash_bytes(key, len);
    hd_map_entry *entry = map_find(map, key, len, hash);
    if (added) *added = entry == NULL;
    if (!entry) {
        HD_TRY(map_make_room(map));
        char *copy = hd_arena_strndup(&map->keys, key, len);
        if (!copy) return HD_FAIL_MEMORY(len + 1);
        entry = &map->entries[map->count];
        *entry = (hd_map_entry){.key = copy, .len = len, .hash = hash, .value = initial};
        place(map->slots, map->n_slots, hash, map->count);
        map->count++;
    }
    *value = &entry->value;
    return HEED_OK;
}

heed_err hd_map_put(hd_map *map, const char *key, size_t len, uint64_t value) {
    uint64_t *slot;
    HD_TRY(hd_map_slot(map, key, len, value, &slot, NULL));
    *slot = value;
    return HEED_OK;
}

// ── Integer keys ──

void hd_imap_init(hd_imap *map) {
    *map = (hd_imap){0};
}

void hd_imap_clear(hd_imap *map) {
    hd_free(map->entries);
    hd_free(map->slots);
    hd_imap_init(map);
}

static hd_imap_entry *imap_find(const hd_imap *map, uint64_t key, uint64_t hash) {
    if (map->n_slots == 0) return NULL;
    for (size_t i = (size_t)hash & (map->n_slots - 1); map->slots[i] != 0;
         i = (i + 1) & (map->n_slots - 1)) {
        hd_imap_entry *entry = &map->entries[map->slots[i] - 1];
        if (entry->key == key) return entry;
    }
    return NULL;
}

bool hd_imap_get(const hd_imap *map, uint64_t key, uint64_t *value) {
    const hd_imap_entry *entry = imap_find(map, key, hash_bytes(&key, sizeof key));
    if (entry && value) *value = entry->value;
    return entry != NULL;
}

static heed_err imap_make_room(hd_imap *map) {
    HD_TRY(hd_grow(&map->entries, &map->cap, map->count + 1, sizeof *map->entries));
    size_t n_slots = slots_wanted(map->count, map->n_slots);
    if (n_slots == 0) return too_many();
    if (n_slots == map->n_slots) return HEED_OK;
    uint32_t *slots = hd_calloc(n_slots, sizeof *slots);
    if (!slots) return HD_FAIL_MEMORY(n_slots * sizeof *slots);
    for (size_t e = 0; e < map->count; e++) {
        uint64_t key = map->entries[e].key;
        place(slots, n_slots, hash_bytes(&key, sizeof key), e);
    }
    hd_free(map->slots);
    map->slots = slots;
    map->n_slots = n_slots;
    return HEED_OK;
}

heed_err hd_imap_slot(hd_imap *map, uint64_t key, uint64_t initial, uint64_t **value, bool *added) {
    uint64_t hash = hash_bytes(&key, sizeof key);
    hd_imap_entry *entry = imap_find(map, key, hash);
    if (added) *added = entry == NULL;
    if (!entry) {
        HD_TRY(imap_make_room(map));
        entry = &map->entries[map->count];
        *entry = (hd_imap_entry){.key = key, .value = initial};
        place(map->slots, map->n_slots, hash, map->count);
        map->count++;
    }
    *value = &entry->value;
    return HEED_OK;
}

heed_err hd_imap_put(hd_imap *map, uint64_t key, uint64_t value) {
    uint64_t *slot;
    HD_TRY(hd_imap_slot(map, key, value, &slot, NULL));
    *slot = value;
    return HEED_OK;
}
