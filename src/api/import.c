// SPDX-License-Identifier: Apache-2.0
//
// heed import: files in, batches listed, a batch taken back. The text shows what each file was
// taken for, because a wrong guess is the commonest mistake and the easiest to see.
#include "workspace/import.h"

#include "api/call.h"
#include "api/list.h"
#include "api/show.h"

static const char *kind_at(size_t i) {
    return i < HD_KINDS ? hd_kind_name((hd_kind)i) : NULL;
}

static const char *preset_at(size_t i) {
    return hd_presets[i] ? hd_preset_name(hd_presets[i]) : NULL;
}

static const char *time_format_at(size_t i) {
    return i < HD_TIME_FORMATS ? hd_time_format_name((hd_time_format_id)i) : NULL;
}

// ── Results as JSON ──

static heed_err columns_json(const heed_import_file *file, json_t **out) {
    json_t *list = json_array();
    if (!list) return HD_FAIL_MEMORY(0);
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < file->n_columns; i++) {
        json_t *entry = NULL;
        err = hd_json_pack(&entry, "{s:s, s:s}", "column", file->columns[i].column, "field",
                           file->columns[i].field);
        if (err == HEED_OK) err = hd_json_append(list, entry);
    }
    if (err != HEED_OK)
        json_decref(list);
    else
        *out = list;
    return err;
}

static heed_err rejects_json(const heed_import_file *file, heed_lang lang, json_t **out) {
    json_t *list = json_array();
    if (!list) return HD_FAIL_MEMORY(0);
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < file->n_rejects; i++) {
        json_t *entry = NULL;
        err = hd_json_pack(&entry, "{s:I, s:s}", "line", (json_int_t)file->rejects[i].line,
                           "reason", file->rejects[i].reason[lang]);
        if (err == HEED_OK) err = hd_json_append(list, entry);
    }
    if (err != HEED_OK)
        json_decref(list);
    else
        *out = list;
    return err;
}

static heed_err redactions_json(const heed_import_file *file, heed_lang lang, json_t **out) {
    json_t *list = json_array();
    if (!list) return HD_FAIL_MEMORY(0);
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < file->n_redactions; i++) {
        const heed_import_redaction *redaction = &file->redactions[i];
        json_t *entry = NULL;
        err = hd_json_pack(&entry, "{s:s, s:s, s:I}", "type", redaction->type, "what",
                           redaction->what[lang], "count", (json_int_t)redaction->count);
        if (err == HEED_OK) err = hd_json_append(list, entry);
    }
    if (err != HEED_OK)
        json_decref(list);
    else
        *out = list;
    return err;
}

static heed_err guess_json(const heed_import_file *file, json_t **out) {
    json_t *columns = NULL;
    HD_TRY(columns_json(file, &columns));
    const char delimiter[2] = {file->delimiter, '\0'};
    return hd_json_pack(out, "{s:s, s:s, s:s, s:s, s:b, s:s, s:b, s:o}", "format", file->format,
                        "packing", file->packing, "encoding", file->encoding, "delimiter",
                        delimiter, "header", file->header, "time_format", file->time_format,
                        "time_ambiguous", file->time_ambiguous, "columns", columns);
}

static heed_err file_json(const heed_import_file *file, heed_lang lang, json_t **out) {
    json_t *guess = NULL;
    json_t *rejects = NULL;
    json_t *redacted = NULL;
    HD_TRY(guess_json(file, &guess));
    heed_err err = rejects_json(file, lang, &rejects);
    if (err == HEED_OK) err = redactions_json(file, lang, &redacted);
    if (err != HEED_OK) {
        json_decref(guess);
        json_decref(rejects);
        return err;
    }
    return hd_json_pack(out, "{s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:s, s:o, s:o, s:o}", "file",
                        file->path, "batch", (json_int_t)file->batch, "kind", file->kind, "rows",
                        (json_int_t)file->rows, "new", (json_int_t)file->added, "changed",
                        (json_int_t)file->changed, "same", (json_int_t)file->same, "rejected",
                        (json_int_t)file->rejected, "reject_file", file->reject_file, "guess",
                        guess, "rejects", rejects, "redacted", redacted);
}

static heed_err result_json(const heed_import_result *in, heed_lang lang, json_t **out) {
    json_t *files = json_array();
    if (!files) return HD_FAIL_MEMORY(0);
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < in->n_files; i++) {
        json_t *file = NULL;
        err = file_json(&in->files[i], lang, &file);
        if (err == HEED_OK) err = hd_json_append(files, file);
    }
    if (err == HEED_OK)
        return hd_json_pack(out, "{s:b, s:f, s:o}", "kept", in->kept, "seconds", in->seconds,
                            "files", files);
    json_decref(files);
    return err;
}

// ── Running ──

