// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/rng.h"

// Known answers of Random123 (kat_vectors, philox4x32 10).
static void test_known_answers(void **state) {
    (void)state;
    const struct {
        uint32_t counter[4], key[2], out[4];
    } rows[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < 3; i++) {
        uint32_t out[4];
        hd_philox(rows[i].counter, rows[i].key, out);
        assert_memory_equal(out, rows[i].out, sizeof out);
    }
    assert_true(hd_rng_at(0, 0, 0) == UINT64_C(0xe169c58d6627e8d5));
    assert_true(hd_rng_at(0, 0, 1) == UINT64_C(0x9b00dbd8bc57ac4c));
}

static void test_counter(void **state) {
    (void)state;
    hd_rng rng = hd_rng_make(5, 9);
    for (uint64_t i = 0; i < 100; i++) assert_true(hd_rng_u64(&rng) == hd_rng_at(5, 9, i));
    assert_true(hd_rng_at(5, 9, 3) != hd_rng_at(5, 8, 3));
    assert_true(hd_rng_at(5, 9, 3) != hd_rng_at(4, 9, 3));
    assert_true(hd_rng_at(5, 9, 3) != hd_rng_at(5, 9, 3 + (UINT64_C(1) << 40)));
}

static void test_moments(void **state) {
    (void)state;
    enum { N = 100000 };
    hd_rng rng = hd_rng_make(1, 2);
    double u = 0, z = 0, zz = 0, z4 = 0, e = 0;
    for (int i = 0; i < N; i++) {
        double x = hd_rng_uniform(&rng);
        assert_true(x >= 0 && x < 1);
        u += x;
        x = hd_rng_normal(&rng);
        assert_true(isfinite(x));
        z += x;
        zz += x * x;
        z4 += x * x * x * x;
        x = hd_rng_exponential(&rng);
        assert_true(x >= 0 && isfinite(x));
        e += x;
    }
    // Five standard errors each.
    assert_true(fabs(u / N - 0.5) < 5 * sqrt(1.0 / 12 / N));
    assert_true(fabs(z / N) < 5 / sqrt(N));
    assert_true(fabs(zz / N - 1) < 5 * sqrt(2.0 / N));
    assert_true(fabs(z4 / N - 3) < 5 * sqrt(96.0 / N));
    assert_true(fabs(e / N - 1) < 5 / sqrt(N));
}

static void test_below(void **state) {
    (void)state;
    hd_rng rng = hd_rng_make(3, 0);
    int counts[7] = {0};
    for (int i = 0; i < 70000; i++) counts[hd_rng_below(&rng, 7)]++;
    double chi2 = 0;
    for (int i = 0; i < 7; i++) chi2 += (counts[i] - 10000.0) * (counts[i] - 10000.0) / 10000.0;
    assert_true(chi2 < 22.5); // 6 degrees of freedom, p = .001
    for (int i = 0; i < 100; i++) {
        assert_int_equal(hd_rng_below(&rng, 1), 0);
        assert_true(hd_rng_below(&rng, (UINT64_C(1) << 63) + 1) <= UINT64_C(1) << 63);
    }
}

static void test_shuffle(void **state) {
    (void)state;
    typedef struct wide {
        char text[100];
        int id;
    } wide;
    wide items[50];
    memset(items, 0, sizeof items);
    for (int i = 0; i < 50; i++) items[i].id = i;
    for (int i = 0; i < 50; i++) items[i].text[99] = (char)i;
    hd_rng rng = hd_rng_make(4, 0);
    hd_rng_shuffle(&rng, items, 50, sizeof items[0]);
    int sum = 0, moved = 0;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(items[i].id, items[i].text[99]);
        sum += items[i].id;
        moved += items[i].id != i;
    }
    assert_int_equal(sum, 1225);
    assert_true(moved > 40);
    hd_rng_shuffle(&rng, items, 0, sizeof items[0]);

    // All six orders of three, equally often.
    int counts[27] = {0};
    for (int i = 0; i < 6000; i++) {
        unsigned char p[3] = {0, 1, 2};
        hd_rng_shuffle(&rng, p, 3, 1);
        counts[p[0] * 9 + p[1] * 3 + p[2]]++;
    }
    int seen = 0;
    for (int i = 0; i < 27; i++) {
        seen += counts[i] > 0;
        if (counts[i] > 0) assert_in_range(counts[i], 850, 1150);
    }
    assert_int_equal(seen, 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers), cmocka_unit_test(test_counter),
        cmocka_unit_test(test_moments),       cmocka_unit_test(test_below),
        cmocka_unit_test(test_shuffle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
