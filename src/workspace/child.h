// SPDX-License-Identifier: Apache-2.0
//
// The other end of runner.h: what a process does that was started to run one job.
#ifndef HD_WORKSPACE_CHILD_H
#define HD_WORKSPACE_CHILD_H

#include "base/settings.h"
#include "workspace/jobs.h"

// Makes this process one that gives way: nice, threads by jobs.threads, memory by jobs.memory,
// first to go when the machine runs out of memory; it is asked to end when its parent ends.
// settings: every layer is in; "threads" is set anew.
heed_err hd_child_settle(hd_settings *settings) HEED_CHECK;

// For a job that keeps nobody waiting: from now on this thread, and those it makes, run on what
// nothing else wants, unless jobs.priority says otherwise. No way back.
void hd_child_give_way(const hd_settings *settings);

// The passphrase that the parent lent (HD_JOB_SECRET_FD), once; wiped and released by the caller.
heed_err hd_child_passphrase(hd_str *out) HEED_CHECK;

// Tells the parent how far the work is; not more than ten times a second. ctx of type hd_child.
typedef struct hd_child {
    int64_t told; // when, monotonic ms
} hd_child;
void hd_child_progress(void *ctx, hd_text what, double share);

// Leaves what became of the job: error.json when err is a failure (the thread's last), then
// result.json when there is one (an empty object when a success gave none).
heed_err hd_child_leave(const char *folder, const char *id, heed_err err,
                        const json_t *result) HEED_CHECK;

#endif
