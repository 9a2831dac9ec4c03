// SPDX-License-Identifier: Apache-2.0
//
// Columns of cells, each an array that grows with the rows. Cells point into buffers that the rows
// keep, so reading a file costs its bytes and sixteen a cell, and a part of it sixteen a cell.
// Rejected: hd_table (base/table.h), whose columns have types: what a column is, is learned from
// the training rows alone, and must be the same for the rows of a request.
#include "recipe/rows.h"

#include "base/mem.h"

void hd_rows_init(hd_rows *rows) {
    *rows = (hd_rows){.n = 0};
    hd_arena_init(&rows->arena);
}

void hd_rows_clear(hd_rows *rows) {
    for (size_t c = 0; c < rows->n_columns; c++) hd_free(rows->columns[c].cells);
    for (size_t b = 0; b < rows->n_buffers; b++) hd_free(rows->buffers[b]);
    hd_free(rows->columns);
    hd_free(rows->place);
    hd_free(rows->files);
    hd_free(rows->buffers);
    hd_arena_clear(&rows->arena);
    hd_rows_init(rows);
}

// ── Making them ──

hd_rows_column *hd_rows_find(const hd_rows *rows, const char *name) {
    for (size_t c = 0; c < rows->n_columns; c++) {
        if (strcmp(rows->columns[c].name, name) == 0) return &rows->columns[c];
    }
    return NULL;
}

heed_err hd_rows_add_column(hd_rows *rows, const char *name, hd_rows_kind kind,
                            hd_rows_column **out) {
    if (hd_rows_find(rows, name)) {
        return HD_FAIL(HEED_INPUT, "there are two columns '%s'", "有两个名为“%s”的列", name);
    }
    HD_TRY(hd_grow(&rows->columns, &rows->cap_columns, rows->n_columns + 1, sizeof *rows->columns));
    hd_rows_column column = {.name = hd_arena_strdup(&rows->arena, name), .kind = kind};
    column.cells = hd_calloc(rows->cap > 0 ? rows->cap : 1, sizeof *column.cells);
    if (!column.name || !column.cells) {
        hd_free(column.cells);
        return HD_FAIL_MEMORY(rows->cap * sizeof *column.cells);
    }
    rows->columns[rows->n_columns++] = column;
    if (out) *out = &rows->columns[rows->n_columns - 1];
    return HEED_OK;
}

static heed_err reserve(hd_rows *rows, size_t need) {
    if (need <= rows->cap) return HEED_OK;
    size_t cap = rows->cap < 8 ? 16 : rows->cap * 2;
    if (cap < need) cap = need;
    uint64_t *place = hd_realloc_array(rows->place, cap, sizeof *place);
    if (!place) return HD_FAIL_MEMORY(cap * sizeof *place);
    rows->place = place;
    for (size_t c = 0; c < rows->n_columns; c++) {
        hd_slice *cells = hd_realloc_array(rows->columns[c].cells, cap, sizeof *cells);
        if (!cells) return HD_FAIL_MEMORY(cap * sizeof *cells);
        memset(cells + rows->n, 0, (cap - rows->n) * sizeof *cells);
        rows->columns[c].cells = cells;
    }
    rows->cap = cap;
    return HEED_OK;
}

heed_err hd_rows_add(hd_rows *rows, size_t count) {
    HD_TRY(reserve(rows, rows->n + count));
    if (count > 0) memset(rows->place + rows->n, 0, count * sizeof *rows->place);
    rows->n += count;
    return HEED_OK;
}

heed_err hd_rows_add_file(hd_rows *rows, const char *name, size_t *out) {
    HD_TRY(hd_grow(&rows->files, &rows->cap_files, rows->n_files + 1, sizeof *rows->files));
    char *copy = hd_arena_strdup(&rows->arena, name);
    if (!copy) return HD_FAIL_MEMORY(0);
    rows->files[rows->n_files] = copy;
    *out = rows->n_files++;
    return HEED_OK;
}

heed_err hd_rows_keep(hd_rows *rows, char *block) {
    heed_err err =
        hd_grow(&rows->buffers, &rows->cap_buffers, rows->n_buffers + 1, sizeof *rows->buffers);
    if (err != HEED_OK) {
        hd_free(block);
        return err;
    }
    rows->buffers[rows->n_buffers++] = block;
    return HEED_OK;
}

// ── Reading them ──

typedef struct column_walk {
    const hd_rows *rows;
    size_t next;
} column_walk;

static const char *next_column(void *ctx) {
    column_walk *walk = ctx;
    return walk->next < walk->rows->n_columns ? walk->rows->columns[walk->next++].name : NULL;
}

