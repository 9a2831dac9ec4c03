// SPDX-License-Identifier: Apache-2.0
//
// A file of rows is read whole (unpacked, brought to UTF-8), and its cells point into that text: a
// quoted field is unquoted where it stands, since it only gets shorter. CSV after RFC 4180; with
// tabs between fields quotes are letters like others, as tab-separated files have them. The
// importer's reader (prepare/read) streams instead, recovers from bad rows and keeps none; here a
// row that can't be read ends the reading, because a model trained on the rest would hide it.
#include <stdio.h>

#include "base/mem.h"
#include "prepare/read/decode.h"
#include "recipe/rows.h"

// ── Text ──

static heed_err read_text(const char *path, char **out, size_t *n) {
    hd_source *source = NULL;
    hd_decoder *decoder = NULL;
    char *text = NULL;
    size_t cap = 0, len = 0, got = 0;
    HD_TRY(hd_source_open(path, &source));
    heed_err err = hd_decoder_open(source, NULL, &decoder);
    do {
        if (err == HEED_OK) err = hd_grow(&text, &cap, len + (64 << 10), 1);
        if (err == HEED_OK) err = hd_decoder_read(decoder, text + len, cap - len - 1, &got);
        if (err == HEED_OK) len += got;
    } while (err == HEED_OK && got > 0);
    hd_decoder_close(decoder);
    hd_source_close(source);
    if (err != HEED_OK) {
        hd_free(text);
        return err;
    }
    text[len] = '\0';
    *out = text;
    *n = len;
    return HEED_OK;
}

// ── A table of lines ──

typedef struct parse {
    hd_rows *rows;
    const hd_rows_format *format;
    char *at, *end;
    size_t line, file;
    char delimiter;
    hd_slice *fields; // of the record at hand
    size_t n_fields, cap_fields;
    size_t *columns; // (n_columns) where each field goes
    size_t n_columns, cap_columns;
} parse;

static const char *name_of(const parse *p) {
    return p->rows->files[p->file];
}

static heed_err add_field(parse *p, const char *from, size_t n) {
    if (p->n_fields >= HD_ROWS_COLUMNS) {
        return HD_FAIL(HEED_INPUT, "%s:%zu: more than %d fields", "%s:%zu：超过 %d 个字段",
                       name_of(p), p->line, HD_ROWS_COLUMNS);
    }
    HD_TRY(hd_grow(&p->fields, &p->cap_fields, p->n_fields + 1, sizeof *p->fields));
    p->fields[p->n_fields++] = (hd_slice){from, n};
    return HEED_OK;
}

// The field at hand begins with a quote: unquoted in place.
static heed_err quoted_field(parse *p, size_t *lines) {
    char *from = p->at + 1, *to = from, *start = from;
    for (;; from++) {
        if (from >= p->end) {
            return HD_FAIL(HEED_INPUT, "%s:%zu: a quote that opens here is never closed",
                           "%s:%zu：此处的引号没有闭合", name_of(p), p->line);
        }
        if (*from == '"') {
            if (from + 1 >= p->end || from[1] != '"') break;
            from++;
        }
        *lines += *from == '\n';
        *to++ = *from;
    }
    p->at = from + 1;
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\r')) p->at++;
    if (p->at < p->end && *p->at != p->delimiter && *p->at != '\n') {
        return HD_FAIL(HEED_INPUT, "%s:%zu: text stands behind a closing quote",
                       "%s:%zu：右引号之后还有文字", name_of(p), p->line);
    }
    return add_field(p, start, (size_t)(to - start));
}

static heed_err plain_field(parse *p) {
    char *start = p->at;
    while (p->at < p->end && *p->at != p->delimiter && *p->at != '\n') p->at++;
    hd_slice text = hd_slice_trim((hd_slice){start, (size_t)(p->at - start)});
    return add_field(p, text.p, text.n);
}

static void skip_blanks(parse *p) {
    while (p->at < p->end && (*p->at == ' ') && p->delimiter != ' ') p->at++;
}

// The next record that isn't blank into p->fields; none: n_fields 0. *line: where it began.
static heed_err next_record(parse *p, size_t *line) {
    p->n_fields = 0;
    while (p->at < p->end && p->n_fields == 0) {
        size_t lines = 1;
        *line = p->line;
        for (bool more = true; more;) {
            skip_blanks(p);
            bool quoted =
                p->at < p->end && *p->at == '"' && p->delimiter != '\t' && p->delimiter != '\n';
            HD_TRY(quoted ? quoted_field(p, &lines) : plain_field(p));
            more = p->at < p->end && *p->at == p->delimiter && *p->at != '\n';
            if (p->at < p->end) p->at++;
        }
        p->line += lines;
        if (p->n_fields == 1 && p->fields[0].n == 0) p->n_fields = 0; // a blank line
    }
    return HEED_OK;
}

static char guess_delimiter(const char *text, const char *end) {
    size_t tabs = 0, commas = 0, semicolons = 0;
    for (; text < end && *text != '\n'; text++) {
        tabs += *text == '\t';
        commas += *text == ',';
        semicolons += *text == ';';
    }
    if (tabs > 0) return '\t';
    return semicolons > commas ? ';' : ',';
}

