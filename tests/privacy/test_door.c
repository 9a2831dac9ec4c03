// SPDX-License-Identifier: Apache-2.0
//
// The door's functions one by one, on cases small enough to work out by hand.
#include "privacy/seal.h"
#include "privacy_test.h"

static void test_events(void **state) {
    fixture *f = *state;
    hd_door_event *e;
    assert_ok(hd_store_begin(f->store));
    hd_record r = event_record("e1", "ann", "purchase", 2000);
    r.event.value = 12.5;
    r.event.quantity = 2;
    r.event.currency = hd_slice_of("CNY");
    assert_int_equal(put(f, 1, r, 7), HD_PUT_NEW);
    assert_int_equal(put(f, 1, event_record("e2", "ann", "view", 1000), 8), HD_PUT_NEW);
    assert_int_equal(put(f, 1, event_record("e1", "bob", "view", 1), 8), HD_PUT_SAME);
    assert_int_equal(put(f, 1, event_record(NULL, NULL, "view", 3000), 9), HD_PUT_NEW);
    assert_int_equal(put(f, 1, event_record(NULL, "ann", "search", HD_TIME_NONE), 0), HD_PUT_NEW);
    assert_int_equal(put(f, 1, event_record(NULL, "ann", "view", 2000), 8), HD_PUT_NEW);
    assert_int_equal(end(f, 1), 0);

    assert_int_equal(events_of(f, "ann", &e), 4);
    assert_string_equal(e[0].type, "search");
    assert_true(e[0].time == HD_TIME_NONE && e[0].item_key == 0);
    assert_int_equal(e[1].time, 1000);
    assert_true(isnan(e[1].value) && isnan(e[1].quantity));
    assert_string_equal(e[1].currency, "");
    assert_string_equal(e[2].type, "purchase"); // ties in the order of input
    assert_int_equal(e[2].item_key, 7);
    assert_true(e[2].value == 12.5 && e[2].quantity == 2);
    assert_string_equal(e[2].currency, "CNY");
    assert_int_equal(e[3].item_key, 8);

    hd_door_event *last;
    size_t n;
    assert_ok(
        hd_door_events(f->door, HD_PURPOSE_PROFILE, key_of(f, "ann"), 2, &f->arena, &last, &n));
    assert_int_equal(n, 2);
    assert_int_equal(last[0].key, e[2].key);
    assert_int_equal(last[1].key, e[3].key);

    int64_t key; // the repeated event made no user
    assert_fails(HEED_NOT_FOUND,
                 hd_door_user_find(f->door, HD_PURPOSE_PROFILE, hd_slice_of("bob"), &key));
    assert_non_null(strstr(heed_error_message(HEED_EN), "'bob'"));
    hd_door_counts c = counts(f);
    assert_int_equal(c.users, 1);
    assert_int_equal(c.events, 5);
    assert_int_equal(c.anonymous_events, 1);
    assert_int_equal(c.first, 1000);
    assert_int_equal(c.last, 3000);
}

