// SPDX-License-Identifier: Apache-2.0
//
// Removing what is past its time by the settings retention.*. It goes in steps of bounded length,
// each a transaction with its entry in the audit log, so that a server writes what is posted in
// between:
//
//     hd_retaining r = {.now = now};
//     for (bool more = true; more;) HD_TRY(hd_retain_step(ws, &r, &more));
//
// A walk that was stopped begins anew: what it removed is gone, the rest is found again.
#ifndef HD_WORKSPACE_RETAIN_H
#define HD_WORKSPACE_RETAIN_H

#include "heed/privacy.h"
#include "privacy/rights.h"
#include "workspace/workspace.h"

// Whether a day has gone by since it was last done, or the clock was set back. Settings that keep
// everything: false.
heed_err hd_retain_due(heed_workspace *ws, hd_time now, bool *due) HEED_CHECK;

typedef struct hd_retaining {
    hd_time now;     // what is past its time then
    hd_expired gone; // so far
    // The walk's own; all zeros: it begins.
    bool begun, retired;
    int64_t person;
    hd_expiring rows;
} hd_retaining;

// *more: there is more to do. On failure what the step did is undone; it may be tried again.
heed_err hd_retain_step(heed_workspace *ws, hd_retaining *r, bool *more) HEED_CHECK;

// {"dry_run", "events", "reviews", "tickets", "messages", "users"}, as of `now`: all of it at once.
heed_err hd_privacy_retain(heed_workspace *ws, hd_time now, bool dry_run, json_t **out) HEED_CHECK;

#endif
