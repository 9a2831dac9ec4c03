// SPDX-License-Identifier: Apache-2.0
//
// Figures: every model on the same test rows, each compared with the linear baseline row by row;
// of several trainings with its mean over them; the choice among models by validation rows alone;
// the worst mistakes.
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "measure/paired.h"
#include "recipe/language.h"

static hd_task task_of(const hd_run *run) {
    return run->recipe->task == HD_RECIPE_CLASSES  ? HD_TASK_CLASSES
           : run->recipe->task == HD_RECIPE_VALUES ? HD_TASK_VALUES
                                                   : HD_TASK_LANGUAGE;
}

hd_predictions hd_run_predictions(const hd_run *run, hd_part part, const hd_scores *scores) {
    return (hd_predictions){.task = task_of(run),
                            .n = scores->n,
                            .k = run->prepared.target.k,
                            .scores = scores->at,
                            .labels = run->labels[part],
                            .targets = run->values[part],
                            .classes = run->prepared.target.names};
}

const char *const *hd_run_figures(const hd_run *run, size_t *n) {
    return hd_recipe_figures(run->recipe->task, n);
}

const char *hd_run_figure(const hd_run *run) {
    return run->recipe->figure ? run->recipe->figure : hd_evaluation_main(task_of(run));
}

static hd_evaluation_opts evaluation_opts(const hd_run *run) {
    hd_evaluation_opts opts = hd_evaluation_opts_default();
    opts.seed = run->seed;
    opts.pool = run->pool;
    opts.block = run->prepared.samples[HD_PART_TEST].block;
    return opts;
}

// ── Figures and comparisons ──

// Of the test rows by the s-th training.
static const hd_scores *test_of(const hd_run_model *model, size_t s) {
    return s == 0 ? &model->test : &model->again[s - 1];
}

static heed_err add_figures(hd_run *run, hd_run_model *model, size_t s) {
    size_t n;
    const char *const *names = hd_run_figures(run, &n);
    hd_predictions p = hd_run_predictions(run, HD_PART_TEST, test_of(model, s));
    for (size_t f = 0; f < n; f++) {
        HD_TRY(hd_evaluation_figure(&p, names[f], &model->figures[f][s]));
    }
    model->n_seeds = s + 1;
    return HEED_OK;
}

static heed_err judge_seeds(hd_run *run, hd_run_model *model) {
    if (!model->again || model->why.code != HEED_OK) return HEED_OK;
    for (size_t s = 0; s < run->seeds; s++) HD_TRY(add_figures(run, model, s));
    return HEED_OK;
}

// The recipe's, or the first of these that it compares with (of language once they are judged).
static hd_run_model *baseline_of(hd_run *run) {
    const char *const names[] = {run->recipe->baseline,
                                 "logistic",
                                 "linear",
                                 "svm",
                                 "naive_bayes",
                                 "majority",
                                 "mean",
                                 "markov",
                                 "ngram"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        for (size_t m = 0; names[i] && m < run->n_models; m++) {
            hd_run_model *model = &run->models[m];
            const bool judged = model->test.n > 0 || model->n_stretches > 0;
            if (strcmp(model->name, names[i]) == 0 && judged) return model;
        }
    }
    return NULL;
}

// By one figure. Caller: json_decref.
static heed_err compare_by(const hd_run *run, const hd_run_model *model,
                           const hd_run_model *baseline, const char *figure, json_t **out) {
    hd_paired paired;
    hd_predictions *each;
    hd_predictions other = hd_run_predictions(run, HD_PART_TEST, &baseline->test);
    hd_evaluation_opts opts = evaluation_opts(run);
    size_t n = model->n_seeds > 0 ? model->n_seeds : 1;
    if (!(each = hd_calloc(n, sizeof *each))) return HD_FAIL_MEMORY(n * sizeof *each);
    for (size_t s = 0; s < n; s++)
        each[s] = hd_run_predictions(run, HD_PART_TEST, test_of(model, s));
    heed_err err = hd_paired_compare_trained(each, n, &other, figure, &opts, &paired);
    hd_free(each);
    HD_TRY(err);
    return hd_paired_json(&paired, baseline->name, figure, out);
}

