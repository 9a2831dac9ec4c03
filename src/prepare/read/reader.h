// SPDX-License-Identifier: Apache-2.0
//
// From text to rows: the formats, each one descriptor and one row in hd_formats.
#ifndef HD_PREPARE_READ_READER_H
#define HD_PREPARE_READ_READER_H

#include <csv.h>

#include "prepare/read/columns.h"
#include "prepare/read/feed.h"
#include "prepare/read/json_scan.h"
#include "prepare/read/row.h"

typedef struct hd_reader hd_reader;

typedef struct hd_format {
    const char *name;
    heed_err (*next)(hd_reader *reader, hd_import_row *out, hd_row *row);
} hd_format;
extern const hd_format hd_format_csv, hd_format_jsonl, hd_format_sequence;

// How a CSV line is cut.
typedef struct hd_cut {
    char sign[4]; // "," or "::"; " " stands for any run of blanks
    size_t n;
    bool quotes; // RFC 4180
} hd_cut;

struct hd_reader {
    const hd_format *format;
    hd_feed feed;
    hd_cut cut;
    size_t width;    // fields a row must have; 0: not known yet
    hd_slice header; // the line that named the columns (borrowed), or absent
    hd_columns columns;
    hd_cell *cells; // of the current row
    size_t cap_cells;
    hd_arena arena; // of the current row
    // CSV with quotes
    struct csv_parser csv;
    bool csv_made;
    size_t n_cells;
    size_t n_rows;     // ended in what libcsv was given
    hd_str text;       // fields as libcsv gave them, one behind the other
    heed_err csv_err;  // of a callback
    bool csv_too_wide; // more fields than allowed
    bool csv_extra;    // fields stand behind a carriage return that ended the row
    // JSON lines
    hd_json_scan json;
    uint32_t *order; // (cap_order) columns of the last row's cells, in order: likely those of this
    size_t n_order;
    size_t cap_order;
    // Sequence lines: nothing of their own
};

enum { HD_MAX_FIELDS = 65536 };

void hd_reader_init(hd_reader *reader);
void hd_reader_clear(hd_reader *reader);
// The next row that isn't blank. out gets the reason when it is bad.
heed_err hd_reader_next(hd_reader *reader, hd_import_row *out, hd_row *row) HEED_CHECK;

// Shared by the formats: the next line that isn't blank, END, or a bad row (too long, not UTF-8,
// NUL). *next: bytes to advance once the row is done with.
heed_err hd_reader_line(hd_reader *reader, hd_import_row *out, hd_row *row, hd_slice *line,
                        size_t *next) HEED_CHECK;
// False and a reason when the text isn't clean UTF-8 without NUL.
bool hd_reader_clean(hd_reader *reader, hd_slice text, hd_import_row *out);

// JSON: what reader->json scanned, as the row's cells with their columns.
heed_err hd_reader_cells(hd_reader *reader, hd_row *row) HEED_CHECK;

#endif
