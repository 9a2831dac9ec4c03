// SPDX-License-Identifier: Apache-2.0
//
// Whether an id may have been met before, in bounded memory: "no" is certain, "yes" is likely.
#ifndef HD_PRIVACY_SEEN_H
#define HD_PRIVACY_SEEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

typedef struct hd_seen {
    uint64_t *blocks; // (HD_SEEN_BLOCKS, 8), made at the first addition
    unsigned char key[16];
} hd_seen;

enum { HD_SEEN_BLOCKS = 1 << 18, HD_SEEN_PROBES = 6 }; // 16 MB

void hd_seen_init(hd_seen *seen);
void hd_seen_clear(hd_seen *seen); // empty again, its memory given back
// Adds an id. *maybe: it may have been added before.
heed_err hd_seen_add(hd_seen *seen, hd_slice id, bool *maybe) HEED_CHECK;

#endif
