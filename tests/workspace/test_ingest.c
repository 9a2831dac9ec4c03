// SPDX-License-Identifier: Apache-2.0
//
// Posted records: what is taken, what is told of what isn't, what a repeat does, what stands when
// memory runs out.
#include "shop.h"

#include "store/batch.h"
#include "workspace/browse.h"
#include "workspace/import.h"
#include "workspace/ingest.h"

static int setup(void **state) {
    shop *s = calloc(1, sizeof *s);
    shop_open(s);
    *state = s;
    return 0;
}

static int teardown(void **state) {
    shop_close(*state);
    free(*state);
    return 0;
}

static json_t *json_of(const char *text) {
    json_t *json = NULL;
    must(hd_json_parse(text, strlen(text), "test", &json));
    return json;
}

// Posts and compares the result's text; "" for none.
static void post_as(heed_workspace *ws, hd_ingest_params params, const char *records, heed_err err,
                    const char *expected) {
    json_t *json = json_of(records), *result = NULL;
    hd_str text;
    hd_str_init(&text);
    params.records = json;
    assert_int_equal(hd_ingest(ws, &params, &result), err);
    if (result) must(hd_json_dump(result, false, &text));
    assert_string_equal(hd_str_get(&text), expected);
    hd_str_clear(&text);
    json_decref(result);
    json_decref(json);
}

static void post(heed_workspace *ws, hd_kind kind, const char *records, heed_err err,
                 const char *expected) {
    post_as(ws, (hd_ingest_params){.kind = kind}, records, err, expected);
}

#define TALLY(accepted, repeated, rejected)                                                        \
    "{\"accepted\":" #accepted ",\"repeated\":" #repeated ",\"ignored\":0,\"rejected\":" #rejected \
    ",\"redacted\":0,\"errors\":["
#define TAKEN(accepted, repeated) TALLY(accepted, repeated, 0) "]}"

static hd_door_counts count(heed_workspace *ws) {
    hd_door_counts counts;
    must(hd_door_count(ws->door, HD_PURPOSE_CARE, &counts));
    return counts;
}

static void test_events(void **state) {
    heed_workspace *ws = shop_workspace(*state, HEED_WRITE);
    const char *two = "[{\"event_id\":\"a\",\"user\":\"u1\",\"item\":\"i1\",\"type\":\"view\"},"
                      "{\"event_id\":\"b\",\"user\":\"new\",\"item\":\"new\",\"type\":\"view\"}]";
    post(ws, HD_KIND_EVENTS, two, HEED_OK, TAKEN(2, 0));
    post(ws, HD_KIND_EVENTS, two, HEED_OK, TAKEN(0, 2)); // a retry
    post(ws, HD_KIND_EVENTS, "[{\"event_id\":\"c\",\"user\":\"u1\",\"type\":\"login\"}]", HEED_OK,
         TAKEN(1, 0));
    post(ws, HD_KIND_EVENTS, "[]", HEED_OK, TAKEN(0, 0));
    assert_int_equal(count(ws).events, 3);
    assert_int_equal(count(ws).users, 2);
    // Without a time an event happened now.
    hd_time now = hd_time_now();
    assert_true(count(ws).first > now - HD_DAY_MS && count(ws).last <= now);
    heed_workspace_close(ws);
}

