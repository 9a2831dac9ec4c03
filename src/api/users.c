// SPDX-License-Identifier: Apache-2.0
//
// heed users merge: two ids of one person.
#include "api/call.h"
#include "api/list.h"

static heed_err need_yes(hd_call *call) {
    if (hd_call_bool(call, "yes")) return HEED_OK;
    const hd_text question = HD_TEXT("join the two for good?", "确定要永久合并这两个用户吗？");
    if (call->confirm && call->confirm(call->ctx, question)) return HEED_OK;
    return HD_FAIL(HEED_USAGE, "joining users can't be taken back; say --yes to do it",
                   "合并用户无法撤销；确认请加 --yes");
}

static heed_err merge_run(hd_call *call, json_t **result) {
    const char *from = hd_call_text(call, "from");
    const char *into = hd_call_text(call, "into");
    HD_TRY(need_yes(call));
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_WRITE, "heed users merge", &ws));
    heed_err err = heed_users_merge(ws, from, into);
    hd_call_close(call, ws);
    HD_TRY(err);
    return hd_json_pack(result, "{s:s, s:s}", "from", from, "into", into);
}

static heed_err merge_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)width;
    hd_str_addf(out,
                hd_say(lang, "'%s' is now another id of '%s'\n", "“%s”现在是“%s”的另一个 id\n"),
                hd_json_text(result, "from"), hd_json_text(result, "into"));
    return hd_str_check(out);
}

static const hd_param merge_params[] = {
    {"from", HD_PARAM_TEXT, .positional = true, .required = true,
     .doc = HD_TEXT("the id that joins", "要并入的 id")},
    {"into", HD_PARAM_TEXT, .positional = true, .required = true,
     .doc = HD_TEXT("the id that stays", "保留的 id")},
    {"yes", HD_PARAM_BOOL, .doc = HD_TEXT("don't ask", "不再询问")},
};

const hd_op hd_op_users_merge = {
    .name = "users merge",
    .chapter = HD_CHAPTER_DATA,
    .doc = HD_TEXT("join two ids of one person", "合并同一个人的两个 id"),
    .detail = HD_TEXT("Events, reviews and tickets of both stand under one user from then on. It "
                      "can't be taken back.",
                      "此后两者的事件、评论和工单都归于同一个用户。无法撤销。"),
    .examples = (const char *const[]){"heed users merge app-17 web-4711 --yes", NULL},
    .method = "POST",
    .path = "/api/v1/users/{into}/merge",
    .scope = HD_SCOPE_PERSONAL,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_WRITE,
    .params = merge_params,
    .n_params = sizeof merge_params / sizeof merge_params[0],
    .result_doc = "users",
    .run = merge_run,
    .text = merge_text,
};
