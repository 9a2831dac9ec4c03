// SPDX-License-Identifier: Apache-2.0
//
// markov: what follows what. A Markov chain over items that skips: each of the last items of a
// history speaks for what came after it, the newest loudest.
//
//     n(i→j)   = Σ over users, over pairs of steps with i before j at distance d ≤ window, of
//                decay^(d-1)
//     n(i→·)   = Σ_j n(i→j)            n(j) = number of steps at j
//     score(j) = Σ over the last `window` steps i_0 (newest), i_1, … of the history of
//                decay^l · n(i_l→j) / (n(i_l→·)^a · n(j)^b)
//
// A step is a run of entries at one item: a view, a cart and a purchase of the same thing are one
// step, not three transitions to itself. a = 1 makes each item's row a distribution; b takes from
// what is popular everywhere. Of each row the `neighbours` greatest n(i→j) are kept; n(i→·) is
// taken before that cut.
//
// First-order chains: Shani, Heckerman, Brafman, "An MDP-based recommender system" (JMLR 2005);
// skipping: Guthrie et al., "A closer look at skip-gram modelling" (LREC 2006). Normalising by
// popularity to a power: Aiolli, RecSys 2013 (asymmetric cosine).
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "recommend/links.h"
#include "recommend/model_file.h"
#include "recommend/past.h"

extern const hd_method hd_method_markov;

enum { DECAY, A, B, WINDOW, NEIGHBOURS, N_PARAMS };
enum { MAX_WINDOW = 10 };

typedef struct markov {
    double values[N_PARAMS];
    hd_links links;
    double *leaving; // (I) n(i→·)
    double *steps;   // (I) n(j)
    float *scale_to; // (I) n(j)^-b, 0 where n(j) is 0
} markov;

static const double decay_grid[] = {0.6, 0.7, 0.8, 0.9};
static const double a_grid[] = {0.6, 0.8, 1};
static const double b_grid[] = {0, 0.15, 0.25, 0.5};
static const hd_method_param params[N_PARAMS] = {
    [DECAY] = {.name = "decay",
               .initial = 0.8,
               .min = 0.01,
               .max = 1,
               .grid = decay_grid,
               .n_grid = 4,
               .doc = HD_TEXT("how much a step counts for each step it lies further back",
                              "每往前一步的权重比例")},
    [A] = {.name = "a",
           .initial = 1,
           .min = 0,
           .max = 2,
           .grid = a_grid,
           .n_grid = 3,
           .doc = HD_TEXT("power of the transitions that leave an item",
                          "离开一个商品的转移总数的幂")},
    [B] = {.name = "b",
           .initial = 0.25,
           .min = 0,
           .max = 2,
           .grid = b_grid,
           .n_grid = 4,
           .doc = HD_TEXT("power of an item's popularity, taken from it", "商品热度的折减幂")},
    [WINDOW] = {.name = "window",
                .initial = 10,
                .min = 1,
                .max = MAX_WINDOW,
                .integer = true,
                .doc = HD_TEXT("steps looked back, in training and scoring",
                               "训练与打分时回看的步数")},
    [NEIGHBOURS] = {.name = "neighbours",
                    .initial = 500,
                    .min = 1,
                    .max = 100000,
                    .integer = true,
                    .doc = HD_TEXT("transitions kept per item", "每个商品保留的转移数")},
};

static void markov_free(hd_model *model) {
    markov *m = model;
    if (!m) return;
    hd_links_clear(&m->links);
    hd_free(m->leaving);
    hd_free(m->steps);
    hd_free(m->scale_to);
    hd_free(m);
}

// The rows as steps, and where each item's steps stand.
typedef struct steps {
    size_t n_items;
    uint32_t *item;     // (n) rows one after the other
    uint32_t *left;     // (n) steps that follow in the same row, at most MAX_WINDOW
    size_t *item_start; // (I + 1)
    size_t *at;         // (n) places in item[], by item, rising
    size_t window;
    double weight[MAX_WINDOW]; // decay^(d-1)
} steps;

static void steps_clear(steps *s) {
    hd_free(s->item);
    hd_free(s->left);
    hd_free(s->item_start);
    hd_free(s->at);
}

