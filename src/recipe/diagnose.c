// SPDX-License-Identifier: Apache-2.0
//
// What the training looked like, in plain words, with what to try. Rules over the curves and the
// gradients by layer, each with its threshold beside it; a rule that can't be judged (no validation
// rows, too few points) says nothing. Thresholds are rules of thumb, chosen so that the textbook
// faults (tests/recipe/test_diagnose.c makes each of them) are found and sound trainings pass.
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "recipe/diagnose.h"

typedef struct series {
    double *at;
    size_t n;
} series;

typedef struct case_file {
    const hd_training *training;
    series train, validation, norm, rate;
    const json_t *layers; // of the watch; NULL: none
    json_t *out;
} case_file;

// ── Words ──

typedef struct finding {
    const char *level; // "ok", "note", "warn"
    hd_text what, why, attempt;
} finding;

static heed_err both(hd_text text, json_t **out) {
    return hd_json_pack(out, "{s:s, s:s}", "en", text.en, "zh", text.zh);
}

static heed_err add(const case_file *c, const finding *f) {
    json_t *item = NULL, *what = NULL, *why = NULL, *attempt = NULL;
    heed_err err = both(f->what, &what);
    if (err == HEED_OK) err = both(f->why, &why);
    if (err == HEED_OK) err = both(f->attempt, &attempt);
    if (err == HEED_OK)
        err = hd_json_pack(&item, "{s:s, s:s, s:O, s:O, s:O}", "level", f->level, "model",
                           c->training->model, "what", what, "why", why, "try", attempt);
    json_decref(what);
    json_decref(why);
    json_decref(attempt);
    return err == HEED_OK ? hd_json_append(c->out, item) : err;
}

// ── Numbers ──

static heed_err read_series(const json_t *list, series *out) {
    out->n = 0;
    out->at = hd_calloc(json_array_size(list) + 1, sizeof *out->at);
    if (!out->at) return HD_FAIL_MEMORY(json_array_size(list) * sizeof *out->at);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        if (json_is_number(value)) out->at[out->n++] = json_number_value(value);
    }
    return HEED_OK;
}

static double mean_of(const series *s, size_t from, size_t to) {
    double sum = 0;
    for (size_t i = from; i < to; i++) sum += s->at[i];
    return to > from ? sum / (double)(to - from) : NAN;
}

// The last tenth, a point at least.
static double late_mean(const series *s) {
    size_t n = s->n / 10 > 0 ? s->n / 10 : 1;
    return s->n > 0 ? mean_of(s, s->n - n, s->n) : NAN;
}

static double early_mean(const series *s) {
    size_t n = s->n / 20 > 0 ? s->n / 20 : 1;
    return s->n > 0 ? mean_of(s, 0, n) : NAN;
}

static size_t lowest(const series *s) {
    size_t best = 0;
    for (size_t i = 1; i < s->n; i++) {
        if (s->at[i] < s->at[best]) best = i;
    }
    return best;
}

// How much a curve jumps from point to point, beside its level: of the second half.
static double roughness(const series *s) {
    double sum = 0;
    size_t from = s->n / 2, n = 0;
    for (size_t i = from + 1; i < s->n; i++, n++) sum += fabs(s->at[i] - s->at[i - 1]);
    double level = fabs(mean_of(s, from, s->n));
    return n > 0 && level > 0 ? sum / (double)n / level : 0;
}

// ── Rules ──

// Overfitting: the validation loss rose by a fifth over its lowest point, which lies in the first
// three quarters, while the training loss fell on.
static heed_err overfitting(const case_file *c, bool *found) {
    const series *v = &c->validation;
    if (v->n < 4) return HEED_OK;
    size_t best = lowest(v);
    double low = v->at[best], last = v->at[v->n - 1];
    *found = best * 4 < v->n * 3 && last > low + .2 * fabs(low) && last - low > 1e-3 &&
             late_mean(&c->train) < low;
    if (!*found) return HEED_OK;
    char en[300], zh[300];
    hd_snprintf(en, sizeof en,
                "the validation loss was lowest (%.3g) at validation %zu of %zu and ended at %.3g, "
                "while the training loss fell to %.3g",
                low, best + 1, v->n, last, late_mean(&c->train));
    hd_snprintf(zh, sizeof zh,
                "验证损失在第 %zu 次验证（共 %zu 次）时最低（%.3g），最后升至 %.3g，而训练损失降到 "
                "%.3g",
                best + 1, v->n, low, last, late_mean(&c->train));
    static const finding ends_late = {
        .level = "warn",
        .what = HD_TEXT("it overfits: it learns the training rows by heart",
                        "过拟合：网络记住了训练数据"),
        .attempt = HD_TEXT("end earlier (train.patience with restore_best), add dropout or "
                           "weight_decay, augment, take a smaller network, or more rows",
                           "提前停止（train.patience 与 restore_best）、加 dropout 或 "
                           "weight_decay、做增广、缩小网络，或增加数据")};
    static const finding taken_back = {
        .level = "note",
        .what = HD_TEXT("it overfits from there on; the weights of its best validation were kept",
                        "此后开始过拟合；已取验证损失最低时的权重"),
        .attempt = HD_TEXT("dropout or weight_decay, augmentation, a smaller network, or more rows",
                           "加 dropout 或 weight_decay、做增广、缩小网络，或增加数据")};
    finding f = c->training->best_kept ? taken_back : ends_late;
    f.why = (hd_text){en, zh};
    return add(c, &f);
}

