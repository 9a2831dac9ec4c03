// SPDX-License-Identifier: Apache-2.0
//
// What the tests of store/ share: a scratch folder per test, and short ways to ask a database.
#ifndef STORE_TEST_H
#define STORE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "store/open.h"

enum { TEST_CACHE = 1 << 20 };

typedef struct scratch {
    char dir[64];
    char db[80];
} scratch;

static inline int scratch_setup(void **state) {
    scratch *s = test_calloc(1, sizeof *s);
    snprintf(s->dir, sizeof s->dir, "%s/heed-store-XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->db, sizeof s->db, "%s/heed.db", s->dir);
    *state = s;
    return 0;
}

static inline int scratch_teardown(void **state) {
    scratch *s = *state;
    assert_int_equal(hd_fs_remove(s->dir), HEED_OK);
    test_free(s);
    return 0;
}

#define SCRATCH_TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

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

static inline hd_store *open_db(const scratch *s, hd_store_mode mode) {
    hd_store *store = NULL;
    assert_ok(hd_store_open(s->db, mode, TEST_CACHE, NULL, &store));
    return store;
}

// The first column of the first row, -1 when there is none.
static inline int64_t ask(hd_store *store, const char *sql) {
    hd_query *q;
    bool row;
    assert_ok(hd_query_open(store, sql, &q));
    assert_ok(hd_query_step(q, &row));
    int64_t value = row ? hd_query_i64(q, 0) : -1;
    hd_query_close(q);
    return value;
}

#endif
