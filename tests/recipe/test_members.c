// SPDX-License-Identifier: Apache-2.0
//
// A network of several members: one is the network itself; several are their mean, kept, read and
// blended like one model. And models that are trained again on the validation rows.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "people.h"
#include "recipe/blended.h"
#include "reports.h"
#include "starved.h"

#define LEAVE                                                      \
    "name: leave\ntask: classes\ndata:\n"                          \
    "  table: {train: people.csv, target: left, drop: [height]}\n" \
    "network:\n  - linear: {out: 8, act: relu}\n  - linear: 1\n"   \
    "compare: [logistic]\n"
#define TRAIN(more) "train: {epochs: 6, optimizer: {adam: {rate: .02}}" more "}\n"

static void same_file(const char *one, const char *other) {
    hd_str a, b;
    hd_str_init(&a);
    hd_str_init(&b);
    must(hd_fs_read(one, 0, &a));
    must(hd_fs_read(other, 0, &b));
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    hd_str_clear(&a);
    hd_str_clear(&b);
}

static json_int_t number_of(const json_t *report, const char *model, const char *key) {
    return json_integer_value(json_object_get(report_model(report, model), key));
}

static const json_t *evaluation_of(const json_t *report, const char *model) {
    return json_object_get(report_model(report, model), "evaluation");
}

static void one_member_is_the_network(void **state) {
    (void)state;
    json_t *plain = run(LEAVE TRAIN(""), 1, path_of("plain"));
    json_t *one = run(LEAVE TRAIN(", members: 1"), 1, path_of("one"));
    same_file(path_of("plain/model.safetensors"), path_of("one/model.safetensors"));
    same_file(path_of("plain/predictions.jsonl"), path_of("one/predictions.jsonl"));
    json_decref(plain);
    json_decref(one);
}

static void members_cost_what_they_are(void **state) {
    (void)state;
    const char *out = path_of("three");
    json_t *plain = run(LEAVE TRAIN(""), 1, path_of("plain"));
    json_t *three = run(LEAVE TRAIN(", members: 3"), 1, out);
    assert_int_equal(number_of(three, "network", "parameters"),
                     3 * number_of(plain, "network", "parameters"));
    assert_int_equal(number_of(three, "network", "bytes"),
                     3 * number_of(plain, "network", "bytes"));
    assert_false(json_equal(evaluation_of(three, "network"), evaluation_of(plain, "network")));
    // The first of them is the network of the run's own seed, with its curves.
    same_file(path_of("plain/model.safetensors"), path_of("three/part-1.safetensors"));
    assert_true(hd_fs_exists(path_of("three/part-3.safetensors")));
    assert_true(hd_fs_exists(path_of("three/runs/network/curves.jsonl")));
    assert_true(json_equal(json_object_get(plain, "curves"), json_object_get(three, "curves")));
    json_decref(plain);
    json_decref(three);
    says_the_same(out, "network", 0);
}

// ── Their mean ──

static void ask(const hd_predictor *m, const hd_scorer *scorer, float **out) {
    hd_rows rows;
    hd_samples samples;
    must(hd_rows_json(rows_asked, "rows", &rows));
    must(m->kind->apply(m->fitted, &rows, HD_WANT_INPUTS, &samples));
    must(hd_scorer_run(scorer, &m->target, &samples, 1, out));
    hd_input_samples_clear(&samples);
    hd_rows_clear(&rows);
}

// Of classes the geometric mean of what the members say.
static void what_they_say_is_averaged(void **state) {
    (void)state;
    hd_predictor *m;
    float *all, *each[3];
    const char *out = path_of("three");
    json_decref(run(LEAVE TRAIN(", members: 3"), 1, out));
    must(hd_predictor_open(out, &m));
    assert_int_equal(m->scorer.blended->blend.m, 3);
    ask(m, &m->scorer, &all);
    for (size_t j = 0; j < 3; j++) ask(m, &m->scorer.blended->parts[j], &each[j]);
    for (size_t i = 0; i < ROWS; i++) {
        double odds = 1;
        for (size_t j = 0; j < 3; j++)
            odds *= cbrt((double)each[j][2 * i + 1] / (double)each[j][2 * i]);
        assert_true(fabs(odds / (1 + odds) - (double)all[2 * i + 1]) < 1e-5);
    }
    for (size_t j = 0; j < 3; j++) hd_free(each[j]);
    hd_free(all);
    hd_predictor_close(m);
}

