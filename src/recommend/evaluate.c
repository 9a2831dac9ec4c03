// SPDX-License-Identifier: Apache-2.0
//
// One split, and for each method: parameters, fit, ranking, figures. The baseline ("popular", when
// it is asked for) runs first and its lists are kept, so that each other method is compared with it
// user by user; all other lists are dropped once measured, and memory doesn't grow with the number
// of methods. The order of the result is that of the methods asked for.
#include "recommend/evaluate.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "recommend/trial.h"

static const char *const baseline_name = "popular";
// Compared user by user with the baseline, at each k.
static const char *const compared[] = {"hr", "ndcg"};

// What became of a method.
typedef struct run {
    const hd_method *method;
    double *values; // (n_params) chosen
    json_t *search; // log of trials, NULL when nothing was tuned
    hd_trial trial;
    bool applicable;
    hd_error why_not;
} run;

typedef struct evaluation {
    const hd_evaluate_params *params;
    const char *data_hash;
    hd_split split;
    hd_sparse columns; // transpose of split.train
    hd_rank_context context;
    run baseline; // method NULL: not asked for
} evaluation;

static void run_clear(run *r) {
    hd_free(r->values);
    json_decref(r->search);
    hd_trial_clear(&r->trial);
    memset(r, 0, sizeof *r);
}

static heed_err choose_values(const evaluation *ev, run *r) {
    const hd_evaluate_params *p = ev->params;
    if (p->tune)
        return hd_tune(&ev->split.train, p->protocol, r->method, p->seed, p->pool, r->values,
                       &r->search);
    for (size_t i = 0; i < r->method->n_params; i++) r->values[i] = r->method->params[i].initial;
    return HEED_OK;
}

static heed_err run_steps(const evaluation *ev, run *r) {
    const hd_evaluate_params *p = ev->params;
    HD_TRY(choose_values(ev, r));
    return hd_trial_run(&ev->split, r->method, r->values, p->seed, p->ks[p->n_ks - 1], p->pool,
                        &r->trial);
}

// A method that doesn't apply to this data is a result, not a failure.
static heed_err run_method(const evaluation *ev, const hd_method *method, run *r) {
    memset(r, 0, sizeof *r);
    r->method = method;
    r->values = hd_calloc(method->n_params, sizeof *r->values);
    if (!r->values) return HD_FAIL_MEMORY(method->n_params * sizeof *r->values);
    heed_err err = run_steps(ev, r);
    r->applicable = err == HEED_OK;
    if (err == HEED_UNAVAILABLE) {
        hd_error_get(&r->why_not);
        return HEED_OK;
    }
    if (err != HEED_OK) run_clear(r);
    return err;
}

static heed_err set_identity(const evaluation *ev, const run *r, json_t *entry) {
    const hd_protocol *protocol = ev->params->protocol;
    char name[64];
    snprintf(name, sizeof name, "%s/%d", protocol->name, protocol->version);
    HD_TRY(hd_json_set(entry, "method", json_string(r->method->name)));
    HD_TRY(hd_json_set(entry, "protocol", json_string(name)));
    HD_TRY(hd_json_set(entry, "split_hash", json_string(ev->split.hash)));
    HD_TRY(hd_json_set(entry, "data_hash", json_string(ev->data_hash)));
    HD_TRY(hd_json_set(entry, "seed", json_integer((json_int_t)ev->params->seed)));
    HD_TRY(hd_json_set(entry, "users", json_integer((json_int_t)ev->split.n_cases)));
    return hd_json_set(entry, "items", json_integer((json_int_t)ev->split.train.n_cols));
}

static heed_err set_why_not(const run *r, json_t *entry) {
    json_t *texts = json_object();
    HD_TRY(hd_json_set(entry, "not_applicable", texts));
    HD_TRY(hd_json_set(texts, "en", json_string(r->why_not.text[HEED_EN])));
    return hd_json_set(texts, "zh", json_string(r->why_not.text[HEED_ZH]));
}

static heed_err set_run(const run *r, json_t *entry) {
    json_t *parameters = NULL;
    HD_TRY(hd_trial_parameters(r->method, r->values, &parameters));
    HD_TRY(hd_json_set(entry, "parameters", parameters));
    HD_TRY(hd_json_set(entry, "fit_seconds", hd_json_real(r->trial.fit_seconds)));
    return hd_json_set(entry, "score_seconds", hd_json_real(r->trial.score_seconds));
}

static heed_err set_figures(const hd_metric_value *values, size_t n, json_t *entry) {
    json_t *metrics = json_object(), *intervals = NULL;
    HD_TRY(hd_json_set(entry, "metrics", metrics));
    intervals = json_object();
    HD_TRY(hd_json_set(entry, "intervals", intervals));
    for (size_t i = 0; i < n; i++) {
        HD_TRY(hd_json_set(metrics, values[i].name, hd_json_real(values[i].value)));
        if (!values[i].interval) continue;
        json_t *interval = json_array();
        HD_TRY(hd_json_set(intervals, values[i].name, interval));
        HD_TRY(hd_json_append(interval, hd_json_real(values[i].low)));
        HD_TRY(hd_json_append(interval, hd_json_real(values[i].high)));
    }
    return HEED_OK;
}

