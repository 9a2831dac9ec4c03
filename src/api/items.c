// SPDX-License-Identifier: Apache-2.0
//
// The catalogue: items listed, shown, described, taken out. POST and PUT mean the same of a record:
// what it names replaces what stood there, what it leaves out stays, so sending it again changes
// nothing.
#include "api/list.h"
#include "api/posts.h"
#include "api/show.h"

#define ITEM_SCHEMA                                                                              \
    "{\"type\":\"object\",\"properties\":{\"id\":" HD_ID_SCHEMA ",\"title\":" HD_WORD_SCHEMA     \
    ",\"brand\":" HD_WORD_SCHEMA                                                                 \
    ",\"categories\":{\"type\":[\"array\",\"string\",\"number\",\"boolean\",\"null\"]},"         \
    "\"price\":" HD_AMOUNT_SCHEMA ",\"currency\":" HD_WORD_SCHEMA ",\"created\":" HD_TIME_SCHEMA \
    ",\"hidden\":" HD_FLAG_SCHEMA ",\"replenishable\":" HD_FLAG_SCHEMA                           \
    ",\"attributes\":{}}}" /* what is no object is an attribute */

#define SHOWN_SCHEMA                                                                               \
    "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},\"title\":" HD_TEXT_SCHEMA  \
    ",\"brand\":" HD_TEXT_SCHEMA ",\"categories\":{\"type\":\"array\",\"items\":{\"type\":"        \
    "\"string\"}},\"price\":" HD_NUMBER_SCHEMA ",\"currency\":" HD_TEXT_SCHEMA                     \
    ",\"created\":" HD_TEXT_SCHEMA ",\"hidden\":{\"type\":\"boolean\"},\"replenishable\":"         \
    "{\"type\":\"boolean\"},\"attributes\":{\"type\":\"object\"}},\"required\":[\"id\",\"title\"," \
    "\"brand\",\"categories\",\"price\",\"currency\",\"created\",\"hidden\",\"replenishable\","    \
    "\"attributes\"]}"

// ── Writing ──

static heed_err add_run(hd_call *call, json_t **result) {
    static const hd_post post = {.who = "POST /api/v1/items", .kind = HD_KIND_ITEMS};
    return hd_call_post(call, &post, result);
}

static heed_err put_run(hd_call *call, json_t **result) {
    static const hd_post post = {
        .who = "PUT /api/v1/items/{item}", .kind = HD_KIND_ITEMS, .id_param = "item"};
    return hd_call_post(call, &post, result);
}

static heed_err remove_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_WRITE, "DELETE /api/v1/items/{item}", &ws));
    heed_err err = hd_browse_remove_item(ws, hd_call_text(call, "item"), result);
    hd_call_close(call, ws);
    return err;
}

static const hd_param add_params[] = {
    HD_POST_BODY(HD_RECORDS_SCHEMA(ITEM_SCHEMA), "one item, or an array of items",
                 "一件商品，或商品数组"),
};
static const hd_param put_params[] = {
    {"item", HD_PARAM_TEXT, .positional = true, .required = true,
     .doc = HD_TEXT("the item's id", "商品 id")},
    HD_POST_BODY(ITEM_SCHEMA, "what is to be changed", "要修改的内容"),
};
static const hd_param one_params[] = {
    {"item", HD_PARAM_TEXT, .positional = true, .required = true,
     .doc = HD_TEXT("the item's id", "商品 id")},
};

const hd_op hd_op_items_add = {
    .name = "items add",
    .chapter = HD_CHAPTER_DATA,
    .only = HD_ONLY_HTTP,
    .doc = HD_TEXT("add items or change them", "添加或修改商品"),
    .detail = HD_POST_KEEPS,
    .method = "POST",
    .path = "/api/v1/items",
    .scope = HD_SCOPE_WRITE,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_WRITE,
    .schema = HD_TALLY_SCHEMA,
    .params = add_params,
    .n_params = sizeof add_params / sizeof add_params[0],
    .result_doc = "items",
    .run = add_run,
};

const hd_op hd_op_items_put = {
    .name = "items put",
    .chapter = HD_CHAPTER_DATA,
    .only = HD_ONLY_HTTP,
    .doc = HD_TEXT("add an item or change it", "添加或修改一件商品"),
    .detail = HD_POST_KEEPS,
    .method = "PUT",
    .path = "/api/v1/items/{item}",
    .scope = HD_SCOPE_WRITE,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_WRITE,
    .schema = HD_TALLY_SCHEMA,
    .params = put_params,
    .n_params = sizeof put_params / sizeof put_params[0],
    .result_doc = "items",
    .run = put_run,
};

const hd_op hd_op_items_remove = {
    .name = "items remove",
    .chapter = HD_CHAPTER_DATA,
    .only = HD_ONLY_HTTP,
    .doc = HD_TEXT("take an item out", "下架一件商品"),
    .detail = HD_TEXT("Its description goes and it is never recommended again; what users did with "
                      "it stays. Described again, it is back.",
                      "商品描述被删除，不再推荐；用户与它有关的行为保留。再次写入描述即可恢复。"),
    .method = "DELETE",
    .path = "/api/v1/items/{item}",
    .scope = HD_SCOPE_WRITE,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_WRITE,
    .schema = "{\"type\":\"object\",\"properties\":{\"item\":{\"type\":\"string\"},\"removed\":"
              "{\"type\":\"boolean\"}},\"required\":[\"item\",\"removed\"]}",
    .params = one_params,
    .n_params = sizeof one_params / sizeof one_params[0],
    .result_doc = "items",
    .run = remove_run,
};

