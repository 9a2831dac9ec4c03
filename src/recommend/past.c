// SPDX-License-Identifier: Apache-2.0
//
// Repeats are found by sorting on (item, newest first) and not with a table over all items: a
// history is short beside the catalogue, and scoring may not cost memory of its size.
#include "recommend/past.h"

#include <stdlib.h>

#include "base/mem.h"

static int by_item(const void *a, const void *b) {
    const hd_past *x = a, *y = b;
    if (x->item != y->item) return x->item < y->item ? -1 : 1;
    return (x->entry < y->entry) - (x->entry > y->entry);
}

static int newest_first(const void *a, const void *b) {
    const hd_past *x = a, *y = b;
    return (x->entry < y->entry) - (x->entry > y->entry);
}

heed_err hd_past_items(const hd_history *history, size_t n_items, hd_past **out, size_t *n) {
    *n = 0;
    hd_past *all = *out = hd_alloc((history->n + 1) * sizeof *all);
    if (!all) return HD_FAIL_MEMORY(history->n * sizeof *all);
    size_t count = 0;
    for (size_t e = history->n; e-- > 0;) {
        if (history->item[e] >= n_items) continue;
        all[count++] = (hd_past){history->item[e], history->weight[e], e};
    }
    qsort(all, count, sizeof *all, by_item);
    size_t kept = 0;
    for (size_t p = 0; p < count; p++) {
        if (kept == 0 || all[kept - 1].item != all[p].item) {
            all[kept++] = all[p];
        } else if (all[p].weight > all[kept - 1].weight) {
            all[kept - 1].weight = all[p].weight;
        }
    }
    qsort(all, kept, sizeof *all, newest_first);
    *n = kept;
    return HEED_OK;
}

size_t hd_past_steps(const hd_history *history, size_t n_items, hd_past *out, size_t max) {
    size_t n = 0;
    for (size_t e = history->n; e-- > 0;) {
        uint32_t item = history->item[e];
        if (item >= n_items) continue;
        if (n > 0 && out[n - 1].item == item) {
            if (history->weight[e] > out[n - 1].weight) out[n - 1].weight = history->weight[e];
            continue;
        }
        if (n == max) break;
        out[n++] = (hd_past){item, history->weight[e], e};
    }
    return n;
}

static int greatest_first(const void *a, const void *b) {
    const hd_part *x = a, *y = b;
    if (x->value != y->value) return x->value > y->value ? -1 : 1;
    return (x->entry < y->entry) - (x->entry > y->entry);
}

void hd_reasons_from(hd_part *parts, size_t n, hd_reason *out, size_t max, size_t *n_out) {
    *n_out = 0;
    double sum = 0;
    for (size_t p = 0; p < n; p++) sum += parts[p].value;
    if (!(sum > 0)) return;
    qsort(parts, n, sizeof *parts, greatest_first);
    for (size_t p = 0; p < n && *n_out < max && parts[p].value > 0; p++) {
        out[(*n_out)++] = (hd_reason){parts[p].entry, parts[p].value / sum};
    }
}

heed_err hd_no_reasons(const hd_model *model, const hd_history *history, uint32_t item,
                       hd_reason *out, size_t max, size_t *n) {
    (void)model, (void)history, (void)item, (void)out, (void)max;
    *n = 0;
    return HEED_OK;
}
