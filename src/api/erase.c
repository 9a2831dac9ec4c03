// SPDX-License-Identifier: Apache-2.0
//
// heed users erase, privacy retain, privacy receipt.
#include "workspace/erase.h"
#include "workspace/retain.h"

#include "api/call.h"
#include "api/list.h"
#include "api/show.h"

// ── Erase ──

// A command is easily typed wrong; who sends DELETE means it.
static heed_err need_yes(hd_call *call) {
    bool typed = !call->caller.name || strcmp(call->caller.name, "cli") == 0;
    if (!typed || hd_call_bool(call, "yes")) return HEED_OK;
    const hd_text question = HD_TEXT("erase this person for good?", "确定要永久删除此人吗？");
    if (call->confirm && call->confirm(call->ctx, question)) return HEED_OK;
    return HD_FAIL(HEED_USAGE, "erasing a person can't be taken back; say --yes to do it",
                   "删除无法撤销；确认请加 --yes");
}

static heed_err write_receipt(const json_t *result, const char *path) {
    const char *text = hd_json_text(result, "receipt");
    return path ? hd_fs_write(path, text, strlen(text), 0600) : HEED_OK;
}

static heed_err erase_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    HD_TRY(need_yes(call));
    HD_TRY(hd_call_open(call, HEED_WRITE, "heed users erase", &ws));
    heed_err err = hd_users_erase(ws, hd_call_text(call, "user"), result);
    hd_call_close(call, ws);
    return err ? err : write_receipt(*result, hd_call_text(call, "receipt"));
}

static heed_err erase_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)width;
    const json_t *removed = json_object_get(result, "removed");
    hd_str_addf(
        out,
        hd_say(lang,
               "erased: %lld ids, %lld events, %lld reviews, %lld tickets with %lld "
               "messages\n",
               "已删除：%lld 个 id，%lld 个事件，%lld 条评论，%lld 个工单（%lld 条消息）\n"),
        (long long)hd_json_int(removed, "ids"), (long long)hd_json_int(removed, "events"),
        (long long)hd_json_int(removed, "reviews"), (long long)hd_json_int(removed, "tickets"),
        (long long)hd_json_int(removed, "messages"));
    if (hd_json_int(result, "models") > 0)
        hd_str_addf(out,
                    hd_say(lang, "%lld model versions had learned from them\n",
                           "有 %lld 个模型版本曾从其数据中学习\n"),
                    (long long)hd_json_int(result, "models"));
    if (!json_is_true(json_object_get(result, "finished")))
        hd_str_add(out, hd_say(lang,
                               "cleaning up is not finished yet: the next command that writes "
                               "goes on with it\n",
                               "清理尚未完成：下一个写入的命令会继续\n"));
    hd_str_addf(out, "%s", hd_json_text(result, "receipt"));
    return hd_str_check(out);
}

static heed_err erase_next(const json_t *result, heed_lang lang, hd_str *out) {
    if (hd_json_int(result, "models") > 0)
        hd_str_add(
            out, hd_say(lang, "models without them: heed train", "训练不含此人的模型：heed train"));
    return hd_str_check(out);
}

static const hd_param erase_params[] = {
    {"user", HD_PARAM_TEXT, .positional = true, .required = true,
     .doc = HD_TEXT("one of the person's ids", "此人的任意一个 id")},
    {"yes", HD_PARAM_BOOL, .only = HD_ONLY_CLI, .doc = HD_TEXT("don't ask", "不再询问")},
    {"receipt", HD_PARAM_TEXT, .file = true, .only = HD_ONLY_CLI, .metavar = "FILE",
     .doc = HD_TEXT("write the signed receipt to this file too", "将签名回执也写入此文件")},
};

const hd_op hd_op_users_erase = {
    .name = "users erase",
    .chapter = HD_CHAPTER_DATA,
    .doc = HD_TEXT("erase a person, with a signed receipt", "删除某人的全部数据，并给出签名回执"),
    .detail = HD_TEXT("All ids of the person go with all their rows, and the keys that sealed them "
                      "are destroyed, so that copies can't be read either. Models that learned "
                      "from them are marked; training again leaves them out and removes those. An "
                      "older backup that is restored with these keys loses the person before it "
                      "can be read.",
                      "此人的所有 id "
                      "及全部数据行都会删除，加密它们的密钥也会销毁，因此副本同样无法读取。"
                      "曾从其数据中学习的模型会被标记；重新训练后不再包含此人，旧模型随之移除。"
                      "用这些密钥恢复更早的备份时，此人会在数据可读之前先被移除。"),
    .examples = (const char *const[]){"heed users erase u42 --yes --receipt u42.json", NULL},
    .method = "DELETE",
    .path = "/api/v1/users/{user}",
    .scope = HD_SCOPE_PERSONAL,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_ALONE,
    .purpose = "rights",
    .params = erase_params,
    .n_params = sizeof erase_params / sizeof erase_params[0],
    .result_doc = "users",
    .run = erase_run,
    .text = erase_text,
    .next = erase_next,
};

// ── Retention ──

static heed_err retain_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    bool dry_run = hd_call_bool(call, "dry_run");
    HD_TRY(hd_call_open(call, dry_run ? HEED_READ : HEED_WRITE, "heed privacy retain", &ws));
    heed_err err = hd_privacy_retain(ws, hd_time_now(), dry_run, result);
    hd_call_close(call, ws);
    return err;
}

