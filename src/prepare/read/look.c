// SPDX-License-Identifier: Apache-2.0
//
// The feed is held (it neither reads on nor moves), so that looking costs no memory beyond it and
// the rows can be read again: the file may be a pipe. What the values of each column look like is
// kept as a sample of 64; a time's format is sniffed from that.
#include "prepare/read/look.h"

#include "base/mem.h"

enum { LOOK_ROWS = 500, SAMPLES = 64 };

hd_look hd_look_begin(hd_reader *reader) {
    reader->feed.hold = true;
    return (hd_look){reader->feed.begin, reader->feed.line};
}

void hd_look_end(hd_reader *reader, hd_look at) {
    reader->feed.hold = false;
    reader->feed.begin = at.begin;
    reader->feed.line = at.line;
}

heed_err hd_look_fail(const char *file, const hd_import_row *row, uint64_t line) {
    return HD_FAIL(HEED_INPUT, "%1$s:%2$llu: %3$s%4$.0s", "%1$s:%2$llu：%4$s%3$.0s", file,
                   (unsigned long long)line, row->reason[HEED_EN], row->reason[HEED_ZH]);
}

// What a column's values looked like.
typedef struct look_column {
    hd_slice samples[SAMPLES]; // in the look's arena
    size_t n;
    bool all_numbers;
    bool any;
} look_column;

static bool is_plain_number(hd_slice s) {
    double value;
    size_t start = s.n > 0 && s.p[0] == '-';
    bool padded = s.n > start + 1 && s.p[start] == '0' && s.p[start + 1] != '.';
    return !padded && s.n <= 17 && hd_slice_f64(s, &value);
}

static heed_err look_at_cell(hd_arena *arena, look_column *col, const hd_cell *cell) {
    hd_slice text = hd_slice_trim(cell->text);
    if (text.n == 0 || cell->type > HD_CELL_NUMBER) return HEED_OK;
    if (!is_plain_number(text)) col->all_numbers = false;
    col->any = true;
    if (col->n == SAMPLES || text.n > 64) return HEED_OK;
    char *copy = hd_arena_strndup(arena, text.p, text.n);
    if (!copy) return HD_FAIL_MEMORY(text.n);
    col->samples[col->n++] = (hd_slice){copy, text.n};
    return HEED_OK;
}

// The format that all samples fit; else the one that most of them fit, if it is half of them: the
// others are bad rows then.
static int sniff_time(const look_column *col, bool *ambiguous) {
    uint32_t all = hd_time_sniff(col->samples, col->n);
    size_t fits[HD_TIME_FORMATS] = {0};
    int best = -1;
    *ambiguous = (all & 1u << HD_TIME_SLASH_MDY) && (all & 1u << HD_TIME_SLASH_DMY);
    for (size_t i = 0; i < col->n; i++) {
        uint32_t one = hd_time_sniff(&col->samples[i], 1);
        for (int id = 0; id < HD_TIME_FORMATS; id++) fits[id] += one >> id & 1;
    }
    for (int id = 0; id < HD_TIME_FORMATS; id++) {
        if (best < 0 || fits[id] > fits[best]) best = id;
    }
    return fits[best] * 2 >= col->n && fits[best] > 0 ? best : -1;
}

static heed_err unknown_times(const char *file, const hd_import_column *col,
                              const look_column *seen) {
    hd_quoted value = hd_quote_value(seen->samples[0]);
    return HD_FAIL(
        HEED_INPUT,
        "%s: column '%s' was taken for the %s, but '%s' is no time: write times in ISO "
        "8601, state --time-format, or map another column with --map COLUMN=%s",
        "%s：列“%s”被视为 %s，但“%s”不是时间：请用 ISO 8601 格式、用 --time-format 指明格式，或用 --map 列=%s "
        "指定其他列",
        file, col->path, col->field->name, value.text, col->field->name);
}

// What values are looked at for.
typedef struct look {
    const char *file;
    const hd_schema *schema;
    const char *time_format; // the user's, or NULL
    hd_import_guess *guess;
} look;

