// SPDX-License-Identifier: Apache-2.0
//
// Philox4x32-10. The seed is the key; the counter is (block, stream), 64 bits each, and a block
// gives two 64-bit values. Rejected: a generator with state (xoshiro and kin), whose draws depend
// on who drew before.
//
// Bounded integers: Lemire, "Fast random integer generation in an interval", ACM TOMACS 29 (2019).
#include "base/rng.h"

#include <math.h>
#include <string.h>

enum { ROUNDS = 10 };

void hd_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t a = (uint64_t)UINT32_C(0xD2511F53) * c0;
        uint64_t b = (uint64_t)UINT32_C(0xCD9E8D57) * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)a;
        k0 += UINT32_C(0x9E3779B9); // golden ratio
        k1 += UINT32_C(0xBB67AE85); // √3 − 1
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

uint64_t hd_rng_at(uint64_t seed, uint64_t stream, uint64_t index) {
    uint64_t block = index / 2;
    const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)stream,
                                 (uint32_t)(stream >> 32)};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t out[4];
    hd_philox(counter, key, out);
    const uint32_t *half = out + index % 2 * 2;
    return half[0] | (uint64_t)half[1] << 32;
}

uint64_t hd_rng_u64(hd_rng *rng) {
    return hd_rng_at(rng->seed, rng->stream, rng->index++);
}

double hd_rng_uniform(hd_rng *rng) {
    return (double)(hd_rng_u64(rng) >> 11) * 0x1p-53;
}

uint64_t hd_rng_below(hd_rng *rng, uint64_t bound) {
    __extension__ typedef unsigned __int128 u128;
    u128 product = (u128)hd_rng_u64(rng) * bound;
    if ((uint64_t)product < bound) {
        uint64_t threshold = (0 - bound) % bound; // 2^64 mod bound
        while ((uint64_t)product < threshold) product = (u128)hd_rng_u64(rng) * bound;
    }
    return (uint64_t)(product >> 64);
}

double hd_rng_normal(hd_rng *rng) {
    const double two_pi = 6.283185307179586476925286766559;
    double radius = sqrt(2.0 * hd_rng_exponential(rng));
    return radius * cos(two_pi * hd_rng_uniform(rng));
}

double hd_rng_exponential(hd_rng *rng) {
    return -log(1.0 - hd_rng_uniform(rng));
}

static void swap(unsigned char *a, unsigned char *b, size_t size) {
    unsigned char aside[64];
    while (size > 0) {
        size_t n = size < sizeof aside ? size : sizeof aside;
        memcpy(aside, a, n);
        memcpy(a, b, n);
        memcpy(b, aside, n);
        a += n;
        b += n;
        size -= n;
    }
}

void hd_rng_shuffle(hd_rng *rng, void *base, size_t n, size_t size) {
    unsigned char *bytes = base;
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)hd_rng_below(rng, i);
        if (j != i - 1) swap(bytes + j * size, bytes + (i - 1) * size, size);
    }
}
