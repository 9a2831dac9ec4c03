// SPDX-License-Identifier: Apache-2.0
//
// Histories that a door keeps in memory. Nobody may see a difference: whatever another connection
// writes, a reader that keeps histories says what the database says, at every step.
#include "privacy_test.h"

#include "base/rng.h"
#include "privacy/own.h"
#include "privacy/rights.h"
#include "store/batch.h"

enum { USERS = 6, STEPS = 260 };

// ── A reader beside the writer ──

typedef struct reader {
    hd_store *store;
    hd_door *door;
} reader;

static reader reader_open(fixture *f, size_t bytes) {
    reader r;
    assert_ok(hd_store_open(f->path, HD_STORE_READ, 4 << 20, NULL, &r.store));
    assert_ok(hd_door_open(r.store, f->keys.keyring, &r.door));
    hd_door_keep_histories(r.door, bytes);
    return r;
}

static void reader_close(reader *r) {
    hd_door_close(r->door);
    hd_store_close(r->store);
}

static bool same_event(const hd_door_event *a, const hd_door_event *b) {
    bool value = isnan(a->value) ? isnan(b->value) : a->value == b->value;
    return value && a->key == b->key && a->item_key == b->item_key && a->time == b->time &&
           strcmp(a->type, b->type) == 0;
}

// Those at an item, of all events in the order that the database gives them.
static void check_order(fixture *f, int64_t user, const hd_door_event *events, size_t n) {
    hd_door_event *all;
    size_t n_all, at = 0;
    assert_ok(hd_door_events(f->door, HD_PURPOSE_RECOMMEND, user, 0, &f->arena, &all, &n_all));
    for (size_t i = 0; i < n_all; i++) {
        if (all[i].item_key == 0) continue;
        assert_true(at < n && events[at].key == all[i].key && events[at].time == all[i].time);
        at++;
    }
    assert_int_equal(at, n);
}

// What the reader says of a user is what the writer's door, which keeps nothing, says.
static void check_user(fixture *f, reader *r, const char *id, hd_history_wish wish) {
    hd_door_event *events, *kept;
    size_t n, n_kept;
    int64_t user, kept_user;
    heed_err said = hd_door_history(f->door, HD_PURPOSE_RECOMMEND, hd_slice_of(id), wish, &f->arena,
                                    &user, &events, &n);
    assert_int_equal(hd_door_history(r->door, HD_PURPOSE_RECOMMEND, hd_slice_of(id), wish,
                                     &f->arena, &kept_user, &kept, &n_kept),
                     said);
    if (said != HEED_OK) return;
    assert_int_equal(user, kept_user);
    assert_int_equal(n, n_kept);
    for (size_t i = 0; i < n; i++) assert_true(same_event(&events[i], &kept[i]));
    if (wish.keys && wish.limit == 0) check_order(f, user, events, n);
    assert_true(r->door->histories.bytes <= r->door->histories.most);
}

static void check_all(fixture *f, reader *r, hd_history_wish wish) {
    assert_ok(hd_store_begin_read(r->store));
    for (int u = 0; u <= USERS; u++) {
        char id[16];
        snprintf(id, sizeof id, "u%d", u);
        check_user(f, r, id, wish);
        check_user(f, r, id, wish); // the second time from memory
    }
    hd_store_rollback(r->store);
}

// ── What a writer does ──

typedef struct writer {
    fixture *f;
    hd_rng rng;
    int64_t batch;
    int next;
    int done[9]; // how often each
} writer;

static void begin_batch(writer *w, hd_load_mode mode) {
    hd_batch b = {.kind = "events", .source = "-", .preset = "", .started = 1000 * w->batch};
    assert_ok(hd_store_begin(w->f->store));
    assert_ok(hd_batch_begin(w->f->store, &b));
    w->batch = b.id;
    hd_door_put_begin(w->f->door, mode);
}

