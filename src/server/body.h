// SPDX-License-Identifier: Apache-2.0
//
// A request's body while it arrives: in memory, or, once it is larger than a threshold, in a file.
#ifndef HD_SERVER_BODY_H
#define HD_SERVER_BODY_H

#include "base/str.h"

typedef struct hd_body {
    size_t limit;       // bytes
    size_t memory;      // more than this goes to a file
    const char *folder; // where the file stands; borrowed; NULL: memory alone
    size_t size;        // bytes so far
    hd_str text;        // those in memory
    char *path;         // of the file; NULL: none
    int fd;
} hd_body;

void hd_body_init(hd_body *body);
void hd_body_clear(hd_body *body);
// Empty again, for the next request; a file nobody took is removed.
void hd_body_reset(hd_body *body);
// The caller saw to the limit.
heed_err hd_body_add(hd_body *body, const char *bytes, size_t n) HEED_CHECK;
// The file's path, the caller's to free and its file to remove; NULL: none.
char *hd_body_take(hd_body *body);

// Removes files that a process which died left in the folder.
heed_err hd_body_sweep(const char *folder) HEED_CHECK;

#endif