// Collapses runs; returns the number of steps.
static size_t fill_steps(steps *s, const hd_sparse *train) {
    size_t n = 0;
    for (size_t u = 0; u < train->n_rows; u++) {
        size_t first = n;
        for (size_t e = train->start[u]; e < train->start[u + 1]; e++) {
            if (n > first && s->item[n - 1] == train->col[e]) continue;
            s->item[n++] = train->col[e];
        }
        for (size_t p = first; p < n; p++) {
            size_t left = n - 1 - p;
            s->left[p] = (uint32_t)(left < MAX_WINDOW ? left : MAX_WINDOW);
        }
    }
    return n;
}

static void index_steps(steps *s, size_t n) {
    for (size_t p = 0; p < n; p++) s->item_start[s->item[p] + 1]++;
    for (size_t i = 0; i < s->n_items; i++) s->item_start[i + 1] += s->item_start[i];
    for (size_t p = 0; p < n; p++) s->at[s->item_start[s->item[p]]++] = p;
    for (size_t i = s->n_items; i > 0; i--) s->item_start[i] = s->item_start[i - 1];
    s->item_start[0] = 0;
}

static heed_err steps_init(steps *s, const hd_sparse *train, const double *values) {
    *s = (steps){.n_items = train->n_cols, .window = (size_t)values[WINDOW]};
    s->weight[0] = 1;
    for (size_t d = 1; d < MAX_WINDOW; d++) s->weight[d] = s->weight[d - 1] * values[DECAY];
    s->item = hd_alloc((train->n + 1) * sizeof *s->item);
    s->left = hd_alloc((train->n + 1) * sizeof *s->left);
    s->at = hd_alloc((train->n + 1) * sizeof *s->at);
    s->item_start = hd_calloc(s->n_items + 1, sizeof *s->item_start);
    if (!s->item || !s->left || !s->at || !s->item_start) return HD_FAIL_MEMORY(train->n * 16);
    index_steps(s, fill_steps(s, train));
    return HEED_OK;
}

static void sum_transitions(const void *ctx, uint32_t item, hd_links_sum *row) {
    const steps *s = ctx;
    for (size_t e = s->item_start[item]; e < s->item_start[item + 1]; e++) {
        size_t p = s->at[e];
        size_t reach = s->left[p] < s->window ? s->left[p] : s->window;
        for (size_t d = 1; d <= reach; d++) hd_links_add(row, s->item[p + d], s->weight[d - 1]);
    }
}

static heed_err finish(markov *m) {
    size_t n_items = m->links.n_items;
    m->scale_to = hd_alloc((n_items + 1) * sizeof *m->scale_to);
    if (!m->scale_to) return HD_FAIL_MEMORY(n_items * sizeof *m->scale_to);
    for (size_t j = 0; j < n_items; j++) {
        m->scale_to[j] = m->steps[j] > 0 ? (float)pow(m->steps[j], -m->values[B]) : 0;
    }
    return HEED_OK;
}

static heed_err markov_fit(const hd_sparse *train, const double *values, uint64_t seed,
                           hd_pool *pool, hd_model **out) {
    (void)seed; // nothing drawn
    HD_TRY(hd_model_values_check(&hd_method_markov, values));
    heed_err err = HEED_OK;
    steps s = {0};
    markov *m = hd_calloc(1, sizeof *m);
    if (!m) return HD_FAIL_MEMORY(sizeof *m);
    memcpy(m->values, values, sizeof m->values);
    m->leaving = hd_calloc(train->n_cols + 1, sizeof *m->leaving);
    m->steps = hd_calloc(train->n_cols + 1, sizeof *m->steps);
    if (!m->leaving || !m->steps) {
        err = HD_FAIL_MEMORY(train->n_cols * 16);
        goto out;
    }
    HD_TRY_OUT(steps_init(&s, train, values));
    for (size_t i = 0; i < train->n_cols; i++) {
        m->steps[i] = (double)(s.item_start[i + 1] - s.item_start[i]);
    }
    hd_links_source source = {.row = sum_transitions, .total = m->leaving, .ctx = &s};
    HD_TRY_OUT(hd_links_build(train->n_cols, (size_t)values[NEIGHBOURS], &source, pool, &m->links));
    HD_TRY_OUT(finish(m));
    *out = m;
    m = NULL;
out:
    steps_clear(&s);
    markov_free(m);
    return err;
}

static size_t markov_n_items(const hd_model *model) {
    return ((const markov *)model)->links.n_items;
}

