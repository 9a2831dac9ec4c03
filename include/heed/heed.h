// SPDX-License-Identifier: Apache-2.0
//
// libheed: from what users do and say to what they need next. This header brings in all of it; each
// noun has a header of its own, to be read in this order:
//
//     heed/error.h      codes and messages
//     heed/workspace.h  a company's data and models: open, back up, restore
//     heed/import.h     files into the workspace
//     heed/train.h      models from the data, and what they are worth
//     heed/recommend.h  what a user may want next, and why
//     heed/profile.h    what is known of a user
//     heed/privacy.h    the rights of the persons concerned
//     heed/net.h        networks of one's own: layers, training, files
//
// Threads: functions on one handle are called by one thread at a time.
#ifndef HEED_H
#define HEED_H

#include "heed/error.h"
#include "heed/import.h"
#include "heed/net.h"
#include "heed/privacy.h"
#include "heed/profile.h"
#include "heed/recommend.h"
#include "heed/train.h"
#include "heed/workspace.h"

#endif
