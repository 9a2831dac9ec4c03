// SPDX-License-Identifier: Apache-2.0
//
// Each fault made on purpose is found, and a sound training passes. Some of them are trained for
// real: a rate of nothing, dead ReLUs, sigmoids in a row.
#include "recipe/diagnose.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "heed/error.h"
#include "nn/train.h"

typedef double (*curve_fn)(double t); // t: 0 … 1

static json_t *series(curve_fn fn, size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; fn && i < n; i++)
        json_array_append_new(list, json_real(fn((double)i / (double)(n - 1))));
    return list;
}

static json_t *judged(curve_fn train, curve_fn validation, curve_fn norm, const json_t *gradients) {
    json_t *curves =
        json_pack("{s:o, s:o, s:o}", "train_loss", series(train, 100), "validation_loss",
                  series(validation, 20), "gradient_norm", series(norm, 100));
    json_t *out = json_array();
    assert_int_equal(
        hd_diagnose(&(hd_training){.model = "net", .curves = curves, .gradients = gradients}, out),
        HEED_OK);
    json_decref(curves);
    return out;
}

static bool says(const json_t *findings, const char *word) {
    size_t i;
    json_t *finding;
    json_array_foreach(findings, i, finding) {
        const json_t *what = json_object_get(finding, "what");
        assert_true(json_is_string(json_object_get(what, "zh")));
        assert_true(json_is_object(json_object_get(finding, "why")));
        assert_true(json_is_object(json_object_get(finding, "try")));
        if (strstr(json_string_value(json_object_get(what, "en")), word)) return true;
    }
    return false;
}

static double falling(double t) {
    return 2 * exp(-14 * t) + .1;
}
static double falling_slowly(double t) {
    return 2 - 1.5 * t;
}
static double flat(double t) {
    return .69 - .01 * t;
}
static double turning(double t) {
    return t < .3 ? 1 - 2 * t : .4 + .9 * (t - .3);
}
static double jumping(double t) {
    return fmod(floor(t * 99), 2) > 0 ? 3 : .6;
}
static double calm(double t) {
    return 1 + .1 * t;
}
static double bursting(double t) {
    return t > .7 && t < .72 ? 900 : 1;
}

static double led_down(double t) {
    return 1.01 - t;
}
static double noise_near_zero(double t) {
    return t < .1 ? 2 : jumping(t) / 20;
}

// What falls because its rate runs out isn't unfinished; what jumps near zero isn't too fast.
static void test_annealed(void **state) {
    (void)state;
    json_t *out = json_array();
    json_t *curves =
        json_pack("{s:o, s:o, s:o}", "train_loss", series(falling_slowly, 100), "validation_loss",
                  series(falling_slowly, 20), "rate", series(led_down, 100));
    assert_int_equal(hd_diagnose(&(hd_training){.model = "net", .curves = curves}, out), HEED_OK);
    assert_false(says(out, "still learning"));
    assert_true(says(out, "sound"));
    json_decref(curves);
    json_decref(out);
    out = judged(noise_near_zero, NULL, calm, NULL);
    assert_false(says(out, "rate is too high"));
    json_decref(out);
}

