// SPDX-License-Identifier: Apache-2.0
//
// Timed sparse rows: who did what, when. Row u's entries stand at start[u] .. start[u+1], in time
// order, ties in the order of input. Dense indexes of one snapshot; the ids behind them stay with
// whoever made the snapshot. Immutable once built: may be read from many threads.
#ifndef HD_BASE_SPARSE_H
#define HD_BASE_SPARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/time.h"

typedef struct hd_sparse {
    size_t n_rows;   // U, users
    size_t n_cols;   // I, items
    size_t n;        // N, entries
    size_t *start;   // (U + 1)
    uint32_t *col;   // (N) item of each entry
    float *weight;   // (N) strength of the signal, > 0
    hd_time *time;   // (N), or NULL when the data has no times: then order is all there is
    int64_t *source; // (N) event key behind the entry, or NULL
} hd_sparse;

typedef struct hd_sparse_entry {
    uint32_t row;
    uint32_t col;
    float weight;
    hd_time time; // HD_TIME_NONE sorts before every time
    int64_t source;
} hd_sparse_entry;

// Builds from entries in input order (they are read, not kept). has_time, has_source: whether those
// columns exist.
heed_err hd_sparse_build(const hd_sparse_entry *entries, size_t n, size_t n_rows, size_t n_cols,
                         bool has_time, bool has_source, hd_sparse *out) HEED_CHECK;
// The transpose: row i lists users, sorted by user; times and sources follow.
heed_err hd_sparse_transpose(const hd_sparse *in, hd_sparse *out) HEED_CHECK;
// Keeps the entries for which keep[e] is true.
heed_err hd_sparse_filter(const hd_sparse *in, const bool *keep, hd_sparse *out) HEED_CHECK;
void hd_sparse_clear(hd_sparse *s);

static inline size_t hd_sparse_row_len(const hd_sparse *s, size_t row) {
    return s->start[row + 1] - s->start[row];
}

#endif
