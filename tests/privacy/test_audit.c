// SPDX-License-Identifier: Apache-2.0
//
// The audit log: the bytes of an entry, checkpoints, adding within transactions, reading, counting,
// and failing allocations. What happens to a log in a database that others can write stands in
// test_audit_tamper.c.
#include "audit_test.h"

#include <pthread.h>
#include <sodium.h>

#include "base/json.h"
#include "base/rng.h"

// ── The bytes of an entry ──

static hd_audit_record sample(void) {
    return (hd_audit_record){.seq = 258,
                             .time = 1795336200123,
                             .what = hd_slice_of("export"),
                             .actor = hd_slice_of("cli"),
                             .purpose = hd_slice_of("rights"),
                             .subject = {"0123456789abcdef", 16},
                             .object = hd_slice_of("第一"),
                             .outcome = hd_slice_of("OK"),
                             .count = -2};
}

static void an_entry_has_these_bytes(void **state) {
    (void)state;
    static const char wanted[] = "\x01"
                                 "\0\0\0\0\0\0\x01\x02"
                                 "\0\0\x01\xA2\x02\x60\x5F\xBB"
                                 "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE"
                                 "\0\x06"
                                 "export"
                                 "\0\x03"
                                 "cli"
                                 "\0\x06"
                                 "rights"
                                 "\0\x10"
                                 "0123456789abcdef"
                                 "\0\x06"
                                 "\xE7\xAC\xAC\xE4\xB8\x80"
                                 "\0\x02"
                                 "OK";
    uint8_t bytes[HD_AUDIT_BYTES];
    size_t n;
    hd_audit_record record = sample();
    assert_ok(hd_audit_encode(&record, bytes, &n));
    assert_int_equal(n, sizeof wanted - 1);
    assert_memory_equal(bytes, wanted, n);
}

