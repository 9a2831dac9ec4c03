// SPDX-License-Identifier: Apache-2.0
//
// Runs are joined into one buffer that is used again, not kept: those who count put what they need
// into a map of their own.
#include "text/ngram.h"

#include "base/mem.h"

static heed_err join(hd_pieces *pieces, size_t first, size_t count, const char *joint) {
    hd_str_reset(&pieces->joined);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) hd_str_add(&pieces->joined, joint);
        hd_str_addn(&pieces->joined, pieces->at[first + i].p, pieces->at[first + i].n);
    }
    return hd_str_check(&pieces->joined);
}

heed_err hd_ngrams(hd_pieces *pieces, size_t low, size_t high, const char *joint, hd_token_fn token,
                   void *ctx) {
    for (size_t k = low > 0 ? low : 1; k <= high && k <= pieces->n; k++) {
        for (size_t i = 0; i + k <= pieces->n; i++) {
            if (k == 1) {
                HD_TRY(token(ctx, pieces->at[i], i, 1));
                continue;
            }
            HD_TRY(join(pieces, i, k, joint));
            HD_TRY(token(ctx, (hd_slice){hd_str_get(&pieces->joined), pieces->joined.len}, i, k));
        }
    }
    return HEED_OK;
}

// The runs of k characters in one padded token. A token shorter than that is one run, once: of the
// first length that is too long for it.
static heed_err inside_runs(hd_slice padded, size_t k, size_t at, hd_token_fn token, void *ctx,
                            bool *whole) {
    size_t end = 0, len;
    uint32_t c;
    for (size_t i = 0; i < k && end < padded.n; i++)
        end += hd_utf8_next(padded.p + end, padded.n - end, &c);
    *whole = end == padded.n;
    for (size_t from = 0;;) {
        HD_TRY(token(ctx, (hd_slice){padded.p + from, end - from}, at, k));
        if (end == padded.n) return HEED_OK;
        from += hd_utf8_next(padded.p + from, padded.n - from, &c);
        len = hd_utf8_next(padded.p + end, padded.n - end, &c);
        end += len;
    }
}

heed_err hd_ngrams_inside(hd_pieces *pieces, size_t low, size_t high, hd_token_fn token,
                          void *ctx) {
    for (size_t i = 0; i < pieces->n; i++) {
        hd_str_reset(&pieces->joined);
        hd_str_addc(&pieces->joined, ' ');
        hd_str_addn(&pieces->joined, pieces->at[i].p, pieces->at[i].n);
        hd_str_addc(&pieces->joined, ' ');
        HD_TRY(hd_str_check(&pieces->joined));
        hd_slice padded = {hd_str_get(&pieces->joined), pieces->joined.len};
        bool whole = false;
        for (size_t k = low > 0 ? low : 1; k <= high && !whole; k++) {
            HD_TRY(inside_runs(padded, k, i, token, ctx, &whole));
        }
    }
    return HEED_OK;
}

static uint32_t rotl(uint32_t x, int r) {
    return x << r | x >> (32 - r);
}

static uint32_t scramble(uint32_t k) {
    return rotl(k * 0xCC9E2D51u, 15) * 0x1B873593u;
}

uint32_t hd_murmur3(const void *data, size_t n, uint32_t seed) {
    const unsigned char *p = data;
    uint32_t h = seed, tail = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        uint32_t k = (uint32_t)p[i] | (uint32_t)p[i + 1] << 8 | (uint32_t)p[i + 2] << 16 |
                     (uint32_t)p[i + 3] << 24;
        h = rotl(h ^ scramble(k), 13) * 5 + 0xE6546B64u;
    }
    for (size_t j = n; j > i; j--) tail = tail << 8 | p[j - 1];
    if (n > i) h ^= scramble(tail);
    h ^= (uint32_t)n;
    h = (h ^ h >> 16) * 0x85EBCA6Bu;
    h = (h ^ h >> 13) * 0xC2B2AE35u;
    return h ^ h >> 16;
}
