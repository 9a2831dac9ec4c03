// SPDX-License-Identifier: Apache-2.0
//
// Every read of the door, for every purpose, legal basis and word: one person is denied or not, all
// persons are read as if whoever is out had never been there. The rule is written down once more
// below (`expected`), by hand.
#include "privacy_test.h"

#include "base/time.h"
#include "privacy/own.h"

enum { ITEMS = 3 };
static const int64_t item_keys[ITEMS] = {11, 12, 13};

static double weight_of(void *ctx, const char *type, double value) {
    (void)ctx, (void)type, (void)value;
    return 1;
}

// ── A small world: Ann, Bob (ids bob and bobby), Cid, and rows of nobody ──

static void add_event(fixture *f, const char *user, int i) {
    char id[32];
    snprintf(id, sizeof id, "%s-%d", user ? user : "-", i);
    put(f, 1, event_record(id, user, i % 2 ? "view" : "purchase", 1000 + 10 * i),
        item_keys[(i + ITEMS) % ITEMS]);
}

static void fill(fixture *f, bool with_bob) {
    assert_ok(hd_store_begin(f->store));
    put(f, 1, user_record("ann", NULL, "{\"city\":\"Rome\"}"), 0);
    if (with_bob) put(f, 1, user_record("bob", "bobby", "{\"city\":\"Bonn\"}"), 0);
    put(f, 1, user_record("cid", NULL, "{\"city\":\"Oslo\"}"), 0);
    for (int i = 0; i < 6; i++) {
        add_event(f, "ann", i);
        if (with_bob) add_event(f, "bob", i - 3);
        if (with_bob) add_event(f, "bobby", i + 50);
        add_event(f, "cid", i + 3);
        add_event(f, NULL, i);
    }
    put(f, 1, review_record("r1", "ann", 4, "fine", 5000), 11);
    if (with_bob) put(f, 1, review_record("r2", "bobby", 2, "poor", 5001), 12);
    put(f, 1, review_record("r3", NULL, 3, "so so", 5002), 12);
    put(f, 1, ticket_record("t1", "cid", "open", "m1", "help"), 0);
    if (with_bob) put(f, 1, ticket_record("t2", "bob", "open", "m1", "hello"), 0);
    if (with_bob) put(f, 1, ticket_record("t2", "bob", "open", "m2", "anyone"), 0);
    end(f, 1);
}

static fixture *make(bool with_bob) {
    void *state;
    fixture_setup(&state);
    fill(state, with_bob);
    return state;
}

static void drop(fixture *f) {
    void *state = f;
    fixture_teardown(&state);
}

static int64_t key_for_rights(fixture *f, const char *id) {
    int64_t key = 0;
    assert_ok(hd_door_user_find(f->door, HD_PURPOSE_RIGHTS, hd_slice_of(id), &key));
    return key;
}

// ── The reads. Of all persons: what they saw as a text without keys, which differ between worlds
// ──

typedef heed_err (*read_fn)(fixture *f, hd_purpose purpose, hd_str *seen);

static heed_err read_find(fixture *f, hd_purpose purpose, hd_str *seen) {
    int64_t key;
    (void)seen;
    return hd_door_user_find(f->door, purpose, hd_slice_of("bobby"), &key);
}

static heed_err read_user(fixture *f, hd_purpose purpose, hd_str *seen) {
    hd_door_user user;
    (void)seen;
    return hd_door_user_get(f->door, purpose, key_for_rights(f, "bob"), &f->arena, &user);
}

static heed_err read_attributes(fixture *f, hd_purpose purpose, hd_str *seen) {
    const char *text;
    (void)seen;
    return hd_door_attributes(f->door, purpose, key_for_rights(f, "bob"), &f->arena, &text);
}

static heed_err read_id(fixture *f, hd_purpose purpose, hd_str *seen) {
    char *id;
    (void)seen;
    return hd_door_user_id(f->door, purpose, key_for_rights(f, "bob"), &f->arena, &id);
}

static heed_err read_events(fixture *f, hd_purpose purpose, hd_str *seen) {
    hd_door_event *events;
    size_t n;
    (void)seen;
    return hd_door_events(f->door, purpose, key_for_rights(f, "bob"), 0, &f->arena, &events, &n);
}

