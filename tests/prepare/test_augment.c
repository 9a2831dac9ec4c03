// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "prepare/augment/augment.h"

enum { H = 8, W = 6, L = 10 };
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

typedef struct fixture {
    hd_augment augment;
    hd_augment_sample sample;
    float values[H * W * 3], spare[H * W * 3];
    int32_t ids[L], spare_ids[L];
} fixture;

static heed_err try_read(const char *text, hd_augment_of of, bool runs, hd_augment *out) {
    json_t *json;
    hd_where where = hd_where_of(NULL, "augment");
    assert_int_equal(hd_json_parse(text, strlen(text), "test", &json), HEED_OK);
    heed_err err = hd_augment_read(json, &where, of, runs, out);
    json_decref(json);
    return err;
}

static void begin(fixture *f, const char *text, hd_augment_of of, size_t h, size_t w, size_t c) {
    memset(f, 0, sizeof *f);
    assert_int_equal(try_read(text, of, false, &f->augment), HEED_OK);
    f->sample = (hd_augment_sample){.of = of,
                                    .height = h,
                                    .width = w,
                                    .channels = c,
                                    .values = f->values,
                                    .spare = f->spare,
                                    .ids = f->ids,
                                    .spare_ids = f->spare_ids,
                                    .length = L};
    for (size_t i = 0; i < h * w * c; i++) f->values[i] = (float)(i + 1) / 100;
}

static void end(fixture *f) {
    hd_augment_clear(&f->augment);
}

// The same numbers draw the same, others draw otherwise.
static void test_drawn(void **state) {
    (void)state;
    static const char *const lists[] = {"[{\"rotate\": 30}]", "[{\"shift\": 0.3}]",
                                        "[{\"scale\": 0.3}]", "[{\"shear\": 0.3}]",
                                        "[{\"crop\": 0.5}]",  "[{\"noise\": 0.1}]",
                                        "[\"brightness\"]",   "[{\"cutout\": {\"size\": 0.5}}]"};
    for (size_t k = 0; k < COUNT(lists); k++) {
        fixture a, b;
        begin(&a, lists[k], HD_AUGMENT_IMAGE, H, W, 3);
        begin(&b, lists[k], HD_AUGMENT_IMAGE, H, W, 3);
        hd_augment_apply(&a.augment, 1, 2, &a.sample);
        hd_augment_apply(&b.augment, 1, 2, &b.sample);
        assert_memory_equal(a.values, b.values, sizeof a.values);
        end(&b);
        bool changed = false;
        for (uint64_t stream = 3; !changed && stream < 13; stream++) {
            begin(&b, lists[k], HD_AUGMENT_IMAGE, H, W, 3);
            hd_augment_apply(&b.augment, 1, stream, &b.sample);
            changed = memcmp(a.values, b.values, sizeof a.values) != 0;
            end(&b);
        }
        assert_true(changed);
        for (size_t i = 0; i < H * W * 3; i++) assert_true(isfinite(a.values[i]));
        end(&a);
    }
}

// Amounts of nothing change nothing, to the bit but for rounding.
static void test_nothing(void **state) {
    (void)state;
    fixture f;
    begin(&f, "[{\"rotate\": 0}, {\"shift\": 0}, {\"scale\": 0}, {\"shear\": 0}, {\"crop\": 1}]",
          HD_AUGMENT_IMAGE, H, W, 3);
    hd_augment_apply(&f.augment, 1, 2, &f.sample);
    for (size_t i = 0; i < H * W * 3; i++) {
        assert_true(fabs((double)f.values[i] - (double)(i + 1) / 100) < 1e-6);
    }
    end(&f);
}

static void test_flip(void **state) {
    (void)state;
    fixture f;
    begin(&f, "[{\"flip\": {\"chance\": 1}}]", HD_AUGMENT_IMAGE, H, W, 1);
    hd_augment_apply(&f.augment, 1, 2, &f.sample);
    for (size_t y = 0; y < H; y++) {
        for (size_t x = 0; x < W; x++) {
            double want = (double)(y * W + (W - 1 - x) + 1) / 100;
            assert_true(fabs((double)f.values[y * W + x] - want) < 1e-6);
        }
    }
    end(&f);
    begin(&f, "[{\"flip\": {\"how\": \"vertical\", \"chance\": 1}}, {\"flip\": {\"chance\": 0}}]",
          HD_AUGMENT_IMAGE, H, W, 1);
    hd_augment_apply(&f.augment, 1, 2, &f.sample);
    assert_true(fabs((double)f.values[0] - ((H - 1) * W + 1) / 100.0) < 1e-6);
    end(&f);
}

