// SPDX-License-Identifier: Apache-2.0
//
// Samples changed while they are read: the same whoever reads when, labels untouched, neighbours of
// the same class.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "recipe/augment.h"

enum { N = 40, WIDE = 3 };

static float rows[N][WIDE];
static int32_t labels[N];
static float truths[N];
static int32_t ids[N][WIDE], lengths[N];

static void fill(void) {
    for (int i = 0; i < N; i++) {
        labels[i] = i % 4 == 0; // one class in four
        truths[i] = (float)labels[i];
        for (int c = 0; c < WIDE; c++) {
            rows[i][c] = (float)(labels[i] * 100 + i + c);
            ids[i][c] = 2 + (i + c) % 9;
        }
        lengths[i] = WIDE;
    }
}

static hd_data *source(bool whole) {
    hd_data_column columns[2] = {
        {.field = {"x", HD_ROLE_INPUT, HD_F32, 1, {WIDE}}, .dtype = HD_F32, .data = rows},
        {.field = {"target", HD_ROLE_TARGET, whole ? HD_I32 : HD_F32, 0, {0}},
         .dtype = whole ? HD_I32 : HD_F32,
         .data = whole ? (const void *)labels : (const void *)truths}};
    hd_data *data;
    fill();
    assert_int_equal(hd_data_memory(N, 2, columns, &data), HEED_OK);
    return data;
}

static heed_err wrap(hd_data *data, const char *list, hd_augment_of of, hd_data **out) {
    json_t *json;
    hd_where where = hd_where_of(NULL, "augment");
    assert_int_equal(hd_json_parse(list, strlen(list), "x", &json), HEED_OK);
    heed_err err = hd_augment_data(data, json, &where, of, false, NULL, out);
    // Options that are texts are the list's: it is kept, as a recipe keeps its page.
    json_decref(json);
    return err;
}

static void read_all(hd_data *data, const size_t *index, size_t n, uint64_t epoch, float *x,
                     void *y) {
    hd_draw draw = {.seed = 3, .epoch = epoch, .training = true};
    void *out[HD_FIELDS] = {x, y};
    assert_int_equal(data->read(data, n, index, &draw, out), HEED_OK);
}

// Every made row lies between two rows of its own class; read in another order, it is the same.
static void test_smote(void **state) {
    (void)state;
    for (int whole = 0; whole < 2; whole++) {
        hd_data *data;
        float x[N][WIDE], again[N][WIDE], other[N][WIDE];
        int32_t y[N];
        size_t index[N], back[N], moved = 0;
        assert_int_equal(wrap(source(whole), "[{\"smote\": 0.9}]", HD_AUGMENT_ROW, &data), HEED_OK);
        for (size_t i = 0; i < N; i++) index[i] = i, back[i] = N - 1 - i;
        read_all(data, index, N, 1, x[0], y);
        read_all(data, back, N, 1, again[0], y);
        read_all(data, index, N, 2, other[0], y);
        for (size_t i = 0; i < N; i++) {
            assert_memory_equal(x[i], again[N - 1 - i], sizeof x[i]);
            moved += x[i][0] != rows[i][0];
            float low = labels[i] ? 100 : 0;
            assert_true(x[i][0] >= low && x[i][0] < low + N);
            assert_true(x[i][1] - x[i][0] > .999F && x[i][1] - x[i][0] < 1.001F);
        }
        assert_true(moved > N / 2 && moved < N);
        assert_memory_not_equal(x, other, sizeof x);
        hd_data_free(data);
    }
}

static void test_values_have_no_neighbours(void **state) {
    (void)state;
    hd_data *data, *plain = source(false);
    truths[5] = .5F;
    assert_int_equal(wrap(plain, "[\"smote\"]", HD_AUGMENT_ROW, &data), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "classes"));
    // An unknown name: the source is freed all the same.
    assert_int_equal(wrap(source(true), "[\"smoet\"]", HD_AUGMENT_ROW, &data), HEED_INPUT);
    assert_null(data);
}

// Lengths follow what is taken out.
static void test_lengths(void **state) {
    (void)state;
    hd_data_column columns[2] = {
        {.field = {"x", HD_ROLE_INPUT, HD_I32, 1, {WIDE}}, .dtype = HD_I32, .data = ids},
        {.field = {"length", HD_ROLE_LENGTH, HD_I32, 0, {0}}, .dtype = HD_I32, .data = lengths}};
    hd_data *plain, *data;
    int32_t x[N][WIDE], length[N];
    size_t index[N], shorter = 0;
    fill();
    assert_int_equal(hd_data_memory(N, 2, columns, &plain), HEED_OK);
    assert_int_equal(
        wrap(plain, "[{\"drop\": {\"share\": 0.6, \"how\": \"remove\"}}]", HD_AUGMENT_IDS, &data),
        HEED_OK);
    for (size_t i = 0; i < N; i++) index[i] = i;
    read_all(data, index, N, 1, (float *)(void *)x, length);
    for (size_t i = 0; i < N; i++) {
        assert_in_range(length[i], 1, WIDE);
        shorter += length[i] < WIDE;
        for (int c = 0; c < WIDE; c++) assert_true((x[i][c] != 0) == (c < length[i]));
    }
    assert_true(shorter > N / 2);
    hd_data_free(data);
}

// A sample of two dimensions: steps, then columns, each scaled by one factor over all its steps.
static void test_series(void **state) {
    (void)state;
    enum { STEPS = 5 };
    float course[4][STEPS][2], x[4][STEPS][2];
    for (int i = 0; i < 4 * STEPS * 2; i++) (&course[0][0][0])[i] = (float)(i + 1);
    hd_data_column column = {
        .field = {"x", HD_ROLE_INPUT, HD_F32, 2, {STEPS, 2}}, .dtype = HD_F32, .data = course};
    hd_data *plain, *data;
    size_t index[4] = {0, 1, 2, 3};
    assert_int_equal(hd_data_memory(4, 1, &column, &plain), HEED_OK);
    assert_int_equal(
        wrap(plain, "[{\"jitter\": {\"noise\": 0, \"scale\": 0.5}}]", HD_AUGMENT_SERIES, &data),
        HEED_OK);
    read_all(data, index, 4, 1, &x[0][0][0], NULL);
    for (int i = 0; i < 4; i++) {
        for (int c = 0; c < 2; c++) {
            float factor = x[i][0][c] / course[i][0][c];
            assert_true(factor > .5F && factor < 1.5F && factor != 1);
            for (int t = 1; t < STEPS; t++) {
                float other = x[i][t][c] / course[i][t][c];
                assert_true(other - factor < 1e-5F && factor - other < 1e-5F);
            }
        }
    }
    hd_data_free(data);
}

static void test_memory(void **state) {
    (void)state;
    for (uint64_t n = 1;; n++) {
        hd_data *plain = source(true), *data = NULL;
        json_t *json;
        hd_where where = hd_where_of(NULL, "augment");
        assert_int_equal(hd_json_parse("[{\"smote\": 1}]", 14, "x", &json), HEED_OK);
        hd_mem_fail_at(n, true);
        heed_err err = hd_augment_data(plain, json, &where, HD_AUGMENT_ROW, false, NULL, &data);
        hd_mem_fail_at(0, false);
        json_decref(json);
        if (err == HEED_OK) {
            hd_data_free(data);
            break;
        }
        assert_int_equal(err, HEED_MEMORY);
        assert_true(n < 100);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smote),   cmocka_unit_test(test_values_have_no_neighbours),
        cmocka_unit_test(test_lengths), cmocka_unit_test(test_series),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
