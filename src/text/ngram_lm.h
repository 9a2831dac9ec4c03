// SPDX-License-Identifier: Apache-2.0
//
// A language model that counts: how likely each id is behind the ones before it, from n-grams. What
// a trained network must beat. Order 2 is a Markov chain.
//
// Interpolated Kneser–Ney (Chen, Goodman, "An empirical study of smoothing techniques for language
// modeling", 1998, with one discount per order by their n1 / (n1 + 2·n2)):
//
//     p_k(w | h) = max(c(h w) − D_k, 0) / c(h) + D_k · N(h) / c(h) · p_{k−1}(w | h without its
//     first) p_0(w) = 1 / V
//
// c counts occurrences at the highest order, and different predecessors below it; N(h) how many
// different ids follow h.
#ifndef HD_TEXT_NGRAM_LM_H
#define HD_TEXT_NGRAM_LM_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/rng.h"

enum { HD_NGRAM_ORDER = 12 };

typedef struct hd_ngram_lm hd_ngram_lm;

// ids: (n), each in 0 … size − 1. order: ids that are looked at, the predicted one included.
heed_err hd_ngram_lm_fit(const int32_t *ids, size_t n, size_t size, size_t order,
                         hd_ngram_lm **out) HEED_CHECK;
void hd_ngram_lm_free(hd_ngram_lm *lm); // NULL is fine
// Of `next` behind the `n` ids before it (their last order − 1 count).
double hd_ngram_lm_probability(const hd_ngram_lm *lm, const int32_t *before, size_t n,
                               int32_t next);
// Mean of −ln p over ids[from … n): nats an id.
double hd_ngram_lm_loss(const hd_ngram_lm *lm, const int32_t *ids, size_t from, size_t n);
// Draws what comes next. probabilities: (size), for the caller's use.
int32_t hd_ngram_lm_sample(const hd_ngram_lm *lm, const int32_t *before, size_t n, hd_rng *rng,
                           double *probabilities);
size_t hd_ngram_lm_count(const hd_ngram_lm *lm); // n-grams of all orders
size_t hd_ngram_lm_bytes(const hd_ngram_lm *lm); // of memory

#endif