static void test_users(void **state) {
    fixture *f = *state;
    assert_ok(hd_store_begin(f->store));
    hd_record r = user_record("ann", NULL, "{\"city\":\"Xi'an\",\"age\":30}");
    r.user.created = 500;
    assert_int_equal(put(f, 1, r, 0), HD_PUT_NEW);
    assert_int_equal(put(f, 1, event_record(NULL, "bob", "view", 1), 1), HD_PUT_NEW);
    end(f, 1);
    int64_t ann = key_of(f, "ann"), bob = key_of(f, "bob");

    assert_ok(hd_store_begin(f->store));
    assert_int_equal(put(f, 2, user_record("ann", NULL, "{\"age\": 30}"), 0), HD_PUT_SAME);
    assert_int_equal(put(f, 2, user_record("ann", NULL, NULL), 0), HD_PUT_SAME);
    assert_int_equal(put(f, 2, user_record("ann", NULL, "{\"age\":31}"), 0), HD_PUT_CHANGED);
    assert_int_equal(put(f, 2, user_record("bob", NULL, "{\"vip\":true}"), 0), HD_PUT_NEW);
    end(f, 2);
    hd_door_user user = user_of(f, "ann");
    assert_string_equal(user.id, "ann");
    assert_string_equal(user.attributes, "{\"city\":\"Xi'an\",\"age\":31}");
    assert_int_equal(user.created, 500);
    assert_int_equal(user.key, ann);
    assert_int_equal(key_of(f, "bob"), bob);
    assert_string_equal(user_of(f, "bob").attributes, "{\"vip\":true}");

    char *id;
    assert_ok(hd_door_user_id(f->door, HD_PURPOSE_RECOMMEND, bob, &f->arena, &id));
    assert_string_equal(id, "bob");
    assert_fails(HEED_NOT_FOUND,
                 hd_door_user_id(f->door, HD_PURPOSE_RECOMMEND, 999, &f->arena, &id));

    assert_true(undo(f, 2) > 0);
    assert_string_equal(user_of(f, "ann").attributes, "{\"city\":\"Xi'an\",\"age\":30}");
    assert_string_equal(user_of(f, "bob").attributes, "{}"); // an event still refers to bob
    undo(f, 1);
    assert_empty(f);
}

static void test_keys_are_never_used_again(void **state) {
    fixture *f = *state;
    int64_t last_user = 0, last_event = 0;
    for (int batch = 1; batch <= 3; batch++) {
        hd_door_event *e;
        assert_ok(hd_store_begin(f->store));
        put(f, batch, event_record("e", "ann", "view", 1), 1);
        end(f, batch);
        assert_true(key_of(f, "ann") > last_user);
        last_user = key_of(f, "ann");
        assert_int_equal(events_of(f, "ann", &e), 1);
        assert_true(e->key > last_event);
        last_event = e->key;
        assert_true(undo(f, batch) == 1);
        assert_empty(f);
    }
}

static void test_reviews(void **state) {
    fixture *f = *state;
    hd_door_review *r;
    size_t n;
    assert_ok(hd_store_begin(f->store));
    assert_int_equal(put(f, 1, review_record("r1", "ann", 3, "so so", 200), 5), HD_PUT_NEW);
    assert_int_equal(put(f, 1, review_record(NULL, "ann", 4, "fine", 100), 6), HD_PUT_NEW);
    assert_int_equal(put(f, 1, review_record(NULL, "ann", 4, "fine", 100), 6), HD_PUT_SAME);
    assert_int_equal(put(f, 1, review_record(NULL, "ann", 4, NULL, 100), 7), HD_PUT_NEW);
    assert_int_equal(put(f, 1, review_record(NULL, NULL, 1, "who", 100), 6), HD_PUT_NEW);
    assert_int_equal(put(f, 1, review_record(NULL, NULL, 1, "who", 100), 6), HD_PUT_NEW);
    end(f, 1);
    assert_ok(hd_store_begin(f->store));
    assert_int_equal(put(f, 2, review_record("r1", NULL, 5, NULL, HD_TIME_NONE), 0),
                     HD_PUT_CHANGED);
    assert_int_equal(put(f, 2, review_record(NULL, "ann", (double)NAN, "good", 100), 6),
                     HD_PUT_CHANGED);
    end(f, 2);

    int64_t ann = key_of(f, "ann");
    assert_ok(hd_door_reviews(f->door, HD_PURPOSE_SUPPORT, ann, &f->arena, &r, &n));
    assert_int_equal(n, 3);
    assert_true(r[0].item_key == 6 && r[0].rating == 4);
    assert_string_equal(r[0].text, "good");
    assert_null(r[1].text);
    assert_true(r[2].item_key == 5 && r[2].rating == 5 && r[2].time == 200);
    assert_string_equal(r[2].text, "so so");
    assert_ok(hd_door_reviews(f->door, HD_PURPOSE_RECOMMEND, ann, &f->arena, &r, &n));
    assert_int_equal(n, 3);
    assert_null(r[0].text);

    int64_t rows;
    assert_fails(HEED_CONFLICT, hd_door_undo(f->door, 1, &rows));
    assert_non_null(strstr(heed_error_message(HEED_EN), "import 2"));
    assert_int_equal(undo(f, 2), 2);
    assert_ok(hd_door_reviews(f->door, HD_PURPOSE_SUPPORT, ann, &f->arena, &r, &n));
    assert_true(r[2].rating == 3);
    assert_string_equal(r[0].text, "fine");
    assert_int_equal(undo(f, 1), 5);
    assert_empty(f);
}

