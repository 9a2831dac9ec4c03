// SPDX-License-Identifier: Apache-2.0
//
// SQLite's codes as heed's: one table from primary code to heed_err and both messages. The errno of
// the failing call overrules the table where SQLite's code hides the cause: a full disk shows as
// IOERR when fsync or a shared-memory file met it, a missing right as CANTOPEN.

#include "store/sqlite.h"

#include <errno.h>

typedef struct code_row {
    int rc;
    heed_err err;
    hd_text text; // %1$s: the database, %2$s: SQLite's own words
} code_row;

static const code_row codes[] = {
    {SQLITE_FULL, HEED_FULL,
     HD_TEXT("no space left for '%1$s' (%2$s): free some and try again, what was committed is safe",
             "“%1$s”所在磁盘空间不足（%2$s）：请腾出空间后重试，已提交的数据不受影响")},
    {SQLITE_CORRUPT, HEED_CORRUPT,
     HD_TEXT("the database '%1$s' is damaged (%2$s): run 'heed doctor', or restore a backup",
             "数据库“%1$s”已损坏（%2$s）：请运行“heed doctor”，或从备份恢复")},
    {SQLITE_NOTADB, HEED_CORRUPT,
     HD_TEXT("'%1$s' is not a database (%2$s): restore a backup, or choose another folder",
             "“%1$s”不是数据库文件（%2$s）：请从备份恢复，或换一个文件夹")},
    {SQLITE_READONLY, HEED_DENIED,
     HD_TEXT("'%1$s' can't be written (%2$s): check the rights of the file and its folder",
             "无法写入“%1$s”（%2$s）：请检查文件及其文件夹的权限")},
    {SQLITE_PERM, HEED_DENIED,
     HD_TEXT("access to '%1$s' is not permitted (%2$s): check its rights",
             "没有访问“%1$s”的权限（%2$s）：请检查权限")},
    {SQLITE_AUTH, HEED_DENIED,
     HD_TEXT("access to '%1$s' is not permitted (%2$s)", "没有访问“%1$s”的权限（%2$s）")},
    {SQLITE_BUSY, HEED_BUSY,
     HD_TEXT("'%1$s' is in use by another process (%2$s): wait for it to finish and try again",
             "“%1$s”正被其他进程使用（%2$s）：请等待其完成后重试")},
    {SQLITE_LOCKED, HEED_BUSY,
     HD_TEXT("'%1$s' is in use (%2$s): try again later", "“%1$s”正在使用中（%2$s）：请稍后重试")},
    {SQLITE_PROTOCOL, HEED_BUSY,
     HD_TEXT("too many processes use '%1$s' at once (%2$s): try again later",
             "同时使用“%1$s”的进程过多（%2$s）：请稍后重试")},
    {SQLITE_NOMEM, HEED_MEMORY,
     HD_TEXT("out of memory while using '%1$s' (%2$s)", "使用“%1$s”时内存不足（%2$s）")},
    {SQLITE_INTERRUPT, HEED_INTERRUPTED,
     HD_TEXT("work on '%1$s' was interrupted (%2$s)", "对“%1$s”的操作已中断（%2$s）")},
    {SQLITE_CONSTRAINT, HEED_CONFLICT,
     HD_TEXT("'%1$s' refuses the row: %2$s", "“%1$s”拒绝了该行：%2$s")},
    {SQLITE_TOOBIG, HEED_INPUT,
     HD_TEXT("a value is too large for '%1$s' (%2$s)", "值过大，无法存入“%1$s”（%2$s）")},
    {SQLITE_IOERR, HEED_IO,
     HD_TEXT("reading or writing '%1$s' failed (%2$s): check the disk",
             "读写“%1$s”失败（%2$s）：请检查磁盘")},
    {SQLITE_CANTOPEN, HEED_IO, HD_TEXT("'%1$s' can't be opened (%2$s)", "无法打开“%1$s”（%2$s）")},
    {SQLITE_NOLFS, HEED_IO,
     HD_TEXT("'%1$s' is too large for its file system (%2$s)",
             "“%1$s”超出文件系统允许的大小（%2$s）")},
};

static const code_row other = {
    0, HEED_INTERNAL,
    HD_TEXT("the database '%1$s' refuses a statement of heed's own: %2$s (please report this)",
            "数据库“%1$s”拒绝了 heed 自身的语句：%2$s（请报告此问题）")};

static const code_row *row_of(int rc) {
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i].rc == rc) return &codes[i];
    }
    return &other;
}

// The primary code that tells the cause, from an extended code and the errno behind it.
static int cause_of(int rc, int errnum) {
    if (rc == SQLITE_IOERR_NOMEM) return SQLITE_NOMEM;
    int primary = rc & 0xff;
    if (primary != SQLITE_IOERR && primary != SQLITE_CANTOPEN) return primary;
    if (errnum == ENOSPC || errnum == EDQUOT) return SQLITE_FULL;
    if (errnum == EACCES || errnum == EPERM || errnum == EROFS) return SQLITE_READONLY;
    return primary;
}

// The errno behind the last failure. SQLite keeps it for most, not for a commit whose sync failed:
// there its VFS still knows the last one of this thread.
static int errno_of(sqlite3 *db) {
    sqlite3_vfs *vfs = NULL;
    int errnum = sqlite3_system_errno(db);
    if (errnum != 0) return errnum;
    sqlite3_file_control(db, "main", SQLITE_FCNTL_VFS_POINTER, &vfs);
    return vfs && vfs->xGetLastError ? vfs->xGetLastError(vfs, 0, NULL) : 0;
}

heed_err hd_sqlite_code(sqlite3 *db, int rc) {
    if (rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE) return HEED_OK;
    return row_of(cause_of(rc, errno_of(db)))->err;
}

heed_err hd_sqlite_fail(sqlite3 *db, int rc, const char *path) {
    if (rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE) return HEED_OK;
    int cause = cause_of(rc, db ? errno_of(db) : 0);
    const code_row *row = row_of(cause);
    // The connection's own words tell which constraint or which page; they lack when memory is out.
    bool own = db && cause != SQLITE_NOMEM && (sqlite3_extended_errcode(db) & 0xff) == (rc & 0xff);
    const char *words = own ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
    return HD_FAIL(row->err, row->text.en, row->text.zh, path, words);
}
