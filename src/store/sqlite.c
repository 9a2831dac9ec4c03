// SPDX-License-Identifier: Apache-2.0
//
// The SQLite back end: connections.
//
// WAL, so that readers and one writer don't wait for each other; synchronous=FULL, so that what a
// commit acknowledged survives a power cut; no mmap, so that an I/O error is an error and not a
// signal. A new file is made by us, empty and for its owner only, because SQLite would make it
// readable for all; its log and shared memory inherit those rights.
//
// Reading a WAL database needs a shared-memory file beside it. Where none can be made (a read-only
// folder or medium), the file is opened as immutable: right only if nobody writes, and if no log is
// left over, which SQLite would then not read. A log that holds something is therefore refused.

#include "store/sqlite.h"

#include <sched.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"

enum {
    BUSY_MS = 5000,
    WAL_KEEP_BYTES = 64 << 20, // a log grown by one large import is cut back to this
    // The log is moved into the database when it has so many pages (32 MiB). Small posts at random
    // places of an index write the same pages again and again; moving them each 4 MiB, SQLite's
    // own choice, doubled what a post costs.
    WAL_PAGES = 8192,
};

static bool sqlite_in_transaction(const hd_store *store) {
    return !sqlite3_get_autocommit(hd_sqlite_of(store)->db);
}

heed_err hd_sqlite_exec(hd_store *store, const char *sql) {
    hd_sqlite *s = hd_sqlite_of(store);
    return hd_sqlite_fail(s->db, sqlite3_exec(s->db, sql, NULL, NULL, NULL), s->path);
}

static heed_err sqlite_exec_quietly(hd_store *store, const char *sql) {
    hd_sqlite *s = hd_sqlite_of(store);
    return hd_sqlite_code(s->db, sqlite3_exec(s->db, sql, NULL, NULL, NULL));
}

// Prepared when the database is opened: where memory is short, it is needed most.
static heed_err sqlite_rollback(hd_store *store) {
    hd_sqlite *s = hd_sqlite_of(store);
    (void)sqlite3_step(s->rollback);
    return hd_sqlite_code(s->db, sqlite3_reset(s->rollback));
}

// A literal that is run again and again: prepared once.
static heed_err run_kept(hd_store *store, const char *sql) {
    hd_query *q;
    bool row;
    HD_TRY(hd_sqlite_query_open(store, sql, &q));
    heed_err err = hd_sqlite_step(q, &row);
    hd_sqlite_query_close(q);
    return err;
}

// A read transaction takes its snapshot at its first query, which is that of the version, now. Each
// answer of a server is one, so its statements are kept.
static heed_err sqlite_begin(hd_store *store, bool write) {
    return write ? hd_sqlite_exec(store, "BEGIN IMMEDIATE") : run_kept(store, "BEGIN");
}

static heed_err sqlite_version(hd_store *store, int64_t *out) {
    hd_query *q;
    bool row;
    HD_TRY(hd_sqlite_query_open(store, "PRAGMA data_version", &q));
    heed_err err = hd_sqlite_step(q, &row);
    if (err == HEED_OK) *out = hd_sqlite_i64(q, 0);
    hd_sqlite_query_close(q);
    return err;
}

