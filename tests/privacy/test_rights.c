// SPDX-License-Identifier: Apache-2.0
//
// What is stored of a person, and correcting it. Every text column of every personal table gets a
// canary; the export must hold each of them, so that a table that somebody adds and forgets fails.
#include "privacy_test.h"

#include "base/json.h"
#include "privacy/consent.h"
#include "privacy/rights.h"
#include "store/batch.h"

static heed_err item_name(void *ctx, int64_t key, const char **out) {
    (void)ctx;
    *out = key == 11 ? "tea" : "";
    return HEED_OK;
}
static const hd_item_names names = {item_name, NULL};

static void start(fixture *f, int64_t batch) {
    assert_ok(hd_store_migrate(f->store, hd_batch_migrations, hd_batch_n_migrations));
    assert_ok(hd_store_begin(f->store));
    hd_batch b = {.kind = "events", .source = "-", .preset = "", .started = 1000 * batch};
    assert_ok(hd_batch_begin(f->store, &b));
    assert_int_equal(b.id, batch);
}

// Ann (ids ann, anna) and Ben, in two imports of which the second overwrites the first.
static void fill(fixture *f) {
    start(f, 1);
    put(f, 1, user_record("cn-ann", NULL, "{\"city\":\"cn-old-city\",\"age\":3}"), 0);
    put(f, 1, user_record("cn-anna", NULL, "{\"city\":\"cn-other-city\",\"tel\":\"cn-tel\"}"), 0);
    put(f, 1, user_record("ben", NULL, "{\"city\":\"Oslo\"}"), 0);
    hd_record event = event_record("cn-event", "cn-ann", "view", 5000);
    event.event.session = hd_slice_of("cn-session");
    event.event.properties = hd_slice_of("{\"page\":\"cn-property\"}");
    event.event.value = 2.5;
    put(f, 1, event, 11);
    put(f, 1, event_record("b1", "ben", "view", 1), 12);
    put(f, 1, review_record("cn-review", "cn-anna", 4, "cn-old-text", 6000), 11);
    put(f, 1, ticket_record("cn-ticket", "cn-ann", "cn-old-status", "cn-message", "cn-said"), 0);
    end(f, 1);
    start(f, 2);
    put(f, 2, user_record("cn-ann", "cn-anna", "{\"city\":\"cn-city\"}"), 0);
    hd_record review = review_record("cn-review", NULL, 5, "cn-text", 6000);
    review.review.title = hd_slice_of("cn-title");
    put(f, 2, review, 0);
    hd_record ticket = ticket_record("cn-ticket", NULL, "cn-status", NULL, NULL);
    ticket.ticket.subject = hd_slice_of("cn-subject");
    put(f, 2, ticket, 0);
    end(f, 2);
}

static int64_t person_of(fixture *f, const char *id) {
    int64_t person;
    assert_ok(hd_rights_find(f->door, hd_slice_of(id), &person));
    return person;
}

static json_t *export_of(fixture *f, const char *id) {
    json_t *out = json_object();
    assert_ok(hd_rights_export(f->door, person_of(f, id), names, out));
    return out;
}

static void dump(const json_t *json, hd_str *out) {
    hd_str_init(out);
    assert_ok(hd_json_dump(json, true, out));
}

