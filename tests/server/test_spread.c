// SPDX-License-Identifier: Apache-2.0
//
// Several loops on one address: connections are spread evenly, wherever the kernel put them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "server/loop.h"

enum { LOOPS = 3, CLIENTS = 30 };

typedef struct group {
    hd_loop *loops[LOOPS];
    pthread_t threads[LOOPS];
    int number[LOOPS];
} group;

static void handle(void *ctx, hd_exchange *exchange) {
    char body[2] = {(char)('0' + *(int *)ctx), '\0'};
    const char *address = hd_exchange_address(exchange);
    if (strcmp(address, "127.0.0.1") != 0) body[0] = '?';
    hd_exchange_reply(exchange, 200, NULL, "text/plain", body, 1);
}

static void *run_loop(void *arg) {
    assert_int_equal(hd_loop_run(arg, 500), HEED_OK);
    return NULL;
}

static int start(void **state) {
    static group g;
    g = (group){0};
    for (int i = 0; i < LOOPS; i++) {
        g.number[i] = i;
        const hd_loop_params params = {.host = "127.0.0.1",
                                       .port = i ? hd_loop_port(g.loops[0]) : 0,
                                       .join = i > 0,
                                       .group = g.loops,
                                       .n_group = LOOPS,
                                       .limits = {.head = 4096, .target = 1024, .body = 4096},
                                       .max_connections = CLIENTS,
                                       .head_ms = 5000,
                                       .body_ms = 5000,
                                       .idle_ms = 5000,
                                       .write_ms = 5000,
                                       .handle = handle,
                                       .ctx = &g.number[i]};
        if (hd_loop_open(&params, &g.loops[i]) != HEED_OK) return -1;
    }
    for (int i = 0; i < LOOPS; i++) {
        if (pthread_create(&g.threads[i], NULL, run_loop, g.loops[i]) != 0) return -1;
    }
    *state = &g;
    return 0;
}

static int stop(void **state) {
    group *g = *state;
    for (int i = 0; i < LOOPS; i++) hd_loop_stop(g->loops[i]);
    for (int i = 0; i < LOOPS; i++) pthread_join(g->threads[i], NULL);
    for (int i = 0; i < LOOPS; i++) hd_loop_close(g->loops[i]);
    return 0;
}

static int dial(const group *g) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)hd_loop_port(g->loops[0])),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    struct timeval patience = {.tv_sec = 5};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

// Asks once; returns the loop that answered, or -1 when it hung up.
static int ask(int fd) {
    static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    char out[1024];
    size_t n = 0;
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0) return -1;
    for (;;) {
        ssize_t got = recv(fd, out + n, sizeof out - 1 - n, 0);
        if (got <= 0) return -1;
        n += (size_t)got;
        out[n] = '\0';
        const char *end = strstr(out, "\r\n\r\n");
        if (end && end[4]) return end[4] - '0';
    }
}

static void test_connections_are_spread_evenly(void **state) {
    const group *g = *state;
    int fd[CLIENTS], at[CLIENTS], n_at[LOOPS] = {0};
    for (int c = 0; c < CLIENTS; c++) {
        fd[c] = dial(g);
        at[c] = ask(fd[c]);
        assert_in_range(at[c], 0, LOOPS - 1);
        n_at[at[c]]++;
        // however the kernel's hash falls, at no time has one loop two more than another
        for (int i = 0; i < LOOPS; i++)
            for (int j = 0; j < LOOPS; j++) assert_true(n_at[i] <= n_at[j] + 1);
    }
    for (int i = 0; i < LOOPS; i++) {
        hd_loop_counts counts = hd_loop_count(g->loops[i]);
        assert_int_equal(counts.open, CLIENTS / LOOPS);
        assert_int_equal(counts.accepted, CLIENTS / LOOPS);
        assert_int_equal(counts.turned_away, 0);
    }
    for (int c = 0; c < CLIENTS; c++) { // a connection stays where it is
        assert_int_equal(ask(fd[c]), at[c]);
        close(fd[c]);
    }
}

// All at once: nobody is lost, and none is far from its share.
static void test_a_rush_is_spread(void **state) {
    const group *g = *state;
    int fd[CLIENTS], n_at[LOOPS] = {0};
    for (int c = 0; c < CLIENTS; c++) fd[c] = dial(g);
    for (int c = 0; c < CLIENTS; c++) {
        int at = ask(fd[c]);
        assert_in_range(at, 0, LOOPS - 1);
        n_at[at]++;
    }
    for (int i = 0; i < LOOPS; i++) assert_in_range(n_at[i], CLIENTS / LOOPS / 2, CLIENTS / 2);
    for (int c = 0; c < CLIENTS; c++) close(fd[c]);
}

// Without memory a newcomer is turned away, by a loop or by the one it was handed to, and the next
// is served.
static void test_without_memory_the_next_is_served(void **state) {
    const group *g = *state;
    for (uint64_t n = 1; n <= 12; n++) {
        int fd[4];
        hd_mem_fail_at(n, true);
        for (int c = 0; c < 4; c++) {
            fd[c] = dial(g);
            (void)ask(fd[c]);
        }
        hd_mem_fail_at(0, false);
        int next = dial(g);
        assert_in_range(ask(next), 0, LOOPS - 1);
        close(next);
        for (int c = 0; c < 4; c++) close(fd[c]);
    }
}

// The group ends while connections come: none is left open (the client's end sees it), none leaks.
static void test_it_ends_in_a_rush(void **state) {
    const group *g = *state;
    int fd[CLIENTS];
    for (int c = 0; c < CLIENTS; c++) fd[c] = dial(g);
    stop(state);
    for (int c = 0; c < CLIENTS; c++) {
        char byte;
        assert_true(recv(fd[c], &byte, 1, 0) <= 0);
        close(fd[c]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_connections_are_spread_evenly, start, stop),
        cmocka_unit_test_setup_teardown(test_a_rush_is_spread, start, stop),
        cmocka_unit_test_setup_teardown(test_without_memory_the_next_is_served, start, stop),
        cmocka_unit_test_setup(test_it_ends_in_a_rush, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
