// SPDX-License-Identifier: Apache-2.0
//
// Figures against scikit-learn's on the same rows, curves and intervals against what they must be.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "made.h"
#include "measure/evaluation.h"

typedef struct known {
    const char *name;
    double value;
} known;

static void near(double got, double want) {
    if (!(fabs(got - want) <= 1e-9 * fmax(1, fabs(want)))) fail_msg("%.17g, not %.17g", got, want);
}

static json_t *evaluate(const hd_predictions *p, size_t bootstrap) {
    hd_evaluation_opts opts = hd_evaluation_opts_default();
    opts.bootstrap = bootstrap;
    json_t *out = NULL;
    assert_int_equal(hd_evaluation_json(p, &opts, &out), HEED_OK);
    return out;
}

static double number(const json_t *json, const char *key) {
    const json_t *value = json_object_get(json, key);
    if (!json_is_number(value)) fail_msg("no number '%s'", key);
    return json_number_value(value);
}

static void check_all(const json_t *json, const hd_predictions *p, const known *want, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double alone;
        near(number(json, want[i].name), want[i].value);
        assert_int_equal(hd_evaluation_figure(p, want[i].name, &alone), HEED_OK);
        near(alone, want[i].value);
    }
}
#define CHECK(json, p, want) check_all((json), (p), (want), sizeof(want) / sizeof(want)[0])

static void two_classes_are_as_scikit_learn_has_them(void **state) {
    (void)state;
    static made m;
    static const known want[] = {
        {"accuracy", 0.84666666666666668}, {"balanced_accuracy", 0.84627363737486094},
        {"f1_macro", 0.84642094017094016}, {"mcc", 0.69291734055949505},
        {"kappa", 0.69285555308257285},    {"log_loss", 0.72590392293781125},
        {"brier", 0.15965332031250001},    {"precision", 0.84713375796178347},
        {"recall", 0.85806451612903223},   {"f1", 0.85256410256410253},
        {"auc", 0.84618464961067863},      {"average_precision", 0.7983895745768872},
    };
    made_classes(&m, 300, 2, 1);
    json_t *json = evaluate(&m.p, 0);
    CHECK(json, &m.p, want);
    const json_t *weighted = json_object_get(json_object_get(json, "averages"), "weighted");
    near(number(weighted, "precision"), 0.8466601339212804);
    near(number(weighted, "recall"), 0.8466666666666667);
    near(number(weighted, "f1"), 0.8466257122507123);
    const json_t *matrix = json_object_get(json, "confusion");
    static const json_int_t cells[4] = {121, 24, 22, 133};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(json_integer_value(json_array_get(json_array_get(matrix, i / 2), i % 2)),
                         cells[i]);
    }
    // sklearn.calibration.calibration_curve(n_bins=15): no bin is empty here.
    static const double accuracy[15] = {0.03333333333333333,
                                        0.23076923076923078,
                                        0.15384615384615385,
                                        0.3333333333333333,
                                        0.058823529411764705,
                                        0.1111111111111111,
                                        0.19047619047619047,
                                        0.47368421052631576,
                                        0.9130434782608695,
                                        0.8888888888888888,
                                        0.7777777777777778,
                                        0.9130434782608695,
                                        0.9375,
                                        0.7619047619047619,
                                        0.8};
    const json_t *bins = json_object_get(json_object_get(json, "calibration"), "bins");
    assert_int_equal(json_array_size(bins), 15);
    for (size_t i = 0; i < 15; i++) near(number(json_array_get(bins, i), "accuracy"), accuracy[i]);
    near(number(json_array_get(bins, 1), "confidence"), 0.0985576923076923);
    json_decref(json);
}

static void four_classes_are_as_scikit_learn_has_them(void **state) {
    (void)state;
    static made m;
    static const known want[] = {
        {"accuracy", 0.75749999999999995},
        {"balanced_accuracy", 0.75953620808214328},
        {"f1_macro", 0.75795001269658557},
        {"mcc", 0.677541738281355},
        {"kappa", 0.67644557114027914},
        {"log_loss", 1.1660723302869227},
        {"brier", 0.52817626953124996},
        {"auc", 0.839501350698729},
        {"average_precision", 0.65427699207066736},
    };
    made_classes(&m, 400, 4, 2);
    static const char *const names[] = {"a", "b", "c", "d"};
    m.p.classes = names;
    json_t *json = evaluate(&m.p, 0);
    CHECK(json, &m.p, want);
    near(number(json_object_get(json_object_get(json, "averages"), "weighted"), "precision"),
         0.7608380114237902);
    assert_null(json_object_get(json, "f1")); // of two classes only
    const json_t *worst = json_array_get(json_object_get(json, "confused"), 0);
    assert_string_equal(json_string_value(json_object_get(worst, "truth")), "c");
    assert_string_equal(json_string_value(json_object_get(worst, "predicted")), "a");
    assert_int_equal(number(worst, "count"), 14);
    assert_int_equal(json_array_size(json_object_get(json, "roc")), 4);
    json_decref(json);
}

