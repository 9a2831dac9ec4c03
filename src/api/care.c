// SPDX-License-Identifier: Apache-2.0
//
// Looking after a workspace: heed doctor, migrate, backup, restore.
#include "workspace/care.h"

#include "api/call.h"
#include "api/list.h"
#include "api/show.h"

// ── doctor ──

static heed_err doctor_run(hd_call *call, json_t **result) {
    HD_TRY(hd_doctor(call->workspace, call->settings, call->stop, result));
    int64_t faults = hd_json_int(*result, "faults");
    if (faults == 0) return HEED_OK;
    return HD_FAIL(HEED_FAILED, "%lld checks found a fault", "有 %lld 项检查发现故障",
                   (long long)faults);
}

static heed_err doctor_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    hd_grid grid;
    hd_grid_init(&grid, "lll");
    size_t i;
    json_t *check;
    json_array_foreach(json_object_get(result, "checks"), i, check) {
        const char *state = hd_json_text(check, "state");
        const char *sign = strcmp(state, "ok") == 0 ? "✓" : strcmp(state, "fault") == 0 ? "✗" : "!";
        hd_grid_row(&grid, sign, hd_json_text(check, "name"),
                    hd_json_text(json_object_get(check, "text"), hd_say(lang, "en", "zh")));
    }
    heed_err err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    return err;
}

const hd_op hd_op_doctor = {
    .name = "doctor",
    .chapter = HD_CHAPTER_CARE,
    .doc = HD_TEXT("check the workspace and the machine", "检查工作区和机器"),
    .detail = HD_TEXT(
        "Looks at processor, memory, threads, settings, disk space, the database's integrity, "
        "the data and the age of the model. It changes nothing; a fault makes it "
        "exit with 1.",
        "检查处理器、内存、线程、设置、磁盘空间、数据库完整性、数据和模型的新旧。"
        "不做任何改动；发现故障时退出码为 1。"),
    .method = "GET",
    .path = "/api/v1/doctor",
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_ANY,
    .result_doc = "doctor",
    .run = doctor_run,
    .text = doctor_text,
};

// ── migrate ──

static heed_err migrate_run(hd_call *call, json_t **result) {
    const hd_workspace_params params = {.folder = call->workspace,
                                        .mode = HEED_WRITE,
                                        .who = "heed migrate",
                                        .settings = call->settings,
                                        .stop = call->stop};
    size_t steps = 0;
    HD_TRY(hd_workspace_migrate(&params, &steps));
    return hd_json_pack(result, "{s:I}", "steps", (json_int_t)steps);
}

static heed_err migrate_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)width;
    int64_t steps = hd_json_int(result, "steps");
    if (steps == 0)
        hd_str_add(out, hd_say(lang, "the workspace is up to date\n", "工作区已是最新\n"));
    else
        hd_str_addf(out, hd_say(lang, "brought up to date in %lld steps\n", "已升级，共 %lld 步\n"),
                    (long long)steps);
    return hd_str_check(out);
}

const hd_op hd_op_migrate = {
    .name = "migrate",
    .chapter = HD_CHAPTER_CARE,
    .doc = HD_TEXT("bring a workspace of an older heed up to date", "升级旧版 heed 创建的工作区"),
    .detail =
        HD_TEXT("Every command that writes does this as well. Each step is done whole or not "
                "at all; there is no way back, so take a backup first.",
                "任何写入的命令也会升级。每一步要么完整完成，要么不做；升级后无法退回，请先备份。"),
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_NEVER,
    .result_doc = "migrate",
    .run = migrate_run,
    .text = migrate_text,
};

// ── backup and restore ──

static heed_err backup_run(hd_call *call, json_t **result) {
    const char *folder = hd_call_text(call, "folder");
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_READ, "heed backup", &ws));
    heed_err err = heed_workspace_backup(ws, folder);
    hd_call_close(call, ws);
    HD_TRY(err);
    return hd_json_pack(result, "{s:s}", "backup", folder);
}

static heed_err backup_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)width;
    hd_str_addf(out,
                hd_say(lang, "backed up to %s: data, models and settings; the keys are not in it\n",
                       "已备份到 %s：数据、模型和设置；不含密钥\n"),
                hd_json_text(result, "backup"));
    return hd_str_check(out);
}

static const hd_param backup_params[] = {
    {"folder", HD_PARAM_TEXT, .positional = true, .required = true, .file = true,
     .doc = HD_TEXT("a new folder for the copy", "存放副本的新文件夹")},
};

const hd_op hd_op_backup = {
    .name = "backup",
    .chapter = HD_CHAPTER_CARE,
    .doc = HD_TEXT("copy data, models and settings to a new folder",
                   "把数据、模型和设置复制到新文件夹"),
    .detail = HD_TEXT("Others may read and write meanwhile. The copy is checked before it is put "
                      "in place. The folder keys/ is not copied: keep it apart.",
                      "期间其他进程可以照常读写。副本检查无误后才就位。不复制 keys/：请另行保管。"),
    .examples = (const char *const[]){"heed backup /mnt/backup/shop-monday", NULL},
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_JOB,
    .params = backup_params,
    .n_params = sizeof backup_params / sizeof backup_params[0],
    .result_doc = "backup",
    .run = backup_run,
    .text = backup_text,
};

static heed_err restore_run(hd_call *call, json_t **result) {
    const char *backup = hd_call_text(call, "backup");
    const char *folder = hd_call_text(call, "folder");
    HD_TRY(heed_workspace_restore(backup, folder));
    return hd_json_pack(result, "{s:s, s:s}", "backup", backup, "folder", folder);
}

static heed_err restore_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)width;
    hd_str_addf(
        out,
        hd_say(lang,
               "restored %s to %s; its keys are not in the backup: 'heed key import' brings "
               "them, or put its keys/ folder back\n",
               "已将 %s 恢复到 %s；备份不含密钥：请用“heed key import”导入，或放回其 "
               "keys/ 文件夹\n"),
        hd_json_text(result, "backup"), hd_json_text(result, "folder"));
    return hd_str_check(out);
}

static const hd_param restore_params[] = {
    {"backup", HD_PARAM_TEXT, .positional = true, .required = true, .file = true,
     .doc = HD_TEXT("the backup", "备份所在的文件夹")},
    {"folder", HD_PARAM_TEXT, .positional = true, .required = true, .file = true,
     .doc = HD_TEXT("a new or empty folder", "新文件夹或空文件夹")},
};

const hd_op hd_op_restore = {
    .name = "restore",
    .chapter = HD_CHAPTER_CARE,
    .doc = HD_TEXT("make a workspace from a backup", "由备份恢复出工作区"),
    .detail =
        HD_TEXT("The backup is checked first. It holds no keys: bring them with 'heed key import', "
                "or put the keys/ folder back. Without them, names and texts stay sealed.",
                "先检查备份。备份不含密钥：请用“heed key import”导入，或放回 keys/ 文件夹；"
                "否则 id 和文字仍是加密的。"),
    .examples = (const char *const[]){"heed restore /mnt/backup/shop-monday shop", NULL},
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_NONE,
    .run_as = HD_RUN_NEVER,
    .params = restore_params,
    .n_params = sizeof restore_params / sizeof restore_params[0],
    .result_doc = "backup",
    .run = restore_run,
    .text = restore_text,
};
