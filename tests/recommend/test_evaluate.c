// SPDX-License-Identifier: Apache-2.0
//
// Evaluation and tuning with toy methods whose answers are known, and one that writes down every
// entry it is shown: proof that what is held out stays out of reach.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "recommend/evaluate.h"

enum { USERS = 200, ITEMS = 40 };

// Everyone walks up the items from a start of their own: the next item is the last one plus one.
static hd_sparse walks(bool has_time) {
    static hd_sparse_entry entries[USERS * 12];
    hd_rng rng = hd_rng_make(5, 0);
    size_t n = 0;
    for (uint32_t u = 0; u < USERS; u++) {
        size_t steps = u % 20 == 0 ? 1 : 4 + hd_rng_below(&rng, 8);
        uint32_t first = (uint32_t)hd_rng_below(&rng, ITEMS);
        for (uint32_t s = 0; s < steps; s++, n++)
            entries[n] =
                (hd_sparse_entry){u, (first + s) % ITEMS, 1, (hd_time)(1000 * s + u), (int64_t)n};
    }
    hd_sparse out;
    assert_int_equal(hd_sparse_build(entries, n, USERS, ITEMS, has_time, true, &out), HEED_OK);
    return out;
}

// A toy: parameter "step" is how far from the last item the guess lies. It also records what it
// saw.
typedef struct toy {
    double step;
    size_t n_items;
} toy;

static struct {
    bool on;
    const hd_sparse *events;
    bool saw[USERS][ITEMS]; // in fit or in a history
    size_t fits;
    _Atomic size_t n_scored;
} record;

static heed_err toy_fit(const hd_sparse *train, const double *values, uint64_t seed, hd_pool *pool,
                        hd_model **out) {
    (void)seed, (void)pool;
    toy *m = hd_alloc(sizeof *m);
    if (!m) return HD_FAIL_MEMORY(sizeof *m);
    *m = (toy){values[0], train->n_cols};
    record.fits++;
    for (size_t u = 0; record.on && u < train->n_rows; u++)
        for (size_t e = train->start[u]; e < train->start[u + 1]; e++)
            record.saw[u][train->col[e]] = true;
    *out = m;
    return HEED_OK;
}

static size_t toy_n_items(const hd_model *model) {
    return ((const toy *)model)->n_items;
}

static heed_err toy_score(const hd_model *model, const hd_history *h, float *scores) {
    const toy *m = model;
    assert_true(h->n > 0);
    record.n_scored++;
    if (record.on) { // the source of an entry is its place in the events: whose it is
        for (size_t e = 0; e < h->n; e++) {
            size_t u = 0;
            while (record.events->start[u + 1] <= (size_t)h->source[e]) u++;
            record.saw[u][h->item[e]] = true;
        }
    }
    size_t guess = (h->item[h->n - 1] + (size_t)m->step) % m->n_items;
    for (size_t i = 0; i < m->n_items; i++) scores[i] = i == guess;
    return HEED_OK;
}

static void toy_free(hd_model *model) {
    hd_free(model);
}

static const double step_grid[] = {3, 2, 1, 0};
static const hd_method_param toy_params[] = {
    {.name = "step", .initial = 2, .max = 9, .integer = true, .grid = step_grid, .n_grid = 4},
    {.name = "idle", .initial = .5, .max = 1, .grid = (const double[]){.25, .5}, .n_grid = 2},
    {.name = "fixed", .initial = 7, .max = 9},
};
static const hd_method toy_method = {.name = "toy",
                                     .params = toy_params,
                                     .n_params = 3,
                                     .fit = toy_fit,
                                     .n_items = toy_n_items,
                                     .score = toy_score,
                                     .free = toy_free};

// The baseline: the same score for all, so items are ranked by index.
static heed_err flat_score(const hd_model *model, const hd_history *h, float *scores) {
    (void)h;
    memset(scores, 0, toy_n_items(model) * sizeof *scores);
    return HEED_OK;
}

static heed_err flat_fit(const hd_sparse *train, const double *values, uint64_t seed, hd_pool *pool,
                         hd_model **out) {
    (void)values;
    return toy_fit(train, &(double){0}, seed, pool, out);
}
static const hd_method flat_method = {.name = "popular",
                                      .fit = flat_fit,
                                      .n_items = toy_n_items,
                                      .score = flat_score,
                                      .free = toy_free};

