// SPDX-License-Identifier: Apache-2.0
//
// heed serve, for the program that puts it behind its command line.
#ifndef HD_SERVER_SERVE_H
#define HD_SERVER_SERVE_H

#include "api/op.h"

// For hd_call.serve: serves the call's workspace until SIGINT or SIGTERM, then drains. One at a
// time in a process.
heed_err hd_server_run(hd_call *call, json_t **result) HEED_CHECK;

#endif