static void values_are_as_scikit_learn_has_them(void **state) {
    (void)state;
    static made m;
    static const known want[] = {
        {"mae", 3.256875},           {"mse", 13.789941406250001},    {"rmse", 3.7108844936675811},
        {"r2", 0.99739496847905162}, {"mape", 23925373020405.867},   {"median_ae", 3.375},
        {"max_error", 6.25},         {"smape", 0.13921672239479049},
    };
    made_values(&m, 200, 2, 3);
    json_t *json = evaluate(&m.p, 50);
    CHECK(json, &m.p, want);
    near(number(json_array_get(json_object_get(json, "outputs"), 1), "r2"), 0.9973460692371554);
    // numpy.histogram(bins=40)
    static const json_int_t counts[40] = {15, 10, 13, 9, 16, 12, 8, 12, 11, 6,  15, 7,  8,  14,
                                          11, 10, 5,  5, 8,  9,  9, 9,  9,  11, 9,  10, 15, 12,
                                          8,  11, 7,  7, 11, 15, 6, 14, 6,  9,  8,  10};
    const json_t *got = json_object_get(json_object_get(json, "residuals"), "counts");
    for (size_t i = 0; i < 40; i++) {
        assert_int_equal(json_integer_value(json_array_get(got, i)), counts[i]);
    }
    assert_non_null(json_object_get(json_object_get(json, "intervals"), "r2"));
    assert_null(json_object_get(json_object_get(json, "intervals"), "median_ae"));
    json_decref(json);
}

static void language_is_counted_in_nats(void **state) {
    (void)state;
    static const float nats[4] = {1, 2, 3, 2};
    hd_predictions p = {.task = HD_TASK_LANGUAGE, .n = 4, .k = 1, .scores = nats};
    json_t *json = evaluate(&p, 100);
    near(number(json, "log_loss"), 2);
    near(number(json, "perplexity"), exp(2));
    near(number(json, "bits"), 2 / log(2));
    json_decref(json);
}

// Every point that is drawn lies on the full curve, from corner to corner, and never falls.
static void curves_are_thinned_and_whole(void **state) {
    (void)state;
    static made m;
    made_classes(&m, 300, 2, 1);
    hd_evaluation_opts opts = {.curve_points = 10};
    json_t *json = NULL;
    assert_int_equal(hd_evaluation_json(&m.p, &opts, &json), HEED_OK);
    const json_t *curve = json_array_get(json_object_get(json, "roc"), 0);
    const json_t *x = json_object_get(curve, "fpr"), *y = json_object_get(curve, "tpr");
    size_t n = json_array_size(x);
    assert_in_range(n, 5, 10);
    assert_true(json_is_null(json_array_get(json_object_get(curve, "threshold"), 0)));
    for (size_t i = 1; i < n; i++) {
        double at = json_number_value(json_array_get(json_object_get(curve, "threshold"), i));
        double hit = 0, miss = 0;
        for (size_t r = 0; r < 300; r++) {
            if ((double)m.scores[2 * r + 1] >= at) *(m.labels[r] == 1 ? &hit : &miss) += 1;
        }
        near(json_number_value(json_array_get(x, i)), miss / 145);
        near(json_number_value(json_array_get(y, i)), hit / 155);
    }
    near(json_number_value(json_array_get(x, n - 1)), 1);
    assert_null(json_object_get(json, "intervals"));
    assert_null(json_object_get(json, "calibration"));
    json_decref(json);
}

// The interval of a mean is the normal one, whoever computes it; threads change no bit.
static void intervals_are_as_theory_says(void **state) {
    (void)state;
    static made m;
    made_classes(&m, 400, 4, 2);
    char *texts[2];
    for (size_t i = 0; i < 2; i++) {
        hd_evaluation_opts opts = hd_evaluation_opts_default();
        assert_int_equal(hd_pool_new(i + 1, &opts.pool), HEED_OK);
        json_t *json = NULL;
        assert_int_equal(hd_evaluation_json(&m.p, &opts, &json), HEED_OK);
        const json_t *pair = json_object_get(json_object_get(json, "intervals"), "accuracy");
        double half = 1.96 * sqrt(.7575 * .2425 / 400);
        assert_true(fabs(json_number_value(json_array_get(pair, 0)) - (.7575 - half)) < .006);
        assert_true(fabs(json_number_value(json_array_get(pair, 1)) - (.7575 + half)) < .006);
        assert_non_null(json_object_get(json_object_get(json, "intervals"), "auc"));
        texts[i] = json_dumps(json, 0);
        json_decref(json);
        hd_pool_free(opts.pool);
    }
    assert_string_equal(texts[0], texts[1]);
    hd_free(texts[0]);
    hd_free(texts[1]);
}

