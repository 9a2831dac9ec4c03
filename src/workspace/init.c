// SPDX-License-Identifier: Apache-2.0
//
// A new workspace: folders, the commented settings, then an empty database at the newest version.
// A run that broke off before the settings can be typed again; after them the folder is a
// workspace without data, whose first writer makes the database.
#include "workspace/workspace.h"

static heed_err make_folders(const char *folder, hd_arena *arena) {
    static const struct {
        const char *name;
        mode_t mode;
    } folders[] = {{"keys", 0700}, {"models", 0755}, {"runs", 0755}};
    HD_TRY(hd_fs_mkdirs(folder, 0755));
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char *path = hd_fs_join(arena, folder, folders[i].name);
        if (!path) return HD_FAIL_MEMORY(0);
        HD_TRY(hd_fs_mkdirs(path, folders[i].mode));
    }
    return HEED_OK;
}

// What must not be published with the rest of a repository.
static heed_err write_gitignore(const char *folder, hd_arena *arena) {
    static const char text[] = "heed.db*\nheed.lock\nkeys/\nmodels/\nrejects/\nruns/\ntmp/\n";
    char *path = hd_fs_join(arena, folder, ".gitignore");
    if (!path) return HD_FAIL_MEMORY(0);
    if (hd_fs_exists(path)) return HEED_OK;
    return hd_fs_write(path, text, sizeof text - 1, 0644);
}

static heed_err write_settings(const char *path, heed_lang lang) {
    hd_str text;
    hd_str_init(&text);
    heed_err err = hd_settings_template(lang, &text);
    if (err == HEED_OK) err = hd_fs_write(path, text.data, text.len, 0644);
    hd_str_clear(&text);
    return err;
}

static heed_err init_in(const char *folder, heed_lang lang, hd_arena *arena) {
    char *yaml = hd_fs_join(arena, folder, "heed.yaml");
    char *db = hd_fs_join(arena, folder, "heed.db");
    if (!yaml || !db) return HD_FAIL_MEMORY(0);
    if (hd_fs_exists(db) || hd_fs_exists(yaml))
        return HD_FAIL(HEED_CONFLICT, "'%s' is a workspace already", "“%s”已经是一个工作区",
                       folder);
    HD_TRY(make_folders(folder, arena));
    HD_TRY(write_gitignore(folder, arena));
    HD_TRY(write_settings(yaml, lang));
    heed_workspace *ws = NULL;
    HD_TRY(heed_workspace_open(folder, HEED_WRITE, &ws));
    heed_workspace_close(ws);
    return HEED_OK;
}

heed_err heed_workspace_init(const char *folder, heed_lang lang) {
    hd_arena arena;
    hd_arena_init(&arena);
    heed_err err = init_in(folder, lang, &arena);
    hd_arena_clear(&arena);
    return err;
}
