// SPDX-License-Identifier: Apache-2.0
//
// The protocols and what follows from them. A protocol only sorts events into parts; one function
// for all turns parts into cases, so that no protocol can hold out what a user already has, hold
// out an item twice, or hash its split in its own way.
//
// About repeats (the same item bought again): removing them beforehand would change what methods
// learn from, and ranking only unseen items makes a repeated one unfindable. So loo holds out the
// last event by which a user met an item for the first time, and leaves repeats in training.
#include "recommend/protocols.h"

#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

// The place of the last event by which the row met a new item, and how many different ones it met.
// seen: (n_cols), row + 1 of the last row that met the item.
static size_t last_discovery(const hd_sparse *events, size_t row, size_t *seen, size_t *distinct) {
    size_t last = events->start[row];
    *distinct = 0;
    for (size_t e = events->start[row]; e < events->start[row + 1]; e++) {
        if (seen[events->col[e]] == row + 1) continue;
        seen[events->col[e]] = row + 1;
        last = e;
        ++*distinct;
    }
    return last;
}

static heed_err assign_loo(const hd_sparse *events, uint64_t seed, uint8_t *part) {
    (void)seed;
    size_t *seen = hd_calloc(events->n_cols, sizeof *seen);
    if (!seen) return HD_FAIL_MEMORY(events->n_cols * sizeof *seen);
    for (size_t u = 0; u < events->n_rows; u++) {
        size_t distinct, last = last_discovery(events, u, seen, &distinct);
        if (distinct < 2) continue;
        part[last] = HD_SPLIT_HELD;
        for (size_t e = last + 1; e < events->start[u + 1]; e++) part[e] = HD_SPLIT_NEITHER;
    }
    hd_free(seen);
    return HEED_OK;
}

static int by_time(const void *a, const void *b) {
    hd_time x = *(const hd_time *)a, y = *(const hd_time *)b;
    return (x > y) - (x < y);
}

// The 80% quantile of event times: times[⌊0.8 n⌋] of the n known ones in rising order.
static heed_err time_cut(const hd_sparse *events, hd_time *cut) {
    hd_time *times = hd_alloc(events->n * sizeof *times);
    if (!times) return HD_FAIL_MEMORY(events->n * sizeof *times);
    size_t n = 0;
    for (size_t e = 0; e < events->n; e++)
        if (events->time[e] != HD_TIME_NONE) times[n++] = events->time[e];
    qsort(times, n, sizeof *times, by_time);
    *cut = n ? times[n / 5 * 4 + n % 5 * 4 / 5] : HD_TIME_NONE;
    hd_free(times);
    return HEED_OK;
}

static heed_err assign_time(const hd_sparse *events, uint64_t seed, uint8_t *part) {
    (void)seed;
    hd_time cut = HD_TIME_NONE;
    HD_TRY(time_cut(events, &cut));
    for (size_t e = 0; e < events->n; e++)
        if (events->time[e] != HD_TIME_NONE && events->time[e] >= cut) part[e] = HD_SPLIT_HELD;
    return HEED_OK;
}

// Scratch over items for one row at a time.
typedef struct random_scratch {
    size_t *seen;   // (n_cols) row + 1 of the last row that met the item
    size_t *held;   // (n_cols) row + 1 of the last row that has it held out
    uint32_t *item; // (n_cols) the row's different items
} random_scratch;

static void assign_random_row(const hd_sparse *events, size_t row, uint64_t seed,
                              const random_scratch *s, uint8_t *part) {
    size_t n = 0, begin = events->start[row], end = events->start[row + 1];
    for (size_t e = begin; e < end; e++) {
        if (s->seen[events->col[e]] == row + 1) continue;
        s->seen[events->col[e]] = row + 1;
        s->item[n++] = events->col[e];
    }
    hd_rng rng = hd_rng_make(seed, row);
    hd_rng_shuffle(&rng, s->item, n, sizeof *s->item);
    for (size_t i = (size_t)rint(.75 * (double)n); i < n; i++) s->held[s->item[i]] = row + 1;
    for (size_t e = begin; e < end; e++)
        if (s->held[events->col[e]] == row + 1) part[e] = HD_SPLIT_HELD;
}

static heed_err assign_random(const hd_sparse *events, uint64_t seed, uint8_t *part) {
    heed_err err = HEED_OK;
    size_t n = events->n_cols;
    random_scratch s = {hd_calloc(n, sizeof *s.seen), hd_calloc(n, sizeof *s.held),
                        hd_calloc(n, sizeof *s.item)};
    if (!s.seen || !s.held || !s.item) {
        err = HD_FAIL_MEMORY(n * (sizeof *s.seen + sizeof *s.held + sizeof *s.item));
        goto out;
    }
    for (size_t u = 0; u < events->n_rows; u++) assign_random_row(events, u, seed, &s, part);
out:
    hd_free(s.seen);
    hd_free(s.held);
    hd_free(s.item);
    return err;
}

static const hd_protocol protocol_loo = {
    .name = "loo",
    .version = 1,
    .doc =
        HD_TEXT("leave last out: of each user the last newly met item is held out, all before "
                "it is training; ties in time go by input order",
                "留一法：留出每个用户最后一个首次接触的商品，其之前的事件用于训练；时间相同按输入"
                "顺序"),
    .assign = assign_loo,
};

static const hd_protocol protocol_time = {
    .name = "time",
    .version = 1,
    .doc = HD_TEXT("one instant for all: events before the 80% quantile of times are training, "
                   "items first met from then on are held out",
                   "全局时间切分：80% 分位时刻之前的事件用于训练，其后首次接触的商品留出"),
    .needs_time = true,
    .assign = assign_time,
};