static void test_curves(void **state) {
    (void)state;
    static const struct {
        curve_fn train, validation, norm;
        const char *word, *not ;
    } cases[] = {
        {falling, falling, calm, "sound", "overfits"},
        {falling, turning, calm, "overfits", "sound"},
        {flat, flat, calm, "hardly learns", "sound"},
        {falling_slowly, falling_slowly, calm, "still learning", "overfits"},
        {jumping, NULL, calm, "rate is too high", "hardly learns"},
        {falling, falling, bursting, "explode", "sound"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *found = judged(cases[i].train, cases[i].validation, cases[i].norm, NULL);
        if (!says(found, cases[i].word)) fail_msg("case %zu: '%s' isn't found", i, cases[i].word);
        if (says(found, cases[i].not )) fail_msg("case %zu: '%s' is found", i, cases[i].not );
        json_decref(found);
    }
    json_t *nothing = judged(NULL, NULL, NULL, NULL);
    assert_int_equal(json_array_size(nothing), 0);
    json_decref(nothing);
}

static double rising(double t) {
    return .7 + .2 * t;
}

static void test_what_does_not_carry_over(void **state) {
    (void)state;
    json_t *out = json_array();
    json_t *curves = json_pack("{s:o, s:o}", "train_loss", series(falling, 100), "validation_loss",
                               series(rising, 2));
    assert_int_equal(hd_diagnose(&(hd_training){.model = "net", .curves = curves}, out), HEED_OK);
    assert_true(says(out, "doesn't carry over"));
    assert_false(says(out, "sound"));
    json_decref(curves);
    json_decref(out);
}

// What was kept is told, and advice that was followed isn't given again.
static void test_the_best_was_kept(void **state) {
    (void)state;
    json_t *curves = json_pack("{s:o, s:o}", "train_loss", series(falling, 100), "validation_loss",
                               series(turning, 20));
    for (int kept = 0; kept < 2; kept++) {
        json_t *out = json_array();
        const hd_training training = {.model = "net", .curves = curves, .best_kept = kept};
        assert_int_equal(hd_diagnose(&training, out), HEED_OK);
        assert_true(says(out, kept ? "were kept" : "by heart"));
        const json_t *found = json_array_get(out, 0);
        const char *attempt =
            json_string_value(json_object_get(json_object_get(found, "try"), "en"));
        assert_int_equal(strstr(attempt, "restore_best") != NULL, !kept);
        json_decref(out);
    }
    json_decref(curves);
}

// Steps are told as steps.
static void test_its_length_is_named(void **state) {
    (void)state;
    json_t *curves = json_pack("{s:o, s:o}", "train_loss", series(falling_slowly, 100),
                               "validation_loss", series(falling_slowly, 20));
    for (int steps = 0; steps < 2; steps++) {
        json_t *out = json_array();
        const hd_training training = {.model = "net", .curves = curves, .by_steps = steps};
        assert_int_equal(hd_diagnose(&training, out), HEED_OK);
        const json_t *attempt = json_object_get(json_array_get(out, 0), "try");
        assert_string_equal(json_string_value(json_object_get(attempt, "en")),
                            steps ? "more steps" : "more epochs");
        json_decref(out);
    }
    json_decref(curves);
}

// A loss that falls isn't all: what is no better than a guess isn't sound.
static void test_a_guess_is_told(void **state) {
    (void)state;
    static const struct {
        const char *evaluation;
        bool guess;
    } cases[] = {
        {"{\"accuracy\": 0.6, \"balanced_accuracy\": 0.5, \"per_class\": [{\"support\": 60}, "
         "{\"support\": 40}]}",
         true},
        {"{\"accuracy\": 0.6, \"balanced_accuracy\": 0.6, \"per_class\": [{\"support\": 60}, "
         "{\"support\": 40}]}", // rare classes are found
         false},
        {"{\"accuracy\": 0.7, \"balanced_accuracy\": 0.5, \"per_class\": [{\"support\": 60}, "
         "{\"support\": 40}]}",
         false},
        {"{\"r2\": -0.1}", true},
        {"{\"r2\": 0.2}", false},
        {"{}", false},
    };
    json_t *curves = json_pack("{s:o, s:o}", "train_loss", series(falling, 100), "validation_loss",
                               series(falling, 20));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *out = json_array(), *evaluation = json_loads(cases[i].evaluation, 0, NULL);
        assert_non_null(evaluation);
        const hd_training training = {.model = "net", .curves = curves, .evaluation = evaluation};
        assert_int_equal(hd_diagnose(&training, out), HEED_OK);
        assert_int_equal(says(out, "no better than a guess"), cases[i].guess);
        assert_int_equal(says(out, "sound"), !cases[i].guess);
        json_decref(evaluation);
        json_decref(out);
    }
    json_decref(curves);
}

