// SPDX-License-Identifier: Apache-2.0
//
// Facts of items. Merging two sorted lists of users to see who has both items is slow for the
// popular ones that lists are full of. An item that at least one user in 32 has therefore also gets
// a bit set over users, which is never larger than its list; the overlap is then a count of common
// bits, a look-up of the short list's users in the long one's bits, or (two rare items) a merge.
#include "measure/facts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

// The head of the popularity curve: the most popular items until they hold this share of events.
enum { HEAD_NUM = 4, HEAD_DEN = 5 };
enum { BITS_SHARE = 32 };

static heed_err facts_alloc(hd_item_facts *f, size_t n_entries) {
    f->start = hd_calloc(f->n_items + 1, sizeof *f->start);
    f->user = hd_alloc(n_entries * sizeof *f->user);
    f->events = hd_calloc(f->n_items, sizeof *f->events);
    f->tail = hd_calloc(f->n_items, sizeof *f->tail);
    f->first = hd_calloc(n_entries, sizeof *f->first);
    f->bits_at = hd_alloc(f->n_items * sizeof *f->bits_at);
    if (!f->start || !f->user || !f->events || !f->tail || !f->first || !f->bits_at)
        return HD_FAIL_MEMORY(n_entries * (sizeof *f->user + sizeof *f->first));
    return HEED_OK;
}

// Each item's users without repeats: columns list them in rising order.
static void fill_users(hd_item_facts *f, const hd_sparse *columns) {
    size_t n = 0;
    for (size_t i = 0; i < f->n_items; i++) {
        f->start[i] = n;
        f->events[i] = hd_sparse_row_len(columns, i);
        for (size_t e = columns->start[i]; e < columns->start[i + 1]; e++)
            if (n == f->start[i] || f->user[n - 1] != columns->col[e])
                f->user[n++] = columns->col[e];
    }
    f->start[f->n_items] = n;
}

static heed_err fill_first(hd_item_facts *f) {
    const hd_sparse *t = f->train;
    size_t *seen = hd_calloc(f->n_items, sizeof *seen); // row + 1 of the last that had the item
    if (!seen) return HD_FAIL_MEMORY(f->n_items * sizeof *seen);
    for (size_t u = 0; u < t->n_rows; u++) {
        f->n_users += hd_sparse_row_len(t, u) > 0;
        for (size_t e = t->start[u]; e < t->start[u + 1]; e++) {
            f->first[e] = seen[t->col[e]] != u + 1;
            seen[t->col[e]] = u + 1;
        }
    }
    hd_free(seen);
    return HEED_OK;
}

typedef struct popularity {
    size_t events;
    size_t item;
} popularity;

static int by_popularity(const void *a, const void *b) {
    const popularity *x = a, *y = b;
    if (x->events != y->events) return x->events > y->events ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item);
}

// Walks items by falling popularity; those met once the head is full are the tail.
static heed_err fill_tail(hd_item_facts *f) {
    popularity *order = hd_alloc(f->n_items * sizeof *order);
    if (!order) return HD_FAIL_MEMORY(f->n_items * sizeof *order);
    for (size_t i = 0; i < f->n_items; i++) order[i] = (popularity){f->events[i], i};
    qsort(order, f->n_items, sizeof *order, by_popularity);
    size_t held = 0;
    for (size_t i = 0; i < f->n_items; i++) {
        f->tail[order[i].item] = held * HEAD_DEN >= f->train->n * HEAD_NUM;
        held += order[i].events;
    }
    hd_free(order);
    return HEED_OK;
}

