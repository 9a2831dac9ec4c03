// SPDX-License-Identifier: Apache-2.0
//
// Import: from files to the workspace's data. CSV, TSV and JSON lines, plain or packed by gzip or
// zstd, in UTF-8, UTF-16 or GB18030; what is not said is guessed, and the guess is told.
//
//     const char *const files[] = {"users.csv", "items.csv", "events.jsonl.gz"};
//     heed_import_params params = heed_import_default();
//     params.paths = files;
//     params.n_paths = 3;
//     heed_import_result *result = NULL;
//     if (heed_import(ws, &params, &result) == HEED_OK)
//         for (size_t i = 0; i < result->n_files; i++)
//             printf("%s: %lld rows\n", result->files[i].path, (long long)result->files[i].rows);
//     heed_import_result_free(result);
//
// All files of a call come in together or not at all: nothing is visible until the last row of the
// last file was accepted and is on the disk. Each file is one batch, which can be undone later.
#ifndef HEED_IMPORT_H
#define HEED_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heed/workspace.h"

#ifdef __cplusplus
extern "C" {
#endif

// NULL texts are guessed, file by file. All are borrowed for the call.
typedef struct heed_import_params {
    const char *const *paths; // (n_paths) "-": standard input. Read in the order users, items, rest
    size_t n_paths;
    const char *kind;        // "users", "items", "events", "reviews", "tickets", "documents"
    const char *preset;      // another system's files: "movielens", "retail", …
    const char *const *maps; // (n_maps) "column=field"
    size_t n_maps;
    const char *encoding;    // "utf-8", "gb18030", …
    const char *delimiter;   // one character
    int header;              // 1 the first line names the columns, 0 it doesn't, -1 guessed
    const char *time_format; // "iso", "unix_s", "slash_dmy", …
    bool allow_rejects;      // load the good rows when there are bad ones
    bool dry_run;            // do everything, keep nothing
    bool again;              // take a file that was imported before
} heed_import_params;
HEED_API heed_import_params heed_import_default(void);

typedef struct heed_import_reject {
    uint64_t line;
    const char *reason[2]; // by heed_lang
} heed_import_reject;

typedef struct heed_import_column {
    const char *column;
    const char *field; // "" where the column goes to the attributes
} heed_import_column;

// Personal data of one type that was taken out of free text (`privacy.text: redact`).
typedef struct heed_import_redaction {
    const char *type;    // "phone"
    const char *what[2]; // by heed_lang: "phone number"
    int64_t count;
} heed_import_redaction;

typedef struct heed_import_file {
    const char *path;
    int64_t batch; // what undo takes; 0 when nothing was kept
    // What the file was taken for.
    const char *kind;
    const char *format;      // "csv", "tsv", "jsonl", …
    const char *packing;     // "", "gzip", "zstd"
    const char *encoding;    // "utf-8", …
    char delimiter;          // 0: none
    bool header;             // the first line names the columns
    const char *time_format; // "" without times
    bool time_ambiguous;     // day and month could be swapped
    const heed_import_column *columns;
    size_t n_columns;
    // What came of it. A row can make several records (an invoice line: an item and an event).
    int64_t rows, added, changed, same, rejected;
    const heed_import_reject *rejects; // the first few
    size_t n_rejects;
    const heed_import_redaction *redactions;
    size_t n_redactions;
    const char *reject_file; // all of them, readable by the owner alone; "" when there is none
} heed_import_file;

typedef struct heed_import_result {
    heed_import_file *files; // (n_files)
    size_t n_files;
    bool kept; // the rows are in the workspace
    double seconds;
} heed_import_result;

// HEED_PARTIAL: bad rows were left out, as allowed. HEED_INPUT: bad rows, nothing was kept; *result
// tells which. HEED_CONFLICT: the same file was imported before. With other failures *result is
// NULL, and nothing was kept. result may be NULL; else the caller frees *result in any case.
HEED_API heed_err heed_import(heed_workspace *ws, const heed_import_params *params,
                              heed_import_result **result) HEED_CHECK;
HEED_API void heed_import_result_free(heed_import_result *result); // NULL is fine

// Takes posted records in: a JSON text with one record, or an array of them, of a kind ("events",
// "users", …). kind may also be "segment" or "posthog": messages of those. A bad record is left
// out, the others are kept. *json (freed by heed_text_free): the account of each,
// docs/api/events.md has its shape. HEED_PARTIAL: some were bad; HEED_INPUT: all were, or it is no
// JSON (*json NULL then).
HEED_API heed_err heed_ingest(heed_workspace *ws, const char *kind, const char *records,
                              char **json) HEED_CHECK;

// Takes a batch back: its rows go, what it overwrote returns. *rows: how many. HEED_CONFLICT names
// a later batch that changed the same rows and must be undone first.
HEED_API heed_err heed_import_undo(heed_workspace *ws, int64_t batch, int64_t *rows) HEED_CHECK;

// All batches, newest first, as JSON; docs/api/import.md has its shape. Freed by heed_text_free.
HEED_API heed_err heed_import_list(heed_workspace *ws, char **json) HEED_CHECK;

#ifdef __cplusplus
}
#endif
#endif
