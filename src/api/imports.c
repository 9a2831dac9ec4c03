// SPDX-License-Identifier: Apache-2.0
//
// Imports over HTTP, beside `heed import` whose row takes the upload: listed, shown, taken back. On
// the command line these are --list and --undo.
#include "workspace/import.h"

#include "api/list.h"
#include "api/posts.h"

#define BATCH_SCHEMA                                                                            \
    "{\"type\":\"object\",\"properties\":{\"batch\":{\"type\":\"integer\"},\"kind\":{\"type\":" \
    "\"string\"},\"source\":{\"type\":\"string\"},\"preset\":{\"type\":\"string\"},\"hash\":"   \
    "{\"type\":\"string\"},\"started\":{\"type\":\"string\"},\"rows\":{\"type\":\"integer\"},"  \
    "\"new\":{\"type\":\"integer\"},\"changed\":{\"type\":\"integer\"},\"same\":{\"type\":"     \
    "\"integer\"},\"rejected\":{\"type\":\"integer\"},\"undone\":{\"type\":\"boolean\"}},"      \
    "\"required\":[\"batch\",\"kind\",\"source\",\"started\",\"rows\",\"undone\"]}"

// Cuts the page out of the list: the newest first, a cursor is the last batch that was shown.
static heed_err cut_page(json_t *all, hd_page page, json_t **result) {
    int64_t below = INT64_MAX;
    if (page.cursor && (!hd_slice_i64(hd_slice_of(page.cursor), &below) || below < 1))
        return HD_FAIL(HEED_USAGE,
                       "'%.40s' is no cursor; take next_cursor of the page before as it is",
                       "“%.40s”不是游标；请原样使用上一页的 next_cursor", page.cursor);
    json_t *shown = json_array();
    if (!shown) return HD_FAIL_MEMORY(0);
    char last[32] = "";
    bool more = false;
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < json_array_size(all) && !more; i++) {
        json_t *batch = json_array_get(all, i);
        int64_t id = hd_json_int(batch, "batch");
        if (id >= below) continue;
        more = json_array_size(shown) == page.limit;
        if (more) break;
        snprintf(last, sizeof last, "%lld", (long long)id);
        err = hd_json_append(shown, json_incref(batch));
    }
    if (err == HEED_OK)
        return hd_json_pack(result, "{s:o, s:o}", "batches", shown, "next_cursor",
                            more ? json_string(last) : json_null());
    json_decref(shown);
    return err;
}

static heed_err list_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    json_t *all = NULL;
    HD_TRY(hd_call_open(call, HEED_READ, "GET /api/v1/imports", &ws));
    heed_err err = hd_import_list(ws, &all);
    hd_call_close(call, ws);
    if (err == HEED_OK) err = cut_page(all, hd_call_page(call), result);
    json_decref(all);
    return err;
}

static heed_err show_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_READ, "GET /api/v1/imports/{import}", &ws));
    heed_err err = hd_import_show(ws, hd_call_int(call, "import", 0), result);
    hd_call_close(call, ws);
    return err;
}

static heed_err undo_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    int64_t batch = hd_call_int(call, "import", 0), rows = 0;
    HD_TRY(hd_call_open(call, HEED_WRITE, "POST /api/v1/imports/{import}/undo", &ws));
    heed_err err = heed_import_undo(ws, batch, &rows);
    hd_call_close(call, ws);
    HD_TRY(err);
    return hd_json_pack(result, "{s:I, s:I}", "undone", (json_int_t)batch, "rows",
                        (json_int_t)rows);
}

static const hd_param list_params[] = {HD_PAGE_PARAMS};
static const hd_param one_params[] = {
    {"import", HD_PARAM_INT, .positional = true, .required = true, .min = 1,
     .max = 9007199254740991.0, .doc = HD_TEXT("the import's number", "导入的编号")},
};

const hd_op hd_op_import_list = {
    .name = "import list",
    .chapter = HD_CHAPTER_DATA,
    .only = HD_ONLY_HTTP,
    .doc = HD_TEXT("list the imports so far, the newest first", "列出历次导入，从新到旧"),
    .method = "GET",
    .path = "/api/v1/imports",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ,
    .schema = HD_PAGE_SCHEMA("batches", BATCH_SCHEMA),
    .params = list_params,
    .n_params = sizeof list_params / sizeof list_params[0],
    .result_doc = "import",
    .run = list_run,
};

const hd_op hd_op_import_show = {
    .name = "import show",
    .chapter = HD_CHAPTER_DATA,
    .only = HD_ONLY_HTTP,
    .doc = HD_TEXT("show an import", "查看一次导入"),
    .method = "GET",
    .path = "/api/v1/imports/{import}",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ,
    .schema = BATCH_SCHEMA,
    .params = one_params,
    .n_params = sizeof one_params / sizeof one_params[0],
    .result_doc = "import",
    .run = show_run,
};

const hd_op hd_op_import_undo = {
    .name = "import undo",
    .chapter = HD_CHAPTER_DATA,
    .only = HD_ONLY_HTTP,
    .doc = HD_TEXT("take an import back", "撤销某次导入"),
    .detail =
        HD_TEXT("What it brought goes, what it overwrote returns. An import whose rows a "
                "later one changed has to wait until that one is undone.",
                "移除其带来的内容，恢复其覆盖的内容。若其行已被之后的导入修改，须先撤销后者。"),
    .method = "POST",
    .path = "/api/v1/imports/{import}/undo",
    .scope = HD_SCOPE_WRITE,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_ALONE,
    .schema = "{\"type\":\"object\",\"properties\":{\"undone\":{\"type\":\"integer\"},\"rows\":"
              "{\"type\":\"integer\"}},\"required\":[\"undone\",\"rows\"]}",
    .params = one_params,
    .n_params = sizeof one_params / sizeof one_params[0],
    .result_doc = "import",
    .run = undo_run,
};
