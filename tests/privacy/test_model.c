// SPDX-License-Identifier: Apache-2.0
//
// Random imports, rollbacks, joins and undoings, against the plainest model: arrays, and a stack of
// versions for whatever can be overwritten. After each step everything readable is compared.
#include "privacy_test.h"

#include "base/rng.h"

enum {
    IDS = 12,
    ITEMS = 5,
    EVENT_IDS = 3000,
    MAX_EVENTS = 12000,
    MAX_REVIEWS = 600,
    MAX_TICKETS = 8,
    MAX_MESSAGES = 600,
    MAX_LINKS = 200,
    DEPTH = 60 // versions of one row
};

typedef struct version {
    int64_t batch;
    int a, b; // -1: not given
    int user; // of reviews and tickets, -1: none
} version;

typedef struct stack {
    version v[DEPTH];
    int n;
} stack;

typedef struct m_event {
    int id, user, item, type, value; // id -1: none; user -1: anonymous
    hd_time time;
    int64_t batch;
} m_event;

typedef struct m_review {
    int id; // -1: known by user, item, time
    int user, item;
    hd_time time;
    stack s; // a: rating
} m_review;

typedef struct m_message {
    int ticket, id; // id -1: none
    int64_t batch;
} m_message;

typedef struct m_link {
    int from, into;
    int64_t batch;
} m_link;

typedef struct model {
    bool exists[IDS];
    int64_t key[IDS];
    stack users[IDS]; // a, b: attributes
    m_event events[MAX_EVENTS];
    int n_events;
    m_review reviews[MAX_REVIEWS];
    int n_reviews;
    stack tickets[MAX_TICKETS]; // a: status
    m_message messages[MAX_MESSAGES];
    int n_messages;
    m_link links[MAX_LINKS];
    int n_links;
    int person[IDS];
} model;

static model now, saved;
static hd_rng rng;

static int below(int n) {
    return (int)hd_rng_below(&rng, (uint64_t)n);
}
static const char *text(const char *prefix, int i) {
    static char buffers[8][32];
    static int at;
    if (i < 0) return NULL;
    at = (at + 1) % 8;
    snprintf(buffers[at], sizeof buffers[at], "%s%d", prefix, i);
    return buffers[at];
}
static int maybe(int n) { // -1 now and then
    return below(3) == 0 ? -1 : below(n);
}
static hd_time some_time(void) {
    int t = below(8);
    return t == 0 ? HD_TIME_NONE : t * 1000;
}

// ── The model ──

static void unite_all(void) {
    for (int i = 0; i < IDS; i++) now.person[i] = i;
    for (int l = 0; l < now.n_links; l++) {
        int from = now.person[now.links[l].from], into = now.person[now.links[l].into];
        for (int i = 0; i < IDS; i++) {
            if (now.person[i] == from) now.person[i] = into;
        }
    }
}

static bool link_ids(int from, int into, int64_t batch) {
    if (from == into) return false;
    for (int l = 0; l < now.n_links; l++) {
        if (now.links[l].from == from && now.links[l].into == into) return false;
    }
    assert_true(now.n_links < MAX_LINKS);
    now.links[now.n_links++] = (m_link){from, into, batch};
    unite_all();
    return true;
}

// Writes what is given over the top version. Returns what a put says.
static hd_put write_version(stack *s, int64_t batch, int a, int b, int user) {
    bool fresh = s->n == 0;
    version next = fresh ? (version){batch, -1, -1, -1} : s->v[s->n - 1];
    version old = next;
    if (a >= 0) next.a = a;
    if (b >= 0) next.b = b;
    if (user >= 0) next.user = user;
    if (!fresh && next.a == old.a && next.b == old.b && next.user == old.user) return HD_PUT_SAME;
    next.batch = batch;
    if (!fresh && old.batch == batch) {
        s->v[s->n - 1] = next;
    } else {
        assert_true(s->n < DEPTH);
        s->v[s->n++] = next;
    }
    return fresh ? HD_PUT_NEW : HD_PUT_CHANGED;
}

