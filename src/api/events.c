// SPDX-License-Identifier: Apache-2.0
//
// Events: posted one by one or many at once, and a user's own as a list.
#include "api/list.h"
#include "api/posts.h"
#include "api/show.h"

static heed_err add_run(hd_call *call, json_t **result) {
    static const hd_post post = {
        .who = "POST /api/v1/events", .kind = HD_KIND_EVENTS, .list = "/events"};
    return hd_call_post(call, &post, result);
}

#define EVENT_SCHEMA                                                                              \
    "{\"type\":\"object\",\"properties\":{\"event_id\":" HD_ID_SCHEMA ",\"user\":" HD_ID_SCHEMA   \
    ",\"session\":" HD_ID_SCHEMA ",\"item\":" HD_ID_SCHEMA                                        \
    ",\"type\":{\"type\":\"string\"},\"rating\":" HD_NUMBER_SCHEMA ",\"value\":" HD_AMOUNT_SCHEMA \
    ",\"quantity\":{\"type\":[\"number\",\"null\"],\"minimum\":0},\"currency\":" HD_WORD_SCHEMA   \
    ",\"time\":" HD_TIME_SCHEMA ",\"properties\":{\"type\":\"object\"}}}"

static const hd_param add_params[] = {
    HD_POST_BODY("{\"anyOf\":[" EVENT_SCHEMA ",{\"type\":\"array\",\"items\":" EVENT_SCHEMA
                 ",\"maxItems\":10000},{\"type\":\"object\",\"properties\":{\"events\":{\"type\":"
                 "\"array\",\"items\":" EVENT_SCHEMA
                 ",\"maxItems\":10000}},\"required\":[\"events\"]}]}",
                 "one event, an array of events, or {\"events\": […]}",
                 "一个事件、事件数组，或 {\"events\": […]}"),
};

const hd_op hd_op_events_add = {
    .name = "events add",
    .chapter = HD_CHAPTER_DATA,
    .only = HD_ONLY_HTTP,
    .doc = HD_TEXT("take events in", "写入事件"),
    .detail =
        HD_TEXT("Each event stands by itself: a bad one is left out and told of, the others "
                "are kept, and the answer comes once they are safe on disk. An event_id "
                "makes sending again harmless. An event without a time happened now.",
                "每个事件单独处理：有误的略去并说明原因，其余保留，全部写入磁盘后才应答。带上 "
                "event_id 即可放心重发。没有时间的事件视为当下发生。"),
    .method = "POST",
    .path = "/api/v1/events",
    .scope = HD_SCOPE_WRITE,
    .posts_events = true,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_WRITE,
    .schema = HD_TALLY_SCHEMA,
    .params = add_params,
    .n_params = sizeof add_params / sizeof add_params[0],
    .result_doc = "events",
    .run = add_run,
};

// ── A user's ──

static heed_err list_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_READ, "heed events list", &ws));
    heed_err err = hd_browse_events(ws, hd_call_text(call, "user"), hd_call_page(call), result);
    hd_call_close(call, ws);
    return err;
}

static const char *amount(hd_arena *arena, const json_t *event, const char *key) {
    double value = hd_json_num(event, key);
    return value == value ? hd_show_real(arena, value) : "";
}

static heed_err list_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    hd_grid grid;
    size_t i;
    json_t *event;
    hd_grid_init(&grid, "lllrrl");
    hd_grid_head(&grid, hd_say(lang, "time (UTC)", "时间（UTC）"), hd_say(lang, "type", "类型"),
                 hd_say(lang, "item", "商品"), hd_say(lang, "value", "数值"),
                 hd_say(lang, "quantity", "数量"), hd_say(lang, "currency", "币种"));
    json_array_foreach(json_object_get(result, "events"), i, event) {
        hd_grid_row(&grid, hd_json_text(event, "time"), hd_json_text(event, "type"),
                    hd_json_text(event, "item"), amount(&grid.arena, event, "value"),
                    amount(&grid.arena, event, "quantity"), hd_json_text(event, "currency"));
    }
    heed_err err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    return err;
}

static heed_err list_next(const json_t *result, heed_lang lang, hd_str *out) {
    const char *cursor = hd_json_text(result, "next_cursor");
    if (cursor[0])
        hd_str_addf(out, hd_say(lang, "older ones: --cursor %s", "更早的：--cursor %s"), cursor);
    return hd_str_check(out);
}

static const hd_param list_params[] = {
    {"user", HD_PARAM_TEXT, .positional = true, .required = true,
     .doc = HD_TEXT("the user's id, as imported", "用户 id，与导入时一致")},
    HD_PAGE_PARAMS,
};

const hd_op hd_op_events_list = {
    .name = "events list",
    .chapter = HD_CHAPTER_DATA,
    .doc = HD_TEXT("list a user's events, the newest first", "列出某个用户的事件，从新到旧"),
    .examples = (const char *const[]){"heed events list u42 --limit 10", NULL},
    .method = "GET",
    .path = "/api/v1/users/{user}/events",
    .scope = HD_SCOPE_PERSONAL,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ,
    .purpose = "support",
    .schema = HD_PAGE_SCHEMA(
        "events",
        "{\"type\":\"object\",\"properties\":{\"type\":{\"type\":\"string\"},"
        "\"item\":" HD_TEXT_SCHEMA ",\"time\":" HD_TEXT_SCHEMA ",\"value\":" HD_NUMBER_SCHEMA
        ",\"quantity\":" HD_NUMBER_SCHEMA ",\"currency\":" HD_TEXT_SCHEMA
        "},\"required\":[\"type\",\"item\",\"time\",\"value\",\"quantity\",\"currency\"]}"),
    .params = list_params,
    .n_params = sizeof list_params / sizeof list_params[0],
    .result_doc = "events",
    .run = list_run,
    .text = list_text,
    .next = list_next,
};
