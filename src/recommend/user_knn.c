// SPDX-License-Identifier: Apache-2.0
//
// user_knn: what users with the same history have besides. Nothing is learned beforehand: at
// request time the history is compared with the rows of the snapshot.
//
//     cos(h, v) = Σ_i h(i) · x(v, i) / (‖h‖ · ‖x(v, ·)‖),   h(i) = decay^r(i) · x(i)
//     score(j)  = Σ over the k users v with the greatest cos(h, v) > 0 of cos(h, v) · x(v, j)
//
// x(v, i): greatest weight among the events of v at i; r(i): 0 for the newest item of the history.
// Users with equal cosine: lower row first. Herlocker, Konstan, Borchers, Riedl, "An algorithmic
// framework for performing collaborative filtering" (SIGIR 1999), without mean-centring: the data
// are signals, not ratings.
//
// Cosines go through inverted lists (item → users), so a request costs the number of events at the
// items of its history, not the number of users times items. The user's own row may be among the
// rows: it then votes for what the user has already, which callers leave out.
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "kernel/topk.h"
#include "recommend/model_file.h"
#include "recommend/past.h"
#include "recommend/presence.h"

extern const hd_method hd_method_user_knn;

enum { NEIGHBOURS, DECAY, N_PARAMS };

typedef struct user_knn {
    double values[N_PARAMS];
    uint64_t n_items;
    bool attached;
    hd_presence rows;
} user_knn;

static const double neighbours_grid[] = {50, 100, 200};
static const double decay_grid[] = {1, 0.9, 0.8};
static const hd_method_param params[N_PARAMS] = {
    [NEIGHBOURS] = {.name = "neighbours",
                    .initial = 100,
                    .min = 1,
                    .max = 10000,
                    .integer = true,
                    .grid = neighbours_grid,
                    .n_grid = 3,
                    .doc = HD_TEXT("nearest users asked", "参考的近邻用户数")},
    [DECAY] = {.name = "decay",
               .initial = 1,
               .min = 0.01,
               .max = 1,
               .grid = decay_grid,
               .n_grid = 3,
               .doc = HD_TEXT("how much each older item of the history counts, 1: as much",
                              "历史中每往前一个商品的权重比例，1 表示相同")},
};

static void user_knn_free(hd_model *model) {
    user_knn *m = model;
    if (!m) return;
    hd_presence_clear(&m->rows);
    hd_free(m);
}

static heed_err user_knn_fit(const hd_sparse *train, const double *values, uint64_t seed,
                             hd_pool *pool, hd_model **out) {
    (void)seed, (void)pool;
    HD_TRY(hd_model_values_check(&hd_method_user_knn, values));
    user_knn *m = hd_calloc(1, sizeof *m);
    if (!m) return HD_FAIL_MEMORY(sizeof *m);
    memcpy(m->values, values, sizeof m->values);
    m->n_items = train->n_cols;
    *out = m;
    return HEED_OK;
}

static heed_err user_knn_attach(hd_model *model, const hd_sparse *rows) {
    user_knn *m = model;
    if (rows->n_cols != m->n_items) {
        return HD_FAIL(
            HEED_CONFLICT,
            "'user_knn' was fitted on %zu items, the rows given have %zu: train it again",
            "“user_knn”按 %zu 个商品训练，给出的数据有 %zu 个：请重新训练", (size_t)m->n_items,
            rows->n_cols);
    }
    hd_presence fresh = {0};
    HD_TRY(hd_presence_build(rows, 0, &fresh));
    hd_presence_clear(&m->rows);
    m->rows = fresh;
    m->attached = true;
    return HEED_OK;
}

static size_t user_knn_n_items(const hd_model *model) {
    return (size_t)((const user_knn *)model)->n_items;
}

// A history beside the rows: its distinct items, and its nearest users with their cosines.
typedef struct near_users {
    hd_past *past; // (n_past), weight: h(i)
    size_t n_past;
    double norm;    // ‖h‖
    float *cosine;  // (U)
    uint32_t *user; // (n)
    size_t n;
} near_users;

static void near_clear(near_users *near) {
    hd_free(near->past);
    hd_free(near->cosine);
    hd_free(near->user);
}

static void weigh(near_users *near, double decay) {
    double decayed = 1, sum = 0;
    size_t p = 0;
    for (; p < near->n_past && decayed >= HD_PAST_FADED; p++, decayed *= decay) {
        near->past[p].weight = (float)(decayed * near->past[p].weight);
        sum += (double)near->past[p].weight * near->past[p].weight;
    }
    near->n_past = p;
    near->norm = sqrt(sum);
}

static void cosines(const hd_presence *rows, near_users *near) {
    for (size_t p = 0; p < near->n_past; p++) {
        float h = near->past[p].weight;
        size_t end = rows->item_start[near->past[p].item + 1];
        for (size_t e = rows->item_start[near->past[p].item]; e < end; e++) {
            near->cosine[rows->user[e]] += h * rows->item_x[e];
        }
    }
    for (size_t u = 0; u < rows->n_users; u++) {
        if (near->cosine[u] > 0) {
            near->cosine[u] = (float)(near->cosine[u] / (near->norm * rows->user_norm[u]));
        }
    }
}

