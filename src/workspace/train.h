// SPDX-License-Identifier: Apache-2.0
//
// Training and evaluation as the rooms above see them, beside heed/train.h: results as JSON.
#ifndef HD_WORKSPACE_TRAIN_H
#define HD_WORKSPACE_TRAIN_H

#include "heed/train.h"
#include "recommend/evaluate.h"
#include "workspace/data.h"
#include "workspace/models.h"

heed_err hd_train(heed_workspace *ws, const heed_train_params *params, json_t **out) HEED_CHECK;
heed_err hd_evaluate_workspace(heed_workspace *ws, const heed_evaluate_params *params,
                               json_t **out) HEED_CHECK;
// {"method", "version", "previous": {…} or null}
heed_err hd_model_switch(heed_workspace *ws, const char *method, const char *version,
                         json_t **out) HEED_CHECK; // method NULL: back to the one before

// A version's manifest, whether it is in force ("active"), and "report": how it was chosen. version
// NULL: the method's newest. HEED_NOT_FOUND: there is none.
heed_err hd_model_show(heed_workspace *ws, const char *method, const char *version,
                       json_t **out) HEED_CHECK;

// Methods by name, "all" for every one; *out (n): in the arena, in the order of the list, each
// once. HEED_INPUT names the unknown one.
heed_err hd_methods_named(const char *const *names, size_t n_names, hd_arena *arena,
                          const hd_method ***out, size_t *n) HEED_CHECK;

// User segments in two steps: what everybody is like is read (within the caller's transaction),
// then centres are fitted and published as a version of task "profile", method "segments".
// *out: {"version", "users", "segments": […]}, or null where there are too few users.
typedef struct hd_gathered hd_gathered;
heed_err hd_segments_gather(heed_workspace *ws, hd_gathered **out) HEED_CHECK;
heed_err hd_segments_train(heed_workspace *ws, const hd_gathered *gathered, uint64_t seed,
                           const char *data_hash, json_t **out) HEED_CHECK;
void hd_gathered_free(hd_gathered *gathered); // NULL is fine

#endif
