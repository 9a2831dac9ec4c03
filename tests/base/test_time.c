// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/time.h"

static const hd_time T = INT64_C(1795336205000); // 2026-11-22T08:30:05Z

static void expect_parse(hd_time_format_id id, const char *text, hd_time expected) {
    hd_time t = HD_TIME_NONE;
    if (!hd_time_parse(hd_slice_of(text), id, NULL, &t) || t != expected) {
        fail_msg("%s '%s': %lld", hd_time_format_name(id), text, (long long)t);
    }
}

static void expect_refused(hd_time_format_id id, const char *text) {
    hd_time t;
    if (hd_time_parse(hd_slice_of(text), id, NULL, &t)) {
        fail_msg("%s took '%s'", hd_time_format_name(id), text);
    }
}

static void test_iso(void **state) {
    (void)state;
    expect_parse(HD_TIME_ISO, "2026-11-22T08:30:05Z", T);
    expect_parse(HD_TIME_ISO, "2026-11-22 08:30:05", T);
    expect_parse(HD_TIME_ISO, "2026-11-22t08:30:05z", T);
    expect_parse(HD_TIME_ISO, "2026-11-22T08:30:05.5Z", T + 500);
    expect_parse(HD_TIME_ISO, "2026-11-22T08:30:05,123456789Z", T + 123);
    expect_parse(HD_TIME_ISO, "2026-11-22T16:30:05+08:00", T);
    expect_parse(HD_TIME_ISO, "2026-11-22T16:30:05+0800", T);
    expect_parse(HD_TIME_ISO, "2026-11-22 16:30:05 +08", T);
    expect_parse(HD_TIME_ISO, "2026-11-22 04:00:05-04:30", T);
    expect_parse(HD_TIME_ISO, "2026-11-22 08:30:05 UTC", T);
    expect_parse(HD_TIME_ISO, "2026-11-22T08:30", T - 5000);
    expect_parse(HD_TIME_ISO, "2026-11-22", T - 30605000);
    expect_parse(HD_TIME_ISO, "2024-02-29", INT64_C(1709164800000));
    expect_parse(HD_TIME_ISO, "0001-01-01", HD_TIME_MIN);
    expect_parse(HD_TIME_ISO, "9999-12-31T23:59:59.999", HD_TIME_MAX);
    static const char *const bad[] = {
        "",
        "2023-02-29",
        "2100-02-29",
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "2026-04-31",
        "2026-11-22T24:00",
        "2026-11-22T08:60",
        "2026-11-22T08:30:60",
        "2026-11-22T08",
        "2026-11-22T8:30",
        "2026-11-22T08:30:05.",
        "2026-11-22T08:30:05Zx",
        "2026-11-22T08:30:05+",
        "2026-11-22T08:30:05+8",
        "2026-11-22T08:30:05+16:00",
        "2026-11-22T08:30:05+08:60",
        "2026-11-22T",
        "2026-11-22 ",
        " 2026-11-22",
        "26-11-22",
        "02026-11-22",
        "0000-01-01",
        "2026-1-2",
        "9999-12-31T23:59:59-01:00",
        "0001-01-01T00:00+01:00",
        "20261122",
        "2026-11-22\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) expect_refused(HD_TIME_ISO, bad[i]);
}

static void test_counts(void **state) {
    (void)state;
    expect_parse(HD_TIME_UNIX_S, "1795336205", T);
    expect_parse(HD_TIME_UNIX_S, "1795336205.25", T + 250);
    expect_parse(HD_TIME_UNIX_S, "-1.5", -1500);
    expect_parse(HD_TIME_UNIX_S, "0", 0);
    expect_parse(HD_TIME_UNIX_S, "253402300799", HD_TIME_MAX - 999);
    expect_parse(HD_TIME_UNIX_MS, "1795336205000", T);
    expect_parse(HD_TIME_UNIX_MS, "-1", -1);
    expect_parse(HD_TIME_UNIX_US, "1795336205000999", T);
    expect_parse(HD_TIME_UNIX_US, "-1", -1);
    expect_refused(HD_TIME_UNIX_S, "253402300800");
    expect_refused(HD_TIME_UNIX_S, "-62135596801");
    expect_refused(HD_TIME_UNIX_S, "-62135596800.5");
    expect_refused(HD_TIME_UNIX_S, "1795336205.");
    expect_refused(HD_TIME_UNIX_S, "1e9");
    expect_refused(HD_TIME_UNIX_S, "-");
    expect_refused(HD_TIME_UNIX_S, "9999999999999999999999");
    expect_refused(HD_TIME_UNIX_MS, "1795336205000.5");
    expect_refused(HD_TIME_UNIX_MS, "999999999999999999");
    expect_refused(HD_TIME_UNIX_US, "999999999999999999");
    expect_refused(HD_TIME_UNIX_US, "9223372036854775807");
}

static void test_other_formats(void **state) {
    (void)state;
    hd_time minute = T - 5000, day = T - 30605000;
    expect_parse(HD_TIME_COMPACT, "20261122", day);
    expect_parse(HD_TIME_COMPACT, "20261122083005", T);
    expect_refused(HD_TIME_COMPACT, "2026112208");
    expect_refused(HD_TIME_COMPACT, "20261322");
    expect_refused(HD_TIME_COMPACT, "2026112208300x");
    expect_parse(HD_TIME_SLASH_YMD, "2026/11/22 08:30:05", T);
    expect_parse(HD_TIME_SLASH_YMD, "2026/11/22 8:30", minute);
    expect_parse(HD_TIME_SLASH_MDY, "11/22/2026", day);
    expect_parse(HD_TIME_SLASH_MDY, "11/22/2026 8:30:05 AM", T);
    expect_parse(HD_TIME_SLASH_MDY, "11/22/2026 12:00 AM", day);
    expect_parse(HD_TIME_SLASH_MDY, "11/22/2026 12:00 PM", day + HD_DAY_MS / 2);
    expect_parse(HD_TIME_SLASH_MDY, "11/22/2026 1:00 pm", day + 13 * INT64_C(3600000));
    expect_refused(HD_TIME_SLASH_MDY, "11/22/2026 13:00 PM");
    expect_refused(HD_TIME_SLASH_MDY, "11/22/2026 0:00 AM");
    expect_refused(HD_TIME_SLASH_MDY, "11/22/2026 1:00 XM");
    expect_refused(HD_TIME_SLASH_MDY, "22/11/2026");
    expect_refused(HD_TIME_SLASH_MDY, "11/22/26");
    expect_parse(HD_TIME_SLASH_DMY, "22/11/2026 08:30", minute);
    expect_parse(HD_TIME_DOT_DMY, "22.11.2026 08:30:05", T);
    expect_refused(HD_TIME_DOT_DMY, "22/11.2026");
    expect_parse(HD_TIME_CHINESE, "2026年11月22日", day);
    expect_parse(HD_TIME_CHINESE, "2026年11月22日 8时30分5秒", T);
    expect_parse(HD_TIME_CHINESE, "2026年11月22日8点30分", minute);
    expect_parse(HD_TIME_CHINESE, "2026年11月22日 08:30:05", T);
    expect_refused(HD_TIME_CHINESE, "2026年11月31日");
    expect_refused(HD_TIME_CHINESE, "2026年11月22日 8时");
    expect_refused(HD_TIME_CHINESE, "2026年11月22日 8时30分5");
    expect_parse(HD_TIME_RFC2822, "Sun, 22 Nov 2026 08:30:05 +0000", T);
    expect_parse(HD_TIME_RFC2822, "22 Nov 2026 16:30:05 +0800", T);
    expect_parse(HD_TIME_RFC2822, "Sun, 22 Nov 2026 08:30:05 GMT", T);
    expect_parse(HD_TIME_RFC2822, "22 Nov 2026 08:30 UT", minute);
    expect_parse(HD_TIME_RFC2822, "22 Nov 2026 08:30 UTC", minute);
    expect_refused(HD_TIME_RFC2822, "Mon, 22 Nov 2026 08:30:05 +0000"); // it was a Sunday
    expect_refused(HD_TIME_RFC2822, "22 Nov 2026 08:30:05");
    expect_refused(HD_TIME_RFC2822, "Sun 22 Nov 2026 08:30:05 GMT");
    expect_refused(HD_TIME_RFC2822, "31 Nov 2026 08:30:05 GMT");
}

static void test_names(void **state) {
    (void)state;
    for (int i = 0; i < HD_TIME_FORMATS; i++) {
        hd_time_format_id id;
        assert_true(hd_time_format_find(hd_time_format_name((hd_time_format_id)i), &id));
        assert_int_equal(id, i);
    }
    hd_time_format_id id;
    assert_false(hd_time_format_find("epoch", &id));
}

static uint32_t sniff(const char *const *samples) {
    hd_slice slices[8];
    size_t n = 0;
    for (; samples[n]; n++) slices[n] = hd_slice_of(samples[n]);
    return hd_time_sniff(slices, n);
}
#define SNIFF(...) sniff((const char *const[]){__VA_ARGS__, NULL})

static void test_sniff(void **state) {
    (void)state;
    assert_int_equal(SNIFF("2026-11-22", " 2026-11-22T08:30 ", ""), 1u << HD_TIME_ISO);
    assert_int_equal(SNIFF("1795336205", "874965758"), 1u << HD_TIME_UNIX_S);
    assert_int_equal(SNIFF("1795336205000"), 1u << HD_TIME_UNIX_MS);
    assert_int_equal(SNIFF("1795336205000000"), 1u << HD_TIME_UNIX_US);
    assert_int_equal(SNIFF("20261122", "20261123"), 1u << HD_TIME_COMPACT);
    assert_int_equal(SNIFF("20261122083005"), 1u << HD_TIME_COMPACT);
    assert_int_equal(SNIFF("11/22/2026", "1/2/2026"), 1u << HD_TIME_SLASH_MDY);
    assert_int_equal(SNIFF("22/11/2026", "1/2/2026"), 1u << HD_TIME_SLASH_DMY);
    assert_int_equal(SNIFF("1/2/2026"), 1u << HD_TIME_SLASH_MDY | 1u << HD_TIME_SLASH_DMY);
    assert_int_equal(SNIFF("2026年11月22日"), 1u << HD_TIME_CHINESE);
    assert_int_equal(SNIFF("17"), 0);
    assert_int_equal(SNIFF("2026-11-22", "soon"), 0);
    assert_int_equal(SNIFF("", " "), 0);
    assert_int_equal(hd_time_sniff(NULL, 0), 0);
}

// Dates against the C library's, on random instants; there and back again.
static void test_civil(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t span = (uint64_t)(HD_TIME_MAX - HD_TIME_MIN) + 1;
        hd_time t = HD_TIME_MIN + (hd_time)(hd_rng_at(1, 2, i) % span);
        hd_civil c;
        hd_time_civil(t, NULL, &c);
        int64_t floor = (t - (t % 1000 + 1000) % 1000) / 1000;
        time_t seconds = (time_t)floor;
        struct tm tm;
        gmtime_r(&seconds, &tm);
        assert_int_equal(c.year, tm.tm_year + 1900);
        assert_int_equal(c.month, tm.tm_mon + 1);
        assert_int_equal(c.day, tm.tm_mday);
        assert_int_equal(c.hour * 3600 + c.minute * 60 + c.second,
                         tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec);
        assert_int_equal(c.weekday, (tm.tm_wday + 6) % 7);
        hd_time back;
        assert_true(hd_time_from_civil(&c, NULL, &back));
        assert_true(back == t);
        char buf[32];
        hd_time_format(t, NULL, buf);
        expect_parse(HD_TIME_ISO, buf, t);
    }
    hd_civil bad = {.year = 2023, .month = 2, .day = 29};
    hd_time t;
    assert_false(hd_time_from_civil(&bad, NULL, &t));
}

