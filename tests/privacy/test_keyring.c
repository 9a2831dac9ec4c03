// SPDX-License-Identifier: Apache-2.0
//
// Keys: made, opened, refused; subjects, the ledger, marks; rotation and passphrases. Every byte
// of what is kept is spoilt once: nothing of it may open.
#include "keyring_test.h"

static int setup(void **state) {
    key_files *k = test_calloc(1, sizeof *k);
    keys_init(k);
    *state = k;
    return 0;
}

static int teardown(void **state) {
    key_files *k = *state;
    keys_clear(k);
    test_free(k);
    return 0;
}
#define KEYS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void reopen(key_files *k) {
    assert_ok(keys_open(k, true, NULL));
    assert_false(hd_keyring_locked(k->keyring));
}

static void secrets_stay(void **state) {
    key_files *k = *state;
    static const char *const names[] = {"index", "audit", "api", "token", "ledger"};
    uint8_t first[5][HD_KEY_BYTES], again[HD_KEY_BYTES], id[HD_WORKSPACE_ID_BYTES];
    memcpy(id, hd_keyring_workspace(k->keyring), sizeof id);
    for (int i = 0; i < 5; i++) assert_ok(hd_keyring_secret(k->keyring, names[i], first[i]));
    for (int i = 1; i < 5; i++) assert_memory_not_equal(first[0], first[i], HD_KEY_BYTES);
    reopen(k);
    assert_ok(hd_keyring_rotate(k->keyring));
    reopen(k);
    assert_ok(hd_keyring_use_key_file(k->keyring));
    assert_ok(keys_open(k, false, id));
    for (int i = 0; i < 5; i++) {
        assert_ok(hd_keyring_secret(k->keyring, names[i], again));
        assert_memory_equal(first[i], again, HD_KEY_BYTES);
    }
    assert_fails(HEED_DENIED, hd_keyring_secret(k->keyring, "unheard", again));
}

static void files_are_private(void **state) {
    key_files *k = *state;
    static const char *const names[] = {".", "keyring.json", "master.key", "subjects.db"};
    for (int i = 0; i < 4; i++) {
        struct stat st;
        char path[128];
        keys_path(k, names[i], path);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 077, 0);
    }
    for (int i = 0; i < 3; i++) {
        char path[128];
        keys_path(k, names[i], path);
        assert_int_equal(chmod(path, i ? 0640 : 0750), 0);
        assert_fails(HEED_DENIED, keys_open(k, true, NULL));
        assert_int_equal(chmod(path, i ? 0600 : 0700), 0);
        reopen(k);
    }
}

static void without_keys_it_is_locked(void **state) {
    key_files *k = *state;
    uint8_t out[HD_KEY_BYTES];
    int64_t subject;
    char path[128];
    keys_close(k);
    keys_path(k, "master.key", path);
    assert_ok(hd_fs_remove(path));
    assert_ok(keys_open(k, true, NULL));
    assert_true(hd_keyring_locked(k->keyring));
    assert_null(hd_keyring_workspace(k->keyring));
    assert_fails(HEED_UNAVAILABLE, hd_keyring_need(k->keyring));
    assert_fails(HEED_UNAVAILABLE, hd_keyring_secret(k->keyring, "index", out));
    assert_fails(HEED_UNAVAILABLE, hd_subject_make(k->keyring, &subject));
    assert_fails(HEED_UNAVAILABLE, hd_subject_key(k->keyring, 1, out));
    assert_fails(HEED_UNAVAILABLE, hd_keyring_rotate(k->keyring));
    assert_fails(HEED_UNAVAILABLE, hd_keyring_need(NULL));
    assert_fails(HEED_UNAVAILABLE, hd_keyring_secret(NULL, "index", out));
    assert_true(hd_keyring_locked(NULL));
    assert_ok(hd_keyring_commit(NULL));
    hd_keyring_rollback(NULL);
    hd_keyring_close(NULL);
}

