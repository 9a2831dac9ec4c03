// SPDX-License-Identifier: Apache-2.0
//
// A search whose trials are trainings of a network written as a text with $names in it. Texts and
// not a function of the caller's: the space, the layers and the options can then stand in one page.
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "nn/runner.h"
#include "nn/search.h"

typedef struct subject {
    const char *layers;
    uint64_t seed;
    hd_data *train;
    hd_train_opts opts;
    size_t scored;    // trials that have a score
    hd_error failure; // of the last one that failed
} subject;

// ── Values in texts ──

static void add_value(const json_t *value, hd_str *out) {
    if (json_is_string(value)) {
        hd_str_add(out, json_string_value(value));
    } else if (json_is_integer(value)) {
        hd_str_addf(out, "%lld", (long long)json_integer_value(value));
    } else if (json_is_boolean(value)) {
        hd_str_add(out, json_is_true(value) ? "true" : "false");
    } else {
        hd_str_addf(out, "%.9g", json_number_value(value));
    }
}

// text with each $name replaced by its value. text may be NULL: *out stays empty.
static heed_err fill_in(const char *text, const json_t *values, hd_str *out) {
    for (const char *at = text; at && *at;) {
        size_t plain = strcspn(at, "$"), n = 0;
        char name[64];
        hd_str_addn(out, at, plain);
        at += plain;
        if (!*at) break;
        while (isalnum((unsigned char)at[1 + n]) || at[1 + n] == '_') n++;
        hd_snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name - 1),
                    at + 1);
        const json_t *value = json_object_get(values, name);
        if (!value) {
            return HD_FAIL(HEED_INPUT, "'$%s' stands for nothing: the space has no such name",
                           "“$%s”没有对应的值：space 中没有这个名称", name);
        }
        add_value(value, out);
        at += 1 + n;
    }
    return hd_str_check(out);
}

// ── A trial ──

enum { LAYERS, LOSS, OPTIMIZER, SCHEDULE, BATCH_SCHEDULE, TEXTS };

static heed_err train(const subject *s, const hd_train_opts *opts, const char *layers,
                      double *score) {
    hd_net *net;
    hd_train_report report;
    HD_TRY(hd_net_new(layers, "", s->seed, &net));
    heed_err err = hd_net_train(net, s->train, opts, &report);
    hd_net_free(net);
    if (err == HEED_OK) *score = report.best;
    return err;
}

// As many as hd_net_train makes with a constant batch size.
static double whole_steps(const hd_train_opts *o, size_t samples) {
    size_t each = (o->batch ? o->batch : 32) * (o->accumulate ? o->accumulate : 1);
    double epochs = o->epochs || o->steps ? (double)o->epochs : 1;
    double steps = epochs * (double)((samples + each - 1) / each);
    return o->steps > 0 && (epochs == 0 || steps > (double)o->steps) ? (double)o->steps : steps;
}

static heed_err trial_texts(const subject *s, const json_t *values, double budget, hd_str *texts,
                            double *score) {
    const char *from[TEXTS] = {s->layers, s->opts.loss, s->opts.optimizer, s->opts.schedule,
                               s->opts.batch_schedule};
    hd_train_opts opts = s->opts;
    const char **to[TEXTS] = {NULL, &opts.loss, &opts.optimizer, &opts.schedule,
                              &opts.batch_schedule};
    for (int i = 0; i < TEXTS; i++) {
        HD_TRY(fill_in(from[i], values, &texts[i]));
        if (to[i] && from[i]) *to[i] = hd_str_get(&texts[i]);
    }
    json_int_t batch = json_integer_value(json_object_get(values, "batch"));
    if (batch > 0) opts.batch = (size_t)batch;
    opts.steps = (size_t)fmax(1, ceil(whole_steps(&opts, s->train->n) * budget));
    return train(s, &opts, hd_str_get(&texts[LAYERS]), score);
}

// A trial that is refused or breaks down has no score; other failures end the search.
static heed_err trial(void *ctx, const json_t *values, double budget, size_t number,
                      double *score) {
    subject *s = ctx;
    hd_str texts[TEXTS];
    (void)number;
    for (int i = 0; i < TEXTS; i++) hd_str_init(&texts[i]);
    heed_err err = trial_texts(s, values, budget, texts, score);
    for (int i = 0; i < TEXTS; i++) hd_str_clear(&texts[i]);
    if (err == HEED_INPUT) {
        hd_error_get(&s->failure);
        s->failure.code = err;
        *score = NAN;
        return HEED_OK;
    }
    if (err == HEED_OK && !isnan(*score)) s->scored++;
    return err;
}

// ── The search ──

static bool more_is_better(const char *monitor) {
    for (size_t i = 0; monitor && i < hd_metric_kinds.n; i++) {
        const hd_spec_kind *kind = hd_metric_kinds.rows[i];
        if (strcmp(kind->name, monitor) == 0) {
            return !((const hd_metric_kind *)(const void *)kind)->less_is_better;
        }
    }
    return false; // the loss (an unknown name is told by the first training)
}

static heed_err run(subject *s, const hd_search_opts *search, json_t **out) {
    hd_search_opts o = *search;
    o.trial = trial;
    o.ctx = s;
    o.larger_is_better = more_is_better(s->opts.monitor);
    HD_TRY(hd_search_run(&o, out));
    if (s->scored > 0) return HEED_OK;
    hd_json_drop(out);
    return hd_error_prefix(hd_error_restore(&s->failure), "no trial succeeded", "没有一次试验成功");
}

heed_err hd_net_search(const char *layers, uint64_t seed, hd_data *data, const hd_train_opts *opts,
                       const hd_search_opts *search, json_t **out) {
    subject s = {.layers = layers, .seed = seed, .train = data, .opts = *opts};
    hd_data *first = NULL, *rest = NULL;
    heed_err err = HEED_OK;
    s.opts.checkpoint = s.opts.run = NULL;
    if (!opts->validation) {
        HD_TRY_OUT(hd_data_part(data, 0, 0.9, opts->seed + 1, &first));
        HD_TRY_OUT(hd_data_part(data, 0.9, 1, opts->seed + 1, &rest));
        s.train = first;
        s.opts.validation = rest;
    }
    err = run(&s, search, out);
out:
    hd_data_free(rest);
    hd_data_free(first);
    return err;
}
