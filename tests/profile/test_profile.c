// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "profile/fact.h"

// ── A small shop ──

static const char *home_kitchen[] = {"Home", "Kitchen"};
static const char *home[] = {"Home"};
static const char *electronics[] = {"Electronics"};
static const char *books[] = {"Books"};
static hd_item shop_items[] = {
    {.key = 11,
     .brand = "Acme",
     .categories = home_kitchen,
     .n_categories = 2,
     .price = 30,
     .currency = "CNY"},
    {.key = 12,
     .brand = "Bell",
     .categories = electronics,
     .n_categories = 1,
     .price = 300,
     .currency = "CNY"},
    {.key = 13,
     .brand = "",
     .categories = books,
     .n_categories = 1,
     .price = 10,
     .currency = "CNY"},
    {.key = 14,
     .brand = "Acme",
     .categories = home,
     .n_categories = 1,
     .price = 20,
     .currency = "CNY"},
    {.key = 15, .brand = "", .price = NAN},
    {.key = 16, .brand = "", .price = 5, .currency = "EUR"},
};
static hd_items shop = {.items = shop_items, .n = sizeof shop_items / sizeof shop_items[0]};

static double weigh(void *ctx, const char *type, double value) {
    (void)ctx;
    (void)value;
    const struct {
        const char *type;
        double weight;
    } rows[] = {{"view", 1}, {"cart", 3}, {"purchase", 5}, {"rating", 1}, {"return", -1}};
    for (size_t i = 0; i < 5; i++) {
        if (strcmp(rows[i].type, type) == 0) return rows[i].weight;
    }
    return 0;
}

static hd_time at(int month, int day, int hour, int minute) {
    hd_civil civil = {.year = 2026, .month = month, .day = day, .hour = hour, .minute = minute};
    hd_time t;
    assert_true(hd_time_from_civil(&civil, NULL, &t));
    return t;
}

static int setup(void **state) {
    (void)state;
    if (hd_mem_adopt_libraries() != HEED_OK) return -1;
    hd_imap_init(&shop.by_key);
    for (size_t i = 0; i < shop.n; i++) {
        if (hd_imap_put(&shop.by_key, (uint64_t)shop_items[i].key, i) != HEED_OK) return -1;
    }
    return 0;
}

static int teardown(void **state) {
    (void)state;
    hd_imap_clear(&shop.by_key);
    return 0;
}

static hd_profiler *profiler_at(hd_time now, const hd_zone *zone) {
    hd_profile_input input = {.items = &shop, .signals = {weigh, NULL}, .zone = zone, .now = now};
    hd_profiler *profiler;
    assert_int_equal(hd_profiler_new(&input, &profiler), HEED_OK);
    return profiler;
}

static hd_profile *profile_at(hd_time now, const hd_door_event *events, size_t n,
                              const hd_door_review *reviews, size_t n_reviews) {
    hd_profiler *profiler = profiler_at(now, NULL);
    hd_profile *profile;
    assert_int_equal(hd_profile_new(profiler, events, n, reviews, n_reviews, &profile), HEED_OK);
    hd_profiler_free(profiler);
    return profile;
}

static hd_door_event event(int64_t key, hd_time time, const char *type, int64_t item) {
    return (hd_door_event){
        .key = key, .time = time, .type = type, .item_key = item, .value = NAN, .quantity = NAN};
}

static hd_door_event amount(hd_door_event e, double value, double quantity, const char *currency) {
    e.value = value;
    e.quantity = quantity;
    memcpy(e.currency, currency, strlen(currency) + 1);
    return e;
}

enum { BUYER = 9 };
static void make_buyer(hd_door_event *e) {
    e[0] = event(1, at(5, 2, 9, 0), "view", 11);
    e[1] = event(2, at(5, 2, 9, 10), "view", 11);
    e[2] = event(3, at(5, 2, 9, 20), "cart", 11);
    e[3] = amount(event(4, at(5, 2, 9, 25), "purchase", 11), 30, 2, "CNY");
    e[4] = amount(event(5, at(5, 2, 9, 25), "purchase", 14), 20, NAN, "CNY");
    e[5] = amount(event(6, at(5, 12, 20, 0), "purchase", 12), 300, 1, "CNY");
    e[6] = amount(event(7, at(5, 20, 20, 15), "return", 12), 300, -1, "CNY");
    e[7] = event(8, at(5, 30, 23, 0), "view", 13);
    e[8] = amount(event(9, at(5, 31, 0, 0), "purchase", 13), 2, 1, "EUR");
}

