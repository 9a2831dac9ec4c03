// SPDX-License-Identifier: Apache-2.0
//
// Rules one by one, stages and their reasons, and properties over random requests. Columns of the
// models are items 0 .. 7 of the shop, in reverse; "novelty" came after training.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "recommend/serve.h"
#include "rows.h"
#include "shop.h"

enum { COLS = SHOP_ITEMS - 1, TEA = 0, COFFEE, JUICE, CHIPS, NUTS, HAMMER, SAW, GIFT, NOVELTY };

// A model that scores by the last item of the history: 10, 9, 8 … for the columns in order, 0 for
// the last `silent`; nothing for no history. `any` answers without history too.
typedef struct fake {
    size_t silent;
    bool any;
} fake;

static size_t fake_n_items(const hd_model *model) {
    (void)model;
    return COLS;
}
static heed_err fake_score(const hd_model *model, const hd_history *history, float *scores) {
    const fake *f = model;
    for (size_t c = 0; c < COLS; c++) {
        bool speaks = (history->n > 0 || f->any) && c + f->silent < COLS;
        scores[c] = speaks ? 10 - (float)c : 0;
    }
    return HEED_OK;
}
// Entry e says e + 1 parts of the whole.
static heed_err fake_reasons(const hd_model *model, const hd_history *history, uint32_t item,
                             hd_reason *out, size_t max, size_t *n) {
    (void)item;
    double sum = (double)(history->n * (history->n + 1)) / 2;
    *n = 0;
    for (size_t e = history->n; !((const fake *)model)->any && e-- > 0 && *n < max;) {
        out[(*n)++] = (hd_reason){e, (double)(e + 1) / sum};
    }
    return HEED_OK;
}
static const hd_method chosen = {
    .name = "chosen", .n_items = fake_n_items, .score = fake_score, .reasons = fake_reasons};
static const hd_method backup = {
    .name = "backup", .n_items = fake_n_items, .score = fake_score, .reasons = fake_reasons};

typedef struct world {
    hd_items items;
    int64_t key[COLS];
    fake first, second;
    hd_serving *serving;
} world;

static int setup(void **state) {
    static world w;
    memset(&w, 0, sizeof w);
    shop_open(&w.items);
    for (size_t c = 0; c < COLS; c++) w.key[c] = SHOP_KEY + (int64_t)(COLS - 1 - c);
    w.second.any = true;
    assert_int_equal(hd_serving_new(&w.items, w.key, COLS, &w.serving), HEED_OK);
    assert_int_equal(hd_serving_add(w.serving, &chosen, &w.first), HEED_OK);
    assert_int_equal(hd_serving_add(w.serving, &backup, &w.second), HEED_OK);
    *state = &w;
    return 0;
}

static int teardown(void **state) {
    world *w = *state;
    hd_serving_free(w->serving);
    shop_close(&w->items);
    return 0;
}

// The chosen order of columns: gift, saw (hidden), hammer, nuts, chips, juice, coffee, tea.
static void assert_list(const hd_served_list *list, size_t n, const size_t *want) {
    assert_int_equal(list->n, n);
    for (size_t i = 0; i < n; i++) assert_int_equal(list->item[i].item, want[i]);
}
#define ASSERT_LIST(list, ...) \
    assert_list((list), sizeof((size_t[]){__VA_ARGS__}) / sizeof(size_t), (size_t[]){__VA_ARGS__})

static const hd_serve_event bought_chips[] = {{SHOP_KEY + CHIPS, "purchase", 1, 5, 71}};
static const hd_serve_request after_chips = {bought_chips, 1, NULL, HD_TIME_NONE};

static void serve(const world *w, const hd_serve_request *request, const hd_serve_rules *rules,
                  hd_served_list *out) {
    assert_int_equal(hd_serve(w->serving, request, rules, out), HEED_OK);
}

