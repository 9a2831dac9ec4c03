// SPDX-License-Identifier: Apache-2.0
//
// Values as files write them.
#include "rows.h"

#include <math.h>

#include "prepare/read/event_type.h"
#include "prepare/read/value.h"

static void numbers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool comma;
        double value; // NaN: refused
    } cases[] = {
        {"12", false, 12},
        {"-1.5", false, -1.5},
        {"+3", false, 3},
        {"1,234", false, 1234},
        {"1,234,567.89", false, 1234567.89},
        {"-1,234.5", false, -1234.5},
        {"1，234", false, 1234},
        {"1e3", false, 1000},
        {"12,5", false, NAN},
        {"1,23,456", false, NAN},
        {",123", false, NAN},
        {"1,234,", false, NAN},
        {"1,2345", false, NAN},
        {"0x10", false, NAN},
        {"inf", false, NAN},
        {"nan", false, NAN},
        {"", false, NAN},
        {"12abc", false, NAN},
        {"1.2.3", false, NAN},
        {"1234,567", false, NAN},
        {"12,5", true, 12.5},
        {"1.234,5", true, 1234.5},
        {"1.234.567,89", true, 1234567.89},
        {"1,234", true, 1.234},
        {"7", true, 7},
        {"12.34", true, 12.34},
        {"1.234,5,6", true, NAN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double value = NAN;
        bool ok = hd_value_number(hd_slice_of(cases[i].text), cases[i].comma, &value);
        if (ok == isnan(cases[i].value) || (ok && value != cases[i].value)) {
            fail_msg("'%s' read as %g", cases[i].text, value);
        }
    }
}

static void money(void **state) {
    (void)state;
    static const struct {
        const char *text, *local, *currency;
        double value;
    } cases[] = {
        {"12.50", NULL, NULL, 12.5},     {"¥12.50", NULL, "CNY", 12.5},
        {"￥1,200", NULL, "CNY", 1200},  {"¥300", "JPY", "JPY", 300},
        {"12元", NULL, "CNY", 12},       {"RMB 12", NULL, "CNY", 12},
        {"人民币12", NULL, "CNY", 12},   {"$5", NULL, "USD", 5},
        {"$5", "HKD", "HKD", 5},         {"HK$ 5", NULL, "HKD", 5},
        {"US$5.25", "HKD", "USD", 5.25}, {"-$5", NULL, "USD", -5},
        {"$-5", NULL, "USD", -5},        {"($5.00)", NULL, "USD", -5},
        {"12 EUR", NULL, "EUR", 12},     {"eur 12", NULL, "EUR", 12},
        {"€12", NULL, "EUR", 12},        {"£1,000.01", NULL, "GBP", 1000.01},
        {"$5 - $7", NULL, NULL, NAN},    {"--5", NULL, NULL, NAN},
        {"free", NULL, NULL, NAN},       {"$", NULL, NULL, NAN},
        {"(-5)", NULL, NULL, NAN},       {"5 XYZ", NULL, NULL, NAN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double value = NAN;
        const char *currency = NULL;
        bool ok =
            hd_value_money(hd_slice_of(cases[i].text), false, cases[i].local, &value, &currency);
        if (ok == isnan(cases[i].value) || (ok && value != cases[i].value)) {
            fail_msg("'%s' read as %g", cases[i].text, value);
        }
        if (!ok) continue;
        assert_int_equal(currency != NULL, cases[i].currency != NULL);
        if (currency) assert_string_equal(currency, cases[i].currency);
    }
}

static void currencies(void **state) {
    (void)state;
    char code[4];
    assert_true(hd_value_currency(hd_slice_of("cny"), NULL, code));
    assert_string_equal(code, "CNY");
    assert_true(hd_value_currency(hd_slice_of("$"), "SGD", code));
    assert_string_equal(code, "SGD");
    assert_true(hd_value_currency(hd_slice_of("人民币"), NULL, code));
    assert_string_equal(code, "CNY");
    assert_false(hd_value_currency(hd_slice_of("12"), NULL, code));
    assert_false(hd_value_currency(hd_slice_of("EURO"), NULL, code));
}

static void booleans_and_nothing(void **state) {
    (void)state;
    int b = -1;
    assert_true(hd_value_bool(hd_slice_of("Yes"), &b) && b == 1);
    assert_true(hd_value_bool(hd_slice_of("否"), &b) && b == 0);
    assert_false(hd_value_bool(hd_slice_of("2"), &b));
    assert_true(hd_value_is_nothing(hd_slice_of("\\N")));
    assert_true(hd_value_is_nothing(hd_slice_of("NaN")));
    assert_false(hd_value_is_nothing(hd_slice_of("0")));
    assert_false(hd_value_is_nothing(hd_slice_of("nobody")));
}

static void lists(void **state) {
    (void)state;
    static const struct {
        const char *text, *parts;
        char sign;
    } cases[] = {
        {"a|b", "a;b;", 0},
        {"a > b > c", "a;b;c;", 0},
        {"a,b", "a;b;", 0},
        {"Home, Garden|x", "Home, Garden;x;", 0},
        {"Home, Garden", "Home, Garden;", '|'},
        {"服装/女装", "服装;女装;", 0},
        {"食品、饮料", "食品;饮料;", 0},
        {" a | | b |", "a;b;", 0},
        {"Action Sci-Fi", "Action;Sci-Fi;", ' '},
        {"one", "one;", 0},
        {"，", "", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char got[128] = "";
        size_t at = 0;
        hd_slice part;
        while (hd_value_list_next(hd_slice_of(cases[i].text), cases[i].sign, &at, &part)) {
            size_t n = strlen(got);
            hd_snprintf(got + n, sizeof got - n, "%.*s;", (int)part.n, part.p);
        }
        assert_string_equal(got, cases[i].parts);
    }
}

static void event_types(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"pageview", "view"},    {"Page View", "view"},   {"product_view", "view"},
        {"add_to_cart", "cart"}, {"AddToCart", "cart"},   {"加购", "cart"},
        {"buy", "purchase"},     {"Order", "purchase"},   {"购买", "purchase"},
        {"refund", "return"},    {"cancelled", "cancel"}, {"pv", "view"},
        {"fav", "favorite"},     {"RATING", "rating"},    {"Like", "like"},
        {"Foo Bar", "foo bar"},  {"ＶＩＥＷ", "view"},    {"vie", "vie"},
    };
    hd_arena arena;
    hd_arena_init(&arena);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hd_slice word;
        assert_int_equal(hd_event_type(hd_slice_of(cases[i][0]), &arena, &word), HEED_OK);
        if (!hd_slice_eq(word, cases[i][1])) {
            fail_msg("'%s' became '%.*s'", cases[i][0], (int)word.n, word.p);
        }
    }
    hd_arena_clear(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),    cmocka_unit_test(money),
        cmocka_unit_test(currencies), cmocka_unit_test(booleans_and_nothing),
        cmocka_unit_test(lists),      cmocka_unit_test(event_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
