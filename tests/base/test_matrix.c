// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/matrix.h"
#include "base/mem.h"

// 1 0 2 / 0 0 0 / 0 3 4
static const float cells[9] = {1, 0, 2, 0, 0, 0, 0, 3, 4};

static void make_dense(hd_matrix *out) {
    assert_int_equal(hd_matrix_dense(3, 3, out), HEED_OK);
    memcpy(out->dense, cells, sizeof cells);
}

static void make_sparse(hd_matrix *out) {
    assert_int_equal(hd_matrix_sparse(3, 3, 4, out), HEED_OK);
    memcpy(out->start, (size_t[]){0, 2, 2, 4}, 4 * sizeof(size_t));
    memcpy(out->column, (uint32_t[]){0, 2, 1, 2}, 4 * sizeof(uint32_t));
    memcpy(out->value, (float[]){1, 2, 3, 4}, 4 * sizeof(float));
}

static void rows_are_the_same_either_way(void **state) {
    (void)state;
    void (*const makers[])(hd_matrix *) = {make_dense, make_sparse};
    for (size_t k = 0; k < 2; k++) {
        hd_matrix matrix, picked;
        makers[k](&matrix);
        assert_int_equal(hd_matrix_check(&matrix), HEED_OK);
        assert_int_equal(hd_matrix_entries(&matrix), k == 0 ? 9 : 4);
        assert_int_equal(hd_matrix_bytes(&matrix), k == 0 ? 36 : 32 + 32);
        assert_int_equal(hd_matrix_pick(&matrix, (size_t[]){2, 0, 1, 2}, 4, &picked), HEED_OK);
        for (size_t i = 0; i < 4; i++) {
            float row[3] = {9, 9, 9};
            hd_matrix_row(&picked, i, row);
            assert_memory_equal(row, cells + ((size_t[]){2, 0, 1, 2})[i] * 3, sizeof row);
        }
        hd_matrix_clear(&picked);
        hd_matrix_clear(&matrix);
        assert_null(matrix.dense);
    }
}

static void borrowed_rows_are_left_alone(void **state) {
    (void)state;
    float borrowed[2] = {1, 2};
    hd_matrix matrix = {.n = 1, .m = 2, .dense = borrowed};
    hd_matrix_clear(&matrix);
    assert_true(borrowed[1] == 2);
}

static void what_is_wrong_is_told_with_its_place(void **state) {
    (void)state;
    hd_matrix matrix;
    make_dense(&matrix);
    matrix.dense[5] = NAN;
    assert_int_equal(hd_matrix_check(&matrix), HEED_INPUT);
    assert_string_equal(heed_error_message(HEED_EN),
                        "row 2, feature 3: the value is not a finite number");
    hd_matrix_clear(&matrix);
    make_sparse(&matrix);
    matrix.value[3] = INFINITY;
    assert_int_equal(hd_matrix_check(&matrix), HEED_INPUT);
    matrix.value[3] = 1;
    matrix.column[3] = 1; // twice
    assert_int_equal(hd_matrix_check(&matrix), HEED_INPUT);
    matrix.column[3] = 3; // past the last
    assert_int_equal(hd_matrix_check(&matrix), HEED_INPUT);
    matrix.column[3] = 2;
    matrix.start[1] = 5;
    assert_int_equal(hd_matrix_check(&matrix), HEED_INPUT);
    hd_matrix_clear(&matrix);
}

static void memory_that_is_out_is_told(void **state) {
    (void)state;
    hd_matrix matrix;
    assert_int_equal(hd_matrix_dense(SIZE_MAX / 2, 3, &matrix), HEED_MEMORY);
    for (uint64_t n = 1; n <= 3; n++) {
        hd_mem_fail_at(n, true);
        assert_int_equal(hd_matrix_sparse(2, 2, 2, &matrix), HEED_MEMORY);
        hd_mem_fail_at(0, true);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_the_same_either_way),
        cmocka_unit_test(borrowed_rows_are_left_alone),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
        cmocka_unit_test(memory_that_is_out_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