static void put_events(writer *w, int n) {
    static const char *const types[] = {"view", "cart", "buy"};
    for (int i = 0; i < n; i++, w->next++) {
        char id[16], user[16];
        snprintf(id, sizeof id, "e%d", w->next);
        snprintf(user, sizeof user, "u%d", (int)hd_rng_below(&w->rng, USERS));
        hd_record r =
            event_record(id, hd_rng_below(&w->rng, 20) ? user : NULL,
                         types[hd_rng_below(&w->rng, 3)], (int64_t)hd_rng_below(&w->rng, 500));
        if (hd_rng_below(&w->rng, 9) == 0) r.event.time = HD_TIME_NONE;
        if (hd_rng_below(&w->rng, 2)) r.event.value = (double)hd_rng_below(&w->rng, 100) / 4;
        put(w->f, w->batch, r, (int64_t)hd_rng_below(&w->rng, 12)); // 0: at no item
    }
}

static void post(writer *w) {
    begin_batch(w, HD_LOAD_STEADY);
    put_events(w, 1 + (int)hd_rng_below(&w->rng, 20));
    end(w->f, w->batch);
}

static void import(writer *w) {
    begin_batch(w, HD_LOAD_BULK);
    put_events(w, 30);
    end(w->f, w->batch);
}

static void take_back(writer *w) {
    begin_batch(w, HD_LOAD_BULK);
    put_events(w, 5);
    hd_store_rollback(w->f->store);
}

static void move_slice(writer *w) {
    assert_ok(hd_store_begin(w->f->store));
    assert_ok(hd_recent_slice(w->f->door, 7));
    assert_ok(hd_store_commit(w->f->store));
}

static void undo_last(writer *w) {
    if (w->batch > 0 && ask(w->f, "SELECT count(*) FROM import_batches") > 0) {
        int64_t rows;
        assert_ok(hd_door_undo(w->f->door, w->batch, &rows));
    }
}

static void remove_one(writer *w) {
    hd_door_event *events;
    int64_t user;
    if (hd_door_user_find(w->f->door, HD_PURPOSE_PROFILE, hd_slice_of("u1"), &user) != HEED_OK)
        return;
    size_t n = events_of(w->f, "u1", &events);
    if (n == 0) return;
    const hd_correction what = {.events = &events[hd_rng_below(&w->rng, n)].key, .n_events = 1};
    assert_ok(hd_rights_correct(w->f->door, user, &what));
}

static void erase(writer *w) {
    int64_t user;
    if (hd_door_user_find(w->f->door, HD_PURPOSE_PROFILE, hd_slice_of("u2"), &user) == HEED_OK)
        assert_ok(hd_rights_erase(w->f->door, &user, 1, NULL));
}

static void expire(writer *w) {
    hd_expired gone;
    hd_expiring at = {0};
    const hd_retention before = {(int64_t)hd_rng_below(&w->rng, 60), HD_TIME_NONE, HD_TIME_NONE,
                                 HD_TIME_NONE};
    while (!hd_rights_expired_all(&at))
        assert_ok(hd_rights_expire(w->f->door, &before, 50, &at, &gone));
}

static void join(writer *w) {
    if (w->done[8] == 2) // once, in the middle of it all
        assert_ok(hd_door_merge(w->f->door, hd_slice_of("u4"), hd_slice_of("u3")));
}

static void (*const acts[])(writer *) = {post,       import, take_back, move_slice, undo_last,
                                         remove_one, erase,  expire,    join};
// Of 40 steps.
static const int often[] = {12, 6, 2, 9, 2, 3, 1, 2, 3};

static void act(writer *w) {
    int64_t at = (int64_t)hd_rng_below(&w->rng, 40);
    size_t a = 0;
    while (at >= often[a]) at -= often[a++];
    w->done[a]++;
    acts[a](w);
}

static void test_same(void **s) {
    writer w = {.f = *s, .rng = hd_rng_make(11, 0)};
    assert_ok(hd_store_migrate(w.f->store, hd_batch_migrations, hd_batch_n_migrations));
    import(&w);
    // Room for all, and room for two at a time.
    reader ample = reader_open(w.f, 1 << 20), scant = reader_open(w.f, 5000);
    size_t most = 0;
    for (int step = 0; step < STEPS; step++) {
        act(&w);
        hd_history_wish wish = {step % 3 == 0, step % 31 < 3 ? 40 : step % 5 ? 5000 : 0};
        check_all(w.f, &ample, wish);
        if (step % 3) check_all(w.f, &scant, wish); // it hears of several changes at once
        if (ample.door->histories.bytes > most) most = ample.door->histories.bytes;
        hd_arena_clear(&w.f->arena);
    }
    for (size_t a = 0; a < sizeof acts / sizeof *acts; a++) assert_true(w.done[a] > 1);
    assert_true(most > 10000);
    reader_close(&ample);
    reader_close(&scant);
}

