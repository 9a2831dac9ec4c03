// SPDX-License-Identifier: Apache-2.0
//
// Verifying a log where it stands, writing it out whole, and verifying what was written out. The
// exported file is one JSON document a line, so that any tool can read it:
//
//     {"heed_audit": 1, "origin": "heed/audit/…", "public_key": "…hex", "entries": 3}
//     {"checkpoint": "heed/audit/…\n3\n…"}
//     {"seq": 1, "time": "2026-11-22T08:30:00Z", "what": "import", "actor": "cli", "purpose": "",
//      "subject": "", "object": "import 1", "count": 1200, "outcome": "OK", "leaf": "…hex"}
//
// The checkpoints come first, so that the entries can be checked as they are read; the one kept
// apart is among them. What is signed are the canonical bytes (audit_entry.c), made again from a
// line's fields, and not the line.
#include <sodium.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "privacy/audit_own.h"

enum { FORMAT = 1, FLUSH_BYTES = 64 * 1024, FILE_MAX = 1 << 30 };

// ── The log where it stands ──

static heed_err check_points(hd_audit *audit, hd_audit_checker *checker) {
    hd_query *q;
    bool row = true;
    heed_err err;
    HD_TRY(hd_query_open(audit->store, "SELECT text FROM audit_checkpoints ORDER BY size", &q));
    while ((err = hd_query_step(q, &row)) == HEED_OK && row)
        HD_TRY_OUT(hd_audit_checker_point(checker, hd_query_text(q, 0), false));
out:
    hd_query_close(q);
    return err;
}

static heed_err check_apart(hd_audit *audit, hd_audit_checker *checker) {
    hd_str text;
    hd_str_init(&text);
    heed_err err = hd_audit_apart(audit, &text);
    checker->report->kept_apart = err == HEED_OK && text.len > 0;
    if (checker->report->kept_apart)
        err = hd_audit_checker_point(checker, (hd_slice){text.data, text.len}, true);
    hd_str_clear(&text);
    return err;
}

static heed_err check_entries(hd_audit *audit, hd_audit_checker *checker) {
    static const uint8_t none[HD_HASH];
    hd_query *q;
    bool row = true;
    heed_err err;
    HD_TRY(hd_query_open(audit->store, "SELECT " HD_AUDIT_COLUMNS " FROM audit ORDER BY seq", &q));
    while ((err = hd_query_step(q, &row)) == HEED_OK && row) {
        hd_audit_record record;
        hd_slice leaf;
        hd_audit_row(q, &record, &leaf);
        hd_audit_checker_entry(checker, &record,
                               leaf.n == HD_HASH ? (const uint8_t *)leaf.p : none);
    }
    hd_query_close(q);
    return err;
}

// What the next entry would be added to.
static heed_err check_state(hd_audit *audit, hd_audit_checker *checker) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(audit->store, "SELECT size, peaks FROM audit_state", &q));
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK) {
        size_t n = hd_tree_peaks(&checker->tree) * HD_HASH;
        hd_slice peaks = row ? hd_query_blob(q, 1) : (hd_slice){0};
        bool same = row && hd_query_i64(q, 0) == (int64_t)checker->tree.size && peaks.n == n &&
                    (n == 0 || memcmp(peaks.p, checker->tree.peaks, n) == 0);
        if (!same && checker->report->n_faults == 0)
            hd_audit_fault_add(checker->report, 0, 0,
                               "the state that entries are added to isn't that of the entries",
                               "日志的当前状态与各条记录不符");
    }
    hd_query_close(q);
    return err;
}

static heed_err check_all(hd_audit *audit, hd_audit_checker *checker) {
    HD_TRY(check_points(audit, checker));
    HD_TRY(check_apart(audit, checker));
    HD_TRY(check_entries(audit, checker));
    hd_audit_checker_end(checker);
    return check_state(audit, checker);
}

