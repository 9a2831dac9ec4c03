// SPDX-License-Identifier: Apache-2.0
#include "text/saved.h"

heed_err hd_saved_check(const json_t *json, const char *format, int version, const char *name) {
    const char *found = json_string_value(json_object_get(json, "format"));
    if (!found || strcmp(found, format) != 0) {
        return HD_FAIL(HEED_CORRUPT, "%1$s: no '%2$s' stands here", "%1$s：此处不是“%2$s”", name,
                       format);
    }
    if (json_integer_value(json_object_get(json, "version")) > version) {
        return HD_FAIL(HEED_VERSION, "%s was written by a newer heed", "%s 由更新版本的 heed 写成",
                       name);
    }
    return HEED_OK;
}

heed_err hd_saved_damaged(heed_err err) {
    hd_error error;
    if (err != HEED_INPUT) return err;
    hd_error_get(&error);
    error.code = HEED_CORRUPT;
    return hd_error_restore(&error);
}
