// SPDX-License-Identifier: Apache-2.0
//
// A run whose n-th allocation fails, for many n: it says so, or did without.
#ifndef HEED_TESTS_STARVED_H
#define HEED_TESTS_STARVED_H

#include "base/mem.h"
#include "heed/error.h"

static inline void starve(heed_err (*fed)(void)) {
    assert_int_equal(fed(), HEED_OK);
    (void)hd_mem_calls();
    assert_int_equal(fed(), HEED_OK);
    uint64_t calls = hd_mem_calls(), step = calls / 150 + 1;
    for (uint64_t n = 1; n < calls; n += step) {
        hd_mem_fail_at(n, true);
        heed_err err = fed();
        hd_mem_fail_at(0, false);
        assert_true(err == HEED_MEMORY || err == HEED_OK);
    }
}

#endif
