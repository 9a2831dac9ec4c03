// SPDX-License-Identifier: Apache-2.0
//
// Guesses from the first lines: JSON lines or CSV, cut at which sign, with a header or without.
#ifndef HD_PREPARE_READ_SNIFF_H
#define HD_PREPARE_READ_SNIFF_H

#include "prepare/preset/preset.h"

// Completes what the shape leaves open. `delimiter`: the user's word, or NULL. A file that can't be
// read line by line (a JSON document) fails, and says what to do.
heed_err hd_sniff_format(const char *name, hd_slice head, bool whole, const char *delimiter,
                         hd_shape *shape) HEED_CHECK;

// Whether a first row reads as names of columns.
bool hd_sniff_header(const hd_row *row);

#endif