static void touch(int id) {
    if (id >= 0) now.exists[id] = true;
}

// A batch above `batch` in the stack, 0: none.
static bool overwritten(const stack *s, int64_t batch) {
    for (int i = 0; i + 1 < s->n; i++) {
        if (s->v[i].batch == batch) return true;
    }
    return false;
}
static void pop(stack *s, int64_t batch) {
    if (s->n > 0 && s->v[s->n - 1].batch == batch) s->n--;
}

static bool m_conflict(int64_t batch) {
    for (int i = 0; i < IDS; i++) {
        if (overwritten(&now.users[i], batch)) return true;
    }
    for (int i = 0; i < now.n_reviews; i++) {
        if (overwritten(&now.reviews[i].s, batch)) return true;
    }
    for (int t = 0; t < MAX_TICKETS; t++) {
        const stack *s = &now.tickets[t];
        if (overwritten(s, batch)) return true;
        if (s->n == 0 || s->v[0].batch != batch) continue;
        for (int m = 0; m < now.n_messages; m++) {
            if (now.messages[m].ticket == t && now.messages[m].batch != batch) return true;
        }
    }
    return false;
}

static bool referred(int id) {
    if (now.users[id].n > 0) return true;
    for (int e = 0; e < now.n_events; e++) {
        if (now.events[e].user == id) return true;
    }
    for (int r = 0; r < now.n_reviews; r++) {
        for (int v = 0; v < now.reviews[r].s.n; v++) {
            if (now.reviews[r].s.v[v].user == id) return true;
        }
    }
    for (int t = 0; t < MAX_TICKETS; t++) {
        for (int v = 0; v < now.tickets[t].n; v++) {
            if (now.tickets[t].v[v].user == id) return true;
        }
    }
    for (int l = 0; l < now.n_links; l++) {
        if (now.links[l].from == id || now.links[l].into == id) return true;
    }
    return false;
}

static void m_undo(int64_t batch) {
    int n = 0;
    for (int e = 0; e < now.n_events; e++) {
        if (now.events[e].batch != batch) now.events[n++] = now.events[e];
    }
    now.n_events = n;
    for (int i = 0; i < IDS; i++) pop(&now.users[i], batch);
    n = 0;
    for (int r = 0; r < now.n_reviews; r++) {
        pop(&now.reviews[r].s, batch);
        if (now.reviews[r].s.n > 0) now.reviews[n++] = now.reviews[r];
    }
    now.n_reviews = n;
    for (int t = 0; t < MAX_TICKETS; t++) pop(&now.tickets[t], batch);
    n = 0;
    for (int m = 0; m < now.n_messages; m++) {
        if (now.messages[m].batch != batch) now.messages[n++] = now.messages[m];
    }
    now.n_messages = n;
    n = 0;
    for (int l = 0; l < now.n_links; l++) {
        if (now.links[l].batch != batch) now.links[n++] = now.links[l];
    }
    now.n_links = n;
    unite_all();
    for (int i = 0; i < IDS; i++) now.exists[i] = now.exists[i] && referred(i);
}

// ── One record, on both sides ──

// Returns 1 when the model calls the event new although the door may find that out later only.
static int put_event(fixture *f, int64_t batch, int *reported) {
    m_event e = {below(2) ? -1 : below(EVENT_IDS),
                 maybe(IDS),
                 below(ITEMS),
                 below(3),
                 below(5) - 1,
                 some_time(),
                 batch};
    hd_record r = event_record(text("e", e.id), text("u", e.user), text("type", e.type), e.time);
    if (e.value >= 0) r.event.value = e.value;
    hd_put what = put(f, batch, r, e.item);
    *reported += what == HD_PUT_NEW;
    for (int i = 0; e.id >= 0 && i < now.n_events; i++) {
        if (now.events[i].id == e.id) return 0;
    }
    assert_int_equal(what, HD_PUT_NEW);
    assert_true(now.n_events < MAX_EVENTS);
    now.events[now.n_events++] = e;
    touch(e.user);
    return 1;
}