// Nothing carries over: the training loss fell, and no validation was better than the first.
static heed_err not_following(const case_file *c, bool *found) {
    const series *v = &c->validation;
    const double early = early_mean(&c->train), late = late_mean(&c->train);
    if (v->n < 2 || !(late < .9 * early)) return HEED_OK;
    *found = lowest(v) == 0;
    if (!*found) return HEED_OK;
    char en[300], zh[300];
    hd_snprintf(en, sizeof en,
                "the training loss fell from %.3g to %.3g, the validation loss went from %.3g to "
                "%.3g",
                early, late, v->at[0], v->at[v->n - 1]);
    hd_snprintf(zh, sizeof zh, "训练损失从 %.3g 降到 %.3g，而验证损失从 %.3g 变到 %.3g", early,
                late, v->at[0], v->at[v->n - 1]);
    return add(c, &(finding){"warn",
                             HD_TEXT("what it learns doesn't carry over to the validation rows",
                                     "所学的内容没有推广到验证数据"),
                             {en, zh},
                             HD_TEXT("more rows, a smaller network, dropout or weight_decay, a "
                                     "lower rate; check that validation rows are like the "
                                     "training rows",
                                     "增加数据、缩小网络、加 dropout 或 weight_decay、降低学习率；"
                                     "并检查验证数据与训练数据是否相似")});
}

// No better than a guess: of classes, as rarely right as the most frequent class is (and its
// classes not found better than evenly), of values no explained variance.
static heed_err guessing(const case_file *c, bool *found) {
    const json_t *e = c->training->evaluation;
    const json_t *classes = json_object_get(e, "per_class"), *r2 = json_object_get(e, "r2");
    const double k = (double)json_array_size(classes);
    double most = 0, rows = 0;
    char en[200], zh[200];
    for (size_t i = 0; i < json_array_size(classes); i++) {
        const json_t *one = json_array_get(classes, i);
        const double support = json_number_value(json_object_get(one, "support"));
        most = fmax(most, support);
        rows += support;
    }
    if (rows > 0) {
        const double right = json_number_value(json_object_get(e, "accuracy"));
        const double even = json_number_value(json_object_get(e, "balanced_accuracy"));
        *found = right <= most / rows && even < 1 / k + .02;
        hd_snprintf(en, sizeof en,
                    "it is right on %.3g of the rows, the most frequent class on %.3g", right,
                    most / rows);
        hd_snprintf(zh, sizeof zh, "它的准确率为 %.3g，而总答最常见的类别可得 %.3g", right,
                    most / rows);
    } else if (json_is_number(r2)) {
        *found = json_number_value(r2) <= 0;
        hd_snprintf(en, sizeof en, "R² is %.3g; the mean has 0", json_number_value(r2));
        hd_snprintf(zh, sizeof zh, "R² 为 %.3g，而取均值为 0", json_number_value(r2));
    }
    if (!*found) return HEED_OK;
    return add(c, &(finding){"warn",
                             HD_TEXT("it is no better than a guess", "不比猜测更好"),
                             {en, zh},
                             HD_TEXT("a higher rate, more epochs, scaled inputs (scale_zscore); "
                                     "check that the target can be told from the columns at all",
                                     "提高学习率、增加轮数、缩放输入（scale_zscore）；"
                                     "并确认这些列确实能预测目标")});
}

