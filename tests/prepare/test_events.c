// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "prepare/events.h"

static const hd_time NOW = INT64_C(1795336205000);
enum { HOUR = 3600000, MINUTE = 60000 };

static hd_event_cleaner *make(const hd_event_clean_params *params) {
    hd_event_cleaner *c = NULL;
    assert_int_equal(hd_event_cleaner_new(params, &c), HEED_OK);
    return c;
}

static void add(hd_event_cleaner *c, int64_t user, int64_t item, const char *type, hd_time time) {
    assert_int_equal(hd_event_cleaner_add(c, user, item, type, time), HEED_OK);
}

static int64_t figure(const hd_event_cleaner *c, const char *part, const char *key) {
    json_t *report;
    assert_int_equal(hd_event_cleaner_report(c, &report), HEED_OK);
    json_t *at = part ? json_object_get(report, part) : report;
    json_t *value = json_object_get(at, key);
    assert_true(json_is_integer(value));
    int64_t result = json_integer_value(value);
    json_decref(report);
    return result;
}

static void test_duplicates(void **state) {
    (void)state;
    hd_event_clean_params p = hd_event_clean_default(NOW);
    hd_event_cleaner *c = make(&p);
    add(c, 7, 1, "view", NOW + 900);  // 0: repeats 1, though it came first
    add(c, 7, 1, "view", NOW);        // 1
    add(c, 7, 1, "cart", NOW);        // 2: another type
    add(c, 7, 2, "view", NOW);        // 3: another item
    add(c, 8, 1, "view", NOW);        // 4: another user
    add(c, 7, 1, "view", NOW + 1001); // 5: outside the window of 1, which was kept
    add(c, 7, 1, "view", NOW + 1002); // 6: repeats 5
    add(c, 0, 1, "view", NOW);        // 7, 8: anonymous
    add(c, 0, 1, "view", NOW);
    add(c, 7, 1, "view", HD_TIME_NONE); // 9, 10: without a time
    add(c, 7, 1, "view", HD_TIME_NONE);
    add(c, 7, 0, "search", NOW); // 11
    add(c, 7, 0, "search", NOW); // 12: repeats 11, though neither has an item
    assert_int_equal(hd_event_cleaner_run(c), HEED_OK);
    static const bool kept[] = {false, true, true, true, true, true, false,
                                true,  true, true, true, true, false};
    for (size_t i = 0; i < 13; i++) {
        if (hd_event_cleaner_keeps(c, i) != kept[i]) fail_msg("event %zu", i);
    }
    assert_int_equal(figure(c, NULL, "duplicates"), 3);
    assert_int_equal(figure(c, NULL, "events"), 13);
    assert_int_equal(figure(c, NULL, "kept"), 10);
    assert_int_equal(hd_event_cleaner_count(c), 13);
    assert_int_equal(hd_event_cleaner_run(c), HEED_INTERNAL);
    hd_event_cleaner_free(c);
}

static void test_times(void **state) {
    (void)state;
    hd_event_clean_params p = hd_event_clean_default(NOW);
    hd_event_cleaner *c = make(&p);
    add(c, 1, 1, "view", 0);
    add(c, 1, 2, "view", p.earliest);
    add(c, 1, 3, "view", NOW + HD_DAY_MS);
    add(c, 1, 4, "view", NOW + HD_DAY_MS + 1);
    add(c, 1, 5, "view", HD_TIME_NONE);
    assert_int_equal(hd_event_cleaner_run(c), HEED_OK);
    static const hd_event_verdict verdicts[] = {HD_EVENT_TIME, HD_EVENT_KEEP, HD_EVENT_KEEP,
                                                HD_EVENT_TIME, HD_EVENT_KEEP};
    for (size_t i = 0; i < 5; i++) assert_int_equal(hd_event_cleaner_verdict(c, i), verdicts[i]);
    assert_int_equal(figure(c, "times", "early"), 1);
    assert_int_equal(figure(c, "times", "late"), 1);
    hd_event_cleaner_free(c);
}