static void test_plain(void **state) {
    hd_served_list list;
    hd_serve_rules rules = hd_serve_rules_default();
    assert_int_equal(rules.n, 10);
    assert_true(rules.exclude_seen);
    rules.n = 4;
    serve(*state, &after_chips, &rules, &list);
    ASSERT_LIST(&list, GIFT, HAMMER, NUTS, JUICE); // no chips: seen; no saw: hidden
    assert_int_equal(list.asked, 4);
    assert_string_equal(list.first, "chosen");
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(list.item[i].method, "chosen");
        assert_int_equal(list.item[i].why, HD_WHY_CHOSEN);
        assert_int_equal(list.item[i].n_reasons, 1);
        const hd_served_reason *reason = list.item[i].reasons;
        assert_int_equal(reason->item, CHIPS);
        assert_int_equal(reason->source, 71);
        assert_int_equal(reason->time, 5);
        assert_string_equal(reason->type, "purchase");
        assert_true(reason->share == 1);
    }
    assert_true(list.item[0].score == 10);
    hd_served_clear(&list);
    rules.exclude_seen = false;
    serve(*state, &after_chips, &rules, &list);
    ASSERT_LIST(&list, GIFT, HAMMER, NUTS, CHIPS);
    hd_served_clear(&list);
}

static void test_replenishable_may_come_again(void **state) {
    const hd_serve_event events[] = {{SHOP_KEY + TEA, "view", 1, 1, 1},
                                     {SHOP_KEY + COFFEE, "view", 1, 2, 2}};
    const hd_serve_request request = {events, 2, NULL, HD_TIME_NONE};
    hd_serve_rules rules = hd_serve_rules_default();
    const char *const drinks[] = {"drinks"};
    hd_served_list list;
    rules.categories = drinks;
    rules.n_categories = 1;
    rules.n = 2;
    serve(*state, &request, &rules, &list);
    ASSERT_LIST(&list, JUICE, TEA);
    hd_served_clear(&list);
}

static void test_categories(void **state) {
    hd_serve_rules rules = hd_serve_rules_default();
    const char *const two[] = {"tools", "snacks"}, *const unknown[] = {"tools", "toys"};
    hd_served_list list;
    rules.categories = two;
    rules.n_categories = 2;
    serve(*state, &after_chips, &rules, &list);
    ASSERT_LIST(&list, HAMMER, NUTS, NOVELTY);
    assert_int_equal(list.asked, 10);
    assert_string_equal(list.item[2].method, "catalogue"); // no model knows it
    assert_int_equal(list.item[2].why, HD_WHY_FILLED);
    hd_served_clear(&list);
    rules.categories = unknown;
    world *w = *state;
    assert_int_equal(hd_serve(w->serving, &after_chips, &rules, &list), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "toys"));
    assert_int_equal(list.n, 0);
}

static void test_filters(void **state) {
    hd_serve_rules rules = hd_serve_rules_default();
    hd_filter filters[2];
    hd_arena arena;
    hd_served_list list;
    hd_arena_init(&arena);
    assert_int_equal(hd_filter_parse(hd_slice_of("brand=Alba"), &arena, &filters[0]), HEED_OK);
    assert_int_equal(hd_filter_parse(hd_slice_of("price<=4"), &arena, &filters[1]), HEED_OK);
    rules.filters = filters;
    rules.n_filters = 1;
    serve(*state, &after_chips, &rules, &list);
    ASSERT_LIST(&list, JUICE, TEA);
    hd_served_clear(&list);
    rules.n_filters = 2;
    serve(*state, &after_chips, &rules, &list);
    ASSERT_LIST(&list, JUICE);
    hd_served_clear(&list);
    hd_arena_clear(&arena);
}

static void test_exclude(void **state) {
    world *w = *state;
    hd_serve_rules rules = hd_serve_rules_default();
    const char *const out[] = {"gift", "nuts"}, *const unknown[] = {"ghost"};
    hd_served_list list;
    rules.n = 2;
    rules.exclude = out;
    rules.n_exclude = 2;
    serve(w, &after_chips, &rules, &list);
    ASSERT_LIST(&list, HAMMER, JUICE);
    hd_served_clear(&list);
    rules.exclude = unknown;
    rules.n_exclude = 1;
    assert_int_equal(hd_serve(w->serving, &after_chips, &rules, &list), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_ZH), "ghost"));
}

