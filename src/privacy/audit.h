// SPDX-License-Identifier: Apache-2.0
//
// The audit log: what was done with personal data, by whom, for which purpose. An entry stands in
// the same transaction as what it records; entries are the leaves of a Merkle tree (RFC 9162), and
// the tree's root is signed with the number of entries whenever a transaction added some. So what
// was recorded can't be edited, deleted, reordered, cut off or added to afterwards without
// hd_audit_verify saying where. Whoever holds the keys can forge all of it.
//
//     HD_TRY(hd_store_begin(store));
//     …
//     err = hd_audit_add(audit, &(hd_audit_entry){.what = HD_AUDIT_ERASE,
//                                                 .purpose = "rights",
//                                                 .subject = pseudonym});
//     …
//     err = hd_store_commit(store);      // signs what was added
//
// Nothing personal goes into an entry: a person stands there as a pseudonym, a keyed hash of the
// id. Reads that serve are counted in memory (hd_audit_counts) and written by the minute.
//
// Threads: a log is its store's: one thread at a time. hd_audit_counts may be used by all.
#ifndef HD_PRIVACY_AUDIT_H
#define HD_PRIVACY_AUDIT_H

#include "base/arena.h"
#include "base/time.h"
#include "privacy/keyring.h"
#include "store/store.h"

extern const hd_migration hd_audit_migrations[];
extern const size_t hd_audit_n_migrations;

// What can be recorded. X(NAME, name in the log, English, Chinese): names are for ever.
#define HD_AUDIT_LIST(X)                                                       \
    X(IMPORT, "import", "data imported", "导入数据")                           \
    X(IMPORT_UNDO, "import_undo", "an import undone", "撤销导入")              \
    X(USERS_MERGE, "users_merge", "two ids joined", "合并用户")                \
    X(EXPORT, "export", "a person's data exported", "导出个人数据")            \
    X(ERASE, "erase", "a person erased", "删除个人数据")                       \
    X(CORRECT, "correct", "a person's data corrected", "更正个人数据")         \
    X(RESTRICT, "restrict", "a person's data restricted", "限制处理个人数据")  \
    X(CONSENT, "consent", "a consent given or withdrawn", "同意或撤回同意")    \
    X(RETENTION, "retention", "data past its time removed", "清除到期数据")    \
    X(BULK_READ, "bulk_read", "many persons read", "批量读取")                 \
    X(SERVE, "serve", "reads that served, counted", "服务读取（计数）")        \
    X(REPORT, "report", "a report of the data made", "生成数据报告")           \
    X(REVEAL, "reveal", "tokens turned back", "还原标记")                      \
    X(SIGN_IN_FAILED, "sign_in_failed", "a sign-in refused", "登录失败")       \
    X(API_KEY_NEW, "api_key_new", "an API key made", "创建 API 密钥")          \
    X(API_KEY_CHANGE, "api_key_change", "an API key changed", "修改 API 密钥") \
    X(API_KEY_REVOKE, "api_key_revoke", "an API key revoked", "吊销 API 密钥") \
    X(KEY_NEW, "key_new", "keys of the workspace made", "创建工作区密钥")      \
    X(KEY_ROTATE, "key_rotate", "the workspace key rotated", "轮换工作区密钥") \
    X(KEY_IMPORT, "key_import", "keys brought in", "导入密钥")                 \
    X(KEY_EXPORT, "key_export", "keys taken out", "导出密钥")                  \
    X(SETTINGS, "settings", "a setting changed", "更改设置")                   \
    X(TRAIN, "train", "a model fitted", "训练模型")                            \
    X(MODEL_ACTIVATE, "model_activate", "a model put in force", "启用模型")    \
    X(MODEL_ROLLBACK, "model_rollback", "a model rolled back", "回退模型")     \
    X(BACKUP, "backup", "a backup taken", "备份")                              \
    X(RESTORE, "restore", "restored from a backup", "从备份恢复")              \
    X(AUDIT_EXPORT, "audit_export", "the audit log exported", "导出审计日志")  \
    X(LOG_LOST, "log_lost", "entries were found missing", "发现审计记录缺失")
