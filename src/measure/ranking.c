// SPDX-License-Identifier: Apache-2.0
//
// The list of metrics, and one pass that measures them. A user's values stand in one row of a
// matrix (users × metrics and ks), so that its column means are the figures and its rows are what
// the bootstrap draws. Figures of all lists together get no interval: users drawn with replacement
// are fewer different users, whose union of lists is always smaller and its exposure more uneven,
// so that the interval would lie beside the figure.
//
// Adding a metric: its function in accuracy.c or beyond.c, one row here, its line in
// docs/metrics.md.
#include "measure/ranking.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "measure/bootstrap.h"
#include "measure/values.h"

static const hd_metric metrics[] = {
    {{"hr",
      HD_TEXT("hit rate: share of users with any held-out item among the first k; 0 to 1",
              "命中率：前 k 个推荐中至少有一个留出商品的用户占比；0 到 1"),
      true},
     .user = hd_metric_hr},
    {{"recall",
      HD_TEXT("held-out items among the first k, divided by all of the user's held-out items; "
              "0 to 1",
              "召回率：前 k 个推荐中的留出商品数除以该用户的全部留出商品数；0 到 1"),
      true},
     .user = hd_metric_recall},
    {{"precision",
      HD_TEXT("held-out items among the first k, divided by k; 0 to 1",
              "精确率：前 k 个推荐中的留出商品数除以 k；0 到 1"),
      true},
     .user = hd_metric_precision},
    {{"ndcg",
      HD_TEXT("sum of 1 / log2(rank + 1) over hits, divided by that of the best possible list; "
              "0 to 1",
              "各命中位置 1 / log2(名次 + 1) 之和，除以理想列表的同一和；0 到 1"),
      true},
     .user = hd_metric_ndcg},
    {{"mrr",
      HD_TEXT("1 / rank of the first hit, 0 without a hit; 0 to 1",
              "首个命中名次的倒数，无命中为 0；0 到 1"),
      true},
     .user = hd_metric_mrr},
    {{"map",
      HD_TEXT("average precision: precision at each hit, summed, divided by the smaller of k and "
              "the number of held-out items; 0 to 1",
              "平均精确率：各命中处的精确率之和，除以 k 与留出商品数中较小者；0 到 1"),
      true},
     .user = hd_metric_map},
    {{"novelty",
      HD_TEXT("mean inverse user frequency (MIUF): mean of -log2(users of the item / users); bits, "
              "from 0",
              "平均逆用户频率（MIUF）：-log2(该商品用户数 / 用户数) 的均值；单位比特，不小于 0"),
      true},
     .needs = HD_NEEDS_FACTS,
     .user = hd_metric_novelty},
    {{"diversity",
      HD_TEXT("1 - mean cosine of co-occurrence over the pairs of a list; 0 to 1",
              "1 减去列表内两两共现余弦的均值；0 到 1"),
      true},
     .needs = HD_NEEDS_LIKENESS,
     .user = hd_metric_diversity},
    {{"serendipity",
      HD_TEXT("mean over the list of (1 - mean cosine to the user's history) for hits, 0 for "
              "others; 0 to 1",
              "列表均值：命中商品取 1 减去与用户历史的平均余弦，其余取 0；0 到 1"),
      true},
     .needs = HD_NEEDS_LIKENESS,
     .user = hd_metric_serendipity},
    {{"arp",
      HD_TEXT("average recommendation popularity: mean number of training events of the items "
              "shown",
              "平均推荐流行度：所推荐商品的训练事件数均值"),
      false},
     .needs = HD_NEEDS_FACTS,
     .user = hd_metric_arp},
    {{"tail_share",
      HD_TEXT("share of the list outside the most popular items that hold 80% of events; 0 to 1",
              "列表中长尾商品的占比，长尾指占 80% 事件的最热门商品之外的商品；0 到 1"),
      true},
     .needs = HD_NEEDS_FACTS,
     .user = hd_metric_tail_share},
    {{"coverage",
      HD_TEXT("items shown to anybody, divided by all items; 0 to 1; no interval",
              "覆盖率：向任一用户展示过的商品数除以商品总数；0 到 1；无区间"),
      true},
     .all = hd_metric_coverage},
    {{"gini",
      HD_TEXT("inequality of how often items are shown: 0 all alike, 1 one item takes all; "
              "no interval",
              "曝光基尼系数：0 为完全均等，1 为全部集中于一个商品；无区间"),
      false},
     .all = hd_metric_gini},
    {{"entropy",
      HD_TEXT("entropy of how often items are shown: bits, from 0 to log2(items); no interval",
              "曝光熵：单位比特，0 到 log2(商品数)；无区间"),
      true},
     .all = hd_metric_entropy},
};
enum { N_METRICS = sizeof metrics / sizeof metrics[0] };

