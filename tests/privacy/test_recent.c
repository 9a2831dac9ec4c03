// SPDX-License-Identifier: Apache-2.0
//
// Events that came lately stand in a table of their own until they are moved. Nobody may see a
// difference: two databases are given the same records, one all at once, one with most of them
// posted; every way of reading must say the same of both, also after rows were erased, corrected,
// undone and expired. And an event_id counts once, whatever was rolled back, moved or written by
// others in between.
#include "privacy_test.h"

#include "base/json.h"
#include "base/rng.h"
#include "privacy/erasures.h"
#include "privacy/own.h"
#include "privacy/page.h"
#include "privacy/rights.h"
#include "store/batch.h"

enum { USERS = 7, OLD = 60, NEW = 140 };

// ── All that can be read, as text ──

static void say_event(hd_str *out, const hd_door_event *e) {
    hd_str_addf(out, " %lld:%lld:%s:%g:%g:%lld:%s", (long long)e->key, (long long)e->item_key,
                e->type, e->value, e->quantity, (long long)e->time, e->currency);
}

static void say_events(hd_str *out, const char *what, const hd_door_event *events, size_t n) {
    hd_str_addf(out, "\n%s", what);
    for (size_t i = 0; i < n; i++) say_event(out, &events[i]);
}

static heed_err see_user(void *ctx, int64_t user, const hd_door_event *events, size_t n,
                         const hd_door_review *reviews, size_t n_reviews) {
    (void)reviews;
    hd_str_addf(ctx, "\nscan %lld %zu", (long long)user, n_reviews);
    say_events(ctx, "", events, n);
    return HEED_OK;
}

static heed_err see_event(void *ctx, int64_t user, const hd_door_event *event) {
    hd_str_addf(ctx, "\nof %lld", (long long)user);
    say_event(ctx, event);
    return HEED_OK;
}

static heed_err item_name(void *ctx, int64_t key, const char **out) {
    (void)ctx;
    *out = key == 3 ? "tea" : "other";
    return HEED_OK;
}

static double weight_of(void *ctx, const char *type, double value) {
    (void)ctx;
    (void)value;
    return strcmp(type, "view") == 0 ? 1 : 2;
}

static void say_person(fixture *f, const char *id, hd_str *out) {
    int64_t person, key;
    hd_door_event *events;
    size_t n;
    if (hd_rights_find(f->door, hd_slice_of(id), &person) != HEED_OK) return;
    hd_str_addf(out, "\n%s is %lld", id, (long long)person);
    for (size_t limit = 0; limit < 40; limit += 13) {
        assert_ok(
            hd_door_events(f->door, HD_PURPOSE_PROFILE, person, limit, &f->arena, &events, &n));
        say_events(out, "last", events, n);
    }
    for (size_t wish = 0; wish < 6; wish++) {
        assert_ok(hd_door_history(f->door, HD_PURPOSE_RECOMMEND, hd_slice_of(id),
                                  (hd_history_wish){wish % 2, wish / 2 * 9}, &f->arena, &key,
                                  &events, &n));
        say_events(out, "history", events, n);
    }
    hd_door_place behind = {0};
    do {
        assert_ok(hd_door_events_page(f->door, HD_PURPOSE_RIGHTS, person, behind, 7, &f->arena,
                                      &events, &n));
        say_events(out, "page", events, n);
        if (n > 0) behind = (hd_door_place){events[n - 1].time, events[n - 1].key};
    } while (n == 7);
    hd_rights_counts c;
    bool held, plain;
    json_t *all = json_object();
    assert_ok(hd_rights_count(f->door, person, &c));
    assert_ok(hd_rights_held(f->door, person, HD_PURPOSE_TRAIN, 3500, &held));
    assert_ok(hd_erasures_plain(f->door, &person, 1, &plain));
    assert_ok(hd_rights_export(f->door, person, (hd_item_names){item_name, NULL}, all));
    hd_str_addf(out, "\ncount %lld %lld %lld %d %d\n", (long long)c.events, (long long)c.first,
                (long long)c.last, held, plain);
    assert_ok(hd_json_dump(all, true, out));
    json_decref(all);
}

