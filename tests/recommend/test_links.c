// SPDX-License-Identifier: Apache-2.0
//
// Rows of every length, so that each way of sorting and cutting them is taken.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "recommend/links.h"

enum { ITEMS = 70000 }; // more than 2^16: four bytes are sorted by

// How many additions row i gets: few rows are long.
static size_t additions(uint32_t item) {
    if (item == 0) return 20000; // more than a sixteenth of the items
    return item < 5 ? 3000 : item < 200 ? 100 : 0;
}

static uint32_t target(uint32_t item, size_t k) {
    return (uint32_t)(hd_rng_at(5, item, k) % (item == 4 ? 600 : ITEMS)); // 4: with repeats
}

static void row(const void *ctx, uint32_t item, hd_links_sum *sum) {
    (void)ctx;
    for (size_t k = 0; k < additions(item); k++) hd_links_add(sum, target(item, k), 1);
}

// Odd targets are dropped.
static double even_only(const void *ctx, uint32_t from, uint32_t to, double sum) {
    (void)ctx, (void)from;
    return to % 2 ? 0 : sum;
}

static void check_row(const hd_links *links, uint32_t item, size_t cap, bool even) {
    static float want[ITEMS];
    for (size_t j = 0; j < ITEMS; j++) want[j] = 0;
    for (size_t k = 0; k < additions(item); k++) want[target(item, k)]++;
    size_t n = 0;
    for (size_t j = 0; j < ITEMS; j++) {
        if (even && j % 2) want[j] = 0;
        n += want[j] > 0;
    }
    uint64_t first = links->start[item], end = links->start[item + 1];
    assert_int_equal(end - first, cap && n > cap ? cap : n);
    float least = 1e9F;
    uint32_t last_least = 0;
    for (uint64_t e = first; e < end; e++) {
        assert_true(e == first || links->to[e] > links->to[e - 1]);
        assert_true(links->value[e] == want[links->to[e]]);
        assert_true(hd_links_get(links, item, links->to[e]) == links->value[e]);
        if (links->value[e] <= least) last_least = links->to[e];
        if (links->value[e] < least) least = links->value[e];
        want[links->to[e]] = 0;
    }
    for (size_t j = 0; j < ITEMS && n > 0; j++) { // what was cut is less, or equal and later
        assert_true(want[j] < least || (want[j] == least && j > last_least));
        if (j % 997 == 0 && want[j] == 0 && end == first) {
            assert_true(hd_links_get(links, item, (uint32_t)j) == 0);
        }
    }
}

static void check(size_t cap, bool even, hd_pool *pool) {
    hd_links links;
    static double total[ITEMS];
    hd_links_source source = {.row = row, .value = even ? even_only : NULL, .total = total};
    assert_int_equal(hd_links_build(ITEMS, cap, &source, pool, &links), HEED_OK);
    for (uint32_t i = 0; i < 10; i++) check_row(&links, i, cap, even);
    for (uint32_t i = 0; i < ITEMS; i++) assert_true(total[i] == (double)additions(i));
    assert_int_equal(links.start[ITEMS], links.start[200]);
    hd_links_clear(&links);
}

static void test_rows(void **state) {
    (void)state;
    hd_pool *pool = NULL;
    assert_int_equal(hd_pool_new(2, &pool), HEED_OK);
    check(0, false, NULL);
    check(0, true, pool);
    check(50, false, pool);
    check(1, true, NULL);
    hd_pool_free(pool);
}

static void test_no_items(void **state) {
    (void)state;
    hd_links links;
    hd_links_source source = {.row = row};
    assert_int_equal(hd_links_build(0, 5, &source, NULL, &links), HEED_OK);
    assert_int_equal(links.start[0], 0);
    hd_links_clear(&links);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows),
                                       cmocka_unit_test(test_no_items)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
