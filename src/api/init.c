// SPDX-License-Identifier: Apache-2.0
//
// heed init: a new workspace.
#include "api/call.h"
#include "api/list.h"

static heed_err init_run(hd_call *call, json_t **result) {
    const char *folder = hd_call_text(call, "folder");
    HD_TRY(heed_workspace_init(folder, call->lang));
    return hd_json_pack(result, "{s:s}", "folder", folder);
}

static heed_err init_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)width;
    hd_str_addf(out, hd_say(lang, "made a workspace in %s\n", "已在 %s 创建工作区\n"),
                hd_json_text(result, "folder"));
    return hd_str_check(out);
}

static heed_err init_next(const json_t *result, heed_lang lang, hd_str *out) {
    const char *folder = hd_json_text(result, "folder");
    hd_str_add(out, hd_say(lang, "next: ", "下一步："));
    if (strcmp(folder, ".") != 0) hd_str_addf(out, "cd %s && ", folder);
    hd_str_add(out, "heed import users.csv items.csv events.csv");
    return hd_str_check(out);
}

static const hd_param init_params[] = {
    {"folder", HD_PARAM_TEXT, .positional = true, .initial = ".", .file = true,
     .doc = HD_TEXT("the folder; made when missing", "文件夹；不存在则创建")},
};

const hd_op hd_op_init = {
    .name = "init",
    .chapter = HD_CHAPTER_START,
    .doc = HD_TEXT("make a workspace", "创建工作区"),
    .detail = HD_TEXT("A workspace is one company's data, settings and models in one folder. The "
                      "new one gets a heed.yaml that shows every setting at its default.",
                      "一个工作区就是一家公司的数据、设置和模型，都在一个文件夹里。"
                      "新工作区的 heed.yaml 列出每一项设置及其默认值。"),
    .examples = (const char *const[]){"heed init shop", NULL},
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_NONE,
    .run_as = HD_RUN_NEVER,
    .params = init_params,
    .n_params = sizeof init_params / sizeof init_params[0],
    .result_doc = "init",
    .run = init_run,
    .text = init_text,
    .next = init_next,
};