// By the recipe's figure; by the usual one too, so that a choice of another hides nothing.
static heed_err compare(const hd_run *run, hd_run_model *model, const hd_run_model *baseline) {
    json_t *usual;
    HD_TRY(compare_by(run, model, baseline, hd_run_figure(run), &model->versus));
    if (!run->recipe->figure) return HEED_OK;
    HD_TRY(compare_by(run, model, baseline, hd_evaluation_main(task_of(run)), &usual));
    return hd_json_set(model->versus, "usual", usual);
}

static heed_err compare_languages(hd_run *run) {
    const hd_run_model *baseline = baseline_of(run);
    for (size_t i = 0; baseline && i < run->n_models; i++) {
        hd_run_model *model = &run->models[i];
        if (model == baseline || !model->evaluation || model->versus) continue;
        HD_TRY(hd_language_compare(run, model, baseline));
    }
    return HEED_OK;
}

// Shares of a value mean nothing where values are shifted and scaled first.
static void drop_shares(const hd_run *run, json_t *evaluation) {
    static const char *const names[] = {"mape", "smape"};
    const hd_input_forecast *forecast = run->prepared.kind->forecast;
    json_t *output;
    size_t i;
    if (!forecast || !forecast->unit(run->prepared.fitted).en) return;
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
        json_object_del(evaluation, names[n]);
        json_object_del(json_object_get(evaluation, "intervals"), names[n]);
        json_array_foreach(json_object_get(evaluation, "outputs"), i, output)
            json_object_del(output, names[n]);
    }
}

heed_err hd_run_judge(hd_run *run) {
    const hd_run_model *baseline = baseline_of(run);
    hd_evaluation_opts opts = evaluation_opts(run);
    for (size_t i = 0; i < run->n_models; i++) {
        hd_run_model *model = &run->models[i];
        if (model->why.code != HEED_OK || model->evaluation) continue;
        if (run->recipe->task == HD_RECIPE_LANGUAGE) {
            HD_TRY(hd_language_judge(run, model));
            continue;
        }
        if (model->test.n == 0) continue;
        hd_predictions p = hd_run_predictions(run, HD_PART_TEST, &model->test);
        heed_err err = hd_evaluation_json(&p, &opts, &model->evaluation);
        if (err != HEED_OK) return hd_error_prefix(err, "%s", "%s", model->name);
        drop_shares(run, model->evaluation);
        HD_TRY(judge_seeds(run, model));
        if (baseline && model != baseline) HD_TRY(compare(run, model, baseline));
    }
    return run->recipe->task == HD_RECIPE_LANGUAGE ? compare_languages(run) : HEED_OK;
}

// ── The choice ──
//
// `main: best` takes what has the best figure on validation rows, unless a simpler kind of model is
// within one standard error of it (Breiman et al. 1984): then the rows don't say that the costlier
// one is better, and it would be chosen for their noise. Simple: classical models, then networks,
// then a blend of them.

enum { KINDS = 3 };

static bool is_baseline(const hd_run_model *model) {
    return strcmp(model->name, "majority") == 0 || strcmp(model->name, "mean") == 0;
}

const char *hd_run_kind(const hd_run_model *model) {
    return model->blend         ? "blend"
           : model->network     ? "network"
           : is_baseline(model) ? "baseline"
                                : "classic";
}

static size_t rank_of(const hd_run_model *model) {
    return model->blend ? 2 : model->network ? 1 : 0;
}

typedef struct candidate {
    hd_run_model *model; // NULL: none of this kind
    double value;
} candidate;

static heed_err value_of(const hd_run *run, const hd_run_model *model, const char *figure,
                         double *out) {
    *out = 0;
    if (model->validation.n == 0) return HEED_OK;
    hd_predictions p = hd_run_predictions(run, HD_PART_VALIDATION, &model->validation);
    return hd_evaluation_figure(&p, figure, out);
}

// The best of each kind.
static heed_err find_best(hd_run *run, const char *figure, bool higher, candidate best[KINDS]) {
    for (size_t i = 0; i < run->n_models; i++) {
        hd_run_model *model = &run->models[i];
        candidate *c = &best[rank_of(model)];
        double value;
        if (model->lm || model->why.code != HEED_OK) continue; // what counts isn't kept
        HD_TRY(value_of(run, model, figure, &value));
        if (!c->model || (higher ? value > c->value : value < c->value))
            *c = (candidate){model, value};
    }
    return HEED_OK;
}