static const char *message_of(fixture *f, int64_t key) {
    hd_query *q;
    bool row;
    hd_slice text;
    assert_ok(hd_query_open(f->store, "SELECT text FROM messages WHERE key = ?1", &q));
    hd_query_bind_i64(q, 1, key);
    assert_ok(hd_query_step(q, &row));
    assert_true(row);
    assert_ok(hd_seal_open(f->door, HD_FIELD_MESSAGE, key, hd_query_blob(q, 0), &f->arena, &text));
    hd_query_close(q);
    return text.p;
}

static void test_tickets(void **state) {
    fixture *f = *state;
    assert_ok(hd_store_begin(f->store));
    assert_int_equal(put(f, 1, ticket_record("t1", "ann", "open", "m1", "help"), 0), HD_PUT_NEW);
    assert_int_equal(put(f, 1, ticket_record("t1", "ann", "open", "m1", "other"), 0), HD_PUT_SAME);
    assert_int_equal(put(f, 1, ticket_record("t1", NULL, NULL, "m2", "yes"), 0), HD_PUT_NEW);
    assert_int_equal(put(f, 1, ticket_record("t2", NULL, "open", "m1", "hello"), 0), HD_PUT_NEW);
    end(f, 1);
    assert_ok(hd_store_begin(f->store));
    assert_int_equal(put(f, 2, ticket_record("t1", NULL, "closed", NULL, NULL), 0), HD_PUT_CHANGED);
    end(f, 2);
    assert_ok(hd_store_begin(f->store));
    assert_int_equal(put(f, 3, ticket_record("t2", NULL, NULL, "m3", "more"), 0), HD_PUT_NEW);
    end(f, 3);
    hd_door_counts c = counts(f);
    assert_true(c.tickets == 2 && c.messages == 4 && c.users == 1);
    assert_string_equal(message_of(f, 1), "help"); // the first one stays
    assert_int_equal(ask(f, "SELECT status = 'closed' FROM tickets WHERE key = 1"), 1);

    int64_t rows;
    assert_fails(HEED_CONFLICT, hd_door_undo(f->door, 1, &rows));
    undo(f, 2);
    assert_fails(HEED_CONFLICT, hd_door_undo(f->door, 1, &rows)); // batch 3 goes on with t2
    assert_non_null(strstr(heed_error_message(HEED_EN), "import 3"));
    undo(f, 3);
    assert_int_equal(ask(f, "SELECT status = 'open' FROM tickets WHERE key = 1"), 1);
    assert_int_equal(undo(f, 1), 5);
    assert_empty(f);
}