static heed_err picky_fit(const hd_sparse *train, const double *values, uint64_t seed,
                          hd_pool *pool, hd_model **out) {
    (void)train, (void)values, (void)seed, (void)pool, (void)out;
    return HD_FAIL(HEED_UNAVAILABLE, "no '%s' here", "这里没有“%s”", "thing");
}
static const hd_method picky_method = {.name = "picky", .fit = picky_fit, .free = toy_free};
static const hd_method timed_method = {.name = "timed",
                                       .needs_time = true,
                                       .fit = toy_fit,
                                       .params = toy_params,
                                       .n_params = 3,
                                       .n_items = toy_n_items,
                                       .score = toy_score,
                                       .free = toy_free};

static heed_err broken_score(const hd_model *model, const hd_history *h, float *scores) {
    (void)model, (void)h, (void)scores;
    return HD_FAIL(HEED_CORRUPT, "broken", "损坏");
}
static const hd_method broken_method = {.name = "broken",
                                        .fit = flat_fit,
                                        .n_items = toy_n_items,
                                        .score = broken_score,
                                        .free = toy_free};

// A method that needs rows refuses to score before they are attached.
static const hd_sparse *attached;
static heed_err rows_attach(hd_model *model, const hd_sparse *rows) {
    (void)model;
    attached = rows;
    return HEED_OK;
}
static const hd_method rows_method = {.name = "rows",
                                      .needs_rows = true,
                                      .fit = flat_fit,
                                      .n_items = toy_n_items,
                                      .score = flat_score,
                                      .attach = rows_attach,
                                      .free = toy_free};

static const size_t ks[] = {1, 5};

static hd_evaluate_params params_of(const hd_method *const *methods, size_t n,
                                    const char *protocol) {
    return (hd_evaluate_params){.protocol = hd_protocol_find(protocol),
                                .methods = methods,
                                .n_methods = n,
                                .seed = 11,
                                .ks = ks,
                                .n_ks = 2,
                                .bootstrap = 50};
}

static json_t *evaluate(const hd_sparse *events, const hd_evaluate_params *params) {
    json_t *out = NULL;
    assert_int_equal(hd_evaluate(events, "data", params, &out), HEED_OK);
    assert_int_equal(json_array_size(out), params->n_methods);
    return out;
}

static double figure(const json_t *entry, const char *name) {
    return json_number_value(json_object_get(json_object_get(entry, "metrics"), name));
}

static void shape_of_the_result(void **state) {
    (void)state;
    const hd_method *methods[] = {&toy_method, &flat_method};
    hd_sparse events = walks(true);
    hd_evaluate_params params = params_of(methods, 2, "loo");
    hd_split split;
    assert_int_equal(hd_split_make(&events, params.protocol, 11, &split), HEED_OK);
    json_t *out = evaluate(&events, &params), *entry = json_array_get(out, 0);
    const char *method, *protocol, *split_hash, *data_hash;
    json_int_t seed, users, items, step;
    double fit_seconds, score_seconds, idle, fixed;
    json_t *metrics, *intervals, *search, *versus;
    assert_int_equal(
        json_unpack(entry,
                    "{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:{s:I, s:F, s:F !}, s:F, s:F, s:o, s:o, "
                    "s:o, s:o !}",
                    "method", &method, "protocol", &protocol, "split_hash", &split_hash,
                    "data_hash", &data_hash, "seed", &seed, "users", &users, "items", &items,
                    "parameters", "step", &step, "idle", &idle, "fixed", &fixed, "fit_seconds",
                    &fit_seconds, "score_seconds", &score_seconds, "metrics", &metrics, "intervals",
                    &intervals, "search", &search, "versus_popular", &versus),
        0);
    assert_string_equal(method, "toy");
    assert_string_equal(protocol, "loo/1");
    assert_string_equal(split_hash, split.hash);
    assert_string_equal(data_hash, "data");
    assert_int_equal(seed, 11);
    assert_int_equal(users, 190); // every twentieth has one event
    assert_int_equal(items, ITEMS);
    assert_true(step == 2 && idle == .5 && fixed == 7); // not tuned
    assert_int_equal(json_array_size(search), 0);
    assert_int_equal(json_object_size(metrics), 28);
    assert_int_equal(json_object_size(intervals), 22); // coverage, gini, entropy have none
    assert_null(json_object_get(intervals, "gini@5"));
    json_t *interval = json_object_get(intervals, "recall@5");
    assert_true(json_number_value(json_array_get(interval, 0)) <= figure(entry, "recall@5"));
    assert_true(json_number_value(json_array_get(interval, 1)) >= figure(entry, "recall@5"));
    assert_int_equal(json_object_size(versus), 4); // hr and ndcg at both k
    json_t *difference = json_object_get(versus, "hr@5");
    assert_int_equal(json_object_size(difference), 3);
    double gap = figure(entry, "hr@5") - figure(json_array_get(out, 1), "hr@5");
    assert_true(fabs(json_number_value(json_object_get(difference, "difference")) - gap) < 1e-12);
    assert_null(json_object_get(json_array_get(out, 1), "versus_popular"));
    json_decref(out);
    hd_split_clear(&split);
    hd_sparse_clear(&events);
}