static heed_err import_files(hd_call *call, heed_workspace *ws, json_t **result) {
    hd_arena arena;
    hd_arena_init(&arena);
    heed_import_params params = heed_import_default();
    heed_import_result *imported = NULL;
    heed_err err = HEED_OK;
    const char **paths = NULL;
    const char **maps = NULL;
    HD_TRY_OUT(hd_call_list(call, "file", &arena, &paths, &params.n_paths));
    HD_TRY_OUT(hd_call_list(call, "map", &arena, &maps, &params.n_maps));
    params.paths = paths;
    params.maps = maps;
    params.kind = hd_call_text(call, "as");
    params.preset = hd_call_text(call, "preset");
    params.encoding = hd_call_text(call, "encoding");
    params.delimiter = hd_call_text(call, "delimiter");
    if (hd_call_has(call, "header")) params.header = hd_call_bool(call, "header");
    params.time_format = hd_call_text(call, "time_format");
    params.allow_rejects = hd_call_bool(call, "allow_rejects");
    params.dry_run = hd_call_bool(call, "dry_run");
    params.again = hd_call_bool(call, "again");
    err = heed_import(ws, &params, &imported);
    if (imported) {
        hd_error failure;
        hd_error_get(&failure);
        heed_err shown = result_json(imported, call->lang, result);
        if (shown != HEED_OK)
            err = shown;
        else if (err != HEED_OK)
            err = hd_error_restore(&failure);
    }
out:
    heed_import_result_free(imported);
    hd_arena_clear(&arena);
    return err;
}

static heed_err undo(hd_call *call, heed_workspace *ws, json_t **result) {
    int64_t batch = hd_call_int(call, "undo", 0);
    int64_t rows = 0;
    HD_TRY(heed_import_undo(ws, batch, &rows));
    return hd_json_pack(result, "{s:I, s:I}", "undone", (json_int_t)batch, "rows",
                        (json_int_t)rows);
}

static heed_err list(heed_workspace *ws, json_t **result) {
    json_t *batches = NULL;
    HD_TRY(hd_import_list(ws, &batches));
    return hd_json_pack(result, "{s:o}", "batches", batches);
}

static heed_err check_use(hd_call *call) {
    int uses = hd_call_has(call, "file") + hd_call_has(call, "undo") + hd_call_bool(call, "list");
    if (uses == 1) return HEED_OK;
    return HD_FAIL(HEED_USAGE, "'heed import' takes files, or --undo, or --list",
                   "“heed import”后面给出文件，或 --undo，或 --list");
}

static heed_err import_run(hd_call *call, json_t **result) {
    HD_TRY(check_use(call));
    heed_workspace *ws = NULL;
    bool listing = hd_call_bool(call, "list");
    HD_TRY(hd_call_open(call, listing ? HEED_READ : HEED_WRITE, "heed import", &ws));
    heed_err err = listing                     ? list(ws, result)
                   : hd_call_has(call, "undo") ? undo(call, ws, result)
                                               : import_files(call, ws, result);
    hd_call_close(call, ws);
    return err;
}

// ── Results as text ──

static void add_guess(const json_t *file, heed_lang lang, hd_str *out) {
    const json_t *guess = json_object_get(file, "guess");
    hd_str_addf(out, hd_say(lang, "  %s: taken as %s, %s", "  %s：识别为 %s，%s"),
                hd_json_text(file, "file"), hd_json_text(guess, "format"),
                hd_json_text(guess, "encoding"));
    const char *packing = hd_json_text(guess, "packing");
    if (packing[0]) hd_str_addf(out, ", %s", packing);
    const char *times = hd_json_text(guess, "time_format");
    if (times[0]) hd_str_addf(out, hd_say(lang, ", times %s", "，时间格式 %s"), times);
    if (json_is_true(json_object_get(guess, "time_ambiguous")))
        hd_str_add(out, hd_say(lang, " (day and month could be the other way round: --time-format)",
                               "（日和月可能颠倒：可用 --time-format 指定）"));
    size_t i;
    json_t *column;
    const char *sep = hd_say(lang, "; ", "；");
    json_array_foreach(json_object_get(guess, "columns"), i, column) {
        const char *field = hd_json_text(column, "field");
        hd_str_addf(out, "%s%s → %s", sep, hd_json_text(column, "column"),
                    field[0] ? field : hd_say(lang, "(attributes)", "（附加属性）"));
        sep = ", ";
    }
    hd_str_addc(out, '\n');
}