static void test_export(void **s) {
    fixture *f = *s;
    fill(f);
    int64_t ann = person_of(f, "cn-anna");
    assert_ok(hd_door_consent(f->door, ann, HD_PURPOSE_NEED, false, "cn-source", NULL));
    static const char *const canaries[] = {
        "cn-ann\"",    "cn-anna",    "cn-city",     "cn-old-city", "cn-other-city",
        "cn-tel",      "cn-session", "cn-property", "cn-title",    "cn-text",
        "cn-old-text", "cn-ticket",  "cn-subject",  "cn-status",   "cn-old-status",
        "cn-said",     "cn-source",  "\"tea\"",     "\"view\"",    "1970-01-01T00:00:05",
        "\"user\"",
    };
    json_t *out = export_of(f, "cn-ann");
    hd_str text;
    dump(out, &text);
    for (size_t i = 0; i < sizeof canaries / sizeof *canaries; i++)
        if (!strstr(hd_str_get(&text), canaries[i])) fail_msg("%s is missing", canaries[i]);
    // Ids that are only compared are kept as keyed hashes.
    static const char *const hashed[] = {"cn-event", "cn-review", "cn-message"};
    for (int i = 0; i < 3; i++) assert_null(strstr(hd_str_get(&text), hashed[i]));
    assert_null(strstr(hd_str_get(&text), "ben"));
    assert_null(strstr(hd_str_get(&text), "Oslo"));
    hd_str_clear(&text);

    // The same by any id, and a reader gets back what was written.
    json_t *same = export_of(f, "cn-anna"), *again = NULL;
    assert_true(json_equal(out, same));
    dump(out, &text);
    assert_ok(hd_json_parse(hd_str_get(&text), text.len, "export", &again));
    assert_true(json_equal(out, again));
    const json_t *event = json_array_get(json_object_get(out, "events"), 0);
    assert_int_equal(json_integer_value(json_object_get(event, "event")), 1);
    assert_true(json_real_value(json_object_get(event, "value")) == 2.5);
    assert_int_equal(json_integer_value(json_object_get(event, "import")), 1);
    assert_null(json_object_get(event, "quantity")); // not known
    hd_str_clear(&text);
    json_decref(again);
    json_decref(same);
    json_decref(out);
}

// Tables that refer to persons: each has rows in `fill`, each shows in the export.
static void test_every_table(void **s) {
    fixture *f = *s;
    fill(f);
    assert_ok(hd_door_consent(f->door, person_of(f, "cn-ann"), HD_PURPOSE_NEED, false, "t", NULL));
    hd_query *q;
    bool row;
    hd_str known;
    hd_str_init(&known);
    // Of these nothing is one person's, or (events_waiting) it is empty outside of an import, or
    // (events_recent) it is read with `events` wherever that is (test_recent.c).
    static const char *const others =
        " migrations import_batches event_types events_mark"
        " events_waiting events_recent consent_mark privacy sqlite_sequence ";
    static const char *const exported = " users users_before user_links events reviews"
                                        " reviews_before tickets tickets_before messages consents"
                                        " consent_history ";
    assert_ok(hd_query_open(f->store, "SELECT name FROM sqlite_schema WHERE type = 'table'", &q));
    for (;;) {
        assert_ok(hd_query_step(q, &row));
        if (!row) break;
        hd_str_reset(&known);
        hd_slice name = hd_query_text(q, 0);
        hd_str_addf(&known, " %.*s ", (int)name.n, name.p);
        if (!strstr(others, hd_str_get(&known)) && !strstr(exported, hd_str_get(&known)))
            fail_msg("table%sis neither exported nor erased", hd_str_get(&known));
    }
    hd_query_close(q);
    hd_str_clear(&known);
    json_t *out = export_of(f, "cn-ann");
    const char *part;
    json_t *rows;
    json_object_foreach(out, part, rows) {
        if (json_array_size(rows) == 0) fail_msg("%s is empty", part);
    }
    assert_int_equal(json_object_size(out), 11);
    json_decref(out);
}

static void test_counts(void **s) {
    fixture *f = *s;
    fill(f);
    hd_rights_counts c;
    char **ids;
    size_t n;
    assert_ok(hd_rights_count(f->door, person_of(f, "cn-ann"), &c));
    assert_true(c.ids == 2 && c.events == 1 && c.reviews == 1 && c.tickets == 1 && c.messages == 1);
    assert_true(c.first == 5000 && c.last == 5000);
    assert_ok(hd_rights_ids(f->door, person_of(f, "cn-anna"), &f->arena, &ids, &n));
    assert_int_equal(n, 2);
    assert_string_equal(ids[0], "cn-ann");
    assert_string_equal(ids[1], "cn-anna");
    int64_t person;
    assert_fails(HEED_NOT_FOUND, hd_rights_find(f->door, hd_slice_of("nobody"), &person));
}

