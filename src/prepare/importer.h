// SPDX-License-Identifier: Apache-2.0
//
// From a file of any supported shape to records: opens and unpacks (plain, gzip, zstd; a path or
// stdin), decodes to UTF-8, splits (CSV, TSV, JSON lines, sequence lines, separated by other
// signs), maps columns to fields, and checks each value. What it guesses can be shown and
// overruled.
//
//     hd_importer *in;
//     HD_TRY(hd_importer_open(&params, &in));
//     for (;;) {
//         hd_import_row row;
//         err = hd_importer_next(in, &row);           // fails only when the file can't be read on
//         if (err || row.state == HD_ROW_END) break;
//         if (row.state == HD_ROW_BAD) reject(row.line, row.reason, row.raw);
//         else put(&row.record);
//     }
//
// Memory: bounded by the longest line (params.max_line), not by the file.
#ifndef HD_PREPARE_IMPORTER_H
#define HD_PREPARE_IMPORTER_H

#include "base/arena.h"
#include "base/record.h"
#include "base/unicode.h"

typedef struct hd_import_map {
    const char *column; // in the file (a JSON path with dots)
    const char *field;  // of the record: "user", "time", …
} hd_import_map;

typedef struct hd_importer_params {
    const char *path;   // "-": stdin
    int kind;           // hd_kind, or -1: by file name, columns, preset
    const char *preset; // NULL: none
    const hd_import_map *maps;
    size_t n_maps;
    const char *encoding;    // NULL: sniffed
    const char *delimiter;   // NULL: sniffed
    int header;              // 1, 0, or -1: sniffed
    const char *time_format; // a name of base/time.h; NULL: sniffed
    const char *zone;        // of times without one; NULL: UTC
    const char *currency;    // of amounts without one; NULL: none
    size_t max_line;         // bytes; 0: 16 MB
    hd_time now; // times later than this plus a day are refused; HD_TIME_NONE: not checked
} hd_importer_params;

// What was guessed, for the user's eyes. Strings live as long as the importer.
typedef struct hd_import_guess {
    hd_kind kind;
    const char *format;  // "csv", "tsv", "jsonl", "sequence", …
    const char *packing; // "", "gzip", "zstd"
    hd_encoding encoding;
    char delimiter; // 0: none
    bool header;
    const char *time_format;  // "" when the file has no times
    const char *default_type; // of events that don't say theirs; "" when they do
    bool time_ambiguous;      // day and month could be swapped: say so
    const hd_import_map
        *maps; // columns to fields; columns that go to attributes or properties map to ""
    size_t n_maps;
} hd_import_guess;

typedef enum hd_row_state { HD_ROW_RECORD, HD_ROW_BAD, HD_ROW_END } hd_row_state;
typedef struct hd_import_row {
    hd_row_state state;
    uint64_t line;       // 1-based, where the row begins
    hd_record record;    // borrowed until the next call; one row of a file can give several (an
                         // invoice line: item and event)
    char reason[2][512]; // by heed_lang, when BAD: field, what is wrong, what to do
    hd_slice raw;        // the row as it stood in the file, when BAD
} hd_import_row;

typedef struct hd_importer hd_importer;
// Empty files, folders, binaries and headers that can't be mapped fail here, and say what to do.
heed_err hd_importer_open(const hd_importer_params *params, hd_importer **out) HEED_CHECK;
// From memory (borrowed until closed) instead of params->path, which only names it: tests, fuzzing.
heed_err hd_importer_open_memory(const hd_importer_params *params, const void *bytes, size_t n,
                                 hd_importer **out) HEED_CHECK;
const hd_import_guess *hd_importer_guess(const hd_importer *importer);
heed_err hd_importer_next(hd_importer *importer, hd_import_row *row) HEED_CHECK;
// BLAKE2b-256 of the file's bytes as they came, hexadecimal. Known once the end was reached; for a
// regular file at once.
heed_err hd_importer_hash(hd_importer *importer, char out[65]) HEED_CHECK;
uint64_t hd_importer_bytes(const hd_importer *importer);       // read so far
uint64_t hd_importer_bytes_total(const hd_importer *importer); // 0: unknown (stdin)
void hd_importer_close(hd_importer *importer);

// A preset: another system's files. One descriptor each, one row in prepare/presets.c.
typedef struct hd_preset hd_preset;
extern const hd_preset *const hd_presets[]; // NULL-terminated
const char *hd_preset_name(const hd_preset *preset);
hd_text hd_preset_doc(const hd_preset *preset);

#endif
