// SPDX-License-Identifier: Apache-2.0
//
// heed config show, set, unset: the settings in force and where each comes from; changes in
// heed.yaml. A server changes the same file for whoever has the scope, and opens its handles anew.
#include "workspace/auditing.h"
#include "workspace/config.h"

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
    .detail =
        HD_TEXT("A value comes from --setting or another flag, else from a variable HEED_*, else "
                "from heed.yaml, else it is the default.",
                "值依次取自 --setting 或其他选项、环境变量 HEED_*、heed.yaml，最后是默认值。"),
    .examples = (const char *const[]){"heed config show --origin", NULL},
    .method = "GET",
    .path = "/api/v1/settings",
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_ANY,
    .params = config_params,
    .n_params = sizeof config_params / sizeof config_params[0],
    .result_doc = "config",
    .run = config_run,
    .text = config_text,
};

// ── Changing ──

static heed_err need_folder(const hd_call *call) {
    if (call->workspace) return HEED_OK;
    return HD_FAIL(HEED_NOT_FOUND,
                   "there is no workspace here; 'heed init' makes one, --workspace names one",
                   "这里没有工作区；可用“heed init”创建，或用 --workspace 指定");
}

typedef struct changing {
    hd_call *call;
    const json_t *changes;
    size_t recorded; // of them, in their order
} changing;

// Which settings are changed, by whom; values may say too much. heed.yaml is no part of a
// transaction: the entries come first, and what can't be recorded isn't done. So no change is
// without an entry; an entry says that one was begun. Where there is no data or no key yet there is
// no log either.
static heed_err record(void *ctx) {
    changing *c = ctx;
    heed_workspace *ws = NULL;
    const char *name;
    json_t *value;
    heed_err err = HEED_OK;
    if (hd_call_open(c->call, HEED_READ, "heed config", &ws) != HEED_OK) return HEED_OK;
    json_object_foreach((json_t *)(uintptr_t)c->changes, name, value) {
        if (err != HEED_OK || !hd_audit_can_add(ws->audit)) break;
        err = hd_workspace_record(ws, &(hd_audit_entry){.what = HD_AUDIT_SETTINGS, .object = name});
        c->recorded += err == HEED_OK;
    }
    hd_call_close(c->call, ws);
    return err;
}

// What was recorded and then not done has a second entry that says how it ended.
static heed_err record_failure(const changing *c, heed_err err) {
    hd_error failure;
    heed_workspace *ws = NULL;
    const char *name;
    json_t *value;
    size_t left = c->recorded;
    if (err == HEED_OK || left == 0) return err;
    hd_error_get(&failure);
    if (hd_call_open(c->call, HEED_READ, "heed config", &ws) == HEED_OK) {
        json_object_foreach((json_t *)(uintptr_t)c->changes, name, value) {
            if (left-- == 0) break;
            hd_workspace_record_gladly(
                ws, &(hd_audit_entry){.what = HD_AUDIT_SETTINGS, .object = name, .outcome = err});
        }
        hd_call_close(c->call, ws);
    }
    return hd_error_restore(&failure);
}

// {"changed": ["recommend.n"]}
static heed_err change(hd_call *call, const json_t *changes, bool running, json_t **result) {
    changing c = {call, changes, 0};
    json_t *names = json_array();
    const char *name;
    json_t *value;
    heed_err err = names ? need_folder(call) : HD_FAIL_MEMORY(0);
    if (err == HEED_OK) err = hd_json_pack(result, "{s:O}", "changed", names);
    json_object_foreach((json_t *)(uintptr_t)changes, name, value) if (err == HEED_OK) err =
        hd_json_append(names, json_string(name));
    if (err == HEED_OK) err = hd_config_change(call->workspace, changes, running, record, &c);
    err = record_failure(&c, err);
    if (err != HEED_OK) hd_json_drop(result);
    json_decref(names);
    return err;
}

static heed_err change_one(hd_call *call, json_t *value, json_t **result) {
    json_t *changes = NULL;
    HD_TRY(hd_json_pack(&changes, "{s:o}", hd_call_text(call, "key"), value));
    heed_err err = change(call, changes, false, result);
    json_decref(changes);
    return err;
}

