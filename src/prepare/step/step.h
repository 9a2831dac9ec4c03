// SPDX-License-Identifier: Apache-2.0
//
// A cleaning or encoding step: one descriptor per kind beside its code, one row in
// prepare/step/steps.c. Fitting learns a few numbers and texts from a training table; applying
// needs nothing else, so that what was saved with a model does the same to any later table.
// Pipelines (prepare/pipeline.h) do the rest: parameters, columns, reports, JSON.
#ifndef HD_PREPARE_STEP_STEP_H
#define HD_PREPARE_STEP_STEP_H

#include "base/json.h"
#include "base/rng.h"
#include "base/table.h"

enum {
    HD_STEP_PARAMS = 4,
    HD_STEP_NUMBER = 1 << HD_COLUMN_F64,
    HD_STEP_TIME = 1 << HD_COLUMN_TIME,
    HD_STEP_CATEGORY = 1 << HD_COLUMN_CATEGORY,
    HD_STEP_ANY = HD_STEP_NUMBER | HD_STEP_TIME | HD_STEP_CATEGORY
};

typedef struct hd_step_param {
    const char *name;
    const char *initial;        // as one would write it; NULL: must be given
    double min, max;            // of a number; both 0: no bound
    bool whole;                 // a whole number
    bool text;                  // any text, not a number
    const char *const *choices; // NULL-terminated; NULL: not a choice
    hd_text doc;
} hd_step_param;

typedef struct hd_step_value {
    double number;    // of a choice: its index
    const char *text; // as given
} hd_step_value;

typedef struct hd_step_kind hd_step_kind;

// A fitted step. All of it belongs to its pipeline's arena.
typedef struct hd_step {
    const hd_step_kind *kind;
    const char **columns;  // (n_columns) that it reads
    hd_column_type *types; // (n_columns) of them
    size_t n_columns;
    hd_step_value params[HD_STEP_PARAMS]; // as in the kind's rows
    double *values;                       // (n_values) learned, finite
    size_t n_values;
    const char **texts; // (n_texts) learned
    size_t n_texts;
} hd_step;

// What a step is applied to.
typedef struct hd_step_target {
    hd_table *table;
    bool keep_rows; // at request time: a row to be dropped stays as it is
    json_t *report; // the step's own object; NULL: none wanted
} hd_step_target;

struct hd_step_kind {
    const char *name;
    hd_text doc;
    const hd_step_param *params;
    size_t n_params;
    bool whole;     // learns from all its columns together; else one step for each column
    unsigned types; // of columns that it takes (HD_STEP_…)
    // Learns step->values and texts (memory from the arena). NULL: there is nothing to learn.
    heed_err (*fit)(hd_step *step, const hd_table *table, uint64_t seed, hd_arena *arena);
    // Whether what was loaded can be applied without harm; false: HEED_CORRUPT. NULL: no values, no
    // texts.
    bool (*check)(const hd_step *step);
    // Changes the table. The columns exist and have their types.
    heed_err (*apply)(const hd_step *step, const hd_step_target *target);
};

extern const hd_step_kind *const hd_step_kinds[]; // NULL-terminated
const hd_step_kind *hd_step_kind_find(const char *name);

// ── For the kinds ──

hd_column *hd_step_column(const hd_step *step, const hd_step_target *target, size_t i);
heed_err hd_step_learn(hd_step *step, size_t n_values, size_t n_texts, hd_arena *arena) HEED_CHECK;
// Adds report[key] = count.
heed_err hd_step_count(const hd_step_target *target, const char *key, size_t count) HEED_CHECK;
// Drops the rows for which keep is false, unless rows are kept, and reports how many.
heed_err hd_step_keep(const hd_step_target *target, const bool *keep) HEED_CHECK;
// The i-th column's numbers that aren't missing, sorted when asked. Caller: hd_free.
heed_err hd_step_numbers(const hd_column *column, size_t n_rows, bool sorted, double **out,
                         size_t *n) HEED_CHECK;
// A column's categories that occur, by falling count, then by name. codes: into the dictionary;
// either output may be NULL. Caller: hd_free.
heed_err hd_step_categories(const hd_column *column, size_t n_rows, uint32_t **codes,
                            size_t **counts, size_t *n) HEED_CHECK;

// ── Statistics ──

double hd_mean(const double *values, size_t n);
// Of the population: the mean of squared distances from the mean.
double hd_variance(const double *values, size_t n, double mean);
// Of sorted values, n ≥ 1, by linear interpolation (type 7 of Hyndman and Fan, "Sample quantiles in
// statistical packages", 1996: what NumPy and R take by default).
double hd_quantile(const double *sorted, size_t n, double q);

#endif
