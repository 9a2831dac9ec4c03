// SPDX-License-Identifier: Apache-2.0
//
// The transpose lists each item's users in rising order, so equal users stand together and are
// merged in one pass; a counting transpose of the merged columns then gives the rows, items rising.
// No comparison sort, no hashing: linear in the entries.
#include "recommend/presence.h"

#include <math.h>

#include "base/mem.h"

static heed_err keep_newest(const hd_sparse *rows, size_t newest, hd_sparse *out) {
    bool *keep = hd_calloc(rows->n + 1, sizeof *keep);
    if (!keep) return HD_FAIL_MEMORY(rows->n);
    for (size_t u = 0; u < rows->n_rows; u++) {
        size_t first = rows->start[u], end = rows->start[u + 1];
        if (end - first > newest) first = end - newest;
        for (size_t e = first; e < end; e++) keep[e] = true;
    }
    heed_err err = hd_sparse_filter(rows, keep, out);
    hd_free(keep);
    return err;
}

static bool any_longer(const hd_sparse *rows, size_t newest) {
    for (size_t u = 0; u < rows->n_rows; u++) {
        if (hd_sparse_row_len(rows, u) > newest) return true;
    }
    return false;
}

static heed_err allocate(hd_presence *p, size_t entries) {
    p->item_start = hd_calloc(p->n_items + 1, sizeof *p->item_start);
    p->user_start = hd_calloc(p->n_users + 1, sizeof *p->user_start);
    p->item_norm = hd_calloc(p->n_items + 1, sizeof *p->item_norm);
    p->user_norm = hd_calloc(p->n_users + 1, sizeof *p->user_norm);
    p->user = hd_calloc(entries + 1, sizeof *p->user);
    p->item_x = hd_calloc(entries + 1, sizeof *p->item_x);
    p->item = hd_calloc(entries + 1, sizeof *p->item);
    p->user_x = hd_calloc(entries + 1, sizeof *p->user_x);
    bool ok = p->item_start && p->user_start && p->item_norm && p->user_norm && p->user &&
              p->item_x && p->item && p->user_x;
    return ok ? HEED_OK : HD_FAIL_MEMORY(16 * entries);
}

// Columns: users of an item, each once, with the greatest weight.
static void merge_columns(hd_presence *p, const hd_sparse *cols) {
    for (size_t i = 0; i < p->n_items; i++) {
        size_t first = p->n;
        for (size_t e = cols->start[i]; e < cols->start[i + 1]; e++) {
            bool again = p->n > first && p->user[p->n - 1] == cols->col[e];
            if (!again) {
                p->user[p->n] = cols->col[e];
                p->item_x[p->n++] = cols->weight[e];
            } else if (cols->weight[e] > p->item_x[p->n - 1]) {
                p->item_x[p->n - 1] = cols->weight[e];
            }
        }
        p->item_start[i + 1] = p->n;
    }
}

static void fill_rows(hd_presence *p) {
    for (size_t e = 0; e < p->n; e++) p->user_start[p->user[e] + 1]++;
    for (size_t u = 0; u < p->n_users; u++) p->user_start[u + 1] += p->user_start[u];
    for (size_t i = 0; i < p->n_items; i++) {
        for (size_t e = p->item_start[i]; e < p->item_start[i + 1]; e++) {
            size_t at = p->user_start[p->user[e]]++; // start[u] walks to start[u + 1]
            p->item[at] = (uint32_t)i;
            p->user_x[at] = p->item_x[e];
        }
    }
    for (size_t u = p->n_users; u > 0; u--) p->user_start[u] = p->user_start[u - 1];
    p->user_start[0] = 0;
}

static void norms(const size_t *start, const float *x, size_t n, float *out) {
    for (size_t r = 0; r < n; r++) {
        double sum = 0;
        for (size_t e = start[r]; e < start[r + 1]; e++) sum += (double)x[e] * x[e];
        out[r] = (float)sqrt(sum);
    }
}

heed_err hd_presence_build(const hd_sparse *rows, size_t newest, hd_presence *out) {
    *out = (hd_presence){.n_users = rows->n_rows, .n_items = rows->n_cols};
    hd_sparse kept = {0}, cols = {0};
    heed_err err = HEED_OK;
    if (newest > 0 && any_longer(rows, newest)) {
        HD_TRY_OUT(keep_newest(rows, newest, &kept));
        rows = &kept;
    }
    HD_TRY_OUT(hd_sparse_transpose(rows, &cols));
    HD_TRY_OUT(allocate(out, rows->n));
    merge_columns(out, &cols);
    fill_rows(out);
    norms(out->item_start, out->item_x, out->n_items, out->item_norm);
    norms(out->user_start, out->user_x, out->n_users, out->user_norm);
out:
    hd_sparse_clear(&kept);
    hd_sparse_clear(&cols);
    if (err != HEED_OK) hd_presence_clear(out);
    return err;
}

void hd_presence_clear(hd_presence *p) {
    hd_free(p->item_start);
    hd_free(p->user);
    hd_free(p->item_x);
    hd_free(p->user_start);
    hd_free(p->item);
    hd_free(p->user_x);
    hd_free(p->item_norm);
    hd_free(p->user_norm);
    *p = (hd_presence){0};
}