static void add_rejects(const json_t *file, heed_lang lang, hd_str *out) {
    size_t i;
    json_t *reject;
    const json_t *rejects = json_object_get(file, "rejects");
    json_array_foreach(rejects, i, reject) {
        hd_str_addf(out, "  %s:%lld: %s\n", hd_json_text(file, "file"),
                    (long long)hd_json_int(reject, "line"), hd_json_text(reject, "reason"));
    }
    int64_t more = hd_json_int(file, "rejected") - (int64_t)json_array_size(rejects);
    const char *path = hd_json_text(file, "reject_file");
    if (more > 0)
        hd_str_addf(out, hd_say(lang, "  … and %lld more\n", "  …… 另有 %lld 行\n"),
                    (long long)more);
    if (path[0]) hd_str_addf(out, hd_say(lang, "  all of them: %s\n", "  全部见：%s\n"), path);
}

// "reviews.csv: redacted 3 × phone number, 1 × e-mail address"
static void add_redactions(const json_t *file, heed_lang lang, hd_str *out) {
    size_t i;
    json_t *entry;
    const json_t *redacted = json_object_get(file, "redacted");
    json_array_foreach(redacted, i, entry) {
        if (i == 0)
            hd_str_addf(out, hd_say(lang, "  %s: redacted ", "  %s：已去除 "),
                        hd_json_text(file, "file"));
        hd_str_addf(out, hd_say(lang, "%s%lld × %s", "%s%lld 处%s"),
                    i == 0 ? "" : hd_say(lang, ", ", "、"), (long long)hd_json_int(entry, "count"),
                    hd_json_text(entry, "what"));
    }
    if (json_array_size(redacted) > 0) hd_str_addc(out, '\n');
}

static heed_err files_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    size_t i;
    json_t *file;
    const json_t *files = json_object_get(result, "files");
    json_array_foreach(files, i, file) {
        add_guess(file, lang, out);
        add_rejects(file, lang, out);
        add_redactions(file, lang, out);
    }
    hd_grid grid;
    hd_grid_init(&grid, "llrrrrrr");
    hd_grid_head(&grid, hd_say(lang, "file", "文件"), hd_say(lang, "kind", "种类"),
                 hd_say(lang, "rows", "行"), hd_say(lang, "new", "新增"),
                 hd_say(lang, "changed", "更新"), hd_say(lang, "same", "相同"),
                 hd_say(lang, "rejected", "拒绝"), hd_say(lang, "batch", "批次"));
    json_array_foreach(files, i, file) {
        int64_t batch = hd_json_int(file, "batch");
        hd_grid_row(&grid, hd_json_text(file, "file"), hd_json_text(file, "kind"),
                    hd_show_int(&grid.arena, hd_json_int(file, "rows")),
                    hd_show_int(&grid.arena, hd_json_int(file, "new")),
                    hd_show_int(&grid.arena, hd_json_int(file, "changed")),
                    hd_show_int(&grid.arena, hd_json_int(file, "same")),
                    hd_show_int(&grid.arena, hd_json_int(file, "rejected")),
                    batch ? hd_show_int(&grid.arena, batch) : "–");
    }
    hd_str_addc(out, '\n');
    heed_err err = hd_grid_print(&grid, width, out);
    const char *seconds = hd_show_seconds(&grid.arena, hd_json_num(result, "seconds"));
    bool kept = json_is_true(json_object_get(result, "kept"));
    if (seconds)
        hd_str_addf(
            out,
            kept ? hd_say(lang, "\n  imported in %s\n", "\n  导入用时 %s\n")
                 : hd_say(lang, "\n  nothing was kept (%s)\n", "\n  没有保留任何内容（%s）\n"),
            seconds);
    hd_grid_clear(&grid);
    return err;
}

static heed_err batches_text(const json_t *batches, heed_lang lang, size_t width, hd_str *out) {
    hd_grid grid;
    hd_grid_init(&grid, "rlllrrrrl");
    hd_grid_head(&grid, hd_say(lang, "batch", "批次"), hd_say(lang, "when (UTC)", "时间（UTC）"),
                 hd_say(lang, "source", "来源"), hd_say(lang, "kind", "种类"),
                 hd_say(lang, "rows", "行"), hd_say(lang, "new", "新增"),
                 hd_say(lang, "changed", "更新"), hd_say(lang, "rejected", "拒绝"), "");
    size_t i;
    json_t *batch;
    json_array_foreach(batches, i, batch) {
        bool undone = json_is_true(json_object_get(batch, "undone"));
        hd_grid_row(&grid, hd_show_int(&grid.arena, hd_json_int(batch, "batch")),
                    hd_json_text(batch, "started"), hd_json_text(batch, "source"),
                    hd_json_text(batch, "kind"),
                    hd_show_int(&grid.arena, hd_json_int(batch, "rows")),
                    hd_show_int(&grid.arena, hd_json_int(batch, "new")),
                    hd_show_int(&grid.arena, hd_json_int(batch, "changed")),
                    hd_show_int(&grid.arena, hd_json_int(batch, "rejected")),
                    undone ? hd_say(lang, "undone", "已撤销") : "");
    }
    heed_err err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    return err;
}

