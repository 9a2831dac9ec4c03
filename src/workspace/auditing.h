// SPDX-License-Identifier: Apache-2.0
//
// The audit log of an open workspace: its keys come from the keyring, its newest checkpoint stands
// among the keyring's marks.
#ifndef HD_WORKSPACE_AUDITING_H
#define HD_WORKSPACE_AUDITING_H

#include "privacy/audit.h"
#include "workspace/workspace.h"

// Opens ws->audit, once the keyring is there. Without keys it can be read, and adding is denied.
heed_err hd_auditing_open(heed_workspace *ws) HEED_CHECK;
void hd_auditing_close(heed_workspace *ws);

// Adds an entry in the transaction at hand. A handle that reads uses a connection of its own for
// it: HEED_BUSY while another process writes for long.
heed_err hd_workspace_record(heed_workspace *ws, const hd_audit_entry *entry) HEED_CHECK;
// The same of something done to one person, named by an id as it was given.
heed_err hd_workspace_record_user(heed_workspace *ws, const char *user,
                                  hd_audit_entry entry) HEED_CHECK;
// For what needs no keys and touches no person: what can't be recorded is logged and goes on.
void hd_workspace_record_gladly(heed_workspace *ws, const hd_audit_entry *entry);
// A read that served, by somebody who has no server to count it: an entry of its own. many: it read
// more than one person. Waits for no other writer: what can't be recorded is logged and goes on.
void hd_workspace_record_read(heed_workspace *ws, const char *purpose, bool many);
// Notes in a database just restored which backup it came from.
heed_err hd_auditing_mark_restored(const char *db, const char *source) HEED_CHECK;

// For `heed privacy audit`.
typedef struct hd_audit_query {
    hd_time since, until; // HD_TIME_NONE: open
    const char *what, *actor;
    const char *user; // entries on this person; NULL: all
    uint64_t before;  // page: entries below this number
    size_t limit;
} hd_audit_query;
heed_err hd_audit_list(heed_workspace *ws, const hd_audit_query *query, json_t **out) HEED_CHECK;
heed_err hd_audit_verdict(heed_workspace *ws, json_t **out) HEED_CHECK;
// key: hexadecimal, NULL: the file's own.
heed_err hd_audit_verdict_file(const char *path, const char *key, json_t **out) HEED_CHECK;
heed_err hd_audit_write(heed_workspace *ws, const char *path, json_t **out) HEED_CHECK;

#endif
