// SPDX-License-Identifier: Apache-2.0
//
// Serving against a plain reading of its rules: for each stage, all that the stage may serve,
// sorted by score and place, one after the other. Over generated catalogues, histories and rules,
// with a room of its own for each request and with one that all share.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "recommend/serve.h"

enum { ITEMS = 120, COLS = 90, EVENTS = 40 };

// Scores by a table, whatever the history.
typedef struct table {
    float score[COLS];
} table;

static size_t table_n_items(const hd_model *model) {
    (void)model;
    return COLS;
}
static heed_err table_score(const hd_model *model, const hd_history *history, float *scores) {
    (void)history;
    memcpy(scores, ((const table *)model)->score, sizeof((const table *)model)->score);
    return HEED_OK;
}
static heed_err table_reasons(const hd_model *model, const hd_history *history, uint32_t item,
                              hd_reason *out, size_t max, size_t *n) {
    (void)model, (void)history, (void)item, (void)out, (void)max;
    *n = 0;
    return HEED_OK;
}
static const hd_method first = {
    .name = "first", .n_items = table_n_items, .score = table_score, .reasons = table_reasons};
static const hd_method second = {
    .name = "second", .n_items = table_n_items, .score = table_score, .reasons = table_reasons};

static const char *const categories[] = {"a", "b", "c", "d"};

typedef struct world {
    hd_rng rng;
    hd_item item[ITEMS];
    char id[ITEMS][8];
    hd_items items;
    int64_t key[COLS];
    table tables[2];
    hd_serving *serving;
} world;

static heed_err index_items(world *w) {
    hd_imap_init(&w->items.by_key);
    hd_map_init(&w->items.by_id);
    hd_map_init(&w->items.categories);
    w->items.items = w->item;
    w->items.n = ITEMS;
    for (size_t i = 0; i < ITEMS; i++) {
        HD_TRY(hd_imap_put(&w->items.by_key, (uint64_t)w->item[i].key, i));
        HD_TRY(hd_map_put(&w->items.by_id, w->id[i], strlen(w->id[i]), i));
    }
    for (size_t c = 0; c < 4; c++) HD_TRY(hd_map_put(&w->items.categories, categories[c], 1, c));
    return HEED_OK;
}

static void make_items(world *w, uint64_t gap) {
    int64_t key = 0;
    for (size_t i = 0; i < ITEMS; i++) {
        key += 1 + (int64_t)hd_rng_below(&w->rng, gap);
        snprintf(w->id[i], sizeof w->id[i], "i%zu", i);
        w->item[i] = (hd_item){.key = key,
                               .id = w->id[i],
                               .title = "",
                               .brand = "",
                               .attributes = "{}",
                               .price = (double)hd_rng_below(&w->rng, 10),
                               .created = (hd_time)hd_rng_below(&w->rng, 5),
                               .hidden = hd_rng_below(&w->rng, 10) == 0,
                               .replenishable = hd_rng_below(&w->rng, 4) == 0,
                               .n_categories = 1};
        w->item[i].categories = (const char **)(uintptr_t)&categories[hd_rng_below(&w->rng, 4)];
    }
}

static void make_world(world *w, uint64_t seed, uint64_t gap) {
    memset(w, 0, sizeof *w);
    w->rng = hd_rng_make(seed, 0);
    make_items(w, gap);
    assert_int_equal(index_items(w), HEED_OK);
    for (size_t c = 0; c < COLS; c++) // some are gone from the catalogue
        w->key[c] = c % 13 == 0 ? -1 - (int64_t)c : w->item[(c * 7) % ITEMS].key;
    for (size_t t = 0; t < 2; t++) { // many ties, many zeros
        for (size_t c = 0; c < COLS; c++)
            w->tables[t].score[c] = (float)hd_rng_below(&w->rng, 1 + seed % 9) / 4;
    }
    assert_int_equal(hd_serving_new(&w->items, w->key, COLS, &w->serving), HEED_OK);
    assert_int_equal(hd_serving_add(w->serving, &first, &w->tables[0]), HEED_OK);
    assert_int_equal(hd_serving_add(w->serving, &second, &w->tables[1]), HEED_OK);
}