static void test_caps(void **state) {
    world *w = *state;
    hd_serve_rules rules = hd_serve_rules_default();
    const hd_category_cap food[] = {{"food", 2}}, none[] = {{"tools", 0}}, bad[] = {{"toys", 1}};
    hd_served_list list;
    rules.category_cap = 1; // of drinks, snacks and tools one each; the gift has no category
    serve(w, &after_chips, &rules, &list);
    ASSERT_LIST(&list, GIFT, HAMMER, NUTS, JUICE);
    hd_served_clear(&list);
    rules.category_cap = 0;
    rules.caps = food;
    rules.n_caps = 1;
    serve(w, &after_chips, &rules, &list);
    ASSERT_LIST(&list, GIFT, HAMMER, NUTS, JUICE);
    hd_served_clear(&list);
    rules.caps = none;
    rules.n = 2;
    serve(w, &after_chips, &rules, &list);
    ASSERT_LIST(&list, GIFT, NUTS);
    hd_served_clear(&list);
    rules.caps = bad;
    assert_int_equal(hd_serve(w->serving, &after_chips, &rules, &list), HEED_INPUT);
}

static void test_n_out_of_range(void **state) {
    world *w = *state;
    hd_serve_rules rules = hd_serve_rules_default();
    hd_served_list list;
    rules.n = 0;
    assert_int_equal(hd_serve(w->serving, &after_chips, &rules, &list), HEED_INPUT);
    rules.n = HD_SERVE_MAX + 1;
    assert_int_equal(hd_serve(w->serving, &after_chips, &rules, &list), HEED_INPUT);
    rules.n = HD_SERVE_MAX;
    serve(w, &after_chips, &rules, &list);
    assert_int_equal(list.n, 7);
    hd_served_clear(&list);
}

static void test_nothing_known(void **state) {
    hd_serve_rules rules = hd_serve_rules_default();
    hd_serve_request nobody = {.now = HD_TIME_NONE};
    hd_served_list list;
    serve(*state, &nobody, &rules, &list);
    ASSERT_LIST(&list, GIFT, HAMMER, NUTS, CHIPS, JUICE, COFFEE, TEA, NOVELTY);
    for (size_t i = 0; i < list.n; i++) {
        assert_string_equal(list.item[i].method, i < 7 ? "backup" : "catalogue");
        assert_int_equal(list.item[i].why, HD_WHY_NO_HISTORY);
        assert_int_equal(list.item[i].n_reasons, 0);
    }
    hd_served_clear(&list);
}

// Events without weight, at items without a column, or at items no longer there, tell nothing; an
// item without a column counts as seen all the same.
static void test_history_of_unknown_items(void **state) {
    const hd_serve_event events[] = {{SHOP_KEY + NOVELTY, "purchase", 1, 1, 1},
                                     {999, "purchase", 1, 2, 2},
                                     {SHOP_KEY + CHIPS, "return", 0, 3, 3},
                                     {SHOP_KEY + NUTS, "odd", NAN, 3, 4},
                                     {SHOP_KEY + GIFT, "return", -1, 4, 5}};
    const hd_serve_request request = {events, 5, NULL, HD_TIME_NONE};
    hd_serve_rules rules = hd_serve_rules_default();
    hd_served_list list;
    serve(*state, &request, &rules, &list);
    ASSERT_LIST(&list, GIFT, HAMMER, NUTS, CHIPS, JUICE, COFFEE, TEA);
    assert_int_equal(list.item[0].why, HD_WHY_NO_HISTORY);
    hd_served_clear(&list);
}

