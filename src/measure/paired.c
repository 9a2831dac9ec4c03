// SPDX-License-Identifier: Apache-2.0
//
// The paired bootstrap: a resample draws rows once and computes the figure of both models from
// them. For accuracy p is McNemar's, exact (Binomial(b + c, ½)), since it needs no resamples and no
// large numbers. With several trainings of the model, and for the others, p is twice the smaller
// share of resamples on either side of 0, with one added to each count (Davison and Hinkley 1997,
// chapter 4).
#include "measure/paired.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "measure/bootstrap.h"
#include "measure/figure.h"

double hd_mcnemar(size_t only_one, size_t only_other) {
    size_t n = only_one + only_other, few = only_one < only_other ? only_one : only_other;
    double sum = 0;
    for (size_t i = 0; i <= few; i++) {
        sum += exp(lgamma((double)n + 1) - lgamma((double)i + 1) - lgamma((double)(n - i) + 1) -
                   (double)n * log(2));
    }
    return fmin(1, 2 * sum);
}

typedef struct pair {
    const hd_outcome *models, *baseline;
    size_t trainings;
    const hd_figure *figure;
    size_t cells;
} pair;

static heed_err figure_of(const pair *p, const hd_outcome *o, const uint32_t *times, double *out) {
    double *confusion = hd_calloc(p->cells, sizeof *confusion);
    if (!confusion) return HD_FAIL_MEMORY(p->cells * sizeof *confusion);
    hd_drawn drawn = hd_drawn_make(o, times, confusion);
    *out = p->figure->of(&drawn);
    hd_free(confusion);
    return HEED_OK;
}

// times: of the rows and, behind them, of the trainings if they are several. NULL: each once.
static heed_err difference(void *ctx, const uint32_t *times, double *out) {
    const pair *p = ctx;
    const uint32_t *drawn = times && p->trainings > 1 ? times + p->baseline->p.n : NULL;
    double sum = 0, baseline = 0;
    for (size_t s = 0; s < p->trainings; s++) {
        double model = 0;
        if (drawn && drawn[s] == 0) continue;
        HD_TRY(figure_of(p, &p->models[s], times, &model));
        sum += drawn ? drawn[s] * model : model;
    }
    HD_TRY(figure_of(p, p->baseline, times, &baseline));
    *out = sum / (double)p->trainings - baseline;
    return HEED_OK;
}

static heed_err check_same_truth(const hd_predictions *a, const hd_predictions *b) {
    bool same = a->task == b->task && a->n == b->n && a->k == b->k;
    if (same && a->task == HD_TASK_CLASSES) {
        same = memcmp(a->labels, b->labels, a->n * sizeof *a->labels) == 0;
    } else if (same && a->task == HD_TASK_VALUES) {
        same = memcmp(a->targets, b->targets, a->n * a->k * sizeof *a->targets) == 0;
    }
    if (same) return HEED_OK;
    return HD_FAIL(HEED_INPUT, "the two models did not predict the same rows",
                   "两个模型预测的不是相同的行");
}

static double mcnemar_of(const pair *p) {
    size_t only[2] = {0};
    const int32_t *label = p->models->p.labels;
    for (size_t i = 0; i < p->models->p.n; i++) {
        bool a = p->models->predicted[i] == label[i], b = p->baseline->predicted[i] == label[i];
        only[0] += a && !b;
        only[1] += b && !a;
    }
    return hd_mcnemar(only[0], only[1]);
}

static double bootstrap_p(const double *values, size_t n) {
    size_t above = 1, below = 1;
    for (size_t b = 0; b < n; b++) {
        above += values[b] >= 0;
        below += values[b] <= 0;
    }
    return fmin(1, 2 * (double)(above < below ? above : below) / (double)(n + 1));
}

