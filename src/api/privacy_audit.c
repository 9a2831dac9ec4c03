// SPDX-License-Identifier: Apache-2.0
//
// heed privacy audit: what was done with personal data, and whether the record of it is whole.
#include "api/call.h"
#include "api/list.h"
#include "api/show.h"
#include "workspace/auditing.h"

static heed_err time_param(hd_call *call, const char *name, hd_time *out) {
    const char *text = hd_call_text(call, name);
    *out = HD_TIME_NONE;
    if (!text || hd_time_parse(hd_slice_of(text), HD_TIME_ISO, NULL, out)) return HEED_OK;
    return HD_FAIL(HEED_USAGE, "'%s' of --%s is no time: 2026-11-22 or 2026-11-22T08:30:00Z",
                   "--%2$s 的“%1$s”不是时间：应如 2026-11-22 或 2026-11-22T08:30:00Z", text, name);
}

static heed_err cursor_param(hd_call *call, uint64_t *out) {
    const char *text = hd_call_text(call, "cursor");
    int64_t before = 0;
    if (text && (!hd_slice_i64(hd_slice_of(text), &before) || before < 1))
        return HD_FAIL(HEED_USAGE, "the cursor '%s' isn't one that a page ended with",
                       "游标“%s”不是某一页末尾给出的", text);
    *out = (uint64_t)before;
    return HEED_OK;
}

static heed_err list_entries(hd_call *call, heed_workspace *ws, json_t **result) {
    hd_audit_query query = {.what = hd_call_text(call, "what"),
                            .actor = hd_call_text(call, "actor"),
                            .user = hd_call_text(call, "user"),
                            .limit = (size_t)hd_call_int(call, "limit", 100)};
    HD_TRY(time_param(call, "since", &query.since));
    HD_TRY(time_param(call, "until", &query.until));
    HD_TRY(cursor_param(call, &query.before));
    return hd_audit_list(ws, &query, result);
}

// A command's exit code says it as well.
static heed_err judge(const hd_call *call, const json_t *result) {
    const char *who = call->caller.name;
    if (json_is_true(json_object_get(result, "sound")) || !who || strcmp(who, "cli") != 0)
        return HEED_OK;
    int64_t first = hd_json_int(result, "first_bad");
    if (first == 0) return HD_FAIL(HEED_FAILED, "the audit log is not sound", "审计日志不完整");
    return HD_FAIL(HEED_FAILED, "the audit log is not sound: the first bad entry is %lld",
                   "审计日志不完整：第一条有问题的记录是第 %lld 条", (long long)first);
}

static heed_err answer(hd_call *call, heed_workspace *ws, json_t **result) {
    const char *export = hd_call_text(call, "export");
    if (export) return hd_audit_write(ws, export, result);
    if (!hd_call_bool(call, "verify")) return list_entries(call, ws, result);
    HD_TRY(hd_audit_verdict(ws, result));
    return judge(call, *result);
}

static heed_err audit_run(hd_call *call, json_t **result) {
    const char *file = hd_call_text(call, "file");
    if (file && !hd_call_bool(call, "verify"))
        return HD_FAIL(HEED_USAGE, "--file goes with --verify", "--file 须与 --verify 一起使用");
    if (file) {
        HD_TRY(hd_audit_verdict_file(file, hd_call_text(call, "key"), result));
        return judge(call, *result);
    }
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_READ, "heed privacy audit", &ws));
    heed_err err = answer(call, ws, result);
    hd_call_close(call, ws);
    return err;
}

// ── For a person's eyes ──

static heed_err entries_text(const json_t *entries, heed_lang lang, size_t width, hd_str *out) {
    hd_grid grid;
    size_t i;
    json_t *entry;
    hd_grid_init(&grid, "rlllllrl");
    hd_grid_row(&grid, "#", hd_say(lang, "time", "时间"), hd_say(lang, "what", "操作"),
                hd_say(lang, "actor", "操作者"), hd_say(lang, "purpose", "用途"),
                hd_say(lang, "object", "对象"), hd_say(lang, "count", "数量"),
                hd_say(lang, "outcome", "结果"));
    json_array_foreach(entries, i, entry) {
        char number[32], count[32];
        const json_t *text = json_object_get(entry, "text");
        hd_snprintf(number, sizeof number, "%lld", (long long)hd_json_int(entry, "entry"));
        hd_snprintf(count, sizeof count, "%lld", (long long)hd_json_int(entry, "count"));
        hd_grid_row(&grid, number, hd_json_text(entry, "time"),
                    text ? hd_json_text(text, hd_say(lang, "en", "zh"))
                         : hd_json_text(entry, "what"),
                    hd_json_text(entry, "actor"), hd_json_text(entry, "purpose"),
                    hd_json_text(entry, "object"), count, hd_json_text(entry, "outcome"));
    }
    heed_err err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    return err;
}

static void findings_text(const json_t *findings, heed_lang lang, const char *sign, hd_str *out) {
    size_t i;
    json_t *finding;
    json_array_foreach(findings, i, finding)
        hd_str_addf(out, "%s %s\n", sign,
                    hd_json_text(json_object_get(finding, "text"), hd_say(lang, "en", "zh")));
}