static void test_merge(void **state) {
    fixture *f = *state;
    hd_door_event *e;
    assert_ok(hd_store_begin(f->store));
    put(f, 1, user_record("web-1", NULL, "{\"city\":\"Wuhan\",\"tier\":1}"), 0);
    put(f, 1, event_record(NULL, "web-1", "view", 30), 3);
    put(f, 1, event_record(NULL, "app-1", "view", 20), 2);
    put(f, 1, user_record("app-1", NULL, "{\"tier\":2,\"os\":\"x\"}"), 0);
    put(f, 1, event_record(NULL, "shop-1", "view", 10), 1);
    end(f, 1);
    assert_int_equal(counts(f).users, 3);
    assert_fails(HEED_NOT_FOUND,
                 hd_door_merge(f->door, hd_slice_of("nobody"), hd_slice_of("web-1")));
    assert_fails(HEED_NOT_FOUND,
                 hd_door_merge(f->door, hd_slice_of("web-1"), hd_slice_of("nobody")));
    assert_ok(hd_door_merge(f->door, hd_slice_of("app-1"), hd_slice_of("web-1")));
    assert_ok(hd_door_merge(f->door, hd_slice_of("app-1"), hd_slice_of("web-1")));
    assert_ok(hd_door_merge(f->door, hd_slice_of("app-1"), hd_slice_of("shop-1")));
    assert_int_equal(counts(f).users, 1);
    assert_int_equal(key_of(f, "web-1"), key_of(f, "shop-1"));
    assert_int_equal(key_of(f, "app-1"), key_of(f, "shop-1"));
    assert_int_equal(events_of(f, "app-1", &e), 3);
    for (int i = 0; i < 3; i++) assert_int_equal(e[i].item_key, i + 1);
    hd_door_user user = user_of(f, "web-1");
    assert_string_equal(user.id, "shop-1");
    assert_string_equal(user.attributes, "{\"city\":\"Wuhan\",\"tier\":1,\"os\":\"x\"}");

    assert_ok(hd_store_begin(f->store)); // further rows under any of the ids
    put(f, 2, event_record(NULL, "app-1", "view", 40), 4);
    end(f, 2);
    assert_int_equal(events_of(f, "shop-1", &e), 4);
    char **ids;
    size_t n;
    assert_ok(hd_door_busiest(f->door, HD_PURPOSE_RECOMMEND, 5, &f->arena, &ids, &n));
    assert_int_equal(n, 1);
    assert_string_equal(ids[0], "shop-1");
}

static void test_alias(void **state) {
    fixture *f = *state;
    hd_door_event *e;
    assert_ok(hd_store_begin(f->store));
    put(f, 1, event_record(NULL, "cookie", "view", 1), 1);
    put(f, 1, event_record(NULL, "ann", "view", 2), 2);
    end(f, 1);
    assert_ok(hd_store_begin(f->store));
    assert_int_equal(put(f, 2, user_record("ann", "cookie", NULL), 0), HD_PUT_NEW);
    assert_int_equal(put(f, 2, user_record("ann", "cookie", NULL), 0), HD_PUT_SAME);
    assert_int_equal(put(f, 2, user_record("ann", "mail", NULL), 0), HD_PUT_CHANGED);
    assert_int_equal(put(f, 2, user_record("ann", "ann", NULL), 0), HD_PUT_SAME);
    end(f, 2);
    assert_ok(hd_store_begin(f->store));
    put(f, 3, event_record(NULL, "cookie", "view", 3), 3);
    put(f, 3, event_record(NULL, "mail", "view", 4), 4);
    end(f, 3);
    assert_int_equal(events_of(f, "mail", &e), 4);
    assert_int_equal(counts(f).users, 1);
    undo(f, 2); // apart again, later rows too
    assert_int_equal(counts(f).users, 3);
    assert_int_equal(events_of(f, "cookie", &e), 2);
    assert_int_equal(events_of(f, "mail", &e), 1);
    assert_int_equal(events_of(f, "ann", &e), 1);
    undo(f, 3);
    undo(f, 1);
    assert_empty(f);
}

static void test_too_many_aliases(void **state) {
    fixture *f = *state;
    hd_put what;
    char id[32];
    assert_ok(hd_store_begin(f->store));
    for (int i = 1; i < 1000; i++) {
        snprintf(id, sizeof id, "u%d", i);
        put(f, 1, user_record(id, "guest", NULL), 0);
    }
    hd_record r = user_record("one more", "guest", NULL);
    assert_fails(HEED_INPUT, hd_door_put(f->door, 1, &r, 0, &what));
    end(f, 1);
    int64_t key; // the refused record left nothing
    assert_fails(HEED_NOT_FOUND,
                 hd_door_user_find(f->door, HD_PURPOSE_PROFILE, hd_slice_of("one more"), &key));
    assert_int_equal(counts(f).users, 1);
    undo(f, 1);
    assert_empty(f);
}

