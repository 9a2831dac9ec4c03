// SPDX-License-Identifier: Apache-2.0
//
// Erasing persons: the parts of it that the rooms above and the opening of a workspace see. What is
// past its time goes by retain.h.
#ifndef HD_WORKSPACE_ERASE_H
#define HD_WORKSPACE_ERASE_H

#include "heed/privacy.h"
#include "privacy/rights.h"
#include "workspace/workspace.h"

// {"user", "removed": {"ids", "events", …}, "models": how many learned from the person, "finished",
// "receipt": the text}
heed_err hd_users_erase(heed_workspace *ws, const char *user, json_t **out) HEED_CHECK;

// Carries out what the ledger of the keys says and this database hasn't done: after a crash, or
// after an older backup was restored. For a handle that writes; nothing pending: one look at two
// tables.
heed_err hd_erasures_resume(heed_workspace *ws) HEED_CHECK;
// HEED_UNAVAILABLE when there is something of that kind: for a handle that reads.
heed_err hd_erasures_check(heed_workspace *ws) HEED_CHECK;

// Notes in the ledger, in the transaction at hand, that these subjects (n) are gone; hash: of the
// receipt. *last: the newest entry.
heed_err hd_erasures_note(heed_workspace *ws, const int64_t *subjects, size_t n, hd_time time,
                          const uint8_t hash[HD_RECEIPT_BYTES], int64_t *last) HEED_CHECK;

// A number that grows with every erasure that this database has followed.
heed_err hd_erasures_seen(heed_workspace *ws, int64_t *out) HEED_CHECK;

// The newest receipts, as texts in an array.
heed_err hd_privacy_receipts(heed_workspace *ws, size_t limit, json_t **out) HEED_CHECK;
// Verifies a receipt's text with this workspace's key; ws NULL: with the receipt's own.
heed_err hd_privacy_verify(heed_workspace *ws, hd_slice text, json_t **out) HEED_CHECK;

#endif