static void values_are_averaged_too(void **state) {
    (void)state;
    const char *out = path_of("tall");
    json_decref(run("name: tall\ntask: values\ndata:\n"
                    "  table: {train: people.csv, target: height, drop: [left]}\n"
                    "network: [{linear: 1}]\nscale_target: standard\n" TRAIN(", members: 2"),
                    1, out));
    says_the_same(out, "network", 0);
}

// Logistic regression knows nothing of who leaves: the network is all of the blend.
static void a_blend_has_members_in_it(void **state) {
    (void)state;
    const char *out = path_of("mixed");
    json_t *report = run(
        LEAVE TRAIN(", members: 2") "blend: [logistic, network]\nmain: blend\nseeds: 2\n", 1, out);
    assert_true(hd_fs_exists(path_of("mixed/part-2-2.safetensors")));
    assert_int_equal(number_of(report, "blend", "parameters"),
                     number_of(report, "network", "parameters"));
    says_the_same(out, "blend", 0);
    json_decref(report);
}

// A blend within a member isn't anything that was ever saved.
static void damage_is_noticed(void **state) {
    (void)state;
    hd_str text;
    hd_predictor *m;
    json_error_t why;
    json_decref(run(LEAVE TRAIN(", members: 2") "blend: [logistic, network]\nmain: blend\n", 1,
                    path_of("hurt")));
    json_t *json = json_load_file(path_of("hurt/preparation.json"), 0, &why);
    json_t *parts = json_object_get(json_object_get(json, "blend"), "parts");
    json_t *members = json_object_get(json_array_get(parts, 1), "parts");
    json_t *deep = json_deep_copy(json_array_get(parts, 1));
    assert_int_equal(json_array_size(members), 2);
    json_array_set_new(members, 1, deep);
    json_object_set_new(deep, "weight", json_real(.5));
    hd_str_init(&text);
    must(hd_json_dump(json, true, &text));
    must(hd_fs_write(path_of("hurt/preparation.json"), text.data, text.len, 0644));
    assert_int_equal(hd_predictor_open(path_of("hurt"), &m), HEED_CORRUPT);
    hd_str_clear(&text);
    json_decref(json);
}

// ── Trained again with the validation rows ──

static void write_halves(void) {
    hd_str text;
    hd_str_init(&text);
    must(hd_fs_read(path_of("people.csv"), 0, &text));
    const char *whole = hd_str_get(&text), *head = strchr(whole, '\n') + 1, *cut[4] = {head};
    for (size_t part = 1, line = 0; part < 4; part++) {
        cut[part] = cut[part - 1];
        for (; line < part * ROWS / 3; line++) cut[part] = strchr(cut[part], '\n') + 1;
    }
    static const char *const names[] = {"a.csv", "b.csv", "c.csv"};
    for (size_t part = 0; part < 3; part++) {
        hd_str one;
        hd_str_init(&one);
        hd_str_addn(&one, whole, (size_t)(head - whole));
        hd_str_addn(&one, cut[part], (size_t)(cut[part + 1] - cut[part]));
        must(hd_fs_write(path_of(names[part]), one.data, one.len, 0644));
        hd_str_clear(&one);
    }
    hd_str_clear(&text);
}

#define SPLIT(files)                                                    \
    "name: leave\ntask: classes\ndata:\n"                               \
    "  table: {" files ", test: c.csv, target: left, drop: [height]}\n" \
    "  split: {validation: 0}\n"                                        \
    "network:\n  - linear: {out: 8, act: relu}\n  - linear: 1\n"        \
    "compare: [logistic, tree]\n"
#define THREE SPLIT("train: a.csv, validation: b.csv")

// What is registered is what was learned from all the rows, as if nothing had been kept aside.
static void models_learn_from_validation_rows_in_the_end(void **state) {
    (void)state;
    write_halves();
    json_t *again = run(THREE TRAIN("") "refit: true\n", 1, path_of("again"));
    json_t *all = run(SPLIT("train: [a.csv, b.csv]") TRAIN(""), 1, path_of("all"));
    same_file(path_of("again/model.safetensors"), path_of("all/model.safetensors"));
    same_file(path_of("again/predictions.jsonl"), path_of("all/predictions.jsonl"));
    const json_t *rows = json_object_get(json_object_get(again, "data"), "rows");
    assert_int_equal(json_integer_value(json_object_get(rows, "train")), 2 * ROWS / 3);
    assert_int_equal(json_integer_value(json_object_get(rows, "validation")), ROWS / 3);
    json_decref(again);
    json_decref(all);
}

