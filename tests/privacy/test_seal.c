// SPDX-License-Identifier: Apache-2.0
//
// Sealed fields: every byte of every one spoilt once, boxes moved to other rows, columns and
// tables, keys of others. What opens is what was written, or nothing does. And what is written
// holds nothing of it in the clear.
#include "privacy/own.h"
#include "privacy_test.h"

static void fill(fixture *f) {
    assert_ok(hd_store_begin(f->store));
    put(f, 1, user_record("canary-ann", "canary-other", "{\"city\":\"canary-old\"}"), 0);
    put(f, 1, user_record("canary-ben", NULL, "{\"city\":\"canary-ben-city\"}"), 0);
    hd_record event = event_record("canary-event", "canary-ann", "view", 1);
    event.event.session = hd_slice_of("canary-session");
    event.event.properties = hd_slice_of("{\"p\":\"canary-property\"}");
    put(f, 1, event, 1);
    event.event.event_id = hd_slice_of("canary-event2");
    event.event.user = (hd_slice){0};
    put(f, 1, event, 1); // nobody's
    hd_record review = review_record("canary-review", "canary-ann", 3, "canary-old-text", 1);
    review.review.title = hd_slice_of("canary-title");
    put(f, 1, review, 1);
    hd_record ticket =
        ticket_record("canary-ticket", "canary-ann", "open", "canary-m", "canary-said");
    ticket.ticket.subject = hd_slice_of("canary-subject");
    put(f, 1, ticket, 0);
    end(f, 1);
    assert_ok(hd_store_begin(f->store));
    put(f, 2, user_record("canary-ann", NULL, "{\"city\":\"canary-city\"}"), 0);
    put(f, 2, review_record("canary-review", NULL, 4, "canary-text", 1), 1);
    end(f, 2);
}

// The fields: where they stand in the first row that has one.
static const struct {
    hd_field field;
    const char *table, *column;
} places[] = {
    {HD_FIELD_USER_ID, "users", "id_box"},
    {HD_FIELD_ATTRIBUTES, "users", "attributes"},
    {HD_FIELD_ATTRIBUTES, "users_before", "attributes"},
    {HD_FIELD_SESSION, "events", "session"},
    {HD_FIELD_PROPERTIES, "events", "properties"},
    {HD_FIELD_TITLE, "reviews", "title"},
    {HD_FIELD_REVIEW, "reviews", "text"},
    {HD_FIELD_REVIEW, "reviews_before", "text"},
    {HD_FIELD_TICKET_ID, "tickets", "id_box"},
    {HD_FIELD_SUBJECT, "tickets", "subject"},
    {HD_FIELD_MESSAGE, "messages", "text"},
};
enum { PLACES = sizeof places / sizeof *places };

typedef struct box {
    int64_t row;
    uint8_t bytes[512];
    size_t n;
} box;

static box box_of(fixture *f, size_t at) {
    char sql[160];
    hd_query *q;
    bool row;
    box b;
    snprintf(sql, sizeof sql, "SELECT key, %s FROM %s WHERE %s IS NOT NULL LIMIT 1",
             places[at].column, places[at].table, places[at].column);
    assert_ok(hd_query_open(f->store, sql, &q));
    assert_ok(hd_query_step(q, &row));
    assert_true(row);
    hd_slice bytes = hd_query_blob(q, 1);
    assert_true(bytes.n > 0 && bytes.n <= sizeof b.bytes);
    b.row = hd_query_i64(q, 0);
    b.n = bytes.n;
    memcpy(b.bytes, bytes.p, bytes.n);
    hd_query_close(q);
    return b;
}

static heed_err open_box(fixture *f, hd_field field, int64_t row, const box *b, hd_slice *out) {
    hd_door_sync(f->door);
    return hd_seal_open(f->door, field, row, (hd_slice){(const char *)b->bytes, b->n}, &f->arena,
                        out);
}

