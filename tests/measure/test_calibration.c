// SPDX-License-Identifier: Apache-2.0
//
// Calibration against scikit-learn 1.9 (_SigmoidCalibration on the logit, IsotonicRegression) and
// scipy (temperature by bounded minimisation), and paired comparison against scipy's binomtest.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "made.h"
#include "measure/calibration.h"
#include "measure/paired.h"

static void near(double got, double want, double slack) {
    if (!(fabs(got - want) <= slack)) fail_msg("%.17g, not %.17g", got, want);
}

static double first_number(const hd_calibration *c, const char *key, size_t i) {
    json_t *json = NULL;
    assert_int_equal(hd_calibration_json(c, &json), HEED_OK);
    const json_t *curve = json_array_get(json_object_get(json, "curves"), 0);
    double value = json_number_value(json_array_get(json_object_get(curve, key), i));
    json_decref(json);
    return value;
}

static void a_sigmoid_is_as_scikit_learn_fits_it(void **state) {
    (void)state;
    static made m;
    made_classes(&m, 300, 2, 1);
    hd_calibration *c;
    assert_int_equal(hd_calibration_fit("platt", &m.p, &c), HEED_OK);
    near(first_number(c, "y", 0), -0.42457534287545573, 1e-4);
    near(first_number(c, "y", 1), -0.08738527620110123, 1e-4);
    float row[4] = {0, 1, .5F, .5F};
    hd_calibration_apply(c, row, 2);
    near((double)row[3], 1 / (1 + exp(-0.08738527620110123)), 1e-4);
    near((double)(row[0] + row[1]), 1, 1e-7);
    hd_calibration_free(c);
}

static void a_rising_curve_is_as_scikit_learn_fits_it(void **state) {
    (void)state;
    static made m;
    made_classes(&m, 300, 2, 1);
    hd_calibration *c;
    assert_int_equal(hd_calibration_fit("isotonic", &m.p, &c), HEED_OK);
    static const float at[] = {0, .1F, .33F, .5F, .77F, 1};
    static const double want[] = {0.03333333333333333, 0.16666666666666666,
                                  0.16901408450704225, 0.25,
                                  0.8552631578947368,  0.8552631578947368};
    for (size_t i = 0; i < 6; i++) {
        float row[2] = {1 - at[i], at[i]};
        hd_calibration_apply(c, row, 1);
        near((double)row[1], want[i], 1e-6);
    }
    hd_calibration_free(c);
}

static void a_temperature_keeps_what_is_most_probable(void **state) {
    (void)state;
    static made m, cooled;
    made_classes(&m, 400, 4, 2);
    hd_calibration *c;
    assert_int_equal(hd_calibration_fit("temperature", &m.p, &c), HEED_OK);
    near(first_number(c, "y", 0), 0.8399273982665512, 1e-5);
    assert_int_equal(hd_calibration_classes(c), 4);
    cooled = m;
    cooled.p.scores = cooled.scores;
    cooled.p.labels = cooled.labels;
    hd_calibration_apply(c, cooled.scores, 400);
    double before, after, right, still;
    assert_int_equal(hd_evaluation_figure(&m.p, "log_loss", &before), HEED_OK);
    assert_int_equal(hd_evaluation_figure(&cooled.p, "log_loss", &after), HEED_OK);
    assert_int_equal(hd_evaluation_figure(&m.p, "accuracy", &right), HEED_OK);
    assert_int_equal(hd_evaluation_figure(&cooled.p, "accuracy", &still), HEED_OK);
    assert_true(after < before && right == still);
    hd_calibration_free(c);
}

