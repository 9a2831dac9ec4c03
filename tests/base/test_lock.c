// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

static char path[] = "/tmp/heed-lock-XXXXXX";

static int setup(void **state) {
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}
static int teardown(void **state) {
    (void)state;
    return hd_fs_remove(path) == HEED_OK ? 0 : -1;
}

static void test_one_holder(void **state) {
    (void)state;
    hd_lock *lock, *second = NULL;
    assert_int_equal(hd_lock_take(path, "heed train", &lock), HEED_OK);
    assert_int_equal(hd_lock_take(path, "heed import", &second), HEED_BUSY);
    assert_null(second);
    char want[64];
    snprintf(want, sizeof want, "process %ld (heed train)", (long)getpid());
    assert_non_null(strstr(heed_error_message(HEED_EN), want));
    hd_lock_release(lock);
    assert_int_equal(hd_lock_take(path, "heed import", &lock), HEED_OK);
    hd_lock_release(lock);
    hd_lock_release(NULL);
}

static void test_ends_with_its_process(void **state) {
    (void)state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        hd_lock *lock;
        if (hd_lock_take(path, "a\nforged\033[2J line", &lock) == HEED_OK) {
            (void)!write(ready[1], "x", 1);
        }
        pause();
        _exit(0);
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    hd_lock *lock;
    assert_int_equal(hd_lock_take(path, "me", &lock), HEED_BUSY);
    char want[64];
    snprintf(want, sizeof want, "process %ld (a)", (long)child);
    assert_non_null(strstr(heed_error_message(HEED_EN), want));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(hd_lock_take(path, "me", &lock), HEED_OK);
    hd_lock_release(lock);
    close(ready[0]);
    close(ready[1]);
}

static int refuse(void *ctx, const char *call, const char *where) {
    (void)call;
    (void)where;
    return *(int *)ctx;
}

static void test_failures(void **state) {
    (void)state;
    hd_lock *lock;
    assert_int_equal(hd_lock_take("/nowhere/at/all", "me", &lock), HEED_NOT_FOUND);
    int full = 28; // ENOSPC
    hd_fs_hook_set(refuse, &full);
    assert_int_equal(hd_lock_take(path, "me", &lock), HEED_FULL);
    hd_fs_hook_set(NULL, NULL);
    hd_mem_fail_at(1, true);
    assert_int_equal(hd_lock_take(path, "me", &lock), HEED_MEMORY);
    hd_mem_fail_at(0, false);
    char who[600];
    memset(who, 'w', sizeof who - 1);
    who[599] = '\0';
    assert_int_equal(hd_lock_take(path, who, &lock), HEED_OK);
    hd_lock *second;
    assert_int_equal(hd_lock_take(path, "me", &second), HEED_BUSY);
    hd_lock_release(lock);
}

// A lock that is lent is held until both have let go of it.
static void test_lending(void **state) {
    (void)state;
    hd_lock *lock, *lent = NULL, *other = NULL;
    assert_int_equal(hd_lock_take(path, "server", &lock), HEED_OK);
    assert_int_equal(hd_lock_adopt(path, dup(hd_lock_fd(lock)), &lent), HEED_OK);
    hd_lock_release(lock);
    assert_int_equal(hd_lock_take(path, "other", &other), HEED_BUSY);
    hd_lock_release(lent);
    assert_int_equal(hd_lock_take(path, "other", &other), HEED_OK);

    int stranger = open(path, O_RDWR); // the same file, but not the lock
    assert_int_equal(hd_lock_adopt(path, stranger, &lent), HEED_BUSY);
    assert_int_equal(fcntl(stranger, F_GETFD), -1); // taken over all the same
    assert_int_equal(hd_lock_adopt(path, open("/dev/null", O_RDWR), &lent), HEED_BUSY);
    hd_mem_fail_at(1, true);
    assert_int_equal(hd_lock_adopt(path, dup(hd_lock_fd(other)), &lent), HEED_MEMORY);
    hd_mem_fail_at(0, false);
    hd_lock_release(other);
}

static void test_waiting(void **state) {
    (void)state;
    hd_lock *lock, *second = NULL;
    assert_int_equal(hd_lock_wait(path, "me", 0, &lock), HEED_OK);
    assert_int_equal(hd_lock_wait(path, "you", 20, &second), HEED_BUSY);
    pid_t child = fork();
    if (child == 0) {
        hd_lock_release(lock); // what a fork inherits holds it too
        _exit(hd_lock_wait(path, "child", 60000, &second) == HEED_OK ? 0 : 1);
    }
    hd_lock_release(lock);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lending),    cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_one_holder), cmocka_unit_test(test_ends_with_its_process),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
