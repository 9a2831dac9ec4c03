// SPDX-License-Identifier: Apache-2.0
//
// The file is written as rows are refused, never gathered in memory: a file of a million bad rows
// must not need the memory of a million rows. It is put in place before the transaction commits, so
// that accepted rows never stand without the account of those that were not.
#include "workspace/rejects.h"

#include <sys/stat.h>

#include "base/mem.h"

enum { FLUSH_BYTES = 64 * 1024 };

heed_err hd_rejects_init(hd_rejects *rejects, const heed_workspace *ws, hd_redactor *redactor,
                         hd_arena *arena, const char *name) {
    *rejects = (hd_rejects){.arena = arena, .redactor = redactor};
    rejects->max_shown = (size_t)hd_settings_int(ws->settings, "import.max_rejects_shown");
    hd_str_init(&rejects->line);
    size_t bytes = (rejects->max_shown + 1) * sizeof *rejects->shown;
    rejects->shown = hd_arena_alloc(arena, bytes);
    if (!rejects->shown) return HD_FAIL_MEMORY(bytes);
    if (!name) return HEED_OK;
    rejects->path = hd_arena_printf(arena, "%s/rejects/%s.jsonl", ws->folder, name);
    return rejects->path ? HEED_OK : HD_FAIL_MEMORY(0);
}

static heed_err keep_shown(hd_rejects *rejects, uint64_t line, const char *en, const char *zh) {
    heed_import_reject *reject = &rejects->shown[rejects->n_shown];
    reject->line = line;
    reject->reason[HEED_EN] = hd_arena_strdup(rejects->arena, en);
    reject->reason[HEED_ZH] = hd_arena_strdup(rejects->arena, zh);
    if (!reject->reason[HEED_EN] || !reject->reason[HEED_ZH]) return HD_FAIL_MEMORY(0);
    rejects->n_shown++;
    return HEED_OK;
}

static heed_err make_file(hd_rejects *rejects) {
    if (rejects->file) return HEED_OK;
    char *folder = hd_arena_strdup(rejects->arena, rejects->path);
    if (!folder) return HD_FAIL_MEMORY(0);
    *strrchr(folder, '/') = '\0';
    HD_TRY(hd_fs_mkdirs(folder, 0700));
    return hd_file_create(rejects->path, 0600, &rejects->file);
}

static heed_err flush(hd_rejects *rejects) {
    HD_TRY(hd_str_check(&rejects->line));
    heed_err err = hd_file_write(rejects->file, rejects->line.data, rejects->line.len);
    hd_str_reset(&rejects->line);
    return err;
}

// In place of what is given, until the next row.
static heed_err redact(hd_rejects *rejects, const char **en, const char **zh, hd_slice *raw) {
    const hd_slice given[3] = {hd_slice_of(*en), hd_slice_of(*zh), *raw};
    if (!rejects->redactor) return HEED_OK;
    for (size_t i = 0; i < 3; i++) {
        hd_str_reset(&rejects->texts[i]);
        HD_TRY(hd_redactor_text(rejects->redactor, given[i], &rejects->texts[i]));
    }
    *en = hd_str_get(&rejects->texts[0]);
    *zh = hd_str_get(&rejects->texts[1]);
    *raw = (hd_slice){hd_str_get(&rejects->texts[2]), rejects->texts[2].len};
    return HEED_OK;
}

heed_err hd_rejects_add(hd_rejects *rejects, uint64_t line, const char *en, const char *zh,
                        hd_slice raw) {
    rejects->count++;
    HD_TRY(redact(rejects, &en, &zh, &raw));
    if (rejects->n_shown < rejects->max_shown) HD_TRY(keep_shown(rejects, line, en, zh));
    if (!rejects->path) return HEED_OK;
    HD_TRY(make_file(rejects));
    hd_str *out = &rejects->line;
    hd_str_addf(out, "{\"line\": %llu, \"reason\": ", (unsigned long long)line);
    hd_json_quote(out, en, strlen(en));
    hd_str_add(out, ", \"reason_zh\": ");
    hd_json_quote(out, zh, strlen(zh));
    hd_str_add(out, ", \"raw\": ");
    hd_json_quote(out, raw.p ? raw.p : "", raw.n);
    hd_str_add(out, "}\n");
    return out->failed || out->len >= FLUSH_BYTES ? flush(rejects) : HEED_OK;
}

heed_err hd_rejects_commit(hd_rejects *rejects) {
    if (!rejects->file) return HEED_OK;
    if (rejects->line.len) HD_TRY(flush(rejects));
    hd_file *file = rejects->file;
    rejects->file = NULL;
    return hd_file_commit(file);
}

void hd_rejects_clear(hd_rejects *rejects) {
    hd_file_abort(rejects->file);
    hd_str_clear(&rejects->line);
    for (size_t i = 0; i < 3; i++) hd_str_clear(&rejects->texts[i]);
    *rejects = (hd_rejects){0};
}

static heed_err expire_in(const char *folder, int64_t days, hd_arena *arena) {
    char **names;
    size_t n;
    HD_TRY(hd_fs_list(folder, arena, &names, &n));
    hd_time oldest = hd_time_now() - days * HD_DAY_MS;
    for (size_t i = 0; i < n; i++) {
        char *path = hd_fs_join(arena, folder, names[i]);
        if (!path) return HD_FAIL_MEMORY(0);
        struct stat st;
        if (stat(path, &st) == 0 && (int64_t)st.st_mtime * 1000 < oldest)
            HD_TRY(hd_fs_remove(path));
    }
    return HEED_OK;
}

heed_err hd_rejects_expire(const heed_workspace *ws) {
    int64_t days = hd_settings_int(ws->settings, "import.keep_rejects_days");
    hd_arena arena;
    hd_arena_init(&arena);
    char *folder = NULL;
    heed_err err = hd_workspace_path(ws, &arena, "rejects", &folder);
    if (err == HEED_OK && days > 0 && hd_fs_is_dir(folder)) err = expire_in(folder, days, &arena);
    hd_arena_clear(&arena);
    return err;
}
