// SPDX-License-Identifier: Apache-2.0
//
// Students learn from rows that a teacher labelled: as if a file had said so, the surest ones, and
// nobody but them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "people.h"
#include "reports.h"
#include "starved.h"

enum { LABELLED = 40, UNLABELLED = 60, TEST = 50 };
static json_t *unlabelled; // the file's rows, as a request has them

#define TEXTS(files)                                                          \
    "name: mood\ntask: classes\ndata:\n  text: {" files                       \
    ", test: test.csv, text: text, target: mood}\n  split: {validation: 0}\n" \
    "prepare: {vocabulary: 60, length: 8}\nfeatures: {tfidf: {sublinear: true}}\n"
#define BOTH "train: train.csv, unlabelled: more.csv"
#define MODELS "compare: [logistic, {taught: {logistic: {C: 2}}}]\n"
#define TAUGHT(share) \
    "self_training: {teacher: logistic, students: [taught], share: " share "}\nmain: logistic\n"

// Eight words, of which those of one mood are twice as many.
static void add_text(hd_str *to, hd_rng *rng, bool good) {
    for (size_t w = 0; w < 8; w++) {
        bool own = hd_rng_below(rng, 3) > 0;
        hd_str_addf(to, "%s%s%d", w ? " " : "", own == good ? "sun" : "fog",
                    (int)hd_rng_below(rng, 20));
    }
}

static void write_texts(const char *name, size_t n, uint64_t seed, const char *head) {
    hd_str text;
    hd_rng rng = hd_rng_make(seed, 0);
    hd_str_init(&text);
    hd_str_add(&text, head);
    for (size_t i = 0; i < n; i++) {
        bool good = hd_rng_below(&rng, 2) == 0;
        add_text(&text, &rng, good);
        hd_str_add(&text, strchr(head, ',') ? good ? ",good\n" : ",bad\n" : "\n");
    }
    must(hd_fs_write(path_of(name), text.data, text.len, 0644));
    hd_str_clear(&text);
}

static void read_back(const char *name, hd_rows *rows) {
    const hd_rows_format format = {.delimiter = ','};
    hd_rows_init(rows);
    must(hd_rows_read(rows, path_of(name), name, &format));
}

static int set_up(void **state) {
    hd_rows rows;
    if (people_set_up(state) != 0) return -1;
    write_texts("train.csv", LABELLED, 1, "text,mood\n");
    write_texts("more.csv", UNLABELLED, 2, "text\n");
    write_texts("test.csv", TEST, 3, "text,mood\n");
    read_back("more.csv", &rows);
    unlabelled = json_array();
    for (size_t i = 0; i < rows.n; i++) {
        hd_slice cell = rows.columns[0].cells[i];
        json_array_append_new(unlabelled, json_pack("{s:s%}", "text", cell.p, cell.n));
    }
    hd_rows_clear(&rows);
    return 0;
}

static int tear_down(void **state) {
    json_decref(unlabelled);
    return people_tear_down(state);
}

static const json_t *figures(const json_t *report, const char *model) {
    return json_object_get(report_model(report, model), "evaluation");
}

// ── As if a file had said so ──

static void write_what_it_says(const char *out) {
    hd_predictor *m;
    hd_rows rows;
    hd_answer answer;
    hd_str text;
    must(hd_predictor_open(out, &m));
    must(hd_rows_json(unlabelled, "rows", &rows));
    must(hd_predictor_run(m, &rows, 1, &answer));
    hd_str_init(&text);
    hd_str_add(&text, "text,mood\n");
    for (size_t i = 0; i < rows.n; i++) {
        const float *p = answer.scores + 2 * i;
        hd_str_addn(&text, rows.columns[0].cells[i].p, rows.columns[0].cells[i].n);
        hd_str_addf(&text, ",%s\n", m->target.names[p[1] > p[0]]);
    }
    must(hd_fs_write(path_of("said.csv"), text.data, text.len, 0644));
    hd_str_clear(&text);
    hd_answer_clear(&answer);
    hd_rows_clear(&rows);
    hd_predictor_close(m);
}

