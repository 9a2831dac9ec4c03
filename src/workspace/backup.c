// SPDX-License-Identifier: Apache-2.0
//
// Backup and restore: the database by SQLite's backup API, so that it may be written meanwhile; the
// settings and models by copying files, which are never changed in place. The copy is made under a
// temporary name beside its place and renamed when it is whole and was checked. keys/ stays behind
// on purpose: a backup that can be read without the keys would undo the encryption.
#include "workspace/auditing.h"

static heed_err copy_file(const char *from, const char *to) {
    hd_str data;
    hd_str_init(&data);
    heed_err err = hd_fs_read(from, 0, &data);
    if (err == HEED_OK) err = hd_fs_write(to, hd_str_get(&data), data.len, 0644);
    hd_str_clear(&data);
    return err;
}

// A folder with all in it; names beginning with ".tmp-" are work in progress and stay behind.
static heed_err copy_tree(const char *from, const char *to, hd_arena *arena, int depth) {
    char **names;
    size_t n;
    HD_TRY(hd_fs_mkdirs(to, 0755));
    HD_TRY(hd_fs_list(from, arena, &names, &n));
    for (size_t i = 0; i < n; i++) {
        char *a = hd_fs_join(arena, from, names[i]);
        char *b = hd_fs_join(arena, to, names[i]);
        if (!a || !b) return HD_FAIL_MEMORY(0);
        if (strncmp(names[i], ".tmp-", 5) == 0) continue;
        if (hd_fs_is_dir(a) && depth > 0)
            HD_TRY(copy_tree(a, b, arena, depth - 1));
        else if (!hd_fs_is_dir(a))
            HD_TRY(copy_file(a, b));
    }
    return HEED_OK;
}

static heed_err need_empty(const char *folder, hd_arena *arena) {
    char **names = NULL;
    size_t n = 0;
    if (hd_fs_exists(folder) && !hd_fs_is_dir(folder))
        return HD_FAIL(HEED_CONFLICT, "'%s' is a file; name a new folder",
                       "“%s”是文件；请给出一个新文件夹", folder);
    if (hd_fs_is_dir(folder)) HD_TRY(hd_fs_list(folder, arena, &names, &n));
    if (n == 0) return HEED_OK;
    return HD_FAIL(HEED_CONFLICT, "'%s' is not empty; name a new folder",
                   "“%s”不是空的；请给出一个新文件夹", folder);
}

static char *without_slash(const char *folder, hd_arena *arena) {
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/') n--;
    return hd_arena_strndup(arena, folder, n);
}

// Fills "<folder>.tmp" and renames it; what was begun goes when it fails.
typedef heed_err (*fill_fn)(void *ctx, const char *folder, hd_arena *arena);
static heed_err make_folder(const char *folder, hd_arena *arena, fill_fn fill, void *ctx) {
    char *place = without_slash(folder, arena);
    if (!place) return HD_FAIL_MEMORY(0);
    HD_TRY(need_empty(place, arena));
    char *temporary = hd_arena_printf(arena, "%s.tmp", place);
    if (!temporary) return HD_FAIL_MEMORY(0);
    HD_TRY(hd_fs_remove(temporary));
    HD_TRY(hd_fs_mkdirs(temporary, 0755));
    heed_err err = fill(ctx, temporary, arena);
    if (err == HEED_OK) err = hd_fs_remove(place); // an empty folder, or none
    if (err == HEED_OK) err = hd_fs_rename(temporary, place);
    if (err == HEED_OK) return HEED_OK;
    hd_error failure;
    hd_error_get(&failure);
    if (hd_fs_remove(temporary) != HEED_OK) return hd_error_restore(&failure);
    return hd_error_restore(&failure);
}

static heed_err copy_rest(const char *from, const char *to, hd_arena *arena) {
    char *yaml[2] = {hd_fs_join(arena, from, "heed.yaml"), hd_fs_join(arena, to, "heed.yaml")};
    char *models[2] = {hd_fs_join(arena, from, "models"), hd_fs_join(arena, to, "models")};
    if (!yaml[0] || !yaml[1] || !models[0] || !models[1]) return HD_FAIL_MEMORY(0);
    if (hd_fs_exists(yaml[0])) HD_TRY(copy_file(yaml[0], yaml[1]));
    if (hd_fs_is_dir(models[0])) HD_TRY(copy_tree(models[0], models[1], arena, 4));
    return HEED_OK;
}

// ── Backup ──

static heed_err fill_backup(void *ctx, const char *folder, hd_arena *arena) {
    heed_workspace *ws = ctx;
    char *db = hd_fs_join(arena, folder, "heed.db");
    if (!db) return HD_FAIL_MEMORY(0);
    HD_TRY(hd_store_backup(ws->store, db));
    HD_TRY(copy_rest(ws->folder, folder, arena));
    hd_workspace_record_gladly(ws, &(hd_audit_entry){.what = HD_AUDIT_BACKUP});
    return HEED_OK;
}

heed_err heed_workspace_backup(heed_workspace *ws, const char *folder) {
    hd_arena arena;
    hd_arena_init(&arena);
    heed_err err = make_folder(folder, &arena, fill_backup, ws);
    hd_arena_clear(&arena);
    return err;
}

// ── Restore ──

static heed_err check_store(hd_store *store, const char *name) {
    hd_str faults;
    bool sound = false;
    hd_str_init(&faults);
    heed_err err = hd_store_check(store, &sound, &faults);
    if (err == HEED_OK && !sound)
        err = HD_FAIL(HEED_CORRUPT, "the backup '%s' is damaged: %.400s", "备份“%s”已损坏：%.400s",
                      name, hd_str_get(&faults));
    hd_str_clear(&faults);
    return err;
}

static heed_err fill_restored(void *ctx, const char *folder, hd_arena *arena) {
    const char *backup = ctx;
    char *from = hd_fs_join(arena, backup, "heed.db");
    char *to = hd_fs_join(arena, folder, "heed.db");
    char *keys = hd_fs_join(arena, folder, "keys");
    if (!from || !to || !keys) return HD_FAIL_MEMORY(0);
    hd_store *store = NULL;
    HD_TRY(hd_store_open(from, HD_STORE_READ, 0, NULL, &store));
    heed_err err = check_store(store, backup);
    if (err == HEED_OK) err = hd_store_backup(store, to);
    hd_store_close(store);
    HD_TRY(err);
    const char *slash = strrchr(backup, '/');
    HD_TRY(hd_auditing_mark_restored(to, slash ? slash + 1 : backup));
    HD_TRY(hd_fs_mkdirs(keys, 0700));
    return copy_rest(backup, folder, arena);
}

static heed_err need_backup(const char *backup, hd_arena *arena) {
    char *db = hd_fs_join(arena, backup, "heed.db");
    if (!db) return HD_FAIL_MEMORY(0);
    if (hd_fs_exists(db)) return HEED_OK;
    return HD_FAIL(HEED_NOT_FOUND, "'%s' is no backup: it holds no heed.db",
                   "“%s”不是备份：里面没有 heed.db", backup);
}

heed_err heed_workspace_restore(const char *backup, const char *folder) {
    hd_arena arena;
    hd_arena_init(&arena);
    heed_err err = need_backup(backup, &arena);
    char *source = err == HEED_OK ? without_slash(backup, &arena) : NULL;
    if (err == HEED_OK && !source) err = HD_FAIL_MEMORY(0);
    if (err == HEED_OK) err = make_folder(folder, &arena, fill_restored, source);
    hd_arena_clear(&arena);
    return err;
}
