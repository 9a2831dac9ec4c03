// SPDX-License-Identifier: Apache-2.0
//
// The VFS: passes every call to SQLite's default one, counts those that change the disk, and keeps
// the old content of each sector written since its file was last synced, so that a crash can take
// it back.
//
// A file's history is a list of (moment, sector, content before) and (moment, size before). Taking
// it back to a moment, the newest entry first, gives the file exactly as it stood then; a crash
// chooses one moment for the whole file, or one for each sector.

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault.h"

enum { LOGS = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL };

typedef struct old_sector {
    uint64_t moment;
    int64_t sector;
    unsigned char bytes[FAULT_SECTOR];
} old_sector;

typedef struct old_size {
    uint64_t moment;
    int64_t size;
} old_size;

typedef struct tracked {
    char *path;
    bool created; // and not synced since
    uint64_t moment;
    old_sector *sectors;
    size_t n_sectors, cap_sectors;
    old_size *sizes;
    size_t n_sizes, cap_sizes;
} tracked;

typedef struct fault_file {
    sqlite3_file base;  // first
    tracked *history;   // NULL: a temporary file
    bool syncs_folder;  // at its first sync, as the default VFS does for journals and logs
    sqlite3_file *real; // behind this struct
} fault_file;

static sqlite3_vfs *real_vfs;
static sqlite3_vfs fault_vfs;
static int last_errno; // of the last injected failure: sticky, as errno is
static tracked **files;
static size_t n_files, cap_files;
static fault_copy *deleted; // without a sync of the folder
static size_t n_deleted, cap_deleted;

static sqlite3_file *real_of(sqlite3_file *f) {
    return ((fault_file *)f)->real;
}

// ── History ─────────────────────────────────────────────────────────────────────────────────────

static void forget_history(tracked *t) {
    t->created = false;
    t->moment = 0;
    t->n_sectors = t->n_sizes = 0;
}

static tracked *history_of(const char *path) {
    for (size_t i = 0; i < n_files; i++) {
        if (strcmp(files[i]->path, path) == 0) return files[i];
    }
    files = fault_grow(files, &cap_files, n_files + 1, sizeof *files);
    tracked *t = calloc(1, sizeof *t);
    if (!t || !(t->path = strdup(path))) _exit(3);
    return files[n_files++] = t;
}

static int64_t size_of(sqlite3_file *real) {
    sqlite3_int64 size = 0;
    if (real->pMethods->xFileSize(real, &size) != SQLITE_OK) _exit(3);
    return size;
}

// Keeps the sectors that [from, to) touches, and the size, as they are now.
static void keep(tracked *t, sqlite3_file *real, int64_t from, int64_t to) {
    if (!t) return;
    t->moment++;
    t->sizes = fault_grow(t->sizes, &t->cap_sizes, t->n_sizes + 1, sizeof *t->sizes);
    t->sizes[t->n_sizes++] = (old_size){t->moment, size_of(real)};
    for (int64_t s = from / FAULT_SECTOR; s * FAULT_SECTOR < to; s++) {
        t->sectors = fault_grow(t->sectors, &t->cap_sectors, t->n_sectors + 1, sizeof *t->sectors);
        old_sector *old = &t->sectors[t->n_sectors++];
        old->moment = t->moment;
        old->sector = s;
        // Beyond the end, xRead fills with zeros and says SHORT_READ.
        int rc = real->pMethods->xRead(real, old->bytes, FAULT_SECTOR, s * FAULT_SECTOR);
        if (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ) _exit(3);
    }
}

// Moments after the cut are lost. Files fare in one of four ways.
enum { LOSE_NOTHING, LOSE_ALL, LOSE_TAIL, LOSE_SECTORS, LOSE_WAYS };

static uint64_t cut_of(uint64_t way, uint64_t common, int64_t sector, uint64_t salt, uint64_t end) {
    if (way == LOSE_NOTHING) return end;
    if (way == LOSE_ALL) return 0;
    if (way == LOSE_TAIL) return common;
    return hd_rng_at(salt, 5, (uint64_t)sector) % (end + 1);
}

