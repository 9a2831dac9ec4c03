// SPDX-License-Identifier: Apache-2.0
//
// Columns. A column owns one array of the table's capacity; the array not of its type is NULL. All
// columns grow together, and a failure on the way leaves every column valid at the old size: an
// array may then be longer than cap_rows says, which does no harm.
#include "base/table.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

void hd_table_init(hd_table *table) {
    *table = (hd_table){0};
}

static void column_clear(hd_column *column) {
    hd_free(column->name);
    hd_free(column->f64);
    hd_free(column->time);
    hd_free(column->code);
    hd_map_clear(&column->dict);
}

void hd_table_clear(hd_table *table) {
    for (size_t c = 0; c < table->n_cols; c++) column_clear(&table->cols[c]);
    hd_free(table->cols);
    hd_table_init(table);
}

static heed_err column_reserve(hd_column *column, size_t rows) {
    void *moved = NULL;
    size_t size = column->type == HD_COLUMN_CATEGORY ? sizeof *column->code : sizeof *column->f64;
    switch (column->type) {
    case HD_COLUMN_F64:
        moved = hd_realloc_array(column->f64, rows, size);
        if (moved) column->f64 = moved;
        break;
    case HD_COLUMN_TIME:
        moved = hd_realloc_array(column->time, rows, size);
        if (moved) column->time = moved;
        break;
    case HD_COLUMN_CATEGORY:
        moved = hd_realloc_array(column->code, rows, size);
        if (moved) column->code = moved;
        break;
    }
    return moved ? HEED_OK : HD_FAIL_MEMORY(rows * size);
}

static void column_set_missing(hd_column *column, size_t begin, size_t end) {
    for (size_t r = begin; r < end; r++) {
        if (column->f64) column->f64[r] = NAN;
        if (column->time) column->time[r] = HD_TIME_NONE;
        if (column->code) column->code[r] = HD_CODE_NONE;
    }
}

static heed_err column_init(hd_column *column, const char *name, hd_column_type type, size_t rows,
                            size_t cap_rows) {
    *column = (hd_column){.type = type};
    hd_map_init(&column->dict);
    column->name = hd_strdup(name);
    if (!column->name) return HD_FAIL_MEMORY(strlen(name) + 1);
    HD_TRY(column_reserve(column, cap_rows > 0 ? cap_rows : 1));
    column_set_missing(column, 0, rows);
    return HEED_OK;
}

heed_err hd_table_add_column(hd_table *table, const char *name, hd_column_type type,
                             hd_column **out) {
    if (hd_table_find(table, name)) {
        return HD_FAIL(HEED_CONFLICT, "there is a column '%s' already; choose another name",
                       "列“%s”已存在，请换一个名字", name);
    }
    HD_TRY(hd_grow(&table->cols, &table->cap_cols, table->n_cols + 1, sizeof *table->cols));
    hd_column *column = &table->cols[table->n_cols];
    heed_err err = column_init(column, name, type, table->n_rows, table->cap_rows);
    if (err != HEED_OK) {
        column_clear(column);
        return err;
    }
    table->n_cols++;
    if (out) *out = column;
    return HEED_OK;
}

hd_column *hd_table_find(const hd_table *table, const char *name) {
    for (size_t c = 0; c < table->n_cols; c++) {
        if (strcmp(table->cols[c].name, name) == 0) return &table->cols[c];
    }
    return NULL;
}

heed_err hd_table_drop_column(hd_table *table, const char *name) {
    hd_column *column = hd_table_find(table, name);
    if (!column) {
        return HD_FAIL(HEED_NOT_FOUND, "there is no column '%s'", "没有名为“%s”的列", name);
    }
    column_clear(column);
    size_t after = table->n_cols - 1 - (size_t)(column - table->cols);
    memmove(column, column + 1, after * sizeof *column);
    table->n_cols--;
    return HEED_OK;
}

heed_err hd_table_add_rows(hd_table *table, size_t count) {
    size_t need;
    if (__builtin_add_overflow(table->n_rows, count, &need)) return HD_FAIL_MEMORY(0);
    if (need > table->cap_rows) {
        size_t cap = table->cap_rows > need / 2 ? table->cap_rows * 2 : need;
        for (size_t c = 0; c < table->n_cols; c++) HD_TRY(column_reserve(&table->cols[c], cap));
        table->cap_rows = cap;
    }
    for (size_t c = 0; c < table->n_cols; c++) {
        column_set_missing(&table->cols[c], table->n_rows, need);
    }
    table->n_rows = need;
    return HEED_OK;
}

heed_err hd_column_set_category(hd_column *column, size_t row, hd_slice category) {
    if (!category.p) {
        column->code[row] = HD_CODE_NONE;
        return HEED_OK;
    }
    uint64_t *code;
    HD_TRY(hd_map_slot(&column->dict, category.p, category.n, column->dict.count, &code, NULL));
    column->code[row] = (uint32_t)*code;
    return HEED_OK;
}

bool hd_column_missing(const hd_column *column, size_t row) {
    if (column->f64) return isnan(column->f64[row]);
    if (column->time) return column->time[row] == HD_TIME_NONE;
    return column->code[row] == HD_CODE_NONE;
}

const char *hd_column_category(const hd_column *column, size_t row) {
    uint32_t code = column->code[row];
    return code == HD_CODE_NONE ? NULL : column->dict.entries[code].key;
}

static void column_move(hd_column *column, size_t to, size_t from) {
    if (column->f64) column->f64[to] = column->f64[from];
    if (column->time) column->time[to] = column->time[from];
    if (column->code) column->code[to] = column->code[from];
}

heed_err hd_table_filter(hd_table *table, const bool *keep) {
    size_t kept = 0;
    for (size_t r = 0; r < table->n_rows; r++) {
        if (!keep[r]) continue;
        for (size_t c = 0; c < table->n_cols && kept != r; c++) {
            column_move(&table->cols[c], kept, r);
        }
        kept++;
    }
    table->n_rows = kept;
    return HEED_OK;
}

static heed_err dict_dup(const hd_map *from, hd_map *to) {
    for (size_t e = 0; e < from->count; e++) {
        const hd_map_entry *entry = &from->entries[e];
        HD_TRY(hd_map_put(to, entry->key, entry->len, entry->value));
    }
    return HEED_OK;
}

static heed_err column_dup(const hd_column *from, hd_table *to) {
    hd_column *column;
    HD_TRY(hd_table_add_column(to, from->name, from->type, &column));
    memcpy(column->unit, from->unit, sizeof column->unit);
    size_t n = to->n_rows;
    if (from->f64 && n > 0) memcpy(column->f64, from->f64, n * sizeof *from->f64);
    if (from->time && n > 0) memcpy(column->time, from->time, n * sizeof *from->time);
    if (from->code && n > 0) memcpy(column->code, from->code, n * sizeof *from->code);
    return dict_dup(&from->dict, &column->dict);
}

heed_err hd_table_dup(const hd_table *table, hd_table *out) {
    hd_table copy;
    hd_table_init(&copy);
    copy.n_rows = copy.cap_rows = table->n_rows;
    for (size_t c = 0; c < table->n_cols; c++) {
        heed_err err = column_dup(&table->cols[c], &copy);
        if (err == HEED_OK) continue;
        hd_table_clear(&copy);
        return err;
    }
    *out = copy;
    return HEED_OK;
}
