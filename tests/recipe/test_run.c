// SPDX-License-Identifier: Apache-2.0
#include "recipe/run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "heed/error.h"
#include "recipe/made.h"
#include "recipe/predictor.h"
#include "reports.h"

static char folder[64];

static const char *path_of(const char *name) {
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    hd_snprintf(path, 128, "%s/%s", folder, name);
    return path;
}

static int set_up(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/heed-recipe-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    return hd_fs_remove(folder);
}

static void must(heed_err err) {
    if (err != HEED_OK) fail_msg("%s", heed_error_message(HEED_EN));
}

static json_t *run(const char *recipe, const char *const *changes, size_t n, const char *out) {
    hd_recipe *r;
    json_t *report;
    must(hd_recipe_open(recipe, changes, n, &r));
    const hd_recipe_opts opts = {.out = out, .seed = -1, .threads = 1};
    must(hd_recipe_run(r, &opts, &report));
    hd_recipe_free(r);
    return report;
}

static double figure(const json_t *report, const char *name, const char *what) {
    return json_number_value(
        json_object_get(json_object_get(report_model(report, name), "evaluation"), what));
}

static json_t *run_text(const char *text, const char *out) {
    hd_recipe *r;
    json_t *report;
    must(hd_recipe_read(text, strlen(text), "t.yaml", NULL, 0, &r));
    r->folder = folder;
    const hd_recipe_opts opts = {.out = out, .seed = -1, .threads = 1};
    must(hd_recipe_run(r, &opts, &report));
    hd_recipe_free(r);
    return report;
}

static hd_predictor *open_model(const char *out) {
    hd_predictor *model;
    must(hd_predictor_open(out, &model));
    return model;
}

static json_t *ask(const hd_predictor *model, const char *rows_text) {
    hd_rows rows;
    hd_answer answer;
    json_t *said, *asked = json_loads(rows_text, 0, NULL);
    assert_non_null(asked);
    must(hd_rows_json(asked, "rows", &rows));
    must(hd_predictor_ready(model, &rows));
    must(hd_predictor_run(model, &rows, 1, &answer));
    must(hd_answer_json(model, &answer, 0, &said));
    hd_answer_clear(&answer);
    hd_rows_clear(&rows);
    json_decref(asked);
    return said;
}

static const char *class_of(const json_t *said, size_t i) {
    return json_string_value(json_object_get(json_array_get(said, i), "class"));
}

static void put(const char *name, const char *text);

// A series' report has some of its forecasts, beside what came.
static void test_forecasts(void **state) {
    (void)state;
    hd_str rows;
    hd_str_init(&rows);
    hd_str_add(&rows, "load\n");
    for (int i = 0; i < 80; i++) hd_str_addf(&rows, "%d.5\n", i % 6);
    must(hd_str_check(&rows));
    put("load.csv", rows.data);
    hd_str_clear(&rows);
    json_t *report =
        run_text("name: t\ntask: values\ndata:\n  series: {train: load.csv, window: 6, "
                 "horizon: 3}\nnetwork: [flatten, {linear: 3}]\ntrain: {epochs: 2}\n"
                 "compare: [mean, {seasonal: {lag: 6}}]\nmain: seasonal\nbaseline: "
                 "seasonal\n",
                 path_of("series"));
    const json_t *versus = json_object_get(report_model(report, "network"), "versus");
    assert_string_equal(json_string_value(json_object_get(versus, "baseline")), "seasonal");
    assert_null(json_object_get(report_model(report, "seasonal"), "versus"));
    const json_t *list = json_object_get(report, "forecast");
    assert_int_equal(json_array_size(list), 4);
    for (size_t i = 0; i < 4; i++) {
        const json_t *one = json_array_get(list, i), *truth = json_object_get(one, "truth");
        assert_int_equal(json_array_size(truth), 3);
        assert_true(json_equal(truth, json_object_get(one, "predicted"))); // it comes every six
        // In what the file has, as it was before, too.
        assert_string_equal(json_string_value(json_object_get(one, "name")), "load");
        assert_int_equal(json_array_size(json_object_get(one, "history")), 6);
        const double value = json_number_value(json_array_get(truth, 0));
        assert_true(fabs(value - floor(value) - .5) < 1e-5);
    }
    const json_t *data = json_object_get(report, "data");
    assert_int_equal(json_integer_value(json_object_get(data, "block")), 3);
    assert_true(json_is_object(json_object_get(data, "unit"))); // deviations
    const json_t *evaluation = json_object_get(report_model(report, "network"), "evaluation");
    assert_non_null(json_object_get(evaluation, "mae"));
    assert_null(json_object_get(evaluation, "mape")); // a share of a shifted value says nothing
    assert_null(
        json_object_get(json_array_get(json_object_get(evaluation, "outputs"), 0), "smape"));
    json_decref(report);
}

