// SPDX-License-Identifier: Apache-2.0
//
// What the models see: a scan of all persons, poured into sparse rows. A row is a person with at
// least one entry; rows are in key order, and a row's entries arrive in the order that hd_sparse
// wants (time, then input), so nothing is sorted and an event costs the 24 bytes of its entry.
//
// The arrays are sized by a count made first: a walk over the same index, cheaper than growing, and
// pages that signals leave out are never touched.
//
// The hash is over dense indexes, not keys: the same data imported in the same order has the same
// hash in any workspace.
#include <math.h>
#include <sodium.h>

#include "base/mem.h"
#include "privacy/own.h"

typedef struct build {
    hd_snapshot *out;
    hd_signals signals;
    hd_imap columns; // item key -> column
    size_t cap;      // of the entries
    size_t cap_keys, cap_starts;
    bool timed; // some entry has a time
} build;

static heed_err map_items(const int64_t *item_keys, size_t n, hd_imap *columns) {
    for (size_t i = 0; i < n; i++) {
        HD_TRY(hd_imap_put(columns, (uint64_t)item_keys[i], (uint64_t)i));
    }
    return HEED_OK;
}

static heed_err count_entries(hd_door *door, size_t *n) {
    hd_query *q;
    bool row;
    HD_TRY(
        hd_query_open(door->store,
                      "SELECT (SELECT count(item_key) FROM events WHERE user_key IS NOT NULL)"
                      " + (SELECT count(item_key) FROM events_recent WHERE user_key IS NOT NULL)",
                      &q));
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK) *n = (size_t)hd_query_i64(q, 0);
    hd_query_close(q);
    return err;
}

static heed_err make_arrays(build *b, size_t cap) {
    hd_sparse *s = &b->out->events;
    size_t n = cap ? cap : 1;
    b->cap = cap;
    s->col = hd_calloc(n, sizeof *s->col);
    s->weight = hd_calloc(n, sizeof *s->weight);
    s->time = hd_calloc(n, sizeof *s->time);
    s->source = hd_calloc(n, sizeof *s->source);
    if (!s->col || !s->weight || !s->time || !s->source) return HD_FAIL_MEMORY(n * 24);
    HD_TRY(hd_grow(&s->start, &b->cap_starts, 1, sizeof *s->start));
    s->start[0] = 0;
    return HEED_OK;
}

// Gives back what events without a signal would have needed. Keeping it is no failure.
static void *shrink(void *array, size_t n, size_t size) {
    void *smaller = hd_realloc_array(array, n ? n : 1, size);
    return smaller ? smaller : array;
}

static void trim_arrays(build *b) {
    hd_sparse *s = &b->out->events;
    if (!b->timed) {
        hd_free(s->time);
        s->time = NULL;
    }
    if (s->n == b->cap) return;
    s->col = shrink(s->col, s->n, sizeof *s->col);
    s->weight = shrink(s->weight, s->n, sizeof *s->weight);
    s->source = shrink(s->source, s->n, sizeof *s->source);
    if (s->time) s->time = shrink(s->time, s->n, sizeof *s->time);
}

// Adds the event as an entry of the row at hand, if it is one.
static void add_entry(build *b, const hd_door_event *event) {
    hd_sparse *s = &b->out->events;
    uint64_t col;
    if (event->item_key == 0 || s->n == b->cap) return;
    float weight = (float)b->signals.weight(b->signals.ctx, event->type, event->value);
    if (!(weight > 0) || !isfinite(weight)) return;
    if (!hd_imap_get(&b->columns, (uint64_t)event->item_key, &col)) return;
    s->col[s->n] = (uint32_t)col;
    s->weight[s->n] = weight;
    s->time[s->n] = event->time;
    s->source[s->n] = event->key;
    b->timed |= event->time != HD_TIME_NONE;
    s->n++;
}