static void test_item_used(void **state) {
    fixture *f = *state;
    bool used;
    assert_ok(hd_door_item_used(f->door, 5, &used));
    assert_false(used);
    assert_ok(hd_store_begin(f->store));
    put(f, 1, event_record(NULL, "ann", "view", 1), 5);
    put(f, 1, review_record(NULL, "ann", 1, NULL, 1), 6);
    assert_ok(hd_door_item_used(f->door, 5, &used));
    assert_true(used);
    assert_ok(hd_door_item_used(f->door, 6, &used));
    assert_true(used);
    hd_store_rollback(f->store);
    assert_ok(hd_door_item_used(f->door, 5, &used));
    assert_false(used);
}

// What a rollback took back isn't remembered.
static void test_rollback(void **state) {
    fixture *f = *state;
    hd_door_event *e;
    assert_ok(hd_store_begin(f->store));
    put(f, 1, event_record("e1", "ann", "view", 1), 1);
    hd_store_rollback(f->store);
    assert_empty(f);
    assert_ok(hd_store_begin(f->store));
    put(f, 1, event_record("e2", "bob", "cart", 1), 1);
    assert_int_equal(put(f, 1, event_record("e1", "ann", "view", 1), 1), HD_PUT_NEW);
    end(f, 1);
    assert_int_equal(events_of(f, "ann", &e), 1);
    assert_string_equal(e->type, "view");
    assert_int_equal(events_of(f, "bob", &e), 1);
    assert_string_equal(e->type, "cart");
}

static void test_wrong_records(void **state) {
    fixture *f = *state;
    hd_put what;
    assert_ok(hd_store_begin(f->store));
    hd_record no_id = user_record(NULL, NULL, NULL), empty = user_record("", NULL, NULL);
    hd_record zero = user_record("ann", NULL, NULL), item = {.kind = HD_KIND_ITEMS};
    zero.user.id = (hd_slice){"a\0b", 3};
    hd_record untyped = event_record(NULL, "ann", NULL, 1);
    hd_record money = event_record(NULL, "ann", "view", 1);
    money.event.currency = hd_slice_of("dollars");
    hd_record no_ticket = ticket_record(NULL, "ann", NULL, NULL, "x");
    hd_record nameless = event_record(NULL, "", "view", 1);
    assert_fails(HEED_INPUT, hd_door_put(f->door, 1, &no_id, 0, &what));
    assert_fails(HEED_INPUT, hd_door_put(f->door, 1, &empty, 0, &what));
    assert_fails(HEED_INPUT, hd_door_put(f->door, 1, &zero, 0, &what));
    assert_fails(HEED_INPUT, hd_door_put(f->door, 1, &untyped, 0, &what));
    assert_fails(HEED_INPUT, hd_door_put(f->door, 1, &money, 0, &what));
    assert_fails(HEED_INPUT, hd_door_put(f->door, 1, &no_ticket, 0, &what));
    assert_fails(HEED_INPUT, hd_door_put(f->door, 1, &nameless, 0, &what));
    assert_fails(HEED_INTERNAL, hd_door_put(f->door, 1, &item, 0, &what));
    put(f, 1, user_record("ann", NULL, "{\"secret\":1}"), 0);
    hd_record bad = user_record("ann", NULL, "{\"pass\":hunter2}");
    assert_fails(HEED_INPUT, hd_door_put(f->door, 1, &bad, 0, &what));
    assert_null(strstr(heed_error_message(HEED_EN), "hunter"));
    bad = user_record("ann", NULL, "[1]");
    assert_fails(HEED_INPUT, hd_door_put(f->door, 1, &bad, 0, &what));
    end(f, 1);
    assert_int_equal(counts(f).users, 1);
    assert_int_equal(counts(f).events, 0);
    undo(f, 1);
    assert_empty(f);
}