static heed_err read_history(fixture *f, hd_purpose purpose, hd_str *seen) {
    (void)seen;
    int64_t key;
    hd_door_event *events;
    size_t n;
    return hd_door_history(f->door, purpose, hd_slice_of("bob"), (hd_history_wish){0}, &f->arena,
                           &key, &events, &n);
}

static heed_err read_reviews(fixture *f, hd_purpose purpose, hd_str *seen) {
    hd_door_review *reviews;
    size_t n;
    (void)seen;
    return hd_door_reviews(f->door, purpose, key_for_rights(f, "bob"), &f->arena, &reviews, &n);
}

static void see_events(hd_str *seen, const hd_door_event *events, size_t n) {
    for (size_t i = 0; i < n; i++)
        hd_str_addf(seen, " %s/%d@%d", events[i].type, (int)events[i].item_key,
                    (int)events[i].time);
}

static heed_err see_person(void *ctx, int64_t user, const hd_door_event *events, size_t n,
                           const hd_door_review *reviews, size_t n_reviews) {
    (void)user;
    see_events(ctx, events, n);
    for (size_t i = 0; i < n_reviews; i++)
        hd_str_addf(ctx, " r%d%s", (int)reviews[i].rating, reviews[i].text ? reviews[i].text : "");
    hd_str_addc(ctx, '\n');
    return HEED_OK;
}

static heed_err read_scan(fixture *f, hd_purpose purpose, hd_str *seen) {
    return hd_door_scan(f->door, purpose, false, see_person, seen);
}

static heed_err read_scan_empty(fixture *f, hd_purpose purpose, hd_str *seen) {
    return hd_door_scan(f->door, purpose, true, see_person, seen);
}

static heed_err see_event(void *ctx, int64_t user, const hd_door_event *event) {
    hd_str_addc(ctx, user ? 'u' : '-');
    see_events(ctx, event, 1);
    return HEED_OK;
}

static heed_err read_scan_events(fixture *f, hd_purpose purpose, hd_str *seen) {
    return hd_door_scan_events(f->door, purpose, see_event, seen);
}

static heed_err read_events_after(fixture *f, hd_purpose purpose, hd_str *seen) {
    return hd_door_scan_events_after(f->door, purpose, 0, see_event, seen);
}

static heed_err read_snapshot(fixture *f, hd_purpose purpose, hd_str *seen) {
    hd_snapshot snapshot = {0};
    const hd_signals signals = {weight_of, NULL};
    heed_err err = hd_door_snapshot(f->door, purpose, item_keys, ITEMS, signals, &snapshot);
    const hd_sparse *s = &snapshot.events;
    for (size_t row = 0; err == HEED_OK && row < s->n_rows; row++)
        for (size_t e = s->start[row]; e < s->start[row + 1]; e++)
            hd_str_addf(seen, "%d %d %d\n", (int)row, (int)s->col[e], (int)s->time[e]);
    hd_str_add(seen, snapshot.hash);
    hd_snapshot_clear(&snapshot);
    return err;
}

static heed_err read_counts(fixture *f, hd_purpose purpose, hd_str *seen) {
    hd_door_counts c;
    heed_err err = hd_door_count(f->door, purpose, &c);
    hd_str_addf(seen, "%d %d %d %d %d %d %d %d", (int)c.users, (int)c.events,
                (int)c.anonymous_events, (int)c.reviews, (int)c.tickets, (int)c.messages,
                (int)c.first, (int)c.last);
    return err;
}

static heed_err read_busiest(fixture *f, hd_purpose purpose, hd_str *seen) {
    char **ids;
    size_t n = 0;
    heed_err err = hd_door_busiest(f->door, purpose, 2, &f->arena, &ids, &n);
    for (size_t i = 0; i < n; i++) hd_str_addf(seen, " %s", ids[i]);
    return err;
}

static const struct {
    const char *name;
    unsigned may; // what the purpose must cover
    bool all;
    read_fn run;
} reads[] = {
    {"find", HD_MAY_PERSON, false, read_find},
    {"user", HD_MAY_PERSON | HD_MAY_ATTRIBUTES, false, read_user},
    {"attributes", HD_MAY_ATTRIBUTES, false, read_attributes},
    {"id", HD_MAY_IDS, false, read_id},
    {"events", HD_MAY_PERSON, false, read_events},
    {"history", HD_MAY_PERSON, false, read_history},
    {"reviews", HD_MAY_PERSON, false, read_reviews},
    {"scan", HD_MAY_WHOLE, true, read_scan},
    {"scan_empty", HD_MAY_WHOLE, true, read_scan_empty},
    {"scan_events", HD_MAY_WHOLE, true, read_scan_events},
    {"scan_events_after", HD_MAY_WHOLE, true, read_events_after},
    {"snapshot", HD_MAY_WHOLE, true, read_snapshot},
    {"count", 0, true, read_counts},
    {"busiest", HD_MAY_WHOLE | HD_MAY_IDS, true, read_busiest},
};
enum { READS = sizeof reads / sizeof *reads };

