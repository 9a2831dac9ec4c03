// SPDX-License-Identifier: Apache-2.0
//
// A model made of others: what a run makes, keeps, and says again of the same rows; and the choice
// among models of several kinds.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "people.h"
#include "reports.h"
#include "starved.h"

#define LEAVE                                                                             \
    "name: leave\ntask: classes\ndata:\n"                                                 \
    "  table: {train: people.csv, target: left, drop: [height]}\n"                        \
    "network:\n  - linear: {out: 12, act: relu}\n  - linear: 1\n"                         \
    "train: {epochs: 12, optimizer: {adam: {rate: .02}}}\ncompare: [majority, logistic, " \
    "tree]\nblend: [network, logistic, tree, majority]\n"
#define HEIGHT                                                             \
    "name: tall\ntask: values\ndata:\n"                                    \
    "  table: {train: people.csv, target: height, drop: [left]}\n"         \
    "network: [{linear: 1}]\nscale_target: standard\ntrain: {epochs: 9}\n" \
    "compare: [mean, linear]\nblend: [network, linear, mean]\nmain: blend\n"

// A network that learned too little and a tree that knows steps: together better than each.
#define STEPS                                                      \
    "name: steps\ntask: values\ndata:\n"                           \
    "  table: {train: people.csv, target: height, drop: [left]}\n" \
    "network: [{linear: 1}]\nscale_target: standard\n"             \
    "train: {epochs: 3, optimizer: {adam: {rate: .02}}}\n"         \
    "compare: [mean, {tree: {depth: 3}}]\nblend: [network, tree, mean]\nmain: blend\n"

static const json_t *parts_of(const json_t *report) {
    const json_t *settings = json_object_get(report_model(report, "blend"), "settings");
    return json_object_get(json_object_get(settings, "blend"), "parts");
}

static void a_blend_says_in_serving_what_it_said_in_training(void **state) {
    (void)state;
    const char *out = path_of("leave");
    json_t *report = run(LEAVE "main: blend\nseeds: 2\ncalibrate: temperature\n", 1, out);
    const json_t *blend = report_model(report, "blend"), *parts = parts_of(report);
    double sum = 0;
    size_t i, bytes = 0;
    json_t *part;
    assert_int_equal(json_array_size(parts), 4);
    json_array_foreach(parts, i, part) {
        double weight = json_number_value(json_object_get(part, "weight"));
        const char *name = json_string_value(json_object_get(part, "name"));
        assert_true(weight >= 0);
        assert_int_equal(weight > 0, json_object_get(part, "file") != NULL);
        sum += weight;
        if (weight > 0)
            bytes +=
                (size_t)json_integer_value(json_object_get(report_model(report, name), "bytes"));
    }
    assert_true(fabs(sum - 1) < 1e-12);
    assert_int_equal(json_integer_value(json_object_get(blend, "bytes")), bytes);
    assert_string_equal(json_string_value(json_object_get(blend, "kind")), "blend");
    assert_non_null(json_object_get(blend, "versus"));
    const json_t *seeds = json_object_get(json_object_get(blend, "seeds"), "accuracy");
    assert_int_equal(json_array_size(json_object_get(seeds, "each")), 2);
    says_the_same(out, "blend", 0);
    json_decref(report);
}

static void values_are_blended_too(void **state) {
    (void)state;
    const char *out = path_of("tall");
    json_t *report = run(HEIGHT, 1, out);
    double error = json_number_value(
        json_object_get(json_object_get(report_model(report, "blend"), "evaluation"), "mse"));
    double mean = json_number_value(
        json_object_get(json_object_get(report_model(report, "mean"), "evaluation"), "mse"));
    assert_true(error < mean / 10);
    says_the_same(out, "blend", 0);
    json_decref(report);
}

// With folds the parts are trained again on all rows, and the blend's weights learned again.
static void folds_end_in_a_blend_of_all_rows(void **state) {
    (void)state;
    const char *out = path_of("folds");
    char text[1024];
    hd_predictor *model;
    hd_snprintf(text, sizeof text, "%s%s", LEAVE, "main: blend\n");
    char *at = strstr(text, "network:");
    char with[1200];
    hd_snprintf(with, sizeof with, "%.*s  split: {folds: 3}\n%s", (int)(at - text), text, at);
    json_t *report = run(with, 1, out);
    must(hd_predictor_open(out, &model));
    hd_predictor_close(model);
    json_decref(report);
}

static double accuracy_of(const json_t *model) {
    return json_number_value(json_object_get(json_object_get(model, "evaluation"), "accuracy"));
}