static void test_format(void **state) {
    (void)state;
    char buf[32];
    hd_zone *zone;
    hd_time_format(T, NULL, buf);
    assert_string_equal(buf, "2026-11-22T08:30:05Z");
    hd_time_format(T + 7, NULL, buf);
    assert_string_equal(buf, "2026-11-22T08:30:05.007Z");
    assert_int_equal(hd_zone_open("+08:00", &zone), HEED_OK);
    hd_time_format(T, zone, buf);
    assert_string_equal(buf, "2026-11-22T16:30:05+08:00");
    hd_zone_close(zone);
    assert_int_equal(hd_zone_open("-04:30", &zone), HEED_OK);
    hd_time_format(T, zone, buf);
    assert_string_equal(buf, "2026-11-22T04:00:05-04:30");
    hd_time t;
    assert_true(hd_time_parse(hd_slice_of("2026-11-22 04:00:05"), HD_TIME_ISO, zone, &t));
    assert_int_equal(t, T);
    hd_zone_close(zone);
    hd_time_format(INT64_MAX, NULL, buf);
    assert_string_equal(buf, "9999-12-31T23:59:59.999Z");
}

static void test_now(void **state) {
    (void)state;
    setenv("HEED_NOW", "2026-11-22T08:30:05Z", 1);
    assert_int_equal(hd_time_now(), T);
    setenv("HEED_NOW", "no time", 1); // not a time: the clock's
    assert_true(hd_time_now() > INT64_C(1600000000000));
    unsetenv("HEED_NOW");
    assert_true(hd_time_now() > INT64_C(1600000000000));
    int64_t a = hd_time_monotonic();
    assert_true(hd_time_monotonic() >= a);
}

