// SPDX-License-Identifier: Apache-2.0
//
// Names of the record kinds: one list (HD_KIND_LIST), so that enum, names and texts stay in step.
#include "base/record.h"

static const char *const kind_names[HD_KINDS] = {
#define KIND_NAME(name, text, en, zh) [HD_KIND_##name] = (text),
    HD_KIND_LIST(KIND_NAME)
#undef KIND_NAME
};

static const hd_text kind_texts[HD_KINDS] = {
#define KIND_TEXT(name, text, en, zh) [HD_KIND_##name] = HD_TEXT(en, zh),
    HD_KIND_LIST(KIND_TEXT)
#undef KIND_TEXT
};

const char *hd_kind_name(hd_kind kind) {
    return kind_names[kind];
}

hd_text hd_kind_text(hd_kind kind) {
    return kind_texts[kind];
}

bool hd_kind_find(hd_slice name, hd_kind *out) {
    for (int i = 0; i < HD_KINDS; i++) {
        if (hd_slice_eq(name, kind_names[i])) {
            *out = (hd_kind)i;
            return true;
        }
    }
    return false;
}