heed_err hd_rows_need(const hd_rows *rows, const char *name, hd_rows_column **out) {
    *out = hd_rows_find(rows, name);
    if (*out) return HEED_OK;
    column_walk walk = {rows, 0};
    const char *near = hd_nearest(name, next_column, &walk);
    if (near) {
        return HD_FAIL(HEED_INPUT, "there is no column '%s'; did you mean '%s'?",
                       "没有列“%s”；是不是“%s”？", name, near);
    }
    hd_str list;
    hd_str_init(&list);
    for (size_t c = 0; c < rows->n_columns && c < 20; c++) {
        hd_str_addf(&list, "%s%s", c ? ", " : "", rows->columns[c].name);
    }
    if (rows->n_columns > 20) hd_str_add(&list, ", …");
    heed_err err = HD_FAIL(HEED_INPUT, "there is no column '%s'; there are: %s",
                           "没有列“%s”；现有的列：%s", name, hd_str_get(&list));
    hd_str_clear(&list);
    return err;
}

hd_rows_words hd_rows_place(const hd_rows *rows, size_t row) {
    hd_rows_words words;
    uint64_t place = row < rows->n ? rows->place[row] : 0;
    size_t file = (size_t)(place >> 32);
    if (place != 0 && file < rows->n_files) {
        size_t line = (size_t)(uint32_t)place;
        hd_snprintf(words.text, sizeof words.text, line > 0 ? "%s:%zu" : "%s", rows->files[file],
                    line);
    } else { // of no file: rows that were made know which they are, among others too
        const size_t number = rows->n_files == 0 && place != 0 ? (uint32_t)place : row + 1;
        hd_snprintf(words.text, sizeof words.text, "row %zu", number);
    }
    return words;
}

static bool is_unbounded(hd_slice cell) {
    static const char *const words[] = {"nan", "inf", "+inf", "-inf", "infinity", "-infinity"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (hd_slice_eq_nocase(cell, words[i])) return true;
    }
    return false;
}

static heed_err fail_stray(const hd_rows *from, const hd_rows_column *column, size_t row,
                           hd_text otherwise) {
    hd_rows_words place = hd_rows_place(from, row);
    hd_slice cell = column->cells[row];
    int n = cell.n < 40 ? (int)cell.n : 40;
    if (is_unbounded(cell)) {
        return HD_FAIL(
            HEED_INPUT,
            "%1$s: column '%2$s': '%4$.*3$s' is not a finite number: mend the row, or say "
            "that it means nothing: 'missing: [\"%4$.*3$s\"]'",
            "%1$s：列“%2$s”：“%4$.*3$s”不是有限数值：请改正该行，或声明其为缺失：“missing: "
            "[\"%4$.*3$s\"]”",
            place.text, column->name, n, cell.p);
    }
    return HD_FAIL(
        HEED_INPUT,
        "%1$s: column '%2$s': '%4$.*3$s' is not a number, as nearly all of its cells "
        "are: mend the row, say that it means nothing ('missing: [\"%4$.*3$s\"]'), or "
        "%5$s%6$.0s",
        "%1$s：列“%2$s”：“%4$.*3$s”不是数值，而该列其余单元格几乎都是：请改正该行，或声明"
        "其为缺失（“missing: [\"%4$.*3$s\"]”），或%6$s%5$.0s",
        place.text, column->name, n, cell.p, otherwise.en, otherwise.zh);
}

heed_err hd_rows_all_numbers(const hd_rows *from, const hd_rows_column *column, hd_text otherwise,
                             bool *out) {
    size_t numbers = 0, unbounded = 0, words = 0, first[2] = {0, 0};
    for (size_t i = 0; i < from->n; i++) {
        double value;
        hd_slice cell = column->cells[i];
        if (!cell.p) continue;
        if (hd_slice_f64(cell, &value)) {
            numbers++;
        } else if (is_unbounded(cell)) {
            if (unbounded++ == 0) first[0] = i;
        } else if (words++ == 0) {
            first[1] = i;
        }
    }
    *out = numbers > 0 && words == 0;
    if (numbers == 0 || words > numbers / 10) return HEED_OK;
    if (words > 0) return fail_stray(from, column, first[1], otherwise);
    return unbounded > 0 ? fail_stray(from, column, first[0], otherwise) : HEED_OK;
}

heed_err hd_rows_select(const hd_rows *rows, const size_t *index, size_t n, size_t history,
                        hd_rows *out) {
    hd_rows_init(out);
    heed_err err = hd_rows_add(out, n);
    for (size_t f = 0; err == HEED_OK && f < rows->n_files; f++) {
        size_t number;
        err = hd_rows_add_file(out, rows->files[f], &number);
    }
    for (size_t c = 0; err == HEED_OK && c < rows->n_columns; c++) {
        const hd_rows_column *from = &rows->columns[c];
        hd_rows_column *to;
        err = hd_rows_add_column(out, from->name, from->kind, &to);
        if (err != HEED_OK) break;
        memcpy(to->shape, from->shape, sizeof to->shape);
        for (size_t i = 0; i < n; i++) to->cells[i] = from->cells[index[i]];
    }
    if (err != HEED_OK) {
        hd_rows_clear(out);
        return err;
    }
    for (size_t i = 0; i < n; i++) out->place[i] = rows->place[index[i]];
    out->first = history;
    return HEED_OK;
}

