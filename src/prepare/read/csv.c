// SPDX-License-Identifier: Apache-2.0
//
// CSV and its relatives. A line in which no field begins with a quote sign is cut at the delimiter:
// that is what libcsv would make of it (a differential test holds the two together), at a multiple
// of its speed. Every other line goes to libcsv 3.0.3 in strict mode, line by line until the row
// ends, so that line numbers are known and a wrong quote can't swallow the rows that follow: when
// libcsv objects, or the file ends inside quotes, the row's first line is bad and reading goes on
// with the line after it.
//
// As libcsv does, blanks around unquoted fields are taken off. A quote sign inside an unquoted
// field is itself (5" pipe).
#include "prepare/read/reader.h"

#include "base/mem.h"

static bool is_pad(char c, const hd_cut *cut) {
    return (c == ' ' || c == '\t') && c != cut->sign[0];
}

static hd_slice trim(const char *p, size_t n, const hd_cut *cut) {
    while (n > 0 && is_pad(*p, cut)) p++, n--;
    while (n > 0 && is_pad(p[n - 1], cut)) n--;
    return (hd_slice){p, n};
}

static heed_err add_cell(hd_reader *r, hd_slice text) {
    if (r->n_cells >= HD_MAX_FIELDS) {
        r->csv_too_wide = true;
        return HEED_OK;
    }
    if (r->n_cells == r->cap_cells) {
        HD_TRY(hd_grow(&r->cells, &r->cap_cells, r->n_cells + 1, sizeof *r->cells));
    }
    hd_cell *cell = &r->cells[r->n_cells];
    cell->text = text;
    cell->column = (uint32_t)r->n_cells++;
    cell->size = 0;
    cell->type = HD_CELL_TEXT;
    return HEED_OK;
}

// ── Without quotes ──────────────────────────────────────────────────────────────────────────────

static const char *find_sign(const char *p, const char *end, const hd_cut *cut) {
    if (cut->n == 1) return memchr(p, cut->sign[0], (size_t)(end - p));
    return memmem(p, (size_t)(end - p), cut->sign, cut->n);
}

static heed_err cut_at_sign(hd_reader *r, hd_slice line) {
    const char *p = line.p;
    const char *end = p + line.n;
    for (;;) {
        const char *q = find_sign(p, end, &r->cut);
        size_t n = (size_t)((q ? q : end) - p);
        HD_TRY(add_cell(r, trim(p, n, &r->cut)));
        if (!q) return HEED_OK;
        p = q + r->cut.n;
    }
}

static heed_err cut_at_blanks(hd_reader *r, hd_slice line) {
    const char *p = line.p;
    const char *end = p + line.n;
    for (;;) {
        while (p < end && (*p == ' ' || *p == '\t')) p++;
        if (p == end) return HEED_OK;
        const char *start = p;
        while (p < end && *p != ' ' && *p != '\t') p++;
        HD_TRY(add_cell(r, (hd_slice){start, (size_t)(p - start)}));
    }
}

// ── With quotes ─────────────────────────────────────────────────────────────────────────────────

// Whether a field of the line begins with a quote sign.
static bool needs_libcsv(hd_slice line, const hd_cut *cut) {
    const char *end = line.p + line.n;
    for (const char *q = line.p; (q = memchr(q, '"', (size_t)(end - q))) != NULL; q++) {
        const char *before = q;
        while (before > line.p && is_pad(before[-1], cut)) before--;
        if (before == line.p || before[-1] == cut->sign[0]) return true;
    }
    return false;
}

static void on_field(void *text, size_t n, void *data) {
    hd_reader *r = data;
    if (r->n_rows > 0) r->csv_extra = true;
    if (r->csv_err != HEED_OK || r->n_rows > 0) return;
    size_t at = r->text.len;
    hd_str_addn(&r->text, text ? text : "", n);
    r->csv_err = hd_str_check(&r->text);
    if (r->csv_err == HEED_OK) r->csv_err = add_cell(r, (hd_slice){NULL, n});
    // The buffer may move: the place is kept as a number until the row is whole.
    if (r->csv_err == HEED_OK && r->n_cells > 0) r->cells[r->n_cells - 1].raw.n = at;
}

