// SPDX-License-Identifier: Apache-2.0
//
// What protocols hold out: small cases written out, what must be true of any split of random data,
// and the hash.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "recommend/protocols.h"

// A row of "user item" pairs as one text: "0:1 0:2 1:1". Times: the place in the text × 10.
static hd_sparse build(const char *text, size_t n_rows, size_t n_cols, bool has_time) {
    hd_sparse_entry entries[64];
    size_t n = 0;
    for (const char *p = text; *p; p += p[3] ? 4 : 3, n++)
        entries[n] = (hd_sparse_entry){(uint32_t)(p[0] - '0'), (uint32_t)(p[2] - '0'), 1,
                                       (hd_time)(n * 10), (int64_t)n};
    hd_sparse out;
    assert_int_equal(hd_sparse_build(entries, n, n_rows, n_cols, has_time, true, &out), HEED_OK);
    return out;
}

static void check_row(const hd_sparse *train, size_t row, const char *items) {
    assert_int_equal(hd_sparse_row_len(train, row), strlen(items));
    for (size_t i = 0; items[i]; i++)
        assert_int_equal(train->col[train->start[row] + i], items[i] - '0');
}

static void check_case(const hd_split *split, size_t c, uint32_t row, const char *items) {
    assert_true(c < split->n_cases);
    assert_int_equal(split->row[c], row);
    assert_int_equal(split->relevant_start[c + 1] - split->relevant_start[c], strlen(items));
    for (size_t i = 0; items[i]; i++)
        assert_int_equal(split->relevant[split->relevant_start[c] + i], items[i] - '0');
}

static hd_split make(const hd_sparse *events, const char *protocol, uint64_t seed) {
    hd_split split;
    assert_int_equal(hd_split_make(events, hd_protocol_find(protocol), seed, &split), HEED_OK);
    return split;
}

static void loo_without_repeats(void **state) {
    (void)state;
    // User 1 has one item: no case. User 2 has none.
    hd_sparse events = build("0:1 1:4 0:2 3:5 0:3 3:1", 4, 6, false);
    hd_split split = make(&events, "loo", 1);
    assert_int_equal(split.n_cases, 2);
    check_case(&split, 0, 0, "3");
    check_case(&split, 1, 3, "1");
    check_row(&split.train, 0, "12");
    check_row(&split.train, 1, "4");
    check_row(&split.train, 2, "");
    check_row(&split.train, 3, "5");
    hd_split_clear(&split);
    hd_sparse_clear(&events);
}

// The last newly met item is held out; what comes after it is gone, what repeats before it stays.
static void loo_with_repeats(void **state) {
    (void)state;
    hd_sparse events = build("0:1 0:2 0:1 0:3 0:1 0:3 1:2 1:2 1:2 2:5 2:5 2:4", 3, 6, true);
    hd_split split = make(&events, "loo", 1);
    assert_int_equal(split.n_cases, 2);
    check_case(&split, 0, 0, "3");
    check_case(&split, 1, 2, "4");
    check_row(&split.train, 0, "121");
    check_row(&split.train, 1, "222");
    check_row(&split.train, 2, "55");
    assert_non_null(split.train.time);
    assert_int_equal(split.train.time[1], 10);
    assert_int_equal(split.train.source[2], 2);
    hd_split_clear(&split);
    hd_sparse_clear(&events);
}

// Events at one instant keep their order of input.
static void loo_ties(void **state) {
    (void)state;
    const hd_sparse_entry entries[] = {{0, 3, 1, 5, 0}, {0, 1, 1, 5, 1}, {0, 2, 1, 5, 2}};
    hd_sparse events;
    assert_int_equal(hd_sparse_build(entries, 3, 1, 4, true, true, &events), HEED_OK);
    hd_split split = make(&events, "loo", 1);
    check_case(&split, 0, 0, "2");
    hd_split_clear(&split);
    hd_sparse_clear(&events);
}

static void time_cuts_at_eighty(void **state) {
    (void)state;
    // Ten events: the cut is the time of the ninth (index 8); 0 and 2 act from there on.
    hd_sparse events = build("0:1 0:2 1:1 1:3 0:3 1:2 1:4 0:4 0:5 2:1", 3, 6, true);
    hd_split split = make(&events, "time", 1);
    assert_int_equal(split.n_cases, 1); // user 2 has no history
    check_case(&split, 0, 0, "5");
    check_row(&split.train, 0, "1234");
    check_row(&split.train, 1, "1324");
    check_row(&split.train, 2, "");
    hd_split_clear(&split);
    hd_sparse_clear(&events);
}

