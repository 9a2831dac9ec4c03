// SPDX-License-Identifier: Apache-2.0
//
// The event loop against real sockets: pipelining, refusals that close, eviction, answers from
// other threads, streams, draining.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "server/loop.h"

typedef struct bench {
    hd_loop *loop;
    pthread_t thread;
    int port;
} bench;

typedef struct late_answer {
    hd_exchange *exchange;
    pthread_t thread;
} late_answer;

static void reply_late(void *arg, hd_exchange *exchange) {
    if (exchange) hd_exchange_reply(exchange, 200, NULL, "text/plain", "late", 4);
    hd_free(arg);
}

static void *answer_elsewhere(void *arg) {
    late_answer *late = arg;
    pthread_detach(pthread_self());
    hd_exchange_post(late->exchange, reply_late, late);
    return NULL;
}

// "/late" is answered from another thread, "/stream" in pieces; else the path and the body come
// back.
static void handle(void *ctx, hd_exchange *exchange) {
    (void)ctx;
    const hd_http_request *r = hd_exchange_request(exchange);
    if (hd_slice_eq(r->path, "/late")) {
        late_answer *late = hd_alloc(sizeof *late);
        late->exchange = exchange;
        hd_exchange_hold(exchange);
        pthread_create(&late->thread, NULL, answer_elsewhere, late);
    } else if (hd_slice_eq(r->path, "/stream")) {
        hd_exchange_stream(exchange, 200, NULL, "text/event-stream");
        hd_exchange_send(exchange, "data: 1\n\n", 9);
        hd_exchange_send(exchange, "data: 2\n\n", 9);
        hd_exchange_end(exchange);
    } else {
        hd_str body;
        hd_str_init(&body);
        hd_str_addn(&body, r->path.p, r->path.n);
        hd_str_addn(&body, r->body.p, r->body.n);
        hd_exchange_reply(exchange, 200, "X-Test: 1\r\n", "text/plain", hd_str_get(&body),
                          body.len);
        hd_str_clear(&body);
    }
}

static void *run_loop(void *arg) {
    bench *b = arg;
    assert_int_equal(hd_loop_run(b->loop, 500), HEED_OK);
    return NULL;
}

static int start(void **state) {
    static bench b;
    hd_loop_params params = {.host = "127.0.0.1",
                             .limits = {.head = 4096, .target = 1024, .body = 1 << 20},
                             .max_connections = 8,
                             .head_ms = 1000,
                             .body_ms = 5000,
                             .idle_ms = 5000,
                             .write_ms = 2000,
                             .handle = handle};
    if (hd_loop_open(&params, &b.loop) != HEED_OK) return -1;
    b.port = hd_loop_port(b.loop);
    *state = &b;
    return pthread_create(&b.thread, NULL, run_loop, &b);
}

static int stop(void **state) {
    bench *b = *state;
    hd_loop_stop(b->loop);
    pthread_join(b->thread, NULL);
    hd_loop_close(b->loop);
    return 0;
}

static int dial(const bench *b) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)b->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    struct timeval patience = {.tv_sec = 5};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static void say(int fd, const char *text) {
    size_t n = strlen(text);
    while (n > 0) {
        ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);
        assert_true(sent > 0);
        text += sent;
        n -= (size_t)sent;
    }
}

// Reads until the other side hangs up, or until `until` was seen.
static size_t hear(int fd, char *out, size_t size, const char *until) {
    size_t n = 0;
    out[0] = '\0';
    while (n + 1 < size && !(until && strstr(out, until))) {
        ssize_t got = recv(fd, out + n, size - 1 - n, 0);
        if (got <= 0) break;
        n += (size_t)got;
        out[n] = '\0';
    }
    return n;
}

static size_t count(const char *text, const char *what) {
    size_t n = 0;
    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what)) n++;
    return n;
}