static void on_row(int end, void *data) {
    (void)end;
    ((hd_reader *)data)->n_rows++;
}

static heed_err csv_start(hd_reader *r) {
    if (r->csv_made) csv_free(&r->csv);
    r->csv_made = csv_init(&r->csv, CSV_STRICT | CSV_STRICT_FINI) == 0;
    if (!r->csv_made) {
        return HD_FAIL(HEED_INTERNAL, "libcsv can't be initialised", "libcsv 无法初始化");
    }
    csv_set_delim(&r->csv, (unsigned char)r->cut.sign[0]);
    csv_set_realloc_func(&r->csv, hd_realloc);
    csv_set_free_func(&r->csv, hd_free);
    r->n_rows = 0;
    r->csv_extra = false;
    r->csv_err = HEED_OK;
    hd_str_reset(&r->text);
    return HEED_OK;
}

// How far libcsv has come in one row.
typedef struct quoted_row {
    size_t from; // of the line being read, counted from the feed's begin
    size_t end;  // of that line, its end included
    uint64_t lines;
    uint64_t quote_line; // where the quote that is open began
} quoted_row;

// Gives libcsv one line. *bad: it objects.
static heed_err csv_line(hd_reader *r, quoted_row *q, bool *bad) {
    const char *p = r->feed.buf + r->feed.begin + q->from;
    size_t n = q->end - q->from;
    size_t fields = r->n_cells;
    size_t done = csv_parse(&r->csv, p, n, on_field, on_row, r);
    HD_TRY(r->csv_err);
    if (done < n && csv_error(&r->csv) == CSV_ENOMEM) return HD_FAIL_MEMORY(n);
    *bad = done < n;
    if (q->lines == 0 || r->n_cells > fields) q->quote_line = r->feed.line + q->lines;
    q->lines++;
    return HEED_OK;
}

// Reading goes on with the line after the one in which the bad row began.
static heed_err give_up(hd_reader *r, hd_row *row, size_t first_end) {
    const char *p = r->feed.buf + r->feed.begin;
    row->raw = (hd_slice){p, first_end};
    while (row->raw.n > 0 && (p[row->raw.n - 1] == '\n' || p[row->raw.n - 1] == '\r')) row->raw.n--;
    row->state = HD_ROW_BAD;
    hd_feed_advance(&r->feed, first_end, 1);
    return HEED_OK;
}

static void bad_open_quote(hd_import_row *out, uint64_t line) {
    HD_BAD_ROW(out,
               "the quote that opens in line %llu is not closed: close it, or write a quote sign "
               "inside a value twice",
               "第 %llu 行开始的引号没有结束：请补上结束引号，或将值内的引号写两次",
               (unsigned long long)line);
}

static void bad_quote(hd_import_row *out, uint64_t line) {
    HD_BAD_ROW(out,
               "a quote sign stands where none may (the value that opens in line %llu): put the "
               "whole value in quotes, and write quote signs inside it twice",
               "引号位置有误（第 %llu 行开始的值）：请将整个值放在引号内，并将其中的引号写两次",
               (unsigned long long)line);
}

// Adds lines until libcsv sees the row's end. *state: RECORD, BAD (and why), or END when a look
// ahead came to the end of what is at hand.
static heed_err csv_lines(hd_reader *r, quoted_row *q, hd_import_row *out, hd_row_state *state) {
    for (;;) {
        bool bad = false;
        *state = HD_ROW_BAD;
        HD_TRY(csv_line(r, q, &bad));
        if (bad) {
            bad_quote(out, q->quote_line);
            return HEED_OK;
        }
        if (r->n_rows > 0) break;
        hd_slice line;
        hd_line_state more;
        size_t next = 0;
        HD_TRY(hd_feed_line(&r->feed, q->end, &line, &next, &more));
        if (more == HD_LINE_END && !r->feed.ended) {
            *state = HD_ROW_END;
            return HEED_OK;
        }
        if (more == HD_LINE_END && csv_fini(&r->csv, on_field, on_row, r) == 0) {
            HD_TRY(r->csv_err);
            break;
        }
        if (more != HD_LINE_WHOLE) {
            bad_open_quote(out, q->quote_line);
            return HEED_OK;
        }
        if (!hd_reader_clean(r, line, out)) return HEED_OK;
        q->from = q->end;
        q->end = next;
    }
    *state = HD_ROW_RECORD;
    return HEED_OK;
}

