// SPDX-License-Identifier: Apache-2.0
//
// The kinds of input, one to a file: what the list in inputs.c names.
#ifndef HD_RECIPE_INPUTS_H
#define HD_RECIPE_INPUTS_H

#include "recipe/input.h"
#include "text/encoder.h"

extern const hd_input_kind hd_input_table;
extern const hd_input_kind hd_input_text, hd_input_characters;
// What turns a text into ids and back, of a fitted `characters`. Borrowed.
const hd_encoder *hd_input_characters_encoder(const void *fitted);

extern const hd_input_kind hd_input_images, hd_input_idx;

#endif