static heed_err set_measures(const evaluation *ev, const run *r, json_t *entry) {
    const hd_evaluate_params *p = ev->params;
    hd_metric_value *values = NULL;
    size_t n = 0;
    HD_TRY(hd_rank_measure(&ev->context, r->trial.cases, r->trial.n_cases, p->ks, p->n_ks, p->pool,
                           &values, &n));
    heed_err err = set_figures(values, n, entry);
    hd_free(values);
    return err;
}

static heed_err set_difference(const hd_metric_value *value, json_t *versus) {
    json_t *difference = json_object();
    HD_TRY(hd_json_set(versus, value->name, difference));
    HD_TRY(hd_json_set(difference, "difference", hd_json_real(value->value)));
    if (!value->interval) return HEED_OK;
    HD_TRY(hd_json_set(difference, "low", hd_json_real(value->low)));
    return hd_json_set(difference, "high", hd_json_real(value->high));
}

static heed_err set_versus(const evaluation *ev, const run *r, json_t *entry) {
    const hd_evaluate_params *p = ev->params;
    json_t *versus = json_object();
    HD_TRY(hd_json_set(entry, "versus_popular", versus));
    for (size_t m = 0; m < sizeof compared / sizeof *compared; m++) {
        for (size_t k = 0; k < p->n_ks; k++) {
            hd_metric_value value;
            HD_TRY(hd_rank_compare(&ev->context, ev->baseline.trial.cases, r->trial.cases,
                                   r->trial.n_cases, compared[m], p->ks[k], p->pool, &value));
            HD_TRY(set_difference(&value, versus));
        }
    }
    return HEED_OK;
}

static heed_err report_run(const evaluation *ev, run *r, json_t *results) {
    json_t *entry = json_object();
    HD_TRY(hd_json_append(results, entry));
    HD_TRY(set_identity(ev, r, entry));
    if (!r->applicable) return set_why_not(r, entry);
    HD_TRY(set_run(r, entry));
    HD_TRY(set_measures(ev, r, entry));
    json_t *search = r->search ? r->search : json_array();
    r->search = NULL;
    HD_TRY(hd_json_set(entry, "search", search));
    bool baseline = r->method == ev->baseline.method;
    if (!ev->baseline.applicable || baseline) return HEED_OK;
    return set_versus(ev, r, entry);
}

static void tell(const evaluation *ev, const char *method, size_t done) {
    const hd_evaluate_params *p = ev->params;
    if (p->progress) p->progress(p->progress_ctx, method, (double)done / (double)p->n_methods);
}

static heed_err evaluate_one(evaluation *ev, const hd_method *method, json_t *results) {
    if (method == ev->baseline.method) return report_run(ev, &ev->baseline, results);
    run r;
    HD_TRY(run_method(ev, method, &r));
    heed_err err = report_run(ev, &r, results);
    run_clear(&r);
    return err;
}

static heed_err run_baseline(evaluation *ev) {
    for (size_t i = 0; i < ev->params->n_methods; i++) {
        const hd_method *method = ev->params->methods[i];
        if (strcmp(method->name, baseline_name) == 0) return run_method(ev, method, &ev->baseline);
    }
    return HEED_OK;
}

static heed_err prepare(evaluation *ev, const hd_sparse *events) {
    const hd_evaluate_params *p = ev->params;
    HD_TRY(hd_split_make(events, p->protocol, p->seed, &ev->split));
    if (ev->split.n_cases == 0)
        return HD_FAIL(HEED_UNAVAILABLE,
                       "protocol '%s' finds nobody to evaluate in %zu events of %zu users; import "
                       "more events, or choose another protocol",
                       "评估协议“%s”在 %zu 个事件、%zu 个用户中找不到可评估的用户；请导入更多事件，"
                       "或换一个协议",
                       p->protocol->name, events->n, events->n_rows);
    HD_TRY(hd_sparse_transpose(&ev->split.train, &ev->columns));
    ev->context = (hd_rank_context){&ev->split.train, &ev->columns, p->seed, p->bootstrap};
    return run_baseline(ev);
}

heed_err hd_evaluate(const hd_sparse *events, const char *data_hash,
                     const hd_evaluate_params *params, json_t **out) {
    heed_err err = HEED_OK;
    evaluation ev = {.params = params, .data_hash = data_hash};
    json_t *results = NULL;
    assert(params->n_ks > 0 && params->n_methods > 0);
    HD_TRY_OUT(prepare(&ev, events));
    results = json_array();
    if (!results) {
        err = HD_FAIL_MEMORY(0);
        goto out;
    }
    for (size_t i = 0; i < params->n_methods; i++) {
        tell(&ev, params->methods[i]->name, i);
        HD_TRY_OUT(evaluate_one(&ev, params->methods[i], results));
    }
    tell(&ev, params->methods[params->n_methods - 1]->name, params->n_methods);
    *out = results;
    results = NULL;
out:
    json_decref(results);
    run_clear(&ev.baseline);
    hd_sparse_clear(&ev.columns);
    hd_split_clear(&ev.split);
    return err;
}
