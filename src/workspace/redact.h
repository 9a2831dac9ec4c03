// SPDX-License-Identifier: Apache-2.0
//
// Personal data on its way in, in free text (`privacy.text`) and in attributes and events'
// properties (`privacy.attributes`): kept as it is, redacted, or replaced by tokens that the
// workspace's keys can turn back.
#ifndef HD_WORKSPACE_REDACT_H
#define HD_WORKSPACE_REDACT_H

#include "base/arena.h"
#include "base/record.h"
#include "heed/import.h"
#include "privacy/finder.h"
#include "privacy/tokens.h"
#include "workspace/workspace.h"

typedef enum hd_found { HD_FOUND_KEEP, HD_FOUND_REDACT, HD_FOUND_TOKENIZE } hd_found;

typedef struct hd_redactor {
    hd_finder *finder;    // NULL: all is kept
    hd_tokenizer *tokens; // NULL: nothing is tokenized
    hd_found text, attributes;
    hd_str texts[2]; // of the last record
} hd_redactor;

// A zeroed redactor may be cleared. HEED_DENIED: tokens need keys that aren't here.
heed_err hd_redactor_init(hd_redactor *redactor, const heed_workspace *ws) HEED_CHECK;
void hd_redactor_clear(hd_redactor *redactor);

// Treats the titles and texts of reviews, subjects and messages of tickets, and strings in users'
// attributes and events' properties, as the settings say; what is put in their place is borrowed
// until the next call. counts: added to, by type.
heed_err hd_redactor_record(hd_redactor *redactor, hd_record *record,
                            int64_t counts[HD_PII_TYPES]) HEED_CHECK;
// Appends a text with marks for what is found, whatever the settings say of others; as it is when
// all is kept. For rejected rows.
heed_err hd_redactor_text(hd_redactor *redactor, hd_slice text, hd_str *out) HEED_CHECK;

// The types that were found, in the arena.
heed_err hd_redactor_list(const int64_t counts[HD_PII_TYPES], hd_arena *arena,
                          heed_import_file *out) HEED_CHECK;

// Turns the tokens in a text back: {"text": …, "revealed": n}. An entry in the audit log comes
// first.
heed_err hd_tokens_show(heed_workspace *ws, hd_slice text, json_t **out) HEED_CHECK;

#endif
