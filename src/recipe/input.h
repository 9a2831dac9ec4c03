// SPDX-License-Identifier: Apache-2.0
//
// Kinds of input: what a recipe's `data:` names. A kind reads raw rows, learns a preparation from
// the training rows (`prepare:`), and makes samples of any rows with it. The same hd_input_apply
// makes training data and serving data.
//
//     data:
//       table: {train: iris.csv, target: species}
//
// A kind is a descriptor in its file (input_x.c) and a row in inputs.c.
#ifndef HD_RECIPE_INPUT_H
#define HD_RECIPE_INPUT_H

#include "base/matrix.h"
#include "base/option.h"
#include "nn/data.h"
#include "recipe/rows.h"

typedef enum hd_part { HD_PART_TRAIN, HD_PART_VALIDATION, HD_PART_TEST, HD_PARTS } hd_part;

// Options that every kind takes: which files, and how rows are written in them. Kinds that don't
// read files of rows ignore what doesn't concern them.
typedef struct hd_input_common {
    const json_t *files[HD_PARTS]; // `train:`, `validation:`, `test:`: a name or a list of names
    const json_t *unlabelled;      // `unlabelled:`, the same: rows whose class nobody said
    const json_t *target;          // a column's name or a list of names
    const json_t *columns;         // names, for files without a header
    const json_t *missing;         // cells that say nothing: ["?", "NA"]
    const json_t *drop;            // columns that are left out
    const json_t *rename;          // of classes: {">50K.": ">50K"}
    const char *until;             // a class's name ends before this sign: "DESC:manner" is "DESC"
    const char *delimiter;         // "tab", "line", or the sign
    const char *made;              // a generator's name (recipe/made.h) in place of files
    int64_t rows;                  // at most so many of each file; of a generator: how many. 0: all
    double noise;                  // of a generator
} hd_input_common;

// What a kind reads with.
typedef struct hd_input_env hd_input_env;
struct hd_input_env {
    const hd_input_common *common;
    hd_where where; // data.<kind>, for messages
    uint64_t seed;
    hd_arena *arena;
    // A file or folder as it is named in the recipe: beside the recipe's file, else in the data
    // folder. HEED_NOT_FOUND names both places. *out: in the arena.
    heed_err (*find)(const hd_input_env *env, const char *name, const char **out);
    void *ctx;
};

// Rows by part; a part without rows isn't there and is split off the training rows.
typedef struct hd_input_parts {
    hd_rows rows[HD_PARTS];
    hd_rows unlabelled; // of `unlabelled:`; belong to no part
} hd_input_parts;
void hd_input_parts_init(hd_input_parts *parts);
void hd_input_parts_clear(hd_input_parts *parts);
// A text or a list of texts, in the arena; NULL: none.
heed_err hd_input_texts(const json_t *value, const hd_where *where, hd_arena *arena,
                        const char *const **out, size_t *n) HEED_CHECK;
// How the recipe says that files of rows are written.
heed_err hd_input_format(const hd_input_env *env, hd_rows_format *out) HEED_CHECK;
// Reads `train:`, `validation:`, `test:` and `unlabelled:` (or what `made:` makes) as files of
// rows.
heed_err hd_input_read(const hd_input_env *env, hd_input_parts *out) HEED_CHECK;

// What a kind learns from.
typedef struct hd_input_fit {
    const hd_rows *rows; // training rows
    const hd_rows *more; // rows without a label that it may learn from too; NULL: none
    const void *options; // the kind's own, of `data:`
    const hd_input_common *common;
    const json_t *prepare;  // `prepare:`, NULL: none
    const json_t *features; // `features:`, NULL: none: what classical models see
    hd_where prepare_where, features_where;
    const char *const *hidden; // (n_hidden) columns that aren't input: targets, dropped ones
    size_t n_hidden;
    const int32_t *labels; // (rows->n) of the training rows, NULL: none
    uint64_t seed;
} hd_input_fit;

// A column that the recipe names at `path` ("data.text.text"), which stands in the message where
// the rows have none.
heed_err hd_input_need(const hd_input_fit *in, const char *path, const char *name,
                       hd_rows_column **out) HEED_CHECK;

