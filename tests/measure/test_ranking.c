// SPDX-License-Identifier: Apache-2.0
//
// Metrics against cases computed by hand: the same as in docs/metrics.md.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "measure/facts.h"
#include "measure/ranking.h"

// Five users, five items; user 3 has item 0 twice, user 4 nothing, item 4 nobody.
//   users of the items 4 2 2 1 0 (of 4 who have any), events 5 2 2 1 0 (of 10)
//   80% are 8 events: items 0, 1, 2 are the head, 3 and 4 the tail
//   cos(0,1) = cos(0,2) = 2/√8, cos(1,2) = 1/2, cos(0,3) = 1/2, else 0
static const hd_sparse_entry events[] = {
    {0, 0, 1, 0, 0}, {0, 1, 1, 0, 0}, {1, 0, 1, 0, 0}, {1, 1, 1, 0, 0}, {1, 2, 1, 0, 0},
    {2, 0, 1, 0, 0}, {2, 2, 1, 0, 0}, {3, 0, 1, 0, 0}, {3, 0, 1, 0, 0}, {3, 3, 1, 0, 0},
};

typedef struct world {
    hd_sparse train, columns;
    hd_rank_context context;
} world;

static int setup(void **state) {
    static world w;
    assert_int_equal(hd_sparse_build(events, 10, 5, 5, false, false, &w.train), HEED_OK);
    assert_int_equal(hd_sparse_transpose(&w.train, &w.columns), HEED_OK);
    w.context = (hd_rank_context){&w.train, &w.columns, 1, 0};
    *state = &w;
    return 0;
}

static int teardown(void **state) {
    world *w = *state;
    hd_sparse_clear(&w->train);
    hd_sparse_clear(&w->columns);
    return 0;
}

static const uint32_t ranked_0[] = {2, 3, 4}, relevant_0[] = {3};
static const uint32_t ranked_3[] = {1, 2}, relevant_3[] = {4, 1};
static const hd_rank_case cases[] = {
    {.row = 0, .ranked = ranked_0, .n_ranked = 3, .relevant = relevant_0, .n_relevant = 1},
    {.row = 3, .ranked = ranked_3, .n_ranked = 2, .relevant = relevant_3, .n_relevant = 2},
};

typedef struct expected {
    const char *name;
    double value;
} expected;

static void check(const hd_rank_context *context, const hd_rank_case *list, size_t n_lists,
                  const size_t *ks, size_t n_ks, const expected *want, size_t n_want) {
    hd_metric_value *got = NULL;
    size_t n = 0;
    assert_int_equal(hd_rank_measure(context, list, n_lists, ks, n_ks, NULL, &got, &n), HEED_OK);
    assert_int_equal(n, n_want);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(got[i].name, want[i].name);
        if (got[i].value != want[i].value)
            fail_msg("%s: %.17g, expected %.17g", got[i].name, got[i].value, want[i].value);
        assert_true(got[i].low == got[i].value && got[i].high == got[i].value);
        assert_false(got[i].interval);
    }
    hd_free(got);
}

static void one_user(void **state) {
    const world *w = *state;
    const size_t k = 2;
    const expected first[] = {
        {"hr@2", 1},         {"recall@2", 1},
        {"precision@2", .5}, {"ndcg@2", 0.6309297535714575}, // 1 / log2 3
        {"mrr@2", .5},       {"map@2", .5},
        {"novelty@2", 1.5},                           // (−log2 2/4 − log2 1/4) / 2
        {"diversity@2", 1},  {"serendipity@2", .375}, // (1 − (1/2 + 0) / 2) / 2
        {"arp@2", 1.5},      {"tail_share@2", .5},
        {"coverage@2", .4},  {"gini@2", .75}, // (2·1 + 4·1) / 2 / 4
        {"entropy@2", 1},
    };
    check(&w->context, cases, 1, &k, 1, first, 14);
    const expected second[] = {
        {"hr@2", 1},
        {"recall@2", .5},
        {"precision@2", .5},
        {"ndcg@2", 0.6131471927654584}, // 1 / (1 + 1 / log2 3)
        {"mrr@2", 1},
        {"map@2", .5},
        {"novelty@2", 1},
        {"diversity@2", .5},
        {"serendipity@2", 0.32322330470336313}, // (1 − 2/√8 / 2) / 2: item 0 counts once
        {"arp@2", 2},
        {"tail_share@2", 0},
        {"coverage@2", .4},
        {"gini@2", .75},
        {"entropy@2", 1},
    };
    check(&w->context, cases + 1, 1, &k, 1, second, 14);
}