static void test_a_bad_one_leaves_the_others(void **state) {
    heed_workspace *ws = shop_workspace(*state, HEED_WRITE);
    post_as(ws, (hd_ingest_params){.kind = HD_KIND_EVENTS, .pointer = "/events"},
            "[{\"user\":\"u\",\"type\":\"view\"},{\"user\":\"u\"},7,"
            "{\"user\":\"v\",\"type\":\"view\",\"time\":\"soon\"}]",
            HEED_PARTIAL,
            TALLY(1, 0, 3) "{\"index\":1,\"pointer\":\"/events/1\",\"detail\":\"the event has no "
                           "type: say what happened (view, cart, purchase, …)\"},"
                           "{\"index\":2,\"pointer\":\"/events/2\",\"detail\":\"this is not an "
                           "object: a record is one, {…}\"},{\"index\":3,\"pointer\":"
                           "\"/events/3/time\",\"detail\":\"time: 'soon' is not a time: write it "
                           "like 2026-11-22T08:30:00Z\"}]}");
    assert_int_equal(count(ws).events, 1);
    assert_int_equal(count(ws).users, 1);
    post_as(ws, (hd_ingest_params){.kind = HD_KIND_EVENTS, .lang = HEED_ZH}, "{\"user\":\"u\"}",
            HEED_INPUT,
            TALLY(0, 0, 1) "{\"index\":0,\"pointer\":\"\",\"detail\":\"事件没有类型：请说明发生了什"
                           "么（view、cart、purchase 等）\"}]}");
    assert_non_null(strstr(heed_error_message(HEED_EN), "no type"));
    post(ws, HD_KIND_EVENTS, "[{},{}]", HEED_INPUT,
         TALLY(0, 0, 2) "{\"index\":0,\"pointer\":\"/0\",\"detail\":\"the event has no type: say "
                        "what happened (view, cart, purchase, …)\"},{\"index\":1,\"pointer\":"
                        "\"/1\",\"detail\":\"the event has no type: say what happened (view, "
                        "cart, purchase, …)\"}]}");
    assert_non_null(strstr(heed_error_message(HEED_EN), "none of the 2"));
    assert_int_equal(count(ws).events, 1);
    heed_workspace_close(ws);
}

static void test_errors_are_counted_but_not_all_told(void **state) {
    heed_workspace *ws = shop_workspace(*state, HEED_WRITE);
    json_t *many = json_array(), *result = NULL;
    for (int i = 0; i < 300; i++) json_array_append_new(many, json_null());
    hd_ingest_params params = {.kind = HD_KIND_ITEMS, .records = many};
    assert_int_equal(hd_ingest(ws, &params, &result), HEED_INPUT);
    assert_int_equal(json_integer_value(json_object_get(result, "rejected")), 300);
    assert_int_equal(json_array_size(json_object_get(result, "errors")), HD_INGEST_ERRORS);
    json_decref(result);
    while (json_array_size(many) <= HD_INGEST_MAX) json_array_append_new(many, json_null());
    assert_int_equal(hd_ingest(ws, &params, &result), HEED_INPUT);
    assert_null(result);
    assert_non_null(strstr(heed_error_message(HEED_EN), "10000 at most"));
    json_decref(many);
    heed_workspace_close(ws);
    ws = shop_workspace(*state, HEED_READ);
    post(ws, HD_KIND_EVENTS, "[]", HEED_USAGE, "");
    heed_workspace_close(ws);
}

// An order stands or falls as a whole.
static void test_orders(void **state) {
    heed_workspace *ws = shop_workspace(*state, HEED_WRITE);
    const hd_ingest_params segment = {.kind = HD_KIND_EVENTS, .preset = "segment", .call = "track"};
    const char *order = "{\"userId\":\"u\",\"messageId\":\"m\",\"event\":\"Order Completed\","
                        "\"properties\":{\"products\":[{\"product_id\":\"p\"},{\"sku\":\"q\"}]}}";
    post_as(ws, segment, order, HEED_OK, TAKEN(1, 0));
    post_as(ws, segment, order, HEED_OK, TAKEN(0, 1));
    assert_int_equal(count(ws).events, 2);
    post_as(ws, (hd_ingest_params){.kind = HD_KIND_EVENTS, .preset = "posthog"},
            "[{\"event\":\"$identify\",\"distinct_id\":\"u\",\"properties\":"
            "{\"$anon_distinct_id\":\"a\"}},{\"event\":\"$autocapture\",\"distinct_id\":\"u\"}]",
            HEED_OK,
            "{\"accepted\":1,\"repeated\":0,\"ignored\":1,\"rejected\":0,\"redacted\":0,"
            "\"errors\":[]}");
    assert_int_equal(count(ws).users, 1);
    heed_workspace_close(ws);
}