static heed_err add_person(void *ctx, int64_t user_key, const hd_door_event *events, size_t n,
                           const hd_door_review *reviews, size_t n_reviews) {
    (void)reviews, (void)n_reviews;
    build *b = ctx;
    hd_snapshot *out = b->out;
    hd_sparse *s = &out->events;
    size_t before = s->n;
    for (size_t i = 0; i < n; i++) add_entry(b, &events[i]);
    if (s->n == before) return HEED_OK;
    HD_TRY(hd_grow(&out->user_key, &b->cap_keys, s->n_rows + 1, sizeof *out->user_key));
    HD_TRY(hd_grow(&s->start, &b->cap_starts, s->n_rows + 2, sizeof *s->start));
    out->user_key[s->n_rows++] = user_key;
    s->start[s->n_rows] = s->n;
    return HEED_OK;
}

// ── The hash ──

enum { ENTRY_BYTES = 20, ENTRIES_AT_ONCE = 512 };

static unsigned char *put_le(unsigned char *at, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) *at++ = (unsigned char)(value >> (8 * i));
    return at;
}

static unsigned char *put_entry(unsigned char *at, const hd_sparse *s, size_t row, size_t e) {
    uint32_t weight;
    memcpy(&weight, &s->weight[e], sizeof weight);
    at = put_le(at, row, 4);
    at = put_le(at, s->col[e], 4);
    at = put_le(at, weight, 4);
    return put_le(at, s->time ? (uint64_t)s->time[e] : (uint64_t)HD_TIME_NONE, 8);
}

static void hash_entries(const hd_sparse *s, char out[65]) {
    crypto_generichash_state state;
    unsigned char block[ENTRIES_AT_ONCE * ENTRY_BYTES], *at = block;
    unsigned char digest[32];
    crypto_generichash_init(&state, NULL, 0, sizeof digest);
    at = put_le(put_le(put_le(at, s->n_rows, 8), s->n_cols, 8), s->n, 8);
    for (size_t row = 0; row < s->n_rows; row++) {
        for (size_t e = s->start[row]; e < s->start[row + 1]; e++) {
            if (at > block + sizeof block - ENTRY_BYTES) {
                crypto_generichash_update(&state, block, (size_t)(at - block));
                at = block;
            }
            at = put_entry(at, s, row, e);
        }
    }
    crypto_generichash_update(&state, block, (size_t)(at - block));
    crypto_generichash_final(&state, digest, sizeof digest);
    sodium_bin2hex(out, 65, digest, sizeof digest);
}

// ── The whole ──

static heed_err fill(hd_door *door, hd_purpose purpose, const int64_t *item_keys, size_t n_items,
                     build *b) {
    size_t n;
    hd_snapshot *out = b->out;
    out->events.n_cols = n_items;
    out->item_key = hd_calloc(n_items ? n_items : 1, sizeof *out->item_key);
    if (!out->item_key) return HD_FAIL_MEMORY(n_items * sizeof *out->item_key);
    if (n_items > 0) memcpy(out->item_key, item_keys, n_items * sizeof *item_keys);
    HD_TRY(map_items(item_keys, n_items, &b->columns));
    HD_TRY(count_entries(door, &n));
    HD_TRY(make_arrays(b, n));
    HD_TRY(hd_door_scan(door, purpose, false, add_person, b));
    trim_arrays(b);
    hash_entries(&out->events, out->hash);
    return HEED_OK;
}

heed_err hd_door_snapshot(hd_door *door, hd_purpose purpose, const int64_t *item_keys,
                          size_t n_items, hd_signals signals, hd_snapshot *out) {
    HD_TRY(hd_purpose_check(purpose, HD_MAY_WHOLE));
    *out = (hd_snapshot){0};
    build b = {.out = out, .signals = signals};
    hd_imap_init(&b.columns);
    HD_TRY(hd_store_begin_read(door->store)); // count and scan see one state
    heed_err err = fill(door, purpose, item_keys, n_items, &b);
    hd_imap_clear(&b.columns);
    if (err == HEED_OK) {
        err = hd_store_commit(door->store);
    } else {
        hd_store_rollback(door->store);
    }
    if (err != HEED_OK) hd_snapshot_clear(out);
    return err;
}

void hd_snapshot_clear(hd_snapshot *snapshot) {
    hd_sparse_clear(&snapshot->events);
    hd_free(snapshot->user_key);
    hd_free(snapshot->item_key);
    *snapshot = (hd_snapshot){0};
}