static void say_all(fixture *f, hd_str *out) {
    static const int64_t items[] = {1, 2, 3, 4, 5};
    hd_snapshot s;
    char **busy;
    size_t n;
    bool used;
    hd_expired gone;
    const hd_retention before = {900, HD_TIME_NONE, HD_TIME_NONE, 900};
    assert_ok(hd_door_scan(f->door, HD_PURPOSE_TRAIN, true, see_user, out));
    for (int64_t after = 0; after < OLD + NEW + 20; after += 31)
        assert_ok(hd_door_scan_events_after(f->door, HD_PURPOSE_TRAIN, after, see_event, out));
    assert_ok(
        hd_door_snapshot(f->door, HD_PURPOSE_TRAIN, items, 5, (hd_signals){weight_of, NULL}, &s));
    hd_str_addf(out, "\nsnapshot %zu %s", s.events.n, s.hash);
    for (size_t i = 0; i < s.events.n; i++)
        hd_str_addf(out, " %lld", (long long)s.events.source[i]);
    hd_snapshot_clear(&s);
    hd_door_counts c = counts(f);
    hd_str_addf(out, "\ncounts %lld %lld %lld %lld %lld", (long long)c.users, (long long)c.events,
                (long long)c.anonymous_events, (long long)c.first, (long long)c.last);
    assert_ok(hd_door_busiest(f->door, HD_PURPOSE_PROFILE, 5, &f->arena, &busy, &n));
    for (size_t i = 0; i < n; i++) hd_str_addf(out, " %s", busy[i]);
    assert_ok(hd_rights_expired(f->door, &before, &gone));
    hd_str_addf(out, "\nexpired %lld %lld", (long long)gone.events, (long long)gone.users);
    for (int64_t item = 1; item < 8; item++) {
        assert_ok(hd_door_item_used(f->door, item, &used));
        hd_str_addf(out, " %d", used);
    }
    for (int u = 0; u < USERS; u++) {
        char id[16];
        snprintf(id, sizeof id, "u%d", u);
        say_person(f, id, out);
    }
}

// ── Twins ──

typedef struct twins {
    fixture *at_once, *posted;
} twins;

static int twins_setup(void **state) {
    twins *t = test_calloc(1, sizeof *t);
    void *one, *two;
    if (fixture_setup(&one) != 0 || fixture_setup(&two) != 0) return -1;
    t->at_once = one;
    t->posted = two;
    *state = t;
    return 0;
}

static int twins_teardown(void **state) {
    twins *t = *state;
    void *one = t->at_once, *two = t->posted;
    test_free(t);
    return fixture_teardown(&one) + fixture_teardown(&two);
}

#define TWIN_TEST(f) cmocka_unit_test_setup_teardown(f, twins_setup, twins_teardown)

static int64_t recent(fixture *f) {
    return ask(f, "SELECT count(*) FROM events_recent");
}

static void begin_batch(fixture *f, int64_t batch, hd_load_mode mode) {
    assert_ok(hd_store_migrate(f->store, hd_batch_migrations, hd_batch_n_migrations));
    assert_ok(hd_store_begin(f->store));
    hd_batch b = {.kind = "events", .source = "-", .preset = "", .started = 1000 * batch};
    assert_ok(hd_batch_begin(f->store, &b));
    assert_int_equal(b.id, batch);
    hd_door_put_begin(f->door, mode);
}

// Times repeat, some are missing, some lie before those of older rows; some have nobody, no item.
static void put_some(fixture *f, int64_t batch, int first, int n) {
    static const char *const types[] = {"view", "cart", "buy"};
    for (int i = first; i < first + n; i++) {
        char id[16], user[16];
        snprintf(id, sizeof id, "e%d", i);
        snprintf(user, sizeof user, "u%d", i % USERS);
        hd_time time = i % 11 == 0 ? HD_TIME_NONE : 500 + (i * 37) % 100 * 10;
        hd_record r = event_record(i % 5 ? id : NULL, i % 13 ? user : NULL,
                                   types[batch % 3 == 0 ? 2 : i % 2], time);
        r.event.value = i % 3 ? i : (double)NAN;
        if (i % 4 == 0) r.event.session = hd_slice_of("a session");
        if (i % 6 == 0) r.event.properties = hd_slice_of("{\"page\":\"list\"}");
        put(f, batch, r, i % 9 ? 1 + i % 5 : 0);
    }
}

