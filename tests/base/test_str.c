// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"

static void test_slices(void **state) {
    (void)state;
    hd_slice s = hd_slice_trim(hd_slice_of(" \t a b\r\n"));
    assert_true(hd_slice_eq(s, "a b"));
    assert_int_equal(hd_slice_trim(hd_slice_of(" \n ")).n, 0);
    assert_int_equal(hd_slice_trim((hd_slice){0}).n, 0);
    assert_true(hd_slice_eq_nocase(hd_slice_of("PuRchase"), "purchase"));
    assert_false(hd_slice_eq_nocase(hd_slice_of("purchases"), "purchase"));
    assert_false(hd_slice_eq_nocase((hd_slice){0}, ""));
    assert_false(hd_slice_eq((hd_slice){0}, ""));
    assert_true(hd_slice_eq(hd_slice_of(""), ""));
}

static void test_i64(void **state) {
    (void)state;
    const struct {
        const char *text;
        bool ok;
        int64_t value;
    } rows[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"+7", true, 7},
        {"007", true, 7},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"1 ", false, 0},
        {" 1", false, 0},
        {"1.0", false, 0},
        {"0x10", false, 0},
        {"１", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t value = 42;
        assert_int_equal(hd_slice_i64(hd_slice_of(rows[i].text), &value), rows[i].ok);
        assert_int_equal(value, rows[i].ok ? rows[i].value : 42);
    }
}

static void check_f64(const char *text) {
    double want = strtod(text, NULL);
    double got = NAN;
    if (!hd_slice_f64(hd_slice_of(text), &got)) fail_msg("'%s' is a number", text);
    if (memcmp(&got, &want, sizeof got) != 0) fail_msg("'%s': %.17g, not %.17g", text, got, want);
}

static void test_f64_cases(void **state) {
    (void)state;
    const char *good[] = {"0",
                          "-0",
                          "1",
                          "+1.5",
                          ".5",
                          "5.",
                          "-.25e-3",
                          "1e22",
                          "1e23",
                          "1E5",
                          "9007199254740993",
                          "9007199254740992.5",
                          "123456789012345678901234567890",
                          "2.2250738585072011e-308",
                          "4.9e-324",
                          "2e-324",
                          "1e-400",
                          "1e-99999999999",
                          "1.7976931348623157e308",
                          "0.000000000000000000000000000000000000001",
                          "0e999999999",
                          "179769313486231570000000000000000000000e270",
                          "8.98846567431158e307",
                          "0.1e1",
                          "00012.5000"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) check_f64(good[i]);
    const char *bad[] = {"",     "-",     ".",   "e5",    "1e",
                         "1e+",  "1.2.3", "inf", "nan",   "0x1p3",
                         "1,5",  "1 ",    " 1",  "1e400", "-1e999999999999999999999",
                         "1e5x", "--1",   "1_0"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        double value;
        if (hd_slice_f64(hd_slice_of(bad[i]), &value)) fail_msg("'%s' is no number", bad[i]);
    }
}

// Half way between two doubles, and a hair beside it a thousand digits on.
static void test_f64_long(void **state) {
    (void)state;
    char text[1600] = "9007199254740993.";
    memset(text + 17, '0', 1500);
    text[1517] = '\0';
    check_f64(text);
    text[1400] = '1';
    check_f64(text);
    double value;
    assert_true(hd_slice_f64(hd_slice_of(text), &value));
    assert_true(value == 9007199254740994.0);
    memset(text, '9', 1500);
    text[1500] = '\0';
    assert_false(hd_slice_f64(hd_slice_of(text), &value));
    memcpy(text + 1500, "e-1400", 7);
    check_f64(text);
}

// What is printed with 17 digits reads back the same; other digits read as strtod reads them.
static void test_f64_random(void **state) {
    (void)state;
    hd_rng rng = hd_rng_make(1, 1);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = hd_rng_u64(&rng);
        double x;
        memcpy(&x, &bits, sizeof x);
        if (!isfinite(x)) continue;
        char text[64];
        snprintf(text, sizeof text, "%.17g", x);
        double back;
        assert_true(hd_slice_f64(hd_slice_of(text), &back));
        assert_memory_equal(&back, &x, sizeof x);
        snprintf(text, sizeof text, "%lld.%03llue%d", (long long)(bits >> (bits % 60)),
                 (unsigned long long)(bits % 1000), (int)(bits % 60) - 30);
        check_f64(text);
    }
}