static void put_user(fixture *f, int64_t batch) {
    int id = below(IDS), a = maybe(3), b = maybe(3), alias = below(4) ? -1 : below(IDS);
    char attributes[64], *end_at = attributes;
    end_at += snprintf(end_at, 16, "{");
    if (a >= 0) end_at += snprintf(end_at, 16, "\"a\":%d%s", a, b >= 0 ? "," : "");
    if (b >= 0) end_at += snprintf(end_at, 16, "\"b\":%d", b);
    snprintf(end_at, 16, "}");
    hd_put what = put(f, batch, user_record(text("u", id), text("u", alias), attributes), 0);
    touch(id);
    bool bare = now.users[id].n == 0;
    hd_put want = write_version(&now.users[id], batch, a, b, -1);
    if (bare) want = HD_PUT_NEW;
    if (alias >= 0) {
        touch(alias);
        if (link_ids(alias, id, batch) && want == HD_PUT_SAME) want = HD_PUT_CHANGED;
    }
    assert_int_equal(what, want);
}

static void put_review(fixture *f, int64_t batch) {
    int id = below(2) ? -1 : below(40), user = below(5) ? below(IDS) : -1, rating = below(6);
    // With an id, item and time follow from it: the model keeps no versions of them.
    int item = id >= 0 ? id % ITEMS : below(ITEMS);
    hd_time time = id >= 0 ? id % 7 * 1000 : some_time();
    hd_put what =
        put(f, batch, review_record(text("r", id), text("u", user), rating, NULL, time), item);
    touch(user);
    int r = 0;
    for (; r < now.n_reviews; r++) {
        m_review *m = &now.reviews[r];
        if (id >= 0
                ? m->id == id
                : user >= 0 && m->id < 0 && m->user == user && m->item == item && m->time == time) {
            break;
        }
    }
    if (r == now.n_reviews) {
        assert_true(now.n_reviews < MAX_REVIEWS);
        now.reviews[now.n_reviews++] = (m_review){id, user, item, time, {.n = 0}};
    }
    m_review *m = &now.reviews[r];
    assert_int_equal(what, write_version(&m->s, batch, rating, -1, user));
}

static void put_ticket(fixture *f, int64_t batch) {
    int id = below(MAX_TICKETS), user = maybe(IDS), status = maybe(3), message = maybe(20);
    bool talks = below(2);
    hd_put what = put(f, batch,
                      ticket_record(text("t", id), text("u", user), text("s", status),
                                    text("m", talks ? message : -1), talks ? "hello" : NULL),
                      0);
    touch(user);
    hd_put want = write_version(&now.tickets[id], batch, status, -1, user);
    bool known = !talks;
    for (int m = 0; talks && message >= 0 && m < now.n_messages; m++) {
        known |= now.messages[m].ticket == id && now.messages[m].id == message;
    }
    if (!known) {
        assert_true(now.n_messages < MAX_MESSAGES);
        now.messages[now.n_messages++] = (m_message){id, message, batch};
        if (want == HD_PUT_SAME) want = HD_PUT_NEW;
    }
    assert_int_equal(what, want);
}

// ── Comparing ──

static void compare_event(const hd_door_event *got, const m_event *want) {
    assert_int_equal(got->item_key, want->item);
    assert_string_equal(got->type, text("type", want->type));
    assert_true(want->value < 0 ? isnan(got->value) : got->value == want->value);
    assert_true(got->time == want->time);
}

// The events of a person in time order, stable. Returns how many.
static int person_events(int person, m_event *out) {
    int n = 0;
    for (int t = 0; t < 9; t++) { // HD_TIME_NONE, 0, 1000 …: every time there is
        hd_time time = t == 0 ? HD_TIME_NONE : (t - 1) * 1000;
        for (int e = 0; e < now.n_events; e++) {
            const m_event *event = &now.events[e];
            if (event->user < 0 || now.person[event->user] != person || event->time != time)
                continue;
            out[n++] = *event;
        }
    }
    return n;
}

