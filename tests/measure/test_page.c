// SPDX-License-Identifier: Apache-2.0
//
// The page of a report: well-formed, hostile texts harmless, anything may be missing or of another
// type. HEED_PAGES=DIR writes the pages there, to be looked at.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "measure/evaluation.h"
#include "measure/page.h"

enum { MOST_ROWS = 2500 };

// ── Reports ──

static json_t *parse(const char *text) {
    json_error_t where;
    json_t *json = json_loads(text, 0, &where);
    if (!json) fail_msg("%d: %s in %.200s", where.line, where.text, text);
    return json;
}

// Predictions of a model that is right in `skill` of the rows; of many classes, with names.
static json_t *classes_evaluation(size_t k, double skill, const char *const *names) {
    static float scores[MOST_ROWS * 150];
    static int32_t labels[MOST_ROWS];
    size_t n = k > 20 ? MOST_ROWS : 600;
    hd_rng rng = hd_rng_make(k, (uint64_t)(skill * 1000));
    for (size_t i = 0; i < n; i++) {
        float *row = scores + i * k;
        size_t label = (size_t)hd_rng_below(&rng, k), said = label;
        if (hd_rng_uniform(&rng) > skill) said = (label + 1 + (size_t)hd_rng_below(&rng, 3)) % k;
        labels[i] = (int32_t)label;
        float sure = (float)(.5 + .5 * hd_rng_uniform(&rng));
        for (size_t j = 0; j < k; j++) row[j] = (1 - sure) / (float)(k - 1);
        row[said] = sure;
    }
    hd_predictions p = {HD_TASK_CLASSES, n, k, scores, labels, NULL, names};
    hd_evaluation_opts opts = hd_evaluation_opts_default();
    opts.bootstrap = k > 20 ? 0 : 20;
    json_t *out;
    assert_int_equal(hd_evaluation_json(&p, &opts, &out), HEED_OK);
    return out;
}

static json_t *values_evaluation(double noise) {
    static float scores[400 * 3], targets[400 * 3];
    static const char *const names[] = {"load", "temperature", "油温"};
    hd_rng rng = hd_rng_make(3, 3);
    for (size_t i = 0; i < 1200; i++) {
        targets[i] = (float)(10 * hd_rng_normal(&rng));
        scores[i] = targets[i] + (float)(noise * hd_rng_normal(&rng));
    }
    hd_predictions p = {HD_TASK_VALUES, 400, 3, scores, NULL, targets, names};
    hd_evaluation_opts opts = hd_evaluation_opts_default();
    opts.bootstrap = 50;
    json_t *out;
    assert_int_equal(hd_evaluation_json(&p, &opts, &out), HEED_OK);
    return out;
}

static json_t *falling(double from, double to, size_t n, double shake) {
    json_t *list = json_array();
    hd_rng rng = hd_rng_make(n, 1);
    for (size_t i = 0; i < n; i++) {
        double share = (double)i / (double)n;
        json_array_append_new(
            list, json_real(to + (from - to) * exp(-5 * share) + shake * hd_rng_uniform(&rng)));
    }
    return list;
}

static json_t *model_of(const char *name, const char *kind, json_t *evaluation, double cost) {
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:f, s:f, s:{s:f, s:s}, s:o}", "name", name, "kind",
                     kind, "parameters", (json_int_t)(101770 * cost), "bytes",
                     (json_int_t)(407080 * cost), "memory_bytes", (json_int_t)(60000000 * cost),
                     "fit_seconds", 12.345 * cost, "predict_ms_per_1000", 3.2 * cost, "settings",
                     "rate", .001, "optimizer", "adam", "evaluation", evaluation);
}

static json_t *steps_of(size_t n) {
    json_t *steps = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(steps, json_integer((json_int_t)i * 40));
    return steps;
}

