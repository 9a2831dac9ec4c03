// SPDX-License-Identifier: Apache-2.0
//
// What a preset is made of: it looks at a file's name and start and says how the file is to be
// read. What it leaves alone is guessed as without a preset.
#ifndef HD_PREPARE_PRESET_PRESET_H
#define HD_PREPARE_PRESET_PRESET_H

#include "prepare/read/reader.h"
#include "prepare/read/schema.h"

// How a file is to be read.
typedef struct hd_shape {
    const hd_format *format;  // NULL: guessed
    hd_cut cut;               // n == 0: guessed
    int header;               // 1, 0, or -1: guessed
    const char *const *names; // (n_names) of the columns, where there is no header
    size_t n_names;
    const char *encoding;      // NULL: guessed
    int kind;                  // hd_kind, or -1: guessed
    const hd_schema *schema;   // NULL: the kind's
    const hd_import_map *maps; // (n_maps) names that the schema doesn't know
    size_t n_maps;
    char list_sign;           // of lists in a text; 0: guessed
    const char *default_type; // of events that don't say theirs; NULL: guessed
    bool remembers;           // the preset uses the sink's memory
    // Instead of the schema's: looks at the filled struct and pushes records.
    heed_err (*finish)(hd_sink *sink, void *filled);
    // Instead of filling: makes records of the cells.
    heed_err (*convert)(hd_sink *sink, const hd_row *row);
} hd_shape;

// What a preset sees of a file.
typedef struct hd_preset_file {
    const char *name; // without folders, .gz and .zst; "stdin"
    hd_slice head;    // its first lines, in UTF-8
} hd_preset_file;

struct hd_preset {
    const char *name;
    hd_text doc;
    // The encoding that files of this name always have, or NULL.
    const char *(*encoding)(const char *file_name);
    heed_err (*shape)(const hd_preset_file *file, hd_shape *shape);
};

extern const hd_preset hd_preset_gorse, hd_preset_movielens, hd_preset_sequence, hd_preset_retail,
    hd_preset_segment, hd_preset_posthog, hd_preset_personalize;

// The preset of a name, or an error with what was probably meant.
heed_err hd_preset_find(const char *name, const hd_preset **out) HEED_CHECK;

#endif