// The column of `rows` that takes the cells of another.
static heed_err column_for(hd_rows *rows, const hd_rows_column *from, hd_rows_column **out) {
    *out = hd_rows_find(rows, from->name);
    if (!*out) {
        HD_TRY(hd_rows_add_column(rows, from->name, from->kind, out));
        memcpy((*out)->shape, from->shape, sizeof from->shape);
    }
    if ((*out)->kind == from->kind && memcmp((*out)->shape, from->shape, sizeof from->shape) == 0)
        return HEED_OK;
    return HD_FAIL(HEED_INPUT, "column '%s' holds other things in the rows that are added",
                   "列“%s”在追加的行中内容类型不同", from->name);
}

heed_err hd_rows_append(hd_rows *rows, const hd_rows *more) {
    size_t before = rows->n, files = rows->n_files, count = more->n - more->first, number;
    for (size_t f = 0; f < more->n_files; f++)
        HD_TRY(hd_rows_add_file(rows, more->files[f], &number));
    HD_TRY(hd_rows_add(rows, count));
    for (size_t i = 0; i < count; i++) {
        uint64_t place = more->place[more->first + i];
        rows->place[before + i] = place ? place + ((uint64_t)files << 32) : 0;
    }
    for (size_t c = 0; c < more->n_columns; c++) {
        const hd_rows_column *from = &more->columns[c];
        hd_rows_column *to;
        HD_TRY(column_for(rows, from, &to));
        memcpy(to->cells + before, from->cells + more->first, count * sizeof *to->cells);
    }
    return HEED_OK;
}

// ── Of a request ──

static heed_err cell_text(const json_t *value, hd_arena *arena, hd_slice *out) {
    char number[32];
    const char *text = NULL;
    size_t n = 0;
    hd_str dump;
    hd_str_init(&dump);
    if (json_is_null(value)) return HEED_OK;
    if (json_is_string(value)) {
        text = json_string_value(value);
        n = json_string_length(value);
    } else if (json_is_integer(value)) {
        hd_snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
        text = number;
    } else if (json_is_real(value)) {
        hd_json_number(json_real_value(value), number);
        text = number;
    } else if (json_is_boolean(value)) {
        text = json_is_true(value) ? "true" : "false";
    } else {
        heed_err err = hd_json_dump(value, false, &dump);
        if (err != HEED_OK) {
            hd_str_clear(&dump);
            return err;
        }
        text = hd_str_get(&dump);
    }
    if (n == 0) n = strlen(text);
    if (n == 0) { // as an empty cell of a file
        hd_str_clear(&dump);
        return HEED_OK;
    }
    char *copy = hd_arena_strndup(arena, text, n);
    hd_str_clear(&dump);
    if (!copy) return HD_FAIL_MEMORY(n);
    *out = (hd_slice){copy, n};
    return HEED_OK;
}

heed_err hd_rows_set_json(hd_rows *rows, size_t row, const json_t *object) {
    void *iter = json_object_iter((json_t *)(uintptr_t)object);
    for (; iter; iter = json_object_iter_next((json_t *)(uintptr_t)object, iter)) {
        const char *name = json_object_iter_key(iter);
        hd_rows_column *column = hd_rows_find(rows, name);
        if (!column && rows->n_columns >= HD_ROWS_COLUMNS) {
            return HD_FAIL(HEED_INPUT, "more than %d columns", "超过 %d 列", HD_ROWS_COLUMNS);
        }
        if (!column) HD_TRY(hd_rows_add_column(rows, name, HD_ROWS_TEXT, &column));
        HD_TRY(cell_text(json_object_iter_value(iter), &rows->arena, &column->cells[row]));
    }
    return HEED_OK;
}

heed_err hd_rows_json(const json_t *list, const char *name, hd_rows *out) {
    hd_rows_init(out);
    if (!json_is_array(list)) {
        return HD_FAIL(HEED_INPUT, "'%s' must be a list of objects, one for each row",
                       "“%s”应为对象的列表，每行一个对象", name);
    }
    heed_err err = hd_rows_add(out, json_array_size(list));
    for (size_t i = 0; err == HEED_OK && i < out->n; i++) {
        const json_t *item = json_array_get(list, i);
        if (json_is_object(item)) {
            err = hd_rows_set_json(out, i, item);
        } else {
            err = HD_FAIL(HEED_INPUT, "'%s': row %zu must be an object of columns",
                          "“%s”：第 %zu 行应为由列组成的对象", name, i + 1);
        }
    }
    if (err != HEED_OK) hd_rows_clear(out);
    return err;
}