static bool same_text(hd_slice a, hd_slice b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static bool same_record(const hd_audit_record *a, const hd_audit_record *b) {
    return a->seq == b->seq && a->time == b->time && a->count == b->count &&
           same_text(a->what, b->what) && same_text(a->actor, b->actor) &&
           same_text(a->purpose, b->purpose) && same_text(a->subject, b->subject) &&
           same_text(a->object, b->object) && same_text(a->outcome, b->outcome);
}

// Any change of any byte, and any other end, is refused or is another entry with those very bytes.
static void every_byte_of_an_entry_counts(void **state) {
    (void)state;
    uint8_t bytes[HD_AUDIT_BYTES], again[HD_AUDIT_BYTES + 1];
    size_t n, n_again;
    hd_audit_record record = sample(), other;
    assert_ok(hd_audit_encode(&record, bytes, &n));
    assert_ok(hd_audit_decode(bytes, n, &other));
    assert_true(same_record(&record, &other));
    for (size_t i = 0; i < n; i++) {
        for (int x = 1; x < 256; x++) {
            bytes[i] ^= (uint8_t)x;
            if (hd_audit_decode(bytes, n, &other) == HEED_OK) {
                assert_false(same_record(&record, &other));
                assert_ok(hd_audit_encode(&other, again, &n_again));
                assert_int_equal(n_again, n);
                assert_memory_equal(again, bytes, n);
            }
            bytes[i] ^= (uint8_t)x;
        }
    }
    for (size_t i = 0; i < n; i++) assert_fails(HEED_CORRUPT, hd_audit_decode(bytes, i, &other));
    memcpy(again, bytes, n);
    again[n] = 0;
    assert_fails(HEED_CORRUPT, hd_audit_decode(again, n + 1, &other));
}

static void what_is_no_entry_is_not_written(void **state) {
    (void)state;
    char longer[300];
    uint8_t bytes[HD_AUDIT_BYTES];
    size_t n;
    memset(longer, 'a', sizeof longer);
    const struct {
        size_t most;
        size_t offset;
    } fields[] = {{HD_AUDIT_WORD, offsetof(hd_audit_record, what)},
                  {HD_AUDIT_ACTOR, offsetof(hd_audit_record, actor)},
                  {HD_AUDIT_WORD, offsetof(hd_audit_record, purpose)},
                  {HD_AUDIT_OBJECT, offsetof(hd_audit_record, object)},
                  {HD_AUDIT_WORD, offsetof(hd_audit_record, outcome)}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        hd_audit_record record = sample();
        hd_slice *field = (hd_slice *)(void *)((char *)&record + fields[i].offset);
        *field = (hd_slice){longer, fields[i].most};
        assert_ok(hd_audit_encode(&record, bytes, &n));
        field->n++;
        assert_fails(HEED_INTERNAL, hd_audit_encode(&record, bytes, &n));
        *field = hd_slice_of("line\nbreak");
        assert_fails(HEED_INTERNAL, hd_audit_encode(&record, bytes, &n));
        *field = hd_slice_of("\xC3");
        assert_fails(HEED_INTERNAL, hd_audit_encode(&record, bytes, &n));
    }
    hd_audit_record record = sample();
    record.subject.n = 15;
    assert_fails(HEED_INTERNAL, hd_audit_encode(&record, bytes, &n));
}

static void words_are_found_by_name(void **state) {
    (void)state;
    for (int i = 0; i < HD_AUDIT_WHATS; i++) {
        hd_audit_what what;
        assert_true(hd_audit_find(hd_slice_of(hd_audit_name((hd_audit_what)i)), &what));
        assert_int_equal(what, i);
        assert_true(strlen(hd_audit_name(what)) <= HD_AUDIT_WORD);
        assert_true(strlen(hd_audit_doc(what).en) > 0 && strlen(hd_audit_doc(what).zh) > 0);
    }
    hd_audit_what what;
    assert_false(hd_audit_find(hd_slice_of("exports"), &what));
    assert_string_equal(hd_audit_name((hd_audit_what)999), "?");
}

// ── Checkpoints ──

typedef struct signer {
    uint8_t public_key[HD_SIGN_PUBLIC], secret_key[HD_SIGN_SECRET];
} signer;

static signer signer_of(uint8_t n) {
    signer s;
    uint8_t seed[32] = {n};
    crypto_sign_seed_keypair(s.public_key, s.secret_key, seed);
    return s;
}

static void a_checkpoint_is_a_signed_note(void **state) {
    (void)state;
    const signer s = signer_of(1);
    const hd_checkpoint c = {.size = 1234, .time = 1795336200000, .root = {0xFF, 1, 2}};
    hd_str text = {0};
    assert_ok(hd_checkpoint_sign(&c, "heed/audit/x", s.public_key, s.secret_key, &text));
    static const char body[] = "heed/audit/x\n1234\n/wECAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
                               "time 2026-11-22T08:30:00Z\n";
    assert_memory_equal(text.data, body, sizeof body - 1);
    // By hand, as C2SP's signed-note says.
    const char *line = text.data + sizeof body - 1;
    static const char head[] = "\n— heed/audit/x ";
    assert_memory_equal(line, head, sizeof head - 1);
    uint8_t both[68], hash[32];
    size_t n;
    assert_int_equal(sodium_base642bin(both, sizeof both, line + sizeof head - 1,
                                       strlen(line + sizeof head - 1) - 1, NULL, &n, NULL,
                                       sodium_base64_VARIANT_ORIGINAL),
                     0);
    assert_int_equal(n, sizeof both);
    assert_int_equal(
        crypto_sign_verify_detached(both + 4, (const uint8_t *)body, sizeof body - 1, s.public_key),
        0);
    uint8_t named[12 + 2 + 32] = "heed/audit/x\n\x01";
    memcpy(named + 14, s.public_key, 32);
    crypto_hash_sha256(hash, named, sizeof named);
    assert_memory_equal(both, hash, 4);
    hd_str_clear(&text);
}

static void every_byte_of_a_checkpoint_counts(void **state) {
    (void)state;
    const signer s = signer_of(1), t = signer_of(2);
    const hd_checkpoint c = {.size = 7, .time = 1795336200123, .root = {9}};
    hd_checkpoint back;
    hd_str text = {0};
    bool form;
    assert_ok(hd_checkpoint_sign(&c, "heed/audit/x", s.public_key, s.secret_key, &text));
    hd_slice whole = {text.data, text.len};
    assert_true(hd_checkpoint_read(whole, "heed/audit/x", s.public_key, &back, &form));
    assert_int_equal(back.size, 7);
    assert_int_equal(back.time, c.time);
    assert_memory_equal(back.root, c.root, HD_HASH);
    assert_false(hd_checkpoint_read(whole, "heed/audit/y", s.public_key, &back, &form));
    assert_false(form);
    assert_false(hd_checkpoint_read(whole, "heed/audit/x", t.public_key, &back, &form));
    assert_true(form); // in order, but another's
    for (size_t i = 0; i < text.len; i++) {
        for (int x = 1; x < 256; x *= 2) {
            text.data[i] = (char)(text.data[i] ^ x);
            assert_false(hd_checkpoint_read(whole, "heed/audit/x", s.public_key, &back, &form));
            text.data[i] = (char)(text.data[i] ^ x);
        }
        assert_false(hd_checkpoint_read((hd_slice){text.data, i}, "heed/audit/x", s.public_key,
                                        &back, &form));
    }
    hd_str_addc(&text, '\n');
    assert_false(hd_checkpoint_read((hd_slice){text.data, text.len}, "heed/audit/x", s.public_key,
                                    &back, &form));
    assert_false(hd_checkpoint_read((hd_slice){0}, "heed/audit/x", s.public_key, &back, &form));
    hd_str_clear(&text);
}

// ── Adding ──

static int64_t count(log_fixture *f, const char *sql) {
    hd_query *q;
    bool row;
    assert_ok(hd_query_open(f->store, sql, &q));
    assert_ok(hd_query_step(q, &row));
    int64_t value = row ? hd_query_i64(q, 0) : -1;
    hd_query_close(q);
    return value;
}

static void an_entry_stands_and_falls_with_its_transaction(void **state) {
    log_fixture *f = *state;
    const hd_audit_entry entry = {.what = HD_AUDIT_BACKUP};
    assert_ok(hd_store_begin(f->store));
    assert_ok(hd_audit_add(f->audit, &entry));
    hd_store_rollback(f->store);
    assert_int_equal(count(f, "SELECT count(*) FROM audit"), 0);
    assert_string_equal(f->apart, "");
    assert_sound(f);

    assert_ok(hd_store_begin(f->store));
    assert_ok(hd_store_begin(f->store));
    assert_ok(hd_audit_add(f->audit, &entry));
    hd_store_rollback(f->store); // a savepoint
    assert_ok(hd_store_commit(f->store));
    assert_int_equal(count(f, "SELECT count(*) FROM audit_checkpoints"), 0);

    assert_ok(hd_store_begin(f->store));
    assert_ok(hd_audit_add(f->audit, &entry));
    assert_ok(hd_store_begin(f->store));
    assert_ok(hd_audit_add(f->audit, &entry));
    hd_store_rollback(f->store);
    assert_ok(hd_audit_add(f->audit, &entry));
    assert_ok(hd_store_commit(f->store));
    assert_int_equal(count(f, "SELECT max(seq) FROM audit"), 2);
    assert_int_equal(count(f, "SELECT group_concat(size) = '2' FROM audit_checkpoints"), 1);
    assert_non_null(strstr(f->apart, "\n2\n"));

    assert_ok(hd_audit_add(f->audit, &entry)); // a transaction of its own
    assert_non_null(strstr(f->apart, "\n3\n"));
    assert_sound(f);
    assert_int_equal(verified(f).signed_size, 3);
}

static heed_err keep_record(void *ctx, const hd_audit_record *record) {
    hd_str_addf(ctx, "%llu %.*s %.*s %.*s %.*s %zu %lld %.*s\n", (unsigned long long)record->seq,
                (int)record->what.n, record->what.p, (int)record->actor.n, record->actor.p,
                (int)record->purpose.n, record->purpose.p, (int)record->object.n, record->object.p,
                record->subject.n, (long long)record->count, (int)record->outcome.n,
                record->outcome.p);
    return hd_str_check(ctx);
}

static void assert_listed(log_fixture *f, const hd_audit_filter *filter, const char *wanted) {
    hd_str text = {0};
    assert_ok(hd_audit_each(f->audit, filter, keep_record, &text));
    assert_string_equal(hd_str_get(&text), wanted);
    hd_str_clear(&text);
}

static void entries_are_listed_by_what_is_asked_for(void **state) {
    log_fixture *f = *state;
    uint8_t ann[HD_AUDIT_SUBJECT], bob[HD_AUDIT_SUBJECT];
    assert_ok(hd_audit_subject(f->audit, hd_slice_of("ann"), ann));
    assert_ok(hd_audit_subject(f->audit, hd_slice_of("bob"), bob));
    assert_memory_not_equal(ann, bob, sizeof ann);
    setenv("HEED_NOW", "2026-01-01T00:00:00Z", 1);
    assert_ok(hd_audit_add(
        f->audit, &(hd_audit_entry){
                      .what = HD_AUDIT_EXPORT, .purpose = "rights", .subject = ann, .count = 12}));
    setenv("HEED_NOW", "2026-01-02T00:00:00Z", 1);
    hd_audit_actor_set(f->audit, "cli");
    assert_ok(hd_audit_add(f->audit, &(hd_audit_entry){.what = HD_AUDIT_ERASE,
                                                       .purpose = "rights",
                                                       .subject = bob,
                                                       .outcome = HEED_DENIED}));
    setenv("HEED_NOW", "2026-01-03T00:00:00Z", 1);
    assert_ok(hd_audit_add(
        f->audit,
        &(hd_audit_entry){.what = HD_AUDIT_SETTINGS, .actor = "k7q2", .object = "privacy.text"}));
    unsetenv("HEED_NOW");
#define ROW_1 "1 export libheed rights  16 12 OK\n"
#define ROW_2 "2 erase cli rights  16 0 DENIED\n"
#define ROW_3 "3 settings k7q2  privacy.text 0 0 OK\n"
    hd_audit_filter filter = hd_audit_filter_all();
    assert_listed(f, &filter, ROW_3 ROW_2 ROW_1);
    filter.limit = 2;
    assert_listed(f, &filter, ROW_3 ROW_2);
    filter.before = 2;
    assert_listed(f, &filter, ROW_1);
    filter = hd_audit_filter_all();
    filter.what = "erase";
    assert_listed(f, &filter, ROW_2);
    filter = hd_audit_filter_all();
    filter.actor = "k7q2";
    assert_listed(f, &filter, ROW_3);
    filter = hd_audit_filter_all();
    filter.subject = ann;
    assert_listed(f, &filter, ROW_1);
    filter = hd_audit_filter_all();
    filter.since = INT64_C(1767312000000); // the second, exactly
    filter.until = INT64_C(1767398400000); // the third isn't in
    assert_listed(f, &filter, ROW_2);
    assert_sound(f);
}

static void without_keys_the_log_can_only_be_read(void **state) {
    log_fixture *f = *state;
    add_entries(f, 3, 1);
    hd_audit *blind = NULL;
    hd_audit_report report;
    uint8_t who[HD_AUDIT_SUBJECT];
    uint64_t n;
    hd_audit_close(f->audit);
    assert_ok(hd_audit_open(f->store, NULL, true, &blind));
    assert_fails(HEED_DENIED, hd_audit_add(blind, &(hd_audit_entry){.what = HD_AUDIT_BACKUP}));
    assert_fails(HEED_DENIED, hd_audit_verify(blind, &report));
    assert_fails(HEED_DENIED, hd_audit_subject(blind, hd_slice_of("ann"), who));
    assert_fails(HEED_DENIED, hd_audit_export(blind, "nowhere", &n));
    hd_str text = {0};
    const hd_audit_filter all = hd_audit_filter_all();
    assert_ok(hd_audit_each(blind, &all, keep_record, &text));
    assert_true(text.len > 0);
    hd_str_clear(&text);
    hd_audit_close(blind);
    hd_audit_close(NULL);
    f->audit = NULL;
}

// The place apart can't be reached: nothing is added, as nobody could say whether the log is whole.
static void without_the_place_apart_nothing_is_added(void **state) {
    log_fixture *f = *state;
    add_entries(f, 2, 1);
    f->apart_fails = true;
    assert_fails(HEED_IO, hd_audit_add(f->audit, &(hd_audit_entry){.what = HD_AUDIT_BACKUP}));
    f->apart_fails = false;
    add_entries(f, 1, 1);
    assert_sound(f);
}

// The checkpoint couldn't be put away after the commit (a crash just then): no fault, and the next
// makes up for it.
static void a_checkpoint_apart_may_lag(void **state) {
    log_fixture *f = *state;
    char before[HD_CHECKPOINT_MAX];
    add_entries(f, 5, 1);
    memcpy(before, f->apart, sizeof before);
    add_entries(f, 5, 2);
    memcpy(f->apart, before, sizeof before);
    assert_sound(f);
    log_close(f);
    log_open(f);
    assert_sound(f);
    add_entries(f, 1, 1);
    assert_int_equal(count(f, "SELECT count(*) FROM audit"), 11);
    assert_non_null(strstr(f->apart, "\n11\n"));
    assert_sound(f);
}

static void two_connections_add_to_one_log(void **state) {
    log_fixture *f = *state;
    hd_store *store;
    hd_audit *audit;
    add_entries(f, 3, 1);
    assert_ok(hd_store_open(f->path, HD_STORE_WRITE, 1 << 20, NULL, &store));
    assert_ok(hd_audit_open(store, &f->keys, true, &audit));
    for (int i = 0; i < 3; i++) {
        assert_ok(hd_audit_add(audit, &(hd_audit_entry){.what = HD_AUDIT_REPORT}));
        add_entries(f, 2, 2);
    }
    hd_audit_close(audit);
    hd_store_close(store);
    assert_int_equal(count(f, "SELECT count(*) FROM audit"), 12);
    assert_sound(f);
}

// Few checkpoints stay: each transaction's would make verifying slow.
static void old_checkpoints_are_thinned_out(void **state) {
    log_fixture *f = *state;
    add_entries(f, 300, 1);
    assert_int_equal(count(f, "SELECT count(*) FROM audit_checkpoints"), 300 / 64 + 2);
    assert_int_equal(count(f, "SELECT max(size) FROM audit_checkpoints"), 300);
    assert_sound(f);
}

static void a_long_log_is_verified(void **state) {
    log_fixture *f = *state;
    const char *wanted = getenv("HEED_AUDIT_ENTRIES"); // 100000, for the figure in the benchmarks
    int n = wanted ? (int)strtol(wanted, NULL, 10) : 10000;
    add_entries(f, n, 500);
    int64_t start = hd_time_monotonic();
    assert_sound(f);
    print_message("%d entries verified in %lld ms\n", n, (long long)(hd_time_monotonic() - start));
}

// ── Counting ──

enum { T0 = 60000 * 100 };

static int64_t served(log_fixture *f) {
    return count(f, "SELECT coalesce(sum(count), 0) FROM audit WHERE what = 'serve'");
}

static void reads_are_counted_by_the_minute(void **state) {
    log_fixture *f = *state;
    hd_audit_counts *counts;
    assert_ok(hd_audit_counts_new(&counts));
    assert_false(hd_audit_counts_due(counts, T0));
    assert_ok(hd_audit_counts_flush(counts, f->audit, HD_TIME_NONE)); // nothing: no entry
    for (int i = 0; i < 5; i++)
        hd_audit_counts_add(counts, HD_AUDIT_SERVE, "k1", "recommend", T0 + i);
    hd_audit_counts_add(counts, HD_AUDIT_SERVE, "k1", "profile", T0);
    hd_audit_counts_add(counts, HD_AUDIT_SERVE, "k2", "recommend", T0 + 59999);
    assert_false(hd_audit_counts_due(counts, T0 + 59999));
    assert_true(hd_audit_counts_due(counts, T0 + 60000));
    hd_audit_counts_add(counts, HD_AUDIT_SERVE, "k1", "recommend", T0 + 60000);
    assert_ok(hd_audit_counts_flush(counts, f->audit, T0 + 60000));
    const hd_audit_filter all = hd_audit_filter_all();
    assert_listed(f, &all,
                  "3 serve k2 recommend minute 1970-01-01T01:40:00Z 0 1 OK\n"
                  "2 serve k1 recommend minute 1970-01-01T01:40:00Z 0 5 OK\n"
                  "1 serve k1 profile minute 1970-01-01T01:40:00Z 0 1 OK\n");
    assert_false(hd_audit_counts_due(counts, T0 + 60000));
    assert_ok(hd_audit_counts_flush(counts, f->audit, HD_TIME_NONE));
    assert_int_equal(served(f), 8);
    assert_int_equal(count(f, "SELECT count(*) FROM audit_checkpoints WHERE size = 4"), 1);
    assert_sound(f);
    hd_audit_counts_free(counts);
    hd_audit_counts_free(NULL);
}

static void no_count_is_lost(void **state) {
    log_fixture *f = *state;
    hd_audit_counts *counts;
    assert_ok(hd_audit_counts_new(&counts));
    // More actors and minutes than the table has rows.
    for (int i = 0; i < 6000; i++) {
        char actor[32];
        snprintf(actor, sizeof actor, "key-%d", i % 3000);
        hd_audit_counts_add(counts, HD_AUDIT_SERVE, actor, "recommend",
                            T0 + (hd_time)(i % 300) * 60000);
    }
    assert_true(hd_audit_counts_due(counts, T0));
    f->apart_fails = true; // can't be written: counted back in
    assert_fails(HEED_IO, hd_audit_counts_flush(counts, f->audit, HD_TIME_NONE));
    f->apart_fails = false;
    assert_ok(hd_audit_counts_flush(counts, f->audit, HD_TIME_NONE));
    assert_int_equal(served(f), 6000);
    assert_true(count(f, "SELECT count(*) FROM audit") <= 1536 + 64 + 1);
    assert_true(count(f, "SELECT sum(count) FROM audit WHERE actor = 'others'") > 0);
    hd_audit_counts_free(counts);
}

enum { THREADS = 4, EACH = 20000 };

static void *count_many(void *ctx) {
    for (int i = 0; i < EACH; i++)
        hd_audit_counts_add(ctx, HD_AUDIT_SERVE, i % 3 ? "k1" : "k2", "recommend",
                            T0 + (hd_time)(i % 7) * 60000);
    return NULL;
}

static void many_threads_count_together(void **state) {
    log_fixture *f = *state;
    hd_audit_counts *counts;
    pthread_t threads[THREADS];
    assert_ok(hd_audit_counts_new(&counts));
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_many, counts), 0);
    for (int i = 0; i < 20; i++)
        assert_ok(hd_audit_counts_flush(counts, f->audit, T0 + (hd_time)(i % 7) * 60000));
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_ok(hd_audit_counts_flush(counts, f->audit, HD_TIME_NONE));
    assert_int_equal(served(f), THREADS * EACH);
    assert_sound(f);
    hd_audit_counts_free(counts);
}

