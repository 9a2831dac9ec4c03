// SPDX-License-Identifier: Apache-2.0
//
// Free text on its way in: personal data in it is kept or redacted, as `privacy.text` says.
#ifndef HD_WORKSPACE_REDACT_H
#define HD_WORKSPACE_REDACT_H

#include "base/arena.h"
#include "base/record.h"
#include "base/settings.h"
#include "heed/import.h"
#include "privacy/finder.h"

typedef struct hd_redactor {
    hd_finder *finder; // NULL: all text is kept
    hd_str texts[2];   // of the last record
} hd_redactor;

// A zeroed redactor may be cleared.
heed_err hd_redactor_init(hd_redactor *redactor, const hd_settings *settings) HEED_CHECK;
void hd_redactor_clear(hd_redactor *redactor);

// Puts redacted text in place of the titles and texts of reviews, subjects and messages of tickets;
// borrowed until the next call. counts: added to, by type.
heed_err hd_redactor_record(hd_redactor *redactor, hd_record *record,
                            int64_t counts[HD_PII_TYPES]) HEED_CHECK;

// The types that were redacted, in the arena.
heed_err hd_redactor_list(const int64_t counts[HD_PII_TYPES], hd_arena *arena,
                          heed_import_file *out) HEED_CHECK;

#endif