// What was predicted of test rows stands in predictions.jsonl: the model read again must say the
// same of the same rows.
static void test_iris(void **state) {
    (void)state;
    const char *out = path_of("iris");
    json_t *report = run(RECIPES "/iris_mlp.yaml", NULL, 0, out);
    assert_true(figure(report, "network", "accuracy") > .85);
    assert_true(figure(report, "majority", "accuracy") < .5);
    assert_int_equal(
        json_integer_value(json_object_get(report_model(report, "network"), "parameters")), 43);
    assert_non_null(json_object_get(report_model(report, "network"), "versus"));
    assert_true(json_array_size(json_object_get(report, "diagnosis")) > 0);
    assert_true(json_array_size(json_object_get(
                    json_object_get(json_object_get(report, "curves"), "network"), "train_loss")) >
                100);
    json_decref(report);
    hd_predictor *model = open_model(out);
    json_t *said =
        ask(model, "[{\"sepal_length\": 5.0, \"sepal_width\": 3.4, \"petal_length\": "
                   "1.4, \"petal_width\": 0.2}, {\"sepal_length\": 6.9, "
                   "\"sepal_width\": 3.0, \"petal_length\": 5.8, \"petal_width\": 2.2}]");
    assert_string_equal(class_of(said, 0), "setosa");
    assert_string_equal(class_of(said, 1), "virginica");
    json_decref(said);
    // A column that is missing is named.
    hd_rows rows;
    hd_answer answer;
    json_t *asked = json_loads("[{\"sepal_length\": 5.0}]", 0, NULL);
    must(hd_rows_json(asked, "rows", &rows));
    assert_int_equal(hd_predictor_run(model, &rows, 1, &answer), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "sepal_width"));
    hd_rows_clear(&rows);
    json_decref(asked);
    hd_predictor_close(model);
}

static void write_rows(const char *name, size_t n) {
    hd_str text;
    hd_str_init(&text);
    hd_rng rng = hd_rng_make(3, 0);
    hd_str_add(&text, "id,age,city,plan,height,left\n");
    for (size_t i = 0; i < n; i++) {
        double age = 20 + 40 * hd_rng_uniform(&rng);
        size_t city = (size_t)hd_rng_below(&rng, 3);
        bool left = age > 40 ? city == 1 : city == 2;
        if (hd_rng_below(&rng, 10) == 0)
            hd_str_addf(&text, "%zu,,", i);
        else
            hd_str_addf(&text, "%zu,%.1f,", i, age);
        hd_str_addf(&text, "%s,%s,%.2f,%s\n",
                    city == 0   ? "Bonn"
                    : city == 1 ? "Rome"
                                : "西安",
                    i % 7 ? "basic" : "?", 2 * age + (double)city, left ? "yes" : "no");
    }
    must(hd_fs_write(path_of(name), text.data, text.len, 0644));
    hd_str_clear(&text);
}

#define CUSTOMERS \
    "data:\n"     \
    "  table: {train: customers.csv, target: left, drop: [id, height], missing: ['?']}\n"

