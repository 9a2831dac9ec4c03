// SPDX-License-Identifier: Apache-2.0
//
// Every case of hostile.h, to the parser in two pieces split at each byte, and over a real socket
// followed by a second request: it is answered as it should be, what is refused closes the
// connection and lets nothing of the second one through, and the next client is served.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "client.h"
#include "hostile.h"
#include "server/loop.h"

static const hd_http_limits limits = {.head = 4096, .target = 1024, .body = 65536};
static hd_loop *loop;
static pthread_t thread;

static char *bytes_of(const hostile_case *c, size_t *n) {
    *n = hostile_size(c);
    char *bytes = hd_alloc(*n);
    hostile_write(c, bytes);
    return bytes;
}

// ── The parser ──

static int feed_in_two(hd_http_parser *p, const char *bytes, size_t n, size_t split) {
    size_t at = 0;
    while (at < n && p->state != HD_HTTP_DONE && p->state != HD_HTTP_REFUSED) {
        size_t used, end = at < split ? split : n;
        assert_int_equal(hd_http_feed(p, bytes + at, end - at, &used), HEED_OK);
        hd_http_accept(p);
        at += used;
    }
    return p->state == HD_HTTP_DONE ? 200 : p->state == HD_HTTP_REFUSED ? p->status : -1;
}

static void test_no_split_changes_what_is_read(void **state) {
    (void)state;
    for (size_t i = 0; i < N_HOSTILE; i++) {
        const hostile_case *c = &hostile_cases[i];
        size_t n;
        char *bytes = bytes_of(c, &n);
        // Of the long ones, each byte of the beginning and every 61st after it.
        for (size_t split = 1; split <= n; split += split < 400 ? 1 : 61) {
            hd_http_parser p;
            hd_http_init(&p, limits);
            int got = feed_in_two(&p, bytes, n, split);
            if (got != c->status)
                print_message("%s, split at %zu: %s\n", c->name, split, p.reason ? p.reason : "");
            assert_int_equal(got, c->status);
            if (c->body) {
                assert_int_equal(p.request.body.n, strlen(c->body));
                assert_memory_equal(p.request.body.p, c->body, strlen(c->body));
            }
            hd_http_clear(&p);
        }
        hd_free(bytes);
    }
}

// ── The wire ──

static void handle(void *ctx, hd_exchange *exchange) {
    (void)ctx;
    const hd_http_request *r = hd_exchange_request(exchange);
    hd_str text;
    hd_str_init(&text);
    hd_str_addf(&text, "<%.*s %zu>", (int)r->path.n, r->path.p, r->body_size);
    hd_exchange_reply(exchange, 200, NULL, "text/plain", hd_str_get(&text), text.len);
    hd_str_clear(&text);
}

static void *run(void *arg) {
    (void)arg;
    return hd_loop_run(loop, 500) == HEED_OK ? NULL : loop;
}

static int start(void **state) {
    (void)state;
    hd_loop_params params = {.host = "127.0.0.1",
                             .limits = limits,
                             .max_connections = 64,
                             .head_ms = 10000,
                             .body_ms = 10000,
                             .idle_ms = 10000,
                             .write_ms = 10000,
                             .handle = handle};
    if (hd_loop_open(&params, &loop) != HEED_OK) return -1;
    return pthread_create(&thread, NULL, run, NULL);
}

static int stop(void **state) {
    (void)state;
    void *failed;
    hd_loop_stop(loop);
    pthread_join(thread, &failed);
    hd_loop_close(loop);
    return failed ? -1 : 0;
}

static const char second[] = "GET /second HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

static void check_answer(const hostile_case *c, const char *out, int closed) {
    char line[32];
    snprintf(line, sizeof line, "HTTP/1.1 %d ", c->status);
    bool good = strncmp(out, line, strlen(line)) == 0 && closed;
    if (c->status == 200)
        good = good && client_count(out, "HTTP/1.1 200 ") == 2 &&
               client_count(out, "</second 0>") == 1;
    else
        good = good && client_count(out, "HTTP/1.1 ") == 1 && strstr(out, "Connection: close");
    if (!good) print_message("%s: %s\n", c->name, out);
    assert_true(good);
}

static void say_in_steps(int fd, const char *bytes, size_t n, size_t step) {
    for (size_t at = 0; at < n; at += step)
        client_say(fd, bytes + at, n - at < step ? n - at : step);
}

static void try_case(const hostile_case *c, size_t step) {
    size_t n;
    char out[8192];
    char *bytes = bytes_of(c, &n);
    int closed, fd = client_dial(hd_loop_port(loop));
    assert_true(fd >= 0);
    say_in_steps(fd, bytes, n, step ? step : n);
    client_say(fd, second, sizeof second - 1);
    client_hear(fd, out, sizeof out, NULL, &closed);
    check_answer(c, out, closed);
    close(fd);
    fd = client_dial(hd_loop_port(loop)); // and the next client is served
    client_say(fd, second, sizeof second - 1);
    client_hear(fd, out, sizeof out, NULL, &closed);
    assert_int_equal(client_count(out, "</second 0>"), 1);
    close(fd);
    hd_free(bytes);
}

static void test_over_the_wire_in_one_piece(void **state) {
    (void)state;
    for (size_t i = 0; i < N_HOSTILE; i++) try_case(&hostile_cases[i], 0);
}

static void test_over_the_wire_in_small_pieces(void **state) {
    (void)state;
    for (size_t i = 0; i < N_HOSTILE; i++) {
        if (hostile_size(&hostile_cases[i]) < 1000) try_case(&hostile_cases[i], 7);
    }
}

static void test_what_is_cut_short_is_no_request(void **state) {
    (void)state;
    static const char whole[] = POST "Content-Length: 10\r\n\r\n012345678";
    uint64_t before = hd_loop_count(loop).requests;
    for (size_t n = 1; n < sizeof whole; n += 3) {
        char out[4096];
        int closed, fd = client_dial(hd_loop_port(loop));
        client_say(fd, whole, n);
        shutdown(fd, SHUT_WR);
        assert_int_equal(client_hear(fd, out, sizeof out, NULL, &closed), 0);
        assert_true(closed);
        close(fd);
    }
    assert_int_equal(hd_loop_count(loop).requests, before);
}

static void test_who_has_asked_and_hangs_up_half_way_is_answered(void **state) {
    (void)state;
    char out[4096];
    int closed, fd = client_dial(hd_loop_port(loop));
    client_say(fd, GET "\r\n" GET "\r\n", 2 * sizeof GET + 2);
    shutdown(fd, SHUT_WR);
    client_hear(fd, out, sizeof out, NULL, &closed);
    assert_int_equal(client_count(out, "</a 0>"), 2);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_split_changes_what_is_read),
        cmocka_unit_test(test_over_the_wire_in_one_piece),
        cmocka_unit_test(test_over_the_wire_in_small_pieces),
        cmocka_unit_test(test_what_is_cut_short_is_no_request),
        cmocka_unit_test(test_who_has_asked_and_hangs_up_half_way_is_answered),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
