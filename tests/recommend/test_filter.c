// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "recommend/filter.h"
#include "shop.h"

static hd_arena arena;

static int setup(void **state) {
    (void)state;
    hd_arena_init(&arena);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    hd_arena_clear(&arena);
    return 0;
}

static hd_filter parse(const char *text) {
    hd_filter filter;
    assert_int_equal(hd_filter_parse(hd_slice_of(text), &arena, &filter), HEED_OK);
    return filter;
}

static void test_parse(void **state) {
    (void)state;
    hd_filter f = parse("  price <= 100.5 CNY ");
    assert_string_equal(f.field, "price");
    assert_int_equal(f.op, HD_FILTER_LE);
    assert_true(f.number == 100.5);
    assert_string_equal(f.currency, "CNY");
    f = parse("size=10 CNY"); // a unit is a price's alone
    assert_true(isnan(f.number));
    assert_string_equal(f.currency, "");
    f = parse("颜色=深 红=x");
    assert_string_equal(f.field, "颜色");
    assert_string_equal(f.text, "深 红=x");
    assert_int_equal(parse("a!=b").op, HD_FILTER_NE);
    assert_int_equal(parse("a>=1").op, HD_FILTER_GE);
    assert_int_equal(parse("a<1").op, HD_FILTER_LT);
    assert_int_equal(parse("a>1").op, HD_FILTER_GT);
    assert_string_equal(parse("brand=").text, "");
}

static void test_parse_refuses(void **state) {
    (void)state;
    const char *const bad[] = {
        "",           "brand",   "=Sony",       " <= 3",     "price<=cheap", "price<=3 cny",
        "price>5CNY", "price<=", "price<= CNY", "price<=nan"};
    for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
        hd_filter f;
        if (hd_filter_parse(hd_slice_of(bad[b]), &arena, &f) != HEED_INPUT) fail_msg("%s", bad[b]);
    }
    hd_filter f;
    assert_int_equal(hd_filter_parse((hd_slice){NULL, 0}, &arena, &f), HEED_INPUT);
}

static void test_match(void **state) {
    (void)state;
    static const struct {
        const char *filter, *item;
        bool fits;
    } cases[] = {
        {"brand=Alba", "tea", true},
        {"brand=alba", "tea", false},
        {"brand!=Alba", "tea", false},
        {"brand!=Alba", "nuts", true}, // unknown is not Alba
        {"brand=", "nuts", false},     // nor is it anything else
        {"id=tea", "tea", true},
        {"title=Tea", "tea", true},
        {"title=", "juice", false},
        {"category=drinks", "tea", true},
        {"category=food", "tea", true},
        {"category!=food", "tea", false},
        {"category=food", "gift", false},
        {"price<=5", "tea", true},
        {"price<5", "tea", false},
        {"price>=5", "tea", true},
        {"price>5", "tea", false},
        {"price=5", "tea", true},
        {"price<=5 EUR", "tea", true},
        {"price<=5 CNY", "tea", false},
        {"price<=99", "nuts", false}, // no price known
        {"currency=CNY", "hammer", true},
        {"currency=", "nuts", false},
        {"hidden=true", "saw", true},
        {"hidden=false", "saw", false},
        {"replenishable=true", "tea", true},
        {"replenishable=true", "saw", false},
        {"organic=true", "tea", true},
        {"organic=true", "coffee", false},
        {"organic!=true", "coffee", true},
        {"strength=4", "coffee", true},
        {"strength>=4", "coffee", true},
        {"strength>4", "coffee", false},
        {"strength=4", "gift", true}, // "4" as a text
        {"strength<5", "gift", true}, // read as a number
        {"fruit=apple", "juice", true},
        {"fruit=pear", "juice", true},
        {"fruit=plum", "juice", false},
        {"fruit!=pear", "juice", false},
        {"fruit=apple", "nuts", false}, // no attributes at all
    };
    hd_items items;
    shop_open(&items);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        uint64_t index;
        bool fits = false;
        hd_filter f = parse(cases[c].filter);
        assert_true(hd_map_get(&items.by_id, cases[c].item, strlen(cases[c].item), &index));
        assert_int_equal(hd_filters_match(&f, 1, &items.items[index], &fits), HEED_OK);
        if (fits != cases[c].fits) fail_msg("%s on %s", cases[c].filter, cases[c].item);
    }
    shop_close(&items);
}

static void test_all_must_hold(void **state) {
    (void)state;
    const hd_filter two[] = {parse("organic=true"), parse("strength=4")};
    bool fits = false;
    assert_int_equal(hd_filters_match(two, 0, &shop_items[0], &fits), HEED_OK);
    assert_true(fits);
    assert_int_equal(hd_filters_match(two, 1, &shop_items[0], &fits), HEED_OK);
    assert_true(fits);
    assert_int_equal(hd_filters_match(two, 2, &shop_items[0], &fits), HEED_OK);
    assert_false(fits);
    hd_item broken = {.id = "broken", .attributes = "{"};
    assert_int_equal(hd_filters_match(two, 1, &broken, &fits), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "broken"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_parse, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_match, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_must_hold, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