// Folds, calibration, a classical model in force, categories that training didn't have.
static void test_folds(void **state) {
    (void)state;
    const char *out = path_of("folds");
    write_rows("customers.csv", 300);
    json_t *report = run_text("name: churn\ntask: classes\n" CUSTOMERS "  split: {folds: 3}\n"
                              "network:\n  - linear: {out: 16, act: relu}\n  - linear: 1\n"
                              "train: {epochs: 30, optimizer: {adam: {rate: .01}}}\n"
                              "compare: [majority, tree, {logistic: {C: 0}}, {mine: {svm: {C: 1}}}]"
                              "\nmain: best\ncalibrate: platt\n",
                              out);
    const json_t *rows = json_object_get(json_object_get(report, "data"), "rows");
    assert_int_equal(json_integer_value(json_object_get(rows, "test")), 300);
    // Of all folds' mistakes the worst, the worst first.
    const json_t *worst = json_object_get(report, "worst");
    assert_in_range(json_array_size(worst), 1, 24);
    for (size_t i = 1; i < json_array_size(worst); i++)
        assert_true(json_number_value(json_object_get(json_array_get(worst, i - 1), "score")) >=
                    json_number_value(json_object_get(json_array_get(worst, i), "score")));
    // What was left to cross-validation is told; a model under a name of its own says what it is.
    const json_t *settings = json_object_get(report_model(report, "logistic"), "settings");
    assert_memory_equal(json_string_value(json_object_get(settings, "chosen")), "C ", 2);
    const json_t *label = json_object_get(report_model(report, "mine"), "label");
    assert_string_equal(json_string_value(json_object_get(label, "en")), "linear SVM (mine)");
    assert_string_equal(json_string_value(json_object_get(label, "zh")), "线性支持向量机（mine）");
    assert_true(figure(report, "tree", "accuracy") > .8);
    assert_true(json_array_size(json_object_get(report, "worst")) > 0);
    const char *main = json_string_value(json_object_get(report, "main"));
    assert_true(strcmp(main, "majority") != 0);
    json_decref(report);
    hd_predictor *model = open_model(out);
    json_t *said = ask(model, "[{\"age\": 55, \"city\": \"Rome\", \"plan\": \"basic\"}, "
                              "{\"age\": null, \"city\": \"Oslo\", \"plan\": null}, {\"age\": "
                              "\"?\", \"city\": \"Oslo\", \"plan\": \"?\"}]");
    assert_true(json_equal(json_array_get(said, 1), json_array_get(said, 2)));
    assert_string_equal(class_of(said, 0), "yes");
    assert_non_null(class_of(said, 1));
    json_decref(said);
    hd_predictor_close(model);
    // Over an earlier run: replaced.
    report = run_text("name: churn\ntask: classes\n" CUSTOMERS "compare: [naive_bayes]\n", out);
    assert_string_equal(json_string_value(json_object_get(report, "main")), "naive_bayes");
    json_decref(report);
    model = open_model(out);
    hd_predictor_close(model);
}

static void test_values(void **state) {
    (void)state;
    const char *out = path_of("values");
    write_rows("customers.csv", 200);
    json_t *report = run_text(
        "name: height\ntask: values\ndata:\n"
        "  table: {train: customers.csv, target: height, drop: [id, left, plan]}\n"
        "network:\n  - linear: {out: 16, act: relu}\n  - linear: 1\nscale_target: standard\n"
        "train: {epochs: 40, optimizer: {adam: {rate: .01}}}\nseeds: 2\n"
        "variants: {small: {network: [{linear: 1}]}}\ncompare: [mean, linear]\n",
        out);
    assert_true(figure(report, "network", "r2") > .5);
    assert_true(figure(report, "mean", "r2") < .2);
    const json_t *seeds = json_object_get(report_model(report, "network"), "seeds");
    assert_int_equal(json_array_size(json_object_get(json_object_get(seeds, "mse"), "each")), 2);
    double value = figure(report, "network", "mse");
    assert_true(fabs(json_number_value(json_array_get(
                         json_object_get(json_object_get(seeds, "mse"), "each"), 0)) -
                     value) < 1e-9);
    json_decref(report);
    hd_predictor *model = open_model(out);
    const hd_write_opts words = {.prompt = "a", .length = 1, .temperature = 1};
    hd_str none;
    hd_str_init(&none);
    assert_int_equal(hd_predictor_write(model, &words, &none), HEED_USAGE); // of values
    json_t *said = ask(model, "[{\"age\": 50, \"city\": \"Bonn\"}]");
    double got = json_number_value(json_object_get(json_array_get(said, 0), "value"));
    assert_true(got > 80 && got < 120);
    json_decref(said);
    hd_predictor_close(model);
}

