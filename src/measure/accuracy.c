// SPDX-License-Identifier: Apache-2.0
//
// Accuracy of one list. r is a rank from 1, rel(r) is 1 when the item at r was held out, R the
// number of held-out items. Definitions follow Järvelin and Kekäläinen, "Cumulated gain-based
// evaluation of IR techniques" (TOIS 2002) for NDCG with binary gain, and Manning, Raghavan and
// Schütze, "Introduction to Information Retrieval" (2008), chapter 8, for the others. Where
// libraries differ, the choice stands at the function.
#include <math.h>

#include "measure/metric.h"

static size_t hits(const hd_rank_view *v) {
    size_t count = 0;
    for (size_t p = 0; p < v->n; p++) count += v->hit[p];
    return count;
}

// The most hits a list of k could have.
static size_t hits_at_best(const hd_rank_view *v) {
    return v->list->n_relevant < v->k ? v->list->n_relevant : v->k;
}

// 1 when any of the first k was held out, else 0.
double hd_metric_hr(const hd_rank_view *v) {
    return hits(v) > 0 ? 1 : 0;
}

// hits / R. Not min(k, R): a user with many held-out items can't reach 1 at a small k.
double hd_metric_recall(const hd_rank_view *v) {
    return (double)hits(v) / (double)v->list->n_relevant;
}

// hits / k, also when the list is shorter than k.
double hd_metric_precision(const hd_rank_view *v) {
    return (double)hits(v) / (double)v->k;
}

// Σ rel(r) / log2(r + 1) over r ≤ k, divided by the same sum with the first min(k, R) ranks hit.
double hd_metric_ndcg(const hd_rank_view *v) {
    double gain = 0, best = 0;
    for (size_t p = 0; p < v->n; p++)
        if (v->hit[p]) gain += 1 / log2((double)p + 2);
    for (size_t p = 0; p < hits_at_best(v); p++) best += 1 / log2((double)p + 2);
    return gain / best;
}

// 1 / rank of the first hit, 0 when none is among the first k.
double hd_metric_mrr(const hd_rank_view *v) {
    for (size_t p = 0; p < v->n; p++)
        if (v->hit[p]) return 1 / ((double)p + 1);
    return 0;
}

// Average precision: Σ rel(r) · hits(r) / r over r ≤ k, divided by min(k, R), so that a perfect
// list of k has 1 (some divide by R).
double hd_metric_map(const hd_rank_view *v) {
    double sum = 0;
    size_t found = 0;
    for (size_t p = 0; p < v->n; p++)
        if (v->hit[p]) sum += (double)++found / ((double)p + 1);
    return sum / (double)hits_at_best(v);
}
