// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "prepare/report.h"
#include "prepare/sort.h"

static const hd_time NOW = INT64_C(1795336205000); // 2026-11-22T08:30:05Z

static void feed_event(hd_data_report *r, int64_t user, int64_t item, const char *type,
                       double value, hd_time time) {
    hd_report_event e = {user, item, type, value, 1, "CNY", time};
    assert_int_equal(hd_data_report_event(r, &e), HEED_OK);
}

static void feed_item(hd_data_report *r, int64_t key, const char *brand, double price) {
    hd_report_item item = {key, "title", brand, "shoes", price, "CNY", HD_TIME_NONE};
    assert_int_equal(hd_data_report_item(r, &item), HEED_OK);
}

// Three users, 40 items, events by hand: every figure can be counted below.
static json_t *small_report(void) {
    hd_data_report *r;
    json_t *json;
    assert_int_equal(hd_data_report_new(NOW, NULL, &r), HEED_OK);
    char brand[16];
    for (int64_t i = 1; i <= 40; i++) {
        hd_snprintf(brand, sizeof brand, "b%d", (int)i);
        feed_item(r, i, brand, i == 3 ? 0 : (double)i);
    }
    feed_event(r, 1, 1, "view", NAN, NOW - 20 * HD_DAY_MS);
    feed_event(r, 1, 1, "view", NAN, NOW - 20 * HD_DAY_MS); // repeats
    feed_event(r, 1, 1, "cart", 5, NOW - 20 * HD_DAY_MS);
    feed_event(r, 1, 2, "view", 7, NOW - HD_DAY_MS); // after a gap of 18 days
    feed_event(r, 2, 99, "view", NAN, NOW);          // not in the catalogue
    feed_event(r, 2, 2, "view", NAN, HD_TIME_NONE);
    feed_event(r, 0, 2, "view", NAN, NOW + 3 * HD_DAY_MS); // anonymous, in the future
    feed_event(r, 2, 0, "search", NAN, 0);                 // no item, at 1970
    hd_data_report_users(r, 5);
    json_t *cleaning = NULL;
    assert_int_equal(hd_json_pack(&cleaning, "{s:i, s:i}", "kept", 7, "duplicates", 1), HEED_OK);
    assert_int_equal(hd_data_report_cleaning(r, cleaning), HEED_OK);
    assert_int_equal(hd_data_report_finish(r, &json), HEED_OK);
    hd_data_report_free(r);
    return json;
}

static int64_t figure(const json_t *json, const char *key) {
    json_t *value = json_object_get(json, key);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static double real(const json_t *json, const char *part, const char *key) {
    return json_number_value(json_object_get(json_object_get(json, part), key));
}

static void test_figures(void **state) {
    (void)state;
    json_t *json = small_report();
    assert_int_equal(figure(json, "events"), 8);
    assert_int_equal(figure(json, "anonymous_events"), 1);
    assert_int_equal(figure(json, "users"), 5);
    assert_int_equal(figure(json, "users_without_events"), 3);
    assert_int_equal(figure(json, "items"), 41);
    assert_int_equal(figure(json, "unknown_items"), 1);
    assert_int_equal(figure(json, "items_without_events"), 38);
    assert_int_equal(figure(json, "without_time"), 1);
    assert_int_equal(figure(json, "duplicates"), 1);
    // (1,1) (1,2) (2,99) (2,2) of 2 users × 3 items
    assert_true(json_number_value(json_object_get(json, "density")) == 4.0 / 6);
    assert_true(real(json, "events_per_user", "mean") == 3.5);
    assert_true(real(json, "events_per_user", "median") == 3.5);
    assert_true(real(json, "events_per_user", "max") == 4);
    assert_true(real(json, "events_per_item", "max") == 3);
    assert_true(real(json, "events_per_item", "median") == 3);
    json_t *types = json_object_get(json, "types");
    assert_int_equal(json_array_size(types), 3);
    assert_string_equal(json_string_value(json_object_get(json_array_get(types, 0), "type")),
                        "view");
    assert_int_equal(figure(json_array_get(types, 0), "events"), 6);
    assert_string_equal(json_string_value(json_object_get(json_array_get(types, 1), "type")),
                        "cart");
    json_t *span = json_object_get(json, "span");
    assert_string_equal(json_string_value(json_object_get(span, "first")), "1970-01-01T00:00:00Z");
    assert_string_equal(json_string_value(json_object_get(span, "last")), "2026-11-25T08:30:05Z");
    json_t *gaps = json_object_get(json, "gaps");
    assert_int_equal(json_array_size(gaps), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(gaps, 0), "from")),
                        "2026-11-03");
    assert_string_equal(json_string_value(json_object_get(json_array_get(gaps, 0), "to")),
                        "2026-11-20");
    assert_int_equal(figure(json_array_get(gaps, 0), "days"), 18);
    assert_int_equal(figure(json, "days_without_events"), 18);
    json_decref(json);
}

