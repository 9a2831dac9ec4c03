// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/unicode.h"

// Every code point encodes, validates and decodes; surrogates and what lies beyond don't.
static void test_all_code_points(void **state) {
    (void)state;
    char bytes[4];
    uint32_t back;
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        if (c >= 0xD800 && c <= 0xDFFF) continue;
        size_t len = hd_utf8_put(c, bytes);
        if (hd_utf8_valid(bytes, len) != len || hd_utf8_next(bytes, len, &back) != len ||
            back != c) {
            fail_msg("U+%04X", c);
        }
        // Cut short, it is no character.
        if (len > 1 && hd_utf8_valid(bytes, len - 1) != 0) fail_msg("cut U+%04X", c);
    }
    assert_int_equal(hd_utf8_put(0xD800, bytes), 3);
    assert_memory_equal(bytes, "\xEF\xBF\xBD", 3);
    assert_int_equal(hd_utf8_put(0x110000, bytes), 3);
}

// Of all pairs and triples of bytes exactly the encodings of a code point are valid.
static void test_exhaustive_bytes(void **state) {
    (void)state;
    size_t two = 0, three = 0;
    for (unsigned a = 0x80; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            char bytes[3] = {(char)a, (char)b, 0};
            two += hd_utf8_valid(bytes, 2) == 2;
            for (unsigned c = 0x80; c < 0xC0; c++) {
                bytes[2] = (char)c;
                three += a >= 0xE0 && hd_utf8_valid(bytes, 3) == 3;
            }
        }
    }
    assert_int_equal(two, 0x800 - 0x80);
    assert_int_equal(three, 0x10000 - 0x800 - 0x800);
}

static void test_valid(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t n, bad;
    } cases[] = {
        {"", 0, 0},
        {"0123456789abcdef", 16, 16},
        {"01234567\xff", 9, 8},
        {"0123456\xe4\xbd\xa0 89", 13, 13},
        {"\xc0\x80", 2, 0},         // overlong
        {"\xe0\x80\x80", 3, 0},     // overlong
        {"\xf0\x80\x80\x80", 4, 0}, // overlong
        {"ab\xed\xa0\x80", 5, 2},   // surrogate
        {"\xf4\x90\x80\x80", 4, 0}, // beyond U+10FFFF
        {"\xf4\x8f\xbf\xbf", 4, 4},
        {"a\x80", 2, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(hd_utf8_valid(cases[i].text, cases[i].n), cases[i].bad);
    }
    uint32_t c = 1;
    assert_int_equal(hd_utf8_next("\xff", 1, &c), 1);
    assert_int_equal(c, 0xFFFD);
    assert_int_equal(hd_utf8_next("", 0, &c), 0);
}

static void test_cut_width(void **state) {
    (void)state;
    const char *text = "a你😀b"; // 1 + 3 + 4 + 1
    static const size_t expected[] = {0, 1, 1, 1, 4, 4, 4, 4, 8, 9, 9};
    for (size_t max = 0; max <= 10; max++) {
        assert_int_equal(hd_utf8_cut(text, 9, max), expected[max]);
    }
    assert_int_equal(hd_utf8_cut("\x80\x80\x80\x80\x80", 5, 4), 4); // no characters at all
    assert_int_equal(hd_utf8_width(text, 9), 6);
    assert_int_equal(hd_utf8_width("e\xcc\x81", 3), 1);
    assert_int_equal(hd_utf8_width("价格ａ", 9), 6);
}

static void expect_fold(const char *text, size_t n, const char *expected) {
    hd_str out, again;
    hd_str_init(&out);
    hd_str_init(&again);
    assert_int_equal(hd_unicode_fold(text, n, &out), HEED_OK);
    assert_string_equal(hd_str_get(&out), expected);
    // Folding what is folded changes nothing.
    assert_int_equal(hd_unicode_fold(hd_str_get(&out), out.len, &again), HEED_OK);
    assert_string_equal(hd_str_get(&again), expected);
    hd_str_clear(&again);
    hd_str_clear(&out);
}