static void students_learn_what_the_teacher_says(void **state) {
    (void)state;
    const char *out = path_of("taught");
    json_t *taught = run(TEXTS(BOTH) MODELS TAUGHT("1"), 1, out);
    write_what_it_says(out);
    json_t *said = run(TEXTS("train: [train.csv, said.csv]") MODELS, 1, path_of("said"));
    assert_true(json_equal(figures(taught, "taught"), figures(said, "taught")));
    assert_false(json_equal(figures(taught, "logistic"), figures(said, "logistic")));
    json_decref(taught);
    json_decref(said);
}

static void nobody_else_sees_those_rows(void **state) {
    (void)state;
    json_t *taught = run(TEXTS(BOTH) MODELS TAUGHT(".5"), 1, path_of("taught"));
    json_t *alone = run(TEXTS(BOTH) MODELS, 1, path_of("alone"));
    assert_true(json_equal(figures(taught, "logistic"), figures(alone, "logistic")));
    assert_false(json_equal(figures(taught, "taught"), figures(alone, "taught")));
    const json_t *notes = json_object_get(json_object_get(taught, "data"), "notes");
    const char *en = json_string_value(json_object_get(json_array_get(notes, 0), "en"));
    assert_string_equal(en, "self-training: of 60 unlabelled rows, the 30 that 'logistic' was "
                            "surest of were learned from with the classes it gave them");
    const json_t *files = json_object_get(json_object_get(taught, "data"), "files");
    assert_string_equal(json_string_value(json_object_get(json_array_get(files, 2), "part")),
                        "unlabelled");
    json_decref(taught);
    json_decref(alone);
}

// ── The surest ──

static void prepare_texts(hd_recipe **recipe, hd_input_parts *raw, hd_prepared *p) {
    static const char text[] = TEXTS(BOTH) MODELS TAUGHT(".25");
    must(hd_recipe_read(text, strlen(text), "t.yaml", NULL, 0, recipe));
    hd_input_parts_init(raw);
    read_back("train.csv", &raw->rows[HD_PART_TRAIN]);
    read_back("test.csv", &raw->rows[HD_PART_TEST]);
    read_back("more.csv", &raw->unlabelled);
    must(hd_prepared_fit(*recipe, raw, HD_NO_FOLD, HD_WANT_FEATURES, p));
}

static float sureness(const float *scores, size_t i) {
    return scores[2 * i] > scores[2 * i + 1] ? scores[2 * i] : scores[2 * i + 1];
}

static void the_surest_are_taken(void **state) {
    (void)state;
    enum { TAKEN = UNLABELLED / 4 };
    hd_recipe *recipe;
    hd_input_parts raw;
    hd_prepared p;
    hd_predictor *m;
    hd_samples asked;
    float *scores;
    json_decref(run(TEXTS(BOTH) MODELS TAUGHT(".25"), 1, path_of("taught")));
    must(hd_predictor_open(path_of("taught"), &m));
    prepare_texts(&recipe, &raw, &p);
    must(hd_prepared_teach(&p, &m->scorer, .25, 1));
    assert_int_equal(p.taught.n, LABELLED + TAKEN);
    must(p.kind->apply(p.fitted, &p.parts.unlabelled, HD_WANT_FEATURES, &asked));
    must(hd_scorer_run(&m->scorer, &p.target, &asked, 1, &scores));
    // Taken is who has fewer than so many surer ones; they stand in their order.
    size_t at = LABELLED;
    for (size_t i = 0; i < UNLABELLED; i++) {
        size_t surer = 0;
        for (size_t j = 0; j < UNLABELLED; j++) {
            float a = sureness(scores, j), b = sureness(scores, i);
            surer += a > b || (!(a < b) && j < i);
        }
        if (surer < TAKEN)
            assert_int_equal(p.taught_labels[at++], scores[2 * i + 1] > scores[2 * i]);
    }
    assert_int_equal(at, p.taught.n);
    assert_memory_equal(p.taught_labels, p.labels[HD_PART_TRAIN], LABELLED * sizeof(int32_t));
    hd_free(scores);
    hd_input_samples_clear(&asked);
    hd_prepared_clear(&p);
    hd_input_parts_clear(&raw);
    hd_recipe_free(recipe);
    hd_predictor_close(m);
}

// ── With everything else ──

#define NET                                                                                     \
    "network: [{embedding: {count: 60, dim: 4}}, {sequence_pool: mean}, {linear: 2}]\n"         \
    "train: {epochs: 3, restore_best: true}\n" MODELS "blend: [network, taught]\nmain: blend\n" \
    "refit: true\n"                                                                             \
    "self_training: {teacher: logistic, students: [network, taught]}\n"

