// SPDX-License-Identifier: Apache-2.0
//
// The document of an evaluation: figures by the list (figures.c), tables by class or output, curves
// (curve.c), and intervals by drawing rows anew. A figure whose resampling would take too long (an
// area over hundreds of classes and rows) has no interval rather than a shorter one.
#include "measure/evaluation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "measure/bootstrap.h"
#include "measure/curve.h"
#include "measure/figure.h"

enum {
    MOST_MATRIX = 512,  // classes of a confusion matrix that is written out
    MOST_CONFUSED = 20, // pairs
    MOST_OUTPUTS = 64,  // with figures of their own
    FEW_OUTPUTS = 8,    // whose per-output figures are resampled
    RESIDUAL_BINS = 40,
    MOST_POINTS = 400,
    FIGURES = 16 // of a task, at most
};
static const double MOST_WORK = 1e9; // steps of curves' resampling

hd_evaluation_opts hd_evaluation_opts_default(void) {
    return (hd_evaluation_opts){.seed = 1, .bootstrap = 1000, .bins = 15, .curve_points = 200};
}

const char *hd_evaluation_main(hd_task task) {
    static const char *const names[] = {
        [HD_TASK_CLASSES] = "accuracy", [HD_TASK_VALUES] = "mse", [HD_TASK_LANGUAGE] = "log_loss"};
    return names[task];
}

static heed_err find(hd_task task, const char *name, const hd_figure **out) {
    *out = hd_figure_find(task, name);
    if (*out) return HEED_OK;
    return HD_FAIL(HEED_NOT_FOUND, "there is no figure '%s' of this task", "该任务没有指标“%s”",
                   name);
}

heed_err hd_evaluation_higher(hd_task task, const char *figure, bool *out) {
    const hd_figure *row;
    HD_TRY(find(task, figure, &row));
    *out = row->higher_is_better;
    return HEED_OK;
}

static size_t matrix_cells(const hd_predictions *p) {
    return p->task == HD_TASK_CLASSES ? p->k * p->k : 1;
}

heed_err hd_evaluation_figure(const hd_predictions *p, const char *figure, double *out) {
    const hd_figure *row;
    hd_outcome outcome;
    HD_TRY(find(p->task, figure, &row));
    HD_TRY(hd_outcome_init(p, row->curve, &outcome));
    double *confusion = hd_calloc(matrix_cells(p), sizeof *confusion);
    heed_err err = confusion ? HEED_OK : HD_FAIL_MEMORY(matrix_cells(p) * sizeof *confusion);
    if (confusion) {
        hd_drawn all = hd_drawn_make(&outcome, NULL, confusion);
        *out = row->of(&all);
    }
    hd_free(confusion);
    hd_outcome_clear(&outcome);
    return err;
}

// ── Intervals ──

typedef struct chosen {
    const hd_outcome *o;
    const hd_figure *rows[FIGURES];
    size_t n;
} chosen;

static bool resampled(const hd_outcome *o, const hd_figure *f, size_t resamples) {
    if (f->task != o->p.task || f->single || (f->binary && o->p.k != 2)) return false;
    if (f->outputs && o->p.k > FEW_OUTPUTS) return false;
    double work = (double)o->curves * (double)o->p.n * (double)resamples;
    return !f->curve || work <= MOST_WORK;
}

static heed_err resample(void *ctx, const uint32_t *times, double *out) {
    const chosen *c = ctx;
    double *confusion = hd_calloc(matrix_cells(&c->o->p), sizeof *confusion);
    if (!confusion) return HD_FAIL_MEMORY(matrix_cells(&c->o->p) * sizeof *confusion);
    hd_drawn drawn = hd_drawn_make(c->o, times, confusion);
    for (size_t i = 0; i < c->n; i++) out[i] = c->rows[i]->of(&drawn);
    hd_free(confusion);
    return HEED_OK;
}

static heed_err set_pair(json_t *to, const char *key, double low, double high) {
    json_t *pair = json_array();
    heed_err err = hd_json_set(to, key, pair);
    if (err == HEED_OK) err = hd_json_append(pair, hd_json_real(low));
    return err == HEED_OK ? hd_json_append(pair, hd_json_real(high)) : err;
}