static heed_err cut_with_libcsv(hd_reader *r, hd_import_row *out, hd_row *row, size_t first_end) {
    HD_TRY(csv_start(r));
    quoted_row q = {0, first_end, 0, 0};
    hd_row_state state;
    HD_TRY(csv_lines(r, &q, out, &state));
    if (state == HD_ROW_END) {
        row->state = HD_ROW_END;
        return HEED_OK;
    }
    if (state == HD_ROW_BAD) return give_up(r, row, first_end);
    const char *text = hd_str_get(&r->text);
    for (size_t i = 0; i < r->n_cells; i++) r->cells[i].text.p = text + r->cells[i].raw.n;
    const char *p = r->feed.buf + r->feed.begin;
    row->raw = (hd_slice){p, q.end};
    while (row->raw.n > 0 && (p[row->raw.n - 1] == '\n' || p[row->raw.n - 1] == '\r')) row->raw.n--;
    hd_feed_advance(&r->feed, q.end, q.lines);
    return HEED_OK;
}

// ── The row ─────────────────────────────────────────────────────────────────────────────────────

static void bad_return(hd_import_row *out) {
    HD_BAD_ROW(out,
               "a carriage return stands inside the row: put the value in quotes, or end all lines "
               "alike",
               "行内含有单独的回车符：请将该值放在引号内，或统一换行符");
}

static void check_width(hd_reader *r, hd_import_row *out, hd_row *row) {
    if (r->csv_too_wide) {
        HD_BAD_ROW(out, "the row has more than %d fields", "该行超过 %d 个字段", HD_MAX_FIELDS);
        row->state = HD_ROW_BAD;
        return;
    }
    // Delimiters at the end without a value are forgiven.
    while (r->width > 0 && row->n > r->width && row->cells[row->n - 1].text.n == 0) row->n--;
    if (r->width == 0 || row->n == r->width) return;
    HD_BAD_ROW(out,
               "the row has %zu fields where %zu are due: put values that hold the delimiter in "
               "quotes, and end no row early",
               "该行有 %zu 个字段，应为 %zu 个：含分隔符的值请放在引号内，且行不能提前结束", row->n,
               r->width);
    row->state = HD_ROW_BAD;
}

static heed_err csv_next(hd_reader *r, hd_import_row *out, hd_row *row) {
    hd_slice line;
    size_t next = 0;
    HD_TRY(hd_reader_line(r, out, row, &line, &next));
    if (row->state != HD_ROW_RECORD) return HEED_OK;
    if (r->header.p && line.n == r->header.n && memcmp(line.p, r->header.p, line.n) == 0) {
        HD_BAD_ROW(out, "the header stands here again: files were joined, take the line out",
                   "此处又出现表头：可能是多个文件拼接而成，请删去该行");
        row->state = HD_ROW_BAD;
        hd_feed_advance(&r->feed, next, 1);
        return HEED_OK;
    }
    r->n_cells = 0;
    r->csv_too_wide = false;
    r->csv_extra = false;
    if (r->cut.quotes && needs_libcsv(line, &r->cut)) {
        HD_TRY(cut_with_libcsv(r, out, row, next));
    } else {
        HD_TRY(r->cut.sign[0] == ' ' ? cut_at_blanks(r, line) : cut_at_sign(r, line));
        r->csv_extra = memchr(line.p, '\r', line.n) != NULL;
        hd_feed_advance(&r->feed, next, 1);
    }
    if (row->state != HD_ROW_RECORD) return HEED_OK;
    row->cells = r->cells;
    row->n = r->n_cells;
    if (r->csv_extra) {
        bad_return(out);
        row->state = HD_ROW_BAD;
        return HEED_OK;
    }
    check_width(r, out, row);
    return HEED_OK;
}

const hd_format hd_format_csv = {"csv", csv_next};
