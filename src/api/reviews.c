// SPDX-License-Identifier: Apache-2.0
//
// Reviews: posted, and listed by item or by user.
#include "api/list.h"
#include "api/posts.h"

#define REVIEW_SCHEMA                                                                      \
    "{\"type\":\"object\",\"properties\":{\"id\":" HD_ID_SCHEMA ",\"user\":" HD_ID_SCHEMA  \
    ",\"item\":" HD_ID_SCHEMA ",\"rating\":" HD_NUMBER_SCHEMA ",\"title\":" HD_WORD_SCHEMA \
    ",\"text\":" HD_WORD_SCHEMA ",\"time\":" HD_TIME_SCHEMA "}}"

#define SHOWN_SCHEMA                                                                            \
    "{\"type\":\"object\",\"properties\":{\"user\":" HD_TEXT_SCHEMA ",\"item\":" HD_TEXT_SCHEMA \
    ",\"rating\":" HD_NUMBER_SCHEMA ",\"title\":" HD_TEXT_SCHEMA ",\"text\":" HD_TEXT_SCHEMA    \
    ",\"time\":" HD_TEXT_SCHEMA                                                                 \
    "},\"required\":[\"user\",\"item\",\"rating\",\"title\",\"text\",\"time\"]}"

static heed_err add_run(hd_call *call, json_t **result) {
    static const hd_post post = {.who = "POST /api/v1/reviews", .kind = HD_KIND_REVIEWS};
    return hd_call_post(call, &post, result);
}

static heed_err list_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_READ, "GET reviews", &ws));
    heed_err err = hd_browse_reviews(ws, hd_call_text(call, "user"), hd_call_text(call, "item"),
                                     hd_call_page(call), result);
    hd_call_close(call, ws);
    return err;
}

static const hd_param add_params[] = {
    HD_POST_BODY(HD_RECORDS_SCHEMA(REVIEW_SCHEMA), "one review, or an array of reviews",
                 "一条评论，或评论数组"),
};
static const hd_param item_params[] = {
    {"item", HD_PARAM_TEXT, .positional = true, .required = true,
     .doc = HD_TEXT("the item's id", "商品 id")},
    HD_PAGE_PARAMS,
};
static const hd_param user_params[] = {
    {"user", HD_PARAM_TEXT, .positional = true, .required = true,
     .doc = HD_TEXT("the user's id", "用户 id")},
    HD_PAGE_PARAMS,
};

const hd_op hd_op_reviews_add = {
    .name = "reviews add",
    .chapter = HD_CHAPTER_DATA,
    .only = HD_ONLY_HTTP,
    .doc = HD_TEXT("take reviews in", "写入评论"),
    .detail = HD_TEXT("A review is known again by its id, else by its user, item and time: sent "
                      "again it changes nothing, or what it names.",
                      "评论按 id 识别；没有 id 时按用户、商品和时间识别。重复发送不产生影响，"
                      "内容不同则更新。"),
    .method = "POST",
    .path = "/api/v1/reviews",
    .scope = HD_SCOPE_WRITE,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_WRITE,
    .schema = HD_TALLY_SCHEMA,
    .params = add_params,
    .n_params = sizeof add_params / sizeof add_params[0],
    .result_doc = "reviews",
    .run = add_run,
};

const hd_op hd_op_reviews_of_item = {
    .name = "reviews of item",
    .chapter = HD_CHAPTER_DATA,
    .only = HD_ONLY_HTTP,
    .doc = HD_TEXT("list an item's reviews, the newest first", "列出某件商品的评论，从新到旧"),
    .method = "GET",
    .path = "/api/v1/items/{item}/reviews",
    .scope = HD_SCOPE_PERSONAL,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ,
    .purpose = "support",
    .many = true,
    .schema = HD_PAGE_SCHEMA("reviews", SHOWN_SCHEMA),
    .params = item_params,
    .n_params = sizeof item_params / sizeof item_params[0],
    .result_doc = "reviews",
    .run = list_run,
};

const hd_op hd_op_reviews_of_user = {
    .name = "reviews of user",
    .chapter = HD_CHAPTER_DATA,
    .only = HD_ONLY_HTTP,
    .doc = HD_TEXT("list a user's reviews, the newest first", "列出某个用户的评论，从新到旧"),
    .method = "GET",
    .path = "/api/v1/users/{user}/reviews",
    .scope = HD_SCOPE_PERSONAL,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ,
    .purpose = "support",
    .schema = HD_PAGE_SCHEMA("reviews", SHOWN_SCHEMA),
    .params = user_params,
    .n_params = sizeof user_params / sizeof user_params[0],
    .result_doc = "reviews",
    .run = list_run,
};
