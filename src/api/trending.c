// SPDX-License-Identifier: Apache-2.0
//
// heed trending: what most happens at of late.
#include "api/answers.h"
#include "api/list.h"
#include "api/show.h"
#include "workspace/answers.h"

static heed_err trending_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    hd_arena arena;
    hd_arena_init(&arena);
    heed_recommend_params params = heed_recommend_default();
    heed_err err = hd_api_list_params(call, &arena, &params);
    if (err == HEED_OK) err = hd_call_open(call, HEED_READ, "heed trending", &ws);
    if (err == HEED_OK) err = hd_trending(ws, &params, result);
    hd_call_close(call, ws);
    hd_arena_clear(&arena);
    return err;
}

static heed_err trending_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    const char *newest = hd_json_text(result, "newest");
    HD_TRY(hd_api_show_items(json_object_get(result, "items"), false,
                             hd_say(lang, "nothing happened yet\n", "还没有任何事件\n"), lang,
                             width, out));
    if (json_array_size(json_object_get(result, "items")) == 0) return HEED_OK;
    if (newest[0])
        hd_str_addf(out,
                    hd_say(lang, "\nnewest event: %.10s; an event counts half after %g days\n",
                           "\n最新事件：%.10s；事件的分量每 %g 天减半\n"),
                    newest, hd_json_num(result, "half_life_days"));
    else
        hd_str_add(out, hd_say(lang, "\nno event has a time: counted over all of them\n",
                               "\n事件均无时间：按全部事件计数\n"));
    return hd_str_check(out);
}

static const hd_param trending_params[] = {
    {"n", HD_PARAM_INT, .min = 1, .max = 1000,
     .doc = HD_TEXT("items wanted (default: the setting recommend.n)",
                    "要几件（默认取设置 recommend.n）")},
    {"category", HD_PARAM_TEXT, .many = true,
     .doc = HD_TEXT("only items of this category", "只要这一类别的商品")},
    {"filter", HD_PARAM_TEXT, .many = true, .metavar = "CONDITION",
     .doc = HD_TEXT("only items that meet it: brand=Sony, price<=100",
                    "只要符合条件的商品：brand=Sony、price<=100")},
    {"exclude", HD_PARAM_TEXT, .many = true, .metavar = "ITEM",
     .doc = HD_TEXT("leave this item out", "不要这件商品")},
    {"cap_per_category", HD_PARAM_INT, .max = 1000,
     .doc = HD_TEXT("most items of one category; 0: no cap", "同一类别最多几件；0 表示不限")},
};

const hd_op hd_op_trending = {
    .name = "trending",
    .chapter = HD_CHAPTER_ANSWERS,
    .doc = HD_TEXT("what most happens at of late", "近来热门的商品"),
    .detail =
        HD_TEXT("Events count by their type (the setting recommend.signals), and half as much "
                "for every half-life that they are older than the newest one (the setting "
                "recommend.half_life). Needs no training.",
                "事件按类型计入（设置 recommend.signals），比最新事件每早一个半衰期分量减半"
                "（设置 recommend.half_life）。不需要训练。"),
    .examples =
        (const char *const[]){"heed trending", "heed trending --category shoes --n 5", NULL},
    .method = "GET",
    .path = "/api/v1/trending",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ,
    .purpose = "recommend",
    .schema =
        "{\"type\":\"object\",\"required\":[\"asked\",\"half_life_days\",\"newest\",\"events\","
        "\"items\"],\"properties\":{\"asked\":" HD_SCHEMA_WHOLE
        ",\"half_life_days\":" HD_SCHEMA_NUMBER
        ",\"newest\":{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"},\"events\":" HD_SCHEMA_WHOLE
        ",\"items\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
        "\"required\":[\"rank\",\"id\",\"title\",\"score\"],\"properties\":{" HD_SCHEMA_RANKED
        "}}}}}",
    .params = trending_params,
    .n_params = sizeof trending_params / sizeof trending_params[0],
    .result_doc = "trending",
    .run = trending_run,
    .text = trending_text,
};
