// SPDX-License-Identifier: Apache-2.0
//
// heed recommend: what a user may want next, and with --why the reasons. Over HTTP there are two
// more rows of it, for visitors who have no id: a session in the query, or, when it is long or
// isn't to stand in logs of addresses, in a body.
#include "workspace/recommend.h"

#include "api/answers.h"
#include "api/list.h"
#include "api/methods.h"

// `context` and `session` are one: the situation of asking is what was looked at just now.
static heed_err take_session(hd_call *call, hd_arena *arena, heed_recommend_params *params) {
    const char **session, **context, **both;
    size_t n_session, n_context;
    HD_TRY(hd_call_list(call, "session", arena, &session, &n_session));
    HD_TRY(hd_call_list(call, "context", arena, &context, &n_context));
    both = hd_arena_calloc(arena, n_session + n_context + 1, sizeof *both);
    if (!both) return HD_FAIL_MEMORY(0);
    for (size_t i = 0; i < n_session; i++) both[i] = session[i];
    for (size_t i = 0; i < n_context; i++) both[n_session + i] = context[i];
    params->session = both;
    params->n_session = n_session + n_context;
    return HEED_OK;
}

static bool wants_reasons(const hd_call *call) {
    return hd_call_bool(call, "why") || hd_call_bool(call, "explain");
}

static heed_err take_params(hd_call *call, hd_arena *arena, heed_recommend_params *params) {
    HD_TRY(hd_api_list_params(call, arena, params));
    HD_TRY(take_session(call, arena, params));
    if (hd_call_has(call, "exclude_seen"))
        params->exclude_seen = hd_call_bool(call, "exclude_seen");
    if (!wants_reasons(call)) params->reasons = 0;
    return HEED_OK;
}

static heed_err recommend_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    hd_arena arena;
    _Alignas(16) char few[2048]; // most questions have few words
    hd_arena_init_on(&arena, few, sizeof few);
    heed_recommend_params params = heed_recommend_default();
    heed_err err = HEED_OK;
    HD_TRY_OUT(take_params(call, &arena, &params));
    HD_TRY_OUT(hd_call_open(call, HEED_READ, "heed recommend", &ws));
    HD_TRY_OUT(hd_recommend(ws, hd_call_text(call, "user"), &params, result));
    HD_TRY_OUT(hd_json_set(*result, "why", json_boolean(wants_reasons(call))));
out:
    hd_call_close(call, ws);
    hd_arena_clear(&arena);
    return err;
}

static void add_reasons(const json_t *items, hd_str *out) {
    size_t i;
    json_t *item;
    const char *last = "";
    json_array_foreach(items, i, item) {
        const char *title = hd_json_text(item, "title");
        const char *why = hd_json_text(item, "why_text");
        if (strcmp(why, last) != 0) hd_str_addf(out, "\n  %s\n", why);
        last = why;
        hd_str_addf(out, "  %lld. %s: %s\n", (long long)hd_json_int(item, "rank"),
                    title[0] ? title : hd_json_text(item, "id"), hd_json_text(item, "reason"));
    }
}

static heed_err recommend_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    const json_t *items = json_object_get(result, "items");
    HD_TRY(hd_api_show_items(items, true,
                             hd_say(lang, "nothing is left to recommend\n", "没有可推荐的商品了\n"),
                             lang, width, out));
    if (json_is_true(json_object_get(result, "why"))) add_reasons(items, out);
    return hd_str_check(out);
}

static heed_err recommend_next(const json_t *result, heed_lang lang, hd_str *out) {
    const char *user = hd_json_text(result, "user");
    if (user[0] && !json_is_true(json_object_get(result, "why")))
        hd_str_addf(
            out,
            hd_say(lang, "why these: heed recommend %s --why", "为什么：heed recommend %s --why"),
            user);
    else if (user[0])
        hd_str_addf(out,
                    hd_say(lang, "what is known of them: heed profile %s",
                           "对该用户的了解：heed profile %s"),
                    user);
    return hd_str_check(out);
}

#define LIST_PARAMS                                                                                \
    {"n", HD_PARAM_INT, .min = 1, .max = 1000,                                                     \
     .doc = HD_TEXT("items wanted (default: the setting recommend.n)",                             \
                    "要几件（默认取设置 recommend.n）")},                                          \
        {"why", HD_PARAM_BOOL, .doc = HD_TEXT("give the reasons", "给出理由")},                    \
        {"session", HD_PARAM_TEXT, .many = true, .metavar = "ITEM",                                \
         .doc = HD_TEXT("an item just looked at, oldest first; the newest 1,000 count",            \
                        "刚浏览过的商品，从早到晚；最近 1,000 件有效")},                           \
        {"category", HD_PARAM_TEXT, .many = true,                                                  \
         .doc = HD_TEXT("only items of this category", "只要这一类别的商品")},                     \
        {"filter", HD_PARAM_TEXT, .many = true, .metavar = "CONDITION",                            \
         .doc = HD_TEXT("only items that meet it: brand=Sony, price<=100",                         \
                        "只要符合条件的商品：brand=Sony、price<=100")},                            \
        {"exclude", HD_PARAM_TEXT, .many = true, .metavar = "ITEM",                                \
         .doc = HD_TEXT("leave this item out", "不要这件商品")},                                   \
        {"exclude_seen", HD_PARAM_BOOL,                                                            \
         .doc = HD_TEXT("leave out what the user had already (--no-exclude-seen: don't)",          \
                        "不推荐用户已接触过的商品（--no-exclude-seen：照样推荐）")},               \
        {"cap_per_category", HD_PARAM_INT, .max = 1000,                                            \
         .doc = HD_TEXT("most items of one category; 0: no cap", "同一类别最多几件；0 表示不限")}, \
        {"with", HD_PARAM_CHOICE, .choice_at = hd_api_method_at, .metavar = "METHOD",              \
         .doc =                                                                                    \
             HD_TEXT("another trained method than the one in force", "改用另一种训练过的方法")},   \
        {"context",                                                                                \
         HD_PARAM_TEXT,                                                                            \
         .many = true,                                                                             \
         .metavar = "ITEM",                                                                        \
         .only = HD_ONLY_HTTP,                                                                     \
         .doc = HD_TEXT("the same as session", "与 session 相同")},                                \
    {                                                                                              \
        "explain", HD_PARAM_BOOL, .only = HD_ONLY_HTTP,                                            \
                                  .doc = HD_TEXT("the same as why", "与 why 相同")                 \
    }

