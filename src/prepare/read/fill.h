// SPDX-License-Identifier: Apache-2.0
//
// From cells to a schema's struct: each cell by its field's type; cells without a field go to
// attributes or properties.
#ifndef HD_PREPARE_READ_FILL_H
#define HD_PREPARE_READ_FILL_H

#include "prepare/read/columns.h"
#include "prepare/read/json_scan.h"
#include "prepare/read/row.h"

#define HD_JSON_EXACT INT64_C(9007199254740991) // 2^53 - 1: whole numbers that a double holds

enum { HD_MAX_LIST = 64, HD_MAX_ID = 512, HD_TYPES_KEPT = 8 };

typedef struct hd_type_memory { // an event type met before, and its word
    char name[24];
    size_t n; // 0: free
    hd_slice word;
    char kept[24]; // where word lies when it isn't static
} hd_type_memory;

typedef struct hd_fill {
    const hd_schema *schema;
    const hd_columns *columns;
    const hd_zone *zone;
    hd_time now;          // HD_TIME_NONE: the future is not refused
    const char *currency; // of amounts without one, or NULL
    char list_sign;       // of lists; 0: sniffed in each value
    bool comma;           // decimals are written with a comma
    bool json;            // cells come from JSON
    bool posted;          // they were posted: no column, no --map, no sniffing of times
    // of the current row
    hd_arena *arena;
    hd_import_row *out;
    bool big;
    bool bad;
    const hd_import_column *wrong; // of the cell that made the row bad; NULL: none did
    bool money;                    // the row has an amount
    const char *sign_currency;     // that an amount named
    bool spliced;                  // an attributes object joined the rest
    hd_str rest;                   // members of the JSON object so far, each with a comma behind it
    hd_str list;                   // elements of the JSON array so far, likewise
    hd_slice listed[HD_MAX_LIST];
    size_t n_listed;
    hd_json_scan scan; // for JSON inside of CSV cells
    hd_arena scan_arena;
    hd_type_memory types[HD_TYPES_KEPT];
    size_t next_type; // to be replaced
} hd_fill;

void hd_fill_init(hd_fill *fill);
void hd_fill_clear(hd_fill *fill);
// Fills target (schema->size bytes, blank). Whether the row is bad stands in out->state.
heed_err hd_fill_row(hd_fill *fill, const hd_row *row, void *target, hd_import_row *out) HEED_CHECK;

#endif
