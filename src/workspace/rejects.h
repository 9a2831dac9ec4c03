// SPDX-License-Identifier: Apache-2.0
//
// Rows that an import refused. The first few are kept for the result, all of them go to a file of
// JSON lines in rejects/, mode 0600: {"line": 7, "reason": "…", "reason_zh": "…", "raw": "…"}. They
// may hold personal data, so the files expire.
#ifndef HD_WORKSPACE_REJECTS_H
#define HD_WORKSPACE_REJECTS_H

#include "heed/import.h"
#include "workspace/redact.h"
#include "workspace/workspace.h"

typedef struct hd_rejects {
    hd_arena *arena; // holds what is shown
    char *path;      // NULL: no file (a dry run)
    hd_file *file;   // made at the first reject
    hd_redactor *redactor;
    hd_str line;
    hd_str texts[3];           // reasons and raw row, redacted
    heed_import_reject *shown; // (n_shown)
    size_t n_shown, max_shown;
    int64_t count;
} hd_rejects;

// arena: borrowed. name: of the file in rejects/ without ".jsonl"; NULL: no file.
// redactor: borrowed; rows and reasons are redacted by it. NULL: they stand as they came.
heed_err hd_rejects_init(hd_rejects *rejects, const heed_workspace *ws, hd_redactor *redactor,
                         hd_arena *arena, const char *name) HEED_CHECK;
heed_err hd_rejects_add(hd_rejects *rejects, uint64_t line, const char *en, const char *zh,
                        hd_slice raw) HEED_CHECK;
// Puts the file in place, durably; nothing when there were no rejects.
heed_err hd_rejects_commit(hd_rejects *rejects) HEED_CHECK;
void hd_rejects_clear(hd_rejects *rejects);

// Removes files older than `import.keep_rejects_days`.
heed_err hd_rejects_expire(const heed_workspace *ws) HEED_CHECK;

#endif