static bool near(double a, double b) {
    return fabs(a - b) <= 1e-12 * (1 + fabs(b));
}

static void assert_keys(const hd_evidence *e, const int64_t *keys, size_t n) {
    assert_int_equal(e->n, n);
    for (size_t i = 0; i < n; i++) assert_int_equal(e->key[i], keys[i]);
}

static double dimension(const hd_profile *profile, const char *name) {
    double vector[64];
    assert_true(hd_profile_vector_len() <= 64);
    hd_profile_vector(profile, vector);
    for (size_t i = 0; i < hd_profile_vector_len(); i++) {
        if (strcmp(hd_profile_vector_name(i), name) == 0) return vector[i];
    }
    fail_msg("no dimension '%s'", name);
    return 0;
}

// ── By hand ──

static void test_activity(void **state) {
    (void)state;
    hd_door_event e[BUYER];
    make_buyer(e);
    hd_profile *p = profile_at(at(6, 1, 0, 0), e, BUYER, NULL, 0);
    assert_true(p->recency.days == 1.0);
    assert_keys(&p->recency.evidence, (const int64_t[]){9}, 1);
    assert_int_equal(p->frequency.events, 9);
    assert_int_equal(p->frequency.orders, 3); // one invoice has two lines
    assert_int_equal(p->frequency.active_days, 5);
    assert_true(near(p->frequency.days_between_orders, (29 - 565.0 / 1440) / 2));
    assert_keys(&p->frequency.evidence, (const int64_t[]){9, 8, 7, 6, 5}, 5);
    assert_int_equal(p->hours.peak, 9);
    assert_int_equal(p->hours.count[9], 5);
    assert_int_equal(p->hours.count[20], 2);
    assert_true(near(p->hours.part[0], 1.0 / 9) && near(p->hours.part[1], 5.0 / 9));
    assert_true(p->hours.part[2] == 0 && near(p->hours.part[3], 3.0 / 9));
    assert_true(near(p->hours.weekend, 7.0 / 9));
    assert_keys(&p->hours.evidence, (const int64_t[]){5, 4, 3, 2, 1}, 5);
    assert_int_equal(p->browsing.sessions, 5);
    assert_true(p->browsing.minutes == 25.0);
    assert_keys(&p->browsing.evidence, (const int64_t[]){1, 2, 3, 4, 5}, 5);
    assert_true(near(dimension(p, "session_minutes"), 5.0));
    hd_profile_free(p);
}

static void test_zone(void **state) {
    (void)state;
    hd_zone *zone;
    assert_int_equal(hd_zone_open("+08:00", &zone), HEED_OK);
    hd_profiler *profiler = profiler_at(at(6, 1, 0, 0), zone);
    hd_door_event e[BUYER];
    make_buyer(e);
    hd_profile *p;
    assert_int_equal(hd_profile_new(profiler, e, BUYER, NULL, 0, &p), HEED_OK);
    assert_int_equal(p->hours.peak, 17);
    assert_int_equal(p->hours.count[4], 2);
    assert_int_equal(p->frequency.active_days, 4); // the last two fall on one local day
    hd_profile_free(p);
    hd_profiler_free(profiler);
    hd_zone_close(zone);
}

