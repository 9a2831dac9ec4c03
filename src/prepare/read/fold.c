// SPDX-License-Identifier: Apache-2.0
//
// One way to compare names for columns, event types and file names.
#include "prepare/read/fold.h"

heed_err hd_fold_name(hd_slice name, hd_str *out) {
    hd_str_reset(out);
    HD_TRY(hd_unicode_fold(name.p, name.n, out));
    HD_TRY(hd_str_check(out));
    size_t n = 0;
    for (size_t i = 0; i < out->len; i++) {
        if (!strchr(" \t\r\n._-/:()[]{}\"'#*", out->data[i])) out->data[n++] = out->data[i];
    }
    if (out->data) out->data[n] = 0;
    out->len = n;
    return HEED_OK;
}

size_t hd_name_rank(const char *names, const char *folded) {
    size_t n = strlen(folded);
    size_t rank = 0;
    while (*names) {
        const char *end = strchr(names, ' ');
        size_t len = end ? (size_t)(end - names) : strlen(names);
        if (n > 0 && len == n && memcmp(names, folded, n) == 0) return rank;
        rank++;
        names += len + (end != NULL);
    }
    return SIZE_MAX;
}