// The steps of a history that count, and decay^l / n(i_l→·)^a for each.
static size_t voices(const markov *m, const hd_history *history, hd_past *past, double *voice) {
    size_t n = hd_past_steps(history, m->links.n_items, past, (size_t)m->values[WINDOW]);
    double decayed = 1;
    for (size_t l = 0; l < n; l++, decayed *= m->values[DECAY]) {
        double leaving = m->leaving[past[l].item];
        voice[l] = leaving > 0 ? decayed / pow(leaving, m->values[A]) : 0;
    }
    return n;
}

static heed_err markov_score(const hd_model *model, const hd_history *history, float *scores) {
    const markov *m = model;
    hd_past past[MAX_WINDOW];
    double voice[MAX_WINDOW];
    size_t n = voices(m, history, past, voice);
    memset(scores, 0, m->links.n_items * sizeof *scores);
    for (size_t l = 0; l < n; l++) {
        float x = (float)voice[l];
        uint64_t end = m->links.start[past[l].item + 1];
        for (uint64_t e = m->links.start[past[l].item]; e < end; e++) {
            scores[m->links.to[e]] += x * m->links.value[e];
        }
    }
    if (n == 0) return HEED_OK;
    for (size_t j = 0; j < m->links.n_items; j++) scores[j] *= m->scale_to[j];
    return HEED_OK;
}

static heed_err markov_reasons(const hd_model *model, const hd_history *history, uint32_t item,
                               hd_reason *out, size_t max, size_t *n) {
    const markov *m = model;
    hd_past past[MAX_WINDOW];
    double voice[MAX_WINDOW];
    hd_part parts[MAX_WINDOW];
    size_t n_past = voices(m, history, past, voice);
    for (size_t l = 0; l < n_past; l++) { // n(j)^b is the same for all, and falls out of the shares
        double part = (double)(float)voice[l] * hd_links_get(&m->links, past[l].item, item);
        parts[l] = (hd_part){past[l].entry, part};
    }
    hd_reasons_from(parts, n_past, out, max, n);
    return HEED_OK;
}

static heed_err markov_save(const hd_model *model, hd_safetensors_writer *out) {
    const markov *m = model;
    HD_TRY(hd_model_file_begin(&hd_method_markov, m->values, out));
    HD_TRY(hd_links_save(&m->links, out));
    HD_TRY(hd_safetensors_add(out, "leaving", HD_F64, 1, &m->links.n_items, m->leaving));
    return hd_safetensors_add(out, "steps", HD_F64, 1, &m->links.n_items, m->steps);
}

static heed_err read_model(const hd_safetensors *in, markov *m) {
    void *data = NULL;
    HD_TRY(hd_model_file_check(&hd_method_markov, in, m->values));
    HD_TRY(hd_links_load(in, &m->links));
    HD_TRY(hd_model_tensor(in, "leaving", HD_F64, &m->links.n_items, &data));
    m->leaving = data;
    HD_TRY(hd_model_tensor(in, "steps", HD_F64, &m->links.n_items, &data));
    m->steps = data;
    HD_TRY(hd_model_doubles_check("leaving", m->leaving, m->links.n_items));
    HD_TRY(hd_model_doubles_check("steps", m->steps, m->links.n_items));
    return finish(m);
}

static heed_err markov_load(const hd_safetensors *in, hd_model **out) {
    markov *m = hd_calloc(1, sizeof *m);
    if (!m) return HD_FAIL_MEMORY(sizeof *m);
    heed_err err = read_model(in, m);
    if (err != HEED_OK) {
        markov_free(m);
        return err;
    }
    *out = m;
    return HEED_OK;
}

const hd_method hd_method_markov = {
    .name = "markov",
    .doc = HD_TEXT("What followed the last few items for others: strong where order matters.",
                   "他人在最近这几个商品之后选择了什么：适合先后顺序重要的情形。"),
    .brief = HD_TEXT("often comes after what the user did last", "常出现在用户最近的行为之后"),
    .source = "Shani et al., JMLR 2005, with decayed skips",
    .params = params,
    .n_params = N_PARAMS,
    .fit = markov_fit,
    .n_items = markov_n_items,
    .score = markov_score,
    .reasons = markov_reasons,
    .save = markov_save,
    .load = markov_load,
    .free = markov_free,
};