// The same recipe and data give the same report, whatever the number of threads, but for times.
static json_t *without_times(json_t *report) {
    size_t i;
    json_t *model;
    json_object_del(report, "created");
    json_array_foreach(json_object_get(report, "models"), i, model) {
        json_object_del(model, "fit_seconds");
        json_object_del(model, "memory_bytes"); // some of it is a thread's own
        json_object_del(model, "predict_ms_per_1000");
    }
    return report;
}

static void test_threads(void **state) {
    (void)state;
    json_t *reports[2];
    for (size_t t = 0; t < 2; t++) {
        hd_recipe *r;
        const char *const changes[] = {"train.epochs=20", "compare=[majority, logistic, tree]"};
        must(hd_recipe_open(RECIPES "/iris_mlp.yaml", changes, 2, &r));
        const hd_recipe_opts opts = {.out = path_of("threads"), .seed = 5, .threads = t + 1};
        must(hd_recipe_run(r, &opts, &reports[t]));
        hd_recipe_free(r);
        without_times(reports[t]);
    }
    assert_true(json_equal(reports[0], reports[1]));
    json_decref(reports[0]);
    json_decref(reports[1]);
}

static const char poem[] = "the cat sat on the mat\nthe dog sat on the log\na cat and a dog sat\n";

// The model read again writes, from the same prompt and seed, what stands in the report.
static void writes_as_in_its_report(const hd_predictor *model, const json_t *sample) {
    hd_write_opts opts = {.prompt = "the ", .length = 40, .temperature = .8, .seed = 1};
    hd_str text, other;
    hd_str_init(&text);
    hd_str_init(&other);
    assert_string_equal(json_string_value(json_object_get(sample, "model")), "network");
    must(hd_predictor_write(model, &opts, &text));
    assert_string_equal(hd_str_get(&text), json_string_value(json_object_get(sample, "text")));
    opts.seed = 2;
    must(hd_predictor_write(model, &opts, &other));
    assert_string_not_equal(hd_str_get(&text), hd_str_get(&other));
    const atomic_bool stop = true;
    opts.stop = &stop;
    assert_int_equal(hd_predictor_write(model, &opts, &other), HEED_INTERRUPTED);
    opts = (hd_write_opts){.prompt = "", .length = 3, .temperature = 1};
    assert_int_equal(hd_predictor_write(model, &opts, &other), HEED_INPUT);
    hd_str_clear(&text);
    hd_str_clear(&other);
}

