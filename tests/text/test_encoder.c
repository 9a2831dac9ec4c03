// SPDX-License-Identifier: Apache-2.0
#include "text/encoder.h"
#include "text/ngram.h"
#include "text/vocabulary.h"
#include "text.h"

static const hd_slice texts[] = {TEXT("the cat sat"), TEXT("The dog sat on the cat"),
                                 TEXT("a fast dog"), TEXT("the 猫")};

static hd_encoder *fitted(const char *options) {
    hd_encoder *e;
    json_t *json = json_of(options);
    assert_int_equal(hd_encoder_fit(json, NULL, texts, COUNT(texts), &e), HEED_OK);
    json_decref(json);
    return e;
}

static void expect(const hd_encoder *e, const char *text, const char *want) {
    hd_pieces pieces;
    hd_str got;
    int32_t ids[32];
    size_t used;
    hd_pieces_init(&pieces);
    hd_str_init(&got);
    assert_true(hd_encoder_length(e) <= 32);
    assert_int_equal(hd_encoder_apply(e, hd_slice_of(text), &pieces, ids, &used), HEED_OK);
    for (size_t i = 0; i < hd_encoder_length(e); i++) hd_str_addf(&got, "%d ", ids[i]);
    hd_str_addf(&got, "/ %zu", used);
    assert_string_equal(hd_str_get(&got), want);
    hd_str_clear(&got);
    hd_pieces_clear(&pieces);
}

// the 4, cat dog sat 2, a fast on 猫 1.
static void test_ids(void **state) {
    (void)state;
    hd_encoder *e = fitted("{\"vocabulary\": 100, \"length\": 5}");
    expect(e, "The CAT saw a dog", "2 3 1 6 4 / 5");
    expect(e, "猫", "9 0 0 0 0 / 1");
    expect(e, "", "0 0 0 0 0 / 0");
    expect(e, "the cat sat on the dog", "2 3 5 8 2 / 5");
    assert_int_equal(hd_encoder_size(e), 100);
    assert_true(hd_encoder_from_start(e));
    assert_string_equal(hd_encoder_token(e, 3), "cat");
    assert_string_equal(hd_encoder_token(e, 1), "");
    assert_string_equal(hd_encoder_token(e, -1), "");
    hd_encoder_free(e);
}

static void test_ends(void **state) {
    (void)state;
    hd_encoder *e = fitted("{\"length\": 3, \"pad\": \"start\", \"cut\": \"start\"}");
    expect(e, "cat", "0 0 3 / 1");
    expect(e, "the cat sat on", "3 5 8 / 3");
    assert_false(hd_encoder_from_start(e));
    hd_encoder_free(e);
    e = fitted("{\"vocabulary\": 4, \"length\": 3}"); // two tokens are known
    expect(e, "the cat sat", "2 3 1 / 3");
    hd_encoder_free(e);
    e = fitted("{\"least\": 2}");
    assert_int_equal(hd_encoder_length(e), 3); // of 2, 3, 3, 6: the third in rank, 99 of 100
    hd_encoder_free(e);
}

// Runs stand behind the words, by the hash of their text.
static void test_runs(void **state) {
    (void)state;
    hd_encoder *e = fitted("{\"vocabulary\": 10, \"length\": 8, \"ngrams\": 3, \"buckets\": 1000}");
    char want[128];
    snprintf(want, sizeof want, "2 3 5 %u %u %u 0 0 / 6", 10 + hd_murmur3("the cat", 7, 0) % 1000,
             10 + hd_murmur3("cat sat", 7, 0) % 1000, 10 + hd_murmur3("the cat sat", 11, 0) % 1000);
    expect(e, "the cat sat", want);
    assert_int_equal(hd_encoder_size(e), 1010);
    hd_encoder_free(e);
}

