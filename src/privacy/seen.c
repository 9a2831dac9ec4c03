// SPDX-License-Identifier: Apache-2.0
//
// A Bloom filter in blocks of one cache line (Putze, Sanders, Singler, "Cache-, hash- and
// space-efficient Bloom filters", 2007): 64 bits of hash choose a block of 512 bits, six groups of
// 9 bits choose bits in it. With 10^7 ids in 16 MB (13 bits each) about 1 in 200 new ids is taken
// for a known one; with 10^8 most are, and the caller's slow path does the work: never wrong, only
// slower.
//
// SipHash with a random key: input can't be made to fill one block.
#include "privacy/seen.h"

#include <sodium.h>
#include <string.h>

#include "base/mem.h"

enum { BLOCK_WORDS = 8 };

void hd_seen_init(hd_seen *seen) {
    *seen = (hd_seen){0};
    randombytes_buf(seen->key, sizeof seen->key);
}

void hd_seen_clear(hd_seen *seen) {
    hd_free(seen->blocks);
    seen->blocks = NULL;
}

heed_err hd_seen_add(hd_seen *seen, hd_slice id, bool *maybe) {
    if (!seen->blocks) {
        seen->blocks = hd_calloc(HD_SEEN_BLOCKS, BLOCK_WORDS * sizeof *seen->blocks);
        if (!seen->blocks) {
            return HD_FAIL_MEMORY(HD_SEEN_BLOCKS * BLOCK_WORDS * sizeof *seen->blocks);
        }
    }
    uint64_t hash[2];
    unsigned char out[crypto_shorthash_siphashx24_BYTES];
    crypto_shorthash_siphashx24(out, (const unsigned char *)id.p, id.n, seen->key);
    memcpy(hash, out, sizeof hash);
    uint64_t *block = seen->blocks + hash[0] % HD_SEEN_BLOCKS * BLOCK_WORDS;
    *maybe = true;
    for (int i = 0; i < HD_SEEN_PROBES; i++) {
        unsigned bit = (unsigned)(hash[1] >> (9 * i)) & 511;
        uint64_t mask = UINT64_C(1) << (bit & 63);
        if (!(block[bit >> 6] & mask)) *maybe = false;
        block[bit >> 6] |= mask;
    }
    return HEED_OK;
}
