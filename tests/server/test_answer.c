// SPDX-License-Identifier: Apache-2.0
//
// Answers and streams: their heads, clients that don't read, silence, many holds at once, what time
// ends, and what becomes of it all when the server stops.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "serve.h"

static void say_request(int fd, const char *method, const char *path) {
    char text[256];
    int n = snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: h\r\n\r\n", method, path);
    client_say(fd, text, (size_t)n);
}

enum { LARGE = 8 << 20 };

// ── A handler with a bit of everything ──

typedef struct helper {
    pthread_t thread;
    hd_exchange *exchange;
    int n;
} helper;

static void send_piece(void *arg, hd_exchange *exchange) {
    (void)arg;
    if (exchange) hd_exchange_send(exchange, "data: p\n\n", 9);
}

static void end_stream(void *arg, hd_exchange *exchange) {
    (void)arg;
    if (exchange) hd_exchange_end(exchange);
}

static void *post_pieces(void *arg) {
    helper *h = arg;
    pthread_detach(pthread_self());
    for (int i = 0; i < h->n; i++) hd_exchange_post(h->exchange, send_piece, NULL);
    hd_exchange_post(h->exchange, end_stream, NULL);
    hd_free(h);
    return NULL;
}

static void stream_from_elsewhere(hd_exchange *exchange) {
    helper *h = hd_alloc(sizeof *h);
    *h = (helper){.exchange = exchange, .n = 10};
    hd_exchange_stream(exchange, 200, NULL, "text/event-stream");
    for (int i = 0; i < h->n + 1; i++) assert_true(hd_exchange_hold(exchange));
    pthread_create(&h->thread, NULL, post_pieces, h);
}

// Sends until the client is hung up on, or nothing more fits.
static void flood(hd_exchange *exchange) {
    char piece[4096];
    memset(piece, 'x', sizeof piece);
    hd_exchange_stream(exchange, 200, NULL, "text/event-stream");
    for (int i = 0; i < 100000 && !hd_exchange_gone(exchange); i++) {
        assert_true(hd_exchange_queued(exchange) <= 200000);
        hd_exchange_send(exchange, piece, sizeof piece);
    }
    assert_true(hd_exchange_gone(exchange));
}

static void reply_large(hd_exchange *exchange) {
    char *body = hd_calloc(1, LARGE);
    memset(body, 'x', LARGE);
    hd_exchange_reply(exchange, 200, NULL, "text/plain", body, LARGE);
    hd_free(body);
}

static void handle(void *ctx, hd_exchange *exchange) {
    (void)ctx;
    hd_slice path = hd_exchange_request(exchange)->path;
    if (hd_slice_eq(path, "/elsewhere")) {
        stream_from_elsewhere(exchange);
    } else if (hd_slice_eq(path, "/flood")) {
        flood(exchange);
    } else if (hd_slice_eq(path, "/large")) {
        reply_large(exchange);
    } else if (hd_slice_eq(path, "/quiet")) {
        hd_exchange_stream(exchange, 200, "Cache-Control: no-store\r\n", "text/event-stream");
    } else if (hd_slice_eq(path, "/never")) {
        if (!hd_exchange_hold(exchange)) abort();
    } else if (hd_slice_eq(path, "/empty")) {
        hd_exchange_reply(exchange, 204, NULL, NULL, NULL, 0);
    } else if (hd_slice_eq(path, "/last")) {
        hd_exchange_last(exchange);
        hd_exchange_reply(exchange, 200, NULL, "text/plain", "last", 4);
    } else if (hd_slice_eq(path, "/twice")) {
        hd_exchange_reply(exchange, 200, NULL, "text/plain", "once", 4);
        hd_exchange_reply(exchange, 500, NULL, "text/plain", "twice", 5);
        hd_exchange_stream(exchange, 500, NULL, "text/plain");
        hd_exchange_send(exchange, "thrice", 6);
        hd_exchange_end(exchange);
    } else {
        hd_exchange_reply(exchange, 200, "X-A: 1\r\n", "text/plain", "body", 4);
    }
}