static void test_no_signal_and_filled(void **state) {
    world *w = *state;
    hd_serve_rules rules = hd_serve_rules_default();
    hd_served_list list;
    rules.n = 5;
    w->first.silent = COLS;
    serve(w, &after_chips, &rules, &list);
    ASSERT_LIST(&list, GIFT, HAMMER, NUTS, JUICE, COFFEE);
    assert_int_equal(list.item[0].why, HD_WHY_NO_SIGNAL);
    assert_string_equal(list.item[0].method, "backup");
    hd_served_clear(&list);
    w->first.silent = COLS - 3; // gift, saw and hammer only
    serve(w, &after_chips, &rules, &list);
    ASSERT_LIST(&list, GIFT, HAMMER, NUTS, JUICE, COFFEE);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(list.item[i].method, i < 2 ? "chosen" : "backup");
        assert_int_equal(list.item[i].why, i < 2 ? HD_WHY_CHOSEN : HD_WHY_FILLED);
        assert_int_equal(list.item[i].n_reasons, i < 2 ? 1 : 0);
    }
    hd_served_clear(&list);
}

// Entries at one item are one reason, under the newest; the greatest shares come first.
static void test_reasons_are_joined(void **state) {
    const hd_serve_event events[] = {{SHOP_KEY + TEA, "view", 1, 1, 11},
                                     {SHOP_KEY + CHIPS, "view", 1, 2, 12},
                                     {SHOP_KEY + COFFEE, "view", 1, 3, 13},
                                     {SHOP_KEY + CHIPS, "purchase", 1, 4, 14}};
    const hd_serve_request request = {events, 4, NULL, HD_TIME_NONE};
    hd_serve_rules rules = hd_serve_rules_default();
    hd_served_list list;
    rules.n = 1;
    rules.reasons = 2;
    serve(*state, &request, &rules, &list);
    const hd_served *item = &list.item[0];
    assert_int_equal(item->n_reasons, 2); // chips .2 + .4, coffee .3, tea .1
    assert_int_equal(item->reasons[0].item, CHIPS);
    assert_int_equal(item->reasons[0].source, 14);
    assert_string_equal(item->reasons[0].type, "purchase");
    assert_float_equal(item->reasons[0].share, .6, 1e-12);
    assert_int_equal(item->reasons[1].item, COFFEE);
    hd_served_clear(&list);
    rules.reasons = 0;
    serve(*state, &request, &rules, &list);
    assert_int_equal(list.item[0].n_reasons, 0);
    hd_served_clear(&list);
}

// 30 users; those with plan=pro have tools, the others drinks.
static hd_cold *cold_new(void) {
    hd_sparse_entry entries[60];
    hd_attributes attributes;
    hd_cold *cold = NULL;
    hd_attributes_init(&attributes);
    for (uint32_t u = 0; u < 60; u++) {
        uint32_t item = u % 2 ? HAMMER : u % 4 ? TEA : COFFEE;
        entries[u] = (hd_sparse_entry){u, COLS - 1 - item, 1, HD_TIME_NONE, 0};
        const char *json = u % 2 ? "{\"plan\": \"pro\"}" : "{\"plan\": \"free\"}";
        assert_int_equal(hd_attributes_add(&attributes, json), HEED_OK);
    }
    hd_sparse rows = rows_build(entries, 60, 60, COLS, false);
    assert_int_equal(hd_cold_fit(&rows, &attributes, 0, &cold), HEED_OK);
    hd_sparse_clear(&rows);
    hd_attributes_clear(&attributes);
    return cold;
}