// A quarter turn both ways is where it was: rotate by moves, against a turn by indexes.
static void test_moves_compose(void **state) {
    (void)state;
    hd_augment_move move = {.m = {{1, 0, 0}, {0, 1, 0}}};
    static const double turn[2][3] = {{0, -1, 0}, {1, 0, 0}}, by[2][3] = {{1, 0, 3}, {0, 1, 5}};
    hd_augment_move_add(&move, turn);
    hd_augment_move_add(&move, by); // first moved, then turned: (y, x) → turn(y + 3, x + 5)
    assert_true(move.moved);
    assert_true(move.m[0][2] == -5 && move.m[1][2] == 3);
    assert_true(move.m[0][1] == -1 && move.m[1][0] == 1);
}

static void fill_text(fixture *f, size_t used, bool at_end) {
    memset(f->ids, 0, sizeof f->ids);
    for (size_t i = 0; i < used; i++) f->ids[(at_end ? L - used : 0) + i] = (int32_t)(10 + i);
    f->sample.used = used;
    f->sample.at_end = at_end;
}

static size_t ids_at(const fixture *f, bool at_end) {
    size_t n = 0;
    while (n < L && f->ids[at_end ? L - 1 - n : n] != 0) n++;
    for (size_t i = n; i < L; i++) assert_int_equal(f->ids[at_end ? L - 1 - i : i], 0);
    return n;
}

static void test_texts(void **state) {
    (void)state;
    static const char *const lists[] = {"[{\"drop\": 0.5}]",
                                        "[{\"drop\": {\"share\": 0.9, \"how\": \"remove\"}}]",
                                        "[{\"swap\": 0.5}]", "[{\"crop\": 0.3}]"};
    for (size_t k = 0; k < COUNT(lists); k++) {
        fixture f;
        begin(&f, lists[k], HD_AUGMENT_IDS, 0, 0, 0);
        bool changed = false;
        for (uint64_t stream = 0; stream < 60; stream++) {
            bool at_end = stream % 2;
            size_t used = stream % 11;
            int32_t before[L];
            fill_text(&f, used, at_end);
            memcpy(before, f.ids, sizeof before);
            hd_augment_apply(&f.augment, 7, stream, &f.sample);
            assert_int_equal(f.sample.used, ids_at(&f, at_end));
            assert_true(f.sample.used <= used && (used == 0 || f.sample.used > 0));
            changed = changed || memcmp(before, f.ids, sizeof before) != 0;
            for (size_t i = 0; i < L; i++) {
                assert_true(f.ids[i] <= 1 || (f.ids[i] >= 10 && f.ids[i] < 10 + L));
            }
        }
        assert_true(changed);
        end(&f);
    }
}

static int32_t word_id(void *ctx, hd_slice word) {
    (void)ctx;
    return word.n == 1 && word.p[0] >= 'a' && word.p[0] <= 'f' ? word.p[0] - 'a' + 10 : -1;
}

static void test_synonyms(void **state) {
    (void)state;
    static const char file[] = "a b, zebra c\r\n\nd\nb e\nb e";
    fixture f;
    hd_synonyms s;
    assert_int_equal(hd_synonyms_parse(file, sizeof file - 1, "x", 16, word_id, NULL, &s), HEED_OK);
    assert_int_equal(s.start[11] - s.start[10], 2); // a: b, c
    assert_int_equal(s.start[12] - s.start[11], 3); // b: a, c, e
    assert_int_equal(s.start[14] - s.start[13], 0); // d has none
    begin(&f, "[{\"synonyms\": {\"file\": \"x\", \"share\": 1}}]", HD_AUGMENT_IDS, 0, 0, 0);
    assert_true(f.augment.synonyms);
    f.sample.synonyms = &s;
    fill_text(&f, 5, false); // a b c d e
    hd_augment_apply(&f.augment, 1, 1, &f.sample);
    assert_true(f.ids[0] == 11 || f.ids[0] == 12);
    assert_int_equal(f.ids[3], 13);
    assert_int_equal(f.ids[4], 11);
    f.sample.synonyms = NULL;
    hd_augment_apply(&f.augment, 1, 1, &f.sample);
    end(&f);
    hd_synonyms_clear(&s);
    assert_int_equal(hd_synonyms_parse("a\nzebra lion", 12, "x", 16, word_id, NULL, &s),
                     HEED_INPUT);
    for (uint64_t n = 1;; n++) {
        hd_mem_fail_at(n, true);
        heed_err err = hd_synonyms_parse(file, sizeof file - 1, "x", 16, word_id, NULL, &s);
        hd_mem_fail_at(0, false);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
    }
    hd_synonyms_clear(&s);
}

