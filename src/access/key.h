// SPDX-License-Identifier: Apache-2.0
//
// Within access/: the text of a new key.
#ifndef HD_ACCESS_KEY_H
#define HD_ACCESS_KEY_H

#include "access/access.h"

// Draws an id and a secret. HEED_FAILED: the system gives no random numbers.
heed_err hd_key_draw(hd_presented *out) HEED_CHECK;
void hd_key_write(const hd_presented *key, char text[HD_KEY_TEXT + 1]);

#endif