static heed_err add_intervals(const hd_outcome *o, const hd_evaluation_opts *opts, json_t *to) {
    heed_err err = HEED_OK;
    json_t *intervals = json_object();
    HD_TRY(hd_json_set(to, "intervals", intervals));
    chosen c = {.o = o};
    const hd_figure *f;
    for (size_t i = 0; (f = hd_figure_at(i)); i++) {
        if (resampled(o, f, opts->bootstrap)) c.rows[c.n++] = f;
    }
    hd_resampling what = {o->p.n, c.n, opts->bootstrap, opts->block, opts->seed, 0, resample, &c};
    double *values = hd_calloc(opts->bootstrap * c.n, sizeof *values);
    double *scratch = hd_calloc(opts->bootstrap, sizeof *scratch);
    if (!values || !scratch) {
        err = HD_FAIL_MEMORY(opts->bootstrap * (c.n + 1) * sizeof *values);
        goto out;
    }
    HD_TRY_OUT(hd_bootstrap_figures(&what, opts->pool, values));
    for (size_t i = 0; i < c.n; i++) {
        double low = hd_column_percentile(values, opts->bootstrap, c.n, i, .025, scratch);
        double high = hd_column_percentile(values, opts->bootstrap, c.n, i, .975, scratch);
        HD_TRY_OUT(set_pair(intervals, c.rows[i]->name, low, high));
    }
out:
    hd_free(values);
    hd_free(scratch);
    return err;
}

// ── Classes ──

json_t *hd_class_name(const hd_predictions *p, size_t class) {
    char number[24];
    hd_snprintf(number, sizeof number, "%zu", class);
    return json_string(p->classes ? p->classes[class] : number);
}

static heed_err add_per_class(const hd_drawn *d, json_t *to) {
    const hd_predictions *p = &d->o->p;
    json_t *list = json_array();
    HD_TRY(hd_json_set(to, "per_class", list));
    for (size_t c = 0; c < p->k; c++) {
        hd_class_figures f = hd_class_figures_of(d, c);
        json_t *row = json_object();
        HD_TRY(hd_json_append(list, row));
        HD_TRY(hd_json_set(row, "class", hd_class_name(p, c)));
        HD_TRY(hd_json_set(row, "precision", hd_json_real(f.precision)));
        HD_TRY(hd_json_set(row, "recall", hd_json_real(f.recall)));
        HD_TRY(hd_json_set(row, "f1", hd_json_real(f.f1)));
        HD_TRY(hd_json_set(row, "support", json_integer((json_int_t)f.support)));
        if (p->k == 2) continue;
        HD_TRY(hd_json_set(row, "auc", hd_json_real(hd_curve_auc(d, c))));
        HD_TRY(hd_json_set(row, "average_precision", hd_json_real(hd_curve_precision(d, c))));
    }
    return HEED_OK;
}

static heed_err add_average(json_t *to, const char *name, hd_class_figures f) {
    json_t *row;
    HD_TRY(hd_json_pack(&row, "{s:f, s:f, s:f}", "precision", f.precision, "recall", f.recall, "f1",
                        f.f1));
    return hd_json_set(to, name, row);
}

static heed_err add_averages(const hd_drawn *d, json_t *to) {
    json_t *averages = json_object();
    HD_TRY(hd_json_set(to, "averages", averages));
    hd_class_figures macro = {0}, weighted = {0};
    double k = (double)d->o->p.k, hit = 0;
    for (size_t c = 0; c < d->o->p.k; c++) {
        hd_class_figures f = hd_class_figures_of(d, c);
        double share = f.support / d->total;
        macro.precision += f.precision / k;
        macro.recall += f.recall / k;
        macro.f1 += f.f1 / k;
        weighted.precision += f.precision * share;
        weighted.recall += f.recall * share;
        weighted.f1 += f.f1 * share;
        hit += d->confusion[c * d->o->p.k + c];
    }
    // Each row has one label and one prediction: all three are the accuracy.
    double all = hit / d->total;
    HD_TRY(add_average(averages, "macro", macro));
    HD_TRY(add_average(averages, "weighted", weighted));
    return add_average(averages, "micro", (hd_class_figures){all, all, all, d->total});
}