static void fill(fixture *f, hd_load_mode mode) {
    begin_batch(f, 1, HD_LOAD_BULK);
    put(f, 1, user_record("u1", NULL, "{\"city\":\"Oslo\"}"), 0);
    put(f, 1, user_record("u2", "u3", "{}"), 0);
    put_some(f, 1, 0, OLD);
    end(f, 1);
    begin_batch(f, 2, mode);
    put_some(f, 2, OLD, NEW / 2);
    end(f, 2);
    begin_batch(f, 3, mode);
    put_some(f, 3, OLD + NEW / 2, NEW / 2);
    end(f, 3);
}

static void fill_both(twins *t) {
    fill(t->at_once, HD_LOAD_BULK);
    fill(t->posted, HD_LOAD_STEADY);
    assert_int_equal(recent(t->at_once), 0);
    assert_int_equal(recent(t->posted), NEW);
}

static void same(twins *t) {
    hd_str one, two;
    hd_str_init(&one);
    hd_str_init(&two);
    say_all(t->at_once, &one);
    say_all(t->posted, &two);
    assert_ok(hd_str_check(&one));
    assert_ok(hd_str_check(&two));
    assert_true(one.len > 1000);
    assert_string_equal(hd_str_get(&one), hd_str_get(&two));
    hd_str_clear(&one);
    hd_str_clear(&two);
}

static void test_reads(void **s) {
    twins *t = *s;
    fill_both(t);
    same(t);
    assert_int_equal(recent(t->posted), NEW);
    assert_ok(hd_store_begin(t->posted->store));
    assert_ok(hd_recent_settle(t->posted->door));
    assert_ok(hd_store_commit(t->posted->store));
    assert_int_equal(recent(t->posted), 0);
    same(t);
}

// Batches of all sizes, some taken back, with slices moved in between, also within what is taken
// back: whatever stands where, the twins say the same.
static void test_slices(void **s) {
    twins *t = *s;
    hd_rng rng = hd_rng_make(6, 0);
    fill_both(t);
    int first = OLD + NEW, met[3] = {0};
    for (int64_t batch = 4; batch < 34; batch++) {
        int n = 1 + (int)hd_rng_below(&rng, 12), repeat = (int)hd_rng_below(&rng, 20);
        bool undone = hd_rng_below(&rng, 4) == 0, within = hd_rng_below(&rng, 3) == 0;
        fixture *each[] = {t->at_once, t->posted};
        for (int i = 0; i < 2; i++) {
            begin_batch(each[i], batch, i ? HD_LOAD_STEADY : HD_LOAD_BULK);
            put_some(each[i], batch, first - repeat, repeat + n); // some came before
            if (i && within) assert_ok(hd_recent_slice(t->posted->door, 5));
            if (undone)
                hd_store_rollback(each[i]->store);
            else
                end(each[i], batch);
        }
        if (undone) batch--;
        if (undone && met[0]++ > 30) break;
        if (!undone) first += n;
        for (uint64_t k = hd_rng_below(&rng, 4); k > 0; k--) {
            int64_t rows = 1 + (int64_t)hd_rng_below(&rng, 9), before = recent(t->posted);
            assert_ok(hd_store_begin(t->posted->store));
            assert_ok(hd_recent_slice(t->posted->door, rows));
            bool back = hd_rng_below(&rng, 4) == 0;
            if (back)
                hd_store_rollback(t->posted->store);
            else
                assert_ok(hd_store_commit(t->posted->store));
            int64_t left = before < rows ? 0 : before - rows;
            assert_int_equal(recent(t->posted), back ? before : left);
            met[1 + back]++;
        }
        assert_int_equal(ask(t->posted,
                             "SELECT (SELECT coalesce(min(key), 999999) FROM events_recent)"
                             " > (SELECT max(key) FROM events)"),
                         1);
        if (batch % 5 == 0) same(t);
    }
    same(t);
    assert_true(met[0] > 3 && met[1] > 10 && met[2] > 3);
}

