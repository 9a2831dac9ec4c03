// SPDX-License-Identifier: Apache-2.0
//
// The rights of the persons whose data a workspace holds: to know, to correct, to object or
// consent, to have processing restricted, to be erased. An id names the person: all ids that were
// joined with it are meant. Results are JSON texts; docs/api/users.md has the shapes.
//
//     char *all = NULL;
//     if (heed_users_export(ws, "u42", HEED_EN, &all) == HEED_OK) puts(all);
//     heed_text_free(all);
//
// HEED_NOT_FOUND: nobody has that id (whether somebody ever had isn't said).
#ifndef HEED_PRIVACY_H
#define HEED_PRIVACY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heed/workspace.h"

#ifdef __cplusplus
extern "C" {
#endif

// In short: ids, attributes, counts, and for each purpose whether the person is in.
HEED_API heed_err heed_users_show(heed_workspace *ws, const char *user, char **json) HEED_CHECK;

// Everything that is known of the person: rows as they stand, profile and recommendations with
// their reasons, what was said about purposes, the models that were fitted with them.
HEED_API heed_err heed_users_export(heed_workspace *ws, const char *user, heed_lang lang,
                                    char **json) HEED_CHECK;

// Notes that the person is in a purpose ("recommend", "train", …) or out of it.
HEED_API heed_err heed_users_consent(heed_workspace *ws, const char *user, const char *purpose,
                                     bool on) HEED_CHECK;

// Keeps the person out of every purpose, until it is lifted. The rows stay.
HEED_API heed_err heed_users_restrict(heed_workspace *ws, const char *user, bool on) HEED_CHECK;

// attributes: a JSON object; a value sets an attribute, null removes it. NULL: none. events,
// reviews: numbers of rows that are wrong and go. HEED_NOT_FOUND: one of them isn't the person's;
// nothing was changed then.
typedef struct heed_correction {
    const char *attributes;
    const int64_t *events;
    size_t n_events;
    const int64_t *reviews;
    size_t n_reviews;
} heed_correction;
HEED_API heed_err heed_users_correct(heed_workspace *ws, const char *user,
                                     const heed_correction *what) HEED_CHECK;

// Erases the person: every row, the keys that sealed them, what files beside the database say.
// Models that learned from them are marked, and leave them out when trained again. It can't be
// taken back, and holds for older backups that are restored with these keys. *json: what went, and
// a signed receipt. HEED_DENIED: the keys aren't here.
HEED_API heed_err heed_users_erase(heed_workspace *ws, const char *user, char **json) HEED_CHECK;

// Verifies a receipt: signed by this workspace, and not a byte of it changed (HEED_INPUT). ws NULL:
// one piece, whoever signed it. *json: what it says.
HEED_API heed_err heed_receipt_verify(heed_workspace *ws, const char *receipt,
                                      char **json) HEED_CHECK;

// Removes what is past its time by the settings retention.*; dry_run: only counts it.
HEED_API heed_err heed_privacy_retain(heed_workspace *ws, bool dry_run, char **json) HEED_CHECK;

#ifdef __cplusplus
}
#endif
#endif
