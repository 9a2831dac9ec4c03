// SPDX-License-Identifier: Apache-2.0
//
// Operations on workspaces that stay open: what a server needs besides the rows themselves.
#ifndef HD_API_HOST_H
#define HD_API_HOST_H

#include "api/op.h"
#include "workspace/host.h"

// Runs an operation on a lent workspace and writes its result as JSON on one line. ws: opened as
// the row's run_as wants it. HEED_PARTIAL comes with a result, HEED_INPUT with the result's
// `errors` alone, where it has any: an array of {"pointer", "detail", …}.
heed_err hd_host_call(const hd_op *op, hd_call *call, heed_workspace *ws, hd_str *out) HEED_CHECK;

#endif