static void a_wrong_key_opens_nothing(void **state) {
    key_files *k = *state;
    uint8_t other[HD_WORKSPACE_ID_BYTES] = {1};
    hd_str own = keys_read(k, "master.key");
    assert_int_equal(own.len, 65);
    keys_write(k, "master.key",
               "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", 65);
    assert_fails(HEED_DENIED, keys_open(k, true, NULL));
    static const char *const bad[] = {"", "\n", "xyz\n", "00\n"};
    for (int i = 0; i < 4; i++) {
        keys_write(k, "master.key", bad[i], strlen(bad[i]));
        assert_fails(HEED_CORRUPT, keys_open(k, true, NULL));
    }
    keys_write(k, "master.key", own.data, own.len);
    reopen(k);
    assert_fails(HEED_DENIED, keys_open(k, true, other));
    hd_str_clear(&own);
}

// Every bit pattern of one flip per byte: nothing opens, nothing crashes.
static void every_byte_of_keyring_json_counts(void **state) {
    key_files *k = *state;
    keys_close(k);
    hd_str own = keys_read(k, "keyring.json");
    for (size_t i = 0; i < own.len; i++) {
        for (int bit = 0; bit < 8; bit += 3) {
            own.data[i] = (char)(own.data[i] ^ 1 << bit);
            keys_write(k, "keyring.json", own.data, own.len);
            heed_err err = keys_open(k, false, NULL);
            if (err == HEED_OK) fail_msg("byte %zu, bit %d: it opened", i, bit);
            assert_true(err == HEED_CORRUPT || err == HEED_DENIED || err == HEED_VERSION);
            own.data[i] = (char)(own.data[i] ^ 1 << bit);
        }
    }
    for (size_t n = 0; n < own.len; n += 7) {
        keys_write(k, "keyring.json", own.data, n);
        assert_fails(HEED_CORRUPT, keys_open(k, false, NULL));
    }
    hd_str_add(&own, " ");
    keys_write(k, "keyring.json", own.data, own.len);
    assert_fails(HEED_CORRUPT, keys_open(k, false, NULL));
    keys_write(k, "keyring.json", own.data, own.len - 1);
    reopen(k);
    hd_str_clear(&own);
}

// ── Subjects ──

static void subjects_have_keys_of_their_own(void **state) {
    key_files *k = *state;
    uint8_t a[HD_KEY_BYTES], b[HD_KEY_BYTES], nobody[HD_KEY_BYTES], again[HD_KEY_BYTES];
    bool exists;
    int64_t one = keys_subject(k), two = keys_subject(k);
    assert_int_equal(one, 2);
    assert_int_equal(two, 3);
    assert_ok(hd_keyring_commit(k->keyring));
    assert_ok(hd_subject_key(k->keyring, 1, nobody));
    assert_ok(hd_subject_key(k->keyring, one, a));
    assert_ok(hd_subject_key(k->keyring, two, b));
    assert_memory_not_equal(a, b, HD_KEY_BYTES);
    assert_memory_not_equal(a, nobody, HD_KEY_BYTES);
    reopen(k);
    assert_ok(hd_subject_key(k->keyring, one, again));
    assert_memory_equal(a, again, HD_KEY_BYTES);
    assert_ok(hd_subject_exists(k->keyring, one, &exists));
    assert_true(exists);
    assert_ok(hd_subject_exists(k->keyring, 77, &exists));
    assert_false(exists);
    assert_fails(HEED_NOT_FOUND, hd_subject_key(k->keyring, 77, again));
}

static void what_is_not_committed_is_not_there(void **state) {
    key_files *k = *state;
    uint8_t out[HD_KEY_BYTES];
    int64_t lost = keys_subject(k);
    hd_keyring_rollback(k->keyring);
    assert_fails(HEED_NOT_FOUND, hd_subject_key(k->keyring, lost, out));
    int64_t kept = keys_subject(k);
    assert_ok(hd_keyring_commit(k->keyring));
    assert_ok(hd_keyring_commit(k->keyring)); // nothing pending
    assert_ok(hd_subject_key(k->keyring, kept, out));
    keys_subject(k);
    reopen(k); // closing takes back what is pending
    assert_int_equal(keys_subject(k), kept + 1);
}

static void numbers_are_not_used_again(void **state) {
    key_files *k = *state;
    int64_t one = keys_subject(k), two = keys_subject(k);
    assert_ok(hd_keyring_commit(k->keyring));
    assert_ok(hd_subject_destroy(k->keyring, (int64_t[]){one, two, two}, 3));
    assert_int_equal(keys_subject(k), two + 1);
    assert_ok(hd_subject_reserve(k->keyring, 100));
    assert_int_equal(keys_subject(k), 101);
    assert_ok(hd_subject_reserve(k->keyring, 50));
    assert_int_equal(keys_subject(k), 102);
    assert_ok(hd_keyring_commit(k->keyring));
}