static void compare_users(fixture *f) {
    static m_event want[MAX_EVENTS];
    int persons = 0;
    for (int i = 0; i < IDS; i++) {
        int64_t key = 0;
        heed_err err =
            hd_door_user_find(f->door, HD_PURPOSE_PROFILE, hd_slice_of(text("u", i)), &key);
        assert_int_equal(err, now.exists[i] ? HEED_OK : HEED_NOT_FOUND);
        if (!now.exists[i]) continue;
        persons += now.person[i] == i;
        assert_int_equal(key, key_of(f, text("u", now.person[i])));
        assert_string_equal(user_of(f, text("u", i)).id, text("u", now.person[i]));
        hd_door_event *got;
        int n = person_events(now.person[i], want);
        assert_int_equal(events_of(f, text("u", i), &got), n);
        for (int e = 0; e < n; e++) compare_event(&got[e], &want[e]);
        if (now.person[i] == i && now.users[i].n > 0) {
            const version *v = &now.users[i].v[now.users[i].n - 1];
            const char *attributes = user_of(f, text("u", i)).attributes;
            char a[16], b[16];
            snprintf(a, sizeof a, "\"a\":%d", v->a);
            snprintf(b, sizeof b, "\"b\":%d", v->b);
            assert_true(v->a < 0 || strstr(attributes, a));
            assert_true(v->b < 0 || strstr(attributes, b));
        }
    }
    hd_door_counts c = counts(f);
    assert_int_equal(c.users, persons);
    assert_int_equal(c.events, now.n_events);
    assert_int_equal(c.reviews, now.n_reviews);
    assert_int_equal(c.messages, now.n_messages);
    int tickets = 0;
    for (int t = 0; t < MAX_TICKETS; t++) tickets += now.tickets[t].n > 0;
    assert_int_equal(c.tickets, tickets);
}

static void compare_reviews(fixture *f) {
    for (int i = 0; i < IDS; i++) {
        if (!now.exists[i]) continue;
        hd_door_review *got;
        size_t n, want = 0;
        int64_t sum = 0, want_sum = 0;
        assert_ok(hd_door_reviews(f->door, HD_PURPOSE_NEED, key_of(f, text("u", i)), &f->arena,
                                  &got, &n));
        for (size_t r = 0; r < n; r++) {
            assert_true(r == 0 || got[r - 1].time <= got[r].time);
            sum += (int64_t)got[r].rating;
        }
        for (int r = 0; r < now.n_reviews; r++) {
            const version *v = &now.reviews[r].s.v[now.reviews[r].s.n - 1];
            if (v->user < 0 || now.person[v->user] != now.person[i]) continue;
            want++;
            want_sum += v->a;
        }
        assert_int_equal(n, want);
        assert_int_equal(sum, want_sum);
    }
}

// A history is what the events at items are, with and without their keys; with a limit, the last
// of them.
static void check_history(fixture *f, int64_t person, const hd_door_event *events, size_t n) {
    char *id;
    size_t at_items = 0;
    assert_ok(hd_door_user_id(f->door, HD_PURPOSE_RECOMMEND, person, &f->arena, &id));
    for (size_t i = 0; i < n; i++) at_items += events[i].item_key != 0;
    for (int way = 0; way < 6; way++) {
        const size_t limits[] = {0, 1, at_items / 2 + 1};
        const hd_history_wish wish = {.keys = way % 2, .limit = limits[way / 2]};
        hd_door_event *history;
        int64_t key;
        size_t n_history, at = 0;
        assert_ok(hd_door_history(f->door, HD_PURPOSE_RECOMMEND, hd_slice_of(id), wish, &f->arena,
                                  &key, &history, &n_history));
        assert_int_equal(key, person);
        size_t left_out = wish.limit && wish.limit < at_items ? at_items - wish.limit : 0;
        for (size_t i = 0; i < n; i++) {
            if (events[i].item_key == 0) continue;
            if (left_out > 0) {
                left_out--;
                continue;
            }
            assert_true(at < n_history);
            const hd_door_event *e = &history[at++];
            assert_int_equal(e->key, wish.keys ? events[i].key : 0);
            assert_ptr_equal(e->type, events[i].type);
            assert_true(e->time == events[i].time && e->item_key == events[i].item_key);
            assert_true(e->value == events[i].value || (isnan(e->value) && isnan(events[i].value)));
        }
        assert_int_equal(at, n_history);
    }
}

