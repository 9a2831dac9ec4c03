// SPDX-License-Identifier: Apache-2.0
//
// Features of rows, dense or sparse: what classical models eat, and what tables and texts are made
// into. Values are finite; missing ones were filled in before.
#ifndef HD_BASE_MATRIX_H
#define HD_BASE_MATRIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct hd_matrix {
    size_t n, m;      // rows, columns
    float *dense;     // (n, m) row-major; or NULL, and then the rows are sparse:
    size_t *start;    // (n + 1)
    uint32_t *column; // (start[n]), rising within a row
    float *value;     // (start[n])
    bool own;         // hd_matrix_clear frees them
} hd_matrix;

// Zeros.
heed_err hd_matrix_dense(size_t n, size_t m, hd_matrix *out) HEED_CHECK;
// Room for so many entries; start is all zeros: the caller fills all three. m ≤ 2^32.
heed_err hd_matrix_sparse(size_t n, size_t m, size_t entries, hd_matrix *out) HEED_CHECK;
void hd_matrix_clear(hd_matrix *matrix);

// Copies the rows named, in that order; a row may stand there twice.
heed_err hd_matrix_pick(const hd_matrix *matrix, const size_t *rows, size_t n,
                        hd_matrix *out) HEED_CHECK;
// Writes row i in full. out: (m)
void hd_matrix_row(const hd_matrix *matrix, size_t i, float *out);
size_t hd_matrix_bytes(const hd_matrix *matrix);
// HEED_INPUT, with row and column, when a value isn't finite, or a sparse row's columns don't rise
// or pass m: for what comes from outside.
heed_err hd_matrix_check(const hd_matrix *matrix) HEED_CHECK;

static inline size_t hd_matrix_entries(const hd_matrix *matrix) {
    return matrix->dense ? matrix->n * matrix->m : matrix->start[matrix->n];
}

#endif
