// SPDX-License-Identifier: Apache-2.0
//
// Documents: answers and articles listed, shown, put in, taken out. POST and PUT mean the same of a
// record, as they do of items.
#include "api/list.h"
#include "api/posts.h"
#include "api/show.h"

// A record needs its text: what an answer says isn't joined from parts.
#define DOCUMENT_FIELDS                                                                \
    "\"title\":" HD_WORD_SCHEMA ",\"text\":" HD_WORD_SCHEMA ",\"url\":" HD_WORD_SCHEMA \
    ",\"lang\":" HD_WORD_SCHEMA ",\"updated\":" HD_TIME_SCHEMA
#define DOCUMENT_SCHEMA                                                                            \
    "{\"type\":\"object\",\"properties\":{\"id\":" HD_ID_SCHEMA "," DOCUMENT_FIELDS "},\"required" \
    "\":[\"text\"]}"
#define SHOWN_SCHEMA                                                                              \
    "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},\"title\":" HD_TEXT_SCHEMA \
    ",\"text\":" HD_TEXT_SCHEMA ",\"url\":" HD_TEXT_SCHEMA ",\"lang\":" HD_TEXT_SCHEMA            \
    ",\"updated\":" HD_TEXT_SCHEMA                                                                \
    "},\"required\":[\"id\",\"title\",\"text\",\"url\",\"lang\",\"updated\"]}"

// ── Writing ──

static heed_err add_run(hd_call *call, json_t **result) {
    static const hd_post post = {.who = "POST /api/v1/documents", .kind = HD_KIND_DOCUMENTS};
    return hd_call_post(call, &post, result);
}

static heed_err put_run(hd_call *call, json_t **result) {
    static const hd_post post = {.who = "PUT /api/v1/documents/{document}",
                                 .kind = HD_KIND_DOCUMENTS,
                                 .id_param = "document"};
    return hd_call_post(call, &post, result);
}

static heed_err remove_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_WRITE, "DELETE /api/v1/documents/{document}", &ws));
    heed_err err = hd_browse_remove_document(ws, hd_call_text(call, "document"), result);
    hd_call_close(call, ws);
    return err;
}

static const hd_param add_params[] = {
    HD_POST_BODY(HD_RECORDS_SCHEMA(DOCUMENT_SCHEMA), "one document, or an array of documents",
                 "一篇文档，或文档数组"),
};
static const hd_param put_params[] = {
    {"document", HD_PARAM_TEXT, .positional = true, .required = true,
     .doc = HD_TEXT("the document's id", "文档 id")},
    HD_POST_BODY(DOCUMENT_SCHEMA, "the document", "文档"),
};
static const hd_param one_params[] = {
    {"document", HD_PARAM_TEXT, .positional = true, .required = true,
     .doc = HD_TEXT("the document's id", "文档 id")},
};

#define DOCUMENT_KEEPS                                                                                                                  \
    HD_TEXT("What a record names replaces what stood there; what it leaves out stays; a text it "                                       \
            "needs. One without an id goes by its address, else by its title. Sending it again "                                        \
            "changes nothing.",                                                                                                         \
            "记录中给出的内容替换原有内容，未给出的保持不变；正文必填。没有 id 的以链接为标识，" \
            "其次以标题为标识。重复发送不产生影响。")

const hd_op hd_op_documents_add = {
    .name = "documents add",
    .chapter = HD_CHAPTER_DATA,
    .only = HD_ONLY_HTTP,
    .doc = HD_TEXT("add documents or change them", "添加或修改文档"),
    .detail = DOCUMENT_KEEPS,
    .method = "POST",
    .path = "/api/v1/documents",
    .scope = HD_SCOPE_WRITE,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_WRITE,
    .schema = HD_TALLY_SCHEMA,
    .params = add_params,
    .n_params = sizeof add_params / sizeof add_params[0],
    .result_doc = "documents",
    .run = add_run,
};

const hd_op hd_op_documents_put = {
    .name = "documents put",
    .chapter = HD_CHAPTER_DATA,
    .only = HD_ONLY_HTTP,
    .doc = HD_TEXT("add a document or change it", "添加或修改一篇文档"),
    .detail = DOCUMENT_KEEPS,
    .method = "PUT",
    .path = "/api/v1/documents/{document}",
    .scope = HD_SCOPE_WRITE,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_WRITE,
    .schema = HD_TALLY_SCHEMA,
    .params = put_params,
    .n_params = sizeof put_params / sizeof put_params[0],
    .result_doc = "documents",
    .run = put_run,
};

