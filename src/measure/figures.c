// SPDX-License-Identifier: Apache-2.0
//
// The figures of predictions, as scikit-learn defines them (sklearn.metrics, 1.9): a ratio whose
// denominator is 0 is 0 for precision, recall and F1, as `zero_division=0` has it; balanced
// accuracy and means over curves leave out classes that no row has; what isn't defined is NaN.
//
// A row that stands there twice is a row of weight 2: areas under curves are sums over groups of
// equal scores, so weights cost nothing but the multiplication.
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "measure/evaluation.h"
#include "measure/figure.h"

static double ratio(double a, double b) {
    return b > 0 ? a / b : 0;
}

// ── From the confusion matrix ──

static double at(const hd_drawn *d, size_t truth, size_t said) {
    return d->confusion[truth * d->o->p.k + said];
}
static double truths(const hd_drawn *d, size_t class) {
    double sum = 0;
    for (size_t j = 0; j < d->o->p.k; j++) sum += at(d, class, j);
    return sum;
}
static double saids(const hd_drawn *d, size_t class) {
    double sum = 0;
    for (size_t i = 0; i < d->o->p.k; i++) sum += at(d, i, class);
    return sum;
}
static double hits(const hd_drawn *d) {
    double sum = 0;
    for (size_t i = 0; i < d->o->p.k; i++) sum += at(d, i, i);
    return sum;
}

hd_class_figures hd_class_figures_of(const hd_drawn *d, size_t class) {
    double hit = at(d, class, class), said = saids(d, class), truth = truths(d, class);
    return (hd_class_figures){.precision = ratio(hit, said),
                              .recall = ratio(hit, truth),
                              .f1 = ratio(2 * hit, said + truth),
                              .support = truth};
}

static double accuracy(const hd_drawn *d) {
    return hits(d) / d->total;
}

static double balanced_accuracy(const hd_drawn *d) {
    double sum = 0, present = 0;
    for (size_t c = 0; c < d->o->p.k; c++) {
        double truth = truths(d, c);
        if (truth <= 0) continue;
        sum += at(d, c, c) / truth;
        present++;
    }
    return sum / present;
}

static double precision(const hd_drawn *d) {
    return hd_class_figures_of(d, 1).precision;
}
static double recall(const hd_drawn *d) {
    return hd_class_figures_of(d, 1).recall;
}
static double f1(const hd_drawn *d) {
    return hd_class_figures_of(d, 1).f1;
}

static double f1_macro(const hd_drawn *d) {
    double sum = 0;
    for (size_t c = 0; c < d->o->p.k; c++) sum += hd_class_figures_of(d, c).f1;
    return sum / (double)d->o->p.k;
}

// Matthews' correlation for several classes (Gorodkin 2004).
static double mcc(const hd_drawn *d) {
    double n = d->total, both = 0, said = 0, truth = 0;
    for (size_t c = 0; c < d->o->p.k; c++) {
        double t = truths(d, c), s = saids(d, c);
        both += t * s;
        said += s * s;
        truth += t * t;
    }
    double spread = (n * n - said) * (n * n - truth);
    return spread > 0 ? (hits(d) * n - both) / sqrt(spread) : 0;
}

// Cohen's kappa.
static double kappa(const hd_drawn *d) {
    double chance = 0;
    for (size_t c = 0; c < d->o->p.k; c++) chance += truths(d, c) * saids(d, c);
    double expected = d->total - chance / d->total; // misses by chance
    return expected > 0 ? 1 - (d->total - hits(d)) / expected : NAN;
}

// ── Means over rows ──

static double row_mean(const hd_drawn *d, size_t column) {
    double sum = 0;
    for (size_t i = 0; i < d->o->p.n; i++) {
        sum += hd_drawn_times(d, i) * d->o->row[i * HD_ROW_FIGURES + column];
    }
    return sum / d->total;
}
static double log_loss(const hd_drawn *d) {
    return row_mean(d, HD_ROW_LOG_LOSS);
}
static double brier(const hd_drawn *d) {
    return row_mean(d, HD_ROW_BRIER);
}
static double perplexity(const hd_drawn *d) {
    return exp(log_loss(d));
}
static double bits(const hd_drawn *d) {
    return log_loss(d) / log(2);
}
static double mae(const hd_drawn *d) {
    return row_mean(d, HD_ROW_AE);
}
static double mse(const hd_drawn *d) {
    return row_mean(d, HD_ROW_SE);
}
static double mape(const hd_drawn *d) {
    return row_mean(d, HD_ROW_APE);
}
static double smape(const hd_drawn *d) {
    return row_mean(d, HD_ROW_SAPE);
}

