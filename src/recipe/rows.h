// SPDX-License-Identifier: Apache-2.0
//
// Raw rows, as they come from files or from a request: named columns of cells, nothing understood
// yet. A cell is a text, the pixels of an image, or the bytes of an image's file.
//
// Cells are borrowed: from the buffers of the rows that read them, so that a part of rows (a split,
// a fold, a bootstrap) costs a pointer a cell. The rows that were read outlive their parts.
#ifndef HD_RECIPE_ROWS_H
#define HD_RECIPE_ROWS_H

#include "base/arena.h"
#include "base/json.h"
#include "base/str.h"

enum { HD_ROWS_COLUMNS = 65536 };

typedef enum hd_rows_kind {
    HD_ROWS_TEXT,   // a text, a number as it was written, or a piece of JSON
    HD_ROWS_PIXELS, // bytes (C, H, W), all of the column's shape
    HD_ROWS_FILE    // the bytes of an image's file
} hd_rows_kind;

typedef struct hd_rows_column {
    const char *name; // in the arena
    hd_rows_kind kind;
    size_t shape[3]; // of PIXELS: (C, H, W)
    hd_slice *cells; // (n); p NULL: missing
} hd_rows_column;

typedef struct hd_rows {
    size_t n, n_columns;
    // Rows before this one are history: samples may look at them (a window), but none stands for
    // them.
    size_t first;
    hd_rows_column *columns; // (n_columns)
    uint64_t *place; // (n) file · 2³² + line (0: all of it); 0: from nowhere (made, a request)
    const char **files; // (n_files) their names
    size_t n_files, cap, cap_columns, cap_files;
    char **buffers; // what cells point to: freed with the rows
    size_t n_buffers, cap_buffers;
    hd_arena arena;
} hd_rows;

void hd_rows_init(hd_rows *rows);
void hd_rows_clear(hd_rows *rows);

// ── Making them ──

// A column of missing cells. Its name must be new: HEED_INPUT.
heed_err hd_rows_add_column(hd_rows *rows, const char *name, hd_rows_kind kind,
                            hd_rows_column **out) HEED_CHECK;
// So many rows more, all cells missing.
heed_err hd_rows_add(hd_rows *rows, size_t count) HEED_CHECK;
// A name for places; *out: its number, for hd_rows_at.
heed_err hd_rows_add_file(hd_rows *rows, const char *name, size_t *out) HEED_CHECK;
static inline uint64_t hd_rows_at(size_t file, size_t line) {
    return ((uint64_t)file << 32) | (uint32_t)line;
}
// Takes a block (of hd_alloc) that cells point to, also when it fails.
heed_err hd_rows_keep(hd_rows *rows, char *block) HEED_CHECK;

// ── Reading them ──

hd_rows_column *hd_rows_find(const hd_rows *rows, const char *name); // NULL: none
// HEED_INPUT with the nearest name, or all of them.
heed_err hd_rows_need(const hd_rows *rows, const char *name, hd_rows_column **out) HEED_CHECK;
// Whether all cells that aren't missing are numbers. A column of numbers but for some NaN is told
// as an error, and so is one where a cell among ten or more was written wrongly: it was meant as
// numbers. otherwise: what else may be done about it, behind "or".
heed_err hd_rows_all_numbers(const hd_rows *rows, const hd_rows_column *column, hd_text otherwise,
                             bool *out) HEED_CHECK;
// "iris.csv:17", or "row 17" (counted from 1) of rows that come from nowhere.
typedef struct hd_rows_words {
    char text[160];
} hd_rows_words;
hd_rows_words hd_rows_place(const hd_rows *rows, size_t row);

// These rows of `rows`, in this order; the first `history` of them are history. Borrows the cells.
heed_err hd_rows_select(const hd_rows *rows, const size_t *index, size_t n, size_t history,
                        hd_rows *out) HEED_CHECK;

// The rows of `more` behind those that are there, its history left out; borrows the cells. Columns
// that one has and the other hasn't are missing. HEED_INPUT: a column holds other things there.
heed_err hd_rows_append(hd_rows *rows, const hd_rows *more) HEED_CHECK;

// ── Files of rows ──

typedef struct hd_rows_format {
    const char *const *names; // (n_names) of the columns, for a file without a header; NULL: header
    size_t n_names;
    char delimiter;             // 0: by the first line (tab, comma, semicolon); lines: '\n'
    const char *const *missing; // (n_missing) cells that say nothing, besides the empty one
    size_t n_missing;
    size_t most; // rows; 0: all
} hd_rows_format;
// Adds the rows of a file (plain, gzip or zstd; .jsonl, else CSV or TSV) to those that are there.
// Columns that one file has and another hasn't are missing. shown: its name in messages.
heed_err hd_rows_read(hd_rows *rows, const char *path, const char *shown,
                      const hd_rows_format *format) HEED_CHECK;
// The same from memory; text: taken over (of hd_alloc), also when it fails. json: JSON lines.
heed_err hd_rows_parse(hd_rows *rows, char *text, size_t n, const char *shown, bool json,
                       const hd_rows_format *format) HEED_CHECK;
// From a request: [{"column": value, …}, …]. Numbers become texts that read back the same, true and
// false become words, lists and objects stay JSON. name: stands in messages.
heed_err hd_rows_json(const json_t *list, const char *name, hd_rows *out) HEED_CHECK;
// Sets a row's cells from one object, adding the columns that aren't there.
heed_err hd_rows_set_json(hd_rows *rows, size_t row, const json_t *object) HEED_CHECK;

#endif