static bool file_holds(const key_files *k, const char *name, const void *bytes, size_t n) {
    char path[128];
    hd_str text = {0};
    keys_path(k, name, path);
    if (!hd_fs_exists(path)) return false;
    assert_ok(hd_fs_read(path, 0, &text));
    bool found = memmem(hd_str_get(&text), text.len, bytes, n) != NULL;
    hd_str_clear(&text);
    return found;
}

static void wrapped_of(key_files *k, int64_t subject, uint8_t box[72]) {
    hd_query *q;
    bool row;
    assert_ok(hd_query_open(k->store, "SELECT box FROM subjects WHERE key = ?1", &q));
    hd_query_bind_i64(q, 1, subject);
    assert_ok(hd_query_step(q, &row));
    assert_true(row);
    hd_slice bytes = hd_query_blob(q, 0);
    assert_int_equal(bytes.n, 72);
    memcpy(box, bytes.p, 72);
    hd_query_close(q);
}

static void a_destroyed_key_leaves_no_trace(void **state) {
    key_files *k = *state;
    uint8_t box[72], out[HD_KEY_BYTES];
    for (int i = 0; i < 300; i++) keys_subject(k);
    assert_ok(hd_keyring_commit(k->keyring));
    wrapped_of(k, 150, box);
    assert_true(file_holds(k, "subjects.db-wal", box, sizeof box));
    assert_ok(hd_subject_destroy(k->keyring, (int64_t[]){150}, 1));
    assert_false(file_holds(k, "subjects.db-wal", box, sizeof box));
    assert_false(file_holds(k, "subjects.db", box, sizeof box));
    wrapped_of(k, 151, box);
    assert_true(file_holds(k, "subjects.db", box, sizeof box));
    assert_fails(HEED_NOT_FOUND, hd_subject_key(k->keyring, 150, out));
    assert_ok(hd_subject_key(k->keyring, 151, out));
    assert_fails(HEED_INTERNAL, hd_subject_destroy(k->keyring, (int64_t[]){1}, 1));
    keys_subject(k);
    assert_fails(HEED_INTERNAL, hd_subject_destroy(k->keyring, (int64_t[]){150}, 1));
}

// The table's bytes, changed one by one through SQL; a box in another row.
static void every_byte_of_a_subject_counts(void **state) {
    key_files *k = *state;
    uint8_t out[HD_KEY_BYTES];
    int64_t one = keys_subject(k), two = keys_subject(k);
    assert_ok(hd_keyring_commit(k->keyring));
    uint8_t box[72], other[72];
    wrapped_of(k, one, box);
    wrapped_of(k, two, other);
    hd_query *q;
    assert_ok(hd_query_open(k->store, "UPDATE subjects SET box = ?2 WHERE key = ?1", &q));
    for (size_t i = 0; i < sizeof box; i++) {
        box[i] ^= 1u << (i % 8);
        hd_query_bind_i64(q, 1, one);
        hd_query_bind_blob(q, 2, box, sizeof box);
        assert_ok(hd_query_run(q));
        assert_fails(HEED_CORRUPT, hd_subject_key(k->keyring, one, out));
        box[i] ^= 1u << (i % 8);
    }
    hd_query_bind_i64(q, 1, one);
    hd_query_bind_blob(q, 2, other, sizeof other);
    assert_ok(hd_query_run(q));
    assert_fails(HEED_CORRUPT, hd_subject_key(k->keyring, one, out));
    hd_query_bind_i64(q, 1, one);
    hd_query_bind_blob(q, 2, box, sizeof box);
    assert_ok(hd_query_run(q));
    hd_query_close(q);
    assert_ok(hd_subject_key(k->keyring, one, out));
    assert_ok(hd_store_exec(k->store, "UPDATE subjects SET version = 2"));
    assert_fails(HEED_CORRUPT, hd_subject_key(k->keyring, one, out));
    assert_ok(hd_store_exec(k->store, "UPDATE subjects SET version = -1"));
    assert_fails(HEED_CORRUPT, hd_subject_key(k->keyring, one, out));
}