static int ask(const server *s, const char *method, const char *path, char *out, size_t size,
               const char *until, int *closed) {
    int fd = client_dial(s->port);
    say_request(fd, method, path);
    client_hear(fd, out, size, until, closed);
    return fd;
}

// ── Heads ──

static void test_heads(void **state) {
    (void)state;
    server s;
    hd_loop_params params = serve_params(handle);
    serve_start(&s, &params);
    char out[4096];
    int closed, fd = ask(&s, "GET", "/", out, sizeof out, "body", NULL);
    assert_non_null(strstr(out, "HTTP/1.1 200 OK\r\nDate: "));
    assert_non_null(
        strstr(out, " GMT\r\nContent-Type: text/plain\r\nContent-Length: 4\r\nX-A: 1\r\n\r\nbody"));
    say_request(fd, "HEAD", "/");
    client_hear(fd, out, sizeof out, "\r\n\r\n", NULL);
    assert_non_null(strstr(out, "Content-Length: 4\r\n"));
    say_request(fd, "GET", "/empty");
    client_hear(fd, out, sizeof out, "\r\n\r\n", NULL);
    assert_int_equal(strncmp(out, "HTTP/1.1 204 No Content\r\n", 25), 0); // no body of HEAD between
    assert_null(strstr(out, "Content-Length"));
    say_request(fd, "GET", "/last");
    client_hear(fd, out, sizeof out, NULL, &closed);
    assert_non_null(strstr(out, "Connection: close\r\n"));
    assert_true(closed);
    close(fd);
    fd = ask(&s, "GET", "/twice", out, sizeof out, "once", NULL);
    say_request(fd, "GET", "/last");
    client_hear(fd, out, sizeof out, NULL, NULL);
    assert_int_equal(client_count(out, "HTTP/1.1 "), 1); // the next answer is the next request's
    assert_int_equal(client_count(out, "last"), 1);
    close(fd);
    fd = ask(&s, "HEAD", "/elsewhere", out, sizeof out, NULL, &closed);
    assert_null(strstr(out, "data:"));
    close(fd);
    serve_stop(&s);
}

// ── Streams ──

static void test_pieces_from_another_thread(void **state) {
    (void)state;
    server s;
    hd_loop_params params = serve_params(handle);
    serve_start(&s, &params);
    char out[4096];
    int fd = ask(&s, "GET", "/elsewhere", out, sizeof out, NULL, NULL);
    assert_int_equal(client_count(out, "data: p\n\n"), 10);
    close(fd);
    for (int i = 0; i < 10; i++) { // and while clients hang up
        fd = client_dial(s.port);
        say_request(fd, "GET", "/elsewhere");
        close(fd);
    }
    serve_wait(&s, open, 0);
    serve_stop(&s);
}

static void test_a_stream_nobody_reads_ends(void **state) {
    (void)state;
    server s;
    hd_loop_params params = serve_params(handle);
    params.max_queued = 200000;
    serve_start(&s, &params);
    int fd = client_dial(s.port);
    say_request(fd, "GET", "/flood");
    serve_wait(&s, stalled, 1);
    close(fd);
    serve_stop(&s);
}

static void test_silence_is_filled_with_comments(void **state) {
    (void)state;
    server s;
    hd_loop_params params = serve_params(handle);
    params.stream_ms = 50;
    serve_start(&s, &params);
    char out[4096];
    int fd = ask(&s, "GET", "/quiet", out, sizeof out, "\r\n\r\n:\n\n:\n\n", NULL);
    assert_non_null(strstr(out, "\r\n\r\n:\n\n:\n\n"));
    assert_int_equal(hd_loop_count(s.loop).open, 1);
    close(fd);
    serve_wait(&s, open, 0); // it shows that the client has gone
    serve_stop(&s);
}

// ── Time ──

static void test_an_answer_nobody_reads_ends(void **state) {
    (void)state;
    server s;
    hd_loop_params params = serve_params(handle);
    params.write_ms = 300;
    serve_start(&s, &params);
    int fd = client_dial(s.port);
    say_request(fd, "GET", "/large");
    serve_wait(&s, timed_out, 1);
    close(fd);
    serve_stop(&s);
}

