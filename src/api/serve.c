// SPDX-License-Identifier: Apache-2.0
//
// heed serve: the row alone; the transport that serves hands itself in with the call.
#include "api/serve.h"

#include <sodium.h>

#include "api/call.h"
#include "api/list.h"
#include "workspace/access.h"

static heed_err serve_run(hd_call *call, json_t **result) {
    const char *listen = hd_call_text(call, "listen");
    if (listen) HD_TRY(hd_settings_set_flag(call->settings, "serve.listen", listen));
    if (!call->workspace && !hd_call_text(call, "workspaces"))
        return HD_FAIL(HEED_NOT_FOUND,
                       "there is no workspace here; 'heed init' makes one, --workspace names one",
                       "这里没有工作区；可用“heed init”创建，或用 --workspace 指定");
    if (!call->serve)
        return HD_FAIL(HEED_UNAVAILABLE, "this program has no server in it", "此程序不含服务器");
    return call->serve(call, result);
}

static heed_err serve_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)width;
    hd_str_addf(out, hd_say(lang, "answered %lld requests\n", "共应答 %lld 个请求\n"),
                (long long)hd_json_int(result, "requests"));
    return hd_str_check(out);
}

// ── What the start says ──

static void note(hd_call *call, const char *en, const char *zh, const char *value) {
    hd_str text[2];
    hd_str_init(&text[HEED_EN]);
    hd_str_init(&text[HEED_ZH]);
    hd_str_addf(&text[HEED_EN], en, value);
    hd_str_addf(&text[HEED_ZH], zh, value);
    if (!text[HEED_EN].failed && !text[HEED_ZH].failed)
        hd_call_note(call, hd_str_get(&text[HEED_EN]), hd_str_get(&text[HEED_ZH]));
    hd_str_clear(&text[HEED_EN]);
    hd_str_clear(&text[HEED_ZH]);
}

// ── The first key ──

typedef struct first_key {
    hd_call *call;
    hd_host *host;
    const char *url;
} first_key;

static void show_key(const first_key *first, const char *key) {
    hd_str curl;
    hd_str_init(&curl);
    hd_str_addf(&curl, "curl -H 'Authorization: Bearer %s' '%s/api/v1/models'", key, first->url);
    note(first->call, "admin key, shown this once: %s", "管理员密钥（仅显示这一次）：%s", key);
    if (!curl.failed) note(first->call, "try: %s", "试一试：%s", hd_str_get(&curl));
    if (curl.data) sodium_memzero(curl.data, curl.len);
    hd_str_clear(&curl);
}

// A first key is made where somebody reads it; else nobody would ever know it.
static heed_err tell_key(void *ctx, heed_workspace *ws) {
    const first_key *first = ctx;
    hd_made_key key;
    bool made = false;
    if (first->call->terminal) HD_TRY(hd_access_first(ws, &key, &made));
    if (!made) {
        note(first->call, "keys for clients: %s", "为客户端创建密钥：%s", "heed key create");
        return HEED_OK;
    }
    show_key(first, key.text);
    hd_made_key_clear(&key);
    return hd_host_keys_changed(first->host, ws);
}

heed_err hd_serve_tell(hd_call *call, hd_host *host, const char *url) {
    first_key first = {call, host, url};
    note(call, "serving at %s (interrupt ends it)", "正在提供服务：%s（中断即可结束）", url);
    if (!hd_host_guard(host)) return HEED_OK;
    return hd_host_do(host, HD_TASK_ALONE, tell_key, &first);
}

static const hd_param serve_params[] = {
    {"listen", HD_PARAM_TEXT, .metavar = "ADDRESS:PORT",
     .doc = HD_TEXT("where to listen (default: the setting serve.listen)",
                    "监听地址（默认取设置 serve.listen）")},
    {"workspaces", HD_PARAM_TEXT, .metavar = "DIR", .file = true,
     .doc = HD_TEXT("serve every workspace in this folder", "为此文件夹中的所有工作区提供服务")},
};

const hd_op hd_op_serve = {
    .name = "serve",
    .chapter = HD_CHAPTER_ANSWERS,
    .doc = HD_TEXT("serve the workspace over HTTP", "通过 HTTP 提供工作区的服务"),
    .detail = HD_TEXT(
        "Answers at /api/v1, describes itself at /openapi.json. Clients need a key: on a terminal, "
        "the first start makes one and shows it once; 'heed key create' makes more. While it runs, "
        "other commands on the workspace go through it. SIGTERM ends it: what was begun is "
        "finished. SIGHUP reads certificates and settings again.",
        "在 /api/v1 应答，在 /openapi.json "
        "描述接口。客户端需要密钥：在终端首次启动时会生成一个并只显示一次，更多的用“heed key "
        "create”创建。运行期间，对该工作区的其他命令会通过服务器执行。SIGTERM "
        "结束服务（已开始的请求会完成），SIGHUP 重新读取证书和设置。"),
    .examples = (const char *const[]){"heed serve", "heed serve --listen 0.0.0.0:8443",
                                      "heed serve --workspaces /var/lib/heed", NULL},
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_ANY,
    .run_as = HD_RUN_NEVER,
    .params = serve_params,
    .n_params = sizeof serve_params / sizeof serve_params[0],
    .result_doc = "serve",
    .run = serve_run,
    .text = serve_text,
};
