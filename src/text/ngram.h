// SPDX-License-Identifier: Apache-2.0
//
// N-grams of tokens, and a hash for those that no vocabulary keeps.
#ifndef HD_TEXT_NGRAM_H
#define HD_TEXT_NGRAM_H

#include "text/tokenizer.h"

// Calls token() for every run of low … high neighbouring tokens, shorter runs first, joined by
// `joint`. The text of a run is borrowed until the next call. start and n: the run's first token
// and how many they are.
heed_err hd_ngrams(hd_pieces *pieces, size_t low, size_t high, const char *joint, hd_token_fn token,
                   void *ctx) HEED_CHECK;

// The same for runs of characters within each token, a space at both its ends ("char_wb" of
// scikit-learn): parts of words, so that a misspelt or inflected one is still half known. start: of
// the token.
heed_err hd_ngrams_inside(hd_pieces *pieces, size_t low, size_t high, hd_token_fn token,
                          void *ctx) HEED_CHECK;

// MurmurHash3 (x86, 32 bits; Appleby, public domain): what scikit-learn's HashingVectorizer takes.
// Not for tables that an attacker may fill: base/map.h hashes those.
uint32_t hd_murmur3(const void *data, size_t n, uint32_t seed);

#endif