// A simpler model is better beyond doubt: what held this one back?
static heed_err behind(const case_file *c, bool *found) {
    const json_t *versus = c->training->behind;
    const char *other = json_string_value(json_object_get(versus, "baseline"));
    char en[300], zh[300];
    *found = other != NULL;
    if (!*found) return HEED_OK;
    const double difference = json_number_value(json_object_get(versus, "difference"));
    const double low = json_number_value(json_object_get(versus, "low"));
    const double high = json_number_value(json_object_get(versus, "high"));
    hd_snprintf(en, sizeof en, "it differs from '%s' by %+.3g (%+.3g … %+.3g)", other, difference,
                low, high);
    hd_snprintf(zh, sizeof zh, "它与“%s”相差 %+.3g（%+.3g … %+.3g）", other, difference, low, high);
    return add(c, &(finding){"note",
                             HD_TEXT("a simpler model is better", "更简单的模型更好"),
                             {en, zh},
                             HD_TEXT("less to hold it back (l2, weight_decay, dropout), more "
                                     "epochs, another rate or network; or take the simpler model",
                                     "减少约束（l2、weight_decay、dropout）、增加轮数、"
                                     "换学习率或网络；或直接采用更简单的模型")});
}

static hd_text more_of_it(const case_file *c) {
    static const hd_text epochs = HD_TEXT("more epochs", "增加训练轮数");
    static const hd_text steps = HD_TEXT("more steps", "增加训练步数");
    return c->training->by_steps ? steps : epochs;
}

// Underfitting: the training loss fell by less than a tenth of where it began.
static heed_err underfitting(const case_file *c, bool *found) {
    double early = early_mean(&c->train), late = late_mean(&c->train);
    if (c->train.n < 10) return HEED_OK;
    *found = late > early - .1 * fabs(early);
    if (!*found) return HEED_OK;
    char en[200], zh[200];
    hd_snprintf(en, sizeof en, "the training loss went from %.3g to %.3g in the whole training",
                early, late);
    hd_snprintf(zh, sizeof zh, "整个训练中，训练损失只从 %.3g 变到 %.3g", early, late);
    return add(c,
               &(finding){"warn",
                          HD_TEXT("it hardly learns (it underfits)", "几乎没有学到东西（欠拟合）"),
                          {en, zh},
                          HD_TEXT("a higher rate, more epochs, a larger network, scaled inputs "
                                  "(scale_zscore); check that the target can be told from the "
                                  "columns at all",
                                  "提高学习率、增加轮数、加大网络、缩放输入（scale_zscore）；"
                                  "并确认这些列确实能预测目标")});
}

// The rate was led down to where nothing moves any more.
static bool annealed(const case_file *c) {
    double most = 0;
    for (size_t i = 0; i < c->rate.n; i++) most = fmax(most, c->rate.at[i]);
    return c->rate.n > 0 && c->rate.at[c->rate.n - 1] < .05 * most;
}

// Still learning: over the last quarter the validation loss fell by more than 5%, and not because
// a schedule let the rate run out, which makes every loss fall at the end.
static heed_err unfinished(const case_file *c, bool *found) {
    const series *v = c->validation.n >= 8 ? &c->validation : &c->train;
    if (v->n < 8 || annealed(c)) return HEED_OK;
    double before = mean_of(v, v->n / 2, v->n * 3 / 4), after = mean_of(v, v->n * 3 / 4, v->n);
    *found = before > 0 && after < .95 * before;
    if (!*found) return HEED_OK;
    char en[200], zh[200];
    hd_snprintf(en, sizeof en, "in its last quarter the loss still fell from %.3g to %.3g", before,
                after);
    hd_snprintf(zh, sizeof zh, "最后四分之一的训练中，损失仍从 %.3g 降到 %.3g", before, after);
    return add(c, &(finding){"note",
                             HD_TEXT("it was still learning when it ended", "训练结束时仍在进步"),
                             {en, zh},
                             more_of_it(c)});
}