// Means over users, and a k beyond the length of a list.
static void two_users(void **state) {
    const world *w = *state;
    const size_t ks[] = {2, 4};
    const expected want[] = {
        {"hr@2", 1},
        {"recall@2", .75},
        {"precision@2", .5},
        {"ndcg@2", (0.6309297535714575 + 0.6131471927654584) / 2},
        {"mrr@2", .75},
        {"map@2", .5},
        {"novelty@2", 1.25},
        {"diversity@2", .75},
        {"serendipity@2", (.375 + 0.32322330470336313) / 2},
        {"arp@2", 1.75},
        {"tail_share@2", .25},
        {"coverage@2", .6},
        {"gini@2", .625}, // exposure 0 0 1 1 2: (2·1 + 4·2) / 4 / 4
        {"entropy@2", 1.5},
        {"hr@4", 1},
        {"recall@4", .75},
        {"precision@4", .25},
        {"ndcg@4", (0.6309297535714575 + 0.6131471927654584) / 2},
        {"mrr@4", .75},
        {"map@4", .5},
        {"novelty@4", (5. / 3 + 1) / 2}, // item 4, which nobody has, counts as had by one: 2 bits
        {"diversity@4", .75},
        {"serendipity@4", (.75 / 3 + 0.32322330470336313) / 2},
        {"arp@4", 1.5},
        {"tail_share@4", 1. / 3},
        {"coverage@4", .8},
        {"gini@4", .4}, // exposure 0 1 1 1 2: (−2·1 + 0 + 2·1 + 4·2) / 5 / 4
        {"entropy@4", 0.6 * 2.321928094887362 + 0.4 * 1.3219280948873622},
    };
    hd_metric_value *got = NULL;
    size_t n = 0;
    assert_int_equal(hd_rank_measure(&w->context, cases, 2, ks, 2, NULL, &got, &n), HEED_OK);
    assert_int_equal(n, 28);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(got[i].name, want[i].name);
        if (fabs(got[i].value - want[i].value) > 4e-16 * fabs(want[i].value))
            fail_msg("%s: %.17g, expected %.17g", got[i].name, got[i].value, want[i].value);
    }
    hd_free(got);
}

// A perfect list has 1 where 1 is the best, also when more is held out than fits.
static void perfect_list(void **state) {
    const world *w = *state;
    const uint32_t ranked[] = {4, 3, 2}, relevant[] = {2, 3, 4};
    const hd_rank_case c = {0, ranked, 3, relevant, 3};
    for (size_t k = 1; k <= 3; k++) {
        hd_metric_value *got = NULL;
        size_t n = 0;
        assert_int_equal(hd_rank_measure(&w->context, &c, 1, &k, 1, NULL, &got, &n), HEED_OK);
        assert_true(got[0].value == 1 && got[2].value == 1 && got[3].value == 1);
        assert_true(got[4].value == 1 && got[5].value == 1);
        assert_true(got[1].value == (double)k / 3);
        hd_free(got);
    }
}

static void miss_and_empty_list(void **state) {
    const world *w = *state;
    const uint32_t relevant[] = {2};
    const hd_rank_case miss = {4, ranked_3, 1, relevant, 1}, empty = {4, ranked_3, 0, relevant, 1};
    const size_t k = 10;
    hd_metric_value *got = NULL;
    size_t n = 0;
    assert_int_equal(hd_rank_measure(&w->context, &miss, 1, &k, 1, NULL, &got, &n), HEED_OK);
    for (size_t i = 0; i < 6; i++) assert_true(got[i].value == 0);
    assert_true(got[7].value == 0); // one item has no pairs
    assert_true(got[8].value == 0);
    hd_free(got);
    assert_int_equal(hd_rank_measure(&w->context, &empty, 1, &k, 1, NULL, &got, &n), HEED_OK);
    for (size_t i = 0; i < n; i++) assert_true(got[i].value == 0);
    hd_free(got);
}

// A hit of somebody without history is wholly unlike it.
static void serendipity_without_history(void **state) {
    const world *w = *state;
    const uint32_t relevant[] = {1};
    const hd_rank_case c = {4, ranked_3, 1, relevant, 1};
    const size_t k = 1;
    hd_metric_value *got = NULL;
    size_t n = 0;
    assert_int_equal(hd_rank_measure(&w->context, &c, 1, &k, 1, NULL, &got, &n), HEED_OK);
    assert_string_equal(got[8].name, "serendipity@1");
    assert_true(got[8].value == 1);
    hd_free(got);
}