static heed_err settle_time(const look *l, hd_import_column *col, const look_column *seen) {
    hd_time_format_id id;
    bool ambiguous = false;
    if (l->time_format && hd_time_format_find(l->time_format, &id)) {
        col->time_format = (int)id;
    } else if (seen->n > 0) {
        col->time_format = sniff_time(seen, &ambiguous);
        if (col->time_format < 0 && l->schema->kind == HD_KIND_EVENTS) {
            return unknown_times(l->file, col, seen);
        }
    }
    if (col->time_format < 0) return HEED_OK;
    l->guess->time_format = hd_time_format_name((hd_time_format_id)col->time_format);
    l->guess->time_ambiguous = l->guess->time_ambiguous || ambiguous;
    return HEED_OK;
}

static heed_err settle_columns(const look *l, hd_columns *columns, const look_column *seen,
                               size_t n) {
    for (size_t i = 0; i < columns->n && i < n; i++) {
        hd_import_column *col = &columns->cols[i];
        hd_field_type type = col->field ? col->field->type : HD_FIELD_TYPES;
        col->numeric = seen[i].any && seen[i].all_numbers;
        if (type != HD_FIELD_TIME && type != HD_FIELD_DATE) continue;
        HD_TRY(settle_time(l, col, &seen[i]));
    }
    return HEED_OK;
}

// Reads the first rows for what their values look like. *rows: how many; the first bad one's reason
// in *bad.
static heed_err look_at_values(hd_reader *reader, look_column *seen, hd_arena *arena, size_t *rows,
                               hd_import_row *bad, uint64_t *bad_line) {
    hd_import_row *out = bad;
    hd_row row;
    *rows = 0;
    *bad_line = 0;
    hd_import_row scratch;
    for (size_t i = 0; i < LOOK_ROWS; i++) {
        HD_TRY(hd_reader_next(reader, out, &row));
        if (row.state == HD_ROW_END) break;
        if (row.state == HD_ROW_BAD) {
            if (*bad_line == 0) *bad_line = row.line;
            out = &scratch; // the first reason stands
            continue;
        }
        ++*rows;
        for (size_t k = 0; k < row.n; k++) {
            uint32_t at = row.cells[k].column;
            if (seen && at < reader->columns.n) {
                HD_TRY(look_at_cell(arena, &seen[at], &row.cells[k]));
            }
        }
    }
    return HEED_OK;
}

heed_err hd_look_members(hd_reader *reader, const char *file) {
    hd_import_row bad;
    size_t rows;
    uint64_t bad_line;
    hd_look at = hd_look_begin(reader);
    heed_err err = look_at_values(reader, NULL, NULL, &rows, &bad, &bad_line);
    hd_look_end(reader, at);
    if (err == HEED_OK && rows == 0 && bad_line > 0) return hd_look_fail(file, &bad, bad_line);
    return err;
}

heed_err hd_look_values(hd_reader *reader, const char *file, const hd_schema *schema,
                        const char *time_format, hd_import_guess *guess) {
    look l = {file, schema, time_format, guess};
    size_t n = reader->columns.n;
    look_column *seen = hd_calloc(n ? n : 1, sizeof *seen);
    if (!seen) return HD_FAIL_MEMORY(n * sizeof *seen);
    for (size_t i = 0; i < n; i++) seen[i].all_numbers = true;
    hd_arena arena;
    hd_arena_init(&arena);
    hd_import_row bad;
    size_t rows = 0;
    uint64_t bad_line = 0;
    hd_look at = hd_look_begin(reader);
    heed_err err = look_at_values(reader, seen, &arena, &rows, &bad, &bad_line);
    hd_look_end(reader, at);
    if (err == HEED_OK && rows == 0 && bad_line == 0 && reader->feed.ended) {
        err = HD_FAIL(HEED_INPUT, "%s has a header and no rows: nothing to import",
                      "%s 只有表头，没有数据行：没有可导入的内容", file);
    }
    if (err == HEED_OK) err = settle_columns(&l, &reader->columns, seen, n);
    hd_arena_clear(&arena);
    hd_free(seen);
    return err;
}