static void test_cold_users(void **state) {
    world *w = *state;
    hd_cold *cold = cold_new();
    hd_serve_rules rules = hd_serve_rules_default();
    hd_serve_request request = {.attributes = "{\"plan\": \"free\", \"x\": 1}",
                                .now = HD_TIME_NONE};
    hd_served_list list;
    assert_int_equal(hd_serving_cold(w->serving, cold), HEED_OK);
    rules.n = 4;
    serve(w, &request, &rules, &list);
    // 15 of 30 have coffee, 15 tea (the tie goes to the lower column); of hammers the prior is left
    ASSERT_LIST(&list, COFFEE, TEA, HAMMER, GIFT);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(list.item[i].method, i < 3 ? "popular_by_attribute" : "backup");
        assert_int_equal(list.item[i].why, HD_WHY_NO_HISTORY);
    }
    assert_int_equal(list.n_attributes, 1);
    assert_string_equal(list.attributes[0], "plan=free");
    hd_served_clear(&list);

    request.attributes = "{\"plan\": \"unheard of\"}";
    serve(w, &request, &rules, &list);
    assert_string_equal(list.item[0].method, "backup");
    hd_served_clear(&list);

    request.attributes = "[1]";
    assert_int_equal(hd_serve(w->serving, &request, &rules, &list), HEED_INPUT);

    // With a history the table comes after the chosen method.
    w->first.silent = COLS - 1; // the gift only
    request.events = bought_chips;
    request.n_events = 1;
    request.attributes = "{\"plan\": \"pro\"}";
    serve(w, &request, &rules, &list);
    ASSERT_LIST(&list, GIFT, HAMMER, COFFEE, TEA);
    assert_string_equal(list.item[0].method, "chosen");
    assert_string_equal(list.item[1].method, "popular_by_attribute");
    assert_int_equal(list.item[1].why, HD_WHY_FILLED);
    hd_served_clear(&list);
    hd_cold_free(cold);
}

static void test_keys_gone_from_the_catalogue(void **state) {
    world *w = *state;
    hd_serving *serving = NULL;
    hd_served_list list;
    hd_serve_rules rules = hd_serve_rules_default();
    w->key[0] = 9999; // the gift's column
    assert_int_equal(hd_serving_new(&w->items, w->key, COLS, &serving), HEED_OK);
    assert_int_equal(hd_serving_add(serving, &chosen, &w->first), HEED_OK);
    assert_int_equal(hd_serve(serving, &after_chips, &rules, &list), HEED_OK);
    // Newest first for what is left: novelty (90), gift (80).
    ASSERT_LIST(&list, HAMMER, NUTS, JUICE, COFFEE, TEA, NOVELTY, GIFT);
    hd_served_clear(&list);
    hd_serving_free(serving);
}

static void test_misfits(void **state) {
    world *w = *state;
    hd_serving *serving = NULL;
    assert_int_equal(hd_serving_new(&w->items, w->key, COLS - 1, &serving), HEED_OK);
    assert_int_equal(hd_serving_add(serving, &chosen, &w->first), HEED_CONFLICT);
    hd_cold *cold = cold_new();
    assert_int_equal(hd_serving_cold(serving, cold), HEED_CONFLICT);
    hd_cold_free(cold);
    hd_serving_free(serving);
    for (int i = 2; i < 8; i++) {
        assert_int_equal(hd_serving_add(w->serving, &backup, &w->second), HEED_OK);
    }
    assert_int_equal(hd_serving_add(w->serving, &backup, &w->second), HEED_USAGE);
    hd_serving_free(NULL);
}

// A serving without methods gives the catalogue, newest first.
static void test_no_methods(void **state) {
    world *w = *state;
    hd_serving *serving = NULL;
    hd_served_list list;
    hd_serve_rules rules = hd_serve_rules_default();
    rules.n = 3;
    assert_int_equal(hd_serving_new(&w->items, NULL, 0, &serving), HEED_OK);
    assert_int_equal(hd_serve(serving, &after_chips, &rules, &list), HEED_OK);
    ASSERT_LIST(&list, NOVELTY, GIFT, HAMMER);
    hd_served_clear(&list);
    hd_serving_free(serving);
}

static bool is_in(const hd_item *item, const char *category) {
    for (size_t c = 0; c < item->n_categories; c++) {
        if (strcmp(item->categories[c], category) == 0) return true;
    }
    return false;
}

