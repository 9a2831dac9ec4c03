// SPDX-License-Identifier: Apache-2.0
//
// The page of a report, from top to bottom. Every text stands there in both languages and the
// style shows the one whose radio button is set; so the file needs no script, and its policy
// (Content-Security-Policy in the head) forbids whatever a hostile text might smuggle in.
//
// Rejected: a template engine, whose templates would be files to find and keep in step.
#include "measure/page.h"

#include <math.h>
#include <string.h>

#include "measure/page_own.h"

enum {
    MOST_MODELS = 64,
    MOST_CURVE_MODELS = 8,
    MOST_METRICS = 4,
    MOST_LAYERS = 24,
    MOST_WORST = 60,
    MOST_FIELDS = 40,
    MOST_VALUES = 12,
    MOST_FORECASTS = 24,
    MOST_SAMPLES = 24,
    MOST_NOTES = 40
};

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

// ── Head ──

static void add_head(hd_str *out, const json_t *report) {
    bool zh = strcmp(text_of(report, "lang"), "zh") == 0;
    const json_t *title = json_object_get(report, "title");
    const char *name =
        json_is_string(title) ? json_string_value(title) : text_of(title, zh ? "zh" : "en");
    hd_str_addf(out,
                "<!doctype html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
                "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
                "'unsafe-inline'; img-src data:\">\n<meta name=\"viewport\" "
                "content=\"width=device-width, initial-scale=1\">\n<title>",
                zh ? "zh" : "en");
    hd_page_escape(out, name[0] ? name : text_of(report, "recipe"));
    hd_str_add(out, "</title>\n<style>\n");
    for (size_t i = 0; hd_page_style[i]; i++) hd_str_add(out, hd_page_style[i]);
    hd_str_addf(out,
                "</style>\n</head>\n<body>\n<input type=\"radio\" name=\"lang\" id=\"en\"%s "
                "aria-label=\"English\"><input type=\"radio\" name=\"lang\" id=\"zh\"%s "
                "aria-label=\"中文\">\n<nav><label for=\"en\">English</label> <label "
                "for=\"zh\">中文</label></nav>\n<main>\n",
                zh ? "" : " checked", zh ? " checked" : "");
}

static void add_fact(hd_str *out, hd_text what, const char *value) {
    if (!value[0]) return;
    hd_page_words(out, what);
    hd_str_addc(out, ' ');
    hd_page_escape(out, value);
    hd_str_add(out, " · ");
}

static void add_title(hd_str *out, const json_t *report) {
    const json_t *title = json_object_get(report, "title");
    hd_str_add(out, "<h1>");
    if (title) {
        hd_page_both(out, title);
    } else {
        hd_page_escape(out, text_of(report, "recipe"));
    }
    hd_str_add(out, "</h1>\n<p class=\"soft\">");
    add_fact(out, WORDS("recipe", "配方"), text_of(report, "recipe"));
    add_fact(out, WORDS("made", "生成于"), text_of(report, "created"));
    double seed = hd_page_get(report, "seed");
    if (!isnan(seed)) {
        hd_page_words(out, WORDS("seed", "随机种子"));
        hd_str_addf(out, " %.0f · ", seed);
    }
    hd_str_add(out, "heed ");
    hd_page_escape(out, text_of(report, "heed"));
    hd_str_add(out, "</p>\n");
}

// ── Leaderboard ──

static const json_t *model_named(const json_t *report, const char *name) {
    const json_t *models = json_object_get(report, "models");
    for (size_t i = 0; i < json_array_size(models); i++) {
        const json_t *model = json_array_get(models, i);
        if (strcmp(text_of(model, "name"), name) == 0) return model;
    }
    return NULL;
}

// As the leaderboard calls it: its label, in both languages, or else its name.
static void add_label(hd_str *out, const json_t *report, const char *name) {
    const json_t *label = json_object_get(model_named(report, name), "label");
    if (label) {
        hd_page_both(out, label);
    } else {
        hd_page_escape(out, name);
    }
}

static void add_model_name(hd_str *out, const json_t *model) {
    static const struct {
        const char *kind;
        hd_text words;
    } kinds[] = {{"network", HD_TEXT("network", "神经网络")},
                 {"classic", HD_TEXT("classical model", "经典模型")},
                 {"blend", HD_TEXT("of several models", "由多个模型混合")},
                 {"baseline", HD_TEXT("baseline", "基线")}};
    const json_t *label = json_object_get(model, "label");
    if (label) {
        hd_page_both(out, label);
    } else {
        hd_page_escape(out, text_of(model, "name"));
    }
    const char *name = text_of(model, "name");
    bool same = !label || strcmp(text_of(label, "en"), name) == 0;
    bool said = same && strcmp(name, text_of(model, "kind")) == 0;
    hd_str_add(out, "<small>");
    if (!same) hd_page_escape(out, name);
    if (!same) hd_str_add(out, " · ");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !said; i++) {
        if (strcmp(text_of(model, "kind"), kinds[i].kind) == 0) hd_page_words(out, kinds[i].words);
    }
    hd_str_add(out, "</small>");
}

