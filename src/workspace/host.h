// SPDX-License-Identifier: Apache-2.0
//
// A workspace that stays open for many threads: what a server keeps of each tenant. Every thread
// that reads has a place (a number) and a reading handle of its own there; one thread writes.
//
// Writing in groups: the writing thread takes whatever waits, runs it in one transaction, commits,
// and only then reports each task as done. So many small writes share one sync of the disk, and
// nothing is acknowledged that could still be lost. A task that fails leaves nothing and spares the
// others; when the database itself refuses (a full disk), the group is undone and each task is
// tried alone, so that each hears its own answer.
//
// Threads: a place belongs to one thread; the rest may be called from any.
#ifndef HD_WORKSPACE_HOST_H
#define HD_WORKSPACE_HOST_H

#include "access/guard.h"
#include "privacy/audit.h"
#include "workspace/runner.h"
#include "workspace/workspace.h"

typedef struct hd_host hd_host;

typedef struct hd_host_params {
    const char *folder;
    uint32_t number;          // among those of the server
    const char *who;          // what the lock tells other writers: "heed serve"
    size_t places;            // for readers: 0 .. places-1
    size_t max_waiting;       // tasks that may wait to be written; more: HEED_BUSY
    hd_settings *(*settings)( // makes the settings of a handle; NULL: it failed, with a message
        void *ctx, const char *folder);
    void *ctx;
    hd_passphrase passphrase; // for the keys of each handle; .ask NULL: nobody can be asked
} hd_host_params;

// Opens the workspace to write (HEED_BUSY: another process does) and starts its thread.
heed_err hd_host_open(const hd_host_params *params, hd_host **out) HEED_CHECK;
// Runs what waits, writes the log into the database, closes all handles. NULL is fine. No reader
// may be at work.
void hd_host_close(hd_host *host);

const char *hd_host_folder(const hd_host *host);
const char *hd_host_name(const hd_host *host); // the folder's last part

// Who may ask what of the workspace; NULL: its own keys aren't here, so API keys can't be checked.
hd_guard *hd_host_guard(const hd_host *host);

// Reads the API keys anew; on the writing thread, by whoever changed them.
heed_err hd_host_keys_changed(hd_host *host, heed_workspace *ws) HEED_CHECK;

// Where reads that served and sign-ins that failed are counted for the audit log; any thread.
hd_audit_counts *hd_host_counts_of_reads(const hd_host *host);

// Now and then: writes what was metered and counted; finishes erasures that something kept from
// their end; once a day removes what is past its time, in steps between which others write. Returns
// at once.
void hd_host_tick(hd_host *host, hd_time now);

// The reading handle of a place, opened when first asked for, and anew after hd_host_refresh.
// Borrowed: the place's thread may use it until it asks again.
heed_err hd_host_reader(hd_host *host, size_t place, heed_workspace **out) HEED_CHECK;
// Settings or files changed: handles are opened anew as they are asked for; the writer's too.
void hd_host_refresh(hd_host *host);

typedef enum hd_task_kind {
    HD_TASK_GROUP, // in a transaction with others: does nothing but in the database, nests its own
    HD_TASK_ALONE  // with no transaction around it
} hd_task_kind;

typedef struct hd_task hd_task;
struct hd_task {
    hd_task_kind kind;
    // On the writing thread. A task in a group may be run a second time, alone: what the first run
    // wrote is gone then.
    heed_err (*run)(hd_task *task, heed_workspace *ws);
    // On the writing thread, once what it wrote is durable, or with its failure as this thread's
    // last error. May free the task.
    void (*done)(hd_task *task, heed_err err);
    // The host's own.
    hd_task *next;
    heed_err err;
    hd_error *failure;
};

// Queues a task. HEED_BUSY: too many wait; HEED_UNAVAILABLE: the host is closing. `done` is called
// exactly once when this returns HEED_OK, and never else.
heed_err hd_host_submit(hd_host *host, hd_task *task) HEED_CHECK;
// Runs fn on the writing thread and waits for it.
heed_err hd_host_do(hd_host *host, hd_task_kind kind, heed_err (*fn)(void *ctx, heed_workspace *ws),
                    void *ctx) HEED_CHECK;
size_t hd_host_waiting(const hd_host *host);

typedef struct hd_host_counts {
    uint64_t tasks, groups, retried;
} hd_host_counts;
hd_host_counts hd_host_count(hd_host *host);

#endif
