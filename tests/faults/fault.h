// SPDX-License-Identifier: Apache-2.0
//
// Faults on purpose: at a chosen call that changes the disk, the process ends as if the power had
// gone, or the call fails. Covers SQLite's files (a VFS over the default one, fault_vfs.c) and all
// others (the hook of base/fs.h, fault_fs.c). Calls that count: write, truncate, sync, create,
// delete, rename, mkdir.
//
// A crash loses a seeded part of what no sync has made durable yet: of each file all, nothing, what
// was written after some moment, or each sector of 512 bytes on its own; and creations, renames and
// deletions whose folder wasn't synced may be undone. For use in a forked child: a crash ends it
// with FAULT_EXIT.
#ifndef FAULT_H
#define FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

enum { FAULT_EXIT = 77, FAULT_SECTOR = 512 };

typedef enum fault_kind { FAULT_NONE, FAULT_CRASH, FAULT_FULL, FAULT_IO } fault_kind;

typedef struct fault_plan {
    fault_kind kind;
    uint64_t at;   // the call, from 1
    bool onwards;  // FULL and IO: all later calls fail too
    uint64_t seed; // of what a crash loses
} fault_plan;

// Makes the VFS SQLite's default and sets the hook. Files under `root` alone are touched by a
// crash.
void fault_install(const char *root);
// Counts from here on, and meets the plan.
void fault_begin(const fault_plan *plan);
// Calls since fault_begin; no more faults after it.
uint64_t fault_end(void);

// ── For the two halves ──────────────────────────────────────────────────────────────────────────

// Counts one call. 0: go on; an errno: fail with it. *crash: do the call or not, then fault_crash.
int fault_next(bool *crash);
// A seeded choice below `bound`, while crashing.
uint64_t fault_below(uint64_t bound);
_Noreturn void fault_crash(void);
void fault_lock(void);
void fault_unlock(void);

// A sync of a folder makes all names in it durable, whoever asked for it.
bool fault_stands_in(const char *path, const char *folder); // directly
void fault_folder_synced(const char *folder);
void fault_folder_synced_around(const char *path); // the folder that path stands in

void fault_vfs_install(void);
void fault_vfs_forget(void); // what is on the disk now is durable
void fault_vfs_folder_synced(const char *folder);
void fault_vfs_lose(void);
void fault_fs_install(const char *root);
void fault_fs_forget(void);
void fault_fs_folder_synced(const char *folder);
void fault_fs_lose(void);

// A whole small file, kept so that it can come back. data NULL: there was none.
typedef struct fault_copy {
    char *path;
    void *data;
    size_t n;
} fault_copy;
fault_copy fault_copy_take(const char *path);
void fault_copy_restore(const fault_copy *copy);
void fault_copy_clear(fault_copy *copy);
void *fault_grow(void *array, size_t *cap, size_t need,
                 size_t size); // ends the process without memory

#endif
