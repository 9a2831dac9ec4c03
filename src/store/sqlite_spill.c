// SPDX-License-Identifier: Apache-2.0
//
// Where SQLite's nameless files go: sorts and large statements spill rows, personal ones among
// them, into temporary files. A thin VFS per connection gives them names in a folder of the
// database's own; everything else goes to the VFS below. The files are unlinked as soon as they are
// open, so a crash leaves at most an empty name.
//
// Their writes are cut in pieces: a savepoint hands over what it held in memory (base/mem.c lets it
// hold a MiB) in one write, of whose length the unix VFS takes the lowest 17 bits alone
// (seekAndWriteFd, 3.40), and then says that the disk is full.
//
// Rejected: sqlite3_temp_directory and SQLITE_TMPDIR, which are one for the whole process: a server
// has many workspaces open; temp_store = MEMORY, which bounds a load by memory.
#include "base/mem.h"
#include "store/sqlite.h"

enum { NAME = 48, PATH = 1024, PIECE = 1 << 16 };

struct hd_sqlite_spill {
    sqlite3_vfs vfs; // first
    sqlite3_vfs *below;
    char name[NAME];
    char folder[PATH - 64];
    uint64_t count;
};

static sqlite3_vfs *below(sqlite3_vfs *vfs) {
    return ((hd_sqlite_spill *)vfs)->below;
}

// ── A nameless file ──

typedef struct spilled {
    sqlite3_file file;  // first
    sqlite3_file *real; // behind this in the same block
} spilled;

static sqlite3_file *real_of(sqlite3_file *file) {
    return ((spilled *)file)->real;
}

static int file_close(sqlite3_file *file) {
    return real_of(file)->pMethods->xClose(real_of(file));
}
static int file_read(sqlite3_file *file, void *to, int n, sqlite3_int64 at) {
    return real_of(file)->pMethods->xRead(real_of(file), to, n, at);
}
static int file_write(sqlite3_file *file, const void *from, int n, sqlite3_int64 at) {
    int rc = SQLITE_OK;
    for (int done = 0, some; rc == SQLITE_OK && done < n; done += some) {
        some = n - done < PIECE ? n - done : PIECE;
        rc = real_of(file)->pMethods->xWrite(real_of(file), (const char *)from + done, some,
                                             at + done);
    }
    return rc;
}
static int file_truncate(sqlite3_file *file, sqlite3_int64 size) {
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}
static int file_sync(sqlite3_file *file, int flags) {
    return real_of(file)->pMethods->xSync(real_of(file), flags);
}
static int file_size(sqlite3_file *file, sqlite3_int64 *out) {
    return real_of(file)->pMethods->xFileSize(real_of(file), out);
}
static int file_lock(sqlite3_file *file, int level) {
    return real_of(file)->pMethods->xLock(real_of(file), level);
}
static int file_unlock(sqlite3_file *file, int level) {
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}
static int file_reserved(sqlite3_file *file, int *out) {
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}
static int file_control(sqlite3_file *file, int op, void *arg) {
    return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}
static int file_sector_size(sqlite3_file *file) {
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}
static int file_characteristics(sqlite3_file *file) {
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 1,
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
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
};

static int open_nameless(hd_sqlite_spill *spill, const char *path, sqlite3_file *file, int flags,
                         int *out) {
    spilled *own = (spilled *)file;
    own->file.pMethods = NULL; // until it is open
    own->real = (sqlite3_file *)(own + 1);
    int rc = spill->below->xOpen(spill->below, path, own->real, flags, out);
    if (rc == SQLITE_OK) own->file.pMethods = &file_methods;
    return rc;
}

// ── The VFS ──

