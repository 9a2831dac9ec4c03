// SPDX-License-Identifier: Apache-2.0
//
// N-grams stand in tables by a 64-bit hash of their ids. The hash is ours and the same in every
// process, so that results are; that two n-grams of a text share one is as likely as 10¹² / 2⁶⁵.
// Tries and suffix arrays hold the n-grams themselves, in more memory and code, and answer no
// faster.
//
// Counts of lower orders fall out of one walk: an n-gram met for the first time is one more
// different predecessor of what is left without its first id, which may in turn be new, and so on
// down.
#include "text/ngram_lm.h"

#include <math.h>

#include "base/map.h"
#include "base/mem.h"

typedef struct ngram_order {
    hd_imap grams;    // hash of the n-gram → c
    hd_imap contexts; // hash of all but its last id → c(h) · 2³² + N(h)
    double discount;
} ngram_order;

struct hd_ngram_lm {
    size_t size, order;
    ngram_order orders[HD_NGRAM_ORDER + 1]; // [1 … order]
};

// Finishing steps of MurmurHash3's 64-bit form: every bit of either changes every bit.
static uint64_t mix(uint64_t h, uint64_t value) {
    h ^= value + UINT64_C(0x9E3779B97F4A7C15);
    h = (h ^ h >> 33) * UINT64_C(0xFF51AFD7ED558CCD);
    h = (h ^ h >> 33) * UINT64_C(0xC4CEB9FE1A85EC53);
    return h ^ h >> 33;
}

static uint64_t hash_of(const int32_t *ids, size_t n) {
    uint64_t h = n;
    for (size_t i = 0; i < n; i++) h = mix(h, (uint32_t)ids[i]);
    return h;
}

// ── Fitting ──

// Counts the n-gram of k ids that ends at ids + k; *added: it is new.
static heed_err count_gram(ngram_order *o, const int32_t *ids, size_t k, bool *added) {
    uint64_t *slot;
    HD_TRY(hd_imap_slot(&o->grams, hash_of(ids, k), 0, &slot, added));
    ++*slot;
    HD_TRY(hd_imap_slot(&o->contexts, hash_of(ids, k - 1), 0, &slot, NULL));
    *slot += (UINT64_C(1) << 32) + (*added ? 1 : 0);
    return HEED_OK;
}

// At the text's beginning there are shorter n-grams only: they count as if they had a predecessor.
static heed_err count_at(hd_ngram_lm *lm, const int32_t *ids, size_t at) {
    size_t most = at + 1 < lm->order ? at + 1 : lm->order;
    bool added = true;
    for (size_t k = most; added && k > 0; k--) {
        HD_TRY(count_gram(&lm->orders[k], ids + at + 1 - k, k, &added));
    }
    return HEED_OK;
}

static double discount_of(const ngram_order *o) {
    size_t once = 0, twice = 0;
    for (size_t i = 0; i < o->grams.count; i++) {
        once += o->grams.entries[i].value == 1;
        twice += o->grams.entries[i].value == 2;
    }
    return once == 0 ? 0.5 : (double)once / ((double)once + 2 * (double)twice);
}

heed_err hd_ngram_lm_fit(const int32_t *ids, size_t n, size_t size, size_t order,
                         hd_ngram_lm **out) {
    *out = NULL;
    hd_ngram_lm *lm = hd_calloc(1, sizeof *lm);
    if (!lm) return HD_FAIL_MEMORY(sizeof *lm);
    lm->size = size > 0 ? size : 1;
    lm->order = order < 1 ? 1 : order > HD_NGRAM_ORDER ? HD_NGRAM_ORDER : order;
    for (size_t k = 0; k <= HD_NGRAM_ORDER; k++) {
        hd_imap_init(&lm->orders[k].grams);
        hd_imap_init(&lm->orders[k].contexts);
    }
    heed_err err = HEED_OK;
    for (size_t at = 0; err == HEED_OK && at < n; at++) err = count_at(lm, ids, at);
    if (err != HEED_OK) {
        hd_ngram_lm_free(lm);
        return err;
    }
    for (size_t k = 1; k <= lm->order; k++) lm->orders[k].discount = discount_of(&lm->orders[k]);
    *out = lm;
    return HEED_OK;
}

void hd_ngram_lm_free(hd_ngram_lm *lm) {
    for (size_t k = 0; lm && k <= HD_NGRAM_ORDER; k++) {
        hd_imap_clear(&lm->orders[k].grams);
        hd_imap_clear(&lm->orders[k].contexts);
    }
    hd_free(lm);
}

// ── Asking ──

// Backing off from the uniform distribution upwards: each order takes the one below as its rest.
double hd_ngram_lm_probability(const hd_ngram_lm *lm, const int32_t *before, size_t n,
                               int32_t next) {
    size_t most = n + 1 < lm->order ? n + 1 : lm->order;
    double p = 1 / (double)lm->size;
    for (size_t k = 1; k <= most; k++) {
        const ngram_order *o = &lm->orders[k];
        uint64_t context = hash_of(before + n - (k - 1), k - 1), sums, count = 0;
        if (!hd_imap_get(&o->contexts, context, &sums)) break; // nor any longer one
        int32_t gram[HD_NGRAM_ORDER];
        for (size_t i = 0; i + 1 < k; i++) gram[i] = before[n - (k - 1) + i];
        gram[k - 1] = next;
        if (!hd_imap_get(&o->grams, hash_of(gram, k), &count)) count = 0;
        double total = (double)(sums >> 32), different = (double)(sums & UINT32_MAX);
        double kept = (double)count > o->discount ? (double)count - o->discount : 0;
        p = (kept + o->discount * different * p) / total;
    }
    return p;
}

double hd_ngram_lm_loss(const hd_ngram_lm *lm, const int32_t *ids, size_t from, size_t n) {
    double sum = 0;
    for (size_t i = from; i < n; i++) {
        size_t before = i < HD_NGRAM_ORDER ? i : HD_NGRAM_ORDER;
        sum -= log(hd_ngram_lm_probability(lm, ids + i - before, before, ids[i]));
    }
    return n > from ? sum / (double)(n - from) : 0;
}

int32_t hd_ngram_lm_sample(const hd_ngram_lm *lm, const int32_t *before, size_t n, hd_rng *rng,
                           double *probabilities) {
    double sum = 0, at;
    for (size_t i = 0; i < lm->size; i++) {
        probabilities[i] = hd_ngram_lm_probability(lm, before, n, (int32_t)i);
        sum += probabilities[i];
    }
    at = hd_rng_uniform(rng) * sum;
    size_t i = 0;
    while (i + 1 < lm->size && at >= probabilities[i]) at -= probabilities[i++];
    return (int32_t)i;
}

size_t hd_ngram_lm_count(const hd_ngram_lm *lm) {
    size_t n = 0;
    for (size_t k = 1; k <= lm->order; k++) n += lm->orders[k].grams.count;
    return n;
}

static size_t imap_bytes(const hd_imap *map) {
    return map->cap * sizeof *map->entries + map->n_slots * sizeof *map->slots;
}

size_t hd_ngram_lm_bytes(const hd_ngram_lm *lm) {
    size_t n = sizeof *lm;
    for (size_t k = 1; k <= lm->order; k++) {
        n += imap_bytes(&lm->orders[k].grams) + imap_bytes(&lm->orders[k].contexts);
    }
    return n;
}
