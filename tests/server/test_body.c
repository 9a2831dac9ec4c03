// SPDX-License-Identifier: Apache-2.0
//
// Bodies in memory and in files, what the dispatcher decides before a body is read, and a disk that
// is full.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "serve.h"
#include "server/body.h"

static char folder[] = "/tmp/heed-body-XXXXXX";

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    return hd_fs_remove(folder) == HEED_OK ? 0 : -1;
}

static size_t files(void) {
    hd_arena arena;
    hd_arena_init(&arena);
    char **names;
    size_t n;
    assert_int_equal(hd_fs_list(folder, &arena, &names, &n), HEED_OK);
    hd_arena_clear(&arena);
    return n;
}

static void test_a_small_one_stays_in_memory(void **state) {
    (void)state;
    hd_body body;
    hd_body_init(&body);
    body.folder = folder;
    body.memory = 4;
    assert_int_equal(hd_body_add(&body, "ab", 2), HEED_OK);
    assert_int_equal(hd_body_add(&body, "cd", 2), HEED_OK);
    assert_null(body.path);
    assert_string_equal(hd_str_get(&body.text), "abcd");
    assert_int_equal(hd_body_add(&body, "e", 1), HEED_OK);
    assert_non_null(body.path);
    assert_int_equal(files(), 1);
    struct stat st;
    assert_int_equal(stat(body.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    hd_str text;
    hd_str_init(&text);
    assert_int_equal(hd_fs_read(body.path, 0, &text), HEED_OK);
    assert_string_equal(hd_str_get(&text), "abcde");
    hd_str_clear(&text);
    hd_body_reset(&body);
    assert_int_equal(files(), 0);
    assert_int_equal(body.size, 0);
    hd_body_clear(&body);
}

static void test_one_that_is_taken_stays(void **state) {
    (void)state;
    hd_body body;
    hd_body_init(&body);
    body.folder = folder;
    body.memory = 0;
    assert_int_equal(hd_body_add(&body, "abc", 3), HEED_OK);
    char *path = hd_body_take(&body);
    assert_non_null(path);
    hd_body_clear(&body);
    assert_true(hd_fs_exists(path));
    assert_int_equal(hd_fs_write(path, "x", 1, 0600), HEED_OK);
    assert_int_equal(hd_body_sweep(folder), HEED_OK); // what a dead process left
    assert_int_equal(files(), 0);
    assert_int_equal(hd_body_sweep("/nowhere/at/all"), HEED_OK);
    hd_free(path);
}

static int fail_write(void *ctx, const char *call, const char *path) {
    (void)path;
    return strcmp(call, ctx) == 0 ? ENOSPC : 0;
}

static void test_a_full_disk_is_said(void **state) {
    (void)state;
    static const char *const calls[] = {"open", "write"};
    for (size_t i = 0; i < 2; i++) {
        hd_body body;
        hd_body_init(&body);
        body.folder = folder;
        body.memory = 1;
        hd_fs_hook_set(fail_write, (void *)(uintptr_t)calls[i]);
        assert_int_equal(hd_body_add(&body, "abc", 3), HEED_FULL);
        hd_fs_hook_set(NULL, NULL);
        hd_body_clear(&body);
        assert_int_equal(files(), 0);
    }
}

static void test_memory_may_fail_anywhere(void **state) {
    (void)state;
    heed_err err = HEED_MEMORY;
    for (uint64_t n = 1; err != HEED_OK; n++) {
        hd_body body;
        hd_body_init(&body);
        body.folder = folder;
        body.memory = 4;
        hd_mem_fail_at(n, true);
        err = hd_body_add(&body, "abc", 3);
        if (err == HEED_OK) err = hd_body_add(&body, "def", 3);
        hd_mem_fail_at(0, false);
        if (err != HEED_OK) assert_int_equal(err, HEED_MEMORY);
        hd_body_clear(&body);
        assert_int_equal(files(), 0);
    }
}

// ── Over the wire ──

// "/secret" is refused at sight, "/large" takes 100,000 bytes and keeps 1,000 in memory, others 10.
static void plan(void *ctx, hd_exchange *exchange, hd_body_plan *plan) {
    (void)ctx;
    const hd_http_request *r = hd_exchange_request(exchange);
    if (hd_slice_eq(r->path, "/secret")) {
        hd_exchange_reply(exchange, 401, NULL, "text/plain", "who?", 4);
    } else if (hd_slice_eq(r->path, "/large") || hd_slice_eq(r->path, "/take")) {
        *plan = (hd_body_plan){.limit = 100000, .memory = 1000, .folder = folder};
    } else {
        plan->limit = 10;
    }
}

static char *taken;

static void handle(void *ctx, hd_exchange *exchange) {
    (void)ctx;
    const hd_http_request *r = hd_exchange_request(exchange);
    struct stat st = {0};
    if (r->body_path) assert_int_equal(stat(r->body_path, &st), 0);
    char text[128];
    int n = snprintf(text, sizeof text, "<%zu in memory, %zu in a file>", r->body.n,
                     (size_t)st.st_size);
    if (hd_slice_eq(r->path, "/take")) taken = hd_exchange_take_body(exchange);
    hd_exchange_reply(exchange, 200, NULL, "text/plain", text, (size_t)n);
}

static void post(server *s, const char *path, size_t size, const char *more, const char *expected) {
    char head[256], out[4096];
    char *body = hd_calloc(1, size + 1);
    memset(body, 'x', size);
    int n =
        snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n%s\r\n",
                 path, size, more);
    int fd = client_dial(s->port);
    client_say(fd, head, (size_t)n);
    if (!*more) client_say(fd, body, size);
    client_hear(fd, out, sizeof out, *more ? "\r\n\r\n" : expected, NULL);
    if (!strstr(out, expected)) print_message("not '%s' but: %s\n", expected, out);
    assert_non_null(strstr(out, expected));
    if (strstr(out, "100 Continue")) {
        client_say(fd, body, size);
        client_hear(fd, out, sizeof out, "file>", NULL);
        assert_non_null(strstr(out, "200 OK"));
    }
    close(fd);
    hd_free(body);
}

static void test_bodies_as_they_are_planned(void **state) {
    (void)state;
    server s;
    hd_loop_params params = serve_params(handle);
    params.head = plan;
    serve_start(&s, &params);
    post(&s, "/small", 10, "", "<10 in memory, 0 in a file>");
    post(&s, "/small", 11, "", "HTTP/1.1 413 ");
    post(&s, "/large", 1000, "", "<1000 in memory, 0 in a file>");
    post(&s, "/large", 1001, "", "<0 in memory, 1001 in a file>");
    post(&s, "/large", 100000, "", "<0 in memory, 100000 in a file>");
    post(&s, "/large", 100001, "", "HTTP/1.1 413 ");
    post(&s, "/secret", 10, "", "who?");
    serve_wait(&s, open, 0); // every connection is done with, and so is its file
    assert_int_equal(files(), 0);
    post(&s, "/take", 5000, "", "<0 in memory, 5000 in a file>");
    serve_wait(&s, open, 0);
    serve_stop(&s);
    assert_int_equal(files(), 1);
    assert_int_equal(hd_fs_remove(taken), HEED_OK);
    hd_free(taken);
}

static void test_a_client_that_asks_first_is_told_before_it_sends(void **state) {
    (void)state;
    server s;
    hd_loop_params params = serve_params(handle);
    params.head = plan;
    serve_start(&s, &params);
    static const char expect[] = "Expect: 100-continue\r\n";
    post(&s, "/large", 5000, expect, "HTTP/1.1 100 Continue\r\n\r\n");
    post(&s, "/small", 5000, expect, "HTTP/1.1 413 ");
    post(&s, "/secret", 5000, expect, "HTTP/1.1 401 ");
    serve_stop(&s);
}

static void test_a_full_disk_over_the_wire(void **state) {
    (void)state;
    server s;
    hd_loop_params params = serve_params(handle);
    params.head = plan;
    static char call[] = "write";
    hd_fs_hook_set(fail_write, call);
    serve_start(&s, &params);
    post(&s, "/large", 5000, "", "HTTP/1.1 507 ");
    serve_stop(&s);
    hd_fs_hook_set(NULL, NULL);
    assert_int_equal(files(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_small_one_stays_in_memory),
        cmocka_unit_test(test_one_that_is_taken_stays),
        cmocka_unit_test(test_a_full_disk_is_said),
        cmocka_unit_test(test_memory_may_fail_anywhere),
        cmocka_unit_test(test_bodies_as_they_are_planned),
        cmocka_unit_test(test_a_client_that_asks_first_is_told_before_it_sends),
        cmocka_unit_test(test_a_full_disk_over_the_wire),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