static void time_holds_out_only_what_is_new(void **state) {
    (void)state;
    // 15 events, cut at index 12: after it user 0 meets 2 again, 5 twice and 3.
    hd_sparse events =
        build("0:1 0:2 1:1 1:3 1:2 1:4 1:5 1:1 1:1 1:1 1:2 1:2 0:2 0:5 0:5 0:3 1:3", 2, 6, true);
    assert_int_equal(events.n, 17); // cut: index 13
    hd_split split = make(&events, "time", 1);
    assert_int_equal(split.n_cases, 1);
    check_case(&split, 0, 0, "35");
    check_row(&split.train, 0, "122");
    hd_split_clear(&split);
    hd_sparse_clear(&events);
}

// Events without a time come before all others.
static void time_unknown_is_training(void **state) {
    (void)state;
    const hd_sparse_entry entries[] = {
        {0, 0, 1, HD_TIME_NONE, 0}, {0, 1, 1, 1, 1}, {0, 2, 1, 2, 2}, {1, 1, 1, HD_TIME_NONE, 3}};
    hd_sparse events;
    assert_int_equal(hd_sparse_build(entries, 4, 2, 4, true, true, &events), HEED_OK);
    hd_split split = make(&events, "time", 1); // of two times: index 1
    assert_int_equal(split.n_cases, 1);
    check_case(&split, 0, 0, "2");
    check_row(&split.train, 0, "01");
    check_row(&split.train, 1, "1");
    hd_split_clear(&split);
    hd_sparse_clear(&events);
}

static void time_needs_times(void **state) {
    (void)state;
    hd_sparse events = build("0:1 0:2", 1, 3, false);
    hd_split split;
    assert_int_equal(hd_split_make(&events, hd_protocol_find("time"), 1, &split), HEED_UNAVAILABLE);
    assert_non_null(strstr(heed_error_message(HEED_EN), "'time'"));
    assert_non_null(strstr(heed_error_message(HEED_ZH), "“time”"));
    hd_sparse_clear(&events);
}

enum { USERS = 80, ITEMS = 30, EVENTS = 2500 };

static hd_sparse random_events(uint64_t seed) {
    static hd_sparse_entry entries[EVENTS];
    hd_rng rng = hd_rng_make(seed, 0);
    for (size_t e = 0; e < EVENTS; e++) {
        // User u has on average in proportion to its number; user 0 nothing.
        uint32_t u = (uint32_t)(hd_rng_uniform(&rng) * hd_rng_uniform(&rng) * (USERS - 1)) + 1;
        entries[e] = (hd_sparse_entry){u, (uint32_t)hd_rng_below(&rng, ITEMS), 1,
                                       (hd_time)hd_rng_below(&rng, 500), (int64_t)e};
    }
    hd_sparse out;
    assert_int_equal(hd_sparse_build(entries, EVENTS, USERS, ITEMS, true, true, &out), HEED_OK);
    return out;
}

static bool row_has(const hd_sparse *s, size_t row, uint32_t item) {
    for (size_t e = s->start[row]; e < s->start[row + 1]; e++)
        if (s->col[e] == item) return true;
    return false;
}

static size_t distinct(const hd_sparse *s, size_t row) {
    size_t n = 0;
    for (uint32_t i = 0; i < ITEMS; i++) n += row_has(s, row, i);
    return n;
}

static void holds_of_any_split(const hd_sparse *events, const hd_split *split) {
    assert_int_equal(split->train.n_rows, USERS);
    assert_int_equal(split->train.n_cols, ITEMS);
    assert_true(split->n_cases > 10 && split->relevant_start[0] == 0);
    for (size_t c = 0; c < split->n_cases; c++) {
        size_t begin = split->relevant_start[c], end = split->relevant_start[c + 1];
        uint32_t row = split->row[c];
        assert_true(c == 0 || row > split->row[c - 1]);
        assert_true(end > begin && hd_sparse_row_len(&split->train, row) > 0);
        for (size_t i = begin; i < end; i++) {
            assert_true(i == begin || split->relevant[i] > split->relevant[i - 1]);
            assert_false(row_has(&split->train, row, split->relevant[i]));
            assert_true(row_has(events, row, split->relevant[i]));
        }
    }
}

static void random_data(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        hd_sparse events = random_events(seed);
        for (size_t p = 0; hd_protocols[p]; p++) {
            hd_split split = make(&events, hd_protocols[p]->name, seed);
            holds_of_any_split(&events, &split);
            hd_split_clear(&split);
        }
        hd_sparse_clear(&events);
    }
}

