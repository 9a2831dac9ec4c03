// SPDX-License-Identifier: Apache-2.0
//
// Columns: a table in memory, for cleaning, scaling, encoding and profiling. A column is numbers,
// times, or categories (codes into a dictionary). Missing is NaN, HD_TIME_NONE, or HD_CODE_NONE. A
// numeric column may carry a unit: for money an ISO 4217 code ("CNY"), so that sums over two
// currencies can be refused.
#ifndef HD_BASE_TABLE_H
#define HD_BASE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "base/time.h"

#define HD_CODE_NONE UINT32_MAX

typedef enum hd_column_type { HD_COLUMN_F64, HD_COLUMN_TIME, HD_COLUMN_CATEGORY } hd_column_type;

typedef struct hd_column {
    char *name;
    hd_column_type type;
    char unit[8];   // "CNY", "ms", or ""
    double *f64;    // (n_rows) when F64
    hd_time *time;  // (n_rows) when TIME
    uint32_t *code; // (n_rows) when CATEGORY: index into dict.entries
    hd_map dict;    // category -> code, in order of first sight
} hd_column;

typedef struct hd_table {
    size_t n_rows;
    size_t n_cols;
    hd_column *cols; // (n_cols)
    size_t cap_rows;
    size_t cap_cols;
} hd_table;

void hd_table_init(hd_table *table);
void hd_table_clear(hd_table *table);
// Adds a column of missing values. The name must be new. Returned pointer: borrowed until the next
// addition.
heed_err hd_table_add_column(hd_table *table, const char *name, hd_column_type type,
                             hd_column **out) HEED_CHECK;
hd_column *hd_table_find(const hd_table *table, const char *name); // NULL: no such column
heed_err hd_table_drop_column(hd_table *table, const char *name) HEED_CHECK;
// Adds rows of missing values.
heed_err hd_table_add_rows(hd_table *table, size_t count) HEED_CHECK;
heed_err hd_column_set_category(hd_column *column, size_t row, hd_slice category) HEED_CHECK;
bool hd_column_missing(const hd_column *column, size_t row);
const char *hd_column_category(const hd_column *column, size_t row); // NULL when missing
// Keeps the rows for which keep[r] is true.
heed_err hd_table_filter(hd_table *table, const bool *keep) HEED_CHECK;
heed_err hd_table_dup(const hd_table *table, hd_table *out) HEED_CHECK;

#endif