static void test_other_kinds(void **state) {
    heed_workspace *ws = shop_workspace(*state, HEED_WRITE);
    const char *user = "{\"id\":\"u1\",\"city\":\"Bonn\"}";
    post(ws, HD_KIND_USERS, user, HEED_OK, TAKEN(1, 0));
    post(ws, HD_KIND_USERS, user, HEED_OK, TAKEN(0, 1));
    post(ws, HD_KIND_USERS, "{\"id\":\"u1\",\"city\":\"Rome\"}", HEED_OK, TAKEN(1, 0));
    post(ws, HD_KIND_ITEMS, "[{\"id\":\"i1\",\"title\":\"Tea\"}]", HEED_OK, TAKEN(1, 0));
    const char *review = "{\"user\":\"u1\",\"item\":\"i1\",\"rating\":4,\"text\":\"fine\"}";
    post(ws, HD_KIND_REVIEWS, review, HEED_OK, TAKEN(1, 0));
    post(ws, HD_KIND_REVIEWS, review, HEED_OK, TAKEN(0, 1));
    const char *ticket = "{\"id\":\"t\",\"user\":\"u1\",\"text\":\"hello\",\"message_id\":\"m\"}";
    post(ws, HD_KIND_TICKETS, ticket, HEED_OK, TAKEN(1, 0));
    post(ws, HD_KIND_TICKETS, ticket, HEED_OK, TAKEN(0, 1));
    assert_int_equal(count(ws).reviews, 1);
    assert_int_equal(count(ws).messages, 1);
    heed_workspace_close(ws);
}

static void test_redaction(void **state) {
    heed_workspace *ws = shop_workspace(*state, HEED_WRITE);
    const char *review = "{\"user\":\"u1\",\"item\":\"i1\",\"text\":\"mail me: a.b@example.com\"}";
    must(heed_workspace_set(ws, "privacy.text", "redact"));
    post(ws, HD_KIND_REVIEWS, review, HEED_OK,
         "{\"accepted\":1,\"repeated\":0,\"ignored\":0,\"rejected\":0,\"redacted\":1,"
         "\"errors\":[]}");
    hd_arena arena;
    hd_arena_init(&arena);
    int64_t key;
    hd_door_review *reviews;
    size_t n;
    must(hd_door_user_find(ws->door, HD_PURPOSE_SUPPORT, hd_slice_of("u1"), &key));
    must(hd_door_reviews(ws->door, HD_PURPOSE_SUPPORT, key, &arena, &reviews, &n));
    assert_int_equal(n, 1);
    assert_string_equal(reviews[0].text, "mail me: [e-mail]");
    must(heed_workspace_set(ws, "privacy.text", "keep"));
    post(ws, HD_KIND_REVIEWS, review, HEED_OK, TAKEN(1, 0)); // the setting may change
    hd_arena_clear(&arena);
    heed_workspace_close(ws);
}

// One batch a day and kind, with all of the day's counts; it can be taken back like any import.
static void test_batches(void **state) {
    heed_workspace *ws = shop_workspace(*state, HEED_WRITE);
    for (int i = 0; i < 5; i++) {
        post(ws, HD_KIND_EVENTS, "[{\"user\":\"u1\",\"item\":\"x\",\"type\":\"view\"},7]",
             HEED_PARTIAL,
             TALLY(1, 0, 1) "{\"index\":1,\"pointer\":\"/1\",\"detail\":\"this is not an object: a "
                            "record is one, {…}\"}]}");
        post(ws, HD_KIND_USERS, "{\"id\":\"u1\"}", HEED_OK, i == 0 ? TAKEN(1, 0) : TAKEN(0, 1));
    }
    json_t *list = NULL;
    must(hd_import_list(ws, &list));
    assert_int_equal(json_array_size(list), 2);
    const json_t *events = json_array_get(list, 1);
    assert_string_equal(json_string_value(json_object_get(events, "kind")), "events");
    assert_string_equal(json_string_value(json_object_get(events, "source")), "api");
    assert_int_equal(json_integer_value(json_object_get(events, "rows")), 10);
    assert_int_equal(json_integer_value(json_object_get(events, "new")), 5);
    assert_int_equal(json_integer_value(json_object_get(events, "rejected")), 5);
    int64_t rows;
    must(heed_import_undo(ws, json_integer_value(json_object_get(events, "batch")), &rows));
    assert_int_equal(count(ws).events, 0);
    post(ws, HD_KIND_EVENTS, "{\"user\":\"u1\",\"type\":\"view\"}", HEED_OK, TAKEN(1, 0));
    json_decref(list);
    must(hd_import_list(ws, &list));
    assert_int_equal(json_array_size(list), 3); // the undone one is left alone
    json_decref(list);
    heed_workspace_close(ws);
}