static bool covers(hd_purpose purpose, unsigned may) {
    for (unsigned bit = 1; bit <= HD_MAY_WHOLE; bit *= 2)
        if ((may & bit) && !hd_purpose_may(purpose, (hd_may)bit)) return false;
    return true;
}

// ── The words, and what they ought to lead to ──

typedef enum state { SILENT, OUT, IN, RESTRICTED, IN_RESTRICTED, ALIAS_OUT, STATES } state;

static void say(fixture *f, hd_purpose purpose, state s) {
    int64_t bob = key_for_rights(f, "bob"), bobby = ask(f, "SELECT key FROM users WHERE person "
                                                           "IS NOT NULL");
    bool gated = hd_purpose_gated(purpose);
    if (gated && (s == IN || s == IN_RESTRICTED))
        assert_ok(hd_door_consent(f->door, bobby, purpose, true, "test", NULL));
    if (gated && s == OUT) assert_ok(hd_door_consent(f->door, bob, purpose, false, "test", NULL));
    if (s == RESTRICTED || s == IN_RESTRICTED)
        assert_ok(hd_door_restrict(f->door, bob, true, "test", NULL));
    if (gated && s == ALIAS_OUT) { // said before the ids were joined: it stands with one of them
        assert_ok(hd_door_consent(f->door, bob, purpose, false, "test", NULL));
        assert_ok(hd_store_exec(f->store, "UPDATE consents SET state = 1 WHERE user_key ="
                                          " (SELECT person FROM users WHERE person IS NOT NULL)"));
    }
}

static void silence(fixture *f) {
    assert_ok(hd_store_exec(f->store, "DELETE FROM consents"));
}

static bool expected(hd_purpose purpose, hd_basis basis, state s) {
    if (purpose == HD_PURPOSE_RIGHTS || purpose == HD_PURPOSE_CARE) return true;
    if (s == IN) return true;
    return s == SILENT && basis == HD_BASIS_INTEREST;
}

static void check_one(fixture *f, size_t r, hd_purpose purpose, bool in) {
    hd_str seen;
    hd_str_init(&seen);
    heed_err err = reads[r].run(f, purpose, &seen);
    hd_str_clear(&seen);
    if (err != (in ? HEED_OK : HEED_DENIED))
        fail_msg("%s for %s: %s, in: %d", reads[r].name, hd_purpose_name(purpose),
                 heed_err_name(err), in);
    if (in) return;
    for (int lang = 0; lang < 2; lang++) { // which purpose, how to change it, and nobody's name
        const char *text = heed_error_message((heed_lang)lang);
        assert_non_null(strstr(text, hd_purpose_name(purpose)));
        assert_non_null(strstr(text, "heed users"));
        assert_null(strstr(text, "bob"));
    }
}

static void check_all(fixture *f, fixture *other, size_t r, hd_purpose purpose) {
    hd_str seen, want;
    hd_str_init(&seen);
    hd_str_init(&want);
    assert_ok(reads[r].run(f, purpose, &seen));
    assert_ok(reads[r].run(other, purpose, &want));
    assert_true(want.len > 0);
    if (strcmp(hd_str_get(&seen), hd_str_get(&want)) != 0)
        fail_msg("%s for %s:\n%s\nwanted:\n%s", reads[r].name, hd_purpose_name(purpose),
                 hd_str_get(&seen), hd_str_get(&want));
    hd_str_clear(&seen);
    hd_str_clear(&want);
}

// Everybody but Bob has consented, so that the world without him has the others.
static void set_basis(fixture *f, hd_purpose purpose, hd_basis basis) {
    static const char *const others[] = {"ann", "cid"};
    hd_door_basis_set(f->door, purpose, basis);
    for (size_t i = 0; i < 2 && hd_purpose_gated(purpose); i++)
        if (basis == HD_BASIS_CONSENT)
            assert_ok(hd_door_consent(f->door, key_for_rights(f, others[i]), purpose, true, "test",
                                      NULL));
}

