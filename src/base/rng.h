// SPDX-License-Identifier: Apache-2.0
//
// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random
// numbers: as easy as 1, 2, 3", SC 2011). A value depends only on (seed, stream, index), so that
// work can be split in any way and still draw the same numbers. Not for secrets: those come from
// libsodium.
#ifndef HD_BASE_RNG_H
#define HD_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

// One block of the generator: ten rounds over a counter under a key.
void hd_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

// The index-th 64-bit value of a stream.
uint64_t hd_rng_at(uint64_t seed, uint64_t stream, uint64_t index);

typedef struct hd_rng {
    uint64_t seed;
    uint64_t stream;
    uint64_t index; // of the next value
} hd_rng;

static inline hd_rng hd_rng_make(uint64_t seed, uint64_t stream) {
    return (hd_rng){seed, stream, 0};
}
uint64_t hd_rng_u64(hd_rng *rng);
double hd_rng_uniform(hd_rng *rng);                 // [0, 1), 53 bits
uint64_t hd_rng_below(hd_rng *rng, uint64_t bound); // [0, bound), unbiased; bound ≥ 1
double hd_rng_normal(hd_rng *rng);                  // mean 0, variance 1 (Box–Muller)
double hd_rng_exponential(hd_rng *rng);             // mean 1
// Fisher–Yates over n elements of `size` bytes.
void hd_rng_shuffle(hd_rng *rng, void *base, size_t n, size_t size);

#endif