static void databases_of_others_are_refused(void **state) {
    key_files *k = *state;
    key_files other;
    keys_init(&other);
    keys_close(&other);
    keys_close(k);
    hd_str db = keys_read(&other, "subjects.db");
    keys_write(k, "subjects.db", db.data, db.len);
    assert_fails(HEED_DENIED, keys_open(k, true, NULL));
    hd_str_clear(&db);
    keys_clear(&other);
}

// ── The ledger and marks ──

static void add_erasure(key_files *k, int64_t subject) {
    hd_erasure e = {.subject = subject, .time = 1000 + subject};
    memset(e.receipt, (int)subject, sizeof e.receipt);
    assert_ok(hd_erasure_add(k->keyring, &e));
}

static heed_err list(key_files *k, int64_t after, hd_erasure *out, size_t *n) {
    hd_arena arena;
    hd_erasure *erasures;
    hd_arena_init(&arena);
    heed_err err = hd_erasure_list(k->keyring, after, &arena, &erasures, n);
    if (err == HEED_OK && *n > 0) memcpy(out, erasures, *n * sizeof *out);
    hd_arena_clear(&arena);
    return err;
}

static void the_ledger_remembers(void **state) {
    key_files *k = *state;
    hd_erasure e[8];
    size_t n;
    assert_ok(list(k, 0, e, &n));
    assert_int_equal(n, 0);
    for (int i = 0; i < 4; i++) add_erasure(k, keys_subject(k));
    assert_ok(hd_keyring_commit(k->keyring));
    add_erasure(k, 9);
    hd_keyring_rollback(k->keyring);
    assert_ok(hd_subject_destroy(k->keyring, (int64_t[]){3}, 1));
    reopen(k);
    assert_ok(hd_keyring_rotate(k->keyring));
    assert_ok(list(k, 0, e, &n));
    assert_int_equal(n, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(e[i].key, i + 1);
        assert_int_equal(e[i].subject, i + 2);
        assert_int_equal(e[i].time, 1002 + i);
        assert_int_equal(e[i].receipt[31], i + 2);
        assert_int_equal(e[i].finished, i == 1);
    }
    assert_ok(list(k, 3, e, &n));
    assert_int_equal(n, 1);
    assert_int_equal(e[0].subject, 5);
    static const char *const spoils[] = {
        "UPDATE erasures SET subject = 7 WHERE key = 2",
        "UPDATE erasures SET time = 7 WHERE key = 2",
        "UPDATE erasures SET receipt = zeroblob(32) WHERE key = 2",
        "UPDATE erasures SET receipt = x'00' WHERE key = 2",
        "UPDATE erasures SET tag = zeroblob(32) WHERE key = 2",
        "UPDATE erasures SET tag = x'' WHERE key = 2",
        "DELETE FROM erasures WHERE key = 2",
        "UPDATE erasures SET key = 9 WHERE key = 2",
        "INSERT INTO erasures SELECT 9, subject, time, receipt, tag FROM erasures WHERE key = 4",
    };
    for (size_t i = 0; i < sizeof spoils / sizeof *spoils; i++) {
        assert_ok(hd_store_begin(k->store));
        assert_ok(hd_store_exec(k->store, spoils[i]));
        assert_fails(HEED_CORRUPT, list(k, 0, e, &n));
        assert_fails(HEED_CORRUPT, list(k, 3, e, &n));
        hd_store_rollback(k->store);
    }
    assert_ok(list(k, 0, e, &n));
}

static heed_err mark(key_files *k, const char *name, const char *value) {
    return hd_keyring_mark_set(k->keyring, name, hd_slice_of(value), NULL, NULL);
}

typedef struct decision {
    key_files *beside; // another connection, which notes the same mark while this one decides
    char seen[16];
    bool yes;
} decision;

static bool decides(void *ctx, hd_slice before) {
    decision *d = ctx;
    snprintf(d->seen, sizeof d->seen, "%.*s", (int)before.n, before.p ? before.p : "");
    if (d->beside) assert_fails(HEED_BUSY, mark(d->beside, "audit", "beside"));
    return d->yes;
}