static void refuses_every_change(fixture *f) {
    for (size_t p = 0; p < PLACES; p++) {
        box b = box_of(f, p);
        hd_slice text;
        assert_ok(open_box(f, places[p].field, b.row, &b, &text));
        assert_non_null(strstr(text.p, "canary-"));
        for (size_t i = 0; i < b.n; i++) {
            for (int bit = 0; bit < 8; bit++) {
                b.bytes[i] ^= (uint8_t)(1u << bit);
                heed_err err = open_box(f, places[p].field, b.row, &b, &text);
                if (err != HEED_CORRUPT && err != HEED_UNAVAILABLE)
                    fail_msg("%s.%s: byte %zu, bit %d: %s", places[p].table, places[p].column, i,
                             bit, heed_err_name(err));
                b.bytes[i] ^= (uint8_t)(1u << bit);
            }
        }
        size_t n = b.n;
        for (b.n = 0; b.n < n; b.n++)
            assert_fails(HEED_CORRUPT, open_box(f, places[p].field, b.row, &b, &text));
        assert_fails(HEED_CORRUPT, open_box(f, places[p].field, b.row + 1, &b, &text));
        for (int other = 0; other < HD_FIELDS; other++) {
            if (other == (int)places[p].field) continue;
            assert_fails(HEED_CORRUPT, open_box(f, (hd_field)other, b.row, &b, &text));
        }
    }
}

static void a_sealed_field_opens_whole_or_not_at_all(void **state) {
    fixture *f = *state;
    fill(f);
    refuses_every_change(f);
}

// Not sealed, it still can't be changed or moved unnoticed.
static void a_plain_field_too(void **state) {
    fixture *f = *state;
    hd_door_encrypt(f->door, false);
    fill(f);
    refuses_every_change(f);
}

static bool database_holds(fixture *f, const char *text) {
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    bool found = false;
    for (int i = 0; i < 3; i++) {
        char path[128];
        hd_str bytes = {0};
        snprintf(path, sizeof path, "%s%s", f->path, suffixes[i]);
        if (!hd_fs_exists(path)) continue;
        assert_ok(hd_fs_read(path, 0, &bytes));
        found |= memmem(hd_str_get(&bytes), bytes.len, text, strlen(text)) != NULL;
        hd_str_clear(&bytes);
    }
    return found;
}

static void nothing_stands_in_the_clear(void **state) {
    fixture *f = *state;
    fill(f);
    assert_false(database_holds(f, "canary"));
    assert_ok(hd_store_checkpoint(f->store));
    assert_false(database_holds(f, "canary"));
}

static int64_t forms(fixture *f, const char *form) {
    int64_t n = 0;
    for (size_t p = 0; p < PLACES; p++) {
        char sql[160];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM %s WHERE substr(%s, 1, 1) = x'%s'",
                 places[p].table, places[p].column, form);
        n += ask(f, sql);
    }
    return n;
}

static void resealing_changes_the_form_alone(void **state) {
    fixture *f = *state;
    int64_t changed;
    hd_sealed_state sealed;
    fill(f);
    int64_t all = forms(f, "01");
    assert_int_equal(forms(f, "00"), 0);
    hd_door_encrypt(f->door, false);
    assert_ok(hd_privacy_note(f->store, false));
    assert_ok(hd_privacy_sealed(f->store, &sealed));
    assert_int_equal(sealed, HD_SEALED_MIXED);
    assert_ok(hd_door_reseal(f->door, NULL, NULL, &changed));
    assert_ok(hd_privacy_sealed(f->store, &sealed));
    assert_int_equal(sealed, HD_SEALED_NONE);
    assert_int_equal(forms(f, "00"), all);
    assert_true(database_holds(f, "canary-city"));
    assert_string_equal(user_of(f, "canary-ann").attributes, "{\"city\":\"canary-city\"}");
    hd_door_encrypt(f->door, true);
    int64_t back;
    assert_ok(hd_door_reseal(f->door, NULL, NULL, &back));
    assert_int_equal(back, changed);
    assert_int_equal(forms(f, "01"), all);
    assert_string_equal(user_of(f, "canary-ann").attributes, "{\"city\":\"canary-city\"}");
    refuses_every_change(f);
    assert_ok(hd_door_reseal(f->door, NULL, NULL, &back));
    assert_int_equal(back, 0);
}

// A ticket whose user comes to be known later is sealed for that user from then on.
static void what_turns_out_to_be_theirs_is_sealed_for_them(void **state) {
    fixture *f = *state;
    int64_t subject;
    hd_slice text;
    assert_ok(hd_store_begin(f->store));
    put(f, 1, ticket_record("t", NULL, "open", "m1", "canary-said"), 0);
    put(f, 1, review_record("r", NULL, 3, "canary-text", 1), 1);
    end(f, 1);
    assert_ok(hd_store_begin(f->store));
    put(f, 2, ticket_record("t", "ann", NULL, NULL, NULL), 0);
    put(f, 2, review_record("r", "ann", 3, NULL, 1), 1);
    end(f, 2);
    assert_ok(hd_door_subject(f->door, key_of(f, "ann"), &subject));
    static const size_t moved[] = {6, 8, 10}; // the review's text, the ticket's id, the message
    for (int i = 0; i < 3; i++) {
        box b = box_of(f, moved[i]);
        assert_int_equal(b.bytes[2], subject);
        assert_ok(open_box(f, places[moved[i]].field, b.row, &b, &text));
    }
    undo(f, 2);
    box b = box_of(f, 6);
    assert_int_equal(b.bytes[2], HD_NOBODY);
    assert_ok(open_box(f, HD_FIELD_REVIEW, b.row, &b, &text));
    assert_string_equal(text.p, "canary-text");
}