// 20 people with 1 .. 20 events in an hour, one with 700 in an hour, one with 700 over a day.
static void test_robots(void **state) {
    (void)state;
    hd_event_clean_params p = hd_event_clean_default(NOW);
    p.duplicates = false;
    hd_event_cleaner *c = make(&p);
    size_t n = 0;
    for (int user = 1; user <= 20; user++) {
        for (int i = 0; i < user; i++, n++) add(c, user, i, "view", NOW - i * MINUTE);
    }
    for (int i = 0; i < 700; i++) add(c, 100, i, "view", NOW - i * 5000);
    for (int i = 0; i < 700; i++) add(c, 200, i, "view", NOW - i * 2 * MINUTE);
    add(c, 100, 1, "view", HD_TIME_NONE);
    for (int i = 0; i < 2000; i++) add(c, 0, i, "view", NOW);
    assert_int_equal(hd_event_cleaner_run(c), HEED_OK);
    for (size_t i = 0; i < hd_event_cleaner_count(c); i++) {
        bool robot = (i >= n && i < n + 700) || i == n + 1400;
        if ((hd_event_cleaner_verdict(c, i) == HD_EVENT_ROBOT) != robot) fail_msg("event %zu", i);
    }
    assert_int_equal(figure(c, "robots", "users"), 1);
    assert_int_equal(figure(c, "robots", "events"), 701);
    hd_event_cleaner_free(c);
}

// The threshold by hand: busiest hours 1, 2, 3, 4, 100 have the median 3 and the MAD 1.
static void test_robot_threshold(void **state) {
    (void)state;
    hd_event_clean_params p = hd_event_clean_default(NOW);
    p.duplicates = false;
    p.robot_per_hour = 0;
    static const int counts[] = {1, 2, 3, 4, 100};
    for (double mads = 96; mads <= 97; mads++) { // 3 + 96 · 1 = 99, 3 + 97 · 1 = 100
        p.robot_mads = mads;
        hd_event_cleaner *c = make(&p);
        for (int u = 0; u < 5; u++) {
            for (int i = 0; i < counts[u]; i++) add(c, u + 1, i, "view", NOW - i * 1000);
        }
        assert_int_equal(hd_event_cleaner_run(c), HEED_OK);
        assert_int_equal(figure(c, "robots", "users"), mads == 96 ? 1 : 0);
        hd_event_cleaner_free(c);
    }
    // An hour is less than an hour: events 3,600,000 ms apart don't share one.
    p.robot_mads = 0;
    p.robot_per_hour = 1;
    hd_event_cleaner *c = make(&p);
    add(c, 1, 1, "view", NOW);
    add(c, 1, 2, "view", NOW + HOUR);
    add(c, 2, 1, "view", NOW);
    add(c, 3, 1, "view", NOW);
    assert_int_equal(hd_event_cleaner_run(c), HEED_OK);
    assert_int_equal(figure(c, "robots", "users"), 0);
    hd_event_cleaner_free(c);
}

static void test_off(void **state) {
    (void)state;
    hd_event_clean_params p = {0};
    hd_event_cleaner *c = make(&p);
    for (int i = 0; i < 3; i++) add(c, 1, 1, "view", 0);
    assert_int_equal(hd_event_cleaner_run(c), HEED_OK);
    assert_int_equal(figure(c, NULL, "kept"), 3);
    hd_event_cleaner_free(c);
    c = make(&p);
    assert_int_equal(hd_event_cleaner_run(c), HEED_OK); // no events at all
    assert_int_equal(figure(c, NULL, "events"), 0);
    hd_event_cleaner_free(c);
    hd_event_cleaner_free(NULL);
}

