// SPDX-License-Identifier: Apache-2.0
//
// Files beside the database that may speak of a person: rows that imports refused, jobs.
#ifndef HD_WORKSPACE_PURGE_H
#define HD_WORKSPACE_PURGE_H

#include <stddef.h>

#include "base/error.h"

// Takes the lines that hold one of the ids, as a word of its own, out of rejects/, and removes jobs
// that have ended and name one. ids: (n).
heed_err hd_purge(const char *folder, const char *const *ids, size_t n) HEED_CHECK;

#endif