// The next item is the last plus one, always unseen and always first when step is 1.
static void tuning_finds_the_step(void **state) {
    (void)state;
    const hd_method *methods[] = {&flat_method, &toy_method};
    hd_sparse events = walks(true);
    hd_evaluate_params params = params_of(methods, 2, "loo");
    params.tune = true;
    json_t *out = evaluate(&events, &params), *entry = json_array_get(out, 1);
    assert_true(figure(entry, "hr@1") == 1 && figure(entry, "ndcg@5") == 1);
    json_t *parameters = json_object_get(entry, "parameters");
    assert_int_equal(json_integer_value(json_object_get(parameters, "step")), 1);
    assert_true(json_number_value(json_object_get(parameters, "idle")) == .5);
    // Start, 3, 1, 0 (2 is the start), then idle .25 (.5 is where it stands).
    json_t *search = json_object_get(entry, "search");
    const double steps[] = {2, 3, 1, 0, 1};
    assert_int_equal(json_array_size(search), 5);
    for (size_t i = 0; i < 5; i++) {
        json_t *trial = json_array_get(search, i);
        json_t *tried = json_object_get(trial, "parameters");
        assert_true(json_number_value(json_object_get(tried, "step")) == steps[i]);
        double score = json_number_value(json_object_get(trial, "ndcg@10"));
        assert_true(steps[i] == 1 ? score == 1 : score < 1);
    }
    assert_int_equal(json_array_size(json_object_get(json_array_get(out, 0), "search")), 0);
    json_decref(out);
    hd_sparse_clear(&events);
}

// Neither in fitting nor in any history, tuned or not, does a held-out item appear.
static void held_out_is_never_seen(void **state) {
    (void)state;
    const hd_method *methods[] = {&toy_method};
    hd_sparse events = walks(true);
    for (size_t e = 0; e < events.n; e++) events.source[e] = (int64_t)e;
    for (size_t p = 0; hd_protocols[p]; p++) {
        hd_evaluate_params params = params_of(methods, 1, hd_protocols[p]->name);
        params.tune = true;
        memset(&record, 0, sizeof record);
        record.on = true;
        record.events = &events;
        hd_split split;
        assert_int_equal(hd_split_make(&events, params.protocol, params.seed, &split), HEED_OK);
        json_decref(evaluate(&events, &params));
        record.on = false;
        assert_true(record.fits > 4);
        for (size_t c = 0; c < split.n_cases; c++)
            for (size_t i = split.relevant_start[c]; i < split.relevant_start[c + 1]; i++)
                assert_false(record.saw[split.row[c]][split.relevant[i]]);
        size_t seen = 0, trained = 0; // and everything else does, so the record works
        for (size_t u = 0; u < USERS; u++)
            for (size_t i = 0; i < ITEMS; i++) seen += record.saw[u][i];
        for (size_t u = 0; u < USERS; u++) trained += hd_sparse_row_len(&split.train, u);
        assert_int_equal(seen, trained);
        hd_split_clear(&split);
    }
    hd_sparse_clear(&events);
}

// In tuning, the last items of the training part are held out in turn.
static void tuning_validates_on_held_out(void **state) {
    (void)state;
    hd_sparse events = walks(true);
    for (size_t e = 0; e < events.n; e++) events.source[e] = (int64_t)e;
    double values[3];
    json_t *log = NULL;
    memset(&record, 0, sizeof record);
    record.on = true;
    record.events = &events;
    assert_int_equal(hd_tune(&events, hd_protocol_find("loo"), &toy_method, 1, NULL, values, &log),
                     HEED_OK);
    record.on = false;
    for (size_t u = 0; u < USERS; u++) {
        size_t n = hd_sparse_row_len(&events, u);
        if (n > 1) assert_false(record.saw[u][events.col[events.start[u + 1] - 1]]);
    }
    assert_true(values[0] == 1 && values[1] == .5 && values[2] == 7);
    json_decref(log);
    hd_sparse_clear(&events);
}