static void test_language(void **state) {
    (void)state;
    hd_str text;
    hd_str_init(&text);
    for (int i = 0; i < 60; i++) hd_str_add(&text, poem);
    must(hd_fs_write(path_of("poem.txt"), text.data, text.len, 0644));
    hd_str_clear(&text);
    json_t *report = run_text(
        "name: lm\ntask: language\ndata:\n  characters: {train: poem.txt}\n"
        "  split: {validation: .1, test: .1}\nprepare: {length: 16}\n"
        "network:\n  - embedding: {count: 40, dim: 16}\n  - lstm: {out: 32}\n  - linear: 40\n"
        "train: {epochs: 2, batch: 8, optimizer: {adam: {rate: .01}}}\n"
        "compare: [markov, {ngram: {order: 4}}]\nsample: {prompt: 'the ', length: 40}\n",
        path_of("lm"));
    assert_true(figure(report, "ngram", "log_loss") < figure(report, "markov", "log_loss"));
    assert_true(figure(report, "network", "perplexity") > 1);
    const json_t *models = json_object_get(report, "models");
    for (size_t i = 0; i < json_array_size(models); i++) { // each against the Markov chain
        const json_t *model = json_array_get(models, i), *versus = json_object_get(model, "versus");
        const char *name = json_string_value(json_object_get(model, "name"));
        assert_int_equal(versus == NULL, strcmp(name, "markov") == 0);
        if (!versus) continue;
        assert_string_equal(json_string_value(json_object_get(versus, "baseline")), "markov");
        assert_string_equal(json_string_value(json_object_get(versus, "metric")), "log_loss");
        const double difference = json_number_value(json_object_get(versus, "difference"));
        const double low = json_number_value(json_object_get(versus, "low"));
        const double high = json_number_value(json_object_get(versus, "high"));
        const double apart =
            figure(report, name, "log_loss") - figure(report, "markov", "log_loss");
        assert_true(low <= difference && difference <= high && low < high);
        // (But for the tokens behind the last whole window.)
        if (!(fabs(difference - apart) < .02)) fail_msg("%s: %g, not %g", name, difference, apart);
    }
    assert_int_equal(json_array_size(json_object_get(report, "samples")), 3);
    hd_predictor *model = open_model(path_of("lm"));
    writes_as_in_its_report(model, json_array_get(json_object_get(report, "samples"), 0));
    json_decref(report);
    hd_rows rows;
    hd_answer answer;
    hd_rows_init(&rows);
    assert_int_equal(hd_predictor_run(model, &rows, 1, &answer), HEED_USAGE);
    hd_predictor_close(model);
}

// ── One model, many threads ──

enum { ASKERS = 4, ASKED = 40 };

typedef struct asking {
    const hd_predictor *model;
    const hd_rows *rows;
    hd_answer answers[ASKERS];
} asking;

static heed_err ask_often(void *ctx, size_t chunk) {
    asking *a = ctx;
    for (int i = 0; i < ASKED; i++) {
        hd_answer_clear(&a->answers[chunk]);
        HD_TRY(hd_predictor_run(a->model, a->rows, 1, &a->answers[chunk]));
    }
    return HEED_OK;
}

static void test_many_askers(void **state) {
    (void)state;
    static const char *const compare[] = {"network", "tree"};
    for (size_t m = 0; m < 2; m++) {
        char main[32];
        hd_pool *pool;
        hd_rows rows;
        hd_snprintf(main, sizeof main, "main=%s", compare[m]);
        const char *const changes[] = {"train.epochs=3", "compare=[tree]", main};
        json_decref(run(RECIPES "/iris_mlp.yaml", changes, 3, path_of("asked")));
        hd_rows_init(&rows);
        must(hd_made_rows(hd_made_find("flowers"), 30, 0, 9, &rows));
        hd_rows some; // a made row is the same one among others
        must(hd_rows_select(&rows, (size_t[]){7, 3}, 2, 0, &some));
        assert_string_equal(hd_rows_place(&some, 0).text, "row 8");
        assert_string_equal(hd_rows_place(&some, 1).text, "row 4");
        hd_rows_clear(&some);
        asking a = {.model = open_model(path_of("asked")), .rows = &rows};
        must(hd_pool_new(ASKERS, &pool));
        must(hd_pool_run(pool, ASKERS, ask_often, &a));
        hd_pool_free(pool);
        for (size_t i = 0; i < ASKERS; i++) {
            assert_int_equal(a.answers[i].n, 30);
            assert_memory_equal(a.answers[i].scores, a.answers[0].scores,
                                30 * a.answers[0].k * sizeof(float));
        }
        for (size_t i = 0; i < ASKERS; i++) hd_answer_clear(&a.answers[i]);
        hd_rows_clear(&rows);
        hd_predictor_close((hd_predictor *)(uintptr_t)a.model);
    }
}