// The figures of a leaderboard: what models are judged by, then the usual ones of the task.
typedef struct columns {
    const hd_page_figure *at[5];
    size_t n;
    const char *baseline; // of the differences; NULL: no model has one
    const json_t *report;
} columns;

// NULL: nothing is compared.
static const hd_page_figure *judged_by(const json_t *report) {
    json_t *model;
    size_t i;
    json_array_foreach(json_object_get(report, "models"), i, model) {
        const char *metric = text_of(json_object_get(model, "versus"), "metric");
        if (*metric) return hd_page_figure_find(metric);
    }
    return NULL;
}

static columns choose_columns(const json_t *report) {
    static const char *const by_task[][6] = {
        {"accuracy", "f1_macro", "auc", "log_loss", NULL},
        {"mse", "mae", "rmse", "r2", NULL},
        {"log_loss", "perplexity", "bits", NULL},
    };
    const char *task = text_of(report, "task");
    size_t row = strcmp(task, "values") == 0 ? 1 : strcmp(task, "language") == 0 ? 2 : 0;
    columns c = {.report = report};
    const hd_page_figure *judge = judged_by(report);
    if (judge) c.at[c.n++] = judge;
    for (const char *const *name = by_task[row]; *name; name++) {
        const hd_page_figure *figure = hd_page_figure_find(*name);
        if (figure != judge) c.at[c.n++] = figure;
    }
    return c;
}

static void add_seeds(hd_str *out, const json_t *model, const char *figure) {
    const json_t *seeds = json_object_get(model, "seeds");
    const json_t *of = json_object_get(seeds, figure);
    double mean = hd_page_get(of, "mean"), sd = hd_page_get(of, "sd");
    if (isnan(mean) || !(hd_page_get(seeds, "n") > 1)) return;
    hd_str_add(out, "<small>");
    hd_page_value(out, figure, mean);
    hd_str_add(out, " ± ");
    hd_page_value(out, figure, sd);
    hd_str_addf(out, " (n = %.0f)</small>", hd_page_get(seeds, "n"));
}

static void add_figure_cell(hd_str *out, const json_t *model, const hd_page_figure *figure,
                            bool first) {
    const json_t *evaluation = json_object_get(model, "evaluation");
    double value = hd_page_get(evaluation, figure->name);
    const json_t *pair = json_object_get(json_object_get(evaluation, "intervals"), figure->name);
    hd_str_add(out, first ? "<td class=\"n rank\">" : "<td class=\"n\">");
    if (first && figure->share && value > 0 && value <= 1) {
        hd_str_addf(out, "<i style=\"width:%.1f%%\"></i>", 100 * value);
    }
    hd_page_value(out, figure->name, value);
    if (first && json_is_number(json_array_get(pair, 0))) {
        hd_str_add(out, "<small>");
        hd_page_value(out, figure->name, json_number_value(json_array_get(pair, 0)));
        hd_str_add(out, " … ");
        hd_page_value(out, figure->name, json_number_value(json_array_get(pair, 1)));
        hd_str_add(out, "</small>");
    }
    if (first)
        add_seeds(out, model, figure->name); // of the others it would make the table too wide
    hd_str_add(out, "</td>");
}

static void add_signed(hd_str *out, double value) {
    char text[40];
    hd_snprintf(text, sizeof text, fabs(value) >= 1e-4 || value == 0 ? "%+.4f" : "%+.1e", value);
    hd_str_add(out, isfinite(value) ? text : "–");
}

static void add_difference(hd_str *out, const json_t *versus) {
    char p[40];
    add_signed(out, hd_page_get(versus, "difference"));
    hd_str_add(out, "<small>");
    add_signed(out, hd_page_get(versus, "low"));
    hd_str_add(out, " … ");
    add_signed(out, hd_page_get(versus, "high"));
    double chance = hd_page_get(versus, "p");
    hd_snprintf(p, sizeof p, chance < 1e-12 ? "p &lt; 1e-12" : "p %.2g", chance);
    hd_str_add(out, "</small><small>"); // a line of its own, or the table gets too wide
    hd_str_add(out, p);
    double trainings = hd_page_get(versus, "trainings");
    if (trainings > 1) hd_str_addf(out, " (n = %.0f)", trainings);
    hd_str_add(out, "</small>");
}

static void add_metric(hd_str *out, const json_t *versus) {
    const hd_page_figure *figure = hd_page_figure_find(text_of(versus, "metric"));
    if (figure) hd_page_words(out, figure->label);
}

// Judged by another figure than the usual one, each difference says what it is of.
static void add_versus(hd_str *out, const json_t *model) {
    const json_t *versus = json_object_get(model, "versus");
    const json_t *usual = json_object_get(versus, "usual");
    hd_str_add(out, "<td class=\"n\">");
    if (usual) add_metric(out, versus);
    if (usual) hd_str_addc(out, ' ');
    if (versus) add_difference(out, versus);
    if (usual) {
        add_metric(out, usual);
        hd_str_addc(out, ' ');
        add_difference(out, usual);
    }
    hd_str_add(out, "</td>");
}

