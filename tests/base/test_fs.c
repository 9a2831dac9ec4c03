// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

static char folder[] = "/tmp/heed-fs-XXXXXX";
static hd_arena arena;

static int setup(void **state) {
    (void)state;
    hd_arena_init(&arena);
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    hd_arena_clear(&arena);
    return hd_fs_remove(folder) == HEED_OK ? 0 : -1;
}

static char *in(const char *name) {
    return hd_fs_join(&arena, folder, name);
}

static void assert_content(const char *path, const char *want) {
    hd_str text;
    hd_str_init(&text);
    assert_int_equal(hd_fs_read(path, 0, &text), HEED_OK);
    assert_string_equal(hd_str_get(&text), want);
    hd_str_clear(&text);
}

static size_t count_in(const char *path) {
    char **names;
    size_t n;
    assert_int_equal(hd_fs_list(path, &arena, &names, &n), HEED_OK);
    assert_null(names[n]);
    return n;
}

static void test_write_and_read(void **state) {
    (void)state;
    assert_int_equal(hd_fs_write(in("a"), "hello", 5, 0600), HEED_OK);
    assert_content(in("a"), "hello");
    assert_int_equal(hd_fs_write(in("a"), "hi", 2, 0640), HEED_OK);
    assert_content(in("a"), "hi");
    struct stat st;
    assert_int_equal(stat(in("a"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_true(hd_fs_exists(in("a")));
    assert_false(hd_fs_is_dir(in("a")));
    assert_true(hd_fs_is_dir(folder));
    assert_int_equal(count_in(folder), 1);
    assert_int_equal(hd_fs_write(in("a"), NULL, 0, 0600), HEED_OK);
    assert_content(in("a"), "");
    assert_int_equal(hd_fs_remove(in("a")), HEED_OK);
}

static void test_read_fails(void **state) {
    (void)state;
    hd_str text;
    hd_str_init(&text);
    assert_int_equal(hd_fs_read(in("nothing"), 0, &text), HEED_NOT_FOUND);
    assert_non_null(strstr(heed_error_message(HEED_EN), "nothing"));
    assert_int_equal(hd_fs_read(folder, 0, &text), HEED_INPUT);
    assert_int_equal(hd_fs_write(in("five"), "12345", 5, 0600), HEED_OK);
    assert_int_equal(hd_fs_read(in("five"), 4, &text), HEED_INPUT);
    assert_int_equal(hd_fs_read(in("five"), 5, &text), HEED_OK);
    assert_int_equal(hd_fs_write(folder, "x", 1, 0600), HEED_INPUT);
    assert_int_equal(hd_fs_write(in("no/such"), "x", 1, 0600), HEED_NOT_FOUND);
    hd_str_clear(&text);
    assert_int_equal(hd_fs_remove(in("five")), HEED_OK);
}

static void test_folders(void **state) {
    (void)state;
    assert_int_equal(hd_fs_mkdirs(in("x/y//z/"), 0700), HEED_OK);
    assert_int_equal(hd_fs_mkdirs(in("x/y/z"), 0700), HEED_OK);
    assert_true(hd_fs_is_dir(in("x/y/z")));
    assert_int_equal(hd_fs_write(in("x/file"), "1", 1, 0600), HEED_OK);
    assert_int_equal(hd_fs_mkdirs(in("x/file/deeper"), 0700), HEED_NOT_FOUND);
    assert_int_equal(hd_fs_write(in("x/b"), "1", 1, 0600), HEED_OK);
    // A link in the tree is removed, not followed.
    assert_int_equal(hd_fs_mkdirs(in("kept"), 0700), HEED_OK);
    assert_int_equal(hd_fs_write(in("kept/f"), "1", 1, 0600), HEED_OK);
    assert_int_equal(symlink("../kept", in("x/link")), 0);
    char **names;
    size_t n;
    assert_int_equal(hd_fs_list(in("x"), &arena, &names, &n), HEED_OK);
    assert_int_equal(n, 4);
    assert_string_equal(names[0], "b");
    assert_string_equal(names[1], "file");
    assert_string_equal(names[2], "link");
    assert_string_equal(names[3], "y");
    assert_int_equal(hd_fs_list(in("void"), &arena, &names, &n), HEED_NOT_FOUND);
    assert_int_equal(hd_fs_remove(in("x")), HEED_OK);
    assert_false(hd_fs_exists(in("x")));
    assert_true(hd_fs_exists(in("kept/f")));
    assert_int_equal(hd_fs_remove(in("kept")), HEED_OK);
    assert_int_equal(hd_fs_remove(in("kept")), HEED_OK);
    assert_string_equal(hd_fs_join(&arena, "a/", "b"), "a/b");
    assert_string_equal(hd_fs_join(&arena, "", "b"), "b");
}

static void test_rename(void **state) {
    (void)state;
    assert_int_equal(hd_fs_write(in("r1"), "1", 1, 0600), HEED_OK);
    assert_int_equal(hd_fs_write(in("r2"), "2", 1, 0600), HEED_OK);
    assert_int_equal(hd_fs_rename(in("r1"), in("r2")), HEED_OK);
    assert_content(in("r2"), "1");
    assert_int_equal(hd_fs_rename(in("r1"), in("r2")), HEED_NOT_FOUND);
    assert_int_equal(hd_fs_remove(in("r2")), HEED_OK);
}

static void test_pieces(void **state) {
    (void)state;
    hd_file *file;
    assert_int_equal(hd_fs_write(in("p"), "old", 3, 0600), HEED_OK);
    assert_int_equal(hd_file_create(in("p"), 0600, &file), HEED_OK);
    hd_file *second;
    assert_int_equal(hd_file_create(in("p"), 0600, &second), HEED_BUSY);
    hd_str want;
    hd_str_init(&want);
    for (int i = 0; i < 30000; i++) {
        char text[16];
        int n = snprintf(text, sizeof text, "%d;", i);
        assert_int_equal(hd_file_write(file, text, (size_t)n), HEED_OK);
        hd_str_addn(&want, text, (size_t)n);
    }
    char *large = hd_calloc(1, 200001);
    memset(large, 'x', 200000);
    assert_int_equal(hd_file_write(file, large, 200000), HEED_OK);
    assert_int_equal(hd_file_write(file, "end", 3), HEED_OK);
    hd_str_add(&want, large);
    hd_str_add(&want, "end");
    assert_content(in("p"), "old");
    assert_int_equal(hd_file_commit(file), HEED_OK);
    assert_content(in("p"), hd_str_get(&want));
    hd_free(large);
    hd_str_clear(&want);
    assert_int_equal(hd_file_create(in("p"), 0600, &file), HEED_OK);
    assert_int_equal(hd_file_write(file, "no", 2), HEED_OK);
    hd_file_abort(file);
    hd_file_abort(NULL);
    assert_int_equal(count_in(folder), 1);
    assert_int_equal(hd_fs_remove(in("p")), HEED_OK);
}

typedef struct injector {
    int left; // calls until the one that fails
    int error;
    bool die;
} injector;

static int inject(void *ctx, const char *call, const char *path) {
    injector *i = ctx;
    assert_non_null(call);
    assert_non_null(path);
    if (--i->left != 0) return 0;
    if (i->die) _exit(9);
    return i->error;
}

// Each call failing in turn: the old content stands, or the new one whole; nothing is left over.
static void test_nth_call_fails(void **state) {
    (void)state;
    bool done = false;
    int n = 1;
    for (; !done; n++) {
        assert_int_equal(hd_fs_write(in("f"), "old", 3, 0600), HEED_OK);
        injector i = {.left = n, .error = ENOSPC};
        hd_fs_hook_set(inject, &i);
        heed_err err = hd_fs_write(in("f"), "new", 3, 0600);
        hd_fs_hook_set(NULL, NULL);
        done = i.left > 0;
        assert_int_equal(err, done ? HEED_OK : HEED_FULL);
        // The fourth call syncs the folder: by then the file is in place.
        assert_content(in("f"), n < 4 ? "old" : "new");
        assert_int_equal(count_in(folder), 1);
    }
    assert_int_equal(n, 6);
    for (n = 1; n <= 2; n++) {
        injector i = {.left = n, .error = EROFS};
        hd_fs_hook_set(inject, &i);
        assert_int_equal(hd_fs_mkdirs(in("d"), 0700), HEED_DENIED);
        hd_fs_hook_set(NULL, NULL);
        assert_int_equal(hd_fs_remove(in("d")), HEED_OK);
    }
    injector i = {.left = 1, .error = EIO};
    hd_fs_hook_set(inject, &i);
    assert_int_equal(hd_fs_remove(in("f")), HEED_IO);
    i.left = 1;
    assert_int_equal(hd_fs_rename(in("f"), in("g")), HEED_IO);
    hd_fs_hook_set(NULL, NULL);
    assert_int_equal(hd_fs_remove(in("f")), HEED_OK);
}

static void test_failed_write_sticks(void **state) {
    (void)state;
    hd_file *file;
    assert_int_equal(hd_file_create(in("s"), 0600, &file), HEED_OK);
    char *large = hd_calloc(1, 100000);
    injector i = {.left = 1, .error = EIO};
    hd_fs_hook_set(inject, &i);
    assert_int_equal(hd_file_write(file, large, 100000), HEED_IO);
    hd_fs_hook_set(NULL, NULL);
    hd_free(large);
    assert_int_equal(hd_file_commit(file), HEED_IO);
    assert_int_equal(count_in(folder), 0);
}

// The process dies at each call in turn; what is left is the old or the new content, and the next
// write works.
static void test_crash(void **state) {
    (void)state;
    for (int n = 1; n <= 4; n++) {
        assert_int_equal(hd_fs_write(in("c"), "old", 3, 0600), HEED_OK);
        pid_t child = fork();
        if (child == 0) {
            injector i = {.left = n, .die = true};
            hd_fs_hook_set(inject, &i);
            heed_err err = hd_fs_write(in("c"), "new", 3, 0600);
            _exit(err == HEED_OK ? 0 : 1);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(WEXITSTATUS(status), 9);
        assert_content(in("c"), n < 4 ? "old" : "new");
        assert_int_equal(hd_fs_write(in("c"), "next", 4, 0600), HEED_OK);
        assert_content(in("c"), "next");
        assert_int_equal(count_in(folder), 1);
    }
    assert_int_equal(hd_fs_remove(in("c")), HEED_OK);
}

static void test_out_of_memory(void **state) {
    (void)state;
    char *path = in("m");
    heed_err err = HEED_MEMORY;
    for (uint64_t n = 1; err != HEED_OK; n++) {
        size_t before = hd_mem_used();
        hd_arena local;
        hd_arena_init(&local);
        hd_str text;
        hd_str_init(&text);
        char **names;
        size_t count;
        hd_mem_fail_at(n, true);
        err = hd_fs_write(path, "text", 4, 0600);
        if (err == HEED_OK) err = hd_fs_read(path, 0, &text);
        if (err == HEED_OK) err = hd_fs_list(folder, &local, &names, &count);
        if (err == HEED_OK) err = hd_fs_mkdirs(folder, 0700);
        if (err == HEED_OK) err = hd_fs_rename(path, path);
        hd_mem_fail_at(0, false);
        assert_true(err == HEED_OK || err == HEED_MEMORY);
        hd_str_clear(&text);
        hd_arena_clear(&local);
        assert_int_equal(hd_mem_used(), before);
        assert_true(n < 100);
    }
    assert_int_equal(hd_fs_remove(path), HEED_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_and_read),
        cmocka_unit_test(test_read_fails),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_rename),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_nth_call_fails),
        cmocka_unit_test(test_failed_write_sticks),
        cmocka_unit_test(test_crash),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
