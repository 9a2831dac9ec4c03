// SPDX-License-Identifier: Apache-2.0
//
// The kinds of input, one to a file: what the list in inputs.c names.
#ifndef HD_RECIPE_INPUTS_H
#define HD_RECIPE_INPUTS_H

#include "recipe/input.h"
#include "text/encoder.h"

extern const hd_input_kind hd_input_table, hd_input_series;
extern const hd_input_kind hd_input_text, hd_input_characters;
// What turns a text into ids and back, of a fitted `characters`. Borrowed.
const hd_encoder *hd_input_characters_encoder(const void *fitted);
// The rows as one row of ids. Caller: hd_free.
heed_err hd_input_characters_ids(const void *fitted, const hd_rows *from, int32_t **ids,
                                 size_t *n) HEED_CHECK;

extern const hd_input_kind hd_input_images, hd_input_idx;

#endif
