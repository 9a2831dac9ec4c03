// SPDX-License-Identifier: Apache-2.0
//
// Timed sparse rows. Building is a counting sort by row, which keeps the order of input, then a
// stable sort by time of those rows that aren't in time order already (most files are). Transposing
// is a counting sort by column.
//
// Input order is what breaks ties everywhere; so the sort within a row is by (time, place), a total
// order, and any sort gives the stable result.
#include "base/sparse.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static heed_err reserve(hd_sparse *s, bool has_time, bool has_source) {
    s->start = hd_calloc(s->n_rows + 1, sizeof *s->start);
    s->col = hd_alloc_aligned(s->n, sizeof *s->col);
    s->weight = hd_alloc_aligned(s->n, sizeof *s->weight);
    if (has_time) s->time = hd_alloc_aligned(s->n, sizeof *s->time);
    if (has_source) s->source = hd_alloc_aligned(s->n, sizeof *s->source);
    if (s->start && s->col && s->weight && (s->time || !has_time) && (s->source || !has_source)) {
        return HEED_OK;
    }
    size_t bytes = s->n * (sizeof *s->col + sizeof *s->weight + sizeof *s->time);
    hd_sparse_clear(s);
    return HD_FAIL_MEMORY(bytes);
}

void hd_sparse_clear(hd_sparse *s) {
    hd_free(s->start);
    hd_free(s->col);
    hd_free(s->weight);
    hd_free(s->time);
    hd_free(s->source);
    *s = (hd_sparse){0};
}

// Counts, summed up: start[r + 1] holds where row r ends, start[0] = 0. `next` gets the starts.
static size_t *starts_to_cursors(hd_sparse *s) {
    for (size_t r = 0; r < s->n_rows; r++) s->start[r + 1] += s->start[r];
    size_t *next = hd_alloc((s->n_rows + 1) * sizeof *next);
    if (next) memcpy(next, s->start, (s->n_rows + 1) * sizeof *next);
    return next;
}

typedef struct timed {
    hd_time time;
    size_t place; // within the row
} timed;