static void test_money(void **state) {
    (void)state;
    hd_door_event e[BUYER];
    make_buyer(e);
    hd_profile *p = profile_at(at(6, 1, 0, 0), e, BUYER, NULL, 0);
    const hd_monetary *m = &p->monetary;
    assert_int_equal(m->n, 2);
    assert_string_equal(m->sums[0].currency, "CNY");
    assert_true(m->sums[0].bought == 380 && m->sums[0].returned == 300);
    assert_int_equal(m->sums[0].purchases, 3);
    assert_int_equal(m->sums[0].orders, 2);
    assert_int_equal(m->sums[0].returns, 1);
    assert_keys(&m->sums[0].evidence, (const int64_t[]){6, 7, 4, 5}, 4);
    assert_string_equal(m->sums[1].currency, "EUR");
    assert_true(m->sums[1].bought == 2);
    assert_ptr_equal(m->main, &m->sums[0]);
    assert_true(dimension(p, "spend") == 80);
    assert_true(dimension(p, "order_value") == 190);
    assert_true(near(dimension(p, "return_share"), 300.0 / 380));
    hd_profile_free(p);
}

static void test_money_edges(void **state) {
    (void)state;
    // A purchase of a negative quantity is a return; one that says no amount is told apart.
    hd_door_event e[] = {
        amount(event(1, at(1, 1, 1, 0), "purchase", 0), 8, 3, ""),
        amount(event(2, at(1, 1, 1, 0), "purchase", 0), 8, -1, ""),
        event(3, at(1, 1, 2, 0), "purchase", 0),
        amount(event(4, at(1, 1, 3, 0), "order", 0), 4, 1, "EUR"),
    };
    hd_profile *p = profile_at(at(2, 1, 0, 0), e, 4, NULL, 0);
    assert_int_equal(p->monetary.n, 2);
    assert_true(p->monetary.sums[0].bought == 24 && p->monetary.sums[0].returned == 8);
    assert_int_equal(p->monetary.without_amount, 1);
    assert_true(isnan(dimension(p, "spend"))); // nothing in the catalogue's currency
    hd_profile_free(p);
    p = profile_at(at(2, 1, 0, 0), NULL, 0, NULL, 0);
    assert_true(dimension(p, "spend") == 0);
    assert_true(isnan(dimension(p, "order_value")));
    hd_profile_free(p);
    // A catalogue without prices: the currency of most purchases.
    hd_items empty = {0};
    hd_profile_input input = {.items = &empty, .now = at(2, 1, 0, 0)};
    hd_profiler *profiler;
    assert_int_equal(hd_profiler_new(&input, &profiler), HEED_OK);
    assert_int_equal(hd_profile_new(profiler, e, 4, NULL, 0, &p), HEED_OK);
    assert_true(dimension(p, "spend") == 16);
    assert_true(isnan(hd_profiler_quantile(profiler, "CNY", 1)));
    hd_profile_free(p);
    hd_profiler_free(profiler);
}

static double decay(double days) {
    return exp2(-days / 90);
}

static void test_taste(void **state) {
    (void)state;
    hd_door_event e[BUYER];
    make_buyer(e);
    hd_profile *p = profile_at(at(6, 1, 0, 0), e, BUYER, NULL, 0);
    double kettle = 1 * decay(29.625) + 1 * decay(29.625 - 10 / 1440.0) +
                    3 * decay(29.625 - 20 / 1440.0) + 5 * decay(29.625 - 25 / 1440.0);
    double mug = 5 * decay(29.625 - 25 / 1440.0), phone = 5 * decay(19 + 4 / 24.0);
    double novel = decay(1 + 1 / 24.0) + 5 * decay(1);
    double total = kettle + mug + phone + novel;
    const hd_likings *c = &p->categories;
    assert_int_equal(c->n, 4);
    assert_int_equal(c->different, 4);
    assert_string_equal(c->top[0].name, "Home");
    assert_true(near(c->top[0].weight, kettle / 2 + mug));
    assert_true(near(c->top[0].share, (kettle / 2 + mug) / total));
    assert_keys(&c->top[0].evidence, (const int64_t[]){5, 4, 3, 2, 1}, 5);
    assert_string_equal(c->top[1].name, "Books");
    assert_true(near(c->top[1].weight, novel));
    assert_keys(&c->top[1].evidence, (const int64_t[]){9, 8}, 2);
    assert_string_equal(c->top[2].name, "Electronics");
    assert_keys(&c->top[2].evidence, (const int64_t[]){6}, 1); // the return says nothing
    assert_string_equal(c->top[3].name, "Kitchen");
    double spread = 0;
    for (size_t i = 0; i < 4; i++) spread -= c->top[i].share * log2(c->top[i].share);
    assert_true(near(c->spread, spread));
    assert_int_equal(p->brands.n, 2);
    assert_string_equal(p->brands.top[0].name, "Acme");
    assert_true(near(p->brands.top[0].share, (kettle + mug) / (kettle + mug + phone)));

    const hd_price_band *b = &p->price_band;
    assert_int_equal(b->n, 8);
    assert_string_equal(b->currency, "CNY");
    double level = (kettle * .625 + mug * .375 + phone * .875 + novel * .125) / total;
    assert_true(near(b->level, level));
    assert_true(b->low == 10 && b->median == 30 && b->high == 30); // weights 5.9, 4.0, 8.0, 4.3
    assert_true(isnan(p->drift.divergence)); // one event before the last 30 days
    hd_profile_free(p);
}

