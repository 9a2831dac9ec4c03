// SPDX-License-Identifier: Apache-2.0
//
// Times as people write them in a flag or a query.
#ifndef HD_API_WHEN_H
#define HD_API_WHEN_H

#include "api/params.h"
#include "base/time.h"

typedef enum hd_when { HD_WHEN_AGO, HD_WHEN_AHEAD } hd_when;

// The text of a parameter as an instant: "90d" (h, d, w: counted from now, back or ahead), or an
// ISO date or time (UTC unless it says otherwise). Absent: HD_TIME_NONE. HEED_USAGE names the flag.
heed_err hd_call_when(const hd_call *call, const hd_param *param, hd_when direction,
                      hd_time *out) HEED_CHECK;

#endif