static void a_destroyed_key_opens_nothing_more(void **state) {
    fixture *f = *state;
    int64_t subject;
    hd_slice text;
    fill(f);
    assert_ok(hd_door_subject(f->door, key_of(f, "canary-ben"), &subject));
    assert_string_equal(user_of(f, "canary-ben").id, "canary-ben");
    assert_ok(hd_subject_destroy(f->keys.keyring, &subject, 1));
    assert_ok(hd_store_begin(f->store)); // keys at hand don't outlive a transaction
    hd_door_user user;
    assert_fails(HEED_UNAVAILABLE, hd_door_user_get(f->door, HD_PURPOSE_PROFILE,
                                                    key_of(f, "canary-ben"), &f->arena, &user));
    hd_store_rollback(f->store);
    box b = box_of(f, 6);
    assert_ok(open_box(f, HD_FIELD_REVIEW, b.row, &b, &text));
}

static void without_keys_only_counts(void **state) {
    fixture *f = *state;
    int64_t key;
    fill(f);
    hd_door_close(f->door);
    assert_ok(hd_door_open(f->store, NULL, &f->door));
    assert_int_equal(counts(f).events, 2);
    assert_fails(HEED_UNAVAILABLE,
                 hd_door_user_find(f->door, HD_PURPOSE_PROFILE, hd_slice_of("canary-ann"), &key));
    hd_record r = event_record("e", "new", "view", 1);
    hd_put what;
    assert_ok(hd_store_begin(f->store));
    assert_fails(HEED_UNAVAILABLE, hd_door_put(f->door, 3, &r, 0, &what));
    hd_store_rollback(f->store);
    char **ids;
    size_t n;
    assert_fails(HEED_UNAVAILABLE,
                 hd_door_busiest(f->door, HD_PURPOSE_NEED, 2, &f->arena, &ids, &n));
}

// Keys of users are durable before their rows, and gone with them.
static void keys_and_rows_stand_or_fall_together(void **state) {
    fixture *f = *state;
    bool exists;
    int64_t subject;
    assert_ok(hd_store_begin(f->store));
    put(f, 1, user_record("ann", NULL, NULL), 0);
    assert_ok(hd_door_subject(f->door, key_of(f, "ann"), &subject));
    hd_store_rollback(f->store);
    assert_ok(hd_subject_exists(f->keys.keyring, subject, &exists));
    assert_false(exists);
    assert_ok(hd_store_begin(f->store));
    put(f, 1, user_record("ann", NULL, NULL), 0);
    end(f, 1);
    assert_ok(keys_open(&f->keys, true, NULL)); // nothing is left pending in the one before
    assert_ok(hd_subject_exists(f->keys.keyring, subject, &exists));
    assert_true(exists);
    f->door->seals.keyring = f->keys.keyring;
}

// Keys that are older than the data don't give a number twice.
static void older_keys_count_on_from_the_data(void **state) {
    fixture *f = *state;
    int64_t subject;
    assert_ok(hd_store_begin(f->store));
    put(f, 1, user_record("ann", NULL, NULL), 0);
    assert_ok(hd_store_exec(f->store, "UPDATE users SET subject = 500"));
    end(f, 1);
    assert_ok(hd_store_begin(f->store));
    put(f, 2, user_record("ben", NULL, NULL), 0);
    end(f, 2);
    assert_ok(hd_door_subject(f->door, key_of(f, "ben"), &subject));
    assert_int_equal(subject, 501);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DOOR_TEST(a_sealed_field_opens_whole_or_not_at_all),
        DOOR_TEST(a_plain_field_too),
        DOOR_TEST(nothing_stands_in_the_clear),
        DOOR_TEST(resealing_changes_the_form_alone),
        DOOR_TEST(what_turns_out_to_be_theirs_is_sealed_for_them),
        DOOR_TEST(a_destroyed_key_opens_nothing_more),
        DOOR_TEST(without_keys_only_counts),
        DOOR_TEST(keys_and_rows_stand_or_fall_together),
        DOOR_TEST(older_keys_count_on_from_the_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