static void marks_are_replaced_by_what_is_asked(void **state) {
    key_files *k = *state;
    hd_str value = {0};
    uint64_t count;
    bool found;
    decision d = {.yes = true};
    assert_ok(hd_keyring_mark_get(k->keyring, "audit", &count, &value, &found));
    assert_false(found);
    assert_ok(hd_keyring_mark_set(k->keyring, "audit", hd_slice_of("five"), decides, &d));
    assert_string_equal(d.seen, "");
    assert_ok(mark(k, "other", ""));
    assert_ok(hd_keyring_mark_set(k->keyring, "audit", hd_slice_of("again"), decides, &d));
    assert_string_equal(d.seen, "five");
    d.yes = false;
    assert_ok(hd_keyring_mark_set(k->keyring, "audit", hd_slice_of("never"), decides, &d));
    assert_string_equal(d.seen, "again");
    key_files beside = *k;
    beside.keyring = NULL;
    beside.store = NULL;
    assert_ok(keys_open(&beside, true, NULL));
    assert_ok(hd_store_exec(beside.store, "PRAGMA busy_timeout = 0"));
    d = (decision){.beside = &beside, .yes = true};
    assert_ok(hd_keyring_mark_set(k->keyring, "audit", hd_slice_of("third"), decides, &d));
    assert_ok(mark(&beside, "audit", "again"));
    keys_close(&beside);
    keys_subject(k);
    assert_ok(mark(k, "audit", "eight")); // with what is pending
    hd_keyring_rollback(k->keyring);
    reopen(k);
    assert_ok(hd_keyring_mark_get(k->keyring, "audit", &count, &value, &found));
    assert_true(found);
    assert_int_equal(count, 4);
    assert_string_equal(hd_str_get(&value), "again");
    assert_ok(hd_keyring_mark_get(k->keyring, "other", &count, &value, &found));
    assert_int_equal(value.len, 0);
    static const char *const spoils[] = {
        "UPDATE marks SET count = 3 WHERE name = 'audit'",
        "UPDATE marks SET value = x'00' WHERE name = 'audit'",
        "UPDATE marks SET tag = x'00' WHERE name = 'audit'",
        "UPDATE marks SET tag = (SELECT tag FROM marks WHERE name = 'other') WHERE name = 'audit'",
    };
    for (size_t i = 0; i < sizeof spoils / sizeof *spoils; i++) {
        assert_ok(hd_store_begin(k->store));
        assert_ok(hd_store_exec(k->store, spoils[i]));
        assert_fails(HEED_CORRUPT,
                     hd_keyring_mark_get(k->keyring, "audit", &count, &value, &found));
        hd_store_rollback(k->store);
    }
    static const char large[4097];
    assert_fails(HEED_INTERNAL,
                 hd_keyring_mark_set(k->keyring, "x", (hd_slice){large, sizeof large}, NULL, NULL));
    hd_str_clear(&value);
}

static void readers_do_not_write(void **state) {
    key_files *k = *state;
    int64_t subject;
    uint8_t out[HD_KEY_BYTES];
    assert_ok(keys_open(k, false, NULL));
    assert_ok(hd_subject_key(k->keyring, 1, out));
    assert_fails(HEED_USAGE, hd_subject_make(k->keyring, &subject));
    assert_fails(HEED_USAGE, mark(k, "audit", ""));
    assert_fails(HEED_USAGE, hd_subject_destroy(k->keyring, (int64_t[]){2}, 1));
    assert_fails(HEED_USAGE, hd_keyring_rotate(k->keyring));
}

// ── Other keys ──

static void rotation_rewrites_keys_alone(void **state) {
    key_files *k = *state;
    uint8_t before[3][HD_KEY_BYTES], after[HD_KEY_BYTES], old[72], fresh[72];
    for (int i = 0; i < 600; i++) keys_subject(k);
    assert_ok(hd_keyring_commit(k->keyring));
    for (int i = 0; i < 3; i++) assert_ok(hd_subject_key(k->keyring, 1 + 300 * i, before[i]));
    wrapped_of(k, 301, old);
    assert_ok(hd_keyring_rotate(k->keyring));
    wrapped_of(k, 301, fresh);
    assert_memory_not_equal(old, fresh, sizeof old);
    assert_false(file_holds(k, "subjects.db", old, sizeof old));
    assert_false(file_holds(k, "subjects.db-wal", old, sizeof old));
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3; i++) {
            assert_ok(hd_subject_key(k->keyring, 1 + 300 * i, after));
            assert_memory_equal(before[i], after, HD_KEY_BYTES);
        }
        reopen(k);
    }
    keys_subject(k);
    assert_fails(HEED_INTERNAL, hd_keyring_rotate(k->keyring));
}