typedef enum hd_audit_what {
#define HD_AUDIT_ENUM(id, name, en, zh) HD_AUDIT_##id,
    HD_AUDIT_LIST(HD_AUDIT_ENUM)
#undef HD_AUDIT_ENUM
        HD_AUDIT_WHATS
} hd_audit_what;
const char *hd_audit_name(hd_audit_what what); // "import"
hd_text hd_audit_doc(hd_audit_what what);
bool hd_audit_find(hd_slice name, hd_audit_what *out);

// ── The log ──

enum { HD_AUDIT_SECRET = 32, HD_AUDIT_SUBJECT = 16, HD_AUDIT_ID = 16 };

// What stands apart from the database.
typedef struct hd_audit_keys {
    uint8_t secret[HD_AUDIT_SECRET]; // the keyring's "audit": signs, and makes pseudonyms
    uint8_t workspace[HD_AUDIT_ID];  // the workspace's id: a signature is for one log alone
    // The newest checkpoint, kept where whoever changes the database can't reach. get appends
    // nothing when there is none yet. put asks `replaces` of what stands there (empty: nothing),
    // and nothing else may be put between that and its own: processes beside each other put as
    // well. Both NULL: none is kept, and an end cut off isn't seen.
    heed_err (*get)(void *ctx, hd_str *out);
    heed_err (*put)(void *ctx, hd_slice checkpoint, hd_mark_replaces *replaces, void *candidate);
    void *ctx;
} hd_audit_keys;

typedef struct hd_audit hd_audit;

// keys: copied; NULL: the log can be read, and adding is HEED_DENIED. The store must live longer.
// may_write: whether the store was opened so. Then a log that is shorter than, or other than its
// newest checkpoint says is found here and recorded: as what a restored backup lost, when
// hd_audit_mark_restored was called on it, else as HD_AUDIT_LOG_LOST.
heed_err hd_audit_open(hd_store *store, const hd_audit_keys *keys, bool may_write,
                       hd_audit **out) HEED_CHECK;
void hd_audit_close(hd_audit *audit); // NULL is fine

// Whether the keys are there, so that entries can be added.
bool hd_audit_can_add(const hd_audit *audit);
heed_err hd_audit_need_keys(const hd_audit *audit) HEED_CHECK; // HEED_DENIED when they aren't

// Who acts from now on, for entries that don't say: an API key's id, "cli", "server". At first
// "libheed". Cut to 64 bytes.
void hd_audit_actor_set(hd_audit *audit, const char *actor);
const char *hd_audit_actor(const hd_audit *audit);

typedef struct hd_audit_entry {
    hd_audit_what what;
    const char *actor;      // NULL: as set
    const char *purpose;    // a purpose's name; NULL: none
    const uint8_t *subject; // (HD_AUDIT_SUBJECT) of hd_audit_subject; NULL: nobody alone
    const char *object;     // what it was done to: "import 12", a setting's name; never personal;
                            // at most 255 bytes; NULL: nothing
    int64_t count;          // rows, reads, persons: as `what` has it; 0: doesn't apply
    heed_err outcome;       // HEED_OK, or the code that it failed with
} hd_audit_entry;

// The same log by another connection of the same thread, for whoever only reads by the first: with
// its keys and actor. Its checkpoints aren't kept apart, the next writer makes up for that.
heed_err hd_audit_open_beside(const hd_audit *audit, hd_store *store, hd_audit **out) HEED_CHECK;

// Adds an entry within the caller's transaction, or in one of its own.
heed_err hd_audit_add(hd_audit *audit, const hd_audit_entry *entry) HEED_CHECK;

// A person's pseudonym in the log, from the id as it was given: the same id, the same pseudonym.
heed_err hd_audit_subject(const hd_audit *audit, hd_slice id,
                          uint8_t out[HD_AUDIT_SUBJECT]) HEED_CHECK;

// Says in a database just restored that it is a backup's: the next opening to write records it.
// Needs no keys. source: a name for the entry, not a path.
heed_err hd_audit_mark_restored(hd_store *store, const char *source) HEED_CHECK;

// ── Reading ──