static void lose_of(tracked *t) {
    uint64_t way = fault_below(LOSE_WAYS), common = fault_below(t->moment + 1);
    uint64_t salt = fault_below(UINT64_MAX);
    if (t->created && fault_below(2)) {
        unlink(t->path);
        return;
    }
    struct stat st;
    int fd = open(t->path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    if (fstat(fd, &st) < 0) _exit(3);
    for (size_t i = t->n_sectors; i-- > 0;) {
        const old_sector *old = &t->sectors[i];
        if (old->moment <= cut_of(way, common, old->sector, salt, t->moment)) continue;
        if (pwrite(fd, old->bytes, FAULT_SECTOR, old->sector * FAULT_SECTOR) < 0) _exit(3);
    }
    uint64_t cut = way == LOSE_SECTORS ? common : cut_of(way, common, 0, salt, t->moment);
    int64_t size = st.st_size;
    for (size_t i = t->n_sizes; i-- > 0;) {
        if (t->sizes[i].moment > cut) size = t->sizes[i].size;
    }
    if (ftruncate(fd, size) < 0) _exit(3); // what was put back may have lengthened it
    close(fd);
}

void fault_vfs_forget(void) {
    for (size_t i = 0; i < n_files; i++) forget_history(files[i]);
    for (size_t i = 0; i < n_deleted; i++) fault_copy_clear(&deleted[i]);
    n_deleted = 0;
}

void fault_vfs_folder_synced(const char *folder) {
    for (size_t i = 0; i < n_files; i++) {
        if (fault_stands_in(files[i]->path, folder)) files[i]->created = false;
    }
    for (size_t i = n_deleted; i-- > 0;) {
        if (!fault_stands_in(deleted[i].path, folder)) continue;
        fault_copy_clear(&deleted[i]);
        deleted[i] = deleted[--n_deleted];
    }
}

void fault_vfs_lose(void) {
    for (size_t i = 0; i < n_files; i++) lose_of(files[i]);
    for (size_t i = 0; i < n_deleted; i++) {
        if (access(deleted[i].path, F_OK) != 0 && fault_below(2)) fault_copy_restore(&deleted[i]);
    }
}

// ── Files ───────────────────────────────────────────────────────────────────────────────────────

// Counts a call. SQLITE_OK: go on; else the code to fail with. *crash as in fault_next.
static int next_call(int rc_full, int rc_io, bool *crash) {
    int reason = fault_next(crash);
    if (reason != 0) last_errno = reason;
    return reason == 0 ? SQLITE_OK : reason == ENOSPC ? rc_full : rc_io;
}

static int file_close(sqlite3_file *f) {
    return real_of(f)->pMethods->xClose(real_of(f));
}

static int file_read(sqlite3_file *f, void *data, int n, sqlite3_int64 at) {
    return real_of(f)->pMethods->xRead(real_of(f), data, n, at);
}

static int file_write(sqlite3_file *f, const void *data, int n, sqlite3_int64 at) {
    sqlite3_file *real = real_of(f);
    bool crash;
    fault_lock();
    int rc = next_call(SQLITE_FULL, SQLITE_IOERR_WRITE, &crash);
    if (crash && fault_below(2)) fault_crash();
    if (rc == SQLITE_OK) {
        keep(((fault_file *)f)->history, real, at, at + n);
        rc = real->pMethods->xWrite(real, data, n, at);
    }
    if (crash) fault_crash();
    fault_unlock();
    return rc;
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size) {
    sqlite3_file *real = real_of(f);
    bool crash;
    fault_lock();
    int rc = next_call(SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_TRUNCATE, &crash);
    if (crash && fault_below(2)) fault_crash();
    if (rc == SQLITE_OK) {
        keep(((fault_file *)f)->history, real, size, size_of(real));
        rc = real->pMethods->xTruncate(real, size);
    }
    if (crash) fault_crash();
    fault_unlock();
    return rc;
}

static int file_sync(sqlite3_file *f, int flags) {
    sqlite3_file *real = real_of(f);
    tracked *t = ((fault_file *)f)->history;
    bool crash;
    fault_lock();
    int rc = next_call(SQLITE_IOERR_FSYNC, SQLITE_IOERR_FSYNC, &crash);
    if (crash && fault_below(2)) fault_crash();
    if (rc == SQLITE_OK) rc = real->pMethods->xSync(real, flags);
    if (rc == SQLITE_OK && t) forget_history(t);
    if (rc == SQLITE_OK && ((fault_file *)f)->syncs_folder) {
        ((fault_file *)f)->syncs_folder = false;
        fault_folder_synced_around(t->path);
    }
    if (crash) fault_crash();
    fault_unlock();
    return rc;
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size) {
    return real_of(f)->pMethods->xFileSize(real_of(f), size);
}
static int file_lock(sqlite3_file *f, int level) {
    return real_of(f)->pMethods->xLock(real_of(f), level);
}
static int file_unlock(sqlite3_file *f, int level) {
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}
static int file_reserved(sqlite3_file *f, int *out) {
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}
// SQLITE_FCNTL_SIZE_HINT and CHUNK_SIZE may change the size behind our back: not passed on.
static int file_control(sqlite3_file *f, int op, void *arg) {
    if (op == SQLITE_FCNTL_SIZE_HINT || op == SQLITE_FCNTL_CHUNK_SIZE) return SQLITE_OK;
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}
static int file_sector(sqlite3_file *f) {
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}
static int file_device(sqlite3_file *f) {
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

// The shared memory is made anew after a crash: nothing of it is tracked, but making it can fail.
static int file_shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **out) {
    bool crash = false;
    fault_lock();
    int rc = extend ? next_call(SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_SHMSIZE, &crash) : SQLITE_OK;
    if (crash) fault_crash();
    fault_unlock();
    if (rc != SQLITE_OK) return rc;
    return real_of(f)->pMethods->xShmMap(real_of(f), region, size, extend, out);
}
static int file_shm_lock(sqlite3_file *f, int offset, int n, int flags) {
    return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}
static void file_shm_barrier(sqlite3_file *f) {
    real_of(f)->pMethods->xShmBarrier(real_of(f));
}
static int file_shm_unmap(sqlite3_file *f, int del) {
    return real_of(f)->pMethods->xShmUnmap(real_of(f), del);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2, // no memory-mapped reads
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_device,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

// ── The VFS ─────────────────────────────────────────────────────────────────────────────────────

static void forget_deleted(const char *path) {
    for (size_t i = 0; i < n_deleted; i++) {
        if (strcmp(deleted[i].path, path) != 0) continue;
        fault_copy_clear(&deleted[i]);
        deleted[i] = deleted[--n_deleted];
        return;
    }
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out) {
    (void)vfs;
    fault_file *file = (fault_file *)f;
    bool crash = false, named = name && !(flags & SQLITE_OPEN_DELETEONCLOSE);
    *file = (fault_file){.real = (sqlite3_file *)(file + 1)};
    fault_lock();
    bool creates = named && (flags & SQLITE_OPEN_CREATE) && access(name, F_OK) != 0;
    int rc = creates ? next_call(SQLITE_CANTOPEN, SQLITE_CANTOPEN, &crash) : SQLITE_OK;
    if (crash && fault_below(2)) fault_crash();
    if (rc == SQLITE_OK) rc = real_vfs->xOpen(real_vfs, name, file->real, flags, out);
    if (rc == SQLITE_OK) {
        file->base.pMethods = &methods;
        file->history = named ? history_of(name) : NULL;
        file->syncs_folder = named && (flags & SQLITE_OPEN_CREATE) && (flags & LOGS);
    }
    if (rc == SQLITE_OK && creates) {
        file->history->created = true;
        forget_deleted(name);
    }
    if (crash) fault_crash();
    fault_unlock();
    return rc;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_folder) {
    (void)vfs;
    bool crash;
    fault_lock();
    int rc = next_call(SQLITE_IOERR_DELETE, SQLITE_IOERR_DELETE, &crash);
    if (crash && fault_below(2)) fault_crash();
    if (rc == SQLITE_OK) {
        fault_copy before = fault_copy_take(name);
        rc = real_vfs->xDelete(real_vfs, name, sync_folder);
        forget_history(history_of(name));
        if (before.data) {
            deleted = fault_grow(deleted, &cap_deleted, n_deleted + 1, sizeof *deleted);
            deleted[n_deleted++] = before;
        } else {
            fault_copy_clear(&before);
        }
        if (rc == SQLITE_OK && sync_folder) fault_folder_synced_around(name);
    }
    if (crash) fault_crash();
    fault_unlock();
    return rc;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *out) {
    (void)vfs;
    return real_vfs->xAccess(real_vfs, name, flags, out);
}
static int vfs_full(sqlite3_vfs *vfs, const char *name, int n, char *out) {
    (void)vfs;
    return real_vfs->xFullPathname(real_vfs, name, n, out);
}
static int vfs_randomness(sqlite3_vfs *vfs, int n, char *out) {
    (void)vfs;
    return real_vfs->xRandomness(real_vfs, n, out);
}
static int vfs_sleep(sqlite3_vfs *vfs, int us) {
    (void)vfs;
    return real_vfs->xSleep(real_vfs, us);
}
static int vfs_time(sqlite3_vfs *vfs, double *now) {
    (void)vfs;
    return real_vfs->xCurrentTime(real_vfs, now);
}
static int vfs_time_ms(sqlite3_vfs *vfs, sqlite3_int64 *now) {
    (void)vfs;
    return real_vfs->xCurrentTimeInt64(real_vfs, now);
}
static int vfs_last_error(sqlite3_vfs *vfs, int n, char *out) {
    (void)vfs;
    return last_errno ? last_errno : real_vfs->xGetLastError(real_vfs, n, out);
}

void fault_vfs_install(void) {
    if (real_vfs) return;
    real_vfs = sqlite3_vfs_find(NULL);
    fault_vfs = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = (int)sizeof(fault_file) + real_vfs->szOsFile,
        .mxPathname = real_vfs->mxPathname,
        .zName = "faults",
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_time,
        .xCurrentTimeInt64 = vfs_time_ms,
        .xGetLastError = vfs_last_error,
    };
    if (sqlite3_vfs_register(&fault_vfs, 1) != SQLITE_OK) _exit(3);
}
