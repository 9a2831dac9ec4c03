// SPDX-License-Identifier: Apache-2.0
//
// What a transport needs before the first call: the settings' rows, and where the workspace is.
#ifndef HD_API_START_H
#define HD_API_START_H

#include "base/arena.h"
#include "base/settings.h"

// All settings at their defaults; the transport loads the layers.
heed_err hd_start_settings(hd_settings **out) HEED_CHECK;
// The i-th row, NULL past the end: for the reference page.
const hd_setting *hd_start_setting_at(size_t i);

// The nearest workspace at or above a folder; *out NULL: none. In the arena.
heed_err hd_start_find(const char *from, hd_arena *arena, const char **out) HEED_CHECK;

#endif
