// SPDX-License-Identifier: Apache-2.0
//
// Every request goes in whole, byte by byte, and in pieces of every size: what comes out may not
// depend on how it arrived.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "server/http1.h"

static const hd_http_limits limits = {.head = 1024, .target = 200, .body = 100};

// Feeds in pieces of `step` bytes; returns the status of a refusal, 0 for a request, -1 when more
// is needed.
static int run(hd_http_parser *p, const char *bytes, size_t n, size_t step, size_t *used) {
    *used = 0;
    while (*used < n && p->state != HD_HTTP_DONE && p->state != HD_HTTP_REFUSED) {
        size_t piece = n - *used < step ? n - *used : step;
        size_t taken;
        assert_int_equal(hd_http_feed(p, bytes + *used, piece, &taken), HEED_OK);
        hd_http_accept(p);
        *used += taken;
    }
    return p->state == HD_HTTP_REFUSED ? p->status : p->state == HD_HTTP_DONE ? 0 : -1;
}

static void expect(const char *bytes, size_t n, int verdict, const char *body) {
    for (size_t step = 1; step <= n; step += step < 40 ? 1 : n) {
        hd_http_parser p;
        hd_http_init(&p, limits);
        size_t used;
        int got = run(&p, bytes, n, step, &used);
        if (got != verdict)
            print_message("in steps of %zu: %.*s\n%s\n", step, (int)n, bytes,
                          p.reason ? p.reason : "");
        assert_int_equal(got, verdict);
        if (verdict == 0 && body) {
            assert_int_equal(p.request.body.n, strlen(body));
            assert_memory_equal(p.request.body.p, body, strlen(body));
        }
        hd_http_clear(&p);
    }
}

