// SPDX-License-Identifier: Apache-2.0
//
// The subjects' keys stand in a database of their own, beside the other keys and apart from the
// data: a backup of the data is no copy of what opens it.
#include "workspace/keys.h"

enum { SUBJECTS_CACHE = 4 << 20 };

static heed_err open_subjects(heed_workspace *ws, const char *folder, hd_arena *arena) {
    char *path = hd_fs_join(arena, folder, "subjects.db");
    if (!path) return HD_FAIL_MEMORY(0);
    if (ws->mode == HEED_READ && !hd_fs_exists(path)) return HEED_OK;
    hd_store_mode mode = ws->mode == HEED_READ ? HD_STORE_READ : HD_STORE_CREATE;
    return hd_store_open(path, mode, SUBJECTS_CACHE, NULL, &ws->subjects);
}

heed_err hd_workspace_keys_open(heed_workspace *ws, hd_arena *arena) {
    char *folder;
    HD_TRY(hd_workspace_path(ws, arena, "keys", &folder));
    if (ws->mode == HEED_WRITE) HD_TRY(hd_fs_mkdirs(folder, 0700));
    HD_TRY(open_subjects(ws, folder, arena));
    const hd_keyring_params params = {
        .folder = folder, .subjects = ws->subjects, .write = ws->mode == HEED_WRITE};
    if (ws->mode == HEED_WRITE && !hd_keyring_exists(folder))
        return hd_keyring_create(&params, &ws->keyring);
    return hd_keyring_open(&params, &ws->keyring);
}

void hd_workspace_keys_close(heed_workspace *ws) {
    hd_keyring_close(ws->keyring);
    hd_store_close(ws->subjects);
    ws->keyring = NULL;
    ws->subjects = NULL;
}