// ── Zone files of our own ──

static void put32(hd_str *s, uint32_t v) {
    for (int shift = 24; shift >= 0; shift -= 8) hd_str_addc(s, (char)(v >> shift));
}

static void put64(hd_str *s, int64_t v) {
    put32(s, (uint32_t)((uint64_t)v >> 32));
    put32(s, (uint32_t)(uint64_t)v);
}

typedef struct tzif {
    char version;
    size_t n_times;
    const int64_t *at;
    const unsigned char *type_of;
    size_t n_types;
    const int32_t *offsets;
    const char *footer;
} tzif;

static void put_header(hd_str *s, const tzif *z, bool counts) {
    hd_str_add(s, "TZif");
    hd_str_addc(s, z->version);
    for (int i = 0; i < 15; i++) hd_str_addc(s, 0);
    for (int i = 0; i < 3; i++) put32(s, 0);
    put32(s, counts ? (uint32_t)z->n_times : 0);
    put32(s, counts ? (uint32_t)z->n_types : 1);
    put32(s, 4);
}

static void put_types(hd_str *s, const int32_t *offsets, size_t n) {
    for (size_t i = 0; i < n; i++) {
        put32(s, (uint32_t)offsets[i]);
        hd_str_addn(s, "\0\0", 2);
    }
    hd_str_addn(s, "AAA\0", 4);
}

