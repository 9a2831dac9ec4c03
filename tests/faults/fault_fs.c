// SPDX-License-Identifier: Apache-2.0
//
// Faults of files outside the database, by the hook of base/fs.h, which tells each call before it
// is made.
//
// A crash may shorten or blank a file that was written and not synced: known by its inode, since it
// may have been renamed meanwhile. It may take back a rename, a deletion or a new folder that no
// sync of the folder around it has made durable.

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "fault.h"

enum { MAX_DIRTY = 256, MAX_PENDING = 256 };

static char root[512];
static ino_t dirty[MAX_DIRTY]; // files with unsynced bytes
static size_t n_dirty;
static fault_copy
    pending[MAX_PENDING]; // names whose folder isn't synced, with what they meant before
static size_t n_pending;

static ino_t inode_of(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 ? st.st_ino : 0;
}

static void set_dirty(ino_t inode, bool is_dirty) {
    for (size_t i = 0; i < n_dirty; i++) {
        if (dirty[i] != inode) continue;
        if (!is_dirty) dirty[i] = dirty[--n_dirty];
        return;
    }
    if (is_dirty && inode != 0 && n_dirty < MAX_DIRTY) dirty[n_dirty++] = inode;
}

void fault_fs_folder_synced(const char *folder) {
    for (size_t i = n_pending; i-- > 0;) {
        if (!fault_stands_in(pending[i].path, folder)) continue;
        fault_copy_clear(&pending[i]);
        pending[i] = pending[--n_pending];
    }
}

static void note(const char *call, const char *path) {
    if (strcmp(call, "write") == 0) {
        set_dirty(inode_of(path), true);
    } else if (strcmp(call, "fsync") == 0) {
        set_dirty(inode_of(path), false);
        fault_folder_synced(path);
    } else if (n_pending < MAX_PENDING) { // rename, unlink, mkdir
        pending[n_pending++] = fault_copy_take(path);
    }
}

static int hook(void *ctx, const char *call, const char *path) {
    (void)ctx;
    bool crash;
    fault_lock();
    int reason = fault_next(&crash);
    if (crash) fault_crash();
    if (reason == 0) note(call, path);
    fault_unlock();
    return reason;
}

// ── Crash ───────────────────────────────────────────────────────────────────────────────────────

static int spoil(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)ftw;
    bool is_dirty = false;
    for (size_t i = 0; i < n_dirty; i++) is_dirty = is_dirty || dirty[i] == st->st_ino;
    if (type != FTW_F || !is_dirty || fault_below(3) == 0) return 0;
    off_t kept = (off_t)fault_below((uint64_t)st->st_size + 1);
    if (truncate(path, kept) != 0) _exit(3);
    if (fault_below(2) && truncate(path, st->st_size) != 0) _exit(3); // its length came through
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void fault_fs_lose(void) {
    nftw(root, spoil, 16, FTW_PHYS);
    for (size_t i = n_pending; i-- > 0;) {
        if (fault_below(2)) continue;
        nftw(pending[i].path, remove_one, 16, FTW_PHYS | FTW_DEPTH);
        if (pending[i].data) fault_copy_restore(&pending[i]);
    }
}

void fault_fs_forget(void) {
    n_dirty = 0;
    for (size_t i = 0; i < n_pending; i++) fault_copy_clear(&pending[i]);
    n_pending = 0;
}

void fault_fs_install(const char *new_root) {
    snprintf(root, sizeof root, "%s", new_root);
    hd_fs_hook_set(hook, NULL);
}