// Every kind: rows still sum to one, and what was saved and read again maps bit for bit the same.
static void every_kind_goes_there_and_back(void **state) {
    (void)state;
    static made m;
    for (size_t k = 2; k <= 4; k++) {
        made_classes(&m, 200, k, 7);
        const char *name;
        for (size_t i = 0; (name = hd_calibration_name(i)); i++) {
            hd_calibration *c, *again;
            json_t *json;
            assert_int_equal(hd_calibration_fit(name, &m.p, &c), HEED_OK);
            assert_int_equal(hd_calibration_json(c, &json), HEED_OK);
            char *text = json_dumps(json, JSON_REAL_PRECISION(17));
            json_decref(json);
            json = json_loads(text, 0, NULL);
            assert_int_equal(hd_calibration_load(json, &again), HEED_OK);
            float a[MADE_CLASSES * 200], b[MADE_CLASSES * 200];
            memcpy(a, m.scores, sizeof a);
            memcpy(b, m.scores, sizeof b);
            hd_calibration_apply(c, a, 200);
            hd_calibration_apply(again, b, 200);
            assert_memory_equal(a, b, 200 * k * sizeof *a);
            for (size_t r = 0; r < 200; r++) {
                double sum = 0;
                for (size_t j = 0; j < k; j++) sum += (double)a[r * k + j];
                near(sum, 1, 1e-6);
            }
            json_decref(json);
            hd_free(text);
            hd_calibration_free(c);
            hd_calibration_free(again);
        }
    }
}

static void damaged_documents_are_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "{}",
        "[]",
        "{\"kind\": \"warm\", \"k\": 2, \"curves\": []}",
        "{\"kind\": \"platt\", \"k\": 1, \"curves\": []}",
        "{\"kind\": \"platt\", \"k\": 2000000000, \"curves\": []}",
        "{\"kind\": \"platt\", \"k\": 2, \"curves\": []}",
        "{\"kind\": \"platt\", \"k\": 2, \"curves\": [3]}",
        "{\"kind\": \"platt\", \"k\": 2, \"curves\": [{\"y\": [1]}]}",
        "{\"kind\": \"platt\", \"k\": 2, \"curves\": [{\"y\": [1, \"2\"]}]}",
        "{\"kind\": \"platt\", \"k\": 2, \"curves\": [{\"y\": [1, 1e300]}]}",
        "{\"kind\": \"temperature\", \"k\": 3, \"curves\": [{\"y\": [-1]}]}",
        "{\"kind\": \"isotonic\", \"k\": 2, \"curves\": [{\"y\": [0.5]}]}",
        "{\"kind\": \"isotonic\", \"k\": 2, \"curves\": [{\"x\": [0, 0], \"y\": [0, 1]}]}",
        "{\"kind\": \"isotonic\", \"k\": 2, \"curves\": [{\"x\": [0, 1], \"y\": [1, 0]}]}",
        "{\"kind\": \"isotonic\", \"k\": 2, \"curves\": [{\"x\": [0, 1], \"y\": [0, 2]}]}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        hd_calibration *c = NULL;
        json_t *json = json_loads(texts[i], 0, NULL);
        assert_non_null(json);
        assert_int_not_equal(hd_calibration_load(json, &c), HEED_OK);
        assert_null(c);
        json_decref(json);
    }
    static made m;
    hd_calibration *c = NULL;
    made_values(&m, 5, 1, 1);
    assert_int_equal(hd_calibration_fit("platt", &m.p, &c), HEED_INPUT);
    assert_int_equal(hd_calibration_fit("plat", &m.p, &c), HEED_NOT_FOUND);
    assert_non_null(strstr(heed_error_message(HEED_EN), "nearest: platt"));
}

static void memory_that_runs_out_is_told(void **state) {
    (void)state;
    static made m;
    made_classes(&m, 40, 3, 7);
    assert_int_equal(hd_mem_adopt_libraries(), HEED_OK);
    const char *name;
    for (size_t i = 0; (name = hd_calibration_name(i)); i++) {
        for (uint64_t n = 1;; n++) {
            hd_calibration *c = NULL, *again = NULL;
            json_t *json = NULL;
            hd_mem_fail_at(n, true);
            heed_err err = hd_calibration_fit(name, &m.p, &c);
            if (err == HEED_OK) err = hd_calibration_json(c, &json);
            if (err == HEED_OK) err = hd_calibration_load(json, &again);
            hd_mem_fail_at(0, true);
            json_decref(json);
            hd_calibration_free(c);
            hd_calibration_free(again);
            if (err == HEED_OK) break;
            assert_int_equal(err, HEED_MEMORY);
            assert_true(n < 5000);
        }
    }
}