static void add_cost(hd_str *out, const json_t *model, const char *key,
                     void (*as)(hd_str *, double)) {
    double value = hd_page_get(model, key);
    hd_str_add(out, "<td class=\"n\">");
    if (!isnan(value)) as(out, value);
    hd_str_add(out, "</td>");
}

static void add_leader(hd_str *out, const json_t *model, const columns *c, bool main) {
    const json_t *error = json_object_get(model, "error");
    hd_str_add(out, main ? "<tr class=\"main\"><td>" : "<tr><td>");
    add_model_name(out, model);
    hd_str_add(out, "</td>");
    if (error) {
        hd_str_addf(out, "<td colspan=\"%zu\">", c->n + (c->baseline ? 6 : 5));
        hd_page_both(out, error);
        hd_str_add(out, "</td></tr>\n");
        return;
    }
    for (size_t i = 0; i < c->n; i++) add_figure_cell(out, model, c->at[i], i == 0);
    if (c->baseline) add_versus(out, model);
    add_cost(out, model, "parameters", hd_page_count);
    add_cost(out, model, "bytes", hd_page_bytes);
    add_cost(out, model, "memory_bytes", hd_page_bytes);
    add_cost(out, model, "fit_seconds", hd_page_brief);
    add_cost(out, model, "predict_ms_per_1000", hd_page_brief);
    hd_str_add(out, "</tr>\n");
}

static void add_leaders_head(hd_str *out, const columns *c) {
    static const hd_text costs[] = {
        HD_TEXT("parameters", "参数量"), HD_TEXT("size", "大小"), HD_TEXT("memory", "训练内存"),
        HD_TEXT("training, s", "训练（秒）"), HD_TEXT("1,000 rows, ms", "千行预测（毫秒）")};
    hd_str_add(out, "<div class=\"scroll\"><table class=\"leaders\"><thead><tr><th>");
    hd_page_words(out, WORDS("model", "模型"));
    hd_str_add(out, "</th>");
    for (size_t i = 0; i < c->n; i++) {
        hd_str_add(out, "<th class=\"n\">");
        hd_page_words(out, c->at[i]->label);
        hd_str_add(out, "</th>");
    }
    if (c->baseline) {
        hd_str_add(out, "<th class=\"n\">");
        hd_page_words(out, WORDS("against ", "相对 "));
        add_label(out, c->report, c->baseline);
        hd_str_add(out, "</th>");
    }
    for (size_t i = 0; i < sizeof costs / sizeof *costs; i++) {
        hd_str_add(out, "<th class=\"n\">");
        hd_page_words(out, costs[i]);
        hd_str_add(out, "</th>");
    }
    hd_str_add(out, "</tr></thead><tbody>\n");
}

// On test rows; of forecasts, rows whose windows overlap are drawn together.
static void add_judged(hd_str *out, const json_t *report) {
    const double block = hd_page_get(json_object_get(report, "data"), "block");
    char en[80] = "bootstrap over rows", zh[80] = "按行自助抽样";
    if (block > 1) {
        hd_snprintf(en, sizeof en, "bootstrap over runs of %.0f forecasts, which overlap", block);
        hd_snprintf(zh, sizeof zh, "按 %.0f 个相互重叠的预测为一段自助抽样", block);
    }
    hd_page_words(out, WORDS("All on the same test rows, which were read once, at the end. Below a "
                             "figure: its 95% interval (",
                             "全部在同一测试集上评估，测试集只在最后读取一次。指标下方为 95% "
                             "置信区间（"));
    hd_page_words(out, WORDS(en, zh));
    hd_page_words(out, WORDS("). The difference is paired: both models on the same rows.",
                             "）。差值为配对差值：两个模型在相同的行上比较。"));
}

static void add_unit(hd_str *out, const json_t *report) {
    const json_t *unit = json_object_get(json_object_get(report, "data"), "unit");
    if (!unit) return;
    hd_page_words(out, WORDS(" Errors are in ", "误差的单位为"));
    hd_page_both(out, unit);
    hd_page_words(out, WORDS("; forecasts below are in the data's own units.",
                             "；下文的预测曲线为数据自身的单位。"));
}

// What the figures were counted on.
static void add_protocol(hd_str *out, const json_t *report) {
    const json_t *rows = json_object_get(json_object_get(report, "data"), "rows");
    bool untested = rows && !(hd_page_get(rows, "test") > 0);
    const bool language = strcmp(text_of(report, "task"), "language") == 0;
    bool several = false;
    json_t *model;
    size_t i;
    json_array_foreach(json_object_get(report, "models"), i, model) {
        several |= hd_page_get(json_object_get(model, "versus"), "trainings") > 1;
    }
    hd_str_add(out, "<p class=\"soft\">");
    if (language) {
        hd_page_words(out,
                      WORDS("All on the same text. The difference is of the loss, paired: both "
                            "models on the same stretches, which are drawn anew for its 95% "
                            "interval.",
                            "全部在同一文本上评估。差值为损失的配对差值：两个模型在相同的文本段上"
                            "比较，95% 置信区间由对各段重抽样得到。"));
    } else if (untested) {
        hd_page_words(out, WORDS("All on the same validation rows: there are no test rows.",
                                 "全部在同一验证集上评估：没有测试集。"));
    } else {
        add_judged(out, report);
    }
    add_unit(out, report);
    if (several) {
        hd_page_words(
            out, WORDS(" n: trainings from so many seeds; the first is shown, the difference is of "
                       "their mean, its interval over rows and trainings.",
                       "n 为不同种子的训练次数：所示为第一次，差值取各次的均值，其区间同时对行与训"
                       "练重抽样。"));
    }
    hd_str_add(out, "</p>\n");
}

