// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "text/vectorizer.h"
#include "text.h"

static const hd_slice texts[] = {TEXT("the cat sat on the mat"), TEXT("The dog ate the cat's hat"),
                                 TEXT("a fast bird flies over 猫 and the dog"), TEXT("dog dog dog"),
                                 TEXT("猫 狗 猫 café Café")};
static const hd_slice later[] = {TEXT("the dog and the café bird sat sat"),
                                 TEXT("unknown words only"), TEXT("猫 the")};

static hd_vectorizer *fitted(const char *options) {
    hd_vectorizer *v;
    json_t *json = json_of(options);
    assert_int_equal(hd_vectorizer_fit(json, NULL, texts, COUNT(texts), &v), HEED_OK);
    json_decref(json);
    return v;
}

typedef struct entry {
    size_t row;
    uint32_t column;
    double value;
} entry;

static void expect(const char *options, size_t columns, size_t n, const entry *want) {
    hd_vectorizer *v = fitted(options);
    hd_matrix m;
    assert_int_equal(hd_vectorizer_columns(v), columns);
    assert_int_equal(hd_vectorizer_apply(v, later, COUNT(later), &m), HEED_OK);
    assert_int_equal(hd_matrix_check(&m), HEED_OK);
    assert_int_equal(m.n, COUNT(later));
    assert_int_equal(m.m, columns);
    assert_int_equal(m.start[m.n], n);
    for (size_t i = 0, row = 0; i < n; i++) {
        while (i >= m.start[row + 1]) row++;
        assert_int_equal(row, want[i].row);
        assert_int_equal(m.column[i], want[i].column);
        assert_true(fabs((double)m.value[i] - want[i].value) < 1e-7);
    }
    hd_matrix_clear(&m);
    hd_vectorizer_free(v);
}

// Values of scikit-learn 1.7 with token_pattern (?u)\w+.
static void test_like_sklearn(void **state) {
    (void)state;
    static const entry plain[] = {{0, 1, .328930133},  {0, 3, .328930133},  {0, 4, .328930133},
                                  {0, 6, .220288344},  {0, 14, .657860267}, {0, 15, .440576688},
                                  {2, 15, .638710578}, {2, 17, .769447073}};
    expect("tfidf", 18, COUNT(plain), plain);
    static const entry runs[] = {{0, 1, .256552653},
                                 {0, 2, .434381402},
                                 {0, 4, .309065945},
                                 {2, 2, .453578885},
                                 {2, 5, .546421115}};
    expect("{\"tfidf\": {\"ngrams\": 2, \"sublinear\": true, \"norm\": \"l1\", \"least\": 2}}", 6,
           COUNT(runs), runs);
    static const entry hashed[] = {{0, 8, .288675135},   {0, 30, -.577350269}, {0, 37, -.288675135},
                                   {0, 45, -.288675135}, {0, 49, -.288675135}, {0, 52, .577350269},
                                   {1, 42, -.577350269}, {1, 59, .577350269},  {1, 60, -.577350269},
                                   {2, 30, -.707106781}, {2, 45, -.707106781}};
    expect("{\"hashing\": {\"columns\": 64}}", 64, COUNT(hashed), hashed);
}

static void test_bag(void **state) {
    (void)state;
    hd_vectorizer *v = fitted("{\"counts\": {\"norm\": \"none\", \"most\": 3}}");
    hd_matrix m;
    // the 5, dog 5, 猫 3: the three most frequent, in the order of bytes
    assert_string_equal(hd_vectorizer_token(v, 0), "dog");
    assert_string_equal(hd_vectorizer_token(v, 1), "the");
    assert_string_equal(hd_vectorizer_token(v, 2), "猫");
    assert_int_equal(hd_vectorizer_apply(v, later, COUNT(later), &m), HEED_OK);
    assert_int_equal(m.start[3], 4);
    assert_true(m.value[0] == 1 && m.value[1] == 2 && m.value[2] == 1 && m.value[3] == 1);
    hd_matrix_clear(&m);
    hd_vectorizer_free(v);
    v = fitted("{\"counts\": {\"norm\": \"none\", \"binary\": true, \"share\": 0.5}}");
    for (size_t i = 0; i < hd_vectorizer_columns(v); i++) {
        assert_string_not_equal(hd_vectorizer_token(v, i), "the"); // in 3 of 5 texts
    }
    hd_vectorizer_free(v);
}

// Runs inside tokens: a block of their own behind the words, with its own length of 1.
static void test_blocks(void **state) {
    (void)state;
    hd_vectorizer *v = fitted("{\"tfidf\": {\"inside\": [2, 3]}}");
    hd_matrix m;
    assert_int_equal(hd_vectorizer_columns(v), 18 + 98);
    assert_string_equal(hd_vectorizer_token(v, 17), "猫");
    assert_int_equal(hd_vectorizer_apply(v, later, COUNT(later), &m), HEED_OK);
    assert_int_equal(hd_matrix_check(&m), HEED_OK);
    // Row 1 knows no word, but parts of some: columns and values of scikit-learn's char_wb.
    static const entry parts[] = {{1, 17, .350388233}, {1, 18, .434297183}, {1, 71, .434297183},
                                  {1, 76, .434297183}, {1, 81, .434297183}, {1, 83, .350388233}};
    assert_int_equal(m.start[2] - m.start[1], COUNT(parts));
    for (size_t i = 0; i < COUNT(parts); i++) {
        assert_int_equal(m.column[m.start[1] + i], 18 + parts[i].column);
        assert_true(fabs((double)m.value[m.start[1] + i] - parts[i].value) < 1e-7);
    }
    hd_matrix_clear(&m);
    hd_vectorizer_free(v);
}

