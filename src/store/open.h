// SPDX-License-Identifier: Apache-2.0
//
// Opening, checking and copying databases: for workspace/ alone (and the tests of store/).
#ifndef HD_STORE_OPEN_H
#define HD_STORE_OPEN_H

#include "store/store.h"

typedef enum hd_store_mode { HD_STORE_READ, HD_STORE_WRITE, HD_STORE_CREATE } hd_store_mode;

// SQLite: WAL, synchronous=FULL, foreign keys on, mmap off, a page cache of cache_bytes. READ opens
// a folder that can't be written too. vfs: NULL, or the name of a registered VFS (tests).
heed_err hd_store_open(const char *path, hd_store_mode mode, size_t cache_bytes, const char *vfs,
                       hd_store **out) HEED_CHECK;
// The same, with temporary files in the folder `spill`, which must be there while it is open.
heed_err hd_store_open_spilling(const char *path, hd_store_mode mode, size_t cache_bytes,
                                const char *spill, hd_store **out) HEED_CHECK;
void hd_store_close(hd_store *store); // NULL is fine; rolls back what is open

// A long statement returns HEED_INTERRUPTED soon after this. From any thread or a signal handler.
void hd_store_interrupt(hd_store *store);

// From now on a long statement lets other threads of its processor go first every 0.1 ms or so: for
// who writes beside threads that answer. Little is lost where nobody waits.
void hd_store_give_way(hd_store *store);

// Copies a live database into a new file, by SQLite's backup API; the copy is checked and durable.
heed_err hd_store_backup(hd_store *from, const char *to_path) HEED_CHECK;
// Structure and foreign keys: appends one line per fault to `faults`; *sound when there is none.
heed_err hd_store_check(hd_store *store, bool *sound, hd_str *faults) HEED_CHECK;
// Moves the write-ahead log into the database and truncates it.
heed_err hd_store_checkpoint(hd_store *store) HEED_CHECK;
// Rewrites the database without what was deleted, of which pages may hold copies that overwriting
// doesn't reach, and truncates the log. Needs as much room again. HEED_BUSY: others read; not
// within a transaction.
heed_err hd_store_scrub(hd_store *store) HEED_CHECK;

#endif
