// SPDX-License-Identifier: Apache-2.0
//
// Likeness by content: by hand on the shop, and against the formula read plainly.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/rng.h"
#include "recommend/alike.h"
#include "shop.h"

enum { TEA = 0, COFFEE, JUICE, CHIPS, NUTS, HAMMER, SAW, GIFT };

static void scores_of(const hd_items *items, uint32_t item, float *scores) {
    hd_model *model = NULL;
    const float weight = 1;
    const hd_history history = {.item = &item, .weight = &weight, .n = 1, .now = HD_TIME_NONE};
    assert_int_equal(hd_alike_new(items, &model), HEED_OK);
    assert_int_equal(hd_method_content.n_items(model), items->n);
    assert_int_equal(hd_method_content.score(model, &history, scores), HEED_OK);
    hd_method_content.free(model);
}

static void test_by_hand(void **state) {
    (void)state;
    hd_items items;
    float scores[SHOP_ITEMS];
    shop_open(&items);
    scores_of(&items, TEA, scores); // food, drinks, Alba; "organic" is its alone
    double food = log(9.0 / 6), drinks = log(9.0 / 3), alba = log(9.0 / 2);
    double tea = sqrt(food * food + drinks * drinks + alba * alba);
    double coffee = sqrt(food * food + drinks * drinks + alba * alba); // strength=4: a gift's, too
    assert_float_equal(scores[JUICE], 1, 1e-6); // the same in all that counts
    assert_float_equal(scores[COFFEE], (food * food + drinks * drinks) / (tea * coffee), 1e-6);
    assert_true(scores[COFFEE] > scores[CHIPS] && scores[CHIPS] > 0); // food alone
    assert_true(scores[HAMMER] == 0 && scores[GIFT] == 0);
    scores_of(&items, HAMMER, scores);
    assert_float_equal(scores[SAW], 1, 1e-6);
    scores_of(&items, GIFT, scores);
    for (size_t i = 0; i < SHOP_ITEMS; i++)
        assert_true((scores[i] > 0) == (i == COFFEE || i == GIFT));
    shop_close(&items);
}

enum { ITEMS = 40 };

typedef struct made {
    char text[ITEMS][64];
    int colour[ITEMS], size[ITEMS];
    hd_item item[ITEMS];
} made;

static double plain(const made *m, size_t a, size_t b) {
    double norms[2] = {0, 0}, both = 0;
    for (int f = 0; f < 2; f++) {
        const int *of = f ? m->size : m->colour;
        for (int end = 0; end < 2; end++) {
            int value = of[end ? b : a], n = 0;
            for (size_t i = 0; i < ITEMS; i++) n += of[i] == value;
            double idf = log((double)ITEMS / n), square = n > 1 ? idf * idf : 0;
            norms[end] += square;
            if (end && of[a] == of[b]) both += square;
        }
    }
    return both > 0 ? both / sqrt(norms[0] * norms[1]) : 0;
}

static void test_as_the_formula_says(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        made m = {0};
        hd_rng rng = hd_rng_make(seed, 0);
        for (size_t i = 0; i < ITEMS; i++) {
            m.colour[i] = (int)hd_rng_below(&rng, 1 + seed);
            m.size[i] = (int)hd_rng_below(&rng, 8);
            snprintf(m.text[i], sizeof m.text[i], "{\"colour\":\"c%d\",\"size\":%d}", m.colour[i],
                     m.size[i]);
            m.item[i] = (hd_item){
                .key = (int64_t)i + 1, .id = "", .title = "", .brand = "", .attributes = m.text[i]};
        }
        const hd_items items = {.items = m.item, .n = ITEMS};
        float scores[ITEMS];
        for (uint32_t a = 0; a < ITEMS; a += 7) {
            scores_of(&items, a, scores);
            for (size_t b = 0; b < ITEMS; b++) assert_float_equal(scores[b], plain(&m, a, b), 1e-5);
        }
    }
}

static void test_failing_allocations(void **state) {
    (void)state;
    hd_items items;
    shop_open(&items);
    heed_err err = HEED_MEMORY;
    for (uint64_t n = 1; err != HEED_OK; n++) {
        hd_model *model = NULL;
        size_t used = hd_mem_used();
        hd_mem_fail_at(n, true);
        err = hd_alike_new(&items, &model);
        hd_mem_fail_at(0, true);
        assert_true(err == HEED_OK || err == HEED_MEMORY);
        hd_method_content.free(model);
        assert_int_equal(hd_mem_used(), used);
        assert_true(n < 1000);
    }
    shop_close(&items);
}

int main(void) {
    assert(hd_mem_adopt_libraries() == HEED_OK);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_as_the_formula_says),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