// Who has time moves slices until little is left; the memory of ids doesn't grow with what is gone.
static void test_tidy(void **s) {
    fixture *f = *s;
    enum { MANY = 30000 };
    size_t most = 0;
    assert_true(hd_door_is_tidy(f->door)); // as far as it knows
    for (int at = 0; at < MANY;) {
        assert_ok(hd_store_begin(f->store));
        hd_door_put_begin(f->door, HD_LOAD_STEADY);
        for (int k = 0; k < 1000; k++, at++) {
            char id[16];
            snprintf(id, sizeof id, "e%d", at);
            put(f, 1, event_record(id, "ann", "view", at), 1);
        }
        end(f, 1);
        while (!hd_door_is_tidy(f->door)) {
            int64_t before = recent(f);
            assert_ok(hd_door_tidy(f->door));
            assert_int_equal(recent(f), before - 512);
        }
        if (f->door->recent.ids.count > most) most = f->door->recent.ids.count;
    }
    assert_in_range(recent(f), 1, 2047);
    assert_in_range(most, 2000, 16000);
    assert_int_equal(counts(f).events, MANY);
    begin_batch(f, 1, HD_LOAD_STEADY);
    for (int at = 0; at < MANY; at += 997) {
        char id[16];
        snprintf(id, sizeof id, "e%d", at);
        assert_int_equal(put(f, 1, event_record(id, "ann", "view", at), 1), HD_PUT_SAME);
    }
    end(f, 1);
    assert_ok(hd_door_tidy(f->door)); // nothing to do
    assert_int_equal(counts(f).events, MANY);
}

// ── What removes and changes ──

typedef void (*change_fn)(fixture *f);

static void erase(fixture *f) {
    int64_t *keys, person;
    size_t n;
    hd_rights_counts c;
    assert_ok(hd_rights_find(f->door, hd_slice_of("u3"), &person));
    assert_ok(hd_rights_keys(f->door, person, &f->arena, &keys, &n));
    assert_int_equal(n, 2);
    assert_ok(hd_rights_erase(f->door, keys, n, &c));
    assert_true(c.events > NEW / USERS);
}

static void erase_type(fixture *f) { // a type that only one has goes with them
    begin_batch(f, 4, HD_LOAD_STEADY);
    put(f, 4, event_record("odd", "u5", "odd", 1), 1);
    end(f, 4);
    int64_t key = key_of(f, "u5");
    assert_ok(hd_rights_erase(f->door, &key, 1, NULL));
    assert_int_equal(ask(f, "SELECT count(*) FROM event_types WHERE name = 'odd'"), 0);
}

static void correct(fixture *f) {
    hd_door_event *events;
    size_t n = events_of(f, "u1", &events);
    assert_true(events[n - 1].key > OLD);
    const hd_correction what = {.events = &events[n - 1].key, .n_events = 1};
    assert_ok(hd_rights_correct(f->door, key_of(f, "u1"), &what));
    assert_int_equal(events_of(f, "u1", &events), n - 1);
}

static void undo_posted(fixture *f) {
    assert_int_equal(undo(f, 3), NEW / 2);
}

static void undo_older(fixture *f) {
    assert_true(undo(f, 1) > 0);
}

static void expire(fixture *f) {
    hd_expired gone;
    hd_expiring at = {0};
    int64_t all = 0;
    const hd_retention before = {900, HD_TIME_NONE, HD_TIME_NONE, HD_TIME_NONE};
    while (!hd_rights_expired_all(&at)) {
        assert_ok(hd_rights_expire(f->door, &before, 50, &at, &gone));
        all += gone.events;
    }
    assert_true(all > 10);
}

static void join(fixture *f) {
    assert_ok(hd_door_merge(f->door, hd_slice_of("u6"), hd_slice_of("u4")));
}

