// SPDX-License-Identifier: Apache-2.0
//
// The real data sets, whole: counts as their documentation states them. Skipped where the folder
// isn't there (HEED_TEST_DATA).
#include "rows.h"

#include <math.h>

typedef struct totals {
    size_t records[HD_KINDS];
    size_t bad, anonymous, returns, adjustments, hidden;
    uint64_t last_line;
    double quantity; // of purchases and returns
} totals;

static void count_event(totals *t, const hd_event_record *e) {
    t->anonymous += e->user.p == NULL;
    t->returns += hd_slice_eq(e->type, "return");
    t->adjustments += hd_slice_eq(e->type, "adjustment");
    if (!isnan(e->quantity)) {
        assert_true(e->quantity >= 0);
        t->quantity += e->quantity;
    }
}

static bool read_all(const char *file, hd_importer_params p, totals *t) {
    hd_arena arena;
    hd_arena_init(&arena);
    *t = (totals){.bad = 0};
    p.path = test_data(&arena, file);
    hd_importer *in = NULL;
    if (p.path) assert_int_equal(hd_importer_open(&p, &in), HEED_OK);
    while (p.path) {
        hd_import_row row;
        assert_int_equal(hd_importer_next(in, &row), HEED_OK);
        if (row.state == HD_ROW_END) break;
        t->last_line = row.line;
        if (row.state == HD_ROW_BAD) {
            t->bad++;
            continue;
        }
        t->records[row.record.kind]++;
        if (row.record.kind == HD_KIND_EVENTS) count_event(t, &row.record.event);
        if (row.record.kind == HD_KIND_ITEMS) t->hidden += row.record.item.hidden == 1;
    }
    if (p.path) assert_int_equal(hd_importer_bytes(in), hd_importer_bytes_total(in));
    hd_importer_close(in);
    bool there = p.path != NULL;
    hd_arena_clear(&arena);
    return there;
}

static void movielens_100k(void **state) {
    (void)state;
    totals t;
    hd_importer_params p = test_params(NULL);
    if (!read_all("movielens-100k/ratings.tsv.gz", p, &t)) return;
    assert_int_equal(t.records[HD_KIND_EVENTS], 100000);
    assert_int_equal(t.bad, 0);
    assert_true(read_all("movielens-100k/users.tsv", p, &t));
    assert_int_equal(t.records[HD_KIND_USERS], 943);
    p.preset = "movielens";
    assert_true(read_all("movielens-100k/items.tsv", p, &t));
    assert_int_equal(t.records[HD_KIND_ITEMS], 1682);
    assert_int_equal(t.bad, 0);
}

static void movielens_1m_sequences(void **state) {
    (void)state;
    totals t;
    hd_importer_params p = test_params(NULL);
    p.preset = "sequence";
    if (!read_all("movielens-1m-seq/ml1m_seq.txt.gz", p, &t)) return;
    assert_int_equal(t.records[HD_KIND_EVENTS], 987531);
    assert_int_equal(t.last_line, 6040);
    assert_int_equal(t.bad, 0);
}

static void online_retail(void **state) {
    (void)state;
    totals t;
    hd_importer_params p = test_params(NULL);
    p.preset = "retail";
    if (!read_all("online-retail/online_retail.csv.gz", p, &t)) return;
    assert_int_equal(t.records[HD_KIND_EVENTS], 541909);
    assert_int_equal(t.bad, 0);
    assert_int_equal(t.anonymous, 135080);
    assert_int_equal(t.returns, 9288);
    assert_int_equal(t.adjustments, 1336 + 3);
    assert_true(t.records[HD_KIND_ITEMS] >= 4070);
    assert_true(t.hidden > 0);
}

static void gift_cards(void **state) {
    (void)state;
    totals t;
    hd_importer_params p = test_params(NULL);
    if (!read_all("amazon-gift-cards-reviews/reviews.jsonl.gz", p, &t)) return;
    assert_int_equal(t.records[HD_KIND_REVIEWS], 2972);
    assert_int_equal(t.bad, 0);
    assert_true(read_all("amazon-gift-cards-reviews/items.jsonl.gz", p, &t));
    // Four prices are pieces of a web page.
    assert_int_equal(t.bad, 4);
    assert_int_equal(t.records[HD_KIND_ITEMS], 1547 - 4);
}

static void cdnow(void **state) {
    (void)state;
    totals t;
    hd_import_map maps[] = {{"number_of_cds", "quantity"}, {"dollar_value", "value"}};
    hd_importer_params p = test_params(NULL);
    p.maps = maps;
    p.n_maps = 2;
    if (!read_all("cdnow/cdnow_master.txt.gz", p, &t)) return;
    assert_int_equal(t.records[HD_KIND_EVENTS], 69659);
    assert_int_equal(t.bad, 0);
    assert_true(t.quantity > 69659);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(movielens_100k), cmocka_unit_test(movielens_1m_sequences),
        cmocka_unit_test(online_retail),  cmocka_unit_test(gift_cards),
        cmocka_unit_test(cdnow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