// ── Bad input ──

static void put(const char *name, const char *text) {
    must(hd_fs_write(path_of(name), text, strlen(text), 0644));
}

static void test_bad(void **state) {
    (void)state;
    put("one.csv", "a,y\n1,x\n2,x\n3,x\n4,x\n5,x\n");
    put("nan.csv", "a,b,y\n1,,x\n2,,y\n3,4,x\n4,,y\n5,6,x\n6,,y\n7,7,x\n8,,y\n");
    put("inf.csv", "a,y\n1,x\n2,y\nNaN,x\n4,y\n5,x\n6,y\n7,x\n8,y\n9,x\n");
    put("gap.csv", "a,y\n1,x\n2,\n3,y\n");
    put("two.csv", "a,y\n1,x\n2,y\n3,x\n4,y\n5,x\n6,y\n");
    put("silent.csv", "q,y\n,x\n,y\n,x\n,y\n,x\n,y\n");
    put("new.csv", "a,y\n1,x\nz,y\n3,x\n");
    put("late.csv", "a,y\n1,x\n2,y\n3,q\n");
    put("empty.csv", "a,y\n");
#define TABLE(options) "name: t\ntask: classes\ndata:\n  table: {" options "}\n"
#define NET "network:\n  - linear: 2\n"
    static const struct {
        const char *text, *message;
    } cases[] = {
        {TABLE("train: no.csv, target: y") NET, "there is no 'no.csv', neither beside the recipe"},
        {TABLE("target: y") NET, "t.yaml:4: data.table: say which file to train on"},
        {TABLE("train: two.csv") NET, "t.yaml:4: data.table.target: say which column is predicted"},
        {TABLE("train: two.csv, target: z") NET,
         "t.yaml:4: data.table.target: there is no column 'z'"},
        {TABLE("train: one.csv, target: y") NET, "one class only in column 'y' ('x')"},
        {TABLE("train: empty.csv, target: y") NET, "the data has no rows"},
        {TABLE("train: gap.csv, target: y") NET, "gap.csv:3: the target 'y' is missing"},
        {TABLE("train: nan.csv, target: y") "prepare: [scale_zscore]\n" NET,
         "column 'b' is missing, and no step of 'prepare' fills it"},
        {TABLE("train: inf.csv, target: y") "  split: {validation: 0, test: 0}\n" NET,
         "inf.csv:4: column 'a': 'NaN' is not a finite number: mend the row, or say"},
        {TABLE("train: nan.csv, target: y") "prepare: [fill_medain]\n" NET,
         "t.yaml:5: prepare: unknown step 'fill_medain' (fill_median?)"},
        {TABLE("train: two.csv, target: y, drop: [q]") NET,
         "data.table.drop: there is no column 'q'"},
        {TABLE("train: two.csv, target: y, drop: [a]") NET, "no column besides the target"},
        {TABLE("train: two.csv, test: new.csv, target: y") NET,
         "new.csv:3: column 'a': 'z' is not a number"},
        {TABLE("train: two.csv, test: late.csv, target: y") NET,
         "late.csv:4: class 'q' is in no training row"},
        {TABLE("train: two.csv, target: y") NET "train: {optimizer: {sgdd: {rate: .1}}}\n",
         "t.yaml:7: train.optimizer: there is no optimiser 'sgdd'; did you mean 'sgd'?"},
        {TABLE("train: two.csv, target: y") NET "train: {start: no.safetensors}\n",
         "there is no 'no.safetensors', neither beside the recipe"},
        {TABLE("train: two.csv, target: y") "network:\n  - linear: 3\n",
         "t.yaml:5: network: the network ends in 3 values a sample, and the data has 2 classes: end "
         "it with 'linear: 2'"},
        {TABLE("train: two.csv, target: y") "network:\n  - linear: {in: 3136, out: 2}\n",
         "t.yaml:6: layers.0.linear: in is 3136, but"},
        {TABLE(
             "train: two.csv, target: y") "network:\n  - linear: 1024\n  - reshape: [64, 64, 3]\n",
         "1024"},
        {TABLE("train: two.csv, target: y") "network:\n  - leniar: 2\n", "did you mean 'linear'"},
        {TABLE("train: two.csv, target: y") NET "expect: {parameters: 43}\n",
         "the network has 4 parameters, and 43 are expected"},
        {TABLE("train: two.csv, target: y") NET "train: {loss: cross_entrpy}\n", "cross_entropy"},
        {TABLE("train: two.csv, target: y") NET "augment: [{rotate: 10}]\n",
         "t.yaml:7: augment.0.rotate: 'rotate' can't change rows of a table"},
        {TABLE("train: two.csv, target: y") "compare: [logistik]\n", "did you mean 'logistic'"},
        {TABLE("train: two.csv, target: y") "compare: [linear]\n",
         "'linear' can't predict classes"},
        {TABLE("train: two.csv, target: y") NET "calibrate: plat\n", "t.yaml:7: calibrate"},
        {TABLE("train: two.csv, target: a, shape: [7]") NET,
         "data.table.shape holds 7 values, and a prepared row has 2 columns"},
        {"name: t\ntask: values\ndata:\n  table: {train: two.csv, target: y}\n" NET,
         "target 'y': 'x' is not a number"},
        {"name: t\ntask: classes\ndata:\n  text: {train: two.csv, text: q, target: y}\n" NET,
         "t.yaml:4: data.text.text: there is no column 'q'"},
        {"name: t\ntask: classes\ndata:\n  text: {train: two.csv, text: a, target: y}\n"
         "network: [{embedding: {count: 3, dim: 2}}, {sequence_pool: mean}, {linear: 2}]\n",
         "t.yaml:5: network: the embedding has 3 rows, and the data has indices up to "},
        {"name: t\ntask: classes\ndata:\n  text: {train: silent.csv, text: q, target: y}\n" NET,
         "t.yaml:4: data.text.text: column 'q' has no text in any training row"},
        {TABLE("made: flowres, target: species") NET, "there is no generator 'flowres'"},
        {TABLE("train: two.csv, target: y") "data2: 3\n" NET, "there is no option 'data2'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hd_recipe *r = NULL;
        json_t *report = NULL;
        heed_err err = hd_recipe_read(cases[i].text, strlen(cases[i].text), "t.yaml", NULL, 0, &r);
        if (err == HEED_OK) {
            r->folder = folder;
            const hd_recipe_opts opts = {.out = path_of("bad"), .seed = -1, .threads = 1};
            err = hd_recipe_run(r, &opts, &report);
        }
        hd_recipe_free(r);
        json_decref(report);
        if (err == HEED_OK) fail_msg("case %zu passes: %s", i, cases[i].message);
        if (!strstr(heed_error_message(HEED_EN), cases[i].message))
            fail_msg("case %zu: '%s' isn't in '%s'", i, cases[i].message,
                     heed_error_message(HEED_EN));
        assert_false(hd_fs_exists(path_of("bad"))); // complete or absent
        assert_false(hd_fs_exists(path_of("bad.tmp")));
    }
    // Test rows that can't be read are told before anything is trained.
    static const char *const late[][2] = {
        {TABLE("train: two.csv, test: new.csv, target: y") NET, "new.csv:3: column 'a'"},
        {TABLE("train: two.csv, test: late.csv, target: y") NET, "late.csv:4: class 'q'"}};
    for (size_t i = 0; i < 2; i++) {
        hd_recipe *r;
        json_t *said = NULL;
        must(hd_recipe_read(late[i][0], strlen(late[i][0]), "t.yaml", NULL, 0, &r));
        r->folder = folder;
        const hd_recipe_opts opts = {.out = path_of("bad"), .seed = -1, .threads = 1};
        assert_int_equal(hd_recipe_check(r, &opts, &said), HEED_INPUT);
        assert_non_null(strstr(heed_error_message(HEED_EN), late[i][1]));
        assert_null(said);
        hd_recipe_free(r);
    }
}

static void test_not_ours(void **state) {
    (void)state;
    must(hd_fs_mkdirs(path_of("mine"), 0755));
    must(hd_fs_write(path_of("mine/letter.txt"), "x", 1, 0644));
    hd_recipe *r;
    json_t *report;
    const char *const changes[] = {"train.epochs=1", "compare=[majority]"};
    must(hd_recipe_open(RECIPES "/iris_mlp.yaml", changes, 2, &r));
    const hd_recipe_opts opts = {.out = path_of("mine"), .seed = -1, .threads = 1};
    assert_int_equal(hd_recipe_run(r, &opts, &report), HEED_INPUT);
    assert_true(hd_fs_exists(path_of("mine/letter.txt")));
    hd_recipe_free(r);
}

// What is read back is checked.
static void test_damaged(void **state) {
    (void)state;
    static const char *const names[] = {"manifest.json", "preparation.json", "model.safetensors"};
    const char *const changes[] = {"train.epochs=1", "compare=[majority]"};
    for (size_t i = 0; i < 3; i++) {
        char path[200];
        hd_predictor *model;
        json_decref(run(RECIPES "/iris_mlp.yaml", changes, 2, path_of("hurt")));
        hd_snprintf(path, sizeof path, "%s/%s", path_of("hurt"), names[i]);
        must(hd_fs_write(path, "{\"format\": \"1\"}", 15, 0644));
        heed_err err = hd_predictor_open(path_of("hurt"), &model);
        if (i > 0) assert_int_equal(err, HEED_CORRUPT);
        if (err == HEED_OK) hd_predictor_close(model);
    }
}

static heed_err short_run(void) {
    hd_recipe *r = NULL;
    json_t *report = NULL;
    hd_predictor *model = NULL;
    const char *const changes[] = {"train={steps: 1, batch: 8}", "compare=[majority]",
                                   "data.table.rows=20", "calibrate=temperature"};
    const char *out = path_of("starved");
    HD_TRY(hd_recipe_open(RECIPES "/iris_mlp.yaml", changes, 4, &r));
    const hd_recipe_opts opts = {.out = out, .seed = -1, .threads = 1};
    heed_err err = hd_recipe_run(r, &opts, &report);
    hd_recipe_free(r);
    json_decref(report);
    HD_TRY(err);
    err = hd_predictor_open(out, &model);
    hd_predictor_close(model);
    return err;
}

// Each allocation in turn fails: the run says so, leaves nothing half done, and loses nothing.
static void test_memory(void **state) {
    (void)state;
    must(short_run());
    (void)hd_mem_calls();
    must(short_run());
    uint64_t calls = hd_mem_calls(), step = calls / 150 + 1;
    for (uint64_t n = 1; n < calls; n += n < 200 ? 7 : step) {
        hd_mem_fail_at(n, true);
        heed_err err = short_run();
        hd_mem_fail_at(0, false);
        if (err != HEED_OK) assert_int_equal(err, HEED_MEMORY);
    }
    must(short_run());
}

static int begin(void **state) {
    return hd_mem_adopt_libraries() == HEED_OK ? set_up(state) : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forecasts), cmocka_unit_test(test_iris),
        cmocka_unit_test(test_folds),     cmocka_unit_test(test_values),
        cmocka_unit_test(test_threads),   cmocka_unit_test(test_language),
        cmocka_unit_test(test_bad),       cmocka_unit_test(test_many_askers),
        cmocka_unit_test(test_not_ours),  cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, begin, tear_down);
}
