// SPDX-License-Identifier: Apache-2.0
//
// popular: what most users have. The baseline that every other method must beat, and what those get
// of whom nothing is known.
//
//     score(j) = Σ over users u who have j of x(u, j)
//
// with x = 1 (weighted = 0: the number of users), or the greatest weight among the events of u at j
// (weighted = 1). Events are not counted, users are: one user's hundred views don't make an item
// popular.
#include "base/mem.h"
#include "recommend/model_file.h"
#include "recommend/past.h"
#include "recommend/presence.h"

extern const hd_method hd_method_popular;

enum { WEIGHTED, N_PARAMS };

typedef struct popular {
    double values[N_PARAMS];
    size_t n_items;
    float *count; // (I)
} popular;

static const double weighted_grid[] = {0, 1};
static const hd_method_param params[N_PARAMS] = {
    [WEIGHTED] = {.name = "weighted",
                  .initial = 0,
                  .min = 0,
                  .max = 1,
                  .integer = true,
                  .grid = weighted_grid,
                  .n_grid = 2,
                  .doc = HD_TEXT("0: count users; 1: sum each user's greatest weight",
                                 "0：按用户数计；1：累加每个用户的最大权重")},
};

static void popular_free(hd_model *model) {
    popular *m = model;
    if (!m) return;
    hd_free(m->count);
    hd_free(m);
}

static heed_err popular_fit(const hd_sparse *train, const double *values, uint64_t seed,
                            hd_pool *pool, hd_model **out) {
    (void)seed, (void)pool; // one pass, nothing drawn
    HD_TRY(hd_model_values_check(&hd_method_popular, values));
    hd_presence presence = {0};
    heed_err err = HEED_OK;
    popular *m = hd_calloc(1, sizeof *m);
    if (!m) return HD_FAIL_MEMORY(sizeof *m);
    m->values[WEIGHTED] = values[WEIGHTED];
    m->n_items = train->n_cols;
    m->count = hd_calloc(m->n_items + 1, sizeof *m->count);
    if (!m->count) {
        err = HD_FAIL_MEMORY(m->n_items * sizeof *m->count);
        goto out;
    }
    HD_TRY_OUT(hd_presence_build(train, 0, &presence));
    for (size_t i = 0; i < m->n_items; i++) {
        double sum = 0;
        for (size_t e = presence.item_start[i]; e < presence.item_start[i + 1]; e++) {
            sum += values[WEIGHTED] != 0 ? (double)presence.item_x[e] : 1;
        }
        m->count[i] = (float)sum;
    }
    *out = m;
    m = NULL;
out:
    hd_presence_clear(&presence);
    popular_free(m);
    return err;
}

static size_t popular_n_items(const hd_model *model) {
    return ((const popular *)model)->n_items;
}

static heed_err popular_score(const hd_model *model, const hd_history *history, float *scores) {
    (void)history;
    const popular *m = model;
    for (size_t i = 0; i < m->n_items; i++) scores[i] = m->count[i];
    return HEED_OK;
}

static heed_err popular_save(const hd_model *model, hd_safetensors_writer *out) {
    const popular *m = model;
    HD_TRY(hd_model_file_begin(&hd_method_popular, m->values, out));
    return hd_safetensors_add(out, "count", HD_F32, 1, &m->n_items, m->count);
}

static heed_err popular_load(const hd_safetensors *in, hd_model **out) {
    heed_err err = HEED_OK;
    void *count = NULL;
    popular *m = hd_calloc(1, sizeof *m);
    if (!m) return HD_FAIL_MEMORY(sizeof *m);
    HD_TRY_OUT(hd_model_file_check(&hd_method_popular, in, m->values));
    m->n_items = SIZE_MAX;
    HD_TRY_OUT(hd_model_tensor(in, "count", HD_F32, &m->n_items, &count));
    m->count = count;
    HD_TRY_OUT(hd_model_floats_check("count", m->count, m->n_items));
    *out = m;
    m = NULL;
out:
    popular_free(m);
    return err;
}

const hd_method hd_method_popular = {
    .name = "popular",
    .doc = HD_TEXT("What most users have: the baseline, and the answer when nothing is known of a "
                   "user.",
                   "最多用户拥有的商品：基准方法，也用于一无所知的用户。"),
    .brief = HD_TEXT("popular among all users", "在所有用户中受欢迎"),
    .source = "counting",
    .params = params,
    .n_params = N_PARAMS,
    .fit = popular_fit,
    .n_items = popular_n_items,
    .score = popular_score,
    .reasons = hd_no_reasons,
    .save = popular_save,
    .load = popular_load,
    .free = popular_free,
};
