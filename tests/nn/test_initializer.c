// SPDX-License-Identifier: Apache-2.0
//
// Initialisers by their moments and bounds; orthogonal by its products.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/mem.h"
#include "nn/initializer.h"

enum { ROWS = 60, COLS = 90, N = ROWS * COLS };
static float values[N];
static hd_spec spec;
static hd_arena arena;

static const hd_fan fan = {.in = COLS, .out = ROWS, .rows = ROWS, .cols = COLS};

static hd_initializer read(const char *text) {
    hd_initializer init;
    hd_spec_clear(&spec);
    assert_int_equal(hd_spec_parse(text, "init", "", &spec), HEED_OK);
    hd_where where = hd_where_of(&spec, "init");
    assert_int_equal(
        hd_initializer_read(hd_spec_get(&spec, "init"), &where, &arena, hd_init_default, &init),
        HEED_OK);
    return init;
}

static void fill(const char *text) {
    hd_initializer init = read(text);
    assert_int_equal(init.kind->fill(init.options, &fan, 5, hd_path_stream("0.weight"), values),
                     HEED_OK);
}

static void moments(double *mean, double *deviation, double *most) {
    double sum = 0, squares = 0;
    *most = 0;
    for (int i = 0; i < N; i++) {
        double v = (double)values[i];
        sum += v;
        squares += v * v;
        *most = fmax(*most, fabs(v));
    }
    *mean = sum / N;
    *deviation = sqrt(squares / N - *mean * *mean);
}

typedef struct wanted {
    const char *text;
    double mean, deviation, bound; // bound 0: none
} wanted;

static void test_moments(void **state) {
    (void)state;
    const wanted rows[] = {
        {"default", 0, 1 / sqrt(90.0) / sqrt(3), 1 / sqrt(90.0)},
        {"zeros", 0, 0, 1e-30},
        {"ones", 1, 0, 1},
        {"constant: .25", 0.25, 0, 0.25},
        {"normal: {deviation: 2, mean: 3}", 3, 2, 0},
        {"uniform: {low: 1, high: 3}", 2, 1 / sqrt(3), 3},
        {"xavier_uniform", 0, sqrt(2.0 / 150), sqrt(6.0 / 150)},
        {"xavier_normal: 2", 0, 2 * sqrt(2.0 / 150), 0},
        {"he_uniform", 0, sqrt(2.0 / 90), sqrt(6.0 / 90)},
        {"he_normal", 0, sqrt(2.0 / 90), 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double mean, deviation, most;
        fill(rows[i].text);
        moments(&mean, &deviation, &most);
        double room = 4 * rows[i].deviation / sqrt(N) + 1e-6;
        assert_true(fabs(mean - rows[i].mean) < room);
        assert_true(fabs(deviation - rows[i].deviation) < room);
        if (rows[i].bound > 0) assert_true(most <= rows[i].bound * (1 + 1e-6));
    }
}

// Rows of the smaller side are orthogonal and of length 2.
static void orthogonal_of(size_t rows, size_t cols) {
    hd_initializer init = read("orthogonal: 2");
    const hd_fan side = {.in = cols, .out = rows, .rows = rows, .cols = cols};
    assert_int_equal(init.kind->fill(init.options, &side, 5, 1, values), HEED_OK);
    size_t few = rows < cols ? rows : cols, many = rows < cols ? cols : rows;
    size_t row = rows < cols ? cols : 1, step = rows < cols ? 1 : cols;
    for (size_t a = 0; a < few; a++) {
        for (size_t b = 0; b <= a; b++) {
            double dot = 0;
            for (size_t i = 0; i < many; i++) {
                dot += (double)values[a * row + i * step] * (double)values[b * row + i * step];
            }
            assert_true(fabs(dot - (a == b ? 4 : 0)) < 1e-5);
        }
    }
}

static void test_orthogonal(void **state) {
    (void)state;
    orthogonal_of(20, 33);
    orthogonal_of(33, 20);
    orthogonal_of(1, 1);
}

static void test_memory(void **state) {
    (void)state;
    hd_initializer init = read("orthogonal");
    hd_mem_fail_at(1, false);
    heed_err err = init.kind->fill(init.options, &fan, 5, 1, values);
    hd_mem_fail_at(0, false);
    assert_int_equal(err, HEED_MEMORY);
}

// A value is a function of seed, path and place.
static void test_streams(void **state) {
    (void)state;
    float first[2];
    fill("default");
    first[0] = values[0];
    first[1] = values[N - 1];
    hd_initializer init = read("default");
    assert_int_equal(init.kind->fill(init.options, &fan, 5, hd_path_stream("1.weight"), values),
                     HEED_OK);
    assert_true(values[0] != first[0]);
    fill("default");
    assert_true(values[0] == first[0] && values[N - 1] == first[1]);
    assert_true(hd_path_stream("") == UINT64_C(0xCBF29CE484222325));
    assert_true(hd_path_stream("a") == UINT64_C(0xAF63DC4C8601EC8C)); // FNV's own test vector
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moments), cmocka_unit_test(test_orthogonal),
        cmocka_unit_test(test_memory), cmocka_unit_test(test_streams)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
