// SPDX-License-Identifier: Apache-2.0
//
// Settings changed in heed.yaml, with its comments and its order.
#ifndef HD_WORKSPACE_CONFIG_H
#define HD_WORKSPACE_CONFIG_H

#include <jansson.h>

#include "base/settings.h"

// changes: {"recommend.n": 7, "recommend.method": null}: null takes a setting out of the file, so
// that the default holds again. All of them or none: a name or value that --setting would refuse is
// refused with the same words (HEED_USAGE, HEED_INPUT). running: those that are read when the
// program starts are refused too (HEED_CONFLICT). What stands in the file now must be right.
// before (may be NULL): called once all is found right, and before the file is written; its failure
// leaves the file as it is.
heed_err hd_config_change(const char *folder, const json_t *changes, bool running,
                          heed_err (*before)(void *ctx), void *ctx) HEED_CHECK;

#endif