static const json_t *find_finding(const json_t *json, const char *code, const char *table,
                                  const char *column) {
    const json_t *findings = json_object_get(json, "findings");
    for (size_t i = 0; i < json_array_size(findings); i++) {
        const json_t *f = json_array_get(findings, i);
        const char *found = json_string_value(json_object_get(f, "column"));
        if (strcmp(json_string_value(json_object_get(f, "code")), code) == 0 &&
            strcmp(json_string_value(json_object_get(f, "table")), table) == 0 &&
            (column ? found && strcmp(found, column) == 0 : !found)) {
            return f;
        }
    }
    return NULL;
}

static void expect_finding(const json_t *json, const char *code, const char *table,
                           const char *column, int64_t count) {
    const json_t *f = find_finding(json, code, table, column);
    if (!f) fail_msg("no %s in %s.%s", code, table, column ? column : "");
    assert_int_equal(figure(f, "count"), count);
    assert_non_null(json_object_get(json_object_get(f, "text"), "zh"));
}

static void test_findings(void **state) {
    (void)state;
    json_t *json = small_report();
    expect_finding(json, "id_like", "items", "brand", 40);
    expect_finding(json, "constant", "items", "category", 40);
    expect_finding(json, "not_positive", "items", "price", 1);
    assert_null(find_finding(json, "all_missing", "items", "created")); // nothing needs it
    expect_finding(json, "future", "events", "time", 1);
    expect_finding(json, "early", "events", "time", 1);
    expect_finding(json, "duplicates", "events", NULL, 1);
    expect_finding(json, "unknown_items", "events", "item", 1);
    expect_finding(json, "gaps", "events", "time", 1);
    assert_null(find_finding(json, "constant", "items", "currency")); // one currency is fine
    assert_null(find_finding(json, "currencies", "events", "currency"));
    assert_int_equal(json_array_size(json_object_get(json, "findings")), 9);
    json_decref(json);
}

static void test_dominant_and_currencies(void **state) {
    (void)state;
    hd_data_report *r;
    json_t *json;
    assert_int_equal(hd_data_report_new(HD_TIME_NONE, NULL, &r), HEED_OK);
    for (int i = 0; i < 1000; i++) {
        hd_report_event e = {
            1, i + 1, "buy", i < 5 ? i : 9, 1, i < 3 ? "USD" : "CNY", NOW + i * INT64_C(1000)};
        assert_int_equal(hd_data_report_event(r, &e), HEED_OK);
    }
    assert_int_equal(hd_data_report_finish(r, &json), HEED_OK);
    expect_finding(json, "dominant", "events", "value", 995);
    expect_finding(json, "currencies", "events", "currency", 2);
    assert_null(find_finding(json, "future", "events", "time")); // without a now there is none
    json_decref(json);
    hd_data_report_free(r);
}

static void test_items_without_any_title(void **state) {
    (void)state;
    hd_data_report *r;
    json_t *json;
    assert_int_equal(hd_data_report_new(NOW, NULL, &r), HEED_OK);
    for (int64_t i = 1; i <= 30; i++) {
        hd_report_item item = {i, NULL, NULL, "shoes", NAN, NULL, HD_TIME_NONE};
        assert_int_equal(hd_data_report_item(r, &item), HEED_OK);
    }
    assert_int_equal(hd_data_report_finish(r, &json), HEED_OK);
    expect_finding(json, "all_missing", "items", "title", 30);
    assert_null(find_finding(json, "all_missing", "items", "brand"));
    json_decref(json);
    hd_data_report_free(r);
}

// Days are those of the zone: 2026-11-21T23:00Z is the 22nd in Shanghai.
static void test_zone(void **state) {
    (void)state;
    hd_zone *zone;
    hd_data_report *r;
    json_t *json;
    assert_int_equal(hd_zone_open("+08:00", &zone), HEED_OK);
    assert_int_equal(hd_data_report_new(NOW, zone, &r), HEED_OK);
    hd_time evening;
    assert_true(hd_time_parse(hd_slice_of("2026-11-12T23:00"), HD_TIME_ISO, NULL, &evening));
    feed_event(r, 1, 1, "view", NAN, evening);
    feed_event(r, 1, 1, "view", NAN, evening + 8 * HD_DAY_MS);
    assert_int_equal(hd_data_report_finish(r, &json), HEED_OK);
    json_t *gap = json_array_get(json_object_get(json, "gaps"), 0);
    assert_string_equal(json_string_value(json_object_get(gap, "from")), "2026-11-14");
    assert_string_equal(json_string_value(json_object_get(gap, "to")), "2026-11-20");
    json_decref(json);
    hd_data_report_free(r);
    hd_zone_close(zone);
}