// More new rows than are looked through: all is read anew.
static void test_many_new(void **s) {
    writer w = {.f = *s, .rng = hd_rng_make(12, 0)};
    assert_ok(hd_store_migrate(w.f->store, hd_batch_migrations, hd_batch_n_migrations));
    begin_batch(&w, HD_LOAD_BULK);
    put_events(&w, 600);
    end(w.f, w.batch);
    reader r = reader_open(w.f, 1 << 20);
    check_all(w.f, &r, (hd_history_wish){true, 0});
    size_t before = r.door->histories.bytes;
    assert_true(before > 600 * sizeof(hd_history_row) / 2);
    begin_batch(&w, HD_LOAD_BULK);
    put_events(&w, 9000);
    end(w.f, w.batch);
    check_all(w.f, &r, (hd_history_wish){true, 0});
    assert_true(r.door->histories.bytes > 10 * before);
    reader_close(&r);
}

// ── When it is used ──

static void fill(writer *w) {
    assert_ok(hd_store_migrate(w->f->store, hd_batch_migrations, hd_batch_n_migrations));
    begin_batch(w, HD_LOAD_BULK);
    put_events(w, 600);
    end(w->f, w->batch);
}

// What a transaction wrote itself, or what is read outside of one, is the database's to say.
static void test_reading_only(void **s) {
    writer w = {.f = *s, .rng = hd_rng_make(13, 0)};
    hd_door_event *events;
    size_t n;
    int64_t user;
    const hd_history_wish all = {0};
    fill(&w);
    hd_door_keep_histories(w.f->door, 1 << 20);
    assert_ok(hd_door_history(w.f->door, HD_PURPOSE_RECOMMEND, hd_slice_of("u1"), all, &w.f->arena,
                              &user, &events, &n));
    assert_int_equal(w.f->door->histories.bytes, 0);
    assert_ok(hd_store_begin(w.f->store));
    assert_ok(hd_door_history(w.f->door, HD_PURPOSE_RECOMMEND, hd_slice_of("u1"), all, &w.f->arena,
                              &user, &events, &n));
    hd_store_rollback(w.f->store);
    assert_int_equal(w.f->door->histories.bytes, 0);
    assert_ok(hd_store_begin_read(w.f->store));
    assert_ok(hd_door_history(w.f->door, HD_PURPOSE_RECOMMEND, hd_slice_of("u1"), all, &w.f->arena,
                              &user, &events, &n));
    hd_store_rollback(w.f->store);
    assert_true(w.f->door->histories.bytes > 0);
    hd_door_keep_histories(w.f->door, 0);
    assert_int_equal(w.f->door->histories.bytes, 0);
}

// Once kept, the rows aren't read again: what is altered behind the door's back doesn't show.
static void test_kept(void **s) {
    writer w = {.f = *s, .rng = hd_rng_make(14, 0)};
    hd_door_event *events;
    size_t n, again;
    int64_t user;
    const hd_history_wish all = {0};
    fill(&w);
    reader r = reader_open(w.f, 1 << 20);
    assert_ok(hd_store_begin_read(r.store));
    assert_ok(hd_door_history(r.door, HD_PURPOSE_RECOMMEND, hd_slice_of("u1"), all, &w.f->arena,
                              &user, &events, &n));
    hd_store_rollback(r.store);
    assert_true(n > 32);
    assert_ok(hd_store_exec(w.f->store, "DELETE FROM events WHERE key < 100"));
    assert_ok(hd_store_begin_read(r.store));
    assert_ok(hd_door_history(r.door, HD_PURPOSE_RECOMMEND, hd_slice_of("u1"), all, &w.f->arena,
                              &user, &events, &again));
    hd_store_rollback(r.store);
    assert_int_equal(again, n);
    reader_close(&r);
}

