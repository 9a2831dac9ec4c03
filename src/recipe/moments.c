// SPDX-License-Identifier: Apache-2.0
//
// Times are read by base/time.h, in the format that all of a column's cells have.
#include "recipe/moments.h"

#include "base/mem.h"
#include "base/time.h"

typedef struct moments {
    const hd_rows *rows;
    const hd_rows_column *column;
    const char *name;
    hd_slice *cells; // (n) those that aren't empty
    size_t *row, n;
} moments;

static heed_err moments_take(const hd_rows *rows, const char *column, moments *out) {
    *out = (moments){.rows = rows, .column = hd_rows_find(rows, column), .name = column};
    out->cells = hd_calloc(rows->n + 1, sizeof *out->cells);
    out->row = hd_calloc(rows->n + 1, sizeof *out->row);
    if (!out->cells || !out->row) return HD_FAIL_MEMORY(rows->n * sizeof *out->cells);
    for (size_t i = 0; i < rows->n; i++) {
        const hd_slice cell = hd_slice_trim(out->column->cells[i]);
        if (!cell.p || cell.n == 0) continue;
        out->cells[out->n] = cell;
        out->row[out->n++] = i;
    }
    return HEED_OK;
}

static heed_err not_a_time(const moments *m, size_t i) {
    const hd_rows_words place = hd_rows_place(m->rows, m->row[i]);
    return HD_FAIL(HEED_INPUT,
                   "%1$s: '%2$s': '%4$.*3$s' is no time, as the others are: mend the row",
                   "%1$s：“%2$s”：“%4$.*3$s”不是时间，而其他行都是：请改正该行", place.text,
                   m->name, m->cells[i].n < 40 ? (int)m->cells[i].n : 40, m->cells[i].p);
}

static heed_err out_of_order(const moments *m, size_t i) {
    const hd_rows_words place = hd_rows_place(m->rows, m->row[i]);
    const hd_slice now = m->cells[i], before = m->cells[i - 1];
    return HD_FAIL(
        HEED_INPUT,
        "%1$s: '%2$s' goes from '%4$.*3$s' back to '%6$.*5$s': moments stand in order, "
        "the oldest first: sort the rows",
        "%1$s：“%2$s”由“%4$.*3$s”退回到“%6$.*5$s”：时刻应按先后排列，最早的在前：请给各行排序",
        place.text, m->name, before.n < 40 ? (int)before.n : 40, before.p,
        now.n < 40 ? (int)now.n : 40, now.p);
}

static heed_err too_many_twice(const moments *m, size_t i) {
    const hd_rows_words place = hd_rows_place(m->rows, m->row[i]);
    return HD_FAIL(
        HEED_INPUT,
        "%1$s: '%2$s': '%4$.*3$s' comes twice, and so do others: a row is a moment, and "
        "each series a column (or a row, with 'across')",
        "%1$s：“%2$s”：“%4$.*3$s”出现两次，且不止这一处：每行应为一个时刻，每条序列为一列"
        "（或用“across”，每行一条序列）",
        place.text, m->name, m->cells[i].n < 40 ? (int)m->cells[i].n : 40, m->cells[i].p);
}

// A local clock that is put back an hour goes back an hour, and some moments come twice then: more
// than one in a hundred are rows in another order, or of another kind.
static heed_err check_times(const moments *m, const hd_time *at) {
    static const hd_time HOUR = 3600 * 1000;
    size_t twice = 0, first = 0;
    for (size_t i = 1; i < m->n; i++) {
        if (at[i] < at[i - 1] - HOUR) return out_of_order(m, i);
        if (at[i] == at[i - 1] && twice++ == 0) first = i;
    }
    return twice > 0 && twice * 100 > m->n ? too_many_twice(m, first) : HEED_OK;
}

// The format that all have, or else the first ones, so that a cell which has another is told.
static heed_err read_times(const moments *m, hd_time *at, bool *any) {
    enum { FIRST = 5 };
    uint32_t formats = hd_time_sniff(m->cells, m->n);
    if (!formats) formats = hd_time_sniff(m->cells, m->n < FIRST ? m->n : FIRST);
    *any = formats != 0;
    if (!*any) return HEED_OK; // a season, a week's number: in the order that it comes
    const hd_time_format_id id = (hd_time_format_id)__builtin_ctz(formats);
    for (size_t i = 0; i < m->n; i++) {
        if (!hd_time_parse(m->cells[i], id, NULL, &at[i])) return not_a_time(m, i);
    }
    return HEED_OK;
}

heed_err hd_moments_check(const hd_rows *rows, const char *column) {
    moments m;
    bool any = false;
    if (!hd_rows_find(rows, column)) return HEED_OK;
    heed_err err = moments_take(rows, column, &m);
    hd_time *at = hd_calloc(rows->n + 1, sizeof *at);
    if (err == HEED_OK && !at) err = HD_FAIL_MEMORY(rows->n * sizeof *at);
    if (err == HEED_OK) err = read_times(&m, at, &any);
    if (err == HEED_OK && any) err = check_times(&m, at);
    hd_free(at);
    hd_free(m.cells);
    hd_free(m.row);
    return err;
}
