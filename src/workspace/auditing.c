// SPDX-License-Identifier: Apache-2.0
//
// The newest checkpoint is a mark of the keyring, in subjects.db: another file than the log, in a
// folder that no backup of the data holds. Processes beside each other write it, so whether one
// takes another's place is decided in the transaction that does it.
//
// A handle that reads (a model put in force beside a running server, say) records by a connection
// of its own: the log's tables take entries from anywhere, as each is one transaction that reads
// the state first.
#include "workspace/auditing.h"

#include <sodium.h>

#include "base/log.h"
#include "base/mem.h"
#include "workspace/keys.h"

enum { CACHE = 1 << 20 };
static const char NO_PATIENCE[] = "PRAGMA busy_timeout = 200"; // milliseconds
static const char MARK[] = "audit";

// ── The checkpoint apart ──

static heed_err get_mark(void *ctx, hd_str *out) {
    heed_workspace *ws = ctx;
    uint64_t count;
    bool found;
    return hd_keyring_mark_get(ws->keyring, MARK, &count, out, &found);
}

static heed_err put_mark(void *ctx, hd_slice checkpoint, hd_mark_replaces *replaces,
                         void *candidate) {
    const heed_workspace *ws = ctx;
    return hd_keyring_mark_set(ws->keyring, MARK, checkpoint, replaces, candidate);
}

// ── Opening ──

heed_err hd_auditing_open(heed_workspace *ws) {
    bool writes = ws->mode == HEED_WRITE;
    if (hd_keyring_locked(ws->keyring)) return hd_audit_open(ws->store, NULL, writes, &ws->audit);
    hd_audit_keys keys = {.get = get_mark, .put = put_mark, .ctx = ws};
    heed_err err = hd_keyring_secret(ws->keyring, "audit", keys.secret);
    if (err == HEED_OK) {
        memcpy(keys.workspace, hd_keyring_workspace(ws->keyring), sizeof keys.workspace);
        err = hd_audit_open(ws->store, &keys, writes, &ws->audit);
    }
    sodium_memzero(&keys, sizeof keys);
    return err;
}

void hd_auditing_close(heed_workspace *ws) {
    hd_audit_close(ws->audit);
    ws->audit = NULL;
}

// ── Recording ──

// A writing handle's log and keys and nothing else. The keys may ask for a passphrase that nobody
// is there to give: the checkpoint is then left to the next writer to keep.
static heed_err record_by(heed_workspace *writer, const hd_audit *own, const hd_audit_entry *entry,
                          bool patient, hd_arena *arena) {
    char *path;
    HD_TRY(hd_workspace_path(writer, arena, "heed.db", &path));
    HD_TRY(hd_store_open(path, HD_STORE_WRITE, CACHE, NULL, &writer->store));
    if (!patient) HD_TRY(hd_store_exec(writer->store, NO_PATIENCE));
    heed_err err = hd_keys_open(writer, arena, (hd_passphrase){0});
    if (err == HEED_OK && !hd_keyring_locked(writer->keyring)) err = hd_auditing_open(writer);
    if (!writer->audit) err = hd_audit_open_beside(own, writer->store, &writer->audit);
    HD_TRY(err);
    hd_audit_actor_set(writer->audit, hd_audit_actor(own));
    return hd_audit_add(writer->audit, entry);
}

static heed_err record_beside(heed_workspace *ws, const hd_audit_entry *entry, bool patient) {
    hd_arena arena;
    heed_workspace writer = {.folder = ws->folder, .mode = HEED_WRITE, .settings = ws->settings};
    HD_TRY(hd_audit_need_keys(ws->audit));
    hd_arena_init(&arena);
    heed_err err = record_by(&writer, ws->audit, entry, patient, &arena);
    hd_auditing_close(&writer);
    hd_store_close(writer.store);
    hd_keys_close(&writer);
    hd_arena_clear(&arena);
    return err;
}

heed_err hd_workspace_record(heed_workspace *ws, const hd_audit_entry *entry) {
    return ws->mode == HEED_WRITE ? hd_audit_add(ws->audit, entry) : record_beside(ws, entry, true);
}

static void log_lost(const hd_audit_entry *entry) {
    HD_LOG(HD_LOG_WARN, "audit", "not_recorded", HD_KV_STR("what", hd_audit_name(entry->what)),
           HD_KV_STR("why", heed_error_message(HEED_EN)));
}

void hd_workspace_record_gladly(heed_workspace *ws, const hd_audit_entry *entry) {
    if (hd_workspace_record(ws, entry) != HEED_OK) log_lost(entry);
}

