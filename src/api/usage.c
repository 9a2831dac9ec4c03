// SPDX-License-Identifier: Apache-2.0
//
// heed usage: what each API key used per day.
#include "api/call.h"
#include "api/list.h"
#include "api/show.h"
#include "api/when.h"
#include "workspace/access.h"

enum { SINCE };
static const hd_param usage_params[] = {
    [SINCE] = {"since", HD_PARAM_TEXT, .metavar = "WHEN",
               .doc = HD_TEXT("days from then on: a date, or 30d (default: all)",
                              "从何时起：日期，或 30d（默认全部）")},
    {"key", HD_PARAM_TEXT, .metavar = "ID",
     .doc = HD_TEXT("of one key (default: all)", "只看某个密钥（默认全部）")},
};

static heed_err usage_run(hd_call *call, json_t **result) {
    hd_time since;
    HD_TRY(hd_call_when(call, &usage_params[SINCE], HD_WHEN_AGO, &since));
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_READ, "heed usage", &ws));
    heed_err err = hd_workspace_usage(ws, since, hd_call_text(call, "key"), result);
    hd_call_close(call, ws);
    return err;
}

static void add_row(hd_grid *grid, const char *day, const char *key, const json_t *count) {
    hd_grid_row(grid, day, key, hd_show_int(&grid->arena, hd_json_int(count, "requests")),
                hd_show_int(&grid->arena, hd_json_int(count, "events")),
                hd_show_int(&grid->arena, hd_json_int(count, "tokens")),
                hd_show_int(&grid->arena, hd_json_int(count, "refused")));
}

static heed_err usage_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    const json_t *rows = json_object_get(result, "usage");
    if (json_array_size(rows) == 0) {
        hd_str_add(out, hd_say(lang, "nothing was used yet\n", "尚无使用记录\n"));
        return hd_str_check(out);
    }
    hd_grid grid;
    hd_grid_init(&grid, "llrrrr");
    hd_grid_head(&grid, hd_say(lang, "day (UTC)", "日期（UTC）"), hd_say(lang, "key", "密钥"),
                 hd_say(lang, "requests", "请求"), hd_say(lang, "events", "事件"),
                 hd_say(lang, "tokens", "词元"), hd_say(lang, "refused", "拒绝"));
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) {
        const char *key = hd_json_text(row, "key");
        add_row(&grid, hd_json_text(row, "day"), key[0] ? key : hd_say(lang, "(none)", "（无）"),
                row);
    }
    add_row(&grid, "", hd_say(lang, "all", "合计"), json_object_get(result, "total"));
    heed_err err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    return err;
}

const hd_op hd_op_usage = {
    .name = "usage",
    .chapter = HD_CHAPTER_CARE,
    .doc = HD_TEXT("what each API key used per day", "各 API 密钥每天的用量"),
    .detail = HD_TEXT("Requests let in, events posted, tokens generated, and requests turned away, "
                      "per key and day (UTC). A running server writes them every few seconds.",
                      "按密钥和日期（UTC）统计：通过的请求、写入的事件、生成的词元和被拒绝的请求。"
                      "正在运行的服务器每隔几秒写入一次。"),
    .examples = (const char *const[]){"heed usage --since 30d", NULL},
    .method = "GET",
    .path = "/api/v1/usage",
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ,
    .params = usage_params,
    .n_params = sizeof usage_params / sizeof usage_params[0],
    .result_doc = "usage",
    .run = usage_run,
    .text = usage_text,
};
