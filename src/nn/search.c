// SPDX-License-Identifier: Apache-2.0
//
// Random search: Bergstra, Bengio, JMLR 2012. Successive halving: Jamieson, Talwalkar, AISTATS
// 2016; a trial that goes on is trained again with more budget, from the start, so that a trial is
// a function of its values and budget. A value drawn depends on the seed, the trial and the name:
// adding a dimension to the space leaves the others' draws as they were.
#include "nn/search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "nn/initializer.h"

// ── Cross-validation ──

static heed_err one_fold(const char *layers, uint64_t seed, hd_data *data, const hd_fold *fold,
                         const hd_train_opts *opts, hd_evaluation *out) {
    hd_data *train = NULL, *test = NULL;
    hd_net *net = NULL;
    heed_err err = HEED_OK;
    hd_train_opts o = *opts;
    o.validation = NULL;
    o.checkpoint = o.run = NULL;
    HD_TRY_OUT(hd_data_subset(data, fold->train, fold->n_train, &train));
    HD_TRY_OUT(hd_data_subset(data, fold->test, fold->n_test, &test));
    HD_TRY_OUT(hd_net_new(layers, "", seed, &net));
    HD_TRY_OUT(hd_net_train(net, train, &o, NULL));
    HD_TRY_OUT(hd_net_evaluate(net, test, o.loss, o.metrics, o.batch, o.threads, out));
out:
    hd_net_free(net);
    hd_data_free(test);
    hd_data_free(train);
    return err;
}

typedef struct sums {
    double sum, squares;
} sums;

static void add(sums *s, double value) {
    s->sum += value;
    s->squares += value * value;
}

static hd_spread spread_of(const sums *s, size_t n) {
    double mean = s->sum / (double)n;
    double rest = (s->squares - s->sum * mean) / (double)(n - 1);
    return (hd_spread){mean, rest > 0 ? sqrt(rest) : 0};
}

heed_err hd_cross_validate(const char *layers, uint64_t seed, hd_data *data, const int32_t *labels,
                           size_t k, const hd_train_opts *opts, hd_evaluation *each,
                           hd_cross_report *out) {
    sums loss = {0, 0}, metrics[HD_METRICS] = {{0, 0}};
    hd_evaluation e = {.n_metrics = 0};
    for (size_t f = 0; f < k || f == 0; f++) {
        hd_fold fold;
        HD_TRY(hd_fold_make(data->n, k, f, opts->seed, labels, &fold));
        heed_err err = one_fold(layers, seed, data, &fold, opts, &e);
        hd_fold_clear(&fold);
        if (err != HEED_OK) return hd_error_prefix(err, "fold %zu", "第 %zu 折", f + 1);
        if (each) each[f] = e;
        add(&loss, e.loss);
        for (size_t m = 0; m < e.n_metrics; m++) add(&metrics[m], e.metrics[m]);
    }
    *out = (hd_cross_report){.folds = k, .n_metrics = e.n_metrics, .loss = spread_of(&loss, k)};
    for (size_t m = 0; m < e.n_metrics; m++) out->metrics[m] = spread_of(&metrics[m], k);
    return HEED_OK;
}

// ── Draws ──

typedef struct dimension {
    double low, high;
    bool log, whole;
    const json_t *choices;
} dimension;
static const hd_option dimension_rows[] = {
    {.name = "low",
     .type = HD_OPTION_REAL,
     .at = offsetof(dimension, low),
     .doc = HD_TEXT("least value", "最小值")},
    {.name = "high",
     .type = HD_OPTION_REAL,
     .at = offsetof(dimension, high),
     .doc = HD_TEXT("greatest value", "最大值")},
    {.name = "log",
     .type = HD_OPTION_BOOL,
     .at = offsetof(dimension, log),
     .doc = HD_TEXT("drawn evenly by ratio, not by difference", "按比例均匀取值")},
    {.name = "whole",
     .type = HD_OPTION_BOOL,
     .at = offsetof(dimension, whole),
     .doc = HD_TEXT("whole numbers alone", "只取整数")},
    {.name = "choices",
     .type = HD_OPTION_JSON,
     .at = offsetof(dimension, choices),
     .doc = HD_TEXT("instead: a list to choose from", "或者：可选值的列表")},
    {.name = NULL}};

static heed_err read_dimension(const json_t *value, const hd_where *where, dimension *out) {
    hd_where_words place = hd_where_text(where);
    if (json_is_object(value)) HD_TRY(hd_options_read(dimension_rows, value, where, out));
    bool chosen = json_is_object(value) && out->choices;
    if (chosen && json_array_size(out->choices) > 0) return HEED_OK;
    if (json_is_object(value) && !chosen && out->low < out->high && (!out->log || out->low > 0)) {
        return HEED_OK;
    }
    return HD_FAIL(HEED_INPUT,
                   "%s: give low and high (low first, above 0 where log is on), or choices: a list",
                   "%s：请给出 low 和 high（low 较小，log 时须大于 0），或 choices 列表",
                   place.text);
}

static double drawn(const dimension *d, double u) {
    double v = d->log ? d->low * pow(d->high / d->low, u) : d->low + (d->high - d->low) * u;
    return d->whole ? floor(v + 0.5) : v;
}

static json_t *draw(const dimension *d, double u) {
    if (!d->choices) {
        double v = drawn(d, u);
        return d->whole ? json_integer((json_int_t)v) : json_real(v);
    }
    size_t n = json_array_size(d->choices), i = (size_t)(u * (double)n);
    return json_incref(json_array_get(d->choices, i < n ? i : n - 1));
}

