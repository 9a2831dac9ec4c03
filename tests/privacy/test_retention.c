// SPDX-License-Identifier: Apache-2.0
//
// What is past its time goes, to the millisecond; what isn't stays; counting beforehand says the
// same.
#include "privacy_test.h"

#include "privacy/rights.h"
#include "store/batch.h"

#define NEVER HD_TIME_NONE
static const hd_retention keep_all = {NEVER, NEVER, NEVER, NEVER};

static int64_t start(fixture *f, hd_time started) {
    assert_ok(hd_store_migrate(f->store, hd_batch_migrations, hd_batch_n_migrations));
    assert_ok(hd_store_begin(f->store));
    hd_batch b = {.kind = "events", .source = "-", .preset = "", .started = started};
    assert_ok(hd_batch_begin(f->store, &b));
    return b.id;
}

// An old import and a new one; rows with times, and without.
static void fill(fixture *f) {
    int64_t b = start(f, 1000);
    put(f, b, user_record("ann", NULL, "{}"), 0);
    put(f, b, user_record("idle", NULL, "{}"), 0);
    put(f, b, event_record("e1", "ann", "view", 500), 11);
    put(f, b, event_record("e2", "ann", "rare", HD_TIME_NONE), 11);
    put(f, b, event_record("e3", NULL, "view", 600), 11);
    put(f, b, event_record("e4", "ann", "view", 5000), 11);
    put(f, b, review_record("r1", "ann", 4, "old", 500), 11);
    put(f, b, review_record("r2", "ann", 4, "undated", HD_TIME_NONE), 11);
    put(f, b, ticket_record("t1", "idle", "open", "m1", "undated"), 0);
    end(f, b);
    b = start(f, 8000);
    put(f, b, event_record("e5", "ann", "view", HD_TIME_NONE), 11);
    put(f, b, event_record("e6", "bare", "view", 700), 11);
    put(f, b, review_record("r3", "ann", 4, "new", HD_TIME_NONE), 11);
    put(f, b, ticket_record("t2", "ann", "open", "m1", "undated"), 0);
    put(f, b, ticket_record("t2", "ann", "open", "m2", "undated"), 0);
    end(f, b);
}

static hd_expired expire(fixture *f, hd_retention before) {
    hd_expired counted, gone;
    assert_ok(hd_rights_expired(f->door, &before, &counted));
    assert_ok(hd_rights_expire(f->door, &before, &gone));
    assert_int_equal(counted.events, gone.events);
    assert_int_equal(counted.reviews, gone.reviews);
    assert_int_equal(counted.tickets, gone.tickets);
    assert_int_equal(counted.messages, gone.messages);
    return gone;
}

static void test_nothing(void **s) {
    fixture *f = *s;
    fill(f);
    hd_expired gone = expire(f, keep_all);
    assert_int_equal(gone.events + gone.reviews + gone.tickets + gone.messages, 0);
    assert_int_equal(counts(f).events, 6);
    int64_t *keys;
    size_t n, persons;
    assert_ok(hd_rights_idle(f->door, NEVER, 10, &f->arena, &keys, &n, &persons));
    assert_int_equal(n, 0);
}

static void test_events(void **s) {
    fixture *f = *s;
    fill(f);
    hd_retention before = keep_all;
    before.events = 500;
    assert_int_equal(expire(f, before).events, 0); // as old as may be
    before.events = 501;
    assert_int_equal(expire(f, before).events, 1);
    before.events = 1001; // e3 and e6 by their times, e2 by its import's
    assert_int_equal(expire(f, before).events, 3);
    assert_int_equal(counts(f).events, 2);
    assert_int_equal(counts(f).anonymous_events, 0);
    assert_int_equal(ask(f, "SELECT count(*) FROM event_types"), 1); // "rare" went
    int64_t person;                                                  // known by that event alone
    assert_fails(HEED_NOT_FOUND, hd_rights_find(f->door, hd_slice_of("bare"), &person));
    assert_ok(hd_rights_find(f->door, hd_slice_of("idle"), &person)); // has a record
    before.events = INT64_MAX;
    assert_int_equal(expire(f, before).events, 2);
    int64_t b = start(f, 9000); // numbers go on
    put(f, b, event_record("e1", "ann", "view", 500), 11);
    end(f, b);
    assert_int_equal(ask(f, "SELECT key FROM events"), 7);
}

static void test_reviews_and_tickets(void **s) {
    fixture *f = *s;
    fill(f);
    hd_retention before = keep_all;
    before.reviews = before.tickets = 1001;
    hd_expired gone = expire(f, before);
    assert_true(gone.reviews == 2 && gone.tickets == 1 && gone.messages == 1);
    assert_true(counts(f).reviews == 1 && counts(f).tickets == 1 && counts(f).messages == 2);
    before.reviews = before.tickets = 8001;
    gone = expire(f, before);
    assert_true(gone.reviews == 1 && gone.tickets == 1 && gone.messages == 2);
}

static size_t idle(fixture *f, hd_time before, size_t limit) {
    int64_t *keys;
    size_t n, persons;
    hd_retention r = keep_all;
    hd_expired counted;
    r.users = before;
    assert_ok(hd_rights_idle(f->door, before, limit, &f->arena, &keys, &n, &persons));
    assert_ok(hd_rights_expired(f->door, &r, &counted));
    if (limit > 100) assert_int_equal(counted.users, persons);
    return n;
}

static void test_idle(void **s) {
    fixture *f = *s;
    fill(f);
    assert_int_equal(idle(f, 700, 1000), 0);
    assert_int_equal(idle(f, 701, 1000), 1);  // bare: one event
    assert_int_equal(idle(f, 1000, 1000), 1); // idle's record came at 1000
    assert_int_equal(idle(f, 1001, 1000), 2);
    assert_int_equal(idle(f, 1001, 1), 1);
    assert_int_equal(idle(f, 8001, 1000), 3);
    // Joined with somebody newer, a person is as new as that one: both ids, or neither.
    assert_ok(hd_door_merge(f->door, hd_slice_of("bare"), hd_slice_of("ann")));
    assert_int_equal(idle(f, 1001, 1000), 1);
    assert_int_equal(idle(f, 8001, 1000), 3); // ids of two persons
}

static void test_failing_allocations(void **s) {
    fixture *f = *s;
    fill(f);
    const hd_retention before = {1001, 1001, 1001, 1001};
    for (uint64_t nth = 1;; nth++) {
        hd_expired gone;
        hd_mem_fail_at(nth, true);
        heed_err err = hd_rights_expire(f->door, &before, &gone);
        hd_mem_fail_at(0, false);
        hd_door_counts c = counts(f);
        assert_int_equal(c.events + c.reviews + c.tickets, err == HEED_OK ? 4 : 11);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
        assert_true(nth < 20000);
    }
}

int main(void) {
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    const struct CMUnitTest tests[] = {
        DOOR_TEST(test_nothing),
        DOOR_TEST(test_events),
        DOOR_TEST(test_reviews_and_tickets),
        DOOR_TEST(test_idle),
        DOOR_TEST(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