static void test_every_read(void **unused) {
    (void)unused;
    fixture *with = make(true), *without = make(false), *all = make(true);
    for (int p = 0; p < HD_PURPOSES; p++) {
        for (int b = 0; b < 2; b++) {
            for (int s = 0; s < STATES; s++) {
                hd_purpose purpose = (hd_purpose)p;
                silence(with);
                silence(without);
                set_basis(with, purpose, (hd_basis)b);
                set_basis(without, purpose, (hd_basis)b);
                say(with, purpose, (state)s);
                bool in = expected(purpose, (hd_basis)b, (state)s);
                for (size_t r = 0; r < READS; r++) {
                    if (!covers(purpose, reads[r].may)) continue;
                    if (reads[r].all)
                        check_all(with, in ? all : without, r, purpose);
                    else
                        check_one(with, r, purpose, in);
                }
            }
        }
    }
    drop(with);
    drop(without);
    drop(all);
}

// A word on one purpose leaves the others alone.
static void test_one_purpose(void **s) {
    fixture *f = *s;
    fill(f, true);
    int64_t bob = key_for_rights(f, "bob"), key;
    assert_ok(hd_door_consent(f->door, bob, HD_PURPOSE_PROFILE, false, "test", NULL));
    assert_fails(HEED_DENIED,
                 hd_door_user_find(f->door, HD_PURPOSE_PROFILE, hd_slice_of("bob"), &key));
    assert_ok(hd_door_user_find(f->door, HD_PURPOSE_RECOMMEND, hd_slice_of("bob"), &key));
    assert_ok(hd_door_user_find(f->door, HD_PURPOSE_PROFILE, hd_slice_of("ann"), &key));
    assert_fails(HEED_INPUT, hd_door_consent(f->door, bob, HD_PURPOSE_RIGHTS, false, "test", NULL));
    assert_fails(HEED_NOT_FOUND,
                 hd_door_consent(f->door, 999, HD_PURPOSE_NEED, false, "test", NULL));
}

static void test_history(void **s) {
    fixture *f = *s;
    fill(f, true);
    int64_t bob = key_for_rights(f, "bob"), before, after;
    bool changed, allows, restricted;
    hd_consent *list;
    size_t n;
    assert_ok(hd_door_consent_mark(f->door, &before));
    assert_ok(hd_door_consent(f->door, bob, HD_PURPOSE_TRAIN, false, "cli", &changed));
    assert_true(changed);
    assert_ok(hd_door_consent(f->door, bob, HD_PURPOSE_TRAIN, false, "api", &changed));
    assert_false(changed);
    assert_ok(hd_door_restrict(f->door, bob, false, "cli", &changed));
    assert_false(changed); // there was none
    assert_ok(hd_door_restrict(f->door, bob, true, "cli", &changed));
    assert_true(changed);
    assert_ok(hd_door_allows(f->door, bob, HD_PURPOSE_NEED, &allows, &restricted));
    assert_true(!allows && restricted);
    assert_ok(hd_door_restrict(f->door, bob, false, "cli", &changed));
    assert_true(changed);
    assert_ok(hd_door_allows(f->door, bob, HD_PURPOSE_NEED, &allows, &restricted));
    assert_true(allows && !restricted);
    assert_ok(hd_door_consent_mark(f->door, &after));
    assert_int_equal(after, before + 5);

    static const struct {
        const char *purpose;
        bool on;
        const char *source;
    } want[] = {{"train", false, "cli"},
                {"train", false, "api"},
                {"*", true, "cli"},
                {"*", false, "cli"},
                {"*", true, "cli"}};
    assert_ok(hd_door_consents(f->door, HD_PURPOSE_RIGHTS, bob, &f->arena, &list, &n));
    assert_int_equal(n, 5);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(list[i].purpose, want[i].purpose);
        assert_string_equal(list[i].source, want[i].source);
        assert_int_equal(list[i].on, want[i].on);
        assert_true(list[i].time > INT64_C(1700000000000));
    }
    assert_fails(HEED_CONFLICT, hd_store_exec(f->store, "UPDATE consent_history SET state = 1"));
}

