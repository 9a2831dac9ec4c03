// SPDX-License-Identifier: Apache-2.0
//
// Texts of a page. Both languages stand in it, and the page's style shows one; so nothing needs a
// script, and a saved page can be read in either.
#include <math.h>
#include <string.h>

#include "measure/page_own.h"

void hd_page_escape(hd_str *out, const char *text) {
    for (const char *c = text ? text : ""; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte == '&') {
            hd_str_add(out, "&amp;");
        } else if (byte == '<') {
            hd_str_add(out, "&lt;");
        } else if (byte == '>') {
            hd_str_add(out, "&gt;");
        } else if (byte == '"') {
            hd_str_add(out, "&quot;");
        } else if (byte == '\'') {
            hd_str_add(out, "&#39;");
        } else if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f) {
            hd_str_add(out, "\xef\xbf\xbd"); // U+FFFD
        } else {
            hd_str_addc(out, *c);
        }
    }
}

// Bytes and columns of the sign that begins here.
static size_t sign_bytes(unsigned char first) {
    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}
static size_t sign_columns(const unsigned char *at) {
    enum { CJK = 0xe2 }; // U+2E80 on: lead bytes of three with the second from 0xba, and all above
    return at[0] > CJK || (at[0] == CJK && at[1] >= 0xba) ? 2 : 1;
}

void hd_page_cut(hd_str *out, const char *text, size_t columns) {
    size_t used = 0, n = strlen(text), at = 0;
    while (at < n) {
        size_t bytes = sign_bytes((unsigned char)text[at]);
        used += sign_columns((const unsigned char *)text + at);
        if (used > columns || at + bytes > n) break;
        at += bytes;
    }
    hd_str part;
    hd_str_init(&part);
    hd_str_addn(&part, text, at);
    if (part.failed) out->failed = true;
    hd_page_escape(out, hd_str_get(&part));
    hd_str_clear(&part);
    if (at < n) hd_str_add(out, "…");
}

static void add_pair(hd_str *out, const char *tag, const char *en, const char *zh) {
    hd_str_addf(out, "<%s class=\"en\" lang=\"en\">", tag);
    hd_page_escape(out, en);
    hd_str_addf(out, "</%s><%s class=\"zh\" lang=\"zh\">", tag, tag);
    hd_page_escape(out, zh);
    hd_str_addf(out, "</%s>", tag);
}

void hd_page_words(hd_str *out, hd_text words) {
    add_pair(out, "span", words.en, words.zh);
}

void hd_page_tspans(hd_str *out, hd_text words) {
    add_pair(out, "tspan", words.en, words.zh);
}

void hd_page_both(hd_str *out, const json_t *both) {
    if (json_is_string(both)) {
        hd_page_escape(out, json_string_value(both));
        return;
    }
    const char *en = json_string_value(json_object_get(both, "en"));
    const char *zh = json_string_value(json_object_get(both, "zh"));
    if (en || zh) add_pair(out, "span", en ? en : zh, zh ? zh : en);
}

void hd_page_heading(hd_str *out, int level, hd_text words) {
    hd_str_addf(out, "<h%d>", level);
    hd_page_words(out, words);
    hd_str_addf(out, "</h%d>\n", level);
}

// ── Numbers ──

static const char *const NOTHING = "–";

double hd_page_get(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

void hd_page_share(hd_str *out, double value) {
    char text[40];
    if (!isfinite(value)) {
        hd_str_add(out, NOTHING);
        return;
    }
    hd_snprintf(text, sizeof text, fabs(value) < 1e6 ? "%.4f" : "%.4g", value);
    hd_str_add(out, text);
}

void hd_page_number(hd_str *out, double value) {
    char text[40];
    hd_snprintf(text, sizeof text, "%.4g", value);
    hd_str_add(out, isfinite(value) ? text : NOTHING);
}

void hd_page_count(hd_str *out, double value) {
    char text[40];
    if (!(fabs(value) < 1e15)) {
        hd_page_number(out, value);
        return;
    }
    hd_snprintf(text, sizeof text, "%.0f", value);
    size_t n = strlen(text), digits = text[0] == '-' ? n - 1 : n;
    for (size_t i = 0; i < n; i++) {
        size_t left = n - i;
        hd_str_addc(out, text[i]);
        if (left > 1 && left % 3 == 1 && left <= digits) hd_str_addc(out, ',');
    }
}

void hd_page_brief(hd_str *out, double value) {
    char text[40];
    if (!(fabs(value) < 99.95)) {
        hd_page_count(out, value);
        return;
    }
    hd_snprintf(text, sizeof text, "%.3g", value);
    hd_page_escape(out, value > 0 && value < .001 ? "< 0.001" : text);
}

void hd_page_bytes(hd_str *out, double value) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    size_t unit = 0;
    if (!isfinite(value)) {
        hd_str_add(out, NOTHING);
        return;
    }
    while (value >= 1000 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1000;
        unit++;
    }
    char text[40];
    hd_snprintf(text, sizeof text, "%.3g %s", value, units[unit]);
    hd_str_add(out, text);
}

// ── Figures ──

static const hd_page_figure figures[] = {
    {"accuracy", HD_TEXT("accuracy", "准确率"), true},
    {"binary_accuracy", HD_TEXT("accuracy", "准确率"), true}, // of curves
    {"balanced_accuracy", HD_TEXT("balanced accuracy", "平衡准确率"), true},
    {"precision", HD_TEXT("precision", "精确率"), true},
    {"recall", HD_TEXT("recall", "召回率"), true},
    {"f1", HD_TEXT("F1", "F1"), true},
    {"f1_macro", HD_TEXT("F1, macro", "宏平均 F1"), true},
    {"auc", HD_TEXT("ROC AUC", "ROC AUC"), true},
    {"average_precision", HD_TEXT("average precision", "平均精确率"), true},
    {"mcc", HD_TEXT("Matthews' correlation", "马修斯相关系数"), true},
    {"kappa", HD_TEXT("Cohen's kappa", "Cohen κ 系数"), true},
    {"log_loss", HD_TEXT("log loss", "对数损失"), false},
    {"brier", HD_TEXT("Brier score", "Brier 分数"), true},
    {"mse", HD_TEXT("mean squared error", "均方误差"), false},
    {"rmse", HD_TEXT("root mean squared error", "均方根误差"), false},
    {"mae", HD_TEXT("mean absolute error", "平均绝对误差"), false},
    {"median_ae", HD_TEXT("median absolute error", "中位绝对误差"), false},
    {"max_error", HD_TEXT("largest error", "最大误差"), false},
    {"r2", HD_TEXT("R²", "R²"), true},
    {"smape", HD_TEXT("sMAPE", "sMAPE"), true},
    {"mape", HD_TEXT("MAPE", "MAPE"), false},
    {"perplexity", HD_TEXT("perplexity", "困惑度"), false},
    {"bits", HD_TEXT("bits a token", "每个词元的比特数"), false},
};

const hd_page_figure *hd_page_figure_at(size_t i) {
    return i < sizeof figures / sizeof *figures ? &figures[i] : NULL;
}

const hd_page_figure *hd_page_figure_find(const char *name) {
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        if (strcmp(figures[i].name, name) == 0) return &figures[i];
    }
    return NULL;
}

void hd_page_value(hd_str *out, const char *figure, double value) {
    const hd_page_figure *known = hd_page_figure_find(figure);
    if (known && known->share) {
        hd_page_share(out, value);
    } else {
        hd_page_number(out, value);
    }
}
