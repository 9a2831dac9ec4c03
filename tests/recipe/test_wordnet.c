// SPDX-License-Identifier: Apache-2.0
//
// WordNet's files, made up in their form: a few words each.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "recipe/wordnet.h"

static char root[] = "/tmp/heed-wordnet-XXXXXX";

// Senses with their offsets left to fill in.
static const char licence[] = "  1 This text stands for the licence.  \n";
static const char *const nouns[] = {
    "18 n 02 woman 0 adult_female 0 001 @ 00000007 n 0000 | a person\n",
    "15 n 01 city 0 000 | a large town\n", "03 n 01 entity 0 000 | all there is\n"};
static const char *const verbs[] = {"38 v 01 go 0 000 01 + 01 00 | move\n"};

static void put(const char *name, const hd_str *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", root, name);
    assert_int_equal(hd_fs_write(path, text->data, text->len, 0600), HEED_OK);
}

static void put_text(const char *name, const char *text) {
    hd_str all;
    hd_str_init(&all);
    hd_str_add(&all, text);
    put(name, &all);
    hd_str_clear(&all);
}

// A data file of these senses; where each begins.
static void put_senses(const char *name, const char *const *senses, size_t n, size_t *at) {
    hd_str text;
    hd_str_init(&text);
    hd_str_add(&text, licence);
    for (size_t i = 0; i < n; i++) {
        at[i] = text.len;
        hd_str_addf(&text, "%08zu %s", at[i], senses[i]);
    }
    put(name, &text);
    hd_str_clear(&text);
}

static int put_all(void **state) {
    (void)state;
    size_t at[3];
    hd_str text;
    hd_str_init(&text);
    put_senses("data.noun", nouns, 3, at);
    hd_str_add(&text, licence);
    hd_str_addf(&text, "adult_female n 1 1 @ 1 0 %08zu  \n", at[0]);
    hd_str_addf(&text, "city n 2 2 @ ~ 2 1 %08zu %08zu  \n", at[1], at[0]);
    hd_str_addf(&text, "woman n 1 0 1 1 %08zu  \n", at[0]);
    put("index.noun", &text);
    hd_str_reset(&text);
    put_senses("data.verb", verbs, 1, at);
    hd_str_addf(&text, "go v 1 1 @ 1 1 %08zu", at[0]); // a file that doesn't end in a line's end
    put("index.verb", &text);
    hd_str_clear(&text);
    put_text("noun.exc", "women woman\noxen ox\n");
    put_text("verb.exc", "went go\n");
    return 0;
}

static int class_of(const hd_lexicon *l, const char *word) {
    return hd_lexicon_class(l, hd_slice_of(word));
}

static void test_words(void **state) {
    (void)state;
    hd_lexicon *l;
    assert_int_equal(hd_wordnet_read(root, &l), HEED_OK);
    assert_int_equal(class_of(l, "city"), 15); // its first sense
    assert_int_equal(class_of(l, "cities"), 15);
    assert_int_equal(class_of(l, "women"), 18);
    assert_int_equal(class_of(l, "went"), 38);
    assert_int_equal(class_of(l, "oxen"), HD_CLASS_NONE);
    assert_int_equal(class_of(l, "adult_female"), HD_CLASS_NONE);
    hd_lexicon_free(l);
}

static void test_bad(void **state) {
    (void)state;
    hd_lexicon *l;
    char path[128];
    put_text("index.verb", "go v 1 1 @ 1 1 00000003\n");
    assert_int_equal(hd_wordnet_read(root, &l), HEED_INPUT);
    assert_null(l);
    assert_non_null(strstr(heed_error_message(HEED_EN), "line 1 of index.verb: 'go'"));
    assert_non_null(strstr(heed_error_message(HEED_ZH), "go"));
    put_text("index.verb", "go v 1 1 @ 1 1 99999999\n");
    assert_int_equal(hd_wordnet_read(root, &l), HEED_INPUT);
    put_text("index.verb", "go v 1 9999999999 @\n");
    assert_int_equal(hd_wordnet_read(root, &l), HEED_INPUT);
    put_text("index.verb", "go");
    assert_int_equal(hd_wordnet_read(root, &l), HEED_INPUT);
    snprintf(path, sizeof path, "%s/verb.exc", root);
    assert_int_equal(hd_fs_remove(path), HEED_OK);
    assert_int_equal(hd_wordnet_read(root, &l), HEED_NOT_FOUND);
    assert_non_null(strstr(heed_error_message(HEED_EN), "verb.exc"));
    assert_non_null(strstr(heed_error_message(HEED_EN), "wordnet-base"));
}

static void test_memory(void **state) {
    (void)state;
    heed_err err = HEED_MEMORY;
    for (uint64_t n = 1; err != HEED_OK; n++) {
        hd_lexicon *l;
        hd_mem_fail_at(n, true);
        err = hd_wordnet_read(root, &l);
        hd_mem_fail_at(0, false);
        assert_true(err == HEED_OK || err == HEED_MEMORY);
        if (err == HEED_OK) hd_lexicon_free(l);
    }
}

static int make_root(void **state) {
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int drop_root(void **state) {
    (void)state;
    return hd_fs_remove(root) == HEED_OK ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_words, put_all),
        cmocka_unit_test_setup(test_bad, put_all),
        cmocka_unit_test_setup(test_memory, put_all),
    };
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    return cmocka_run_group_tests(tests, make_root, drop_root);
}
