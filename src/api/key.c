// SPDX-License-Identifier: Apache-2.0
//
// heed key create, list, revoke: API keys. The text of a key is in the result of its making and
// nowhere else.
#include "api/call.h"
#include "api/list.h"
#include "api/show.h"
#include "api/when.h"
#include "workspace/access.h"

static const char *const scope_choices[] = {"read", "write", "admin", "personal", "all", NULL};

enum { EXPIRES = 2 };
static const hd_param create_params[] = {
    {"name", HD_PARAM_TEXT, .required = true,
     .doc = HD_TEXT("what the key is for, for people", "密钥的用途，供人识别")},
    {"scope", HD_PARAM_CHOICE, .required = true, .many = true, .choices = scope_choices,
     .metavar = "NAME",
     .doc = HD_TEXT("what it may do: read, write, admin, personal, or all",
                    "允许做什么：read、write、admin、personal 或 all")},
    [EXPIRES] = {"expires", HD_PARAM_TEXT, .metavar = "WHEN",
                 .doc = HD_TEXT("a date, or a span from now: 90d, 12h, 4w (default: never)",
                                "到期日期，或从现在起的时长：90d、12h、4w（默认永不到期）")},
    {"rate", HD_PARAM_FLOAT, .max = 1e6,
     .doc = HD_TEXT("requests a second (default: the setting serve.rate)",
                    "每秒请求数（默认取设置 serve.rate）")},
    {"burst", HD_PARAM_FLOAT, .max = 1e6,
     .doc = HD_TEXT("requests that may come at once (default: those of a second)",
                    "允许同时到达的请求数（默认为一秒的量）")},
    {"quota_requests", HD_PARAM_INT, .max = 9007199254740991.0,
     .doc = HD_TEXT("requests a day (UTC); 0: no quota", "每天（UTC）的请求数；0 表示不限")},
    {"quota_events", HD_PARAM_INT, .max = 9007199254740991.0,
     .doc = HD_TEXT("events posted a day; 0: no quota", "每天写入的事件数；0 表示不限")},
    {"quota_tokens", HD_PARAM_INT, .max = 9007199254740991.0,
     .doc = HD_TEXT("tokens of language models a day; 0: no quota",
                    "每天的语言模型词元数；0 表示不限")},
};

static heed_err scopes_of(const hd_call *call, unsigned *out) {
    hd_arena arena;
    hd_arena_init(&arena);
    const char **names = NULL;
    size_t n = 0;
    *out = 0;
    heed_err err = hd_call_list(call, "scope", &arena, &names, &n);
    for (size_t i = 0; err == HEED_OK && i < n; i++) {
        unsigned scopes = 0;
        err = hd_scopes_parse(names[i], &scopes);
        *out |= scopes;
    }
    hd_arena_clear(&arena);
    return err;
}

// Nobody hands out more than they have: an admin key without personal data can't make one with.
static heed_err may_grant(const hd_call *call, unsigned scopes) {
    char buf[HD_SCOPES_TEXT];
    unsigned beyond = call->caller.name ? scopes & ~call->caller.scopes : 0;
    if (beyond == 0) return HEED_OK;
    return HD_FAIL(HEED_DENIED, "a key can't give what it doesn't have itself: %s",
                   "密钥不能授予自身没有的权限范围：%s", hd_scopes_text(beyond, buf));
}

static double float_of(const hd_call *call, const char *name) {
    const json_t *value = json_object_get(call->params, name);
    return json_is_number(value) ? json_number_value(value) : 0;
}

static heed_err params_of(const hd_call *call, hd_key_params *out) {
    *out = (hd_key_params){
        .name = hd_call_text(call, "name"),
        .quota = {.requests = hd_call_int(call, "quota_requests", 0),
                  .events = hd_call_int(call, "quota_events", 0),
                  .tokens = hd_call_int(call, "quota_tokens", 0)},
        .rate = {.per_second = float_of(call, "rate"), .burst = float_of(call, "burst")},
    };
    HD_TRY(scopes_of(call, &out->scopes));
    HD_TRY(may_grant(call, out->scopes));
    return hd_call_when(call, &create_params[EXPIRES], HD_WHEN_AHEAD, &out->expires);
}

static heed_err create_result(heed_workspace *ws, const hd_made_key *made, json_t **result) {
    json_t *key = NULL;
    HD_TRY(hd_workspace_key_json(ws, made->id, &key));
    heed_err err = hd_json_set(key, "key", json_string(made->text));
    if (err != HEED_OK)
        json_decref(key);
    else
        *result = key;
    return err;
}

static heed_err create_run(hd_call *call, json_t **result) {
    hd_key_params params;
    HD_TRY(params_of(call, &params));
    heed_workspace *ws = NULL;
    hd_made_key made;
    HD_TRY(hd_call_open(call, HEED_WRITE, "heed key create", &ws));
    heed_err err = hd_workspace_key_make(ws, &params, &made);
    if (err == HEED_OK) err = create_result(ws, &made, result);
    hd_made_key_clear(&made);
    hd_call_close(call, ws);
    return err;
}

static heed_err create_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)width;
    hd_str_addf(out,
                hd_say(lang, "%s\n\nthis is key '%s', shown this once: keep it now\n",
                       "%s\n\n这是密钥“%s”，只显示这一次：请立即保存\n"),
                hd_json_text(result, "key"), hd_json_text(result, "id"));
    return hd_str_check(out);
}

