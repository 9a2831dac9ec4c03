// SPDX-License-Identifier: Apache-2.0
//
// Records as they are posted: JSON in, rows in the database, an account of each record out. The
// quick sister of import: no file, no guessing, no batch of its own.
#ifndef HD_WORKSPACE_INGEST_H
#define HD_WORKSPACE_INGEST_H

#include "base/record.h"
#include "workspace/workspace.h"

enum { HD_INGEST_MAX = 10000, HD_INGEST_ERRORS = 100 }; // records at once; errors told of

typedef struct hd_ingest_params {
    hd_kind kind;
    const char *preset;    // "segment", "posthog": that system's messages; NULL: heed's own records
    const char *call;      // Segment: of messages that don't say theirs; NULL: they must
    const json_t *records; // an array, or one record
    const char *id;        // what every record must be of (the address says so); NULL: any
    const char *pointer;   // where that stands in what was posted: "", "/events"
    heed_lang lang;        // of the errors' details
} hd_ingest_params;

// Takes the records in, within a transaction of its own (which nests). A bad record is left out,
// the others are kept:
//
//     {"accepted": 98, "repeated": 1, "ignored": 0, "rejected": 1, "redacted": 0,
//      "errors": [{"index": 3, "pointer": "/events/3/time", "detail": "…"}]}
//
// Some bad: HEED_PARTIAL, all bad: HEED_INPUT, each with the result (nothing was written then). Any
// other failure: nothing of the records was kept, and there is no result.
heed_err hd_ingest(heed_workspace *ws, const hd_ingest_params *params, json_t **out) HEED_CHECK;

// The batch under which the API's records of a kind stand today, begun when it is the first. Within
// a transaction.
heed_err hd_ingest_batch(heed_workspace *ws, hd_kind kind, int64_t *batch) HEED_CHECK;

void hd_intake_free(struct hd_intake *intake); // what a workspace keeps for it; NULL is fine

#endif