static void add_leaderboard(hd_str *out, const json_t *report) {
    const json_t *models = json_object_get(report, "models");
    const char *main = text_of(report, "main");
    columns c = choose_columns(report);
    if (json_array_size(models) == 0) return;
    for (size_t i = 0; i < json_array_size(models) && !c.baseline; i++) {
        const json_t *versus = json_object_get(json_array_get(models, i), "versus");
        c.baseline = json_string_value(json_object_get(versus, "baseline"));
    }
    hd_page_heading(out, 2, WORDS("Models compared", "模型比较"));
    add_protocol(out, report);
    add_leaders_head(out, &c);
    for (size_t i = 0; i < json_array_size(models) && i < MOST_MODELS; i++) {
        const json_t *model = json_array_get(models, i);
        add_leader(out, model, &c, strcmp(text_of(model, "name"), main) == 0);
    }
    hd_str_add(out, "</tbody></table></div>\n");
}

// ── Diagnosis ──

static void add_diagnosis(hd_str *out, const json_t *report) {
    const json_t *list = json_object_get(report, "diagnosis");
    const bool one_network = json_object_size(json_object_get(report, "curves")) == 1;
    const bool several = !one_network || !json_object_get(json_object_get(report, "curves"),
                                                          text_of(report, "main"));
    if (json_array_size(list) == 0) return;
    hd_page_heading(out, 2, WORDS("Diagnosis of the training", "训练诊断"));
    for (size_t i = 0; i < json_array_size(list) && i < MOST_NOTES; i++) {
        const json_t *one = json_array_get(list, i);
        const char *level = text_of(one, "level");
        hd_str_addf(out, "<div class=\"card%s\"><p><b>",
                    strcmp(level, "ok") == 0     ? " ok"
                    : strcmp(level, "warn") == 0 ? " warn"
                                                 : "");
        if (several) add_label(out, report, text_of(one, "model"));
        if (several) hd_page_words(out, WORDS(": ", "："));
        hd_page_both(out, json_object_get(one, "what"));
        hd_str_add(out, "</b></p>");
        if (json_object_get(one, "why")) {
            hd_str_add(out, "<p>");
            hd_page_both(out, json_object_get(one, "why"));
            hd_str_add(out, "</p>");
        }
        if (json_object_get(one, "try") && strcmp(level, "ok") != 0) {
            hd_str_add(out, "<p class=\"soft\">");
            hd_page_words(out, WORDS("Try: ", "可以尝试："));
            hd_page_both(out, json_object_get(one, "try"));
            hd_str_add(out, "</p>");
        }
        hd_str_add(out, "</div>\n");
    }
}

// ── Training curves ──

typedef struct series {
    const json_t *ys;
    hd_text words;
} series;

static void add_series(hd_str *out, const json_t *xs, const series *list, size_t n, hd_text title,
                       hd_text up, bool by_log) {
    hd_plot plot;
    hd_plot_empty(&plot, out);
    hd_plot_see_x(&plot, xs);
    for (size_t i = 0; i < n; i++) hd_plot_see_y(&plot, list[i].ys);
    if (!hd_plot_seen(&plot)) return;
    plot.by_log = by_log && plot.low_y > 0 && plot.high_y / plot.low_y > 20;
    hd_str_add(out, "<div>");
    hd_plot_begin(&plot, title, WORDS("step", "步数"), up);
    for (size_t i = 0; i < n; i++) {
        if (json_array_size(list[i].ys)) hd_plot_line(&plot, xs, list[i].ys, (int)i, i > 0);
    }
    hd_plot_end(&plot);
    hd_legend_begin(out);
    for (size_t i = 0; i < n && n > 1; i++) {
        if (json_array_size(list[i].ys)) hd_legend_words(out, (int)i, i > 0, list[i].words);
    }
    hd_legend_end(out);
    hd_str_add(out, "</div>\n");
}

static void add_metrics(hd_str *out, const json_t *xs, const json_t *metrics) {
    const char *name;
    json_t *ys;
    size_t drawn = 0;
    json_object_foreach((json_t *)(uintptr_t)metrics, name, ys) {
        const hd_page_figure *known = hd_page_figure_find(name);
        char shown[64];
        hd_snprintf(shown, sizeof shown, "%.60s", name);
        hd_text words = known ? known->label : WORDS(shown, shown);
        series one = {ys, words};
        if (drawn++ < MOST_METRICS) add_series(out, xs, &one, 1, words, words, false);
    }
}