// Undoing the import that brought an id doesn't undo what the person said.
static void test_outlives_undo(void **s) {
    fixture *f = *s;
    int64_t key;
    assert_ok(hd_store_begin(f->store));
    put(f, 1, user_record("ann", NULL, "{}"), 0);
    put(f, 1, event_record("e1", "ben", "view", 1), 11);
    end(f, 1);
    assert_ok(
        hd_door_consent(f->door, key_for_rights(f, "ann"), HD_PURPOSE_TRAIN, false, "t", NULL));
    undo(f, 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM users"), 1);
    assert_ok(hd_door_user_find(f->door, HD_PURPOSE_RIGHTS, hd_slice_of("ann"), &key));
    bool allows;
    assert_ok(hd_door_allows(f->door, key, HD_PURPOSE_TRAIN, &allows, NULL));
    assert_false(allows);
}

// Ids with different words, joined and parted again.
static void test_joining(void **s) {
    fixture *f = *s;
    int64_t mark, later, key;
    bool allows;
    assert_ok(hd_store_begin(f->store));
    put(f, 1, user_record("a", NULL, "{}"), 0);
    put(f, 1, user_record("b", NULL, "{}"), 0);
    end(f, 1);
    hd_door_basis_set(f->door, HD_PURPOSE_NEED, HD_BASIS_CONSENT);
    int64_t a = key_for_rights(f, "a"), b = key_for_rights(f, "b");
    assert_ok(hd_door_consent(f->door, a, HD_PURPOSE_NEED, true, "t", NULL));
    assert_ok(hd_door_consent(f->door, b, HD_PURPOSE_TRAIN, false, "t", NULL));
    assert_ok(hd_door_consent_mark(f->door, &mark));
    assert_ok(hd_store_begin(f->store));
    put(f, 2, user_record("a", "b", NULL), 0);
    end(f, 2);
    assert_ok(hd_door_consent_mark(f->door, &later));
    assert_true(later > mark);
    assert_ok(hd_door_user_find(f->door, HD_PURPOSE_NEED, hd_slice_of("b"), &key));
    assert_int_equal(key, a); // the consent of one id is the person's
    assert_ok(hd_door_allows(f->door, a, HD_PURPOSE_TRAIN, &allows, NULL));
    assert_false(allows); // and so is the objection of the other
    undo(f, 2);
    assert_fails(HEED_DENIED, hd_door_user_find(f->door, HD_PURPOSE_NEED, hd_slice_of("b"), &key));
    assert_ok(hd_door_allows(f->door, a, HD_PURPOSE_TRAIN, &allows, NULL));
    assert_true(allows);
}

static void test_names(void **unused) {
    (void)unused;
    hd_purpose purpose;
    assert_ok(hd_purpose_parse("experiment", &purpose));
    assert_int_equal(purpose, HD_PURPOSE_EXPERIMENT);
    assert_fails(HEED_INPUT, hd_purpose_parse("rights", &purpose));
    assert_fails(HEED_INPUT, hd_purpose_parse("care", &purpose));
    assert_fails(HEED_INPUT, hd_purpose_parse("", &purpose));
}

// With each n-th allocation failing: HEED_MEMORY, and nothing was said.
static heed_err use_all(fixture *f, int64_t bob) {
    hd_str seen;
    hd_consent *list;
    size_t n;
    hd_str_init(&seen);
    heed_err err = hd_door_consent(f->door, bob, HD_PURPOSE_PROFILE, false, "t", NULL);
    for (size_t r = 0; err == HEED_OK && r < READS; r++)
        if (reads[r].all) err = reads[r].run(f, HD_PURPOSE_PROFILE, &seen);
    if (err == HEED_OK)
        err = hd_door_consents(f->door, HD_PURPOSE_RIGHTS, bob, &f->arena, &list, &n);
    hd_str_clear(&seen);
    return err;
}

static void test_failing_allocations(void **s) {
    fixture *f = *s;
    fill(f, true);
    int64_t bob = key_for_rights(f, "bob");
    for (uint64_t nth = 1;; nth++) {
        hd_mem_fail_at(nth, true);
        heed_err err = use_all(f, bob);
        hd_mem_fail_at(0, false);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
        assert_true(nth < 10000);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_read),
        DOOR_TEST(test_one_purpose),
        DOOR_TEST(test_history),
        DOOR_TEST(test_outlives_undo),
        DOOR_TEST(test_joining),
        cmocka_unit_test(test_names),
        DOOR_TEST(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
