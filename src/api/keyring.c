// SPDX-License-Identifier: Apache-2.0
//
// The workspace's own keys: heed key export, import, rotate, passphrase; heed privacy seal. None of
// it goes over HTTP: keys are not sent.
#include <stdlib.h>

#include "api/call.h"
#include "api/list.h"
#include "base/log.h"
#include "workspace/auditing.h"
#include "workspace/keys.h"

// ── The passphrase of a copy ──

typedef struct copy_asking {
    hd_call *call;
    const char *file;
} copy_asking;

// By the file that was named, $HEED_COPY_PASSPHRASE, or a person.
static heed_err ask_for_copy(void *ctx, bool fresh, hd_str *out) {
    const copy_asking *asking = ctx;
    const char *given = getenv("HEED_COPY_PASSPHRASE");
    if (asking->file) return hd_keys_read_passphrase(asking->file, out);
    if (given && given[0]) {
        hd_str_add(out, given);
        return hd_str_check(out);
    }
    if (asking->call->secret) return asking->call->secret(asking->call->ctx, fresh, out);
    return HD_FAIL(HEED_NOT_FOUND,
                   "the copy needs a passphrase of its own: give --passphrase-file, or run in a "
                   "terminal",
                   "副本需要单独的口令：请用 --passphrase-file 指定，或在终端中运行");
}

#define COPY_PARAMS                                                                            \
    {"file",                                                                                   \
     HD_PARAM_TEXT,                                                                            \
     .positional = true,                                                                       \
     .required = true,                                                                         \
     .file = true,                                                                             \
     .doc = HD_TEXT("the file with the copy of the keys", "存放密钥副本的文件")},              \
        {"passphrase_file", HD_PARAM_TEXT, .file = true, .metavar = "FILE",                    \
         .doc = HD_TEXT("file whose first line is the copy's passphrase (default: asked for)", \
                        "第一行是副本口令的文件（默认：询问）")},

static const hd_param copy_params[] = {COPY_PARAMS};
enum { COPY_N = sizeof copy_params / sizeof copy_params[0] };

static heed_err file_result(hd_call *call, json_t **result) {
    return hd_json_pack(result, "{s:s}", "file", hd_call_text(call, "file"));
}

// ── export ──

// Keys are files beside the data, so an entry can't stand in one transaction with what it records:
// it is written first, else nothing is done; what fails then has a second entry, with how.
static heed_err record_first(heed_workspace *ws, hd_audit_what what, const char *object) {
    return hd_workspace_record(ws, &(hd_audit_entry){.what = what, .object = object});
}

static heed_err record_failure(heed_workspace *ws, hd_audit_what what, const char *object,
                               heed_err err) {
    hd_error failure;
    if (err == HEED_OK) return HEED_OK;
    hd_error_get(&failure);
    hd_workspace_record_gladly(ws,
                               &(hd_audit_entry){.what = what, .object = object, .outcome = err});
    return hd_error_restore(&failure);
}

static heed_err export_to(heed_workspace *ws, const char *file, const hd_passphrase *passphrase) {
    HD_TRY(record_first(ws, HD_AUDIT_KEY_EXPORT, NULL));
    heed_err err = hd_keyring_export(ws->keyring, file, passphrase);
    return record_failure(ws, HD_AUDIT_KEY_EXPORT, NULL, err);
}

static heed_err export_run(hd_call *call, json_t **result) {
    copy_asking asking = {call, hd_call_text(call, "passphrase_file")};
    const hd_passphrase passphrase = {ask_for_copy, &asking};
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_READ, "heed key export", &ws));
    heed_err err = export_to(ws, hd_call_text(call, "file"), &passphrase);
    hd_call_close(call, ws);
    HD_TRY(err);
    return file_result(call, result);
}

static heed_err export_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)width;
    hd_str_addf(
        out,
        hd_say(lang,
               "all keys are in %s, under its passphrase; persons who come later are not: "
               "make one with every backup\n",
               "全部密钥已写入 %s，由其口令保护；此后新增的用户不在其中：请随每次备份一起导出\n"),
        hd_json_text(result, "file"));
    return hd_str_check(out);
}

const hd_op hd_op_key_export = {
    .name = "key export",
    .chapter = HD_CHAPTER_CARE,
    .doc = HD_TEXT("copy the workspace's own keys into one file under a passphrase",
                   "把工作区自身的密钥复制到一个由口令保护的文件"),
    .detail =
        HD_TEXT("A backup holds no keys: without this copy, or the keys/ folder, what it holds "
                "of persons stays sealed. Keep the two apart. A copy also holds the keys of "
                "persons erased later: replace old copies.",
                "备份不含密钥：没有这份副本或 keys/ 文件夹，备份中的个人内容无法解开。"
                "请与备份分开保管。副本中也含有之后被擦除的用户的密钥：请及时替换旧副本。"),
    .examples = (const char *const[]){"heed key export /mnt/safe/shop.keys", NULL},
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_NEVER,
    .params = copy_params,
    .n_params = COPY_N,
    .result_doc = "keyring",
    .run = export_run,
    .text = export_text,
};

