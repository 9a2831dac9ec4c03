// SPDX-License-Identifier: Apache-2.0
//
// Faults of files outside the database, by the hook of base/fs.h, which tells each call before it
// is made.
//
// A crash may take back a rename, a deletion or a new folder that no sync of the folder around it
// has made durable. It may shorten or blank a file that was put in place without having been
// synced. The hook names a file by the place it is to get, before it gets it: whether its bytes
// were synced is therefore noted by name, and once it is in place by inode, which a rename of a
// folder around it doesn't change.

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "fault.h"

enum { MAX_NAMES = 64, MAX_SPOILT = 64, MAX_PENDING = 256, NAME = 512 };

typedef struct unsynced {
    char path[NAME];
    bool renamed; // put in place as it is
} unsynced;

static char root[NAME];
static unsynced names[MAX_NAMES]; // written and not synced
static size_t n_names;
static ino_t spoilt[MAX_SPOILT]; // what became of them in place
static size_t n_spoilt;
static fault_copy pending[MAX_PENDING]; // names whose folder isn't synced, with what stood there
static size_t n_pending;

static size_t find_name(const char *path) {
    size_t i = 0;
    while (i < n_names && strcmp(names[i].path, path) != 0) i++;
    return i;
}

static void note_written(const char *path) {
    size_t i = find_name(path);
    if (i == MAX_NAMES) return;
    if (i == n_names) n_names++;
    names[i].renamed = false;
    snprintf(names[i].path, NAME, "%s", path);
}

static void note_synced(const char *path) {
    size_t i = find_name(path);
    if (i < n_names) names[i] = names[--n_names];
}

static void note_renamed(const char *path) {
    size_t i = find_name(path);
    if (i < n_names) names[i].renamed = true;
}

// The rename that the last call announced has been done by now.
static void follow_renames(void) {
    for (size_t i = n_names; i-- > 0;) {
        struct stat st;
        if (!names[i].renamed) continue;
        if (stat(names[i].path, &st) == 0 && n_spoilt < MAX_SPOILT) spoilt[n_spoilt++] = st.st_ino;
        names[i] = names[--n_names];
    }
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
        note_written(path);
    } else if (strcmp(call, "fsync") == 0) {
        note_synced(path);
        fault_folder_synced(path);
    } else { // rename, unlink, mkdir
        if (strcmp(call, "rename") == 0) note_renamed(path);
        if (n_pending < MAX_PENDING) pending[n_pending++] = fault_copy_take(path);
    }
}

static int hook(void *ctx, const char *call, const char *path) {
    (void)ctx;
    bool crash;
    fault_lock();
    follow_renames();
    int reason = fault_next(&crash);
    if (crash) fault_crash();
    if (reason == 0) note(call, path);
    fault_unlock();
    return reason;
}

// ── Crash ───────────────────────────────────────────────────────────────────────────────────────

static int spoil(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)ftw;
    bool found = false;
    for (size_t i = 0; i < n_spoilt; i++) found = found || spoilt[i] == st->st_ino;
    if (type != FTW_F || !found || fault_below(3) == 0) return 0;
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
    n_names = n_spoilt = 0;
    for (size_t i = 0; i < n_pending; i++) fault_copy_clear(&pending[i]);
    n_pending = 0;
}

void fault_fs_install(const char *new_root) {
    snprintf(root, sizeof root, "%s", new_root);
    hd_fs_hook_set(hook, NULL);
}
