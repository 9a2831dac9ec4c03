// SPDX-License-Identifier: Apache-2.0
//
// Profiles: what is known of a user, each fact with the events behind it, computed from the data
// when asked. JSON texts, the same that `heed profile --json` prints; docs/api/profile.md has the
// shapes.
//
//     char *profile = NULL;
//     if (heed_profile(ws, "u42", HEED_EN, &profile) == HEED_OK) puts(profile);
//     heed_text_free(profile);
#ifndef HEED_PROFILE_H
#define HEED_PROFILE_H

#include "heed/workspace.h"

#ifdef __cplusplus
extern "C" {
#endif

// One user's profile. Its segment is null until `heed_train` has run. HEED_NOT_FOUND: unknown user.
HEED_API heed_err heed_profile(heed_workspace *ws, const char *user, heed_lang lang,
                               char **json) HEED_CHECK;

// The user segments of the last training: names, sizes, what sets each apart. HEED_NOT_FOUND:
// nothing was trained yet.
HEED_API heed_err heed_segments(heed_workspace *ws, heed_lang lang, char **json) HEED_CHECK;

#ifdef __cplusplus
}
#endif
#endif
