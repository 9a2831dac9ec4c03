// SPDX-License-Identifier: Apache-2.0
//
// What is predicted: classes, or numbers. Learned from the training rows' target columns and kept
// with the model, so that answers carry names and units.
#ifndef HD_RECIPE_TARGET_H
#define HD_RECIPE_TARGET_H

#include "recipe/recipe.h"

typedef struct hd_target {
    hd_recipe_task task;
    size_t k;             // classes, or outputs
    const char **names;   // (k) of classes in order, or of outputs
    const char **columns; // (n_columns) that it is read from; none where the input makes targets
    size_t n_columns;
    const json_t *rename; // owned
    const char *until;
    bool scaled;
    double *mean, *deviation; // (k) of values, where they are scaled
    hd_map by_name;
    hd_arena arena;
} hd_target;

void hd_target_init(hd_target *target);
void hd_target_clear(hd_target *target);
// HEED_INPUT: the column isn't there, a cell is missing or no number, there is one class only.
heed_err hd_target_fit(const hd_recipe *recipe, const hd_rows *rows, hd_target *out) HEED_CHECK;
// For inputs that make their targets: k numbers that are called so; fitted goes to `name`. NULL: by
// their numbers, from 1.
heed_err hd_target_fit_own(const hd_recipe *recipe, size_t k,
                           void (*name)(const void *fitted, size_t i, char out[128]),
                           const void *fitted, hd_target *out) HEED_CHECK;

// The truth of rows first … n − 1: labels (n) of classes, or values (n, k), in the target's own
// units. *out: for hd_free.
heed_err hd_target_labels(const hd_target *target, const hd_rows *rows, int32_t **out) HEED_CHECK;
heed_err hd_target_values(const hd_target *target, const hd_rows *rows, float **out) HEED_CHECK;
// (n, k) between the target's units and what a network is trained on, in place.
void hd_target_scale(const hd_target *target, float *values, size_t n);
void hd_target_unscale(const hd_target *target, float *values, size_t n);

heed_err hd_target_json(const hd_target *target, json_t **out) HEED_CHECK;
heed_err hd_target_from_json(const json_t *json, const char *name, hd_target *out) HEED_CHECK;

#endif