static size_t count_numbers(const json_t *list) {
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(list); i++) n += json_is_number(json_array_get(list, i));
    return n;
}

// Each `each` numbers as their mean, where the last of them stood; null elsewhere. NULL: no memory.
static json_t *means_of(const json_t *list, size_t each) {
    json_t *out = json_array();
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; out && i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        if (json_is_number(value)) sum += json_number_value(value);
        n += json_is_number(value);
        bool full = n == each;
        json_t *mean = full ? json_real(sum / (double)each) : json_null();
        if (full) n = 0;
        if (full) sum = 0;
        if (!mean || json_array_append_new(out, mean) != 0) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

// The loss of single steps hides the validation's line: of many, means are drawn.
static void add_losses(hd_str *out, const json_t *xs, const json_t *curves) {
    enum { LEGIBLE = 200 };
    const json_t *train = json_object_get(curves, "train_loss");
    size_t each = count_numbers(train) / LEGIBLE;
    json_t *means = each > 1 ? means_of(train, each) : NULL;
    char en[64], zh[64];
    hd_snprintf(en, sizeof en, "training, means of %zu points", each);
    hd_snprintf(zh, sizeof zh, "训练（每 %zu 点取平均）", each);
    if (each > 1 && !means) out->failed = true;
    const series losses[] = {
        {means ? means : train, means ? WORDS(en, zh) : WORDS("training", "训练")},
        {json_object_get(curves, "validation_loss"), WORDS("validation", "验证")}};
    add_series(out, xs, losses, 2, WORDS("Loss", "损失"), WORDS("loss", "损失"), true);
    json_decref(means);
}

static void add_curve_plots(hd_str *out, const json_t *curves) {
    const json_t *xs = json_object_get(curves, "steps");
    const series rate = {json_object_get(curves, "rate"), WORDS("rate", "学习率")};
    add_losses(out, xs, curves);
    add_metrics(out, xs, json_object_get(curves, "metrics"));
    add_series(out, xs, &rate, 1, WORDS("Learning rate", "学习率"), WORDS("rate", "学习率"), true);
}

static void add_gradients(hd_str *out, const json_t *gradients) {
    const char *name;
    json_t *ys;
    hd_plot plot;
    size_t drawn = 0, longest = 0;
    hd_plot_empty(&plot, out);
    json_object_foreach((json_t *)(uintptr_t)gradients, name, ys) {
        hd_plot_see_y(&plot, ys);
        if (json_array_size(ys) > longest) longest = json_array_size(ys);
    }
    plot.low_x = 0;
    plot.high_x = (double)longest - 1;
    if (!hd_plot_seen(&plot)) return;
    plot.by_log = true;
    hd_str_add(out, "<div>");
    hd_plot_begin(&plot, WORDS("Gradient norms by layer", "各层梯度范数"),
                  WORDS("measurement", "测量次序"), WORDS("norm", "范数"));
    json_object_foreach((json_t *)(uintptr_t)gradients, name, ys) {
        if (drawn < MOST_LAYERS) hd_plot_line(&plot, NULL, ys, (int)drawn, drawn >= 8);
        drawn++;
    }
    hd_plot_end(&plot);
    hd_legend_begin(out);
    drawn = 0;
    json_object_foreach((json_t *)(uintptr_t)gradients, name, ys) {
        if (drawn < MOST_LAYERS) hd_legend_text(out, (int)drawn, drawn >= 8, name, NAN);
        drawn++;
    }
    hd_legend_end(out);
    hd_str_add(out, "</div>\n");
}

// Of one training; NULL: has none.
static void add_curve_set(hd_str *out, const json_t *report, const char *name, const json_t *curves,
                          const json_t *gradients) {
    hd_str_add(out, "<h3>");
    add_label(out, report, name);
    hd_str_add(out, "</h3>\n<div class=\"plots\">\n");
    add_curve_plots(out, curves);
    add_gradients(out, gradients);
    hd_str_add(out, "</div>\n");
}

static void add_curves(hd_str *out, const json_t *report) {
    const json_t *curves = json_object_get(report, "curves");
    const json_t *gradients = json_object_get(report, "gradients");
    const char *name, *said = text_of(report, "gradients_of");
    const char *of = said[0] ? said : text_of(report, "main"); // older reports don't say
    json_t *one;
    size_t shown = 0;
    if (json_object_size(curves) == 0 && json_object_size(gradients) == 0) return;
    hd_page_heading(out, 2, WORDS("Training", "训练过程"));
    json_object_foreach((json_t *)(uintptr_t)curves, name, one) {
        const bool its = strcmp(name, of) == 0;
        if (shown++ < MOST_CURVE_MODELS || its)
            add_curve_set(out, report, name, one, its ? gradients : NULL);
    }
    if (json_object_size(gradients) > 0 && !json_object_get(curves, of))
        add_curve_set(out, report, of, NULL, gradients);
}

// ── Evaluations ──

static void add_setting(hd_str *out, const json_t *value);

static void add_pairs(hd_str *out, const json_t *object) {
    const char *key, *between = "";
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        hd_str_addf(out, "%s%s: ", between, key);
        add_setting(out, value);
        between = ", ";
    }
}

