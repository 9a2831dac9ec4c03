// SPDX-License-Identifier: Apache-2.0
//
// Preparation that is learned once and then does the same to every later table: a list of steps,
// fitted on a training table, saved as JSON beside the model, loaded, applied.
//
//     [{"step": "fill_median", "columns": ["age"]},
//      {"step": "outlier_iqr", "columns": ["age"], "k": 3, "action": "clip"},
//      {"step": "one_hot", "except": ["label"]}]
//
// A step without "columns" takes all columns of a type it knows, but for those in "except". The
// kinds and their parameters stand in prepare/step/steps.c. A fitted pipeline is immutable: many
// threads may apply it, each to a table of its own.
#ifndef HD_PREPARE_PIPELINE_H
#define HD_PREPARE_PIPELINE_H

#include "base/json.h"
#include "base/table.h"

typedef struct hd_pipeline hd_pipeline;

// Fits each step on the table as the steps before left it, and applies it: at the end the table is
// prepared. steps: an array as above (borrowed). report: an array that gets an object per fitted
// step, {"step", "column"?, …what was found and done}; or NULL. When it fails, the table is half
// done: clear it.
heed_err hd_pipeline_fit(const json_t *steps, uint64_t seed, hd_table *table, json_t *report,
                         hd_pipeline **out) HEED_CHECK;
// The same to another table. keep_rows: no row is dropped (at request time an answer is owed for
// each). A column that training had and this table lacks is HEED_INPUT.
heed_err hd_pipeline_apply(const hd_pipeline *pipeline, hd_table *table, bool keep_rows,
                           json_t *report) HEED_CHECK;
void hd_pipeline_free(hd_pipeline *pipeline);
size_t hd_pipeline_count(const hd_pipeline *pipeline); // fitted steps

// To and from JSON, doubles exact. `name` stands in messages. What isn't sound is HEED_CORRUPT,
// what a newer heed wrote HEED_VERSION.
heed_err hd_pipeline_json(const hd_pipeline *pipeline, json_t **out) HEED_CHECK;
heed_err hd_pipeline_from_json(const json_t *json, const char *name, hd_pipeline **out) HEED_CHECK;
heed_err hd_pipeline_save(const hd_pipeline *pipeline, const char *path) HEED_CHECK;
heed_err hd_pipeline_load(const char *path, hd_pipeline **out) HEED_CHECK;

#endif
