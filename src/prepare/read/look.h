// SPDX-License-Identifier: Apache-2.0
//
// Looking at the first rows of a file before they are read for good.
#ifndef HD_PREPARE_READ_LOOK_H
#define HD_PREPARE_READ_LOOK_H

#include "prepare/read/reader.h"
#include "prepare/read/schema.h"

typedef struct hd_look { // where the reader stood
    size_t begin;
    uint64_t line;
} hd_look;
hd_look hd_look_begin(hd_reader *reader);
void hd_look_end(hd_reader *reader, hd_look at);

// A bad row where nothing works without it: its reason as the error.
heed_err hd_look_fail(const char *file, const hd_import_row *row, uint64_t line) HEED_CHECK;

// Finds the members of the first JSON lines; fails when there is none that can be read.
heed_err hd_look_members(hd_reader *reader, const char *file) HEED_CHECK;

// Settles the formats of time (or takes `time_format`) and which columns hold numbers, and says so
// in the guess. A file without any row fails, as does one of events whose times can't be read.
heed_err hd_look_values(hd_reader *reader, const char *file, const hd_schema *schema,
                        const char *time_format, hd_import_guess *guess) HEED_CHECK;

#endif
