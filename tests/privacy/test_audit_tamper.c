// SPDX-License-Identifier: Apache-2.0
//
// What somebody does to the log who can write the database and has no keys: each kind is found, and
// the first entry concerned is named. Then what a restored backup leaves, and exported files.
#include "audit_test.h"

#include <sodium.h>

#include "base/fs.h"

enum { N = 200 };

static void filled(log_fixture *f) {
    add_entries(f, N, 3);
    assert_sound(f);
}

// The log isn't sound, and the first bad entry is this one (0: none in particular).
static void assert_found(log_fixture *f, uint64_t first, const char *words) {
    hd_audit_report report = verified(f);
    assert_false(report.sound);
    if (report.first_bad != first || !strstr(report.faults[0].text[HEED_EN], words))
        fail_msg("expected %llu, '%s': %llu, '%s'", (unsigned long long)first, words,
                 (unsigned long long)report.first_bad, report.faults[0].text[HEED_EN]);
    assert_true(strlen(report.faults[0].text[HEED_ZH]) > 0);
}

// ── Leaves made anew, as whoever knows the form of entries can ──

static void restamp(log_fixture *f, uint64_t from) {
    hd_tree tree = {0};
    bool row;
    hd_query *q, *u;
    assert_ok(hd_query_open(f->store, "SELECT " HD_AUDIT_COLUMNS " FROM audit ORDER BY seq", &q));
    while (hd_query_step(q, &row) == HEED_OK && row) {
        hd_audit_record record;
        hd_slice old;
        uint8_t leaf[HD_HASH];
        hd_audit_row(q, &record, &old);
        memcpy(leaf, old.p, HD_HASH);
        if (record.seq >= from) assert_ok(hd_audit_leaf(&record, leaf));
        hd_tree_add(&tree, leaf);
        assert_ok(hd_query_open(f->store, "UPDATE audit SET leaf = ?2 WHERE seq = ?1", &u));
        hd_query_bind_i64(u, 1, (int64_t)record.seq);
        hd_query_bind_blob(u, 2, leaf, HD_HASH);
        assert_ok(hd_query_run(u));
        hd_query_close(u);
    }
    hd_query_close(q);
    assert_ok(hd_query_open(f->store, "UPDATE audit_state SET size = ?1, peaks = ?2", &u));
    hd_query_bind_i64(u, 1, (int64_t)tree.size);
    hd_query_bind_blob(u, 2, tree.peaks, hd_tree_peaks(&tree) * HD_HASH);
    assert_ok(hd_query_run(u));
    hd_query_close(u);
}

// ── Edits ──

static void an_edited_field_is_named(void **state) {
    log_fixture *f = *state;
    static const char *const edits[] = {
        "UPDATE audit SET time = time + 1 WHERE seq = 77",
        "UPDATE audit SET what = 'export' WHERE seq = 77",
        "UPDATE audit SET actor = 'nobody' WHERE seq = 77",
        "UPDATE audit SET purpose = 'care' WHERE seq = 77",
        "UPDATE audit SET subject = zeroblob(16) WHERE seq = 77",
        "UPDATE audit SET subject = x'00' WHERE seq = 77",
        "UPDATE audit SET object = object || ' ' WHERE seq = 77",
        "UPDATE audit SET count = 0 WHERE seq = 77",
        "UPDATE audit SET outcome = 'DENIED' WHERE seq = 77",
        "UPDATE audit SET leaf = zeroblob(32) WHERE seq = 77",
        "UPDATE audit SET leaf = x'' WHERE seq = 77",
    };
    filled(f);
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        assert_ok(hd_store_begin(f->store));
        tamper(f, edits[i]);
        assert_found(f, 77, "entry 77 isn't what was recorded");
        hd_store_rollback(f->store);
    }
    assert_sound(f);
}

