// SPDX-License-Identifier: Apache-2.0
//
// subjects.db: a key per person, sealed by the workspace key for that person's number alone.
//
// A database and not a file: keys are made with every new person and must be durable before the
// rows that are sealed with them; one is destroyed now and then and must be gone when that is
// acknowledged. secure_delete overwrites what is deleted; the log, which still holds the page as it
// was, is moved into the database and cut off.
//
// Numbers come from AUTOINCREMENT: none is used again, also when older data is restored. The
// number is known before the row is written (sqlite_sequence, in the transaction), because it is
// bound into the box.
//
// Subjects that nothing refers to any more (an import was undone) keep their keys: a backup from
// before must stay readable. Erasing destroys, undoing doesn't.
#include <sodium.h>

#include "base/mem.h"
#include "privacy/keyring_own.h"

enum { NOBODY = 1, REWRAP_AT_ONCE = 256 };

static const char schema_1[] =
    "CREATE TABLE keyring(one INTEGER PRIMARY KEY CHECK (one = 1), workspace BLOB NOT NULL) STRICT;"
    "CREATE TABLE subjects("
    "  key INTEGER PRIMARY KEY AUTOINCREMENT, version INTEGER NOT NULL, box BLOB NOT NULL) STRICT;"
    "CREATE TABLE erasures("
    "  key INTEGER PRIMARY KEY AUTOINCREMENT, subject INTEGER NOT NULL, time INTEGER NOT NULL,"
    "  receipt BLOB NOT NULL, tag BLOB NOT NULL) STRICT;"
    "CREATE TABLE marks("
    "  name TEXT PRIMARY KEY, count INTEGER NOT NULL, value BLOB NOT NULL, tag BLOB NOT NULL"
    ") STRICT, WITHOUT ROWID;";

const hd_migration hd_subjects_migrations[] = {
    {.component = "subjects", .version = 1, .sql = schema_1},
};
const size_t hd_subjects_n_migrations =
    sizeof hd_subjects_migrations / sizeof *hd_subjects_migrations;

// ── Transactions ──

heed_err hd_keyring_begin(hd_keyring *keyring) {
    HD_TRY(hd_keyring_need_write(keyring));
    if (keyring->pending) return HEED_OK;
    HD_TRY(hd_store_begin(keyring->subjects));
    keyring->pending = true;
    keyring->next = 0;
    return HEED_OK;
}

heed_err hd_keyring_commit(hd_keyring *keyring) {
    if (!keyring || !keyring->pending) return HEED_OK;
    keyring->pending = false;
    return hd_store_commit(keyring->subjects);
}

void hd_keyring_rollback(hd_keyring *keyring) {
    if (!keyring || !keyring->pending) return;
    keyring->pending = false;
    hd_store_rollback(keyring->subjects);
}

// The busy row of the checkpoint says whether a reader kept it from ending.
heed_err hd_subjects_flush(hd_keyring *keyring) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(keyring->subjects, "PRAGMA wal_checkpoint(TRUNCATE)", &q));
    heed_err err = hd_query_step(q, &row);
    bool busy = err == HEED_OK && row && hd_query_i64(q, 0) != 0;
    hd_query_close(q);
    if (!busy) return err;
    return HD_FAIL(HEED_BUSY,
                   "another process reads subjects.db, whose log can't be emptied meanwhile: try "
                   "again",
                   "另一个进程正在读取 subjects.db，暂时无法清空其日志：请重试");
}

// ── Boxes ──

static hd_box_about about(const hd_keyring *keyring, int64_t subject, uint32_t version) {
    hd_box_about a = {0};
    hd_box_about_bytes(&a, keyring->secrets->workspace, HD_WORKSPACE_ID_BYTES);
    hd_box_about_label(&a, "subject");
    hd_box_about_number(&a, (uint64_t)subject);
    hd_box_about_number(&a, version);
    return a;
}

heed_err hd_subject_wrap(hd_keyring *keyring, int64_t subject, const uint8_t key[HD_KEY_BYTES],
                         uint8_t box[HD_KEY_BOX]) {
    const uint8_t *with;
    uint32_t version = hd_keyring_version(keyring);
    HD_TRY(hd_keyring_key(keyring, version, &with));
    hd_box_about a = about(keyring, subject, version);
    hd_box_seal(with, &a, key, HD_KEY_BYTES, box);
    return HEED_OK;
}

