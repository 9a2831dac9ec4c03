// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "prepare/idx.h"

static const unsigned char good[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0,
                                     1, 0, 0, 0, 3, 9, 8, 7, 6, 5, 4};

static void test_reads(void **state) {
    (void)state;
    hd_idx idx;
    assert_int_equal(hd_idx_parse("x", good, sizeof good, &idx), HEED_OK);
    assert_int_equal(idx.n_dims, 3);
    assert_int_equal(idx.dim[0] * 100 + idx.dim[1] * 10 + idx.dim[2], 213);
    assert_int_equal(idx.count, 6);
    assert_int_equal(idx.values[5], 4);
    hd_idx_clear(&idx);
    static const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 1, 0};
    assert_int_equal(hd_idx_parse("x", labels, sizeof labels, &idx), HEED_OK);
    assert_int_equal(idx.dim[0] * 100 + idx.dim[1] * 10 + idx.dim[2], 211);
    hd_idx_clear(&idx);
}

// Every byte of the head changed, every cut: damage, or what still fits together.
static void test_damaged(void **state) {
    (void)state;
    hd_idx idx;
    for (size_t n = 0; n < sizeof good; n++) {
        assert_int_equal(hd_idx_parse("digits", good, n, &idx), HEED_CORRUPT);
        assert_non_null(strstr(heed_error_message(HEED_EN), "digits"));
    }
    for (size_t at = 0; at < 16; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            unsigned char bytes[sizeof good];
            memcpy(bytes, good, sizeof good);
            bytes[at] ^= (unsigned char)(1u << bit);
            assert_int_equal(hd_idx_parse("digits", bytes, sizeof bytes, &idx), HEED_CORRUPT);
        }
    }
    // Dimensions whose product overflows to what is there.
    static const unsigned char huge[] = {0, 0, 8, 3, 128, 0, 0, 0, 128, 0, 0, 0, 0, 0, 0, 4};
    assert_int_equal(hd_idx_parse("digits", huge, sizeof huge, &idx), HEED_CORRUPT);
    assert_int_equal(hd_idx_read("/nowhere/at/all", &idx), HEED_NOT_FOUND);
}

static void test_memory(void **state) {
    (void)state;
    for (uint64_t n = 1;; n++) {
        hd_idx idx;
        hd_mem_fail_at(n, true);
        heed_err err = hd_idx_parse("x", good, sizeof good, &idx);
        hd_mem_fail_at(0, false);
        hd_idx_clear(&idx);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
        assert_true(n < 100);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
