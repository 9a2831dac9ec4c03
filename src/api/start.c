// SPDX-License-Identifier: Apache-2.0
//
// Transports see operations and settings, not the rooms beneath: this is their only way there.
#include "api/start.h"

#include "workspace/workspace.h"

heed_err hd_start_settings(hd_settings **out) {
    return hd_settings_new(hd_settings_rows, hd_settings_n_rows, out);
}

const hd_setting *hd_start_setting_at(size_t i) {
    return i < hd_settings_n_rows ? &hd_settings_rows[i] : NULL;
}

heed_err hd_start_find(const char *from, hd_arena *arena, const char **out) {
    return hd_workspace_find(from, arena, out);
}