static heed_err verdict_text(const json_t *result, heed_lang lang, hd_str *out) {
    long long entries = (long long)hd_json_int(result, "entries");
    bool sound = json_is_true(json_object_get(result, "sound"));
    if (sound)
        hd_str_addf(out,
                    hd_say(lang, "✓ %lld entries, each as it was recorded\n",
                           "✓ 共 %lld 条记录，均与记录时一致\n"),
                    entries);
    findings_text(json_object_get(result, "faults"), lang, "✗", out);
    findings_text(json_object_get(result, "losses"), lang, "!", out);
    if (json_is_false(json_object_get(result, "kept_apart")) && entries > 0)
        hd_str_add(out, hd_say(lang,
                               "! no checkpoint is kept beside the keys yet, so an end cut off "
                               "would not show\n",
                               "! 密钥旁尚未保存检查点，末尾若被截断将无法发现\n"));
    hd_str_addf(out, hd_say(lang, "log %s, public key %s\n", "日志 %s，公钥 %s\n"),
                hd_json_text(result, "origin"), hd_json_text(result, "public_key"));
    return hd_str_check(out);
}

static heed_err audit_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    const json_t *entries = json_object_get(result, "entries");
    if (json_object_get(result, "sound")) return verdict_text(result, lang, out);
    if (json_is_array(entries)) return entries_text(entries, lang, width, out);
    hd_str_addf(out, hd_say(lang, "wrote %lld entries to %s\n", "已将 %lld 条记录写入 %s\n"),
                (long long)hd_json_int(result, "entries"), hd_json_text(result, "file"));
    return hd_str_check(out);
}

static const hd_param audit_params[] = {
    {"since", HD_PARAM_TEXT, .metavar = "TIME",
     .doc = HD_TEXT("entries from this time on", "从此时间起的记录")},
    {"until", HD_PARAM_TEXT, .metavar = "TIME",
     .doc = HD_TEXT("entries before this time", "此时间之前的记录")},
    {"what", HD_PARAM_TEXT,
     .doc = HD_TEXT("of this kind alone (export, erase)", "只看此类操作（export、erase 等）")},
    {"actor", HD_PARAM_TEXT,
     .doc = HD_TEXT("by this actor alone: cli, or an API key's id",
                    "只看此操作者：cli 或 API 密钥的 id")},
    {"user", HD_PARAM_TEXT, .doc = HD_TEXT("on this user alone", "只看与此用户有关的记录")},
    {"limit", HD_PARAM_INT, .initial = "100", .min = 1, .max = 1000,
     .doc = HD_TEXT("entries at most", "最多多少条")},
    {"cursor", HD_PARAM_TEXT,
     .doc = HD_TEXT("next_cursor of the page before", "上一页给出的 next_cursor")},
    {"verify", HD_PARAM_BOOL,
     .doc = HD_TEXT("check that nothing was edited, deleted, reordered, cut off or recorded anew",
                    "检查是否有记录被修改、删除、调换、截断或重写")},
    {"export", HD_PARAM_TEXT, .file = true, .only = HD_ONLY_CLI, .metavar = "FILE",
     .doc = HD_TEXT("write the whole log with its checkpoints to a file",
                    "把整个日志及其检查点写入文件")},
    {"file", HD_PARAM_TEXT, .file = true, .only = HD_ONLY_CLI, .metavar = "FILE",
     .doc = HD_TEXT("with --verify: check an exported file instead, without the workspace",
                    "与 --verify 一起：检查导出的文件，不需要工作区")},
    {"key", HD_PARAM_TEXT, .only = HD_ONLY_CLI, .metavar = "HEX",
     .doc = HD_TEXT("with --file: the public key that must have signed it",
                    "与 --file 一起：签名所用的公钥")},
};

const hd_op hd_op_privacy_audit = {
    .name = "privacy audit",
    .chapter = HD_CHAPTER_CARE,
    .doc = HD_TEXT("what was done with personal data, and whether that record is whole",
                   "对个人数据做过什么，以及这份记录是否完整"),
    .detail = HD_TEXT(
        "Lists the audit log, newest first: imports, exports, erasures, consents, changes of keys "
        "and settings, failed sign-ins, and counts of reads. Persons stand there as pseudonyms. "
        "--verify checks it and names the first bad entry; it then exits with 1. Keep an exported "
        "file, or its last checkpoint, where whoever administers heed can't change it.",
        "列出审计日志，新的在前：导入、导出、删除、同意、密钥与设置的更改、失败的登录以及读取计数。"
        "其中的个人以假名出现。--verify 检查日志并指出第一条有问题的记录，此时退出码为 1。"
        "请把导出的文件或其最后一个检查点保存在 heed 的管理者无法改动的地方。"),
    .examples = (const char *const[]){"heed privacy audit --what erase --since 2026-11-01",
                                      "heed privacy audit --verify",
                                      "heed privacy audit --export audit.jsonl",
                                      "heed privacy audit --verify --file audit.jsonl", NULL},
    .method = "GET",
    .path = "/api/v1/privacy/audit",
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_ANY,
    .params = audit_params,
    .n_params = sizeof audit_params / sizeof audit_params[0],
    .result_doc = "privacy-audit",
    .run = audit_run,
    .text = audit_text,
};