static heed_err set_run(hd_call *call, json_t **result) {
    json_t *value = json_string(hd_call_text(call, "value"));
    return value ? change_one(call, value, result) : HD_FAIL_MEMORY(0);
}

static heed_err unset_run(hd_call *call, json_t **result) {
    return change_one(call, json_null(), result);
}

static heed_err patch_run(hd_call *call, json_t **result) {
    const json_t *changes = json_object_get(call->params, "changes");
    if (!json_is_object(changes) || json_object_size(changes) == 0)
        return HD_FAIL(HEED_USAGE, "changes: give an object of settings and their new values",
                       "changes：请给出由设置及其新值组成的对象");
    HD_TRY(change(call, changes, true, result));
    call->settings_changed = true;
    return HEED_OK;
}

static heed_err change_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    size_t i;
    json_t *name;
    (void)width;
    json_array_foreach(json_object_get(result, "changed"), i, name) hd_str_addf(
        out, hd_say(lang, "heed.yaml: %s\n", "heed.yaml：%s\n"), json_string_value(name));
    return hd_str_check(out);
}

static heed_err change_next(const json_t *result, heed_lang lang, hd_str *out) {
    (void)result;
    hd_str_add(out, hd_say(lang,
                           "next: a server that runs reads it when told (kill -HUP) or at its next "
                           "start",
                           "下一步：运行中的服务器收到 SIGHUP 或下次启动时读取"));
    return hd_str_check(out);
}

static const hd_param set_params[] = {
    {"key", HD_PARAM_TEXT, .positional = true, .required = true,
     .doc = HD_TEXT("the setting", "设置项")},
    {"value", HD_PARAM_TEXT, .positional = true, .required = true,
     .doc = HD_TEXT("its value, as --setting takes it", "值，写法与 --setting 相同")},
};

static const hd_param patch_params[] = {
    {"changes", HD_PARAM_JSON, .required = true, .body = true,
     .schema = "{\"type\":\"object\",\"minProperties\":1,\"additionalProperties\":{\"type\":["
               "\"string\",\"number\",\"boolean\",\"object\",\"null\"]}}",
     .doc = HD_TEXT("settings and their new values; null: the default again",
                    "设置及其新值；null 表示恢复默认")},
};

const hd_op hd_op_config_set = {
    .name = "config set",
    .chapter = HD_CHAPTER_CARE,
    .only = HD_ONLY_CLI,
    .doc = HD_TEXT("change a setting in heed.yaml", "修改 heed.yaml 中的设置"),
    .detail = HD_TEXT("Changes that one line: comments and order stay. A wrong name or value is "
                      "refused.",
                      "只改那一行：注释和顺序不变。名称或值有误则拒绝。"),
    .examples = (const char *const[]){"heed config set recommend.n 20",
                                      "heed config set recommend.signals view=1,cart=4", NULL},
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_NEVER,
    .params = set_params,
    .n_params = 2,
    .result_doc = "config",
    .run = set_run,
    .text = change_text,
    .next = change_next,
};

const hd_op hd_op_config_unset = {
    .name = "config unset",
    .chapter = HD_CHAPTER_CARE,
    .only = HD_ONLY_CLI,
    .doc = HD_TEXT("take a setting out of heed.yaml: the default holds again",
                   "从 heed.yaml 中删去设置：恢复默认值"),
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_NEVER,
    .params = set_params,
    .n_params = 1,
    .result_doc = "config",
    .run = unset_run,
    .text = change_text,
    .next = change_next,
};

const hd_op hd_op_config_change = {
    .name = "config change",
    .chapter = HD_CHAPTER_CARE,
    .only = HD_ONLY_HTTP,
    .doc = HD_TEXT("change settings while the server runs", "在服务器运行时修改设置"),
    .method = "PATCH",
    .path = "/api/v1/settings",
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_ALONE,
    .schema = "{\"type\":\"object\",\"properties\":{\"changed\":{\"type\":\"array\",\"items\":{"
              "\"type\":\"string\"}}},\"required\":[\"changed\"]}",
    .params = patch_params,
    .n_params = 1,
    .result_doc = "config",
    .run = patch_run,
    .text = change_text,
};