// As a recipe would say it (YAML within a line), numbers to four digits.
static void add_setting(hd_str *out, const json_t *value) {
    char number[40];
    if (json_is_object(value)) {
        hd_str_add(out, "{");
        add_pairs(out, value);
        hd_str_add(out, "}");
    } else if (json_is_array(value)) {
        hd_str_add(out, "[");
        for (size_t i = 0; i < json_array_size(value); i++) {
            hd_str_add(out, i > 0 ? ", " : "");
            add_setting(out, json_array_get(value, i));
        }
        hd_str_add(out, "]");
    } else if (json_is_string(value)) {
        hd_str_add(out, json_string_value(value));
    } else if (json_is_real(value)) {
        hd_snprintf(number, sizeof number, "%.4g", json_real_value(value));
        hd_str_add(out, number);
    } else if (json_is_integer(value)) {
        hd_str_addf(out, "%lld", (long long)json_integer_value(value));
    } else {
        hd_str_add(out, json_is_true(value) ? "true" : json_is_false(value) ? "false" : "null");
    }
}

static void add_settings(hd_str *out, const json_t *model) {
    const json_t *settings = json_object_get(model, "settings");
    hd_str text;
    if (json_object_size(settings) == 0) return;
    hd_str_init(&text);
    add_pairs(&text, settings);
    if (text.failed) out->failed = true;
    hd_str_add(out, "<p class=\"soft\"><code>");
    hd_page_escape(out, hd_str_get(&text));
    hd_str_add(out, "</code></p>\n");
    hd_str_clear(&text);
}

static void add_evaluations(hd_str *out, const json_t *report) {
    const json_t *models = json_object_get(report, "models");
    const json_t *main = model_named(report, text_of(report, "main"));
    const json_t *evaluation = json_object_get(main, "evaluation");
    if (evaluation) {
        hd_page_heading(out, 2, WORDS("The model in detail", "模型详情"));
        hd_str_add(out, "<p>");
        add_model_name(out, main);
        hd_str_add(out, "</p>\n");
        add_settings(out, main);
        hd_page_evaluation(out, evaluation);
    }
    size_t n = json_array_size(models);
    if (n > MOST_MODELS) n = MOST_MODELS;
    for (size_t i = 0; i < n; i++) {
        const json_t *model = json_array_get(models, i);
        if (model == main || !json_object_get(model, "evaluation")) continue;
        hd_str_add(out, "<details><summary>");
        hd_page_words(out, WORDS("In detail: ", "详情："));
        add_label(out, report, text_of(model, "name"));
        hd_str_add(out, "</summary>\n");
        add_settings(out, model);
        hd_page_evaluation(out, json_object_get(model, "evaluation"));
        hd_str_add(out, "</details>\n");
    }
}

// A row's place: "iris.csv:17" in both languages; "row 17" of rows that stood in no file.
typedef struct place_words {
    char zh[48];
} place_words;

static hd_text place_of(const char *place, place_words *words) {
    static const char of_none[] = "row ";
    const size_t n = sizeof of_none - 1;
    const bool none = strncmp(place, of_none, n) == 0 && place[n] != '\0' &&
                      place[n + strspn(place + n, "0123456789")] == '\0';
    if (!none) return WORDS(place, place);
    hd_snprintf(words->zh, sizeof words->zh, "第 %.20s 行", place + n);
    return WORDS(place, words->zh);
}

// ── Forecasts ──

static void add_forecast(hd_str *out, const json_t *one) {
    const json_t *history = json_object_get(one, "history");
    const json_t *truth = json_object_get(one, "truth"), *said = json_object_get(one, "predicted");
    size_t past = json_array_size(history), ahead = json_array_size(said);
    if (json_array_size(truth) > ahead) ahead = json_array_size(truth);
    json_t *xs = json_array();
    for (size_t i = 0; i < ahead && xs; i++) {
        if (json_array_append_new(xs, json_integer((json_int_t)past + (json_int_t)i)) != 0) {
            out->failed = true;
        }
    }
    if (!xs) out->failed = true;
    hd_plot plot;
    hd_plot_empty(&plot, out);
    plot.low_x = 0;
    plot.high_x = (double)(past + ahead) - 1;
    hd_plot_see_y(&plot, history);
    hd_plot_see_y(&plot, truth);
    hd_plot_see_y(&plot, said);
    place_words words;
    const hd_text name = place_of(text_of(one, "name"), &words);
    if (hd_plot_seen(&plot)) {
        hd_str_add(out, "<div>");
        hd_plot_begin(&plot, name, WORDS("time", "时间"), WORDS("value", "数值"));
        hd_plot_line(&plot, NULL, history, 7, false);
        hd_plot_line(&plot, xs, truth, 0, false);
        hd_plot_line(&plot, xs, said, 1, true);
        hd_plot_end(&plot);
        hd_legend_begin(out);
        if (past > 0) hd_legend_words(out, 7, false, WORDS("before", "历史"));
        hd_legend_words(out, 0, false, WORDS("truth", "真实值"));
        hd_legend_words(out, 1, true, WORDS("forecast", "预测值"));
        const json_t *times = json_object_get(one, "times");
        const char *from = json_string_value(json_array_get(times, 0));
        const char *to = json_string_value(
            json_array_get(times, json_array_size(times) > 0 ? json_array_size(times) - 1 : 0));
        if (from && to) {
            hd_page_escape(out, from);
            hd_str_add(out, " … ");
            hd_page_escape(out, to);
        }
        hd_legend_end(out);
        hd_str_add(out, "</div>\n");
    }
    json_decref(xs);
}

