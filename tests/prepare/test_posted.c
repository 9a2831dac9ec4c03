// SPDX-License-Identifier: Apache-2.0
//
// Records from posted JSON: the same fields as an import's, nothing carried from one object to the
// next, and whatever is wrong named by its place.
#include <string.h>

#include "base/json.h"
#include "prepare/posted.h"
#include "rows.h"

static hd_posted *open_kind(hd_kind kind) {
    hd_posted *posted = NULL;
    const hd_posted_params params = {.kind = kind};
    assert_int_equal(hd_posted_open(&params, &posted), HEED_OK);
    return posted;
}

static json_t *json_of(const char *text) {
    json_t *json = NULL;
    assert_int_equal(hd_json_parse(text, strlen(text), "test", &json), HEED_OK);
    return json;
}

// What an object gives, as text: records, "nothing", or "bad <pointer>: <reason>".
static void check(hd_posted *posted, const char *object, const char *expected) {
    json_t *json = json_of(object);
    hd_import_row row;
    hd_str out;
    hd_str_init(&out);
    assert_int_equal(hd_posted_take(posted, json, TEST_NOW, &row), HEED_OK);
    if (row.state == HD_ROW_END) hd_str_add(&out, "nothing");
    if (row.state == HD_ROW_BAD) {
        hd_str_add(&out, "bad ");
        hd_posted_pointer(posted, &out);
        hd_str_addf(&out, ": %s", row.reason[HEED_EN]);
        assert_true(strlen(row.reason[HEED_ZH]) > 0);
    }
    if (row.state == HD_ROW_RECORD) {
        size_t n = 0;
        do {
            if (n++ > 0) hd_str_addc(&out, ';');
            test_add_record(&out, &row.record);
        } while (hd_posted_next(posted, &row));
        assert_int_equal(n, hd_posted_count(posted));
    }
    const char *got = hd_str_get(&out);
    assert_string_equal(got + (got[0] == ' '), expected);
    hd_str_clear(&out);
    json_decref(json);
}

static void test_events(void **state) {
    (void)state;
    hd_posted *p = open_kind(HD_KIND_EVENTS);
    check(
        p,
        "{\"user\":\"u\",\"item\":\"i\",\"type\":\"view\",\"time\":\"2026-01-02T03:04:05+08:00\"}",
        "event user=u item=i type=view time=2026-01-01T19:04:05Z");
    check(p,
          "{\"user_id\":17,\"itemId\":9007199254740991,\"event\":\"Add to cart\",\"price\":\"$3\"}",
          "event user=17 item=9007199254740991 type=cart value=3 currency=USD");
    check(p, "{\"user\":\"u\",\"item\":\"i\",\"rating\":4.5,\"event_id\":\"e\"}",
          "event event_id=e user=u item=i type=rating value=4.5");
    // What has no field is a property, beside those in the object.
    check(p,
          "{\"user\":\"u\",\"type\":\"login\",\"shelf\":{\"a\":[1,2]},\"properties\":{\"b\":null}}",
          "event user=u type=login properties={\"shelf\":{\"a\":[1,2]},\"b\":null}");
    check(p, "{\"user\":{\"id\":\"u\"},\"type\":\"login\"}", "event user=u type=login");
    hd_posted_close(p);
}

// Texts, and whole numbers that a double holds: 12 and 12.0 are one id, 1.5 is none.
static void test_ids(void **state) {
    (void)state;
    static const struct {
        const char *given, *read; // NULL: refused
    } ids[] = {
        {"12", "12"},
        {"12.0", "12"},
        {"-3", "-3"},
        {"0", "0"},
        {"1.5", NULL},
        {"-0.25", NULL},
        {"9007199254740991", "9007199254740991"},
        {"-9007199254740991", "-9007199254740991"},
        {"9007199254740992", NULL},
        {"-9007199254740992", NULL},
        {"1e300", NULL},
        {"\"1.5\"", "1.5"},
        {"\"9007199254740993\"", "9007199254740993"},
    };
    hd_posted *p = open_kind(HD_KIND_EVENTS);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        char object[128], expected[128];
        hd_import_row row;
        snprintf(object, sizeof object, "{\"user\":%s,\"type\":\"x\"}", ids[i].given);
        if (ids[i].read) {
            snprintf(expected, sizeof expected, "event user=%s type=x", ids[i].read);
            check(p, object, expected);
            continue;
        }
        json_t *json = json_of(object);
        hd_str pointer;
        hd_str_init(&pointer);
        assert_int_equal(hd_posted_take(p, json, TEST_NOW, &row), HEED_OK);
        assert_int_equal(row.state, HD_ROW_BAD);
        assert_non_null(strstr(row.reason[HEED_EN], "is no id"));
        hd_posted_pointer(p, &pointer);
        assert_string_equal(hd_str_get(&pointer), "/user");
        hd_str_clear(&pointer);
        json_decref(json);
    }
    check(p, "{\"user\":\"u\",\"item\":2.5,\"type\":\"x\"}",
          "bad /item: item: '2.5' is no id: give a text, or a whole number below 2^53");
    hd_posted_close(p);
}