// ── import ──

static heed_err import_run(hd_call *call, json_t **result) {
    copy_asking asking = {call, hd_call_text(call, "passphrase_file")};
    heed_workspace *ws = NULL;
    HD_TRY(hd_keys_import(call->workspace, call->settings, hd_call_text(call, "file"),
                          (hd_passphrase){ask_for_copy, &asking}));
    HD_TRY(hd_call_open(call, HEED_READ, "heed key import", &ws)); // they fit
    if (hd_keys_record_import(ws) !=
        HEED_OK) // somebody writes for long: the next who does records it
        HD_LOG(HD_LOG_WARN, "audit", "later", HD_KV_STR("why", heed_error_message(HEED_EN)));
    hd_call_close(call, ws);
    return file_result(call, result);
}

static heed_err import_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)width;
    hd_str_addf(out,
                hd_say(lang, "the keys of %s are in place, under a new key file\n",
                       "%s 中的密钥已就位，由新的密钥文件保护\n"),
                hd_json_text(result, "file"));
    return hd_str_check(out);
}

const hd_op hd_op_key_import = {
    .name = "key import",
    .chapter = HD_CHAPTER_CARE,
    .doc = HD_TEXT("bring the workspace's own keys back from a copy", "由副本恢复工作区自身的密钥"),
    .detail =
        HD_TEXT("For a workspace restored from a backup. Keys of another workspace are "
                "refused, and so is a workspace that has keys.",
                "用于由备份恢复的工作区。其他工作区的密钥会被拒绝；已有密钥的工作区也会被拒绝。"),
    .examples = (const char *const[]){"heed key import /mnt/safe/shop.keys", NULL},
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_NEVER,
    .params = copy_params,
    .n_params = COPY_N,
    .result_doc = "keyring",
    .run = import_run,
    .text = import_text,
};

// ── rotate ──

static heed_err rotate(heed_workspace *ws, bool master) {
    const char *what = master ? "workspace and master key" : "workspace key";
    HD_TRY(hd_keyring_need(ws->keyring));
    if (master && hd_keyring_has_passphrase(ws->keyring))
        return HD_FAIL(HEED_USAGE,
                       "a passphrase is the master key: 'heed key passphrase' changes it",
                       "主密钥就是口令：请用“heed key passphrase”更换");
    HD_TRY(record_first(ws, HD_AUDIT_KEY_ROTATE, what));
    heed_err err = hd_keyring_rotate(ws->keyring);
    if (err == HEED_OK && master) err = hd_keyring_use_key_file(ws->keyring);
    return record_failure(ws, HD_AUDIT_KEY_ROTATE, what, err);
}

static heed_err rotate_run(hd_call *call, json_t **result) {
    bool master = hd_call_bool(call, "master");
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_WRITE, "heed key rotate", &ws));
    heed_err err = rotate(ws, master);
    hd_call_close(call, ws);
    HD_TRY(err);
    return hd_json_pack(result, "{s:b}", "master", (int)master);
}

static heed_err rotate_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)width;
    bool master = json_is_true(json_object_get(result, "master"));
    hd_str_add(out, master ? hd_say(lang, "the workspace key and the master key are new\n",
                                    "工作区密钥和主密钥已更换\n")
                           : hd_say(lang, "the workspace key is new\n", "工作区密钥已更换\n"));
    return hd_str_check(out);
}

static const hd_param rotate_params[] = {
    {"master", HD_PARAM_BOOL,
     .doc = HD_TEXT("replace the master key file as well", "同时更换主密钥文件")},
};

const hd_op hd_op_key_rotate = {
    .name = "key rotate",
    .chapter = HD_CHAPTER_CARE,
    .doc = HD_TEXT("replace the workspace's own key", "更换工作区自身的密钥"),
    .detail = HD_TEXT("Persons' keys are sealed with the new one; data is not touched, and copies "
                      "made before keep opening what they opened. Interrupted, the next command "
                      "that writes finishes it.",
                      "用新密钥重新加密每个用户的密钥；不改动数据，之前的副本仍能打开原来的内容。"
                      "若被中断，下一个写入的命令会完成它。"),
    .examples = (const char *const[]){"heed key rotate", "heed key rotate --master", NULL},
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_NEVER,
    .params = rotate_params,
    .n_params = sizeof rotate_params / sizeof rotate_params[0],
    .result_doc = "keyring",
    .run = rotate_run,
    .text = rotate_text,
};

// ── passphrase ──