static void add_common(json_t *report) {
    json_object_set_new(report, "heed", json_string("0.1.0"));
    json_object_set_new(report, "created", json_string("2026-11-22T13:30:00Z"));
    json_object_set_new(report, "seed", json_integer(1));
    json_object_set_new(report, "main", json_string("network"));
    json_object_set_new(report, "curves",
                        json_pack("{s:{s:o, s:o, s:o, s:o, s:{s:o}}}", "network", "steps",
                                  steps_of(60), "train_loss", falling(2.3, .01, 60, .002),
                                  "validation_loss", falling(2.3, .07, 60, .02), "rate",
                                  falling(.001, .00001, 60, 0), "metrics", "accuracy",
                                  falling(.1, .97, 60, .01)));
    json_object_set_new(report, "gradients",
                        json_pack("{s:o, s:o, s:o}", "0.conv2d", falling(.5, .01, 30, .01),
                                  "2.linear", falling(.8, .05, 30, .02), "4.linear",
                                  falling(1.2, .1, 30, .05)));
    json_object_set_new(
        report, "diagnosis",
        parse(
            "[{\"level\": \"ok\", \"what\": {\"en\": \"It learnt, and what it learnt holds for "
            "new rows\", \"zh\": \"模型学到了规律，且能推广到新数据\"}, \"why\": {\"en\": \"the "
            "validation loss is within 5% of the training loss\", \"zh\": \"验证损失与训练损失相差"
            "不到 5%\"}}, {\"level\": \"warn\", \"what\": {\"en\": \"It overfits from epoch 9 "
            "on\", \"zh\": \"从第 9 轮起出现过拟合\"}, \"why\": {\"en\": \"validation loss rose "
            "by 14% while training loss fell\", \"zh\": \"训练损失下降而验证损失上升 14%\"}, "
            "\"try\": {\"en\": \"dropout .3, weight_decay .01, or fewer epochs\", \"zh\": "
            "\"dropout .3、weight_decay .01，或减少训练轮数\"}}]"));
    json_object_set_new(
        report, "data",
        parse("{\"files\": [{\"name\": \"train.csv\", \"rows\": 60000, \"hash\": \"blake2b:"
              "0123456789abcdef0123456789abcdef\"}, {\"name\": \"test.csv\", \"rows\": 10000, "
              "\"hash\": \"blake2b:fedcba9876543210fedcba9876543210\"}], \"rows\": {\"train\": "
              "48000, \"validation\": 12000, \"test\": 10000}, \"features\": 784, \"notes\": "
              "[{\"en\": \"12 rows appear twice\", \"zh\": \"有 12 行重复\"}]}"));
}

static const char *const digits[] = {"zero", "one", "two",   "three", "four",
                                     "五",   "six", "seven", "eight", "nine"};

static json_t *digits_report(void) {
    json_t *report = parse("{\"recipe\": \"digits_cnn\", \"task\": \"classes\", \"lang\": \"en\", "
                           "\"title\": {\"en\": \"Handwritten digits, by a convolutional "
                           "network\", \"zh\": \"手写数字：卷积网络\"}}");
    json_t *network = model_of("network", "network", classes_evaluation(10, .97, digits), 1);
    json_t *models = json_array();
    add_common(report);
    json_object_set_new(
        network, "seeds",
        parse("{\"n\": 5, \"accuracy\": {\"mean\": 0.9721, \"sd\": 0.0011, \"each\": [0.97]}}"));
    json_object_set_new(network, "versus",
                        parse("{\"baseline\": \"logistic\", \"metric\": \"accuracy\", "
                              "\"difference\": 0.0512, \"low\": 0.041, \"high\": 0.062, \"p\": "
                              "1.2e-19, \"trainings\": 5}"));
    json_array_append_new(models, network);
    json_t *forest = model_of("forest", "classic", classes_evaluation(10, .95, digits), 40);
    json_object_set_new(forest, "label",
                        parse("{\"en\": \"random forest\", \"zh\": \"随机森林\"}"));
    json_array_append_new(models, forest);
    json_array_append_new(models,
                          model_of("logistic", "classic", classes_evaluation(10, .92, digits), .1));
    json_array_append_new(
        models, model_of("majority", "baseline", classes_evaluation(10, .1, digits), .01));
    json_array_append_new(models, parse("{\"name\": \"svm\", \"kind\": \"classic\", \"error\": "
                                        "{\"en\": \"liblinear is not installed\", \"zh\": "
                                        "\"未安装 liblinear\"}}"));
    json_object_set_new(report, "models", models);
    json_object_set_new(
        report, "worst",
        parse("[{\"row\": 2130, \"truth\": \"four\", \"predicted\": \"nine\", \"score\": 0.9997, "
              "\"image\": \"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAA"
              "ACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==\"}, {\"row\": 17, \"truth\": "
              "\"positive\", \"predicted\": \"negative\", \"score\": 0.98, \"text\": "
              "\"房间很大，但是隔音太差，整夜没有睡好。The breakfast was fine.\"}, {\"row\": 4, "
              "\"truth\": \">50K\", \"predicted\": \"<=50K\", \"score\": 0.97, \"fields\": "
              "{\"age\": 39, \"workclass\": \"State-gov\", \"education\": \"Bachelors\", "
              "\"hours\": 40}}]"));
    return report;
}

