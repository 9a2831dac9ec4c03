// SPDX-License-Identifier: Apache-2.0
//
// One model's evaluation on a page: figures with their intervals, the matrix, curves, tables by
// class and output.
#include <math.h>
#include <string.h>

#include "measure/page_own.h"

enum { MOST_CLASS_ROWS = 200, MOST_OUTPUT_ROWS = 64, MOST_CURVES = 12 };

// ── Figures ──

static void interval(hd_str *out, const json_t *evaluation, const char *name) {
    const json_t *pair = json_object_get(json_object_get(evaluation, "intervals"), name);
    const json_t *low = json_array_get(pair, 0), *high = json_array_get(pair, 1);
    if (!json_is_number(low) || !json_is_number(high)) return;
    hd_str_add(out, "<small>");
    hd_page_value(out, name, json_number_value(low));
    hd_str_add(out, " … ");
    hd_page_value(out, name, json_number_value(high));
    hd_str_add(out, "</small>");
}

// Shares of a truth that is 0 (somewhere near 1 / ε, as scikit-learn counts them): the report keeps
// the number, the page leaves it out.
static bool says_nothing(const hd_page_figure *f, double value) {
    const double beyond = 1e6;
    return strcmp(f->name, "mape") == 0 && value > beyond;
}

static void figures(hd_str *out, const json_t *evaluation) {
    const hd_page_figure *f;
    hd_str_add(out, "<div class=\"tiles\">\n");
    for (size_t i = 0; (f = hd_page_figure_at(i)); i++) {
        double value = hd_page_get(evaluation, f->name);
        if (isnan(value) || says_nothing(f, value)) continue;
        hd_str_add(out, "<div class=\"tile\"><span class=\"what\">");
        hd_page_words(out, f->label);
        hd_str_add(out, "</span><b>");
        hd_page_value(out, f->name, value);
        hd_str_add(out, "</b>");
        interval(out, evaluation, f->name);
        hd_str_add(out, "</div>\n");
    }
    hd_str_add(out, "</div>\n");
}

// ── Curves ──

// The figure of class `name` in per_class; NaN: none.
static double of_class(const json_t *evaluation, const char *name, const char *key) {
    const json_t *list = json_object_get(evaluation, "per_class");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        const char *class = json_string_value(json_object_get(row, "class"));
        if (class && strcmp(class, name) == 0) return hd_page_get(row, key);
    }
    return NAN;
}

typedef struct curve_form {
    const char *key, *x, *y, *area;
    hd_text title, along, up;
    bool diagonal;
} curve_form;

static const curve_form roc = {"roc",
                               "fpr",
                               "tpr",
                               "auc",
                               HD_TEXT("ROC curve", "ROC 曲线"),
                               HD_TEXT("false positives", "假正率"),
                               HD_TEXT("true positives", "真正率"),
                               true};
static const curve_form pr = {"pr",
                              "recall",
                              "precision",
                              "average_precision",
                              HD_TEXT("Precision and recall", "精确率–召回率曲线"),
                              HD_TEXT("recall", "召回率"),
                              HD_TEXT("precision", "精确率"),
                              false};

static void curves(hd_str *out, const json_t *evaluation, const curve_form *form) {
    const json_t *list = json_object_get(evaluation, form->key);
    size_t n = json_array_size(list);
    if (n == 0) return;
    hd_plot plot;
    hd_plot_empty(&plot, out);
    plot.low_x = plot.low_y = 0;
    plot.high_x = plot.high_y = 1;
    hd_str_add(out, "<div>");
    hd_plot_begin(&plot, form->title, form->along, form->up);
    if (form->diagonal) hd_plot_diagonal(&plot, 0, 1);
    for (size_t i = 0; i < n && i < MOST_CURVES; i++) {
        const json_t *one = json_array_get(list, i);
        hd_plot_line(&plot, json_object_get(one, form->x), json_object_get(one, form->y), (int)i,
                     i >= 8);
    }
    hd_plot_end(&plot);
    hd_legend_begin(out);
    for (size_t i = 0; i < n && i < MOST_CURVES; i++) {
        const char *name = json_string_value(json_object_get(json_array_get(list, i), "class"));
        double area = n == 1 ? hd_page_get(evaluation, form->area)
                             : of_class(evaluation, name ? name : "", form->area);
        hd_legend_text(out, (int)i, i >= 8, name ? name : "", area);
    }
    if (n > 1 && json_array_size(json_object_get(evaluation, "classes")) > n) {
        hd_page_words(out, WORDS("(the classes of the least area)", "（曲线下面积最小的类别）"));
    }
    hd_legend_end(out);
    hd_str_add(out, "</div>\n");
}

