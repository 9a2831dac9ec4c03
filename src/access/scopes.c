// SPDX-License-Identifier: Apache-2.0
//
// Scopes as words: "read,write".
#include <stdio.h>

#include "access/access.h"

static const char *const names[] = {
#define SCOPE_TEXT(name, bit, text) [bit] = (text),
    HD_ACCESS_SCOPE_LIST(SCOPE_TEXT)
#undef SCOPE_TEXT
};
enum { SCOPES = sizeof names / sizeof names[0] };

const char *hd_scope_name(unsigned bit) {
    for (unsigned i = 0; i < SCOPES; i++)
        if (bit == 1u << i) return names[i];
    return NULL;
}

static heed_err add_word(hd_slice word, unsigned *scopes) {
    if (hd_slice_eq(word, "all")) {
        *scopes |= HD_ACCESS_ALL;
        return HEED_OK;
    }
    for (unsigned i = 0; i < SCOPES; i++) {
        if (!hd_slice_eq(word, names[i])) continue;
        *scopes |= 1u << i;
        return HEED_OK;
    }
    return HD_FAIL(
        HEED_USAGE, "there is no scope '%.*s': a key may have read, write, admin, personal, or all",
        "没有权限范围“%.*s”：可用 read、write、admin、personal 或 all", (int)word.n, word.p);
}

heed_err hd_scopes_parse(const char *text, unsigned *out) {
    unsigned scopes = 0;
    for (const char *at = text; *at;) {
        size_t n = strcspn(at, ",");
        HD_TRY(add_word(hd_slice_trim((hd_slice){at, n}), &scopes));
        at += n + (at[n] == ',');
    }
    if (scopes == 0)
        return HD_FAIL(HEED_USAGE, "a key needs a scope: read, write, admin, personal, or all",
                       "密钥至少需要一个权限范围：read、write、admin、personal 或 all");
    *out = scopes;
    return HEED_OK;
}

const char *hd_scopes_text(unsigned scopes, char buf[HD_SCOPES_TEXT]) {
    size_t len = 0;
    buf[0] = '\0';
    for (unsigned i = 0; i < SCOPES; i++) {
        if (!(scopes & 1u << i)) continue;
        len += (size_t)snprintf(buf + len, HD_SCOPES_TEXT - len, "%s%s", len ? "," : "", names[i]);
    }
    return buf;
}
