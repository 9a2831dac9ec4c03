// SPDX-License-Identifier: Apache-2.0
//
// What a server says when it begins.
#ifndef HD_API_SERVE_H
#define HD_API_SERVE_H

#include "api/host.h"

// Tells the user where it serves; on a terminal, and when there is none yet, makes an admin key
// and shows it this once.
heed_err hd_serve_tell(hd_call *call, hd_host *host, const char *url) HEED_CHECK;

#endif
