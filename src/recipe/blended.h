// SPDX-License-Identifier: Apache-2.0
//
// A model made of others: each scores the samples, measure/blend.h weighs what they say. Its parts
// are without calibration: the blend's sharpness stands for it.
#ifndef HD_RECIPE_BLENDED_H
#define HD_RECIPE_BLENDED_H

#include "measure/blend.h"
#include "recipe/fit.h"

typedef struct hd_blended {
    hd_blend blend;
    hd_scorer parts[HD_RECIPE_MODELS]; // (blend.m)
    char *names[HD_RECIPE_MODELS];
    bool own; // the parts' models
} hd_blended;
// Without parts yet; it will own them.
heed_err hd_blended_new(const hd_target *target, hd_blended **out) HEED_CHECK;
void hd_blended_equal(hd_blended *blended); // all its parts weigh the same
void hd_blended_free(hd_blended *blended);  // NULL is fine
unsigned hd_blended_wants(const hd_blended *blended);

typedef struct hd_blend_part {
    const char *name;
    const hd_fitted *fitted; // borrowed as long as the blend lives
} hd_blend_part;
// Learns the weights on the validation samples.
heed_err hd_fit_blend(const hd_prepared *prepared, const hd_blend_part *parts, size_t n,
                      size_t threads, hd_fitted *out) HEED_CHECK;
// The weights as they are, over the same parts trained on more rows.
void hd_refit_blend(const hd_blend_part *parts, hd_fitted *blend);

// {"sharp": 1.2, "parts": [{"name", "weight", "file", "reading"?}, …]}; the files hold the parts
// that weigh anything. A part that is a network of several members has its own "sharp" and "parts"
// in place of a file.
heed_err hd_blended_json(const hd_blended *blended, json_t **out) HEED_CHECK;
heed_err hd_blended_write(const hd_blended *blended, const char *folder) HEED_CHECK;
// Checks all it reads: HEED_CORRUPT. name: of the JSON's file.
heed_err hd_blended_read(const json_t *json, const char *name, const char *folder,
                         const hd_target *target, hd_blended **out) HEED_CHECK;

#endif
