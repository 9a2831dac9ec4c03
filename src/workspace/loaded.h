// SPDX-License-Identifier: Apache-2.0
//
// The models that answer, in memory: shared by all handles on a workspace (workspace/cache.h), and
// replaced as a whole when another version is put in force, the catalogue changes, or somebody
// withdraws whose rows were read. A request holds what it began with: its answer is of one version.
#ifndef HD_WORKSPACE_LOADED_H
#define HD_WORKSPACE_LOADED_H

#include "profile/segments.h"
#include "recommend/serve.h"
#include "workspace/cache.h"
#include "workspace/models.h"

// The catalogue in memory. A handle that writes sees rows that nobody else does: its items are its
// own.
typedef struct hd_shared_items {
    hd_shared shared;
    hd_items items;
    int64_t version;  // of the catalogue when it was read
    int64_t at, took; // monotonic ms: when that was, and how long it took
} hd_shared_items;
// As it stands now, or (one that takes long to read, and changes all day) as it stood a little ago.
heed_err hd_shared_items_get(heed_workspace *ws, hd_shared_items **out) HEED_CHECK;

typedef struct hd_loaded {
    hd_shared shared;
    hd_model_ref ref;
    const hd_items *items;
    const hd_serving *serving;
} hd_loaded;
// The one of a method, NULL: by `recommend.method`. Within the request's read transaction.
heed_err hd_loaded_get(heed_workspace *ws, const char *method, hd_loaded **out) HEED_CHECK;

typedef struct hd_loaded_segments {
    hd_shared shared;
    char version[24];
    hd_segments *segments;
} hd_loaded_segments;
// HEED_NOT_FOUND: none were trained.
heed_err hd_loaded_segments_get(heed_workspace *ws, hd_loaded_segments **out) HEED_CHECK;

#endif