enum {
    HD_WANT_INPUTS = 1,
    HD_WANT_FEATURES = 2,
    HD_WANT_TARGETS = 4,
    HD_WANT_APART = 8 // of a long text: windows side by side, whatever the training's stride
};

// Samples made of rows: what is asked for is filled.
typedef struct hd_samples {
    size_t n;
    // INPUTS: fields in memory for a network, "x" first, a "length" behind it where there is one;
    // owned. Or all of them by a source of its own (targets too, where the kind makes them).
    int n_inputs;
    hd_data_column inputs[HD_FIELDS - 1];
    hd_data *data;
    // FEATURES: (n, m), for classical models.
    hd_matrix features;
    // TARGETS, of kinds that make them themselves (a series' next values): (n, k). Owned.
    float *targets;
    size_t k;
    size_t block; // samples that overlap, so that intervals draw them together; 0, 1: none do
    size_t *row;  // (n) the row that a sample stands for; NULL: sample i is row first + i. Owned.
} hd_samples;
void hd_input_samples_clear(hd_samples *samples);

// Samples whose targets are the next values of what they saw.
typedef struct hd_input_forecast {
    // The series that a sample is of; NULL: of all at once.
    const char *(*name)(const void *fitted, size_t sample);
    // What target i is called.
    void (*step)(const void *fitted, size_t i, char out[128]);
    // Values of a sample's targets, (k): from the scale that models learn on back to the file's.
    void (*restore)(const void *fitted, size_t sample, float *values, size_t k);
    size_t (*width)(const void *fitted); // series in a sample, whose targets take turns
    // What came before a sample's targets, which begin at row, of its first series: adds its
    // "name", "history", and "times", the first and last moment of history and targets, where the
    // rows have such a column.
    heed_err (*before)(const void *fitted, const hd_rows *rows, size_t sample, size_t row,
                       json_t *out);
    // What errors are measured in: {en, zh}; two NULLs: in what the file has.
    hd_text (*unit)(const void *fitted);
} hd_input_forecast;

typedef struct hd_input_kind {
    hd_spec_kind kind;
    // A row is a moment: parts are cut in order, and see the rows before them as history.
    bool ordered;
    // The kind makes its targets (samples.targets, or in samples.data); else they are the target
    // column's.
    bool own_targets;
    const char *label; // the target column where the recipe names none; NULL: it must
    // The column that holds images: rows may name files there. NULL: there is none.
    const char *(*image)(const void *fitted);
    // Reads raw rows. NULL: hd_input_read.
    heed_err (*open)(const void *options, const hd_input_env *env, hd_input_parts *out);
    heed_err (*fit)(const hd_input_fit *in, void **out);
    // Rows that are asked about, as they were read: brought to the form that `open` gives. NULL:
    // they have it.
    heed_err (*arrange)(const void *fitted, hd_rows *rows);
    // fitted is immutable: many threads may apply it. What a cell can't be turned into names its
    // place (hd_rows_place).
    heed_err (*apply)(const void *fitted, const hd_rows *rows, unsigned wanted, hd_samples *out);
    heed_err (*to_json)(const void *fitted, json_t **out);
    // Checks what it loads: HEED_CORRUPT. name: stands in messages.
    heed_err (*from_json)(const json_t *json, const char *name, void **out);
    void (*free)(void *fitted);
    // A sample for a reader's eyes, and the row that it stands for: {"text": …}, {"fields": {…}} or
    // {"image": "data:image/png;…"}.
    heed_err (*show)(const void *fitted, const hd_rows *rows, size_t sample, size_t row,
                     json_t **out);
    // What follows is of kinds that forecast what the input itself will be; NULL for all others.
    const struct hd_input_forecast *forecast;
    // Wraps training data with the recipe's `augment:` list; takes `data`, also when it fails.
    // env: finds files that the list names.
    // NULL: the kind knows none.
    heed_err (*augment)(const void *fitted, const json_t *list, const hd_where *where,
                        const hd_input_env *env, hd_data *data, hd_data **out);
} hd_input_kind;

extern const hd_spec_kinds hd_input_kinds;
const hd_input_kind *hd_input_kind_find(const char *name); // NULL: none

#endif
