// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "workspace/demo.h"

static const char *const files[] = {"users.csv",   "items.csv",     "events.jsonl.gz",
                                    "reviews.csv", "tickets.jsonl", "faq.csv"};
enum { N_FILES = sizeof files / sizeof files[0] };

static char folder[] = "/tmp/heed-demo-XXXXXX";

static hd_demo_params small(heed_lang lang, uint64_t seed) {
    return (hd_demo_params){lang, seed, 80, 100, 60, INT64_C(1790000000000)};
}

static void read_file(const char *name, hd_str *out) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    hd_str_init(out);
    assert_int_equal(hd_fs_read(path, 0, out), HEED_OK);
}

static size_t lines(const hd_str *text) {
    size_t n = 0;
    for (size_t i = 0; i < text->len; i++) n += text->data[i] == '\n';
    return n;
}

static void test_same_seed_same_bytes(void **state) {
    (void)state;
    hd_str first[N_FILES];
    hd_demo_params params = small(HEED_EN, 7);
    assert_int_equal(hd_demo_write(folder, &params, NULL), HEED_OK);
    for (size_t i = 0; i < N_FILES; i++) read_file(files[i], &first[i]);
    assert_int_equal(hd_demo_write(folder, &params, NULL), HEED_OK);
    for (size_t i = 0; i < N_FILES; i++) {
        hd_str again;
        read_file(files[i], &again);
        assert_int_equal(again.len, first[i].len);
        assert_memory_equal(again.data, first[i].data, again.len);
        hd_str_clear(&again);
    }
    params.seed = 8;
    assert_int_equal(hd_demo_write(folder, &params, NULL), HEED_OK);
    hd_str other;
    read_file("events.jsonl.gz", &other);
    assert_true(other.len != first[2].len || memcmp(other.data, first[2].data, other.len) != 0);
    hd_str_clear(&other);
    for (size_t i = 0; i < N_FILES; i++) hd_str_clear(&first[i]);
}

static void test_counts_are_what_stands_in_the_files(void **state) {
    (void)state;
    for (int lang = HEED_EN; lang <= HEED_ZH; lang++) {
        hd_demo_params params = small((heed_lang)lang, 3);
        hd_demo_counts counts;
        assert_int_equal(hd_demo_write(folder, &params, &counts), HEED_OK);
        const struct {
            const char *file;
            size_t rows;
        } expect[] = {{"users.csv", counts.users + 1},
                      {"items.csv", counts.items + 1},
                      {"reviews.csv", counts.reviews + 1},
                      {"tickets.jsonl", counts.messages},
                      {"faq.csv", counts.documents + 1}};
        for (size_t i = 0; i < sizeof expect / sizeof expect[0]; i++) {
            hd_str text;
            read_file(expect[i].file, &text);
            assert_int_equal(lines(&text), expect[i].rows);
            hd_str_clear(&text);
        }
        assert_true(counts.events > 5000); // the robot alone brings 5,400
        assert_true(counts.reviews > 0 && counts.tickets > 0);
    }
}

static void test_sizes_out_of_range_are_refused(void **state) {
    (void)state;
    hd_demo_params params = small(HEED_EN, 1);
    params.items = 59;
    assert_int_equal(hd_demo_write(folder, &params, NULL), HEED_USAGE);
    params = small(HEED_EN, 1);
    params.days = 29;
    assert_int_equal(hd_demo_write(folder, &params, NULL), HEED_USAGE);
    params = small(HEED_EN, 1);
    params.users = 1000001;
    assert_int_equal(hd_demo_write(folder, &params, NULL), HEED_USAGE);
}

static void test_a_failing_allocation_leaves_nothing_new(void **state) {
    (void)state;
    char inner[256];
    snprintf(inner, sizeof inner, "%s/broken", folder);
    hd_demo_params params = small(HEED_ZH, 5);
    for (uint64_t n = 1;; n += n < 60 ? 1 : 37) {
        assert_int_equal(hd_fs_remove(inner), HEED_OK);
        size_t before = hd_mem_used();
        hd_mem_fail_at(n, true);
        heed_err err = hd_demo_write(inner, &params, NULL);
        hd_mem_fail_at(0, false);
        assert_int_equal(hd_mem_used(), before);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
    }
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state) {
    (void)state;
    return hd_fs_remove(folder) == HEED_OK ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_seed_same_bytes),
        cmocka_unit_test(test_counts_are_what_stands_in_the_files),
        cmocka_unit_test(test_sizes_out_of_range_are_refused),
        cmocka_unit_test(test_a_failing_allocation_leaves_nothing_new),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
