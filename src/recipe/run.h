// SPDX-License-Identifier: Apache-2.0
//
// A recipe from its rows to a folder:
//
//     model.safetensors | model.bin   what was learned: a network, or a classical model
//     part-1.safetensors, part-2.bin  the parts of a blend, in place of it
//     preparation.json                what makes samples of rows, and names of answers
//     recipe.json                     the recipe as it was in force
//     manifest.json                   what it is
//     report.json, report.html        how good it is, beside others
//     predictions.jsonl               what every model said of the test rows
//     runs/<model>/                   curves
//
// The folder is complete or absent.
#ifndef HD_RECIPE_RUN_H
#define HD_RECIPE_RUN_H

#include <stdatomic.h>

#include "recipe/recipe.h"

typedef struct hd_recipe_opts {
    const char *out;  // the folder that is made; one that holds an earlier run is replaced
    const char *data; // where files are that don't stand beside the recipe; NULL: nowhere else
    int64_t seed;     // −1: the recipe's
    int64_t seeds;    // 0: the recipe's
    size_t threads;   // 0: all processors
    size_t memory_limit;
    heed_lang lang;                                          // the report opens in it
    void (*progress)(void *ctx, hd_text what, double share); // share < 0: unknown; may be NULL
    void *ctx;
    const atomic_bool *stop; // may be NULL
    const char *version;     // stands in the manifest; NULL: none
} hd_recipe_opts;

// *report: as written, for json_decref. HEED_INPUT names the recipe's line or the row.
heed_err hd_recipe_run(const hd_recipe *recipe, const hd_recipe_opts *opts,
                       json_t **report) HEED_CHECK;

// What can be said without training: reads the data, fits the preparation, builds the networks.
// {name, task, rows{train, validation, test}, classes[], features, networks[{name, parameters}],
// compare[]}
heed_err hd_recipe_check(const hd_recipe *recipe, const hd_recipe_opts *opts,
                         json_t **out) HEED_CHECK;

#endif
