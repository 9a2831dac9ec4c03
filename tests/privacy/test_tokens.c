// SPDX-License-Identifier: Apache-2.0
//
// Tokens: there and back, the same for the same, nothing for another key, and any change refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <sodium.h>

#include "base/mem.h"
#include "privacy/tokens.h"

#define assert_ok(expr) assert_int_equal((expr), HEED_OK)

typedef struct rig {
    hd_finder *finder;
    hd_tokenizer *mine, *other;
} rig;

static int setup(void **state) {
    static rig r;
    const uint8_t a[HD_TOKEN_SECRET] = {1}, b[HD_TOKEN_SECRET] = {2};
    assert_ok(hd_finder_new(&r.finder));
    assert_ok(hd_tokenizer_new(a, &r.mine));
    assert_ok(hd_tokenizer_new(b, &r.other));
    *state = &r;
    return 0;
}

static int teardown(void **state) {
    rig *r = *state;
    hd_finder_free(r->finder);
    hd_tokenizer_free(r->mine);
    hd_tokenizer_free(r->other);
    hd_tokenizer_free(NULL);
    return 0;
}

static hd_slice slice(const hd_str *s) {
    return (hd_slice){hd_str_get(s), s->len};
}

static size_t replace(rig *r, const char *text, hd_str *out) {
    int64_t counts[HD_PII_TYPES] = {0}, n = 0;
    bool changed;
    hd_str_reset(out);
    assert_ok(hd_tokenizer_replace(r->mine, r->finder, hd_slice_of(text), HD_PII_ALL, out, counts,
                                   &changed));
    for (int t = 0; t < HD_PII_TYPES; t++) n += counts[t];
    assert_int_equal(changed, n > 0);
    return (size_t)n;
}

static size_t reveal(const hd_tokenizer *tokens, hd_slice text, hd_str *out) {
    size_t n;
    hd_str_reset(out);
    assert_ok(hd_tokenizer_reveal(tokens, text, out, &n));
    return n;
}

static const char *const texts[] = {
    "",
    "nothing here",
    "[[phone:",
    "我叫张伟，电话13800138000，寄到北京市海淀区中关村大街27号。",
    "call me on (212) 555-0123 or mail anna.berg@example.com, my name is Anna Berg",
    "13800138000 13800138000",
    "[[[phone:x]] 邮箱是li@example.com]]",
};

static void what_is_replaced_comes_back(void **state) {
    rig *r = *state;
    hd_str once = {0}, twice = {0}, back = {0};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t n = replace(r, texts[i], &once);
        assert_int_equal(reveal(r->mine, slice(&once), &back), n);
        assert_string_equal(hd_str_get(&back), texts[i]);
        // Another workspace's keys say nothing, and change nothing.
        assert_int_equal(reveal(r->other, slice(&once), &back), 0);
        assert_string_equal(hd_str_get(&back), hd_str_get(&once));
        // Once more changes nothing.
        assert_int_equal(replace(r, hd_str_get(&once), &twice), 0);
        assert_string_equal(hd_str_get(&twice), hd_str_get(&once));
    }
    hd_str_clear(&once);
    hd_str_clear(&twice);
    hd_str_clear(&back);
}

static void the_value_is_gone_and_its_token_is_the_same(void **state) {
    rig *r = *state;
    hd_str a = {0}, b = {0}, c = {0};
    assert_int_equal(replace(r, "电话13800138000", &a), 1);
    assert_int_equal(replace(r, "请打电话13800138000。", &b), 1);
    assert_int_equal(replace(r, "电话13800138001", &c), 1);
    assert_null(strstr(hd_str_get(&a), "13800138000"));
    const char *token = strstr(hd_str_get(&a), "[[phone:");
    assert_non_null(token);
    assert_non_null(strstr(hd_str_get(&b), token));
    // No part of another value's token is that of this one.
    assert_null(strstr(hd_str_get(&c), (char[]){token[8], token[9], token[10], token[11], token[12],
                                                token[13], 0}));
    hd_str_clear(&a);
    hd_str_clear(&b);
    hd_str_clear(&c);
}

static void every_byte_of_a_token_counts(void **state) {
    rig *r = *state;
    hd_str made = {0}, back = {0};
    assert_int_equal(replace(r, "13800138000", &made), 1);
    for (size_t i = 0; i < made.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            made.data[i] = (char)(made.data[i] ^ (1 << bit));
            assert_int_equal(reveal(r->mine, slice(&made), &back), 0);
            assert_string_equal(hd_str_get(&back), hd_str_get(&made));
            made.data[i] = (char)(made.data[i] ^ (1 << bit));
        }
        assert_int_equal(reveal(r->mine, (hd_slice){made.data, i}, &back), 0);
    }
    // A phone number isn't taken for a name.
    hd_str other = {0};
    hd_str_addf(&other, "[[name:%s", strchr(made.data, ':') + 1);
    assert_int_equal(reveal(r->mine, slice(&other), &back), 0);
    hd_str_clear(&other);
    hd_str_clear(&made);
    hd_str_clear(&back);
}

static void failing_allocations_are_told(void **state) {
    rig *r = *state;
    bool finished = false;
    for (uint64_t n = 1; !finished; n++) {
        hd_str once = {0}, back = {0};
        hd_tokenizer *tokens = NULL;
        const uint8_t secret[HD_TOKEN_SECRET] = {9};
        bool changed;
        size_t count = 0;
        (void)hd_mem_calls();
        hd_mem_fail_at(n, true);
        heed_err err = hd_tokenizer_new(secret, &tokens);
        if (err == HEED_OK)
            err = hd_tokenizer_replace(tokens, r->finder, hd_slice_of(texts[4]), HD_PII_ALL, &once,
                                       NULL, &changed);
        if (err == HEED_OK) err = hd_tokenizer_reveal(tokens, slice(&once), &back, &count);
        hd_mem_fail_at(0, false);
        finished = hd_mem_calls() < n;
        assert_true(err == HEED_OK || err == HEED_MEMORY);
        if (finished) assert_int_equal(count, 3);
        hd_tokenizer_free(tokens);
        hd_str_clear(&once);
        hd_str_clear(&back);
    }
}

int main(void) {
    if (sodium_init() < 0) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_replaced_comes_back),
        cmocka_unit_test(the_value_is_gone_and_its_token_is_the_same),
        cmocka_unit_test(every_byte_of_a_token_counts),
        cmocka_unit_test(failing_allocations_are_told),
    };
    return cmocka_run_group_tests_name("tokens", tests, setup, teardown);
}