// Trained again, with validation rows, they are what a run without such rows makes of them.
static void networks_learn_and_all_learn_again(void **state) {
    (void)state;
    hd_predictor *m;
    write_texts("validation.csv", 20, 4, "text,mood\n");
    json_t *two =
        run(TEXTS(BOTH ", validation: validation.csv") NET "seeds: 2\n", 1, path_of("two"));
    json_t *other =
        run(TEXTS(BOTH ", validation: validation.csv") NET "seed: 2\n", 1, path_of("other"));
    const json_t *seeds = json_object_get(report_model(two, "blend"), "seeds");
    const json_t *each = json_object_get(json_object_get(seeds, "log_loss"), "each");
    const json_t *own = json_object_get(figures(other, "blend"), "log_loss");
    assert_true(fabs(json_number_value(json_array_get(each, 1)) - json_number_value(own)) < 1e-12);
    must(hd_predictor_open(path_of("two"), &m));
    hd_predictor_close(m);
    json_t *again =
        run(TEXTS(BOTH ", validation: validation.csv") MODELS "refit: true\n" TAUGHT(".5"), 1,
            path_of("again"));
    json_t *all =
        run(TEXTS("train: [train.csv, validation.csv], unlabelled: more.csv") MODELS TAUGHT(".5"),
            1, path_of("all"));
    assert_true(json_equal(figures(again, "taught"), figures(all, "taught")));
    json_decref(two);
    json_decref(other);
    json_decref(again);
    json_decref(all);
}

static void folds_do_too(void **state) {
    (void)state;
    hd_predictor *m;
    json_decref(run("name: mood\ntask: classes\ndata:\n"
                    "  text: {train: train.csv, unlabelled: more.csv, text: text, target: mood}\n"
                    "  split: {folds: 2}\nprepare: {vocabulary: 60, length: 8}\n" NET,
                    1, path_of("folds")));
    must(hd_predictor_open(path_of("folds"), &m));
    hd_predictor_close(m);
}

// ── What is refused ──

static void refused(const char *text, const char *why) {
    hd_recipe *r = NULL;
    assert_int_equal(hd_recipe_read(text, strlen(text), "t.yaml", NULL, 0, &r), HEED_INPUT);
    if (!strstr(heed_error_message(HEED_EN), why)) fail_msg("%s", heed_error_message(HEED_EN));
}

static void what_makes_no_sense_is_refused(void **state) {
    (void)state;
    refused(TEXTS(BOTH) MODELS "self_training: {teacher: logistik, students: [taught]}\n",
            "no model 'logistik'");
    refused(TEXTS(BOTH) MODELS "self_training: {teacher: logistic, students: [taut]}\n",
            "no model 'taut'");
    refused(TEXTS(BOTH) MODELS "self_training: {teacher: logistic, students: []}\n",
            "must be a list of models");
    refused(TEXTS(BOTH) MODELS "self_training: {teacher: logistic, students: [logistic]}\n",
            "'logistic' is the teacher");
    refused(TEXTS(BOTH) MODELS "network: [{linear: 2}]\n"
                               "self_training: {teacher: network, students: [taught]}\n",
            "a classical model teaches");
    refused(TEXTS("train: train.csv") MODELS TAUGHT(".5"), "rows without labels");
    refused(
        "name: tall\ntask: values\ndata:\n  table: {train: a.csv, target: b}\n" MODELS TAUGHT(".5"),
        "is of classes");
}

static heed_err short_run(void) {
    json_t *report = NULL;
    heed_err err =
        run_text(TEXTS(BOTH) "compare: [naive_bayes, {taught: {naive_bayes: {}}}]\n"
                             "self_training: {teacher: naive_bayes, students: [taught]}\n"
                             "main: taught\n",
                 1, path_of("starved"), &report);
    json_decref(report);
    return err;
}

static void memory_that_fails_is_said(void **state) {
    (void)state;
    starve(short_run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(students_learn_what_the_teacher_says),
        cmocka_unit_test(nobody_else_sees_those_rows),
        cmocka_unit_test(the_surest_are_taken),
        cmocka_unit_test(networks_learn_and_all_learn_again),
        cmocka_unit_test(folds_do_too),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(memory_that_fails_is_said),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