static void make_tzif(const tzif *z, hd_str *s) {
    hd_str_init(s);
    put_header(s, z, false);
    put_types(s, (const int32_t[]){0}, 1);
    put_header(s, z, true);
    for (size_t i = 0; i < z->n_times; i++) put64(s, z->at[i]);
    hd_str_addn(s, (const char *)z->type_of, z->n_times);
    put_types(s, z->offsets, z->n_types);
    hd_str_addf(s, "\n%s\n", z->footer);
    assert_int_equal(hd_str_check(s), HEED_OK);
}

static char zone_folder[] = "/tmp/heed_zone_XXXXXX";

static void write_zone(const char *name, const void *bytes, size_t n) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", zone_folder, name);
    assert_int_equal(hd_fs_write(path, bytes, n, 0600), HEED_OK);
}

static int zones_setup(void **state) {
    (void)state;
    if (!mkdtemp(zone_folder)) return 1;
    return setenv("TZDIR", zone_folder, 1);
}

static int zones_teardown(void **state) {
    (void)state;
    unsetenv("TZDIR");
    return hd_fs_remove(zone_folder) == HEED_OK ? 0 : 1;
}

static hd_zone *zone_with_rule(const char *rule) {
    hd_str s;
    hd_zone *zone;
    make_tzif(&(tzif){'2', 0, NULL, (const unsigned char *)"", 1, (const int32_t[]){0}, rule}, &s);
    write_zone("Rule", hd_str_get(&s), s.len);
    hd_str_clear(&s);
    assert_int_equal(hd_zone_open("Rule", &zone), HEED_OK);
    return zone;
}

static hd_time iso(const char *text) {
    hd_time t = HD_TIME_NONE;
    assert_true(hd_time_parse(hd_slice_of(text), HD_TIME_ISO, NULL, &t));
    return t;
}

static void expect_offset(const hd_zone *zone, const char *at, int32_t offset) {
    int32_t got = hd_zone_offset(zone, iso(at));
    if (got != offset) fail_msg("%s: %d, not %d", at, (int)got, (int)offset);
}

static void test_zone_transitions(void **state) {
    (void)state;
    hd_str s;
    hd_zone *zone;
    make_tzif(&(tzif){'3', 2, (const int64_t[]){0, 1000}, (const unsigned char *)"\1\2", 3,
                      (const int32_t[]){100, 3600, -7200}, ""},
              &s);
    write_zone("Two", hd_str_get(&s), s.len);
    hd_str_clear(&s);
    assert_int_equal(hd_zone_open("Two", &zone), HEED_OK);
    assert_int_equal(hd_zone_offset(zone, -1), 100);
    assert_int_equal(hd_zone_offset(zone, 0), 3600);
    assert_int_equal(hd_zone_offset(zone, 999999), 3600);
    assert_int_equal(hd_zone_offset(zone, 1000000), -7200);
    assert_int_equal(hd_zone_offset(zone, HD_TIME_MAX), -7200);
    assert_int_equal(hd_zone_offset(NULL, 0), 0);
    hd_zone_close(zone);
}