// ── Models ──

static bool held(fixture *f, hd_time time) {
    bool out;
    assert_ok(hd_rights_held(f->door, person_of(f, "cn-ann"), HD_PURPOSE_TRAIN, time, &out));
    return out;
}

static void test_held(void **s) {
    fixture *f = *s;
    fill(f); // the import that brought the event began at 1000
    assert_false(held(f, 999));
    assert_true(held(f, 1000));
    hd_door_basis_set(f->door, HD_PURPOSE_TRAIN, HD_BASIS_CONSENT);
    assert_false(held(f, INT64_MAX));
    int64_t ann = person_of(f, "cn-ann");
    hd_time before = hd_time_now();
    assert_ok(hd_door_consent(f->door, ann, HD_PURPOSE_TRAIN, true, "t", NULL));
    assert_true(held(f, INT64_MAX));
    assert_false(held(f, before - 1));
    assert_ok(hd_door_consent(f->door, ann, HD_PURPOSE_TRAIN, false, "t", NULL));
    assert_false(held(f, INT64_MAX));
    hd_door_basis_set(f->door, HD_PURPOSE_TRAIN, HD_BASIS_INTEREST);
    assert_false(held(f, INT64_MAX));
    assert_true(held(f, before - 1));
    assert_ok(hd_door_consent(f->door, ann, HD_PURPOSE_TRAIN, true, "t", NULL));
    assert_ok(hd_door_restrict(f->door, ann, true, "t", NULL));
    assert_false(held(f, INT64_MAX));
    assert_ok(hd_door_restrict(f->door, ann, false, "t", NULL));
    assert_true(held(f, INT64_MAX));
}

// ── Correction ──

static void correct(fixture *f, const char *id, const char *attributes, heed_err want) {
    hd_correction what = {0};
    assert_ok(hd_json_parse(attributes, strlen(attributes), "attributes", &what.attributes));
    assert_int_equal(hd_rights_correct(f->door, person_of(f, id), &what), want);
    json_decref(what.attributes);
}

static void test_correct_attributes(void **s) {
    fixture *f = *s;
    fill(f);
    correct(f, "cn-anna", "{\"city\":\"Rome\",\"tel\":null,\"new\":[1,2]}", HEED_OK);
    assert_string_equal(user_of(f, "cn-ann").attributes,
                        "{\"city\":\"Rome\",\"age\":3,\"new\":[1,2]}");
    json_t *out = export_of(f, "cn-ann");
    hd_str text;
    dump(out, &text);
    // Gone everywhere: also from the other id, and from what the second import overwrote.
    assert_null(strstr(hd_str_get(&text), "cn-city"));
    assert_null(strstr(hd_str_get(&text), "cn-old-city"));
    assert_null(strstr(hd_str_get(&text), "cn-other-city"));
    assert_null(strstr(hd_str_get(&text), "cn-tel"));
    hd_str_clear(&text);
    json_decref(out);
    undo(f, 2);
    assert_string_equal(user_of(f, "cn-ann").attributes, "{\"city\":\"Rome\",\"age\":3}");
    assert_string_equal(user_of(f, "cn-anna").attributes, "{}");
    assert_string_equal(user_of(f, "ben").attributes, "{\"city\":\"Oslo\"}");
    correct(f, "ben", "[1]", HEED_INPUT);
}

