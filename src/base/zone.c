// SPDX-License-Identifier: Apache-2.0
//
// Time zones from the system's compiled files (TZif, RFC 8536): the 64-bit block of version 2 and
// later, and behind it the rule, in the form of the TZ variable of POSIX, for all instants after
// the last transition listed. localtime_r was rejected: it knows one zone per process, by a
// variable that another thread may change.
//
// A zone is immutable once open and may be used from many threads. Zone files are outside input:
// every count and index in them is checked.
#include <stdlib.h>

#include "base/civil.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/time.h"

enum { DAY_S = 86400, ZONE_FILE_MAX = 1 << 20, ZONE_NAME_MAX = 64 };

// When the rule switches, as seconds of local time in a year.
typedef struct zone_switch {
    enum { SWITCH_MONTH_WEEK, SWITCH_JULIAN, SWITCH_ZERO_BASED } kind;
    int month, week, day; // Mm.w.d: week 5 is the last; else day alone
    int32_t at;           // seconds after that day's midnight, may be negative
} zone_switch;

typedef struct zone_rule {
    bool set;
    bool has_summer;
    int32_t standard, summer; // seconds east of UTC
    zone_switch start, end;   // of summer time
} zone_rule;

struct hd_zone {
    int32_t initial; // before the first transition
    size_t n;
    int64_t *at;     // (n) rising, seconds UTC
    int32_t *offset; // (n) from at[i] on
    zone_rule rule;  // after the last transition
};

// ── The rule: std offset [dst [offset] , start [/time] , end [/time]] ──

typedef struct cursor {
    const char *p, *end;
} cursor;

static bool accept(cursor *c, char sign) {
    if (c->p == c->end || *c->p != sign) return false;
    c->p++;
    return true;
}

static bool number(cursor *c, int max, int *out) {
    int value = 0;
    const char *begin = c->p;
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9') {
        value = value * 10 + (*c->p++ - '0');
        if (value > max) return false;
    }
    *out = value;
    return c->p > begin;
}

// A name of letters, or of anything within <…>.
static bool rule_name(cursor *c) {
    const char *begin = c->p;
    if (accept(c, '<')) {
        while (c->p < c->end && *c->p != '>') c->p++;
        return accept(c, '>') && c->p - begin > 2;
    }
    while (c->p < c->end && ((*c->p | 32) >= 'a' && (*c->p | 32) <= 'z')) c->p++;
    return c->p - begin >= 3;
}

// [+-]hh[:mm[:ss]] in seconds.
static bool rule_seconds(cursor *c, int max_hours, int32_t *out) {
    int32_t sign = 1;
    if (accept(c, '-'))
        sign = -1;
    else
        accept(c, '+');
    int hours = 0, minutes = 0, seconds = 0;
    if (!number(c, max_hours, &hours)) return false;
    if (accept(c, ':') && !number(c, 59, &minutes)) return false;
    if (c->p > c->end - 1 || *c->p != ':') {
        *out = sign * (hours * 3600 + minutes * 60);
        return true;
    }
    c->p++;
    if (!number(c, 59, &seconds)) return false;
    *out = sign * (hours * 3600 + minutes * 60 + seconds);
    return true;
}

static bool rule_switch(cursor *c, zone_switch *out) {
    *out = (zone_switch){.at = 2 * 3600};
    if (accept(c, 'M')) {
        out->kind = SWITCH_MONTH_WEEK;
        if (!number(c, 12, &out->month) || !accept(c, '.') || !number(c, 5, &out->week) ||
            !accept(c, '.') || !number(c, 6, &out->day) || out->month < 1 || out->week < 1) {
            return false;
        }
    } else {
        out->kind = accept(c, 'J') ? SWITCH_JULIAN : SWITCH_ZERO_BASED;
        if (!number(c, 365, &out->day) || (out->kind == SWITCH_JULIAN && out->day < 1))
            return false;
    }
    // RFC 8536 lets the hours run from -167 to 167.
    return !accept(c, '/') || rule_seconds(c, 167, &out->at);
}

static bool rule_parse(const char *text, size_t n, zone_rule *out) {
    cursor c = {text, text + n};
    *out = (zone_rule){.set = true};
    if (!rule_name(&c) || !rule_seconds(&c, 24, &out->standard)) return false;
    out->standard = -out->standard; // POSIX counts west of Greenwich
    if (c.p == c.end) return true;
    out->has_summer = true;
    out->summer = out->standard + 3600;
    if (!rule_name(&c)) return false;
    if (c.p < c.end && *c.p != ',') {
        if (!rule_seconds(&c, 24, &out->summer)) return false;
        out->summer = -out->summer;
    }
    return accept(&c, ',') && rule_switch(&c, &out->start) && accept(&c, ',') &&
           rule_switch(&c, &out->end) && c.p == c.end;
}