// ── Failing allocations ──

typedef struct life {
    log_fixture *f;
    hd_audit_counts *counts;
    int64_t acked;
} life;

static heed_err live_in(life *l, hd_store *store, hd_audit *audit) {
    hd_audit_report report;
    uint64_t n;
    char path[128];
    snprintf(path, sizeof path, "%s/out.jsonl", l->f->dir);
    HD_TRY(hd_store_begin(store));
    heed_err err = hd_audit_add(audit, &(hd_audit_entry){.what = HD_AUDIT_IMPORT, .count = 1});
    if (err != HEED_OK) {
        hd_store_rollback(store);
        return err;
    }
    HD_TRY(hd_store_commit(store));
    l->acked++;
    hd_audit_counts_add(l->counts, HD_AUDIT_SIGN_IN_FAILED, "k", "recommend", T0);
    HD_TRY(hd_audit_counts_flush(l->counts, audit, HD_TIME_NONE));
    HD_TRY(hd_audit_verify(audit, &report));
    if (!report.sound) return HD_FAIL(HEED_FAILED, "not sound", "不完整");
    HD_TRY(hd_audit_export(audit, path, &n));
    HD_TRY(hd_audit_verify_file(path, NULL, &report));
    return report.sound ? HEED_OK : HD_FAIL(HEED_FAILED, "not sound", "不完整");
}