static void test_quantiles(void **state) {
    (void)state;
    hd_profiler *profiler = profiler_at(0, NULL);
    assert_string_equal(profiler->currency, "CNY");
    assert_true(hd_profiler_quantile(profiler, "CNY", 30) == .625);
    assert_true(hd_profiler_quantile(profiler, "CNY", 31) == .75);
    assert_true(hd_profiler_quantile(profiler, "CNY", 1) == 0);
    assert_true(hd_profiler_quantile(profiler, "CNY", 1e9) == 1);
    assert_true(hd_profiler_quantile(profiler, "EUR", 5) == .5);
    assert_true(isnan(hd_profiler_quantile(profiler, "USD", 5)));
    hd_profiler_free(profiler);
}

static void test_drift(void **state) {
    (void)state;
    hd_door_event e[20];
    for (int i = 0; i < 10; i++) e[i] = event(i, at(1, 1 + i, 12, 0), "view", 13);
    for (int i = 10; i < 20; i++) e[i] = event(i, at(5, i, 12, 0), "view", 12);
    hd_profile *p = profile_at(at(6, 1, 0, 0), e, 20, NULL, 0);
    assert_true(p->drift.divergence == 1.0);
    assert_int_equal(p->drift.recent, 10);
    assert_int_equal(p->drift.before, 10);
    assert_int_equal(p->drift.n_risen, 1);
    assert_string_equal(p->drift.risen[0].name, "Electronics");
    assert_true(p->drift.risen[0].before == 0 && p->drift.risen[0].now == 1);
    assert_int_equal(p->drift.n_fallen, 1);
    assert_string_equal(p->drift.fallen[0].name, "Books");
    assert_int_equal(p->drift.evidence.n, HD_PROFILE_EVIDENCE);
    assert_true(p->drift.evidence.key[0] >= 10);
    hd_profile_free(p);

    // Half of it: H(3/4, 1/4) − 1/2.
    for (int i = 10; i < 15; i++) e[i].item_key = 13;
    p = profile_at(at(6, 1, 0, 0), e, 20, NULL, 0);
    double want = -.75 * log2(.75) - .25 * log2(.25) - .5;
    assert_true(near(p->drift.divergence, want));
    hd_profile_free(p);

    // Without times: the last quarter.
    for (int i = 0; i < 20; i++) {
        e[i].time = HD_TIME_NONE;
        e[i].item_key = i < 15 ? 13 : 12;
    }
    p = profile_at(at(6, 1, 0, 0), e, 20, NULL, 0);
    assert_true(p->drift.divergence == 1.0);
    assert_true(p->drift.since == HD_TIME_NONE);
    assert_true(isnan(dimension(p, "recency_days")));
    assert_int_equal(p->hours.n, 0);
    assert_int_equal(p->frequency.active_days, 0);
    hd_profile_free(p);
}

