// SPDX-License-Identifier: Apache-2.0
//
// Which tokens are known, and by which number. 0 stands for padding, 1 for every token that isn't
// known (or neither, for columns of a matrix: `first` 0). The order is by falling count, then by
// bytes: the same texts give the same numbers, in whatever order they come.
#ifndef HD_TEXT_VOCABULARY_H
#define HD_TEXT_VOCABULARY_H

#include "base/json.h"
#include "base/map.h"

enum { HD_ID_PAD = 0, HD_ID_UNKNOWN = 1, HD_ID_FIRST = 2 };

typedef struct hd_vocabulary {
    hd_map ids;     // token → number, in the order of numbers
    uint32_t first; // number of the first token
} hd_vocabulary;

typedef struct hd_vocabulary_opts {
    size_t most;       // tokens kept at most; 0: all
    uint64_t least;    // occurrences for a token to be kept
    uint64_t greatest; // more than that: not kept; 0: no bound
    uint32_t first;
    bool by_bytes; // numbers in the order of bytes, not of counts (what is kept is chosen by count)
} hd_vocabulary_opts;

void hd_vocabulary_init(hd_vocabulary *vocabulary);
void hd_vocabulary_clear(hd_vocabulary *vocabulary);
// tokens: those seen. By their places in tokens->entries, counts: occurrences; NULL: the map's
// values are. limit: what `least` and `greatest` are held against; NULL: the counts.
heed_err hd_vocabulary_fit(const hd_map *tokens, const uint64_t *counts, const uint64_t *limit,
                           const hd_vocabulary_opts *opts, hd_vocabulary *out) HEED_CHECK;
// The token's number, or `unknown`.
static inline uint32_t hd_vocabulary_id(const hd_vocabulary *v, hd_slice token, uint32_t unknown) {
    uint64_t id;
    return hd_map_get(&v->ids, token.p, token.n, &id) ? (uint32_t)id : unknown;
}
// Numbers in use, those before the first token included.
static inline size_t hd_vocabulary_size(const hd_vocabulary *v) {
    return v->first + v->ids.count;
}
// A number's token; "" for padding and unknown. Borrowed.
const char *hd_vocabulary_token(const hd_vocabulary *vocabulary, uint32_t id);

// An array of tokens in the order of their numbers. From JSON: HEED_CORRUPT when it isn't that, a
// token stands there twice, or there are more than 16 million. name: stands in messages.
heed_err hd_vocabulary_json(const hd_vocabulary *vocabulary, json_t **out) HEED_CHECK;
heed_err hd_vocabulary_from_json(const json_t *json, const char *name, uint32_t first,
                                 hd_vocabulary *out) HEED_CHECK;

#endif