static int by_time(const void *a, const void *b) {
    const timed *x = a;
    const timed *y = b;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

static bool in_order(const hd_time *time, size_t n) {
    for (size_t i = 1; i < n; i++) {
        if (time[i] < time[i - 1]) return false;
    }
    return true;
}

// Room for one row while it is put in order.
typedef struct scratch {
    timed *order;
    size_t order_cap;
    hd_sparse_entry *entry;
    size_t entry_cap;
} scratch;

static heed_err sort_row(hd_sparse *s, size_t begin, size_t n, scratch *tmp) {
    if (in_order(s->time + begin, n)) return HEED_OK;
    HD_TRY(hd_grow(&tmp->order, &tmp->order_cap, n, sizeof *tmp->order));
    HD_TRY(hd_grow(&tmp->entry, &tmp->entry_cap, n, sizeof *tmp->entry));
    for (size_t i = 0; i < n; i++) {
        tmp->order[i] = (timed){s->time[begin + i], i};
        tmp->entry[i].col = s->col[begin + i];
        tmp->entry[i].weight = s->weight[begin + i];
        tmp->entry[i].source = s->source ? s->source[begin + i] : 0;
    }
    qsort(tmp->order, n, sizeof *tmp->order, by_time);
    for (size_t i = 0; i < n; i++) {
        const hd_sparse_entry *from = &tmp->entry[tmp->order[i].place];
        s->time[begin + i] = tmp->order[i].time;
        s->col[begin + i] = from->col;
        s->weight[begin + i] = from->weight;
        if (s->source) s->source[begin + i] = from->source;
    }
    return HEED_OK;
}

static heed_err sort_rows(hd_sparse *s) {
    if (!s->time) return HEED_OK;
    scratch tmp = {0};
    heed_err err = HEED_OK;
    for (size_t r = 0; r < s->n_rows && err == HEED_OK; r++) {
        err = sort_row(s, s->start[r], hd_sparse_row_len(s, r), &tmp);
    }
    hd_free(tmp.order);
    hd_free(tmp.entry);
    return err;
}

static void put(hd_sparse *s, size_t at, const hd_sparse_entry *entry) {
    s->col[at] = entry->col;
    s->weight[at] = entry->weight;
    if (s->time) s->time[at] = entry->time;
    if (s->source) s->source[at] = entry->source;
}

static heed_err check_entry(const hd_sparse_entry *entry, size_t n_rows, size_t n_cols) {
    if (entry->row < n_rows && entry->col < n_cols) return HEED_OK;
    return HD_FAIL(HEED_INTERNAL, "entry (%u, %u) stands outside of %zu rows and %zu columns",
                   "条目 (%u, %u) 超出 %zu 行、%zu 列的范围", entry->row, entry->col, n_rows,
                   n_cols);
}

heed_err hd_sparse_build(const hd_sparse_entry *entries, size_t n, size_t n_rows, size_t n_cols,
                         bool has_time, bool has_source, hd_sparse *out) {
    hd_sparse s = {.n_rows = n_rows, .n_cols = n_cols, .n = n};
    for (size_t e = 0; e < n; e++) HD_TRY(check_entry(&entries[e], n_rows, n_cols));
    HD_TRY(reserve(&s, has_time, has_source));
    for (size_t e = 0; e < n; e++) s.start[entries[e].row + 1]++;
    size_t *next = starts_to_cursors(&s);
    heed_err err = next ? HEED_OK : HD_FAIL_MEMORY((n_rows + 1) * sizeof *next);
    for (size_t e = 0; e < n && err == HEED_OK; e++) put(&s, next[entries[e].row]++, &entries[e]);
    hd_free(next);
    if (err == HEED_OK) err = sort_rows(&s);
    if (err == HEED_OK) {
        *out = s;
    } else {
        hd_sparse_clear(&s);
    }
    return err;
}

static hd_sparse_entry entry_at(const hd_sparse *s, size_t row, size_t at) {
    return (hd_sparse_entry){
        .row = (uint32_t)row,
        .col = s->col[at],
        .weight = s->weight[at],
        .time = s->time ? s->time[at] : HD_TIME_NONE,
        .source = s->source ? s->source[at] : 0,
    };
}

heed_err hd_sparse_transpose(const hd_sparse *in, hd_sparse *out) {
    hd_sparse s = {.n_rows = in->n_cols, .n_cols = in->n_rows, .n = in->n};
    HD_TRY(reserve(&s, in->time != NULL, in->source != NULL));
    for (size_t e = 0; e < in->n; e++) s.start[in->col[e] + 1]++;
    size_t *next = starts_to_cursors(&s);
    if (!next) {
        hd_sparse_clear(&s);
        return HD_FAIL_MEMORY((in->n_cols + 1) * sizeof *next);
    }
    for (size_t r = 0; r < in->n_rows; r++) {
        for (size_t e = in->start[r]; e < in->start[r + 1]; e++) {
            hd_sparse_entry entry = entry_at(in, r, e);
            entry.col = entry.row;
            put(&s, next[in->col[e]]++, &entry);
        }
    }
    hd_free(next);
    *out = s;
    return HEED_OK;
}

heed_err hd_sparse_filter(const hd_sparse *in, const bool *keep, hd_sparse *out) {
    hd_sparse s = {.n_rows = in->n_rows, .n_cols = in->n_cols};
    for (size_t e = 0; e < in->n; e++) s.n += keep[e];
    HD_TRY(reserve(&s, in->time != NULL, in->source != NULL));
    size_t at = 0;
    for (size_t r = 0; r < in->n_rows; r++) {
        for (size_t e = in->start[r]; e < in->start[r + 1]; e++) {
            if (!keep[e]) continue;
            hd_sparse_entry entry = entry_at(in, r, e);
            put(&s, at++, &entry);
        }
        s.start[r + 1] = at;
    }
    *out = s;
    return HEED_OK;
}
