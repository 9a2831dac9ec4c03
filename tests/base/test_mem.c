// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

#include "base/mem.h"

static void test_counts(void **state) {
    (void)state;
    size_t before = hd_mem_used();
    char *p = hd_alloc(1000);
    assert_non_null(p);
    assert_true(hd_mem_used() >= before + 1000);
    assert_true(hd_mem_peak() >= hd_mem_used());
    memset(p, 7, 1000);
    p = hd_realloc(p, 100000);
    assert_non_null(p);
    assert_int_equal(p[999], 7);
    assert_true(hd_mem_used() >= before + 100000);
    p = hd_realloc(p, 10);
    assert_true(hd_mem_used() < before + 100000);
    hd_free(p);
    assert_int_equal(hd_mem_used(), before);
    hd_free(NULL);
    assert_true(hd_mem_peak() >= before + 100000);
}

static void test_zero_and_overflow(void **state) {
    (void)state;
    void *a = hd_alloc(0);
    void *b = hd_calloc(0, 8);
    assert_non_null(a);
    assert_non_null(b);
    assert_ptr_not_equal(a, b);
    a = hd_realloc(a, 0);
    assert_non_null(a);
    hd_free(a);
    hd_free(b);
    assert_null(hd_calloc(SIZE_MAX / 2, 3));
    assert_null(hd_realloc_array(NULL, SIZE_MAX / 2, 3));
    assert_null(hd_alloc_aligned(SIZE_MAX / 2, 3));
    assert_null(hd_alloc(SIZE_MAX - 8));
    assert_null(hd_strndup("x", SIZE_MAX));
}

static void test_aligned(void **state) {
    (void)state;
    for (size_t n = 0; n < 200; n += 13) {
        unsigned char *p = hd_alloc_aligned(n, 3);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        for (size_t i = 0; i < 3 * n; i++) assert_int_equal(p[i], 0);
        hd_free(p);
    }
}

static void test_limit(void **state) {
    (void)state;
    size_t before = hd_mem_used();
    hd_mem_limit_set(before + 10000);
    assert_int_equal(hd_mem_limit(), before + 10000);
    assert_null(hd_alloc(10001));
    void *p = hd_alloc(5000);
    assert_non_null(p);
    assert_null(hd_alloc(6000));
    assert_null(hd_realloc(p, 20000));
    assert_null(hd_alloc_aligned(1, 6000));
    hd_free(p);
    p = hd_alloc(6000);
    assert_non_null(p);
    hd_free(p);
    hd_mem_limit_set(0);
    assert_int_equal(hd_mem_used(), before);
}

static void test_fail_at(void **state) {
    (void)state;
    (void)hd_mem_calls();
    hd_mem_fail_at(3, true);
    void *a = hd_alloc(8), *b = hd_calloc(1, 8), *c = hd_alloc(8), *d = hd_alloc(8);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(c);
    assert_non_null(d);
    assert_int_equal(hd_mem_calls(), 4);
    assert_int_equal(hd_mem_calls(), 0);
    hd_mem_fail_at(1, false);
    assert_null(hd_alloc(8));
    assert_null(hd_realloc(a, 80));
    assert_null(hd_strdup("x"));
    hd_mem_fail_at(0, false);
    char *e = hd_strndup("abc", 2);
    assert_string_equal(e, "ab");
    hd_free(a);
    hd_free(b);
    hd_free(d);
    hd_free(e);
}

static void test_grow(void **state) {
    (void)state;
    int *list = NULL;
    size_t cap = 0;
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(hd_grow(&list, &cap, i + 1, sizeof *list), HEED_OK);
        list[i] = (int)i;
    }
    assert_in_range(cap, 1000, 2000);
    for (int i = 0; i < 1000; i++) assert_int_equal(list[i], i);
    size_t had = cap;
    assert_int_equal(hd_grow(&list, &cap, SIZE_MAX / 2, sizeof *list), HEED_MEMORY);
    assert_int_equal(cap, had);
    assert_int_equal(list[999], 999);
    hd_free(list);
}

static void *churn(void *arg) {
    (void)arg;
    for (size_t i = 0; i < 2000; i++) {
        void *p = hd_alloc(i % 500 + 1);
        p = hd_realloc(p, i % 900 + 1);
        hd_free(p);
    }
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    size_t before = hd_mem_used();
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, churn, NULL), 0);
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(hd_mem_used(), before);
}

static void test_libraries(void **state) {
    (void)state;
    assert_int_equal(hd_mem_adopt_libraries(), HEED_OK);
    size_t before = hd_mem_used();
    json_t *json = json_pack("{s:s}", "a", "b");
    assert_non_null(json);
    assert_true(hd_mem_used() > before);
    json_decref(json);
    assert_int_equal(hd_mem_used(), before);
    hd_mem_fail_at(1, false);
    assert_null(json_object());
    hd_mem_fail_at(0, false);

    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_true(hd_mem_used() > before);
    hd_mem_fail_at(1, false);
    assert_int_equal(sqlite3_exec(db, "create table t(x)", NULL, NULL, NULL), SQLITE_NOMEM);
    hd_mem_fail_at(0, false);
    assert_int_equal(sqlite3_exec(db, "create table t(x)", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(hd_mem_adopt_libraries(), HEED_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),  cmocka_unit_test(test_zero_and_overflow),
        cmocka_unit_test(test_aligned), cmocka_unit_test(test_limit),
        cmocka_unit_test(test_fail_at), cmocka_unit_test(test_grow),
        cmocka_unit_test(test_threads), cmocka_unit_test(test_libraries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
