// SPDX-License-Identifier: Apache-2.0
//
// The doctor: one function per check, one row each. A check says what it found, never mends it, and
// one that fails doesn't keep the others from running. Only what makes the workspace unusable is a
// fault; what the owner should know is a warning.
#include <sys/statvfs.h>

#include "base/mem.h"
#include "kernel/cpu.h"
#include "workspace/care.h"
#include "workspace/models.h"

enum { STALE_DAYS = 30 };
static const double LOW_SPACE = 1024.0 * 1024 * 1024;

typedef struct visit {
    const char *folder; // NULL: no workspace
    hd_settings *settings;
    hd_stop *stop;
    heed_workspace *ws; // NULL: couldn't be opened
    json_t *checks;
    const char *name; // of the check that runs
    int faults, warnings;
} visit;

typedef enum state { STATE_OK, STATE_WARNING, STATE_FAULT } state;

// Records what the running check found. Formats take the same arguments.
static heed_err found(visit *v, state s, const char *en, const char *zh, ...)
    __attribute__((format(printf, 3, 5), format(printf, 4, 5)));

static heed_err found(visit *v, state s, const char *en, const char *zh, ...) {
    static const char *const names[] = {"ok", "warning", "fault"};
    char texts[2][HD_ERROR_MAX];
    va_list args;
    va_start(args, zh);
    va_list again;
    va_copy(again, args);
    hd_vsnprintf(texts[HEED_EN], sizeof texts[0], en, args);
    hd_vsnprintf(texts[HEED_ZH], sizeof texts[0], zh, again);
    va_end(again);
    va_end(args);
    json_t *check = NULL;
    v->faults += s == STATE_FAULT;
    v->warnings += s == STATE_WARNING;
    HD_TRY(hd_json_pack(&check, "{s:s, s:s, s:{s:s, s:s}}", "name", v->name, "state", names[s],
                        "text", "en", texts[HEED_EN], "zh", texts[HEED_ZH]));
    return hd_json_append(v->checks, check);
}

static heed_err found_failure(visit *v) {
    hd_error failure;
    hd_error_get(&failure);
    return found(v, STATE_FAULT, "%s%.0s", "%.0s%s", failure.text[HEED_EN], failure.text[HEED_ZH]);
}

static heed_err check_memory(visit *v) {
    double limit = (double)hd_mem_limit() / (1024 * 1024);
    if (limit > 0)
        return found(v, STATE_OK, "memory is limited to %.0f MB", "内存限制为 %.0f MB", limit);
    return found(v, STATE_OK, "memory is not limited (memory.limit)",
                 "内存没有限制（memory.limit）");
}

static heed_err check_threads(visit *v) {
    hd_pool *pool = NULL;
    HD_TRY(hd_pool_new((size_t)hd_settings_int(v->settings, "threads"), &pool));
    size_t n = hd_pool_threads(pool);
    hd_pool_free(pool);
    return found(v, STATE_OK, "%zu threads work at once", "同时工作的线程有 %zu 个", n);
}

// The other paths: "avx2, ref" and those that can't be, with the reason.
static heed_err list_paths(heed_lang lang, hd_str *out) {
    for (int i = HD_ISAS - 1; i >= 0; i--) {
        hd_isa isa = (hd_isa)i;
        if (isa == hd_isa_get()) continue;
        hd_str_addf(out, "%s%s",
                    out->len > 0 ? hd_text_get((hd_text)HD_TEXT(", ", "，"), lang) : "",
                    hd_isa_name(isa));
        if (!hd_isa_can(isa))
            hd_str_addf(out, hd_text_get((hd_text)HD_TEXT(" (no: %s)", "（不可用：%s）"), lang),
                        hd_text_get(hd_isa_why_not(isa), lang));
    }
    return hd_str_check(out);
}

static heed_err check_processor(visit *v) {
    if (hd_isa_ready() != HEED_OK) return found_failure(v);
    char model[64];
    hd_cpu_model(model, sizeof model);
    hd_str others[2];
    heed_err err = HEED_OK;
    for (int lang = 0; lang < 2; lang++) {
        hd_str_init(&others[lang]);
        if (err == HEED_OK) err = list_paths((heed_lang)lang, &others[lang]);
    }
    if (err == HEED_OK)
        err = found(v, STATE_OK,
                    "%s; first cache %zu KB, second %zu KB; kernels for %s; others: %s%.0s "
                    "(HEED_ISA chooses)",
                    "%s；一级缓存 %zu KB，二级 %zu KB；使用 %s 的内核；其他：%.0s%s"
                    "（由 HEED_ISA 选择）",
                    *model ? model : "?", hd_cpu_cache(1) >> 10, hd_cpu_cache(2) >> 10,
                    hd_isa_name(hd_isa_get()), hd_str_get(&others[HEED_EN]),
                    hd_str_get(&others[HEED_ZH]));
    hd_str_clear(&others[0]);
    hd_str_clear(&others[1]);
    return err;
}

