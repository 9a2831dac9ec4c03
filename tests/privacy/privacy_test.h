// SPDX-License-Identifier: Apache-2.0
//
// What the tests of privacy/ share: a database with the personal tables, and short ways to write
// records.
#ifndef PRIVACY_TEST_H
#define PRIVACY_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <math.h>

#include "base/fs.h"
#include "base/mem.h"
#include "privacy/consent.h"
#include "keyring_test.h"
#include "privacy/door.h"
#include "store/open.h"

typedef struct fixture {
    char dir[64];
    char path[80];
    hd_store *store;
    hd_door *door;
    hd_arena arena;
    key_files keys;
} fixture;

#define assert_ok(expr)                                                                \
    do {                                                                               \
        if ((expr) != HEED_OK) fail_msg("%s: %s", #expr, heed_error_message(HEED_EN)); \
    } while (0)

// The call fails with that code and says so in both languages.
#define assert_fails(code, expr)                              \
    do {                                                      \
        assert_int_equal((expr), (code));                     \
        assert_int_equal(heed_error_code(), (code));          \
        assert_true(strlen(heed_error_message(HEED_EN)) > 0); \
        assert_true(strlen(heed_error_message(HEED_ZH)) > 0); \
    } while (0)

static inline int fixture_setup(void **state) {
    fixture *f = test_calloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "%s/heed-privacy-XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/heed.db", f->dir);
    assert_ok(hd_store_open(f->path, HD_STORE_CREATE, 4 << 20, NULL, &f->store));
    assert_ok(hd_store_migrate(f->store, hd_privacy_migrations, hd_privacy_n_migrations));
    assert_ok(hd_store_migrate(f->store, hd_consent_migrations, hd_consent_n_migrations));
    keys_init(&f->keys);
    assert_ok(hd_privacy_bind(f->store, f->keys.keyring, true));
    assert_ok(hd_door_open(f->store, f->keys.keyring, &f->door));
    hd_arena_init(&f->arena);
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state) {
    fixture *f = *state;
    hd_door_close(f->door);
    hd_store_close(f->store);
    hd_arena_clear(&f->arena);
    keys_clear(&f->keys);
    assert_ok(hd_fs_remove(f->dir));
    test_free(f);
    return 0;
}

#define DOOR_TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

// ── Records: NULL is "not given" ──

static inline hd_record user_record(const char *id, const char *alias, const char *attributes) {
    return (hd_record){.kind = HD_KIND_USERS,
                       .user = {.id = hd_slice_of(id),
                                .alias = hd_slice_of(alias),
                                .attributes = hd_slice_of(attributes),
                                .created = HD_TIME_NONE}};
}

static inline hd_record event_record(const char *event_id, const char *user, const char *type,
                                     hd_time time) {
    return (hd_record){.kind = HD_KIND_EVENTS,
                       .event = {.event_id = hd_slice_of(event_id),
                                 .user = hd_slice_of(user),
                                 .type = hd_slice_of(type),
                                 .value = (double)NAN,
                                 .quantity = (double)NAN,
                                 .time = time}};
}

static inline hd_record review_record(const char *id, const char *user, double rating,
                                      const char *text, hd_time time) {
    return (hd_record){.kind = HD_KIND_REVIEWS,
                       .review = {.id = hd_slice_of(id),
                                  .user = hd_slice_of(user),
                                  .rating = rating,
                                  .text = hd_slice_of(text),
                                  .time = time}};
}

static inline hd_record ticket_record(const char *id, const char *user, const char *status,
                                      const char *message_id, const char *text) {
    return (hd_record){.kind = HD_KIND_TICKETS,
                       .ticket = {.id = hd_slice_of(id),
                                  .user = hd_slice_of(user),
                                  .status = hd_slice_of(status),
                                  .message_id = hd_slice_of(message_id),
                                  .text = hd_slice_of(text),
                                  .role = hd_slice_of("user"),
                                  .time = HD_TIME_NONE}};
}

static inline hd_put put(fixture *f, int64_t batch, hd_record record, int64_t item) {
    hd_put what = (hd_put)-1;
    assert_ok(hd_door_put(f->door, batch, &record, item, &what));
    return what;
}

static inline int64_t end(fixture *f, int64_t batch) {
    int64_t repeats;
    assert_ok(hd_door_put_end(f->door, batch, &repeats));
    assert_ok(hd_store_commit(f->store));
    return repeats;
}

static inline int64_t undo(fixture *f, int64_t batch) {
    int64_t rows;
    assert_ok(hd_door_undo(f->door, batch, &rows));
    return rows;
}

// The first column of the first row, -1 when there is none.
static inline int64_t ask(fixture *f, const char *sql) {
    hd_query *q;
    bool row;
    assert_ok(hd_query_open(f->store, sql, &q));
    assert_ok(hd_query_step(q, &row));
    int64_t value = row ? hd_query_i64(q, 0) : -1;
    hd_query_close(q);
    return value;
}

static inline int64_t key_of(fixture *f, const char *id) {
    int64_t key;
    assert_ok(hd_door_user_find(f->door, HD_PURPOSE_PROFILE, hd_slice_of(id), &key));
    return key;
}

static inline size_t events_of(fixture *f, const char *id, hd_door_event **events) {
    size_t n;
    assert_ok(hd_door_events(f->door, HD_PURPOSE_PROFILE, key_of(f, id), 0, &f->arena, events, &n));
    return n;
}

static inline hd_door_user user_of(fixture *f, const char *id) {
    hd_door_user user;
    assert_ok(hd_door_user_get(f->door, HD_PURPOSE_PROFILE, key_of(f, id), &f->arena, &user));
    return user;
}

static inline hd_door_counts counts(fixture *f) {
    hd_door_counts c;
    assert_ok(hd_door_count(f->door, HD_PURPOSE_CARE, &c));
    return c;
}

// Every personal table is as it was at the start.
static inline void assert_empty(fixture *f) {
    assert_int_equal(ask(f, "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM events)"
                            " + (SELECT count(*) FROM events_waiting)"
                            " + (SELECT count(*) FROM reviews) + (SELECT count(*) FROM tickets)"
                            " + (SELECT count(*) FROM messages)"
                            " + (SELECT count(*) FROM users_before)"
                            " + (SELECT count(*) FROM reviews_before)"
                            " + (SELECT count(*) FROM tickets_before)"
                            " + (SELECT count(*) FROM user_links)"
                            " + (SELECT count(*) FROM event_types)"),
                     0);
}

#endif
