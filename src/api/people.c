// SPDX-License-Identifier: Apache-2.0
//
// Users: listed and described. POST and PUT mean the same of a record, as for items. One user
// shown, and what users may ask for themselves (export, erasure, consent), stands with the rights.
#include "api/list.h"
#include "api/posts.h"
#include "api/show.h"

#define USER_SCHEMA                                                                        \
    "{\"type\":\"object\",\"properties\":{\"id\":" HD_ID_SCHEMA ",\"alias\":" HD_ID_SCHEMA \
    ",\"created\":" HD_TIME_SCHEMA ",\"attributes\":{}}}" /* what is no object is an attribute */

#define SHOWN_SCHEMA                                                                                \
    "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},\"created\":" HD_TEXT_SCHEMA \
    ",\"attributes\":{\"type\":\"object\"}},\"required\":[\"id\",\"created\","                      \
    "\"attributes\"]}"

static heed_err add_run(hd_call *call, json_t **result) {
    static const hd_post post = {.who = "POST /api/v1/users", .kind = HD_KIND_USERS};
    return hd_call_post(call, &post, result);
}

static heed_err put_run(hd_call *call, json_t **result) {
    static const hd_post post = {
        .who = "PUT /api/v1/users/{user}", .kind = HD_KIND_USERS, .id_param = "user"};
    return hd_call_post(call, &post, result);
}

static heed_err list_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_READ, "heed users list", &ws));
    heed_err err = hd_browse_users(ws, hd_call_page(call), result);
    hd_call_close(call, ws);
    return err;
}

static heed_err list_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    hd_grid grid;
    hd_str attributes;
    size_t i;
    json_t *user;
    heed_err err = HEED_OK;
    hd_str_init(&attributes);
    hd_grid_init(&grid, "lll");
    hd_grid_head(&grid, hd_say(lang, "user", "用户"),
                 hd_say(lang, "joined (UTC)", "加入时间（UTC）"),
                 hd_say(lang, "attributes", "属性"));
    json_array_foreach(json_object_get(result, "users"), i, user) {
        hd_str_reset(&attributes);
        if (err == HEED_OK)
            err = hd_json_dump(json_object_get(user, "attributes"), false, &attributes);
        hd_grid_row(&grid, hd_json_text(user, "id"), hd_json_text(user, "created"),
                    hd_str_get(&attributes));
    }
    if (err == HEED_OK) err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    hd_str_clear(&attributes);
    return err;
}

static heed_err list_next(const json_t *result, heed_lang lang, hd_str *out) {
    const char *cursor = hd_json_text(result, "next_cursor");
    if (cursor[0]) hd_str_addf(out, hd_say(lang, "more: --cursor %s", "更多：--cursor %s"), cursor);
    return hd_str_check(out);
}

static const hd_param add_params[] = {
    HD_POST_BODY(HD_RECORDS_SCHEMA(USER_SCHEMA), "one user, or an array of users",
                 "一个用户，或用户数组"),
};
static const hd_param put_params[] = {
    {"user", HD_PARAM_TEXT, .positional = true, .required = true,
     .doc = HD_TEXT("the user's id", "用户 id")},
    HD_POST_BODY(USER_SCHEMA, "what is to be changed", "要修改的内容"),
};
static const hd_param list_params[] = {HD_PAGE_PARAMS};

const hd_op hd_op_users_add = {
    .name = "users add",
    .chapter = HD_CHAPTER_DATA,
    .only = HD_ONLY_HTTP,
    .doc = HD_TEXT("add users or change them", "添加或修改用户"),
    .detail = HD_POST_KEEPS,
    .method = "POST",
    .path = "/api/v1/users",
    .scope = HD_SCOPE_WRITE,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_WRITE,
    .schema = HD_TALLY_SCHEMA,
    .params = add_params,
    .n_params = sizeof add_params / sizeof add_params[0],
    .result_doc = "users",
    .run = add_run,
};

const hd_op hd_op_users_put = {
    .name = "users put",
    .chapter = HD_CHAPTER_DATA,
    .only = HD_ONLY_HTTP,
    .doc = HD_TEXT("add a user or change it", "添加或修改一个用户"),
    .detail = HD_POST_KEEPS,
    .method = "PUT",
    .path = "/api/v1/users/{user}",
    .scope = HD_SCOPE_WRITE,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_WRITE,
    .schema = HD_TALLY_SCHEMA,
    .params = put_params,
    .n_params = sizeof put_params / sizeof put_params[0],
    .result_doc = "users",
    .run = put_run,
};

const hd_op hd_op_users_list = {
    .name = "users list",
    .chapter = HD_CHAPTER_DATA,
    .doc = HD_TEXT("list users", "列出用户"),
    .detail = HD_TEXT("Users who are out of support by people (consent, restriction) aren't shown.",
                      "不同意用于人工支持或已限制处理的用户不会列出。"),
    .examples = (const char *const[]){"heed users list --limit 10", NULL},
    .method = "GET",
    .path = "/api/v1/users",
    .scope = HD_SCOPE_PERSONAL,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ,
    .purpose = "support",
    .many = true,
    .schema = HD_PAGE_SCHEMA("users", SHOWN_SCHEMA),
    .params = list_params,
    .n_params = sizeof list_params / sizeof list_params[0],
    .result_doc = "users",
    .run = list_run,
    .text = list_text,
    .next = list_next,
};