// Every fold is trained again from each seed; what is compared with the baseline is their mean.
static void folds_have_seeds_too(void **state) {
    (void)state;
    char with[1400], text[1024];
    hd_snprintf(text, sizeof text, "%s%s", LEAVE, "main: blend\nseeds: 3\n");
    char *at = strstr(text, "network:");
    hd_snprintf(with, sizeof with, "%.*s  split: {folds: 2}\n%s", (int)(at - text), text, at);
    json_t *report = run(with, 1, path_of("seeds"));
    const json_t *network = report_model(report, "network");
    const json_t *versus = json_object_get(network, "versus");
    const json_t *spread = json_object_get(json_object_get(network, "seeds"), "accuracy");
    const json_t *each = json_object_get(spread, "each");
    assert_int_equal(json_array_size(each), 3);
    double sum = 0, baseline = accuracy_of(report_model(
                        report, json_string_value(json_object_get(versus, "baseline"))));
    for (size_t s = 0; s < 3; s++) sum += json_number_value(json_array_get(each, s));
    assert_true(fabs(json_number_value(json_array_get(each, 0)) - accuracy_of(network)) < 1e-12);
    assert_int_equal(json_integer_value(json_object_get(versus, "trainings")), 3);
    double difference = json_number_value(json_object_get(versus, "difference"));
    assert_true(fabs(difference - (sum / 3 - baseline)) < 1e-12);
    json_decref(report);
}

// Another figure than accuracy: differences in both, each as its name says.
static void judged_by_another_figure(void **state) {
    (void)state;
    static const char *const figures[] = {"auc", "accuracy"};
    char text[1024];
    hd_snprintf(text, sizeof text, "%s%s", LEAVE, "figure: auc\nmain: blend\n");
    json_t *report = run(text, 1, path_of("figure"));
    assert_string_equal(json_string_value(json_object_get(report, "main_figure")), "auc");
    const json_t *model = report_model(report, "blend");
    const json_t *versus = json_object_get(model, "versus");
    const json_t *linear =
        report_model(report, json_string_value(json_object_get(versus, "baseline")));
    for (size_t i = 0; i < 2; i++, versus = json_object_get(versus, "usual")) {
        const json_t *mine = json_object_get(json_object_get(model, "evaluation"), figures[i]);
        const json_t *its = json_object_get(json_object_get(linear, "evaluation"), figures[i]);
        double difference = json_number_value(json_object_get(versus, "difference"));
        assert_string_equal(json_string_value(json_object_get(versus, "metric")), figures[i]);
        assert_true(fabs(difference - (json_number_value(mine) - json_number_value(its))) < 1e-9);
    }
    assert_null(versus);
    json_decref(report);
}

static void threads_change_nothing(void **state) {
    (void)state;
    json_t *one = run(LEAVE, 1, path_of("one")), *two = run(LEAVE, 2, path_of("two"));
    assert_true(json_equal(parts_of(one), parts_of(two)));
    assert_true(json_equal(json_object_get(report_model(one, "blend"), "evaluation"),
                           json_object_get(report_model(two, "blend"), "evaluation")));
    json_decref(one);
    json_decref(two);
}

static void a_blend_needs_all_its_parts(void **state) {
    (void)state;
    json_t *report = run("name: leave\ntask: classes\ndata:\n"
                         "  table: {train: people.csv, target: left, drop: [height]}\n"
                         "compare: [tree, logistic, {naive_bayes: multinomial}]\n"
                         "blend: [logistic, naive_bayes]\nmain: tree\n",
                         1, path_of("failed"));
    const json_t *error = json_object_get(report_model(report, "blend"), "error");
    assert_non_null(strstr(json_string_value(json_object_get(error, "en")), "naive_bayes"));
    json_decref(report);
}

static void put(const char *name, const char *text) {
    char path[200];
    hd_snprintf(path, sizeof path, "%s/%s", path_of("hurt"), name);
    must(hd_fs_write(path, text, strlen(text), 0644));
}

// What is read back is checked.
static void damage_is_noticed(void **state) {
    (void)state;
    static const char *const changes[][2] = {
        {"\"sharp\": ", "\"sharp\": -"},           {"\"sharp\": ", "\"blunt\": "},
        {"\"weight\": 0.", "\"weight\": 1."},      {"\"weight\": 0.", "\"weight\": -0."},
        {"\"reading\": \"", "\"reading\": \"tea"}, {"\"parts\"", "\"pieces\""}};
    hd_str text;
    hd_predictor *model;
    json_t *report = run(STEPS, 1, path_of("hurt"));
    for (size_t i = 0; i < 2; i++)
        assert_true(
            json_number_value(json_object_get(json_array_get(parts_of(report), i), "weight")) > .1);
    json_decref(report);
    hd_str_init(&text);
    must(hd_fs_read(path_of("hurt/preparation.json"), 0, &text));
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        hd_str bad;
        const char *whole = hd_str_get(&text), *blend = strstr(whole, "\"blend\"");
        const char *at = strstr(blend, changes[i][0]);
        assert_non_null(at);
        hd_str_init(&bad);
        hd_str_addn(&bad, whole, (size_t)(at - whole));
        hd_str_add(&bad, changes[i][1]);
        hd_str_add(&bad, at + strlen(changes[i][0]));
        put("preparation.json", hd_str_get(&bad));
        hd_str_clear(&bad);
        assert_int_equal(hd_predictor_open(path_of("hurt"), &model), HEED_CORRUPT);
    }
    put("preparation.json", hd_str_get(&text));
    hd_str_clear(&text);
    must(hd_predictor_open(path_of("hurt"), &model));
    hd_predictor_close(model);
    put("part-2.bin", "nothing");
    assert_int_equal(hd_predictor_open(path_of("hurt"), &model), HEED_CORRUPT);
}