static void test_empty(void **state) {
    (void)state;
    hd_data_report *r;
    json_t *json;
    hd_str text;
    hd_str_init(&text);
    assert_int_equal(hd_data_report_new(NOW, NULL, &r), HEED_OK);
    assert_int_equal(hd_data_report_finish(r, &json), HEED_OK);
    assert_int_equal(figure(json, "events"), 0);
    assert_true(json_is_null(json_object_get(json, "span")));
    assert_true(json_is_null(json_object_get(json, "density")));
    assert_int_equal(json_array_size(json_object_get(json, "columns")), 0);
    assert_int_equal(hd_data_report_text(json, HEED_EN, &text), HEED_OK);
    assert_non_null(strstr(hd_str_get(&text), "Nothing suspicious"));
    hd_str_clear(&text);
    json_decref(json);
    hd_data_report_free(r);
    hd_data_report_free(NULL);
}

static void test_text(void **state) {
    (void)state;
    json_t *json = small_report();
    hd_str text;
    hd_str_init(&text);
    assert_int_equal(hd_data_report_text(json, HEED_EN, &text), HEED_OK);
    static const char *const en[] = {
        "  events            8, 1 anonymous, 1 exact repeats, 1 without a time\n",
        "  users             5, 3 without events\n",
        "  density           66.7%\n",
        "  events per user   mean 3.5, median 3.5, at most 4\n",
        "  event types       view 6, cart 1, search 1\n",
        "  gaps              2026-11-03 – 2026-11-20 (18 days)\n",
        "  cleaning          kept 7, 1 repeats left out\n",
        "  ! items.price is zero or less: check these prices (1, 2.5%)\n",
    };
    for (size_t i = 0; i < sizeof en / sizeof en[0]; i++) {
        if (!strstr(hd_str_get(&text), en[i])) fail_msg("%s\n%s", en[i], hd_str_get(&text));
    }
    hd_str_reset(&text);
    assert_int_equal(hd_data_report_text(json, HEED_ZH, &text), HEED_OK);
    assert_non_null(strstr(hd_str_get(&text), "  事件              8，1 条匿名"));
    assert_non_null(strstr(hd_str_get(&text), "  ! items.price 小于或等于零"));
    hd_str_clear(&text);
    json_decref(json);
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

// The sort against the C library's, on few, many, equal and clustered values.
static void test_sort(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 32, 33, 1000, 20000};
    static const uint64_t masks[] = {UINT64_MAX, 0xFF, 0, UINT64_C(0xFF000000000000FF)};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        for (size_t m = 0; m < 4; m++) {
            size_t n = sizes[s];
            uint64_t *a = hd_alloc(n * 8), *b = hd_alloc(n * 8);
            for (size_t i = 0; i < n; i++) a[i] = b[i] = hd_rng_at(1, m, i) & masks[m];
            hd_sort_u64(a, n);
            qsort(b, n, 8, by_value);
            if (n > 0) assert_memory_equal(a, b, n * 8);
            size_t distinct = 0;
            for (size_t i = 0; i < n; i++) distinct += i == 0 || b[i] != b[i - 1];
            assert_int_equal(hd_distinct_u64(a, n), distinct);
            hd_free(a);
            hd_free(b);
        }
    }
}

static heed_err whole_run(void) {
    hd_data_report *r = NULL;
    json_t *json = NULL;
    hd_str text;
    hd_str_init(&text);
    heed_err err = hd_data_report_new(NOW, NULL, &r);
    hd_report_item item = {1, "t", "b", "c", 0, "CNY", NOW};
    hd_report_event e = {1, 2, "view", 1, 1, "CNY", NOW};
    if (err == HEED_OK) err = hd_data_report_item(r, &item);
    for (int i = 0; err == HEED_OK && i < 12; i++) {
        e.user_key = i % 3;
        e.time = NOW - i % 2 * 9 * HD_DAY_MS;
        err = hd_data_report_event(r, &e);
    }
    if (err == HEED_OK) err = hd_data_report_finish(r, &json);
    if (err == HEED_OK) err = hd_data_report_text(json, HEED_ZH, &text);
    hd_str_clear(&text);
    json_decref(json);
    hd_data_report_free(r);
    return err;
}

static void test_allocation_failures(void **state) {
    (void)state;
    size_t before = hd_mem_used();
    for (uint64_t n = 1;; n++) {
        assert_true(n < 3000);
        hd_mem_fail_at(n, true);
        heed_err err = whole_run();
        hd_mem_fail_at(0, false);
        assert_int_equal(hd_mem_used(), before);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
    }
}

int main(void) {
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_findings),
        cmocka_unit_test(test_dominant_and_currencies),
        cmocka_unit_test(test_items_without_any_title),
        cmocka_unit_test(test_zone),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_sort),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