void hd_workspace_record_read(heed_workspace *ws, const char *purpose, bool many) {
    const hd_audit_entry entry = {
        .what = many ? HD_AUDIT_BULK_READ : HD_AUDIT_SERVE, .purpose = purpose, .count = 1};
    if (ws->mode == HEED_WRITE || !hd_audit_can_add(ws->audit))
        return; // what writes says so itself
    if (record_beside(ws, &entry, false) != HEED_OK) log_lost(&entry);
}

heed_err hd_workspace_record_user(heed_workspace *ws, const char *user, hd_audit_entry entry) {
    uint8_t subject[HD_AUDIT_SUBJECT];
    HD_TRY(hd_audit_subject(ws->audit, hd_slice_of(user), subject));
    entry.subject = subject;
    return hd_workspace_record(ws, &entry);
}

// A backup of an older heed has no log yet, and so has lost nothing of it.
heed_err hd_auditing_mark_restored(const char *db, const char *source) {
    hd_store *store;
    size_t pending = 0;
    HD_TRY(hd_store_open(db, HD_STORE_WRITE, CACHE, NULL, &store));
    heed_err err =
        hd_store_migrations_pending(store, hd_audit_migrations, hd_audit_n_migrations, &pending);
    if (err == HEED_OK && pending == 0) err = hd_audit_mark_restored(store, source);
    if (err == HEED_OK) err = hd_store_checkpoint(store);
    hd_store_close(store);
    return err;
}

// ── Listing ──

typedef struct listing {
    json_t *entries;
    uint64_t last;
} listing;

static json_t *text_json(hd_slice text) {
    return json_stringn(text.p ? text.p : "", text.n);
}

static heed_err doc_json(hd_slice name, json_t *out) {
    hd_audit_what what;
    if (!hd_audit_find(name, &what)) return HEED_OK; // of a newer heed
    json_t *texts = NULL;
    hd_text doc = hd_audit_doc(what);
    HD_TRY(hd_json_pack(&texts, "{s:s, s:s}", "en", doc.en, "zh", doc.zh));
    return hd_json_set(out, "text", texts);
}

static heed_err fill_entry(const hd_audit_record *r, json_t *out) {
    char time[32], subject[2 * HD_AUDIT_SUBJECT + 1] = "";
    hd_time_format(r->time, NULL, time);
    if (r->subject.n == HD_AUDIT_SUBJECT)
        sodium_bin2hex(subject, sizeof subject, (const uint8_t *)r->subject.p, r->subject.n);
    HD_TRY(hd_json_set(out, "entry", json_integer((json_int_t)r->seq)));
    HD_TRY(hd_json_set(out, "time", json_string(time)));
    HD_TRY(hd_json_set(out, "what", text_json(r->what)));
    HD_TRY(doc_json(r->what, out));
    HD_TRY(hd_json_set(out, "actor", text_json(r->actor)));
    HD_TRY(hd_json_set(out, "purpose", text_json(r->purpose)));
    HD_TRY(hd_json_set(out, "subject", json_string(subject)));
    HD_TRY(hd_json_set(out, "object", text_json(r->object)));
    HD_TRY(hd_json_set(out, "count", json_integer((json_int_t)r->count)));
    return hd_json_set(out, "outcome", text_json(r->outcome));
}

static heed_err list_entry(void *ctx, const hd_audit_record *record) {
    listing *l = ctx;
    json_t *entry = json_object();
    l->last = record->seq;
    HD_TRY(hd_json_append(l->entries, entry));
    return fill_entry(record, entry);
}

static heed_err check_what(const char *what) {
    hd_audit_what found;
    if (!what || hd_audit_find(hd_slice_of(what), &found)) return HEED_OK;
    return HD_FAIL(HEED_INPUT, "nothing is recorded as '%s'; 'import', 'export' and 'erase' are",
                   "没有名为“%s”的审计类别；例如有 import、export、erase", what);
}