static void reseal(fixture *f) {
    int64_t n;
    hd_door_encrypt(f->door, false);
    assert_ok(hd_door_reseal(f->door, NULL, NULL, &n));
    assert_true(n > NEW / 6);
}

static void import(fixture *f) {
    int64_t batch = 1 + ask(f, "SELECT max(id) FROM import_batches");
    begin_batch(f, batch, HD_LOAD_BULK);
    put_some(f, batch, OLD + NEW, 10);
    end(f, batch);
    assert_int_equal(recent(f), 0);
}

static void test_changes(void **s) {
    static const change_fn all[] = {join,       correct, erase,  reseal,    undo_posted,
                                    erase_type, expire,  import, undo_older};
    twins *t = *s;
    fill_both(t);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i] == undo_posted) continue; // others' rows stand on it here: see below
        all[i](t->at_once);
        all[i](t->posted);
        same(t);
    }
}

// Each by itself, with rows in the table of recent ones.
static void test_undo(void **s) {
    twins *t = *s;
    fill_both(t);
    undo_posted(t->at_once);
    undo_posted(t->posted);
    same(t);
    undo_older(t->at_once);
    undo_older(t->posted);
    same(t);
}

static void test_expire(void **s) {
    twins *t = *s;
    fill_both(t);
    expire(t->at_once);
    expire(t->posted);
    same(t);
}

static void test_erase(void **s) {
    twins *t = *s;
    fill_both(t);
    erase(t->at_once);
    erase(t->posted);
    same(t);
}

static void test_reseal(void **s) {
    twins *t = *s;
    fill_both(t);
    reseal(t->at_once);
    reseal(t->posted);
    same(t);
}

static void test_import(void **s) {
    twins *t = *s;
    fill_both(t);
    import(t->at_once);
    import(t->posted);
    same(t);
}

// ── An id counts once ──

static hd_put post(fixture *f, const char *id) {
    return put(f, 1, event_record(id, "ann", "view", 1), 1);
}

static void begin_post(fixture *f) {
    assert_ok(hd_store_begin(f->store));
    hd_door_put_begin(f->door, HD_LOAD_STEADY);
}