static heed_err compare(const pair *p, const hd_evaluation_opts *opts, hd_paired *out) {
    heed_err err = HEED_OK;
    size_t n = opts->bootstrap;
    hd_resampling what = {.n = p->baseline->p.n,
                          .m = 1,
                          .resamples = n,
                          .block = opts->block,
                          .seed = opts->seed,
                          .beside = p->trainings > 1 ? p->trainings : 0,
                          .fn = difference,
                          .ctx = (void *)(uintptr_t)p};
    double *values = hd_calloc(n, sizeof *values), *scratch = hd_calloc(n, sizeof *scratch);
    if (!values || !scratch) {
        err = HD_FAIL_MEMORY(2 * n * sizeof *values);
        goto out;
    }
    HD_TRY_OUT(difference((void *)(uintptr_t)p, NULL, &out->difference));
    HD_TRY_OUT(hd_bootstrap_figures(&what, opts->pool, values));
    out->low = hd_column_percentile(values, n, 1, 0, .025, scratch);
    out->high = hd_column_percentile(values, n, 1, 0, .975, scratch);
    bool exact = p->trainings == 1 && strcmp(p->figure->name, "accuracy") == 0;
    out->p = exact ? mcnemar_of(p) : bootstrap_p(values, n);
    out->trainings = p->trainings;
out:
    hd_free(values);
    hd_free(scratch);
    return err;
}

static heed_err check_figure(const hd_figure *found, const char *figure, size_t k) {
    if (!found || (found->binary && k != 2)) {
        return HD_FAIL(HEED_NOT_FOUND, "there is no figure '%s' of this task", "该任务没有指标“%s”",
                       figure);
    }
    if (found->single) {
        return HD_FAIL(HEED_USAGE, "'%s' can't be compared: it has no interval",
                       "指标“%s”没有置信区间，不能比较", figure);
    }
    return HEED_OK;
}

heed_err hd_paired_compare_trained(const hd_predictions *models, size_t n,
                                   const hd_predictions *baseline, const char *figure,
                                   const hd_evaluation_opts *opts, hd_paired *out) {
    heed_err err = HEED_OK;
    size_t k = baseline->k;
    hd_outcome *a = hd_calloc(n, sizeof *a), b = {.row = NULL};
    pair p = {a, &b, n, hd_figure_find(baseline->task, figure),
              baseline->task == HD_TASK_CLASSES ? k * k : 1};
    *out = (hd_paired){0};
    if (!a) return HD_FAIL_MEMORY(n * sizeof *a);
    for (size_t s = 0; s < n; s++) HD_TRY_OUT(check_same_truth(&models[s], baseline));
    HD_TRY_OUT(check_figure(p.figure, figure, k));
    for (size_t s = 0; s < n; s++) HD_TRY_OUT(hd_outcome_init(&models[s], p.figure->curve, &a[s]));
    HD_TRY_OUT(hd_outcome_init(baseline, p.figure->curve, &b));
    HD_TRY_OUT(compare(&p, opts, out));
out:
    for (size_t s = 0; s < n; s++) hd_outcome_clear(&a[s]);
    hd_outcome_clear(&b);
    hd_free(a);
    return err;
}

heed_err hd_paired_compare(const hd_predictions *model, const hd_predictions *baseline,
                           const char *figure, const hd_evaluation_opts *opts, hd_paired *out) {
    return hd_paired_compare_trained(model, 1, baseline, figure, opts, out);
}

heed_err hd_paired_json(const hd_paired *paired, const char *baseline, const char *figure,
                        json_t **out) {
    heed_err err = HEED_OK;
    HD_TRY(hd_json_pack(out, "{s:s, s:s}", "baseline", baseline, "metric", figure));
    HD_TRY_OUT(hd_json_set(*out, "difference", hd_json_real(paired->difference)));
    HD_TRY_OUT(hd_json_set(*out, "low", hd_json_real(paired->low)));
    HD_TRY_OUT(hd_json_set(*out, "high", hd_json_real(paired->high)));
    HD_TRY_OUT(hd_json_set(*out, "p", hd_json_real(paired->p)));
    if (paired->trainings > 1)
        HD_TRY_OUT(hd_json_set(*out, "trainings", json_integer((json_int_t)paired->trainings)));
out:
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}