static heed_err short_run(void) {
    json_t *report = NULL;
    hd_predictor *model = NULL;
    heed_err err = run_text("name: leave\ntask: classes\ndata:\n"
                            "  table: {train: people.csv, target: left, rows: 30, drop: "
                            "[height]}\nnetwork: [{linear: 1}]\ntrain: {steps: 1}\n"
                            "compare: [majority, naive_bayes]\n"
                            "blend: [network, naive_bayes]\nmain: blend\nseeds: 2\n",
                            1, path_of("starved"), &report);
    json_decref(report);
    HD_TRY(err);
    HD_TRY(hd_predictor_open(path_of("starved"), &model));
    hd_predictor_close(model);
    return HEED_OK;
}

static void memory_that_fails_is_said(void **state) {
    (void)state;
    starve(short_run);
}

// ── The choice ──

enum { JUDGED = 400 };

// A model that is right on so many of the validation rows, beginning with row `from`.
static void judge_as(hd_run_model *model, float *scores, size_t from, size_t right) {
    for (size_t i = 0; i < JUDGED; i++) {
        bool is = (i + JUDGED - from) % JUDGED < right;
        scores[2 * i] = is ? .9F : .1F;
        scores[2 * i + 1] = is ? .1F : .9F;
    }
    model->validation = (hd_scores){.at = scores, .n = JUDGED};
}

static const char *chosen(size_t logistic, size_t tree, size_t network, size_t blend) {
    static float scores[4][2 * JUDGED];
    static int32_t labels[JUDGED];
    static hd_run run;
    static const hd_recipe_network net = {.name = "network"};
    static const hd_recipe_classic classic = {.name = "logistic"};
    static const hd_recipe_blend mixed = {.n = 2};
    hd_recipe recipe = {.task = HD_RECIPE_CLASSES, .main = "best"};
    run = (hd_run){.recipe = &recipe, .seed = 1, .n_models = 4};
    run.prepared.target.k = 2;
    run.labels[HD_PART_VALIDATION] = labels;
    run.models[0] = (hd_run_model){.name = "network", .network = &net};
    run.models[1] = (hd_run_model){.name = "logistic", .classic = &classic};
    run.models[2] = (hd_run_model){.name = "tree", .classic = &classic};
    run.models[3] = (hd_run_model){.name = "blend", .blend = &mixed};
    judge_as(&run.models[0], scores[0], 40, network);
    judge_as(&run.models[1], scores[1], 0, logistic);
    judge_as(&run.models[2], scores[2], 0, tree);
    judge_as(&run.models[3], scores[3], 20, blend);
    must(hd_run_choose(&run));
    return run.main->name;
}

static void a_simpler_kind_is_taken_when_the_rows_do_not_tell(void **state) {
    (void)state;
    assert_string_equal(chosen(300, 290, 302, 301), "logistic"); // within the noise
    assert_string_equal(chosen(290, 300, 302, 301), "tree");     // the better of its kind
    assert_string_equal(chosen(300, 290, 350, 353), "network");  // so is the blend's lead
    assert_string_equal(chosen(300, 290, 310, 399), "blend");
    assert_string_equal(chosen(300, 300, 300, 300), "logistic");
    assert_string_equal(chosen(390, 300, 350, 380), "logistic");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_blend_says_in_serving_what_it_said_in_training),
        cmocka_unit_test(values_are_blended_too),
        cmocka_unit_test(folds_end_in_a_blend_of_all_rows),
        cmocka_unit_test(folds_have_seeds_too),
        cmocka_unit_test(judged_by_another_figure),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(a_blend_needs_all_its_parts),
        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(memory_that_fails_is_said),
        cmocka_unit_test(a_simpler_kind_is_taken_when_the_rows_do_not_tell),
    };
    return cmocka_run_group_tests(tests, people_set_up, people_tear_down);
}