static void test_ratings(void **state) {
    (void)state;
    hd_door_event e[] = {
        amount(event(1, at(1, 1, 1, 0), "rating", 11), 2, NAN, ""),
        amount(event(2, at(1, 2, 1, 0), "rating", 12), 4, NAN, ""),
        amount(event(3, at(1, 3, 1, 0), "rating", 11), 3, NAN, ""),
        event(4, at(1, 4, 1, 0), "rating", 13),
    };
    hd_door_review r[] = {
        {.key = 70, .item_key = 12, .rating = 4, .time = at(1, 2, 1, 0)}, // the same opinion
        {.key = 71, .item_key = 14, .rating = 5, .time = at(1, 2, 1, 0)},
        {.key = 72, .item_key = 13, .rating = NAN, .time = at(1, 2, 1, 0)},
        {.key = 73, .item_key = 0, .rating = 1, .time = at(1, 5, 1, 0)},
        {.key = 74, .item_key = 14, .rating = 1, .time = at(9, 9, 1, 0)}, // later than now
    };
    hd_profile *p = profile_at(at(6, 1, 0, 0), e, 4, r, 5);
    assert_int_equal(p->ratings.n, 4);
    assert_true(p->ratings.mean == (3 + 4 + 5 + 1) / 4.0);
    assert_int_equal(p->ratings.reviews, 4);
    assert_keys(&p->ratings.events, (const int64_t[]){3, 2, 1}, 3);
    assert_keys(&p->ratings.review_keys, (const int64_t[]){73, 72, 71, 70}, 4);
    hd_profile_free(p);
}

// ── Properties ──

enum { N = 300 };

static void make_random(hd_door_event *e, uint64_t seed) {
    hd_rng rng = hd_rng_make(seed, 0);
    const char *types[] = {"view", "cart", "purchase", "return", "rating", "search"};
    hd_time t = at(1, 1, 0, 0);
    for (int64_t i = 0; i < N; i++) {
        t += (hd_time)hd_rng_below(&rng, 3) * (hd_time)hd_rng_below(&rng, 40) * 60000 * 20;
        e[i] = event(i + 1, t, types[hd_rng_below(&rng, 6)], (int64_t)hd_rng_below(&rng, 8) + 10);
        if (hd_rng_below(&rng, 2)) {
            double value = 100 * hd_rng_uniform(&rng);
            e[i] = amount(e[i], value, 1 + (double)hd_rng_below(&rng, 3), "CNY");
        }
    }
}

static void assert_same_vector(const hd_profile *a, const hd_profile *b) {
    double x[64], y[64];
    hd_profile_vector(a, x);
    hd_profile_vector(b, y);
    assert_memory_equal(x, y, hd_profile_vector_len() * sizeof *x);
}

static void test_properties(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        hd_door_event e[N], shifted[N];
        make_random(e, seed);
        hd_time now = e[200].time; // what comes later doesn't count
        size_t n = 201;
        while (n < N && e[n].time == now) n++;
        hd_profile *cut = profile_at(now, e, n, NULL, 0);
        hd_profile *whole = profile_at(now, e, N, NULL, 0);
        assert_same_vector(cut, whole);
        assert_int_equal(whole->frequency.events, n);
        // Four weeks earlier the user is the same.
        const hd_time month = 28 * HD_DAY_MS;
        for (size_t i = 0; i < N; i++) {
            shifted[i] = e[i];
            shifted[i].time -= month;
        }
        hd_profile *before = profile_at(now - month, shifted, N, NULL, 0);
        assert_same_vector(before, whole);
        double share = 0, hours = 0;
        for (size_t i = 0; i < whole->categories.n; i++) share += whole->categories.top[i].share;
        assert_true(share <= 1 + 1e-12 && share > 0.5);
        for (int i = 0; i < HD_DAY_PARTS; i++) hours += whole->hours.part[i];
        assert_true(near(hours, 1));
        assert_true(whole->drift.divergence >= 0 && whole->drift.divergence <= 1);
        assert_true(whole->price_band.level > 0 && whole->price_band.level < 1);
        hd_profile_free(cut);
        hd_profile_free(whole);
        hd_profile_free(before);
    }
}

