// SPDX-License-Identifier: Apache-2.0
#include "api/when.h"

// The milliseconds of "90d"; false: it isn't of that form.
static bool span_of(hd_slice text, int64_t *out) {
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'h', HD_DAY_MS / 24}, {'d', HD_DAY_MS}, {'w', 7 * HD_DAY_MS}};
    enum { MOST = 100000 }; // of any unit: no sum overflows
    int64_t n;
    if (text.n < 2 || !hd_slice_i64((hd_slice){text.p, text.n - 1}, &n) || n < 0 || n > MOST)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (text.p[text.n - 1] != units[i].unit) continue;
        *out = n * units[i].ms;
        return true;
    }
    return false;
}

heed_err hd_call_when(const hd_call *call, const hd_param *param, hd_when direction, hd_time *out) {
    *out = HD_TIME_NONE;
    const char *text = hd_call_text(call, param->name);
    if (!text) return HEED_OK;
    int64_t span;
    char shown[64];
    if (span_of(hd_slice_of(text), &span)) {
        *out = hd_time_now() + (direction == HD_WHEN_AGO ? -span : span);
        return HEED_OK;
    }
    if (hd_time_parse(hd_slice_of(text), HD_TIME_ISO, NULL, out)) return HEED_OK;
    return HD_FAIL(HEED_USAGE, "%s: '%s' is neither a time nor a span: 2026-12-31, or 90d, 12h, 4w",
                   "%s：“%s”既不是时间也不是时长：可写 2026-12-31，或 90d、12h、4w",
                   hd_param_shown(param, shown), text);
}
