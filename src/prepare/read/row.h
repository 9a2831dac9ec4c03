// SPDX-License-Identifier: Apache-2.0
//
// A row as it was split: cells with the columns they belong to, not yet understood. What every
// format produces and what filling records takes in.
#ifndef HD_PREPARE_READ_ROW_H
#define HD_PREPARE_READ_ROW_H

#include "prepare/importer.h"

typedef enum hd_cell_type {
    HD_CELL_TEXT, // all there is in CSV
    HD_CELL_NUMBER,
    HD_CELL_BOOL,
    HD_CELL_NULL,
    HD_CELL_OBJECT, // its members follow: `size` cells in all, nested ones included
    HD_CELL_ARRAY
} hd_cell_type;

#define HD_NO_COLUMN UINT32_MAX

typedef struct hd_cell {
    hd_slice text;   // without quotes and escapes; of an object or array: as it stands
    hd_slice raw;    // JSON: as it stands, with quotes
    hd_slice key;    // JSON: name of the member, without escapes
    uint32_t column; // index, or HD_NO_COLUMN: too many columns to remember this one
    uint32_t size;   // of an object: cells of its members
    hd_cell_type type;
} hd_cell;

typedef struct hd_row {
    hd_row_state state;
    uint64_t line;
    hd_slice raw;
    hd_cell *cells;
    size_t n;
    bool big; // JSON: holds an integer beyond 63 bits
} hd_row;

// Makes the row a bad one, for this reason. Texts too long are cut at a character.
void hd_row_refuse(hd_import_row *row, const char *en, const char *zh, ...)
    __attribute__((format(printf, 2, 4), format(printf, 3, 4)));
// (__extension__: ISO C has no %2$s, POSIX has.)
#define HD_BAD_ROW(row, en, ...) __extension__ hd_row_refuse((row), (en), __VA_ARGS__)

// A value to be quoted in a reason: at most 40 bytes of it, on one line.
typedef struct hd_quoted {
    char text[64];
} hd_quoted;
hd_quoted hd_quote_value(hd_slice value);

#endif
