// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/sparse.h"

static void test_order(void **state) {
    (void)state;
    const hd_sparse_entry entries[] = {
        {2, 0, 1, 50, 100}, {0, 1, 2, 30, 101},           {0, 2, 3, 10, 102},
        {0, 3, 4, 30, 103}, {0, 0, 5, HD_TIME_NONE, 104}, {2, 1, 6, 50, 105},
    };
    hd_sparse s;
    assert_int_equal(hd_sparse_build(entries, 6, 3, 4, true, true, &s), HEED_OK);
    const size_t start[] = {0, 4, 4, 6};
    assert_memory_equal(s.start, start, sizeof start);
    const int64_t source[] = {104, 102, 101, 103, 100, 105};
    assert_memory_equal(s.source, source, sizeof source);
    const uint32_t col[] = {0, 2, 1, 3, 0, 1};
    assert_memory_equal(s.col, col, sizeof col);
    assert_true(s.weight[0] == 5 && s.weight[5] == 6);
    assert_true(s.time[0] == HD_TIME_NONE && s.time[1] == 10);
    assert_int_equal(hd_sparse_row_len(&s, 1), 0);
    hd_sparse_clear(&s);

    // Without times the order of input is all there is.
    assert_int_equal(hd_sparse_build(entries, 6, 3, 4, false, false, &s), HEED_OK);
    assert_null(s.time);
    assert_null(s.source);
    const uint32_t plain[] = {1, 2, 3, 0, 0, 1};
    assert_memory_equal(s.col, plain, sizeof plain);
    hd_sparse_clear(&s);
}

static void test_empty_and_bad(void **state) {
    (void)state;
    hd_sparse s, t;
    assert_int_equal(hd_sparse_build(NULL, 0, 0, 0, true, true, &s), HEED_OK);
    assert_int_equal(s.start[0], 0);
    assert_int_equal(hd_sparse_transpose(&s, &t), HEED_OK);
    hd_sparse_clear(&s);
    hd_sparse_clear(&t);
    const hd_sparse_entry outside = {3, 0, 1, 0, 0};
    assert_int_equal(hd_sparse_build(&outside, 1, 3, 4, true, true, &s), HEED_INTERNAL);
    assert_int_equal(hd_sparse_build(&outside, 1, 4, 0, true, true, &s), HEED_INTERNAL);
}

enum { N = 2000, U = 40, I = 30 };

static void make_random(hd_sparse_entry *entries, uint64_t seed) {
    hd_rng rng = hd_rng_make(seed, 0);
    for (size_t e = 0; e < N; e++) {
        entries[e] = (hd_sparse_entry){
            .row = (uint32_t)hd_rng_below(&rng, U),
            .col = (uint32_t)hd_rng_below(&rng, I),
            .weight = (float)hd_rng_uniform(&rng),
            .time = (hd_time)hd_rng_below(&rng, 50),
            .source = (int64_t)e,
        };
    }
}

// The definition, checked word by word: rows complete, by time, ties by place of input.
static void check_rows(const hd_sparse *s, const hd_sparse_entry *entries) {
    for (size_t r = 0; r < s->n_rows; r++) {
        for (size_t e = s->start[r]; e < s->start[r + 1]; e++) {
            const hd_sparse_entry *from = &entries[s->source[e]];
            assert_int_equal(from->row, r);
            assert_int_equal(from->col, s->col[e]);
            assert_true(from->weight == s->weight[e] && from->time == s->time[e]);
            if (e == s->start[r]) continue;
            assert_true(s->time[e - 1] < s->time[e] ||
                        (s->time[e - 1] == s->time[e] && s->source[e - 1] < s->source[e]));
        }
    }
    assert_int_equal(s->start[s->n_rows], s->n);
}

static void test_random(void **state) {
    (void)state;
    static hd_sparse_entry entries[N];
    make_random(entries, 3);
    hd_sparse s, t, back;
    assert_int_equal(hd_sparse_build(entries, N, U, I, true, true, &s), HEED_OK);
    check_rows(&s, entries);
    assert_int_equal(hd_sparse_transpose(&s, &t), HEED_OK);
    assert_int_equal(t.n_rows, I);
    assert_int_equal(t.n_cols, U);
    for (size_t i = 0; i < I; i++) {
        for (size_t e = t.start[i]; e < t.start[i + 1]; e++) {
            const hd_sparse_entry *from = &entries[t.source[e]];
            assert_true(from->col == i && from->row == t.col[e] && from->weight == t.weight[e] &&
                        from->time == t.time[e]);
            assert_true(e == t.start[i] || t.col[e - 1] <= t.col[e]);
        }
    }
    assert_int_equal(hd_sparse_transpose(&t, &back), HEED_OK);
    assert_memory_equal(back.start, s.start, (U + 1) * sizeof *s.start);

    bool keep[N];
    size_t kept = 0;
    for (size_t e = 0; e < N; e++) kept += keep[e] = s.col[e] % 3 == 0;
    hd_sparse f;
    assert_int_equal(hd_sparse_filter(&s, keep, &f), HEED_OK);
    assert_int_equal(f.n, kept);
    check_rows(&f, entries);
    for (size_t e = 0; e < f.n; e++) assert_int_equal(f.col[e] % 3, 0);
    hd_sparse_clear(&s);
    hd_sparse_clear(&t);
    hd_sparse_clear(&back);
    hd_sparse_clear(&f);
}

static void test_out_of_memory(void **state) {
    (void)state;
    static hd_sparse_entry entries[N];
    static bool keep[N];
    make_random(entries, 4);
    size_t before = hd_mem_used();
    heed_err err = HEED_MEMORY;
    for (uint64_t n = 1; err != HEED_OK; n++) {
        hd_sparse s = {0}, t = {0}, f = {0};
        hd_mem_fail_at(n, true);
        err = hd_sparse_build(entries, N, U, I, true, true, &s);
        if (err == HEED_OK) err = hd_sparse_transpose(&s, &t);
        if (err == HEED_OK) err = hd_sparse_filter(&s, keep, &f);
        hd_mem_fail_at(0, false);
        assert_true(err == HEED_OK || err == HEED_MEMORY);
        hd_sparse_clear(&s);
        hd_sparse_clear(&t);
        hd_sparse_clear(&f);
        assert_int_equal(hd_mem_used(), before);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_empty_and_bad),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
