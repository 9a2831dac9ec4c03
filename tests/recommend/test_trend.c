// SPDX-License-Identifier: Apache-2.0
//
// Decay, by hand and against the sum read plainly, in whatever order events come.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "recommend/trend.h"

enum { ITEMS = 5, EVENTS = 200 };
#define NOW (INT64_C(1790000000000))

static void scores_of(const hd_trend *trend, float scores[ITEMS]) {
    hd_item item[ITEMS];
    for (int i = 0; i < ITEMS; i++) item[i] = (hd_item){.key = 10 + i};
    const hd_items items = {.items = item, .n = ITEMS};
    const hd_trend_model model = {trend, &items};
    const hd_history nobody = {.now = HD_TIME_NONE};
    assert_int_equal(hd_method_trending.n_items(&model), ITEMS);
    assert_int_equal(hd_method_trending.score(&model, &nobody, scores), HEED_OK);
}

static void add(hd_trend *trend, int item, double weight, hd_time time) {
    assert_int_equal(hd_trend_add(trend, 10 + item, weight, time, NOW), HEED_OK);
}

static void test_by_hand(void **state) {
    (void)state;
    hd_trend *trend = NULL;
    float scores[ITEMS];
    assert_int_equal(hd_trend_new(2, &trend), HEED_OK);
    scores_of(trend, scores);
    assert_true(scores[0] == 0 && hd_trend_events(trend) == 0);
    add(trend, 0, 1, HD_TIME_NONE); // counts while nothing else does
    add(trend, 0, 2, HD_TIME_NONE);
    scores_of(trend, scores);
    assert_true(scores[0] == 3 && hd_trend_events(trend) == 2);
    assert_true(hd_trend_newest(trend) == HD_TIME_NONE);
    add(trend, 1, 1, NOW - 4 * HD_DAY_MS);
    add(trend, 2, 8, NOW - 6 * HD_DAY_MS);
    add(trend, 1, 1, NOW - 2 * HD_DAY_MS);
    add(trend, 3, 0, NOW); // says nothing
    add(trend, 3, NAN, NOW);
    add(trend, 4, 3, NOW + HD_DAY_MS); // from the future: as good as now
    scores_of(trend, scores);
    assert_float_equal(scores[1], .25 + .5, 1e-6);
    assert_float_equal(scores[2], 1, 1e-6);
    assert_float_equal(scores[4], 3, 1e-6);
    assert_true(scores[0] == 0 && scores[3] == 0);
    assert_true(hd_trend_newest(trend) == NOW && hd_trend_events(trend) == 4);
    hd_trend_free(trend);
}

static void test_as_the_sum_says(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 30; seed++) {
        hd_rng rng = hd_rng_make(seed, 0);
        hd_trend *trend = NULL;
        double half_life = seed % 3 == 0 ? .05 : 7, sum[ITEMS] = {0};
        struct {
            int item;
            double weight;
            hd_time time;
        } events[EVENTS];
        hd_time newest = 0;
        assert_int_equal(hd_trend_new(half_life, &trend), HEED_OK);
        for (int e = 0; e < EVENTS; e++) {
            events[e].item = (int)hd_rng_below(&rng, ITEMS);
            events[e].weight = 1 + (double)hd_rng_below(&rng, 5);
            events[e].time = NOW - (hd_time)hd_rng_below(&rng, 30 * (uint64_t)HD_DAY_MS);
            if (events[e].time > newest) newest = events[e].time;
            add(trend, events[e].item, events[e].weight, events[e].time);
        }
        for (int e = 0; e < EVENTS; e++) {
            double age = (double)(newest - events[e].time) / (half_life * (double)HD_DAY_MS);
            sum[events[e].item] += events[e].weight * exp2(-age);
        }
        float scores[ITEMS];
        scores_of(trend, scores);
        for (int i = 0; i < ITEMS; i++)
            assert_true(fabs((double)scores[i] - sum[i]) <= 1e-5 * sum[i] + 1e-30);
        hd_trend_free(trend);
    }
}

static void test_failing_allocations(void **state) {
    (void)state;
    size_t used = hd_mem_used();
    for (uint64_t n = 1; n < 12; n++) {
        hd_trend *trend = NULL;
        hd_mem_fail_at(n, true);
        heed_err err = hd_trend_new(7, &trend);
        for (int i = 0; err == HEED_OK && i < 100; i++) err = hd_trend_add(trend, i, 1, NOW, NOW);
        hd_mem_fail_at(0, true);
        assert_true(err == HEED_OK || err == HEED_MEMORY);
        hd_trend_free(trend);
        assert_int_equal(hd_mem_used(), used);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_as_the_sum_says),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
