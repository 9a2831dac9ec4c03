// SPDX-License-Identifier: Apache-2.0
//
// Times, to and from dates and texts. Parsing is written by hand: imports parse millions, and
// strptime is slow, depends on the locale, and takes 2023-02-29 for 1 March. Each format is a
// function over a cursor and a row in one list.
#include "base/time.h"

#include <stdlib.h>
#include <time.h>

#include "base/civil.h"

hd_time hd_time_now(void) {
    const char *fixed = getenv("HEED_NOW");
    hd_time t;
    if (fixed && hd_time_parse(hd_slice_of(fixed), HD_TIME_ISO, NULL, &t)) return t;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (hd_time)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t hd_time_monotonic(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

double hd_time_thread(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// ── Dates ──

static void civil_from_ms(int64_t local, hd_civil *out) {
    int64_t ms, weekday, days = hd_floor_div(local, HD_DAY_MS, &ms);
    hd_date_from_days(days, &out->year, &out->month, &out->day);
    hd_floor_div(days + 3, 7, &weekday); // 1970-01-01 was a Thursday: 3 days after Monday
    out->weekday = (int)weekday;
    out->hour = (int)(ms / 3600000);
    out->minute = (int)(ms / 60000 % 60);
    out->second = (int)(ms / 1000 % 60);
    out->ms = (int)(ms % 1000);
}

static hd_time time_clamp(hd_time t) {
    return t < HD_TIME_MIN ? HD_TIME_MIN : t > HD_TIME_MAX ? HD_TIME_MAX : t;
}

void hd_time_civil(hd_time t, const hd_zone *zone, hd_civil *out) {
    t = time_clamp(t);
    civil_from_ms(t + (int64_t)hd_zone_offset(zone, t) * 1000, out);
}

// Milliseconds of a local time since 1970 began there. false: no such date or time of day.
static bool local_ms(const hd_civil *c, int64_t *out) {
    if (c->year < 1 || c->year > 9999 || c->month < 1 || c->month > 12 || c->day < 1 ||
        c->day > hd_month_days(c->year, c->month)) {
        return false;
    }
    if (c->hour < 0 || c->hour > 23 || c->minute < 0 || c->minute > 59 || c->second < 0 ||
        c->second > 59 || c->ms < 0 || c->ms > 999) {
        return false;
    }
    *out = hd_days_from_date(c->year, c->month, c->day) * HD_DAY_MS +
           ((c->hour * 60 + c->minute) * 60 + c->second) * INT64_C(1000) + c->ms;
    return true;
}

// The instant of a local time in a zone: the offsets a day before and a day after are the two that
// can hold. Both do in an overlap, none in a gap.
static hd_time instant_in(int64_t local, const hd_zone *zone) {
    if (!zone) return local;
    int64_t before = (int64_t)hd_zone_offset(zone, local - HD_DAY_MS) * 1000;
    int64_t after = (int64_t)hd_zone_offset(zone, local + HD_DAY_MS) * 1000;
    hd_time first = local - before, second = local - after;
    if (before == after) return first;
    bool first_holds = (int64_t)hd_zone_offset(zone, first) * 1000 == before;
    bool second_holds = (int64_t)hd_zone_offset(zone, second) * 1000 == after;
    if (first_holds && second_holds) return first < second ? first : second;
    return first_holds ? first : second;
}

static bool in_range(hd_time t) {
    return t >= HD_TIME_MIN && t <= HD_TIME_MAX;
}

bool hd_time_from_civil(const hd_civil *civil, const hd_zone *zone, hd_time *out) {
    int64_t local;
    if (!local_ms(civil, &local)) return false;
    hd_time t = instant_in(local, zone);
    if (!in_range(t)) return false;
    *out = t;
    return true;
}

void hd_time_format(hd_time t, const hd_zone *zone, char buf[32]) {
    t = time_clamp(t);
    // Whole minutes: the form has no seconds of offset, which zones had before 1900.
    int32_t minutes = hd_zone_offset(zone, t) / 60;
    hd_civil c;
    civil_from_ms(t + minutes * INT64_C(60000), &c);
    int n = hd_snprintf(buf, 32, "%04d-%02d-%02dT%02d:%02d:%02d", c.year, c.month, c.day, c.hour,
                        c.minute, c.second);
    if (c.ms != 0) n += hd_snprintf(buf + n, 32 - (size_t)n, ".%03d", c.ms);
    if (minutes == 0) {
        hd_snprintf(buf + n, 32 - (size_t)n, "Z");
    } else {
        int32_t east = minutes < 0 ? -minutes : minutes;
        hd_snprintf(buf + n, 32 - (size_t)n, "%c%02d:%02d", minutes < 0 ? '-' : '+',
                    (int)(east / 60), (int)(east % 60));
    }
}

// ── Parsing ──

typedef struct cursor {
    const char *p, *end;
} cursor;

static bool at_end(const cursor *c) {
    return c->p == c->end;
}

static bool accept(cursor *c, char sign) {
    if (c->p == c->end || *c->p != sign) return false;
    c->p++;
    return true;
}

static bool accept_text(cursor *c, const char *text) {
    size_t n = strlen(text);
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, text, n) != 0) return false;
    c->p += n;
    return true;
}

// A number of min to max digits, as many as stand there.
static bool digits(cursor *c, int min, int max, int *out) {
    int value = 0, n = 0;
    while (n < max && c->p < c->end && (unsigned)(*c->p - '0') <= 9) {
        value = value * 10 + (*c->p++ - '0');
        n++;
    }
    *out = value;
    return n >= min;
}

// The fraction behind the point, cut to milliseconds.
static bool fraction(cursor *c, int *ms) {
    int n = 0;
    *ms = 0;
    for (; c->p < c->end && (unsigned)(*c->p - '0') <= 9; c->p++, n++) {
        if (n < 3) *ms = *ms * 10 + (*c->p - '0');
    }
    for (int i = n; i < 3; i++) *ms *= 10;
    return n > 0;
}

// hh:mm[:ss[.fff]], the hour of at least hour_digits digits.
static bool time_of_day(cursor *c, int hour_digits, hd_civil *out) {
    if (!digits(c, hour_digits, 2, &out->hour) || !accept(c, ':') ||
        !digits(c, 2, 2, &out->minute)) {
        return false;
    }
    if (!accept(c, ':')) return true;
    if (!digits(c, 2, 2, &out->second)) return false;
    return (!accept(c, '.') && !accept(c, ',')) || fraction(c, &out->ms);
}

// Z, UTC, or ±hh[[:]mm] in seconds.
static bool offset(cursor *c, int32_t *out) {
    *out = 0;
    if (accept(c, 'Z') || accept(c, 'z') || accept_text(c, "UTC")) return true;
    bool west = accept(c, '-');
    if (!west && !accept(c, '+')) return false;
    int hours, minutes = 0;
    if (!digits(c, 2, 2, &hours) || hours > 15) return false;
    bool colon = accept(c, ':');
    if ((colon || !at_end(c)) && (!digits(c, 2, 2, &minutes) || minutes > 59)) return false;
    *out = (hours * 3600 + minutes * 60) * (west ? -1 : 1);
    return true;
}

// The instant, by a given offset or by the zone, once all of the text is read.
static bool finish(const cursor *c, const hd_civil *civil, const int32_t *east, const hd_zone *zone,
                   hd_time *out) {
    int64_t local;
    if (!at_end(c) || !local_ms(civil, &local)) return false;
    hd_time t = east ? local - (int64_t)*east * 1000 : instant_in(local, zone);
    if (!in_range(t)) return false;
    *out = t;
    return true;
}

static bool parse_iso(hd_slice s, const hd_zone *zone, hd_time *out) {
    cursor c = {s.p, s.p + s.n};
    hd_civil civil = {0};
    if (!digits(&c, 4, 4, &civil.year) || !accept(&c, '-') || !digits(&c, 2, 2, &civil.month) ||
        !accept(&c, '-') || !digits(&c, 2, 2, &civil.day)) {
        return false;
    }
    if (at_end(&c)) return finish(&c, &civil, NULL, zone, out);
    if (!accept(&c, 'T') && !accept(&c, ' ') && !accept(&c, 't')) return false;
    if (!time_of_day(&c, 2, &civil)) return false;
    if (at_end(&c)) return finish(&c, &civil, NULL, zone, out);
    accept(&c, ' ');
    int32_t east;
    return offset(&c, &east) && finish(&c, &civil, &east, zone, out);
}

// A whole number of at most 18 digits, with a fraction if `ms` is given.
static bool parse_count(hd_slice s, int64_t *out, int *ms) {
    cursor c = {s.p, s.p + s.n};
    bool negative = accept(&c, '-');
    int64_t value = 0;
    int n = 0;
    for (; c.p < c.end && (unsigned)(*c.p - '0') <= 9; c.p++, n++) {
        if (n == 18) return false;
        value = value * 10 + (*c.p - '0');
    }
    if (n == 0 || (ms && accept(&c, '.') && !fraction(&c, ms)) || !at_end(&c)) return false;
    if (negative && ms) *ms = -*ms;
    *out = negative ? -value : value;
    return true;
}

static bool parse_unix_s(hd_slice s, const hd_zone *zone, hd_time *out) {
    (void)zone;
    int64_t seconds;
    int ms = 0;
    if (!parse_count(s, &seconds, &ms)) return false;
    if (seconds < HD_TIME_MIN / 1000 || seconds > HD_TIME_MAX / 1000) return false;
    *out = seconds * 1000 + ms;
    return in_range(*out);
}

static bool parse_unix_ms(hd_slice s, const hd_zone *zone, hd_time *out) {
    (void)zone;
    return parse_count(s, out, NULL) && in_range(*out);
}

static bool parse_unix_us(hd_slice s, const hd_zone *zone, hd_time *out) {
    (void)zone;
    int64_t us, rest;
    if (!parse_count(s, &us, NULL)) return false;
    *out = hd_floor_div(us, 1000, &rest);
    return in_range(*out);
}

static bool parse_compact(hd_slice s, const hd_zone *zone, hd_time *out) {
    cursor c = {s.p, s.p + s.n};
    hd_civil civil = {0};
    if ((s.n != 8 && s.n != 14) || !digits(&c, 4, 4, &civil.year) ||
        !digits(&c, 2, 2, &civil.month) || !digits(&c, 2, 2, &civil.day)) {
        return false;
    }
    if (s.n == 14 && (!digits(&c, 2, 2, &civil.hour) || !digits(&c, 2, 2, &civil.minute) ||
                      !digits(&c, 2, 2, &civil.second))) {
        return false;
    }
    return finish(&c, &civil, NULL, zone, out);
}

// [ h:mm[:ss][ AM|PM]] behind a date.
static bool finish_clock(cursor *c, hd_civil *civil, const hd_zone *zone, hd_time *out) {
    if (at_end(c)) return finish(c, civil, NULL, zone, out);
    if (!accept(c, ' ') || !time_of_day(c, 1, civil)) return false;
    if (accept(c, ' ')) {
        bool pm = accept_text(c, "PM") || accept_text(c, "pm");
        if (!pm && !accept_text(c, "AM") && !accept_text(c, "am")) return false;
        if (civil->hour < 1 || civil->hour > 12) return false;
        civil->hour = civil->hour % 12 + (pm ? 12 : 0);
    }
    return finish(c, civil, NULL, zone, out);
}

static bool parse_slash_ymd(hd_slice s, const hd_zone *zone, hd_time *out) {
    cursor c = {s.p, s.p + s.n};
    hd_civil civil = {0};
    return digits(&c, 4, 4, &civil.year) && accept(&c, '/') && digits(&c, 1, 2, &civil.month) &&
           accept(&c, '/') && digits(&c, 1, 2, &civil.day) && finish_clock(&c, &civil, zone, out);
}

static bool parse_slash_mdy(hd_slice s, const hd_zone *zone, hd_time *out) {
    cursor c = {s.p, s.p + s.n};
    hd_civil civil = {0};
    return digits(&c, 1, 2, &civil.month) && accept(&c, '/') && digits(&c, 1, 2, &civil.day) &&
           accept(&c, '/') && digits(&c, 4, 4, &civil.year) && finish_clock(&c, &civil, zone, out);
}

static bool parse_dmy(hd_slice s, char sign, const hd_zone *zone, hd_time *out) {
    cursor c = {s.p, s.p + s.n};
    hd_civil civil = {0};
    return digits(&c, 1, 2, &civil.day) && accept(&c, sign) && digits(&c, 1, 2, &civil.month) &&
           accept(&c, sign) && digits(&c, 4, 4, &civil.year) && finish_clock(&c, &civil, zone, out);
}

static bool parse_slash_dmy(hd_slice s, const hd_zone *zone, hd_time *out) {
    return parse_dmy(s, '/', zone, out);
}

static bool parse_dot_dmy(hd_slice s, const hd_zone *zone, hd_time *out) {
    return parse_dmy(s, '.', zone, out);
}

// 2026年11月22日, then 8时30分[5秒] or 8:30[:05].
static bool parse_chinese(hd_slice s, const hd_zone *zone, hd_time *out) {
    cursor c = {s.p, s.p + s.n};
    hd_civil civil = {0};
    if (!digits(&c, 4, 4, &civil.year) || !accept_text(&c, "年") ||
        !digits(&c, 1, 2, &civil.month) || !accept_text(&c, "月") ||
        !digits(&c, 1, 2, &civil.day) || !accept_text(&c, "日")) {
        return false;
    }
    if (at_end(&c)) return finish(&c, &civil, NULL, zone, out);
    accept(&c, ' ');
    cursor plain = c;
    if (time_of_day(&plain, 1, &civil)) return finish(&plain, &civil, NULL, zone, out);
    if (!digits(&c, 1, 2, &civil.hour) ||
        (!accept_text(&c, "时") && !accept_text(&c, "點") && !accept_text(&c, "点")) ||
        !digits(&c, 1, 2, &civil.minute) || !accept_text(&c, "分")) {
        return false;
    }
    if (!at_end(&c) && (!digits(&c, 1, 2, &civil.second) || !accept_text(&c, "秒"))) return false;
    return finish(&c, &civil, NULL, zone, out);
}

static int find_name(cursor *c, const char *const *names, int n) {
    for (int i = 0; i < n; i++) {
        if (accept_text(c, names[i])) return i;
    }
    return -1;
}

static bool parse_rfc2822(hd_slice s, const hd_zone *zone, hd_time *out) {
    static const char *const weekdays[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    cursor c = {s.p, s.p + s.n};
    hd_civil civil = {0};
    int weekday = find_name(&c, weekdays, 7);
    if (weekday >= 0 && (!accept(&c, ',') || !accept(&c, ' '))) return false;
    if (!digits(&c, 1, 2, &civil.day) || !accept(&c, ' ')) return false;
    civil.month = find_name(&c, months, 12) + 1;
    if (civil.month == 0 || !accept(&c, ' ') || !digits(&c, 4, 4, &civil.year) ||
        !accept(&c, ' ') || !time_of_day(&c, 2, &civil) || !accept(&c, ' ')) {
        return false;
    }
    int32_t east = 0;
    if (!offset(&c, &east) && !accept_text(&c, "GMT") && !accept_text(&c, "UT")) return false;
    int64_t local;
    hd_civil read;
    if (!local_ms(&civil, &local)) return false;
    civil_from_ms(local, &read);
    if (weekday >= 0 && read.weekday != weekday) return false; // a date that contradicts itself
    return finish(&c, &civil, &east, zone, out);
}

// ── The formats ──

typedef struct time_format {
    const char *name;
    bool (*parse)(hd_slice text, const hd_zone *zone, hd_time *out);
    int first_year, last_year; // that the sniffer believes; both 0: all
} time_format;

// Bare numbers fit several formats; the years they would mean tell which.
static const time_format time_formats[HD_TIME_FORMATS] = {
    [HD_TIME_ISO] = {"iso", parse_iso, 0, 0},
    [HD_TIME_UNIX_S] = {"unix_s", parse_unix_s, 1990, 2099},
    [HD_TIME_UNIX_MS] = {"unix_ms", parse_unix_ms, 1990, 2099},
    [HD_TIME_UNIX_US] = {"unix_us", parse_unix_us, 1990, 2099},
    [HD_TIME_COMPACT] = {"compact", parse_compact, 1900, 2099},
    [HD_TIME_SLASH_YMD] = {"slash_ymd", parse_slash_ymd, 0, 0},
    [HD_TIME_SLASH_MDY] = {"slash_mdy", parse_slash_mdy, 0, 0},
    [HD_TIME_SLASH_DMY] = {"slash_dmy", parse_slash_dmy, 0, 0},
    [HD_TIME_DOT_DMY] = {"dot_dmy", parse_dot_dmy, 0, 0},
    [HD_TIME_CHINESE] = {"chinese", parse_chinese, 0, 0},
    [HD_TIME_RFC2822] = {"rfc2822", parse_rfc2822, 0, 0},
};

const char *hd_time_format_name(hd_time_format_id id) {
    return time_formats[id].name;
}

bool hd_time_format_find(const char *name, hd_time_format_id *out) {
    for (int i = 0; i < HD_TIME_FORMATS; i++) {
        if (strcmp(name, time_formats[i].name) == 0) {
            *out = (hd_time_format_id)i;
            return true;
        }
    }
    return false;
}

bool hd_time_parse(hd_slice text, hd_time_format_id id, const hd_zone *zone, hd_time *out) {
    return text.n > 0 && time_formats[id].parse(text, zone, out);
}

static bool sniff_fits(hd_slice sample, const time_format *format) {
    hd_time t;
    if (!format->parse(sample, NULL, &t)) return false;
    if (format->last_year == 0) return true;
    return t >= hd_days_from_date(format->first_year, 1, 1) * HD_DAY_MS &&
           t < hd_days_from_date(format->last_year + 1, 1, 1) * HD_DAY_MS;
}

uint32_t hd_time_sniff(const hd_slice *samples, size_t n) {
    uint32_t fit = (1u << HD_TIME_FORMATS) - 1;
    size_t seen = 0;
    for (size_t i = 0; i < n && fit; i++) {
        hd_slice sample = hd_slice_trim(samples[i]);
        if (sample.n == 0) continue;
        seen++;
        for (int id = 0; id < HD_TIME_FORMATS; id++) {
            if ((fit & 1u << id) && !sniff_fits(sample, &time_formats[id])) fit &= ~(1u << id);
        }
    }
    return seen > 0 ? fit : 0;
}
