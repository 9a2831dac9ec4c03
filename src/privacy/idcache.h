// SPDX-License-Identifier: Apache-2.0
//
// A bounded memory of which id stands under which key, so that an import of millions of rows asks
// the database rarely. Ids themselves are not kept, only keyed hashes of them.
#ifndef HD_PRIVACY_IDCACHE_H
#define HD_PRIVACY_IDCACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

typedef struct hd_idcache_set hd_idcache_set;
typedef struct hd_idcache {
    hd_idcache_set *sets; // (HD_IDCACHE_SETS), made at the first put
    unsigned char key[16];
} hd_idcache;

enum { HD_IDCACHE_SETS = 1 << 18, HD_IDCACHE_WAYS = 4 }; // 16 MB, a million ids

void hd_idcache_init(hd_idcache *cache);
void hd_idcache_clear(hd_idcache *cache);
// Forgets all, at once.
void hd_idcache_forget(hd_idcache *cache);
bool hd_idcache_get(hd_idcache *cache, hd_slice id, int64_t *key);
// Remembers the key; 0 forgets the id.
heed_err hd_idcache_put(hd_idcache *cache, hd_slice id, int64_t key) HEED_CHECK;

#endif