static json_t *many_report(size_t k) {
    static char names[150][24];
    static const char *pointers[150];
    json_t *report = parse("{\"recipe\": \"intents\", \"task\": \"classes\", \"lang\": \"zh\", "
                           "\"title\": {\"en\": \"Many intents\", \"zh\": \"多类意图识别\"}}");
    for (size_t i = 0; i < k; i++) {
        hd_snprintf(names[i], sizeof names[i], i % 3 ? "intent_number_%zu" : "查询订单%zu", i);
        pointers[i] = names[i];
    }
    add_common(report);
    json_object_set_new(
        report, "models",
        json_pack("[o]", model_of("network", "network", classes_evaluation(k, .8, pointers), 1)));
    return report;
}

static json_t *binary_report(void) {
    static const char *const names[] = {"stays", "leaves"};
    json_t *report = parse("{\"recipe\": \"churn\", \"task\": \"classes\", \"title\": \"Churn\"}");
    add_common(report);
    json_object_set_new(
        report, "models",
        json_pack("[o]", model_of("network", "network", classes_evaluation(2, .86, names), 1)));
    return report;
}

static json_t *series_report(void) {
    json_t *report = parse("{\"recipe\": \"series\", \"task\": \"values\", \"lang\": \"en\", "
                           "\"title\": {\"en\": \"Oil temperature\", \"zh\": \"油温预测\"}}");
    json_t *forecast = json_array();
    add_common(report);
    json_object_set_new(report, "models",
                        json_pack("[o, o]", model_of("network", "network", values_evaluation(2), 1),
                                  model_of("persistence", "baseline", values_evaluation(4), .01)));
    for (size_t s = 0; s < 2; s++) {
        json_t *list[3] = {json_array(), json_array(), json_array()};
        for (size_t i = 0; i < 144; i++) {
            double y = sin((double)i / 4) * 10 + 3 * cos((double)i / 11);
            json_array_append_new(list[i < 96 ? 0 : 1], json_real(y));
            if (i >= 96) json_array_append_new(list[2], json_real(y * .9 + .5));
        }
        json_array_append_new(forecast, json_pack("{s:s, s:[s, s], s:o, s:o, s:o}", "name",
                                                  s ? "油温" : "load", "times", "2018-02-20 00:00",
                                                  "2018-02-26 23:00", "history", list[0], "truth",
                                                  list[1], "predicted", list[2]));
    }
    json_object_set_new(report, "forecast", forecast);
    json_object_set_new(report, "samples",
                        parse("[{\"model\": \"gpt\", \"prompt\": \"ROMEO:\", \"text\": "
                              "\"\\nWhat light is this?\"}]"));
    return report;
}

// ── Checks ──

static hd_str page_of(const json_t *report, const char *name) {
    hd_str out;
    hd_str_init(&out);
    assert_int_equal(hd_report_html(report, &out), HEED_OK);
    const char *folder = getenv("HEED_PAGES");
    if (folder && name) {
        char path[512];
        hd_snprintf(path, sizeof path, "%s/%s.html", folder, name);
        assert_int_equal(hd_fs_write(path, out.data, out.len, 0644), HEED_OK);
    }
    return out;
}

