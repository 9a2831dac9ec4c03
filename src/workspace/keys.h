// SPDX-License-Identifier: Apache-2.0
//
// The keys of a workspace: where they stand, who gives the passphrase, and what the command line
// does with them.
#ifndef HD_WORKSPACE_KEYS_H
#define HD_WORKSPACE_KEYS_H

#include "privacy/keyring_care.h"
#include "workspace/workspace.h"

// The folder of the keys: "<workspace>/keys", or "<keys.folder>/<name of the workspace's folder>".
// In the arena.
heed_err hd_keys_folder(const char *workspace, const hd_settings *settings, hd_arena *arena,
                        char **out) HEED_CHECK;
// Opens the keyring of ws->folder, whose database is open; makes one where a writer opens a
// database that no keys belong to yet.
heed_err hd_keys_open(heed_workspace *ws, hd_arena *arena, hd_passphrase passphrase) HEED_CHECK;
void hd_keys_close(heed_workspace *ws);

// The passphrase by $HEED_PASSPHRASE, else the file of the setting keys.passphrase_file, else by
// asking; a fresh one by $HEED_NEW_PASSPHRASE, else by asking.
typedef struct hd_keys_asking {
    const hd_settings *settings;
    hd_passphrase terminal; // .ask NULL: nobody can be asked
} hd_keys_asking;
heed_err hd_keys_ask(void *ctx, bool fresh, hd_str *out) HEED_CHECK; // ctx: hd_keys_asking
// The same from one file: its first line.
heed_err hd_keys_read_passphrase(const char *path, hd_str *out) HEED_CHECK;

// Unpacks a copy of the keys into the workspace's empty place for them. The folder is whole or
// absent. HEED_CONFLICT: keys stand there already.
heed_err hd_keys_import(const char *workspace, const hd_settings *settings, const char *path,
                        hd_passphrase passphrase) HEED_CHECK;
// Records in the audit log that keys were brought in, if that isn't yet: whoever brought them does,
// and where it ended before, the next who writes.
heed_err hd_keys_record_import(heed_workspace *ws) HEED_CHECK;

#endif
