// SPDX-License-Identifier: Apache-2.0
//
// item_knn: "who had this also had that". Items are near when the same users have them:
//
//     sim(i, j) = Σ_u x(u, i) · x(u, j) / (‖x(·, i)‖ · ‖x(·, j)‖ + shrink)
//     score(j)  = Σ over distinct items i of the history of decay^r(i) · x(i) · sim(i, j)
//
// x(u, i): greatest weight among the events of u at i; r(i): 0 for the newest item of the history,
// 1 for the one before, and so on; of each row of sim the `neighbours` greatest are kept. Cosine
// with shrinkage: Sarwar, Karypis, Konstan, Riedl, "Item-based collaborative filtering
// recommendation algorithms" (WWW 2001); Bell, Koren, "Improved neighborhood-based collaborative
// filtering" (2007).
//
// The cost is the sum over users of the square of their number of items, so only the newest
// `history` entries of each user are learned from.
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "recommend/links.h"
#include "recommend/model_file.h"
#include "recommend/past.h"
#include "recommend/presence.h"

extern const hd_method hd_method_item_knn;

enum { NEIGHBOURS, SHRINK, DECAY, HISTORY, N_PARAMS };

typedef struct item_knn {
    double values[N_PARAMS];
    hd_links links;
} item_knn;

static const double neighbours_grid[] = {50, 200};
static const double shrink_grid[] = {0, 10, 100};
static const double decay_grid[] = {1, 0.9, 0.8, 0.6};
static const hd_method_param params[N_PARAMS] = {
    [NEIGHBOURS] = {.name = "neighbours",
                    .initial = 200,
                    .min = 1,
                    .max = 100000,
                    .integer = true,
                    .grid = neighbours_grid,
                    .n_grid = 2,
                    .doc = HD_TEXT("nearest items kept per item", "每个商品保留的近邻数")},
    [SHRINK] = {.name = "shrink",
                .initial = 10,
                .min = 0,
                .max = 1e6,
                .grid = shrink_grid,
                .n_grid = 3,
                .doc = HD_TEXT("pulls similarities of rare items towards 0",
                               "把冷门商品的相似度向 0 收缩")},
    [DECAY] = {.name = "decay",
               .initial = 1,
               .min = 0.01,
               .max = 1,
               .grid = decay_grid,
               .n_grid = 4,
               .doc = HD_TEXT("how much each older item of the history counts, 1: as much",
                              "历史中每往前一个商品的权重比例，1 表示相同")},
    [HISTORY] = {.name = "history",
                 .initial = 5000,
                 .min = 1,
                 .max = 1e6,
                 .integer = true,
                 .doc = HD_TEXT("newest entries of each user that are learned from",
                                "每个用户参与训练的最新记录数")},
};

static void item_knn_free(hd_model *model) {
    item_knn *m = model;
    if (!m) return;
    hd_links_clear(&m->links);
    hd_free(m);
}

typedef struct fitting {
    const hd_presence *presence;
    double shrink;
} fitting;

// Σ_u x(u, i) · x(u, j) for all j.
static void sum_products(const void *ctx, uint32_t item, hd_links_sum *row) {
    const hd_presence *p = ((const fitting *)ctx)->presence;
    for (size_t e = p->item_start[item]; e < p->item_start[item + 1]; e++) {
        double x = p->item_x[e];
        uint32_t u = p->user[e];
        for (size_t f = p->user_start[u]; f < p->user_start[u + 1]; f++) {
            hd_links_add(row, p->item[f], x * p->user_x[f]);
        }
    }
}

static double similarity(const void *ctx, uint32_t from, uint32_t to, double sum) {
    const fitting *f = ctx;
    if (from == to) return 0;
    double norms = (double)f->presence->item_norm[from] * f->presence->item_norm[to];
    return sum / (norms + f->shrink);
}

