// SPDX-License-Identifier: Apache-2.0
//
// The vocabulary of events. Well-known names become one word each (pageview → view, add_to_cart →
// cart, 加购 → cart, buy → purchase); unknown ones are kept, in lower case.
#ifndef HD_PREPARE_READ_EVENT_TYPE_H
#define HD_PREPARE_READ_EVENT_TYPE_H

#include "base/arena.h"
#include "base/str.h"

// *out: static or in the arena.
heed_err hd_event_type(hd_slice name, hd_arena *arena, hd_slice *out) HEED_CHECK;

// The word of a folded name, or NULL when it isn't well known.
const char *hd_event_word(const char *folded);

#endif