static void test_rows(void **state) {
    (void)state;
    fixture f;
    static const float other[] = {2, 2, 2, 2};
    begin(&f, "[{\"smote\": 1}]", HD_AUGMENT_ROW, 1, 4, 1);
    assert_true(f.augment.another);
    f.sample.another = other;
    float before[4];
    memcpy(before, f.values, sizeof before);
    hd_augment_apply(&f.augment, 1, 2, &f.sample);
    float part = (f.values[0] - before[0]) / (2 - before[0]);
    assert_true(part > 0 && part < 1);
    for (size_t i = 1; i < 4; i++) { // one point on the line between the two
        assert_true(fabsf((f.values[i] - before[i]) / (2 - before[i]) - part) < 1e-5F);
    }
    f.sample.another = NULL;
    memcpy(before, f.values, sizeof before);
    hd_augment_apply(&f.augment, 1, 2, &f.sample);
    assert_memory_equal(before, f.values, sizeof before);
    end(&f);
}

static void test_series(void **state) {
    (void)state;
    fixture f;
    begin(&f, "[{\"window\": 0.5}]", HD_AUGMENT_SERIES, H, 2, 1);
    hd_augment_apply(&f.augment, 1, 2, &f.sample);
    float step = f.values[2] - f.values[0]; // a straight line stays one, and slower
    assert_true(step > 0.009F && step < 0.0201F);
    for (size_t t = 1; t + 1 < H; t++) {
        assert_true(fabsf(f.values[2 * t + 2] - f.values[2 * t] - step) < 1e-5F);
    }
    end(&f);
    begin(&f, "[{\"jitter\": {\"noise\": 0, \"scale\": 0.5}}]", HD_AUGMENT_SERIES, H, 2, 1);
    hd_augment_apply(&f.augment, 1, 2, &f.sample);
    for (size_t t = 1; t < H; t++) { // each column by a factor of its own
        float want = f.values[0] * (float)(2 * t + 1);
        assert_true(fabsf(f.values[2 * t] - want) < 1e-4F);
    }
    end(&f);
    begin(&f, "[\"window\"]", HD_AUGMENT_SERIES, 1, 2, 1); // one step: nothing to stretch
    hd_augment_apply(&f.augment, 1, 2, &f.sample);
    assert_true(f.values[0] == 0.01F);
    end(&f);
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *list;
        hd_augment_of of;
        bool runs;
        const char *says;
    } bad[] = {{"[\"rotat\"]", HD_AUGMENT_IMAGE, false, "rotate"},
               {"[\"rotate\", \"drop\"]", HD_AUGMENT_IMAGE, false, "augment.1"},
               {"[{\"rotate\": 1000}]", HD_AUGMENT_IMAGE, false, "from 0 to 180"},
               {"[\"swap\"]", HD_AUGMENT_IDS, true, "ngrams: 1"},
               {"[\"synonyms\"]", HD_AUGMENT_IDS, false, "file"},
               {"[\"smote\"]", HD_AUGMENT_SERIES, false, "series"},
               {"[3]", HD_AUGMENT_ROW, false, "augment"}};
    for (size_t i = 0; i < COUNT(bad); i++) {
        hd_augment augment;
        assert_int_equal(try_read(bad[i].list, bad[i].of, bad[i].runs, &augment), HEED_INPUT);
        if (!strstr(heed_error_message(HEED_EN), bad[i].says))
            fail_msg("%s", heed_error_message(HEED_EN));
    }
    hd_augment augment;
    assert_int_equal(try_read("[\"drop\"]", HD_AUGMENT_IDS, true, &augment), HEED_OK);
    hd_augment_clear(&augment);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drawn),   cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_flip),    cmocka_unit_test(test_moves_compose),
        cmocka_unit_test(test_texts),   cmocka_unit_test(test_synonyms),
        cmocka_unit_test(test_rows),    cmocka_unit_test(test_series),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
