// SPDX-License-Identifier: Apache-2.0
//
// Files that the made-up shop is written to: rows gather in a buffer and go out in pieces, plain or
// as gzip; all files are put in place together at the end, so a broken run leaves nothing
// half-written.
#ifndef HD_WORKSPACE_DEMO_FILES_H
#define HD_WORKSPACE_DEMO_FILES_H

#include <stdbool.h>

#include "base/fs.h"
#include "base/str.h"

typedef struct hd_demo_gzip hd_demo_gzip;
typedef struct hd_demo_out {
    hd_file *file;
    hd_demo_gzip *gzip; // NULL: plain
    hd_str row;         // what the caller appends to; hd_demo_out_flush sends it on
} hd_demo_out;

heed_err hd_demo_out_open(hd_demo_out *out, const char *path, bool gzip) HEED_CHECK;
// Sends the buffer on once it is large, or in any case when `all`.
heed_err hd_demo_out_flush(hd_demo_out *out, bool all) HEED_CHECK;
heed_err hd_demo_out_commit(hd_demo_out *out) HEED_CHECK;
void hd_demo_out_abort(hd_demo_out *out); // after a commit: nothing to do

// Appends a CSV field: quoted where a comma, a quote or a line break stands in it.
void hd_demo_csv(hd_str *row, const char *text, bool last);

#endif
