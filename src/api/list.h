// SPDX-License-Identifier: Apache-2.0
//
// The rows, each beside its handler in api/<noun>.c.
#ifndef HD_API_LIST_H
#define HD_API_LIST_H

#include "api/op.h"

extern const hd_op hd_op_init;
extern const hd_op hd_op_config_show;
extern const hd_op hd_op_version;

#endif
