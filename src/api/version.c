// SPDX-License-Identifier: Apache-2.0
//
// Which heed this is, and what it was built with: what a bug report needs.
#include <sqlite3.h>

#include "api/call.h"
#include "api/list.h"

static heed_err version_run(hd_call *call, json_t **result) {
    (void)call;
    return hd_json_pack(result, "{s:s, s:s, s:s}", "version", heed_version(), "sqlite",
                        sqlite3_libversion(), "jansson", JANSSON_VERSION);
}

static heed_err version_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)lang, (void)width;
    hd_str_addf(out, "heed %s\n", hd_json_text(result, "version"));
    return hd_str_check(out);
}

const hd_op hd_op_version = {
    .name = "version",
    .chapter = HD_CHAPTER_SELF,
    .doc = HD_TEXT("print heed's version", "显示 heed 的版本"),
    .method = "GET",
    .path = "/api/v1/version",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_NONE,
    .result_doc = "version",
    .run = version_run,
    .text = version_text,
};