// Every element is closed by its own name, in order (void ones aside). Returns how many there are.
static size_t check_tags(const char *html) {
    char stack[64][16];
    size_t depth = 0, seen = 0;
    for (const char *c = strchr(html, '<'); c; c = strchr(c + 1, '<')) {
        char name[16] = "";
        const char *at = c + 1, *end = strchr(c, '>');
        bool closes = *at == '/';
        if (*at == '!') continue;
        at += closes;
        for (size_t i = 0; i < 15 && isalnum((unsigned char)at[i]); i++) name[i] = at[i];
        assert_non_null(end);
        assert_true(name[0] != 0);
        seen++;
        if (strcmp(name, "style") == 0 && !closes) c = strstr(c, "</style") - 1;
        bool void_one = strcmp(name, "meta") == 0 || strcmp(name, "input") == 0 ||
                        strcmp(name, "img") == 0 || strcmp(name, "br") == 0;
        if (void_one || end[-1] == '/') continue;
        if (closes) {
            if (depth == 0 || strcmp(stack[depth - 1], name) != 0) {
                fail_msg("</%s> at: %.120s", name, c);
            }
            depth--;
        } else {
            assert_true(depth < 64);
            memcpy(stack[depth++], name, sizeof name);
        }
    }
    assert_int_equal(depth, 0);
    return seen;
}

static void reports_of_every_kind_are_whole(void **state) {
    (void)state;
    static const char *const names[] = {"digits", "binary", "series", "intents", "forty"};
    json_t *reports[] = {digits_report(), binary_report(), series_report(), many_report(150),
                         many_report(40)};
    for (size_t i = 0; i < sizeof reports / sizeof *reports; i++) {
        hd_str page = page_of(reports[i], names[i]);
        assert_true(check_tags(page.data) > 100);
        assert_null(strstr(page.data, "<script"));
        assert_null(strstr(page.data, "http://"));
        assert_null(strstr(page.data, "https://"));
        assert_null(strstr(page.data, "nan"));
        assert_null(strstr(page.data, "inf\""));
        hd_str_clear(&page);
        json_decref(reports[i]);
    }
}

// The leaderboard begins with what models are judged by.
static void the_judge_comes_first(void **state) {
    (void)state;
    json_t *report = digits_report();
    for (int i = 0; i < 2; i++) {
        json_t *network = json_array_get(json_object_get(report, "models"), 0);
        if (i)
            json_object_set_new(json_object_get(network, "versus"), "metric",
                                json_string("log_loss"));
        hd_str page = page_of(report, NULL);
        const char *head = strstr(page.data, "class=\"leaders\"");
        const char *loss = strstr(head, "log loss"), *share = strstr(head, ">accuracy<");
        assert_true(loss && share && (loss < share) == (i == 1));
        const char *again = strstr(loss + 1, "log loss"), *end = strstr(head, "</thead>");
        assert_true(!again || again > end); // once
        hd_str_clear(&page);
    }
    json_decref(report);
}

// Gradients stand under the network that they are of, whichever was drawn last.
static void gradients_stand_under_their_network(void **state) {
    (void)state;
    static const char *const names[] = {"first", "second"};
    for (size_t i = 0; i < 2; i++) {
        json_t *report = parse(
            "{\"curves\": {\"first\": {\"steps\": [1, 2], \"train_loss\": [2, 1]}, \"second\": "
            "{\"steps\": [1, 2], \"train_loss\": [2, 1]}}, \"gradients\": {\"0.linear\": [1, 2]}}");
        json_object_set_new(report, "gradients_of", json_string(names[i]));
        hd_str page = page_of(report, NULL);
        const char *second = strstr(page.data, "<h3>second"),
                   *drawn = strstr(page.data, "by layer");
        assert_true(second && drawn && (drawn > second) == (i == 1));
        assert_null(strstr(drawn + 1, "Gradient norms by layer"));
        hd_str_clear(&page);
        json_decref(report);
    }
}

