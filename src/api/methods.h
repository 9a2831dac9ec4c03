// SPDX-License-Identifier: Apache-2.0
//
// The recommenders' names, for parameters that choose among them.
#ifndef HD_API_METHODS_H
#define HD_API_METHODS_H

#include <stddef.h>

const char *hd_api_method_at(size_t i);     // NULL past the end
const char *hd_api_method_or_all(size_t i); // "all" first

#endif
