// SPDX-License-Identifier: Apache-2.0
//
// heed similar: items that are like an item.
#include "api/answers.h"
#include "api/list.h"
#include "workspace/answers.h"

static heed_err similar_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    hd_arena arena;
    hd_arena_init(&arena);
    heed_recommend_params params = heed_recommend_default();
    heed_err err = hd_api_list_params(call, &arena, &params);
    if (err == HEED_OK) err = hd_call_open(call, HEED_READ, "heed similar", &ws);
    if (err == HEED_OK) err = hd_similar(ws, hd_call_text(call, "item"), &params, result);
    hd_call_close(call, ws);
    hd_arena_clear(&arena);
    return err;
}

static heed_err similar_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    return hd_api_show_items(json_object_get(result, "items"), true,
                             hd_say(lang, "nothing is like it\n", "没有相近的商品\n"), lang, width,
                             out);
}

static const char *const methods[] = {"item_knn", "markov", "content", NULL};

static const hd_param similar_params[] = {
    {"item", HD_PARAM_TEXT, .positional = true, .required = true,
     .doc = HD_TEXT("the item's id, as imported", "商品 id，与导入时一致")},
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
    {"with", HD_PARAM_CHOICE, .choices = methods, .metavar = "METHOD",
     .doc = HD_TEXT("compare by this alone: who has both, what follows, or what is said of them",
                    "只按这一种方法比较：同时拥有、先后出现，或商品信息")},
};

const hd_op hd_op_similar = {
    .name = "similar",
    .chapter = HD_CHAPTER_ANSWERS,
    .doc = HD_TEXT("items that are like an item", "与某件商品相近的商品"),
    .detail = HD_TEXT(
        "By who has both items (item_knn), else by what came after it for others (markov), as far "
        "as such a model was trained; what is then missing is found by category, brand and "
        "attributes (content). Each item says which method found it.",
        "先看谁同时拥有两件商品（item_knn），没有该模型时看他人随后选择了什么（markov）；"
        "不足的部分按类别、品牌和属性补足（content）。每件商品都注明由哪种方法找到。"),
    .examples =
        (const char *const[]){"heed similar i42", "heed similar i42 --with content --n 5", NULL},
    .method = "GET",
    .path = "/api/v1/items/{item}/similar",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ,
    .schema =
        "{\"type\":\"object\",\"required\":[\"item\",\"title\",\"version\",\"method\",\"asked\","
        "\"items\"],\"properties\":{\"item\":" HD_SCHEMA_TEXT ",\"title\":" HD_SCHEMA_TEXT
        ",\"version\":{\"type\":[\"string\",\"null\"]},\"method\":{\"type\":[\"string\",\"null\"]},"
        "\"asked\":" HD_SCHEMA_WHOLE
        ",\"items\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
        "\"required\":[\"rank\",\"id\",\"title\",\"score\",\"method\"],\"properties\":{" HD_SCHEMA_RANKED
        ",\"method\":{\"enum\":[\"item_knn\",\"markov\",\"content\"]}}}}}}",
    .params = similar_params,
    .n_params = sizeof similar_params / sizeof similar_params[0],
    .result_doc = "similar",
    .run = similar_run,
    .text = similar_text,
};
