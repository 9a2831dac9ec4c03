// SPDX-License-Identifier: Apache-2.0
//
// heed config show: the settings in force and where each comes from.
#include "api/call.h"
#include "api/list.h"
#include "api/show.h"

static heed_err add_setting(hd_settings *settings, size_t i, heed_lang lang, json_t *list,
                            bool *more) {
    const hd_setting *row;
    hd_origin origin;
    const char *place;
    hd_str value;
    hd_str_init(&value);
    *more = hd_settings_at(settings, i, &row, &value, &origin, &place);
    heed_err err = HEED_OK;
    if (*more) {
        json_t *entry = NULL;
        err = hd_str_check(&value);
        if (err == HEED_OK)
            err = hd_json_pack(&entry, "{s:s, s:s, s:s, s:s, s:s, s:s}", "name", row->name, "value",
                               hd_str_get(&value), "default", row->initial, "origin",
                               hd_origin_name(origin), "place", place, "doc",
                               hd_text_get(row->doc, lang));
        if (err == HEED_OK) err = hd_json_append(list, entry);
    }
    hd_str_clear(&value);
    return err;
}

static heed_err config_run(hd_call *call, json_t **result) {
    json_t *list = json_array();
    if (!list) return HD_FAIL_MEMORY(0);
    bool more = true;
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && more; i++)
        err = add_setting(call->settings, i, call->lang, list, &more);
    if (err == HEED_OK)
        err = hd_json_pack(result, "{s:b, s:O}", "origins", hd_call_bool(call, "origin"),
                           "settings", list);
    json_decref(list);
    return err;
}

static heed_err config_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    bool origins = json_is_true(json_object_get(result, "origins"));
    hd_grid grid;
    hd_grid_init(&grid, origins ? "llll" : "ll");
    if (origins)
        hd_grid_head(&grid, hd_say(lang, "setting", "设置"), hd_say(lang, "value", "值"),
                     hd_say(lang, "origin", "来源"), hd_say(lang, "place", "位置"));
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(result, "settings"), i, row) {
        if (origins) {
            hd_grid_row(&grid, hd_json_text(row, "name"), hd_json_text(row, "value"),
                        hd_json_text(row, "origin"), hd_json_text(row, "place"));
        } else {
            hd_grid_row(&grid, hd_json_text(row, "name"), hd_json_text(row, "value"));
        }
    }
    heed_err err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    return err;
}

static const hd_param config_params[] = {
    {"origin", HD_PARAM_BOOL,
     .doc = HD_TEXT("say where each value comes from", "说明每个值的来源")},
};

const hd_op hd_op_config_show = {
    .name = "config show",
    .chapter = HD_CHAPTER_CARE,
    .doc = HD_TEXT("show the settings in force", "显示生效的设置"),
    .detail = HD_TEXT("A value comes from --set or another flag, else from a variable HEED_*, else "
                      "from heed.yaml, else it is the default.",
                      "值依次取自 --set 或其他选项、环境变量 HEED_*、heed.yaml，最后是默认值。"),
    .examples = (const char *const[]){"heed config show --origin", NULL},
    .method = "GET",
    .path = "/api/v1/config",
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_ANY,
    .params = config_params,
    .n_params = sizeof config_params / sizeof config_params[0],
    .result_doc = "config",
    .run = config_run,
    .text = config_text,
};