// ── Two models over the same rows ──

static void mcnemar_is_exact(void **state) {
    (void)state;
    near(hd_mcnemar(3, 12), 0.03515625, 1e-12);
    near(hd_mcnemar(60, 40), 0.05688793364098089, 1e-12);
    near(hd_mcnemar(0, 0), 1, 1e-12);
    near(hd_mcnemar(5, 5), 1, 1e-12);
}

static void a_small_but_sure_difference_is_seen(void **state) {
    (void)state;
    static made a, b;
    made_classes(&a, 400, 2, 9);
    made_classes(&b, 400, 2, 9);
    size_t mended = 0;
    for (size_t i = 0; i < 400 && mended < 12; i++) { // b is right where a is, and 12 times more
        bool right = (b.scores[2 * i + 1] > .5F) == (b.labels[i] == 1);
        if (right) continue;
        b.scores[2 * i] = b.labels[i] == 0 ? .9F : .1F;
        b.scores[2 * i + 1] = 1 - b.scores[2 * i];
        mended++;
    }
    hd_evaluation_opts opts = hd_evaluation_opts_default();
    hd_paired out;
    assert_int_equal(hd_paired_compare(&b.p, &a.p, "accuracy", &opts, &out), HEED_OK);
    near(out.difference, .03, 1e-12);
    near(out.p, 2 * pow(.5, 12), 1e-12);
    // A mean of 400 rows of which 12 are 1: its standard deviation is known.
    double half = 1.96 * sqrt(.03 * .97 / 400);
    near(out.low, .03 - half, .005);
    near(out.high, .03 + half, .005);
    assert_int_equal(hd_paired_compare(&b.p, &a.p, "auc", &opts, &out), HEED_OK);
    assert_true(out.difference > 0 && out.low > 0 && out.p < .01);
    assert_int_equal(hd_paired_compare(&a.p, &a.p, "log_loss", &opts, &out), HEED_OK);
    assert_true(out.difference == 0 && out.low == 0 && out.high == 0 && out.p == 1);
    json_t *json;
    assert_int_equal(hd_paired_json(&out, "logistic", "log_loss", &json), HEED_OK);
    assert_string_equal(json_string_value(json_object_get(json, "baseline")), "logistic");
    json_decref(json);
}

// What is right stands in the scores: row i by a model of probability p.
static void answer(made *m, size_t i, bool right) {
    bool one = (m->labels[i] == 1) == right;
    m->scores[2 * i] = one ? .2F : .8F;
    m->scores[2 * i + 1] = one ? .8F : .2F;
}

static void several_trainings_count_by_their_mean(void **state) {
    (void)state;
    static made base, a, b;
    hd_evaluation_opts opts = hd_evaluation_opts_default();
    hd_paired one, same, two;
    made_classes(&base, 400, 2, 9);
    made_classes(&a, 400, 2, 9);
    made_classes(&b, 400, 2, 9);
    for (size_t i = 0; i < 400; i++) { // 280, 320 and 340 are right
        answer(&base, i, i < 280);
        answer(&a, i, i < 320);
        answer(&b, i, i < 340);
    }
    const hd_predictions twice[] = {a.p, a.p}, both[] = {a.p, b.p};
    assert_int_equal(hd_paired_compare(&a.p, &base.p, "accuracy", &opts, &one), HEED_OK);
    assert_int_equal(hd_paired_compare_trained(twice, 2, &base.p, "accuracy", &opts, &same),
                     HEED_OK);
    assert_true(one.difference == same.difference && one.low == same.low && one.high == same.high);
    assert_int_equal(same.trainings, 2);
    assert_int_equal(hd_paired_compare_trained(both, 2, &base.p, "accuracy", &opts, &two), HEED_OK);
    near(two.difference, .125, 1e-12);
    near(two.p, 2. / 1001, 1e-3); // no resample is on the other side
    // Of rows, .1 wins by both and .05 by b alone; of trainings, .1 or .15 with the same chance.
    double half = 1.96 * sqrt((.1 + .05 / 4 - .125 * .125) / 400 + .025 * .025 / 2);
    near(two.low, .125 - half, .01);
    near(two.high, .125 + half, .01);
    json_t *json;
    assert_int_equal(hd_paired_json(&two, "logistic", "accuracy", &json), HEED_OK);
    assert_int_equal(json_integer_value(json_object_get(json, "trainings")), 2);
    json_decref(json);
}