#define GET "GET / HTTP/1.1\r\nHost: h\r\n"
#define POST "POST / HTTP/1.1\r\nHost: h\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static void test_requests_that_are_served(void **state) {
    (void)state;
    static const struct {
        const char *bytes, *body;
    } rows[] = {
        {GET "\r\n", ""},
        {"\r\n" GET "\r\n", ""},
        {"GET /a%20b?x=1&y=2 HTTP/1.0\r\n\r\n", ""},
        {"GET http://h/a HTTP/1.1\r\nHost: h\r\n\r\n", ""},
        {GET "X-Empty:\r\nX-Tab:\t v \t\r\n\r\n", ""},
        {POST "Content-Length: 3\r\n\r\nabc", "abc"},
        {POST "content-length:  3 \r\n\r\nabc", "abc"},
        {POST "Content-Length: 0\r\n\r\n", ""},
        {CHUNKED "3\r\nabc\r\n0\r\n\r\n", "abc"},
        {CHUNKED "3\r\nabc\r\n00A\r\n0123456789\r\n000\r\n\r\n", "abc0123456789"},
        {CHUNKED "3;name=value;flag\r\nabc\r\n0;x=\"y z\"\r\n\r\n", "abc"},
        {CHUNKED "3 ; a\r\nabc\r\n0\r\n\r\n", "abc"},
        {CHUNKED "1\r\na\r\n0\r\nX-Trailer: t\r\n\r\n", "a"},
        {POST "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect(rows[i].bytes, strlen(rows[i].bytes), 0, rows[i].body);
}

static void test_requests_that_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        int status;
    } rows[] = {
        {POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
        {POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400},
        {POST "Content-Length: 3, 3\r\n\r\nabc", 400},
        {POST "Content-Length: +3\r\n\r\nabc", 400},
        {POST "Content-Length: -1\r\n\r\n", 400},
        {POST "Content-Length: 0x3\r\n\r\nabc", 400},
        {POST "Content-Length:\r\n\r\n", 400},
        {POST "Content-Length: 9999999999999999999999\r\n\r\n", 413},
        {POST "Content-Length: 101\r\n\r\n", 413},
        {POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
        {POST "Transfer-Encoding: identity\r\n\r\n", 501},
        {POST "Transfer-Encoding: xchunked\r\n\r\n", 501},
        {"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {POST "Content-Length : 3\r\n\r\nabc", 400},
        {POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400},
        {GET "X: a\r\n b\r\n\r\n", 400},
        {GET "X: a\r\n\tb\r\n\r\n", 400},
        {GET " X: a\r\n\r\n", 400},
        {GET ": a\r\n\r\n", 400},
        {GET "no colon\r\n\r\n", 400},
        {GET "X: a\x01\r\n\r\n", 400},
        {GET "X: a\x7f\r\n\r\n", 400},
        {GET "X: \xff\xfe\r\n\r\n", 400},
        {"GET / HTTP/1.1\nHost: h\n\n", 400},
        {GET "X: a\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: h\r\n\n", 400},
        {GET "X: a\rb\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505},
        {"GET / HTTP/1.2\r\nHost: h\r\n\r\n", 505},
        {"GET / http/1.1\r\nHost: h\r\n\r\n", 400},
        {"GET /\r\n\r\n", 400},
        {"GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"GET /#x HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"GET example.com HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"G\"T / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {" GET / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"\r\n\r\n\r\n\r\n\r\n\r\nGET", 400},
        {POST "Expect: the-unexpected\r\nContent-Length: 1\r\n\r\na", 417},
        {CHUNKED "g\r\n", 400},
        {CHUNKED "0x3\r\nabc\r\n", 400},
        {CHUNKED "-1\r\n", 400},
        {CHUNKED " 3\r\nabc\r\n", 400},
        {CHUNKED "3 x\r\nabc\r\n", 400},
        {CHUNKED "\r\n", 400},
        {CHUNKED "3\nabc\r\n0\r\n\r\n", 400},
        {CHUNKED "3\r\nabc\n0\r\n\r\n", 400},
        {CHUNKED "3\r\nabcd\r\n0\r\n\r\n", 400},
        {CHUNKED "3\r\nabc\r\n0\n\r\n", 400},
        {CHUNKED "3;a\nb\r\nabc\r\n", 400},
        {CHUNKED "65\r\n", 413},
        {CHUNKED "ffffffffffffffff\r\n", 400},
        {CHUNKED "10000000000000003\r\nabc\r\n", 400},
        {CHUNKED "0\r\nbad trailer\r\n\r\n", 400},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        expect(rows[i].bytes, strlen(rows[i].bytes), rows[i].status, NULL);
    }
}

static void test_nul_bytes_are_refused(void **state) {
    (void)state;
    static const char target[] = "GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n";
    static const char value[] = GET "X: a\0b\r\n\r\n";
    static const char chunk[] = CHUNKED "3\0\r\nabc\r\n0\r\n\r\n";
    expect(target, sizeof target - 1, 400, NULL);
    expect(value, sizeof value - 1, 400, NULL);
    expect(chunk, sizeof chunk - 1, 400, NULL);
}

static void test_sizes_are_limited(void **state) {
    (void)state;
    char bytes[4096];
    int n = snprintf(bytes, sizeof bytes, "GET /%0250d HTTP/1.1\r\nHost: h\r\n\r\n", 0);
    expect(bytes, (size_t)n, 414, NULL);
    n = snprintf(bytes, sizeof bytes, GET "X: %01200d\r\n\r\n", 0);
    expect(bytes, (size_t)n, 431, NULL);
    hd_str many;
    hd_str_init(&many);
    hd_str_add(&many, GET);
    for (int i = 0; i < HD_HTTP_MAX_HEADERS; i++) hd_str_addf(&many, "a%d:\r\n", i);
    hd_str_add(&many, "\r\n");
    expect(many.data, many.len, 431, NULL);
    hd_str_clear(&many);
}

static void test_one_request_after_another(void **state) {
    (void)state;
    static const char bytes[] = POST "Content-Length: 2\r\n\r\nhi" CHUNKED "1\r\nx\r\n0\r\n\r\n" GET
                                     "Connection: close\r\n\r\n";
    hd_http_parser p;
    hd_http_init(&p, limits);
    size_t at = 0, used;
    const char *bodies[] = {"hi", "x", ""};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(run(&p, bytes + at, sizeof bytes - 1 - at, 7, &used), 0);
        at += used;
        assert_int_equal(p.request.body.n, strlen(bodies[i]));
        assert_memory_equal(p.request.body.p, bodies[i], strlen(bodies[i]));
        assert_int_equal(p.request.keep_alive, i < 2);
        hd_http_next(&p);
    }
    assert_int_equal(at, sizeof bytes - 1);
    hd_http_clear(&p);
}

static void test_parts_of_the_target(void **state) {
    (void)state;
    hd_http_parser p;
    hd_http_init(&p, limits);
    static const char bytes[] =
        "GET http://h:1/a/b?x=/&y HTTP/1.1\r\nHost: h\r\nAccept: x\r\naccept: y\r\n\r\n";
    size_t used;
    assert_int_equal(run(&p, bytes, sizeof bytes - 1, 100, &used), 0);
    assert_true(hd_slice_eq(p.request.path, "/a/b"));
    assert_true(hd_slice_eq(p.request.query, "x=/&y"));
    assert_true(hd_slice_eq(hd_http_header_get(&p.request, "ACCEPT"), "x"));
    assert_null(hd_http_header_get(&p.request, "none").p);
    hd_http_clear(&p);
}

static void test_a_client_that_waits_to_be_told(void **state) {
    (void)state;
    hd_http_parser p;
    hd_http_init(&p, limits);
    static const char head[] = POST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n";
    size_t used;
    assert_int_equal(hd_http_feed(&p, head, sizeof head - 1, &used), HEED_OK);
    assert_int_equal(p.state, HD_HTTP_READY);
    assert_true(p.waits);
    hd_http_accept(&p);
    assert_int_equal(hd_http_feed(&p, "a", 1, &used), HEED_OK);
    assert_int_equal(p.state, HD_HTTP_DONE);
    hd_http_clear(&p);
}

static void test_a_failing_allocation_is_an_error(void **state) {
    (void)state;
    static const char bytes[] = CHUNKED "3\r\nabc\r\n0\r\n\r\n";
    for (uint64_t n = 1;; n++) {
        hd_http_parser p;
        hd_http_init(&p, limits);
        size_t used, at = 0;
        hd_mem_fail_at(n, true);
        heed_err err = HEED_OK;
        while (err == HEED_OK && at < sizeof bytes - 1) {
            err = hd_http_feed(&p, bytes + at, 1, &used);
            hd_http_accept(&p);
            at += 1;
        }
        hd_mem_fail_at(0, false);
        hd_http_clear(&p);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_that_are_served),
        cmocka_unit_test(test_requests_that_are_refused),
        cmocka_unit_test(test_nul_bytes_are_refused),
        cmocka_unit_test(test_sizes_are_limited),
        cmocka_unit_test(test_one_request_after_another),
        cmocka_unit_test(test_parts_of_the_target),
        cmocka_unit_test(test_a_client_that_waits_to_be_told),
        cmocka_unit_test(test_a_failing_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
