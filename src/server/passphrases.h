// SPDX-License-Identifier: Apache-2.0
//
// Passphrases that were typed when the server started. A workspace is opened by many threads, and
// anew when settings change, and jobs are processes of their own: who started the server is asked
// once, and what they said is kept in memory that isn't swapped or dumped.
//
// Threads: hd_passphrases_settle before there is a second one; the rest from any.
#ifndef HD_SERVER_PASSPHRASES_H
#define HD_SERVER_PASSPHRASES_H

#include "base/arena.h"
#include "api/host.h"

typedef struct hd_passphrases hd_passphrases;

// ask: of a person at the terminal; .ask NULL: nobody can be asked.
heed_err hd_passphrases_new(hd_passphrase ask, hd_passphrases **out) HEED_CHECK;
void hd_passphrases_free(hd_passphrases *passphrases); // wipes them; NULL is fine

// Where handles of the workspace in that folder get its passphrase: ctx is in the arena.
heed_err hd_passphrases_of(hd_passphrases *passphrases, const char *folder, hd_arena *arena,
                           hd_passphrase *out) HEED_CHECK;
// From now on nobody is asked any more: what isn't known fails.
void hd_passphrases_settle(hd_passphrases *passphrases);

// Appends the folder's passphrase, nothing when none was typed. ctx: hd_passphrases.
heed_err hd_passphrases_tell(void *ctx, const char *folder, hd_str *out) HEED_CHECK;

#endif