static void test_zone_rules(void **state) {
    (void)state;
    hd_zone *zone = zone_with_rule("CET-1CEST,M3.5.0,M10.5.0/3"); // Berlin
    expect_offset(zone, "2026-01-15T00:00Z", 3600);
    expect_offset(zone, "2026-03-29T00:59:59Z", 3600);
    expect_offset(zone, "2026-03-29T01:00Z", 7200);
    expect_offset(zone, "2026-10-25T00:59:59Z", 7200);
    expect_offset(zone, "2026-10-25T01:00Z", 3600);
    hd_zone_close(zone);
    zone = zone_with_rule("NZST-12NZDT,M9.5.0,M4.1.0/3"); // Auckland: summer over the new year
    expect_offset(zone, "2026-01-15T00:00Z", 46800);
    expect_offset(zone, "2026-04-04T13:59:59Z", 46800);
    expect_offset(zone, "2026-04-04T14:00Z", 43200);
    expect_offset(zone, "2026-09-26T14:00Z", 46800);
    hd_zone_close(zone);
    zone = zone_with_rule("<-03>3<-02>,M3.5.0/-2,M10.5.0/-1"); // hours below zero
    expect_offset(zone, "2026-03-29T00:59:59Z", -10800);
    expect_offset(zone, "2026-03-29T01:00Z", -7200);
    hd_zone_close(zone);
    zone = zone_with_rule("AAA5:30:15BBB4,J60/0,300/1:30"); // day 60 without leap days: 1 March
    expect_offset(zone, "2024-03-01T05:30:14Z", -19815);
    expect_offset(zone, "2024-03-01T05:30:15Z", -14400);
    expect_offset(zone, "2023-03-01T05:30:15Z", -14400);
    hd_zone_close(zone);
    zone = zone_with_rule("CST-8"); // Shanghai
    expect_offset(zone, "2050-07-01T00:00Z", 28800);
    hd_zone_close(zone);
}

static void test_zone_gap_overlap(void **state) {
    (void)state;
    hd_zone *zone = zone_with_rule("CET-1CEST,M3.5.0,M10.5.0/3");
    hd_time t;
    // 02:30 doesn't exist on 29 March: the later offset (+02:00) counts.
    assert_true(hd_time_parse(hd_slice_of("2026-03-29 02:30"), HD_TIME_ISO, zone, &t));
    assert_int_equal(t, iso("2026-03-29T00:30Z"));
    // 02:30 exists twice on 25 October: the earlier instant.
    assert_true(hd_time_parse(hd_slice_of("2026-10-25 02:30"), HD_TIME_ISO, zone, &t));
    assert_int_equal(t, iso("2026-10-25T00:30Z"));
    // All other local times lead back to themselves.
    for (int64_t hour = 0; hour < 24 * 366; hour++) {
        hd_time at = iso("2026-01-01") + hour * INT64_C(3600000);
        hd_civil c;
        hd_time back;
        hd_time_civil(at, zone, &c);
        assert_true(hd_time_from_civil(&c, zone, &back));
        if (at != iso("2026-10-25T01:00Z")) assert_int_equal(back, at);
        char buf[32];
        hd_time_format(at, zone, buf);
        assert_int_equal(iso(buf), at);
    }
    hd_zone_close(zone);
}

static void test_zone_names(void **state) {
    (void)state;
    hd_zone *zone;
    assert_int_equal(hd_zone_open("UTC", &zone), HEED_OK);
    assert_int_equal(hd_zone_offset(zone, T), 0);
    hd_zone_close(zone);
    static const char *const bad[] = {
        "",       "../etc/passwd", "/etc/passwd", "Nowhere/Land", "+8",
        "+15:00", "+08:60",        "a b",         "+08:00x",      "-",
        ".."};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (hd_zone_open(bad[i], &zone) != HEED_INPUT) fail_msg("'%s'", bad[i]);
        assert_null(zone);
    }
    hd_zone_close(NULL);
}

