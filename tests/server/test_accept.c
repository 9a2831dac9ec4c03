// SPDX-License-Identifier: Apache-2.0
//
// Who comes in: addresses that are taken, the socket in the file system, limits in all and per
// address, and a process that has run out of descriptors.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/fs.h"
#include "base/mem.h"
#include "serve.h"

static const char ask[] = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
static const char ask_last[] = "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

static void handle(void *ctx, hd_exchange *exchange) {
    (void)ctx;
    hd_peer peer = hd_exchange_peer(exchange);
    char text[128];
    int n = snprintf(text, sizeof text, "from %s local %d uid %u pid %lld",
                     hd_exchange_address(exchange), peer.local, peer.uid, (long long)peer.pid);
    hd_exchange_reply(exchange, 200, NULL, "text/plain", text, (size_t)n);
}

static void hold(void *ctx, hd_exchange *exchange) {
    (void)ctx;
    if (!hd_exchange_hold(exchange)) hd_exchange_reply(exchange, 500, NULL, NULL, NULL, 0);
}

static void hear(int fd, const char *what) {
    char out[4096];
    client_hear(fd, out, sizeof out, what, NULL);
    if (!strstr(out, what)) print_message("not '%s' but: %s\n", what, out);
    assert_non_null(strstr(out, what));
}

static void test_an_address_that_is_taken(void **state) {
    (void)state;
    server first;
    hd_loop *second;
    hd_loop_params params = serve_params(handle);
    serve_start(&first, &params);
    params.port = first.port;
    assert_int_equal(hd_loop_open(&params, &second), HEED_BUSY);
    params.join = true; // unless it is one of ours
    assert_int_equal(hd_loop_open(&params, &second), HEED_OK);
    assert_int_equal(hd_loop_port(second), first.port);
    hd_loop_close(second);
    serve_stop(&first);
    params.join = false;
    params.host = "no.such.name";
    assert_int_equal(hd_loop_open(&params, &second), HEED_INPUT);
    params.host = "192.0.2.1"; // an address of nobody's
    assert_int_equal(hd_loop_open(&params, &second), HEED_UNAVAILABLE);
}

static void test_both_families_and_a_name(void **state) {
    (void)state;
    static const char *const hosts[] = {"::1", "localhost"};
    for (size_t i = 0; i < 2; i++) {
        hd_loop *loop;
        hd_loop_params params = serve_params(handle);
        params.host = hosts[i];
        if (hd_loop_open(&params, &loop) != HEED_OK && i == 0) continue; // no IPv6 here
        assert_true(hd_loop_port(loop) > 0);
        hd_loop_close(loop);
    }
}

// ── The socket in the file system ──

static char folder[] = "/tmp/heed-accept-XXXXXX";
static char path[64];

static int make_folder(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/heed.sock", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    return hd_fs_remove(folder) == HEED_OK ? 0 : -1;
}

static int dial_path(void) {
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void test_a_socket_that_is_the_owners_alone(void **state) {
    (void)state;
    server s;
    hd_loop_params params = serve_params(handle);
    params.unix_path = path;
    serve_start(&s, &params);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    int fd = dial_path();
    char expected[128];
    snprintf(expected, sizeof expected, "from local local 1 uid %u pid %d", getuid(), getpid());
    client_say(fd, ask, sizeof ask - 1);
    hear(fd, expected);
    close(fd);
    fd = client_dial(s.port); // and the other way in still stands
    client_say(fd, ask, sizeof ask - 1);
    hear(fd, "from 127.0.0.1 local 0 uid 0 pid 0");
    close(fd);
    hd_loop *second;
    params.host = NULL;
    assert_int_equal(hd_loop_open(&params, &second), HEED_BUSY); // somebody listens there
    serve_stop(&s);
    assert_int_not_equal(stat(path, &st), 0);
}

static void test_a_socket_left_by_the_dead_is_replaced(void **state) {
    (void)state;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof to), 0);
    close(fd);
    server s;
    hd_loop_params params = serve_params(handle);
    params.host = NULL;
    params.unix_path = path;
    serve_start(&s, &params);
    assert_int_equal(s.port, 0);
    fd = dial_path();
    client_say(fd, ask, sizeof ask - 1);
    hear(fd, "local 1");
    close(fd);
    serve_stop(&s);
}

static void test_other_things_in_its_place_stay(void **state) {
    (void)state;
    hd_loop *loop;
    hd_loop_params params = serve_params(handle);
    params.host = NULL;
    params.unix_path = path;
    assert_int_equal(hd_fs_write(path, "precious", 8, 0600), HEED_OK);
    assert_int_equal(hd_loop_open(&params, &loop), HEED_CONFLICT);
    assert_true(hd_fs_exists(path));
    assert_int_equal(hd_fs_remove(path), HEED_OK);
    char far[256];
    snprintf(far, sizeof far, "%s/%0200d", folder, 0);
    params.unix_path = far;
    assert_int_equal(hd_loop_open(&params, &loop), HEED_INPUT);
    snprintf(far, sizeof far, "%s/none/heed.sock", folder);
    assert_int_not_equal(hd_loop_open(&params, &loop), HEED_OK);
}

// ── Limits ──