static void end_world(world *w) {
    hd_serving_free(w->serving);
    hd_imap_clear(&w->items.by_key);
    hd_map_clear(&w->items.by_id);
    hd_map_clear(&w->items.categories);
}

// ── The plain reading

typedef struct plain {
    const world *w;
    const hd_serve_request *request;
    const hd_serve_rules *rules;
    hd_served item[ITEMS];
    size_t n;
} plain;

static bool plain_seen(const plain *p, size_t item) {
    if (!p->rules->exclude_seen || p->w->item[item].replenishable) return false;
    for (size_t e = 0; e < p->request->n_events; e++) {
        if (p->request->events[e].weight > 0 &&
            p->request->events[e].item_key == p->w->item[item].key)
            return true;
    }
    return false;
}

static bool plain_allows(const plain *p, size_t item) {
    const hd_item *it = &p->w->item[item];
    const hd_serve_rules *rules = p->rules;
    size_t of_category = 0;
    bool fits = rules->n_categories == 0;
    for (size_t s = 0; s < p->n; s++) {
        if (p->item[s].item == item) return false;
        of_category += p->w->item[p->item[s].item].categories[0] == it->categories[0];
    }
    for (size_t e = 0; e < rules->n_exclude; e++)
        if (strcmp(rules->exclude[e], it->id) == 0) return false;
    for (size_t c = 0; c < rules->n_categories; c++)
        fits |= strcmp(rules->categories[c], it->categories[0]) == 0;
    if (rules->category_cap > 0 && of_category >= rules->category_cap) return false;
    if (rules->n_filters > 0 && !(it->price <= rules->filters[0].number)) return false;
    return fits && !it->hidden && !plain_seen(p, item);
}

static size_t plain_item(const world *w, size_t col) {
    for (size_t i = 0; i < ITEMS; i++)
        if (w->item[i].key == w->key[col]) return i;
    return ITEMS;
}

// The column of highest score below `last` in the order of serving; COLS: none.
static size_t plain_next(const float *score, const bool *done) {
    size_t best = COLS;
    for (size_t c = 0; c < COLS; c++) {
        if (done[c] || !(score[c] > 0)) continue;
        if (best == COLS || score[c] > score[best]) best = c;
    }
    return best;
}

static void plain_stage(plain *p, const float *score, const char *name, hd_why why) {
    bool done[COLS] = {false};
    for (size_t c; (c = plain_next(score, done)) < COLS && p->n < p->rules->n; done[c] = true) {
        size_t item = plain_item(p->w, c);
        if (item == ITEMS || !plain_allows(p, item)) continue;
        p->item[p->n++] =
            (hd_served){.item = item, .score = (double)score[c], .method = name, .why = why};
    }
}

static void plain_rest(plain *p, hd_why why) {
    for (hd_time t = 5; t-- > 0;) {
        for (size_t i = 0; i < ITEMS && p->n < p->rules->n; i++) {
            if (p->w->item[i].created != t || !plain_allows(p, i)) continue;
            p->item[p->n++] = (hd_served){.item = i, .method = "catalogue", .why = why};
        }
    }
}

static void plain_serve(plain *p) {
    bool signal = false, history = false;
    for (size_t c = 0; c < COLS; c++) signal |= p->w->tables[0].score[c] > 0;
    for (size_t e = 0; e < p->request->n_events; e++) {
        for (size_t c = 0; c < COLS; c++)
            history |=
                p->request->events[e].weight > 0 && p->request->events[e].item_key == p->w->key[c];
    }
    hd_why why = signal ? HD_WHY_FILLED : history ? HD_WHY_NO_SIGNAL : HD_WHY_NO_HISTORY;
    plain_stage(p, p->w->tables[0].score, "first", HD_WHY_CHOSEN);
    plain_stage(p, p->w->tables[1].score, "second", why);
    plain_rest(p, why);
}

// ── Both