// A quarter of each user's different items, halves to the even number, all other events training.
static void random_is_stratified(void **state) {
    (void)state;
    hd_sparse events = random_events(3);
    hd_split split = make(&events, "random", 9);
    const size_t trained[] = {0, 1, 2, 2, 3, 4, 4, 5, 6, 7, 8};
    for (size_t u = 0, c = 0; u < USERS; u++) {
        size_t n = distinct(&events, u), kept = distinct(&split.train, u), held = 0;
        if (c < split.n_cases && split.row[c] == u) {
            held = split.relevant_start[c + 1] - split.relevant_start[c];
            c++;
        }
        assert_int_equal(kept + held, n);
        if (n <= 10) assert_int_equal(kept, trained[n]);
        assert_true(4 * kept + 2 >= 3 * n && 4 * kept <= 3 * n + 2);
    }
    size_t n_train = 0;
    for (size_t u = 0; u < USERS; u++)
        for (size_t e = events.start[u]; e < events.start[u + 1]; e++)
            n_train += row_has(&split.train, u, events.col[e]);
    assert_int_equal(split.train.n, n_train);
    hd_split again = make(&events, "random", 9), other = make(&events, "random", 10);
    assert_string_equal(split.hash, again.hash);
    assert_string_not_equal(split.hash, other.hash);
    hd_split_clear(&split);
    hd_split_clear(&again);
    hd_split_clear(&other);
    hd_sparse_clear(&events);
}

static void hash_is_as_documented(void **state) {
    (void)state;
    hd_sparse events = build("0:1 0:2 0:3 3:5 3:1", 4, 6, false);
    hd_split split = make(&events, "loo", 1);
    const unsigned char bytes[] = {0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0,  // row 0, one item, 3
                                   3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0}; // row 3, one item, 1
    unsigned char hash[32];
    char hex[65];
    crypto_generichash(hash, sizeof hash, bytes, sizeof bytes, NULL, 0);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    assert_string_equal(split.hash, hex);
    hd_split_clear(&split);
    hd_sparse_clear(&events);
}

static void nobody(void **state) {
    (void)state;
    hd_sparse events = build("0:1 1:1", 2, 3, true);
    for (size_t p = 0; hd_protocols[p]; p++) {
        hd_split split = make(&events, hd_protocols[p]->name, 1);
        assert_int_equal(split.n_cases, 0);
        assert_int_equal(strlen(split.hash), 64);
        hd_split_clear(&split);
    }
    hd_sparse_clear(&events);
    hd_sparse none;
    assert_int_equal(hd_sparse_build(NULL, 0, 0, 0, true, false, &none), HEED_OK);
    for (size_t p = 0; hd_protocols[p]; p++) {
        hd_split split = make(&none, hd_protocols[p]->name, 1);
        assert_int_equal(split.n_cases, 0);
        hd_split_clear(&split);
    }
    hd_sparse_clear(&none);
}

static void names(void **state) {
    (void)state;
    assert_null(hd_protocol_find("holdout"));
    for (size_t p = 0; hd_protocols[p]; p++) {
        assert_ptr_equal(hd_protocol_find(hd_protocols[p]->name), hd_protocols[p]);
        assert_true(hd_protocols[p]->version >= 1);
        assert_true(strlen(hd_protocols[p]->doc.en) > 20 && strlen(hd_protocols[p]->doc.zh) > 20);
    }
}

static void memory_runs_out(void **state) {
    (void)state;
    hd_sparse events = random_events(1);
    size_t used = hd_mem_used();
    for (size_t p = 0; hd_protocols[p]; p++) {
        heed_err err = HEED_MEMORY;
        for (uint64_t nth = 1; err == HEED_MEMORY; nth++) {
            hd_split split;
            hd_mem_fail_at(nth, true);
            err = hd_split_make(&events, hd_protocols[p], 1, &split);
            hd_mem_fail_at(0, true);
            if (err == HEED_OK) hd_split_clear(&split);
            assert_int_equal(hd_mem_used(), used);
            assert_true(err == HEED_MEMORY || nth > 6);
        }
        assert_int_equal(err, HEED_OK);
    }
    hd_sparse_clear(&events);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loo_without_repeats),
        cmocka_unit_test(loo_with_repeats),
        cmocka_unit_test(loo_ties),
        cmocka_unit_test(time_cuts_at_eighty),
        cmocka_unit_test(time_holds_out_only_what_is_new),
        cmocka_unit_test(time_unknown_is_training),
        cmocka_unit_test(time_needs_times),
        cmocka_unit_test(random_data),
        cmocka_unit_test(random_is_stratified),
        cmocka_unit_test(hash_is_as_documented),
        cmocka_unit_test(nobody),
        cmocka_unit_test(names),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
