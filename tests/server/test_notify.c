// SPDX-License-Identifier: Apache-2.0
//
// What the service manager hears, over a socket by name and an abstract one; and when it isn't
// there.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/notify.h"

static int listen_at(const char *name) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t n = strlen(name);
    memcpy(at.sun_path, name, n);
    if (name[0] == '@') at.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(
        bind(fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
        0);
    return fd;
}

static void expect_heard(const char *name) {
    char heard[64];
    int fd = listen_at(name);
    setenv("NOTIFY_SOCKET", name, 1);
    hd_notify("READY=1");
    ssize_t n = recv(fd, heard, sizeof heard, MSG_DONTWAIT);
    assert_int_equal(n, 7);
    assert_memory_equal(heard, "READY=1", 7);
    close(fd);
    hd_notify("STOPPING=1"); // nobody is there any more
}

static void test_heard(void **state) {
    (void)state;
    char dir[] = "/tmp/heed-notify-XXXXXX";
    char name[64];
    assert_non_null(mkdtemp(dir));
    snprintf(name, sizeof name, "%s/socket", dir);
    expect_heard(name);
    unlink(name);
    rmdir(dir);
    snprintf(name, sizeof name, "@heed-notify-%ld", (long)getpid());
    expect_heard(name);
}

static void test_nobody(void **state) {
    (void)state;
    char longest[200];
    unsetenv("NOTIFY_SOCKET");
    hd_notify("READY=1");
    setenv("NOTIFY_SOCKET", "relative", 1);
    hd_notify("READY=1");
    memset(longest, '/', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    setenv("NOTIFY_SOCKET", longest, 1);
    hd_notify("READY=1");
    unsetenv("NOTIFY_SOCKET");
}

static void test_watchdog(void **state) {
    (void)state;
    char pid[24];
    unsetenv("WATCHDOG_USEC");
    assert_int_equal(hd_notify_watchdog_ms(), 0);
    setenv("WATCHDOG_USEC", "30000000", 1);
    assert_int_equal(hd_notify_watchdog_ms(), 30000);
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(hd_notify_watchdog_ms(), 30000);
    setenv("WATCHDOG_PID", "1", 1); // somebody else's
    assert_int_equal(hd_notify_watchdog_ms(), 0);
    setenv("WATCHDOG_USEC", "soon", 1);
    assert_int_equal(hd_notify_watchdog_ms(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heard),
        cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_watchdog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
