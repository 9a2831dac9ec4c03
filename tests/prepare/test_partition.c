// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "prepare/partition.h"

enum { ROWS = 103 };
static uint32_t part[ROWS], again[ROWS], label[ROWS];
static hd_time when[ROWS];

static void run(const char *name, const hd_partition_input *in, uint32_t *out) {
    const hd_partition_kind *kind = hd_partition_find(name);
    assert_non_null(kind);
    assert_int_equal(hd_partition(kind, in, out), HEED_OK);
}

static size_t count(const uint32_t *parts, uint32_t which, const uint32_t *labels, uint32_t of) {
    size_t n = 0;
    for (size_t i = 0; i < ROWS; i++) n += parts[i] == which && (!labels || labels[i] == of);
    return n;
}

static void test_random(void **state) {
    (void)state;
    for (int percent = 0; percent <= 100; percent += 5) {
        hd_partition_input in = {.n_rows = ROWS, .share = percent / 100.0, .seed = 4};
        run("random", &in, part);
        assert_int_equal(count(part, 1, NULL, 0), (size_t)(percent * ROWS / 100.0 + 0.5));
        assert_int_equal(count(part, 0, NULL, 0) + count(part, 1, NULL, 0), ROWS);
        run("random", &in, again);
        assert_memory_equal(part, again, sizeof part);
    }
    hd_partition_input in = {.n_rows = ROWS, .share = 0.5, .seed = 4};
    run("random", &in, part);
    in.seed = 5;
    run("random", &in, again);
    assert_memory_not_equal(part, again, sizeof part);
}

// Each class gives its share, to one row; and the whole its exact number.
static void test_stratified(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS; i++) label[i] = i % 10 == 0 ? UINT32_MAX : i % 3 == 0;
    for (int percent = 0; percent <= 100; percent += 25) {
        hd_partition_input in = {.n_rows = ROWS, .share = percent / 100.0, .label = label};
        run("stratified", &in, part);
        assert_int_equal(count(part, 1, NULL, 0), (size_t)(percent * ROWS / 100.0 + 0.5));
        static const uint32_t classes[] = {0, 1, UINT32_MAX};
        for (size_t c = 0; c < 3; c++) {
            size_t all = count(label, classes[c], NULL, 0);
            double due = percent / 100.0 * (double)all;
            double tested = (double)count(part, 1, label, classes[c]);
            assert_true(tested > due - 1.5 && tested < due + 1.5);
        }
    }
}

static void test_time(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS; i++) when[i] = (hd_time)(i * 37 % ROWS);
    hd_partition_input in = {.n_rows = ROWS, .share = 0.2, .time = when};
    run("time", &in, part); // 20.6 rows: 21
    for (size_t i = 0; i < ROWS; i++) assert_int_equal(part[i], when[i] >= ROWS - 21);
    // Ties stay together; what has no time is trained on.
    for (size_t i = 0; i < ROWS; i++) when[i] = i < 3 ? HD_TIME_NONE : i < 70 ? 5 : 9;
    run("time", &in, part);
    for (size_t i = 0; i < ROWS; i++) assert_int_equal(part[i], i >= 70);
    in.share = 0.5;
    run("time", &in, part);
    for (size_t i = 0; i < ROWS; i++) assert_int_equal(part[i], i >= 3);
    in.share = 1;
    run("time", &in, part);
    for (size_t i = 0; i < ROWS; i++) assert_int_equal(part[i], i >= 3);
    in.share = 0;
    run("time", &in, part);
    assert_int_equal(count(part, 1, NULL, 0), 0);
}

static void test_last(void **state) {
    (void)state;
    static const uint32_t groups[] = {7, 3, 7, 3, 9, 7};
    static const hd_time times[] = {5, 1, 8, 1, 2, 8};
    hd_partition_input in = {.n_rows = 6, .group = groups, .time = times};
    run("last", &in, part);
    static const uint32_t expected[] = {0, 0, 0, 1, 0, 1};
    assert_memory_equal(part, expected, sizeof expected);
    in.time = NULL; // order alone
    run("last", &in, part);
    assert_memory_equal(part, expected, sizeof expected);
}

static void test_folds(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS; i++) label[i] = i % 4 == 0;
    for (int with_label = 0; with_label < 2; with_label++) {
        hd_partition_input in = {.n_rows = ROWS, .folds = 5, .seed = 2};
        if (with_label) in.label = label;
        run("folds", &in, part);
        for (uint32_t f = 0; f < 5; f++) {
            size_t n = count(part, f, NULL, 0);
            assert_true(n == 20 || n == 21);
            size_t ones = count(part, f, label, 1);
            if (with_label) assert_true(ones == 5 || ones == 6); // 26 of 103
        }
        run("folds", &in, again);
        assert_memory_equal(part, again, sizeof part);
    }
}

static void test_refused(void **state) {
    (void)state;
    hd_partition_input in = {.n_rows = ROWS, .share = 0.5, .folds = 5};
    static const char *const needing[] = {"stratified", "time", "last"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(hd_partition(hd_partition_find(needing[i]), &in, part), HEED_INPUT);
        assert_non_null(strstr(heed_error_message(HEED_EN), needing[i]));
    }
    in.share = 1.5;
    assert_int_equal(hd_partition(hd_partition_find("random"), &in, part), HEED_INPUT);
    in.folds = 1;
    assert_int_equal(hd_partition(hd_partition_find("folds"), &in, part), HEED_INPUT);
    in.folds = ROWS + 1;
    assert_int_equal(hd_partition(hd_partition_find("folds"), &in, part), HEED_INPUT);
    assert_null(hd_partition_find("nothing"));
}

static void test_small_and_memory(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS; i++) when[i] = (hd_time)i;
    size_t before = hd_mem_used();
    for (size_t k = 0; hd_partition_kinds[k]; k++) {
        const hd_partition_kind *kind = hd_partition_kinds[k];
        assert_true(kind->doc.en[0] && kind->doc.zh[0]);
        hd_partition_input in = {.n_rows = ROWS, .share = 0.5, .folds = 2, .label = label};
        in.group = label;
        in.time = when;
        hd_mem_fail_at(1, true);
        assert_int_equal(hd_partition(kind, &in, part), HEED_MEMORY);
        hd_mem_fail_at(0, false);
        in.n_rows = kind->folds ? 2 : 0;
        assert_int_equal(hd_partition(kind, &in, part), HEED_OK);
        assert_int_equal(hd_mem_used(), before);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_stratified),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_last),
        cmocka_unit_test(test_folds),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_small_and_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
