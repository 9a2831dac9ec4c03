// SPDX-License-Identifier: Apache-2.0
//
// The model that a call names: of the workspace's registry, or a folder.
#ifndef HD_API_ASKED_H
#define HD_API_ASKED_H

#include "api/call.h"
#include "workspace/recipe.h"

typedef struct hd_asked {
    heed_workspace *ws;
    hd_loaded_model *loaded; // of the registry
    hd_predictor *own;       // of a folder
    const hd_predictor *model;
    const char *version; // "" of a folder
} hd_asked;

// folders: whether a folder may be named. To be closed also when it fails.
heed_err hd_asked_open(hd_call *call, bool folders, hd_asked *out) HEED_CHECK;
void hd_asked_close(hd_call *call, hd_asked *asked);

#endif