static heed_err sqlite_has_table(hd_store *store, const char *table, bool *out) {
    hd_query *q;
    HD_TRY(hd_sqlite_query_open(
        store, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1", &q));
    hd_sqlite_bind_text(q, 1, hd_slice_of(table));
    heed_err err = hd_sqlite_step(q, out);
    hd_sqlite_query_close(q);
    return err;
}

static int64_t sqlite_changes(const hd_store *store) {
    return sqlite3_changes64(hd_sqlite_of(store)->db);
}

static int64_t sqlite_last_key(const hd_store *store) {
    return sqlite3_last_insert_rowid(hd_sqlite_of(store)->db);
}

static void sqlite_interrupt(hd_store *store) {
    sqlite3_interrupt(hd_sqlite_of(store)->db);
}

static int yield(void *ctx) {
    (void)ctx;
    (void)sched_yield();
    return 0; // go on
}

static void sqlite_give_way(hd_store *store) {
    enum { STEPS = 1000 }; // of SQLite's machine, some 0.1 us each
    sqlite3_progress_handler(hd_sqlite_of(store)->db, STEPS, yield, NULL);
}

static heed_err sqlite_checkpoint(hd_store *store) {
    hd_sqlite *s = hd_sqlite_of(store);
    int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return hd_sqlite_fail(s->db, rc, s->path);
}

static void disconnect(hd_sqlite *s) {
    if (!s->db) return;
    hd_sqlite_query_forget(s);
    sqlite3_finalize(s->rollback);
    sqlite3_close_v2(s->db);
    s->rollback = NULL;
    s->db = NULL;
}

static void sqlite_close(hd_store *store) {
    hd_sqlite *s = hd_sqlite_of(store);
    disconnect(s);
    hd_sqlite_spill_free(s->spill);
    hd_free(s->path);
    hd_free(s->vfs);
    hd_free(s);
}

static const hd_backend sqlite_backend = {
    .name = "sqlite",
    .close = sqlite_close,
    .interrupt = sqlite_interrupt,
    .give_way = sqlite_give_way,
    .backup = hd_sqlite_backup,
    .check = hd_sqlite_check,
    .checkpoint = sqlite_checkpoint,
    .begin = sqlite_begin,
    .in_transaction = sqlite_in_transaction,
    .version = sqlite_version,
    .rollback = sqlite_rollback,
    .exec_quietly = sqlite_exec_quietly,
    .exec = hd_sqlite_exec,
    .has_table = sqlite_has_table,
    .changes = sqlite_changes,
    .last_key = sqlite_last_key,
    .query_open = hd_sqlite_query_open,
    .query_close = hd_sqlite_query_close,
    .bind_i64 = hd_sqlite_bind_i64,
    .bind_f64 = hd_sqlite_bind_f64,
    .bind_text = hd_sqlite_bind_text,
    .bind_blob = hd_sqlite_bind_blob,
    .bind_null = hd_sqlite_bind_null,
    .step = hd_sqlite_step,
    .reset = hd_sqlite_reset,
    .is_null = hd_sqlite_is_null,
    .get_i64 = hd_sqlite_i64,
    .get_f64 = hd_sqlite_f64,
    .get_bytes = hd_sqlite_bytes,
};

// ── Opening ─────────────────────────────────────────────────────────────────────────────────────

// The path as a URI that promises SQLite that nobody writes. Only the signs that a URI would read
// as something else are escaped.
static heed_err immutable_uri(const char *path, hd_str *out) {
    hd_str_add(out, "file:");
    for (const char *p = path; *p; p++) {
        if (strchr("?#%", *p)) {
            hd_str_addf(out, "%%%02X", (unsigned)(unsigned char)*p);
        } else {
            hd_str_addc(out, *p);
        }
    }
    hd_str_add(out, "?immutable=1");
    return hd_str_check(out);
}

static heed_err connect(hd_sqlite *s, const char *name, int flags) {
    flags |= SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(name, &s->db, flags, hd_sqlite_spill_name(s->spill));
    if (rc == SQLITE_OK) rc = sqlite3_busy_timeout(s->db, BUSY_MS);
    if (rc == SQLITE_OK) rc = sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_db_config(s->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_db_config(s->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v3(s->db, "ROLLBACK", -1, SQLITE_PREPARE_PERSISTENT, &s->rollback,
                                NULL);
    return hd_sqlite_fail(s->db, rc, s->path);
}

static heed_err set_up(hd_sqlite *s, size_t cache_bytes) {
    char sql[256];
    size_t kib = cache_bytes / 1024 < INT32_MAX ? cache_bytes / 1024 : INT32_MAX;
    sqlite3_snprintf((int)sizeof sql, sql,
                     "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
                     "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;"
                     "PRAGMA secure_delete = ON;" // what was deleted is overwritten
                     "PRAGMA cache_size = -%d;",
                     kib > 0 ? (int)kib : 1);
    return hd_sqlite_exec(&s->base, sql);
}

// journal_mode answers with the mode that stands now, which is another one where WAL can't be.
static heed_err use_wal(hd_sqlite *s) {
    hd_query *q;
    bool row;
    HD_TRY(hd_sqlite_query_open(&s->base, "PRAGMA journal_mode = WAL", &q));
    heed_err err = hd_sqlite_step(q, &row);
    if (err == HEED_OK && !(row && hd_slice_eq(hd_sqlite_bytes(q, 0), "wal"))) {
        err =
            HD_FAIL(HEED_UNAVAILABLE,
                    "the file system of '%s' can't share memory between processes: use a local one",
                    "“%s”所在的文件系统不支持进程间共享内存：请使用本地磁盘", s->path);
    }
    hd_sqlite_query_close(q);
    return err;
}

static heed_err open_to_write(hd_sqlite *s, size_t cache_bytes) {
    HD_TRY(connect(s, s->path, SQLITE_OPEN_READWRITE));
    if (sqlite3_db_readonly(s->db, "main") == 1) {
        return hd_sqlite_fail(NULL, SQLITE_READONLY, s->path);
    }
    HD_TRY(set_up(s, cache_bytes));
    HD_TRY(use_wal(s));
    char sql[128];
    sqlite3_snprintf((int)sizeof sql, sql,
                     "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = %d;"
                     "PRAGMA wal_autocheckpoint = %d",
                     WAL_KEEP_BYTES, WAL_PAGES);
    return hd_sqlite_exec(&s->base, sql);
}

// Whether a write-ahead log with something in it lies beside the database.
static heed_err has_log(const char *path, bool *out) {
    struct stat st;
    hd_str log = {0};
    hd_str_addf(&log, "%s-wal", path);
    heed_err err = hd_str_check(&log);
    if (err == HEED_OK) *out = stat(hd_str_get(&log), &st) == 0 && st.st_size > 0;
    hd_str_clear(&log);
    return err;
}

static heed_err open_immutable(hd_sqlite *s, size_t cache_bytes) {
    bool log = false;
    HD_TRY(has_log(s->path, &log));
    if (log) {
        return HD_FAIL(HEED_DENIED,
                       "'%s' has unfinished work in its log and its folder can't be written: open "
                       "it once where it can be",
                       "“%s”的日志中有未完成的内容，而文件夹不可写：请先在可写的位置打开一次",
                       s->path);
    }
    disconnect(s);
    hd_str uri = {0};
    heed_err err = immutable_uri(s->path, &uri);
    if (err == HEED_OK) {
        err = connect(s, hd_str_get(&uri), SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
    }
    hd_str_clear(&uri);
    if (err == HEED_OK) err = set_up(s, cache_bytes);
    return err;
}

// The first read shows whether the log can be reached.
static heed_err open_to_read(hd_sqlite *s, size_t cache_bytes) {
    HD_TRY(connect(s, s->path, SQLITE_OPEN_READONLY));
    int rc = sqlite3_exec(s->db, "SELECT 1 FROM sqlite_schema LIMIT 1", NULL, NULL, NULL);
    int primary = rc & 0xff;
    if (primary == SQLITE_CANTOPEN || primary == SQLITE_READONLY) {
        return open_immutable(s, cache_bytes);
    }
    HD_TRY(hd_sqlite_fail(s->db, rc, s->path));
    return set_up(s, cache_bytes);
}

static heed_err open_mode(hd_sqlite *s, hd_store_mode mode, size_t cache_bytes) {
    if (hd_fs_is_dir(s->path)) {
        return HD_FAIL(HEED_INPUT, "'%s' is a folder, not a database", "“%s”是文件夹，不是数据库",
                       s->path);
    }
    if (!hd_fs_exists(s->path)) {
        if (mode != HD_STORE_CREATE) {
            return HD_FAIL(HEED_NOT_FOUND, "there is no database '%s': make one with 'heed init'",
                           "数据库“%s”不存在：请用“heed init”创建", s->path);
        }
        HD_TRY(hd_fs_write(s->path, "", 0, 0600));
    }
    return mode == HD_STORE_READ ? open_to_read(s, cache_bytes) : open_to_write(s, cache_bytes);
}

heed_err hd_sqlite_open(const char *path, hd_store_mode mode, size_t cache_bytes, const char *vfs,
                        const char *spill, hd_store **out) {
    *out = NULL;
    hd_sqlite *s = hd_calloc(1, sizeof *s);
    if (!s) return HD_FAIL_MEMORY(sizeof *s);
    s->base.backend = &sqlite_backend;
    s->path = hd_strdup(path);
    s->vfs = vfs ? hd_strdup(vfs) : NULL;
    heed_err err = !s->path || (vfs && !s->vfs) ? HD_FAIL_MEMORY(strlen(path)) : HEED_OK;
    if (err == HEED_OK) err = hd_sqlite_spill_new(spill, vfs, &s->spill);
    if (err == HEED_OK) err = open_mode(s, mode, cache_bytes);
    if (err != HEED_OK) {
        sqlite_close(&s->base);
        return err;
    }
    *out = &s->base;
    return HEED_OK;
}
