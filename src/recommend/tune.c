// SPDX-License-Identifier: Apache-2.0
//
// Coordinate-wise search: the methods have few parameters that act nearly independently, so one
// pass over each grid finds what the whole product of grids would, at the sum of their sizes
// instead. Validation splits what is given, which during an evaluation is the training part, by the
// same protocol: the test items are nowhere in reach, and what chose is like what is measured (a
// decay that helps to guess the next item hurts where a random quarter is held out). Only a
// strictly better trial wins, so the defaults stay where the data doesn't care.
#include "recommend/tune.h"

#include <string.h>

#include "base/mem.h"
#include "measure/ranking.h"
#include "recommend/trial.h"

enum { K = 10, MAX_CASES = 10000 };

// Keeps evenly spaced cases so that at most MAX_CASES are left: the standard error of NDCG@10 is
// then below 0.005, and larger data costs no more to rank.
static void thin_cases(hd_split *split) {
    size_t step = (split->n_cases + MAX_CASES - 1) / MAX_CASES, n = 0, n_relevant = 0;
    if (step < 2) return;
    for (size_t c = 0; c < split->n_cases; c += step) {
        size_t begin = split->relevant_start[c], end = split->relevant_start[c + 1];
        memmove(split->relevant + n_relevant, split->relevant + begin,
                (end - begin) * sizeof *split->relevant);
        n_relevant += end - begin;
        split->row[n++] = split->row[c];
        split->relevant_start[n] = n_relevant;
    }
    split->n_cases = n;
}

typedef struct search {
    const hd_split *split;
    const hd_method *method;
    uint64_t seed;
    hd_pool *pool;
    json_t *log;
} search;

static heed_err log_trial(const search *s, const double *values, double score) {
    json_t *parameters = NULL;
    HD_TRY(hd_trial_parameters(s->method, values, &parameters));
    json_t *entry = json_object();
    heed_err err = hd_json_append(s->log, entry); // the log owns it from here on
    if (err != HEED_OK) {
        json_decref(parameters);
        return err;
    }
    HD_TRY(hd_json_set(entry, "parameters", parameters));
    return hd_json_set(entry, "ndcg@10", hd_json_real(score));
}

static heed_err try_values(const search *s, const double *values, double *score) {
    hd_trial trial;
    hd_rank_context context = {.train = &s->split->train};
    HD_TRY(hd_trial_run(s->split, s->method, values, s->seed, K, s->pool, &trial));
    heed_err err = hd_rank_mean(&context, trial.cases, trial.n_cases, "ndcg", K, s->pool, score);
    hd_trial_clear(&trial);
    HD_TRY(err);
    return log_trial(s, values, *score);
}

// values come in as the best so far, whose score is *best, and leave so.
static heed_err search_param(const search *s, size_t index, double *values, double *best) {
    const hd_method_param *param = &s->method->params[index];
    double start = values[index], winner = start;
    for (size_t g = 0; g < param->n_grid; g++) {
        double score;
        if (param->grid[g] == start) continue;
        values[index] = param->grid[g];
        HD_TRY(try_values(s, values, &score));
        if (score <= *best) continue;
        *best = score;
        winner = param->grid[g];
    }
    values[index] = winner;
    return HEED_OK;
}

static heed_err run_search(const search *s, double *values) {
    double best = 0;
    HD_TRY(try_values(s, values, &best));
    for (size_t i = 0; i < s->method->n_params; i++)
        if (s->method->params[i].grid) HD_TRY(search_param(s, i, values, &best));
    return HEED_OK;
}

static bool has_grid(const hd_method *method) {
    for (size_t i = 0; i < method->n_params; i++)
        if (method->params[i].grid) return true;
    return false;
}

typedef heed_err (*trials_fn)(const search *s, double *values);

// Makes the validation split and runs the trials on it.
static heed_err run_on(const hd_sparse *train, const hd_protocol *protocol, const hd_method *method,
                       uint64_t seed, hd_pool *pool, trials_fn trials, double *values,
                       json_t **log) {
    heed_err err = HEED_OK;
    hd_split split = {0};
    for (size_t i = 0; i < method->n_params; i++) values[i] = method->params[i].initial;
    search s = {&split, method, seed, pool, json_array()};
    if (!s.log) return HD_FAIL_MEMORY(0);
    if (trials) {
        HD_TRY_OUT(hd_split_make(train, protocol, seed, &split));
        thin_cases(&split);
        if (split.n_cases > 0) HD_TRY_OUT(trials(&s, values));
    }
    *log = s.log;
    s.log = NULL;
out:
    json_decref(s.log);
    hd_split_clear(&split);
    return err;
}

heed_err hd_tune(const hd_sparse *train, const hd_protocol *protocol, const hd_method *method,
                 uint64_t seed, hd_pool *pool, double *values, json_t **log) {
    trials_fn trials = has_grid(method) ? run_search : NULL;
    return run_on(train, protocol, method, seed, pool, trials, values, log);
}

static heed_err run_initial(const search *s, double *values) {
    double score;
    return try_values(s, values, &score);
}

heed_err hd_tune_not(const hd_sparse *train, const hd_protocol *protocol, const hd_method *method,
                     uint64_t seed, hd_pool *pool, double *values, json_t **log) {
    return run_on(train, protocol, method, seed, pool, run_initial, values, log);
}