static const hd_protocol protocol_random = {
    .name = "random",
    .version = 1,
    .doc = HD_TEXT("stratified: a seeded quarter of each user's items is held out, whatever their "
                   "time",
                   "分层随机：按种子留出每个用户四分之一的商品，不考虑时间"),
    .assign = assign_random,
};

const hd_protocol *const hd_protocols[] = {&protocol_loo, &protocol_time, &protocol_random, NULL};

const hd_protocol *hd_protocol_find(const char *name) {
    for (size_t i = 0; hd_protocols[i]; i++)
        if (strcmp(hd_protocols[i]->name, name) == 0) return hd_protocols[i];
    return NULL;
}

static int by_item(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

// Appends the row's held-out items to out->relevant from `n` on and returns the new end. met: as
// `seen` above; a row without training events gets nothing.
static size_t held_items(const hd_sparse *events, const uint8_t *part, size_t row, size_t *met,
                         hd_split *out, size_t n) {
    size_t begin = events->start[row], end = events->start[row + 1], first = n;
    bool trained = false;
    for (size_t e = begin; e < end; e++) {
        if (part[e] != HD_SPLIT_TRAIN) continue;
        met[events->col[e]] = row + 1;
        trained = true;
    }
    for (size_t e = begin; trained && e < end; e++) {
        if (part[e] != HD_SPLIT_HELD || met[events->col[e]] == row + 1) continue;
        met[events->col[e]] = row + 1;
        out->relevant[n++] = events->col[e];
    }
    qsort(out->relevant + first, n - first, sizeof *out->relevant, by_item);
    return n;
}

static heed_err make_cases(const hd_sparse *events, const uint8_t *part, hd_split *out) {
    size_t n_held = 0;
    for (size_t e = 0; e < events->n; e++) n_held += part[e] == HD_SPLIT_HELD;
    size_t *met = hd_calloc(events->n_cols, sizeof *met);
    out->row = hd_alloc(events->n_rows * sizeof *out->row);
    out->relevant_start = hd_calloc(events->n_rows + 1, sizeof *out->relevant_start);
    out->relevant = hd_alloc(n_held * sizeof *out->relevant);
    if (!met || !out->row || !out->relevant_start || !out->relevant) {
        hd_free(met);
        return HD_FAIL_MEMORY(n_held * sizeof *out->relevant);
    }
    for (size_t u = 0; u < events->n_rows; u++) {
        size_t begin = out->relevant_start[out->n_cases];
        size_t end = held_items(events, part, u, met, out, begin);
        if (end == begin) continue;
        out->row[out->n_cases++] = (uint32_t)u;
        out->relevant_start[out->n_cases] = end;
    }
    hd_free(met);
    return HEED_OK;
}

static void hash_u32(crypto_generichash_state *state, size_t value) {
    unsigned char bytes[4];
    for (int i = 0; i < 4; i++) bytes[i] = (unsigned char)(value >> (8 * i));
    crypto_generichash_update(state, bytes, sizeof bytes);
}

// BLAKE2b-256 over 32-bit little-endian numbers: for each case its row, how many items are held
// out, and these.
static void hash_cases(hd_split *split) {
    unsigned char hash[32];
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, sizeof hash);
    for (size_t c = 0; c < split->n_cases; c++) {
        size_t begin = split->relevant_start[c], end = split->relevant_start[c + 1];
        hash_u32(&state, split->row[c]);
        hash_u32(&state, end - begin);
        for (size_t i = begin; i < end; i++) hash_u32(&state, split->relevant[i]);
    }
    crypto_generichash_final(&state, hash, sizeof hash);
    sodium_bin2hex(split->hash, sizeof split->hash, hash, sizeof hash);
}

static heed_err keep_train(const hd_sparse *events, const uint8_t *part, hd_sparse *out) {
    bool *keep = hd_alloc(events->n * sizeof *keep);
    if (!keep) return HD_FAIL_MEMORY(events->n * sizeof *keep);
    for (size_t e = 0; e < events->n; e++) keep[e] = part[e] == HD_SPLIT_TRAIN;
    heed_err err = hd_sparse_filter(events, keep, out);
    hd_free(keep);
    return err;
}

heed_err hd_split_make(const hd_sparse *events, const hd_protocol *protocol, uint64_t seed,
                       hd_split *out) {
    heed_err err = HEED_OK;
    memset(out, 0, sizeof *out);
    if (protocol->needs_time && !events->time)
        return HD_FAIL(HEED_UNAVAILABLE,
                       "protocol '%s' needs the times of events and this data has none; use 'loo' "
                       "or 'random'",
                       "评估协议“%s”需要事件时间，而数据中没有时间；请改用“loo”或“random”",
                       protocol->name);
    uint8_t *part = hd_calloc(events->n, sizeof *part); // HD_SPLIT_TRAIN is 0
    if (!part) return HD_FAIL_MEMORY(events->n);
    HD_TRY_OUT(protocol->assign(events, seed, part));
    HD_TRY_OUT(make_cases(events, part, out));
    HD_TRY_OUT(keep_train(events, part, &out->train));
    hash_cases(out);
out:
    hd_free(part);
    if (err != HEED_OK) hd_split_clear(out);
    return err;
}

void hd_split_clear(hd_split *split) {
    hd_sparse_clear(&split->train);
    hd_free(split->row);
    hd_free(split->relevant_start);
    hd_free(split->relevant);
    memset(split, 0, sizeof *split);
}