// A reader that was open before finds what was sealed since.
static void readers_follow_a_rotation(void **state) {
    key_files *k = *state;
    key_files reader = *k;
    uint8_t a[HD_KEY_BYTES], b[HD_KEY_BYTES];
    int64_t one = keys_subject(k);
    assert_ok(hd_keyring_commit(k->keyring));
    reader.store = NULL;
    reader.keyring = NULL;
    assert_ok(keys_open(&reader, false, NULL));
    assert_ok(hd_keyring_rotate(k->keyring));
    assert_ok(hd_subject_key(k->keyring, one, a));
    assert_ok(hd_subject_key(reader.keyring, one, b));
    assert_memory_equal(a, b, sizeof a);
    assert_ok(hd_keyring_rotate(k->keyring));
    assert_ok(hd_keyring_use_key_file(k->keyring));
    assert_fails(HEED_DENIED, hd_subject_key(reader.keyring, one, b)); // a new master: open again
    keys_close(&reader);
}

static void a_passphrase_takes_the_key_files_place(void **state) {
    key_files *k = *state;
    uint8_t before[HD_KEY_BYTES], after[HD_KEY_BYTES];
    char path[128];
    hd_passphrase ask = keys_passphrase(k);
    keys_path(k, "master.key", path);
    assert_ok(hd_keyring_secret(k->keyring, "index", before));
    k->passphrase = "too short";
    assert_fails(HEED_INPUT, hd_keyring_use_passphrase(k->keyring, &ask));
    k->passphrase = NULL;
    assert_fails(HEED_NOT_FOUND, hd_keyring_use_passphrase(k->keyring, &ask));
    assert_false(hd_keyring_has_passphrase(k->keyring));
    k->passphrase = "correct horse battery";
    assert_ok(hd_keyring_use_passphrase(k->keyring, &ask));
    assert_false(hd_fs_exists(path));
    assert_true(hd_keyring_has_passphrase(k->keyring));
    k->asked = 0;
    reopen(k);
    assert_int_equal(k->asked, 1);
    assert_ok(hd_keyring_secret(k->keyring, "index", after));
    assert_memory_equal(before, after, sizeof before);
    k->passphrase = "correct horse batterz";
    assert_fails(HEED_DENIED, keys_open(k, true, NULL));
    k->passphrase = NULL;
    assert_ok(keys_open(k, true, NULL));
    assert_true(hd_keyring_locked(k->keyring));
    assert_fails(HEED_UNAVAILABLE, hd_keyring_need(k->keyring));
    assert_non_null(strstr(heed_error_message(HEED_EN), "HEED_PASSPHRASE"));
    k->passphrase = "correct horse battery";
    reopen(k);
    k->passphrase = "another horse battery";
    assert_ok(hd_keyring_use_passphrase(k->keyring, &ask));
    reopen(k);
    assert_ok(hd_keyring_use_key_file(k->keyring));
    assert_true(hd_fs_exists(path));
    k->passphrase = NULL;
    reopen(k);
    assert_ok(hd_keyring_secret(k->keyring, "index", after));
    assert_memory_equal(before, after, sizeof before);
}

// The credential of a service manager: beside the folder, and of a mode that heed doesn't judge.
static void a_credential_holds_the_key(void **state) {
    key_files *k = *state;
    char credential[128], path[128];
    hd_str key = keys_read(k, "master.key");
    snprintf(credential, sizeof credential, "%s/heed-shop.key", k->dir);
    assert_ok(hd_fs_write(credential, key.data, key.len, 0440));
    keys_path(k, "master.key", path);
    assert_ok(hd_fs_remove(path));
    keys_close(k);
    assert_ok(hd_store_open(k->subjects, HD_STORE_WRITE, 1 << 20, NULL, &k->store));
    hd_keyring_params params = {
        .folder = k->folder, .credential = credential, .subjects = k->store, .write = true};
    assert_ok(hd_keyring_open(&params, &k->keyring));
    assert_false(hd_keyring_locked(k->keyring));
    assert_fails(HEED_UNAVAILABLE, hd_keyring_use_key_file(k->keyring));
    hd_str_clear(&key);
}

// ── Copies ──