// Quotes, comments, NULs, bytes that aren't UTF-8, and a megabyte: all come back as they went in.
static void test_hostile_strings(void **state) {
    fixture *f = *state;
    static char long_id[1 << 20];
    memset(long_id, 'x', sizeof long_id - 1);
    const char *ids[] = {
        "'; DROP TABLE users; --", "\"", "%s%n", "张三", "\xff\xfe\x80", " ", long_id};
    enum { N = sizeof ids / sizeof *ids };
    assert_ok(hd_store_begin(f->store));
    for (int i = 0; i < N; i++) {
        hd_record r = event_record(ids[i], ids[i], ids[i], i);
        r.event.session = (hd_slice){"a\0b", 3};
        r.event.properties = hd_slice_of(ids[i]);
        assert_int_equal(put(f, 1, r, i + 1), HD_PUT_NEW);
        assert_int_equal(put(f, 1, r, i + 1), HD_PUT_SAME);
        put(f, 1, review_record(ids[i], ids[i], 1, ids[i], i), 1);
        put(f, 1, ticket_record(ids[i], ids[i], ids[i], ids[i], ids[i]), 0);
    }
    end(f, 1);
    for (int i = 0; i < N; i++) {
        hd_door_event *e;
        hd_door_review *r;
        size_t n;
        assert_int_equal(events_of(f, ids[i], &e), 1);
        assert_string_equal(e->type, ids[i]);
        assert_int_equal(e->item_key, i + 1);
        assert_ok(hd_door_reviews(f->door, HD_PURPOSE_NEED, key_of(f, ids[i]), &f->arena, &r, &n));
        assert_string_equal(r->text, ids[i]);
        assert_string_equal(user_of(f, ids[i]).id, ids[i]);
    }
    int64_t key; // a long or a cut id fits into a message
    long_id[sizeof long_id - 2] = 'y';
    assert_fails(HEED_NOT_FOUND,
                 hd_door_user_find(f->door, HD_PURPOSE_PROFILE, hd_slice_of(long_id), &key));
    assert_fails(HEED_NOT_FOUND,
                 hd_door_user_find(f->door, HD_PURPOSE_PROFILE, (hd_slice){0}, &key));
    undo(f, 1);
    assert_empty(f);
}

static void test_too_many_types(void **state) {
    fixture *f = *state;
    hd_put what;
    char type[32];
    assert_ok(hd_store_begin(f->store));
    for (int i = 0; i < 10000; i++) {
        snprintf(type, sizeof type, "type %d", i);
        put(f, 1, event_record(NULL, NULL, type, i), 0);
    }
    hd_record r = event_record(NULL, NULL, "one more", 1);
    assert_fails(HEED_INPUT, hd_door_put(f->door, 1, &r, 0, &what));
    put(f, 1, event_record(NULL, NULL, "type 7", 1), 0);
    end(f, 1);
    undo(f, 1);
    assert_empty(f);
}

static heed_err no_user(void *ctx, int64_t user_key, const hd_door_event *events, size_t n_events,
                        const hd_door_review *reviews, size_t n_reviews) {
    (void)user_key, (void)events, (void)n_events, (void)reviews, (void)n_reviews;
    ++*(int *)ctx;
    return HEED_OK;
}
static heed_err no_event(void *ctx, int64_t user_key, const hd_door_event *event) {
    (void)user_key, (void)event;
    ++*(int *)ctx;
    return HEED_OK;
}
static double one(void *ctx, const char *type, double value) {
    (void)ctx, (void)type, (void)value;
    return 1;
}