// Cut at every length, and with every byte changed, a file is refused or read; nothing breaks.
static void test_zone_hostile(void **state) {
    (void)state;
    hd_str s;
    hd_zone *zone;
    make_tzif(&(tzif){'2', 2, (const int64_t[]){0, 1000}, (const unsigned char *)"\0\1", 2,
                      (const int32_t[]){0, 3600}, "CET-1CEST,M3.5.0,M10.5.0/3"},
              &s);
    size_t refused = 0;
    char *bytes = hd_strndup(hd_str_get(&s), s.len);
    for (size_t n = 0; n < s.len; n++) {
        write_zone("Bad", bytes, n);
        assert_int_equal(hd_zone_open("Bad", &zone), HEED_CORRUPT);
    }
    for (size_t i = 0; i < s.len; i++) {
        bytes[i] = (char)(bytes[i] ^ 0x85);
        write_zone("Bad", bytes, s.len);
        heed_err err = hd_zone_open("Bad", &zone);
        bytes[i] = (char)(bytes[i] ^ 0x85);
        if (err != HEED_OK)
            refused++;
        else
            hd_zone_offset(zone, T);
        hd_zone_close(zone);
    }
    assert_true(refused > s.len / 3);
    bytes[4] = 1;
    write_zone("Bad", bytes, s.len);
    assert_int_equal(hd_zone_open("Bad", &zone), HEED_VERSION);
    hd_free(bytes);
    hd_str_clear(&s);
    static const char *const rules[] = {"C",
                                        "CET",
                                        "CET-1CEST",
                                        "CET-1CEST,M3.5.0",
                                        "CET-25",
                                        "CET-1CEST,M13.5.0,M10.5.0",
                                        "CET-1CEST,M3.6.0,M10.5.0",
                                        "CET-1CEST,J0,J1",
                                        "CET-1CEST,M3.5.0,M10.5.0/168",
                                        "<CET-1",
                                        "CET-1x"};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        tzif z = {'2', 0, NULL, (const unsigned char *)"", 1, (const int32_t[]){0}, rules[i]};
        make_tzif(&z, &s);
        write_zone("Bad", hd_str_get(&s), s.len);
        hd_str_clear(&s);
        if (hd_zone_open("Bad", &zone) != HEED_CORRUPT) fail_msg("'%s'", rules[i]);
    }
}

static void test_zone_allocation_failures(void **state) {
    (void)state;
    hd_zone_close(zone_with_rule("CET-1CEST,M3.5.0,M10.5.0/3")); // leaves its file
    size_t before = hd_mem_used();
    for (uint64_t n = 1;; n++) {
        assert_true(n < 100);
        hd_zone *zone = NULL;
        hd_mem_fail_at(n, true);
        heed_err err = hd_zone_open("Rule", &zone);
        hd_mem_fail_at(0, false);
        hd_zone_close(zone);
        assert_int_equal(hd_mem_used(), before);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
    }
}

// The system's own files against the C library, where they are installed.
static void test_system_zones(void **state) {
    (void)state;
    static const char *const names[] = {"Asia/Shanghai",    "Europe/Berlin", "America/New_York",
                                        "Pacific/Auckland", "Europe/Dublin", "Asia/Kolkata"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", names[i]);
        if (access(path, R_OK) != 0) {
            print_message("no %s: skipped\n", path);
            skip();
        }
        hd_zone *zone;
        assert_int_equal(hd_zone_open(names[i], &zone), HEED_OK);
        setenv("TZ", names[i], 1);
        tzset();
        for (uint64_t k = 0; k < 3000; k++) {
            time_t t = (time_t)(hd_rng_at(3, i, k) % 4800000000u) - 1000000000; // 1938 .. 2090
            struct tm tm;
            localtime_r(&t, &tm);
            assert_int_equal(hd_zone_offset(zone, (hd_time)t * 1000), tm.tm_gmtoff);
        }
        hd_zone_close(zone);
    }
    unsetenv("TZ");
    tzset();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_iso),           cmocka_unit_test(test_counts),
        cmocka_unit_test(test_other_formats), cmocka_unit_test(test_names),
        cmocka_unit_test(test_sniff),         cmocka_unit_test(test_civil),
        cmocka_unit_test(test_format),        cmocka_unit_test(test_now),
        cmocka_unit_test(test_system_zones),
    };
    const struct CMUnitTest zones[] = {
        cmocka_unit_test(test_zone_transitions), cmocka_unit_test(test_zone_rules),
        cmocka_unit_test(test_zone_gap_overlap), cmocka_unit_test(test_zone_names),
        cmocka_unit_test(test_zone_hostile),     cmocka_unit_test(test_zone_allocation_failures),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + cmocka_run_group_tests(zones, zones_setup, zones_teardown);
}