heed_err hd_audit_list(heed_workspace *ws, const hd_audit_query *query, json_t **out) {
    uint8_t subject[HD_AUDIT_SUBJECT];
    hd_audit_filter filter = {query->since, query->until,  query->what, query->actor,
                              NULL,         query->before, query->limit};
    HD_TRY(check_what(query->what));
    if (query->user) {
        HD_TRY(hd_audit_subject(ws->audit, hd_slice_of(query->user), subject));
        filter.subject = subject;
    }
    listing l = {0};
    HD_TRY(hd_json_pack(out, "{s:[]}", "entries"));
    l.entries = json_object_get(*out, "entries");
    heed_err err = hd_audit_each(ws->audit, &filter, list_entry, &l);
    if (err == HEED_OK && query->limit && json_array_size(l.entries) == query->limit &&
        l.last > 1) {
        char cursor[32];
        hd_snprintf(cursor, sizeof cursor, "%llu", (unsigned long long)l.last);
        err = hd_json_set(*out, "next_cursor", json_string(cursor));
    }
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

// ── Verifying ──

static heed_err findings_json(const hd_audit_finding *findings, size_t n, const char *key,
                              json_t *out) {
    json_t *list = json_array();
    HD_TRY(hd_json_set(out, key, list));
    for (size_t i = 0; i < n && i < HD_AUDIT_FAULTS; i++) {
        json_t *one = NULL;
        const hd_audit_finding *f = &findings[i];
        HD_TRY(hd_json_pack(&one, "{s:I, s:I, s:{s:s, s:s}}", "from", (json_int_t)f->from, "to",
                            (json_int_t)f->to, "text", "en", f->text[HEED_EN], "zh",
                            f->text[HEED_ZH]));
        HD_TRY(hd_json_append(list, one));
    }
    return HEED_OK;
}

static heed_err fill_verdict(const hd_audit_report *r, json_t *out) {
    char hex[2 * 32 + 1], time[32];
    HD_TRY(hd_json_set(out, "sound", json_boolean(r->sound)));
    HD_TRY(hd_json_set(out, "entries", json_integer((json_int_t)r->entries)));
    HD_TRY(hd_json_set(out, "signed_entries", json_integer((json_int_t)r->signed_size)));
    if (r->signed_at != HD_TIME_NONE) {
        hd_time_format(r->signed_at, NULL, time);
        HD_TRY(hd_json_set(out, "signed_at", json_string(time)));
    }
    HD_TRY(hd_json_set(out, "origin", json_string(r->origin)));
    sodium_bin2hex(hex, sizeof hex, r->root, sizeof r->root);
    HD_TRY(hd_json_set(out, "root", json_string(hex)));
    sodium_bin2hex(hex, sizeof hex, r->key, sizeof r->key);
    HD_TRY(hd_json_set(out, "public_key", json_string(hex)));
    if (r->first_bad) HD_TRY(hd_json_set(out, "first_bad", json_integer((json_int_t)r->first_bad)));
    HD_TRY(hd_json_set(out, "n_faults", json_integer((json_int_t)r->n_faults)));
    HD_TRY(findings_json(r->faults, r->n_faults, "faults", out));
    return findings_json(r->losses, r->n_losses, "losses", out);
}

static heed_err verdict_json(const hd_audit_report *report, json_t **out) {
    *out = json_object();
    if (!*out) return HD_FAIL_MEMORY(0);
    heed_err err = fill_verdict(report, *out);
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

heed_err hd_audit_verdict(heed_workspace *ws, json_t **out) {
    hd_audit_report report;
    HD_TRY(hd_audit_verify(ws->audit, &report));
    HD_TRY(verdict_json(&report, out));
    heed_err err = hd_json_set(*out, "kept_apart", json_boolean(report.kept_apart));
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

heed_err hd_audit_verdict_file(const char *path, const char *key, json_t **out) {
    uint8_t bytes[32];
    size_t n = 0;
    hd_audit_report report;
    if (key && (sodium_hex2bin(bytes, sizeof bytes, key, strlen(key), NULL, &n, NULL) != 0 ||
                n != sizeof bytes || strlen(key) != 2 * sizeof bytes))
        return HD_FAIL(HEED_USAGE, "'%s' is no public key: 64 hexadecimal digits",
                       "“%s”不是公钥：应为 64 位十六进制数", key);
    HD_TRY(hd_audit_verify_file(path, key ? bytes : NULL, &report));
    return verdict_json(&report, out);
}

// The export is an entry itself, and stands in what is exported.
heed_err hd_audit_write(heed_workspace *ws, const char *path, json_t **out) {
    uint64_t entries = 0;
    HD_TRY(hd_workspace_record(ws, &(hd_audit_entry){.what = HD_AUDIT_AUDIT_EXPORT}));
    HD_TRY(hd_audit_export(ws->audit, path, &entries));
    return hd_json_pack(out, "{s:s, s:I}", "file", path, "entries", (json_int_t)entries);
}