static const hd_param recommend_params[] = {
    {"user", HD_PARAM_TEXT, .positional = true,
     .doc = HD_TEXT("the user's id, as imported", "用户 id，与导入时一致")},
    LIST_PARAMS,
};
static const hd_param session_params[] = {LIST_PARAMS};
static const hd_param body_params[] = {
    {"user", HD_PARAM_TEXT,
     .doc = HD_TEXT("the user's id; absent: a visitor known by the session alone",
                    "用户 id；省略表示只凭会话了解的访客")},
    LIST_PARAMS,
};

static const char recommend_schema[] =
    "{\"type\":\"object\",\"required\":[\"user\",\"version\",\"asked\",\"method\",\"why\",\"items\"],"
    "\"properties\":{\"user\":{\"type\":[\"string\",\"null\"]},\"version\":{\"type\":\"string\"},"
    "\"asked\":{\"type\":\"integer\"},\"method\":{\"type\":\"string\"},\"why\":{\"type\":\"boolean\"},"
    "\"items\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
    "\"required\":[\"rank\",\"id\",\"title\",\"score\",\"method\",\"why\"],\"properties\":{"
    "\"rank\":{\"type\":\"integer\",\"minimum\":1},\"id\":{\"type\":\"string\"},"
    "\"title\":{\"type\":\"string\"},\"score\":{\"type\":\"number\"},\"method\":{\"type\":\"string\"},"
    "\"why\":{\"enum\":[\"chosen\",\"no_history\",\"no_signal\",\"filled\",\"left_out\"]},"
    "\"why_text\":{\"type\":\"string\"},\"reason\":{\"type\":\"string\"},\"evidence\":{\"type\":\"array\","
    "\"items\":{\"type\":\"object\",\"required\":[\"event\",\"item\",\"title\",\"share\"],"
    "\"properties\":{\"event\":{\"type\":\"integer\"},\"item\":{\"type\":\"string\"},"
    "\"title\":{\"type\":\"string\"},\"share\":{\"type\":\"number\"},\"type\":{\"type\":\"string\"},"
    "\"time\":{\"type\":\"string\",\"format\":\"date-time\"}}}}}}}}}";

const hd_op hd_op_recommend = {
    .name = "recommend",
    .chapter = HD_CHAPTER_ANSWERS,
    .doc = HD_TEXT("recommend items to a user, with reasons", "为用户推荐商品并说明理由"),
    .detail = HD_TEXT("The user's events are read when asked: what was imported a moment ago "
                      "counts. Users without a history get what is popular, by what is known of "
                      "them.",
                      "请求时才读取用户的事件：刚导入的也算数。没有历史的用户会得到热门商品，"
                      "并参考已知的用户属性。"),
    .examples = (const char *const[]){"heed recommend u42 --why",
                                      "heed recommend u42 --n 5 --category shoes --filter "
                                      "'price<=100'",
                                      "heed recommend --session i7 --session i12", NULL},
    .method = "GET",
    .path = "/api/v1/recommend/{user}",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_QUICK,
    .purpose = "recommend",
    .schema = recommend_schema,
    .params = recommend_params,
    .n_params = sizeof recommend_params / sizeof recommend_params[0],
    .result_doc = "recommend",
    .run = recommend_run,
    .text = recommend_text,
    .next = recommend_next,
};

const hd_op hd_op_recommend_session = {
    .name = "recommend session",
    .chapter = HD_CHAPTER_ANSWERS,
    .only = HD_ONLY_HTTP,
    .doc = HD_TEXT("recommend items to a visitor, by what was just looked at",
                   "根据刚浏览过的商品为访客推荐"),
    .method = "GET",
    .path = "/api/v1/recommend",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_QUICK,
    .schema = recommend_schema,
    .params = session_params,
    .n_params = sizeof session_params / sizeof session_params[0],
    .result_doc = "recommend",
    .run = recommend_run,
    .text = recommend_text,
};

const hd_op hd_op_recommend_body = {
    .name = "recommend body",
    .chapter = HD_CHAPTER_ANSWERS,
    .only = HD_ONLY_HTTP,
    .doc =
        HD_TEXT("recommend with the question in a body: long sessions, ids kept out of addresses",
                "把请求放在正文里的推荐：会话较长，或 id 不宜出现在网址中"),
    .method = "POST",
    .path = "/api/v1/recommend",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ, // a session may be long: not on the thread that others wait for
    .purpose = "recommend",
    .schema = recommend_schema,
    .params = body_params,
    .n_params = sizeof body_params / sizeof body_params[0],
    .result_doc = "recommend",
    .run = recommend_run,
    .text = recommend_text,
};
