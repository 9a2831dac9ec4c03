// SPDX-License-Identifier: Apache-2.0
//
// Copying and checking a SQLite database.
//
// A backup holds one read snapshot while SQLite's backup API copies pages, so writers go on and the
// copy is of one moment. The copy is made beside its target, without a log (it then opens on a
// read-only medium), checked, and renamed into place: a target is either absent, what it was, or
// whole.

#include "store/sqlite.h"

#include "base/fs.h"
#include "base/mem.h"

enum { PAGES_PER_STEP = 256 };

// ── Check ───────────────────────────────────────────────────────────────────────────────────────

// Appends the rows of integrity_check or quick_check, but for its "ok". A page that couldn't be
// read for want of memory is among them, as if it were damaged: then nothing is known.
static heed_err list_structure(hd_store *store, const char *sql, hd_str *faults) {
    hd_query *q = NULL;
    bool row;
    heed_err err;
    size_t before = faults->len;
    uint64_t failures = hd_mem_failures();
    HD_TRY_OUT(hd_sqlite_query_open(store, sql, &q));
    for (;;) {
        HD_TRY_OUT(hd_sqlite_step(q, &row));
        if (!row) break;
        hd_slice line = hd_sqlite_bytes(q, 0);
        if (hd_slice_eq(line, "ok")) continue;
        hd_str_addn(faults, line.p, line.n);
        hd_str_addc(faults, '\n');
    }
    err = hd_str_check(faults);
    if (faults->len > before && hd_mem_failures() != failures) err = HD_FAIL_MEMORY(0);
out:
    if (q) hd_sqlite_query_close(q);
    return err;
}

static heed_err list_foreign_keys(hd_store *store, hd_str *faults) {
    hd_query *q = NULL;
    bool row;
    heed_err err;
    HD_TRY_OUT(hd_sqlite_query_open(store, "PRAGMA foreign_key_check", &q));
    for (;;) {
        HD_TRY_OUT(hd_sqlite_step(q, &row));
        if (!row) break;
        hd_slice table = hd_sqlite_bytes(q, 0);
        hd_slice parent = hd_sqlite_bytes(q, 2);
        hd_str_addf(faults, "row %lld of %.*s refers to a missing row of %.*s\n",
                    (long long)hd_sqlite_i64(q, 1), (int)table.n, table.p, (int)parent.n, parent.p);
    }
    err = hd_str_check(faults);
out:
    if (q) hd_sqlite_query_close(q);
    return err;
}

// A database too damaged to be checked has a fault, too.
static heed_err fault_of(heed_err err, hd_str *faults) {
    if (err != HEED_CORRUPT) return err;
    hd_str_addf(faults, "%s\n", heed_error_message(HEED_EN));
    return hd_str_check(faults);
}

heed_err hd_sqlite_check(hd_store *store, bool *sound, hd_str *faults) {
    *sound = false;
    size_t before = faults->len;
    HD_TRY(fault_of(list_structure(store, "PRAGMA integrity_check", faults), faults));
    if (faults->len == before) HD_TRY(fault_of(list_foreign_keys(store, faults), faults));
    *sound = faults->len == before;
    return HEED_OK;
}

// ── Backup ──────────────────────────────────────────────────────────────────────────────────────

static heed_err copy_pages(hd_sqlite *from, hd_sqlite *to) {
    sqlite3_backup *b = sqlite3_backup_init(to->db, "main", from->db, "main");
    if (!b) return hd_sqlite_fail(to->db, sqlite3_extended_errcode(to->db), to->path);
    int rc;
    do rc = sqlite3_backup_step(b, PAGES_PER_STEP);
    while (rc == SQLITE_OK);
    int finish = sqlite3_backup_finish(b);
    if (rc == SQLITE_DONE) rc = finish;
    return hd_sqlite_fail(to->db, rc, to->path);
}

static heed_err check_copy(hd_store *copy, const char *path) {
    hd_str faults = {0};
    heed_err err = fault_of(list_structure(copy, "PRAGMA quick_check", &faults), &faults);
    if (err == HEED_OK && faults.len > 0) {
        err = HD_FAIL(HEED_CORRUPT, "the copy '%s' is not sound: run 'heed doctor' on the original",
                      "副本“%s”不完整：请对原库运行“heed doctor”", path);
    }
    hd_str_clear(&faults);
    return err;
}

static heed_err copy_to(hd_sqlite *from, const char *path) {
    hd_store *copy = NULL;
    HD_TRY(hd_sqlite_open(path, HD_STORE_CREATE, 4 << 20, from->vfs, NULL, &copy));
    heed_err err = hd_sqlite_exec(copy, "PRAGMA journal_mode = DELETE");
    if (err == HEED_OK) err = copy_pages(from, hd_sqlite_of(copy));
    if (err == HEED_OK) err = hd_sqlite_exec(copy, "PRAGMA journal_mode = DELETE");
    if (err == HEED_OK) err = check_copy(copy, path);
    hd_store_close(copy);
    return err;
}

heed_err hd_sqlite_backup(hd_store *store, const char *to_path) {
    hd_str part = {0};
    hd_str_addf(&part, "%s.part", to_path);
    heed_err err;
    HD_TRY_OUT(hd_str_check(&part));
    HD_TRY_OUT(hd_fs_remove(hd_str_get(&part))); // left by a crash
    HD_TRY_OUT(hd_store_begin_read(store));
    err = copy_to(hd_sqlite_of(store), hd_str_get(&part));
    hd_store_rollback(store);
    if (err == HEED_OK) err = hd_fs_rename(hd_str_get(&part), to_path);
    if (err != HEED_OK) {
        hd_error failure;
        hd_error_get(&failure);
        (void)!hd_fs_remove(hd_str_get(&part));
        err = hd_error_restore(&failure);
    }
out:
    hd_str_clear(&part);
    return err;
}