// Too high a rate: neighbouring points of the training loss differ by more than a half of its
// level, it doesn't fall, and it isn't small beside where it began, where single hard rows make it
// jump.
static heed_err rate_high(const case_file *c, bool *found) {
    if (c->train.n < 20) return HEED_OK;
    double rough = roughness(&c->train);
    double before = mean_of(&c->train, c->train.n / 2, c->train.n * 3 / 4);
    double late = late_mean(&c->train);
    *found = rough > .5 && late > .8 * before && late > .2 * early_mean(&c->train);
    if (!*found) return HEED_OK;
    char en[200], zh[200];
    hd_snprintf(en, sizeof en, "the training loss jumps by %.0f%% of its level from point to point",
                rough * 100);
    hd_snprintf(zh, sizeof zh, "训练损失相邻两点的变动达到其水平的 %.0f%%", rough * 100);
    return add(c,
               &(finding){"warn",
                          HD_TEXT("the rate is too high", "学习率过高"),
                          {en, zh},
                          HD_TEXT("a third of the rate, a larger batch, warm-up, or clip_norm: 1",
                                  "把学习率降到三分之一、加大批、加预热，或设 clip_norm: 1")});
}

// ── Gradients by layer ──

static double late_gradient(const json_t *layer) {
    const json_t *list = json_object_get(layer, "gradient");
    size_t n = json_array_size(list), from = n / 2;
    double sum = 0;
    for (size_t i = from; i < n; i++) sum += json_number_value(json_array_get(list, i));
    return n > from ? sum / (double)(n - from) : NAN;
}

// Vanishing: the first layer's gradients are less than a thousandth of the last one's, in a network
// of three layers or more. Beside the weights, so that a wide layer counts like a narrow one.
static heed_err vanishing(const case_file *c, bool *found) {
    size_t n = json_array_size(c->layers);
    if (n < 3) return HEED_OK;
    const json_t *first = json_array_get(c->layers, 0), *last = json_array_get(c->layers, n - 1);
    double a = late_gradient(first), b = late_gradient(last);
    *found = b > 1e-12 && a < 1e-3 * b;
    if (!*found) return HEED_OK;
    char en[300], zh[300];
    const char *from = json_string_value(json_object_get(first, "name"));
    const char *to = json_string_value(json_object_get(last, "name"));
    hd_snprintf(en, sizeof en, "the gradients of layer %s are %.1e beside %.1e of layer %s", from,
                a, b, to);
    hd_snprintf(zh, sizeof zh, "第 %s 层的梯度为 %.1e，而第 %s 层为 %.1e", from, a, to, b);
    return add(c, &(finding){"warn",
                             HD_TEXT("gradients vanish on their way to the first layers",
                                     "梯度在传向前几层时消失"),
                             {en, zh},
                             HD_TEXT("relu or gelu in place of sigmoid and tanh, batch_norm or "
                                     "layer_norm, residual connections, he initial values",
                                     "用 relu 或 gelu 代替 sigmoid 与 tanh，加 batch_norm 或 "
                                     "layer_norm、残差连接，用 he 初始化")});
}

// Exploding: in the second half the largest norm is thirty times the median.
static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static heed_err exploding(const case_file *c, bool *found) {
    if (c->norm.n < 20) return HEED_OK;
    size_t from = c->norm.n / 2, n = c->norm.n - from;
    qsort(c->norm.at + from, n, sizeof *c->norm.at, by_value);
    double median = c->norm.at[from + n / 2], most = c->norm.at[c->norm.n - 1];
    *found = median > 0 && most > 30 * median && most > 10;
    if (!*found) return HEED_OK;
    char en[200], zh[200];
    hd_snprintf(en, sizeof en, "the norm of all gradients reaches %.3g, at a median of %.3g", most,
                median);
    hd_snprintf(zh, sizeof zh, "全部梯度的范数达到 %.3g，而中位数为 %.3g", most, median);
    static const finding free_ones = {
        .level = "warn",
        .what = HD_TEXT("gradients explode now and then", "梯度时有爆炸"),
        .attempt =
            HD_TEXT("clip_norm: 1, a lower rate, warm-up", "设 clip_norm: 1、降低学习率、加预热")};
    static const finding clipped = {
        .level = "note",
        .what = HD_TEXT("gradients burst now and then, and were clipped", "梯度时有爆发，已被裁剪"),
        .attempt = HD_TEXT("a lower rate, warm-up", "降低学习率、加预热")};
    finding f = c->training->clipped ? clipped : free_ones;
    f.why = (hd_text){en, zh};
    return add(c, &f);
}