// Where a training is worth as much as the baseline in the mean, some better and some worse by what
// its seed does, 95% intervals hold 0 nearly always; without the draws of trainings they would not.
static void no_difference_is_held_by_the_interval(void **state) {
    (void)state;
    enum { TIMES = 200, ROWS = 150, TRAININGS = 4 };
    static made base, of[TRAININGS];
    size_t held = 0;
    for (uint64_t t = 0; t < TIMES; t++) {
        hd_rng rng = hd_rng_make(t, 11);
        hd_evaluation_opts opts = {.seed = t, .bootstrap = 200};
        hd_predictions models[TRAININGS];
        double better[TRAININGS], hard[ROWS];
        hd_paired out;
        made_classes(&base, ROWS, 2, 9);
        for (size_t i = 0; i < ROWS; i++) {
            hard[i] = .6 + .3 * hd_rng_uniform(&rng);
            answer(&base, i, hd_rng_uniform(&rng) < hard[i]);
        }
        for (size_t s = 0; s < TRAININGS; s++) {
            made_classes(&of[s], ROWS, 2, 9);
            better[s] = .05 * (2 * hd_rng_uniform(&rng) - 1);
            for (size_t i = 0; i < ROWS; i++)
                answer(&of[s], i, hd_rng_uniform(&rng) < hard[i] + better[s]);
            models[s] = of[s].p;
        }
        assert_int_equal(
            hd_paired_compare_trained(models, TRAININGS, &base.p, "accuracy", &opts, &out),
            HEED_OK);
        held += out.low <= 0 && out.high >= 0;
    }
    assert_true(held >= .92 * TIMES && held < TIMES);
}

static void what_can_not_be_compared_is_refused(void **state) {
    (void)state;
    static made a, b;
    hd_evaluation_opts opts = {.seed = 1, .bootstrap = 10};
    hd_paired out;
    made_classes(&a, 50, 2, 9);
    made_classes(&b, 50, 2, 10);
    assert_int_equal(hd_paired_compare(&a.p, &b.p, "accuracy", &opts, &out), HEED_INPUT);
    assert_int_equal(hd_paired_compare(&a.p, &a.p, "mse", &opts, &out), HEED_NOT_FOUND);
    made_values(&a, 50, 2, 9);
    made_values(&b, 50, 2, 9);
    assert_int_equal(hd_paired_compare(&a.p, &b.p, "median_ae", &opts, &out), HEED_USAGE);
    assert_int_equal(hd_paired_compare(&a.p, &b.p, "rmse", &opts, &out), HEED_OK);
    b.targets[7] += 1;
    assert_int_equal(hd_paired_compare(&a.p, &b.p, "mse", &opts, &out), HEED_INPUT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_that_runs_out_is_told),
        cmocka_unit_test(a_sigmoid_is_as_scikit_learn_fits_it),
        cmocka_unit_test(a_rising_curve_is_as_scikit_learn_fits_it),
        cmocka_unit_test(a_temperature_keeps_what_is_most_probable),
        cmocka_unit_test(every_kind_goes_there_and_back),
        cmocka_unit_test(damaged_documents_are_refused),
        cmocka_unit_test(mcnemar_is_exact),
        cmocka_unit_test(a_small_but_sure_difference_is_seen),
        cmocka_unit_test(several_trainings_count_by_their_mean),
        cmocka_unit_test(no_difference_is_held_by_the_interval),
        cmocka_unit_test(what_can_not_be_compared_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