heed_err hd_audit_verify(hd_audit *audit, hd_audit_report *out) {
    hd_audit_checker checker;
    *out = (hd_audit_report){0};
    HD_TRY(hd_audit_need_keys(audit));
    memcpy(out->key, audit->public_key, sizeof out->key);
    memcpy(out->origin, audit->origin, sizeof out->origin);
    hd_audit_checker_init(&checker, out);
    HD_TRY(hd_store_begin_read(audit->store));
    heed_err err = check_all(audit, &checker);
    hd_store_rollback(audit->store);
    hd_audit_checker_clear(&checker);
    out->sound = err == HEED_OK && out->n_faults == 0;
    return err;
}

// ── Writing it out ──

typedef struct writer {
    hd_file *file;
    hd_str lines;
    uint64_t entries;
} writer;

static heed_err flush(writer *w, size_t least) {
    HD_TRY(hd_str_check(&w->lines));
    if (w->lines.len < least || w->lines.len == 0) return HEED_OK;
    heed_err err = hd_file_write(w->file, w->lines.data, w->lines.len);
    hd_str_reset(&w->lines);
    return err;
}

static void add_text(hd_str *out, const char *key, hd_slice text) {
    hd_str_addf(out, ", \"%s\": ", key);
    hd_json_quote(out, text.p ? text.p : "", text.n);
}

static void add_hex(hd_str *out, const char *key, hd_slice bytes) {
    hd_str_addf(out, ", \"%s\": \"", key);
    for (size_t i = 0; i < bytes.n; i++) hd_str_addf(out, "%02x", (unsigned)(uint8_t)bytes.p[i]);
    hd_str_addc(out, '"');
}

static void add_entry(hd_str *out, const hd_audit_record *r, hd_slice leaf) {
    char time[32];
    hd_time_format(r->time, NULL, time);
    hd_str_addf(out, "{\"seq\": %llu, \"time\": \"%s\"", (unsigned long long)r->seq, time);
    add_text(out, "what", r->what);
    add_text(out, "actor", r->actor);
    add_text(out, "purpose", r->purpose);
    add_hex(out, "subject", r->subject);
    add_text(out, "object", r->object);
    hd_str_addf(out, ", \"count\": %lld", (long long)r->count);
    add_text(out, "outcome", r->outcome);
    add_hex(out, "leaf", leaf);
    hd_str_add(out, "}\n");
}

static heed_err count_entries(hd_store *store, uint64_t *n) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(store, "SELECT count(*) FROM audit", &q));
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK) *n = row ? (uint64_t)hd_query_i64(q, 0) : 0;
    hd_query_close(q);
    return err;
}

static heed_err write_head(hd_audit *audit, writer *w) {
    HD_TRY(count_entries(audit->store, &w->entries));
    hd_str_addf(&w->lines, "{\"heed_audit\": %d, \"origin\": \"%s\"", FORMAT, audit->origin);
    add_hex(&w->lines, "public_key", (hd_slice){(const char *)audit->public_key, HD_SIGN_PUBLIC});
    hd_str_addf(&w->lines, ", \"entries\": %llu}\n", (unsigned long long)w->entries);
    return HEED_OK;
}

static void add_point(hd_str *out, hd_slice text) {
    hd_str_add(out, "{\"checkpoint\": ");
    hd_json_quote(out, text.p ? text.p : "", text.n);
    hd_str_add(out, "}\n");
}

static heed_err write_points(hd_audit *audit, writer *w) {
    hd_str apart;
    hd_query *q = NULL;
    bool row = true;
    hd_str_init(&apart);
    heed_err err;
    HD_TRY_OUT(hd_query_open(audit->store, "SELECT text FROM audit_checkpoints ORDER BY size", &q));
    while ((err = hd_query_step(q, &row)) == HEED_OK && row) {
        add_point(&w->lines, hd_query_text(q, 0));
        HD_TRY_OUT(flush(w, FLUSH_BYTES));
    }
    if (err == HEED_OK) err = hd_audit_apart(audit, &apart);
    if (err == HEED_OK && apart.len) add_point(&w->lines, (hd_slice){apart.data, apart.len});
out:
    hd_query_close(q);
    hd_str_clear(&apart);
    return err;
}