static void check_one(world *w, hd_serve_room *room) {
    hd_serve_event events[EVENTS];
    hd_rng *rng = &w->rng;
    size_t n = hd_rng_below(rng, EVENTS + 1);
    for (size_t e = 0; e < n; e++)
        events[e] = (hd_serve_event){w->item[hd_rng_below(rng, ITEMS)].key, "view",
                                     (float)hd_rng_below(rng, 3), (hd_time)e, (int64_t)e};
    const hd_filter cheap = {
        .field = "price", .op = HD_FILTER_LE, .text = "", .number = (double)hd_rng_below(rng, 10)};
    const char *const wanted[] = {categories[hd_rng_below(rng, 4)],
                                  categories[hd_rng_below(rng, 4)]};
    const char *const unwanted[] = {w->id[hd_rng_below(rng, ITEMS)],
                                    w->id[hd_rng_below(rng, ITEMS)]};
    hd_serve_rules rules = hd_serve_rules_default();
    rules.n = 1 + hd_rng_below(rng, 60);
    rules.exclude_seen = hd_rng_below(rng, 3) > 0;
    rules.filters = &cheap;
    rules.n_filters = hd_rng_below(rng, 4) == 0;
    rules.categories = wanted;
    rules.n_categories = hd_rng_below(rng, 3);
    rules.exclude = unwanted;
    rules.n_exclude = hd_rng_below(rng, 3);
    rules.category_cap = hd_rng_below(rng, 3) == 0 ? 1 + hd_rng_below(rng, 5) : 0;
    const hd_serve_request request = {
        .events = events, .n_events = n, .now = HD_TIME_NONE, .room = room};
    plain p = {.w = w, .request = &request, .rules = &rules};
    hd_served_list list;
    plain_serve(&p);
    assert_int_equal(hd_serve(w->serving, &request, &rules, &list), HEED_OK);
    assert_int_equal(list.n, p.n);
    for (size_t i = 0; i < p.n; i++) {
        assert_int_equal(list.item[i].item, p.item[i].item);
        assert_true(list.item[i].score == p.item[i].score);
        assert_string_equal(list.item[i].method, p.item[i].method);
        assert_int_equal(list.item[i].why, p.item[i].why);
    }
    hd_served_clear(&list);
}

static void test_as_read_plainly(void **state) {
    (void)state;
    hd_serve_room *room = NULL;
    assert_int_equal(hd_serve_room_new(&room), HEED_OK);
    for (uint64_t seed = 0; seed < 40; seed++) {
        world w;
        make_world(&w, seed, seed % 2 ? 2 : 100000); // keys in a row, and scattered
        for (int round = 0; round < 40; round++) check_one(&w, round % 4 == 0 ? NULL : room);
        end_world(&w);
    }
    hd_serve_room_free(room);
}

// A request that fails half-way leaves a room that the next can use.
static void test_room_after_failure(void **state) {
    (void)state;
    world w;
    make_world(&w, 5, 2);
    hd_serve_room *room = NULL;
    assert_int_equal(hd_serve_room_new(&room), HEED_OK);
    const hd_serve_event event = {w.item[3].key, "view", 1, 1, 1};
    const char *const unknown[] = {w.id[1], "nothing"};
    hd_serve_rules rules = hd_serve_rules_default();
    rules.exclude = unknown;
    rules.n_exclude = 2;
    const hd_serve_request request = {.events = &event, .n_events = 1, .room = room};
    hd_served_list list;
    assert_int_equal(hd_serve(w.serving, &request, &rules, &list), HEED_INPUT);
    for (uint64_t n = 1; n < 60; n++) {
        rules.n_exclude = 1;
        hd_mem_fail_at(n, true);
        heed_err err = hd_serve(w.serving, &request, &rules, &list);
        hd_mem_fail_at(0, true);
        assert_true(err == HEED_OK || err == HEED_MEMORY);
        if (err == HEED_OK) hd_served_clear(&list);
        check_one(&w, room);
    }
    hd_serve_room_free(room);
    end_world(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_read_plainly),
        cmocka_unit_test(test_room_after_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