// An entry as it stands in the log.
typedef struct hd_audit_record {
    uint64_t seq; // 1, 2, …
    hd_time time;
    hd_slice what, actor, purpose, object, outcome; // text
    hd_slice subject;                               // HD_AUDIT_SUBJECT bytes, or none
    int64_t count;
} hd_audit_record;

typedef struct hd_audit_filter {
    hd_time since, until; // since ≤ time < until; HD_TIME_NONE: open
    const char *what;     // NULL: all
    const char *actor;    // NULL: all
    const uint8_t *subject;
    uint64_t before; // entries below this number only; 0: all
    size_t limit;    // 0: no limit
} hd_audit_filter;
hd_audit_filter hd_audit_filter_all(void);

// The newest first. The record is borrowed during the call.
typedef heed_err (*hd_audit_fn)(void *ctx, const hd_audit_record *record);
heed_err hd_audit_each(hd_audit *audit, const hd_audit_filter *filter, hd_audit_fn fn,
                       void *ctx) HEED_CHECK;

// ── Verifying ──

enum { HD_AUDIT_SAY = 320, HD_AUDIT_FAULTS = 20 };

// from, to: the entries concerned; 0, 0: none in particular.
typedef struct hd_audit_finding {
    uint64_t from, to;
    char text[2][HD_AUDIT_SAY]; // by heed_lang
} hd_audit_finding;

typedef struct hd_audit_report {
    bool sound;           // no fault
    uint64_t entries;     // there
    uint64_t signed_size; // of the newest good checkpoint
    hd_time signed_at;    // HD_TIME_NONE: none
    bool kept_apart;      // a checkpoint stands beside the keys: else an end cut off isn't seen
    uint8_t root[32];     // over all entries that are there
    uint8_t key[32];      // the public key that checkpoints were checked with
    char origin[80];      // the log's name in checkpoints
    uint64_t first_bad;   // the lowest entry that a fault concerns; 0: none
    size_t n_faults;      // in all; the first HD_AUDIT_FAULTS are kept
    hd_audit_finding faults[HD_AUDIT_FAULTS];
    size_t n_losses; // what restored backups lost, as recorded: no faults, but gone
    hd_audit_finding losses[HD_AUDIT_FAULTS];
} hd_audit_report;

// Checks everything: each entry against its leaf, the tree against every checkpoint, their
// signatures, the one kept apart. Faults are no failure of the call. Linear in the entries.
heed_err hd_audit_verify(hd_audit *audit, hd_audit_report *out) HEED_CHECK;
// Writes the whole log, one JSON document a line: a head, the checkpoints, the entries.
heed_err hd_audit_export(hd_audit *audit, const char *path, uint64_t *entries) HEED_CHECK;
// Verifies such a file by itself. key: the public key to check with; NULL: the file's own, which
// shows only that the file is one piece. A file that is no export is HEED_INPUT.
heed_err hd_audit_verify_file(const char *path, const uint8_t key[32],
                              hd_audit_report *out) HEED_CHECK;
heed_err hd_audit_verify_text(hd_slice text, const char *name, const uint8_t key[32],
                              hd_audit_report *out) HEED_CHECK;

// ── Counting reads that serve ──

// Counts per kind, actor, purpose and minute (reads that serve, sign-ins that failed); bounded:
// when it is full, further actors of a minute are counted together as "others".
typedef struct hd_audit_counts hd_audit_counts;
heed_err hd_audit_counts_new(hd_audit_counts **out) HEED_CHECK;
void hd_audit_counts_free(hd_audit_counts *counts); // NULL is fine
void hd_audit_counts_add(hd_audit_counts *counts, hd_audit_what what, const char *actor,
                         const char *purpose, hd_time now);
// Whether there is something to write: a minute that is over, or the table is three quarters full.
bool hd_audit_counts_due(hd_audit_counts *counts, hd_time now);
// Writes an entry for each, of minutes before that of `now` (HD_TIME_NONE: all), in one transaction
// of its own; what couldn't be written stays counted.
heed_err hd_audit_counts_flush(hd_audit_counts *counts, hd_audit *audit, hd_time now) HEED_CHECK;

#endif