static void reliability(hd_str *out, const json_t *evaluation) {
    const json_t *calibration = json_object_get(evaluation, "calibration");
    const json_t *bins = json_object_get(calibration, "bins");
    double most = 0;
    hd_plot plot;
    if (json_array_size(bins) == 0) return;
    hd_plot_empty(&plot, out);
    plot.low_x = plot.low_y = 0;
    plot.high_x = plot.high_y = 1;
    hd_str_add(out, "<div>");
    hd_plot_begin(&plot, WORDS("Reliability", "可靠性（校准）"),
                  WORDS("probability said", "预测概率"), WORDS("share that is so", "实际比例"));
    for (size_t i = 0; i < json_array_size(bins); i++) {
        most = fmax(most, hd_page_get(json_array_get(bins, i), "n"));
    }
    for (size_t i = 0; i < json_array_size(bins); i++) {
        const json_t *bin = json_array_get(bins, i);
        double low = hd_page_get(bin, "low"), high = hd_page_get(bin, "high");
        double right = hd_page_get(bin, "accuracy"), count = hd_page_get(bin, "n");
        if (!(low >= 0 && high <= 1 && low < high)) continue;
        if (right >= 0 && right <= 1) hd_plot_bar(&plot, low, high, right, 0);
        if (most > 0 && count > 0) hd_plot_bar(&plot, low, high, .12 * count / most, 1);
    }
    hd_plot_diagonal(&plot, 0, 1);
    hd_plot_end(&plot);
    hd_legend_begin(out);
    hd_legend_words(out, 0, false, WORDS("share that is so", "实际比例"));
    hd_legend_words(out, 1, false, WORDS("how many rows", "行数"));
    hd_page_words(out, WORDS("expected calibration error ", "期望校准误差 "));
    hd_page_share(out, hd_page_get(calibration, "ece"));
    hd_legend_end(out);
    hd_str_add(out, "</div>\n");
}

// ── Tables ──

static void head(hd_str *out, const hd_text *names, size_t n) {
    hd_str_add(out, "<div class=\"scroll\"><table><thead><tr>");
    for (size_t i = 0; i < n; i++) {
        hd_str_add(out, i == 0 ? "<th>" : "<th class=\"n\">");
        hd_page_words(out, names[i]);
        hd_str_add(out, "</th>");
    }
    hd_str_add(out, "</tr></thead><tbody>\n");
}

static void cell(hd_str *out, double value, void (*as)(hd_str *, double)) {
    hd_str_add(out, "<td class=\"n\">");
    as(out, value);
    hd_str_add(out, "</td>");
}

static void scores_row(hd_str *out, const json_t *row, bool areas) {
    cell(out, hd_page_get(row, "precision"), hd_page_share);
    cell(out, hd_page_get(row, "recall"), hd_page_share);
    cell(out, hd_page_get(row, "f1"), hd_page_share);
    double support = hd_page_get(row, "support");
    if (isnan(support)) {
        hd_str_add(out, "<td></td>");
    } else {
        cell(out, support, hd_page_count);
    }
    if (areas) cell(out, hd_page_get(row, "auc"), hd_page_share);
    hd_str_add(out, "</tr>\n");
}

static void per_class(hd_str *out, const json_t *evaluation) {
    static const hd_text names[] = {HD_TEXT("class", "类别"),    HD_TEXT("precision", "精确率"),
                                    HD_TEXT("recall", "召回率"), HD_TEXT("F1", "F1"),
                                    HD_TEXT("rows", "行数"),     HD_TEXT("AUC", "AUC")};
    static const struct {
        const char *key;
        hd_text label;
    } averages[] = {{"macro", HD_TEXT("mean over classes", "各类平均（宏）")},
                    {"weighted", HD_TEXT("weighted by rows", "按行数加权")},
                    {"micro", HD_TEXT("all rows", "全部行（微）")}};
    const json_t *list = json_object_get(evaluation, "per_class");
    bool areas = json_object_get(json_array_get(list, 0), "auc") != NULL;
    if (json_array_size(list) == 0) return;
    head(out, names, areas ? 6 : 5);
    for (size_t i = 0; i < json_array_size(list) && i < MOST_CLASS_ROWS; i++) {
        const json_t *row = json_array_get(list, i);
        hd_str_add(out, "<tr><td>");
        hd_page_escape(out, json_string_value(json_object_get(row, "class")));
        hd_str_add(out, "</td>");
        scores_row(out, row, areas);
    }
    for (size_t i = 0; i < sizeof averages / sizeof *averages; i++) {
        const json_t *row =
            json_object_get(json_object_get(evaluation, "averages"), averages[i].key);
        if (!row) continue;
        hd_str_add(out, "<tr class=\"sum\"><td>");
        hd_page_words(out, averages[i].label);
        hd_str_add(out, "</td>");
        scores_row(out, row, false);
    }
    hd_str_add(out, "</tbody></table></div>\n");
}