// Inside a group's transaction: one request rolled back takes nothing of the others with it.
static void test_groups(void **state) {
    heed_workspace *ws = shop_workspace(*state, HEED_WRITE);
    must(hd_store_begin(ws->store));
    post(ws, HD_KIND_EVENTS, "{\"event_id\":\"1\",\"user\":\"u1\",\"type\":\"a\"}", HEED_OK,
         TAKEN(1, 0));
    must(hd_store_begin(ws->store));
    post(ws, HD_KIND_EVENTS, "{\"event_id\":\"2\",\"user\":\"u2\",\"type\":\"b\"}", HEED_OK,
         TAKEN(1, 0));
    post(ws, HD_KIND_USERS, "{\"id\":\"u2\"}", HEED_OK, TAKEN(1, 0)); // its batch goes as well
    hd_store_rollback(ws->store);
    post(ws, HD_KIND_EVENTS, "{\"event_id\":\"3\",\"user\":\"u3\",\"type\":\"b\"}", HEED_OK,
         TAKEN(1, 0));
    post(ws, HD_KIND_USERS, "{\"id\":\"u3\"}", HEED_OK, TAKEN(1, 0));
    must(hd_store_commit(ws->store));
    assert_int_equal(count(ws).events, 2);
    assert_int_equal(count(ws).users, 2);
    heed_workspace_close(ws);
}

// Many small batches never drop the indexes that readers use; an import afterwards still may.
static void test_steady(void **state) {
    shop *s = *state;
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    char text[128];
    must(hd_store_begin(ws->store));
    for (int i = 0; i < 3000; i++) {
        snprintf(text, sizeof text, "{\"event_id\":\"s%d\",\"user\":\"u%d\",\"type\":\"view\"}", i,
                 i % 7);
        post(ws, HD_KIND_EVENTS, text, HEED_OK, TAKEN(1, 0));
    }
    hd_query *q;
    bool row;
    must(hd_query_open(ws->store,
                       "SELECT count(*) FROM sqlite_schema WHERE name IN "
                       "('events_by_user', 'events_by_id')",
                       &q));
    must(hd_query_step(q, &row));
    assert_int_equal(hd_query_i64(q, 0), 2);
    hd_query_close(q);
    must(hd_store_commit(ws->store));
    heed_import_result *result = NULL;
    must(shop_import(ws, s, 2, 1, &result));
    assert_int_equal(result->files[0].added, 42);
    heed_import_result_free(result);
    assert_int_equal(count(ws).events, 3042);
    heed_workspace_close(ws);
}

// Another handle sees that the catalogue moved: for items, not for what else is posted.
static void test_stale_items(void **state) {
    heed_workspace *ws = shop_workspace(*state, HEED_WRITE);
    post(ws, HD_KIND_ITEMS, "{\"id\":\"i1\",\"title\":\"Tea\"}", HEED_OK, TAKEN(1, 0));
    heed_workspace *reader = shop_workspace(*state, HEED_READ);
    const hd_items *items;
    bool stale = true;
    must(hd_workspace_items_stale(reader, &stale));
    assert_false(stale); // nothing is loaded
    must(hd_workspace_items(reader, &items));
    assert_int_equal(items->n, 1);
    post(ws, HD_KIND_ITEMS, "{\"id\":\"i1\",\"title\":\"Tea\"}", HEED_OK, TAKEN(0, 1));
    post(ws, HD_KIND_EVENTS, "{\"item\":\"i2\",\"type\":\"view\"}", HEED_OK, TAKEN(1, 0));
    must(hd_workspace_items_stale(reader, &stale));
    assert_false(stale);
    post(ws, HD_KIND_ITEMS, "{\"id\":\"i2\",\"title\":\"Cup\"}", HEED_OK, TAKEN(1, 0));
    must(hd_workspace_items_stale(reader, &stale));
    assert_true(stale);
    hd_workspace_items_drop(reader);
    must(hd_workspace_items(reader, &items));
    assert_int_equal(items->n, 2);
    must(hd_workspace_items_stale(reader, &stale));
    assert_false(stale);
    heed_workspace_close(reader);
    heed_workspace_close(ws);
}

