// SPDX-License-Identifier: Apache-2.0
//
// The log in the database. `audit` holds an entry a row, with the leaf it was added as, so that a
// row that was edited afterwards can be named; `audit_state` the frontier of the tree, so that
// adding needs no other row; `audit_checkpoints` what was signed. A hook on the store signs as the
// last thing of each transaction that added entries, and puts the checkpoint beside the keys once
// that transaction is durable: before, a crash would leave a checkpoint of entries that never were.
//
// Of the checkpoints, the newest stays and the first of every 64 entries: the newest answers for
// all, the others only say where a fault lies.
//
// Before the first entry of a transaction the log is held against the checkpoint kept apart. One
// that is shorter or has another history was cut off, rewritten, or copied back from elsewhere; an
// entry says so before anything else is added, so what comes after can't cover it up.
//
// Rejected: the frontier in memory. A second connection may add entries, and a rolled back
// savepoint takes some away; reading one row is cheaper than being wrong.
#include "privacy/audit.h"

#include <sodium.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/unicode.h"
#include "privacy/audit_own.h"

enum { POINTS_BLOCK = 64 };

static const char schema_1[] =
    "CREATE TABLE audit("
    "  seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, what TEXT NOT NULL, actor TEXT NOT NULL,"
    "  purpose TEXT NOT NULL, subject BLOB NOT NULL, object TEXT NOT NULL, count INTEGER NOT NULL,"
    "  outcome TEXT NOT NULL, leaf BLOB NOT NULL) STRICT;"
    "CREATE TABLE audit_state("
    "  one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL, peaks BLOB NOT NULL,"
    "  signed INTEGER NOT NULL) STRICT;"
    "INSERT INTO audit_state VALUES (1, 0, x'', 0);"
    "CREATE TABLE audit_checkpoints(size INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;"
    // At most one row: this database is a backup's.
    "CREATE TABLE audit_restored(one INTEGER PRIMARY KEY CHECK (one = 1), source TEXT NOT NULL)"
    " STRICT;";

const hd_migration hd_audit_migrations[] = {
    {.component = "audit", .version = 1, .sql = schema_1},
};
const size_t hd_audit_n_migrations = sizeof hd_audit_migrations / sizeof *hd_audit_migrations;

static const struct {
    const char *name;
    hd_text doc;
} whats[HD_AUDIT_WHATS] = {
#define WHAT_ROW(id, word, en, zh) [HD_AUDIT_##id] = {word, HD_TEXT(en, zh)},
    HD_AUDIT_LIST(WHAT_ROW)
#undef WHAT_ROW
};

const char *hd_audit_name(hd_audit_what what) {
    return (unsigned)what < HD_AUDIT_WHATS ? whats[what].name : "?";
}

hd_text hd_audit_doc(hd_audit_what what) {
    return whats[what].doc;
}

bool hd_audit_find(hd_slice name, hd_audit_what *out) {
    for (int i = 0; i < HD_AUDIT_WHATS; i++) {
        if (!hd_slice_eq(name, whats[i].name)) continue;
        *out = (hd_audit_what)i;
        return true;
    }
    return false;
}

heed_err hd_audit_need_keys(const hd_audit *audit) {
    if (audit->can_sign) return HEED_OK;
    return HD_FAIL(HEED_DENIED,
                   "what is done here has to be recorded and signed, and the keys aren't here; "
                   "'heed key import' brings them in",
                   "此操作须记入审计日志并签名，但缺少密钥；请用“heed key import”导入");
}

// ── The state ──

typedef struct log_state {
    hd_tree tree;
    uint64_t signed_size;
} log_state;

static heed_err fail_state(void) {
    return HD_FAIL(HEED_CORRUPT,
                   "the audit log's state is damaged; see 'heed privacy audit --verify'",
                   "审计日志的状态已损坏；请运行“heed privacy audit --verify”");
}