const hd_metric_info *hd_rank_metric_at(size_t i) {
    return i < N_METRICS ? &metrics[i].info : NULL;
}

static size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}

// Means and intervals of a matrix's columns, through arrays of m each.
static heed_err summarise(const hd_rank_context *context, const double *values, size_t n, size_t m,
                          hd_pool *pool, double *mean, double *low, double *high) {
    memset(mean, 0, m * sizeof *mean);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < m; j++) mean[j] += values[i * m + j];
    for (size_t j = 0; j < m; j++) mean[j] /= (double)n;
    memcpy(low, mean, m * sizeof *low);
    memcpy(high, mean, m * sizeof *high);
    if (context->bootstrap == 0) return HEED_OK;
    return hd_bootstrap_means(values, n, m, context->bootstrap, context->seed, pool, low, high);
}

static int by_count(const void *a, const void *b) {
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

// count: (n_items), filled and sorted.
static hd_exposure expose(const hd_rank_case *cases, size_t n_cases, size_t k, size_t n_items,
                          size_t *count) {
    hd_exposure x = {count, n_items, 0};
    memset(count, 0, n_items * sizeof *count);
    for (size_t i = 0; i < n_cases; i++) {
        size_t n = min_size(k, cases[i].n_ranked);
        for (size_t p = 0; p < n; p++) count[cases[i].ranked[p]]++;
        x.total += n;
    }
    qsort(count, n_items, sizeof *count, by_count);
    return x;
}

static void name_value(hd_metric_value *out, const hd_metric *metric, size_t k) {
    snprintf(out->name, sizeof out->name, "%s@%zu", metric->info.name, k);
}

// Writes the values of one k in the list's order. mean, low, high: of this k's user metrics.
static void write_values(hd_metric_value *out, size_t k, const hd_exposure *exposure,
                         const double *mean, const double *low, const double *high, bool interval) {
    for (size_t i = 0, r = 0; i < N_METRICS; i++) {
        name_value(&out[i], &metrics[i], k);
        if (metrics[i].all) {
            out[i].value = out[i].low = out[i].high = metrics[i].all(exposure);
            out[i].interval = false;
            continue;
        }
        out[i].value = mean[r];
        out[i].low = low[r];
        out[i].high = high[r++];
        out[i].interval = interval;
    }
}

// The figures of all ks in the list's order: out (n_ks × N_METRICS).
static heed_err figures(const hd_rank_context *context, const hd_values_query *q,
                        const double *values, hd_pool *pool, hd_metric_value *out) {
    heed_err err = HEED_OK;
    size_t n_items = context->train->n_cols, m = q->n_ks * q->n_rows;
    double *mean = hd_calloc(3 * m, sizeof *mean), *low, *high;
    size_t *count = hd_alloc(n_items * sizeof *count);
    if (!mean || !count) {
        err = HD_FAIL_MEMORY(n_items * sizeof *count);
        goto out;
    }
    low = mean + m;
    high = low + m;
    HD_TRY_OUT(summarise(context, values, q->n_cases, m, pool, mean, low, high));
    for (size_t i = 0; i < q->n_ks; i++) {
        size_t at = i * q->n_rows;
        hd_exposure x = expose(q->cases, q->n_cases, q->ks[i], n_items, count);
        write_values(out + i * N_METRICS, q->ks[i], &x, mean + at, low + at, high + at,
                     context->bootstrap > 0);
    }
out:
    hd_free(mean);
    hd_free(count);
    return err;
}

heed_err hd_rank_measure(const hd_rank_context *context, const hd_rank_case *cases, size_t n_cases,
                         const size_t *ks, size_t n_ks, hd_pool *pool, hd_metric_value **out,
                         size_t *n) {
    heed_err err = HEED_OK;
    const hd_metric *rows[N_METRICS];
    hd_values_query q = {rows, 0, cases, n_cases, ks, n_ks};
    double *values = NULL;
    assert(n_cases > 0 && n_ks > 0 && context->train->n_cols > 0);
    for (size_t i = 0; i < N_METRICS; i++)
        if (metrics[i].user) rows[q.n_rows++] = &metrics[i];
    hd_metric_value *result = hd_calloc(n_ks * N_METRICS, sizeof *result);
    if (!result) return HD_FAIL_MEMORY(n_ks * N_METRICS * sizeof *result);
    HD_TRY_OUT(hd_user_values(context, &q, pool, &values));
    HD_TRY_OUT(figures(context, &q, values, pool, result));
    *out = result;
    *n = n_ks * N_METRICS;
    result = NULL;
out:
    hd_free(values);
    hd_free(result);
    return err;
}

static heed_err find_metric(const char *name, const hd_metric **out) {
    for (size_t i = 0; i < N_METRICS; i++) {
        if (strcmp(metrics[i].info.name, name) != 0) continue;
        if (!metrics[i].user)
            return HD_FAIL(HEED_USAGE,
                           "metric '%s' has no value per user, so it can't be compared user by "
                           "user; choose another",
                           "指标“%s”没有逐用户的取值，无法逐用户比较；请换一个指标", name);
        *out = &metrics[i];
        return HEED_OK;
    }
    return HD_FAIL(HEED_NOT_FOUND, "no metric is called '%s'", "没有名为“%s”的指标", name);
}

heed_err hd_rank_mean(const hd_rank_context *context, const hd_rank_case *cases, size_t n_cases,
                      const char *metric, size_t k, hd_pool *pool, double *out) {
    const hd_metric *row = NULL;
    double *values = NULL, sum = 0;
    assert(n_cases > 0);
    HD_TRY(find_metric(metric, &row));
    hd_values_query q = {&row, 1, cases, n_cases, &k, 1};
    HD_TRY(hd_user_values(context, &q, pool, &values));
    for (size_t i = 0; i < n_cases; i++) sum += values[i];
    *out = sum / (double)n_cases;
    hd_free(values);
    return HEED_OK;
}

heed_err hd_rank_compare(const hd_rank_context *context, const hd_rank_case *a,
                         const hd_rank_case *b, size_t n_cases, const char *metric, size_t k,
                         hd_pool *pool, hd_metric_value *out) {
    heed_err err = HEED_OK;
    const hd_metric *row = NULL;
    double *of_a = NULL, *of_b = NULL;
    assert(n_cases > 0);
    HD_TRY(find_metric(metric, &row));
    hd_values_query q_a = {&row, 1, a, n_cases, &k, 1}, q_b = {&row, 1, b, n_cases, &k, 1};
    HD_TRY_OUT(hd_user_values(context, &q_a, pool, &of_a));
    HD_TRY_OUT(hd_user_values(context, &q_b, pool, &of_b));
    for (size_t i = 0; i < n_cases; i++) {
        assert(a[i].row == b[i].row);
        of_b[i] -= of_a[i];
    }
    name_value(out, row, k);
    out->interval = context->bootstrap > 0;
    HD_TRY_OUT(summarise(context, of_b, n_cases, 1, pool, &out->value, &out->low, &out->high));
out:
    hd_free(of_a);
    hd_free(of_b);
    return err;
}