// The scan yields, in key order, what reading person by person does.
typedef struct scan_check {
    fixture *f;
    int64_t last;
    int users;
    int64_t events;
} scan_check;

static heed_err scan_one(void *ctx, int64_t key, const hd_door_event *events, size_t n,
                         const hd_door_review *reviews, size_t n_reviews) {
    scan_check *s = ctx;
    assert_true(key > s->last);
    s->last = key;
    s->users++;
    s->events += (int64_t)n;
    hd_door_event *want;
    hd_door_review *want_reviews;
    size_t want_n, want_n_reviews;
    assert_ok(hd_door_events(s->f->door, HD_PURPOSE_NEED, key, 0, &s->f->arena, &want, &want_n));
    assert_int_equal(n, want_n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(events[i].key, want[i].key);
        assert_ptr_equal(events[i].type, want[i].type);
        assert_true(events[i].time == want[i].time && events[i].item_key == want[i].item_key);
    }
    check_history(s->f, key, want, want_n);
    assert_ok(hd_door_reviews(s->f->door, HD_PURPOSE_NEED, key, &s->f->arena, &want_reviews,
                              &want_n_reviews));
    assert_int_equal(n_reviews, want_n_reviews);
    for (size_t i = 0; i < n_reviews; i++) assert_int_equal(reviews[i].key, want_reviews[i].key);
    return HEED_OK;
}

static heed_err count_event(void *ctx, int64_t user_key, const hd_door_event *event) {
    int *at = ctx;
    compare_event(event, &now.events[*at]);
    int user = now.events[*at].user;
    assert_int_equal(user_key == 0, user < 0);
    ++*at;
    return HEED_OK;
}

static void compare_scans(fixture *f) {
    scan_check s = {.f = f};
    assert_ok(hd_door_scan(f->door, HD_PURPOSE_NEED, true, scan_one, &s));
    assert_int_equal(s.users, counts(f).users);
    assert_int_equal(s.events, now.n_events - counts(f).anonymous_events);
    int with_events = 0;
    static m_event unused[MAX_EVENTS];
    for (int i = 0; i < IDS; i++) with_events += person_events(i, unused) > 0;
    s = (scan_check){.f = f};
    assert_ok(hd_door_scan(f->door, HD_PURPOSE_NEED, false, scan_one, &s));
    assert_int_equal(s.users, with_events);
    int at = 0;
    assert_ok(hd_door_scan_events(f->door, HD_PURPOSE_CARE, count_event, &at));
    assert_int_equal(at, now.n_events);
}

static double by_value(void *ctx, const char *type, double value) {
    (void)ctx;
    return strcmp(type, "type0") == 0 ? 0 : isnan(value) ? 0.5 : value;
}

