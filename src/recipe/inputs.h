// SPDX-License-Identifier: Apache-2.0
//
// The kinds of input, one to a file: what the list in inputs.c names.
#ifndef HD_RECIPE_INPUTS_H
#define HD_RECIPE_INPUTS_H

#include "recipe/input.h"

extern const hd_input_kind hd_input_table;

#endif