// Not tuned, a method is tried once, with what it begins with, on the same held-out items.
static void untuned_is_tried_once(void **state) {
    (void)state;
    hd_sparse events = walks(true);
    double values[3], tuned[3];
    json_t *log = NULL, *search = NULL;
    assert_int_equal(
        hd_tune_not(&events, hd_protocol_find("loo"), &toy_method, 1, NULL, values, &log), HEED_OK);
    assert_int_equal(
        hd_tune(&events, hd_protocol_find("loo"), &toy_method, 1, NULL, tuned, &search), HEED_OK);
    assert_true(values[0] == 2 && values[1] == .5 && values[2] == 7);
    assert_int_equal(json_array_size(log), 1);
    assert_true(json_equal(json_array_get(log, 0), json_array_get(search, 0)));
    json_decref(log);
    json_decref(search);
    hd_sparse_clear(&events);
}

// Of more than 10,000 users every second (here) is ranked, and the choice is the same.
static void tuning_ranks_some_of_many(void **state) {
    (void)state;
    enum { MANY = 10500, STEPS = 4 };
    static hd_sparse_entry entries[MANY * STEPS];
    for (uint32_t e = 0; e < MANY * STEPS; e++)
        entries[e] = (hd_sparse_entry){e / STEPS, (e / STEPS * 7 + e % STEPS) % ITEMS, 1, 0, 0};
    hd_sparse events;
    assert_int_equal(hd_sparse_build(entries, MANY * STEPS, MANY, ITEMS, false, false, &events), 0);
    double values[3];
    json_t *log = NULL;
    record.n_scored = 0;
    assert_int_equal(hd_tune(&events, hd_protocol_find("loo"), &toy_method, 1, NULL, values, &log),
                     HEED_OK);
    assert_int_equal(record.n_scored, 5 * MANY / 2);
    assert_true(values[0] == 1);
    json_t *winner = json_array_get(log, 2);
    assert_true(json_number_value(json_object_get(winner, "ndcg@10")) == 1);
    json_decref(log);
    hd_sparse_clear(&events);
}

static void tuning_without_anybody(void **state) {
    (void)state;
    const hd_sparse_entry entries[] = {{0, 1, 1, 0, 0}, {1, 2, 1, 0, 0}};
    hd_sparse events;
    assert_int_equal(hd_sparse_build(entries, 2, 2, 4, false, false, &events), HEED_OK);
    double values[3];
    json_t *log = NULL;
    assert_int_equal(hd_tune(&events, hd_protocol_find("loo"), &toy_method, 1, NULL, values, &log),
                     HEED_OK);
    assert_true(values[0] == 2 && values[1] == .5);
    assert_int_equal(json_array_size(log), 0);
    json_decref(log);
    hd_sparse_clear(&events);
}

static void not_applicable(void **state) {
    (void)state;
    const hd_method *methods[] = {&picky_method, &flat_method, &timed_method};
    hd_sparse events = walks(false);
    hd_evaluate_params params = params_of(methods, 3, "loo");
    params.tune = true;
    json_t *out = evaluate(&events, &params);
    json_t *why = json_object_get(json_array_get(out, 0), "not_applicable");
    assert_string_equal(json_string_value(json_object_get(why, "en")), "no 'thing' here");
    assert_string_equal(json_string_value(json_object_get(why, "zh")), "这里没有“thing”");
    assert_null(json_object_get(json_array_get(out, 0), "metrics"));
    assert_non_null(json_object_get(json_array_get(out, 1), "metrics"));
    why = json_object_get(json_array_get(out, 2), "not_applicable");
    assert_non_null(strstr(json_string_value(json_object_get(why, "en")), "'timed' needs"));
    json_decref(out);
    params = params_of(methods, 3, "time");
    out = NULL;
    assert_int_equal(hd_evaluate(&events, "data", &params, &out), HEED_UNAVAILABLE);
    assert_null(out);
    hd_sparse_clear(&events);
}

static void failures_come_through(void **state) {
    (void)state;
    const hd_method *methods[] = {&flat_method, &broken_method};
    hd_sparse events = walks(true);
    hd_evaluate_params params = params_of(methods, 2, "loo");
    json_t *out = NULL;
    assert_int_equal(hd_evaluate(&events, "data", &params, &out), HEED_CORRUPT);
    assert_null(out);
    hd_sparse_clear(&events);
    const hd_sparse_entry lone = {0, 1, 1, 0, 0};
    assert_int_equal(hd_sparse_build(&lone, 1, 1, 4, false, false, &events), HEED_OK);
    assert_int_equal(hd_evaluate(&events, "data", &params, &out), HEED_UNAVAILABLE);
    assert_non_null(strstr(heed_error_message(HEED_EN), "nobody to evaluate"));
    hd_sparse_clear(&events);
}