static heed_err unpack(key_files *into, const char *copy, const uint8_t *workspace) {
    hd_keyring_params params = {.folder = into->folder,
                                .workspace = workspace,
                                .passphrase = keys_passphrase(into),
                                .write = true};
    keys_close(into);
    assert_ok(hd_fs_remove(into->folder));
    assert_ok(hd_fs_mkdirs(into->folder, 0700));
    assert_ok(hd_store_open(into->subjects, HD_STORE_CREATE, 1 << 20, NULL, &into->store));
    params.subjects = into->store;
    heed_err err = hd_keyring_import(&params, copy);
    hd_store_close(into->store);
    into->store = NULL;
    return err;
}

static void a_copy_brings_all_keys(void **state) {
    key_files *k = *state;
    key_files other;
    hd_passphrase ask = keys_passphrase(k);
    uint8_t a[HD_KEY_BYTES], b[HD_KEY_BYTES], id[HD_WORKSPACE_ID_BYTES];
    char copy[128];
    hd_erasure e[8];
    size_t n;
    hd_str value = {0};
    uint64_t count;
    bool found;
    snprintf(copy, sizeof copy, "%s/copy", k->dir);
    for (int i = 0; i < 900; i++) keys_subject(k);
    add_erasure(k, 5);
    assert_ok(mark(k, "audit", "seven"));
    assert_ok(hd_keyring_commit(k->keyring));
    assert_ok(hd_subject_destroy(k->keyring, (int64_t[]){5, 901}, 2));
    memcpy(id, hd_keyring_workspace(k->keyring), sizeof id);
    k->passphrase = "correct horse battery";
    assert_ok(hd_keyring_export(k->keyring, copy, &ask));
    assert_fails(HEED_CONFLICT, hd_keyring_export(k->keyring, copy, &ask));
    struct stat st;
    assert_int_equal(stat(copy, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    keys_init(&other);
    other.passphrase = "correct horse battery";
    uint8_t strange[HD_WORKSPACE_ID_BYTES] = {3};
    assert_fails(HEED_DENIED, unpack(&other, copy, strange));
    assert_false(hd_keyring_exists(other.folder));
    assert_ok(unpack(&other, copy, id));
    assert_ok(keys_open(&other, true, id));
    for (int64_t s = 1; s <= 900; s += 31) {
        if (s == 5) continue;
        assert_ok(hd_subject_key(k->keyring, s, a));
        assert_ok(hd_subject_key(other.keyring, s, b));
        assert_memory_equal(a, b, sizeof a);
    }
    assert_fails(HEED_NOT_FOUND, hd_subject_key(other.keyring, 5, b));
    assert_int_equal(keys_subject(&other), 902);
    assert_ok(hd_keyring_secret(k->keyring, "index", a));
    assert_ok(hd_keyring_secret(other.keyring, "index", b));
    assert_memory_equal(a, b, sizeof a);
    assert_ok(list(&other, 0, e, &n));
    assert_int_equal(n, 1);
    assert_true(e[0].finished);
    assert_ok(hd_keyring_mark_get(other.keyring, "audit", &count, &value, &found));
    assert_string_equal(hd_str_get(&value), "seven");
    hd_str_clear(&value);

    other.passphrase = "correct horse batterz";
    assert_fails(HEED_DENIED, unpack(&other, copy, id));
    keys_clear(&other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        KEYS_TEST(secrets_stay),
        KEYS_TEST(files_are_private),
        KEYS_TEST(without_keys_it_is_locked),
        KEYS_TEST(a_wrong_key_opens_nothing),
        KEYS_TEST(every_byte_of_keyring_json_counts),
        KEYS_TEST(subjects_have_keys_of_their_own),
        KEYS_TEST(what_is_not_committed_is_not_there),
        KEYS_TEST(numbers_are_not_used_again),
        KEYS_TEST(a_destroyed_key_leaves_no_trace),
        KEYS_TEST(every_byte_of_a_subject_counts),
        KEYS_TEST(databases_of_others_are_refused),
        KEYS_TEST(the_ledger_remembers),
        KEYS_TEST(marks_are_replaced_by_what_is_asked),
        KEYS_TEST(readers_do_not_write),
        KEYS_TEST(rotation_rewrites_keys_alone),
        KEYS_TEST(readers_follow_a_rotation),
        KEYS_TEST(a_passphrase_takes_the_key_files_place),
        KEYS_TEST(a_credential_holds_the_key),
        KEYS_TEST(a_copy_brings_all_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