static heed_err unwrap(hd_keyring *keyring, int64_t subject, int64_t version, hd_slice box,
                       uint8_t key[HD_KEY_BYTES]) {
    const uint8_t *with;
    uint32_t v = version > 0 && version <= UINT32_MAX ? (uint32_t)version : 0;
    HD_TRY(hd_keyring_key(keyring, v, &with));
    hd_box_about a = about(keyring, subject, v);
    if (box.n == HD_KEY_BOX && hd_box_open(with, &a, (const uint8_t *)box.p, box.n, key))
        return HEED_OK;
    return HD_FAIL(HEED_CORRUPT,
                   "a person's key in subjects.db isn't as heed wrote it: bring the keys back from "
                   "a copy",
                   "subjects.db 中某个用户的密钥与 heed 写入的内容不符：请从副本恢复密钥");
}

// ── Making ──

static heed_err next_subject(hd_keyring *keyring) {
    hd_query *q;
    bool row;
    if (keyring->next > 0) return HEED_OK;
    HD_TRY(hd_query_open(keyring->subjects,
                         "SELECT seq FROM sqlite_sequence WHERE name = 'subjects'", &q));
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK) keyring->next = row ? hd_query_i64(q, 0) + 1 : NOBODY;
    hd_query_close(q);
    return err;
}

