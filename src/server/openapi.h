// SPDX-License-Identifier: Apache-2.0
//
// The description of the interface (OpenAPI 3.1), made from the operations' rows: it can't say
// anything else than what the server does.
#ifndef HD_SERVER_OPENAPI_H
#define HD_SERVER_OPENAPI_H

#include "api/op.h"

// Compact JSON. HEED_INTERNAL: a row's schema is not JSON (a test looks at all of them).
heed_err hd_openapi_write(hd_str *out) HEED_CHECK;

#endif