static void test_stream(void **state) {
    (void)state;
    hd_encoder *e = fitted("{\"tokenizer\": \"characters\", \"length\": 2}");
    int32_t *ids;
    size_t n;
    assert_int_equal(hd_encoder_stream(e, S("the x cat"), &ids, &n), HEED_OK);
    assert_int_equal(n, 9);
    assert_string_equal(hd_encoder_token(e, ids[8]), "t");
    assert_int_equal(ids[0], ids[8]);
    assert_int_equal(ids[4], HD_ID_UNKNOWN);
    hd_free(ids);
    hd_encoder_free(e);
}

// What is saved does the same, to the byte, and is saved the same.
static void test_saved(void **state) {
    (void)state;
    static const char *const options[] = {
        NULL, "{\"tokenizer\": {\"bigrams\": {\"marks\": true}}, \"ngrams\": 2, \"buckets\": 50}",
        "{\"tokenizer\": \"characters\", \"length\": 7, \"pad\": \"start\"}"};
    static const char text[] = "The 猫猫 dog, unknown";
    for (size_t i = 0; i < COUNT(options); i++) {
        hd_encoder *e = fitted(options[i]), *back;
        json_t *json, *again;
        hd_pieces pieces;
        int32_t a[64], b[64];
        size_t used[2];
        hd_pieces_init(&pieces);
        assert_int_equal(hd_encoder_json(e, &json), HEED_OK);
        assert_int_equal(hd_encoder_from_json(json, "x", &back), HEED_OK);
        assert_int_equal(hd_encoder_json(back, &again), HEED_OK);
        assert_true(json_equal(json, again));
        assert_int_equal(hd_encoder_apply(e, S(text), &pieces, a, &used[0]), HEED_OK);
        assert_int_equal(hd_encoder_apply(back, S(text), &pieces, b, &used[1]), HEED_OK);
        assert_memory_equal(a, b, hd_encoder_length(e) * sizeof *a);
        assert_int_equal(used[0], used[1]);
        hd_pieces_clear(&pieces);
        json_decref(json);
        json_decref(again);
        hd_encoder_free(e);
        hd_encoder_free(back);
    }
}

static hd_lexicon *animals(void) {
    hd_lexicon *l;
    assert_int_equal(hd_lexicon_new(&l), HEED_OK);
    assert_int_equal(hd_lexicon_add(l, HD_LEXICON_NOUN, hd_slice_of("cat"), 5), HEED_OK);
    assert_int_equal(hd_lexicon_add(l, HD_LEXICON_NOUN, hd_slice_of("owl"), 5), HEED_OK);
    return l;
}

static void test_behind_the_words_their_classes(void **state) {
    (void)state;
    hd_encoder *back;
    json_t *json;
    hd_encoder *e = fitted("{\"vocabulary\": 100, \"length\": 5}");
    assert_false(hd_encoder_has_classes(e));
    assert_int_equal(hd_encoder_take_lexicon(e, animals()), HEED_OK);
    assert_true(hd_encoder_has_classes(e));
    assert_int_equal(hd_encoder_length(e), 10);
    expect(e, "Owls saw a dog", "1 1 6 4 0 5 1 1 1 0 / 4");
    assert_int_equal(hd_encoder_json(e, &json), HEED_OK);
    assert_int_equal(hd_encoder_from_json(json, "x", &back), HEED_OK);
    expect(back, "Owls saw a dog", "1 1 6 4 0 5 1 1 1 0 / 4");
    hd_encoder_free(back);
    json_object_set_new(json, "lexicon", json_integer(3));
    assert_int_equal(hd_encoder_from_json(json, "x", &back), HEED_CORRUPT);
    json_decref(json);
    hd_encoder_free(e);
    e = fitted("{\"length\": 3, \"pad\": \"start\", \"cut\": \"start\"}");
    assert_int_equal(hd_encoder_take_lexicon(e, animals()), HEED_OK);
    expect(e, "cat", "0 0 3 0 0 5 / 1");
    expect(e, "cat the cat sat on", "3 5 8 5 1 1 / 3");
    hd_encoder_free(e);
    e = fitted("{\"ngrams\": 2}");
    assert_int_equal(hd_encoder_take_lexicon(e, animals()), HEED_INPUT);
    hd_encoder_free(e);
}