static void test_a_simpler_model_is_named(void **state) {
    (void)state;
    json_t *curves = json_pack("{s:o, s:o}", "train_loss", series(falling, 100), "validation_loss",
                               series(falling, 20));
    json_t *versus = json_pack("{s:s, s:f, s:f, s:f}", "baseline", "logistic", "difference", -.02,
                               "low", -.03, "high", -.01);
    for (int lost = 0; lost < 2; lost++) {
        json_t *out = json_array();
        const hd_training training = {
            .model = "net", .curves = curves, .behind = lost ? versus : NULL};
        assert_int_equal(hd_diagnose(&training, out), HEED_OK);
        assert_int_equal(says(out, "a simpler model is better"), lost);
        assert_int_equal(says(out, "sound"), !lost);
        json_decref(out);
    }
    json_decref(versus);
    json_decref(curves);
}

static void test_clipped_gradients_are_not_clipped_again(void **state) {
    (void)state;
    json_t *curves =
        json_pack("{s:o, s:o, s:o}", "train_loss", series(falling, 100), "validation_loss",
                  series(falling, 20), "gradient_norm", series(bursting, 100));
    for (int clipped = 0; clipped < 2; clipped++) {
        json_t *out = json_array();
        const hd_training training = {.model = "net", .curves = curves, .clipped = clipped};
        assert_int_equal(hd_diagnose(&training, out), HEED_OK);
        assert_true(says(out, clipped ? "were clipped" : "explode"));
        const json_t *attempt = json_object_get(json_array_get(out, 0), "try");
        const char *text = json_string_value(json_object_get(attempt, "en"));
        assert_int_equal(strstr(text, "clip_norm") != NULL, !clipped);
        json_decref(out);
    }
    json_decref(curves);
}

// ── Trained for real ──

enum { N = 64, D = 6 };

static json_t *watched(const char *layers, const char *optimizer, float shift) {
    static float x[N * D];
    static int32_t y[N];
    hd_rng rng = hd_rng_make(1, 1);
    for (size_t i = 0; i < N; i++) {
        y[i] = (int32_t)(i % 2);
        for (size_t c = 0; c < D; c++)
            x[i * D + c] = (float)hd_rng_normal(&rng) + (float)y[i] + shift;
    }
    hd_data_column columns[] = {
        {.field = {.name = "x", .role = HD_ROLE_INPUT, .dtype = HD_F32, .n_dims = 1, .shape = {D}},
         .dtype = HD_F32,
         .data = x},
        {.field = {.name = "target", .role = HD_ROLE_TARGET, .dtype = HD_I32},
         .dtype = HD_I32,
         .data = y}};
    hd_data *data;
    hd_net *net;
    hd_watch *watch;
    json_t *out;
    assert_int_equal(hd_data_memory(N, 2, columns, &data), HEED_OK);
    assert_int_equal(hd_net_new(layers, "", 1, &net), HEED_OK);
    assert_int_equal(hd_watch_new(&watch), HEED_OK);
    const hd_train_opts opts = {
        .optimizer = optimizer, .epochs = 60, .batch = 16, .threads = 1, .watch = watch};
    assert_int_equal(hd_net_train(net, data, &opts, NULL), HEED_OK);
    assert_int_equal(hd_watch_json(watch, &out), HEED_OK);
    hd_watch_free(watch);
    hd_net_free(net);
    hd_data_free(data);
    return out;
}

static void test_dead_units(void **state) {
    (void)state;
    // One large step far from the origin pushes ReLUs to where they never fire again.
    json_t *gradients =
        watched("- linear: {out: 20, act: relu}\n- linear: 2\n", "sgd: {rate: 2}", 4);
    json_t *found = judged(falling, falling, calm, gradients);
    assert_true(says(found, "dead"));
    json_decref(found);
    json_decref(gradients);
    gradients = watched("- linear: {out: 20, act: relu}\n- linear: 2\n", "adam: {rate: .003}", 0);
    found = judged(falling, falling, calm, gradients);
    assert_false(says(found, "dead"));
    assert_false(says(found, "vanish"));
    json_decref(found);
    json_decref(gradients);
}