// ── Reading ──

static heed_err show_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_READ, "heed items show", &ws));
    heed_err err = hd_browse_item(ws, hd_call_text(call, "item"), result);
    hd_call_close(call, ws);
    return err;
}

static heed_err list_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_READ, "heed items list", &ws));
    heed_err err = hd_browse_items(ws, hd_call_text(call, "category"), hd_call_page(call), result);
    hd_call_close(call, ws);
    return err;
}

// "drinks > tea", in the grid's arena.
static const char *path_of(hd_grid *grid, const json_t *item) {
    const char *path = "";
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(item, "categories"), i, one) {
        path =
            hd_arena_printf(&grid->arena, "%s%s%s", path, i ? " > " : "", json_string_value(one));
        if (!path) return NULL;
    }
    return path;
}

static const char *price_of(hd_grid *grid, const json_t *item) {
    double price = hd_json_num(item, "price");
    if (price != price) return "";
    const char *number = hd_show_fixed(&grid->arena, price, 2);
    return number ? hd_arena_printf(&grid->arena, "%s %s", number, hd_json_text(item, "currency"))
                  : NULL;
}

static heed_err list_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    hd_grid grid;
    size_t i;
    json_t *item;
    hd_grid_init(&grid, "lllrll");
    hd_grid_head(&grid, hd_say(lang, "item", "商品"), hd_say(lang, "title", "名称"),
                 hd_say(lang, "brand", "品牌"), hd_say(lang, "price", "价格"),
                 hd_say(lang, "categories", "类别"), hd_say(lang, "hidden", "隐藏"));
    json_array_foreach(json_object_get(result, "items"), i, item) {
        hd_grid_row(&grid, hd_json_text(item, "id"), hd_json_text(item, "title"),
                    hd_json_text(item, "brand"), price_of(&grid, item), path_of(&grid, item),
                    json_is_true(json_object_get(item, "hidden")) ? hd_say(lang, "yes", "是") : "");
    }
    heed_err err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    return err;
}

static heed_err list_next(const json_t *result, heed_lang lang, hd_str *out) {
    const char *cursor = hd_json_text(result, "next_cursor");
    if (cursor[0]) hd_str_addf(out, hd_say(lang, "more: --cursor %s", "更多：--cursor %s"), cursor);
    return hd_str_check(out);
}

static heed_err show_text(const json_t *item, heed_lang lang, size_t width, hd_str *out) {
    hd_grid grid;
    hd_str attributes;
    hd_str_init(&attributes);
    hd_grid_init(&grid, "ll");
    bool hidden = json_is_true(json_object_get(item, "hidden"));
    heed_err err = hd_json_dump(json_object_get(item, "attributes"), false, &attributes);
    hd_grid_row(&grid, hd_say(lang, "item", "商品"), hd_json_text(item, "id"));
    hd_grid_row(&grid, hd_say(lang, "title", "名称"), hd_json_text(item, "title"));
    hd_grid_row(&grid, hd_say(lang, "brand", "品牌"), hd_json_text(item, "brand"));
    hd_grid_row(&grid, hd_say(lang, "categories", "类别"), path_of(&grid, item));
    hd_grid_row(&grid, hd_say(lang, "price", "价格"), price_of(&grid, item));
    hd_grid_row(&grid, hd_say(lang, "created", "上架时间"), hd_json_text(item, "created"));
    hd_grid_row(&grid, hd_say(lang, "hidden", "隐藏"),
                hidden ? hd_say(lang, "yes", "是") : hd_say(lang, "no", "否"));
    hd_grid_row(&grid, hd_say(lang, "attributes", "属性"), hd_str_get(&attributes));
    if (err == HEED_OK) err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    hd_str_clear(&attributes);
    return err;
}

static const hd_param list_params[] = {
    {"category", HD_PARAM_TEXT, .doc = HD_TEXT("only items of this category", "只列该类别的商品")},
    HD_PAGE_PARAMS,
};

const hd_op hd_op_items_list = {
    .name = "items list",
    .chapter = HD_CHAPTER_DATA,
    .doc = HD_TEXT("list items", "列出商品"),
    .examples = (const char *const[]){"heed items list --category drinks", NULL},
    .method = "GET",
    .path = "/api/v1/items",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ,
    .schema = HD_PAGE_SCHEMA("items", SHOWN_SCHEMA),
    .params = list_params,
    .n_params = sizeof list_params / sizeof list_params[0],
    .result_doc = "items",
    .run = list_run,
    .text = list_text,
    .next = list_next,
};

const hd_op hd_op_items_show = {
    .name = "items show",
    .chapter = HD_CHAPTER_DATA,
    .doc = HD_TEXT("show an item", "查看一件商品"),
    .examples = (const char *const[]){"heed items show i7", NULL},
    .method = "GET",
    .path = "/api/v1/items/{item}",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ,
    .schema = SHOWN_SCHEMA,
    .params = one_params,
    .n_params = sizeof one_params / sizeof one_params[0],
    .result_doc = "items",
    .run = show_run,
    .text = show_text,
};