static heed_err check_settings(visit *v) {
    size_t changed = 0;
    const hd_setting *row;
    const char *place;
    hd_origin origin;
    hd_str value;
    hd_str_init(&value);
    for (size_t i = 0; hd_settings_at(v->settings, i, &row, &value, &origin, &place); i++)
        changed += origin != HD_ORIGIN_DEFAULT;
    hd_str_clear(&value);
    return found(v, STATE_OK, "%zu settings differ in origin from the defaults (heed config show)",
                 "有 %zu 项设置不是默认值（heed config show）", changed);
}

static heed_err check_workspace(visit *v) {
    if (!v->folder)
        return found(v, STATE_OK, "no workspace here; 'heed init' makes one",
                     "这里没有工作区；可用“heed init”创建");
    const hd_workspace_params params = {
        .folder = v->folder, .mode = HEED_READ, .settings = v->settings, .stop = v->stop};
    heed_err err = hd_workspace_open(&params, &v->ws);
    if (err == HEED_MEMORY) return err;
    if (err != HEED_OK) return found_failure(v);
    return found(v, STATE_OK, "'%s' opens", "“%s”可以打开", v->folder);
}

static heed_err check_disk(visit *v) {
    struct statvfs fs;
    const char *place = v->folder ? v->folder : ".";
    if (statvfs(place, &fs) != 0) return HEED_OK; // the workspace's own check says more
    double bytes = (double)fs.f_bavail * (double)fs.f_frsize;
    double gb = bytes / (1024.0 * 1024 * 1024);
    if (bytes < LOW_SPACE)
        return found(v, STATE_WARNING, "only %.1f GB are left on the disk: imports may fail",
                     "磁盘只剩 %.1f GB：导入可能失败", gb);
    return found(v, STATE_OK, "%.1f GB are left on the disk", "磁盘还有 %.1f GB", gb);
}

static heed_err check_writable(visit *v) {
    if (!v->folder) return HEED_OK;
    hd_arena arena;
    hd_arena_init(&arena);
    hd_lock *lock = NULL;
    char *path = hd_fs_join(&arena, v->folder, "heed.lock");
    heed_err err = path ? hd_lock_take(path, "heed doctor", &lock) : HD_FAIL_MEMORY(0);
    hd_lock_release(lock);
    hd_arena_clear(&arena);
    if (err == HEED_MEMORY) return err;
    if (err == HEED_OK) return found(v, STATE_OK, "nobody else is writing", "没有其他进程在写入");
    hd_error failure;
    hd_error_get(&failure);
    return found(v, STATE_WARNING, "%s%.0s", "%.0s%s", failure.text[HEED_EN],
                 failure.text[HEED_ZH]);
}

static heed_err check_integrity(visit *v) {
    if (!v->ws) return HEED_OK;
    hd_str faults;
    bool sound = false;
    hd_str_init(&faults);
    heed_err err = hd_store_check(v->ws->store, &sound, &faults);
    if (err == HEED_OK) err = hd_str_check(&faults);
    if (err == HEED_OK && sound)
        err = found(v, STATE_OK, "the database is sound", "数据库完好");
    else if (err == HEED_OK)
        err = found(v, STATE_FAULT, "the database is damaged; restore a backup: %.400s",
                    "数据库已损坏；请恢复备份：%.400s", hd_str_get(&faults));
    hd_str_clear(&faults);
    return err;
}

static heed_err check_data(visit *v) {
    if (!v->ws) return HEED_OK;
    hd_door_counts door;
    hd_catalog_counts catalog;
    HD_TRY(hd_door_count(v->ws->door, HD_PURPOSE_CARE, &door));
    HD_TRY(hd_catalog_count(v->ws->catalog, &catalog));
    if (door.events == 0)
        return found(v, STATE_WARNING, "there are no events yet; 'heed import' brings some in",
                     "还没有事件；请用“heed import”导入");
    HD_TRY(found(v, STATE_OK, "%lld users, %lld items, %lld events",
                 "%lld 个用户，%lld 件商品，%lld 个事件", (long long)door.users,
                 (long long)catalog.items, (long long)door.events));
    if (catalog.items_without_title > 0)
        HD_TRY(found(v, STATE_WARNING, "%lld items have no title; import them with 'heed import'",
                     "有 %lld 件商品没有名称；可用“heed import”补充",
                     (long long)catalog.items_without_title));
    int64_t days = door.last == HD_TIME_NONE ? 0 : (hd_time_now() - door.last) / HD_DAY_MS;
    if (days <= STALE_DAYS) return HEED_OK;
    return found(v, STATE_WARNING, "the newest event is %lld days old", "最新的事件已是 %lld 天前",
                 (long long)days);
}

