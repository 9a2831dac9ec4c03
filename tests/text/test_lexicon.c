// SPDX-License-Identifier: Apache-2.0
#include "text/lexicon.h"
#include "base/mem.h"
#include "text.h"

enum { PERSON = 18, PLACE = 15, MOTION = 38, STATE = 42 };

static heed_err fill(hd_lexicon *l) {
    static const struct {
        hd_lexicon_part part;
        const char *word;
        int number;
    } words[] = {{HD_LEXICON_NOUN, "city", PLACE},     {HD_LEXICON_NOUN, "woman", PERSON},
                 {HD_LEXICON_NOUN, "actress", PERSON}, {HD_LEXICON_NOUN, "run", 4},
                 {HD_LEXICON_VERB, "run", MOTION},     {HD_LEXICON_VERB, "carry", MOTION},
                 {HD_LEXICON_VERB, "live", STATE},     {HD_LEXICON_VERB, "went", MOTION}};
    for (size_t i = 0; i < COUNT(words); i++)
        HD_TRY(hd_lexicon_add(l, words[i].part, hd_slice_of(words[i].word), words[i].number));
    return HEED_OK;
}

static int class_of(const hd_lexicon *l, const char *word) {
    return hd_lexicon_class(l, hd_slice_of(word));
}

static void look(const hd_lexicon *l) {
    assert_int_equal(class_of(l, "city"), PLACE);
    assert_int_equal(class_of(l, "cities"), PLACE);
    assert_int_equal(class_of(l, "women"), PERSON);
    assert_int_equal(class_of(l, "actresses"), PERSON);
    assert_int_equal(class_of(l, "run"), 4);                 // as a noun first
    assert_int_equal(class_of(l, "running"), HD_CLASS_NONE); // letters aren't undoubled
    assert_int_equal(class_of(l, "carries"), MOTION);
    assert_int_equal(class_of(l, "carrying"), MOTION);
    assert_int_equal(class_of(l, "lived"), STATE);
    assert_int_equal(class_of(l, "living"), STATE);
    assert_int_equal(class_of(l, "went"), MOTION);
    assert_int_equal(class_of(l, "s"), HD_CLASS_NONE);
    assert_int_equal(class_of(l, ""), HD_CLASS_NONE);
    assert_int_equal(class_of(l, "猫"), HD_CLASS_NONE);
    char longest[200];
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(class_of(l, longest), HD_CLASS_NONE);
}

static void test_classes(void **state) {
    (void)state;
    hd_lexicon *l, *back;
    json_t *json;
    assert_int_equal(hd_lexicon_new(&l), HEED_OK);
    assert_int_equal(fill(l), HEED_OK);
    look(l);
    assert_int_equal(hd_lexicon_listed(l, HD_LEXICON_NOUN, hd_slice_of("cities")), HD_CLASS_NONE);
    assert_int_equal(hd_lexicon_json(l, &json), HEED_OK);
    assert_int_equal(hd_lexicon_from_json(json, "x", &back), HEED_OK);
    look(back);
    json_decref(json);
    assert_int_equal(hd_lexicon_add(l, HD_LEXICON_VERB, hd_slice_of("x"), HD_CLASSES),
                     HEED_INTERNAL);
    assert_int_equal(hd_lexicon_add(l, HD_LEXICON_VERB, hd_slice_of("x"), HD_CLASS_NONE),
                     HEED_INTERNAL);
    hd_lexicon_free(l);
    hd_lexicon_free(back);
    hd_lexicon_free(NULL);
}

static void test_damaged(void **state) {
    (void)state;
    hd_lexicon *l;
#define HEAD "{\"format\": \"heed-lexicon\", \"version\": 1, "
    static const char *const damaged[] = {
        "{}",
        HEAD "\"nouns\": {}}",
        HEAD "\"nouns\": {}, \"verbs\": []}",
        HEAD "\"nouns\": {\"1\": [\"a\"]}, \"verbs\": {}}",
        HEAD "\"nouns\": {\"64\": [\"a\"]}, \"verbs\": {}}",
        HEAD "\"nouns\": {\"3x\": [\"a\"]}, \"verbs\": {}}",
        HEAD "\"nouns\": {\"3\": \"a\"}, \"verbs\": {}}",
        HEAD "\"nouns\": {\"3\": [7]}, \"verbs\": {}}",
    };
    for (size_t i = 0; i < COUNT(damaged); i++) {
        json_t *json = json_of(damaged[i]);
        assert_int_equal(hd_lexicon_from_json(json, "preparation.json", &l), HEED_CORRUPT);
        assert_null(l);
        json_decref(json);
    }
    json_t *newer = json_of("{\"format\": \"heed-lexicon\", \"version\": 99}");
    assert_int_equal(hd_lexicon_from_json(newer, "x", &l), HEED_VERSION);
    json_decref(newer);
}

static heed_err there_and_back(void) {
    hd_lexicon *l, *back = NULL;
    json_t *json = NULL;
    HD_TRY(hd_lexicon_new(&l));
    heed_err err = fill(l);
    if (err == HEED_OK) err = hd_lexicon_json(l, &json);
    if (err == HEED_OK) err = hd_lexicon_from_json(json, "x", &back);
    json_decref(json);
    hd_lexicon_free(l);
    hd_lexicon_free(back);
    return err;
}

static void test_memory(void **state) {
    (void)state;
    heed_err err = HEED_MEMORY;
    for (uint64_t n = 1; err != HEED_OK; n++) {
        hd_mem_fail_at(n, true);
        err = there_and_back();
        hd_mem_fail_at(0, false);
        assert_true(err == HEED_OK || err == HEED_MEMORY);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_memory),
    };
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