static void test_a_large_answer_that_is_read_comes_whole(void **state) {
    (void)state;
    server s;
    hd_loop_params params = serve_params(handle);
    serve_start(&s, &params);
    int fd = client_dial(s.port);
    say_request(fd, "GET", "/large");
    char *buffer = hd_alloc(LARGE + 4096);
    size_t n = 0;
    while (n < LARGE) {
        ssize_t got = recv(fd, buffer + n, LARGE + 4096 - n, 0);
        assert_true(got > 0);
        n += (size_t)got;
    }
    hd_free(buffer);
    close(fd);
    serve_stop(&s);
}

static void test_heads_bodies_and_silence_run_out(void **state) {
    (void)state;
    server s;
    hd_loop_params params = serve_params(handle);
    params.head_ms = params.body_ms = params.idle_ms = 200;
    serve_start(&s, &params);
    static const struct {
        const char *bytes, *answer;
    } rows[] = {
        {"", ""},
        {"GET / HT", "HTTP/1.1 408 "},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab", "HTTP/1.1 408 "},
        {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
         "HTTP/1.1 408 "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[4096];
        int closed, fd = client_dial(s.port);
        client_say(fd, rows[i].bytes, strlen(rows[i].bytes));
        client_hear(fd, out, sizeof out, NULL, &closed);
        assert_true(closed);
        assert_int_equal(strncmp(out, rows[i].answer, strlen(rows[i].answer)), 0);
        close(fd);
    }
    assert_int_equal(hd_loop_count(s.loop).timed_out, 3);
    serve_stop(&s);
}

// ── Refusals in the program's own words ──

static void in_own_words(void *ctx, int status, const char *reason, hd_str *body,
                         const char **type) {
    (void)ctx;
    hd_str_addf(body, "{\"status\": %d, \"detail\": \"%s\"}", status, reason);
    *type = "application/problem+json";
}

static void test_refusals_in_own_words(void **state) {
    (void)state;
    server s;
    hd_loop_params params = serve_params(handle);
    params.refused = in_own_words;
    serve_start(&s, &params);
    char out[4096];
    int fd = ask(&s, "GET", "nonsense", out, sizeof out, NULL, NULL);
    assert_non_null(strstr(out, "Content-Type: application/problem+json\r\n"));
    assert_non_null(strstr(out, "{\"status\": 400, \"detail\": \"the target"));
    close(fd);
    serve_stop(&s);
}

// ── The end ──

static void test_stopping_lets_answers_end_and_streams_go(void **state) {
    (void)state;
    server s;
    hd_loop_params params = serve_params(handle);
    serve_start(&s, &params);
    char out[4096];
    int closed;
    int idle = ask(&s, "GET", "/", out, sizeof out, "body", NULL);
    int quiet = ask(&s, "GET", "/quiet", out, sizeof out, "\r\n\r\n", NULL);
    int never = client_dial(s.port);
    say_request(never, "GET", "/never");
    serve_wait(&s, requests, 3);
    serve_stop(&s); // the one that never answers is given up when the time is over
    client_hear(idle, out, sizeof out, NULL, &closed);
    assert_true(closed);
    client_hear(quiet, out, sizeof out, NULL, &closed);
    assert_true(closed);
    client_hear(never, out, sizeof out, NULL, &closed);
    assert_true(closed);
    close(idle);
    close(quiet);
    close(never);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_pieces_from_another_thread),
        cmocka_unit_test(test_a_stream_nobody_reads_ends),
        cmocka_unit_test(test_silence_is_filled_with_comments),
        cmocka_unit_test(test_an_answer_nobody_reads_ends),
        cmocka_unit_test(test_a_large_answer_that_is_read_comes_whole),
        cmocka_unit_test(test_heads_bodies_and_silence_run_out),
        cmocka_unit_test(test_refusals_in_own_words),
        cmocka_unit_test(test_stopping_lets_answers_end_and_streams_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