static heed_err retain_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)width;
    bool dry_run = json_is_true(json_object_get(result, "dry_run"));
    hd_str_addf(out,
                dry_run ? hd_say(lang,
                                 "past their time: %lld events, %lld reviews, %lld tickets with "
                                 "%lld messages, %lld persons\n",
                                 "已到期：%lld 个事件，%lld 条评论，%lld 个工单（%lld "
                                 "条消息），%lld 个人\n")
                        : hd_say(lang,
                                 "removed: %lld events, %lld reviews, %lld tickets with %lld "
                                 "messages, %lld persons\n",
                                 "已删除：%lld 个事件，%lld 条评论，%lld 个工单（%lld "
                                 "条消息），%lld 个人\n"),
                (long long)hd_json_int(result, "events"), (long long)hd_json_int(result, "reviews"),
                (long long)hd_json_int(result, "tickets"),
                (long long)hd_json_int(result, "messages"),
                (long long)hd_json_int(result, "users"));
    return hd_str_check(out);
}

static const hd_param retain_params[] = {
    {"dry_run", HD_PARAM_BOOL, .doc = HD_TEXT("only count what would go", "只统计会删除多少")},
};

const hd_op hd_op_privacy_retain = {
    .name = "privacy retain",
    .chapter = HD_CHAPTER_CARE,
    .doc = HD_TEXT("remove what is past its time", "删除已过保留期的数据"),
    .detail = HD_TEXT(
        "By the settings retention.events, .reviews, .tickets and .users, in days; 0 "
        "keeps for ever. A server does it once a day by itself; without one run it "
        "by cron or a systemd timer.",
        "依据设置 retention.events、.reviews、.tickets 和 "
        ".users（天数），0 表示一直保留。服务器每天自行运行一次；没有服务器时可用 cron 或 systemd 定时器。"),
    .examples = (const char *const[]){"heed privacy retain --dry-run",
                                      "heed privacy retain --setting retention.events=730", NULL},
    .method = "POST",
    .path = "/api/v1/privacy/retain",
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_ALONE,
    .params = retain_params,
    .n_params = sizeof retain_params / sizeof retain_params[0],
    .result_doc = "privacy",
    .run = retain_run,
    .text = retain_text,
};

// ── Receipts ──

enum { RECEIPT_MOST = 64 * 1024, LIST_MOST = 1000 };

static heed_err verify_file(heed_workspace *ws, const char *path, json_t **result) {
    hd_str text;
    json_t *receipt = NULL;
    hd_str_init(&text);
    heed_err err = hd_fs_read(path, RECEIPT_MOST, &text);
    if (err == HEED_OK)
        err = hd_privacy_verify(ws, (hd_slice){hd_str_get(&text), text.len}, &receipt);
    hd_str_clear(&text);
    HD_TRY(err);
    return hd_json_pack(result, "{s:b, s:b, s:o}", "genuine", 1, "ours", ws != NULL, "receipt",
                        receipt);
}

// With a workspace its own key must have signed; without one, the receipt must be one piece.
static heed_err verify(hd_call *call, const char *path, json_t **result) {
    heed_workspace *ws = NULL;
    if (call->workspace) HD_TRY(hd_call_open(call, HEED_READ, "heed privacy receipt", &ws));
    heed_err err = verify_file(ws, path, result);
    hd_call_close(call, ws);
    return err;
}

static heed_err list(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    json_t *receipts = NULL;
    if (!call->workspace)
        return HD_FAIL(HEED_USAGE, "give a receipt to verify: --verify FILE",
                       "请用 --verify 文件 给出要验证的回执");
    HD_TRY(hd_call_open(call, HEED_READ, "heed privacy receipt", &ws));
    heed_err err = hd_privacy_receipts(ws, LIST_MOST, &receipts);
    hd_call_close(call, ws);
    return err ? err : hd_json_pack(result, "{s:o}", "receipts", receipts);
}

static heed_err receipt_run(hd_call *call, json_t **result) {
    const char *path = hd_call_text(call, "verify");
    return path ? verify(call, path, result) : list(call, result);
}

static heed_err receipt_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)width;
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(result, "receipts"), i, one) {
        hd_str_add(out, json_string_value(one));
    }
    if (json_object_get(result, "genuine")) {
        const json_t *receipt = json_object_get(result, "receipt");
        hd_str_addf(out,
                    json_is_true(json_object_get(result, "ours"))
                        ? hd_say(lang, "genuine: this workspace erased a person at %s\n",
                                 "回执真实：此工作区于 %s 删除了一个人的数据\n")
                        : hd_say(lang,
                                 "one piece: somebody erased a person at %s; whose key signed it "
                                 "is for you to tell\n",
                                 "回执完整：某人的数据于 %s 被删除；签名密钥属于谁请自行核对\n"),
                    hd_json_text(receipt, "time"));
    }
    return hd_str_check(out);
}

static const hd_param receipt_params[] = {
    {"verify", HD_PARAM_TEXT, .file = true, .only = HD_ONLY_CLI, .metavar = "FILE",
     .doc = HD_TEXT("whether this receipt is genuine", "验证此回执是否真实")},
};

const hd_op hd_op_privacy_receipt = {
    .name = "privacy receipt",
    .chapter = HD_CHAPTER_CARE,
    .doc = HD_TEXT("show receipts of erasures, or verify one", "列出删除回执，或验证一份回执"),
    .detail = HD_TEXT("A receipt is signed by the workspace's key and names nobody. Outside of a "
                      "workspace it can be verified to be one piece.",
                      "回执由工作区的密钥签名，不含任何人的身份。在工作区之外也可验证其是否完整。"),
    .examples = (const char *const[]){"heed privacy receipt --verify u42.json", NULL},
    .method = "GET",
    .path = "/api/v1/privacy/receipts",
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_ANY,
    .run_as = HD_RUN_READ,
    .params = receipt_params,
    .n_params = sizeof receipt_params / sizeof receipt_params[0],
    .result_doc = "privacy",
    .run = receipt_run,
    .text = receipt_text,
};