static void test_vanishing(void **state) {
    (void)state;
    json_t *gradients =
        watched("- linear: {out: 8, act: sigmoid}\n- linear: {out: 8, act: sigmoid}\n"
                "- linear: {out: 8, act: sigmoid}\n- linear: {out: 8, act: sigmoid}\n"
                "- linear: {out: 8, act: sigmoid}\n- linear: {out: 8, act: sigmoid}\n"
                "- linear: 2\n",
                "sgd: {rate: .01}", 0);
    json_t *found = judged(falling, falling, calm, gradients);
    assert_true(says(found, "vanish"));
    json_decref(found);
    json_decref(gradients);
}

// Looking changes no bit.
static void test_watch_is_quiet(void **state) {
    (void)state;
    json_t *one = watched("- linear: {out: 5, act: relu}\n- linear: 2\n", "adam", 0);
    json_t *other = watched("- linear: {out: 5, act: relu}\n- linear: 2\n", "adam", 0);
    assert_true(json_equal(one, other));
    const json_t *layer = json_array_get(json_object_get(one, "layers"), 0);
    assert_string_equal(json_string_value(json_object_get(layer, "name")), "0");
    assert_int_equal(json_integer_value(json_object_get(layer, "units")), 5);
    assert_int_equal(json_array_size(json_object_get(layer, "gradient")), HD_WATCH_POINTS);
    json_decref(one);
    json_decref(other);
}

static json_t *judged_short(double from, double to, double valid_from, double valid_to) {
    json_t *curves = json_pack("{s:[f, f], s:[f, f]}", "train_loss", from, to, "validation_loss",
                               valid_from, valid_to);
    json_t *out = json_array();
    assert_int_equal(hd_diagnose(&(hd_training){.model = "net", .curves = curves}, out), HEED_OK);
    json_decref(curves);
    return out;
}

static const char *first_why(const json_t *findings) {
    const json_t *why = json_object_get(json_array_get(findings, 0), "why");
    return json_string_value(json_object_get(why, "en"));
}

// What is said of a few points is what they are.
static void test_short_trainings(void **state) {
    (void)state;
    json_t *up = judged_short(1, 1.2, 1, .9), *down = judged_short(1, .5, 1, 1.1),
           *both = judged_short(1, .5, 1, .9);
    assert_true(says(up, "too short"));
    assert_string_equal(first_why(up), "the training loss went from 1 to 1.2 in 2 points");
    assert_true(says(down, "doesn't carry over"));
    assert_string_equal(first_why(down), "the training loss fell from 1 to 0.5, the validation "
                                         "loss went from 1 to 1.1");
    assert_string_equal(first_why(both),
                        "the training loss fell from 1 to 0.5, and the validation loss with it");
    json_decref(up);
    json_decref(down);
    json_decref(both);
}

static void test_memory(void **state) {
    (void)state;
    for (uint64_t n = 1; n < 2000; n++) {
        json_t *curves = json_pack("{s:o, s:o}", "train_loss", series(falling, 50),
                                   "validation_loss", series(turning, 20));
        json_t *out = json_array();
        hd_mem_fail_at(n, true);
        heed_err err = hd_diagnose(&(hd_training){.model = "net", .curves = curves}, out);
        hd_mem_fail_at(0, false);
        json_decref(curves);
        json_decref(out);
        if (err == HEED_OK) return;
        assert_int_equal(err, HEED_MEMORY);
    }
    fail();
}

static int adopt(void **state) {
    (void)state;
    return hd_mem_adopt_libraries();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_annealed),
        cmocka_unit_test(test_curves),
        cmocka_unit_test(test_what_does_not_carry_over),
        cmocka_unit_test(test_the_best_was_kept),
        cmocka_unit_test(test_its_length_is_named),
        cmocka_unit_test(test_a_guess_is_told),
        cmocka_unit_test(test_a_simpler_model_is_named),
        cmocka_unit_test(test_clipped_gradients_are_not_clipped_again),
        cmocka_unit_test(test_dead_units),
        cmocka_unit_test(test_vanishing),
        cmocka_unit_test(test_watch_is_quiet),
        cmocka_unit_test(test_short_trainings),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, adopt, NULL);
}