static const json_t *blend_of(const json_t *report) {
    const json_t *settings = json_object_get(report_model(report, "blend"), "settings");
    return json_object_get(settings, "blend");
}

// What was learned on validation rows, when they were new, stays.
static void what_was_chosen_stays(void **state) {
    (void)state;
    const char *out = path_of("kept");
    write_halves();
#define MIX "blend: [network, logistic, tree]\nmain: blend\nseeds: 2\ncalibrate: temperature\n"
    json_t *before = run(THREE TRAIN("") MIX, 1, path_of("before"));
    json_t *kept = run(THREE TRAIN("") MIX "refit: true\n", 1, out);
    assert_true(json_equal(blend_of(before), blend_of(kept)));
    assert_false(json_equal(evaluation_of(before, "blend"), evaluation_of(kept, "blend")));
    says_the_same(out, "blend", 2 * ROWS / 3);
    json_decref(before);
    json_decref(kept);
}

// The second seed's blend is the one that a run from that seed makes.
static void another_seed_is_as_a_run_of_its_own(void **state) {
    (void)state;
    write_halves();
    json_t *two = run(THREE TRAIN("") MIX "refit: true\n", 1, path_of("two"));
    json_t *other = run(THREE TRAIN("") MIX "refit: true\nseed: 2\n", 1, path_of("other"));
    const json_t *seeds = json_object_get(report_model(two, "blend"), "seeds");
    const json_t *each = json_object_get(json_object_get(seeds, "log_loss"), "each");
    const json_t *own = json_object_get(evaluation_of(other, "blend"), "log_loss");
    assert_true(fabs(json_number_value(json_array_get(each, 1)) - json_number_value(own)) < 1e-12);
    json_decref(two);
    json_decref(other);
}

// A network whose best weights were found on the way is trained as long, and no longer.
static void folds_and_early_ends_are_trained_again_too(void **state) {
    (void)state;
    const char *out = path_of("folds");
    json_decref(run("name: leave\ntask: classes\ndata:\n"
                    "  table: {train: people.csv, target: left, drop: [height]}\n"
                    "  split: {folds: 3}\nnetwork:\n  - linear: {out: 8, act: relu}\n"
                    "  - linear: 1\ncompare: [logistic]\nblend: [network, logistic]\n"
                    "main: blend\nrefit: true\n" TRAIN(", restore_best: true, patience: 2"),
                    1, out));
    hd_predictor *m;
    must(hd_predictor_open(out, &m));
    hd_predictor_close(m);
}

static heed_err short_run(void) {
    json_t *report = NULL;
    hd_predictor *m = NULL;
    heed_err err = run_text("name: leave\ntask: classes\ndata:\n"
                            "  table: {train: people.csv, target: left, rows: 30, drop: "
                            "[height]}\nnetwork: [{linear: 1}]\ntrain: {steps: 1, members: 2}\n"
                            "compare: [naive_bayes]\nrefit: true\n"
                            "blend: [network, naive_bayes]\nmain: blend\n",
                            1, path_of("starved"), &report);
    json_decref(report);
    HD_TRY(err);
    HD_TRY(hd_predictor_open(path_of("starved"), &m));
    hd_predictor_close(m);
    return HEED_OK;
}

static void memory_that_fails_is_said(void **state) {
    (void)state;
    starve(short_run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_member_is_the_network),
        cmocka_unit_test(members_cost_what_they_are),
        cmocka_unit_test(what_they_say_is_averaged),
        cmocka_unit_test(values_are_averaged_too),
        cmocka_unit_test(a_blend_has_members_in_it),
        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(models_learn_from_validation_rows_in_the_end),
        cmocka_unit_test(what_was_chosen_stays),
        cmocka_unit_test(another_seed_is_as_a_run_of_its_own),
        cmocka_unit_test(folds_and_early_ends_are_trained_again_too),
        cmocka_unit_test(memory_that_fails_is_said),
    };
    return cmocka_run_group_tests(tests, people_set_up, people_tear_down);
}
