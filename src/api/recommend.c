// SPDX-License-Identifier: Apache-2.0
//
// heed recommend: what a user may want next, and with --why the reasons.
#include "workspace/recommend.h"

#include "api/call.h"
#include "api/list.h"
#include "api/methods.h"
#include "api/show.h"

static heed_err take_params(hd_call *call, hd_arena *arena, heed_recommend_params *params) {
    const char **session;
    const char **categories;
    const char **filters;
    const char **exclude;
    HD_TRY(hd_call_list(call, "session", arena, &session, &params->n_session));
    HD_TRY(hd_call_list(call, "category", arena, &categories, &params->n_categories));
    HD_TRY(hd_call_list(call, "filter", arena, &filters, &params->n_filters));
    HD_TRY(hd_call_list(call, "exclude", arena, &exclude, &params->n_exclude));
    params->session = session;
    params->categories = categories;
    params->filters = filters;
    params->exclude = exclude;
    params->n = (size_t)hd_call_int(call, "n", 0);
    params->method = hd_call_text(call, "with");
    if (hd_call_has(call, "exclude_seen"))
        params->exclude_seen = hd_call_bool(call, "exclude_seen");
    params->cap_per_category = (int)hd_call_int(call, "cap_per_category", -1);
    params->lang = call->lang;
    if (!hd_call_bool(call, "why")) params->reasons = 0;
    return HEED_OK;
}

static heed_err recommend_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    hd_arena arena;
    hd_arena_init(&arena);
    heed_recommend_params params = heed_recommend_default();
    heed_err err = HEED_OK;
    HD_TRY_OUT(take_params(call, &arena, &params));
    HD_TRY_OUT(hd_call_open(call, HEED_READ, "heed recommend", &ws));
    HD_TRY_OUT(hd_recommend(ws, hd_call_text(call, "user"), &params, result));
    HD_TRY_OUT(hd_json_set(*result, "why", json_boolean(hd_call_bool(call, "why"))));
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
    hd_grid grid;
    hd_grid_init(&grid, "rllrl");
    hd_grid_head(&grid, "", hd_say(lang, "item", "商品"), hd_say(lang, "title", "名称"),
                 hd_say(lang, "score", "得分"), hd_say(lang, "method", "方法"));
    size_t i;
    json_t *item;
    const json_t *items = json_object_get(result, "items");
    json_array_foreach(items, i, item) {
        hd_grid_row(&grid, hd_show_int(&grid.arena, hd_json_int(item, "rank")),
                    hd_json_text(item, "id"), hd_json_text(item, "title"),
                    hd_show_real(&grid.arena, hd_json_num(item, "score")),
                    hd_json_text(item, "method"));
    }
    heed_err err = HEED_OK;
    if (json_array_size(items) == 0)
        hd_str_add(out, hd_say(lang, "nothing is left to recommend\n", "没有可推荐的商品了\n"));
    else
        err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    if (json_is_true(json_object_get(result, "why"))) add_reasons(items, out);
    return err ? err : hd_str_check(out);
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

static const hd_param recommend_params[] = {
    {"user", HD_PARAM_TEXT, .positional = true,
     .doc = HD_TEXT("the user's id, as imported", "用户 id，与导入时一致")},
    {"n", HD_PARAM_INT, .min = 1, .max = 1000,
     .doc = HD_TEXT("items wanted (default: the setting recommend.n)",
                    "要几件（默认取设置 recommend.n）")},
    {"why", HD_PARAM_BOOL, .doc = HD_TEXT("give the reasons", "给出理由")},
    {"session", HD_PARAM_TEXT, .many = true, .metavar = "ITEM",
     .doc = HD_TEXT("an item just looked at, oldest first", "刚浏览过的商品，从早到晚")},
    {"category", HD_PARAM_TEXT, .many = true,
     .doc = HD_TEXT("only items of this category", "只要这一类别的商品")},
    {"filter", HD_PARAM_TEXT, .many = true, .metavar = "CONDITION",
     .doc = HD_TEXT("only items that meet it: brand=Sony, price<=100",
                    "只要符合条件的商品：brand=Sony、price<=100")},
    {"exclude", HD_PARAM_TEXT, .many = true, .metavar = "ITEM",
     .doc = HD_TEXT("leave this item out", "不要这件商品")},
    {"exclude_seen", HD_PARAM_BOOL,
     .doc = HD_TEXT("leave out what the user had already (--no-exclude-seen: don't)",
                    "不推荐用户已接触过的商品（--no-exclude-seen：照样推荐）")},
    {"cap_per_category", HD_PARAM_INT, .max = 1000,
     .doc = HD_TEXT("most items of one category; 0: no cap", "同一类别最多几件；0 表示不限")},
    {"with", HD_PARAM_CHOICE, .choice_at = hd_api_method_at, .metavar = "METHOD",
     .doc = HD_TEXT("another trained method than the one in force", "改用另一种训练过的方法")},
};

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
    .params = recommend_params,
    .n_params = sizeof recommend_params / sizeof recommend_params[0],
    .result_doc = "recommend",
    .run = recommend_run,
    .text = recommend_text,
    .next = recommend_next,
};