static heed_err fill_bits(hd_item_facts *f) {
    f->n_words = (f->train->n_rows + 63) / 64;
    size_t n = 0;
    for (size_t i = 0; i < f->n_items; i++) {
        size_t users = hd_item_users(f, (uint32_t)i);
        bool dense = users > 0 && users >= f->train->n_rows / BITS_SHARE;
        f->bits_at[i] = dense ? n++ * f->n_words : SIZE_MAX;
    }
    f->words = hd_calloc(n * f->n_words, sizeof *f->words);
    if (!f->words) return HD_FAIL_MEMORY(n * f->n_words * sizeof *f->words);
    for (size_t i = 0; i < f->n_items; i++) {
        if (f->bits_at[i] == SIZE_MAX) continue;
        uint64_t *bits = f->words + f->bits_at[i];
        for (size_t e = f->start[i]; e < f->start[i + 1]; e++)
            bits[f->user[e] / 64] |= UINT64_C(1) << (f->user[e] % 64);
    }
    return HEED_OK;
}

heed_err hd_item_facts_init(hd_item_facts *facts, const hd_sparse *train,
                            const hd_sparse *columns) {
    heed_err err = HEED_OK;
    memset(facts, 0, sizeof *facts);
    facts->train = train;
    facts->n_items = train->n_cols;
    HD_TRY_OUT(facts_alloc(facts, train->n));
    fill_users(facts, columns);
    HD_TRY_OUT(fill_first(facts));
    HD_TRY_OUT(fill_tail(facts));
    HD_TRY_OUT(fill_bits(facts));
    return HEED_OK;
out:
    hd_item_facts_clear(facts);
    return err;
}

void hd_item_facts_clear(hd_item_facts *facts) {
    hd_free(facts->start);
    hd_free(facts->user);
    hd_free(facts->events);
    hd_free(facts->tail);
    hd_free(facts->first);
    hd_free(facts->bits_at);
    hd_free(facts->words);
    memset(facts, 0, sizeof *facts);
}

// Bits set in a word (Hacker's Delight, 5-1): portable, and compilers vectorise the loop around it.
static inline uint64_t bit_count(uint64_t x) {
    x -= (x >> 1) & UINT64_C(0x5555555555555555);
    x = (x & UINT64_C(0x3333333333333333)) + ((x >> 2) & UINT64_C(0x3333333333333333));
    x = (x + (x >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (x * UINT64_C(0x0101010101010101)) >> 56;
}

static size_t both_bits(const uint64_t *a, const uint64_t *b, size_t n) {
    uint64_t count = 0;
    for (size_t w = 0; w < n; w++) count += bit_count(a[w] & b[w]);
    return (size_t)count;
}

static size_t both_list_bits(const uint32_t *user, size_t n, const uint64_t *bits) {
    size_t count = 0;
    for (size_t e = 0; e < n; e++) count += bits[user[e] / 64] >> (user[e] % 64) & 1;
    return count;
}

static size_t both_lists(const uint32_t *a, size_t n_a, const uint32_t *b, size_t n_b) {
    size_t count = 0;
    for (size_t i = 0, j = 0; i < n_a && j < n_b;) {
        count += a[i] == b[j];
        bool step_a = a[i] <= b[j], step_b = b[j] <= a[i];
        i += step_a;
        j += step_b;
    }
    return count;
}

size_t hd_item_both(const hd_item_facts *f, uint32_t a, uint32_t b) {
    if (hd_item_users(f, a) > hd_item_users(f, b)) { // a: the rarer one
        uint32_t swap = a;
        a = b;
        b = swap;
    }
    const uint32_t *user = f->user + f->start[a];
    size_t n = hd_item_users(f, a);
    if (f->bits_at[b] == SIZE_MAX)
        return both_lists(user, n, f->user + f->start[b], hd_item_users(f, b));
    const uint64_t *bits = f->words + f->bits_at[b];
    // A look-up costs about as much as counting two words.
    if (f->bits_at[a] == SIZE_MAX || n < f->n_words / 2) return both_list_bits(user, n, bits);
    return both_bits(f->words + f->bits_at[a], bits, f->n_words);
}

double hd_item_cosine_of(const hd_item_facts *f, uint32_t a, uint32_t b, size_t both) {
    if (both == 0) return 0;
    return (double)both / sqrt((double)hd_item_users(f, a) * (double)hd_item_users(f, b));
}
