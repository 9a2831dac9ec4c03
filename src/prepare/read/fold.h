// SPDX-License-Identifier: Apache-2.0
//
// Names as they are compared: folded (NFKC, case) and without blanks, dots, dashes, slashes,
// underscores and brackets.
#ifndef HD_PREPARE_READ_FOLD_H
#define HD_PREPARE_READ_FOLD_H

#include "base/unicode.h"

heed_err hd_fold_name(hd_slice name, hd_str *out) HEED_CHECK; // replaces what stood in out

// The place of a folded name in a list separated by spaces, or SIZE_MAX.
size_t hd_name_rank(const char *names, const char *folded);

#endif