// What errors are measured in, and what is drawn together for an interval.
static void forecasts_say_their_measure(void **state) {
    (void)state;
    json_t *report = series_report();
    json_t *data = json_object_get(report, "data");
    hd_str page = page_of(report, NULL);
    assert_non_null(strstr(page.data, "bootstrap over rows"));
    assert_null(strstr(page.data, "Errors are in"));
    hd_str_clear(&page);
    json_object_set_new(data, "block", json_integer(96));
    json_object_set_new(data, "unit", parse("{\"en\": \"shares of the range\", \"zh\": \"范围\"}"));
    page = page_of(report, NULL);
    assert_non_null(strstr(page.data, "bootstrap over runs of 96 forecasts"));
    assert_null(strstr(page.data, "bootstrap over rows"));
    assert_non_null(strstr(page.data, "shares of the range"));
    hd_str_clear(&page);
    json_decref(report);
}

// A share of truths that are 0 is a number and no figure.
static void shares_of_nothing_are_left_out(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        json_t *report = parse("{\"task\": \"values\", \"models\": [{\"name\": \"n\", \"kind\": "
                               "\"network\", \"evaluation\": {\"mse\": 1, \"mape\": 0.25}}]}");
        json_t *model = json_array_get(json_object_get(report, "models"), 0);
        if (i) json_object_set_new(json_object_get(model, "evaluation"), "mape", json_real(1.1e15));
        hd_str page = page_of(report, NULL);
        assert_int_equal(strstr(page.data, "MAPE") != NULL, i == 0);
        hd_str_clear(&page);
        json_decref(report);
    }
}

// Rows that stood in no file are counted in the reader's language; a file is a file.
static void places_are_said(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"row 17", "第 17 行"}, {"row 17.csv:3", "row 17.csv:3"}, {"a<b.csv:3", "a&lt;b.csv:3"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *report = json_pack("{s:s, s:[{s:s, s:s, s:s}]}", "task", "classes", "worst", "row",
                                   rows[i][0], "truth", "a", "predicted", "b");
        hd_str page = page_of(report, NULL);
        assert_non_null(strstr(page.data, rows[i][1]));
        assert_int_equal(strstr(page.data, "第") != NULL && strstr(page.data, " 行<") != NULL,
                         i == 0);
        hd_str_clear(&page);
        json_decref(report);
    }
}

// Several outputs are listed; several networks' diagnoses say whose they are; times are short.
static void small_things_can_be_read(void **state) {
    (void)state;
    json_t *report = parse(
        "{\"task\": \"values\", \"data\": {\"rows\": {\"train\": 3}, \"classes\": [\"a\"], \"files\": [{\"name\": "
        "\"f\"}]}, \"curves\": {\"one\": {}, \"two\": {}}, \"diagnosis\": [{\"level\": "
        "\"ok\", \"model\": \"two\", \"what\": \"sound\", \"try\": \"nothing\"}], "
        "\"worst\": [{\"truth\": [1.5, 2], \"predicted\": [3, 4]}], \"models\": [{\"name\": "
        "\"network\", \"kind\": \"network\", \"label\": {\"en\": \"network\", \"zh\": "
        "\"网络\"}, \"fit_seconds\": 2.7e-06, \"predict_ms_per_1000\": 1480.7, "
        "\"evaluation\": {\"mse\": 1}}]}");
    hd_str page = page_of(report, NULL);
    assert_non_null(strstr(page.data, "1.5, 2</b>"));
    assert_non_null(strstr(page.data, "3, 4<"));
    assert_non_null(strstr(page.data, "Outputs: "));
    assert_non_null(strstr(page.data, "<b>two"));
    assert_null(strstr(page.data, "nothing"));
    assert_null(strstr(page.data, "hash"));
    assert_non_null(strstr(page.data, "there are no test rows"));
    assert_non_null(strstr(page.data, "&lt; 0.001"));
    assert_non_null(strstr(page.data, "1,481"));
    assert_non_null(strstr(page.data, "网络</span><small></small>"));
    hd_str_clear(&page);
    json_decref(report);
}