// Days from 1 January of that year's switch.
static int64_t switch_day(const zone_switch *s, int64_t year) {
    int64_t first = hd_days_from_date(year, 1, 1);
    if (s->kind == SWITCH_ZERO_BASED) return s->day;
    if (s->kind == SWITCH_JULIAN) {
        return s->day - 1 + (hd_is_leap(year) && s->day >= 60); // 29 February is never counted
    }
    int64_t month = hd_days_from_date(year, s->month, 1), weekday;
    hd_floor_div(month + 4, 7, &weekday); // 0: Sunday; 1970-01-01 was a Thursday
    int64_t day = (s->day - weekday + 7) % 7 + 7 * (s->week - 1);
    if (day >= hd_month_days(year, s->month)) day -= 7;
    return month + day - first;
}

static int32_t rule_offset(const zone_rule *rule, int64_t t) {
    if (!rule->has_summer) return rule->standard;
    int64_t rest;
    int year, month, day;
    hd_date_from_days(hd_floor_div(t + rule->standard, DAY_S, &rest), &year, &month, &day);
    int64_t first = hd_days_from_date(year, 1, 1);
    int64_t start = (first + switch_day(&rule->start, year)) * DAY_S + rule->start.at;
    int64_t end = (first + switch_day(&rule->end, year)) * DAY_S + rule->end.at;
    start -= rule->standard;
    end -= rule->summer;
    // On the southern half of the earth summer spans the turn of the year.
    bool summer = start < end ? t >= start && t < end : t >= start || t < end;
    return summer ? rule->summer : rule->standard;
}

// ── The file ──

typedef struct tz_counts {
    size_t isut, isstd, leap, time, type, chars;
} tz_counts;

static uint32_t be32(const unsigned char *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be64(const unsigned char *p) {
    return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

enum { TZ_HEADER = 44 };

static bool tz_header(const unsigned char *p, size_t n, tz_counts *out) {
    if (n < TZ_HEADER || memcmp(p, "TZif", 4) != 0) return false;
    *out = (tz_counts){be32(p + 20), be32(p + 24), be32(p + 28),
                       be32(p + 32), be32(p + 36), be32(p + 40)};
    size_t all[] = {out->isut, out->isstd, out->leap, out->time, out->type, out->chars};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i] > ZONE_FILE_MAX) return false; // and so the sums below can't overflow
    }
    return true;
}

static size_t tz_body(const tz_counts *c, size_t time_size) {
    return c->time * (time_size + 1) + c->type * 6 + c->chars + c->leap * (time_size + 4) +
           c->isstd + c->isut;
}

// The 64-bit block's transitions and types. false: not sound.
static bool tz_transitions(const unsigned char *p, const tz_counts *c, hd_zone *zone) {
    const unsigned char *index = p + c->time * 8, *types = index + c->time;
    for (size_t i = 0; i < c->type; i++) {
        int32_t offset = (int32_t)be32(types + i * 6);
        if (offset < -26 * 3600 || offset > 26 * 3600) return false;
    }
    zone->initial = (int32_t)be32(types);
    for (size_t i = 0; i < c->time; i++) {
        zone->at[i] = be64(p + i * 8);
        if (index[i] >= c->type || (i > 0 && zone->at[i] <= zone->at[i - 1])) return false;
        zone->offset[i] = (int32_t)be32(types + (size_t)index[i] * 6);
    }
    zone->n = c->time;
    return true;
}

static heed_err tz_corrupt(const char *name) {
    return HD_FAIL(HEED_CORRUPT,
                   "the system's file of time zone '%s' is not sound: reinstall tzdata",
                   "系统中时区“%s”的文件已损坏：请重新安装 tzdata", name);
}

