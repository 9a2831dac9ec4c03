// SPDX-License-Identifier: Apache-2.0
//
// Beyond accuracy: how new, different and wide-spread what is shown is. Several formulas go by each
// of these names in the literature; ours are named at the functions with the library that uses
// them, so that figures can be compared. n is the length of the list cut at k; an empty list has 0
// everywhere.
#include <math.h>

#include "measure/metric.h"

// MIUF, mean inverse user frequency (RecTools): mean over the list of −log2(users_i / users), users
// being those with any training event. An item nobody has counts as if one user had it.
double hd_metric_novelty(const hd_rank_view *v) {
    double sum = 0;
    for (size_t p = 0; p < v->n; p++) {
        size_t users = hd_item_users(v->facts, v->list->ranked[p]);
        sum -= log2((double)(users ? users : 1) / (double)v->facts->n_users);
    }
    return v->n ? sum / (double)v->n : 0;
}

// Intra-list diversity (Microsoft Recommenders): 1 − mean cosine of co-occurrence over the
// n(n − 1)/2 pairs of the list; 0 for a list of fewer than two.
double hd_metric_diversity(const hd_rank_view *v) {
    if (v->n < 2) return 0;
    double sum = 0;
    for (size_t p = 1; p < v->n; p++) sum += v->above[p];
    return 1 - sum / ((double)v->n * ((double)v->n - 1) / 2);
}

// Serendipity (Microsoft Recommenders): mean over the list of (1 − mean cosine to the items of the
// user's training history, each once) · rel: what fits although it is unlike what the user had.
double hd_metric_serendipity(const hd_rank_view *v) {
    double sum = 0;
    for (size_t p = 0; p < v->n; p++)
        if (v->hit[p]) sum += 1 - v->history[p];
    return v->n ? sum / (double)v->n : 0;
}

// ARP, average recommendation popularity (Yin et al. 2012; Elliot): mean number of training events
// of the list's items, repeats counted.
double hd_metric_arp(const hd_rank_view *v) {
    double sum = 0;
    for (size_t p = 0; p < v->n; p++) sum += (double)v->facts->events[v->list->ranked[p]];
    return v->n ? sum / (double)v->n : 0;
}

// APLT (Abdollahpouri et al. 2019; Elliot): share of the list in the tail, which is every item
// outside the most popular ones that together hold 80% of the training events.
double hd_metric_tail_share(const hd_rank_view *v) {
    size_t tail = 0;
    for (size_t p = 0; p < v->n; p++) tail += v->facts->tail[v->list->ranked[p]];
    return v->n ? (double)tail / (double)v->n : 0;
}

// |union of all lists| / |items of the index|, unseen and unsold ones included.
double hd_metric_coverage(const hd_exposure *x) {
    size_t shown = 0;
    for (size_t i = 0; i < x->n_items; i++) shown += x->count[i] > 0;
    return (double)shown / (double)x->n_items;
}

// Σ_j (2j − n − 1) p_j / (n − 1) over items by rising exposure, j from 1, p_j the share of all
// places shown (Elliot's denominator): 0 when all items are shown alike, 1 when one takes all.
double hd_metric_gini(const hd_exposure *x) {
    if (x->n_items < 2 || x->total == 0) return 0;
    double n = (double)x->n_items, sum = 0;
    for (size_t i = 0; i < x->n_items; i++)
        sum += (2 * (double)(i + 1) - n - 1) * (double)x->count[i];
    return sum / (double)x->total / (n - 1);
}

// −Σ p log2 p over items shown: bits (Microsoft Recommenders; RecBole uses ln).
double hd_metric_entropy(const hd_exposure *x) {
    double sum = 0;
    for (size_t i = 0; i < x->n_items; i++) {
        double p = x->count[i] ? (double)x->count[i] / (double)x->total : 0;
        if (p > 0) sum -= p * log2(p);
    }
    return sum;
}