// What a row of 24 bytes can't hold isn't kept, and comes out right all the same.
static void test_wide(void **s) {
    writer w = {.f = *s, .rng = hd_rng_make(15, 0)};
    fill(&w);
    assert_ok(hd_store_exec(w.f->store, "UPDATE events SET value = 0.1 WHERE user_key = "
                                        "(SELECT min(user_key) FROM events)"));
    reader r = reader_open(w.f, 1 << 20);
    check_all(w.f, &r, (hd_history_wish){true, 0});
    int64_t wide = ask(w.f, "SELECT min(user_key) FROM events");
    assert_null(hd_histories_get(&r.door->histories, wide));
    assert_non_null(hd_histories_get(&r.door->histories, wide + 1));
    reader_close(&r);
}

// ── The memory itself ──

static void test_bounds(void **s) {
    (void)s;
    hd_histories all;
    hd_histories_init(&all);
    assert_null(hd_histories_put(&all, 1, 100)); // nothing may be kept
    all.most = 20000;
    assert_null(hd_histories_put(&all, 1, 3));    // too few to matter
    assert_null(hd_histories_put(&all, 1, 1000)); // larger than all there is
    for (int64_t person = 1; person < 5000; person++) {
        size_t n = 32 + (size_t)person % 90;
        hd_kept_history *kept = hd_histories_put(&all, person, n);
        assert_non_null(kept);
        memset(kept->rows, (int)person, n * sizeof *kept->rows);
        assert_true(all.bytes <= all.most);
        assert_ptr_equal(hd_histories_get(&all, person), kept);
        assert_int_equal(kept->n, n);
    }
    assert_null(hd_histories_get(&all, 1));
    hd_histories_drop(&all, 4999);
    assert_null(hd_histories_get(&all, 4999));
    hd_histories_clear(&all);
    assert_int_equal(all.bytes, 0);
    assert_null(hd_histories_get(&all, 4998));
}

// New rows stand by their times, behind those of the same time, and count against the bound.
static void test_add(void **s) {
    (void)s;
    hd_histories all;
    hd_histories_init(&all);
    all.most = 32 * 1000;
    hd_kept_history *kept = hd_histories_put(&all, 7, 40);
    for (uint32_t i = 0; i < 40; i++)
        kept->rows[i] = (hd_history_row){.time = i / 2 * 10, .key = i + 1};
    for (uint32_t i = 0; i < 200; i++)
        hd_histories_add(&all, 7, (hd_history_row){.time = i * 37 % 200, .key = 41 + i});
    const hd_kept_history *now = hd_histories_get(&all, 7);
    assert_int_equal(now->n, 240);
    for (size_t i = 1; i < now->n; i++) {
        const hd_history_row *a = &now->rows[i - 1], *b = &now->rows[i];
        assert_true(a->time < b->time || (a->time == b->time && a->key < b->key));
    }
    hd_histories_add(&all, 8, (hd_history_row){.time = 1}); // of nobody who is kept
    assert_null(hd_histories_get(&all, 8));
    for (uint32_t i = 0; i < 2000; i++) hd_histories_add(&all, 7, (hd_history_row){.time = i});
    assert_null(hd_histories_get(&all, 7)); // outgrew the bound
    assert_int_equal(all.bytes, 0);
    hd_histories_clear(&all);
}

// Without memory nothing is kept, and nothing else fails.
static void test_memory(void **s) {
    (void)s;
    for (int64_t n = 1; n <= 2; n++) {
        hd_histories all;
        hd_histories_init(&all);
        all.most = 20000;
        hd_mem_fail_at((uint64_t)n, true);
        assert_null(hd_histories_put(&all, 1, 100));
        hd_mem_fail_at(0, true);
        assert_int_equal(all.bytes, 0);
        hd_kept_history *kept = hd_histories_put(&all, 1, 100);
        assert_non_null(kept);
        memset(kept->rows, 0, 100 * sizeof *kept->rows);
        hd_mem_fail_at(1, true);
        hd_histories_add(&all, 1, (hd_history_row){.time = 5}); // no room: read anew when asked for
        hd_mem_fail_at(0, true);
        assert_null(hd_histories_get(&all, 1));
        assert_int_equal(all.bytes, 0);
        hd_histories_clear(&all);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DOOR_TEST(test_same),       DOOR_TEST(test_many_new),      DOOR_TEST(test_reading_only),
        DOOR_TEST(test_kept),       DOOR_TEST(test_wide),          cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_add), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