static heed_err found_model_age(visit *v, hd_model_ref ref) {
    json_t *manifest = NULL;
    heed_err err = hd_models_manifest(v->ws, "recommend", ref, &manifest);
    if (err == HEED_MEMORY) return err;
    if (err != HEED_OK) return found_failure(v);
    const char *created = json_string_value(json_object_get(manifest, "created"));
    hd_time time = HD_TIME_NONE;
    if (created) (void)hd_time_parse(hd_slice_of(created), HD_TIME_ISO, NULL, &time);
    int64_t days = time == HD_TIME_NONE ? 0 : (hd_time_now() - time) / HD_DAY_MS;
    err = days > STALE_DAYS
              ? found(v, STATE_WARNING,
                      "model '%s' %s is %lld days old; 'heed train' makes a new one",
                      "模型“%s”%s 已有 %lld 天；可用“heed train”重新训练", ref.method, ref.version,
                      (long long)days)
              : found(v, STATE_OK, "model '%s' %s is in force, %lld days old",
                      "正在使用模型“%s”%s，已有 %lld 天", ref.method, ref.version, (long long)days);
    json_decref(manifest);
    return err;
}

// Of both tasks: what is in force and learned from somebody who was erased since.
static heed_err check_erased(visit *v) {
    if (!v->ws) return HEED_OK;
    size_t i, n = 0;
    json_t *list = NULL, *one;
    heed_err err = hd_models_list(v->ws, &list);
    if (err != HEED_OK) return err == HEED_MEMORY ? err : HEED_OK; // check_model says it
    json_array_foreach(list, i, one) {
        n += json_is_true(json_object_get(one, "holds_erased"));
    }
    json_decref(list);
    if (n == 0) return HEED_OK;
    return found(v, STATE_WARNING,
                 "%zu model versions learned from persons erased since; 'heed train' makes one "
                 "without them and removes these",
                 "有 %zu 个模型版本曾从已删除的人的数据中学习；“heed train”会训练不含他们的模型，"
                 "并移除这些版本",
                 n);
}

static heed_err check_model(visit *v) {
    if (!v->ws) return HEED_OK;
    hd_arena arena;
    hd_arena_init(&arena);
    hd_model_ref active;
    hd_model_ref previous;
    heed_err err = hd_models_active(v->ws, "recommend", &arena, &active, &previous);
    if (err == HEED_OK)
        err = found_model_age(v, active);
    else if (err == HEED_NOT_FOUND)
        err = found(v, STATE_WARNING, "no model was trained yet; run 'heed train'",
                    "还没有训练过模型；请运行“heed train”");
    else if (err != HEED_MEMORY)
        err = found_failure(v);
    hd_arena_clear(&arena);
    return err;
}

static heed_err check_keys(visit *v) {
    hd_sealed_state sealed;
    if (!v->ws) return HEED_OK;
    bool on = strcmp(hd_settings_text(v->settings, "privacy.encrypt"), "on") == 0;
    if (hd_keyring_locked(v->ws->keyring)) {
        heed_err err = hd_keyring_need(v->ws->keyring);
        hd_error failure;
        hd_error_get(&failure);
        HD_TRY(err == HEED_MEMORY ? err : HEED_OK);
        return found(v, STATE_WARNING, "%s%.0s", "%.0s%s", failure.text[HEED_EN],
                     failure.text[HEED_ZH]);
    }
    HD_TRY(hd_privacy_sealed(v->ws->store, &sealed));
    HD_TRY(found(v, STATE_OK, "the keys fit, and only their owner can read them",
                 "密钥与数据相符，且只有所有者可读"));
    if (!on)
        return found(v, STATE_WARNING,
                     "privacy.encrypt is off: ids, attributes and texts of persons are readable in "
                     "heed.db and in its backups",
                     "privacy.encrypt 为 off：个人的 id、属性和文字在 heed.db 及其备份中是明文");
    if (sealed == HD_SEALED_ALL) return HEED_OK;
    return found(v, STATE_WARNING,
                 "some of what was written before is not sealed: 'heed privacy seal' does it",
                 "之前写入的部分内容尚未加密：请运行“heed privacy seal”");
}

static const struct {
    const char *name;
    heed_err (*run)(visit *v);
} checks[] = {
    {"processor", check_processor}, {"memory", check_memory},       {"threads", check_threads},
    {"settings", check_settings},   {"workspace", check_workspace}, {"disk", check_disk},
    {"writer", check_writable},     {"integrity", check_integrity}, {"keys", check_keys},
    {"data", check_data},           {"erased", check_erased},       {"model", check_model},
};

heed_err hd_doctor(const char *folder, hd_settings *settings, hd_stop *stop, json_t **out) {
    visit v = {.folder = folder, .settings = settings, .stop = stop, .checks = json_array()};
    heed_err err = v.checks ? HEED_OK : HD_FAIL_MEMORY(0);
    for (size_t i = 0; err == HEED_OK && i < sizeof checks / sizeof checks[0]; i++) {
        v.name = checks[i].name;
        err = hd_stop_check(stop);
        if (err == HEED_OK) err = checks[i].run(&v);
    }
    heed_workspace_close(v.ws);
    if (err == HEED_OK)
        err = hd_json_pack(out, "{s:O, s:i, s:i}", "checks", v.checks, "faults", v.faults,
                           "warnings", v.warnings);
    json_decref(v.checks);
    return err;
}