static void an_edit_recorded_anew_is_found(void **state) {
    log_fixture *f = *state;
    filled(f);
    tamper(f, "UPDATE audit SET count = 0 WHERE seq = 150");
    restamp(f, 150);
    hd_audit_report report = verified(f);
    assert_false(report.sound);
    assert_int_equal(report.n_faults, 1);
    // Between the checkpoints around it.
    assert_true(report.first_bad > 64 && report.first_bad <= 150);
    assert_true(report.faults[0].to >= 150);
    assert_non_null(strstr(report.faults[0].text[HEED_EN], "aren't those that were signed"));
}

static void the_last_entry_recorded_anew_is_found(void **state) {
    log_fixture *f = *state;
    filled(f);
    tamper(f, "UPDATE audit SET actor = 'x' WHERE seq = 200");
    restamp(f, 200);
    assert_false(verified(f).sound);
}

// ── Deletions and order ──

static void deleted_entries_are_named(void **state) {
    log_fixture *f = *state;
    filled(f);
    assert_ok(hd_store_begin(f->store));
    tamper(f, "DELETE FROM audit WHERE seq = 31");
    assert_found(f, 31, "entry 31 is missing");
    tamper(f, "DELETE FROM audit WHERE seq BETWEEN 30 AND 39");
    assert_found(f, 30, "entries 30 to 39 are missing");
    hd_store_rollback(f->store);
    tamper(f, "DELETE FROM audit WHERE seq = 1");
    assert_found(f, 1, "entry 1 is missing");
}

// One is deleted, and those behind it take its place.
static void a_deletion_that_closes_the_gap_is_named(void **state) {
    log_fixture *f = *state;
    filled(f);
    assert_ok(hd_store_begin(f->store));
    tamper(f, "DELETE FROM audit WHERE seq = 50");
    tamper(f, "UPDATE audit SET seq = -(seq - 1) WHERE seq > 50");
    tamper(f, "UPDATE audit SET seq = -seq WHERE seq < 0");
    assert_found(f, 50, "entry 50 was recorded as entry 51");
    restamp(f, 50); // and with leaves to fit
    hd_audit_report report = verified(f);
    assert_true(report.first_bad > 0 && report.first_bad <= 50);
    hd_store_rollback(f->store);
    assert_sound(f);
}

static void reordered_entries_are_named(void **state) {
    log_fixture *f = *state;
    filled(f);
    tamper(f, "UPDATE audit SET seq = 1000 WHERE seq = 90");
    tamper(f, "UPDATE audit SET seq = 90 WHERE seq = 120");
    tamper(f, "UPDATE audit SET seq = 120 WHERE seq = 1000");
    assert_found(f, 90, "entry 90 was recorded as entry 120");
    restamp(f, 90);
    hd_audit_report report = verified(f);
    assert_true(report.first_bad > 64 && report.first_bad <= 90);
}

// ── The end ──

static void an_end_cut_off_is_named(void **state) {
    log_fixture *f = *state;
    filled(f);
    assert_ok(hd_store_begin(f->store));
    tamper(f, "DELETE FROM audit WHERE seq > 180");
    assert_found(f, 181, "entries 181 to 200 are missing at the end");
    // With the checkpoints, and a state that fits.
    tamper(f, "DELETE FROM audit_checkpoints WHERE size > 180");
    restamp(f, 1000);
    assert_found(f, 181, "entries 181 to 200 are missing at the end");
    hd_store_rollback(f->store);
    tamper(f, "DELETE FROM audit; DELETE FROM audit_checkpoints;"
              "UPDATE audit_state SET size = 0, peaks = x'', signed = 0");
    assert_found(f, 1, "entries 1 to 200 are missing at the end");
}