// Taking an item out is undone like any other change: what stood there returns.
static void test_removal_is_undone(void **state) {
    shop *s = *state;
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    heed_import_result *imported = NULL;
    must(shop_import(ws, s, 1, 1, &imported));
    heed_import_result_free(imported);
    json_t *result = NULL;
    int64_t rows;
    must(hd_browse_remove_item(ws, "i1", &result));
    json_decref(result);
    assert_int_equal(hd_browse_item(ws, "i1", &result), HEED_NOT_FOUND);
    assert_int_equal(heed_import_undo(ws, 1, &rows), HEED_CONFLICT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "import 2"));
    must(heed_import_undo(ws, 2, &rows));
    must(hd_browse_item(ws, "i1", &result));
    assert_string_equal(json_string_value(json_object_get(result, "title")), "Tea");
    json_decref(result);
    must(heed_import_undo(ws, 1, &rows));
    assert_int_equal(rows, 6);
    heed_workspace_close(ws);
    ws = shop_workspace(s, HEED_READ);
    assert_int_equal(hd_browse_remove_item(ws, "i1", &result), HEED_USAGE);
    heed_workspace_close(ws);
}

static void test_public(void **state) {
    heed_workspace *ws = shop_workspace(*state, HEED_WRITE);
    char *json = NULL;
    must(heed_ingest(ws, "events", "{\"user\":\"u\",\"type\":\"view\"}", &json));
    assert_non_null(strstr(json, "\"accepted\": 1"));
    heed_text_free(json);
    assert_int_equal(heed_ingest(ws, "posthog",
                                 "[{\"event\":\"x\"},{\"event\":\"x\",\"distinct_id\":7}]", &json),
                     HEED_PARTIAL);
    assert_non_null(strstr(json, "\"pointer\": \"/0\""));
    assert_non_null(strstr(heed_error_message(HEED_EN), "1 of 2"));
    heed_text_free(json);
    assert_int_equal(heed_ingest(ws, "events", "{", &json), HEED_INPUT);
    assert_null(json);
    assert_int_equal(heed_ingest(ws, "things", "{}", &json), HEED_USAGE);
    assert_null(json);
    heed_workspace_close(ws);
}

static void test_memory(void **state) {
    json_t *records =
        json_of("[{\"event_id\":\"a\",\"user\":\"u1\",\"item\":\"i1\",\"type\":\"view\"},"
                "{\"user\":\"x\"},{\"user\":\"u2\",\"rating\":3,\"item\":\"i2\"}]");
    const hd_ingest_params params = {.kind = HD_KIND_EVENTS, .records = records};
    bool done = false;
    for (uint64_t n = 1; !done; n += 1 + n / 40) {
        heed_workspace *ws = shop_workspace(*state, HEED_WRITE);
        json_t *result = NULL;
        int64_t before = count(ws).events;
        hd_mem_fail_at(n, true);
        heed_err err = hd_ingest(ws, &params, &result);
        hd_mem_fail_at(0, true);
        done = err == HEED_PARTIAL;
        assert_true(done || err == HEED_MEMORY);
        assert_int_equal(result != NULL, done);
        assert_int_equal(count(ws).events, before + (done ? 2 : 0));
        json_decref(result);
        heed_workspace_close(ws);
    }
    json_decref(records);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    const struct CMUnitTest tests[] = {
        TEST(test_events),
        TEST(test_a_bad_one_leaves_the_others),
        TEST(test_errors_are_counted_but_not_all_told),
        TEST(test_orders),
        TEST(test_other_kinds),
        TEST(test_redaction),
        TEST(test_batches),
        TEST(test_groups),
        TEST(test_steady),
        TEST(test_stale_items),
        TEST(test_removal_is_undone),
        TEST(test_public),
        TEST(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
