// SPDX-License-Identifier: Apache-2.0
//
// Import as the rooms above see it, beside heed/import.h.
#ifndef HD_WORKSPACE_IMPORT_H
#define HD_WORKSPACE_IMPORT_H

#include "heed/import.h"
#include "prepare/importer.h"
#include "workspace/workspace.h"

heed_err hd_import_list(heed_workspace *ws, json_t **out) HEED_CHECK;
// One of them; HEED_NOT_FOUND.
heed_err hd_import_show(heed_workspace *ws, int64_t batch, json_t **out) HEED_CHECK;

#endif
