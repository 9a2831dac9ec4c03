// SPDX-License-Identifier: Apache-2.0
//
// Status codes and dates of HTTP.
#ifndef HD_SERVER_STATUS_H
#define HD_SERVER_STATUS_H

#include "base/time.h"

// "Not Found"; an unknown code reads as "Unknown".
const char *hd_status_text(int status);
// "Sun, 22 Nov 2026 08:30:05 GMT" (RFC 9110, 5.6.7). n: 30 at least.
void hd_status_date(hd_time t, char *out, size_t n);

#endif