static heed_err insert(hd_keyring *keyring, int64_t subject, const uint8_t *box) {
    hd_query *q;
    HD_TRY(hd_query_open(keyring->subjects,
                         "INSERT INTO subjects(key, version, box) VALUES (?1, ?2, ?3)", &q));
    hd_query_bind_i64(q, 1, subject);
    hd_query_bind_i64(q, 2, hd_keyring_version(keyring));
    hd_query_bind_blob(q, 3, box, HD_KEY_BOX);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

heed_err hd_subject_make_key(hd_keyring *keyring, int64_t *subject, uint8_t key[HD_KEY_BYTES]) {
    uint8_t box[HD_KEY_BOX];
    HD_TRY(hd_keyring_begin(keyring));
    HD_TRY(next_subject(keyring));
    randombytes_buf(key, HD_KEY_BYTES);
    HD_TRY(hd_subject_wrap(keyring, keyring->next, key, box));
    HD_TRY(insert(keyring, keyring->next, box));
    *subject = keyring->next++;
    return HEED_OK;
}

heed_err hd_subject_make(hd_keyring *keyring, int64_t *subject) {
    uint8_t key[HD_KEY_BYTES];
    heed_err err = hd_subject_make_key(keyring, subject, key);
    sodium_memzero(key, sizeof key);
    return err;
}

static heed_err run_with(hd_store *store, const char *sql, int64_t a) {
    hd_query *q;
    HD_TRY(hd_query_open(store, sql, &q));
    hd_query_bind_i64(q, 1, a);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

heed_err hd_subject_unmake(hd_keyring *keyring, int64_t subject) {
    HD_TRY(hd_keyring_begin(keyring));
    return run_with(keyring->subjects, "DELETE FROM subjects WHERE key = ?1", subject);
}

heed_err hd_subject_reserve(hd_keyring *keyring, int64_t subject) {
    HD_TRY(hd_keyring_begin(keyring));
    HD_TRY(next_subject(keyring));
    if (keyring->next > subject) return HEED_OK;
    keyring->next = 0;
    return run_with(keyring->subjects,
                    "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'subjects'", subject);
}

// ── Finding and destroying ──

heed_err hd_subject_key(hd_keyring *keyring, int64_t subject, uint8_t out[HD_KEY_BYTES]) {
    hd_query *q;
    bool row = false;
    HD_TRY(hd_keyring_need(keyring));
    if (!keyring->subjects) return hd_subject_missing();
    HD_TRY(
        hd_query_open(keyring->subjects, "SELECT version, box FROM subjects WHERE key = ?1", &q));
    hd_query_bind_i64(q, 1, subject);
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK) {
        err = row ? unwrap(keyring, subject, hd_query_i64(q, 0), hd_query_blob(q, 1), out)
                  : hd_subject_missing();
    }
    hd_query_close(q);
    return err;
}

heed_err hd_subject_missing(void) {
    return HD_FAIL(HEED_NOT_FOUND,
                   "a person's key is missing: the person was erased, or the keys are older than "
                   "the data; 'heed key import' brings newer ones",
                   "缺少某个用户的密钥：该用户已被擦除，或密钥比数据更旧；可用“heed key import”导入"
                   "较新的密钥");
}

heed_err hd_subject_exists(hd_keyring *keyring, int64_t subject, bool *exists) {
    hd_query *q;
    *exists = false;
    HD_TRY(hd_keyring_need(keyring));
    if (!keyring->subjects) return HEED_OK;
    HD_TRY(hd_query_open(keyring->subjects, "SELECT 1 FROM subjects WHERE key = ?1", &q));
    hd_query_bind_i64(q, 1, subject);
    heed_err err = hd_query_step(q, exists);
    hd_query_close(q);
    return err;
}

static heed_err destroy_all(hd_keyring *keyring, const int64_t *subjects, size_t n) {
    for (size_t i = 0; i < n; i++) {
        HD_TRY(run_with(keyring->subjects, "DELETE FROM subjects WHERE key = ?1", subjects[i]));
    }
    return HEED_OK;
}

heed_err hd_subject_destroy(hd_keyring *keyring, const int64_t *subjects, size_t n) {
    HD_TRY(hd_keyring_need_write(keyring));
    for (size_t i = 0; i < n; i++) {
        if (subjects[i] != NOBODY) continue;
        return HD_FAIL(HEED_INTERNAL, "the key of what is anonymous can't be destroyed",
                       "匿名数据的密钥不能销毁");
    }
    if (keyring->pending) {
        return HD_FAIL(HEED_INTERNAL, "keys are destroyed after the commit, not before",
                       "密钥应在提交之后销毁，而不是之前");
    }
    HD_TRY(hd_store_begin(keyring->subjects));
    heed_err err = destroy_all(keyring, subjects, n);
    if (err == HEED_OK) {
        HD_TRY(hd_store_commit(keyring->subjects));
        return hd_subjects_flush(keyring);
    }
    hd_store_rollback(keyring->subjects);
    return err;
}

// ── Sealing anew ──

typedef struct wrapped {
    int64_t subject, version;
    uint8_t box[HD_KEY_BOX];
    size_t n;
} wrapped;

// The next keys that aren't sealed with the version in use.
static heed_err read_some(hd_keyring *keyring, int64_t after, wrapped *some, size_t *n) {
    hd_query *q;
    bool row;
    heed_err err;
    *n = 0;
    HD_TRY(hd_query_open(keyring->subjects,
                         "SELECT key, version, box FROM subjects WHERE key > ?1 AND version <> ?2 "
                         "ORDER BY key LIMIT ?3",
                         &q));
    hd_query_bind_i64(q, 1, after);
    hd_query_bind_i64(q, 2, hd_keyring_version(keyring));
    hd_query_bind_i64(q, 3, REWRAP_AT_ONCE);
    for (;;) {
        HD_TRY_OUT(hd_query_step(q, &row));
        if (!row) break;
        wrapped *w = &some[(*n)++];
        hd_slice box = hd_query_blob(q, 2);
        *w = (wrapped){.subject = hd_query_i64(q, 0), .version = hd_query_i64(q, 1)};
        w->n = box.n < HD_KEY_BOX ? box.n : HD_KEY_BOX;
        if (w->n > 0) memcpy(w->box, box.p, w->n);
    }
out:
    hd_query_close(q);
    return err;
}

static heed_err rewrap_one(hd_keyring *keyring, const wrapped *w) {
    uint8_t key[HD_KEY_BYTES], box[HD_KEY_BOX];
    hd_query *q;
    HD_TRY(unwrap(keyring, w->subject, w->version, (hd_slice){(const char *)w->box, w->n}, key));
    heed_err err = hd_subject_wrap(keyring, w->subject, key, box);
    sodium_memzero(key, sizeof key);
    HD_TRY(err);
    HD_TRY(hd_query_open(keyring->subjects,
                         "UPDATE subjects SET version = ?2, box = ?3 WHERE key = ?1", &q));
    hd_query_bind_i64(q, 1, w->subject);
    hd_query_bind_i64(q, 2, hd_keyring_version(keyring));
    hd_query_bind_blob(q, 3, box, sizeof box);
    err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

static heed_err rewrap_all(hd_keyring *keyring, wrapped *some) {
    size_t n;
    int64_t after = 0;
    for (;;) {
        HD_TRY(read_some(keyring, after, some, &n));
        for (size_t i = 0; i < n; i++) HD_TRY(rewrap_one(keyring, &some[i]));
        if (n == 0) return HEED_OK;
        after = some[n - 1].subject;
    }
}

heed_err hd_subjects_rewrap(hd_keyring *keyring) {
    wrapped *some = hd_alloc(REWRAP_AT_ONCE * sizeof *some);
    if (!some) return HD_FAIL_MEMORY(REWRAP_AT_ONCE * sizeof *some);
    heed_err err = hd_store_begin(keyring->subjects);
    if (err == HEED_OK) {
        err = rewrap_all(keyring, some);
        if (err == HEED_OK) {
            err = hd_store_commit(keyring->subjects);
        } else {
            hd_store_rollback(keyring->subjects);
        }
    }
    hd_free(some);
    HD_TRY(err);
    return hd_subjects_flush(keyring);
}

// ── The database as a whole ──

static heed_err note_workspace(hd_keyring *keyring) {
    hd_query *q;
    int64_t nobody;
    HD_TRY(hd_keyring_begin(keyring));
    HD_TRY(
        hd_query_open(keyring->subjects, "INSERT INTO keyring(one, workspace) VALUES (1, ?1)", &q));
    hd_query_bind_blob(q, 1, keyring->secrets->workspace, HD_WORKSPACE_ID_BYTES);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    HD_TRY(err);
    HD_TRY(hd_subject_make(keyring, &nobody));
    return hd_keyring_commit(keyring);
}

// Deleted pages are overwritten, whoever writes.
static heed_err overwrite_deleted(hd_keyring *keyring) {
    return hd_store_exec(keyring->subjects, "PRAGMA secure_delete = ON");
}

heed_err hd_subjects_create(hd_keyring *keyring) {
    HD_TRY(hd_keyring_need_write(keyring));
    HD_TRY(overwrite_deleted(keyring));
    HD_TRY(hd_store_migrate(keyring->subjects, hd_subjects_migrations, hd_subjects_n_migrations));
    return note_workspace(keyring);
}

heed_err hd_subjects_check(hd_keyring *keyring) {
    hd_query *q;
    bool row = false;
    size_t pending;
    if (keyring->write) HD_TRY(overwrite_deleted(keyring));
    HD_TRY(hd_store_migrations_pending(keyring->subjects, hd_subjects_migrations,
                                       hd_subjects_n_migrations, &pending));
    if (pending > 0 && keyring->write) {
        HD_TRY(
            hd_store_migrate(keyring->subjects, hd_subjects_migrations, hd_subjects_n_migrations));
    }
    HD_TRY(hd_query_open(keyring->subjects, "SELECT workspace FROM keyring", &q));
    heed_err err = hd_query_step(q, &row);
    hd_slice id = row ? hd_query_blob(q, 0) : (hd_slice){0};
    bool same = id.n == HD_WORKSPACE_ID_BYTES &&
                memcmp(id.p, keyring->secrets->workspace, HD_WORKSPACE_ID_BYTES) == 0;
    hd_query_close(q);
    if (err != HEED_OK || same) return err;
    return HD_FAIL(HEED_DENIED,
                   "subjects.db and keyring.json in '%s' belong to different workspaces: put files "
                   "of one workspace there",
                   "“%s”中的 subjects.db 与 keyring.json 属于不同的工作区：请放入同一工作区的文件",
                   keyring->folder);
}