static void test_bad(void **state) {
    (void)state;
    static const char *const bad[] = {"{\"lenght\": 3}",       "{\"length\": -1}",
                                      "{\"pad\": \"left\"}",   "{\"vocabulary\": 2}",
                                      "{\"ngrams\": 1000000}", "{\"tokenizer\": \"wrods\"}"};
    hd_where where = hd_where_of(NULL, "prepare");
    hd_encoder *e;
    for (size_t i = 0; i < COUNT(bad); i++) {
        json_t *json = json_of(bad[i]);
        assert_int_equal(hd_encoder_fit(json, &where, texts, COUNT(texts), &e), HEED_INPUT);
        assert_non_null(strstr(heed_error_message(HEED_EN), "prepare"));
        json_decref(json);
    }
#define HEAD "{\"format\": \"heed-encoder\", \"version\": 1, "
    static const char *const damaged[] = {
        "{}",
        "{\"format\": 3}",
        HEAD "\"length\": 3, \"tokens\": []}",
        HEAD "\"length\": 0, \"options\": {}, \"tokens\": []}",
        HEAD "\"length\": 1e9, \"options\": {}, \"tokens\": []}",
        HEAD "\"length\": 3, \"options\": {\"pad\": 3}, \"tokens\": []}",
        HEAD "\"length\": 3, \"options\": {}, \"tokens\": {}}",
        HEAD "\"length\": 3, \"options\": {\"vocabulary\": 3}, \"tokens\": [\"a\", \"b\"]}",
    };
    for (size_t i = 0; i < COUNT(damaged); i++) {
        json_t *json = json_of(damaged[i]);
        assert_int_equal(hd_encoder_from_json(json, "preparation.json", &e), HEED_CORRUPT);
        assert_null(e);
        assert_int_equal(heed_error_code(), HEED_CORRUPT);
        json_decref(json);
    }
    json_t *newer = json_of("{\"format\": \"heed-encoder\", \"version\": 99}");
    assert_int_equal(hd_encoder_from_json(newer, "x", &e), HEED_VERSION);
    json_decref(newer);
}

static void test_memory(void **state) {
    (void)state;
    for (uint64_t n = 1;; n++) {
        hd_encoder *e = NULL, *back = NULL;
        hd_pieces pieces;
        json_t *json = NULL, *options = json_of("{\"length\": 6, \"ngrams\": 2}");
        int32_t ids[6], *all = NULL;
        size_t used;
        hd_pieces_init(&pieces);
        hd_mem_fail_at(n, true);
        heed_err err = hd_encoder_fit(options, NULL, texts, COUNT(texts), &e);
        if (err == HEED_OK) err = hd_encoder_json(e, &json);
        if (err == HEED_OK) err = hd_encoder_from_json(json, "x", &back);
        if (err == HEED_OK) err = hd_encoder_apply(back, texts[1], &pieces, ids, &used);
        if (err == HEED_OK) err = hd_encoder_stream(back, texts[1], &all, &used);
        hd_mem_fail_at(0, false);
        hd_free(all);
        hd_pieces_clear(&pieces);
        json_decref(json);
        json_decref(options);
        hd_encoder_free(e);
        hd_encoder_free(back);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
        assert_true(n < 1000);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),   cmocka_unit_test(test_ends),
        cmocka_unit_test(test_runs),  cmocka_unit_test(test_stream),
        cmocka_unit_test(test_saved), cmocka_unit_test(test_behind_the_words_their_classes),
        cmocka_unit_test(test_bad),   cmocka_unit_test(test_memory),
    };
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