static void test_saved(void **state) {
    (void)state;
    static const char *const options[] = {
        NULL, "{\"tfidf\": {\"inside\": [2, 4], \"tokenizer\": \"bigrams\"}}",
        "{\"counts\": {\"most\": 4}}", "{\"hashing\": {\"columns\": 32, \"sign\": false}}"};
    for (size_t i = 0; i < COUNT(options); i++) {
        hd_vectorizer *v = fitted(options[i]), *back;
        json_t *json, *again;
        hd_matrix a, b;
        assert_int_equal(hd_vectorizer_json(v, &json), HEED_OK);
        assert_int_equal(hd_vectorizer_from_json(json, "x", &back), HEED_OK);
        assert_int_equal(hd_vectorizer_json(back, &again), HEED_OK);
        assert_true(json_equal(json, again));
        assert_int_equal(hd_vectorizer_apply(v, later, COUNT(later), &a), HEED_OK);
        assert_int_equal(hd_vectorizer_apply(back, later, COUNT(later), &b), HEED_OK);
        assert_int_equal(a.start[3], b.start[3]);
        assert_memory_equal(a.column, b.column, a.start[3] * sizeof *a.column);
        assert_memory_equal(a.value, b.value, a.start[3] * sizeof *a.value);
        hd_matrix_clear(&a);
        hd_matrix_clear(&b);
        json_decref(json);
        json_decref(again);
        hd_vectorizer_free(v);
        hd_vectorizer_free(back);
    }
}

static void test_nothing(void **state) {
    (void)state;
    hd_vectorizer *v;
    hd_matrix m;
    assert_int_equal(hd_vectorizer_fit(NULL, NULL, NULL, 0, &v), HEED_OK);
    assert_int_equal(hd_vectorizer_columns(v), 0);
    assert_int_equal(hd_vectorizer_apply(v, later, 3, &m), HEED_OK);
    assert_int_equal(m.start[3], 0);
    hd_matrix_clear(&m);
    hd_vectorizer_free(v);
}

static void test_bad(void **state) {
    (void)state;
    static const char *const bad[] = {"tfdif",
                                      "{\"tfidf\": {\"ngram\": 2}}",
                                      "{\"tfidf\": {\"ngrams\": [2, 1]}}",
                                      "{\"tfidf\": {\"ngrams\": [1, 2, 3]}}",
                                      "{\"tfidf\": {\"columns\": 3}}",
                                      "{\"hashing\": {\"columns\": 0}}",
                                      "{\"counts\": {\"share\": 0}}"};
    hd_where where = hd_where_of(NULL, "features");
    hd_vectorizer *v;
    for (size_t i = 0; i < COUNT(bad); i++) {
        json_t *json = json_of(bad[i]);
        assert_int_equal(hd_vectorizer_fit(json, &where, texts, COUNT(texts), &v), HEED_INPUT);
        assert_non_null(strstr(heed_error_message(HEED_EN), "features"));
        json_decref(json);
    }
#define HEAD "{\"format\": \"heed-vectorizer\", \"version\": 1, \"options\": "
    static const char *const damaged[] = {
        "{}",
        HEAD "3}",
        HEAD "\"tfdif\", \"blocks\": []}",
        HEAD "\"tfidf\", \"blocks\": []}",
        HEAD "\"tfidf\", \"blocks\": [{\"tokens\": [\"a\"], \"idf\": []}, {}]}",
        HEAD "\"tfidf\", \"blocks\": [{\"tokens\": [\"a\"], \"idf\": [-1]}, {}]}",
        HEAD "\"tfidf\", \"blocks\": [{\"tokens\": [\"a\"], \"idf\": [\"1\"]}, {}]}",
        HEAD "\"counts\", \"blocks\": [{\"tokens\": [\"a\", \"a\"]}, {\"tokens\": []}]}",
    };
    for (size_t i = 0; i < COUNT(damaged); i++) {
        json_t *json = json_of(damaged[i]);
        assert_int_equal(hd_vectorizer_from_json(json, "preparation.json", &v), HEED_CORRUPT);
        assert_null(v);
        json_decref(json);
    }
}

static void test_memory(void **state) {
    (void)state;
    for (uint64_t n = 1;; n++) {
        hd_vectorizer *v = NULL, *back = NULL;
        json_t *json = NULL, *options = json_of("{\"tfidf\": {\"inside\": [2, 2]}}");
        hd_matrix m = {0};
        hd_mem_fail_at(n, true);
        heed_err err = hd_vectorizer_fit(options, NULL, texts, COUNT(texts), &v);
        if (err == HEED_OK) err = hd_vectorizer_json(v, &json);
        if (err == HEED_OK) err = hd_vectorizer_from_json(json, "x", &back);
        if (err == HEED_OK) err = hd_vectorizer_apply(back, later, COUNT(later), &m);
        hd_mem_fail_at(0, false);
        if (err == HEED_OK) hd_matrix_clear(&m);
        json_decref(json);
        json_decref(options);
        hd_vectorizer_free(v);
        hd_vectorizer_free(back);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
        assert_true(n < 2000);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_like_sklearn), cmocka_unit_test(test_bag),
        cmocka_unit_test(test_blocks),       cmocka_unit_test(test_saved),
        cmocka_unit_test(test_nothing),      cmocka_unit_test(test_bad),
        cmocka_unit_test(test_memory),
    };
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
