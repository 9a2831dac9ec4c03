// SPDX-License-Identifier: Apache-2.0
//
// Curves as they are drawn. A curve over n rows has up to n points; it is thinned by walking along
// it and keeping a point whenever a certain length has passed, so that corners near the axes keep
// as many as the middle. Areas are computed from all points (figures.c).
#include "measure/curve.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

enum { MOST_CURVES = 12 };

typedef struct curve_point {
    double x, y;     // fpr and tpr, or recall and precision
    float threshold; // rows at or above it are counted
} curve_point;

typedef struct curve_names {
    const char *key, *x, *y;
    bool roc;
} curve_names;
static const curve_names roc = {"roc", "fpr", "tpr", true};
static const curve_names pr = {"pr", "recall", "precision", false};

// All points of class `curve`, from the highest threshold. points: (n + 1)
static size_t all_points(const hd_drawn *d, size_t curve, bool is_roc, curve_point *points) {
    const hd_predictions *p = &d->o->p;
    const uint32_t *order = d->o->order + curve * p->n;
    size_t class = hd_outcome_class(d->o, curve), n = 0;
    double hit = 0, miss = 0, hits = hd_class_figures_of(d, class).support;
    points[n++] = (curve_point){.x = 0, .y = is_roc ? 0 : 1, .threshold = INFINITY};
    for (size_t i = 0; i < p->n;) {
        float score = p->scores[order[i] * p->k + class];
        for (; i < p->n && p->scores[order[i] * p->k + class] == score; i++) {
            *((size_t)p->labels[order[i]] == class ? &hit : &miss) += 1;
        }
        points[n].x = is_roc ? miss / (d->total - hits) : hit / hits;
        points[n].y = is_roc ? hit / hits : hit / (hit + miss);
        points[n++].threshold = score;
    }
    return n;
}

static double step_length(const curve_point *a, const curve_point *b) {
    return fabs(a->x - b->x) + fabs(a->y - b->y);
}

// Keeps at most `most` ≥ 2 of them, ends included.
static size_t thin(curve_point *points, size_t n, size_t most) {
    if (n <= most) return n;
    double length = 0, walked = 0;
    for (size_t i = 1; i < n; i++) length += step_length(&points[i - 1], &points[i]);
    size_t kept = 1;
    curve_point before = points[0];
    for (size_t i = 1; i + 1 < n; i++) {
        walked += step_length(&before, &points[i]);
        before = points[i];
        // What is kept after this one must still fit: one a share of the length.
        if (walked < length * (double)kept / (double)(most - 1) || kept + 1 >= most) continue;
        points[kept++] = points[i];
    }
    points[kept++] = points[n - 1];
    return kept;
}

static heed_err add_column(json_t *to, const char *key, const curve_point *points, size_t n,
                           double (*of)(const curve_point *)) {
    json_t *list = json_array();
    HD_TRY(hd_json_set(to, key, list));
    for (size_t i = 0; i < n; i++) HD_TRY(hd_json_append(list, hd_json_real(of(&points[i]))));
    return HEED_OK;
}
static double point_x(const curve_point *p) {
    return p->x;
}
static double point_y(const curve_point *p) {
    return p->y;
}
static double point_threshold(const curve_point *p) {
    return isfinite(p->threshold) ? hd_json_decimal(p->threshold) : INFINITY;
}

static heed_err add_curve(const hd_drawn *d, size_t curve, const curve_names *names, size_t most,
                          curve_point *points, json_t *list) {
    size_t n = thin(points, all_points(d, curve, names->roc, points), most < 2 ? 2 : most);
    json_t *one = json_object();
    HD_TRY(hd_json_append(list, one));
    HD_TRY(hd_json_set(one, "class", hd_class_name(&d->o->p, hd_outcome_class(d->o, curve))));
    HD_TRY(add_column(one, names->x, points, n, point_x));
    HD_TRY(add_column(one, names->y, points, n, point_y));
    return add_column(one, "threshold", points, n, point_threshold);
}

