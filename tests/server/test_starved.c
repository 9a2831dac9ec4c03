// SPDX-License-Identifier: Apache-2.0
//
// Each n-th allocation fails while a client asks for a bit of everything: whatever became of it,
// the next client is served, every connection is given back, and no file is left.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"
#include "base/mem.h"
#include "serve.h"

static char folder[] = "/tmp/heed-starved-XXXXXX";
static char large[4 << 20];

static void plan(void *ctx, hd_exchange *exchange, hd_body_plan *plan) {
    (void)ctx;
    (void)exchange;
    plan->memory = 100;
    plan->folder = folder;
}

static void answer(void *arg, hd_exchange *exchange) {
    (void)arg;
    if (exchange) hd_exchange_reply(exchange, 200, NULL, "text/plain", "late", 4);
}

static void nothing(void *arg, hd_exchange *exchange) {
    (void)arg;
    (void)exchange;
}

static void hold_twice(hd_exchange *exchange) {
    assert_true(hd_exchange_hold(exchange)); // the first can't fail
    if (hd_exchange_hold(exchange)) hd_exchange_post(exchange, nothing, NULL);
    hd_exchange_post(exchange, answer, NULL);
}

static void stream(hd_exchange *exchange) {
    hd_exchange_stream(exchange, 200, NULL, "text/event-stream");
    for (int i = 0; i < 3; i++) hd_exchange_send(exchange, large, sizeof large / 8);
    hd_exchange_end(exchange);
}

static void handle(void *ctx, hd_exchange *exchange) {
    (void)ctx;
    hd_slice at = hd_exchange_request(exchange)->path;
    if (hd_slice_eq(at, "/late"))
        hold_twice(exchange);
    else if (hd_slice_eq(at, "/large"))
        hd_exchange_reply(exchange, 200, NULL, "text/plain", large, sizeof large);
    else if (hd_slice_eq(at, "/stream"))
        stream(exchange);
    else
        hd_exchange_reply(exchange, 200, NULL, "text/plain", "served", 6);
}

static void refused(void *ctx, int status, const char *reason, hd_str *body, const char **type) {
    (void)ctx;
    hd_str_addf(body, "%d %s", status, reason);
    *type = "text/plain";
}

#define ASK(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
static const char *const scripts[] = {
    ASK("/a") ASK("/late") ASK("/b") ASK("/large") ASK("/stream"),
    "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    "28\r\n0123456789012345678901234567890123456789\r\n"
    "28\r\n0123456789012345678901234567890123456789\r\n"
    "28\r\n0123456789012345678901234567890123456789\r\n0\r\nT: 1\r\n\r\n" ASK("/stream"),
    "POST /p HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc" ASK(
        "nonsense"),
};

static void play(server *s, const char *script) {
    static char out[1 << 16];
    int fd = client_dial(s->port);
    assert_true(fd >= 0);
    client_say(fd, script, strlen(script));
    shutdown(fd, SHUT_WR);
    int closed = 0;
    while (!closed) client_hear(fd, out, sizeof out, NULL, &closed);
    close(fd);
}

static void test_each_allocation_fails_once(void **state) {
    (void)state;
    server s;
    hd_loop_params params = serve_params(handle);
    params.head = plan;
    params.refused = refused;
    params.max_queued = sizeof large;
    memset(large, 'x', sizeof large);
    serve_start(&s, &params);
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        for (uint64_t n = 1; n <= 40; n++) {
            hd_mem_fail_at(n, true);
            play(&s, scripts[i]);
            hd_mem_fail_at(0, false);
            serve_wait(&s, open, 0);
        }
        char out[4096];
        int fd = client_dial(s.port);
        client_say(fd, ASK("/a"), sizeof ASK("/a") - 1);
        client_hear(fd, out, sizeof out, "served", NULL);
        assert_non_null(strstr(out, "served"));
        close(fd);
        serve_wait(&s, open, 0);
    }
    serve_stop(&s);
    hd_arena arena;
    hd_arena_init(&arena);
    char **names;
    size_t n;
    assert_int_equal(hd_fs_list(folder, &arena, &names, &n), HEED_OK);
    assert_int_equal(n, 0);
    hd_arena_clear(&arena);
}

static int make_folder(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return -1;
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    return hd_fs_remove(folder) == HEED_OK ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
