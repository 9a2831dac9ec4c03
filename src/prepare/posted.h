// SPDX-License-Identifier: Apache-2.0
//
// From JSON values, as they are posted to an API, to records: an importer for one object at a time.
// It knows the same fields by the same names (docs/import.md), but nothing is guessed from other
// records: what an object means depends on that object alone.
//
//     hd_import_row row;
//     HD_TRY(hd_posted_take(posted, value, now, &row));
//     if (row.state == HD_ROW_BAD) refuse(row.reason);
//     else for (bool more = row.state == HD_ROW_RECORD; more; more = hd_posted_next(posted, &row))
//         put(&row.record);
//
// Memory: bounded by the largest object. Threads: one at a time.
#ifndef HD_PREPARE_POSTED_H
#define HD_PREPARE_POSTED_H

#include <jansson.h>

#include "prepare/importer.h"

enum { HD_POSTED_MEMBERS = 1024 }; // of one object, those of nested objects counted

typedef struct hd_posted_params {
    hd_kind kind;
    const char *preset;   // "segment", "posthog": that system's messages; NULL: heed's own records
    const char *call;     // Segment: of messages that don't say theirs ("track"); NULL: none
    const char *zone;     // of times without one; NULL: UTC
    const char *currency; // of amounts without one; NULL: none
} hd_posted_params;

typedef struct hd_posted hd_posted;
heed_err hd_posted_open(const hd_posted_params *params, hd_posted **out) HEED_CHECK;
void hd_posted_close(hd_posted *posted); // NULL is fine

// Takes one value. row->state: RECORD with the first record, BAD with the reason, END when it is
// sound and says nothing. Times later than `now` plus a day are refused. Fails for want of memory
// only. Records are borrowed until the next take.
heed_err hd_posted_take(hd_posted *posted, const json_t *value, hd_time now,
                        hd_import_row *row) HEED_CHECK;
// Further records of the same value (an order gives one for each product); false: no more.
bool hd_posted_next(hd_posted *posted, hd_import_row *row);
size_t hd_posted_count(const hd_posted *posted); // records that the value gave
// Appends the JSON pointer of the member that made the value bad ("/properties/price"); nothing
// where it is the value as a whole.
void hd_posted_pointer(const hd_posted *posted, hd_str *out);

#endif
