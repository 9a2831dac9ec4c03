// SPDX-License-Identifier: Apache-2.0
//
// Looking after a workspace: checks, copies, the data report.
#ifndef HD_WORKSPACE_CARE_H
#define HD_WORKSPACE_CARE_H

#include "workspace/workspace.h"

// {"checks": [{"name", "state", "text": {"en", "zh"}}], "faults": 0, "warnings": 1}; state is
// "ok", "warning" or "fault". folder NULL: what can be said without a workspace.
heed_err hd_doctor(const char *folder, hd_settings *settings, hd_stop *stop,
                   json_t **out) HEED_CHECK;

// prepare/report.h over the workspace's data, with what cleaning would leave out.
heed_err hd_report(heed_workspace *ws, json_t **out) HEED_CHECK;
heed_err hd_report_text(const json_t *report, heed_lang lang, hd_str *out) HEED_CHECK;

#endif