static heed_err state_read(hd_store *store, log_state *out) {
    hd_query *q;
    bool row = false;
    *out = (log_state){0};
    HD_TRY(hd_query_open(store, "SELECT size, peaks, signed FROM audit_state WHERE one = 1", &q));
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK && row) {
        hd_slice peaks = hd_query_blob(q, 1);
        out->tree.size = (uint64_t)hd_query_i64(q, 0);
        out->signed_size = (uint64_t)hd_query_i64(q, 2);
        row = hd_query_i64(q, 0) >= 0 && peaks.n == hd_tree_peaks(&out->tree) * HD_HASH;
        if (row && peaks.n) memcpy(out->tree.peaks, peaks.p, peaks.n);
    }
    hd_query_close(q);
    if (err == HEED_OK && !row) err = fail_state();
    return err;
}

static heed_err state_write(hd_store *store, const log_state *state) {
    hd_query *q;
    HD_TRY(hd_query_open(
        store, "UPDATE audit_state SET size = ?1, peaks = ?2, signed = ?3 WHERE one = 1", &q));
    hd_query_bind_i64(q, 1, (int64_t)state->tree.size);
    hd_query_bind_blob(q, 2, state->tree.peaks, hd_tree_peaks(&state->tree) * HD_HASH);
    hd_query_bind_i64(q, 3, (int64_t)state->signed_size);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

// ── Adding ──

static void bind_some(hd_query *q, int i, hd_slice text) {
    hd_query_bind_text(q, i, text.p ? text : hd_slice_of(""));
}

static heed_err insert(hd_store *store, const hd_audit_record *r, const uint8_t leaf[HD_HASH]) {
    hd_query *q;
    HD_TRY(hd_query_open(store,
                         "INSERT INTO audit (" HD_AUDIT_COLUMNS
                         ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                         &q));
    hd_query_bind_i64(q, 1, (int64_t)r->seq);
    hd_query_bind_i64(q, 2, r->time);
    bind_some(q, 3, r->what);
    bind_some(q, 4, r->actor);
    bind_some(q, 5, r->purpose);
    hd_query_bind_blob(q, 6, r->subject.p ? r->subject.p : "", r->subject.n);
    bind_some(q, 7, r->object);
    hd_query_bind_i64(q, 8, r->count);
    bind_some(q, 9, r->outcome);
    hd_query_bind_blob(q, 10, leaf, HD_HASH);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

// Appends a record; its number is set here.
static heed_err append(hd_audit *audit, hd_audit_record *record) {
    log_state state;
    uint8_t leaf[HD_HASH];
    HD_TRY(state_read(audit->store, &state));
    record->seq = state.tree.size + 1;
    HD_TRY(hd_audit_leaf(record, leaf));
    hd_tree_add(&state.tree, leaf);
    HD_TRY(insert(audit->store, record, leaf));
    audit->added = true;
    return state_write(audit->store, &state);
}

static hd_slice optional(const char *text) {
    return hd_slice_of(text ? text : "");
}

static heed_err append_entry(hd_audit *audit, const hd_audit_entry *entry) {
    hd_audit_record record = {
        .time = hd_time_now(),
        .what = hd_slice_of(hd_audit_name(entry->what)),
        .actor = hd_slice_of(entry->actor ? entry->actor : audit->actor),
        .purpose = optional(entry->purpose),
        .object = optional(entry->object),
        .outcome = hd_slice_of(heed_err_name(entry->outcome)),
        .count = entry->count,
    };
    if (entry->subject) record.subject = (hd_slice){(const char *)entry->subject, HD_AUDIT_SUBJECT};
    return append(audit, &record);
}

// ── Held against the checkpoint kept apart ──

// The root that the log had at a size: of now, as signed then, or from the leaves.
static heed_err root_at(hd_audit *audit, const log_state *state, uint64_t size,
                        uint8_t out[HD_HASH]) {
    if (size == state->tree.size) {
        hd_tree_root(&state->tree, out);
        return HEED_OK;
    }
    hd_query *q;
    hd_tree tree = {0};
    bool row = true;
    heed_err err;
    HD_TRY(hd_query_open(audit->store, "SELECT leaf FROM audit WHERE seq <= ?1 ORDER BY seq", &q));
    hd_query_bind_i64(q, 1, (int64_t)size);
    while ((err = hd_query_step(q, &row)) == HEED_OK && row) {
        hd_slice leaf = hd_query_blob(q, 0);
        if (leaf.n == HD_HASH) hd_tree_add(&tree, (const uint8_t *)leaf.p);
    }
    hd_query_close(q);
    hd_tree_root(&tree, out);
    return err;
}

// *source: "" when this database was restored from no backup. In the caller's string.
static heed_err restored_from(hd_store *store, hd_str *source, bool *restored) {
    hd_query *q;
    *restored = false;
    HD_TRY(hd_query_open(store, "SELECT source FROM audit_restored", &q));
    heed_err err = hd_query_step(q, restored);
    if (err == HEED_OK && *restored) {
        hd_slice text = hd_query_text(q, 0);
        hd_str_addn(source, text.p, text.n);
    }
    hd_query_close(q);
    return err == HEED_OK ? hd_str_check(source) : err;
}

typedef struct apart {
    bool there; // a checkpoint is kept, and it is one of this log
    hd_checkpoint checkpoint;
} apart;

heed_err hd_audit_apart(const hd_audit *audit, hd_str *out) {
    if (audit->keys.get) HD_TRY(audit->keys.get(audit->keys.ctx, out));
    return hd_str_check(out);
}

static apart parse_apart(const hd_audit *audit, hd_slice text) {
    apart out = {0};
    bool form;
    if (text.n > 0)
        out.there =
            hd_checkpoint_read(text, audit->origin, audit->public_key, &out.checkpoint, &form);
    return out;
}

static heed_err read_apart(hd_audit *audit, apart *out) {
    hd_str text;
    hd_str_init(&text);
    *out = (apart){0};
    heed_err err = hd_audit_apart(audit, &text);
    if (err == HEED_OK) *out = parse_apart(audit, (hd_slice){text.data, text.len});
    hd_str_clear(&text);
    return err;
}

// What is missing or other: from > to when nothing is.
static heed_err find_lost(hd_audit *audit, const apart *kept, uint64_t *from, uint64_t *to) {
    log_state state;
    uint8_t root[HD_HASH];
    *from = 1;
    *to = 0;
    if (!kept->there) return HEED_OK;
    HD_TRY(state_read(audit->store, &state));
    if (kept->checkpoint.size > state.tree.size) {
        *from = state.tree.size + 1;
        *to = kept->checkpoint.size;
        return HEED_OK;
    }
    HD_TRY(root_at(audit, &state, kept->checkpoint.size, root));
    if (memcmp(root, kept->checkpoint.root, HD_HASH) != 0) *to = kept->checkpoint.size;
    return HEED_OK;
}

static heed_err record_lost(hd_audit *audit, const apart *kept, uint64_t from, uint64_t to,
                            bool restored, const char *source) {
    hd_str object;
    hd_str_init(&object);
    heed_err err = HEED_OK;
    if (from <= to)
        err = hd_audit_lost_text(from, to, kept->checkpoint.root, source, &object);
    else
        hd_str_add(&object, source);
    if (err == HEED_OK) err = hd_str_check(&object);
    if (err == HEED_OK)
        err = append_entry(
            audit, &(hd_audit_entry){.what = restored ? HD_AUDIT_RESTORE : HD_AUDIT_LOG_LOST,
                                     .object = hd_str_get(&object),
                                     .count = from <= to ? (int64_t)(to - from + 1) : 0});
    hd_str_clear(&object);
    audit->lost |= from <= to;
    if (err == HEED_OK && restored) err = hd_store_exec(audit->store, "DELETE FROM audit_restored");
    return err;
}

// Within a transaction that may write.
static heed_err check_apart(hd_audit *audit) {
    apart kept;
    uint64_t from, to;
    bool restored;
    hd_str source;
    HD_TRY(read_apart(audit, &kept));
    HD_TRY(find_lost(audit, &kept, &from, &to));
    hd_str_init(&source);
    heed_err err = restored_from(audit->store, &source, &restored);
    if (err == HEED_OK && (restored || from <= to))
        err = record_lost(audit, &kept, from, to, restored, hd_str_get(&source));
    hd_str_clear(&source);
    return err;
}

// Once a transaction; a rolled back savepoint may have taken the finding with it, and grows the
// epoch as well.
static heed_err check_once(hd_audit *audit) {
    if (audit->checked == hd_store_epoch(audit->store)) return HEED_OK;
    HD_TRY(check_apart(audit));
    audit->checked = hd_store_epoch(audit->store);
    return HEED_OK;
}

static heed_err end(hd_store *store, heed_err err) {
    if (err == HEED_OK) return hd_store_commit(store);
    hd_store_rollback(store);
    return err;
}

heed_err hd_audit_add(hd_audit *audit, const hd_audit_entry *entry) {
    HD_TRY(hd_audit_need_keys(audit));
    HD_TRY(hd_store_begin(audit->store));
    heed_err err = check_once(audit);
    if (err == HEED_OK) err = append_entry(audit, entry);
    return end(audit->store, err);
}

heed_err hd_audit_mark_restored(hd_store *store, const char *source) {
    char name[HD_AUDIT_ACTOR + 1];
    size_t n = hd_utf8_cut(source, strlen(source), HD_AUDIT_ACTOR);
    memcpy(name, source, n);
    name[n] = '\0';
    for (char *p = name; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7F) *p = '?';
    hd_query *q;
    HD_TRY(hd_query_open(store, "INSERT OR REPLACE INTO audit_restored VALUES (1, ?1)", &q));
    hd_query_bind_text(q, 1, hd_slice_of(hd_utf8_valid(name, n) == n ? name : "?"));
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

// ── Signing ──

static heed_err store_checkpoint(hd_store *store, const log_state *state, hd_slice text) {
    hd_query *q;
    HD_TRY(hd_query_open(store, "INSERT INTO audit_checkpoints (size, text) VALUES (?1, ?2)", &q));
    hd_query_bind_i64(q, 1, (int64_t)state->tree.size);
    hd_query_bind_text(q, 2, text);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

// The one that was the newest goes, unless it is the first of its block.
static heed_err thin_out(hd_store *store, uint64_t size) {
    hd_query *q;
    HD_TRY(hd_query_open(store,
                         "DELETE FROM audit_checkpoints WHERE size = ?1 AND EXISTS (SELECT 1"
                         " FROM audit_checkpoints WHERE size < ?1 AND size >= ?2)",
                         &q));
    hd_query_bind_i64(q, 1, (int64_t)size);
    hd_query_bind_i64(q, 2, (int64_t)(size - size % POINTS_BLOCK));
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

static heed_err seal(hd_audit *audit) {
    log_state state;
    HD_TRY(state_read(audit->store, &state));
    if (state.tree.size == state.signed_size) return HEED_OK; // what was added was taken back
    hd_checkpoint checkpoint = {.size = state.tree.size, .time = hd_time_now()};
    hd_tree_root(&state.tree, checkpoint.root);
    hd_str_reset(&audit->sealed);
    HD_TRY(hd_checkpoint_sign(&checkpoint, audit->origin, audit->public_key, audit->secret_key,
                              &audit->sealed));
    HD_TRY(thin_out(audit->store, state.signed_size));
    HD_TRY(
        store_checkpoint(audit->store, &state, (hd_slice){audit->sealed.data, audit->sealed.len}));
    audit->sealed_size = state.signed_size = state.tree.size;
    return state_write(audit->store, &state);
}

static heed_err before_commit(void *ctx) {
    hd_audit *audit = ctx;
    return audit->added ? seal(audit) : HEED_OK;
}

typedef struct candidate {
    const hd_audit *audit;
    uint64_t size;
} candidate;

// Another connection may have been faster, with a later one: that one stays, unless it is the very
// one that this transaction found to be of another past.
static bool is_later(void *ctx, hd_slice kept_text) {
    const candidate *c = ctx;
    const apart kept = parse_apart(c->audit, kept_text);
    return !kept.there || c->audit->lost || c->size > kept.checkpoint.size;
}

static heed_err keep_apart(const hd_audit *audit, hd_slice text, uint64_t size) {
    candidate c = {audit, size};
    if (!audit->keys.put) return HEED_OK;
    return audit->keys.put(audit->keys.ctx, text, is_later, &c);
}

// The log stands; a checkpoint that couldn't be put away is made up for by the next.
static void after_commit(void *ctx) {
    hd_audit *audit = ctx;
    audit->added = false;
    if (audit->sealed.len == 0) return;
    const hd_slice text = {audit->sealed.data, audit->sealed.len};
    if (keep_apart(audit, text, audit->sealed_size) != HEED_OK)
        HD_LOG(HD_LOG_WARN, "audit", "checkpoint_not_kept",
               HD_KV_STR("why", heed_error_message(HEED_EN)));
    audit->lost = false;
    hd_str_reset(&audit->sealed);
}

static void after_rollback(void *ctx) {
    hd_audit *audit = ctx;
    audit->added = false;
    audit->lost = false;
    hd_str_reset(&audit->sealed);
}

// ── Opening ──

static void derive(const uint8_t secret[HD_AUDIT_SECRET], const char *label, uint8_t out[32]) {
    crypto_generichash(out, 32, (const uint8_t *)label, strlen(label), secret, HD_AUDIT_SECRET);
}

static void take_keys(hd_audit *audit, const hd_audit_keys *keys) {
    uint8_t seed[crypto_sign_SEEDBYTES];
    char id[2 * HD_AUDIT_ID + 1];
    derive(keys->secret, "heed audit signature 1", seed);
    derive(keys->secret, "heed audit subject 1", audit->subject_key);
    crypto_sign_seed_keypair(audit->public_key, audit->secret_key, seed);
    sodium_memzero(seed, sizeof seed);
    audit->keys = *keys;
    sodium_memzero(audit->keys.secret, sizeof audit->keys.secret);
    sodium_bin2hex(id, sizeof id, keys->workspace, HD_AUDIT_ID);
    hd_snprintf(audit->origin, sizeof audit->origin, "heed/audit/%s", id);
    audit->can_sign = true;
}

// The newest checkpoint of the log, when it is later than the one kept apart: a crash, or a
// connection beside, left that behind.
static heed_err catch_up(hd_audit *audit) {
    apart kept;
    hd_query *q;
    hd_checkpoint newest;
    bool row = false, form;
    if (!audit->keys.put) return HEED_OK;
    HD_TRY(read_apart(audit, &kept));
    HD_TRY(hd_query_open(audit->store,
                         "SELECT text FROM audit_checkpoints ORDER BY size DESC LIMIT 1", &q));
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK && row &&
        hd_checkpoint_read(hd_query_text(q, 0), audit->origin, audit->public_key, &newest, &form) &&
        (!kept.there || newest.size > kept.checkpoint.size))
        err = keep_apart(audit, hd_query_text(q, 0), newest.size);
    hd_query_close(q);
    return err;
}

// A restored database, or one whose log isn't what it was, is recorded before anything else.
static heed_err record_at_opening(hd_audit *audit) {
    HD_TRY(hd_store_begin(audit->store));
    HD_TRY(end(audit->store, check_once(audit)));
    return catch_up(audit);
}

// A log that isn't open yet.
static hd_audit *make(hd_store *store) {
    hd_audit *audit = hd_calloc(1, sizeof *audit);
    if (!audit) return NULL;
    audit->store = store;
    audit->checked = UINT64_MAX;
    audit->hook = (hd_store_hook){before_commit, after_commit, after_rollback, audit, NULL};
    hd_str_init(&audit->sealed);
    hd_audit_actor_set(audit, "libheed");
    hd_store_hook_add(store, &audit->hook);
    return audit;
}

heed_err hd_audit_open(hd_store *store, const hd_audit_keys *keys, bool may_write, hd_audit **out) {
    *out = NULL;
    hd_audit *audit = make(store);
    if (!audit) return HD_FAIL_MEMORY(sizeof *audit);
    if (keys) take_keys(audit, keys);
    heed_err err = keys && may_write ? record_at_opening(audit) : HEED_OK;
    if (err != HEED_OK) {
        hd_audit_close(audit);
        return err;
    }
    *out = audit;
    return HEED_OK;
}

heed_err hd_audit_open_beside(const hd_audit *audit, hd_store *store, hd_audit **out) {
    *out = NULL;
    HD_TRY(hd_audit_need_keys(audit));
    hd_audit *beside = make(store);
    if (!beside) return HD_FAIL_MEMORY(sizeof *beside);
    beside->can_sign = true;
    beside->keys = audit->keys;
    beside->keys.put = NULL;
    memcpy(beside->public_key, audit->public_key, sizeof beside->public_key);
    memcpy(beside->secret_key, audit->secret_key, sizeof beside->secret_key);
    memcpy(beside->subject_key, audit->subject_key, sizeof beside->subject_key);
    memcpy(beside->origin, audit->origin, sizeof beside->origin);
    memcpy(beside->actor, audit->actor, sizeof beside->actor);
    *out = beside;
    return HEED_OK;
}

void hd_audit_close(hd_audit *audit) {
    if (!audit) return;
    hd_store_hook_remove(audit->store, &audit->hook);
    hd_str_clear(&audit->sealed);
    sodium_memzero(audit, sizeof *audit);
    hd_free(audit);
}

bool hd_audit_can_add(const hd_audit *audit) {
    return audit->can_sign;
}

void hd_audit_actor_set(hd_audit *audit, const char *actor) {
    size_t n = hd_utf8_cut(actor, strlen(actor), HD_AUDIT_ACTOR);
    memcpy(audit->actor, actor, n);
    audit->actor[n] = '\0';
}

const char *hd_audit_actor(const hd_audit *audit) {
    return audit->actor;
}

heed_err hd_audit_subject(const hd_audit *audit, hd_slice id, uint8_t out[HD_AUDIT_SUBJECT]) {
    HD_TRY(hd_audit_need_keys(audit));
    crypto_generichash(out, HD_AUDIT_SUBJECT, (const uint8_t *)id.p, id.n, audit->subject_key,
                       sizeof audit->subject_key);
    return HEED_OK;
}

// ── Reading ──

void hd_audit_row(hd_query *q, hd_audit_record *out, hd_slice *leaf) {
    *out = (hd_audit_record){
        .seq = (uint64_t)hd_query_i64(q, 0),
        .time = hd_query_time(q, 1),
        .what = hd_query_text(q, 2),
        .actor = hd_query_text(q, 3),
        .purpose = hd_query_text(q, 4),
        .subject = hd_query_blob(q, 5),
        .object = hd_query_text(q, 6),
        .count = hd_query_i64(q, 7),
        .outcome = hd_query_text(q, 8),
    };
    if (leaf) *leaf = hd_query_blob(q, 9);
}

hd_audit_filter hd_audit_filter_all(void) {
    return (hd_audit_filter){.since = HD_TIME_NONE, .until = HD_TIME_NONE};
}

static void bind_filter(hd_query *q, const hd_audit_filter *filter) {
    hd_query_bind_time(q, 1, filter->since);
    hd_query_bind_time(q, 2, filter->until);
    hd_query_bind_text(q, 3, hd_slice_of(filter->what));
    hd_query_bind_text(q, 4, hd_slice_of(filter->actor));
    hd_query_bind_blob(q, 5, filter->subject, HD_AUDIT_SUBJECT);
    if (filter->before)
        hd_query_bind_i64(q, 6, (int64_t)filter->before);
    else
        hd_query_bind_null(q, 6);
    hd_query_bind_i64(q, 7, filter->limit ? (int64_t)filter->limit : -1);
}

heed_err hd_audit_each(hd_audit *audit, const hd_audit_filter *filter, hd_audit_fn fn, void *ctx) {
    hd_query *q;
    bool row = true;
    HD_TRY(hd_query_open(audit->store,
                         "SELECT " HD_AUDIT_COLUMNS " FROM audit"
                         " WHERE (?1 IS NULL OR time >= ?1) AND (?2 IS NULL OR time < ?2)"
                         " AND (?3 IS NULL OR what = ?3) AND (?4 IS NULL OR actor = ?4)"
                         " AND (?5 IS NULL OR subject = ?5) AND (?6 IS NULL OR seq < ?6)"
                         " ORDER BY seq DESC LIMIT ?7",
                         &q));
    bind_filter(q, filter);
    heed_err err;
    while ((err = hd_query_step(q, &row)) == HEED_OK && row) {
        hd_audit_record record;
        hd_audit_row(q, &record, NULL);
        HD_TRY_OUT(fn(ctx, &record));
    }
out:
    hd_query_close(q);
    return err;
}
