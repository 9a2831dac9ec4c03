// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/arena.h"
#include "base/mem.h"

// Many sizes: aligned, apart from each other, and kept until the end.
static void test_apart(void **state) {
    (void)state;
    size_t before = hd_mem_used();
    hd_arena arena;
    hd_arena_init(&arena);
    enum { N = 400 };
    unsigned char *p[N];
    for (size_t i = 0; i < N; i++) {
        size_t n = i * i % 7000;
        p[i] = hd_arena_alloc(&arena, n);
        assert_non_null(p[i]);
        assert_int_equal((uintptr_t)p[i] % 16, 0);
        memset(p[i], (int)(i % 251), n);
    }
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < i * i % 7000; j++) assert_int_equal(p[i][j], i % 251);
    }
    hd_arena_clear(&arena);
    assert_int_equal(hd_mem_used(), before);
    assert_non_null(hd_arena_alloc(&arena, 10));
    hd_arena_clear(&arena);
}

static void test_reset_keeps_a_block(void **state) {
    (void)state;
    hd_arena arena;
    hd_arena_init(&arena);
    hd_arena_reset(&arena);
    for (int i = 0; i < 4; i++) assert_non_null(hd_arena_alloc(&arena, 1000));
    hd_arena_reset(&arena);
    assert_int_equal(arena.used, 0);
    (void)hd_mem_calls();
    for (int i = 0; i < 4; i++) assert_non_null(hd_arena_alloc(&arena, 1000));
    assert_int_equal(hd_mem_calls(), 0);
    hd_arena_clear(&arena);
}

// A large piece doesn't throw away the rest of the current block.
static void test_large(void **state) {
    (void)state;
    hd_arena arena;
    hd_arena_init(&arena);
    char *a = hd_arena_alloc(&arena, 16);
    assert_non_null(hd_arena_alloc(&arena, 3 << 20));
    char *b = hd_arena_alloc(&arena, 16);
    assert_ptr_equal(b, a + 16);
    assert_null(hd_arena_alloc(&arena, SIZE_MAX));
    assert_null(hd_arena_alloc(&arena, SIZE_MAX / 2));
    assert_null(hd_arena_calloc(&arena, SIZE_MAX / 2, 4));
    assert_null(hd_arena_strndup(&arena, "x", SIZE_MAX));
    hd_arena_clear(&arena);
}

// After a reset the same fits without an allocation, however many blocks it took the first time.
static void test_reset_remembers(void **state) {
    (void)state;
    hd_arena arena;
    hd_arena_init(&arena);
    for (int round = 0; round < 3; round++) {
        hd_mem_calls();
        for (int i = 0; i < 100; i++) assert_non_null(hd_arena_alloc(&arena, 1000));
        assert_int_equal(hd_mem_calls() > 0,
                         round < 2); // the second time in one block, made to fit
        hd_arena_reset(&arena);
    }
    hd_arena_clear(&arena);
    for (int round = 0; round < 3; round++) { // never more than a megabyte ahead
        for (int i = 0; i < 5; i++) assert_non_null(hd_arena_alloc(&arena, 1 << 20));
        hd_arena_reset(&arena);
        assert_true(arena.first <= 1 << 20);
    }
    hd_arena_clear(&arena);
}

// On memory of the caller's: nothing is allocated until it is full, and it is never freed.
static void test_on_memory(void **state) {
    (void)state;
    hd_arena arena;
    _Alignas(16) char memory[512];
    hd_arena_init_on(&arena, memory, sizeof memory);
    hd_mem_calls();
    char *first = hd_arena_strdup(&arena, "on the stack");
    assert_true(first > memory && first < memory + sizeof memory);
    assert_int_equal(hd_mem_calls(), 0);
    for (int i = 0; i < 50; i++) assert_non_null(hd_arena_calloc(&arena, 1, 100));
    assert_true(hd_mem_calls() > 0);
    assert_string_equal(first, "on the stack");
    hd_arena_clear(&arena);
    hd_arena_init_on(&arena, memory, 8); // too small to be of use
    assert_non_null(hd_arena_alloc(&arena, 8));
    hd_arena_clear(&arena);
}

static void test_text(void **state) {
    (void)state;
    hd_arena arena;
    hd_arena_init(&arena);
    assert_string_equal(hd_arena_strdup(&arena, "小明"), "小明");
    assert_string_equal(hd_arena_strndup(&arena, "abcdef", 3), "abc");
    assert_string_equal(hd_arena_strndup(&arena, NULL, 0), "");
    assert_string_equal(hd_arena_printf(&arena, "%s-%d-%.1f", "a", 5, 0.5), "a-5-0.5");
    const char *zero = hd_arena_calloc(&arena, 10, 10);
    for (int i = 0; i < 100; i++) assert_int_equal(zero[i], 0);
    hd_arena_clear(&arena);
}

static void test_out_of_memory(void **state) {
    (void)state;
    hd_arena arena;
    hd_arena_init(&arena);
    hd_mem_fail_at(1, false);
    assert_null(hd_arena_alloc(&arena, 1));
    assert_null(hd_arena_strdup(&arena, "x"));
    assert_null(hd_arena_printf(&arena, "%d", 1));
    assert_null(hd_arena_calloc(&arena, 1, 1));
    hd_mem_fail_at(0, false);
    assert_non_null(hd_arena_alloc(&arena, 1));
    hd_arena_clear(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apart),         cmocka_unit_test(test_reset_keeps_a_block),
        cmocka_unit_test(test_large),         cmocka_unit_test(test_reset_remembers),
        cmocka_unit_test(test_on_memory),     cmocka_unit_test(test_text),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