// Rows that come in runs tell less than rows that stand alone: blocks see it.
static void blocks_widen_the_interval_of_rows_that_depend(void **state) {
    (void)state;
    static float scores[400], targets[400];
    uint32_t seed = 5;
    for (size_t i = 0; i < 400; i += 20) {
        float miss = (float)(made_next(&seed) % 100);
        for (size_t j = i; j < i + 20; j++) scores[j] = miss;
    }
    hd_predictions p = {HD_TASK_VALUES, 400, 1, scores, NULL, targets, NULL};
    double width[2];
    for (size_t i = 0; i < 2; i++) {
        hd_evaluation_opts opts = {.seed = 1, .bootstrap = 400, .block = i == 0 ? 1 : 20};
        json_t *json = NULL;
        assert_int_equal(hd_evaluation_json(&p, &opts, &json), HEED_OK);
        const json_t *pair = json_object_get(json_object_get(json, "intervals"), "mae");
        width[i] =
            json_number_value(json_array_get(pair, 1)) - json_number_value(json_array_get(pair, 0));
        json_decref(json);
    }
    assert_true(width[1] > 2.5 * width[0]); // about √20 ≈ 4.5
}

static void what_is_not_defined_is_null(void **state) {
    (void)state;
    static const float scores[] = {.9F, .1F, .4F, .6F};
    static const int32_t labels[] = {0, 0};
    hd_predictions p = {HD_TASK_CLASSES, 2, 2, scores, labels, NULL, NULL};
    json_t *json = evaluate(&p, 20);
    assert_true(json_is_null(json_object_get(json, "auc")));
    assert_int_equal(json_array_size(json_object_get(json, "roc")), 0);
    near(number(json, "accuracy"), .5);
    near(number(json, "recall"), 0);
    near(number(json, "mcc"), 0);
    json_decref(json);
}

static void faults_are_told_with_their_row(void **state) {
    (void)state;
    static made m;
    json_t *json = NULL;
    hd_evaluation_opts opts = {.seed = 1};
    double value;
    bool higher;
    made_classes(&m, 10, 2, 1);
    m.labels[3] = 2;
    assert_int_equal(hd_evaluation_json(&m.p, &opts, &json), HEED_INPUT);
    assert_string_equal(heed_error_message(HEED_EN),
                        "row 4: label 2 is out of range: there are 2 classes, from 0");
    m.labels[3] = 1;
    m.scores[1] = NAN;
    assert_int_equal(hd_evaluation_json(&m.p, &opts, &json), HEED_INPUT);
    m.scores[1] = 1.5F;
    assert_int_equal(hd_evaluation_json(&m.p, &opts, &json), HEED_INPUT);
    assert_string_equal(heed_error_message(HEED_EN),
                        "row 1: 1.5 is not a probability: from 0 to 1");
    m.p.n = 0;
    assert_int_equal(hd_evaluation_json(&m.p, &opts, &json), HEED_INPUT);
    assert_int_equal(hd_evaluation_figure(&m.p, "mse", &value), HEED_NOT_FOUND);
    assert_int_equal(hd_evaluation_higher(HD_TASK_VALUES, "r2", &higher), HEED_OK);
    assert_true(higher);
    for (int task = 0; task < 3; task++) {
        assert_int_equal(hd_evaluation_higher(task, hd_evaluation_main(task), &higher), HEED_OK);
        assert_true(higher == (task == HD_TASK_CLASSES));
    }
}

static void memory_that_runs_out_is_told(void **state) {
    (void)state;
    static made m;
    hd_evaluation_opts opts = {.seed = 1, .bootstrap = 10, .bins = 5, .curve_points = 5};
    assert_int_equal(hd_mem_adopt_libraries(), HEED_OK);
    for (int task = 0; task < 2; task++) {
        if (task == 0) made_classes(&m, 30, 3, 1);
        if (task == 1) made_values(&m, 30, 2, 1);
        for (uint64_t n = 1;; n++) {
            json_t *json = NULL;
            hd_mem_fail_at(n, true);
            heed_err err = hd_evaluation_json(&m.p, &opts, &json);
            hd_mem_fail_at(0, true);
            json_decref(json);
            if (err == HEED_OK) break;
            assert_int_equal(err, HEED_MEMORY);
            assert_null(json);
            assert_true(n < 5000);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_that_runs_out_is_told), // first: jansson must be adopted unused
        cmocka_unit_test(two_classes_are_as_scikit_learn_has_them),
        cmocka_unit_test(four_classes_are_as_scikit_learn_has_them),
        cmocka_unit_test(values_are_as_scikit_learn_has_them),
        cmocka_unit_test(language_is_counted_in_nats),
        cmocka_unit_test(curves_are_thinned_and_whole),
        cmocka_unit_test(intervals_are_as_theory_says),
        cmocka_unit_test(blocks_widen_the_interval_of_rows_that_depend),
        cmocka_unit_test(what_is_not_defined_is_null),
        cmocka_unit_test(faults_are_told_with_their_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
