// SPDX-License-Identifier: Apache-2.0
//
// The columns of a file: CSV's by place, JSON's by path ("user.id"), in order of first sight.
#ifndef HD_PREPARE_READ_COLUMNS_H
#define HD_PREPARE_READ_COLUMNS_H

#include "base/map.h"
#include "prepare/read/schema.h"

typedef struct hd_import_column {
    const char *path;
    const char *folded;     // the path as names are compared
    hd_slice key;           // the last part of the path
    uint32_t parent;        // JSON: of the object it stands in, or HD_NO_COLUMN
    const hd_field *field;  // NULL: goes to attributes or properties
    bool mapped;            // by the user
    bool dropped;           // mapped to "-": goes nowhere
    bool numeric;           // CSV, without a field: written as a number, as all looked at were
    int time_format;        // hd_time_format_id, or -1
    const char *quoted_key; // `"key":`, as attributes want it
} hd_import_column;

typedef struct hd_columns {
    hd_import_column *cols;
    size_t n;
    size_t cap;
    hd_map by_path;
    hd_arena arena;
} hd_columns;

// JSON rows may bring any number of names: later ones are not remembered.
enum { HD_MAX_COLUMNS = 4096 };

void hd_columns_init(hd_columns *columns);
void hd_columns_clear(hd_columns *columns);
// Adds a column; a path that is taken gets "_2", "_3", … when `unique`, else its index is returned.
heed_err hd_columns_add(hd_columns *columns, uint32_t parent, hd_slice key, bool unique,
                        uint32_t *index) HEED_CHECK;
// The column of a member of an object, added unless there are too many (HD_NO_COLUMN).
heed_err hd_columns_member(hd_columns *columns, uint32_t parent, hd_slice key, uint32_t *index,
                           bool *added) HEED_CHECK;
bool hd_columns_find(const hd_columns *columns, const char *path, uint32_t *index);

#endif