static void test_locale(void **state) {
    (void)state;
    // A locale with a decimal comma, where the machine has one.
    const char *names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE.utf8", "fr_FR.utf8"};
    for (size_t i = 0; i < 4 && !setlocale(LC_ALL, names[i]); i++) {
    }
    double x;
    assert_true(hd_slice_f64(hd_slice_of("1.12345678901234567890123"), &x));
    assert_true(x > 1.1 && x < 1.2);
    char text[32];
    assert_int_equal(hd_snprintf(text, sizeof text, "%.2f", 1.5), 4);
    assert_string_equal(text, "1.50");
    setlocale(LC_ALL, "C");
}

static void test_growing(void **state) {
    (void)state;
    hd_str s;
    hd_str_init(&s);
    assert_string_equal(hd_str_get(&s), "");
    hd_str_add(&s, "a");
    hd_str_addc(&s, 'b');
    hd_str_addn(&s, "cde", 2);
    hd_str_addf(&s, "%d/%.2f", 7, 2.5);
    assert_string_equal(hd_str_get(&s), "abcd7/2.50");
    assert_int_equal(s.len, 10);
    for (int i = 0; i < 10000; i++) hd_str_addf(&s, "%d,", i);
    assert_int_equal(s.len, 10 + 48890);
    hd_str_reset(&s);
    assert_string_equal(hd_str_get(&s), "");
    hd_str_add(&s, "again");
    char *text;
    assert_int_equal(hd_str_take(&s, &text), HEED_OK);
    assert_string_equal(text, "again");
    hd_free(text);
    assert_null(s.data);
    assert_int_equal(hd_str_take(&s, &text), HEED_OK);
    assert_string_equal(text, "");
    hd_free(text);
}

static void test_sticky(void **state) {
    (void)state;
    hd_str s;
    hd_str_init(&s);
    hd_str_add(&s, "abc");
    hd_mem_fail_at(1, true);
    for (int i = 0; i < 100; i++) hd_str_add(&s, "0123456789");
    hd_mem_fail_at(0, false);
    assert_true(s.failed);
    size_t len = s.len;
    hd_str_add(&s, "x");
    assert_int_equal(s.len, len);
    assert_int_equal(hd_str_check(&s), HEED_MEMORY);
    char *text = NULL;
    assert_int_equal(hd_str_take(&s, &text), HEED_MEMORY);
    assert_null(text);
    assert_null(s.data);
}

static const char *words[] = {"import", "export", "train", "eval", "recommend", NULL};
static const char *next_word(void *ctx) {
    size_t *i = ctx;
    return words[*i] ? words[(*i)++] : NULL;
}
static const char *nearest(const char *word) {
    size_t i = 0;
    return hd_nearest(word, next_word, &i);
}

static void test_nearest(void **state) {
    (void)state;
    assert_string_equal(nearest("imprt"), "import");
    assert_string_equal(nearest("tarin"), "train"); // one swap
    assert_string_equal(nearest("RECOMEND"), "recommend");
    assert_string_equal(nearest("evla"), "eval");
    assert_string_equal(nearest("rec"), "recommend"); // cut short
    assert_string_equal(nearest("EXP"), "export");
    assert_null(nearest("re"));
    assert_null(nearest("zzz"));
    assert_null(nearest("x"));
    char longest[300];
    memset(longest, 'a', sizeof longest - 1);
    longest[299] = '\0';
    assert_null(nearest(longest));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slices),     cmocka_unit_test(test_i64),
        cmocka_unit_test(test_f64_cases),  cmocka_unit_test(test_f64_long),
        cmocka_unit_test(test_f64_random), cmocka_unit_test(test_locale),
        cmocka_unit_test(test_growing),    cmocka_unit_test(test_sticky),
        cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