// The table in door.h, cell by cell.
static void test_purposes(void **state) {
    fixture *f = *state;
    static const char *const may[HD_PURPOSES] = {
        // ids, attributes, person, texts, whole
        [HD_PURPOSE_RECOMMEND] = "xxx-x",  [HD_PURPOSE_PROFILE] = "xxxxx",
        [HD_PURPOSE_NEED] = "xxxxx",       [HD_PURPOSE_ASSIST] = "xxxx-",
        [HD_PURPOSE_TRAIN] = "-x-xx",      [HD_PURPOSE_SUPPORT] = "xxxx-",
        [HD_PURPOSE_EXPERIMENT] = "x-x-x", [HD_PURPOSE_RIGHTS] = "xxxx-",
        [HD_PURPOSE_CARE] = "----x",
    };
    assert_ok(hd_store_begin(f->store));
    put(f, 1, event_record(NULL, "ann", "view", 1), 1);
    put(f, 1, review_record(NULL, "ann", 1, "text", 1), 1);
    end(f, 1);
    int64_t ann = key_of(f, "ann");
    for (int p = 0; p < HD_PURPOSES; p++) {
        hd_purpose purpose = (hd_purpose)p;
        const char *m = may[p];
        int64_t key;
        hd_door_user user;
        hd_door_event *e;
        hd_door_review *r;
        hd_snapshot snapshot;
        hd_door_counts c;
        char *id, **ids;
        size_t n;
        int calls = 0;
        heed_err person = m[2] == 'x' ? HEED_OK : HEED_DENIED;
        heed_err whole = m[4] == 'x' ? HEED_OK : HEED_DENIED;
        assert_int_equal(hd_door_user_find(f->door, purpose, hd_slice_of("ann"), &key), person);
        assert_int_equal(hd_door_user_get(f->door, purpose, ann, &f->arena, &user),
                         m[2] == 'x' && m[1] == 'x' ? HEED_OK : HEED_DENIED);
        assert_int_equal(hd_door_events(f->door, purpose, ann, 0, &f->arena, &e, &n), person);
        assert_int_equal(hd_door_reviews(f->door, purpose, ann, &f->arena, &r, &n), person);
        if (person == HEED_OK) assert_int_equal(r->text != NULL, m[3] == 'x');
        assert_int_equal(hd_door_user_id(f->door, purpose, ann, &f->arena, &id),
                         m[0] == 'x' ? HEED_OK : HEED_DENIED);
        assert_int_equal(hd_door_busiest(f->door, purpose, 1, &f->arena, &ids, &n),
                         m[0] == 'x' && m[4] == 'x' ? HEED_OK : HEED_DENIED);
        assert_int_equal(hd_door_scan(f->door, purpose, true, no_user, &calls), whole);
        assert_int_equal(hd_door_scan_events(f->door, purpose, no_event, &calls), whole);
        assert_int_equal(calls, whole == HEED_OK ? 2 : 0);
        int64_t item = 1;
        assert_int_equal(
            hd_door_snapshot(f->door, purpose, &item, 1, (hd_signals){one, NULL}, &snapshot),
            whole);
        if (whole == HEED_OK) hd_snapshot_clear(&snapshot);
        assert_ok(hd_door_count(f->door, purpose, &c));
    }
    assert_fails(HEED_DENIED, hd_door_scan(f->door, HD_PURPOSES, true, no_user, NULL));
    assert_string_equal(hd_purpose_name(HD_PURPOSE_CARE), "care");
    assert_string_equal(hd_purpose_name((hd_purpose)99), "?");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DOOR_TEST(test_events),
        DOOR_TEST(test_users),
        DOOR_TEST(test_keys_are_never_used_again),
        DOOR_TEST(test_reviews),
        DOOR_TEST(test_tickets),
        DOOR_TEST(test_merge),
        DOOR_TEST(test_alias),
        DOOR_TEST(test_too_many_aliases),
        DOOR_TEST(test_item_used),
        DOOR_TEST(test_rollback),
        DOOR_TEST(test_wrong_records),
        DOOR_TEST(test_hostile_strings),
        DOOR_TEST(test_too_many_types),
        DOOR_TEST(test_purposes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
