// SPDX-License-Identifier: Apache-2.0
//
// A workspace: one company's data, settings and models, in one folder.
//
//     shop/heed.yaml   settings; an empty file is valid
//     shop/heed.db     the data
//     shop/keys/       secrets: never copied with the rest
//     shop/models/     trained models, by task, method and version
//     shop/rejects/    rows that imports refused, with reasons
//
// Many processes may read a workspace at once, while one writes: a second writer is told who holds
// it (HEED_BUSY). Whatever was acknowledged survives a crash; what wasn't is not there at all.
//
//     heed_workspace *ws = NULL;
//     if (heed_workspace_init("shop", HEED_EN) != HEED_OK ||
//         heed_workspace_open("shop", HEED_WRITE, &ws) != HEED_OK) {
//         fprintf(stderr, "%s\n", heed_error_message(HEED_EN));
//         return 1;
//     }
//     … heed_import(ws, …); heed_train(ws, …); heed_recommend(ws, …);
//     heed_workspace_close(ws);
//
// Threads: a handle belongs to one thread at a time; open one per thread to read from several.
// heed_workspace_stop may be called from any thread and from a signal handler.
#ifndef HEED_WORKSPACE_H
#define HEED_WORKSPACE_H

#include "heed/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct heed_workspace heed_workspace;

typedef enum heed_mode { HEED_READ, HEED_WRITE } heed_mode;

// Makes a workspace in a folder (made when missing): a commented heed.yaml in `lang` and an empty
// database. Files that stand there stay. HEED_CONFLICT when the folder is a workspace already.
HEED_API heed_err heed_workspace_init(const char *folder, heed_lang lang) HEED_CHECK;

// Opens a workspace; *out is closed by the caller. HEED_NOT_FOUND: there is none. HEED_BUSY:
// another process writes (HEED_WRITE alone). HEED_VERSION: a newer heed made it, or an older one
// and it is opened to read: open it once with HEED_WRITE, which brings it up to date. HEED_INPUT:
// heed.yaml is wrong, with its line.
HEED_API heed_err heed_workspace_open(const char *folder, heed_mode mode,
                                      heed_workspace **out) HEED_CHECK;

// Ends what is open and frees the handle. NULL is fine.
HEED_API void heed_workspace_close(heed_workspace *ws);

// Asks the call that runs on this handle to end: it returns HEED_INTERRUPTED soon, and what it did
// is undone. Later calls on the handle return the same.
HEED_API void heed_workspace_stop(heed_workspace *ws);

// Told now and then how far a long call is: `what` in both languages by heed_lang, `share` 0 to 1,
// below 0 when it isn't known. Called on the thread of the call. NULL: nobody is told.
typedef void (*heed_progress)(void *ctx, const char *const what[2], double share);
HEED_API void heed_workspace_on_progress(heed_workspace *ws, heed_progress progress, void *ctx);

// Overrides a setting for this handle ("recommend.n", "5"), above the environment and heed.yaml.
// HEED_USAGE or HEED_INPUT names the setting and what it takes.
HEED_API heed_err heed_workspace_set(heed_workspace *ws, const char *name,
                                     const char *value) HEED_CHECK;

// Makes `from` another id of the person `into`: what both did stands under one from then on. It
// can't be taken back. HEED_NOT_FOUND: either is unknown.
HEED_API heed_err heed_users_merge(heed_workspace *ws, const char *from,
                                   const char *into) HEED_CHECK;

// Copies database, models and settings to a new folder, while others read and write; the copy is
// checked before it is put in place. Keys are not in it. HEED_CONFLICT: the folder isn't empty.
HEED_API heed_err heed_workspace_backup(heed_workspace *ws, const char *folder) HEED_CHECK;

// Makes a workspace of a backup, in a folder that is missing or empty (else HEED_CONFLICT). The
// backup is checked first (HEED_CORRUPT).
HEED_API heed_err heed_workspace_restore(const char *backup, const char *folder) HEED_CHECK;

// Frees a text that heed handed out. NULL is fine.
HEED_API void heed_text_free(char *text);

// "0.1.0"
HEED_API const char *heed_version(void);

#ifdef __cplusplus
}
#endif
#endif