static void an_end_replaced_by_another_key_is_found(void **state) {
    log_fixture *f = *state;
    filled(f);
    log_close(f);
    hd_audit_keys mine = f->keys;
    char apart[HD_CHECKPOINT_MAX];
    memcpy(apart, f->apart, sizeof apart);
    f->keys.secret[0] ^= 1; // whoever does it has no key: takes one of their own
    f->keys.get = NULL;
    f->keys.put = NULL;
    log_open(f);
    assert_ok(hd_store_begin(f->store));
    tamper(f, "DELETE FROM audit WHERE seq > 180");
    tamper(f, "DELETE FROM audit_checkpoints WHERE size > 180");
    restamp(f, 1000);
    assert_ok(hd_store_commit(f->store));
    add_entries(f, 40, 10);
    log_close(f);
    f->keys = mine;
    assert_ok(hd_store_open(f->path, HD_STORE_WRITE, 1 << 20, NULL, &f->store));
    assert_ok(hd_audit_open(f->store, &f->keys, false, &f->audit)); // looks, doesn't write
    hd_audit_report report = verified(f);
    assert_false(report.sound);
    assert_true(report.n_faults >= 2);
    assert_non_null(strstr(report.faults[0].text[HEED_EN], "isn't signed by this log's key"));
    assert_true(report.first_bad > 64 && report.first_bad <= 200);
}

// An older copy of the database is put in place, and heed goes on writing: it says so itself,
// first.
static void an_older_copy_in_place_is_recorded(void **state) {
    log_fixture *f = *state;
    char copy[100];
    snprintf(copy, sizeof copy, "%s/copy.db", f->dir);
    add_entries(f, 80, 3);
    assert_ok(hd_store_backup(f->store, copy));
    add_entries(f, 20, 1);
    log_close(f);
    assert_ok(hd_fs_rename(copy, f->path));
    log_open(f);
    hd_audit_report report = verified(f);
    assert_false(report.sound);
    assert_int_equal(report.entries, 81);
    assert_int_equal(report.first_bad, 81);
    assert_int_equal(report.faults[0].from, 81);
    assert_int_equal(report.faults[0].to, 100);
    assert_non_null(strstr(report.faults[0].text[HEED_EN], "were cut off or replaced; entry 81"));
    add_entries(f, 30, 1); // what comes after doesn't cover it up
    log_close(f);
    log_open(f);
    report = verified(f);
    assert_int_equal(report.n_faults, 1);
    assert_int_equal(report.first_bad, 81);
    assert_int_equal(report.entries, 111);
}

// The same while heed runs: the next entry finds it.
static void a_log_cut_off_under_a_running_server_is_recorded(void **state) {
    log_fixture *f = *state;
    filled(f);
    tamper(f, "DELETE FROM audit WHERE seq > 180");
    tamper(f, "DELETE FROM audit_checkpoints WHERE size > 180");
    restamp(f, 1000);
    tamper(f, "UPDATE audit_state SET signed = 180");
    add_entries(f, 50, 50);
    hd_audit_report report = verified(f);
    assert_false(report.sound);
    assert_int_equal(report.first_bad, 181);
    assert_int_equal(report.entries, 231);
}

// Its past was exchanged whole, leaves, state and all.
static void another_past_under_a_running_server_is_recorded(void **state) {
    log_fixture *f = *state;
    filled(f);
    tamper(f, "UPDATE audit SET actor = 'x' WHERE seq = 100");
    restamp(f, 100);
    add_entries(f, 50, 50);
    hd_audit_report report = verified(f);
    assert_false(report.sound);
    assert_true(report.first_bad > 0 && report.first_bad <= 100);
    assert_int_equal(report.entries, 251);
}

// ── Checkpoints and state ──