// Whether the difference to the better one is within its standard error.
static heed_err is_near(const hd_run *run, const hd_run_model *model, const hd_run_model *better,
                        const char *figure, bool *out) {
    static const double errors_wide = 2 * 1.959963984540054; // of a 95% interval
    hd_paired paired;
    *out = false;
    if (model->validation.n == 0 || task_of(run) == HD_TASK_LANGUAGE) return HEED_OK;
    hd_evaluation_opts opts = evaluation_opts(run);
    opts.block = run->validation_block;
    hd_predictions one = hd_run_predictions(run, HD_PART_VALIDATION, &model->validation);
    hd_predictions other = hd_run_predictions(run, HD_PART_VALIDATION, &better->validation);
    HD_TRY(hd_paired_compare(&one, &other, figure, &opts, &paired));
    *out = fabs(paired.difference) <= (paired.high - paired.low) / errors_wide;
    return HEED_OK;
}

static heed_err choose_best(hd_run *run) {
    const char *figure = hd_run_figure(run);
    bool higher = true, near = false;
    candidate kinds[KINDS] = {{NULL, 0}}, best = {NULL, 0};
    if (task_of(run) != HD_TASK_LANGUAGE)
        HD_TRY(hd_evaluation_higher(task_of(run), figure, &higher));
    HD_TRY(find_best(run, figure, higher, kinds));
    for (size_t k = 0; k < KINDS; k++) {
        if (!kinds[k].model) continue;
        if (!best.model || (higher ? kinds[k].value > best.value : kinds[k].value < best.value))
            best = kinds[k];
    }
    run->main = best.model;
    for (size_t k = 0; run->main && k < rank_of(best.model) && !near; k++) {
        if (!kinds[k].model) continue;
        HD_TRY(is_near(run, kinds[k].model, best.model, figure, &near));
        if (near) run->main = kinds[k].model;
    }
    return HEED_OK;
}

heed_err hd_run_choose(hd_run *run) {
    if (strcmp(run->recipe->main, "best") == 0) {
        HD_TRY(choose_best(run));
    } else {
        for (size_t i = 0; i < run->n_models; i++) {
            hd_run_model *model = &run->models[i];
            if (model->lm || strcmp(model->name, run->recipe->main) != 0) continue;
            run->main = model;
            return model->why.code == HEED_OK ? HEED_OK : hd_error_restore(&model->why);
        }
    }
    if (run->main) return HEED_OK;
    if (task_of(run) == HD_TASK_LANGUAGE) {
        return HD_FAIL(HEED_INPUT,
                       "of models of language, networks alone can be registered: set "
                       "'main' to one",
                       "语言模型中只有网络可以注册：请把“main”设为某个网络");
    }
    return run->n_models > 0 ? hd_error_restore(&run->models[0].why)
                             : HD_FAIL(HEED_INPUT, "no model was trained", "没有训练任何模型");
}

// ── The worst mistakes ──

typedef struct mistake {
    size_t at;   // sample of the test part at hand
    double miss; // the larger, the worse
} mistake;