static heed_err change_passphrase(heed_workspace *ws, bool off, const hd_passphrase *passphrase) {
    const char *what = off ? "passphrase removed" : "passphrase";
    HD_TRY(hd_keyring_need(ws->keyring));
    HD_TRY(record_first(ws, HD_AUDIT_KEY_ROTATE, what));
    heed_err err = off ? hd_keyring_use_key_file(ws->keyring)
                       : hd_keyring_use_passphrase(ws->keyring, passphrase);
    return record_failure(ws, HD_AUDIT_KEY_ROTATE, what, err);
}

static heed_err passphrase_run(hd_call *call, json_t **result) {
    bool off = hd_call_bool(call, "remove");
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_WRITE, "heed key passphrase", &ws));
    hd_keys_asking asking = {call->settings, {call->secret, call->ctx}};
    const hd_passphrase passphrase = {hd_keys_ask, &asking};
    heed_err err = change_passphrase(ws, off, &passphrase);
    hd_call_close(call, ws);
    HD_TRY(err);
    return hd_json_pack(result, "{s:b}", "passphrase", (int)!off);
}

static heed_err passphrase_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)width;
    bool on = json_is_true(json_object_get(result, "passphrase"));
    hd_str_add(out,
               on ? hd_say(lang,
                           "the keys open with the passphrase from now on; nobody can bring it "
                           "back when it is forgotten\n",
                           "此后用口令打开密钥；口令一旦遗忘，无人能够找回\n")
                  : hd_say(lang, "the keys open with a key file from now on\n",
                           "此后用密钥文件打开密钥\n"));
    return hd_str_check(out);
}

static const hd_param passphrase_params[] = {
    {"remove", HD_PARAM_BOOL, .doc = HD_TEXT("go back to a key file", "改回使用密钥文件")},
};

const hd_op hd_op_key_passphrase = {
    .name = "key passphrase",
    .chapter = HD_CHAPTER_CARE,
    .doc = HD_TEXT("put the workspace's own keys under a passphrase, or change it",
                   "用口令保护工作区自身的密钥，或更换口令"),
    .detail = HD_TEXT("Without a terminal, HEED_PASSPHRASE (or the setting keys.passphrase_file) "
                      "holds the passphrase and HEED_NEW_PASSPHRASE the new one. Argon2id makes a "
                      "key of it, with 64 MB and three passes.",
                      "没有终端时，HEED_PASSPHRASE（或设置 keys.passphrase_file）给出口令，"
                      "HEED_NEW_PASSPHRASE 给出新口令。由 Argon2id（64 MB、三轮）派生密钥。"),
    .examples = (const char *const[]){"heed key passphrase", "heed key passphrase --remove", NULL},
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_NEVER,
    .params = passphrase_params,
    .n_params = sizeof passphrase_params / sizeof passphrase_params[0],
    .result_doc = "keyring",
    .run = passphrase_run,
    .text = passphrase_text,
};

// ── privacy seal ──

static heed_err go_on(void *ctx) {
    return hd_stop_check(ctx);
}

static heed_err seal_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    int64_t changed = 0;
    hd_sealed_state state = HD_SEALED_MIXED;
    HD_TRY(hd_call_open(call, HEED_WRITE, "heed privacy seal", &ws));
    const char *what = "privacy.encrypt, of what is stored";
    heed_err err = record_first(ws, HD_AUDIT_SETTINGS, what);
    if (err == HEED_OK) err = hd_door_reseal(ws->door, go_on, ws->stop, &changed);
    if (err == HEED_OK) err = hd_privacy_sealed(ws->store, &state);
    hd_call_close(call, ws);
    HD_TRY(err);
    return hd_json_pack(result, "{s:I, s:b}", "changed", (json_int_t)changed, "sealed",
                        (int)(state == HD_SEALED_ALL));
}

static heed_err seal_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)width;
    bool sealed = json_is_true(json_object_get(result, "sealed"));
    hd_str_addf(out,
                sealed ? hd_say(lang, "everything is sealed; %lld values changed\n",
                                "全部内容均已加密；改动了 %lld 个值\n")
                       : hd_say(lang,
                                "nothing is sealed (privacy.encrypt: off); %lld values changed\n",
                                "内容均为明文（privacy.encrypt: off）；改动了 %lld 个值\n"),
                (long long)hd_json_int(result, "changed"));
    return hd_str_check(out);
}

const hd_op hd_op_privacy_seal = {
    .name = "privacy seal",
    .chapter = HD_CHAPTER_CARE,
    .doc = HD_TEXT("bring what is stored in step with the setting privacy.encrypt",
                   "使已存内容与设置 privacy.encrypt 一致"),
    .detail =
        HD_TEXT("What is written follows the setting at once; what stood before follows with "
                "this, in small steps: it can be interrupted and run again.",
                "新写入的内容立即按设置处理；之前的内容由本命令分小步处理，可随时中断后再次运行。"),
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_NEVER,
    .result_doc = "keyring",
    .run = seal_run,
    .text = seal_text,
};