static void rows_are_attached(void **state) {
    (void)state;
    const hd_method *methods[] = {&rows_method};
    hd_sparse events = walks(true);
    hd_evaluate_params params = params_of(methods, 1, "loo");
    attached = NULL;
    json_decref(evaluate(&events, &params));
    assert_non_null(attached);
    hd_sparse_clear(&events);
}

// k above the number of items: every unseen item is listed, nothing more.
static void long_lists(void **state) {
    (void)state;
    const hd_method *methods[] = {&flat_method};
    const size_t long_ks[] = {10, 1000};
    hd_sparse events = walks(true);
    hd_evaluate_params params = params_of(methods, 1, "loo");
    params.ks = long_ks;
    json_t *out = evaluate(&events, &params), *entry = json_array_get(out, 0);
    assert_true(figure(entry, "recall@1000") == 1);
    assert_true(figure(entry, "coverage@1000") == 1);
    json_decref(out);
    hd_sparse_clear(&events);
}

static void drop_times(json_t *results) {
    size_t i;
    json_t *entry;
    json_array_foreach(results, i, entry) {
        json_object_del(entry, "fit_seconds");
        json_object_del(entry, "score_seconds");
    }
}

static void threads_change_nothing(void **state) {
    (void)state;
    const hd_method *methods[] = {hd_method_find("popular"), &toy_method, hd_method_find("markov")};
    hd_sparse events = walks(true);
    json_t *first = NULL;
    for (size_t threads = 1; threads <= 4; threads++) {
        hd_pool *pool = NULL;
        assert_int_equal(hd_pool_new(threads, &pool), HEED_OK);
        hd_evaluate_params params = params_of(methods, 3, "random");
        params.tune = true;
        params.pool = pool;
        json_t *out = evaluate(&events, &params);
        drop_times(out);
        if (first) {
            assert_true(json_equal(first, out));
            json_decref(out);
        } else {
            first = out;
        }
        hd_pool_free(pool);
    }
    json_decref(first);
    hd_sparse_clear(&events);
}

typedef struct told {
    size_t n;
    double last;
    char names[64];
} told;

static void hear(void *ctx, const char *method, double share) {
    told *t = ctx;
    assert_true(share >= t->last && share <= 1);
    t->last = share;
    t->n++;
    memcpy(t->names + strlen(t->names), method, strlen(method));
}

static void progress_is_told(void **state) {
    (void)state;
    const hd_method *methods[] = {&toy_method, &flat_method};
    hd_sparse events = walks(true);
    hd_evaluate_params params = params_of(methods, 2, "loo");
    told t = {0};
    params.progress = hear;
    params.progress_ctx = &t;
    json_decref(evaluate(&events, &params));
    assert_true(t.last == 1);
    assert_int_equal(t.n, 3);
    assert_string_equal(t.names, "toypopularpopular");
    hd_sparse_clear(&events);
}

static void memory_runs_out(void **state) {
    (void)state;
    const hd_method *methods[] = {&flat_method, &toy_method};
    hd_sparse events = walks(true);
    hd_evaluate_params params = params_of(methods, 2, "loo");
    params.tune = true;
    params.bootstrap = 2;
    json_t *out = NULL;
    json_decref(evaluate(&events, &params)); // libraries allocate what they keep
    size_t used = hd_mem_used();
    heed_err err = HEED_MEMORY;
    uint64_t nth = 1;
    for (; err == HEED_MEMORY; nth++) {
        out = NULL;
        hd_mem_fail_at(nth, true);
        err = hd_evaluate(&events, "data", &params, &out);
        hd_mem_fail_at(0, true);
        json_decref(out);
        assert_int_equal(hd_mem_used(), used);
    }
    assert_int_equal(err, HEED_OK);
    assert_true(nth > 200);
    hd_sparse_clear(&events);
}

static int setup(void **state) {
    (void)state;
    return hd_mem_adopt_libraries() == HEED_OK ? 0 : -1; // failures reach jansson too
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shape_of_the_result),
        cmocka_unit_test(tuning_finds_the_step),
        cmocka_unit_test(held_out_is_never_seen),
        cmocka_unit_test(tuning_validates_on_held_out),
        cmocka_unit_test(untuned_is_tried_once),
        cmocka_unit_test(tuning_ranks_some_of_many),
        cmocka_unit_test(tuning_without_anybody),
        cmocka_unit_test(not_applicable),
        cmocka_unit_test(failures_come_through),
        cmocka_unit_test(rows_are_attached),
        cmocka_unit_test(long_lists),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(progress_is_told),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
