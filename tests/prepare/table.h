// SPDX-License-Identifier: Apache-2.0
//
// Small tables for tests, and their comparison. Include after cmocka.h.
#ifndef HD_TESTS_PREPARE_TABLE_H
#define HD_TESTS_PREPARE_TABLE_H

#include <math.h>

#include "base/json.h"
#include "base/table.h"

static inline void add_numbers(hd_table *t, const char *name, const double *values, size_t n) {
    hd_column *column;
    if (t->n_rows < n) assert_int_equal(hd_table_add_rows(t, n - t->n_rows), HEED_OK);
    assert_int_equal(hd_table_add_column(t, name, HD_COLUMN_F64, &column), HEED_OK);
    for (size_t r = 0; r < n; r++) column->f64[r] = values[r];
}

// NULL: missing.
static inline void add_categories(hd_table *t, const char *name, const char *const *values,
                                  size_t n) {
    hd_column *column;
    if (t->n_rows < n) assert_int_equal(hd_table_add_rows(t, n - t->n_rows), HEED_OK);
    assert_int_equal(hd_table_add_column(t, name, HD_COLUMN_CATEGORY, &column), HEED_OK);
    for (size_t r = 0; r < n; r++) {
        if (values[r]) {
            assert_int_equal(hd_column_set_category(column, r, hd_slice_of(values[r])), HEED_OK);
        }
    }
}

// NaN equals NaN.
static inline void expect_numbers(const hd_table *t, const char *name, const double *values,
                                  size_t n) {
    const hd_column *column = hd_table_find(t, name);
    if (!column) fail_msg("no column %s", name);
    assert_int_equal(t->n_rows, n);
    for (size_t r = 0; r < n; r++) {
        bool same = isnan(values[r]) ? isnan(column->f64[r])
                                     : fabs(column->f64[r] - values[r]) <= 1e-12 * fabs(values[r]);
        if (!same) fail_msg("%s[%zu] is %.17g, not %.17g", name, r, column->f64[r], values[r]);
    }
}

static inline void expect_categories(const hd_table *t, const char *name, const char *const *values,
                                     size_t n) {
    const hd_column *column = hd_table_find(t, name);
    if (!column) fail_msg("no column %s", name);
    assert_int_equal(t->n_rows, n);
    for (size_t r = 0; r < n; r++) {
        const char *got = hd_column_category(column, r);
        if (!values[r] || !got)
            assert_true(!values[r] && !got);
        else
            assert_string_equal(got, values[r]);
    }
}

// The same columns in the same order, the same bits in each cell.
static inline void expect_same_table(const hd_table *a, const hd_table *b) {
    assert_int_equal(a->n_rows, b->n_rows);
    assert_int_equal(a->n_cols, b->n_cols);
    for (size_t c = 0; c < a->n_cols; c++) {
        const hd_column *x = &a->cols[c], *y = &b->cols[c];
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->type, y->type);
        for (size_t r = 0; r < a->n_rows; r++) {
            if (x->type == HD_COLUMN_F64) {
                assert_memory_equal(&x->f64[r], &y->f64[r], sizeof(double));
            } else if (x->type == HD_COLUMN_TIME) {
                assert_true(x->time[r] == y->time[r]);
            } else {
                const char *p = hd_column_category(x, r), *q = hd_column_category(y, r);
                if (!p || !q)
                    assert_true(!p && !q);
                else
                    assert_string_equal(p, q);
            }
        }
    }
}

// JSON with ' for ".
static inline json_t *json_of(const char *text) {
    json_t *json;
    char copy[1024];
    size_t n = strlen(text);
    assert_true(n < sizeof copy);
    for (size_t i = 0; i <= n; i++) copy[i] = text[i] == '\'' ? '"' : text[i];
    if (hd_json_parse(copy, n, "test", &json) != HEED_OK) {
        fail_msg("%s", heed_error_message(HEED_EN));
    }
    return json;
}

#endif
