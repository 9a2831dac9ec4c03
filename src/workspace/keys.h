// SPDX-License-Identifier: Apache-2.0
//
// The keys of an open workspace: its folder keys/, and the keyring in it.
#ifndef HD_WORKSPACE_KEYS_H
#define HD_WORKSPACE_KEYS_H

#include "workspace/workspace.h"

// Opens ws->keyring (locked where the keys aren't here); a writer makes what is missing.
heed_err hd_workspace_keys_open(heed_workspace *ws, hd_arena *arena) HEED_CHECK;
void hd_workspace_keys_close(heed_workspace *ws);

#endif
