// SPDX-License-Identifier: Apache-2.0
#include "text/ngram.h"
#include "text.h"

static heed_err add(void *ctx, hd_slice token, size_t start, size_t n) {
    hd_str *out = ctx;
    hd_str_addf(out, "%zu+%zu[%.*s]", start, n, (int)token.n, token.p);
    return HEED_OK;
}

static void expect(const char *text, size_t low, size_t high, bool inside, const char *want) {
    hd_tokenizer t;
    hd_pieces pieces;
    hd_str got;
    hd_pieces_init(&pieces);
    hd_str_init(&got);
    assert_int_equal(hd_tokenizer_read(NULL, NULL, &t), HEED_OK);
    assert_int_equal(hd_tokenize(&t, hd_slice_of(text), &pieces), HEED_OK);
    if (inside)
        assert_int_equal(hd_ngrams_inside(&pieces, low, high, add, &got), HEED_OK);
    else
        assert_int_equal(hd_ngrams(&pieces, low, high, " ", add, &got), HEED_OK);
    assert_string_equal(hd_str_get(&got), want);
    hd_str_clear(&got);
    hd_pieces_clear(&pieces);
}

static void test_runs(void **state) {
    (void)state;
    expect("a b c", 1, 1, false, "0+1[a]1+1[b]2+1[c]");
    expect("a b c", 2, 3, false, "0+2[a b]1+2[b c]0+3[a b c]");
    expect("a", 2, 3, false, "");
    expect("", 1, 3, false, "");
    expect("a b", 1, 9, false, "0+1[a]1+1[b]0+2[a b]");
}

// As scikit-learn's char_wb: shorter than a run, a token counts once.
static void test_inside(void **state) {
    (void)state;
    expect("ab c", 3, 3, true, "0+3[ ab]0+3[ab ]1+3[ c ]");
    expect("c", 4, 6, true, "0+4[ c ]");
    expect("猫", 2, 5, true, "0+2[ 猫]0+2[猫 ]0+3[ 猫 ]");
    expect("", 2, 5, true, "");
}

// Values of scikit-learn's murmurhash3_32.
static void test_hash(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint32_t hash;
    } cases[] = {{"", 0},
                 {"a", 1009084850},
                 {"ab", 2613040991},
                 {"abc", 3017643002},
                 {"abcd", 1139631978},
                 {"abcde", 3902511862},
                 {"猫 the", 3469961223}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(hd_murmur3(cases[i].text, strlen(cases[i].text), 0), cases[i].hash);
    }
}

static heed_err refuse(void *ctx, hd_slice token, size_t start, size_t n) {
    (void)ctx;
    (void)token;
    (void)start;
    (void)n;
    return HD_FAIL(HEED_INTERRUPTED, "enough", "够了");
}

static void test_failing(void **state) {
    (void)state;
    hd_pieces pieces;
    hd_pieces_init(&pieces);
    assert_int_equal(hd_pieces_add(&pieces, "ab", 2), HEED_OK);
    assert_int_equal(hd_pieces_add(&pieces, "cd", 2), HEED_OK);
    for (size_t k = 1; k <= 2; k++) {
        assert_int_equal(hd_ngrams(&pieces, k, k, " ", refuse, NULL), HEED_INTERRUPTED);
    }
    assert_int_equal(hd_ngrams_inside(&pieces, 2, 3, refuse, NULL), HEED_INTERRUPTED);
    hd_mem_fail_at(1, true);
    assert_int_equal(hd_ngrams(&pieces, 2, 2, " ", refuse, NULL),
                     HEED_INTERRUPTED); // has its buffer
    hd_mem_fail_at(0, false);
    hd_str_clear(&pieces.joined);
    hd_mem_fail_at(1, true);
    assert_int_equal(hd_ngrams(&pieces, 2, 2, " ", refuse, NULL), HEED_MEMORY);
    hd_mem_fail_at(0, false);
    hd_pieces_clear(&pieces);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_inside),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_failing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