static int by_miss(const void *a, const void *b) {
    const mistake *x = a, *y = b;
    if (x->miss != y->miss) return x->miss > y->miss ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static size_t most_likely(const float *p, size_t k) {
    size_t best = 0;
    for (size_t c = 1; c < k; c++) {
        if (p[c] > p[best]) best = c;
    }
    return best;
}

// How wrong a row is; negative: not at all. Of classes: how sure the wrong answer was.
static double miss_of(const hd_predictions *p, size_t i) {
    const float *scores = p->scores + i * p->k;
    if (p->task == HD_TASK_CLASSES) {
        size_t best = most_likely(scores, p->k);
        return best == (size_t)p->labels[i] ? -1 : (double)scores[best];
    }
    double sum = 0;
    for (size_t c = 0; c < p->k; c++) {
        sum += fabs((double)scores[c] - (double)p->targets[i * p->k + c]);
    }
    return sum;
}

static heed_err values_json(const float *values, size_t k, json_t **out) {
    if (k == 1) {
        *out = hd_json_real(hd_json_decimal(values[0]));
        return *out ? HEED_OK : HD_FAIL_MEMORY(0);
    }
    *out = json_array();
    if (!*out) return HD_FAIL_MEMORY(0);
    for (size_t c = 0; c < k && c < 16; c++) {
        HD_TRY(hd_json_append(*out, hd_json_real(hd_json_decimal(values[c]))));
    }
    return HEED_OK;
}

heed_err hd_run_own_values(const hd_run *run, size_t sample, const float *values, float **out) {
    const hd_prepared *p = &run->prepared;
    const size_t k = p->target.k;
    *out = hd_calloc(k, sizeof **out);
    if (!*out) return HD_FAIL_MEMORY(k * sizeof **out);
    memcpy(*out, values, k * sizeof **out);
    if (p->kind->forecast) p->kind->forecast->restore(p->fitted, sample, *out, k);
    return HEED_OK;
}

static heed_err own_values(const hd_run *run, size_t sample, const float *values, json_t **out) {
    float *own;
    *out = NULL;
    HD_TRY(hd_run_own_values(run, sample, values, &own));
    heed_err err = values_json(own, run->prepared.target.k, out);
    hd_free(own);
    return err;
}

// sample: among the test rows at hand; i: among all.
static heed_err add_answer(const hd_run *run, const hd_predictions *p, size_t sample, size_t i,
                           json_t *json) {
    json_t *truth = NULL, *said = NULL;
    const float *scores = p->scores + i * p->k;
    if (p->task == HD_TASK_CLASSES) {
        size_t best = most_likely(scores, p->k);
        HD_TRY(hd_json_set(json, "truth", json_string(p->classes[p->labels[i]])));
        HD_TRY(hd_json_set(json, "predicted", json_string(p->classes[best])));
        return hd_json_set(json, "score", hd_json_real(hd_json_decimal(scores[best])));
    }
    heed_err err = own_values(run, sample, p->targets + i * p->k, &truth);
    HD_TRY(hd_json_set(json, "truth", truth));
    HD_TRY(err);
    err = own_values(run, sample, scores, &said);
    HD_TRY(hd_json_set(json, "predicted", said));
    HD_TRY(err);
    return hd_json_set(json, "score", hd_json_real(miss_of(p, i)));
}

static heed_err add_mistake(hd_run *run, const hd_predictions *p, size_t before, size_t at) {
    const hd_prepared *prepared = &run->prepared;
    const hd_rows *rows = &prepared->parts.rows[HD_PART_TEST];
    const hd_samples *samples = &prepared->samples[HD_PART_TEST];
    size_t row = samples->row ? samples->row[at] : rows->first + at;
    json_t *json = NULL;
    HD_TRY(prepared->kind->show(prepared->fitted, rows, at, row, &json));
    heed_err err = hd_json_set(json, "row", json_string(run->places[before + at]));
    if (err == HEED_OK) err = add_answer(run, p, at, before + at, json);
    if (err != HEED_OK) {
        json_decref(json);
        return err;
    }
    return hd_json_append(run->worst, json);
}

// Of all folds' so far: the worst first.
static heed_err keep_worst(json_t *list) {
    for (size_t i = 1; i < json_array_size(list); i++) { // insertion: folds come sorted
        json_t *one = json_incref(json_array_get(list, i));
        const double score = json_number_value(json_object_get(one, "score"));
        size_t to = i;
        while (to > 0 &&
               json_number_value(json_object_get(json_array_get(list, to - 1), "score")) < score)
            to--;
        int failed = to < i ? json_array_remove(list, i) : 0;
        if (to < i && failed == 0) failed = json_array_insert(list, to, one);
        json_decref(one);
        if (failed != 0) return HD_FAIL_MEMORY(0);
    }
    while (json_array_size(list) > HD_RUN_WORST)
        (void)!json_array_remove(list, json_array_size(list) - 1);
    return HEED_OK;
}

heed_err hd_run_worst(hd_run *run, const hd_run_model *model, size_t n) {
    if (!run->worst && !(run->worst = json_array())) return HD_FAIL_MEMORY(0);
    if (task_of(run) == HD_TASK_LANGUAGE || n == 0 || model->test.n < n) return HEED_OK;
    hd_predictions p = hd_run_predictions(run, HD_PART_TEST, &model->test);
    size_t before = p.n - n, found = 0;
    mistake *all = hd_calloc(n, sizeof *all);
    if (!all) return HD_FAIL_MEMORY(n * sizeof *all);
    for (size_t i = 0; i < n; i++) {
        double miss = miss_of(&p, before + i);
        if (miss > 0) all[found++] = (mistake){i, miss};
    }
    qsort(all, found, sizeof *all, by_miss);
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < found && i < HD_RUN_WORST; i++) {
        err = add_mistake(run, &p, before, all[i].at);
    }
    hd_free(all);
    return err == HEED_OK ? keep_worst(run->worst) : err;
}