static void test_once(void **s) {
    fixture *f = *s;
    begin_post(f);
    assert_int_equal(post(f, "a"), HD_PUT_NEW);
    assert_int_equal(post(f, "a"), HD_PUT_SAME);
    assert_int_equal(put(f, 1, event_record("a", "stranger", "odd", 1), 1), HD_PUT_SAME);
    end(f, 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM users"), 1);       // a repeat makes nobody,
    assert_int_equal(ask(f, "SELECT count(*) FROM event_types"), 1); // nor a type
    begin_post(f);
    assert_int_equal(post(f, "a"), HD_PUT_SAME);
    assert_ok(hd_recent_settle(f->door));
    assert_int_equal(post(f, "a"), HD_PUT_SAME);
    assert_int_equal(post(f, "b"), HD_PUT_NEW);
    end(f, 1);
    begin_post(f);
    assert_int_equal(post(f, "a"), HD_PUT_SAME);
    assert_int_equal(post(f, "b"), HD_PUT_SAME);
    end(f, 1);
    assert_int_equal(counts(f).events, 2);
}

static void test_once_after_rollback(void **s) {
    fixture *f = *s;
    begin_post(f);
    assert_int_equal(post(f, "a"), HD_PUT_NEW);
    end(f, 1);
    begin_post(f);
    assert_int_equal(post(f, "b"), HD_PUT_NEW);
    hd_store_rollback(f->store);
    begin_post(f);
    assert_int_equal(post(f, "c"), HD_PUT_NEW); // takes the place that b had
    assert_int_equal(post(f, "b"), HD_PUT_NEW);
    assert_int_equal(post(f, "a"), HD_PUT_SAME);
    assert_ok(hd_store_begin(f->store));
    assert_int_equal(post(f, "d"), HD_PUT_NEW);
    hd_store_rollback(f->store);
    assert_int_equal(post(f, "d"), HD_PUT_NEW);
    assert_int_equal(post(f, "b"), HD_PUT_SAME);
    end(f, 1);
    // What was moved comes back, and is known again.
    begin_post(f);
    assert_ok(hd_recent_settle(f->door));
    assert_int_equal(post(f, "e"), HD_PUT_NEW);
    hd_store_rollback(f->store);
    assert_int_equal(recent(f), 4);
    begin_post(f);
    assert_int_equal(post(f, "a"), HD_PUT_SAME);
    assert_int_equal(post(f, "d"), HD_PUT_SAME);
    assert_int_equal(post(f, "e"), HD_PUT_NEW);
    end(f, 1);
    assert_int_equal(counts(f).events, 5);
}

static void test_once_beside_others(void **s) {
    fixture *f = *s;
    fixture other = *f;
    begin_post(f);
    assert_int_equal(post(f, "a"), HD_PUT_NEW);
    end(f, 1);
    assert_ok(hd_store_open(f->path, HD_STORE_WRITE, 1 << 20, NULL, &other.store));
    assert_ok(hd_door_open(other.store, f->keys.keyring, &other.door));
    begin_post(&other);
    assert_int_equal(post(&other, "a"), HD_PUT_SAME);
    assert_int_equal(post(&other, "b"), HD_PUT_NEW);
    end(&other, 1);
    begin_post(f);
    assert_int_equal(post(f, "b"), HD_PUT_SAME);
    assert_int_equal(post(f, "c"), HD_PUT_NEW);
    end(f, 1);
    // An erased person's id is made anew, though the first door knew its key.
    int64_t key = key_of(&other, "ann");
    assert_ok(hd_rights_erase(other.door, &key, 1, NULL));
    begin_post(f);
    assert_int_equal(post(f, "a"), HD_PUT_NEW);
    end(f, 1);
    assert_true(key_of(f, "ann") != key);
    hd_door_close(other.door);
    hd_store_close(other.store);
    assert_int_equal(counts(f).events, 1);
}

// Many are moved by who posts.
static void test_when_due(void **s) {
    fixture *f = *s;
    begin_post(f);
    assert_int_equal(post(f, "a"), HD_PUT_NEW);
    end(f, 1);
    assert_int_equal(recent(f), 1);
    begin_post(f);
    assert_int_equal(post(f, "b"), HD_PUT_NEW);
    f->door->recent.n += 1 << 16; // as if
    end(f, 1);
    assert_int_equal(recent(f), 0);
    assert_int_equal(ask(f, "SELECT count(*) FROM events"), 2);
    begin_post(f);
    assert_int_equal(post(f, "b"), HD_PUT_SAME);
    assert_int_equal(post(f, "c"), HD_PUT_NEW);
    end(f, 1);
    assert_int_equal(recent(f), 1);
}

// The more stand, the more come together before they are moved: a small table isn't made to wait
// for a large move, and a large one isn't written page by page.
static void test_how_many(void **s) {
    fixture *f = *s;
    assert_int_equal(hd_recent_most(0), 1 << 13);
    assert_int_equal(hd_recent_most(200000), 12500);
    assert_int_equal(hd_recent_most(1 << 20), 1 << 16);
    assert_int_equal(hd_recent_most(INT64_MAX), 1 << 16);
    begin_post(f);
    assert_int_equal(post(f, "a"), HD_PUT_NEW);
    f->door->recent.n = (1 << 13) - 1; // as if
    end(f, 1);
    assert_int_equal(recent(f), 1);
    begin_post(f);
    assert_int_equal(post(f, "b"), HD_PUT_NEW);
    end(f, 1);
    assert_int_equal(recent(f), 0);
    assert_ok(hd_store_exec(f->store, "UPDATE events_mark SET key = 1000000"));
    begin_post(f);
    assert_int_equal(post(f, "c"), HD_PUT_NEW);
    f->door->recent.n = 1 << 13;
    end(f, 1);
    assert_int_equal(recent(f), 1);
    begin_post(f);
    assert_int_equal(post(f, "c"), HD_PUT_SAME);
    f->door->recent.n = 62500;
    end(f, 1);
    assert_int_equal(recent(f), 0);
    begin_post(f);
    assert_int_equal(post(f, "c"), HD_PUT_SAME);
    end(f, 1);
    // A move that is taken back: the rows stand where they stood, and count once.
    begin_post(f);
    assert_int_equal(post(f, "d"), HD_PUT_NEW);
    end(f, 1);
    begin_post(f);
    assert_int_equal(post(f, "e"), HD_PUT_NEW);
    f->door->recent.n = 1 << 16;
    int64_t repeats;
    assert_ok(hd_door_put_end(f->door, 1, &repeats));
    assert_int_equal(recent(f), 0);
    hd_store_rollback(f->store);
    assert_int_equal(recent(f), 1);
    begin_post(f);
    assert_int_equal(post(f, "d"), HD_PUT_SAME);
    assert_int_equal(post(f, "e"), HD_PUT_NEW);
    end(f, 1);
    assert_int_equal(recent(f), 2);
    assert_int_equal(counts(f).events, 5);
}

// A database of version 2 goes on with what it has.
static void test_upgrade(void **s) {
    fixture *f = *s;
    assert_ok(hd_store_begin(f->store));
    put_some(f, 1, 0, OLD);
    end(f, 1);
    assert_ok(hd_store_exec(
        f->store, "DROP TABLE events_recent; ALTER TABLE events_mark DROP COLUMN removals;"
                  "DELETE FROM migrations WHERE component = 'privacy' AND version > 2"));
    size_t pending;
    assert_ok(hd_store_migrations_pending(f->store, hd_privacy_migrations, hd_privacy_n_migrations,
                                          &pending));
    assert_int_equal(pending, 2);
    assert_ok(hd_store_migrate(f->store, hd_privacy_migrations, hd_privacy_n_migrations));
    begin_post(f);
    assert_int_equal(post(f, "e1"), HD_PUT_SAME);
    assert_int_equal(post(f, "new"), HD_PUT_NEW);
    end(f, 1);
    assert_int_equal(counts(f).events, OLD + 1);
    assert_int_equal(recent(f), 1);
}

// Out of memory anywhere: what was begun is taken back, and an id still counts once.
static void test_memory(void **s) {
    fixture *f = *s;
    begin_post(f);
    put_some(f, 1, 0, 20);
    end(f, 1);
    for (int64_t n = 1;; n++) {
        heed_err err;
        int64_t repeats;
        hd_put what;
        hd_record old = event_record("e1", "u1", "view", 1);
        hd_record new = event_record("fresh", "fresh", "view", 1);
        hd_door_forget(f->door);
        hd_recent_clear(&f->door->recent);
        hd_mem_fail_at((uint64_t)n, true);
        err = hd_store_begin(f->store);
        if (err == HEED_OK) {
            hd_door_put_begin(f->door, HD_LOAD_STEADY);
            err = hd_door_put(f->door, 1, &old, 1, &what);
            if (err == HEED_OK) assert_int_equal(what, HD_PUT_SAME);
            if (err == HEED_OK) err = hd_door_put(f->door, 1, &new, 1, &what);
            if (err == HEED_OK) err = hd_recent_settle(f->door);
            if (err == HEED_OK) err = hd_door_put_end(f->door, 1, &repeats);
            if (err == HEED_OK)
                err = hd_store_commit(f->store);
            else
                hd_store_rollback(f->store);
        }
        hd_mem_fail_at(0, true);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
        assert_int_equal(counts(f).events, 20);
    }
    assert_int_equal(counts(f).events, 21);
    assert_int_equal(recent(f), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TWIN_TEST(test_reads),
        TWIN_TEST(test_slices),
        TWIN_TEST(test_changes),
        TWIN_TEST(test_undo),
        TWIN_TEST(test_expire),
        TWIN_TEST(test_erase),
        TWIN_TEST(test_reseal),
        TWIN_TEST(test_import),
        DOOR_TEST(test_tidy),
        DOOR_TEST(test_once),
        DOOR_TEST(test_once_after_rollback),
        DOOR_TEST(test_once_beside_others),
        DOOR_TEST(test_when_due),
        DOOR_TEST(test_how_many),
        DOOR_TEST(test_upgrade),
        DOOR_TEST(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