// Of many steps means are drawn, and no validation is left out between them.
// Models are called as the leaderboard calls them, settings stand as a recipe would have them.
static void what_stands_there_can_be_read(void **state) {
    (void)state;
    static const char *const said[] = {
        "p &lt; 1e-12 (n = 5)</small>", "trainings from so many seeds",
        "详情：</span><span class=\"en\" lang=\"en\">random forest</span>",
        "<code>rate: 0.001, layers: [{linear: {out: 3}}, &lt;b&gt;], share: 0.3333, whole: true"};
    json_t *report = digits_report();
    json_object_set_new(json_array_get(json_object_get(report, "models"), 0), "settings",
                        parse("{\"rate\": 0.001, \"layers\": [{\"linear\": {\"out\": 3}}, "
                              "\"<b>\"], \"share\": 0.33333333333333, \"whole\": true}"));
    hd_str page = page_of(report, NULL);
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        if (!strstr(page.data, said[i])) fail_msg("no '%s'", said[i]);
    }
    hd_str_clear(&page);
    json_decref(report);
}

static void long_curves_are_legible(void **state) {
    (void)state;
    json_t *steps = json_array(), *train = json_array(), *validation = json_array();
    for (int i = 0; i < 4000; i++) {
        json_array_append_new(steps, json_integer(i + 1));
        json_array_append_new(train, json_real(i % 2 ? 1 : 3));
        json_array_append_new(validation, i % 1001 == 7 ? json_real(2 + i) : json_null());
    }
    json_t *report = json_pack("{s:{s:{s:o, s:o, s:o}}}", "curves", "net", "steps", steps,
                               "train_loss", train, "validation_loss", validation);
    hd_str page = page_of(report, NULL);
    assert_non_null(strstr(page.data, "training, means of 20 points"));
    const char *dashed = strstr(page.data, "class=\"line k1 dash\"");
    assert_non_null(dashed);
    size_t points = 0;
    for (const char *c = dashed; *c && *c != '>'; c++) points += *c == 'M' || *c == 'L';
    assert_int_equal(points, 4);
    hd_str_clear(&page);
    json_decref(report);
}

static void the_page_opens_in_the_reports_language(void **state) {
    (void)state;
    json_t *report = parse("{\"lang\": \"zh\", \"recipe\": \"x\"}");
    hd_str page = page_of(report, NULL);
    assert_non_null(strstr(page.data, "<html lang=\"zh\">"));
    assert_non_null(strstr(page.data, "id=\"zh\" checked"));
    assert_null(strstr(page.data, "id=\"en\" checked"));
    hd_str_clear(&page);
    json_object_set_new(report, "lang", json_string("fr"));
    page = page_of(report, NULL);
    assert_non_null(strstr(page.data, "id=\"en\" checked"));
    hd_str_clear(&page);
    json_decref(report);
}

// Replaces every text in a document by a hostile one, and makes every key one.
static const char hostile[] =
    "</style></title><script>alert(1)</script>'\"&\x01<img src=x onerror=y>";

static json_t *poison(const json_t *from, bool keys) {
    if (json_is_object(from)) {
        const char *key;
        json_t *value, *to = json_object();
        json_object_foreach((json_t *)(uintptr_t)from, key, value) {
            json_object_set_new(to, key, poison(value, keys));
        }
        if (keys && json_object_size(from) > 0) {
            json_object_set_new(
                to, hostile,
                poison(json_object_iter_value(json_object_iter((json_t *)(uintptr_t)from)), false));
        }
        return to;
    }
    if (json_is_array(from)) {
        json_t *to = json_array();
        for (size_t i = 0; i < json_array_size(from); i++) {
            json_array_append_new(to, poison(json_array_get(from, i), keys));
        }
        return to;
    }
    if (json_is_string(from)) return json_string(hostile);
    return json_deep_copy(from);
}