const hd_op hd_op_documents_remove = {
    .name = "documents remove",
    .chapter = HD_CHAPTER_DATA,
    .only = HD_ONLY_HTTP,
    .doc = HD_TEXT("take a document out", "移除一篇文档"),
    .detail = HD_TEXT("Put in again, it is back.", "再次写入即可恢复。"),
    .method = "DELETE",
    .path = "/api/v1/documents/{document}",
    .scope = HD_SCOPE_WRITE,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_WRITE,
    .schema = "{\"type\":\"object\",\"properties\":{\"document\":{\"type\":\"string\"},\"removed\":"
              "{\"type\":\"boolean\"}},\"required\":[\"document\",\"removed\"]}",
    .params = one_params,
    .n_params = sizeof one_params / sizeof one_params[0],
    .result_doc = "documents",
    .run = remove_run,
};

// ── Reading ──

static heed_err show_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_READ, "heed documents show", &ws));
    heed_err err = hd_browse_document(ws, hd_call_text(call, "document"), result);
    hd_call_close(call, ws);
    return err;
}

static heed_err list_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_READ, "heed documents list", &ws));
    heed_err err = hd_browse_documents(ws, hd_call_page(call), result);
    hd_call_close(call, ws);
    return err;
}

static heed_err list_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    hd_grid grid;
    size_t i;
    json_t *one;
    hd_grid_init(&grid, "llll");
    hd_grid_head(&grid, hd_say(lang, "document", "文档"), hd_say(lang, "language", "语言"),
                 hd_say(lang, "changed", "更新时间"), hd_say(lang, "title", "标题"));
    json_array_foreach(json_object_get(result, "documents"), i, one)
        hd_grid_row(&grid, hd_json_text(one, "id"), hd_json_text(one, "lang"),
                    hd_json_text(one, "updated"), hd_json_text(one, "title"));
    heed_err err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    return err;
}

static heed_err list_next(const json_t *result, heed_lang lang, hd_str *out) {
    const char *cursor = hd_json_text(result, "next_cursor");
    if (cursor[0]) hd_str_addf(out, hd_say(lang, "more: --cursor %s", "更多：--cursor %s"), cursor);
    return hd_str_check(out);
}

static heed_err show_text(const json_t *one, heed_lang lang, size_t width, hd_str *out) {
    hd_grid grid;
    hd_grid_init(&grid, "ll");
    hd_grid_row(&grid, hd_say(lang, "document", "文档"), hd_json_text(one, "id"));
    hd_grid_row(&grid, hd_say(lang, "title", "标题"), hd_json_text(one, "title"));
    hd_grid_row(&grid, hd_say(lang, "address", "链接"), hd_json_text(one, "url"));
    hd_grid_row(&grid, hd_say(lang, "language", "语言"), hd_json_text(one, "lang"));
    hd_grid_row(&grid, hd_say(lang, "changed", "更新时间"), hd_json_text(one, "updated"));
    hd_grid_row(&grid, hd_say(lang, "text", "正文"), hd_json_text(one, "text"));
    heed_err err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    return err;
}

static const hd_param list_params[] = {HD_PAGE_PARAMS};

const hd_op hd_op_documents_list = {
    .name = "documents list",
    .chapter = HD_CHAPTER_DATA,
    .doc = HD_TEXT("list documents", "列出文档"),
    .examples = (const char *const[]){"heed documents list --limit 20", NULL},
    .method = "GET",
    .path = "/api/v1/documents",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ,
    .schema = HD_PAGE_SCHEMA("documents", SHOWN_SCHEMA),
    .params = list_params,
    .n_params = sizeof list_params / sizeof list_params[0],
    .result_doc = "documents",
    .run = list_run,
    .text = list_text,
    .next = list_next,
};

const hd_op hd_op_documents_show = {
    .name = "documents show",
    .chapter = HD_CHAPTER_DATA,
    .doc = HD_TEXT("show a document", "查看一篇文档"),
    .examples = (const char *const[]){"heed documents show returns", NULL},
    .method = "GET",
    .path = "/api/v1/documents/{document}",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ,
    .schema = SHOWN_SCHEMA,
    .params = one_params,
    .n_params = sizeof one_params / sizeof one_params[0],
    .result_doc = "documents",
    .run = show_run,
    .text = show_text,
};
