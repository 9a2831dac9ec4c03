// SPDX-License-Identifier: Apache-2.0
//
// Hash maps. Keys are bytes (hd_map) or 64-bit integers (hd_imap); values are 64-bit integers: a
// count, an index, or a pointer cast through uintptr_t. Iteration is in the order of insertion, so
// results don't depend on hashing. Keys are hashed by SipHash with a random key per process: input
// can't be made to collide. Not thread-safe.
#ifndef HD_BASE_MAP_H
#define HD_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

typedef struct hd_map_entry {
    const char *key; // owned by the map, NUL-terminated
    size_t len;
    uint64_t hash;
    uint64_t value;
} hd_map_entry;

typedef struct hd_map {
    hd_map_entry *entries; // (count), in order of insertion
    size_t count;
    size_t cap;
    uint32_t *slots; // (n_slots), index + 1 into entries, 0: free
    size_t n_slots;  // a power of two
    hd_arena keys;
} hd_map;

void hd_map_init(hd_map *map);
void hd_map_clear(hd_map *map);
bool hd_map_get(const hd_map *map, const char *key, size_t len,
                uint64_t *value); // value may be NULL
// Sets key to value, replacing what stood there.
heed_err hd_map_put(hd_map *map, const char *key, size_t len, uint64_t value) HEED_CHECK;
// The place of key's value, inserted as `initial` when it is new (*added, may be NULL). Borrowed
// until the next put.
heed_err hd_map_slot(hd_map *map, const char *key, size_t len, uint64_t initial, uint64_t **value,
                     bool *added) HEED_CHECK;

// The same for integer keys. Entries stand in entries[0 .. count).
typedef struct hd_imap_entry {
    uint64_t key;
    uint64_t value;
} hd_imap_entry;

typedef struct hd_imap {
    hd_imap_entry *entries;
    size_t count;
    size_t cap;
    uint32_t *slots;
    size_t n_slots;
} hd_imap;

void hd_imap_init(hd_imap *map);
void hd_imap_clear(hd_imap *map);
bool hd_imap_get(const hd_imap *map, uint64_t key, uint64_t *value);
heed_err hd_imap_put(hd_imap *map, uint64_t key, uint64_t value) HEED_CHECK;
heed_err hd_imap_slot(hd_imap *map, uint64_t key, uint64_t initial, uint64_t **value,
                      bool *added) HEED_CHECK;

#endif
