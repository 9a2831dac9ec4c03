// SPDX-License-Identifier: Apache-2.0
//
// Ranking is full: every item of the index that isn't in the user's training row competes, with no
// sampled negatives. Cases are cut into chunks of a fixed size; a chunk has one buffer of scores.
// The asking instant given to methods is the end of the training data, for all users alike: the
// time of the held-out event is part of the answer.
#include "recommend/trial.h"

#include <string.h>

#include "base/mem.h"
#include "base/time.h"
#include "kernel/topk.h"

enum { CASES_PER_CHUNK = 32 };

typedef struct rank_job {
    const hd_split *split;
    const hd_method *method;
    const hd_model *model;
    size_t k;
    hd_trial *trial;
} rank_job;

static hd_history history_of(const hd_sparse *train, size_t row) {
    size_t at = train->start[row];
    return (hd_history){
        .item = train->col + at,
        .weight = train->weight + at,
        .time = train->time ? train->time + at : NULL,
        .source = train->source ? train->source + at : NULL,
        .n = hd_sparse_row_len(train, row),
        .now = HD_TIME_NONE,
    };
}

// allow: (n_items), all true before and after.
static size_t rank_unseen(const hd_history *history, const float *scores, bool *allow,
                          size_t n_items, size_t k, uint32_t *out) {
    for (size_t e = 0; e < history->n; e++) allow[history->item[e]] = false;
    size_t n = hd_topk(scores, allow, n_items, k, out);
    for (size_t e = 0; e < history->n; e++) allow[history->item[e]] = true;
    return n;
}

static heed_err rank_chunk(void *ctx, size_t chunk) {
    const rank_job *job = ctx;
    const hd_sparse *train = &job->split->train;
    heed_err err = HEED_OK;
    size_t begin = chunk * CASES_PER_CHUNK, end = begin + CASES_PER_CHUNK;
    if (end > job->split->n_cases) end = job->split->n_cases;
    float *scores = hd_alloc(train->n_cols * sizeof *scores);
    bool *allow = hd_alloc(train->n_cols * sizeof *allow);
    if (!scores || !allow) {
        err = HD_FAIL_MEMORY(train->n_cols * (sizeof *scores + sizeof *allow));
        goto out;
    }
    memset(allow, true, train->n_cols * sizeof *allow);
    for (size_t c = begin; c < end; c++) {
        hd_rank_case *one = &job->trial->cases[c];
        hd_history history = history_of(train, one->row);
        HD_TRY_OUT(job->method->score(job->model, &history, scores));
        one->n_ranked = rank_unseen(&history, scores, allow, train->n_cols, job->k,
                                    job->trial->ranked + c * job->k);
    }
out:
    hd_free(scores);
    hd_free(allow);
    return err;
}

static heed_err alloc_cases(const hd_split *split, size_t k, hd_trial *out) {
    out->n_cases = split->n_cases;
    out->cases = hd_calloc(split->n_cases, sizeof *out->cases);
    out->ranked = hd_calloc(split->n_cases, k * sizeof *out->ranked);
    if (!out->cases || !out->ranked)
        return HD_FAIL_MEMORY(split->n_cases * (sizeof *out->cases + k * sizeof *out->ranked));
    for (size_t c = 0; c < split->n_cases; c++) {
        size_t begin = split->relevant_start[c];
        out->cases[c] = (hd_rank_case){
            .row = split->row[c],
            .ranked = out->ranked + c * k,
            .relevant = split->relevant + begin,
            .n_relevant = split->relevant_start[c + 1] - begin,
        };
    }
    return HEED_OK;
}

static double seconds_since(int64_t start) {
    return (double)(hd_time_monotonic() - start) / 1000;
}

heed_err hd_trial_run(const hd_split *split, const hd_method *method, const double *values,
                      uint64_t seed, size_t k, hd_pool *pool, hd_trial *out) {
    heed_err err = HEED_OK;
    hd_model *model = NULL;
    if (k > split->train.n_cols) k = split->train.n_cols;
    memset(out, 0, sizeof *out);
    if (method->needs_time && !split->train.time)
        return HD_FAIL(HEED_UNAVAILABLE,
                       "method '%s' needs the times of events and this data has none",
                       "方法“%s”需要事件时间，而数据中没有时间", method->name);
    HD_TRY_OUT(alloc_cases(split, k, out));
    int64_t start = hd_time_monotonic();
    HD_TRY_OUT(method->fit(&split->train, values, seed, pool, &model));
    if (method->needs_rows) HD_TRY_OUT(method->attach(model, &split->train));
    out->fit_seconds = seconds_since(start);
    start = hd_time_monotonic();
    rank_job job = {split, method, model, k, out};
    size_t n_chunks = (split->n_cases + CASES_PER_CHUNK - 1) / CASES_PER_CHUNK;
    HD_TRY_OUT(hd_pool_run(pool, n_chunks, rank_chunk, &job));
    out->score_seconds = seconds_since(start);
out:
    method->free(model);
    if (err != HEED_OK) hd_trial_clear(out);
    return err;
}

void hd_trial_clear(hd_trial *trial) {
    hd_free(trial->cases);
    hd_free(trial->ranked);
    memset(trial, 0, sizeof *trial);
}

heed_err hd_trial_parameters(const hd_method *method, const double *values, json_t **out) {
    json_t *object = json_object();
    if (!object) return HD_FAIL_MEMORY(0);
    for (size_t i = 0; i < method->n_params; i++) {
        const hd_method_param *p = &method->params[i];
        json_t *value = p->integer ? json_integer((json_int_t)values[i]) : hd_json_real(values[i]);
        heed_err err = hd_json_set(object, p->name, value);
        if (err == HEED_OK) continue;
        json_decref(object);
        return err;
    }
    *out = object;
    return HEED_OK;
}