// The curves to draw: those of the least area when there are many, in order of class.
static size_t choose(const hd_drawn *d, size_t *chosen) {
    double area[MOST_CURVES];
    size_t n = 0;
    for (size_t c = 0; c < d->o->curves; c++) {
        double a = hd_curve_auc(d, c);
        if (isnan(a)) continue;
        size_t place = n;
        while (place > 0 && area[place - 1] > a) place--;
        if (place >= MOST_CURVES) continue;
        if (n < MOST_CURVES) n++;
        for (size_t i = n - 1; i > place; i--) {
            area[i] = area[i - 1];
            chosen[i] = chosen[i - 1];
        }
        area[place] = a;
        chosen[place] = c;
    }
    for (size_t i = 1; i < n; i++) { // few: by insertion
        for (size_t j = i; j > 0 && chosen[j - 1] > chosen[j]; j--) {
            size_t other = chosen[j];
            chosen[j] = chosen[j - 1];
            chosen[j - 1] = other;
        }
    }
    return n;
}

heed_err hd_drawn_add_curves(const hd_drawn *d, size_t most, json_t *to) {
    heed_err err = HEED_OK;
    size_t chosen[MOST_CURVES], n = choose(d, chosen);
    const curve_names *const kinds[] = {&roc, &pr};
    curve_point *points = hd_calloc(d->o->p.n + 1, sizeof *points);
    if (!points) return HD_FAIL_MEMORY((d->o->p.n + 1) * sizeof *points);
    for (size_t k = 0; k < 2; k++) {
        json_t *list = json_array();
        HD_TRY_OUT(hd_json_set(to, kinds[k]->key, list));
        for (size_t i = 0; i < n; i++) {
            HD_TRY_OUT(add_curve(d, chosen[i], kinds[k], most, points, list));
        }
    }
out:
    hd_free(points);
    return err;
}

// ── Reliability ──

typedef struct reliability_bin {
    double n, confidence, right; // sums
} reliability_bin;

// In which bin: edges are j / bins as numpy's linspace makes them.
static size_t bin_of(double score, size_t bins) {
    double width = 1 / (double)bins;
    size_t bin = (size_t)(score * (double)bins);
    if (bin >= bins) bin = bins - 1;
    while (bin > 0 && score <= (double)bin * width) bin--;
    while (bin + 1 < bins && score > (double)(bin + 1) * width) bin++;
    return bin;
}

static void fill_bins(const hd_outcome *o, size_t bins, reliability_bin *bin) {
    for (size_t i = 0; i < o->p.n; i++) {
        int32_t class = o->p.k == 2 ? 1 : o->predicted[i];
        double score = (double)o->p.scores[i * o->p.k + (size_t) class];
        reliability_bin *b = &bin[bin_of(score, bins)];
        b->n++;
        b->confidence += score;
        b->right += o->p.labels[i] == class;
    }
}

static heed_err add_bin(const reliability_bin *b, size_t i, size_t bins, json_t *list) {
    json_t *row = json_object();
    HD_TRY(hd_json_append(list, row));
    HD_TRY(hd_json_set(row, "low", hd_json_real((double)i / (double)bins)));
    HD_TRY(hd_json_set(row, "high", hd_json_real((double)(i + 1) / (double)bins)));
    HD_TRY(hd_json_set(row, "n", json_integer((json_int_t)b->n)));
    HD_TRY(hd_json_set(row, "confidence", hd_json_real(b->n > 0 ? b->confidence / b->n : NAN)));
    return hd_json_set(row, "accuracy", hd_json_real(b->n > 0 ? b->right / b->n : NAN));
}

static heed_err add_bins(const hd_outcome *o, size_t bins, const reliability_bin *bin, json_t *to) {
    double ece = 0, mce = 0;
    json_t *list = json_array();
    HD_TRY(hd_json_set(to, "bins", list));
    for (size_t i = 0; i < bins; i++) {
        HD_TRY(add_bin(&bin[i], i, bins, list));
        if (bin[i].n <= 0) continue;
        double gap = fabs(bin[i].right - bin[i].confidence) / bin[i].n;
        ece += gap * bin[i].n / (double)o->p.n;
        mce = fmax(mce, gap);
    }
    HD_TRY(hd_json_set(to, "ece", hd_json_real(ece)));
    return hd_json_set(to, "mce", hd_json_real(mce));
}

heed_err hd_reliability_add(const hd_outcome *o, size_t bins, json_t *to) {
    if (bins == 0) return HEED_OK;
    json_t *calibration = json_object();
    HD_TRY(hd_json_set(to, "calibration", calibration));
    reliability_bin *bin = hd_calloc(bins, sizeof *bin);
    if (!bin) return HD_FAIL_MEMORY(bins * sizeof *bin);
    fill_bins(o, bins, bin);
    heed_err err = add_bins(o, bins, bin, calibration);
    hd_free(bin);
    return err;
}