static heed_err live(life *l) {
    hd_store *store = NULL;
    hd_audit *audit = NULL;
    heed_err err = hd_store_open(l->f->path, HD_STORE_WRITE, 1 << 20, NULL, &store);
    if (err == HEED_OK) err = hd_audit_open(store, &l->f->keys, true, &audit);
    if (err == HEED_OK) err = live_in(l, store, audit);
    hd_audit_close(audit);
    hd_store_close(store);
    return err;
}

// A new log now and then: a growing one allocates ever more.
static void start_anew(log_fixture *f) {
    log_close(f);
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        char path[100];
        snprintf(path, sizeof path, "%s%s", f->path, ends[i]);
        assert_ok(hd_fs_remove(path));
    }
    f->apart[0] = '\0';
    log_open(f);
}

static void every_failing_allocation_is_told(void **state) {
    log_fixture *f = *state;
    life l = {.f = f};
    assert_ok(hd_audit_counts_new(&l.counts));
    for (int once = 0; once < 2; once++) {
        bool finished = false;
        for (uint64_t n = 1; !finished; n++) {
            if (n % 25 == 1) start_anew(f);
            l.acked = 0;
            (void)hd_mem_calls();
            hd_mem_fail_at(n, once);
            heed_err err = live(&l);
            hd_mem_fail_at(0, false);
            finished = hd_mem_calls() < n;
            if (err != HEED_OK && err != HEED_MEMORY)
                fail_msg("allocation %llu: %s", (unsigned long long)n, heed_error_message(HEED_EN));
            assert_true(count(f, "SELECT count(*) FROM audit WHERE what = 'import'") >= l.acked);
            assert_sound(f);
        }
        assert_int_equal(l.acked, 1);
    }
    hd_audit_counts_free(l.counts);
}

int main(void) {
    if (hd_mem_adopt_libraries() != HEED_OK || sodium_init() < 0) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_has_these_bytes),
        cmocka_unit_test(every_byte_of_an_entry_counts),
        cmocka_unit_test(what_is_no_entry_is_not_written),
        cmocka_unit_test(words_are_found_by_name),
        cmocka_unit_test(a_checkpoint_is_a_signed_note),
        cmocka_unit_test(every_byte_of_a_checkpoint_counts),
        LOG_TEST(an_entry_stands_and_falls_with_its_transaction),
        LOG_TEST(entries_are_listed_by_what_is_asked_for),
        LOG_TEST(without_keys_the_log_can_only_be_read),
        LOG_TEST(without_the_place_apart_nothing_is_added),
        LOG_TEST(a_checkpoint_apart_may_lag),
        LOG_TEST(two_connections_add_to_one_log),
        LOG_TEST(old_checkpoints_are_thinned_out),
        LOG_TEST(a_long_log_is_verified),
        LOG_TEST(reads_are_counted_by_the_minute),
        LOG_TEST(no_count_is_lost),
        LOG_TEST(many_threads_count_together),
        LOG_TEST(every_failing_allocation_is_told),
    };
    return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