static void test_remove_rows(void **s) {
    fixture *f = *s;
    fill(f);
    int64_t ann = person_of(f, "cn-ann"), mark, later;
    const int64_t events[] = {1, 2}, reviews[] = {1};
    hd_correction both = {.events = events, .n_events = 2}; // the second is Ben's
    assert_fails(HEED_NOT_FOUND, hd_rights_correct(f->door, ann, &both));
    assert_int_equal(ask(f, "SELECT count(*) FROM events"), 2);
    assert_ok(hd_door_consent_mark(f->door, &mark));
    hd_correction one = {.events = events, .n_events = 1, .reviews = reviews, .n_reviews = 1};
    assert_ok(hd_rights_correct(f->door, ann, &one));
    assert_int_equal(ask(f, "SELECT count(*) FROM events"), 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM reviews"), 0);
    assert_int_equal(ask(f, "SELECT count(*) FROM reviews_before"), 0);
    assert_ok(hd_door_consent_mark(f->door, &later));
    assert_true(later > mark);
    assert_fails(HEED_NOT_FOUND, hd_rights_correct(f->door, ann, &one));
    undo(f, 2); // what was removed doesn't return
    assert_int_equal(ask(f, "SELECT count(*) FROM reviews"), 0);
}

// Numbers of events that were removed are not given again.
static void test_numbers(void **s) {
    fixture *f = *s;
    fill(f);
    const int64_t events[] = {2};
    hd_correction what = {.events = events, .n_events = 1};
    assert_ok(hd_rights_correct(f->door, person_of(f, "ben"), &what));
    assert_ok(hd_store_begin(f->store));
    put(f, 3, event_record("b2", "ben", "view", 2), 12);
    end(f, 3);
    assert_int_equal(ask(f, "SELECT max(key) FROM events"), 3);
}

// ── Erasure ──

// How often the text stands in the files of the database.
static size_t hits(fixture *f, const char *text) {
    size_t n = 0;
    static const char *const ends[] = {"", "-wal", "-journal"};
    for (size_t i = 0; i < 3; i++) {
        char path[128];
        hd_str data;
        snprintf(path, sizeof path, "%s%s", f->path, ends[i]);
        if (!hd_fs_exists(path)) continue;
        hd_str_init(&data);
        assert_ok(hd_fs_read(path, 0, &data));
        for (size_t at = 0; at + strlen(text) <= data.len; at++)
            n += memcmp(data.data + at, text, strlen(text)) == 0;
        hd_str_clear(&data);
    }
    return n;
}

static void erase(fixture *f, const char *id, hd_rights_counts *out) {
    int64_t *keys;
    size_t n;
    assert_ok(hd_rights_keys(f->door, person_of(f, id), &f->arena, &keys, &n));
    assert_ok(hd_rights_erase(f->door, keys, n, out));
}

static void test_erase(void **s) {
    fixture *f = *s;
    fill(f);
    int64_t ann = person_of(f, "cn-ann");
    assert_ok(hd_door_consent(f->door, ann, HD_PURPOSE_NEED, false, "cn-source", NULL));
    assert_ok(hd_store_begin(f->store));
    put(f, 3, event_record("x", "cn-ann", "cn-type", 9), 11);
    end(f, 3);
    assert_true(hits(f, "cn-") > 0);
    json_t *ben = export_of(f, "ben");
    hd_rights_counts gone;
    erase(f, "cn-anna", &gone);
    assert_true(gone.ids == 2 && gone.events == 2 && gone.reviews == 1 && gone.tickets == 1 &&
                gone.messages == 1);
    assert_ok(hd_store_scrub(f->store));
    assert_int_equal(hits(f, "cn-"), 0);
    json_t *after = export_of(f, "ben");
    assert_true(json_equal(ben, after));
    json_decref(ben);
    json_decref(after);
    assert_int_equal(counts(f).users, 1);
    assert_int_equal(counts(f).events, 1);
    int64_t person, *keys;
    assert_fails(HEED_NOT_FOUND, hd_rights_find(f->door, hd_slice_of("cn-ann"), &person));
    assert_ok(hd_rights_erase(f->door, &ann, 1, &gone)); // again: nothing left to do
    assert_int_equal(gone.ids, 0);
    undo(f, 2); // imports that they were part of can still be undone
    undo(f, 1);

    // The same id is somebody new, and no number is given twice.
    assert_ok(hd_store_begin(f->store));
    put(f, 4, event_record("cn-event", "cn-ann", "view", 5000), 11);
    end(f, 4);
    size_t n;
    assert_ok(hd_rights_keys(f->door, person_of(f, "cn-ann"), &f->arena, &keys, &n));
    assert_true(n == 1 && keys[0] > ann);
    assert_true(ask(f, "SELECT max(key) FROM events") > 3);
}

// What a restored backup joined with the erased id stays, and so do joins among the others.
static void test_erase_part(void **s) {
    fixture *f = *s;
    assert_ok(hd_store_begin(f->store));
    put(f, 1, user_record("a", "b", NULL), 0);
    put(f, 1, user_record("b", "c", NULL), 0);
    put(f, 1, user_record("c", "d", NULL), 0);
    put(f, 1, event_record("e1", "a", "view", 1), 11);
    put(f, 1, event_record("e2", "d", "view", 2), 11);
    end(f, 1);
    int64_t a = person_of(f, "a");
    int64_t b = ask(f, "SELECT key FROM users ORDER BY key LIMIT 1 OFFSET 1");
    assert_int_equal(person_of(f, "d"), a);
    assert_ok(hd_rights_erase(f->door, &a, 1, NULL)); // the main id
    hd_door_event *events;
    assert_int_equal(events_of(f, "b", &events), 1);
    assert_int_equal(person_of(f, "d"), person_of(f, "b"));
    assert_ok(hd_rights_erase(f->door, &b, 1, NULL)); // one of three
    assert_int_equal(person_of(f, "d"), person_of(f, "c"));
    assert_int_equal(counts(f).users, 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM user_links"), 1);
}

static void test_erase_with_failing_allocations(void **s) {
    fixture *f = *s;
    fill(f);
    int64_t *keys;
    size_t n;
    assert_ok(hd_rights_keys(f->door, person_of(f, "cn-ann"), &f->arena, &keys, &n));
    for (uint64_t nth = 1;; nth++) {
        hd_mem_fail_at(nth, true);
        heed_err err = hd_rights_erase(f->door, keys, n, NULL);
        hd_mem_fail_at(0, false);
        int64_t left = ask(f, "SELECT count(*) FROM users") + ask(f, "SELECT count(*) FROM events");
        assert_int_equal(left, err == HEED_OK ? 2 : 5);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
        assert_true(nth < 20000);
    }
}

static heed_err use_all(fixture *f, int64_t ann, json_t *change) {
    json_t *out = json_object();
    hd_correction what = {.attributes = change};
    heed_err err = out ? hd_rights_export(f->door, ann, names, out) : HD_FAIL_MEMORY(0);
    if (err == HEED_OK) err = hd_rights_correct(f->door, ann, &what);
    json_decref(out);
    return err;
}

static void test_failing_allocations(void **s) {
    fixture *f = *s;
    assert_ok(hd_mem_adopt_libraries());
    fill(f);
    int64_t ann = person_of(f, "cn-ann");
    json_t *change = json_pack("{s:s}", "city", "Rome");
    for (uint64_t nth = 1;; nth++) {
        hd_mem_fail_at(nth, true);
        heed_err err = use_all(f, ann, change);
        hd_mem_fail_at(0, false);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
        assert_true(nth < 20000);
    }
    json_decref(change);
}

int main(void) {
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    const struct CMUnitTest tests[] = {
        DOOR_TEST(test_export),
        DOOR_TEST(test_every_table),
        DOOR_TEST(test_counts),
        DOOR_TEST(test_held),
        DOOR_TEST(test_correct_attributes),
        DOOR_TEST(test_remove_rows),
        DOOR_TEST(test_numbers),
        DOOR_TEST(test_failing_allocations),
        DOOR_TEST(test_erase),
        DOOR_TEST(test_erase_part),
        DOOR_TEST(test_erase_with_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