// Seconds, milliseconds and microseconds since 1970, as numbers or as text.
static void test_times(void **state) {
    (void)state;
    static const struct {
        const char *given, *read;
    } times[] = {
        {"1767323045", "2026-01-02T03:04:05Z"},
        {"1767323045.5", "2026-01-02T03:04:05.500Z"},
        {"1767323045678", "2026-01-02T03:04:05.678Z"},
        {"\"1767323045678\"", "2026-01-02T03:04:05.678Z"},
        {"1767323045678000", "2026-01-02T03:04:05.678Z"},
        {"\"2026-01-02\"", "2026-01-02T00:00:00Z"},
    };
    hd_posted *p = open_kind(HD_KIND_EVENTS);
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        char object[128], expected[128];
        snprintf(object, sizeof object, "{\"user\":\"u\",\"type\":\"x\",\"time\":%s}",
                 times[i].given);
        snprintf(expected, sizeof expected, "event user=u type=x time=%s", times[i].read);
        check(p, object, expected);
    }
    check(p, "{\"user\":\"u\",\"type\":\"x\",\"time\":7}",
          "bad /time: time: '7' is not a time: write it like 2026-11-22T08:30:00Z");
    check(p, "{\"user\":\"u\",\"type\":\"x\",\"time\":\"2027-01-01\"}",
          "bad /time: time: '2027-01-01' lies in the future: check the clock and the time zone");
    hd_posted_close(p);
}

// The same object means the same whatever came before it.
static void test_nothing_is_carried_over(void **state) {
    (void)state;
    hd_posted *p = open_kind(HD_KIND_EVENTS);
    for (int i = 0; i < 3; i++) {
        check(p, "{\"uid\":\"a\",\"type\":\"view\",\"sku\":\"s\"}",
              "event user=a item=s type=view");
        check(p, "{\"user_id\":\"b\",\"uid\":\"c\",\"type\":\"view\"}",
              "event user=b type=view properties={\"uid\":\"c\"}");
        check(p, "{\"item\":\"i\",\"sku\":\"s\",\"action\":\"view\"}",
              "event item=i type=view properties={\"sku\":\"s\"}");
        check(p, "{\"user\":\"u\",\"price\":2,\"rating\":3,\"item\":\"i\"}",
              "event user=u item=i type=rating value=3 properties={\"price\":2}");
    }
    hd_posted_close(p);
}

// Clients may send any names: they don't pile up, and known ones stay known.
static void test_any_names(void **state) {
    (void)state;
    hd_posted *p = open_kind(HD_KIND_EVENTS);
    char object[128], expected[128];
    for (int i = 0; i < 9000; i++) {
        snprintf(object, sizeof object, "{\"user\":\"u\",\"n%d\":1,\"m%d\":2,\"type\":\"x\"}", i,
                 i);
        snprintf(expected, sizeof expected, "event user=u type=x properties={\"n%d\":1,\"m%d\":2}",
                 i, i);
        check(p, object, expected);
    }
    hd_str many;
    hd_str_init(&many);
    hd_str_add(&many, "{\"user\":\"u\"");
    for (int i = 0; i < HD_POSTED_MEMBERS; i++) hd_str_addf(&many, ",\"k%d\":0", i);
    hd_str_add(&many, ",\"type\":\"x\"}");
    check(p, hd_str_get(&many), "bad : it has more than 1024 members: keep those that matter");
    hd_str_clear(&many);
    hd_posted_close(p);
}

static void test_refusals(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"7", "bad : this is not an object: a record is one, {…}"},
        {"[]", "bad : this is not an object: a record is one, {…}"},
        {"null", "bad : this is not an object: a record is one, {…}"},
        {"{}", "bad : the event has no type: say what happened (view, cart, purchase, …)"},
        {"{\"type\":\"view\"}",
         "bad : the event names neither user nor session nor item: give one of them"},
        {"{\"user\":true,\"type\":\"view\"}",
         "bad /user: user: 'true' is true or false, not an id: give a text or a number"},
        {"{\"user\":[1],\"type\":\"view\"}",
         "bad /user: user: '[1]' is not a single value: give a text or a number"},
        {"{\"user\":\"a\\u0007b\",\"type\":\"view\"}",
         "bad /user: user: 'a b' holds a line break or another control sign: take it out"},
        {"{\"user\":\"u\",\"type\":\"view\",\"quantity\":-1}",
         "bad /quantity: quantity: '-1' is negative: give returns an event type of their own"},
        {"{\"user\":\"u\",\"type\":\"view\",\"value\":\"much\"}",
         "bad /value: value: 'much' is not an amount: write it like 1234.50 or ¥1234.50"},
        {"{\"user\":\"u\",\"type\":\"view\",\"currency\":\"gold\"}",
         "bad /currency: currency: 'gold' is not a currency: write its three letters (CNY, USD)"},
        {"{\"user\":{\"i/d~\":1,\"id\":{}},\"type\":\"view\"}",
         "bad /user/id: user: '{}' is not a single value: give a text or a number"},
    };
    hd_posted *p = open_kind(HD_KIND_EVENTS);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) check(p, cases[i][0], cases[i][1]);
    hd_posted_close(p);
}

