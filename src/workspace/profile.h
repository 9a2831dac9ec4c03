// SPDX-License-Identifier: Apache-2.0
//
// Profiles as the rooms above see them, beside heed/profile.h.
#ifndef HD_WORKSPACE_PROFILE_H
#define HD_WORKSPACE_PROFILE_H

#include "heed/profile.h"
#include "workspace/workspace.h"

heed_err hd_profile_user(heed_workspace *ws, const char *user, heed_lang lang,
                         json_t **out) HEED_CHECK;
// {"version", "segments": […]}
heed_err hd_profile_segments(heed_workspace *ws, heed_lang lang, json_t **out) HEED_CHECK;

#endif
