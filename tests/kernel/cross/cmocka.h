// SPDX-License-Identifier: Apache-2.0
//
// As much of cmocka as the tests of kernel/ use, for programs of a processor whose cmocka isn't
// installed (tools/neon.sh). A failure ends the program.
#ifndef HD_TESTS_KERNEL_CROSS_CMOCKA_H
#define HD_TESTS_KERNEL_CROSS_CMOCKA_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
};
#define cmocka_unit_test(f) \
    { #f, f }

#define assert_true(x)                                                      \
    do {                                                                    \
        if (!(x)) {                                                         \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #x); \
            exit(1);                                                        \
        }                                                                   \
    } while (0)
#define assert_false(x) assert_true(!(x))
#define assert_null(x) assert_true(!(x))
#define assert_non_null(x) assert_true(x)
#define assert_int_equal(a, b) assert_true((long long)(a) == (long long)(b))
#define assert_int_not_equal(a, b) assert_true((long long)(a) != (long long)(b))
#define assert_string_equal(a, b) assert_true(strcmp(a, b) == 0)
#define assert_memory_equal(a, b, n) assert_true(memcmp(a, b, n) == 0)
#define assert_memory_not_equal(a, b, n) assert_true(memcmp(a, b, n) != 0)
#define assert_float_equal(a, b, eps) assert_true((a) - (b) <= (eps) && (b) - (a) <= (eps))
#define fail_msg(...) (fprintf(stderr, __VA_ARGS__), exit(1))
#define skip() return
#define print_message(...) printf(__VA_ARGS__)

#define cmocka_run_group_tests(tests, setup, teardown) \
    run_all(tests, sizeof(tests) / sizeof((tests)[0]))
static int run_all(const struct CMUnitTest *tests, size_t n) {
    for (size_t i = 0; i < n; i++) tests[i].run(NULL);
    printf("%zu tests passed\n", n);
    return 0;
}

#endif