static void add_forecasts(hd_str *out, const json_t *report) {
    const json_t *list = json_object_get(report, "forecast");
    if (json_array_size(list) == 0) return;
    hd_page_heading(out, 2, WORDS("Forecasts", "预测曲线"));
    hd_str_add(out, "<div class=\"plots\">\n");
    for (size_t i = 0; i < json_array_size(list) && i < MOST_FORECASTS; i++) {
        add_forecast(out, json_array_get(list, i));
    }
    hd_str_add(out, "</div>\n");
}

// ── Worst mistakes, samples ──

// A data URI of base64 alone: what else a text may be never gets into an attribute.
static bool safe_image(const char *uri) {
    static const char *const heads[] = {"data:image/png;base64,", "data:image/jpeg;base64,"};
    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(heads[i]);
        if (strncmp(uri, heads[i], n) != 0) continue;
        const char *data = uri + n;
        return data[0] && strspn(data, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789+/=") == strlen(data);
    }
    return false;
}

static void add_value(hd_str *out, const json_t *value) {
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value) && i < MOST_VALUES; i++) {
            hd_str_add(out, i ? ", " : "");
            hd_page_number(out, json_number_value(json_array_get(value, i)));
        }
        hd_str_add(out, json_array_size(value) > MOST_VALUES ? ", …" : "");
    } else if (json_is_string(value)) {
        hd_page_escape(out, json_string_value(value));
    } else if (json_is_number(value)) {
        hd_page_number(out, json_number_value(value));
    } else if (json_is_boolean(value)) {
        hd_str_add(out, json_is_true(value) ? "true" : "false");
    } else {
        hd_str_add(out, "–");
    }
}

static void add_fields(hd_str *out, const json_t *fields) {
    const char *name;
    json_t *value;
    size_t n = 0;
    hd_str_add(out, "<table>");
    json_object_foreach((json_t *)(uintptr_t)fields, name, value) {
        if (n++ >= MOST_FIELDS) break;
        hd_str_add(out, "<tr><td class=\"soft\">");
        hd_page_escape(out, name);
        hd_str_add(out, "</td><td>");
        add_value(out, value);
        hd_str_add(out, "</td></tr>");
    }
    hd_str_add(out, "</table>");
}

static void add_worst_one(hd_str *out, const json_t *one) {
    const char *image = text_of(one, "image");
    hd_str_add(out, "<div>");
    if (safe_image(image)) hd_str_addf(out, "<img alt=\"\" src=\"%s\">", image);
    hd_str_add(out, "<b>");
    hd_page_words(out, WORDS("truth: ", "真实："));
    add_value(out, json_object_get(one, "truth"));
    hd_str_add(out, "</b><br>");
    hd_page_words(out, WORDS("predicted: ", "预测："));
    add_value(out, json_object_get(one, "predicted"));
    double score = hd_page_get(one, "score");
    const json_t *row = json_object_get(one, "row");
    hd_str_add(out, "<small>");
    if (!isnan(score)) {
        hd_page_words(out, WORDS("score ", "得分 "));
        hd_page_number(out, score);
        hd_str_add(out, row ? " · " : "");
    }
    place_words words;
    if (json_is_number(row)) hd_page_words(out, WORDS("row ", "行号 "));
    if (json_is_string(row))
        hd_page_words(out, place_of(json_string_value(row), &words));
    else if (row)
        add_value(out, row);
    hd_str_add(out, "</small>");
    if (json_is_string(json_object_get(one, "text"))) {
        hd_str_add(out, "<div class=\"text\">");
        hd_page_escape(out, text_of(one, "text"));
        hd_str_add(out, "</div>");
    }
    if (json_object_size(json_object_get(one, "fields")) > 0) {
        add_fields(out, json_object_get(one, "fields"));
    }
    hd_str_add(out, "</div>\n");
}

static void add_worst(hd_str *out, const json_t *report) {
    const json_t *list = json_object_get(report, "worst");
    if (json_array_size(list) == 0) return;
    hd_page_heading(out, 2, WORDS("Worst mistakes", "最严重的错误"));
    hd_str_add(out, "<div class=\"worst\">\n");
    for (size_t i = 0; i < json_array_size(list) && i < MOST_WORST; i++) {
        add_worst_one(out, json_array_get(list, i));
    }
    hd_str_add(out, "</div>\n");
}