static void check_properties(const hd_serve_event *events, size_t n_events,
                             const hd_serve_rules *rules, const hd_served_list *list) {
    size_t food = 0;
    assert_true(list->n <= rules->n);
    for (size_t i = 0; i < list->n; i++) {
        const hd_served *s = &list->item[i];
        const hd_item *item = &shop_items[s->item];
        assert_false(item->hidden);
        for (size_t j = 0; j < i; j++) assert_int_not_equal(list->item[j].item, s->item);
        for (size_t e = 0; e < n_events && rules->exclude_seen; e++) {
            assert_true(events[e].item_key != item->key || item->replenishable);
        }
        food += is_in(item, "food");
        bool same_stage = i > 0 && strcmp(list->item[i - 1].method, s->method) == 0;
        if (same_stage) assert_true(list->item[i - 1].score >= s->score);
        double sum = 0;
        for (size_t r = 0; r < s->n_reasons; r++) sum += s->reasons[r].share;
        assert_true(s->n_reasons <= rules->reasons && sum <= 1 + 1e-9);
    }
    if (rules->n_caps > 0) assert_true(food <= rules->caps[0].max);
}

static void test_properties(void **state) {
    world *w = *state;
    hd_rng rng = hd_rng_make(2, 2);
    for (int round = 0; round < 500; round++) {
        hd_serve_event events[6];
        hd_serve_rules rules = hd_serve_rules_default();
        size_t n = hd_rng_below(&rng, 7);
        for (size_t e = 0; e < n; e++) {
            events[e] = (hd_serve_event){SHOP_KEY + (int64_t)hd_rng_below(&rng, SHOP_ITEMS), "view",
                                         1, (hd_time)e, (int64_t)e};
        }
        const hd_category_cap cap = {"food", hd_rng_below(&rng, 4)};
        rules.n = 1 + hd_rng_below(&rng, 9);
        rules.exclude_seen = hd_rng_below(&rng, 2) > 0;
        rules.caps = &cap;
        rules.n_caps = hd_rng_below(&rng, 2);
        rules.reasons = hd_rng_below(&rng, 4);
        w->first.silent = hd_rng_below(&rng, COLS + 1);
        const hd_serve_request request = {events, n, NULL, HD_TIME_NONE};
        hd_served_list list;
        serve(w, &request, &rules, &list);
        check_properties(events, n, &rules, &list);
        hd_served_clear(&list);
    }
}

static void test_failing_allocations(void **state) {
    world *w = *state;
    hd_cold *cold = cold_new();
    hd_serve_rules rules = hd_serve_rules_default();
    const hd_serve_request request = {bought_chips, 1, "{\"plan\": \"pro\"}", HD_TIME_NONE};
    rules.category_cap = 3;
    w->first.silent = 6;
    heed_err err = HEED_MEMORY;
    for (uint64_t n = 1; err != HEED_OK; n++) {
        hd_serving *serving = NULL;
        hd_served_list list = {0};
        size_t used = hd_mem_used();
        hd_mem_fail_at(n, true);
        err = hd_serving_new(&w->items, w->key, COLS, &serving);
        if (err == HEED_OK) err = hd_serving_add(serving, &chosen, &w->first);
        if (err == HEED_OK) err = hd_serving_cold(serving, cold);
        if (err == HEED_OK) err = hd_serve(serving, &request, &rules, &list);
        hd_mem_fail_at(0, true);
        assert_true(err == HEED_OK || err == HEED_MEMORY);
        if (err == HEED_OK) hd_served_clear(&list);
        hd_serving_free(serving);
        assert_int_equal(hd_mem_used(), used);
        assert_true(n < 1000);
    }
    hd_cold_free(cold);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_plain),
        TEST(test_replenishable_may_come_again),
        TEST(test_categories),
        TEST(test_filters),
        TEST(test_exclude),
        TEST(test_caps),
        TEST(test_n_out_of_range),
        TEST(test_nothing_known),
        TEST(test_history_of_unknown_items),
        TEST(test_no_signal_and_filled),
        TEST(test_reasons_are_joined),
        TEST(test_cold_users),
        TEST(test_keys_gone_from_the_catalogue),
        TEST(test_misfits),
        TEST(test_no_methods),
        TEST(test_properties),
        TEST(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
