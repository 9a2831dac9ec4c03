// SPDX-License-Identifier: Apache-2.0
//
// A metric: one row in measure/ranking.c. It either gives each user's list a value, whose mean over
// users is the figure, or one value to all lists together through how often they show each item.
#ifndef HD_MEASURE_METRIC_H
#define HD_MEASURE_METRIC_H

#include "measure/facts.h"
#include "measure/ranking.h"

// One list cut at k.
typedef struct hd_rank_view {
    const hd_item_facts *facts; // NULL unless the row asks for them
    const hd_rank_case *list;
    const bool *hit;       // (n) hit[p]: the item at place p (from 0) is relevant
    const double *above;   // (n) see hd_likeness; NULL unless the row asks for it
    const double *history; // (n) likewise
    size_t n;              // min(k, length of the list)
    size_t k;
} hd_rank_view;

// How often the lists show each item of the index, unshown items included.
typedef struct hd_exposure {
    const size_t *count; // (n_items), rising
    size_t n_items;
    size_t total; // sum of count
} hd_exposure;

// What a user's value needs beyond the list itself.
typedef enum hd_metric_needs { HD_NEEDS_LIST, HD_NEEDS_FACTS, HD_NEEDS_LIKENESS } hd_metric_needs;

typedef struct hd_metric {
    hd_metric_info info;
    hd_metric_needs needs;
    double (*user)(const hd_rank_view *view);   // or NULL, and then
    double (*all)(const hd_exposure *exposure); // this one
} hd_metric;

// Accuracy (measure/accuracy.c): relevance is binary, log base 2.
double hd_metric_hr(const hd_rank_view *view);
double hd_metric_recall(const hd_rank_view *view);
double hd_metric_precision(const hd_rank_view *view);
double hd_metric_ndcg(const hd_rank_view *view);
double hd_metric_mrr(const hd_rank_view *view);
double hd_metric_map(const hd_rank_view *view);

// Beyond accuracy (measure/beyond.c).
double hd_metric_novelty(const hd_rank_view *view);
double hd_metric_diversity(const hd_rank_view *view);
double hd_metric_serendipity(const hd_rank_view *view);
double hd_metric_arp(const hd_rank_view *view);
double hd_metric_tail_share(const hd_rank_view *view);
double hd_metric_coverage(const hd_exposure *exposure);
double hd_metric_gini(const hd_exposure *exposure);
double hd_metric_entropy(const hd_exposure *exposure);

#endif