static void damaged_checkpoints_are_found(void **state) {
    log_fixture *f = *state;
    filled(f);
    assert_ok(hd_store_begin(f->store));
    tamper(f, "UPDATE audit_checkpoints SET text = replace(text, 'time 2', 'time 3')"
              " WHERE size < 100");
    assert_found(f, 0, "isn't signed by this log's key");
    hd_store_rollback(f->store);
    assert_ok(hd_store_begin(f->store));
    tamper(f, "UPDATE audit_checkpoints SET text = 'x'");
    assert_found(f, 0, "a checkpoint isn't one of this log");
    hd_store_rollback(f->store);
    assert_ok(hd_store_begin(f->store));
    tamper(f, "DELETE FROM audit_checkpoints"); // the one apart still vouches for all
    assert_sound(f);
    hd_store_rollback(f->store);
    char apart[HD_CHECKPOINT_MAX];
    memcpy(apart, f->apart, sizeof apart);
    f->apart[0] = '\0';
    assert_sound(f); // by what the database says of itself
    assert_false(verified(f).kept_apart);
    memcpy(f->apart, apart, sizeof apart);
    f->apart[200] ^= 1;
    assert_false(verified(f).sound);
    memcpy(f->apart, apart, sizeof apart);
    assert_sound(f);
    assert_true(verified(f).kept_apart);
}

static void entries_added_without_a_signature_are_named(void **state) {
    log_fixture *f = *state;
    filled(f);
    tamper(f, "INSERT INTO audit SELECT 201, time, what, actor, purpose, subject, object, count,"
              " outcome, leaf FROM audit WHERE seq = 5");
    restamp(f, 201);
    assert_found(f, 201, "no signed checkpoint covers entries 201 to 201");
}

static void a_damaged_state_is_found(void **state) {
    log_fixture *f = *state;
    filled(f);
    assert_ok(hd_store_begin(f->store));
    tamper(f, "UPDATE audit_state SET peaks = zeroblob(length(peaks))");
    assert_found(f, 0, "the state that entries are added to");
    hd_store_rollback(f->store);
    assert_ok(hd_store_begin(f->store));
    tamper(f, "UPDATE audit_state SET peaks = x'00'");
    assert_fails(HEED_CORRUPT, hd_audit_add(f->audit, &(hd_audit_entry){.what = HD_AUDIT_BACKUP}));
    tamper(f, "DELETE FROM audit_state");
    assert_found(f, 0, "the state that entries are added to");
    assert_fails(HEED_CORRUPT, hd_audit_add(f->audit, &(hd_audit_entry){.what = HD_AUDIT_BACKUP}));
    hd_store_rollback(f->store);
    assert_sound(f);
}

// ── Restoring ──

static void restore_older(log_fixture *f, const char *source) {
    char copy[100];
    hd_store *store;
    snprintf(copy, sizeof copy, "%s/copy.db", f->dir);
    add_entries(f, 80, 3);
    assert_ok(hd_store_backup(f->store, copy));
    add_entries(f, 20, 1);
    log_close(f);
    assert_ok(hd_fs_rename(copy, f->path));
    assert_ok(hd_store_open(f->path, HD_STORE_WRITE, 1 << 20, NULL, &store));
    assert_ok(hd_audit_mark_restored(store, source));
    hd_store_close(store);
}

static void what_a_restored_backup_lost_is_said(void **state) {
    log_fixture *f = *state;
    restore_older(f, "monday");
    log_open(f);
    add_entries(f, 5, 5);
    log_close(f);
    log_open(f); // is recorded once
    hd_audit_report report = verified(f);
    assert_true(report.sound);
    assert_int_equal(report.entries, 86);
    assert_int_equal(report.n_losses, 1);
    assert_int_equal(report.losses[0].from, 81);
    assert_int_equal(report.losses[0].to, 100);
    assert_non_null(strstr(report.losses[0].text[HEED_EN],
                           "entries 81 to 100 were lost by the restore that entry 81 records"));
}

// The newest backup loses nothing; a name that is no text is none.
static void a_restored_backup_that_lost_nothing_is_recorded(void **state) {
    log_fixture *f = *state;
    add_entries(f, 5, 1);
    assert_ok(hd_audit_mark_restored(f->store, "a\nb\xFF"));
    assert_ok(hd_audit_mark_restored(f->store, "tuesday"));
    log_close(f);
    log_open(f);
    hd_audit_report report = verified(f);
    assert_true(report.sound);
    assert_int_equal(report.n_losses, 0);
    assert_int_equal(report.entries, 6);
}

