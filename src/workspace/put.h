// SPDX-License-Identifier: Apache-2.0
//
// One record into the workspace, wherever it came from: personal ones through the door, things into
// the catalogue, free text redacted on the way as `privacy.text` says.
#ifndef HD_WORKSPACE_PUT_H
#define HD_WORKSPACE_PUT_H

#include "workspace/redact.h"
#include "workspace/workspace.h"

// Within the caller's transaction. The record's texts may be replaced by redacted ones; redacted:
// added to, by type. HEED_INPUT: it was refused and has left nothing.
heed_err hd_put_record(heed_workspace *ws, hd_redactor *redactor, int64_t batch, hd_record *record,
                       int64_t redacted[HD_PII_TYPES], hd_put *what) HEED_CHECK;

#endif
