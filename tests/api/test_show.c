// SPDX-License-Identifier: Apache-2.0
//
// Grids and numbers for a person's eyes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "api/show.h"
#include "base/mem.h"

static void check_grid(hd_grid *grid, size_t width, const char *expected) {
    hd_str out;
    hd_str_init(&out);
    assert_int_equal(hd_grid_print(grid, width, &out), HEED_OK);
    assert_string_equal(hd_str_get(&out), expected);
    hd_str_clear(&out);
    hd_grid_clear(grid);
}

static void test_columns_line_up(void **state) {
    (void)state;
    hd_grid g;
    hd_grid_init(&g, "lrl");
    hd_grid_head(&g, "name", "n", "what");
    hd_grid_row(&g, "茶杯", "7", "cup");
    hd_grid_row(&g, "tea", "1,000", "");
    check_grid(&g, 0,
               "  name      n  what\n"
               "  ────  ─────  ────\n"
               "  茶杯      7  cup\n"
               "  tea   1,000\n");
}

static void test_cuts_and_wraps(void **state) {
    (void)state;
    hd_grid g;
    hd_grid_init(&g, "lr");
    hd_grid_row(&g, "a title that is far too long for this", "12");
    check_grid(&g, 24, "  a title that is f…  12\n");
    hd_grid_init(&g, "ll");
    hd_grid_row(&g, "key", "several words that need more than one line");
    check_grid(&g, 27, "  key  several words that\n       need more than one\n       line\n");
    hd_grid_init(&g, "ll");
    hd_grid_row(&g, "键", "一段没有空格的中文说明文字");
    check_grid(&g, 20, "  键  一段没有空格的\n      中文说明文字\n");
    hd_grid_init(&g, "ll");
    hd_grid_row(&g, "k", "anunbreakablewordofmanyletters");
    check_grid(&g, 17, "  k  anunbreakabl\n     ewordofmanyl\n     etters\n");
    hd_grid_init(&g, "l");
    check_grid(&g, 10, "");
}

static void check(const char *got, const char *expected) {
    assert_non_null(got);
    assert_string_equal(got, expected);
}

static void test_numbers(void **state) {
    (void)state;
    hd_arena a;
    hd_arena_init(&a);
    check(hd_show_int(&a, 0), "0");
    check(hd_show_int(&a, 999), "999");
    check(hd_show_int(&a, 1000), "1,000");
    check(hd_show_int(&a, -1234567), "-1,234,567");
    check(hd_show_int(&a, -123), "-123");
    check(hd_show_int(&a, INT64_MIN), "-9,223,372,036,854,775,808");
    check(hd_show_real(&a, 0), "0");
    check(hd_show_real(&a, 0.123456), "0.1235");
    check(hd_show_real(&a, 1234.5), "1234");
    check(hd_show_real(&a, 123456.7), "123,457");
    check(hd_show_real(&a, 1e20), "1.000e+20");
    check(hd_show_real(&a, NAN), "–");
    check(hd_show_fixed(&a, 0.28605, 4), "0.2861");
    check(hd_show_fixed(&a, INFINITY, 4), "–");
    check(hd_show_percent(&a, 0.1234), "12.3%");
    check(hd_show_percent(&a, NAN), "–");
    check(hd_show_bytes(&a, 512), "512 B");
    check(hd_show_bytes(&a, 1536), "1.5 kB");
    check(hd_show_bytes(&a, 67.0 * 1024 * 1024), "67 MB");
    check(hd_show_bytes(&a, 1e18), "909495 TB");
    check(hd_show_seconds(&a, 0.314), "0.31 s");
    check(hd_show_seconds(&a, 18.44), "18.4 s");
    check(hd_show_seconds(&a, 125.2), "2 min 5 s");
    check(hd_show_seconds(&a, NAN), "–");
    check(hd_show_time(&a, 0), "1970-01-01 00:00");
    check(hd_show_time(&a, HD_TIME_NONE), "–");
    hd_arena_clear(&a);
}

// A cell that found no memory makes the grid fail, not lie.
static void test_memory(void **state) {
    (void)state;
    for (uint64_t n = 1; n < 12; n++) {
        hd_mem_fail_at(n, false);
        hd_grid g;
        hd_str out;
        hd_str_init(&out);
        hd_grid_init(&g, "lr");
        for (int i = 0; i < 40; i++) hd_grid_row(&g, "some text", hd_show_int(&g.arena, 1000 + i));
        heed_err err = hd_grid_print(&g, 0, &out);
        hd_mem_fail_at(0, true);
        assert_true(err == HEED_MEMORY || (err == HEED_OK && strstr(hd_str_get(&out), "1,039")));
        hd_str_clear(&out);
        hd_grid_clear(&g);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_line_up),
        cmocka_unit_test(test_cuts_and_wraps),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