// Dead units: more than a fifth of a layer had no gradient in the whole second half.
static heed_err dead_units(const case_file *c, bool *found) {
    char en[400], zh[400];
    size_t worst = 0;
    double share = 0;
    for (size_t i = 0; i + 1 < json_array_size(c->layers); i++) {
        const json_t *layer = json_array_get(c->layers, i);
        double units = (double)json_integer_value(json_object_get(layer, "units"));
        double dead = (double)json_integer_value(json_object_get(layer, "dead"));
        if (units > 0 && dead / units > share) {
            share = dead / units;
            worst = i;
        }
    }
    *found = share > .2;
    if (!*found) return HEED_OK;
    const json_t *layer = json_array_get(c->layers, worst);
    long long dead = json_integer_value(json_object_get(layer, "dead"));
    long long units = json_integer_value(json_object_get(layer, "units"));
    const char *name = json_string_value(json_object_get(layer, "name"));
    hd_snprintf(en, sizeof en, "%lld of %lld units of layer %s had no gradient in the second half",
                dead, units, name);
    hd_snprintf(zh, sizeof zh, "第 %s 层的 %lld 个单元中有 %lld 个在训练后半程没有任何梯度", name,
                units, dead);
    return add(c, &(finding){"warn",
                             HD_TEXT("units are dead: they never fire", "有单元已死：从不激活"),
                             {en, zh},
                             HD_TEXT("a lower rate, leaky_relu or gelu in place of relu, scaled "
                                     "inputs; or a narrower layer",
                                     "降低学习率，用 leaky_relu 或 gelu 代替 relu，缩放输入；"
                                     "或减小该层宽度")});
}

// A few points of a loss that doesn't fall say nothing, good or bad.
static heed_err too_short(const case_file *c) {
    char en[200], zh[200];
    hd_snprintf(en, sizeof en, "the training loss went from %.3g to %.3g in %zu points",
                early_mean(&c->train), late_mean(&c->train), c->train.n);
    hd_snprintf(zh, sizeof zh, "训练损失在 %zu 个点中从 %.3g 变到 %.3g", c->train.n,
                early_mean(&c->train), late_mean(&c->train));
    return add(c, &(finding){"note",
                             HD_TEXT("the training was too short to judge", "训练太短，难以判断"),
                             {en, zh},
                             more_of_it(c)});
}

static heed_err all_well(const case_file *c) {
    const double early = early_mean(&c->train), late = late_mean(&c->train);
    const series *v = &c->validation;
    const bool with_it = v->n > 1 && late_mean(v) < early_mean(v);
    if (!(late < early)) return too_short(c);
    char en[200], zh[200];
    hd_snprintf(en, sizeof en, "the training loss fell from %.3g to %.3g%s", early, late,
                with_it ? ", and the validation loss with it" : "");
    hd_snprintf(zh, sizeof zh, "训练损失从 %.3g 降到 %.3g%s", early, late,
                with_it ? "，验证损失也随之下降" : "");
    return add(c, &(finding){"ok",
                             HD_TEXT("the training looks sound", "训练正常"),
                             {en, zh},
                             HD_TEXT("nothing", "无需改动")});
}

static heed_err judge(const case_file *c) {
    bool over = false, under = false, high = false, gone = false, burst = false, dead = false;
    bool more = false, guess = false, alone = false, lost = false;
    HD_TRY(overfitting(c, &over));
    if (!over) HD_TRY(not_following(c, &alone));
    HD_TRY(rate_high(c, &high));
    if (!high) HD_TRY(underfitting(c, &under));
    if (!under) HD_TRY(guessing(c, &guess));
    if (!under && !guess) HD_TRY(behind(c, &lost));
    HD_TRY(vanishing(c, &gone));
    HD_TRY(exploding(c, &burst));
    HD_TRY(dead_units(c, &dead));
    if (!over && !alone && !under && !high) HD_TRY(unfinished(c, &more));
    bool warned = over || alone || under || guess || lost || high || gone || burst || dead;
    return warned || more || c->train.n < 2 ? HEED_OK : all_well(c);
}

heed_err hd_diagnose(const hd_training *training, json_t *out) {
    const json_t *curves = training->curves;
    case_file c = {
        .training = training, .layers = json_object_get(training->gradients, "layers"), .out = out};
    heed_err err = read_series(json_object_get(curves, "train_loss"), &c.train);
    if (err == HEED_OK)
        err = read_series(json_object_get(curves, "validation_loss"), &c.validation);
    if (err == HEED_OK) err = read_series(json_object_get(curves, "gradient_norm"), &c.norm);
    if (err == HEED_OK) err = read_series(json_object_get(curves, "rate"), &c.rate);
    if (err == HEED_OK) err = judge(&c);
    hd_free(c.train.at);
    hd_free(c.validation.at);
    hd_free(c.norm.at);
    hd_free(c.rate.at);
    return err;
}