static heed_err write_entries(hd_audit *audit, writer *w) {
    hd_query *q;
    bool row = true;
    heed_err err;
    HD_TRY(hd_query_open(audit->store, "SELECT " HD_AUDIT_COLUMNS " FROM audit ORDER BY seq", &q));
    while ((err = hd_query_step(q, &row)) == HEED_OK && row) {
        hd_audit_record record;
        hd_slice leaf;
        hd_audit_row(q, &record, &leaf);
        add_entry(&w->lines, &record, leaf);
        HD_TRY_OUT(flush(w, FLUSH_BYTES));
    }
out:
    hd_query_close(q);
    return err;
}

static heed_err write_all(hd_audit *audit, writer *w) {
    HD_TRY(write_head(audit, w));
    HD_TRY(write_points(audit, w));
    HD_TRY(write_entries(audit, w));
    return flush(w, 0);
}

heed_err hd_audit_export(hd_audit *audit, const char *path, uint64_t *entries) {
    writer w = {0};
    hd_str_init(&w.lines);
    HD_TRY(hd_audit_need_keys(audit));
    HD_TRY(hd_file_create(path, 0600, &w.file));
    heed_err err = hd_store_begin_read(audit->store);
    if (err == HEED_OK) {
        err = write_all(audit, &w);
        hd_store_rollback(audit->store);
    }
    if (err == HEED_OK)
        err = hd_file_commit(w.file);
    else
        hd_file_abort(w.file);
    hd_str_clear(&w.lines);
    *entries = w.entries;
    return err;
}

// ── Reading it back ──

typedef struct reader {
    const char *name;
    const uint8_t *key; // NULL: the file's own
    hd_audit_report *report;
    hd_audit_checker checker;
    int64_t line, entries; // entries: as the head says; -1: no head yet
} reader;

static heed_err fail_line(const reader *r, const char *en, const char *zh) {
    return HD_FAIL(HEED_INPUT, "%s:%lld: %s%.0s", "%s:%lld：%.0s%s", r->name, (long long)r->line,
                   en, zh);
}

static hd_slice member(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value)) return (hd_slice){0};
    return (hd_slice){json_string_value(value), json_string_length(value)};
}

static bool read_hex(hd_slice text, uint8_t *out, size_t room, size_t *n) {
    return text.p && text.n <= 2 * room &&
           sodium_hex2bin(out, room, text.p, text.n, NULL, n, NULL) == 0 && 2 * *n == text.n;
}

static heed_err read_head(reader *r, const json_t *line) {
    hd_slice origin = member(line, "origin");
    const json_t *entries = json_object_get(line, "entries");
    uint8_t key[HD_SIGN_PUBLIC];
    size_t n = 0;
    if (json_integer_value(json_object_get(line, "heed_audit")) != FORMAT)
        return fail_line(r, "this isn't an exported audit log that this heed knows",
                         "这不是本程序认识的审计日志导出文件");
    if (!origin.p || origin.n >= sizeof r->report->origin || !json_is_integer(entries) ||
        json_integer_value(entries) < 0 ||
        !read_hex(member(line, "public_key"), key, sizeof key, &n) || n != sizeof key)
        return fail_line(r, "the head is damaged", "文件头已损坏");
    memcpy(r->report->origin, origin.p, origin.n);
    memcpy(r->report->key, r->key ? r->key : key, sizeof key);
    r->entries = json_integer_value(entries);
    if (r->key && memcmp(r->key, key, sizeof key) != 0)
        hd_audit_fault_add(r->report, 0, 0, "the file names another public key than the one given",
                           "文件中的公钥与给出的公钥不同");
    return HEED_OK;
}

// In the form in which it was written, and no other.
static bool read_time(hd_slice text, hd_time *out) {
    char again[32];
    if (!text.p || !hd_time_parse(text, HD_TIME_ISO, NULL, out)) return false;
    hd_time_format(*out, NULL, again);
    return hd_slice_eq(text, again);
}