static void test_other_kinds(void **state) {
    (void)state;
    hd_posted *users = open_kind(HD_KIND_USERS);
    check(users,
          "{\"id\":\"u\",\"city\":\"Bonn\",\"attributes\":{\"age\":7},\"created\":\"2020-01-01\"}",
          "user id=u created=2020-01-01T00:00:00Z attributes={\"city\":\"Bonn\",\"age\":7}");
    check(users, "{\"city\":\"Bonn\"}",
          "bad : the user has no id: give each user one, or leave the row out");
    hd_posted_close(users);
    hd_posted *items = open_kind(HD_KIND_ITEMS);
    check(items, "{\"id\":\"i\",\"title\":\"Tea\",\"categories\":[\"a\",\"b\"],\"hidden\":false}",
          "item id=i title=Tea categories=[\"a\",\"b\"] hidden=0");
    hd_posted_close(items);
    hd_posted *reviews = open_kind(HD_KIND_REVIEWS);
    check(reviews, "{\"user\":\"u\",\"item\":\"i\",\"rating\":5,\"text\":\"good\"}",
          "review user=u item=i rating=5 text=good");
    hd_posted_close(reviews);
    hd_posted *tickets = open_kind(HD_KIND_TICKETS);
    check(tickets, "{\"id\":\"t\",\"user\":\"u\",\"role\":\"customer\",\"text\":\"hello\"}",
          "ticket id=t user=u role=user text=hello");
    hd_posted_close(tickets);
}

// A track call needn't say that it is one when the address does.
static void test_messages(void **state) {
    (void)state;
    hd_posted *p = NULL;
    const hd_posted_params track = {.kind = HD_KIND_EVENTS, .preset = "segment", .call = "track"};
    assert_int_equal(hd_posted_open(&track, &p), HEED_OK);
    check(p,
          "{\"userId\":\"u\",\"event\":\"Order Completed\",\"messageId\":\"m\",\"properties\":"
          "{\"products\":[{\"product_id\":\"p\"},{\"sku\":\"q\",\"quantity\":2}]}}",
          "event event_id=m#1 user=u item=p type=purchase; "
          "event event_id=m#2 user=u item=q type=purchase quantity=2");
    check(p, "{\"userId\":\"u\",\"event\":\"Order Completed\",\"properties\":{\"products\":[{}]}}",
          "bad : product 1 has neither product_id nor sku: give it one");
    check(p, "{\"type\":\"page\",\"userId\":\"u\"}", "event user=u type=page");
    hd_posted_close(p);
    const hd_posted_params posthog = {.kind = HD_KIND_EVENTS, .preset = "posthog"};
    assert_int_equal(hd_posted_open(&posthog, &p), HEED_OK);
    check(p, "{\"event\":\"$autocapture\",\"distinct_id\":\"u\"}", "nothing");
    check(p, "{\"event\":\"$pageview\",\"distinct_id\":\"u\",\"properties\":{\"$ip\":\"1.2.3.4\"}}",
          "event user=u type=page");
    hd_posted_close(p);
    const hd_posted_params unknown = {.kind = HD_KIND_EVENTS, .preset = "nosuch"};
    assert_int_equal(hd_posted_open(&unknown, &p), HEED_USAGE);
}

static void test_memory(void **state) {
    (void)state;
    assert_int_equal(hd_mem_adopt_libraries(), HEED_OK);
    json_t *json = json_of("{\"user\":\"u\\n\\\"1\",\"type\":\"Thing Seen\",\"k\":[{}],"
                           "\"properties\":{\"a\":{\"b\":1}}}");
    json_object_set_new(json, "user", json_string("u1"));
    bool done = false;
    for (uint64_t n = 1; !done; n++) {
        const hd_posted_params params = {.kind = HD_KIND_EVENTS, .zone = "UTC", .currency = "CNY"};
        hd_posted *p = NULL;
        hd_import_row row;
        hd_mem_fail_at(n, true);
        heed_err err = hd_posted_open(&params, &p);
        if (err == HEED_OK) err = hd_posted_take(p, json, TEST_NOW, &row);
        hd_mem_fail_at(0, true);
        assert_true(err == HEED_OK || err == HEED_MEMORY);
        if (err == HEED_OK) assert_int_equal(row.state, HD_ROW_RECORD);
        done = err == HEED_OK;
        hd_posted_close(p);
    }
    json_decref(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events),      cmocka_unit_test(test_ids),
        cmocka_unit_test(test_times),       cmocka_unit_test(test_nothing_is_carried_over),
        cmocka_unit_test(test_any_names),   cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_other_kinds), cmocka_unit_test(test_messages),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
