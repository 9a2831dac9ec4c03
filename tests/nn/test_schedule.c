// SPDX-License-Identifier: Apache-2.0
//
// Schedules at single points, worked out by hand (one_cycle and cosine agree with PyTorch's).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "nn/schedule.h"

static hd_spec spec;
static hd_arena arena;

static hd_schedule schedule_of(const char *text) {
    hd_schedule s;
    hd_spec_clear(&spec);
    assert_int_equal(hd_spec_parse(text, "schedule", "", &spec), HEED_OK);
    hd_where where = hd_where_of(&spec, "schedule");
    assert_int_equal(hd_schedule_read(hd_spec_get(&spec, "schedule"), &where, &arena, &s), HEED_OK);
    return s;
}

static double at(const char *text, uint64_t step, uint64_t steps, uint64_t epoch) {
    const hd_schedule s = schedule_of(text);
    const hd_schedule_state none = {0, 0, 0};
    const hd_moment moment = {step, steps, epoch};
    return hd_schedule_factor(&s, &none, &moment);
}

static void near(double is, double wanted) {
    if (fabs(is - wanted) > 1e-12) fail_msg("%.15g, not %.15g", is, wanted);
}

static void test_points(void **state) {
    (void)state;
    near(at("constant", 70, 100, 7), 1);
    near(at("step: {every: 3, factor: .5}", 0, 100, 8), 0.25);
    near(at("step: {at: [2, 5], factor: .1}", 0, 100, 1), 1);
    near(at("step: {at: [2, 5], factor: .1}", 0, 100, 2), 0.1);
    near(at("step: {at: [2, 5], factor: .1}", 0, 100, 9), 0.01);
    near(at("exponential: .9", 0, 100, 3), 0.729);
    near(at("cosine", 0, 100, 0), 1);
    near(at("cosine", 50, 100, 0), 0.5);
    near(at("cosine: .2", 100, 100, 0), 0.2);
    near(at("cosine", 25, 100, 0), 0.5 * (1 + sqrt(0.5)));
    near(at("linear: .5", 50, 100, 0), 0.75);
    near(at("one_cycle", 0, 100, 0), 0.04);
    near(at("one_cycle", 15, 100, 0), 0.52);
    near(at("one_cycle", 30, 100, 0), 1);
    near(at("one_cycle", 65, 100, 0), (1 + 4e-6) / 2);
    near(at("one_cycle", 100, 100, 0), 4e-6);
    near(at("constant: {warmup: 10}", 0, 100, 0), 0.1);
    near(at("constant: {warmup: 10}", 8, 100, 0), 0.9);
    near(at("constant: {warmup: 10}", 9, 100, 0), 1);
    near(at("linear: {warmup: .2}", 4, 100, 0), 0.25 * 0.96);
}

static void test_plateau(void **state) {
    (void)state;
    const hd_schedule s = schedule_of("plateau: {patience: 1, factor: .5, floor: .3}");
    const hd_moment moment = {5, 100, 1};
    const struct {
        double loss, factor;
    } steps[] = {{3, 1},   {2, 1},   {2.1, 1}, {2, 0.5}, {1, 0.5},
                 {1, 0.5}, {1, 0.3}, {1, 0.3}, {1, 0.3}};
    hd_schedule_state seen = {0, 0, 0};
    near(hd_schedule_factor(&s, &seen, &moment), 1);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        hd_schedule_observe(&s, &seen, steps[i].loss);
        near(hd_schedule_factor(&s, &seen, &moment), steps[i].factor);
    }
}

static void test_absent(void **state) {
    (void)state;
    hd_schedule s;
    hd_where where = hd_where_of(NULL, "schedule");
    hd_schedule_state none = {0, 0, 0};
    const hd_moment moment = {5, 100, 1};
    assert_int_equal(hd_schedule_read(NULL, &where, &arena, &s), HEED_OK);
    near(hd_schedule_factor(&s, &none, &moment), 1);
    hd_schedule_observe(&s, &none, 3);
}

static int setup(void **state) {
    (void)state;
    hd_arena_init(&arena);
    hd_map_init(&spec.lines);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    hd_spec_clear(&spec);
    hd_arena_clear(&arena);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_points),
                                       cmocka_unit_test(test_plateau),
                                       cmocka_unit_test(test_absent)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