static heed_err add_matrix(const hd_drawn *d, json_t *to) {
    size_t k = d->o->p.k;
    if (k > MOST_MATRIX) return HEED_OK;
    json_t *matrix = json_array();
    HD_TRY(hd_json_set(to, "confusion", matrix));
    for (size_t i = 0; i < k; i++) {
        json_t *row = json_array();
        HD_TRY(hd_json_append(matrix, row));
        for (size_t j = 0; j < k; j++) {
            HD_TRY(hd_json_append(row, json_integer((json_int_t)d->confusion[i * k + j])));
        }
    }
    return HEED_OK;
}

typedef struct mixed {
    size_t truth, said;
    double count;
} mixed;

// Keeps the list sorted by falling count; what comes first stays first.
static void keep_mixed(mixed *best, size_t *n, mixed one) {
    size_t place = *n;
    while (place > 0 && best[place - 1].count < one.count) place--;
    if (place >= MOST_CONFUSED) return;
    if (*n < MOST_CONFUSED) ++*n;
    memmove(best + place + 1, best + place, (*n - place - 1) * sizeof *best);
    best[place] = one;
}

static heed_err add_confused(const hd_drawn *d, json_t *to) {
    const hd_predictions *p = &d->o->p;
    mixed best[MOST_CONFUSED];
    size_t n = 0;
    for (size_t cell = 0; cell < p->k * p->k; cell++) {
        size_t truth = cell / p->k, said = cell % p->k;
        if (truth == said || d->confusion[cell] <= 0) continue;
        keep_mixed(best, &n, (mixed){truth, said, d->confusion[cell]});
    }
    json_t *list = json_array();
    HD_TRY(hd_json_set(to, "confused", list));
    for (size_t i = 0; i < n; i++) {
        json_t *row = json_object();
        HD_TRY(hd_json_append(list, row));
        HD_TRY(hd_json_set(row, "truth", hd_class_name(p, best[i].truth)));
        HD_TRY(hd_json_set(row, "predicted", hd_class_name(p, best[i].said)));
        HD_TRY(hd_json_set(row, "count", json_integer((json_int_t)best[i].count)));
    }
    return HEED_OK;
}

static heed_err add_class_names(const hd_predictions *p, json_t *to) {
    json_t *names = json_array();
    HD_TRY(hd_json_set(to, "classes", names));
    for (size_t c = 0; c < p->k; c++) HD_TRY(hd_json_append(names, hd_class_name(p, c)));
    return HEED_OK;
}

static heed_err add_classes(const hd_drawn *d, const hd_evaluation_opts *opts, json_t *to) {
    HD_TRY(add_class_names(&d->o->p, to));
    HD_TRY(add_per_class(d, to));
    HD_TRY(add_averages(d, to));
    HD_TRY(add_matrix(d, to));
    HD_TRY(add_confused(d, to));
    HD_TRY(hd_drawn_add_curves(d, opts->curve_points, to));
    return hd_reliability_add(d->o, opts->bins, to);
}

// ── Values ──

static heed_err add_outputs(const hd_drawn *d, json_t *to) {
    const hd_predictions *p = &d->o->p;
    json_t *list = json_array();
    HD_TRY(hd_json_set(to, "outputs", list));
    for (size_t j = 0; j < p->k && p->k <= MOST_OUTPUTS; j++) {
        json_t *row = json_object();
        HD_TRY(hd_json_append(list, row));
        HD_TRY(hd_json_set(row, "name", hd_class_name(p, j)));
        const hd_figure *f;
        for (size_t i = 0; (f = hd_figure_at(i)); i++) {
            if (!f->output) continue;
            HD_TRY(hd_json_set(row, f->name, hd_json_real(f->output(d, j))));
        }
    }
    return HEED_OK;
}

static double residual(const hd_predictions *p, size_t cell) {
    return (double)p->scores[cell] - (double)p->targets[cell];
}

