// SPDX-License-Identifier: Apache-2.0
//
// The command line as a whole.
#ifndef HD_CLI_CLI_H
#define HD_CLI_CLI_H

#include "api/op.h"

// What a program's main does: reads the line, runs the operation, prints, returns the exit code.
// serve: for `heed serve`; NULL: this program can't.
int hd_cli_main(int argc, char **argv, heed_err (*serve)(hd_call *call, json_t **result));

#endif