static void test_bad_params(void **state) {
    (void)state;
    hd_event_cleaner *c;
    hd_event_clean_params p = hd_event_clean_default(HD_TIME_NONE);
    assert_true(p.latest == HD_TIME_MAX);
    p.duplicate_window = -1;
    assert_int_equal(hd_event_cleaner_new(&p, &c), HEED_INPUT);
    p = hd_event_clean_default(NOW);
    p.robot_per_hour = -1;
    assert_int_equal(hd_event_cleaner_new(&p, &c), HEED_INPUT);
    p = hd_event_clean_default(NOW);
    p.latest = p.earliest - 1;
    assert_int_equal(hd_event_cleaner_new(&p, &c), HEED_INPUT);
    assert_null(c);
}

typedef struct plain_event {
    int64_t user, item;
    int type;
    hd_time time;
    bool repeat;
} plain_event;

// Against a brute force that looks at all pairs: an event is a repeat when a kept one of the same
// kind stands before it (by time, then input) within the window.
static void test_duplicates_brute_force(void **state) {
    (void)state;
    enum { N = 400 };
    static const char *const types[] = {"view", "cart"};
    plain_event events[N];
    hd_event_clean_params p = hd_event_clean_default(NOW);
    p.duplicate_window = 50;
    p.robots = false;
    hd_event_cleaner *c = make(&p);
    hd_rng rng = hd_rng_make(5, 1);
    for (size_t i = 0; i < N; i++) {
        events[i] = (plain_event){(int64_t)hd_rng_below(&rng, 4),
                                  (int64_t)hd_rng_below(&rng, 3) - 1, (int)hd_rng_below(&rng, 2),
                                  NOW + (hd_time)hd_rng_below(&rng, 2000), false};
        add(c, events[i].user, events[i].item, types[events[i].type], events[i].time);
    }
    assert_int_equal(hd_event_cleaner_run(c), HEED_OK);
    for (hd_time t = NOW; t < NOW + 2000; t++) {
        for (size_t i = 0; i < N; i++) {
            if (events[i].time != t || events[i].user == 0) continue;
            for (size_t j = 0; j < N; j++) {
                const plain_event *a = &events[j], *b = &events[i];
                bool before = a->time < b->time || (a->time == b->time && j < i);
                if (before && !a->repeat && a->user == b->user && a->item == b->item &&
                    a->type == b->type && b->time - a->time <= 50) {
                    events[i].repeat = true;
                }
            }
        }
    }
    size_t repeats = 0;
    for (size_t i = 0; i < N; i++) {
        repeats += events[i].repeat;
        if (hd_event_cleaner_keeps(c, i) == events[i].repeat) fail_msg("event %zu", i);
    }
    assert_true(repeats > 50);
    assert_int_equal(figure(c, NULL, "duplicates"), repeats);
    hd_event_cleaner_free(c);
}

static heed_err whole_run(void) {
    hd_event_clean_params p = hd_event_clean_default(NOW);
    hd_event_cleaner *c = NULL;
    json_t *report = NULL;
    heed_err err = hd_event_cleaner_new(&p, &c);
    for (int i = 0; err == HEED_OK && i < 30; i++) {
        err = hd_event_cleaner_add(c, i % 3, i % 5, "view", NOW + i);
    }
    if (err == HEED_OK) err = hd_event_cleaner_run(c);
    if (err == HEED_OK) err = hd_event_cleaner_report(c, &report);
    json_decref(report);
    hd_event_cleaner_free(c);
    return err;
}

static void test_allocation_failures(void **state) {
    (void)state;
    size_t before = hd_mem_used();
    for (uint64_t n = 1;; n++) {
        assert_true(n < 1000);
        hd_mem_fail_at(n, true);
        heed_err err = whole_run();
        hd_mem_fail_at(0, false);
        assert_int_equal(hd_mem_used(), before);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
    }
}

int main(void) {
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_robots),
        cmocka_unit_test(test_robot_threshold),
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_bad_params),
        cmocka_unit_test(test_duplicates_brute_force),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