static void confused(hd_str *out, const json_t *evaluation) {
    enum { MOST = 12 };
    const json_t *list = json_object_get(evaluation, "confused");
    static const hd_text names[] = {HD_TEXT("truth", "真实"), HD_TEXT("predicted", "预测"),
                                    HD_TEXT("times", "次数")};
    if (json_array_size(list) == 0 || json_array_size(json_object_get(evaluation, "classes")) < 3) {
        return;
    }
    hd_page_heading(out, 4, WORDS("Most often confused", "最常混淆"));
    head(out, names, 3);
    for (size_t i = 0; i < json_array_size(list) && i < MOST; i++) {
        const json_t *row = json_array_get(list, i);
        hd_str_add(out, "<tr><td>");
        hd_page_escape(out, json_string_value(json_object_get(row, "truth")));
        hd_str_add(out, "</td><td>");
        hd_page_escape(out, json_string_value(json_object_get(row, "predicted")));
        hd_str_add(out, "</td>");
        cell(out, hd_page_get(row, "count"), hd_page_count);
        hd_str_add(out, "</tr>\n");
    }
    hd_str_add(out, "</tbody></table></div>\n");
}

// ── Values ──

static void residuals(hd_str *out, const json_t *evaluation) {
    const json_t *histogram = json_object_get(evaluation, "residuals");
    const json_t *counts = json_object_get(histogram, "counts");
    size_t n = json_array_size(counts);
    hd_plot plot;
    hd_plot_empty(&plot, out);
    plot.low_x = hd_page_get(histogram, "low");
    plot.high_x = hd_page_get(histogram, "high");
    plot.low_y = 0;
    hd_plot_see_y(&plot, counts);
    if (n == 0 || !(plot.high_x > plot.low_x) || !hd_plot_seen(&plot)) return;
    plot.low_y = 0;
    double step = (plot.high_x - plot.low_x) / (double)n, low = plot.low_x;
    hd_str_add(out, "<div>");
    hd_plot_begin(&plot, WORDS("Errors", "误差分布"), WORDS("predicted − truth", "预测值 − 真实值"),
                  WORDS("how many", "个数"));
    for (size_t i = 0; i < n; i++) {
        double count = json_number_value(json_array_get(counts, i));
        if (count > 0) {
            hd_plot_bar(&plot, low + (double)i * step, low + (double)(i + 1) * step, count, 0);
        }
    }
    hd_plot_end(&plot);
    hd_str_add(out, "</div>\n");
}

static void scatter(hd_str *out, const json_t *evaluation) {
    const json_t *points = json_object_get(evaluation, "points");
    hd_plot plot;
    hd_plot_empty(&plot, out);
    for (size_t i = 0; i < json_array_size(points); i++) {
        hd_plot_see_x(&plot, json_array_get(points, i));
        hd_plot_see_y(&plot, json_array_get(points, i));
    }
    if (!hd_plot_seen(&plot)) return;
    hd_str_add(out, "<div>");
    hd_plot_begin(&plot, WORDS("Predicted and true", "预测值与真实值"), WORDS("truth", "真实值"),
                  WORDS("predicted", "预测值"));
    hd_plot_diagonal(&plot, plot.low_x, plot.high_x);
    hd_plot_dots(&plot, points, 0);
    hd_plot_end(&plot);
    hd_str_add(out, "</div>\n");
}

static void outputs(hd_str *out, const json_t *evaluation) {
    static const char *const keys[] = {"mse", "rmse", "mae", "median_ae", "r2", "smape"};
    enum { KEYS = sizeof keys / sizeof *keys };
    const json_t *list = json_object_get(evaluation, "outputs");
    const char *shown[KEYS];
    hd_text names[KEYS + 1] = {WORDS("output", "输出")};
    size_t n = 0;
    if (json_array_size(list) < 2) return;
    for (size_t i = 0; i < KEYS; i++) {
        if (!json_object_get(json_array_get(list, 0), keys[i])) continue;
        shown[n++] = keys[i];
        names[n] = hd_page_figure_find(keys[i])->label;
    }
    head(out, names, n + 1);
    for (size_t i = 0; i < json_array_size(list) && i < MOST_OUTPUT_ROWS; i++) {
        const json_t *row = json_array_get(list, i);
        hd_str_add(out, "<tr><td>");
        hd_page_escape(out, json_string_value(json_object_get(row, "name")));
        hd_str_add(out, "</td>");
        for (size_t j = 0; j < n; j++) cell(out, hd_page_get(row, shown[j]), hd_page_number);
        hd_str_add(out, "</tr>\n");
    }
    hd_str_add(out, "</tbody></table></div>\n");
}

void hd_page_evaluation(hd_str *out, const json_t *evaluation) {
    figures(out, evaluation);
    hd_page_matrix(out, json_object_get(evaluation, "confusion"),
                   json_object_get(evaluation, "classes"));
    hd_str_add(out, "<div class=\"plots\">\n");
    curves(out, evaluation, &roc);
    curves(out, evaluation, &pr);
    reliability(out, evaluation);
    residuals(out, evaluation);
    scatter(out, evaluation);
    hd_str_add(out, "</div>\n");
    per_class(out, evaluation);
    confused(out, evaluation);
    outputs(out, evaluation);
}
