// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "prepare/sketch.h"

static hd_sketch sketch;

static void test_counts(void **state) {
    (void)state;
    hd_sketch_init(&sketch);
    assert_true(hd_sketch_distinct(&sketch) == 0 && hd_sketch_top(&sketch) == 0);
    static const double values[] = {3, -1, 0, -0.0, 3, 8};
    for (size_t i = 0; i < 6; i++) hd_sketch_number(&sketch, values[i]);
    hd_sketch_number(&sketch, NAN);
    assert_int_equal(sketch.values, 6);
    assert_int_equal(sketch.missing, 1);
    assert_int_equal(sketch.not_positive, 3);
    assert_true(sketch.min == -1 && sketch.max == 8);
    assert_true(fabs(sketch.mean - 13.0 / 6) < 1e-12);
    assert_true(hd_sketch_distinct(&sketch) == 4); // 3, -1, 0, 8
    assert_int_equal(hd_sketch_top(&sketch), 2);
}

static void test_texts_times_keys(void **state) {
    (void)state;
    hd_sketch_init(&sketch);
    hd_sketch_text(&sketch, hd_slice_of("a"));
    hd_sketch_text(&sketch, hd_slice_of("a longer text with a tail"));
    hd_sketch_text(&sketch, hd_slice_of("a longer text with a tale"));
    hd_sketch_text(&sketch, hd_slice_of(""));
    hd_sketch_text(&sketch, (hd_slice){NULL, 0});
    assert_int_equal(sketch.missing, 2);
    assert_true(hd_sketch_distinct(&sketch) == 3);
    hd_sketch_init(&sketch);
    hd_sketch_time(&sketch, 5);
    hd_sketch_time(&sketch, HD_TIME_NONE);
    hd_sketch_time(&sketch, 7);
    assert_true(sketch.min == 5 && sketch.max == 7 && sketch.missing == 1);
    hd_sketch_init(&sketch);
    hd_sketch_key(&sketch, 0);
    hd_sketch_key(&sketch, -4);
    assert_true(sketch.values == 1 && sketch.missing == 1);
}

static void test_distinct(void **state) {
    (void)state;
    static const size_t counts[] = {10, 100, 1000, 20000, 40960, 300000};
    for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
        hd_sketch_init(&sketch);
        for (int round = 0; round < 2; round++) { // the second time nothing is new
            for (size_t i = 0; i < counts[k]; i++) hd_sketch_key(&sketch, (int64_t)i + 1);
        }
        double n = (double)counts[k];
        double allowed = counts[k] <= 100 ? 0.5 : n * 0.025; // three standard errors
        if (fabs(hd_sketch_distinct(&sketch) - n) > allowed) {
            fail_msg("%zu: %g", counts[k], hd_sketch_distinct(&sketch));
        }
    }
}

// Whatever the order, the top count is at most values / 257 too low, and never too high.
static void test_top(void **state) {
    (void)state;
    enum { N = 50000 };
    for (int share = 1; share <= 100; share += 11) {
        hd_rng rng = hd_rng_make(9, (uint64_t)share);
        hd_sketch_init(&sketch);
        uint64_t truth = 0;
        for (size_t i = 0; i < N; i++) {
            bool top = hd_rng_below(&rng, 100) < (uint64_t)share;
            truth += top;
            hd_sketch_key(&sketch, top ? -1 : (int64_t)i + 1);
        }
        uint64_t found = hd_sketch_top(&sketch);
        assert_true(found <= truth && found + N / 257 >= truth);
    }
}

// The same figures on every run and machine.
static void test_fixed_hash(void **state) {
    (void)state;
    assert_true(hd_sketch_mix(0) != 0);
    assert_true(hd_sketch_hash("abcdefgh", 8) != hd_sketch_hash("abcdefgh\0", 9));
    assert_true(hd_sketch_hash("abc", 3) == hd_sketch_hash("abc", 3));
    assert_true(hd_sketch_mix(1) == hd_sketch_mix(1) && hd_sketch_mix(1) != hd_sketch_mix(2));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),     cmocka_unit_test(test_texts_times_keys),
        cmocka_unit_test(test_distinct),   cmocka_unit_test(test_top),
        cmocka_unit_test(test_fixed_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
