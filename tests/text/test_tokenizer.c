// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"
#include "text.h"

// The tokens of a text, each behind a bar.
static void expect(const char *how, const char *text, const char *want) {
    hd_tokenizer t;
    hd_pieces pieces;
    hd_str got;
    json_t *json = json_of(how);
    hd_where where = hd_where_of(NULL, "tokenizer");
    hd_pieces_init(&pieces);
    hd_str_init(&got);
    assert_int_equal(hd_tokenizer_read(json, &where, &t), HEED_OK);
    assert_int_equal(hd_tokenize(&t, hd_slice_of(text), &pieces), HEED_OK);
    for (size_t i = 0; i < pieces.n; i++) {
        hd_str_addc(&got, '|');
        hd_str_addn(&got, pieces.at[i].p, pieces.at[i].n);
    }
    assert_string_equal(hd_str_get(&got), want);
    hd_str_clear(&got);
    hd_pieces_clear(&pieces);
    json_decref(json);
}

static void test_words(void **state) {
    (void)state;
    expect(NULL, "The cat's hat, 3.5 times!", "|the|cat|s|hat|3|5|times");
    expect("words", "", "");
    expect("words", " \t\n,;.", "");
    expect("words", "我爱北京Tiananmen。", "|我|爱|北|京|tiananmen");
    expect("words", "ＡＢＣ１２３ café CAFÉ straße", "|abc123|café|café|strasse");
    expect("{\"words\": {\"marks\": true}}", "Don't stop, “now”!", "|don|'|t|stop|,|“|now|”|!");
    expect("{\"words\": {\"fold\": false}}", "The ＡＢ", "|The|ＡＢ");
    expect("words",
           "a\xff"
           "b\xc3",
           "|a|b"); // no UTF-8: U+FFFD, which is no word
}

static void test_bigrams(void **state) {
    (void)state;
    expect("bigrams", "我爱北京Tiananmen 好", "|我爱|爱北|北京|tiananmen|好");
    expect("bigrams", "好", "|好");
    expect("{\"bigrams\": {\"marks\": true}}", "好,好。", "|好|,|好|。");
}

static void test_characters(void **state) {
    (void)state;
    expect("characters", "  Ab\t\n 好c ", "|a|b| |好|c");
    expect("{\"characters\": {\"fold\": false}}", "Ab\xff", "|A|b|\xEF\xBF\xBD");
    expect("{\"characters\": {\"spaces\": true}}", " A\n\nb", "| |a|\n|\n|b");
    expect("characters", "", "");
    expect("characters", "   ", "");
}

// Cut without folding, characters give back the text.
static void test_nothing_is_lost(void **state) {
    (void)state;
    static const char text[] = "It was — 春眠不觉晓， 處處聞啼鳥 — the best of times; e\xCC\x81";
    expect("{\"characters\": {\"fold\": false}}", "", "");
    hd_tokenizer t;
    hd_pieces pieces;
    json_t *json = json_of("{\"characters\": {\"fold\": false}}");
    hd_pieces_init(&pieces);
    hd_where where = hd_where_of(NULL, "");
    assert_int_equal(hd_tokenizer_read(json, &where, &t), HEED_OK);
    assert_int_equal(hd_tokenize(&t, S(text), &pieces), HEED_OK);
    hd_str back;
    hd_str_init(&back);
    for (size_t i = 0; i < pieces.n; i++) hd_str_addn(&back, pieces.at[i].p, pieces.at[i].n);
    assert_string_equal(hd_str_get(&back), text);
    hd_str_clear(&back);
    hd_pieces_clear(&pieces);
    json_decref(json);
}

static void test_unknown(void **state) {
    (void)state;
    static const char *const bad[] = {"wrods", "{\"words\": {\"mark\": true}}",
                                      "{\"characters\": {\"marks\": true}}", "[]",
                                      "{\"words\": {\"marks\": 3}}"};
    hd_where where = hd_where_of(NULL, "prepare.tokenizer");
    for (size_t i = 0; i < COUNT(bad); i++) {
        hd_tokenizer t;
        json_t *json = json_of(bad[i]);
        assert_int_equal(hd_tokenizer_read(json, &where, &t), HEED_INPUT);
        assert_non_null(strstr(heed_error_message(HEED_EN), "tokenizer"));
        json_decref(json);
    }
}

static void test_memory(void **state) {
    (void)state;
    hd_where where = hd_where_of(NULL, "");
    for (uint64_t n = 1;; n++) {
        hd_tokenizer t;
        hd_pieces pieces;
        hd_pieces_init(&pieces);
        json_t *json = json_of("{\"words\": {\"marks\": true}}");
        hd_mem_fail_at(n, true);
        heed_err err = hd_tokenizer_read(json, &where, &t);
        if (err == HEED_OK) err = hd_tokenize(&t, S("Ärger, 春眠 and Übermut"), &pieces);
        hd_mem_fail_at(0, false);
        hd_pieces_clear(&pieces);
        json_decref(json);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
        assert_true(n < 1000);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),      cmocka_unit_test(test_bigrams),
        cmocka_unit_test(test_characters), cmocka_unit_test(test_nothing_is_lost),
        cmocka_unit_test(test_unknown),    cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
