// SPDX-License-Identifier: Apache-2.0
//
// Columns to fields: the user's --map, then the preset's names, then the schema's synonyms.
#ifndef HD_PREPARE_READ_MAP_H
#define HD_PREPARE_READ_MAP_H

#include "prepare/preset/preset.h"

typedef struct hd_mapping {
    const char *file; // for messages
    const hd_schema *schema;
    const hd_import_map *user; // (n_user) by the user; field "": attributes, "-": left out
    size_t n_user;
    const hd_import_map *preset; // (n_preset)
    size_t n_preset;
    bool open; // more columns may come (JSON)
} hd_mapping;

// Gives all columns their fields. Fails for a --map to what isn't there, with what was probably
// meant, and when a required field has no column.
heed_err hd_map_columns(const hd_mapping *mapping, hd_columns *columns) HEED_CHECK;
// Gives columns from `first` on a field that no other column has.
void hd_map_late(const hd_mapping *mapping, hd_columns *columns, size_t first);

// Whether the schema leaves a column without a field out.
bool hd_map_left_out(const hd_schema *schema, const hd_import_column *col);

// The kind that the file's name, its columns and the user's --map speak for; false: they don't.
bool hd_kind_guess(const char *file_name, const hd_columns *columns, const hd_import_map *maps,
                   size_t n_maps, hd_kind *out);
// The type of events that the file's name speaks for ("orders.csv": purchase), or NULL.
heed_err hd_type_guess(const char *file_name, const char **word) HEED_CHECK;

// "user_id, item, 时间": the first columns' names, for messages.
heed_err hd_columns_list(const hd_columns *columns, hd_str *out) HEED_CHECK;

#endif