static void test_requests_sent_ahead_are_answered_in_order(void **state) {
    int fd = dial(*state);
    char out[65536];
    char ask[64];
    for (int i = 0; i < 50; i++) {
        snprintf(ask, sizeof ask, "GET /n%02d HTTP/1.1\r\nHost: h\r\n%s\r\n", i,
                 i == 49 ? "Connection: close\r\n" : "");
        say(fd, ask);
    }
    hear(fd, out, sizeof out, NULL);
    assert_int_equal(count(out, "HTTP/1.1 200 OK\r\n"), 50);
    const char *at = out;
    for (int i = 0; i < 50; i++) {
        snprintf(ask, sizeof ask, "\r\n\r\n/n%02d", i);
        at = strstr(at, ask);
        assert_non_null(at);
    }
    close(fd);
}

static void test_what_is_in_doubt_closes_the_connection(void **state) {
    int fd = dial(*state);
    char out[4096];
    say(fd,
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n");
    hear(fd, out, sizeof out, NULL);
    assert_int_equal(count(out, "HTTP/1.1 400"), 1);
    assert_int_equal(count(out, "Connection: close"), 1);
    assert_int_equal(count(out, "smuggled"), 0);
    close(fd);
    fd = dial(*state); // and the next one is served
    say(fd, "GET /next HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    hear(fd, out, sizeof out, NULL);
    assert_int_equal(count(out, "/next"), 1);
    close(fd);
}

static void test_a_large_body_comes_back_whole(void **state) {
    int fd = dial(*state);
    enum { SIZE = 600000 };
    char *body = hd_calloc(SIZE + 1, 1);
    char *out = hd_calloc(SIZE + 4096, 1);
    memset(body, 'x', SIZE);
    say(fd,
        "POST /big HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 600000\r\nConnection: close\r\n\r\n");
    hear(fd, out, 4096, "100 Continue\r\n\r\n");
    say(fd, body);
    size_t n = hear(fd, out, SIZE + 4096, NULL);
    assert_true(n > SIZE);
    assert_memory_equal(out + n - SIZE, body, SIZE);
    hd_free(body);
    hd_free(out);
    close(fd);
}

static void test_an_answer_from_another_thread(void **state) {
    for (int i = 0; i < 20; i++) {
        int fd = dial(*state);
        char out[4096];
        say(fd, "GET /late HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        if (i % 2 == 0) { // the other half hangs up before the answer
            hear(fd, out, sizeof out, NULL);
            assert_int_equal(count(out, "\r\n\r\nlate"), 1);
        }
        close(fd);
    }
}

static void test_a_stream_ends_with_its_connection(void **state) {
    int fd = dial(*state);
    char out[4096];
    say(fd, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    hear(fd, out, sizeof out, NULL);
    assert_int_equal(count(out, "data: "), 2);
    assert_int_equal(count(out, "Content-Length"), 0);
    close(fd);
}

static void test_slow_senders_make_room(void **state) {
    int slow[12];
    char out[4096];
    for (size_t i = 0; i < 12; i++) { // more than the limit of 8
        slow[i] = dial(*state);
        say(slow[i], "GET / HTTP/1.1\r\n");
    }
    int fd = dial(*state);
    say(fd, "GET /quick HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    hear(fd, out, sizeof out, NULL);
    assert_int_equal(count(out, "/quick"), 1);
    close(fd);
    // Those that weren't evicted run out of time.
    size_t told = 0;
    for (size_t i = 0; i < 12; i++) {
        hear(slow[i], out, sizeof out, NULL);
        told += count(out, "HTTP/1.1 408");
    }
    assert_in_range(told, 1, 8);
    for (size_t i = 0; i < 12; i++) close(slow[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_sent_ahead_are_answered_in_order),
        cmocka_unit_test(test_what_is_in_doubt_closes_the_connection),
        cmocka_unit_test(test_a_large_body_comes_back_whole),
        cmocka_unit_test(test_an_answer_from_another_thread),
        cmocka_unit_test(test_a_stream_ends_with_its_connection),
        cmocka_unit_test(test_slow_senders_make_room),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