static heed_err find_near(const user_knn *m, const hd_history *history, near_users *near) {
    *near = (near_users){0};
    if (!m->attached) {
        return HD_FAIL(HEED_UNAVAILABLE, "'user_knn' was given no users to compare with",
                       "“user_knn”尚未得到可比较的用户数据");
    }
    size_t k = (size_t)m->values[NEIGHBOURS];
    if (k > m->rows.n_users) k = m->rows.n_users;
    HD_TRY(hd_past_items(history, (size_t)m->n_items, &near->past, &near->n_past));
    near->cosine = hd_calloc(m->rows.n_users + 1, sizeof *near->cosine);
    near->user = hd_alloc((k + 1) * sizeof *near->user);
    if (!near->cosine || !near->user) return HD_FAIL_MEMORY(m->rows.n_users * 4);
    weigh(near, m->values[DECAY]);
    cosines(&m->rows, near);
    near->n = hd_topk(near->cosine, NULL, m->rows.n_users, k, near->user);
    while (near->n > 0 && !(near->cosine[near->user[near->n - 1]] > 0)) near->n--;
    return HEED_OK;
}

static heed_err user_knn_score(const hd_model *model, const hd_history *history, float *scores) {
    const user_knn *m = model;
    near_users near;
    memset(scores, 0, m->n_items * sizeof *scores);
    heed_err err = find_near(m, history, &near);
    for (size_t v = 0; err == HEED_OK && v < near.n; v++) {
        float cosine = near.cosine[near.user[v]];
        size_t end = m->rows.user_start[near.user[v] + 1];
        for (size_t e = m->rows.user_start[near.user[v]]; e < end; e++) {
            scores[m->rows.item[e]] += cosine * m->rows.user_x[e];
        }
    }
    near_clear(&near);
    return err;
}

// x(user, item), 0 when the user doesn't have it.
static float strength(const hd_presence *rows, uint32_t user, uint32_t item) {
    size_t low = rows->user_start[user], high = rows->user_start[user + 1];
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (rows->item[mid] == item) return rows->user_x[mid];
        if (rows->item[mid] < item) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return 0;
}

// score(j) = Σ_i Σ_v h(i) · x(v, i) · x(v, j) / (‖h‖ · ‖x(v)‖): entry i's part is its inner sum
// over the neighbours who have both.
static heed_err user_knn_reasons(const hd_model *model, const hd_history *history, uint32_t item,
                                 hd_reason *out, size_t max, size_t *n) {
    const user_knn *m = model;
    near_users near;
    hd_part *parts = NULL;
    heed_err err = HEED_OK;
    *n = 0;
    HD_TRY_OUT(find_near(m, history, &near));
    parts = hd_calloc(near.n_past + 1, sizeof *parts);
    if (!parts) {
        err = HD_FAIL_MEMORY(near.n_past * sizeof *parts);
        goto out;
    }
    for (size_t p = 0; p < near.n_past; p++) parts[p].entry = near.past[p].entry;
    for (size_t v = 0; v < near.n; v++) {
        float has = item < m->n_items ? strength(&m->rows, near.user[v], item) : 0;
        if (!(has > 0)) continue;
        double scale = has / (near.norm * m->rows.user_norm[near.user[v]]);
        for (size_t p = 0; p < near.n_past; p++) {
            float both = strength(&m->rows, near.user[v], near.past[p].item);
            parts[p].value += scale * near.past[p].weight * both;
        }
    }
    hd_reasons_from(parts, near.n_past, out, max, n);
out:
    hd_free(parts);
    near_clear(&near);
    return err;
}

static heed_err user_knn_save(const hd_model *model, hd_safetensors_writer *out) {
    const user_knn *m = model;
    size_t one = 1;
    HD_TRY(hd_model_file_begin(&hd_method_user_knn, m->values, out));
    return hd_safetensors_add(out, "n_items", HD_U64, 1, &one, &m->n_items);
}

static heed_err user_knn_load(const hd_safetensors *in, hd_model **out) {
    heed_err err = HEED_OK;
    size_t one = 1;
    void *n_items = NULL;
    user_knn *m = hd_calloc(1, sizeof *m);
    if (!m) return HD_FAIL_MEMORY(sizeof *m);
    HD_TRY_OUT(hd_model_file_check(&hd_method_user_knn, in, m->values));
    HD_TRY_OUT(hd_model_tensor(in, "n_items", HD_U64, &one, &n_items));
    m->n_items = *(const uint64_t *)n_items;
    if (m->n_items > UINT32_MAX) {
        err = HD_FAIL(HEED_CORRUPT, "the model file of 'user_knn' is damaged: train it again",
                      "“user_knn”的模型文件已损坏：请重新训练");
        goto out;
    }
    *out = m;
    m = NULL;
out:
    hd_free(n_items);
    user_knn_free(m);
    return err;
}

const hd_method hd_method_user_knn = {
    .name = "user_knn",
    .doc = HD_TEXT("What the users most like this one have besides: good with few items and many "
                   "users.",
                   "与此用户最相似的人还拥有什么：适合商品少、用户多的情形。"),
    .brief = HD_TEXT("liked by users with the same taste", "受到相似用户的喜欢"),
    .source = "Herlocker et al., SIGIR 1999",
    .params = params,
    .n_params = N_PARAMS,
    .needs_rows = true,
    .fit = user_knn_fit,
    .n_items = user_knn_n_items,
    .score = user_knn_score,
    .reasons = user_knn_reasons,
    .attach = user_knn_attach,
    .save = user_knn_save,
    .load = user_knn_load,
    .free = user_knn_free,
};