static void add_samples(hd_str *out, const json_t *report) {
    const json_t *list = json_object_get(report, "samples");
    if (json_array_size(list) == 0) return;
    hd_page_heading(out, 2, WORDS("Generated texts", "生成的文本"));
    for (size_t i = 0; i < json_array_size(list) && i < MOST_SAMPLES; i++) {
        const json_t *one = json_array_get(list, i);
        hd_str_add(out, "<h3>");
        add_label(out, report, text_of(one, "model"));
        hd_str_add(out, "</h3>\n<pre><b>");
        hd_page_escape(out, text_of(one, "prompt"));
        hd_str_add(out, "</b>");
        hd_page_escape(out, text_of(one, "text"));
        hd_str_add(out, "</pre>\n");
    }
}

// ── Data ──

static void add_rows(hd_str *out, const json_t *data) {
    static const struct {
        const char *key;
        hd_text words;
    } parts[] = {{"train", HD_TEXT("training", "训练")},
                 {"validation", HD_TEXT("validation", "验证")},
                 {"test", HD_TEXT("test", "测试")}};
    const json_t *rows = json_object_get(data, "rows");
    hd_str_add(out, "<p>");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        double n = hd_page_get(rows, parts[i].key);
        if (isnan(n)) continue;
        hd_page_words(out, parts[i].words);
        hd_str_addc(out, ' ');
        hd_page_count(out, n);
        hd_str_add(out, " · ");
    }
    double features = hd_page_get(data, "features");
    if (!isnan(features)) {
        hd_page_words(out, WORDS("features ", "特征数 "));
        hd_page_count(out, features);
    }
    hd_str_add(out, "</p>\n");
}

static void add_files(hd_str *out, const json_t *files) {
    if (json_array_size(files) == 0) return;
    bool hashed = json_object_get(json_array_get(files, 0), "hash") != NULL;
    hd_str_add(out, "<div class=\"scroll\"><table><thead><tr><th>");
    hd_page_words(out, WORDS("file", "文件"));
    hd_str_add(out, "</th><th class=\"n\">");
    hd_page_words(out, WORDS("rows", "行数"));
    if (hashed) hd_str_add(out, "</th><th>");
    if (hashed) hd_page_words(out, WORDS("hash", "哈希"));
    hd_str_add(out, "</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < json_array_size(files) && i < MOST_MODELS; i++) {
        const json_t *file = json_array_get(files, i);
        hd_str_add(out, "<tr><td>");
        hd_page_escape(out, text_of(file, "name"));
        hd_str_add(out, "</td><td class=\"n\">");
        hd_page_count(out, hd_page_get(file, "rows"));
        if (hashed) hd_str_add(out, "</td><td><code>");
        if (hashed) hd_page_escape(out, text_of(file, "hash"));
        hd_str_add(out, hashed ? "</code></td></tr>\n" : "</td></tr>\n");
    }
    hd_str_add(out, "</tbody></table></div>\n");
}

static void add_classes(hd_str *out, const json_t *classes, bool values) {
    size_t n = json_array_size(classes);
    if (n == 0) return;
    hd_str_add(out, "<p>");
    hd_page_words(out, values ? WORDS("Outputs: ", "输出：") : WORDS("Classes: ", "类别："));
    for (size_t i = 0; i < n && i < 2 * MOST_MODELS; i++) {
        const char *name = json_string_value(json_array_get(classes, i));
        hd_str_add(out, i ? ", " : "");
        hd_page_escape(out, name);
    }
    hd_str_add(out, n > 2 * MOST_MODELS ? ", …</p>\n" : "</p>\n");
}

static void add_data(hd_str *out, const json_t *report) {
    const json_t *data = json_object_get(report, "data");
    const json_t *notes = json_object_get(data, "notes");
    if (!data) return;
    hd_page_heading(out, 2, WORDS("Data", "数据"));
    add_rows(out, data);
    add_classes(out, json_object_get(data, "classes"),
                strcmp(text_of(report, "task"), "values") == 0);
    add_files(out, json_object_get(data, "files"));
    if (json_array_size(notes) == 0) return;
    hd_str_add(out, "<ul>\n");
    for (size_t i = 0; i < json_array_size(notes) && i < MOST_NOTES; i++) {
        hd_str_add(out, "<li>");
        hd_page_both(out, json_array_get(notes, i));
        hd_str_add(out, "</li>\n");
    }
    hd_str_add(out, "</ul>\n");
}

heed_err hd_report_html(const json_t *report, hd_str *out) {
    if (!json_is_object(report)) {
        return HD_FAIL(HEED_INPUT, "a report is an object", "报告应为一个对象");
    }
    add_head(out, report);
    add_title(out, report);
    add_leaderboard(out, report);
    add_diagnosis(out, report);
    add_evaluations(out, report);
    add_forecasts(out, report);
    add_worst(out, report);
    add_samples(out, report);
    add_curves(out, report);
    add_data(out, report);
    hd_str_add(out, "</main>\n</body>\n</html>\n");
    return hd_str_check(out);
}