static void hostile_texts_are_harmless(void **state) {
    (void)state;
    for (int keys = 0; keys < 2; keys++) {
        json_t *good = digits_report(), *report = poison(good, keys);
        json_object_set_new(report, "main", json_string("network"));
        json_object_set_new(json_array_get(json_object_get(report, "models"), 0), "name",
                            json_string("network"));
        hd_str page = page_of(report, NULL);
        check_tags(page.data);
        assert_null(strstr(page.data, "<script"));
        assert_null(strstr(page.data, "<img"));
        assert_null(strchr(page.data, 1));
        hd_str_clear(&page);
        json_decref(good);
        json_decref(report);
    }
    static const char *const images[] = {"data:image/png;base64,", "javascript:alert(1)",
                                         "data:image/png;base64,AA\" onload=\"x",
                                         "data:image/svg+xml;base64,AAAA"};
    for (size_t i = 0; i < 4; i++) {
        json_t *report = json_pack("{s:[{s:s}]}", "worst", "image", images[i]);
        hd_str page = page_of(report, NULL);
        assert_null(strstr(page.data, "<img"));
        hd_str_clear(&page);
        json_decref(report);
    }
}

// Anything may be missing or of another type: a page comes out all the same.
static void mangle(json_t *at, hd_rng *rng) {
    static const char *const others[] = {
        "null", "[]",      "{}",   "\"\"",        "1e300",
        "-1",   "[[[1]]]", "true", "{\"en\": 3}", "[null, 1e-300, \"x\"]"};
    if (json_is_object(at)) {
        const char *keys[64];
        size_t n = 0;
        const char *key;
        json_t *value;
        json_object_foreach(at, key, value) {
            if (n < 64) keys[n++] = key;
        }
        for (size_t i = 0; i < n; i++) {
            if (hd_rng_below(rng, 12) == 0) {
                json_object_set_new(
                    at, keys[i], json_loads(others[hd_rng_below(rng, 10)], JSON_DECODE_ANY, NULL));
            } else {
                mangle(json_object_get(at, keys[i]), rng);
            }
        }
    } else if (json_is_array(at)) {
        for (size_t i = 0; i < json_array_size(at); i++) {
            if (hd_rng_below(rng, 40) == 0) {
                json_array_set_new(
                    at, i, json_loads(others[hd_rng_below(rng, 10)], JSON_DECODE_ANY, NULL));
            } else {
                mangle(json_array_get(at, i), rng);
            }
        }
    }
}

static void mangled_reports_give_a_page(void **state) {
    (void)state;
    hd_rng rng = hd_rng_make(1, 2);
    json_t *(*const makers[])(void) = {digits_report, series_report, binary_report};
    for (size_t k = 0; k < 3; k++) {
        json_t *good = makers[k]();
        for (size_t i = 0; i < 15; i++) {
            json_t *report = json_deep_copy(good);
            mangle(report, &rng);
            hd_str page = page_of(report, NULL);
            check_tags(page.data);
            hd_str_clear(&page);
            json_decref(report);
        }
        json_decref(good);
    }
    json_t *list = json_array();
    hd_str out;
    hd_str_init(&out);
    assert_int_equal(hd_report_html(list, &out), HEED_INPUT);
    json_decref(list);
}

static void memory_that_runs_out_is_told(void **state) {
    (void)state;
    assert_int_equal(hd_mem_adopt_libraries(), HEED_OK);
    json_t *report = series_report();
    for (uint64_t n = 1;; n += 1 + n / 20) {
        hd_str out;
        hd_str_init(&out);
        hd_mem_fail_at(n, true);
        heed_err err = hd_report_html(report, &out);
        hd_mem_fail_at(0, true);
        hd_str_clear(&out);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
        assert_true(n < 2000);
    }
    json_decref(report);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_that_runs_out_is_told),
        cmocka_unit_test(reports_of_every_kind_are_whole),
        cmocka_unit_test(what_stands_there_can_be_read),
        cmocka_unit_test(long_curves_are_legible),
        cmocka_unit_test(places_are_said),
        cmocka_unit_test(the_judge_comes_first),
        cmocka_unit_test(gradients_stand_under_their_network),
        cmocka_unit_test(forecasts_say_their_measure),
        cmocka_unit_test(shares_of_nothing_are_left_out),
        cmocka_unit_test(small_things_can_be_read),
        cmocka_unit_test(the_page_opens_in_the_reports_language),
        cmocka_unit_test(hostile_texts_are_harmless),
        cmocka_unit_test(mangled_reports_give_a_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