static heed_err read_entry(reader *r, const json_t *line) {
    uint8_t subject[HD_AUDIT_SUBJECT], leaf[HD_HASH];
    size_t n_subject = 0, n_leaf = 0;
    const json_t *seq = json_object_get(line, "seq");
    const json_t *count = json_object_get(line, "count");
    hd_audit_record record = {
        .what = member(line, "what"),
        .actor = member(line, "actor"),
        .purpose = member(line, "purpose"),
        .object = member(line, "object"),
        .outcome = member(line, "outcome"),
    };
    if (!record.what.p || !record.actor.p || !record.purpose.p || !record.object.p ||
        !record.outcome.p || !json_is_integer(seq) || !json_is_integer(count) ||
        json_integer_value(seq) < 1 || !read_time(member(line, "time"), &record.time) ||
        !read_hex(member(line, "subject"), subject, sizeof subject, &n_subject) ||
        !read_hex(member(line, "leaf"), leaf, sizeof leaf, &n_leaf) || n_leaf != sizeof leaf)
        return fail_line(r, "this isn't an entry of the audit log", "这不是审计日志的记录");
    record.seq = (uint64_t)json_integer_value(seq);
    record.count = json_integer_value(count);
    record.subject = (hd_slice){(const char *)subject, n_subject};
    hd_audit_checker_entry(&r->checker, &record, leaf);
    return HEED_OK;
}

static heed_err read_document(reader *r, const json_t *line) {
    if (r->entries < 0) return read_head(r, line);
    if (!json_object_get(line, "checkpoint")) return read_entry(r, line);
    if (r->report->entries > 0)
        return fail_line(r, "a checkpoint stands behind entries", "检查点出现在记录之后");
    return hd_audit_checker_point(&r->checker, member(line, "checkpoint"), false);
}

static heed_err read_line(reader *r, hd_slice text) {
    char name[256];
    json_t *line = NULL;
    r->line++;
    hd_snprintf(name, sizeof name, "%.200s:%lld", r->name, (long long)r->line);
    HD_TRY(hd_json_parse(text.p, text.n, name, &line));
    heed_err err = json_is_object(line)
                       ? read_document(r, line)
                       : fail_line(r, "this isn't a JSON object", "不是 JSON 对象");
    json_decref(line);
    return err;
}

static heed_err read_lines(reader *r, hd_slice text) {
    while (text.n) {
        const char *end = memchr(text.p, '\n', text.n);
        size_t n = end ? (size_t)(end - text.p) : text.n;
        HD_TRY(read_line(r, (hd_slice){text.p, n}));
        text.p += n + (end != NULL);
        text.n -= n + (end != NULL);
    }
    if (r->entries >= 0) return HEED_OK;
    return HD_FAIL(HEED_INPUT, "'%s' is empty: no audit log", "“%s”是空的：没有审计日志", r->name);
}

static void check_length(const reader *r) {
    uint64_t said = (uint64_t)r->entries;
    if (r->report->entries == said || r->report->n_faults > 0) return;
    hd_audit_fault_add(r->report, 0, 0, "the file says that it has %llu entries, and has %llu",
                       "文件称有 %llu 条记录，实际有 %llu 条", (unsigned long long)said,
                       (unsigned long long)r->report->entries);
}

heed_err hd_audit_verify_text(hd_slice text, const char *name, const uint8_t key[32],
                              hd_audit_report *out) {
    *out = (hd_audit_report){0};
    reader r = {.name = name, .key = key, .report = out, .entries = -1};
    hd_audit_checker_init(&r.checker, out);
    heed_err err = read_lines(&r, text);
    if (err == HEED_OK) {
        hd_audit_checker_end(&r.checker);
        check_length(&r);
        out->sound = out->n_faults == 0;
    }
    hd_audit_checker_clear(&r.checker);
    return err;
}

heed_err hd_audit_verify_file(const char *path, const uint8_t key[32], hd_audit_report *out) {
    hd_str text;
    hd_str_init(&text);
    heed_err err = hd_fs_read(path, FILE_MAX, &text);
    if (err == HEED_OK)
        err = hd_audit_verify_text((hd_slice){hd_str_get(&text), text.len}, path, key, out);
    hd_str_clear(&text);
    return err;
}