static heed_err add_residuals(const hd_predictions *p, json_t *to) {
    size_t counts[RESIDUAL_BINS] = {0};
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < p->n * p->k; i++) {
        low = fmin(low, residual(p, i));
        high = fmax(high, residual(p, i));
    }
    if (!(high > low)) { // all alike: as numpy's histogram
        low -= .5;
        high += .5;
    }
    for (size_t i = 0; i < p->n * p->k; i++) {
        size_t bin = (size_t)((residual(p, i) - low) / (high - low) * RESIDUAL_BINS);
        counts[bin < RESIDUAL_BINS ? bin : RESIDUAL_BINS - 1]++;
    }
    json_t *histogram = json_object(), *list = json_array();
    heed_err err = hd_json_set(to, "residuals", histogram);
    if (err != HEED_OK) {
        json_decref(list);
        return err;
    }
    HD_TRY(hd_json_set(histogram, "counts", list));
    for (size_t b = 0; b < RESIDUAL_BINS; b++) {
        HD_TRY(hd_json_append(list, json_integer((json_int_t)counts[b])));
    }
    HD_TRY(hd_json_set(histogram, "low", hd_json_real(low)));
    return hd_json_set(histogram, "high", hd_json_real(high));
}

static heed_err add_points(const hd_predictions *p, json_t *to) {
    json_t *list = json_array();
    HD_TRY(hd_json_set(to, "points", list));
    size_t cells = p->n * p->k, step = cells / MOST_POINTS + 1;
    for (size_t i = 0; i < cells; i += step) {
        json_t *pair = json_array();
        HD_TRY(hd_json_append(list, pair));
        HD_TRY(hd_json_append(pair, hd_json_real(hd_json_decimal(p->targets[i]))));
        HD_TRY(hd_json_append(pair, hd_json_real(hd_json_decimal(p->scores[i]))));
    }
    return HEED_OK;
}

static heed_err add_values(const hd_drawn *d, const hd_evaluation_opts *opts, json_t *to) {
    (void)opts;
    HD_TRY(add_outputs(d, to));
    HD_TRY(add_residuals(&d->o->p, to));
    return add_points(&d->o->p, to);
}

static heed_err add_nothing(const hd_drawn *d, const hd_evaluation_opts *opts, json_t *to) {
    (void)d, (void)opts, (void)to;
    return HEED_OK;
}

// ── The whole ──

static heed_err add_all(const hd_drawn *d, const hd_evaluation_opts *opts, json_t *to) {
    static const char *const names[] = {"classes", "values", "language"};
    static heed_err (*const details[])(const hd_drawn *, const hd_evaluation_opts *,
                                       json_t *) = {add_classes, add_values, add_nothing};
    const hd_predictions *p = &d->o->p;
    HD_TRY(hd_json_set(to, "task", json_string(names[p->task])));
    HD_TRY(hd_json_set(to, "n", json_integer((json_int_t)p->n)));
    const hd_figure *f;
    for (size_t i = 0; (f = hd_figure_at(i)); i++) {
        if (f->task != p->task || (f->binary && p->k != 2)) continue;
        HD_TRY(hd_json_set(to, f->name, hd_json_real(f->of(d))));
    }
    HD_TRY(details[p->task](d, opts, to));
    return opts->bootstrap > 0 ? add_intervals(d->o, opts, to) : HEED_OK;
}

heed_err hd_evaluation_json(const hd_predictions *p, const hd_evaluation_opts *opts, json_t **out) {
    heed_err err = HEED_OK;
    hd_outcome outcome;
    double *confusion = NULL;
    *out = NULL;
    HD_TRY(hd_outcome_init(p, true, &outcome));
    confusion = hd_calloc(matrix_cells(p), sizeof *confusion);
    *out = json_object();
    if (!confusion || !*out) {
        err = HD_FAIL_MEMORY(matrix_cells(p) * sizeof *confusion);
        goto out;
    }
    hd_drawn all = hd_drawn_make(&outcome, NULL, confusion);
    HD_TRY_OUT(add_all(&all, opts, *out));
out:
    if (err != HEED_OK) hd_json_drop(out);
    hd_free(confusion);
    hd_outcome_clear(&outcome);
    return err;
}
