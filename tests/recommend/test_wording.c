// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "recommend/wording.h"
#include "shop.h"

// 2026-11-02T23:30:00Z: the third in Shanghai.
#define LATE INT64_C(1793662200000)

static const hd_served_reason reasons[] = {
    {0, "purchase", LATE, 7, .5},
    {2, "view", HD_TIME_NONE, 8, .3}, // without a title: the id
    {1, "haggle", LATE, 9, .2},
};

static hd_served item_with(size_t n_reasons, const char *method, hd_why why) {
    return (hd_served){3, 1.5, method, why, reasons, n_reasons};
}

static void assert_reason(hd_served item, heed_lang lang, const hd_zone *zone, const char *want) {
    hd_items items;
    hd_str out;
    const char *values[] = {"city=Rom", "plan=pro"};
    hd_served_list list = {.first = "markov", .attributes = values, .n_attributes = 2};
    shop_open(&items);
    hd_str_init(&out);
    hd_served_reason_text(&list, &item, &items, lang, zone, &out);
    assert_string_equal(hd_str_get(&out), want);
    hd_str_clear(&out);
    shop_close(&items);
}

static void test_reasons(void **state) {
    (void)state;
    hd_served one = item_with(1, "markov", HD_WHY_CHOSEN), three = item_with(3, "markov", 0);
    assert_reason(one, HEED_EN, NULL, "because you bought “Tea” on 2026-11-02");
    assert_reason(one, HEED_ZH, NULL, "因为您于 2026-11-02 购买了“Tea”");
    assert_reason(three, HEED_EN, NULL,
                  "because you bought “Tea” on 2026-11-02, viewed “juice” and dealt with “Coffee” "
                  "on 2026-11-02");
    assert_reason(three, HEED_ZH, NULL,
                  "因为您于 2026-11-02 购买了“Tea”、浏览了“juice”，并于 2026-11-02 接触了“Coffee”");
    one.item = 0; // bought before
    assert_reason(one, HEED_EN, NULL, "because you bought this on 2026-11-02");
    assert_reason(one, HEED_ZH, NULL, "因为您于 2026-11-02 购买了本商品");
    hd_zone *zone = NULL;
    assert_int_equal(hd_zone_open("+08:00", &zone), HEED_OK);
    assert_reason(one, HEED_EN, zone, "because you bought this on 2026-11-03");
    hd_zone_close(zone);
}

static void test_impersonal(void **state) {
    (void)state;
    assert_reason(item_with(0, "popular", 0), HEED_EN, NULL, "popular among all users");
    assert_reason(item_with(0, "popular", 0), HEED_ZH, NULL, "在所有用户中受欢迎");
    assert_reason(item_with(0, "popular_by_attribute", 0), HEED_EN, NULL,
                  "popular among users with city=Rom, plan=pro");
    assert_reason(item_with(0, "popular_by_attribute", 0), HEED_ZH, NULL,
                  "在以下用户中受欢迎：city=Rom、plan=pro");
    assert_reason(item_with(0, "catalogue", 0), HEED_EN, NULL, "from the catalogue, newest first");
}

static void test_why(void **state) {
    (void)state;
    const char *const want[HD_WHYS][2] = {
        {"'markov' is the method in use", "“markov”是正在使用的方法"},
        {"nothing the user did is known to 'markov' yet", "“markov”尚不了解该用户的任何行为"},
        {"'markov' finds nothing to go by", "“markov”找不到依据"},
        {"the rules left 'markov' too few items", "规则过滤后“markov”的商品不足"},
        {"the user takes no part in recommending: nothing known of them was used",
         "该用户不参与推荐：未使用其任何数据"},
    };
    hd_served_list list = {.first = "markov"};
    hd_str out;
    hd_str_init(&out);
    for (int why = 0; why < HD_WHYS; why++) {
        hd_served item = item_with(0, "popular", (hd_why)why);
        for (int lang = 0; lang < 2; lang++) {
            hd_str_reset(&out);
            hd_served_why_text(&list, &item, (heed_lang)lang, &out);
            assert_string_equal(hd_str_get(&out), want[why][lang]);
        }
    }
    hd_str_clear(&out);
    assert_string_equal(hd_why_name(HD_WHY_CHOSEN), "chosen");
    assert_string_equal(hd_why_name(HD_WHY_FILLED), "filled");
}

static void test_json(void **state) {
    (void)state;
    hd_items items;
    hd_str text;
    json_t *out = NULL;
    hd_served served[] = {item_with(2, "markov", HD_WHY_CHOSEN),
                          item_with(0, "popular", HD_WHY_FILLED)};
    hd_served_list list = {.item = served, .n = 2, .asked = 5, .first = "markov"};
    shop_open(&items);
    hd_str_init(&text);
    assert_int_equal(hd_served_json(&list, &items, (hd_wording){HEED_EN, NULL, true}, &out),
                     HEED_OK);
    assert_int_equal(hd_json_dump(out, false, &text), HEED_OK);
    assert_string_equal(
        hd_str_get(&text),
        "{\"asked\":5,\"method\":\"markov\",\"items\":[{\"rank\":1,\"id\":\"chips\","
        "\"title\":\"Chips\",\"score\":1.5,\"method\":\"markov\",\"why\":\"chosen\","
        "\"why_text\":\"'markov' is the method in use\",\"reason\":\"because you bought “Tea” on "
        "2026-11-02 and viewed “juice”\",\"evidence\":[{\"event\":7,\"item\":\"tea\","
        "\"title\":\"Tea\",\"share\":0.5,\"type\":\"purchase\",\"time\":\"2026-11-02T23:30:00Z\"},"
        "{\"event\":8,\"item\":\"juice\",\"title\":\"\",\"share\":0.3,\"type\":\"view\"}]},"
        "{\"rank\":2,\"id\":\"chips\",\"title\":\"Chips\",\"score\":1.5,\"method\":\"popular\","
        "\"why\":\"filled\",\"why_text\":\"the rules left 'markov' too few items\","
        "\"reason\":\"popular among all users\",\"evidence\":[]}]}");
    json_decref(out);
    hd_str_clear(&text);
    shop_close(&items);
}

// jansson's allocations are counted too: see main.
static void test_failing_allocations(void **state) {
    (void)state;
    hd_items items;
    hd_served served[] = {item_with(3, "markov", HD_WHY_CHOSEN)};
    hd_served_list list = {.item = served, .n = 1, .asked = 1, .first = "markov"};
    shop_open(&items);
    heed_err err = HEED_MEMORY;
    for (uint64_t n = 1; err != HEED_OK; n++) {
        json_t *out = NULL;
        size_t used = hd_mem_used();
        hd_mem_fail_at(n, true);
        err = hd_served_json(&list, &items, (hd_wording){HEED_ZH, NULL, true}, &out);
        hd_mem_fail_at(0, true);
        assert_true(err == HEED_OK || err == HEED_MEMORY);
        json_decref(out);
        assert_int_equal(hd_mem_used(), used);
        assert_true(n < 1000);
    }
    shop_close(&items);
}

int main(void) {
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_impersonal),
        cmocka_unit_test(test_why),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