static void test_one_address_has_its_share(void **state) {
    (void)state;
    server s;
    hd_loop_params params = serve_params(handle);
    params.max_per_address = 3;
    serve_start(&s, &params);
    int fds[5];
    for (int i = 0; i < 5; i++) {
        fds[i] = client_dial(s.port);
        client_say(fds[i], ask, sizeof ask - 1);
        hear(fds[i], "127.0.0.1");
    }
    serve_wait(&s, evicted, 2); // the oldest of the same address made room
    char out[64];
    int closed;
    assert_int_equal(client_hear(fds[0], out, sizeof out, NULL, &closed), 0);
    assert_true(closed);
    client_say(fds[4], ask, sizeof ask - 1);
    hear(fds[4], "127.0.0.1");
    for (int i = 0; i < 5; i++) close(fds[i]);
    serve_stop(&s);
}

static void test_when_all_are_being_answered_newcomers_are_told(void **state) {
    (void)state;
    server s;
    hd_loop_params params = serve_params(hold);
    params.max_connections = 4;
    serve_start(&s, &params);
    int busy[4], late[6];
    for (int i = 0; i < 4; i++) {
        busy[i] = client_dial(s.port);
        client_say(busy[i], ask, sizeof ask - 1);
    }
    serve_wait(&s, requests, 4);
    for (int i = 0; i < 6; i++) {
        late[i] = client_dial(s.port);
        hear(late[i], "HTTP/1.1 503 ");
        assert_true(hd_loop_count(s.loop).open <= 5); // one more to be told, never a crowd
    }
    assert_int_equal(hd_loop_count(s.loop).turned_away, 6);
    for (int i = 0; i < 4; i++) close(busy[i]);
    for (int i = 0; i < 6; i++) close(late[i]);
    serve_stop(&s);
}

// All descriptors but a few are taken; more clients come than fit. The loop neither spins nor dies,
// and serves again when there is room.
static void test_running_out_of_descriptors(void **state) {
    (void)state;
    struct rlimit before, tight;
    server s;
    hd_loop_params params = serve_params(handle);
    params.max_connections = 1000;
    serve_start(&s, &params);
    int clients[20], filler[512], n_filler = 0;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 0; i < 20; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_true(clients[i] >= 0);
    }
    tight = before;
    tight.rlim_cur = 256;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    while (n_filler < 512 && (filler[n_filler] = open("/dev/null", O_RDONLY)) >= 0) n_filler++;
    for (int i = 0; i < 4; i++) close(filler[--n_filler]); // room for four
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)s.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 0; i < 20; i++) {
        assert_int_equal(connect(clients[i], (struct sockaddr *)&to, sizeof to), 0);
        client_say(clients[i], ask_last, sizeof ask_last - 1);
    }
    int ended = 0;
    for (int i = 0; i < 20; i++) { // each is answered or hung up on, none is left waiting
        struct pollfd wait = {.fd = clients[i], .events = POLLIN};
        ended += poll(&wait, 1, 20000) == 1;
        close(clients[i]);
    }
    assert_int_equal(ended, 20);
    while (n_filler > 0) close(filler[--n_filler]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    int fd = client_dial(s.port);
    client_say(fd, ask, sizeof ask - 1);
    hear(fd, "127.0.0.1");
    close(fd);
    serve_stop(&s);
}

static void test_more_connections_than_files_are_not_promised(void **state) {
    (void)state;
    struct rlimit before, tight;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    tight = before;
    tight.rlim_cur = 200;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    server s;
    hd_loop_params params = serve_params(handle);
    params.max_connections = 100000;
    serve_start(&s, &params);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    int fds[150];
    for (int i = 0; i < 150; i++) fds[i] = client_dial(s.port);
    serve_wait(&s, accepted, 150);
    assert_true(hd_loop_count(s.loop).evicted >= 14); // 136 of 200 are for clients
    for (int i = 0; i < 150; i++) close(fds[i]);
    serve_stop(&s);
}

static void test_a_failing_allocation_while_opening(void **state) {
    (void)state;
    hd_loop_params params = serve_params(handle);
    params.unix_path = path;
    heed_err err = HEED_MEMORY;
    for (uint64_t n = 1; err != HEED_OK; n++) {
        hd_loop *loop = NULL;
        hd_mem_fail_at(n, true);
        err = hd_loop_open(&params, &loop);
        hd_mem_fail_at(0, false);
        if (err != HEED_OK) assert_int_equal(err, HEED_MEMORY);
        hd_loop_close(loop);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_address_that_is_taken),
        cmocka_unit_test(test_both_families_and_a_name),
        cmocka_unit_test(test_a_socket_that_is_the_owners_alone),
        cmocka_unit_test(test_a_socket_left_by_the_dead_is_replaced),
        cmocka_unit_test(test_other_things_in_its_place_stay),
        cmocka_unit_test(test_one_address_has_its_share),
        cmocka_unit_test(test_when_all_are_being_answered_newcomers_are_told),
        cmocka_unit_test(test_running_out_of_descriptors),
        cmocka_unit_test(test_more_connections_than_files_are_not_promised),
        cmocka_unit_test(test_a_failing_allocation_while_opening),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
