// SPDX-License-Identifier: Apache-2.0
#ifndef HD_API_SEGMENTS_H
#define HD_API_SEGMENTS_H

#include "api/op.h"

// All segments, for a person's eyes.
heed_err hd_api_segments_text(const json_t *result, heed_lang lang, size_t width,
                              hd_str *out) HEED_CHECK;

#endif