static heed_err import_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    const json_t *batches = json_object_get(result, "batches");
    if (batches) return batches_text(batches, lang, width, out);
    if (!json_object_get(result, "undone")) return files_text(result, lang, width, out);
    hd_str_addf(out,
                hd_say(lang, "import %lld was undone: %lld rows went or returned\n",
                       "已撤销第 %lld 次导入：%lld 行被移除或恢复\n"),
                (long long)hd_json_int(result, "undone"), (long long)hd_json_int(result, "rows"));
    return hd_str_check(out);
}

static heed_err import_next(const json_t *result, heed_lang lang, hd_str *out) {
    if (json_is_true(json_object_get(result, "kept")))
        hd_str_add(out, hd_say(lang, "next: heed train   (what the data looks like: heed report)",
                               "下一步：heed train （想先看看数据：heed report）"));
    return hd_str_check(out);
}

static const hd_param import_params[] = {
    {"file", HD_PARAM_TEXT, .positional = true, .many = true, .file = true, .upload = true,
     .doc = HD_TEXT("files, or - for standard input", "文件，- 表示标准输入")},
    {"as", HD_PARAM_CHOICE, .choice_at = kind_at, .metavar = "KIND",
     .doc = HD_TEXT("what the files hold", "文件里是什么")},
    {"preset", HD_PARAM_CHOICE, .choice_at = preset_at,
     .doc = HD_TEXT("files as another system writes them", "其他系统导出的文件")},
    {"map", HD_PARAM_TEXT, .many = true, .metavar = "COLUMN=FIELD",
     .doc = HD_TEXT("which field a column is", "某一列对应哪个字段")},
    {"encoding", HD_PARAM_TEXT, .metavar = "NAME",
     .doc = HD_TEXT("encoding of the text: utf-8, gb18030, …", "文字编码：utf-8、gb18030 等")},
    {"delimiter", HD_PARAM_TEXT, .metavar = "CHAR",
     .doc = HD_TEXT("what stands between columns", "列之间的分隔符")},
    {"header", HD_PARAM_BOOL,
     .doc = HD_TEXT("the first line names the columns (--no-header: it doesn't)",
                    "第一行是列名（--no-header：不是）")},
    {"time_format", HD_PARAM_CHOICE, .choice_at = time_format_at,
     .doc = HD_TEXT("how times are written", "时间的写法")},
    {"allow_rejects", HD_PARAM_BOOL,
     .doc = HD_TEXT("load the good rows when some are bad", "有错误的行时仍载入其余的行")},
    {"dry_run", HD_PARAM_BOOL,
     .doc = HD_TEXT("try everything, keep nothing", "只试运行，不保留结果")},
    {"again", HD_PARAM_BOOL,
     .doc = HD_TEXT("take a file that was imported before", "再次导入已导入过的文件")},
    {"undo", HD_PARAM_INT, .min = 1, .max = 9007199254740991.0, .metavar = "BATCH",
     .only = HD_ONLY_CLI, .doc = HD_TEXT("take an import back", "撤销某次导入")},
    {"list", HD_PARAM_BOOL, .only = HD_ONLY_CLI,
     .doc = HD_TEXT("list the imports so far", "列出历次导入")},
};

const hd_op hd_op_import = {
    .name = "import",
    .chapter = HD_CHAPTER_DATA,
    .doc = HD_TEXT("bring users, items, events and more in from files",
                   "从文件导入用户、商品、事件等"),
    .detail = HD_TEXT(
        "Takes CSV, TSV and JSON lines, plain, .gz or .zst. Encoding, delimiter, header, columns "
        "and times are guessed, and the guess is shown.\n\nAll files come in together or not at "
        "all. A bad row stops the import unless --allow-rejects leaves it out; bad rows and their "
        "reasons go to a file in rejects/.",
        "可导入 CSV、TSV、JSON lines，可以是原文件、.gz 或 .zst。编码、分隔符、表头、列和时间格式会自动识别，"
        "并显示识别结果。\n\n所有文件要么一起载入，要么都不载入。只要有一行有误，导入就会停止，除非用 "
        "--allow-rejects 略去这些行；有误的行及原因写在 rejects/ 里的文件中。"),
    .examples = (const char *const[]){"heed import users.csv items.csv events.jsonl.gz",
                                      "heed import ratings.dat --preset movielens",
                                      "heed import log.csv --as events --map uid=user --dry-run",
                                      "heed import --undo 3", NULL},
    .method = "POST",
    .path = "/api/v1/imports",
    .scope = HD_SCOPE_WRITE,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_JOB,
    .params = import_params,
    .n_params = sizeof import_params / sizeof import_params[0],
    .result_doc = "import",
    .run = import_run,
    .text = import_text,
    .next = import_next,
};
