// SPDX-License-Identifier: Apache-2.0
//
// Time: 64-bit milliseconds since 1970-01-01T00:00:00Z (POSIX, no leap seconds), years 0001 to
// 9999.
#ifndef HD_BASE_TIME_H
#define HD_BASE_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

typedef int64_t hd_time;
#define HD_TIME_NONE INT64_MIN
#define HD_TIME_MIN INT64_C(-62135596800000) // 0001-01-01
#define HD_TIME_MAX INT64_C(253402300799999) // 9999-12-31 end
#define HD_DAY_MS INT64_C(86400000)

typedef struct hd_civil {
    int year, month, day; // 1-based month and day
    int hour, minute, second, ms;
    int weekday; // 0 Monday .. 6 Sunday
} hd_civil;

hd_time hd_time_now(void); // wall clock; HEED_NOW (an ISO time) overrides it, for tests and demos
int64_t hd_time_monotonic(void); // milliseconds from some start: for durations
double hd_time_thread(void);     // seconds that the processor spent on the calling thread

// A time zone: "UTC", "+08:00", or an IANA name ("Asia/Shanghai") read from the system's zone
// files.
typedef struct hd_zone hd_zone;
heed_err hd_zone_open(const char *name, hd_zone **out) HEED_CHECK;
void hd_zone_close(hd_zone *zone);
// Seconds east of UTC at an instant. A NULL zone is UTC.
int32_t hd_zone_offset(const hd_zone *zone, hd_time t);

void hd_time_civil(hd_time t, const hd_zone *zone, hd_civil *out);
// The instant of a local time. In a gap the later offset counts, in an overlap the earlier instant.
bool hd_time_from_civil(const hd_civil *civil, const hd_zone *zone,
                        hd_time *out); // false: no such date
// "2026-11-22T08:30:00Z", with milliseconds when they aren't 0. buf: 32 bytes at least.
void hd_time_format(hd_time t, const hd_zone *zone, char buf[32]);

// Formats of times in files. The list is the sniffer's order of preference.
typedef enum hd_time_format_id {
    HD_TIME_ISO,       // 2026-11-22[T ]08:30[:05[.123]][Z|±hh[:mm]], or the date alone
    HD_TIME_UNIX_S,    // 1795336200[.5]
    HD_TIME_UNIX_MS,   // 1795336200000
    HD_TIME_UNIX_US,   // 1795336200000000
    HD_TIME_COMPACT,   // 20261122[083000]
    HD_TIME_SLASH_YMD, // 2026/11/22[ 08:30[:05]]
    HD_TIME_SLASH_MDY, // 11/22/2026[ 08:30[:05]]
    HD_TIME_SLASH_DMY, // 22/11/2026[ 08:30[:05]]
    HD_TIME_DOT_DMY,   // 22.11.2026[ 08:30[:05]]
    HD_TIME_CHINESE,   // 2026年11月22日[ 8时30分[5秒]]
    HD_TIME_RFC2822,   // [Sun, ]22 Nov 2026 08:30:05 +0000
    HD_TIME_FORMATS
} hd_time_format_id;
const char *hd_time_format_name(hd_time_format_id id); // "iso", "unix_s", …
bool hd_time_format_find(const char *name, hd_time_format_id *out);

// Parses one time; a local time without offset is taken in `zone`. false: doesn't fit, or out of
// range.
bool hd_time_parse(hd_slice text, hd_time_format_id id, const hd_zone *zone, hd_time *out);

// The formats that all samples fit, as a bit set (1u << id): 0 when none does. Ambiguity (day or
// month first) shows as several bits; the lowest is the guess.
uint32_t hd_time_sniff(const hd_slice *samples, size_t n);

#endif
