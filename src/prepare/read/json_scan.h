// SPDX-License-Identifier: Apache-2.0
//
// A strict RFC 8259 scanner for one JSON object or array in memory. An object becomes a flat list
// of cells, one per member, nested members behind their object; arrays are checked and left as they
// stand. Refused, besides what the RFC refuses: the same name twice in an object, U+0000, numbers
// beyond a double, nesting over 64 deep, more than 65,536 members.
#ifndef HD_PREPARE_READ_JSON_SCAN_H
#define HD_PREPARE_READ_JSON_SCAN_H

#include "base/arena.h"
#include "prepare/read/row.h"

enum { HD_JSON_DEPTH = 64, HD_JSON_MEMBERS = 65536 };

typedef struct hd_json_scan {
    hd_arena *arena; // borrowed; unescaped strings lie there
    hd_cell *cells;
    size_t n;
    size_t cap;
    hd_slice *names; // of the objects that are open, to find repeats
    size_t n_names;
    size_t cap_names;
    bool big;        // an integer beyond 63 bits was seen
    size_t at;       // where the text was refused, counted from its start
    hd_text problem; // why
} hd_json_scan;

void hd_json_scan_init(hd_json_scan *scan, hd_arena *arena);
void hd_json_scan_clear(hd_json_scan *scan);
// The text must be valid UTF-8. *ok false: refused, see `at` and `problem`. Fails for want of
// memory only. Cells and their texts live until the next run or the arena's reset.
heed_err hd_json_scan_run(hd_json_scan *scan, hd_slice text, bool *ok) HEED_CHECK;

// Walks the elements of an array that was scanned: *at starts at 0. False at the end. The cell's
// text is unescaped into the arena; its key is absent. *err: memory.
bool hd_json_element(hd_json_scan *scan, hd_slice array, size_t *at, hd_cell *out, heed_err *err);

// Appends JSON that was scanned, with integers beyond 63 bits as strings: other readers refuse or
// round them.
void hd_json_copy(hd_slice json, bool big, hd_str *out);

#endif
