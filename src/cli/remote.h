// SPDX-License-Identifier: Apache-2.0
//
// A command on a workspace that a server holds: it is sent to the server, by the socket in the
// workspace's folder, and done there.
#ifndef HD_CLI_REMOTE_H
#define HD_CLI_REMOTE_H

#include "api/op.h"

// Runs the operation by the server of call->workspace. *served false: no server listens there, and
// nothing was done (then HEED_OK). Work that takes long is followed to its end, with progress.
heed_err hd_remote_run(const hd_op *op, hd_call *call, bool *served, json_t **result) HEED_CHECK;

#endif
