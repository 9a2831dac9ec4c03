// SPDX-License-Identifier: Apache-2.0
//
// Purposes and what each may read. One row a purpose: the same table as in door.h. Whether the
// persons concerned agreed to a purpose is another question (consent.c).
#include "privacy/own.h"

static const struct {
    const char *name;
    hd_text text;
} purposes[HD_PURPOSES] = {
#define PURPOSE_ROW(id, word, en, zh) [HD_PURPOSE_##id] = {word, HD_TEXT(en, zh)},
    HD_PURPOSE_LIST(PURPOSE_ROW)
#undef PURPOSE_ROW
};

enum {
    ONE = HD_MAY_IDS | HD_MAY_ATTRIBUTES | HD_MAY_PERSON | HD_MAY_TEXTS,
    ALL = ONE | HD_MAY_WHOLE
};

static const unsigned may[HD_PURPOSES] = {
    [HD_PURPOSE_RECOMMEND] = ALL & ~HD_MAY_TEXTS,
    [HD_PURPOSE_PROFILE] = ALL,
    [HD_PURPOSE_NEED] = ALL,
    [HD_PURPOSE_ASSIST] = ONE,
    [HD_PURPOSE_TRAIN] = HD_MAY_ATTRIBUTES | HD_MAY_TEXTS | HD_MAY_WHOLE,
    [HD_PURPOSE_SUPPORT] = ONE,
    [HD_PURPOSE_EXPERIMENT] = HD_MAY_IDS | HD_MAY_PERSON | HD_MAY_WHOLE,
    [HD_PURPOSE_RIGHTS] = ONE,
    [HD_PURPOSE_CARE] = HD_MAY_WHOLE,
};

static hd_text may_text(hd_may what) {
    if (what == HD_MAY_IDS) return (hd_text)HD_TEXT("users' ids", "用户 id");
    if (what == HD_MAY_ATTRIBUTES) return (hd_text)HD_TEXT("users' attributes", "用户属性");
    if (what == HD_MAY_PERSON) return (hd_text)HD_TEXT("one user's records", "单个用户的记录");
    if (what == HD_MAY_TEXTS) return (hd_text)HD_TEXT("what users wrote", "用户所写的内容");
    return (hd_text)HD_TEXT("all users' records", "全部用户的记录");
}

const char *hd_purpose_name(hd_purpose purpose) {
    return (unsigned)purpose < HD_PURPOSES ? purposes[purpose].name : "?";
}

bool hd_purpose_may(hd_purpose purpose, hd_may what) {
    return (unsigned)purpose < HD_PURPOSES && (may[purpose] & (unsigned)what) != 0;
}

heed_err hd_purpose_check(hd_purpose purpose, hd_may what) {
    if (hd_purpose_may(purpose, what)) return HEED_OK;
    hd_text text = may_text(what);
    return HD_FAIL(HEED_DENIED,
                   "the purpose '%s' does not cover reading %s%.0s; state the purpose that it is "
                   "read for",
                   "用途“%s”不包括读取%.0s%s；请说明读取的实际用途", hd_purpose_name(purpose),
                   text.en, text.zh);
}