// ── Areas under curves ──

// Walks the groups of equal score from the highest: `step` sees the counts so far and before.
typedef struct walk {
    double hit, miss, hit_before, miss_before, hits, misses, area;
} walk;

static walk walk_groups(const hd_drawn *d, size_t curve, void (*step)(walk *w)) {
    const hd_predictions *p = &d->o->p;
    const uint32_t *order = d->o->order + curve * p->n;
    size_t class = hd_outcome_class(d->o, curve);
    double of_class = truths(d, class);
    walk w = {.hits = of_class, .misses = d->total - of_class};
    for (size_t i = 0; i < p->n;) {
        float score = p->scores[order[i] * p->k + class];
        w.hit_before = w.hit;
        w.miss_before = w.miss;
        for (; i < p->n && p->scores[order[i] * p->k + class] == score; i++) {
            double count = hd_drawn_times(d, order[i]);
            *((size_t)p->labels[order[i]] == class ? &w.hit : &w.miss) += count;
        }
        step(&w);
    }
    return w;
}

static void trapezoid(walk *w) {
    w->area += (w->miss - w->miss_before) * (w->hit + w->hit_before) / 2;
}

double hd_curve_auc(const hd_drawn *d, size_t curve) {
    walk w = walk_groups(d, curve, trapezoid);
    return w.hits > 0 && w.misses > 0 ? w.area / (w.hits * w.misses) : NAN;
}

static void rectangle(walk *w) {
    if (w->hit > w->hit_before) w->area += (w->hit - w->hit_before) * w->hit / (w->hit + w->miss);
}

double hd_curve_precision(const hd_drawn *d, size_t curve) {
    walk w = walk_groups(d, curve, rectangle);
    return w.hits > 0 ? w.area / w.hits : NAN;
}

static double curve_mean(const hd_drawn *d, double (*of)(const hd_drawn *, size_t)) {
    double sum = 0, defined = 0;
    for (size_t c = 0; c < d->o->curves; c++) {
        double area = of(d, c);
        if (isnan(area)) continue;
        sum += area;
        defined++;
    }
    return defined > 0 ? sum / defined : NAN;
}
static double auc(const hd_drawn *d) {
    return curve_mean(d, hd_curve_auc);
}
static double average_precision(const hd_drawn *d) {
    return curve_mean(d, hd_curve_precision);
}

// ── Over outputs ──

static double output_mean(const hd_drawn *d, size_t output,
                          double (*of)(double truth, double said)) {
    const hd_predictions *p = &d->o->p;
    double sum = 0;
    for (size_t i = 0; i < p->n; i++) {
        size_t cell = i * p->k + output;
        sum += hd_drawn_times(d, i) * of((double)p->targets[cell], (double)p->scores[cell]);
    }
    return sum / d->total;
}

static double truth_of(double truth, double said) {
    (void)said;
    return truth;
}
static double miss_of(double truth, double said) {
    return fabs(said - truth);
}
static double square_of(double truth, double said) {
    return (said - truth) * (said - truth);
}
static double share_of(double truth, double said) {
    return fabs(said - truth) / fmax(fabs(truth), DBL_EPSILON);
}
static double both_share_of(double truth, double said) {
    double both = fabs(truth) + fabs(said);
    return both > 0 ? 2 * fabs(said - truth) / both : 0;
}

static double mae_of(const hd_drawn *d, size_t output) {
    return output_mean(d, output, miss_of);
}
static double mse_of(const hd_drawn *d, size_t output) {
    return output_mean(d, output, square_of);
}
static double mape_of(const hd_drawn *d, size_t output) {
    return output_mean(d, output, share_of);
}
static double smape_of(const hd_drawn *d, size_t output) {
    return output_mean(d, output, both_share_of);
}
static double rmse_of(const hd_drawn *d, size_t output) {
    return sqrt(output_mean(d, output, square_of));
}

static double r2_of(const hd_drawn *d, size_t output) {
    const hd_predictions *p = &d->o->p;
    double mean = output_mean(d, output, truth_of), spread = 0;
    for (size_t i = 0; i < p->n; i++) {
        double away = (double)p->targets[i * p->k + output] - mean;
        spread += hd_drawn_times(d, i) * away * away;
    }
    double missed = output_mean(d, output, square_of) * d->total;
    if (spread > 0) return 1 - missed / spread;
    return missed > 0 ? 0 : 1; // as scikit-learn's force_finite
}