static heed_err tz_parse(const unsigned char *p, size_t n, const char *name, hd_zone *zone) {
    tz_counts c;
    if (!tz_header(p, n, &c)) return tz_corrupt(name);
    if (p[4] < '2') {
        return HD_FAIL(HEED_VERSION,
                       "the system's file of time zone '%s' is too old: update tzdata",
                       "系统中时区“%s”的文件版本过旧：请更新 tzdata", name);
    }
    size_t skip = TZ_HEADER + tz_body(&c, 4);
    if (skip > n || !tz_header(p + skip, n - skip, &c)) return tz_corrupt(name);
    p += skip + TZ_HEADER;
    n -= skip + TZ_HEADER;
    size_t body = tz_body(&c, 8);
    if (body > n || c.type == 0) return tz_corrupt(name);
    zone->at = hd_calloc(c.time, sizeof *zone->at);
    zone->offset = hd_calloc(c.time, sizeof *zone->offset);
    if (!zone->at || !zone->offset) return HD_FAIL_MEMORY(c.time * sizeof *zone->at);
    if (!tz_transitions(p, &c, zone)) return tz_corrupt(name);
    const unsigned char *footer = p + body;
    size_t left = n - body;
    const unsigned char *close =
        left > 1 && footer[0] == '\n' ? memchr(footer + 1, '\n', left - 1) : NULL;
    if (!close) return tz_corrupt(name);
    size_t rule = (size_t)(close - footer) - 1;
    if (rule > 0 && !rule_parse((const char *)footer + 1, rule, &zone->rule)) {
        return tz_corrupt(name);
    }
    return HEED_OK;
}

// Names that can't lead out of the folder.
static bool zone_name_fine(const char *name) {
    size_t n = strlen(name);
    if (n == 0 || n > ZONE_NAME_MAX || name[0] == '/' || strstr(name, "..")) return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/") == n;
}

static heed_err zone_unknown(const char *name) {
    return HD_FAIL(HEED_INPUT,
                   "unknown time zone '%s': use UTC, an offset such as +08:00, or a name such as "
                   "Asia/Shanghai (from the system's tzdata)",
                   "未知时区“%s”：请使用 UTC、偏移量（如 +08:00）或时区名（如 "
                   "Asia/Shanghai，取自系统的 tzdata）",
                   name);
}

static heed_err zone_load(const char *name, hd_zone *zone) {
    if (!zone_name_fine(name)) return zone_unknown(name);
    const char *folder = getenv("TZDIR");
    if (!folder || !*folder) folder = "/usr/share/zoneinfo";
    hd_str path, bytes;
    hd_str_init(&path);
    hd_str_init(&bytes);
    hd_str_addf(&path, "%s/%s", folder, name);
    heed_err err = hd_str_check(&path);
    if (err == HEED_OK) {
        const char *file = hd_str_get(&path);
        if (!hd_fs_exists(file) || hd_fs_is_dir(file))
            err = zone_unknown(name);
        else
            err = hd_fs_read(file, ZONE_FILE_MAX, &bytes);
    }
    if (err == HEED_OK) {
        err = tz_parse((const unsigned char *)hd_str_get(&bytes), bytes.len, name, zone);
    }
    hd_str_clear(&bytes);
    hd_str_clear(&path);
    return err;
}

// "UTC", "Z", or ±hh:mm up to 14 hours.
static bool zone_fixed(const char *name, int32_t *offset) {
    *offset = 0;
    if (strcmp(name, "UTC") == 0 || strcmp(name, "Z") == 0) return true;
    if (name[0] != '+' && name[0] != '-') return false;
    cursor c = {name + 1, name + strlen(name)};
    int hours, minutes;
    if (c.end - c.p != 5 || !number(&c, 14, &hours) || !accept(&c, ':') ||
        !number(&c, 59, &minutes) || c.p != c.end) {
        return false;
    }
    *offset = (hours * 3600 + minutes * 60) * (name[0] == '-' ? -1 : 1);
    return true;
}

heed_err hd_zone_open(const char *name, hd_zone **out) {
    *out = NULL;
    hd_zone *zone = hd_calloc(1, sizeof *zone);
    if (!zone) return HD_FAIL_MEMORY(sizeof *zone);
    heed_err err = zone_fixed(name, &zone->initial) ? HEED_OK : zone_load(name, zone);
    if (err != HEED_OK) {
        hd_zone_close(zone);
        return err;
    }
    *out = zone;
    return HEED_OK;
}

void hd_zone_close(hd_zone *zone) {
    if (!zone) return;
    hd_free(zone->at);
    hd_free(zone->offset);
    hd_free(zone);
}

int32_t hd_zone_offset(const hd_zone *zone, hd_time t) {
    if (!zone) return 0;
    int64_t rest, seconds = hd_floor_div(t, 1000, &rest);
    if (zone->rule.set && (zone->n == 0 || seconds >= zone->at[zone->n - 1])) {
        return rule_offset(&zone->rule, seconds);
    }
    size_t low = 0, high = zone->n; // how many transitions are at or before the instant
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (zone->at[middle] <= seconds)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? zone->initial : zone->offset[low - 1];
}
