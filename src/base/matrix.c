// SPDX-License-Identifier: Apache-2.0
//
// Rows of features. Sparse rows are compressed (CSR), as liblinear and XGBoost take them; 32-bit
// columns hold every hashed feature space in use at half the memory of 64-bit ones.
#include "base/matrix.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

heed_err hd_matrix_dense(size_t n, size_t m, hd_matrix *out) {
    *out = (hd_matrix){.n = n, .m = m, .own = true};
    size_t cells;
    if (__builtin_mul_overflow(n, m, &cells)) return HD_FAIL_MEMORY(SIZE_MAX);
    out->dense = hd_alloc_aligned(cells > 0 ? cells : 1, sizeof *out->dense);
    return out->dense ? HEED_OK : HD_FAIL_MEMORY(cells * sizeof *out->dense);
}

heed_err hd_matrix_sparse(size_t n, size_t m, size_t entries, hd_matrix *out) {
    *out = (hd_matrix){.n = n, .m = m, .own = true};
    out->start = hd_calloc(n + 1, sizeof *out->start);
    out->column = hd_calloc(entries, sizeof *out->column);
    out->value = hd_calloc(entries, sizeof *out->value);
    if (out->start && out->column && out->value) return HEED_OK;
    hd_matrix_clear(out);
    return HD_FAIL_MEMORY(entries * (sizeof *out->column + sizeof *out->value));
}

void hd_matrix_clear(hd_matrix *matrix) {
    if (matrix->own) {
        hd_free(matrix->dense);
        hd_free(matrix->start);
        hd_free(matrix->column);
        hd_free(matrix->value);
    }
    *matrix = (hd_matrix){0};
}

static heed_err pick_sparse(const hd_matrix *matrix, const size_t *rows, size_t n, hd_matrix *out) {
    size_t entries = 0;
    for (size_t i = 0; i < n; i++) entries += matrix->start[rows[i] + 1] - matrix->start[rows[i]];
    HD_TRY(hd_matrix_sparse(n, matrix->m, entries, out));
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        size_t from = matrix->start[rows[i]], count = matrix->start[rows[i] + 1] - from;
        memcpy(out->column + at, matrix->column + from, count * sizeof *out->column);
        memcpy(out->value + at, matrix->value + from, count * sizeof *out->value);
        out->start[i + 1] = at += count;
    }
    return HEED_OK;
}

heed_err hd_matrix_pick(const hd_matrix *matrix, const size_t *rows, size_t n, hd_matrix *out) {
    if (!matrix->dense) return pick_sparse(matrix, rows, n, out);
    HD_TRY(hd_matrix_dense(n, matrix->m, out));
    for (size_t i = 0; i < n; i++) {
        memcpy(out->dense + i * matrix->m, matrix->dense + rows[i] * matrix->m,
               matrix->m * sizeof *out->dense);
    }
    return HEED_OK;
}

void hd_matrix_row(const hd_matrix *matrix, size_t i, float *out) {
    if (matrix->dense) {
        memcpy(out, matrix->dense + i * matrix->m, matrix->m * sizeof *out);
        return;
    }
    memset(out, 0, matrix->m * sizeof *out);
    for (size_t e = matrix->start[i]; e < matrix->start[i + 1]; e++) {
        out[matrix->column[e]] = matrix->value[e];
    }
}

size_t hd_matrix_bytes(const hd_matrix *matrix) {
    size_t entries = hd_matrix_entries(matrix);
    if (matrix->dense) return entries * sizeof *matrix->dense;
    return entries * (sizeof *matrix->column + sizeof *matrix->value) +
           (matrix->n + 1) * sizeof *matrix->start;
}

static heed_err check_value(float value, size_t row, size_t column) {
    if (isfinite(value)) return HEED_OK;
    return HD_FAIL(HEED_INPUT, "row %zu, feature %zu: the value is not a finite number",
                   "第 %zu 行第 %zu 个特征：不是有限的数", row + 1, column + 1);
}

static heed_err check_sparse_row(const hd_matrix *matrix, size_t i) {
    for (size_t e = matrix->start[i]; e < matrix->start[i + 1]; e++) {
        size_t column = matrix->column[e];
        if (column >= matrix->m || (e > matrix->start[i] && column <= matrix->column[e - 1])) {
            return HD_FAIL(
                HEED_INPUT, "row %zu: feature %zu is out of place; columns rise and are below %zu",
                "第 %zu 行：第 %zu 个特征位置不对；列号须递增且小于 %zu", i + 1, column, matrix->m);
        }
        HD_TRY(check_value(matrix->value[e], i, column));
    }
    return HEED_OK;
}

heed_err hd_matrix_check(const hd_matrix *matrix) {
    for (size_t i = 0; i < matrix->n; i++) {
        if (!matrix->dense) {
            if (matrix->start[i] > matrix->start[i + 1]) {
                return HD_FAIL(HEED_INPUT, "row %zu: ends before it begins", "第 %zu 行：起止颠倒",
                               i + 1);
            }
            HD_TRY(check_sparse_row(matrix, i));
            continue;
        }
        for (size_t j = 0; j < matrix->m; j++) {
            HD_TRY(check_value(matrix->dense[i * matrix->m + j], i, j));
        }
    }
    return HEED_OK;
}