static double max_of(const hd_drawn *d, size_t output) {
    const hd_predictions *p = &d->o->p;
    double most = 0;
    for (size_t i = 0; i < p->n; i++) {
        size_t cell = i * p->k + output;
        most = fmax(most, fabs((double)p->scores[cell] - (double)p->targets[cell]));
    }
    return most;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of(const hd_drawn *d, size_t output) {
    const hd_predictions *p = &d->o->p;
    double *miss = d->o->scratch;
    for (size_t i = 0; i < p->n; i++) {
        size_t cell = i * p->k + output;
        miss[i] = fabs((double)p->scores[cell] - (double)p->targets[cell]);
    }
    qsort(miss, p->n, sizeof *miss, by_value);
    return (miss[(p->n - 1) / 2] + miss[p->n / 2]) / 2;
}

static double mean_over_outputs(const hd_drawn *d, double (*of)(const hd_drawn *, size_t)) {
    double sum = 0;
    for (size_t j = 0; j < d->o->p.k; j++) sum += of(d, j);
    return sum / (double)d->o->p.k;
}
static double rmse(const hd_drawn *d) {
    return mean_over_outputs(d, rmse_of);
}
static double r2(const hd_drawn *d) {
    return mean_over_outputs(d, r2_of);
}
static double median_ae(const hd_drawn *d) {
    return mean_over_outputs(d, median_of);
}
static double max_error(const hd_drawn *d) {
    double most = 0;
    for (size_t j = 0; j < d->o->p.k; j++) most = fmax(most, max_of(d, j));
    return most;
}

// ── The list ──

static const hd_figure list[] = {
    {"accuracy", HD_TASK_CLASSES, .higher_is_better = true, .of = accuracy},
    {"balanced_accuracy", HD_TASK_CLASSES, .higher_is_better = true, .of = balanced_accuracy},
    {"precision", HD_TASK_CLASSES, .higher_is_better = true, .binary = true, .of = precision},
    {"recall", HD_TASK_CLASSES, .higher_is_better = true, .binary = true, .of = recall},
    {"f1", HD_TASK_CLASSES, .higher_is_better = true, .binary = true, .of = f1},
    {"f1_macro", HD_TASK_CLASSES, .higher_is_better = true, .of = f1_macro},
    {"mcc", HD_TASK_CLASSES, .higher_is_better = true, .of = mcc},
    {"kappa", HD_TASK_CLASSES, .higher_is_better = true, .of = kappa},
    {"log_loss", HD_TASK_CLASSES, .of = log_loss},
    {"brier", HD_TASK_CLASSES, .of = brier},
    {"auc", HD_TASK_CLASSES, .higher_is_better = true, .curve = true, .of = auc},
    {"average_precision", HD_TASK_CLASSES, .higher_is_better = true, .curve = true,
     .of = average_precision},
    {"mae", HD_TASK_VALUES, .of = mae, .output = mae_of},
    {"mse", HD_TASK_VALUES, .of = mse, .output = mse_of},
    {"rmse", HD_TASK_VALUES, .outputs = true, .of = rmse, .output = rmse_of},
    {"r2", HD_TASK_VALUES, .higher_is_better = true, .outputs = true, .of = r2, .output = r2_of},
    {"mape", HD_TASK_VALUES, .of = mape, .output = mape_of},
    {"smape", HD_TASK_VALUES, .of = smape, .output = smape_of},
    {"median_ae", HD_TASK_VALUES, .outputs = true, .single = true, .of = median_ae,
     .output = median_of},
    {"max_error", HD_TASK_VALUES, .outputs = true, .single = true, .of = max_error,
     .output = max_of},
    {"log_loss", HD_TASK_LANGUAGE, .of = log_loss},
    {"perplexity", HD_TASK_LANGUAGE, .of = perplexity},
    {"bits", HD_TASK_LANGUAGE, .of = bits},
};

const hd_figure *hd_figure_at(size_t i) {
    return i < sizeof list / sizeof list[0] ? &list[i] : NULL;
}

const hd_figure *hd_figure_find(hd_task task, const char *name) {
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        if (list[i].task == task && strcmp(list[i].name, name) == 0) return &list[i];
    }
    return NULL;
}
