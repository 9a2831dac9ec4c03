// SPDX-License-Identifier: Apache-2.0
//
// Jobs: work that takes longer than a request may. A job is a folder jobs/<id>/ (0700) with
//
//     job.json      what was asked, by whom, and where it stands; replaced whole at every change
//     upload        the bytes that came with the request; gone when the job has ended
//     result.json   what the operation gave
//     error.json    {"code", "en", "zh"} when it failed
//
// States go forward only: queued, running, then done, failed or cancelled. Ids are milliseconds of
// their making, so that they sort by time; no two are alike. A job is complete or absent: it is
// made aside and put in place by one rename. Whoever changes a job holds jobs/.lock for that
// moment, so that a command may cancel what a server is about to start.
//
// These functions work on files alone, in any process; workspace/runner.h starts the processes.
#ifndef HD_WORKSPACE_JOBS_H
#define HD_WORKSPACE_JOBS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"
#include "heed/workspace.h"

enum { HD_JOB_ID = 24 }; // bytes of an id with its NUL

typedef enum hd_job_state {
    HD_JOB_QUEUED,
    HD_JOB_RUNNING,
    HD_JOB_DONE,
    HD_JOB_FAILED,
    HD_JOB_CANCELLED,
    HD_JOB_STATES
} hd_job_state;
const char *hd_job_state_at(size_t i); // its name; NULL past the end
hd_job_state hd_job_state_of(const json_t *job);
static inline bool hd_job_ended(hd_job_state state) {
    return state >= HD_JOB_DONE;
}

typedef struct hd_job_order {
    const char *operation; // name of its row: "train"
    json_t *params;        // borrowed; checked against the row
    const char *by;        // id of the key that asks, "cli"
    heed_lang lang;        // of texts in the result
    // A file that came with the request: moved into the job's folder, and its new path becomes
    // params[upload_param]. NULL: none came.
    const char *upload_param, *upload_path;
} hd_job_order;

// Adds a job in state queued; *out: the job, as hd_jobs_get gives it.
heed_err hd_jobs_add(const char *folder, const hd_job_order *order, json_t **out) HEED_CHECK;

// {"id", "operation", "params", "by", "lang", "state", "created", "started", "ended", "progress":
// {"share", "text": {"en", "zh"}}, "cancel", "error": {"code", "message": {"en", "zh"}} or null,
// "exit_code", "has_result", "revision"}; times null until then, share null when unknown; revision
// grows with every change. HEED_NOT_FOUND: there is none of that id.
heed_err hd_jobs_get(const char *folder, const char *id, json_t **out) HEED_CHECK;
// What the operation gave; HEED_NOT_FOUND when there is nothing (yet).
heed_err hd_jobs_result(const char *folder, const char *id, json_t **out) HEED_CHECK;

// {"jobs": [newest first], "next_cursor": "…" or null}. state: -1 for any; cursor: NULL for the
// newest, else what the page before gave (HEED_INPUT when it is none).
heed_err hd_jobs_list(const char *folder, int state, const char *cursor, size_t limit,
                      json_t **out) HEED_CHECK;

// Cancels: a queued job at once, of a running one the runner is told. HEED_CONFLICT when it has
// ended. *out: the job as it stands then.
heed_err hd_jobs_cancel(const char *folder, const char *id, json_t **out) HEED_CHECK;

// The text of the next server-sent event about a job: "id: 7\nevent: progress\ndata: {…}\n\n",
// nothing when revision `seen` (0: none yet) is the newest. *seen becomes the event's. *ended: it
// was the last one (event "end").
heed_err hd_job_event(const char *folder, const char *id, int64_t *seen, bool *ended,
                      hd_str *out) HEED_CHECK;

// Removes jobs that ended more than `days` ago (0: none by age) or beyond the newest `keep` that
// ended, and what broken runs left.
heed_err hd_jobs_prune(const char *folder, int64_t days, size_t keep) HEED_CHECK;

// ── For the runner and the child alone ──

// "<folder>/jobs/<id>[/<name>]", in the arena. HEED_NOT_FOUND when the id has not the form of one.
heed_err hd_job_path(const char *folder, const char *id, const char *name, hd_arena *arena,
                     char **out) HEED_CHECK;
// Writes a file of the job's folder whole.
heed_err hd_job_write(const char *folder, const char *id, const char *name,
                      const json_t *json) HEED_CHECK;
// queued → running. HEED_CONFLICT: it isn't queued any more.
heed_err hd_jobs_start(const char *folder, const char *id, json_t **out) HEED_CHECK;
heed_err hd_jobs_progress(const char *folder, const char *id, const char *en, const char *zh,
                          double share, bool *cancel) HEED_CHECK; // *cancel: it is to end
// → done, failed or cancelled, by what lies in the folder. exit_code: of the process, -1: it was
// ended by `signal`, or (0) the server ended while it ran. The upload goes.
heed_err hd_jobs_end(const char *folder, const char *id, int exit_code, int signal) HEED_CHECK;
// Ends what a server that is gone left running; *n: how many.
heed_err hd_jobs_orphans(const char *folder, size_t *n) HEED_CHECK;
// Jobs in a state, oldest first: an array.
heed_err hd_jobs_in(const char *folder, hd_job_state state, json_t **out) HEED_CHECK;

#endif
