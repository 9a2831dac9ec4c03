// SPDX-License-Identifier: Apache-2.0
#include "text/vocabulary.h"
#include "text.h"

static void count(hd_map *map, const char *const *words) {
    hd_map_init(map);
    for (; *words; words++) {
        uint64_t *slot;
        assert_int_equal(hd_map_slot(map, *words, strlen(*words), 0, &slot, NULL), HEED_OK);
        ++*slot;
    }
}

static const char *const some[] = {"b", "a", "c", "b", "b", "c", "dd", "d", "e", "e", NULL};
static const char *const other[] = {"e", "dd", "d", "c", "b", "e", "a", "b", "c", "b", NULL};

static void expect(const hd_vocabulary *v, const char *want) {
    hd_str got;
    hd_str_init(&got);
    for (uint32_t id = v->first; id < hd_vocabulary_size(v); id++) {
        hd_str_addf(&got, "%s ", hd_vocabulary_token(v, id));
        hd_slice token = hd_slice_of(hd_vocabulary_token(v, id));
        assert_int_equal(hd_vocabulary_id(v, token, 99), id);
    }
    assert_string_equal(hd_str_get(&got), want);
    hd_str_clear(&got);
}

static void fit(const char *const *words, hd_vocabulary_opts opts, const char *want) {
    hd_map map;
    hd_vocabulary v;
    count(&map, words);
    assert_int_equal(hd_vocabulary_fit(&map, NULL, NULL, &opts, &v), HEED_OK);
    expect(&v, want);
    hd_vocabulary_clear(&v);
    hd_map_clear(&map);
}

// By count, then by bytes, whatever came first.
static void test_order(void **state) {
    (void)state;
    fit(some, (hd_vocabulary_opts){.first = 2}, "b c e a d dd ");
    fit(other, (hd_vocabulary_opts){.first = 2}, "b c e a d dd ");
    fit(some, (hd_vocabulary_opts){.most = 2}, "b c ");
    fit(some, (hd_vocabulary_opts){.least = 2}, "b c e ");
    fit(some, (hd_vocabulary_opts){.greatest = 2}, "c e a d dd ");
    fit(some, (hd_vocabulary_opts){.most = 4, .by_bytes = true}, "a b c e ");
    fit((const char *const[]){NULL}, (hd_vocabulary_opts){.first = 2}, "");
}

static void test_limits_of_others(void **state) {
    (void)state;
    hd_map map;
    hd_vocabulary v;
    count(&map, some); // b a c dd d e
    const uint64_t counts[] = {1, 2, 3, 4, 5, 6}, limit[] = {9, 9, 1, 9, 1, 9};
    hd_vocabulary_opts opts = {.least = 2};
    assert_int_equal(hd_vocabulary_fit(&map, counts, limit, &opts, &v), HEED_OK);
    expect(&v, "e dd a b ");
    assert_int_equal(hd_vocabulary_id(&v, S("zebra"), 7), 7);
    assert_string_equal(hd_vocabulary_token(&v, 4), "");
    hd_vocabulary_clear(&v);
    hd_map_clear(&map);
}

static void test_json(void **state) {
    (void)state;
    hd_map map;
    hd_vocabulary v, back;
    json_t *json;
    hd_vocabulary_opts opts = {.first = 2};
    count(&map, some);
    assert_int_equal(hd_vocabulary_fit(&map, NULL, NULL, &opts, &v), HEED_OK);
    assert_int_equal(hd_vocabulary_json(&v, &json), HEED_OK);
    assert_int_equal(hd_vocabulary_from_json(json, "x", 2, &back), HEED_OK);
    expect(&back, "b c e a d dd ");
    assert_string_equal(hd_vocabulary_token(&back, 1), "");
    hd_vocabulary_clear(&back);
    json_decref(json);
    hd_vocabulary_clear(&v);
    hd_map_clear(&map);
    static const char *const bad[] = {"{}", "[\"a\", \"a\"]", "[1]", "[\"a\", null]", "text"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        json = json_of(bad[i]);
        assert_int_equal(hd_vocabulary_from_json(json, "model.json", 0, &v), HEED_CORRUPT);
        assert_non_null(strstr(heed_error_message(HEED_EN), "model.json"));
        json_decref(json);
    }
    assert_int_equal(hd_vocabulary_from_json(NULL, "model.json", 0, &v), HEED_CORRUPT);
}

static void test_memory(void **state) {
    (void)state;
    hd_map map;
    count(&map, some);
    for (uint64_t n = 1;; n++) {
        hd_vocabulary v, back;
        json_t *json = NULL;
        hd_vocabulary_opts opts = {.first = 2};
        hd_vocabulary_init(&v);
        hd_vocabulary_init(&back);
        hd_mem_fail_at(n, true);
        heed_err err = hd_vocabulary_fit(&map, NULL, NULL, &opts, &v);
        if (err == HEED_OK) err = hd_vocabulary_json(&v, &json);
        if (err == HEED_OK) err = hd_vocabulary_from_json(json, "x", 2, &back);
        hd_mem_fail_at(0, false);
        json_decref(json);
        hd_vocabulary_clear(&v);
        hd_vocabulary_clear(&back);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
        assert_true(n < 1000);
    }
    hd_map_clear(&map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_limits_of_others),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_memory),
    };
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