const hd_op hd_op_key_create = {
    .name = "key create",
    .chapter = HD_CHAPTER_CARE,
    .doc = HD_TEXT("make an API key and show it once", "创建 API 密钥并显示一次"),
    .detail = HD_TEXT("A key belongs to this workspace. Only a hash of it is stored: when it is "
                      "lost, make another one and revoke it. Over HTTP a key can't make one that "
                      "may do more than itself.",
                      "密钥属于这个工作区。只保存它的哈希值：遗失后请另建一个并吊销它。"
                      "通过 HTTP 创建的密钥，权限不会超过创建者自身。"),
    .examples =
        (const char *const[]){
            "heed key create --name web --scope read,write --rate 50",
            "heed key create --name export --scope personal --expires 90d --quota-requests 1000",
            NULL},
    .method = "POST",
    .path = "/api/v1/keys",
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_ALONE, // whose keys a server then reads anew
    .status = 201,
    .params = create_params,
    .n_params = sizeof create_params / sizeof create_params[0],
    .result_doc = "key",
    .run = create_run,
    .text = create_text,
};

// ── List ──

static heed_err list_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_READ, "heed key list", &ws));
    heed_err err = hd_workspace_keys(ws, result);
    hd_call_close(call, ws);
    return err;
}

static const char *state_shown(const json_t *key, heed_lang lang) {
    static const struct {
        const char *state;
        hd_text text;
    } states[] = {
        {"active", HD_TEXT("in force", "有效")},
        {"expired", HD_TEXT("expired", "已过期")},
        {"revoked", HD_TEXT("revoked", "已吊销")},
    };
    const char *state = hd_json_text(key, "state");
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        if (strcmp(states[i].state, state) == 0) return hd_text_get(states[i].text, lang);
    return state;
}

static const char *scopes_shown(const json_t *key, hd_arena *arena) {
    char *text = hd_arena_strdup(arena, "");
    size_t i;
    json_t *scope;
    json_array_foreach(json_object_get(key, "scopes"), i, scope) {
        if (text)
            text = hd_arena_printf(arena, "%s%s%s", text, i ? "," : "", json_string_value(scope));
    }
    return text;
}

static const char *day_shown(const json_t *key, const char *name, hd_arena *arena) {
    const char *time = hd_json_text(key, name);
    return time[0] ? hd_arena_strndup(arena, time, strlen(time) < 10 ? strlen(time) : 10) : "–";
}

static heed_err list_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    hd_grid grid;
    hd_grid_init(&grid, "lllllll");
    hd_grid_head(&grid, hd_say(lang, "id", "编号"), hd_say(lang, "name", "名称"),
                 hd_say(lang, "scopes", "权限范围"), hd_say(lang, "made", "创建"),
                 hd_say(lang, "expires", "到期"), hd_say(lang, "last used", "最近使用"),
                 hd_say(lang, "state", "状态"));
    size_t i;
    json_t *key;
    json_array_foreach(json_object_get(result, "keys"), i, key) {
        hd_grid_row(&grid, hd_json_text(key, "id"), hd_json_text(key, "name"),
                    scopes_shown(key, &grid.arena), day_shown(key, "created", &grid.arena),
                    day_shown(key, "expires", &grid.arena),
                    day_shown(key, "last_used", &grid.arena), state_shown(key, lang));
    }
    heed_err err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    return err;
}

const hd_op hd_op_key_list = {
    .name = "key list",
    .chapter = HD_CHAPTER_CARE,
    .doc = HD_TEXT("list the API keys", "列出 API 密钥"),
    .detail = HD_TEXT("Revoked and expired keys are listed too. A key's last use is known to the "
                      "day.",
                      "已吊销和已过期的密钥也会列出。最近使用时间精确到天。"),
    .method = "GET",
    .path = "/api/v1/keys",
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ,
    .result_doc = "key",
    .run = list_run,
    .text = list_text,
};

// ── Revoke ──

static heed_err revoke_run(hd_call *call, json_t **result) {
    const char *id = hd_call_text(call, "id");
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_WRITE, "heed key revoke", &ws));
    heed_err err = hd_workspace_key_revoke(ws, id);
    if (err == HEED_OK) err = hd_workspace_key_json(ws, id, result);
    hd_call_close(call, ws);
    return err;
}

static heed_err revoke_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)width;
    hd_str_addf(out, hd_say(lang, "key '%s' (%s) is revoked\n", "密钥“%s”（%s）已吊销\n"),
                hd_json_text(result, "id"), hd_json_text(result, "name"));
    return hd_str_check(out);
}

static const hd_param revoke_params[] = {
    {"id", HD_PARAM_TEXT, .positional = true, .required = true,
     .doc = HD_TEXT("the key's id: the first part of it, after 'heed_'",
                    "密钥的编号：即“heed_”后面的第一段")},
};

const hd_op hd_op_key_revoke = {
    .name = "key revoke",
    .chapter = HD_CHAPTER_CARE,
    .doc = HD_TEXT("revoke an API key for good", "永久吊销 API 密钥"),
    .detail = HD_TEXT("A running server refuses it from its next request on. It can't be taken "
                      "back; its id is never used again.",
                      "正在运行的服务器从下一个请求起拒绝它。无法撤回；其编号不会再次使用。"),
    .examples = (const char *const[]){"heed key revoke k3ydx2aq", NULL},
    .method = "DELETE",
    .path = "/api/v1/keys/{id}",
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_ALONE, // whose keys a server then reads anew
    .params = revoke_params,
    .n_params = sizeof revoke_params / sizeof revoke_params[0],
    .result_doc = "key",
    .run = revoke_run,
    .text = revoke_text,
};
