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

// All that is past its time, `most` rows at a step.
static hd_expired expire_by(fixture *f, hd_retention before, size_t most) {
    hd_expired all = {0};
    hd_expiring at = {0};
    for (int steps = 0; !hd_rights_expired_all(&at); steps++) {
        hd_expired gone;
        assert_true(steps < 100);
        assert_ok(hd_rights_expire(f->door, &before, most, &at, &gone));
        assert_true(gone.events <= (int64_t)most && gone.tickets <= (int64_t)most);
        all.events += gone.events;
        all.reviews += gone.reviews;
        all.tickets += gone.tickets;
        all.messages += gone.messages;
    }
    return all;
}

static hd_expired expire(fixture *f, hd_retention before) {
    static size_t most = 0;
    hd_expired counted;
    most = most % 3 + 1; // steps of one, two and three rows in turn
    assert_ok(hd_rights_expired(f->door, &before, &counted));
    const hd_expired gone = expire_by(f, before, most);
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
    int64_t *keys, after = 0;
    size_t n, persons;
    assert_ok(hd_rights_idle(f->door, NEVER, 10, &after, &f->arena, &keys, &n, &persons));
    assert_true(n == 0 && after == INT64_MAX);
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

// How many ids persons have of whom nothing newer is known, looking at `most` persons at a time.
static size_t idle(fixture *f, hd_time before, size_t most) {
    size_t ids = 0, persons = 0;
    hd_retention r = keep_all;
    hd_expired counted;
    for (int64_t after = 0; after < INT64_MAX;) {
        int64_t *keys, was = after;
        size_t n, some;
        assert_ok(hd_rights_idle(f->door, before, most, &after, &f->arena, &keys, &n, &some));
        assert_true(some <= most && after > was);
        ids += n;
        persons += some;
    }
    r.users = before;
    assert_ok(hd_rights_expired(f->door, &r, &counted));
    assert_int_equal(counted.users, persons);
    return ids;
}

static void test_idle(void **s) {
    fixture *f = *s;
    fill(f);
    assert_int_equal(idle(f, 700, 1000), 0);
    assert_int_equal(idle(f, 701, 1000), 1);  // bare: one event
    assert_int_equal(idle(f, 1000, 1000), 1); // idle's record came at 1000
    assert_int_equal(idle(f, 1001, 1000), 2);
    assert_int_equal(idle(f, 1001, 1), 2);
    assert_int_equal(idle(f, 8001, 1000), 3);
    // Joined with somebody newer, a person is as new as that one: both ids, or neither.
    assert_ok(hd_door_merge(f->door, hd_slice_of("bare"), hd_slice_of("ann")));
    assert_int_equal(idle(f, 1001, 1000), 1);
    assert_int_equal(idle(f, 8001, 1000), 3); // ids of two persons
}

// A person of whom nothing is known but what they said: kept.
static void test_only_a_word(void **s) {
    fixture *f = *s;
    fill(f);
    int64_t b = start(f, 9000), user;
    put(f, b, event_record("e9", "shy", "view", 9000), 11);
    end(f, b);
    assert_ok(hd_rights_find(f->door, hd_slice_of("shy"), &user));
    assert_ok(hd_door_consent(f->door, user, HD_PURPOSE_TRAIN, false, "test", NULL));
    hd_retention before = keep_all;
    before.events = INT64_MAX;
    assert_true(expire(f, before).events > 0);
    assert_ok(hd_rights_find(f->door, hd_slice_of("shy"), &user));
    assert_int_equal(idle(f, INT64_MAX, 2), 2); // ann and idle: their records
}

static void test_failing_allocations(void **s) {
    fixture *f = *s;
    fill(f);
    const hd_retention before = {1001, 1001, 1001, 1001};
    hd_expiring at = {0};
    hd_expired gone;
    hd_door_counts c = counts(f);
    for (uint64_t nth = 1; !hd_rights_expired_all(&at); nth++) {
        const hd_expiring was = at;
        hd_mem_fail_at(nth, true);
        heed_err err = hd_rights_expire(f->door, &before, 2, &at, &gone);
        hd_mem_fail_at(0, false);
        const hd_door_counts now = counts(f);
        if (err == HEED_OK) {
            c = now;
            nth = 0;
            continue;
        }
        assert_int_equal(err, HEED_MEMORY); // nothing went, and the step can be tried again
        assert_int_equal(now.events + now.reviews + now.tickets, c.events + c.reviews + c.tickets);
        assert_true(at.pass == was.pass && at.key == was.key);
        assert_true(nth < 20000);
    }
    assert_int_equal(c.events + c.reviews + c.tickets, 4);
}

int main(void) {
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    const struct CMUnitTest tests[] = {
        DOOR_TEST(test_nothing), DOOR_TEST(test_events),      DOOR_TEST(test_reviews_and_tickets),
        DOOR_TEST(test_idle),    DOOR_TEST(test_only_a_word), DOOR_TEST(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
