// SPDX-License-Identifier: Apache-2.0
//
// What the tests of access/ share: a database with its tables in a scratch folder, and keys.
#ifndef ACCESS_TEST_H
#define ACCESS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "access/guard.h"
#include "base/fs.h"
#include "base/mem.h"
#include "store/open.h"

typedef struct bench {
    char dir[64];
    char path[80];
    hd_store *store;
    hd_arena arena;
} bench;

static const uint8_t api_secret[HD_API_SECRET] = {7, 1, 9, 2, 8, 3};
static const hd_time noon = INT64_C(1795348800000); // 2026-11-22T12:00:00Z

#define assert_ok(expr)                                                                \
    do {                                                                               \
        if ((expr) != HEED_OK) fail_msg("%s: %s", #expr, heed_error_message(HEED_EN)); \
    } while (0)

// The call fails with that code and says so in both languages.
#define assert_fails(code, expr)                              \
    do {                                                      \
        assert_int_equal((expr), (code));                     \
        assert_int_equal(heed_error_code(), (code));          \
        assert_true(strlen(heed_error_message(HEED_EN)) > 0); \
        assert_true(strlen(heed_error_message(HEED_ZH)) > 0); \
    } while (0)

static inline void bench_open(bench *b) {
    assert_ok(hd_store_open(b->path, HD_STORE_CREATE, 1 << 20, NULL, &b->store));
    assert_ok(hd_store_migrate(b->store, hd_access_migrations, hd_access_n_migrations));
}

static inline int bench_setup(void **state) {
    bench *b = test_calloc(1, sizeof *b);
    snprintf(b->dir, sizeof b->dir, "%s/heed-access-XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    assert_non_null(mkdtemp(b->dir));
    snprintf(b->path, sizeof b->path, "%s/heed.db", b->dir);
    hd_arena_init(&b->arena);
    bench_open(b);
    *state = b;
    return 0;
}

static inline int bench_teardown(void **state) {
    bench *b = *state;
    hd_store_close(b->store);
    hd_arena_clear(&b->arena);
    assert_ok(hd_fs_remove(b->dir));
    test_free(b);
    return 0;
}

#define BENCH_TEST(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)

typedef struct made {
    char text[HD_KEY_TEXT + 1];
    char id[HD_KEY_ID + 1];
} made;

static inline hd_key_params key_params(unsigned scopes) {
    return (hd_key_params){.name = "shop", .scopes = scopes, .expires = HD_TIME_NONE};
}

static inline made make(bench *b, const hd_key_params *params) {
    made m;
    assert_ok(hd_access_make(b->store, api_secret, params, noon, m.text, m.id));
    return m;
}

static inline made make_key(bench *b, unsigned scopes) {
    const hd_key_params params = key_params(scopes);
    return make(b, &params);
}

#endif
