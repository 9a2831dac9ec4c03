// SPDX-License-Identifier: Apache-2.0
//
// The rights of persons as the rooms above see them, beside heed/privacy.h: results as JSON.
// source: who asks ("cli", an API key's id), noted with what was said.
#ifndef HD_WORKSPACE_RIGHTS_H
#define HD_WORKSPACE_RIGHTS_H

#include "heed/privacy.h"
#include "privacy/consent.h"
#include "privacy/rights.h"
#include "workspace/workspace.h"

// Whether a model of that manifest may have learned from the person.
heed_err hd_model_held(heed_workspace *ws, int64_t person, const json_t *manifest,
                       bool *held) HEED_CHECK;

heed_err hd_users_show(heed_workspace *ws, const char *user, json_t **out) HEED_CHECK;
heed_err hd_users_export(heed_workspace *ws, const char *user, heed_lang lang,
                         json_t **out) HEED_CHECK;
heed_err hd_users_consent(heed_workspace *ws, const char *user, const char *purpose, bool on,
                          const char *source, json_t **out) HEED_CHECK;
heed_err hd_users_restrict(heed_workspace *ws, const char *user, bool on, const char *source,
                           json_t **out) HEED_CHECK;
heed_err hd_users_correct(heed_workspace *ws, const char *user, const hd_correction *what,
                          json_t **out) HEED_CHECK;

#endif
