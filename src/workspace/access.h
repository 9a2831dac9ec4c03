// SPDX-License-Identifier: Apache-2.0
//
// API keys of an open workspace, and what they used: the way to access/ for the rooms above.
#ifndef HD_WORKSPACE_ACCESS_H
#define HD_WORKSPACE_ACCESS_H

#include "access/guard.h"
#include "workspace/workspace.h"

// What was made or changed, and the key's text, once: wipe it with hd_made_key_clear.
typedef struct hd_made_key {
    char text[HD_KEY_TEXT + 1];
    char id[HD_KEY_ID + 1];
} hd_made_key;
void hd_made_key_clear(hd_made_key *made);

// HEED_DENIED while the workspace's own keys are locked.
heed_err hd_workspace_key_make(heed_workspace *ws, const hd_key_params *params,
                               hd_made_key *out) HEED_CHECK;
heed_err hd_workspace_key_revoke(heed_workspace *ws, const char *id) HEED_CHECK;
// {"keys": […]}, oldest first; an object as hd_workspace_key_json makes it.
heed_err hd_workspace_keys(heed_workspace *ws, json_t **out) HEED_CHECK;
// One key as JSON, without its text. HEED_NOT_FOUND.
heed_err hd_workspace_key_json(heed_workspace *ws, const char *id, json_t **out) HEED_CHECK;
// {"usage": [{"day", "key", …}], "total": {…}}; since, id: as hd_usage_list.
heed_err hd_workspace_usage(heed_workspace *ws, hd_time since, const char *id,
                            json_t **out) HEED_CHECK;

// The first start of a server: makes a key with all scopes when the workspace never had one
// (*made), for the caller to print once. Only where a person reads it, else the key is lost.
heed_err hd_access_first(heed_workspace *ws, hd_made_key *out, bool *made) HEED_CHECK;

#endif