static void gini_of_extremes(void **state) {
    const world *w = *state;
    const uint32_t ranked[] = {0, 1, 2, 3, 4}, relevant[] = {0};
    const hd_rank_case all = {4, ranked, 5, relevant, 1};
    const size_t ks[] = {1, 5};
    hd_metric_value *got = NULL;
    size_t n = 0;
    assert_int_equal(hd_rank_measure(&w->context, &all, 1, ks, 2, NULL, &got, &n), HEED_OK);
    assert_true(got[12].value == 1 && got[13].value == 0);           // one item takes all
    assert_true(got[14 + 12].value == 0 && got[14 + 11].value == 1); // all alike
    hd_free(got);
}

static void rows_are_documented(void **state) {
    (void)state;
    size_t n = 0;
    for (; hd_rank_metric_at(n); n++) {
        const hd_metric_info *m = hd_rank_metric_at(n);
        assert_true(strlen(m->name) > 0 && strlen(m->name) < 20);
        assert_true(strlen(m->doc.en) > 20 && strlen(m->doc.zh) > 20);
        for (size_t i = 0; i < n; i++) assert_string_not_equal(m->name, hd_rank_metric_at(i)->name);
    }
    assert_int_equal(n, 14);
    assert_null(hd_rank_metric_at(n + 5));
}

// Bit sets, list against bits, and lists: all three ways of counting see the same.
static void overlaps(void **state) {
    (void)state;
    enum { USERS = 3000, ITEMS = 24 };
    static bool has[USERS][ITEMS];
    static hd_sparse_entry entries[USERS * ITEMS];
    size_t n = 0;
    for (uint32_t u = 0; u < USERS; u++)
        for (uint32_t i = 0; i < ITEMS; i++) {
            // Item i is had by about one user in 1 + i².
            has[u][i] =
                (u * 2654435761u + i * 40503u) >> 7 & 1023 ? u % (1 + i * i) == i % 3 : true;
            if (has[u][i]) entries[n++] = (hd_sparse_entry){u, i, 1, 0, 0};
        }
    hd_sparse train, columns;
    hd_item_facts facts;
    assert_int_equal(hd_sparse_build(entries, n, USERS, ITEMS, false, false, &train), HEED_OK);
    assert_int_equal(hd_sparse_transpose(&train, &columns), HEED_OK);
    assert_int_equal(hd_item_facts_init(&facts, &train, &columns), HEED_OK);
    size_t dense = 0;
    for (uint32_t a = 0; a < ITEMS; a++) {
        dense += facts.bits_at[a] != SIZE_MAX;
        for (uint32_t b = 0; b < ITEMS; b++) {
            size_t both = 0;
            for (size_t u = 0; u < USERS; u++) both += has[u][a] && has[u][b];
            assert_int_equal(hd_item_both(&facts, a, b), both);
        }
    }
    assert_true(dense > 3 && dense < ITEMS - 3);
    hd_item_facts_clear(&facts);
    hd_sparse_clear(&columns);
    hd_sparse_clear(&train);
}

static void memory_runs_out(void **state) {
    world *w = *state;
    hd_rank_context context = w->context;
    const size_t k = 2;
    context.bootstrap = 20;
    size_t used = hd_mem_used();
    heed_err err = HEED_MEMORY;
    uint64_t nth = 1;
    for (; err == HEED_MEMORY; nth++) {
        hd_metric_value *got = NULL;
        size_t n = 0;
        hd_mem_fail_at(nth, true);
        err = hd_rank_measure(&context, cases, 2, &k, 1, NULL, &got, &n);
        hd_mem_fail_at(0, true);
        hd_free(got);
        assert_int_equal(hd_mem_used(), used);
    }
    assert_int_equal(err, HEED_OK);
    assert_true(nth > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_user),
        cmocka_unit_test(two_users),
        cmocka_unit_test(perfect_list),
        cmocka_unit_test(miss_and_empty_list),
        cmocka_unit_test(serendipity_without_history),
        cmocka_unit_test(gini_of_extremes),
        cmocka_unit_test(rows_are_documented),
        cmocka_unit_test(overlaps),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