static void what_was_lost_has_one_form(void **state) {
    (void)state;
    const uint8_t root[HD_HASH] = {1};
    hd_str text = {0};
    uint64_t from, to;
    char longest[HD_AUDIT_ACTOR + 1];
    memset(longest, 'x', HD_AUDIT_ACTOR);
    longest[HD_AUDIT_ACTOR] = '\0';
    assert_ok(hd_audit_lost_text(INT64_MAX - 1, INT64_MAX, root, longest, &text));
    assert_true(text.len <= HD_AUDIT_OBJECT);
    assert_true(hd_audit_lost_read((hd_slice){text.data, text.len}, &from, &to));
    assert_int_equal(from, INT64_MAX - 1);
    assert_int_equal(to, INT64_MAX);
    hd_str_clear(&text);
    static const char *const others[] = {
        "", "12", "12..", "12..x", "..3 ", "3..2 ", "1..2", "1.. 2 ", "99999999999999999999..3 "};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(hd_audit_lost_read(hd_slice_of(others[i]), &from, &to));
}

// ── Exported files ──

static char *export_text(log_fixture *f, size_t *n) {
    char path[100];
    uint64_t entries;
    hd_str text = {0};
    snprintf(path, sizeof path, "%s/log.jsonl", f->dir);
    assert_ok(hd_audit_export(f->audit, path, &entries));
    assert_ok(hd_fs_read(path, 0, &text));
    *n = text.len;
    char *out = NULL;
    assert_ok(hd_str_take(&text, &out));
    return out;
}

static void an_exported_log_is_verified_by_itself(void **state) {
    log_fixture *f = *state;
    hd_audit_report there = verified(f), report;
    size_t n;
    filled(f);
    there = verified(f);
    char *text = export_text(f, &n);
    assert_ok(hd_audit_verify_text((hd_slice){text, n}, "log", NULL, &report));
    assert_true(report.sound);
    assert_int_equal(report.entries, N);
    assert_int_equal(report.signed_size, N);
    assert_memory_equal(report.root, there.root, HD_HASH);
    assert_memory_equal(report.key, there.key, HD_SIGN_PUBLIC);
    assert_string_equal(report.origin, there.origin);
    assert_ok(hd_audit_verify_text((hd_slice){text, n}, "log", there.key, &report));
    assert_true(report.sound);
    uint8_t other[32] = {1};
    assert_ok(hd_audit_verify_text((hd_slice){text, n}, "log", other, &report));
    assert_false(report.sound);
    hd_free(text);
}

// Changing any byte is noticed, unless it is white space or a hexadecimal letter's case.
static void every_byte_of_an_exported_log_counts(void **state) {
    log_fixture *f = *state;
    hd_audit_report report;
    uint8_t ann[HD_AUDIT_SUBJECT];
    size_t n;
    assert_ok(hd_audit_subject(f->audit, hd_slice_of("ann"), ann));
    assert_ok(hd_store_begin(f->store));
    assert_ok(hd_audit_add(f->audit, &(hd_audit_entry){.what = HD_AUDIT_ERASE, .subject = ann}));
    assert_ok(hd_audit_add(f->audit, &(hd_audit_entry){.what = HD_AUDIT_BACKUP}));
    assert_ok(hd_store_commit(f->store));
    char *text = export_text(f, &n);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < 2; k++) {
            size_t bit = k ? 5 : i % 8;
            char was = text[i];
            text[i] = (char)(was ^ (1 << bit));
            heed_err err = hd_audit_verify_text((hd_slice){text, n}, "log", NULL, &report);
            bool same = was == ' ' || was == '\n' || (bit == 5 && strchr("abcdefABCDEF", was));
            if (err == HEED_OK && report.sound && !same)
                fail_msg("byte %zu, bit %zu: '%.20s' is taken for sound", i, bit, text + i);
            if (err != HEED_OK) assert_int_equal(err, HEED_INPUT);
            text[i] = was;
        }
    }
    for (size_t i = 0; i < n - 1; i++) { // cut off anywhere but before the last line break
        heed_err err = hd_audit_verify_text((hd_slice){text, i}, "log", NULL, &report);
        if (err == HEED_OK && report.sound) fail_msg("cut off at %zu is taken for sound", i);
    }
    hd_free(text);
}

