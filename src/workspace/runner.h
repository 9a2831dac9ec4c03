// SPDX-License-Identifier: Apache-2.0
//
// The runner: a thread that starts queued jobs as processes of their own, listens to how far they
// are, and notices their end. A job that dies or eats its memory takes nobody with it.
//
// A child is the program itself: `heed --workspace W job run ID`, with
//     fd 3   a pipe: a line of JSON for each piece of progress {"share": 0.5, "en": "…", "zh": "…"}
//     fd 4   heed.lock, lent: parent and child hold it together, so that a job may write while the
//            server has the workspace open; SQLite's own lock keeps their transactions apart
//     fd 5   where it is known, the passphrase of the keys, to be read to its end: argv and
//            environment are for others to see
// Everything else of the server's (sockets, databases) must be close-on-exec.
//
// Of one workspace, one job of an operation runs at a time; of all workspaces, `max_running`.
// Threads: all functions from any thread. Callbacks come from the runner's thread and must not call
// the runner (but hd_runner_wake).
#ifndef HD_WORKSPACE_RUNNER_H
#define HD_WORKSPACE_RUNNER_H

#include "base/settings.h"
#include "workspace/jobs.h"

enum { HD_JOB_PROGRESS_FD = 3, HD_JOB_LOCK_FD = 4, HD_JOB_SECRET_FD = 5 };
enum { HD_JOB_SECRET_MOST = 4096 }; // what a pipe takes without a reader

typedef struct hd_runner hd_runner;

typedef struct hd_runner_params {
    const char *program;      // path of heed; NULL: the program that runs now
    const char *const *flags; // global flags for the child, NULL-terminated: "--setting", "a=b"
    size_t max_running;       // 0: 2
    // Appends the passphrase of the folder's keys, or nothing where the child finds it by itself;
    // from the runner's thread. NULL: nothing.
    heed_err (*secret)(void *ctx, const char *folder, hd_str *out);
    void *secret_ctx;
    int64_t kill_ms; // from SIGTERM to SIGKILL; 0: 10 s
    // A job changed: its state or its progress. NULL: nobody is told.
    void (*on_change)(void *ctx, const char *folder, const char *job);
    void *ctx;
} hd_runner_params;

// params and what it points to: copied.
heed_err hd_runner_open(const hd_runner_params *params, hd_runner **out) HEED_CHECK;
// Ends running jobs (SIGTERM, then SIGKILL) and waits for them; queued ones stay for the next
// server. NULL is fine.
void hd_runner_close(hd_runner *runner);

// Takes a workspace under care: what was left running by a server that is gone is marked as failed,
// then what is queued is started. ws: open for writing, borrowed for the call alone: its lock is
// lent to children (the descriptor is copied).
heed_err hd_runner_add(hd_runner *runner, const heed_workspace *ws) HEED_CHECK;
// Ends its running jobs, waits for them, and lets go of its lock.
void hd_runner_remove(hd_runner *runner, const char *folder);

// Looks at the queues now: after hd_jobs_add and hd_jobs_cancel.
void hd_runner_wake(hd_runner *runner);
size_t hd_runner_running(hd_runner *runner); // over all workspaces

#endif