static heed_err item_knn_fit(const hd_sparse *train, const double *values, uint64_t seed,
                             hd_pool *pool, hd_model **out) {
    (void)seed;
    HD_TRY(hd_model_values_check(&hd_method_item_knn, values));
    hd_presence presence = {0};
    heed_err err = HEED_OK;
    item_knn *m = hd_calloc(1, sizeof *m);
    if (!m) return HD_FAIL_MEMORY(sizeof *m);
    memcpy(m->values, values, sizeof m->values);
    HD_TRY_OUT(hd_presence_build(train, (size_t)values[HISTORY], &presence));
    fitting f = {&presence, values[SHRINK]};
    hd_links_source source = {.row = sum_products, .value = similarity, .ctx = &f};
    HD_TRY_OUT(hd_links_build(train->n_cols, (size_t)values[NEIGHBOURS], &source, pool, &m->links));
    *out = m;
    m = NULL;
out:
    hd_presence_clear(&presence);
    item_knn_free(m);
    return err;
}

static size_t item_knn_n_items(const hd_model *model) {
    return ((const item_knn *)model)->links.n_items;
}

static heed_err item_knn_score(const hd_model *model, const hd_history *history, float *scores) {
    const item_knn *m = model;
    const hd_links *links = &m->links;
    hd_past *past = NULL;
    size_t n = 0;
    memset(scores, 0, links->n_items * sizeof *scores);
    HD_TRY(hd_past_items(history, links->n_items, &past, &n));
    double decayed = 1;
    for (size_t p = 0; p < n && decayed >= HD_PAST_FADED; p++, decayed *= m->values[DECAY]) {
        float x = (float)(decayed * past[p].weight);
        uint64_t end = links->start[past[p].item + 1];
        for (uint64_t e = links->start[past[p].item]; e < end; e++) {
            scores[links->to[e]] += x * links->value[e];
        }
    }
    hd_free(past);
    return HEED_OK;
}

static heed_err item_knn_reasons(const hd_model *model, const hd_history *history, uint32_t item,
                                 hd_reason *out, size_t max, size_t *n) {
    const item_knn *m = model;
    hd_past *past = NULL;
    size_t n_past = 0;
    *n = 0;
    HD_TRY(hd_past_items(history, m->links.n_items, &past, &n_past));
    hd_part *parts = hd_alloc((n_past + 1) * sizeof *parts);
    if (!parts) {
        hd_free(past);
        return HD_FAIL_MEMORY(n_past * sizeof *parts);
    }
    double decayed = 1;
    size_t p = 0;
    for (; p < n_past && decayed >= HD_PAST_FADED; p++, decayed *= m->values[DECAY]) {
        float x = (float)(decayed * past[p].weight);
        parts[p] =
            (hd_part){past[p].entry, (double)x * hd_links_get(&m->links, past[p].item, item)};
    }
    hd_reasons_from(parts, p, out, max, n);
    hd_free(parts);
    hd_free(past);
    return HEED_OK;
}

static heed_err item_knn_save(const hd_model *model, hd_safetensors_writer *out) {
    const item_knn *m = model;
    HD_TRY(hd_model_file_begin(&hd_method_item_knn, m->values, out));
    return hd_links_save(&m->links, out);
}

static heed_err item_knn_load(const hd_safetensors *in, hd_model **out) {
    heed_err err = HEED_OK;
    item_knn *m = hd_calloc(1, sizeof *m);
    if (!m) return HD_FAIL_MEMORY(sizeof *m);
    HD_TRY_OUT(hd_model_file_check(&hd_method_item_knn, in, m->values));
    HD_TRY_OUT(hd_links_load(in, &m->links));
    *out = m;
    m = NULL;
out:
    item_knn_free(m);
    return err;
}

const hd_method hd_method_item_knn = {
    .name = "item_knn",
    .doc = HD_TEXT("Items that the same users have: steady tastes, and reasons that everyone "
                   "understands.",
                   "拥有此商品的用户也拥有：适合稳定的喜好，理由人人能懂。"),
    .brief = HD_TEXT("near what the user has", "与用户已有的商品相近"),
    .source = "Sarwar et al., WWW 2001",
    .params = params,
    .n_params = N_PARAMS,
    .fit = item_knn_fit,
    .n_items = item_knn_n_items,
    .score = item_knn_score,
    .reasons = item_knn_reasons,
    .save = item_knn_save,
    .load = item_knn_load,
    .free = item_knn_free,
};