static heed_err draw_values(const hd_spec *spec, uint64_t seed, size_t trial, json_t **out) {
    json_t *space = (json_t *)(uintptr_t)hd_spec_get(spec, "space"), *value;
    hd_where where = hd_where_of(spec, "space");
    const char *name;
    json_t *values = json_object();
    heed_err err = values ? HEED_OK : HD_FAIL_MEMORY(0);
    json_object_foreach(space, name, value) {
        dimension d;
        hd_where at = hd_where_key(&where, name);
        if (err == HEED_OK) err = read_dimension(value, &at, &d);
        if (err != HEED_OK) continue;
        uint64_t bits = hd_rng_at(seed, hd_path_stream(name), trial);
        err = hd_json_set(values, name, draw(&d, (double)(bits >> 11) * 0x1p-53));
    }
    if (err != HEED_OK) hd_json_drop(&values);
    *out = values;
    return err;
}

// ── Trials ──

typedef struct trial {
    size_t number;
    json_t *values;
    double score, budget;
    bool larger; // is better
} trial;

// Best first: more budget, then the better score; failed ones last, ties by number.
static int by_rank(const void *a, const void *b) {
    const trial *x = a, *y = b;
    if (x->budget != y->budget) return x->budget > y->budget ? -1 : 1;
    if (isnan(x->score) != isnan(y->score)) return isnan(x->score) ? 1 : -1;
    if (x->score != y->score && !isnan(x->score))
        return (x->score > y->score) == x->larger ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static heed_err leaderboard(const trial *trials, size_t n, json_t **out) {
    json_t *list = json_array();
    heed_err err = list ? HEED_OK : HD_FAIL_MEMORY(0);
    trial *sorted = hd_calloc(n + 1, sizeof *sorted);
    if (!sorted) err = HD_FAIL_MEMORY(n * sizeof *sorted);
    if (err == HEED_OK) {
        memcpy(sorted, trials, n * sizeof *sorted);
        qsort(sorted, n, sizeof *sorted, by_rank);
    }
    for (size_t i = 0; err == HEED_OK && i < n && sorted[i].budget > 0; i++) {
        json_t *row;
        err = hd_json_pack(&row, "{s:I, s:I, s:o, s:f, s:O}", "rank", (json_int_t)i + 1, "trial",
                           (json_int_t)sorted[i].number, "score", hd_json_real(sorted[i].score),
                           "budget", sorted[i].budget, "values", sorted[i].values);
        if (err == HEED_OK) err = hd_json_append(list, row);
    }
    hd_free(sorted);
    if (err != HEED_OK) hd_json_drop(&list);
    *out = list;
    return err;
}

static heed_err write_board(const hd_search_opts *o, const trial *trials, size_t n) {
    json_t *list;
    hd_str text;
    if (!o->leaderboard) return HEED_OK;
    HD_TRY(leaderboard(trials, n, &list));
    hd_str_init(&text);
    heed_err err = hd_json_dump(list, true, &text);
    if (err == HEED_OK) err = hd_fs_write(o->leaderboard, text.data, text.len, 0644);
    hd_str_clear(&text);
    json_decref(list);
    return err;
}

// One round: the first `going` of the trials with that budget.
static heed_err run_round(const hd_search_opts *o, trial *trials, size_t n, size_t going,
                          double budget) {
    for (size_t i = 0; i < going; i++) {
        trial *t = &trials[i];
        double score = NAN;
        HD_TRY(o->trial(o->ctx, t->values, budget, t->number, &score));
        t->score = score;
        t->budget = budget;
        HD_TRY(write_board(o, trials, n));
    }
    qsort(trials, n, sizeof *trials, by_rank);
    return HEED_OK;
}

static heed_err run_all(const hd_search_opts *o, trial *trials, size_t n) {
    if (o->halving < 2) return run_round(o, trials, n, n, 1);
    double budget = o->least > 0 && o->least <= 1 ? o->least : 1.0 / 9;
    size_t going = n;
    for (;;) {
        HD_TRY(run_round(o, trials, n, going, budget));
        if (budget >= 1) return HEED_OK;
        going = going / o->halving > 0 ? going / o->halving : 1;
        budget = fmin(1, budget * (double)o->halving);
    }
}

static heed_err search(const hd_search_opts *o, const hd_spec *spec, trial *trials, size_t n,
                       json_t **out) {
    if (json_object_size(hd_spec_get(spec, "space")) == 0) {
        return HD_FAIL(HEED_INPUT,
                       "space: name what is searched, each with low and high or choices",
                       "space：请列出要搜索的参数，各带 low 与 high 或 choices");
    }
    for (size_t i = 0; i < n; i++) {
        trials[i] = (trial){.number = i, .score = NAN, .larger = o->larger_is_better};
        HD_TRY(draw_values(spec, o->seed, i, &trials[i].values));
    }
    HD_TRY(run_all(o, trials, n));
    return leaderboard(trials, n, out);
}

heed_err hd_search_run(const hd_search_opts *o, json_t **out) {
    hd_spec spec;
    size_t n = o->trials > 0 ? o->trials : 16;
    HD_TRY(hd_spec_parse(o->space, "space", "", &spec));
    trial *trials = hd_calloc(n, sizeof *trials);
    heed_err err = trials ? search(o, &spec, trials, n, out) : HD_FAIL_MEMORY(n * sizeof *trials);
    for (size_t i = 0; trials && i < n; i++) json_decref(trials[i].values);
    hd_free(trials);
    hd_spec_clear(&spec);
    return err;
}
