// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/record.h"

static void test_kinds(void **state) {
    (void)state;
    hd_kind kind;
    for (int i = 0; i < HD_KINDS; i++) {
        assert_true(hd_kind_find(hd_slice_of(hd_kind_name((hd_kind)i)), &kind));
        assert_int_equal(kind, i);
        assert_true(hd_kind_text(kind).en[0] && hd_kind_text(kind).zh[0]);
    }
    assert_string_equal(hd_kind_name(HD_KIND_TICKETS), "tickets");
    assert_false(hd_kind_find(hd_slice_of("user"), &kind));
    assert_false(hd_kind_find((hd_slice){NULL, 0}, &kind));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kinds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
