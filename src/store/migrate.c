// SPDX-License-Identifier: Apache-2.0
//
// Migrations. The table `migrations` holds a row per step that was taken: a component's version is
// the highest. A step and its row are one transaction, so a database is always at a version whole;
// which one is read again inside that transaction. Versions of a component follow each other
// without a gap: a gap is a programmer's mistake.
//
// Rejected: SQLite's user_version, one number for all rooms, which would order their steps for
// ever.

#include "store/backend.h"

#include "base/time.h"

static const char table_name[] = "migrations";

static heed_err version_of(hd_store *store, const char *component, int *out) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(
        store, "SELECT coalesce(max(version), 0) FROM migrations WHERE component = ?1", &q));
    hd_query_bind_text(q, 1, hd_slice_of(component));
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK) *out = (int)hd_query_i64(q, 0);
    hd_query_close(q);
    return err;
}

static int newest_known(const hd_migration *rows, size_t n, const char *component) {
    int newest = 0;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(rows[i].component, component) == 0 && rows[i].version > newest) {
            newest = rows[i].version;
        }
    }
    return newest;
}

heed_err hd_store_migrations_pending(hd_store *store, const hd_migration *rows, size_t n,
                                     size_t *pending) {
    bool exists;
    *pending = n;
    HD_TRY(store->backend->has_table(store, table_name, &exists));
    if (!exists) return HEED_OK;
    *pending = 0;
    for (size_t i = 0; i < n; i++) {
        int version;
        HD_TRY(version_of(store, rows[i].component, &version));
        int known = newest_known(rows, n, rows[i].component);
        if (version > known) {
            return HD_FAIL(
                HEED_VERSION,
                "the database was made by a newer heed ('%s' %d, this one knows %d): use that one",
                "数据库由更新版本的 heed 创建（“%s”为 %d，本程序只支持到 %d）：请使用新版本",
                rows[i].component, version, known);
        }
        if (rows[i].version > version) ++*pending;
    }
    return HEED_OK;
}

static heed_err record_step(hd_store *store, const hd_migration *row) {
    hd_query *q;
    HD_TRY(hd_query_open(
        store, "INSERT INTO migrations (component, version, applied) VALUES (?1, ?2, ?3)", &q));
    hd_query_bind_text(q, 1, hd_slice_of(row->component));
    hd_query_bind_i64(q, 2, row->version);
    hd_query_bind_time(q, 3, hd_time_now());
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

// Within a transaction.
static heed_err take_step(hd_store *store, const hd_migration *row) {
    int version;
    HD_TRY(version_of(store, row->component, &version));
    if (row->version <= version) return HEED_OK;
    if (row->version != version + 1) {
        return HD_FAIL(HEED_INTERNAL, "step %d can't follow version %d",
                       "第 %d 步不能接在版本 %d 之后", row->version, version);
    }
    if (row->sql) HD_TRY(hd_store_exec(store, row->sql));
    if (row->run) HD_TRY(row->run(store, row->ctx));
    return record_step(store, row);
}

static heed_err take_step_whole(hd_store *store, const hd_migration *row) {
    HD_TRY(hd_store_begin(store));
    heed_err err = take_step(store, row);
    if (err == HEED_OK) return hd_store_commit(store);
    hd_store_rollback(store);
    return err;
}

heed_err hd_store_migrate(hd_store *store, const hd_migration *rows, size_t n) {
    size_t pending;
    HD_TRY(hd_store_migrations_pending(store, rows, n, &pending));
    if (pending == 0) return HEED_OK;
    HD_TRY(hd_store_exec(store, "CREATE TABLE IF NOT EXISTS migrations ("
                                "  component TEXT NOT NULL,"
                                "  version INTEGER NOT NULL,"
                                "  applied INTEGER NOT NULL," // milliseconds since 1970, UTC
                                "  PRIMARY KEY (component, version)"
                                ") STRICT, WITHOUT ROWID"));
    for (size_t i = 0; i < n; i++) {
        heed_err err = take_step_whole(store, &rows[i]);
        if (err != HEED_OK) {
            return hd_error_prefix(err, "upgrading the database ('%s' %d)",
                                   "升级数据库（“%s”第 %d 步）", rows[i].component,
                                   rows[i].version);
        }
    }
    return HEED_OK;
}