static void lines_taken_out_or_twice_are_found(void **state) {
    log_fixture *f = *state;
    hd_audit_report report;
    size_t n;
    filled(f);
    char *text = export_text(f, &n);
    hd_str other = {0};
    for (size_t at = 0, line = 0; at < n; line++) {
        size_t len = (size_t)(strchr(text + at, '\n') - (text + at)) + 1;
        bool entry = strncmp(text + at, "{\"seq\"", 6) == 0;
        hd_str_reset(&other); // without the line
        hd_str_addn(&other, text, at);
        hd_str_addn(&other, text + at + len, n - at - len);
        heed_err err =
            hd_audit_verify_text((hd_slice){other.data, other.len}, "log", NULL, &report);
        if (entry) assert_true(err == HEED_OK && !report.sound);
        hd_str_reset(&other); // with the line twice
        hd_str_addn(&other, text, at + len);
        hd_str_addn(&other, text + at, n - at);
        err = hd_audit_verify_text((hd_slice){other.data, other.len}, "log", NULL, &report);
        if (entry) assert_true(err == HEED_OK && !report.sound);
        at += len;
        if (line > 30) break;
    }
    hd_str_clear(&other);
    hd_free(text);
}

static void what_is_no_exported_log_is_refused(void **state) {
    (void)state;
    hd_audit_report report;
    static const char *const others[] = {
        "",
        "\n",
        "[]\n",
        "{}\n",
        "{\"heed_audit\": 2}\n",
        "{\"heed_audit\": 1, \"origin\": \"x\", \"public_key\": \"00\", \"entries\": 0}\n",
        "{\"heed_audit\": 1, \"origin\": \"x\", \"public_key\": \"00\", \"entries\": \"0\"}\n",
        "heed",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_fails(HEED_INPUT,
                     hd_audit_verify_text(hd_slice_of(others[i]), "log", NULL, &report));
    assert_fails(HEED_NOT_FOUND, hd_audit_verify_file("/nowhere/log", NULL, &report));
}

int main(void) {
    if (hd_mem_adopt_libraries() != HEED_OK || sodium_init() < 0) return 1;
    const struct CMUnitTest tests[] = {
        LOG_TEST(an_edited_field_is_named),
        LOG_TEST(an_edit_recorded_anew_is_found),
        LOG_TEST(the_last_entry_recorded_anew_is_found),
        LOG_TEST(deleted_entries_are_named),
        LOG_TEST(a_deletion_that_closes_the_gap_is_named),
        LOG_TEST(reordered_entries_are_named),
        LOG_TEST(an_end_cut_off_is_named),
        LOG_TEST(an_end_replaced_by_another_key_is_found),
        LOG_TEST(an_older_copy_in_place_is_recorded),
        LOG_TEST(a_log_cut_off_under_a_running_server_is_recorded),
        LOG_TEST(another_past_under_a_running_server_is_recorded),
        LOG_TEST(damaged_checkpoints_are_found),
        LOG_TEST(entries_added_without_a_signature_are_named),
        LOG_TEST(a_damaged_state_is_found),
        LOG_TEST(what_a_restored_backup_lost_is_said),
        LOG_TEST(a_restored_backup_that_lost_nothing_is_recorded),
        cmocka_unit_test(what_was_lost_has_one_form),
        LOG_TEST(an_exported_log_is_verified_by_itself),
        LOG_TEST(every_byte_of_an_exported_log_counts),
        LOG_TEST(lines_taken_out_or_twice_are_found),
        cmocka_unit_test(what_is_no_exported_log_is_refused),
    };
    return cmocka_run_group_tests_name("audit_tamper", tests, NULL, NULL);
}
