// SPDX-License-Identifier: Apache-2.0
//
// The data report in lines: a label, padded to one width whatever the script, and what there is to
// say. Each line is a row: label and a function that writes it from the JSON.
#include "prepare/report.h"

#include <math.h>

#include "base/unicode.h"

typedef struct writer {
    const json_t *report;
    heed_lang lang;
    hd_str *out;
} writer;

static double get_number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static int64_t get_count(const json_t *object, const char *key) {
    return json_integer_value(json_object_get(object, key));
}

static const char *get_text(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

// 541,909
static void put_count(const writer *w, int64_t n) {
    char digits[32];
    int len = hd_snprintf(digits, sizeof digits, "%lld", (long long)n);
    for (int i = 0; i < len; i++) {
        if (i > 0 && digits[i - 1] != '-' && (len - i) % 3 == 0) hd_str_addc(w->out, ',');
        hd_str_addc(w->out, digits[i]);
    }
}

static void put(const writer *w, const char *en, const char *zh) {
    hd_str_add(w->out, w->lang == HEED_ZH ? zh : en);
}

// ", <count><words>" when there is anything to count.
static void put_aside(const writer *w, const json_t *object, const char *key, const char *en,
                      const char *zh) {
    int64_t n = get_count(object, key);
    if (n == 0) return;
    put(w, ", ", "，");
    put_count(w, n);
    put(w, en, zh);
}

static void put_label(const writer *w, hd_text label) {
    enum { WIDTH = 18 };
    const char *text = hd_text_get(label, w->lang);
    size_t width = hd_utf8_width(text, strlen(text));
    hd_str_addf(w->out, "  %s", text);
    for (; width < WIDTH; width++) hd_str_addc(w->out, ' ');
}

static void line_events(const writer *w) {
    put_count(w, get_count(w->report, "events"));
    put_aside(w, w->report, "anonymous_events", " anonymous", " 条匿名");
    put_aside(w, w->report, "duplicates", " exact repeats", " 条完全重复");
    put_aside(w, w->report, "without_time", " without a time", " 条没有时间");
}

static void line_users(const writer *w) {
    put_count(w, get_count(w->report, "users"));
    put_aside(w, w->report, "users_without_events", " without events", " 个没有事件");
}

static void line_items(const writer *w) {
    put_count(w, get_count(w->report, "items"));
    put_aside(w, w->report, "items_without_events", " without events", " 个没有事件");
    put_aside(w, w->report, "unknown_items", " not in the catalogue", " 个不在目录中");
}

static void put_unknown(const writer *w) {
    put(w, "unknown", "未知");
}

static void line_density(const writer *w) {
    double density = get_number(w->report, "density");
    if (isnan(density))
        put_unknown(w);
    else
        hd_str_addf(w->out, "%.3g%%", 100 * density);
}

static void put_spread(const writer *w, const char *key) {
    const json_t *spread = json_object_get(w->report, key);
    double mean = get_number(spread, "mean");
    if (isnan(mean)) {
        put_unknown(w);
        return;
    }
    put(w, "mean ", "平均 ");
    hd_str_addf(w->out, "%.1f", mean);
    put(w, ", median ", "，中位数 ");
    hd_str_addf(w->out, "%.15g", get_number(spread, "median"));
    put(w, ", at most ", "，最多 ");
    put_count(w, get_count(spread, "max"));
}

static void line_per_user(const writer *w) {
    put_spread(w, "events_per_user");
}
static void line_per_item(const writer *w) {
    put_spread(w, "events_per_item");
}

static void line_span(const writer *w) {
    const json_t *span = json_object_get(w->report, "span");
    if (!json_is_object(span)) {
        put_unknown(w);
        return;
    }
    hd_str_addf(w->out, "%s – %s", get_text(span, "first"), get_text(span, "last"));
    put(w, " (", "（");
    put_count(w, (int64_t)ceil(get_number(span, "days")));
    put(w, " days)", " 天）");
}

static void line_types(const writer *w) {
    const json_t *types = json_object_get(w->report, "types");
    for (size_t i = 0; i < json_array_size(types); i++) {
        const json_t *type = json_array_get(types, i);
        if (i > 0) put(w, ", ", "，");
        hd_str_addf(w->out, "%s ", get_text(type, "type"));
        put_count(w, get_count(type, "events"));
    }
    if (json_array_size(types) == 0) put(w, "none", "无");
}

static void line_gaps(const writer *w) {
    const json_t *gaps = json_object_get(w->report, "gaps");
    for (size_t i = 0; i < json_array_size(gaps); i++) {
        const json_t *gap = json_array_get(gaps, i);
        if (i > 0) put(w, ", ", "，");
        hd_str_addf(w->out, "%s – %s", get_text(gap, "from"), get_text(gap, "to"));
        put(w, " (", "（");
        put_count(w, get_count(gap, "days"));
        put(w, " days)", " 天）");
    }
    if (json_array_size(gaps) == 0) put(w, "none of a week or more", "没有一周以上的空档");
}

static void line_cleaning(const writer *w) {
    const json_t *cleaning = json_object_get(w->report, "cleaning");
    const json_t *times = json_object_get(cleaning, "times");
    if (!json_is_object(cleaning)) {
        put(w, "not done", "未进行");
        return;
    }
    put(w, "kept ", "保留 ");
    put_count(w, get_count(cleaning, "kept"));
    put_aside(w, cleaning, "duplicates", " repeats left out", " 条重复被排除");
    put_aside(w, json_object_get(cleaning, "robots"), "events", " by robots", " 条来自机器人");
    put_aside(w, times, "early", " too early", " 条时间过早");
    put_aside(w, times, "late", " in the future", " 条时间在未来");
}

typedef struct line_row {
    hd_text label;
    void (*write)(const writer *w);
} line_row;

static const line_row lines[] = {
    {HD_TEXT("events", "事件"), line_events},
    {HD_TEXT("users", "用户"), line_users},
    {HD_TEXT("items", "商品"), line_items},
    {HD_TEXT("density", "密度"), line_density},
    {HD_TEXT("events per user", "每用户事件"), line_per_user},
    {HD_TEXT("events per item", "每商品事件"), line_per_item},
    {HD_TEXT("time span", "时间跨度"), line_span},
    {HD_TEXT("event types", "事件类型"), line_types},
    {HD_TEXT("gaps", "空档"), line_gaps},
    {HD_TEXT("cleaning", "清洗"), line_cleaning},
};

static void put_finding(const writer *w, const json_t *finding) {
    double share = get_number(finding, "share");
    const json_t *text = json_object_get(finding, "text");
    hd_str_addf(w->out, "  ! %s", get_text(text, w->lang == HEED_ZH ? "zh" : "en"));
    put(w, " (", "（");
    put_count(w, get_count(finding, "count"));
    if (!isnan(share)) {
        put(w, ", ", "，");
        hd_str_addf(w->out, "%.3g%%", 100 * share);
    }
    put(w, ")\n", "）\n");
}

heed_err hd_data_report_text(const json_t *report, heed_lang lang, hd_str *out) {
    writer w = {report, lang, out};
    put(&w, "Data report\n", "数据报告\n");
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        put_label(&w, lines[i].label);
        lines[i].write(&w);
        hd_str_addc(out, '\n');
    }
    const json_t *findings = json_object_get(report, "findings");
    size_t n = json_array_size(findings);
    if (n == 0)
        put(&w, "Nothing suspicious was found.\n", "未发现可疑之处。\n");
    else
        put(&w, "To look at:\n", "需要留意：\n");
    for (size_t i = 0; i < n; i++) put_finding(&w, json_array_get(findings, i));
    return hd_str_check(out);
}