static heed_err take_column(parse *p, const char *name, size_t n) {
    char *text = hd_arena_strndup(&p->rows->arena, name, n);
    if (!text) return HD_FAIL_MEMORY(n);
    HD_TRY(hd_grow(&p->columns, &p->cap_columns, p->n_columns + 1, sizeof *p->columns));
    hd_rows_column *column = hd_rows_find(p->rows, text);
    for (size_t c = 0; column && c < p->n_columns; c++) {
        if (&p->rows->columns[p->columns[c]] == column) {
            return HD_FAIL(HEED_INPUT, "%s: there are two columns '%s'", "%s：有两个名为“%s”的列",
                           name_of(p), text);
        }
    }
    if (!column) HD_TRY(hd_rows_add_column(p->rows, text, HD_ROWS_TEXT, &column));
    p->columns[p->n_columns++] = (size_t)(column - p->rows->columns);
    return HEED_OK;
}

static heed_err take_header(parse *p) {
    size_t line;
    if (p->format->names) {
        for (size_t c = 0; c < p->format->n_names; c++) {
            HD_TRY(take_column(p, p->format->names[c], strlen(p->format->names[c])));
        }
        return HEED_OK;
    }
    HD_TRY(next_record(p, &line));
    for (size_t c = 0; c < p->n_fields; c++) {
        char numbered[32];
        hd_slice name = p->fields[c];
        if (name.n == 0) { // as spreadsheets leave the corner
            hd_snprintf(numbered, sizeof numbered, "column_%zu", c + 1);
            name = hd_slice_of(numbered);
        }
        HD_TRY(take_column(p, name.p, name.n));
    }
    return HEED_OK;
}

static bool says_nothing(const hd_rows_format *format, hd_slice cell) {
    if (cell.n == 0) return true;
    for (size_t i = 0; i < format->n_missing; i++) {
        if (hd_slice_eq(cell, format->missing[i])) return true;
    }
    return false;
}

static heed_err take_row(parse *p, size_t line) {
    if (p->n_fields != p->n_columns) {
        return HD_FAIL(HEED_INPUT, "%s:%zu: %zu fields where %zu columns are named",
                       "%s:%zu：有 %zu 个字段，而列名有 %zu 个", name_of(p), line, p->n_fields,
                       p->n_columns);
    }
    size_t row = p->rows->n;
    HD_TRY(hd_rows_add(p->rows, 1));
    p->rows->place[row] = hd_rows_at(p->file, line);
    for (size_t c = 0; c < p->n_columns; c++) {
        if (says_nothing(p->format, p->fields[c])) continue;
        p->rows->columns[p->columns[c]].cells[row] = p->fields[c];
    }
    return HEED_OK;
}

static heed_err parse_table(parse *p) {
    size_t line = 1, taken = 0;
    HD_TRY(take_header(p));
    for (;;) {
        if (p->format->most > 0 && taken == p->format->most) return HEED_OK;
        HD_TRY(next_record(p, &line));
        if (p->n_fields == 0) return HEED_OK;
        HD_TRY(take_row(p, line));
        taken++;
    }
}

// ── JSON lines ──

static heed_err take_object(parse *p, hd_slice text) {
    json_t *json = NULL;
    char name[256];
    hd_snprintf(name, sizeof name, "%s:%zu", name_of(p), p->line);
    HD_TRY(hd_json_parse(text.p, text.n, name, &json));
    size_t row = p->rows->n;
    heed_err err = json_is_object(json) ? hd_rows_add(p->rows, 1)
                                        : HD_FAIL(HEED_INPUT, "%s: a line must be an object",
                                                  "%s：每行应为对象", name);
    if (err == HEED_OK) {
        p->rows->place[row] = hd_rows_at(p->file, p->line);
        err = hd_rows_set_json(p->rows, row, json);
    }
    json_decref(json);
    return err;
}

static void drop_missing(parse *p, size_t from) {
    for (size_t c = 0; c < p->rows->n_columns; c++) {
        hd_slice *cells = p->rows->columns[c].cells;
        for (size_t i = from; i < p->rows->n; i++) {
            if (cells[i].p && says_nothing(p->format, cells[i])) cells[i] = (hd_slice){NULL, 0};
        }
    }
}

static heed_err parse_lines(parse *p) {
    size_t from = p->rows->n, taken = 0;
    while (p->at < p->end && (p->format->most == 0 || taken < p->format->most)) {
        char *end = memchr(p->at, '\n', (size_t)(p->end - p->at));
        if (!end) end = p->end;
        hd_slice text = hd_slice_trim((hd_slice){p->at, (size_t)(end - p->at)});
        if (text.n > 0) HD_TRY(take_object(p, text));
        taken += text.n > 0;
        p->at = end < p->end ? end + 1 : end;
        p->line++;
    }
    drop_missing(p, from);
    return HEED_OK;
}

// ── Both ──

heed_err hd_rows_parse(hd_rows *rows, char *text, size_t n, const char *shown, bool json,
                       const hd_rows_format *format) {
    parse p = {.rows = rows, .format = format, .at = text, .end = text + n, .line = 1};
    HD_TRY(hd_rows_keep(rows, text));
    HD_TRY(hd_rows_add_file(rows, shown, &p.file));
    if (n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) p.at += 3;
    p.delimiter = format->delimiter ? format->delimiter : guess_delimiter(p.at, p.end);
    heed_err err = json ? parse_lines(&p) : parse_table(&p);
    hd_free(p.fields);
    hd_free(p.columns);
    return err;
}

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && memcmp(text + n - m, end, m) == 0;
}

heed_err hd_rows_read(hd_rows *rows, const char *path, const char *shown,
                      const hd_rows_format *format) {
    char *text;
    size_t n;
    bool json = ends_with(path, ".jsonl") || ends_with(path, ".jsonl.gz") ||
                ends_with(path, ".jsonl.zst") || ends_with(path, ".ndjson");
    HD_TRY(read_text(path, &text, &n));
    return hd_rows_parse(rows, text, n, shown, json, format);
}
