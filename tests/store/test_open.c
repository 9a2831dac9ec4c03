// SPDX-License-Identifier: Apache-2.0
//
// Opening what is there, what isn't, and what shouldn't be; copies of a living database; damage.

#include "store_test.h"

#include <fcntl.h>

static void fill(hd_store *store, int rows) {
    assert_ok(hd_store_exec(store, "CREATE TABLE IF NOT EXISTS t (k INTEGER PRIMARY KEY, v TEXT)"));
    hd_query *q;
    assert_ok(hd_query_open(store,
                            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                            " WHERE i < ?1) INSERT INTO t (v) SELECT printf('%0200d', i) FROM n",
                            &q));
    hd_query_bind_i64(q, 1, rows);
    assert_ok(hd_query_run(q));
    hd_query_close(q);
}

static void make_db(const scratch *s, int rows) {
    hd_store *store = open_db(s, HD_STORE_CREATE);
    fill(store, rows);
    hd_store_close(store);
}

static heed_err open_err(const char *path, hd_store_mode mode) {
    hd_store *store = NULL;
    heed_err err = hd_store_open(path, mode, TEST_CACHE, NULL, &store);
    if (err != HEED_OK) assert_null(store);
    hd_store_close(store);
    return err;
}

static void a_new_database_is_durable_and_its_owners_alone(void **state) {
    scratch *s = *state;
    mode_t mask = umask(0);
    hd_store *store = open_db(s, HD_STORE_CREATE);
    umask(mask);
    fill(store, 1);
    assert_int_equal(ask(store, "PRAGMA synchronous"), 2);
    assert_int_equal(ask(store, "PRAGMA foreign_keys"), 1);
    assert_int_equal(ask(store, "PRAGMA mmap_size"), 0);
    assert_int_equal(ask(store, "PRAGMA cache_size"), -(TEST_CACHE / 1024));
    assert_int_equal(
        ask(store, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'"), 1);
    static const char *const names[] = {"heed.db", "heed.db-wal", "heed.db-shm"};
    for (int i = 0; i < 3; i++) {
        char path[128];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", s->dir, names[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    hd_store_close(store);
}

static void what_cannot_be_opened_says_why(void **state) {
    scratch *s = *state;
    assert_fails(HEED_NOT_FOUND, open_err(s->db, HD_STORE_READ));
    assert_non_null(strstr(heed_error_message(HEED_EN), "heed init"));
    assert_fails(HEED_NOT_FOUND, open_err(s->db, HD_STORE_WRITE));
    assert_fails(HEED_INPUT, open_err(s->dir, HD_STORE_READ));
    assert_fails(HEED_INPUT, open_err(s->dir, HD_STORE_CREATE));
    char missing[128];
    snprintf(missing, sizeof missing, "%s/no/heed.db", s->dir);
    assert_fails(HEED_NOT_FOUND, open_err(missing, HD_STORE_CREATE));
    hd_store *store;
    make_db(s, 1);
    assert_fails(HEED_INTERNAL, hd_store_open(s->db, HD_STORE_READ, 0, "no-such-vfs", &store));
    static const char noise[4096] = "this is a letter to my aunt, not a database";
    assert_ok(hd_fs_write(s->db, noise, sizeof noise, 0600));
    assert_fails(HEED_CORRUPT, open_err(s->db, HD_STORE_READ));
    assert_non_null(strstr(heed_error_message(HEED_EN), s->db));
    assert_fails(HEED_CORRUPT, open_err(s->db, HD_STORE_WRITE));
}

static void readers_do_not_write(void **state) {
    make_db(*state, 3);
    hd_store *store = open_db(*state, HD_STORE_READ);
    assert_int_equal(ask(store, "SELECT count(*) FROM t"), 3);
    assert_fails(HEED_DENIED, hd_store_exec(store, "DELETE FROM t"));
    hd_store_close(store);
}

// Becomes another user if this one could write anywhere. false: rights can't be tested here.
static bool give_up_rights(const scratch *s) {
    if (geteuid() == 0 &&
        (chown(s->dir, 65534, 65534) || chown(s->db, 65534, 65534) || seteuid(65534))) {
        return false;
    }
    return chmod(s->dir, 0500) == 0;
}

static void take_rights_back(const scratch *s) {
    assert_int_equal(chmod(s->dir, 0700), 0);
    if (getuid() == 0) assert_int_equal(seteuid(0), 0);
}

static void a_read_only_folder_can_be_read(void **state) {
    scratch *s = *state;
    make_db(s, 3);
    if (!give_up_rights(s)) skip();
    hd_store *store = NULL;
    heed_err err = hd_store_open(s->db, HD_STORE_READ, TEST_CACHE, NULL, &store);
    int64_t rows = err == HEED_OK ? ask(store, "SELECT count(*) FROM t") : -1;
    hd_store_close(store);
    heed_err write_err = open_err(s->db, HD_STORE_WRITE);
    take_rights_back(s);
    assert_ok(err);
    assert_int_equal(rows, 3);
    assert_int_equal(write_err, HEED_DENIED);
}

// A log that would be left unread makes the answer wrong: it is refused, not overlooked.
static void a_read_only_folder_with_a_log_is_refused(void **state) {
    scratch *s = *state;
    hd_store *store = open_db(s, HD_STORE_CREATE);
    fill(store, 3);
    char wal[128], copy[128];
    snprintf(wal, sizeof wal, "%s-wal", s->db);
    snprintf(copy, sizeof copy, "%s.log", s->db);
    hd_str log = {0};
    assert_ok(hd_fs_read(wal, 0, &log));
    assert_ok(hd_fs_write(copy, log.data, log.len, 0600));
    hd_str_clear(&log);
    hd_store_close(store);
    assert_ok(hd_fs_rename(copy, wal)); // as if the writer had been killed and its -shm lost
    if (getuid() == 0) assert_int_equal(chown(wal, 65534, 65534), 0);
    if (!give_up_rights(s)) skip();
    heed_err err = open_err(s->db, HD_STORE_READ);
    take_rights_back(s);
    assert_fails(HEED_DENIED, err);
    store = open_db(s, HD_STORE_READ); // where it can be written, the log is read
    assert_int_equal(ask(store, "SELECT count(*) FROM t"), 3);
    hd_store_close(store);
}

static void a_path_with_signs_of_a_uri_opens(void **state) {
    scratch *s = *state;
    snprintf(s->db, sizeof s->db, "%s/a?b#c%%41.db", s->dir);
    make_db(s, 2);
    if (!give_up_rights(s)) skip();
    hd_store *store = NULL;
    heed_err err = hd_store_open(s->db, HD_STORE_READ, TEST_CACHE, NULL, &store);
    int64_t rows = err == HEED_OK ? ask(store, "SELECT count(*) FROM t") : -1;
    hd_store_close(store);
    take_rights_back(s);
    assert_ok(err);
    assert_int_equal(rows, 2);
}

static void a_living_database_is_copied(void **state) {
    scratch *s = *state;
    hd_store *store = open_db(s, HD_STORE_CREATE);
    fill(store, 20000); // more than one step of the copy, part of it still in the log
    hd_store *writer = open_db(s, HD_STORE_WRITE);
    assert_ok(hd_store_begin(writer));
    assert_ok(hd_store_exec(writer, "DELETE FROM t")); // not committed: not in the copy
    char path[sizeof s->db];
    snprintf(path, sizeof path, "%s/copy.db", s->dir);
    assert_ok(hd_fs_write(path, "former", 6, 0600));
    assert_ok(hd_store_backup(store, path));
    assert_ok(hd_store_commit(writer));
    assert_int_equal(ask(store, "SELECT count(*) FROM t"), 0);
    hd_store_close(writer);
    hd_store_close(store);

    memcpy(s->db, path, sizeof path);
    store = open_db(s, HD_STORE_READ);
    assert_int_equal(ask(store, "SELECT count(*) FROM t"), 20000);
    bool sound;
    hd_str faults = {0};
    assert_ok(hd_store_check(store, &sound, &faults));
    assert_true(sound);
    assert_string_equal(hd_str_get(&faults), "");
    hd_store_close(store);
    hd_arena arena;
    hd_arena_init(&arena);
    char **names;
    size_t n;
    assert_ok(hd_fs_list(s->dir, &arena, &names, &n));
    assert_int_equal(n, 2); // the copy is one file: no log, nothing left over
    hd_arena_clear(&arena);
}

static void a_copy_that_fails_leaves_nothing(void **state) {
    scratch *s = *state;
    hd_store *store = open_db(s, HD_STORE_CREATE);
    fill(store, 10);
    char path[128];
    snprintf(path, sizeof path, "%s/no/copy.db", s->dir);
    assert_fails(HEED_NOT_FOUND, hd_store_backup(store, path));
    assert_ok(hd_store_begin(store));
    fill(store, 1);
    snprintf(path, sizeof path, "%s/copy.db", s->dir);
    assert_fails(HEED_BUSY, hd_store_backup(store, path)); // in the midst of our own writing
    assert_false(hd_fs_exists(path));
    assert_ok(hd_store_commit(store));
    assert_int_equal(ask(store, "SELECT count(*) FROM t"), 11);
    hd_store_close(store);
}

static void a_checkpoint_empties_the_log(void **state) {
    scratch *s = *state;
    hd_store *store = open_db(s, HD_STORE_CREATE);
    fill(store, 100);
    char wal[128];
    struct stat st;
    snprintf(wal, sizeof wal, "%s-wal", s->db);
    assert_int_equal(stat(wal, &st), 0);
    assert_true(st.st_size > 0);
    assert_ok(hd_store_checkpoint(store));
    assert_int_equal(stat(wal, &st), 0);
    assert_int_equal(st.st_size, 0);
    hd_store_close(store);
}

static void a_broken_reference_is_a_fault(void **state) {
    hd_store *store = open_db(*state, HD_STORE_CREATE);
    assert_ok(hd_store_exec(store, "CREATE TABLE p (k INTEGER PRIMARY KEY);"
                                   "CREATE TABLE c (k INTEGER PRIMARY KEY, p REFERENCES p (k));"
                                   "PRAGMA foreign_keys = OFF;"
                                   "INSERT INTO c VALUES (5, 1)"));
    bool sound;
    hd_str faults = {0};
    assert_ok(hd_store_check(store, &sound, &faults));
    assert_false(sound);
    assert_string_equal(hd_str_get(&faults), "row 5 of c refers to a missing row of p\n");
    hd_str_clear(&faults);
    hd_store_close(store);
}

static void damage_is_found(void **state) {
    scratch *s = *state;
    make_db(s, 2000);
    int fd = open(s->db, O_RDWR);
    assert_true(fd >= 0);
    static const char noise[64] = "noise";
    for (off_t page = 3; page < 20; page++) {
        assert_int_equal(pwrite(fd, noise, sizeof noise, page * 4096), sizeof noise);
    }
    assert_int_equal(close(fd), 0);
    hd_store *store = open_db(s, HD_STORE_READ);
    bool sound = true;
    hd_str faults = {0};
    assert_ok(hd_store_check(store, &sound, &faults));
    assert_false(sound);
    assert_true(faults.len > 0);
    hd_str_clear(&faults);
    char path[128];
    snprintf(path, sizeof path, "%s/copy.db", s->dir);
    assert_fails(HEED_CORRUPT, hd_store_backup(store, path));
    assert_false(hd_fs_exists(path));
    hd_query *q;
    bool row = true;
    heed_err err = HEED_OK;
    assert_ok(hd_query_open(store, "SELECT v FROM t", &q));
    while (err == HEED_OK && row) err = hd_query_step(q, &row);
    assert_fails(HEED_CORRUPT, err);
    hd_query_close(q);
    hd_store_close(store);
}

// A page that can't be read for want of memory isn't damage.
static void failing_allocations_are_no_damage(void **state) {
    scratch *s = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/copy.db", s->dir);
    make_db(s, 500);
    for (int once = 0; once < 2; once++) {
        bool finished = false;
        for (uint64_t n = 1; !finished; n++) {
            hd_store *store = open_db(s, HD_STORE_READ);
            bool sound = false;
            hd_str faults = {0};
            (void)hd_mem_calls();
            hd_mem_fail_at(n, once);
            heed_err err = hd_store_check(store, &sound, &faults);
            if (err == HEED_OK) err = hd_store_backup(store, path);
            hd_mem_fail_at(0, true);
            finished = hd_mem_calls() < n;
            assert_true(err == HEED_OK ? sound : err == HEED_MEMORY);
            hd_str_clear(&faults);
            hd_store_close(store);
        }
    }
}

static void failing_allocations_open_or_not(void **state) {
    scratch *s = *state;
    make_db(s, 1);
    for (int mode = HD_STORE_READ; mode <= HD_STORE_CREATE; mode++) {
        bool finished = false;
        for (uint64_t n = 1; !finished; n++) {
            hd_store *store = NULL;
            (void)hd_mem_calls();
            hd_mem_fail_at(n, true);
            heed_err err = hd_store_open(s->db, (hd_store_mode)mode, TEST_CACHE, NULL, &store);
            hd_mem_fail_at(0, true);
            finished = hd_mem_calls() < n;
            assert_true(err == HEED_OK || (err == HEED_MEMORY && !finished));
            hd_store_close(store);
        }
    }
}

int main(void) {
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(a_new_database_is_durable_and_its_owners_alone),
        SCRATCH_TEST(what_cannot_be_opened_says_why),
        SCRATCH_TEST(readers_do_not_write),
        SCRATCH_TEST(a_read_only_folder_can_be_read),
        SCRATCH_TEST(a_read_only_folder_with_a_log_is_refused),
        SCRATCH_TEST(a_path_with_signs_of_a_uri_opens),
        SCRATCH_TEST(a_living_database_is_copied),
        SCRATCH_TEST(a_copy_that_fails_leaves_nothing),
        SCRATCH_TEST(a_checkpoint_empties_the_log),
        SCRATCH_TEST(a_broken_reference_is_a_fault),
        SCRATCH_TEST(damage_is_found),
        SCRATCH_TEST(failing_allocations_are_no_damage),
        SCRATCH_TEST(failing_allocations_open_or_not),
    };
    return cmocka_run_group_tests_name("store_open", tests, NULL, NULL);
}
