// SPDX-License-Identifier: Apache-2.0
//
// What saved preparations of texts have in common: {"format": …, "version": …, "options": …, …}.
#ifndef HD_TEXT_SAVED_H
#define HD_TEXT_SAVED_H

#include "base/json.h"

// HEED_CORRUPT when it has another format, HEED_VERSION when a newer heed wrote it. name: stands in
// messages.
heed_err hd_saved_check(const json_t *json, const char *format, int version,
                        const char *name) HEED_CHECK;
// In a saved file, what would be bad input in a recipe is damage: HEED_INPUT becomes HEED_CORRUPT.
heed_err hd_saved_damaged(heed_err err) HEED_CHECK;

#endif