static int spill_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out) {
    hd_sqlite_spill *spill = (hd_sqlite_spill *)vfs;
    char path[PATH + 2] = {0}; // two NULs at the end, as SQLite wants its names
    uint64_t random;
    if (name) return spill->below->xOpen(spill->below, name, file, flags, out);
    if (!spill->folder[0]) return open_nameless(spill, NULL, file, flags, out);
    sqlite3_randomness((int)sizeof random, &random);
    hd_snprintf(path, PATH, "%s/%016llx-%llu", spill->folder, (unsigned long long)random,
                (unsigned long long)++spill->count);
    return open_nameless(spill, path, file, flags, out);
}

static int spill_delete(sqlite3_vfs *vfs, const char *name, int sync) {
    return below(vfs)->xDelete(below(vfs), name, sync);
}
static int spill_access(sqlite3_vfs *vfs, const char *name, int flags, int *out) {
    return below(vfs)->xAccess(below(vfs), name, flags, out);
}
static int spill_full_pathname(sqlite3_vfs *vfs, const char *name, int n, char *out) {
    return below(vfs)->xFullPathname(below(vfs), name, n, out);
}
static int spill_randomness(sqlite3_vfs *vfs, int n, char *out) {
    return below(vfs)->xRandomness(below(vfs), n, out);
}
static int spill_sleep(sqlite3_vfs *vfs, int microseconds) {
    return below(vfs)->xSleep(below(vfs), microseconds);
}
static int spill_time(sqlite3_vfs *vfs, double *out) {
    return below(vfs)->xCurrentTime(below(vfs), out);
}
static int spill_last_error(sqlite3_vfs *vfs, int n, char *out) {
    return below(vfs)->xGetLastError(below(vfs), n, out);
}
static int spill_time_ms(sqlite3_vfs *vfs, sqlite3_int64 *out) {
    return below(vfs)->xCurrentTimeInt64(below(vfs), out);
}

heed_err hd_sqlite_spill_new(const char *folder, const char *vfs, hd_sqlite_spill **out) {
    sqlite3_vfs *base = sqlite3_vfs_find(vfs);
    if (!base)
        return HD_FAIL(HEED_INTERNAL, "SQLite has no file system '%s'", "SQLite 没有文件系统“%s”",
                       vfs ? vfs : "");
    hd_sqlite_spill *spill = hd_calloc(1, sizeof *spill);
    if (!spill) return HD_FAIL_MEMORY(sizeof *spill);
    int n = hd_snprintf(spill->folder, sizeof spill->folder, "%s", folder ? folder : "");
    if (n < 0 || n >= (int)sizeof spill->folder) {
        hd_free(spill);
        return HD_FAIL(HEED_INPUT, "the path of '%s' is too long", "“%s”的路径过长", folder);
    }
    hd_snprintf(spill->name, sizeof spill->name, "heed-spill-%p", (void *)spill);
    spill->below = base;
    spill->vfs = (sqlite3_vfs){.iVersion = base->iVersion < 2 ? base->iVersion : 2,
                               .szOsFile = base->szOsFile + (int)sizeof(spilled),
                               .mxPathname = base->mxPathname,
                               .zName = spill->name,
                               .xOpen = spill_open,
                               .xDelete = spill_delete,
                               .xAccess = spill_access,
                               .xFullPathname = spill_full_pathname,
                               .xRandomness = spill_randomness,
                               .xSleep = spill_sleep,
                               .xCurrentTime = spill_time,
                               .xGetLastError = spill_last_error,
                               .xCurrentTimeInt64 = spill_time_ms};
    int rc = sqlite3_vfs_register(&spill->vfs, 0);
    if (rc != SQLITE_OK) {
        hd_free(spill);
        return hd_sqlite_fail(NULL, rc, "temporary files");
    }
    *out = spill;
    return HEED_OK;
}

const char *hd_sqlite_spill_name(const hd_sqlite_spill *spill) {
    return spill->name;
}

void hd_sqlite_spill_free(hd_sqlite_spill *spill) {
    if (!spill) return;
    sqlite3_vfs_unregister(&spill->vfs);
    hd_free(spill);
}