static void test_fold(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {"Hello World-42", "hello world-42"},
        {"STRASSE straße", "strasse strasse"},
        {"Ａｂｃ１２３", "abc123"},
        {"ｶﾞ", "ガ"},
        {"Ｅ\xcc\x81", "é"},
        {"ﬁ", "fi"},
        {"①", "1"},
        {"ΌΣΟΣ", "όσοσ"},
        {"co\xc2\xadop", "coop"}, // soft hyphen
        {"价格 ＡＢ", "价格 ab"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_fold(cases[i][0], strlen(cases[i][0]), cases[i][1]);
    }
    expect_fold("A\xff\xe4\xbd", 4, "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    // One character that becomes eighteen.
    expect_fold("\xEF\xB7\xBA", 3, "صلى الله عليه وسلم");
}

static heed_err collect(void *ctx, hd_slice token, size_t start, size_t n) {
    hd_str *out = ctx;
    hd_str_addn(out, token.p, token.n);
    hd_str_addf(out, "@%zu+%zu ", start, n);
    return hd_str_check(out);
}

static void expect_tokens(const char *text, const char *expected) {
    hd_str out;
    hd_str_init(&out);
    assert_int_equal(hd_tokens(text, strlen(text), collect, &out), HEED_OK);
    assert_string_equal(hd_str_get(&out), expected);
    hd_str_clear(&out);
}

static heed_err refuse(void *ctx, hd_slice token, size_t start, size_t n) {
    (void)ctx, (void)token, (void)start, (void)n;
    return HEED_INTERRUPTED;
}

static void test_tokens(void **state) {
    (void)state;
    expect_tokens("", "");
    expect_tokens(" ,.!。", "");
    expect_tokens("Red Shoes, 42", "red@0+3 shoes@4+5 42@11+2 ");
    expect_tokens("红", "红@0+3 ");
    expect_tokens("红色鞋", "红色@0+6 色鞋@3+6 ");
    expect_tokens("买iPhone手机", "买@0+3 iphone@3+6 手机@9+6 ");
    expect_tokens("红，鞋", "红@0+3 鞋@6+3 ");
    expect_tokens("ＡＢ", "ab@0+6 ");
    expect_tokens("カメラ", "カメ@0+6 メラ@3+6 ");
    expect_tokens("\xef\xb8\x8f", ""); // a variation selector alone folds to nothing
    assert_int_equal(hd_tokens("红色", 6, refuse, NULL), HEED_INTERRUPTED);
    assert_int_equal(hd_tokens("a b", 3, refuse, NULL), HEED_INTERRUPTED);
}

static void test_cjk(void **state) {
    (void)state;
    assert_true(hd_is_cjk(0x4E2D) && hd_is_cjk(0x3042) && hd_is_cjk(0xD55C) && hd_is_cjk(0x3105));
    assert_true(hd_is_cjk(0x20000) && hd_is_cjk(0x3005) && hd_is_cjk(0x9FFF));
    assert_false(hd_is_cjk('a') || hd_is_cjk(0x3001) || hd_is_cjk(0x30FB) || hd_is_cjk(0xFF01));
    assert_false(hd_is_cjk(0x1F600) || hd_is_cjk(0x10FFFF));
}

static void expect_encoding(const char *bytes, size_t n, hd_encoding expected,
                            size_t bom_expected) {
    size_t bom = 99;
    hd_encoding got = hd_encoding_sniff(bytes, n, &bom);
    if (got != expected || bom != bom_expected) {
        fail_msg("'%.*s': %s, bom %zu", (int)n, bytes, hd_encoding_name(got), bom);
    }
}

#define EXPECT_ENCODING(literal, encoding, bom) \
    expect_encoding((literal), sizeof(literal) - 1, (encoding), (bom))

static void test_encoding(void **state) {
    (void)state;
    EXPECT_ENCODING("", HD_UTF8, 0);
    EXPECT_ENCODING("user,item\n1,2\n", HD_UTF8, 0);
    EXPECT_ENCODING("\xEF\xBB\xBFuser", HD_UTF8, 3);
    EXPECT_ENCODING("用户,商品", HD_UTF8, 0);
    EXPECT_ENCODING("用户,商\xE5\x93", HD_UTF8, 0); // cut within a character
    EXPECT_ENCODING("a\xE5", HD_UTF8, 0);
    EXPECT_ENCODING("\xFF\xFEu\0s\0", HD_UTF16LE, 2);
    EXPECT_ENCODING("\xFE\xFF\0u\0s", HD_UTF16BE, 2);
    EXPECT_ENCODING("u\0s\0e\0r\0,\0\x28\x75", HD_UTF16LE, 0);
    EXPECT_ENCODING("\0u\0s\0e\0r\0,\x75\x28", HD_UTF16BE, 0);
    EXPECT_ENCODING("\xFF\xFE\0\0u\0\0\0", HD_BINARY, 0);
    EXPECT_ENCODING("SQLite format 3\0\x10\0\x01\x01", HD_BINARY, 0);
    EXPECT_ENCODING("\x1f\x8b\x08\x01\x02\x03\x04", HD_BINARY, 0);
    // 用户,商品 in GB18030, whole and cut
    EXPECT_ENCODING("\xD3\xC3\xBB\xA7,\xC9\xCC\xC6\xB7", HD_GB18030, 0);
    EXPECT_ENCODING("\xD3\xC3\xBB\xA7,\xC9\xCC\xC6", HD_GB18030, 0);
    EXPECT_ENCODING("\xD3\xC3\xBB\xA7\x81\x30\x81\x30", HD_GB18030, 0); // with a four-byte one
    EXPECT_ENCODING("\x84\x31\x95\x33\xD3\xC3", HD_GB18030, 4);
    EXPECT_ENCODING("caf\xE9, \xFC"
                    "ber, na\xEFve",
                    HD_LATIN1, 0);
    EXPECT_ENCODING("\xE9lectricit\xE9 et \xE9t\xE9", HD_LATIN1, 0);
    EXPECT_ENCODING("\xE9"
                    "a",
                    HD_LATIN1, 0); // a pair by form, but not a common one
}

static void test_allocation_failures(void **state) {
    (void)state;
    const char *text = "Größe 红色鞋\xff ﷺ ①";
    size_t before = hd_mem_used();
    for (uint64_t n = 1;; n++) {
        assert_true(n < 1000);
        hd_str out, folded;
        hd_str_init(&out);
        hd_str_init(&folded);
        hd_mem_fail_at(n, true);
        heed_err err = hd_tokens(text, strlen(text), collect, &out);
        if (err == HEED_OK) err = hd_unicode_fold(text, strlen(text), &folded);
        hd_mem_fail_at(0, false);
        hd_str_clear(&out);
        hd_str_clear(&folded);
        assert_int_equal(hd_mem_used(), before);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_code_points),
        cmocka_unit_test(test_exhaustive_bytes),
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_cut_width),
        cmocka_unit_test(test_fold),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_cjk),
        cmocka_unit_test(test_encoding),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