static void compare_snapshot(fixture *f) {
    static m_event want[MAX_EVENTS];
    const int64_t items[] = {4, 2, 1}; // item 3 isn't wanted; column 0 is item 4
    hd_snapshot s;
    assert_ok(
        hd_door_snapshot(f->door, HD_PURPOSE_TRAIN, items, 3, (hd_signals){by_value, NULL}, &s));
    assert_int_equal(s.events.n_cols, 3);
    size_t rows = 0, entries = 0;
    for (size_t row = 0; row < s.events.n_rows; row++) {
        assert_true(row == 0 || s.user_key[row - 1] < s.user_key[row]);
    }
    for (int p = 0; p < IDS; p++) {
        int n = now.exists[p] && now.person[p] == p ? person_events(p, want) : 0;
        size_t row = 0, e = 0, kept = 0;
        if (n > 0) {
            int64_t key = key_of(f, text("u", p));
            while (row < s.events.n_rows && s.user_key[row] != key) row++;
            if (row < s.events.n_rows) e = s.events.start[row];
        }
        for (int i = 0; i < n; i++) {
            double weight = by_value(NULL, text("type", want[i].type),
                                     want[i].value < 0 ? (double)NAN : want[i].value);
            if (weight <= 0 || want[i].item == 0 || want[i].item == 3) continue;
            uint32_t col = want[i].item == 4 ? 0 : want[i].item == 2 ? 1 : 2;
            assert_true(row < s.events.n_rows);
            assert_int_equal(s.events.col[e], col);
            assert_true(s.events.weight[e] == (float)weight);
            assert_true((s.events.time ? s.events.time[e] : HD_TIME_NONE) == want[i].time);
            e++, kept++;
        }
        rows += kept > 0;
        entries += kept;
    }
    assert_int_equal(s.events.n_rows, rows);
    assert_int_equal(s.events.n, entries);
    assert_int_equal(s.events.start[s.events.n_rows], entries);
    hd_snapshot_clear(&s);
}

static void compare(fixture *f) {
    compare_users(f);
    compare_reviews(f);
    compare_scans(f);
    compare_snapshot(f);
    hd_arena_reset(&f->arena);
}

// ── Steps ──

static void import_batch(fixture *f, int64_t batch, int n, int kinds) {
    int fresh = 0, reported = 0;
    saved = now;
    assert_ok(hd_store_begin(f->store));
    for (int i = 0; i < n; i++) {
        switch (below(kinds)) {
        case 0:
            put_user(f, batch);
            break;
        case 1:
            put_review(f, batch);
            break;
        case 2:
            put_ticket(f, batch);
            break;
        default:
            fresh += put_event(f, batch, &reported);
            break;
        }
    }
    if (below(6) == 0) {
        hd_store_rollback(f->store);
        now = saved;
        return;
    }
    int64_t repeats = end(f, batch);
    assert_int_equal(reported - repeats, fresh);
}

static void try_undo(fixture *f, int64_t batch) {
    int64_t rows;
    if (m_conflict(batch)) {
        assert_fails(HEED_CONFLICT, hd_door_undo(f->door, batch, &rows));
        return;
    }
    undo(f, batch);
    m_undo(batch);
}

static void merge(fixture *f) {
    int from = below(IDS), into = below(IDS);
    heed_err want = now.exists[from] && now.exists[into] ? HEED_OK : HEED_NOT_FOUND;
    assert_int_equal(
        hd_door_merge(f->door, hd_slice_of(text("u", from)), hd_slice_of(text("u", into))), want);
    if (want == HEED_OK) link_ids(from, into, 0);
}

static void run(fixture *f, uint64_t seed, int steps, int size) {
    rng = hd_rng_make(seed, 0);
    memset(&now, 0, sizeof now);
    unite_all();
    int64_t batch = 0;
    for (int step = 0; step < steps; step++) {
        int what = below(10);
        if (what < 6) {
            import_batch(f, ++batch, 1 + below(size), size > 100 ? 40 : 5);
        } else if (what < 9 && batch > 0) {
            try_undo(f, 1 + below((int)batch));
        } else if (below(3) == 0) {
            merge(f);
        }
        compare(f);
    }
    for (int round = 0; round < (int)batch; round++) {
        for (int64_t b = batch; b > 0; b--) {
            if (!m_conflict(b)) try_undo(f, b);
        }
    }
    compare(f);
    assert_int_equal(counts(f).events, 0);
}

static void test_small(void **state) {
    run(*state, 1, 60, 12);
}
static void test_other(void **state) {
    run(*state, 2, 60, 12);
}
static void test_bulk(void **state) {
    run(*state, 3, 12, 2500);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DOOR_TEST(test_small),
        DOOR_TEST(test_other),
        DOOR_TEST(test_bulk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