static void test_nothing_known(void **state) {
    (void)state;
    hd_profile *p = profile_at(HD_TIME_NONE, NULL, 0, NULL, 0);
    json_t *json;
    assert_int_equal(hd_profile_json(p, NULL, HEED_EN, &json), HEED_OK);
    assert_true(json_is_null(json_object_get(json, "recency")));
    assert_true(json_is_null(json_object_get(json, "drift")));
    assert_true(json_is_null(json_object_get(json, "segment")));
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(json, "frequency"), "events")), 0);
    json_decref(json);
    hd_profile_free(p);
    hd_profile_free(NULL);
    hd_profiler_free(NULL);
    assert_null(hd_profile_vector_name(hd_profile_vector_len()));
}

// Dates alone say nothing of hours.
static void test_dates_only(void **state) {
    (void)state;
    hd_door_event e[] = {event(1, at(1, 1, 0, 0), "view", 11),
                         event(2, at(1, 2, 0, 0), "view", 11)};
    hd_profile *p = profile_at(HD_TIME_NONE, e, 2, NULL, 0);
    assert_int_equal(p->hours.n, 0);
    assert_int_equal(p->browsing.sessions, 0);
    assert_int_equal(p->frequency.active_days, 2);
    assert_true(p->recency.days == 0); // no now: that of the last event
    hd_profile_free(p);
}

static void test_json(void **state) {
    (void)state;
    hd_door_event e[BUYER];
    make_buyer(e);
    hd_profile *p = profile_at(at(6, 1, 0, 0), e, BUYER, NULL, 0);
    json_t *json;
    assert_int_equal(hd_profile_json(p, NULL, HEED_ZH, &json), HEED_OK);
    const char *last;
    double net, level;
    const char *band, *top;
    assert_int_equal(
        json_unpack(json, "{s:{s:s}, s:{s:[{s:F}, {}]}, s:{s:s, s:F}, s:{s:[{s:s}, {}, {}, {}]}}",
                    "recency", "last", &last, "monetary", "by_currency", "net", &net, "price_band",
                    "band", &band, "level", &level, "categories", "top", "name", &top),
        0);
    assert_string_equal(last, "2026-05-31T00:00:00Z");
    assert_true(net == 80);
    assert_string_equal(band, "mid");
    assert_string_equal(top, "Home");
    json_t *vector = json_object_get(json, "vector");
    assert_int_equal(json_object_size(vector), hd_profile_vector_len());
    assert_true(json_is_null(json_object_get(vector, "drift")));
    assert_true(json_number_value(json_object_get(vector, "spend")) == 80);
    json_decref(json);
    hd_profile_free(p);
}

static heed_err build_and_show(void) {
    hd_door_event e[N];
    make_random(e, 5);
    const hd_door_review r[] = {{.key = 1, .item_key = 11, .rating = 4, .time = at(1, 2, 0, 0)}};
    hd_profile_input input = {.items = &shop, .signals = {weigh, NULL}, .now = e[N - 1].time};
    hd_profiler *profiler;
    HD_TRY(hd_profiler_new(&input, &profiler));
    hd_profile *profile = NULL;
    heed_err err = hd_profile_new(profiler, e, N, r, 1, &profile);
    json_t *json = NULL;
    if (err == HEED_OK) err = hd_profile_json(profile, NULL, HEED_EN, &json);
    json_decref(json);
    hd_profile_free(profile);
    hd_profiler_free(profiler);
    return err;
}

static void test_out_of_memory(void **state) {
    (void)state;
    size_t before = hd_mem_used();
    heed_err err = HEED_MEMORY;
    uint64_t n = 1;
    for (; err != HEED_OK; n++) {
        hd_mem_fail_at(n, true);
        err = build_and_show();
        hd_mem_fail_at(0, false);
        assert_true(err == HEED_OK || err == HEED_MEMORY);
        assert_int_equal(hd_mem_used(), before);
    }
    assert_true(n > 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_activity),      cmocka_unit_test(test_zone),
        cmocka_unit_test(test_money),         cmocka_unit_test(test_money_edges),
        cmocka_unit_test(test_taste),         cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_drift),         cmocka_unit_test(test_ratings),
        cmocka_unit_test(test_properties),    cmocka_unit_test(test_nothing_known),
        cmocka_unit_test(test_dates_only),    cmocka_unit_test(test_json),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
