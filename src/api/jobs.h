// SPDX-License-Identifier: Apache-2.0
//
// Jobs as a server needs them: an operation whose row says HD_RUN_JOB is added here and answered by
// 202; the runner (workspace/runner.h) does the rest.
//
//     hd_runner_open(&(hd_runner_params){.on_change = tell_streams, .ctx = server}, &runner);
//     hd_runner_add(runner, ws);              // for each workspace, once it is open for writing
//     hd_job_submit(runner, op, &call, NULL, &job);           // → 202, job["id"]
//     hd_job_event(call.workspace, id, &seen, &ended, &text); // a server-sent event, or nothing
//     hd_runner_close(runner);                // before the writing handles are closed
#ifndef HD_API_JOBS_H
#define HD_API_JOBS_H

#include "api/op.h"
#include "workspace/runner.h"

// Adds the call as a job and wakes the runner. upload: the file that holds the body, for an
// operation with a parameter `.upload`; it is moved away. *job: as GET /api/v1/jobs/{job} gives it.
heed_err hd_job_submit(hd_runner *runner, const hd_op *op, const hd_call *call, const char *upload,
                       json_t **job) HEED_CHECK;

#endif
